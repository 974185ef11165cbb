/* SPDX-License-Identifier: MIT
 * gguf_mutate.c - a GGUF file taken apart, changed, and put together again.
 *
 * Blind changes to a file mostly break its framing, and then only the walk of the header is tested. Here the framing
 * is written anew: what is odd is the meaning. The walk is this file's own, so that it may disagree with the library.
 * One thread at a time: the parts lie in static memory.
 */
#include "tests/fuzz/gguf_mutate.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/model_build.h"

enum { MAX_ENTRIES = 256, MAX_TENSORS = 512, MAX_PLACES = 8192, FRESH_BYTES = 1 << 19 };

typedef struct span { const uint8_t *p; size_t n; } span;
typedef struct entry { span key, value; uint32_t type; } entry;
typedef struct tensor { span name; uint32_t n_dims, type; uint64_t dims[4], offset; } tensor;
typedef struct place { size_t at; uint8_t width; } place; /* of a number in the written file */

typedef struct parts {
    uint32_t version, alignment;
    entry entries[MAX_ENTRIES];
    tensor tensors[MAX_TENSORS];
    size_t n_entries, n_tensors;
    span data;
    uint64_t random;
    uint8_t fresh[FRESH_BYTES]; /* bytes that were not in the file */
    size_t n_fresh;
    place places[MAX_PLACES];
    size_t n_places;
} parts;

static uint64_t pick(parts *p, uint64_t n) { return n ? model_random(&p->random) % n : 0; }

/* -------------------------------------------------------------------------------------------- taking apart -- */

typedef struct cursor { const uint8_t *p; size_t left; bool ok; } cursor;

static span take(cursor *c, uint64_t n)
{
    if (!c->ok || n > c->left) {
        c->ok = false;
        return (span){ (const uint8_t *)"", 0 };
    }
    const span s = { c->p, (size_t)n };
    c->p += s.n;
    c->left -= s.n;
    return s;
}

static uint64_t take_number(cursor *c, size_t width)
{
    uint64_t v = 0;
    const span s = take(c, width);
    memcpy(&v, s.p, s.n); /* little-endian machines alone run this */
    return v;
}

static span take_string(cursor *c) { return take(c, take_number(c, 8)); }

/* Bytes of a value of fixed size, else 0. */
static size_t scalar_bytes(uint64_t type)
{
    static const uint8_t bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    return type < sizeof bytes ? bytes[type] : 0;
}

static span take_value(cursor *c, uint64_t type)
{
    const uint8_t *begin = c->p;
    if (type == GGUF_STRING) {
        (void)take_string(c);
    } else if (type == GGUF_ARRAY) {
        const uint64_t item = take_number(c, 4), n = take_number(c, 8);
        if (n > c->left) c->ok = false;
        else if (item == GGUF_STRING) for (uint64_t i = 0; i < n && c->ok; i++) (void)take_string(c);
        else if (scalar_bytes(item)) (void)take(c, n * scalar_bytes(item));
        else c->ok = n == 0;
    } else if (scalar_bytes(type)) {
        (void)take(c, scalar_bytes(type));
    } else {
        c->ok = false;
    }
    return (span){ begin, (size_t)(c->p - begin) };
}

static bool is_text(span s, const char *text) { return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0; }

static bool take_apart(parts *p, const uint8_t *file, size_t n_bytes, uint64_t seed)
{
    cursor c = { file, n_bytes, true };
    p->n_entries = p->n_tensors = p->n_fresh = 0;
    p->random = seed;
    p->alignment = 32;
    if (take_number(&c, 4) != 0x46554747) return false;
    p->version = (uint32_t)take_number(&c, 4);
    const uint64_t n_tensors = take_number(&c, 8), n_entries = take_number(&c, 8);
    if (n_tensors > MAX_TENSORS || n_entries > MAX_ENTRIES) return false;
    for (uint64_t i = 0; i < n_entries && c.ok; i++) {
        entry *e = &p->entries[p->n_entries++];
        e->key = take_string(&c);
        e->type = (uint32_t)take_number(&c, 4);
        e->value = take_value(&c, e->type);
        if (is_text(e->key, "general.alignment") && e->type == GGUF_U32 && c.ok) memcpy(&p->alignment, e->value.p, 4);
    }
    for (uint64_t i = 0; i < n_tensors && c.ok; i++) {
        tensor *t = &p->tensors[p->n_tensors++];
        t->name = take_string(&c);
        t->n_dims = (uint32_t)take_number(&c, 4);
        for (uint32_t j = 0; j < 4; j++) t->dims[j] = j < t->n_dims ? take_number(&c, 8) : 1;
        t->type = (uint32_t)take_number(&c, 4);
        t->offset = take_number(&c, 8);
        if (t->n_dims > 4) c.ok = false;
    }
    if (p->alignment == 0 || p->alignment > 4096) p->alignment = 32;
    const size_t used = n_bytes - c.left, padding = (p->alignment - used % p->alignment) % p->alignment;
    if (c.ok) (void)take(&c, padding < c.left ? padding : c.left);
    p->data = (span){ c.p, c.left };
    return c.ok;
}

