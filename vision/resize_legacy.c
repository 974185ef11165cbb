/* SPDX-License-Identifier: MIT
 * resize_legacy.c - see the header. Exact to a build without fused multiply-adds, as those for x86 were: what is float
 * there is float here, what is double is double, and operations come in the same order. Needs -ffp-contract=off.
 */
#include "vision/resize_legacy.h"

#include <math.h>

/* The cubic through p[0..3] at -1, 0, 1, 2, between p[1] and p[2]: coefficients in double, then rounded. */
static float cubic(const float p[4], float at)
{
    const double d0 = (double)(p[0] - p[1]), d2 = (double)(p[2] - p[1]), d3 = (double)(p[3] - p[1]);
    const float a1 = (float)(-1.0 / 3 * d0 + d2 - 1.0 / 6 * d3);
    const float a2 = (float)(1.0 / 2 * d0 + 1.0 / 2 * d2);
    const float a3 = (float)(-1.0 / 6 * d0 - 1.0 / 2 * d2 + 1.0 / 6 * d3);
    return p[1] + a1 * at + a2 * at * at + a3 * at * at * at;
}

/* Four neighbours along one axis, at the edge the last one again, and where between the middle two. */
typedef struct taps {
    int64_t index[4];
    float at;
} taps;

/* A pixel is taken to be where it begins: no shift by half a pixel, and no wider filter for a smaller picture. */
static taps taps_of(uint32_t i_out, uint32_t n_in, uint32_t n_out)
{
    const float scale = (float)n_in / (float)n_out, position = scale * (float)i_out;
    const int64_t before = (int64_t)position;
    taps t = {.at = position - (float)before};
    for (int64_t k = 0; k < 4; k++) {
        const int64_t index = before - 1 + k;
        t.index[k] = index < 0 ? 0 : index >= (int64_t)n_in ? (int64_t)n_in - 1 : index;
    }
    return t;
}

void einf__resize_legacy_row(const einf__resize *r, uint32_t y)
{
    uint8_t *dst = r->dst + (uint64_t)y * r->dst_width * 3;
    const taps rows = taps_of(y, r->src_height, r->dst_height);
    for (uint32_t x = 0; x < r->dst_width; x++) {
        const taps cols = taps_of(x, r->src_width, r->dst_width);
        for (int64_t c = 0; c < 3; c++) {
            float across[4];
            for (int j = 0; j < 4; j++) {
                const uint8_t *row = r->src + rows.index[j] * r->src_width * 3;
                float p[4];
                for (int i = 0; i < 4; i++) p[i] = (float)row[3 * cols.index[i] + c];
                across[j] = cubic(p, cols.at);
            }
            const float value = roundf(cubic(across, rows.at));
            dst[3 * (uint64_t)x + (uint64_t)c] = (uint8_t)(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value);
        }
    }
}
