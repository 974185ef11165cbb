/* SPDX-License-Identifier: MIT
 * panel_avx2.h - private to the int8 GEMM in 256-bit registers: what its packers, tiles and multipliers share. Inline
 * functions only.
 *
 * Strips and tiles hold four elements of a row or column side by side: a vector is eight rows of them.
 */
#ifndef EINF_PANEL_AVX2_H
#define EINF_PANEL_AVX2_H

#include <float.h>

#include "engine/kernels/x86/kernels_avx2.h"

enum { PANEL_K_UNIT = 4, PANEL_MAX_GROUP = 128 };

/* Of the AVX-VNNI rung, which packs with AVX2. */
void einf__install_panel_avxvnni(einf__kernels *k);

/* ------------------------------------------------------------------------------------ rounding to int8 -- */

/* The largest |x| of n floats, a multiple of 32, as bits: which grow with it, over the infinite to NaN. */
INLINE uint32_t panel_largest(const float *x, int n)
{
    const __m256i size = _mm256_set1_epi32(0x7fffffff);
    __m256i max[4];
    UNROLL for (int p = 0; p < 4; p++) max[p] = _mm256_setzero_si256();
    for (int e = 0; e < n; e += 32)
        UNROLL for (int p = 0; p < 4; p++)
            max[p] = _mm256_max_epi32(max[p], _mm256_and_si256(size, load256(x + e + 8 * p)));
    const __m256i all = _mm256_max_epi32(_mm256_max_epi32(max[0], max[1]), _mm256_max_epi32(max[2], max[3]));
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}

/* A group and its scale, max|x| / 127, or 0 where the reciprocal would overflow. Returns x; or a copy in which NaN is 0
 * and infinities are the largest float, if there are any: in `room`, which holds a group. */
INLINE const float *panel_scale(float *scale, float *room, const float *x, int n)
{
    uint32_t largest = panel_largest(x, n);
    if (largest >= 0x7f800000u) {
        for (int e = 0; e < n; e += 8) _mm256_storeu_ps(room + e, finite8(_mm256_loadu_ps(x + e)));
        x = room;
        largest = panel_largest(x, n);
    }
    const float d = einf__bits_f32(largest) / 127.0f;
    *scale = d < FLT_MIN ? 0.0f : d;
    return x;
}

/* 32 codes, |code| <= 127: x / scale, of what panel_scale gave for a group with these. */
INLINE __m256i panel_round(const float *x, float scale)
{
    const __m256 inverse = _mm256_set1_ps(scale > 0.0f ? 1.0f / scale : 0.0f);
    __m256i r[4];
    UNROLL for (int p = 0; p < 4; p++) r[p] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * p), inverse));
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(r[0], r[1]), _mm256_packs_epi32(r[2], r[3]));
    return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* ------------------------------------------------------------------------------------------- products -- */

/* Four elements of a column, for eight rows. */
INLINE __m256i panel_spread(const int8_t *q)
{
    return _mm256_set1_epi32((int)load_u32(q));
}

#endif
