/* SPDX-License-Identifier: MIT
 * panel_pack_neon.h - private to the ARM multipliers of int8 panels: strips from the blocks of every coded type.
 *
 * Eight rows are taken apart piece by piece, their groups are left as they are or rounded to int8 once more, in place,
 * and their codes transposed into the strip. Bit for bit what the reference packs. The file that includes this
 * defines K_UNIT before, as panel_neon.h says.
 */
#ifndef EINF_PANEL_PACK_NEON_H
#define EINF_PANEL_PACK_NEON_H

#include "engine/kernels/arm/panel_neon.h"
#include "engine/kernels/arm/unpack_neon.h"
#include "engine/kernels/ref/kernels_ref.h"

enum { PIECE = 256 /* elements at a time: every block divides it */ };

/* --------------------------------------------------------------------------------------------- taken apart -- */

INLINE void store_codes32(int8_t *q, codes32 codes)
{
    vst1q_s8(q, codes.half[0]);
    vst1q_s8(q + 16, codes.half[1]);
}

INLINE void unpack_small(einf__dtype type, einf__codes *c, const uint8_t *block, int n)
{
    for (int e = 0; e < n; e += 32, block += small_bytes(type)) {
        store_codes32(c->q + e, small_codes(type, block));
        c->scale[e / 16] = c->scale[e / 16 + 1] = half_to_float(load_u16(block));
        const float min = small_has_min(type) ? half_to_float(load_u16(block + 2)) : 0.0f;
        c->offset[e / 16] = c->offset[e / 16 + 1] = min;
    }
}

/* factor times the 16 numbers of a block, or twice each of 8. */
INLINE void store_scaled(float *out, const int16x8_t v[2], bool by_16, float factor)
{
    UNROLL for (int h = 0; h < 2; h++) {
        const int16x8_t eight = by_16 ? v[h] : h ? vzip2q_s16(v[0], v[0]) : vzip1q_s16(v[0], v[0]);
        vst1q_f32(out + 8 * h, vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(eight))), factor));
        vst1q_f32(out + 8 * h + 4, vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(eight))), factor));
    }
}

INLINE void unpack_super(einf__dtype type, einf__codes *c, const uint8_t *block)
{
    const super s = super_open(type, block);
    store_scaled(c->scale, s.scales, super_by_16(type), s.d);
    if (super_has_mins(type)) store_scaled(c->offset, s.mins, super_by_16(type), s.min_factor);
    else memset(c->offset, 0, sizeof c->offset);
    UNROLL for (int j = 0; j < 8; j++) store_codes32(c->q + 32 * j, super_codes(type, block, j));
}

/* --------------------------------------------------------------------------------------------------- rounded -- */

/* The largest and least code of each 16 of 128. */
#define FOLD(name, pairs) \
    INLINE int8x8_t fold_##name(const int8_t *q) \
    { \
        int8x16_t v[4]; \
        UNROLL for (int i = 0; i < 4; i++) v[i] = pairs(vld1q_s8(q + 32 * i), vld1q_s8(q + 32 * i + 16)); \
        const int8x16_t four = pairs(pairs(v[0], v[1]), pairs(v[2], v[3])); \
        return vget_low_s8(pairs(four, four)); \
    }
FOLD(max, vpmaxq_s8)
FOLD(min, vpminq_s8)

/* scale * code + offset of four groups of 16: as the reference, since the product is exact. */
INLINE float32x4_t elements4(int16x4_t codes, float32x4_t scale, float32x4_t offset)
{
    return vfmaq_f32(offset, vcvtq_f32_s32(vmovl_s16(codes)), scale);
}

/* max|w| of each 16 of 128: the element of the largest code or of the least. */
INLINE void largest_by_16(float *max, const int8_t *q, const float *scale, const float *offset)
{
    const int16x8_t most = vmovl_s8(fold_max(q)), least = vmovl_s8(fold_min(q));
    UNROLL for (int h = 0; h < 2; h++) {
        const float32x4_t s = vld1q_f32(scale + 4 * h), o = vld1q_f32(offset + 4 * h);
        const float32x4_t a = elements4(h ? vget_high_s16(most) : vget_low_s16(most), s, o);
        const float32x4_t b = elements4(h ? vget_high_s16(least) : vget_low_s16(least), s, o);
        vst1q_f32(max + 4 * h, vmaxq_f32(vabsq_f32(a), vabsq_f32(b)));
    }
}

