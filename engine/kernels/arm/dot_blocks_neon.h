/* SPDX-License-Identifier: MIT
 * dot_blocks_neon.h - private to the ARM dots of coded formats: the templates, written over dot16(), which the file
 * that includes this defines before: sums of products of 16 signed bytes, added to four integers.
 *
 * Ranges, whatever the format: |code| <= 128 and |activation| <= 127. The four sums of 32 products together stay
 * below 2^20, exact in f32 as well.
 */
#ifndef EINF_DOT_BLOCKS_NEON_H
#define EINF_DOT_BLOCKS_NEON_H

#include "engine/kernels/arm/dot_template_neon.h"
#include "engine/kernels/arm/unpack_neon.h"

/* Sums in flight a column: a chain of multiply-adds has a latency of four. */
#define N_PARTS 2

/* ------------------------------------------------------------------------------------------ blocks of 32 -- */

#define GROUP 4 /* blocks whose scales are the four lanes of a vector */

/* The half at p in each of n blocks, as floats; n is GROUP or, where a row ends, 1. */
INLINE float32x4_t group_halves(const uint8_t *p, int64_t step, int n)
{
    if (n == 1) return halves_to_floats(vdup_n_u16(load_u16(p)));
    uint16x4_t halves = vdup_n_u16(0);
    halves[0] = load_u16(p);
    halves[1] = load_u16(p + step);
    halves[2] = load_u16(p + 2 * step);
    halves[3] = load_u16(p + 3 * step);
    return halves_to_floats(halves);
}

/* Sums of n groups of 32 activations from their halves' sums: |sum| <= 32 * 127. */
INLINE float32x4_t group_sums(const int16_t *sum16, int n)
{
    if (n == 1) return vsetq_lane_f32((float)(sum16[0] + sum16[1]), vdupq_n_f32(0.0f), 0);
    return vcvtq_f32_s32(vpaddlq_s16(vld1q_s16(sum16)));
}

/* Blocks [i, i + n) of a row, n a constant; the first is at `block`. */
INLINE void add_group(einf__dtype type, int n_cols, float32x4_t acc[][N_PARTS], const uint8_t *block,
                      const einf__cols *x, int64_t i, int n)
{
    const int64_t step = small_bytes(type);
    const float32x4_t d = group_halves(block, step, n);
    float32x4_t scale[EINF__MAX_DOT_COLS]; /* d times the activations', by block */
    UNROLL for (int c = 0; c < n_cols; c++) {
        const float *x_d = x->d + c * x->d_stride + i;
        const float32x4_t dx = n == GROUP ? vld1q_f32(x_d) : vld1q_dup_f32(x_d);
        scale[c] = vmulq_f32(d, dx);
        if (!small_has_min(type)) continue;
        const float32x4_t sums = group_sums(x->sum16 + 2 * (c * x->d_stride + i), n);
        acc[c][0] = vfmaq_f32(acc[c][0], vmulq_f32(group_halves(block + 2, step, n), dx), sums);
    }
    UNROLL for (int u = 0; u < n; u++) {
        const codes32 w = small_codes(type, block + u * step);
        UNROLL for (int c = 0; c < n_cols; c++) {
            const int8_t *q = x->q + c * x->q_stride + 32 * (i + u);
            const int32x4_t sum = dot16(dot16(vdupq_n_s32(0), w.half[0], vld1q_s8(q)), w.half[1], vld1q_s8(q + 16));
            acc[c][u % N_PARTS] = vfmaq_n_f32(acc[c][u % N_PARTS], vcvtq_f32_s32(sum), scale[c][u]);
        }
    }
}

INLINE void small_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const int64_t n_blocks = n_in / 32, step = small_bytes(type);
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)w + (size_t)r * row_bytes;
        float32x4_t acc[EINF__MAX_DOT_COLS][N_PARTS];
        UNROLL for (int c = 0; c < n_cols; c++) acc[c][0] = acc[c][1] = vdupq_n_f32(0.0f);
        int64_t i = 0;
        for (; i + GROUP <= n_blocks; i += GROUP) add_group(type, n_cols, acc, row + i * step, &cols, i, GROUP);
        for (; i < n_blocks; i++) add_group(type, n_cols, acc, row + i * step, &cols, i, 1);
        UNROLL for (int c = 0; c < n_cols; c++) y[c * y_stride + r] = vaddvq_f32(vaddq_f32(acc[c][0], acc[c][1]));
    }
}

/* ----------------------------------------------------------------------------------------- blocks of 256 -- */

/* Sums of products of sub-block j with one column; by 16, the lower half's in lanes 0 and 1. */
INLINE int32x4_t super_products(einf__dtype type, codes32 w, const int8_t *q)
{
    const int32x4_t zero = vdupq_n_s32(0), low = dot16(zero, w.half[0], vld1q_s8(q));
    if (!super_by_16(type)) return dot16(low, w.half[1], vld1q_s8(q + 16));
    return vpaddq_s32(low, dot16(zero, w.half[1], vld1q_s8(q + 16)));
}

