/* SPDX-License-Identifier: MIT
 * test_budget.c - terms of the budget against profiling.md 3.9's worked example, and grades against 3.13.
 */
#include "profiler/method/budget.h"
#include "tests/unit/profiler/synthetic.h"

/* The example of 3.9: a Pi 5, 10 s at 5 W above idle, guards of 5 s, 0.042 W on each side, drift 0.1 W. */
static void budget_of_example(double dt_s, double accuracy, double terms[EPROF_N_TERMS])
{
    const eprof__channel c = { .kind = EPROF__POWER, .cls = EPROF_CLASS_SAMPLE, .accuracy = accuracy, .lsb = 0,
                               .period_ns = (int64_t)(dt_s * 1e9) };
    const eprof__baseline b = { .at_middle = 3, .median_at_middle = 3, .se = 0.042 / sqrt(2), .drift = 0.1 };
    const eprof__evidence e = { .channel = &c, .area = { .dt_s = dt_s, .covered = 1 }, .elapsed_s = 10, .guard_s = 5,
                                .gross_j = 80, .net_j = 50, .step_w = 5, .baseline = &b };
    eprof__budget(&e, terms);
}

static void the_worked_example(void **state)
{
    (void)state;
    double terms[EPROF_N_TERMS];
    budget_of_example(1, 0.005, terms);
    assert_near(terms[EPROF_TERM_SAMPLING], 2.04, 0.005);
    assert_near(terms[EPROF_TERM_GAIN], 0.144, 0.001);
    assert_near(terms[EPROF_TERM_BASELINE], 0.594, 0.001);
    assert_near(terms[EPROF_TERM_DRIFT], 20 * 0.1 / sqrt(3), 1e-9); /* 3.9: sqrt(12); see budget.c */
    const double rest = eprof__combine(terms);
    assert_near(rest, sqrt(2.041 * 2.041 + 0.144 * 0.144 + 0.594 * 0.594 + 1.155 * 1.155), 0.002);
    budget_of_example(0.04, 0.005, terms);
    assert_near(terms[EPROF_TERM_SAMPLING], 0.0816, 0.0005);
    budget_of_example(0.1, 0.03, terms);
    assert_near(terms[EPROF_TERM_SAMPLING], 0.204, 0.001);
    assert_near(terms[EPROF_TERM_GAIN], 0.866, 0.001);
}

static void gross_has_its_zero_and_no_baseline(void **state)
{
    (void)state;
    const eprof__channel c = { .kind = EPROF__POWER, .cls = EPROF_CLASS_SAMPLE, .accuracy = 0.01, .offset_w = 0.02,
                               .lsb = 0.001, .period_ns = 200000000 };
    eprof__evidence e = { .channel = &c, .area = { .dt_s = 0.2, .half_s = 0.012, .gap_u = 0.3 }, .elapsed_s = 10,
                          .gross_j = 80, .net_j = EPROF_ABSENT, .step_w = 5 };
    double terms[EPROF_N_TERMS];
    eprof__budget(&e, terms);
    assert_near(terms[EPROF_TERM_GAIN], 80 * 0.01 / sqrt(3), 1e-12);
    assert_near(terms[EPROF_TERM_OFFSET], 10 * 0.02 / sqrt(3), 1e-12);
    assert_near(terms[EPROF_TERM_TIMESTAMPS], 5 * sqrt(2) * 0.012 / sqrt(3), 1e-12);
    assert_near(terms[EPROF_TERM_QUANTISATION], 0.001 * sqrt(0.2 * 10) / sqrt(12), 1e-12);
    assert_near(terms[EPROF_TERM_GAPS], 0.3, 0);
    assert_near(terms[EPROF_TERM_BASELINE] + terms[EPROF_TERM_DRIFT] + terms[EPROF_TERM_MEAN_MEDIAN], 0, 0);
    const eprof__channel guess = { .kind = EPROF__POWER, .cls = EPROF_CLASS_MODEL, .accuracy = 0.3 };
    eprof__evidence estimate = e;
    estimate.channel = &guess;
    estimate.net_j = 0.1; /* others kept the machine busy: a difference of two guesses */
    eprof__budget(&estimate, terms);
    assert_near(terms[EPROF_TERM_GAIN], 80 * 0.3 / sqrt(3), 1e-12);
    e.align_sigma_s = 0.1;
    eprof__budget(&e, terms);
    assert_near(terms[EPROF_TERM_ALIGNMENT], 5 * sqrt(2) * 0.1, 1e-12);
    e.guard_s = 1;
    eprof__budget(&e, terms);
    assert_near(terms[EPROF_TERM_ALIGNMENT], 0, 0);
}

