/* SPDX-License-Identifier: MIT
 * test_source_iio.c - power by the industrial I/O subsystem: an INA226 with its power file, without it, and values that
 * cannot be.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <math.h>

#define DEVICE "/sys/bus/iio/devices/iio:device0/"
#define MACHINE "tests/machines/ina2xx-iio"

static bool is_near(double a, double b) { return fabs(a - b) < 1e-9 * (1 + fabs(b)); }

static void test_power_file(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, MACHINE);
    eprof__probe_iio(&p.all);
    assert_int_equal(p.all.n, 1);
    eprof__source *s = probed_find(&p, "iio:ina226");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.scope, EPROF_SCOPE_BOARD_DC);
    assert_string_equal(s->info.what, "ina226 (Linux iio), shunt 10000 uohm");
    assert_true(s->is_slow && is_near(s->info.power_w, 5.0) && is_near(s->info.accuracy_pct, 1.1));
    assert_int_equal(s->n_channels, 1); /* one conversion, not the product beside it */
    assert_string_equal(s->channels[0].name, "iio:ina226");
    assert_true(is_near(s->channels[0].scale, 0.025) && is_near(s->channels[0].lsb, 0.025));
    assert_int_equal(s->channels[0].update_ns, 2197802); /* 455 Hz */
    fake_file(p.m, DEVICE "in_power2_raw", "213\n");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 213);
    assert_true(is_near(probed_value(&p, s, 0), 5.325));
    fake_error(p.m, DEVICE "in_power2_raw", 'r', ETIMEDOUT, 1);
    assert_int_equal(probed_read(&p, s), -ETIMEDOUT);
    assert_false(p.ok[0]);
    probed_close(&p);
}

static void test_product(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, MACHINE);
    fake_file(p.m, DEVICE "in_power2_raw", NULL);
    fake_file(p.m, DEVICE "in_current3_label", "5V rail\n");
    eprof__probe_iio(&p.all);
    eprof__source *s = probed_find(&p, "iio:ina226");
    assert_int_equal(s->n_channels, 1);
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 4096 * 980); /* the bus, not the shunt */
    assert_true(is_near(probed_value(&p, s, 0), 5.12 * 0.98));
    probed_close(&p);
    /* elsewhere equal numbers belong together, and a scale may be the kind's */
    probed_open(&p, NULL);
    fake_file(p.m, DEVICE "name", "novelty\n");
    fake_file(p.m, DEVICE "label", "board power\n");
    fake_file(p.m, DEVICE "in_voltage1_raw", "12000\n");
    fake_file(p.m, DEVICE "in_voltage_scale", "0.5\n");
    fake_file(p.m, DEVICE "in_current1_raw", "-3\n");
    fake_file(p.m, DEVICE "in_current_scale", "2e1\n");
    eprof__probe_iio(&p.all);
    s = probed_find(&p, "iio:novelty");
    assert_string_equal(s->info.what, "novelty board power (Linux iio)");
    assert_int_equal(s->info.scope, EPROF_SCOPE_OTHER);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(is_near(probed_value(&p, s, 0), 6.0 * -0.06));
    probed_close(&p);
}

static void test_dead(void **state)
{
    (void)state;
    static const struct { const char *file, *text, *why; } wrong[] = {
        { "in_power2_scale", NULL, "in_power_scale" },
        { "in_power2_scale", "0\n", "in_power_scale" },
        { "in_power2_scale", "nan\n", "in_power_scale" },
        { "in_power2_scale", "25,0\n", "in_power_scale" },
        { "in_power2_raw", "4294967295\n", "more than 500 W" },
        { "in_power2_raw", "0\n", "no current flows" },
        { "in_power2_raw", "\n", "in_power2_raw: no reading" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char path[128] = DEVICE;
        probed p;
        probed_open(&p, MACHINE);
        fake_file(p.m, strcat(path, wrong[i].file), wrong[i].text);
        eprof__probe_iio(&p.all);
        assert_dead(probed_find(&p, "iio:ina226"), wrong[i].why, "");
        probed_close(&p);
    }
}

static void test_others(void **state)
{
    (void)state;
    probed p;
    probed_open(&p, MACHINE);
    fake_file(p.m, "/sys/bus/iio/devices/iio:device1/name", "ina226\n");
    fake_file(p.m, "/sys/bus/iio/devices/iio:device1/in_power2_raw", "100\n");
    fake_file(p.m, "/sys/bus/iio/devices/iio:device1/in_power2_scale", "25\n");
    fake_file(p.m, "/sys/bus/iio/devices/iio:device2/name", "bme280\n");
    fake_file(p.m, "/sys/bus/iio/devices/iio:device2/in_voltage0_raw", "100\n");
    eprof__probe_iio(&p.all);
    assert_int_equal(p.all.n, 2);
    assert_int_equal(probed_find(&p, "iio:ina226")->info.scope, EPROF_SCOPE_OTHER);
    assert_string_equal(probed_find(&p, "iio:ina226#2")->channels[0].name, "iio:ina226#2");
    probed_close(&p);
    probed_open(&p, "tests/machines/pi5");
    eprof__probe_iio(&p.all);
    assert_int_equal(p.all.n, 0);
    probed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_power_file), cmocka_unit_test(test_product),
                                        cmocka_unit_test(test_dead), cmocka_unit_test(test_others) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
