/* SPDX-License-Identifier: MIT
 * test_integrate.c - areas with analytic answers, the properties that areas have, and readings that cannot be right.
 *
 * Waveforms: profiling.md 5.3; faults: 5.4.
 */
#include "profiler/method/integrate.h"
#include "tests/unit/profiler/synthetic.h"

static const double pi = 3.14159265358979323846;

static double constant(double t) { (void)t; return 5; }
static double ramp(double t) { return 2 + 0.5 * t; }
static double triangle(double t) { return t < 5 ? t : 10 - t; }
static double response(double t) { return 8 - 5 * exp(-t / 2); }
static double sinus(double t) { return 4 + 3 * sin(2 * pi * 0.5 * t); }
static double square_5hz(double t) { return fmod(t + 1e-7, 0.2) < 0.1 ? 8 : 2; }

/* A channel of watts in steps of 1 uW, read every period from 0 to 20 s. */
static eprof__record *watts(eprof_class cls, double period_s, wave f)
{
    eprof__record *r = new_record(0, 20);
    const int32_t c = add_channel(r, "w", EPROF__POWER, cls, 1e-6, period_s);
    if (f) put_wave(r, c, 0, 20, period_s, f);
    return r;
}

static eprof__area area(const eprof__record *r, double t0_s, double t1_s)
{
    return eprof__integrate(&r->channels[0], &r->samples[0], at(t0_s), at(t1_s));
}