/* ------------------------------------------------------------------------------------------------- writing -- */

typedef struct writer { uint8_t *to; size_t n, room; parts *p; bool fits; } writer;

static void put(writer *w, const void *bytes, size_t n)
{
    w->fits = w->fits && n <= w->room - w->n;
    if (!w->fits) return;
    if (n) memcpy(w->to + w->n, bytes, n);
    w->n += n;
}

static void put_number(writer *w, uint64_t v, uint8_t width)
{
    if (w->p->n_places < MAX_PLACES) w->p->places[w->p->n_places++] = (place){ w->n, width };
    put(w, &v, width);
}

static void put_text(writer *w, span s)
{
    put_number(w, s.n, 8);
    put(w, s.p, s.n);
}

/* The file; 0 when it does not fit. */
static size_t put_together(parts *p, uint8_t *out, size_t max_bytes)
{
    writer w = { out, 0, max_bytes, p, true };
    p->n_places = 0;
    put(&w, "GGUF", 4);
    put_number(&w, p->version, 4);
    put_number(&w, p->n_tensors, 8);
    put_number(&w, p->n_entries, 8);
    for (size_t i = 0; i < p->n_entries; i++) {
        const entry *e = &p->entries[i];
        put_text(&w, e->key);
        put_number(&w, e->type, 4);
        if (p->n_places + 2 < MAX_PLACES && e->value.n >= 8) p->places[p->n_places++] = (place){ w.n, 8 };
        if (p->n_places + 2 < MAX_PLACES && e->value.n >= 12) p->places[p->n_places++] = (place){ w.n + 4, 8 };
        put(&w, e->value.p, e->value.n);
    }
    for (size_t i = 0; i < p->n_tensors; i++) {
        const tensor *t = &p->tensors[i];
        put_text(&w, t->name);
        put_number(&w, t->n_dims, 4);
        for (uint32_t j = 0; j < t->n_dims && j < 4; j++) put_number(&w, t->dims[j], 8);
        put_number(&w, t->type, 4);
        put_number(&w, t->offset, 8);
    }
    static const uint8_t zeros[4096];
    if (p->data.n) put(&w, zeros, (p->alignment - w.n % p->alignment) % p->alignment);
    put(&w, p->data.p, p->data.n);
    return w.fits ? w.n : 0;
}

/* --------------------------------------------------------------------------------------------- new contents -- */

static uint8_t *fresh(parts *p, size_t n)
{
    if (n > FRESH_BYTES - p->n_fresh) p->n_fresh = 0; /* so many changes that the first ones may go */
    uint8_t *at = p->fresh + p->n_fresh;
    p->n_fresh += n;
    return at;
}

static uint64_t odd_number(parts *p)
{
    static const uint64_t odd[] = { 0, 1, 2, 3, 7, 8, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 320, 321,
                                    4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_C(1) << 32,
                                    UINT64_C(1) << 40, UINT64_C(1) << 62, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 31,
                                    UINT64_MAX };
    const uint64_t r = pick(p, 8);
    if (r == 0) return model_random(&p->random) >> pick(p, 64);
    if (r == 1) return p->data.n + pick(p, 65) - 32;
    return odd[pick(p, TEST_COUNT(odd))];
}

