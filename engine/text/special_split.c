/* SPDX-License-Identifier: MIT
 * special_split.c - cutting a text at the special tokens it spells.
 *
 * The longest spelling wins wherever it stands, the leftmost of equals, as llama.cpp's token by token search has it.
 * That differs from the longest at the leftmost place only where spellings overlap, so the text is searched once from
 * the left, and only clusters of overlapping finds are settled by length, through a queue.
 */
#include "engine/text/text_work.h"

typedef struct find {
    uint32_t begin, bytes; /* of the spelling */
    uint32_t from, to;     /* with the blanks it takes along, once chosen */
    int32_t id;
    bool chosen;
} find;

typedef struct split {
    einf__text_work *w;
    const char *text;
    uint32_t n_bytes;
    bool special;
    uint32_t done;       /* everything before is in out */
    einf__buffer finds;  /* find, of the cluster */
    einf__buffer taken;  /* a byte for each byte of the cluster */
    uint32_t n_finds;
    einf__fragments *out;
} split;

/* ------------------------------------------------------------------------------------------------ searching -- */

static bool is_looked_for(const einf__vocab *v, int32_t id, bool special)
{
    const uint8_t kind = v->attr[id] & (EINF__TOKEN_CONTROL | EINF__TOKEN_UNKNOWN | EINF__TOKEN_USER);
    return special || kind == EINF__TOKEN_USER;
}

/* First of special[lo, hi), which agree in the bytes before, whose byte at depth is at least c. */
static uint32_t lower_bound(const einf__vocab *v, uint32_t lo, uint32_t hi, uint32_t depth, uint32_t c)
{
    while (lo < hi) {
        const uint32_t middle = lo + (hi - lo) / 2;
        if ((uint8_t)einf__token_text(v, (uint32_t)v->special[middle])[depth] < c) lo = middle + 1;
        else hi = middle;
    }
    return lo;
}

/* The longest special token that text begins with, at most `most` bytes; -1 none. */
static int32_t longest_special(const split *s, const char *text, uint32_t most, uint32_t *bytes)
{
    const einf__vocab *v = s->w->v;
    uint32_t lo = v->special_first[(uint8_t)text[0]], hi = v->special_first[(uint8_t)text[0] + 1u];
    int32_t best = -1;
    for (uint32_t depth = 1; lo < hi && depth <= most; depth++) {
        if (einf__token_bytes(v, (uint32_t)v->special[lo]) == depth) { /* sorted: what ends here comes first */
            if (is_looked_for(v, v->special[lo], s->special)) {
                best = v->special[lo];
                *bytes = depth;
            }
            lo++;
        }
        if (depth == most || lo == hi) break;
        const uint8_t c = (uint8_t)text[depth];
        const uint8_t first = (uint8_t)einf__token_text(v, (uint32_t)v->special[lo])[depth];
        const uint8_t last = (uint8_t)einf__token_text(v, (uint32_t)v->special[hi - 1])[depth];
        if (c < first || c > last) break;
        if (c != first) lo = lower_bound(v, lo, hi, depth, c);
        if (c != last) hi = lower_bound(v, lo, hi, depth, c + 1u);
    }
    return best;
}

/* ------------------------------------------------------------------------------------------------- writing -- */

static bool write_fragment(split *s, uint32_t begin, uint32_t end, int32_t id)
{
    einf__fragments *out = s->out;
    if (begin == end && id < 0) return true;
    const uint64_t used_bytes = out->n * (uint64_t)sizeof(einf__fragment);
    if (!einf__buffer_reserve(s->w->mem, &out->list, used_bytes, used_bytes + sizeof(einf__fragment))) return false;
    ((einf__fragment *)out->list.p)[out->n++] = (einf__fragment){ begin, end, id };
    return true;
}

static bool write_find(split *s, const find *f)
{
    if (!write_fragment(s, s->done, f->from, -1) || !write_fragment(s, f->begin, f->begin + f->bytes, f->id))
        return false;
    s->done = f->to;
    return true;
}

/* ------------------------------------------------------------------------------------------------- choosing -- */

