/* SPDX-License-Identifier: MIT
 * jinja_json.c - JSON in (tools, variables, parts of messages) and out (the filter tojson).
 *
 * jsmn cuts the text into tokens without taking memory. It lets some things pass that are no JSON; what stands between
 * tokens, and numbers and strings themselves, are therefore checked here.
 */
#include <stdio.h>
#include <stdlib.h>
#define JSMN_STATIC
#define JSMN_STRICT
#include <jsmn.h>

#include "engine/text/jinja_private.h"
#include "engine/text/utf8.h"

typedef struct reader {
    einf__render *r;
    const char *p;
    uint32_t n;
    const jsmntok_t *tokens;
    uint32_t next;    /* token */
    uint32_t at;      /* byte that has been accounted for */
    uint32_t depth;
    const char *what;
} reader;

static einf_status bad(const reader *j, uint32_t at, const char *why)
{
    return einf__fail(j->r->err, EINF_E_ARG, at, j->what, "check it with a JSON tool", "no valid JSON at byte %u: %s",
                      at, why);
}

/* ---------------------------------------------------------------------------------------------- reading -- */

/* Account for white space and exactly this one character ('\0': none) up to byte `to`. */
static einf_status between(reader *j, uint32_t to, char wanted)
{
    for (; j->at < to; j->at++) {
        const char c = j->p[j->at];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
        if (c != wanted || !wanted) return bad(j, j->at, "a character is out of place");
        wanted = '\0';
    }
    return wanted ? bad(j, to, wanted == ',' ? "a comma is missing" : "a colon is missing") : EINF_OK;
}

/* Begin and end in the text, quotes included. */
static uint32_t begin_of(const jsmntok_t *t) { return (uint32_t)t->start - (t->type == JSMN_STRING); }
static uint32_t end_of(const jsmntok_t *t) { return (uint32_t)t->end + (t->type == JSMN_STRING); }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The bytes of a number of JSON that p begins with; *whole: no fraction, no exponent. */
static uint32_t number_bytes(const char *p, uint32_t n, bool *whole)
{
    uint32_t i = n > 0 && p[0] == '-';
    if (i >= n || !is_digit(p[i])) return 0;
    if (p[i] == '0') i++;
    else while (i < n && is_digit(p[i])) i++;
    *whole = true;
    if (i + 1 < n && p[i] == '.' && is_digit(p[i + 1])) {
        *whole = false;
        for (i++; i < n && is_digit(p[i]); i++) {}
    }
    uint32_t e = i;
    if (e < n && (p[e] == 'e' || p[e] == 'E')) {
        e++;
        if (e < n && (p[e] == '+' || p[e] == '-')) e++;
        if (e < n && is_digit(p[e])) {
            *whole = false;
            for (i = e; i < n && is_digit(p[i]); i++) {}
        }
    }
    return i;
}

static einf_status read_primitive(reader *j, const jsmntok_t *t, einf__value *out)
{
    const einf__bytes text = { j->p + t->start, (uint64_t)(t->end - t->start) };
    bool whole = false;
    if (einf__bytes_are(text, "true")) *out = einf__flag(true);
    else if (einf__bytes_are(text, "false")) *out = einf__flag(false);
    else if (einf__bytes_are(text, "null")) *out = einf__none();
    else if (number_bytes(text.p, (uint32_t)text.n, &whole) != text.n)
        return bad(j, (uint32_t)t->start, "neither a number nor true, false or null");
    else if (!whole) *out = einf__real(einf__double_of(text.p, text.n));
    else {
        int64_t v = 0;
        const bool minus = text.p[0] == '-';
        bool beyond = false;
        for (uint64_t i = minus; i < text.n; i++)
            beyond |= __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, text.p[i] - '0', &v);
        beyond |= !minus && v == INT64_MIN;
        if (beyond) *out = einf__real(einf__double_of(text.p, text.n)); /* as most readers of JSON do */
        else *out = einf__integer(minus ? v : -v);
    }
    return EINF_OK;
}

static bool hex4(const char *p, uint32_t n, uint32_t *cp)
{
    *cp = 0;
    if (n < 4) return false;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const uint32_t digit = is_digit(c) ? (uint32_t)(c - '0') : (uint32_t)((c | 32) - 'a') + 10;
        if (!is_digit(c) && ((c | 32) < 'a' || (c | 32) > 'f')) return false;
        *cp = *cp * 16 + digit;
    }
    return true;
}

