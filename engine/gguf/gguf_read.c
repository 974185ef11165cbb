/* SPDX-License-Identifier: MIT
 * gguf_read.c - from bytes nobody vouches for to a table of entries and tensors.
 *
 * File: "GGUF", u32 version, u64 n_tensors, u64 n_kv, the entries, the tensor entries, padding, data.
 * Owns one block, laid out from the two counts once these are known to fit the bytes that follow. Values stay in the
 * file; only tensor data is never looked at. Refuses on the first thing wrong, and says where.
 * Invariant: every number of the file is compared before it is used, and never summed or multiplied unchecked.
 */
#include "engine/gguf/gguf.h"

#include <utf8proc.h>

#include "engine/base/arena.h"
#include "engine/base/checked_math.h"
#include "engine/gguf/gguf_private.h"

/* The smallest entry: name length, a name of one byte, ... */
enum {
    MIN_KV_BYTES = 8 + 1 + 4 + 1,          /* type, value */
    MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8, /* n_dims, one dimension, type, offset */
    N_TENSORS_AT = 8,
    N_KV_AT = 16,
    DEFAULT_ALIGNMENT = 32
};

static const char incomplete[] = "the file is incomplete: download or copy it again";
static const char damaged[] = "the file is damaged: download it again, or write it with another tool";

typedef struct reader {
    einf__cursor c;
    einf__gguf *g;
    einf_error *err;
    uint64_t infos_at; /* first tensor entry */
    char where[64];    /* the key or tensor being read */
} reader;

static unsigned long long llu(uint64_t v) { return v; }
static uint64_t here(const reader *r) { return einf__cursor_offset(&r->c); }
static uint64_t left(const reader *r) { return einf__cursor_left(&r->c); }

static einf_status fail_end(const reader *r, const char *what)
{
    return einf__fail(r->err, EINF_E_FORMAT, here(r), r->where, incomplete,
                      "the file of %llu bytes ends within %s: %llu bytes are left",
                      llu(r->g->source->size_bytes), what, llu(left(r)));
}

/* -------------------------------------------------------------------------------------------------- header -- */

static einf_status check_magic(reader *r)
{
    const uint8_t *p = r->c.begin;
    const uint64_t n = left(r);
    if (n >= 4 && memcmp(p, "GGUF", 4) == 0) {
        r->c.at += 4;
        return EINF_OK;
    }
    const char *hint = "give the path of a .gguf file", *kind = einf__gguf_looks_like(p, n, &hint);
    if (kind) return einf__fail(r->err, EINF_E_FORMAT, 0, NULL, hint, "not a GGUF file: this is %s", kind);
    if (n < 4)
        return einf__fail(r->err, EINF_E_FORMAT, 0, NULL, incomplete,
                          "not a GGUF file: %llu bytes are fewer than its magic has, 4", llu(n));
    return einf__fail(r->err, EINF_E_FORMAT, 0, NULL, hint,
                      "not a GGUF file: it begins with the bytes %02x %02x %02x %02x, not with \"GGUF\"", p[0], p[1],
                      p[2], p[3]);
}

static einf_status read_version(reader *r)
{
    const uint64_t at = here(r);
    uint32_t v;
    if (!einf__cursor_u32(&r->c, &v)) return fail_end(r, "the version");
    r->g->version = v;
    if (v == 2 || v == 3) return EINF_OK;
    if (v != 0 && (v & 0xffff) == 0)
        return einf__fail(r->err, EINF_E_FORMAT, at, NULL, "only little-endian files are read: convert it again",
                          "version 0x%08x is byte-swapped: this is a big-endian GGUF file", v);
    return einf__fail(r->err, EINF_E_FORMAT, at, NULL,
                      v == 1  ? "convert the model again with a tool of today"
                      : v > 3 ? "a newer version of this library may read it"
                              : damaged,
                      "GGUF version %u, supported are 2 and 3", v);
}

