/* SPDX-License-Identifier: MIT
 * panel_dpbusd_avxvnni.h - private to the AVX-VNNI rung: strips of 16 rows times tiles of 6 columns, over one function.
 *
 * Whoever includes this has defined DPBUSD(sum, u, s): fours of unsigned bytes times signed ones are added to sum, in
 * 32 bits. The instruction has two encodings in 256 bits, AVX-VNNI's and AVX-512's: a test compiles the other one, so
 * that a machine which has either can hold this file to the reference.
 *
 * 12 sums, two vectors of codes and a column are 15 of 16 registers; C stays in the L1 between groups.
 */
#ifndef EINF_PANEL_DPBUSD_AVXVNNI_H
#define EINF_PANEL_DPBUSD_AVXVNNI_H

#include "engine/kernels/x86/panel_avx2.h"

enum { VNNI_ROWS = 16, VNNI_COLS = 6, VNNI_COLS_UNIT = 2 };

/* sum[j][r] += products of `group` elements of rows [8 r, 8 r + 8) with column j. */
INLINE void dpbusd_group(int group, int n_cols, __m256i sum[][2], const uint8_t *codes, const int8_t *q)
{
    for (int u = 0; u < group / PANEL_K_UNIT; u++) {
        const __m256i w[2] = { load256(codes + 64 * u), load256(codes + 64 * u + 32) };
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m256i x = panel_spread(q + (u * n_cols + j) * PANEL_K_UNIT);
            DPBUSD(sum[j][0], w[0], x);
            DPBUSD(sum[j][1], w[1], x);
        }
    }
}

/* form and n_cols are constants. */
INLINE void dpbusd_multiply(einf__panel_form form, int n_cols, float *c, const einf__strip *strip,
                            const einf__tile *tile, int64_t n_in)
{
    const einf__strip s = *strip; /* in registers: the stores to c cannot change them */
    const einf__tile t = *tile;
    const int group = form == EINF__PANEL_128 ? 128 : form == EINF__PANEL_64 ? 64 : 32;
    const bool has_minima = form == EINF__PANEL_32M;
    UNROLL for (int j = 0; j < 2 * n_cols; j++) _mm256_store_ps(c + 8 * j, _mm256_setzero_ps());
    for (int64_t g = 0; g < n_in / group; g++) {
        __m256i sum[VNNI_COLS][2];
        UNROLL for (int j = 0; j < n_cols; j++)
            sum[j][0] = sum[j][1] = has_minima ? _mm256_setzero_si256() : _mm256_set1_epi32(t.start[g * n_cols + j]);
        dpbusd_group(group, n_cols, sum, s.codes + g * group * VNNI_ROWS, t.q + g * group * n_cols);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m256 d = _mm256_broadcast_ss(t.d + g * n_cols + j);
            const __m256 dsum = has_minima ? _mm256_broadcast_ss(t.dsum + g * n_cols + j) : _mm256_setzero_ps();
            UNROLL for (int r = 0; r < 2; r++) {
                const int64_t row = g * VNNI_ROWS + 8 * r;
                float *out = c + j * VNNI_ROWS + 8 * r;
                __m256 before = _mm256_load_ps(out);
                if (has_minima) before = _mm256_fnmadd_ps(_mm256_loadu_ps(s.min + row), dsum, before);
                const __m256 both = _mm256_mul_ps(_mm256_loadu_ps(s.scale + row), d);
                _mm256_store_ps(out, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[j][r]), both, before));
            }
        }
    }
}

#define DPBUSD_MULTIPLY(form, name) \
    static void panel_mul_##name##_avxvnni(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in) \
    { \
        switch (t->n_cols) { \
        case 2: dpbusd_multiply(EINF__PANEL_##form, 2, c, s, t, n_in); break; \
        case 4: dpbusd_multiply(EINF__PANEL_##form, 4, c, s, t, n_in); break; \
        default: dpbusd_multiply(EINF__PANEL_##form, 6, c, s, t, n_in); break; \
        } \
    }
#define DPBUSD_FORMS(X) X(32, 32) X(32M, 32m) X(64, 64) X(128, 128)
DPBUSD_FORMS(DPBUSD_MULTIPLY)

/* Packing and tiles are those of AVX2, in this shape. */
static void install_dpbusd(einf__kernels *k)
{
    k->panel_shape = (einf__panel_shape){ .mr = VNNI_ROWS, .nr = VNNI_COLS, .nr_unit = VNNI_COLS_UNIT,
                                          .k_unit = PANEL_K_UNIT, .code_bias = 128, .min_cols = 8,
                                          .min_cols_rounded = 16, .min_cols_coarse = 128,
                                          .l2_bytes = 512 * 1024 };
    k->fast_panels = true;
    for (int t = 0; t < EINF__N_DTYPES; t++) { /* groups of 128: 1.3 times the speed of 32 */
        const bool super = einf__dtype_get((einf__dtype)t)->block_elems == 256;
        k->panel_form[t] = super ? EINF__PANEL_128 : einf__panel_finest((einf__dtype)t);
    }
#define INSTALL_MULTIPLY(form, name) EINF__INSTALL_TYPED(k, panel_mul, EINF__PANEL_##form, panel_mul_##name##_avxvnni);
    DPBUSD_FORMS(INSTALL_MULTIPLY)
#undef INSTALL_MULTIPLY
}

#endif
