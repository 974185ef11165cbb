/* SPDX-License-Identifier: MIT
 * jinja_text.c - text that grows, with its marks, and values as Python prints them.
 */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "engine/text/jinja_private.h"
#include "engine/text/utf8.h"

/* ------------------------------------------------------------------------------------------------ growing -- */

static einf_status reserve(einf__render *r, einf__text_out *o, uint64_t n)
{
    r->written += n;
    if (r->written > EINF__TMPL_MAX_OUTPUT)
        return einf__fail(r->err, EINF_E_LIMIT, r->at, "chat template", "use another template, or fewer messages",
                          "the template writes more than its %d MiB of text", (int)(EINF__TMPL_MAX_OUTPUT >> 20));
    EINF_TRY(einf__tmpl_charge(r, n / 64));
    if (n <= (uint64_t)o->cap - o->n) return EINF_OK;
    uint32_t cap = o->cap ? o->cap : 256;
    while (cap - o->n < n) cap *= 2; /* at most twice the limit of the output */
    char *p;
    uint8_t *marks;
    EINF__ALLOC(r, cap, p);
    EINF__ALLOC(r, cap, marks);
    if (o->n) memcpy(p, o->p, o->n), memcpy(marks, o->marks, o->n);
    o->p = p;
    o->marks = marks;
    o->cap = cap;
    return EINF_OK;
}

einf_status einf__out_text(einf__render *r, einf__text_out *o, const char *p, uint64_t n, bool markup)
{
    if (n == 0) return EINF_OK;
    EINF_TRY(reserve(r, o, n));
    memcpy(o->p + o->n, p, (size_t)n);
    memset(o->marks + o->n, markup, (size_t)n);
    o->n += (uint32_t)n;
    return EINF_OK;
}

einf_status einf__out_string(einf__render *r, einf__text_out *o, const einf__string *s)
{
    EINF_TRY(einf__out_text(r, o, s->p, s->n, s->markup));
    if (s->marks && s->n) memcpy(o->marks + o->n - s->n, s->marks, s->n);
    return EINF_OK;
}

einf_status einf__out_take(einf__render *r, const einf__text_out *o, einf__value *out)
{
    einf__string *s;
    EINF_TRY(einf__tmpl_charge(r, o->n / 256)); /* for the look at all marks */
    EINF__ALLOC(r, sizeof *s, s);
    *s = (einf__string){ o->n ? o->p : "", o->marks, o->n, true };
    if (o->n == 0 || (o->marks[0] == o->marks[o->n - 1] && memcmp(o->marks, o->marks + 1, o->n - 1) == 0)) {
        s->marks = NULL; /* all alike */
        s->markup = o->n == 0 || o->marks[0];
    }
    *out = (einf__value){ .kind = EINF__V_STRING, .string = s };
    return EINF_OK;
}

/* ----------------------------------------------------------------------------------------------- numbers -- */

double einf__double_of(const char *p, uint64_t n)
{
    char text[512];
    uint64_t n_text = 0;
    for (uint64_t i = 0; i < n && n_text < sizeof text - 1; i++)
        if (p[i] != '_') text[n_text++] = p[i];
    text[n_text] = '\0';
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* the C library's own, which cannot fail */
    const double f = c ? strtod_l(text, NULL, c) : 0;
    if (c) freelocale(c);
    return f;
}

/* The digits of f with so many of them, and the power of ten of the first. */
static int digits_of(double f, int n_digits, char digits[20])
{
    char text[64]; /* d.ddde+xx, the point being the locale's */
    int n = 0, exponent = 0;
    snprintf(text, sizeof text, "%.*e", n_digits - 1, fabs(f));
    const char *p = text;
    for (; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && n < n_digits) digits[n++] = *p;
    if (*p == 'e')
        for (const char *q = p + 2; *q; q++) exponent = exponent * 10 + (*q - '0');
    digits[n] = '\0';
    return *p == 'e' && p[1] == '-' ? -exponent : exponent;
}

static bool names(double f, const char *digits, int exponent)
{
    char text[40];
    const int n = snprintf(text, sizeof text, "%c.%se%d", digits[0], digits + 1, exponent);
    return einf__double_of(text, (uint64_t)n) == fabs(f);
}

