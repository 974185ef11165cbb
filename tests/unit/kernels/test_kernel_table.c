/* SPDX-License-Identifier: MIT
 * test_kernel_table.c - who fills which slot: written down for every CPU mask, so that a rung cannot vanish unnoticed.
 */
#include <edgeinfer/edgeinfer.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/cpu.h"
#include "engine/kernels/kernels.h"
#include "tests/support/test_support.h"

#if defined(__x86_64__)
enum { HAS_AVX2 = 1, HAS_NEON = 0 };
#elif defined(__aarch64__)
enum { HAS_AVX2 = 0, HAS_NEON = 1 };
#else
enum { HAS_AVX2 = 0, HAS_NEON = 0 };
#endif
enum {
    PLAIN_C, AVX2, NEON, DOTPROD, N_RUNGS,
    HIGHEST = HAS_AVX2 ? AVX2 : HAS_NEON ? DOTPROD : PLAIN_C
};

static const struct {
    const char *slot, *by[N_RUNGS];
} slots[] = {
    {"quantize_q8", {"quantize_q8_ref", "quantize_q8_avx2", "quantize_q8_neon", "quantize_q8_neon"}},
    {"quantize_tile", {"quantize_tile_ref", "quantize_tile_ref", "quantize_tile_ref", "quantize_tile_ref"}},
    {"gemm_f32", {"gemm_f32_ref", "gemm_f32_avx2", "gemm_f32_neon", "gemm_f32_neon"}},
    {"pack_f32", {"pack_f32_ref", "pack_f32_ref", "pack_f32_ref", "pack_f32_ref"}},
    {"mul_f32", {"mul_f32_ref", "mul_f32_ref", "mul_f32_ref", "mul_f32_ref"}},
    {"rms_norm", {"rms_norm_ref", "rms_norm_avx2", "rms_norm_neon", "rms_norm_neon"}},
    {"add", {"add_ref", "add_avx2", "add_neon", "add_neon"}},
    {"swiglu", {"swiglu_ref", "swiglu_avx2", "swiglu_neon", "swiglu_neon"}},
    {"geglu", {"geglu_ref", "geglu_avx2", "geglu_neon", "geglu_neon"}},
    {"rope_norm", {"rope_norm_ref", "rope_norm_avx2", "rope_norm_neon", "rope_norm_neon"}},
    {"rope_neox", {"rope_neox_ref", "rope_neox_avx2", "rope_neox_neon", "rope_neox_neon"}},
    {"to_f16", {"to_f16_ref", "to_f16_avx2", "to_f16_neon", "to_f16_neon"}},
    {"attend_f16", {"attend_f16_ref", "attend_f16_avx2", "attend_f16_neon", "attend_f16_neon"}},
    {"attend_f32", {"attend_f32_ref", "attend_f32_avx2", "attend_f32_neon", "attend_f32_neon"}},
    {"attend_q8_0", {"attend_q8_0_ref", "attend_q8_0_avx2", "attend_q8_0_neon", "attend_q8_0_neon"}},
    {"to_f32[F32]", {"to_f32_f32_ref", "to_f32_f32_ref", "to_f32_f32_ref", "to_f32_f32_ref"}}, /* a copy */
    {"to_f32[F16]", {"to_f32_f16_ref", "to_f32_f16_avx2", "to_f32_f16_neon", "to_f32_f16_neon"}},
    {"to_f32[BF16]", {"to_f32_bf16_ref", "to_f32_bf16_avx2", "to_f32_bf16_neon", "to_f32_bf16_neon"}},
    {"to_f32[Q4_0]", {"to_f32_q4_0_ref", "to_f32_q4_0_avx2", "to_f32_q4_0_neon", "to_f32_q4_0_neon"}},
    {"to_f32[Q4_1]", {"to_f32_q4_1_ref", "to_f32_q4_1_avx2", "to_f32_q4_1_neon", "to_f32_q4_1_neon"}},
    {"to_f32[Q5_0]", {"to_f32_q5_0_ref", "to_f32_q5_0_avx2", "to_f32_q5_0_neon", "to_f32_q5_0_neon"}},
    {"to_f32[Q5_1]", {"to_f32_q5_1_ref", "to_f32_q5_1_avx2", "to_f32_q5_1_neon", "to_f32_q5_1_neon"}},
    {"to_f32[Q8_0]", {"to_f32_q8_0_ref", "to_f32_q8_0_avx2", "to_f32_q8_0_neon", "to_f32_q8_0_neon"}},
    {"to_f32[Q2_K]", {"to_f32_q2_k_ref", "to_f32_q2_k_avx2", "to_f32_q2_k_neon", "to_f32_q2_k_neon"}},
    {"to_f32[Q3_K]", {"to_f32_q3_k_ref", "to_f32_q3_k_avx2", "to_f32_q3_k_neon", "to_f32_q3_k_neon"}},
    {"to_f32[Q4_K]", {"to_f32_q4_k_ref", "to_f32_q4_k_avx2", "to_f32_q4_k_neon", "to_f32_q4_k_neon"}},
    {"to_f32[Q5_K]", {"to_f32_q5_k_ref", "to_f32_q5_k_avx2", "to_f32_q5_k_neon", "to_f32_q5_k_neon"}},
    {"to_f32[Q6_K]", {"to_f32_q6_k_ref", "to_f32_q6_k_avx2", "to_f32_q6_k_neon", "to_f32_q6_k_neon"}},
    {"to_f32[IQ4_NL]", {"to_f32_iq4_nl_ref", "to_f32_iq4_nl_avx2", "to_f32_iq4_nl_neon", "to_f32_iq4_nl_neon"}},
    {"to_f32[IQ4_XS]", {"to_f32_iq4_xs_ref", "to_f32_iq4_xs_avx2", "to_f32_iq4_xs_neon", "to_f32_iq4_xs_neon"}},
    {"to_f32[IQ1_S]", {"to_f32_iq1_s_ref", "to_f32_iq1_s_ref", "to_f32_iq1_s_ref", "to_f32_iq1_s_ref"}},
    {"to_f32[IQ1_M]", {"to_f32_iq1_m_ref", "to_f32_iq1_m_ref", "to_f32_iq1_m_ref", "to_f32_iq1_m_ref"}},
    {"to_f32[IQ2_XXS]", {"to_f32_iq2_xxs_ref", "to_f32_iq2_xxs_ref", "to_f32_iq2_xxs_ref", "to_f32_iq2_xxs_ref"}},
    {"to_f32[IQ2_XS]", {"to_f32_iq2_xs_ref", "to_f32_iq2_xs_ref", "to_f32_iq2_xs_ref", "to_f32_iq2_xs_ref"}},
    {"to_f32[IQ2_S]", {"to_f32_iq2_s_ref", "to_f32_iq2_s_ref", "to_f32_iq2_s_ref", "to_f32_iq2_s_ref"}},
    {"to_f32[IQ3_XXS]", {"to_f32_iq3_xxs_ref", "to_f32_iq3_xxs_ref", "to_f32_iq3_xxs_ref", "to_f32_iq3_xxs_ref"}},
    {"to_f32[IQ3_S]", {"to_f32_iq3_s_ref", "to_f32_iq3_s_ref", "to_f32_iq3_s_ref", "to_f32_iq3_s_ref"}},
    {"to_f32[TQ1_0]", {"to_f32_tq1_0_ref", "to_f32_tq1_0_ref", "to_f32_tq1_0_ref", "to_f32_tq1_0_ref"}},
    {"to_f32[TQ2_0]", {"to_f32_tq2_0_ref", "to_f32_tq2_0_ref", "to_f32_tq2_0_ref", "to_f32_tq2_0_ref"}},
    {"to_f32[MXFP4]", {"to_f32_mxfp4_ref", "to_f32_mxfp4_ref", "to_f32_mxfp4_ref", "to_f32_mxfp4_ref"}},
    {"dot[F32]", {"dot_f32_ref", "dot_f32_avx2", "dot_f32_neon", "dot_f32_neon"}},
    {"dot[F16]", {"dot_f16_ref", "dot_f16_avx2", "dot_f16_neon", "dot_f16_neon"}},
    {"dot[BF16]", {"dot_bf16_ref", "dot_bf16_avx2", "dot_bf16_neon", "dot_bf16_neon"}},
    {"dot[Q4_0]", {"dot_q4_0_ref", "dot_q4_0_avx2", "dot_q4_0_neon", "dot_q4_0_dotprod"}},
    {"dot[Q4_1]", {"dot_q4_1_ref", "dot_q4_1_avx2", "dot_q4_1_neon", "dot_q4_1_dotprod"}},
    {"dot[Q5_0]", {"dot_q5_0_ref", "dot_q5_0_avx2", "dot_q5_0_neon", "dot_q5_0_dotprod"}},
    {"dot[Q5_1]", {"dot_q5_1_ref", "dot_q5_1_avx2", "dot_q5_1_neon", "dot_q5_1_dotprod"}},
    {"dot[Q8_0]", {"dot_q8_0_ref", "dot_q8_0_avx2", "dot_q8_0_neon", "dot_q8_0_dotprod"}},
    {"dot[Q2_K]", {"dot_q2_k_ref", "dot_q2_k_avx2", "dot_q2_k_neon", "dot_q2_k_dotprod"}},
    {"dot[Q3_K]", {"dot_q3_k_ref", "dot_q3_k_avx2", "dot_q3_k_neon", "dot_q3_k_dotprod"}},
    {"dot[Q4_K]", {"dot_q4_k_ref", "dot_q4_k_avx2", "dot_q4_k_neon", "dot_q4_k_dotprod"}},
    {"dot[Q5_K]", {"dot_q5_k_ref", "dot_q5_k_avx2", "dot_q5_k_neon", "dot_q5_k_dotprod"}},
    {"dot[Q6_K]", {"dot_q6_k_ref", "dot_q6_k_avx2", "dot_q6_k_neon", "dot_q6_k_dotprod"}},
    {"dot[IQ4_NL]", {"dot_iq4_nl_ref", "dot_iq4_nl_avx2", "dot_iq4_nl_neon", "dot_iq4_nl_dotprod"}},
    {"dot[IQ4_XS]", {"dot_iq4_xs_ref", "dot_iq4_xs_avx2", "dot_iq4_xs_neon", "dot_iq4_xs_dotprod"}},
    {"dot[IQ1_S]", {"dot_iq1_s_ref", "dot_iq1_s_ref", "dot_iq1_s_ref", "dot_iq1_s_ref"}},
    {"dot[IQ1_M]", {"dot_iq1_m_ref", "dot_iq1_m_ref", "dot_iq1_m_ref", "dot_iq1_m_ref"}},
    {"dot[IQ2_XXS]", {"dot_iq2_xxs_ref", "dot_iq2_xxs_ref", "dot_iq2_xxs_ref", "dot_iq2_xxs_ref"}},
    {"dot[IQ2_XS]", {"dot_iq2_xs_ref", "dot_iq2_xs_ref", "dot_iq2_xs_ref", "dot_iq2_xs_ref"}},
    {"dot[IQ2_S]", {"dot_iq2_s_ref", "dot_iq2_s_ref", "dot_iq2_s_ref", "dot_iq2_s_ref"}},
    {"dot[IQ3_XXS]", {"dot_iq3_xxs_ref", "dot_iq3_xxs_ref", "dot_iq3_xxs_ref", "dot_iq3_xxs_ref"}},
    {"dot[IQ3_S]", {"dot_iq3_s_ref", "dot_iq3_s_ref", "dot_iq3_s_ref", "dot_iq3_s_ref"}},
    {"dot[TQ1_0]", {"dot_tq1_0_ref", "dot_tq1_0_ref", "dot_tq1_0_ref", "dot_tq1_0_ref"}},
    {"dot[TQ2_0]", {"dot_tq2_0_ref", "dot_tq2_0_ref", "dot_tq2_0_ref", "dot_tq2_0_ref"}},
    {"dot[MXFP4]", {"dot_mxfp4_ref", "dot_mxfp4_ref", "dot_mxfp4_ref", "dot_mxfp4_ref"}},
    {"pack[F32]", {"none", "none", "none", "none"}},
    {"pack[F16]", {"none", "none", "none", "none"}},
    {"pack[BF16]", {"none", "none", "none", "none"}},
    {"pack[Q4_0]", {"pack_q4_0_ref", "pack_q4_0_ref", "pack_q4_0_ref", "pack_q4_0_ref"}},
    {"pack[Q4_1]", {"pack_q4_1_ref", "pack_q4_1_ref", "pack_q4_1_ref", "pack_q4_1_ref"}},
    {"pack[Q5_0]", {"pack_q5_0_ref", "pack_q5_0_ref", "pack_q5_0_ref", "pack_q5_0_ref"}},
    {"pack[Q5_1]", {"pack_q5_1_ref", "pack_q5_1_ref", "pack_q5_1_ref", "pack_q5_1_ref"}},
    {"pack[Q8_0]", {"pack_q8_0_ref", "pack_q8_0_ref", "pack_q8_0_ref", "pack_q8_0_ref"}},
    {"pack[Q2_K]", {"pack_q2_k_ref", "pack_q2_k_ref", "pack_q2_k_ref", "pack_q2_k_ref"}},
    {"pack[Q3_K]", {"pack_q3_k_ref", "pack_q3_k_ref", "pack_q3_k_ref", "pack_q3_k_ref"}},
    {"pack[Q4_K]", {"pack_q4_k_ref", "pack_q4_k_ref", "pack_q4_k_ref", "pack_q4_k_ref"}},
    {"pack[Q5_K]", {"pack_q5_k_ref", "pack_q5_k_ref", "pack_q5_k_ref", "pack_q5_k_ref"}},
    {"pack[Q6_K]", {"pack_q6_k_ref", "pack_q6_k_ref", "pack_q6_k_ref", "pack_q6_k_ref"}},
    {"pack[IQ4_NL]", {"pack_iq4_nl_ref", "pack_iq4_nl_ref", "pack_iq4_nl_ref", "pack_iq4_nl_ref"}},
    {"pack[IQ4_XS]", {"pack_iq4_xs_ref", "pack_iq4_xs_ref", "pack_iq4_xs_ref", "pack_iq4_xs_ref"}},
    {"pack[IQ1_S]", {"pack_iq1_s_ref", "pack_iq1_s_ref", "pack_iq1_s_ref", "pack_iq1_s_ref"}},
    {"pack[IQ1_M]", {"pack_iq1_m_ref", "pack_iq1_m_ref", "pack_iq1_m_ref", "pack_iq1_m_ref"}},
    {"pack[IQ2_XXS]", {"pack_iq2_xxs_ref", "pack_iq2_xxs_ref", "pack_iq2_xxs_ref", "pack_iq2_xxs_ref"}},
    {"pack[IQ2_XS]", {"pack_iq2_xs_ref", "pack_iq2_xs_ref", "pack_iq2_xs_ref", "pack_iq2_xs_ref"}},
    {"pack[IQ2_S]", {"pack_iq2_s_ref", "pack_iq2_s_ref", "pack_iq2_s_ref", "pack_iq2_s_ref"}},
    {"pack[IQ3_XXS]", {"pack_iq3_xxs_ref", "pack_iq3_xxs_ref", "pack_iq3_xxs_ref", "pack_iq3_xxs_ref"}},
    {"pack[IQ3_S]", {"pack_iq3_s_ref", "pack_iq3_s_ref", "pack_iq3_s_ref", "pack_iq3_s_ref"}},
    {"pack[TQ1_0]", {"pack_tq1_0_ref", "pack_tq1_0_ref", "pack_tq1_0_ref", "pack_tq1_0_ref"}},
    {"pack[TQ2_0]", {"pack_tq2_0_ref", "pack_tq2_0_ref", "pack_tq2_0_ref", "pack_tq2_0_ref"}},
    {"pack[MXFP4]", {"pack_mxfp4_ref", "pack_mxfp4_ref", "pack_mxfp4_ref", "pack_mxfp4_ref"}},
    {"panel_mul[none]", {"none", "none", "none", "none"}},
    {"panel_mul[32]", {"panel_mul_32_ref", "panel_mul_32_ref", "panel_mul_32_ref", "panel_mul_32_ref"}},
    {"panel_mul[32m]", {"panel_mul_32m_ref", "panel_mul_32m_ref", "panel_mul_32m_ref", "panel_mul_32m_ref"}},
    {"panel_mul[64]", {"panel_mul_64_ref", "panel_mul_64_ref", "panel_mul_64_ref", "panel_mul_64_ref"}},
    {"panel_mul[128]", {"panel_mul_128_ref", "panel_mul_128_ref", "panel_mul_128_ref", "panel_mul_128_ref"}},
};
_Static_assert(TEST_COUNT(slots) == EINF__N_SLOTS, "write down who fills the new slot");

