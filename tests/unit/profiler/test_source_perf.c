/* SPDX-License-Identifier: MIT
 * test_source_perf.c - energy events: discovery, sums over packages and dies, permissions, and readings that fail.
 */
#include "tests/unit/profiler/fake_counter.h"

#include <errno.h>
#include <math.h>

static const double step_j = 1.0 / 4294967296.0;

static void test_two_packages_add_up(void **state)
{
    fake_counter pkg[2] = { { .watts = 40, .base = 7 }, { .watts = 60, .base = UINT64_C(1) << 40 } },
                 ram[2] = { { .watts = 5 }, { .watts = 6 } };
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/xeon-2-socket");
    for (int i = 0; i < 2; i++) {
        fake_event(p.m, 18, 2, 4 * i, &pkg[i]);
        fake_event(p.m, 18, 3, 4 * i, &ram[i]);
    }
    eprof__probe_perf_energy(&p.all);
    assert_int_equal(p.all.n, 2);
    eprof__source *s = probed_find(&p, "perf:energy-pkg");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.scope, EPROF_SCOPE_PACKAGE);
    assert_true(fabs(s->channels[0].scale / step_j - 1) < 1e-15);
    assert_true(s->channels[0].wrap == 0 && s->channels[0].most == 2000);
    assert_true(s->at_edges);
    assert_non_null(strstr(s->info.what, "energy-pkg of 2 packages or dies"));
    assert_int_equal(probed_read(&p, s), 0);
    const double before = probed_value(&p, s, 0);
    fake_sleep(p.m, 10000000000);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - before - 1000) < 1e-2); /* 100 W for 10 s, and some microseconds */
    assert_int_equal(probed_find(&p, "perf:energy-ram")->info.scope, EPROF_SCOPE_DRAM);
    probed_close(&p);
}

static void test_cores_of_amd(void **state)
{
    fake_counter pkg = { .watts = 30 }, core[4] = { { .watts = 1 }, { .watts = 2 }, { .watts = 3 }, { .watts = 4 } };
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/amd-desktop");
    fake_event(p.m, 14, 2, 0, &pkg);
    for (int i = 0; i < 4; i++) fake_event(p.m, 15, 1, i, &core[i]);
    eprof__probe_perf_energy(&p.all);
    assert_int_equal(p.all.n, 2);
    eprof__source *s = probed_find(&p, "perf:energy-core");
    assert_int_equal(s->info.scope, EPROF_SCOPE_CORES);
    assert_false(s->at_edges);
    assert_true(s->channels[0].accuracy == 0.15); /* a model of activity */
    fake_sleep(p.m, 1000000000);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - 10) < 1e-3);
    probed_close(&p);
}

static void test_scopes_of_a_laptop(void **state)
{
    static const struct { const char *name; uint64_t config; eprof_scope scope; } events[] = {
        { "perf:energy-cores", 1, EPROF_SCOPE_CORES }, { "perf:energy-pkg", 2, EPROF_SCOPE_PACKAGE },
        { "perf:energy-gpu", 4, EPROF_SCOPE_UNCORE }, { "perf:energy-psys", 5, EPROF_SCOPE_SOC } };
    fake_counter c[4] = { { 0 } };
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/intel-laptop");
    for (int i = 0; i < 4; i++) fake_event(p.m, 21, events[i].config, 0, &c[i]);
    eprof__probe_perf_energy(&p.all);
    assert_int_equal(p.all.n, 4);
    for (int i = 0; i < 4; i++) {
        const eprof__source *s = probed_find(&p, events[i].name);
        assert_int_equal(s->info.live, 1);
        assert_int_equal(s->info.scope, events[i].scope);
        assert_int_equal(s->channels[0].scope, events[i].scope);
    }
    probed_close(&p);
}

static void test_permission(void **state)
{
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/locked-laptop");
    eprof__probe_perf_energy(&p.all);
    assert_dead(probed_find(&p, "perf:energy-pkg"), "permission denied: kernel.perf_event_paranoid is 2, and must be 0",
                "sudo sysctl kernel.perf_event_paranoid=0");
    probed_close(&p);
    probed_open(&p, "tests/machines/locked-laptop");
    fake_file(p.m, "/proc/sys/kernel/perf_event_paranoid", "0\n");
    eprof__probe_perf_energy(&p.all);
    assert_dead(probed_find(&p, "perf:energy-pkg"), "though kernel.perf_event_paranoid is 0",
                "sudo setcap cap_perfmon+ep PROGRAM");
    probed_close(&p);
}

static void test_events_that_cannot_be_opened(void **state)
{
    fake_counter first = { .watts = 40 };
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/xeon-2-socket");
    fake_event(p.m, 18, 2, 0, &first);
    fake_error(p.m, "perf/18/2/4", 'o', ENODEV, -1); /* the second package's CPU was switched off */
    eprof__probe_perf_energy(&p.all);
    assert_dead(probed_find(&p, "perf:energy-pkg"), "does not open on CPU 4: the device is gone", "");
    probed_close(&p);
}

