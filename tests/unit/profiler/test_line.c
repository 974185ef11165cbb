/* SPDX-License-Identifier: MIT
 * test_line.c - the linear law: against statsmodels, by coverage under equal and unequal noise, what is called linear,
 * and what is refused.
 */
#include "tests/unit/profiler/law_asserts.h"

enum { N = 8 };
static const double tokens[N] = { 64, 128, 256, 512, 768, 1024, 1536, 2048 };
static const double joules[N] = { 9.31, 15.2, 28.9, 55.1, 79.7, 107.2, 157.9, 212.4 };
static const double errors[N] = { 0.4, 0.4, 0.6, 1, 1.2, 1.5, 2.5, 3 };

static eprof_line line_of(const double *x, const double *y, const double *u, int n, uint64_t seed)
{
    eprof_line l = EPROF_INIT(eprof_line);
    eprof_error err = EPROF_INIT(eprof_error);
    const eprof_status status = eprof_fit_line(x, y, u, n, seed, &l, &err);
    if (status) fail_msg("%s: %s", err.where, err.message);
    return l;
}

/* sm.WLS(y, add_constant(x), weights).fit().get_robustcov_results('HC3') */
static void least_squares_are_statsmodels(void **state)
{
    (void)state;
    static const double ones[N] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    double weights[N], scratch[3 * N];
    for (int i = 0; i < N; i++) weights[i] = 1 / (errors[i] * errors[i]);
    eprof__design d = { .columns = { ones, tokens }, .y = joules, .n_columns = 2, .n = N };
    eprof__fit fit;
    assert_true(eprof__least_squares(&d, scratch, &fit));
    assert_near(fit.beta[0], 2.39111208024422, 1e-12);
    assert_near(fit.beta[1], 0.10204878525221688, 1e-13);
    assert_near(sqrt(fit.cov[0][0]), 0.4769873015465796, 1e-12);
    assert_near(sqrt(fit.cov[1][1]), 0.0009339776422001009, 1e-13);
    d.weights = weights;
    assert_true(eprof__least_squares(&d, scratch, &fit));
    assert_near(fit.beta[0], 2.5484696636461197, 1e-12);
    assert_near(sqrt(fit.cov[0][0]), 0.3644111699662208, 1e-12);
    assert_near(sqrt(fit.cov[1][1]), 0.0006333563966475123, 1e-13);
    d.columns[1] = ones;
    assert_false(eprof__least_squares(&d, scratch, &fit));
}

static void equal_weights(void **state)
{
    (void)state;
    const eprof_line l = line_of(tokens, joules, NULL, N, 1);
    assert_near(l.a.value, 2.39111208024422, 1e-12);
    assert_near(l.b.value, 0.10204878525221688, 1e-13);
    assert_true(l.a.high - l.a.low >= 2 * 1.16714 && l.b.high - l.b.low >= 2 * 0.0022853); /* HC3's at least */
    assert_near(l.theil_sen_b, 0.102, 1e-13); /* scipy.stats.theilslopes */
    assert_near(l.r2, 0.9998810691723738, 1e-12);
    assert_near(l.rmse, 0.7384711421937112, 1e-11);
    assert_near(l.relative_rmse, 0.017784218181001638, 1e-12);
    assert_near(l.quadratic_p, 0.2242190808800801, 1e-9); /* compare_f_test */
    assert_near(l.delta_bic, 0.5233124178627033, 1e-9);
    assert_near(l.exponent.value, 1.0132628945587288, 1e-6); /* scipy.optimize.curve_fit of a + b x^p */
    assert_near(l.exponent.high - l.exponent.low, 2 * 0.059919607648868764, 1e-6); /* HC3, the wider here */
    assert_int_equal(l.is_linear, 1);
}

