/* SPDX-License-Identifier: MIT
 * test_api_state.c - saving and loading sessions through the public functions: who may, for which model, at what cost.
 * The file itself, and what else it may hold, are the matter of tests/unit/decode/test_state_file.c.
 */
#include "tests/unit/api/api_fixture.h"

#include "tests/support/gguf_shards.h"

enum { N = 12 };

typedef struct state_fixture {
    fixture f;
    char *dir, *path;
    int32_t ids[N];
} state_fixture;

static void state_begin(state_fixture *s)
{
    memset(s, 0, sizeof *s);
    fixture_session(&s->f, MODEL_QWEN2, 64);
    s->dir = test_temp_dir();
    s->path = test_path(s->dir, "saved");
    for (int i = 0; i < N; i++) s->ids[i] = 3 + 5 * i;
}

static void state_end(state_fixture *s)
{
    fixture_close(&s->f);
    free(s->path);
    test_temp_remove(&s->dir);
}

static void append(state_fixture *s, einf_session *session, const int32_t *ids, uint32_t n)
{
    s->f.err = test_error();
    assert_ok(einf_session_append_tokens(session, ids, n, &s->f.err), &s->f.err);
}

static einf_session *new_session(state_fixture *s, einf_model *m, const einf_session_config *config)
{
    einf_session *session;
    s->f.err = test_error();
    assert_ok(einf_session_create(m, config, &session, &s->f.err), &s->f.err);
    return session;
}

static einf_status load(state_fixture *s, einf_session *session)
{
    s->f.err = test_error();
    return einf_session_load(session, s->path, &s->f.err);
}

/* Nothing is allocated; the copy answers as the original does, and its random numbers go on. */
static void test_continues(void **state)
{
    state_fixture s;
    (void)state;
    state_begin(&s);
    einf_sampling sampling = EINF_INIT(einf_sampling);
    sampling.temperature = 2.0f;
    sampling.seed = 9;
    assert_ok(einf_session_set_sampling(s.f.s, &sampling, &s.f.err), &s.f.err);
    append(&s, s.f.s, s.ids, N);
    int32_t id;
    assert_ok(einf_session_sample(s.f.s, &id, &s.f.err), &s.f.err);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = 40;
    einf_session *copy = new_session(&s, s.f.m, &c);
    const uint64_t n_calls = s.f.heap.n_calls;
    assert_ok(einf_session_save(s.f.s, s.path, &s.f.err), &s.f.err);
    assert_ok(load(&s, copy), &s.f.err);
    assert_int_equal(s.f.heap.n_calls, n_calls);
    assert_int_equal(einf_session_n_past(copy), N);
    assert_int_equal(einf_session_n_ctx(copy), 40);
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(s.f.m, &info, &s.f.err), &s.f.err);
    for (int i = 0; i < 8; i++) {
        int32_t a, b;
        assert_memory_equal(einf_session_logits(copy), einf_session_logits(s.f.s), info.n_vocab * sizeof(float));
        assert_ok(einf_session_sample(s.f.s, &a, &s.f.err), &s.f.err);
        assert_ok(einf_session_sample(copy, &b, &s.f.err), &s.f.err);
        assert_int_equal(a, b);
        append(&s, s.f.s, &a, 1);
        append(&s, copy, &a, 1);
    }
    assert_ok(einf_session_destroy(&copy, &s.f.err), &s.f.err);
    state_end(&s);
}

/* A prompt that was computed once is not computed again by the session that loads it. */
static void test_prompt_cache(void **state)
{
    static const char prompt[] = "one two three four five";
    state_fixture s;
    (void)state;
    state_begin(&s);
    einf_generate_config c = EINF_INIT(einf_generate_config);
    einf_result first = EINF_INIT(einf_result), again = EINF_INIT(einf_result);
    c.raw = 1;
    c.max_tokens = 3;
    assert_ok(einf_generate(s.f.s, prompt, sizeof prompt - 1, &c, &first, &s.f.err), &s.f.err);
    assert_int_equal(first.n_cached, 0);
    assert_ok(einf_session_save(s.f.s, s.path, &s.f.err), &s.f.err);
    assert_ok(einf_session_rewind(s.f.s, 0, &s.f.err), &s.f.err);
    assert_ok(load(&s, s.f.s), &s.f.err);
    assert_ok(einf_generate(s.f.s, prompt, sizeof prompt - 1, &c, &again, &s.f.err), &s.f.err);
    assert_int_equal(again.n_prompt, first.n_prompt);
    assert_int_equal(again.n_cached, first.n_prompt - 1);
    state_end(&s);
}

