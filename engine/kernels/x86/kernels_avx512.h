/* SPDX-License-Identifier: MIT
 * kernels_avx512.h - private to the AVX-512 files: loads, tails, sums, the exponential, each in 16 lanes. Types and
 * inline functions only. What serves them as it is comes from kernels_avx2.h.
 */
#ifndef EINF_KERNELS_AVX512_H
#define EINF_KERNELS_AVX512_H

#include "engine/kernels/x86/kernels_avx2.h"

/* Each fills the slots that its file implements. */
void einf__install_dot_float_avx512(einf__kernels *k);
void einf__install_gemm_avx512(einf__kernels *k);
void einf__install_rows_avx512(einf__kernels *k);
void einf__install_attend_avx512(einf__kernels *k);
void einf__install_fixed16_vnni512(einf__kernels *k);

/* ------------------------------------------------------------------------------------------------- loads -- */

INLINE __m512i load512(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* Sixteen weights of a float type, from any address. */
INLINE __m512 load16(einf__dtype type, const uint8_t *p)
{
    if (type == EINF__F16) return _mm512_cvtph_ps(load256(p));
    if (type == EINF__BF16) return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load256(p)), 16));
    return _mm512_castsi512_ps(load512(p));
}

/* ------------------------------------------------------------------------------------------------- tails -- */

/* Lanes [0, n) of sixteen, n in 0..16. Masked loads touch no memory outside them. */
INLINE __mmask16 first_mask16(int64_t n)
{
    return (__mmask16)((1u << n) - 1u);
}

/* -------------------------------------------------------------------------------------------------- sums -- */

INLINE float sum16(__m512 v)
{
    return sum8(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)));
}

INLINE float max16(__m512 v)
{
    return max8(_mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)));
}

/* ------------------------------------------------------------------------------------------- exponential -- */

/* exp(x) for x <= 0, as exp_negative: relative error below 1e-7; 0 below ln(2^-126). NaN stays. */
INLINE __m512 exp_negative16(__m512 x)
{
    const __m512 lowest = _mm512_set1_ps(-87.33654f);
    const __mmask16 inside = _mm512_cmp_ps_mask(x, lowest, _CMP_NLT_UQ);
    const __m512 shift = _mm512_set1_ps(12582912.0f); /* 1.5 * 2^23: what is added to it is rounded to an integer */
    const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(1.44269504f), shift), shift);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x); /* exact: 9 bits of ln 2 */
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(inside, p, n); /* lanes outside, infinities among them, are whatever and cleared */
}

/* tanh(x), as tanh8: relative error below 2e-7. NaN stays. */
INLINE __m512 tanh16(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1.0f), size = _mm512_abs_ps(x), square = _mm512_mul_ps(x, x);
    const __m512 e = exp_negative16(_mm512_mul_ps(size, _mm512_set1_ps(-2.0f)));
    const __m512 ratio = _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e));
    const __m512 far = _mm512_or_ps(ratio, _mm512_and_ps(x, _mm512_set1_ps(-0.0f)));
    __m512 p = _mm512_set1_ps(-5.70498872745e-3f);
    p = _mm512_fmadd_ps(p, square, _mm512_set1_ps(2.06390887954e-2f));
    p = _mm512_fmadd_ps(p, square, _mm512_set1_ps(-5.37397155531e-2f));
    p = _mm512_fmadd_ps(p, square, _mm512_set1_ps(1.33314422036e-1f));
    p = _mm512_fmadd_ps(p, square, _mm512_set1_ps(-3.33332819422e-1f));
    const __m512 near = _mm512_fmadd_ps(_mm512_mul_ps(p, square), x, x);
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(size, _mm512_set1_ps(0.625f), _CMP_LT_OQ), far, near);
}

#endif
