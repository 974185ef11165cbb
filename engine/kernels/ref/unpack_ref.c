/* SPDX-License-Identifier: MIT
 * unpack_ref.c - every block format, written once: where the bits of a code lie and what a group's scale is.
 *
 * This is the readable statement of the formats; blocks.h has the structs. Codes come out as the signed integers that
 * the scale multiplies, so formats with a fixed bias (Q4_0, Q6_K, ...) need no offset, and only those with stored
 * minima have one. Every bit pattern is a valid block.
 */
#include "engine/kernels/ref/kernels_ref.h"

#include <math.h>
#include <string.h>

#include "engine/base/blocks.h"
#include "engine/base/half.h"

static const int8_t iq4_levels[16] = EINF__IQ4_LEVELS;
static const int8_t fp4_levels[16] = EINF__FP4_LEVELS;

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

void einf__unpack_mxfp4(einf__codes *c, const void *block)
{
    const einf__block_mxfp4 *b = block;
    for (int e = 0; e < 32; e++) c->q[e] = fp4_levels[nibble32(b->qs, e)];
    set_group32(c, 0, ldexpf(1.0f, b->e - 128), 0.0f); /* 2^(e - 127), and half of the doubled levels */
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

/* ----------------------------------------------------------------------------------- blocks of 256 by grids -- */

static const int8_t iq1_levels[4] = {-1, 0, 1, 0};
static const int8_t iq2_levels[4] = {8, 25, 43, 0};
static const int8_t iq3_xxs_levels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const int8_t iq3_s_levels[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* Bits [at, at + n) of a word. */
static uint32_t field(uint32_t word, int at, int n)
{
    return word >> at & ((1u << n) - 1u);
}

/* Eight signs from seven, the lowest of the word: the number of minus signs is even. */
static uint32_t even_signs(uint32_t word)
{
    const uint32_t seven = field(word, 0, 7);
    uint32_t odd = seven ^ seven >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return seven | (odd & 1u) << 7;
}

/* n elements from the level numbers of a grid's entry, `width` bits each; bit j of signs makes element j negative. */
static void put_levels(int8_t *q, int n, uint32_t entry, int width, const int8_t *levels, uint32_t signs)
{
    for (int j = 0; j < n; j++) {
        const int level = levels[field(entry, width * j, width)];
        q[j] = (int8_t)(bit(signs, j) ? -level : level);
    }
}

/* Eight elements of IQ1: a level and a shift of an eighth, whose sign is given, in eighths. */
static void put_shifted(int8_t *q, uint32_t entry, int shift)
{
    for (int j = 0; j < 8; j++) q[j] = (int8_t)(8 * iq1_levels[field(entry, 2 * j, 2)] + shift);
}

/* Index: eight bits of qs and three of qh. Scale: d (2 s + 1), s of three bits. */
void einf__unpack_iq1_s(einf__codes *c, const void *block)
{
    const einf__block_iq1_s *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int g = 0; g < 8; g++) {
        const uint32_t qh = b->qh[g];
        for (int l = 0; l < 4; l++)
            put_shifted(c->q + 32 * g + 8 * l, einf__grid_iq1[b->qs[4 * g + l] | field(qh, 3 * l, 3) << 8],
                        bit(qh, 15) ? -1 : 1);
        set_group32(c, g, d * (float)(2 * field(qh, 12, 3) + 1) * 0.125f, 0.0f);
    }
}

/* As IQ1_S, with a shift for every 8 and a scale for every 16 elements. Each word of scales has four of three bits and,
 * at its top, a nibble of d. */
void einf__unpack_iq1_m(einf__codes *c, const void *block)
{
    const einf__block_iq1_m *b = block;
    uint32_t half = 0;
    for (int i = 0; i < 4; i++) half |= field(b->scales[i], 12, 4) << 4 * i;
    const float d = einf__f16_to_f32((uint16_t)half);
    for (int l = 0; l < 32; l++) {
        const uint32_t qh = field(b->qh[l / 2], 4 * (l % 2), 4);
        put_shifted(c->q + 8 * l, einf__grid_iq1[b->qs[l] | field(qh, 0, 3) << 8], bit(qh, 3) ? -1 : 1);
    }
    for (int g = 0; g < 16; g++) {
        c->scale[g] = d * (float)(2 * field(b->scales[g / 4], 3 * (g % 4), 3) + 1) * 0.125f;
        c->offset[g] = 0.0f;
    }
}

/* Scales of IQ2: d (s + 1/2) / 4, s of four bits. */
static float iq2_scale(float d, uint32_t s)
{
    return d * (float)(2 * s + 1) * 0.125f;
}

void einf__unpack_iq2_xxs(einf__codes *c, const void *block)
{
    const einf__block_iq2_xxs *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int g = 0; g < 8; g++) {
        const uint32_t signs = b->sub[g].signs; /* four times seven, and the scale above */
        for (int l = 0; l < 4; l++)
            put_levels(c->q + 32 * g + 8 * l, 8, einf__grid_iq2_xxs[b->sub[g].id[l]], 2, iq2_levels,
                       even_signs(signs >> 7 * l));
        set_group32(c, g, iq2_scale(d, signs >> 28), 0.0f);
    }
}

