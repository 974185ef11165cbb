/* SPDX-License-Identifier: MIT
 * test_kernel_table.c - who fills which slot: written down for every rung, so that none can vanish unnoticed.
 */
#include <ctype.h>
#include <edgeinfer/edgeinfer.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/cpu.h"
#include "engine/kernels/kernels.h"
#include "tests/support/test_support.h"

#if defined(__x86_64__)
enum { HAS_X86 = 1, HAS_ARM = 0 };
#elif defined(__aarch64__)
enum { HAS_X86 = 0, HAS_ARM = 1 };
#else
enum { HAS_X86 = 0, HAS_ARM = 0 };
#endif

/* ------------------------------------------------------------------------------------------ what is expected -- */

/* A rung: the suffix of its functions, and the bits without which it brings nothing. Later ones go before earlier. */
enum { X86_AVX2 = EINF_CPU_AVX2, X86_AVX512 = X86_AVX2 | EINF_CPU_AVX512, ARM_NEON = EINF_CPU_NEON,
       ARM_DOTPROD = ARM_NEON | EINF_CPU_DOTPROD };
static const struct rung {
    const char *suffix;
    uint32_t needs;
    int is_built;
} rungs[] = {
    {"ref", 0, 1},
    {"avx2", X86_AVX2, HAS_X86},
    {"avxvnni", X86_AVX2 | EINF_CPU_AVXVNNI, HAS_X86},
    {"avx512", X86_AVX512, HAS_X86},
    {"vnni512", X86_AVX512 | EINF_CPU_VNNI512, HAS_X86},
    {"neon", ARM_NEON, HAS_ARM},
    {"fp16", ARM_NEON | EINF_CPU_FP16, HAS_ARM},
    {"dotprod", ARM_DOTPROD, HAS_ARM},
    {"i8mm", ARM_DOTPROD | EINF_CPU_I8MM, HAS_ARM},
};

#define SMALL "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL"
#define SUPER "Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_XS"
#define GRIDS "IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S TQ1_0 TQ2_0 MXFP4"
#define ROWS "quantize_q8 rms_norm layer_norm add " ACTS " swiglu geglu rope_norm rope_neox to_f16"
#define ACTS "quick_gelu gelu silu"
#define GEMM "gemm_f32 pack_f32 mul_f32"
#define HALVES "quantize_f16 pack_f16 mul_f16"
#define FIXED "quantize_i16 pack_i16 mul_i16"
#define ATTEND "softmax attend_f16 attend_f32 attend_q8_0"
#define RESAMPLE "resample_rows resample_cols"
#define FORMS "32 32m 64 128"
#define SPECIAL "32m4 16"

/* Slots that a rung fills: of an array's types or forms, or single ones. to_f32[F32] stays a copy. */
static const struct claim {
    const char *suffix, *array, *names;
} claims[] = {
    {"ref", NULL, ROWS " quantize_tile " GEMM " " HALVES " " FIXED " " ATTEND " " RESAMPLE},
    {"ref", "to_f32", "F32 F16 BF16 " SMALL " " SUPER " " GRIDS},
    {"ref", "dot", "F32 F16 BF16 " SMALL " " SUPER " " GRIDS},
    {"ref", "pack", SMALL " " SUPER " " GRIDS},
    {"ref", "panel_mul", FORMS " " SPECIAL},
    {"avx2", NULL, ROWS " quantize_tile " GEMM " " FIXED " " ATTEND " " RESAMPLE},
    {"avx2", "to_f32", "F16 BF16 " SMALL " " SUPER},
    {"avx2", "dot", "F32 F16 BF16 " SMALL " " SUPER},
    {"avx2", "pack", SMALL " " SUPER " " GRIDS},
    {"avx2", "panel_mul", FORMS " " SPECIAL},
    {"avxvnni", "panel_mul", FORMS},
    {"avx512", NULL, ACTS " swiglu geglu " GEMM " " ATTEND},
    {"avx512", "dot", "F32 F16 BF16"},
    {"vnni512", NULL, "quantize_tile " FIXED},
    {"vnni512", "dot", SMALL " " SUPER},
    {"vnni512", "pack", SMALL " " SUPER " " GRIDS},
    {"vnni512", "panel_mul", FORMS},
    {"neon", NULL, ROWS " " GEMM " " ATTEND " " RESAMPLE},
    {"neon", "to_f32", "F16 BF16 " SMALL " " SUPER},
    {"neon", "dot", "F32 F16 BF16 " SMALL " " SUPER},
    {"fp16", NULL, HALVES},
    {"dotprod", NULL, "quantize_tile"},
    {"dotprod", "dot", SMALL " " SUPER},
    {"dotprod", "pack", SMALL " " SUPER " " GRIDS},
    {"dotprod", "panel_mul", FORMS},
    {"i8mm", NULL, "quantize_tile"},
    {"i8mm", "pack", SMALL " " SUPER " " GRIDS},
    {"i8mm", "panel_mul", FORMS},
};

