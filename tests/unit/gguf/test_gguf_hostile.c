/* SPDX-License-Identifier: MIT
 * test_gguf_hostile.c - files that lie. One row a case: what is wrong, and the status, offset, key and words of the
 * refusal. H-numbers are those of the project's checklist of hostile inputs; H-030..H-034 are in test_gguf_get.c, H-005
 * in test_gguf_damage.c, H-007..H-012 in test_gguf_source*.c, H-049 in test_gguf_read.c.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include <stdio.h>
#include <time.h>

#define STR(text) text, sizeof text - 1

/* ------------------------------------------------------------------------------------------------------------------ */

static const struct { const char *bytes; size_t n; uint64_t offset; const char *says; } beginnings[] = {
    /* H-002, H-003, H-004, H-017 */
    { STR("G"), 0, "1 bytes are fewer" },
    { STR("GGU"), 0, "3 bytes are fewer" },
    { STR("GGUF"), 4, "ends within the version: 0 bytes are left" },
    { STR("GGUF\3\0\0"), 4, "ends within the version: 3 bytes are left" },
    { STR("GGUF\3\0\0\0"), 8, "ends within the number of tensors" },
    { STR("GGUF\3\0\0\0\0\0\0\0\0\0\0\0"), 16, "ends within the number of metadata entries" },
    { STR("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"), 16, "n_kv is 1, but the 0 bytes that follow hold 0" },
    /* H-006 */
    { STR("<!DOCTYPE html><html><head><title>404"), 0, "an HTML page" },
    { STR("\n  <HTML lang=en>"), 0, "an HTML page" },
    { STR("\xef\xbb\xbf<html>"), 0, "an HTML page" },
    { STR("<?xml version=\"1.0\"?><Error><Code>AccessDenied"), 0, "an XML document" },
    { STR("{\"error\": \"Repository not found\"}"), 0, "JSON text" },
    { STR("PK\3\4\0\0\0\0"), 0, "a ZIP archive" },
    { STR("\x80\2}q\0"), 0, "a Python pickle" },
    { STR("\x20\0\0\0\0\0\0\0{\"__metadata__\":{}}"), 0, "a safetensors file" },
    { STR("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a"), 0, "git lfs pull" },
    { STR("lmgg\1\0\0\0"), 0, "old GGML" },
    { STR("fmgg\1\0\0\0"), 0, "old GGMF" },
    { STR("tjgg\3\0\0\0"), 0, "old GGJT" },
    { STR("\x1f\x8b\x08\0"), 0, "a gzip archive" },
    { STR("\x28\xb5\x2f\xfd\0"), 0, "a zstd archive" },
    { STR("\xfd" "7zXZ\0\0"), 0, "an xz archive" },
    { STR("\x7f" "ELF\2\1"), 0, "a program or library" },
    { STR("MZqFpD='"), 0, "a llamafile" },
    { STR("\x89PNG\r\n\x1a\n"), 0, "a PNG picture" },
    { STR("\xff\xd8\xff\xe0\0\x10JFIF"), 0, "a JPEG picture" },
    { STR("\0\0\0\0\0\0\0\0\0\0\0\0"), 0, "a file of zeros" },
    { STR("some words of plain text"), 0, "begins with the bytes 73 6f 6d 65" },
    /* H-013 */
    { STR("FUGG\0\0\0\3"), 0, "big-endian" },
    { STR("GGUG\3\0\0\0"), 0, "begins with the bytes 47 47 55 47" },
    { STR("gguf\3\0\0\0"), 0, "begins with the bytes 67 67 75 66" },
};

static void test_beginnings(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(beginnings); i++) {
        fixture f;
        uint8_t *file = malloc(beginnings[i].n);
        assert_non_null(file);
        memcpy(file, beginnings[i].bytes, beginnings[i].n);
        assert_status(fixture_parse(&f, file, beginnings[i].n, 0), &f.err, EINF_E_FORMAT);
        assert_error_says(&f.err, beginnings[i].says);
        assert_int_equal(f.err.offset, beginnings[i].offset);
        assert_true(f.err.hint[0] != '\0');
        assert_int_equal(f.heap.n_calls, 0);
        fixture_close(&f);
    }
}

/* ------------------------------------------------------------------------------------------------------- edits -- */

/* What a case does to a right file. New entries are called "bad", new tensors too. */

static void version(gguf_build *b, uint64_t x) { gguf_build_set_version(b, (uint32_t)x); }
static void n_tensors(gguf_build *b, uint64_t x) { gguf_build_set_counts(b, x, GGUF_BUILD_TRUE_COUNT); }
static void n_kv(gguf_build *b, uint64_t x) { gguf_build_set_counts(b, GGUF_BUILD_TRUE_COUNT, x); }

