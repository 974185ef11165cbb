/* SPDX-License-Identifier: MIT
 * test_source_machine.c - CPU time, memory, temperature and clocks of the machine, and what machine it is.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUSY, TOTAL };

static void open_machine(probed *p, const char *folder)
{
    probed_open(p, folder);
    eprof__probe_machine(&p->all);
}

static void test_busy_and_total(void **state)
{
    static const struct { const char *line; int64_t busy, total; } cases[] = {
        { "cpu  100 20 30 400 50 6 7 8 90 10\n", 171, 621 }, /* guests are inside of user and nice */
        { "cpu  100 20 30 400 50 6 7\n", 163, 613 }, /* kernels without steal */
        { "cpu  100 20 30 400\n", 150, 550 } };
    probed p;
    (void)state;
    open_machine(&p, "tests/machines/intel-laptop");
    eprof__source *s = probed_find(&p, "cpu");
    assert_int_equal(s->info.live, 1);
    assert_true(s->channels[BUSY].scale == 1.0 / (double)sysconf(_SC_CLK_TCK));
    probed_close(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        probed_open(&p, NULL);
        fake_file(p.m, "/proc/stat", cases[i].line);
        eprof__probe_machine(&p.all);
        s = probed_find(&p, "cpu");
        assert_int_equal(probed_read(&p, s), 0);
        assert_int_equal(p.raw[BUSY], cases[i].busy);
        assert_int_equal(p.raw[TOTAL], cases[i].total);
        probed_close(&p);
    }
}

static void test_two_hundred_and_fifty_six_cpus(void **state)
{
    probed p;
    eprof__facts facts = { 0 };
    (void)state;
    char *text = malloc(1 << 18);
    size_t n = (size_t)sprintf(text, "cpu  256000 0 0 256000 0 0 0 0 0 0\n");
    for (int i = 0; i < 256; i++) n += (size_t)sprintf(text + n, "cpu%d 1000 0 0 1000 0 0 0 0 0 0\n", i);
    n += (size_t)sprintf(text + n, "intr 1");
    for (int i = 0; i < 20000; i++) n += (size_t)sprintf(text + n, " 0");
    (void)sprintf(text + n, "\n");
    probed_open(&p, NULL);
    fake_file(p.m, "/proc/stat", text);
    eprof__probe_machine(&p.all);
    eprof__source *s = probed_find(&p, "cpu");
    const int64_t calls = fake_calls(p.m, 'r');
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(fake_calls(p.m, 'r') - calls, 1); /* the first line alone */
    assert_int_equal(p.raw[TOTAL], 512000);
    eprof__read_facts(p.all.io, &facts);
    assert_int_equal(facts.n_cpus, 256);
    probed_close(&p);
    free(text);
}

static void test_a_total_that_falls_a_little_stands(void **state)
{
    probed p;
    (void)state;
    probed_open(&p, NULL);
    fake_file(p.m, "/proc/stat", "cpu  100 0 0 8000 500\n");
    eprof__probe_machine(&p.all);
    eprof__source *s = probed_find(&p, "cpu");
    assert_int_equal(probed_read(&p, s), 0);
    fake_file(p.m, "/proc/stat", "cpu  101 0 0 8001 490\n"); /* iowait may fall */
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[TOTAL], 8600);
    assert_int_equal(p.raw[BUSY], 101);
    fake_file(p.m, "/proc/stat", "cpu  150 0 0 8050 490\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[TOTAL], 8690);
    fake_file(p.m, "/proc/stat", "cpu  100000 0 0 0 0\n");
    assert_int_equal(probed_read(&p, s), 0);
    fake_file(p.m, "/proc/stat", "cpu  1 0 0 1 0\n"); /* begun anew: seen as it is, for analysis to flag */
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[TOTAL], 2);
    probed_close(&p);
}

