/* SPDX-License-Identifier: MIT
 * merge.c - merging the symbols of a word, for byte-level and SentencePiece BPE alike.
 *
 * Short words look for the best pair by scanning: that beats any structure. Long ones keep the pairs in a queue over a
 * linked list. An entry of the queue is out of date when its left symbol is gone or has another pair by now; symbols
 * only ever grow, so a pair never comes back and priorities tell old from new.
 */
#include "engine/text/text_work.h"

#include "engine/base/checked_math.h"

enum { SHORT_SYMBOLS = 48 };

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

static uint32_t merge_short(const einf__vocab *v, const char *word, einf__symbol *s, uint32_t n, einf__pair_fn pair)
{
    uint32_t priority[SHORT_SYMBOLS];
    int32_t merged[SHORT_SYMBOLS];
    for (uint32_t i = 0; i + 1 < n; i++) priority[i] = pair(v, word, &s[i], &s[i + 1], s[i + 2].begin, &merged[i]);
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
            priority[best] = pair(v, word, &s[best], &s[best + 1], s[best + 2].begin, &merged[best]);
        }
        if (best > 0)
            priority[best - 1] = pair(v, word, &s[best - 1], &s[best], s[best + 1].begin, &merged[best - 1]);
    }
    return n;
}

/* -------------------------------------------------------------------------------------------------- long -- */

typedef struct link {
    uint32_t prev, next; /* next == n: the end; prev == n: the beginning */
    uint32_t priority;   /* of the pair with next, EINF__NO_PAIR also for a symbol that is gone */
    int32_t merged;
} link;

typedef struct list {
    einf__text_work *w;
    const char *word;
    einf__symbol *s;
    link *l;
    uint32_t n;
    einf__pair_fn pair;
} list;

static bool look_at(const list *a, uint32_t i)
{
    const uint32_t next = a->l[i].next;
    a->l[i].priority = EINF__NO_PAIR;
    if (next == a->n) return true;
    a->l[i].priority = a->pair(a->w->v, a->word, &a->s[i], &a->s[next], a->s[a->l[next].next].begin, &a->l[i].merged);
    if (a->l[i].priority == EINF__NO_PAIR) return true;
    return einf__queue_push(a->w->mem, &a->w->queue, (uint64_t)a->l[i].priority << 32 | i);
}

static bool merge_at(const list *a, uint32_t i)
{
    const uint32_t gone = a->l[i].next, next = a->l[gone].next;
    a->s[i].id = a->l[i].merged;
    a->l[gone].priority = EINF__NO_PAIR;
    a->l[i].next = next;
    if (next < a->n) a->l[next].prev = i;
    if (a->l[i].prev < a->n && !look_at(a, a->l[i].prev)) return false;
    return look_at(a, i);
}

static bool merge_long(einf__text_work *w, const char *word, uint32_t *n, einf__pair_fn pair)
{
    if (!einf__buffer_reserve(w->mem, &w->links, 0, *n * (uint64_t)sizeof(link))) return false;
    const list a = { w, word, w->symbols.p, w->links.p, *n, pair };
    for (uint32_t i = 0; i < *n; i++) a.l[i] = (link){ i > 0 ? i - 1 : *n, i + 1, EINF__NO_PAIR, -1 };
    for (uint32_t i = 0; i < *n; i++)
        if (!look_at(&a, i)) return false;
    for (uint64_t key; (key = einf__queue_pop(&w->queue)) != EINF__QUEUE_EMPTY;) {
        const uint32_t i = (uint32_t)key;
        if (a.l[i].priority == key >> 32 && !merge_at(&a, i)) return false;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *n; i = a.l[i].next) a.s[kept++] = a.s[i];
    a.s[kept] = a.s[*n];
    *n = kept;
    return true;
}

bool einf__merge(einf__text_work *w, const char *word, uint32_t *n, einf__pair_fn pair)
{
    if (*n > SHORT_SYMBOLS) return merge_long(w, word, n, pair);
    *n = merge_short(w->v, word, w->symbols.p, *n, pair);
    return true;
}
