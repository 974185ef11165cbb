/* SPDX-License-Identifier: MIT
 * check_halves.h - checks of the GEMM of halves: columns, panels, products.
 *
 * Bits are those of the reference; and against formulas in double: a half is the nearest to its number, no number
 * overflows, sums that fit into a half are exact, and those that do not are rounded after every product.
 */
#ifndef TESTS_CHECK_HALVES_H
#define TESTS_CHECK_HALVES_H

#include "tests/checkkern/check_panels.h"
#include "tests/checkkern/check_support.h"

static guarded guard_halves(int64_t n) { return guard_alloc((size_t)n * sizeof(uint16_t), 0); }
static uint16_t *halves(const guarded *g) { return (uint16_t *)(void *)g->data; }

/* Magnitudes of f32: subnormal ones, outliers, and all but infinity. */
static const float half_sizes[] = { 1.0f, 3e5f, 1e20f, 3.4e38f, 1e-20f, 1e-40f, 0.0f };

/* half is x * inverse, rounded once; x among numbers of whom the largest has that magnitude. */
static void expect_half(uint16_t half, float scale, float x, double max, const char *where, int64_t i)
{
    const double got = (double)einf__f16_to_f32(half), want = (double)x / (double)scale;
    int exponent;
    expect_true(frexp((double)scale, &exponent) == 0.5, "a scale is no power of two");
    expect_within(got, want, fmax(fabs(want) * 0x1p-11, 0x1p-25), where, i);
    if (max > 0x1p-123) expect_true(max / (double)scale >= 8.0, "a scale is too large");
    expect_true(fabs(got) <= 16.0, "a half is too large");
}

static double largest(const float *x, int64_t n)
{
    double max = 0.0;
    for (int64_t i = 0; i < n; i++) max = fmax(max, fabs((double)x[i]));
    return max;
}

/* ---------------------------------------------------------------------------------------------------- columns -- */

static void check_quantize_f16_shape(const check *c, int64_t n, float size)
{
    const int64_t n_groups = (n + EINF__NARROW_GROUP - 1) / EINF__NARROW_GROUP;
    note_shape("n %lld, numbers to %g", (long long)n, (double)size);
    guarded x = guard_floats(n), y = guard_halves(n), scale = guard_floats(n_groups);
    guarded y_ref = guard_halves(n), scale_ref = guard_floats(n_groups);
    fill_random(floats(&x), n, size);
    for (int64_t i = 0; i < n; i += 7) floats(&x)[i] *= 1e-3f; /* outliers: the others */
    c->k->quantize_f16(halves(&y), floats(&scale), floats(&x), n);
    c->ref->quantize_f16(halves(&y_ref), floats(&scale_ref), floats(&x), n);
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = i / EINF__NARROW_GROUP * EINF__NARROW_GROUP, left = n - first;
        const double max = largest(floats(&x) + first, left < EINF__NARROW_GROUP ? left : EINF__NARROW_GROUP);
        expect_half(halves(&y)[i], floats(&scale)[i / EINF__NARROW_GROUP], floats(&x)[i], max, "half", i);
        expect_equal(halves(&y)[i], halves(&y_ref)[i], "bits of half", i);
    }
    expect_same_floats(floats(&scale), floats(&scale_ref), n_groups, "scale");
    guarded *all[] = { &x, &y, &scale, &y_ref, &scale_ref };
    for (size_t i = 0; i < COUNT(all); i++) guard_free(all[i]);
}

static void check_quantize_f16(const check *c)
{
    static const int64_t lengths[] = { 1, 3, 4, 7, 8, 9, 15, 64, 127, 128, 129, 172, 256, 640, 2048 };
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t s = 0; s < COUNT(half_sizes); s++) check_quantize_f16_shape(c, lengths[i], half_sizes[s]);
    note_shape("no numbers");
    const float odd[] = { NAN, 1.0f, INFINITY, -INFINITY, 2.0f };
    uint16_t y[COUNT(odd)];
    float scale;
    c->k->quantize_f16(y, &scale, odd, COUNT(odd));
    for (size_t i = 0; i < COUNT(odd); i++) {
        const float got = einf__f16_to_f32(y[i]);
        if (isnan(odd[i])) expect_true(isnan(got), "NaN is a number");
        if (isinf(odd[i])) expect_true(got == odd[i], "infinity is a number");
    }
}

/* ----------------------------------------------------------------------------------------------------- panels -- */

