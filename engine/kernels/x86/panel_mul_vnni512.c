/* SPDX-License-Identifier: MIT
 * panel_mul_vnni512.c - strip times tile with AVX-512 VNNI, for all forms.
 *
 * Two vectors of rows times up to six columns: 12 sums in integers and 12 in floats fill the registers that the weights
 * leave, and nothing is kept in memory. With all twelve columns of a tile at once the floats would be, which costs more
 * than to read a strip twice from L2: 56 of 64 products a cycle with groups of 128 on Zen 4, and 60 this way.
 */
#include "engine/kernels/x86/panel_vnni512.h"

enum { MAX_PASS = 6 /* columns at once */ };

typedef struct sums {
    __m512 f[2][MAX_PASS];
} sums;

/* Four bytes of a column for every row. */
INLINE __m512i splat_codes(const int8_t *q)
{
    return _mm512_set1_epi32((int)load_u32(q));
}

/* The group at w and q, `step` bytes of q for four elements. Four products are below 4 * 255 * 127; a group of 128 is
 * below 4.2e6, exact as a float. */
INLINE void multiply_group(einf__panel_form form, int n_cols, __m512i a[2][MAX_PASS], const uint8_t *w, const int8_t *q,
                           int64_t step, const int32_t *start)
{
    UNROLL for (int j = 0; j < n_cols; j++)
        a[0][j] = a[1][j] = form == EINF__PANEL_32M ? _mm512_setzero_si512() : _mm512_set1_epi32(start[j]);
    for (int e = 0; e < einf__panel_group(form); e += 4, w += STEP_BYTES, q += step) {
        const __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 64);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m512i x = splat_codes(q + 4 * j);
            a[0][j] = _mm512_dpbusd_epi32(a[0][j], w0, x);
            a[1][j] = _mm512_dpbusd_epi32(a[1][j], w1, x);
        }
    }
}

INLINE void add_scaled(int n_cols, sums *s, __m512i a[2][MAX_PASS], const float *scale, const float *d)
{
    const __m512 scale0 = _mm512_load_ps(scale), scale1 = _mm512_load_ps(scale + 16);
    UNROLL for (int j = 0; j < n_cols; j++) {
        const __m512 dj = _mm512_set1_ps(d[j]);
        s->f[0][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(a[0][j]), _mm512_mul_ps(scale0, dj), s->f[0][j]);
        s->f[1][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(a[1][j]), _mm512_mul_ps(scale1, dj), s->f[1][j]);
    }
}

INLINE void subtract_minima(int n_cols, sums *s, const float *min, const float *dsum)
{
    const __m512 min0 = _mm512_load_ps(min), min1 = _mm512_load_ps(min + 16);
    UNROLL for (int j = 0; j < n_cols; j++) {
        const __m512 x = _mm512_set1_ps(dsum[j]);
        s->f[0][j] = _mm512_fnmadd_ps(min0, x, s->f[0][j]);
        s->f[1][j] = _mm512_fnmadd_ps(min1, x, s->f[1][j]);
    }
}

/* Columns [col, col + n_cols) of the tile. */
INLINE void multiply(einf__panel_form form, int n_cols, float *c, const einf__strip *strip, const einf__tile *t,
                     int32_t col, int64_t n_in)
{
    const int64_t group = einf__panel_group(form), n = t->n_cols;
    const uint8_t *w = strip->codes;
    const int8_t *q = t->q + 4 * col;
    sums s;
    UNROLL for (int j = 0; j < n_cols; j++) s.f[0][j] = s.f[1][j] = _mm512_setzero_ps();
    for (int64_t g = 0; g < n_in / group; g++, w += MR * group, q += n * group) {
        __m512i a[2][MAX_PASS];
        multiply_group(form, n_cols, a, w, q, 4 * n, t->start + g * n + col);
        add_scaled(n_cols, &s, a, strip->scale + g * MR, t->d + g * n + col);
        if (form == EINF__PANEL_32M) subtract_minima(n_cols, &s, strip->min + g * MR, t->dsum + g * n + col);
    }
    UNROLL for (int j = 0; j < n_cols; j++) {
        _mm512_store_ps(c + MR * (col + j), s.f[0][j]);
        _mm512_store_ps(c + MR * (col + j) + 16, s.f[1][j]);
    }
}

/* Passes of six, of four where that comes out even, and a last one of two. */
#define MULTIPLY(form, name) \
    static void panel_mul_##name##_vnni512(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in) \
    { \
        for (int32_t col = 0, left; (left = t->n_cols - col) > 0;) { \
            const int32_t n_cols = left == 4 || left == 8 ? 4 : left >= 6 ? 6 : left; \
            if (n_cols == 6) multiply(EINF__PANEL_##form, 6, c, s, t, col, n_in); \
            else if (n_cols == 4) multiply(EINF__PANEL_##form, 4, c, s, t, col, n_in); \
            else multiply(EINF__PANEL_##form, 2, c, s, t, col, n_in); \
            col += n_cols; \
        } \
    }
#define FORMS(X) X(32, 32) X(32M, 32m) X(64, 64) X(128, 128)
FORMS(MULTIPLY)

void einf__install_panel_mul_vnni512(einf__kernels *k)
{
#define INSTALL(form, name) EINF__INSTALL_TYPED(k, panel_mul, EINF__PANEL_##form, panel_mul_##name##_vnni512);
    FORMS(INSTALL)
#undef INSTALL
}
