/* SPDX-License-Identifier: MIT
 * jinja_eval.c - expressions: from a tree and values to a value.
 */
#include <math.h>

#include "engine/text/jinja_private.h"
#include "engine/text/utf8.h"

/* ------------------------------------------------------------------------------------------------ numbers -- */

static einf_status overflow(const einf__render *r) { return einf__tmpl_fail(r, "a number is beyond 64 bits"); }

/* Python divides towards minus infinity, and the remainder has the sign of the divisor. */
static einf_status divide_ints(const einf__render *r, einf__op op, int64_t a, int64_t b, einf__value *out)
{
    if (b == 0) return einf__tmpl_fail(r, "division by zero");
    if (b == -1) { /* INT64_MIN / -1 is no number of 64 bits */
        int64_t negated;
        if (__builtin_sub_overflow(0, a, &negated)) return overflow(r);
        *out = einf__integer(op == EINF__OP_MOD ? 0 : negated);
        return EINF_OK;
    }
    const int64_t rest = a % b, away = rest != 0 && (rest < 0) != (b < 0);
    *out = einf__integer(op == EINF__OP_MOD ? rest + (away ? b : 0) : a / b - away);
    return EINF_OK;
}

static einf_status power_of_ints(const einf__render *r, int64_t a, int64_t b, einf__value *out)
{
    int64_t v = 1;
    if (b < 0) {
        *out = einf__real(pow((double)a, (double)b));
        return EINF_OK;
    }
    if (a == 0 || a == 1 || a == -1) {
        *out = einf__integer(b == 0 ? 1 : a == -1 && b % 2 == 0 ? 1 : a);
        return EINF_OK;
    }
    for (; b > 0; b--)
        if (__builtin_mul_overflow(v, a, &v)) return overflow(r); /* within 63 rounds */
    *out = einf__integer(v);
    return EINF_OK;
}

static einf_status binary_ints(const einf__render *r, einf__op op, int64_t a, int64_t b, einf__value *out)
{
    int64_t v = 0;
    bool beyond = false;
    switch (op) {
    case EINF__OP_ADD: beyond = __builtin_add_overflow(a, b, &v); break;
    case EINF__OP_SUB: beyond = __builtin_sub_overflow(a, b, &v); break;
    case EINF__OP_MUL: beyond = __builtin_mul_overflow(a, b, &v); break;
    case EINF__OP_DIV:
        if (b == 0) return einf__tmpl_fail(r, "division by zero");
        *out = einf__real((double)a / (double)b);
        return EINF_OK;
    case EINF__OP_POW: return power_of_ints(r, a, b, out);
    default: return divide_ints(r, op, a, b, out);
    }
    if (beyond) return overflow(r);
    *out = einf__integer(v);
    return EINF_OK;
}

