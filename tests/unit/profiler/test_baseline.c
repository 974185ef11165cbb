/* SPDX-License-Identifier: MIT
 * test_baseline.c - idle spans, what is taken from them, and the gates that they pass or do not.
 */
#include "profiler/method/baseline.h"
#include "profiler/method/analyse.h"
#include "tests/unit/profiler/synthetic.h"

static eprof__record *idle_record(double stop_s, double watts, double noise, double slope)
{
    eprof__record *r = new_record(0, stop_s);
    dice d = { 77 };
    const int32_t c = add_channel(r, "w", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-6, 0.2);
    add_meter(r, "w", 1, &c);
    for (double t = 0; t <= stop_s + 1e-9; t += 0.2) put(r, c, t, watts + slope * t + noise * normal(&d));
    return r;
}

static eprof__baseline around(const eprof__record *r, double t0_s, double t1_s)
{
    return eprof__baseline_of_meter(r, &r->meters[0], at(t0_s), at(t1_s));
}

static void spans_are_where_no_region_is(void **state)
{
    (void)state;
    eprof__record *r = idle_record(60, 3, 0, 0);
    const eprof_region a = put_region(r, 0, "a", 10, 20, 1, 1);
    (void)put_region(r, a, "inside", 12, 15, 1, 1);
    (void)put_region(r, 0, "overlaps", 18, 22, 2, 1);
    (void)put_region(r, 0, "(idle)", 25, 30, 1, 0);
    (void)put_region(r, 0, "b", 40, 50, 1, 1);
    (void)put_region(r, 0, "(idle)", 42, 45, 2, 0); /* asked for within a region */
    (void)put_region(r, 0, "c", 50.3, 55, 1, 1);    /* 0.3 s are no more than what settling takes */
    const double expected[][2] = { { 0, 10 }, { 22.5, 25 }, { 25, 30 }, { 30, 40 }, { 42, 45 }, { 55.5, 60 } };
    int64_t t0[16], t1[16];
    assert_int_equal(eprof__idle_spans(r, t0, t1, 16), 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(t0[i], at(expected[i][0]));
        assert_int_equal(t1[i], at(expected[i][1]));
    }
    assert_int_equal(eprof__idle_spans(r, t0, t1, 2), 2);
    eprof__record_destroy(&r);
}

static void an_open_region_ends_idle_time(void **state)
{
    (void)state;
    eprof__record *r = idle_record(30, 3, 0, 0);
    (void)eprof__record_begin(r, 0, "open", at(10), 1, 0);
    int64_t t0[4], t1[4];
    assert_int_equal(eprof__idle_spans(r, t0, t1, 4), 1);
    assert_int_equal(t1[0], at(10));
    eprof__record_destroy(&r);
}

static void a_line_between_before_and_after(void **state)
{
    (void)state;
    eprof__record *r = idle_record(50, 3, 0.01, 0.004);
    (void)put_region(r, 0, "x", 20, 30, 1, 1);
    const eprof__baseline b = around(r, 20, 30);
    assert_true(b.has_before && b.has_after);
    assert_near(b.before.mean, 3 + 0.004 * 10, 0.003);
    assert_near(b.after.mean, 3 + 0.004 * 40.25, 0.003);
    assert_near(b.at_middle, 3 + 0.004 * 25, 0.003); /* a steady drift is followed */
    assert_near(b.drift, 0.004 * 30.25, 0.004);
    assert_near(b.before.slope, 0.004, 0.0005);
    assert_int_equal(b.before.n, 100);
    eprof__record_destroy(&r);
}

/* Of white noise the error of a mean of n is sigma / sqrt(n): by batches, within what chance gives, and never the
 * error of correlated noise, which is larger. */
