/* SPDX-License-Identifier: MIT
 * test_kernel_table.c - who fills which slot: written down for every CPU mask, so that a rung cannot vanish unnoticed.
 */
#include <edgeinfer/edgeinfer.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/cpu.h"
#include "engine/kernels/kernels.h"
#include "tests/support/test_support.h"

/* slot, plain C, AVX2 */
static const struct {
    const char *slot, *ref, *avx2;
} rungs[] = {
    {"quantize_q8", "quantize_q8_ref", "quantize_q8_avx2"},
    {"gemm_f32", "gemm_f32_ref", "gemm_f32_avx2"},
    {"rms_norm", "rms_norm_ref", "rms_norm_avx2"},
    {"add", "add_ref", "add_avx2"},
    {"swiglu", "swiglu_ref", "swiglu_avx2"},
    {"geglu", "geglu_ref", "geglu_avx2"},
    {"rope_norm", "rope_norm_ref", "rope_norm_avx2"},
    {"rope_neox", "rope_neox_ref", "rope_neox_avx2"},
    {"to_f16", "to_f16_ref", "to_f16_avx2"},
    {"attend_f16", "attend_f16_ref", "attend_f16_avx2"},
    {"attend_f32", "attend_f32_ref", "attend_f32_avx2"},
    {"to_f32[F32]", "to_f32_f32_ref", "to_f32_f32_ref"}, /* a copy */
    {"to_f32[F16]", "to_f32_f16_ref", "to_f32_f16_avx2"},
    {"to_f32[BF16]", "to_f32_bf16_ref", "to_f32_bf16_avx2"},
    {"to_f32[Q4_0]", "to_f32_q4_0_ref", "to_f32_q4_0_avx2"},
    {"to_f32[Q4_1]", "to_f32_q4_1_ref", "to_f32_q4_1_avx2"},
    {"to_f32[Q5_0]", "to_f32_q5_0_ref", "to_f32_q5_0_avx2"},
    {"to_f32[Q5_1]", "to_f32_q5_1_ref", "to_f32_q5_1_avx2"},
    {"to_f32[Q8_0]", "to_f32_q8_0_ref", "to_f32_q8_0_avx2"},
    {"to_f32[Q2_K]", "to_f32_q2_k_ref", "to_f32_q2_k_avx2"},
    {"to_f32[Q3_K]", "to_f32_q3_k_ref", "to_f32_q3_k_avx2"},
    {"to_f32[Q4_K]", "to_f32_q4_k_ref", "to_f32_q4_k_avx2"},
    {"to_f32[Q5_K]", "to_f32_q5_k_ref", "to_f32_q5_k_avx2"},
    {"to_f32[Q6_K]", "to_f32_q6_k_ref", "to_f32_q6_k_avx2"},
    {"to_f32[IQ4_NL]", "to_f32_iq4_nl_ref", "to_f32_iq4_nl_avx2"},
    {"to_f32[IQ4_XS]", "to_f32_iq4_xs_ref", "to_f32_iq4_xs_avx2"},
    {"dot[F32]", "dot_f32_ref", "dot_f32_avx2"},
    {"dot[F16]", "dot_f16_ref", "dot_f16_avx2"},
    {"dot[BF16]", "dot_bf16_ref", "dot_bf16_avx2"},
    {"dot[Q4_0]", "dot_q4_0_ref", "dot_q4_0_avx2"},
    {"dot[Q4_1]", "dot_q4_1_ref", "dot_q4_1_avx2"},
    {"dot[Q5_0]", "dot_q5_0_ref", "dot_q5_0_avx2"},
    {"dot[Q5_1]", "dot_q5_1_ref", "dot_q5_1_avx2"},
    {"dot[Q8_0]", "dot_q8_0_ref", "dot_q8_0_avx2"},
    {"dot[Q2_K]", "dot_q2_k_ref", "dot_q2_k_avx2"},
    {"dot[Q3_K]", "dot_q3_k_ref", "dot_q3_k_avx2"},
    {"dot[Q4_K]", "dot_q4_k_ref", "dot_q4_k_avx2"},
    {"dot[Q5_K]", "dot_q5_k_ref", "dot_q5_k_avx2"},
    {"dot[Q6_K]", "dot_q6_k_ref", "dot_q6_k_avx2"},
    {"dot[IQ4_NL]", "dot_iq4_nl_ref", "dot_iq4_nl_avx2"},
    {"dot[IQ4_XS]", "dot_iq4_xs_ref", "dot_iq4_xs_avx2"},
};
_Static_assert(TEST_COUNT(rungs) == EINF__N_SLOTS, "write down who fills the new slot");