static void instants_have_the_analytic_area(void **state)
{
    (void)state;
    const struct {
        wave f;
        double t0, t1, period, expected, tolerance;
    } cases[] = {
        { constant, 1.03, 7.91, 0.2, 5 * 6.88, 1e-9 },
        { ramp, 1.03, 7.91, 0.2, 2 * 6.88 + 0.25 * (7.91 * 7.91 - 1.03 * 1.03), 1e-5 },
        { triangle, 0, 10, 0.2, 25, 1e-5 },            /* its corners are on the grid */
        { triangle, 0, 10, 0.3, 25, 0.3 * 0.3 / 4 },   /* and off it: a corner costs dt^2 / 4 at most */
        { response, 0, 10, 0.1, 80 - 10 * (1 - exp(-5)), 0.01 },
        { sinus, 0, 10, 0.1, 40, 1e-5 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eprof__record *r = watts(EPROF_CLASS_SAMPLE, cases[i].period, cases[i].f);
        const eprof__area a = area(r, cases[i].t0, cases[i].t1);
        assert_near(a.value, cases[i].expected, cases[i].tolerance);
        assert_near(a.covered, 1, 0);
        assert_int_equal(a.flags, 0);
        eprof__record_destroy(&r);
    }
}

/* Of a half wave the trapezoid lacks the relative part (pi f dt)^2 / 3. */
static void a_sinus_loses_what_the_trapezoid_loses(void **state)
{
    (void)state;
    eprof__record *r = watts(EPROF_CLASS_SAMPLE, 0.1, sinus);
    const double exact = 3 * 2 / (2 * pi * 0.5), lost = exact - (area(r, 0, 1).value - 4);
    assert_near(lost / exact, pow(pi * 0.5 * 0.1, 2) / 3, 0.02 * pow(pi * 0.5 * 0.1, 2) / 3);
    eprof__record_destroy(&r);
}

/* A box with edges off the grid inside a wider window: the error of one edge at place f has the deviation
 * dt sqrt(f (1 - f)) when the place of reading is by chance, and all places together dt / sqrt(12). */
static void a_box_is_wrong_by_its_edges(void **state)
{
    (void)state;
    enum { N = 4000 };
    dice d = { 7 };
    const double dt = 0.2, height = 5, length = 2.05 * 2; /* 20.5 periods: f = 0.5 */
    double sum = 0, sum2 = 0;
    for (int i = 0; i < N; i++) {
        eprof__record *r = watts(EPROF_CLASS_SAMPLE, dt, NULL);
        const double phase = uniform(&d, 0, dt);
        for (double t = phase; t < 12; t += dt) put(r, 0, t, t >= 3 && t < 3 + length ? height : 0);
        const double error = area(r, 1, 10).value - height * length;
        sum += error;
        sum2 += error * error;
        eprof__record_destroy(&r);
    }
    const double expected = height * dt * sqrt(0.5 * 0.5);
    assert_near(sum / N, 0, 3 * expected / sqrt(N));
    assert_near(sqrt(sum2 / N), expected, 0.05 * expected);
}

/* Read at its own frequency a square wave is a constant, of one of its two values; read off the grid it is its mean. */
static void dithered_readings_see_through_an_alias(void **state)
{
    (void)state;
    dice d = { 3 };
    eprof__record *grid = watts(EPROF_CLASS_SAMPLE, 0.2, square_5hz), *dithered = watts(EPROF_CLASS_SAMPLE, 0.2, NULL);
    for (int i = 1; i <= 100; i++) {
        const double t = 0.2 * i + uniform(&d, -0.05, 0.05);
        put(dithered, 0, t, square_5hz(t));
    }
    assert_near(area(grid, 1, 19).value, 18 * 8, 1e-3);
    assert_true(area(grid, 1, 19).rough == 0); /* nothing in the samples tells */
    const eprof__area a = area(dithered, 1, 19);
    assert_near(a.rough, 3, 0.5);
    assert_near(a.value, 18 * 5, 2 * a.rough * sqrt(18 * 0.2));
    eprof__record_destroy(&grid);
    eprof__record_destroy(&dithered);
}

/* Noise around the baseline: clipping adds 0.399 sigma for the whole time. */
static void clipping_is_biased(void **state)
{
    (void)state;
    dice d = { 11 };
    eprof__record *r = watts(EPROF_CLASS_SAMPLE, 0.005, NULL);
    for (int i = 0; i <= 4000; i++) put(r, 0, i * 0.005, 3 + normal(&d));
    const double plain = area(r, 0, 20).value - 3 * 20;
    const double clipped = eprof__integrate_clipped(&r->channels[0], &r->samples[0], at(0), at(20), 3);
    assert_near(plain / 20, 0, 0.06);
    assert_near(clipped / 20, 0.399, 0.03);
    eprof__record_destroy(&r);
}

static void windows_are_steps(void **state)
{
    (void)state;
    eprof__record *r = watts(EPROF_CLASS_WINDOW, 1, NULL);
    r->channels[0].window_ns = 1000000000;
    const double value[] = { 1, 1, 7, 3, 1 };
    for (int i = 0; i < 5; i++) put(r, 0, i, value[i]);
    assert_near(area(r, 0, 4).value, 1 + 7 + 3 + 1, 1e-9);
    assert_near(area(r, 1.5, 2.5).value, 0.5 * 7 + 0.5 * 3, 1e-9);
    r->channels[0].window_ns = 500000000; /* half of the time is seen: a line over the rest */
    assert_near(area(r, 1, 2).value, 0.5 * 7 + 0.5 * (1 + 7) / 2, 1e-9);
    eprof__record_destroy(&r);
}

/* ---------------------------------------------------------------------------------------------- counters -- */

/* Joules in steps of 1 uJ, read every period over [0, 20]; most: 100 W. */
static eprof__record *counter(double period_s)
{
    eprof__record *r = new_record(0, 20);
    const int32_t c = add_channel(r, "j", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-6, period_s);
    r->channels[c].most = 100;
    return r;
}

static void a_staircase_with_jitter_is_exact_to_its_update(void **state)
{
    (void)state;
    dice d = { 5 };
    eprof__record *r = counter(0.1);
    r->channels[0].update_ns = 1000000;
    for (double t = 0; t < 20; t += 0.1 + uniform(&d, -0.01, 0.01)) put(r, 0, t, 10 * floor(t * 1000) / 1000);
    const eprof__area a = area(r, 2.0, 17.3);
    assert_near(a.value, 153, 10 * 0.002);
    assert_near(a.peak, 10, 0.3);
    assert_int_equal(a.flags, 0);
    assert_true(a.rough == 0);
    eprof__record_destroy(&r);
}

static void a_wrap_is_added(void **state)
{
    (void)state;
    eprof__record *r = counter(1);
    r->channels[0].wrap = 1000000000; /* 1000 J: 10 s at 100 W */
    for (int i = 0; i <= 20; i++) put_raw(r, 0, i, (995000000 + (int64_t)i * 1000000) % 1000000000, 0);
    const eprof__area a = area(r, 1.5, 18.5);
    assert_near(a.value, 17, 1e-9);
    assert_int_equal(a.flags, 0);
    uint32_t flags = 0;
    assert_near(eprof__counter_at(&r->channels[0], &r->samples[0], at(12.25), &flags), 12.25, 1e-9);
    assert_true(isnan(eprof__counter_at(&r->channels[0], &r->samples[0], at(20.5), &flags)));
    assert_int_equal(flags, 0);
    eprof__record_destroy(&r);
}

static void a_missed_wrap_is_not_guessed(void **state)
{
    (void)state;
    eprof__record *r = counter(1);
    r->channels[0].wrap = 1000000000;
    put(r, 0, 0, 10);
    put(r, 0, 1, 20);
    put(r, 0, 13, 30); /* at 100 W it wraps in 10 s */
    put(r, 0, 14, 40);
    const eprof__area a = area(r, 0, 14);
    assert_int_equal(a.flags, EPROF_FLAG_GAP | EPROF_FLAG_WRAP_AMBIGUOUS | EPROF_FLAG_INCOMPLETE);
    assert_near(a.value, 20, 1e-9);
    assert_near(a.covered, 2.0 / 14, 1e-9);
    eprof__record_destroy(&r);
}

static void falls_count_as_nothing(void **state)
{
    (void)state;
    eprof__record *r = counter(1);
    for (int i = 0; i < 5; i++) put(r, 0, i, 100 + 10 * i);
    put_raw(r, 0, 4.000001, 139999999, 0); /* back by one step of the device */
    eprof__area a = area(r, 0, 4.000001);
    assert_int_equal(a.flags, EPROF_FLAG_WENT_BACK);
    assert_near(a.value, 40, 2e-6);
    put(r, 0, 5, 3); /* a reset */
    put(r, 0, 6, 13);
    a = area(r, 0, 6);
    assert_int_equal(a.flags, EPROF_FLAG_WENT_BACK | EPROF_FLAG_INCOMPLETE);
    assert_near(a.value, 50, 2e-6);
    assert_near(a.covered, 5.0 / 6, 1e-6);
    eprof__record_destroy(&r);
}

static void impossible_readings_are_dropped(void **state)
{
    (void)state;
    const int64_t wild[] = { INT64_MAX, INT64_MIN, 0, -1, 0xffffffff, 4000000000 };
    for (size_t k = 0; k < sizeof wild / sizeof *wild; k++) {
        eprof__record *r = counter(1);
        r->channels[0].wrap = 0xffffffff;
        for (int i = 0; i <= 10; i++) put_raw(r, 0, i, i == 5 ? wild[k] : 2000000000 + (int64_t)i * 5000000, 0);
        const eprof__area a = area(r, 0, 10);
        assert_near(a.value, 50, 1e-9);
        assert_near(a.covered, 1, 0);
        assert_true(a.flags & EPROF_FLAG_IMPLAUSIBLE);
        eprof__record_destroy(&r);
    }
    eprof__record *jump = counter(1); /* one that stays: its interval counts as nothing */
    for (int i = 0; i <= 10; i++) put(jump, 0, i, i < 5 ? 5 * i : 1e6 + 5 * i);
    const eprof__area a = area(jump, 0, 10);
    assert_near(a.value, 45, 1e-6);
    assert_int_equal(a.flags, EPROF_FLAG_IMPLAUSIBLE | EPROF_FLAG_INCOMPLETE);
    eprof__record_destroy(&jump);
}

static void failed_readings_and_bounds(void **state)
{
    (void)state;
    eprof__record *r = watts(EPROF_CLASS_SAMPLE, 0.2, NULL);
    r->channels[0].least = 0.1;
    r->channels[0].most = 50;
    for (int i = 0; i <= 50; i++) {
        const bool fails = i == 10;
        put_raw(r, 0, i * 0.2, fails ? -77 : i == 20 ? 4290000000000 : 5000000, fails ? EPROF_FLAG_READ_ERROR : 0);
    }
    const eprof__area a = area(r, 0, 10);
    assert_near(a.value, 50, 1e-9);
    assert_near(a.peak, 5, 0);
    assert_int_equal(a.flags, EPROF_FLAG_READ_ERROR | EPROF_FLAG_IMPLAUSIBLE);
    eprof__record_destroy(&r);
}

static void a_counter_that_stands_says_for_how_long(void **state)
{
    (void)state;
    eprof__record *r = counter(0.5);
    for (int i = 0; i <= 20; i++) put(r, 0, 0.5 * i, 10 * (i < 6 ? 0.5 * i : i < 16 ? 2.5 : 0.5 * (i - 10)));
    assert_near(area(r, 0, 10).still_s, 5, 1e-9);
    assert_near(area(r, 0, 2).still_s, 0, 0);
    eprof__record_destroy(&r);
}

/* -------------------------------------------------------------------------------------------------- gaps -- */

static eprof__record *with_gap(eprof_class cls, double gap_s)
{
    eprof__record *r = cls == EPROF_CLASS_COUNTER ? counter(0.2) : watts(cls, 0.2, NULL);
    for (int i = 0; i <= 25; i++) put(r, 0, 0.2 * i, cls == EPROF_CLASS_COUNTER ? 4 * 0.2 * i : 4);
    for (int i = 0; i <= 25; i++) {
        const double t = 5 + gap_s + 0.2 * i;
        put(r, 0, t, cls == EPROF_CLASS_COUNTER ? 20 + 6 * (t - 5) : 6);
    }
    return r;
}

static void gaps_are_bridged_up_to_two_seconds(void **state)
{
    (void)state;
    eprof__record *one = with_gap(EPROF_CLASS_SAMPLE, 1), *three = with_gap(EPROF_CLASS_SAMPLE, 3);
    eprof__area a = area(one, 0, 11);
    assert_int_equal(a.flags, EPROF_FLAG_GAP);
    assert_near(a.value, 20 + 5 + 30, 1e-9);
    assert_near(a.gap_u, 2 * 1 / sqrt(12), 1e-9);
    assert_near(a.covered, 1, 0);
    a = area(three, 0, 13);
    assert_int_equal(a.flags, EPROF_FLAG_GAP | EPROF_FLAG_INCOMPLETE);
    assert_near(a.value, 20 + 30, 1e-9);
    assert_near(a.covered, 10.0 / 13, 1e-9);
    eprof__record_destroy(&one);
    eprof__record_destroy(&three);
    eprof__record *joules = with_gap(EPROF_CLASS_COUNTER, 3); /* a difference has what lies between */
    a = area(joules, 0, 13);
    assert_int_equal(a.flags, EPROF_FLAG_GAP);
    assert_near(a.value, 20 + 48, 1e-6);
    eprof__record_destroy(&joules);
}

static void what_is_not_reached_is_not_covered(void **state)
{
    (void)state;
    eprof__record *r = watts(EPROF_CLASS_SAMPLE, 0.2, constant);
    eprof__area a = area(r, 18, 24);
    assert_int_equal(a.flags, EPROF_FLAG_INCOMPLETE);
    assert_near(a.value, 10, 1e-9);
    assert_near(a.covered, 2.0 / 6, 1e-9);
    a = area(r, 30, 40);
    assert_true(isnan(a.value) && a.covered == 0 && (a.flags & EPROF_FLAG_INCOMPLETE));
    assert_true(isnan(area(r, 5, 5).value));
    eprof__record_destroy(&r);
    eprof__record *empty = watts(EPROF_CLASS_SAMPLE, 0.2, NULL);
    assert_true(isnan(area(empty, 0, 1).value));
    eprof__record_destroy(&empty);
}

/* -------------------------------------------------------------------------------------------- properties -- */

static eprof__record *random_record(dice *d, eprof_class cls)
{
    eprof__record *r = cls == EPROF_CLASS_COUNTER ? counter(0.2) : watts(cls, 0.2, NULL);
    if (cls == EPROF_CLASS_WINDOW) r->channels[0].window_ns = 150000000;
    double joules = 0;
    for (double t = 0; t < 20; t += uniform(d, 0.05, 0.6)) {
        joules += uniform(d, 0, 1);
        put(r, 0, t, cls == EPROF_CLASS_COUNTER ? joules : uniform(d, 1, 9));
    }
    return r;
}

static const eprof_class all_classes[] = { EPROF_CLASS_COUNTER, EPROF_CLASS_SAMPLE, EPROF_CLASS_WINDOW };

static void areas_add_up(void **state)
{
    (void)state;
    dice d = { 17 };
    for (int i = 0; i < 300; i++) {
        eprof__record *r = random_record(&d, all_classes[i % 3]);
        const double a = uniform(&d, 0, 5), b = uniform(&d, a + 0.01, 12), c = uniform(&d, b + 0.01, 18);
        assert_near(area(r, a, b).value + area(r, b, c).value, area(r, a, c).value, 1e-12 * 200);
        eprof__record_destroy(&r);
    }
}

static void areas_are_linear_and_do_not_know_the_time(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 60; i++) {
        const eprof_class cls = all_classes[i % 3];
        dice d = { i };
        eprof__record *r = random_record(&d, cls), *twice = watts(cls, 0.2, NULL);
        twice->channels[0] = r->channels[0];
        for (int64_t k = 0; k < r->samples[0].n; k++) {
            const eprof__sample *x = eprof__sample_at(&r->samples[0], k);
            eprof__record_append(twice, 0, x->t_ns + 12345678901, x->t_ns + 12345678901, 2 * x->raw, 0);
        }
        const double once = area(r, 2.3, 15.1).value;
        const double shifted = eprof__integrate(&twice->channels[0], &twice->samples[0], at(2.3) + 12345678901,
                                                at(15.1) + 12345678901).value;
        assert_true(shifted == 2 * once); /* a power of two: to the last bit */
        eprof__record_destroy(&r);
        eprof__record_destroy(&twice);
    }
}

