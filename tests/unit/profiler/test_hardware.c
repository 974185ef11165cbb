/* SPDX-License-Identifier: MIT
 * test_hardware.c - the machine that the tests run on: its own CPU time and memory are measured, and every energy
 * source that is not there is reported as skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <edgeprof/edgeprof.h>

static double seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void work(double core_s)
{
    volatile double x = 1;
    for (const double end_s = seconds(CLOCK_PROCESS_CPUTIME_ID) + core_s; seconds(CLOCK_PROCESS_CPUTIME_ID) < end_s;)
        for (int i = 0; i < 1000; i++) x = x * 1.0000001;
}

static eprof *open_started(void)
{
    eprof *p = NULL;
    eprof_error err = EPROF_INIT(eprof_error);
    if (eprof_create(NULL, &p, &err) != EPROF_OK || eprof_start(p, &err) != EPROF_OK) fail_msg("%s", err.message);
    return p;
}

/* Other threads of this process are the profiler's alone: some hundred microseconds. Under an emulator on a busy
 * machine its two readings and ours can lie milliseconds apart. */
static void test_own_cpu_time(void **state)
{
    (void)state;
    eprof *p = open_started();
    eprof_result r = EPROF_INIT(eprof_result);
    const double before_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    const eprof_region region = eprof_begin(p, 0, "work");
    work(0.5);
    assert_int_equal(eprof_end(p, region, &r, NULL), EPROF_OK);
    const double used_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - before_s;
    assert_true(r.cpu.own_core_s >= 0.45 && r.cpu.own_core_s <= used_s + 0.05);
    assert_true(r.elapsed_s >= 0.49);
    assert_true(r.cpu.n_cpus > 0);
    assert_true(r.ram.anon_peak_mib > 0 && r.ram.anon_peak_mib < 1000);
    eprof_destroy(&p);
}

/* Where something measures, half a second of work is between 0.01 and 1000 J. */
static void test_energy_where_it_is_measured(void **state)
{
    (void)state;
    eprof *p = open_started();
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    int n_live = 0;
    for (int32_t i = 0; eprof_source(p, i, &s, NULL) == EPROF_OK; i++) {
        if (!s.live) printf("SKIP: hardware: %s: %s\n", s.name, s.why_not);
        else if (s.cls == EPROF_CLASS_MODEL) printf("SKIP: hardware: %s is an estimate\n", s.name);
        else n_live++;
    }
    eprof_result r = EPROF_INIT(eprof_result);
    const eprof_region region = eprof_begin(p, 0, "work");
    work(0.5);
    assert_int_equal(eprof_end(p, region, &r, NULL), EPROF_OK);
    if (n_live > 0 && r.n_energies > 0 && eprof_has(r.energy[0].gross_j))
        assert_true(r.energy[0].gross_j > 0.01 && r.energy[0].gross_j < 1000);
    eprof_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_cpu_time), cmocka_unit_test(test_energy_where_it_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