static void given_uncertainties(void **state)
{
    (void)state;
    const eprof_line l = line_of(tokens, joules, errors, N, 1);
    assert_near(l.a.value, 2.5484696636461197, 1e-12);
    assert_near(l.b.value, 0.10176506969040511, 1e-13);
    assert_near(l.r2, 0.9998068837185958, 1e-12);
    assert_near(l.rmse, 0.7650576392318712, 1e-11);
    assert_near(l.quadratic_p, 0.6718926472631602, 1e-9);
    assert_near(l.delta_bic, -1.7625355193556007, 1e-9);
    assert_near(l.exponent.value, 1.0051733792139823, 1e-6);
    const double narrower = 2 * 0.042314943755636804, wider = 1.037756563173056 - 0.9728398585907057;
    assert_near(l.exponent.high - l.exponent.low, fmax(narrower, wider), 1e-6);
    double scaled[N];
    for (int i = 0; i < N; i++) scaled[i] = 1e-30 * errors[i]; /* their ratios count, not their size */
    const eprof_line same = line_of(tokens, joules, scaled, N, 1);
    assert_near(same.b.high, l.b.high, 1e-12);
}

static void curves_are_not_lines(void **state)
{
    (void)state;
    double y[12], x[12];
    eprof__random r;
    eprof__random_seed(&r, 4);
    for (int i = 0; i < 12; i++) {
        x[i] = 100 * (i + 1);
        y[i] = 5 + 1e-4 * pow(x[i], 1.8) + 0.05 * eprof__random_normal(&r);
    }
    const eprof_line l = line_of(x, y, NULL, 12, 1);
    assert_near(l.exponent.value, 1.8, 0.02);
    assert_true(l.exponent.low > 1.6 && l.exponent.high < 2);
    assert_true(l.delta_bic > 6 && l.quadratic_p < 1e-6);
    assert_int_equal(l.is_linear, 0);
    assert_true(l.r2 > 0.9); /* which alone proves nothing */
}

static void exact_data_fits_exactly(void **state)
{
    (void)state;
    double x[6], y[6], flat[6];
    for (int i = 0; i < 6; i++) x[i] = i - 2, y[i] = 3 - 7.5 * x[i], flat[i] = 4;
    const eprof_line l = line_of(x, y, NULL, 6, 1), f = line_of(x, flat, NULL, 6, 1);
    assert_near(l.a.value, 3, 1e-13);
    assert_near(l.b.low, -7.5, 1e-12);
    assert_near(l.b.high, -7.5, 1e-12);
    assert_near(l.r2, 1, 1e-12);
    assert_true(isnan(l.exponent.value)); /* x below 0 */
    assert_near(l.delta_bic, -log(6), 1e-6);
    assert_int_equal(l.is_linear, 1);
    assert_near(f.b.value, 0, 1e-14);
    assert_true(isnan(f.r2));
    const eprof_line three = line_of(x, y, NULL, 3, 1);
    assert_true(isnan(three.quadratic_p) && isnan(three.delta_bic) && three.is_linear == 0);
}

static void same_seed_same_bits(void **state)
{
    (void)state;
    const eprof_line a = line_of(tokens, joules, errors, N, 7), b = line_of(tokens, joules, errors, N, 7);
    assert_memory_equal(&a, &b, sizeof a);
}

typedef struct noise {
    const char *name;
    double constant, proportional;
    int is_told, is_even; /* uncertainties given; x evenly spread, else by equal factors over 16 to 1 */
    double least;
} noise;

