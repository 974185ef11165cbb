/* SPDX-License-Identifier: MIT
 * merge.c - merging the symbols of a word, for byte-level and SentencePiece BPE alike.
 *
 * Short words look for the best pair by scanning: that beats any structure. Long ones are swept while a sweep merges a
 * good part of them (runs of one letter, repeated words), then keep the pairs in a queue over a linked list. An entry
 * of the queue is out of date when its left symbol is gone or has another pair by now; symbols only ever grow, so a
 * pair never comes back and priorities tell old from new.
 */
#include "engine/text/text_work.h"

#include "engine/base/checked_math.h"

enum {
    SHORT_SYMBOLS = 48,
    SWEEP_SHARE = 16, /* a sweep that merges fewer than one symbol in so many was in vain */
    VAIN_SWEEPS = 3   /* the first pair of a run may be another one, with a blank before it */
};

bool einf__buffer_reserve(einf__memory *mem, einf__buffer *b, uint64_t keep_bytes, uint64_t need_bytes)
{
    if (need_bytes <= b->cap_bytes) return true;
    uint64_t cap_bytes = b->cap_bytes + b->cap_bytes / 2;
    if (cap_bytes < need_bytes) cap_bytes = need_bytes;
    if (cap_bytes < 4096) cap_bytes = 4096;
    if (cap_bytes > SIZE_MAX) return false;
    void *p = einf__alloc(mem, (size_t)cap_bytes);
    if (!p) return false;
    if (keep_bytes > 0) memcpy(p, b->p, (size_t)keep_bytes);
    einf__free(mem, b->p, b->cap_bytes);
    b->p = p;
    b->cap_bytes = (size_t)cap_bytes;
    return true;
}

void einf__buffer_deinit(einf__memory *mem, einf__buffer *b)
{
    einf__free(mem, b->p, b->cap_bytes);
    *b = (einf__buffer){ NULL, 0 };
}

/* ------------------------------------------------------------------------------------------------- short -- */

static uint32_t merge_short(einf__text_work *w, const char *word, einf__symbol *s, uint32_t n, einf__pair_fn pair)
{
    uint32_t priority[SHORT_SYMBOLS];
    int32_t merged[SHORT_SYMBOLS];
    for (uint32_t i = 0; i + 1 < n; i++) priority[i] = pair(w, word, &s[i], &s[i + 1], s[i + 2].begin, &merged[i]);
    while (n > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < n; i++)
            if (priority[i] < priority[best]) best = i;
        if (priority[best] == EINF__NO_PAIR) break;
        s[best].id = merged[best];
        n--;
        memmove(&s[best + 1], &s[best + 2], (n - best) * sizeof *s); /* with the end behind the last */
        if (best + 1 < n) {
            memmove(&priority[best + 1], &priority[best + 2], (n - best - 2) * sizeof *priority);
            memmove(&merged[best + 1], &merged[best + 2], (n - best - 2) * sizeof *merged);
            priority[best] = pair(w, word, &s[best], &s[best + 1], s[best + 2].begin, &merged[best]);
        }
        if (best > 0)
            priority[best - 1] = pair(w, word, &s[best - 1], &s[best], s[best + 1].begin, &merged[best - 1]);
    }
    return n;
}

/* -------------------------------------------------------------------------------------------------- long -- */

/* Of a symbol with its right neighbour. */
typedef struct joint {
    uint32_t priority; /* EINF__NO_PAIR also for a symbol that is gone */
    int32_t merged;
} joint;

typedef struct link { uint32_t prev, next; } link; /* n: there is none */

typedef struct list {
    einf__text_work *w;
    const char *word;
    einf__symbol *s; /* [n + 1], the last one is the end of the word */
    joint *p;        /* [n] */
    link *l;         /* [n], after the sweeps */
    uint32_t n;
    einf__pair_fn pair;
} list;

/* Look up the pair of symbol i with its neighbour right, whose text ends at end. */
static inline uint32_t look_up(const list *a, uint32_t i, uint32_t right, uint32_t end)
{
    return a->p[i].priority = a->pair(a->w, a->word, &a->s[i], &a->s[right], end, &a->p[i].merged);
}

