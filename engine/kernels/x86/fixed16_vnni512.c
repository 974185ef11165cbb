/* SPDX-License-Identifier: MIT
 * fixed16_vnni512.c - the GEMM of 16-bit integers with AVX-512 VNNI: panels of 32 rows, tiles of 32 rows by 6 columns.
 *
 * VPDPWSSD multiplies two neighbours of sixteen rows and adds both products: 32 multiply-adds, twice those of an f32
 * FMA that takes as long. A tile is 12 sums of integers, 12 of floats, 2 panel vectors and a broadcast.
 */
#include "engine/kernels/gemm_template.h"
#include "engine/kernels/x86/kernels_avx512.h"

#define TILE_ROWS 32
#define TILE_COLS 6

/* Of the intrinsic gcc 12 makes copies of every sum. */
#define DPWSSD(sum, w, x) __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x))

enum { BLOCK = 16, PIECE = 32 }; /* rows and elements that are packed at a time */

/* ------------------------------------------------------------------------------------------------ rounding -- */

/* NaN to 0, infinities to the largest float. */
INLINE __m512 finite16(__m512 x)
{
    const __m512 max = _mm512_set1_ps(FLT_MAX);
    const __m512 low = _mm512_maskz_min_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x, max);
    return _mm512_max_ps(low, _mm512_sub_ps(_mm512_setzero_ps(), max));
}

/* Elements [k, k + 16) of n, zeros behind them. */
INLINE __m512 load_finite(const float *x, int64_t k, int64_t n)
{
    if (k >= n) return _mm512_setzero_ps();
    return finite16(n - k >= 16 ? _mm512_loadu_ps(x + k) : _mm512_maskz_loadu_ps(first_mask16(n - k), x + k));
}

INLINE __m512i round16(const float *x, int64_t k, int64_t n, float inverse)
{
    return _mm512_cvtps_epi32(_mm512_mul_ps(load_finite(x, k, n), _mm512_set1_ps(inverse)));
}

static einf__i16_scale scale_of(const float *x, int64_t n)
{
    __m512 max = _mm512_setzero_ps();
    for (int64_t k = 0; k < n; k += 16) max = _mm512_max_ps(max, _mm512_abs_ps(load_finite(x, k, n)));
    return einf__i16_scale_of(max16(max));
}

static void quantize_i16_vnni512(uint16_t *y, float *scale, const float *x, int64_t n)
{
    for (int64_t begin = 0; begin < n; begin += EINF__NARROW_GROUP) {
        const int64_t end = n - begin < EINF__NARROW_GROUP ? n : begin + EINF__NARROW_GROUP;
        const einf__i16_scale s = scale_of(x + begin, end - begin);
        scale[begin / EINF__NARROW_GROUP] = s.scale;
        for (int64_t k = begin; k < end; k += 16) {
            const int64_t left = end - k;
            const __m256i codes = _mm512_cvtepi32_epi16(round16(x, k, end, s.inverse));
            _mm256_mask_storeu_epi16(y + k, left < 16 ? first_mask16(left) : 0xffff, codes);
        }
    }
    if (n % 2 != 0) y[n] = 0;
}

/* ------------------------------------------------------------------------------------------------- packing -- */

/* Vectors of 16 pairs, one a row, to 16 vectors of a pair each, those of place p to out[p]. */
INLINE void transpose16(__m512i out[BLOCK], const __m512i in[BLOCK])
{
    __m512i t[BLOCK], u[BLOCK];
    UNROLL for (int g = 0; g < 8; g++) {
        t[2 * g] = _mm512_unpacklo_epi32(in[2 * g], in[2 * g + 1]);
        t[2 * g + 1] = _mm512_unpackhi_epi32(in[2 * g], in[2 * g + 1]);
    }
    /* u[4 g + e]: places e, e + 4, e + 8, e + 12 in the four lanes, of rows 4 g on */
    UNROLL for (int g = 0; g < 4; g++) {
        u[4 * g] = _mm512_unpacklo_epi64(t[4 * g], t[4 * g + 2]);
        u[4 * g + 1] = _mm512_unpackhi_epi64(t[4 * g], t[4 * g + 2]);
        u[4 * g + 2] = _mm512_unpacklo_epi64(t[4 * g + 1], t[4 * g + 3]);
        u[4 * g + 3] = _mm512_unpackhi_epi64(t[4 * g + 1], t[4 * g + 3]);
    }
    UNROLL for (int e = 0; e < 4; e++) {
        const __m512i low = _mm512_shuffle_i32x4(u[e], u[4 + e], 0x88);
        const __m512i high = _mm512_shuffle_i32x4(u[e], u[4 + e], 0xdd);
        const __m512i low2 = _mm512_shuffle_i32x4(u[8 + e], u[12 + e], 0x88);
        const __m512i high2 = _mm512_shuffle_i32x4(u[8 + e], u[12 + e], 0xdd);
        out[e] = _mm512_shuffle_i32x4(low, low2, 0x88);
        out[e + 8] = _mm512_shuffle_i32x4(low, low2, 0xdd);
        out[e + 4] = _mm512_shuffle_i32x4(high, high2, 0x88);
        out[e + 12] = _mm512_shuffle_i32x4(high, high2, 0xdd);
    }
}

