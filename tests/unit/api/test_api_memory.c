/* SPDX-License-Identifier: MIT
 * test_api_memory.c - what is planned is what is taken, a limit is a ceiling, and decoding allocates nothing (users.md
 * 4.3, H-111). Running out of memory at every point is in tests/faults.
 */
#include <inttypes.h>

#include "tests/unit/api/api_fixture.h"

static model_spec spec_of(model_family family, uint32_t type)
{
    model_spec s = model_preset(family);
    s.type = type;
    return s;
}

/* --------------------------------------------------------------------------------------------------- plan -- */

/* The heap before and after a session differ by what the plan says, and so does the model before that. */
static void test_plan_is_exact(void **state)
{
    static const struct { uint32_t n_ctx, n_batch; int32_t kv_type, exact; } configs[] = {
        { 0, 0, EINF_KV_F16, 0 }, { 1, 1, EINF_KV_F16, 0 }, { 33, 7, EINF_KV_F32, 0 }, { 500, 0, EINF_KV_F16, 1 },
        { 4096, 512, EINF_KV_F16, 0 }, { 100, 0, EINF_KV_Q8_0, 0 }, { 77, 5, EINF_KV_Q8_0, 1 },
    };
    (void)state;
    for (int i = 0; i < 2 * MODEL_N_FAMILIES; i++) {
        model_spec spec = spec_of((model_family)(i % MODEL_N_FAMILIES), i % 2 ? MODEL_Q8_0 : MODEL_F32);
        spec.k_dim = 32;
        spec.v_dim = 64;
        fixture f;
        fixture_open(&f, &spec, NULL);
        assert_int_equal(allocated_bytes(f.rt), f.heap.live_bytes);
        for (size_t j = 0; j < TEST_COUNT(configs); j++) {
            einf_session_config c = EINF_INIT(einf_session_config);
            c.n_ctx = configs[j].n_ctx;
            c.n_batch = configs[j].n_batch;
            c.kv_type = configs[j].kv_type;
            c.exact = configs[j].exact;
            einf_plan plan = EINF_INIT(einf_plan);
            const uint64_t before = f.heap.live_bytes, calls = f.heap.n_calls;
            assert_ok(einf_session_plan(f.m, &c, &plan, &f.err), &f.err);
            assert_int_equal(f.heap.n_calls, calls); /* planning takes nothing */
            assert_int_equal(plan.n_ctx, c.n_ctx ? c.n_ctx : 120);
            assert_int_equal(plan.n_ctx_fits, plan.n_ctx);
            const uint64_t bytes32 = c.exact || c.kv_type == EINF_KV_F32 ? 128 : c.kv_type == EINF_KV_F16 ? 64 : 34;
            const uint64_t kv = (uint64_t)plan.n_ctx * spec.n_layer * 2 * (spec.k_dim + spec.v_dim) / 32 * bytes32;
            assert_true(plan.kv_bytes >= kv && plan.kv_bytes < kv + spec.n_layer * 512 + 1024);

            assert_ok(einf_session_create(f.m, &c, &f.s, &f.err), &f.err);
            assert_int_equal(f.heap.n_calls, calls + 1); /* one block */
            assert_int_equal(f.heap.live_bytes - before, plan.kv_bytes + plan.scratch_bytes);
            assert_int_equal(einf_session_bytes(f.s), plan.kv_bytes + plan.scratch_bytes);
            assert_int_equal(allocated_bytes(f.rt), f.heap.live_bytes);
            assert_ok(einf_session_destroy(&f.s, &f.err), &f.err);
            assert_int_equal(f.heap.live_bytes, before);
        }
        fixture_close(&f);
    }
}

