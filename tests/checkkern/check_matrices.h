/* SPDX-License-Identifier: MIT
 * check_matrices.h - checks of GEMM and attention, against formulas in double.
 */
#ifndef TESTS_CHECK_MATRICES_H
#define TESTS_CHECK_MATRICES_H

#include <stdlib.h>

#include "tests/checkkern/check_support.h"
#include "tests/checkkern/format_oracle.h"

/* ------------------------------------------------------------------------------------------------------- gemm -- */

static void check_gemm_shape(const check *c, int32_t m, int32_t n, int32_t depth, int gap)
{
    note_shape("m %d, n %d, depth %d", m, n, depth);
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
            expect_within((double)floats(&out)[j * ldc + i], sum, (double)EINF__TOL_REORDER(depth) * magnitude,
                          "row", i);
        }
        for (int64_t i = m; i < ldc && j + 1 < n; i++) expect_canary(floats(&out) + j * ldc + i, i);
    }
    guard_free(&a);
    guard_free(&b);
    guard_free(&out);
}

static void check_gemm_f32(const check *c)
{
    static const int32_t rows[] = {1, 7, 8, 15, 16, 17, 33}, depths[] = {1, 7, 8, 9, 64, 255, 256, 257, 600};
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t d = 0; d < COUNT(depths); d++)
            for (int32_t n = 1; n <= 13; n += n < 7 ? 1 : 3) check_gemm_shape(c, rows[i], n, depths[d], (int)(d % 2));
    check_gemm_shape(c, 32, 12, 2049, 5);
}

/* ---------------------------------------------------------------------------------------------------- softmax -- */

static double capped(double score, double softcap)
{
    return softcap > 0.0 ? softcap * tanh(score / softcap) : score;
}

/* n more scores, up to `size` around `middle`, after those that *s has seen. */
static void check_softmax_block(const check *c, einf__softmax *s, int64_t n, float size, float middle, float softcap)
{
    const float scale = 0.125f;
    const einf__softmax old = *s;
    guarded x = guard_floats(n), in = guard_floats(n);
    for (int64_t i = 0; i < n; i++) floats(&x)[i] = floats(&in)[i] = (middle + size * random_unit()) / scale;
    const float shrink = c->k->softmax(s, floats(&x), n, scale, softcap);
    double max = (double)old.max, added = 0.0;
    for (int64_t i = 0; i < n; i++) max = fmax(max, capped((double)(scale * floats(&in)[i]), (double)softcap));
    /* A score rounds by its size; the cap adds that of a tanh, whose error is that of its result. */
    const double error = 4e-7 * (1.0 + fabs((double)middle) + (double)size) + 8e-7 * (double)softcap;
    expect_within((double)s->max, max, error, "largest score of", n);
    expect_within((double)shrink, exp((double)old.max - (double)s->max), 3e-7, "shrink of", n);
    for (int64_t i = 0; i < n; i++) {
        const double weight = exp(capped((double)(scale * floats(&in)[i]), (double)softcap) - (double)s->max);
        expect_within((double)floats(&x)[i], weight, 2.0 * error * weight + 1e-37, "weight", i);
        added += (double)floats(&x)[i];
    }
    const double sum = (double)old.sum * (double)shrink + added;
    expect_within((double)s->sum, sum, (double)EINF__TOL_REORDER(n + 8) * sum, "sum of", n);
    if (s->max == old.max) expect_within((double)shrink, 1.0, 0.0, "shrink while the largest stays, of", n);
    guard_free(&x);
    guard_free(&in);
}

static void check_softmax(const check *c)
{
    static const int64_t counts[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 100, 257};
    static const float sizes[] = {0.0f, 1.0f, 30.0f, 300.0f}, caps[] = {0.0f, 0.5f, 50.0f};
    static const float middles[] = {-200.0f, 0.0f, -3.0f, 50.0f}; /* of four blocks: rising and not */
    for (size_t i = 0; i < COUNT(counts); i++) {
        for (size_t k = 0; k < COUNT(sizes) * COUNT(caps); k++) {
            einf__softmax s = {-INFINITY, 0.0f};
            for (size_t b = 0; b < COUNT(middles); b++) {
                const float size = sizes[k % COUNT(sizes)], cap = caps[k / COUNT(sizes)];
                const int64_t n = counts[(i + b) % COUNT(counts)];
                note_shape("block %d of %lld scores up to %g around %g, softcap %g", (int)b, (long long)n,
                           (double)size, (double)middles[b], (double)cap);
                check_softmax_block(c, &s, n, size, middles[b], cap);
            }
        }
    }
}

/* -------------------------------------------------------------------------------------------------- attention -- */

/* Keys and values of a cache, of which only [begin, end) may be read: the rest is NaN. Exact doubles besides. */
typedef struct cache {
    guarded k, v;
    int64_t k_stride, v_stride;
} cache;

