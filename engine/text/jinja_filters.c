/* SPDX-License-Identifier: MIT
 * jinja_filters.c - the filters of Jinja that chat templates use: value|name(arguments).
 */
#include <math.h>
#include <stdio.h>

#include "engine/text/jinja_private.h"

static einf_status text_of(einf__render *r, const einf__value *v, const einf__string **out)
{
    return einf__to_string(r, v, out);
}

/* -------------------------------------------------------------------------------------------------- strings -- */

static bool is_word_break(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c && strchr("-({[<", c)); }

/* A filter of strings that is a method, too: trim, upper, ... */
static einf_status by_method(einf__render *r, const char *name, const einf__value *self, const einf__args *args,
                             einf__value *out)
{
    const einf__string key = { name, NULL, (uint32_t)strlen(name), true };
    einf__value text = { .kind = EINF__V_STRING };
    EINF_TRY(text_of(r, self, &text.string));
    return einf__method_find(&text, &key)(r, &text, args, out);
}

#define BY_METHOD(filter, method) \
    static einf_status filter(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out) \
    { \
        return by_method(r, method, self, args, out); \
    }
BY_METHOD(filter_trim, "strip")
BY_METHOD(filter_upper, "upper")
BY_METHOD(filter_lower, "lower")
BY_METHOD(filter_capitalize, "capitalize")
BY_METHOD(filter_replace, "replace")

/* Unlike the method: words begin behind blanks, hyphens and opening brackets alone. */
static einf_status filter_title(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    einf__value text = { .kind = EINF__V_STRING }, piece, changed;
    einf__text_out o = { NULL, NULL, 0, 0 };
    EINF_TRY(text_of(r, self, &text.string));
    const einf__string *s = text.string;
    for (uint32_t at = 0, end; at < s->n; at = end) {
        const bool between = is_word_break(s->p[at]);
        for (end = at; end < s->n && is_word_break(s->p[end]) == between;) end++;
        EINF_TRY(einf__substring(r, s, at, end, &piece));
        EINF_TRY(filter_capitalize(r, &piece, args, &changed));
        EINF_TRY(einf__out_string(r, &o, between ? piece.string : changed.string));
    }
    return einf__out_take(r, &o, out);
}

static einf_status filter_string(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    out->kind = EINF__V_STRING;
    return text_of(r, self, &out->string);
}

static einf_status filter_safe(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)r, (void)args;
    *out = *self;
    return EINF_OK;
}

static einf_status filter_escape(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    static const char from[] = "&<>'\"";
    static const char *const into[] = { "&amp;", "&lt;", "&gt;", "&#39;", "&#34;" };
    const einf__string *s;
    einf__text_out o = { NULL, NULL, 0, 0 };
    (void)args;
    EINF_TRY(text_of(r, self, &s));
    for (uint32_t i = 0; i < s->n; i++) {
        const char *known = s->p[i] ? strchr(from, s->p[i]) : NULL;
        const bool markup = s->marks ? s->marks[i] : s->markup;
        if (known) EINF_TRY(einf__out_text(r, &o, into[known - from], strlen(into[known - from]), markup));
        else EINF_TRY(einf__out_text(r, &o, s->p + i, 1, markup));
    }
    return einf__out_take(r, &o, out);
}

