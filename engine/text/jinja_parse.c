/* SPDX-License-Identifier: MIT
 * jinja_parse.c - expressions, from tokens to a tree. Each function parses one level of precedence, loosest first:
 *
 *     a if b else c, or, and, not, comparisons, + -, ~, * / // %, **, signs, then a.b a[b] a(b), a|filter and a is test
 */
#include <stdarg.h>
#include <stdio.h>

#include "engine/text/jinja_private.h"

/* ------------------------------------------------------------------------------------------------- tools -- */

static void line_and_column(einf__bytes source, uint32_t at, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (uint64_t i = 0; i < at && i < source.n; i++) {
        if (source.p[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((uint8_t)source.p[i] & 0xc0u) != 0x80) {
            ++*column;
        }
    }
}

static einf_status fail_at(einf__bytes source, uint32_t at, einf_error *err, const char *format, va_list args)
{
    char text[200];
    unsigned line, column;
    vsnprintf(text, sizeof text, format, args);
    line_and_column(source, at, &line, &column);
    return einf__fail(err, EINF_E_TEMPLATE, at, "chat template", "use another template, or a raw prompt",
                      "line %u, column %u: %s", line, column, text);
}

einf_status einf__tmpl_fail_at(einf__bytes source, uint32_t at, einf_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const einf_status status = fail_at(source, at, err, format, args);
    va_end(args);
    return status;
}

einf_status einf__tmpl_fail(const einf__render *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const einf_status status = fail_at(r->t->source, r->at, r->err, format, args);
    va_end(args);
    return status;
}

void *einf__tmpl_take(einf__compiler *c, uint64_t n)
{
    void *p = einf__pile_take(c->pile, n);
    if (p) memset(p, 0, (size_t)n);
    else einf__pile_fail(c->pile, n, c->err);
    return p;
}

einf_status einf__tmpl_deeper(einf__compiler *c, uint32_t at)
{
    if (++c->depth <= EINF__TMPL_MAX_DEPTH) return EINF_OK;
    return einf__fail(c->err, EINF_E_LIMIT, at, "chat template", "use another template, or a raw prompt",
                      "the template is nested deeper than %d levels", (int)EINF__TMPL_MAX_DEPTH);
}

static einf_status unexpected(einf__compiler *c, const char *wanted)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (t->kind == EINF__T_END || t->kind == EINF__T_TEXT)
        return einf__tmpl_fail_at(c->t->source, t->at, c->err, "expected %s, found the end", wanted);
    if (t->kind == EINF__T_PRINT_END || t->kind == EINF__T_BLOCK_END)
        return einf__tmpl_fail_at(c->t->source, t->at, c->err, "expected %s, found the end of the tag", wanted);
    return einf__tmpl_fail_at(c->t->source, t->at, c->err, "expected %s, found \"%.*s\"", wanted,
                              t->text.n < 40 ? (int)t->text.n : 40, t->text.p);
}

einf_status einf__tmpl_expect(einf__compiler *c, einf__token_kind kind, const char *text)
{
    if (einf__tmpl_skip(c, kind, text)) return EINF_OK;
    char wanted[48];
    snprintf(wanted, sizeof wanted, "\"%s\"", text);
    return unexpected(c, wanted);
}

static bool skip_op(einf__compiler *c, const char *op) { return einf__tmpl_skip(c, EINF__T_OPERATOR, op); }
static bool at_op(const einf__compiler *c, const char *op) { return einf__tmpl_at(c, EINF__T_OPERATOR, op); }
static bool skip_word(einf__compiler *c, const char *word) { return einf__tmpl_skip(c, EINF__T_NAME, word); }
static bool at_word(const einf__compiler *c, const char *word) { return einf__tmpl_at(c, EINF__T_NAME, word); }
static einf_status expect_op(einf__compiler *c, const char *op) { return einf__tmpl_expect(c, EINF__T_OPERATOR, op); }

static einf_status new_expr(einf__compiler *c, einf__expr_kind kind, uint32_t at, einf__expr **out)
{
    EINF__TAKE(c, sizeof **out, *out);
    (*out)->kind = kind;
    (*out)->at = at;
    return EINF_OK;
}

