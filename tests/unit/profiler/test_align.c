/* SPDX-License-Identifier: MIT
 * test_align.c - a meter's clock beside ours: known delays at 1, 5 and 25 Hz with noise, lag and a fast clock; the
 * claimed uncertainty against the true error; the preamble; and what is refused.
 */
#include "profiler/method/align.h"
#include "tests/unit/profiler/law_asserts.h"

enum { MOST_SAMPLES = 100000, MOST_PROMPTS = 400 };

/* Prompts of 6 to 14 s with pauses of 4 to 9: [begin, end) in our time. */
typedef struct workload {
    double begin[MOST_PROMPTS], end[MOST_PROMPTS];
    int n;
    double seconds;
} workload;

/* How a meter sees it: at hz, late by delay_s and through a first-order lag, by a clock that is fast by ppm. */
typedef struct meter {
    double hz, delay_s, lag_s, ppm, noise_w;
} meter;

typedef struct samples {
    double t[MOST_SAMPLES], value[MOST_SAMPLES];
    int64_t n;
} samples;

static workload ours, *const work = &ours;
static samples host_samples, meter_samples;

static void make_work(workload *w, double seconds, eprof__random *r)
{
    w->n = 0;
    w->seconds = seconds;
    for (double t = 5 + eprof__random_unit(r); t < seconds - 25 && w->n < MOST_PROMPTS; w->n++) {
        w->begin[w->n] = t;
        w->end[w->n] = t + 6 + 8 * eprof__random_unit(r);
        t = w->end[w->n] + 4 + 5 * eprof__random_unit(r);
    }
}

/* Power, 3 W idle and 8 at work, through a first-order lag: what each step adds and takes away. */
static double power_at(const workload *w, double t, double lag_s)
{
    double watts = 3;
    for (int i = 0; i < w->n && w->begin[i] <= t; i++) {
        watts += 5 * (lag_s > 0 ? 1 - exp(-(t - w->begin[i]) / lag_s) : 1);
        if (w->end[i] <= t) watts -= 5 * (lag_s > 0 ? 1 - exp(-(t - w->end[i]) / lag_s) : 1);
    }
    return watts;
}

static void read_meter(const workload *w, const meter *m, eprof__random *r, samples *out)
{
    const double phase = eprof__random_unit(r) / m->hz;
    out->n = 0;
    for (double t = phase; t < w->seconds && out->n < MOST_SAMPLES; t += 1 / m->hz) {
        out->t[out->n] = (t + m->delay_s) * (1 + 1e-6 * m->ppm);
        out->value[out->n++] = power_at(w, t, m->lag_s) + m->noise_w * eprof__random_normal(r);
    }
}

/* Our busy share at 5 Hz. */
static void read_host(const workload *w, eprof__random *r, samples *out)
{
    out->n = 0;
    for (double t = 0; t < w->seconds; t += 0.2) {
        out->t[out->n] = t;
        out->value[out->n++] = 20 * (power_at(w, t, 0) - 3) + eprof__random_normal(r);
    }
}

static eprof__alignment align(double range_s, uint64_t seed)
{
    const eprof__signal host = { host_samples.t, host_samples.value, host_samples.n };
    const eprof__signal other = { meter_samples.t, meter_samples.value, meter_samples.n };
    eprof__alignment a;
    eprof_error err = EPROF_INIT(eprof_error);
    if (eprof__align(&host, &other, range_s, seed, &a, &err)) fail_msg("%s: %s", err.where, err.message);
    return a;
}

