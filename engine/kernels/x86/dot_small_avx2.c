/* SPDX-License-Identifier: MIT
 * dot_small_avx2.c - row dots with AVX2 for formats in blocks of 32: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL.
 *
 * A block meets one group of int8 activations: 32 products, summed exactly in eight integers, times d and the
 * group's scale. Blocks come in groups of eight, whose scales are eight lanes of a vector, and what their codes lack,
 * minima or a bias, meets the activations' sums once a group. Signed codes (Q8_0, IQ4_NL) enter maddubs, whose first
 * operand is unsigned, as magnitudes; their sign moves to the activation.
 */
#include "engine/kernels/x86/dot_template_avx2.h"
#include "engine/kernels/x86/unpack_avx2.h"

#define GROUP 8

/* Ranges: codes within 31, or |code| <= 128, and |activation| <= 127: a maddubs pair is within 2 * 128 * 127 = 32512,
 * no saturation. */
INLINE __m256 products32(einf__dtype type, __m256i codes, const int8_t *q)
{
    const __m256i x = load256(q);
    const __m256i pairs = has_signed_codes(type)
                              ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes))
                              : _mm256_maddubs_epi16(codes, x);
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* The half at p in each of n <= GROUP blocks, as floats; 0 in the lanes beyond. */
INLINE __m256 group_halves(const uint8_t *p, int64_t step, int n)
{
    if (n == GROUP)
        return _mm256_cvtph_ps(_mm_setr_epi16(
            (short)load_u16(p), (short)load_u16(p + step), (short)load_u16(p + 2 * step),
            (short)load_u16(p + 3 * step), (short)load_u16(p + 4 * step), (short)load_u16(p + 5 * step),
            (short)load_u16(p + 6 * step), (short)load_u16(p + 7 * step)));
    uint16_t halves[GROUP] = {0};
    for (int u = 0; u < n; u++) halves[u] = load_u16(p + u * step);
    return _mm256_cvtph_ps(load128(halves));
}

/* Sums of n groups of 32 activations from their halves' sums: |sum| <= 32 * 127. */
INLINE __m256 group_sums(const int16_t *sum16, int n)
{
    int16_t part[2 * GROUP] = {0};
    if (n < GROUP) memcpy(part, sum16, (size_t)n * 2 * sizeof *sum16);
    const __m256i sums = load256(n < GROUP ? part : sum16);
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
}

/* Sums of one row with each column: two, so that the additions of successive blocks overlap. One column alone needs
 * them; with more there are the same two, for a product is summed in one order whatever other columns come with it. */
typedef struct small_sums {
    __m256 acc[EINF__MAX_DOT_COLS][2];
} small_sums;

/* Blocks [i, i + n) of a row, n <= GROUP; the first is at `block`. */
INLINE void add_group(einf__dtype type, int n_cols, small_sums *s, const uint8_t *block, const einf__cols *x, int64_t i,
                      int n, size_t ahead)
{
    const int64_t step = small_bytes(type);
    const __m256 d = group_halves(block, step, n);
    ask_ahead(block, ahead, GROUP * (int)step);
    float scale[EINF__MAX_DOT_COLS][GROUP]; /* d times the activations', by column and block */
    UNROLL for (int c = 0; c < n_cols; c++) {
        const __m256 dx = _mm256_maskload_ps(x->d + c * x->d_stride + i, first_lanes(n));
        _mm256_storeu_ps(scale[c], _mm256_mul_ps(d, dx));
        if (has_signed_codes(type)) continue;
        const __m256 offset = small_has_min(type) ? group_halves(block + 2, step, n)
                                                  : _mm256_mul_ps(d, _mm256_set1_ps(-(float)small_bias(type)));
        const __m256 sums = group_sums(x->sum16 + 2 * (c * x->d_stride + i), n);
        s->acc[c][0] = _mm256_fmadd_ps(_mm256_mul_ps(offset, dx), sums, s->acc[c][0]);
    }
    UNROLL for (int u = 0; u < GROUP; u++) {
        if (u >= n) break;
        const __m256i codes = small_codes(type, block + u * step);
        UNROLL for (int c = 0; c < n_cols; c++) {
            const __m256 products = products32(type, codes, x->q + c * x->q_stride + 32 * (i + u));
            __m256 *acc = &s->acc[c][u % 2];
            *acc = _mm256_fmadd_ps(products, _mm256_broadcast_ss(&scale[c][u]), *acc);
        }
    }
}

INLINE void small_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const int64_t n_blocks = n_in / 32, step = small_bytes(type);
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    const size_t ahead = ahead_beside(n_in);
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)w + (size_t)r * row_bytes;
        small_sums s;
        UNROLL for (int c = 0; c < n_cols; c++) s.acc[c][0] = s.acc[c][1] = _mm256_setzero_ps();
        int64_t i = 0;
        for (; i + GROUP <= n_blocks; i += GROUP)
            add_group(type, n_cols, &s, row + i * step, &cols, i, GROUP, ahead);
        if (i < n_blocks)
            add_group(type, n_cols, &s, row + i * step, &cols, i, (int)(n_blocks - i), ahead);
        UNROLL for (int c = 0; c < n_cols; c++)
            y[c * y_stride + r] = sum8(_mm256_add_ps(s.acc[c][0], s.acc[c][1]));
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
