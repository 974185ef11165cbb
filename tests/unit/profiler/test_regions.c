/* SPDX-License-Identifier: MIT
 * test_regions.c - regions of one thread and of many: what is read at their edges, what is refused, what a fork may do,
 * structs of other sizes, and what a region costs.
 */
#include "tests/support/profiler_rig.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOULE INT64_C(1000000)

/* A counter of 10 W, in microjoules, which wraps at 100 J. */
static int64_t ten_watts(void *user, int64_t now_ns, char *out, size_t n)
{
    (void)user;
    return snprintf(out, n, "%lld\n", (long long)(now_ns / 100 % (100 * JOULE)));
}

static eprof_result empty_result(void)
{
    eprof_result r = EPROF_INIT(eprof_result);
    return r;
}

/* A started profiler with that counter, which is read at edges; its channel. */
static int32_t start_with_counter(rig *r, uint32_t flags)
{
    rig_open(r);
    r->config.flags = flags;
    rig_create(r);
    fake_content(r->m, "/rig/counter", ten_watts, NULL);
    const int32_t c = rig_add(r, "/rig/counter", EPROF__ENERGY, RIG_SECOND / 5, 10000);
    rig_source(r)->at_edges = true;
    r->p->record->channels[c].wrap = (uint64_t)(100 * JOULE);
    rig_start(r);
    return c;
}

/* -------------------------------------------------------------------------------------------------- edges -- */

static void counters_are_read_just_outside(void **state)
{
    (void)state;
    rig r;
    eprof_result cost = empty_result();
    const int32_t c = start_with_counter(&r, EPROF_NO_SAMPLER);
    const eprof__samples *s = rig_samples(&r, c);
    const int64_t before = s->n;
    const eprof_region a = eprof_begin(r.p, 0, "work");
    assert_int_equal(a, 1);
    assert_int_equal(s->n, before + 1);
    fake_sleep(r.m, 3 * RIG_SECOND);
    assert_ok(eprof_end(r.p, a, &cost, &r.err), &r.err);
    assert_int_equal(s->n, before + 2);
    const int64_t outside_begin = eprof__sample_at(s, before)->t_ns;
    const int64_t outside_end = eprof__sample_at(s, before + 1)->t_ns;
    assert_true(outside_begin < cost.begin_ns && cost.begin_ns - outside_begin < 100000);
    assert_true(outside_end > cost.end_ns && outside_end - cost.end_ns < 100000);
    assert_string_equal(cost.name, "work");
    assert_int_equal(cost.id, 1);
    assert_float_equal((float)cost.elapsed_s, 3, 0.001f);
    assert_int_equal(cost.n_energies, 1);
    assert_float_equal((float)cost.energy[0].gross_j, 30, 0.01f);
    rig_close(&r);
}

static void joules_so_far_wrap_and_all(void **state)
{
    (void)state;
    rig r;
    double joules = 0;
    start_with_counter(&r, 0);
    const eprof_region a = eprof_begin(r.p, 0, "budget");
    for (int i = 1; i <= 25; i++) {
        fake_sleep(r.m, RIG_SECOND);
        assert_ok(eprof_joules(r.p, a, &joules, &r.err), &r.err);
        assert_float_equal((float)joules, (float)(10 * i), 0.01f); /* twice around */
    }
    eprof_result so_far = empty_result();
    assert_ok(eprof_peek(r.p, a, &so_far, &r.err), &r.err);
    assert_float_equal((float)so_far.energy[0].gross_j, 250, 0.05f);
    assert_int_equal(r.p->record->regions[0].end_ns, INT64_MAX);
    assert_int_equal(eprof_joules(r.p, 77, &joules, &r.err), EPROF_E_ARG);
    assert_string_equal(r.err.message, "there is no region 77");
    assert_false(eprof_has(joules));
    rig_close(&r);
}

static void joules_need_a_counter(void **state)
{
    (void)state;
    rig r;
    double joules = 0;
    rig_open(&r);
    rig_create(&r);
    fake_file(r.m, "/rig/watts", "3000000\n");
    rig_add(&r, "/rig/watts", EPROF__POWER, RIG_SECOND / 5, 100);
    rig_start(&r);
    const eprof_region a = eprof_begin(r.p, 0, "a");
    assert_int_equal(eprof_joules(r.p, a, &joules, &r.err), EPROF_E_UNSUPPORTED);
    assert_string_equal(r.err.message, "no live energy counter was found");
    assert_non_null(strstr(r.err.hint, "edgeprof sources"));
    assert_false(eprof_has(joules));
    rig_close(&r);
}

/* ---------------------------------------------------------------------------------------------- what is said -- */

