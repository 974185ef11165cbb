/* SPDX-License-Identifier: MIT
 * dot_float_neon.c - row dots with NEON for F32, F16 and BF16 weights, widened to f32 on the way in.
 */
#include "engine/kernels/arm/dot_template_neon.h"
#include "engine/kernels/arm/kernels_neon.h"

#define N_PARTS 4 /* sums in flight a column: two multiply-adds start a cycle, each takes four */

INLINE void float_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const float *const f32 = x->f32;
    const int64_t stride = x->f32_stride, elem = type == EINF__F32 ? 4 : 2;
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)w + (size_t)r * row_bytes;
        float32x4_t acc[EINF__MAX_DOT_COLS][N_PARTS];
        UNROLL for (int c = 0; c < n_cols; c++)
            UNROLL for (int p = 0; p < N_PARTS; p++) acc[c][p] = vdupq_n_f32(0.0f);
        int64_t i = 0;
        for (; i + 4 * N_PARTS <= n_in; i += 4 * N_PARTS) {
            UNROLL for (int p = 0; p < N_PARTS; p++) {
                const float32x4_t weights = load4(type, row + (i + 4 * p) * elem);
                UNROLL for (int c = 0; c < n_cols; c++)
                    acc[c][p] = vfmaq_f32(acc[c][p], weights, vld1q_f32(f32 + c * stride + i + 4 * p));
            }
        }
        for (; i + 4 <= n_in; i += 4) {
            const float32x4_t weights = load4(type, row + i * elem);
            UNROLL for (int c = 0; c < n_cols; c++)
                acc[c][0] = vfmaq_f32(acc[c][0], weights, vld1q_f32(f32 + c * stride + i));
        }
        UNROLL for (int c = 0; c < n_cols; c++) {
            float sum = vaddvq_f32(vaddq_f32(vaddq_f32(acc[c][0], acc[c][1]), vaddq_f32(acc[c][2], acc[c][3])));
            for (int64_t t = i; t < n_in; t++) sum += load1(type, row + t * elem) * f32[c * stride + t];
            y[c * y_stride + r] = sum;
        }
    }
}

#define TYPES(X) X(float, F32, f32, neon) X(float, F16, f16, neon) X(float, BF16, bf16, neon)

TYPES(DOT)

void einf__install_dot_float_neon(einf__kernels *k)
{
    TYPES(INSTALL_DOT)
}
