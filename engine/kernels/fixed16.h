/* SPDX-License-Identifier: MIT
 * fixed16.h - what a GEMM of 16-bit integers multiplies: codes of 12.5 bits and a sign, so that 64 products add up
 * exactly in int32.
 *
 * A row of weights, and each group of a column, is divided by its largest magnitude / EINF__I16_MAX and rounded: an
 * element is off by at most 1 / 11584 of that magnitude, whatever its own. Beside the sum of 64 products as large as
 * they usually are that is 1e-4 to 2e-4; where one number is L times the others of its group (of a column) or of its
 * row (of a slice of weights), the others lose log2(L) bits. No rounding but these two and that of f32 follows.
 *
 * NaN is 0 and infinities are the largest floats, as of int8. What is below 2^-100 throughout its group is 0; sums of
 * columns near the largest floats may become infinite where f32 alone would stay below.
 */
#ifndef EINF_KERNELS_FIXED16_H
#define EINF_KERNELS_FIXED16_H

#include <stdint.h>

/* The largest code: 64 * 5792^2 = 2^31 - 458752. */
#define EINF__I16_MAX 5792
_Static_assert(EINF__I16_MAX * (INT64_C(64) * EINF__I16_MAX) <= INT32_MAX, "the products of a group fit into int32");

/* Codes are x * inverse, rounded to even, and x is about code * scale. */
typedef struct einf__i16_scale {
    float scale, inverse;
} einf__i16_scale;

/** For numbers whose largest magnitude this is, finite. */
static inline einf__i16_scale einf__i16_scale_of(float max)
{
    if (max < 0x1p-100f) return (einf__i16_scale){ 0.0f, 0.0f };
    return (einf__i16_scale){ max / EINF__I16_MAX, EINF__I16_MAX / max };
}

#endif
