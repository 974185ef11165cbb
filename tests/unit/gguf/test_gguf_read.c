/* SPDX-License-Identifier: MIT
 * test_gguf_read.c - the parser: what it returns for right files, and its promises about memory, pages and time.
 * Wrong files are in test_gguf_hostile.c.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "engine/base/cpu.h"

static void test_every_type(void **state)
{
    static const struct { const char *key, *type; einf__gguf_type id; uint64_t value_bytes, n_items; } expected[] = {
        { "general.architecture", "string", EINF__GGUF_STRING, 13, 1 },
        { "t.u8", "u8", EINF__GGUF_U8, 1, 1 },
        { "t.i8", "i8", EINF__GGUF_I8, 1, 1 },
        { "t.u16", "u16", EINF__GGUF_U16, 2, 1 },
        { "t.i16", "i16", EINF__GGUF_I16, 2, 1 },
        { "t.u32", "u32", EINF__GGUF_U32, 4, 1 },
        { "t.i32", "i32", EINF__GGUF_I32, 4, 1 },
        { "t.f32", "f32", EINF__GGUF_F32, 4, 1 },
        { "t.bool", "bool", EINF__GGUF_BOOL, 1, 1 },
        { "t.string", "string", EINF__GGUF_STRING, 8 + 11, 1 },
        { "t.u64", "u64", EINF__GGUF_U64, 8, 1 },
        { "t.i64", "i64", EINF__GGUF_I64, 8, 1 },
        { "t.f64", "f64", EINF__GGUF_F64, 8, 1 },
        { "t.strings", "array of string", EINF__GGUF_ARRAY, 3 * 8 + 8, 3 },
        { "t.ints", "array of i32", EINF__GGUF_ARRAY, 12, 3 },
    };
    (void)state;
    fixture f;
    gguf_build *b = small_file();
    const size_t i32_at = gguf_build_value_at(b, "t.i32");
    assert_ok(fixture_build(&f, b), &f.err);
    assert_int_equal(f.g.version, 3);
    assert_int_equal(f.g.alignment, 32);
    assert_int_equal(f.g.n_kv, TEST_COUNT(expected));
    for (size_t i = 0; i < TEST_COUNT(expected); i++) {
        const einf__gguf_kv *kv = einf__gguf_find(&f.g, expected[i].key);
        assert_ptr_equal(kv, &f.g.kv[i]); /* file order */
        assert_true(bytes_are(kv->key, expected[i].key));
        assert_int_equal(kv->type, expected[i].id);
        assert_string_equal(einf__gguf_type_name(kv), expected[i].type);
        assert_int_equal(kv->value_bytes, expected[i].value_bytes);
        assert_int_equal(kv->n_items, expected[i].n_items);
    }
    assert_ptr_equal(einf__gguf_find(&f.g, "t.i32")->value, f.file + i32_at);
    assert_int_equal(einf__gguf_find(&f.g, "t.ints")->item_type, EINF__GGUF_I32);
    assert_null(einf__gguf_find(&f.g, "t.u3"));
    assert_null(einf__gguf_find(&f.g, ""));
    fixture_close(&f);
}

static void test_tensors(void **state)
{
    (void)state;
    fixture f;
    gguf_build *b = small_file();
    const size_t data_at = gguf_build_data_at(b);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_int_equal(f.g.n_tensors, 3);
    assert_int_equal(f.g.data_offset, data_at);

    const einf__gguf_tensor *t = einf__gguf_find_tensor(&f.g, "second.weight");
    assert_ptr_equal(t, &f.g.tensors[1]);
    assert_true(t->computable);
    assert_int_equal(t->dtype, EINF__Q4_0);
    assert_int_equal(t->file_type, 2);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 64);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->dims[2], 1);
    assert_int_equal(t->dims[3], 1);
    assert_int_equal(t->size_bytes, 6 * 18);
    assert_int_equal(t->offset, data_at + 128);
    assert_ptr_equal(einf__gguf_tensor_data(&f.g, t), f.file + data_at + 128);

    t = einf__gguf_find_tensor(&f.g, "third.bias");
    assert_int_equal(t->dtype, EINF__F16);
    assert_int_equal(t->n_dims, 1);
    assert_int_equal(t->offset, data_at + 128 + 128); /* 108 padded to 32 */
    assert_null(einf__gguf_find_tensor(&f.g, "third"));
    assert_null(einf__gguf_find_tensor(&f.g, "third.bias.and.more"));
    fixture_close(&f);
}

