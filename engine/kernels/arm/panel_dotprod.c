/* SPDX-License-Identifier: MIT
 * panel_dotprod.c - the int8 GEMM with ARMv8.2's dot products: parts of 8 rows by 6 columns.
 *
 * Four elements of 8 rows, two vectors, meet four elements of 6 columns lane by lane: 12 instructions for 4 loads, 28
 * registers. docs/MEASURING.md has what a Cortex-A76 makes of it.
 */
#define K_UNIT 4

#include "engine/kernels/arm/panel_neon.h"
#include "engine/kernels/arm/panel_pack_neon.h"

/* Columns [j, j + 4): vector j has rows 0 to 3 of column j / 2, or 4 to 7. */
INLINE void add_four(int32x4_t *acc, const int8x16_t w[2], int8x16_t x)
{
    acc[0] = vdotq_laneq_s32(acc[0], w[0], x, 0);
    acc[1] = vdotq_laneq_s32(acc[1], w[1], x, 0);
    acc[2] = vdotq_laneq_s32(acc[2], w[0], x, 1);
    acc[3] = vdotq_laneq_s32(acc[3], w[1], x, 1);
    acc[4] = vdotq_laneq_s32(acc[4], w[0], x, 2);
    acc[5] = vdotq_laneq_s32(acc[5], w[1], x, 2);
    acc[6] = vdotq_laneq_s32(acc[6], w[0], x, 3);
    acc[7] = vdotq_laneq_s32(acc[7], w[1], x, 3);
}

INLINE void add_two(int32x4_t *acc, const int8x16_t w[2], int8x8_t x)
{
    acc[0] = vdotq_lane_s32(acc[0], w[0], x, 0);
    acc[1] = vdotq_lane_s32(acc[1], w[1], x, 0);
    acc[2] = vdotq_lane_s32(acc[2], w[0], x, 1);
    acc[3] = vdotq_lane_s32(acc[3], w[1], x, 1);
}

/* 32 elements. q: `step` bytes from one unit to the next. */
INLINE void add_products(int n_cols, int32x4_t *acc, const int8_t *w, const int8_t *q, int64_t step)
{
    UNROLL for (int u = 0; u < 8; u++, w += MR * K_UNIT, q += step) {
        const int8x16_t rows[2] = {vld1q_s8(w), vld1q_s8(w + 16)};
        if (n_cols >= 4) add_four(acc, rows, vld1q_s8(q));
        if (n_cols % 4 == 2) add_two(acc + n_cols / 4 * 8, rows, vld1_s8(q + n_cols / 4 * 16));
        END_STEP();
    }
}

/* One number a column. */
typedef struct by_column {
    float32x4_t four;
    float32x2_t two;
} by_column;

INLINE by_column load_by_column(int n_cols, const float *p)
{
    by_column b = {vdupq_n_f32(0.0f), vdup_n_f32(0.0f)};
    if (n_cols >= 4) b.four = vld1q_f32(p);
    if (n_cols % 4 == 2) b.two = vld1_f32(p + n_cols / 4 * 4);
    return b;
}

INLINE float of_column(int n_cols, const by_column *b, int j)
{
    return j < n_cols / 4 * 4 ? b->four[j] : b->two[j % 4];
}

/* sums += by_row * by_col * products. */
INLINE void add_scaled(int n_cols, float32x4_t *sums, const int32x4_t *acc, const float *by_row, const float *by_col)
{
    const float32x4_t rows[2] = {vld1q_f32(by_row), vld1q_f32(by_row + 4)};
    const by_column cols = load_by_column(n_cols, by_col);
    UNROLL for (int i = 0; i < 2 * n_cols; i++) {
        const float32x4_t factor = vmulq_n_f32(rows[i % 2], of_column(n_cols, &cols, i / 2));
        sums[i] = vfmaq_f32(sums[i], factor, sums_to_floats(acc[i]));
        SETTLE_GCC(sums[i]);
    }
}

/* sums -= by_row * by_col. */
INLINE void subtract_minima(int n_cols, float32x4_t *sums, const float *by_row, const float *by_col)
{
    const float32x4_t rows[2] = {vld1q_f32(by_row), vld1q_f32(by_row + 4)};
    const by_column cols = load_by_column(n_cols, by_col);
    UNROLL for (int i = 0; i < 2 * n_cols; i++)
        sums[i] = vfmsq_n_f32(sums[i], rows[i % 2], of_column(n_cols, &cols, i / 2));
}

INLINE void multiply(einf__panel_form form, int n_cols, const part *p)
{
    const part a = *p; /* in registers: the stores to c cannot change it */
    const int64_t step = a.tile_cols * K_UNIT;
    const int32_t group = einf__panel_group(form);
    const int8_t *w = a.w, *q = a.q;
    float32x4_t sums[PART_VECTORS];
    UNROLL for (int i = 0; i < 2 * n_cols; i++) sums[i] = vld1q_f32(a.c + 4 * i);
    for (int64_t g = 0; g < a.n_groups; g++) {
        int32x4_t acc[PART_VECTORS];
        begin_sums(2 * n_cols, acc);
        for (int32_t e = 0; e < group; e += 32, w += MR * 32, q += 8 * step) add_products(n_cols, acc, w, q, step);
        UNROLL for (int i = 0; i < 2 * n_cols; i++) SETTLE(acc[i]);
        add_scaled(n_cols, sums, acc, a.scale + g * MR, a.d + g * a.tile_cols);
        if (form == EINF__PANEL_32M) subtract_minima(n_cols, sums, a.min + g * MR, a.dsum + g * a.tile_cols);
    }
    UNROLL for (int i = 0; i < 2 * n_cols; i++) vst1q_f32(a.c + 4 * i, sums[i]);
}

PANEL_FORMS(PANEL_MUL, dotprod)

static void quantize_tile_dotprod(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                                  int32_t group)
{
    quantize_columns(t, x, x_stride, n_cols, n, group);
}

PACKED_TYPES(PACK, dotprod)

void einf__install_panel_dotprod(einf__kernels *k)
{
    set_panel_shape(k);
    EINF__INSTALL(k, quantize_tile, quantize_tile_dotprod);
    PANEL_FORMS(INSTALL_PANEL_MUL, dotprod)
    PACKED_TYPES(INSTALL_PACK, dotprod)
}
