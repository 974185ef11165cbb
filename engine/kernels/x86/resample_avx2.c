/* SPDX-License-Identifier: MIT
 * resample_avx2.c - with AVX2, resampling of 8-bit pictures: weighted sums along a row, and of rows.
 *
 * A weight k of 24 bits is taken as high * 65536 + low, both signed 16 bits, so that VPMADDWD multiplies and adds two
 * taps at once: |255 * low| * 2 < 2^25. Sums of either half may wrap: what they add up to, modulo 2^32, is the sum.
 */
#include "engine/kernels/x86/kernels_avx2.h"

/* Two accumulators of one sum. */
typedef struct halves {
    __m256i low, high;
} halves;

INLINE halves add_products(halves sum, __m256i pixels, halves weights)
{
    sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(pixels, weights.low));
    sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(pixels, weights.high));
    return sum;
}

INLINE __m256i joined(halves sum)
{
    return _mm256_add_epi32(sum.low, _mm256_slli_epi32(sum.high, 16));
}

/* The halves of weights, at the places that `low` and `high` pick their bytes for. What the lower half, being signed,
 * takes too much goes to the upper one. */
INLINE halves split(__m256i k, __m256i low, __m256i high)
{
    const __m256i rounded = _mm256_add_epi32(k, _mm256_set1_epi32(0x8000));
    return (halves){_mm256_shuffle_epi8(k, low), _mm256_shuffle_epi8(rounded, high)};
}

/* --------------------------------------------------------------------------------------------- along a row -- */

/* Four taps of one output: pixels as pairs (tap 0, tap 1) in the lower lane and (2, 3) in the upper, R, G, B and a
 * zero. */
INLINE __m256i pair_pixels(const uint8_t *p)
{
    const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,
                                           6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load128(p)), pairs);
}

/* Their weights in the same places. */
INLINE halves pair_weights(const int32_t *weights)
{
    const __m256i low = _mm256_setr_epi8(0, 1, 4, 5, 0, 1, 4, 5, 0, 1, 4, 5, -1, -1, -1, -1,
                                         8, 9, 12, 13, 8, 9, 12, 13, 8, 9, 12, 13, -1, -1, -1, -1);
    const __m256i high = _mm256_setr_epi8(2, 3, 6, 7, 2, 3, 6, 7, 2, 3, 6, 7, -1, -1, -1, -1,
                                          10, 11, 14, 15, 10, 11, 14, 15, 10, 11, 14, 15, -1, -1, -1, -1);
    return split(_mm256_broadcastsi128_si256(load128(weights)), low, high);
}

/* Sum of R, G, B in lanes 0..2. */
INLINE __m128i joined_channels(halves sum)
{
    const __m256i s = joined(sum);
    const __m128i whole = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    return _mm_srai_epi32(_mm_add_epi32(whole, _mm_set1_epi32(EINF__RESAMPLE_HALF)), EINF__RESAMPLE_BITS);
}

/* One output pixel of n_rows rows, a constant in 1..4. */
INLINE void sum_pixel(__m128i out[4], const uint8_t *src, int64_t src_stride, const int n_rows, const int32_t *weights,
                      int64_t count, int64_t bytes_left)
{
    halves sums[4];
    UNROLL for (int r = 0; r < n_rows; r++) sums[r] = (halves){_mm256_setzero_si256(), _mm256_setzero_si256()};
    int64_t t = 0;
    for (; t < count && 3 * t + 16 <= bytes_left; t += 4) {
        const halves k = pair_weights(weights + t);
        UNROLL for (int r = 0; r < n_rows; r++)
            sums[r] = add_products(sums[r], pair_pixels(src + r * src_stride + 3 * t), k);
    }
    for (; t < count; t += 4) { /* where 16 bytes would reach over the end of the row */
        const halves k = pair_weights(weights + t);
        const int64_t n = bytes_left - 3 * t;
        UNROLL for (int r = 0; r < n_rows; r++) {
            uint8_t last[16] = {0};
            memcpy(last, src + r * src_stride + 3 * t, n < 16 ? (size_t)n : 16);
            sums[r] = add_products(sums[r], pair_pixels(last), k);
        }
    }
    UNROLL for (int r = 0; r < n_rows; r++) out[r] = joined_channels(sums[r]);
    UNROLL for (int r = n_rows; r < 4; r++) out[r] = _mm_setzero_si128();
}