/* indent(width=4, first=false, blank=false); width may be a string. */
static einf_status filter_indent(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *width = einf__arg(args, 0, "width"), *first = einf__arg(args, 1, "first");
    const einf__value *blank = einf__arg(args, 2, "blank");
    const einf__string *s, *by = NULL;
    int64_t n_blanks = 4;
    einf__text_out o = { NULL, NULL, 0, 0 };
    EINF_TRY(text_of(r, self, &s));
    if (width && width->kind == EINF__V_STRING) by = width->string;
    else EINF_TRY(einf__arg_int(r, args, 0, "width", 4, &n_blanks));
    for (uint32_t at = 0; at <= s->n;) {
        const char *end = at < s->n ? memchr(s->p + at, '\n', s->n - at) : NULL;
        const uint32_t next = end ? (uint32_t)(end - s->p) + 1 : s->n;
        const bool is_blank = next - at == (end ? 1u : 0u);
        einf__value line;
        if (at == 0 ? first && einf__truth(first) : !is_blank || (blank && einf__truth(blank))) {
            if (by) EINF_TRY(einf__out_string(r, &o, by));
            for (int64_t i = 0; !by && i < n_blanks; i++) EINF_TRY(einf__out_text(r, &o, " ", 1, true));
        }
        EINF_TRY(einf__substring(r, s, at, next, &line));
        EINF_TRY(einf__out_string(r, &o, line.string));
        if (!end) break;
        at = next;
    }
    return einf__out_take(r, &o, out);
}

static einf_status filter_format(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *s;
    EINF_TRY(text_of(r, self, &s));
    return einf__format(r, s, args->items, args->n, out);
}

static einf_status filter_tojson(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *ascii = einf__arg(args, 0, "ensure_ascii"), *indent = einf__arg(args, 1, "indent");
    const einf__value *separators = einf__arg(args, 2, "separators"), *sort = einf__arg(args, 3, "sort_keys");
    einf__json_style style = { .indent = -1 };
    einf__text_out o = { NULL, NULL, 0, 0 };
    if (args->n == 1 && ascii->kind == EINF__V_INT) { /* Jinja's own has indent as the first argument */
        indent = ascii;
        ascii = NULL;
    }
    style.ensure_ascii = ascii && einf__truth(ascii);
    style.sort_keys = sort && einf__truth(sort);
    if (indent && indent->kind == EINF__V_INT) style.indent = indent->i < 0 ? 0 : indent->i < 64 ? indent->i : 64;
    if (separators && einf__is_sequence(separators) && separators->list->n == 2 &&
        separators->list->items[0].kind == EINF__V_STRING && separators->list->items[1].kind == EINF__V_STRING) {
        style.item_separator = separators->list->items[0].string;
        style.key_separator = separators->list->items[1].string;
    }
    EINF_TRY(einf__json_write(r, &o, self, &style));
    return einf__out_take(r, &o, out);
}

/* Not in Jinja; templates use it for the arguments of calls where it is there. */
static einf_status filter_from_json(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    if (self->kind != EINF__V_STRING)
        return einf__tmpl_fail(r, "from_json reads strings, not %s", einf__type_name(self));
    return einf__json_parse(r, einf__string_bytes(self->string), "from_json", out);
}

/* ------------------------------------------------------------------------------------------------ sequences -- */

/* attribute="a.b" or attribute=0 of an item. */
static einf_status attribute_of(einf__render *r, const einf__value *item, const einf__value *path, einf__value *out)
{
    *out = *item;
    if (path->kind != EINF__V_STRING) return einf__get_item(r, item, path, out);
    const einf__string *s = path->string;
    for (uint32_t at = 0; at <= s->n;) {
        const char *dot = at < s->n ? memchr(s->p + at, '.', s->n - at) : NULL;
        const uint32_t end = dot ? (uint32_t)(dot - s->p) : s->n;
        einf__value name, from = *out;
        EINF_TRY(einf__substring(r, s, at, end, &name));
        EINF_TRY(einf__get_item(r, &from, &name, out));
        at = end + 1;
    }
    return EINF_OK;
}

static einf_status filter_length(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    int64_t n;
    (void)args;
    EINF_TRY(einf__length(r, self, &n));
    *out = einf__integer(n);
    return EINF_OK;
}

static einf_status filter_first(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__list *list;
    (void)args;
    EINF_TRY(einf__iterate(r, self, &list));
    *out = list->n ? list->items[0] : einf__undefined("the first item of nothing");
    return EINF_OK;
}

static einf_status filter_last(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__list *list;
    (void)args;
    EINF_TRY(einf__iterate(r, self, &list));
    *out = list->n ? list->items[list->n - 1] : einf__undefined("the last item of nothing");
    return EINF_OK;
}

