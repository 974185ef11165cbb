/* SPDX-License-Identifier: MIT
 * jinja_lex.c - from the source of a template to tokens, white space control included.
 *
 * What lies between tags is text. A tag takes white space with it: "-" all of it, a block at the beginning of a line
 * the blanks before it (lstrip_blocks), a block at the end of a line that line end (trim_blocks); "+" keeps both.
 */
#include "engine/text/jinja_private.h"
#include "engine/text/utf8.h"

typedef struct lexer {
    einf__compiler *c;
    const char *s;     /* the source */
    uint32_t n, at;
    bool line_start;   /* the text that comes now begins a line */
} lexer;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_line_end(char c) { return c == '\n' || c == '\r'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

static bool begins(const lexer *l, uint32_t at, const char *text)
{
    const size_t n = strlen(text);
    return l->n - at >= n && memcmp(l->s + at, text, n) == 0;
}

static einf_status push(lexer *l, einf__token_kind kind, uint32_t begin, uint32_t end, einf__value value)
{
    einf__compiler *c = l->c;
    if (c->n_tokens == c->cap_tokens) {
        const uint32_t cap = c->cap_tokens ? 2 * c->cap_tokens : 256;
        const uint64_t size_bytes = cap * sizeof(einf__tmpl_token);
        einf__tmpl_token *grown = einf__pile_take(&c->tokens_pile, size_bytes);
        if (!grown) return einf__pile_fail(&c->tokens_pile, size_bytes, c->err);
        if (c->n_tokens) memcpy(grown, c->tokens, c->n_tokens * sizeof *grown);
        c->tokens = grown;
        c->cap_tokens = cap;
    }
    c->tokens[c->n_tokens++] = (einf__tmpl_token){ kind, begin, { l->s + begin, end - begin }, value };
    return EINF_OK;
}

static einf_status make_string(lexer *l, const char *p, uint32_t n, einf__value *out)
{
    einf__string *s;
    EINF__TAKE(l->c, sizeof *s, s);
    *s = (einf__string){ p, NULL, n, true };
    *out = (einf__value){ .kind = EINF__V_STRING, .string = s };
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------------- text -- */

/* Text [begin, end): line ends become "\n", as Jinja reads them. */
static einf_status push_text(lexer *l, uint32_t begin, uint32_t end)
{
    if (begin >= end) return EINF_OK;
    const char *p = l->s + begin;
    uint32_t n = end - begin;
    if (memchr(p, '\r', n)) {
        char *copy;
        uint32_t n_copy = 0;
        EINF__TAKE(l->c, n, copy);
        for (uint32_t i = 0; i < n; i++) {
            if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n') continue;
            copy[n_copy++] = p[i] == '\r' ? '\n' : p[i];
        }
        p = copy;
        n = n_copy;
    }
    einf__value v;
    EINF_TRY(make_string(l, p, n, &v));
    return push(l, EINF__T_TEXT, begin, end, v);
}

/* Where text [begin, end) ends when a tag that is written `{%sign` follows it. */
static uint32_t text_end(const lexer *l, uint32_t begin, uint32_t end, char sign, bool is_print)
{
    uint32_t to = end;
    while (to > begin && is_space(l->s[to - 1])) to--;
    if (sign == '-') return to;
    if (sign == '+' || is_print) return end;
    uint32_t line = end;
    while (line > begin && !is_line_end(l->s[line - 1])) line--;
    const bool starts_line = line > begin || l->line_start;
    return starts_line && to <= line ? line : end;
}

/* Step over the end of a tag, `at` being behind its sign and brackets, and over the white space it takes. */
static void end_tag(lexer *l, uint32_t at, char sign, bool is_print)
{
    const uint32_t from = at;
    if (sign == '-') {
        while (at < l->n && is_space(l->s[at])) at++;
    } else if (sign != '+' && !is_print) {
        if (at < l->n && l->s[at] == '\r') at++;
        if (at < l->n && l->s[at] == '\n') at++;
    }
    l->line_start = at > from && is_line_end(l->s[at - 1]);
    l->at = at;
}

/* ------------------------------------------------------------------------------------------------- literals -- */

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* n hexadecimal digits at `at` as a character. */
static einf_status hex_escape(lexer *l, uint32_t at, uint32_t n, char *to, uint32_t *n_to)
{
    uint32_t cp = 0;
    for (uint32_t i = 0; i < n; i++) {
        const int digit = at + i < l->n ? hex_digit(l->s[at + i]) : -1;
        if (digit < 0 || cp > 0x10ffff / 16 + 1)
            return einf__tmpl_fail_at(l->c->t->source, at, l->c->err, "an escape needs %u hexadecimal digits", n);
        cp = cp * 16 + (uint32_t)digit;
    }
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return einf__tmpl_fail_at(l->c->t->source, at, l->c->err, "an escape names no character");
    *n_to += einf__utf8_put(to + *n_to, cp);
    return EINF_OK;
}

/* The escape behind the backslash at *at, as Python reads it; an unknown one stays as it is. */
static einf_status escape(lexer *l, uint32_t *at, char *to, uint32_t *n_to)
{
    static const char from[] = "\\'\"abfnrtv", into[] = "\\'\"\a\b\f\n\r\t\v";
    const char c = l->s[*at + 1];
    const char *known = c ? strchr(from, c) : NULL;
    const uint32_t n_hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (n_hex) {
        EINF_TRY(hex_escape(l, *at + 2, n_hex, to, n_to));
        *at += 2 + n_hex;
    } else if (c >= '0' && c <= '7') {
        uint32_t cp = 0, n = 1;
        for (; n <= 3 && *at + n < l->n && l->s[*at + n] >= '0' && l->s[*at + n] <= '7'; n++)
            cp = cp * 8 + (uint32_t)(l->s[*at + n] - '0');
        *n_to += einf__utf8_put(to + *n_to, cp);
        *at += n;
    } else {
        if (known) to[(*n_to)++] = into[known - from];
        else if (c != '\n') to[(*n_to)++] = '\\', to[(*n_to)++] = c;
        *at += 2;
    }
    return EINF_OK;
}

static einf_status lex_string(lexer *l)
{
    const uint32_t begin = l->at;
    const char quote = l->s[begin];
    uint32_t end = begin + 1;
    while (end < l->n && l->s[end] != quote) end += l->s[end] == '\\' ? 2 : 1;
    if (end >= l->n) return einf__tmpl_fail_at(l->c->t->source, begin, l->c->err, "a string has no end");
    char *text;
    uint32_t n = 0;
    EINF__TAKE(l->c, end - begin + 1, text); /* an escape is never shorter than what it names */
    for (uint32_t i = begin + 1; i < end;) {
        if (l->s[i] == '\\') EINF_TRY(escape(l, &i, text, &n));
        else if (l->s[i] == '\r') text[n++] = '\n', i += begins(l, i, "\r\n") ? 2 : 1;
        else text[n++] = l->s[i++];
    }
    einf__value v;
    EINF_TRY(make_string(l, text, n, &v));
    l->at = end + 1;
    return push(l, EINF__T_STRING, begin, end + 1, v);
}

/* 12, 1_000, 1.5, 2e9, 1.5e-3; "1." is an integer and a dot. */
static einf_status lex_number(lexer *l)
{
    const uint32_t begin = l->at;
    uint32_t end = begin;
    int64_t value = 0;
    bool overflow = false;
    for (; end < l->n && (is_digit(l->s[end]) || (l->s[end] == '_' && end + 1 < l->n && is_digit(l->s[end + 1])));
         end++)
        if (l->s[end] != '_')
            overflow |= __builtin_mul_overflow(value, 10, &value) ||
                        __builtin_add_overflow(value, l->s[end] - '0', &value);
    const uint32_t whole = end;
    if (end + 1 < l->n && l->s[end] == '.' && is_digit(l->s[end + 1]))
        for (end++; end < l->n && is_digit(l->s[end]); end++) {}
    uint32_t e = end;
    if (e < l->n && (l->s[e] == 'e' || l->s[e] == 'E')) {
        e++;
        if (e < l->n && (l->s[e] == '+' || l->s[e] == '-')) e++;
        if (e < l->n && is_digit(l->s[e]))
            for (end = e; end < l->n && is_digit(l->s[end]); end++) {}
    }
    l->at = end;
    if (end > whole)
        return push(l, EINF__T_FLOAT, begin, end, einf__real(einf__double_of(l->s + begin, end - begin)));
    if (overflow) return einf__tmpl_fail_at(l->c->t->source, begin, l->c->err, "a number is beyond 64 bits");
    return push(l, EINF__T_INT, begin, end, einf__integer(value));
}

static einf_status lex_operator(lexer *l)
{
    static const char *const two[] = { "==", "!=", "<=", ">=", "//", "**" };
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++)
        if (begins(l, l->at, two[i])) {
            l->at += 2;
            return push(l, EINF__T_OPERATOR, l->at - 2, l->at, einf__none());
        }
    const char c = l->s[l->at];
    if (!c || !strchr("+-*/%~<>=.,:|()[]{}", c))
        return einf__tmpl_fail_at(l->c->t->source, l->at, l->c->err, "\"%.*s\" is not part of the language", 1,
                                  l->s + l->at);
    l->at++;
    return push(l, EINF__T_OPERATOR, l->at - 1, l->at, einf__none());
}

/* ---------------------------------------------------------------------------------------------------- tags -- */

/* The inside of a tag up to its closing brackets, which are only that outside of brackets of the language. */
static einf_status lex_inside(lexer *l, bool is_print)
{
    const char *close = is_print ? "}}" : "%}";
    const uint32_t begin = l->at;
    uint32_t open = 0;
    while (l->at < l->n) {
        const char c = l->s[l->at];
        const bool has_sign = c == '-' || (c == '+' && !is_print);
        if (open == 0 && begins(l, l->at + (has_sign ? 1 : 0), close)) {
            EINF_TRY(push(l, is_print ? EINF__T_PRINT_END : EINF__T_BLOCK_END, l->at, l->at, einf__none()));
            end_tag(l, l->at + (has_sign ? 3 : 2), has_sign ? c : ' ', is_print);
            return EINF_OK;
        }
        if (c == '(' || c == '[' || c == '{') open++;
        if ((c == ')' || c == ']' || c == '}') && open > 0) open--;
        if (is_space(c)) l->at++;
        else if (c == '\'' || c == '"') EINF_TRY(lex_string(l));
        else if (is_digit(c)) EINF_TRY(lex_number(l));
        else if (is_name(c)) {
            const uint32_t from = l->at;
            while (l->at < l->n && is_name(l->s[l->at])) l->at++;
            EINF_TRY(push(l, EINF__T_NAME, from, l->at, einf__none()));
        } else EINF_TRY(lex_operator(l));
    }
    return einf__tmpl_fail_at(l->c->t->source, begin, l->c->err, "a tag has no \"%s\"", close);
}

static uint32_t skip_space(const lexer *l, uint32_t at)
{
    while (at < l->n && is_space(l->s[at])) at++;
    return at;
}

/* Is the tag at `at`, written {%, a block of this one name? *end is behind its brackets, *sign before them. */
static bool is_tag(const lexer *l, uint32_t at, const char *name, uint32_t *end, char *sign)
{
    at += 2;
    if (at < l->n && (l->s[at] == '-' || l->s[at] == '+')) at++;
    at = skip_space(l, at);
    if (!begins(l, at, name)) return false;
    at = skip_space(l, at + (uint32_t)strlen(name));
    *sign = at < l->n && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at++] : ' ';
    *end = at + 2;
    return at <= l->n && begins(l, at, "%}");
}

