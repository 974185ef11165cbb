/* SPDX-License-Identifier: MIT
 * memory.c - counting and limiting what the host's allocator is asked for.
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
}

/* Count size_bytes in, unless the ceiling is in the way. */
static bool reserve(einf__memory *m, uint64_t size_bytes)
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

void *einf__alloc(einf__memory *m, size_t size_bytes)
{
    if (!reserve(m, size_bytes)) return NULL;
    void *p = m->allocator.alloc(m->allocator.user, size_bytes, BLOCK_ALIGN);
    if (!p) atomic_fetch_sub(&m->used_bytes, size_bytes);
    return p;
}

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
    const uint64_t used = atomic_load(&m->used_bytes);
    if (size_bytes > m->limit_bytes || used > m->limit_bytes - size_bytes)
        return fail_limit(m, size_bytes, used, what, err);
    if (size_bytes <= SIZE_MAX) *out = einf__alloc(m, (size_t)size_bytes);
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