static einf_status new_name(einf__compiler *c, einf__bytes text, const einf__string **out)
{
    einf__string *s;
    EINF__TAKE(c, sizeof *s, s);
    *s = (einf__string){ text.p, NULL, (uint32_t)text.n, true };
    *out = s;
    return EINF_OK;
}

/* The name that comes next. */
static einf_status take_name(einf__compiler *c, const einf__string **out)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (t->kind != EINF__T_NAME) return unexpected(c, "a name");
    c->next++;
    return new_name(c, t->text, out);
}

/* Expressions of a list that is being read. */
typedef struct items {
    const einf__expr **p;
    uint32_t n, cap;
} items;

static einf_status push_item(einf__compiler *c, items *list, const einf__expr *e)
{
    if (list->n == list->cap) {
        const uint32_t cap = list->cap ? 2 * list->cap : 4;
        const einf__expr **grown;
        EINF__TAKE(c, cap * sizeof *grown, grown);
        if (list->n) memcpy(grown, list->p, list->n * sizeof *grown);
        list->p = grown;
        list->cap = cap;
    }
    list->p[list->n++] = e;
    return EINF_OK;
}

static einf_status parse_conditional(einf__compiler *c, const einf__expr **out);
static einf_status parse_unary(einf__compiler *c, bool with_filters, const einf__expr **out);

/* ----------------------------------------------------------------------------------------------- literals -- */

/* Expressions separated by commas up to the closing bracket. */
static einf_status parse_items(einf__compiler *c, const char *close, items *list, bool *has_comma)
{
    *has_comma = false;
    while (!skip_op(c, close)) {
        const einf__expr *e;
        EINF_TRY(parse_conditional(c, &e));
        EINF_TRY(push_item(c, list, e));
        if (skip_op(c, ",")) *has_comma = true;
        else if (!at_op(c, close)) return expect_op(c, close);
    }
    return EINF_OK;
}

static einf_status parse_brackets(einf__compiler *c, const char *close, uint32_t at, const einf__expr **out)
{
    items list = { NULL, 0, 0 };
    bool has_comma;
    EINF_TRY(parse_items(c, close, &list, &has_comma));
    const bool is_list = close[0] == ']';
    if (!is_list && list.n == 1 && !has_comma) {
        *out = list.p[0];
        return EINF_OK;
    }
    einf__expr *e;
    EINF_TRY(new_expr(c, is_list ? EINF__E_LIST : EINF__E_TUPLE, at, &e));
    e->items = list.p;
    e->n_items = list.n;
    *out = e;
    return EINF_OK;
}

static einf_status parse_map(einf__compiler *c, uint32_t at, const einf__expr **out)
{
    items list = { NULL, 0, 0 };
    while (!skip_op(c, "}")) {
        const einf__expr *key, *value;
        EINF_TRY(parse_conditional(c, &key));
        EINF_TRY(expect_op(c, ":"));
        EINF_TRY(parse_conditional(c, &value));
        EINF_TRY(push_item(c, &list, key));
        EINF_TRY(push_item(c, &list, value));
        if (!skip_op(c, ",") && !at_op(c, "}")) return expect_op(c, "}");
    }
    einf__expr *e;
    EINF_TRY(new_expr(c, EINF__E_MAP, at, &e));
    e->items = list.p;
    e->n_items = list.n;
    *out = e;
    return EINF_OK;
}

/* Strings that stand beside each other are one. */
static einf_status parse_strings(einf__compiler *c, einf__expr *e)
{
    e->value = c->tokens[c->next++].value;
    while (einf__tmpl_peek(c)->kind == EINF__T_STRING) {
        const einf__string *a = e->value.string, *b = c->tokens[c->next++].value.string;
        char *text;
        einf__string *both;
        EINF__TAKE(c, (uint64_t)a->n + b->n, text);
        EINF__TAKE(c, sizeof *both, both);
        memcpy(text, a->p, a->n);
        memcpy(text + a->n, b->p, b->n);
        *both = (einf__string){ text, NULL, a->n + b->n, true };
        e->value.string = both;
    }
    return EINF_OK;
}

