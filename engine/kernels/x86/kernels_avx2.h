/* SPDX-License-Identifier: MIT
 * kernels_avx2.h - private to the AVX2 files: loads, sums, tails, the exponential. Types and inline functions only.
 */
#ifndef EINF_KERNELS_AVX2_H
#define EINF_KERNELS_AVX2_H

#include <float.h>
#include <immintrin.h>
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
void einf__install_dequant_avx2(einf__kernels *k);
void einf__install_dot_small_avx2(einf__kernels *k);
void einf__install_dot_super_avx2(einf__kernels *k);
void einf__install_dot_float_avx2(einf__kernels *k);
void einf__install_rows_avx2(einf__kernels *k);
void einf__install_gemm_avx2(einf__kernels *k);
void einf__install_fixed16_avx2(einf__kernels *k);
void einf__install_pack_avx2(einf__kernels *k);
void einf__install_panel_avx2(einf__kernels *k);
void einf__install_attend_avx2(einf__kernels *k);
void einf__install_resample_avx2(einf__kernels *k);

/* ------------------------------------------------------------------------------------------------- loads -- */

INLINE __m256i load256(const void *p)
{
    return _mm256_loadu_si256(p);
}

INLINE __m128i load128(const void *p)
{
    return _mm_loadu_si128(p);
}

/* How far in advance a row dot asks for its row. A column of more than 8 KiB no longer stays in L1 beside the row: both
 * then come from L2, which hides the row's stream from the hardware's prefetcher, and the row comes at half to three
 * quarters of the speed (Zen 4). Asked for 4 KiB early, into L2, it comes at full speed; later, or into L1, little is
 * gained. Where the column does stay, asking would cost a tenth: 0, the line that is read anyway. */
enum { AHEAD = 4096 };

INLINE size_t ahead_beside(int64_t column_bytes)
{
    return column_bytes > 8192 ? AHEAD : 0;
}

/* The lines of n bytes, `ahead` of p, are asked for into L2. Nothing is read, whatever is there. */
INLINE void ask_ahead(const uint8_t *p, size_t ahead, int n)
{
    const uintptr_t at = (uintptr_t)p + ahead; /* a number: it may lie behind the weights */
    UNROLL for (int i = 0; i < n; i += 64) _mm_prefetch((const char *)(at + (uintptr_t)i), _MM_HINT_T1);
}

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

INLINE float half_to_float(uint16_t h)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}

/* Eight weights of a float type, from any address. */
INLINE __m256 load8(einf__dtype type, const uint8_t *p)
{
    if (type == EINF__F16) return _mm256_cvtph_ps(load128(p));
    if (type == EINF__BF16) return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(p)), 16));
    return _mm256_castsi256_ps(load256(p));
}

/* One of them. */
INLINE float load1(einf__dtype type, const uint8_t *p)
{
    if (type == EINF__F16) return einf__f16_to_f32(load_u16(p));
    if (type == EINF__BF16) return einf__bf16_to_f32(load_u16(p));
    return einf__bits_f32(load_u32(p));
}

/* ------------------------------------------------------------------------------------------------- tails -- */

/* Lanes [0, n) of eight, n in 0..8. */
INLINE __m256i first_lanes(int64_t n)
{
    static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return load256(window + 8 - n);
}

/* -------------------------------------------------------------------------------------------------- sums -- */

INLINE float sum8(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Sums of four vectors, in order. */
INLINE __m128 sum8x4(__m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

INLINE float max8(__m256 v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/* ------------------------------------------------------------------------------------------- magnitudes -- */

/* NaN to 0, infinities to the largest float. */
INLINE __m256 finite8(__m256 x)
{
    const __m256 max = _mm256_set1_ps(FLT_MAX), number = _mm256_cmp_ps(x, x, _CMP_ORD_Q);
    return _mm256_max_ps(_mm256_min_ps(_mm256_and_ps(x, number), max), _mm256_sub_ps(_mm256_setzero_ps(), max));
}

INLINE __m256 abs8(__m256 x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

/* ------------------------------------------------------------------------------------------- exponential -- */

/* exp(x) for x <= 0: relative error below 1e-7 (8.4e-8 measured); below ln(2^-126), where results would be
 * subnormal, 0. NaN stays. exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; the polynomial is Cephes'. */
INLINE __m256 exp_negative(__m256 x)
{
    const __m256 lowest = _mm256_set1_ps(-87.33654f);
    const __m256 inside = _mm256_cmp_ps(x, lowest, _CMP_NLT_UQ);
    const __m256 clamped = _mm256_max_ps(lowest, x); /* the second operand wins when one is NaN */
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(clamped, _mm256_set1_ps(1.44269504f)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), clamped); /* exact: 9 bits of ln 2 */
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.9875691500e-4f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
    p = _mm256_add_ps(_mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r), _mm256_set1_ps(1.0f));
    /* n in -126..0: 2^n is normal. */
    const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_and_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(power)), inside);
}

/* tanh(x): relative error below 2e-7. NaN stays. Near zero, where the exponentials cancel, Cephes' polynomial. */
INLINE __m256 tanh8(__m256 x)
{
    const __m256 sign_bit = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1.0f);
    const __m256 size = _mm256_andnot_ps(sign_bit, x), square = _mm256_mul_ps(x, x);
    const __m256 e = exp_negative(_mm256_mul_ps(size, _mm256_set1_ps(-2.0f)));
    const __m256 far = _mm256_or_ps(_mm256_div_ps(_mm256_sub_ps(one, e), _mm256_add_ps(one, e)),
                                    _mm256_and_ps(x, sign_bit));
    __m256 p = _mm256_set1_ps(-5.70498872745e-3f);
    p = _mm256_fmadd_ps(p, square, _mm256_set1_ps(2.06390887954e-2f));
    p = _mm256_fmadd_ps(p, square, _mm256_set1_ps(-5.37397155531e-2f));
    p = _mm256_fmadd_ps(p, square, _mm256_set1_ps(1.33314422036e-1f));
    p = _mm256_fmadd_ps(p, square, _mm256_set1_ps(-3.33332819422e-1f));
    const __m256 near = _mm256_fmadd_ps(_mm256_mul_ps(p, square), x, x);
    return _mm256_blendv_ps(far, near, _mm256_cmp_ps(size, _mm256_set1_ps(0.625f), _CMP_LT_OQ));
}

#endif
