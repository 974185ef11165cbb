/* SPDX-License-Identifier: MIT
 * jinja_private.h - what the parts of the template interpreter tell each other.
 *
 * Source to tokens (jinja_lex.c), tokens to a tree (jinja_parse.c, jinja_blocks.c), tree and values to text
 * (jinja_eval.c, jinja_run.c), with the built-in filters, tests and methods in tables of their own.
 *
 * Memory: a tree lives in the pile of its template, values in the pile of the render. Nothing is freed singly, so there
 * are no counts of references and no cycles to worry about, and a failure needs no clearing up.
 */
#ifndef EINF_TEXT_JINJA_PRIVATE_H
#define EINF_TEXT_JINJA_PRIVATE_H

#include "engine/text/template.h"

enum {
    EINF__TMPL_MAX_SOURCE = 1 << 20,      /* bytes of a template; the longest in use are 20 KiB */
    EINF__TMPL_MAX_DEPTH = 200,           /* of nested expressions, blocks, calls and JSON: C stack below 512 KiB */
    EINF__TMPL_MAX_STEPS = 20 * 1000 * 1000, /* nodes evaluated and items looked at: a second or two */
    EINF__TMPL_MAX_OUTPUT = 32 << 20,     /* bytes of text, the result included */
    EINF__TMPL_MAX_MEMORY = 128 << 20     /* bytes of values */
};

/* ------------------------------------------------------------------------------------------------ memory -- */

/* Memory that is only ever added to, and given back at once. */
typedef struct einf__pile_chunk einf__pile_chunk;
typedef struct einf__pile {
    einf__memory *mem;
    einf__pile_chunk *last;
    uint64_t used_bytes, limit_bytes;
} einf__pile;
/** n bytes, not cleared, aligned for anything; NULL for want of memory or beyond the limit. n 0 is allowed. */
void *einf__pile_take(einf__pile *p, uint64_t n);
/** Bytes taken from the heap. */
uint64_t einf__pile_bytes(const einf__pile *p);
void einf__pile_free(einf__pile *p);
/** The error of a pile that gave NULL for n bytes. */
einf_status einf__pile_fail(const einf__pile *p, uint64_t n, einf_error *err);

/** The status of a failure that *err already tells of; out of memory when nobody listens. */
static inline einf_status einf__tmpl_no_memory(const einf_error *err)
{
    return err && err->code != EINF_OK ? err->code : EINF_E_NOMEM;
}

/* ------------------------------------------------------------------------------------------------ values -- */

/* Text with its marks: marks[i] says whether byte i is markup; NULL when all bytes are as `markup` says. */
typedef struct einf__string {
    const char *p;
    const uint8_t *marks;
    uint32_t n;
    bool markup;
} einf__string;

typedef enum einf__value_kind {
    EINF__V_UNDEFINED, EINF__V_NONE, EINF__V_BOOL, EINF__V_INT, EINF__V_FLOAT, EINF__V_STRING, EINF__V_LIST,
    EINF__V_TUPLE, EINF__V_MAP, EINF__V_NAMESPACE, EINF__V_LOOP, EINF__V_MACRO, EINF__V_METHOD, EINF__V_FUNCTION
} einf__value_kind;

typedef struct einf__value {
    einf__value_kind kind;
    union {
        bool flag;
        int64_t i;
        double f;
        const char *missing;             /* UNDEFINED: what was not there, for messages */
        const einf__string *string;
        struct einf__list *list;         /* LIST and TUPLE */
        struct einf__map *map;           /* MAP and NAMESPACE */
        struct einf__loop *loop;
        const struct einf__macro *macro;
        const struct einf__method *method;
        const struct einf__function *function;
    };
} einf__value;

typedef struct einf__list {
    einf__value *items;
    uint32_t n, cap;
} einf__list;

typedef struct einf__pair {
    einf__value key, value;
} einf__pair;
/* In the order of insertion. Keys are looked for one by one, which is charged as steps. */
typedef struct einf__map {
    einf__pair *pairs;
    uint32_t n, cap;
} einf__map;

/* The variable `loop`. */
typedef struct einf__loop {
    const einf__list *items;
    uint32_t i;
    einf__value changed; /* of loop.changed(); UNDEFINED before the first */
} einf__loop;

