/* SPDX-License-Identifier: MIT
 * panel_ref.c - reference of the int8 GEMM: strips of every coded type, tiles, and their product.
 *
 * The layouts are panel.h's, of any shape: a rung that packs some types itself takes these functions for the rest. Its
 * own shape is a small one, with unsigned codes as the x86 multipliers want them.
 */
#include <float.h>
#include <math.h>

#include "engine/base/blocks.h"
#include "engine/base/half.h"
#include "engine/kernels/ref/kernels_ref.h"

enum { PIECE = 256 /* elements unpacked at a time: every block divides it */ };

einf__panel_form einf__panel_finest(einf__dtype type)
{
    if (einf__dtype_get(type)->acts != EINF__ACTS_Q8) return EINF__PANEL_NONE;
    const bool has_minima = type == EINF__Q4_1 || type == EINF__Q5_1 || type == EINF__Q4_K || type == EINF__Q5_K;
    return has_minima ? EINF__PANEL_32M : EINF__PANEL_32;
}

/* Signed codes of up to six bits stay as they are in PANEL_16, whether a scale serves 32 elements or 16. */
static einf__panel_form default_form(einf__dtype type)
{
    switch ((int)type) {
    case EINF__Q4_1: case EINF__Q4_K: return EINF__PANEL_32M4;
    case EINF__Q4_0: case EINF__Q5_0: case EINF__Q3_K: case EINF__Q6_K: case EINF__IQ3_S: case EINF__TQ1_0:
    case EINF__TQ2_0: case EINF__MXFP4: return EINF__PANEL_16;
    default: return einf__panel_finest(type);
    }
}

/* ------------------------------------------------------------------------------------------------ strips -- */

/* A group of one row: codes before the bias, w = scale * code - min, or scale * factor * code. */
typedef struct coded_group {
    int8_t code[128];
    float scale, min;
    int16_t factor[2];
} coded_group;

static bool is_one_scale(const einf__codes *c, int half)
{
    return c->scale[half] == c->scale[half + 1] && c->offset[half] == c->offset[half + 1];
}

static float element(const einf__codes *c, int e)
{
    return einf__clamp_finite(c->scale[e / 16] * (float)c->q[e] + c->offset[e / 16]);
}

static void round_group(coded_group *g, const einf__codes *c, int begin, int n)
{
    float max = 0.0f;
    for (int e = begin; e < begin + n; e++) max = fmaxf(max, fabsf(element(c, e)));
    g->scale = max / 127.0f < FLT_MIN ? 0.0f : max / 127.0f;
    g->min = 0.0f;
    const float inverse = g->scale > 0.0f ? 1.0f / g->scale : 0.0f;
    for (int e = 0; e < n; e++) g->code[e] = (int8_t)lrintf(element(c, begin + e) * inverse);
}

/* What the scale of half a group is a whole multiple of: the scale itself, but where two serve a group of 32. */
static float scale_unit(einf__dtype type, const uint8_t *block, float scale)
{
    if (type == EINF__Q3_K) return einf__f16_to_f32(((const einf__block_q3_k *)(const void *)block)->d);
    if (type == EINF__Q6_K) return einf__f16_to_f32(((const einf__block_q6_k *)(const void *)block)->d);
    return scale;
}

/* The group at element `begin` of the blocks' codes. */
static void make_group(coded_group *g, einf__panel_form form, const einf__codes *c, int begin, einf__dtype type,
                       const uint8_t *blocks)
{
    const int n = einf__panel_group(form), half = begin / 16;
    const bool as_it_is = einf__panel_has_minima(form) || form == EINF__PANEL_16 ||
                          (form == EINF__PANEL_32 && is_one_scale(c, half) && c->offset[half] == 0.0f);
    if (!as_it_is) {
        round_group(g, c, begin, n);
        return;
    }
    for (int e = 0; e < n; e++) g->code[e] = c->q[begin + e];
    g->scale = form == EINF__PANEL_16 ? scale_unit(type, blocks, c->scale[half]) : c->scale[half];
    g->min = -c->offset[half];
    for (int h = 0; h < 2; h++) g->factor[h] = (int16_t)(g->scale != 0.0f ? c->scale[half + h] / g->scale : 0.0f);
}