static bool constant_of(einf__bytes name, einf__value *out)
{
    if (einf__bytes_are(name, "true") || einf__bytes_are(name, "True")) *out = einf__flag(true);
    else if (einf__bytes_are(name, "false") || einf__bytes_are(name, "False")) *out = einf__flag(false);
    else if (einf__bytes_are(name, "none") || einf__bytes_are(name, "None")) *out = einf__none();
    else return false;
    return true;
}

/* Macros get `caller`, `varargs` and `kwargs` when they speak of them. */
static void note_use(einf__compiler *c, einf__bytes name)
{
    if (!c->signature) return;
    if (einf__bytes_are(name, "caller")) c->signature->uses_caller = true;
    if (einf__bytes_are(name, "varargs")) c->signature->uses_varargs = true;
    if (einf__bytes_are(name, "kwargs")) c->signature->uses_kwargs = true;
}

static einf_status parse_primary(einf__compiler *c, const einf__expr **out)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (skip_op(c, "(")) return parse_brackets(c, ")", t->at, out);
    if (skip_op(c, "[")) return parse_brackets(c, "]", t->at, out);
    if (skip_op(c, "{")) return parse_map(c, t->at, out);
    einf__expr *e;
    EINF_TRY(new_expr(c, EINF__E_CONST, t->at, &e));
    *out = e;
    if (t->kind == EINF__T_STRING) return parse_strings(c, e);
    if (t->kind == EINF__T_INT || t->kind == EINF__T_FLOAT) {
        e->value = t->value;
        c->next++;
        return EINF_OK;
    }
    if (t->kind != EINF__T_NAME) return unexpected(c, "a value");
    c->next++;
    if (constant_of(t->text, &e->value)) return EINF_OK;
    e->kind = EINF__E_NAME;
    note_use(c, t->text);
    return new_name(c, t->text, &e->name);
}

/* ------------------------------------------------------------------------------------------ what follows a value -- */

/* name=value is a named argument: it has been seen that a name and "=" come. */
static einf_status parse_named(einf__compiler *c, einf__expr *call, uint32_t *cap)
{
    if (call->n_named == *cap) {
        const uint32_t grown_cap = *cap ? 2 * *cap : 4;
        einf__named_expr *grown;
        EINF__TAKE(c, grown_cap * sizeof *grown, grown);
        if (call->n_named) memcpy(grown, call->named, call->n_named * sizeof *grown);
        call->named = grown;
        *cap = grown_cap;
    }
    einf__named_expr named;
    EINF_TRY(take_name(c, &named.name));
    EINF_TRY(expect_op(c, "="));
    EINF_TRY(parse_conditional(c, &named.value));
    memcpy((einf__named_expr *)(uintptr_t)(call->named + call->n_named++), &named, sizeof named);
    return EINF_OK;
}

static bool at_named(const einf__compiler *c)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    return t->kind == EINF__T_NAME && t[1].kind == EINF__T_OPERATOR && einf__bytes_are(t[1].text, "=");
}

/* Arguments behind "(", which has been stepped over. */
static einf_status parse_args(einf__compiler *c, einf__expr *call)
{
    items list = { NULL, 0, 0 };
    uint32_t cap_named = 0;
    while (!skip_op(c, ")")) {
        if (at_op(c, "*") || at_op(c, "**"))
            return einf__tmpl_fail_at(c->t->source, einf__tmpl_peek(c)->at, c->err,
                                      "arguments that are unpacked (* and **) are not supported");
        if (at_named(c)) {
            EINF_TRY(parse_named(c, call, &cap_named));
        } else {
            const einf__expr *e;
            EINF_TRY(parse_conditional(c, &e));
            EINF_TRY(push_item(c, &list, e));
        }
        if (!skip_op(c, ",") && !at_op(c, ")")) return expect_op(c, ")");
    }
    call->items = list.p;
    call->n_items = list.n;
    return EINF_OK;
}

