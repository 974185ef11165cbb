/* SPDX-License-Identifier: MIT
 * check_rows.h - checks of the slots that work on rows of activations, against formulas in double.
 */
#ifndef TESTS_CHECK_ROWS_H
#define TESTS_CHECK_ROWS_H

#include <float.h>

#include "tests/checkkern/check_support.h"

static const int row_lengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 100, 257, 1024};

/* ---------------------------------------------------------------------------------------------- quantisation -- */

/* Inputs of 32 that try the edges; kind 0 and 1 are ordinary. */
enum { N_GROUP_KINDS = 12 };

static void fill_group(float *x, int kind)
{
    static const float scales[N_GROUP_KINDS] = {1.0f, 1e-4f, 0.0f, 1e-44f, 1e-37f, 3e-36f, 1e30f, 0.5f * FLT_MAX,
                                                1.0f, 1.0f, 1.0f, 1.0f};
    fill_random(x, 32, scales[kind]);
    if (kind == 7) x[5] = -FLT_MAX, x[6] = FLT_MAX;
    if (kind == 8) x[3] = NAN, x[31] = -NAN;
    if (kind == 9) x[0] = INFINITY, x[17] = -INFINITY;
    if (kind == 10) for (int i = 0; i < 32; i++) x[i] = NAN;
    if (kind == 11) /* ties: the scale is 1, and the values lie half-way */
        for (int i = 0; i < 32; i++) x[i] = i == 0 ? 127.0f : (float)(i - 16) + 0.5f;
}

static double group_input(float x)
{
    return x != x ? 0.0 : fmin(fmax((double)x, -(double)FLT_MAX), (double)FLT_MAX);
}

static void check_group(const float *x, const int8_t *q, float d, const int16_t *sum16)
{
    double max = 0.0;
    for (int i = 0; i < 32; i++) max = fmax(max, fabs(group_input(x[i])));
    const double scale = max / 127.0 < (double)FLT_MIN ? 0.0 : max / 127.0;
    expect_within((double)d, scale, scale * 1e-7, "scale", 0);
    int sums[2] = {0, 0};
    for (int i = 0; i < 32; i++) {
        const double want = d > 0.0f ? group_input(x[i]) / (double)d : 0.0;
        expect_within(q[i], want, 0.5 + 3e-5, "code", i);
        sums[i / 16] += q[i];
    }
    for (int h = 0; h < 2; h++) expect_equal(sum16[h], sums[h], "sum16", h);
}

static void check_quantize_q8(const check *c)
{
    for (int n_groups = 1; n_groups <= 3; n_groups++) {
        for (int kind = 0; kind < N_GROUP_KINDS; kind++) {
            const int64_t n = 32 * n_groups;
            note_shape("%d groups, the first of kind %d", n_groups, kind);
            guarded x = guard_floats(n), q = guard_alloc((size_t)n, 0), d = guard_floats(n_groups);
            guarded sums = guard_alloc((size_t)n_groups * 4, 0);
            int8_t q_ref[96];
            float d_ref[3];
            int16_t sums_ref[6];
            for (int g = 0; g < n_groups; g++) fill_group(floats(&x) + 32 * g, (kind + g) % N_GROUP_KINDS);
            c->k->quantize_q8((int8_t *)q.data, floats(&d), (int16_t *)(void *)sums.data, floats(&x), n);
            c->ref->quantize_q8(q_ref, d_ref, sums_ref, floats(&x), n);
            for (int64_t i = 0; i < n; i++) expect_equal(((int8_t *)q.data)[i], q_ref[i], "code", i);
            expect_same_floats(floats(&d), d_ref, n_groups, "scale");
            for (int h = 0; h < 2 * n_groups; h++)
                expect_equal(((int16_t *)(void *)sums.data)[h], sums_ref[h], "sum16", h);
            for (int g = 0; g < n_groups; g++)
                check_group(floats(&x) + 32 * g, q_ref + 32 * g, d_ref[g], sums_ref + 2 * g);
            guard_free(&x);
            guard_free(&q);
            guard_free(&d);
            guard_free(&sums);
        }
    }
}