static void key_length(gguf_build *b, uint64_t x)
{
    static char key[70000];
    const size_t n = x < sizeof key ? (size_t)x : 3;
    memset(key, 'k', sizeof key);
    gguf_build_raw_kv(b, key, n, x, GGUF_U8, "\1", 1);
}

static void key_byte(gguf_build *b, uint64_t x)
{
    const char key[] = { 'b', 'a', (char)x, '.' };
    gguf_build_raw_kv(b, key, 4, 4, GGUF_U8, "\1", 1);
}

static void duplicate_key(gguf_build *b, uint64_t x) { gguf_build_u32(b, "t.u32", (uint32_t)x); }
static void value_type(gguf_build *b, uint64_t x) { gguf_build_raw_kv(b, "bad", 3, 3, (uint32_t)x, "\1\0\0\0", 4); }
static void string_length(gguf_build *b, uint64_t x) { gguf_build_raw_kv(b, "bad", 3, 3, GGUF_STRING, &x, 8); }

static void long_string(gguf_build *b, uint64_t x)
{
    char *text = calloc(1, x);
    assert_non_null(text);
    gguf_build_str_n(b, "bad", text, x);
    free(text);
}

static void raw_array(gguf_build *b, uint32_t item_type, uint64_t n)
{
    uint8_t head[12 + 16] = { 0 };
    gguf_put_u32(head, 0, item_type);
    gguf_put_u64(head, 4, n);
    gguf_build_raw_kv(b, "bad", 3, 3, GGUF_ARRAY, head, sizeof head);
}

static void item_type(gguf_build *b, uint64_t x) { raw_array(b, (uint32_t)x, 1); }
static void array_of_u8(gguf_build *b, uint64_t x) { raw_array(b, GGUF_U8, x); }
static void array_of_u32(gguf_build *b, uint64_t x) { raw_array(b, GGUF_U32, x); }
static void array_of_f64(gguf_build *b, uint64_t x) { raw_array(b, GGUF_F64, x); }
static void array_of_strings(gguf_build *b, uint64_t x) { raw_array(b, GGUF_STRING, x); }
static void array_of_bool(gguf_build *b, uint64_t x)
{
    const uint8_t items[] = { 1, 0, (uint8_t)x };
    gguf_build_array(b, "bad", GGUF_BOOL, items, 3);
}

static void second_string(gguf_build *b, uint64_t x)
{
    uint8_t value[12 + 8 + 2 + 8] = { 0 };
    gguf_put_u32(value, 0, GGUF_STRING);
    gguf_put_u64(value, 4, 2);
    gguf_put_u64(value, 12, 2);
    gguf_put_u64(value, 22, x);
    gguf_build_raw_kv(b, "bad", 3, 3, GGUF_ARRAY, value, sizeof value);
}

static void nested_arrays(gguf_build *b, uint64_t x)
{
    uint8_t *value = malloc(x * 12);
    assert_non_null(value);
    for (size_t i = 0; i < x; i++) {
        gguf_put_u32(value, i * 12, GGUF_ARRAY);
        gguf_put_u64(value, i * 12 + 4, 1);
    }
    gguf_build_raw_kv(b, "bad", 3, 3, GGUF_ARRAY, value, x * 12);
    free(value);
}

static void bool_byte(gguf_build *b, uint64_t x) { gguf_build_raw_kv(b, "bad", 3, 3, GGUF_BOOL, &x, 1); }

static void alignment(gguf_build *b, uint64_t x) { gguf_build_u32(b, "general.alignment", (uint32_t)x); }
static void alignment_i32(gguf_build *b, uint64_t x) { gguf_build_i32(b, "general.alignment", (int32_t)x); }
static void alignment_u64(gguf_build *b, uint64_t x) { gguf_build_u64(b, "general.alignment", x); }
static void alignment_u8(gguf_build *b, uint64_t x) { gguf_build_u8(b, "general.alignment", (uint8_t)x); }
static void alignment_string(gguf_build *b, uint64_t x)
{
    (void)x;
    gguf_build_str(b, "general.alignment", "32");
}
static void alignment_array(gguf_build *b, uint64_t x)
{
    gguf_build_array(b, "general.alignment", GGUF_U32, (uint32_t[]){ (uint32_t)x }, 1);
}

