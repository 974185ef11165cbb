/* SPDX-License-Identifier: MIT
 * gguf_build.c - the GGUF writer of the tests. Shares no code with the library's reader.
 *
 * Each entry is kept as its finished bytes; finish() concatenates. Offsets of tensors are computed at finish unless a
 * test fixed them.
 */
#include "tests/support/gguf_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bytes { uint8_t *p; size_t n, cap; } bytes;

typedef struct kv_entry {
    bytes key;      /* for look-up */
    bytes file;     /* as written */
    size_t value_at; /* in file */
} kv_entry;

typedef struct tensor_entry {
    bytes name;
    bytes head;       /* length, name, dimensions, type: all but the offset */
    bytes data;
    bool fixed_offset;
    uint64_t offset;
} tensor_entry;

struct gguf_build {
    uint32_t version;
    uint32_t alignment;
    uint64_t n_tensors_said, n_kv_said;
    kv_entry *kv;
    size_t n_kv, cap_kv;
    tensor_entry *tensors;
    size_t n_tensors, cap_tensors;
};

/* --------------------------------------------------------------------------------------------------- bytes -- */

static void die(const char *what, const char *name)
{
    fprintf(stderr, "gguf_build: %s %s\n", what, name);
    exit(99);
}

static void *must(void *p)
{
    if (!p) die("out of memory", "");
    return p;
}

static void add(bytes *b, const void *p, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = (b->n + n) * 2;
        b->p = must(realloc(b->p, b->cap));
    }
    if (n && p) memcpy(b->p + b->n, p, n);
    else if (n) memset(b->p + b->n, 0, n);
    b->n += n;
}

static void add_u32(bytes *b, uint32_t v) { add(b, &v, sizeof v); }
static void add_u64(bytes *b, uint64_t v) { add(b, &v, sizeof v); }

static bool same(const bytes *b, const char *name)
{
    return b->n == strlen(name) && memcmp(b->p ? b->p : (const uint8_t *)"", name, b->n) == 0;
}

static size_t round_up(size_t n, size_t align) { return (n + align - 1) / align * align; }

gguf_build *gguf_build_new(void)
{
    gguf_build *b = must(calloc(1, sizeof *b));
    b->version = 3;
    b->alignment = 32;
    b->n_tensors_said = b->n_kv_said = GGUF_BUILD_TRUE_COUNT;
    return b;
}

static void free_kv(kv_entry *e) { free(e->key.p); free(e->file.p); }
static void free_tensor(tensor_entry *t) { free(t->name.p); free(t->head.p); free(t->data.p); }

void gguf_build_free(gguf_build **b)
{
    if (!*b) return;
    for (size_t i = 0; i < (*b)->n_kv; i++) free_kv(&(*b)->kv[i]);
    for (size_t i = 0; i < (*b)->n_tensors; i++) free_tensor(&(*b)->tensors[i]);
    free((*b)->kv);
    free((*b)->tensors);
    free(*b);
    *b = NULL;
}

/* ------------------------------------------------------------------------------------------------- entries -- */

void gguf_build_raw_kv(gguf_build *b, const void *key, size_t key_bytes, uint64_t key_len, uint32_t type,
                       const void *value, size_t value_bytes)
{
    if (b->n_kv == b->cap_kv) {
        b->cap_kv = b->cap_kv * 2 + 8;
        b->kv = must(realloc(b->kv, b->cap_kv * sizeof *b->kv));
    }
    kv_entry *e = &b->kv[b->n_kv++];
    memset(e, 0, sizeof *e);
    add(&e->key, key, key_bytes);
    add_u64(&e->file, key_len);
    add(&e->file, key, key_bytes);
    add_u32(&e->file, type);
    e->value_at = e->file.n;
    add(&e->file, value, value_bytes);
}

static void put_kv(gguf_build *b, const char *key, uint32_t type, const void *value, size_t n_bytes)
{
    gguf_build_raw_kv(b, key, strlen(key), strlen(key), type, value, n_bytes);
}

void gguf_build_u8(gguf_build *b, const char *key, uint8_t v) { put_kv(b, key, GGUF_U8, &v, sizeof v); }
void gguf_build_i8(gguf_build *b, const char *key, int8_t v) { put_kv(b, key, GGUF_I8, &v, sizeof v); }
void gguf_build_u16(gguf_build *b, const char *key, uint16_t v) { put_kv(b, key, GGUF_U16, &v, sizeof v); }
void gguf_build_i16(gguf_build *b, const char *key, int16_t v) { put_kv(b, key, GGUF_I16, &v, sizeof v); }
void gguf_build_u32(gguf_build *b, const char *key, uint32_t v) { put_kv(b, key, GGUF_U32, &v, sizeof v); }
void gguf_build_i32(gguf_build *b, const char *key, int32_t v) { put_kv(b, key, GGUF_I32, &v, sizeof v); }
void gguf_build_u64(gguf_build *b, const char *key, uint64_t v) { put_kv(b, key, GGUF_U64, &v, sizeof v); }
void gguf_build_i64(gguf_build *b, const char *key, int64_t v) { put_kv(b, key, GGUF_I64, &v, sizeof v); }
void gguf_build_f32(gguf_build *b, const char *key, float v) { put_kv(b, key, GGUF_F32, &v, sizeof v); }
void gguf_build_f64(gguf_build *b, const char *key, double v) { put_kv(b, key, GGUF_F64, &v, sizeof v); }

