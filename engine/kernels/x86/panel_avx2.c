/* SPDX-License-Identifier: MIT
 * panel_avx2.c - the int8 GEMM with AVX2: tiles of columns, and strips of 16 rows times them.
 *
 * vpmaddubsw multiplies unsigned bytes with signed ones and adds pairs in 16 bits, where sums must fit:
 *   PANEL_32M    codes 0..31, four pairs are within 4 * 2 * 31 * 127 = 31496: 16 elements cost one widening
 *   PANEL_32M4   codes 0..15, eight pairs are within 8 * 2 * 15 * 127 = 30480: 32 elements do
 *   PANEL_16     codes 0..63, two pairs are within 2 * 2 * 63 * 127 = 32004: 8 elements do, by their factor
 * Other codes give their sign to the activations, and each pair (2 * 128 * 127 = 32512) is widened at once: three
 * operations on the multipliers' ports instead of little more than one, hence half the speed. Splitting codes into
 * two nibbles would take fewer of them, and twice the registers: it measured the same.
 *
 * C stays in the L1 between groups: registers hold what a group sums.
 */
#include "engine/kernels/x86/panel_avx2.h"

enum { TILE_ROWS = 16, TILE_COLS = 6, TILE_COLS_UNIT = 2 };

/* Keeps sums in the order in which they are written: both compilers would add 16-bit products in trees, for which there
 * are not the registers. */
#define PIN(v) __asm__("" : "+x"(v))

/* ------------------------------------------------------------------------------------------------- tiles -- */

/* Eight units of four elements of a column, which lie n_cols units apart. */
INLINE void store_units(int8_t *q, int32_t n_cols, __m256i codes)
{
    uint32_t units[8];
    _mm256_storeu_si256((__m256i *)(void *)units, codes);
    for (int u = 0; u < 8; u++) memcpy(q + (int64_t)u * n_cols * PANEL_K_UNIT, units + u, sizeof units[u]);
}

