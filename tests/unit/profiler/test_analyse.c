/* SPDX-License-Identifier: MIT
 * test_analyse.c - whole results of a machine that is known: CPU, memory, energy, flags, the audit; faults of
 * profiling.md 5.4 where the analysis meets them; what must not change a number.
 *
 * The machine: 4 CPUs, 2 % of them busy while idle; 3 W idle and 8 W under a load from 20 to 30 s; it stops at 50 s.
 */
#include "profiler/method/analyse.h"
#include "profiler/method/baseline.h"
#include "profiler/method/budget.h"
#include "profiler/method/integrate.h"
#include "tests/unit/profiler/synthetic.h"

static const double begin_s = 20.07, end_s = 30.03, stop_s = 50;
static const double idle_w = 3, load_w = 5, own_cores = 3, other_cores = 0.04;

static double loaded(double t) { return t < begin_s ? 0 : t > end_s ? end_s - begin_s : t - begin_s; } /* seconds so far
                                                                                                        *  */
static double power(double t) { return idle_w + (t >= begin_s && t < end_s ? load_w : 0); }
static double energy(double t) { return idle_w * t + load_w * loaded(t); }

static int32_t add_watts(eprof__record *r, double period_s)
{
    const int32_t c = add_channel(r, "meter", EPROF__POWER, EPROF_CLASS_SAMPLE, 0.001, period_s);
    r->channels[c].accuracy = 0.005;
    r->channels[c].least = 0;
    r->channels[c].most = 100;
    add_meter(r, "meter", 1, &c);
    return c;
}

static int32_t add_joules(eprof__record *r)
{
    const int32_t c = add_channel(r, "counter", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-6, 0.2);
    r->channels[c].accuracy = 0.005;
    r->channels[c].most = 100;
    add_meter(r, "counter", 1, &c);
    return c;
}

/* With readings at the region's edges. */
static void put_counter(eprof__record *r, int32_t c, double per_s_idle, double per_s_load)
{
    for (int i = 0; i <= 250; i++) put(r, c, 0.2 * i, per_s_idle * 0.2 * i + per_s_load * loaded(0.2 * i));
    put(r, c, begin_s, per_s_idle * begin_s);
    put(r, c, end_s, per_s_idle * end_s + per_s_load * loaded(end_s));
}

static void put_cpu(eprof__record *r, double others)
{
    const int32_t own = add_channel(r, "own", EPROF__CPU_OWN, EPROF_CLASS_COUNTER, 1e-9, 0.2);
    const int32_t busy = add_channel(r, "busy", EPROF__CPU_BUSY, EPROF_CLASS_COUNTER, 0.01, 0.2);
    const int32_t total = add_channel(r, "total", EPROF__CPU_TOTAL, EPROF_CLASS_COUNTER, 0.01, 0.2);
    put_counter(r, own, 0, own_cores);
    for (int i = 0; i <= 250; i++) {
        const double t = 0.2 * i;
        put(r, busy, t, floor((other_cores * t + (own_cores + others) * loaded(t)) * 100) / 100);
        put(r, total, t, 4 * t);
    }
}

static eprof_region put_prompt(eprof__record *r) { return put_region(r, 0, "prompt", begin_s, end_s, 1, 1); }

static eprof_result result_of(const eprof__record *r, eprof_region id)
{
    eprof_result out = EPROF_INIT(eprof_result);
    const eprof__region_record *g = eprof__record_region(r, id);
    eprof__analyse_region(r, g, g->end_ns < r->facts.stop_ns ? g->end_ns : r->facts.stop_ns, &out);
    return out;
}

static eprof__record *sampled_machine(double period_s)
{
    eprof__record *r = new_record(0, stop_s);
    put_wave(r, add_watts(r, period_s), 0, stop_s, period_s, power);
    (void)put_prompt(r);
    return r;
}

static eprof__record *counted_machine(void)
{
    eprof__record *r = new_record(0, stop_s);
    put_counter(r, add_joules(r), idle_w, load_w);
    (void)put_prompt(r);
    return r;
}

static eprof_energy first_energy(eprof__record *r)
{
    const eprof_result x = result_of(r, 1);
    assert_true(x.n_energies >= 1);
    eprof__record_destroy(&r);
    return x.energy[0];
}

