/* SPDX-License-Identifier: MIT
 * unpack_neon.h - private to the ARM files: the bits of every block format as vectors, shared by dots and to_f32.
 *
 * `type` is a constant at every call. Codes come as two vectors of 16 elements in the order of the row, already signed:
 * the dot product instructions multiply signed bytes, and all columns of a call share the subtraction.
 */
#ifndef EINF_UNPACK_NEON_H
#define EINF_UNPACK_NEON_H

#include "engine/base/blocks.h"
#include "engine/kernels/arm/kernels_neon.h"

/* 32 elements in the order of the row. */
typedef struct codes32 {
    int8x16_t half[2];
} codes32;

INLINE codes32 from_unsigned(uint8x16_t low, uint8x16_t high, int bias)
{
    const int8x16_t b = vdupq_n_s8((int8_t)bias);
    return (codes32){{vsubq_s8(vreinterpretq_s8_u8(low), b), vsubq_s8(vreinterpretq_s8_u8(high), b)}};
}

INLINE uint8x16_t and_mask(uint8x16_t v, unsigned mask)
{
    return vandq_u8(v, vdupq_n_u8((uint8_t)mask));
}

/* Bits of each byte moved from `from` to `to`, all others masked off; a top field needs no mask. */
INLINE uint8x16_t move_bits(uint8x16_t v, int from, int to, unsigned mask)
{
    const uint8x16_t moved = from > to ? v >> (uint8_t)(from - to) : from < to ? v << (uint8_t)(to - from) : v;
    return from > to && mask == 0xffu >> (from - to) ? moved : and_mask(moved, mask);
}

/* `value`, one bit, in byte e where bit e of the 16 little-endian bits at p is set. */
INLINE uint8x16_t bits16(const uint8_t *p, unsigned value)
{
    static const uint8_t bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t word = vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1]));
    return and_mask(vtstq_u8(word, vld1q_u8(bit)), value);
}

INLINE codes32 iq4_codes(const uint8_t *qs)
{
    static const int8_t levels[16] = EINF__IQ4_LEVELS;
    const int8x16_t table = vld1q_s8(levels);
    const uint8x16_t bytes = vld1q_u8(qs);
    return (codes32){{vqtbl1q_s8(table, and_mask(bytes, 15)), vqtbl1q_s8(table, vshrq_n_u8(bytes, 4))}};
}

/* 16 bytes of split halves: low nibbles are elements 0..15, high ones 16..31. */
INLINE codes32 nibble_codes(const uint8_t *qs, int bias)
{
    const uint8x16_t bytes = vld1q_u8(qs);
    return from_unsigned(and_mask(bytes, 15), vshrq_n_u8(bytes, 4), bias);
}

/* The same with fifth bits. */
INLINE codes32 five_bit_codes(const uint8_t *qs, const uint8_t *qh, int bias)
{
    const uint8x16_t bytes = vld1q_u8(qs);
    return from_unsigned(vorrq_u8(and_mask(bytes, 15), bits16(qh, 16)),
                         vorrq_u8(vshrq_n_u8(bytes, 4), bits16(qh + 2, 16)), bias);
}

/* ------------------------------------------------------------------------------------------ blocks of 32 -- */

/* Every such format begins with its scale d; Q4_1 and Q5_1 add an m. */
INLINE codes32 small_codes(einf__dtype type, const uint8_t *block)
{
    switch ((int)type) {
    case EINF__Q4_0:
        return nibble_codes(block + offsetof(einf__block_q4_0, qs), 8);
    case EINF__Q4_1:
        return nibble_codes(block + offsetof(einf__block_q4_1, qs), 0);
    case EINF__Q5_0:
        return five_bit_codes(block + offsetof(einf__block_q5_0, qs), block + offsetof(einf__block_q5_0, qh), 16);
    case EINF__Q5_1:
        return five_bit_codes(block + offsetof(einf__block_q5_1, qs), block + offsetof(einf__block_q5_1, qh), 0);
    case EINF__IQ4_NL:
        return iq4_codes(block + offsetof(einf__block_iq4_nl, qs));
    default: {
        const int8_t *qs = (const int8_t *)block + offsetof(einf__block_q8_0, qs);
        return (codes32){{vld1q_s8(qs), vld1q_s8(qs + 16)}};
    }
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
 * element = d * scale * code + min_factor * min. Formats with groups of 32 have a scale and a min for each sub-block,
 * in the first vector alone; super_by_16 the others, for each group of 16. */
typedef struct super {
    int16x8_t scales[2];
    int16x8_t mins[2]; /* with super_has_mins */
    float d, min_factor;
} super;

INLINE bool super_by_16(einf__dtype type)
{
    return type == EINF__Q2_K || type == EINF__Q3_K || type == EINF__Q6_K;
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

INLINE int16x8_t widen_u64(uint64_t bytes)
{
    return vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(bytes)));
}

INLINE void widen_signed(int16x8_t out[2], int8x16_t bytes)
{
    out[0] = vmovl_s8(vget_low_s8(bytes));
    out[1] = vmovl_s8(vget_high_s8(bytes));
}

/* Q4_K, Q5_K: eight pairs of six bits in three words; each byte of a word is a number of its own. */
INLINE void open_k4(super *s, const uint8_t *scales)
{
    const uint32_t a = load_u32(scales), b = load_u32(scales + 4), c = load_u32(scales + 8);
    const uint32_t scale_high = (c & 0x0f0f0f0fu) | (a >> 2 & 0x30303030u);
    const uint32_t min_high = (c >> 4 & 0x0f0f0f0fu) | (b >> 2 & 0x30303030u);
    s->scales[0] = widen_u64((a & 0x3f3f3f3fu) | (uint64_t)scale_high << 32);
    s->mins[0] = widen_u64((b & 0x3f3f3f3fu) | (uint64_t)min_high << 32);
}

INLINE void open_q2_k(super *s, const uint8_t *scales)
{
    const uint8x16_t bytes = vld1q_u8(scales);
    widen_signed(s->scales, vreinterpretq_s8_u8(and_mask(bytes, 15)));
    widen_signed(s->mins, vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)));
}

