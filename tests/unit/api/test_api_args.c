/* SPDX-License-Identifier: MIT
 * test_api_args.c - buggy callers (users.md 4.3, H-085): NULL for every pointer, structs of no size and of sizes to
 * come, values no enum has, numbers far out, buffers too small. Each is refused by the argument's name and leaves
 * everything as it was.
 */
#include <limits.h>
#include <math.h>

#include <edgeinfer/provider.h>

#include "tests/unit/api/api_fixture.h"

/* The call is refused, and says which argument. */
#define refuses(f, call, place) \
    do { \
        (f)->err = test_error(); \
        assert_status((call), &(f)->err, EINF_E_ARG); \
        assert_string_equal((f)->err.where, (place)); \
    } while (0)

#define refuses_null(f, call, place) \
    do { \
        refuses(f, call, place); \
        assert_error_says(&(f)->err, "NULL"); \
    } while (0)

/* --------------------------------------------------------------------------------------------------- NULL -- */

static void test_null_runtime(void **state)
{
    (void)state;
    fixture f;
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    const char *slot, *impl;
    fixture_session(&f, MODEL_LLAMA, 0);
    refuses_null(&f, einf_cancel_create(NULL, &f.err), "out");
    einf_cancel_set(NULL);
    einf_cancel_clear(NULL);
    einf_cancel_destroy(NULL);
    einf_cancel *none = NULL;
    einf_cancel_destroy(&none);
    refuses_null(&f, einf_runtime_create(NULL, NULL, &f.err), "out");
    f.err = test_error();
    assert_ok(einf_runtime_destroy(NULL, &f.err), &f.err);
    einf_runtime *no_runtime = NULL;
    assert_ok(einf_runtime_destroy(&no_runtime, &f.err), &f.err);
    refuses_null(&f, einf_runtime_get_info(NULL, &info, &f.err), "rt");
    refuses_null(&f, einf_runtime_get_info(f.rt, NULL, &f.err), "out");
    refuses_null(&f, einf_runtime_kernel(NULL, 0, &slot, &impl, &f.err), "rt");
    refuses_null(&f, einf_runtime_kernel(f.rt, 0, NULL, &impl, &f.err), "slot");
    refuses_null(&f, einf_runtime_kernel(f.rt, 0, &slot, NULL, &f.err), "impl");
    fixture_close(&f);
}

static void test_null_model(void **state)
{
    (void)state;
    fixture f;
    einf_model *m = NULL;
    einf_model_info info = EINF_INIT(einf_model_info);
    einf_kv kv = EINF_INIT(einf_kv);
    einf_tensor tensor = EINF_INIT(einf_tensor);
    uint64_t n;
    char buf[4];
    fixture_session(&f, MODEL_LLAMA, 0);
    refuses_null(&f, einf_model_open(NULL, "x", NULL, &m, &f.err), "rt");
    refuses_null(&f, einf_model_open(f.rt, NULL, NULL, &m, &f.err), "path");
    refuses_null(&f, einf_model_open(f.rt, "x", NULL, NULL, &f.err), "out");
    refuses_null(&f, einf_model_open_fd(NULL, 0, 0, 0, NULL, &m, &f.err), "rt");
    refuses_null(&f, einf_model_open_fd(f.rt, 0, 0, 0, NULL, NULL, &f.err), "out");
    refuses_null(&f, einf_model_open_memory(NULL, f.file, f.n_bytes, NULL, &m, &f.err), "rt");
    refuses_null(&f, einf_model_open_memory(f.rt, NULL, 100, NULL, &m, &f.err), "data");
    refuses_null(&f, einf_model_open_memory(f.rt, f.file, f.n_bytes, NULL, NULL, &f.err), "out");
    f.err = test_error();
    assert_ok(einf_model_close(NULL, &f.err), &f.err);
    assert_ok(einf_model_close(&m, &f.err), &f.err);
    refuses_null(&f, einf_model_get_info(NULL, &info, &f.err), "m");
    refuses_null(&f, einf_model_get_info(f.m, NULL, &f.err), "out");
    refuses_null(&f, einf_model_get_kv(NULL, 0, &kv, &f.err), "m");
    refuses_null(&f, einf_model_get_kv(f.m, 0, NULL, &f.err), "out");
    refuses_null(&f, einf_model_kv_text(NULL, 0, 0, buf, 4, &n, &f.err), "m");
    refuses_null(&f, einf_model_kv_text(f.m, 0, 0, NULL, 4, &n, &f.err), "buf");
    refuses_null(&f, einf_model_kv_text(f.m, 0, 0, buf, 4, NULL, &f.err), "n_bytes");
    refuses_null(&f, einf_model_get_tensor(NULL, 0, &tensor, &f.err), "m");
    refuses_null(&f, einf_model_get_tensor(f.m, 0, NULL, &f.err), "out");
    assert_null(m);
    fixture_close(&f);
}

