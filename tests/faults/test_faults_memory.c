/* SPDX-License-Identifier: MIT
 * test_faults_memory.c - every allocation of every call fails in turn: opening, sessions, generating, tokenising.
 */
#include "tests/faults/faults_support.h"

/* ------------------------------------------------------------------------------------------------ runtimes -- */

static einf_status make_runtime(world *w, digest *d)
{
    einf_runtime *rt = NULL;
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = 3;
    c.allocator = &w->f.heap.allocator;
    const einf_status status = einf_runtime_create(&c, &rt, &w->f.err);
    digest_add(d, &c.n_threads, sizeof c.n_threads);
    if (status != EINF_OK) assert_null(rt);
    assert_int_equal(einf_runtime_destroy(&rt, NULL), EINF_OK);
    return status;
}

/* ------------------------------------------------------------------------------------------------- opening -- */

static einf_model_config open_how;
static bool open_from_memory;

static void tell(const einf_model *m, digest *d)
{
    einf_model_info info = EINF_INIT(einf_model_info);
    einf_error err = test_error();
    char text[64];
    uint64_t n;
    assert_ok(einf_model_get_info(m, &info, &err), &err);
    digest_add(d, &info, sizeof info);
    assert_ok(einf_model_kv_text(m, 0, 0, text, sizeof text, &n, &err), &err);
    digest_add(d, text, (size_t)n);
}

static einf_status open_one(world *w, digest *d)
{
    einf_model *m = NULL;
    const einf_status status =
        open_from_memory ? einf_model_open_memory(w->f.rt, w->f.file, w->f.n_bytes, &open_how, &m, &w->f.err)
                         : einf_model_open(w->f.rt, w->model_path, &open_how, &m, &w->f.err);
    if (status == EINF_OK) tell(m, d);
    else assert_null(m);
    assert_int_equal(einf_model_close(&m, NULL), EINF_OK);
    return status;
}

static void test_open(void **state)
{
    static const uint32_t loads[] = { EINF_LOAD_HEADER, EINF_LOAD_VOCAB, EINF_LOAD_WEIGHTS, 0 };
    static const char *const load_names[] = { "header", "vocab", "weights", "all" };
    (void)state;
    for (int family = 0; family < MODEL_N_FAMILIES; family++) {
        world w;
        world_open(&w, (model_family)family);
        sweep(&w, "runtime", make_runtime, 2);
        for (size_t i = 0; i < 3 * TEST_COUNT(loads); i++) {
            char name[64];
            open_how = (einf_model_config)EINF_INIT(einf_model_config);
            open_how.load = loads[i / 3];
            open_how.mode = i % 3 == 1 ? EINF_MODE_READ : EINF_MODE_MAP;
            open_how.check_tensors = 1;
            open_from_memory = i % 3 == 2;
            (void)snprintf(name, sizeof name, "open %d %s %s", family, load_names[i / 3],
                           open_from_memory ? "memory" : open_how.mode ? "read" : "map");
            sweep(&w, name, open_one, loads[i / 3] == EINF_LOAD_HEADER ? 2 : 3);
        }
        world_close(&w);
    }
}

/* ------------------------------------------------------------------------------------------------ sessions -- */

static einf_session_config session_how;

static einf_status make_session(world *w, digest *d)
{
    einf_session *s = NULL;
    const int32_t ids[] = { 270, 271, 272 };
    einf_status status = einf_session_create(w->f.m, &session_how, &s, &w->f.err);
    if (status == EINF_OK) status = einf_session_append_tokens(s, ids, 3, &w->f.err);
    else assert_null(s);
    if (status == EINF_OK) digest_add(d, einf_session_logits(s), 320 * sizeof(float));
    assert_int_equal(einf_session_destroy(&s, NULL), EINF_OK);
    return status;
}

static void test_session(void **state)
{
    (void)state;
    world w;
    world_open(&w, MODEL_LLAMA);
    for (int32_t kv_type = EINF_KV_F16; kv_type <= EINF_KV_F32; kv_type++) {
        session_how = (einf_session_config)EINF_INIT(einf_session_config);
        session_how.kv_type = kv_type;
        session_how.exact = kv_type == EINF_KV_F32;
        sweep(&w, "session", make_session, 1);
    }
    world_close(&w);
}

/* ---------------------------------------------------------------------------------------------- generating -- */

static bool generate_raw;

static einf_status generate(world *w, digest *d)
{
    static const char prompt[] = "the tea is here; and there is more of it in the rain than in the house";
    einf_generate_config c = EINF_INIT(einf_generate_config);
    einf_result r = EINF_INIT(einf_result);
    c.max_tokens = 6;
    c.ignore_eos = 1;
    c.raw = generate_raw;
    c.system = "be brief";
    c.on_text = digest_text;
    c.on_text_user = d;
    assert_int_equal(einf_session_rewind(w->f.s, 0, NULL), EINF_OK);
    const einf_status status = einf_generate(w->f.s, prompt, sizeof prompt - 1, &c, &r, &w->f.err);
    digest_add(d, &r.n_prompt, sizeof r.n_prompt);
    digest_add(d, &r.n_generated, sizeof r.n_generated);
    return status;
}

static void test_generate(void **state)
{
    static const model_family families[] = { MODEL_LLAMA, MODEL_QWEN2, MODEL_GEMMA3 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(families); i++) {
        world w;
        world_open(&w, families[i]);
        for (int raw = 0; raw < 2; raw++) {
            generate_raw = raw != 0;
            sweep(&w, raw ? "generate raw" : "generate", generate, 3);
        }
        world_close(&w);
    }
}

/* ------------------------------------------------------------------------------------------------- text -- */

static const char text[] =
    "hello <|im_end|> the tea \xff\xf0\x9f\x98\x80 thethethethethethethethethethethethethethethethethethethethethethe "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa <s> "
    "it's 12345 \xe4\xb8\xad\xe6\x96\x87, \n\n\n and so on, and so on; the end";

static einf_status tokenize(world *w, digest *d)
{
    int32_t ids[1024];
    uint64_t n = 0;
    const einf_status status = einf_tokenize(w->f.m, text, sizeof text - 1, EINF_TOK_SPECIAL | EINF_TOK_BOS, ids,
                                             TEST_COUNT(ids), &n, &w->f.err);
    if (status == EINF_OK) digest_add(d, ids, (size_t)n * sizeof *ids);
    return status;
}

/* Allocates nothing, so it cannot fail. */
static einf_status detokenize(world *w, digest *d)
{
    int32_t ids[320];
    char buf[4096];
    uint64_t n = 0;
    for (int32_t i = 0; i < 320; i++) ids[i] = i;
    const einf_status status = einf_detokenize(w->f.m, ids, 320, EINF_DETOK_SPECIAL, buf, sizeof buf, &n, &w->f.err);
    if (status == EINF_OK) digest_add(d, buf, (size_t)n);
    return status;
}

static void test_text(void **state)
{
    (void)state;
    for (int family = 0; family < MODEL_N_FAMILIES; family++) {
        world w;
        world_open(&w, (model_family)family);
        sweep(&w, "tokenize", tokenize, 2);
        sweep(&w, "detokenize", detokenize, 0);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests_name("faults_memory", tests, NULL, NULL);
}
