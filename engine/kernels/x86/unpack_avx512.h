/* SPDX-License-Identifier: MIT
 * unpack_avx512.h - private to the VNNI dots: 256 elements of a row as four vectors of unsigned codes, with what
 * scales them.
 *
 * A unit is one superblock, or eight blocks of 32: eight subs of 32 elements, each of two halves of 16. Its vectors are
 * { first halves, second halves } of four subs, then of the other four: lane p of codes[0] and [1] is sub order[2 p],
 * of codes[2] and [3] sub order[2 p + 1]. Both halves of a sub thus meet in the same lanes, which is what lets a byte
 * product go on with the sum of the one before; activations are put in this order once for all rows
 * (dot_coded_vnni512.c). order is 0..7, but of Q6_K, whose bytes lie otherwise: 0, 2, 1, 3, 4, 6, 5, 7.
 *
 *     element = factor * scale * code + lack        by sub, or by half where scales or minima are
 *
 * `type` is a constant at every call.
 */
#ifndef EINF_UNPACK_AVX512_H
#define EINF_UNPACK_AVX512_H

#include "engine/base/blocks.h"
#include "engine/kernels/x86/kernels_avx512.h"

enum {
    UNIT = 256, /* elements */
    UNIT_SUBS = 8
};

typedef struct unit {
    __m512i codes[4];
    __m512i scale[2]; /* int16, lane p: four of sub order[2 p], four of the next; [1]: of second halves, where they
                       * have scales of their own */
    __m512 factor;    /* lane i: of sub order[i / 2] */
    __m512 lack;      /* lane i: of half i, in the row's order; only of types without wide codes */
} unit;

/* -------------------------------------------------------------------------------------- what types are like -- */

/* Blocks of 32: a unit is eight of them. */
INLINE bool is_small(einf__dtype type)
{
    return type == EINF__Q4_0 || type == EINF__Q4_1 || type == EINF__Q5_0 || type == EINF__Q5_1 ||
           type == EINF__Q8_0 || type == EINF__IQ4_NL;
}

/* Signed bytes, here 128 too high: too wide for sums of 16 bits; the activations' side makes up for the 128. */
INLINE bool has_wide_codes(einf__dtype type)
{
    return type == EINF__Q8_0 || type == EINF__IQ4_NL || type == EINF__IQ4_XS;
}

/* An integer scale for each half, not for each sub. */
INLINE bool has_half_scales(einf__dtype type)
{
    return type == EINF__Q2_K || type == EINF__Q3_K || type == EINF__Q6_K;
}

INLINE int64_t block_bytes(einf__dtype type)
{
    switch ((int)type) {
    case EINF__Q4_0: return (int64_t)sizeof(einf__block_q4_0);
    case EINF__Q4_1: return (int64_t)sizeof(einf__block_q4_1);
    case EINF__Q5_0: return (int64_t)sizeof(einf__block_q5_0);
    case EINF__Q5_1: return (int64_t)sizeof(einf__block_q5_1);
    case EINF__Q8_0: return (int64_t)sizeof(einf__block_q8_0);
    case EINF__IQ4_NL: return (int64_t)sizeof(einf__block_iq4_nl);
    case EINF__Q2_K: return (int64_t)sizeof(einf__block_q2_k);
    case EINF__Q3_K: return (int64_t)sizeof(einf__block_q3_k);
    case EINF__Q4_K: return (int64_t)sizeof(einf__block_q4_k);
    case EINF__Q5_K: return (int64_t)sizeof(einf__block_q5_k);
    case EINF__Q6_K: return (int64_t)sizeof(einf__block_q6_k);
    default: return (int64_t)sizeof(einf__block_iq4_xs);
    }
}

INLINE int64_t unit_bytes(einf__dtype type)
{
    return is_small(type) ? UNIT_SUBS * block_bytes(type) : block_bytes(type);
}

/* ------------------------------------------------------------------------------------------------- vectors -- */

INLINE __m512i splat128(const void *p)
{
    return _mm512_broadcast_i32x4(load128(p));
}

