/* SPDX-License-Identifier: MIT
 * jinja_run.c - statements: variables and their scopes, loops, macros; and the doors of the interpreter.
 *
 * A loop, a macro and a `with` have a scope of their own; what `set` writes there is gone behind it, as in Jinja. An
 * `if` has none. A macro sees the variables of where it was written.
 */
#include "engine/text/jinja_private.h"

/* -------------------------------------------------------------------------------------------------- scopes -- */

/* UNDEFINED without a text: there is no such variable. */
einf__value einf__tmpl_look_up(const einf__render *r, const einf__string *name)
{
    for (const einf__scope *s = r->scope; s; s = s->outer)
        for (uint32_t i = s->n; i-- > 0;)
            if (einf__string_equal(s->vars[i].name, name)) return s->vars[i].value;
    return einf__undefined(NULL);
}

einf_status einf__tmpl_define(einf__render *r, const einf__string *name, einf__value value)
{
    einf__scope *s = r->scope;
    for (uint32_t i = 0; i < s->n; i++)
        if (einf__string_equal(s->vars[i].name, name)) {
            s->vars[i].value = value;
            return EINF_OK;
        }
    if (s->n == s->cap) {
        const uint32_t cap = s->cap ? 2 * s->cap : 8;
        einf__named *grown;
        EINF__ALLOC(r, cap * sizeof *grown, grown);
        if (s->n) memcpy(grown, s->vars, s->n * sizeof *grown);
        s->vars = grown;
        s->cap = cap;
    }
    s->vars[s->n++] = (einf__named){ name, value };
    return EINF_OK;
}

static einf_status open_scope(einf__render *r, einf__scope *outer, einf__scope **before)
{
    einf__scope *s;
    EINF__ALLOC(r, sizeof *s, s); /* not on the stack: a macro may outlive it */
    s->outer = outer;
    *before = r->scope;
    r->scope = s;
    return EINF_OK;
}

static einf_status assign(einf__render *r, const einf__expr *target, const einf__value *value)
{
    if (target->kind == EINF__E_NAME) return einf__tmpl_define(r, target->name, *value);
    r->at = target->at;
    if (target->kind == EINF__E_ATTR) {
        const einf__value space = einf__tmpl_look_up(r, target->a->name);
        if (space.kind != EINF__V_NAMESPACE)
            return einf__tmpl_fail(r, "only an attribute of a namespace can be set, not of %s",
                                   einf__type_name(&space));
        const einf__value key = { .kind = EINF__V_STRING, .string = target->name };
        return einf__map_set(r, space.map, key, *value);
    }
    const einf__list *items;
    EINF_TRY(einf__iterate(r, value, &items));
    if (items->n != target->n_items)
        return einf__tmpl_fail(r, "%u values for %u names", items->n, target->n_items);
    for (uint32_t i = 0; i < items->n; i++) EINF_TRY(assign(r, target->items[i], &items->items[i]));
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- loops -- */

/* The items that pass the loop's own condition. All are asked before the first round; Jinja asks as it goes, which
 * only a condition on what the body changes would notice. */
static einf_status loop_items(einf__render *r, const einf__block *b, const einf__list **out)
{
    einf__value v, kept;
    const einf__list *all;
    EINF_TRY(einf__tmpl_eval(r, b->expr, &v));
    EINF_TRY(einf__iterate(r, &v, &all));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, all->n, &kept)); /* a copy: the body may change the list */
    for (uint32_t i = 0; i < all->n; i++) {
        einf__value passes = einf__flag(true);
        EINF_TRY(einf__tmpl_charge(r, 1));
        if (b->filter) {
            einf__scope *before;
            EINF_TRY(open_scope(r, r->scope, &before));
            EINF_TRY(assign(r, b->target, &all->items[i]));
            EINF_TRY(einf__tmpl_eval(r, b->filter, &passes));
            r->scope = before;
        }
        if (einf__truth(&passes)) EINF_TRY(einf__list_push(r, kept.list, all->items[i]));
    }
    *out = kept.list;
    return EINF_OK;
}