static void bad_tensor(gguf_build *b, uint32_t n_dims, const uint64_t *dims, size_t n_written, uint32_t type,
                       uint64_t offset, size_t n_bytes)
{
    gguf_build_raw_tensor(b, "bad", 3, 3, n_dims, dims, n_written, type, offset, n_bytes);
}

enum { DATA_END = 288 }; /* data of small_file: 128, 108 padded to 128, 32 */

static void tensor_name_length(gguf_build *b, uint64_t x)
{
    char name[80];
    memset(name, 'n', sizeof name);
    const size_t n = x < sizeof name ? (size_t)x : 3;
    gguf_build_raw_tensor(b, name, n, x, 1, (uint64_t[]){ 8 }, 1, 0, DATA_END, 32);
}

static void tensor_name_byte(gguf_build *b, uint64_t x)
{
    const char name[] = { 'b', 'a', (char)x, '.' };
    gguf_build_raw_tensor(b, name, 4, 4, 1, (uint64_t[]){ 8 }, 1, 0, DATA_END, 32);
}

static void duplicate_tensor(gguf_build *b, uint64_t x)
{
    gguf_build_raw_tensor(b, "first.weight", 12, 12, 1, (uint64_t[]){ 8 }, 1, 0, x, 32);
}

static void n_dims(gguf_build *b, uint64_t x)
{
    bad_tensor(b, (uint32_t)x, (uint64_t[]){ 1, 1, 1, 1, 1 }, x < 5 ? (size_t)x : 5, 0, DATA_END, 32);
}

static void zero_dim(gguf_build *b, uint64_t x)
{
    uint64_t dims[4] = { 1, 1, 1, 1 };
    dims[x] = 0;
    bad_tensor(b, 4, dims, 4, 0, DATA_END, 32);
}

static void first_dim(gguf_build *b, uint64_t x) { bad_tensor(b, 1, (uint64_t[]){ x }, 1, 24, DATA_END, 32); }
static void last_dim(gguf_build *b, uint64_t x) { bad_tensor(b, 4, (uint64_t[]){ 1, 1, 1, x }, 4, 24, DATA_END, 32); }
static void dims_squared(gguf_build *b, uint64_t x) { bad_tensor(b, 2, (uint64_t[]){ x, x }, 2, 24, DATA_END, 32); }
static void dims_all(gguf_build *b, uint64_t x) { bad_tensor(b, 4, (uint64_t[]){ x, x, x, x }, 4, 24, DATA_END, 32); }
static void f64_dim(gguf_build *b, uint64_t x) { bad_tensor(b, 1, (uint64_t[]){ x }, 1, 28, DATA_END, 32); }
static void q4_0_row(gguf_build *b, uint64_t x) { bad_tensor(b, 1, (uint64_t[]){ x }, 1, 2, DATA_END, 320); }
static void q4_k_row(gguf_build *b, uint64_t x) { bad_tensor(b, 1, (uint64_t[]){ x }, 1, 12, DATA_END, 320); }
static void tensor_type(gguf_build *b, uint64_t x)
{
    bad_tensor(b, 1, (uint64_t[]){ 256 }, 1, (uint32_t)x, DATA_END, 4096);
}
static void tensor_offset(gguf_build *b, uint64_t x) { bad_tensor(b, 1, (uint64_t[]){ 8 }, 1, 0, x, 32); }
static void tensor_bytes(gguf_build *b, uint64_t x) { bad_tensor(b, 1, (uint64_t[]){ x }, 1, 24, DATA_END, 32); }
static void first_offset(gguf_build *b, uint64_t x) { gguf_build_set_offset(b, "first.weight", x); }
static void third_offset(gguf_build *b, uint64_t x) { gguf_build_set_offset(b, "third.bias", x); }

static void two_large(gguf_build *b, uint64_t x)
{
    bad_tensor(b, 1, (uint64_t[]){ x }, 1, 24, DATA_END, 32);
    gguf_build_raw_tensor(b, "bad2", 4, 4, 1, (uint64_t[]){ x }, 1, 24, DATA_END + 32, 32);
}

/* Two tensors 32 bytes apart, the first of x bytes. */
static void neighbours(gguf_build *b, uint64_t x)
{
    bad_tensor(b, 1, (uint64_t[]){ x }, 1, 24, DATA_END, 32);
    gguf_build_raw_tensor(b, "bad2", 4, 4, 1, (uint64_t[]){ 1 }, 1, 24, DATA_END + 32, 32);
}