static void test_null_text(void **state)
{
    (void)state;
    fixture f;
    uint64_t n = 99;
    int32_t ids[4] = { 300, 300, 300, 300 };
    char buf[4];
    einf_special_tokens special = EINF_INIT(einf_special_tokens);
    einf_message message = EINF_INIT(einf_message);
    fixture_session(&f, MODEL_QWEN2, 0);
    refuses_null(&f, einf_tokenize(NULL, "a", 1, 0, ids, 4, &n, &f.err), "m");
    refuses_null(&f, einf_tokenize(f.m, NULL, 1, 0, ids, 4, &n, &f.err), "text");
    refuses_null(&f, einf_tokenize(f.m, "a", 1, 0, NULL, 4, &n, &f.err), "ids");
    refuses_null(&f, einf_tokenize(f.m, "a", 1, 0, ids, 4, NULL, &f.err), "n_ids");
    refuses_null(&f, einf_detokenize(NULL, ids, 4, 0, buf, 4, &n, &f.err), "m");
    refuses_null(&f, einf_detokenize(f.m, NULL, 4, 0, buf, 4, &n, &f.err), "ids");
    refuses_null(&f, einf_detokenize(f.m, ids, 4, 0, NULL, 4, &n, &f.err), "buf");
    refuses_null(&f, einf_detokenize(f.m, ids, 4, 0, buf, 4, NULL, &f.err), "n_bytes");
    refuses_null(&f, einf_model_special_tokens(NULL, &special, &f.err), "m");
    refuses_null(&f, einf_model_special_tokens(f.m, NULL, &f.err), "out");
    assert_int_equal(einf_token_ends_answer(NULL, 0), 0);
    refuses_null(&f, einf_chat_tokenize(NULL, &message, 1, NULL, ids, 4, &n, &f.err), "m");
    refuses_null(&f, einf_chat_tokenize(f.m, NULL, 1, NULL, ids, 4, &n, &f.err), "messages");
    refuses(&f, einf_chat_tokenize(f.m, &message, 1, NULL, ids, 4, &n, &f.err), "messages"); /* no role, no content */
    message.role = "user";
    refuses(&f, einf_chat_tokenize(f.m, &message, 1, NULL, ids, 4, &n, &f.err), "messages");
    message.content = "a";
    refuses_null(&f, einf_chat_tokenize(f.m, &message, 1, NULL, NULL, 4, &n, &f.err), "ids");
    refuses_null(&f, einf_chat_tokenize(f.m, &message, 1, NULL, ids, 4, NULL, &f.err), "n_ids");
    assert_int_equal(n, 99);
    fixture_close(&f);
}

