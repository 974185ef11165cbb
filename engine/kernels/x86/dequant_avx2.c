/* SPDX-License-Identifier: MIT
 * dequant_avx2.c - to_f32 with AVX2: rows of weights as floats, for the panels of many columns.
 *
 * Bit-exact with the reference: a scale times a code is exact in f32, so the fused multiply-add rounds as it does.
 */
#include "engine/kernels/x86/unpack_avx2.h"

/* 32 signed codes; each half of 16 with its own scale and offset. */
INLINE void store_codes(float *y, __m256i codes, const __m256 scale[2], const __m256 offset[2])
{
    const __m128i half[2] = {_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1)};
    UNROLL for (int h = 0; h < 2; h++) {
        const __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half[h]));
        const __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(half[h], 8)));
        _mm256_storeu_ps(y + 16 * h, _mm256_fmadd_ps(low, scale[h], offset[h]));
        _mm256_storeu_ps(y + 16 * h + 8, _mm256_fmadd_ps(high, scale[h], offset[h]));
    }
}

INLINE void small_to_f32(einf__dtype type, float *y, const uint8_t *block, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32, block += small_bytes(type)) {
        const __m256 d = _mm256_set1_ps(half_to_float(load_u16(block)));
        const __m256 m = small_has_min(type) ? _mm256_set1_ps(half_to_float(load_u16(block + 2)))
                                             : _mm256_setzero_ps();
        const __m256i codes = _mm256_sub_epi8(small_codes(type, block), _mm256_set1_epi8((char)small_bias(type)));
        store_codes(y + i, codes, (const __m256[2]){d, d}, (const __m256[2]){m, m});
    }
}

INLINE __m256 widen8(__m128i int16s, float factor)
{
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(int16s)), _mm256_set1_ps(factor));
}

INLINE void super_to_f32(einf__dtype type, float *y, const uint8_t *block, int64_t n)
{
    for (int64_t i = 0; i < n; i += 256, block += super_bytes(type)) {
        const super s = super_open(type, block);
        float scale[2][8], offset[16]; /* by half and sub-block, and by group */
        UNROLL for (int h = 0; h < 2; h++) {
            const __m128i scales = h ? _mm256_extracti128_si256(s.scales, 1) : _mm256_castsi256_si128(s.scales);
            const __m128i mins = h ? _mm256_extracti128_si256(s.mins, 1) : _mm256_castsi256_si128(s.mins);
            _mm256_storeu_ps(scale[h], widen8(scales, s.d));
            _mm256_storeu_ps(offset + 8 * h, widen8(mins, s.min_factor));
        }
        UNROLL for (int j = 0; j < 8; j++) {
            const __m256i codes = _mm256_sub_epi8(super_codes(type, block, j),
                                                  _mm256_set1_epi8((char)super_bias(type)));
            const __m256 scales[2] = {_mm256_broadcast_ss(scale[0] + j), _mm256_broadcast_ss(scale[1] + j)};
            const __m256 offsets[2] = {_mm256_broadcast_ss(offset + 2 * j), _mm256_broadcast_ss(offset + 2 * j + 1)};
            store_codes(y + i + 32 * j, codes, scales, offsets);
        }
    }
}

INLINE void halves_to_f32(einf__dtype type, float *y, const uint8_t *w, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, load8(type, w + 2 * i));
    for (; i < n; i++) y[i] = load1(type, w + 2 * i);
}

/* X(family, enum, lower-case name). F32 is a copy, which the reference does well. */
#define TYPES(X) \
    X(halves, F16, f16) X(halves, BF16, bf16) \
    X(small, Q4_0, q4_0) X(small, Q4_1, q4_1) X(small, Q5_0, q5_0) X(small, Q5_1, q5_1) X(small, Q8_0, q8_0) \
    X(small, IQ4_NL, iq4_nl) \
    X(super, Q2_K, q2_k) X(super, Q3_K, q3_k) X(super, Q4_K, q4_k) X(super, Q5_K, q5_k) X(super, Q6_K, q6_k) \
    X(super, IQ4_XS, iq4_xs)

#define TO_F32(family, type, name) \
    static void to_f32_##name##_avx2(float *y, const void *w, int64_t n) \
    { \
        family##_to_f32(EINF__##type, y, w, n); \
    }
TYPES(TO_F32)

void einf__install_dequant_avx2(einf__kernels *k)
{
#define INSTALL(family, type, name) EINF__INSTALL_TYPED(k, to_f32, EINF__##type, to_f32_##name##_avx2);
    TYPES(INSTALL)
#undef INSTALL
}
