/* SPDX-License-Identifier: MIT
 * pack_avx2.c - strips of weights with AVX2, for every coded type and any shape with units of four elements.
 *
 * Eight rows at a time, 256 elements of each: first the codes of a row in its own order, beside a scale and a minimum a
 * group; then eight rows are turned into units of four elements, row beside row. Codes are the file's where the form
 * keeps them, by vectors for the common formats and by the reference's blocks for the rest; otherwise the row becomes
 * floats and is rounded.
 */
#include "engine/kernels/ref/kernels_ref.h"
#include "engine/kernels/x86/panel_avx2.h"
#include "engine/kernels/x86/unpack_avx2.h"

enum { PIECE = 256 /* elements: every block divides it */ };

/* A piece of a row, w = scale * code - min, or scale * factor * code. */
typedef struct packed_piece {
    _Alignas(32) int8_t code[PIECE];
    _Alignas(32) float scale[PIECE / 32], min[PIECE / 32];
    _Alignas(32) int16_t factor[PIECE / 16];
} packed_piece;

/* Codes, scales and minima or factors of n elements, as a format has them. */
typedef void (*keep_fn)(packed_piece *p, const uint8_t *block, int n);

INLINE void store_codes(packed_piece *p, int e, __m256i codes)
{
    _mm256_store_si256((__m256i *)(void *)(p->code + e), codes);
}

/* -------------------------------------------------------------------------------- the codes of a format -- */

/* Groups of 32 with one scale. */
INLINE void keep_no_factors(packed_piece *p)
{
    _mm256_store_si256((__m256i *)(void *)p->factor, _mm256_set1_epi16(1));
}

INLINE void keep_small(einf__dtype type, packed_piece *p, const uint8_t *block, int n)
{
    keep_no_factors(p);
    for (int e = 0; e < n; e += 32, block += small_bytes(type)) {
        store_codes(p, e, _mm256_sub_epi8(small_codes(type, block), _mm256_set1_epi8((char)small_bias(type))));
        p->scale[e / 32] = half_to_float(load_u16(block));
        p->min[e / 32] = small_has_min(type) ? -half_to_float(load_u16(block + 2)) : 0.0f;
    }
}

/* One superblock of a format with a scale for each 16. */
INLINE void keep_halves(einf__dtype type, packed_piece *p, const uint8_t *block)
{
    const super s = super_open(type, block);
    const __m128i even = _mm256_castsi256_si128(s.scales), odd = _mm256_extracti128_si256(s.scales, 1);
    _mm256_store_si256((__m256i *)(void *)p->factor,
                       _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd)));
    _mm256_store_ps(p->scale, _mm256_set1_ps(s.d));
    UNROLL for (int j = 0; j < 8; j++)
        store_codes(p, 32 * j, _mm256_sub_epi8(super_codes(type, block, j), _mm256_set1_epi8((char)super_bias(type))));
}

/* One superblock of a format with a scale for each 32. */
INLINE void keep_super(einf__dtype type, packed_piece *p, const uint8_t *block)
{
    const super s = super_open(type, block);
    const __m256i scales = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(s.scales)); /* both lanes are the same */
    _mm256_store_ps(p->scale, _mm256_mul_ps(_mm256_cvtepi32_ps(scales), _mm256_set1_ps(s.d)));
    const __m256i mins = _mm256_and_si256(s.mins, _mm256_set1_epi32(0xffff)); /* stored twice, once a 16 */
    _mm256_store_ps(p->min, _mm256_mul_ps(_mm256_cvtepi32_ps(mins), _mm256_set1_ps(-s.min_factor)));
    UNROLL for (int j = 0; j < 8; j++) store_codes(p, 32 * j, super_codes(type, block, j));
}

INLINE void keep_unpacked(einf__dtype type, void (*unpack)(einf__codes *c, const void *block), packed_piece *p,
                          const uint8_t *block, int n)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    einf__codes c;
    keep_no_factors(p);
    for (int e = 0; e < n; e += info->block_elems, block += info->block_bytes) {
        unpack(&c, block);
        memcpy(p->code + e, c.q, info->block_elems);
        for (int g = 0; g < info->block_elems / 32; g++) {
            p->scale[e / 32 + g] = c.scale[2 * g];
            p->min[e / 32 + g] = -c.offset[2 * g];
        }
    }
}

