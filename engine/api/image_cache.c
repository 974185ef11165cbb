/* SPDX-License-Identifier: MIT
 * image_cache.c - a list of blocks, each a header and its rows, the most recently used first.
 *
 * A handful of pictures is kept, megabytes each, so a list is walked in no time beside the copying.
 */
#include "engine/api/image_cache.h"

#include <string.h>

typedef struct einf__cached_rows {
    struct einf__cached_rows *older;
    einf__image_key key;
    uint64_t n_floats;
    float rows[];
} cached;

static uint64_t bytes_of(uint64_t n_floats) { return sizeof(cached) + n_floats * sizeof(float); }

static bool is_same(einf__image_key a, einf__image_key b) { return a.low == b.low && a.high == b.high; }

static bool enter(einf__image_cache *c) { return !atomic_flag_test_and_set_explicit(&c->busy, memory_order_acquire); }

static void leave(einf__image_cache *c) { atomic_flag_clear_explicit(&c->busy, memory_order_release); }

/* Take *at out of the list and free it. */
static void drop(einf__image_cache *c, cached **at)
{
    cached *gone = *at;
    const uint64_t n_bytes = bytes_of(gone->n_floats);
    *at = gone->older;
    atomic_fetch_sub(&c->used_bytes, n_bytes);
    atomic_fetch_sub(&c->mem->spare_bytes, n_bytes);
    atomic_fetch_sub(&c->n_kept, 1);
    einf__free(c->mem, gone, (size_t)n_bytes);
}

/* Drop the least recently used until so much more fits. */
static void make_room(einf__image_cache *c, uint64_t n_bytes)
{
    while (c->newest && n_bytes > c->limit_bytes - atomic_load(&c->used_bytes)) {
        cached **at = &c->newest;
        while ((*at)->older) at = &(*at)->older;
        drop(c, at);
    }
}

static cached **find(einf__image_cache *c, einf__image_key key)
{
    cached **at = &c->newest;
    while (*at && !is_same((*at)->key, key)) at = &(*at)->older;
    return at;
}

bool einf__image_cache_find(einf__image_cache *c, einf__image_key key, float *rows, uint64_t n_floats)
{
    if (!enter(c)) return false;
    cached **at = find(c, key), *hit = *at;
    const bool found = hit && hit->n_floats == n_floats;
    if (found) {
        *at = hit->older;
        hit->older = c->newest;
        c->newest = hit;
        memcpy(rows, hit->rows, (size_t)n_floats * sizeof(float));
        atomic_fetch_add(&c->n_hits, 1);
    }
    leave(c);
    return found;
}

static void keep(einf__image_cache *c, einf__image_key key, const float *rows, uint64_t n_floats)
{
    const uint64_t n_bytes = bytes_of(n_floats);
    if (*find(c, key)) return;
    make_room(c, n_bytes);
    cached *kept = einf__alloc(c->mem, (size_t)n_bytes);
    if (!kept) return;
    *kept = (cached){ .older = c->newest, .key = key, .n_floats = n_floats };
    memcpy(kept->rows, rows, (size_t)n_floats * sizeof(float));
    c->newest = kept;
    atomic_fetch_add(&c->used_bytes, n_bytes);
    atomic_fetch_add(&c->mem->spare_bytes, n_bytes);
    atomic_fetch_add(&c->n_kept, 1);
}

void einf__image_cache_keep(einf__image_cache *c, einf__image_key key, const float *rows, uint64_t n_floats)
{
    if (bytes_of(n_floats) > c->limit_bytes || !enter(c)) return;
    keep(c, key, rows, n_floats);
    leave(c);
}

static void clear(void *user)
{
    einf__image_cache *c = user;
    if (!enter(c)) return;
    while (c->newest) drop(c, &c->newest);
    leave(c);
}

void einf__image_cache_init(einf__image_cache *c, einf__memory *mem, uint64_t limit_bytes)
{
    c->mem = mem;
    c->limit_bytes = limit_bytes;
    c->newest = NULL;
    atomic_flag_clear(&c->busy);
    atomic_init(&c->used_bytes, 0);
    atomic_init(&c->n_kept, 0);
    atomic_init(&c->n_hits, 0);
    c->reclaimer = (einf__reclaimer){ .reclaim = clear, .user = c };
    einf__memory_add_reclaimer(mem, &c->reclaimer);
}

void einf__image_cache_deinit(einf__image_cache *c)
{
    einf__memory_remove_reclaimer(c->mem, &c->reclaimer);
    clear(c);
}
