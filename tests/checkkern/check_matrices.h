/* SPDX-License-Identifier: MIT
 * check_matrices.h - checks of GEMM and attention, against formulas in double.
 */
#ifndef TESTS_CHECK_MATRICES_H
#define TESTS_CHECK_MATRICES_H

#include <stdlib.h>

#include "tests/checkkern/check_support.h"

/* ------------------------------------------------------------------------------------------------------- gemm -- */

static void check_gemm_shape(const check *c, int32_t m, int32_t n, int32_t depth, int gap)
{
    const int64_t lda = depth + gap, ldb = depth + 2 * gap, ldc = m + 3 * gap;
    guarded a = guard_floats((m - 1) * lda + depth), b = guard_floats((n - 1) * ldb + depth);
    guarded out = guard_floats((n - 1) * ldc + m);
    for (int32_t i = 0; i < m; i++) fill_random(floats(&a) + i * lda, depth, 1.0f);
    for (int32_t j = 0; j < n; j++) fill_random(floats(&b) + j * ldb, depth, 3.0f);
    c->k->gemm_f32(c->k->gemm_user, m, n, depth, floats(&a), lda, floats(&b), ldb, floats(&out), ldc);
    for (int32_t j = 0; j < n; j++) {
        for (int32_t i = 0; i < m; i++) {
            double sum = 0.0, magnitude = 0.0;
            for (int32_t k = 0; k < depth; k++) {
                const double product = (double)floats(&a)[i * lda + k] * (double)floats(&b)[j * ldb + k];
                sum += product;
                magnitude += fabs(product);
            }
            assert_within(c, (double)floats(&out)[j * ldc + i], sum, (double)EINF__TOL_REORDER(depth) * magnitude,
                          "row", i);
        }
        for (int64_t i = m; i < ldc && j + 1 < n; i++) assert_true(is_canary(floats(&out) + j * ldc + i));
    }
    guard_free(&a);
    guard_free(&b);
    guard_free(&out);
}

static void check_gemm_f32(const check *c)
{
    static const int32_t rows[] = {1, 7, 8, 15, 16, 17, 33}, depths[] = {1, 7, 8, 9, 64, 255, 256, 257, 600};
    for (size_t i = 0; i < TEST_COUNT(rows); i++)
        for (size_t d = 0; d < TEST_COUNT(depths); d++)
            for (int32_t n = 1; n <= 13; n += n < 7 ? 1 : 3) check_gemm_shape(c, rows[i], n, depths[d], (int)(d % 2));
    check_gemm_shape(c, 32, 12, 2049, 5);
}

/* -------------------------------------------------------------------------------------------------- attention -- */

/* Keys and values of a cache, of which only [begin, end) may be read: the rest is NaN. Exact doubles besides. */
typedef struct cache {
    guarded k, v;
    int64_t k_stride, v_stride;
} cache;

static void put_element(guarded *g, bool f16, int64_t i, float x)
{
    if (f16) ((uint16_t *)(void *)g->data)[i] = einf__f32_to_f16(x);
    else floats(g)[i] = x;
}

static double get_element(const guarded *g, bool f16, int64_t i)
{
    return (double)(f16 ? einf__f16_to_f32(((const uint16_t *)(const void *)g->data)[i]) : floats(g)[i]);
}

/* The last row of either ends at a guard page. growth: keys grow along the cache, so that maxima keep rising. */
static cache make_cache(bool f16, int64_t n_keys, int64_t begin, int32_t k_dim, int32_t v_dim, float growth)
{
    cache s = {.k_stride = k_dim + 5, .v_stride = v_dim + 3};
    const size_t bytes = f16 ? 2 : 4;
    s.k = guard_alloc((size_t)((n_keys - 1) * s.k_stride + k_dim) * bytes, 0);
    s.v = guard_alloc((size_t)((n_keys - 1) * s.v_stride + v_dim) * bytes, 0);
    memset(s.k.data, 0xff, s.k.size_bytes); /* NaN in either type */
    memset(s.v.data, 0xff, s.v.size_bytes);
    for (int64_t p = begin; p < n_keys; p++) {
        for (int32_t e = 0; e < k_dim; e++)
            put_element(&s.k, f16, p * s.k_stride + e, random_unit() * (1.0f + growth * (float)p));
        for (int32_t e = 0; e < v_dim; e++) put_element(&s.v, f16, p * s.v_stride + e, random_unit());
    }
    return s;
}

