/* SPDX-License-Identifier: MIT
 * jinja_value.c - the values of a template: memory, truth, equality and order as Python has them, lists, mappings.
 */
#include <math.h>

#include "engine/text/jinja_private.h"
#include "engine/text/utf8.h"

/* ------------------------------------------------------------------------------------------------ memory -- */

struct einf__pile_chunk {
    struct einf__pile_chunk *before;
    uint64_t size_bytes, used_bytes; /* this header included */
};

enum { CHUNK_BYTES = 8 * 1024, ALIGN = 16 };

void *einf__pile_take(einf__pile *p, uint64_t n)
{
    if (n > p->limit_bytes || p->used_bytes > p->limit_bytes - n) return NULL;
    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    einf__pile_chunk *c = p->last;
    if (!c || c->size_bytes - c->used_bytes < n) {
        const uint64_t header = (sizeof *c + ALIGN - 1) / ALIGN * ALIGN;
        const uint64_t size_bytes = n > CHUNK_BYTES - header ? n + header : CHUNK_BYTES;
        c = einf__alloc(p->mem, (size_t)size_bytes);
        if (!c) return NULL;
        *c = (einf__pile_chunk){ p->last, size_bytes, header };
        p->last = c;
    }
    void *taken = (char *)c + c->used_bytes;
    c->used_bytes += n;
    p->used_bytes += n;
    return taken;
}

uint64_t einf__pile_bytes(const einf__pile *p)
{
    uint64_t n = 0;
    for (const einf__pile_chunk *c = p->last; c; c = c->before) n += c->size_bytes;
    return n;
}

void einf__pile_free(einf__pile *p)
{
    for (einf__pile_chunk *c = p->last; c;) {
        einf__pile_chunk *const before = c->before;
        einf__free(p->mem, c, (size_t)c->size_bytes);
        c = before;
    }
    p->last = NULL;
}

einf_status einf__pile_fail(const einf__pile *p, uint64_t n, einf_error *err)
{
    if (n <= p->limit_bytes && p->used_bytes <= p->limit_bytes - n)
        return einf__fail_nomem(err, n, "a chat template");
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "chat template", "use another template, or fewer messages",
                      "the template wants more than its %llu MiB of memory",
                      (unsigned long long)(p->limit_bytes >> 20));
}

void *einf__tmpl_alloc(einf__render *r, uint64_t n)
{
    void *p = einf__pile_take(&r->pile, n);
    if (p) memset(p, 0, (size_t)n);
    else einf__pile_fail(&r->pile, n, r->err);
    return p;
}

einf_status einf__tmpl_charge(einf__render *r, uint64_t n)
{
    r->steps += n;
    if (r->steps <= EINF__TMPL_MAX_STEPS) return EINF_OK;
    return einf__fail(r->err, EINF_E_LIMIT, r->at, "chat template", "use another template, or fewer messages",
                      "the template takes more than its %d steps", (int)EINF__TMPL_MAX_STEPS);
}

/* --------------------------------------------------------------------------------------------- properties -- */

const char *einf__type_name(const einf__value *v)
{
    static const char *const names[] = {
        [EINF__V_UNDEFINED] = "Undefined", [EINF__V_NONE] = "None", [EINF__V_BOOL] = "bool", [EINF__V_INT] = "int",
        [EINF__V_FLOAT] = "float", [EINF__V_STRING] = "str", [EINF__V_LIST] = "list", [EINF__V_TUPLE] = "tuple",
        [EINF__V_MAP] = "dict", [EINF__V_NAMESPACE] = "namespace", [EINF__V_LOOP] = "loop",
        [EINF__V_MACRO] = "macro", [EINF__V_METHOD] = "method", [EINF__V_FUNCTION] = "function",
    };
    return names[v->kind];
}

bool einf__truth(const einf__value *v)
{
    switch (v->kind) {
    case EINF__V_UNDEFINED:
    case EINF__V_NONE: return false;
    case EINF__V_BOOL: return v->flag;
    case EINF__V_INT: return v->i != 0;
    case EINF__V_FLOAT: return v->f != 0;
    case EINF__V_STRING: return v->string->n > 0;
    case EINF__V_LIST:
    case EINF__V_TUPLE: return v->list->n > 0;
    case EINF__V_MAP: return v->map->n > 0;
    default: return true;
    }
}

double einf__as_double(const einf__value *v)
{
    return v->kind == EINF__V_FLOAT ? v->f : v->kind == EINF__V_BOOL ? (double)v->flag : (double)v->i;
}

static int64_t as_int(const einf__value *v) { return v->kind == EINF__V_BOOL ? v->flag : v->i; }

/* -1, 0, 1 for two numbers; 2 when one is NaN. */
static int order_numbers(const einf__value *a, const einf__value *b)
{
    if (a->kind != EINF__V_FLOAT && b->kind != EINF__V_FLOAT)
        return (as_int(a) > as_int(b)) - (as_int(a) < as_int(b));
    const double x = einf__as_double(a), y = einf__as_double(b);
    return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
}