/* Types that a file may hold and we cannot compute with are bounded and listed. */
static void test_foreign_types(void **state)
{
    (void)state;
    fixture f;
    gguf_build *b = gguf_build_new();
    gguf_build_tensor(b, "nv", 40, 2, (uint64_t[]){ 512, 2 }, NULL, 16 * 36); /* NVFP4 */
    gguf_build_tensor(b, "ints", 26, 1, (uint64_t[]){ 5 }, NULL, 20);         /* I32 */
    gguf_build_tensor(b, "f64", 28, 1, (uint64_t[]){ 3 }, NULL, 24);
    assert_ok(fixture_build(&f, b), &f.err);
    static const uint64_t size_bytes[] = { 16 * 36, 20, 24 };
    for (size_t i = 0; i < 3; i++) {
        assert_false(f.g.tensors[i].computable);
        assert_int_equal(f.g.tensors[i].size_bytes, size_bytes[i]);
    }
    fixture_close(&f);
}

static void test_versions_and_alignments(void **state)
{
    (void)state;
    for (uint32_t alignment = 8; alignment <= 65536; alignment *= 2) {
        fixture f;
        gguf_build *b = small_file();
        gguf_build_set_version(b, 2);
        gguf_build_set_alignment(b, alignment);
        const size_t data_at = gguf_build_data_at(b);
        assert_ok(fixture_build(&f, b), &f.err);
        assert_int_equal(f.g.version, 2);
        assert_int_equal(f.g.alignment, alignment);
        assert_int_equal(f.g.data_offset, data_at);
        assert_int_equal(f.g.data_offset % alignment, 0);
        fixture_close(&f);
    }
}

/* Vocabulary files have no tensors, and no padding behind the entries. */
static void test_without_tensors(void **state)
{
    (void)state;
    fixture f;
    gguf_build *b = gguf_build_new();
    gguf_build_u8(b, "k", 1);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_int_equal(f.n_bytes, 38);
    assert_int_equal(f.g.data_offset, 38);
    assert_null(einf__gguf_find_tensor(&f.g, "k"));
    fixture_close(&f);

    assert_ok(fixture_build(&f, gguf_build_new()), &f.err);
    assert_int_equal(f.n_bytes, 24);
    assert_int_equal(f.heap.n_calls, 0);
    assert_null(einf__gguf_find(&f.g, "k"));
    assert_null(einf__gguf_find_tensor(&f.g, "k"));
    fixture_close(&f);
}

static void test_names_at_their_limits(void **state)
{
    (void)state;
    fixture f;
    gguf_build *b = gguf_build_new();
    char *key = malloc(65536);
    assert_non_null(key);
    memset(key, 'k', 65535);
    key[65535] = '\0';
    gguf_build_u8(b, key, 1);
    gguf_build_u8(b, "\xe2\x82\xac.\xf0\x9f\x98\x80", 2); /* a euro sign, a face */
    char name[64];
    memset(name, 'n', 63);
    name[63] = '\0';
    gguf_build_tensor(b, name, 0, 1, (uint64_t[]){ 1 }, NULL, 4);
    name[62] = '\0';
    gguf_build_tensor(b, name, 0, 4, (uint64_t[]){ 1, 2, 3, 4 }, NULL, 96);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ptr_equal(einf__gguf_find(&f.g, key), &f.g.kv[0]);
    assert_ptr_equal(einf__gguf_find(&f.g, "\xe2\x82\xac.\xf0\x9f\x98\x80"), &f.g.kv[1]);
    assert_ptr_equal(einf__gguf_find_tensor(&f.g, name), &f.g.tensors[1]);
    assert_int_equal(strlen(f.g.tensors[0].name), 63);
    assert_int_equal(f.g.tensors[1].size_bytes, 1 * 2 * 3 * 4 * 4);
    fixture_close(&f);
    free(key);
}

/* Any order, any gap, touching or not: what counts is that nothing overlaps. */
static void test_tensors_out_of_order(void **state)
{
    (void)state;
    enum { N = 200 };
    gguf_build *b = gguf_build_new();
    for (uint64_t i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%llu", (unsigned long long)i);
        const uint64_t place = i * 77 % N; /* 77 and 200 share no factor: a permutation */
        gguf_build_raw_tensor(b, name, strlen(name), strlen(name), 1, (uint64_t[]){ 8 }, 1, 0, place * 32, 32);
    }
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    assert_int_equal(f.heap.n_calls, 2); /* the tables, and the order of the tensors */
    assert_int_equal(f.heap.n_live, 1);
    assert_int_equal(f.g.tensors[1].offset, f.g.data_offset + 77 * 32);
    fixture_close(&f);
}

