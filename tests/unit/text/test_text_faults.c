/* SPDX-License-Identifier: MIT
 * test_text_faults.c - every allocation of making a vocabulary and of tokenising fails once; two threads share one.
 */
#include "tests/unit/text/text_fixture.h"

#include <pthread.h>

static const char text[] =
    "hello he hell\xff\xed\xa0\x80 <tool>hello<tool><tool> \n\nhehehehehehehehehehehehehehehehehehehehehehehehehehehell"
    "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllhelohelhlelohlehoehlhelhleholehleo"
    "hleohlehlohello he hell <tool>hello<tool><tool> \n\nhhehehehehehehehehehehehehehehehehehehehehehehehehehellllllll "
    "he he h\xc3\xa9llo \xe4\xb8\xad\xe4\xb8\xad, hello; he a as \xe3\x80\x80 oh <s> </s> [SEP] <|im_end|> "
    "hello hello hello he he he hehellohell";

enum { FLAGS = EINF_TOK_SPECIAL | EINF_TOK_BOS };

typedef gguf_build *(*file_fn)(void);
static gguf_build *bpe(void) { return bpe_file("gpt-2"); }
static gguf_build *bpe_many_patterns(void) { return bpe_file("default"); }
static gguf_build *bpe_whole_words(void) { return bpe_file("llama-bpe"); }
static const file_fn files[] = { bpe, bpe_many_patterns, bpe_whole_words, spm_file, wordpiece_file };

static void test_create_without_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(files); i++) {
        uint64_t n_failed = 0;
        for (bool done = false; !done; n_failed++) {
            fixture f;
            assert_ok(fixture_build(&f, files[i]()), &f.err);
            einf__vocab_destroy(&f.v);
            const uint64_t live = f.heap.n_live;
            f.heap.fail_at = f.heap.n_calls + n_failed + 1;
            const einf_status status = einf__vocab_create(&f.mem, &f.g, NULL, &f.v, NULL, &f.err);
            done = status == EINF_OK;
            if (!done) {
                assert_status(status, &f.err, EINF_E_NOMEM);
                assert_null(f.v);
                assert_int_equal(f.heap.n_live, live);
            }
            fixture_close(&f);
        }
        assert_true(n_failed > 2);
    }
}

static void test_tokenize_without_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(files); i++) {
        fixture f;
        assert_ok(fixture_build(&f, files[i]()), &f.err);
        const uint64_t live = f.heap.n_live;
        einf__ids whole = ids_of_n(&f, text, sizeof text - 1, FLAGS);
        uint64_t n_failed = 0;
        for (bool done = false; !done; n_failed++) {
            einf__ids ids = { NULL, 0, 0, &f.mem };
            f.err = test_error();
            f.heap.fail_at = f.heap.n_calls + n_failed + 1;
            const einf_status status = einf__tokenize(f.v, text, sizeof text - 1, FLAGS, &ids, &f.err);
            done = status == EINF_OK;
            if (!done) assert_status(status, &f.err, EINF_E_NOMEM);
            else assert_int_equal(ids.n, whole.n);
            if (done) assert_memory_equal(ids.ids, whole.ids, (size_t)ids.n * sizeof *ids.ids);
            einf__ids_deinit(&ids);
            assert_int_equal(f.heap.n_live, live + (whole.cap > 0));
        }
        assert_true(n_failed > 4);
        einf__ids_deinit(&whole);
        fixture_close(&f);
    }
}

/* The ceiling counts as no memory, too, and is named. */
static void test_limit(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, bpe()), &f.err);
    einf__vocab_destroy(&f.v);
    f.mem.limit_bytes = f.mem.used_bytes + 1000;
    assert_status(einf__vocab_create(&f.mem, &f.g, NULL, &f.v, NULL, &f.err), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "vocabulary");
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- threads -- */

typedef struct job {
    const einf__vocab *v;
    einf__memory mem;
    const einf__ids *expected;
    bool same;
} job;

static void *work(void *arg)
{
    job *j = arg;
    j->same = true;
    for (uint32_t i = 0; i < 200; i++) {
        einf__ids ids = { NULL, 0, 0, &j->mem };
        const einf_status status = einf__tokenize(j->v, text, sizeof text - 1, FLAGS, &ids, NULL);
        j->same = j->same && status == EINF_OK && ids.n == j->expected->n &&
                  memcmp(ids.ids, j->expected->ids, (size_t)ids.n * sizeof *ids.ids) == 0;
        einf__ids_deinit(&ids);
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(files); i++) {
        fixture f;
        assert_ok(fixture_build(&f, files[i]()), &f.err);
        einf__vocab_destroy(&f.v);
        einf__memory mem; /* the counting heap is for one thread */
        einf__memory_init(&mem, NULL, 0);
        assert_ok(einf__vocab_create(&mem, &f.g, NULL, &f.v, NULL, &f.err), &f.err);
        einf__ids expected = ids_of_n(&f, text, sizeof text - 1, FLAGS);
        job jobs[2];
        pthread_t threads[2];
        for (size_t k = 0; k < 2; k++) {
            jobs[k].v = f.v;
            jobs[k].expected = &expected;
            einf__memory_init(&jobs[k].mem, NULL, 0);
            assert_int_equal(pthread_create(&threads[k], NULL, work, &jobs[k]), 0);
        }
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(pthread_join(threads[k], NULL), 0);
            assert_true(jobs[k].same);
        }
        einf__ids_deinit(&expected);
        fixture_close(&f);
        assert_int_equal(mem.used_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_without_memory),
        cmocka_unit_test(test_tokenize_without_memory),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