static void names_keep_whole_characters(void **state)
{
    (void)state;
    static const struct { const char *name, *kept; } cases[] = {
        { NULL, "" },
        { "", "" },
        { "0123456789012345678901234567890", "0123456789012345678901234567890" },
        { "0123456789012345678901234567890x", "0123456789012345678901234567890" },
        { "012345678901234567890123456789\xc3\xa4", "012345678901234567890123456789" },
        { "01234567890123456789012345678\xe2\x82\xac", "01234567890123456789012345678" },
        { "01234567890123456789012345678\xc3\xa4z", "01234567890123456789012345678\xc3\xa4" },
    };
    rig r;
    rig_open(&r);
    rig_create(&r);
    rig_start(&r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const eprof_region a = eprof_begin(r.p, 0, cases[i].name);
        assert_string_equal(r.p->record->regions[a - 1].name, cases[i].kept);
    }
    rig_close(&r);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    rig r;
    eprof_result cost = empty_result();
    rig_open(&r);
    rig_create(&r);
    assert_int_equal(eprof_begin(r.p, 0, "too early"), 0);
    assert_int_equal(eprof_end(r.p, 0, NULL, &r.err), EPROF_E_STATE);
    assert_string_equal(r.err.message, "the profiler is not started");
    assert_int_equal(eprof_result_of(r.p, 0, &cost, &r.err), EPROF_E_STATE);
    rig_start(&r);
    assert_int_equal(eprof_start(r.p, &r.err), EPROF_E_STATE);
    assert_string_equal(r.err.message, "the profiler is started");
    assert_ok(eprof_end(r.p, 0, &cost, &r.err), &r.err);
    eprof_annotate(r.p, 0, "nothing", 1);
    eprof_annotate(r.p, 5, "nothing", 1);
    assert_int_equal(eprof_end(r.p, 5, &cost, &r.err), EPROF_E_ARG);
    const eprof_region a = eprof_begin(r.p, 0, "a");
    assert_ok(eprof_end(r.p, a, NULL, &r.err), &r.err);
    assert_int_equal(eprof_end(r.p, a, NULL, &r.err), EPROF_E_STATE);
    assert_string_equal(r.err.message, "region 1 has ended before");
    assert_int_equal(eprof_baseline(r.p, EPROF_ABSENT, &r.err), EPROF_E_ARG);
    assert_int_equal(eprof_result_of(r.p, -1, &cost, &r.err), EPROF_E_ARG);
    assert_int_equal(eprof_result_of(r.p, 2, &cost, &r.err), EPROF_E_ARG);
    assert_ok(eprof_stop(r.p, &r.err), &r.err);
    assert_int_equal(eprof_stop(r.p, &r.err), EPROF_E_STATE);
    assert_string_equal(r.err.message, "the profiler is stopped");
    assert_int_equal(eprof_begin(r.p, 0, "too late"), 0);
    assert_int_equal(eprof_end(NULL, 0, NULL, &r.err), EPROF_E_ARG);
    assert_string_equal(r.err.message, "p is NULL");
    assert_int_equal(eprof_begin(NULL, 0, "nobody"), 0);
    rig_close(&r);
}

static void so_many_are_open_and_no_more(void **state)
{
    (void)state;
    rig r;
    eprof_region open[EPROF_MAX_REGIONS];
    rig_open(&r);
    rig_create(&r);
    rig_start(&r);
    for (int i = 0; i < EPROF_MAX_REGIONS; i++) assert_int_not_equal(open[i] = eprof_begin(r.p, 0, "r"), 0);
    assert_int_equal(eprof_begin(r.p, 0, "one more"), 0);
    assert_int_equal(eprof_baseline(r.p, 1, &r.err), EPROF_E_LIMIT);
    assert_ok(eprof_end(r.p, open[100], NULL, &r.err), &r.err);
    assert_int_equal(eprof_end(r.p, open[100], NULL, NULL), EPROF_E_STATE); /* frees no second place */
    assert_int_not_equal(eprof_begin(r.p, open[99], "one more"), 0);
    assert_int_equal(eprof_begin(r.p, 0, "two more"), 0);
    rig_close(&r);
}

static void idle_time_is_a_region(void **state)
{
    (void)state;
    rig r;
    start_with_counter(&r, 0);
    const int64_t before = fake_now(r.m);
    assert_ok(eprof_baseline(r.p, 7.5, &r.err), &r.err);
    assert_true(fake_now(r.m) - before >= 7500000000);
    const eprof__region_record *g = eprof__record_region(r.p->record, 1);
    assert_string_equal(g->name, "(idle)");
    assert_in_range(g->end_ns - g->begin_ns, 7499900000, 7500200000);
    rig_close(&r);
}

