/* SPDX-License-Identifier: MIT
 * halves.h - what a GEMM in f16 multiplies: rows and columns as halves, scaled so that no sum can leave their range.
 *
 * A half ends at 65504. A row of weights, and each group of a column, is divided by a power of two of its own, which
 * costs no accuracy: then no half is above 16, no product above 2^8, and the sum of a group is at most 2^14, whatever
 * the numbers were. Products and sums of a group are f16; groups are added up in f32. What is 2^18 times smaller than
 * the largest of its row or group still has all bits of a half, and what is 2^29 times smaller becomes 0.
 */
#ifndef EINF_KERNELS_HALVES_H
#define EINF_KERNELS_HALVES_H

#include <stdint.h>

#include "engine/base/half.h"

/* Its two powers of two: halves are x * inverse, and x is half * scale. */
typedef struct einf__half_scale {
    float scale, inverse;
} einf__half_scale;

/** For numbers whose largest magnitude has these bits: afterwards it lies in 8 to 16. Zeros, what is near the ends of
 *  f32's range, infinities and NaN get the nearest power whose inverse is normal, too. */
static inline einf__half_scale einf__half_scale_of(uint32_t max_bits)
{
    const uint32_t exponent = max_bits >> 23, e = exponent < 4 ? 4 : exponent > 254 ? 254 : exponent;
    return (einf__half_scale){ einf__bits_f32((e - 3) << 23), einf__bits_f32((257 - e) << 23) };
}

#endif