INLINE __m512 splat_half(uint16_t h)
{
    return _mm512_set1_ps(half_to_float(h));
}

/* A count for the dwords of each lane. */
INLINE __m512i by_lane(int a, int b, int c, int d)
{
    return _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d);
}

/* Lanes 0 and 2 of a, then of b; and lanes 1 and 3. */
INLINE __m512i even_lanes(__m512i a, __m512i b)
{
    return _mm512_shuffle_i32x4(a, b, 0x88);
}

INLINE __m512i odd_lanes(__m512i a, __m512i b)
{
    return _mm512_shuffle_i32x4(a, b, 0xdd);
}

/* The low and the high nibble of each byte. */
INLINE __m512i low4(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

INLINE __m512i high4(__m512i v)
{
    return low4(_mm512_srli_epi16(v, 4));
}

/* codes with the bits of v under mask, after a turn of each dword by `left`: bits that cross bytes are masked off. */
INLINE __m512i with_bits(__m512i codes, __m512i v, __m512i left, int mask)
{
    return _mm512_ternarylogic_epi32(codes, _mm512_rolv_epi32(v, left), _mm512_set1_epi8((char)mask), 0xf8);
}

/* 16 lanes from eight: each twice. */
INLINE __m512 twice(__m256 v)
{
    const __m512i pairs = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(pairs, _mm512_castps256_ps512(v));
}

/* The half at p in each of eight blocks, each twice. Put together in general registers, which have nothing to do. */
INLINE __m512 halves_twice(const uint8_t *p, int64_t step)
{
    uint64_t h[2];
    for (int i = 0; i < 2; i++, p += 4 * step)
        h[i] = load_u16(p) | (uint64_t)load_u16(p + step) << 16 | (uint64_t)load_u16(p + 2 * step) << 32 |
               (uint64_t)load_u16(p + 3 * step) << 48;
    const __m128i v = _mm_set_epi64x((int64_t)h[1], (int64_t)h[0]);
    return _mm512_cvtph_ps(_mm256_set_m128i(_mm_unpackhi_epi16(v, v), _mm_unpacklo_epi16(v, v)));
}

/* ---------------------------------------------------------------------------------------------- 32 by block -- */

/* 16 bytes at p in every second of eight blocks. */
INLINE __m512i four_blocks(const uint8_t *p, int64_t step)
{
    const __m256i a = _mm256_inserti128_si256(_mm256_castsi128_si256(load128(p)), load128(p + 2 * step), 1);
    const __m256i b = _mm256_inserti128_si256(_mm256_castsi128_si256(load128(p + 4 * step)), load128(p + 6 * step), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* Nibbles of four subs whose 16 bytes are the lanes of each of two vectors. */
INLINE void nibbles(unit *u, __m512i even, __m512i odd)
{
    u->codes[0] = low4(even), u->codes[1] = high4(even);
    u->codes[2] = low4(odd), u->codes[3] = high4(odd);
}

/* Fifth bits: bit e of a block's word is element e. */
INLINE void fifth_bits(unit *u, const uint8_t *p, int64_t step)
{
    const __m512i sixteen = _mm512_set1_epi8(16);
    UNROLL for (int odd = 0; odd < 2; odd++, p += step) {
        const uint64_t a = load_u32(p), b = load_u32(p + 2 * step), c = load_u32(p + 4 * step),
                       d = load_u32(p + 6 * step), low = 0xffff;
        const uint64_t first = (a & low) | (b & low) << 16 | (c & low) << 32 | d << 48;
        const uint64_t second = a >> 16 | b >> 16 << 16 | c >> 16 << 32 | d >> 16 << 48;
        __m512i *codes = u->codes + 2 * odd;
        codes[0] = _mm512_mask_add_epi8(codes[0], first, codes[0], sixteen);
        codes[1] = _mm512_mask_add_epi8(codes[1], second, codes[1], sixteen);
    }
}

/* Two blocks side by side, and the two after the next. */
INLINE void bytes_of(__m512i codes[2], const uint8_t *p, int64_t step)
{
    const __m512i a = _mm512_inserti64x4(_mm512_castsi256_si512(load256(p)), load256(p + 2 * step), 1);
    const __m512i b = _mm512_inserti64x4(_mm512_castsi256_si512(load256(p + 4 * step)), load256(p + 6 * step), 1);
    const __m512i sign = _mm512_set1_epi8((char)0x80);
    codes[0] = _mm512_xor_si512(even_lanes(a, b), sign);
    codes[1] = _mm512_xor_si512(odd_lanes(a, b), sign);
}

/* Indices into the levels, as levels 128 too high. */
INLINE void levels(unit *u)
{
    static const int8_t table[16] = EINF__IQ4_LEVELS;
    const __m512i high = _mm512_xor_si512(splat128(table), _mm512_set1_epi8((char)0x80));
    UNROLL for (int i = 0; i < 4; i++) u->codes[i] = _mm512_shuffle_epi8(high, u->codes[i]);
}

INLINE void open_small(einf__dtype type, unit *u, const uint8_t *block)
{
    const int64_t step = block_bytes(type);
    const bool has_min = type == EINF__Q4_1 || type == EINF__Q5_1, has_fifth = type == EINF__Q5_0 || type == EINF__Q5_1;
    const uint8_t *bits = block + (has_min ? 4 : 2), *qs = bits + (has_fifth ? 4 : 0);
    u->factor = halves_twice(block, step);
    u->scale[0] = _mm512_set1_epi16(1);
    if (has_min) u->lack = halves_twice(block + 2, step);
    else u->lack = _mm512_mul_ps(u->factor, _mm512_set1_ps(has_fifth ? -16.0f : -8.0f));
    if (type == EINF__Q8_0) {
        bytes_of(u->codes, qs, step);
        bytes_of(u->codes + 2, qs + step, step);
        return;
    }
    nibbles(u, four_blocks(qs, step), four_blocks(qs + step, step));
    if (has_fifth) fifth_bits(u, bits, step);
    if (type == EINF__IQ4_NL) levels(u);
}

/* --------------------------------------------------------------------------------------- scales of 256-blocks -- */

/* A byte for each sub, all below 128, to int16 of the lanes. */
INLINE __m512i spread_subs(uint64_t bytes)
{
    const __m512i sub = _mm512_setr_epi64((int64_t)0x8000800080008000, (int64_t)0x8001800180018001,
                                          (int64_t)0x8002800280028002, (int64_t)0x8003800380038003,
                                          (int64_t)0x8004800480048004, (int64_t)0x8005800580058005,
                                          (int64_t)0x8006800680068006, (int64_t)0x8007800780078007);
    return _mm512_shuffle_epi8(_mm512_set1_epi64((int64_t)bytes), sub);
}

/* The same bytes as floats, each twice. */
INLINE __m512 subs_twice(uint64_t bytes)
{
    const __m512i sub = _mm512_add_epi32(_mm512_set1_epi32((int)0x80808000),
                                         _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));
    return _mm512_cvtepi32_ps(_mm512_shuffle_epi8(_mm512_set1_epi64((int64_t)bytes), sub));
}

/* A signed byte for each half. */
INLINE void half_scales(einf__dtype type, unit *u, __m128i bytes)
{
    const __m512i first =
        type == EINF__Q6_K
            ? _mm512_setr_epi64(0x0000000000000000, 0x0004000400040004, 0x0002000200020002, 0x0006000600060006,
                                0x0008000800080008, 0x000c000c000c000c, 0x000a000a000a000a, 0x000e000e000e000e)
            : _mm512_setr_epi64(0x0000000000000000, 0x0002000200020002, 0x0004000400040004, 0x0006000600060006,
                                0x0008000800080008, 0x000a000a000a000a, 0x000c000c000c000c, 0x000e000e000e000e);
    const __m512i words = _mm512_castsi256_si512(_mm256_cvtepi8_epi16(bytes));
    u->scale[0] = _mm512_permutexvar_epi16(first, words);
    u->scale[1] = _mm512_permutexvar_epi16(_mm512_add_epi16(first, _mm512_set1_epi16(1)), words);
}

INLINE __m512 half_floats(__m128i bytes)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}

/* Q4_K, Q5_K: eight pairs of six bits in three words; each byte of a word is a number of its own. */
INLINE void open_k4(unit *u, uint16_t d, uint16_t dmin, const uint8_t *scales)
{
    const uint32_t a = load_u32(scales), b = load_u32(scales + 4), c = load_u32(scales + 8);
    const uint32_t scale_high = (c & 0x0f0f0f0fu) | (a >> 2 & 0x30303030u);
    const uint32_t min_high = (c >> 4 & 0x0f0f0f0fu) | (b >> 2 & 0x30303030u);
    u->scale[0] = spread_subs((a & 0x3f3f3f3fu) | (uint64_t)scale_high << 32);
    u->factor = splat_half(d);
    /* dmin with its sign turned */
    u->lack = _mm512_mul_ps(subs_twice((b & 0x3f3f3f3fu) | (uint64_t)min_high << 32), splat_half(dmin ^ 0x8000u));
}

/* Six bits for each half, 32 too high: nibbles in eight bytes, pairs of bits in four. */
INLINE __m128i q3_k_scales(const uint8_t *scales)
{
    const __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)scales);
    const __m128i low_bits = _mm_and_si128(_mm_unpacklo_epi64(low, _mm_srli_epi16(low, 4)), _mm_set1_epi8(15));
    const __m128i planes = _mm_srlv_epi32(_mm_set1_epi32((int)load_u32(scales + 8)), _mm_setr_epi32(0, 2, 4, 6));
    const __m128i high_bits = _mm_slli_epi16(_mm_and_si128(planes, _mm_set1_epi8(3)), 4);
    return _mm_sub_epi8(_mm_or_si128(low_bits, high_bits), _mm_set1_epi8(32));
}

