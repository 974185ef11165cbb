/* SPDX-License-Identifier: MIT
 * gemm_ref.c - reference of the GEMM slot: C = B A^T with both operands contiguous along the depth.
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

void einf__install_gemm_ref(einf__kernels *k)
{
    EINF__INSTALL(k, gemm_f32, gemm_f32_ref);
    k->gemm_user = NULL;
}