/* --------------------------------------------------------------------------------------------------- CPU -- */

static void cpu_areas_and_their_difference(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    put_cpu(r, 0.1);
    const eprof_result x = result_of(r, put_prompt(r));
    const double length = end_s - begin_s;
    assert_near(x.cpu.own_core_s, 3 * length, 1e-9);
    assert_near(x.cpu.auc_exact_pct_s, 75 * length, 1e-6);
    assert_near(x.cpu.machine_core_s, (3.1 + other_cores) * length, 0.05); /* in ticks */
    assert_near(x.cpu.baseline_pct, 1, 0.1);
    assert_near(x.cpu.foreign_pct, 100 * (0.1 + other_cores) / 4, 0.1);
    /* 3.3: the series comes half an interval late: of both edges it has lost half, but for what the edges cut. */
    assert_near(x.cpu.auc_sampled_pct_s, 77.5 * length, 77.5 * 0.2);
    assert_true(x.cpu.auc_clipped_pct_s >= x.cpu.auc_sampled_pct_s);
    assert_near(x.cpu.auc_sampled_pct_s, x.cpu.auc_exact_pct_s + x.cpu.auc_foreign_pct_s + x.cpu.auc_lag_pct_s, 1e-9);
    assert_true(fabs(x.cpu.auc_lag_pct_s) <= 77.5 * 0.2 + 1);
    assert_false(x.flags & (EPROF_FLAG_LATE | EPROF_FLAG_FOREIGN_LOAD));
    assert_int_equal(x.cpu.n_cpus, 4);
    eprof__record_destroy(&r);
}

/* The identity of 3.3 in full: region edges on the grid, a load that goes on outside of it. */
static void the_series_lacks_half_of_its_ends(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    const int32_t own = add_channel(r, "own", EPROF__CPU_OWN, EPROF_CLASS_COUNTER, 1e-9, 0.2);
    const int32_t busy = add_channel(r, "busy", EPROF__CPU_BUSY, EPROF_CLASS_COUNTER, 1e-6, 0.2);
    const int32_t total = add_channel(r, "total", EPROF__CPU_TOTAL, EPROF_CLASS_COUNTER, 1e-6, 0.2);
    for (int i = 0; i <= 250; i++) {
        const double t = 0.2 * i, worked = fmin(fmax(t - 20, 0), 10);
        put(r, own, t, 4 * worked);
        put(r, busy, t, 4 * worked);
        put(r, total, t, 4 * t);
    }
    const eprof_result x = result_of(r, put_region(r, 0, "x", 20, 30, 1, 1));
    assert_near(x.cpu.auc_exact_pct_s, 1000, 1e-6);
    assert_near(x.cpu.auc_sampled_pct_s, 1000 - 0.5 * 0.2 * 100, 1e-3); /* u at 20 s is 0, at 30 s 100 % */
    assert_near(x.cpu.auc_lag_pct_s, -10, 1e-3);
    assert_near(x.cpu.auc_foreign_pct_s, 0, 1e-3);
    int64_t t[64];
    double u[64];
    assert_int_equal(eprof__utilisation(r, at(20), at(24), t, u, 64), 20);
    assert_true(t[0] == at(20.2) && t[19] == at(24));
    assert_near(u[0], 100, 1e-3);
    assert_int_equal(eprof__utilisation(r, at(0), at(50), t, u, 64), 64);
    eprof__record_destroy(&r);
}

static void foreign_load_is_seen(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    put_wave(r, add_watts(r, 0.2), 0, stop_s, 0.2, power);
    put_cpu(r, 0.5);
    const eprof_result x = result_of(r, put_prompt(r));
    assert_near(x.cpu.foreign_pct, 13.5, 0.5); /* over whole intervals: 10.2 s, of which 9.96 are loaded */
    assert_true(x.flags & EPROF_FLAG_FOREIGN_LOAD);
    assert_true(x.energy[0].flags & EPROF_FLAG_FOREIGN_LOAD);
    assert_true(x.energy[0].grade >= 'C');
    assert_near(x.cpu.auc_foreign_pct_s, 12.5 * (end_s - begin_s), 5);
    eprof__record_destroy(&r);
}

