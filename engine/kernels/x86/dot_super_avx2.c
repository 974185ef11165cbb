/* SPDX-License-Identifier: MIT
 * dot_super_avx2.c - row dots with AVX2 for formats in superblocks of 256: Q2_K to Q6_K, IQ4_XS.
 *
 * The integer scale of a group of 16 is multiplied in integers (pmaddwd), so a sub-block of 32 costs one conversion
 * and one multiply-add with the activations' scale; d comes once a superblock. What the codes are too high, minima
 * or a bias, meets the activations' sums in one pmaddwd a superblock. A product of a row and a column is summed in one
 * order, whatever other columns come with it.
 */
#include "engine/kernels/x86/dot_template_avx2.h"
#include "engine/kernels/x86/unpack_avx2.h"

/* int16 element j of either lane, eight times. */
INLINE __m256i spread_scale(__m256i scales, int j)
{
    return _mm256_shuffle_epi8(scales, _mm256_set1_epi16((short)(0x0100 + 0x0202 * j)));
}

/* Scaled products of sub-block j with one column. Ranges: codes up to 63 (Q6_K): pair within 2 * 63 * 127 = 16002, or
 * levels up to 127 (IQ4_XS): 2 * 127 * 127 = 32258; neither saturates. Times |scale| <= 128 (Q6_K) or 63, and added
 * in twos: below 4.1e6, exact in f32 as well. */
INLINE __m256 products32(einf__dtype type, __m256i codes, __m256i scale, const int8_t *q)
{
    const __m256i x = load256(q);
    const __m256i pairs = has_signed_codes(type)
                              ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes))
                              : _mm256_maddubs_epi16(codes, x);
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, scale));
}

/* Per group of 16: the sum of activations times what each code lacks. |sum16| <= 2032, |min| <= 128: exact. */
INLINE __m256 correction(einf__dtype type, const super *s, const int16_t *sum16)
{
    const __m256i sums = load256(sum16);
    if (super_has_mins(type)) return _mm256_cvtepi32_ps(_mm256_madd_epi16(s->mins, sums));
    /* Biased codes: the scales are what is needed, by group: interleave the lanes of super.scales again. */
    const __m128i even = _mm256_castsi256_si128(s->scales), odd = _mm256_extracti128_si256(s->scales, 1);
    const __m256i scales = _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(scales, sums));
}

/* Sub-blocks [4 h, 4 h + 4) of the superblock at element i, times all columns: acc += W x. A half begins sums of its
 * own: short chains of multiply-adds, for which the other half does not wait, in as many registers as columns. */
INLINE void add_half(einf__dtype type, int n_cols, int h, __m256 *acc, const super *s, const uint8_t *block,
                     const einf__cols *x, int64_t i)
{
    __m256 part[EINF__MAX_DOT_COLS];
    UNROLL for (int c = 0; c < n_cols; c++) part[c] = _mm256_setzero_ps();
    UNROLL for (int j = 4 * h; j < 4 * h + 4; j++) {
        const __m256i codes = super_codes(type, block, j), scale = spread_scale(s->scales, j);
        UNROLL for (int c = 0; c < n_cols; c++) {
            const __m256 products = products32(type, codes, scale, x->q + c * x->q_stride + i + 32 * j);
            part[c] = _mm256_fmadd_ps(products, _mm256_broadcast_ss(x->d + c * x->d_stride + i / 32 + j), part[c]);
        }
    }
    UNROLL for (int c = 0; c < n_cols; c++) acc[c] = _mm256_fmadd_ps(part[c], _mm256_set1_ps(s->d), acc[c]);
}

INLINE void super_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    const size_t ahead = ahead_beside(n_in);
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *block = (const uint8_t *)w + (size_t)r * row_bytes;
        __m256 acc[EINF__MAX_DOT_COLS];
        UNROLL for (int c = 0; c < n_cols; c++) acc[c] = _mm256_setzero_ps();
        for (int64_t i = 0; i < n_in; i += 256, block += super_bytes(type)) {
            const super s = super_open(type, block);
            ask_ahead(block, ahead, (int)super_bytes(type));
            add_half(type, n_cols, 0, acc, &s, block, &cols, i);
            add_half(type, n_cols, 1, acc, &s, block, &cols, i);
            const float factor = super_has_mins(type) ? s.min_factor : -(float)super_bias(type) * s.d;
            UNROLL for (int c = 0; c < n_cols; c++) {
                if (has_signed_codes(type)) continue; /* nothing lacks */
                const __m256 dx = _mm256_loadu_ps(cols.d + c * cols.d_stride + i / 32);
                const __m256 lack = correction(type, &s, cols.sum16 + 2 * c * cols.d_stride + i / 16);
                acc[c] = _mm256_fmadd_ps(_mm256_mul_ps(lack, dx), _mm256_set1_ps(factor), acc[c]);
            }
        }
        UNROLL for (int c = 0; c < n_cols; c++) y[c * y_stride + r] = sum8(acc[c]);
    }
}

#define TYPES(X) \
    X(super, Q2_K, q2_k) X(super, Q3_K, q3_k) X(super, Q4_K, q4_k) X(super, Q5_K, q5_k) X(super, Q6_K, q6_k) \
    X(super, IQ4_XS, iq4_xs)

TYPES(DOT)

void einf__install_dot_super_avx2(einf__kernels *k)
{
    TYPES(INSTALL_DOT)
}