/* Unequal noise that nobody tells about, on x spread by factors: one point decides the slope, and HC3 falls short. */
static void intervals_cover(void **state)
{
    (void)state;
    static const noise kinds[] = { { "equal noise", 1, 0, 0, 0, 0.935 }, { "5 % noise, told", 0, 0.05, 1, 0, 0.935 },
        { "0.4 + 2 % noise, not told, even x", 0.4, 0.02, 0, 1, 0.93 },
        { "0.4 + 2 % noise, not told", 0.4, 0.02, 0, 0, 0.90 } };
    static const int sizes[] = { 6, 12 };
    eprof__random r;
    eprof__random_seed(&r, 3);
    for (int k = 0; k < 2 * COUNT_OF(kinds); k++) {
        const noise *kind = &kinds[k / 2];
        const int n = sizes[k % 2];
        int a = 0, b = 0, exponent = 0, n_linear = 0;
        for (int truth = 0; truth < N_TRUTHS; truth++) {
            double x[12], y[12], u[12];
            for (int i = 0; i < n; i++) {
                x[i] = kind->is_even ? 1024.0 * (i + 1) / n : 64 * pow(16, i / (n - 1.0));
                u[i] = kind->constant + kind->proportional * (20 + 0.1 * x[i]);
                y[i] = 20 + 0.1 * x[i] + u[i] * eprof__random_normal(&r);
            }
            const eprof_line l = line_of(x, y, kind->is_told ? u : NULL, n, (uint64_t)truth);
            a += holds(l.a, 20);
            b += holds(l.b, 0.1);
            exponent += isnan(l.exponent.value) || holds(l.exponent, 1);
            n_linear += l.is_linear;
        }
        char what[64];
        (void)snprintf(what, sizeof what, "a, %s", kind->name);
        check_share(what, n, a, N_TRUTHS, kind->least, 0.995);
        what[0] = 'b';
        check_share(what, n, b, N_TRUTHS, kind->least, 0.985);
        (void)snprintf(what, sizeof what, "exponent, %s", kind->name);
        check_share(what, n, exponent, N_TRUTHS, 0.93, 1);
        const int is_fair = kind->is_told || kind->proportional == 0;
        check_share("is called linear", n, n_linear, N_TRUTHS, is_fair ? 0.9 : 0.75, 1);
    }
}

static void hostile_input_is_refused(void **state)
{
    (void)state;
    double x[] = { 1, 2, 3, 4 }, y[] = { 1, 2, 3, 5 }, u[] = { 1, 1, 0, 1 };
    double equal[] = { 2, 2, 2, 2 }, two[] = { 1, 2, 1, 2 };
    eprof_line l = EPROF_INIT(eprof_line);
    eprof_error err = EPROF_INIT(eprof_error);
    assert_refused(eprof_fit_line(x, y, NULL, 2, 1, &l, &err), &err, EPROF_E_ARG, "n", "n is 2, at least 3");
    assert_refused(eprof_fit_line(x, y, NULL, 0, 1, &l, &err), &err, EPROF_E_ARG, "n", "n is 0, at least 3");
    assert_refused(eprof_fit_line(x, y, NULL, 5000, 1, &l, &err), &err, EPROF_E_LIMIT, "n", "n is 5000, at most 4096");
    assert_refused(eprof_fit_line(equal, y, NULL, 4, 1, &l, &err), &err, EPROF_E_ARG, "x",
                   "1 different values, a line needs 3");
    assert_refused(eprof_fit_line(two, y, NULL, 4, 1, &l, &err), &err, EPROF_E_ARG, "x", "2 different values");
    assert_refused(eprof_fit_line(x, y, u, 4, 1, &l, &err), &err, EPROF_E_ARG, "u[2]",
                   "is 0, expected a number above 0");
    u[2] = (double)INFINITY;
    assert_refused(eprof_fit_line(x, y, u, 4, 1, &l, &err), &err, EPROF_E_ARG, "u[2]", "infinite");
    y[3] = (double)NAN;
    assert_refused(eprof_fit_line(x, y, NULL, 4, 1, &l, &err), &err, EPROF_E_ARG, "y[3]", "not a number");
    assert_refused(eprof_fit_line(NULL, y, NULL, 4, 1, &l, &err), &err, EPROF_E_ARG, "x", "NULL");
    memset(equal, 0, sizeof equal);
    assert_refused(eprof_fit_line(equal, x, NULL, 4, 1, &l, &err), &err, EPROF_E_ARG, "x", "1 different");
    l.struct_size = 3;
    assert_refused(eprof_fit_line(x, x, NULL, 4, 1, &l, &err), &err, EPROF_E_ARG, "out", "eprof_line is 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_squares_are_statsmodels),
        cmocka_unit_test(equal_weights),
        cmocka_unit_test(given_uncertainties),
        cmocka_unit_test(curves_are_not_lines),
        cmocka_unit_test(exact_data_fits_exactly),
        cmocka_unit_test(same_seed_same_bits),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(hostile_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