/* As Python: from the remainder, so that 1 // 0.1 is 9. */
static double floor_quotient(double a, double b, double *rest)
{
    *rest = fmod(a, b);
    if (*rest != 0 && (*rest < 0) != (b < 0)) *rest += b;
    const double quotient = (a - *rest) / b, whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

static einf_status binary_doubles(const einf__render *r, einf__op op, double a, double b, einf__value *out)
{
    double v = 0, rest = 0;
    switch (op) {
    case EINF__OP_ADD: v = a + b; break;
    case EINF__OP_SUB: v = a - b; break;
    case EINF__OP_MUL: v = a * b; break;
    case EINF__OP_POW: v = pow(a, b); break;
    default:
        if (b == 0) return einf__tmpl_fail(r, "division by zero");
        v = op == EINF__OP_DIV ? a / b : floor_quotient(a, b, &rest);
        if (op == EINF__OP_MOD) v = rest;
    }
    *out = einf__real(v);
    return EINF_OK;
}

/* ----------------------------------------------------------------------------------------- strings and lists -- */

/* Templates build prompts by `text = text ~ more`. Where the left side is the whole of the last result, the right side
 * goes behind it, and nobody notices: others see the bytes up to their own length. */
static einf_status concat(einf__render *r, const einf__value *a, const einf__value *b, einf__value *out)
{
    einf__text_out o = { NULL, NULL, 0, 0 };
    if (a->kind == EINF__V_STRING && a->string->n > 0 && a->string->p == r->joined.p && a->string->n == r->joined.n)
        o = r->joined;
    else EINF_TRY(einf__out_value(r, &o, a));
    EINF_TRY(einf__out_value(r, &o, b));
    r->joined = o;
    return einf__out_take(r, &o, out);
}

static einf_status join_lists(einf__render *r, const einf__value *a, const einf__value *b, einf__value *out)
{
    const uint32_t n = a->list->n, m = b->list->n;
    EINF_TRY(einf__tmpl_charge(r, (uint64_t)n + m));
    if (n > UINT32_MAX - m) return overflow(r);
    EINF_TRY(einf__make_list(r, a->kind, n + m, out));
    if (n) memcpy(out->list->items, a->list->items, n * sizeof(einf__value));
    if (m) memcpy(out->list->items + n, b->list->items, m * sizeof(einf__value));
    out->list->n = n + m;
    return EINF_OK;
}

static einf_status repeat(einf__render *r, const einf__value *a, int64_t times, einf__value *out)
{
    einf__text_out o = { NULL, NULL, 0, 0 };
    if (einf__is_sequence(a)) EINF_TRY(einf__make_list(r, a->kind, 0, out));
    for (int64_t i = 0; i < times; i++) {
        EINF_TRY(einf__tmpl_charge(r, 1)); /* for those that are empty */
        if (a->kind == EINF__V_STRING) EINF_TRY(einf__out_string(r, &o, a->string));
        else
            for (uint32_t j = 0; j < a->list->n; j++) {
                EINF_TRY(einf__tmpl_charge(r, 1));
                EINF_TRY(einf__list_push(r, out->list, a->list->items[j]));
            }
    }
    return a->kind == EINF__V_STRING ? einf__out_take(r, &o, out) : EINF_OK;
}

static bool can_repeat(const einf__value *a, const einf__value *times)
{
    return (a->kind == EINF__V_STRING || einf__is_sequence(a)) &&
           (times->kind == EINF__V_INT || times->kind == EINF__V_BOOL);
}

static int64_t int_of(const einf__value *v) { return v->kind == EINF__V_BOOL ? v->flag : v->i; }

einf_status einf__binary(einf__render *r, einf__op op, const einf__value *a, const einf__value *b, einf__value *out)
{
    static const char *const names[] = { "+", "-", "*", "/", "//", "%", "**", "~" };
    if (op == EINF__OP_CONCAT) return concat(r, a, b, out);
    if (einf__is_number(a) && einf__is_number(b)) {
        if (a->kind == EINF__V_FLOAT || b->kind == EINF__V_FLOAT)
            return binary_doubles(r, op, einf__as_double(a), einf__as_double(b), out);
        return binary_ints(r, op, int_of(a), int_of(b), out);
    }
    if (op == EINF__OP_ADD && a->kind == EINF__V_STRING && b->kind == EINF__V_STRING) return concat(r, a, b, out);
    if (op == EINF__OP_ADD && a->kind == b->kind && einf__is_sequence(a)) return join_lists(r, a, b, out);
    if (op == EINF__OP_MUL && can_repeat(a, b)) return repeat(r, a, int_of(b), out);
    if (op == EINF__OP_MUL && can_repeat(b, a)) return repeat(r, b, int_of(a), out);
    if (op == EINF__OP_MOD && a->kind == EINF__V_STRING)
        return b->kind == EINF__V_TUPLE ? einf__format(r, a->string, b->list->items, b->list->n, out)
                                        : einf__format(r, a->string, b, 1, out);
    if (a->kind == EINF__V_UNDEFINED || b->kind == EINF__V_UNDEFINED)
        return einf__tmpl_fail(r, "%s is undefined", a->kind == EINF__V_UNDEFINED ? a->missing : b->missing);
    return einf__tmpl_fail(r, "%s %s %s has no meaning", einf__type_name(a), names[op], einf__type_name(b));
}

/* ------------------------------------------------------------------------------------------------ looking -- */

einf_status einf__contains(einf__render *r, const einf__value *item, const einf__value *in, bool *out)
{
    einf__pair *pair;
    *out = false;
    switch (in->kind) {
    case EINF__V_STRING:
        if (item->kind != EINF__V_STRING)
            return einf__tmpl_fail(r, "only a string can be in a string, not %s", einf__type_name(item));
        EINF_TRY(einf__tmpl_charge(r, in->string->n / 16));
        *out = item->string->n == 0 ||
               (in->string->n && memmem(in->string->p, in->string->n, item->string->p, item->string->n) != NULL);
        return EINF_OK;
    case EINF__V_LIST:
    case EINF__V_TUPLE:
        for (uint32_t i = 0; i < in->list->n && !*out; i++)
            EINF_TRY(einf__values_equal(r, item, &in->list->items[i], out));
        return EINF_OK;
    case EINF__V_MAP:
        EINF_TRY(einf__map_find(r, in->map, item, &pair));
        *out = pair != NULL;
        return EINF_OK;
    case EINF__V_UNDEFINED: return EINF_OK;
    default: return einf__tmpl_fail(r, "nothing can be in %s", einf__type_name(in));
    }
}

static einf__value attr_of_loop(const einf__loop *l, const einf__string *name)
{
    const int64_t n = l->items->n, i = l->i;
    if (einf__string_is(name, "index")) return einf__integer(i + 1);
    if (einf__string_is(name, "index0")) return einf__integer(i);
    if (einf__string_is(name, "revindex")) return einf__integer(n - i);
    if (einf__string_is(name, "revindex0")) return einf__integer(n - i - 1);
    if (einf__string_is(name, "first")) return einf__flag(i == 0);
    if (einf__string_is(name, "last")) return einf__flag(i + 1 == n);
    if (einf__string_is(name, "length")) return einf__integer(n);
    if (einf__string_is(name, "depth")) return einf__integer(1); /* it counts recursive loops, which we have not */
    if (einf__string_is(name, "depth0")) return einf__integer(0);
    if (einf__string_is(name, "previtem")) return i > 0 ? l->items->items[i - 1] : einf__undefined("loop.previtem");
    if (einf__string_is(name, "nextitem")) return i + 1 < n ? l->items->items[i + 1] : einf__undefined("loop.nextitem");
    return einf__undefined("an attribute of loop");
}

static einf_status bind_method(einf__render *r, const einf__value *self, einf__builtin_fn fn, einf__value *out)
{
    einf__method *m;
    EINF__ALLOC(r, sizeof *m, m);
    *m = (einf__method){ fn, *self };
    *out = (einf__value){ .kind = EINF__V_METHOD, .method = m };
    return EINF_OK;
}

static einf_status find_key(einf__render *r, const einf__value *a, const einf__string *name, einf__value *out)
{
    const einf__value key = { .kind = EINF__V_STRING, .string = name };
    einf__pair *pair;
    EINF_TRY(einf__map_find(r, a->map, &key, &pair));
    *out = pair ? pair->value : einf__undefined("a member of a mapping");
    return EINF_OK;
}

einf_status einf__get_attr(einf__render *r, const einf__value *a, const einf__string *name, einf__value *out)
{
    if (a->kind == EINF__V_UNDEFINED) return einf__tmpl_fail(r, "%s is undefined", a->missing);
    if (a->kind == EINF__V_NAMESPACE) return find_key(r, a, name, out);
    const einf__builtin_fn fn = einf__method_find(a, name);
    if (fn) return bind_method(r, a, fn, out);
    if (a->kind == EINF__V_MAP) return find_key(r, a, name, out);
    *out = a->kind == EINF__V_LOOP ? attr_of_loop(a->loop, name) : einf__undefined("an attribute");
    return EINF_OK;
}

/* Index i of n things counted from either end; false when there is none. */
static bool wrap_index(int64_t *i, int64_t n)
{
    if (*i < 0) *i += n;
    return *i >= 0 && *i < n;
}

/* Byte of character i of a string; i up to its length. */
static uint32_t byte_of(const einf__string *s, int64_t i)
{
    uint32_t at = 0, used;
    for (; i > 0 && at < s->n; i--, at += used) einf__utf8_get(s->p + at, s->n - at, &used);
    return at;
}

einf_status einf__get_item(einf__render *r, const einf__value *a, const einf__value *b, einf__value *out)
{
    if (a->kind == EINF__V_UNDEFINED) return einf__tmpl_fail(r, "%s is undefined", a->missing);
    *out = einf__undefined("an item");
    if (a->kind == EINF__V_MAP) {
        einf__pair *pair;
        EINF_TRY(einf__map_find(r, a->map, b, &pair));
        if (pair) *out = pair->value;
        else if (b->kind == EINF__V_STRING && !(b->string->n && b->string->p[0] == '_')) {
            const einf__builtin_fn fn = einf__method_find(a, b->string);
            if (fn) return bind_method(r, a, fn, out);
        }
        return EINF_OK;
    }
    if (b->kind == EINF__V_STRING) return einf__get_attr(r, a, b->string, out);
    if (b->kind != EINF__V_INT && b->kind != EINF__V_BOOL) return EINF_OK;
    int64_t i = int_of(b), n;
    if (einf__is_sequence(a)) {
        if (wrap_index(&i, a->list->n)) *out = a->list->items[i];
    } else if (a->kind == EINF__V_STRING) {
        EINF_TRY(einf__length(r, a, &n));
        if (!wrap_index(&i, n)) return EINF_OK;
        EINF_TRY(einf__tmpl_charge(r, a->string->n / 16));
        const uint32_t at = byte_of(a->string, i);
        return einf__substring(r, a->string, at, at + byte_of(&(einf__string){ a->string->p + at, NULL,
                                                                               a->string->n - at, false }, 1), out);
    }
    return EINF_OK;
}

/* -------------------------------------------------------------------------------------------------- slices -- */

/* One bound as Python places it: from the end when negative, and never outside. */
static int64_t place_bound(const einf__value *v, int64_t n, int64_t fallback, int64_t low, int64_t high)
{
    if (v->kind == EINF__V_NONE) return fallback;
    int64_t i = int_of(v);
    if (i < 0) i = i < -n ? low : i + n;
    return i < low ? low : i > high ? high : i;
}

static einf_status slice_string(einf__render *r, const einf__string *s, int64_t begin, int64_t end, int64_t step,
                                einf__value *out)
{
    EINF_TRY(einf__tmpl_charge(r, s->n / 16));
    if (step == 1) {
        const uint32_t from = byte_of(s, begin);
        return einf__substring(r, s, from, begin < end ? byte_of(s, end) : from, out);
    }
    const einf__value whole = { .kind = EINF__V_STRING, .string = s };
    const einf__list *list;
    einf__text_out o = { NULL, NULL, 0, 0 };
    EINF_TRY(einf__iterate(r, &whole, &list));
    for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) EINF_TRY(einf__out_value(r, &o, &list->items[i]));
    return einf__out_take(r, &o, out);
}