/* n elements from element i on, up to `scale` in size; of Q8_0 whole blocks. */
static void put_elements(guarded *g, einf__dtype type, int64_t i, int32_t n, float scale)
{
    if (type == EINF__Q8_0) {
        for (uint8_t *b = g->data + i / 32 * 34, *end = b + n / 32 * 34; b < end; b += 34) {
            const uint16_t d = einf__f32_to_f16(scale / 128.0f * (0.6f + 0.4f * random_unit()));
            memcpy(b, &d, sizeof d);
            for (int e = 0; e < 32; e++) b[2 + e] = (uint8_t)random_u32();
        }
        return;
    }
    for (int64_t e = i; e < i + n; e++) {
        const float x = random_unit() * scale;
        if (type == EINF__F16) ((uint16_t *)(void *)g->data)[e] = einf__f32_to_f16(x);
        else floats(g)[e] = x;
    }
}

static double get_element(const guarded *g, einf__dtype type, int64_t i)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    const uint8_t *block = g->data + i / info->block_elems * info->block_bytes;
    return oracle_element(type, block, (int)(i % info->block_elems)).value;
}

/* The last row of either ends at a guard page. growth: keys grow along the cache, so that maxima keep rising. */
static cache make_cache(einf__dtype type, int64_t n_keys, int64_t begin, int32_t k_dim, int32_t v_dim, float growth)
{
    const bool blocks = type == EINF__Q8_0;
    cache s = {.k_stride = k_dim + (blocks ? 32 : 5), .v_stride = v_dim + (blocks ? 64 : 3)};
    const int64_t n_k = (n_keys - 1) * s.k_stride + k_dim, n_v = (n_keys - 1) * s.v_stride + v_dim;
    s.k = guard_alloc((size_t)einf__dtype_row_bytes(type, (uint64_t)n_k), 0);
    s.v = guard_alloc((size_t)einf__dtype_row_bytes(type, (uint64_t)n_v), 0);
    memset(s.k.data, 0xff, s.k.size_bytes); /* NaN in any type */
    memset(s.v.data, 0xff, s.v.size_bytes);
    for (int64_t p = begin; p < n_keys; p++) {
        put_elements(&s.k, type, p * s.k_stride, k_dim, 1.0f + growth * (float)p);
        put_elements(&s.v, type, p * s.v_stride, v_dim, 1.0f);
    }
    return s;
}

/* One query in double. Returns the largest sum of |q k| times scale: what the error of scores is proportional to. */
static double attend_exact(double *out, const float *q, const cache *s, einf__dtype type,
                           const einf__attend *a)
{
    const int64_t n = a->key_end - a->key_begin;
    double *scores = malloc((size_t)n * sizeof *scores), max = -HUGE_VAL, magnitude = 0.0, weight = 0.0;
    expect_true(scores, "no memory");
    for (int64_t p = 0; p < n; p++) {
        double sum = 0.0, sum_abs = 0.0;
        for (int32_t e = 0; e < a->k_dim; e++) {
            const double product = (double)q[e] * get_element(&s->k, type, (a->key_begin + p) * s->k_stride + e);
            sum += product;
            sum_abs += fabs(product);
        }
        scores[p] = sum * (double)a->scale;
        if (a->softcap > 0.0f) scores[p] = (double)a->softcap * tanh(scores[p] / (double)a->softcap);
        max = fmax(max, scores[p]);
        magnitude = fmax(magnitude, sum_abs * (double)a->scale);
    }
    memset(out, 0, (size_t)a->v_dim * sizeof *out);
    for (int64_t p = 0; p < n; p++) {
        const double w = exp(scores[p] - max);
        weight += w;
        const int64_t row = (a->key_begin + p) * s->v_stride;
        for (int32_t e = 0; e < a->v_dim; e++) out[e] += w * get_element(&s->v, type, row + e);
    }
    for (int32_t e = 0; e < a->v_dim; e++) out[e] /= weight;
    free(scores);
    return magnitude;
}

static einf__attend_fn attend_slot(const check *c, einf__dtype type)
{
    return type == EINF__F16 ? c->k->attend_f16 : type == EINF__F32 ? c->k->attend_f32 : c->k->attend_q8_0;
}

/* A query alone gets, bit for bit, what it got among others. */
static void check_query_alone(const check *c, einf__dtype type, const einf__attend *among, int32_t i)
{
    guarded out = guard_floats(among->v_dim);
    einf__softmax state;
    einf__attend a = *among;
    a.state = &state;
    a.q += i * a.q_stride;
    a.out = floats(&out);
    a.n_q = 1;
    attend_slot(c, type)(&a);
    expect_same_floats(floats(&out), among->out + i * among->out_stride, among->v_dim, "element of a query alone");
    expect_same_floats(&state.max, &among->state[i].max, 1, "maximum of a query alone");
    expect_same_floats(&state.sum, &among->state[i].sum, 1, "sum of a query alone");
    guard_free(&out);
}