/* H-086: the model is known by what it holds, not by its name; in parts it is the same. */
static void test_models(void **state)
{
    state_fixture s;
    size_t n_bytes;
    einf_model *other;
    (void)state;
    state_begin(&s);
    append(&s, s.f.s, s.ids, N);
    assert_ok(einf_session_save(s.f.s, s.path, &s.f.err), &s.f.err);

    model_spec spec = model_preset(MODEL_QWEN2);
    spec.seed = 2;
    uint8_t *file = model_file(&spec, &n_bytes);
    assert_ok(einf_model_open_memory(s.f.rt, file, n_bytes, NULL, &other, &s.f.err), &s.f.err);
    einf_session *session = new_session(&s, other, NULL);
    append(&s, session, s.ids + 1, 2);
    assert_status(load(&s, session), &s.f.err, EINF_E_STATE);
    assert_error_says(&s.f.err, "saved with another model");
    assert_int_equal(einf_session_n_past(session), 2);
    assert_ok(einf_session_destroy(&session, &s.f.err), &s.f.err);
    assert_ok(einf_model_close(&other, &s.f.err), &s.f.err);
    free(file);

    char *first = gguf_shard_path(s.dir, "m", 0, 3);
    gguf_shards_write(s.f.file, s.f.n_bytes, s.dir, "m", 3, true);
    assert_ok(einf_model_open(s.f.rt, first, NULL, &other, &s.f.err), &s.f.err);
    session = new_session(&s, other, NULL);
    assert_ok(load(&s, session), &s.f.err);
    assert_int_equal(einf_session_n_past(session), N);
    assert_ok(einf_session_destroy(&session, &s.f.err), &s.f.err);
    assert_ok(einf_model_close(&other, &s.f.err), &s.f.err);
    free(first);
    state_end(&s);
}

static void test_configurations(void **state)
{
    static const struct { einf_session_config c; einf_status status; const char *says; } cases[] = {
        { { .kv_type = EINF_KV_F32 }, EINF_E_STATE, "saved with KV type f16, this session has f32" },
        { { .exact = 1 }, EINF_E_STATE, "saved with KV type f16, this session has f32" },
        { { .deterministic = 1 }, EINF_E_STATE, "the default arithmetic, this session computes with determ" },
        { { .n_ctx = N - 1 }, EINF_E_CTX_FULL, "the state has 12 rows, the context 11" },
        { { .n_ctx = N }, EINF_OK, NULL },
        { { .n_batch = 1 }, EINF_OK, NULL },
        { { .force_path = 1 }, EINF_OK, NULL },
    };
    state_fixture s;
    (void)state;
    state_begin(&s);
    append(&s, s.f.s, s.ids, N);
    assert_ok(einf_session_save(s.f.s, s.path, &s.f.err), &s.f.err);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf_session_config c = cases[i].c;
        c.struct_size = sizeof c;
        einf_session *session = new_session(&s, s.f.m, &c);
        assert_status(load(&s, session), &s.f.err, cases[i].status);
        if (cases[i].says) assert_error_says(&s.f.err, cases[i].says);
        assert_ok(einf_session_destroy(&session, &s.f.err), &s.f.err);
    }
    state_end(&s);
}

static int32_t save_inside(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    state_fixture *s = user;
    einf_error err = test_error();
    (void)phase;
    (void)done;
    (void)total;
    assert_status(einf_session_save(s->f.s, s->path, &err), &err, EINF_E_STATE);
    err = test_error();
    assert_status(einf_session_load(s->f.s, s->path, &err), &err, EINF_E_STATE);
    return 0;
}

static void test_callers(void **state)
{
    state_fixture s;
    (void)state;
    state_begin(&s);
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = s.ids;
    b.n = N;
    b.progress = save_inside;
    b.progress_user = &s;
    assert_ok(einf_session_append(s.f.s, &b, &s.f.err), &s.f.err);
    for (int i = 0; i < 2; i++) {
        einf_status (*call)(einf_session *, const char *, einf_error *) = einf_session_load;
        if (i == 1) call = einf_session_save;
        s.f.err = test_error();
        assert_status(call(NULL, s.path, &s.f.err), &s.f.err, EINF_E_ARG);
        s.f.err = test_error();
        assert_status(call(s.f.s, NULL, &s.f.err), &s.f.err, EINF_E_ARG);
        s.f.err = test_error();
        assert_status(call(s.f.s, "", &s.f.err), &s.f.err, EINF_E_ARG);
        assert_true(call(s.f.s, "/nowhere/at/all", NULL) == EINF_E_IO);
    }
    assert_int_equal(einf_session_n_past(s.f.s), N);
    state_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continues),
        cmocka_unit_test(test_prompt_cache),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_callers),
    };
    return cmocka_run_group_tests_name("api_state", tests, NULL, NULL);
}
