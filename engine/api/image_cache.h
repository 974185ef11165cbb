/* SPDX-License-Identifier: MIT
 * image_cache.h - rows of pictures that were encoded before, found by what was in them and how they were prepared.
 *
 * A cache is a help, never a need: who finds it in use by another thread goes without, what does not fit is not kept,
 * and before an allocation of the runtime fails all of it is given up. The least recently used go first.
 */
#ifndef EINF_API_IMAGE_CACHE_H
#define EINF_API_IMAGE_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/base/memory.h"

/* 128 bits of XXH3: pictures that differ have different keys, but for a chance of 2^-64 among 2^32 of them. */
typedef struct einf__image_key {
    uint64_t low, high;
} einf__image_key;

struct einf__cached_rows;

typedef struct einf__image_cache {
    einf__memory *mem;
    uint64_t limit_bytes;  /* 0: nothing is kept */
    atomic_flag busy;
    struct einf__cached_rows *newest; /* a list, the least recently used last */
    einf__reclaimer reclaimer;
    _Atomic uint64_t used_bytes, n_kept, n_hits;
} einf__image_cache;

/** *c stays where it is until deinit, which nobody may call twice. */
void einf__image_cache_init(einf__image_cache *c, einf__memory *mem, uint64_t limit_bytes);
void einf__image_cache_deinit(einf__image_cache *c);
/** Copy the rows of a key, n_floats of them; false when they are not there. */
bool einf__image_cache_find(einf__image_cache *c, einf__image_key key, float *rows, uint64_t n_floats);
/** Keep a copy, if it fits. */
void einf__image_cache_keep(einf__image_cache *c, einf__image_key key, const float *rows, uint64_t n_floats);

#endif
