/* SPDX-License-Identifier: MIT
 * fixed16_ref.c - reference of the GEMM of 16-bit integers: exact sums of 64 products, which are added up in f32.
 */
#include <math.h>

#include "engine/kernels/ref/kernels_ref.h"

enum { MR = 8 };

static einf__i16_scale scale_of(const float *x, int64_t n)
{
    float max = 0.0f;
    for (int64_t i = 0; i < n; i++) max = fmaxf(max, fabsf(einf__clamp_finite(x[i])));
    return einf__i16_scale_of(max);
}

static uint16_t code_of(float x, float inverse)
{
    return (uint16_t)(int16_t)lrintf(einf__clamp_finite(x) * inverse);
}

static void quantize_i16_ref(uint16_t *y, float *scale, const float *x, int64_t n)
{
    for (int64_t begin = 0; begin < n; begin += EINF__NARROW_GROUP) {
        const int64_t end = n - begin < EINF__NARROW_GROUP ? n : begin + EINF__NARROW_GROUP;
        const einf__i16_scale s = scale_of(x + begin, end - begin);
        scale[begin / EINF__NARROW_GROUP] = s.scale;
        for (int64_t i = begin; i < end; i++) y[i] = code_of(x[i], s.inverse);
    }
    if (n % 2 != 0) y[n] = 0;
}

static void pack_i16_ref(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    for (int64_t i = 0; i < MR; i++) {
        const float *row = a + (i < n_rows ? i * lda : 0);
        const int64_t n = i < n_rows ? depth : 0;
        const einf__i16_scale s = scale_of(row, n);
        scale[i] = s.scale;
        for (int64_t k = 0; k < depth + depth % 2; k++)
            panel[(k / 2 * MR + i) * 2 + k % 2] = k < n ? code_of(row[k], s.inverse) : 0;
    }
}

static int32_t dot_group(const uint16_t *row, const uint16_t *col, int64_t n)
{
    int32_t sum = 0;
    for (int64_t k = 0; k < n; k++) sum += (int16_t)row[k / 2 * MR * 2 + k % 2] * (int16_t)col[k];
    return sum;
}

static void mul_i16_ref(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                        const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    for (int64_t j = 0; j < n_cols; j++) {
        for (int64_t i = 0; i < MR; i++) {
            float sum = 0.0f;
            for (int64_t k = 0; k < depth; k += EINF__NARROW_GROUP) {
                const int64_t n = depth - k < EINF__NARROW_GROUP ? depth - k : EINF__NARROW_GROUP;
                sum = fmaf((float)dot_group(panel + (k / 2 * MR + i) * 2, b->x + j * b->stride + k, n),
                           b->scale[j * b->scale_stride + k / EINF__NARROW_GROUP], sum);
            }
            c[j * ldc + i] = add ? c[j * ldc + i] + sum * scale[i] : sum * scale[i];
        }
    }
}

void einf__install_fixed16_ref(einf__kernels *k)
{
    k->narrow_mr[EINF__SUM_I16] = MR;
    k->fast_sum[EINF__SUM_I16] = false;
    EINF__INSTALL(k, quantize_i16, quantize_i16_ref);
    EINF__INSTALL(k, pack_i16, pack_i16_ref);
    EINF__INSTALL(k, mul_i16, mul_i16_ref);
}
