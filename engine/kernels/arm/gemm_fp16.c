/* SPDX-License-Identifier: MIT
 * gemm_fp16.c - the GEMM with sums in f16: panels of 16 rows, tiles of 16 rows by 8 columns, twice as wide as those of
 * gemm_neon.c.
 *
 * Eight elements of a column are one vector, which is multiplied lane by lane. A tile is 16 accumulators, 8 vectors of
 * columns (in the 16 registers whose lanes an f16 product can name) and 2 of the panel: 26 of 32 registers; 128
 * multiply-adds for 24 loads. Sums of a group go to f32 in memory, which is what a longer group saves.
 */
#include "engine/kernels/arm/kernels_neon.h"
#include "engine/kernels/gemm_template.h"

#define TILE_ROWS 16
#define TILE_COLS 8
#define BLOCK 8 /* rows and elements that are transposed at a time */

INLINE float16x8_t load_halves(const uint16_t *p) { return vreinterpretq_f16_u16(vld1q_u16(p)); }

/* ------------------------------------------------------------------------------------------------- packing -- */

static einf__half_scale scale_of(const float *x, int64_t n)
{
    uint32x4_t max = vdupq_n_u32(0);
    uint32_t last = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) max = vmaxq_u32(max, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    for (; i < n; i++) {
        const uint32_t size = einf__f32_bits(x[i]) & 0x7fffffffu;
        if (size > last) last = size;
    }
    const uint32_t most = vmaxvq_u32(max);
    return einf__half_scale_of(most > last ? most : last);
}

/* The first n elements, times factor; zeros behind them. n in 1..8. */
INLINE uint16x8_t halve(const float *x, int64_t n, float factor)
{
    const float32x4_t zero = vdupq_n_f32(0.0f);
    const float32x4_t low = n >= 4 ? vld1q_f32(x) : load_first(x, n);
    const float32x4_t high = n == 8 ? vld1q_f32(x + 4) : n > 4 ? load_first(x + 4, n - 4) : zero;
    return vreinterpretq_u16_f16(vcombine_f16(vcvt_f16_f32(vmulq_n_f32(low, factor)),
                                              vcvt_f16_f32(vmulq_n_f32(high, factor))));
}

static void quantize_f16_fp16(uint16_t *y, float *scale, const float *x, int64_t n)
{
    for (int64_t begin = 0; begin < n; begin += EINF__NARROW_GROUP) {
        const int64_t end = n - begin < EINF__NARROW_GROUP ? n : begin + EINF__NARROW_GROUP;
        const einf__half_scale s = scale_of(x + begin, end - begin);
        scale[begin / EINF__NARROW_GROUP] = s.scale;
        int64_t i = begin;
        for (; i + 8 <= end; i += 8) vst1q_u16(y + i, halve(x + i, 8, s.inverse));
        if (i < end) {
            const uint16x8_t rest = halve(x + i, end - i, s.inverse);
            memcpy(y + i, &rest, (size_t)(end - i) * sizeof *y);
        }
    }
}

/* out[k][i] = in[i][k] for k in [0, n); out rows are TILE_ROWS apart. */
INLINE void transpose8(uint16_t *out, const uint16x8_t in[BLOCK], int n)
{
    uint32x4_t pairs[BLOCK]; /* [2 p], [2 p + 1]: even and odd elements of rows 2 p and 2 p + 1, side by side */
    uint64x2_t quads[BLOCK]; /* [4 q + e]: elements e and e + 4 of rows 4 q to 4 q + 3 */
    UNROLL for (int p = 0; p < 4; p++) {
        pairs[2 * p] = vreinterpretq_u32_u16(vtrn1q_u16(in[2 * p], in[2 * p + 1]));
        pairs[2 * p + 1] = vreinterpretq_u32_u16(vtrn2q_u16(in[2 * p], in[2 * p + 1]));
    }
    UNROLL for (int q = 0; q < 2; q++) {
        UNROLL for (int odd = 0; odd < 2; odd++) {
            const uint32x4_t a = pairs[4 * q + odd], b = pairs[4 * q + 2 + odd];
            quads[4 * q + odd] = vreinterpretq_u64_u32(vtrn1q_u32(a, b));
            quads[4 * q + 2 + odd] = vreinterpretq_u64_u32(vtrn2q_u32(a, b));
        }
    }
    UNROLL for (int k = 0; k < BLOCK; k++) {
        const uint64x2_t a = quads[k % 4], b = quads[4 + k % 4];
        if (k < n)
            vst1q_u16(out + k * TILE_ROWS, vreinterpretq_u16_u64(k < 4 ? vtrn1q_u64(a, b) : vtrn2q_u64(a, b)));
    }
}

