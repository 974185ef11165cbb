/* SPDX-License-Identifier: MIT
 * test_source_hwmon.c - chips of /sys/class/hwmon: an INA228 that counts, a Jetson's rails, a USB meter that times out,
 * an ACPI meter that says 4.29 MW, sockets that hold their cores.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <math.h>

#define HWMON "/sys/class/hwmon/"

static void probe(probed *p, const char *folder)
{
    probed_open(p, folder);
    eprof__probe_hwmon(&p->all);
}

static bool is_near(double a, double b) { return fabs(a - b) < 1e-9 * (1 + fabs(b)); }

static void test_ina228(void **state)
{
    (void)state;
    probed p;
    probe(&p, "tests/machines/ina228-hat");
    assert_int_equal(p.all.n, 1);
    eprof__source *s = probed_find(&p, "hwmon:ina228");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.scope, EPROF_SCOPE_BOARD_DC);
    assert_int_equal(s->info.cls, EPROF_CLASS_COUNTER);
    assert_string_equal(s->info.what, "INA228 meter (Linux hwmon), shunt 15000 uohm");
    assert_true(is_near(s->info.power_w, 6.17342) && is_near(s->info.accuracy_pct, 1.05));
    assert_true(s->is_slow && !s->at_edges && s->period_ns == 100000000);
    assert_int_equal(s->n_channels, 2);
    const eprof__channel *energy = &s->channels[0], *power = &s->channels[1];
    assert_string_equal(energy->name, "hwmon:ina228");
    assert_int_equal(energy->kind, EPROF__ENERGY);
    assert_int_equal(energy->scope, EPROF_SCOPE_BOARD_DC);
    assert_int_equal(energy->update_ns, 5000000);
    assert_true(is_near(energy->lsb, 16 * 1e-6 / 0.015) && energy->most == 1000 && energy->wrap == 0);
    assert_string_equal(power->name, "hwmon:ina228:power1");
    assert_int_equal(power->scope, EPROF_SCOPE_OTHER); /* the counter has its joules */
    assert_true(is_near(power->lsb, 1e-6 / 0.015));
    fake_file(p.m, HWMON "hwmon2/energy1_input", "123462962\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 123462962);
    assert_true(is_near(probed_value(&p, s, 0), 123.462962) && is_near(probed_value(&p, s, 1), 6.17342));
    probed_close(&p);
}

/* Every way in which a reading can fail: no value, and the other channel has its own. */
static void test_reading_faults(void **state)
{
    (void)state;
    static const struct { const char *text; int expected; } texts[] = {
        { "", -EBADMSG }, { "\n", -EBADMSG }, { "abc\n", -EBADMSG }, { "12,5\n", -EBADMSG }, { "1.5\n", -EBADMSG },
        { "99999999999999999999\n", -ERANGE }, { "12", 0 }, { " 12\n", 0 }, { "9223372036854775807\n", 0 },
    };
    static const int errors[] = { ENODEV, ENODATA, EIO, EAGAIN, EACCES, ETIMEDOUT };
    probed p;
    probe(&p, "tests/machines/ina228-hat");
    eprof__source *s = probed_find(&p, "hwmon:ina228");
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fake_error(p.m, HWMON "hwmon2/energy1_input", 'r', errors[i], 2);
        assert_int_equal(probed_read(&p, s), 0);
        assert_true(!p.ok[0] && p.ok[1] && p.raw[1] == 6173420);
        /* EIO is tried again, so that one reading has used both of its errors */
        assert_int_equal(probed_read(&p, s), 0);
        assert_int_equal(p.ok[0], errors[i] == EIO);
        assert_int_equal(probed_read(&p, s), 0);
        assert_true(p.ok[0]);
    }
    fake_error(p.m, HWMON "*", 'r', EINTR, 3); /* a storm of signals passes */
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(p.ok[0] && p.ok[1]);
    fake_error(p.m, HWMON "*", 'r', ENODEV, 2); /* the module is gone */
    assert_int_equal(probed_read(&p, s), -ENODEV);
    assert_true(!p.ok[0] && !p.ok[1]);
    probed_close(&p);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        probed_open(&p, "tests/machines/ina228-hat");
        fake_file(p.m, HWMON "hwmon2/energy1_input", "1\n");
        fake_file(p.m, HWMON "hwmon2/power1_input", NULL);
        eprof__probe_hwmon(&p.all);
        s = probed_find(&p, "hwmon:ina228");
        assert_int_equal(s->n_channels, 1);
        fake_file(p.m, HWMON "hwmon2/energy1_input", texts[i].text);
        assert_int_equal(probed_read(&p, s), texts[i].expected);
        probed_close(&p);
    }
}

static void test_power_at_probe(void **state)
{
    (void)state;
    static const struct { const char *text, *why; } values[] = {
        { "0\n", "no current flows through the meter" }, { "-5\n", "cannot be" },
        { "1000000001\n", "more than 1000 W" },
        { "4294967295000\n", "cannot be" }, { "many\n", "power1_input: no reading" },
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        probed p;
        probed_open(&p, "tests/machines/ina228-hat");
        fake_file(p.m, HWMON "hwmon2/energy1_input", NULL);
        fake_file(p.m, HWMON "hwmon2/power1_input", values[i].text);
        eprof__probe_hwmon(&p.all);
        assert_dead(probed_find(&p, "hwmon:ina228"), values[i].why, "");
        probed_close(&p);
    }
}

