/* SPDX-License-Identifier: MIT
 * pack_super_vnni512.c - strips from formats in blocks of 256: Q2_K to Q6_K and IQ4_XS.
 *
 * A block of sixteen rows is opened to codes without signs, in their places in the strip. Where the form keeps them
 * that is all. Otherwise a second pass over the same bytes rounds each to w / scale + 128, in words of 16 bits:
 *   x = (q - high) << (16 - bits), high = 2^(bits - 1), so that |x| <= 2^15
 *   x + ((x * (y - 2^15) + 2^14) >> 15) = 256 a (q - high), with y = 256 high a rounded, a = own scale / new scale
 * and what a weight is at q = high comes as another word; all modulo 2^16. Negative a take codes from the other end.
 * Eight bits of fraction: the three roundings before the last one add up to less than 0.006 of a step. Only where codes
 * fill less than half of their range can y be more than 16 bits; such groups are rounded in floats.
 */
#include <float.h>

#include "engine/kernels/x86/panel_vnni512.h"

enum { ELEMS = 256, MAX_SUBS = 16 };

/* The largest and the smallest codes of a sub-block, bytewise. */
typedef struct extent {
    __m512i max, min;
} extent;

/* Of sixteen rows, by sub-block: w = scale * (q - lack) - min, lack a constant of the format; and which codes there
 * are, for forms that round. */
typedef struct heads {
    __m512 scale[MAX_SUBS], min[MAX_SUBS];
    extent codes[MAX_SUBS];
} heads;

INLINE int code_bits(einf__dtype type)
{
    return type == EINF__Q2_K ? 2 : type == EINF__Q3_K ? 3 : type == EINF__Q4_K ? 4 : type == EINF__Q5_K ? 5
           : type == EINF__Q6_K ? 6 : 8;
}

INLINE int high_code(einf__dtype type)
{
    return 1 << (code_bits(type) - 1);
}

INLINE bool has_minima(einf__dtype type)
{
    return type == EINF__Q2_K || type == EINF__Q4_K || type == EINF__Q5_K;
}

/* Elements of a sub-block. */
INLINE int sub_elems(einf__dtype type)
{
    return type == EINF__Q2_K || type == EINF__Q3_K || type == EINF__Q6_K ? 16 : 32;
}

/* --------------------------------------------------------------------------------------------------- opening -- */

INLINE extent no_codes(void)
{
    return (extent){_mm512_setzero_si512(), _mm512_set1_epi8((char)0xff)};
}

/* Codes to their place; with `look` also into the extent, while they are in a register. */
INLINE void put(bool look, extent *e, uint8_t *codes, int i, __m512i v)
{
    store_codes(codes, i, v);
    if (!look) return;
    e->max = _mm512_max_epu8(e->max, v);
    e->min = _mm512_min_epu8(e->min, v);
}

/* The sub-blocks sub, sub + step, ... */
INLINE void keep_extents(bool look, heads *h, int sub, int step, const extent *e, int n)
{
    if (!look) return;
    UNROLL for (int i = 0; i < n; i++) h->codes[sub + step * i] = e[i];
}

INLINE void open_q2_k(bool look, heads *h, uint8_t *codes, rows16 from)
{
    __m512i bytes[4], tail[4], v[4];
    load_dwords(bytes, from, offsetof(einf__block_q2_k, scales));
    load_dwords(tail, from, sizeof(einf__block_q2_k) - 16); /* ends with d and dmin */
    const __m512 d = low_half(tail[3]), dmin = high_half(tail[3]);
    UNROLL for (int quarter = 0; quarter < 4; quarter++) {
        const __m512i low = and_bytes(bytes[quarter], 15), high = high_nibbles(bytes[quarter]);
        UNROLL for (int i = 0; i < 4; i++) {
            h->scale[4 * quarter + i] = _mm512_mul_ps(d, byte_to_float(low, i));
            h->min[4 * quarter + i] = _mm512_mul_ps(dmin, byte_to_float(high, i));
        }
        uint8_t *to = codes + STEP_BYTES * (32 * (quarter / 2) + 4 * (quarter % 2));
        load_dwords(v, from, (int64_t)offsetof(einf__block_q2_k, qs) + 16 * quarter);
        extent e[4] = {no_codes(), no_codes(), no_codes(), no_codes()};
        UNROLL for (int plane = 0; plane < 4; plane++)
            UNROLL for (int i = 0; i < 4; i++)
                put(look, &e[plane], to, 8 * plane + i, and_bytes(_mm512_srli_epi32(v[i], 2 * (unsigned)plane), 3));
        keep_extents(look, h, 8 * (quarter / 2) + quarter % 2, 2, e, 4);
    }
}

