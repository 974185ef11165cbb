/* SPDX-License-Identifier: MIT
 * memory.c - counting and limiting what the host's allocator is asked for; and asking for spare memory back first.
 */
#include "engine/base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ALIGN = 64 }; /* a cache line, and the widest vector */

static void *libc_alloc(void *user, uint64_t size_bytes, uint64_t align)
{
    (void)user;
    void *p = NULL;
    if (size_bytes > SIZE_MAX) return NULL;
    return posix_memalign(&p, (size_t)align, (size_t)size_bytes) == 0 ? p : NULL;
}

static void libc_free(void *user, void *p, uint64_t size_bytes)
{
    (void)user;
    (void)size_bytes;
    free(p);
}

void einf__memory_init(einf__memory *m, const einf_allocator *allocator, uint64_t limit_bytes)
{
    const einf_allocator libc = { libc_alloc, libc_free, NULL };
    m->allocator = allocator ? *allocator : libc;
    m->limit_bytes = limit_bytes ? limit_bytes : UINT64_MAX;
    atomic_init(&m->used_bytes, 0);
    atomic_init(&m->peak_bytes, 0);
    atomic_init(&m->spare_bytes, 0);
    atomic_flag_clear(&m->reclaiming);
    m->reclaimers = NULL;
}

/* ---------------------------------------------------------------------------------------------- reclaiming -- */

/* Held for as long as it takes to free some blocks. */
static void lock_reclaimers(einf__memory *m)
{
    while (atomic_flag_test_and_set_explicit(&m->reclaiming, memory_order_acquire)) {}
}

static void unlock_reclaimers(einf__memory *m) { atomic_flag_clear_explicit(&m->reclaiming, memory_order_release); }

void einf__memory_add_reclaimer(einf__memory *m, einf__reclaimer *r)
{
    lock_reclaimers(m);
    r->next = m->reclaimers;
    m->reclaimers = r;
    unlock_reclaimers(m);
}

void einf__memory_remove_reclaimer(einf__memory *m, einf__reclaimer *r)
{
    lock_reclaimers(m);
    einf__reclaimer **at = &m->reclaimers;
    while (*at && *at != r) at = &(*at)->next;
    if (*at) *at = r->next;
    unlock_reclaimers(m);
}

/* False when there is nothing to be had. */
static bool reclaim(einf__memory *m)
{
    if (atomic_load(&m->spare_bytes) == 0) return false;
    lock_reclaimers(m);
    for (einf__reclaimer *r = m->reclaimers; r; r = r->next) r->reclaim(r->user);
    unlock_reclaimers(m);
    return true;
}

uint64_t einf__memory_free_bytes(const einf__memory *m)
{
    const uint64_t used = atomic_load(&m->used_bytes), spare = atomic_load(&m->spare_bytes);
    const uint64_t kept = used > spare ? used - spare : 0; /* two numbers that others change meanwhile */
    return m->limit_bytes > kept ? m->limit_bytes - kept : 0;
}

/* ---------------------------------------------------------------------------------------------- allocating -- */

/* Count size_bytes in, unless the ceiling is in the way. */
static bool try_reserve(einf__memory *m, uint64_t size_bytes)
{
    uint64_t used = atomic_load_explicit(&m->used_bytes, memory_order_relaxed);
    do {
        if (size_bytes > m->limit_bytes || used > m->limit_bytes - size_bytes) return false;
    } while (!atomic_compare_exchange_weak(&m->used_bytes, &used, used + size_bytes));
    const uint64_t now = used + size_bytes;
    uint64_t peak = atomic_load_explicit(&m->peak_bytes, memory_order_relaxed);
    while (peak < now && !atomic_compare_exchange_weak(&m->peak_bytes, &peak, now)) {}
    return true;
}

static bool reserve(einf__memory *m, uint64_t size_bytes)
{
    return try_reserve(m, size_bytes) || (reclaim(m) && try_reserve(m, size_bytes));
}

/* Of bytes that are reserved. */
static void *take(einf__memory *m, size_t size_bytes)
{
    void *p = m->allocator.alloc(m->allocator.user, size_bytes, BLOCK_ALIGN);
    if (!p && reclaim(m)) p = m->allocator.alloc(m->allocator.user, size_bytes, BLOCK_ALIGN);
    if (!p) atomic_fetch_sub(&m->used_bytes, size_bytes);
    return p;
}

void *einf__alloc(einf__memory *m, size_t size_bytes) { return reserve(m, size_bytes) ? take(m, size_bytes) : NULL; }

void *einf__alloc_zero(einf__memory *m, size_t size_bytes)
{
    void *p = einf__alloc(m, size_bytes);
    if (p) memset(p, 0, size_bytes);
    return p;
}

static einf_status fail_limit(const einf__memory *m, uint64_t size_bytes, uint64_t used, const char *what,
                              einf_error *err)
{
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "ram_limit_bytes",
                      "raise the limit, or choose a smaller context or model",
                      "%s needs %llu bytes; %llu of the limit of %llu are in use", what,
                      (unsigned long long)size_bytes, (unsigned long long)used, (unsigned long long)m->limit_bytes);
}

einf_status einf__memory_reserve(einf__memory *m, uint64_t size_bytes, const char *what, einf_error *err)
{
    if (reserve(m, size_bytes)) return EINF_OK;
    return fail_limit(m, size_bytes, atomic_load(&m->used_bytes), what, err);
}

void einf__memory_unreserve(einf__memory *m, uint64_t size_bytes) { atomic_fetch_sub(&m->used_bytes, size_bytes); }

einf_status einf__alloc_or_fail(einf__memory *m, uint64_t size_bytes, const char *what, void **out, einf_error *err)
{
    *out = NULL;
    if (size_bytes > SIZE_MAX) return einf__fail_nomem(err, size_bytes, what);
    EINF_TRY(einf__memory_reserve(m, size_bytes, what, err));
    *out = take(m, (size_t)size_bytes);
    return *out ? EINF_OK : einf__fail_nomem(err, size_bytes, what);
}

void einf__free(einf__memory *m, void *p, size_t size_bytes)
{
    if (!p) return;
    m->allocator.free(m->allocator.user, p, size_bytes);
    atomic_fetch_sub(&m->used_bytes, size_bytes);
}

void *einf__grow(einf__memory *m, void *p, size_t old_bytes, size_t new_bytes)
{
    void *larger = einf__alloc(m, new_bytes);
    if (!larger) return NULL;
    if (p) memcpy(larger, p, old_bytes < new_bytes ? old_bytes : new_bytes);
    einf__free(m, p, old_bytes);
    return larger;
}