/* What the plan says of the model is what opening it took: the file in memory is the caller's. */
static void test_plan_of_the_model(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec spec = spec_of((model_family)i, MODEL_F32);
        fixture f;
        fixture_open(&f, &spec, NULL);
        assert_ok(einf_model_close(&f.m, &f.err), &f.err);
        const uint64_t empty = f.heap.live_bytes;
        assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, NULL, &f.m, &f.err), &f.err);
        einf_plan plan = EINF_INIT(einf_plan);
        assert_ok(einf_session_plan(f.m, NULL, &plan, &f.err), &f.err);
        assert_int_equal(plan.model_bytes + plan.vocab_bytes, f.heap.live_bytes - empty);
        assert_true(plan.vocab_bytes > 0);
        assert_int_equal(plan.weights_private_bytes, 0);
        assert_int_equal(plan.weights_mapped_bytes, f.n_bytes);
        assert_true(plan.stack_bytes > 0);
        assert_int_equal(plan.private_bytes, plan.model_bytes + plan.vocab_bytes + plan.kv_bytes + plan.scratch_bytes +
                                                 plan.stack_bytes);
        fixture_close(&f);
    }
}

/* A file read into memory is private, and counted. */
static void test_plan_of_a_read_file(void **state)
{
    (void)state;
    const model_spec spec = spec_of(MODEL_LLAMA, MODEL_F32);
    fixture f;
    fixture_open(&f, &spec, NULL);
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    const uint64_t empty = f.heap.live_bytes;
    char *dir = test_temp_dir(), *path = test_path(dir, "m.gguf");
    test_write_file(path, f.file, f.n_bytes);
    einf_model_config c = EINF_INIT(einf_model_config);
    c.mode = EINF_MODE_READ;
    assert_ok(einf_model_open(f.rt, path, &c, &f.m, &f.err), &f.err);
    einf_plan plan = EINF_INIT(einf_plan);
    assert_ok(einf_session_plan(f.m, NULL, &plan, &f.err), &f.err);
    assert_int_equal(plan.weights_mapped_bytes, 0);
    assert_true(plan.weights_private_bytes >= f.n_bytes);
    assert_int_equal(plan.weights_private_bytes + plan.model_bytes + plan.vocab_bytes, f.heap.live_bytes - empty);
    fixture_close(&f);
    free(path);
    test_temp_remove(&dir);
}

/* --------------------------------------------------------------------------------------------------- limit -- */

static void limited_open(fixture *f, const model_spec *spec, uint64_t limit)
{
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = 2;
    c.ram_limit_bytes = limit;
    fixture_open(f, spec, &c);
}

/* n_ctx_fits is the largest context that can be made, for many limits. */
static void test_n_ctx_fits(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec spec = spec_of((model_family)i, MODEL_F32);
        fixture f;
        fixture_open(&f, &spec, NULL);
        const uint64_t used = f.heap.live_bytes, peak = f.heap.peak_bytes; /* of opening */
        fixture_close(&f);
        int n_none = 0, n_some = 0;
        for (uint64_t more = 1000; more < (UINT64_C(1) << 25); more = more * 5 / 3) {
            const uint64_t room = peak + more - used;
            limited_open(&f, &spec, used + room);
            einf_session_config c = EINF_INIT(einf_session_config);
            c.n_ctx = 100000;
            einf_plan plan = EINF_INIT(einf_plan);
            char room_text[32], needs_text[32];
            assert_status(einf_session_plan(f.m, &c, &plan, &f.err), &f.err, EINF_E_LIMIT);
            assert_string_equal(f.err.where, "ram_limit_bytes");
            (void)snprintf(room_text, sizeof room_text, "%" PRIu64, room);
            (void)snprintf(needs_text, sizeof needs_text, "%" PRIu64, plan.kv_bytes + plan.scratch_bytes);
            assert_error_says(&f.err, room_text);
            assert_error_says(&f.err, needs_text);
            assert_error_says(&f.err, "100000");
            f.err = test_error();
            assert_status(einf_session_create(f.m, &c, &f.s, &f.err), &f.err, EINF_E_LIMIT);
            assert_null(f.s);
            assert_int_equal(f.heap.live_bytes, used);

            const uint32_t fits = (uint32_t)plan.n_ctx_fits;
            assert_true(fits < c.n_ctx);
            c.n_ctx = fits + 1;
            f.err = test_error();
            assert_status(einf_session_create(f.m, &c, &f.s, &f.err), &f.err, EINF_E_LIMIT);
            if (fits) {
                c.n_ctx = fits;
                f.err = test_error();
                assert_ok(einf_session_plan(f.m, &c, &plan, &f.err), &f.err);
                assert_int_equal(plan.n_ctx_fits, fits);
                assert_ok(einf_session_create(f.m, &c, &f.s, &f.err), &f.err);
                assert_true(f.heap.live_bytes <= used + room);
                n_some++;
            } else {
                n_none++;
            }
            fixture_close(&f);
        }
        assert_true(n_none > 0 && n_some > 3);
    }
}