INLINE void resample_some(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride, const int n_rows,
                          int64_t n_in, const einf__taps *taps)
{
    for (int64_t i = 0; i < taps->n_out; i++) {
        const int64_t first = taps->first[i];
        __m128i sums[4];
        sum_pixel(sums, src + 3 * first, src_stride, n_rows, taps->weights + i * taps->stride, taps->count[i],
                  3 * (n_in - first));
        const __m128i rgb = _mm_packus_epi16(_mm_packs_epi32(sums[0], sums[1]), _mm_packs_epi32(sums[2], sums[3]));
        uint8_t bytes[16]; /* of each row three and a zero, which the next pixel writes over */
        _mm_storeu_si128((__m128i *)(void *)bytes, rgb);
        const size_t n = i + 1 < taps->n_out ? 4 : 3;
        UNROLL for (int r = 0; r < n_rows; r++) memcpy(dst + r * dst_stride + 3 * i, bytes + 4 * r, n);
    }
}

static void resample_rows_avx2(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride,
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

/* Two weights, everywhere. */
INLINE halves spread_weights(__m128i two)
{
    const __m256i k = _mm256_broadcastq_epi64(two);
    const __m256i low = _mm256_set1_epi32(0x05040100), high = _mm256_set1_epi32(0x07060302);
    const __m256i odd = _mm256_setr_epi32(0, 0x08080808, 0, 0x08080808, 0, 0x08080808, 0, 0x08080808);
    return split(k, _mm256_add_epi8(low, odd), _mm256_add_epi8(high, odd));
}

/* 16 bytes of two rows. */
INLINE void add_rows(halves sums[2], const uint8_t *a, const uint8_t *b, halves k)
{
    const __m256i x = _mm256_cvtepu8_epi16(load128(a)), y = _mm256_cvtepu8_epi16(load128(b));
    sums[0] = add_products(sums[0], _mm256_unpacklo_epi16(x, y), k);
    sums[1] = add_products(sums[1], _mm256_unpackhi_epi16(x, y), k);
}

INLINE __m128i rounded16(const halves sums[2])
{
    const __m256i half = _mm256_set1_epi32(EINF__RESAMPLE_HALF);
    const __m256i a = _mm256_srai_epi32(_mm256_add_epi32(joined(sums[0]), half), EINF__RESAMPLE_BITS);
    const __m256i b = _mm256_srai_epi32(_mm256_add_epi32(joined(sums[1]), half), EINF__RESAMPLE_BITS);
    const __m256i words = _mm256_packs_epi32(a, b); /* undoes the unpacking */
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* n16 * 16 columns, n16 a constant of 1 or 2. */
INLINE void sum_columns(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights, int64_t n_taps,
                        const int n16)
{
    halves sums[2][2];
    UNROLL for (int i = 0; i < 2 * n16; i++)
        sums[i / 2][i % 2] = (halves){_mm256_setzero_si256(), _mm256_setzero_si256()};
    const uint8_t *row = src;
    int64_t t = 0;
    for (; t + 2 <= n_taps; t += 2, row += 2 * src_stride) {
        const halves k = spread_weights(_mm_loadl_epi64((const __m128i *)(const void *)(weights + t)));
        UNROLL for (int i = 0; i < n16; i++) add_rows(sums[i], row + 16 * i, row + src_stride + 16 * i, k);
    }
    if (t < n_taps) { /* the last one, and nothing of itself */
        const halves k = spread_weights(_mm_cvtsi32_si128(weights[t]));
        UNROLL for (int i = 0; i < n16; i++) add_rows(sums[i], row + 16 * i, row + 16 * i, k);
    }
    UNROLL for (int i = 0; i < n16; i++)
        _mm_storeu_si128((__m128i *)(void *)(dst + 16 * i), rounded16(sums[i]));
}

/* Fewer than 16 columns: from and to a place where 16 can be. */
static void sum_few_columns(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                            int64_t n_taps, int64_t n)
{
    const halves none = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    halves sums[2] = {none, none};
    uint8_t x[16] = {0};
    for (int64_t t = 0; t < n_taps; t++) {
        memcpy(x, src + t * src_stride, (size_t)n);
        add_rows(sums, x, x, spread_weights(_mm_cvtsi32_si128(weights[t])));
    }
    _mm_storeu_si128((__m128i *)(void *)x, rounded16(sums));
    memcpy(dst, x, (size_t)n);
}

static void resample_cols_avx2(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                               int64_t n_taps, int64_t n)
{
    if (n < 16) {
        sum_few_columns(dst, src, src_stride, weights, n_taps, n);
        return;
    }
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) sum_columns(dst + i, src + i, src_stride, weights, n_taps, 2);
    if (i + 16 <= n) sum_columns(dst + i, src + i, src_stride, weights, n_taps, 1);
    if (n % 16 != 0) sum_columns(dst + n - 16, src + n - 16, src_stride, weights, n_taps, 1); /* some once more */
}

void einf__install_resample_avx2(einf__kernels *k)
{
    EINF__INSTALL(k, resample_rows, resample_rows_avx2);
    EINF__INSTALL(k, resample_cols, resample_cols_avx2);
}
