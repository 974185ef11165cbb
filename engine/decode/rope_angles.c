/* SPDX-License-Identifier: MIT
 * rope_angles.c - frequencies in double, so that an angle of 100,000 positions is still right to 1e-11.
 */
#include "engine/decode/rope_angles.h"

#include <math.h>

void einf__rope_lay_out(einf__arena *a, const einf__config *c, int64_t n_batch, einf__rope_table *out)
{
    const int64_t n_pairs = c->n_rot / 2;
    out->freq = EINF__CARVE(a, double, n_pairs);
    out->cos = EINF__CARVE(a, float, n_batch * n_pairs);
    out->sin = EINF__CARVE(a, float, n_batch * n_pairs);
}

bool einf__rope_is_long(const einf__config *c, const einf__weights *w, uint32_t n_ctx)
{
    return w->rope_factors_long && n_ctx > c->rope_original_ctx;
}

void einf__rope_init(einf__rope_table *t, const einf__config *c, float base, float scale, const float *factors)
{
    for (uint32_t p = 0; p < c->n_rot / 2; p++) {
        const double plain = pow((double)base, -2.0 * p / c->n_rot) * (double)scale;
        t->freq[p] = factors ? plain / (double)factors[p] : plain;
    }
}

/* Which of the four positions pair p sees. Without M-RoPE the sections are 0 and it is the first. */
static int section_of(const einf__config *c, uint32_t p)
{
    uint32_t end = 0;
    for (int s = 0; s < 4; s++) {
        end += c->rope_sections[s];
        if (p < end) return s;
    }
    return 0;
}

void einf__rope_fill(einf__rope_table *t, const einf__config *c, const int32_t (*positions)[4], int64_t n)
{
    const uint32_t n_pairs = c->n_rot / 2;
    for (uint32_t p = 0; p < n_pairs; p++) {
        const int section = section_of(c, p);
        for (int64_t i = 0; i < n; i++) {
            const double angle = positions[i][section] * t->freq[p];
            t->cos[i * n_pairs + p] = (float)cos(angle) * c->rope_magnitude;
            t->sin[i * n_pairs + p] = (float)sin(angle) * c->rope_magnitude;
        }
    }
}
