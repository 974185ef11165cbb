/* SPDX-License-Identifier: MIT
 * provider.h - how a host lends the engine a matrix multiplication of its own.
 *
 * The engine links no BLAS. A host that has one passes a provider in einf_runtime_config.gemm; the provider fills the
 * GEMM slots that would otherwise hold plain C, and the engine's own SIMD kernels go before it.
 */
#ifndef EDGEINFER_PROVIDER_H
#define EDGEINFER_PROVIDER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct einf_gemm_provider {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* static string, as "openblas 0.3.21"; shown by einf_runtime_kernel */
    /** C[j * ldc + i] = sum over k of A[i * lda + k] * B[j * ldb + k], i in [0, m), j in [0, n), k in [0, depth).
     *  All f32, row-major, strides in elements. A: weights [m, depth]. B: activations [n, depth]. C: [n, m].
     *  Called from several of the engine's threads at once, on different C; must be single-threaded and not fail. */
    void (*sgemm_nt)(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                     int64_t ldb, float *c, int64_t ldc);
    void *user;
} einf_gemm_provider;

#ifdef __cplusplus
}
#endif
#endif
