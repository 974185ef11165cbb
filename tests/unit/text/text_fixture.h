/* SPDX-License-Identifier: MIT
 * text_fixture.h - vocabularies for the tests of this folder: small ones made by hand, real ones from the test data.
 *
 * Every allocation is counted; closing checks that nothing is left.
 */
#ifndef TESTS_TEXT_FIXTURE_H
#define TESTS_TEXT_FIXTURE_H

#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/text/vocab.h"
#include "tests/support/vocab_build.h"

typedef struct fixture {
    test_heap heap;
    einf__memory mem;
    uint8_t *file; /* malloc'd */
    einf__source source;
    einf__gguf g;
    einf__vocab *v;
    const char *warning;
    einf_error err;
} fixture;

/* Make a vocabulary of a file, which is taken over. */
static inline einf_status fixture_open(fixture *f, uint8_t *file, size_t n_bytes, const einf__vocab_options *o)
{
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    einf__memory_init(&f->mem, &f->heap.allocator, 0);
    f->err = test_error();
    f->file = file;
    assert_ok(einf__source_open_memory(file, n_bytes, &f->source, &f->err), &f->err);
    assert_ok(einf__gguf_parse(&f->mem, &f->source, &f->g, &f->err), &f->err);
    return einf__vocab_create(&f->mem, &f->g, o, &f->v, &f->warning, &f->err);
}

/* Of what b builds; b is freed. */
static inline einf_status fixture_build(fixture *f, gguf_build *b)
{
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    return fixture_open(f, file, n_bytes, NULL);
}

/* Of tokenizers/vocabs/NAME.gguf; false when there is no test data. */
static inline bool fixture_data(fixture *f, const char *name)
{
    char path[128];
    size_t n_bytes;
    snprintf(path, sizeof path, "tokenizers/vocabs/%s.gguf", name);
    uint8_t *file = test_read_data(path, &n_bytes);
    if (file) assert_ok(fixture_open(f, file, n_bytes, NULL), &f->err);
    return file != NULL;
}

static inline void fixture_close(fixture *f)
{
    einf__vocab_destroy(&f->v);
    assert_null(f->v);
    einf__gguf_deinit(&f->g);
    einf__source_close(&f->source);
    free(f->file);
    assert_int_equal(f->heap.n_live, 0);
    assert_int_equal(f->mem.used_bytes, 0);
}

/* ------------------------------------------------------------------------------------------------- asking -- */

/* The ids of a text; einf__ids_deinit them. */
static inline einf__ids ids_of_n(fixture *f, const char *text, size_t n_bytes, uint32_t flags)
{
    einf__ids ids = { NULL, 0, 0, &f->mem };
    assert_ok(einf__tokenize(f->v, text, n_bytes, flags, &ids, &f->err), &f->err);
    return ids;
}

#define assert_ids(f, text, flags, ...) \
    assert_ids_n((f), (text), strlen(text), (flags), (const int32_t[]){ __VA_ARGS__ }, \
                 sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t), __FILE__, __LINE__)
static inline void assert_ids_n(fixture *f, const char *text, size_t n_bytes, uint32_t flags, const int32_t *expected,
                                size_t n_expected, const char *file, int line)
{
    einf__ids ids = ids_of_n(f, text, n_bytes, flags);
    const size_t n_bytes_expected = n_expected * sizeof *expected;
    const bool same = ids.n == n_expected && (ids.n == 0 || memcmp(ids.ids, expected, n_bytes_expected) == 0);
    if (!same) {
        print_error("\"%s\" gives", text);
        for (uint64_t i = 0; i < ids.n; i++) print_error(" %d", ids.ids[i]);
        print_error(", expected");
        for (size_t i = 0; i < n_expected; i++) print_error(" %d", expected[i]);
        print_error("\n");
    }
    einf__ids_deinit(&ids);
    if (!same) _fail(file, line);
}

static inline double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A small generator, the same everywhere. */
static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

#endif