static void test_null_session(void **state)
{
    (void)state;
    fixture f;
    einf_session *s = NULL;
    einf_plan plan = EINF_INIT(einf_plan);
    einf_batch batch = EINF_INIT(einf_batch);
    einf_result result = EINF_INIT(einf_result);
    int32_t id = 3;
    uint32_t n;
    float row[64] = { 0 };
    fixture_session(&f, MODEL_LLAMA, 0);
    refuses_null(&f, einf_session_plan(NULL, NULL, &plan, &f.err), "m");
    refuses_null(&f, einf_session_plan(f.m, NULL, NULL, &f.err), "out");
    refuses_null(&f, einf_session_create(NULL, NULL, &s, &f.err), "m");
    refuses_null(&f, einf_session_create(f.m, NULL, NULL, &f.err), "out");
    einf_session_destroy(NULL, NULL);
    einf_session_destroy(&s, NULL);
    refuses_null(&f, einf_session_append(NULL, &batch, &f.err), "s");
    refuses_null(&f, einf_session_append(f.s, NULL, &f.err), "batch");
    refuses_null(&f, einf_session_append_tokens(NULL, &id, 1, &f.err), "s");
    refuses_null(&f, einf_session_append_tokens(f.s, NULL, 1, &f.err), "ids");
    refuses_null(&f, einf_session_append_rows(NULL, row, 1, NULL, 64, &f.err), "s");
    refuses_null(&f, einf_session_append_rows(f.s, NULL, 1, NULL, 64, &f.err), "rows");
    assert_null(einf_session_logits(NULL));
    assert_null(einf_session_logits(f.s));
    assert_int_equal(einf_session_n_past(NULL), 0);
    assert_int_equal(einf_session_n_ctx(NULL), 0);
    assert_int_equal(einf_session_bytes(NULL), 0);
    refuses_null(&f, einf_session_rewind(NULL, 0, &f.err), "s");
    refuses_null(&f, einf_session_checkpoint(NULL, &id, &f.err), "s");
    refuses_null(&f, einf_session_checkpoint(f.s, NULL, &f.err), "mark");
    refuses_null(&f, einf_session_restore(NULL, 0, &f.err), "s");
    refuses_null(&f, einf_session_release(NULL, 0, &f.err), "s");
    refuses_null(&f, einf_session_reuse_prefix(NULL, &id, 1, &n, &f.err), "s");
    refuses_null(&f, einf_session_reuse_prefix(f.s, NULL, 1, &n, &f.err), "ids");
    refuses_null(&f, einf_session_reuse_prefix(f.s, &id, 1, NULL, &f.err), "n_reused");
    refuses_null(&f, einf_session_set_sampling(NULL, NULL, &f.err), "s");
    refuses_null(&f, einf_session_sample(NULL, &id, &f.err), "s");
    refuses_null(&f, einf_session_sample(f.s, NULL, &f.err), "token_id");
    refuses_null(&f, einf_generate(NULL, "a", 1, NULL, &result, &f.err), "s");
    refuses_null(&f, einf_generate(f.s, NULL, 1, NULL, &result, &f.err), "prompt");
    fixture_close(&f);
}