static uint32_t lowest_priority(const list *a)
{
    uint32_t lowest = EINF__NO_PAIR;
    for (uint32_t i = 0; i + 1 < a->n; i++)
        if (a->p[i].priority < lowest) lowest = a->p[i].priority;
    return lowest;
}

/* Merge the pairs of this priority, the lowest there is, from left to right, and close the gaps. A merge that makes a
 * pair which would have to come before the next one ends the sweep. How many were merged. */
static uint32_t sweep(list *a, uint32_t priority)
{
    uint32_t to = 0, n_merged = 0;
    bool go_on = true;
    for (uint32_t i = 0; i < a->n; to++) {
        if (!go_on || i + 1 >= a->n || a->p[i].priority != priority) {
            a->s[to] = a->s[i];
            a->p[to] = a->p[i];
            i++;
            continue;
        }
        a->s[to] = (einf__symbol){ a->p[i].merged, a->s[i].begin };
        i += 2;
        n_merged++;
        if (to > 0) go_on = look_up(a, to - 1, to, a->s[i].begin) > priority;
        if (i < a->n) go_on = look_up(a, to, i, a->s[i + 1].begin) > priority && go_on;
    }
    a->s[to] = a->s[a->n];
    a->n = to;
    return n_merged;
}

/* False when no pair is left. */
static bool sweep_all(list *a)
{
    for (uint32_t i = 0; i + 1 < a->n; i++) (void)look_up(a, i, i + 1, a->s[i + 2].begin);
    for (int32_t n_vain = 0; n_vain < VAIN_SWEEPS;) {
        const uint32_t priority = lowest_priority(a), n = a->n;
        if (priority == EINF__NO_PAIR) return false;
        if (sweep(a, priority) < n / SWEEP_SHARE) n_vain++;
    }
    return true;
}

static bool push_pair(const list *a, uint32_t i)
{
    if (a->p[i].priority == EINF__NO_PAIR) return true;
    return einf__queue_push(a->w->mem, &a->w->queue, (uint64_t)a->p[i].priority << 32 | i);
}

static bool renew_pair(const list *a, uint32_t i)
{
    const uint32_t next = a->l[i].next;
    a->p[i].priority = EINF__NO_PAIR;
    if (next == a->n) return true;
    (void)look_up(a, i, next, a->s[a->l[next].next].begin);
    return push_pair(a, i);
}

static bool merge_at(const list *a, uint32_t i)
{
    const uint32_t gone = a->l[i].next, next = a->l[gone].next;
    a->s[i].id = a->p[i].merged;
    a->p[gone].priority = EINF__NO_PAIR;
    a->l[i].next = next;
    if (next < a->n) a->l[next].prev = i;
    if (a->l[i].prev < a->n && !renew_pair(a, a->l[i].prev)) return false;
    return renew_pair(a, i);
}

static bool merge_long(einf__text_work *w, const char *word, uint32_t *n, einf__pair_fn pair)
{
    if (!einf__buffer_reserve(w->mem, &w->pairs, 0, *n * (uint64_t)sizeof(joint))) return false;
    list a = { w, word, w->symbols.p, w->pairs.p, NULL, *n, pair };
    const bool pairs_left = sweep_all(&a);
    *n = a.n;
    if (!pairs_left) return true;
    if (!einf__buffer_reserve(w->mem, &w->links, 0, a.n * (uint64_t)sizeof(link))) return false;
    a.l = w->links.p;
    for (uint32_t i = 0; i < a.n; i++) {
        a.l[i] = (link){ i > 0 ? i - 1 : a.n, i + 1 };
        if (i + 1 < a.n && !push_pair(&a, i)) return false;
    }
    for (uint64_t key; (key = einf__queue_pop(&w->queue)) != EINF__QUEUE_EMPTY;) {
        const uint32_t i = (uint32_t)key;
        if (a.p[i].priority == key >> 32 && !merge_at(&a, i)) return false;
    }
    *n = 0;
    for (uint32_t i = 0; i < a.n; i = a.l[i].next) a.s[(*n)++] = a.s[i];
    a.s[*n] = a.s[a.n];
    return true;
}

bool einf__merge(einf__text_work *w, const char *word, uint32_t *n, einf__pair_fn pair)
{
    if (*n > SHORT_SYMBOLS) return merge_long(w, word, n, pair);
    *n = merge_short(w, word, w->symbols.p, *n, pair);
    return true;
}