static void energy_never_falls(void **state)
{
    (void)state;
    dice d = { 23 };
    eprof__record *r = counter(0.2);
    double joules = 50;
    for (double t = 0; t < 20; t += uniform(&d, 0.05, 0.6)) { /* now and then it goes back a bit, or to 0 */
        joules = uniform(&d, 0, 1) < 0.03 ? 0 : joules + uniform(&d, -2e-6, 1);
        put(r, 0, t, fmax(joules, 0));
    }
    double last = 0;
    for (double t = 0; t < 19; t += 0.01) {
        const double e = eprof__counter_at(&r->channels[0], &r->samples[0], at(t), NULL);
        assert_true(e >= last - 1e-9);
        last = e;
    }
    eprof__record_destroy(&r);
}

static void readings_of_one_instant_have_no_order(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        const eprof_class cls = k ? EPROF_CLASS_COUNTER : EPROF_CLASS_SAMPLE;
        double values[2];
        for (int order = 0; order < 2; order++) {
            eprof__record *r = k ? counter(1) : watts(cls, 1, NULL);
            put(r, 0, 0, 1);
            put(r, 0, 1, order ? 4 : 3);
            put(r, 0, 1, order ? 3 : 4);
            put(r, 0, 2, 6);
            values[order] = area(r, 0.2, 1.7).value;
            eprof__record_destroy(&r);
        }
        assert_true(values[0] == values[1]);
    }
}