/* One query in double. Returns the largest sum of |q k| times scale: what the error of scores is proportional to. */
static double attend_exact(double *out, const float *q, const cache *s, bool f16, const einf__attend *a)
{
    const int64_t n = a->key_end - a->key_begin;
    double *scores = malloc((size_t)n * sizeof *scores), max = -HUGE_VAL, magnitude = 0.0, weight = 0.0;
    assert_non_null(scores);
    for (int64_t p = 0; p < n; p++) {
        double sum = 0.0, sum_abs = 0.0;
        for (int32_t e = 0; e < a->k_dim; e++) {
            const double product = (double)q[e] * get_element(&s->k, f16, (a->key_begin + p) * s->k_stride + e);
            sum += product;
            sum_abs += fabs(product);
        }
        scores[p] = sum * (double)a->scale;
        max = fmax(max, scores[p]);
        magnitude = fmax(magnitude, sum_abs * (double)a->scale);
    }
    memset(out, 0, (size_t)a->v_dim * sizeof *out);
    for (int64_t p = 0; p < n; p++) {
        const double w = exp(scores[p] - max);
        weight += w;
        const int64_t row = (a->key_begin + p) * s->v_stride;
        for (int32_t e = 0; e < a->v_dim; e++) out[e] += w * get_element(&s->v, f16, row + e);
    }
    for (int32_t e = 0; e < a->v_dim; e++) out[e] /= weight;
    free(scores);
    return magnitude;
}

static void check_attend_shape(const check *c, bool f16, int32_t n_q, int32_t k_dim, int32_t v_dim, int64_t begin,
                               int64_t n_keys, float growth)
{
    const int64_t q_stride = k_dim + 4, out_stride = v_dim + 2;
    cache s = make_cache(f16, begin + n_keys, begin, k_dim, v_dim, growth);
    guarded q = guard_floats((n_q - 1) * q_stride + k_dim), out = guard_floats((n_q - 1) * out_stride + v_dim);
    for (int32_t i = 0; i < n_q; i++) fill_random(floats(&q) + i * q_stride, k_dim, 2.0f);
    const einf__attend a = {
        .out = floats(&out), .q = floats(&q), .k = s.k.data, .v = s.v.data,
        .q_stride = q_stride, .out_stride = out_stride, .k_stride = s.k_stride, .v_stride = s.v_stride,
        .key_begin = begin, .key_end = begin + n_keys,
        .n_q = n_q, .k_dim = k_dim, .v_dim = v_dim, .scale = 1.0f / sqrtf((float)k_dim),
    };
    (f16 ? c->k->attend_f16 : c->k->attend_f32)(&a);
    for (int32_t i = 0; i < n_q; i++) {
        double want[256];
        const double magnitude = attend_exact(want, a.q + i * q_stride, &s, f16, &a);
        /* |v| <= 1. An error in a score scales its weight; weights and sums round a few times a key. */
        const double bound = 2.0 * (double)EINF__TOL_REORDER(k_dim) * magnitude + (double)EINF__TOL_REORDER(n_keys)
                             + 4e-7;
        for (int32_t e = 0; e < v_dim; e++)
            assert_within(c, (double)a.out[i * out_stride + e], want[e], bound, "element", e);
        for (int64_t e = v_dim; e < out_stride && i + 1 < n_q; e++) assert_true(is_canary(a.out + i * out_stride + e));
    }
    guard_free(&s.k);
    guard_free(&s.v);
    guard_free(&q);
    guard_free(&out);
}

static void check_attend(const check *c, bool f16)
{
    static const struct { int32_t k, v; } dims[] = {{64, 64}, {80, 80}, {96, 96}, {128, 128}, {256, 256}, {8, 8},
                                                    {5, 3}, {20, 13}, {192, 128}, {40, 1}};
    static const int64_t counts[] = {1, 2, 3, 5, 8, 63, 64, 65, 130};
    for (size_t d = 0; d < TEST_COUNT(dims); d++)
        for (size_t n = 0; n < TEST_COUNT(counts); n++)
            check_attend_shape(c, f16, 1 + (int32_t)(n % EINF__ATTEND_MAX_Q), dims[d].k, dims[d].v,
                               (int64_t)(d + n) % 4, counts[n], 0.0f);
    for (int32_t n_q = 1; n_q <= EINF__ATTEND_MAX_Q; n_q++) {
        check_attend_shape(c, f16, n_q, 64, 64, 7, 70, 0.0f);
        check_attend_shape(c, f16, n_q, 32, 32, 0, 300, 0.5f); /* scores up to hundreds, rising */
    }
}

static void check_attend_f16(const check *c)
{
    check_attend(c, true);
}

static void check_attend_f32(const check *c)
{
    check_attend(c, false);
}

#endif