static void known_delays_are_found(void **state)
{
    (void)state;
    static const double rates[] = { 1, 5, 25 }, delays[] = { 0.4, 0.7, -3.3 };
    eprof__random r;
    eprof__random_seed(&r, 1);
    const int n_truths = N_TRUTHS / 25;
    for (int k = 0; k < COUNT_OF(rates); k++) {
        for (int d = 0; d < COUNT_OF(delays); d++) {
            double square = 0, mean = 0, worst = 0, sigma = 0, quality = 1e9;
            int hits = 0;
            for (int truth = 0; truth < n_truths; truth++) {
                make_work(work, 180, &r);
                read_host(work, &r, &host_samples);
                read_meter(work, &(meter){ .hz = rates[k], .delay_s = delays[d], .noise_w = 0.2 }, &r, &meter_samples);
                const eprof__alignment a = align(10, (uint64_t)truth);
                const double error = a.beta_s + delays[d];
                square += error * error / n_truths, mean += error / n_truths, sigma += a.sigma_beta_s / n_truths;
                worst = fmax(worst, fabs(error));
                quality = fmin(quality, a.quality);
                hits += fabs(error) <= 2 * a.sigma_beta_s;
                assert_true(a.is_good && a.alpha == 1);
            }
            printf("%4.0f Hz, %4.1f s late: error %6.3f on average, %.3f rms, %.3f at most; claimed %.3f; "
                   "quality %.1f\n", rates[k], delays[d], mean, sqrt(square), worst, sigma, quality);
            assert_true(worst < 0.2 / rates[k] + 0.05 && fabs(mean) < (0.05 + slack) / rates[k] + 0.01);
            assert_true(sigma < 0.1 / rates[k] + 0.02);
            check_share("|error| <= 2 sigma", (int)rates[k], hits, n_truths, 0.87, 1);
        }
    }
}

/* A lag is seen as a delay, less than all of it. */
static void lag_is_a_delay(void **state)
{
    (void)state;
    eprof__random r;
    eprof__random_seed(&r, 2);
    make_work(work, 300, &r);
    read_host(work, &r, &host_samples);
    read_meter(work, &(meter){ .hz = 5, .delay_s = 0.4, .lag_s = 0.8, .noise_w = 0.1 }, &r, &meter_samples);
    const eprof__alignment a = align(10, 1);
    printf("0.4 s late and a lag of 0.8 s: %.3f +- %.3f s\n", a.beta_s, a.sigma_beta_s);
    assert_true(a.beta_s < -0.5 && a.beta_s > -1.25 && a.is_good);
}

static void fast_clock_is_measured(void **state)
{
    (void)state;
    static const double rates[] = { 1, 10 };
    eprof__random r;
    eprof__random_seed(&r, 3);
    for (int k = 0; k < COUNT_OF(rates); k++) {
        make_work(work, 3600, &r);
        read_host(work, &r, &host_samples);
        read_meter(work, &(meter){ .hz = rates[k], .delay_s = 0.7, .ppm = 200, .noise_w = 0.2 }, &r, &meter_samples);
        const eprof__alignment a = align(10, 1);
        const double at_begin = a.alpha * (0.7 * 1.0002) + a.beta_s;
        const double at_end = a.alpha * (3600.7 * 1.0002) + a.beta_s - 3600;
        printf("%4.0f Hz, 200 ppm fast over an hour: alpha %.1f ppm, error %.3f at begin, %.3f at end, claimed %.3f\n",
               rates[k], 1e6 * (a.alpha - 1), at_begin, at_end, a.sigma_beta_s);
        assert_true(fabs(1e6 * (a.alpha - 1) + 200) < (rates[k] > 1 ? 10 : 50));
        assert_true(fabs(at_begin) < 0.1 && fabs(at_end) < 0.1 && a.is_good);
        assert_true(fabs(at_begin) < 3 * a.sigma_beta_s && fabs(at_end) < 3 * a.sigma_beta_s);
    }
}

static void same_seed_same_bits(void **state)
{
    (void)state;
    eprof__random r;
    eprof__random_seed(&r, 4);
    make_work(work, 120, &r);
    read_host(work, &r, &host_samples);
    read_meter(work, &(meter){ .hz = 5, .delay_s = 0.4, .noise_w = 0.2 }, &r, &meter_samples);
    const eprof__alignment a = align(10, 77), b = align(10, 77);
    assert_true(a.beta_s == b.beta_s && a.sigma_beta_s == b.sigma_beta_s && a.quality == b.quality);
}

