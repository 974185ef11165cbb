/* SPDX-License-Identifier: MIT
 * memory.h - the one door to the heap: the host's allocator, counted, under a ceiling.
 *
 * Every block is at least 64-byte aligned. Free is given the size back, so the count is exact.
 * Threads: any; the counters are atomic. Nothing else in the library calls malloc. What the system gives instead, the
 * pages of EINF_MODE_HUGE, is counted here all the same, under the same ceiling.
 */
#ifndef EINF_BASE_MEMORY_H
#define EINF_BASE_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine/base/status.h"

/* Something that holds memory it can do without, and is asked for it before an allocation fails: on whichever thread
 * allocates. It may free nothing, and must not wait for anyone. */
typedef struct einf__reclaimer {
    void (*reclaim)(void *user);
    void *user;
    struct einf__reclaimer *next;
} einf__reclaimer;

typedef struct einf__memory {
    einf_allocator allocator;
    uint64_t limit_bytes; /* UINT64_MAX: none */
    _Atomic uint64_t used_bytes;
    _Atomic uint64_t peak_bytes;
    _Atomic uint64_t spare_bytes; /* of used_bytes: what reclaimers hold, kept up by them */
    atomic_flag reclaiming;       /* guards the list, and is held while its members are asked */
    einf__reclaimer *reclaimers;
} einf__memory;

/** allocator NULL: the C library's. limit 0: none. */
void einf__memory_init(einf__memory *m, const einf_allocator *allocator, uint64_t limit_bytes);

/** r stays the caller's, and where it is, until it is removed. */
void einf__memory_add_reclaimer(einf__memory *m, einf__reclaimer *r);
void einf__memory_remove_reclaimer(einf__memory *m, einf__reclaimer *r);
/** Bytes under the ceiling that are free, or would be on demand. */
uint64_t einf__memory_free_bytes(const einf__memory *m);

/** size_bytes > 0, not cleared. NULL when the allocator fails or the ceiling would be passed. */
void *einf__alloc(einf__memory *m, size_t size_bytes);
/** einf__alloc, cleared. */
void *einf__alloc_zero(einf__memory *m, size_t size_bytes);
/** Like einf__alloc, but fills *err with `what`, the size and, when it was the ceiling, both values.
 *  *out is NULL on failure. */
einf_status einf__alloc_or_fail(einf__memory *m, uint64_t size_bytes, const char *what, void **out, einf_error *err);
/** Count memory of another origin in; fails like einf__alloc_or_fail. */
einf_status einf__memory_reserve(einf__memory *m, uint64_t size_bytes, const char *what, einf_error *err);
/** Count it out again. */
void einf__memory_unreserve(einf__memory *m, uint64_t size_bytes);
/** p may be NULL; size_bytes as allocated. */
void einf__free(einf__memory *m, void *p, size_t size_bytes);
/** A larger block with the first old_bytes copied; the old one is freed. On NULL the old one is untouched. */
void *einf__grow(einf__memory *m, void *p, size_t old_bytes, size_t new_bytes);

#endif