/* The data section would begin behind the end of the file. */
static void data_behind_end(gguf_build *b, uint64_t x)
{
    gguf_build_drop_tensor(b, "first.weight");
    gguf_build_drop_tensor(b, "second.weight");
    gguf_build_drop_tensor(b, "third.bias");
    gguf_build_u32(b, "general.alignment", (uint32_t)x); /* the builder goes on padding to 32 */
    gguf_build_tensor(b, "only", 0, 1, (uint64_t[]){ 8 }, NULL, 32);
}

static void many_kvs(gguf_build *b, uint64_t x)
{
    for (uint64_t i = 0; i < x; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%llu", (unsigned long long)i);
        gguf_build_u8(b, key, 0);
    }
}

static void many_tensors(gguf_build *b, uint64_t x)
{
    for (uint64_t i = 0; i < x; i++) {
        char name[32];
        snprintf(name, sizeof name, "t%llu", (unsigned long long)i);
        gguf_build_tensor(b, name, 24, 1, (uint64_t[]){ 1 }, NULL, 1);
    }
}

/* ------------------------------------------------------------------------------------------------------- cases -- */

/* Where the error must point: at a place of the file, or so many bytes into the entry that the edit added. */
typedef enum place { AT, NEW_KV, NEW_TENSOR, ANYWHERE } place;

typedef struct hostile {
    const char *id;
    void (*edit)(gguf_build *b, uint64_t x);
    uint64_t x;
    const char *says, *where; /* where NULL: empty */
    place place;
    uint64_t offset;
    einf_status status; /* 0: EINF_E_FORMAT */
} hostile;

/* Fields of an added entry "bad": key length 0, key 8, type 11, value 15; of an array: item type 15, count 19, items
 * 27. Of an added tensor "bad": name length 0, name 8, n_dims 11, dims 15, and with one of them type 23, offset 27. */
