/* SPDX-License-Identifier: MIT
 * test_verbs_columns.c - norm, norm_add, norm_heads, rope, embed and softcap against their formulas, for few columns
 * (on the caller) and many (shared out), with the same bits from 1, 2 and 3 threads.
 */
#include "tests/unit/kernels/verbs_rig.h"

enum { N_RIGS = 3, MAX_COLS = 40 };
static const int64_t column_counts[] = { 1, 3, 4, 5, 9, 40 };

static void make_rigs(rig *rigs)
{
    for (int t = 0; t < N_RIGS; t++) rig_init(&rigs[t], t + 1, einf__cpu_features(), MAX_COLS);
}

static void free_rigs(rig *rigs)
{
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* 1 / sqrt(mean(x^2) + eps) */
static double norm_scale(const float *x, int64_t n, double eps)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
    return 1 / sqrt(squares / (double)n + eps);
}

static void check_int8_form(const rig *g, const einf__acts *a, const float *columns)
{
    for (int64_t i = 0; i < a->n_cols * a->width; i += 32) {
        int8_t q[32];
        int16_t sum16[2];
        float d;
        g->k.quantize_q8(q, &d, sum16, columns + i, 32);
        assert_memory_equal(q, a->q + i, 32);
        assert_memory_equal(&d, a->d + i / 32, sizeof d);
        assert_memory_equal(sum16, a->sum16 + i / 16, sizeof sum16);
    }
}

static void check_norm(rig *rigs, rng *r, int64_t width, int64_t n_cols, bool has_weight, unsigned forms)
{
    void *block[N_RIGS];
    einf__acts *a[N_RIGS];
    float *x = get_floats(n_cols * width), *w = get_floats(width), *expected = get_floats(n_cols * width);
    fill_random(r, x, n_cols * width);
    fill_random(r, w, width);
    for (int64_t j = 0; j < n_cols; j++) {
        const double scale = norm_scale(x + j * width, width, 1e-3);
        for (int64_t i = 0; i < width; i++)
            expected[j * width + i] = has_weight ? (float)((double)x[j * width + i] * scale * (double)w[i])
                                                 : x[j * width + i];
    }
    for (int t = 0; t < N_RIGS; t++) {
        a[t] = rig_acts(width + 64, MAX_COLS, &block[t]);
        einf__norm(&rigs[t].c, a[t], x, n_cols, width, has_weight ? w : NULL, 1e-3f, forms);
        assert_int_equal(a[t]->width, width);
        assert_int_equal(a[t]->n_cols, n_cols);
        assert_int_equal(a[t]->forms, forms);
        for (int64_t i = 0; (has_weight || (forms & EINF__ACTS_F32)) && i < n_cols * width; i++)
            assert_near((double)a[t]->f32[i], (double)expected[i], has_weight ? 1e-6 : 0, has_weight ? 1e-9 : 0);
        if (forms & EINF__ACTS_Q8) check_int8_form(&rigs[t], a[t], has_weight ? a[t]->f32 : x);
        if (forms & EINF__ACTS_F32)
            assert_memory_equal(a[t]->f32, a[0]->f32, (size_t)(n_cols * width) * sizeof(float));
    }
    for (int t = 0; t < N_RIGS; t++) free(block[t]);
    free(x);
    free(w);
    free(expected);
}

static void norm_makes_the_forms_asked_for(void **state)
{
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 21 };
    make_rigs(rigs);
    for (size_t i = 0; i < TEST_COUNT(column_counts); i++) {
        for (int has_weight = 0; has_weight < 2; has_weight++) {
            for (unsigned forms = 1; forms <= 3; forms++) check_norm(rigs, &r, 64, column_counts[i], has_weight, forms);
            check_norm(rigs, &r, 172, column_counts[i], has_weight, EINF__ACTS_F32);
            check_norm(rigs, &r, 2048, column_counts[i], has_weight, EINF__ACTS_F32 | EINF__ACTS_Q8);
        }
    }
    free_rigs(rigs);
}

static void norm_add_adds_the_normed(void **state)
{
    (void)state;
    enum { WIDTH = 172 };
    rig rigs[N_RIGS];
    rng r = { 22 };
    make_rigs(rigs);
    for (size_t c = 0; c < TEST_COUNT(column_counts); c++) {
        const int64_t n_cols = column_counts[c], n = n_cols * WIDTH;
        const size_t bytes = (size_t)n * sizeof(float);
        float *x0 = get_floats(n), *y0 = get_floats(n), *w = get_floats(WIDTH), *x[N_RIGS];
        fill_random(&r, x0, n);
        fill_random(&r, y0, n);
        fill_random(&r, w, WIDTH);
        for (int t = 0; t < N_RIGS; t++) {
            float *y = get_guarded(n);
            x[t] = get_guarded(n);
            memcpy(x[t], x0, bytes);
            memcpy(y, y0, bytes);
            einf__norm_add(&rigs[t].c, x[t], y, n_cols, WIDTH, w, 1e-5f);
            put_guarded(y, n);
            assert_memory_equal(x[t], x[0], bytes);
        }
        for (int64_t i = 0; i < n; i++) {
            const double scale = norm_scale(y0 + i / WIDTH * WIDTH, WIDTH, 1e-5);
            assert_near((double)x[0][i], (double)x0[i] + (double)y0[i] * scale * (double)w[i % WIDTH], 1e-6, 2e-7);
        }
        for (int t = 0; t < N_RIGS; t++) put_guarded(x[t], n);
        free(x0);
        free(y0);
        free(w);
    }
    free_rigs(rigs);
}

