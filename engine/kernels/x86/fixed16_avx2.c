/* SPDX-License-Identifier: MIT
 * fixed16_avx2.c - the GEMM of 16-bit integers with AVX2: panels of 16 rows, tiles of 16 rows by 4 columns.
 *
 * VPMADDWD multiplies two neighbours of eight rows and adds both products; VPADDD adds them to the sum: 16
 * multiply-adds for two instructions, against 8 for each FMA. CPUs that begin three or four vector instructions a
 * cycle but two FMA gain by it: 23 multiply-adds a cycle where f32 has 16 (Zen 4). A tile is 8 sums of integers, 2
 * panel vectors, a broadcast and products; sums of floats lie in L1.
 */
#include "engine/kernels/gemm_template.h"
#include "engine/kernels/x86/kernels_avx2.h"

#define TILE_ROWS 16
#define TILE_COLS 4

enum { BLOCK = 8, PIECE = 16 }; /* rows and elements that are packed at a time */

/* ------------------------------------------------------------------------------------------------ rounding -- */

/* Elements [k, k + 8) of n, zeros behind them. */
INLINE __m256 load_finite(const float *x, int64_t k, int64_t n)
{
    if (k >= n) return _mm256_setzero_ps();
    return finite8(n - k >= 8 ? _mm256_loadu_ps(x + k) : _mm256_maskload_ps(x + k, first_lanes(n - k)));
}

INLINE __m256i round8(const float *x, int64_t k, int64_t n, float inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(load_finite(x, k, n), _mm256_set1_ps(inverse)));
}

static einf__i16_scale scale_of(const float *x, int64_t n)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 max = _mm256_setzero_ps();
    for (int64_t k = 0; k < n; k += 8) max = _mm256_max_ps(max, _mm256_andnot_ps(sign, load_finite(x, k, n)));
    return einf__i16_scale_of(max8(max));
}

static void quantize_i16_avx2(uint16_t *y, float *scale, const float *x, int64_t n)
{
    for (int64_t begin = 0; begin < n; begin += EINF__NARROW_GROUP) {
        const int64_t end = n - begin < EINF__NARROW_GROUP ? n : begin + EINF__NARROW_GROUP;
        const einf__i16_scale s = scale_of(x + begin, end - begin);
        scale[begin / EINF__NARROW_GROUP] = s.scale;
        for (int64_t k = begin; k < end; k += 8) {
            const __m256i codes = round8(x, k, end, s.inverse);
            const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
            if (end - k >= 8) _mm_storeu_si128((__m128i *)(void *)(y + k), packed);
            else memcpy(y + k, &packed, (size_t)(end - k) * sizeof *y);
        }
    }
    if (n % 2 != 0) y[n] = 0;
}

/* ------------------------------------------------------------------------------------------------- packing -- */

/* Vectors of 8 pairs, one a row, to 8 vectors of a pair each, those of place p to out[p]. */
INLINE void transpose8(__m256i out[BLOCK], const __m256i in[BLOCK])
{
    __m256i t[BLOCK];
    UNROLL for (int g = 0; g < 4; g++) {
        t[2 * g] = _mm256_unpacklo_epi32(in[2 * g], in[2 * g + 1]);
        t[2 * g + 1] = _mm256_unpackhi_epi32(in[2 * g], in[2 * g + 1]);
    }
    UNROLL for (int h = 0; h < 2; h++) { /* places 2 h, 2 h + 1, and 4 places on */
        const __m256i low = _mm256_unpacklo_epi64(t[h], t[h + 2]), high = _mm256_unpackhi_epi64(t[h], t[h + 2]);
        const __m256i low4 = _mm256_unpacklo_epi64(t[h + 4], t[h + 6]);
        const __m256i high4 = _mm256_unpackhi_epi64(t[h + 4], t[h + 6]);
        out[2 * h] = _mm256_permute2x128_si256(low, low4, 0x20);
        out[2 * h + 1] = _mm256_permute2x128_si256(high, high4, 0x20);
        out[2 * h + 4] = _mm256_permute2x128_si256(low, low4, 0x31);
        out[2 * h + 5] = _mm256_permute2x128_si256(high, high4, 0x31);
    }
}