/* Sizes that no machine has are refused by arithmetic alone. */
static void test_absurd_plans(void **state)
{
    (void)state;
    const model_spec spec = spec_of(MODEL_GEMMA3, MODEL_F32);
    fixture f;
    limited_open(&f, &spec, UINT64_C(1) << 30);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = 1 << 27;
    c.n_batch = 65536;
    c.exact = 1;
    c.n_checkpoints = 1024;
    einf_plan plan = EINF_INIT(einf_plan);
    assert_status(einf_session_plan(f.m, &c, &plan, &f.err), &f.err, EINF_E_LIMIT);
    assert_true(plan.kv_bytes > UINT64_C(100) << 30);
    assert_true(plan.n_ctx_fits > 0 && plan.n_ctx_fits < 1 << 20);
    fixture_close(&f);
}

/* H-111: a file that does not fit is refused before a byte of it is read, and so is a vocabulary. */
static void test_limit_at_open(void **state)
{
    (void)state;
    const model_spec spec = spec_of(MODEL_LLAMA, MODEL_F32);
    size_t n_bytes;
    uint8_t *file = model_file(&spec, &n_bytes);
    char *dir = test_temp_dir(), *path = test_path(dir, "m.gguf");
    test_write_file(path, file, n_bytes);
    fixture f;
    fixture_open(&f, &spec, NULL);
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    const uint64_t empty = f.heap.live_bytes;
    fixture_close(&f);

    int n_refused = 0, n_opened = 0;
    for (uint64_t limit = empty + 10; limit < empty + n_bytes * 3; limit = limit * 5 / 4) {
        for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_HUGE; mode++) {
            memset(&f, 0, sizeof f);
            test_heap_init(&f.heap, 0);
            f.err = test_error();
            einf_runtime_config rc = EINF_INIT(einf_runtime_config);
            rc.n_threads = 2;
            rc.ram_limit_bytes = limit;
            fixture_runtime(&f, &rc);
            einf_model_config c = EINF_INIT(einf_model_config);
            c.mode = mode;
            const einf_status status = einf_model_open(f.rt, path, &c, &f.m, &f.err);
            assert_true(f.heap.peak_bytes <= limit);
            if (status != EINF_OK) {
                assert_status(status, &f.err, EINF_E_LIMIT);
                assert_true(f.err.hint[0] != '\0');
                assert_null(f.m);
                assert_int_equal(f.heap.live_bytes, empty);
                if (mode != EINF_MODE_MAP && limit < n_bytes) assert_true(f.heap.peak_bytes < n_bytes);
                n_refused++;
            } else {
                n_opened++;
            }
            fixture_close(&f);
        }
    }
    assert_true(n_refused > 3 && n_opened > 3);
    free(file);
    free(path);
    test_temp_remove(&dir);
}

static void test_limit_of_a_runtime(void **state)
{
    (void)state;
    test_heap heap;
    test_heap_init(&heap, 0);
    einf_error err = test_error();
    einf_runtime *rt = NULL;
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = 3;
    c.allocator = &heap.allocator;
    int n_refused = 0;
    for (c.ram_limit_bytes = 1; c.ram_limit_bytes < 1 << 20; c.ram_limit_bytes += 1 + c.ram_limit_bytes / 4) {
        err = test_error();
        const einf_status status = einf_runtime_create(&c, &rt, &err);
        assert_true(heap.peak_bytes <= c.ram_limit_bytes);
        if (status == EINF_OK) break;
        assert_true(status == EINF_E_LIMIT || status == EINF_E_NOMEM);
        assert_true(err.message[0] != '\0');
        assert_null(rt);
        assert_int_equal(heap.n_live, 0);
        n_refused++;
    }
    assert_true(n_refused > 3);
    assert_ok(einf_runtime_destroy(&rt, &err), &err);
    assert_int_equal(heap.n_live, 0);
}

