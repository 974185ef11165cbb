/* SPDX-License-Identifier: MIT
 * panel_neon.h - private to the ARM multipliers of int8 panels: their shape, how a product is cut into parts, the
 * integers that are floats already, and tiles.
 *
 * The file that includes this defines K_UNIT before: 4 for dot products, 8 for matrix products. A part is 8 rows by 2,
 * 4 or 6 columns, whose sums stay in registers over PART_DEPTH elements: 24 registers hold 12 vectors of integers,
 * which a group begins anew, and 12 of floats. Parts of one depth follow one another: strip and tile come from L1.
 */
#ifndef EINF_PANEL_NEON_H
#define EINF_PANEL_NEON_H

#include <float.h>

#include "engine/kernels/arm/kernels_neon.h"

enum {
    MR = 8,
    NR = 12,
    NR_UNIT = 2,
    PART_COLS = 6,
    PART_VECTORS = MR / 4 * PART_COLS,
    PART_DEPTH = 1024 /* 8 KiB of the strip, 12 KiB of the tile */
};

/* ---------------------------------------------------------------------------------------------- products -- */

typedef struct part {
    float *c; /* [n_cols, MR]: added to */
    const int8_t *w;
    const float *scale, *min;
    const int8_t *q;
    const float *d, *dsum;
    int64_t tile_cols, n_groups;
} part;

/* Sums of a group are below 2^22: |code| <= 128, |activation| <= 127, at most 128 of them. Accumulators that begin at
 * the bits of 1.5 * 2^23 are, read as floats, that number plus the sum: a subtraction makes them floats, exactly, and
 * takes one slot of either vector unit of a Cortex-A76, where a conversion takes two of one. */
#define EXACT_BITS 0x4b400000
#define EXACT_FLOAT 12582912.0f

/* Begin all accumulators of a part. They are loaded: copies of a register would take slots of the vector units, which
 * the products fill, while half of the load slots are free. The compiler must not see that all are the same. */
INLINE void begin_sums(int n, int32x4_t *acc)
{
#define FOUR {EXACT_BITS, EXACT_BITS, EXACT_BITS, EXACT_BITS}
    static const int32_t exact[PART_VECTORS][4] = {FOUR, FOUR, FOUR, FOUR, FOUR, FOUR,
                                                   FOUR, FOUR, FOUR, FOUR, FOUR, FOUR};
#undef FOUR
    const int32_t(*from)[4] = exact;
    __asm__ volatile("" : "+r"(from));
    UNROLL for (int i = 0; i < n; i++) acc[i] = vld1q_s32(from[i]);
}

/* No load moves across: GCC would begin the loads of many steps at once, and spill sums to have registers for them. */
#define END_STEP() __asm__ volatile("" ::: "memory")
/* And here v is computed, before what follows is begun. */
#define SETTLE(v) __asm__ volatile("" : "+w"(v))
/* Clang needs no such help with the floats, and spills when it gets it. */
#if defined(__clang__)
#define SETTLE_GCC(v) ((void)(v))
#else
#define SETTLE_GCC(v) SETTLE(v)
#endif

INLINE float32x4_t sums_to_floats(int32x4_t acc)
{
    return vsubq_f32(vreinterpretq_f32_s32(acc), vdupq_n_f32(EXACT_FLOAT));
}

typedef void (*multiply_fn)(const part *p);

/* A product in parts of 2, 4 and 6 columns, each by a function of its own. */
static inline void multiply_parts(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in, int32_t group,
                                  const multiply_fn multiply[3])
{
    memset(c, 0, (size_t)t->n_cols * MR * sizeof *c);
    for (int64_t k = 0; k < n_in; k += PART_DEPTH) {
        const int64_t g = k / group, depth = n_in - k < PART_DEPTH ? n_in - k : PART_DEPTH;
        for (int32_t j = 0, n; j < t->n_cols; j += n) {
            const int32_t left = t->n_cols - j;
            n = left == 8 ? 4 : left < PART_COLS ? left : PART_COLS;
            const part p = { .c = c + j * MR, .w = (const int8_t *)s->codes + k * MR,
                             .scale = s->scale + g * MR, .min = s->min + g * MR,
                             .q = t->q + k * t->n_cols + j * K_UNIT,
                             .d = t->d + g * t->n_cols + j, .dsum = t->dsum + g * t->n_cols + j,
                             .tile_cols = t->n_cols, .n_groups = depth / group };
            multiply[n / 2 - 1](&p);
        }
    }
}

/* X(form, lower-case name, rung) */
#define PANEL_FORMS(X, rung) X(32, 32, rung) X(32M, 32m, rung) X(64, 64, rung) X(128, 128, rung)

