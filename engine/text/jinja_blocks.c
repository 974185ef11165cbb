/* SPDX-License-Identifier: MIT
 * jinja_blocks.c - statements: the blocks of a template, from tokens to a tree.
 */
#include "engine/text/jinja_private.h"

/* The blocks of a body, as they are added. */
typedef struct body {
    const einf__block *first;
    einf__block *last;
} body;

static einf_status parse_body(einf__compiler *c, const char *const *ends, const einf__block **out);

static einf_status add_block(einf__compiler *c, body *b, einf__block_kind kind, uint32_t at, einf__block **out)
{
    EINF__TAKE(c, sizeof **out, *out);
    (*out)->kind = kind;
    (*out)->at = at;
    if (b->last) b->last->next = *out;
    else b->first = *out;
    b->last = *out;
    return EINF_OK;
}

static einf_status end_block(einf__compiler *c)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (t->kind == EINF__T_BLOCK_END) {
        c->next++;
        return EINF_OK;
    }
    return einf__tmpl_fail_at(c->t->source, t->at, c->err, "expected the end of the tag, found \"%.*s\"",
                              t->text.n < 40 ? (int)t->text.n : 40, t->text.p);
}

static bool skip_word(einf__compiler *c, const char *word) { return einf__tmpl_skip(c, EINF__T_NAME, word); }
static bool skip_op(einf__compiler *c, const char *op) { return einf__tmpl_skip(c, EINF__T_OPERATOR, op); }

/* The rest of a tag, a body, and the tag of one of these names, whose name has then been stepped over. */
static einf_status finish_and_body(einf__compiler *c, const char *const *ends, const einf__block **out)
{
    EINF_TRY(end_block(c));
    return parse_body(c, ends, out);
}

/* Which word ended the body just parsed. */
static bool ended_by(const einf__compiler *c, const char *word)
{
    return einf__bytes_are(c->tokens[c->next - 1].text, word);
}

/* ------------------------------------------------------------------------------------------------- blocks -- */

static einf_status parse_if(einf__compiler *c, einf__block *b)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL }, *const end[] = { "endif", NULL };
    c->n_ifs++;
    EINF_TRY(einf__tmpl_parse_expr(c, &b->expr));
    EINF_TRY(finish_and_body(c, ends, &b->body));
    c->n_ifs--;
    if (ended_by(c, "elif")) {
        einf__block *next;
        EINF__TAKE(c, sizeof *next, next);
        next->kind = EINF__B_IF;
        next->at = einf__tmpl_peek(c)->at;
        b->other = next;
        EINF_TRY(einf__tmpl_deeper(c, next->at)); /* a long chain of elif nests as deep as it is long */
        EINF_TRY(parse_if(c, next));
        c->depth--;
        return EINF_OK;
    }
    c->n_ifs++;
    if (ended_by(c, "else")) EINF_TRY(finish_and_body(c, end, &b->other));
    c->n_ifs--;
    return end_block(c);
}

static einf_status parse_for(einf__compiler *c, einf__block *b)
{
    static const char *const ends[] = { "else", "endfor", NULL }, *const end[] = { "endfor", NULL };
    EINF_TRY(einf__tmpl_parse_target(c, false, &b->target));
    EINF_TRY(einf__tmpl_expect(c, EINF__T_NAME, "in"));
    EINF_TRY(einf__tmpl_parse_iterable(c, &b->expr));
    if (skip_word(c, "if")) EINF_TRY(einf__tmpl_parse_expr(c, &b->filter));
    if (einf__tmpl_at(c, EINF__T_NAME, "recursive"))
        return einf__tmpl_fail_at(c->t->source, b->at, c->err, "recursive loops are not supported");
    c->n_loops++;
    EINF_TRY(finish_and_body(c, ends, &b->body));
    c->n_loops--;
    if (ended_by(c, "else")) EINF_TRY(finish_and_body(c, end, &b->other));
    return end_block(c);
}

static einf_status parse_set(einf__compiler *c, einf__block *b)
{
    static const char *const end[] = { "endset", NULL };
    EINF_TRY(einf__tmpl_parse_target(c, true, &b->target));
    if (skip_op(c, "=")) {
        EINF_TRY(einf__tmpl_parse_expr(c, &b->expr));
        return end_block(c);
    }
    b->kind = EINF__B_CAPTURE;
    if (skip_op(c, "|")) EINF_TRY(einf__tmpl_parse_filters(c, NULL, &b->expr));
    EINF_TRY(finish_and_body(c, end, &b->body));
    return end_block(c);
}

