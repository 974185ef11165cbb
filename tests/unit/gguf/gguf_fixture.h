/* SPDX-License-Identifier: MIT
 * gguf_fixture.h - a parsed file in memory, for the tests of this folder: every allocation counted, nothing left over.
 */
#ifndef TESTS_GGUF_FIXTURE_H
#define TESTS_GGUF_FIXTURE_H

#include "tests/support/test_support.h"

#include <stdlib.h>
#include <string.h>

#include "engine/gguf/gguf.h"
#include "tests/support/gguf_build.h"

typedef struct fixture {
    test_heap heap;
    einf__memory mem;
    uint8_t *file; /* malloc'd, exactly as large as the file */
    size_t n_bytes;
    einf__source source;
    einf__gguf g;
    einf_error err;
} fixture;

/* Parse a file; takes it over. fail_at: the allocation that fails, 0 for none. */
static inline einf_status fixture_parse(fixture *f, uint8_t *file, size_t n_bytes, uint64_t fail_at)
{
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, fail_at);
    einf__memory_init(&f->mem, &f->heap.allocator, 0);
    f->err = test_error();
    f->file = file;
    f->n_bytes = n_bytes;
    const einf_status status = einf__source_open_memory(file, n_bytes, &f->source, &f->err);
    return status == EINF_OK ? einf__gguf_parse(&f->mem, &f->source, &f->g, &f->err) : status;
}

/* Parse what b builds, and free b. */
static inline einf_status fixture_build(fixture *f, gguf_build *b)
{
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    return fixture_parse(f, file, n_bytes, 0);
}

static inline void fixture_close(fixture *f)
{
    einf__gguf_deinit(&f->g);
    einf__source_close(&f->source);
    free(f->file);
    f->file = NULL;
    assert_int_equal(f->heap.n_live, 0);
    assert_int_equal(f->mem.used_bytes, 0);
}

static inline bool bytes_are(einf__bytes b, const char *text)
{
    return b.n == strlen(text) && memcmp(b.p, text, (size_t)b.n) == 0;
}

/* A file with something of everything: entries of every type, tensors of three types. */
static inline gguf_build *small_file(void)
{
    static const char *const words[] = { "one", "", "three" };
    gguf_build *b = gguf_build_new();
    gguf_build_str(b, "general.architecture", "llama");
    gguf_build_u8(b, "t.u8", 200);
    gguf_build_i8(b, "t.i8", -100);
    gguf_build_u16(b, "t.u16", 60000);
    gguf_build_i16(b, "t.i16", -30000);
    gguf_build_u32(b, "t.u32", 4000000000u);
    gguf_build_i32(b, "t.i32", -2000000000);
    gguf_build_f32(b, "t.f32", 0.5f);
    gguf_build_bool(b, "t.bool", true);
    gguf_build_str(b, "t.string", "gr\xc3\xbc\xc3\x9f dich");
    gguf_build_u64(b, "t.u64", UINT64_C(18000000000000000000));
    gguf_build_i64(b, "t.i64", INT64_C(-9000000000000000000));
    gguf_build_f64(b, "t.f64", 1e-10);
    gguf_build_strings(b, "t.strings", words, NULL, 3);
    gguf_build_array(b, "t.ints", GGUF_I32, (int32_t[]){ 1, -2, 3 }, 3);
    gguf_build_tensor(b, "first.weight", 0, 2, (uint64_t[]){ 8, 4 }, NULL, 128);
    gguf_build_tensor(b, "second.weight", 2, 2, (uint64_t[]){ 64, 3 }, NULL, 108);
    gguf_build_tensor(b, "third.bias", 1, 1, (uint64_t[]){ 16 }, NULL, 32);
    return b;
}

#endif
