/* SPDX-License-Identifier: MIT
 * kernels_neon.h - private to the ARM files: loads, tails, sums, the exponential. Types and inline functions only.
 *
 * Little-endian aarch64. Shift counts and lanes that depend on a loop are written with the operators that GCC and Clang
 * give vectors (v >> n, v[n]): they become immediates once the loop is unrolled, and compile without optimisation, too.
 */
#ifndef EINF_KERNELS_NEON_H
#define EINF_KERNELS_NEON_H

#include <arm_neon.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/base/half.h"
#include "engine/kernels/kernels.h"

/* Templates: a function whose type and column count are constants at each call, and loops over register arrays, which
 * stay in registers only when every one of them is unrolled. */
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__) /* which obeys GCC's pragma only after it has given arrays their place in memory */
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Each fills the slots that its file implements. */
void einf__install_dequant_neon(einf__kernels *k);
void einf__install_dot_coded_neon(einf__kernels *k);
void einf__install_dot_float_neon(einf__kernels *k);
void einf__install_rows_neon(einf__kernels *k);
void einf__install_gemm_neon(einf__kernels *k);
void einf__install_attend_neon(einf__kernels *k);
void einf__install_resample_neon(einf__kernels *k);
void einf__install_gemm_fp16(einf__kernels *k);
void einf__install_dot_coded_dotprod(einf__kernels *k);
void einf__install_panel_dotprod(einf__kernels *k);
void einf__install_panel_i8mm(einf__kernels *k);

/* ------------------------------------------------------------------------------------------------- loads -- */

INLINE uint16_t load_u16(const void *p)
{
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

INLINE uint32_t load_u32(const void *p)
{
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

/* Any address: weights have no alignment, and vld1 of wider elements would promise one. */
INLINE uint16x4_t load_4u16(const uint8_t *p)
{
    return vreinterpret_u16_u8(vld1_u8(p));
}

INLINE float half_to_float(uint16_t h)
{
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}

INLINE float32x4_t halves_to_floats(uint16x4_t halves)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(halves));
}

/* Four weights of a float type, from any address. */
INLINE float32x4_t load4(einf__dtype type, const uint8_t *p)
{
    if (type == EINF__F16) return halves_to_floats(load_4u16(p));
    if (type == EINF__BF16) return vreinterpretq_f32_u32(vshll_n_u16(load_4u16(p), 16));
    return vreinterpretq_f32_u8(vld1q_u8(p));
}

/* One of them. */
INLINE float load1(einf__dtype type, const uint8_t *p)
{
    if (type == EINF__F16) return half_to_float(load_u16(p));
    if (type == EINF__BF16) return einf__bf16_to_f32(load_u16(p));
    return einf__bits_f32(load_u32(p));
}

/* ------------------------------------------------------------------------------------------------- tails -- */

/* The first n of four floats, n in 1..3; the others are 0. */
INLINE float32x4_t load_first(const float *p, int64_t n)
{
    const float part[4] = {p[0], n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, 0.0f};
    return vld1q_f32(part);
}

INLINE void store_first(float *p, float32x4_t v, int64_t n)
{
    for (int i = 0; i < 3; i++)
        if (i < n) p[i] = v[i];
}

/* ---------------------------------------------------------------------------------------------- to int8 -- */

/* NaN to 0, infinities to the largest float. */
INLINE float32x4_t finite4(float32x4_t x)
{
    const float32x4_t max = vdupq_n_f32(FLT_MAX);
    const float32x4_t number = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vceqq_f32(x, x)));
    return vmaxq_f32(vminq_f32(number, max), vnegq_f32(max));
}

/* 16 floats of a magnitude below 127.5 as bytes, ties to even. */
INLINE int8x16_t round16(const float32x4_t v[4], float factor)
{
    int16x4_t r[4];
    UNROLL for (int p = 0; p < 4; p++) r[p] = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(v[p], factor)));
    return vcombine_s8(vmovn_s16(vcombine_s16(r[0], r[1])), vmovn_s16(vcombine_s16(r[2], r[3])));
}

/* ------------------------------------------------------------------------------------------- exponential -- */

/* exp(x) for x <= 0: relative error below 1e-7; below ln(2^-126), where results would be subnormal, 0. NaN stays.
 * exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; the polynomial is Cephes'. */
INLINE float32x4_t exp_negative(float32x4_t x)
{
    const float32x4_t lowest = vdupq_n_f32(-87.33654f);
    const uint32x4_t below = vcltq_f32(x, lowest); /* false for NaN */
    const float32x4_t clamped = vmaxq_f32(x, lowest);
    const float32x4_t n = vrndnq_f32(vmulq_n_f32(clamped, 1.44269504f));
    float32x4_t r = vfmsq_n_f32(clamped, n, 0.693359375f); /* exact: 9 bits of ln 2 */
    r = vfmsq_n_f32(r, n, -2.12194440e-4f);
    float32x4_t p = vdupq_n_f32(1.9875691500e-4f);
    p = vfmaq_f32(vdupq_n_f32(1.3981999507e-3f), p, r);
    p = vfmaq_f32(vdupq_n_f32(8.3334519073e-3f), p, r);
    p = vfmaq_f32(vdupq_n_f32(4.1665795894e-2f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.6666665459e-1f), p, r);
    p = vfmaq_f32(vdupq_n_f32(5.0000001201e-1f), p, r);
    p = vaddq_f32(vfmaq_f32(r, p, vmulq_f32(r, r)), vdupq_n_f32(1.0f));
    /* n in -126..0: 2^n is normal. NaN converts to 0, a power of 1. */
    const int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    const float32x4_t e = vmulq_f32(p, vreinterpretq_f32_s32(power));
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(e), below));
}

/* tanh(x): relative error below 2e-7. NaN stays. Near zero, where the exponentials cancel, Cephes' polynomial. */
INLINE float32x4_t tanh4(float32x4_t x)
{
    const float32x4_t one = vdupq_n_f32(1.0f), size = vabsq_f32(x), square = vmulq_f32(x, x);
    const float32x4_t e = exp_negative(vmulq_n_f32(size, -2.0f));
    const float32x4_t far = vbslq_f32(vdupq_n_u32(0x80000000u), x, vdivq_f32(vsubq_f32(one, e), vaddq_f32(one, e)));
    float32x4_t p = vdupq_n_f32(-5.70498872745e-3f);
    p = vfmaq_f32(vdupq_n_f32(2.06390887954e-2f), p, square);
    p = vfmaq_f32(vdupq_n_f32(-5.37397155531e-2f), p, square);
    p = vfmaq_f32(vdupq_n_f32(1.33314422036e-1f), p, square);
    p = vfmaq_f32(vdupq_n_f32(-3.33332819422e-1f), p, square);
    const float32x4_t near = vfmaq_f32(x, vmulq_f32(p, square), x);
    return vbslq_f32(vcltq_f32(size, vdupq_n_f32(0.625f)), near, far);
}

#endif