static uint64_t queue_key(const find *f, uint32_t i) { return (uint64_t)(UINT32_MAX - f->bytes) << 32 | i; }

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Take the find and the blanks it wants, of those that nobody has. taken covers [base, end). */
static void choose(const split *s, find *f, uint8_t *taken, uint32_t base, uint32_t end)
{
    const uint8_t attr = s->w->v->attr[f->id];
    f->chosen = true;
    f->from = f->begin;
    f->to = f->begin + f->bytes;
    if (attr & EINF__TOKEN_LSTRIP)
        while (f->from > base && !taken[f->from - 1 - base] && is_blank(s->text[f->from - 1])) f->from--;
    if (attr & EINF__TOKEN_RSTRIP)
        while (f->to < end && !taken[f->to - base] && is_blank(s->text[f->to])) f->to++;
    memset(taken + (f->from - base), 1, f->to - f->from);
}

/* Settle a cluster of overlapping finds over [base, end) of the text. */
static bool settle(split *s, uint32_t base, uint32_t end)
{
    einf__merge_queue *queue = &s->w->queue;
    find *finds = s->finds.p;
    if (!einf__buffer_reserve(s->w->mem, &s->taken, 0, end - base)) return false;
    uint8_t *taken = s->taken.p;
    memset(taken, 0, end - base);
    for (uint32_t i = 0; i < s->n_finds; i++)
        if (!einf__queue_push(s->w->mem, queue, queue_key(&finds[i], i))) return false;
    for (uint64_t key; (key = einf__queue_pop(queue)) != EINF__QUEUE_EMPTY;) {
        find *f = &finds[(uint32_t)key];
        uint32_t room = 0;
        while (room < f->bytes && !taken[f->begin + room - base]) room++;
        if (room == 0) continue;
        if (room == f->bytes) {
            choose(s, f, taken, base, end);
            continue;
        }
        f->id = longest_special(s, s->text + f->begin, room, &f->bytes); /* something shorter may fit */
        if (f->id >= 0 && !einf__queue_push(s->w->mem, queue, queue_key(f, (uint32_t)key))) return false;
    }
    for (uint32_t i = 0; i < s->n_finds; i++)
        if (finds[i].chosen && !write_find(s, &finds[i])) return false;
    return true;
}

static bool flush(split *s, uint32_t base, uint32_t end)
{
    find *finds = s->finds.p;
    bool ok = true;
    if (s->n_finds == 1 && !s->w->v->has_strip) ok = write_find(s, finds);
    else if (s->n_finds > 0) ok = settle(s, base, end);
    s->n_finds = 0;
    return ok;
}

static bool add_find(split *s, uint32_t begin, uint32_t bytes, int32_t id)
{
    const uint64_t used_bytes = s->n_finds * (uint64_t)sizeof(find);
    if (!einf__buffer_reserve(s->w->mem, &s->finds, used_bytes, used_bytes + sizeof(find))) return false;
    ((find *)s->finds.p)[s->n_finds++] = (find){ begin, bytes, begin, begin + bytes, id, false };
    return true;
}

/* A token that takes blanks along reaches beyond its spelling: with such tokens the whole text is one cluster. */
static bool search(split *s)
{
    const einf__vocab *v = s->w->v;
    const bool one = v->has_strip;
    uint32_t base = 0, end = one ? s->n_bytes : 0; /* of the cluster */
    for (uint32_t i = 0, bytes = 0; i < s->n_bytes; i++) {
        const uint8_t c = (uint8_t)s->text[i];
        if (v->special_first[c] == v->special_first[c + 1u]) continue;
        const int32_t id = longest_special(s, s->text + i, s->n_bytes - i, &bytes);
        if (id < 0) continue;
        if (!one && i >= end) {
            if (!flush(s, base, end)) return false;
            base = i;
            end = i;
        }
        if (!add_find(s, i, bytes, id)) return false;
        if (i + bytes > end) end = i + bytes;
    }
    return flush(s, base, end) && write_fragment(s, s->done, s->n_bytes, -1);
}

einf_status einf__special_split(einf__text_work *w, const char *text, uint32_t n_bytes, bool special,
                                einf__fragments *out, einf_error *err)
{
    split s = { w, text, n_bytes, special, 0, { NULL, 0 }, { NULL, 0 }, 0, out };
    const bool ok = search(&s);
    einf__buffer_deinit(w->mem, &s.finds);
    einf__buffer_deinit(w->mem, &s.taken);
    return ok ? EINF_OK : einf__fail_nomem(err, n_bytes, "finding special tokens");
}
