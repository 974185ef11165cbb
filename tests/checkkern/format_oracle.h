/* SPDX-License-Identifier: MIT
 * format_oracle.h - a second opinion on every weight format: one element at a time, in double, from byte offsets.
 *
 * Written from the description of the formats alone and sharing nothing with the library, blocks.h included. Only the
 * grids of IQ1 to IQ3, numbers without a rule, are the library's; test_format_goldens.c holds them against ggml's.
 */
#ifndef TESTS_FORMAT_ORACLE_H
#define TESTS_FORMAT_ORACLE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/dtype.h"
#include "engine/kernels/ref/kernels_ref.h"

/* value = factor * (stored - bias) + offset; magnitude is the sum of its parts' magnitudes, what rounding scales
 * with. */
typedef struct element {
    double value, magnitude;
} element;

static inline element make_element(double factor, int stored, int bias, double offset)
{
    return (element){factor * (stored - bias) + offset, fabs(factor) * (abs(stored) + bias) + fabs(offset)};
}

static inline double half_at(const uint8_t *p)
{
    const int bits = p[0] | p[1] << 8, exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double magnitude = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                             : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                            : ldexp(fraction, -24);
    return bits & 0x8000 ? -magnitude : magnitude;
}

/* Element e of 16 bytes of split halves. */
static inline int split_nibble(const uint8_t *qs, int e)
{
    return qs[e % 16] >> (e / 16 * 4) & 15;
}

static inline int oracle_level(int q)
{
    static const int levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return levels[q];
}

static inline int word_bit(const uint8_t *p, int e)
{
    const uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return (int)(word >> e & 1);
}

/* Six-bit scale and minimum of sub-block j in the twelve bytes of Q4_K and Q5_K. */
static inline void six_bit_pair(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] % 64;
        *min = s[j + 4] % 64;
    } else {
        *scale = s[j + 4] % 16 + s[j - 4] / 64 * 16;
        *min = s[j + 4] / 16 + s[j] / 64 * 16;
    }
}

static inline element oracle_q2_k(const uint8_t *b, int e)
{
    const int n = e / 128, j = e % 128 / 32, l = e % 32, sc = b[e / 16];
    const int q = b[16 + 32 * n + l] >> 2 * j & 3;
    return make_element(half_at(b + 80) * (sc & 15), q, 0, -half_at(b + 82) * (sc >> 4));
}

static inline element oracle_q3_k(const uint8_t *b, int e)
{
    const int n = e / 128, j = e % 128 / 32, l = e % 32, k = e / 16;
    const uint8_t *s = b + 96;
    const int low = k < 8 ? s[k] & 15 : s[k - 8] >> 4, high = (s[8 + k % 4] >> 2 * (k / 4)) & 3;
    const int q = (b[32 + 32 * n + l] >> 2 * j & 3) + (b[l] >> (e / 32) & 1 ? 4 : 0);
    return make_element(half_at(b + 108) * (low + 16 * high - 32), q, 4, 0.0);
}

static inline element oracle_q45_k(const uint8_t *b, int e, bool fifth)
{
    int scale, min;
    six_bit_pair(b + 4, e / 32, &scale, &min);
    const uint8_t *qh = b + 16, *qs = fifth ? b + 48 : b + 16;
    const int byte = qs[32 * (e / 64) + e % 32];
    int q = e % 64 < 32 ? byte % 16 : byte / 16;
    if (fifth && (qh[e % 32] >> (2 * (e / 64) + (e % 64 >= 32)) & 1)) q += 16;
    return make_element(half_at(b) * scale, q, 0, -half_at(b + 2) * min);
}

