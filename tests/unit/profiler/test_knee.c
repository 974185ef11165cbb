/* SPDX-License-Identifier: MIT
 * test_knee.c - the knee of cost over size: against an independent fit, recovery of known knees, rates of false ones,
 * coverage of every interval, and what is refused.
 */
#include "tests/unit/profiler/law_asserts.h"

enum { N = 30 };
static const double levels[] = { 256, 384, 512, 640, 768, 896, 1024, 1280, 1536, 2048 };
static const double hinge_y[N] = { 20.68, 20.92, 20.46, 23.81, 24.16, 23.73, 28.41, 29.43, 27.97, 31.7,
    32.59, 32.49, 36.12, 35.3, 36.02, 40.44, 38.8, 39.51, 38.48, 38.97, 38.53, 39.81, 38.99, 40.22, 40.13, 39.85, 37.99,
    39.57, 39.96, 40.09 };
static const double step_y[N] = { 15.34, 16.18, 15.78, 17.19, 18.69, 17.19, 19.09, 19.83, 18.65, 20.31,
    20.49, 20.45, 20.7, 21.74, 22.77, 21.72, 23.65, 23.06, 39.49, 41.6, 40.61, 39.04, 40.06, 40.46, 39.85, 40.55, 39.95,
    40.53, 41.15, 39.46 };

static eprof_knee knee_of(const double *x, const double *y, int n, uint64_t seed)
{
    eprof_knee k = EPROF_INIT(eprof_knee);
    eprof_error err = EPROF_INIT(eprof_error);
    const eprof_status status = eprof_fit_knee(x, y, n, seed, &k, &err);
    if (status) fail_msg("%s: %s", err.where, err.message);
    return k;
}

static void sizes(double *x)
{
    for (int i = 0; i < N; i++) x[i] = levels[i / 3];
}

/* numpy.linalg.lstsq for each k of a grid of 200001, refined by scipy.optimize.minimize_scalar; BIC n ln(SSE / n) +
 * p ln n; the profile interval from the same grid; the slope by statsmodels with HC3. */
static void hinge_is_the_independent_fit(void **state)
{
    (void)state;
    double x[N];
    sizes(x);
    const eprof_knee k = knee_of(x, hinge_y, N, 1);
    assert_int_equal(k.model, EPROF_KNEE_HINGE);
    assert_near(k.bic[0], 118.57112788900882, 1e-9);
    assert_near(k.bic[1], 90.58810141910209, 1e-9);
    assert_near(k.bic[2], -19.082053482545593, 1e-9);
    assert_near(k.bic[3], -15.694446975822922, 1e-9);
    assert_near(k.k.value, 882.2762430508951, 1e-7);
    assert_near(k.plateau.value, 39.4226667, 1e-7);
    assert_near(k.below.value, 39.4226667 - 0.0301666667 * (882.27624305 - 768), 1e-7);
    assert_near(k.ratio.value, k.plateau.value / k.below.value, 1e-12);
    assert_true(k.k.low <= 855.393 && k.k.high >= 908.2348); /* the profile's, and the bootstrap's */
    assert_true(k.k.low > 840 && k.k.high < 925);
    assert_true(k.is_identified && k.p_value <= 0.001);
    assert_near(k.slope_above.value, 0.0005414835611979238, 1e-10);
    assert_near(k.slope_above.low, -0.0003022, 1e-7);
    assert_near(k.slope_above.high, 0.00138517, 1e-7);
}

static void step_is_the_independent_fit(void **state)
{
    (void)state;
    double x[N];
    sizes(x);
    const eprof_knee k = knee_of(x, step_y, N, 1), again = knee_of(x, step_y, N, 1);
    assert_memory_equal(&k, &again, sizeof k);
    assert_int_equal(k.model, EPROF_KNEE_STEP);
    assert_near(k.bic[0], 143.2883110647573, 1e-9);
    assert_near(k.bic[1], 103.48357473997336, 1e-9);
    assert_near(k.bic[2], 90.35539376771683, 1e-9);
    assert_near(k.bic[3], -10.160596225278605, 1e-9);
    assert_near(k.k.value, 960, 1e-12);
    assert_near(k.k.low, 896, 1e-12);
    assert_near(k.k.high, 1024, 1e-12);
    assert_near(k.plateau.value, 40.229166666666664, 1e-12);
    assert_near(k.below.value, 13.3552381 + 0.010844494 * 896, 1e-7);
    assert_true(k.is_identified);
}

