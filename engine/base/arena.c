/* SPDX-License-Identifier: MIT
 * arena.c - carving. Under AddressSanitizer each piece is followed by a poisoned gap, so that one block does not hide
 * an overrun from one piece into the next.
 */
#include "engine/base/arena.h"

#include "engine/base/checked_math.h"

#if defined(__SANITIZE_ADDRESS__)
#define EINF__HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EINF__HAS_ASAN 1
#endif
#endif

#ifdef EINF__HAS_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = EINF__ARENA_ALIGN };
#else
enum { GAP_BYTES = 0 };
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)0)
#endif

void *einf__arena_take(einf__arena *a, uint64_t n, uint64_t elem_bytes)
{
    uint64_t bytes, padded, after;
    if (a->failed) return NULL;
    if (!einf__mul_u64(n, elem_bytes, &bytes) || !einf__align_up_u64(bytes, EINF__ARENA_ALIGN, &padded) ||
        !einf__add_u64(padded, GAP_BYTES, &padded) || !einf__add_u64(a->used_bytes, padded, &after) ||
        after > a->cap_bytes || after > SIZE_MAX) {
        a->failed = true;
        return NULL;
    }
    uint8_t *p = a->base ? a->base + a->used_bytes : NULL;
    a->used_bytes = after;
    if (p) ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    if (p) ASAN_POISON_MEMORY_REGION(p + bytes, padded - bytes);
    return n ? p : NULL;
}
