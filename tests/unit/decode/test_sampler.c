/* SPDX-License-Identifier: MIT
 * test_sampler.c - from logits to a token: what is drawn how often, what never is, and that a seed is a promise.
 */
#include "tests/support/test_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/decode/sampler.h"
#include "tests/support/model_build.h"

enum { N = 12, N_DRAWS = 20000, MAX_VOCAB = 50000 };

/* Probabilities of the first: about .40 .22 .15 .09 .05 .03 ... */
static const float LOGITS[N] = { 1.0f, 3.0f, 2.4f, 2.0f, -4.0f, 1.5f, 0.2f, 0.9f, -1.0f, 0.0f, -20.0f, 0.5f };

typedef struct fixture {
    einf__sampler s;
    void *block;
    uint32_t n_vocab;
    einf_error err;
} fixture;

static void fixture_open(fixture *f, uint32_t n_vocab)
{
    memset(f, 0, sizeof *f);
    einf__arena a = einf__arena_counting();
    einf__sampler_lay_out(&a, n_vocab, &f->s);
    f->block = aligned_alloc(64, (size_t)a.used_bytes);
    assert_non_null(f->block);
    a = einf__arena_over(f->block, a.used_bytes);
    einf__sampler_lay_out(&a, n_vocab, &f->s);
    assert_false(a.failed);
    f->n_vocab = n_vocab;
    f->err = test_error();
}

static void fixture_close(fixture *f) { free(f->block); }

static void set(fixture *f, einf_sampling c)
{
    assert_ok(einf__sampler_set(&f->s, &c, &f->err), &f->err);
}

static int32_t choose(fixture *f, const float *logits)
{
    int32_t id = -5;
    assert_ok(einf__sampler_choose(&f->s, logits, f->n_vocab, NULL, 0, &id, &f->err), &f->err);
    assert_true(id >= 0 && (uint32_t)id < f->n_vocab);
    return id;
}

/* ------------------------------------------------------------------------------------------------- greedy -- */

static void test_greedy(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, N);
    assert_ok(einf__sampler_set(&f.s, NULL, &f.err), &f.err);
    for (int i = 0; i < 10; i++) assert_int_equal(choose(&f, LOGITS), 1);
    set(&f, (einf_sampling){ .top_k = 5, .top_p = 0.1f, .min_p = 1, .seed = 9 }); /* temperature 0 all the same */
    assert_int_equal(choose(&f, LOGITS), 1);
    fixture_close(&f);
}

/* Equal logits: the lowest id, wherever the best ones lie and whatever else is set. */
static void test_ties(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 1000);
    float logits[1000];
    for (int first = 0; first < 1000; first += 37) {
        for (int i = 0; i < 1000; i++) logits[i] = i >= first && i % 3 == first % 3 ? 2.0f : (float)(i % 2);
        assert_ok(einf__sampler_set(&f.s, NULL, &f.err), &f.err);
        assert_int_equal(choose(&f, logits), first);
        set(&f, (einf_sampling){ .temperature = 1, .top_k = 1, .seed = (uint64_t)first });
        assert_int_equal(choose(&f, logits), first);
    }
    for (int i = 0; i < 1000; i++) logits[i] = -0.0f;
    logits[3] = 0.0f; /* equal to -0 */
    set(&f, (einf_sampling){ .temperature = 1, .top_k = 1 });
    assert_int_equal(choose(&f, logits), 0);
    fixture_close(&f);
}