static void order_and_units_change_nothing(void **state)
{
    (void)state;
    double x[N], turned_x[N], turned_y[N];
    sizes(x);
    for (int i = 0; i < N; i++) turned_x[i] = 1e6 * x[N - 1 - i] + 5e8, turned_y[i] = 1e-9 * hinge_y[N - 1 - i];
    const eprof_knee k = knee_of(x, hinge_y, N, 1), t = knee_of(turned_x, turned_y, N, 1);
    assert_int_equal(t.model, k.model);
    assert_near((t.k.value - 5e8) / 1e6, k.k.value, 1e-9);
    assert_near((t.k.low - 5e8) / 1e6, k.k.low, 1e-9);
    assert_near(t.ratio.high, k.ratio.high, 1e-9);
    assert_near(t.p_value, k.p_value, 0);
}

static void without_a_knee_there_are_no_numbers_of_one(void **state)
{
    (void)state;
    double x[12], flat[12], line[12];
    for (int i = 0; i < 12; i++) x[i] = i, flat[i] = 7, line[i] = 3 * i + 1;
    const eprof_knee f = knee_of(x, flat, 12, 1), l = knee_of(x, line, 12, 1);
    assert_int_equal(f.model, EPROF_KNEE_CONSTANT);
    assert_int_equal(l.model, EPROF_KNEE_LINE);
    assert_true(isnan(f.k.value) && isnan(f.plateau.low) && isnan(l.ratio.high) && isnan(l.slope_above.value));
    assert_true(!f.is_identified && !l.is_identified);
}

/* A knee between the last sizes: seen, but nobody can say where. */
static void knee_at_the_end_is_not_identified(void **state)
{
    (void)state;
    double x[24], y[24];
    eprof__random r;
    eprof__random_seed(&r, 12);
    for (int i = 0; i < 24; i++) {
        x[i] = i / 3;
        y[i] = 20 - 2 * fmax(0, 6.3 - x[i]) + 0.4 * eprof__random_normal(&r);
    }
    const eprof_knee k = knee_of(x, y, 24, 1);
    assert_true(k.model == EPROF_KNEE_LINE || !k.is_identified);
}

typedef struct law {
    int model, n_levels, n_repeats;
    double least; /* of coverage: small designs know less */
} law;

static double truth_at(int model, double x)
{
    static const double knee = 0.52;
    switch (model) {
    case EPROF_KNEE_CONSTANT: return 10;
    case EPROF_KNEE_LINE: return 5 + 5 * x;
    case EPROF_KNEE_HINGE: return 10 - 8 * fmax(0, knee - x);
    default: return x > knee ? 10 : 5 + 2 * x;
    }
}

static void draw(const law *l, eprof__random *r, double *x, double *y)
{
    for (int i = 0; i < l->n_levels * l->n_repeats; i++) {
        x[i] = i / l->n_repeats / (l->n_levels - 1.0);
        y[i] = truth_at(l->model, x[i]) + 0.3 * eprof__random_normal(r);
    }
}

static void false_knees_are_rare(void **state)
{
    (void)state;
    static const law laws[] = { { EPROF_KNEE_CONSTANT, 6, 1, 0 }, { EPROF_KNEE_CONSTANT, 8, 3, 0 },
        { EPROF_KNEE_CONSTANT, 8, 5, 0 }, { EPROF_KNEE_LINE, 6, 1, 0 }, { EPROF_KNEE_LINE, 8, 3, 0 },
        { EPROF_KNEE_LINE, 8, 5, 0 } };
    eprof__random r;
    eprof__random_seed(&r, 9);
    for (int k = 0; k < COUNT_OF(laws); k++) {
        int n_knees = 0, n_significant = 0;
        const int n = laws[k].n_levels * laws[k].n_repeats, n_truths = N_TRUTHS / 2;
        for (int truth = 0; truth < n_truths; truth++) {
            double x[40], y[40];
            draw(&laws[k], &r, x, y);
            const eprof_knee f = knee_of(x, y, n, (uint64_t)truth);
            n_knees += f.model >= EPROF_KNEE_HINGE;
            n_significant += f.p_value <= 0.05;
        }
        const int is_line = laws[k].model == EPROF_KNEE_LINE;
        const double most = n > 6 ? 0.02 : 0.06; /* at the least n the test decides alone: 5 %, give or take */
        check_share(is_line ? "a knee in a line" : "a knee in a constant", n, n_knees, n_truths, 0, most);
        check_share(is_line ? "p <= 0.05 in a line" : "p <= 0.05 in a constant", n, n_significant, n_truths, 0.025,
                    0.072);
    }
}

typedef struct recovery {
    int n_found, k, plateau, below, ratio, slope, n_identified;
    double bias, width;
} recovery;

static void count_one(const law *l, const double *x, int n, const eprof_knee *f, recovery *out)
{
    if (f->model != l->model) return;
    double x_below = 0;
    for (int i = 0; i < n; i++)
        if (x[i] < f->k.value) x_below = fmax(x_below, x[i]);
    const double below = truth_at(l->model, x_below);
    out->n_found++;
    out->k += holds(f->k, 0.52);
    out->plateau += holds(f->plateau, 10);
    out->below += holds(f->below, below);
    out->ratio += holds(f->ratio, 10 / below);
    out->slope += holds(f->slope_above, 0);
    out->n_identified += f->is_identified;
    out->bias += f->k.value - 0.52;
    out->width += f->k.high - f->k.low;
}

