/* SPDX-License-Identifier: MIT
 * test_api_threads.c - on how many threads a model decodes: as set, few for a small model, measured for a large one,
 * and whatever it is, the same logits.
 */
#include "tests/unit/api/api_fixture.h"

static int32_t of_runtime(const fixture *f)
{
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    assert_ok(einf_runtime_get_info(f->rt, &info, NULL), NULL);
    return info.n_threads_decode;
}

static int32_t of_model(const fixture *f)
{
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(f->m, &info, NULL), NULL);
    return info.n_threads_decode;
}

static void open_with(fixture *f, const model_spec *spec, int32_t n_threads, int32_t n_threads_decode)
{
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = n_threads;
    c.n_threads_decode = n_threads_decode;
    fixture_open(f, spec, &c);
}

static void test_as_set(void **state)
{
    static const struct { int32_t n, set, want; } cases[] = { { 3, 1, 1 }, { 3, 2, 2 }, { 3, 3, 3 }, { 3, 256, 3 },
                                                              { 1, 2, 1 } };
    (void)state;
    const model_spec spec = model_preset(MODEL_LLAMA);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f;
        open_with(&f, &spec, cases[i].n, cases[i].set);
        assert_int_equal(of_runtime(&f), cases[i].want);
        assert_int_equal(of_model(&f), cases[i].want);
        fixture_close(&f);
    }
}

static void test_odd_numbers(void **state)
{
    static const int32_t odd[] = { -1, 257, INT32_MIN, INT32_MAX };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(odd); i++) {
        einf_runtime *rt = NULL;
        einf_error err = test_error();
        einf_runtime_config c = EINF_INIT(einf_runtime_config);
        c.n_threads_decode = odd[i];
        assert_status(einf_runtime_create(&c, &rt, &err), &err, EINF_E_ARG);
        assert_string_equal(err.where, "n_threads_decode");
        assert_error_says(&err, "0 (automatic) to 256");
        assert_null(rt);
    }
}

/* 200 KB of weights: nothing for a second thread to do, and nothing to measure. */
static void test_small_model(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_QWEN2);
    fixture f;
    open_with(&f, &spec, 4, 0);
    assert_int_equal(of_model(&f), 1);
    assert_ok(einf_session_create(f.m, NULL, &f.s, &f.err), &f.err);
    assert_int_equal(of_model(&f), 1);
    assert_int_equal(of_runtime(&f), 0);
    assert_null(strstr(f.log, "decoding on"));
    fixture_close(&f);
}

/* One layer of 67 MB. */
static model_spec large_spec(void)
{
    model_spec spec = model_preset(MODEL_LLAMA);
    spec.n_layer = 1;
    spec.n_embd = 1024;
    model_set_heads(&spec, 8, 8);
    spec.k_dim = spec.v_dim = spec.n_rot = 128;
    model_set_ff(&spec, 4096);
    return spec;
}

static void test_large_model(void **state)
{
    (void)state;
    if (test_is_emulated()) {
        printf("SKIP: an emulator reads no 16 MiB in 20 ms\n");
        return;
    }
    const model_spec spec = large_spec();
    fixture f;
    open_with(&f, &spec, 2, 0);
    assert_int_equal(of_model(&f), 0); /* opening measures nothing */
    einf_session_config c = EINF_INIT(einf_session_config);
    c.exact = 1; /* nor does what memory does not bound */
    assert_ok(einf_session_create(f.m, &c, &f.s, &f.err), &f.err);
    assert_int_equal(of_model(&f), 0);
    const uint64_t n_live = f.heap.n_live;
    einf_session_destroy(&f.s, NULL);
    c.exact = 0;
    int n_tries = 0; /* a busy machine may have no time for it */
    while (of_model(&f) == 0 && n_tries++ < 20) {
        einf_session_destroy(&f.s, NULL);
        assert_ok(einf_session_create(f.m, &c, &f.s, &f.err), &f.err);
        assert_int_equal(f.heap.n_live, n_live);
    }
    const int32_t n = of_model(&f);
    if (n == 0) printf("SKIP: this machine is too busy to measure\n");
    else assert_non_null(strstr(f.log, "of 2 threads, which read weights at"));
    assert_in_range(n, 0, 2);
    assert_int_equal(of_runtime(&f), n);
    const uint64_t n_calls = f.heap.n_calls;
    einf_session *another = NULL;
    assert_ok(einf_session_create(f.m, &c, &another, &f.err), &f.err);
    if (n) assert_int_equal(f.heap.n_calls, n_calls + 1); /* it is known by now */
    einf_session_destroy(&another, NULL);
    fixture_close(&f);
}

static void test_same_logits(void **state)
{
    (void)state;
    model_spec spec = model_preset(MODEL_LLAMA);
    spec.type = MODEL_Q8_0;
    float *want = NULL;
    for (int32_t n = 1; n <= 4; n++) {
        fixture f;
        open_with(&f, &spec, 4, n);
        assert_ok(einf_session_create(f.m, NULL, &f.s, &f.err), &f.err);
        for (int32_t id = 3; id < 9; id++) assert_ok(einf_session_append_tokens(f.s, &id, 1, &f.err), &f.err);
        if (!want) {
            want = malloc(spec.n_vocab * sizeof *want);
            assert_non_null(want);
            memcpy(want, einf_session_logits(f.s), spec.n_vocab * sizeof *want);
        }
        assert_memory_equal(einf_session_logits(f.s), want, spec.n_vocab * sizeof *want);
        fixture_close(&f);
    }
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_set),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_small_model),
        cmocka_unit_test(test_large_model),
        cmocka_unit_test(test_same_logits),
    };
    return cmocka_run_group_tests_name("api_threads", tests, NULL, NULL);
}