/* A new list of the same items. */
static einf_status filter_list(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__list *list;
    (void)args;
    EINF_TRY(einf__iterate(r, self, &list));
    EINF_TRY(einf__tmpl_charge(r, list->n));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, list->n, out));
    if (list->n) memcpy(out->list->items, list->items, list->n * sizeof *list->items);
    out->list->n = list->n;
    return EINF_OK;
}

static einf_status filter_reverse(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    EINF_TRY(filter_list(r, self, args, out));
    einf__list *list = out->list;
    for (uint32_t i = 0; i < list->n / 2; i++) {
        const einf__value swapped = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = swapped;
    }
    if (self->kind != EINF__V_STRING) return EINF_OK;
    einf__text_out o = { NULL, NULL, 0, 0 };
    for (uint32_t i = 0; i < list->n; i++) EINF_TRY(einf__out_value(r, &o, &list->items[i]));
    return einf__out_take(r, &o, out);
}

static einf_status filter_join(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *between;
    const einf__value *attribute = einf__arg(args, 1, "attribute");
    const einf__list *list;
    einf__text_out o = { NULL, NULL, 0, 0 };
    EINF_TRY(einf__arg_string(r, args, 0, "d", &between));
    EINF_TRY(einf__iterate(r, self, &list));
    for (uint32_t i = 0; i < list->n; i++) {
        einf__value item = list->items[i];
        if (attribute) EINF_TRY(attribute_of(r, &list->items[i], attribute, &item));
        if (i && between) EINF_TRY(einf__out_string(r, &o, between));
        EINF_TRY(einf__out_value(r, &o, &item));
    }
    return einf__out_take(r, &o, out);
}

/* What is not true, none among it, has no items for map, select and their kind. */
static einf_status iterate_if_true(einf__render *r, const einf__value *v, const einf__list **out)
{
    const einf__value nothing = einf__undefined(NULL);
    return einf__iterate(r, einf__truth(v) ? v : &nothing, out);
}

/* map("filter", arguments...) or map(attribute="name", default=...). */
static einf_status filter_map(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *attribute = einf__arg(args, UINT32_MAX, "attribute");
    const einf__value *fallback = einf__arg(args, UINT32_MAX, "default");
    const einf__function *filter = NULL;
    const einf__list *list;
    if (!attribute) {
        if (args->n == 0 || args->items[0].kind != EINF__V_STRING)
            return einf__tmpl_fail(r, "map needs the name of a filter, or attribute=");
        filter = einf__filter_find(einf__string_bytes(args->items[0].string));
        if (!filter) return einf__tmpl_fail(r, "map: there is no such filter");
    }
    EINF_TRY(iterate_if_true(r, self, &list));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, list->n, out));
    const uint32_t n_names = args->n ? 1 : 0; /* of the filter; with attribute= there are no items at all */
    const einf__args rest = { n_names ? args->items + 1 : NULL, args->n - n_names, args->named, args->n_named };
    for (uint32_t i = 0; i < list->n; i++) {
        einf__value v;
        EINF_TRY(einf__tmpl_charge(r, 1));
        if (filter) EINF_TRY(filter->fn(r, &list->items[i], &rest, &v));
        else EINF_TRY(attribute_of(r, &list->items[i], attribute, &v));
        if (!filter && v.kind == EINF__V_UNDEFINED && fallback) v = *fallback;
        EINF_TRY(einf__list_push(r, out->list, v));
    }
    return EINF_OK;
}

/* Items that a test passes, or fails; without a test, those that are true. attr: the first argument names what of an
 * item is tested. */
