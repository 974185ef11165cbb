/* SPDX-License-Identifier: MIT
 * gguf.h - a parsed GGUF header: metadata entries and tensors, all bounds proven, values left where they lie.
 *
 * Source: the GGUF specification (ggml docs/gguf.md), versions 2 and 3, little-endian.
 * After einf__gguf_parse succeeds: every value and tensor lies inside the source, no size computation can overflow,
 * keys and tensor names are unique valid UTF-8, tensors do not overlap. What a value means is not judged here: that is
 * the getters' work, whose range is an argument, so that no unchecked number from a file can exist.
 * Threads: immutable after parse.
 */
#ifndef EINF_GGUF_H
#define EINF_GGUF_H

#include "engine/base/dtype.h"
#include "engine/base/memory.h"
#include "engine/gguf/gguf_cursor.h"
#include "engine/gguf/gguf_source.h"

typedef enum einf__gguf_type {
    EINF__GGUF_U8, EINF__GGUF_I8, EINF__GGUF_U16, EINF__GGUF_I16, EINF__GGUF_U32, EINF__GGUF_I32, EINF__GGUF_F32,
    EINF__GGUF_BOOL, EINF__GGUF_STRING, EINF__GGUF_ARRAY, EINF__GGUF_U64, EINF__GGUF_I64, EINF__GGUF_F64,
    EINF__GGUF_N_TYPES
} einf__gguf_type;

typedef struct einf__gguf_kv {
    einf__bytes key;
    einf__gguf_type type;
    einf__gguf_type item_type; /* of an array; equals type otherwise */
    uint64_t n_items;          /* of an array; 1 otherwise */
    const uint8_t *value;      /* first item: raw little-endian, or u64 length + bytes for strings */
    uint64_t value_bytes;
} einf__gguf_kv;

typedef struct einf__gguf_tensor {
    char name[64];
    uint32_t file_type;        /* as in the file */
    einf__dtype dtype;         /* valid when computable */
    bool computable;           /* false: a type we can name and bound but not compute with */
    int32_t n_dims;
    uint64_t dims[4];          /* unused ones are 1 */
    uint64_t size_bytes;
    uint64_t offset;           /* from the start of its source */
    const einf__source *source; /* the file that holds it: a part of a split model, or the only one */
} einf__gguf_tensor;

typedef struct einf__gguf {
    const einf__source *source; /* of the entries; a tensor knows its own */
    uint32_t version;
    uint64_t alignment;
    uint64_t n_kv, n_tensors;
    einf__gguf_kv *kv;         /* [n_kv], file order */
    einf__gguf_tensor *tensors; /* [n_tensors], file order */
    uint64_t data_offset;      /* of the tensor data in the source */
    /* private */
    einf__memory *mem;
    void *block;               /* holds kv, tensors and the hash indexes */
    uint64_t block_bytes;
    uint32_t *kv_index, *tensor_index; /* open addressing; entry + 1, 0 empty */
    uint64_t kv_index_mask, tensor_index_mask;
} einf__gguf;

/* Limits on what a file may ask for (users.md 4.4). */
#define EINF__GGUF_MAX_KV 65536u
#define EINF__GGUF_MAX_TENSORS 65536u
#define EINF__GGUF_MAX_KEY_BYTES 65535u
#define EINF__GGUF_MAX_STRING_BYTES ((uint64_t)16 << 20)
#define EINF__GGUF_MAX_ALIGNMENT 65536u
#define EINF__GGUF_MAX_ELEMS ((uint64_t)1 << 48)

/** Parse and check the header of a source, which must outlive *out. Under a millisecond per MB of metadata.
 *  A file that is something else (HTML, ZIP, safetensors, git-LFS pointer, ...) is named in the message. */
einf_status einf__gguf_parse(einf__memory *mem, const einf__source *source, einf__gguf *out, einf_error *err);
/** Accepts a zeroed or half-made one. */
void einf__gguf_deinit(einf__gguf *g);

/** Entry or tensor by name, NULL when there is none. */
const einf__gguf_kv *einf__gguf_find(const einf__gguf *g, const char *key);
const einf__gguf_tensor *einf__gguf_find_tensor(const einf__gguf *g, const char *name);

