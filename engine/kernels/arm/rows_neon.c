/* SPDX-License-Identifier: MIT
 * rows_neon.c - with NEON, what works on one row of activations: int8 form, norms, residual, gates,
 * activations, rotation, f16.
 */
#include <float.h>

#include "engine/kernels/arm/kernels_neon.h"

/* ------------------------------------------------------------------------------------------ quantisation -- */

static void quantize_q8_neon(int8_t *q, float *d, int16_t *sum16, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32) {
        float32x4_t v[8], max = vdupq_n_f32(0.0f);
        UNROLL for (int p = 0; p < 8; p++) {
            v[p] = finite4(vld1q_f32(x + i + 4 * p));
            max = vmaxq_f32(max, vabsq_f32(v[p]));
        }
        float scale = vmaxvq_f32(max) / 127.0f;
        if (scale < FLT_MIN) scale = 0.0f; /* as the reference: its reciprocal would overflow */
        const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
        const int8x16_t low = round16(v, inverse), high = round16(v + 4, inverse);
        vst1q_s8(q + i, low);
        vst1q_s8(q + i + 16, high);
        d[i / 32] = scale;
        sum16[i / 16] = vaddlvq_s8(low); /* |sum| <= 16 * 127 */
        sum16[i / 16 + 1] = vaddlvq_s8(high);
    }
}

static void to_f16_neon(uint16_t *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++) y[i] = einf__f32_to_f16(x[i]);
}

/* -------------------------------------------------------------------------------------- norms and residual -- */

INLINE float64x2_t add_square(float64x2_t acc, float64x2_t v)
{
    return vfmaq_f64(acc, v, v);
}

/* In double, as the reference: no error worth bounding, and no overflow for any float. */
static double sum_of_squares(const float *x, int64_t n)
{
    float64x2_t acc[4];
    UNROLL for (int p = 0; p < 4; p++) acc[p] = vdupq_n_f64(0.0);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + i + 4);
        acc[0] = add_square(acc[0], vcvt_f64_f32(vget_low_f32(a)));
        acc[1] = add_square(acc[1], vcvt_high_f64_f32(a));
        acc[2] = add_square(acc[2], vcvt_f64_f32(vget_low_f32(b)));
        acc[3] = add_square(acc[3], vcvt_high_f64_f32(b));
    }
    double sum = vaddvq_f64(vaddq_f64(vaddq_f64(acc[0], acc[1]), vaddq_f64(acc[2], acc[3])));
    for (; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

static void rms_norm_neon(float *y, const float *x, const float *w, int64_t n, float eps)
{
    const float scale = (float)(1.0 / sqrt(sum_of_squares(x, n) / (double)n + (double)eps));
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), scale), vld1q_f32(w + i)));
    for (; i < n; i++) y[i] = x[i] * scale * w[i];
}

static double sum_of(const float *x, int64_t n)
{
    float64x2_t low = vdupq_n_f64(0.0), high = low;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t v = vld1q_f32(x + i);
        low = vaddq_f64(low, vcvt_f64_f32(vget_low_f32(v)));
        high = vaddq_f64(high, vcvt_high_f64_f32(v));
    }
    double sum = vaddvq_f64(vaddq_f64(low, high));
    for (; i < n; i++) sum += (double)x[i];
    return sum;
}

static double sum_of_deviations(const float *x, int64_t n, double mean)
{
    const float64x2_t mean2 = vdupq_n_f64(mean);
    float64x2_t low = vdupq_n_f64(0.0), high = low;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t v = vld1q_f32(x + i);
        low = add_square(low, vsubq_f64(vcvt_f64_f32(vget_low_f32(v)), mean2));
        high = add_square(high, vsubq_f64(vcvt_high_f64_f32(v), mean2));
    }
    double sum = vaddvq_f64(vaddq_f64(low, high));
    for (; i < n; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sum;
}

