/* SPDX-License-Identifier: MIT
 * check_fixed16.h - checks of the GEMM of 16-bit integers: columns, panels, products.
 *
 * Bits are those of the reference; and against formulas: a scale is the largest magnitude divided, a code the nearest
 * to its number, no code is too large, and sums of a group are exact, those of the largest codes, too.
 */
#ifndef TESTS_CHECK_FIXED16_H
#define TESTS_CHECK_FIXED16_H

#include <float.h>

#include "tests/checkkern/check_halves.h"

enum { FIXED_NUMBERS, FIXED_ODD, N_FIXED_INPUTS }; /* ODD: with NaN and infinities among them */

static void fill_fixed(float *x, int64_t n, float size, int input)
{
    fill_random(x, n, size);
    for (int64_t i = 0; i < n; i += 7) x[i] *= 1e-3f; /* outliers: the others */
    for (int64_t i = 3; input == FIXED_ODD && i < n; i += 45)
        x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
}

static double finite_of(float x)
{
    return isnan(x) ? 0.0 : fmin(fmax((double)x, -(double)FLT_MAX), (double)FLT_MAX);
}

static float fixed_scale(const float *x, int64_t n)
{
    double max = 0.0;
    for (int64_t i = 0; i < n; i++) max = fmax(max, fabs(finite_of(x[i])));
    return max < 0x1p-100 ? 0.0f : (float)max / 5792.0f;
}

static void expect_code(uint16_t got, float scale, float x, const char *where, int64_t i)
{
    const double code = (double)(int16_t)got, want = scale > 0.0f ? finite_of(x) / (double)scale : 0.0;
    expect_within(code, want, 0.5 + fabs(want) * 3e-7, where, i);
    expect_true(fabs(code) <= 5792.0, "a code is too large");
}

/* ---------------------------------------------------------------------------------------------------- columns -- */

static void check_quantize_i16_shape(const check *c, int64_t n, float size, int input)
{
    const int64_t n_groups = (n + EINF__NARROW_GROUP - 1) / EINF__NARROW_GROUP;
    note_shape("n %lld, numbers to %g%s", (long long)n, (double)size, input == FIXED_ODD ? ", odd ones" : "");
    guarded x = guard_floats(n), y = guard_halves(n + n % 2), scale = guard_floats(n_groups);
    guarded y_ref = guard_halves(n + n % 2), scale_ref = guard_floats(n_groups);
    fill_fixed(floats(&x), n, size, input);
    c->k->quantize_i16(halves(&y), floats(&scale), floats(&x), n);
    c->ref->quantize_i16(halves(&y_ref), floats(&scale_ref), floats(&x), n);
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = i / EINF__NARROW_GROUP * EINF__NARROW_GROUP, left = n - first;
        const float want = fixed_scale(floats(&x) + first, left < EINF__NARROW_GROUP ? left : EINF__NARROW_GROUP);
        expect_same_floats(floats(&scale) + i / EINF__NARROW_GROUP, &want, 1, "scale of the largest");
        expect_code(halves(&y)[i], want, floats(&x)[i], "code", i);
        expect_equal((int16_t)halves(&y)[i], (int16_t)halves(&y_ref)[i], "code as the reference's", i);
    }
    if (n % 2 != 0) expect_equal(halves(&y)[n], 0, "behind an odd number", n);
    guarded *all[] = { &x, &y, &scale, &y_ref, &scale_ref };
    for (size_t i = 0; i < COUNT(all); i++) guard_free(all[i]);
}

static void check_quantize_i16(const check *c)
{
    static const int64_t lengths[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 76, 127, 128, 129, 588, 2048 };
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t s = 0; s < COUNT(half_sizes); s++)
            for (int input = 0; input < N_FIXED_INPUTS; input++)
                check_quantize_i16_shape(c, lengths[i], half_sizes[s], input);
}

/* ----------------------------------------------------------------------------------------------------- panels -- */

/* Element k of row i of a panel of mr rows. */
static uint16_t fixed_at(const uint16_t *panel, int32_t mr, int64_t i, int64_t k)
{
    return panel[(k / 2 * mr + i) * 2 + k % 2];
}

static int64_t fixed_panel_size(int32_t mr, int64_t depth) { return mr * (depth + depth % 2); }

/* The same by the reference, rows of its panels at a time. */
static void expect_reference_fixed_panel(const check *c, const float *a, int64_t lda, int32_t n_rows, int32_t depth,
                                         const uint16_t *panel, const float *scale)
{
    const int32_t mr = c->k->narrow_mr[EINF__SUM_I16], ref_mr = c->ref->narrow_mr[EINF__SUM_I16];
    guarded part = guard_halves(fixed_panel_size(ref_mr, depth)), part_scale = guard_floats(ref_mr);
    for (int32_t row = 0; row < n_rows; row += ref_mr) {
        const int32_t n = n_rows - row < ref_mr ? n_rows - row : ref_mr;
        c->ref->pack_i16(halves(&part), floats(&part_scale), a + row * lda, lda, n, depth);
        expect_same_floats(scale + row, floats(&part_scale), n, "scale as the reference's");
        for (int32_t i = 0; i < n; i++)
            for (int32_t k = 0; k < depth; k++)
                expect_equal((int16_t)fixed_at(panel, mr, row + i, k), (int16_t)fixed_at(halves(&part), ref_mr, i, k),
                             "code as the reference's", k);
    }
    guard_free(&part);
    guard_free(&part_scale);
}

