/* SPDX-License-Identifier: MIT
 * test_coverage.c - whether 95 % intervals are: net energy of 1000 synthetic truths, seen by five kinds of meters.
 *
 * A truth is idle power (a level, noise of 0.2 s, a slow wander) with a load on top (a box of one or two levels with a
 * ripple of tokens). Each meter sees it with a gain and an offset from within its limits, with noise, its own grid,
 * jitter and resolution. Its record goes through the analysis as any other does; net - 2 u .. net + 2 u is to have
 * the load's energy in it 93 to 97 times of a hundred (profiling.md 4.9, 5.5).
 */
#include <stdlib.h>

#include "profiler/method/analyse.h"
#include "tests/unit/profiler/synthetic.h"

enum { N_TRUTHS = 1000, N_KINDS = 5, STEP_US = 5000, MAX_STEPS = 20000 };
static const double step_s = STEP_US * 1e-6;

typedef struct meter_kind {
    const char *name;
    eprof_class cls;
    double period_s, update_s, half_s, lsb, accuracy, offset_w, noise_w;
    bool is_fit; /* accuracy is the spread of a fit (normal), not a data sheet's limit (uniform) */
} meter_kind;

static const meter_kind kinds[N_KINDS] = {
    { "counter, 1 ms",  EPROF_CLASS_COUNTER, 0.2,  0.001, 0.000005, 61e-6, 0.03,  0.1,  0, true },
    { "meter, 1 Hz",    EPROF_CLASS_SAMPLE,  1.0,  0,     0.002,    0.001, 0.005, 0.02, 0.005, false },
    { "sensor, 5 Hz",   EPROF_CLASS_SAMPLE,  0.2,  0,     0.001,    0.001, 0.01,  0.05, 0.01, false },
    { "PMIC, 10 Hz",    EPROF_CLASS_SAMPLE,  0.1,  0,     0.012,    0.003, 0.03,  0.1,  0.02, true },
    { "meter, 25 Hz",   EPROF_CLASS_SAMPLE,  0.04, 0,     0.001,    0.001, 0.005, 0.02, 0.01, false },
};

typedef struct truth {
    double begin_s, end_s, stop_s; /* the load, the record */
    double net_j;
    int32_t n;
    double energy_j[MAX_STEPS + 1]; /* up to each step */
} truth;

static void make_truth(dice *d, truth *x)
{
    x->begin_s = uniform(d, 12, 30);
    const double length = uniform(d, 4, 20);
    x->end_s = x->begin_s + length;
    x->stop_s = x->end_s + uniform(d, 8, 20);
    const double level = uniform(d, 2.5, 5), load = uniform(d, 3, 8), ripple = uniform(d, 0, 0.3);
    const double token_s = 1 / uniform(d, 2, 9), prefill_s = x->begin_s + uniform(d, 0.1, 0.4) * length;
    const double prefill = uniform(d, 0.9, 1.2);
    const double fast_keep = exp(-step_s / 0.2), slow_keep = exp(-step_s / 10);
    double fast = normal(d), slow = normal(d);
    x->n = (int32_t)(x->stop_s / step_s);
    x->net_j = x->energy_j[0] = 0;
    for (int32_t i = 0; i < x->n; i++) {
        const double t = (i + 0.5) * step_s;
        fast = fast * fast_keep + normal(d) * sqrt(1 - fast_keep * fast_keep);
        slow = slow * slow_keep + normal(d) * sqrt(1 - slow_keep * slow_keep);
        const double begun = (t - x->begin_s) / step_s + 0.5, left = (x->end_s - t) / step_s + 0.5;
        const double into = fmax(0, fmin(1, begun)) * fmax(0, fmin(1, left));
        const double beat = fmod(t, token_s) < token_s / 2 ? 1 + ripple : 1 - ripple;
        const double extra = into * load * (t < prefill_s ? prefill : beat);
        x->net_j += extra * step_s;
        x->energy_j[i + 1] = x->energy_j[i] + (level * (1 + 0.03 * fast + 0.02 * slow) + extra) * step_s;
    }
}

static double energy_at(const truth *x, double t_s)
{
    const double place = fmin(fmax(t_s / step_s, 0), x->n - 1e-9);
    const int32_t i = (int32_t)place;
    return x->energy_j[i] + (x->energy_j[i + 1] - x->energy_j[i]) * (place - i);
}

static void read_meter(eprof__record *r, const truth *x, const meter_kind *k, dice *d, double t_s, double gain,
                       double zero)
{
    const double h = k->half_s, late = uniform(d, -1, 1) * h; /* when within the read it was really taken */
    double value;
    if (k->cls == EPROF_CLASS_COUNTER) {
        const double shown = floor((t_s + late) / k->update_s) * k->update_s;
        value = energy_at(x, shown) * gain + zero * shown;
    } else {
        const double t = t_s + late;
        const double power = (energy_at(x, t + step_s / 4) - energy_at(x, t - step_s / 4)) / (step_s / 2);
        value = power * gain + zero + normal(d) * k->noise_w;
    }
    eprof__record_append(r, 0, at(t_s - h), at(t_s + h), (int64_t)floor(value / k->lsb), 0);
}

