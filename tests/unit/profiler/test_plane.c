/* SPDX-License-Identifier: MIT
 * test_plane.c - cost by prompt and generated tokens: against statsmodels, by coverage, and what is refused.
 */
#include "tests/unit/profiler/law_asserts.h"

enum { N = 10 };
static const double prompt[N] = { 100, 100, 100, 400, 400, 400, 900, 900, 900, 1600 };
static const double generated[N] = { 20, 60, 120, 20, 60, 120, 20, 60, 120, 90 };
static const double joules[N] = { 9.2, 24.8, 50.1, 15.4, 31.7, 55.2, 25.1, 41.3, 66.4, 68.1 };

/* sm.OLS(y, add_constant([x1, x2])).fit().get_robustcov_results('HC3').conf_int() */
static void numbers_are_statsmodels(void **state)
{
    (void)state;
    static const double low[] = { -1.817303319383289, 0.019693683572917762, 0.3961961652632515 };
    static const double high[] = { -0.513809909581592, 0.021025432351252236, 0.4179201534751009 };
    eprof_plane p = EPROF_INIT(eprof_plane), again = EPROF_INIT(eprof_plane);
    assert_int_equal(eprof_fit_plane(prompt, generated, joules, NULL, N, 1, &p, NULL), EPROF_OK);
    assert_near(p.a.value, -1.1655566144824405, 1e-12);
    assert_near(p.b1.value, 0.020359557962085, 1e-13);
    assert_near(p.b2.value, 0.4070581593691762, 1e-12);
    assert_near(p.r2, 0.9996747124368814, 1e-12);
    const eprof_interval c[] = { p.a, p.b1, p.b2 };
    for (int i = 0; i < 3; i++) assert_true(c[i].high - c[i].low >= (high[i] - low[i]) * (1 - 1e-9));
    assert_near(p.b1.low, low[1], 1e-9); /* where HC3 is the wider */
    assert_near(p.b1.high, high[1], 1e-9);
    assert_int_equal(eprof_fit_plane(prompt, generated, joules, NULL, N, 1, &again, NULL), EPROF_OK);
    assert_memory_equal(&p, &again, sizeof p);
}

static void intervals_cover(void **state)
{
    (void)state;
    static const int sizes[] = { 9, 18 };
    eprof__random r;
    eprof__random_seed(&r, 6);
    for (int k = 0; k < 4; k++) {
        const int n = sizes[k % 2], is_told = k / 2;
        int a = 0, b1 = 0, b2 = 0;
        for (int truth = 0; truth < N_TRUTHS; truth++) {
            double x1[18], x2[18], y[18], u[18];
            for (int i = 0; i < n; i++) {
                x1[i] = 100 * (1 + i % 3);
                x2[i] = 50 * (1 + i / 3 % 3);
                u[i] = is_told ? 0.05 * (3 + 0.02 * x1[i] + 0.2 * x2[i]) : 1;
                y[i] = 3 + 0.02 * x1[i] + 0.2 * x2[i] + u[i] * eprof__random_normal(&r);
            }
            eprof_plane p = EPROF_INIT(eprof_plane);
            assert_int_equal(eprof_fit_plane(x1, x2, y, is_told ? u : NULL, n, (uint64_t)truth, &p, NULL), EPROF_OK);
            a += holds(p.a, 3);
            b1 += holds(p.b1, 0.02);
            b2 += holds(p.b2, 0.2);
        }
        check_share(is_told ? "a, 5 % noise, told" : "a, equal noise", n, a, N_TRUTHS, 0.93, 0.985);
        check_share(is_told ? "b1, 5 % noise, told" : "b1, equal noise", n, b1, N_TRUTHS, 0.93, 0.985);
        check_share(is_told ? "b2, 5 % noise, told" : "b2, equal noise", n, b2, N_TRUTHS, 0.93, 0.985);
    }
}

static void hostile_input_is_refused(void **state)
{
    (void)state;
    double twice[N], bad[N], zero[N] = { 0 };
    for (int i = 0; i < N; i++) twice[i] = 2 * prompt[i] + 5, bad[i] = prompt[i];
    bad[9] = (double)INFINITY;
    eprof_plane p = EPROF_INIT(eprof_plane);
    eprof_error err = EPROF_INIT(eprof_error);
    assert_refused(eprof_fit_plane(prompt, twice, joules, NULL, N, 1, &p, &err), &err, EPROF_E_ARG, "x1 and x2",
                   "the 3 columns of x1 and x2 depend on one another");
    assert_refused(eprof_fit_plane(prompt, zero, joules, NULL, N, 1, &p, &err), &err, EPROF_E_ARG, "x1 and x2",
                   "depend");
    assert_refused(eprof_fit_plane(bad, generated, joules, NULL, N, 1, &p, &err), &err, EPROF_E_ARG, "x1[9]",
                   "infinite");
    assert_refused(eprof_fit_plane(prompt, bad, joules, NULL, N, 1, &p, &err), &err, EPROF_E_ARG, "x2[9]", "infinite");
    assert_refused(eprof_fit_plane(prompt, generated, joules, zero, N, 1, &p, &err), &err, EPROF_E_ARG, "u[0]", "is 0");
    assert_refused(eprof_fit_plane(prompt, generated, joules, NULL, 5, 1, &p, &err), &err, EPROF_E_ARG, "n",
                   "n is 5, at least 6");
    assert_refused(eprof_fit_plane(prompt, generated, NULL, NULL, N, 1, &p, &err), &err, EPROF_E_ARG, "y", "NULL");
    assert_true(p.n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_statsmodels),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(hostile_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