/* The table's function of a form, over multiply(form, n_cols, part), which must be INLINE. */
#define PANEL_MUL(form, name, rung) \
    static void multiply_##name##_2(const part *p) { multiply(EINF__PANEL_##form, 2, p); } \
    static void multiply_##name##_4(const part *p) { multiply(EINF__PANEL_##form, 4, p); } \
    static void multiply_##name##_6(const part *p) { multiply(EINF__PANEL_##form, 6, p); } \
    static void panel_mul_##name##_##rung(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in) \
    { \
        static const multiply_fn by_cols[3] = {multiply_##name##_2, multiply_##name##_4, multiply_##name##_6}; \
        multiply_parts(c, s, t, n_in, einf__panel_group(EINF__PANEL_##form), by_cols); \
    }

#define INSTALL_PANEL_MUL(form, name, rung) \
    EINF__INSTALL_TYPED(k, panel_mul, EINF__PANEL_##form, panel_mul_##name##_##rung);

/* ------------------------------------------------------------------------------------------------- tiles -- */

/* Of a group with that max|x|; as the reference, 0 where 1 / scale would overflow. */
INLINE float int8_scale(float max)
{
    return max / 127.0f < FLT_MIN ? 0.0f : max / 127.0f;
}

INLINE float inverse_of(float scale)
{
    return scale > 0.0f ? 1.0f / scale : 0.0f;
}

/* finite: the caller knows that all are numbers. */
INLINE float32x4_t load_number(const float *x, bool finite)
{
    return finite ? vld1q_f32(x) : finite4(vld1q_f32(x));
}

/* max|x|; not finite, NaN included, where an element is not and may be so. */
INLINE float largest(const float *x, int32_t n, bool finite)
{
    float32x4_t max[4];
    UNROLL for (int p = 0; p < 4; p++) max[p] = vdupq_n_f32(0.0f);
    for (int32_t e = 0; e < n; e += 16)
        UNROLL for (int p = 0; p < 4; p++) max[p] = vmaxq_f32(max[p], vabsq_f32(load_number(x + e + 4 * p, finite)));
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(max[0], max[1]), vmaxq_f32(max[2], max[3])));
}

/* 16 codes to where a column has them, K_UNIT at a time. */
INLINE void store_units(int8_t *to, int64_t step, int8x16_t codes)
{
    int8_t bytes[16];
    vst1q_s8(bytes, codes);
    UNROLL for (int u = 0; u < 16 / K_UNIT; u++) memcpy(to + u * step, bytes + u * K_UNIT, K_UNIT);
}

/* A group of one column; q: its first unit. Returns the sum of the codes. */
INLINE int32_t round_column(int8_t *q, int64_t step, const float *x, int32_t n, float inverse, bool finite)
{
    int32_t sum = 0;
    for (int32_t e = 0; e < n; e += 16) {
        float32x4_t v[4];
        UNROLL for (int p = 0; p < 4; p++) v[p] = load_number(x + e + 4 * p, finite);
        const int8x16_t codes = round16(v, inverse);
        sum += vaddlvq_s8(codes);
        store_units(q + e / K_UNIT * step, step, codes);
    }
    return sum;
}

/* Group `at / group` of column j, from x. */
INLINE void quantize_column(const einf__tile *t, int64_t j, int64_t at, const float *x, int32_t group)
{
    const int64_t step = t->n_cols * K_UNIT, entry = at / group * t->n_cols + j;
    int8_t *q = t->q + at * t->n_cols + j * K_UNIT;
    float max = largest(x, group, true);
    const bool finite = max <= FLT_MAX;
    if (!finite) max = largest(x, group, false);
    const float scale = int8_scale(max), inverse = inverse_of(scale);
    const int32_t sum = finite ? round_column(q, step, x, group, inverse, true)
                               : round_column(q, step, x, group, inverse, false);
    t->d[entry] = scale;
    t->start[entry] = -128 * sum;
    t->dsum[entry] = scale * (float)sum;
}

static void zero_column(const einf__tile *t, int64_t j, int64_t n, int32_t group)
{
    for (int64_t e = 0; e < n; e += K_UNIT) memset(t->q + e * t->n_cols + j * K_UNIT, 0, K_UNIT);
    for (int64_t at = j; at < n / group * t->n_cols; at += t->n_cols) {
        t->d[at] = t->dsum[at] = 0.0f;
        t->start[at] = 0;
    }
}

static inline void quantize_columns(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                                    int32_t group)
{
    for (int64_t at = 0; at < n; at += group)
        for (int32_t j = 0; j < n_cols; j++) quantize_column(t, j, at, x + j * x_stride + at, group);
    for (int32_t j = n_cols; j < t->n_cols; j++) zero_column(t, j, n, group);
}

/* ----------------------------------------------------------------------------------------------- install -- */

static inline void set_panel_shape(einf__kernels *k)
{
    k->panel_shape = (einf__panel_shape){ .mr = MR, .nr = NR, .nr_unit = NR_UNIT, .k_unit = K_UNIT, .code_bias = 0,
                                          .min_cols = 12, .min_cols_rounded = 15, .l2_bytes = 256 * 1024 };
    k->fast_panels = true;
    for (int t = 0; t < EINF__N_DTYPES; t++) {
        const bool by_256 = einf__dtype_get((einf__dtype)t)->block_elems == 256;
        k->panel_form[t] = by_256 ? EINF__PANEL_128 : einf__panel_finest((einf__dtype)t);
    }
}

#endif