static char sign_of(const lexer *l, uint32_t tag)
{
    const char c = tag + 2 < l->n ? l->s[tag + 2] : ' ';
    return c == '-' || c == '+' ? c : ' ';
}

/* {% raw %} has been stepped over: everything up to {% endraw %} is text. */
static einf_status lex_raw(lexer *l)
{
    const uint32_t begin = l->at;
    for (uint32_t at = begin; at + 1 < l->n; at++) {
        uint32_t end;
        char sign;
        if (!begins(l, at, "{%") || !is_tag(l, at, "endraw", &end, &sign)) continue;
        EINF_TRY(push_text(l, begin, text_end(l, begin, at, sign_of(l, at), false)));
        end_tag(l, end, sign, false);
        return EINF_OK;
    }
    return einf__tmpl_fail_at(l->c->t->source, begin, l->c->err, "{%% raw %%} has no {%% endraw %%}");
}

static einf_status lex_comment(lexer *l, uint32_t tag)
{
    for (uint32_t at = tag + 2; at + 1 < l->n; at++) {
        if (!begins(l, at, "#}")) continue;
        const char sign = at > tag + 2 && (l->s[at - 1] == '-' || l->s[at - 1] == '+') ? l->s[at - 1] : ' ';
        end_tag(l, at + 2, sign, false);
        return EINF_OK;
    }
    return einf__tmpl_fail_at(l->c->t->source, tag, l->c->err, "a comment has no \"#}\"");
}