/* Elements [k, k + 32) of n_rows of 16 rows, n of them in all, to pairs k / 2 on of the panel. */
INLINE void pack_block(uint16_t *panel, const float *a, int64_t lda, int n_rows, int64_t k, int64_t n,
                       const float inverse[BLOCK])
{
    /* A row's codes come together lane by lane: in lane l stand elements 4 l on, and behind them 16 + 4 l on. */
    static const uint8_t pair_at[BLOCK] = { 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15 };
    __m512i in[BLOCK], out[BLOCK];
    UNROLL for (int i = 0; i < BLOCK; i++) {
        const float *row = a + (i < n_rows ? i * lda : 0);
        const int64_t end = i < n_rows ? n : 0;
        in[i] = _mm512_packs_epi32(round16(row, k, end, inverse[i]), round16(row, k + 16, end, inverse[i]));
    }
    transpose16(out, in);
    UNROLL for (int p = 0; p < BLOCK; p++)
        if (k + 2 * pair_at[p] < n) _mm512_storeu_si512(panel + (k / 2 + pair_at[p]) * TILE_ROWS * 2, out[p]);
}

static void pack_i16_vnni512(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    for (int first = 0; first < TILE_ROWS; first += BLOCK) {
        const float *rows = a + (first < n_rows ? first * lda : 0);
        const int n = n_rows - first < 0 ? 0 : n_rows - first;
        float inverse[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
            const einf__i16_scale s = scale_of(rows + (i < n ? i * lda : 0), i < n ? depth : 0);
            scale[first + i] = s.scale;
            inverse[i] = s.inverse;
        }
        for (int k = 0; k < depth; k += PIECE) {
            uint16_t *out = panel + 2 * first;
            if (n >= BLOCK && k + PIECE <= depth) pack_block(out, rows, lda, BLOCK, k, k + PIECE, inverse);
            else pack_block(out, rows, lda, n, k, depth, inverse);
        }
    }
}

/* ---------------------------------------------------------------------------------------------- multiplying -- */

/* Two neighbours in all lanes. */
INLINE __m512i pair_of(const uint16_t *x)
{
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return _mm512_set1_epi32(pair);
}

/* 32 rows by n_cols columns, a constant: n_pairs of a group, whose sums are added up as floats. */
INLINE void multiply_group(int n_cols, __m512 sums[TILE_COLS][2], const uint16_t *panel, int n_pairs, const uint16_t *x,
                           int64_t stride, const float *scale, int64_t scale_stride)
{
    __m512i acc[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) acc[j][0] = acc[j][1] = _mm512_setzero_si512();
    for (int p = 0; p < n_pairs; p++) {
        const __m512i low = load512(panel + p * TILE_ROWS * 2), high = load512(panel + p * TILE_ROWS * 2 + TILE_ROWS);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m512i pair = pair_of(x + j * stride + 2 * p);
            DPWSSD(acc[j][0], low, pair);
            DPWSSD(acc[j][1], high, pair);
        }
    }
    UNROLL for (int j = 0; j < n_cols; j++) {
        const __m512 factor = _mm512_set1_ps(scale[j * scale_stride]);
        UNROLL for (int h = 0; h < 2; h++)
            sums[j][h] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[j][h]), factor, sums[j][h]);
    }
}

INLINE void tile(int n_cols, float *c, int64_t ldc, const uint16_t *panel, const float *scale, int depth,
                 const einf__narrow_cols *b, bool add)
{
    __m512 sums[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) sums[j][0] = sums[j][1] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k += EINF__NARROW_GROUP) {
        const int n = depth - k < EINF__NARROW_GROUP ? depth - k : EINF__NARROW_GROUP;
        multiply_group(n_cols, sums, panel + k * TILE_ROWS, (n + 1) / 2, b->x + k, b->stride,
                       b->scale + k / EINF__NARROW_GROUP, b->scale_stride);
    }
    UNROLL for (int h = 0; h < 2; h++) {
        const __m512 factor = _mm512_loadu_ps(scale + 16 * h);
        UNROLL for (int j = 0; j < n_cols; j++) {
            float *out = c + j * ldc + 16 * h;
            const __m512 sum = _mm512_mul_ps(sums[j][h], factor);
            _mm512_storeu_ps(out, add ? _mm512_add_ps(_mm512_loadu_ps(out), sum) : sum);
        }
    }
}

static void mul_i16_vnni512(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                            const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    einf__narrow_cols cols = *b;
    for (int32_t n = 0; n_cols > 0; n_cols -= n, c += n * ldc) {
        n = gemm_tile_cols(n_cols, TILE_COLS);
        switch (n) {
        case 1: tile(1, c, ldc, panel, scale, depth, &cols, add); break;
        case 2: tile(2, c, ldc, panel, scale, depth, &cols, add); break;
        case 3: tile(3, c, ldc, panel, scale, depth, &cols, add); break;
        case 4: tile(4, c, ldc, panel, scale, depth, &cols, add); break;
        case 5: tile(5, c, ldc, panel, scale, depth, &cols, add); break;
        default: tile(TILE_COLS, c, ldc, panel, scale, depth, &cols, add); break;
        }
        cols.x += n * cols.stride;
        cols.scale += n * cols.scale_stride;
    }
}

void einf__install_fixed16_vnni512(einf__kernels *k)
{
    k->narrow_mr[EINF__SUM_I16] = TILE_ROWS;
    k->fast_sum[EINF__SUM_I16] = true;
    EINF__INSTALL(k, quantize_i16, quantize_i16_vnni512);
    EINF__INSTALL(k, pack_i16, pack_i16_vnni512);
    EINF__INSTALL(k, mul_i16, mul_i16_vnni512);
}