/* An older INA226: no counter, its power is the headline; slow conversions are means. */
static void test_ina226(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, "tests/machines/ina228-hat");
    fake_file(p.m, HWMON "hwmon2/name", "ina226\n");
    fake_file(p.m, HWMON "hwmon2/energy1_input", NULL);
    fake_file(p.m, HWMON "hwmon2/update_interval", "2253\n");
    fake_file(p.m, HWMON "hwmon2/shunt_resistor", "10000\n");
    eprof__probe_hwmon(&p.all);
    eprof__source *s = probed_find(&p, "hwmon:ina226");
    assert_string_equal(s->info.what, "INA226 meter (Linux hwmon), shunt 10000 uohm: the driver's default");
    assert_int_equal(s->n_channels, 1);
    const eprof__channel *c = &s->channels[0];
    assert_int_equal(c->scope, EPROF_SCOPE_BOARD_DC);
    assert_int_equal(c->cls, EPROF_CLASS_WINDOW);
    assert_true(c->window_ns == 2253000000 && s->period_ns == 2253000000 && c->period_ns == 2253000000);
    assert_true(is_near(c->lsb, 0.00625));
    probed_close(&p);
    /* without a power file: in1 and curr1, whatever the direction */
    probed_open(&p, "tests/machines/ina228-hat");
    fake_file(p.m, HWMON "hwmon2/name", "ina219\n");
    fake_file(p.m, HWMON "hwmon2/energy1_input", NULL);
    fake_file(p.m, HWMON "hwmon2/power1_input", NULL);
    fake_file(p.m, HWMON "hwmon2/curr1_input", "-1210\n");
    eprof__probe_hwmon(&p.all);
    s = probed_find(&p, "hwmon:ina219");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 5102 * 1210);
    probed_close(&p);
}

/* Two alike are rails of a board: neither is its input. */
static void test_two_alike(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, "tests/machines/ina228-hat");
    fake_file(p.m, HWMON "hwmon7/name", "ina228\n");
    fake_file(p.m, HWMON "hwmon7/power1_input", "1500000\n");
    eprof__probe_hwmon(&p.all);
    assert_int_equal(p.all.n, 2);
    assert_int_equal(probed_find(&p, "hwmon:ina228")->info.scope, EPROF_SCOPE_OTHER);
    eprof__source *second = probed_find(&p, "hwmon:ina228#2");
    assert_int_equal(second->channels[0].scope, EPROF_SCOPE_OTHER);
    assert_string_equal(second->channels[0].name, "hwmon:ina228#2");
    probed_close(&p);
}

static void test_jetson(void **state)
{
    (void)state;
    probed p;
    probe(&p, "tests/machines/jetson-ina3221");
    assert_int_equal(p.all.n, 1);
    eprof__source *s = probed_find(&p, "hwmon:ina3221");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.scope, EPROF_SCOPE_BOARD_DC);
    assert_int_equal(s->n_channels, 2); /* neither the NC channel nor the sum */
    assert_string_equal(s->channels[0].name, "hwmon:ina3221:VDD_IN");
    assert_int_equal(s->channels[0].scope, EPROF_SCOPE_BOARD_DC);
    assert_string_equal(s->channels[1].name, "hwmon:ina3221:VDD_CPU_GPU_CV");
    assert_int_equal(s->channels[1].scope, EPROF_SCOPE_OTHER);
    assert_true(is_near(s->channels[0].lsb, 0.04)); /* 40 uV over 5 mOhm at 5 V */
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 5040 * 1216);
    assert_int_equal(p.raw[1], -5032 * 4);
    assert_true(is_near(probed_value(&p, s, 0), 6.12864));
    fake_file(p.m, HWMON "hwmon1/curr1_input", "-9223372036854775808\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(!p.ok[0] && p.ok[1]); /* a product that fits no integer */
    probed_close(&p);
    probed_open(&p, "tests/machines/jetson-ina3221");
    fake_error(p.m, HWMON "hwmon1/*_input", 'r', ENODATA, -1);
    eprof__probe_hwmon(&p.all);
    assert_dead(probed_find(&p, "hwmon:ina3221"), "no data; the channel is disabled", "");
    probed_close(&p);
    probed_open(&p, "tests/machines/jetson-ina3221");
    fake_file(p.m, HWMON "hwmon1/in1_label", "NC\n");
    fake_file(p.m, HWMON "hwmon1/in2_label", "NC\n");
    eprof__probe_hwmon(&p.all);
    assert_dead(probed_find(&p, "hwmon:ina3221"), "not connected", "");
    probed_close(&p);
}