static void check_pack_f16_shape(const check *c, int32_t n_rows, int32_t depth, int64_t lda, float size)
{
    const int32_t mr = c->k->narrow_mr[EINF__SUM_F16];
    note_shape("rows %d, depth %d, numbers to %g", n_rows, depth, (double)size);
    guarded a = guard_floats((n_rows - 1) * lda + depth), scale = guard_floats(mr);
    guarded panel = guard_halves((int64_t)mr * depth);
    for (int32_t i = 0; i < n_rows; i++) fill_random(floats(&a) + i * lda, depth, size / (float)(1 + i * i));
    c->k->pack_f16(halves(&panel), floats(&scale), floats(&a), lda, n_rows, depth);
    for (int32_t i = 0; i < mr; i++) {
        const double max = i < n_rows ? largest(floats(&a) + i * lda, depth) : 0.0;
        for (int32_t k = 0; k < depth; k++) {
            const uint16_t half = halves(&panel)[k * mr + i];
            if (i >= n_rows) expect_equal(half, 0, "half of a row that is not there", k);
            else expect_half(half, floats(&scale)[i], floats(&a)[i * lda + k], max, "depth", k);
        }
    }
    guard_free(&a);
    guard_free(&scale);
    guard_free(&panel);
}

static void check_pack_f16(const check *c)
{
    static const int32_t depths[] = { 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64, 129 };
    for (size_t d = 0; d < COUNT(depths); d++)
        for (int32_t n_rows = 1; n_rows <= c->k->narrow_mr[EINF__SUM_F16]; n_rows++)
            check_pack_f16_shape(c, n_rows, depths[d], depths[d] + (int64_t)(d % 3),
                                 half_sizes[(d + (size_t)n_rows) % COUNT(half_sizes)]);
}

/* --------------------------------------------------------------------------------------------------- products -- */

enum {
    HALF_EXACT,   /* small integers: no sum is rounded */
    HALF_LARGEST, /* 16 times 16, everywhere */
    HALF_ROUNDED, /* 2048 and then ones, which a half cannot add to it */
    HALF_FUSED,   /* what is left of a product beyond the bits of a half */
    HALF_RANDOM,
    N_HALF_KINDS
};

/* Element k of a row (side 0) or of a column (1). */
static float half_element(int kind, int side, int64_t k)
{
    const int64_t at = k % EINF__NARROW_GROUP;
    switch (kind) {
    case HALF_EXACT: return (float)((int)(random_u32() % 7) - 3);
    case HALF_LARGEST: return 16.0f;
    case HALF_ROUNDED: return at < 8 ? 16.0f : 1.0f;
    case HALF_FUSED: return at == 0 ? (side ? -1.0f : 1.0f + 0x1p-9f) : at == 1 ? 1.0f + 0x1p-10f : 0.0f;
    default: return 16.0f * random_unit() * random_unit();
    }
}

/* What a group of n elements adds up to. */
static double half_group_sum(int kind, int64_t n, double exact)
{
    if (kind == HALF_ROUNDED && n > 8) return 2048.0;
    if (kind == HALF_FUSED && n > 1) return 0x1p-20;
    return exact;
}

static void expect_half_product(const check *c, int kind, const uint16_t *panel, float scale, int32_t row,
                                int32_t depth, const uint16_t *b, const float *b_scale, double before, float got)
{
    double sum = 0.0, bound = 0.0;
    for (int64_t k = 0; k < depth; k += EINF__NARROW_GROUP) {
        const int64_t n = depth - k < EINF__NARROW_GROUP ? depth - k : EINF__NARROW_GROUP;
        double exact = 0.0, magnitude = 0.0;
        for (int64_t e = k; e < k + n; e++) {
            const uint16_t w = panel[e * c->k->narrow_mr[EINF__SUM_F16] + row];
            const double p = (double)einf__f16_to_f32(w) * (double)einf__f16_to_f32(b[e]);
            exact += p;
            magnitude += fabs(p);
        }
        const double factor = (double)b_scale[k / EINF__NARROW_GROUP] * (double)scale;
        sum += half_group_sum(kind, n, exact) * factor;
        if (kind == HALF_RANDOM) bound += (double)n * (magnitude * 0x1p-11 + 0x1p-25) * factor;
    }
    bound += (double)EINF__TOL_REORDER(depth / EINF__NARROW_GROUP + 2) * (fabs(sum) + fabs(before) + bound);
    expect_within((double)got, before + sum, bound, "row", row);
}

