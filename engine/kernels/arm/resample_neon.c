/* SPDX-License-Identifier: MIT
 * resample_neon.c - with NEON, resampling of 8-bit pictures: weighted sums along a row, and of rows, in 32 bits.
 */
#include "engine/kernels/arm/kernels_neon.h"

/* --------------------------------------------------------------------------------------------- along a row -- */

/* Pixel t of four: R, G, B and a zero, as 32 bits each. */
INLINE int32x4_t pixel_of(uint8x16_t pixels, const int t)
{
    static const uint8_t places[4][16] = {
        {0, 255, 255, 255, 1, 255, 255, 255, 2, 255, 255, 255, 255, 255, 255, 255},
        {3, 255, 255, 255, 4, 255, 255, 255, 5, 255, 255, 255, 255, 255, 255, 255},
        {6, 255, 255, 255, 7, 255, 255, 255, 8, 255, 255, 255, 255, 255, 255, 255},
        {9, 255, 255, 255, 10, 255, 255, 255, 11, 255, 255, 255, 255, 255, 255, 255},
    };
    return vreinterpretq_s32_u8(vqtbl1q_u8(pixels, vld1q_u8(places[t])));
}

INLINE int32x4_t add_taps(int32x4_t sum, const uint8_t *p, int32x4_t k)
{
    const uint8x16_t pixels = vld1q_u8(p);
    UNROLL for (int t = 0; t < 4; t++) sum = vmlaq_n_s32(sum, pixel_of(pixels, t), k[t]);
    return sum;
}

/* One output pixel of n_rows rows, a constant in 1..4. */
INLINE void sum_pixel(int32x4_t sums[4], const uint8_t *src, int64_t src_stride, const int n_rows,
                      const int32_t *weights, int64_t count, int64_t bytes_left)
{
    UNROLL for (int r = 0; r < n_rows; r++) sums[r] = vdupq_n_s32(EINF__RESAMPLE_HALF);
    int64_t t = 0;
    for (; t < count && 3 * t + 16 <= bytes_left; t += 4) {
        const int32x4_t k = vld1q_s32(weights + t);
        UNROLL for (int r = 0; r < n_rows; r++) sums[r] = add_taps(sums[r], src + r * src_stride + 3 * t, k);
    }
    for (; t < count; t += 4) { /* where 16 bytes would reach over the end of the row */
        const int32x4_t k = vld1q_s32(weights + t);
        const int64_t n = bytes_left - 3 * t;
        UNROLL for (int r = 0; r < n_rows; r++) {
            uint8_t last[16] = {0};
            memcpy(last, src + r * src_stride + 3 * t, n < 16 ? (size_t)n : 16);
            sums[r] = add_taps(sums[r], last, k);
        }
    }
}

INLINE void resample_some(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride, const int n_rows,
                          int64_t n_in, const einf__taps *taps)
{
    for (int64_t i = 0; i < taps->n_out; i++) {
        const int64_t first = taps->first[i];
        int32x4_t sums[4];
        sum_pixel(sums, src + 3 * first, src_stride, n_rows, taps->weights + i * taps->stride, taps->count[i],
                  3 * (n_in - first));
        const size_t n = i + 1 < taps->n_out ? 4 : 3; /* the fourth byte is what the next pixel writes over */
        UNROLL for (int r = 0; r < n_rows; r++) {
            const int16x4_t words = vqmovn_s32(vshrq_n_s32(sums[r], EINF__RESAMPLE_BITS));
            const uint8x8_t bytes = vqmovun_s16(vcombine_s16(words, words));
            const uint32_t rgb = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
            memcpy(dst + r * dst_stride + 3 * i, &rgb, n);
        }
    }
}

static void resample_rows_neon(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride,
                               int32_t n_rows, int64_t n_in, const einf__taps *taps)
{
    if (n_rows == 4) {
        resample_some(dst, dst_stride, src, src_stride, 4, n_in, taps);
        return;
    }
    for (int32_t r = 0; r < n_rows; r++)
        resample_some(dst + r * dst_stride, dst_stride, src + r * src_stride, src_stride, 1, n_in, taps);
}

/* ------------------------------------------------------------------------------------------------- of rows -- */

/* 16 bytes times a weight. */
INLINE void add_row(int32x4_t sums[4], uint8x16_t x, int32_t k)
{
    const uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_high_u8(x);
    sums[0] = vmlaq_n_s32(sums[0], vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))), k);
    sums[1] = vmlaq_n_s32(sums[1], vreinterpretq_s32_u32(vmovl_high_u16(low)), k);
    sums[2] = vmlaq_n_s32(sums[2], vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))), k);
    sums[3] = vmlaq_n_s32(sums[3], vreinterpretq_s32_u32(vmovl_high_u16(high)), k);
}

INLINE uint8x16_t rounded16(const int32x4_t sums[4])
{
    int16x4_t words[4];
    UNROLL for (int p = 0; p < 4; p++) words[p] = vqmovn_s32(vshrq_n_s32(sums[p], EINF__RESAMPLE_BITS));
    return vcombine_u8(vqmovun_s16(vcombine_s16(words[0], words[1])), vqmovun_s16(vcombine_s16(words[2], words[3])));
}

INLINE void sum_columns(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights, int64_t n_taps)
{
    int32x4_t sums[4];
    UNROLL for (int p = 0; p < 4; p++) sums[p] = vdupq_n_s32(EINF__RESAMPLE_HALF);
    for (int64_t t = 0; t < n_taps; t++) add_row(sums, vld1q_u8(src + t * src_stride), weights[t]);
    vst1q_u8(dst, rounded16(sums));
}

/* Fewer than 16 columns: from and to a place where 16 can be. */
static void sum_few_columns(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                            int64_t n_taps, int64_t n)
{
    int32x4_t sums[4];
    UNROLL for (int p = 0; p < 4; p++) sums[p] = vdupq_n_s32(EINF__RESAMPLE_HALF);
    uint8_t x[16] = {0};
    for (int64_t t = 0; t < n_taps; t++) {
        memcpy(x, src + t * src_stride, (size_t)n);
        add_row(sums, vld1q_u8(x), weights[t]);
    }
    vst1q_u8(x, rounded16(sums));
    memcpy(dst, x, (size_t)n);
}

static void resample_cols_neon(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                               int64_t n_taps, int64_t n)
{
    if (n < 16) {
        sum_few_columns(dst, src, src_stride, weights, n_taps, n);
        return;
    }
    for (int64_t i = 0; i + 16 <= n; i += 16) sum_columns(dst + i, src + i, src_stride, weights, n_taps);
    if (n % 16 != 0) sum_columns(dst + n - 16, src + n - 16, src_stride, weights, n_taps); /* some once more */
}

void einf__install_resample_neon(einf__kernels *k)
{
    EINF__INSTALL(k, resample_rows, resample_rows_neon);
    EINF__INSTALL(k, resample_cols, resample_cols_neon);
}
