/* SPDX-License-Identifier: MIT
 * unpack_ref.c - every block format, written once: where the bits of a code lie and what a group's scale is.
 *
 * This is the readable statement of the formats; blocks.h has the structs. Codes come out as the signed integers that
 * the scale multiplies, so formats with a fixed bias (Q4_0, Q6_K, ...) need no offset, and only those with stored
 * minima have one. Every bit pattern is a valid block.
 */
#include "engine/kernels/ref/kernels_ref.h"

#include "engine/base/blocks.h"
#include "engine/base/half.h"

static const int8_t iq4_levels[16] = EINF__IQ4_LEVELS;

/* One pair for the 32 elements of a small block. */
static void set_group32(einf__codes *c, int group, float scale, float offset)
{
    c->scale[2 * group] = c->scale[2 * group + 1] = scale;
    c->offset[2 * group] = c->offset[2 * group + 1] = offset;
}

static int bit(uint32_t word, int i)
{
    return (int)(word >> i & 1u);
}

/* Nibble of element e in a split-halves block: elements 0..15 are the low nibbles. */
static int nibble32(const uint8_t qs[16], int e)
{
    return e < 16 ? qs[e] & 15 : qs[e - 16] >> 4;
}

/* Fifth bits of Q5_0 and Q5_1: bit e of a little-endian word. */
static int fifth_bit(const uint8_t qh[4], int e)
{
    return bit(qh[e / 8], e % 8) << 4;
}

/* ------------------------------------------------------------------------------------------ blocks of 32 -- */

void einf__unpack_q4_0(einf__codes *c, const void *block)
{
    const einf__block_q4_0 *b = block;
    for (int e = 0; e < 32; e++) c->q[e] = (int8_t)(nibble32(b->qs, e) - 8);
    set_group32(c, 0, einf__f16_to_f32(b->d), 0.0f);
}

void einf__unpack_q4_1(einf__codes *c, const void *block)
{
    const einf__block_q4_1 *b = block;
    for (int e = 0; e < 32; e++) c->q[e] = (int8_t)nibble32(b->qs, e);
    set_group32(c, 0, einf__f16_to_f32(b->d), einf__f16_to_f32(b->m));
}

void einf__unpack_q5_0(einf__codes *c, const void *block)
{
    const einf__block_q5_0 *b = block;
    for (int e = 0; e < 32; e++) c->q[e] = (int8_t)((nibble32(b->qs, e) | fifth_bit(b->qh, e)) - 16);
    set_group32(c, 0, einf__f16_to_f32(b->d), 0.0f);
}

void einf__unpack_q5_1(einf__codes *c, const void *block)
{
    const einf__block_q5_1 *b = block;
    for (int e = 0; e < 32; e++) c->q[e] = (int8_t)(nibble32(b->qs, e) | fifth_bit(b->qh, e));
    set_group32(c, 0, einf__f16_to_f32(b->d), einf__f16_to_f32(b->m));
}

void einf__unpack_q8_0(einf__codes *c, const void *block)
{
    const einf__block_q8_0 *b = block;
    for (int e = 0; e < 32; e++) c->q[e] = b->qs[e];
    set_group32(c, 0, einf__f16_to_f32(b->d), 0.0f);
}

void einf__unpack_iq4_nl(einf__codes *c, const void *block)
{
    const einf__block_iq4_nl *b = block;
    for (int e = 0; e < 32; e++) c->q[e] = iq4_levels[nibble32(b->qs, e)];
    set_group32(c, 0, einf__f16_to_f32(b->d), 0.0f);
}

/* ----------------------------------------------------------------------------------------- blocks of 256 -- */

/* Two-bit code of element e, Q2_K and Q3_K: each half of 128 elements is 32 bytes, which hold four planes of 32. */
static int crumb(const uint8_t qs[64], int e)
{
    return qs[32 * (e / 128) + e % 32] >> 2 * (e % 128 / 32) & 3;
}