static int slot_of(const char *array, const char *name, size_t length)
{
    char text[64];
    (void)snprintf(text, sizeof text, array ? "%s[%.*s]" : "%s%.*s", array ? array : "", (int)length, name);
    for (int slot = 0; slot < EINF__N_SLOTS; slot++)
        if (strcmp(einf__kernel_slot_name(slot), text) == 0) return slot;
    fail_msg("no slot is called %s", text);
    return -1;
}

/* The next slot of a claim; *at is its place in the names, and moves on. -1 at the end. */
static int next_slot(const struct claim *c, const char **at)
{
    *at += strspn(*at, " ");
    const char *name = *at;
    *at += strcspn(name, " ");
    return *at == name ? -1 : slot_of(c->array, name, (size_t)(*at - name));
}

static bool brings(const struct rung *r, uint32_t cpu)
{
    return r->is_built && (cpu & r->needs) == r->needs;
}

/* filler[slot] = the suffix of the rung that fills it under a CPU mask, or NULL. */
static void expect_fillers(const char *filler[EINF__N_SLOTS], uint32_t cpu)
{
    for (int slot = 0; slot < EINF__N_SLOTS; slot++) filler[slot] = NULL;
    for (size_t r = 0; r < TEST_COUNT(rungs); r++) {
        for (size_t i = 0; brings(&rungs[r], cpu) && i < TEST_COUNT(claims); i++) {
            if (strcmp(claims[i].suffix, rungs[r].suffix) != 0) continue;
            const char *at = claims[i].names;
            for (int slot = next_slot(&claims[i], &at); slot >= 0; slot = next_slot(&claims[i], &at))
                filler[slot] = rungs[r].suffix;
        }
    }
}

/* "dot[Q4_K]" filled by "avx2" is dot_q4_k_avx2. */
static void function_name(char *out, size_t size, const char *slot, const char *suffix)
{
    if (!suffix) {
        (void)snprintf(out, size, "none");
        return;
    }
    (void)snprintf(out, size, "%s_%s", slot, suffix);
    char *to = out;
    for (const char *from = out; *from; from++)
        if (*from != ']') *to++ = *from == '[' ? '_' : (char)tolower((unsigned char)*from);
    *to = '\0';
}

static bool is_plain(const char *filler) { return !filler || strcmp(filler, "ref") == 0; }

/* Every slot holds what the claims say; gemm, where it is not NULL, is the name expected in the GEMM slot. */
static void assert_filled(const einf__kernels *k, uint32_t cpu, const char *gemm)
{
    const char *filler[EINF__N_SLOTS];
    expect_fillers(filler, cpu);
    for (int slot = 0; slot < EINF__N_SLOTS; slot++) {
        char want[64];
        function_name(want, sizeof want, einf__kernel_slot_name(slot), filler[slot]);
        assert_string_equal(k->impl[slot], gemm && slot == EINF__SLOT_gemm_f32 ? gemm : want);
    }
    assert_non_null(k->quantize_q8);
    assert_int_equal(k->fast_floats, !is_plain(filler[EINF__SLOT_mul_f32]));
    assert_int_equal(k->fast_sum[EINF__SUM_F16], !is_plain(filler[EINF__SLOT_mul_f16]));
    const bool beaten = strcmp(filler[EINF__SLOT_mul_f32], "avx512") == 0 &&
                        strcmp(filler[EINF__SLOT_mul_i16], "avx2") == 0;
    assert_int_equal(k->fast_sum[EINF__SUM_I16], !is_plain(filler[EINF__SLOT_mul_i16]) && !beaten);
    assert_false(k->fast_sum[EINF__SUM_F32]); /* which nobody asks for */
    for (int t = 0; t < EINF__N_DTYPES; t++) {
        assert_true(k->to_f32[t] && k->dot[t]);
        assert_int_equal(k->pack[t] != NULL, einf__panel_finest((einf__dtype)t) != EINF__PANEL_NONE);
        if (k->pack[t]) assert_non_null(k->panel_mul[k->panel_form[t]]);
    }
}