/* The \uXXXX at p, with the second half of a pair; bytes read, 0 when it is none. A half by itself is U+FFFD. */
static uint32_t unicode_escape(const char *p, uint32_t n, uint32_t *cp)
{
    uint32_t low;
    if (!hex4(p + 2, n - 2, cp)) return 0;
    if (*cp >= 0xd800 && *cp < 0xdc00 && n >= 12 && p[6] == '\\' && p[7] == 'u' && hex4(p + 8, n - 8, &low) &&
        low >= 0xdc00 && low < 0xe000) {
        *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
        return 12;
    }
    if (*cp >= 0xd800 && *cp < 0xe000) *cp = EINF__REPLACEMENT;
    return 6;
}

static einf_status read_string(reader *j, const jsmntok_t *t, einf__value *out)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *p = j->p + t->start;
    const uint32_t n = (uint32_t)(t->end - t->start);
    char *text;
    uint32_t n_text = 0;
    EINF_TRY(einf__tmpl_charge(j->r, n / 16));
    EINF__ALLOC(j->r, n, text);
    for (uint32_t i = 0; i < n;) {
        if ((uint8_t)p[i] < ' ') return bad(j, (uint32_t)t->start + i, "a control character in a string");
        if (p[i] != '\\') {
            text[n_text++] = p[i++];
            continue;
        }
        const char *known = i + 1 < n && p[i + 1] ? strchr(from, p[i + 1]) : NULL;
        uint32_t cp = 0, used = known ? 2 : i + 1 < n && p[i + 1] == 'u' ? unicode_escape(p + i, n - i, &cp) : 0;
        if (!used) return bad(j, (uint32_t)t->start + i, "an unknown escape");
        if (known) text[n_text++] = into[known - from];
        else n_text += einf__utf8_put(text + n_text, cp);
        i += used;
    }
    return einf__make_string(j->r, text, n_text, false, out);
}

static einf_status read_value(reader *j, einf__value *out);

static einf_status read_items(reader *j, const jsmntok_t *t, einf__value *out)
{
    EINF_TRY(einf__make_list(j->r, EINF__V_LIST, 0, out));
    for (int i = 0; i < t->size; i++) {
        einf__value item;
        EINF_TRY(between(j, begin_of(&j->tokens[j->next]), i ? ',' : '\0'));
        EINF_TRY(read_value(j, &item));
        EINF_TRY(einf__list_push(j->r, out->list, item));
    }
    return EINF_OK;
}

static einf_status read_pairs(reader *j, const jsmntok_t *t, einf__value *out)
{
    EINF_TRY(einf__make_map(j->r, EINF__V_MAP, out));
    for (int i = 0; i < t->size; i++) {
        const jsmntok_t *key_token = &j->tokens[j->next];
        einf__value key, value;
        EINF_TRY(between(j, begin_of(key_token), i ? ',' : '\0'));
        if (key_token->type != JSMN_STRING || key_token->size != 1)
            return bad(j, begin_of(key_token), "a member is not \"name\": value");
        EINF_TRY(read_value(j, &key));
        EINF_TRY(between(j, begin_of(&j->tokens[j->next]), ':'));
        EINF_TRY(read_value(j, &value));
        EINF_TRY(einf__map_set(j->r, out->map, key, value));
    }
    return EINF_OK;
}

static einf_status read_value(reader *j, einf__value *out)
{
    const jsmntok_t *t = &j->tokens[j->next++];
    EINF_TRY(einf__tmpl_charge(j->r, 1));
    if (t->type == JSMN_STRING || t->type == JSMN_PRIMITIVE) {
        EINF_TRY(t->type == JSMN_STRING ? read_string(j, t, out) : read_primitive(j, t, out));
        j->at = end_of(t);
        return EINF_OK;
    }
    if (++j->depth > EINF__TMPL_MAX_DEPTH / 2) return bad(j, (uint32_t)t->start, "it is nested too deep");
    j->at = (uint32_t)t->start + 1;
    EINF_TRY(t->type == JSMN_OBJECT ? read_pairs(j, t, out) : read_items(j, t, out));
    EINF_TRY(between(j, (uint32_t)t->end - 1, '\0'));
    j->at = (uint32_t)t->end;
    j->depth--;
    return EINF_OK;
}

/* A text that is a number or a word and nothing else; otherwise a token of no type. */
static jsmntok_t lone_primitive(einf__bytes text)
{
    uint64_t begin = 0, end = text.n;
    while (begin < end && strchr(" \t\n\r", text.p[begin])) begin++;
    while (end > begin && strchr(" \t\n\r", text.p[end - 1])) end--;
    const bool is = begin < end && !strchr("{[\"", text.p[begin]);
    return (jsmntok_t){ .type = is ? JSMN_PRIMITIVE : JSMN_UNDEFINED, .start = (int)begin, .end = (int)end };
}