static void test_km003c(void **state)
{
    (void)state;
    probed p;
    probe(&p, "tests/machines/km003c-hwmon");
    eprof__source *s = probed_find(&p, "hwmon:powerz");
    assert_int_equal(s->info.scope, EPROF_SCOPE_BOARD_DC);
    assert_int_equal(s->n_channels, 1);
    assert_string_equal(s->channels[0].name, "hwmon:powerz");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 5118 * 1024); /* plugged in the other way round */
    fake_error(p.m, HWMON "hwmon5/curr1_input", 'r', EIO, 1); /* one USB transaction that took over 5 ms */
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(p.ok[0]);
    fake_error(p.m, HWMON "hwmon5/curr1_input", 'r', EIO, 2);
    assert_int_equal(probed_read(&p, s), -EIO);
    assert_false(p.ok[0]);
    assert_int_equal(probed_read(&p, s), 0);
    probed_close(&p);
}

static void test_acpi_meter(void **state)
{
    (void)state;
    probed p;
    probe(&p, "tests/machines/acpi-meter-bogus");
    assert_dead(probed_find(&p, "hwmon:power_meter"), "power1_average says what cannot be", "");
    probed_close(&p);
    probed_open(&p, "tests/machines/acpi-meter-bogus");
    fake_file(p.m, HWMON "hwmon0/power1_average", "184000000\n");
    fake_file(p.m, HWMON "hwmon0/power1_average_interval", "2000\n");
    eprof__probe_hwmon(&p.all);
    eprof__source *s = probed_find(&p, "hwmon:power_meter");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->channels[0].cls, EPROF_CLASS_WINDOW);
    assert_true(s->channels[0].window_ns == 2000000000 && s->channels[0].update_ns == 2000000000);
    assert_int_equal(s->period_ns, 2000000000); /* no sooner is there a new one */
    assert_true(is_near(s->channels[0].accuracy, 0.01) && is_near(s->info.accuracy_pct, 1));
    /* what it says later goes into the record, with the bounds that let the analysis drop it */
    fake_file(p.m, HWMON "hwmon0/power1_average", "4294967295000\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(probed_value(&p, s, 0) > s->channels[0].most);
    probed_close(&p);
}

static void test_amd_energy(void **state)
{
    (void)state;
    probed p;
    probe(&p, "tests/machines/amd-energy-hwmon");
    eprof__source *s = probed_find(&p, "hwmon:amd_energy");
    assert_int_equal(s->info.scope, EPROF_SCOPE_PACKAGE);
    assert_int_equal(s->info.cls, EPROF_CLASS_COUNTER);
    assert_true(s->at_edges && !s->is_slow && s->period_ns == 200000000);
    assert_int_equal(s->n_channels, 1); /* the socket, not its cores */
    assert_string_equal(s->channels[0].name, "hwmon:amd_energy:Esocket0");
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(is_near(probed_value(&p, s, 0), 987.654321));
    probed_close(&p);
    probed_open(&p, "tests/machines/amd-energy-hwmon");
    fake_error(p.m, HWMON "hwmon3/energy*_input", 'o', EACCES, -1);
    eprof__probe_hwmon(&p.all);
    assert_dead(probed_find(&p, "hwmon:amd_energy"), "energy5_input: permission denied",
                "sudo chmod a+r /sys/class/hwmon/hwmon3/energy5_input");
    probed_close(&p);
}

/* A chip that nobody knows: its power file is what it is, voltages and currents are not guessed at. */
static void test_unknown_chip(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, "tests/machines/km003c-hwmon");
    fake_file(p.m, HWMON "hwmon5/name", "novelty\n");
    eprof__probe_hwmon(&p.all);
    assert_int_equal(p.all.n, 0);
    fake_file(p.m, HWMON "hwmon5/power1_input", "2500000\n");
    fake_file(p.m, HWMON "hwmon5/power1_label", "PPT \"x\"\t\n");
    fake_file(p.m, HWMON "hwmon5/power1_average", "2600000\n");
    eprof__probe_hwmon(&p.all);
    eprof__source *s = probed_find(&p, "hwmon:novelty");
    assert_int_equal(s->n_channels, 1); /* the instant, where there is one */
    assert_int_equal(s->info.scope, EPROF_SCOPE_OTHER);
    assert_string_equal(s->channels[0].name, "hwmon:novelty:PPT _x_");
    assert_true(is_near(s->info.power_w, 2.5));
    probed_close(&p);
}

/* What has no power, and a battery's own hwmon, which battery.c reads. */
static void test_nothing(void **state)
{
    (void)state;
    static const char *const machines[] = { "tests/machines/pi5", "tests/machines/pi4",
                                            "tests/machines/laptop-battery-discharging", NULL };
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        probed p;
        probe(&p, machines[i]);
        assert_int_equal(p.all.n, 0);
        probed_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ina228), cmocka_unit_test(test_reading_faults), cmocka_unit_test(test_power_at_probe),
        cmocka_unit_test(test_ina226), cmocka_unit_test(test_two_alike), cmocka_unit_test(test_jetson),
        cmocka_unit_test(test_km003c), cmocka_unit_test(test_acpi_meter), cmocka_unit_test(test_amd_energy),
        cmocka_unit_test(test_unknown_chip), cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