/* Scaled sums of sub-blocks [4 h, 4 h + 4), a lane each, from those of two pairs. Below 2^24, exact in f32:
 * 32 products of |code| <= 127 and a scale of at most 32 (IQ4_XS), or of 32 and 128 (Q6_K); others are far below. */
INLINE float32x4_t super_sums(einf__dtype type, const super *s, const int32x4_t pair[2], int h)
{
    const int16x8_t scales = s->scales[super_by_16(type) ? h : 0];
    const int32x4_t low = vmovl_s16(vget_low_s16(scales)), high = vmovl_s16(vget_high_s16(scales));
    if (super_by_16(type)) return vcvtq_f32_s32(vpaddq_s32(vmulq_s32(pair[0], low), vmulq_s32(pair[1], high)));
    return vcvtq_f32_s32(vmulq_s32(vpaddq_s32(pair[0], pair[1]), h ? high : low));
}

/* What each code lacks times the activations that meet it: of sub-blocks [4 h, 4 h + 4). |sum16| <= 2032 by 16, twice
 * that by 32, and minima below 64: exact. */
INLINE float32x4_t super_lack(einf__dtype type, const super *s, const int16_t *sum16, int h)
{
    if (super_by_16(type)) {
        const int16x8_t sums = vld1q_s16(sum16 + 8 * h), mins = s->mins[h];
        return vcvtq_f32_s32(vpaddq_s32(vmull_s16(vget_low_s16(sums), vget_low_s16(mins)),
                                        vmull_high_s16(sums, mins)));
    }
    const int16x8_t sums = vpaddq_s16(vld1q_s16(sum16), vld1q_s16(sum16 + 8)), mins = s->mins[0];
    return vcvtq_f32_s32(h ? vmull_high_s16(sums, mins) : vmull_s16(vget_low_s16(sums), vget_low_s16(mins)));
}

INLINE void add_super(einf__dtype type, int n_cols, float32x4_t acc[][N_PARTS], const uint8_t *block,
                      const einf__cols *x, int64_t i)
{
    const super s = super_open(type, block);
    UNROLL for (int h = 0; h < 2; h++) {
        int32x4_t pair[EINF__MAX_DOT_COLS][2];
        UNROLL for (int p = 0; p < 2; p++) {
            const int j = 4 * h + 2 * p;
            const codes32 even = super_codes(type, block, j), odd = super_codes(type, block, j + 1);
            UNROLL for (int c = 0; c < n_cols; c++) {
                const int8_t *q = x->q + c * x->q_stride + i + 32 * j;
                pair[c][p] = vpaddq_s32(super_products(type, even, q), super_products(type, odd, q + 32));
            }
        }
        UNROLL for (int c = 0; c < n_cols; c++) {
            float32x4_t sums = vmulq_n_f32(super_sums(type, &s, pair[c], h), s.d);
            if (super_has_mins(type)) {
                const int16_t *sum16 = x->sum16 + 2 * c * x->d_stride + i / 16;
                sums = vfmaq_n_f32(sums, super_lack(type, &s, sum16, h), s.min_factor);
            }
            acc[c][h] = vfmaq_f32(acc[c][h], sums, vld1q_f32(x->d + c * x->d_stride + i / 32 + 4 * h));
        }
    }
}

INLINE void super_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *block = (const uint8_t *)w + (size_t)r * row_bytes;
        float32x4_t acc[EINF__MAX_DOT_COLS][N_PARTS];
        UNROLL for (int c = 0; c < n_cols; c++) acc[c][0] = acc[c][1] = vdupq_n_f32(0.0f);
        for (int64_t i = 0; i < n_in; i += 256, block += super_bytes(type))
            add_super(type, n_cols, acc, block, &cols, i);
        UNROLL for (int c = 0; c < n_cols; c++) y[c * y_stride + r] = vaddvq_f32(vaddq_f32(acc[c][0], acc[c][1]));
    }
}

/* X(family, enum, lower-case name, rung) */
#define CODED_TYPES(X, rung) \
    X(small, Q4_0, q4_0, rung) X(small, Q4_1, q4_1, rung) X(small, Q5_0, q5_0, rung) X(small, Q5_1, q5_1, rung) \
    X(small, Q8_0, q8_0, rung) X(small, IQ4_NL, iq4_nl, rung) \
    X(super, Q2_K, q2_k, rung) X(super, Q3_K, q3_k, rung) X(super, Q4_K, q4_k, rung) X(super, Q5_K, q5_k, rung) \
    X(super, Q6_K, q6_k, rung) X(super, IQ4_XS, iq4_xs, rung)

#endif
