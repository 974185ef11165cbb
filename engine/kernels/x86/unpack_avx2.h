/* SPDX-License-Identifier: MIT
 * unpack_avx2.h - private to the AVX2 files: the bits of every block format as vectors, shared by dots and to_f32.
 *
 * `type` is a constant at every call. A vector of codes holds 32 elements in the order of the row, so that activations
 * are loaded as they lie.
 */
#ifndef EINF_UNPACK_AVX2_H
#define EINF_UNPACK_AVX2_H

#include "engine/base/blocks.h"
#include "engine/kernels/x86/kernels_avx2.h"

/* 16 bytes of split halves: low nibbles are elements 0..15, high ones 16..31. */
INLINE __m256i nibbles32(const uint8_t *qs)
{
    const __m128i bytes = load128(qs);
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
}

/* 0xff in byte e where bit e of the little-endian word at p is set. */
INLINE __m256i bits32(const uint8_t *p)
{
    const __m256i spread = _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101, 0x0202020202020202,
                                              0x0303030303030303);
    const __m256i word = _mm256_shuffle_epi8(_mm256_set1_epi32((int)load_u32(p)), spread);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    return _mm256_cmpeq_epi8(_mm256_and_si256(word, bit), bit);
}

INLINE __m256i iq4_levels(__m256i nibbles)
{
    static const int8_t levels[16] = EINF__IQ4_LEVELS;
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load128(levels)), nibbles);
}

/* ------------------------------------------------------------------------------------------ blocks of 32 -- */

/* What is stored too high: such codes are unsigned, as are those of formats with minima. */
INLINE int small_bias(einf__dtype type)
{
    return type == EINF__Q4_0 ? 8 : type == EINF__Q5_0 ? 16 : 0;
}

/* Codes that are negative as they come. */
INLINE bool has_signed_codes(einf__dtype type)
{
    return type == EINF__Q8_0 || type == EINF__IQ4_NL || type == EINF__IQ4_XS;
}

/* Codes of a block, too high by small_bias. Every such format begins with its scale d; Q4_1 and Q5_1 add an m. */
INLINE __m256i small_codes(einf__dtype type, const uint8_t *block)
{
    const __m256i sixteen = _mm256_set1_epi8(16);
    switch ((int)type) {
    case EINF__Q4_0:
        return nibbles32(block + offsetof(einf__block_q4_0, qs));
    case EINF__Q4_1:
        return nibbles32(block + offsetof(einf__block_q4_1, qs));
    case EINF__Q5_0:
        return _mm256_or_si256(nibbles32(block + offsetof(einf__block_q5_0, qs)),
                               _mm256_and_si256(bits32(block + offsetof(einf__block_q5_0, qh)), sixteen));
    case EINF__Q5_1:
        return _mm256_or_si256(nibbles32(block + offsetof(einf__block_q5_1, qs)),
                               _mm256_and_si256(bits32(block + offsetof(einf__block_q5_1, qh)), sixteen));
    case EINF__IQ4_NL:
        return iq4_levels(nibbles32(block + offsetof(einf__block_iq4_nl, qs)));
    default:
        return load256(block + offsetof(einf__block_q8_0, qs));
    }
}

INLINE bool small_has_min(einf__dtype type)
{
    return type == EINF__Q4_1 || type == EINF__Q5_1;
}

INLINE int64_t small_bytes(einf__dtype type)
{
    return type == EINF__Q4_1   ? (int64_t)sizeof(einf__block_q4_1)
           : type == EINF__Q5_0 ? (int64_t)sizeof(einf__block_q5_0)
           : type == EINF__Q5_1 ? (int64_t)sizeof(einf__block_q5_1)
           : type == EINF__Q8_0 ? (int64_t)sizeof(einf__block_q8_0)
                                : (int64_t)sizeof(einf__block_q4_0); /* and IQ4_NL */
}

/* ----------------------------------------------------------------------------------------- blocks of 256 -- */

/* The head of a superblock of eight sub-blocks of 32, each of two groups of 16:
 * element = d * scale * (code - bias) + min_factor * min. */
typedef struct super {
    __m256i scales; /* int16: lane h, element j: scale of group 2 j + h */
    __m256i mins;   /* int16[16] by group; only with super_has_mins */
    float d, min_factor;
} super;

/* What is stored too high: such codes are unsigned. */
INLINE int super_bias(einf__dtype type)
{
    return type == EINF__Q6_K ? 32 : type == EINF__Q3_K ? 4 : 0;
}

INLINE bool super_has_mins(einf__dtype type)
{
    return type == EINF__Q2_K || type == EINF__Q4_K || type == EINF__Q5_K;
}

INLINE int64_t super_bytes(einf__dtype type)
{
    return type == EINF__Q2_K     ? (int64_t)sizeof(einf__block_q2_k)
           : type == EINF__Q3_K   ? (int64_t)sizeof(einf__block_q3_k)
           : type == EINF__Q4_K   ? (int64_t)sizeof(einf__block_q4_k)
           : type == EINF__Q5_K   ? (int64_t)sizeof(einf__block_q5_k)
           : type == EINF__IQ4_XS ? (int64_t)sizeof(einf__block_iq4_xs)
                                  : (int64_t)sizeof(einf__block_q6_k);
}

/* 16 bytes by group to the two lanes of super.scales. */
INLINE __m256i split_groups(__m128i bytes)
{
    const __m128i even_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, even_odd));
}