/* Six bits for each sub, 32 too high, each times d. */
INLINE __m512 iq4_xs_factors(const einf__block_iq4_xs *b)
{
    const __m256i by4 = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28), by2 = _mm256_srli_epi32(by4, 1);
    const __m256i low = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((int)load_u32(b->scales_l)), by4),
                                         _mm256_set1_epi32(15));
    const __m256i high = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(b->scales_h), by2),
                                          _mm256_set1_epi32(3));
    const __m256i both = _mm256_sub_epi32(_mm256_or_si256(low, _mm256_slli_epi32(high, 4)), _mm256_set1_epi32(32));
    return _mm512_mul_ps(twice(_mm256_cvtepi32_ps(both)), splat_half(b->d));
}

/* ---------------------------------------------------------------------------------------- codes of 256-blocks -- */

/* Four subs of two bits in each of two times 32 bytes. */
INLINE void pairs_of_bits(unit *u, const uint8_t *qs)
{
    const __m512i v = load512(qs), three = _mm512_set1_epi8(3);
    const __m512i half[2] = {_mm512_shuffle_i32x4(v, v, 0xa0), _mm512_shuffle_i32x4(v, v, 0xf5)};
    UNROLL for (int h = 0; h < 2; h++) {
        u->codes[h] = _mm512_and_si512(_mm512_srlv_epi32(half[h], by_lane(0, 4, 0, 4)), three);
        u->codes[2 + h] = _mm512_and_si512(_mm512_srlv_epi32(half[h], by_lane(2, 6, 2, 6)), three);
    }
}