static void check_attend_shape(const check *c, einf__dtype type, int32_t n_q, int32_t k_dim, int32_t v_dim,
                               int64_t begin, int64_t n_keys, float growth, float softcap)
{
    note_shape("queries %d, k_dim %d, v_dim %d, keys [%lld, %lld), softcap %g", n_q, k_dim, v_dim, (long long)begin,
               (long long)(begin + n_keys), (double)softcap);
    const int64_t q_stride = k_dim + 4, out_stride = v_dim + 2;
    cache s = make_cache(type, begin + n_keys, begin, k_dim, v_dim, growth);
    guarded q = guard_floats((n_q - 1) * q_stride + k_dim), out = guard_floats((n_q - 1) * out_stride + v_dim);
    for (int32_t i = 0; i < n_q; i++) fill_random(floats(&q) + i * q_stride, k_dim, 2.0f);
    einf__softmax state[EINF__ATTEND_MAX_Q];
    const einf__attend a = {
        .out = floats(&out), .state = state, .q = floats(&q), .k = s.k.data, .v = s.v.data,
        .q_stride = q_stride, .out_stride = out_stride, .k_stride = s.k_stride, .v_stride = s.v_stride,
        .key_begin = begin, .key_end = begin + n_keys,
        .n_q = n_q, .k_dim = k_dim, .v_dim = v_dim, .scale = 1.0f / sqrtf((float)k_dim), .softcap = softcap,
    };
    attend_slot(c, type)(&a);
    for (int32_t i = 0; i < n_q; i++) {
        double want[256];
        const double magnitude = attend_exact(want, a.q + i * q_stride, &s, type, &a);
        /* |v| <= 1. An error in a score scales its weight; weights and sums round a few times a key; the cap passes
         * on the error of its score, and adds that of a tanh. */
        const double bound = 2.0 * (double)EINF__TOL_REORDER(k_dim) * magnitude + (double)EINF__TOL_REORDER(n_keys)
                             + 4e-7 + 2.0 * 4e-7 * fmin(magnitude, (double)softcap);
        for (int32_t e = 0; e < v_dim; e++)
            expect_within((double)a.out[i * out_stride + e] / (double)state[i].sum, want[e], bound, "element", e);
        for (int64_t e = v_dim; e < out_stride && i + 1 < n_q; e++) expect_canary(a.out + i * out_stride + e, e);
        check_query_alone(c, type, &a, i);
    }
    guard_free(&s.k);
    guard_free(&s.v);
    guard_free(&q);
    guard_free(&out);
}

static void check_attend(const check *c, einf__dtype type)
{
    static const struct { int32_t k, v; } dims[] = {{64, 64}, {80, 80}, {96, 96}, {128, 128}, {256, 256}, {8, 8},
                                                    {5, 3}, {20, 13}, {192, 128}, {40, 1}};
    static const int64_t counts[] = {1, 2, 3, 5, 8, 63, 64, 65, 130};
    for (size_t d = 0; d < COUNT(dims); d++)
        for (size_t n = 0; n < COUNT(counts); n++)
            if (type != EINF__Q8_0 || (dims[d].k % 32 == 0 && dims[d].v % 32 == 0))
                check_attend_shape(c, type, 1 + (int32_t)(n % EINF__ATTEND_MAX_Q), dims[d].k, dims[d].v,
                                   (int64_t)(d + n) % 4, counts[n], 0.0f, 0.0f);
    for (int32_t n_q = 1; n_q <= EINF__ATTEND_MAX_Q; n_q++) {
        check_attend_shape(c, type, n_q, 64, 64, 7, 70, 0.0f, 0.0f);
        check_attend_shape(c, type, n_q, 64, 64, 3, 75, 0.0f, 0.5f);  /* a cap as large as the scores, */
        check_attend_shape(c, type, n_q, 64, 64, 3, 77, 0.0f, 50.0f); /* one that hardly shows, */
        check_attend_shape(c, type, n_q, 32, 32, 0, 300, 0.5f, 0.0f); /* scores up to hundreds, rising, */
        check_attend_shape(c, type, n_q, 32, 32, 0, 300, 0.5f, 50.0f); /* and capped */
    }
}

static void check_attend_f16(const check *c)
{
    check_attend(c, EINF__F16);
}

static void check_attend_f32(const check *c)
{
    check_attend(c, EINF__F32);
}

static void check_attend_q8_0(const check *c)
{
    check_attend(c, EINF__Q8_0);
}

#endif
