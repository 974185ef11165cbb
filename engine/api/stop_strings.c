/* SPDX-License-Identifier: MIT
 * stop_strings.c - one matcher a stop string (Knuth, Morris, Pratt), all fed byte by byte.
 *
 * Each knows how much of its string the stream now ends with. The largest of these numbers is what must be held back;
 * a string matched whole is a find. Cost: a few steps for a byte and a string, whatever the strings are.
 */
#include "engine/api/stop_strings.h"

#include <string.h>

#include "engine/text/utf8.h"

static einf_status check_stop(const char *text, uint32_t i, einf_error *err)
{
    if (!text) return einf__fail_arg(err, "stop", "stop[%u] is NULL", i);
    const size_t n = strnlen(text, EINF__MAX_STOP_BYTES + 1);
    if (n == 0) return einf__fail_arg(err, "stop", "stop[%u] is empty", i);
    if (n > EINF__MAX_STOP_BYTES)
        return einf__fail_arg(err, "stop", "stop[%u] is longer than %d bytes", i, (int)EINF__MAX_STOP_BYTES);
    if (!einf__utf8_is_valid(text, n))
        return einf__fail_arg(err, "stop", "stop[%u] is not UTF-8, so no answer can contain it", i);
    return EINF_OK;
}

static void find_fallbacks(einf__stop_string *s)
{
    uint16_t k = 0;
    s->fallback[0] = 0;
    for (uint32_t i = 1; i < s->n_bytes; i++) {
        while (k > 0 && s->text[i] != s->text[k]) k = s->fallback[k - 1];
        if (s->text[i] == s->text[k]) k++;
        s->fallback[i] = k;
    }
}

einf_status einf__stops_init(einf__memory *mem, const char *const *texts, uint32_t n, uint64_t max_piece_bytes,
                             einf__stops *out, einf_error *err)
{
    *out = (einf__stops){ .mem = mem };
    if (n == 0) return EINF_OK;
    if (!texts) return einf__fail_arg(err, "stop", "stop is NULL, n_stop is %u", n);
    if (n > EINF__MAX_STOPS)
        return einf__fail_arg(err, "n_stop", "n_stop is %u, at most %d are possible", n, (int)EINF__MAX_STOPS);
    uint64_t n_bytes = 0, longest = 0; /* at most 64 times 4096 */
    for (uint32_t i = 0; i < n; i++) {
        EINF_TRY(check_stop(texts[i], i, err));
        const uint64_t length = strlen(texts[i]);
        n_bytes += length;
        if (length > longest) longest = length;
    }
    out->block_bytes = n * sizeof(einf__stop_string) + n_bytes * sizeof(uint16_t) + longest + max_piece_bytes;
    EINF_TRY(einf__alloc_or_fail(mem, out->block_bytes, "the stop strings", &out->block, err));
    out->list = out->block;
    out->n = n;
    uint16_t *fallback = (uint16_t *)(void *)(out->list + n);
    for (uint32_t i = 0; i < n; i++) {
        out->list[i] = (einf__stop_string){ .text = texts[i], .n_bytes = (uint16_t)strlen(texts[i]),
                                            .fallback = fallback };
        find_fallbacks(&out->list[i]);
        fallback += out->list[i].n_bytes;
    }
    out->text = (char *)fallback;
    return EINF_OK;
}

void einf__stops_deinit(einf__stops *s)
{
    einf__free(s->mem, s->block, s->block_bytes);
    *s = (einf__stops){ .mem = s->mem };
}

/* The next byte of the stream: true when it completes the string. */
static bool feed(einf__stop_string *s, char c)
{
    uint16_t k = s->n_matched;
    while (k > 0 && s->text[k] != c) k = s->fallback[k - 1];
    if (s->text[k] == c) k++;
    s->n_matched = k;
    return k == s->n_bytes;
}

/* Feed c to all: the length of the longest that it completes, or 0. */
static uint64_t feed_all(einf__stops *s, char c)
{
    uint64_t completed = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (feed(&s->list[i], c) && s->list[i].n_bytes > completed) completed = s->list[i].n_bytes;
    return completed;
}

static uint64_t n_held(const einf__stops *s)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->list[i].n_matched > most) most = s->list[i].n_matched;
    return most;
}

/* Put a piece behind what is held back and look at it; up to where the text may be given away. */
static uint64_t take(einf__stops *s, const char *piece, uint64_t n_bytes)
{
    s->n_text -= s->n_given;
    memmove(s->text, s->text + s->n_given, s->n_text);
    s->n_given = 0;
    for (uint64_t i = 0; i < n_bytes && !s->found; i++) {
        s->text[s->n_text++] = piece[i];
        const uint64_t completed = feed_all(s, piece[i]);
        if (!completed) continue;
        s->found = true;
        s->n_text -= completed;
    }
    return s->found ? s->n_text : s->n_text - n_held(s);
}

static einf__stops_text give(einf__stops *s, uint64_t n)
{
    s->n_given = n;
    return (einf__stops_text){ s->text, n };
}

einf__stops_text einf__stops_add(einf__stops *s, const char *piece, uint64_t n_bytes)
{
    if (s->n == 0) return (einf__stops_text){ piece, n_bytes };
    return give(s, take(s, piece, n_bytes));
}

einf__stops_text einf__stops_end(einf__stops *s, const char *piece, uint64_t n_bytes)
{
    if (s->n == 0) return (einf__stops_text){ piece, n_bytes };
    (void)take(s, piece, n_bytes);
    return give(s, s->n_text);
}