/* Half of the readings, or ten times the jitter, move a smooth signal's area by less than its edges are uncertain. */
static void coarser_readings_move_little(void **state)
{
    (void)state;
    dice d = { 31 };
    eprof__record *full = watts(EPROF_CLASS_SAMPLE, 0.1, sinus), *half = watts(EPROF_CLASS_SAMPLE, 0.2, sinus);
    eprof__record *jittery = watts(EPROF_CLASS_SAMPLE, 0.1, NULL);
    for (int i = 0; i <= 200; i++) {
        const double t = i * 0.1 + uniform(&d, 0, 0.04);
        put(jittery, 0, t, sinus(t));
    }
    const double u = 3 * 0.2 / sqrt(6), reference = area(full, 1.03, 17.77).value;
    assert_near(area(half, 1.03, 17.77).value, reference, u / 2);
    assert_near(area(jittery, 1.03, 17.77).value, reference, u / 2);
    eprof__record_destroy(&full);
    eprof__record_destroy(&half);
    eprof__record_destroy(&jittery);
}

static void a_fast_clock_is_bounded(void **state)
{
    (void)state;
    eprof__record *r = watts(EPROF_CLASS_SAMPLE, 0.1, NULL);
    for (int i = 0; i <= 200; i++) put(r, 0, 0.1 * i * 1.0002, triangle(0.1 * i));
    assert_near(area(r, 0, 10).value, 25, 25 * 0.0005);
    eprof__record_destroy(&r);
}