static einf_status parse_attr(einf__compiler *c, const einf__expr *a, uint32_t at, const einf__expr **out)
{
    einf__expr *e;
    EINF_TRY(new_expr(c, EINF__E_ATTR, at, &e));
    e->a = a;
    *out = e;
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (t->kind == EINF__T_INT) { /* a.0 is a[0] */
        einf__expr *i;
        EINF_TRY(new_expr(c, EINF__E_CONST, t->at, &i));
        i->value = t->value;
        e->kind = EINF__E_ITEM;
        e->b = i;
        c->next++;
        return EINF_OK;
    }
    EINF_TRY(take_name(c, &e->name));
    if (e->name->n > 0 && e->name->p[0] == '_')
        return einf__tmpl_fail_at(c->t->source, t->at, c->err, "attribute \"%.*s\" is private",
                                  e->name->n < 40 ? (int)e->name->n : 40, e->name->p);
    return EINF_OK;
}

/* One of begin:end:step, or NULL. */
static einf_status parse_bound(einf__compiler *c, const einf__expr **out)
{
    *out = NULL;
    if (at_op(c, ":") || at_op(c, "]")) return EINF_OK;
    return parse_conditional(c, out);
}

static einf_status parse_subscript(einf__compiler *c, const einf__expr *a, uint32_t at, const einf__expr **out)
{
    einf__expr *e;
    const einf__expr *begin;
    EINF_TRY(new_expr(c, EINF__E_ITEM, at, &e));
    e->a = a;
    *out = e;
    EINF_TRY(parse_bound(c, &begin));
    if (!at_op(c, ":")) {
        if (!begin) return unexpected(c, "an index");
        e->b = begin;
        return expect_op(c, "]");
    }
    e->kind = EINF__E_SLICE;
    EINF__TAKE(c, 3 * sizeof *e->items, e->items);
    e->n_items = 3;
    e->items[0] = begin;
    skip_op(c, ":");
    EINF_TRY(parse_bound(c, &e->items[1]));
    if (skip_op(c, ":")) EINF_TRY(parse_bound(c, &e->items[2]));
    return expect_op(c, "]");
}

static einf_status parse_postfix(einf__compiler *c, const einf__expr *a, const einf__expr **out)
{
    for (;;) {
        const uint32_t at = einf__tmpl_peek(c)->at;
        if (skip_op(c, ".")) {
            EINF_TRY(parse_attr(c, a, at, &a));
        } else if (skip_op(c, "[")) {
            EINF_TRY(parse_subscript(c, a, at, &a));
        } else if (skip_op(c, "(")) {
            einf__expr *e;
            EINF_TRY(new_expr(c, EINF__E_CALL, at, &e));
            e->a = a;
            EINF_TRY(parse_args(c, e));
            a = e;
        } else {
            *out = a;
            return EINF_OK;
        }
    }
}

/* A filter behind "|". */
static einf_status parse_filter(einf__compiler *c, const einf__expr *a, const einf__expr **out)
{
    einf__expr *e;
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    EINF_TRY(new_expr(c, EINF__E_FILTER, t->at, &e));
    e->a = a;
    EINF_TRY(take_name(c, &e->name));
    e->builtin = einf__filter_find(t->text);
    if (!e->builtin && c->n_ifs == 0) /* behind a condition it is an error only when it runs, as in Jinja */
        return einf__tmpl_fail_at(c->t->source, t->at, c->err, "there is no filter \"%.*s\"",
                                  t->text.n < 40 ? (int)t->text.n : 40, t->text.p);
    if (skip_op(c, "(")) EINF_TRY(parse_args(c, e));
    *out = e;
    return EINF_OK;
}

einf_status einf__tmpl_parse_filters(einf__compiler *c, const einf__expr *a, const einf__expr **out)
{
    do EINF_TRY(parse_filter(c, a, &a));
    while (skip_op(c, "|"));
    *out = a;
    return EINF_OK;
}

/* Does what comes next begin the one argument that a test may have without brackets? */
static bool at_test_argument(const einf__compiler *c)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (t->kind == EINF__T_STRING || t->kind == EINF__T_INT || t->kind == EINF__T_FLOAT) return true;
    if (t->kind == EINF__T_NAME)
        return !at_word(c, "else") && !at_word(c, "or") && !at_word(c, "and") && !at_word(c, "if") &&
               !at_word(c, "is") && !at_word(c, "not") && !at_word(c, "in") && !at_word(c, "recursive");
    return at_op(c, "[") || at_op(c, "{");
}