static void nothing_is_not_zero(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    const eprof_result x = result_of(r, put_prompt(r));
    const double absent[] = { x.cpu.own_core_s, x.cpu.machine_core_s, x.cpu.auc_exact_pct_s, x.cpu.auc_sampled_pct_s,
                              x.cpu.auc_clipped_pct_s, x.cpu.baseline_pct, x.cpu.foreign_pct, x.ram.anon_peak_mib,
                              x.ram.file_peak_mib, x.ram.auc_anon_mib_s, x.ram.auc_system_mib_s, x.ram.auc_system_pct_s,
                              x.ram.auc_system_before_mib_s, x.ram.system_peak_mib, x.ram.pss_mib, x.temp_begin_c,
                              x.temp_end_c, x.freq_mean_mhz, x.profiler_core_s };
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (eprof_has(absent[i])) fail_msg("value %zu is %g", i, absent[i]);
    assert_int_equal(x.n_energies, 0);
    assert_near(x.elapsed_s, end_s - begin_s, 1e-9);
    eprof_audit audit = EPROF_INIT(eprof_audit);
    eprof_error err = EPROF_INIT(eprof_error);
    assert_int_equal(eprof__audit(r, &audit, &err), EPROF_E_UNSUPPORTED);
    assert_string_equal(err.where, "energy");
    eprof__record_destroy(&r);
}

/* --------------------------------------------------------------------------------------------------- RAM -- */

static double anon_mib(double t) { return t < 5.01 ? 100 : t < begin_s ? 300 : 400; }
static double system_mib(double t) { return t < 0.01 ? 1000 : t < 15 ? 1500 : t < begin_s ? 1500 : 1800; }

static void memory_is_above_what_was_there(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    r->facts.ram_total_mib = 8000;
    put_wave(r, add_channel(r, "anon", EPROF__RAM_ANON, EPROF_CLASS_SAMPLE, 1.0 / 256, 0.2), 0, stop_s, 0.2, anon_mib);
    const int32_t sys = add_channel(r, "sys", EPROF__RAM_SYSTEM, EPROF_CLASS_SAMPLE, 1.0 / 256, 0.2);
    put_wave(r, sys, -1, stop_s, 0.2, system_mib);
    const int32_t pss = add_channel(r, "pss", EPROF__RAM_PSS, EPROF_CLASS_SAMPLE, 1.0 / 1024, 0);
    put(r, pss, end_s + 0.001, 345.5);
    put(r, pss, 45, 1);
    (void)put_region(r, 0, "(idle)", 1, 3, 1, 0); /* is no region that memory is counted from */
    const eprof_region load = put_region(r, 0, "load", 5, 15, 1, 1);
    const eprof_result x = result_of(r, put_prompt(r)), first = result_of(r, load);
    const double length = end_s - begin_s;
    assert_near(x.ram.anon_peak_mib, 400, 0.01);
    assert_near(x.ram.auc_anon_mib_s, 300 * length, 100 * 0.2);
    assert_near(first.ram.auc_anon_mib_s, 200 * 10, 200 * 0.2);
    assert_near(x.ram.auc_system_mib_s, 300 * length, 300 * 0.2);
    assert_near(x.ram.auc_system_pct_s, x.ram.auc_system_mib_s * 100 / 8000, 1e-9);
    assert_near(x.ram.auc_system_before_mib_s, 800 * length, 180);
    assert_near(x.ram.system_peak_mib, 1800, 0.01);
    assert_near(x.ram.pss_mib, 345.5, 0.001);
    assert_true(isnan(x.ram.file_peak_mib) && isnan(x.ram.auc_file_mib_s) && isnan(first.ram.pss_mib));
    eprof__record_destroy(&r);
}

/* ------------------------------------------------------------------------------------------------ energy -- */

