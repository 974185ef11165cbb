/* SPDX-License-Identifier: MIT
 * rows_avx2.c - with AVX2, what works on one row of activations: int8 form, norms, residual, gates,
 * activations, rotation, f16.
 */
#include <float.h>

#include "engine/kernels/x86/kernels_avx2.h"

/* ------------------------------------------------------------------------------------------ quantisation -- */

/* Sums of either half of 32 signed bytes. Ranges: pairs within 254, fours within 508, sixteens within 2032. */
INLINE void sum_halves(int16_t sum16[2], __m256i q)
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    __m256i sums = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4e));
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xb1));
    sum16[0] = (int16_t)_mm256_extract_epi32(sums, 0);
    sum16[1] = (int16_t)_mm256_extract_epi32(sums, 4);
}

static void quantize_q8_avx2(int8_t *q, float *d, int16_t *sum16, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32) {
        __m256 v[4];
        UNROLL for (int p = 0; p < 4; p++) v[p] = finite8(_mm256_loadu_ps(x + i + 8 * p));
        const float max = max8(_mm256_max_ps(_mm256_max_ps(abs8(v[0]), abs8(v[1])),
                                             _mm256_max_ps(abs8(v[2]), abs8(v[3]))));
        float scale = max / 127.0f;
        if (scale < FLT_MIN) scale = 0.0f; /* as the reference: its reciprocal would overflow */
        const __m256 inverse = _mm256_set1_ps(scale > 0.0f ? 1.0f / scale : 0.0f);
        __m256i r[4]; /* |r| <= 127 */
        UNROLL for (int p = 0; p < 4; p++) r[p] = _mm256_cvtps_epi32(_mm256_mul_ps(v[p], inverse));
        const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(r[0], r[1]), _mm256_packs_epi32(r[2], r[3]));
        const __m256i codes = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(void *)(q + i), codes);
        d[i / 32] = scale;
        sum_halves(sum16 + i / 16, codes);
    }
}

static void to_f16_avx2(uint16_t *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(y + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++) y[i] = einf__f32_to_f16(x[i]);
}

/* -------------------------------------------------------------------------------------- norms and residual -- */

INLINE __m256d low_doubles(__m256 v)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
}

INLINE __m256d high_doubles(__m256 v)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}

INLINE double sum_doubles(__m256d a, __m256d b)
{
    const __m256d sum4 = _mm256_add_pd(a, b);
    const __m128d sum2 = _mm_add_pd(_mm256_castpd256_pd128(sum4), _mm256_extractf128_pd(sum4, 1));
    return _mm_cvtsd_f64(_mm_add_sd(sum2, _mm_unpackhi_pd(sum2, sum2)));
}

INLINE __m256d add_square(__m256d acc, __m256d v)
{
    return _mm256_fmadd_pd(v, v, acc);
}

/* In double, as the reference: the norm is a thousandth of the work around it. */
static double sum_of_squares(const float *x, int64_t n)
{
    __m256d acc[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + 8);
        acc[0] = add_square(acc[0], low_doubles(a));
        acc[1] = add_square(acc[1], high_doubles(a));
        acc[2] = add_square(acc[2], low_doubles(b));
        acc[3] = add_square(acc[3], high_doubles(b));
    }
    double sum = sum_doubles(_mm256_add_pd(acc[0], acc[1]), _mm256_add_pd(acc[2], acc[3]));
    for (; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

static void rms_norm_avx2(float *y, const float *x, const float *w, int64_t n, float eps)
{
    const float scale = (float)(1.0 / sqrt(sum_of_squares(x, n) / (double)n + (double)eps));
    const __m256 scale8 = _mm256_set1_ps(scale);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale8), _mm256_loadu_ps(w + i)));
    for (; i < n; i++) y[i] = x[i] * scale * w[i];
}

static double sum_of(const float *x, int64_t n)
{
    __m256d low = _mm256_setzero_pd(), high = low;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        low = _mm256_add_pd(low, low_doubles(v));
        high = _mm256_add_pd(high, high_doubles(v));
    }
    double sum = sum_doubles(low, high);
    for (; i < n; i++) sum += (double)x[i];
    return sum;
}

