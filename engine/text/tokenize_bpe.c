/* SPDX-License-Identifier: MIT
 * tokenize_bpe.c - byte-level BPE: words by pattern, bytes by letter, merges by rank.
 *
 * Text that is not UTF-8 is rewritten first, as llama.cpp reads it: overlong forms shrink, bytes that belong to nothing
 * become U+FFFD. Surrogates keep their bytes; for the patterns a private character of the same size and class stands
 * in for them, because PCRE2 matches valid UTF-8 alone.
 */
#include "engine/text/text_work.h"
#include "engine/text/utf8.h"

/* What the words of a text need. */
typedef struct words {
    einf__text_work *w;
    const char *text;
    einf_error *err;
} words;

static uint32_t rank_pair(einf__text_work *w, const char *word, const einf__symbol *left, const einf__symbol *right,
                          uint32_t end, int32_t *id)
{
    (void)word;
    (void)end;
    const uint32_t rank = einf__pair_rank(w->v, left->id, right->id);
    if (rank != EINF__NO_PAIR) *id = w->v->merged[rank];
    return rank;
}

/* The token that is the whole word, or -1. False for want of memory. */
static bool find_word(einf__text_work *w, const char *word, uint32_t n_bytes, int32_t *id)
{
    *id = -1;
    if (n_bytes > w->v->max_text_bytes) return true;
    if (!einf__buffer_reserve(w->mem, &w->word, 0, n_bytes * UINT64_C(2))) return false;
    char *letters = w->word.p;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_bytes; i++) n += einf__utf8_put(letters + n, einf__byte_letter((uint8_t)word[i]));
    *id = einf__token_find(w->v, letters, n);
    return true;
}

static bool merge_word(einf__text_work *w, const char *word, uint32_t n_bytes)
{
    if (!einf__buffer_reserve(w->mem, &w->symbols, 0, (n_bytes + UINT64_C(1)) * sizeof(einf__symbol))) return false;
    einf__symbol *s = w->symbols.p;
    for (uint32_t i = 0; i < n_bytes; i++) s[i] = (einf__symbol){ w->v->byte_ids[(uint8_t)word[i]], i };
    s[n_bytes] = (einf__symbol){ -1, n_bytes };
    uint32_t n = n_bytes;
    if (!einf__merge(w, word, &n, rank_pair)) return false;
    for (uint32_t i = 0; i < n; i++) /* a byte whose letter is no token has no ids */
        if (s[i].id >= 0 && !einf__ids_push(w->out, s[i].id)) return false;
    return true;
}

static bool add_word(void *arg, uint32_t begin, uint32_t end)
{
    einf__text_work *w = ((const words *)arg)->w;
    const char *word = ((const words *)arg)->text + begin;
    const uint32_t n_bytes = end - begin;
    const uint64_t n_before = w->out->n;
    einf__cached_word *slot = einf__cache_slot(w, word, n_bytes);
    int32_t whole = -1;
    if (einf__cache_hit(slot, word, n_bytes)) return einf__push_cached(w->out, slot);
    if (w->v->ignore_merges && !find_word(w, word, n_bytes, &whole)) return false;
    if (!(whole >= 0 ? einf__ids_push(w->out, whole) : merge_word(w, word, n_bytes))) return false;
    einf__cache_store(slot, word, n_bytes, w->out, n_before);
    return true;
}

/* ---------------------------------------------------------------------------------------- text that is no UTF-8 -- */

/* Read leniently, write as UTF-8; at most 3 bytes for each. *has_surrogates: some of them cannot be shown to PCRE2. */
static uint32_t rewrite(const char *text, uint32_t n_bytes, char *to, bool *has_surrogates)
{
    uint32_t n = 0;
    *has_surrogates = false;
    for (uint32_t i = 0, used; i < n_bytes; i += used) {
        const uint32_t cp = einf__utf8_get(text + i, n_bytes - i, &used);
        if (cp >= 0xd800 && cp < 0xe000) *has_surrogates = true;
        n += einf__utf8_put(to + n, cp);
    }
    return n;
}

/* U+E000 for each surrogate, which takes three bytes, too. */
static void replace_surrogates(const char *text, uint32_t n_bytes, char *to)
{
    memcpy(to, text, n_bytes);
    for (uint32_t i = 0; i + 2 < n_bytes; i++)
        if ((uint8_t)text[i] == 0xed && (uint8_t)text[i + 1] >= 0xa0) memcpy(to + i, "\xee\x80\x80", 3);
}

static einf_status tokenize_invalid(einf__text_work *w, const char *text, uint32_t n_bytes, einf_error *err)
{
    einf__buffer room = { NULL, 0 }, shown = { NULL, 0 };
    einf_status status = EINF_OK;
    bool has_surrogates = false;
    uint32_t n = 0;
    if (n_bytes > UINT32_MAX / 3 || !einf__buffer_reserve(w->mem, &room, 0, n_bytes * UINT64_C(3) + 4))
        return einf__fail_nomem(err, n_bytes * UINT64_C(3), "a text that is no UTF-8");
    n = rewrite(text, n_bytes, room.p, &has_surrogates);
    if (has_surrogates && !einf__buffer_reserve(w->mem, &shown, 0, n))
        status = einf__fail_nomem(err, n, "a text that is no UTF-8");
    if (status == EINF_OK) {
        words a = { w, room.p, err };
        if (has_surrogates) replace_surrogates(room.p, n, shown.p);
        status = einf__pretokenize(w->v->pre, has_surrogates ? shown.p : room.p, n, add_word, &a, err);
    }
    einf__buffer_deinit(w->mem, &shown);
    einf__buffer_deinit(w->mem, &room);
    return status;
}

einf_status einf__tokenize_bpe(einf__text_work *w, const char *text, uint32_t n_bytes, einf_error *err)
{
    einf_status status;
    if (einf__utf8_is_valid(text, n_bytes)) {
        words a = { w, text, err };
        status = einf__pretokenize(w->v->pre, text, n_bytes, add_word, &a, err);
    } else {
        status = tokenize_invalid(w, text, n_bytes, err);
    }
    return status == EINF_E_NOMEM ? einf__fail_nomem(err, w->out->n * sizeof(int32_t), "token ids") : status;
}