/* What panel.h says of shapes: arrays begin where the last ones end, and fit what callers hold. */
static void assert_shaped(const einf__kernels *k)
{
    const einf__panel_shape *s = &k->panel_shape;
    assert_true(s->mr > 0 && s->mr % 8 == 0 && s->mr <= EINF__PANEL_MAX_ROWS);
    assert_true(s->nr > 0 && s->nr <= EINF__PANEL_MAX_COLS && s->nr_unit > 0 && s->nr % s->nr_unit == 0);
    assert_true(s->k_unit == 4 || s->k_unit == 8);
    assert_true(s->code_bias == 0 || s->code_bias == 128);
    assert_true(s->min_cols > 0 && s->l2_bytes > 0);
    assert_true(k->float_mr >= 4 && EINF__PANEL_MAX_ROWS % k->float_mr == 0);
    for (int sum = EINF__SUM_F16; sum < EINF__N_SUMS; sum++)
        assert_true(k->narrow_mr[sum] >= 8 && EINF__PANEL_MAX_ROWS % k->narrow_mr[sum] == 0);
}

/* --------------------------------------------------------------------------------------------------- a host's -- */

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

/* -------------------------------------------------------------------------------------------------- the table -- */

/* Even filling the table runs code compiled for the rung. */
static bool machine_runs(uint32_t cpu)
{
    for (size_t r = 0; r < TEST_COUNT(rungs); r++) {
        if (!brings(&rungs[r], cpu) || (einf__cpu_features() & rungs[r].needs) == rungs[r].needs) continue;
        printf("this machine lacks what %s needs: not checked\n", rungs[r].suffix);
        return false;
    }
    return true;
}

static void assert_mask(uint32_t cpu)
{
    if (!machine_runs(cpu)) return;
    einf__kernels k;
    memset(&k, 0x5a, sizeof k); /* init fills every field */
    einf__kernels_init(&k, cpu, NULL);
    assert_filled(&k, cpu, NULL);
    assert_shaped(&k);
    assert_null(k.gemm_user);
}

static void masks_bring_rungs(void **state)
{
    (void)state;
    assert_mask(einf__cpu_features());
    for (size_t r = 0; r < TEST_COUNT(rungs); r++) assert_mask(rungs[r].needs);
    for (int bit = 0; bit < 32; bit++) { /* nothing is built on what is forbidden */
        assert_mask(UINT32_C(1) << bit);
        assert_mask(einf__cpu_features() & ~(UINT32_C(1) << bit));
    }
}

/* A rung that claims nothing would vanish unnoticed; so would a claim of a rung that is not there. */
static void rungs_and_claims_agree(void **state)
{
    (void)state;
    for (size_t r = 0; r < TEST_COUNT(rungs); r++) {
        int n_claims = 0;
        for (size_t i = 0; i < TEST_COUNT(claims); i++) n_claims += strcmp(claims[i].suffix, rungs[r].suffix) == 0;
        assert_true(n_claims > 0);
    }
    const char *filler[EINF__N_SLOTS];
    expect_fillers(filler, 0);
    int n_empty = 0;
    for (int slot = 0; slot < EINF__N_SLOTS; slot++) n_empty += !filler[slot];
    assert_int_equal(n_empty, 4); /* no floats are packed, and no codes of no form multiplied */
}

static void provider_fills_plain_slots(void **state)
{
    (void)state;
    fake_gemm f = {0};
    const einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    einf__kernels_init(&k, 0, &provider);
    assert_filled(&k, 0, "fake 1.0");
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
    const uint32_t cpu = einf__cpu_features();
    fake_gemm f = {0};
    const einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    einf__kernels_init(&k, cpu, &provider);
    const bool has_simd = (HAS_X86 && (cpu & EINF_CPU_AVX2)) || (HAS_ARM && (cpu & EINF_CPU_NEON));
    assert_filled(&k, cpu, has_simd ? NULL : "fake 1.0");
    if (has_simd) assert_null(k.gemm_user);
}

static void unusable_providers_are_passed_over(void **state)
{
    (void)state;
    fake_gemm f = {0};
    einf_gemm_provider provider = fake_provider(&f);
    einf__kernels k;
    provider.struct_size = sizeof provider - 1;
    einf__kernels_init(&k, 0, &provider);
    assert_filled(&k, 0, NULL);
    provider = fake_provider(&f);
    provider.sgemm_nt = NULL;
    einf__kernels_init(&k, 0, &provider);
    assert_filled(&k, 0, NULL);
    provider = fake_provider(&f);
    provider.name = NULL;
    einf__kernels_init(&k, 0, &provider);
    assert_filled(&k, 0, "provider");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_bring_rungs), cmocka_unit_test(rungs_and_claims_agree),
        cmocka_unit_test(provider_fills_plain_slots), cmocka_unit_test(simd_goes_before_provider),
        cmocka_unit_test(unusable_providers_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