/* (v - mean) * scale, rounded once: what is left of a large mean would be too coarse in float. */
INLINE float32x4_t normalized(float32x4_t v, float64x2_t mean, double scale)
{
    const float64x2_t low = vmulq_n_f64(vsubq_f64(vcvt_f64_f32(vget_low_f32(v)), mean), scale);
    const float64x2_t high = vmulq_n_f64(vsubq_f64(vcvt_high_f64_f32(v), mean), scale);
    return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
}

static void layer_norm_neon(float *y, const float *x, const float *w, const float *b, int64_t n, float eps)
{
    const double mean = sum_of(x, n) / (double)n;
    const double scale = 1.0 / sqrt(sum_of_deviations(x, n, mean) / (double)n + (double)eps);
    const float64x2_t mean2 = vdupq_n_f64(mean);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t v = normalized(vld1q_f32(x + i), mean2, scale);
        vst1q_f32(y + i, vfmaq_f32(vld1q_f32(b + i), v, vld1q_f32(w + i)));
    }
    for (; i < n; i++) y[i] = (float)(((double)x[i] - mean) * scale) * w[i] + b[i];
}

static void add_neon(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vaddq_f32(vld1q_f32(y + i), vld1q_f32(x + i)));
    for (; i < n; i++) y[i] += x[i];
}

/* ------------------------------------------------------------------------------------------------- gates -- */

/* 1 / (1 + exp(-x)) with an exponential of -|x|. */
INLINE float32x4_t sigmoid4(float32x4_t x)
{
    const float32x4_t one = vdupq_n_f32(1.0f), e = exp_negative(vnegq_f32(vabsq_f32(x)));
    return vdivq_f32(vbslq_f32(vcltzq_f32(x), e, one), vaddq_f32(one, e));
}

INLINE float32x4_t silu4(float32x4_t x)
{
    return vmulq_f32(x, sigmoid4(x));
}

/* x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), as the reference. */
INLINE float32x4_t tanh_gelu4(float32x4_t x)
{
    const float32x4_t cubic = vfmaq_f32(vdupq_n_f32(1.0f), vmulq_n_f32(x, 0.044715f), x);
    return vmulq_f32(x, sigmoid4(vmulq_f32(vmulq_n_f32(x, 1.5957691216f), cubic)));
}

#define GLU(name, act4) \
    static void name##_neon(float *y, const float *gate, const float *up, int64_t n) \
    { \
        int64_t i = 0; \
        for (; i + 4 <= n; i += 4) \
            vst1q_f32(y + i, vmulq_f32(act4(vld1q_f32(gate + i)), vld1q_f32(up + i))); \
        if (i == n) return; \
        const float32x4_t act = act4(load_first(gate + i, n - i)); \
        store_first(y + i, vmulq_f32(act, load_first(up + i, n - i)), n - i); \
    }
GLU(swiglu, silu4)
GLU(geglu, tanh_gelu4)

/* ------------------------------------------------------------------------------------------- activations -- */

INLINE float32x4_t quick_gelu4(float32x4_t x)
{
    return vmulq_f32(x, sigmoid4(vmulq_n_f32(x, 1.702f)));
}

/* x (1 + erf(x / sqrt(2))) / 2: relative error below 6e-7. NaN stays. With t = |x|, what is left behind a number of
 * standard deviations is erfc(t / sqrt(2)) / 2 = exp(-t^2 / 2) u P(u), u = 3 / (3 + t); P is fitted to a relative error
 * of 4e-8 up to t = 13.3, behind which the exponential is 0. */