/* Zeros for what is not among the first n elements of the first n_rows rows. */
INLINE void pack_block(uint16_t *out, const float *a, int64_t lda, const float *factor, int n_rows, int n)
{
    uint16x8_t rows[BLOCK];
    UNROLL for (int i = 0; i < BLOCK; i++)
        rows[i] = i < n_rows ? halve(a + i * lda, n < BLOCK ? n : BLOCK, factor[i]) : vdupq_n_u16(0);
    transpose8(out, rows, n);
}

static void pack_f16_fp16(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    float factor[TILE_ROWS];
    for (int i = 0; i < TILE_ROWS; i++) {
        const einf__half_scale s = scale_of(a + (i < n_rows ? i * lda : 0), i < n_rows ? depth : 0);
        scale[i] = s.scale;
        factor[i] = s.inverse;
    }
    for (int k = 0; k < depth; k += BLOCK) {
        for (int i = 0; i < TILE_ROWS; i += BLOCK) {
            uint16_t *out = panel + k * TILE_ROWS + i;
            const float *block = a + (i < n_rows ? i * lda : 0) + k;
            if (i + BLOCK <= n_rows && k + BLOCK <= depth) pack_block(out, block, lda, factor + i, BLOCK, BLOCK);
            else pack_block(out, block, lda, factor + i, n_rows - i, depth - k);
        }
    }
}

/* ---------------------------------------------------------------------------------------------- multiplying -- */

/* acc + a * b[lane], rounded once. GCC takes lanes out of their vectors, and begins the loads of all steps at once,
 * until it runs out of registers: not with an instruction that names its lane and stays in its place. */
INLINE float16x8_t fma_lane(float16x8_t acc, float16x8_t a, float16x8_t b, int lane)
{
#if defined(__clang__) || !defined(__OPTIMIZE__)
    return vfmaq_n_f16(acc, a, b[lane]);
#else
    __asm__ volatile("fmla %0.8h, %1.8h, %2.h[%3]" : "+w"(acc) : "w"(a), "x"(b), "i"(lane));
    return acc;
#endif
}

/* acc[j][h] += panel[k][8 h ..] * b[j * ldb + k] for k in [0, n), n and n_cols constants, n 1 or 8. */
INLINE void multiply_steps(int n, int n_cols, float16x8_t acc[][2], const uint16_t *panel, const uint16_t *b,
                           int64_t ldb)
{
    float16x8_t x[TILE_COLS];
    UNROLL for (int j = 0; j < n_cols; j++)
        x[j] = n == 8 ? load_halves(b + j * ldb) : vreinterpretq_f16_u16(vld1q_dup_u16(b + j * ldb));
    UNROLL for (int step = 0; step < n; step++) {
        const float16x8_t low = load_halves(panel + step * TILE_ROWS), high = load_halves(panel + step * TILE_ROWS + 8);
        UNROLL for (int j = 0; j < n_cols; j++) {
            acc[j][0] = fma_lane(acc[j][0], low, x[j], step);
            acc[j][1] = fma_lane(acc[j][1], high, x[j], step);
        }
    }
}