/* Nobody has to ask for the detail. */
static void test_null_error(void **state)
{
    (void)state;
    fixture f;
    einf_model *m = NULL;
    fixture_session(&f, MODEL_LLAMA, 0);
    assert_int_equal(einf_runtime_create(NULL, NULL, NULL), EINF_E_ARG);
    assert_int_equal(einf_model_open(f.rt, "/no/such/file", NULL, &m, NULL), EINF_E_IO);
    assert_int_equal(einf_model_open_memory(f.rt, "GGUF", 4, NULL, &m, NULL), EINF_E_FORMAT);
    assert_int_equal(einf_session_rewind(f.s, 7, NULL), EINF_E_ARG);
    assert_int_equal(einf_generate(f.s, "a", 1, &(einf_generate_config){ .struct_size = 1 }, NULL, NULL), EINF_E_ARG);
    assert_int_equal(einf_model_close(&f.m, NULL), EINF_E_STATE);
    assert_int_equal(einf_runtime_destroy(&f.rt, NULL), EINF_E_STATE);
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------- struct_size -- */

/* Each wrong size of the struct x, for a call with it. */
#define refuses_sizes(f, x, call, place) \
    do { \
        const uint32_t right_ = (x).struct_size, wrong_[] = { 0, 4, right_ - 1, 65537, UINT32_MAX }; \
        for (size_t i_ = 0; i_ < TEST_COUNT(wrong_); i_++) { \
            char number_[16]; \
            (void)snprintf(number_, sizeof number_, "%u", wrong_[i_]); \
            (x).struct_size = wrong_[i_]; \
            refuses(f, call, place); \
            assert_error_says(&(f)->err, number_); \
            assert_error_says(&(f)->err, "EINF_INIT"); \
        } \
        (x).struct_size = right_; \
    } while (0)

static void no_gemm(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                    int64_t ldb, float *c, int64_t ldc)
{
    (void)user, (void)m, (void)n, (void)depth, (void)a, (void)lda, (void)b, (void)ldb, (void)c, (void)ldc;
}

static void test_struct_sizes(void **state)
{
    (void)state;
    fixture f;
    einf_runtime *rt = NULL;
    einf_model *m = NULL;
    einf_session *s = NULL;
    uint64_t n;
    int32_t id = 3;
    fixture_session(&f, MODEL_QWEN2, 0);
    einf_runtime_config rc = EINF_INIT(einf_runtime_config);
    refuses_sizes(&f, rc, einf_runtime_create(&rc, &rt, &f.err), "config");
    einf_trace_hooks trace = EINF_INIT(einf_trace_hooks);
    rc.trace = &trace;
    refuses_sizes(&f, trace, einf_runtime_create(&rc, &rt, &f.err), "trace");
    rc.trace = NULL;
    einf_gemm_provider gemm = { .struct_size = sizeof gemm, .name = "none", .sgemm_nt = no_gemm };
    rc.gemm = &gemm;
    refuses_sizes(&f, gemm, einf_runtime_create(&rc, &rt, &f.err), "gemm");
    einf_runtime_info ri = EINF_INIT(einf_runtime_info);
    refuses_sizes(&f, ri, einf_runtime_get_info(f.rt, &ri, &f.err), "out");
    einf_model_config mc = EINF_INIT(einf_model_config);
    refuses_sizes(&f, mc, einf_model_open(f.rt, "x", &mc, &m, &f.err), "config");
    einf_model_info mi = EINF_INIT(einf_model_info);
    refuses_sizes(&f, mi, einf_model_get_info(f.m, &mi, &f.err), "out");
    einf_kv kv = EINF_INIT(einf_kv);
    refuses_sizes(&f, kv, einf_model_get_kv(f.m, 0, &kv, &f.err), "out");
    einf_tensor t = EINF_INIT(einf_tensor);
    refuses_sizes(&f, t, einf_model_get_tensor(f.m, 0, &t, &f.err), "out");
    einf_special_tokens st = EINF_INIT(einf_special_tokens);
    refuses_sizes(&f, st, einf_model_special_tokens(f.m, &st, &f.err), "out");
    einf_message message = EINF_INIT(einf_message);
    message.role = "user";
    message.content = "a";
    refuses_sizes(&f, message, einf_chat_tokenize(f.m, &message, 1, NULL, NULL, 0, &n, &f.err), "messages");
    einf_session_config sc = EINF_INIT(einf_session_config);
    einf_plan plan = EINF_INIT(einf_plan);
    refuses_sizes(&f, sc, einf_session_create(f.m, &sc, &s, &f.err), "config");
    refuses_sizes(&f, sc, einf_session_plan(f.m, &sc, &plan, &f.err), "config");
    refuses_sizes(&f, plan, einf_session_plan(f.m, &sc, &plan, &f.err), "out");
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = &id;
    batch.n = 1;
    refuses_sizes(&f, batch, einf_session_append(f.s, &batch, &f.err), "batch");
    einf_sampling sampling = EINF_INIT(einf_sampling);
    refuses_sizes(&f, sampling, einf_session_set_sampling(f.s, &sampling, &f.err), "sampling");
    einf_generate_config gc = EINF_INIT(einf_generate_config);
    einf_result result = EINF_INIT(einf_result);
    refuses_sizes(&f, gc, einf_generate(f.s, "a", 1, &gc, &result, &f.err), "config");
    refuses_sizes(&f, result, einf_generate(f.s, "a", 1, &gc, &result, &f.err), "result");
    assert_null(rt);
    assert_null(m);
    assert_null(s);
    assert_int_equal(einf_session_n_past(f.s), 0);
    fixture_close(&f);
}

/* An error struct that cannot be filled is not touched. */
static void test_error_sizes(void **state)
{
    static const uint32_t wrong[] = { 0, 1, sizeof(einf_error) - 1, 65537, UINT32_MAX };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        einf_error err;
        memset(&err, 0x5a, sizeof err);
        err.struct_size = wrong[i];
        const einf_error before = err;
        einf_cancel *c = NULL;
        assert_int_equal(einf_cancel_create(&c, &err), EINF_E_ARG);
        assert_null(c);
        assert_memory_equal(&err, &before, sizeof err);
    }
}

/* Structs of a later version, larger than ours: used as far as we know them, the rest untouched. */
static void test_structs_to_come(void **state)
{
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_LLAMA, 0);
    struct { einf_error e; uint8_t more[24]; } err;
    struct { einf_model_info i; uint8_t more[24]; } info;
    struct { einf_plan p; uint8_t more[24]; } plan;
    struct { einf_result r; uint8_t more[24]; } result;
    memset(&err, 0x5a, sizeof err);
    memset(&info, 0x5a, sizeof info);
    memset(&plan, 0x5a, sizeof plan);
    memset(&result, 0x5a, sizeof result);
    err.e.struct_size = sizeof err;
    info.i.struct_size = sizeof info;
    plan.p.struct_size = sizeof plan;
    result.r.struct_size = sizeof result;
    assert_ok(einf_model_get_info(f.m, &info.i, &err.e), &err.e);
    assert_ok(einf_session_plan(f.m, NULL, &plan.p, &err.e), &err.e);
    einf_generate_config gc = EINF_INIT(einf_generate_config);
    gc.max_tokens = 1;
    assert_ok(einf_generate(f.s, "a", 1, &gc, &result.r, &err.e), &err.e);
    assert_int_equal(info.i.struct_size, sizeof info);
    assert_int_equal(plan.p.struct_size, sizeof plan);
    assert_int_equal(result.r.struct_size, sizeof result);
    assert_int_equal(err.e.struct_size, sizeof err);
    for (int i = 0; i < 24; i++) {
        assert_int_equal(err.more[i], 0x5a);
        assert_int_equal(info.more[i], 0x5a);
        assert_int_equal(plan.more[i], 0x5a);
        assert_int_equal(result.more[i], 0x5a);
    }
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- values -- */