static uint64_t odd_float(parts *p, bool is_double)
{
    static const double odd[] = { 0, -0.0, 1, -1, 1e-6, 1e-45, 0.5, 1e4, 1e6, 3.4e38, 1e308 };
    static const uint32_t special[] = { 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001 };
    uint64_t bits = 0;
    const double d = odd[pick(p, TEST_COUNT(odd))];
    const float f = d > 3.3e38 ? 3.4e38f : (float)d;
    if (is_double) memcpy(&bits, &d, sizeof d);
    else memcpy(&bits, &f, sizeof f);
    return !is_double && pick(p, 3) == 0 ? special[pick(p, TEST_COUNT(special))] : bits;
}

static uint64_t odd_scalar(parts *p, uint32_t type)
{
    if (type == GGUF_F32 || type == GGUF_F64) return odd_float(p, type == GGUF_F64);
    return odd_number(p);
}

static span changed(parts *p, span s)
{
    enum { MORE = 16 };
    if (s.n > FRESH_BYTES / 4) return s;
    uint8_t *to = fresh(p, s.n + MORE);
    memcpy(to, s.p, s.n);
    return (span){ to, LLVMFuzzerMutate(to, s.n, s.n + MORE) };
}

static span text_of(const char *text) { return (span){ (const uint8_t *)text, strlen(text) }; }

static const char *const ARCHITECTURES[] = { "llama", "qwen2", "qwen2vl", "gemma3", "qwen3", "gemma2", "phi3",
                                             "smollm3", "bert", "clip" };

static span any_key(parts *p)
{
    static const char *const keys[] = {
        "general.alignment", "general.architecture", "general.name", "general.file_type", "split.no", "split.count",
        "split.tensors.count", "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens",
        "tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.padding_token_id", "tokenizer.ggml.cls_token_id", "tokenizer.ggml.seperator_token_id",
        "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix",
        "tokenizer.ggml.remove_extra_whitespaces", "tokenizer.ggml.precompiled_charsmap", "tokenizer.chat_template",
    };
    static const char *const suffixes[] = {
        "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "attention.value_length", "vocab_size", "expert_count",
        "attention.layer_norm_rms_epsilon", "attention.sliding_window", "rope.dimension_count", "rope.freq_base",
        "rope.dimension_sections", "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length",
        "rope.scaling.attn_factor", "attn_logit_softcapping", "final_logit_softcapping", "attention.scale",
        "rope.scale_linear", "attention.sliding_window_pattern", "no_rope_layer_interval", "rope.freq_base_swa",
    };
    if (pick(p, 2)) return text_of(keys[pick(p, TEST_COUNT(keys))]);
    char *to = (char *)fresh(p, 64);
    (void)snprintf(to, 64, "%s.%s", ARCHITECTURES[pick(p, TEST_COUNT(ARCHITECTURES))],
                   suffixes[pick(p, TEST_COUNT(suffixes))]);
    return text_of(to);
}

static span any_text(parts *p)
{
    static const char *const texts[] = { "", "gpt2", "llama", "bert", "t5", "rwkv", "default", "gpt-2", "llama-bpe",
                                         "qwen2", "smollm", "deepseek-llm", "<|im_end|>", "<0x0A>", "<0xZZ>",
                                         "\xe2\x96\x81", "\xc4\xa0", "\xff\xfe", "linear", "yarn", "none", "a b",
                                         "{{ messages[0].content }}", "{% for m in messages %}<|im_start|>" };
    if (pick(p, 4) == 0) return text_of(ARCHITECTURES[pick(p, TEST_COUNT(ARCHITECTURES))]);
    return text_of(texts[pick(p, TEST_COUNT(texts))]);
}

static span string_value(parts *p, span text)
{
    const uint64_t n = text.n;
    uint8_t *to = fresh(p, text.n + 8);
    memcpy(to, &n, 8);
    memcpy(to + 8, text.p, text.n);
    return (span){ to, text.n + 8 };
}

static span scalar_value(parts *p, uint32_t type)
{
    const uint64_t v = odd_scalar(p, type);
    uint8_t *to = fresh(p, 8);
    memcpy(to, &v, 8);
    return (span){ to, scalar_bytes(type) };
}