static void counters_are_exact(void **state)
{
    (void)state;
    const eprof_energy e = first_energy(counted_machine());
    const double length = end_s - begin_s;
    assert_near(e.gross_j, 8 * length, 1e-5);
    assert_near(e.idle_j, 3 * length, 1e-5);
    assert_near(e.net_j, 5 * length, 1e-5);
    assert_near(e.idle_w, 3, 1e-6);
    assert_int_equal(e.flags, 0);
    assert_int_equal(e.grade, 'A');
    assert_near(e.budget_j[EPROF_TERM_GAIN], e.net_j * 0.005 / sqrt(3), 1e-6);
    assert_near(e.u_net_j, eprof__combine(e.budget_j), 0);
    assert_near(e.covered, 1, 0);
}

/* A tight window of a sampled box lacks dP dt / 6 at each edge on the average, a guarded one nothing. */
static void guards_keep_what_edges_lose(void **state)
{
    (void)state;
    const double length = end_s - begin_s;
    eprof__record *r = sampled_machine(0.5);
    const eprof_energy guarded = result_of(r, 1).energy[0];
    const double tight = eprof__integrate(&r->channels[0], &r->samples[0], at(begin_s), at(end_s)).value;
    assert_true(tight < 8 * length - 0.3);
    assert_near(guarded.net_j, 5 * length, 2 * guarded.u_net_j);
    assert_near(guarded.gross_j, guarded.net_j + guarded.idle_j, 1e-9);
    assert_near(guarded.budget_j[EPROF_TERM_SAMPLING], 5 * 0.5 / sqrt(6), 0.05);
    (void)put_region(r, 0, "next", end_s + 0.2, 32, 1, 1); /* no room */
    const eprof_energy narrow = result_of(r, 1).energy[0];
    assert_near(narrow.gross_j, tight, 1e-9);
    assert_true(narrow.net_j < guarded.net_j);
    eprof__record_destroy(&r);
}

/* At the region's end the last reading is a while ago, and what follows is not known. */
static void live_results_are_provisional(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, 0);
    const int32_t c = add_watts(r, 0.5);
    put_wave(r, c, 0, end_s, 0.5, power);
    (void)put_prompt(r);
    eprof_result live = EPROF_INIT(eprof_result);
    eprof__analyse_region(r, &r->regions[0], at(end_s), &live);
    assert_true(live.energy[0].flags & EPROF_FLAG_INCOMPLETE);
    assert_near(live.energy[0].covered, (30 - begin_s) / (end_s - begin_s), 1e-9);
    assert_near(live.energy[0].gross_j, 8 * (end_s - begin_s), 3);
    assert_true(eprof_has(live.energy[0].net_j) && live.energy[0].grade == 'D');
    put_wave(r, c, 30.5, stop_s, 0.5, power);
    r->facts.stop_ns = at(stop_s);
    const eprof_energy final = first_energy(r);
    assert_int_equal(final.flags, 0);
    assert_true(final.u_net_j > 0 && fabs(final.net_j - 5 * (end_s - begin_s)) < 2 * final.u_net_j);
}

static void without_idle_time_there_is_no_net(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    put_wave(r, add_watts(r, 0.2), 0, stop_s, 0.2, power);
    (void)put_region(r, 0, "all", 0.1, stop_s, 1, 1);
    const eprof_energy e = first_energy(r);
    assert_true(eprof_has(e.gross_j) && eprof_has(e.u_gross_j) && e.u_gross_j > 0);
    assert_true(isnan(e.net_j) && isnan(e.idle_j) && isnan(e.u_net_j) && isnan(e.idle_w) && e.grade == 0);
}

static void channels_add_up(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    int32_t c[3];
    for (int k = 0; k < 3; k++) {
        c[k] = add_channel(r, "rail", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-6, 0.2);
        r->channels[c[k]].accuracy = 0.01;
        put_counter(r, c[k], idle_w * (k + 1), load_w * (k + 1));
    }
    add_meter(r, "rails", 3, c);
    (void)put_prompt(r);
    eprof_energy e = result_of(r, 1).energy[0];
    assert_near(e.net_j, 30 * (end_s - begin_s), 1e-4);
    assert_near(e.budget_j[EPROF_TERM_GAIN], e.net_j * 0.01 / sqrt(3), 1e-6); /* one cause, one sign */
    assert_near(e.budget_j[EPROF_TERM_QUANTISATION], 1e-6 * sqrt(3) / sqrt(6), 1e-9);
    const int32_t empty = add_channel(r, "dead rail", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-6, 0.2);
    r->meters[0].channels[r->meters[0].n_channels++] = (int16_t)empty;
    e = result_of(r, 1).energy[0];
    assert_true(isnan(e.gross_j) && isnan(e.net_j)); /* a sum without one of its parts is none */
    eprof__record_destroy(&r);
}