/* The group that begins at element `at`, of row i; a row that is not there has no group and is zeros. */
static void store_group(const einf__panel_shape *shape, const einf__strip *s, einf__panel_form form, int64_t at, int i,
                        const coded_group *g)
{
    const int n = einf__panel_group(form), unit = shape->k_unit, bias = einf__code_bias(shape, form);
    for (int e = 0; e < n; e++)
        s->codes[((at + e) / unit * shape->mr + i) * unit + (at + e) % unit] = (uint8_t)((g ? g->code[e] : 0) + bias);
    s->scale[at / n * shape->mr + i] = g ? g->scale : 0.0f;
    if (einf__panel_has_minima(form)) s->min[at / n * shape->mr + i] = g ? g->min : 0.0f;
    for (int h = 0; form == EINF__PANEL_16 && h < 2; h++)
        s->factor[2 * (at / n * shape->mr + i) + h] = (int16_t)(g ? g->factor[h] : 0);
}

static void pack_codes(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                       size_t row_bytes, int32_t n_rows, int64_t n_in, einf__dtype type)
{
    einf__codes codes;
    coded_group g;
    for (int i = 0; i < k->panel_shape.mr; i++) {
        const uint8_t *row = (const uint8_t *)w + (size_t)i * row_bytes;
        for (int64_t at = 0; at < n_in; at += PIECE) {
            const int n = (int)(n_in - at < PIECE ? n_in - at : PIECE);
            const uint8_t *blocks = row + einf__dtype_row_bytes(type, (uint64_t)at);
            if (i < n_rows) einf__unpack_row(&codes, type, blocks, n);
            for (int e = 0; e < n; e += einf__panel_group(form)) {
                if (i < n_rows) make_group(&g, form, &codes, e, type, blocks);
                store_group(&k->panel_shape, s, form, at + e, i, i < n_rows ? &g : NULL);
            }
        }
    }
}