static void knees_are_recovered(void **state)
{
    (void)state;
    static const law laws[] = { { EPROF_KNEE_HINGE, 8, 1, 0.9 }, { EPROF_KNEE_HINGE, 8, 3, 0.925 },
        { EPROF_KNEE_HINGE, 12, 3, 0.915 }, { EPROF_KNEE_STEP, 8, 1, 0.88 }, { EPROF_KNEE_STEP, 8, 3, 0.925 },
        { EPROF_KNEE_STEP, 12, 3, 0.925 } };
    eprof__random r;
    eprof__random_seed(&r, 10);
    for (int k = 0; k < COUNT_OF(laws); k++) {
        recovery got = { 0 };
        const law *l = &laws[k];
        const int n = l->n_levels * l->n_repeats, n_truths = 3 * N_TRUTHS / 10, is_hinge = l->model == EPROF_KNEE_HINGE;
        for (int truth = 0; truth < n_truths; truth++) {
            double x[40], y[40];
            draw(l, &r, x, y);
            const eprof_knee f = knee_of(x, y, n, (uint64_t)truth);
            count_one(l, x, n, &f, &got);
        }
        printf("%-44s n %3d   k %.3f too high on average, interval %.3f wide\n", is_hinge ? "hinge" : "step", n,
               got.bias / got.n_found, got.width / got.n_found);
        check_share("found as such", n, got.n_found, n_truths, l->n_repeats > 1 ? 0.99 : 0.95, 1);
        check_share("k", n, got.k, got.n_found, 0.93, 1);
        check_share("plateau", n, got.plateau, got.n_found, l->least, 1);
        check_share("below", n, got.below, got.n_found, l->least, 1);
        check_share("ratio", n, got.ratio, got.n_found, l->least, 1);
        check_share("slope above", n, got.slope, got.n_found, 0.9, 1);
        check_share("identified", n, got.n_identified, got.n_found, l->n_repeats > 1 ? 0.99 : 0.8, 1);
        assert_true(fabs(got.bias / got.n_found) < (is_hinge ? 0.01 : 0.03) + slack / 10); /* a step's is mid-gap */
        assert_true(got.width / got.n_found < (l->n_repeats > 1 ? 0.2 : 0.45));
    }
}

static void hostile_input_is_refused(void **state)
{
    (void)state;
    double x[] = { 1, 2, 3, 4, 5, 6 }, y[] = { 1, 2, 3, 4, 5, (double)NAN }, equal[] = { 3, 3, 3, 3, 3, 3 };
    double three[] = { 1, 2, 3, 1, 2, 3 };
    eprof_knee k = EPROF_INIT(eprof_knee);
    eprof_error err = EPROF_INIT(eprof_error);
    assert_refused(eprof_fit_knee(x, y, 6, 1, &k, &err), &err, EPROF_E_ARG, "y[5]", "not a number");
    assert_refused(eprof_fit_knee(x, x, 5, 1, &k, &err), &err, EPROF_E_ARG, "n", "n is 5, at least 6");
    assert_refused(eprof_fit_knee(x, x, 0, 1, &k, &err), &err, EPROF_E_ARG, "n", "n is 0, at least 6");
    assert_refused(eprof_fit_knee(x, x, 1 << 20, 1, &k, &err), &err, EPROF_E_LIMIT, "n", "n is 1048576, at most 4096");
    assert_refused(eprof_fit_knee(equal, x, 6, 1, &k, &err), &err, EPROF_E_ARG, "x",
                   "1 different values, a knee needs 4");
    assert_refused(eprof_fit_knee(three, x, 6, 1, &k, &err), &err, EPROF_E_ARG, "x", "3 different values");
    x[1] = (double)INFINITY;
    assert_refused(eprof_fit_knee(x, equal, 6, 1, &k, &err), &err, EPROF_E_ARG, "x[1]", "infinite");
    assert_refused(eprof_fit_knee(NULL, y, 6, 1, &k, &err), &err, EPROF_E_ARG, "x", "NULL");
    assert_refused(eprof_fit_knee(three, equal, 6, 1, NULL, &err), &err, EPROF_E_ARG, "out", "NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hinge_is_the_independent_fit),
        cmocka_unit_test(step_is_the_independent_fit),
        cmocka_unit_test(order_and_units_change_nothing),
        cmocka_unit_test(without_a_knee_there_are_no_numbers_of_one),
        cmocka_unit_test(knee_at_the_end_is_not_identified),
        cmocka_unit_test(false_knees_are_rare),
        cmocka_unit_test(knees_are_recovered),
        cmocka_unit_test(hostile_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