static void norm_heads_norms_each_head(void **state)
{
    (void)state;
    enum { HEAD_DIM = 48, N_HEAD = 3, WIDTH = HEAD_DIM * N_HEAD };
    rig rigs[N_RIGS];
    rng r = { 23 };
    make_rigs(rigs);
    for (size_t c = 0; c < TEST_COUNT(column_counts); c++) {
        const int64_t n = column_counts[c] * WIDTH;
        float *x0 = get_floats(n), *w = get_floats(HEAD_DIM), *x[N_RIGS];
        fill_random(&r, x0, n);
        fill_random(&r, w, HEAD_DIM);
        for (int t = 0; t < N_RIGS; t++) {
            x[t] = get_guarded(n);
            memcpy(x[t], x0, (size_t)n * sizeof(float));
            einf__norm_heads(&rigs[t].c, x[t], column_counts[c], N_HEAD, HEAD_DIM, w, 1e-6f);
            assert_memory_equal(x[t], x[0], (size_t)n * sizeof(float));
        }
        for (int64_t i = 0; i < n; i++) {
            const double scale = norm_scale(x0 + i / HEAD_DIM * HEAD_DIM, HEAD_DIM, 1e-6);
            assert_near((double)x[0][i], (double)x0[i] * scale * (double)w[i % HEAD_DIM], 1e-6, 1e-9);
        }
        for (int t = 0; t < N_RIGS; t++) put_guarded(x[t], n);
        free(x0);
        free(w);
    }
    free_rigs(rigs);
}

/* n_pairs may cover less than a head: the rest stays as it is. */
static void check_rope(rig *rigs, rng *r, bool neox, int64_t n_cols, int64_t n_pairs)
{
    enum { HEAD_DIM = 32, N_HEAD = 3 };
    const int64_t n = n_cols * N_HEAD * HEAD_DIM;
    float *x0 = get_floats(n), *cosines = get_floats(n_cols * n_pairs), *sines = get_floats(n_cols * n_pairs);
    float *x[N_RIGS];
    fill_random(r, x0, n);
    for (int64_t i = 0; i < n_cols * n_pairs; i++) {
        const double angle = (double)rng_f32(r) * 3;
        cosines[i] = (float)cos(angle);
        sines[i] = (float)sin(angle);
    }
    for (int t = 0; t < N_RIGS; t++) {
        x[t] = get_guarded(n);
        memcpy(x[t], x0, (size_t)n * sizeof(float));
        einf__rope(&rigs[t].c, neox, x[t], n_cols, N_HEAD, HEAD_DIM, cosines, sines, n_pairs);
        assert_memory_equal(x[t], x[0], (size_t)n * sizeof(float));
    }
    for (int64_t h = 0; h < n_cols * N_HEAD; h++) {
        const float *before = x0 + h * HEAD_DIM, *after = x[0] + h * HEAD_DIM;
        for (int64_t p = 0; p < n_pairs; p++) {
            const int64_t a = neox ? p : 2 * p, b = neox ? p + n_pairs : 2 * p + 1;
            const double c = (double)cosines[h / N_HEAD * n_pairs + p], s = (double)sines[h / N_HEAD * n_pairs + p];
            assert_near((double)after[a], (double)before[a] * c - (double)before[b] * s, 1e-6, 2e-7);
            assert_near((double)after[b], (double)before[a] * s + (double)before[b] * c, 1e-6, 2e-7);
        }
        assert_memory_equal(after + 2 * n_pairs, before + 2 * n_pairs,
                            (size_t)(HEAD_DIM - 2 * n_pairs) * sizeof(float));
    }
    for (int t = 0; t < N_RIGS; t++) put_guarded(x[t], n);
    free(x0);
    free(cosines);
    free(sines);
}

static void rope_rotates_every_head_by_its_column(void **state)
{
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 24 };
    make_rigs(rigs);
    for (size_t c = 0; c < TEST_COUNT(column_counts); c++)
        for (int neox = 0; neox < 2; neox++)
            for (int64_t n_pairs = 0; n_pairs <= 16; n_pairs += 8)
                check_rope(rigs, &r, neox, column_counts[c], n_pairs);
    free_rigs(rigs);
}