/* Sums of fours stay within 508. */
INLINE __m256i add_codes(__m256i sums, __m256i codes)
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE int32_t sum4_i32(__m128i v)
{
    const __m128i s = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/* Group g of column j. */
static void quantize_group(const einf__tile *t, const float *x, int64_t g, int32_t j, int32_t group)
{
    float scale, room[PANEL_MAX_GROUP];
    x = panel_scale(&scale, room, x, group);
    __m256i sums = _mm256_setzero_si256();
    for (int32_t e = 0; e < group; e += 32) {
        const __m256i codes = panel_round(x + e, scale);
        store_units(t->q + (g * group + e) * t->n_cols + j * PANEL_K_UNIT, t->n_cols, codes);
        sums = add_codes(sums, codes);
    }
    const int32_t first = sum4_i32(_mm256_castsi256_si128(sums)), second = sum4_i32(_mm256_extracti128_si256(sums, 1));
    t->d[g * t->n_cols + j] = scale;
    t->start[g * t->n_cols + j] = einf__sums16(first, second);
    t->dsum[g * t->n_cols + j] = scale * (float)(first + second);
}

static void zero_group(const einf__tile *t, int64_t g, int32_t j, int32_t group)
{
    for (int32_t e = 0; e < group; e += 32)
        store_units(t->q + (g * group + e) * t->n_cols + j * PANEL_K_UNIT, t->n_cols, _mm256_setzero_si256());
    t->d[g * t->n_cols + j] = t->dsum[g * t->n_cols + j] = 0.0f;
    t->start[g * t->n_cols + j] = 0;
}

static void quantize_tile_avx2(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                               int32_t group)
{
    for (int64_t g = 0; g < n / group; g++) {
        for (int32_t j = 0; j < n_cols; j++) quantize_group(t, x + j * x_stride + g * group, g, j, group);
        for (int32_t j = n_cols; j < t->n_cols; j++) zero_group(t, g, j, group);
    }
}

/* ---------------------------------------------------------------------------------------------- products -- */

/* Group of 32 of 16 rows times columns [col, col + n) of n_cols, in parts of 4 or 8 units whose sums of pairs fit.
 * Two vectors of codes and two to work with leave 12 registers: in one part for sums of six columns, in two parts for
 * those of three and of their parts. */
INLINE void group_of_minima(int part_units, int col, int n, int n_cols, float *c, const uint8_t *codes,
                            const float *scale, const float *min, const int8_t *q, const float *d, const float *dsum)
{
    __m256i sum[TILE_COLS][2];
    UNROLL for (int first = 0; first < 8; first += part_units) {
        __m256i pairs[TILE_COLS][2];
        UNROLL for (int u = first; u < first + part_units; u++) {
            const __m256i w[2] = { load256(codes + 64 * u), load256(codes + 64 * u + 32) };
            UNROLL for (int j = 0; j < n; j++) {
                const __m256i x = panel_spread(q + (u * n_cols + col + j) * PANEL_K_UNIT);
                UNROLL for (int r = 0; r < 2; r++) {
                    const __m256i p = _mm256_maddubs_epi16(w[r], x);
                    pairs[j][r] = u == first ? p : _mm256_add_epi16(pairs[j][r], p);
                    PIN(pairs[j][r]);
                }
            }
        }
        UNROLL for (int j = 0; j < n; j++) {
            UNROLL for (int r = 0; r < 2; r++) {
                const __m256i wide = _mm256_madd_epi16(pairs[j][r], _mm256_set1_epi16(1));
                sum[j][r] = first == 0 ? wide : _mm256_add_epi32(sum[j][r], wide);
            }
        }
    }
    UNROLL for (int j = 0; j < n; j++) {
        UNROLL for (int r = 0; r < 2; r++) {
            float *out = c + (col + j) * TILE_ROWS + 8 * r;
            const __m256 both = _mm256_mul_ps(_mm256_loadu_ps(scale + 8 * r), _mm256_broadcast_ss(d + col + j));
            const __m256 less = _mm256_mul_ps(_mm256_loadu_ps(min + 8 * r), _mm256_broadcast_ss(dsum + col + j));
            const __m256 before = _mm256_sub_ps(_mm256_load_ps(out), less);
            _mm256_store_ps(out, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[j][r]), both, before));
        }
    }
}

INLINE void multiply_minima(int part_units, int n_cols, float *c, const einf__strip *strip, const einf__tile *tile,
                            int64_t n_in)
{
    const einf__strip s = *strip; /* in registers: the stores to c cannot change them */
    const einf__tile t = *tile;
    UNROLL for (int j = 0; j < 2 * n_cols; j++) _mm256_store_ps(c + 8 * j, _mm256_setzero_ps());
    for (int64_t g = 0; g < n_in / 32; g++) {
        const uint8_t *codes = s.codes + g * 32 * TILE_ROWS;
        const float *scale = s.scale + g * TILE_ROWS, *min = s.min + g * TILE_ROWS;
        const int8_t *q = t.q + g * 32 * n_cols;
        const float *d = t.d + g * n_cols, *dsum = t.dsum + g * n_cols;
        if (part_units == 8) {
            group_of_minima(8, 0, n_cols, n_cols, c, codes, scale, min, q, d, dsum);
        } else if (n_cols == 6) {
            group_of_minima(part_units, 0, 3, n_cols, c, codes, scale, min, q, d, dsum);
            group_of_minima(part_units, 3, 3, n_cols, c, codes, scale, min, q, d, dsum);
        } else {
            for (int col = 0; col < n_cols; col += 2)
                group_of_minima(part_units, col, 2, n_cols, c, codes, scale, min, q, d, dsum);
        }
    }
}

/* Of eight rows' pairs of factors the one or the other, for both sums that a row has. */
INLINE __m256i factors_of(int half, __m256i both)
{
    return half == 0 ? _mm256_blend_epi16(both, _mm256_slli_epi32(both, 16), 0xaa)
                     : _mm256_blend_epi16(_mm256_srli_epi32(both, 16), both, 0xaa);
}