einf_status einf__json_parse(einf__render *r, einf__bytes text, const char *what, einf__value *out)
{
    reader j = { .r = r, .p = text.p, .n = (uint32_t)text.n, .what = what };
    if (text.n > EINF__TMPL_MAX_OUTPUT) return bad(&j, EINF__TMPL_MAX_OUTPUT, "it is too long");
    if (!einf__utf8_is_valid(text.p, text.n)) return bad(&j, 0, "it is not UTF-8");
    jsmn_parser parser;
    const jsmntok_t alone = lone_primitive(text); /* jsmn wants a comma or a bracket behind one */
    if (alone.type == JSMN_PRIMITIVE) return read_primitive(&j, &alone, out);
    jsmn_init(&parser);
    const int n = jsmn_parse(&parser, text.p, (size_t)text.n, NULL, 0);
    if (n <= 0) return bad(&j, parser.pos, n == JSMN_ERROR_PART ? "it ends too early" : "a character is out of place");
    jsmntok_t *tokens;
    EINF_TRY(einf__tmpl_charge(r, (uint64_t)n));
    EINF__ALLOC(r, ((uint64_t)n + 1) * sizeof *tokens, tokens); /* one more, to look ahead */
    jsmn_init(&parser);
    const int again = jsmn_parse(&parser, text.p, (size_t)text.n, tokens, (unsigned)n);
    if (again != n) return bad(&j, parser.pos, "a character is out of place");
    j.tokens = tokens;
    EINF_TRY(between(&j, begin_of(&tokens[0]), '\0'));
    EINF_TRY(read_value(&j, out));
    if (j.next != (uint32_t)n) return bad(&j, j.at, "there is more than one value");
    return between(&j, j.n, '\0');
}

/* ---------------------------------------------------------------------------------------------- writing -- */

static einf_status write_text(einf__render *r, einf__text_out *o, const char *text)
{
    return einf__out_text(r, o, text, strlen(text), false);
}

static einf_status write_escape(einf__render *r, einf__text_out *o, uint32_t cp)
{
    char text[16];
    const char *known = cp == '"' ? "\\\"" : cp == '\\' ? "\\\\" : cp == '\n' ? "\\n" : cp == '\r' ? "\\r"
                      : cp == '\t' ? "\\t" : cp == '\b' ? "\\b" : cp == '\f' ? "\\f" : NULL;
    if (known) return write_text(r, o, known);
    if (cp < 0x10000) {
        snprintf(text, sizeof text, "\\u%04x", (unsigned)cp);
    } else {
        snprintf(text, sizeof text, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((cp - 0x10000) >> 10)),
                 (unsigned)(0xdc00 + ((cp - 0x10000) & 0x3ff)));
    }
    return write_text(r, o, text);
}

/* Runs that need no escape keep their marks. */
static einf_status write_string(einf__render *r, einf__text_out *o, const einf__string *s, bool ascii)
{
    uint32_t plain = 0;
    EINF_TRY(write_text(r, o, "\""));
    for (uint32_t at = 0, used = 1; at <= s->n; at += used) {
        const uint32_t cp = at < s->n ? einf__utf8_get(s->p + at, s->n - at, &used) : '"';
        if (at == s->n) used = 1;
        if (cp >= ' ' && cp != '"' && cp != '\\' && !(ascii && cp > 0x7e)) continue;
        if (at > plain) {
            einf__value run;
            EINF_TRY(einf__substring(r, s, plain, at, &run));
            EINF_TRY(einf__out_string(r, o, run.string));
        }
        if (at < s->n) EINF_TRY(write_escape(r, o, cp));
        plain = at + used;
    }
    return write_text(r, o, "\"");
}

static einf_status write_separator(einf__render *r, einf__text_out *o, const einf__json_style *style, bool comma,
                                   uint32_t level)
{
    if (comma) {
        if (style->item_separator) EINF_TRY(einf__out_string(r, o, style->item_separator));
        else EINF_TRY(write_text(r, o, style->indent < 0 ? ", " : ","));
    }
    if (style->indent < 0) return EINF_OK;
    EINF_TRY(write_text(r, o, "\n"));
    for (int64_t i = 0; i < style->indent * level; i++) EINF_TRY(write_text(r, o, " "));
    return EINF_OK;
}

