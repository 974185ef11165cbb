/* SPDX-License-Identifier: MIT
 * vocab_index.c - the two tables of a vocabulary: from a text to its token, from a pair of tokens to their merge.
 *
 * Both are flat arrays of 8-byte entries with linear probing, so that a look-up costs one cache miss in the table. The
 * token table keeps half of the hash beside the id and reads a text only where that half agrees. A pair entry is its
 * own key. Both refuse files whose texts were made to collide, which would make building quadratic.
 */
#include "engine/text/vocab_private.h"

uint64_t einf__table_slots(uint64_t n)
{
    uint64_t slots = 16;
    while (slots < n + n / 2) slots *= 2;
    return slots;
}

int32_t einf__token_find(const einf__vocab *v, const char *text, uint64_t n_bytes)
{
    if (n_bytes == 0 || n_bytes > v->max_text_bytes) return -1;
    const uint64_t hash = einf__hash_text(text, n_bytes);
    for (uint64_t i = hash;; i++) {
        const uint64_t slot = v->slots[i & v->slot_mask];
        if (slot == 0) return -1;
        if (slot >> 32 != hash >> 32) continue;
        const uint32_t id = (uint32_t)slot - 1;
        if (einf__token_bytes(v, id) == n_bytes && memcmp(einf__token_text(v, id), text, n_bytes) == 0)
            return (int32_t)id;
    }
}

static einf_status fail_collisions(const char *key, uint64_t offset, einf_error *err)
{
    return einf__fail(err, EINF_E_FORMAT, offset, key, "the file was made to slow readers down; do not use it",
                      "more than %u entries share one place of the hash table", EINF__MAX_PROBES);
}

einf_status einf__token_index_build(einf__vocab *v, einf_error *err)
{
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        const char *text = einf__token_text(v, id);
        const uint32_t n = einf__token_bytes(v, id);
        if (n == 0) continue;
        const uint64_t hash = einf__hash_text(text, n);
        uint64_t i = hash & v->slot_mask;
        for (uint32_t probes = 0; v->slots[i] != 0; i = (i + 1) & v->slot_mask) {
            if (++probes > EINF__MAX_PROBES)
                return fail_collisions("tokenizer.ggml.tokens", v->texts_offset + v->text_at[id], err);
            if (v->slots[i] >> 32 != hash >> 32) continue;
            const uint32_t other = (uint32_t)v->slots[i] - 1;
            if (einf__token_bytes(v, other) == n && memcmp(einf__token_text(v, other), text, n) == 0) break;
        }
        /* A text that is there already keeps its first id: files in use have duplicates. */
        if (v->slots[i] == 0) v->slots[i] = (hash >> 32 << 32) | (id + UINT64_C(1));
    }
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- merges -- */

static inline uint64_t pair_key(const einf__vocab *v, int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << v->id_bits | (uint32_t)right;
}

static inline uint64_t pair_slot(const einf__vocab *v, uint64_t key)
{
    return key * UINT64_C(0x9e3779b97f4a7c15) >> v->pair_shift;
}

uint32_t einf__pair_rank(const einf__vocab *v, int32_t left, int32_t right)
{
    if (left < 0 || right < 0) return EINF__NO_PAIR;
    const uint64_t key = pair_key(v, left, right);
    for (uint64_t i = pair_slot(v, key);; i = (i + 1) & v->pair_mask) {
        const uint64_t entry = v->pairs[i];
        if (entry == 0) return EINF__NO_PAIR;
        if (entry >> v->rank_bits == key) return (uint32_t)(entry & ((UINT64_C(1) << v->rank_bits) - 1)) - 1;
    }
}

/* A pair that has a rank already keeps it. */
static bool insert_pair(einf__vocab *v, int32_t left, int32_t right, uint32_t rank)
{
    const uint64_t key = pair_key(v, left, right);
    uint64_t i = pair_slot(v, key);
    for (uint32_t probes = 0; v->pairs[i] != 0; i = (i + 1) & v->pair_mask) {
        if (v->pairs[i] >> v->rank_bits == key) return true;
        if (++probes > EINF__MAX_PROBES) return false;
    }
    v->pairs[i] = key << v->rank_bits | (rank + UINT64_C(1));
    return true;
}

static inline bool is_token(const einf__vocab *v, int32_t id, const char *left, uint64_t n_left, const char *right,
                            uint64_t n_right)
{
    if (id < 0 || (uint32_t)id >= v->n_tokens || einf__token_bytes(v, (uint32_t)id) != n_left + n_right) return false;
    const char *text = einf__token_text(v, (uint32_t)id);
    return memcmp(text, left, n_left) == 0 && memcmp(text + n_left, right, n_right) == 0;
}

/* The token that two pieces make. Files list the merges that make one token in a row, mostly: try the last one again
 * before hashing. joined has room for the longest token. */
static int32_t find_made(const einf__vocab *v, int32_t last, const char *left, uint64_t n_left, const char *right,
                         uint64_t n_right, char *joined)
{
    if (is_token(v, last, left, n_left, right, n_right)) return last;
    if (n_left + n_right > v->max_text_bytes) return -1;
    memcpy(joined, left, n_left);
    memcpy(joined + n_left, right, n_right);
    return einf__token_find(v, joined, n_left + n_right);
}

einf_status einf__merges_build(einf__vocab *v, const einf__gguf_kv *merges, uint32_t *n_skipped, einf_error *err)
{
    void *joined;
    EINF_TRY(einf__alloc_or_fail(v->mem, (uint64_t)v->max_text_bytes + 1, "joining merges", &joined, err));
    einf__cursor c = einf__gguf_strings_begin(merges);
    int32_t last = -1;
    bool ok = true;
    *n_skipped = 0;
    for (uint32_t rank = 0; rank < v->n_merges && ok; rank++) {
        const einf__bytes merge = einf__gguf_strings_next(&c);
        /* The first piece may itself begin with a blank. */
        const char *blank = merge.n > 1 ? memchr(merge.p + 1, ' ', merge.n - 1) : NULL;
        v->merged[rank] = -1;
        if (blank) {
            const uint64_t n_left = (uint64_t)(blank - merge.p), n_right = merge.n - n_left - 1;
            const int32_t left = einf__token_find(v, merge.p, n_left);
            const int32_t right = left < 0 ? -1 : einf__token_find(v, blank + 1, n_right);
            if (right >= 0) v->merged[rank] = find_made(v, last, merge.p, n_left, blank + 1, n_right, joined);
            if (v->merged[rank] >= 0) ok = insert_pair(v, left, right, rank);
        }
        if (v->merged[rank] >= 0) last = v->merged[rank];
        else ++*n_skipped;
    }
    einf__free(v->mem, joined, (size_t)v->max_text_bytes + 1);
    return ok ? EINF_OK : fail_collisions("tokenizer.ggml.merges", v->texts_offset, err);
}
