/* SPDX-License-Identifier: MIT
 * test_source_powercap.c - zones of powercap: names, twins, ranges, permissions; and what becomes of counters that
 * wrap, fall, stand or vanish, up to the joules that are counted from them.
 */
#include "tests/unit/profiler/fake_counter.h"

#include <errno.h>
#include <math.h>

#include "profiler/method/integrate.h"

#define ENERGY "/sys/class/powercap/intel-rapl:0/energy_uj"
#define UNLOCK "sudo chmod a+r /sys/class/powercap/*/energy_uj"

static void open_zones(probed *p, const char *folder)
{
    probed_open(p, folder);
    eprof__probe_powercap(&p->all);
}

static void test_a_laptop(void **state)
{
    static const struct { const char *name; eprof_scope scope; int64_t uj; bool at_edges; } zones[] = {
        { "powercap:package-0", EPROF_SCOPE_PACKAGE, 1000000, true },
        { "powercap:package-0/core", EPROF_SCOPE_CORES, 500000, false },
        { "powercap:package-0/uncore", EPROF_SCOPE_UNCORE, 20000, false },
        { "powercap:psys", EPROF_SCOPE_SOC, 3000000, true },
        { "powercap:package-0@intel-rapl-mmio:0", EPROF_SCOPE_PACKAGE, 1000100, true } };
    probed p;
    (void)state;
    open_zones(&p, "tests/machines/intel-laptop");
    assert_int_equal(p.all.n, 5);
    for (int i = 0; i < 5; i++) {
        eprof__source *s = &p.all.list[i]; /* the mmio twin last */
        assert_string_equal(s->info.name, zones[i].name);
        assert_string_equal(s->channels[0].name, zones[i].name);
        assert_int_equal(s->info.scope, zones[i].scope);
        assert_int_equal(s->at_edges, zones[i].at_edges);
        assert_int_equal(probed_read(&p, s), 0);
        assert_int_equal(p.raw[0], zones[i].uj);
        assert_true(s->channels[0].wrap == UINT64_C(262143328912)); /* 2^32 steps of 61.035 uJ */
        assert_true(fabs(s->channels[0].lsb - 61.035e-6) < 1e-9);
    }
    assert_string_equal(p.all.list[0].info.what, "RAPL, package-0, through powercap (intel-rapl:0)");
    probed_close(&p);
}

static void test_names_that_repeat(void **state)
{
    probed p;
    (void)state;
    open_zones(&p, "tests/machines/xeon-2-socket");
    assert_int_equal(p.all.n, 4);
    assert_int_equal(probed_read(&p, probed_find(&p, "powercap:package-1")), 0);
    assert_int_equal(p.raw[0], 7000000); /* zone 0 is package 1 */
    assert_int_equal(probed_read(&p, probed_find(&p, "powercap:package-1/dram")), 0);
    assert_int_equal(p.raw[0], 2000000);
    assert_int_equal(probed_read(&p, probed_find(&p, "powercap:package-0/dram")), 0);
    assert_int_equal(p.raw[0], 3000000);
    assert_true(probed_find(&p, "powercap:package-0/dram")->channels[0].lsb < 16e-6); /* a step of its own */
    probed_close(&p);
    open_zones(&p, "tests/machines/multi-die");
    assert_int_equal(probed_find(&p, "powercap:package-0-die-1")->info.scope, EPROF_SCOPE_PACKAGE);
    assert_int_equal(probed_find(&p, "powercap:package-0-die-1/dram")->info.scope, EPROF_SCOPE_DRAM);
    probed_close(&p);
}

static void test_locked_zones(void **state)
{
    probed p;
    (void)state;
    open_zones(&p, "tests/machines/locked-laptop");
    assert_int_equal(p.all.n, 2);
    assert_dead(probed_find(&p, "powercap:package-0"), ENERGY ": permission denied", UNLOCK);
    assert_dead(probed_find(&p, "powercap:package-0/core"), "permission denied", UNLOCK);
    assert_int_equal(probed_find(&p, "powercap:package-0")->info.scope, EPROF_SCOPE_PACKAGE);
    probed_close(&p);
}

