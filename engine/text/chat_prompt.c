/* SPDX-License-Identifier: MIT
 * chat_prompt.c - a conversation to ids: the template is rendered, and its text is cut where its markup says.
 *
 * Special tokens are looked for in runs of markup alone. Everything between two of them, markup and contents, is one
 * text to the tokenizer, as it was when the model was trained.
 */
#include "engine/text/chat_prompt.h"

#include "engine/text/text_work.h"

static einf__bytes spelling_of(const einf__vocab *v, int32_t id)
{
    if (id < 0) return (einf__bytes){ "", 0 };
    return (einf__bytes){ einf__token_text(v, (uint32_t)id), einf__token_bytes(v, (uint32_t)id) };
}

einf_status einf__chat_prompt_render(const einf__template *t, const einf__vocab *v, const einf__chat_prompt *p,
                                     einf__rendered *out, einf_error *err)
{
    const einf__special_ids *ids = einf__vocab_special_ids(v);
    const einf__template_var vars[] = {
        { .name = "add_generation_prompt", .kind = EINF__VAR_BOOL, .flag = !p->continue_answer },
        { .name = "bos_token", .kind = EINF__VAR_TEXT, .text = spelling_of(v, ids->bos), .markup = true },
        { .name = "eos_token", .kind = EINF__VAR_TEXT, .text = spelling_of(v, ids->eos), .markup = true },
        { .name = "tools", .kind = EINF__VAR_JSON, .text = p->tools_json },
    };
    const einf__template_input in = { .messages = p->messages, .n_messages = p->n_messages, .vars = vars,
                                      .n_vars = sizeof vars / sizeof vars[0] - (p->tools_json.p == NULL),
                                      .more_vars_json = p->vars_json, .now_s = p->now_s };
    return einf__template_render(t, &in, out, err);
}

/* --------------------------------------------------------------------------------------------------- to ids -- */

typedef struct writer {
    einf__text_work work;     /* to look for special tokens */
    const einf__rendered *r;
    einf__ids *out;
    uint64_t n_before;        /* ids in out when we began */
    char *plain;              /* [r->n_bytes] text that no special token has ended yet */
    uint64_t n_plain;
    bool eats_space;          /* behind a token that takes the blanks that follow it */
    einf_error *err;
} writer;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void put_plain(writer *w, const char *p, uint64_t n)
{
    while (w->eats_space && n > 0 && is_space(*p)) p++, n--;
    if (n == 0) return;
    w->eats_space = false;
    memcpy(w->plain + w->n_plain, p, (size_t)n);
    w->n_plain += n;
}

static einf_status flush(writer *w)
{
    if (w->n_plain == 0) return EINF_OK;
    const einf_status status = einf__tokenize(w->work.v, w->plain, w->n_plain, 0, w->out, w->err);
    w->n_plain = 0;
    return status;
}

static einf_status put_special(writer *w, int32_t id)
{
    const einf__vocab *v = w->work.v;
    const einf__special_ids *ids = einf__vocab_special_ids(v);
    if (v->attr[id] & EINF__TOKEN_LSTRIP)
        while (w->n_plain > 0 && is_space(w->plain[w->n_plain - 1])) w->n_plain--;
    EINF_TRY(flush(w));
    w->eats_space = (v->attr[id] & EINF__TOKEN_RSTRIP) != 0;
    const bool is_second_bos = id == ids->bos && ids->add_bos && w->out->n == w->n_before + 1;
    if (is_second_bos) return EINF_OK;
    return einf__ids_push(w->out, id) ? EINF_OK : einf__fail_nomem(w->err, sizeof id, "the tokens of a conversation");
}

/* A run of markup: the special tokens it spells, and the text between them. User-defined tokens are left to the
 * tokenizer, which looks for them in every text: one may begin in markup and end in a content. */
static einf_status put_markup(writer *w, const char *text, uint32_t n)
{
    einf__fragments found = { { NULL, 0 }, 0 };
    einf_status status = einf__special_split(&w->work, text, n, true, &found, w->err);
    const einf__fragment *f = found.list.p;
    for (uint32_t i = 0; i < found.n && status == EINF_OK; i++) {
        const bool is_text = f[i].id < 0 || (w->work.v->attr[f[i].id] & EINF__TOKEN_USER);
        if (!is_text) status = put_special(w, f[i].id);
        else put_plain(w, text + f[i].begin, f[i].end - f[i].begin);
    }
    einf__buffer_deinit(w->work.mem, &found.list);
    return status;
}

static einf_status put_all(writer *w)
{
    const einf__rendered *r = w->r;
    const einf__special_ids *ids = einf__vocab_special_ids(w->work.v);
    if (ids->add_bos && ids->bos >= 0 && !einf__ids_push(w->out, ids->bos))
        return einf__fail_nomem(w->err, sizeof ids->bos, "the tokens of a conversation");
    for (uint64_t begin = 0, end; begin < r->n_bytes; begin = end) {
        const uint8_t *other = memchr(r->markup + begin, !r->markup[begin], (size_t)(r->n_bytes - begin));
        end = other ? (uint64_t)(other - r->markup) : r->n_bytes;
        if (r->markup[begin]) EINF_TRY(put_markup(w, r->text + begin, (uint32_t)(end - begin)));
        else put_plain(w, r->text + begin, end - begin);
    }
    return flush(w);
}

static einf_status cut(einf__memory *mem, const einf__vocab *v, const einf__rendered *r, einf__ids *out,
                       einf_error *err)
{
    void *plain;
    EINF_TRY(einf__alloc_or_fail(mem, r->n_bytes + 1, "a conversation", &plain, err));
    writer w = { .work = { .v = v, .mem = mem }, .r = r, .out = out, .n_before = out->n, .plain = plain, .err = err };
    einf__queue_init(&w.work.queue);
    const einf_status status = put_all(&w);
    einf__queue_deinit(mem, &w.work.queue);
    einf__free(mem, plain, (size_t)(r->n_bytes + 1));
    return status;
}

einf_status einf__chat_prompt_ids(einf__memory *mem, const einf__template *t, const einf__vocab *v,
                                  const einf__chat_prompt *p, einf__ids *out, einf_error *err)
{
    einf__rendered rendered = { .mem = mem };
    EINF_TRY(einf__chat_prompt_render(t, v, p, &rendered, err));
    const einf_status status = cut(mem, v, &rendered, out, err);
    einf__rendered_deinit(&rendered);
    return status;
}