static void errors_are_of_the_mean(void **state)
{
    (void)state;
    double sum = 0, sum_slow = 0;
    for (uint64_t k = 0; k < 40; k++) {
        dice d = { 900 + k };
        double slow = normal(&d);
        eprof__record *r = new_record(0, 40), *s = new_record(0, 40);
        const int32_t c = add_channel(r, "w", EPROF__POWER, EPROF_CLASS_WINDOW, 1e-6, 0.2);
        (void)add_channel(s, "w", EPROF__POWER, EPROF_CLASS_WINDOW, 1e-6, 0.2);
        r->channels[0].window_ns = s->channels[0].window_ns = 200000000;
        add_meter(r, "w", 1, &c);
        add_meter(s, "w", 1, &c);
        for (int i = 0; i <= 200; i++) {
            slow = slow * exp(-0.2 / 1) + normal(&d) * sqrt(1 - exp(-0.4 / 1));
            put(r, c, 0.2 * i, 3 + 0.1 * normal(&d));
            put(s, c, 0.2 * i, 3 + 0.1 * slow);
        }
        (void)put_region(r, 0, "x", 30, 35, 1, 1);
        (void)put_region(s, 0, "x", 30, 35, 1, 1);
        sum += around(r, 30, 35).before.se / 40;
        sum_slow += around(s, 30, 35).before.se / 40;
        eprof__record_destroy(&r);
        eprof__record_destroy(&s);
    }
    assert_near(sum, 0.1 / sqrt(150), 0.15 * 0.1 / sqrt(150));
    const double slow_error = 0.1 * sqrt(2 * 1.0 / 30); /* correlation time 1 s in 30 s */
    assert_near(sum_slow, slow_error, 0.25 * slow_error);
}

static void skewed_power_keeps_its_mean_and_shows_its_median(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, 40);
    const int32_t c = add_channel(r, "w", EPROF__POWER, EPROF_CLASS_WINDOW, 1e-6, 0.2);
    r->channels[c].window_ns = 200000000;
    add_meter(r, "w", 1, &c);
    for (int i = 0; i <= 200; i++) put(r, c, 0.2 * i, i % 5 == 0 ? 4 : 3); /* a fifth of the time at 4 W */
    (void)put_region(r, 0, "x", 20, 40, 1, 1);
    const eprof__baseline b = around(r, 20, 40);
    assert_near(b.median_at_middle, 3, 1e-6);
    assert_near(b.at_middle, 3.125, 1e-6); /* of ten, the highest and the lowest are left out */
    eprof__record_destroy(&r);
}

/* ------------------------------------------------------------------------------------------------- gates -- */

static bool passes(eprof__record *r)
{
    (void)put_region(r, 0, "x", 20, 30, 1, 1);
    const eprof__baseline b = around(r, 20, 30);
    assert_true(b.has_before && !b.has_after);
    assert_true(eprof_has(b.at_middle)); /* the best there is, flagged */
    assert_true(((b.flags & EPROF_FLAG_BASELINE_UNSTABLE) != 0) == !b.before.is_stable);
    eprof__record_destroy(&r);
    return b.before.is_stable;
}

static void put_cpu(eprof__record *r, double busy_cores, double own_cores)
{
    const int32_t busy = add_channel(r, "busy", EPROF__CPU_BUSY, EPROF_CLASS_COUNTER, 0.01, 0.2);
    const int32_t own = add_channel(r, "own", EPROF__CPU_OWN, EPROF_CLASS_COUNTER, 1e-9, 0.2);
    for (double t = 0; t <= 30; t += 0.2) {
        put(r, busy, t, busy_cores * t);
        put(r, own, t, own_cores * t);
    }
}

