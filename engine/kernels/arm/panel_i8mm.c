/* SPDX-License-Identifier: MIT
 * panel_i8mm.c - the int8 GEMM with ARMv8.6's matrix products: parts of 8 rows by 6 columns.
 *
 * A vector holds eight elements of two rows, or of two columns; their product is a square of four sums, two rows by two
 * columns. 12 instructions for 7 loads, 31 registers.
 */
#define K_UNIT 8

#include "engine/kernels/arm/panel_neon.h"
#include "engine/kernels/arm/panel_pack_neon.h"

/* Vector 4 j + i of sums is the square of rows 2 i, 2 i + 1 and columns 2 j, 2 j + 1: [row][column]. */

/* Two columns of c to squares, and back. */
INLINE void load_squares(float32x4_t *sums, const float *c)
{
    UNROLL for (int h = 0; h < 2; h++) {
        const float32x4_t even = vld1q_f32(c + 4 * h), odd = vld1q_f32(c + MR + 4 * h);
        sums[2 * h] = vzip1q_f32(even, odd);
        sums[2 * h + 1] = vzip2q_f32(even, odd);
    }
}

INLINE void store_squares(float *c, const float32x4_t *sums)
{
    UNROLL for (int h = 0; h < 2; h++) {
        vst1q_f32(c + 4 * h, vuzp1q_f32(sums[2 * h], sums[2 * h + 1]));
        vst1q_f32(c + MR + 4 * h, vuzp2q_f32(sums[2 * h], sums[2 * h + 1]));
    }
}

/* 32 elements. q: `step` bytes from one unit to the next. */
INLINE void add_products(int n_cols, int32x4_t *acc, const int8_t *w, const int8_t *q, int64_t step)
{
    UNROLL for (int u = 0; u < 4; u++, w += MR * K_UNIT, q += step) {
        int8x16_t x[PART_COLS / 2];
        UNROLL for (int j = 0; j < n_cols / 2; j++) x[j] = vld1q_s8(q + 16 * j);
        UNROLL for (int i = 0; i < 4; i++) {
            const int8x16_t rows = vld1q_s8(w + 16 * i);
            UNROLL for (int j = 0; j < n_cols / 2; j++) acc[4 * j + i] = vmmlaq_s32(acc[4 * j + i], rows, x[j]);
        }
        END_STEP();
    }
}

/* What two rows have, each twice: [4] from 8 rows. */
INLINE void pairs_by_row(float32x4_t pairs[4], const float *by_row)
{
    UNROLL for (int h = 0; h < 2; h++) {
        const float32x4_t rows = vld1q_f32(by_row + 4 * h);
        pairs[2 * h] = vzip1q_f32(rows, rows);
        pairs[2 * h + 1] = vzip2q_f32(rows, rows);
    }
}

INLINE float32x4_t pair_by_column(const float *by_col)
{
    const float32x2_t pair = vld1_f32(by_col);
    return vcombine_f32(pair, pair);
}

/* sums += by_row * by_col * products. */
INLINE void add_scaled(int n_cols, float32x4_t *sums, const int32x4_t *acc, const float *by_row, const float *by_col)
{
    float32x4_t rows[4];
    pairs_by_row(rows, by_row);
    UNROLL for (int v = 0; v < 2 * n_cols; v++) {
        const float32x4_t factor = vmulq_f32(rows[v % 4], pair_by_column(by_col + v / 4 * 2));
        sums[v] = vfmaq_f32(sums[v], factor, sums_to_floats(acc[v]));
        SETTLE_GCC(sums[v]);
    }
}

/* sums -= by_row * by_col. */
INLINE void subtract_minima(int n_cols, float32x4_t *sums, const float *by_row, const float *by_col)
{
    float32x4_t rows[4];
    pairs_by_row(rows, by_row);
    UNROLL for (int v = 0; v < 2 * n_cols; v++)
        sums[v] = vfmsq_f32(sums[v], rows[v % 4], pair_by_column(by_col + v / 4 * 2));
}

INLINE void multiply(einf__panel_form form, int n_cols, const part *p)
{
    const part a = *p; /* in registers: the stores to c cannot change it */
    const int64_t step = a.tile_cols * K_UNIT;
    const int32_t group = einf__panel_group(form);
    const int8_t *w = a.w, *q = a.q;
    float32x4_t sums[PART_VECTORS];
    UNROLL for (int j = 0; j < n_cols / 2; j++) load_squares(sums + 4 * j, a.c + 2 * MR * j);
    for (int64_t g = 0; g < a.n_groups; g++) {
        int32x4_t acc[PART_VECTORS];
        begin_sums(2 * n_cols, acc);
        for (int32_t e = 0; e < group; e += 32, w += MR * 32, q += 4 * step) add_products(n_cols, acc, w, q, step);
        UNROLL for (int i = 0; i < 2 * n_cols; i++) SETTLE(acc[i]);
        add_scaled(n_cols, sums, acc, a.scale + g * MR, a.d + g * a.tile_cols);
        if (form == EINF__PANEL_32M) subtract_minima(n_cols, sums, a.min + g * MR, a.dsum + g * a.tile_cols);
    }
    UNROLL for (int j = 0; j < n_cols / 2; j++) store_squares(a.c + 2 * MR * j, sums + 4 * j);
}

PANEL_FORMS(PANEL_MUL, i8mm)

static void quantize_tile_i8mm(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                               int32_t group)
{
    quantize_columns(t, x, x_stride, n_cols, n, group);
}

PACKED_TYPES(PACK, i8mm)

void einf__install_panel_i8mm(einf__kernels *k)
{
    set_panel_shape(k);
    EINF__INSTALL(k, quantize_tile, quantize_tile_i8mm);
    PANEL_FORMS(INSTALL_PANEL_MUL, i8mm)
    PACKED_TYPES(INSTALL_PACK, i8mm)
}