void einf__unpack_q2_k(einf__codes *c, const void *block)
{
    const einf__block_q2_k *b = block;
    const float d = einf__f16_to_f32(b->d), dmin = einf__f16_to_f32(b->dmin);
    for (int e = 0; e < 256; e++) c->q[e] = (int8_t)crumb(b->qs, e);
    for (int g = 0; g < 16; g++) {
        c->scale[g] = d * (float)(b->scales[g] & 15);
        c->offset[g] = -dmin * (float)(b->scales[g] >> 4);
    }
}

void einf__unpack_q3_k(einf__codes *c, const void *block)
{
    const einf__block_q3_k *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int e = 0; e < 256; e++) c->q[e] = (int8_t)(crumb(b->qs, e) + 4 * bit(b->hmask[e % 32], e / 32) - 4);
    for (int g = 0; g < 16; g++) { /* low four bits: nibbles of scales[0..7]; high two: planes of scales[8..11] */
        const int low = g < 8 ? b->scales[g] & 15 : b->scales[g - 8] >> 4;
        const int high = b->scales[8 + g % 4] >> 2 * (g / 4) & 3;
        c->scale[g] = d * (float)((low | high << 4) - 32);
        c->offset[g] = 0.0f;
    }
}

/* Scales and minima of Q4_K and Q5_K: eight pairs of six bits in twelve bytes. The first four of each are plain; the
 * high bits of those bytes complete the last four, whose low bits share bytes 8 to 11. */
static void set_scales_k4(einf__codes *c, const uint8_t s[12], float d, float dmin)
{
    for (int g = 0; g < 8; g++) {
        const int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
        const int min = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
        set_group32(c, g, d * (float)scale, -dmin * (float)min);
    }
}

/* Nibble of element e, Q4_K and Q5_K: 64 elements are 32 bytes, low nibbles first. */
static int nibble64(const uint8_t qs[128], int e)
{
    return qs[32 * (e / 64) + e % 32] >> 4 * (e / 32 % 2) & 15;
}

void einf__unpack_q4_k(einf__codes *c, const void *block)
{
    const einf__block_q4_k *b = block;
    for (int e = 0; e < 256; e++) c->q[e] = (int8_t)nibble64(b->qs, e);
    set_scales_k4(c, b->scales, einf__f16_to_f32(b->d), einf__f16_to_f32(b->dmin));
}

void einf__unpack_q5_k(einf__codes *c, const void *block)
{
    const einf__block_q5_k *b = block;
    for (int e = 0; e < 256; e++) c->q[e] = (int8_t)(nibble64(b->qs, e) | bit(b->qh[e % 32], e / 32) << 4);
    set_scales_k4(c, b->scales, einf__f16_to_f32(b->d), einf__f16_to_f32(b->dmin));
}

void einf__unpack_q6_k(einf__codes *c, const void *block)
{
    const einf__block_q6_k *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int e = 0; e < 256; e++) { /* per 128: low bits in two runs of 32 bytes, high bits in planes of 32 */
        const int half = e / 128, plane = e % 128 / 32;
        const int low = b->ql[64 * half + e % 64] >> 4 * (plane / 2) & 15;
        const int high = b->qh[32 * half + e % 32] >> 2 * plane & 3;
        c->q[e] = (int8_t)((low | high << 4) - 32);
    }
    for (int g = 0; g < 16; g++) {
        c->scale[g] = d * (float)b->scales[g];
        c->offset[g] = 0.0f;
    }
}

void einf__unpack_iq4_xs(einf__codes *c, const void *block)
{
    const einf__block_iq4_xs *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int g = 0; g < 8; g++) {
        const int low = b->scales_l[g / 2] >> 4 * (g % 2) & 15, high = b->scales_h >> 2 * g & 3;
        for (int e = 0; e < 32; e++) c->q[32 * g + e] = iq4_levels[nibble32(b->qs + 16 * g, e)];
        set_group32(c, g, d * (float)((low | high << 4) - 32), 0.0f);
    }
}
