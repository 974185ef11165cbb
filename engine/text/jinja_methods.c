/* SPDX-License-Identifier: MIT
 * jinja_methods.c - the methods of strings, lists and mappings: "text".split(), messages.append(m).
 *
 * Where a method makes a new text, every character keeps the mark of the one it came from.
 */
#include <utf8proc.h>

#include "engine/text/jinja_private.h"
#include "engine/text/utf8.h"

typedef einf_status method_fn(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out);

/* -------------------------------------------------------------------------------------------- letters of texts -- */

/* Write code point `to` with the mark of byte `at`. */
static einf_status put(einf__render *r, einf__text_out *o, const einf__string *s, uint32_t at, uint32_t to)
{
    char text[4];
    const uint32_t n = einf__utf8_put(text, to);
    return einf__out_text(r, o, text, n, s->marks ? s->marks[at] : s->markup);
}

static bool is_letter(uint32_t cp)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

typedef enum casing { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_FIRST } casing;

/* Each character becomes one, but for the "ß" that has no capital: other ligatures stay as they are. */
static einf_status change_case(einf__render *r, const einf__value *self, casing how, einf__value *out)
{
    const einf__string *s = self->string;
    einf__text_out o = { NULL, NULL, 0, 0 };
    bool in_word = false;
    for (uint32_t at = 0, used; at < s->n; at += used) {
        const uint32_t cp = einf__utf8_get(s->p + at, s->n - at, &used);
        const bool upper = how == CASE_UPPER || (how == CASE_TITLE && !in_word) || (how == CASE_FIRST && at == 0);
        const utf8proc_int32_t to = upper ? utf8proc_toupper((utf8proc_int32_t)cp)
                                          : utf8proc_tolower((utf8proc_int32_t)cp);
        if (upper && cp == 0xdf) {
            EINF_TRY(put(r, &o, s, at, 'S'));
            EINF_TRY(put(r, &o, s, at, how == CASE_UPPER ? 'S' : 's'));
        } else {
            EINF_TRY(put(r, &o, s, at, (uint32_t)to));
        }
        in_word = is_letter(cp);
    }
    return einf__out_take(r, &o, out);
}

static einf_status str_upper(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return change_case(r, self, CASE_UPPER, out);
}

static einf_status str_lower(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return change_case(r, self, CASE_LOWER, out);
}

static einf_status str_title(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return change_case(r, self, CASE_TITLE, out);
}

static einf_status str_capitalize(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return change_case(r, self, CASE_FIRST, out);
}

/* White space as Python's str has it. */
static bool is_space(uint32_t cp)
{
    if (cp < 0x80) return cp == ' ' || (cp >= '\t' && cp <= '\r') || (cp >= 0x1c && cp <= 0x1f);
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return cp == 0x85 || c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}

/* Is the character one of these; without them, white space? */
static bool is_stripped(const einf__string *chars, uint32_t cp)
{
    if (!chars) return is_space(cp);
    for (uint32_t at = 0, used; at < chars->n; at += used)
        if (einf__utf8_get(chars->p + at, chars->n - at, &used) == cp) return true;
    return false;
}

static uint32_t strip_left(const einf__string *s, const einf__string *chars, uint32_t begin, uint32_t end)
{
    for (uint32_t used; begin < end; begin += used)
        if (!is_stripped(chars, einf__utf8_get(s->p + begin, end - begin, &used))) break;
    return begin;
}

static uint32_t strip_right(const einf__string *s, const einf__string *chars, uint32_t begin, uint32_t end)
{
    while (end > begin) {
        uint32_t at = end - 1, used;
        while (at > begin && end - at < 4 && ((uint8_t)s->p[at] & 0xc0u) == 0x80) at--;
        if (!is_stripped(chars, einf__utf8_get(s->p + at, end - at, &used))) break;
        end = at;
    }
    return end;
}

static einf_status strip(einf__render *r, const einf__value *self, const einf__args *args, bool left, bool right,
                         einf__value *out)
{
    const einf__string *s = self->string, *chars;
    EINF_TRY(einf__arg_string(r, args, 0, "chars", &chars));
    EINF_TRY(einf__tmpl_charge(r, (uint64_t)s->n / 16 * (chars ? 1 + chars->n / 2 : 1)));
    const uint32_t begin = left ? strip_left(s, chars, 0, s->n) : 0;
    const uint32_t end = right ? strip_right(s, chars, begin, s->n) : s->n;
    return einf__substring(r, s, begin, end, out);
}