/* X(enum, name): blocks of 32; superblocks, with one scale for 32 elements and with two; and what is left to the
 * reference's blocks. The rest has two scales for 32 elements and is always rounded. */
#define SMALL_TYPES(X) X(Q4_0, q4_0) X(Q4_1, q4_1) X(Q5_0, q5_0) X(Q5_1, q5_1) X(Q8_0, q8_0) X(IQ4_NL, iq4_nl)
#define SUPER_TYPES(X) X(Q4_K, q4_k) X(Q5_K, q5_k) X(IQ4_XS, iq4_xs)
#define HALVES_TYPES(X) X(Q3_K, q3_k) X(Q6_K, q6_k)
#define UNPACKED_TYPES(X) X(IQ2_XXS, iq2_xxs) X(IQ3_XXS, iq3_xxs) X(IQ3_S, iq3_s) X(TQ1_0, tq1_0) X(TQ2_0, tq2_0) \
    X(MXFP4, mxfp4)
#define ROUNDED_TYPES(X) X(Q2_K, q2_k) X(IQ1_S, iq1_s) X(IQ1_M, iq1_m) X(IQ2_XS, iq2_xs) X(IQ2_S, iq2_s)

#define KEEP_SMALL(type, name) \
    static void keep_##name(packed_piece *p, const uint8_t *block, int n) { keep_small(EINF__##type, p, block, n); }