/* --------------------------------------------------------------------------------------- nothing in decoding -- */

typedef struct call_watch { const test_heap *heap; uint64_t first, last; } call_watch;

/* The heap's counter at the first token and at the last. */
static int32_t watch_calls(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    call_watch *w = user;
    (void)utf8, (void)n_bytes, (void)id;
    if (w->first == 0) w->first = w->heap->n_calls;
    w->last = w->heap->n_calls;
    return 0;
}

static void test_decoding_allocates_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * MODEL_N_FAMILIES; i++) {
        const model_spec spec = spec_of((model_family)(i % MODEL_N_FAMILIES), i % 2 ? MODEL_Q8_0 : MODEL_F32);
        fixture f;
        fixture_open(&f, &spec, NULL);
        assert_ok(einf_session_create(f.m, NULL, &f.s, &f.err), &f.err);
        const uint64_t calls = f.heap.n_calls;
        int32_t ids[40], id, mark;
        uint32_t n_reused;
        for (int j = 0; j < 40; j++) ids[j] = 260 + j;
        float row[64] = { 0.5f };
        const int32_t positions[1][4] = { { 50, 51, 52, 53 } };
        einf_sampling sampling = EINF_INIT(einf_sampling);
        sampling.temperature = 1;
        sampling.top_k = 10;
        sampling.repeat_penalty = 1.1f;
        assert_ok(einf_session_append_tokens(f.s, ids, 40, &f.err), &f.err);
        assert_ok(einf_session_append_rows(f.s, row, 1, positions, 64, &f.err), &f.err);
        assert_ok(einf_session_set_sampling(f.s, &sampling, &f.err), &f.err);
        for (int j = 0; j < 20; j++) {
            assert_ok(einf_session_sample(f.s, &id, &f.err), &f.err);
            assert_ok(einf_session_append_tokens(f.s, &id, 1, &f.err), &f.err);
        }
        assert_ok(einf_session_checkpoint(f.s, &mark, &f.err), &f.err);
        assert_ok(einf_session_restore(f.s, mark, &f.err), &f.err);
        assert_ok(einf_session_release(f.s, mark, &f.err), &f.err);
        assert_ok(einf_session_reuse_prefix(f.s, ids, 30, &n_reused, &f.err), &f.err);
        assert_ok(einf_session_rewind(f.s, 3, &f.err), &f.err);
        assert_int_equal(f.heap.n_calls, calls);

        call_watch seen = { .heap = &f.heap };
        einf_generate_config gc = EINF_INIT(einf_generate_config);
        gc.max_tokens = 30;
        gc.ignore_eos = 1;
        gc.on_text = watch_calls;
        gc.on_text_user = &seen;
        einf_result r = EINF_INIT(einf_result);
        assert_ok(einf_generate(f.s, "the tea", 7, &gc, &r, &f.err), &f.err);
        assert_int_equal(r.n_generated, 30);
        assert_true(seen.first > calls); /* for the prompt, */
        assert_int_equal(seen.first, seen.last); /* and nothing from the first token to the last */
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_is_exact),
        cmocka_unit_test(test_plan_of_the_model),
        cmocka_unit_test(test_plan_of_a_read_file),
        cmocka_unit_test(test_n_ctx_fits),
        cmocka_unit_test(test_absurd_plans),
        cmocka_unit_test(test_limit_at_open),
        cmocka_unit_test(test_limit_of_a_runtime),
        cmocka_unit_test(test_decoding_allocates_nothing),
    };
    return cmocka_run_group_tests_name("api_memory", tests, NULL, NULL);
}
