/* SPDX-License-Identifier: MIT
 * half.h - IEEE binary16 and bfloat16 in plain C. Exact widening; narrowing rounds to nearest, ties to even.
 */
#ifndef EINF_BASE_HALF_H
#define EINF_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float einf__bits_f32(uint32_t u) { float f; memcpy(&f, &u, sizeof f); return f; }
static inline uint32_t einf__f32_bits(float f) { uint32_t u; memcpy(&u, &f, sizeof u); return u; }

static inline float einf__f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t rest = h & 0x7fffu;
    if (rest >= 0x7c00u) return einf__bits_f32(sign | 0x7f800000u | (rest & 0x3ffu) << 13); /* infinity, NaN */
    if (rest >= 0x0400u) return einf__bits_f32(sign | ((rest << 13) + 0x38000000u));         /* re-bias 15 -> 127 */
    /* Subnormal: through an integer, so that a host that flushes denormals to zero does not lose it. */
    return einf__bits_f32(sign | einf__f32_bits((float)rest * 0x1p-24f));
}

static inline uint16_t einf__f32_to_f16(float f)
{
    const uint32_t u = einf__f32_bits(f);
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
    const uint32_t a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);           /* NaN stays NaN */
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);          /* 65520 and above round to infinity */
    if (a < 0x38800000u)                                               /* below 2^-14: let the FPU round at 2^-24 */
        return (uint16_t)(sign | (uint16_t)(einf__f32_bits(einf__bits_f32(a) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | (uint16_t)((a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13));
}

static inline float einf__bf16_to_f32(uint16_t h) { return einf__bits_f32((uint32_t)h << 16); }

#endif