/* A count is only believed when so many of the smallest entries fit into the rest of the file. */
static einf_status check_count(const reader *r, const char *what, uint64_t at, uint64_t n, uint64_t min_bytes,
                               uint64_t limit)
{
    if (n > left(r) / min_bytes)
        return einf__fail(r->err, EINF_E_FORMAT, at, what, damaged,
                          "%s is %llu, but the %llu bytes that follow hold %llu at most", what, llu(n), llu(left(r)),
                          llu(left(r) / min_bytes));
    if (n > limit)
        return einf__fail(r->err, EINF_E_LIMIT, at, what, NULL, "%s is %llu, the limit is %llu", what, llu(n),
                          llu(limit));
    return EINF_OK;
}

static einf_status read_counts(reader *r)
{
    einf__gguf *g = r->g;
    if (!einf__cursor_u64(&r->c, &g->n_tensors)) return fail_end(r, "the number of tensors");
    if (!einf__cursor_u64(&r->c, &g->n_kv)) return fail_end(r, "the number of metadata entries");
    EINF_TRY(check_count(r, "n_tensors", N_TENSORS_AT, g->n_tensors, MIN_TENSOR_BYTES, EINF__GGUF_MAX_TENSORS));
    EINF_TRY(check_count(r, "n_kv", N_KV_AT, g->n_kv, MIN_KV_BYTES, EINF__GGUF_MAX_KV));
    /* Both are small now. */
    if (g->n_kv * MIN_KV_BYTES + g->n_tensors * MIN_TENSOR_BYTES > left(r))
        return einf__fail(r->err, EINF_E_FORMAT, N_TENSORS_AT, "n_tensors", damaged,
                          "%llu entries and %llu tensors do not fit into the %llu bytes that follow", llu(g->n_kv),
                          llu(g->n_tensors), llu(left(r)));
    return EINF_OK;
}

static void lay_out(einf__arena *a, einf__gguf *g)
{
    g->kv = EINF__CARVE(a, einf__gguf_kv, g->n_kv);
    g->tensors = EINF__CARVE(a, einf__gguf_tensor, g->n_tensors);
    g->kv_index = EINF__CARVE(a, uint32_t, einf__gguf_index_slots(g->n_kv));
    g->tensor_index = EINF__CARVE(a, uint32_t, einf__gguf_index_slots(g->n_tensors));
}

