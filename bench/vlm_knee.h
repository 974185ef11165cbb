/* SPDX-License-Identifier: MIT
 * vlm_knee.h - where cost stops growing with the size of a picture: is it at the clamp?
 *
 * eprof_fit_knee knows a hinge of two straight lines. Over megapixels the falling part is bent: attention among patches
 * is quadratic, and sides come in multiples of 28. So the knee is looked for over the multiply-adds that the picture
 * would take if nothing limited it, over which cost is straight, and read back in pixels from the ladder. The knee over
 * megapixels alone, as the study has it, is kept beside it.
 */
#ifndef BENCH_VLM_KNEE_H
#define BENCH_VLM_KNEE_H

#include <stdbool.h>

#include <edgeprof/laws.h>

#include "bench/vlm_ladder.h"

/* Sides are rounded up to multiples of this: a knee cannot be known better. */
enum { VLM_ALIGNMENT = 28 };

typedef struct vlm_knee {
    eprof_knee fit;
    eprof_interval megapixels, edge; /* nominal; the longest edge. NAN where fit has no knee */
    bool found;               /* a hinge or a step */
    bool at_clamp;            /* the interval, widened by a multiple of 28, holds the clamp; false where it
                               * reaches the ends of the ladder, and so says nothing */
} vlm_knee;

/** cost[i]: of size i under a clamp. over: an array of the ladder's (free_gmac, or megapixels) that it is fitted to. */
eprof_status vlm_knee_find(const vlm_ladder *l, uint32_t clamp, const double *over, const double *cost, vlm_knee *out,
                           eprof_error *err);
/** Nominal megapixels of a picture that the clamp just leaves alone. */
double vlm_clamp_megapixels(const vlm_ladder *l, uint32_t clamp);
/** "hinge", "step", "line", "constant". */
const char *vlm_knee_model(const vlm_knee *k);

#endif