#define KEEP_ONE(keep, type, name) \
    static void keep_##name(packed_piece *p, const uint8_t *block, int n) \
    { \
        (void)n; \
        keep(EINF__##type, p, block); \
    }
#define KEEP_SUPER(type, name) KEEP_ONE(keep_super, type, name)
#define KEEP_HALVES(type, name) KEEP_ONE(keep_halves, type, name)
#define KEEP_UNPACKED(type, name) \
    static void keep_##name(packed_piece *p, const uint8_t *block, int n) \
    { \
        keep_unpacked(EINF__##type, einf__unpack_##name, p, block, n); \
    }
SMALL_TYPES(KEEP_SMALL)
SUPER_TYPES(KEEP_SUPER)
HALVES_TYPES(KEEP_HALVES)
UNPACKED_TYPES(KEEP_UNPACKED)

/* -------------------------------------------------------------------------------------------- rounding -- */

static void round_piece(einf__to_f32_fn to_f32, packed_piece *p, const uint8_t *block, int n, int group)
{
    _Alignas(32) float x[PIECE];
    float room[PANEL_MAX_GROUP];
    to_f32(x, block, n);
    for (int g = 0; g < n / group; g++) {
        const float *from = panel_scale(&p->scale[g], room, x + g * group, group);
        for (int e = 0; e < group; e += 32) store_codes(p, g * group + e, panel_round(from + e, p->scale[g]));
    }
}

/* --------------------------------------------------------------------------------------------- packing -- */

/* 32 elements of eight rows to eight units of each, which lie unit_bytes apart. */
INLINE void store_turned(uint8_t *codes, int64_t unit_bytes, const packed_piece rows[8], int e, __m256i bias)
{
    __m256i in[8], t[8], u[8];
    UNROLL for (int i = 0; i < 8; i++)
        in[i] = _mm256_add_epi8(_mm256_load_si256((const __m256i *)(const void *)(rows[i].code + e)), bias);
    UNROLL for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(in[2 * i], in[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(in[2 * i], in[2 * i + 1]);
    }
    UNROLL for (int h = 0; h < 2; h++) {
        u[4 * h] = _mm256_unpacklo_epi64(t[4 * h], t[4 * h + 2]);
        u[4 * h + 1] = _mm256_unpackhi_epi64(t[4 * h], t[4 * h + 2]);
        u[4 * h + 2] = _mm256_unpacklo_epi64(t[4 * h + 1], t[4 * h + 3]);
        u[4 * h + 3] = _mm256_unpackhi_epi64(t[4 * h + 1], t[4 * h + 3]);
    }
    UNROLL for (int k = 0; k < 4; k++) {
        uint8_t *low = codes + k * unit_bytes, *high = codes + (4 + k) * unit_bytes;
        _mm256_storeu_si256((__m256i *)(void *)low, _mm256_permute2x128_si256(u[k], u[4 + k], 0x20));
        _mm256_storeu_si256((__m256i *)(void *)high, _mm256_permute2x128_si256(u[k], u[4 + k], 0x31));
    }
}

/* Eight rows from i0 on, n elements from `at` on. */
static void store_pieces(const einf__panel_shape *shape, const einf__strip *s, einf__panel_form form, int64_t at, int n,
                         int i0, const packed_piece rows[8])
{
    const int64_t mr = shape->mr, group = einf__panel_group(form), first = at / group;
    const bool has_minima = einf__panel_has_minima(form), has_factors = form == EINF__PANEL_16;
    const __m256i bias = _mm256_set1_epi8((char)einf__code_bias(shape, form));
    for (int e = 0; e < n; e += 32)
        store_turned(s->codes + (at + e) * mr + i0 * PANEL_K_UNIT, mr * PANEL_K_UNIT, rows, e, bias);
    for (int64_t g = 0; g < n / group; g++) {
        const int64_t to = (first + g) * mr + i0;
        for (int i = 0; i < 8; i++) s->scale[to + i] = rows[i].scale[g];
        for (int i = 0; has_minima && i < 8; i++) s->min[to + i] = rows[i].min[g];
        for (int i = 0; has_factors && i < 8; i++)
            memcpy(s->factor + 2 * (to + i), rows[i].factor + 2 * g, 2 * sizeof *s->factor);
    }
}

static void pack_rows(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                      size_t row_bytes, int32_t n_rows, int64_t n_in, einf__dtype type, keep_fn keep)
{
    const einf__to_f32_fn to_f32 = k->to_f32[type];
    packed_piece rows[8];
    for (int i0 = 0; i0 < k->panel_shape.mr; i0 += 8) {
        memset(rows, 0, sizeof rows); /* rows that are not there stay so */
        for (int64_t at = 0; at < n_in; at += PIECE) {
            const int n = (int)(n_in - at < PIECE ? n_in - at : PIECE);
            const size_t offset = (size_t)einf__dtype_row_bytes(type, (uint64_t)at);
            for (int i = 0; i < 8 && i0 + i < n_rows; i++) {
                const uint8_t *block = (const uint8_t *)w + (size_t)(i0 + i) * row_bytes + offset;
                if (keep) keep(&rows[i], block, n);
                else round_piece(to_f32, &rows[i], block, n, einf__panel_group(form));
            }
            store_pieces(&k->panel_shape, s, form, at, n, i0, rows);
        }
    }
}

/* kept: the form that has the file's codes, besides those that only such types are packed to. */
#define PACK(type, name, kept, keep) \
    static void pack_##name##_avx2(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w, \
                                   size_t row_bytes, int32_t n_rows, int64_t n_in) \
    { \
        const bool is_kept = form == (kept) || form == EINF__PANEL_16 || form == EINF__PANEL_32M4; \
        pack_rows(k, s, form, w, row_bytes, n_rows, n_in, EINF__##type, is_kept ? (keep) : NULL); \
    }
#define PACK_KEEPING(type, name) PACK(type, name, einf__panel_finest(EINF__##type), keep_##name)
#define PACK_HALVES(type, name) PACK(type, name, EINF__PANEL_16, keep_##name)
#define PACK_ROUNDING(type, name) PACK(type, name, EINF__PANEL_16, NULL)
SMALL_TYPES(PACK_KEEPING)
SUPER_TYPES(PACK_KEEPING)
HALVES_TYPES(PACK_HALVES)
UNPACKED_TYPES(PACK_KEEPING)
ROUNDED_TYPES(PACK_ROUNDING)

void einf__install_pack_avx2(einf__kernels *k)
{
#define INSTALL_PACK(type, name) EINF__INSTALL_TYPED(k, pack, EINF__##type, pack_##name##_avx2);
    EINF__CODED_TYPES(INSTALL_PACK)
#undef INSTALL_PACK
}