/* Nothing in common, or prompts like a clock's tick: there is a best lag, and it is not called good. */
static void doubtful_alignments_say_so(void **state)
{
    (void)state;
    eprof__random r;
    eprof__random_seed(&r, 5);
    int n_good = 0;
    for (int truth = 0; truth < 10; truth++) {
        make_work(work, 180, &r);
        read_host(work, &r, &host_samples);
        for (meter_samples.n = 0; meter_samples.n < 180; meter_samples.n++) {
            meter_samples.t[meter_samples.n] = (double)meter_samples.n;
            meter_samples.value[meter_samples.n] = 5 + eprof__random_normal(&r);
        }
        n_good += align(10, 1).is_good;
    }
    assert_true(n_good <= 1);
    for (work->n = 0; work->n < 40; work->n++) work->begin[work->n] = 4 * work->n, work->end[work->n] = 4 * work->n + 2;
    read_host(work, &r, &host_samples);
    read_meter(work, &(meter){ .hz = 5, .delay_s = 0.4, .noise_w = 0.2 }, &r, &meter_samples);
    const eprof__alignment a = align(10, 1);
    assert_true(!a.is_good && a.quality < 1.5);
}

/* ---------------------------------------------------------------------------------------------- preamble -- */

static void pattern_is_barkers(void **state)
{
    (void)state;
    static const char expected[] = "1111100110101";
    for (int i = 0; i < 13; i++) assert_int_equal(eprof__preamble_chip(i), expected[i] - '0');
    assert_int_equal(eprof__preamble_chip(-1), 0);
    assert_int_equal(eprof__preamble_chip(13), 0);
    for (int shift = 1; shift < 13; shift++) { /* what makes it Barker's: side lobes of one chip at most */
        int sum = 0;
        for (int i = 0; i + shift < 13; i++)
            sum += eprof__preamble_chip(i) == eprof__preamble_chip(i + shift) ? 1 : -1;
        assert_true(sum >= -1 && sum <= 1);
    }
}

/* The pattern, a pause of 10 s, and then the run. Chips of a whole number of samples have all edges alike between two
 * samples, so that half a sample is not to be known; a little more than that spreads them. */
static void preamble_at(workload *w, double begin_s, double chip_s)
{
    w->n = 0;
    for (int i = 0; i < 13; i++)
        if (eprof__preamble_chip(i)) w->begin[w->n] = begin_s + i * chip_s, w->end[w->n++] = begin_s + (i + 1) * chip_s;
    w->begin[w->n] = begin_s + 13 * chip_s + 10, w->end[w->n] = w->begin[w->n] + 20;
    w->n++;
    w->seconds = w->end[w->n - 1] + 10;
}

static void preamble_is_found(void **state)
{
    (void)state;
    static const struct { double hz, chip_s, lag_s, noise_w, least, tolerance_s; } cases[] = {
        { 1, 4, 0, 0.3, 0.98, 0.6 }, { 1, 4, 0.8, 0.3, 0.98, 1.3 }, { 1, 4, 0, 1.5, 0.95, 0.8 },
        { 1, 4.13, 0, 0.3, 0.98, 0.35 }, { 5, 0.8, 0, 0.3, 0.98, 0.12 }, { 25, 0.5, 0, 0.3, 0.98, 0.05 } };
    eprof__random r;
    eprof__random_seed(&r, 6);
    for (int k = 0; k < COUNT_OF(cases); k++) {
        int n_found = 0;
        double worst = 0, quality = 1e9;
        const int n_truths = N_TRUTHS / 5;
        for (int truth = 0; truth < n_truths; truth++) {
            const double begin = 12 + 5 * eprof__random_unit(&r);
            preamble_at(work, begin, cases[k].chip_s);
            read_meter(work, &(meter){ .hz = cases[k].hz, .delay_s = 0.7, .lag_s = cases[k].lag_s,
                                       .noise_w = cases[k].noise_w }, &r, &meter_samples);
            const eprof__signal other = { meter_samples.t, meter_samples.value, meter_samples.n };
            double t, q;
            assert_int_equal(eprof__find_preamble(&other, cases[k].chip_s, &t, &q, NULL), EPROF_OK);
            const double error = fabs(t - begin - 0.7);
            n_found += error < cases[k].tolerance_s;
            if (error < cases[k].tolerance_s) worst = fmax(worst, error), quality = fmin(quality, q);
        }
        printf("chips of %.1f s at %.0f Hz, lag %.1f s, noise %.1f W: within %.3f s, quality %.2f at least\n",
               cases[k].chip_s, cases[k].hz, cases[k].lag_s, cases[k].noise_w, worst, quality);
        check_share("preamble found", (int)cases[k].hz, n_found, n_truths, cases[k].least, 1);
    }
}