void einf__unpack_iq2_xs(einf__codes *c, const void *block)
{
    const einf__block_iq2_xs *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int l = 0; l < 32; l++) /* nine bits of index, seven of signs */
        put_levels(c->q + 8 * l, 8, einf__grid_iq2_xs[field(b->qs[l], 0, 9)], 2, iq2_levels,
                   even_signs(field(b->qs[l], 9, 7)));
    for (int g = 0; g < 16; g++) {
        c->scale[g] = iq2_scale(d, field(b->scales[g / 2], 4 * (g % 2), 4));
        c->offset[g] = 0.0f;
    }
}

void einf__unpack_iq2_s(einf__codes *c, const void *block)
{
    const einf__block_iq2_s *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int l = 0; l < 32; l++) { /* index: eight bits of qs, two of qh */
        const uint32_t high = field(b->qh[l / 4], 2 * (l % 4), 2);
        put_levels(c->q + 8 * l, 8, einf__grid_iq2_s[b->qs[l] | high << 8], 2, iq2_levels, b->signs[l]);
    }
    for (int g = 0; g < 16; g++) {
        c->scale[g] = iq2_scale(d, field(b->scales[g / 2], 4 * (g % 2), 4));
        c->offset[g] = 0.0f;
    }
}

void einf__unpack_iq3_xxs(einf__codes *c, const void *block)
{
    const einf__block_iq3_xxs *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int g = 0; g < 8; g++) {
        const uint32_t signs = b->signs[g]; /* as in IQ2_XXS */
        for (int l = 0; l < 8; l++)
            put_levels(c->q + 32 * g + 4 * l, 4, einf__grid_iq3_xxs[b->qs[8 * g + l]], 3, iq3_xxs_levels,
                       even_signs(signs >> 7 * (l / 2)) >> 4 * (l % 2));
        set_group32(c, g, d * (float)(2 * (signs >> 28) + 1) * 0.25f, 0.0f); /* d (s + 1/2) / 2 */
    }
}

void einf__unpack_iq3_s(einf__codes *c, const void *block)
{
    const einf__block_iq3_s *b = block;
    const float d = einf__f16_to_f32(b->d);
    for (int l = 0; l < 64; l++) { /* index: eight bits of qs, one of qh */
        const uint32_t high = field(b->qh[l / 8], l % 8, 1);
        put_levels(c->q + 4 * l, 4, einf__grid_iq3_s[b->qs[l] | high << 8], 3, iq3_s_levels,
                   field(b->signs[l / 2], 4 * (l % 2), 4));
    }
    for (int g = 0; g < 8; g++)
        set_group32(c, g, d * (float)(2 * field(b->scales[g / 2], 4 * (g % 2), 4) + 1), 0.0f);
}

/* ---------------------------------------------------------------------------------- blocks of 256, ternary -- */

/* Digit i of a byte that holds a fraction in base 3: byte / 256 = 0.ddddd. */
static int trit(int byte, int i)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    return (byte * powers[i] & 255) * 3 >> 8;
}

void einf__unpack_tq1_0(einf__codes *c, const void *block)
{
    const einf__block_tq1_0 *b = block;
    for (int e = 0; e < 160; e++) c->q[e] = (int8_t)(trit(b->qs[e % 32], e / 32) - 1);
    for (int e = 0; e < 80; e++) c->q[160 + e] = (int8_t)(trit(b->qs[32 + e % 16], e / 16) - 1);
    for (int e = 0; e < 16; e++) c->q[240 + e] = (int8_t)(trit(b->qh[e % 4], e / 4) - 1);
    for (int g = 0; g < 8; g++) set_group32(c, g, einf__f16_to_f32(b->d), 0.0f);
}

void einf__unpack_tq2_0(einf__codes *c, const void *block)
{
    const einf__block_tq2_0 *b = block;
    for (int e = 0; e < 256; e++) c->q[e] = (int8_t)(crumb(b->qs, e) - 1);
    for (int g = 0; g < 8; g++) set_group32(c, g, einf__f16_to_f32(b->d), 0.0f);
}

/* ------------------------------------------------------------------------------------------ pieces of a row -- */

void einf__unpack_row(einf__codes *c, einf__dtype type, const void *blocks, int n)
{
#define UNPACK(id, name) [EINF__##id] = einf__unpack_##name,
    static void (*const unpack[EINF__N_DTYPES])(einf__codes *, const void *) = {EINF__CODED_TYPES(UNPACK)};
#undef UNPACK
    const einf__dtype_info *info = einf__dtype_get(type);
    const uint8_t *block = blocks;
    if (info->block_elems == 256) {
        unpack[type](c, block);
        return;
    }
    for (int e = 0; e < n; e += info->block_elems, block += info->block_bytes) {
        einf__codes part;
        unpack[type](&part, block);
        memcpy(c->q + e, part.q, info->block_elems);
        memcpy(c->scale + e / 16, part.scale, info->block_elems / 16 * sizeof(float));
        memcpy(c->offset + e / 16, part.offset, info->block_elems / 16 * sizeof(float));
    }
}