static void gates(void **state)
{
    (void)state;
    assert_true(passes(idle_record(30, 3, 0.05, 0)));
    assert_false(passes(idle_record(30, 3, 0.01, 0.01))); /* 0.2 W in 20 s of 3 W */
    eprof__record *r = idle_record(30, 3, 0.05, 0);
    put_cpu(r, 0.05, 0.02); /* of 4 CPUs */
    assert_true(passes(r));
    r = idle_record(30, 3, 0.05, 0);
    put_cpu(r, 0.2, 0.02);
    assert_false(passes(r)); /* others: 4.5 % */
    r = idle_record(30, 3, 0.05, 0);
    put_cpu(r, 0.5, 0.5);
    assert_false(passes(r)); /* the process itself works outside of its regions */
    r = idle_record(30, 3, 0.05, 0);
    put_cpu(r, 0.5, 0.5);
    (void)put_region(r, 0, "(idle)", 8, 20, 1, 0);
    assert_true(passes(r)); /* but spinning threads are idle where it is asked for */
    r = idle_record(30, 3, 0.05, 0);
    const int32_t temp = add_channel(r, "temp", EPROF__TEMP, EPROF_CLASS_SAMPLE, 0.001, 1);
    for (int i = 0; i <= 30; i++) put(r, temp, i, 70 - 0.5 * i);
    assert_false(passes(r));
    r = idle_record(30, 3, 0.05, 0);
    const int32_t bits = add_channel(r, "throttled", EPROF__THROTTLED, EPROF_CLASS_SAMPLE, 1, 1);
    for (int i = 0; i <= 30; i++) put_raw(r, bits, i, i == 12, 0);
    assert_false(passes(r));
    r = idle_record(4, 3, 0.05, 0); /* a gap of 16 s */
    put(r, 0, 20, 3);
    r->facts.stop_ns = at(30);
    assert_false(passes(r));
}

static void short_spans_do_not_count(void **state)
{
    (void)state;
    eprof__record *r = idle_record(30, 3, 0.05, 0);
    (void)put_region(r, 0, "a", 1.9, 12, 1, 1);
    (void)put_region(r, 0, "b", 14, 29, 1, 1); /* 1.5 s after settling */
    const eprof__baseline b = around(r, 14, 29);
    assert_true(!b.has_before && !b.has_after && isnan(b.at_middle) && isnan(b.se));
    eprof__record_destroy(&r);
}

/* The nearest idle time is 3 s long; the one before it passes the gates. */
static void stable_time_is_preferred_to_near_time(void **state)
{
    (void)state;
    eprof__record *r = idle_record(60, 3, 0.05, 0);
    (void)put_region(r, 0, "a", 20, 30, 1, 1);
    (void)put_region(r, 0, "b", 33.5, 45, 1, 1);
    eprof__baseline b = around(r, 33.5, 45);
    assert_true(b.before.is_stable && b.before.t1_ns == at(20) && b.after.is_stable && b.flags == 0);
    assert_true(b.after.t0_ns == at(45.5));
    eprof__record_destroy(&r);
    r = idle_record(200, 3, 0.05, 0);
    (void)put_region(r, 0, "b", 100, 110, 1, 1);
    b = around(r, 100, 110);
    assert_true(b.before.t0_ns == at(40) && b.after.t1_ns == at(170.5)); /* 60 s at most */
    eprof__record_destroy(&r);
}

static void counters_and_shares_have_baselines(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, 40);
    put_cpu(r, 0.4, 0.1);
    const int32_t joules[2] = { add_channel(r, "a", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-6, 0.2),
                                add_channel(r, "b", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-6, 0.2) };
    add_meter(r, "sum", 2, joules);
    for (double t = 0; t <= 30; t += 0.2)
        for (int k = 0; k < 2; k++) put(r, joules[k], t, (k + 2) * t);
    (void)put_region(r, 0, "x", 20, 30, 1, 1);
    assert_near(around(r, 20, 30).at_middle, 5, 1e-6);
    assert_near(eprof__baseline_of_channel(r, EPROF__MACHINE_BUSY, at(20), at(30)).at_middle, 10, 0.1);
    assert_near(eprof__baseline_of_channel(r, EPROF__OWN_BUSY, at(20), at(30)).at_middle, 2.5, 1e-6);
    eprof__record_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_where_no_region_is),
        cmocka_unit_test(an_open_region_ends_idle_time),
        cmocka_unit_test(a_line_between_before_and_after),
        cmocka_unit_test(errors_are_of_the_mean),
        cmocka_unit_test(skewed_power_keeps_its_mean_and_shows_its_median),
        cmocka_unit_test(gates),
        cmocka_unit_test(short_spans_do_not_count),
        cmocka_unit_test(stable_time_is_preferred_to_near_time),
        cmocka_unit_test(counters_and_shares_have_baselines),
    };
    return cmocka_run_group_tests_name("baseline", tests, NULL, NULL);
}