/* Two subs of nibbles in each of four times 32 bytes. */
INLINE void nibbles_of_pairs(unit *u, const uint8_t *qs)
{
    const __m512i a = load512(qs), b = load512(qs + 64), first = even_lanes(a, b), second = odd_lanes(a, b);
    u->codes[0] = low4(first), u->codes[1] = low4(second);
    u->codes[2] = high4(first), u->codes[3] = high4(second);
}

/* Bit j of 32 bytes, of sub j, goes to bit `to` of the codes. */
INLINE void bits_of_subs(unit *u, const uint8_t *bits, int to)
{
    const __m512i half[2] = {splat128(bits), splat128(bits + 16)};
    UNROLL for (int h = 0; h < 2; h++) {
        u->codes[h] = with_bits(u->codes[h], half[h], by_lane(to, to - 2, to - 4, to - 6), 1 << to);
        u->codes[2 + h] = with_bits(u->codes[2 + h], half[h], by_lane(to - 1, to - 3, to - 5, to - 7), 1 << to);
    }
}

/* Q6_K: of each half block, low nibbles are subs 0 and 1, high ones subs 2 and 3, the bits above in pairs. */
INLINE void codes_q6_k(unit *u, const einf__block_q6_k *b)
{
    nibbles_of_pairs(u, b->ql);
    const __m512i v = load512(b->qh);
    const __m512i half[2] = {_mm512_shuffle_i32x4(v, v, 0xa0), _mm512_shuffle_i32x4(v, v, 0xf5)};
    UNROLL for (int h = 0; h < 2; h++) {
        u->codes[h] = with_bits(u->codes[h], half[h], by_lane(4, 2, 4, 2), 0x30);
        u->codes[2 + h] = with_bits(u->codes[2 + h], half[h], by_lane(0, -2, 0, -2), 0x30);
    }
}