static einf_status slice(einf__render *r, const einf__value *a, const einf__value bounds[3], einf__value *out)
{
    int64_t n;
    for (int i = 0; i < 3; i++)
        if (bounds[i].kind != EINF__V_NONE && bounds[i].kind != EINF__V_INT && bounds[i].kind != EINF__V_BOOL)
            return einf__tmpl_fail(r, "the bounds of a slice are numbers, not %s", einf__type_name(&bounds[i]));
    if (a->kind == EINF__V_UNDEFINED) return einf__tmpl_fail(r, "%s is undefined", a->missing);
    if (a->kind != EINF__V_STRING && !einf__is_sequence(a))
        return einf__tmpl_fail(r, "%s cannot be sliced", einf__type_name(a));
    EINF_TRY(einf__length(r, a, &n));
    int64_t step = bounds[2].kind == EINF__V_NONE ? 1 : int_of(&bounds[2]);
    if (step == 0) return einf__tmpl_fail(r, "the step of a slice is zero");
    step = step > n ? n + 1 : step < -n ? -n - 1 : step; /* so that no index overflows */
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    const int64_t begin = place_bound(&bounds[0], n, step > 0 ? 0 : n - 1, low, high);
    const int64_t end = place_bound(&bounds[1], n, step > 0 ? n : -1, low, high);
    if (a->kind == EINF__V_STRING) return slice_string(r, a->string, begin, end, step, out);
    EINF_TRY(einf__make_list(r, a->kind, 0, out));
    for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
        EINF_TRY(einf__tmpl_charge(r, 1));
        EINF_TRY(einf__list_push(r, out->list, a->list->items[i]));
    }
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- calls -- */

