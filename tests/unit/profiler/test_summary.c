/* SPDX-License-Identifier: MIT
 * test_summary.c - medians of repeats and of ratios: against scipy, by coverage over synthetic truths, and what is
 * refused.
 */
#include "tests/unit/profiler/law_asserts.h"

static const double repeats[] = { 12.1, 11.4, 11.9, 12.6, 11.2, 13.0, 11.7, 12.2, 25.0, 11.5, 11.8, 12.3 };
static const double twenty[] = { 10.2, 11.1, 9.7, 10.5, 12.9, 10.8, 10.1, 11.6, 10.4, 9.9,
                                 13.5, 10.6, 11.2, 10.0, 12.1, 9.5, 10.9, 11.9, 10.3, 14.8 };

static eprof_summary summary_of(const double *x, int n, uint64_t seed)
{
    eprof_summary s = EPROF_INIT(eprof_summary);
    eprof_error err = EPROF_INIT(eprof_error);
    const eprof_status status = eprof_summarise(x, n, seed, &s, &err);
    if (status) fail_msg("%s: %s", err.where, err.message);
    return s;
}

static void numbers_are_numpys(void **state)
{
    (void)state;
    const eprof_summary s = summary_of(repeats, 12, 1);
    assert_int_equal(s.n, 12);
    assert_near(s.median.value, 12.0, 1e-15);
    assert_near(s.mad, 0.59304, 1e-12); /* 1.4826 * median(|x - median|) */
    assert_near(s.mean, 13.058333333333335, 1e-14);
    assert_near(s.sd, 3.7953220807949486, 1e-14);
    assert_true(s.least == 11.2 && s.most == 25.0);
    assert_int_equal(s.n_outliers, 1);
    assert_int_equal(s.first_is_slow, 0);
    assert_near(s.trend_p, 0.5452047007776174, 1e-14);
}

/* Hettmansperger and Sheather's interval, by their formula and scipy.stats.binom. */
static void small_samples_use_order_statistics(void **state)
{
    (void)state;
    static const double expected[][2] = { { 11.27142857142857, 12.857142857142858 },
        { 11.346666666666666, 12.706666666666667 }, { 11.387128712871288, 12.625742574257426 },
        { 11.468372093023255, 12.908837209302325 } };
    for (int n = 6; n <= 9; n++) {
        const eprof_summary s = summary_of(repeats, n, 1);
        assert_near(s.median.low, expected[n - 6][0], 1e-14);
        assert_near(s.median.high, expected[n - 6][1], 1e-14);
    }
    const eprof_summary five = summary_of(repeats, 5, 1), four = summary_of(repeats, 4, 1);
    const eprof_summary one = summary_of(repeats, 1, 1);
    assert_true(five.median.low == 11.2 && five.median.high == 12.6);
    assert_true(isnan(four.median.low) && isnan(four.median.high) && four.median.value == 12.0);
    assert_true(one.median.value == 12.1 && one.mad == 0 && isnan(one.sd) && isnan(one.trend_p));
}

/* scipy.stats.bootstrap(median, method='BCa', n_resamples=400000) gives 11.6..12.45 and 10.25..11.4; order statistics
 * 11.5526..12.5211 and 10.2235..11.5059. The wider is given. */
static void larger_samples_take_the_wider(void **state)
{
    (void)state;
    const eprof_summary s = summary_of(repeats, 12, 3), t = summary_of(twenty, 20, 3);
    assert_near(s.median.low, 11.552623688155922, 1e-14);
    assert_near(s.median.high, 12.521064467766116, 1e-14);
    assert_near(t.median.value, 10.7, 1e-15);
    assert_near(t.median.low, 10.223523421588595, 1e-14);
    assert_near(t.median.high, 11.505906313645621, 1e-14);
}