/* Six bits, 32 too high: low four in the nibbles of two words, high two in the pairs of a third. The words begin in the
 * middle of one, for reading must end with the block. */
INLINE void open_q3_k_scales(heads *h, const __m512i tail[4])
{
    __m512i word[3];
    UNROLL for (int i = 0; i < 3; i++)
        word[i] = _mm512_or_si512(_mm512_srli_epi32(tail[i], 16), _mm512_slli_epi32(tail[i + 1], 16));
    const __m512 d = high_half(tail[3]);
    UNROLL for (int quarter = 0; quarter < 4; quarter++) {
        const __m512i nibbles = _mm512_srli_epi32(word[quarter % 2], quarter < 2 ? 0 : 4);
        const __m512i scales = or_bits(and_bytes(nibbles, 15), shift_left(word[2], 4 - 2 * quarter), 0x30);
        UNROLL for (int i = 0; i < 4; i++)
            h->scale[4 * quarter + i] =
                _mm512_mul_ps(d, _mm512_sub_ps(byte_to_float(scales, i), _mm512_set1_ps(32.0f)));
    }
}

INLINE void open_q3_k(bool look, heads *h, uint8_t *codes, rows16 from)
{
    __m512i tail[4], v[4], high[4];
    load_dwords(tail, from, sizeof(einf__block_q3_k) - 16);
    open_q3_k_scales(h, tail);
    UNROLL for (int half = 0; half < 2; half++) { /* of the block */
        UNROLL for (int part = 0; part < 2; part++) {
            uint8_t *to = codes + STEP_BYTES * (32 * half + 4 * part);
            load_dwords(v, from, (int64_t)offsetof(einf__block_q3_k, qs) + 32 * half + 16 * part);
            load_dwords(high, from, (int64_t)offsetof(einf__block_q3_k, hmask) + 16 * part);
            extent e[4] = {no_codes(), no_codes(), no_codes(), no_codes()};
            UNROLL for (int plane = 0; plane < 4; plane++)
                UNROLL for (int i = 0; i < 4; i++) {
                    const __m512i low = and_bytes(_mm512_srli_epi32(v[i], 2 * (unsigned)plane), 3);
                    put(look, &e[plane], to, 8 * plane + i,
                        or_bits(low, shift_left(high[i], 2 - 4 * half - plane), 4));
                }
            keep_extents(look, h, 8 * half + part, 2, e, 4);
        }
    }
}

/* Q4_K, Q5_K: d, dmin, then eight pairs of six bits in three words. */
INLINE void open_k4(heads *h, rows16 from)
{
    __m512i v[4];
    load_dwords(v, from, 0);
    const __m512 d = low_half(v[0]), dmin = high_half(v[0]);
    const __m512i scales[2] = {and_bytes(v[1], 63),
                               or_bits(and_bytes(v[3], 15), _mm512_srli_epi32(v[1], 2), 0x30)};
    const __m512i mins[2] = {and_bytes(v[2], 63), or_bits(high_nibbles(v[3]), _mm512_srli_epi32(v[2], 2), 0x30)};
    UNROLL for (int sub = 0; sub < 8; sub++) {
        h->scale[sub] = _mm512_mul_ps(d, byte_to_float(scales[sub / 4], sub % 4));
        h->min[sub] = _mm512_mul_ps(dmin, byte_to_float(mins[sub / 4], sub % 4));
    }
}