const einf__value *einf__arg(const einf__args *args, uint32_t i, const char *name)
{
    if (i < args->n) return &args->items[i];
    for (uint32_t j = 0; name && j < args->n_named; j++)
        if (einf__string_is(args->named[j].name, name)) return &args->named[j].value;
    return NULL;
}

einf_status einf__args_most(einf__render *r, const einf__args *args, uint32_t n_max, const char *what)
{
    if (args->n <= n_max) return EINF_OK;
    return einf__tmpl_fail(r, "%s takes at most %u arguments, not %u", what, n_max, args->n);
}

einf_status einf__arg_int(einf__render *r, const einf__args *args, uint32_t i, const char *name, int64_t fallback,
                          int64_t *out)
{
    const einf__value *v = einf__arg(args, i, name);
    *out = fallback;
    if (!v || v->kind == EINF__V_NONE) return EINF_OK;
    if (v->kind != EINF__V_INT && v->kind != EINF__V_BOOL)
        return einf__tmpl_fail(r, "expected an integer, not %s", einf__type_name(v));
    *out = int_of(v);
    return EINF_OK;
}

einf_status einf__arg_string(einf__render *r, const einf__args *args, uint32_t i, const char *name,
                             const einf__string **out)
{
    const einf__value *v = einf__arg(args, i, name);
    *out = NULL;
    if (!v || v->kind == EINF__V_NONE) return EINF_OK;
    if (v->kind != EINF__V_STRING) return einf__tmpl_fail(r, "expected a string, not %s", einf__type_name(v));
    *out = v->string;
    return EINF_OK;
}

