/* SPDX-License-Identifier: MIT
 * tokenize.c - a text to ids: special tokens are cut out, each tokenizer does the text between, BOS and EOS go around.
 */
#include "engine/text/text_work.h"

#define MAX_CACHED 8192u /* slots of the word cache: half a megabyte */
#define MAX_TEXT_BYTES ((UINT64_C(1) << 31) - 1)

bool einf__ids_push(einf__ids *list, int32_t id)
{
    if (list->n < list->cap) {
        list->ids[list->n++] = id;
        return true;
    }
    if (!list->mem) { /* fixed: count what does not fit */
        list->n++;
        return true;
    }
    const uint64_t cap = list->cap ? list->cap * 2 : 64;
    int32_t *ids = cap <= SIZE_MAX / sizeof *ids ? einf__grow(list->mem, list->ids, (size_t)list->cap * sizeof *ids,
                                                              (size_t)cap * sizeof *ids) : NULL;
    if (!ids) return false;
    list->ids = ids;
    list->cap = cap;
    list->ids[list->n++] = id;
    return true;
}

void einf__ids_deinit(einf__ids *list)
{
    if (list->mem) einf__free(list->mem, list->ids, (size_t)list->cap * sizeof *list->ids);
    *list = (einf__ids){ NULL, 0, 0, list->mem };
}

/* As large as the text makes worth it; none for a short one. */
static einf_status open_cache(einf__text_work *w, uint64_t n_bytes, einf_error *err)
{
    if (n_bytes < 512) return EINF_OK;
    w->n_cached = 64;
    while (w->n_cached < MAX_CACHED && w->n_cached < n_bytes / 16) w->n_cached *= 2;
    w->cache = einf__alloc_zero(w->mem, (size_t)w->n_cached * sizeof *w->cache);
    return w->cache ? EINF_OK : einf__fail_nomem(err, w->n_cached * sizeof *w->cache, "the word cache");
}

static void close_work(einf__text_work *w)
{
    einf__free(w->mem, w->cache, (size_t)w->n_cached * sizeof *w->cache);
    einf__buffer_deinit(w->mem, &w->symbols);
    einf__buffer_deinit(w->mem, &w->pairs);
    einf__buffer_deinit(w->mem, &w->links);
    einf__buffer_deinit(w->mem, &w->word);
    einf__queue_deinit(w->mem, &w->queue);
}

static einf_status tokenize_fragment(einf__text_work *w, const char *text, uint32_t n_bytes, bool prefix,
                                     einf_error *err)
{
    switch (w->v->kind) {
    case EINF__VOCAB_BPE: return einf__tokenize_bpe(w, text, n_bytes, err);
    case EINF__VOCAB_SPM: return einf__tokenize_spm(w, text, n_bytes, prefix, err);
    default: return einf__tokenize_wordpiece(w, text, n_bytes, err);
    }
}

static einf_status push_special(einf__text_work *w, bool wanted, int32_t id, einf_error *err)
{
    if (!wanted || id < 0 || einf__ids_push(w->out, id)) return EINF_OK;
    return einf__fail_nomem(err, (w->out->n + 1) * sizeof(int32_t), "token ids");
}

static einf_status tokenize_fragments(einf__text_work *w, const char *text, const einf__fragments *f, einf_error *err)
{
    const einf__fragment *list = f->list.p;
    bool prefix = w->v->add_space_prefix; /* before the first text, and after each special token */
    for (uint32_t i = 0; i < f->n; i++) {
        if (list[i].id >= 0) EINF_TRY(push_special(w, true, list[i].id, err));
        else EINF_TRY(tokenize_fragment(w, text + list[i].begin, list[i].end - list[i].begin, prefix, err));
        prefix = w->v->add_space_prefix && list[i].id >= 0;
    }
    return EINF_OK;
}

static einf_status tokenize_text(einf__text_work *w, const char *text, uint32_t n_bytes, bool special, einf_error *err)
{
    if (n_bytes == 0) return EINF_OK;
    if (w->v->n_special == 0 || (!special && !w->v->has_user))
        return tokenize_fragment(w, text, n_bytes, w->v->add_space_prefix, err);
    einf__fragments fragments = { { NULL, 0 }, 0 };
    einf_status status = einf__special_split(w, text, n_bytes, special, &fragments, err);
    if (status == EINF_OK) status = tokenize_fragments(w, text, &fragments, err);
    einf__buffer_deinit(w->mem, &fragments.list);
    return status;
}

einf_status einf__tokenize(const einf__vocab *v, const char *text, uint64_t n_bytes, uint32_t flags, einf__ids *out,
                           einf_error *err)
{
    if (n_bytes > MAX_TEXT_BYTES)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "n_bytes", "tokenise the text in parts",
                          "a text of %llu bytes exceeds the limit of %llu", (unsigned long long)n_bytes,
                          (unsigned long long)MAX_TEXT_BYTES);
    const einf__special_ids *s = &v->ids;
    const bool around = (flags & EINF_TOK_BOS) != 0, bert = v->kind == EINF__VOCAB_WORDPIECE;
    einf__text_work w = { 0 };
    w.v = v;
    w.mem = v->mem;
    w.out = out;
    einf__queue_init(&w.queue);
    for (uint32_t i = 0; i < EINF__PAIR_MEMOS; i++) w.memos[i].left = -1;
    einf_status status = open_cache(&w, n_bytes, err);
    if (status == EINF_OK) status = push_special(&w, around && (s->add_bos || bert), s->bos, err);
    if (status == EINF_OK) status = tokenize_text(&w, text, (uint32_t)n_bytes, (flags & EINF_TOK_SPECIAL) != 0, err);
    if (status == EINF_OK && bert) status = push_special(&w, around, s->sep, err);
    else if (status == EINF_OK) status = push_special(&w, around && s->add_eos, s->eos, err);
    close_work(&w);
    return status;
}