static void what_measured_comes_first(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    (void)add_joules(r); /* never read */
    put_wave(r, add_watts(r, 0.2), 0, stop_s, 0.2, power);
    const eprof_result x = result_of(r, put_prompt(r));
    assert_int_equal(x.n_energies, 2);
    assert_string_equal(x.energy[0].source, "meter");
    assert_string_equal(x.energy[1].source, "counter");
    assert_true(isnan(x.energy[1].gross_j) && x.energy[1].grade == 0 && (x.energy[1].flags & EPROF_FLAG_INCOMPLETE));
    eprof__record_destroy(&r);
}

static void an_idle_region_costs_nothing(void **state)
{
    (void)state;
    int inside = 0;
    for (uint64_t k = 0; k < 40; k++) {
        dice d = { 40 + k };
        eprof__record *r = new_record(0, stop_s);
        const int32_t c = add_watts(r, 0.1);
        for (int i = 0; i <= 500; i++) put(r, c, 0.1 * i, 3 + 0.1 * normal(&d));
        (void)put_prompt(r);
        const eprof_energy e = first_energy(r);
        assert_true(fabs(e.net_j) < 4 * e.u_net_j);
        assert_true(e.flags & EPROF_FLAG_BELOW_RESOLUTION || fabs(e.net_j) >= 3 * e.u_net_j);
        inside += fabs(e.net_j) <= 2 * e.u_net_j;
    }
    assert_in_range(inside, 35, 40);
}

static void the_audit_balances(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        eprof__record *r = k ? sampled_machine(0.5) : counted_machine();
        (void)put_region(r, 1, "inner", 22, 25, 1, 1);
        (void)put_region(r, 0, "other", 40, 45, 1, 1);
        eprof_audit audit = EPROF_INIT(eprof_audit);
        assert_int_equal(eprof__audit(r, &audit, NULL), EPROF_OK);
        assert_int_equal(audit.n_regions, 2);
        assert_near(audit.total_j, energy(stop_s), k ? 2 : 1e-4);
        assert_near(audit.residual_j, audit.total_j - audit.regions_j - audit.outside_j, 1e-9);
        assert_near(audit.residual_j, 0, k ? 2 * audit.resolution_j : 1e-4);
        assert_true(audit.resolution_j > 0);
        eprof_result run = EPROF_INIT(eprof_result);
        eprof__analyse_run(r, &run);
        assert_string_equal(run.name, "run");
        assert_true(run.id == 0 && run.begin_ns == at(0) && run.end_ns == at(stop_s));
        assert_near(run.energy[0].gross_j, audit.total_j, 1e-9);
        assert_near(run.energy[0].idle_w, 3, 0.01); /* of the idle time within */
        assert_near(run.energy[0].net_j, load_w * (end_s - begin_s), k ? 3 : 0.1);
        eprof__record_destroy(&r);
    }
}

/* ------------------------------------------------------------------------------------------------ faults -- */

static void a_counter_that_stands_is_stuck(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    const int32_t c = add_joules(r);
    put_cpu(r, 0);
    for (int i = 0; i <= 250; i++) put(r, c, 0.2 * i, 77);
    (void)put_prompt(r);
    const eprof_energy dead = first_energy(r);
    assert_true(dead.flags & EPROF_FLAG_STUCK);
    assert_true(isnan(dead.gross_j) && isnan(dead.net_j) && dead.grade == 0);
    r = new_record(0, stop_s);
    const int32_t half = add_joules(r);
    put_cpu(r, 0);
    for (int i = 0; i <= 250; i++) put(r, half, 0.2 * i, energy(fmin(0.2 * i, 25))); /* freezes in the middle */
    (void)put_prompt(r);
    const eprof_energy frozen = first_energy(r);
    assert_true(frozen.flags & EPROF_FLAG_STUCK);
    assert_true(frozen.gross_j <= 8 * 5 && frozen.grade == 'E');
}

