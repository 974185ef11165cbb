/* SPDX-License-Identifier: MIT
 * rows_ref.c - reference of what works on one row of activations: int8 form, norm, residual, gates, rotation, f16.
 */
#include <float.h>
#include <math.h>

#include "engine/base/half.h"
#include "engine/kernels/ref/kernels_ref.h"

/* ------------------------------------------------------------------------------------------ quantisation -- */

/* Groups whose scale would be subnormal become zero: their reciprocal would overflow. */
#define SMALLEST_SCALE FLT_MIN

/* 32 elements: q = round to even of x * (1 / d), |q| <= 127; d is 0 where all q are. */
static void quantize_group(int8_t *q, float *d, int16_t *sum16, const float *x)
{
    float max = 0.0f;
    for (int i = 0; i < 32; i++) max = fmaxf(max, fabsf(einf__clamp_finite(x[i])));
    float scale = max / 127.0f;
    if (scale < SMALLEST_SCALE) scale = 0.0f;
    const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    int sum[2] = {0, 0}; /* |sum| <= 16 * 127 */
    for (int i = 0; i < 32; i++) {
        q[i] = (int8_t)lrintf(einf__clamp_finite(x[i]) * inverse);
        sum[i / 16] += q[i];
    }
    *d = scale;
    sum16[0] = (int16_t)sum[0];
    sum16[1] = (int16_t)sum[1];
}

static void quantize_q8_ref(int8_t *q, float *d, int16_t *sum16, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32) quantize_group(q + i, d + i / 32, sum16 + i / 16, x + i);
}

static void to_f16_ref(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = einf__f32_to_f16(x[i]);
}

/* -------------------------------------------------------------------------------------- norm and residual -- */

static void rms_norm_ref(float *y, const float *x, const float *w, int64_t n, float eps)
{
    double squares = 0.0; /* double: no error worth bounding, and no overflow for any float */
    for (int64_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
    const float scale = (float)(1.0 / sqrt(squares / (double)n + (double)eps));
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

static void layer_norm_ref(float *y, const float *x, const float *w, const float *b, int64_t n, float eps)
{
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double scale = 1.0 / sqrt(squares / (double)n + (double)eps);
    for (int64_t i = 0; i < n; i++) y[i] = (float)(((double)x[i] - mean) * scale) * w[i] + b[i];
}

static void add_ref(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* ------------------------------------------------------------------------------------------------- gates -- */

/* 1 / (1 + exp(-x)) with an exponential that cannot overflow. */
static float sigmoid(float x)
{
    const float e = expf(-fabsf(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

static void swiglu_ref(float *y, const float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

/* GELU, tanh form (arXiv 1606.08415): x/2 (1 + tanh(s)) = x sigmoid(2 s), s = sqrt(2/pi) (x + 0.044715 x^3). The
 * sigmoid does not cancel for negative x. */
static void geglu_ref(float *y, const float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float x = gate[i];
        const float twice_s = 1.5957691216f * x * (1.0f + 0.044715f * x * x);
        y[i] = x * sigmoid(twice_s) * up[i];
    }
}

/* ------------------------------------------------------------------------------------------- activations -- */

static void quick_gelu_ref(float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] *= sigmoid(1.702f * y[i]);
}

/* erfc does not cancel for negative y; in double, or it would magnify what its argument was rounded by. */
static void gelu_ref(float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)y[i];
        y[i] = (float)(0.5 * x * erfc(-x * 0.70710678118654752));
    }
}

static void silu_ref(float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] *= sigmoid(y[i]);
}

/* ---------------------------------------------------------------------------------------------- rotation -- */

static void rotate(float *a, float *b, float cosine, float sine)
{
    const float x = *a, y = *b;
    *a = x * cosine - y * sine;
    *b = x * sine + y * cosine;
}

static void rope_norm_ref(float *x, const float *cos, const float *sin, int64_t n_pairs)
{
    for (int64_t p = 0; p < n_pairs; p++) rotate(x + 2 * p, x + 2 * p + 1, cos[p], sin[p]);
}

static void rope_neox_ref(float *x, const float *cos, const float *sin, int64_t n_pairs)
{
    for (int64_t p = 0; p < n_pairs; p++) rotate(x + p, x + p + n_pairs, cos[p], sin[p]);
}

void einf__install_rows_ref(einf__kernels *k)
{
    EINF__INSTALL(k, quantize_q8, quantize_q8_ref);
    EINF__INSTALL(k, to_f16, to_f16_ref);
    EINF__INSTALL(k, rms_norm, rms_norm_ref);
    EINF__INSTALL(k, layer_norm, layer_norm_ref);
    EINF__INSTALL(k, add, add_ref);
    EINF__INSTALL(k, quick_gelu, quick_gelu_ref);
    EINF__INSTALL(k, gelu, gelu_ref);
    EINF__INSTALL(k, silu, silu_ref);
    EINF__INSTALL(k, swiglu, swiglu_ref);
    EINF__INSTALL(k, geglu, geglu_ref);
    EINF__INSTALL(k, rope_norm, rope_norm_ref);
    EINF__INSTALL(k, rope_neox, rope_neox_ref);
}