typedef struct einf__named {
    const einf__string *name;
    einf__value value;
} einf__named;
/* The arguments of a call, evaluated. */
typedef struct einf__args {
    const einf__value *items;
    uint32_t n;
    const einf__named *named;
    uint32_t n_named;
} einf__args;

/* -------------------------------------------------------------------------------------------------- tree -- */

typedef enum einf__expr_kind {
    EINF__E_CONST, EINF__E_NAME, EINF__E_LIST, EINF__E_TUPLE, EINF__E_MAP, EINF__E_ATTR, EINF__E_ITEM, EINF__E_SLICE,
    EINF__E_CALL, EINF__E_FILTER, EINF__E_TEST, EINF__E_NEGATE, EINF__E_PLUS, EINF__E_NOT, EINF__E_AND, EINF__E_OR,
    EINF__E_IF, EINF__E_BINARY, EINF__E_COMPARE
} einf__expr_kind;

typedef enum einf__op {
    EINF__OP_ADD, EINF__OP_SUB, EINF__OP_MUL, EINF__OP_DIV, EINF__OP_FLOORDIV, EINF__OP_MOD, EINF__OP_POW,
    EINF__OP_CONCAT, EINF__OP_EQ, EINF__OP_NE, EINF__OP_LT, EINF__OP_LE, EINF__OP_GT, EINF__OP_GE, EINF__OP_IN,
    EINF__OP_NOT_IN
} einf__op;

typedef struct einf__expr einf__expr;
typedef struct einf__named_expr {
    const einf__string *name;
    const einf__expr *value;
} einf__named_expr;

/* One shape for every kind; what the fields mean:
 *   CONST value | NAME name | LIST, TUPLE items | MAP items: key, value, key, ... | ATTR a.name | ITEM a[b]
 *   SLICE a[items[0]:items[1]:items[2]], each may be NULL | CALL a(items, named) | FILTER a|name(items, named)
 *   TEST a is name(items, named), `not` when op != 0 | NEGATE, PLUS, NOT a | AND, OR, BINARY a, b
 *   IF a if b else c, c may be NULL | COMPARE items[0] ops[0] items[1] ops[1] ... */
struct einf__expr {
    einf__expr_kind kind;
    uint32_t at; /* byte of the source */
    int op;      /* einf__op, or a flag */
    const einf__expr *a, *b, *c;
    const einf__string *name;
    const einf__expr **items;
    uint32_t n_items;
    const einf__named_expr *named;
    uint32_t n_named;
    const einf__op *ops;
    einf__value value;
    const void *builtin; /* FILTER, TEST: what the name stands for; NULL: nothing, and running it fails */
};

typedef enum einf__block_kind {
    EINF__B_TEXT, EINF__B_PRINT, EINF__B_IF, EINF__B_FOR, EINF__B_SET, EINF__B_CAPTURE, EINF__B_MACRO, EINF__B_CALL,
    EINF__B_FILTER, EINF__B_WITH, EINF__B_BODY, EINF__B_BREAK, EINF__B_CONTINUE
} einf__block_kind;

typedef struct einf__block einf__block;
/* A macro or the body of {% call %}: parameters, the last n_defaults of which have one. */
typedef struct einf__signature {
    const einf__string *name;
    const einf__string **params;
    const einf__expr **defaults; /* [n_params]; NULL: none */
    uint32_t n_params;
    bool uses_caller, uses_varargs, uses_kwargs;
    const einf__block *body;
} einf__signature;

/* TEXT text | PRINT expr | IF expr body else other | FOR target in expr if filter: body else other
 * SET target = expr | CAPTURE target = body, through filters in expr (a FILTER whose innermost a is NULL) or NULL
 * MACRO signature | CALL expr with signature as caller | FILTER body through expr | WITH targets, exprs: body
 * BODY body */
struct einf__block {
    einf__block_kind kind;
    uint32_t at;
    const einf__block *next; /* in the same body */
    const einf__block *body, *other;
    const einf__expr *expr, *filter;
    const einf__expr *target; /* NAME, TUPLE of targets, or ATTR of a name (namespace) */
    const einf__named_expr *with;
    uint32_t n_with;
    const einf__string *text;
    const einf__signature *signature;
};

struct einf__template {
    einf__pile pile;       /* this struct included */
    einf__bytes source;
    const einf__block *body;
};

/* ------------------------------------------------------------------------------------------------ tokens -- */