/* --------------------------------------------------------------------------------------------------- to f16 -- */

/* Every half, what lies half-way to the next (even wins), and a float to either side of that. */
static void check_to_f16_of(const check *c, const float *x, const uint16_t *want, int64_t n)
{
    note_shape("n %lld, first %.9g", (long long)n, (double)x[0]);
    guarded in = guard_floats(n), out = guard_alloc((size_t)n * 2, 0);
    memcpy(in.data, x, (size_t)n * sizeof *x);
    c->k->to_f16((uint16_t *)(void *)out.data, floats(&in), n);
    for (int64_t i = 0; i < n; i++) {
        const uint16_t got = ((uint16_t *)(void *)out.data)[i];
        if (x[i] == x[i]) expect_equal(got, want[i], "half", i);
        else expect_equal((got & 0x7fffu) > 0x7c00u, true, "NaN from NaN", i);
    }
    guard_free(&in);
    guard_free(&out);
}

static void check_to_f16(const check *c)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float here = einf__f16_to_f32((uint16_t)h);
        const float next = h == 0x7bff ? 65536.0f : einf__f16_to_f32((uint16_t)(h + 1)), middle = 0.5f * (here + next);
        const uint16_t low = (uint16_t)h, high = (uint16_t)(h + 1), even = h % 2 ? high : low;
        const float x[9] = {here, -here, middle, -middle, nextafterf(middle, 0.0f), nextafterf(middle, 1e9f), next,
                            -nextafterf(middle, 1e9f), NAN};
        const uint16_t want[9] = {low, low | 0x8000, even, even | 0x8000, low, high, high, high | 0x8000, 0};
        check_to_f16_of(c, x, want, 1 + (int64_t)h % 9);
        if (h % 512 == 0) check_to_f16_of(c, x, want, 9);
    }
    const float far[9] = {INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 65520.0f, 1e-30f, -1e-45f, 0.0f, -0.0f};
    const uint16_t want[9] = {0x7c00, 0xfc00, 0x7c00, 0xfc00, 0x7c00, 0, 0x8000, 0, 0x8000};
    for (int64_t n = 1; n <= 9; n++) check_to_f16_of(c, far, want, n);
}

/* ------------------------------------------------------------------------------------------- norm, residual -- */

static void check_rms_norm_of(const check *c, int64_t n, float scale, float eps, bool in_place)
{
    note_shape("n %lld, scale %g%s", (long long)n, (double)scale, in_place ? ", in place" : "");
    guarded x = guard_floats(n), w = guard_floats(n), y = guard_floats(n);
    fill_random(floats(&x), n, scale);
    fill_random(floats(&w), n, 2.0f);
    double squares = 0.0;
    for (int64_t i = 0; i < n; i++) squares += (double)floats(&x)[i] * (double)floats(&x)[i];
    const double factor = 1.0 / sqrt(squares / (double)n + (double)eps);
    if (in_place) memcpy(y.data, x.data, x.size_bytes);
    c->k->rms_norm(floats(&y), in_place ? floats(&y) : floats(&x), floats(&w), n, eps);
    for (int64_t i = 0; i < n; i++) {
        const double want = (double)floats(&x)[i] * factor * (double)floats(&w)[i];
        expect_within((double)floats(&y)[i], want, 2.5e-7 * fabs(want) + 1e-44, "element", i);
    }
    guard_free(&x);
    guard_free(&w);
    guard_free(&y);
}

static void check_rms_norm(const check *c)
{
    for (size_t i = 0; i < COUNT(row_lengths); i++) {
        check_rms_norm_of(c, row_lengths[i], 1.0f, 1e-6f, i % 2);
        check_rms_norm_of(c, row_lengths[i], 1e-5f, 1e-6f, false); /* eps decides */
        check_rms_norm_of(c, row_lengths[i], 1e25f, 1e-6f, false); /* squares beyond f32 */
    }
    check_rms_norm_of(c, 16384, 3.0f, 1e-5f, false);
}