static einf_status choose(einf__render *r, const einf__value *self, const einf__args *args, bool attr, bool wanted,
                          einf__value *out)
{
    const einf__list *list;
    const einf__function *test = NULL;
    const uint32_t n_before = attr ? 2 : 1;
    if (attr && args->n == 0) return einf__tmpl_fail(r, "the name of an attribute is missing");
    if (args->n >= n_before) {
        const einf__value *name = &args->items[n_before - 1];
        test = name->kind == EINF__V_STRING ? einf__test_find(einf__string_bytes(name->string)) : NULL;
        if (!test) return einf__tmpl_fail(r, "there is no such test");
    }
    EINF_TRY(iterate_if_true(r, self, &list));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    const einf__args rest = { test ? args->items + n_before : NULL, test ? args->n - n_before : 0, args->named,
                              args->n_named };
    for (uint32_t i = 0; i < list->n; i++) {
        einf__value v = list->items[i], passes;
        EINF_TRY(einf__tmpl_charge(r, 1));
        if (attr) EINF_TRY(attribute_of(r, &list->items[i], &args->items[0], &v));
        passes = v;
        if (test) EINF_TRY(test->fn(r, &v, &rest, &passes));
        if (einf__truth(&passes) == wanted) EINF_TRY(einf__list_push(r, out->list, list->items[i]));
    }
    return EINF_OK;
}

#define CHOOSE(filter, attr, wanted) \
    static einf_status filter(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out) \
    { \
        return choose(r, self, args, attr, wanted, out); \
    }
CHOOSE(filter_select, false, true)
CHOOSE(filter_reject, false, false)
CHOOSE(filter_selectattr, true, true)
CHOOSE(filter_rejectattr, true, false)

/* What an item is sorted by: itself or an attribute, in lower case unless case matters. */
static einf_status sort_key(einf__render *r, const einf__value *item, const einf__value *attribute, bool exact,
                            einf__value *out)
{
    *out = *item;
    if (attribute && attribute->kind != EINF__V_NONE) EINF_TRY(attribute_of(r, item, attribute, out));
    const einf__args none = { NULL, 0, NULL, 0 };
    if (!exact && out->kind == EINF__V_STRING) {
        const einf__value v = *out;
        return filter_lower(r, &v, &none, out);
    }
    return EINF_OK;
}

/* Items that lack the attribute are alike. */
static einf_status order_keys(einf__render *r, const einf__value *a, const einf__value *b, int *order)
{
    *order = 0;
    if (a->kind == EINF__V_UNDEFINED && b->kind == EINF__V_UNDEFINED) return einf__tmpl_charge(r, 1);
    return einf__values_order(r, a, b, order);
}

/* Sort items by keys, stably; both are [n]. */
static einf_status sort_by(einf__render *r, einf__value *items, einf__value *keys, uint32_t n, bool reverse)
{
    for (uint32_t i = 1; i < n; i++) {
        const einf__value item = items[i], key = keys[i];
        uint32_t at = i;
        for (; at > 0; at--) {
            int order;
            EINF_TRY(order_keys(r, &keys[at - 1], &key, &order)); /* charges: n * n of hostile lists end */
            if (reverse ? order >= 0 : order <= 0) break;
            items[at] = items[at - 1];
            keys[at] = keys[at - 1];
        }
        items[at] = item;
        keys[at] = key;
    }
    return EINF_OK;
}

static bool option(const einf__args *args, uint32_t i, const char *name)
{
    const einf__value *v = einf__arg(args, i, name);
    return v && einf__truth(v);
}

/* sort(reverse=false, case_sensitive=false, attribute=none) */
static einf_status filter_sort(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *attribute = einf__arg(args, 2, "attribute");
    einf__value *keys;
    EINF_TRY(filter_list(r, self, args, out));
    EINF__ALLOC(r, out->list->n * sizeof *keys, keys);
    for (uint32_t i = 0; i < out->list->n; i++)
        EINF_TRY(sort_key(r, &out->list->items[i], attribute, option(args, 1, "case_sensitive"), &keys[i]));
    return sort_by(r, out->list->items, keys, out->list->n, option(args, 0, "reverse"));
}