static inline element oracle_q6_k(const uint8_t *b, int e)
{
    const int n = e / 128, l = e % 32;
    const uint8_t *ql = b + 64 * n, *qh = b + 128 + 32 * n;
    int q = 0;
    switch (e % 128 / 32) {
    case 0: q = (ql[l] & 15) | (qh[l] & 3) << 4; break;
    case 1: q = (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4; break;
    case 2: q = ql[l] >> 4 | (qh[l] >> 4 & 3) << 4; break;
    default: q = ql[l + 32] >> 4 | (qh[l] >> 6 & 3) << 4; break;
    }
    const int sc = b[192 + e / 16] < 128 ? b[192 + e / 16] : b[192 + e / 16] - 256;
    return make_element(half_at(b + 208) * sc, q, 32, 0.0);
}

static inline element oracle_iq4_xs(const uint8_t *b, int e)
{
    const int j = e / 32, high = b[2] | b[3] << 8;
    const int scale = (b[4 + j / 2] >> 4 * (j % 2) & 15) | (high >> 2 * j & 3) << 4;
    return make_element(half_at(b) * (scale - 32), oracle_level(split_nibble(b + 8 + 16 * j, e % 32)), 0, 0.0);
}

/* Level number i of a grid's entry: bits [width * i, width * i + width). */
static inline int grid_digit(int entry, int width, int i)
{
    return entry / (1 << width * i) % (1 << width);
}

static inline double iq2_level(int digit)
{
    static const int levels[3] = {8, 25, 43};
    return levels[digit];
}

/* Sign i of seven stored ones and an eighth that makes the number of minus signs even. */
static inline int parity_sign(int seven, int i)
{
    int n_minus = 0;
    for (int j = 0; j < 7; j++) n_minus += seven >> j & 1;
    return (i < 7 ? seven >> i & 1 : n_minus % 2) ? -1 : 1;
}

static inline int short_at(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

static inline element oracle_iq1(double d, int scale, int entry, int i, bool minus)
{
    const double factor = d * (2 * scale + 1), shift = minus ? -0.125 : 0.125;
    const int level = grid_digit(entry, 2, i) - 1;
    return (element){factor * (level + shift), fabs(factor) * (abs(level) + 0.125)};
}

static inline element oracle_iq1_s(const uint8_t *b, int e)
{
    const int qh = short_at(b + 34 + 2 * (e / 32)), l = e % 32 / 8;
    const int entry = einf__grid_iq1[b[2 + e / 8] + (qh >> 3 * l & 7) * 256];
    return oracle_iq1(half_at(b), qh >> 12 & 7, entry, e % 8, qh >> 15);
}

static inline element oracle_iq1_m(const uint8_t *b, int e)
{
    const int qh = e / 8 % 2 ? b[32 + e / 16] >> 4 : b[32 + e / 16] & 15;
    uint8_t half[2] = {(uint8_t)(b[49] >> 4 | (b[51] & 0xf0)), (uint8_t)(b[53] >> 4 | (b[55] & 0xf0))};
    const int scale = short_at(b + 48 + 2 * (e / 64)) >> 3 * (e / 16 % 4) & 7;
    return oracle_iq1(half_at(half), scale, einf__grid_iq1[b[e / 8] + qh % 8 * 256], e % 8, qh >= 8);
}

static inline element oracle_iq2(double d, int scale, int entry, int i, int sign)
{
    return make_element(d * (scale + 0.5) / 4 * sign * iq2_level(grid_digit(entry, 2, i)), 1, 0, 0.0);
}

static inline element oracle_iq2_xxs(const uint8_t *b, int e)
{
    const uint8_t *sub = b + 2 + 8 * (e / 32);
    const int l = e % 32 / 8, low = short_at(sub + 4), high = short_at(sub + 6);
    const int seven = (int)(((int64_t)high * 65536 + low) >> 7 * l & 127);
    return oracle_iq2(half_at(b), high >> 12, einf__grid_iq2_xxs[sub[l]], e % 8, parity_sign(seven, e % 8));
}

static inline element oracle_iq2_xs(const uint8_t *b, int e)
{
    const int q = short_at(b + 2 + 2 * (e / 8)), scale = b[66 + e / 32] >> (e % 32 < 16 ? 0 : 4) & 15;
    return oracle_iq2(half_at(b), scale, einf__grid_iq2_xs[q % 512], e % 8, parity_sign(q / 512, e % 8));
}

static inline element oracle_iq2_s(const uint8_t *b, int e)
{
    const int high = b[66 + e / 32] >> 2 * (e % 32 / 8) & 3, scale = b[74 + e / 32] >> (e % 32 < 16 ? 0 : 4) & 15;
    const int sign = b[34 + e / 8] >> e % 8 & 1 ? -1 : 1;
    return oracle_iq2(half_at(b), scale, einf__grid_iq2_s[b[2 + e / 8] + 256 * high], e % 8, sign);
}

static inline element oracle_iq3_xxs(const uint8_t *b, int e)
{
    static const int levels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    const uint8_t *word = b + 66 + 4 * (e / 32);
    const int64_t bits = (int64_t)short_at(word + 2) * 65536 + short_at(word);
    const int seven = (int)(bits >> 7 * (e % 32 / 8) & 127), scale = (int)(bits >> 28);
    const int level = levels[grid_digit(einf__grid_iq3_xxs[b[2 + e / 4]], 3, e % 4)];
    return make_element(half_at(b) * (scale + 0.5) / 2 * parity_sign(seven, e % 8), level, 0, 0.0);
}

static inline element oracle_iq3_s(const uint8_t *b, int e)
{
    const int high = b[66 + e / 32] >> e % 32 / 4 & 1, scale = b[106 + e / 64] >> (e % 64 < 32 ? 0 : 4) & 15;
    const int level = 2 * grid_digit(einf__grid_iq3_s[b[2 + e / 4] + 256 * high], 3, e % 4) + 1;
    const int sign = b[74 + e / 8] >> e % 8 & 1 ? -1 : 1;
    return make_element(half_at(b) * (1 + 2 * scale) * sign, level, 0, 0.0);
}

/* Digit n of a byte in base 3: the byte is a fraction of 256, whose digits come out of the top by multiplying. */
static inline int ternary_digit(int byte, int n)
{
    for (int i = 0; i < n; i++) byte = byte * 3 % 256;
    return byte * 3 / 256;
}

static inline element oracle_tq1_0(const uint8_t *b, int e)
{
    const int digit = e < 160   ? ternary_digit(b[e % 32], e / 32)
                      : e < 240 ? ternary_digit(b[32 + e % 16], (e - 160) / 16)
                                : ternary_digit(b[48 + e % 4], (e - 240) / 4);
    return make_element(half_at(b + 52), digit, 1, 0.0);
}

static inline element oracle_tq2_0(const uint8_t *b, int e)
{
    return make_element(half_at(b + 64), b[e / 128 * 32 + e % 32] >> 2 * (e / 32 % 4) & 3, 1, 0.0);
}

static inline element oracle_mxfp4(const uint8_t *b, int e)
{
    static const double sizes[8] = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
    const int q = split_nibble(b + 1, e);
    return make_element(ldexp(q < 8 ? sizes[q] : -sizes[q - 8], b[0] - 127), 1, 0, 0.0);
}

static inline double float_at(const uint8_t *p)
{
    float f;
    memcpy(&f, p, sizeof f);
    return (double)f;
}

static inline double bfloat_at(const uint8_t *p)
{
    const uint8_t wide[4] = {0, 0, p[0], p[1]};
    return float_at(wide);
}

/* Element e of the block at b. */
static inline element oracle_element(einf__dtype type, const uint8_t *b, int e)
{
    switch (type) {
    case EINF__F32: return make_element(float_at(b), 1, 0, 0.0);
    case EINF__F16: return make_element(half_at(b), 1, 0, 0.0);
    case EINF__BF16: return make_element(bfloat_at(b), 1, 0, 0.0);
    case EINF__Q4_0: return make_element(half_at(b), split_nibble(b + 2, e), 8, 0.0);
    case EINF__Q4_1: return make_element(half_at(b), split_nibble(b + 4, e), 0, half_at(b + 2));
    case EINF__Q5_0: return make_element(half_at(b), split_nibble(b + 6, e) + 16 * word_bit(b + 2, e), 16, 0.0);
    case EINF__Q5_1:
        return make_element(half_at(b), split_nibble(b + 8, e) + 16 * word_bit(b + 4, e), 0, half_at(b + 2));
    case EINF__Q8_0: return make_element(half_at(b), b[2 + e] < 128 ? b[2 + e] : b[2 + e] - 256, 0, 0.0);
    case EINF__Q2_K: return oracle_q2_k(b, e);
    case EINF__Q3_K: return oracle_q3_k(b, e);
    case EINF__Q4_K: return oracle_q45_k(b, e, false);
    case EINF__Q5_K: return oracle_q45_k(b, e, true);
    case EINF__Q6_K: return oracle_q6_k(b, e);
    case EINF__IQ4_NL: return make_element(half_at(b), oracle_level(split_nibble(b + 2, e)), 0, 0.0);
    case EINF__IQ4_XS: return oracle_iq4_xs(b, e);
    case EINF__IQ1_S: return oracle_iq1_s(b, e);
    case EINF__IQ1_M: return oracle_iq1_m(b, e);
    case EINF__IQ2_XXS: return oracle_iq2_xxs(b, e);
    case EINF__IQ2_XS: return oracle_iq2_xs(b, e);
    case EINF__IQ2_S: return oracle_iq2_s(b, e);
    case EINF__IQ3_XXS: return oracle_iq3_xxs(b, e);
    case EINF__IQ3_S: return oracle_iq3_s(b, e);
    case EINF__TQ1_0: return oracle_tq1_0(b, e);
    case EINF__TQ2_0: return oracle_tq2_0(b, e);
    case EINF__MXFP4: return oracle_mxfp4(b, e);
    case EINF__N_DTYPES: break;
    }
    return (element){0.0, 0.0};
}

/* Byte offsets of the halves in a block, so that a test can keep them finite. Returns how many. */
static inline int oracle_halves(einf__dtype type, int offsets[2])
{
    static const struct { int n, at[2]; } halves[EINF__N_DTYPES] = {
        [EINF__F16] = {1, {0, 0}},    [EINF__Q4_0] = {1, {0, 0}},   [EINF__Q4_1] = {2, {0, 2}},
        [EINF__Q5_0] = {1, {0, 0}},   [EINF__Q5_1] = {2, {0, 2}},   [EINF__Q8_0] = {1, {0, 0}},
        [EINF__Q2_K] = {2, {80, 82}}, [EINF__Q3_K] = {1, {108, 0}}, [EINF__Q4_K] = {2, {0, 2}},
        [EINF__Q5_K] = {2, {0, 2}},   [EINF__Q6_K] = {1, {208, 0}}, [EINF__IQ4_NL] = {1, {0, 0}},
        [EINF__IQ4_XS] = {1, {0, 0}}, [EINF__IQ1_S] = {1, {0, 0}},  [EINF__IQ2_XXS] = {1, {0, 0}},
        [EINF__IQ2_XS] = {1, {0, 0}}, [EINF__IQ2_S] = {1, {0, 0}},  [EINF__IQ3_XXS] = {1, {0, 0}},
        [EINF__IQ3_S] = {1, {0, 0}},  [EINF__TQ1_0] = {1, {52, 0}}, [EINF__TQ2_0] = {1, {64, 0}},
    };
    memcpy(offsets, halves[type].at, sizeof halves[type].at);
    return halves[type].n;
}

#endif
