/* SPDX-License-Identifier: MIT
 * gemm_avx2.c - f32 GEMM with FMA: C = B A^T in tiles of 16 rows by 6 columns.
 *
 * 16 rows of A are transposed into a panel [depth slice][16] on the stack (16 KiB, half of an L1) and meet every
 * column of B, whose elements are broadcast from where they lie. A tile is 12 accumulators, 2 panel vectors and one
 * broadcast: 15 of 16 registers; 12 multiply-adds for 8 loads. Slices after the first add to C.
 */
#include "engine/kernels/x86/kernels_avx2.h"

#define TILE_ROWS 16
#define TILE_COLS 6
#define SLICE 256

/* Rows [0, 8) of an 8 x 8 block to columns: out[k][i] = in[i][k]; out rows are TILE_ROWS apart. */
INLINE void transpose8(float *out, const __m256 in[8])
{
    __m256 t[8], u[8];
    UNROLL for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(in[2 * i], in[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(in[2 * i], in[2 * i + 1]);
    }
    UNROLL for (int h = 0; h < 2; h++) {
        u[4 * h] = _mm256_shuffle_ps(t[4 * h], t[4 * h + 2], 0x44);
        u[4 * h + 1] = _mm256_shuffle_ps(t[4 * h], t[4 * h + 2], 0xee);
        u[4 * h + 2] = _mm256_shuffle_ps(t[4 * h + 1], t[4 * h + 3], 0x44);
        u[4 * h + 3] = _mm256_shuffle_ps(t[4 * h + 1], t[4 * h + 3], 0xee);
    }
    UNROLL for (int k = 0; k < 4; k++) {
        _mm256_store_ps(out + k * TILE_ROWS, _mm256_permute2f128_ps(u[k], u[4 + k], 0x20));
        _mm256_store_ps(out + (4 + k) * TILE_ROWS, _mm256_permute2f128_ps(u[k], u[4 + k], 0x31));
    }
}

/* panel[k][i] = a[i * lda + k] for k in [0, depth), zero for i in [n_rows, 16). */
static void pack_panel(float *panel, const float *a, int64_t lda, int n_rows, int depth)
{
    for (int i0 = 0; i0 < TILE_ROWS; i0 += 8) {
        for (int k = 0; k < depth; k += 8) {
            const int n = depth - k < 8 ? depth - k : 8;
            const __m256i lanes = first_lanes(n);
            __m256 rows[8];
            UNROLL for (int i = 0; i < 8; i++)
                rows[i] = i0 + i < n_rows ? _mm256_maskload_ps(a + (i0 + i) * lda + k, lanes) : _mm256_setzero_ps();
            transpose8(panel + k * TILE_ROWS + i0, rows); /* the slice is a multiple of 8: room for a whole block */
        }
    }
}

/* 16 rows by n_cols columns (a constant): c[j * ldc + i] = or += sum over k of panel[k][i] b[j * ldb + k]. */
INLINE void tile(int n_cols, bool add, const float *panel, int depth, const float *b, int64_t ldb, float *c,
                 int64_t ldc)
{
    const float *cols[TILE_COLS];
    __m256 acc[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) {
        cols[j] = b + j * ldb;
        acc[j][0] = acc[j][1] = _mm256_setzero_ps();
    }
    for (int k = 0; k < depth; k++) {
        const __m256 low = _mm256_load_ps(panel + k * TILE_ROWS), high = _mm256_load_ps(panel + k * TILE_ROWS + 8);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m256 x = _mm256_broadcast_ss(cols[j] + k);
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

static void tile_of(int n_cols, bool add, const float *panel, int depth, const float *b, int64_t ldb, float *c,
                    int64_t ldc)
{
    switch (n_cols) {
    case 1: tile(1, add, panel, depth, b, ldb, c, ldc); break;
    case 2: tile(2, add, panel, depth, b, ldb, c, ldc); break;
    case 3: tile(3, add, panel, depth, b, ldb, c, ldc); break;
    case 4: tile(4, add, panel, depth, b, ldb, c, ldc); break;
    case 5: tile(5, add, panel, depth, b, ldb, c, ldc); break;
    default: tile(6, add, panel, depth, b, ldb, c, ldc); break;
    }
}

/* The last rows of a matrix: the tile is computed whole beside C, and n_rows of it are copied. */
static void tile_part(int n_rows, int n_cols, bool add, const float *panel, int depth, const float *b, int64_t ldb,
                      float *c, int64_t ldc)
{
    float whole[TILE_COLS * TILE_ROWS];
    tile_of(n_cols, false, panel, depth, b, ldb, whole, TILE_ROWS);
    for (int j = 0; j < n_cols; j++)
        for (int i = 0; i < n_rows; i++)
            c[j * ldc + i] = add ? c[j * ldc + i] + whole[j * TILE_ROWS + i] : whole[j * TILE_ROWS + i];
}

static void gemm_f32_avx2(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                          int64_t ldb, float *c, int64_t ldc)
{
    (void)user;
    _Alignas(32) float panel[SLICE * TILE_ROWS];
    for (int32_t k = 0; k < depth; k += SLICE) {
        const int slice = depth - k < SLICE ? depth - k : SLICE;
        for (int32_t i = 0; i < m; i += TILE_ROWS) {
            const int n_rows = m - i < TILE_ROWS ? m - i : TILE_ROWS;
            pack_panel(panel, a + i * lda + k, lda, n_rows, slice);
            for (int32_t j = 0; j < n; j += TILE_COLS) {
                const int n_cols = n - j < TILE_COLS ? n - j : TILE_COLS;
                const float *cols = b + j * ldb + k;
                float *out = c + j * ldc + i;
                if (n_rows == TILE_ROWS) tile_of(n_cols, k > 0, panel, slice, cols, ldb, out, ldc);
                else tile_part(n_rows, n_cols, k > 0, panel, slice, cols, ldb, out, ldc);
            }
        }
    }
}

void einf__install_gemm_avx2(einf__kernels *k)
{
    EINF__INSTALL(k, gemm_f32, gemm_f32_avx2);
    k->gemm_user = NULL;
}