static void what_stop_finds_open_is_incomplete(void **state)
{
    (void)state;
    rig r;
    eprof_result cost = empty_result();
    start_with_counter(&r, 0);
    const eprof_region open = eprof_begin(r.p, 0, "open"), whole = eprof_begin(r.p, open, "whole");
    fake_sleep(r.m, 2 * RIG_SECOND);
    assert_ok(eprof_end(r.p, whole, NULL, &r.err), &r.err);
    fake_sleep(r.m, 2 * RIG_SECOND);
    assert_ok(eprof_stop(r.p, &r.err), &r.err);
    assert_ok(eprof_result_of(r.p, (int32_t)whole, &cost, &r.err), &r.err);
    assert_int_equal(cost.flags & EPROF_FLAG_INCOMPLETE, 0);
    assert_float_equal((float)cost.energy[0].gross_j, 20, 0.01f);
    assert_ok(eprof_result_of(r.p, (int32_t)open, &cost, &r.err), &r.err);
    assert_int_equal(cost.flags & EPROF_FLAG_INCOMPLETE, EPROF_FLAG_INCOMPLETE);
    assert_float_equal((float)cost.elapsed_s, 4, 0.01f);
    assert_ok(eprof_result_of(r.p, 0, &cost, &r.err), &r.err);
    assert_string_equal(cost.name, "run");
    rig_close(&r);
}

/* ---------------------------------------------------------------------------------------- sizes of structs -- */

static void larger_structs_are_filled_as_far_as_known(void **state)
{
    (void)state;
    static struct { eprof_result known; char later[512]; } larger;
    static struct { eprof_config known; char later[64]; } config;
    rig r;
    memset(&larger, 0x5a, sizeof larger);
    memset(&larger.known, 0, sizeof larger.known);
    larger.known.struct_size = (uint32_t)sizeof larger;
    rig_open(&r);
    config.known = r.config;
    config.known.struct_size = (uint32_t)sizeof config;
    assert_ok(eprof_create(&config.known, &r.p, &r.err), &r.err);
    rig_start(&r);
    const eprof_region a = eprof_begin(r.p, 0, "a");
    assert_ok(eprof_end(r.p, a, &larger.known, &r.err), &r.err);
    assert_int_equal(larger.known.struct_size, sizeof larger);
    assert_string_equal(larger.known.name, "a");
    for (size_t i = 0; i < sizeof larger.later; i++) assert_int_equal(larger.later[i], 0x5a);
    larger.known.struct_size = (uint32_t)sizeof(eprof_result) - 8;
    assert_int_equal(eprof_end(r.p, a, &larger.known, &r.err), EPROF_E_ARG);
    assert_string_equal(r.err.hint, "initialise it with EPROF_INIT(eprof_result)");
    larger.known.struct_size = 0;
    assert_int_equal(eprof_peek(r.p, a, &larger.known, &r.err), EPROF_E_ARG);
    r.err.struct_size = 12;
    assert_int_equal(eprof_stop(r.p, &r.err), EPROF_E_ARG);
    rig_close(&r);
}

/* --------------------------------------------------------------------------------------------------- fork -- */

static int child(eprof *p, eprof_region open)
{
    eprof_error err = EPROF_INIT(eprof_error);
    eprof_result cost = empty_result();
    if (eprof_begin(p, 0, "child") != 0) return 1;
    eprof_annotate(p, open, "child", 1);
    if (eprof_end(p, open, &cost, &err) != EPROF_E_STATE) return 2;
    if (!strstr(err.message, "is a fork of the profiler's")) return 3;
    if (eprof_stop(p, NULL) != EPROF_E_STATE || eprof_baseline(p, 1, NULL) != EPROF_E_STATE) return 4;
    if (eprof_result_of(p, 0, &cost, NULL) != EPROF_E_STATE) return 5;
    eprof_destroy(&p);
    return p ? 6 : 0;
}

static void a_forked_child_gets_a_status(void **state)
{
    (void)state;
    rig r;
    int status = -1;
    char path[] = "/proc/self/fd/2147483647";
    FILE *log = tmpfile();
    assert_non_null(log);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(log));
    rig_open(&r);
    r.config.io = NULL; /* the real machine, with threads that may hold locks */
    r.config.log_path = path;
    r.config.sample_hz = 100;
    rig_create(&r);
    assert_ok(eprof_start(r.p, &r.err), &r.err);
    const eprof_region open = eprof_begin(r.p, 0, "parent");
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child(r.p, open));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_ok(eprof_end(r.p, open, NULL, &r.err), &r.err);
    assert_int_equal(r.p->record->regions[0].n_notes, 0);
    assert_ok(eprof_stop(r.p, &r.err), &r.err);
    rig_close(&r);
    (void)fclose(log);
}

/* ------------------------------------------------------------------------------------------------ threads -- */