/* Parameters behind "(": name or name=default. */
static einf_status parse_params(einf__compiler *c, einf__signature *s)
{
    enum { MAX_PARAMS = 64 };
    EINF__TAKE(c, MAX_PARAMS * sizeof *s->params, s->params);
    EINF__TAKE(c, MAX_PARAMS * sizeof *s->defaults, s->defaults);
    while (!skip_op(c, ")")) {
        if (s->n_params == MAX_PARAMS)
            return einf__tmpl_fail_at(c->t->source, einf__tmpl_peek(c)->at, c->err,
                                      "a macro has more than %d parameters", (int)MAX_PARAMS);
        EINF_TRY(einf__tmpl_parse_name(c, &s->params[s->n_params]));
        if (skip_op(c, "=")) EINF_TRY(einf__tmpl_parse_value(c, &s->defaults[s->n_params]));
        s->n_params++;
        if (!skip_op(c, ",") && !einf__tmpl_at(c, EINF__T_OPERATOR, ")"))
            return einf__tmpl_expect(c, EINF__T_OPERATOR, ")");
    }
    return EINF_OK;
}

/* The body of a macro or of {% call %}: loops outside are not its own. */
static einf_status parse_signature_body(einf__compiler *c, einf__signature *s, const char *const *ends)
{
    einf__signature *const outer = c->signature;
    const uint32_t n_loops = c->n_loops;
    c->signature = s;
    c->n_loops = 0;
    EINF_TRY(finish_and_body(c, ends, &s->body));
    c->signature = outer;
    c->n_loops = n_loops;
    return end_block(c);
}

static einf_status parse_macro(einf__compiler *c, einf__block *b)
{
    static const char *const end[] = { "endmacro", NULL };
    einf__signature *s;
    EINF__TAKE(c, sizeof *s, s);
    EINF_TRY(einf__tmpl_parse_name(c, &s->name));
    b->signature = s;
    EINF_TRY(einf__tmpl_expect(c, EINF__T_OPERATOR, "("));
    EINF_TRY(parse_params(c, s));
    return parse_signature_body(c, s, end);
}

static einf_status parse_call(einf__compiler *c, einf__block *b)
{
    static const char *const end[] = { "endcall", NULL };
    static const einf__string name = { "caller", NULL, 6, true };
    einf__signature *s;
    EINF__TAKE(c, sizeof *s, s);
    s->name = &name;
    b->signature = s;
    if (skip_op(c, "(")) EINF_TRY(parse_params(c, s));
    EINF_TRY(einf__tmpl_parse_value(c, &b->expr));
    if (b->expr->kind != EINF__E_CALL)
        return einf__tmpl_fail_at(c->t->source, b->at, c->err, "{%% call %%} needs the call of a macro");
    return parse_signature_body(c, s, end);
}

static einf_status parse_filter_block(einf__compiler *c, einf__block *b)
{
    static const char *const end[] = { "endfilter", NULL };
    EINF_TRY(einf__tmpl_parse_filters(c, NULL, &b->expr));
    EINF_TRY(finish_and_body(c, end, &b->body));
    return end_block(c);
}

static einf_status parse_with(einf__compiler *c, einf__block *b)
{
    static const char *const end[] = { "endwith", NULL };
    enum { MAX_WITH = 32 };
    einf__named_expr *with;
    EINF__TAKE(c, MAX_WITH * sizeof *with, with);
    while (einf__tmpl_peek(c)->kind != EINF__T_BLOCK_END) {
        if (b->n_with == MAX_WITH)
            return einf__tmpl_fail_at(c->t->source, b->at, c->err, "more than %d variables", (int)MAX_WITH);
        EINF_TRY(einf__tmpl_parse_name(c, &with[b->n_with].name));
        EINF_TRY(einf__tmpl_expect(c, EINF__T_OPERATOR, "="));
        EINF_TRY(einf__tmpl_parse_value(c, &with[b->n_with].value));
        b->n_with++;
        if (!skip_op(c, ",")) break;
    }
    b->with = with;
    EINF_TRY(finish_and_body(c, end, &b->body));
    return end_block(c);
}

/* Hugging Face marks what a model is trained to say; for a prompt it is only a body. */
static einf_status parse_generation(einf__compiler *c, einf__block *b)
{
    static const char *const end[] = { "endgeneration", NULL };
    EINF_TRY(finish_and_body(c, end, &b->body));
    return end_block(c);
}

