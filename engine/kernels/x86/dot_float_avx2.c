/* SPDX-License-Identifier: MIT
 * dot_float_avx2.c - row dots with AVX2 for F32, F16 and BF16 weights, widened to f32 on the way in.
 *
 * One row at a time: it comes from memory as one stream; two rows side by side come at half the speed (Zen 4). Every
 * product of a row and a column is summed in one order, whatever comes with it: vectors of eight go to three sums in
 * turn. FMA latency is 4 and two start a cycle, which fewer would leave idle; for more there is no room beside four
 * columns.
 */
#include "engine/kernels/x86/dot_template_avx2.h"
#include "engine/kernels/x86/kernels_avx2.h"

#define SUMS 3

INLINE void float_row(einf__dtype type, int n_cols, float *y, int64_t y_stride, const uint8_t *row, int64_t n_in,
                      const einf__cols *x)
{
    const int64_t elem = type == EINF__F32 ? 4 : 2;
    const size_t ahead = ahead_beside(n_in * (int64_t)sizeof *x->f32);
    __m256 acc[EINF__MAX_DOT_COLS][SUMS];
    UNROLL for (int c = 0; c < n_cols; c++)
        UNROLL for (int s = 0; s < SUMS; s++) acc[c][s] = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 * SUMS <= n_in; i += 8 * SUMS) {
        ask_ahead(row + i * elem, ahead, 8 * SUMS * (int)elem);
        UNROLL for (int s = 0; s < SUMS; s++) {
            const __m256 w = load8(type, row + (i + 8 * s) * elem);
            UNROLL for (int c = 0; c < n_cols; c++)
                acc[c][s] = _mm256_fmadd_ps(w, _mm256_loadu_ps(x->f32 + c * x->f32_stride + i + 8 * s), acc[c][s]);
        }
    }
    for (; i + 8 <= n_in; i += 8) {
        const __m256 w = load8(type, row + i * elem);
        UNROLL for (int c = 0; c < n_cols; c++)
            acc[c][0] = _mm256_fmadd_ps(w, _mm256_loadu_ps(x->f32 + c * x->f32_stride + i), acc[c][0]);
    }
    UNROLL for (int c = 0; c < n_cols; c++) {
        float sum = sum8(_mm256_add_ps(_mm256_add_ps(acc[c][0], acc[c][1]), acc[c][2]));
        for (int64_t t = i; t < n_in; t++) sum += load1(type, row + t * elem) * x->f32[c * x->f32_stride + t];
        y[c * y_stride] = sum;
    }
}

INLINE void float_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    for (int64_t r = 0; r < n_rows; r++)
        float_row(type, n_cols, y + r, y_stride, (const uint8_t *)w + (size_t)r * row_bytes, n_in, &cols);
}

#define TYPES(X) X(float, F32, f32) X(float, F16, f16) X(float, BF16, bf16)

TYPES(DOT)

void einf__install_dot_float_avx2(einf__kernels *k)
{
    TYPES(INSTALL_DOT)
}
