/* SPDX-License-Identifier: MIT
 * test_source_model.c - the estimate by CPU use: its constants, its curve, its label.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

static void show_busy(fake_machine *m, int64_t busy, int64_t idle)
{
    char text[96];
    (void)snprintf(text, sizeof text, "cpu  %lld 0 0 %lld 0 0 0 0 0 0\n", (long long)busy, (long long)idle);
    fake_file(m, "/proc/stat", text);
}

static eprof__source *open_model(probed *p, const char *folder, const char *board, double idle_w, double max_w)
{
    probed_open(p, folder);
    if (!folder) show_busy(p->m, 0, 0);
    if (board) fake_file(p->m, "/proc/device-tree/model", board);
    p->all.model_idle_w = idle_w;
    p->all.model_max_w = max_w;
    eprof__probe_model(&p->all);
    return probed_find(p, "model");
}

static void test_label(void **state)
{
    probed p;
    (void)state;
    const eprof__source *s = open_model(&p, NULL, "Raspberry Pi 5 Model B Rev 1.0", 0, 0);
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.cls, EPROF_CLASS_MODEL);
    assert_int_equal(s->channels[0].cls, EPROF_CLASS_MODEL);
    assert_int_equal(s->channels[0].kind, EPROF__POWER);
    assert_true(s->channels[0].accuracy == 0.3 && !s->channels[0].is_calibrated);
    assert_string_equal(s->info.what, "an estimate by CPU use, 3000 to 9000 mW, as of Raspberry Pi 5");
    probed_close(&p);
}

static void test_curve(void **state)
{
    enum { STEPS = 100 };
    double before = 0, slope_before = HUGE_VAL;
    int64_t busy = 0, idle = 0;
    probed p;
    (void)state;
    eprof__source *s = open_model(&p, NULL, NULL, 3, 9);
    assert_int_equal(probed_read(&p, s), -EAGAIN); /* nothing to compare with */
    for (int i = 0; i <= STEPS; i++) {
        busy += i;
        idle += STEPS - i;
        show_busy(p.m, busy, idle);
        assert_int_equal(probed_read(&p, s), 0);
        const double watts = probed_value(&p, s, 0);
        if (i == 0) assert_true(fabs(watts - 3) < 1e-6);
        if (i == STEPS) assert_true(fabs(watts - 9) < 1e-6);
        if (i == 50) assert_true(fabs(watts - (3 + 6 * (1 - pow(0.5, 1.4)))) < 1e-6);
        if (i > 0) assert_true(watts > before && watts - before < slope_before + 1e-5); /* rises, ever less */
        if (i > 0) slope_before = watts - before;
        before = watts;
    }
    assert_int_equal(probed_read(&p, s), -EAGAIN); /* no tick since */
    show_busy(p.m, busy - 50, idle + 500); /* begun anew: no estimate of it */
    assert_int_equal(probed_read(&p, s), -EAGAIN);
    assert_false(p.ok[0]);
    show_busy(p.m, busy + 50, idle + 600);
    assert_int_equal(probed_read(&p, s), 0);
    fake_error(p.m, "/proc/stat", 'r', EIO, 1);
    assert_int_equal(probed_read(&p, s), -EIO);
    probed_close(&p);
}

static void test_constants(void **state)
{
    static const struct { const char *folder, *board; double idle_w, max_w; const char *what; } cases[] = {
        { NULL, "Raspberry Pi 4 Model B Rev 1.4", 0, 0, "2700 to 6400 mW, as of Raspberry Pi 4" },
        { "tests/machines/intel-laptop", NULL, 0, 0, "6000 to 40000 mW, as of a laptop" },
        { "tests/machines/amd-desktop", NULL, 0, 0, "35000 to 140000 mW, as of a desktop" },
        { "tests/machines/xeon-2-socket", NULL, 0, 0, "120000 to 450000 mW, as of a server" },
        { "tests/machines/this-vm", NULL, 0, 0, "2000 to 10000 mW, of an unknown machine" },
        { "tests/machines/intel-laptop", NULL, 2.5, 12.25, "2500 to 12250 mW, as configured" },
        { "tests/machines/intel-laptop", NULL, 0, 15, "6000 to 15000 mW, as of a laptop" } };
    probed p;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const eprof__source *s = open_model(&p, cases[i].folder, cases[i].board, cases[i].idle_w, cases[i].max_w);
        assert_int_equal(s->info.live, 1);
        if (!strstr(s->info.what, cases[i].what)) fail_msg("\"%s\" does not say \"%s\"", s->info.what, cases[i].what);
        probed_close(&p);
    }
}

static void test_what_is_refused(void **state)
{
    static const double bad[][2] = { { 9, 3 }, { 5, 5 }, { 1e300, 1e301 }, { 60, 0 }, { 1, 1e9 } };
    probed p;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const eprof__source *s = open_model(&p, "tests/machines/intel-laptop", NULL, bad[i][0], bad[i][1]);
        assert_int_equal(s->info.live, 0);
        assert_non_null(strstr(s->info.why_not, "must be below model_max_w"));
        probed_close(&p);
    }
    probed_open(&p, NULL);
    eprof__probe_model(&p.all);
    assert_int_equal(probed_find(&p, "model")->info.live, 0);
    assert_string_equal(probed_find(&p, "model")->info.why_not, "/proc/stat: not there");
    probed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_label), cmocka_unit_test(test_curve),
                                        cmocka_unit_test(test_constants), cmocka_unit_test(test_what_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