static const hostile cases[] = {
    { "H-014", version, 0, "GGUF version 0, supported are 2 and 3", NULL, AT, 4, 0 },
    { "H-014", version, 1, "GGUF version 1", NULL, AT, 4, 0 },
    { "H-014", version, 4, "GGUF version 4", NULL, AT, 4, 0 },
    { "H-014", version, 0x03000000, "big-endian", NULL, AT, 4, 0 },
    { "H-014", version, 0x00030000, "big-endian", NULL, AT, 4, 0 },
    { "H-014", version, UINT32_MAX, "GGUF version 4294967295", NULL, AT, 4, 0 },

    { "H-015", n_tensors, (uint64_t)1 << 31, "n_tensors is 2147483648, but the", "n_tensors", AT, 8, 0 },
    { "H-015", n_tensors, (uint64_t)1 << 32, "n_tensors is 4294967296", "n_tensors", AT, 8, 0 },
    { "H-015", n_tensors, (uint64_t)1 << 63, "n_tensors is 9223372036854775808", "n_tensors", AT, 8, 0 },
    { "H-015", n_tensors, UINT64_MAX, "n_tensors is 18446744073709551615", "n_tensors", AT, 8, 0 },
    { "H-015", n_tensors, 4, "tensor name 3", NULL, ANYWHERE, 0, 0 }, /* one more than there are */
    { "H-015", many_tensors, 65536, "n_tensors is 65539, the limit is 65536", "n_tensors", AT, 8, EINF_E_LIMIT },
    { "H-016", n_kv, (uint64_t)1 << 31, "n_kv is 2147483648, but the", "n_kv", AT, 16, 0 },
    { "H-016", n_kv, (uint64_t)1 << 32, "n_kv is 4294967296", "n_kv", AT, 16, 0 },
    { "H-016", n_kv, (uint64_t)1 << 63, "n_kv is 9223372036854775808", "n_kv", AT, 16, 0 },
    { "H-016", n_kv, UINT64_MAX, "n_kv is 18446744073709551615", "n_kv", AT, 16, 0 },
    { "H-016", n_kv, 16, "", NULL, ANYWHERE, 0, 0 }, /* a tensor taken for an entry */
    { "H-016", many_kvs, 65530, "n_kv is 65545, the limit is 65536", "n_kv", AT, 16, EINF_E_LIMIT },

    { "H-019", key_length, 0, "key 15 is 0 bytes long, allowed are 1..65535", NULL, NEW_KV, 0, 0 },
    { "H-020", key_length, 65536, "key 15 is 65536 bytes long, allowed are 1..65535", NULL, NEW_KV, 0, 0 },
    { "H-020", key_length, 65000 + 4999, "key 15 is 69999 bytes long", NULL, NEW_KV, 0, 0 },
    { "H-020", key_length, ((uint64_t)1 << 48) - 1, "key 15 is 281474976710655 bytes", NULL, NEW_KV, 0, 0 },
    { "H-020", key_length, (uint64_t)1 << 63, "key 15 is 9223372036854775808 bytes", NULL, NEW_KV, 0, 0 },
    { "H-020", key_length, UINT64_MAX, "key 15 is 18446744073709551615 bytes", NULL, NEW_KV, 0, 0 },
    { "H-021", key_byte, 0xff, "byte 2 of the key is 0xff: not valid UTF-8", "ba?.", NEW_KV, 10, 0 },
    { "H-021", key_byte, 0xc3, "byte 2 of the key is 0xc3: not valid UTF-8", "ba?.", NEW_KV, 10, 0 },
    { "H-021", key_byte, 0, "byte 2 of the key is 0x00: a NUL is not allowed", "ba", NEW_KV, 10, 0 },
    { "H-022", duplicate_key, 1, "metadata entry 15 has the name of entry 5", "t.u32", NEW_KV, 0, 0 },

    { "H-023", value_type, 13, "the value type is 13, known are 0..12", "bad", NEW_KV, 11, 0 },
    { "H-023", value_type, 255, "the value type is 255", "bad", NEW_KV, 11, 0 },
    { "H-023", value_type, UINT32_MAX, "the value type is 4294967295", "bad", NEW_KV, 11, 0 },
    { "H-024", string_length, 100000, "string 0 is 100000 bytes long, but the file ends", "bad", NEW_KV, 15, 0 },
    { "H-024", string_length, (uint64_t)1 << 30, "string 0 is 1073741824 bytes long", "bad", NEW_KV, 15, 0 },
    { "H-024", string_length, UINT64_MAX, "string 0 is 18446744073709551615 bytes", "bad", NEW_KV, 15, 0 },
    { "H-024", string_length, UINT64_MAX - 7, "string 0 is 18446744073709551608 bytes", "bad", NEW_KV, 15, 0 },
    { "H-024", long_string, (16 << 20) + 1, "16777217 bytes long, the limit is 16777216", "bad", NEW_KV, 15,
      EINF_E_LIMIT },
    { "H-025", item_type, 13, "the item type of an array is 13, known are 0..12", "bad", NEW_KV, 15, 0 },
    { "H-025", item_type, UINT32_MAX, "the item type of an array is 4294967295", "bad", NEW_KV, 15, 0 },
    { "H-026", array_of_u8, (uint64_t)1 << 60, "1152921504606846976 values of type u8", "bad", NEW_KV, 27, 0 },
    { "H-026", array_of_u8, UINT64_MAX, "18446744073709551615 values of type u8", "bad", NEW_KV, 27, 0 },
    { "H-026", array_of_u32, ((uint64_t)1 << 62) + 1, "values of type u32 need 4 bytes each", "bad", NEW_KV, 27, 0 },
    { "H-026", array_of_f64, (uint64_t)1 << 60, "values of type f64 need 8 bytes each", "bad", NEW_KV, 27, 0 },
    { "H-026", array_of_f64, ((uint64_t)1 << 61) + 1, "values of type f64", "bad", NEW_KV, 27, 0 },
    { "H-026", array_of_strings, (uint64_t)1 << 60, "1152921504606846976 strings need 8", "bad", NEW_KV, 27, 0 },
    { "H-026", array_of_strings, ((uint64_t)1 << 61) + 1, "strings need 8 bytes each", "bad", NEW_KV, 27, 0 },
    { "H-026", second_string, 5000, "string 1 is 5000 bytes long, but the file ends", "bad", NEW_KV, 37, 0 },
    { "H-026", second_string, UINT64_MAX, "string 1 is 18446744073709551615 bytes", "bad", NEW_KV, 37, 0 },
    { "H-027", nested_arrays, 1, "an array of arrays", "bad", NEW_KV, 15, 0 },
    { "H-027", nested_arrays, 10000, "an array of arrays", "bad", NEW_KV, 15, 0 },
    { "H-029", bool_byte, 2, "a bool is 2, allowed are 0 and 1", "bad", NEW_KV, 15, 0 },
    { "H-029", bool_byte, 255, "a bool is 255", "bad", NEW_KV, 15, 0 },
    { "H-029", array_of_bool, 2, "a bool is 2", "bad", NEW_KV, 29, 0 },

    /* "general.alignment" has 17 letters: its value is 29 bytes into the entry. */
    { "H-035", alignment, 0, "general.alignment is 0, allowed are powers of two", "general.alignment", NEW_KV, 29, 0 },
    { "H-035", alignment, 1, "general.alignment is 1", "general.alignment", NEW_KV, 29, 0 },
    { "H-035", alignment, 4, "general.alignment is 4", "general.alignment", NEW_KV, 29, 0 },
    { "H-035", alignment, 3, "general.alignment is 3", "general.alignment", NEW_KV, 29, 0 },
    { "H-035", alignment, 12, "general.alignment is 12", "general.alignment", NEW_KV, 29, 0 },
    { "H-035", alignment, (1 << 20) + 1, "general.alignment is 1048577", "general.alignment", NEW_KV, 29, 0 },
    { "H-036", alignment, 1 << 17, "is 131072, allowed are powers of two in 8..65536", "general.alignment", NEW_KV, 29,
      0 },
    { "H-036", alignment, 1 << 21, "general.alignment is 2097152", "general.alignment", NEW_KV, 29, 0 },
    { "H-036", alignment, 1 << 30, "general.alignment is 1073741824", "general.alignment", NEW_KV, 29, 0 },
    { "H-036", alignment, 0x80000000u, "general.alignment is 2147483648", "general.alignment", NEW_KV, 29, 0 },
    { "H-036", alignment_u64, (uint64_t)1 << 63, "has type u64, expected u32", "general.alignment", NEW_KV, 29, 0 },
    { "H-037", alignment_u64, 32, "has type u64, expected u32", "general.alignment", NEW_KV, 29, 0 },
    { "H-037", alignment_i32, 32, "has type i32, expected u32", "general.alignment", NEW_KV, 29, 0 },
    { "H-037", alignment_u8, 32, "has type u8, expected u32", "general.alignment", NEW_KV, 29, 0 },
    { "H-037", alignment_string, 0, "has type string, expected u32", "general.alignment", NEW_KV, 29, 0 },
    { "H-037", alignment_array, 32, "has type array of u32, expected u32", "general.alignment", ANYWHERE, 0, 0 },

    { "H-038", tensor_name_length, 0, "tensor name 3 is 0 bytes long, allowed are 1..63", NULL, NEW_TENSOR, 0, 0 },
    { "H-038", tensor_name_length, 64, "tensor name 3 is 64 bytes long", NULL, NEW_TENSOR, 0, 0 },
    { "H-038", tensor_name_length, 65, "tensor name 3 is 65 bytes long", NULL, NEW_TENSOR, 0, 0 },
    { "H-038", tensor_name_length, (uint64_t)1 << 32, "tensor name 3 is 4294967296", NULL, NEW_TENSOR, 0, 0 },
    { "H-038", tensor_name_byte, 0, "a NUL is not allowed", "ba", NEW_TENSOR, 10, 0 },
    { "H-038", tensor_name_byte, 0x80, "not valid UTF-8", "ba?.", NEW_TENSOR, 10, 0 },
    { "H-039", duplicate_tensor, DATA_END, "tensor 3 has the name of tensor 0", "first.weight", NEW_TENSOR, 0, 0 },
    { "H-039", duplicate_tensor, 0, "tensor 3 has the name of tensor 0", "first.weight", NEW_TENSOR, 0, 0 },

    { "H-040", n_dims, 0, "the tensor has 0 dimensions, allowed are 1..4", "bad", NEW_TENSOR, 11, 0 },
    { "H-040", n_dims, 5, "the tensor has 5 dimensions", "bad", NEW_TENSOR, 11, 0 },
    { "H-040", n_dims, 9, "the tensor has 9 dimensions", "bad", NEW_TENSOR, 11, 0 },
    { "H-040", n_dims, (uint64_t)1 << 31, "the tensor has 2147483648 dimensions", "bad", NEW_TENSOR, 11, 0 },
    { "H-040", n_dims, UINT32_MAX, "the tensor has 4294967295 dimensions", "bad", NEW_TENSOR, 11, 0 },
    { "H-041", zero_dim, 0, "dim[0] is 0", "bad", NEW_TENSOR, 15, 0 },
    { "H-041", zero_dim, 1, "dim[1] is 0", "bad", NEW_TENSOR, 23, 0 },
    { "H-041", zero_dim, 2, "dim[2] is 0", "bad", NEW_TENSOR, 31, 0 },
    { "H-041", zero_dim, 3, "dim[3] is 0", "bad", NEW_TENSOR, 39, 0 },
    { "H-041", first_dim, UINT64_MAX, "dim[0] is 18446744073709551615", "bad", NEW_TENSOR, 15, 0 },
    { "H-041", first_dim, (uint64_t)1 << 63, "dim[0] is 9223372036854775808", "bad", NEW_TENSOR, 15, 0 },
    { "H-041", last_dim, (uint64_t)1 << 63, "dim[3] is 9223372036854775808", "bad", NEW_TENSOR, 39, 0 },
    { "H-042", dims_squared, (uint64_t)1 << 32, "dim[1] is 4294967296: the tensor would have 2^48", "bad", NEW_TENSOR,
      23, 0 },
    { "H-042", dims_squared, 3037000500u, "dim[1] is 3037000500", "bad", NEW_TENSOR, 23, 0 }, /* 2^63 and a little */
    { "H-042", dims_all, 65536, "dim[2] is 65536: the tensor would have 2^48", "bad", NEW_TENSOR, 31, 0 },
    { "H-042", first_dim, (uint64_t)1 << 48, "2^48 elements or more", "bad", NEW_TENSOR, 15, 0 },
    { "H-042", f64_dim, ((uint64_t)1 << 48) - 1, "2251799813685240 bytes", "bad", NEW_TENSOR, 27, 0 },
    { "H-043", q4_0_row, 33, "dim[0] is 33, no multiple of 32, the block of type Q4_0", "bad", NEW_TENSOR, 23, 0 },
    { "H-043", q4_0_row, 31, "dim[0] is 31", "bad", NEW_TENSOR, 23, 0 },
    { "H-043", q4_k_row, 320, "dim[0] is 320, no multiple of 256, the block of type Q4_K", "bad", NEW_TENSOR, 23, 0 },

    { "H-044", tensor_type, UINT32_MAX, "tensor type 4294967295 (unknown)", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 4, "tensor type 4 (Q4_2", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 5, "tensor type 5 (Q4_3", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 31, "tensor type 31 (Q4_0_4_4", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 32, "tensor type 32 (Q4_0_4_8", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 33, "tensor type 33 (Q4_0_8_8", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 36, "tensor type 36 (IQ4_NL_4_4", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 37, "tensor type 37 (", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 38, "tensor type 38 (", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 43, "tensor type 43 (unknown)", "bad", NEW_TENSOR, 23, 0 },
    { "H-044", tensor_type, 0x80000000u, "tensor type 2147483648 (unknown)", "bad", NEW_TENSOR, 23, 0 },

    { "H-045", tensor_offset, DATA_END + 1, "offset 289 is no multiple of the alignment 32", "bad", NEW_TENSOR, 27, 0 },
    { "H-045", tensor_offset, DATA_END + 31, "offset 319 is no multiple", "bad", NEW_TENSOR, 27, 0 },
    { "H-045", tensor_offset, DATA_END + 32, "32 bytes at 320 of the data section lie beyond the end", "bad",
      NEW_TENSOR, 27, 0 },
    { "H-045", tensor_offset, (uint64_t)1 << 40, "at 1099511627776 of the data section", "bad", NEW_TENSOR, 27, 0 },
    { "H-045", tensor_offset, UINT64_MAX - 31, "at 18446744073709551584 of the data", "bad", NEW_TENSOR, 27, 0 },
    { "H-045", tensor_bytes, 33, "33 bytes at 288 of the data section lie beyond the end of the file: the section has "
      "320 bytes", "bad", NEW_TENSOR, 27, 0 },
    { "H-045", first_offset, UINT64_MAX - 127, "lie beyond the end", "first.weight", ANYWHERE, 0, 0 },
    { "H-046", tensor_offset, 0, "overlaps that of 'first.weight'", "bad", NEW_TENSOR, 27, 0 },
    { "H-046", tensor_offset, 96, "overlaps that of 'first.weight'", "bad", NEW_TENSOR, 27, 0 },
    { "H-046", tensor_offset, 224, "overlaps that of 'second.weight'", "bad", NEW_TENSOR, 27, 0 },
    { "H-046", neighbours, 33, "the tensor's data at", "bad2", NEW_TENSOR, 35 + 28, 0 },
    { "H-046", third_offset, 224, "overlaps that of 'second.weight'", "third.bias", ANYWHERE, 0, 0 },
    { "H-046", first_offset, 32, "overlaps that of 'first.weight'", "second.weight", ANYWHERE, 0, 0 },
    { "H-046", third_offset, 1 << 20, "lie beyond the end", "third.bias", ANYWHERE, 0, 0 },
    { "H-047", two_large, ((uint64_t)1 << 63) - 32, "dim[0] is 9223372036854775776", "bad", NEW_TENSOR, 15, 0 },
    { "H-047", two_large, ((uint64_t)1 << 48) - 32, "lie beyond the end", "bad", ANYWHERE, 0, 0 },
    { "H-048", data_behind_end, 65536, "ends within the padding before the tensor data", NULL, ANYWHERE, 0, 0 },
};