static void counters_are_as_good_as_their_updates(void **state)
{
    (void)state;
    const eprof__channel c = { .kind = EPROF__ENERGY, .cls = EPROF_CLASS_COUNTER, .lsb = 61e-6, .update_ns = 1000000 };
    const eprof__baseline b = { .at_middle = 3, .median_at_middle = 3.1, .se = 0 };
    const eprof__evidence e = { .channel = &c, .area = { .dt_s = 0.2 }, .elapsed_s = 10, .gross_j = 80, .net_j = 50,
                                .step_w = 5, .baseline = &b };
    double terms[EPROF_N_TERMS];
    eprof__budget(&e, terms);
    const double spread = 0.001 * sqrt((3 * 3 + 8 * 8) / 12.0), loss = 0.001 * 5 / 2;
    assert_near(terms[EPROF_TERM_SAMPLING], sqrt(spread * spread + loss * loss), 1e-9);
    assert_near(terms[EPROF_TERM_QUANTISATION], 61e-6 / sqrt(6), 1e-12);
    assert_near(terms[EPROF_TERM_MEAN_MEDIAN], 10 * 0.1 / sqrt(3), 1e-9);
}

static void students_factor(void **state)
{
    (void)state;
    const struct {
        double dof, t;
    } table[] = { { 1, 12.706 }, { 2, 4.303 }, { 3, 3.182 }, { 4, 2.776 }, { 5, 2.571 }, { 10, 2.228 }, { 30, 2.042 },
                  { 1e6, 1.960 } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_near(eprof__student_factor(table[i].dof) * 1.96, table[i].t, 0.01 * table[i].t);
    assert_true(eprof__student_factor(0) == eprof__student_factor(1));
}

static void grades(void **state)
{
    (void)state;
    const eprof__channel counter = { .cls = EPROF_CLASS_COUNTER, .is_calibrated = true },
                         fast = { .cls = EPROF_CLASS_SAMPLE, .is_calibrated = true, .period_ns = 40000000 },
                         slow = { .cls = EPROF_CLASS_SAMPLE, .is_calibrated = true, .period_ns = 1000000000 },
                         raw = { .cls = EPROF_CLASS_COUNTER },
                         battery = { .cls = EPROF_CLASS_SAMPLE, .is_calibrated = true, .period_ns = 1000000000,
                                     .update_ns = 30000000000 },
                         model = { .cls = EPROF_CLASS_MODEL };
    const eprof_scope dc = EPROF_SCOPE_BOARD_DC, package = EPROF_SCOPE_PACKAGE;
    const struct {
        const eprof__channel *c;
        eprof_scope scope;
        double u95;
        uint32_t flags;
        int32_t grade;
    } cases[] = {
        { &counter, dc, 0.02, 0, 'A' }, { &fast, dc, 0.03, 0, 'A' }, { &slow, dc, 0.02, 0, 'B' },
        { &raw, dc, 0.02, EPROF_FLAG_UNCALIBRATED, 'B' }, { &fast, dc, 0.06, 0, 'B' },
        { &counter, package, 0.02, EPROF_FLAG_PARTIAL_SCOPE, 'C' }, { &fast, dc, 0.12, 0, 'C' },
        { &fast, dc, 0.02, EPROF_FLAG_FOREIGN_LOAD, 'C' }, { &fast, dc, 0.02, EPROF_FLAG_GAP, 'B' },
        { &battery, dc, 0.02, 0, 'D' }, { &fast, dc, 0.02, EPROF_FLAG_BASELINE_UNSTABLE, 'D' },
        { &fast, dc, 0.25, 0, 'D' }, { &fast, dc, 0.31, 0, 'E' }, { &model, dc, 0.02, 0, 'E' },
        { &counter, dc, 0.02, EPROF_FLAG_WRAP_AMBIGUOUS, 'E' }, { &counter, dc, 0.02, EPROF_FLAG_STUCK, 'E' },
        { &fast, dc, 0.02, EPROF_FLAG_SUSPENDED, 'E' },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int32_t g = eprof__grade(cases[i].c, cases[i].scope, 100, cases[i].u95 * 100 / 2, cases[i].flags);
        if (g != cases[i].grade) fail_msg("case %zu: %c, not %c", i, g, cases[i].grade);
    }
    assert_int_equal(eprof__grade(&fast, dc, EPROF_ABSENT, 1, 0), 0);
    assert_int_equal(eprof__grade(&fast, dc, 0, 0, 0), 'E');
    assert_int_equal(eprof__grade(&fast, dc, -100, 1, 0), 'A');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worked_example),
        cmocka_unit_test(gross_has_its_zero_and_no_baseline),
        cmocka_unit_test(counters_are_as_good_as_their_updates),
        cmocka_unit_test(students_factor),
        cmocka_unit_test(grades),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