/* A short array of numbers; of strings now and then. */
static span array_value(parts *p)
{
    static const uint32_t types[] = { GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_U64, GGUF_U8, GGUF_STRING };
    const uint32_t type = types[pick(p, TEST_COUNT(types))];
    const uint64_t n = pick(p, 9);
    uint8_t *to = fresh(p, 12 + 16 * 8);
    size_t used = 12;
    memcpy(to, &type, 4);
    memcpy(to + 4, &n, 8);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t v = type == GGUF_STRING ? 1 : odd_scalar(p, type);
        const size_t width = type == GGUF_STRING ? 8 : scalar_bytes(type);
        memcpy(to + used, &v, width);
        used += width;
        if (type == GGUF_STRING) to[used++] = (uint8_t)('a' + i);
    }
    return (span){ to, used };
}

/* ---------------------------------------------------------------------------------------- changes of entries -- */

/* One item of an array is another, or the items from one on are gone. */
static void change_array(parts *p, entry *e)
{
    if (e->value.n < 12 || e->value.n > FRESH_BYTES / 4) return;
    uint8_t *to = fresh(p, e->value.n);
    memcpy(to, e->value.p, e->value.n);
    e->value.p = to;
    uint32_t type;
    uint64_t n;
    memcpy(&type, to, 4);
    memcpy(&n, to + 4, 8);
    if (n == 0) return;
    const uint64_t i = pick(p, n);
    const size_t width = scalar_bytes(type);
    cursor c = { to + 12, e->value.n - 12, true };
    if (width) (void)take(&c, i * width);
    else for (uint64_t j = 0; j < i; j++) (void)take_string(&c);
    const size_t at = e->value.n - c.left;
    if (pick(p, 3) == 0) { /* cut */
        memcpy(to + 4, &i, 8);
        e->value.n = at;
    } else if (width) {
        const uint64_t v = odd_scalar(p, type);
        memcpy(to + at, &v, width);
    } else { /* other letters, of the same number */
        const span s = take_string(&c);
        if (c.ok && s.n > 0) (void)LLVMFuzzerMutate(to + (s.p - to), s.n, s.n);
    }
}

static void change_value(parts *p, entry *e)
{
    static const uint8_t types[] = { GGUF_U32, GGUF_I32, GGUF_U64, GGUF_F32, GGUF_BOOL, GGUF_U16, GGUF_I8, GGUF_F64 };
    const uint64_t what = pick(p, 8);
    if (what == 0) {
        e->type = types[pick(p, sizeof types)];
        e->value = scalar_value(p, e->type);
    } else if (what == 1) {
        e->type = GGUF_ARRAY;
        e->value = array_value(p);
    } else if (what == 2) {
        e->type = GGUF_STRING;
        e->value = string_value(p, any_text(p));
    } else if (e->type == GGUF_STRING && e->value.n >= 8) {
        e->value = string_value(p, changed(p, (span){ e->value.p + 8, e->value.n - 8 }));
    } else if (e->type == GGUF_ARRAY) {
        change_array(p, e);
    } else if (scalar_bytes(e->type)) {
        e->value = scalar_value(p, e->type);
    }
}

static void change_entry(parts *p)
{
    const uint64_t what = pick(p, 12);
    if (p->n_entries == 0 || (what == 0 && p->n_entries < MAX_ENTRIES)) {
        p->entries[p->n_entries] = (entry){ .key = any_key(p) };
        change_value(p, &p->entries[p->n_entries++]);
        return;
    }
    entry *e = &p->entries[pick(p, p->n_entries)], *other = &p->entries[pick(p, p->n_entries)];
    if (what == 1) *e = p->entries[--p->n_entries];
    else if (what == 2 && p->n_entries < MAX_ENTRIES) p->entries[p->n_entries++] = *e;
    else if (what == 3) e->key = pick(p, 2) ? any_key(p) : changed(p, e->key);
    else if (what == 4) { const entry kept = *e; *e = *other; *other = kept; }
    else if (what == 5) e->value = other->value, e->type = other->type;
    else change_value(p, e);
}

/* -------------------------------------------------------------------------------- changes of tensors and data -- */

static void change_dims(parts *p, tensor *t)
{
    const uint64_t what = pick(p, 4), i = pick(p, 4);
    if (what == 0) t->n_dims = (uint32_t)pick(p, 6);
    else if (what == 1) t->dims[i] = odd_number(p);
    else if (what == 2) t->dims[i] = pick(p, 2) ? t->dims[i] * 2 : t->dims[i] / 2;
    else { const uint64_t kept = t->dims[0]; t->dims[0] = t->dims[1]; t->dims[1] = kept; }
}