/* ----------------------------------------------------------------------------------------------- refusals -- */

static void hostile_input_is_refused(void **state)
{
    (void)state;
    double t[40], v[40], constant[40], bad[40], back[40], quality, at, far[40];
    for (int i = 0; i < 40; i++) t[i] = back[i] = i, v[i] = bad[i] = i % 7 > 3, constant[i] = 5, far[i] = 1e6 + i;
    bad[7] = (double)NAN;
    back[9] = back[8];
    const eprof__signal good = { t, v, 40 }, flat = { t, constant, 40 }, few = { t, v, 7 }, none = { NULL, NULL, 0 };
    const eprof__signal nan_value = { t, bad, 40 }, not_rising = { back, v, 40 }, elsewhere = { far, v, 40 };
    eprof__alignment a;
    eprof_error err = EPROF_INIT(eprof_error);
    assert_refused(eprof__align(&good, &flat, 10, 1, &a, &err), &err, EPROF_E_UNSUPPORTED, "meter",
                   "all 40 values are the same");
    assert_refused(eprof__align(&flat, &good, 10, 1, &a, &err), &err, EPROF_E_UNSUPPORTED, "ours",
                   "all 40 values are the same");
    assert_refused(eprof__align(&good, &few, 10, 1, &a, &err), &err, EPROF_E_UNSUPPORTED, "meter",
                   "7 samples, at least 8");
    assert_refused(eprof__align(&none, &good, 10, 1, &a, &err), &err, EPROF_E_UNSUPPORTED, "ours",
                   "0 samples, at least 8");
    assert_refused(eprof__align(NULL, &good, 10, 1, &a, &err), &err, EPROF_E_ARG, "ours", "no samples");
    assert_refused(eprof__align(&good, &nan_value, 10, 1, &a, &err), &err, EPROF_E_ARG, "meter",
                   "sample 7 of 40 has a value");
    assert_refused(eprof__align(&good, &not_rising, 10, 1, &a, &err), &err, EPROF_E_ARG, "meter",
                   "sample 9 of 40 has a time");
    assert_refused(eprof__align(&good, &elsewhere, 10, 1, &a, &err), &err, EPROF_E_UNSUPPORTED, "align",
                   "nothing in common");
    assert_refused(eprof__align(&good, &good, (double)NAN, 1, &a, &err), &err, EPROF_E_ARG, "range_s",
                   "expected 0.04 to 600");
    assert_refused(eprof__align(&good, &good, 1e9, 1, &a, &err), &err, EPROF_E_ARG, "range_s", "above 600");
    assert_refused(eprof__find_preamble(&flat, 1, &at, &quality, &err), &err, EPROF_E_UNSUPPORTED, "meter", "the same");
    assert_refused(eprof__find_preamble(&good, 4, &at, &quality, &err), &err, EPROF_E_UNSUPPORTED, "meter",
                   "shorter than");
    assert_refused(eprof__find_preamble(&good, 0, &at, &quality, &err), &err, EPROF_E_ARG, "chip_s",
                   "expected 0.05 to 60");
    assert_refused(eprof__find_preamble(&nan_value, 1, &at, &quality, &err), &err, EPROF_E_ARG, "meter",
                   "sample 7 of 40");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_delays_are_found),
        cmocka_unit_test(lag_is_a_delay),
        cmocka_unit_test(fast_clock_is_measured),
        cmocka_unit_test(same_seed_same_bits),
        cmocka_unit_test(doubtful_alignments_say_so),
        cmocka_unit_test(pattern_is_barkers),
        cmocka_unit_test(preamble_is_found),
        cmocka_unit_test(hostile_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