static einf_status str_strip(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return strip(r, self, args, true, true, out);
}

static einf_status str_lstrip(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return strip(r, self, args, true, false, out);
}

static einf_status str_rstrip(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return strip(r, self, args, false, true, out);
}

/* ------------------------------------------------------------------------------------------------ searching -- */

static einf_status need_string(einf__render *r, const einf__args *args, uint32_t i, const char *what,
                               const einf__string **out)
{
    EINF_TRY(einf__arg_string(r, args, i, NULL, out));
    return *out ? EINF_OK : einf__tmpl_fail(r, "%s needs a string", what);
}

static bool has_at(const einf__string *s, uint32_t at, const einf__string *part)
{
    return s->n - at >= part->n && memcmp(s->p + at, part->p, part->n) == 0;
}

/* Where part stands in s from `from` on; UINT32_MAX: nowhere. Linear, which the callers have charged. */
static uint32_t find_first(const einf__string *s, const einf__string *part, uint32_t from)
{
    const uint32_t step = 4096 + part->n; /* by stretches: address sanitizer looks at all of one each time */
    if (part->n == 0) return from;
    for (; from < s->n && s->n - from >= part->n; from += step) {
        const uint32_t left = s->n - from, n = left < step + part->n - 1 ? left : step + part->n - 1;
        const char *p = memmem(s->p + from, n, part->p, part->n);
        if (p) return (uint32_t)(p - s->p);
    }
    return UINT32_MAX;
}

/* The last place of part in the first `to` bytes of s. */
static einf_status find_last(einf__render *r, const einf__string *s, const einf__string *part, uint32_t to,
                             uint32_t *out)
{
    *out = UINT32_MAX;
    for (uint32_t at = part->n > to ? 0 : to - part->n + 1; at > 0 && *out == UINT32_MAX; at--) {
        if (at % 16 == 0) EINF_TRY(einf__tmpl_charge(r, 1));
        if (part->n && s->p[at - 1] != part->p[0]) continue;
        EINF_TRY(einf__tmpl_charge(r, part->n / 64));
        if (has_at(s, at - 1, part)) *out = at - 1;
    }
    return EINF_OK;
}

/* "x".startswith("a") or of any of a tuple. */
static einf_status has_end(einf__render *r, const einf__value *self, const einf__args *args, bool at_end,
                           einf__value *out)
{
    const einf__string *s = self->string;
    const einf__value *v = einf__arg(args, 0, NULL);
    EINF_TRY(einf__args_most(r, args, 1, "startswith"));
    if (!v || (v->kind != EINF__V_STRING && v->kind != EINF__V_TUPLE))
        return einf__tmpl_fail(r, "startswith and endswith need a string or a tuple of strings");
    const einf__list one = { (einf__value *)(uintptr_t)v, 1, 1 };
    const einf__list *all = v->kind == EINF__V_TUPLE ? v->list : &one;
    *out = einf__flag(false);
    for (uint32_t i = 0; i < all->n && !out->flag; i++) {
        if (all->items[i].kind != EINF__V_STRING) return einf__tmpl_fail(r, "expected strings");
        const einf__string *part = all->items[i].string;
        *out = einf__flag(s->n >= part->n && has_at(s, at_end ? s->n - part->n : 0, part));
    }
    return EINF_OK;
}

static einf_status str_startswith(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return has_end(r, self, args, false, out);
}

static einf_status str_endswith(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return has_end(r, self, args, true, out);
}

/* Byte `at` as a number of characters. */
static int64_t characters_before(const einf__string *s, uint32_t at)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < at; i++) n += ((uint8_t)s->p[i] & 0xc0u) != 0x80;
    return n;
}

static einf_status find_index(einf__render *r, const einf__value *self, const einf__args *args, bool last,
                              einf__value *out)
{
    const einf__string *s = self->string, *part;
    EINF_TRY(need_string(r, args, 0, "find", &part));
    EINF_TRY(einf__args_most(r, args, 1, "find"));
    EINF_TRY(einf__tmpl_charge(r, s->n / 8));
    uint32_t at = UINT32_MAX;
    if (last) EINF_TRY(find_last(r, s, part, s->n, &at));
    else at = find_first(s, part, 0);
    *out = einf__integer(at == UINT32_MAX ? -1 : characters_before(s, at));
    return EINF_OK;
}