/* Each arrangement of up to six tensors, and whether one of them is too long for its place. */
static void test_every_order(void **state)
{
    static const size_t factorials[] = { 1, 1, 2, 6, 24, 120, 720 };
    (void)state;
    for (size_t n = 2; n <= 6; n++) {
        for (size_t k = 0; k < factorials[n]; k++) {
            for (size_t too_long = 0; too_long <= 1; too_long++) {
                size_t places[6] = { 0, 1, 2, 3, 4, 5 }, rest = k;
                gguf_build *b = gguf_build_new();
                for (size_t i = 0; i < n; i++) { /* take one of the places left, by the digits of k */
                    const size_t pick = i + rest / factorials[n - 1 - i];
                    rest %= factorials[n - 1 - i];
                    const size_t place = places[pick];
                    memmove(places + i + 1, places + i, (pick - i) * sizeof *places);
                    places[i] = place;
                    const char name[] = { (char)('a' + i), '\0' };
                    const uint64_t n_items = too_long && place == k % (n - 1) ? 33 : 32;
                    gguf_build_raw_tensor(b, name, 1, 1, 1, &n_items, 1, 24, place * 32, 32);
                }
                fixture f;
                assert_status(fixture_build(&f, b), &f.err, too_long ? EINF_E_FORMAT : EINF_OK);
                fixture_close(&f);
            }
        }
    }
}

static gguf_build *many_tensors(uint64_t n, bool reversed)
{
    gguf_build *b = gguf_build_new();
    for (uint64_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%llu.weight", (unsigned long long)i);
        gguf_build_raw_tensor(b, name, strlen(name), strlen(name), 1, (uint64_t[]){ 1 }, 1, 0,
                              (reversed ? n - 1 - i : i) * 32, 4);
    }
    return b;
}

static double cpu_s(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* H-049: as many tensors as allowed, in order and in reverse. */
static void test_many_tensors(void **state)
{
    static const char *const beginnings[] = { "b", "bl", "blk", "blk.", "blk.1", "blk.2", "blk.3", "blk.40", "" };
    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        size_t n_bytes;
        gguf_build *b = many_tensors(EINF__GGUF_MAX_TENSORS, reversed);
        uint8_t *file = gguf_build_finish(b, &n_bytes);
        gguf_build_free(&b);
        const double begin = cpu_s();
        fixture f;
        assert_ok(fixture_parse(&f, file, n_bytes, 0), &f.err);
        assert_true(cpu_s() - begin < 1.0);
        assert_int_equal(f.g.n_tensors, EINF__GGUF_MAX_TENSORS);
        assert_ptr_equal(einf__gguf_find_tensor(&f.g, "blk.40000.weight"), &f.g.tensors[40000]);
        for (size_t i = 0; i < TEST_COUNT(beginnings); i++)
            assert_null(einf__gguf_find_tensor(&f.g, beginnings[i]));
        assert_true(f.heap.peak_bytes < f.n_bytes + ((uint64_t)64 << 20));
        fixture_close(&f);
    }
}

/* A vocabulary as large as the largest there are. Arrays are never copied. */
static void test_large_vocabulary(void **state)
{
    (void)state;
    enum { N = 280000 };
    gguf_build *b = gguf_build_new();
    const char **words = malloc(N * sizeof *words);
    char *text = malloc(N * 16);
    assert_true(words && text);
    for (size_t i = 0; i < N; i++) {
        snprintf(text + i * 16, 16, "w%zu", i);
        words[i] = text + i * 16;
    }
    gguf_build_strings(b, "tokenizer.ggml.tokens", words, NULL, N);
    fixture f;
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    const double begin = cpu_s();
    assert_ok(fixture_parse(&f, file, n_bytes, 0), &f.err);
    const double took_s = cpu_s() - begin;
    print_message("%d strings parsed in %.1f ms\n", N, took_s * 1e3);
    assert_true(took_s < 0.5);
    assert_true(f.heap.peak_bytes < 1024);
    const einf__gguf_kv *kv;
    assert_ok(einf__gguf_get_strings(&f.g, "tokenizer.ggml.tokens", EINF__REQUIRED, &kv, &f.err), &f.err);
    einf__cursor c = einf__gguf_strings_begin(kv);
    for (size_t i = 0; i < N; i++) assert_true(bytes_are(einf__gguf_strings_next(&c), words[i]));
    assert_int_equal(einf__cursor_left(&c), 0);
    fixture_close(&f);
    free(words);
    free(text);
}