static einf_status lex_tag(lexer *l, uint32_t tag)
{
    const bool is_print = l->s[tag + 1] == '{';
    uint32_t end;
    char sign;
    if (l->s[tag + 1] == '#') return lex_comment(l, tag);
    if (!is_print && is_tag(l, tag, "raw", &end, &sign) && sign != '+') { /* Jinja knows no {% raw +%} */
        end_tag(l, end, sign, true); /* the line end behind it is text, too */
        return lex_raw(l);
    }
    EINF_TRY(push(l, is_print ? EINF__T_PRINT_BEGIN : EINF__T_BLOCK_BEGIN, tag, tag + 2, einf__none()));
    l->at = tag + 2 + (sign_of(l, tag) != ' ');
    return lex_inside(l, is_print);
}

einf_status einf__tmpl_lex(einf__compiler *c)
{
    lexer l = { .c = c, .s = c->t->source.p, .n = (uint32_t)c->t->source.n, .line_start = true };
    if (l.n > 0 && l.s[l.n - 1] == '\n') l.n--; /* Jinja drops one line end at the end of a template */
    if (l.n > 0 && l.s[l.n - 1] == '\r') l.n--;
    while (l.at < l.n) {
        const uint32_t begin = l.at;
        uint32_t tag = begin;
        while (tag < l.n && !(l.s[tag] == '{' && tag + 1 < l.n && strchr("{%#", l.s[tag + 1]) && l.s[tag + 1])) tag++;
        if (tag == l.n) {
            l.at = l.n;
            EINF_TRY(push_text(&l, begin, l.n));
            break;
        }
        EINF_TRY(push_text(&l, begin, text_end(&l, begin, tag, sign_of(&l, tag), l.s[tag + 1] == '{')));
        EINF_TRY(lex_tag(&l, tag));
    }
    return push(&l, EINF__T_END, l.n, l.n, einf__none());
}