static einf_status str_find(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return find_index(r, self, args, false, out);
}

static einf_status str_rfind(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return find_index(r, self, args, true, out);
}

static einf_status str_index(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    EINF_TRY(find_index(r, self, args, false, out));
    return out->i < 0 ? einf__tmpl_fail(r, "the text is not in the string") : EINF_OK;
}

static einf_status str_count(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *s = self->string, *part;
    int64_t n = 0;
    EINF_TRY(need_string(r, args, 0, "count", &part));
    EINF_TRY(einf__tmpl_charge(r, s->n / 8));
    if (part->n == 0) {
        EINF_TRY(einf__length(r, self, &n));
        n++;
    } else {
        for (uint32_t at = 0; (at = find_first(s, part, at)) != UINT32_MAX; at += part->n) n++;
    }
    *out = einf__integer(n);
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------ cutting and joining -- */

static einf_status push_part(einf__render *r, einf__list *list, const einf__string *s, uint32_t begin, uint32_t end)
{
    einf__value part;
    EINF_TRY(einf__tmpl_charge(r, 1));
    EINF_TRY(einf__substring(r, s, begin, end, &part));
    return einf__list_push(r, list, part);
}

/* Cut at runs of white space; empty parts are none. */
static einf_status split_at_space(einf__render *r, const einf__string *s, int64_t most, einf__list *list)
{
    for (uint32_t at = strip_left(s, NULL, 0, s->n); at < s->n;) {
        uint32_t end = at, used;
        if (most >= 0 && list->n == most) return push_part(r, list, s, at, s->n);
        while (end < s->n && !is_space(einf__utf8_get(s->p + end, s->n - end, &used))) end += used;
        EINF_TRY(push_part(r, list, s, at, end));
        at = strip_left(s, NULL, end, s->n);
    }
    return EINF_OK;
}

static einf_status split_at(einf__render *r, const einf__string *s, const einf__string *by, int64_t most,
                            einf__list *list)
{
    uint32_t at = 0, found;
    while ((most < 0 || list->n < most) && (found = find_first(s, by, at)) != UINT32_MAX) {
        EINF_TRY(push_part(r, list, s, at, found));
        at = found + by->n;
    }
    return push_part(r, list, s, at, s->n);
}

static void reverse(einf__list *list)
{
    for (uint32_t i = 0; i < list->n / 2; i++) {
        const einf__value swapped = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = swapped;
    }
}

static einf_status rsplit_at(einf__render *r, const einf__string *s, const einf__string *by, int64_t most,
                             einf__list *list)
{
    uint32_t end = s->n, found;
    while (most < 0 || list->n < most) {
        EINF_TRY(find_last(r, s, by, end, &found));
        if (found == UINT32_MAX) break;
        EINF_TRY(push_part(r, list, s, found + by->n, end));
        end = found;
    }
    EINF_TRY(push_part(r, list, s, 0, end));
    reverse(list);
    return EINF_OK;
}

static einf_status str_split(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *by;
    int64_t most;
    EINF_TRY(einf__arg_string(r, args, 0, "sep", &by));
    EINF_TRY(einf__arg_int(r, args, 1, "maxsplit", -1, &most));
    EINF_TRY(einf__tmpl_charge(r, self->string->n / 8));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    if (by && by->n == 0) return einf__tmpl_fail(r, "split needs a separator that is not empty");
    return by ? split_at(r, self->string, by, most, out->list) : split_at_space(r, self->string, most, out->list);
}

static einf_status str_rsplit(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *by;
    int64_t most;
    EINF_TRY(einf__arg_string(r, args, 0, "sep", &by));
    EINF_TRY(einf__arg_int(r, args, 1, "maxsplit", -1, &most));
    if (!by || by->n == 0) return einf__tmpl_fail(r, "rsplit needs a separator that is not empty");
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    return rsplit_at(r, self->string, by, most, out->list);
}

static einf_status str_splitlines(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *s = self->string;
    const einf__value *keep = einf__arg(args, 0, "keepends");
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    for (uint32_t at = 0; at < s->n;) {
        uint32_t end = at;
        while (end < s->n && s->p[end] != '\n' && s->p[end] != '\r') end++;
        const bool is_pair = end + 1 < s->n && s->p[end] == '\r' && s->p[end + 1] == '\n';
        const uint32_t next = end == s->n ? end : end + 1 + is_pair;
        EINF_TRY(push_part(r, out->list, s, at, keep && einf__truth(keep) ? next : end));
        at = next;
    }
    return EINF_OK;
}

/* "a=b".partition("="): before, separator, behind */
static einf_status cut(einf__render *r, const einf__value *self, const einf__args *args, bool last, einf__value *out)
{
    const einf__string *s = self->string, *by;
    EINF_TRY(need_string(r, args, 0, "partition", &by));
    if (by->n == 0) return einf__tmpl_fail(r, "partition needs a separator that is not empty");
    EINF_TRY(einf__make_list(r, EINF__V_TUPLE, 3, out));
    const uint32_t end = last ? 0 : s->n;
    uint32_t found = UINT32_MAX;
    EINF_TRY(einf__tmpl_charge(r, s->n / 16));
    if (last) EINF_TRY(find_last(r, s, by, s->n, &found));
    else found = find_first(s, by, 0);
    EINF_TRY(push_part(r, out->list, s, 0, found == UINT32_MAX ? end : found));
    EINF_TRY(push_part(r, out->list, s, found == UINT32_MAX ? end : found, found == UINT32_MAX ? end : found + by->n));
    return push_part(r, out->list, s, found == UINT32_MAX ? end : found + by->n, s->n);
}

static einf_status str_partition(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return cut(r, self, args, false, out);
}

static einf_status str_rpartition(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return cut(r, self, args, true, out);
}

/* replace("a", "b", count) */
static einf_status str_replace(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *s = self->string, *old, *new;
    einf__text_out o = { NULL, NULL, 0, 0 };
    einf__value piece;
    int64_t most;
    EINF_TRY(need_string(r, args, 0, "replace", &old));
    EINF_TRY(need_string(r, args, 1, "replace", &new));
    EINF_TRY(einf__arg_int(r, args, 2, "count", -1, &most));
    EINF_TRY(einf__tmpl_charge(r, s->n / 8));
    uint32_t at = 0;
    for (int64_t n = 0; most < 0 || n < most; n++) {
        uint32_t found = find_first(s, old, at), used = 0;
        if (found == UINT32_MAX) break;
        uint32_t next = found + old->n;
        EINF_TRY(einf__tmpl_charge(r, 1));
        if (old->n == 0) { /* before every character, and at the end */
            EINF_TRY(einf__out_string(r, &o, new));
            if (at == s->n) return einf__out_take(r, &o, out);
            einf__utf8_get(s->p + at, s->n - at, &used);
            found = at + used;
            next = found;
        }
        EINF_TRY(einf__substring(r, s, at, found, &piece));
        EINF_TRY(einf__out_string(r, &o, piece.string));
        if (old->n) EINF_TRY(einf__out_string(r, &o, new));
        at = next;
    }
    EINF_TRY(einf__substring(r, s, at, s->n, &piece));
    EINF_TRY(einf__out_string(r, &o, piece.string));
    return einf__out_take(r, &o, out);
}

static einf_status remove_end(einf__render *r, const einf__value *self, const einf__args *args, bool suffix,
                              einf__value *out)
{
    const einf__string *s = self->string, *part;
    EINF_TRY(need_string(r, args, 0, "removeprefix", &part));
    const bool has = s->n >= part->n && has_at(s, suffix ? s->n - part->n : 0, part);
    const uint32_t n = has ? part->n : 0;
    return einf__substring(r, s, suffix ? 0 : n, suffix ? s->n - n : s->n, out);
}

static einf_status str_removeprefix(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return remove_end(r, self, args, false, out);
}

static einf_status str_removesuffix(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    return remove_end(r, self, args, true, out);
}

static einf_status str_join(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *v = einf__arg(args, 0, NULL);
    const einf__list *list;
    einf__text_out o = { NULL, NULL, 0, 0 };
    if (!v) return einf__tmpl_fail(r, "join needs something to join");
    EINF_TRY(einf__iterate(r, v, &list));
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].kind != EINF__V_STRING)
            return einf__tmpl_fail(r, "join joins strings, not %s", einf__type_name(&list->items[i]));
        if (i) EINF_TRY(einf__out_string(r, &o, self->string));
        EINF_TRY(einf__out_string(r, &o, list->items[i].string));
    }
    return einf__out_take(r, &o, out);
}