/* ---------------------------------------------------------------------------------------------------- units -- */

INLINE void open_super(einf__dtype type, unit *u, const uint8_t *block)
{
    switch ((int)type) {
    case EINF__Q2_K: {
        const einf__block_q2_k *b = (const void *)block;
        const __m128i bytes = load128(b->scales), low = _mm_set1_epi8(15);
        pairs_of_bits(u, b->qs);
        half_scales(type, u, _mm_and_si128(bytes, low));
        u->factor = splat_half(b->d);
        u->lack = _mm512_mul_ps(half_floats(_mm_and_si128(_mm_srli_epi16(bytes, 4), low)),
                                splat_half(b->dmin ^ 0x8000u));
        break;
    }
    case EINF__Q3_K: {
        const einf__block_q3_k *b = (const void *)block;
        const __m128i scales = q3_k_scales(b->scales);
        pairs_of_bits(u, b->qs);
        bits_of_subs(u, b->hmask, 2);
        half_scales(type, u, scales);
        u->factor = splat_half(b->d);
        u->lack = _mm512_mul_ps(half_floats(scales), _mm512_mul_ps(u->factor, _mm512_set1_ps(-4.0f)));
        break;
    }
    case EINF__Q4_K: {
        const einf__block_q4_k *b = (const void *)block;
        nibbles_of_pairs(u, b->qs);
        open_k4(u, b->d, b->dmin, b->scales);
        break;
    }
    case EINF__Q5_K: {
        const einf__block_q5_k *b = (const void *)block;
        nibbles_of_pairs(u, b->qs);
        bits_of_subs(u, b->qh, 4);
        open_k4(u, b->d, b->dmin, b->scales);
        break;
    }
    case EINF__Q6_K: {
        const einf__block_q6_k *b = (const void *)block;
        const __m128i scales = load128(b->scales);
        codes_q6_k(u, b);
        half_scales(type, u, scales);
        u->factor = splat_half(b->d);
        u->lack = _mm512_mul_ps(half_floats(scales), _mm512_mul_ps(u->factor, _mm512_set1_ps(-32.0f)));
        break;
    }
    default: {
        const einf__block_iq4_xs *b = (const void *)block;
        const __m512i low = load512(b->qs), high = load512(b->qs + 64);
        nibbles(u, even_lanes(low, high), odd_lanes(low, high));
        levels(u);
        u->factor = iq4_xs_factors(b);
        break;
    }
    }
}

/* The unit at `block`. */
INLINE void unit_open(einf__dtype type, unit *u, const uint8_t *block)
{
    if (is_small(type)) open_small(type, u, block);
    else open_super(type, u, block);
}

#endif
