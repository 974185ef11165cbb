/* SPDX-License-Identifier: MIT
 * checked_math.h - the only way numbers from a file or a caller are summed, multiplied or rounded up.
 *
 * Each returns true when the exact result fits *out; otherwise *out is not to be used.
 */
#ifndef EINF_BASE_CHECKED_MATH_H
#define EINF_BASE_CHECKED_MATH_H

#include <stdbool.h>
#include <stdint.h>

static inline bool einf__add_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool einf__mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }

/* align: a power of two. */
static inline bool einf__align_up_u64(uint64_t a, uint64_t align, uint64_t *out)
{
    uint64_t sum;
    if (!einf__add_u64(a, align - 1, &sum)) return false;
    *out = sum & ~(align - 1);
    return true;
}

static inline bool einf__is_pow2_u64(uint64_t a) { return a != 0 && (a & (a - 1)) == 0; }

#endif