static void check_pack_i16_shape(const check *c, int32_t n_rows, int32_t depth, int64_t lda, float size, int input)
{
    const int32_t mr = c->k->narrow_mr[EINF__SUM_I16];
    note_shape("rows %d, depth %d, numbers to %g%s", n_rows, depth, (double)size,
               input == FIXED_ODD ? ", odd ones" : "");
    guarded a = guard_floats((n_rows - 1) * lda + depth), scale = guard_floats(mr);
    guarded panel = guard_halves(fixed_panel_size(mr, depth));
    for (int32_t i = 0; i < n_rows; i++) fill_fixed(floats(&a) + i * lda, depth, size / (float)(1 + i * i), input);
    c->k->pack_i16(halves(&panel), floats(&scale), floats(&a), lda, n_rows, depth);
    for (int32_t i = 0; i < mr; i++) {
        const float want = i < n_rows ? fixed_scale(floats(&a) + i * lda, depth) : 0.0f;
        expect_same_floats(floats(&scale) + i, &want, 1, "scale of the largest");
        for (int32_t k = 0; k < depth + depth % 2; k++) {
            const uint16_t code = fixed_at(halves(&panel), mr, i, k);
            if (i >= n_rows) expect_equal((int16_t)code, 0, "code of a row that is not there", k);
            else if (k >= depth) expect_equal((int16_t)code, 0, "code behind an odd depth", k);
            else expect_code(code, want, floats(&a)[i * lda + k], "depth", k);
        }
    }
    expect_reference_fixed_panel(c, floats(&a), lda, n_rows, depth, halves(&panel), floats(&scale));
    guard_free(&a);
    guard_free(&scale);
    guard_free(&panel);
}

static void check_pack_i16(const check *c)
{
    static const int32_t depths[] = { 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64, 76, 129 };
    for (size_t d = 0; d < COUNT(depths); d++)
        for (int32_t n_rows = 1; n_rows <= c->k->narrow_mr[EINF__SUM_I16]; n_rows++)
            check_pack_i16_shape(c, n_rows, depths[d], depths[d] + (int64_t)(d % 3),
                                 half_sizes[(d + (size_t)n_rows) % COUNT(half_sizes)], n_rows % N_FIXED_INPUTS);
}

/* --------------------------------------------------------------------------------------------------- products -- */

enum {
    FIXED_LARGEST, /* the largest codes, whose sums are as large as can be */
    FIXED_LOWEST,  /* the same below 0 */
    FIXED_TURNS,   /* signs by turns, which must not meet in 16 bits */
    FIXED_RANDOM,
    N_FIXED_KINDS
};

/* Element k of a row (side 0) or of a column (1). */
static int32_t fixed_element(int kind, int side, int64_t k)
{
    const int32_t max = EINF__I16_MAX;
    if (kind == FIXED_LARGEST) return max;
    if (kind == FIXED_LOWEST) return side ? -max : max;
    if (kind == FIXED_TURNS) return (k + side) % 3 == 0 ? -max : max;
    return (int32_t)(random_u32() % (uint32_t)(2 * max + 1)) - max;
}

static void expect_fixed_product(const uint16_t *panel, int32_t mr, float scale, int32_t row, int32_t depth,
                                 const uint16_t *b, const float *b_scale, double before, float got)
{
    double sum = 0.0, magnitude = fabs(before);
    for (int64_t k = 0; k < depth; k += EINF__NARROW_GROUP) {
        int64_t exact = 0;
        for (int64_t e = k; e < depth && e < k + EINF__NARROW_GROUP; e++)
            exact += (int16_t)fixed_at(panel, mr, row, e) * (int16_t)b[e];
        const double part = (double)exact * (double)b_scale[k / EINF__NARROW_GROUP] * (double)scale;
        sum += part;
        magnitude += fabs(part);
    }
    expect_within((double)got, before + sum, (double)EINF__TOL_REORDER(depth / EINF__NARROW_GROUP + 3) * magnitude,
                  "row", row);
}