/* What a CPU mask brings on the architecture this is compiled for. */
static const struct {
    uint32_t cpu;
    int rung;
} masks[] = {
    {0, PLAIN_C},
    {~UINT32_C(0), HIGHEST},
    {EINF_CPU_AVX2, HAS_AVX2 ? AVX2 : PLAIN_C},
    {~(uint32_t)EINF_CPU_AVX2, HAS_AVX2 ? PLAIN_C : HIGHEST}, /* nothing is built on what is forbidden */
    {EINF_CPU_NEON, HAS_NEON ? NEON : PLAIN_C},
    {EINF_CPU_NEON | EINF_CPU_DOTPROD, HAS_NEON ? DOTPROD : PLAIN_C},
    {~(uint32_t)EINF_CPU_NEON, HAS_NEON ? PLAIN_C : HIGHEST},
    {~(uint32_t)EINF_CPU_DOTPROD, HAS_NEON ? NEON : HIGHEST},
};

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
static void assert_rung(const einf__kernels *k, int rung, const char *gemm)
{
    for (int slot = 0; slot < EINF__N_SLOTS; slot++) {
        assert_string_equal(einf__kernel_slot_name(slot), slots[slot].slot);
        assert_string_equal(k->impl[slot], gemm && slot == EINF__SLOT_gemm_f32 ? gemm : slots[slot].by[rung]);
    }
    assert_non_null(k->quantize_q8);
    for (int t = 0; t < EINF__N_DTYPES; t++) assert_true(k->to_f32[t] && k->dot[t]);
}