static void wraps_resets_and_errors(void **state)
{
    (void)state;
    const double length = end_s - begin_s;
    eprof__record *r = counted_machine(); /* wraps once within */
    r->channels[0].wrap = 100000000000;
    for (int64_t i = 0; i < r->samples[0].n; i++) {
        eprof__sample *x = &r->samples[0].ring[i];
        x->raw = (x->raw + 99900000000) % 100000000000;
    }
    eprof_energy e = first_energy(r);
    assert_near(e.net_j, 5 * length, 1e-4);
    assert_int_equal(e.flags, 0);
    r = counted_machine(); /* is reset at 25 s */
    for (int64_t i = eprof__samples_before(&r->samples[0], at(25)); i < r->samples[0].n; i++)
        r->samples[0].ring[i].raw -= 98000000;
    e = first_energy(r);
    assert_true(e.flags & EPROF_FLAG_WENT_BACK && e.flags & EPROF_FLAG_INCOMPLETE && e.grade == 'D');
    assert_near(e.gross_j, 8 * (length - 0.2), 1e-4);
    assert_near(e.net_j, 5 * (length - 0.2), 1e-3); /* idle power of what is covered alone */
    r = counted_machine(); /* one reading fails, one goes back by a step */
    r->samples[0].ring[110].flags = EPROF_FLAG_READ_ERROR;
    r->samples[0].ring[110].raw = -1;
    e = first_energy(r);
    assert_int_equal(e.flags, EPROF_FLAG_READ_ERROR);
    assert_near(e.net_j, 5 * length, 1e-4);
    assert_int_equal(e.grade, 'B');
}

static void gaps_in_samples(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        const double gap = k ? 3 : 1, length = end_s - begin_s;
        eprof__record *r = new_record(0, stop_s);
        const int32_t c = add_watts(r, 0.2);
        for (int i = 0; i <= 250; i++)
            if (i * 0.2 < 24.1 || i * 0.2 > 24.1 + gap) put(r, c, 0.2 * i, power(0.2 * i));
        (void)put_prompt(r);
        const eprof_energy e = first_energy(r);
        assert_true(e.flags & EPROF_FLAG_GAP);
        assert_int_equal((e.flags & EPROF_FLAG_INCOMPLETE) != 0, k);
        assert_near(e.net_j, 5 * length * e.covered, 2 * e.u_net_j);
        assert_near(e.covered, k ? 1 - 3.2 / length : 1, 0.03);
        assert_int_equal(e.grade, k ? 'D' : 'B');
    }
}

static void a_sleep_of_the_machine(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        eprof__record *r = counted_machine();
        const int32_t boot = add_channel(r, "boot", EPROF__BOOTTIME, EPROF_CLASS_SAMPLE, 1e-9, 1);
        const double slept_at = k ? 25.5 : 35.5; /* within the region, and behind it */
        for (int i = 0; i <= 50; i++)
            put_raw(r, boot, i, at(i) + 7000000000 + (i > slept_at ? 60000000000 : 0) + i * 100, 0);
        const eprof_result x = result_of(r, 1);
        assert_int_equal((x.flags & EPROF_FLAG_SUSPENDED) != 0, k);
        assert_int_equal((x.energy[0].flags & EPROF_FLAG_SUSPENDED) != 0, k);
        assert_int_equal(x.energy[0].grade, k ? 'E' : 'A');
        assert_near(x.elapsed_s, end_s - begin_s, 1e-9);
        eprof__record_destroy(&r);
    }
}