typedef enum einf__token_kind {
    EINF__T_END, EINF__T_TEXT, EINF__T_PRINT_BEGIN, EINF__T_PRINT_END, EINF__T_BLOCK_BEGIN, EINF__T_BLOCK_END,
    EINF__T_NAME, EINF__T_INT, EINF__T_FLOAT, EINF__T_STRING, EINF__T_OPERATOR
} einf__token_kind;

typedef struct einf__tmpl_token {
    einf__token_kind kind;
    uint32_t at;
    einf__bytes text;      /* as in the source; TEXT: what is left of it after white space control */
    einf__value value;     /* INT, FLOAT, STRING, TEXT (a string) */
} einf__tmpl_token;

/* A template being compiled. */
typedef struct einf__compiler {
    einf__template *t;
    einf__pile *pile;         /* of the template */
    einf__pile tokens_pile;   /* freed behind the compiler */
    einf__tmpl_token *tokens; /* the last is END */
    uint32_t n_tokens, cap_tokens;
    uint32_t next;            /* token */
    uint32_t depth, n_loops, n_ifs; /* around the present token */
    einf__signature *signature; /* of the macro whose body is being parsed, or NULL */
    einf_error *err;
} einf__compiler;

/** Cut the source into tokens. */
einf_status einf__tmpl_lex(einf__compiler *c);
/** Parse one expression. */
einf_status einf__tmpl_parse_value(einf__compiler *c, const einf__expr **out);
/** A name. */
einf_status einf__tmpl_parse_name(einf__compiler *c, const einf__string **out);
/** Parse an expression; tuples without brackets too. Stops at what cannot continue it. */
einf_status einf__tmpl_parse_expr(einf__compiler *c, const einf__expr **out);
/** The same; a conditional expression is left alone: for what follows `in` of a loop. */
einf_status einf__tmpl_parse_iterable(einf__compiler *c, const einf__expr **out);
/** A target of an assignment: a name, namespace.name, or several separated by commas. */
einf_status einf__tmpl_parse_target(einf__compiler *c, bool allow_attr, const einf__expr **out);
/** One or more filters behind a value (NULL: what a block captures). */
einf_status einf__tmpl_parse_filters(einf__compiler *c, const einf__expr *a, const einf__expr **out);
/** Parse everything. */
einf_status einf__tmpl_parse_blocks(einf__compiler *c, const einf__block **out);

static inline const einf__tmpl_token *einf__tmpl_peek(const einf__compiler *c) { return &c->tokens[c->next]; }
static inline bool einf__bytes_are(einf__bytes s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.p, text, (size_t)s.n) == 0;
}
static inline bool einf__tmpl_at(const einf__compiler *c, einf__token_kind kind, const char *text)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    return t->kind == kind && einf__bytes_are(t->text, text);
}
/** Step over the token if it is this one. */
static inline bool einf__tmpl_skip(einf__compiler *c, einf__token_kind kind, const char *text)
{
    const bool is = einf__tmpl_at(c, kind, text);
    if (is) c->next++;
    return is;
}
/** Fail unless it is this one, and step over it. */
einf_status einf__tmpl_expect(einf__compiler *c, einf__token_kind kind, const char *text);
/** Fail at byte `at` of a source. */
einf_status einf__tmpl_fail_at(einf__bytes source, uint32_t at, einf_error *err, const char *format, ...)
    EINF__PRINTF(4, 5);
/** Cleared memory of a compiler; NULL, and an error, for want of it. */
void *einf__tmpl_take(einf__compiler *c, uint64_t n);
/* p = n bytes of it, or return the failure. */
#define EINF__TAKE(c, n, p) \
    do { \
        if (!((p) = einf__tmpl_take(c, n))) return einf__tmpl_no_memory((c)->err); \
    } while (0)
einf_status einf__tmpl_deeper(einf__compiler *c, uint32_t at);

/* ------------------------------------------------------------------------------------------------ a render -- */

/* Variables of a body; the names of an inner one hide those of the outer. */
typedef struct einf__scope {
    struct einf__scope *outer;
    einf__named *vars;
    uint32_t n, cap;
} einf__scope;

/* Text that grows. */
typedef struct einf__text_out {
    char *p;
    uint8_t *marks;
    uint32_t n, cap;
} einf__text_out;