static einf_status run_loop(einf__render *r, const einf__block *b)
{
    static const einf__string name = { "loop", NULL, 4, true };
    const einf__list *items;
    einf__loop *loop;
    bool completed = false;
    EINF_TRY(loop_items(r, b, &items));
    EINF__ALLOC(r, sizeof *loop, loop);
    *loop = (einf__loop){ .items = items, .changed = einf__undefined(NULL) };
    const einf__value loop_value = { .kind = EINF__V_LOOP, .loop = loop };
    for (; loop->i < items->n; loop->i++) {
        einf__scope *before;
        einf__block_kind stop;
        EINF_TRY(open_scope(r, r->scope, &before));
        EINF_TRY(einf__tmpl_define(r, &name, loop_value));
        EINF_TRY(assign(r, b->target, &items->items[loop->i]));
        EINF_TRY(einf__tmpl_run(r, b->body, &stop));
        r->scope = before;
        completed |= stop == EINF__B_TEXT;
        if (stop == EINF__B_BREAK) break;
    }
    if (completed || !b->other) return EINF_OK; /* Jinja: "else" unless some round came to its end */
    einf__scope *before;
    einf__block_kind stop;
    EINF_TRY(open_scope(r, r->scope, &before));
    EINF_TRY(einf__tmpl_run(r, b->other, &stop));
    r->scope = before;
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------ macros and captures -- */

/* Run a body in a scope of its own and take its text. */
static einf_status capture(einf__render *r, const einf__block *body, einf__value *out)
{
    einf__text_out o = { NULL, NULL, 0, 0 }, *const before = r->out;
    einf__block_kind stop;
    r->out = &o;
    EINF_TRY(einf__tmpl_run(r, body, &stop));
    r->out = before;
    return einf__out_take(r, &o, out);
}

static einf_status capture_filtered(einf__render *r, const einf__block *b, einf__value *out)
{
    einf__scope *before;
    EINF_TRY(open_scope(r, r->scope, &before));
    EINF_TRY(capture(r, b->body, out));
    r->scope = before;
    if (!b->expr) return EINF_OK;
    const einf__value outer = r->captured;
    r->captured = *out;
    EINF_TRY(einf__tmpl_eval(r, b->expr, out));
    r->captured = outer;
    return EINF_OK;
}

/* The number of a parameter; n_params when there is none of that name. */
static uint32_t param_of(const einf__signature *s, const einf__string *name)
{
    uint32_t i = 0;
    while (i < s->n_params && !einf__string_equal(s->params[i], name)) i++;
    return i;
}

/* As much of a name as a message has room for. */
static int name_bytes(const einf__string *name) { return name->n < 40 ? (int)name->n : 40; }

/* varargs and kwargs: what the parameters do not take. */
static einf_status define_rest(einf__render *r, const einf__signature *s, const einf__args *args)
{
    static const einf__string varargs = { "varargs", NULL, 7, true }, kwargs = { "kwargs", NULL, 6, true };
    einf__value rest;
    if (args->n > s->n_params && !s->uses_varargs)
        return einf__tmpl_fail(r, "macro \"%.*s\" takes at most %u arguments, not %u",
                               name_bytes(s->name), s->name->p, s->n_params, args->n);
    if (s->uses_varargs) {
        EINF_TRY(einf__make_list(r, EINF__V_TUPLE, 0, &rest));
        for (uint32_t i = s->n_params; i < args->n; i++) EINF_TRY(einf__list_push(r, rest.list, args->items[i]));
        EINF_TRY(einf__tmpl_define(r, &varargs, rest));
    }
    EINF_TRY(einf__make_map(r, EINF__V_MAP, &rest));
    for (uint32_t i = 0; i < args->n_named; i++) {
        const einf__string *name = args->named[i].name;
        const uint32_t i_param = param_of(s, name);
        if (i_param < args->n && i_param < s->n_params)
            return einf__tmpl_fail(r, "macro \"%.*s\" is given its parameter \"%.*s\" twice", name_bytes(s->name),
                                   s->name->p, name_bytes(name), name->p);
        if (i_param < s->n_params) continue;
        if (s->uses_caller && einf__string_is(name, "caller")) {
            EINF_TRY(einf__tmpl_define(r, name, args->named[i].value));
        } else if (s->uses_kwargs) {
            EINF_TRY(einf__map_set(r, rest.map, (einf__value){ .kind = EINF__V_STRING, .string = name },
                                   args->named[i].value));
        } else {
            return einf__tmpl_fail(r, "macro \"%.*s\" has no parameter \"%.*s\"",
                                   name_bytes(s->name), s->name->p, name_bytes(name), name->p);
        }
    }
    return s->uses_kwargs ? einf__tmpl_define(r, &kwargs, rest) : EINF_OK;
}

static einf_status define_params(einf__render *r, const einf__signature *s, const einf__args *args)
{
    for (uint32_t i = 0; i < s->n_params; i++) {
        einf__value v = einf__undefined("a parameter that was not given");
        const einf__value *given = i < args->n ? &args->items[i] : NULL;
        for (uint32_t j = 0; !given && j < args->n_named; j++)
            if (einf__string_equal(args->named[j].name, s->params[i])) given = &args->named[j].value;
        if (given) v = *given;
        else if (s->defaults[i]) EINF_TRY(einf__tmpl_eval(r, s->defaults[i], &v));
        EINF_TRY(einf__tmpl_define(r, s->params[i], v));
    }
    return define_rest(r, s, args);
}

einf_status einf__tmpl_call_macro(einf__render *r, const einf__macro *m, const einf__args *args, einf__value *out)
{
    einf__scope *before;
    if (++r->depth > EINF__TMPL_MAX_DEPTH)
        return einf__fail(r->err, EINF_E_LIMIT, r->at, "chat template", "use another template",
                          "macros call one another deeper than %d levels", (int)EINF__TMPL_MAX_DEPTH);
    EINF_TRY(open_scope(r, m->scope, &before));
    EINF_TRY(define_params(r, m->signature, args));
    EINF_TRY(capture(r, m->signature->body, out));
    r->scope = before;
    r->depth--;
    return EINF_OK;
}

static einf_status make_macro(einf__render *r, const einf__signature *s, einf__value *out)
{
    einf__macro *m;
    EINF__ALLOC(r, sizeof *m, m);
    *m = (einf__macro){ s, r->scope };
    *out = (einf__value){ .kind = EINF__V_MACRO, .macro = m };
    return EINF_OK;
}

/* The call of {% call %}, with the block as the argument `caller`. */
static einf_status run_call(einf__render *r, const einf__block *b)
{
    einf__value caller, text;
    einf__expr with_caller = *b->expr; /* the call, with one more named argument */
    einf__named_expr *named;
    einf__expr *constant;
    EINF_TRY(make_macro(r, b->signature, &caller));
    EINF__ALLOC(r, sizeof *constant, constant);
    *constant = (einf__expr){ .kind = EINF__E_CONST, .at = b->at, .value = caller };
    EINF__ALLOC(r, (with_caller.n_named + 1) * sizeof *named, named);
    if (with_caller.n_named) memcpy(named, with_caller.named, with_caller.n_named * sizeof *named);
    named[with_caller.n_named++] = (einf__named_expr){ b->signature->name, constant };
    with_caller.named = named;
    EINF_TRY(einf__tmpl_eval(r, &with_caller, &text));
    return einf__out_value(r, r->out, &text);
}

/* ------------------------------------------------------------------------------------------------- blocks -- */

static einf_status run_with(einf__render *r, const einf__block *b, einf__block_kind *stop)
{
    einf__scope *outer = r->scope, *before;
    EINF_TRY(open_scope(r, outer, &before));
    einf__scope *const inner = r->scope;
    for (uint32_t i = 0; i < b->n_with; i++) {
        einf__value v;
        r->scope = outer; /* the values do not see one another */
        EINF_TRY(einf__tmpl_eval(r, b->with[i].value, &v));
        r->scope = inner;
        EINF_TRY(einf__tmpl_define(r, b->with[i].name, v));
    }
    EINF_TRY(einf__tmpl_run(r, b->body, stop));
    r->scope = before;
    return EINF_OK;
}

static einf_status run_block(einf__render *r, const einf__block *b, einf__block_kind *stop)
{
    einf__value v;
    switch (b->kind) {
    case EINF__B_TEXT: return einf__out_string(r, r->out, b->text);
    case EINF__B_PRINT:
        EINF_TRY(einf__tmpl_eval(r, b->expr, &v));
        r->at = b->at;
        return einf__out_value(r, r->out, &v);
    case EINF__B_IF:
        EINF_TRY(einf__tmpl_eval(r, b->expr, &v));
        return einf__tmpl_run(r, einf__truth(&v) ? b->body : b->other, stop);
    case EINF__B_FOR: return run_loop(r, b);
    case EINF__B_SET:
        EINF_TRY(einf__tmpl_eval(r, b->expr, &v));
        return assign(r, b->target, &v);
    case EINF__B_CAPTURE:
        EINF_TRY(capture_filtered(r, b, &v));
        return assign(r, b->target, &v);
    case EINF__B_FILTER:
        EINF_TRY(capture_filtered(r, b, &v));
        return einf__out_value(r, r->out, &v);
    case EINF__B_MACRO:
        EINF_TRY(make_macro(r, b->signature, &v));
        return einf__tmpl_define(r, b->signature->name, v);
    case EINF__B_CALL: return run_call(r, b);
    case EINF__B_WITH: return run_with(r, b, stop);
    case EINF__B_BODY: return einf__tmpl_run(r, b->body, stop);
    case EINF__B_BREAK:
    case EINF__B_CONTINUE: *stop = b->kind; return EINF_OK;
    }
    return EINF_E_INTERNAL;
}

einf_status einf__tmpl_run(einf__render *r, const einf__block *b, einf__block_kind *stop)
{
    *stop = EINF__B_TEXT;
    if (++r->depth > EINF__TMPL_MAX_DEPTH)
        return einf__fail(r->err, EINF_E_LIMIT, r->at, "chat template", "use another template",
                          "the template nests deeper than %d levels", (int)EINF__TMPL_MAX_DEPTH);
    for (; b && *stop == EINF__B_TEXT; b = b->next) {
        EINF_TRY(einf__tmpl_charge(r, 1));
        r->at = b->at;
        EINF_TRY(run_block(r, b, stop));
    }
    r->depth--;
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- doors -- */

static einf_status compile(einf__template *t, einf_error *err)
{
    char *copy = einf__pile_take(&t->pile, t->source.n);
    if (!copy) return einf__pile_fail(&t->pile, t->source.n, err);
    if (t->source.n) memcpy(copy, t->source.p, (size_t)t->source.n);
    t->source.p = copy;
    einf__compiler c = { .t = t, .pile = &t->pile, .tokens_pile = t->pile, .err = err };
    c.tokens_pile.last = NULL;
    einf_status status = einf__tmpl_lex(&c);
    if (status == EINF_OK) status = einf__tmpl_parse_blocks(&c, &t->body);
    einf__pile_free(&c.tokens_pile);
    return status;
}

einf_status einf__template_compile(einf__memory *mem, einf__bytes source, einf__template **out, einf_error *err)
{
    *out = NULL;
    if (source.n > EINF__TMPL_MAX_SOURCE)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "chat template", "use another template",
                          "the template has %llu bytes, at most %d are read", (unsigned long long)source.n,
                          (int)EINF__TMPL_MAX_SOURCE);
    einf__template *t = einf__alloc_zero(mem, sizeof *t);
    if (!t) return einf__fail_nomem(err, sizeof *t, "a chat template");
    t->pile = (einf__pile){ .mem = mem, .limit_bytes = EINF__TMPL_MAX_MEMORY };
    t->source = source;
    const einf_status status = compile(t, err);
    if (status == EINF_OK) *out = t;
    else einf__template_free(&t);
    return status;
}

void einf__template_free(einf__template **t)
{
    if (!*t) return;
    einf__memory *const mem = (*t)->pile.mem;
    einf__pile_free(&(*t)->pile);
    einf__free(mem, *t, sizeof **t);
    *t = NULL;
}

uint64_t einf__template_bytes(const einf__template *t)
{
    return t ? sizeof *t + einf__pile_bytes(&t->pile) : 0;
}

void einf__rendered_deinit(einf__rendered *r)
{
    einf__free(r->mem, r->text, (size_t)r->cap_bytes);
    einf__free(r->mem, r->markup, (size_t)r->cap_bytes);
    *r = (einf__rendered){ .mem = r->mem };
}

static einf_status define_text(einf__render *r, const char *name, einf__value value)
{
    einf__value key;
    EINF_TRY(einf__make_string(r, name, strlen(name), true, &key));
    return einf__tmpl_define(r, key.string, value);
}

static einf_status set_member(einf__render *r, einf__map *m, const char *name, einf__bytes text, bool markup)
{
    einf__value key, value;
    EINF_TRY(einf__make_string(r, name, strlen(name), true, &key));
    if (text.p) EINF_TRY(einf__make_string(r, text.p, text.n, markup, &value));
    else value = einf__none();
    return einf__map_set(r, m, key, value);
}

static einf_status parse_object(einf__render *r, einf__bytes text, const char *what, einf__value *out)
{
    EINF_TRY(einf__json_parse(r, text, what, out));
    if (out->kind == EINF__V_MAP) return EINF_OK;
    return einf__fail(r->err, EINF_E_ARG, 0, what, "write {\"name\": value}", "expected a JSON object, found %s",
                      einf__type_name(out));
}

/* A role that is a word spells no token by itself, but '<|' + role + '|>' of a template does, and is meant to. */
static bool is_word(einf__bytes role)
{
    for (uint64_t i = 0; i < role.n; i++) {
        const char c = role.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static einf_status make_part(einf__render *r, const einf_part *part, einf__value *out)
{
    EINF_TRY(einf__make_map(r, EINF__V_MAP, out));
    const char *type = part->text ? "text" : "image";
    EINF_TRY(set_member(r, out->map, "type", (einf__bytes){ type, strlen(type) }, true));
    if (!part->text) return EINF_OK;
    return set_member(r, out->map, "text", (einf__bytes){ part->text, strlen(part->text) }, false);
}

static einf_status set_parts(einf__render *r, einf__map *message, const einf__template_message *m)
{
    einf__value key, list, part;
    EINF_TRY(einf__make_string(r, "content", strlen("content"), true, &key));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, m->n_parts, &list));
    for (uint32_t i = 0; i < m->n_parts; i++) {
        EINF_TRY(make_part(r, &m->parts[i], &part));
        EINF_TRY(einf__list_push(r, list.list, part));
    }
    return einf__map_set(r, message, key, list);
}

static einf_status make_message(einf__render *r, const einf__template_message *m, einf__value *out)
{
    EINF_TRY(einf__make_map(r, EINF__V_MAP, out));
    EINF_TRY(set_member(r, out->map, "role", m->role, is_word(m->role)));
    if (m->n_parts) EINF_TRY(set_parts(r, out->map, m));
    else EINF_TRY(set_member(r, out->map, "content", m->content, false));
    if (!m->extra_json.p) return EINF_OK;
    einf__value extra;
    EINF_TRY(parse_object(r, m->extra_json, "extra_json", &extra));
    for (uint32_t i = 0; i < extra.map->n; i++)
        EINF_TRY(einf__map_set(r, out->map, extra.map->pairs[i].key, extra.map->pairs[i].value));
    return EINF_OK;
}

static einf_status make_var(einf__render *r, const einf__template_var *v, einf__value *out)
{
    if (v->kind == EINF__VAR_JSON) return einf__json_parse(r, v->text, v->name, out);
    if (v->kind == EINF__VAR_TEXT) return einf__make_string(r, v->text.p, v->text.n, v->markup, out);
    *out = einf__flag(v->flag);
    return EINF_OK;
}

/* Saturates at UINT32_MAX, which is more than is allowed. */
static uint64_t text_bytes(const einf__template_message *m)
{
    uint64_t n = 0;
    if (m->role.n > UINT32_MAX || m->content.n > UINT32_MAX || m->extra_json.n > UINT32_MAX) return UINT32_MAX;
    for (uint32_t i = 0; i < m->n_parts && n < UINT32_MAX; i++) n += m->parts[i].text ? strlen(m->parts[i].text) : 0;
    return n > UINT32_MAX ? UINT32_MAX : n + m->role.n + m->content.n + m->extra_json.n;
}

static einf_status check_sizes(const einf__template_input *in, einf_error *err)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < in->n_messages; i++) {
        n += text_bytes(&in->messages[i]);
        if (n > EINF__TMPL_MAX_OUTPUT)
            return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "messages", "send fewer or shorter messages",
                              "the messages have more than %d MiB of text", (int)(EINF__TMPL_MAX_OUTPUT >> 20));
    }
    return EINF_OK;
}

