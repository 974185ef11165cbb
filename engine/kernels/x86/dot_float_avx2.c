/* SPDX-License-Identifier: MIT
 * dot_float_avx2.c - row dots with AVX2 for F32, F16 and BF16 weights, widened to f32 on the way in.
 *
 * Every product of a row and a column is summed in one order, whatever comes with it: two sums of eight lanes, of which
 * the second has the odd vectors. FMA latency is 4 and two start a cycle, so more sums have to be in flight: those of
 * other columns, or of a second row where there is one column.
 */
#include "engine/kernels/x86/dot_template_avx2.h"
#include "engine/kernels/x86/kernels_avx2.h"

/* Sums of one row with each column. */
typedef struct float_sums {
    __m256 acc[EINF__MAX_DOT_COLS][2];
} float_sums;

/* Eight elements from i on of one row and all columns. */
INLINE void add8(einf__dtype type, int n_cols, float_sums *s, int part, const uint8_t *at, const einf__cols *x,
                 int64_t i)
{
    const __m256 weights = load8(type, at);
    UNROLL for (int c = 0; c < n_cols; c++)
        s->acc[c][part] = _mm256_fmadd_ps(weights, _mm256_loadu_ps(x->f32 + c * x->f32_stride + i), s->acc[c][part]);
}

/* Rows [0, n) from `row`, n a constant of 1 or 2. */
INLINE void float_tile(einf__dtype type, int n, int n_cols, float *y, int64_t y_stride, const uint8_t *row,
                       size_t row_bytes, int64_t n_in, const einf__cols *x)
{
    const int64_t elem = type == EINF__F32 ? 4 : 2;
    float_sums s[2];
    UNROLL for (int r = 0; r < n; r++)
        UNROLL for (int c = 0; c < n_cols; c++) s[r].acc[c][0] = s[r].acc[c][1] = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 16 <= n_in; i += 16)
        UNROLL for (int part = 0; part < 2; part++)
            UNROLL for (int r = 0; r < n; r++)
                add8(type, n_cols, &s[r], part, row + (size_t)r * row_bytes + (i + 8 * part) * elem, x, i + 8 * part);
    if (i + 8 <= n_in) {
        UNROLL for (int r = 0; r < n; r++) add8(type, n_cols, &s[r], 0, row + (size_t)r * row_bytes + i * elem, x, i);
        i += 8;
    }
    UNROLL for (int r = 0; r < n; r++) {
        UNROLL for (int c = 0; c < n_cols; c++) {
            float sum = sum8(_mm256_add_ps(s[r].acc[c][0], s[r].acc[c][1]));
            for (int64_t t = i; t < n_in; t++)
                sum += load1(type, row + (size_t)r * row_bytes + t * elem) * x->f32[c * x->f32_stride + t];
            y[c * y_stride + r] = sum;
        }
    }
}

INLINE void float_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    const uint8_t *row = w;
    int64_t r = 0;
    for (; n_cols == 1 && r + 2 <= n_rows; r += 2, row += 2 * row_bytes)
        float_tile(type, 2, n_cols, y + r, y_stride, row, row_bytes, n_in, &cols);
    for (; r < n_rows; r++, row += row_bytes)
        float_tile(type, 1, n_cols, y + r, y_stride, row, row_bytes, n_in, &cols);
}

#define TYPES(X) X(float, F32, f32) X(float, F16, f16) X(float, BF16, bf16)

TYPES(DOT)

void einf__install_dot_float_avx2(einf__kernels *k)
{
    TYPES(INSTALL_DOT)
}
