/* SPDX-License-Identifier: MIT
 * pack_any_vnni512.c - strips from any format, by the reference's unpacking: of the formats with grids, whose codes are
 * looked up one by one, and in the forms that are nobody's default.
 */
#include <float.h>

#include "engine/kernels/ref/kernels_ref.h"
#include "engine/kernels/x86/panel_vnni512.h"

enum { PIECE = 256 /* elements at a time: every block divides it */ };

/* Elements [16 i, 16 i + 16): NaN to 0, infinities to the largest float. */
INLINE __m512 weights16(const einf__codes *c, int i)
{
    const __m512 q = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load128(c->q + 16 * i)));
    const __m512 w = _mm512_fmadd_ps(_mm512_set1_ps(c->scale[i]), q, _mm512_set1_ps(c->offset[i]));
    const __m512 max = _mm512_set1_ps(FLT_MAX);
    const __m512 number = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(w, w, _CMP_ORD_Q), w);
    return _mm512_max_ps(_mm512_min_ps(number, max), _mm512_sub_ps(_mm512_setzero_ps(), max));
}

/* Elements [begin, begin + n) rounded, in place of their codes; returns their scale. */
static float round_group(einf__codes *c, int begin, int n)
{
    __m512 max = _mm512_setzero_ps();
    for (int i = begin / 16; i < (begin + n) / 16; i++) max = _mm512_max_ps(max, _mm512_abs_ps(weights16(c, i)));
    float scale = _mm512_reduce_max_ps(max) / 127.0f;
    if (scale < FLT_MIN) scale = 0.0f;
    const __m512 inverse = _mm512_set1_ps(scale > 0.0f ? 1.0f / scale : 0.0f);
    for (int i = begin / 16; i < (begin + n) / 16; i++) {
        const __m128i codes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(weights16(c, i), inverse)));
        _mm_storeu_si128((__m128i *)(void *)(c->q + 16 * i), codes);
    }
    return scale;
}

/* Whether the form has the file's own codes for the 32 elements at `begin`. */
static bool is_kept(einf__panel_form form, const einf__codes *c, int begin)
{
    const float *scale = c->scale + begin / 16, *offset = c->offset + begin / 16;
    return form == EINF__PANEL_32M ||
           (form == EINF__PANEL_32 && scale[0] == scale[1] && offset[0] == 0.0f && offset[1] == 0.0f);
}

/* n elements of one row to where the strip has them. */
static void store_row(uint8_t *to, const int8_t *q, int n, int bias)
{
    const __m256i add = _mm256_set1_epi8((char)bias);
    for (int e = 0; e < n; e += 32) {
        uint8_t codes[32];
        _mm256_storeu_si256((__m256i *)(void *)codes, _mm256_add_epi8(load256(q + e), add));
        for (int i = 0; i < 32; i += 4) memcpy(to + STEP_BYTES / 4 * (e + i), codes + i, 4);
    }
}

/* Elements [at, at + n) of row i; a row that is not there has no blocks. */
static void pack_piece(const einf__strip *s, einf__panel_form form, int64_t at, int n, int i, einf__dtype type,
                       const uint8_t *blocks)
{
    const int group = einf__panel_group(form);
    einf__codes c = {.q = {0}};
    if (blocks) einf__unpack_row(&c, type, blocks, n);
    for (int e = 0; e < n; e += group) {
        const int64_t to = (at + e) / group * MR + i;
        const bool kept = is_kept(form, &c, e);
        s->scale[to] = kept ? c.scale[e / 16] : round_group(&c, e, group);
        if (form == EINF__PANEL_32M) s->min[to] = -c.offset[e / 16];
    }
    store_row(s->codes + at * MR + 4 * i, c.q, n, form == EINF__PANEL_32M ? 0 : BIAS);
}

void einf__pack_any_vnni512(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                            size_t row_bytes, int32_t n_rows, int64_t n_in, einf__dtype type)
{
    (void)k;
    for (int64_t at = 0; at < n_in; at += PIECE) {
        const int n = (int)(n_in - at < PIECE ? n_in - at : PIECE);
        const uint8_t *blocks = (const uint8_t *)w + einf__dtype_row_bytes(type, (uint64_t)at);
        for (int i = 0; i < MR; i++)
            pack_piece(s, form, at, n, i, type, i < n_rows ? blocks + (size_t)i * row_bytes : NULL);
    }
}

#define TYPES(X) \
    X(IQ1_S, iq1_s) X(IQ1_M, iq1_m) X(IQ2_XXS, iq2_xxs) X(IQ2_XS, iq2_xs) X(IQ2_S, iq2_s) X(IQ3_XXS, iq3_xxs) \
    X(IQ3_S, iq3_s) X(TQ1_0, tq1_0) X(TQ2_0, tq2_0)

#define PACK(type, name) \
    static void pack_##name##_vnni512(const einf__kernels *k, const einf__strip *s, einf__panel_form form, \
                                      const void *w, size_t row_bytes, int32_t n_rows, int64_t n_in) \
    { \
        einf__pack_any_vnni512(k, s, form, w, row_bytes, n_rows, n_in, EINF__##type); \
    }
TYPES(PACK)

void einf__install_pack_any_vnni512(einf__kernels *k)
{
#define INSTALL(type, name) EINF__INSTALL_TYPED(k, pack, EINF__##type, pack_##name##_vnni512);
    TYPES(INSTALL)
#undef INSTALL
}