/* The value for the place of a format that begins at s->p[*at], behind "{": {}, {0} or {name}; *at moves behind "}". */
static einf_status format_place(einf__render *r, const einf__string *s, uint32_t *at, uint32_t *i_next,
                                const einf__args *args, const einf__value **out)
{
    char name[64];
    const char *end = memchr(s->p + *at, '}', s->n - *at);
    const uint32_t n = end ? (uint32_t)(end - s->p) - *at : 0;
    if (!end || n >= sizeof name) return einf__tmpl_fail(r, "a format has a \"{\" without its \"}\"");
    memcpy(name, s->p + *at, n);
    name[n] = '\0';
    *at += n + 1;
    if (n == 0) *out = einf__arg(args, (*i_next)++, NULL);
    else if (n == 1 && name[0] >= '0' && name[0] <= '9') *out = einf__arg(args, (uint32_t)(name[0] - '0'), NULL);
    else *out = einf__arg(args, UINT32_MAX, name);
    return *out ? EINF_OK : einf__tmpl_fail(r, "a format has no value for {%s}", name);
}

static einf_status str_format(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *s = self->string;
    einf__text_out o = { NULL, NULL, 0, 0 };
    uint32_t i_next = 0;
    for (uint32_t at = 0; at < s->n;) {
        const char c = s->p[at];
        const einf__value *v;
        einf__value piece;
        if (c == '{' && !(at + 1 < s->n && s->p[at + 1] == '{')) {
            at++;
            EINF_TRY(format_place(r, s, &at, &i_next, args, &v));
            EINF_TRY(einf__out_value(r, &o, v));
            continue;
        }
        EINF_TRY(einf__substring(r, s, at, at + 1, &piece));
        EINF_TRY(einf__out_string(r, &o, piece.string));
        at += c == '{' || (c == '}' && at + 1 < s->n && s->p[at + 1] == '}') ? 2 : 1;
    }
    return einf__out_take(r, &o, out);
}

