/* SPDX-License-Identifier: MIT
 * gguf_shards.c - reading a file that is known to be right, and writing its parts.
 */
#include "tests/support/gguf_shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test_support.h"

enum { ALIGNMENT = 32 }; /* of all files that tests cut */

typedef struct walk { const uint8_t *file; size_t at; } walk;

static uint32_t take_u32(walk *w)
{
    uint32_t v;
    memcpy(&v, w->file + w->at, sizeof v);
    w->at += sizeof v;
    return v;
}

static uint64_t take_u64(walk *w)
{
    uint64_t v;
    memcpy(&v, w->file + w->at, sizeof v);
    w->at += sizeof v;
    return v;
}

static void skip_items(walk *w, uint32_t type, uint64_t n)
{
    static const uint8_t size[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    if (type == GGUF_STRING) {
        for (uint64_t i = 0; i < n; i++) {
            const size_t length = (size_t)take_u64(w);
            w->at += length;
        }
    } else if (type == GGUF_ARRAY) {
        const uint32_t item = take_u32(w);
        skip_items(w, item, take_u64(w));
    } else {
        w->at += size[type] * (size_t)n;
    }
}

static void copy_entries(walk *w, uint64_t n, gguf_build *to)
{
    for (uint64_t i = 0; i < n; i++) {
        const size_t key_bytes = (size_t)take_u64(w);
        const uint8_t *key = w->file + w->at;
        w->at += key_bytes;
        const uint32_t type = take_u32(w);
        const size_t value_at = w->at;
        skip_items(w, type, 1);
        if (to) gguf_build_raw_kv(to, key, key_bytes, key_bytes, type, w->file + value_at, w->at - value_at);
    }
}

typedef struct tensor_info {
    char name[64];
    uint32_t n_dims, type;
    uint64_t dims[4], offset;
} tensor_info;

static tensor_info take_tensor(walk *w)
{
    tensor_info t = { .n_dims = 0 };
    const size_t name_bytes = (size_t)take_u64(w);
    assert_true(name_bytes < sizeof t.name);
    memcpy(t.name, w->file + w->at, name_bytes);
    w->at += name_bytes;
    t.n_dims = take_u32(w);
    for (uint32_t d = 0; d < t.n_dims; d++) t.dims[d] = take_u64(w);
    t.type = take_u32(w);
    t.offset = take_u64(w);
    return t;
}

/* Tensors [begin, end). Padding behind the data of one goes with it. */
static void copy_tensors(walk *w, uint64_t n, size_t n_bytes, uint64_t begin, uint64_t end, gguf_build *to)
{
    tensor_info *t = malloc((size_t)(n + 1) * sizeof *t);
    assert_non_null(t);
    for (uint64_t i = 0; i < n; i++) t[i] = take_tensor(w);
    const size_t data_at = (w->at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    t[n].offset = n_bytes - data_at;
    for (uint64_t i = begin; i < end; i++)
        gguf_build_tensor(to, t[i].name, t[i].type, t[i].n_dims, t[i].dims, w->file + data_at + t[i].offset,
                          (size_t)(t[i + 1].offset - t[i].offset));
    free(t);
}

gguf_build *gguf_shard(const uint8_t *file, size_t n_bytes, uint32_t no, uint32_t count, bool tensors_in_first)
{
    walk w = { file, 8 };
    gguf_build *b = gguf_build_new();
    const uint64_t n_tensors = take_u64(&w), n_kv = take_u64(&w);
    copy_entries(&w, n_kv, no == 0 ? b : NULL);
    gguf_build_u16(b, "split.no", (uint16_t)no);
    gguf_build_u16(b, "split.count", (uint16_t)count);
    gguf_build_i32(b, "split.tensors.count", (int32_t)n_tensors);

    const uint32_t n_sharing = tensors_in_first ? count : count - 1, i = tensors_in_first ? no : no - 1;
    if (tensors_in_first || no > 0)
        copy_tensors(&w, n_tensors, n_bytes, n_tensors * i / n_sharing, n_tensors * (i + 1) / n_sharing, b);
    return b;
}

char *gguf_shard_path(const char *dir, const char *stem, uint32_t no, uint32_t count)
{
    char name[128];
    (void)snprintf(name, sizeof name, "%s-%05u-of-%05u.gguf", stem, no + 1, count);
    return test_path(dir, name);
}

void gguf_shard_write(gguf_build *b, const char *dir, const char *stem, uint32_t no, uint32_t count)
{
    size_t n_bytes;
    char *path = gguf_shard_path(dir, stem, no, count);
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    test_write_file(path, file, n_bytes);
    free(file);
    free(path);
}

void gguf_shards_write(const uint8_t *file, size_t n_bytes, const char *dir, const char *stem, uint32_t count,
                       bool tensors_in_first)
{
    for (uint32_t no = 0; no < count; no++)
        gguf_shard_write(gguf_shard(file, n_bytes, no, count, tensors_in_first), dir, stem, no, count);
}
