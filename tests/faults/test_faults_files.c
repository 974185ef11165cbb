/* SPDX-License-Identifier: MIT
 * test_faults_files.c - every system call of opening a model fails, is interrupted, or gives less than was asked for.
 * The library's own copy of gguf_source.c is tested call by call in test_gguf_source_faults.c; here it is whole models,
 * through the public functions.
 */
#include <dirent.h>
#include <errno.h>

#include "tests/faults/fault_calls.h"
#include "tests/faults/faults_support.h"
#include "tests/support/gguf_shards.h"

static const fault_call CALLS[] = { FAULT_open, FAULT_stat, FAULT_fstat, FAULT_pread, FAULT_read, FAULT_mmap };

static int n_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* Open, answer, close; the answer's tokens go into d. mode: EINF_MODE_*. */
static einf_status open_and_answer(world *w, int32_t mode, digest *d)
{
    einf_model *m = NULL;
    einf_session *s = NULL;
    einf_model_config mc = EINF_INIT(einf_model_config);
    mc.mode = mode;
    d->n = 0;
    w->f.err = test_error();
    const einf_status status = einf_model_open(w->f.rt, w->model_path, &mc, &m, &w->f.err);
    (void)fault_end(); /* what follows is for the result alone */
    if (status == EINF_OK) {
        einf_generate_config c = EINF_INIT(einf_generate_config);
        c.max_tokens = 4;
        c.raw = 1;
        c.on_text = digest_text;
        c.on_text_user = d;
        assert_ok(einf_session_create(m, NULL, &s, &w->f.err), &w->f.err);
        assert_ok(einf_generate(s, "the tea", 7, &c, NULL, &w->f.err), &w->f.err);
    } else {
        assert_null(m);
    }
    assert_int_equal(einf_session_destroy(&s, NULL), EINF_OK);
    assert_int_equal(einf_model_close(&m, NULL), EINF_OK);
    return status;
}

/* How often opening makes a call. */
static uint64_t count(world *w, int32_t mode, fault_call call)
{
    einf_model *m = NULL;
    einf_model_config mc = EINF_INIT(einf_model_config);
    mc.mode = mode;
    fault_plan(call, UINT64_MAX, EIO, 1);
    assert_ok(einf_model_open(w->f.rt, w->model_path, &mc, &m, &w->f.err), &w->f.err);
    const uint64_t n = fault_end();
    assert_int_equal(einf_model_close(&m, NULL), EINF_OK);
    return n;
}

static void check_refused(world *w, einf_status status, fault_call call, uint64_t n)
{
    if (status != EINF_E_IO && status != EINF_E_NOMEM)
        fail_msg("%s, call %d: %s", fault_name(call), (int)n, einf_status_name(status));
    assert_int_equal(w->f.err.code, status);
    assert_true(strlen(w->f.err.message) > 10);
}

/* Every call of opening w->model_path fails, with every code. */
static void fail_every_call(world *w, int at_least)
{
    static const int codes[] = { EIO, EMFILE, ENOMEM, EACCES, ESTALE, EINTR };
    static digest expected, got;
    const int n_fds = n_descriptors();
    int n_failed = 0, n_repeated = 0;
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_READ; mode++) {
        assert_ok(open_and_answer(w, mode, &expected), &w->f.err);
        for (size_t i = 0; i < TEST_COUNT(CALLS) * TEST_COUNT(codes); i++) {
            const fault_call call = CALLS[i / TEST_COUNT(codes)];
            const int code = codes[i % TEST_COUNT(codes)];
            const uint64_t n_calls = count(w, mode, call), live = w->f.heap.live_bytes;
            for (uint64_t n = 1; n <= n_calls; n++) {
                fault_plan(call, n, code, 1);
                const einf_status status = open_and_answer(w, mode, &got);
                if (status != EINF_OK) check_refused(w, status, call, n);
                else if (code != EINTR && call != FAULT_stat) /* which is asked for the progress, too */
                    fail_msg("%s, call %d: errno %d went unnoticed", fault_name(call), (int)n, code);
                else assert_true(got.n == expected.n && memcmp(got.bytes, expected.bytes, got.n) == 0);
                *(status == EINF_OK ? &n_repeated : &n_failed) += 1;
                assert_int_equal(w->f.heap.live_bytes, live);
                assert_int_equal(n_descriptors(), n_fds);
            }
        }
        assert_ok(open_and_answer(w, mode, &got), &w->f.err);
        assert_int_equal(got.n, expected.n);
    }
    print_message("%d refusals, %d repeated calls\n", n_failed, n_repeated);
    assert_true(n_failed > at_least && n_repeated >= 3);
}

static void test_every_call_fails(void **state)
{
    (void)state;
    world w;
    world_open(&w, MODEL_QWEN2);
    fail_every_call(&w, 40);
    world_close(&w);
}

static void test_every_call_of_a_split_model_fails(void **state)
{
    (void)state;
    world w;
    world_open(&w, MODEL_QWEN2);
    gguf_shards_write(w.f.file, w.f.n_bytes, w.dir, "s", 3, true);
    free(w.model_path);
    w.model_path = gguf_shard_path(w.dir, "s", 0, 3);
    fail_every_call(&w, 120);
    world_close(&w);
}

/* Reads of a few bytes each, from the n-th on. */
static void test_short_reads(void **state)
{
    static const uint64_t sizes[] = { 1000, 4097, 65537 };
    (void)state;
    world w;
    world_open(&w, MODEL_LLAMA);
    static digest expected, got;
    assert_ok(open_and_answer(&w, EINF_MODE_READ, &expected), &w.f.err);
    for (size_t i = 0; i < TEST_COUNT(sizes); i++)
        for (uint64_t n = 1; n <= 3; n++) {
            fault_plan_short(FAULT_pread, n, sizes[i]);
            assert_ok(open_and_answer(&w, EINF_MODE_READ, &got), &w.f.err);
            assert_int_equal(got.n, expected.n);
            assert_memory_equal(got.bytes, expected.bytes, got.n);
        }
    world_close(&w);
}

/* close says that the disk is bad: nothing was written, so nothing is wrong. */
static void test_close_fails(void **state)
{
    (void)state;
    world w;
    world_open(&w, MODEL_LLAMA);
    static digest got;
    const int n_fds = n_descriptors();
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_READ; mode++) {
        fault_plan(FAULT_close, 1, EIO, 0);
        assert_ok(open_and_answer(&w, mode, &got), &w.f.err);
        assert_int_equal(n_descriptors(), n_fds);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_fails),
        cmocka_unit_test(test_every_call_of_a_split_model_fails),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_close_fails),
    };
    return cmocka_run_group_tests_name("faults_files", tests, NULL, NULL);
}