typedef struct einf__render {
    const einf__template *t;
    const einf__template_input *in;
    einf__pile pile;
    einf__scope *scope;
    einf__text_out *out;
    einf__text_out joined;   /* the last concatenation: what is put behind it, is put there in place */
    uint64_t steps, written; /* nodes and items so far; bytes of text so far */
    uint32_t depth;
    uint32_t at;             /* byte of the source that is being evaluated */
    einf__value captured;    /* by the block whose filters are running */
    einf_error *err;
} einf__render;

typedef struct einf__macro {
    const einf__signature *signature;
    einf__scope *scope;      /* in which it was defined */
} einf__macro;

typedef einf_status (*einf__builtin_fn)(einf__render *r, const einf__value *self, const einf__args *args,
                                        einf__value *out);
/* A function bound to a value: "text".strip */
typedef struct einf__method {
    einf__builtin_fn fn;
    einf__value self;
} einf__method;
/* A global function, a filter, a test (whose result is a BOOL), or a method of a kind of value. */
typedef struct einf__function {
    const char *name;
    einf__builtin_fn fn;
} einf__function;

/** EINF_E_TEMPLATE at the place being evaluated. */
einf_status einf__tmpl_fail(const einf__render *r, const char *format, ...) EINF__PRINTF(2, 3);
/** Count n steps: EINF_E_LIMIT when there were too many. */
einf_status einf__tmpl_charge(einf__render *r, uint64_t n);
/** Cleared memory of a render; NULL, and an error, for want of it. */
void *einf__tmpl_alloc(einf__render *r, uint64_t n);
#define EINF__ALLOC(r, n, p) \
    do { \
        if (!((p) = einf__tmpl_alloc(r, n))) return einf__tmpl_no_memory((r)->err); \
    } while (0)

einf_status einf__tmpl_eval(einf__render *r, const einf__expr *e, einf__value *out);
/** Call a macro, method or function. */
einf_status einf__tmpl_call(einf__render *r, const einf__value *callee, const einf__args *args, einf__value *out);
/** Run blocks; text goes to r->out. *stop: BREAK or CONTINUE met, else EINF__B_TEXT. */
einf_status einf__tmpl_run(einf__render *r, const einf__block *b, einf__block_kind *stop);
einf_status einf__tmpl_call_macro(einf__render *r, const einf__macro *m, const einf__args *args, einf__value *out);
/** The variable of that name; UNDEFINED when there is none. */
einf__value einf__tmpl_look_up(const einf__render *r, const einf__string *name);
einf_status einf__tmpl_define(einf__render *r, const einf__string *name, einf__value value);

/* jinja_value.c ----------------------------------------------------------------------------------------- */

static inline einf__value einf__none(void) { return (einf__value){ .kind = EINF__V_NONE }; }
static inline einf__value einf__undefined(const char *what)
{
    return (einf__value){ .kind = EINF__V_UNDEFINED, .missing = what };
}
static inline einf__value einf__flag(bool b) { return (einf__value){ .kind = EINF__V_BOOL, .flag = b }; }
static inline einf__value einf__integer(int64_t i) { return (einf__value){ .kind = EINF__V_INT, .i = i }; }
static inline einf__value einf__real(double f) { return (einf__value){ .kind = EINF__V_FLOAT, .f = f }; }
static inline bool einf__is_sequence(const einf__value *v)
{
    return v->kind == EINF__V_LIST || v->kind == EINF__V_TUPLE;
}
static inline bool einf__is_number(const einf__value *v)
{
    return v->kind == EINF__V_INT || v->kind == EINF__V_FLOAT || v->kind == EINF__V_BOOL;
}
static inline einf__bytes einf__string_bytes(const einf__string *s) { return (einf__bytes){ s->p, s->n }; }
static inline bool einf__string_equal(const einf__string *a, const einf__string *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}
static inline bool einf__string_is(const einf__string *s, const char *text)
{
    return einf__bytes_are(einf__string_bytes(s), text);
}

/** "str", "int", ... as Python calls the type. */
const char *einf__type_name(const einf__value *v);
bool einf__truth(const einf__value *v);
/** A number as double; v is one. */
double einf__as_double(const einf__value *v);
einf_status einf__values_equal(einf__render *r, const einf__value *a, const einf__value *b, bool *out);
/** a < b: *out < 0, 0, > 0. Fails for kinds that have no order. */
einf_status einf__values_order(einf__render *r, const einf__value *a, const einf__value *b, int *out);