/* sums[j][i] += what a group of n elements adds to them. */
INLINE void multiply_group(int n_cols, float *sums, const uint16_t *panel, int n, const uint16_t *b, int64_t ldb,
                           const float *scale, int64_t scale_stride)
{
    float16x8_t acc[TILE_COLS][2];
    UNROLL for (int j = 0; j < n_cols; j++) acc[j][0] = acc[j][1] = vdupq_n_f16(0);
    int k = 0;
    for (; k + 8 <= n; k += 8) multiply_steps(8, n_cols, acc, panel + k * TILE_ROWS, b + k, ldb);
    for (; k < n; k++) multiply_steps(1, n_cols, acc, panel + k * TILE_ROWS, b + k, ldb);
    UNROLL for (int j = 0; j < n_cols; j++) {
        UNROLL for (int h = 0; h < 2; h++) {
            float *sum = sums + j * TILE_ROWS + 8 * h;
            const float32x4_t low = vcvt_f32_f16(vget_low_f16(acc[j][h])), high = vcvt_high_f32_f16(acc[j][h]);
            vst1q_f32(sum, vfmaq_n_f32(vld1q_f32(sum), low, scale[j * scale_stride]));
            vst1q_f32(sum + 4, vfmaq_n_f32(vld1q_f32(sum + 4), high, scale[j * scale_stride]));
        }
    }
    __asm__ volatile("" : : "r"(sums) : "memory"); /* or GCC keeps a second copy of the sums, in registers it spills */
}

/* 16 rows by n_cols columns, a constant. */
INLINE void tile(int n_cols, float *c, int64_t ldc, const uint16_t *panel, const float *scale, int depth,
                 const einf__narrow_cols *b, bool add)
{
    float sums[TILE_COLS * TILE_ROWS];
    for (int i = 0; i < n_cols * TILE_ROWS; i++) sums[i] = 0.0f;
    for (int k = 0; k < depth; k += EINF__NARROW_GROUP) {
        const int n = depth - k < EINF__NARROW_GROUP ? depth - k : EINF__NARROW_GROUP;
        multiply_group(n_cols, sums, panel + k * TILE_ROWS, n, b->x + k, b->stride, b->scale + k / EINF__NARROW_GROUP,
                       b->scale_stride);
    }
    for (int j = 0; j < n_cols; j++) {
        for (int i = 0; i < TILE_ROWS; i += 4) {
            float *out = c + j * ldc + i;
            const float32x4_t whole = vmulq_f32(vld1q_f32(sums + j * TILE_ROWS + i), vld1q_f32(scale + i));
            vst1q_f32(out, add ? vaddq_f32(vld1q_f32(out), whole) : whole);
        }
    }
}

static void mul_f16_fp16(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                         const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    einf__narrow_cols cols = *b;
    for (int32_t n = 0; n_cols > 0; n_cols -= n, c += n * ldc) {
        n = gemm_tile_cols(n_cols, TILE_COLS);
        switch (n) {
        case 1: tile(1, c, ldc, panel, scale, depth, &cols, add); break;
        case 2: tile(2, c, ldc, panel, scale, depth, &cols, add); break;
        case 3: tile(3, c, ldc, panel, scale, depth, &cols, add); break;
        case 4: tile(4, c, ldc, panel, scale, depth, &cols, add); break;
        case 5: tile(5, c, ldc, panel, scale, depth, &cols, add); break;
        case 6: tile(6, c, ldc, panel, scale, depth, &cols, add); break;
        case 7: tile(7, c, ldc, panel, scale, depth, &cols, add); break;
        default: tile(TILE_COLS, c, ldc, panel, scale, depth, &cols, add); break;
        }
        cols.x += n * cols.stride;
        cols.scale += n * cols.scale_stride;
    }
}

void einf__install_gemm_fp16(einf__kernels *k)
{
    k->narrow_mr[EINF__SUM_F16] = TILE_ROWS;
    k->fast_sum[EINF__SUM_F16] = true;
    EINF__INSTALL(k, quantize_f16, quantize_f16_fp16);
    EINF__INSTALL(k, pack_f16, pack_f16_fp16);
    EINF__INSTALL(k, mul_f16, mul_f16_fp16);
}
