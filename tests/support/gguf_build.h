/* SPDX-License-Identifier: MIT
 * gguf_build.h - GGUF files for tests, made in memory: right by default, wrong wherever a test wants it.
 *
 * Entries and tensors are written in the order they are added; nothing is checked, so duplicate keys, absurd types and
 * lying counts are one call away. Nothing here uses the library's reader, so that the two can disagree.
 * Everything given is copied at once. Out of memory ends the test program.
 *
 *   gguf_build *b = gguf_build_new();
 *   gguf_build_str(b, "general.architecture", "llama");
 *   gguf_build_u32(b, "llama.block_count", 2);
 *   gguf_build_tensor(b, "token_embd.weight", 0, 2, (uint64_t[]){ 64, 32 }, NULL, 64 * 32 * 4);
 *   size_t n;
 *   uint8_t *file = gguf_build_finish(b, &n);   (free() it; b may be changed and finished again)
 *   gguf_build_free(&b);
 */
#ifndef TESTS_GGUF_BUILD_H
#define TESTS_GGUF_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gguf_build gguf_build;

/* Value types as numbered in the file. */
enum {
    GGUF_U8 = 0, GGUF_I8 = 1, GGUF_U16 = 2, GGUF_I16 = 3, GGUF_U32 = 4, GGUF_I32 = 5, GGUF_F32 = 6, GGUF_BOOL = 7,
    GGUF_STRING = 8, GGUF_ARRAY = 9, GGUF_U64 = 10, GGUF_I64 = 11, GGUF_F64 = 12
};

/** Version 3, no entries, no tensors, alignment 32 (not written as a key). */
gguf_build *gguf_build_new(void);
void gguf_build_free(gguf_build **b);

/* ------------------------------------------------------------------------------------------------- entries -- */

void gguf_build_u8(gguf_build *b, const char *key, uint8_t v);
void gguf_build_i8(gguf_build *b, const char *key, int8_t v);
void gguf_build_u16(gguf_build *b, const char *key, uint16_t v);
void gguf_build_i16(gguf_build *b, const char *key, int16_t v);
void gguf_build_u32(gguf_build *b, const char *key, uint32_t v);
void gguf_build_i32(gguf_build *b, const char *key, int32_t v);
void gguf_build_u64(gguf_build *b, const char *key, uint64_t v);
void gguf_build_i64(gguf_build *b, const char *key, int64_t v);
void gguf_build_f32(gguf_build *b, const char *key, float v);
void gguf_build_f64(gguf_build *b, const char *key, double v);
void gguf_build_bool(gguf_build *b, const char *key, bool v);
void gguf_build_str(gguf_build *b, const char *key, const char *v);
/** A string of any bytes. */
void gguf_build_str_n(gguf_build *b, const char *key, const void *bytes, size_t n_bytes);
/** An array of n items of a fixed-size type, laid out as in memory: GGUF_I32 takes const int32_t *. */
void gguf_build_array(gguf_build *b, const char *key, uint32_t item_type, const void *items, size_t n);
/** An array of strings. lens NULL: NUL-terminated ones. */
void gguf_build_strings(gguf_build *b, const char *key, const char *const *items, const size_t *lens, size_t n);
/** Any key bytes, any type number, any value bytes. key_len: what the file says of the key's length. */
void gguf_build_raw_kv(gguf_build *b, const void *key, size_t key_bytes, uint64_t key_len, uint32_t type,
                       const void *value, size_t value_bytes);
/** Remove every entry of that key; how many there were. */
size_t gguf_build_drop_kv(gguf_build *b, const char *key);

/* ------------------------------------------------------------------------------------------------- tensors -- */

/** file_type: number of ggml's type. dims[0] is contiguous. data NULL: n_bytes zeros. Data is laid out in order, each
 *  at a multiple of the alignment. */
void gguf_build_tensor(gguf_build *b, const char *name, uint32_t file_type, uint32_t n_dims, const uint64_t *dims,
                       const void *data, size_t n_bytes);
/** A tensor entry that lies: name_len, n_dims and offset are written as given (n_written_dims numbers follow n_dims),
 *  and n_bytes zeros are appended to the data. */
void gguf_build_raw_tensor(gguf_build *b, const void *name, size_t name_bytes, uint64_t name_len, uint32_t n_dims,
                           const uint64_t *dims, size_t n_written_dims, uint32_t file_type, uint64_t offset,
                           size_t n_bytes);
/** Remove every tensor of that name; how many there were. */
size_t gguf_build_drop_tensor(gguf_build *b, const char *name);
/** Change what the entry of a tensor says of its offset (relative to the data section); its data stays in place. */
void gguf_build_set_offset(gguf_build *b, const char *name, uint64_t offset);

/* ------------------------------------------------------------------------------------------------ the file -- */

void gguf_build_set_version(gguf_build *b, uint32_t version);
/** Lay tensor data out by this alignment, and write it as the u32 key general.alignment. */
void gguf_build_set_alignment(gguf_build *b, uint32_t alignment);
/** Write these counts instead of the true ones; UINT64_MAX - 1 means the true one. */
#define GGUF_BUILD_TRUE_COUNT (UINT64_MAX - 1)
void gguf_build_set_counts(gguf_build *b, uint64_t n_tensors, uint64_t n_kv);

/** The file, malloc'd. Header, entries, tensor entries, zero padding to the alignment, data. The last tensor's data is
 *  padded too. A file without tensors ends with its entries. */
uint8_t *gguf_build_finish(gguf_build *b, size_t *n_bytes);

/* Where things lie in the finished file, for a test that corrupts bytes or checks a reported offset. A missing name
 * ends the program. The first of equal names is meant. */
size_t gguf_build_kv_at(const gguf_build *b, const char *key);      /* the entry: its u64 key length */
size_t gguf_build_value_at(const gguf_build *b, const char *key);   /* the value, behind the u32 type */
size_t gguf_build_tensor_at(const gguf_build *b, const char *name); /* the entry: its u64 name length */
size_t gguf_build_header_bytes(const gguf_build *b);                /* everything before the padding */
size_t gguf_build_data_at(const gguf_build *b);                     /* data section */

/* Little-endian writes into a finished file. */
void gguf_put_u32(uint8_t *file, size_t at, uint32_t v);
void gguf_put_u64(uint8_t *file, size_t at, uint64_t v);

#endif