void einf__double_text(double f, char out[40])
{
    char digits[20] = "0";
    int exponent = 0, n = 0;
    if (!isfinite(f)) {
        snprintf(out, 40, "%s", isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
        return;
    }
    for (int n_digits = 1; n_digits <= 17; n_digits++) {
        exponent = digits_of(f, n_digits, digits);
        if (names(f, digits, exponent)) break;
    }
    int n_digits = (int)strlen(digits);
    while (n_digits > 1 && digits[n_digits - 1] == '0') digits[--n_digits] = '\0';
    if (signbit(f)) out[n++] = '-';
    if (exponent < -4 || exponent >= 16) { /* as Python does */
        snprintf(out + n, (size_t)(40 - n), "%c%s%se%c%02d", digits[0], n_digits > 1 ? "." : "", digits + 1,
                 exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) out[n++] = '0', out[n++] = '.';
    for (int i = exponent < 0 ? exponent + 1 : 0; i < n_digits || i <= exponent; i++) {
        out[n++] = i >= 0 && i < n_digits ? digits[i] : '0';
        if (i == exponent) out[n++] = '.';
    }
    if (out[n - 1] == '.') out[n++] = '0';
    out[n] = '\0';
}

/* ------------------------------------------------------------------------------------------------- values -- */

/* Python escapes what cannot be seen. */
static bool is_printable(uint32_t cp)
{
    if (cp == ' ') return true;
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c != UTF8PROC_CATEGORY_CC && c != UTF8PROC_CATEGORY_CF && c != UTF8PROC_CATEGORY_CS &&
           c != UTF8PROC_CATEGORY_CO && c != UTF8PROC_CATEGORY_CN && c != UTF8PROC_CATEGORY_ZL &&
           c != UTF8PROC_CATEGORY_ZP && c != UTF8PROC_CATEGORY_ZS;
}

/* A character as Python's repr writes it between quotes. */
static einf_status out_escaped(einf__render *r, einf__text_out *o, const char *p, uint32_t used, uint32_t cp,
                               char quote)
{
    char text[16];
    const char *named = cp == '\n' ? "\\n" : cp == '\t' ? "\\t" : cp == '\r' ? "\\r" : cp == '\\' ? "\\\\" : NULL;
    if (named) return einf__out_text(r, o, named, 2, false);
    if (cp == (uint8_t)quote) EINF_TRY(einf__out_text(r, o, "\\", 1, false));
    if (is_printable(cp)) return einf__out_text(r, o, p, used, false);
    const int n = snprintf(text, sizeof text, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x",
                           (unsigned)cp);
    return einf__out_text(r, o, text, (uint64_t)n, false);
}

static einf_status out_quoted(einf__render *r, einf__text_out *o, const einf__string *s)
{
    const bool has_single = memchr(s->p, '\'', s->n) != NULL, has_double = memchr(s->p, '"', s->n) != NULL;
    const char quote = has_single && !has_double ? '"' : '\'';
    EINF_TRY(einf__out_text(r, o, &quote, 1, false));
    for (uint32_t at = 0, used; at < s->n; at += used) {
        const uint32_t cp = einf__utf8_get(s->p + at, s->n - at, &used);
        EINF_TRY(out_escaped(r, o, s->p + at, used, cp, quote));
    }
    return einf__out_text(r, o, &quote, 1, false);
}

static einf_status out_ascii(einf__render *r, einf__text_out *o, const char *text)
{
    return einf__out_text(r, o, text, strlen(text), false);
}

static einf_status out_repr(einf__render *r, einf__text_out *o, const einf__value *v)
{
    if (v->kind == EINF__V_UNDEFINED) return out_ascii(r, o, "Undefined");
    return v->kind == EINF__V_STRING ? out_quoted(r, o, v->string) : einf__out_value(r, o, v);
}

static einf_status out_items(einf__render *r, einf__text_out *o, const einf__value *v)
{
    const bool is_list = v->kind == EINF__V_LIST;
    EINF_TRY(out_ascii(r, o, is_list ? "[" : "("));
    for (uint32_t i = 0; i < v->list->n; i++) {
        if (i) EINF_TRY(out_ascii(r, o, ", "));
        EINF_TRY(out_repr(r, o, &v->list->items[i]));
    }
    return out_ascii(r, o, is_list ? "]" : v->list->n == 1 ? ",)" : ")");
}

static einf_status out_pairs(einf__render *r, einf__text_out *o, const einf__map *m)
{
    EINF_TRY(out_ascii(r, o, "{"));
    for (uint32_t i = 0; i < m->n; i++) {
        if (i) EINF_TRY(out_ascii(r, o, ", "));
        EINF_TRY(out_repr(r, o, &m->pairs[i].key));
        EINF_TRY(out_ascii(r, o, ": "));
        EINF_TRY(out_repr(r, o, &m->pairs[i].value));
    }
    return out_ascii(r, o, "}");
}

static einf_status out_nested(einf__render *r, einf__text_out *o, const einf__value *v)
{
    if (++r->depth > EINF__TMPL_MAX_DEPTH)
        return einf__fail(r->err, EINF_E_LIMIT, r->at, "chat template", NULL,
                          "values are nested deeper than %d levels", (int)EINF__TMPL_MAX_DEPTH);
    EINF_TRY(einf__is_sequence(v) ? out_items(r, o, v) : out_pairs(r, o, v->map));
    r->depth--;
    return EINF_OK;
}

einf_status einf__out_value(einf__render *r, einf__text_out *o, const einf__value *v)
{
    char text[48];
    EINF_TRY(einf__tmpl_charge(r, 1));
    switch (v->kind) {
    case EINF__V_UNDEFINED: return EINF_OK;
    case EINF__V_NONE: return out_ascii(r, o, "None");
    case EINF__V_BOOL: return out_ascii(r, o, v->flag ? "True" : "False");
    case EINF__V_INT:
        snprintf(text, sizeof text, "%lld", (long long)v->i);
        return out_ascii(r, o, text);
    case EINF__V_FLOAT:
        einf__double_text(v->f, text);
        return out_ascii(r, o, text);
    case EINF__V_STRING: return einf__out_string(r, o, v->string);
    case EINF__V_LIST:
    case EINF__V_TUPLE:
    case EINF__V_MAP: return out_nested(r, o, v);
    default: return einf__tmpl_fail(r, "a %s cannot be printed", einf__type_name(v));
    }
}

einf_status einf__to_string(einf__render *r, const einf__value *v, const einf__string **out)
{
    if (v->kind == EINF__V_STRING) {
        *out = v->string;
        return EINF_OK;
    }
    einf__text_out o = { NULL, NULL, 0, 0 };
    einf__value text;
    EINF_TRY(einf__out_value(r, &o, v));
    EINF_TRY(einf__out_take(r, &o, &text));
    *out = text.string;
    return EINF_OK;
}

/* One "%x" of a format; *i_value moves on when it takes a value. */
static einf_status out_conversion(einf__render *r, einf__text_out *o, char c, const einf__value *values, uint32_t n,
                                  uint32_t *i_value)
{
    if (c == '%') return einf__out_text(r, o, "%", 1, false);
    if (c != 's' && c != 'd' && c != 'i' && c != 'r')
        return einf__tmpl_fail(r, "a format knows %%s, %%d, %%r and %%%%, not %%%c", c >= ' ' && c <= '~' ? c : '?');
    if (*i_value >= n) return einf__tmpl_fail(r, "a format has more places than the %u values", n);
    const einf__value *v = &values[(*i_value)++];
    if ((c == 'd' || c == 'i') && !einf__is_number(v))
        return einf__tmpl_fail(r, "%%%c needs a number, not %s", c, einf__type_name(v));
    if ((c == 'd' || c == 'i') && v->kind != EINF__V_INT) {
        const double f = einf__as_double(v);
        if (!(fabs(f) < 9e18)) return einf__tmpl_fail(r, "%%%c needs a number of 64 bits", c);
        const einf__value whole = einf__integer((int64_t)f);
        return einf__out_value(r, o, &whole);
    }
    return c == 'r' ? out_repr(r, o, v) : einf__out_value(r, o, v);
}

einf_status einf__format(einf__render *r, const einf__string *format, const einf__value *values, uint32_t n,
                         einf__value *out)
{
    einf__text_out o = { NULL, NULL, 0, 0 };
    uint32_t i_value = 0;
    for (uint32_t i = 0; i < format->n; i++) {
        einf__value piece;
        if (format->p[i] != '%') {
            uint32_t end = i;
            while (end < format->n && format->p[end] != '%') end++;
            EINF_TRY(einf__substring(r, format, i, end, &piece));
            EINF_TRY(einf__out_string(r, &o, piece.string));
            i = end - 1;
        } else {
            EINF_TRY(out_conversion(r, &o, ++i < format->n ? format->p[i] : ' ', values, n, &i_value));
        }
    }
    const bool may_stay = n == 1 && (values[0].kind == EINF__V_LIST || values[0].kind == EINF__V_MAP ||
                                     values[0].kind == EINF__V_UNDEFINED); /* Python does not miss these */
    if (i_value < n && !may_stay) return einf__tmpl_fail(r, "a format has fewer places than the %u values", n);
    return einf__out_take(r, &o, out);
}
