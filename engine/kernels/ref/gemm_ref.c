/* SPDX-License-Identifier: MIT
 * gemm_ref.c - reference of the GEMM slot, C = B A^T with both operands contiguous along the depth, and of its inside:
 * packing rows into a panel, and multiplying a panel.
 */
#include "engine/kernels/ref/kernels_ref.h"

static void gemm_f32_ref(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                         int64_t ldb, float *c, int64_t ldc)
{
    (void)user;
    for (int32_t j = 0; j < n; j++) {
        for (int32_t i = 0; i < m; i++) {
            const float *row = a + i * lda, *col = b + j * ldb;
            float sum = 0.0f;
            for (int32_t k = 0; k < depth; k++) sum += row[k] * col[k];
            c[j * ldc + i] = sum;
        }
    }
}

enum { MR = 8 };

static void pack_f32_ref(float *panel, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    for (int64_t k = 0; k < depth; k++)
        for (int64_t i = 0; i < MR; i++) panel[k * MR + i] = i < n_rows ? a[i * lda + k] : 0.0f;
}

static void mul_f32_ref(float *c, int64_t ldc, const float *panel, int32_t depth, const float *b, int64_t ldb,
                        int32_t n_cols, bool add)
{
    for (int64_t j = 0; j < n_cols; j++) {
        for (int64_t i = 0; i < MR; i++) {
            float sum = 0.0f;
            for (int64_t k = 0; k < depth; k++) sum += panel[k * MR + i] * b[j * ldb + k];
            c[j * ldc + i] = add ? c[j * ldc + i] + sum : sum;
        }
    }
}

void einf__install_gemm_ref(einf__kernels *k)
{
    EINF__INSTALL(k, gemm_f32, gemm_f32_ref);
    k->gemm_user = NULL;
    k->float_mr = MR;
    k->fast_floats = false;
    EINF__INSTALL(k, pack_f32, pack_f32_ref);
    EINF__INSTALL(k, mul_f32, mul_f32_ref);
}
