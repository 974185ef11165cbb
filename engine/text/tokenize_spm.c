/* SPDX-License-Identifier: MIT
 * tokenize_spm.c - SentencePiece BPE: the best-scored pair whose text is a token, bytes for what is none.
 *
 * Blanks become U+2581, and the rules know no words: a merge may cross anything that is part of a token. But no merge
 * crosses a place between two neighbours that are neighbours in no token. So a text falls into words there, which are
 * cached; the ids are those of the whole.
 */
#include "engine/text/text_work.h"
#include "engine/text/utf8.h"

static const char space[] = "\xe2\x96\x81";

static uint32_t score_pair(einf__text_work *w, const char *word, const einf__symbol *left, const einf__symbol *right,
                           uint32_t end, int32_t *id)
{
    const uint32_t mixed = (uint32_t)left->id * 31u + (uint32_t)right->id;
    einf__pair_memo *memo = &w->memos[(mixed ^ mixed >> 7) & (EINF__PAIR_MEMOS - 1)];
    const bool known = memo->left == left->id && memo->right == right->id && left->id >= 0 && right->id >= 0;
    *id = known ? memo->made : einf__token_find(w->v, word + left->begin, end - left->begin);
    if (left->id >= 0 && right->id >= 0) *memo = (einf__pair_memo){ left->id, right->id, *id };
    return *id < 0 ? EINF__NO_PAIR : w->v->priority[*id];
}

static bool push_bytes(einf__text_work *w, const char *text, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n_bytes; i++) {
        const int32_t byte = w->v->byte_ids[(uint8_t)text[i]];
        const int32_t id = byte >= 0 ? byte : w->v->ids.unk;
        if (id >= 0 && !einf__ids_push(w->out, id)) return false;
    }
    return true;
}

/* [text, n_bytes) has U+2581 for its blanks. */
static bool merge_word(einf__text_work *w, const char *text, uint32_t n_bytes)
{
    if (!einf__buffer_reserve(w->mem, &w->symbols, 0, (n_bytes + UINT64_C(1)) * sizeof(einf__symbol))) return false;
    einf__symbol *s = w->symbols.p;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_bytes;) {
        const uint32_t wanted = einf__utf8_lead_bytes(text[i]);
        const uint32_t step = wanted < n_bytes - i ? wanted : n_bytes - i;
        const uint8_t c = (uint8_t)text[i];
        s[n++] = (einf__symbol){ c < 0x80 ? w->v->ascii_ids[c] : einf__token_find(w->v, text + i, step), i };
        i += step;
    }
    s[n] = (einf__symbol){ -1, n_bytes };
    if (!einf__merge(w, text, &n, score_pair)) return false;
    for (uint32_t i = 0; i < n; i++) {
        const bool ok = s[i].id >= 0 ? einf__ids_push(w->out, s[i].id)
                                     : push_bytes(w, text + s[i].begin, s[i + 1].begin - s[i].begin);
        if (!ok) return false;
    }
    return true;
}

/* A word of the text as it is, blanks and all; prefix: one more blank before it. */
static bool add_word(einf__text_work *w, const char *text, uint32_t n_bytes, bool prefix)
{
    const uint64_t n_before = w->out->n;
    einf__cached_word *slot = prefix ? NULL : einf__cache_slot(w, text, n_bytes);
    if (einf__cache_hit(slot, text, n_bytes)) return einf__push_cached(w->out, slot);
    if (!einf__buffer_reserve(w->mem, &w->word, 0, n_bytes * UINT64_C(3) + 3)) return false;
    char *to = w->word.p;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_bytes + (uint32_t)prefix; i++) {
        const char c = !prefix ? text[i] : i == 0 ? ' ' : text[i - 1];
        if (c == ' ') {
            memcpy(to + n, space, 3);
            n += 3;
        } else {
            to[n++] = c;
        }
    }
    if (!merge_word(w, to, n)) return false;
    einf__cache_store(slot, text, n_bytes, w->out, n_before);
    return true;
}

/* The end of the word that begins at begin: before an ASCII character or a blank that no token has behind the byte
 * before it. */
static uint32_t word_end(const einf__vocab *v, const char *text, uint32_t begin, uint32_t n_bytes)
{
    uint8_t before = (uint8_t)(text[begin] == ' ' ? space[2] : text[begin]);
    for (uint32_t i = begin + 1; i < n_bytes; i++) {
        const uint8_t c = (uint8_t)text[i];
        if (c == ' ') {
            if (!v->before_space[before]) return i;
        } else if (c < 0x80) {
            if (!(v->before_ascii[before][c >> 3] >> (c & 7) & 1)) return i;
        } else if (text[i] == space[0] && n_bytes - i >= 3 && memcmp(text + i, space, 3) == 0) {
            if (!v->before_space[before]) return i;
        }
        before = c == ' ' ? (uint8_t)space[2] : c;
    }
    return n_bytes;
}

einf_status einf__tokenize_spm(einf__text_work *w, const char *text, uint32_t n_bytes, bool prefix, einf_error *err)
{
    if (n_bytes > UINT32_MAX / 3 - 4)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "n_bytes", "tokenise the text in parts",
                          "a text of %u bytes exceeds the limit of %u", n_bytes, UINT32_MAX / 3 - 4);
    /* In broken UTF-8 a character may swallow a blank: then the whole is one word. */
    const bool whole = !einf__utf8_is_valid(text, n_bytes);
    for (uint32_t begin = 0, end; begin < n_bytes; begin = end) {
        end = whole ? n_bytes : word_end(w->v, text, begin, n_bytes);
        if (!add_word(w, text + begin, end - begin, prefix && begin == 0))
            return einf__fail_nomem(err, w->out->n * sizeof(int32_t), "token ids");
    }
    return EINF_OK;
}