static void embed_reads_the_rows(void **state)
{
    (void)state;
    static const einf__dtype types[] = { EINF__F32, EINF__F16, EINF__Q8_0, EINF__Q4_K };
    static const float scales[] = { 1.0f, 25.298221f };
    enum { N_VOCAB = 300, WIDTH = 512 };
    rig rigs[N_RIGS];
    rng r = { 25 };
    make_rigs(rigs);
    for (size_t i = 0; i < TEST_COUNT(types) * TEST_COUNT(scales); i++) {
        weights w = make_weights(&r, types[i / 2], N_VOCAB, WIDTH, false, i % 3);
        for (size_t c = 0; c < TEST_COUNT(column_counts); c++) {
            const int64_t n = column_counts[c] * WIDTH;
            int32_t ids[MAX_COLS];
            for (int64_t j = 0; j < column_counts[c]; j++) ids[j] = (int32_t)(rng_u32(&r) % N_VOCAB);
            ids[0] = c % 2 ? 0 : N_VOCAB - 1;
            for (int t = 0; t < N_RIGS; t++) {
                float *y = get_guarded(n);
                einf__embed(&rigs[t].c, y, &w.m, ids, column_counts[c], scales[i % 2]);
                for (int64_t e = 0; e < n; e++) {
                    const float expected = w.dense[ids[e / WIDTH] * WIDTH + e % WIDTH] * scales[i % 2];
                    assert_true(y[e] == expected);
                }
                put_guarded(y, n);
            }
        }
        free_weights(&w);
    }
    free_rigs(rigs);
}

static void softcap_caps_every_element(void **state)
{
    static const int64_t counts[] = { 1, 7, 1024, 1025, 5000 };
    static const float caps[] = { 30.0f, 0.5f, 1e9f, 1e-30f };
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 26 };
    make_rigs(rigs);
    for (size_t i = 0; i < TEST_COUNT(counts) * TEST_COUNT(caps); i++) {
        const int64_t n = counts[i / TEST_COUNT(caps)];
        const float cap = caps[i % TEST_COUNT(caps)];
        float *x = get_floats(n), *first = get_floats(n);
        fill_random(&r, x, n);
        for (int t = 0; t < N_RIGS; t++) {
            float *y = get_guarded(n);
            for (int64_t e = 0; e < n; e++) y[e] = 60 * x[e];
            einf__softcap(&rigs[t].c, y, n, cap);
            for (int64_t e = 0; e < n; e++)
                assert_near(y[e], (double)cap * tanh(60 * (double)x[e] / (double)cap), 1e-6 * (double)cap, 1e-6);
            if (t == 0) memcpy(first, y, (size_t)n * sizeof *y);
            assert_memory_equal(y, first, (size_t)n * sizeof *y);
            put_guarded(y, n);
        }
        free(x);
        free(first);
    }
    free_rigs(rigs);
}

/* A plan that cannot be: it fails, and says so, instead of wrapping around. */
static void impossible_sizes_fail_the_arena(void **state)
{
    (void)state;
    static einf__kernels k;
    einf__kernels_init(&k, 0, NULL);
    einf__compute c = { .kernels = &k };
    const einf__acts_room one = { 1, 1, 1, 1, 0 }, endless = { INT64_MAX, 1, 1, 1, 0 };
    const einf__acts_room eight = { 8, 8, 8, 8, 0 };
    einf__arena a = einf__arena_counting();
    assert_null(einf__acts_carve(&a, INT64_MAX, &one));
    assert_true(a.failed);
    a = einf__arena_counting();
    assert_null(einf__acts_carve(&a, INT64_C(1) << 62, &one)); /* of which 4 bytes each are 0, modulo 2^64 */
    assert_true(a.failed);
    a = einf__arena_counting();
    assert_null(einf__acts_carve(&a, 4096, &endless));
    assert_true(a.failed);
    a = einf__arena_counting();
    einf__compute_lay_out(&a, &c, 256, INT64_MAX, 1024);
    assert_false(a.failed); /* panels do not grow with the batch for ever */
    assert_true(a.used_bytes < UINT64_C(256) * 1024 * 1024);
    uint8_t small[256];
    einf__arena tight = einf__arena_over(small, sizeof small);
    assert_null(einf__acts_carve(&tight, 1024, &eight));
    assert_true(tight.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_makes_the_forms_asked_for),
        cmocka_unit_test(norm_add_adds_the_normed),
        cmocka_unit_test(norm_heads_norms_each_head),
        cmocka_unit_test(rope_rotates_every_head_by_its_column),
        cmocka_unit_test(embed_reads_the_rows),
        cmocka_unit_test(softcap_caps_every_element),
        cmocka_unit_test(impossible_sizes_fail_the_arena),
    };
    return cmocka_run_group_tests_name("verbs: columns", tests, NULL, NULL);
}