static einf_status deeper(einf__render *r)
{
    if (++r->depth <= EINF__TMPL_MAX_DEPTH) return einf__tmpl_charge(r, 1);
    return einf__fail(r->err, EINF_E_LIMIT, r->at, "chat template", NULL,
                      "values are nested deeper than %d levels", (int)EINF__TMPL_MAX_DEPTH);
}

static einf_status lists_equal(einf__render *r, const einf__list *a, const einf__list *b, bool *out)
{
    *out = a->n == b->n;
    for (uint32_t i = 0; i < a->n && i < b->n && *out; i++)
        EINF_TRY(einf__values_equal(r, &a->items[i], &b->items[i], out));
    return EINF_OK;
}

static einf_status maps_equal(einf__render *r, const einf__map *a, const einf__map *b, bool *out)
{
    *out = a->n == b->n;
    for (uint32_t i = 0; i < a->n && *out; i++) {
        einf__pair *other;
        EINF_TRY(einf__map_find(r, b, &a->pairs[i].key, &other));
        *out = other != NULL;
        if (other) EINF_TRY(einf__values_equal(r, &a->pairs[i].value, &other->value, out));
    }
    return EINF_OK;
}

einf_status einf__values_equal(einf__render *r, const einf__value *a, const einf__value *b, bool *out)
{
    EINF_TRY(deeper(r));
    if (einf__is_number(a) && einf__is_number(b)) {
        *out = order_numbers(a, b) == 0;
    } else if (a->kind != b->kind) {
        *out = false;
    } else {
        switch (a->kind) {
        case EINF__V_UNDEFINED:
        case EINF__V_NONE: *out = true; break;
        case EINF__V_STRING:
            EINF_TRY(einf__tmpl_charge(r, a->string->n / 64));
            *out = einf__string_equal(a->string, b->string);
            break;
        case EINF__V_LIST:
        case EINF__V_TUPLE: EINF_TRY(lists_equal(r, a->list, b->list, out)); break;
        case EINF__V_MAP: EINF_TRY(maps_equal(r, a->map, b->map, out)); break;
        default: *out = a->map == b->map; /* the same object */
        }
    }
    r->depth--;
    return EINF_OK;
}

static einf_status order_lists(einf__render *r, const einf__list *a, const einf__list *b, int *out)
{
    for (uint32_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        EINF_TRY(einf__values_equal(r, &a->items[i], &b->items[i], &same));
        if (!same) return einf__values_order(r, &a->items[i], &b->items[i], out);
    }
    *out = (a->n > b->n) - (a->n < b->n);
    return EINF_OK;
}