/* Opening a model of any size reads its header alone: here the data may not be touched at all. */
static void test_data_is_not_touched(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_set_alignment(b, 65536); /* a multiple of every page size */
    gguf_build_tensor(b, "t", 0, 1, (uint64_t[]){ 65536 }, NULL, 65536 * 4);
    size_t n_bytes;
    const size_t data_at = gguf_build_data_at(b);
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    assert_int_equal(data_at % einf__page_bytes(), 0);

    uint8_t *map = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    memcpy(map, file, data_at);
    free(file);
    assert_int_equal(mprotect(map + data_at, n_bytes - data_at, PROT_NONE), 0);
    einf__memory mem;
    einf__source source;
    einf__gguf g;
    einf_error err = test_error();
    einf__memory_init(&mem, NULL, 0);
    assert_ok(einf__source_open_memory(map, n_bytes, &source, &err), &err);
    assert_ok(einf__gguf_parse(&mem, &source, &g, &err), &err);
    assert_int_equal(g.tensors[0].size_bytes, 65536 * 4);
    einf__gguf_deinit(&g);
    einf__source_close(&source);
    munmap(map, n_bytes);
}

/* Each allocation fails in its turn: out of memory, and nothing is left behind. */
static void test_allocation_failure(void **state)
{
    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        uint64_t fail_at = 1;
        for (;; fail_at++) {
            size_t n_bytes;
            fixture f;
            gguf_build *b = many_tensors(10, reversed);
            gguf_build_u32(b, "k", 1);
            uint8_t *file = gguf_build_finish(b, &n_bytes);
            gguf_build_free(&b);
            const einf_status status = fixture_parse(&f, file, n_bytes, fail_at);
            if (status == EINF_OK) {
                fixture_close(&f);
                break;
            }
            assert_status(status, &f.err, EINF_E_NOMEM);
            assert_int_equal(f.heap.n_live, 0);
            assert_null(f.g.kv); /* zeroed */
            fixture_close(&f);
        }
        assert_int_equal(fail_at, reversed ? 3 : 2);
    }
}

static void test_memory_ceiling(void **state)
{
    (void)state;
    fixture f;
    size_t n_bytes;
    gguf_build *b = many_tensors(1000, false);
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    assert_ok(fixture_parse(&f, file, n_bytes, 0), &f.err);
    einf__gguf_deinit(&f.g);
    einf__gguf_deinit(&f.g); /* accepts a zeroed one */
    einf__memory_init(&f.mem, &f.heap.allocator, 1000);
    assert_status(einf__gguf_parse(&f.mem, &f.source, &f.g, &f.err), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "limit of 1000");
    fixture_close(&f);
}

/* Files that others wrote. */
static void test_real_files(void **state)
{
    static const struct { const char *path; uint64_t n_tensors; const char *tensor; } files[] = {
        { "models/stories260K/tinyllm.gguf", 48, "token_embd.weight" },
        { "golden/tiny-llama-Q4_K_M.gguf", 30, "blk.2.ffn_down.weight" },
        { "golden/tiny-mmproj-F16.gguf", 0, NULL },
        { "tokenizers/vocabs/qwen2.gguf", 0, NULL },
        { "tokenizers/vocabs/llama-bpe.gguf", 0, NULL },
        { "tokenizers/vocabs/bert-bge.gguf", 0, NULL },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(files); i++) {
        size_t n_bytes;
        fixture f;
        uint8_t *file = test_read_data(files[i].path, &n_bytes);
        if (!file) return;
        assert_ok(fixture_parse(&f, file, n_bytes, 0), &f.err);
        print_message("%s: %llu entries, %llu tensors\n", files[i].path, (unsigned long long)f.g.n_kv,
                      (unsigned long long)f.g.n_tensors);
        if (files[i].tensor) {
            assert_int_equal(f.g.n_tensors, files[i].n_tensors);
            assert_non_null(einf__gguf_find_tensor(&f.g, files[i].tensor));
        } else {
            assert_true(f.g.n_kv > 5);
        }
        assert_non_null(einf__gguf_find(&f.g, "general.architecture"));
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_foreign_types),
        cmocka_unit_test(test_versions_and_alignments),
        cmocka_unit_test(test_without_tensors),
        cmocka_unit_test(test_names_at_their_limits),
        cmocka_unit_test(test_tensors_out_of_order),
        cmocka_unit_test(test_every_order),
        cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_large_vocabulary),
        cmocka_unit_test(test_data_is_not_touched),
        cmocka_unit_test(test_allocation_failure),
        cmocka_unit_test(test_memory_ceiling),
        cmocka_unit_test(test_real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