static einf_status parse_jump(einf__compiler *c, einf__block *b)
{
    if (c->n_loops == 0)
        return einf__tmpl_fail_at(c->t->source, b->at, c->err, "break and continue belong into a loop");
    return end_block(c);
}

static const struct {
    const char *word;
    einf__block_kind kind;
    einf_status (*parse)(einf__compiler *c, einf__block *b);
} words[] = {
    { "if", EINF__B_IF, parse_if },
    { "for", EINF__B_FOR, parse_for },
    { "set", EINF__B_SET, parse_set },
    { "macro", EINF__B_MACRO, parse_macro },
    { "call", EINF__B_CALL, parse_call },
    { "filter", EINF__B_FILTER, parse_filter_block },
    { "with", EINF__B_WITH, parse_with },
    { "generation", EINF__B_BODY, parse_generation },
    { "break", EINF__B_BREAK, parse_jump },
    { "continue", EINF__B_CONTINUE, parse_jump },
};

static einf_status parse_statement(einf__compiler *c, body *list, uint32_t at)
{
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (t->kind != EINF__T_NAME || !einf__bytes_are(t->text, words[i].word)) continue;
        einf__block *b;
        c->next++;
        EINF_TRY(add_block(c, list, words[i].kind, at, &b));
        EINF_TRY(einf__tmpl_deeper(c, at));
        EINF_TRY(words[i].parse(c, b));
        c->depth--;
        return EINF_OK;
    }
    static const char *const refused[] = { "include", "import", "from", "extends", "block" };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (einf__bytes_are(t->text, refused[i]))
            return einf__tmpl_fail_at(c->t->source, at, c->err,
                                      "{%% %s %%} would read other templates, which a model's may not", refused[i]);
    return einf__tmpl_fail_at(c->t->source, at, c->err, "unknown block \"%.*s\"",
                              t->text.n < 40 ? (int)t->text.n : 40, t->text.p);
}

static einf_status parse_print(einf__compiler *c, body *list, uint32_t at)
{
    einf__block *b;
    EINF_TRY(add_block(c, list, EINF__B_PRINT, at, &b));
    EINF_TRY(einf__tmpl_parse_expr(c, &b->expr));
    const einf__tmpl_token *t = einf__tmpl_peek(c);
    if (t->kind != EINF__T_PRINT_END)
        return einf__tmpl_fail_at(c->t->source, t->at, c->err, "expected \"}}\", found \"%.*s\"",
                                  t->text.n < 40 ? (int)t->text.n : 40, t->text.p);
    c->next++;
    return EINF_OK;
}

static bool is_end(const einf__tmpl_token *t, const char *const *ends)
{
    for (; *ends; ends++)
        if (t->kind == EINF__T_NAME && einf__bytes_are(t->text, *ends)) return true;
    return false;
}

/* The name that closes a block stands last. */
static const char *last_of(const char *const *ends)
{
    while (ends[1]) ends++;
    return ends[0];
}

/* Blocks up to a tag of one of these names; without names, to the end of the template. */
static einf_status parse_body(einf__compiler *c, const char *const *ends, const einf__block **out)
{
    body list = { NULL, NULL };
    for (;;) {
        const einf__tmpl_token *t = einf__tmpl_peek(c);
        einf__block *b;
        if (t->kind == EINF__T_END) {
            *out = list.first;
            if (!ends[0]) return EINF_OK;
            return einf__tmpl_fail_at(c->t->source, t->at, c->err, "the template ends, and {%% %s %%} is missing",
                                      last_of(ends));
        }
        c->next++;
        if (t->kind == EINF__T_TEXT) {
            EINF_TRY(add_block(c, &list, EINF__B_TEXT, t->at, &b));
            b->text = t->value.string;
        } else if (t->kind == EINF__T_PRINT_BEGIN) {
            EINF_TRY(parse_print(c, &list, t->at));
        } else if (is_end(einf__tmpl_peek(c), ends)) {
            c->next++;
            *out = list.first;
            return EINF_OK;
        } else {
            EINF_TRY(parse_statement(c, &list, t->at));
        }
    }
}

einf_status einf__tmpl_parse_blocks(einf__compiler *c, const einf__block **out)
{
    static const char *const none[] = { NULL };
    return parse_body(c, none, out);
}