static void rates_and_values(void **state)
{
    (void)state;
    eprof__record *r = counter(0.5);
    for (int i = 0; i <= 10; i++) put(r, 0, 0.5 * i, 3 * 0.5 * i);
    put(r, 0, 1.6, 4.8); /* read at an edge */
    int64_t t[16];
    double rate[15];
    const int64_t n = eprof__rates(&r->channels[0], &r->samples[0], at(1.2), at(3.2), t, rate, 15);
    assert_int_equal(n, 5);
    assert_true(t[0] == at(1.0) && t[1] == at(1.5) && t[2] == at(2.0) && t[5] == at(3.5));
    for (int64_t i = 0; i < n; i++) assert_near(rate[i], 3, 1e-9);
    assert_int_equal(eprof__rates(&r->channels[0], &r->samples[0], at(1.2), at(3.2), t, rate, 2), 2);
    eprof__record_destroy(&r);
    eprof__record *w = watts(EPROF_CLASS_SAMPLE, 0.2, ramp);
    assert_near(eprof__value_at(&w->channels[0], &w->samples[0], at(3.33)), ramp(3.33), 1e-5);
    assert_near(eprof__value_at(&w->channels[0], &w->samples[0], at(20.4)), ramp(20), 1e-5);
    assert_true(isnan(eprof__value_at(&w->channels[0], &w->samples[0], at(21))));
    eprof__record_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_have_the_analytic_area),
        cmocka_unit_test(a_sinus_loses_what_the_trapezoid_loses),
        cmocka_unit_test(a_box_is_wrong_by_its_edges),
        cmocka_unit_test(dithered_readings_see_through_an_alias),
        cmocka_unit_test(clipping_is_biased),
        cmocka_unit_test(windows_are_steps),
        cmocka_unit_test(a_staircase_with_jitter_is_exact_to_its_update),
        cmocka_unit_test(a_wrap_is_added),
        cmocka_unit_test(a_missed_wrap_is_not_guessed),
        cmocka_unit_test(falls_count_as_nothing),
        cmocka_unit_test(impossible_readings_are_dropped),
        cmocka_unit_test(failed_readings_and_bounds),
        cmocka_unit_test(a_counter_that_stands_says_for_how_long),
        cmocka_unit_test(gaps_are_bridged_up_to_two_seconds),
        cmocka_unit_test(what_is_not_reached_is_not_covered),
        cmocka_unit_test(areas_add_up),
        cmocka_unit_test(areas_are_linear_and_do_not_know_the_time),
        cmocka_unit_test(energy_never_falls),
        cmocka_unit_test(readings_of_one_instant_have_no_order),
        cmocka_unit_test(coarser_readings_move_little),
        cmocka_unit_test(a_fast_clock_is_bounded),
        cmocka_unit_test(rates_and_values),
    };
    return cmocka_run_group_tests_name("integrate", tests, NULL, NULL);
}
