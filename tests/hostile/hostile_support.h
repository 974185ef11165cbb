/* SPDX-License-Identifier: MIT
 * hostile_support.h - one way to treat a file that nobody vouches for: open it as far as it goes, use what came of it,
 * and hold the library to its promises: a status, a message fit to print, no more than a second, nothing left over.
 */
#ifndef TESTS_HOSTILE_SUPPORT_H
#define TESTS_HOSTILE_SUPPORT_H

#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <edgeinfer/edgeinfer.h>
#include <edgeinfer/lowlevel.h>

#include "tests/support/model_build.h"

enum { MOST_MEMORY = 64 << 20 }; /* beyond the file itself */

/* A runtime that outlives many files. */
typedef struct host {
    test_heap heap;
    einf_runtime *rt;
    uint64_t empty_bytes; /* of the heap without a model */
    int n_opened, n_refused, n_answered;
} host;

static inline void host_open_within(host *h, uint64_t ram_limit_bytes)
{
    einf_error err = test_error();
    memset(h, 0, sizeof *h);
    test_heap_init(&h->heap, 0);
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = 1;
    c.allocator = &h->heap.allocator;
    c.ram_limit_bytes = ram_limit_bytes;
    assert_ok(einf_runtime_create(&c, &h->rt, &err), &err);
    h->empty_bytes = h->heap.live_bytes;
}

static inline void host_open(host *h) { host_open_within(h, 0); }

static inline void host_close(host *h)
{
    einf_error err = test_error();
    assert_ok(einf_runtime_destroy(&h->rt, &err), &err);
    assert_int_equal(h->heap.n_live, 0);
}

static inline double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A refusal that a person can act on, and that no terminal obeys. What a template raises are its own words. */
static inline void assert_good_refusal(einf_status status, const einf_error *err)
{
    assert_true(status < 0 && status != EINF_E_STATE);
    assert_int_equal(err->code, status);
    assert_true(strlen(err->message) >= (status == EINF_E_TEMPLATE ? 1 : 10));
    const char *const texts[] = { err->message, err->where, err->hint };
    for (size_t i = 0; i < TEST_COUNT(texts); i++)
        for (const char *p = texts[i]; *p; p++) assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

/* Lay a message out by the file's template. */
static inline void render(const einf_model *m)
{
    einf_error err = test_error();
    einf_message message = EINF_INIT(einf_message);
    char text[256];
    uint64_t n;
    message.role = "user";
    message.content = "the tea";
    const einf_status status = einf_chat_render(m, &message, 1, NULL, text, sizeof text, &n, &err);
    if (status != EINF_OK) assert_good_refusal(status, &err);
}

/* Ask a model for everything it can tell. */
static inline void ask(const einf_model *m)
{
    einf_error err = test_error();
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(m, &info, &err), &err);
    for (uint64_t i = 0; i < info.n_kv; i++) {
        einf_kv kv = EINF_INIT(einf_kv);
        char text[80];
        uint64_t n;
        assert_ok(einf_model_get_kv(m, i, &kv, &err), &err);
        for (uint64_t j = 0; j < kv.n_items; j += 1 + kv.n_items / 3)
            assert_ok(einf_model_kv_text(m, i, j, text, sizeof text, &n, &err), &err);
    }
    for (uint64_t i = 0; i < info.n_tensors; i++) {
        einf_tensor t = EINF_INIT(einf_tensor);
        assert_ok(einf_model_get_tensor(m, i, &t, &err), &err);
    }
    if (!(info.loaded & EINF_LOAD_VOCAB)) return;
    render(m);
    static const char text[] = "the tea <|im_end|> \xff\xc3\xbc \xf0\x9f";
    int32_t ids[64];
    char back[256];
    uint64_t n, n_bytes;
    const einf_status status = einf_tokenize(m, text, sizeof text - 1, EINF_TOK_SPECIAL | EINF_TOK_BOS, ids, 64, &n,
                                             &err);
    if (status != EINF_OK) assert_good_refusal(status, &err);
    else (void)einf_detokenize(m, ids, n, EINF_DETOK_SPECIAL, back, sizeof back, &n_bytes, NULL);
}

/* Let it answer with a token or two; whether it can is its own affair. */
static inline bool answer(einf_model *m)
{
    einf_error err = test_error();
    einf_session *s = NULL;
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = 16;
    einf_status status = einf_session_create(m, &c, &s, &err);
    if (status == EINF_OK) {
        einf_generate_config g = EINF_INIT(einf_generate_config);
        g.max_tokens = 2;
        g.raw = 1;
        status = einf_generate(s, "the tea", 7, &g, NULL, &err);
    }
    if (status != EINF_OK) assert_good_refusal(status, &err);
    if (s) assert_int_equal(einf_session_destroy(&s, NULL), EINF_OK);
    return status == EINF_OK;
}

/* Open what is in memory at a load level and use it; true when it opened. err says why not. */
static inline bool survive(host *h, const uint8_t *file, size_t n_bytes, uint32_t load, einf_error *err)
{
    einf_model *m = NULL;
    einf_model_config c = EINF_INIT(einf_model_config);
    c.load = load;
    const double start_s = seconds();
    *err = test_error();
    h->heap.peak_bytes = h->heap.live_bytes;
    const einf_status status = einf_model_open_memory(h->rt, file, n_bytes, &c, &m, err);
    if (status != EINF_OK) {
        assert_good_refusal(status, err);
        assert_null(m);
        assert_true(err->offset == EINF_NO_OFFSET || err->offset <= n_bytes);
        h->n_refused++;
    } else {
        h->n_opened++;
        ask(m);
        if ((load == 0 || load == (EINF_LOAD_VOCAB | EINF_LOAD_WEIGHTS)) && answer(m)) h->n_answered++;
        assert_int_equal(einf_model_close(&m, NULL), EINF_OK);
    }
    assert_int_equal(h->heap.live_bytes, h->empty_bytes);
    assert_true(h->heap.peak_bytes < h->empty_bytes + n_bytes + MOST_MEMORY);
    assert_true(seconds() - start_s < (test_has_asan() ? 4 : 1));
    return status == EINF_OK;
}

#endif