/* Where BCa is the wider (order statistics: 5.181..8.1025). scipy as above. */
static void bootstrap_is_scipys(void **state)
{
    (void)state;
    static const double x[] = { 7.87, 6.92, 10.18, 7.79, 5.65, 8.85, 14.18, 11.86,
                                5.2, 3.92, 5.41, 7.54, 2.31, 6.62, 3.96, 5.12 };
    const eprof_summary s = summary_of(x, COUNT_OF(x), 11);
    assert_near(s.median.low, 5.2, 1e-14);
    assert_near(s.median.high, 8.32, 1e-14);
}

static void same_seed_same_bits(void **state)
{
    (void)state;
    double x[60];
    eprof__random r;
    eprof__random_seed(&r, 8);
    for (int i = 0; i < 60; i++) x[i] = 10 + eprof__random_normal(&r);
    const eprof_summary a = summary_of(x, 60, 42), b = summary_of(x, 60, 42);
    assert_memory_equal(&a, &b, sizeof a);
    eprof_interval c, d;
    assert_int_equal(eprof_compare(x, x + 20, 40, 9, &c, NULL), EPROF_OK);
    assert_int_equal(eprof_compare(x, x + 20, 40, 9, &d, NULL), EPROF_OK);
    assert_memory_equal(&c, &d, sizeof c);
}

static void outliers_are_counted_and_kept(void **state)
{
    (void)state;
    const double slow_first[] = { 30, 10.1, 10, 9.9, 10.2, 10, 9.8, 10.1 }, equal[] = { 5, 5, 5, 5, 5, 5 };
    const double mostly_equal[] = { 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 9 };
    const eprof_summary s = summary_of(slow_first, 8, 1), t = summary_of(equal, 6, 1);
    const eprof_summary u = summary_of(mostly_equal, 13, 1);
    assert_int_equal(s.first_is_slow, 1);
    assert_int_equal(s.n_outliers, 1);
    assert_true(s.most == 30);
    assert_true(t.median.low == 5 && t.median.high == 5 && t.mad == 0 && t.sd == 0 && isnan(t.trend_p));
    assert_int_equal(t.n_outliers, 0);
    assert_int_equal(u.n_outliers, 1);
}

static void large_samples_are_quick(void **state)
{
    (void)state;
    enum { N = 50000 };
    double *x = test_calloc(N, sizeof *x);
    eprof__random r;
    eprof__random_seed(&r, 3);
    for (int i = 0; i < N; i++) x[i] = 3 + eprof__random_normal(&r);
    const eprof_summary s = summary_of(x, N, 1);
    assert_true(holds(s.median, 3));
    assert_near(s.median.high - s.median.low, 2 * 1.96 * 1.2533 / sqrt(N), 0.005);
    assert_true(s.trend_p > 0.01 && s.trend_p <= 1);
    test_free(x);
}

static void intervals_cover(void **state)
{
    (void)state;
    static const int sizes[] = { 5, 6, 8, 9, 10, 12, 20 };
    eprof__random r;
    eprof__random_seed(&r, 1);
    for (int k = 0; k < COUNT_OF(sizes); k++) {
        const int n = sizes[k];
        int normal = 0, skewed = 0, slow = 0, trend = 0;
        for (int truth = 0; truth < N_TRUTHS; truth++) {
            double x[20], y[20];
            for (int i = 0; i < n; i++) {
                x[i] = 10 + eprof__random_normal(&r);
                y[i] = exp(0.5 * eprof__random_normal(&r));
            }
            const eprof_summary s = summary_of(x, n, (uint64_t)truth);
            normal += holds(s.median, 10);
            slow += s.first_is_slow;
            trend += s.trend_p <= 0.05;
            if (n <= 12) skewed += holds(summary_of(y, n, (uint64_t)truth).median, 1);
        }
        check_share("median, normal", n, normal, N_TRUTHS, 0.925, 0.97);
        if (n <= 12) check_share("median, log-normal", n, skewed, N_TRUTHS, 0.925, 0.97);
        check_share("first is slow, though none is", n, slow, N_TRUTHS, 0, 0.04);
        check_share("trend_p <= 0.05 without a trend", n, trend, N_TRUTHS, 0, 0.065);
    }
}