static double sum_of_deviations(const float *x, int64_t n, double mean)
{
    const __m256d mean4 = _mm256_set1_pd(mean);
    __m256d low = _mm256_setzero_pd(), high = low;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        const __m256d a = _mm256_sub_pd(low_doubles(v), mean4), b = _mm256_sub_pd(high_doubles(v), mean4);
        low = add_square(low, a);
        high = add_square(high, b);
    }
    double sum = sum_doubles(low, high);
    for (; i < n; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sum;
}

/* (v - mean) * scale, rounded once: what is left of a large mean would be too coarse in float. */
INLINE __m256 normalized(__m256 v, __m256d mean, __m256d scale)
{
    const __m256d low = _mm256_mul_pd(_mm256_sub_pd(low_doubles(v), mean), scale);
    const __m256d high = _mm256_mul_pd(_mm256_sub_pd(high_doubles(v), mean), scale);
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
}

static void layer_norm_avx2(float *y, const float *x, const float *w, const float *b, int64_t n, float eps)
{
    const double mean = sum_of(x, n) / (double)n;
    const double scale = 1.0 / sqrt(sum_of_deviations(x, n, mean) / (double)n + (double)eps);
    const __m256d mean4 = _mm256_set1_pd(mean), scale4 = _mm256_set1_pd(scale);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 v = normalized(_mm256_loadu_ps(x + i), mean4, scale4);
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(v, _mm256_loadu_ps(w + i), _mm256_loadu_ps(b + i)));
    }
    for (; i < n; i++) y[i] = (float)(((double)x[i] - mean) * scale) * w[i] + b[i];
}

static void add_avx2(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(y + i), _mm256_loadu_ps(x + i)));
    for (; i < n; i++) y[i] += x[i];
}

/* ------------------------------------------------------------------------------------------------- gates -- */

/* 1 / (1 + exp(-x)) with an exponential of -|x|. */
INLINE __m256 sigmoid8(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1.0f), e = exp_negative(_mm256_or_ps(x, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(_mm256_blendv_ps(one, e, x), _mm256_add_ps(one, e));
}

INLINE __m256 silu8(__m256 x)
{
    return _mm256_mul_ps(x, sigmoid8(x));
}

/* x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), as the reference. */
INLINE __m256 tanh_gelu8(__m256 x)
{
    const __m256 cubic = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_set1_ps(0.044715f), x), x, _mm256_set1_ps(1.0f));
    return _mm256_mul_ps(x, sigmoid8(_mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(1.5957691216f), x), cubic)));
}

#define GLU(name, act8) \
    static void name##_avx2(float *y, const float *gate, const float *up, int64_t n) \
    { \
        int64_t i = 0; \
        for (; i + 8 <= n; i += 8) \
            _mm256_storeu_ps(y + i, _mm256_mul_ps(act8(_mm256_loadu_ps(gate + i)), _mm256_loadu_ps(up + i))); \
        if (i == n) return; \
        const __m256i tail = first_lanes(n - i); \
        const __m256 act = act8(_mm256_maskload_ps(gate + i, tail)); \
        _mm256_maskstore_ps(y + i, tail, _mm256_mul_ps(act, _mm256_maskload_ps(up + i, tail))); \
    }
GLU(swiglu, silu8)
GLU(geglu, tanh_gelu8)

/* ------------------------------------------------------------------------------------------- activations -- */

INLINE __m256 quick_gelu8(__m256 x)
{
    return _mm256_mul_ps(x, sigmoid8(_mm256_mul_ps(_mm256_set1_ps(1.702f), x)));
}

/* x (1 + erf(x / sqrt(2))) / 2: relative error below 6e-7. NaN stays. With t = |x|, what is left behind a number of
 * standard deviations is erfc(t / sqrt(2)) / 2 = exp(-t^2 / 2) u P(u), u = 3 / (3 + t); P is fitted to a relative error
 * of 4e-8 up to t = 13.3, behind which the exponential is 0. */