/* A test behind "is". */
static einf_status parse_test(einf__compiler *c, const einf__expr *a, const einf__expr **out)
{
    einf__expr *e;
    EINF_TRY(new_expr(c, EINF__E_TEST, einf__tmpl_peek(c)->at, &e));
    e->a = a;
    e->op = skip_word(c, "not");
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    EINF_TRY(take_name(c, &e->name));
    e->builtin = einf__test_find(t->text);
    if (!e->builtin && c->n_ifs == 0)
        return einf__tmpl_fail_at(c->t->source, t->at, c->err, "there is no test \"%.*s\"",
                                  t->text.n < 40 ? (int)t->text.n : 40, t->text.p);
    if (skip_op(c, "(")) {
        EINF_TRY(parse_args(c, e));
    } else if (at_test_argument(c)) {
        const einf__expr *arg;
        items list = { NULL, 0, 0 };
        EINF_TRY(parse_primary(c, &arg));
        EINF_TRY(parse_postfix(c, arg, &arg));
        EINF_TRY(push_item(c, &list, arg));
        e->items = list.p;
        e->n_items = 1;
    }
    *out = e;
    return EINF_OK;
}

static einf_status parse_filters_and_tests(einf__compiler *c, const einf__expr *a, const einf__expr **out)
{
    for (;;) {
        if (skip_op(c, "|")) {
            EINF_TRY(parse_filter(c, a, &a));
        } else if (skip_word(c, "is")) {
            EINF_TRY(parse_test(c, a, &a));
        } else if (at_op(c, "(")) {
            EINF_TRY(parse_postfix(c, a, &a));
        } else {
            *out = a;
            return EINF_OK;
        }
    }
}

/* ---------------------------------------------------------------------------------------------- operators -- */

static einf_status parse_sign(einf__compiler *c, einf__expr_kind kind, const einf__expr **out)
{
    einf__expr *e;
    EINF_TRY(new_expr(c, kind, einf__tmpl_peek(c)->at, &e));
    c->next++;
    *out = e;
    return parse_unary(c, false, &e->a);
}

static einf_status parse_unary(einf__compiler *c, bool with_filters, const einf__expr **out)
{
    const einf__expr *e;
    EINF_TRY(einf__tmpl_deeper(c, einf__tmpl_peek(c)->at));
    if (at_op(c, "-")) EINF_TRY(parse_sign(c, EINF__E_NEGATE, &e));
    else if (at_op(c, "+")) EINF_TRY(parse_sign(c, EINF__E_PLUS, &e));
    else EINF_TRY(parse_primary(c, &e));
    EINF_TRY(parse_postfix(c, e, &e));
    if (with_filters) EINF_TRY(parse_filters_and_tests(c, e, &e));
    c->depth--;
    *out = e;
    return EINF_OK;
}

static einf_status parse_filtered(einf__compiler *c, const einf__expr **out) { return parse_unary(c, true, out); }

typedef einf_status (*parse_fn)(einf__compiler *c, const einf__expr **out);
typedef struct operator_name {
    const char *text;
    einf__op op;
} operator_name;

static bool skip_operator(einf__compiler *c, const operator_name *names, size_t n, einf__op *op)
{
    for (size_t i = 0; i < n; i++)
        if (skip_op(c, names[i].text)) {
            *op = names[i].op;
            return true;
        }
    return false;
}

/* Operators of one level, left to right. */
static einf_status parse_binary(einf__compiler *c, const operator_name *names, size_t n, parse_fn tighter,
                                const einf__expr **out)
{
    const einf__expr *a;
    einf__op op;
    EINF_TRY(tighter(c, &a));
    for (uint32_t at = einf__tmpl_peek(c)->at; skip_operator(c, names, n, &op); at = einf__tmpl_peek(c)->at) {
        einf__expr *e;
        EINF_TRY(new_expr(c, EINF__E_BINARY, at, &e));
        e->op = (int)op;
        e->a = a;
        EINF_TRY(tighter(c, &e->b));
        a = e;
    }
    *out = a;
    return EINF_OK;
}

