/* SPDX-License-Identifier: MIT
 * test_api_float_sum.c - sums in 16 bits as the interface offers them: the plan says whether a session has them, the
 * log says when it was asked for and does not, and logits follow.
 */
#include "tests/unit/api/api_fixture.h"

enum { N_IDS = 40 };

/* A model whose weights are floats of that type. */
static model_spec float_spec(uint32_t type)
{
    model_spec spec = model_preset(MODEL_LLAMA);
    spec.type = type;
    return spec;
}

/* The kinds of sums, sets of features without which a CPU has them not, and what the log says then. */
static const struct kind {
    int32_t sum;
    uint32_t lacks[2];
    const char *refused, *excluded;
} kinds[] = {
    { EINF_FLOAT_SUM_F16, { EINF_CPU_FP16, EINF_CPU_FP16 },
      "2 float_sum F16: sums are F32 all the same, this CPU has no arithmetic on halves that is used\n",
      "2 float_sum F16: sums are F32 all the same, as the rest of the config wants\n" },
    { EINF_FLOAT_SUM_I16, { EINF_CPU_AVX2, EINF_CPU_VNNI512 },
      "2 float_sum I16: sums are F32 all the same, this CPU has no products of 16-bit integers that are used\n",
      "2 float_sum I16: sums are F32 all the same, as the rest of the config wants\n" },
};

static bool cpu_has(const fixture *f, const struct kind *kind)
{
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    assert_ok(einf_runtime_get_info(f->rt, &info, NULL), NULL);
    if (kind->sum == EINF_FLOAT_SUM_F16) return (info.cpu_used & EINF_CPU_FP16) != 0;
    const bool avx2 = (info.cpu_used & EINF_CPU_AVX2) != 0, avx512 = (info.cpu_used & EINF_CPU_AVX512) != 0;
    return avx2 && (!avx512 || (info.cpu_used & EINF_CPU_VNNI512) != 0); /* with AVX-512 alone F32 is faster */
}

static einf_plan plan_of(fixture *f, const einf_session_config *c)
{
    einf_plan plan = EINF_INIT(einf_plan);
    assert_ok(einf_session_plan(f->m, c, &plan, &f->err), &f->err);
    return plan;
}

static void compute(fixture *f, const einf_session_config *c, float *logits, uint32_t n_vocab)
{
    int32_t ids[N_IDS];
    for (int i = 0; i < N_IDS; i++) ids[i] = i % 20;
    assert_ok(einf_session_create(f->m, c, &f->s, &f->err), &f->err);
    assert_ok(einf_session_append_tokens(f->s, ids, N_IDS, &f->err), &f->err);
    memcpy(logits, einf_session_logits(f->s), n_vocab * sizeof *logits);
    assert_ok(einf_session_destroy(&f->s, &f->err), &f->err);
}

/* Sums in 16 bits are another computation exactly where the plan says that they are. */
static void check_asked(fixture *f, const struct kind *kind)
{
    einf_session_config c = EINF_INIT(einf_session_config);
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(f->m, &info, &f->err), &f->err);
    float *plain = malloc(2 * info.n_vocab * sizeof *plain), *asked = plain + info.n_vocab;
    assert_non_null(plain);
    compute(f, &c, plain, info.n_vocab);
    assert_null(strstr(f->log, "float_sum"));
    c.float_sum = kind->sum;
    const bool has = plan_of(f, &c).float_sum == kind->sum;
    if (!has) assert_int_equal(plan_of(f, &c).float_sum, EINF_FLOAT_SUM_F32);
    assert_int_equal(has, cpu_has(f, kind));
    compute(f, &c, asked, info.n_vocab);
    assert_int_equal(memcmp(plain, asked, info.n_vocab * sizeof *plain) != 0, has);
    if (has) assert_null(strstr(f->log, "float_sum"));
    else assert_non_null(strstr(f->log, kind->refused));
    f->log[0] = '\0';
    free(plain);
}

static void test_as_the_cpu_has_it(void **state)
{
    static const uint32_t types[] = { MODEL_F32, MODEL_F16, MODEL_BF16 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(types); i++) {
        const model_spec spec = float_spec(types[i]);
        fixture f;
        fixture_open(&f, &spec, NULL);
        for (size_t k = 0; k < TEST_COUNT(kinds); k++) check_asked(&f, &kinds[k]);
        fixture_close(&f);
    }
}

static void test_forbidden(void **state)
{
    (void)state;
    const model_spec spec = float_spec(MODEL_F16);
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = 2;
    for (size_t i = 0; i < 2 * TEST_COUNT(kinds); i++) {
        const struct kind *kind = &kinds[i / 2];
        c.cpu_forbid = kind->lacks[i % 2];
        fixture f;
        fixture_open(&f, &spec, &c);
        if (c.cpu_forbid != EINF_CPU_VNNI512) assert_false(cpu_has(&f, kind));
        check_asked(&f, kind);
        fixture_close(&f);
    }
}

/* What else is asked for decides for F32, and says so. */
static void check_excluded(fixture *f, const struct kind *kind, einf_session_config c)
{
    c.struct_size = sizeof c;
    c.float_sum = kind->sum;
    f->log[0] = '\0';
    const einf_plan plan = plan_of(f, &c);
    assert_int_equal(plan.float_sum, EINF_FLOAT_SUM_F32);
    assert_string_equal(f->log, ""); /* a plan is a question */
    assert_ok(einf_session_create(f->m, &c, &f->s, &f->err), &f->err);
    assert_non_null(strstr(f->log, kind->excluded));
    assert_ok(einf_session_destroy(&f->s, &f->err), &f->err);
    c.float_sum = EINF_FLOAT_SUM_F32;
    assert_int_equal(plan_of(f, &c).scratch_bytes, plan.scratch_bytes); /* nothing is kept for what is not */
}

static void test_excluded(void **state)
{
    static const einf_session_config others[] = { { .exact = 1 }, { .deterministic = 1 }, { .force_path = 1 } };
    (void)state;
    const model_spec spec = float_spec(MODEL_F16);
    fixture f;
    fixture_open(&f, &spec, NULL);
    for (size_t i = 0; i < TEST_COUNT(others); i++)
        for (size_t k = 0; k < TEST_COUNT(kinds); k++) check_excluded(&f, &kinds[k], others[i]);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_cpu_has_it),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_excluded),
    };
    return cmocka_run_group_tests_name("sums in 16 bits", tests, NULL, NULL);
}