INLINE float32x4_t erf_gelu4(float32x4_t x)
{
    const float32x4_t t = vminq_f32(vabsq_f32(x), vdupq_n_f32(15.0f)); /* NaN wins */
    const float32x4_t u = vdivq_f32(vdupq_n_f32(3.0f), vaddq_f32(vdupq_n_f32(3.0f), t));
    float32x4_t p = vdupq_n_f32(-2.32284348e-2f);
    p = vfmaq_f32(vdupq_n_f32(1.31801173e-1f), p, u);
    p = vfmaq_f32(vdupq_n_f32(-2.75718659e-1f), p, u);
    p = vfmaq_f32(vdupq_n_f32(2.23884136e-1f), p, u);
    p = vfmaq_f32(vdupq_n_f32(-5.66619039e-2f), p, u);
    p = vfmaq_f32(vdupq_n_f32(1.21264048e-1f), p, u);
    p = vfmaq_f32(vdupq_n_f32(1.12088114e-1f), p, u);
    p = vfmaq_f32(vdupq_n_f32(1.33619100e-1f), p, u);
    p = vfmaq_f32(vdupq_n_f32(1.32952437e-1f), p, u);
    const float32x4_t square = vmulq_f32(t, t), gained = vfmsq_f32(square, t, t);
    const float32x4_t e = exp_negative(vmulq_n_f32(square, -0.5f));
    const float32x4_t tail = vmulq_f32(vmulq_f32(p, u), vfmaq_f32(e, vmulq_n_f32(gained, 0.5f), e));
    return vmulq_f32(x, vbslq_f32(vcltzq_f32(x), tail, vsubq_f32(vdupq_n_f32(1.0f), tail)));
}

#define ACT(name, act4) \
    static void name##_neon(float *y, int64_t n) \
    { \
        int64_t i = 0; \
        for (; i + 4 <= n; i += 4) vst1q_f32(y + i, act4(vld1q_f32(y + i))); \
        if (i < n) store_first(y + i, act4(load_first(y + i, n - i)), n - i); \
    }
ACT(quick_gelu, quick_gelu4)
ACT(gelu, erf_gelu4)
ACT(silu, silu4)

/* ---------------------------------------------------------------------------------------------- rotation -- */

static void rope_norm_neon(float *x, const float *cos, const float *sin, int64_t n_pairs)
{
    int64_t p = 0;
    for (; p + 4 <= n_pairs; p += 4) {
        const float32x4_t c = vld1q_f32(cos + p), s = vld1q_f32(sin + p);
        const float32x4x2_t v = vld2q_f32(x + 2 * p); /* first and second of each pair */
        vst2q_f32(x + 2 * p, ((float32x4x2_t){{vfmsq_f32(vmulq_f32(v.val[0], c), v.val[1], s),
                                               vfmaq_f32(vmulq_f32(v.val[1], c), v.val[0], s)}}));
    }
    for (; p < n_pairs; p++) {
        const float a = x[2 * p], b = x[2 * p + 1];
        x[2 * p] = a * cos[p] - b * sin[p];
        x[2 * p + 1] = a * sin[p] + b * cos[p];
    }
}

static void rope_neox_neon(float *x, const float *cos, const float *sin, int64_t n_pairs)
{
    float *const low = x, *const high = x + n_pairs;
    int64_t p = 0;
    for (; p + 4 <= n_pairs; p += 4) {
        const float32x4_t c = vld1q_f32(cos + p), s = vld1q_f32(sin + p);
        const float32x4_t a = vld1q_f32(low + p), b = vld1q_f32(high + p);
        vst1q_f32(low + p, vfmsq_f32(vmulq_f32(a, c), b, s));
        vst1q_f32(high + p, vfmaq_f32(vmulq_f32(b, c), a, s));
    }
    for (; p < n_pairs; p++) {
        const float a = low[p], b = high[p];
        low[p] = a * cos[p] - b * sin[p];
        high[p] = a * sin[p] + b * cos[p];
    }
}

void einf__install_rows_neon(einf__kernels *k)
{
    EINF__INSTALL(k, quantize_q8, quantize_q8_neon);
    EINF__INSTALL(k, to_f16, to_f16_neon);
    EINF__INSTALL(k, rms_norm, rms_norm_neon);
    EINF__INSTALL(k, layer_norm, layer_norm_neon);
    EINF__INSTALL(k, add, add_neon);
    EINF__INSTALL(k, quick_gelu, quick_gelu_neon);
    EINF__INSTALL(k, gelu, gelu_neon);
    EINF__INSTALL(k, silu, silu_neon);
    EINF__INSTALL(k, swiglu, swiglu_neon);
    EINF__INSTALL(k, geglu, geglu_neon);
    EINF__INSTALL(k, rope_norm, rope_norm_neon);
    EINF__INSTALL(k, rope_neox, rope_neox_neon);
}