static einf_status pairs_of(einf__render *r, const einf__value *self, einf__value *out)
{
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    if (self->kind == EINF__V_UNDEFINED) return EINF_OK;
    if (self->kind != EINF__V_MAP) return einf__tmpl_fail(r, "expected a mapping, not %s", einf__type_name(self));
    for (uint32_t i = 0; i < self->map->n; i++) {
        einf__value pair;
        EINF_TRY(einf__make_list(r, EINF__V_TUPLE, 2, &pair));
        EINF_TRY(einf__list_push(r, pair.list, self->map->pairs[i].key));
        EINF_TRY(einf__list_push(r, pair.list, self->map->pairs[i].value));
        EINF_TRY(einf__list_push(r, out->list, pair));
    }
    return EINF_OK;
}

static einf_status filter_items(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return pairs_of(r, self, out);
}

/* dictsort(case_sensitive=false, by="key", reverse=false) */
static einf_status filter_dictsort(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *by;
    einf__value *keys;
    EINF_TRY(einf__arg_string(r, args, 1, "by", &by));
    EINF_TRY(pairs_of(r, self, out));
    EINF__ALLOC(r, out->list->n * sizeof *keys, keys);
    const bool by_value = by && einf__string_is(by, "value");
    for (uint32_t i = 0; i < out->list->n; i++)
        EINF_TRY(sort_key(r, &out->list->items[i].list->items[by_value], NULL, option(args, 0, "case_sensitive"),
                          &keys[i]));
    return sort_by(r, out->list->items, keys, out->list->n, option(args, 2, "reverse"));
}

/* unique(case_sensitive=false, attribute=none): the first of each. */
static einf_status filter_unique(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *attribute = einf__arg(args, 1, "attribute");
    const einf__list *list;
    einf__value seen;
    EINF_TRY(einf__iterate(r, self, &list));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, &seen));
    for (uint32_t i = 0; i < list->n; i++) {
        einf__value key;
        bool is_seen;
        EINF_TRY(sort_key(r, &list->items[i], attribute, option(args, 0, "case_sensitive"), &key));
        EINF_TRY(einf__contains(r, &key, &seen, &is_seen));
        if (is_seen) continue;
        EINF_TRY(einf__list_push(r, seen.list, key));
        EINF_TRY(einf__list_push(r, out->list, list->items[i]));
    }
    return EINF_OK;
}

/* sum(attribute=none, start=0) */
static einf_status filter_sum(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *attribute = einf__arg(args, 0, "attribute"), *start = einf__arg(args, 1, "start");
    const einf__list *list;
    EINF_TRY(einf__iterate(r, self, &list));
    *out = start ? *start : einf__integer(0);
    for (uint32_t i = 0; i < list->n; i++) {
        einf__value v = list->items[i];
        const einf__value sum = *out;
        if (attribute && attribute->kind != EINF__V_NONE) EINF_TRY(attribute_of(r, &list->items[i], attribute, &v));
        EINF_TRY(einf__binary(r, EINF__OP_ADD, &sum, &v, out));
    }
    return EINF_OK;
}

static einf_status extreme(einf__render *r, const einf__value *self, const einf__args *args, int wanted,
                           einf__value *out)
{
    const einf__value *attribute = einf__arg(args, 1, "attribute");
    const einf__list *list;
    einf__value best, key;
    EINF_TRY(einf__iterate(r, self, &list));
    *out = einf__undefined("the smallest or largest of nothing");
    for (uint32_t i = 0; i < list->n; i++) {
        int order = wanted;
        EINF_TRY(sort_key(r, &list->items[i], attribute, option(args, 0, "case_sensitive"), &key));
        if (i) EINF_TRY(einf__values_order(r, &key, &best, &order));
        if (order != wanted) continue;
        best = key;
        *out = list->items[i];
    }
    return EINF_OK;
}

static einf_status filter_min(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return extreme(r, self, args, -1, out);
}

static einf_status filter_max(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return extreme(r, self, args, 1, out);
}