static void test_bad_stat(void **state)
{
    static const struct { const char *text; int status; } bad[] = {
        { "", -EINVAL }, { "cpu  1 2 3\n", -EINVAL }, { "cpu  1 2 3 4", -EINVAL }, { "cpu  1 2 x 4\n", -EINVAL },
        { "intr 5\n", -EINVAL }, { "cpu  1,5 2 3 4\n", -EINVAL }, { "cpu  -1 2 3 4\n", -EINVAL },
        { "cpu  9223372036854775808 0 0 0\n", -ERANGE }, { "cpu  9223372036854775807 1 0 0\n", -ERANGE },
        { "cpu  9223372036854775807 0 0 1\n", -ERANGE }, { "cpu  18446744073709551616 0 0 0\n", -EINVAL } };
    probed p;
    (void)state;
    open_machine(&p, "tests/machines/intel-laptop");
    eprof__source *s = probed_find(&p, "cpu");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        probed_close(&p);
        probed_open(&p, NULL);
        fake_file(p.m, "/proc/stat", "cpu  1 2 3 4\n");
        eprof__probe_machine(&p.all);
        s = probed_find(&p, "cpu");
        fake_file(p.m, "/proc/stat", bad[i].text);
        assert_int_equal(probed_read(&p, s), bad[i].status);
        assert_false(p.ok[BUSY] || p.ok[TOTAL]);
    }
    fake_file(p.m, "/proc/stat", "cpu  9223372036854775806 0 0 1\n"); /* the largest that fits */
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(p.raw[TOTAL] == INT64_MAX);
    fake_error(p.m, "/proc/stat", 'r', EIO, 1);
    assert_int_equal(probed_read(&p, s), -EIO);
    fake_file(p.m, "/proc/stat", "cpu  1 2 3 4 5 6 7 8\ncpu0 1\n");
    fake_error(p.m, "/proc/stat", 'r', 0, 1); /* short, yet the first line is whole */
    assert_int_equal(probed_read(&p, s), 0);
    probed_close(&p);
    open_machine(&p, NULL);
    s = probed_find(&p, "cpu");
    assert_int_equal(s->info.live, 0);
    assert_string_equal(s->info.why_not, "/proc/stat: not there");
    probed_close(&p);
}

static void test_memory(void **state)
{
    static const struct { const char *text; int status; int64_t kib; } cases[] = {
        { "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 300 kB\n", 0, 700 },
        { "MemTotal: 1000 kB\nMemFree: 10 kB\nBuffers: 20 kB\nCached: 30 kB\n", 0, 940 }, /* before Linux 3.14 */
        { "MemTotal: 1000 kB\nMemAvailable: 3000 kB\n", 0, 0 },
        { "MemTotal: 1000 kB\n", -EINVAL, 0 }, { "", -EINVAL, 0 },
        { "MemTotal: 0 kB\nMemAvailable: 0 kB\n", -EINVAL, 0 },
        { "MemTotal: 1000 kB\nMemAvailable: 300", -EINVAL, 0 },
        { "MemTotal: 1000 kB\nMemAvailable: 3x0 kB\n", -EINVAL, 0 },
        { "MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n", -EINVAL, 0 },
        { "MemTotal: 1000 MB\nMemAvailable: 1 kB\n", -EINVAL, 0 } };
    probed p;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        probed_open(&p, NULL);
        fake_file(p.m, "/proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 1 kB\n");
        eprof__probe_machine(&p.all);
        eprof__source *s = probed_find(&p, "memory");
        assert_int_equal(s->info.live, 1);
        fake_file(p.m, "/proc/meminfo", cases[i].text);
        assert_int_equal(probed_read(&p, s), cases[i].status);
        assert_int_equal(p.ok[0], cases[i].status == 0);
        if (p.ok[0]) assert_true(probed_value(&p, s, 0) == (double)cases[i].kib / 1024);
        probed_close(&p);
    }
}

static void test_temperature(void **state)
{
    static const char hwmon[] = "/sys/class/hwmon/hwmon3/temp1_input";
    probed p;
    (void)state;
    open_machine(&p, "tests/machines/intel-laptop");
    eprof__source *s = probed_find(&p, "temperature");
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - 52) < 1e-9); /* coretemp, not the board's 27.8 */
    static const char *const bad[] = { "-273000\n", "4294967295\n", "hot\n", "52000", "", "9223372036854775807\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fake_machine *m = fake_machine_open("tests/machines/intel-laptop");
        fake_file(m, hwmon, bad[i]);
        eprof__sources all = { .io = fake_io(m), .sample_hz = 5 };
        eprof__probe_machine(&all);
        assert_int_equal(all.list[2].info.live, 0);
        assert_non_null(strstr(all.list[2].info.why_not, "1 sensors, none readable: "));
        for (int32_t k = 0; k < all.n; k++) all.list[k].ops->close(&all.list[k], all.io);
        fake_machine_close(m);
    }
    fake_error(p.m, hwmon, 'r', ENODEV, -1); /* the driver was unloaded */
    assert_int_equal(probed_read(&p, s), -ENODEV);
    assert_false(p.ok[0]);
    probed_close(&p);
    probed_open(&p, NULL); /* zones: the hottest of the processor's, whatever the battery's is */
    static const struct { const char *path, *text; } zones[] = {
        { "/sys/class/thermal/thermal_zone0/type", "battery\n" },
        { "/sys/class/thermal/thermal_zone0/temp", "70000\n" },
        { "/sys/class/thermal/thermal_zone1/type", "cpu-thermal\n" },
        { "/sys/class/thermal/thermal_zone1/temp", "45000\n" },
        { "/sys/class/thermal/thermal_zone2/type", "soc-thermal\n" },
        { "/sys/class/thermal/thermal_zone2/temp", "48500\n" } };
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) fake_file(p.m, zones[i].path, zones[i].text);
    eprof__probe_machine(&p.all);
    s = probed_find(&p, "temperature");
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - 48.5) < 1e-9);
    fake_error(p.m, "/sys/class/thermal/thermal_zone2/temp", 'r', EAGAIN, -1);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - 45) < 1e-9);
    probed_close(&p);
}