/* The same by the reference, in panels of its own height: to the last bit. */
static void expect_reference_fixed(const check *c, const uint16_t *panel, const float *scale, int32_t depth,
                                   const einf__narrow_cols *b, int32_t n_cols, const float *got, int64_t ldc,
                                   const float *before, bool add)
{
    const int32_t mr = c->k->narrow_mr[EINF__SUM_I16], ref_mr = c->ref->narrow_mr[EINF__SUM_I16];
    expect_true(mr % ref_mr == 0, "panels of a height that the reference cannot follow");
    guarded part = guard_halves(fixed_panel_size(ref_mr, depth)), out = guard_floats((int64_t)ref_mr * n_cols);
    for (int32_t row = 0; row < mr; row += ref_mr) {
        for (int32_t k = 0; k < depth; k += 2)
            memcpy(halves(&part) + k * ref_mr, panel + k * mr + 2 * row, (size_t)ref_mr * 2 * sizeof(uint16_t));
        for (int32_t j = 0; j < n_cols; j++)
            memcpy(floats(&out) + j * ref_mr, before + j * ldc + row, (size_t)ref_mr * sizeof(float));
        c->ref->mul_i16(floats(&out), ref_mr, halves(&part), scale + row, depth, b, n_cols, add);
        for (int32_t j = 0; j < n_cols; j++)
            expect_same_floats(got + j * ldc + row, floats(&out) + j * ref_mr, ref_mr, "row as the reference's");
    }
    guard_free(&part);
    guard_free(&out);
}

/* Memory of a product: panel and columns filled, and what lies where it goes. */
typedef struct fixed_case {
    int32_t depth, n_cols;
    int64_t stride, groups, ldc;
    guarded panel, scale, x, x_scale, out, before;
} fixed_case;

static fixed_case make_fixed(int32_t mr, int kind, int32_t depth, int32_t n_cols, bool add, int gap)
{
    const int64_t n_groups = (depth + EINF__NARROW_GROUP - 1) / EINF__NARROW_GROUP, even = depth + depth % 2;
    fixed_case f = { .depth = depth, .n_cols = n_cols, .stride = even + gap, .groups = n_groups + gap,
                     .ldc = mr + 3 * gap };
    f.panel = guard_halves(fixed_panel_size(mr, depth));
    f.scale = guard_floats(mr);
    f.x = guard_halves((n_cols - 1) * f.stride + even);
    f.x_scale = guard_floats((n_cols - 1) * f.groups + n_groups);
    f.out = guard_floats((n_cols - 1) * f.ldc + mr);
    f.before = guard_floats((n_cols - 1) * f.ldc + mr);
    for (int32_t i = 0; i < mr; i++) {
        floats(&f.scale)[i] = 1e-3f * (float)(1 + i % 5);
        for (int64_t k = 0; k < even; k++)
            halves(&f.panel)[(k / 2 * mr + i) * 2 + k % 2] = (uint16_t)(k < depth ? fixed_element(kind, 0, k) : 0);
    }
    for (int32_t j = 0; j < n_cols; j++) {
        for (int64_t k = 0; k < even; k++)
            halves(&f.x)[j * f.stride + k] = (uint16_t)(k < depth ? fixed_element(kind, 1, k) : 0);
        for (int64_t g = 0; g < n_groups; g++) floats(&f.x_scale)[j * f.groups + g] = 1e-3f * (float)((j + g) % 7);
        if (add) fill_random(floats(&f.out) + j * f.ldc, mr, 2.0f);
    }
    memcpy(f.before.data, f.out.data, f.out.size_bytes);
    return f;
}

static void check_mul_i16_shape(const check *c, int kind, int32_t depth, int32_t n_cols, bool add, int gap)
{
    note_shape("kind %d, depth %d, columns %d, %s", kind, depth, n_cols, add ? "added" : "stored");
    const int32_t mr = c->k->narrow_mr[EINF__SUM_I16];
    fixed_case f = make_fixed(mr, kind, depth, n_cols, add, gap);
    const einf__narrow_cols b = { halves(&f.x), floats(&f.x_scale), f.stride, f.groups };
    c->k->mul_i16(floats(&f.out), f.ldc, halves(&f.panel), floats(&f.scale), depth, &b, n_cols, add);
    for (int32_t j = 0; j < n_cols; j++) {
        for (int32_t i = 0; i < mr; i++)
            expect_fixed_product(halves(&f.panel), mr, floats(&f.scale)[i], i, depth, b.x + j * f.stride,
                                 b.scale + j * f.groups, add ? (double)floats(&f.before)[j * f.ldc + i] : 0.0,
                                 floats(&f.out)[j * f.ldc + i]);
        for (int64_t i = mr; i < f.ldc && j + 1 < n_cols; i++) expect_canary(floats(&f.out) + j * f.ldc + i, i);
    }
    expect_reference_fixed(c, halves(&f.panel), floats(&f.scale), depth, &b, n_cols, floats(&f.out), f.ldc,
                           floats(&f.before), add);
    guarded *all[] = { &f.panel, &f.scale, &f.x, &f.x_scale, &f.out, &f.before };
    for (size_t i = 0; i < COUNT(all); i++) guard_free(all[i]);
}

static void check_mul_i16(const check *c)
{
    static const int32_t depths[] = { 1, 2, 7, 8, 31, 63, 64, 65, 76, 128, 129, 300 };
    for (size_t d = 0; d < COUNT(depths); d++)
        for (int32_t n_cols = 1; n_cols <= 27; n_cols += n_cols < 9 ? 1 : 6)
            for (int kind = 0; kind < N_FIXED_KINDS; kind++)
                check_mul_i16_shape(c, kind, depths[d], n_cols, (n_cols + (int32_t)d + kind) % 2 != 0, (int)(d % 3));
}

#endif