/* Are all characters, of which there is one, of that kind? */
static einf_status all_are(einf__render *r, const einf__value *self, bool (*is)(uint32_t cp), einf__value *out)
{
    const einf__string *s = self->string;
    bool all = s->n > 0;
    EINF_TRY(einf__tmpl_charge(r, s->n / 8));
    for (uint32_t at = 0, used; at < s->n && all; at += used)
        all = is(einf__utf8_get(s->p + at, s->n - at, &used));
    *out = einf__flag(all);
    return EINF_OK;
}

static bool is_digit(uint32_t cp) { return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND; }
static bool is_letter_or_digit(uint32_t cp) { return is_letter(cp) || is_digit(cp); }

#define ALL_ARE(method, is) \
    static einf_status method(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out) \
    { \
        (void)args; \
        return all_are(r, self, is, out); \
    }
ALL_ARE(str_isspace, is_space)
ALL_ARE(str_isdigit, is_digit)
ALL_ARE(str_isalpha, is_letter)
ALL_ARE(str_isalnum, is_letter_or_digit)

static einf_status by_test(einf__render *r, const einf__value *self, const char *test, einf__value *out)
{
    const einf__args none = { NULL, 0, NULL, 0 };
    return einf__test_find((einf__bytes){ test, strlen(test) })->fn(r, self, &none, out);
}

static einf_status str_islower(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return by_test(r, self, "lower", out);
}

static einf_status str_isupper(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return by_test(r, self, "upper", out);
}

/* -------------------------------------------------------------------------------------- lists and mappings -- */

static einf_status need_value(einf__render *r, const einf__args *args, uint32_t i, const char *what,
                              const einf__value **out)
{
    *out = einf__arg(args, i, NULL);
    return *out ? EINF_OK : einf__tmpl_fail(r, "%s needs a value", what);
}

/* The constants of a template are shared by its renders, so a list is changed only where a render made it; all lists
 * are made by renders. */
static einf_status list_append(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *v;
    EINF_TRY(need_value(r, args, 0, "append", &v));
    *out = einf__none();
    return einf__list_push(r, self->list, *v);
}