/* batch(n, fill): lists of n items each. */
static einf_status filter_batch(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *fill = einf__arg(args, 1, "fill_with");
    const einf__list *list;
    int64_t size;
    EINF_TRY(einf__arg_int(r, args, 0, "linecount", 0, &size));
    if (size < 1) return einf__tmpl_fail(r, "batch needs a size of at least 1");
    EINF_TRY(einf__iterate(r, self, &list));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    for (uint32_t i = 0; i < list->n;) {
        einf__value part;
        EINF_TRY(einf__tmpl_charge(r, 1));
        EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, &part));
        for (; i < list->n && part.list->n < size; i++) EINF_TRY(einf__list_push(r, part.list, list->items[i]));
        while (fill && fill->kind != EINF__V_NONE && part.list->n < size) {
            EINF_TRY(einf__tmpl_charge(r, 1));
            EINF_TRY(einf__list_push(r, part.list, *fill));
        }
        EINF_TRY(einf__list_push(r, out->list, part));
    }
    return EINF_OK;
}

/* -------------------------------------------------------------------------------------------------- numbers -- */

/* default(value, boolean=false) */
static einf_status filter_default(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *fallback = einf__arg(args, 0, "default_value");
    const bool missing = self->kind == EINF__V_UNDEFINED || (option(args, 1, "boolean") && !einf__truth(self));
    *out = *self;
    if (!missing) return EINF_OK;
    if (fallback) *out = *fallback;
    else return einf__make_string(r, "", 0, true, out);
    return EINF_OK;
}

/* The number that a text says, as Python's float() reads it; false when it says none. */
static bool number_of(const einf__value *v, double *f)
{
    if (einf__is_number(v)) {
        *f = einf__as_double(v);
        return true;
    }
    if (v->kind != EINF__V_STRING) return false;
    const char *p = v->string->p;
    uint32_t n = v->string->n, n_digits = 0;
    while (n > 0 && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) p++, n--;
    while (n > 0 && (p[n - 1] == ' ' || (p[n - 1] >= '\t' && p[n - 1] <= '\r'))) n--;
    for (uint32_t i = 0; i < n; i++) {
        if (p[i] >= '0' && p[i] <= '9') n_digits++;
        else if (!p[i] || !strchr("+-.eE", p[i])) return false;
    }
    if (n_digits == 0 || n > 400) return false;
    *f = einf__double_of(p, n);
    return true;
}

static bool whole_of(const einf__value *v, int64_t *out)
{
    *out = 0;
    if (v->kind == EINF__V_INT || v->kind == EINF__V_BOOL) {
        *out = v->kind == EINF__V_INT ? v->i : v->flag;
        return true;
    }
    if (v->kind == EINF__V_STRING) { /* exact where a double would not be */
        const einf__string *s = v->string;
        const bool minus = s->n > 0 && s->p[0] == '-';
        uint32_t i = minus || (s->n > 0 && s->p[0] == '+');
        bool exact = i < s->n;
        for (; i < s->n && exact; i++)
            exact = s->p[i] >= '0' && s->p[i] <= '9' && !__builtin_mul_overflow(*out, 10, out) &&
                    !__builtin_sub_overflow(*out, s->p[i] - '0', out);
        if (exact && !(*out == INT64_MIN && !minus)) {
            *out = minus ? *out : -*out;
            return true;
        }
    }
    double f;
    if (!number_of(v, &f) || !(fabs(f) < 9.2e18)) return false;
    *out = (int64_t)f;
    return true;
}

/* int(default=0) */
static einf_status filter_int(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    int64_t i;
    EINF_TRY(einf__arg_int(r, args, 1, "base", 10, &i));
    if (i != 10) return einf__tmpl_fail(r, "int reads numbers of base 10, not %lld", (long long)i);
    if (whole_of(self, &i)) {
        *out = einf__integer(i);
        return EINF_OK;
    }
    double f;
    if (number_of(self, &f) && !isnan(f)) return einf__tmpl_fail(r, "int: a number is beyond 64 bits");
    EINF_TRY(einf__arg_int(r, args, 0, "default", 0, &i));
    *out = einf__integer(i);
    return EINF_OK;
}