/** "u32", "string", "array of i32", ...: static string. */
const char *einf__gguf_type_name(const einf__gguf_kv *kv);

/* ------------------------------------------------------------------------------------------- typed getters -- */

/* Of every getter: a missing optional key gives the default; a missing required key, a wrong type or a value out of
 * range fails with EINF_E_FORMAT, the key, the offset of the value and both values. Integer getters accept any
 * integer type whose value is in range; f32 getters accept f32 and f64, finite alone. */

typedef enum einf__need { EINF__REQUIRED, EINF__OPTIONAL } einf__need;

einf_status einf__gguf_get_u32(const einf__gguf *g, const char *key, einf__need need, uint32_t fallback, uint32_t min,
                               uint32_t max, uint32_t *out, einf_error *err);
einf_status einf__gguf_get_f32(const einf__gguf *g, const char *key, einf__need need, float fallback, float min,
                               float max, float *out, einf_error *err);
einf_status einf__gguf_get_bool(const einf__gguf *g, const char *key, einf__need need, bool fallback, bool *out,
                                einf_error *err);
/** *out views the file. fallback may be {NULL, 0}. */
einf_status einf__gguf_get_string(const einf__gguf *g, const char *key, einf__need need, einf__bytes fallback,
                                  einf__bytes *out, einf_error *err);
/** A token id: in [0, n_vocab), or absent or -1 stored in any width (both give -1). Anything else fails. */
einf_status einf__gguf_get_token_id(const einf__gguf *g, const char *key, uint32_t n_vocab, int32_t *out,
                                    einf_error *err);
/** A value for each of n layers: one number for all, or an array of exactly n. out: [n]. */
einf_status einf__gguf_get_layers_u32(const einf__gguf *g, const char *key, einf__need need, uint32_t fallback,
                                      uint32_t min, uint32_t max, uint32_t n, uint32_t *out, einf_error *err);

/** An array whose items are strings / integers of any width / floats. *out is NULL when absent and optional. */
einf_status einf__gguf_get_strings(const einf__gguf *g, const char *key, einf__need need, const einf__gguf_kv **out,
                                   einf_error *err);
einf_status einf__gguf_get_ints(const einf__gguf *g, const char *key, einf__need need, const einf__gguf_kv **out,
                                einf_error *err);
einf_status einf__gguf_get_floats(const einf__gguf *g, const char *key, einf__need need, const einf__gguf_kv **out,
                                  einf_error *err);
/** Item i of an integer array; i in [0, n_items). u64 values above INT64_MAX saturate. */
int64_t einf__gguf_int_item(const einf__gguf_kv *kv, uint64_t i);
/** Item i of a float array. */
float einf__gguf_float_item(const einf__gguf_kv *kv, uint64_t i);
/** Walk a string array: start with einf__gguf_strings_begin, call next exactly n_items times. */
static inline einf__cursor einf__gguf_strings_begin(const einf__gguf_kv *kv)
{
    return einf__cursor_over(kv->value, kv->value_bytes);
}
static inline einf__bytes einf__gguf_strings_next(einf__cursor *c)
{
    einf__bytes s = { NULL, 0 };
    (void)einf__cursor_string(c, &s); /* proven to fit by parse */
    return s;
}
/* Where a walk through a string array stands, so that items asked for in order do not each begin at the first. */
typedef struct einf__gguf_place {
    const einf__gguf_kv *kv; /* NULL: nowhere */
    uint64_t item;
    const uint8_t *at;       /* the length of that item */
} einf__gguf_place;
/** Item j of any entry as printable text, as einf_model_kv_text promises. Returns the full length.
 *  place: may be NULL; begins zeroed. */
uint64_t einf__gguf_item_text(const einf__gguf_kv *kv, uint64_t j, einf__gguf_place *place, char *buf,
                              uint64_t buf_bytes);

/** Pointer to the data of a tensor. */
static inline const uint8_t *einf__gguf_tensor_data(const einf__gguf *g, const einf__gguf_tensor *t)
{
    (void)g;
    return t->source->data + t->offset;
}

#endif