enum { N_THREADS = 8, N_EACH = 400 };

typedef struct worker {
    eprof *p;
    eprof_region outer, handed_over;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    for (int i = 0; i < N_EACH; i++) {
        eprof_result cost = empty_result();
        const eprof_region a = eprof_begin(w->p, w->outer, "thread"), b = eprof_begin(w->p, a, "inner");
        eprof_annotate(w->p, b, "i", i);
        if (a == 0 || b == 0 || eprof_end(w->p, b, i % 50 ? NULL : &cost, NULL) != EPROF_OK ||
            eprof_end(w->p, a, NULL, NULL) != EPROF_OK)
            return w;
    }
    w->handed_over = eprof_begin(w->p, 0, "handed over");
    return NULL;
}

static void eight_threads_at_once(void **state)
{
    (void)state;
    rig r;
    pthread_t threads[N_THREADS];
    worker workers[N_THREADS];
    rig_open(&r);
    r.config.io = NULL;
    r.config.sample_hz = 100;
    rig_create(&r);
    assert_ok(eprof_start(r.p, &r.err), &r.err);
    const eprof_region outer = eprof_begin(r.p, 0, "outer");
    for (int i = 0; i < N_THREADS; i++) {
        workers[i] = (worker){ .p = r.p, .outer = outer };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
        assert_ok(eprof_end(r.p, workers[i].handed_over, NULL, &r.err), &r.err);
    }
    for (int i = 0; i < N_THREADS; i++) { /* nobody writes any more */
        const eprof__region_record *g = eprof__record_region(r.p->record, workers[i].handed_over);
        assert_int_not_equal(g->thread, g->end_thread);
        assert_int_equal(g->end_cpu_ns, -1); /* another thread's CPU time says nothing */
    }
    assert_ok(eprof_end(r.p, outer, NULL, &r.err), &r.err);
    assert_ok(eprof_stop(r.p, &r.err), &r.err);
    const eprof__record *record = r.p->record;
    assert_int_equal(record->n_regions, 1 + N_THREADS * (2 * N_EACH + 1));
    assert_int_equal(atomic_load(&r.p->n_open), 0);
    for (int64_t i = 0; i < record->n_regions; i++) {
        const eprof__region_record *g = &record->regions[i];
        assert_true(g->begin_ns <= g->end_ns && g->end_ns < INT64_MAX);
        if (g->thread == g->end_thread) assert_true(g->end_cpu_ns >= g->begin_cpu_ns);
    }
    for (int32_t c = 0; c < record->n_channels; c++) {
        const eprof__samples *s = &record->samples[c];
        for (int64_t i = 1; i < s->n; i++)
            assert_true(eprof__sample_at(s, i - 1)->t_ns <= eprof__sample_at(s, i)->t_ns);
    }
    rig_close(&r);
}

/* --------------------------------------------------------------------------------------------------- cost -- */

static double real_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* Printed, not judged but for an order of magnitude: the machine may be busy. */
static void a_hundred_thousand_regions_cost_little(void **state)
{
    (void)state;
    enum { N = 100000, BATCH = 1000 };
    rig r;
    double best_us = 1e9;
    rig_open(&r);
    r.config.io = NULL;
    r.config.sources = NULL;
    rig_create(&r);
    assert_ok(eprof_start(r.p, &r.err), &r.err);
    const double begun_us = real_us();
    for (int i = 0; i < N; i += BATCH) {
        const double from_us = real_us();
        for (int k = 0; k < BATCH; k++) {
            const eprof_region a = eprof_begin(r.p, 0, "region");
            assert_int_equal(eprof_end(r.p, a, NULL, NULL), EPROF_OK);
        }
        const double us = (real_us() - from_us) / BATCH;
        if (us < best_us) best_us = us;
    }
    print_message("a region costs %.2f us (best thousand), %.2f us (mean of 100000)\n", best_us,
                  (real_us() - begun_us) / N);
    assert_ok(eprof_stop(r.p, &r.err), &r.err);
    assert_int_equal(r.p->record->n_regions, N);
    assert_true(best_us < 100);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_read_just_outside), cmocka_unit_test(joules_so_far_wrap_and_all),
        cmocka_unit_test(joules_need_a_counter),          cmocka_unit_test(names_keep_whole_characters),
        cmocka_unit_test(mistakes_are_named),             cmocka_unit_test(so_many_are_open_and_no_more),
        cmocka_unit_test(idle_time_is_a_region),          cmocka_unit_test(what_stop_finds_open_is_incomplete),
        cmocka_unit_test(larger_structs_are_filled_as_far_as_known), cmocka_unit_test(a_forked_child_gets_a_status),
        cmocka_unit_test(eight_threads_at_once),          cmocka_unit_test(a_hundred_thousand_regions_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