/* offset: of all elements, which the mean takes out again. */
static void check_layer_norm_of(const check *c, int64_t n, float scale, float offset, float eps, bool in_place)
{
    note_shape("n %lld, scale %g around %g%s", (long long)n, (double)scale, (double)offset,
               in_place ? ", in place" : "");
    guarded x = guard_floats(n), w = guard_floats(n), b = guard_floats(n), y = guard_floats(n);
    fill_random(floats(&x), n, scale);
    fill_random(floats(&w), n, 2.0f);
    fill_random(floats(&b), n, 0.5f);
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++) sum += (double)(floats(&x)[i] += offset);
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += pow((double)floats(&x)[i] - mean, 2.0);
    const double factor = 1.0 / sqrt(squares / (double)n + (double)eps);
    if (in_place) memcpy(y.data, x.data, x.size_bytes);
    c->k->layer_norm(floats(&y), in_place ? floats(&y) : floats(&x), floats(&w), floats(&b), n, eps);
    for (int64_t i = 0; i < n; i++) {
        const double normed = ((double)floats(&x)[i] - mean) * factor * (double)floats(&w)[i];
        const double bias = (double)floats(&b)[i];
        expect_within((double)floats(&y)[i], normed + bias, 2.5e-7 * (fabs(normed) + fabs(bias)), "element", i);
    }
    guard_free(&x);
    guard_free(&w);
    guard_free(&b);
    guard_free(&y);
}

static void check_layer_norm(const check *c)
{
    for (size_t i = 0; i < COUNT(row_lengths); i++) {
        check_layer_norm_of(c, row_lengths[i], 1.0f, 0.0f, 1e-6f, i % 2);
        check_layer_norm_of(c, row_lengths[i], 1.0f, 1000.0f, 1e-6f, i % 2 == 0); /* the mean outweighs all */
        check_layer_norm_of(c, row_lengths[i], 1e-5f, 1e-4f, 1e-6f, false);       /* eps decides */
        check_layer_norm_of(c, row_lengths[i], 1e25f, -1e25f, 1e-6f, false);      /* squares beyond f32 */
    }
    check_layer_norm_of(c, 16384, 3.0f, 1.0f, 1e-5f, false);
}

static void check_add(const check *c)
{
    for (size_t l = 0; l < COUNT(row_lengths); l++) {
        const int64_t n = row_lengths[l];
        note_shape("n %lld", (long long)n);
        guarded x = guard_floats(n), y = guard_floats(n), old = guard_floats(n);
        fill_random(floats(&x), n, 1.0f);
        fill_random(floats(&old), n, 1e4f);
        memcpy(y.data, old.data, old.size_bytes);
        c->k->add(floats(&y), floats(&x), n);
        for (int64_t i = 0; i < n; i++)
            expect_within((double)floats(&y)[i], (double)(floats(&old)[i] + floats(&x)[i]), 0.0, "element", i);
        guard_free(&x);
        guard_free(&y);
        guard_free(&old);
    }
}

/* ------------------------------------------------------------------------------------------------------ gates -- */

static double silu_exact(double x)
{
    return x / (1.0 + exp(-x));
}