static void test_clocks(void **state)
{
    static const char first[] = "/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq";
    probed p;
    (void)state;
    open_machine(&p, "tests/machines/intel-laptop");
    eprof__source *s = probed_find(&p, "frequency");
    assert_int_equal(s->period_ns, 1000000000);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - 2200) < 1e-9);
    fake_error(p.m, first, 'r', EBUSY, -1); /* its CPUs were switched off */
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, 0) - 2600) < 1e-9);
    fake_error(p.m, "/sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq", 'r', ENODEV, -1);
    assert_int_equal(probed_read(&p, s), -ENODEV);
    probed_close(&p);
    probed_open(&p, "tests/machines/intel-laptop"); /* a kernel that waits for each CPU */
    fake_delay(p.m, "/sys/devices/system/cpu/cpufreq/*", 20000000);
    eprof__probe_machine(&p.all);
    s = probed_find(&p, "frequency");
    assert_int_equal(s->info.live, 0);
    assert_non_null(strstr(s->info.why_not, "more than 1000 us"));
    probed_close(&p);
    probed_open(&p, NULL);
    for (int i = 0; i < 40; i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpufreq/policy%d/scaling_cur_freq", i);
        fake_file(p.m, path, "1000000\n");
    }
    eprof__probe_machine(&p.all);
    assert_string_equal(probed_find(&p, "frequency")->info.what, "clock of the CPUs, mean of 14 of 40 domains");
    probed_close(&p);
}

static void test_facts(void **state)
{
    eprof__facts facts = { .sample_hz = 5 };
    bool is_intel, is_virtual;
    (void)state;
    fake_machine *m = fake_machine_open("tests/machines/intel-laptop");
    eprof__read_facts(fake_io(m), &facts);
    assert_string_equal(facts.host, "notebook");
    assert_string_equal(facts.kernel, "Linux 6.8.0-45-generic");
    assert_string_equal(facts.cpu, "Intel(R) Core(TM) i7-8565U CPU @ 1.80GHz");
    assert_string_equal(facts.machine, "Example Notebook 14");
    assert_int_equal(facts.n_cpus, 8);
    assert_true(facts.ram_total_mib == 15625);
    assert_true(facts.sample_hz == 5);
    assert_true(eprof__is_x86(fake_io(m), &is_intel, &is_virtual) && is_intel && !is_virtual);
    fake_file(m, "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0");
    fake_file(m, "/sys/devices/system/cpu/online", "0-2,5\n"); /* some were switched off */
    eprof__read_facts(fake_io(m), &facts);
    assert_string_equal(facts.machine, "Raspberry Pi 5 Model B Rev 1.0");
    assert_int_equal(facts.n_cpus, 4);
    fake_machine_close(m);
    m = fake_machine_open("tests/machines/this-vm");
    assert_true(eprof__is_x86(fake_io(m), &is_intel, &is_virtual) && is_intel && is_virtual);
    fake_machine_close(m);
    m = fake_machine_open("tests/machines/amd-desktop");
    assert_true(eprof__is_x86(fake_io(m), &is_intel, &is_virtual) && !is_intel && !is_virtual);
    fake_machine_close(m);
    m = fake_machine_open(NULL);
    eprof__read_facts(fake_io(m), &facts);
    assert_string_equal(facts.host, "");
    assert_int_equal(facts.n_cpus, 0);
    assert_true(isnan(facts.ram_total_mib));
    assert_false(eprof__is_x86(fake_io(m), &is_intel, &is_virtual));
    fake_machine_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_and_total), cmocka_unit_test(test_two_hundred_and_fifty_six_cpus),
        cmocka_unit_test(test_a_total_that_falls_a_little_stands), cmocka_unit_test(test_bad_stat),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_temperature), cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_facts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