static void ratios_cover(void **state)
{
    (void)state;
    static const int sizes[] = { 8, 16 };
    eprof__random r;
    eprof__random_seed(&r, 2);
    for (int k = 0; k < COUNT_OF(sizes); k++) {
        int hits = 0;
        for (int truth = 0; truth < N_TRUTHS; truth++) {
            double a[16], b[16];
            for (int i = 0; i < sizes[k]; i++) { /* the machine's mood is common to a pair */
                const double mood = exp(0.1 * eprof__random_normal(&r));
                a[i] = 1.1 * mood * exp(0.02 * eprof__random_normal(&r));
                b[i] = mood * exp(0.02 * eprof__random_normal(&r));
            }
            eprof_interval ratio;
            assert_int_equal(eprof_compare(a, b, sizes[k], (uint64_t)truth, &ratio, NULL), EPROF_OK);
            hits += holds(ratio, 1.1);
        }
        check_share("ratio of pairs", sizes[k], hits, N_TRUTHS, 0.93, 0.97);
    }
}

static void hostile_input_is_refused(void **state)
{
    (void)state;
    double x[] = { 1, 2, (double)NAN, 4 };
    eprof_summary s = EPROF_INIT(eprof_summary), unset = { 0 };
    eprof_error err = EPROF_INIT(eprof_error);
    eprof_interval ratio;
    assert_refused(eprof_summarise(x, 4, 1, &s, &err), &err, EPROF_E_ARG, "x[2]", "not a number, expected a finite");
    x[2] = (double)-INFINITY;
    assert_refused(eprof_summarise(x, 4, 1, &s, &err), &err, EPROF_E_ARG, "x[2]", "minus infinity");
    x[2] = 1e200;
    assert_refused(eprof_summarise(x, 4, 1, &s, &err), &err, EPROF_E_ARG, "x[2]", "beyond 1e100");
    x[2] = -1e-200;
    assert_refused(eprof_summarise(x, 4, 1, &s, &err), &err, EPROF_E_ARG, "x[2]", "below 1e-100");
    assert_refused(eprof_summarise(x, 0, 1, &s, &err), &err, EPROF_E_ARG, "n", "n is 0, at least 1");
    assert_refused(eprof_summarise(x, -3, 1, &s, &err), &err, EPROF_E_ARG, "n", "n is -3, at least 1");
    assert_refused(eprof_summarise(NULL, 2, 1, &s, &err), &err, EPROF_E_ARG, "x", "NULL");
    assert_refused(eprof_summarise(x, 2, 1, NULL, &err), &err, EPROF_E_ARG, "out", "NULL");
    assert_refused(eprof_summarise(x, 2, 1, &unset, &err), &err, EPROF_E_ARG, "out",
                   "struct_size of eprof_summary is 0");
    assert_true(s.n == 0 && s.median.value == 0); /* a refusal writes nothing */
    const double a[] = { 1, 2, 3 }, zero[] = { 1, 0, 3 }, negative[] = { 1, 2, -3 };
    assert_refused(eprof_compare(a, zero, 3, 1, &ratio, &err), &err, EPROF_E_ARG, "b[1]",
                   "is 0, expected a number above");
    assert_refused(eprof_compare(a, negative, 3, 1, &ratio, &err), &err, EPROF_E_ARG, "b[2]", "negative");
    assert_refused(eprof_compare(a, a, 3, 1, NULL, &err), &err, EPROF_E_ARG, "out", "NULL");
    const double huge[] = { 1, 1e60, 1 }, tiny[] = { 1, 1e-60, 1 };
    assert_refused(eprof_compare(huge, tiny, 3, 1, &ratio, &err), &err, EPROF_E_ARG, "a / b[1]", "beyond 1e100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_numpys),
        cmocka_unit_test(small_samples_use_order_statistics),
        cmocka_unit_test(larger_samples_take_the_wider),
        cmocka_unit_test(bootstrap_is_scipys),
        cmocka_unit_test(same_seed_same_bits),
        cmocka_unit_test(outliers_are_counted_and_kept),
        cmocka_unit_test(large_samples_are_quick),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(ratios_cover),
        cmocka_unit_test(hostile_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
