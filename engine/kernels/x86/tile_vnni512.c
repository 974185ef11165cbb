/* SPDX-License-Identifier: MIT
 * tile_vnni512.c - columns of activations to a tile, four at a time: their codes are transposed so that the same four
 * elements of each lie side by side.
 */
#include <float.h>

#include "engine/kernels/x86/panel_vnni512.h"

enum { COLS = 4, PIECE = 32 };

/* Four columns; those that are not there read nothing. */
typedef struct columns {
    const float *x[COLS];
    __mmask16 there[COLS];
} columns;

/* Sixteen elements: NaN to 0, infinities to the largest float. */
INLINE __m512 load_finite(const columns *c, int j, int64_t e)
{
    const __m512 x = _mm512_maskz_loadu_ps(c->there[j], c->x[j] + e), max = _mm512_set1_ps(FLT_MAX);
    const __m512 number = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x);
    return _mm512_max_ps(_mm512_min_ps(number, max), _mm512_sub_ps(_mm512_setzero_ps(), max));
}

/* The largest of each of four vectors, in order. */
INLINE __m128 largest_of_four(const __m512 v[COLS])
{
    __m256 m[COLS];
    UNROLL for (int j = 0; j < COLS; j++)
        m[j] = _mm256_max_ps(_mm512_castps512_ps256(v[j]), _mm512_extractf32x8_ps(v[j], 1));
    const __m256 a = _mm256_max_ps(_mm256_unpacklo_ps(m[0], m[1]), _mm256_unpackhi_ps(m[0], m[1]));
    const __m256 b = _mm256_max_ps(_mm256_unpacklo_ps(m[2], m[3]), _mm256_unpackhi_ps(m[2], m[3]));
    const __m256 both = _mm256_max_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
    return _mm_max_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
}

INLINE __m128 largest_of_group(int group, const columns *c, int64_t at)
{
    __m512 max[COLS];
    UNROLL for (int j = 0; j < COLS; j++) {
        max[j] = _mm512_abs_ps(load_finite(c, j, at));
        UNROLL for (int e = 16; e < group; e += 16)
            max[j] = _mm512_max_ps(max[j], _mm512_abs_ps(load_finite(c, j, at + e)));
    }
    return largest_of_four(max);
}

INLINE __m128i round16(const columns *c, int j, int64_t e, __m512 inverse)
{
    return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(load_finite(c, j, e), inverse)));
}

/* 32 elements to q, `step` bytes for four of them. `sum` gets those of the columns, in either lane. */
INLINE void put_piece(int n_cols, int8_t *q, int64_t step, const columns *c, int64_t e, const float inverse[COLS],
                      __m256i *sum)
{
    __m256i v[COLS];
    UNROLL for (int j = 0; j < COLS; j++) {
        const __m512 factor = _mm512_set1_ps(inverse[j]);
        v[j] = _mm256_set_m128i(round16(c, j, e + 16, factor), round16(c, j, e, factor));
    }
    const __m256i ab_low = _mm256_unpacklo_epi32(v[0], v[1]), ab_high = _mm256_unpackhi_epi32(v[0], v[1]);
    const __m256i cd_low = _mm256_unpacklo_epi32(v[2], v[3]), cd_high = _mm256_unpackhi_epi32(v[2], v[3]);
    const __m256i four[4] = {_mm256_unpacklo_epi64(ab_low, cd_low), _mm256_unpackhi_epi64(ab_low, cd_low),
                             _mm256_unpacklo_epi64(ab_high, cd_high), _mm256_unpackhi_epi64(ab_high, cd_high)};
    UNROLL for (int i = 0; i < 4; i++) {
        const __m128i low = _mm256_castsi256_si128(four[i]), high = _mm256_extracti128_si256(four[i], 1);
        *sum = _mm256_dpbusd_epi32(*sum, _mm256_set1_epi8(1), four[i]);
        if (n_cols == COLS) {
            _mm_storeu_si128((__m128i *)(void *)(q + i * step), low);
            _mm_storeu_si128((__m128i *)(void *)(q + (i + 4) * step), high);
        } else {
            _mm_storel_epi64((__m128i *)(void *)(q + i * step), low);
            _mm_storel_epi64((__m128i *)(void *)(q + (i + 4) * step), high);
        }
    }
}

/* Scales as the reference divides them, then codes and sums, of columns [col, col + n_cols), two or four. */
INLINE void quantize_columns(int group, int n_cols, const einf__tile *t, const columns *c, int32_t col, int64_t n)
{
    const __mmask8 there = (__mmask8)((1u << n_cols) - 1u);
    for (int64_t at = 0; at < n; at += group) {
        const int64_t to = at / group * t->n_cols + col;
        __m128 d = _mm_div_ps(largest_of_group(group, c, at), _mm_set1_ps(127.0f));
        const __mmask8 whole = _mm_cmp_ps_mask(d, _mm_set1_ps(FLT_MIN), _CMP_GE_OQ);
        d = _mm_maskz_mov_ps(whole, d);
        float inverse[COLS];
        _mm_storeu_ps(inverse, _mm_maskz_div_ps(whole, _mm_set1_ps(1.0f), d));
        __m256i sum = _mm256_setzero_si256();
        UNROLL for (int e = 0; e < group; e += PIECE)
            put_piece(n_cols, t->q + (at + e) * t->n_cols + 4 * col, 4 * t->n_cols, c, at + e, inverse, &sum);
        const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        _mm_mask_storeu_ps(t->d + to, there, d);
        _mm_mask_storeu_epi32(t->start + to, there, _mm_mullo_epi32(sums, _mm_set1_epi32(-BIAS)));
        _mm_mask_storeu_ps(t->dsum + to, there, _mm_mul_ps(d, _mm_cvtepi32_ps(sums)));
    }
}

INLINE void quantize_groups(int group, const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n)
{
    for (int32_t col = 0; col < t->n_cols; col += COLS) {
        columns c;
        for (int j = 0; j < COLS; j++) {
            c.x[j] = col + j < n_cols ? x + (col + j) * x_stride : x;
            c.there[j] = col + j < n_cols ? 0xffff : 0;
        }
        if (t->n_cols - col >= COLS) quantize_columns(group, COLS, t, &c, col, n);
        else quantize_columns(group, NR_UNIT, t, &c, col, n);
    }
}

static void quantize_tile_vnni512(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                                  int32_t group)
{
    if (group == 128) quantize_groups(128, t, x, x_stride, n_cols, n);
    else if (group == 64) quantize_groups(64, t, x, x_stride, n_cols, n);
    else quantize_groups(32, t, x, x_stride, n_cols, n);
}

void einf__install_tile_vnni512(einf__kernels *k)
{
    EINF__INSTALL(k, quantize_tile, quantize_tile_vnni512);
}