INLINE void open_q4_k(bool look, heads *h, uint8_t *codes, rows16 from)
{
    __m512i v[4];
    open_k4(h, from);
    UNROLL for (int pair = 0; pair < 4; pair++) { /* of sub-blocks, in 32 bytes */
        extent e[2] = {no_codes(), no_codes()};
        UNROLL for (int part = 0; part < 2; part++) {
            uint8_t *to = codes + STEP_BYTES * (16 * pair + 4 * part);
            load_dwords(v, from, (int64_t)offsetof(einf__block_q4_k, qs) + 32 * pair + 16 * part);
            UNROLL for (int i = 0; i < 4; i++) {
                put(look, &e[0], to, i, and_bytes(v[i], 15));
                put(look, &e[1], to, 8 + i, high_nibbles(v[i]));
            }
        }
        keep_extents(look, h, 2 * pair, 1, e, 2);
    }
}

INLINE void open_q5_k(bool look, heads *h, uint8_t *codes, rows16 from)
{
    __m512i v[4], fifth[2][4];
    open_k4(h, from);
    UNROLL for (int part = 0; part < 2; part++)
        load_dwords(fifth[part], from, (int64_t)offsetof(einf__block_q5_k, qh) + 16 * part);
    UNROLL for (int pair = 0; pair < 4; pair++) {
        extent e[2] = {no_codes(), no_codes()};
        UNROLL for (int part = 0; part < 2; part++) {
            uint8_t *to = codes + STEP_BYTES * (16 * pair + 4 * part);
            load_dwords(v, from, (int64_t)offsetof(einf__block_q5_k, qs) + 32 * pair + 16 * part);
            UNROLL for (int i = 0; i < 4; i++) {
                const __m512i bits = fifth[part][i];
                put(look, &e[0], to, i, or_bits(and_bytes(v[i], 15), shift_left(bits, 4 - 2 * pair), 16));
                put(look, &e[1], to, 8 + i, or_bits(high_nibbles(v[i]), shift_left(bits, 3 - 2 * pair), 16));
            }
        }
        keep_extents(look, h, 2 * pair, 1, e, 2);
    }
}

/* Per half block: low nibbles of 64 bytes, then their high ones; the bits above them in pairs of 32 bytes. */
INLINE void open_q6_k(bool look, heads *h, uint8_t *codes, rows16 from)
{
    __m512i scales[4], tail[4], a[4], b[4], high[4];
    load_dwords(scales, from, offsetof(einf__block_q6_k, scales));
    load_dwords(tail, from, sizeof(einf__block_q6_k) - 16); /* ends with d */
    const __m512 d = high_half(tail[3]);
    UNROLL for (int sub = 0; sub < 16; sub++)
        h->scale[sub] = _mm512_mul_ps(d, signed_byte_to_float(scales[sub / 4], sub % 4));
    UNROLL for (int part = 0; part < 4; part++) {
        const int half = part / 2, at = 16 * (part % 2);
        uint8_t *to = codes + STEP_BYTES * (32 * half + at / 4);
        load_dwords(a, from, (int64_t)offsetof(einf__block_q6_k, ql) + 64 * half + at);
        load_dwords(b, from, (int64_t)offsetof(einf__block_q6_k, ql) + 64 * half + 32 + at);
        load_dwords(high, from, (int64_t)offsetof(einf__block_q6_k, qh) + 32 * half + at);
        extent e[4] = {no_codes(), no_codes(), no_codes(), no_codes()};
        UNROLL for (int i = 0; i < 4; i++) {
            put(look, &e[0], to, i, or_bits(and_bytes(a[i], 15), shift_left(high[i], 4), 0x30));
            put(look, &e[1], to, 8 + i, or_bits(and_bytes(b[i], 15), shift_left(high[i], 2), 0x30));
            put(look, &e[2], to, 16 + i, or_bits(high_nibbles(a[i]), high[i], 0x30));
            put(look, &e[3], to, 24 + i, or_bits(high_nibbles(b[i]), shift_left(high[i], -2), 0x30));
        }
        keep_extents(look, h, 8 * half + at / 16, 2, e, 4);
    }
}

