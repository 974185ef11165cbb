/* SPDX-License-Identifier: MIT
 * resize_weights.h - private to the resizer: which pixels a pixel is made of along one axis, and with which weights.
 *
 * As in Pillow: an output at (i + 0.5) * scale takes what lies within the filter's support, which is stretched by the
 * reduction; weights are normalised in double and rounded to 22 bits behind the point, halves away from zero.
 */
#ifndef EINF_VISION_RESIZE_WEIGHTS_H
#define EINF_VISION_RESIZE_WEIGHTS_H

#include <stdint.h>

typedef struct einf__resize_axis {
    int64_t n_in, n_out;
    int32_t filter;  /* EINF_FILTER_*, not the legacy one */
    double scale;    /* inputs an output */
    double stretch;  /* of the filter: scale, and at least 1 */
    double support;  /* inputs to either side of the centre */
    int64_t stride;  /* no window is longer; a multiple of 4 */
} einf__resize_axis;

/* Inputs [begin, end), never empty. Neither falls as the output rises. */
typedef struct einf__resize_window {
    int64_t begin, end;
} einf__resize_window;

/** n_in and n_out in 1..EINF__RESIZE_MAX_SIDE. */
einf__resize_axis einf__resize_axis_of(int64_t n_in, int64_t n_out, int32_t filter);
einf__resize_window einf__resize_window_of(const einf__resize_axis *axis, int64_t i_out);
/** Weights [stride] of one output, zeros behind its window. scratch: [stride]. */
void einf__resize_weights(const einf__resize_axis *axis, int64_t i_out, double *scratch, int32_t *weights);

#endif