/* Low four bits of scale g in nibbles of bytes 0..7, high two in bits 2 (g / 4) of byte 8 + g % 4; too high by 32. */
INLINE void open_q3_k(super *s, const uint8_t *scales)
{
    static const int32_t plane_shift[4] = {0, -2, -4, -6};
    const uint8x8_t low = vld1_u8(scales);
    const uint8x16_t nibbles = vcombine_u8(vand_u8(low, vdup_n_u8(15)), vshr_n_u8(low, 4));
    const uint32x4_t planes = vshlq_u32(vdupq_n_u32(load_u32(scales + 8)), vld1q_s32(plane_shift));
    const uint8x16_t high = vshlq_n_u8(and_mask(vreinterpretq_u8_u32(planes), 3), 4);
    widen_signed(s->scales, vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(nibbles, high)), vdupq_n_s8(32)));
}

/* Low nibble j of scales_l, bits 2 j of scales_h above it; too high by 32. */
INLINE void open_iq4_xs(super *s, const einf__block_iq4_xs *b)
{
    static const int16_t low_shift[8] = {0, -4, -8, -12, 0, -4, -8, -12};
    static const int16_t high_shift[8] = {4, 2, 0, -2, -4, -6, -8, -10};
    const uint16x8_t words = vcombine_u16(vdup_n_u16(load_u16(b->scales_l)), vdup_n_u16(load_u16(b->scales_l + 2)));
    const uint16x8_t low = vandq_u16(vshlq_u16(words, vld1q_s16(low_shift)), vdupq_n_u16(15));
    const uint16x8_t high = vandq_u16(vshlq_u16(vdupq_n_u16(b->scales_h), vld1q_s16(high_shift)), vdupq_n_u16(0x30));
    s->scales[0] = vsubq_s16(vreinterpretq_s16_u16(vorrq_u16(low, high)), vdupq_n_s16(32));
}

INLINE super super_open(einf__dtype type, const uint8_t *block)
{
    super s;
    memset(&s, 0, sizeof s);
    switch ((int)type) {
    case EINF__Q2_K: {
        const einf__block_q2_k *b = (const void *)block;
        open_q2_k(&s, b->scales);
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
        widen_signed(s.scales, vld1q_s8(b->scales));
        s.d = half_to_float(b->d);
        break;
    }
    }
    return s;
}

/* Four planes of 32 codes from 64 bytes of low nibbles and 32 of high crumbs. A shift that inserts keeps four bits of
 * one and takes the others from the other. */
INLINE uint8x16_t q6_half(const einf__block_q6_k *b, int j, int h)
{
    const int half = j / 4, plane = j % 4;
    const uint8x16_t nibbles = vld1q_u8(b->ql + 64 * half + 32 * (plane % 2) + 16 * h);
    const uint8x16_t crumbs = vld1q_u8(b->qh + 32 * half + 16 * h);
    switch (plane) {
    case 0: return and_mask(vsliq_n_u8(nibbles, crumbs, 4), 0x3f);
    case 1: return and_mask(vsliq_n_u8(nibbles, vshrq_n_u8(crumbs, 2), 4), 0x3f);
    case 2: return and_mask(vsriq_n_u8(crumbs, nibbles, 4), 0x3f);
    default: return vsriq_n_u8(vshrq_n_u8(crumbs, 2), nibbles, 4);
    }
}

/* Bytes 16 h to 16 h + 15 of sub-block j, both constants: codes too high by the format's bias. */
INLINE uint8x16_t super_half(einf__dtype type, const uint8_t *block, int j, int h)
{
    switch ((int)type) {
    case EINF__Q2_K: {
        const einf__block_q2_k *b = (const void *)block;
        return move_bits(vld1q_u8(b->qs + 32 * (j / 4) + 16 * h), 2 * (j % 4), 0, 3);
    }
    case EINF__Q3_K: {
        const einf__block_q3_k *b = (const void *)block;
        return vorrq_u8(move_bits(vld1q_u8(b->qs + 32 * (j / 4) + 16 * h), 2 * (j % 4), 0, 3),
                        move_bits(vld1q_u8(b->hmask + 16 * h), j, 2, 4));
    }
    case EINF__Q4_K: {
        const einf__block_q4_k *b = (const void *)block;
        return move_bits(vld1q_u8(b->qs + 32 * (j / 2) + 16 * h), 4 * (j % 2), 0, 15);
    }
    case EINF__Q5_K: {
        const einf__block_q5_k *b = (const void *)block;
        return vorrq_u8(move_bits(vld1q_u8(b->qs + 32 * (j / 2) + 16 * h), 4 * (j % 2), 0, 15),
                        move_bits(vld1q_u8(b->qh + 16 * h), j, 4, 16));
    }
    default:
        return q6_half((const void *)block, j, h);
    }
}

/* Codes of sub-block j, a constant. */
INLINE codes32 super_codes(einf__dtype type, const uint8_t *block, int j)
{
    if (type == EINF__IQ4_XS) return iq4_codes(block + offsetof(einf__block_iq4_xs, qs) + 16 * j);
    return from_unsigned(super_half(type, block, j, 0), super_half(type, block, j, 1),
                         type == EINF__Q6_K ? 32 : type == EINF__Q3_K ? 4 : 0);
}

#endif