/* Elements [k, k + 16) of n_rows of 8 rows, n of them in all, to pairs k / 2 on of the panel. */
INLINE void pack_block(uint16_t *panel, const float *a, int64_t lda, int n_rows, int64_t k, int64_t n,
                       const float inverse[BLOCK])
{
    /* A row's codes come together lane by lane: in lane l stand elements 4 l on, and behind them 8 + 4 l on. */
    static const uint8_t pair_at[BLOCK] = { 0, 1, 4, 5, 2, 3, 6, 7 };
    __m256i in[BLOCK], out[BLOCK];
    UNROLL for (int i = 0; i < BLOCK; i++) {
        const float *row = a + (i < n_rows ? i * lda : 0);
        const int64_t end = i < n_rows ? n : 0;
        in[i] = _mm256_packs_epi32(round8(row, k, end, inverse[i]), round8(row, k + 8, end, inverse[i]));
    }
    transpose8(out, in);
    UNROLL for (int p = 0; p < BLOCK; p++)
        if (k + 2 * pair_at[p] < n)
            _mm256_storeu_si256((__m256i *)(void *)(panel + (k / 2 + pair_at[p]) * TILE_ROWS * 2), out[p]);
}

static void pack_i16_avx2(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
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

/* sum += products. Of intrinsics gcc 12 multiplies first and adds later, which no 16 registers hold. */
#define ADD_PRODUCTS(sum, w, x) \
    do { \
        __m256i products; \
        __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(products) : "x"(w), "x"(x)); \
    } while (0)

/* 16 rows by n_cols columns, a constant: n_pairs of a group, whose sums are added up as floats, in memory. */
INLINE void multiply_group(int n_cols, float sums[TILE_COLS][TILE_ROWS], const uint16_t *panel, int n_pairs,
                           const uint16_t *x, int64_t stride, const float *scale, int64_t scale_stride)
{
    __m256i acc[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) acc[j][0] = acc[j][1] = _mm256_setzero_si256();
    for (int p = 0; p < n_pairs; p++) {
        const __m256i low = load256(panel + p * TILE_ROWS * 2), high = load256(panel + p * TILE_ROWS * 2 + TILE_ROWS);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m256i pair = _mm256_set1_epi32((int32_t)load_u32(x + j * stride + 2 * p));
            ADD_PRODUCTS(acc[j][0], low, pair);
            ADD_PRODUCTS(acc[j][1], high, pair);
        }
    }
    UNROLL for (int j = 0; j < n_cols; j++) {
        const __m256 factor = _mm256_broadcast_ss(scale + j * scale_stride);
        UNROLL for (int h = 0; h < 2; h++) {
            float *sum = sums[j] + 8 * h;
            _mm256_storeu_ps(sum, _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[j][h]), factor, _mm256_loadu_ps(sum)));
        }
    }
}

INLINE void tile(int n_cols, float *c, int64_t ldc, const uint16_t *panel, const float *scale, int depth,
                 const einf__narrow_cols *b, bool add)
{
    _Alignas(32) float sums[TILE_COLS][TILE_ROWS] = { { 0 } };
    for (int k = 0; k < depth; k += EINF__NARROW_GROUP) {
        const int n = depth - k < EINF__NARROW_GROUP ? depth - k : EINF__NARROW_GROUP;
        multiply_group(n_cols, sums, panel + k * TILE_ROWS, (n + 1) / 2, b->x + k, b->stride,
                       b->scale + k / EINF__NARROW_GROUP, b->scale_stride);
    }
    UNROLL for (int j = 0; j < n_cols; j++) {
        UNROLL for (int h = 0; h < 2; h++) {
            float *out = c + j * ldc + 8 * h;
            const __m256 sum = _mm256_mul_ps(_mm256_load_ps(sums[j] + 8 * h), _mm256_loadu_ps(scale + 8 * h));
            _mm256_storeu_ps(out, add ? _mm256_add_ps(_mm256_loadu_ps(out), sum) : sum);
        }
    }
}

static void mul_i16_avx2(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                         const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    einf__narrow_cols cols = *b;
    for (int32_t n = 0; n_cols > 0; n_cols -= n, c += n * ldc) {
        n = gemm_tile_cols(n_cols, TILE_COLS);
        switch (n) {
        case 1: tile(1, c, ldc, panel, scale, depth, &cols, add); break;
        case 2: tile(2, c, ldc, panel, scale, depth, &cols, add); break;
        case 3: tile(3, c, ldc, panel, scale, depth, &cols, add); break;
        default: tile(TILE_COLS, c, ldc, panel, scale, depth, &cols, add); break;
        }
        cols.x += n * cols.stride;
        cols.scale += n * cols.scale_stride;
    }
}

void einf__install_fixed16_avx2(einf__kernels *k)
{
    k->narrow_mr[EINF__SUM_I16] = TILE_ROWS;
    k->fast_sum[EINF__SUM_I16] = true;
    EINF__INSTALL(k, quantize_i16, quantize_i16_avx2);
    EINF__INSTALL(k, pack_i16, pack_i16_avx2);
    EINF__INSTALL(k, mul_i16, mul_i16_avx2);
}