einf_status einf__values_order(einf__render *r, const einf__value *a, const einf__value *b, int *out)
{
    EINF_TRY(deeper(r));
    if (einf__is_number(a) && einf__is_number(b)) {
        *out = order_numbers(a, b);
    } else if (a->kind == EINF__V_STRING && b->kind == EINF__V_STRING) { /* bytes of UTF-8 sort as code points do */
        const einf__string *x = a->string, *y = b->string;
        EINF_TRY(einf__tmpl_charge(r, (x->n < y->n ? x->n : y->n) / 64));
        const int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
        *out = c ? (c > 0) - (c < 0) : (x->n > y->n) - (x->n < y->n);
    } else if (a->kind == b->kind && einf__is_sequence(a)) {
        EINF_TRY(order_lists(r, a->list, b->list, out));
    } else {
        return einf__tmpl_fail(r, "%s and %s have no order", einf__type_name(a), einf__type_name(b));
    }
    r->depth--;
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------- making values -- */

einf_status einf__make_string(einf__render *r, const char *p, uint64_t n, bool markup, einf__value *out)
{
    einf__string *s;
    EINF__ALLOC(r, sizeof *s, s);
    *s = (einf__string){ n ? p : "", NULL, (uint32_t)n, markup };
    *out = (einf__value){ .kind = EINF__V_STRING, .string = s };
    return EINF_OK;
}

einf_status einf__substring(einf__render *r, const einf__string *s, uint32_t begin, uint32_t end, einf__value *out)
{
    einf__string *part;
    EINF__ALLOC(r, sizeof *part, part);
    *part = (einf__string){ s->p + begin, s->marks ? s->marks + begin : NULL, end - begin, s->markup };
    *out = (einf__value){ .kind = EINF__V_STRING, .string = part };
    return EINF_OK;
}

/* Twice the room for an array of n items of that size; NULL, and an error, for want of memory. */
static void *grown(einf__render *r, const void *array, uint32_t n, uint32_t *cap, size_t item_bytes)
{
    const uint32_t more = *cap ? 2 * *cap : 4;
    void *p = einf__tmpl_alloc(r, (uint64_t)more * item_bytes);
    if (p && n) memcpy(p, array, n * item_bytes);
    if (p) *cap = more;
    return p;
}

einf_status einf__make_list(einf__render *r, einf__value_kind kind, uint32_t room, einf__value *out)
{
    einf__list *list;
    EINF__ALLOC(r, sizeof *list, list);
    if (room) EINF__ALLOC(r, (uint64_t)room * sizeof *list->items, list->items);
    list->cap = room;
    *out = (einf__value){ .kind = kind, .list = list };
    return EINF_OK;
}

einf_status einf__list_push(einf__render *r, einf__list *list, einf__value v)
{
    if (list->n == list->cap) {
        einf__value *items = grown(r, list->items, list->n, &list->cap, sizeof *items);
        if (!items) return einf__tmpl_no_memory(r->err);
        list->items = items;
    }
    list->items[list->n++] = v;
    return EINF_OK;
}

einf_status einf__make_map(einf__render *r, einf__value_kind kind, einf__value *out)
{
    einf__map *map;
    EINF__ALLOC(r, sizeof *map, map);
    *out = (einf__value){ .kind = kind, .map = map };
    return EINF_OK;
}

einf_status einf__map_find(einf__render *r, const einf__map *m, const einf__value *key, einf__pair **out)
{
    *out = NULL;
    EINF_TRY(einf__tmpl_charge(r, m->n / 8));
    for (uint32_t i = 0; i < m->n; i++) {
        bool same;
        if (key->kind == EINF__V_STRING && m->pairs[i].key.kind == EINF__V_STRING)
            same = einf__string_equal(key->string, m->pairs[i].key.string);
        else EINF_TRY(einf__values_equal(r, key, &m->pairs[i].key, &same));
        if (!same) continue;
        *out = &m->pairs[i];
        return EINF_OK;
    }
    return EINF_OK;
}

einf_status einf__map_set(einf__render *r, einf__map *m, einf__value key, einf__value value)
{
    einf__pair *pair;
    if (key.kind == EINF__V_LIST || key.kind == EINF__V_MAP)
        return einf__tmpl_fail(r, "a %s cannot be a key", einf__type_name(&key));
    EINF_TRY(einf__map_find(r, m, &key, &pair));
    if (pair) {
        pair->value = value;
        return EINF_OK;
    }
    if (m->n == m->cap) {
        einf__pair *pairs = grown(r, m->pairs, m->n, &m->cap, sizeof *pairs);
        if (!pairs) return einf__tmpl_no_memory(r->err);
        m->pairs = pairs;
    }
    m->pairs[m->n++] = (einf__pair){ key, value };
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------- going through -- */

static einf_status characters(einf__render *r, const einf__string *s, einf__list *list)
{
    EINF_TRY(einf__tmpl_charge(r, s->n));
    for (uint32_t at = 0, used; at < s->n; at += used) {
        einf__value c;
        einf__utf8_get(s->p + at, s->n - at, &used);
        EINF_TRY(einf__substring(r, s, at, at + used, &c));
        EINF_TRY(einf__list_push(r, list, c));
    }
    return EINF_OK;
}

einf_status einf__iterate(einf__render *r, const einf__value *v, const einf__list **out)
{
    if (einf__is_sequence(v)) {
        *out = v->list;
        return EINF_OK;
    }
    einf__value list;
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, &list));
    *out = list.list;
    switch (v->kind) {
    case EINF__V_UNDEFINED: return EINF_OK;
    case EINF__V_STRING: return characters(r, v->string, list.list);
    case EINF__V_MAP:
        EINF_TRY(einf__tmpl_charge(r, v->map->n));
        for (uint32_t i = 0; i < v->map->n; i++) EINF_TRY(einf__list_push(r, list.list, v->map->pairs[i].key));
        return EINF_OK;
    default: return einf__tmpl_fail(r, "%s cannot be gone through", einf__type_name(v));
    }
}

einf_status einf__length(einf__render *r, const einf__value *v, int64_t *out)
{
    *out = 0;
    switch (v->kind) {
    case EINF__V_UNDEFINED: return EINF_OK;
    case EINF__V_STRING:
        EINF_TRY(einf__tmpl_charge(r, v->string->n / 16));
        for (uint32_t at = 0, used; at < v->string->n; at += used, ++*out)
            einf__utf8_get(v->string->p + at, v->string->n - at, &used);
        return EINF_OK;
    case EINF__V_LIST:
    case EINF__V_TUPLE: *out = v->list->n; return EINF_OK;
    case EINF__V_MAP: *out = v->map->n; return EINF_OK;
    case EINF__V_LOOP: *out = v->loop->items->n; return EINF_OK;
    default: return einf__tmpl_fail(r, "%s has no length", einf__type_name(v));
    }
}