#if defined(__x86_64__)
enum { HAS_AVX2_RUNG = 1 };
#else
enum { HAS_AVX2_RUNG = 0 };
#endif

/* A host's GEMM that notes what it was asked. */
typedef struct fake_gemm {
    int n_calls;
    int32_t m, n, depth;
} fake_gemm;

static void fake_sgemm(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                       int64_t ldb, float *c, int64_t ldc)
{
    fake_gemm *f = user;
    *f = (fake_gemm){f->n_calls + 1, m, n, depth};
    for (int32_t j = 0; j < n; j++)
        for (int32_t i = 0; i < m; i++) c[j * ldc + i] = a[i * lda] * b[j * ldb]; /* depth 1 in the test */
}

static einf_gemm_provider fake_provider(fake_gemm *f)
{
    return (einf_gemm_provider){sizeof(einf_gemm_provider), 0, "fake 1.0", fake_sgemm, f};
}

/* Every slot holds what the table says; gemm, where it is not NULL, is the name expected in the GEMM slot. */
static void assert_rung(const einf__kernels *k, bool avx2, const char *gemm)
{
    for (int slot = 0; slot < EINF__N_SLOTS; slot++) {
        assert_string_equal(einf__kernel_slot_name(slot), rungs[slot].slot);
        const bool provided = gemm && slot == EINF__SLOT_gemm_f32;
        const char *want = provided ? gemm : avx2 && HAS_AVX2_RUNG ? rungs[slot].avx2 : rungs[slot].ref;
        assert_string_equal(k->impl[slot], want);
    }
    assert_non_null(k->quantize_q8);
    for (int t = 0; t < EINF__N_DTYPES; t++) assert_true(k->to_f32[t] && k->dot[t]);
}

static void no_instruction_sets(void **state)
{
    (void)state;
    einf__kernels k;
    memset(&k, 0x5a, sizeof k); /* init fills every field */
    einf__kernels_init(&k, 0, NULL);
    assert_rung(&k, false, NULL);
    assert_null(k.gemm_user);
    einf__kernels_init(&k, ~(uint32_t)EINF_CPU_AVX2, NULL); /* nothing is built on what is forbidden */
    assert_rung(&k, false, NULL);
}

/* Even filling the table runs code compiled for the rung. */
static bool machine_lacks_avx2(void)
{
    const bool lacks = HAS_AVX2_RUNG && !(einf__cpu_features() & EINF_CPU_AVX2);
    if (lacks) printf("this machine has no AVX2: nothing to check\n");
    return lacks;
}

static void avx2(void **state)
{
    (void)state;
    if (machine_lacks_avx2()) return;
    einf__kernels k;
    memset(&k, 0x5a, sizeof k);
    einf__kernels_init(&k, EINF_CPU_AVX2, NULL);
    assert_rung(&k, true, NULL);
    assert_null(k.gemm_user);
    einf__kernels_init(&k, ~0u, NULL);
    assert_rung(&k, true, NULL);
}

static void provider_fills_plain_slots(void **state)
{
    (void)state;
    fake_gemm f = {0};
    const einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, false, "fake 1.0");
    const float a[2] = {2.0f, 3.0f}, b[1] = {5.0f};
    float out[2] = {0.0f, 0.0f};
    k.gemm_f32(k.gemm_user, 2, 1, 1, a, 1, b, 1, out, 2);
    assert_int_equal(f.n_calls, 1);
    assert_int_equal(f.m, 2);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.depth, 1);
    assert_true(out[0] == 10.0f && out[1] == 15.0f);
}

static void simd_goes_before_provider(void **state)
{
    (void)state;
    if (machine_lacks_avx2()) return;
    fake_gemm f = {0};
    const einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    einf__kernels_init(&k, EINF_CPU_AVX2, &provider);
    assert_rung(&k, true, HAS_AVX2_RUNG ? NULL : "fake 1.0");
    if (HAS_AVX2_RUNG) assert_null(k.gemm_user);
}

static void unusable_providers_are_passed_over(void **state)
{
    (void)state;
    fake_gemm f = {0};
    einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    provider.struct_size = sizeof provider - 1;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, false, NULL);
    provider = fake_provider(&f);
    provider.sgemm_nt = NULL;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, false, NULL);
    provider = fake_provider(&f);
    provider.name = NULL;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, false, "provider");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_instruction_sets),        cmocka_unit_test(avx2),
        cmocka_unit_test(provider_fills_plain_slots), cmocka_unit_test(simd_goes_before_provider),
        cmocka_unit_test(unusable_providers_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
