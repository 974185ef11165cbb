/* SPDX-License-Identifier: MIT
 * test_blas.c - OpenBLAS as GEMM provider: it fills the slot of a runtime without SIMD kernels, the engine's own
 * kernels go before it, and the logits that come out are the golden ones.
 */
#include <edgeinfer/blas.h>

#include "tests/golden/golden_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What fills the GEMM slot of a runtime that was given the provider. */
static const char *gemm_of(uint32_t cpu_forbid, einf_runtime **rt)
{
    einf_error err = test_error();
    einf_runtime_config config = EINF_INIT(einf_runtime_config);
    config.cpu_forbid = cpu_forbid;
    config.gemm = einf_blas_provider();
    assert_ok(einf_runtime_create(&config, rt, &err), &err);
    const char *slot, *impl;
    for (int32_t i = 0; einf_runtime_kernel(*rt, i, &slot, &impl, NULL) == EINF_OK; i++)
        if (strcmp(slot, "gemm_f32") == 0) return impl;
    return "none";
}

static void test_slot(void **state)
{
    (void)state;
    einf_runtime *rt = NULL;
    const char *plain = gemm_of(~0u, &rt);
    printf("without SIMD kernels: %s\n", plain);
    assert_string_equal(plain, einf_blas_provider()->name);
    assert_int_equal(strncmp(plain, "openblas", 8), 0);
    assert_ok(einf_runtime_destroy(&rt, NULL), NULL);

    const char *best = gemm_of(0, &rt);
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    assert_ok(einf_runtime_get_info(rt, &info, NULL), NULL);
    assert_string_equal(best, info.cpu_used & EINF_CPU_AVX512 ? "gemm_f32_avx512"
                              : info.cpu_used & EINF_CPU_AVX2 ? "gemm_f32_avx2"
                                                              : einf_blas_provider()->name);
    assert_ok(einf_runtime_destroy(&rt, NULL), NULL);
}

/* Many columns through the provider, 2 threads at once, against the exact golden rows. */
static void test_logits(void **state)
{
    (void)state;
    enum { N = 200, N_VOCAB = 1024, N_ROWS = 10 };
    float *expected = golden_floats("tiny-llama-Q4_K_M.exact200.f32", (size_t)N_ROWS * N_VOCAB);
    char *path = golden_path("tiny-llama-Q4_K_M.gguf");
    if (expected && path) {
        einf_error err = test_error();
        golden g = { .info = EINF_INIT(einf_model_info) };
        einf_runtime_config rt_config = EINF_INIT(einf_runtime_config);
        rt_config.cpu_forbid = ~0u;
        rt_config.n_threads = 2;
        rt_config.gemm = einf_blas_provider();
        assert_ok(einf_runtime_create(&rt_config, &g.rt, &err), &err);
        assert_ok(einf_model_open(g.rt, path, NULL, &g.model, &err), &err);
        assert_ok(einf_model_get_info(g.model, &g.info, &err), &err);

        int32_t ids[N], rows[N_ROWS];
        for (int32_t i = 0; i < N; i++) ids[i] = (7 * i * i + 13 * i + 5) % N_VOCAB;
        for (int32_t i = 0; i < N_ROWS; i++) rows[i] = 20 * i;
        einf_session_config config = EINF_INIT(einf_session_config);
        config.exact = 1;
        config.force_path = 2;
        float *got = golden_logits(&g, &config, ids, N, rows, N_ROWS);
        const double error = golden_relative_error(got, expected, (size_t)N_ROWS * N_VOCAB);
        printf("relative error %.2e (allowed 1e-4)\n", error);
        assert_true(error <= 1e-4);
        free(got);
        golden_close(&g);
    }
    free(expected);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_slot), cmocka_unit_test(test_logits) };
    return cmocka_run_group_tests_name("openblas provider", tests, NULL, NULL);
}