/* Group of 32 of 16 rows times columns [col, col + n) of n_cols. n <= 3: six sums, four vectors of codes,
 * two of factors and four to work with are the 16 registers. */
INLINE void group_of_factors(int col, int n, int n_cols, float *c, const uint8_t *codes, const float *scale,
                             const int16_t *factor, const int8_t *q, const float *d, const int32_t *sums16)
{
    const __m256i factors[2] = { load256(factor), load256(factor + 16) };
    const __m256i bias = _mm256_set1_epi16(-EINF__PANEL_16_BIAS);
    __m256i sum[3][2];
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int r = 0; r < 2; r++)
            sum[j][r] = _mm256_madd_epi16(_mm256_mullo_epi16(factors[r], bias), _mm256_set1_epi32(sums16[col + j]));
    UNROLL for (int half = 0; half < 2; half++) {
        const __m256i f[2] = { factors_of(half, factors[0]), factors_of(half, factors[1]) };
        UNROLL for (int u = 4 * half; u < 4 * half + 4; u += 2) {
            const __m256i w[4] = { load256(codes + 64 * u), load256(codes + 64 * u + 32), load256(codes + 64 * u + 64),
                                   load256(codes + 64 * u + 96) };
            UNROLL for (int j = 0; j < n; j++) {
                const __m256i x0 = panel_spread(q + (u * n_cols + col + j) * PANEL_K_UNIT);
                const __m256i x1 = panel_spread(q + ((u + 1) * n_cols + col + j) * PANEL_K_UNIT);
                UNROLL for (int r = 0; r < 2; r++) {
                    const __m256i p0 = _mm256_maddubs_epi16(w[r], x0), p1 = _mm256_maddubs_epi16(w[2 + r], x1);
                    sum[j][r] = _mm256_add_epi32(sum[j][r], _mm256_madd_epi16(_mm256_add_epi16(p0, p1), f[r]));
                    PIN(sum[j][r]);
                }
            }
        }
    }
    UNROLL for (int j = 0; j < n; j++) {
        UNROLL for (int r = 0; r < 2; r++) {
            float *out = c + (col + j) * TILE_ROWS + 8 * r;
            const __m256 both = _mm256_mul_ps(_mm256_loadu_ps(scale + 8 * r), _mm256_broadcast_ss(d + col + j));
            _mm256_store_ps(out, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[j][r]), both, _mm256_load_ps(out)));
        }
    }
}

INLINE void multiply_factors(int n_cols, float *c, const einf__strip *strip, const einf__tile *tile, int64_t n_in)
{
    const einf__strip s = *strip; /* in registers: the stores to c cannot change them */
    const einf__tile t = *tile;
    UNROLL for (int j = 0; j < 2 * n_cols; j++) _mm256_store_ps(c + 8 * j, _mm256_setzero_ps());
    for (int64_t g = 0; g < n_in / 32; g++) {
        const uint8_t *codes = s.codes + g * 32 * TILE_ROWS;
        const float *scale = s.scale + g * TILE_ROWS;
        const int16_t *factor = s.factor + g * 2 * TILE_ROWS;
        const int8_t *q = t.q + g * 32 * n_cols;
        const float *d = t.d + g * n_cols;
        const int32_t *sums16 = t.start + g * n_cols;
        if (n_cols == 6) {
            group_of_factors(0, 3, n_cols, c, codes, scale, factor, q, d, sums16);
            group_of_factors(3, 3, n_cols, c, codes, scale, factor, q, d, sums16);
        } else {
            for (int col = 0; col < n_cols; col += 2)
                group_of_factors(col, 2, n_cols, c, codes, scale, factor, q, d, sums16);
        }
    }
}

