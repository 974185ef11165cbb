/* SPDX-License-Identifier: MIT
 * test_bench_stats.c - medians and intervals of samples whose answer is known.
 */
#include "tests/support/test_support.h"

#include <math.h>

#include "bench/stats.h"

static void test_median_of_odd_and_even_counts(void **state)
{
    (void)state;
    const double v[] = { 5, 1, 4, 2 };
    assert_true(bench_median(v, 1) == 5);
    assert_true(bench_median(v, 2) == 3);
    assert_true(bench_median(v, 3) == 4);
    assert_true(bench_median(v, 4) == 3);
    assert_true(v[0] == 5 && v[1] == 1 && v[2] == 4 && v[3] == 2); /* left as they were */
}

static void test_interval_of_equal_samples_has_no_width(void **state)
{
    (void)state;
    const double v[] = { 7, 7, 7, 7, 7 };
    const bench_estimate e = bench_estimate_of(v, 5);
    assert_true(e.median == 7 && e.low95 == 7 && e.high95 == 7);
    assert_int_equal(e.n, 5);
}

/* The chance that the median of 5 draws is the largest sample is that of three draws of it or more: 5.8 %. So the 2.5 %
 * at either end are the extremes. */
static void test_interval_of_five_is_its_range(void **state)
{
    (void)state;
    const double v[] = { 3, 1, 5, 2, 4 };
    const bench_estimate e = bench_estimate_of(v, 5);
    assert_true(e.median == 3 && e.low95 == 1 && e.high95 == 5);
}

/* Of 101 samples 1..101 the order statistics give 41 to 61 (binomial: 50.5 +- 1.96 * 5.02). */
static void test_interval_narrows_with_samples(void **state)
{
    (void)state;
    double v[BENCH_MAX_SAMPLES];
    for (int i = 0; i < BENCH_MAX_SAMPLES; i++) v[i] = 1 + (i * 37) % BENCH_MAX_SAMPLES;
    const bench_estimate e = bench_estimate_of(v, BENCH_MAX_SAMPLES);
    assert_true(e.median == 51);
    assert_true(fabs(e.low95 - 41) <= 2);
    assert_true(fabs(e.high95 - 61) <= 2);
}

static void test_same_samples_same_interval(void **state)
{
    (void)state;
    const double v[] = { 3.5, 1.25, 5, 2, 4, 9, 0.5, 6, 8 };
    const bench_estimate a = bench_estimate_of(v, 9), b = bench_estimate_of(v, 9);
    assert_true(a.low95 == b.low95 && a.high95 == b.high95);
    assert_true(a.low95 < a.median && a.median < a.high95);
}

static void test_ratio_says_what_differs(void **state)
{
    (void)state;
    const double old[] = { 10.0, 10.1, 9.9, 10.2, 9.8, 10.0, 10.05 };
    double faster[7], same[7];
    for (int i = 0; i < 7; i++) faster[i] = 1.25 * old[6 - i], same[i] = old[(i + 3) % 7];
    const bench_estimate up = bench_ratio_of(faster, 7, old, 7);
    assert_true(fabs(up.median - 1.25) < 1e-12);
    assert_true(up.low95 > 1.19 && up.high95 < 1.31);
    assert_true(bench_differs(up));
    const bench_estimate down = bench_ratio_of(old, 7, faster, 7);
    assert_true(fabs(down.median - 0.8) < 1e-12);
    assert_true(bench_differs(down));
    const bench_estimate none = bench_ratio_of(same, 7, old, 7);
    assert_true(none.median == 1.0 && none.low95 < 1 && none.high95 > 1);
    assert_false(bench_differs(none));
}

static void test_few_samples_say_nothing(void **state)
{
    (void)state;
    const double a[] = { 2, 2, 2, 2, 2 }, b[] = { 1, 1, 1, 1, 1 };
    assert_true(bench_differs(bench_ratio_of(a, 5, b, 5)));
    assert_false(bench_differs(bench_ratio_of(a, 4, b, 5)));
    assert_false(bench_differs(bench_ratio_of(a, 5, b, 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median_of_odd_and_even_counts),
        cmocka_unit_test(test_interval_of_equal_samples_has_no_width),
        cmocka_unit_test(test_interval_of_five_is_its_range),
        cmocka_unit_test(test_interval_narrows_with_samples),
        cmocka_unit_test(test_same_samples_same_interval),
        cmocka_unit_test(test_ratio_says_what_differs),
        cmocka_unit_test(test_few_samples_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
