/* SPDX-License-Identifier: MIT
 * gemm_neon.c - f32 GEMM with NEON: C = B A^T in tiles of 8 rows by 8 columns.
 *
 * 8 rows of A are transposed into a panel [depth slice][8] on the stack (8 KiB, part of an L1) and meet every column of
 * B, of which four elements are loaded at once and multiplied lane by lane. A tile is 16 accumulators, 8 vectors of
 * columns and 2 of the panel: 26 of 32 registers; 64 multiply-adds for 16 loads. Slices after the first add to C.
 */
#include "engine/kernels/arm/kernels_neon.h"

#define TILE_ROWS 8
#define TILE_COLS 8
#define SLICE 256

/* A 4 x 4 block: out[k][i] = in[i][k]; out rows are TILE_ROWS apart. */
INLINE void transpose4(float *out, const float32x4_t in[4])
{
    const float32x4_t a = vtrn1q_f32(in[0], in[1]), b = vtrn2q_f32(in[0], in[1]);
    const float32x4_t c = vtrn1q_f32(in[2], in[3]), d = vtrn2q_f32(in[2], in[3]);
    vst1q_f32(out, vcombine_f32(vget_low_f32(a), vget_low_f32(c)));
    vst1q_f32(out + TILE_ROWS, vcombine_f32(vget_low_f32(b), vget_low_f32(d)));
    vst1q_f32(out + 2 * TILE_ROWS, vcombine_f32(vget_high_f32(a), vget_high_f32(c)));
    vst1q_f32(out + 3 * TILE_ROWS, vcombine_f32(vget_high_f32(b), vget_high_f32(d)));
}

/* panel[k][i] = a[i * lda + k] for k in [0, depth), zero for i in [n_rows, TILE_ROWS). */
static void pack_panel(float *panel, const float *a, int64_t lda, int n_rows, int depth)
{
    for (int i0 = 0; i0 < TILE_ROWS; i0 += 4) {
        for (int k = 0; k < depth; k += 4) {
            const int n = depth - k < 4 ? depth - k : 4;
            float32x4_t rows[4];
            UNROLL for (int i = 0; i < 4; i++) {
                const float *row = a + (i0 + i) * lda + k;
                rows[i] = i0 + i >= n_rows ? vdupq_n_f32(0.0f) : n == 4 ? vld1q_f32(row) : load_first(row, n);
            }
            transpose4(panel + k * TILE_ROWS + i0, rows); /* the slice is a multiple of 4: room for a whole block */
        }
    }
}

/* acc[j][h] += panel[k .. k + n)[4 h ..] * b[j * ldb + k ..], n in 1..4 and n_cols constants. */
INLINE void multiply_steps(int n, int n_cols, float32x4_t acc[][2], const float *panel, const float *b, int64_t ldb)
{
    float32x4_t x[TILE_COLS];
    UNROLL for (int j = 0; j < n_cols; j++) x[j] = n == 4 ? vld1q_f32(b + j * ldb) : vld1q_dup_f32(b + j * ldb);
    UNROLL for (int step = 0; step < n; step++) {
        const float32x4_t low = vld1q_f32(panel + step * TILE_ROWS), high = vld1q_f32(panel + step * TILE_ROWS + 4);
        UNROLL for (int j = 0; j < n_cols; j++) {
            acc[j][0] = vfmaq_n_f32(acc[j][0], low, x[j][step]);
            acc[j][1] = vfmaq_n_f32(acc[j][1], high, x[j][step]);
        }
    }
}

/* 8 rows by n_cols columns (a constant): c[j * ldc + i] = or += sum over k of panel[k][i] b[j * ldb + k]. */
INLINE void tile(int n_cols, bool add, const float *panel, int depth, const float *b, int64_t ldb, float *c,
                 int64_t ldc)
{
    float32x4_t acc[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) acc[j][0] = acc[j][1] = vdupq_n_f32(0.0f);
    int k = 0;
    for (; k + 4 <= depth; k += 4) multiply_steps(4, n_cols, acc, panel + k * TILE_ROWS, b + k, ldb);
    for (; k < depth; k++) multiply_steps(1, n_cols, acc, panel + k * TILE_ROWS, b + k, ldb);
    UNROLL for (int j = 0; j < n_cols; j++) {
        UNROLL for (int h = 0; h < 2; h++) {
            float *out = c + j * ldc + 4 * h;
            vst1q_f32(out, add ? vaddq_f32(acc[j][h], vld1q_f32(out)) : acc[j][h]);
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
    case 6: tile(6, add, panel, depth, b, ldb, c, ldc); break;
    case 7: tile(7, add, panel, depth, b, ldb, c, ldc); break;
    default: tile(8, add, panel, depth, b, ldb, c, ldc); break;
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

static void gemm_f32_neon(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                          int64_t ldb, float *c, int64_t ldc)
{
    (void)user;
    float panel[SLICE * TILE_ROWS];
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

void einf__install_gemm_neon(einf__kernels *k)
{
    EINF__INSTALL(k, gemm_f32, gemm_f32_neon);
    k->gemm_user = NULL;
}