static eprof_energy measure(const truth *x, const meter_kind *k, dice *d)
{
    eprof__record *r = new_record(0, x->stop_s);
    const eprof__kind kind = k->cls == EPROF_CLASS_COUNTER ? EPROF__ENERGY : EPROF__POWER;
    const int32_t c = add_channel(r, k->name, kind, k->cls, k->lsb, k->period_s);
    r->channels[c].update_ns = (int64_t)(k->update_s * 1e9);
    r->channels[c].accuracy = k->accuracy;
    r->channels[c].offset_w = k->offset_w;
    add_meter(r, k->name, 1, &c);
    const double off = k->is_fit ? normal(d) / sqrt(3) : uniform(d, -1, 1);
    const double gain = 1 + off * k->accuracy, zero = uniform(d, -1, 1) * k->offset_w;
    const double phase = uniform(d, 0, k->period_s);
    bool edges[2] = { k->cls != EPROF_CLASS_COUNTER, k->cls != EPROF_CLASS_COUNTER };
    for (double t = phase; t < x->stop_s - 0.1; t += k->period_s) {
        if (!edges[0] && t > x->begin_s) {
            read_meter(r, x, k, d, x->begin_s - 1e-5, gain, zero);
            edges[0] = true;
        }
        if (!edges[1] && t > x->end_s) {
            read_meter(r, x, k, d, x->end_s + 1e-5, gain, zero);
            edges[1] = true;
        }
        read_meter(r, x, k, d, t + uniform(d, 0, 0.02) * k->period_s, gain, zero);
    }
    const eprof_region id = put_region(r, 0, "prompt", x->begin_s, x->end_s, 1, 1);
    eprof_energy e;
    eprof__analyse_energy(r, &r->meters[0], eprof__record_region(r, id), at(x->end_s), &e);
    eprof__record_destroy(&r);
    return e;
}

typedef struct tally {
    int32_t n, n_inside, n_unstable;
    double error, error2, relative_u, terms2[EPROF_N_TERMS];
} tally;

static void count(tally *t, const truth *x, const eprof_energy *e)
{
    const double z = (e->net_j - x->net_j) / e->u_net_j;
    t->n++;
    t->n_inside += fabs(z) <= 2;
    t->n_unstable += (e->flags & EPROF_FLAG_BASELINE_UNSTABLE) != 0;
    t->error += z;
    t->error2 += z * z;
    t->relative_u += 2 * e->u_net_j / x->net_j;
    for (int i = 0; i < EPROF_N_TERMS; i++) t->terms2[i] += pow(e->budget_j[i] / e->u_net_j, 2);
}

static void print_table(const tally *tallies)
{
    printf("coverage of net +- 2 u over %d truths\n%-14s %9s %8s %8s %8s %9s  share of u^2\n", N_TRUTHS, "meter",
           "covered_%", "mean_z", "rms_z", "u95_%", "unstable");
    for (int k = 0; k < N_KINDS; k++) {
        const tally *t = &tallies[k];
        printf("%-14s %9.1f %8.2f %8.2f %8.2f %9d ", kinds[k].name, 100.0 * t->n_inside / t->n, t->error / t->n,
               sqrt(t->error2 / t->n), 100 * t->relative_u / t->n, t->n_unstable);
        for (int i = 0; i < EPROF_N_TERMS; i++)
            if (t->terms2[i] / t->n > 0.01) printf(" %s %.0f %%", eprof_term_name(i), 100 * t->terms2[i] / t->n);
        printf("\n");
    }
}

static void intervals_hold_the_truth(void **state)
{
    (void)state;
    static truth x;
    tally tallies[N_KINDS] = { { 0 } };
    for (uint64_t i = 0; i < N_TRUTHS; i++) {
        dice d = { 1000 + i };
        make_truth(&d, &x);
        for (int k = 0; k < N_KINDS; k++) {
            const eprof_energy e = measure(&x, &kinds[k], &d);
            assert_true(eprof_has(e.net_j) && e.u_net_j > 0);
            count(&tallies[k], &x, &e);
        }
    }
    print_table(tallies);
    for (int k = 0; k < N_KINDS; k++) {
        assert_in_range(tallies[k].n_inside, 930, 970);
        assert_int_equal(tallies[k].n, N_TRUTHS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(intervals_hold_the_truth) };
    return cmocka_run_group_tests_name("coverage", tests, NULL, NULL);
}