static void test_runtime_values(void **state)
{
    static const int32_t n_threads[] = { -1, 257, 100000, INT32_MAX, INT32_MIN };
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_LLAMA, 0);
    einf_runtime *rt = NULL;
    for (size_t i = 0; i < TEST_COUNT(n_threads); i++) {
        einf_runtime_config c = EINF_INIT(einf_runtime_config);
        c.n_threads = n_threads[i];
        refuses(&f, einf_runtime_create(&c, &rt, &f.err), "n_threads");
        assert_error_says(&f.err, "256");
    }
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    const einf_allocator no_free = { .alloc = f.heap.allocator.alloc }, no_alloc = { .free = f.heap.allocator.free };
    c.allocator = &no_free;
    refuses(&f, einf_runtime_create(&c, &rt, &f.err), "allocator");
    c.allocator = &no_alloc;
    refuses(&f, einf_runtime_create(&c, &rt, &f.err), "allocator");
    c.allocator = NULL;
    const einf_gemm_provider no_name = { .struct_size = sizeof no_name, .sgemm_nt = no_gemm };
    c.gemm = &no_name;
    refuses(&f, einf_runtime_create(&c, &rt, &f.err), "gemm");
    assert_null(rt);
    f.err = test_error();
    assert_ok(einf_runtime_create(NULL, &rt, &f.err), &f.err); /* no config: defaults */
    assert_ok(einf_runtime_destroy(&rt, &f.err), &f.err);

    const char *slot = "unset", *impl = "unset";
    int32_t n = 0;
    while (einf_runtime_kernel(f.rt, n, &slot, &impl, &f.err) == EINF_OK) {
        assert_true(slot[0] != '\0' && impl[0] != '\0');
        n++;
    }
    assert_true(n > 30);
    static const int32_t no_slot[] = { -1, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < TEST_COUNT(no_slot); i++)
        refuses(&f, einf_runtime_kernel(f.rt, no_slot[i], &slot, &impl, &f.err), "i");
    fixture_close(&f);
}

static void test_model_values(void **state)
{
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_LLAMA, 0);
    einf_model *m = NULL;
    einf_model_config c = EINF_INIT(einf_model_config);
    static const uint32_t loads[] = { 8, 0x80000001, UINT32_MAX };
    for (size_t i = 0; i < TEST_COUNT(loads); i++) {
        c.load = loads[i];
        refuses(&f, einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &m, &f.err), "load");
    }
    c.load = 0;
    static const int32_t modes[] = { -1, 3, INT32_MAX };
    for (size_t i = 0; i < TEST_COUNT(modes); i++) {
        c.mode = modes[i];
        refuses(&f, einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &m, &f.err), "mode");
    }
    refuses(&f, einf_model_open_fd(f.rt, -1, 0, 0, NULL, &m, &f.err), "fd");
    refuses(&f, einf_model_open_fd(f.rt, INT32_MIN, 0, 0, NULL, &m, &f.err), "fd");
    f.err = test_error();
    assert_status(einf_model_open_fd(f.rt, 1000000, 0, 0, NULL, &m, &f.err), &f.err, EINF_E_IO);
    f.err = test_error();
    assert_int_not_equal(einf_model_open_memory(f.rt, f.file, 0, NULL, &m, &f.err), EINF_OK);
    assert_true(f.err.message[0] != '\0');

    einf_kv kv = EINF_INIT(einf_kv);
    einf_tensor t = EINF_INIT(einf_tensor);
    uint64_t n;
    einf_model_info info = EINF_INIT(einf_model_info);
    f.err = test_error();
    assert_ok(einf_model_get_info(f.m, &info, &f.err), &f.err);
    const uint64_t beyond_kv[] = { info.n_kv, UINT32_MAX, UINT64_MAX };
    for (size_t i = 0; i < TEST_COUNT(beyond_kv); i++) {
        refuses(&f, einf_model_get_kv(f.m, beyond_kv[i], &kv, &f.err), "i");
        refuses(&f, einf_model_kv_text(f.m, beyond_kv[i], 0, NULL, 0, &n, &f.err), "i");
        refuses(&f, einf_model_kv_text(f.m, 0, beyond_kv[i], NULL, 0, &n, &f.err), "j");
        refuses(&f, einf_model_get_tensor(f.m, beyond_kv[i] + info.n_tensors * (i == 0), &t, &f.err), "i");
    }
    assert_null(m);
    fixture_close(&f);
}

