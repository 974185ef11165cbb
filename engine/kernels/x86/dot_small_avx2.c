/* SPDX-License-Identifier: MIT
 * dot_small_avx2.c - row dots with AVX2 for formats in blocks of 32: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL.
 *
 * A block meets one group of int8 activations: 32 products, summed exactly in eight integers, times d and the
 * group's scale. The unsigned operand of maddubs is |code|; the sign moves to the activation.
 */
#include "engine/kernels/x86/dot_template_avx2.h"
#include "engine/kernels/x86/unpack_avx2.h"

/* Ranges: |code| <= 128, |activation| <= 127, so a maddubs pair is within 2 * 128 * 127 = 32512: no saturation. */
INLINE __m256 products32(__m256i codes, __m256i magnitudes, const int8_t *q)
{
    const __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(load256(q), codes));
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Accumulators of one row: for one and two columns two each, so that the additions of successive blocks overlap. */
typedef struct small_sums {
    __m256 acc[EINF__MAX_DOT_COLS][2];
    float mins[EINF__MAX_DOT_COLS];
} small_sums;

/* Block i of the row, into accumulator i % 2. */
INLINE void add_block(einf__dtype type, int n_cols, small_sums *s, const uint8_t *block, const einf__cols *x, int64_t i,
                      int parity)
{
    const __m256i codes = small_codes(type, block), magnitudes = _mm256_abs_epi8(codes);
    const __m256 d = _mm256_cvtph_ps(_mm_set1_epi16((short)load_u16(block)));
    UNROLL for (int c = 0; c < n_cols; c++) {
        const __m256 products = products32(codes, magnitudes, x->q + c * x->q_stride + 32 * i);
        const float *dx = x->d + c * x->d_stride + i;
        __m256 *acc = &s->acc[c][n_cols <= 2 ? parity : 0];
        *acc = _mm256_fmadd_ps(products, _mm256_mul_ps(d, _mm256_broadcast_ss(dx)), *acc);
        if (small_has_min(type)) {
            const int16_t *sum16 = x->sum16 + 2 * (c * x->d_stride + i);
            s->mins[c] += half_to_float(load_u16(block + 2)) * *dx * (float)(sum16[0] + sum16[1]);
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
        small_sums s;
        UNROLL for (int c = 0; c < n_cols; c++) {
            s.acc[c][0] = s.acc[c][1] = _mm256_setzero_ps();
            s.mins[c] = 0.0f;
        }
        int64_t i = 0;
        for (; i + 2 <= n_blocks; i += 2, row += 2 * step) {
            add_block(type, n_cols, &s, row, &cols, i, 0);
            add_block(type, n_cols, &s, row + step, &cols, i + 1, 1);
        }
        if (i < n_blocks) add_block(type, n_cols, &s, row, &cols, i, 0);
        UNROLL for (int c = 0; c < n_cols; c++)
            y[c * y_stride + r] = sum8(_mm256_add_ps(s.acc[c][0], s.acc[c][1])) + s.mins[c];
    }
}

#define TYPES(X) \
    X(small, Q4_0, q4_0) X(small, Q4_1, q4_1) X(small, Q5_0, q5_0) X(small, Q5_1, q5_1) X(small, Q8_0, q8_0) \
    X(small, IQ4_NL, iq4_nl)

TYPES(DOT)

void einf__install_dot_small_avx2(einf__kernels *k)
{
    TYPES(INSTALL_DOT)
}