/* Scales of six bits, 32 too high: nibbles of a word, and pairs above d. */
INLINE void open_iq4_xs_scales(heads *h, rows16 from)
{
    __m512i v[4];
    load_dwords(v, from, 0);
    const __m512 d = low_half(v[0]);
    UNROLL for (int sub = 0; sub < 8; sub++) {
        const __m512i low = _mm512_and_si512(_mm512_srli_epi32(v[1], 4 * (unsigned)sub), _mm512_set1_epi32(15));
        const __m512i high = shift_left(v[0], -12 - 2 * sub);
        const __m512i scale = _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi32(0x30), 0xf8);
        h->scale[sub] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_sub_epi32(scale, _mm512_set1_epi32(32))));
    }
}

/* Levels, 128 too high. */
INLINE void open_iq4_xs(bool look, heads *h, uint8_t *codes, rows16 from)
{
    static const int8_t levels[16] = EINF__IQ4_LEVELS;
    const __m512i table = _mm512_xor_si512(_mm512_broadcast_i32x4(load128(levels)), _mm512_set1_epi8((char)BIAS));
    __m512i v[4];
    open_iq4_xs_scales(h, from);
    UNROLL for (int sub = 0; sub < 8; sub++) {
        extent e = no_codes();
        load_dwords(v, from, (int64_t)offsetof(einf__block_iq4_xs, qs) + 16 * sub);
        UNROLL for (int i = 0; i < 4; i++) {
            put(look, &e, codes, 8 * sub + i, _mm512_shuffle_epi8(table, and_bytes(v[i], 15)));
            put(look, &e, codes, 8 * sub + 4 + i, _mm512_shuffle_epi8(table, high_nibbles(v[i])));
        }
        keep_extents(look, h, sub, 1, &e, 1);
    }
}

/* -------------------------------------------------------------------------------------------------- rounding -- */

/* Of the four bytes of each lane, as a float. */
INLINE __m512 largest_byte(__m512i v)
{
    v = _mm512_max_epu8(v, _mm512_srli_epi32(v, 16));
    return byte_to_float(_mm512_max_epu8(v, _mm512_srli_epi32(v, 8)), 0);
}

/* max|w| of a sub-block: at the ends of the codes that it has. */
INLINE __m512 largest_of_sub(einf__dtype type, const heads *h, int sub)
{
    const __m512i max = h->codes[sub].max, min = h->codes[sub].min;
    const int high = high_code(type);
    if (!has_minima(type)) { /* min >= 1 in eight bits */
        const __m512i mirrored = _mm512_sub_epi8(_mm512_set1_epi8((char)(2 * high)), min);
        const __m512 far = _mm512_sub_ps(largest_byte(_mm512_max_epu8(max, mirrored)), _mm512_set1_ps((float)high));
        return _mm512_abs_ps(_mm512_mul_ps(h->scale[sub], far));
    }
    const __m512 all = _mm512_set1_ps(255.0f);
    const __m512 lowest = _mm512_sub_ps(all, largest_byte(_mm512_xor_si512(min, _mm512_set1_epi8((char)0xff))));
    return _mm512_max_ps(_mm512_abs_ps(_mm512_fmsub_ps(h->scale[sub], largest_byte(max), h->min[sub])),
                         _mm512_abs_ps(_mm512_fmsub_ps(h->scale[sub], lowest, h->min[sub])));
}

/* The low 16 bits of each lane, twice. */
INLINE __m512i twice16(__m512i v)
{
    return _mm512_shuffle_epi8(v, _mm512_set4_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100));
}