static void test_session_values(void **state)
{
    static const struct { einf_session_config c; const char *where; } wrong[] = {
        { { .n_ctx = UINT32_MAX }, "n_ctx" }, { { .n_batch = UINT32_MAX }, "n_batch" },
        { { .kv_type = 9 }, "kv_type" },      { { .exact = 7 }, "exact" },
        { { .force_path = -1 }, "force_path" }, { { .n_checkpoints = UINT32_MAX }, "n_checkpoints" },
        { { .float_sum = 7 }, "float_sum" },
    };
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_GEMMA3, 0);
    einf_session *s = NULL;
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        einf_session_config c = wrong[i].c;
        c.struct_size = sizeof c;
        einf_plan plan = EINF_INIT(einf_plan);
        refuses(&f, einf_session_create(f.m, &c, &s, &f.err), wrong[i].where);
        refuses(&f, einf_session_plan(f.m, &c, &plan, &f.err), wrong[i].where);
    }
    assert_null(s);

    einf_sampling sampling = EINF_INIT(einf_sampling);
    sampling.temperature = NAN;
    refuses(&f, einf_session_set_sampling(f.s, &sampling, &f.err), "temperature");
    sampling.temperature = 1;
    sampling.top_k = UINT32_MAX;
    sampling.repeat_last_n = UINT32_MAX;
    sampling.repeat_penalty = 2;
    sampling.seed = UINT64_MAX;
    f.err = test_error();
    assert_ok(einf_session_set_sampling(f.s, &sampling, &f.err), &f.err);
    const int32_t ids[] = { 1, 2, 3 };
    int32_t id;
    assert_ok(einf_session_append_tokens(f.s, ids, 3, &f.err), &f.err);
    for (int i = 0; i < 50; i++) {
        assert_ok(einf_session_sample(f.s, &id, &f.err), &f.err);
        assert_in_range(id, 0, 319);
    }
    const int32_t wrong_id[] = { -1 };
    refuses(&f, einf_session_append_tokens(f.s, wrong_id, 1, &f.err), "ids");
    refuses(&f, einf_session_append_tokens(f.s, ids, 0, &f.err), "n");
    const float row[64] = { 0 };
    refuses(&f, einf_session_append_rows(f.s, row, 1, NULL, 65, &f.err), "row_width");
    refuses(&f, einf_session_append_rows(f.s, row, 0, NULL, 64, &f.err), "n");
    refuses(&f, einf_session_rewind(f.s, UINT32_MAX, &f.err), "n_past");
    refuses(&f, einf_session_restore(f.s, 0, &f.err), "mark");
    assert_int_equal(einf_session_n_past(f.s), 3);
    assert_non_null(einf_session_logits(f.s));

    einf_generate_config gc = EINF_INIT(einf_generate_config);
    gc.raw = 2;
    refuses(&f, einf_generate(f.s, "a", 1, &gc, NULL, &f.err), "raw");
    gc.raw = -1;
    refuses(&f, einf_generate(f.s, "a", 1, &gc, NULL, &f.err), "raw");
    gc.raw = 0;
    gc.sampling.top_p = NAN;
    refuses(&f, einf_generate(f.s, "a", 1, &gc, NULL, &f.err), "top_p");
    assert_int_equal(einf_session_n_past(f.s), 3);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------ buffers -- */