static void test_ranges_that_are_not_known(void **state)
{
    probed p;
    (void)state;
    open_zones(&p, "tests/machines/no-range");
    assert_int_equal(probed_find(&p, "powercap:package-0")->info.live, 1);
    assert_true(probed_find(&p, "powercap:package-0")->channels[0].wrap == 0); /* may not be read */
    assert_true(probed_find(&p, "powercap:package-0/core")->channels[0].wrap == 0); /* says 0 */
    probed_close(&p);
    static const char *const bad[] = { "18446744073709551615\n", "-1\n", "abc\n", "" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        probed_open(&p, "tests/machines/intel-laptop");
        fake_file(p.m, "/sys/class/powercap/intel-rapl:0/max_energy_range_uj", bad[i]);
        eprof__probe_powercap(&p.all);
        assert_true(probed_find(&p, "powercap:package-0")->channels[0].wrap == 0);
        probed_close(&p);
    }
}

static void test_machines_without_zones(void **state)
{
    probed p;
    (void)state;
    open_zones(&p, "tests/machines/no-powercap");
    assert_dead(probed_find(&p, "powercap"), "no RAPL zones in /sys/class/powercap", "sudo modprobe intel_rapl_msr");
    probed_close(&p);
    open_zones(&p, "tests/machines/this-vm");
    assert_dead(probed_find(&p, "powercap"), "this is a virtual machine", "");
    probed_close(&p);
    open_zones(&p, NULL);
    assert_int_equal(p.all.n, 0);
    probed_close(&p);
}

static void test_readings_that_fail(void **state)
{
    static const struct { const char *text; int status; int64_t uj; } cases[] = {
        { "5\n", 0, 5 }, { "2147483648\n", 0, INT64_C(2147483648) }, { "262143328911\n", 0, INT64_C(262143328911) },
        { "262143328912\n", -ERANGE, 0 }, { "4294967295000000\n", -ERANGE, 0 },
        { "18446744073709551615\n", -ERANGE, 0 }, { "9223372036854775808\n", -ERANGE, 0 },
        { "99999999999999999999999\n", -ERANGE, 0 }, { "", -EINVAL, 0 }, { "123", -EINVAL, 0 }, { "\n", -EINVAL, 0 },
        { "1,5\n", -EINVAL, 0 }, { "1.5\n", -EINVAL, 0 }, { "-1\n", -EINVAL, 0 }, { "abc\n", -EINVAL, 0 } };
    static const int errors[] = { EACCES, ENODEV, EIO, EAGAIN, EINVAL }; /* ENODEV: the zone is gone */
    char text[160] = "";
    fake_counter c = { .watts = 0, .base = 77 };
    probed p;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        probed_open(&p, "tests/machines/intel-laptop");
        fake_file(p.m, ENERGY, cases[i].text);
        eprof__probe_powercap(&p.all);
        assert_int_equal(probed_read(&p, probed_find(&p, "powercap:package-0")), cases[i].status);
        assert_int_equal(p.ok[0], cases[i].status == 0);
        if (p.ok[0]) assert_true(p.raw[0] == cases[i].uj);
        probed_close(&p);
    }
    probed_open(&p, "tests/machines/intel-laptop");
    fake_zone(p.m, "intel-rapl:0", &c);
    eprof__probe_powercap(&p.all);
    eprof__source *s = probed_find(&p, "powercap:package-0");
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fake_error(p.m, ENERGY, 'r', errors[i], 1);
        assert_int_equal(probed_read(&p, s), -errors[i]);
        assert_false(p.ok[0]);
    }
    fake_error(p.m, ENERGY, 'r', EINTR, 50);
    assert_int_equal(probed_read(&p, s), 0);
    fake_error(p.m, ENERGY, 'r', 0, 2); /* the line end is missing: who knows what else */
    assert_int_equal(probed_read(&p, s), -EINVAL);
    memset(text, '1', 100);
    fake_file(p.m, ENERGY, text);
    assert_true(probed_read(&p, s) != 0);
    probed_close(&p);
}

