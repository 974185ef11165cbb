/* SPDX-License-Identifier: MIT
 * test_source_battery.c - a laptop's batteries: emptied, charged, not there, with signs and attributes as they come,
 * and a controller that is busy.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <math.h>

#define SUPPLY "/sys/class/power_supply/"
#define DISCHARGING "tests/machines/laptop-battery-discharging"

static bool is_near(double a, double b) { return fabs(a - b) < 1e-9 * (1 + fabs(b)); }

static void test_discharging(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, DISCHARGING);
    eprof__probe_battery(&p.all);
    assert_int_equal(p.all.n, 1); /* the mouse's is no supply */
    eprof__source *s = probed_find(&p, "battery:BAT0");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.scope, EPROF_SCOPE_BOARD_DC);
    assert_int_equal(s->info.cls, EPROF_CLASS_SAMPLE);
    assert_true(is_near(s->info.power_w, 8.423) && s->is_slow);
    assert_int_equal(s->n_channels, 2);
    assert_int_equal(s->channels[0].scope, EPROF_SCOPE_BOARD_DC);
    assert_string_equal(s->channels[1].name, "battery:BAT0:content");
    assert_int_equal(s->channels[1].kind, EPROF__ENERGY);
    assert_int_equal(s->channels[1].scope, EPROF_SCOPE_OTHER);
    fake_file(p.m, SUPPLY "BAT0/energy_now", "40100000\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 8423000);
    assert_true(is_near(probed_value(&p, s, 1), 72)); /* 20 mWh */
    fake_file(p.m, SUPPLY "BAT0/power_now", "-8500000\n"); /* some drivers give a direction */
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 8500000);
    probed_close(&p);
}

/* A value counts when it changed, and after ten seconds. */
static void test_refresh(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, DISCHARGING);
    eprof__probe_battery(&p.all);
    eprof__source *s = probed_find(&p, "battery:BAT0");
    int n_new = 0, at[64];
    for (int i = 0; i < 60; i++) { /* half a minute */
        if (i == 15) fake_file(p.m, SUPPLY "BAT0/power_now", "9001000\n");
        if (i == 50) fake_file(p.m, SUPPLY "BAT0/energy_now", "40110000\n");
        const int status = probed_read(&p, s);
        assert_true(status == 0 || status == -EAGAIN);
        assert_true(p.ok[0] == (status == 0) && p.ok[1] == (status == 0));
        if (status == 0) at[n_new++] = i;
        fake_sleep(p.m, 500000000);
    }
    assert_int_equal(n_new, 4);
    assert_true(at[0] == 0 && at[1] == 15 && at[2] == 35 && at[3] == 50);
    probed_close(&p);
}

static void test_negative_current(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, "tests/machines/laptop-battery-negative-current");
    eprof__probe_battery(&p.all);
    eprof__source *s = probed_find(&p, "battery:BAT1");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->n_channels, 1); /* charge is no energy */
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 6174448); /* 0.812 A * 7.604 V */
    fake_file(p.m, SUPPLY "BAT1/current_now", "812000\n");
    fake_file(p.m, SUPPLY "BAT1/voltage_now", "7500000\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 6090000);
    probed_close(&p);
}

static void test_not_measuring(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, "tests/machines/laptop-battery-charging");
    eprof__probe_battery(&p.all);
    assert_dead(probed_find(&p, "battery:BAT0"), "the charger is connected", "unplug the charger");
    probed_close(&p);
    probed_open(&p, "tests/machines/laptop-battery-charging");
    fake_file(p.m, SUPPLY "ADP1/online", "0\n"); /* a charger that does not tell */
    eprof__probe_battery(&p.all);
    assert_dead(probed_find(&p, "battery:BAT0"), "status \"Charging\"", "unplug the charger");
    probed_close(&p);
    probed_open(&p, "tests/machines/laptop-battery-absent");
    eprof__probe_battery(&p.all);
    assert_dead(probed_find(&p, "battery:BAT0"), "no battery in the slot", "");
    probed_close(&p);
    probed_open(&p, DISCHARGING);
    fake_file(p.m, SUPPLY "BAT0/power_now", NULL);
    fake_file(p.m, SUPPLY "BAT0/energy_now", NULL);
    eprof__probe_battery(&p.all);
    assert_dead(probed_find(&p, "battery:BAT0"), "neither power", "");
    probed_close(&p);
    probed_open(&p, DISCHARGING);
    fake_file(p.m, SUPPLY "BAT0/power_now", "4294967295000\n");
    eprof__probe_battery(&p.all);
    assert_dead(probed_find(&p, "battery:BAT0"), "4294967 W", "");
    probed_close(&p);
    probed_open(&p, "tests/machines/pi5");
    eprof__probe_battery(&p.all);
    assert_int_equal(p.all.n, 0);
    probed_close(&p);
}