/* Even filling the table runs code compiled for the rung. */
static bool machine_lacks(int rung)
{
    static const uint32_t needs[N_RUNGS] = {0, EINF_CPU_AVX2, EINF_CPU_NEON, EINF_CPU_NEON | EINF_CPU_DOTPROD};
    const bool lacks = (einf__cpu_features() & needs[rung]) != needs[rung];
    if (lacks) printf("this machine lacks what %s needs: not checked\n", slots[EINF__SLOT_dot + EINF__Q4_K].by[rung]);
    return lacks;
}

static void masks_bring_rungs(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(masks); i++) {
        if (machine_lacks(masks[i].rung)) continue;
        einf__kernels k;
        memset(&k, 0x5a, sizeof k); /* init fills every field */
        einf__kernels_init(&k, masks[i].cpu, NULL);
        assert_rung(&k, masks[i].rung, NULL);
        assert_null(k.gemm_user);
    }
}

static void provider_fills_plain_slots(void **state)
{
    (void)state;
    fake_gemm f = {0};
    const einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, PLAIN_C, "fake 1.0");
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
    if (machine_lacks(HIGHEST)) return;
    fake_gemm f = {0};
    const einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    einf__kernels_init(&k, ~UINT32_C(0), &provider);
    assert_rung(&k, HIGHEST, HIGHEST == PLAIN_C ? "fake 1.0" : NULL);
    if (HIGHEST != PLAIN_C) assert_null(k.gemm_user);
}

static void unusable_providers_are_passed_over(void **state)
{
    (void)state;
    fake_gemm f = {0};
    einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    provider.struct_size = sizeof provider - 1;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, PLAIN_C, NULL);
    provider = fake_provider(&f);
    provider.sgemm_nt = NULL;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, PLAIN_C, NULL);
    provider = fake_provider(&f);
    provider.name = NULL;
    einf__kernels_init(&k, 0, &provider);
    assert_rung(&k, PLAIN_C, "provider");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_bring_rungs),
        cmocka_unit_test(provider_fills_plain_slots), cmocka_unit_test(simd_goes_before_provider),
        cmocka_unit_test(unusable_providers_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