static einf_status eval_args(einf__render *r, const einf__expr *e, einf__args *args)
{
    einf__value *items = NULL;
    einf__named *named = NULL;
    if (e->n_items) EINF__ALLOC(r, e->n_items * sizeof *items, items);
    for (uint32_t i = 0; i < e->n_items; i++) EINF_TRY(einf__tmpl_eval(r, e->items[i], &items[i]));
    if (e->n_named) EINF__ALLOC(r, e->n_named * sizeof *named, named);
    for (uint32_t i = 0; i < e->n_named; i++) {
        named[i].name = e->named[i].name;
        EINF_TRY(einf__tmpl_eval(r, e->named[i].value, &named[i].value));
    }
    *args = (einf__args){ items, e->n_items, named, e->n_named };
    return EINF_OK;
}

einf_status einf__tmpl_call(einf__render *r, const einf__value *callee, const einf__args *args, einf__value *out)
{
    switch (callee->kind) {
    case EINF__V_METHOD: return callee->method->fn(r, &callee->method->self, args, out);
    case EINF__V_FUNCTION: return callee->function->fn(r, NULL, args, out);
    case EINF__V_MACRO: return einf__tmpl_call_macro(r, callee->macro, args, out);
    case EINF__V_UNDEFINED: return einf__tmpl_fail(r, "%s is undefined and cannot be called", callee->missing);
    default: return einf__tmpl_fail(r, "%s cannot be called", einf__type_name(callee));
    }
}

static einf_status eval_call(einf__render *r, const einf__expr *e, einf__value *out)
{
    einf__value callee;
    einf__args args;
    EINF_TRY(einf__tmpl_eval(r, e->a, &callee));
    EINF_TRY(eval_args(r, e, &args));
    r->at = e->at;
    return einf__tmpl_call(r, &callee, &args, out);
}