einf_status einf__gguf_allocate(einf__gguf *g, einf_error *err)
{
    if (g->n_kv == 0 && g->n_tensors == 0) return EINF_OK;
    einf__arena count = einf__arena_counting();
    lay_out(&count, g);
    EINF_TRY(einf__alloc_or_fail(g->mem, count.used_bytes, "the tables of metadata and tensors", &g->block, err));
    g->block_bytes = count.used_bytes;
    einf__arena carve = einf__arena_over(g->block, g->block_bytes);
    lay_out(&carve, g);

    const uint64_t n_kv_slots = einf__gguf_index_slots(g->n_kv), n_slots = einf__gguf_index_slots(g->n_tensors);
    g->kv_index_mask = n_kv_slots - 1; /* an empty index is never asked */
    g->tensor_index_mask = n_slots - 1;
    if (n_kv_slots) memset(g->kv_index, 0, (size_t)n_kv_slots * sizeof *g->kv_index);
    if (n_slots) memset(g->tensor_index, 0, (size_t)n_slots * sizeof *g->tensor_index);
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- names -- */

static void set_where(reader *r, einf__bytes name)
{
    const size_t n = name.n < sizeof r->where ? (size_t)name.n : sizeof r->where - 1;
    memcpy(r->where, name.p, n);
    r->where[n] = '\0';
}

static einf_status check_utf8(const reader *r, const char *what, uint64_t at, einf__bytes name)
{
    const uint8_t *p = (const uint8_t *)name.p;
    for (uint64_t i = 0; i < name.n;) {
        int32_t cp;
        const utf8proc_ssize_t n = utf8proc_iterate(p + i, (utf8proc_ssize_t)(name.n - i), &cp);
        if (n <= 0 || cp == 0)
            return einf__fail(r->err, EINF_E_FORMAT, at + i, r->where, damaged, "byte %llu of the %s is 0x%02x: %s",
                              llu(i), what, p[i], n > 0 ? "a NUL is not allowed" : "not valid UTF-8");
        i += (uint64_t)n;
    }
    return EINF_OK;
}

static einf_status read_name(reader *r, const char *what, uint64_t i, uint64_t max_bytes, einf__bytes *out)
{
    const uint64_t at = here(r);
    r->where[0] = '\0';
    if (!einf__cursor_u64(&r->c, &out->n)) return fail_end(r, what);
    if (out->n == 0 || out->n > max_bytes)
        return einf__fail(r->err, EINF_E_FORMAT, at, NULL, damaged, "%s %llu is %llu bytes long, allowed are 1..%llu",
                          what, llu(i), llu(out->n), llu(max_bytes));
    if (out->n > left(r))
        return einf__fail(r->err, EINF_E_FORMAT, at, NULL, incomplete,
                          "%s %llu is %llu bytes long, but the file ends after %llu", what, llu(i), llu(out->n),
                          llu(left(r)));
    out->p = (const char *)einf__cursor_take(&r->c, out->n);
    set_where(r, *out);
    return check_utf8(r, what, at + sizeof out->n, *out);
}

/* Enter the name of entry i at offset `at` into its index. */
static einf_status add_name(reader *r, einf__gguf_list list, einf__bytes name, uint64_t i, uint64_t at)
{
    uint32_t *slot = einf__gguf_slot(r->g, list, name);
    if (*slot != 0)
        return einf__fail(r->err, EINF_E_FORMAT, at, r->where, damaged, "%s %llu has the name of %s %u",
                          list == EINF__GGUF_KVS ? "metadata entry" : "tensor", llu(i),
                          list == EINF__GGUF_KVS ? "entry" : "tensor", *slot - 1);
    *slot = (uint32_t)i + 1;
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- entries -- */

/* n items of a fixed size. */
static einf_status take_items(reader *r, einf__gguf_kv *kv)
{
    const uint64_t item_bytes = einf__gguf_item_bytes(kv->item_type);
    if (kv->n_items > left(r) / item_bytes)
        return einf__fail(r->err, EINF_E_FORMAT, here(r), r->where, incomplete,
                          "%llu values of type %s need %llu bytes each, but the file ends after %llu bytes",
                          llu(kv->n_items), einf__gguf_plain_type_name(kv->item_type), llu(item_bytes), llu(left(r)));
    kv->value_bytes = kv->n_items * item_bytes;
    kv->value = einf__cursor_take(&r->c, kv->value_bytes);
    if (kv->item_type != EINF__GGUF_BOOL) return EINF_OK;
    for (uint64_t i = 0; i < kv->n_items; i++)
        if (kv->value[i] > 1)
            return einf__fail(r->err, EINF_E_FORMAT, here(r) - kv->value_bytes + i, r->where, damaged,
                              "a bool is %u, allowed are 0 and 1", kv->value[i]);
    return EINF_OK;
}

static einf_status fail_string(const reader *r, uint64_t i)
{
    uint64_t n = 0;
    einf__cursor peek = r->c;
    if (!einf__cursor_u64(&peek, &n)) return fail_end(r, "the length of a string");
    if (n > einf__cursor_left(&peek))
        return einf__fail(r->err, EINF_E_FORMAT, here(r), r->where, incomplete,
                          "string %llu is %llu bytes long, but the file ends after %llu", llu(i), llu(n),
                          llu(einf__cursor_left(&peek)));
    return einf__fail(r->err, EINF_E_LIMIT, here(r), r->where, NULL,
                      "string %llu is %llu bytes long, the limit is %llu", llu(i), llu(n),
                      llu(EINF__GGUF_MAX_STRING_BYTES));
}

/* n strings, walked once so that everyone may walk them again without looking. */
static einf_status take_strings(reader *r, einf__gguf_kv *kv)
{
    if (kv->n_items > left(r) / sizeof(uint64_t))
        return einf__fail(r->err, EINF_E_FORMAT, here(r), r->where, incomplete,
                          "%llu strings need 8 bytes each at least, but the file ends after %llu bytes",
                          llu(kv->n_items), llu(left(r)));
    kv->value = r->c.at;
    for (uint64_t i = 0; i < kv->n_items; i++) {
        einf__cursor before = r->c;
        einf__bytes s;
        if (!einf__cursor_string(&r->c, &s) || s.n > EINF__GGUF_MAX_STRING_BYTES) {
            r->c = before;
            return fail_string(r, i);
        }
    }
    kv->value_bytes = (uint64_t)(r->c.at - kv->value);
    return EINF_OK;
}

static einf_status read_type(reader *r, const char *what, einf__gguf_type *out)
{
    const uint64_t at = here(r);
    uint32_t type;
    if (!einf__cursor_u32(&r->c, &type)) return fail_end(r, what);
    if (type >= EINF__GGUF_N_TYPES)
        return einf__fail(r->err, EINF_E_FORMAT, at, r->where, damaged, "%s is %u, known are 0..%d", what, type,
                          EINF__GGUF_N_TYPES - 1);
    *out = (einf__gguf_type)type;
    return EINF_OK;
}

static einf_status read_value(reader *r, einf__gguf_kv *kv)
{
    EINF_TRY(read_type(r, "the value type", &kv->type));
    kv->item_type = kv->type;
    kv->n_items = 1;
    if (kv->type == EINF__GGUF_ARRAY) {
        const uint64_t at = here(r);
        EINF_TRY(read_type(r, "the item type of an array", &kv->item_type));
        if (kv->item_type == EINF__GGUF_ARRAY)
            return einf__fail(r->err, EINF_E_FORMAT, at, r->where,
                              "no model needs them: write the file with another tool",
                              "an array of arrays (item type %d) is not supported", EINF__GGUF_ARRAY);
        if (!einf__cursor_u64(&r->c, &kv->n_items)) return fail_end(r, "the length of an array");
    }
    return kv->item_type == EINF__GGUF_STRING ? take_strings(r, kv) : take_items(r, kv);
}

static einf_status read_kvs(reader *r)
{
    for (uint64_t i = 0; i < r->g->n_kv; i++) {
        einf__gguf_kv *kv = &r->g->kv[i];
        const uint64_t at = here(r);
        EINF_TRY(read_name(r, "key", i, EINF__GGUF_MAX_KEY_BYTES, &kv->key));
        EINF_TRY(read_value(r, kv));
        EINF_TRY(add_name(r, EINF__GGUF_KVS, kv->key, i, at));
    }
    r->where[0] = '\0';
    return EINF_OK;
}

static einf_status read_alignment(reader *r)
{
    static const char key[] = "general.alignment";
    const einf__gguf_kv *kv = einf__gguf_find(r->g, key);
    r->g->alignment = DEFAULT_ALIGNMENT;
    if (!kv) return EINF_OK;
    const uint64_t at = (uint64_t)(kv->value - r->c.begin);
    if (kv->type != EINF__GGUF_U32)
        return einf__fail(r->err, EINF_E_FORMAT, at, key, damaged, "general.alignment has type %s, expected u32",
                          einf__gguf_type_name(kv));
    uint32_t v;
    memcpy(&v, kv->value, sizeof v);
    if (!einf__is_pow2_u64(v) || v < 8 || v > EINF__GGUF_MAX_ALIGNMENT)
        return einf__fail(r->err, EINF_E_FORMAT, at, key, damaged,
                          "general.alignment is %u, allowed are powers of two in 8..%u", v, EINF__GGUF_MAX_ALIGNMENT);
    r->g->alignment = v;
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- tensors -- */

static einf_status read_dims(reader *r, einf__gguf_tensor *t)
{
    const uint64_t at = here(r);
    uint32_t n_dims;
    uint64_t n_elems = 1;
    if (!einf__cursor_u32(&r->c, &n_dims)) return fail_end(r, "the number of dimensions");
    if (n_dims < 1 || n_dims > 4)
        return einf__fail(r->err, EINF_E_FORMAT, at, r->where, damaged,
                          "the tensor has %u dimensions, allowed are 1..4", n_dims);
    t->n_dims = (int32_t)n_dims;
    for (uint32_t d = 0; d < 4; d++) {
        t->dims[d] = 1;
        if (d >= n_dims) continue;
        const uint64_t dim_at = here(r);
        if (!einf__cursor_u64(&r->c, &t->dims[d])) return fail_end(r, "a dimension");
        if (t->dims[d] == 0)
            return einf__fail(r->err, EINF_E_FORMAT, dim_at, r->where, damaged, "dim[%u] is 0, expected 1 or more", d);
        if (!einf__mul_u64(n_elems, t->dims[d], &n_elems) || n_elems >= EINF__GGUF_MAX_ELEMS)
            return einf__fail(r->err, EINF_E_FORMAT, dim_at, r->where, damaged,
                              "dim[%u] is %llu: the tensor would have 2^48 elements or more", d, llu(t->dims[d]));
    }
    return EINF_OK;
}

static einf_status read_dtype(reader *r, einf__gguf_tensor *t)
{
    const uint64_t at = here(r);
    uint32_t elems, bytes;
    if (!einf__cursor_u32(&r->c, &t->file_type)) return fail_end(r, "the tensor type");
    const char *name = einf__dtype_file_name(t->file_type);
    if (!einf__dtype_file_geometry(t->file_type, &elems, &bytes))
        return einf__fail(r->err, EINF_E_FORMAT, at, r->where, "use a version of the model in a type like Q4_K or Q8_0",
                          "tensor type %u (%s) cannot be read", t->file_type, name);
    if (t->dims[0] % elems != 0)
        return einf__fail(r->err, EINF_E_FORMAT, at, r->where, damaged,
                          "dim[0] is %llu, no multiple of %u, the block of type %s", llu(t->dims[0]), elems, name);
    t->dtype = EINF__N_DTYPES;
    t->computable = einf__dtype_from_file_id(t->file_type, &t->dtype);
    /* At most 8 bytes an element, and fewer than 2^48 elements. */
    t->size_bytes = t->dims[0] / elems * bytes * t->dims[1] * t->dims[2] * t->dims[3];
    return EINF_OK;
}

static einf_status read_tensors(reader *r)
{
    r->infos_at = here(r);
    for (uint64_t i = 0; i < r->g->n_tensors; i++) {
        einf__gguf_tensor *t = &r->g->tensors[i];
        const uint64_t at = here(r);
        einf__bytes name;
        memset(t, 0, sizeof *t);
        t->source = r->g->source;
        EINF_TRY(read_name(r, "tensor name", i, sizeof t->name - 1, &name));
        memcpy(t->name, name.p, (size_t)name.n);
        EINF_TRY(read_dims(r, t));
        EINF_TRY(read_dtype(r, t));
        if (!einf__cursor_u64(&r->c, &t->offset)) return fail_end(r, "the offset of a tensor");
        EINF_TRY(add_name(r, EINF__GGUF_TENSORS, name, i, at));
    }
    r->where[0] = '\0';
    return EINF_OK;
}

/* Where the file says the offset of tensor i, for a message. */
static uint64_t offset_field_at(const reader *r, uint64_t i)
{
    uint64_t at = r->infos_at;
    for (uint64_t j = 0; j <= i; j++) {
        const einf__gguf_tensor *t = &r->g->tensors[j];
        at += sizeof(uint64_t) + strlen(t->name) + sizeof(uint32_t) + (uint64_t)t->n_dims * sizeof(uint64_t) +
              sizeof(uint32_t) + sizeof(uint64_t);
    }
    return at - sizeof(uint64_t);
}

/* Offsets were relative to the data section; make them absolute and prove that the data is there. */
static einf_status place_tensors(reader *r)
{
    einf__gguf *g = r->g;
    const uint64_t file_bytes = g->source->size_bytes;
    if (!einf__align_up_u64(here(r), g->alignment, &g->data_offset) || g->data_offset > file_bytes) {
        g->data_offset = file_bytes; /* a file without tensors may end unpadded */
        if (g->n_tensors == 0) return EINF_OK;
        return fail_end(r, "the padding before the tensor data");
    }
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        einf__gguf_tensor *t = &g->tensors[i];
        const uint64_t relative = t->offset;
        uint64_t end;
        if (relative % g->alignment != 0)
            return einf__fail(r->err, EINF_E_FORMAT, offset_field_at(r, i), t->name, damaged,
                              "the tensor's offset %llu is no multiple of the alignment %llu", llu(relative),
                              llu(g->alignment));
        if (!einf__add_u64(g->data_offset, relative, &t->offset) || !einf__add_u64(t->offset, t->size_bytes, &end) ||
            end > file_bytes)
            return einf__fail(r->err, EINF_E_FORMAT, offset_field_at(r, i), t->name, incomplete,
                              "the tensor's %llu bytes at %llu of the data section lie beyond the end of the file: "
                              "the section has %llu bytes",
                              llu(t->size_bytes), llu(relative), llu(file_bytes - g->data_offset));
    }
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- overlap -- */

static bool starts_before(const einf__gguf *g, uint32_t a, uint32_t b)
{
    const uint64_t at_a = g->tensors[a].offset, at_b = g->tensors[b].offset;
    return at_a < at_b || (at_a == at_b && a < b);
}

static void sift_down(const einf__gguf *g, uint32_t *order, uint64_t root, uint64_t n)
{
    for (uint64_t child; (child = root * 2 + 1) < n; root = child) {
        if (child + 1 < n && starts_before(g, order[child], order[child + 1])) child++;
        if (!starts_before(g, order[root], order[child])) return;
        const uint32_t t = order[root];
        order[root] = order[child];
        order[child] = t;
    }
}

/* Heap sort: its worst case, which a file may ask for, is n log n, and it needs no memory. */
static void sort_by_offset(const einf__gguf *g, uint32_t *order, uint64_t n)
{
    for (uint64_t i = n / 2; i-- > 0;) sift_down(g, order, i, n);
    for (uint64_t end = n; end-- > 1;) {
        const uint32_t t = order[0];
        order[0] = order[end];
        order[end] = t;
        sift_down(g, order, 0, end);
    }
}

/* Neighbours in order of offset may touch but not overlap. order NULL: the order of the file. */
static einf_status check_neighbours(const reader *r, const uint32_t *order)
{
    const einf__gguf *g = r->g;
    for (uint64_t i = 1; i < g->n_tensors; i++) {
        const einf__gguf_tensor *a = &g->tensors[order ? order[i - 1] : i - 1], *b = &g->tensors[order ? order[i] : i];
        if (a->offset + a->size_bytes > b->offset)
            return einf__fail(r->err, EINF_E_FORMAT, offset_field_at(r, (uint64_t)(b - g->tensors)), b->name, damaged,
                              "the tensor's data at %llu overlaps that of '%s', which is %llu..%llu", llu(b->offset),
                              a->name, llu(a->offset), llu(a->offset + a->size_bytes));
    }
    return EINF_OK;
}

static einf_status check_overlap(const reader *r)
{
    const einf__gguf *g = r->g;
    bool in_order = true;
    for (uint64_t i = 1; i < g->n_tensors && in_order; i++) in_order = g->tensors[i - 1].offset <= g->tensors[i].offset;
    if (in_order) return check_neighbours(r, NULL); /* all real files */

    void *order;
    const uint64_t order_bytes = g->n_tensors * sizeof(uint32_t);
    EINF_TRY(einf__alloc_or_fail(g->mem, order_bytes, "sorting the tensors", &order, r->err));
    uint32_t *o = order;
    for (uint32_t i = 0; i < g->n_tensors; i++) o[i] = i;
    sort_by_offset(g, o, g->n_tensors);
    const einf_status status = check_neighbours(r, o);
    einf__free(g->mem, order, (size_t)order_bytes);
    return status;
}

/* --------------------------------------------------------------------------------------------------- parse -- */

static einf_status parse(reader *r)
{
    EINF_TRY(check_magic(r));
    EINF_TRY(read_version(r));
    EINF_TRY(read_counts(r));
    EINF_TRY(einf__gguf_allocate(r->g, r->err));
    EINF_TRY(read_kvs(r));
    EINF_TRY(read_alignment(r));
    EINF_TRY(read_tensors(r));
    EINF_TRY(place_tensors(r));
    return check_overlap(r);
}

einf_status einf__gguf_parse(einf__memory *mem, const einf__source *source, einf__gguf *out, einf_error *err)
{
    memset(out, 0, sizeof *out);
    out->mem = mem;
    out->source = source;
    reader r = { .c = einf__cursor_over(source->data, source->size_bytes), .g = out, .err = err };
    const einf_status status = parse(&r);
    if (status != EINF_OK) einf__gguf_deinit(out);
    return status;
}

void einf__gguf_deinit(einf__gguf *g)
{
    if (g->block) einf__free(g->mem, g->block, (size_t)g->block_bytes);
    memset(g, 0, sizeof *g);
}
