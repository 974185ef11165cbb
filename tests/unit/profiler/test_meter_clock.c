/* SPDX-License-Identifier: MIT
 * test_meter_clock.c - the samples of a meter with its own clock are moved to where they belong: beside another meter,
 * beside the busy share, and nowhere when nothing looks alike; what was found survives a log.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profiler/method/align.h"
#include "profiler/record/log.h"
#include "tests/unit/profiler/synthetic.h"

enum { RUN_S = 60, METER_HZ = 5 };

/* Prompts of different lengths, none like another. */
static bool is_busy(double t_s)
{
    static const double spans[][2] = { { 8, 11 }, { 17, 23.5 }, { 28, 29.5 }, { 37, 41 }, { 50, 52.2 } };
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        if (t_s >= spans[i][0] && t_s < spans[i][1]) return true;
    return false;
}

/* A record with the machine's CPU at 5 Hz, a meter channel with a clock of its own and, if asked for, watts of ours. */
static eprof__record *make_record(bool has_power, int32_t *meter)
{
    eprof__record *r = new_record(0, RUN_S);
    const int32_t busy = add_channel(r, "busy", EPROF__CPU_BUSY, EPROF_CLASS_COUNTER, 0.01, 0.2);
    const int32_t total = add_channel(r, "total", EPROF__CPU_TOTAL, EPROF_CLASS_COUNTER, 0.01, 0.2);
    const int32_t power = has_power ? add_channel(r, "ours", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-3, 0.1) : -1;
    *meter = add_channel(r, "csv", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-6, 1.0 / METER_HZ);
    r->channels[*meter].has_own_clock = true;
    if (has_power) add_meter(r, "ours", 1, &power);
    add_meter(r, "csv", 1, meter);
    double used_s = 0;
    for (int i = 0; i <= 5 * RUN_S; i++) {
        used_s += i > 0 && is_busy(i * 0.2 - 0.1) ? 0.8 : 0.02;
        put(r, busy, i * 0.2, used_s);
        put(r, total, i * 0.2, i * 0.8);
    }
    for (int i = 0; has_power && i <= 10 * RUN_S; i++) put(r, power, i * 0.1, is_busy(i * 0.1) ? 8 : 3);
    return r;
}

/* What the meter wrote: its clock is `late_s` behind ours. */
static int64_t write_meter(eprof__sample *samples, double late_s, bool is_constant)
{
    dice d = { 7 };
    int64_t n = 0;
    for (; n < METER_HZ * RUN_S; n++) {
        const double t_s = (double)n / METER_HZ, watts = is_constant ? 5 : (is_busy(t_s) ? 8 : 3) + 0.05 * normal(&d);
        samples[n] = (eprof__sample){ .t_ns = at(t_s - late_s), .raw = (int64_t)(watts * 1e6) };
    }
    return n;
}

static void place(bool has_power, double late_s)
{
    int32_t meter;
    eprof__sample samples[METER_HZ * RUN_S];
    eprof__record *r = make_record(has_power, &meter);
    const int64_t n = write_meter(samples, late_s, false);
    assert_int_equal(eprof__set_meter_clock(r, meter, samples, n, NULL), EPROF_OK);
    const eprof__channel *c = &r->channels[meter];
    const double error_s = (double)(samples[100].t_ns - at(100.0 / METER_HZ)) * 1e-9;
    assert_true(c->align_quality > 1.5);
    assert_true(c->align_sigma_s > 0 && c->align_sigma_s < 0.2);
    assert_true(fabs(error_s) < 4 * c->align_sigma_s + 0.02);
    for (int64_t i = 1; i < n; i++) assert_true(samples[i].t_ns > samples[i - 1].t_ns);
    eprof__record_destroy(&r);
}

static void beside_another_meter(void **state)
{
    (void)state;
    static const double late[] = { 0, 0.4, -3.3, 8 };
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) place(true, late[i]);
}

static void beside_the_busy_share(void **state)
{
    (void)state;
    static const double late[] = { 0.4, -2 };
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) place(false, late[i]);
}

/* Nothing is moved, and the clock is said to be known to a second. */
static void nothing_looks_alike(void **state)
{
    (void)state;
    int32_t meter;
    eprof__sample samples[METER_HZ * RUN_S];
    eprof__record *r = make_record(true, &meter);
    const int64_t n = write_meter(samples, 0.4, true);
    assert_int_equal(eprof__set_meter_clock(r, meter, samples, n, NULL), EPROF_OK);
    assert_true(llabs(samples[10].t_ns - at(2 - 0.4)) < 1000);
    assert_true(r->channels[meter].align_sigma_s == 1 && r->channels[meter].align_quality == 0);
    eprof__record_destroy(&r);
}

static void a_log_keeps_it(void **state)
{
    (void)state;
    int32_t meter;
    char path[64];
    eprof__sample samples[METER_HZ * RUN_S];
    eprof__log *log = NULL;
    eprof__record *r = make_record(true, &meter), *back = NULL;
    const int file = memfd_create("log", MFD_CLOEXEC);
    assert_true(file >= 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    assert_int_equal(eprof__log_create(path, r, &log, NULL), EPROF_OK);
    const int64_t n = write_meter(samples, 0.4, false);
    assert_int_equal(eprof__set_meter_clock(r, meter, samples, n, NULL), EPROF_OK);
    for (int64_t i = 0; i < n; i++)
        eprof__record_append(r, meter, samples[i].t_ns, samples[i].t_ns, samples[i].raw, 0);
    assert_int_equal(eprof__log_close(&log, r, NULL), EPROF_OK);
    assert_int_equal(eprof__log_read(path, &back, NULL), EPROF_OK);
    (void)close(file);
    assert_true(back->channels[meter].align_sigma_s == r->channels[meter].align_sigma_s);
    assert_true(back->channels[meter].align_quality == r->channels[meter].align_quality);
    assert_true(back->samples[meter].n == n);
    assert_true(eprof__sample_at(&back->samples[meter], 7)->t_ns == samples[7].t_ns);
    eprof__record_destroy(&back);
    eprof__record_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_another_meter), cmocka_unit_test(beside_the_busy_share),
        cmocka_unit_test(nothing_looks_alike),  cmocka_unit_test(a_log_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