static void test_text_buffers(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        int32_t all[16], some[16];
        uint64_t n_all, n;
        fixture_session(&f, i ? MODEL_LLAMA : MODEL_QWEN2, 0);
        assert_ok(einf_tokenize(f.m, "the tea is", 10, 0, all, 16, &n_all, &f.err), &f.err);
        assert_in_range(n_all, 4, 10);
        for (uint64_t room = 0; room < n_all; room++) {
            memset(some, 0x5a, sizeof some);
            f.err = test_error();
            assert_status(einf_tokenize(f.m, "the tea is", 10, 0, room ? some : NULL, room, &n, &f.err), &f.err,
                          EINF_E_LIMIT);
            assert_int_equal(n, n_all);
            assert_memory_equal(some, all, room * sizeof *all);
            assert_int_equal(some[room], 0x5a5a5a5a);
        }
        char whole[64], part[64];
        uint64_t n_whole;
        f.err = test_error();
        assert_ok(einf_detokenize(f.m, all, n_all, 0, whole, 64, &n_whole, &f.err), &f.err);
        for (uint64_t room = 0; room < n_whole; room++) {
            memset(part, 0x5a, sizeof part);
            f.err = test_error();
            assert_status(einf_detokenize(f.m, all, n_all, 0, room ? part : NULL, room, &n, &f.err), &f.err,
                          EINF_E_LIMIT);
            assert_int_equal(n, n_whole);
            assert_memory_equal(part, whole, room);
            assert_int_equal(part[room], 0x5a);
        }
        f.err = test_error();
        assert_ok(einf_tokenize(f.m, NULL, 0, 0, NULL, 0, &n, &f.err), &f.err);
        assert_int_equal(n, 0);
        assert_ok(einf_detokenize(f.m, NULL, 0, 0, NULL, 0, &n, &f.err), &f.err);
        assert_int_equal(n, 0);
        refuses(&f, einf_tokenize(f.m, "a", 1, 4, NULL, 0, &n, &f.err), "flags");
        refuses(&f, einf_tokenize(f.m, "a", 1, UINT32_MAX, NULL, 0, &n, &f.err), "flags");
        refuses(&f, einf_detokenize(f.m, all, 1, 2, NULL, 0, &n, &f.err), "flags");
        static const int32_t wrong[] = { -1, 320, INT32_MAX, INT32_MIN };
        for (size_t j = 0; j < TEST_COUNT(wrong); j++) {
            refuses(&f, einf_detokenize(f.m, &wrong[j], 1, 0, part, 64, &n, &f.err), "ids");
            assert_int_equal(einf_token_ends_answer(f.m, wrong[j]), 0);
        }
        fixture_close(&f);
    }
}

/* Text that ends within a character, or is none: as many bytes as are given and not one more (the sanitizer looks). */
static void test_ragged_text(void **state)
{
    static const struct { const char *p; size_t n; } texts[] = {
        { "\xf0\x9f\x98", 3 }, { "\xf0\x9f", 2 }, { "\xf0", 1 }, { "\xc3", 1 }, { "\xe2\x82", 2 }, { "\xff", 1 },
        { "a\0b", 3 }, { "\x80\x80", 2 }, { "\xed\xa0\x80", 3 }, { "<|im_en", 7 }, { "</s", 3 }, { "\0", 1 },
    };
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        fixture_session(&f, i ? MODEL_LLAMA : MODEL_QWEN2, 0);
        for (size_t j = 0; j < TEST_COUNT(texts); j++) {
            char *exact = malloc(texts[j].n);
            assert_non_null(exact);
            memcpy(exact, texts[j].p, texts[j].n);
            for (uint32_t flags = 0; flags < 4; flags++) {
                int32_t ids[16];
                uint64_t n;
                f.err = test_error();
                assert_ok(einf_tokenize(f.m, exact, texts[j].n, flags, ids, 16, &n, &f.err), &f.err);
                for (uint64_t k = 0; k < n; k++) assert_in_range(ids[k], 0, 319);
            }
            einf_result result = EINF_INIT(einf_result);
            einf_generate_config c = EINF_INIT(einf_generate_config);
            c.max_tokens = 2;
            c.raw = 1;
            f.err = test_error();
            assert_ok(einf_generate(f.s, exact, texts[j].n, &c, &result, &f.err), &f.err);
            free(exact);
        }
        fixture_close(&f);
    }
}