/** A string value over bytes that live as long as the render. */
einf_status einf__make_string(einf__render *r, const char *p, uint64_t n, bool markup, einf__value *out);
/** Bytes [begin, end) of a string, sharing its bytes. */
einf_status einf__substring(einf__render *r, const einf__string *s, uint32_t begin, uint32_t end, einf__value *out);
einf_status einf__make_list(einf__render *r, einf__value_kind kind, uint32_t room, einf__value *out);
einf_status einf__list_push(einf__render *r, einf__list *list, einf__value v);
einf_status einf__make_map(einf__render *r, einf__value_kind kind, einf__value *out);
/** Pair with that key, or NULL in *out. */
einf_status einf__map_find(einf__render *r, const einf__map *m, const einf__value *key, einf__pair **out);
einf_status einf__map_set(einf__render *r, einf__map *m, einf__value key, einf__value value);
/** What a loop goes through: items of a sequence, keys of a mapping, characters of a string. UNDEFINED: nothing. */
einf_status einf__iterate(einf__render *r, const einf__value *v, const einf__list **out);
/** Characters of a string; items of the rest. Fails where there is no length. */
einf_status einf__length(einf__render *r, const einf__value *v, int64_t *out);

/* jinja_text.c ------------------------------------------------------------------------------------------ */

einf_status einf__out_text(einf__render *r, einf__text_out *o, const char *p, uint64_t n, bool markup);
einf_status einf__out_string(einf__render *r, einf__text_out *o, const einf__string *s);
/** What is printed for a value: Python's str(). */
einf_status einf__out_value(einf__render *r, einf__text_out *o, const einf__value *v);
/** The text so far as a string value, sharing its bytes. */
einf_status einf__out_take(einf__render *r, const einf__text_out *o, einf__value *out);
/** str(v) as a string. */
einf_status einf__to_string(einf__render *r, const einf__value *v, const einf__string **out);
/** As Python prints a float: the shortest digits that name it. */
void einf__double_text(double f, char out[40]);
/** Decimal text to double, whatever the locale; the text has been checked. */
double einf__double_of(const char *p, uint64_t n);

/* jinja_json.c ------------------------------------------------------------------------------------------ */

einf_status einf__json_parse(einf__render *r, einf__bytes text, const char *what, einf__value *out);
typedef struct einf__json_style {
    int64_t indent; /* -1: on one line */
    const einf__string *item_separator, *key_separator;
    bool sort_keys, ensure_ascii;
} einf__json_style;
einf_status einf__json_write(einf__render *r, einf__text_out *o, const einf__value *v, const einf__json_style *style);

/* The tables: NULL for a name that is not there. --------------------------------------------------------------- */

const einf__function *einf__filter_find(einf__bytes name);
const einf__function *einf__test_find(einf__bytes name);
const einf__function *einf__global_find(einf__bytes name);
/** A method of a value; the attribute of a mapping is looked for first by the caller where Jinja does. */
einf__builtin_fn einf__method_find(const einf__value *self, const einf__string *name);

/* Arguments ----------------------------------------------------------------------------------------------------- */

/** Argument i, or the one of that name; NULL when it was not given. */
const einf__value *einf__arg(const einf__args *args, uint32_t i, const char *name);
/** Fail unless at most n_max positional arguments were given. */
einf_status einf__args_most(einf__render *r, const einf__args *args, uint32_t n_max, const char *what);
/** An integer argument; fallback when it was not given or is none. */
einf_status einf__arg_int(einf__render *r, const einf__args *args, uint32_t i, const char *name, int64_t fallback,
                          int64_t *out);
/** A string argument; NULL in *out when it was not given or is none. */
einf_status einf__arg_string(einf__render *r, const einf__args *args, uint32_t i, const char *name,
                             const einf__string **out);

/** a.name and a[b] as Jinja finds them; UNDEFINED when there is no such thing. */
einf_status einf__get_attr(einf__render *r, const einf__value *a, const einf__string *name, einf__value *out);
einf_status einf__get_item(einf__render *r, const einf__value *a, const einf__value *b, einf__value *out);
einf_status einf__binary(einf__render *r, einf__op op, const einf__value *a, const einf__value *b, einf__value *out);
einf_status einf__contains(einf__render *r, const einf__value *item, const einf__value *in, bool *out);
/** format % values: %s, %d, %i, %r, %%. */
einf_status einf__format(einf__render *r, const einf__string *format, const einf__value *values, uint32_t n,
                         einf__value *out);

#endif
