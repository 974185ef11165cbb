/* SPDX-License-Identifier: MIT
 * gemm_template.h - private to the gemm_* files: what their GEMMs have in common, given how an instruction set packs
 * and multiplies.
 */
#ifndef EINF_GEMM_TEMPLATE_H
#define EINF_GEMM_TEMPLATE_H

#include "engine/kernels/kernels.h"

enum {
    GEMM_SLICE = 256, /* of the depth: a panel of 32 rows, 32 KiB, is as much as an L1 holds */
    GEMM_MAX_ROWS = 32,
    GEMM_COLS = 16
};

/** Columns of the next tile: `most` at a time, and what is less than two tiles in halves, since a tile of one or two
 *  columns waits for its own sums. */
static inline int32_t gemm_tile_cols(int32_t left, int32_t most)
{
    return left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
}

/* The last rows of C: the panel is multiplied whole beside C, and n_rows of it are copied. */
static inline void gemm_last_rows(einf__mul_f32_fn mul, int32_t mr, int32_t n_rows, int32_t n, const float *panel,
                                  int32_t depth, const float *b, int64_t ldb, float *c, int64_t ldc, bool add)
{
    float whole[GEMM_COLS * GEMM_MAX_ROWS];
    for (int32_t j = 0; j < n; j += GEMM_COLS) {
        const int32_t n_cols = n - j < GEMM_COLS ? n - j : GEMM_COLS;
        mul(whole, mr, panel, depth, b + j * ldb, ldb, n_cols, false);
        for (int64_t col = 0; col < n_cols; col++) {
            float *out = c + (j + col) * ldc;
            for (int32_t i = 0; i < n_rows; i++) out[i] = whole[col * mr + i] + (add ? out[i] : 0.0f);
        }
    }
}

/** C = B A^T: panels of mr rows and slices of the depth, each against all columns; slices after the first are added. */
static inline void gemm_by_panels(einf__pack_f32_fn pack, einf__mul_f32_fn mul, int32_t mr, int32_t m, int32_t n,
                                  int32_t depth, const float *a, int64_t lda, const float *b, int64_t ldb, float *c,
                                  int64_t ldc)
{
    _Alignas(EINF__PANEL_ALIGN) float panel[GEMM_SLICE * GEMM_MAX_ROWS];
    for (int32_t i = 0; i < m; i += mr) {
        const int32_t n_rows = m - i < mr ? m - i : mr;
        for (int32_t k = 0; k < depth; k += GEMM_SLICE) {
            const int32_t slice = depth - k < GEMM_SLICE ? depth - k : GEMM_SLICE;
            pack(panel, a + i * lda + k, lda, n_rows, slice);
            if (n_rows == mr) mul(c + i, ldc, panel, slice, b + k, ldb, n, k > 0);
            else gemm_last_rows(mul, mr, n_rows, n, panel, slice, b + k, ldb, c + i, ldc, k > 0);
        }
    }
}

#endif
