/* SPDX-License-Identifier: MIT
 * test_distributions.c - the generator, sorting and quantiles, Kendall's test, normal and F distribution: against
 * published vectors and scipy.
 */
#include "tests/unit/profiler/law_asserts.h"

static void generator_is_the_published_one(void **state)
{
    (void)state;
    /* The state that splitmix64 makes of 0 is in its authors' test vector; xoshiro256** of the state 1, 2, 3, 4 in the
     * rand_xoshiro crate's. */
    eprof__random r;
    eprof__random_seed(&r, 0);
    assert_true(r.s[0] == 0xE220A8397B1DCDAFu && r.s[1] == 0x6E789E6AA1B965F4u);
    assert_true(r.s[2] == 0x06C45D188009454Fu && r.s[3] == 0xF88BB8A8724C81ECu);
    r = (eprof__random){ { 1, 2, 3, 4 } };
    static const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240 };
    for (int i = 0; i < COUNT_OF(expected); i++) assert_true(eprof__random_next(&r) == expected[i]);
}

static void draws_have_their_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    eprof__random r;
    eprof__random_seed(&r, 5);
    double mean = 0, squares = 0, fourth = 0;
    int counts[7] = { 0 };
    for (int i = 0; i < N; i++) {
        const double z = eprof__random_normal(&r), u = eprof__random_unit(&r);
        mean += z / N, squares += z * z / N, fourth += z * z * z * z / N;
        assert_true(u >= 0 && u < 1);
        counts[eprof__random_below(&r, 7)]++;
    }
    assert_near(mean, 0, 0.01);
    assert_near(squares, 1, 0.01);
    assert_near(fourth, 3, 0.03);
    for (int i = 0; i < 7; i++) assert_near(counts[i] / (N / 7.0), 1, 0.02);
    int32_t drawn[5], n = 0;
    eprof__random_counts(&r, drawn, 5);
    for (int i = 0; i < 5; i++) n += drawn[i];
    assert_int_equal(n, 5);
}

static void quantiles_interpolate(void **state)
{
    (void)state;
    double x[] = { 7, 1, 4, 2 }, scratch[4];
    eprof__sort(x, 4);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == 4 && x[3] == 7);
    assert_near(eprof__median(x, 4), 3, 0);
    assert_near(eprof__median(x, 3), 2, 0);
    assert_near(eprof__quantile(x, 4, 0), 1, 0);
    assert_near(eprof__quantile(x, 4, 1), 7, 0);
    assert_near(eprof__quantile(x, 4, 0.1), 1.3, 1e-15); /* numpy.quantile */
    assert_near(eprof__quantile(x, 1, 0.9), 1, 0);
    assert_near(eprof__absolute_deviation(x, 4, 3, scratch), 1.5, 0);
    assert_int_equal(eprof__n_different((double[]){ 2, 1, 2, 2 }, 4, scratch), 2);
}

static void kendall_is_scipys(void **state)
{
    (void)state;
    /* scipy.stats.kendalltau(range(n), x[:n]).pvalue: exact; with ties method='asymptotic'. */
    static const double x[] = { 12.1, 11.4, 11.9, 12.6, 11.2, 13.0, 11.7, 12.2, 25.0, 11.5, 11.8, 12.3 };
    static const double tied[] = { 1, 1, 2, 2, 2, 3, 3, 4, 1, 5 };
    double scratch[400], rising[200];
    assert_near(eprof__kendall_p(x, 3, scratch), 1, 1e-14);
    assert_near(eprof__kendall_p(x, 5, scratch), 0.8166666666666667, 1e-14);
    assert_near(eprof__kendall_p(x, 8, scratch), 0.7195436507936508, 1e-14);
    assert_near(eprof__kendall_p(x, 12, scratch), 0.5452047007776174, 1e-14);
    assert_near(eprof__kendall_p(tied, 10, scratch), 0.016078345847055375, 1e-13);
    for (int i = 0; i < 200; i++) rising[i] = -i;
    assert_near(eprof__kendall_p(rising, 6, scratch), 2.0 / 720, 1e-15);
    assert_true(eprof__kendall_p(rising, 200, scratch) < 1e-40);
    assert_true(isnan(eprof__kendall_p(rising, 2, scratch)));
    assert_true(isnan(eprof__kendall_p((double[]){ 3, 3, 3, 3 }, 4, scratch)));
}

static void normal_is_scipys(void **state)
{
    (void)state;
    static const double cdf[][2] = { { -8, 6.22096057427174e-16 }, { -3, 0.0013498980316300933 },
        { -1.5, 0.06680720126885807 }, { 0.3, 0.6179114221889526 }, { 2.5, 0.9937903346742238 } };
    static const double ppf[][2] = { { 1e-300, -37.0470962993612 }, { 1e-20, -9.262340089798409 },
        { 1e-8, -5.612001244174789 }, { 0.001, -3.090232306167813 }, { 0.025, -1.9599639845400545 },
        { 0.3, -0.5244005127080409 }, { 0.5, 0 }, { 0.975, 1.959963984540054 }, { 0.9999, 3.719016485455709 } };
    for (int i = 0; i < COUNT_OF(cdf); i++) assert_near(eprof__normal_cdf(cdf[i][0]) / cdf[i][1], 1, 1e-13);
    for (int i = 0; i < COUNT_OF(ppf); i++) assert_near(eprof__normal_quantile(ppf[i][0]), ppf[i][1], 1e-14);
}

static void f_and_t_are_scipys(void **state)
{
    (void)state;
    static const double sf[][4] = { { 0.01, 1, 3, 0.9266523488008059 }, { 3.5, 1, 1, 0.31250561891173007 },
        { 4, 1, 10, 0.07338803477074037 }, { 7.7, 2, 5, 0.029740590847771125 }, { 2.2, 3, 40, 0.10301833512263586 },
        { 120, 1, 200, 3.5347222977592567e-22 }, { 1, 30, 7.5, 0.5464012724528755 } };
    static const double isf[][4] = { { 0.05, 1, 1, 161.4476387975882 }, { 0.05, 1, 9, 5.117355029199225 },
        { 0.01, 3, 12, 5.952544681545868 }, { 0.5, 2, 8, 0.7568284600108842 }, { 1e-6, 1, 30, 37.44308644785408 } };
    static const double t[][2] = { { 1, 12.706204736174694 }, { 2, 4.302652729749462 }, { 3, 3.1824463052837078 },
        { 8, 2.306004135204166 }, { 30, 2.0422724563012378 }, { 1000, 1.9623390808264083 } };
    for (int i = 0; i < COUNT_OF(sf); i++)
        assert_near(eprof__f_tail(sf[i][0], sf[i][1], sf[i][2]) / sf[i][3], 1, 1e-12);
    for (int i = 0; i < COUNT_OF(isf); i++)
        assert_near(eprof__f_quantile(isf[i][0], isf[i][1], isf[i][2]), isf[i][3], 1e-11);
    for (int i = 0; i < COUNT_OF(t); i++) assert_near(eprof__t_two_sided(0.95, t[i][0]), t[i][1], 1e-12);
    assert_near(eprof__f_tail(0, 1, 5), 1, 0);
    assert_near(eprof__f_tail(HUGE_VAL, 1, 5), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generator_is_the_published_one),
        cmocka_unit_test(draws_have_their_moments),
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(kendall_is_scipys),
        cmocka_unit_test(normal_is_scipys),
        cmocka_unit_test(f_and_t_are_scipys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
