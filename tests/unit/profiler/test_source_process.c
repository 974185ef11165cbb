/* SPDX-License-Identifier: MIT
 * test_source_process.c - CPU time and memory of this process, of another and of those that it starts: nothing is lost
 * when children are reaped, nothing is counted twice, and the total does not fall.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { CPU, ANON, FILE_ };

static double page_mib(void) { return (double)sysconf(_SC_PAGESIZE) / (1 << 20); }

/* A process as /proc shows it, its only thread's children among it. ticks: utime; reaped: cutime. */
static void show(fake_machine *m, int pid, int parent, int ticks, int reaped, const char *children)
{
    char path[96], text[256];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    (void)snprintf(text, sizeof text,
                   "%d (a) (odd name) S %d 1 1 0 -1 4194560 100 0 0 0 %d 0 %d 0 20 0 1 0 %d 1000 200 1 1\n",
                   pid, parent, ticks, reaped, 5000 + pid);
    fake_file(m, path, text);
    (void)snprintf(path, sizeof path, "/proc/%d/statm", pid);
    fake_file(m, path, "5000 300 100 10 0 900 0\n");
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    if (children) fake_file(m, path, children);
}

static void hide(fake_machine *m, int pid)
{
    static const char *const files[] = { "stat", "statm" };
    char path[96];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        fake_file(m, path, NULL);
    }
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    fake_file(m, path, NULL);
}

static int64_t ticks(probed *p, eprof__source *s)
{
    assert_int_equal(probed_read(p, s), 0);
    assert_true(p->ok[CPU]);
    return p->raw[CPU];
}

static void test_this_process(void **state)
{
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/intel-laptop");
    fake_own_cores(p.m, 2);
    eprof__probe_process(&p.all);
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(s->info.live, 1);
    assert_true(s->at_edges);
    assert_int_equal(probed_read(&p, s), 0);
    const double before = probed_value(&p, s, CPU);
    fake_sleep(p.m, 3000000000);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(fabs(probed_value(&p, s, CPU) - before - 6) < 1e-4);
    assert_true(probed_value(&p, s, ANON) == 1500 * page_mib()); /* resident 2000 - shared 500 */
    assert_true(probed_value(&p, s, FILE_) == 500 * page_mib());
    static const char *const bad[] = { "", "5000 2000\n", "5000 2000 500", "5000 x 500 1\n", "5000 -1 500 1\n",
                                       "5000 99999999999999999999 500 1\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fake_file(p.m, "/proc/self/statm", bad[i]);
        probed_close(&p);
        probed_open(&p, "tests/machines/intel-laptop");
        fake_file(p.m, "/proc/self/statm", bad[i]);
        eprof__probe_process(&p.all);
        s = probed_find(&p, "process");
        assert_int_equal(probed_read(&p, s), 0);
        assert_true(p.ok[CPU]);
        assert_false(p.ok[ANON] || p.ok[FILE_]);
    }
    probed_close(&p);
}

static void test_without_proc_there_is_cpu_time(void **state)
{
    probed p;
    (void)state;
    probed_open(&p, NULL);
    eprof__probe_process(&p.all);
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(s->n_channels, 1);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(p.ok[CPU]);
    assert_non_null(strstr(s->info.what, "no memory"));
    probed_close(&p);
}

static void open_tree(probed *p, const char *children)
{
    probed_open(p, NULL);
    p->all.pid = 100;
    show(p->m, 100, 1, 50, 0, children);
    show(p->m, 101, 100, 20, 5, children ? "" : NULL);
    eprof__probe_process(&p->all);
}

static void test_descendants(void **state)
{
    probed p;
    (void)state;
    open_tree(&p, "101 102");
    show(p.m, 102, 100, 7, 0, "103 ");
    show(p.m, 103, 102, 3, 0, "");
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(ticks(&p, s), 50 + 25 + 7 + 3);
    assert_true(s->channels[CPU].scale == 1.0 / (double)sysconf(_SC_CLK_TCK));
    assert_true(probed_value(&p, s, ANON) == 4 * 200 * page_mib());
    assert_true(probed_value(&p, s, FILE_) == 4 * 100 * page_mib());
    probed_close(&p);
}

static void test_reaped_children_stay_counted_once(void **state)
{
    probed p;
    (void)state;
    open_tree(&p, "101 ");
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(ticks(&p, s), 75);
    hide(p.m, 101); /* ended; its parent has not been read with it yet: the total stands */
    show(p.m, 100, 1, 50, 0, "");
    assert_int_equal(ticks(&p, s), 75);
    show(p.m, 100, 1, 60, 30, ""); /* 25 and the 5 of its last moment */
    assert_int_equal(ticks(&p, s), 90);
    assert_true(probed_value(&p, s, ANON) == 200 * page_mib());
    probed_close(&p);
}

static void test_orphans_stay_counted(void **state)
{
    probed p;
    (void)state;
    open_tree(&p, "101 ");
    eprof__source *s = probed_find(&p, "process");
    show(p.m, 101, 100, 20, 5, "102 ");
    show(p.m, 102, 101, 10, 0, "");
    assert_int_equal(ticks(&p, s), 85);
    hide(p.m, 101); /* 102 goes to init, and works on */
    show(p.m, 100, 1, 50, 25, "");
    show(p.m, 102, 1, 40, 0, "");
    assert_int_equal(ticks(&p, s), 50 + 25 + 40);
    hide(p.m, 102); /* reaped by init: nobody else counts it */
    assert_int_equal(ticks(&p, s), 115);
    show(p.m, 100, 1, 51, 25, "");
    assert_int_equal(ticks(&p, s), 116);
    hide(p.m, 100);
    assert_int_equal(ticks(&p, s), 116);
    assert_false(p.ok[ANON]);
    probed_close(&p);
}

