/* SPDX-License-Identifier: MIT
 * rope2d.c - where patches lie, and the angles that follow. In double, as rope_angles.c has them for text; a table for
 * the whole picture, since every layer turns by it.
 */
#include "vision/rope2d.h"

#include <math.h>

einf__patch_at einf__patch_of(int64_t i, uint32_t n_x, uint32_t merge)
{
    const uint32_t group_patches = merge * merge, groups_x = n_x / merge;
    const uint32_t group = (uint32_t)(i / group_patches), inside = (uint32_t)(i % group_patches);
    return (einf__patch_at){ .y = group / groups_x * merge + inside / merge,
                             .x = group % groups_x * merge + inside % merge };
}

void einf__rope2d_lay_out(einf__arena *a, int64_t n_patches, uint32_t head_dim, einf__rope2d *out)
{
    out->cos = EINF__CARVE(a, float, (uint64_t)n_patches * (head_dim / 2));
    out->sin = EINF__CARVE(a, float, (uint64_t)n_patches * (head_dim / 2));
}

/* Pair p of one table: frequencies are the same for rows and columns, a quarter of head_dim each. */
static void fill_pair(einf__rope2d *r, uint32_t p, uint32_t n_x, uint32_t n_y, uint32_t merge, uint32_t head_dim,
                      double base)
{
    const uint32_t n_pairs = head_dim / 2, half = n_pairs / 2;
    const double freq = pow(base, -2.0 * (p % half) / n_pairs);
    for (int64_t i = 0; i < (int64_t)n_x * n_y; i++) {
        const einf__patch_at at = einf__patch_of(i, n_x, merge);
        const double angle = (p < half ? at.y : at.x) * freq;
        r->cos[i * n_pairs + p] = (float)cos(angle);
        r->sin[i * n_pairs + p] = (float)sin(angle);
    }
}

void einf__rope2d_init(einf__rope2d *r, uint32_t n_x, uint32_t n_y, uint32_t merge, uint32_t head_dim, float base)
{
    for (uint32_t p = 0; p < head_dim / 2; p++) fill_pair(r, p, n_x, n_y, merge, head_dim, (double)base);
}