/* Q4_K, Q5_K: eight pairs of six bits in three words; each byte of a word is a number of its own. */
INLINE void open_k4(super *s, const uint8_t *scales)
{
    const uint32_t a = load_u32(scales), b = load_u32(scales + 4), c = load_u32(scales + 8);
    const uint32_t scale_high = (c & 0x0f0f0f0fu) | (a >> 2 & 0x30303030u);
    const uint32_t min_high = (c >> 4 & 0x0f0f0f0fu) | (b >> 2 & 0x30303030u);
    const uint64_t scale = (a & 0x3f3f3f3fu) | (uint64_t)scale_high << 32;
    const uint64_t min = (b & 0x3f3f3f3fu) | (uint64_t)min_high << 32;
    const __m128i mins = _mm_cvtsi64_si128((int64_t)min);
    s->scales = _mm256_broadcastsi128_si256(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((int64_t)scale)));
    s->mins = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(mins, mins));
}

INLINE void open_q3_k(super *s, const uint8_t *scales)
{
    const __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)scales);
    const __m128i nibbles = _mm_and_si128(_mm_unpacklo_epi64(low, _mm_srli_epi16(low, 4)), _mm_set1_epi8(15));
    const __m128i planes = _mm_srlv_epi32(_mm_set1_epi32((int)load_u32(scales + 8)), _mm_setr_epi32(0, 2, 4, 6));
    const __m128i high = _mm_slli_epi16(_mm_and_si128(planes, _mm_set1_epi8(3)), 4);
    s->scales = split_groups(_mm_sub_epi8(_mm_or_si128(nibbles, high), _mm_set1_epi8(32)));
}

INLINE void open_iq4_xs(super *s, const einf__block_iq4_xs *b)
{
    const __m256i by4 = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28), by2 = _mm256_srli_epi32(by4, 1);
    const __m256i low = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((int)load_u32(b->scales_l)), by4),
                                         _mm256_set1_epi32(15));
    const __m256i high = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(b->scales_h), by2),
                                          _mm256_set1_epi32(3));
    const __m256i both = _mm256_sub_epi32(_mm256_or_si256(low, _mm256_slli_epi32(high, 4)), _mm256_set1_epi32(32));
    s->scales = _mm256_broadcastsi128_si256(
        _mm_packs_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)));
}

INLINE super super_open(einf__dtype type, const uint8_t *block)
{
    super s = {_mm256_setzero_si256(), _mm256_setzero_si256(), 0.0f, 0.0f};
    switch ((int)type) {
    case EINF__Q2_K: {
        const einf__block_q2_k *b = (const void *)block;
        const __m128i bytes = load128(b->scales), low = _mm_set1_epi8(15);
        s.scales = split_groups(_mm_and_si128(bytes, low));
        s.mins = _mm256_cvtepi8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), low));
        s.d = half_to_float(b->d), s.min_factor = -half_to_float(b->dmin);
        break;
    }
    case EINF__Q3_K: {
        const einf__block_q3_k *b = (const void *)block;
        open_q3_k(&s, b->scales);
        s.d = half_to_float(b->d);
        break;
    }
    case EINF__Q4_K: {
        const einf__block_q4_k *b = (const void *)block;
        open_k4(&s, b->scales);
        s.d = half_to_float(b->d), s.min_factor = -half_to_float(b->dmin);
        break;
    }
    case EINF__Q5_K: {
        const einf__block_q5_k *b = (const void *)block;
        open_k4(&s, b->scales);
        s.d = half_to_float(b->d), s.min_factor = -half_to_float(b->dmin);
        break;
    }
    case EINF__IQ4_XS: {
        const einf__block_iq4_xs *b = (const void *)block;
        open_iq4_xs(&s, b);
        s.d = half_to_float(b->d);
        break;
    }
    default: {
        const einf__block_q6_k *b = (const void *)block;
        s.scales = split_groups(load128(b->scales));
        s.d = half_to_float(b->d);
        break;
    }
    }
    return s;
}

/* Byte planes: bits [from, from + 2) or one bit of each byte moved to bit `to`, the rest masked off. */
INLINE __m256i move_bits(__m256i v, int from, int to, int mask)
{
    const __m256i moved = from > to ? _mm256_srli_epi16(v, from - to) : _mm256_slli_epi16(v, to - from);
    return _mm256_and_si256(moved, _mm256_set1_epi8((char)mask));
}

/* Codes of sub-block j, a constant: too high by super_bias. */
INLINE __m256i super_codes(einf__dtype type, const uint8_t *block, int j)
{
    switch ((int)type) {
    case EINF__Q2_K: {
        const einf__block_q2_k *b = (const void *)block;
        return move_bits(load256(b->qs + 32 * (j / 4)), 2 * (j % 4), 0, 3);
    }
    case EINF__Q3_K: {
        const einf__block_q3_k *b = (const void *)block;
        return _mm256_or_si256(move_bits(load256(b->qs + 32 * (j / 4)), 2 * (j % 4), 0, 3),
                               move_bits(load256(b->hmask), j, 2, 4));
    }
    case EINF__Q4_K: {
        const einf__block_q4_k *b = (const void *)block;
        return move_bits(load256(b->qs + 32 * (j / 2)), 4 * (j % 2), 0, 15);
    }
    case EINF__Q5_K: {
        const einf__block_q5_k *b = (const void *)block;
        return _mm256_or_si256(move_bits(load256(b->qs + 32 * (j / 2)), 4 * (j % 2), 0, 15),
                               move_bits(load256(b->qh), j, 4, 16));
    }
    case EINF__IQ4_XS: {
        const einf__block_iq4_xs *b = (const void *)block;
        return iq4_levels(nibbles32(b->qs + 16 * j));
    }
    default: {
        const einf__block_q6_k *b = (const void *)block;
        const int half = j / 4, plane = j % 4;
        return _mm256_or_si256(move_bits(load256(b->ql + 64 * half + 32 * (plane % 2)), 4 * (plane / 2), 0, 15),
                               move_bits(load256(b->qh + 32 * half), 2 * plane, 4, 0x30));
    }
    }
}

#endif