static double gelu_exact(double x)
{
    return x / (1.0 + exp(-2.0 * sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

/* Of the gate's value: the exponential's own error and four roundings. Below exp(-87) we accept 0. */
static double silu_bound(double x)
{
    return 4e-7 * fabs(silu_exact(x)) + 1e-35;
}

/* GELU besides rounds the argument of its exponential, which the argument's size magnifies. */
static double gelu_bound(double x)
{
    const double argument = fabs(1.6 * x * (1.0 + 0.044715 * x * x));
    return (4e-7 + 2.5e-7 * fmin(argument, 90.0)) * fabs(gelu_exact(x)) + 1e-35;
}

static void check_glu(const check *c, einf__glu_fn fn, double (*exact)(double), double (*bound)(double))
{
    for (size_t l = 0; l < COUNT(row_lengths); l++) {
        for (int range = 0; range < 4; range++) {
            static const float scales[] = {1.0f, 12.0f, 120.0f, 1e-6f};
            const int64_t n = row_lengths[l];
            note_shape("n %lld, gates up to %g", (long long)n, (double)scales[range]);
            guarded gate = guard_floats(n), up = guard_floats(n), y = guard_floats(n);
            fill_random(floats(&gate), n, scales[range]);
            fill_random(floats(&up), n, 2.0f);
            if (range == 2) floats(&gate)[n / 2] = random_u32() % 2 ? -0.0f : -1e30f;
            c->k->add(floats(&up), floats(&gate), n); /* up correlates with gate: an index mix-up shows */
            const bool over_gate = range == 1, over_up = range == 3;
            float *out = over_gate ? floats(&gate) : over_up ? floats(&up) : floats(&y);
            float gate_was[1024], up_was[1024];
            memcpy(gate_was, gate.data, gate.size_bytes);
            memcpy(up_was, up.data, up.size_bytes);
            fn(out, floats(&gate), floats(&up), n);
            for (int64_t i = 0; i < n; i++) {
                const double g = (double)gate_was[i], u = (double)up_was[i];
                expect_within((double)out[i], exact(g) * u, (bound(g) + 1e-7 * fabs(exact(g))) * (fabs(u) + 1e-6),
                              "element", i);
            }
            guard_free(&gate);
            guard_free(&up);
            guard_free(&y);
        }
    }
}

/* The gate alone over its whole range, in small steps; NaN comes through. */
static void check_glu_sweep(einf__glu_fn fn, double (*exact)(double), double (*bound)(double))
{
    note_shape("n 8, gates from -130 to 130");
    for (int step = -13000; step < 13000; step += 8) {
        float gate[8], up[8], y[8];
        for (int i = 0; i < 8; i++) gate[i] = (float)(step + i) * 0.01f + 0.0037f, up[i] = 1.0f;
        fn(y, gate, up, 8);
        for (int i = 0; i < 8; i++) {
            const double g = (double)gate[i];
            expect_within((double)y[i], exact(g), bound(g), "gate * 100", step + i);
        }
    }
    const float gate[9] = {NAN, 1, 1, 1, 1, 1, 1, 1, NAN}, up[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    float y[9];
    fn(y, gate, up, 9);
    for (int i = 0; i < 9; i++) expect_equal(y[i] != y[i], i % 8 == 0, "NaN from a NaN gate", i);
}

static void check_swiglu(const check *c)
{
    check_glu(c, c->k->swiglu, silu_exact, silu_bound);
    check_glu_sweep(c->k->swiglu, silu_exact, silu_bound);
}

static void check_geglu(const check *c)
{
    check_glu(c, c->k->geglu, gelu_exact, gelu_bound);
    check_glu_sweep(c->k->geglu, gelu_exact, gelu_bound);
}

/* ------------------------------------------------------------------------------------------------ activations -- */

static double quick_gelu_exact(double x)
{
    return x / (1.0 + exp(-1.702 * x));
}

/* The argument of its exponential is rounded, which the argument's size magnifies. */
static double quick_gelu_bound(double x)
{
    return (4e-7 + 1.5e-7 * fmin(1.702 * fabs(x), 90.0)) * fabs(quick_gelu_exact(x)) + 1e-35;
}

static double erf_gelu_exact(double x)
{
    return 0.5 * x * erfc(-x * sqrt(0.5));
}

static double erf_gelu_bound(double x)
{
    return 6e-7 * fabs(erf_gelu_exact(x)) + 1e-35;
}

/* In place, at every length and several magnitudes; then the whole range in small steps, its far ends, and NaN. */
static void check_act(einf__act_fn fn, double (*exact)(double), double (*bound)(double))
{
    static const float scales[] = {1.0f, 12.0f, 120.0f, 1e-6f, 1e-30f};
    for (size_t l = 0; l < COUNT(row_lengths); l++) {
        for (size_t range = 0; range < COUNT(scales); range++) {
            const int64_t n = row_lengths[l];
            note_shape("n %lld, up to %g", (long long)n, (double)scales[range]);
            guarded y = guard_floats(n);
            float was[1024];
            fill_random(floats(&y), n, scales[range]);
            if (range == 2) floats(&y)[n / 2] = -1e30f;
            memcpy(was, y.data, y.size_bytes);
            fn(floats(&y), n);
            for (int64_t i = 0; i < n; i++)
                expect_within((double)floats(&y)[i], exact((double)was[i]), bound((double)was[i]), "element", i);
            guard_free(&y);
        }
    }
    note_shape("n 8, from -130 to 130");
    for (int step = -13000; step < 13000; step += 8) {
        float x[8], y[8];
        for (int i = 0; i < 8; i++) x[i] = y[i] = (float)(step + i) * 0.01f + 0.0037f;
        fn(y, 8);
        for (int i = 0; i < 8; i++) {
            expect_within((double)y[i], exact((double)x[i]), bound((double)x[i]), "element * 100", step + i);
            if (x[i] < -80.0f) continue; /* where results vanish */
            expect_true((y[i] < 0.0f) == (x[i] < 0.0f) || y[i] == 0.0f, "the sign of what went in");
        }
    }
    float y[19] = {[0] = NAN, [9] = INFINITY, [10] = 3e38f, [17] = -0.0f, [18] = NAN};
    fn(y, 19);
    for (int i = 0; i < 19; i++) expect_equal(y[i] != y[i], i % 18 == 0, "NaN from NaN", i);
    expect_true(y[9] == INFINITY && y[10] == 3e38f && y[1] == 0.0f && y[17] == 0.0f, "the ends of the range");
}

static void check_quick_gelu(const check *c)
{
    check_act(c->k->quick_gelu, quick_gelu_exact, quick_gelu_bound);
}

static void check_gelu(const check *c)
{
    check_act(c->k->gelu, erf_gelu_exact, erf_gelu_bound);
}

static void check_silu(const check *c)
{
    check_act(c->k->silu, silu_exact, silu_bound);
}

/* --------------------------------------------------------------------------------------------------- rotation -- */

/* Pair p is (2 p, 2 p + 1), or (p, p + n) with neox. */
static void check_rope(einf__rope_fn fn, bool neox)
{
    for (size_t l = 0; l < COUNT(row_lengths); l++) {
        const int64_t n = row_lengths[l];
        note_shape("%lld pairs", (long long)n);
        guarded x = guard_floats(2 * n), old = guard_floats(2 * n), cosine = guard_floats(n), sine = guard_floats(n);
        fill_random(floats(&old), 2 * n, 10.0f);
        memcpy(x.data, old.data, old.size_bytes);
        for (int64_t p = 0; p < n; p++) {
            const float angle = 3.1415927f * random_unit();
            floats(&cosine)[p] = cosf(angle);
            floats(&sine)[p] = sinf(angle);
        }
        fn(floats(&x), floats(&cosine), floats(&sine), n);
        for (int64_t p = 0; p < n; p++) {
            const int64_t i = neox ? p : 2 * p, j = neox ? p + n : 2 * p + 1;
            const double a = (double)floats(&old)[i], b = (double)floats(&old)[j];
            const double co = (double)floats(&cosine)[p], si = (double)floats(&sine)[p];
            const double bound = 1.3e-7 * (fabs(a) + fabs(b));
            expect_within((double)floats(&x)[i], a * co - b * si, bound, "first of pair", p);
            expect_within((double)floats(&x)[j], a * si + b * co, bound, "second of pair", p);
        }
        guard_free(&x);
        guard_free(&old);
        guard_free(&cosine);
        guard_free(&sine);
    }
}

static void check_rope_norm(const check *c)
{
    check_rope(c->k->rope_norm, false);
}

static void check_rope_neox(const check *c)
{
    check_rope(c->k->rope_neox, true);
}

#endif
