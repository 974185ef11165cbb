/* SPDX-License-Identifier: MIT
 * gemm_avx2.c - f32 GEMM with FMA: panels of 16 rows, tiles of 16 rows by 6 columns.
 *
 * A tile is 12 accumulators, 2 panel vectors and one broadcast: 15 of 16 registers; 12 multiply-adds for 8 loads.
 * Columns are read from where they lie: 6 streams share an L1 set with room to spare (gemm_avx512.c).
 */
#include "engine/kernels/gemm_template.h"
#include "engine/kernels/x86/kernels_avx2.h"

#define TILE_ROWS 16
#define TILE_COLS 6
#define BLOCK 8 /* rows and elements that are transposed at a time */

/* ------------------------------------------------------------------------------------------------- packing -- */

/* out[k][i] = element k of row i, for k in [0, n); out rows are TILE_ROWS apart. in[4 h + i] is row i and behind it row
 * i + 4, either's elements [4 h, 4 h + 4). */
INLINE void transpose8(float *out, const __m256 in[BLOCK], int n)
{
    UNROLL for (int h = 0; h < 2; h++) {
        const __m256 *rows = in + 4 * h;
        const __m256 a = _mm256_unpacklo_ps(rows[0], rows[1]), b = _mm256_unpackhi_ps(rows[0], rows[1]);
        const __m256 c = _mm256_unpacklo_ps(rows[2], rows[3]), d = _mm256_unpackhi_ps(rows[2], rows[3]);
        const __m256 columns[4] = {_mm256_shuffle_ps(a, c, 0x44), _mm256_shuffle_ps(a, c, 0xee),
                                   _mm256_shuffle_ps(b, d, 0x44), _mm256_shuffle_ps(b, d, 0xee)};
        UNROLL for (int k = 0; k < 4; k++)
            if (4 * h + k < n) _mm256_store_ps(out + (4 * h + k) * TILE_ROWS, columns[k]);
    }
}

/* Elements [k, k + 4) of row i; zeros for what is not among the first n elements of the first n_rows rows. */
INLINE __m128 load_four(const float *a, int64_t lda, int i, int k, int n_rows, int n)
{
    if (i >= n_rows || k >= n) return _mm_setzero_ps();
    if (k + 4 <= n) return _mm_loadu_ps(a + i * lda + k);
    return _mm_maskload_ps(a + i * lda + k, _mm256_castsi256_si128(first_lanes(n - k)));
}

INLINE void pack_block(float *out, const float *a, int64_t lda, int n_rows, int n)
{
    __m256 in[BLOCK];
    UNROLL for (int i = 0; i < BLOCK; i++) {
        const int row = i % 4, k = i / 4 * 4;
        in[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(load_four(a, lda, row, k, n_rows, n)),
                                     load_four(a, lda, row + 4, k, n_rows, n), 1);
    }
    transpose8(out, in, n);
}

static void pack_f32_avx2(float *panel, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    for (int k = 0; k < depth; k += BLOCK) {
        for (int i = 0; i < TILE_ROWS; i += BLOCK) {
            float *out = panel + k * TILE_ROWS + i;
            const float *block = a + (i < n_rows ? i * lda : 0) + k;
            if (i + BLOCK <= n_rows && k + BLOCK <= depth) pack_block(out, block, lda, BLOCK, BLOCK);
            else pack_block(out, block, lda, n_rows - i, depth - k);
        }
    }
}

/* ---------------------------------------------------------------------------------------------- multiplying -- */

/* 16 rows by n_cols columns, a constant. */
INLINE void tile(int n_cols, float *c, int64_t ldc, const float *panel, int depth, const float *b, int64_t ldb,
                 bool add)
{
    __m256 acc[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) acc[j][0] = acc[j][1] = _mm256_setzero_ps();
    for (int k = 0; k < depth; k++) {
        const __m256 low = _mm256_load_ps(panel + k * TILE_ROWS), high = _mm256_load_ps(panel + k * TILE_ROWS + 8);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m256 x = _mm256_broadcast_ss(b + j * ldb + k);
            acc[j][0] = _mm256_fmadd_ps(low, x, acc[j][0]);
            acc[j][1] = _mm256_fmadd_ps(high, x, acc[j][1]);
        }
    }
    UNROLL for (int j = 0; j < n_cols; j++) {
        UNROLL for (int h = 0; h < 2; h++) {
            float *out = c + j * ldc + 8 * h;
            _mm256_storeu_ps(out, add ? _mm256_add_ps(acc[j][h], _mm256_loadu_ps(out)) : acc[j][h]);
        }
    }
}

static void mul_f32_avx2(float *c, int64_t ldc, const float *panel, int32_t depth, const float *b, int64_t ldb,
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
        default: tile(TILE_COLS, c, ldc, panel, depth, b, ldb, add); break;
        }
    }
}

static void gemm_f32_avx2(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                          int64_t ldb, float *c, int64_t ldc)
{
    (void)user;
    gemm_by_panels(pack_f32_avx2, mul_f32_avx2, TILE_ROWS, m, n, depth, a, lda, b, ldb, c, ldc);
}

void einf__install_gemm_avx2(einf__kernels *k)
{
    k->float_mr = TILE_ROWS;
    k->fast_floats = true;
    EINF__INSTALL(k, pack_f32, pack_f32_avx2);
    EINF__INSTALL(k, mul_f32, mul_f32_avx2);
    EINF__INSTALL(k, gemm_f32, gemm_f32_avx2);
    k->gemm_user = NULL;
}