static einf_status define_more(einf__render *r)
{
    einf__value more;
    if (!r->in->more_vars_json.p) return EINF_OK;
    EINF_TRY(parse_object(r, r->in->more_vars_json, "vars_json", &more));
    for (uint32_t i = 0; i < more.map->n; i++)
        EINF_TRY(einf__tmpl_define(r, more.map->pairs[i].key.string, more.map->pairs[i].value));
    return EINF_OK;
}

static einf_status render(einf__render *r)
{
    einf__value messages, v;
    einf__scope *before;
    einf__block_kind stop;
    EINF_TRY(check_sizes(r->in, r->err));
    EINF_TRY(open_scope(r, NULL, &before));
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, &messages));
    for (uint64_t i = 0; i < r->in->n_messages; i++) {
        EINF_TRY(make_message(r, &r->in->messages[i], &v));
        EINF_TRY(einf__list_push(r, messages.list, v));
    }
    EINF_TRY(define_text(r, "messages", messages));
    for (uint64_t i = 0; i < r->in->n_vars; i++) {
        EINF_TRY(make_var(r, &r->in->vars[i], &v));
        EINF_TRY(define_text(r, r->in->vars[i].name, v));
    }
    EINF_TRY(define_more(r));
    return einf__tmpl_run(r, r->t->body, &stop);
}

static einf_status give(const einf__text_out *o, einf__rendered *out, einf_error *err)
{
    if (o->n == 0) return EINF_OK;
    out->text = einf__alloc(out->mem, o->n);
    out->markup = einf__alloc(out->mem, o->n);
    out->cap_bytes = o->n;
    if (!out->text || !out->markup) {
        einf__rendered_deinit(out);
        return einf__fail_nomem(err, 2 * (uint64_t)o->n, "a rendered conversation");
    }
    memcpy(out->text, o->p, o->n);
    memcpy(out->markup, o->marks, o->n);
    out->n_bytes = o->n;
    return EINF_OK;
}

einf_status einf__template_render(const einf__template *t, const einf__template_input *in, einf__rendered *out,
                                  einf_error *err)
{
    einf__text_out text = { NULL, NULL, 0, 0 };
    einf__render r = { .t = t, .in = in, .out = &text, .err = err,
                       .pile = { .mem = out->mem, .limit_bytes = EINF__TMPL_MAX_MEMORY } };
    einf_status status = render(&r);
    if (status == EINF_OK) status = give(&text, out, err);
    einf__pile_free(&r.pile);
    return status;
}
