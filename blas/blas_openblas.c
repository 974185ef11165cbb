/* SPDX-License-Identifier: MIT
 * blas_openblas.c - the engine's GEMM slot over cblas_sgemm, for hosts that have OpenBLAS and no SIMD kernel of ours.
 *
 * Owns the one piece of global state in the project, the provider's name, written once. OpenBLAS is told to use one
 * thread, process-wide: the engine's pool already splits the work, and threads below threads only fight for cores.
 */
#include <edgeinfer/blas.h>

#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool fits(int64_t stride)
{
    return stride <= INT_MAX;
}

/* The row-major C [n, m] is B [n, depth] times the transpose of A [m, depth]. */
static void sgemm_nt_openblas(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda,
                              const float *b, int64_t ldb, float *c, int64_t ldc)
{
    (void)user;
    if (fits(lda) && fits(ldb) && fits(ldc)) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, m, depth, 1.0f, b, (int)ldb, a, (int)lda, 0.0f, c,
                    (int)ldc);
        return;
    }
    for (int32_t j = 0; j < n; j++) /* rows farther apart than a BLAS integer can say */
        for (int32_t i = 0; i < m; i++) c[j * ldc + i] = cblas_sdot(depth, a + i * lda, 1, b + j * ldb, 1);
}

static char name[32] = "openblas";
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..." to "openblas 0.3.21". */
static void set_up(void)
{
    openblas_set_num_threads(1);
    const char *version = strchr(openblas_get_config(), ' ');
    if (!version) return;
    const size_t length = strcspn(version + 1, " "), prefix = strlen(name);
    if (prefix + 1 + length >= sizeof name) return;
    memcpy(name + prefix, version, 1 + length); /* with the blank between; the rest of name is zero */
}

const einf_gemm_provider *einf_blas_provider(void)
{
    static const einf_gemm_provider provider = {
        .struct_size = sizeof provider,
        .name = name,
        .sgemm_nt = sgemm_nt_openblas,
    };
    pthread_once(&once, set_up);
    return &provider;
}