INLINE __m256 erf_gelu8(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1.0f), three = _mm256_set1_ps(3.0f);
    const __m256 t = _mm256_min_ps(_mm256_set1_ps(15.0f), abs8(x)); /* the second operand wins when one is NaN */
    const __m256 u = _mm256_div_ps(three, _mm256_add_ps(three, t));
    __m256 p = _mm256_set1_ps(-2.32284348e-2f);
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(1.31801173e-1f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(-2.75718659e-1f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(2.23884136e-1f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(-5.66619039e-2f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(1.21264048e-1f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(1.12088114e-1f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(1.33619100e-1f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(1.32952437e-1f));
    const __m256 square = _mm256_mul_ps(t, t), lost = _mm256_fmsub_ps(t, t, square);
    const __m256 e = exp_negative(_mm256_mul_ps(square, _mm256_set1_ps(-0.5f)));
    const __m256 whole_e = _mm256_fnmadd_ps(_mm256_mul_ps(lost, _mm256_set1_ps(0.5f)), e, e);
    const __m256 tail = _mm256_mul_ps(_mm256_mul_ps(p, u), whole_e);
    return _mm256_mul_ps(x, _mm256_blendv_ps(_mm256_sub_ps(one, tail), tail, x));
}

#define ACT(name, act8) \
    static void name##_avx2(float *y, int64_t n) \
    { \
        int64_t i = 0; \
        for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, act8(_mm256_loadu_ps(y + i))); \
        if (i == n) return; \
        const __m256i tail = first_lanes(n - i); \
        _mm256_maskstore_ps(y + i, tail, act8(_mm256_maskload_ps(y + i, tail))); \
    }
ACT(quick_gelu, quick_gelu8)
ACT(gelu, erf_gelu8)
ACT(silu, silu8)

/* ---------------------------------------------------------------------------------------------- rotation -- */

static void rope_norm_avx2(float *x, const float *cos, const float *sin, int64_t n_pairs)
{
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    int64_t p = 0;
    for (; p + 4 <= n_pairs; p += 4) {
        const __m256 c = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cos + p)), twice);
        const __m256 s = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(sin + p)), twice);
        const __m256 v = _mm256_loadu_ps(x + 2 * p), swapped = _mm256_permute_ps(v, 0xb1);
        _mm256_storeu_ps(x + 2 * p, _mm256_fmaddsub_ps(v, c, _mm256_mul_ps(swapped, s)));
    }
    for (; p < n_pairs; p++) {
        const float a = x[2 * p], b = x[2 * p + 1];
        x[2 * p] = a * cos[p] - b * sin[p];
        x[2 * p + 1] = a * sin[p] + b * cos[p];
    }
}

static void rope_neox_avx2(float *x, const float *cos, const float *sin, int64_t n_pairs)
{
    float *const low = x, *const high = x + n_pairs;
    int64_t p = 0;
    for (; p + 8 <= n_pairs; p += 8) {
        const __m256 c = _mm256_loadu_ps(cos + p), s = _mm256_loadu_ps(sin + p);
        const __m256 a = _mm256_loadu_ps(low + p), b = _mm256_loadu_ps(high + p);
        _mm256_storeu_ps(low + p, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(high + p, _mm256_fmadd_ps(a, s, _mm256_mul_ps(b, c)));
    }
    for (; p < n_pairs; p++) {
        const float a = low[p], b = high[p];
        low[p] = a * cos[p] - b * sin[p];
        high[p] = a * sin[p] + b * cos[p];
    }
}

void einf__install_rows_avx2(einf__kernels *k)
{
    EINF__INSTALL(k, quantize_q8, quantize_q8_avx2);
    EINF__INSTALL(k, to_f16, to_f16_avx2);
    EINF__INSTALL(k, rms_norm, rms_norm_avx2);
    EINF__INSTALL(k, layer_norm, layer_norm_avx2);
    EINF__INSTALL(k, add, add_avx2);
    EINF__INSTALL(k, quick_gelu, quick_gelu_avx2);
    EINF__INSTALL(k, gelu, gelu_avx2);
    EINF__INSTALL(k, silu, silu_avx2);
    EINF__INSTALL(k, swiglu, swiglu_avx2);
    EINF__INSTALL(k, geglu, geglu_avx2);
    EINF__INSTALL(k, rope_norm, rope_norm_avx2);
    EINF__INSTALL(k, rope_neox, rope_neox_avx2);
}