static void heat_and_throttling(void **state)
{
    (void)state;
    eprof__record *r = counted_machine();
    const int32_t temp = add_channel(r, "temp", EPROF__TEMP, EPROF_CLASS_SAMPLE, 0.001, 1);
    const int32_t freq = add_channel(r, "freq", EPROF__FREQ, EPROF_CLASS_SAMPLE, 1, 1);
    const int32_t bits = add_channel(r, "bits", EPROF__THROTTLED, EPROF_CLASS_SAMPLE, 1, 1);
    const int32_t self = add_channel(r, "self", EPROF__SELF, EPROF_CLASS_COUNTER, 1e-9, 1);
    for (int i = 0; i <= 50; i++) {
        put(r, temp, i, 40 + loaded(i));
        put(r, freq, i, i > 25 ? 1500 : 2400);
        put_raw(r, bits, i, i == 27 ? 4 : 0, 0);
        put(r, self, i, 0.0005 * i);
    }
    const eprof_result x = result_of(r, 1);
    assert_near(x.temp_begin_c, 40, 0.1);
    assert_near(x.temp_end_c, 40 + end_s - begin_s, 0.1);
    assert_near(x.freq_mean_mhz, (2400 * (25.5 - begin_s) + 1500 * (end_s - 25.5)) / (end_s - begin_s), 5);
    assert_near(x.profiler_core_s, 0.0005 * (end_s - begin_s), 1e-9);
    assert_true(x.flags & EPROF_FLAG_THROTTLED && x.energy[0].flags & EPROF_FLAG_THROTTLED);
    assert_int_equal(x.energy[0].grade, 'B');
    eprof__record_destroy(&r);
}

static void lost_history_is_said(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    const eprof__channel c = { .name = "w", .kind = EPROF__POWER, .cls = EPROF_CLASS_SAMPLE,
                               .scope = EPROF_SCOPE_BOARD_DC, .scale = 0.001, .lsb = 0.001,
                               .period_ns = 200000000, .is_calibrated = true };
    const int32_t i = eprof__record_add_channel(r, &c, 125, NULL); /* the last 25 s */
    add_meter(r, "w", 1, &i);
    put_wave(r, i, 0, stop_s, 0.2, power);
    const eprof_result x = result_of(r, put_prompt(r));
    assert_true(x.flags & EPROF_FLAG_HISTORY && x.energy[0].flags & EPROF_FLAG_INCOMPLETE);
    assert_near(x.energy[0].covered, (end_s - 25.2) / (end_s - begin_s), 0.001);
    assert_near(x.energy[0].net_j, 5 * (end_s - 25.2), 1);
    eprof__record_destroy(&r);
}

static void late_and_partial_sources(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    const int32_t c = add_watts(r, 0.1);
    r->channels[c].is_calibrated = false;
    r->meters[0].scope = EPROF_SCOPE_SOC;
    for (int i = 0; i <= 500; i++)
        eprof__record_append(r, c, at(0.1 * i - 0.03), at(0.1 * i + 0.03), (int64_t)(power(0.1 * i) * 1000), 0);
    const eprof_result x = result_of(r, put_prompt(r));
    assert_int_equal(x.energy[0].flags, EPROF_FLAG_LATE | EPROF_FLAG_UNCALIBRATED | EPROF_FLAG_PARTIAL_SCOPE);
    assert_true(x.flags & EPROF_FLAG_LATE);
    assert_near(x.energy[0].budget_j[EPROF_TERM_TIMESTAMPS], 5 * sqrt(2) * 0.03 / sqrt(3), 0.01);
    assert_int_equal(x.energy[0].grade, 'C');
    eprof__record_destroy(&r);
}

static void a_region_left_open(void **state)
{
    (void)state;
    eprof__record *r = new_record(0, stop_s);
    put_counter(r, add_joules(r), idle_w, load_w);
    const eprof_region id = eprof__record_begin(r, 0, "open", at(begin_s), 1, 0);
    eprof__record_annotate(r, id, "tokens", 12);
    const eprof_result x = result_of(r, id);
    assert_true(x.flags & EPROF_FLAG_INCOMPLETE);
    assert_near(x.energy[0].gross_j, energy(stop_s) - energy(begin_s), 1e-4);
    assert_int_equal(x.n_notes, 1);
    assert_string_equal(x.notes[0].key, "tokens");
    assert_near(x.notes[0].value, 12, 0);
    eprof__record_destroy(&r);
}

/* ------------------------------------------------------------------------------------------- invariances -- */

