/* SPDX-License-Identifier: MIT
 * dot_float_avx2.c - row dots with AVX2 for F32, F16 and BF16 weights, widened to f32 on the way in.
 */
#include "engine/kernels/x86/dot_template_avx2.h"
#include "engine/kernels/x86/kernels_avx2.h"

INLINE void float_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const float *const f32 = x->f32;
    const int64_t stride = x->f32_stride, elem = type == EINF__F32 ? 4 : 2;
    const int n_parts = n_cols == 1 ? 4 : 2; /* sums in flight a column: FMA latency is 4, two start a cycle */
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)w + (size_t)r * row_bytes;
        __m256 acc[EINF__MAX_DOT_COLS][4];
        UNROLL for (int c = 0; c < n_cols; c++)
            UNROLL for (int p = 0; p < 4; p++) acc[c][p] = _mm256_setzero_ps();
        int64_t i = 0;
        for (; i + 8 * n_parts <= n_in; i += 8 * n_parts) {
            UNROLL for (int p = 0; p < n_parts; p++) {
                const __m256 weights = load8(type, row + (i + 8 * p) * elem);
                UNROLL for (int c = 0; c < n_cols; c++)
                    acc[c][p] = _mm256_fmadd_ps(weights, _mm256_loadu_ps(f32 + c * stride + i + 8 * p), acc[c][p]);
            }
        }
        for (; i + 8 <= n_in; i += 8) {
            const __m256 weights = load8(type, row + i * elem);
            UNROLL for (int c = 0; c < n_cols; c++)
                acc[c][0] = _mm256_fmadd_ps(weights, _mm256_loadu_ps(f32 + c * stride + i), acc[c][0]);
        }
        UNROLL for (int c = 0; c < n_cols; c++) {
            float sum = sum8(_mm256_add_ps(_mm256_add_ps(acc[c][0], acc[c][1]), _mm256_add_ps(acc[c][2], acc[c][3])));
            for (int64_t t = i; t < n_in; t++) sum += load1(type, row + t * elem) * f32[c * stride + t];
            y[c * y_stride + r] = sum;
        }
    }
}

#define TYPES(X) X(float, F32, f32) X(float, F16, f16) X(float, BF16, bf16)

TYPES(DOT)

void einf__install_dot_float_avx2(einf__kernels *k)
{
    TYPES(INSTALL_DOT)
}
