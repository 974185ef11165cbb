/* SPDX-License-Identifier: MIT
 * pack_small_vnni512.c - strips from formats in blocks of 32, whose codes, scales and minima are kept as they are.
 */
#include "engine/kernels/x86/panel_vnni512.h"
#include "engine/kernels/x86/unpack_avx2.h"

static const int8_t iq4_table[16] = EINF__IQ4_LEVELS;
static const int8_t fp4_table[16] = EINF__FP4_LEVELS;

INLINE int64_t block_bytes(einf__dtype type)
{
    return type == EINF__MXFP4 ? (int64_t)sizeof(einf__block_mxfp4) : small_bytes(type);
}

INLINE bool has_fifth_bits(einf__dtype type)
{
    return type == EINF__Q5_0 || type == EINF__Q5_1;
}

/* Where the 16 bytes of nibbles, or the 32 codes, of a block lie. */
INLINE int codes_at(einf__dtype type)
{
    return type == EINF__MXFP4 ? 1 : (small_has_min(type) ? 4 : 2) + (has_fifth_bits(type) ? 4 : 0);
}

/* What is added to a code: the bias of the strip less that of the format. */
INLINE __m512i biased(einf__dtype type, __m512i nibbles)
{
    if (type == EINF__IQ4_NL || type == EINF__MXFP4) {
        const __m512i table = _mm512_broadcast_i32x4(load128(type == EINF__MXFP4 ? fp4_table : iq4_table));
        return _mm512_shuffle_epi8(_mm512_xor_si512(table, _mm512_set1_epi8((char)BIAS)), nibbles);
    }
    if (small_has_min(type)) return nibbles;
    return _mm512_add_epi8(nibbles, _mm512_set1_epi8((char)(BIAS - small_bias(type))));
}

/* Adds 16 to elements 4 i to 4 i + 3 where the word of a row has those bits. */
INLINE __m512i with_fifth_bits(__m512i codes, __m512i words, int i)
{
    const __m512i byte = _mm512_add_epi8(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0),
                                         _mm512_set1_epi8((char)(i / 2)));
    const __m512i bits = _mm512_set1_epi32(i % 2 ? (int)0x80402010u : 0x08040201);
    const __mmask64 set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(words, byte), bits);
    return _mm512_mask_add_epi8(codes, set, codes, _mm512_set1_epi8(16));
}

/* 2^(e - 128): below 2^-126 a bit that moves down. */
INLINE __m512 power_of_two(__m512i e)
{
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i tiny = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    const __mmask16 is_tiny = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(_mm512_mask_mov_epi32(normal, is_tiny, tiny));
}

INLINE void pack_block(einf__dtype type, uint8_t *codes, float *scale, float *min, rows16 from)
{
    __m512i head[4], v[4];
    load_dwords(head, from, 0);
    load_dwords(v, from, codes_at(type));
    _mm512_store_ps(scale, type == EINF__MXFP4 ? power_of_two(_mm512_and_si512(head[0], _mm512_set1_epi32(255)))
                                               : low_half(head[0]));
    if (small_has_min(type)) _mm512_store_ps(min, _mm512_sub_ps(_mm512_setzero_ps(), high_half(head[0])));
    if (type == EINF__Q8_0) {
        UNROLL for (int i = 0; i < 4; i++) store_codes(codes, i, _mm512_xor_si512(v[i], _mm512_set1_epi8((char)BIAS)));
        load_dwords(v, from, codes_at(type) + 16);
        UNROLL for (int i = 0; i < 4; i++)
            store_codes(codes, 4 + i, _mm512_xor_si512(v[i], _mm512_set1_epi8((char)BIAS)));
        return;
    }
    const __m512i words = type == EINF__Q5_1 ? head[1]
                                             : _mm512_or_si512(_mm512_srli_epi32(head[0], 16),
                                                               _mm512_slli_epi32(head[1], 16));
    UNROLL for (int i = 0; i < 4; i++) {
        __m512i low = biased(type, and_bytes(v[i], 15)), high = biased(type, high_nibbles(v[i]));
        if (has_fifth_bits(type)) low = with_fifth_bits(low, words, i), high = with_fifth_bits(high, words, 4 + i);
        store_codes(codes, i, low);
        store_codes(codes, 4 + i, high);
    }
}

INLINE void pack_small(einf__dtype type, const einf__strip *s, const uint8_t *w, size_t row_bytes, int32_t n_rows,
                       int64_t n_in)
{
    uint8_t spare[HALF * SPARE_BYTES];
    const int64_t bytes = block_bytes(type);
    for (int row = 0; row < MR; row += HALF) {
        const uint8_t *first = w + (n_rows > row ? (size_t)row * row_bytes : 0);
        for (int64_t g = 0; g < n_in / 32; g++) {
            fetch_next(first, row_bytes, g * bytes, bytes);
            pack_block(type, s->codes + 32 * MR * g + 4 * row, s->scale + MR * g + row, s->min + MR * g + row,
                       rows16_at(spare, first + g * bytes, row_bytes, n_rows - row, bytes));
        }
    }
}

#define TYPES(X) \
    X(Q4_0, q4_0) X(Q4_1, q4_1) X(Q5_0, q5_0) X(Q5_1, q5_1) X(Q8_0, q8_0) X(IQ4_NL, iq4_nl) X(MXFP4, mxfp4)

#define PACK(type, name) \
    static void pack_##name##_vnni512(const einf__kernels *k, const einf__strip *s, einf__panel_form form, \
                                      const void *w, size_t row_bytes, int32_t n_rows, int64_t n_in) \
    { \
        const einf__panel_form kept = small_has_min(EINF__##type) ? EINF__PANEL_32M : EINF__PANEL_32; \
        if (form == kept) pack_small(EINF__##type, s, w, row_bytes, n_rows, n_in); \
        else einf__pack_any_vnni512(k, s, form, w, row_bytes, n_rows, n_in, EINF__##type); \
    }
TYPES(PACK)

void einf__install_pack_small_vnni512(einf__kernels *k)
{
#define INSTALL(type, name) EINF__INSTALL_TYPED(k, pack, EINF__##type, pack_##name##_vnni512);
    TYPES(INSTALL)
#undef INSTALL
}
