/* SPDX-License-Identifier: MIT
 * api_fixture.h - a runtime and a tiny model through the public functions alone, every allocation counted, for the
 * tests of this folder.
 */
#ifndef TESTS_API_FIXTURE_H
#define TESTS_API_FIXTURE_H

#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/edgeinfer.h>
#include <edgeinfer/lowlevel.h>

#include "tests/support/model_build.h"

typedef struct fixture {
    test_heap heap;
    uint8_t *file;
    size_t n_bytes;
    einf_runtime *rt;
    einf_model *m;
    einf_session *s; /* optional */
    char log[2048];  /* lines, each ended */
    einf_error err;
} fixture;

static inline void fixture_log(void *user, int32_t level, const char *line)
{
    fixture *f = user;
    const size_t n = strlen(f->log);
    (void)snprintf(f->log + n, sizeof f->log - n, "%d %s\n", level, line);
}

/* A runtime whose allocator is f->heap. config NULL: 2 threads, no limit. */
static inline void fixture_runtime(fixture *f, const einf_runtime_config *config)
{
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = 2;
    if (config) c = *config;
    c.allocator = &f->heap.allocator;
    c.log = fixture_log;
    c.log_user = f;
    assert_ok(einf_runtime_create(&c, &f->rt, &f->err), &f->err);
}

/* A runtime and a model in memory. */
static inline void fixture_open(fixture *f, const model_spec *spec, const einf_runtime_config *config)
{
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    f->err = test_error();
    f->file = model_file(spec, &f->n_bytes);
    fixture_runtime(f, config);
    assert_ok(einf_model_open_memory(f->rt, f->file, f->n_bytes, NULL, &f->m, &f->err), &f->err);
}

/* fixture_open of a family's preset, and a session; n_ctx 0: as trained. */
static inline void fixture_session(fixture *f, model_family family, uint32_t n_ctx)
{
    const model_spec spec = model_preset(family);
    fixture_open(f, &spec, NULL);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = n_ctx;
    assert_ok(einf_session_create(f->m, &c, &f->s, &f->err), &f->err);
}

static inline void fixture_close(fixture *f)
{
    f->err = test_error();
    einf_session_destroy(&f->s, NULL);
    assert_null(f->s);
    assert_ok(einf_model_close(&f->m, &f->err), &f->err);
    assert_null(f->m);
    assert_ok(einf_runtime_destroy(&f->rt, &f->err), &f->err);
    assert_null(f->rt);
    free(f->file);
    assert_int_equal(f->heap.n_live, 0);
    assert_int_equal(f->heap.live_bytes, 0);
}

/* Bytes the runtime says it has allocated. */
static inline uint64_t allocated_bytes(const einf_runtime *rt)
{
    einf_error err = test_error();
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    assert_ok(einf_runtime_get_info(rt, &info, &err), &err);
    return info.allocated_bytes;
}

#endif
