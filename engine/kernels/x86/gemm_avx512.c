/* SPDX-License-Identifier: MIT
 * gemm_avx512.c - f32 GEMM with AVX-512: panels of 32 rows, tiles of 32 rows by 8 columns.
 *
 * A tile is 16 accumulators, 2 panel vectors and one broadcast; 16 multiply-adds for 10 loads. Columns are read from
 * where they lie, 8 at a time and no more: rows of activations are often a multiple of 4 KiB apart, so that the lines
 * of all columns share one set of the L1, which holds 8. Twelve columns cost 10 % there (Zen 4).
 */
#include "engine/kernels/gemm_template.h"
#include "engine/kernels/x86/kernels_avx512.h"

#define TILE_ROWS 32
#define TILE_COLS 8

#define BLOCK 16 /* rows and elements that are transposed at a time */

/* ------------------------------------------------------------------------------------------------- packing -- */

/* out[k][i] = element k of row i, for k in [0, n); out rows are TILE_ROWS apart. in[8 h + i] is row i and behind it row
 * i + 8, either's elements [8 h, 8 h + 8). */
INLINE void transpose16(float *out, const __m512 in[BLOCK], int n)
{
    __m512 t[BLOCK], u[BLOCK];
    UNROLL for (int g = 0; g < 8; g++) {
        t[2 * g] = _mm512_unpacklo_ps(in[2 * g], in[2 * g + 1]);
        t[2 * g + 1] = _mm512_unpackhi_ps(in[2 * g], in[2 * g + 1]);
    }
    /* u[4 g + e]: element e in the first and third lane, e + 4 in the others, of rows 4 (g % 2) on and of those 8
     * behind them; + 8 for g > 1 */
    UNROLL for (int g = 0; g < 4; g++) {
        u[4 * g] = _mm512_shuffle_ps(t[4 * g], t[4 * g + 2], 0x44);
        u[4 * g + 1] = _mm512_shuffle_ps(t[4 * g], t[4 * g + 2], 0xee);
        u[4 * g + 2] = _mm512_shuffle_ps(t[4 * g + 1], t[4 * g + 3], 0x44);
        u[4 * g + 3] = _mm512_shuffle_ps(t[4 * g + 1], t[4 * g + 3], 0xee);
    }
    const __m512i even = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    const __m512i odd = _mm512_setr_epi32(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    UNROLL for (int k = 0; k < BLOCK; k++) {
        const __m512 *quad = u + 8 * (k / 8) + k % 4;
        if (k < n)
            _mm512_store_ps(out + k * TILE_ROWS, _mm512_permutex2var_ps(quad[0], k % 8 < 4 ? even : odd, quad[4]));
    }
}

/* Elements [k, k + 8) of row i; zeros for what is not among the first n elements of the first n_rows rows. */
INLINE __m256 load_eight(const float *a, int64_t lda, int i, int k, int n_rows, int n)
{
    if (i >= n_rows || k >= n) return _mm256_setzero_ps();
    if (k + 8 <= n) return _mm256_loadu_ps(a + i * lda + k);
    return _mm256_maskz_loadu_ps((__mmask8)first_mask16(n - k), a + i * lda + k);
}

INLINE void pack_block(float *out, const float *a, int64_t lda, int n_rows, int n)
{
    __m512 in[BLOCK];
    UNROLL for (int i = 0; i < BLOCK; i++) {
        const int row = i % 8, k = i / 8 * 8;
        in[i] = _mm512_insertf32x8(_mm512_castps256_ps512(load_eight(a, lda, row, k, n_rows, n)),
                                   load_eight(a, lda, row + 8, k, n_rows, n), 1);
    }
    transpose16(out, in, n);
}

static void pack_f32_avx512(float *panel, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    for (int i = 0; i < TILE_ROWS; i += BLOCK) {
        for (int k = 0; k < depth; k += BLOCK) {
            float *out = panel + k * TILE_ROWS + i;
            const float *block = a + (i < n_rows ? i * lda : 0) + k;
            if (i + BLOCK <= n_rows && k + BLOCK <= depth) pack_block(out, block, lda, BLOCK, BLOCK);
            else pack_block(out, block, lda, n_rows - i, depth - k);
        }
    }
}

/* ---------------------------------------------------------------------------------------------- multiplying -- */

/* 32 rows by n_cols columns, a constant. */
INLINE void tile(int n_cols, float *c, int64_t ldc, const float *panel, int depth, const float *b, int64_t ldb,
                 bool add)
{
    __m512 acc[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) acc[j][0] = acc[j][1] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k++) {
        const __m512 low = _mm512_load_ps(panel + k * TILE_ROWS), high = _mm512_load_ps(panel + k * TILE_ROWS + 16);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m512 x = _mm512_set1_ps(b[j * ldb + k]);
            acc[j][0] = _mm512_fmadd_ps(low, x, acc[j][0]);
            acc[j][1] = _mm512_fmadd_ps(high, x, acc[j][1]);
        }
    }
    UNROLL for (int j = 0; j < n_cols; j++) {
        UNROLL for (int h = 0; h < 2; h++) {
            float *out = c + j * ldc + 16 * h;
            _mm512_storeu_ps(out, add ? _mm512_add_ps(acc[j][h], _mm512_loadu_ps(out)) : acc[j][h]);
        }
    }
}

static void mul_f32_avx512(float *c, int64_t ldc, const float *panel, int32_t depth, const float *b, int64_t ldb,
                           int32_t n_cols, bool add)
{
    for (int32_t n = 0; n_cols > 0; n_cols -= n, b += n * ldb, c += n * ldc) {
        n = gemm_tile_cols(n_cols, TILE_COLS);
        switch (n) {
        case 1: tile(1, c, ldc, panel, depth, b, ldb, add); break;
        case 2: tile(2, c, ldc, panel, depth, b, ldb, add); break;
        case 3: tile(3, c, ldc, panel, depth, b, ldb, add); break;
        case 4: tile(4, c, ldc, panel, depth, b, ldb, add); break;
        case 5: tile(5, c, ldc, panel, depth, b, ldb, add); break;
        case 6: tile(6, c, ldc, panel, depth, b, ldb, add); break;
        case 7: tile(7, c, ldc, panel, depth, b, ldb, add); break;
        default: tile(TILE_COLS, c, ldc, panel, depth, b, ldb, add); break;
        }
    }
}

static void gemm_f32_avx512(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda,
                            const float *b, int64_t ldb, float *c, int64_t ldc)
{
    (void)user;
    gemm_by_panels(pack_f32_avx512, mul_f32_avx512, TILE_ROWS, m, n, depth, a, lda, b, ldb, c, ldc);
}

void einf__install_gemm_avx512(einf__kernels *k)
{
    k->float_mr = TILE_ROWS;
    k->fast_floats = true;
    EINF__INSTALL(k, pack_f32, pack_f32_avx512);
    EINF__INSTALL(k, mul_f32, mul_f32_avx512);
    EINF__INSTALL(k, gemm_f32, gemm_f32_avx512);
    k->gemm_user = NULL;
}