static einf_status list_extend(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *v;
    const einf__list *more;
    EINF_TRY(need_value(r, args, 0, "extend", &v));
    EINF_TRY(einf__iterate(r, v, &more));
    const uint32_t n = more->n; /* it may be the list itself */
    *out = einf__none();
    EINF_TRY(einf__tmpl_charge(r, n));
    for (uint32_t i = 0; i < n; i++) EINF_TRY(einf__list_push(r, self->list, more->items[i]));
    return EINF_OK;
}

static einf_status list_insert(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    einf__list *list = self->list;
    const einf__value *v;
    int64_t at;
    EINF_TRY(einf__arg_int(r, args, 0, NULL, 0, &at));
    EINF_TRY(need_value(r, args, 1, "insert", &v));
    if (at < 0) at += list->n;
    at = at < 0 ? 0 : at > list->n ? list->n : at;
    EINF_TRY(einf__tmpl_charge(r, list->n / 8));
    EINF_TRY(einf__list_push(r, list, *v));
    for (int64_t i = list->n - 1; i > at; i--) list->items[i] = list->items[i - 1];
    list->items[at] = *v;
    *out = einf__none();
    return EINF_OK;
}

static einf_status list_pop(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    einf__list *list = self->list;
    int64_t at;
    EINF_TRY(einf__arg_int(r, args, 0, NULL, -1, &at));
    if (at < 0) at += list->n;
    if (at < 0 || at >= list->n) return einf__tmpl_fail(r, "pop from a place that the list does not have");
    EINF_TRY(einf__tmpl_charge(r, list->n / 8));
    *out = list->items[at];
    for (int64_t i = at; i + 1 < list->n; i++) list->items[i] = list->items[i + 1];
    list->n--;
    return EINF_OK;
}

static einf_status list_index(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *v;
    EINF_TRY(need_value(r, args, 0, "index", &v));
    for (uint32_t i = 0; i < self->list->n; i++) {
        bool same;
        EINF_TRY(einf__values_equal(r, v, &self->list->items[i], &same));
        if (!same) continue;
        *out = einf__integer(i);
        return EINF_OK;
    }
    return einf__tmpl_fail(r, "the value is not in the list");
}

static einf_status list_count(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *v;
    int64_t n = 0;
    EINF_TRY(need_value(r, args, 0, "count", &v));
    for (uint32_t i = 0; i < self->list->n; i++) {
        bool same;
        EINF_TRY(einf__values_equal(r, v, &self->list->items[i], &same));
        n += same;
    }
    *out = einf__integer(n);
    return EINF_OK;
}

static einf_status by_filter(einf__render *r, const einf__value *self, const char *filter, einf__value *out)
{
    const einf__args none = { NULL, 0, NULL, 0 };
    return einf__filter_find((einf__bytes){ filter, strlen(filter) })->fn(r, self, &none, out);
}

static einf_status map_items(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return by_filter(r, self, "items", out);
}

static einf_status map_keys(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    return by_filter(r, self, "list", out);
}

static einf_status map_values(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)args;
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    for (uint32_t i = 0; i < self->map->n; i++) EINF_TRY(einf__list_push(r, out->list, self->map->pairs[i].value));
    return EINF_OK;
}

static einf_status map_get(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *key, *fallback = einf__arg(args, 1, NULL);
    einf__pair *pair;
    EINF_TRY(need_value(r, args, 0, "get", &key));
    EINF_TRY(einf__map_find(r, self->map, key, &pair));
    *out = pair ? pair->value : fallback ? *fallback : einf__none();
    return EINF_OK;
}

static einf_status map_pop(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *key, *fallback = einf__arg(args, 1, NULL);
    einf__map *m = self->map;
    einf__pair *pair;
    EINF_TRY(need_value(r, args, 0, "pop", &key));
    EINF_TRY(einf__map_find(r, m, key, &pair));
    if (!pair && !fallback) return einf__tmpl_fail(r, "pop of a key that the mapping does not have");
    *out = pair ? pair->value : *fallback;
    if (!pair) return EINF_OK;
    const size_t behind = (size_t)(m->pairs + m->n - pair) - 1;
    memmove(pair, pair + 1, behind * sizeof *pair);
    m->n--;
    return EINF_OK;
}