static void test_bad_descriptions(void **state)
{
    static const struct { const char *file, *text, *why; } bad[] = {
        { "events/energy-psys", "event=5\n", "does not say event=0xN" }, { "events/energy-psys", "", "does not say" },
        { "events/energy-psys", "event=0x05,umask=0x1\n", "does not say" },
        { "events/energy-psys.unit", "Watts\n", "is not Joules" }, { "events/energy-psys.unit", NULL, "is not Joules" },
        { "events/energy-psys.scale", "2,3e-10\n", "is no number of joules" },
        { "events/energy-psys.scale", "0\n", "is no number" }, { "events/energy-psys.scale", "1e30\n", "is no number" },
        { "events/energy-psys.scale", "\n", "is no number" } };
    probed p;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[128];
        fake_counter c = { .watts = 1 };
        probed_open(&p, "tests/machines/this-vm");
        (void)snprintf(path, sizeof path, "/sys/bus/event_source/devices/power/%s", bad[i].file);
        fake_file(p.m, path, bad[i].text);
        fake_event(p.m, 9, 5, 0, &c);
        eprof__probe_perf_energy(&p.all);
        assert_dead(probed_find(&p, "perf:energy-psys"), bad[i].why, "");
        probed_close(&p);
    }
}

static int64_t nothing(void *user, int64_t now_ns, char *out, size_t n)
{
    (void)user, (void)now_ns, (void)out, (void)n;
    return 0;
}

static void test_readings_that_fail(void **state)
{
    fake_counter c = { .watts = 40, .base = 5 }, second = { .watts = 1 };
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/multi-die");
    fake_event(p.m, 18, 2, 0, &c);
    fake_event(p.m, 18, 2, 2, &second);
    eprof__probe_perf_energy(&p.all);
    eprof__source *s = probed_find(&p, "perf:energy-pkg");
    static const int errors[] = { EIO, EAGAIN, ENODEV, EINTR };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fake_error(p.m, "perf/18/2/2", 'r', errors[i], 1); /* one die fails: no sum without it */
        assert_int_equal(probed_read(&p, s), -errors[i]);
        assert_false(p.ok[0]);
        assert_int_equal(probed_read(&p, s), 0);
    }
    fake_error(p.m, "perf/18/2/0", 'r', 0, 1);
    assert_int_equal(probed_read(&p, s), -EIO); /* 7 bytes of 8 */
    second.base = UINT64_MAX; /* all ones */
    second.watts = 0;
    assert_int_equal(probed_read(&p, s), -ERANGE);
    second.base = INT64_MAX; /* alone it fits, the sum does not */
    assert_int_equal(probed_read(&p, s), -ERANGE);
    fake_perf(p.m, 18, 2, 2, nothing, NULL); /* the end: its CPU is gone */
    assert_int_equal(probed_read(&p, s), -ENODEV);
    probed_close(&p);
}

/* The kernel's descriptors of perf refuse pread. */
static int64_t no_pread(void *user, int fd, void *buf, uint64_t n_bytes, uint64_t offset)
{
    (void)user, (void)fd, (void)buf, (void)n_bytes, (void)offset;
    return -ESPIPE;
}

static int64_t plain_read(void *user, int fd, void *buf, uint64_t n_bytes, int32_t timeout_ms)
{
    const eprof_io *under = fake_io(user);
    (void)timeout_ms;
    return under->pread(under->user, fd, buf, n_bytes, 0);
}

/* Only perf descriptors, which a test's machine counts from the top of what it opened: /sys is read as ever. */
static int first_perf_fd = -1;

static int64_t pread_of_files(void *user, int fd, void *buf, uint64_t n_bytes, uint64_t offset)
{
    const eprof_io *under = fake_io(user);
    return fd == first_perf_fd ? no_pread(user, fd, buf, n_bytes, offset)
                               : under->pread(under->user, fd, buf, n_bytes, offset);
}

static int perf_open_noted(void *user, uint32_t type, uint64_t config, int32_t cpu)
{
    const eprof_io *under = fake_io(user);
    first_perf_fd = under->perf_open(under->user, type, config, cpu);
    return first_perf_fd;
}

static void test_descriptors_without_offset(void **state)
{
    fake_counter c = { .watts = 40, .base = 5 };
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/this-vm");
    fake_event(p.m, 9, 5, 0, &c);
    eprof_io io = *p.all.io;
    io.pread = pread_of_files;
    io.read = plain_read;
    io.perf_open = perf_open_noted;
    p.all.io = &io;
    eprof__probe_perf_energy(&p.all);
    eprof__source *s = probed_find(&p, "perf:energy-psys");
    assert_int_equal(probed_read(&p, s), 0);
    fake_sleep(p.m, 1000000000);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - 40) < 1e-2);
    probed_close(&p);
}

static void test_machines_without_events(void **state)
{
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/no-powercap");
    eprof__probe_perf_energy(&p.all);
    assert_dead(probed_find(&p, "perf"), "the kernel has no energy events", "sudo modprobe rapl");
    probed_close(&p);
    probed_open(&p, NULL); /* no x86: nothing that should be there */
    eprof__probe_perf_energy(&p.all);
    assert_int_equal(p.all.n, 0);
    probed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_packages_add_up), cmocka_unit_test(test_cores_of_amd),
        cmocka_unit_test(test_scopes_of_a_laptop), cmocka_unit_test(test_permission),
        cmocka_unit_test(test_events_that_cannot_be_opened), cmocka_unit_test(test_bad_descriptions),
        cmocka_unit_test(test_readings_that_fail), cmocka_unit_test(test_descriptors_without_offset),
        cmocka_unit_test(test_machines_without_events) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