static einf_status write_value(einf__render *r, einf__text_out *o, const einf__value *v, const einf__json_style *style,
                               uint32_t level);

static einf_status write_items(einf__render *r, einf__text_out *o, const einf__list *list,
                               const einf__json_style *style, uint32_t level)
{
    if (list->n == 0) return write_text(r, o, "[]");
    EINF_TRY(write_text(r, o, "["));
    for (uint32_t i = 0; i < list->n; i++) {
        EINF_TRY(write_separator(r, o, style, i > 0, level + 1));
        EINF_TRY(write_value(r, o, &list->items[i], style, level + 1));
    }
    EINF_TRY(write_separator(r, o, style, false, level));
    return write_text(r, o, "]");
}

/* Keys become strings as JSON writes their values. */
static einf_status write_key(einf__render *r, einf__text_out *o, const einf__value *key, const einf__json_style *style)
{
    if (key->kind == EINF__V_STRING) return write_string(r, o, key->string, style->ensure_ascii);
    EINF_TRY(write_text(r, o, "\""));
    EINF_TRY(write_value(r, o, key, style, 0));
    return write_text(r, o, "\"");
}

/* The pairs in the order of their keys. */
static einf_status sorted_pairs(einf__render *r, const einf__map *m, const einf__pair **out)
{
    einf__pair *pairs;
    EINF__ALLOC(r, m->n * sizeof *pairs, pairs);
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t at = i;
        for (int order = 1; at > 0; at--) {
            EINF_TRY(einf__values_order(r, &pairs[at - 1].key, &m->pairs[i].key, &order));
            if (order <= 0) break;
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = m->pairs[i];
    }
    *out = pairs;
    return EINF_OK;
}

static einf_status write_pairs(einf__render *r, einf__text_out *o, const einf__map *m, const einf__json_style *style,
                               uint32_t level)
{
    const einf__pair *pairs = m->pairs;
    if (m->n == 0) return write_text(r, o, "{}");
    if (style->sort_keys) EINF_TRY(sorted_pairs(r, m, &pairs));
    EINF_TRY(write_text(r, o, "{"));
    for (uint32_t i = 0; i < m->n; i++) {
        EINF_TRY(write_separator(r, o, style, i > 0, level + 1));
        EINF_TRY(write_key(r, o, &pairs[i].key, style));
        if (style->key_separator) EINF_TRY(einf__out_string(r, o, style->key_separator));
        else EINF_TRY(write_text(r, o, ": "));
        EINF_TRY(write_value(r, o, &pairs[i].value, style, level + 1));
    }
    EINF_TRY(write_separator(r, o, style, false, level));
    return write_text(r, o, "}");
}

static einf_status write_double(einf__render *r, einf__text_out *o, double f)
{
    char text[40];
    einf__double_text(f, text);
    return write_text(r, o, f != f ? "NaN" : text[0] == 'i' ? "Infinity" : text[0] == '-' && text[1] == 'i'
                                     ? "-Infinity" : text);
}

static einf_status write_nested(einf__render *r, einf__text_out *o, const einf__value *v,
                                const einf__json_style *style, uint32_t level)
{
    if (level > EINF__TMPL_MAX_DEPTH)
        return einf__fail(r->err, EINF_E_LIMIT, r->at, "chat template", NULL,
                          "values are nested deeper than %d levels", (int)EINF__TMPL_MAX_DEPTH);
    return v->kind == EINF__V_MAP ? write_pairs(r, o, v->map, style, level) : write_items(r, o, v->list, style, level);
}

static einf_status write_value(einf__render *r, einf__text_out *o, const einf__value *v, const einf__json_style *style,
                               uint32_t level)
{
    EINF_TRY(einf__tmpl_charge(r, 1));
    switch (v->kind) {
    case EINF__V_NONE: return write_text(r, o, "null");
    case EINF__V_BOOL: return write_text(r, o, v->flag ? "true" : "false");
    case EINF__V_INT: return einf__out_value(r, o, v);
    case EINF__V_FLOAT: return write_double(r, o, v->f);
    case EINF__V_STRING: return write_string(r, o, v->string, style->ensure_ascii);
    case EINF__V_LIST:
    case EINF__V_TUPLE:
    case EINF__V_MAP: return write_nested(r, o, v, style, level);
    default: return einf__tmpl_fail(r, "%s cannot be written as JSON", einf__type_name(v));
    }
}

einf_status einf__json_write(einf__render *r, einf__text_out *o, const einf__value *v, const einf__json_style *style)
{
    return write_value(r, o, v, style, 0);
}