static einf_status parse_power(einf__compiler *c, const einf__expr **out)
{
    static const operator_name names[] = { { "**", EINF__OP_POW } };
    return parse_binary(c, names, 1, parse_filtered, out);
}

static einf_status parse_product(einf__compiler *c, const einf__expr **out)
{
    static const operator_name names[] = { { "*", EINF__OP_MUL }, { "/", EINF__OP_DIV }, { "//", EINF__OP_FLOORDIV },
                                           { "%", EINF__OP_MOD } };
    return parse_binary(c, names, 4, parse_power, out);
}

static einf_status parse_concat(einf__compiler *c, const einf__expr **out)
{
    static const operator_name names[] = { { "~", EINF__OP_CONCAT } };
    return parse_binary(c, names, 1, parse_product, out);
}

static einf_status parse_sum(einf__compiler *c, const einf__expr **out)
{
    static const operator_name names[] = { { "+", EINF__OP_ADD }, { "-", EINF__OP_SUB } };
    return parse_binary(c, names, 2, parse_concat, out);
}

static bool skip_comparison(einf__compiler *c, einf__op *op)
{
    static const operator_name names[] = { { "==", EINF__OP_EQ }, { "!=", EINF__OP_NE }, { "<=", EINF__OP_LE },
                                           { "<", EINF__OP_LT }, { ">=", EINF__OP_GE }, { ">", EINF__OP_GT } };
    if (skip_operator(c, names, 6, op)) return true;
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (skip_word(c, "in")) {
        *op = EINF__OP_IN;
        return true;
    }
    if (!at_word(c, "not") || t[1].kind != EINF__T_NAME || !einf__bytes_are(t[1].text, "in")) return false;
    c->next += 2;
    *op = EINF__OP_NOT_IN;
    return true;
}

enum { MAX_CHAIN = 16 };

/* a < b < c: each is looked at once. */
static einf_status parse_comparison(einf__compiler *c, const einf__expr **out)
{
    const einf__expr *first;
    einf__op ops[MAX_CHAIN], op;
    items list = { NULL, 0, 0 };
    const uint32_t at = einf__tmpl_peek(c)->at;
    EINF_TRY(parse_sum(c, &first));
    uint32_t n = 0;
    while (skip_comparison(c, &op)) {
        const einf__expr *next;
        if (n == MAX_CHAIN)
            return einf__tmpl_fail_at(c->t->source, at, c->err, "more than %d comparisons in a chain", (int)MAX_CHAIN);
        if (n == 0) EINF_TRY(push_item(c, &list, first));
        ops[n++] = op;
        EINF_TRY(parse_sum(c, &next));
        EINF_TRY(push_item(c, &list, next));
    }
    *out = first;
    if (n == 0) return EINF_OK;
    einf__expr *e;
    einf__op *kept;
    EINF_TRY(new_expr(c, EINF__E_COMPARE, at, &e));
    EINF__TAKE(c, n * sizeof *kept, kept);
    memcpy(kept, ops, n * sizeof *kept);
    e->ops = kept;
    e->items = list.p;
    e->n_items = list.n;
    *out = e;
    return EINF_OK;
}

static einf_status parse_not(einf__compiler *c, const einf__expr **out)
{
    const uint32_t at = einf__tmpl_peek(c)->at;
    if (!skip_word(c, "not")) return parse_comparison(c, out);
    einf__expr *e;
    EINF_TRY(einf__tmpl_deeper(c, at));
    EINF_TRY(new_expr(c, EINF__E_NOT, at, &e));
    EINF_TRY(parse_not(c, &e->a));
    c->depth--;
    *out = e;
    return EINF_OK;
}

/* a word b word c, left to right. */
static einf_status parse_words(einf__compiler *c, const char *word, einf__expr_kind kind, parse_fn tighter,
                               const einf__expr **out)
{
    const einf__expr *a;
    EINF_TRY(tighter(c, &a));
    for (uint32_t at = einf__tmpl_peek(c)->at; skip_word(c, word); at = einf__tmpl_peek(c)->at) {
        einf__expr *e;
        EINF_TRY(new_expr(c, kind, at, &e));
        e->a = a;
        EINF_TRY(tighter(c, &e->b));
        a = e;
    }
    *out = a;
    return EINF_OK;
}