/* Codes of one sub-block from w / scale, which is slope * q - rest. */
INLINE void round_sub(einf__dtype type, uint8_t *codes, __m512 slope, __m512 rest)
{
    const float high = (float)high_code(type);
    const __mmask16 falls = _mm512_cmp_ps_mask(slope, _mm512_setzero_ps(), _CMP_LT_OQ);
    const __m512 middle = _mm512_mask_mov_ps(_mm512_set1_ps(high), falls, _mm512_set1_ps(high - 1.0f)); /* x = 0 */
    const __m512i flip = _mm512_mask_mov_epi32(_mm512_set1_epi8((char)high_code(type)), falls,
                                               _mm512_set1_epi8((char)(high_code(type) - 1)));
    const __m512 y_float = _mm512_fmsub_ps(_mm512_abs_ps(slope), _mm512_set1_ps(256.0f * high),
                                           _mm512_set1_ps(32768.0f));
    const __m512 add_float = _mm512_fmadd_ps(_mm512_fmsub_ps(slope, middle, rest), _mm512_set1_ps(256.0f),
                                             _mm512_set1_ps(256.0f * BIAS + 128.0f));
    const __m512i y = twice16(_mm512_cvtps_epi32(y_float)), add = twice16(_mm512_cvtps_epi32(add_float));
    const __m512i odd = _mm512_set1_epi16((short)0xff00);
    const __m512i to_even = _mm512_set1_epi16((short)(16 - code_bits(type)));
    const __m512i to_odd = _mm512_set1_epi16((short)(8 - code_bits(type)));
    UNROLL for (int i = 0; i < sub_elems(type) / 4; i++) {
        const __m512i q = _mm512_xor_si512(_mm512_load_si512(codes + STEP_BYTES * i), flip);
        const __m512i x_even = _mm512_sllv_epi16(q, to_even);
        const __m512i x_odd = _mm512_and_si512(_mm512_sllv_epi16(q, to_odd), odd);
        const __m512i even = _mm512_add_epi16(_mm512_mulhrs_epi16(x_even, y), _mm512_add_epi16(x_even, add));
        const __m512i both = _mm512_add_epi16(_mm512_mulhrs_epi16(x_odd, y), _mm512_add_epi16(x_odd, add));
        store_codes(codes, i, _mm512_ternarylogic_epi32(odd, both, _mm512_srli_epi16(even, 8), 0xca));
    }
}

/* The same in floats, for any scales. */
static void round_sub_exactly(uint8_t *codes, int n, __m512 scale, __m512 min, __m512 inverse, float lack)
{
    for (int i = 0; i < n; i++) {
        const __m512i q = _mm512_load_si512(codes + STEP_BYTES * i);
        __m512i rounded = _mm512_setzero_si512();
        UNROLL for (int b = 0; b < 4; b++) {
            const __m512 w = _mm512_fmsub_ps(scale, _mm512_sub_ps(byte_to_float(q, b), _mm512_set1_ps(lack)), min);
            const __m512i code = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(w, inverse)),
                                                  _mm512_set1_epi32(BIAS));
            rounded = _mm512_or_si512(rounded, _mm512_slli_epi32(code, 8 * (unsigned)b));
        }
        store_codes(codes, i, rounded);
    }
}

/* Sub-blocks [first, first + n) as one group, with a scale of their own. */
INLINE void round_group(einf__dtype type, uint8_t *codes, float *scale_out, const heads *h, int first, int n)
{
    const int high = high_code(type), sub_bytes = STEP_BYTES * sub_elems(type) / 4;
    const float lack = has_minima(type) ? 0.0f : (float)high;
    __m512 max = _mm512_setzero_ps(), fullest = _mm512_setzero_ps();
    for (int i = 0; i < n; i++) {
        max = _mm512_max_ps(max, largest_of_sub(type, h, first + i));
        fullest = _mm512_max_ps(fullest, _mm512_abs_ps(h->scale[first + i]));
    }
    __m512 scale = _mm512_mul_ps(max, _mm512_set1_ps(1.0f / 127.0f));
    const __mmask16 whole = _mm512_cmp_ps_mask(scale, _mm512_set1_ps(FLT_MIN), _CMP_GE_OQ);
    scale = _mm512_maskz_mov_ps(whole, scale);
    __m512 inverse = _mm512_maskz_div_ps(whole, _mm512_set1_ps(1.0f), scale);
    if (sub_elems(type) == 16 && n == 2 && !has_minima(type)) { /* one scale: the file's codes */
        const __mmask16 kept = _mm512_cmp_ps_mask(h->scale[first], h->scale[first + 1], _CMP_EQ_OQ);
        const __mmask16 some = _mm512_mask_cmp_ps_mask(kept, h->scale[first], _mm512_setzero_ps(), _CMP_NEQ_UQ);
        const __m512 one = _mm512_maskz_div_ps(some, _mm512_set1_ps(1.0f), h->scale[first]);
        scale = _mm512_mask_mov_ps(scale, kept, h->scale[first]);
        inverse = _mm512_mask_mov_ps(inverse, kept, one);
    }
    _mm512_store_ps(scale_out, scale);
    const __mmask16 too_large = _mm512_cmp_ps_mask(_mm512_abs_ps(_mm512_mul_ps(fullest, inverse)),
                                                   _mm512_set1_ps(65535.0f / 256.0f / (float)high), _CMP_NLE_UQ);
    for (int i = 0; i < n; i++) {
        const __m512 own = h->scale[first + i], min = has_minima(type) ? h->min[first + i] : _mm512_setzero_ps();
        if (too_large != 0) {
            round_sub_exactly(codes + sub_bytes * i, sub_elems(type) / 4, own, min, inverse, lack);
            continue;
        }
        const __m512 slope = _mm512_mul_ps(own, inverse);
        round_sub(type, codes + sub_bytes * i, slope,
                  has_minima(type) ? _mm512_mul_ps(min, inverse) : _mm512_mul_ps(slope, _mm512_set1_ps(lack)));
    }
}