/* The charger comes while it runs: readings are missing, none is wrong. */
static void test_plugged_in(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, DISCHARGING);
    eprof__probe_battery(&p.all);
    eprof__source *s = probed_find(&p, "battery:BAT0");
    fake_file(p.m, SUPPLY "BAT0/power_now", "25000000\n");
    fake_file(p.m, SUPPLY "AC/online", "1\n");
    assert_int_equal(probed_read(&p, s), -ENODATA);
    fake_file(p.m, SUPPLY "AC/online", "0\n");
    static const char *const words[] = { "Charging\n", "Not charging\n", "Full\n", "Unknown\n" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        fake_file(p.m, SUPPLY "BAT0/status", words[i]);
        assert_int_equal(probed_read(&p, s), -ENODATA);
        assert_true(!p.ok[0] && !p.ok[1]);
    }
    fake_file(p.m, SUPPLY "BAT0/status", "Discharging\n");
    assert_int_equal(probed_read(&p, s), 0);
    probed_close(&p);
}

static void test_busy_controller(void **state)
{
    (void)state;
    static const int errors[] = { ENODEV, ENODATA, EIO };
    probed p;
    probed_open(&p, DISCHARGING);
    fake_error(p.m, SUPPLY "BAT0/power_now", 'r', ENODEV, 2); /* also at the probe: it lives */
    eprof__probe_battery(&p.all);
    eprof__source *s = probed_find(&p, "battery:BAT0");
    assert_int_equal(s->info.live, 1);
    assert_true(isnan(s->info.power_w));
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fake_error(p.m, SUPPLY "BAT0/power_now", 'r', errors[i], 2);
        assert_int_equal(probed_read(&p, s), -errors[i]);
        assert_true(!p.ok[0] && !p.ok[1]);
        (void)probed_read(&p, s);
    }
    fake_file(p.m, SUPPLY "BAT0/power_now", "0\n"); /* not measured yet */
    assert_int_equal(probed_read(&p, s), -ENODATA);
    fake_file(p.m, SUPPLY "BAT0/power_now", "9000000\n");
    assert_int_equal(probed_read(&p, s), 0);
    fake_error(p.m, SUPPLY "BAT0/status", 'r', ENODEV, 1);
    assert_int_equal(probed_read(&p, s), -ENODEV);
    probed_close(&p);
}

/* Two batteries: one is emptied, then both; a resting one adds nothing, a failing one spoils the sum. */
static void test_two_batteries(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, DISCHARGING);
    fake_file(p.m, SUPPLY "BAT1/type", "Battery\n");
    fake_file(p.m, SUPPLY "BAT1/status", "Not charging\n");
    fake_file(p.m, SUPPLY "BAT1/voltage_now", "12000000\n");
    fake_file(p.m, SUPPLY "BAT1/current_now", "-250000\n");
    eprof__probe_battery(&p.all);
    eprof__source *s = probed_find(&p, "battery:BAT0+BAT1");
    assert_int_equal(s->n_channels, 1); /* BAT1 counts no energy, and half of a sum is none */
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 8423000);
    fake_file(p.m, SUPPLY "BAT1/status", "Discharging\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 8423000 + 3000000);
    fake_error(p.m, SUPPLY "BAT1/current_now", 'r', ENODATA, 1);
    assert_int_equal(probed_read(&p, s), -ENODATA);
    fake_file(p.m, SUPPLY "BAT1/status", "Charging\n"); /* from the other one: neither is the machine's draw */
    assert_int_equal(probed_read(&p, s), -ENODATA);
    probed_close(&p);
}

/* A gauge without power: what it holds is all there is. */
static void test_content_alone(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, DISCHARGING);
    fake_file(p.m, SUPPLY "BAT0/power_now", NULL);
    eprof__probe_battery(&p.all);
    eprof__source *s = probed_find(&p, "battery:BAT0");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.cls, EPROF_CLASS_COUNTER);
    assert_int_equal(s->n_channels, 1);
    assert_int_equal(s->channels[0].scope, EPROF_SCOPE_BOARD_DC);
    fake_file(p.m, SUPPLY "BAT0/energy_now", "40020000\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(is_near(probed_value(&p, s, 0), 360));
    probed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discharging), cmocka_unit_test(test_refresh), cmocka_unit_test(test_negative_current),
        cmocka_unit_test(test_not_measuring), cmocka_unit_test(test_plugged_in), cmocka_unit_test(test_busy_controller),
        cmocka_unit_test(test_two_batteries), cmocka_unit_test(test_content_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
