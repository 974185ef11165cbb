/* SPDX-License-Identifier: MIT
 * arena.h - one block, carved. The plan and the carving are the same function run twice: once over an arena without
 * memory, which only counts, and once over a block of the counted size, so they cannot disagree.
 */
#ifndef EINF_BASE_ARENA_H
#define EINF_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EINF__ARENA_ALIGN 64

typedef struct einf__arena {
    uint8_t *base;       /* NULL: counting */
    uint64_t used_bytes;
    uint64_t cap_bytes;  /* UINT64_MAX while counting */
    bool failed;         /* a size overflowed, or the block was too small: everything taken since is NULL */
} einf__arena;

static inline einf__arena einf__arena_counting(void) { return (einf__arena){ NULL, 0, UINT64_MAX, false }; }
static inline einf__arena einf__arena_over(void *block, uint64_t cap_bytes)
{
    return (einf__arena){ block, 0, cap_bytes, false };
}

/** n elements of elem_bytes, EINF__ARENA_ALIGN-aligned. NULL while counting, with n = 0, or once failed. */
void *einf__arena_take(einf__arena *a, uint64_t n, uint64_t elem_bytes);

#define EINF__CARVE(arena, T, n) ((T *)einf__arena_take((arena), (uint64_t)(n), sizeof(T)))

#endif