static einf_status parse_and(einf__compiler *c, const einf__expr **out)
{
    return parse_words(c, "and", EINF__E_AND, parse_not, out);
}

static einf_status parse_or(einf__compiler *c, const einf__expr **out)
{
    return parse_words(c, "or", EINF__E_OR, parse_and, out);
}

static einf_status parse_conditional(einf__compiler *c, const einf__expr **out)
{
    const einf__expr *a;
    EINF_TRY(einf__tmpl_deeper(c, einf__tmpl_peek(c)->at));
    EINF_TRY(parse_or(c, &a));
    for (uint32_t at = einf__tmpl_peek(c)->at; skip_word(c, "if"); at = einf__tmpl_peek(c)->at) {
        einf__expr *e;
        EINF_TRY(new_expr(c, EINF__E_IF, at, &e));
        e->a = a;
        EINF_TRY(parse_or(c, &e->b));
        if (skip_word(c, "else")) EINF_TRY(parse_conditional(c, &e->c));
        a = e;
    }
    c->depth--;
    *out = a;
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- entries -- */

/* Several expressions separated by commas are a tuple. */
static einf_status parse_tuple(einf__compiler *c, parse_fn item, const einf__expr **out)
{
    const uint32_t at = einf__tmpl_peek(c)->at;
    const einf__expr *e;
    items list = { NULL, 0, 0 };
    EINF_TRY(item(c, &e));
    *out = e;
    if (!at_op(c, ",")) return EINF_OK;
    EINF_TRY(push_item(c, &list, e));
    while (skip_op(c, ",")) {
        const einf__token_kind next = einf__tmpl_peek(c)->kind;
        if (next == EINF__T_BLOCK_END || next == EINF__T_PRINT_END || at_op(c, "=") || at_word(c, "in")) break;
        EINF_TRY(item(c, &e));
        EINF_TRY(push_item(c, &list, e));
    }
    einf__expr *tuple;
    EINF_TRY(new_expr(c, EINF__E_TUPLE, at, &tuple));
    tuple->items = list.p;
    tuple->n_items = list.n;
    *out = tuple;
    return EINF_OK;
}

einf_status einf__tmpl_parse_value(einf__compiler *c, const einf__expr **out) { return parse_conditional(c, out); }
einf_status einf__tmpl_parse_name(einf__compiler *c, const einf__string **out) { return take_name(c, out); }

einf_status einf__tmpl_parse_expr(einf__compiler *c, const einf__expr **out)
{
    return parse_tuple(c, parse_conditional, out);
}

einf_status einf__tmpl_parse_iterable(einf__compiler *c, const einf__expr **out)
{
    return parse_tuple(c, parse_or, out);
}

static einf_status parse_target_name(einf__compiler *c, const einf__expr **out)
{
    einf__expr *e;
    if (skip_op(c, "(")) { /* for (a, b) in pairs */
        EINF_TRY(einf__tmpl_deeper(c, einf__tmpl_peek(c)->at));
        EINF_TRY(einf__tmpl_parse_target(c, false, out));
        c->depth--;
        return expect_op(c, ")");
    }
    EINF_TRY(new_expr(c, EINF__E_NAME, einf__tmpl_peek(c)->at, &e));
    *out = e;
    return take_name(c, &e->name);
}

einf_status einf__tmpl_parse_target(einf__compiler *c, bool allow_attr, const einf__expr **out)
{
    EINF_TRY(parse_tuple(c, parse_target_name, out));
    const uint32_t at = einf__tmpl_peek(c)->at;
    if (!allow_attr || (*out)->kind != EINF__E_NAME || !skip_op(c, ".")) return EINF_OK;
    einf__expr *e;
    EINF_TRY(new_expr(c, EINF__E_ATTR, at, &e));
    e->a = *out;
    *out = e;
    return take_name(c, &e->name);
}