static double cpu_s(void) { return (double)clock() / CLOCKS_PER_SEC; }

static void run_case(const hostile *h)
{
    fixture f;
    size_t n_bytes;
    gguf_build *b = small_file();
    const uint64_t base[] = { 0, gguf_build_tensor_at(b, "first.weight"), gguf_build_header_bytes(b) };
    h->edit(b, h->x);
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    const double begin = cpu_s();
    const einf_status status = fixture_parse(&f, file, n_bytes, 0);
    const double took_s = cpu_s() - begin;
    const einf_status expected = h->status ? h->status : EINF_E_FORMAT;
    const bool anywhere = h->place == ANYWHERE;
    const bool right_offset = anywhere ? f.err.offset <= n_bytes : f.err.offset == base[h->place] + h->offset;
    const bool right_where = (anywhere && !h->where) || strcmp(f.err.where, h->where ? h->where : "") == 0;
    if (status != expected || !right_offset || !right_where || took_s > 1 || !strstr(f.err.message, h->says))
        print_error("%s, x = %llu: offset %llu, where \"%s\", %.3f s\n", h->id, (unsigned long long)h->x,
                    (unsigned long long)f.err.offset, f.err.where, took_s);
    assert_status(status, &f.err, expected);
    assert_error_says(&f.err, h->says);
    assert_true(right_offset && right_where && took_s <= 1);
    assert_true(f.heap.peak_bytes <= n_bytes + ((uint64_t)64 << 20));
    assert_int_equal(f.heap.n_live, 0);
    fixture_close(&f);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) run_case(&cases[i]);
    print_message("%zu cases\n", TEST_COUNT(cases));
}