/* float(default=0.0) */
static einf_status filter_float(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *fallback = einf__arg(args, 0, "default");
    double f = 0;
    (void)r;
    if (!number_of(self, &f) && fallback) *out = *fallback;
    else *out = einf__real(f);
    return EINF_OK;
}

static einf_status filter_abs(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value zero = einf__integer(0);
    (void)args;
    if (!einf__is_number(self)) return einf__tmpl_fail(r, "%s has no absolute value", einf__type_name(self));
    if (self->kind == EINF__V_FLOAT) *out = einf__real(fabs(self->f));
    else if (einf__as_double(self) < 0) return einf__binary(r, EINF__OP_SUB, &zero, self, out);
    else *out = self->kind == EINF__V_BOOL ? einf__integer(self->flag) : *self;
    return EINF_OK;
}

/* The double nearest to f's decimal places cut to so many: rounding f * 10^n would round twice. */
static double round_places(double f, int places)
{
    char text[400]; /* 309 digits, a point and 20 places at most */
    const int n = snprintf(text, sizeof text, "%.*f", places, f);
    for (int i = 0; i < n; i++)
        if (text[i] == ',') text[i] = '.'; /* a locale's */
    return einf__double_of(text, (uint64_t)n);
}

/* round(precision=0, method="common"|"ceil"|"floor") */
static einf_status filter_round(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *method;
    int64_t precision;
    if (!einf__is_number(self)) return einf__tmpl_fail(r, "%s cannot be rounded", einf__type_name(self));
    EINF_TRY(einf__arg_int(r, args, 0, "precision", 0, &precision));
    EINF_TRY(einf__arg_string(r, args, 1, "method", &method));
    precision = precision < -20 ? -20 : precision > 20 ? 20 : precision;
    const bool up = method && einf__string_is(method, "ceil"), down = method && einf__string_is(method, "floor");
    const double f = einf__as_double(self), scale = pow(10, (double)precision);
    *out = self->kind == EINF__V_BOOL ? einf__integer(self->flag) : *self;
    if (up || down) *out = einf__real((up ? ceil(f * scale) : floor(f * scale)) / scale);
    else if (self->kind == EINF__V_FLOAT && isfinite(f))
        *out = einf__real(precision < 0 ? nearbyint(f * scale) / scale : round_places(f, (int)precision));
    else if (precision < 0 && isfinite(f)) *out = einf__integer((int64_t)(nearbyint(f * scale) / scale));
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- table -- */

const einf__function *einf__filter_find(einf__bytes name)
{
    static const einf__function table[] = {
        { "abs", filter_abs }, { "batch", filter_batch }, { "capitalize", filter_capitalize },
        { "count", filter_length }, { "d", filter_default }, { "default", filter_default },
        { "dictsort", filter_dictsort }, { "e", filter_escape }, { "escape", filter_escape },
        { "first", filter_first }, { "float", filter_float }, { "format", filter_format },
        { "from_json", filter_from_json },
        { "indent", filter_indent }, { "int", filter_int }, { "items", filter_items }, { "join", filter_join },
        { "last", filter_last }, { "length", filter_length }, { "list", filter_list }, { "lower", filter_lower },
        { "map", filter_map }, { "max", filter_max }, { "min", filter_min }, { "reject", filter_reject },
        { "rejectattr", filter_rejectattr }, { "replace", filter_replace }, { "reverse", filter_reverse },
        { "round", filter_round }, { "safe", filter_safe }, { "select", filter_select },
        { "selectattr", filter_selectattr }, { "sort", filter_sort }, { "string", filter_string },
        { "sum", filter_sum }, { "title", filter_title }, { "tojson", filter_tojson }, { "trim", filter_trim },
        { "unique", filter_unique }, { "upper", filter_upper },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (einf__bytes_are(name, table[i].name)) return &table[i];
    return NULL;
}