static einf_status map_update(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *v = einf__arg(args, 0, NULL);
    *out = einf__none();
    if (v && v->kind != EINF__V_MAP) return einf__tmpl_fail(r, "update needs a mapping, not %s", einf__type_name(v));
    for (uint32_t i = 0; v && i < v->map->n; i++)
        EINF_TRY(einf__map_set(r, self->map, v->map->pairs[i].key, v->map->pairs[i].value));
    for (uint32_t i = 0; i < args->n_named; i++)
        EINF_TRY(einf__map_set(r, self->map, (einf__value){ .kind = EINF__V_STRING, .string = args->named[i].name },
                               args->named[i].value));
    return EINF_OK;
}

/* ----------------------------------------------------------------------------------------------------- loop -- */

static einf_status loop_cycle(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    if (args->n == 0) return einf__tmpl_fail(r, "cycle needs values to go through");
    *out = args->items[self->loop->i % args->n];
    return EINF_OK;
}

/* Is the value another than at the last call? */
static einf_status loop_changed(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    einf__loop *loop = self->loop;
    einf__value now;
    bool same = false;
    EINF_TRY(einf__make_list(r, EINF__V_TUPLE, args->n, &now));
    for (uint32_t i = 0; i < args->n; i++) EINF_TRY(einf__list_push(r, now.list, args->items[i]));
    if (loop->changed.kind != EINF__V_UNDEFINED) EINF_TRY(einf__values_equal(r, &now, &loop->changed, &same));
    loop->changed = now;
    *out = einf__flag(!same);
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- table -- */

typedef struct method_name {
    einf__value_kind kind;
    const char *name;
    method_fn *fn;
} method_name;

static const method_name methods[] = {
    { EINF__V_STRING, "strip", str_strip }, { EINF__V_STRING, "lstrip", str_lstrip },
    { EINF__V_STRING, "rstrip", str_rstrip }, { EINF__V_STRING, "split", str_split },
    { EINF__V_STRING, "rsplit", str_rsplit }, { EINF__V_STRING, "splitlines", str_splitlines },
    { EINF__V_STRING, "partition", str_partition }, { EINF__V_STRING, "rpartition", str_rpartition },
    { EINF__V_STRING, "startswith", str_startswith }, { EINF__V_STRING, "endswith", str_endswith },
    { EINF__V_STRING, "upper", str_upper }, { EINF__V_STRING, "lower", str_lower },
    { EINF__V_STRING, "title", str_title }, { EINF__V_STRING, "capitalize", str_capitalize },
    { EINF__V_STRING, "replace", str_replace }, { EINF__V_STRING, "find", str_find },
    { EINF__V_STRING, "rfind", str_rfind }, { EINF__V_STRING, "index", str_index },
    { EINF__V_STRING, "count", str_count }, { EINF__V_STRING, "join", str_join },
    { EINF__V_STRING, "removeprefix", str_removeprefix }, { EINF__V_STRING, "removesuffix", str_removesuffix },
    { EINF__V_STRING, "isspace", str_isspace }, { EINF__V_STRING, "isdigit", str_isdigit },
    { EINF__V_STRING, "isnumeric", str_isdigit }, { EINF__V_STRING, "isalpha", str_isalpha },
    { EINF__V_STRING, "isalnum", str_isalnum }, { EINF__V_STRING, "islower", str_islower },
    { EINF__V_STRING, "isupper", str_isupper }, { EINF__V_STRING, "format", str_format },
    { EINF__V_LIST, "append", list_append }, { EINF__V_LIST, "extend", list_extend },
    { EINF__V_LIST, "insert", list_insert }, { EINF__V_LIST, "pop", list_pop }, { EINF__V_LIST, "index", list_index },
    { EINF__V_LIST, "count", list_count }, { EINF__V_TUPLE, "index", list_index },
    { EINF__V_TUPLE, "count", list_count },
    { EINF__V_MAP, "items", map_items }, { EINF__V_MAP, "keys", map_keys }, { EINF__V_MAP, "values", map_values },
    { EINF__V_MAP, "get", map_get }, { EINF__V_MAP, "pop", map_pop }, { EINF__V_MAP, "update", map_update },
    { EINF__V_LOOP, "cycle", loop_cycle }, { EINF__V_LOOP, "changed", loop_changed },
};

einf__builtin_fn einf__method_find(const einf__value *self, const einf__string *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].kind == self->kind && einf__string_is(name, methods[i].name)) return methods[i].fn;
    return NULL;
}