/* H-018: each count fits into what is left, both do not: 29 * 33 + 4 * 14 = 1013, with 3 entries 999. */
static void test_counts_together(void **state)
{
    (void)state;
    for (uint64_t n = 3; n <= 4; n++) {
        fixture f;
        uint8_t *file = calloc(1, 24 + 1000);
        assert_non_null(file);
        memcpy(file, "GGUF\3", 5);
        gguf_put_u64(file, 8, 29);
        gguf_put_u64(file, 16, n);
        assert_status(fixture_parse(&f, file, 1024, 0), &f.err, EINF_E_FORMAT);
        assert_error_says(&f.err, n == 3 ? "key 0 is 0 bytes long"
                                         : "4 entries and 29 tensors do not fit into the 1000 bytes that follow");
        assert_int_equal(f.err.offset, n == 3 ? 24 : 8);
        assert_int_equal(f.heap.n_calls, n == 3);
        fixture_close(&f);
    }
}

/* H-028: harmless, as long as nobody makes a table of it. */
static void test_empty_strings(void **state)
{
    (void)state;
    enum { N = 1000000 };
    fixture f;
    uint8_t *value = calloc(1, 12 + (size_t)N * 8);
    assert_non_null(value);
    gguf_put_u32(value, 0, GGUF_STRING);
    gguf_put_u64(value, 4, N);
    gguf_build *b = gguf_build_new();
    gguf_build_raw_kv(b, "k", 1, 1, GGUF_ARRAY, value, 12 + (size_t)N * 8);
    free(value);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_int_equal(f.g.kv[0].n_items, N);
    assert_true(f.heap.peak_bytes < 4096);
    fixture_close(&f);
}

/* Control characters of a file never reach a message. */
static void test_messages_are_printable(void **state)
{
    (void)state;
    fixture f;
    gguf_build *b = gguf_build_new();
    gguf_build_raw_kv(b, "\x1b[2J\nFAKE", 9, 9, 99, "", 0);
    assert_status(fixture_build(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "?[2J?FAKE");
    fixture_close(&f);

    b = gguf_build_new();
    gguf_build_raw_tensor(b, "%s%n\x1b", 5, 5, 1, (uint64_t[]){ 8 }, 1, 0, 0, 32);
    gguf_build_raw_tensor(b, "second", 6, 6, 1, (uint64_t[]){ 8 }, 1, 0, 0, 32);
    assert_status(fixture_build(&f, b), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "overlaps that of '%s%n?'");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beginnings),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_counts_together),
        cmocka_unit_test(test_empty_strings),
        cmocka_unit_test(test_messages_are_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
