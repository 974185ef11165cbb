/* SPDX-License-Identifier: MIT
 * rope2d.h - the rotary embedding of patches in two dimensions (arXiv 2409.12191, 2.1; RoPE: arXiv 2104.09864).
 *
 * Of the head_dim / 2 pairs (i, i + head_dim / 2) the first half turns by the patch's row, the second by its column,
 * each by position * base^(-2j / (head_dim / 2)) for j in [0, head_dim / 4). Patches come in groups of merge^2.
 */
#ifndef EINF_VISION_ROPE2D_H
#define EINF_VISION_ROPE2D_H

#include "engine/base/arena.h"

typedef struct einf__rope2d {
    float *cos, *sin; /* [n_patches, head_dim / 2] */
} einf__rope2d;

/* Row and column of a patch. */
typedef struct einf__patch_at {
    uint32_t y, x;
} einf__patch_at;
/** Where patch i lies: groups of merge x merge patches, row by row of groups, row by row inside a group. */
einf__patch_at einf__patch_of(int64_t i, uint32_t n_x, uint32_t merge);

void einf__rope2d_lay_out(einf__arena *a, int64_t n_patches, uint32_t head_dim, einf__rope2d *out);
void einf__rope2d_init(einf__rope2d *r, uint32_t n_x, uint32_t n_y, uint32_t merge, uint32_t head_dim, float base);

#endif
