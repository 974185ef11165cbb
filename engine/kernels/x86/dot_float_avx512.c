/* SPDX-License-Identifier: MIT
 * dot_float_avx512.c - row dots with AVX-512 for F32, F16 and BF16 weights, widened to f32 on the way in.
 *
 * One row at a time: it comes from memory as one stream; two rows side by side come at half the speed (Zen 4). Every
 * product of a row and a column is summed in one order, whatever comes with it: vectors of 16 go to two sums in turn.
 * Two are enough at the speed of the loads, and with four the loads run so far ahead of one another that the stream
 * comes 10 % slower.
 */
#include "engine/kernels/x86/kernels_avx512.h"

#define SUMS 2

/* The first lanes of load16, zeros behind; nothing is read there. */
INLINE __m512 load_part(einf__dtype type, const uint8_t *p, __mmask16 lanes)
{
    if (type == EINF__F16) return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, p));
    if (type == EINF__BF16)
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, p)), 16));
    return _mm512_maskz_loadu_ps(lanes, p);
}

INLINE void float_row(einf__dtype type, int n_cols, float *y, int64_t y_stride, const uint8_t *row, int64_t n_in,
                      const einf__cols *x)
{
    const int64_t elem = type == EINF__F32 ? 4 : 2;
    const size_t ahead = ahead_beside(n_in * (int64_t)sizeof *x->f32);
    __m512 acc[EINF__MAX_DOT_COLS][SUMS];
    UNROLL for (int c = 0; c < n_cols; c++)
        UNROLL for (int s = 0; s < SUMS; s++) acc[c][s] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 16 * SUMS <= n_in; i += 16 * SUMS) {
        ask_ahead(row + i * elem, ahead, 16 * SUMS * (int)elem);
        UNROLL for (int s = 0; s < SUMS; s++) {
            const __m512 w = load16(type, row + (i + 16 * s) * elem);
            UNROLL for (int c = 0; c < n_cols; c++)
                acc[c][s] = _mm512_fmadd_ps(w, _mm512_loadu_ps(x->f32 + c * x->f32_stride + i + 16 * s), acc[c][s]);
        }
    }
    for (; i < n_in; i += 16) {
        const __mmask16 lanes = first_mask16(n_in - i < 16 ? n_in - i : 16);
        const __m512 w = load_part(type, row + i * elem, lanes);
        UNROLL for (int c = 0; c < n_cols; c++)
            acc[c][0] = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(lanes, x->f32 + c * x->f32_stride + i), acc[c][0]);
    }
    UNROLL for (int c = 0; c < n_cols; c++)
        y[c * y_stride] = sum16(_mm512_add_ps(acc[c][0], acc[c][1]));
}

INLINE void float_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    for (int64_t r = 0; r < n_rows; r++)
        float_row(type, n_cols, y + r, y_stride, (const uint8_t *)w + (size_t)r * row_bytes, n_in, &cols);
}

#define TYPES(X) X(F32, f32) X(F16, f16) X(BF16, bf16)

#define DOT(type, name) \
    static void dot_##name##_avx512(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, \
                                    int64_t n_in, const einf__cols *x, int n_cols) \
    { \
        switch (n_cols) { \
        case 1: float_rows(EINF__##type, 1, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        case 2: float_rows(EINF__##type, 2, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        case 3: float_rows(EINF__##type, 3, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        default: float_rows(EINF__##type, 4, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        } \
    }

TYPES(DOT)

void einf__install_dot_float_avx512(einf__kernels *k)
{
#define INSTALL(type, name) EINF__INSTALL_TYPED(k, dot, EINF__##type, dot_##name##_avx512);
    TYPES(INSTALL)
#undef INSTALL
}