/* Group of eight rows, whose codes -128..127 lie TILE_ROWS apart, times all columns. */
INLINE void group_of_signed(int group, int n_cols, float *c, const uint8_t *codes, const float *scale, const int8_t *q,
                            const float *d)
{
    __m256i sum[TILE_COLS];
    UNROLL for (int j = 0; j < n_cols; j++) sum[j] = _mm256_setzero_si256();
    for (int u = 0; u < group / PANEL_K_UNIT; u++) {
        const __m256i w = load256(codes + 4 * TILE_ROWS * u), size = _mm256_abs_epi8(w);
        UNROLL for (int j = 0; j < n_cols; j++) {
            const __m256i x = _mm256_sign_epi8(panel_spread(q + (u * n_cols + j) * PANEL_K_UNIT), w);
            const __m256i wide = _mm256_madd_epi16(_mm256_maddubs_epi16(size, x), _mm256_set1_epi16(1));
            sum[j] = _mm256_add_epi32(sum[j], wide);
            PIN(sum[j]);
        }
    }
    UNROLL for (int j = 0; j < n_cols; j++) {
        float *out = c + j * TILE_ROWS;
        const __m256 both = _mm256_mul_ps(_mm256_loadu_ps(scale), _mm256_broadcast_ss(d + j));
        _mm256_store_ps(out, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[j]), both, _mm256_load_ps(out)));
    }
}

INLINE void multiply_signed(int group, int n_cols, float *c, const einf__strip *strip, const einf__tile *tile,
                            int64_t n_in)
{
    const einf__strip s = *strip; /* in registers: the stores to c cannot change them */
    const einf__tile t = *tile;
    UNROLL for (int j = 0; j < 2 * n_cols; j++) _mm256_store_ps(c + 8 * j, _mm256_setzero_ps());
    for (int64_t g = 0; g < n_in / group; g++)
        for (int r = 0; r < TILE_ROWS; r += 8)
            group_of_signed(group, n_cols, c + r, s.codes + g * group * TILE_ROWS + r * PANEL_K_UNIT,
                            s.scale + g * TILE_ROWS + r, t.q + g * group * n_cols, t.d + g * n_cols);
}

/* form and n_cols are constants. */
INLINE void multiply(einf__panel_form form, int n_cols, float *c, const einf__strip *s, const einf__tile *t,
                     int64_t n_in)
{
    if (form == EINF__PANEL_32M) multiply_minima(4, n_cols, c, s, t, n_in);
    else if (form == EINF__PANEL_32M4) multiply_minima(8, n_cols, c, s, t, n_in);
    else if (form == EINF__PANEL_16) multiply_factors(n_cols, c, s, t, n_in);
    else multiply_signed(form == EINF__PANEL_128 ? 128 : form == EINF__PANEL_64 ? 64 : 32, n_cols, c, s, t, n_in);
}

#define MULTIPLY(form, name) \
    static void panel_mul_##name##_avx2(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in) \
    { \
        switch (t->n_cols) { \
        case 2: multiply(EINF__PANEL_##form, 2, c, s, t, n_in); break; \
        case 4: multiply(EINF__PANEL_##form, 4, c, s, t, n_in); break; \
        default: multiply(EINF__PANEL_##form, 6, c, s, t, n_in); break; \
        } \
    }
#define FORMS(X) X(32, 32) X(32M, 32m) X(64, 64) X(128, 128) X(32M4, 32m4) X(16, 16)
FORMS(MULTIPLY)

void einf__install_panel_avx2(einf__kernels *k)
{
    k->panel_shape = (einf__panel_shape){ .mr = TILE_ROWS, .nr = TILE_COLS, .nr_unit = TILE_COLS_UNIT,
                                          .k_unit = PANEL_K_UNIT, .code_bias = 0, .tile_sums16 = true, .min_cols = 8,
                                          .min_cols_rounded = 48, .l2_bytes = 256 * 1024 };
    k->fast_panels = true;
    EINF__INSTALL(k, quantize_tile, quantize_tile_avx2);
#define INSTALL_MULTIPLY(form, name) EINF__INSTALL_TYPED(k, panel_mul, EINF__PANEL_##form, panel_mul_##name##_avx2);
    FORMS(INSTALL_MULTIPLY)
#undef INSTALL_MULTIPLY
}