void gguf_build_bool(gguf_build *b, const char *key, bool v)
{
    const uint8_t byte = v;
    put_kv(b, key, GGUF_BOOL, &byte, 1);
}

void gguf_build_str(gguf_build *b, const char *key, const char *v) { gguf_build_str_n(b, key, v, strlen(v)); }

void gguf_build_str_n(gguf_build *b, const char *key, const void *text, size_t n_bytes)
{
    bytes v = { NULL, 0, 0 };
    add_u64(&v, n_bytes);
    add(&v, text, n_bytes);
    put_kv(b, key, GGUF_STRING, v.p, v.n);
    free(v.p);
}

static size_t item_bytes(uint32_t type)
{
    static const uint8_t size[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    if (type >= sizeof size || size[type] == 0) die("no fixed item size", "");
    return size[type];
}

void gguf_build_array(gguf_build *b, const char *key, uint32_t item_type, const void *items, size_t n)
{
    bytes v = { NULL, 0, 0 };
    add_u32(&v, item_type);
    add_u64(&v, n);
    add(&v, items, n * item_bytes(item_type));
    put_kv(b, key, GGUF_ARRAY, v.p, v.n);
    free(v.p);
}

void gguf_build_strings(gguf_build *b, const char *key, const char *const *items, const size_t *lens, size_t n)
{
    bytes v = { NULL, 0, 0 };
    add_u32(&v, GGUF_STRING);
    add_u64(&v, n);
    for (size_t i = 0; i < n; i++) {
        const size_t len = lens ? lens[i] : strlen(items[i]);
        add_u64(&v, len);
        add(&v, items[i], len);
    }
    put_kv(b, key, GGUF_ARRAY, v.p, v.n);
    free(v.p);
}

size_t gguf_build_drop_kv(gguf_build *b, const char *key)
{
    size_t kept = 0;
    const size_t before = b->n_kv;
    for (size_t i = 0; i < before; i++) {
        if (same(&b->kv[i].key, key)) free_kv(&b->kv[i]);
        else b->kv[kept++] = b->kv[i];
    }
    b->n_kv = kept;
    return before - kept;
}

/* ------------------------------------------------------------------------------------------------- tensors -- */

static tensor_entry *new_tensor(gguf_build *b)
{
    if (b->n_tensors == b->cap_tensors) {
        b->cap_tensors = b->cap_tensors * 2 + 8;
        b->tensors = must(realloc(b->tensors, b->cap_tensors * sizeof *b->tensors));
    }
    tensor_entry *t = &b->tensors[b->n_tensors++];
    memset(t, 0, sizeof *t);
    return t;
}

static void write_head(tensor_entry *t, const void *name, size_t name_bytes, uint64_t name_len, uint32_t n_dims,
                       const uint64_t *dims, size_t n_written_dims, uint32_t file_type)
{
    add(&t->name, name, name_bytes);
    add_u64(&t->head, name_len);
    add(&t->head, name, name_bytes);
    add_u32(&t->head, n_dims);
    add(&t->head, dims, n_written_dims * sizeof *dims);
    add_u32(&t->head, file_type);
}

void gguf_build_tensor(gguf_build *b, const char *name, uint32_t file_type, uint32_t n_dims, const uint64_t *dims,
                       const void *data, size_t n_bytes)
{
    tensor_entry *t = new_tensor(b);
    write_head(t, name, strlen(name), strlen(name), n_dims, dims, n_dims, file_type);
    add(&t->data, data, n_bytes);
}

void gguf_build_raw_tensor(gguf_build *b, const void *name, size_t name_bytes, uint64_t name_len, uint32_t n_dims,
                           const uint64_t *dims, size_t n_written_dims, uint32_t file_type, uint64_t offset,
                           size_t n_bytes)
{
    tensor_entry *t = new_tensor(b);
    write_head(t, name, name_bytes, name_len, n_dims, dims, n_written_dims, file_type);
    add(&t->data, NULL, n_bytes);
    t->fixed_offset = true;
    t->offset = offset;
}

size_t gguf_build_drop_tensor(gguf_build *b, const char *name)
{
    size_t kept = 0;
    const size_t before = b->n_tensors;
    for (size_t i = 0; i < before; i++) {
        if (same(&b->tensors[i].name, name)) free_tensor(&b->tensors[i]);
        else b->tensors[kept++] = b->tensors[i];
    }
    b->n_tensors = kept;
    return before - kept;
}

static size_t tensor_index(const gguf_build *b, const char *name)
{
    for (size_t i = 0; i < b->n_tensors; i++)
        if (same(&b->tensors[i].name, name)) return i;
    die("no tensor", name);
    return 0;
}

void gguf_build_set_offset(gguf_build *b, const char *name, uint64_t offset)
{
    tensor_entry *t = &b->tensors[tensor_index(b, name)];
    t->fixed_offset = true;
    t->offset = offset;
}

/* ------------------------------------------------------------------------------------------------ the file -- */

void gguf_build_set_version(gguf_build *b, uint32_t version) { b->version = version; }

void gguf_build_set_alignment(gguf_build *b, uint32_t alignment)
{
    gguf_build_drop_kv(b, "general.alignment");
    gguf_build_u32(b, "general.alignment", alignment);
    b->alignment = alignment;
}

void gguf_build_set_counts(gguf_build *b, uint64_t n_tensors, uint64_t n_kv)
{
    b->n_tensors_said = n_tensors;
    b->n_kv_said = n_kv;
}

uint8_t *gguf_build_finish(gguf_build *b, size_t *n_bytes)
{
    bytes f = { NULL, 0, 0 };
    const size_t align = b->alignment ? b->alignment : 1;
    add(&f, "GGUF", 4);
    add_u32(&f, b->version);
    add_u64(&f, b->n_tensors_said == GGUF_BUILD_TRUE_COUNT ? b->n_tensors : b->n_tensors_said);
    add_u64(&f, b->n_kv_said == GGUF_BUILD_TRUE_COUNT ? b->n_kv : b->n_kv_said);
    for (size_t i = 0; i < b->n_kv; i++) add(&f, b->kv[i].file.p, b->kv[i].file.n);
    size_t at = 0;
    for (size_t i = 0; i < b->n_tensors; i++) {
        const tensor_entry *t = &b->tensors[i];
        add(&f, t->head.p, t->head.n);
        add_u64(&f, t->fixed_offset ? t->offset : at);
        at = round_up(at + t->data.n, align);
    }
    if (b->n_tensors) add(&f, NULL, round_up(f.n, align) - f.n);
    const size_t data_at = f.n;
    for (size_t i = 0; i < b->n_tensors; i++) {
        add(&f, b->tensors[i].data.p, b->tensors[i].data.n);
        add(&f, NULL, data_at + round_up(f.n - data_at, align) - f.n);
    }
    /* Exactly as large as its contents, so that a sanitizer sees the first byte read beyond. */
    *n_bytes = f.n;
    return must(realloc(f.p, f.n));
}

enum { COUNTS_END = 24 }; /* magic, version, two u64 counts */

size_t gguf_build_kv_at(const gguf_build *b, const char *key)
{
    size_t at = COUNTS_END;
    for (size_t i = 0; i < b->n_kv; i++) {
        if (same(&b->kv[i].key, key)) return at;
        at += b->kv[i].file.n;
    }
    die("no key", key);
    return 0;
}

size_t gguf_build_value_at(const gguf_build *b, const char *key)
{
    for (size_t i = 0; i < b->n_kv; i++)
        if (same(&b->kv[i].key, key)) return gguf_build_kv_at(b, key) + b->kv[i].value_at;
    die("no key", key);
    return 0;
}

size_t gguf_build_tensor_at(const gguf_build *b, const char *name)
{
    size_t at = COUNTS_END;
    const size_t end = tensor_index(b, name);
    for (size_t i = 0; i < b->n_kv; i++) at += b->kv[i].file.n;
    for (size_t i = 0; i < end; i++) at += b->tensors[i].head.n + 8;
    return at;
}

size_t gguf_build_header_bytes(const gguf_build *b)
{
    size_t at = COUNTS_END;
    for (size_t i = 0; i < b->n_kv; i++) at += b->kv[i].file.n;
    for (size_t i = 0; i < b->n_tensors; i++) at += b->tensors[i].head.n + 8;
    return at;
}

size_t gguf_build_data_at(const gguf_build *b)
{
    const size_t align = b->alignment ? b->alignment : 1;
    return b->n_tensors ? round_up(gguf_build_header_bytes(b), align) : gguf_build_header_bytes(b);
}

void gguf_put_u32(uint8_t *file, size_t at, uint32_t v) { memcpy(file + at, &v, sizeof v); }
void gguf_put_u64(uint8_t *file, size_t at, uint64_t v) { memcpy(file + at, &v, sizeof v); }