static eprof__record *noisy_machine(double period_s, double jitter, double add_w, double clock, double shift_s)
{
    eprof__record *r = new_record(0, stop_s);
    dice d = { 1234 };
    const int32_t c = add_watts(r, period_s);
    for (double t = 0.3; t < stop_s - 0.3; t += period_s) {
        const double when = t + uniform(&d, -jitter, jitter);
        put(r, c, when * clock + shift_s, power(when) + add_w + 0.05 * normal(&d));
    }
    (void)put_prompt(r);
    return r;
}

static void what_must_not_matter(void **state)
{
    (void)state;
    const eprof_energy plain = first_energy(noisy_machine(0.2, 0.002, 0, 1, 0));
    const eprof_energy higher = first_energy(noisy_machine(0.2, 0.002, 2, 1, 0));
    assert_near(higher.net_j, plain.net_j, 0.005);     /* a constant in signal and baseline */
    assert_near(higher.gross_j, plain.gross_j + 2 * (end_s - begin_s), 0.01);
    const eprof_energy shifted = first_energy(noisy_machine(0.2, 0.002, 0, 1, 0.4));
    assert_near(shifted.net_j, plain.net_j, plain.u_net_j); /* a late meter, within the guard */
    const eprof_energy fast = first_energy(noisy_machine(0.2, 0.002, 0, 1.0002, 0));
    assert_near(fast.net_j, plain.net_j, plain.u_net_j);
    const eprof_energy half = first_energy(noisy_machine(0.4, 0.002, 0, 1, 0));
    assert_near(half.net_j, plain.net_j, half.u_net_j);
    const eprof_energy jittery = first_energy(noisy_machine(0.2, 0.02, 0, 1, 0));
    assert_near(jittery.net_j, plain.net_j, plain.u_net_j);
    assert_near(plain.net_j, 5 * (end_s - begin_s), 2 * plain.u_net_j);
}

/* The same readings that came in another order between channels, with a failed one at the end of another ring. */
static void the_same_record_gives_the_same_bits(void **state)
{
    (void)state;
    eprof_result results[2];
    memset(results, 0, sizeof results);
    for (int k = 0; k < 2; k++) {
        eprof__record *r = new_record(0, stop_s);
        const int32_t w = add_watts(r, 0.2), j = add_joules(r);
        if (k == 0) {
            put_wave(r, w, 0, stop_s, 0.2, power);
            put_counter(r, j, idle_w, load_w);
        } else {
            put_counter(r, j, idle_w, load_w);
            for (int i = 250; i >= 0; i--) put(r, w, 0.2 * i, power(0.2 * i)); /* late ones are put in their place */
        }
        put_cpu(r, 0);
        results[k] = result_of(r, put_prompt(r));
        eprof__record_destroy(&r);
    }
    assert_memory_equal(&results[0], &results[1], sizeof results[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_areas_and_their_difference),
        cmocka_unit_test(the_series_lacks_half_of_its_ends),
        cmocka_unit_test(foreign_load_is_seen),
        cmocka_unit_test(nothing_is_not_zero),
        cmocka_unit_test(memory_is_above_what_was_there),
        cmocka_unit_test(counters_are_exact),
        cmocka_unit_test(guards_keep_what_edges_lose),
        cmocka_unit_test(live_results_are_provisional),
        cmocka_unit_test(without_idle_time_there_is_no_net),
        cmocka_unit_test(channels_add_up),
        cmocka_unit_test(what_measured_comes_first),
        cmocka_unit_test(an_idle_region_costs_nothing),
        cmocka_unit_test(the_audit_balances),
        cmocka_unit_test(a_counter_that_stands_is_stuck),
        cmocka_unit_test(wraps_resets_and_errors),
        cmocka_unit_test(gaps_in_samples),
        cmocka_unit_test(a_sleep_of_the_machine),
        cmocka_unit_test(heat_and_throttling),
        cmocka_unit_test(lost_history_is_said),
        cmocka_unit_test(late_and_partial_sources),
        cmocka_unit_test(a_region_left_open),
        cmocka_unit_test(what_must_not_matter),
        cmocka_unit_test(the_same_record_gives_the_same_bits),
    };
    return cmocka_run_group_tests_name("analyse", tests, NULL, NULL);
}