/* A filter or a test: the value is its first argument. */
static einf_status eval_builtin(einf__render *r, const einf__expr *e, einf__value *out)
{
    einf__value self = einf__none();
    einf__args args;
    const einf__function *f = e->builtin;
    if (!f)
        return einf__tmpl_fail(r, "there is no %s \"%.*s\"", e->kind == EINF__E_FILTER ? "filter" : "test",
                               e->name->n < 40 ? (int)e->name->n : 40, e->name->p);
    EINF_TRY(einf__tmpl_eval(r, e->a, &self));
    EINF_TRY(eval_args(r, e, &args));
    r->at = e->at;
    return f->fn(r, &self, &args, out);
}

/* ----------------------------------------------------------------------------------------------- the tree -- */

static einf_status compare(einf__render *r, einf__op op, const einf__value *a, const einf__value *b, bool *out)
{
    int order;
    switch (op) {
    case EINF__OP_EQ: return einf__values_equal(r, a, b, out);
    case EINF__OP_NE:
        EINF_TRY(einf__values_equal(r, a, b, out));
        *out = !*out;
        return EINF_OK;
    case EINF__OP_IN: return einf__contains(r, a, b, out);
    case EINF__OP_NOT_IN:
        EINF_TRY(einf__contains(r, a, b, out));
        *out = !*out;
        return EINF_OK;
    default: break;
    }
    EINF_TRY(einf__values_order(r, a, b, &order));
    *out = op == EINF__OP_LT ? order == -1 : op == EINF__OP_LE ? order <= 0 : op == EINF__OP_GT ? order == 1
                                           : order == 0 || order == 1;
    return EINF_OK;
}

static einf_status eval_comparison(einf__render *r, const einf__expr *e, einf__value *out)
{
    einf__value a, b;
    bool is = true;
    EINF_TRY(einf__tmpl_eval(r, e->items[0], &a));
    for (uint32_t i = 1; i < e->n_items && is; i++) {
        EINF_TRY(einf__tmpl_eval(r, e->items[i], &b));
        r->at = e->at;
        EINF_TRY(compare(r, e->ops[i - 1], &a, &b, &is));
        a = b;
    }
    *out = einf__flag(is);
    return EINF_OK;
}

static einf_status eval_list(einf__render *r, const einf__expr *e, einf__value *out)
{
    EINF_TRY(einf__make_list(r, e->kind == EINF__E_LIST ? EINF__V_LIST : EINF__V_TUPLE, e->n_items, out));
    for (uint32_t i = 0; i < e->n_items; i++) {
        EINF_TRY(einf__tmpl_eval(r, e->items[i], &out->list->items[i]));
        out->list->n = i + 1;
    }
    return EINF_OK;
}

static einf_status eval_map(einf__render *r, const einf__expr *e, einf__value *out)
{
    EINF_TRY(einf__make_map(r, EINF__V_MAP, out));
    for (uint32_t i = 0; i < e->n_items; i += 2) {
        einf__value key, value;
        EINF_TRY(einf__tmpl_eval(r, e->items[i], &key));
        EINF_TRY(einf__tmpl_eval(r, e->items[i + 1], &value));
        EINF_TRY(einf__map_set(r, out->map, key, value));
    }
    return EINF_OK;
}

static einf_status eval_slice(einf__render *r, const einf__expr *e, einf__value *out)
{
    einf__value a, bounds[3] = { einf__none(), einf__none(), einf__none() };
    EINF_TRY(einf__tmpl_eval(r, e->a, &a));
    for (int i = 0; i < 3; i++)
        if (e->items[i]) EINF_TRY(einf__tmpl_eval(r, e->items[i], &bounds[i]));
    r->at = e->at;
    return slice(r, &a, bounds, out);
}

static einf_status eval_sign(einf__render *r, const einf__expr *e, einf__value *out)
{
    const einf__value zero = einf__integer(0);
    einf__value a;
    EINF_TRY(einf__tmpl_eval(r, e->a, &a));
    r->at = e->at;
    if (!einf__is_number(&a)) return einf__tmpl_fail(r, "%s has no sign", einf__type_name(&a));
    if (a.kind == EINF__V_FLOAT) {
        *out = einf__real(e->kind == EINF__E_NEGATE ? -a.f : a.f);
        return EINF_OK;
    }
    return einf__binary(r, e->kind == EINF__E_NEGATE ? EINF__OP_SUB : EINF__OP_ADD, &zero, &a, out);
}