/* --------------------------------------------------------------------------------------------------- packing -- */

/* Whether the form has the file's codes. */
INLINE bool is_kept(einf__dtype type, einf__panel_form form)
{
    if (type == EINF__IQ4_XS) return form == EINF__PANEL_32;
    return (type == EINF__Q4_K || type == EINF__Q5_K) && form == EINF__PANEL_32M;
}

/* The opened block of sixteen rows, in groups of sub-blocks; scale and min: of its first group. */
INLINE void finish_block(einf__dtype type, bool kept, int group, uint8_t *codes, float *scale, float *min,
                         const heads *h)
{
    const int n = group / sub_elems(type);
    for (int g = 0; g < ELEMS / group; g++) {
        if (kept) {
            _mm512_store_ps(scale + MR * g, h->scale[g]);
            if (has_minima(type)) _mm512_store_ps(min + MR * g, h->min[g]);
        } else {
            round_group(type, codes + STEP_BYTES * group / 4 * g, scale + MR * g, h, g * n, n);
        }
    }
}

#define TYPES(X) X(Q2_K, q2_k) X(Q3_K, q3_k) X(Q4_K, q4_k) X(Q5_K, q5_k) X(Q6_K, q6_k) X(IQ4_XS, iq4_xs)

#define PACK(type, name) \
    INLINE void pack_##name(bool kept, int group, const einf__strip *s, const uint8_t *w, size_t row_bytes, \
                            int32_t n_rows, int64_t n_in) \
    { \
        uint8_t spare[HALF * SPARE_BYTES]; \
        const int64_t bytes = sizeof(einf__block_##name), groups = ELEMS / group; \
        for (int32_t row = 0; row < MR; row += HALF) { \
            const uint8_t *first = w + (n_rows > row ? (size_t)row * row_bytes : 0); \
            for (int64_t b = 0; b < n_in / ELEMS; b++) { \
                uint8_t *codes = s->codes + ELEMS * MR * b + 4 * row; \
                heads h; \
                fetch_next(first, row_bytes, b * bytes, bytes); \
                open_##name(!kept, &h, codes, \
                            rows16_at(spare, first + b * bytes, row_bytes, n_rows - row, bytes)); \
                finish_block(EINF__##type, kept, group, codes, s->scale + groups * MR * b + row, \
                             s->min + groups * MR * b + row, &h); \
            } \
        } \
    } \
    static void pack_##name##_vnni512(const einf__kernels *k, const einf__strip *s, einf__panel_form form, \
                                      const void *w, size_t row_bytes, int32_t n_rows, int64_t n_in) \
    { \
        (void)k; \
        if (is_kept(EINF__##type, form)) pack_##name(true, 32, s, w, row_bytes, n_rows, n_in); \
        else pack_##name(false, einf__panel_group(form), s, w, row_bytes, n_rows, n_in); \
    }
TYPES(PACK)

void einf__install_pack_super_vnni512(einf__kernels *k)
{
#define INSTALL(type, name) EINF__INSTALL_TYPED(k, pack, EINF__##type, pack_##name##_vnni512);
    TYPES(INSTALL)
#undef INSTALL
}