/* The low bytes of 16 numbers that have been rounded by adding EXACT_FLOAT. */
INLINE int8x16_t low_bytes(const float32x4_t v[4])
{
    const int16x8_t low = vuzp1q_s16(vreinterpretq_s16_f32(v[0]), vreinterpretq_s16_f32(v[1]));
    const int16x8_t high = vuzp1q_s16(vreinterpretq_s16_f32(v[2]), vreinterpretq_s16_f32(v[3]));
    return vuzp1q_s8(vreinterpretq_s8_s16(low), vreinterpretq_s8_s16(high));
}

/* round(inverse * (scale * code + offset)) for 16 codes. */
INLINE int8x16_t round_codes(int8x16_t codes, float scale, float offset, float inverse)
{
    const int16x8_t half[2] = {vmovl_s8(vget_low_s8(codes)), vmovl_s8(vget_high_s8(codes))};
    const float32x4_t s = vdupq_n_f32(scale), o = vdupq_n_f32(offset);
    float32x4_t v[4];
    UNROLL for (int i = 0; i < 4; i++) {
        v[i] = elements4(i % 2 ? vget_high_s16(half[i / 2]) : vget_low_s16(half[i / 2]), s, o);
        v[i] = vaddq_f32(vmulq_n_f32(v[i], inverse), vdupq_n_f32(EXACT_FLOAT));
    }
    return low_bytes(v);
}

/* The same for the codes 0 to 15, or 16 to 31 where `first` is 16. */
INLINE int8x16_t round_table(float first, float scale, float offset, float inverse)
{
    static const float count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    float32x4_t v[4];
    UNROLL for (int i = 0; i < 4; i++) {
        const float32x4_t code = vaddq_f32(vld1q_f32(count + 4 * i), vdupq_n_f32(first));
        v[i] = vfmaq_n_f32(vdupq_n_f32(offset), code, scale);
        v[i] = vaddq_f32(vmulq_n_f32(v[i], inverse), vdupq_n_f32(EXACT_FLOAT));
    }
    return low_bytes(v);
}

/* Codes of Q4_K and Q5_K, 4 or 5 bits: a table of the results is less work than 32 of them. */
INLINE void round_by_table(int bits, int8_t *q, float scale, float offset, float inverse)
{
    const uint8x16_t low = vld1q_u8((const uint8_t *)q), high = vld1q_u8((const uint8_t *)q + 16);
    const int8x16_t first = round_table(0.0f, scale, offset, inverse);
    if (bits == 4) {
        vst1q_s8(q, vqtbl1q_s8(first, low));
        vst1q_s8(q + 16, vqtbl1q_s8(first, high));
    } else {
        const int8x16x2_t table = {{first, round_table(16.0f, scale, offset, inverse)}};
        vst1q_s8(q, vqtbl2q_s8(table, low));
        vst1q_s8(q + 16, vqtbl2q_s8(table, high));
    }
}

/* A group with elements that are no numbers, from a file that may say anything: these are 0, infinities the largest
 * float. Returns the scale. */
static float round_odd_group(einf__codes *c, int begin, int n)
{
    float w[128], max = 0.0f;
    for (int e = 0; e < n; e++) {
        const int h = (begin + e) / 16;
        w[e] = einf__clamp_finite(c->scale[h] * (float)c->q[begin + e] + c->offset[h]);
        if (fabsf(w[e]) > max) max = fabsf(w[e]);
    }
    const float scale = int8_scale(max), inverse = inverse_of(scale);
    for (int e = 0; e < n; e++) c->q[begin + e] = (int8_t)lrintf(w[e] * inverse);
    return scale;
}

/* Elements [begin, begin + n): codes in place, returns the scale. table_bits: 4 or 5 where codes have no more, or 0. */
INLINE float round_group(int table_bits, einf__codes *c, int begin, int n, float max)
{
    if (!(max <= FLT_MAX)) return round_odd_group(c, begin, n);
    const float scale = int8_scale(max), inverse = inverse_of(scale);
    for (int e = begin; e < begin + n; e += table_bits ? 32 : 16) {
        const float s = c->scale[e / 16], o = c->offset[e / 16];
        if (table_bits) round_by_table(table_bits, c->q + e, s, o, inverse);
        else vst1q_s8(c->q + e, round_codes(vld1q_s8(c->q + e), s, o, inverse));
    }
    return scale;
}