static einf_status eval_name(einf__render *r, const einf__expr *e, einf__value *out)
{
    *out = einf__tmpl_look_up(r, e->name);
    if (out->kind != EINF__V_UNDEFINED || out->missing) return EINF_OK;
    const einf__function *f = einf__global_find(einf__string_bytes(e->name));
    if (f) {
        *out = (einf__value){ .kind = EINF__V_FUNCTION, .function = f };
        return EINF_OK;
    }
    char *name; /* for the message of whoever needs it */
    EINF__ALLOC(r, e->name->n + 3u, name);
    name[0] = '"';
    memcpy(name + 1, e->name->p, e->name->n);
    name[e->name->n + 1] = '"';
    *out = einf__undefined(name);
    return EINF_OK;
}

/* Kinds with two operands, which are evaluated first. */
static einf_status eval_pair(einf__render *r, const einf__expr *e, einf__value *out)
{
    einf__value a, b;
    EINF_TRY(einf__tmpl_eval(r, e->a, &a));
    EINF_TRY(einf__tmpl_eval(r, e->b, &b));
    r->at = e->at;
    return e->kind == EINF__E_ITEM ? einf__get_item(r, &a, &b, out) : einf__binary(r, (einf__op)e->op, &a, &b, out);
}

static einf_status eval_one(einf__render *r, const einf__expr *e, einf__value *out)
{
    einf__value a;
    switch (e->kind) {
    case EINF__E_CONST: *out = e->value; return EINF_OK;
    case EINF__E_NAME: return eval_name(r, e, out);
    case EINF__E_LIST:
    case EINF__E_TUPLE: return eval_list(r, e, out);
    case EINF__E_MAP: return eval_map(r, e, out);
    case EINF__E_ATTR:
        EINF_TRY(einf__tmpl_eval(r, e->a, &a));
        r->at = e->at;
        return einf__get_attr(r, &a, e->name, out);
    case EINF__E_ITEM:
    case EINF__E_BINARY: return eval_pair(r, e, out);
    case EINF__E_SLICE: return eval_slice(r, e, out);
    case EINF__E_CALL: return eval_call(r, e, out);
    case EINF__E_FILTER: return eval_builtin(r, e, out);
    case EINF__E_TEST:
        EINF_TRY(eval_builtin(r, e, out));
        *out = einf__flag(einf__truth(out) != (e->op != 0));
        return EINF_OK;
    case EINF__E_NEGATE:
    case EINF__E_PLUS: return eval_sign(r, e, out);
    case EINF__E_NOT:
        EINF_TRY(einf__tmpl_eval(r, e->a, &a));
        *out = einf__flag(!einf__truth(&a));
        return EINF_OK;
    case EINF__E_AND:
    case EINF__E_OR:
        EINF_TRY(einf__tmpl_eval(r, e->a, out));
        return einf__truth(out) == (e->kind == EINF__E_AND) ? einf__tmpl_eval(r, e->b, out) : EINF_OK;
    case EINF__E_IF:
        EINF_TRY(einf__tmpl_eval(r, e->b, &a));
        if (einf__truth(&a)) return einf__tmpl_eval(r, e->a, out);
        if (e->c) return einf__tmpl_eval(r, e->c, out);
        *out = einf__undefined("the value of an if without else");
        return EINF_OK;
    case EINF__E_COMPARE: return eval_comparison(r, e, out);
    }
    return EINF_E_INTERNAL;
}

einf_status einf__tmpl_eval(einf__render *r, const einf__expr *e, einf__value *out)
{
    if (!e) { /* what a block captured, put there by its run */
        *out = r->captured;
        return EINF_OK;
    }
    EINF_TRY(einf__tmpl_charge(r, 1));
    r->at = e->at;
    if (++r->depth > EINF__TMPL_MAX_DEPTH)
        return einf__fail(r->err, EINF_E_LIMIT, e->at, "chat template", "use another template",
                          "the template nests deeper than %d levels", (int)EINF__TMPL_MAX_DEPTH);
    EINF_TRY(eval_one(r, e, out));
    r->depth--;
    return EINF_OK;
}
