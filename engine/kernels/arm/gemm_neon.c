/* SPDX-License-Identifier: MIT
 * gemm_neon.c - f32 GEMM with NEON: panels of 8 rows, tiles of 8 rows by 8 columns.
 *
 * Columns are read from where they lie, four elements at once, and multiplied lane by lane. A tile is 16 accumulators,
 * 8 vectors of columns and 2 of the panel: 26 of 32 registers; 64 multiply-adds for 16 loads.
 */
#include "engine/kernels/arm/kernels_neon.h"
#include "engine/kernels/gemm_template.h"

#define TILE_ROWS 8
#define TILE_COLS 8
#define BLOCK 4 /* rows and elements that are transposed at a time */

/* ------------------------------------------------------------------------------------------------- packing -- */

/* out[k][i] = in[i][k] for k in [0, n); out rows are TILE_ROWS apart. */
INLINE void transpose4(float *out, const float32x4_t in[BLOCK], int n)
{
    const float32x4_t a = vtrn1q_f32(in[0], in[1]), b = vtrn2q_f32(in[0], in[1]);
    const float32x4_t c = vtrn1q_f32(in[2], in[3]), d = vtrn2q_f32(in[2], in[3]);
    const float32x4_t columns[BLOCK] = {vcombine_f32(vget_low_f32(a), vget_low_f32(c)),
                                        vcombine_f32(vget_low_f32(b), vget_low_f32(d)),
                                        vcombine_f32(vget_high_f32(a), vget_high_f32(c)),
                                        vcombine_f32(vget_high_f32(b), vget_high_f32(d))};
    UNROLL for (int k = 0; k < BLOCK; k++)
        if (k < n) vst1q_f32(out + k * TILE_ROWS, columns[k]);
}

/* Zeros for what is not among the first n elements of the first n_rows rows. */
INLINE void pack_block(float *out, const float *a, int64_t lda, int n_rows, int n)
{
    float32x4_t rows[BLOCK];
    UNROLL for (int i = 0; i < BLOCK; i++)
        rows[i] = i >= n_rows ? vdupq_n_f32(0.0f) : n >= BLOCK ? vld1q_f32(a + i * lda) : load_first(a + i * lda, n);
    transpose4(out, rows, n);
}

static void pack_f32_neon(float *panel, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
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

/* acc[j][h] += panel[k][4 h ..] * b[j * ldb + k] for k in [0, n), n and n_cols constants, n 1 or 4. */
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

/* 8 rows by n_cols columns, a constant. */
INLINE void tile(int n_cols, float *c, int64_t ldc, const float *panel, int depth, const float *b, int64_t ldb,
                 bool add)
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

static void mul_f32_neon(float *c, int64_t ldc, const float *panel, int32_t depth, const float *b, int64_t ldb,
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

static void gemm_f32_neon(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                          int64_t ldb, float *c, int64_t ldc)
{
    (void)user;
    gemm_by_panels(pack_f32_neon, mul_f32_neon, TILE_ROWS, m, n, depth, a, lda, b, ldb, c, ldc);
}

void einf__install_gemm_neon(einf__kernels *k)
{
    k->float_mr = TILE_ROWS;
    k->fast_floats = true;
    EINF__INSTALL(k, pack_f32, pack_f32_neon);
    EINF__INSTALL(k, mul_f32, mul_f32_neon);
    EINF__INSTALL(k, gemm_f32, gemm_f32_neon);
    k->gemm_user = NULL;
}