#define PACK(type, name) \
    static void pack_##name##_ref(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w, \
                                  size_t row_bytes, int32_t n_rows, int64_t n_in) \
    { \
        pack_codes(k, s, form, w, row_bytes, n_rows, n_in, EINF__##type); \
    }
EINF__CODED_TYPES(PACK)

/* ------------------------------------------------------------------------------------------------- tiles -- */

enum { REF_MR = 8, REF_NR = 8, REF_NR_UNIT = 1, REF_K_UNIT = 4, REF_BIAS = 128 };

/* Element e of column j. */
static int8_t *tile_code(const einf__tile *t, int64_t e, int64_t j)
{
    return t->q + (e / REF_K_UNIT * t->n_cols + j) * REF_K_UNIT + e % REF_K_UNIT;
}

static void quantize_tile_ref(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                              int32_t group)
{
    for (int64_t j = 0; j < t->n_cols; j++) {
        for (int64_t at = 0; at < n; at += group) {
            const float *from = j < n_cols ? x + j * x_stride + at : NULL;
            float max = 0.0f;
            for (int e = 0; from && e < group; e++) max = fmaxf(max, fabsf(einf__clamp_finite(from[e])));
            const float scale = max / 127.0f < FLT_MIN ? 0.0f : max / 127.0f;
            const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
            int32_t sum = 0;
            for (int e = 0; e < group; e++) {
                const int8_t q = from ? (int8_t)lrintf(einf__clamp_finite(from[e]) * inverse) : 0;
                *tile_code(t, at + e, j) = q;
                sum += q;
            }
            t->d[at / group * t->n_cols + j] = scale;
            t->start[at / group * t->n_cols + j] = -128 * sum;
            t->dsum[at / group * t->n_cols + j] = scale * (float)sum;
        }
    }
}

/* --------------------------------------------------------------------------------------------- products -- */

/* Group g of row i and column j in PANEL_16: |products| <= 32 * 128 * 32 * 127, exact in f32. */
static float product_of_factors(const einf__strip *s, const einf__tile *t, int64_t g, int i, int64_t j)
{
    int32_t products = 0;
    for (int64_t e = g * 32; e < (g + 1) * 32; e++) {
        const int code = s->codes[(e / REF_K_UNIT * REF_MR + i) * REF_K_UNIT + e % REF_K_UNIT] - EINF__PANEL_16_BIAS;
        products += s->factor[2 * (g * REF_MR + i) + e / 16 % 2] * code * *tile_code(t, e, j);
    }
    return s->scale[g * REF_MR + i] * t->d[g * t->n_cols + j] * (float)products;
}

/* Group g of row i and column j. |products| <= 128 * 255 * 127: exact in int32, and rounded once to f32. */
static float product_of_group(const einf__strip *s, const einf__tile *t, einf__panel_form form, int64_t g, int i,
                              int64_t j)
{
    if (form == EINF__PANEL_16) return product_of_factors(s, t, g, i, j);
    const int n = einf__panel_group(form);
    const bool has_minima = einf__panel_has_minima(form);
    int32_t products = has_minima ? 0 : t->start[g * t->n_cols + j];
    for (int64_t e = g * n; e < (g + 1) * n; e++)
        products += s->codes[(e / REF_K_UNIT * REF_MR + i) * REF_K_UNIT + e % REF_K_UNIT] * *tile_code(t, e, j);
    const float scaled = s->scale[g * REF_MR + i] * t->d[g * t->n_cols + j] * (float)products;
    return has_minima ? scaled - s->min[g * REF_MR + i] * t->dsum[g * t->n_cols + j] : scaled;
}

static void multiply(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in, einf__panel_form form)
{
    for (int64_t j = 0; j < t->n_cols; j++) {
        for (int i = 0; i < REF_MR; i++) {
            float sum = 0.0f;
            for (int64_t g = 0; g < n_in / einf__panel_group(form); g++)
                sum += product_of_group(s, t, form, g, i, j);
            c[j * REF_MR + i] = sum;
        }
    }
}

#define MULTIPLY(form, name) \
    static void panel_mul_##name##_ref(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in) \
    { \
        multiply(c, s, t, n_in, EINF__PANEL_##form); \
    }
#define FORMS(X) X(32, 32) X(32M, 32m) X(64, 64) X(128, 128) X(32M4, 32m4) X(16, 16)
FORMS(MULTIPLY)

void einf__install_panel_ref(einf__kernels *k)
{
    k->panel_shape = (einf__panel_shape){ .mr = REF_MR, .nr = REF_NR, .nr_unit = REF_NR_UNIT, .k_unit = REF_K_UNIT,
                                          .code_bias = REF_BIAS, .min_cols = REF_NR, .min_cols_rounded = REF_NR,
                                          .l2_bytes = 256 * 1024 };
    for (int t = 0; t < EINF__N_DTYPES; t++) k->panel_form[t] = default_form((einf__dtype)t);
    EINF__INSTALL(k, quantize_tile, quantize_tile_ref);
#define INSTALL_PACK(type, name) EINF__INSTALL_TYPED(k, pack, EINF__##type, pack_##name##_ref);
    EINF__CODED_TYPES(INSTALL_PACK)
#undef INSTALL_PACK
#define INSTALL_MULTIPLY(form, name) EINF__INSTALL_TYPED(k, panel_mul, EINF__PANEL_##form, panel_mul_##name##_ref);
    FORMS(INSTALL_MULTIPLY)
#undef INSTALL_MULTIPLY
}
