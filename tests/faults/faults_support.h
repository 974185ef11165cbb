/* SPDX-License-Identifier: MIT
 * faults_support.h - a library in use, calls to it whose results can be compared, and the sweep: make the first
 * allocation of a call fail, then the second, until none does.
 *
 * After each failure: a status that says why, not a byte more in use than before, and the same call right behind it
 * succeeds with the same result.
 */
#ifndef TESTS_FAULTS_SUPPORT_H
#define TESTS_FAULTS_SUPPORT_H

#include "tests/unit/api/api_fixture.h"

/* What a call gave, in comparable form. */
typedef struct digest { char bytes[16384]; size_t n; } digest;

static inline void digest_add(digest *d, const void *p, size_t n)
{
    assert_true(n <= sizeof d->bytes - d->n);
    if (n) memcpy(d->bytes + d->n, p, n);
    d->n += n;
}

static inline int32_t digest_text(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    digest_add(user, utf8, (size_t)n_bytes);
    digest_add(user, &id, sizeof id);
    return 0;
}

/* A fixture, a file of its model, and a folder for others. */
typedef struct world {
    fixture f;
    char *dir, *model_path;
} world;

/* A call, with f->err for its detail; what it makes it takes down again, also when it fails. */
typedef einf_status (*call_fn)(world *w, digest *d);

static inline void world_open(world *w, model_family family)
{
    const model_spec spec = model_preset(family);
    fixture_open(&w->f, &spec, NULL);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = 256;
    c.force_path = 1; /* the same logits however a prompt is split into calls */
    assert_ok(einf_session_create(w->f.m, &c, &w->f.s, &w->f.err), &w->f.err);
    w->dir = test_temp_dir();
    w->model_path = test_path(w->dir, "m.gguf");
    test_write_file(w->model_path, w->f.file, w->f.n_bytes);
}

static inline void world_close(world *w)
{
    fixture_close(&w->f);
    free(w->model_path);
    test_temp_remove(&w->dir);
}

static inline void run_again(world *w, const char *name, call_fn call, const digest *expected)
{
    static digest got;
    const uint64_t live_bytes = w->f.heap.live_bytes, n_live = w->f.heap.n_live;
    got.n = 0;
    w->f.err = test_error();
    assert_ok(call(w, &got), &w->f.err);
    if (got.n != expected->n || memcmp(got.bytes, expected->bytes, got.n) != 0)
        fail_msg("%s: another result than the first time", name);
    assert_int_equal(w->f.heap.n_live, n_live);
    assert_int_equal(w->f.heap.live_bytes, live_bytes);
}

/* The n-th allocation of the call fails, alone or with all after it; false when there are fewer than n. A library may
 * do without some memory: then the result is the same. */
static inline bool fail_one(world *w, const char *name, call_fn call, const digest *expected, uint64_t n, bool after)
{
    static digest got;
    test_heap *heap = &w->f.heap;
    const uint64_t live_bytes = heap->live_bytes, n_live = heap->n_live;
    got.n = 0;
    w->f.err = test_error();
    heap->fail_at = heap->n_calls + n;
    heap->fail_after = after;
    const einf_status status = call(w, &got);
    const bool reached = heap->n_calls >= heap->fail_at;
    heap->fail_at = 0;
    if (heap->n_live != n_live || heap->live_bytes != live_bytes)
        fail_msg("%s, allocation %d: %d blocks left over", name, (int)n, (int)(heap->n_live - n_live));
    if (status == EINF_OK) {
        if (got.n != expected->n || memcmp(got.bytes, expected->bytes, got.n) != 0)
            fail_msg("%s, allocation %d: another result", name, (int)n);
    } else {
        if (!reached || status != EINF_E_NOMEM) print_message("%s, allocation %d\n", name, (int)n);
        assert_true(reached);
        assert_status(status, &w->f.err, EINF_E_NOMEM);
        assert_error_says(&w->f.err, "memory");
    }
    assert_int_equal(allocated_bytes(w->f.rt), heap->live_bytes);
    return reached;
}

/* How many allocations the call makes; at_least is checked, so that a sweep over nothing is no test. */
static inline void sweep(world *w, const char *name, call_fn call, uint64_t at_least)
{
    static digest expected;
    expected.n = 0;
    w->f.err = test_error();
    assert_ok(call(w, &expected), &w->f.err);
    run_again(w, name, call, &expected);
    uint64_t n = 1;
    while (fail_one(w, name, call, &expected, n, false)) {
        run_again(w, name, call, &expected);
        assert_true(fail_one(w, name, call, &expected, n, true));
        run_again(w, name, call, &expected);
        assert_true(++n < 5000);
    }
    print_message("%s: %d allocations\n", name, (int)n - 1);
    if (n - 1 < at_least) fail_msg("%s makes %d allocations, %d were expected", name, (int)n - 1, (int)at_least);
}

#endif
