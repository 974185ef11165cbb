/* SPDX-License-Identifier: MIT
 * tokenize_wordpiece.c - WordPiece: text made plain as BERT wants it, words cut greedily from the left.
 *
 * Follows llama.cpp, which reads a character as the first of its canonical decomposition, drops accents and control
 * characters, lower-cases, and sets punctuation and Chinese characters apart. Words begin with U+2581 in the
 * vocabulary; a word with a part that is no token is unknown as a whole. White space ends a word whatever surrounds
 * it, so the stretches between ASCII blanks are cached as they stand.
 */
#include "engine/text/text_work.h"
#include "engine/text/utf8.h"

#include <utf8proc.h>

typedef enum effect { KEEP, DROP, BLANK, ALONE } effect;

static bool is_chinese(uint32_t cp)
{
    return (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0x3400 && cp <= 0x4dbf) || (cp >= 0x20000 && cp <= 0x2a6df) ||
           (cp >= 0x2a700 && cp <= 0x2b73f) || (cp >= 0x2b740 && cp <= 0x2b81f) || (cp >= 0x2b920 && cp <= 0x2ceaf) ||
           (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x2f800 && cp <= 0x2fa1f);
}

static effect effect_of(uint32_t cp, bool strip_accents)
{
    if ((cp >= 9 && cp <= 13) || cp == 0x85) return BLANK;
    if (cp == EINF__REPLACEMENT) return DROP;
    if (is_chinese(cp)) return ALONE;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_ZS: case UTF8PROC_CATEGORY_ZL: case UTF8PROC_CATEGORY_ZP:
        return BLANK;
    case UTF8PROC_CATEGORY_CC: case UTF8PROC_CATEGORY_CF: case UTF8PROC_CATEGORY_CS: case UTF8PROC_CATEGORY_CO:
        return DROP;
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
        return strip_accents ? DROP : KEEP;
    case UTF8PROC_CATEGORY_PC: case UTF8PROC_CATEGORY_PD: case UTF8PROC_CATEGORY_PS: case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI: case UTF8PROC_CATEGORY_PF: case UTF8PROC_CATEGORY_PO:
        return ALONE;
    case UTF8PROC_CATEGORY_SM: case UTF8PROC_CATEGORY_SC: case UTF8PROC_CATEGORY_SK: case UTF8PROC_CATEGORY_SO:
        return cp < 0x7f ? ALONE : KEEP;
    default:
        return KEEP;
    }
}

/* The first code point of the full canonical decomposition. */
static uint32_t decompose_first(uint32_t cp)
{
    utf8proc_int32_t to[4]; /* Unicode's longest */
    int boundary = 0;
    if (cp < 0xc0) return cp;
    const utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, to, 4, UTF8PROC_DECOMPOSE, &boundary);
    return n > 0 && n <= 4 ? (uint32_t)to[0] : cp;
}

/* ------------------------------------------------------------------------------------------------- matching -- */

static int32_t longest_token(const einf__vocab *v, const char *text, uint32_t n_bytes, uint32_t *used)
{
    uint32_t most = n_bytes == 0 ? 0 : 1;
    if (n_bytes >= 2) {
        const uint8_t longest = v->longest[(uint8_t)text[0] << 8 | (uint8_t)text[1]];
        most = longest < 2 ? 1 : longest < n_bytes ? longest : n_bytes;
    }
    for (; most > 0; most--) {
        const int32_t id = einf__token_find(v, text, most);
        if (id < 0) continue;
        *used = most;
        return id;
    }
    return -1;
}

/* A whole word with its U+2581. */
static bool match_word(einf__text_work *w, const char *word, uint32_t n_bytes)
{
    const uint64_t n_before = w->out->n;
    for (uint32_t i = 0, used = 0; i < n_bytes; i += used) {
        const int32_t id = longest_token(w->v, word + i, n_bytes - i, &used);
        if (id < 0) { /* what was pushed already was no word */
            w->out->n = n_before;
            return w->v->ids.unk < 0 || einf__ids_push(w->out, w->v->ids.unk);
        }
        if (!einf__ids_push(w->out, id)) return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- reading -- */

static const char word_start[] = "\xe2\x96\x81";
enum { START_BYTES = 3 };

/* A stretch without ASCII blanks: the words in it. */
static bool add_stretch(einf__text_work *w, const char *text, uint32_t n_bytes)
{
    const einf__vocab *v = w->v;
    if (!einf__buffer_reserve(w->mem, &w->word, 0, n_bytes * UINT64_C(4) + START_BYTES)) return false;
    char *word = w->word.p;
    uint32_t n = START_BYTES; /* bytes of the word so far */
    memcpy(word, word_start, START_BYTES);
    for (uint32_t i = 0, used; i < n_bytes; i += used) {
        const uint32_t read = einf__utf8_get(text + i, n_bytes - i, &used);
        const uint32_t cp = v->strip_accents ? decompose_first(read) : read;
        const effect e = effect_of(cp, v->strip_accents);
        if (e == DROP) continue;
        if (e != KEEP && n > START_BYTES) {
            if (!match_word(w, word, n)) return false;
            n = START_BYTES;
        }
        if (e == BLANK) continue;
        n += einf__utf8_put(word + n, v->lowercase ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp) : cp);
        if (e == KEEP) continue;
        if (!match_word(w, word, n)) return false;
        n = START_BYTES;
    }
    return n == START_BYTES || match_word(w, word, n);
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

einf_status einf__tokenize_wordpiece(einf__text_work *w, const char *text, uint32_t n_bytes, einf_error *err)
{
    for (uint32_t begin = 0, end; begin < n_bytes; begin = end + 1) {
        for (end = begin; end < n_bytes && !is_blank(text[end]);) end++;
        if (end == begin) continue;
        const uint32_t n = end - begin;
        const uint64_t n_before = w->out->n;
        einf__cached_word *slot = einf__cache_slot(w, text + begin, n);
        const bool hit = einf__cache_hit(slot, text + begin, n);
        if (!(hit ? einf__push_cached(w->out, slot) : add_stretch(w, text + begin, n)))
            return einf__fail_nomem(err, w->out->n * sizeof(int32_t), "token ids");
        if (!hit) einf__cache_store(slot, text + begin, n, w->out, n_before);
    }
    return EINF_OK;
}