/* Texts of metadata into buffers of every size: cut to whole characters, always ended. */
static void test_kv_text_buffers(void **state)
{
    (void)state;
    model_spec spec = model_preset(MODEL_LLAMA);
    gguf_build *b = model_build(&spec);
    gguf_build_str(b, "test.text", "gr\xc3\xbc\xc3\x9f\n\x1b[2J");
    fixture f;
    memset(&f, 0, sizeof f);
    test_heap_init(&f.heap, 0);
    f.err = test_error();
    f.file = gguf_build_finish(b, &f.n_bytes);
    gguf_build_free(&b);
    fixture_runtime(&f, NULL);
    assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, NULL, &f.m, &f.err), &f.err);
    einf_kv kv = EINF_INIT(einf_kv);
    uint64_t i = 0, n_whole, n;
    do assert_ok(einf_model_get_kv(f.m, i++, &kv, &f.err), &f.err);
    while (kv.key_bytes != 9 || memcmp(kv.key, "test.text", 9) != 0);
    char whole[64], part[64];
    assert_ok(einf_model_kv_text(f.m, i - 1, 0, whole, sizeof whole, &n_whole, &f.err), &f.err);
    assert_int_equal(n_whole, strlen(whole));
    assert_null(strchr(whole, '\n'));
    assert_null(strchr(whole, '\x1b'));
    for (uint64_t room = 0; room <= n_whole + 1; room++) {
        memset(part, 0x5a, sizeof part);
        assert_ok(einf_model_kv_text(f.m, i - 1, 0, room ? part : NULL, room, &n, &f.err), &f.err);
        assert_int_equal(n, n_whole);
        if (room) assert_true(strlen(part) < room && memcmp(part, whole, strlen(part)) == 0);
        if (room) assert_false(strlen(part) && part[strlen(part) - 1] == '\xc3');
        assert_int_equal(part[room], 0x5a);
    }
    fixture_close(&f);
}

/* What was not loaded cannot be used, and the message says what to load. */
static void test_not_loaded(void **state)
{
    (void)state;
    fixture f;
    model_spec spec = model_preset(MODEL_QWEN2);
    fixture_open(&f, &spec, NULL);
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    einf_model_config c = EINF_INIT(einf_model_config);
    c.load = EINF_LOAD_WEIGHTS;
    assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &f.m, &f.err), &f.err);
    uint64_t n;
    const einf_status no_vocab = einf_tokenize(f.m, "a", 1, 0, NULL, 0, &n, &f.err);
    assert_status(no_vocab, &f.err, EINF_E_STATE);
    assert_error_says(&f.err, "EINF_LOAD_VOCAB");
    f.err = test_error();
    assert_ok(einf_session_create(f.m, NULL, &f.s, &f.err), &f.err);
    assert_status(einf_generate(f.s, "a", 1, NULL, NULL, &f.err), &f.err, EINF_E_STATE);
    assert_error_says(&f.err, "EINF_LOAD_VOCAB");
    assert_int_equal(einf_token_ends_answer(f.m, 319), 0);
    einf_session_destroy(&f.s, NULL);
    f.err = test_error();
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);

    static const uint32_t loads[] = { EINF_LOAD_HEADER, EINF_LOAD_VOCAB };
    for (size_t i = 0; i < TEST_COUNT(loads); i++) {
        c.load = loads[i];
        f.err = test_error();
        assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &f.m, &f.err), &f.err);
        einf_plan plan = EINF_INIT(einf_plan);
        assert_status(einf_session_plan(f.m, NULL, &plan, &f.err), &f.err, EINF_E_STATE);
        assert_error_says(&f.err, "EINF_LOAD_WEIGHTS");
        f.err = test_error();
        assert_status(einf_session_create(f.m, NULL, &f.s, &f.err), &f.err, EINF_E_STATE);
        assert_null(f.s);
        einf_model_info info = EINF_INIT(einf_model_info);
        f.err = test_error();
        assert_ok(einf_model_get_info(f.m, &info, &f.err), &f.err);
        assert_int_equal(info.loaded, EINF_LOAD_HEADER | loads[i]);
        assert_int_equal(info.n_embd, 0);
        assert_int_equal(info.n_vocab, loads[i] == EINF_LOAD_VOCAB ? 320 : 0);
        assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_runtime),
        cmocka_unit_test(test_null_model),
        cmocka_unit_test(test_null_text),
        cmocka_unit_test(test_null_session),
        cmocka_unit_test(test_null_error),
        cmocka_unit_test(test_struct_sizes),
        cmocka_unit_test(test_error_sizes),
        cmocka_unit_test(test_structs_to_come),
        cmocka_unit_test(test_runtime_values),
        cmocka_unit_test(test_model_values),
        cmocka_unit_test(test_session_values),
        cmocka_unit_test(test_text_buffers),
        cmocka_unit_test(test_ragged_text),
        cmocka_unit_test(test_kv_text_buffers),
        cmocka_unit_test(test_not_loaded),
    };
    return cmocka_run_group_tests_name("api_args", tests, NULL, NULL);
}
