/* SPDX-License-Identifier: MIT
 * halves_ref.c - reference of the GEMM of halves: f16 arithmetic written out in double, rounded after each step as a
 * CPU with such arithmetic rounds it.
 */
#include <math.h>
#include <string.h>

#include "engine/kernels/ref/kernels_ref.h"

enum { MR = 16 };

/* To the nearest half, ties to even. */
static double round_to_half(double x)
{
    const double size = fabs(x);
    if (size < 0x1p-14) return (x + 0x1.8p28) - 0x1.8p28; /* where halves, and these sums, are multiples of 2^-24 */
    uint64_t u;
    if (!(size < 65520.0)) return x != x ? x : copysign((double)INFINITY, x);
    memcpy(&u, &x, sizeof u);
    u += 0x1ffffffffffu + (u >> 42 & 1); /* 10 of 52 bits stay */
    u &= ~UINT64_C(0x3ffffffffff);
    memcpy(&x, &u, sizeof x);
    return x;
}

static einf__half_scale scale_of(const float *x, int64_t n)
{
    uint32_t max = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t size = einf__f32_bits(x[i]) & 0x7fffffffu; /* orders as the magnitude does */
        if (size > max) max = size;
    }
    return einf__half_scale_of(max);
}

static void quantize_f16_ref(uint16_t *y, float *scale, const float *x, int64_t n)
{
    for (int64_t begin = 0; begin < n; begin += EINF__NARROW_GROUP) {
        const int64_t end = n - begin < EINF__NARROW_GROUP ? n : begin + EINF__NARROW_GROUP;
        const einf__half_scale s = scale_of(x + begin, end - begin);
        scale[begin / EINF__NARROW_GROUP] = s.scale;
        for (int64_t i = begin; i < end; i++) y[i] = einf__f32_to_f16(x[i] * s.inverse);
    }
}

static void pack_f16_ref(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    for (int64_t i = 0; i < MR; i++) {
        const einf__half_scale s = scale_of(a + (i < n_rows ? i * lda : 0), i < n_rows ? depth : 0);
        scale[i] = s.scale;
        for (int64_t k = 0; k < depth; k++)
            panel[k * MR + i] = i < n_rows ? einf__f32_to_f16(a[i * lda + k] * s.inverse) : 0;
    }
}

/* The product of two halves has 22 bits, so that a double holds it; the addition rounds as a double before it rounds as
 * a half, which could matter only to sums of halves more than 2^40 apart. */
static float dot_group(const uint16_t *row, const uint16_t *col, int64_t n)
{
    double sum = 0.0;
    for (int64_t k = 0; k < n; k++)
        sum = round_to_half(sum + (double)einf__f16_to_f32(row[k * MR]) * (double)einf__f16_to_f32(col[k]));
    return (float)sum;
}

static void mul_f16_ref(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                        const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    for (int64_t j = 0; j < n_cols; j++) {
        for (int64_t i = 0; i < MR; i++) {
            float sum = 0.0f;
            for (int64_t k = 0; k < depth; k += EINF__NARROW_GROUP) {
                const int64_t n = depth - k < EINF__NARROW_GROUP ? depth - k : EINF__NARROW_GROUP;
                sum += b->scale[j * b->scale_stride + k / EINF__NARROW_GROUP] *
                       dot_group(panel + k * MR + i, b->x + j * b->stride + k, n);
            }
            c[j * ldc + i] = add ? c[j * ldc + i] + sum * scale[i] : sum * scale[i];
        }
    }
}

void einf__install_halves_ref(einf__kernels *k)
{
    k->narrow_mr[EINF__SUM_F16] = MR;
    k->fast_sum[EINF__SUM_F16] = false;
    EINF__INSTALL(k, quantize_f16, quantize_f16_ref);
    EINF__INSTALL(k, pack_f16, pack_f16_ref);
    EINF__INSTALL(k, mul_f16, mul_f16_ref);
}
