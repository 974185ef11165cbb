/* SPDX-License-Identifier: MIT
 * test_windows.c - periods of work in a CPU log without marks: known ones are found to a part of a sample, noise is
 * not work.
 */
#include "tests/unit/profiler/law_asserts.h"

enum { MOST = 4000, MOST_FOUND = 64 };

typedef struct cpu_log {
    double t[MOST], busy[MOST];
    int n;
} cpu_log;

typedef struct span {
    double begin, end, busy_pct;
} span;

/* Busy share of each interval before a sample, as /proc/stat gives it, over idle and noise. */
static void record(cpu_log *l, double seconds, double hz, const span *work, int n_work, double idle, double sigma,
                   uint64_t seed)
{
    eprof__random r;
    eprof__random_seed(&r, seed);
    l->n = (int)(seconds * hz);
    for (int i = 0; i < l->n; i++) {
        const double to = 100 + i / hz, from = to - 1 / hz;
        l->t[i] = to;
        l->busy[i] = idle + sigma * eprof__random_normal(&r);
        for (int k = 0; k < n_work; k++) {
            const double part = fmax(0, fmin(to, 100 + work[k].end) - fmax(from, 100 + work[k].begin)) * hz;
            l->busy[i] += part * (work[k].busy_pct - idle);
        }
    }
}

static int find(const cpu_log *l, double *begin, double *end)
{
    return eprof_find_windows(l->t, l->busy, l->n, begin, end, MOST_FOUND);
}

/* A reading is of the interval before it: edges are seen half a sample late. */
static void check(const cpu_log *l, double hz, const span *work, int n_work, double tolerance_s)
{
    double begin[MOST_FOUND], end[MOST_FOUND];
    const int n = find(l, begin, end);
    assert_int_equal(n, n_work);
    for (int i = 0; i < n; i++) {
        if (fabs(begin[i] - 0.5 / hz - 100 - work[i].begin) > tolerance_s ||
            fabs(end[i] - 0.5 / hz - 100 - work[i].end) > tolerance_s)
            fail_msg("window %d: %.3f..%.3f, expected %.3f..%.3f", i, begin[i] - 100, end[i] - 100, work[i].begin,
                     work[i].end);
    }
}

static void known_periods_are_found(void **state)
{
    (void)state;
    static const span work[] = { { 10.03, 14.51, 99 }, { 20.27, 31.4, 97 }, { 36.6, 39.05, 100 }, { 50, 58.9, 98 } };
    static cpu_log l;
    for (uint64_t seed = 0; seed < 50; seed++) {
        record(&l, 70, 5, work, 4, 3, 0.7, seed);
        check(&l, 5, work, 4, 0.03);
        record(&l, 70, 20, work, 4, 3, 1.5, seed);
        check(&l, 20, work, 4, 0.02);
    }
}

/* More work than idle, two heights of it, a dip within it, and load of others that is idle here. */
static void heights_and_shares_do_not_matter(void **state)
{
    (void)state;
    static const span busy[] = { { 4.1, 28.2, 100 }, { 32.5, 60.3, 100 } };
    static const span heights[] = { { 10.1, 14.2, 100 }, { 20.3, 24.4, 26 }, { 30.2, 33.7, 51 } };
    static const span dip[] = { { 10.1, 14.2, 90 }, { 14.6, 18.3, 90 } };
    static cpu_log l;
    record(&l, 64, 5, busy, 2, 2, 0.5, 1);
    check(&l, 5, busy, 2, 0.03);
    record(&l, 40, 5, heights, 3, 2, 0.5, 2);
    check(&l, 5, heights, 3, 0.05);
    record(&l, 30, 5, dip, 2, 2, 0.5, 3);
    const span joined = { 10.1, 18.3, 90 };
    check(&l, 5, &joined, 1, 0.03);
    const span one_core = { 10.1, 20.2, 34 }; /* one core of four, beside another's */
    record(&l, 30, 5, &one_core, 1, 26, 1, 4);
    check(&l, 5, &one_core, 1, 0.1);
}

static void noise_is_not_work(void **state)
{
    (void)state;
    double begin[MOST_FOUND], end[MOST_FOUND];
    static cpu_log l;
    int n_found = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        record(&l, 120, 5, NULL, 0, 4, 1, seed);
        n_found += find(&l, begin, end);
    }
    printf("windows found in 200 idle logs of 120 s: %d\n", n_found);
    assert_true(n_found <= 2);
    record(&l, 120, 5, NULL, 0, 0, 0, 1);
    assert_int_equal(find(&l, begin, end), 0);
}

static void cut_off_periods_have_no_edge(void **state)
{
    (void)state;
    static const span work[] = { { -5, 6.2, 98 }, { 15.1, 19.2, 98 }, { 27.3, 50, 98 } };
    double begin[MOST_FOUND], end[MOST_FOUND];
    static cpu_log l;
    record(&l, 40, 5, work, 3, 3, 0.6, 1);
    assert_int_equal(find(&l, begin, end), 1);
    assert_near(begin[0], 115.2, 0.001);
}

static void no_more_than_there_is_room_for(void **state)
{
    (void)state;
    static const span work[] = { { 5, 8, 98 }, { 15, 18, 98 }, { 25, 28, 98 } };
    double begin[3] = { 0 }, end[3] = { 0 };
    static cpu_log l;
    record(&l, 40, 5, work, 3, 3, 0.6, 1);
    assert_int_equal(eprof_find_windows(l.t, l.busy, l.n, begin, end, 2), 2);
    assert_true(begin[2] == 0 && end[2] == 0);
    assert_int_equal(eprof_find_windows(l.t, l.busy, l.n, begin, end, 0), 0);
}

static void hostile_input_is_refused(void **state)
{
    (void)state;
    double t[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, busy[] = { 0, 0, 0, 99, 99, 0, 0, 0, 0 }, begin[4], end[4];
    assert_int_equal(eprof_find_windows(t, busy, 0, begin, end, 4), 0);
    assert_int_equal(eprof_find_windows(t, busy, 3, begin, end, 4), 0);
    assert_int_equal(eprof_find_windows(t, busy, -1, begin, end, 4), EPROF_E_ARG);
    assert_int_equal(eprof_find_windows(NULL, busy, 9, begin, end, 4), EPROF_E_ARG);
    assert_int_equal(eprof_find_windows(t, busy, 9, NULL, end, 4), EPROF_E_ARG);
    assert_int_equal(eprof_find_windows(t, busy, 9, begin, end, -4), EPROF_E_ARG);
    busy[2] = (double)NAN;
    assert_int_equal(eprof_find_windows(t, busy, 9, begin, end, 4), EPROF_E_ARG);
    busy[2] = 0;
    t[4] = t[3];
    assert_int_equal(eprof_find_windows(t, busy, 9, begin, end, 4), EPROF_E_ARG);
    t[4] = (double)INFINITY;
    assert_int_equal(eprof_find_windows(t, busy, 9, begin, end, 4), EPROF_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_periods_are_found),
        cmocka_unit_test(heights_and_shares_do_not_matter),
        cmocka_unit_test(noise_is_not_work),
        cmocka_unit_test(cut_off_periods_have_no_edge),
        cmocka_unit_test(no_more_than_there_is_room_for),
        cmocka_unit_test(hostile_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
