/* SPDX-License-Identifier: MIT
 * detokenize.c - ids to text: whole, or step by step in whole characters.
 *
 * A token gives bytes: its letters (byte-level BPE), its text with blanks for U+2581 (SentencePiece, WordPiece), or
 * one byte (<0xXX>). Control and unknown tokens give nothing unless asked. The stream holds back what may become a
 * character, at most three bytes, and turns what cannot into U+FFFD.
 */
#include "engine/text/utf8.h"
#include "engine/text/vocab_private.h"

/* Where bytes go: counted always, written while there is room. */
typedef struct sink {
    char *buf;
    uint64_t cap, n;
} sink;

static inline void put(sink *s, const char *bytes, uint64_t n)
{
    if (s->n < s->cap) memcpy(s->buf + s->n, bytes, (size_t)(n < s->cap - s->n ? n : s->cap - s->n));
    s->n += n;
}

int32_t einf__byte_spelling(const char *text, uint64_t n_bytes)
{
    int32_t value = 0;
    if (n_bytes != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    for (int32_t i = 3; i < 5; i++) {
        const char c = text[i];
        if (c >= '0' && c <= '9') value = value * 16 + (c - '0');
        else if (c >= 'A' && c <= 'F') value = value * 16 + (c - 'A' + 10);
        else if (c >= 'a' && c <= 'f') value = value * 16 + (c - 'a' + 10);
        else return -1;
    }
    return value;
}

static void put_letters(const char *text, uint32_t n_bytes, sink *to)
{
    for (uint32_t i = 0, used; i < n_bytes; i += used) {
        const int32_t byte = einf__letter_byte(einf__utf8_get(text + i, n_bytes - i, &used));
        const char c = (char)byte;
        if (byte >= 0) put(to, &c, 1);
        else put(to, text + i, used); /* no letter: as it is */
    }
}

static void put_spaced(const char *text, uint32_t n_bytes, bool drop_first, sink *to)
{
    uint32_t begin = 0;
    for (uint32_t i = 0; i + 3 <= n_bytes; i++) {
        if (memcmp(text + i, "\xe2\x96\x81", 3) != 0) continue;
        put(to, text + begin, i - begin);
        if (i > 0 || !drop_first) put(to, " ", 1);
        begin = i + 3;
        i += 2;
    }
    put(to, text + begin, n_bytes - begin);
}

/* Does the token show at all? */
static bool is_shown(const einf__vocab *v, int32_t id, bool special)
{
    const uint8_t hidden = EINF__TOKEN_CONTROL | EINF__TOKEN_UNKNOWN;
    return id >= 0 && (uint32_t)id < v->n_tokens && (special || !(v->attr[id] & hidden));
}

/* Nothing for ids out of range. *at_start: no text yet, so that a leading blank is the tokenizer's own. */
static void put_token(const einf__vocab *v, int32_t id, bool special, bool *at_start, sink *to)
{
    if (!is_shown(v, id, special)) return;
    const uint8_t attr = v->attr[id];
    const char *text = einf__token_text(v, (uint32_t)id);
    const uint32_t n_bytes = einf__token_bytes(v, (uint32_t)id);
    const int32_t byte = (attr & EINF__TOKEN_BYTE) ? einf__byte_spelling(text, n_bytes) : -1;
    const char c = (char)byte;
    if (byte >= 0) put(to, &c, 1);
    else if (attr & (EINF__TOKEN_CONTROL | EINF__TOKEN_UNKNOWN | EINF__TOKEN_USER)) put(to, text, n_bytes);
    else if ((attr & EINF__TOKEN_NORMAL) && v->kind == EINF__VOCAB_BPE) put_letters(text, n_bytes, to);
    else if (attr & EINF__TOKEN_NORMAL) put_spaced(text, n_bytes, *at_start && v->add_space_prefix, to);
    *at_start = false;
}

uint64_t einf__detokenize(const einf__vocab *v, const int32_t *ids, uint64_t n_ids, bool special, char *buf,
                          uint64_t buf_bytes)
{
    sink to = { buf, buf_bytes, 0 };
    bool at_start = true;
    for (uint64_t i = 0; i < n_ids; i++) put_token(v, ids[i], special, &at_start, &to);
    return to.n;
}

/* ------------------------------------------------------------------------------------------------ streaming -- */

void einf__detok_init(einf__detok *d, const einf__vocab *v, bool special, bool at_start)
{
    *d = (einf__detok){ .v = v, .special = special, .at_start = at_start };
}

uint64_t einf__detok_max_bytes(const einf__vocab *v)
{
    return 3 * ((uint64_t)v->max_text_bytes + sizeof((einf__detok *)0)->pending); /* U+FFFD for each byte */
}

static void put_replacement(sink *to) { put(to, "\xef\xbf\xbd", 3); }

/* Write all whole characters of bytes; what is left is the beginning of one, and its size is returned. */
static uint32_t put_characters(const uint8_t *bytes, uint64_t n, sink *to)
{
    while (n > 0) {
        const int32_t step = einf__utf8_step(bytes, n);
        if (step == 0) break;
        if (step > 0) put(to, (const char *)bytes, (uint64_t)step);
        else put_replacement(to);
        const uint64_t used = (uint64_t)(step < 0 ? -step : step);
        bytes += used;
        n -= used;
    }
    return (uint32_t)n;
}

uint64_t einf__detok_next(einf__detok *d, int32_t id, char *buf, uint64_t buf_bytes)
{
    /* The token's bytes go behind the pending ones at the end of buf; characters are then written from its front and
     * cannot overtake them: a byte gives at most three, and the bytes begin two thirds in. */
    const uint64_t n_pending = (uint64_t)d->n_pending, front = buf_bytes / 3 * 2;
    sink raw = { buf + front, buf_bytes - front, 0 }, to = { buf, buf_bytes, 0 };
    put(&raw, (const char *)d->pending, n_pending);
    put_token(d->v, id, d->special, &d->at_start, &raw);
    const uint32_t left = put_characters((const uint8_t *)raw.buf, raw.n, &to);
    if (left > 0) memcpy(d->pending, raw.buf + raw.n - left, left);
    d->n_pending = (int32_t)left;
    return to.n;
}

uint64_t einf__detok_flush(einf__detok *d, char *buf, uint64_t buf_bytes)
{
    sink to = { buf, buf_bytes, 0 };
    if (d->n_pending > 0) put_replacement(&to);
    d->n_pending = 0;
    return to.n;
}