/* Joules over the whole of some readings, as analysis counts them. */
static eprof__area joules_of(const char *machine, const char *const *lines, int n, int64_t apart_ns)
{
    eprof__sample ring[16] = { { 0 } };
    eprof__samples samples = { .ring = ring, .capacity = 16 };
    probed p;
    probed_open(&p, machine);
    fake_file(p.m, ENERGY, lines[0]);
    eprof__probe_powercap(&p.all);
    eprof__source *s = probed_find(&p, "powercap:package-0");
    for (int i = 0; i < n; i++) {
        fake_counter c = { 0 };
        uint64_t uj = 0;
        assert_int_equal(eprof__parse_u64(lines[i], &uj), 0);
        c.base = uj;
        fake_zone(p.m, "intel-rapl:0", &c);
        const int status = probed_read(&p, s);
        ring[i] = (eprof__sample){ .t_ns = i * apart_ns, .raw = p.raw[0], .half_ns = 500,
                                   .flags = status ? EPROF_FLAG_READ_ERROR : 0 };
    }
    samples.n = samples.n_ever = n;
    const eprof__area a = eprof__integrate(&s->channels[0], &samples, 0, (n - 1) * apart_ns);
    probed_close(&p);
    return a;
}

static void test_what_becomes_of_wraps_and_faults(void **state)
{
    enum { PERIOD = 200000000 };
    static const char laptop[] = "tests/machines/intel-laptop", no_range[] = "tests/machines/no-range";
    static const struct {
        const char *machine, *lines[4];
        int64_t apart_ns;
        double least_j, most_j;   /* bounds of what is counted */
        uint32_t flag;            /* 0: none */
    } cases[] = {
        { laptop, { "1000000\n", "11000000\n", "21000000\n", "31000000\n" }, PERIOD, 29.9, 30.1, 0 },
        { laptop, { "262123328912\n", "262138328912\n", "5000000\n", "15000000\n" }, PERIOD, 34.9, 35.1, 0 },
        { laptop, { "1000000\n", "11000000\n", "21000000\n", "31000000\n" }, INT64_C(3000) * PERIOD, 0, 30.1,
          EPROF_FLAG_WRAP_AMBIGUOUS }, /* a wrap may be missing */
        { laptop, { "131000000000\n", "131010000000\n", "0\n", "10000000\n" }, PERIOD, 0, 30.1, EPROF_FLAG_WENT_BACK },
        { no_range, { "131000000000\n", "131010000000\n", "0\n", "10000000\n" }, PERIOD, 0, 30.1,
          EPROF_FLAG_WENT_BACK },
        { laptop, { "10000000\n", "20000000\n", "19999999\n", "30000000\n" }, PERIOD, 19, 21, 0 }, /* back by 1 */
        { laptop, { "10000000\n", "10000000\n", "10000000\n", "10000000\n" }, PERIOD, 0, 0, 0 }, /* stuck */
        { laptop, { "10000000\n", "18446744073709551615\n", "30000000\n", "40000000\n" }, PERIOD, 0, 30.1,
          EPROF_FLAG_READ_ERROR },
        { no_range, { "10000000\n", "4000000000000000000\n", "30000000\n", "40000000\n" }, PERIOD, 0, 30.1,
          EPROF_FLAG_IMPLAUSIBLE } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const eprof__area a = joules_of(cases[i].machine, cases[i].lines, 4, cases[i].apart_ns);
        if (!isnan(a.value) && (a.value < cases[i].least_j || a.value > cases[i].most_j))
            fail_msg("case %zu: %g J", i, a.value);
        if (cases[i].flag && !(a.flags & cases[i].flag)) fail_msg("case %zu: flags %x", i, a.flags);
        if (cases[i].flag == 0) assert_int_equal(a.flags & (uint32_t)~EPROF_FLAG_WENT_BACK, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_laptop), cmocka_unit_test(test_names_that_repeat), cmocka_unit_test(test_locked_zones),
        cmocka_unit_test(test_ranges_that_are_not_known), cmocka_unit_test(test_machines_without_zones),
        cmocka_unit_test(test_readings_that_fail), cmocka_unit_test(test_what_becomes_of_wraps_and_faults) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