static void test_top_k_1_is_greedy(void **state)
{
    (void)state;
    uint64_t seed = 4;
    fixture f;
    fixture_open(&f, 5000);
    float *logits = malloc(5000 * sizeof *logits);
    for (int round = 0; round < 20; round++) {
        int32_t best = 0;
        for (int32_t i = 0; i < 5000; i++) {
            logits[i] = 5 * model_normal(&seed);
            if (logits[i] > logits[best]) best = i;
        }
        set(&f, (einf_sampling){ .temperature = 100, .top_k = 1, .seed = seed });
        for (int i = 0; i < 5; i++) assert_int_equal(choose(&f, logits), best);
        set(&f, (einf_sampling){ .temperature = 100, .min_p = 1, .seed = seed });
        for (int i = 0; i < 5; i++) assert_int_equal(choose(&f, logits), best);
        set(&f, (einf_sampling){ .temperature = 100, .top_p = 1e-9f, .seed = seed });
        for (int i = 0; i < 5; i++) assert_int_equal(choose(&f, logits), best);
        set(&f, (einf_sampling){ .temperature = 1e-30f, .seed = seed }); /* so cold that nothing else has a chance */
        for (int i = 0; i < 5; i++) assert_int_equal(choose(&f, logits), best);
    }
    free(logits);
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------- distributions -- */

/* What the documented order makes of LOGITS: top-k, top-p and min-p on probabilities at temperature 1, then the draw at
 * the temperature. Sorted by a simple sort. */
static void expectation(const einf_sampling *c, double p[N])
{
    int order[N];
    double at_1[N], sum = 0, seen = 0;
    for (int i = 0; i < N; i++) {
        order[i] = i;
        for (int j = i; j > 0 && LOGITS[order[j]] > LOGITS[order[j - 1]]; j--) {
            const int swap = order[j];
            order[j] = order[j - 1];
            order[j - 1] = swap;
        }
    }
    const int k = c->top_k && c->top_k < N ? (int)c->top_k : N;
    for (int i = 0; i < k; i++) sum += at_1[i] = exp((double)LOGITS[order[i]]);
    const double top_p = c->top_p > 0 ? (double)c->top_p : 1;
    int kept = 0;
    for (; kept < k && (kept == 0 || seen < top_p * sum); kept++) seen += at_1[kept];
    while (kept > 1 && at_1[kept - 1] < (double)c->min_p * at_1[0]) kept--;
    sum = 0;
    for (int i = 0; i < N; i++) p[i] = 0;
    for (int i = 0; i < kept; i++) sum += p[order[i]] = exp((double)LOGITS[order[i]] / (double)c->temperature);
    for (int i = 0; i < N; i++) p[i] /= sum;
}

/* Counts of each id within 5 standard deviations of what is expected; what has probability 0 is never drawn. */
static void draws_as_expected(einf_sampling c)
{
    double p[N];
    int count[N] = { 0 };
    fixture f;
    fixture_open(&f, N);
    set(&f, c);
    expectation(&c, p);
    for (int i = 0; i < N_DRAWS; i++) count[choose(&f, LOGITS)]++;
    for (int i = 0; i < N; i++) {
        const double mean = N_DRAWS * p[i], deviation = sqrt(mean * (1 - p[i]));
        if (fabs(count[i] - mean) > 5 * deviation + 1e-9 * mean + (p[i] > 0 ? 3 : 0))
            print_error("id %d: drawn %d times, expected %.1f (k %u p %g min %g t %g)\n", i, count[i], mean, c.top_k,
                        (double)c.top_p, (double)c.min_p, (double)c.temperature);
        assert_true(fabs(count[i] - mean) <= 5 * deviation + 1e-9 * mean + (p[i] > 0 ? 3 : 0));
    }
    fixture_close(&f);
}

static void test_temperature(void **state)
{
    (void)state;
    draws_as_expected((einf_sampling){ .temperature = 1, .seed = 1 });
    draws_as_expected((einf_sampling){ .temperature = 0.5f, .seed = 2 });
    draws_as_expected((einf_sampling){ .temperature = 2.5f, .seed = 3 });
    draws_as_expected((einf_sampling){ .temperature = 100, .seed = 4 });
    draws_as_expected((einf_sampling){ .temperature = 0.05f, .seed = 5 });
}

static void test_top_k(void **state)
{
    (void)state;
    static const uint32_t ks[] = { 1, 2, 3, 7, 11, 12, 13, UINT32_MAX };
    for (size_t i = 0; i < TEST_COUNT(ks); i++)
        draws_as_expected((einf_sampling){ .temperature = 1.5f, .top_k = ks[i], .seed = i });
}

static void test_top_p(void **state)
{
    (void)state;
    static const float ps[] = { 0.01f, 0.4f, 0.5f, 0.9f, 0.99f, 1.0f };
    for (size_t i = 0; i < TEST_COUNT(ps); i++) {
        draws_as_expected((einf_sampling){ .temperature = 1, .top_p = ps[i], .seed = i });
        draws_as_expected((einf_sampling){ .temperature = 3, .top_p = ps[i], .top_k = 4, .seed = i });
    }
}

static void test_min_p(void **state)
{
    (void)state;
    static const float ps[] = { 0.001f, 0.05f, 0.2f, 0.5f, 1.0f };
    for (size_t i = 0; i < TEST_COUNT(ps); i++) {
        draws_as_expected((einf_sampling){ .temperature = 2, .min_p = ps[i], .seed = i }); /* hotter: no more ids */
        draws_as_expected((einf_sampling){ .temperature = 1, .min_p = ps[i], .top_p = 0.8f, .top_k = 6, .seed = i });
    }
}

/* --------------------------------------------------------------------------------------------------- seeds -- */

static void test_seeds(void **state)
{
    (void)state;
    int32_t first[200], again[200], other[200];
    fixture f;
    fixture_open(&f, N);
    const einf_sampling c = { .temperature = 1, .seed = 42 }, d = { .temperature = 1, .seed = 43 };
    set(&f, c);
    for (int i = 0; i < 200; i++) first[i] = choose(&f, LOGITS);
    set(&f, c);
    for (int i = 0; i < 200; i++) again[i] = choose(&f, LOGITS);
    set(&f, d);
    for (int i = 0; i < 200; i++) other[i] = choose(&f, LOGITS);
    assert_memory_equal(first, again, sizeof first);
    int n_equal = 0;
    for (int i = 0; i < 200; i++) n_equal += first[i] == other[i];
    assert_true(n_equal < 120); /* about 50 by chance */
    fixture_close(&f);
}

/* The first draws of a seed, so that an answer can be repeated with another build: xoshiro256** from splitmix64. */
static void test_known_draws(void **state)
{
    (void)state;
    float logits[10] = { 0 };
    uint64_t seed = 1, s[4];
    fixture f;
    fixture_open(&f, 10);
    set(&f, (einf_sampling){ .temperature = 1, .seed = 1 });
    for (int i = 0; i < 4; i++) s[i] = model_random(&seed);
    for (int i = 0; i < 100; i++) { /* equal logits: the id is a digit of the random number, in some order of ids */
        const uint64_t five = s[1] * 5, r = (five << 7 | five >> 57) * 9, t = s[1] << 17;
        s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t, s[3] = s[3] << 45 | s[3] >> 19;
        assert_int_equal(choose(&f, logits), (int32_t)((double)(r >> 11) * 0x1p-53 * 10));
    }
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- penalty -- */

static int32_t choose_after(fixture *f, const float *logits, const int32_t *recent, uint32_t n)
{
    int32_t id = -5;
    assert_ok(einf__sampler_choose(&f->s, logits, f->n_vocab, recent, n, &id, &f->err), &f->err);
    return id;
}

static void test_penalty(void **state)
{
    (void)state;
    const float logits[4] = { 2.0f, 1.9f, -1.0f, -1.5f };
    const float negative[4] = { -1.0f, -1.1f, -9.0f, -9.0f };
    static const int32_t zero[] = { 0 }, zeros[] = { 0, 0, 0, 0, 0 }, both[] = { 0, 1 };
    static const int32_t rubbish[] = { -1, 4, INT32_MAX };
    fixture f;
    fixture_open(&f, 4);
    set(&f, (einf_sampling){ .repeat_penalty = 1.1f });
    assert_int_equal(choose_after(&f, logits, NULL, 0), 0);
    assert_int_equal(choose_after(&f, logits, zero, 1), 1);   /* 2 / 1.1 = 1.82 < 1.9 */
    assert_int_equal(choose_after(&f, logits, both, 2), 0);
    assert_int_equal(choose_after(&f, logits, rubbish, 3), 0); /* rows of images, ids of nobody */
    set(&f, (einf_sampling){ .repeat_penalty = 1.04f });
    assert_int_equal(choose_after(&f, logits, zeros, 5), 0);  /* once, however often: 1.92 > 1.9 */
    set(&f, (einf_sampling){ .repeat_penalty = 1.2f });
    assert_int_equal(choose_after(&f, negative, zero, 1), 1); /* a negative logit becomes more so */
    set(&f, (einf_sampling){ .repeat_penalty = 0.5f });
    assert_int_equal(choose_after(&f, negative, (const int32_t[]){ 1 }, 1), 1); /* and below 1 it is a reward */
    set(&f, (einf_sampling){ 0 });
    assert_int_equal(choose_after(&f, logits, zero, 1), 0);
    assert_near(f.s.config.repeat_penalty, 1, 0, 0);
    assert_int_equal(f.s.config.repeat_last_n, 64);
    fixture_close(&f);
}

/* --------------------------------------------------------------------------------------------- odd logits -- */

static void test_nan_and_infinity(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 6);
    const float some[6] = { NAN, 1, NAN, 3, -INFINITY, 2 };
    const float best[6] = { NAN, 1, INFINITY, 3, INFINITY, 2 };
    const float none[6] = { NAN, NAN, NAN, NAN, NAN, NAN };
    const float lowest[6] = { -INFINITY, NAN, -INFINITY, NAN, -INFINITY, -INFINITY };
    const float one[6] = { -INFINITY, NAN, -INFINITY, -3e38f, -INFINITY, NAN };
    for (int hot = 0; hot < 2; hot++) {
        set(&f, (einf_sampling){ .temperature = hot ? 50 : 0, .seed = 3 });
        for (int i = 0; i < 500; i++) {
            const int32_t id = choose(&f, some);
            assert_true(id == 3 || (hot && (id == 1 || id == 5)));
            assert_int_equal(choose(&f, best), 2);
            assert_int_equal(choose(&f, one), 3);
        }
        int32_t id = 77;
        assert_status(einf__sampler_choose(&f.s, none, 6, NULL, 0, &id, &f.err), &f.err, EINF_E_INTERNAL);
        assert_error_says(&f.err, "6 logits");
        assert_error_says(&f.err, "check_tensors");
        f.err = test_error();
        assert_status(einf__sampler_choose(&f.s, lowest, 6, NULL, 0, &id, &f.err), &f.err, EINF_E_INTERNAL);
        assert_int_equal(id, 77);
        f.err = test_error();
    }
    fixture_close(&f);
}

/* Every filter at once on a large vocabulary with huge spreads: the choice is one of the best. */
static void test_large_vocabulary(void **state)
{
    (void)state;
    uint64_t seed = 8;
    fixture f;
    fixture_open(&f, MAX_VOCAB);
    float *logits = malloc(MAX_VOCAB * sizeof *logits);
    for (int i = 0; i < MAX_VOCAB; i++) logits[i] = 1e30f * model_normal(&seed);
    int32_t best = 0;
    for (int32_t i = 0; i < MAX_VOCAB; i++) best = logits[i] > logits[best] ? i : best;
    set(&f, (einf_sampling){ .temperature = 1, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .seed = 1 });
    for (int i = 0; i < 20; i++) assert_int_equal(choose(&f, logits), best);
    for (int i = 0; i < MAX_VOCAB; i++) logits[i] = (float)(i % 5000) * 1e-3f; /* ten ids share the highest value */
    set(&f, (einf_sampling){ .temperature = 1, .top_k = 10, .seed = 1 });
    int count[10] = { 0 };
    for (int i = 0; i < 300; i++) {
        const int32_t id = choose(&f, logits);
        assert_int_equal(id % 5000, 4999);
        count[id / 5000]++;
    }
    for (int i = 0; i < 10; i++) assert_in_range(count[i], 5, 70);
    free(logits);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------ settings -- */

static void test_wrong_settings(void **state)
{
    static const struct { einf_sampling c; const char *where; } wrong[] = {
        { { .temperature = NAN }, "temperature" },        { { .temperature = -1 }, "temperature" },
        { { .temperature = INFINITY }, "temperature" },   { { .temperature = -1e-30f }, "temperature" },
        { { .top_p = NAN }, "top_p" },                    { { .top_p = 1.01f }, "top_p" },
        { { .top_p = -0.1f }, "top_p" },                  { { .min_p = NAN }, "min_p" },
        { { .min_p = 2 }, "min_p" },                      { { .min_p = -INFINITY }, "min_p" },
        { { .repeat_penalty = NAN }, "repeat_penalty" },  { { .repeat_penalty = -2 }, "repeat_penalty" },
        { { .repeat_penalty = INFINITY }, "repeat_penalty" },
    };
    (void)state;
    fixture f;
    fixture_open(&f, N);
    set(&f, (einf_sampling){ .temperature = 0.5f, .seed = 6 });
    const einf__sampler before = f.s;
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        f.err = test_error();
        assert_status(einf__sampler_set(&f.s, &wrong[i].c, &f.err), &f.err, EINF_E_ARG);
        assert_string_equal(f.err.where, wrong[i].where);
        assert_memory_equal(&f.s.random, &before.random, sizeof before.random); /* as it was */
        assert_near(f.s.config.temperature, 0.5, 0, 0);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_top_k_1_is_greedy),
        cmocka_unit_test(test_temperature),
        cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_top_p),
        cmocka_unit_test(test_min_p),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_known_draws),
        cmocka_unit_test(test_penalty),
        cmocka_unit_test(test_nan_and_infinity),
        cmocka_unit_test(test_large_vocabulary),
        cmocka_unit_test(test_wrong_settings),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
