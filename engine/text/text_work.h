/* SPDX-License-Identifier: MIT
 * text_work.h - the working memory of one call of einf__tokenize, and what its parts have in common.
 *
 * Everything grows as the text demands and is freed at the end of the call. The word cache remembers the ids of short
 * words of this call: in prose nine words of ten have been seen before.
 */
#ifndef EINF_TEXT_TEXT_WORK_H
#define EINF_TEXT_TEXT_WORK_H

#include "engine/text/merge_queue.h"
#include "engine/text/vocab_private.h"

typedef struct einf__buffer { void *p; size_t cap_bytes; } einf__buffer;
/** Room for need_bytes; the first keep_bytes survive. False for want of memory. */
bool einf__buffer_reserve(einf__memory *mem, einf__buffer *b, uint64_t keep_bytes, uint64_t need_bytes);
void einf__buffer_deinit(einf__memory *mem, einf__buffer *b);

/* A piece of a word while it is merged: it reaches to the next one's begin. id: -1 no token. */
typedef struct einf__symbol { int32_t id; uint32_t begin; } einf__symbol;

#define EINF__CACHED_BYTES 22
#define EINF__CACHED_IDS 10
typedef struct einf__cached_word { /* one cache line */
    uint8_t n_bytes, n_ids; /* n_bytes 0: empty */
    char text[EINF__CACHED_BYTES];
    int32_t ids[EINF__CACHED_IDS];
} einf__cached_word;

/* What two tokens make, remembered: SentencePiece has no table of pairs and must hash their text otherwise. */
#define EINF__PAIR_MEMOS 64 /* a power of two */
typedef struct einf__pair_memo { int32_t left, right, made; } einf__pair_memo; /* left -1: empty */

typedef struct einf__text_work {
    const einf__vocab *v;
    einf__memory *mem;
    einf__ids *out;
    einf__cached_word *cache; /* NULL: none */
    uint64_t n_cached;        /* slots, a power of two */
    einf__buffer symbols;     /* einf__symbol, one more than there are: the last one ends the word */
    einf__buffer pairs, links; /* private to merge.c */
    einf__buffer word;        /* the word in the vocabulary's letters */
    einf__merge_queue queue;
    einf__pair_memo memos[EINF__PAIR_MEMOS];
} einf__text_work;

/** Priority of merging two symbols, the right of which ends at byte end of the word: the lower the sooner,
 *  EINF__NO_PAIR: never. *id: the token they make. */
typedef uint32_t (*einf__pair_fn)(einf__text_work *w, const char *word, const einf__symbol *left,
                                  const einf__symbol *right, uint32_t end, int32_t *id);
/** Merge w->symbols, [*n] and the end of the word behind them, until no pair is left: always the pair of the lowest
 *  priority, the leftmost of equals. n log n. */
bool einf__merge(einf__text_work *w, const char *word, uint32_t *n, einf__pair_fn pair);

/* Append the ids of text, all of it one fragment without special tokens; first: the space prefix applies. */
einf_status einf__tokenize_bpe(einf__text_work *w, const char *text, uint32_t n_bytes, einf_error *err);
einf_status einf__tokenize_spm(einf__text_work *w, const char *text, uint32_t n_bytes, bool prefix, einf_error *err);
einf_status einf__tokenize_wordpiece(einf__text_work *w, const char *text, uint32_t n_bytes, einf_error *err);

/* special_split.c: a text cut at the special tokens it spells. */
typedef struct einf__fragment { uint32_t begin, end; int32_t id; } einf__fragment; /* id -1: text [begin, end) */
typedef struct einf__fragments {
    einf__buffer list; /* einf__fragment */
    uint32_t n;
} einf__fragments;
/** special: control tokens, too; user-defined ones always. */
einf_status einf__special_split(einf__text_work *w, const char *text, uint32_t n_bytes, bool special,
                                einf__fragments *out, einf_error *err);

/** The slot of a word, NULL when it is not one to cache. A hit when einf__cache_hit says so. */
static inline einf__cached_word *einf__cache_slot(const einf__text_work *w, const char *word, uint64_t n_bytes)
{
    if (!w->cache || n_bytes > EINF__CACHED_BYTES) return NULL;
    return &w->cache[einf__hash_text(word, n_bytes) & (w->n_cached - 1)];
}

static inline bool einf__cache_hit(const einf__cached_word *slot, const char *word, uint64_t n_bytes)
{
    return slot && slot->n_bytes == n_bytes && memcmp(slot->text, word, (size_t)n_bytes) == 0;
}

/* Remember the ids that were appended since there were n_before, if they can be. */
static inline void einf__cache_store(einf__cached_word *slot, const char *word, uint64_t n_bytes, const einf__ids *out,
                                     uint64_t n_before)
{
    const uint64_t n = out->n - n_before;
    if (!slot || n > EINF__CACHED_IDS || out->n > out->cap) return;
    slot->n_bytes = (uint8_t)n_bytes;
    slot->n_ids = (uint8_t)n;
    memcpy(slot->text, word, (size_t)n_bytes);
    if (n > 0) memcpy(slot->ids, out->ids + n_before, (size_t)n * sizeof *slot->ids);
}

static inline bool einf__push_cached(einf__ids *out, const einf__cached_word *slot)
{
    if (slot->n_ids > 0 && out->n + slot->n_ids <= out->cap) {
        memcpy(out->ids + out->n, slot->ids, slot->n_ids * sizeof *slot->ids);
        out->n += slot->n_ids;
        return true;
    }
    for (uint32_t i = 0; i < slot->n_ids; i++)
        if (!einf__ids_push(out, slot->ids[i])) return false;
    return true;
}

#endif
