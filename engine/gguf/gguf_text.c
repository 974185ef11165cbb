/* SPDX-License-Identifier: MIT
 * gguf_text.c - metadata as text: names of types, numbers, strings that are safe to show.
 *
 * Whatever a file holds comes out as valid UTF-8 without control characters, and reads the same in every locale.
 */
#include <stdio.h>

#include <utf8proc.h>

#include "engine/base/float_text.h"
#include "engine/gguf/gguf_private.h"

/* --------------------------------------------------------------------------------------------------- types -- */

/* X(enum, name, bytes of an item, is an integer) */
#define TYPE_MAP(X) \
    X(U8, "u8", 1, true) X(I8, "i8", 1, true) X(U16, "u16", 2, true) X(I16, "i16", 2, true) X(U32, "u32", 4, true) \
    X(I32, "i32", 4, true) X(F32, "f32", 4, false) X(BOOL, "bool", 1, false) X(STRING, "string", 0, false) \
    X(ARRAY, "array", 0, false) X(U64, "u64", 8, true) X(I64, "i64", 8, true) X(F64, "f64", 8, false)

static const struct { const char *name, *array_name; uint32_t item_bytes; bool is_int; } types[EINF__GGUF_N_TYPES] = {
#define ROW(type, text, n_bytes, integer) [EINF__GGUF_##type] = { text, "array of " text, n_bytes, integer },
    TYPE_MAP(ROW)
#undef ROW
};

const char *einf__gguf_plain_type_name(einf__gguf_type type) { return types[type].name; }
uint32_t einf__gguf_item_bytes(einf__gguf_type type) { return types[type].item_bytes; }
bool einf__gguf_is_int(einf__gguf_type type) { return types[type].is_int; }

const char *einf__gguf_type_name(const einf__gguf_kv *kv)
{
    return kv->type == EINF__GGUF_ARRAY ? types[kv->item_type].array_name : types[kv->type].name;
}

/* ------------------------------------------------------------------------------------------------- strings -- */

/* Text that is cut at a whole piece where the room ends, while its full length is counted. */
typedef struct sink {
    char *buf;
    uint64_t room;   /* for text, the NUL not counted */
    uint64_t n;      /* written */
    uint64_t n_full; /* as if there were room */
    bool full;
} sink;

static void put(sink *s, const void *piece, uint64_t n)
{
    s->n_full += n;
    s->full = s->full || n > s->room - s->n;
    if (s->full) return;
    memcpy(s->buf + s->n, piece, (size_t)n);
    s->n += n;
}

/* C0, DEL, C1, and the invisible ones that turn lines or reading direction around. */
static bool is_control(int32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

static void put_string(sink *s, const uint8_t *p, uint64_t n_bytes)
{
    for (uint64_t i = 0; i < n_bytes;) {
        char escape[16];
        int32_t cp;
        const utf8proc_ssize_t taken = utf8proc_iterate(p + i, (utf8proc_ssize_t)(n_bytes - i), &cp);
        const uint64_t n = taken > 0 ? (uint64_t)taken : 0; /* 0: no character */
        if (n && cp != '\\' && !is_control(cp)) {
            put(s, p + i, n);
            i += n;
            continue;
        }
        if (n == 0 || (n == 1 && cp != '\n' && cp != '\t' && cp != '\r' && cp != '\\'))
            snprintf(escape, sizeof escape, "\\x%02x", p[i]);
        else if (n == 1)
            snprintf(escape, sizeof escape, "\\%c", cp == '\n' ? 'n' : cp == '\t' ? 't' : cp == '\r' ? 'r' : '\\');
        else
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)cp);
        put(s, escape, strlen(escape));
        i += n ? n : 1;
    }
}

/* ------------------------------------------------------------------------------------------------- an item -- */

/* j < n_items. Strings have lengths of their own: an item is found by walking, from *place where that is before it. */
static einf__bytes string_item(const einf__gguf_kv *kv, uint64_t j, einf__gguf_place *place)
{
    einf__cursor c = einf__gguf_strings_begin(kv);
    uint64_t i = 0;
    if (place && place->kv == kv && place->item <= j) {
        c.at = place->at;
        i = place->item;
    }
    for (; i < j; i++) (void)einf__gguf_strings_next(&c);
    if (place) *place = (einf__gguf_place){ kv, j, c.at };
    return einf__gguf_strings_next(&c);
}

static void put_number(sink *s, const einf__gguf_kv *kv, uint64_t j)
{
    char text[32];
    const uint8_t *p = kv->value + j * types[kv->item_type].item_bytes;
    if (kv->item_type == EINF__GGUF_F32) {
        float v;
        memcpy(&v, p, sizeof v);
        einf__f32_text(v, text);
    } else if (kv->item_type == EINF__GGUF_F64) {
        double v;
        memcpy(&v, p, sizeof v);
        einf__f64_text(v, text);
    } else if (kv->item_type == EINF__GGUF_BOOL) {
        snprintf(text, sizeof text, "%s", *p ? "true" : "false");
    } else if (kv->item_type == EINF__GGUF_U64) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    } else {
        snprintf(text, sizeof text, "%lld", (long long)einf__gguf_int_item(kv, j));
    }
    put(s, text, strlen(text));
}

uint64_t einf__gguf_item_text(const einf__gguf_kv *kv, uint64_t j, einf__gguf_place *place, char *buf,
                              uint64_t buf_bytes)
{
    sink s = { .buf = buf, .room = buf_bytes ? buf_bytes - 1 : 0 };
    if (j < kv->n_items && kv->item_type == EINF__GGUF_STRING) {
        const einf__bytes text = string_item(kv, j, place);
        put_string(&s, (const uint8_t *)text.p, text.n);
    } else if (j < kv->n_items) {
        put_number(&s, kv, j);
    }
    if (buf_bytes) buf[s.n] = '\0';
    return s.n_full;
}