INLINE float max_of(const float *max, int n)
{
    float32x4_t v = vld1q_f32(max);
    if (n == 2) return vmaxv_f32(vget_low_f32(v));
    if (n == 8) v = vmaxq_f32(v, vld1q_f32(max + 4));
    return vmaxvq_f32(v);
}

/* Whether PANEL_32 keeps the file's codes: one scale, and nothing to add. */
INLINE bool is_plain(const einf__codes *c, int half)
{
    return c->scale[half] == c->scale[half + 1] && c->offset[half] == 0.0f && c->offset[half + 1] == 0.0f;
}

/* The groups of a piece of n elements of one row: scales and minima MR apart. */
INLINE void make_groups(int table_bits, einf__codes *c, einf__panel_form form, int n, float *scale, float *min)
{
    const int group = einf__panel_group(form);
    if (form == EINF__PANEL_32M) {
        for (int e = 0; e < n; e += 32) {
            scale[e / 32 * MR] = c->scale[e / 16];
            min[e / 32 * MR] = -c->offset[e / 16];
        }
        return;
    }
    float max[PIECE / 16 + 2]; /* max_of reads four */
    for (int e = 0; e < n; e += 128) largest_by_16(max + e / 16, c->q + e, c->scale + e / 16, c->offset + e / 16);
    for (int e = 0; e < n; e += group) {
        const bool plain = form == EINF__PANEL_32 && is_plain(c, e / 16);
        scale[e / group * MR] = plain ? c->scale[e / 16]
                                      : round_group(table_bits, c, e, group, max_of(max + e / 16, group / 16));
    }
}

#define MAKE_GROUPS(name, table_bits) \
    static void make_groups_##name(einf__codes *c, einf__panel_form form, int n, float *scale, float *min) \
    { \
        make_groups(table_bits, c, form, n, scale, min); \
    }
MAKE_GROUPS(any, 0)
MAKE_GROUPS(k4, 4)
MAKE_GROUPS(k5, 5)

/* -------------------------------------------------------------------------------------------------- strips -- */

#if K_UNIT == 4
/* 16 elements of four rows: out + MR * K_UNIT * i has unit i of each. */
INLINE void store_rows(uint8_t *out, const uint8x16_t row[4])
{
    const uint32x4_t a = vreinterpretq_u32_u8(row[0]), b = vreinterpretq_u32_u8(row[1]);
    const uint32x4_t c = vreinterpretq_u32_u8(row[2]), d = vreinterpretq_u32_u8(row[3]);
    const uint64x2_t ab0 = vreinterpretq_u64_u32(vzip1q_u32(a, b)), ab1 = vreinterpretq_u64_u32(vzip2q_u32(a, b));
    const uint64x2_t cd0 = vreinterpretq_u64_u32(vzip1q_u32(c, d)), cd1 = vreinterpretq_u64_u32(vzip2q_u32(c, d));
    vst1q_u8(out, vreinterpretq_u8_u64(vzip1q_u64(ab0, cd0)));
    vst1q_u8(out + MR * K_UNIT, vreinterpretq_u8_u64(vzip2q_u64(ab0, cd0)));
    vst1q_u8(out + 2 * MR * K_UNIT, vreinterpretq_u8_u64(vzip1q_u64(ab1, cd1)));
    vst1q_u8(out + 3 * MR * K_UNIT, vreinterpretq_u8_u64(vzip2q_u64(ab1, cd1)));
}
#else
INLINE void store_rows(uint8_t *out, const uint8x16_t row[4])
{
    UNROLL for (int i = 0; i < 2; i++) {
        const uint64x2_t a = vreinterpretq_u64_u8(row[2 * i]), b = vreinterpretq_u64_u8(row[2 * i + 1]);
        vst1q_u8(out + 16 * i, vreinterpretq_u8_u64(vzip1q_u64(a, b)));
        vst1q_u8(out + MR * K_UNIT + 16 * i, vreinterpretq_u8_u64(vzip2q_u64(a, b)));
    }
}
#endif

/* n elements of MR rows. */
static void store_piece(uint8_t *codes, const einf__codes rows[MR], int n)
{
    for (int e = 0; e < n; e += 16) {
        UNROLL for (int i = 0; i < MR; i += 4) {
            uint8x16_t four[4];
            UNROLL for (int r = 0; r < 4; r++) four[r] = vreinterpretq_u8_s8(vld1q_s8(rows[i + r].q + e));
            store_rows(codes + e * MR + i * K_UNIT, four);
        }
    }
}

