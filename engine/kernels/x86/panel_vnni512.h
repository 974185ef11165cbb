/* SPDX-License-Identifier: MIT
 * panel_vnni512.h - private to the AVX-512 VNNI files: the shape of strips and tiles, and how the same bytes of sixteen
 * rows become vectors.
 *
 * Strips are packed sixteen rows at a time, a dword of each in a vector: once the bytes of a block are transposed, what
 * is done to a code is done to a lane, rows never meet again, and a vector is stored as the strip wants it.
 */
#ifndef EINF_PANEL_VNNI512_H
#define EINF_PANEL_VNNI512_H

#include "engine/base/blocks.h"
#include "engine/kernels/x86/kernels_avx2.h"

enum {
    MR = 32,
    NR = 12,
    NR_UNIT = 2,
    HALF = 16,           /* rows of a vector */
    STEP_BYTES = 4 * MR, /* of a strip: four elements of each row */
    BIAS = 128
};

/* Each fills the slots that its file implements. */
void einf__install_panel_mul_vnni512(einf__kernels *k);
void einf__install_tile_vnni512(einf__kernels *k);
void einf__install_pack_small_vnni512(einf__kernels *k);
void einf__install_pack_super_vnni512(einf__kernels *k);
void einf__install_pack_any_vnni512(einf__kernels *k);

/** The types and forms that have no function of their own, in plain steps: einf__pack_fn with the type. */
void einf__pack_any_vnni512(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                            size_t row_bytes, int32_t n_rows, int64_t n_in, einf__dtype type);

/* ------------------------------------------------------------------------------------------------ sixteen rows -- */

/* Where sixteen blocks lie, one a row. */
typedef struct rows16 {
    const uint8_t *p;
    int64_t step;
} rows16;

enum { SPARE_BYTES = 256 /* a row of blocks that are copied; every block is shorter */ };

/* The blocks at p, of which n are there, or none; the others are zeros. */
INLINE rows16 rows16_at(uint8_t spare[HALF * SPARE_BYTES], const uint8_t *p, size_t row_bytes, int32_t n,
                        int64_t block_bytes)
{
    if (n >= HALF) return (rows16){p, (int64_t)row_bytes};
    memset(spare, 0, HALF * SPARE_BYTES);
    for (int32_t i = 0; i < n; i++) memcpy(spare + i * SPARE_BYTES, p + (size_t)i * row_bytes, (size_t)block_bytes);
    return (rows16){spare, SPARE_BYTES};
}

/* Sixteen rows at once are too many streams for the hardware to foresee, and each is short. So while these are packed
 * the next sixteen come to L2, piece by piece in the order of memory: 16 * block_bytes of them from 16 * `at` on. Twice
 * as fast from memory. Behind the last row this asks for what nobody reads, which is no access. */
INLINE void fetch_next(const uint8_t *p, size_t row_bytes, int64_t at, int64_t block_bytes)
{
    const uintptr_t next = (uintptr_t)p + HALF * (row_bytes + (size_t)at);
    for (int64_t i = 0; i < HALF * block_bytes; i += 64)
        _mm_prefetch((const char *)(next + (uintptr_t)i), _MM_HINT_T1);
}

/* 16 bytes of every fourth row. */
INLINE __m512i every_fourth(const uint8_t *p, int64_t step)
{
    __m512i v = _mm512_castsi128_si512(load128(p));
    v = _mm512_mask_broadcast_i32x4(v, 0x00f0, load128(p + 4 * step));
    v = _mm512_mask_broadcast_i32x4(v, 0x0f00, load128(p + 8 * step));
    return _mm512_mask_broadcast_i32x4(v, 0xf000, load128(p + 12 * step));
}

/* Bytes [at, at + 16) of each block: v[i] is their dword i, a row a lane. */
INLINE void load_dwords(__m512i v[4], rows16 from, int64_t at)
{
    const uint8_t *p = from.p + at;
    const __m512i a = every_fourth(p, from.step), b = every_fourth(p + from.step, from.step);
    const __m512i c = every_fourth(p + 2 * from.step, from.step), d = every_fourth(p + 3 * from.step, from.step);
    const __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
    v[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
    v[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
    v[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    v[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
}

/* ------------------------------------------------------------------------------------------------------ lanes -- */

INLINE __m512i and_bytes(__m512i v, int mask)
{
    return _mm512_and_si512(v, _mm512_set1_epi8((char)mask));
}

/* Bits [4, 8) of each byte. */
INLINE __m512i high_nibbles(__m512i v)
{
    return and_bytes(_mm512_srli_epi32(v, 4), 15);
}

/* codes | (bits & mask), bytewise. */
INLINE __m512i or_bits(__m512i codes, __m512i bits, int mask)
{
    return _mm512_ternarylogic_epi32(codes, bits, _mm512_set1_epi8((char)mask), 0xf8);
}

/* v << n, or v >> -n. */
INLINE __m512i shift_left(__m512i v, int n)
{
    return n >= 0 ? _mm512_slli_epi32(v, (unsigned)n) : _mm512_srli_epi32(v, (unsigned)-n);
}

/* Byte i of each lane, as it is or signed. */
INLINE __m512 byte_to_float(__m512i v, int i)
{
    return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(v, 8 * (unsigned)i), _mm512_set1_epi32(255)));
}

INLINE __m512 signed_byte_to_float(__m512i v, int i)
{
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 24 - 8 * (unsigned)i), 24));
}

/* The half in the low 16 bits, or in the high ones. */
INLINE __m512 low_half(__m512i v)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
}

INLINE __m512 high_half(__m512i v)
{
    return low_half(_mm512_srli_epi32(v, 16));
}

INLINE void store_codes(uint8_t *codes, int i, __m512i v)
{
    _mm512_store_si512(codes + STEP_BYTES * i, v);
}

#endif