static void test_a_number_used_again_is_another_process(void **state)
{
    probed p;
    char text[256];
    (void)state;
    open_tree(&p, "101 ");
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(ticks(&p, s), 75);
    (void)snprintf(text, sizeof text, "101 (b) S 1 1 1 0 -1 0 0 0 0 0 9000 0 0 0 20 0 1 0 %d 1 1 1 1\n", 99999);
    fake_file(p.m, "/proc/101/stat", text);
    show(p.m, 100, 1, 50, 25, "");
    assert_int_equal(ticks(&p, s), 75);
    probed_close(&p);
}

static void test_kernels_without_children_files(void **state)
{
    probed p;
    (void)state;
    open_tree(&p, NULL);
    show(p.m, 90, 1, 1000, 0, NULL);  /* nobody of ours */
    show(p.m, 95, 101, 4, 0, NULL);   /* a grandchild with a smaller number */
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(ticks(&p, s), 50 + 25 + 4);
    show(p.m, 104, 100, 6, 0, NULL);
    assert_int_equal(ticks(&p, s), 79); /* all of /proc is looked through once a second */
    fake_sleep(p.m, 1100000000);
    assert_int_equal(ticks(&p, s), 85);
    probed_close(&p);
}

static void test_many_descendants_are_looked_for_once_a_second(void **state)
{
    char children[128] = "101";
    probed p;
    (void)state;
    open_tree(&p, "101");
    for (int i = 102; i < 110; i++) {
        show(p.m, i, 100, 1, 0, "");
        (void)snprintf(children + strlen(children), sizeof children - strlen(children), " %d", i);
    }
    show(p.m, 100, 1, 50, 0, children);
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(ticks(&p, s), 83);
    show(p.m, 101, 100, 20, 5, "111");
    show(p.m, 111, 101, 2, 0, "");
    assert_int_equal(ticks(&p, s), 83);
    fake_sleep(p.m, 1100000000);
    assert_int_equal(ticks(&p, s), 85);
    probed_close(&p);
}

static void test_bad_stat_files(void **state)
{
    static const char *const bad[] = {
        "", "101", "101 (a", "101 (a) S 100\n", "101 (a) S 100 1 1 0 -1 0 0 0 0 0 20 x 5 0 20 0 1 0 5101 1\n",
        "101 (a) S 100 1 1 0 -1 0 0 0 0 0 9223372036854775807 1 0 0 20 0 1 0 5101 1\n",
        "101 (a) S 100 1 1 0 -1 0 0 0 0 0 99999999999999999999 1 0 0 20 0 1 0 5101 1\n",
        "101 (a) S 100 1 1 0 -1 0 0 0 0 0 -5 1 0 0 20 0 1 0 5101 1\n",
        "101 (a) S 100 1 1 0 -1 0 0 0 0 0 20 0 5 0 20 0 1 0 51" };
    probed p;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        open_tree(&p, "101 ");
        eprof__source *s = probed_find(&p, "process");
        assert_int_equal(ticks(&p, s), 75);
        fake_file(p.m, "/proc/101/stat", bad[i]);
        assert_int_equal(ticks(&p, s), 75); /* what it was */
        show(p.m, 101, 100, 22, 5, "");
        assert_int_equal(ticks(&p, s), 77);
        probed_close(&p);
    }
}

static void test_a_process_that_is_not_there(void **state)
{
    probed p;
    (void)state;
    probed_open(&p, NULL);
    p.all.pid = 4711;
    eprof__probe_process(&p.all);
    eprof__source *s = probed_find(&p, "process");
    assert_int_equal(s->info.live, 0);
    assert_string_equal(s->info.why_not, "/proc/4711/stat: not there");
    probed_close(&p);
}

static void test_pss(void **state)
{
    probed p;
    int64_t kib = -1;
    (void)state;
    open_tree(&p, "101 ");
    assert_int_equal(eprof__read_pss(p.all.io, 0, &kib), -ENOENT);
    fake_file(p.m, "/proc/self/smaps_rollup",
              "5500-7fff ---p 00000000 00:00 0 [rollup]\nRss:   2000 kB\nPss:    1234 kB\nPss_Anon: 1 kB\n");
    assert_int_equal(eprof__read_pss(p.all.io, 0, &kib), 0);
    assert_int_equal(kib, 1234);
    fake_file(p.m, "/proc/100/smaps_rollup", "x\nPss: 100 kB\n");
    fake_file(p.m, "/proc/101/smaps_rollup", "x\nPss: 23 kB\n");
    assert_int_equal(eprof__read_pss(p.all.io, 100, &kib), 0);
    assert_int_equal(kib, 123);
    fake_file(p.m, "/proc/self/smaps_rollup", "x\nPss: 9999999999999999999999 kB\n");
    assert_int_equal(eprof__read_pss(p.all.io, 0, &kib), -ERANGE);
    fake_file(p.m, "/proc/self/smaps_rollup", "x\nRss: 1 kB\n");
    assert_int_equal(eprof__read_pss(p.all.io, 0, &kib), -EINVAL);
    assert_int_equal(eprof__read_pss(p.all.io, 4711, &kib), -ENOENT);
    probed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_process), cmocka_unit_test(test_without_proc_there_is_cpu_time),
        cmocka_unit_test(test_descendants), cmocka_unit_test(test_reaped_children_stay_counted_once),
        cmocka_unit_test(test_orphans_stay_counted), cmocka_unit_test(test_a_number_used_again_is_another_process),
        cmocka_unit_test(test_kernels_without_children_files),
        cmocka_unit_test(test_many_descendants_are_looked_for_once_a_second), cmocka_unit_test(test_bad_stat_files),
        cmocka_unit_test(test_a_process_that_is_not_there), cmocka_unit_test(test_pss) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