/* The same by the reference, in panels of its own height: to the last bit. */
static void expect_reference_halves(const check *c, const uint16_t *panel, const float *scale, int32_t depth,
                                    const einf__narrow_cols *b, int32_t n_cols, const float *got, int64_t ldc,
                                    const float *before, bool add)
{
    const int32_t mr = c->k->narrow_mr[EINF__SUM_F16], ref_mr = c->ref->narrow_mr[EINF__SUM_F16];
    expect_true(mr % ref_mr == 0, "panels of a height that the reference cannot follow");
    guarded part = guard_halves((int64_t)ref_mr * depth), out = guard_floats((int64_t)ref_mr * n_cols);
    for (int32_t row = 0; row < mr; row += ref_mr) {
        for (int32_t k = 0; k < depth; k++)
            memcpy(halves(&part) + k * ref_mr, panel + k * mr + row, (size_t)ref_mr * sizeof(uint16_t));
        for (int32_t j = 0; j < n_cols; j++)
            memcpy(floats(&out) + j * ref_mr, before + j * ldc + row, (size_t)ref_mr * sizeof(float));
        c->ref->mul_f16(floats(&out), ref_mr, halves(&part), scale + row, depth, b, n_cols, add);
        for (int32_t j = 0; j < n_cols; j++)
            expect_same_floats(got + j * ldc + row, floats(&out) + j * ref_mr, ref_mr, "row as the reference's");
    }
    guard_free(&part);
    guard_free(&out);
}

static void check_mul_f16_shape(const check *c, int kind, int32_t depth, int32_t n_cols, bool add, int gap)
{
    note_shape("kind %d, depth %d, columns %d, %s", kind, depth, n_cols, add ? "added" : "stored");
    const int32_t mr = c->k->narrow_mr[EINF__SUM_F16];
    const int64_t n_groups = (depth + EINF__NARROW_GROUP - 1) / EINF__NARROW_GROUP;
    const int64_t stride = depth + gap, groups = n_groups + gap, ldc = mr + 3 * gap, n_out = (n_cols - 1) * ldc + mr;
    guarded panel = guard_halves((int64_t)mr * depth), scale = guard_floats(mr);
    guarded x = guard_halves((n_cols - 1) * stride + depth), x_scale = guard_floats((n_cols - 1) * groups + n_groups);
    guarded out = guard_floats(n_out), before = guard_floats(n_out);
    const einf__narrow_cols b = { halves(&x), floats(&x_scale), stride, groups };
    for (int32_t i = 0; i < mr * depth; i++) halves(&panel)[i] = einf__f32_to_f16(half_element(kind, 0, i / mr));
    for (int32_t i = 0; i < mr; i++) floats(&scale)[i] = ldexpf(1.0f, i % 5 - 2);
    for (int32_t j = 0; j < n_cols; j++) {
        for (int32_t k = 0; k < depth; k++)
            halves(&x)[j * stride + k] = einf__f32_to_f16(half_element(kind, 1, k));
        for (int64_t g = 0; g < n_groups; g++) floats(&x_scale)[j * groups + g] = ldexpf(1.0f, (int)(j + g) % 7 - 3);
        if (add) fill_random(floats(&out) + j * ldc, mr, 2.0f);
    }
    memcpy(before.data, out.data, out.size_bytes);
    c->k->mul_f16(floats(&out), ldc, halves(&panel), floats(&scale), depth, &b, n_cols, add);
    for (int32_t j = 0; j < n_cols; j++) {
        for (int32_t i = 0; i < mr; i++)
            expect_half_product(c, kind, halves(&panel), floats(&scale)[i], i, depth, halves(&x) + j * stride,
                                floats(&x_scale) + j * groups, add ? (double)floats(&before)[j * ldc + i] : 0.0,
                                floats(&out)[j * ldc + i]);
        for (int64_t i = mr; i < ldc && j + 1 < n_cols; i++) expect_canary(floats(&out) + j * ldc + i, i);
    }
    expect_reference_halves(c, halves(&panel), floats(&scale), depth, &b, n_cols, floats(&out), ldc, floats(&before),
                            add);
    guarded *all[] = { &panel, &scale, &x, &x_scale, &out, &before };
    for (size_t i = 0; i < COUNT(all); i++) guard_free(all[i]);
}

static void check_mul_f16(const check *c)
{
    static const int32_t depths[] = { 1, 2, 7, 8, 9, 31, 63, 64, 65, 128, 129, 300 };
    for (size_t d = 0; d < COUNT(depths); d++)
        for (int32_t n_cols = 1; n_cols <= 27; n_cols += n_cols < 9 ? 1 : 6)
            for (int kind = 0; kind < N_HALF_KINDS; kind++)
                check_mul_f16_shape(c, kind, depths[d], n_cols, (n_cols + (int32_t)d + kind) % 2 != 0, (int)(d % 3));
}

#endif
