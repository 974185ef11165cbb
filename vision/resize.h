/* SPDX-License-Identifier: MIT
 * resize.h - 8-bit RGB to another size, as Pillow does it: two passes, horizontal first, each pixel a sum of weights in
 * fixed point that is rounded to 8 bits (bicubic a = -0.5, bilinear, Lanczos 3, box; support grows with the reduction).
 * "Pillow" is every version before 13 (compared: 9.5, 11.3, 12.0), as Qwen's models were trained with; 13 turns the
 * passes round where it expects less work of that, and differs there by a rounding between them.
 * LEGACY_BICUBIC instead is the 4 x 4 interpolation of llama.cpp between May and November 2025 (papers.md 1.4).
 *
 * The inner loops are slots of the table of kernels; rows are shared out in the pool, which the caller has acquired.
 * Results do not depend on the number of threads, nor on the instruction set.
 */
#ifndef EINF_VISION_RESIZE_H
#define EINF_VISION_RESIZE_H

#include "engine/base/cancel.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"
#include "engine/base/threads.h"
#include "engine/kernels/kernels.h"

/* Longer sides are refused: coordinates stay exact, and the weights of the most extreme reduction below 64 MiB. */
enum { EINF__RESIZE_MAX_SIDE = 1 << 20 };

typedef struct einf__resize {
    const uint8_t *src;      /* [src_height, src_width, 3] */
    uint8_t *dst;            /* [dst_height, dst_width, 3] */
    uint32_t src_width, src_height, dst_width, dst_height; /* none is 0, no area above 2^31 */
    int32_t filter;          /* EINF_FILTER_* */
    const einf__kernels *kernels;
    einf__pool *pool;
    const einf_cancel *cancel_a, *cancel_b; /* may be NULL; looked at between bands of rows */
} einf__resize;

/** Private memory that einf__resize_run takes while it runs: weights, and rows between the two passes. UINT64_MAX: it
 *  refuses these sizes. */
uint64_t einf__resize_bytes(uint32_t src_width, uint32_t src_height, uint32_t dst_width, uint32_t dst_height,
                            int32_t filter);
/** Resize; src of the same size is copied, whatever the filter. EINF_E_NOMEM, EINF_E_LIMIT, EINF_E_CANCELLED. */
einf_status einf__resize_run(const einf__resize *r, einf__memory *mem, einf_error *err);

#endif