/* A row that is not there: zeros, of all groups. */
static void zero_row(const einf__strip *s, einf__codes *c, einf__panel_form form, int64_t n_in, int i)
{
    memset(c->q, 0, sizeof c->q);
    for (int64_t g = 0; g < n_in / einf__panel_group(form); g++) {
        s->scale[g * MR + i] = 0.0f;
        if (form == EINF__PANEL_32M) s->min[g * MR + i] = 0.0f;
    }
}

typedef void (*unpack_fn)(einf__codes *c, const uint8_t *blocks, int n);
typedef void (*make_groups_fn)(einf__codes *c, einf__panel_form form, int n, float *scale, float *min);

static void pack_rows(const einf__strip *s, einf__panel_form form, const uint8_t *w, size_t row_bytes, int32_t n_rows,
                      int64_t n_in, einf__dtype type, unpack_fn unpack, make_groups_fn groups)
{
    const size_t piece_bytes = (size_t)einf__dtype_row_bytes(type, PIECE);
    const int32_t group = einf__panel_group(form);
    einf__codes rows[MR];
    memset(rows, 0, sizeof rows); /* short pieces are folded over as whole ones */
    for (int i = n_rows; i < MR; i++) zero_row(s, &rows[i], form, n_in, i);
    for (int64_t k = 0; k < n_in; k += PIECE) {
        const int n = (int)(n_in - k < PIECE ? n_in - k : PIECE);
        const int64_t at = k / group * MR;
        for (int i = 0; i < n_rows; i++) {
            unpack(&rows[i], w + (size_t)i * row_bytes + (size_t)(k / PIECE) * piece_bytes, n);
            groups(&rows[i], form, n, s->scale + at + i, s->min + at + i);
        }
        store_piece(s->codes + k * MR, rows, n);
    }
}

/* ----------------------------------------------------------------------------------------------- the table -- */

/* X(family, enum, lower-case name, how its groups are made, rung) */
#define PACKED_TYPES(X, rung) \
    X(small, Q4_0, q4_0, any, rung) X(small, Q4_1, q4_1, any, rung) X(small, Q5_0, q5_0, any, rung) \
    X(small, Q5_1, q5_1, any, rung) X(small, Q8_0, q8_0, any, rung) X(small, IQ4_NL, iq4_nl, any, rung) \
    X(super, Q2_K, q2_k, any, rung) X(super, Q3_K, q3_k, any, rung) X(super, Q4_K, q4_k, k4, rung) \
    X(super, Q5_K, q5_k, k5, rung) X(super, Q6_K, q6_k, any, rung) X(super, IQ4_XS, iq4_xs, any, rung) \
    X(other, IQ1_S, iq1_s, any, rung) X(other, IQ1_M, iq1_m, any, rung) X(other, IQ2_XXS, iq2_xxs, any, rung) \
    X(other, IQ2_XS, iq2_xs, any, rung) X(other, IQ2_S, iq2_s, any, rung) X(other, IQ3_XXS, iq3_xxs, any, rung) \
    X(other, IQ3_S, iq3_s, any, rung) X(other, TQ1_0, tq1_0, any, rung) X(other, TQ2_0, tq2_0, any, rung) \
    X(other, MXFP4, mxfp4, any, rung)

#define UNPACK_small(type, name) unpack_small(EINF__##type, c, blocks, n)
#define UNPACK_super(type, name) unpack_super(EINF__##type, c, blocks)
#define UNPACK_other(type, name) einf__unpack_row(c, EINF__##type, blocks, n) /* no vector form */

#define PACK(family, type, name, groups, rung) \
    static void unpack_##name(einf__codes *c, const uint8_t *blocks, int n) \
    { \
        (void)n; \
        UNPACK_##family(type, name); \
    } \
    static void pack_##name##_##rung(const einf__kernels *k, const einf__strip *s, einf__panel_form form, \
                                     const void *w, size_t row_bytes, int32_t n_rows, int64_t n_in) \
    { \
        (void)k; \
        pack_rows(s, form, w, row_bytes, n_rows, n_in, EINF__##type, unpack_##name, make_groups_##groups); \
    }

#define INSTALL_PACK(family, type, name, groups, rung) \
    EINF__INSTALL_TYPED(k, pack, EINF__##type, pack_##name##_##rung);

#endif