static void change_tensor(parts *p)
{
    if (p->n_tensors == 0) return;
    tensor *t = &p->tensors[pick(p, p->n_tensors)], *other = &p->tensors[pick(p, p->n_tensors)];
    switch (pick(p, 8)) {
    case 0: *t = p->tensors[--p->n_tensors]; break;
    case 1: if (p->n_tensors < MAX_TENSORS) p->tensors[p->n_tensors++] = *t; break;
    case 2: t->name = pick(p, 2) ? other->name : changed(p, t->name); break;
    case 3: t->type = (uint32_t)pick(p, 42); break;
    case 4: t->offset = other->offset; break;
    case 5: t->offset = pick(p, 2) ? odd_number(p) : t->offset + 32 * pick(p, 8) - 96; break;
    default: change_dims(p, t); break;
    }
}

static void change_data(parts *p)
{
    static const uint32_t patterns[] = { 0x7fc00000, 0x7f800000, 0xff800000, 0x7c007c00, 0x7e007e00, 0xffffffff, 0,
                                         0x00010001, 0x7bff7bff, 0x7f7fffff };
    if (p->data.n < 4 || p->data.n > FRESH_BYTES / 2) return;
    if (pick(p, 3) == 0) {
        p->data.n = (size_t)pick(p, p->data.n);
        return;
    }
    uint8_t *to = fresh(p, p->data.n);
    memcpy(to, p->data.p, p->data.n);
    p->data.p = to;
    const uint32_t pattern = patterns[pick(p, TEST_COUNT(patterns))];
    const size_t at = (size_t)pick(p, p->data.n - 3), n = (size_t)pick(p, pick(p, 2) ? 64 : p->data.n);
    for (size_t i = at; i + 4 <= p->data.n && i < at + n + 4; i += 4) memcpy(to + i, &pattern, 4);
}

static void change_header(parts *p)
{
    if (pick(p, 2)) p->version = (uint32_t)pick(p, 5);
    else p->alignment = 1u << pick(p, 13);
}

/* ------------------------------------------------------------------------------------------------- together -- */

static parts one, two;

size_t gguf_mutate(uint8_t *data, size_t n_bytes, size_t max_bytes, uint64_t seed)
{
    static uint8_t copy[1 << 20];
    uint64_t r = seed;
    if (n_bytes > sizeof copy || model_random(&r) % 10 == 0) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    memcpy(copy, data, n_bytes);
    if (!take_apart(&one, copy, n_bytes, model_random(&r))) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    do {
        const uint64_t what = pick(&one, 16);
        if (what < 8) change_entry(&one);
        else if (what < 13) change_tensor(&one);
        else if (what < 15) change_data(&one);
        else change_header(&one);
    } while (pick(&one, 2));
    const size_t n = put_together(&one, data, max_bytes);
    if (n == 0) {
        memcpy(data, copy, n_bytes);
        return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    }
    if (pick(&one, 5) == 0) { /* one lie */
        const place at = one.places[pick(&one, one.n_places)];
        const uint64_t v = odd_number(&one);
        if (at.at + at.width <= n) memcpy(data + at.at, &v, at.width);
    }
    return n;
}

/* In the place of the entry with that key, or behind the others. */
static void put_entry(parts *p, const entry *e)
{
    for (size_t i = 0; i < p->n_entries; i++) {
        const span key = p->entries[i].key;
        if (key.n != e->key.n || memcmp(key.p, e->key.p, key.n) != 0) continue;
        p->entries[i] = *e;
        return;
    }
    if (p->n_entries < MAX_ENTRIES) p->entries[p->n_entries++] = *e;
}

size_t gguf_cross(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out, size_t max_bytes,
                  uint64_t seed)
{
    if (!take_apart(&one, a, a_bytes, seed) || !take_apart(&two, b, b_bytes, seed)) return 0;
    for (uint64_t n = 1 + pick(&one, 4); n > 0; n--) {
        if (two.n_entries > 0 && pick(&one, 3)) put_entry(&one, &two.entries[pick(&one, two.n_entries)]);
        else if (two.n_tensors > 0 && one.n_tensors < MAX_TENSORS)
            one.tensors[one.n_tensors++] = two.tensors[pick(&one, two.n_tensors)];
    }
    return put_together(&one, out, max_bytes);
}
