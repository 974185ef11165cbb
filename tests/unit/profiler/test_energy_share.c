/* SPDX-License-Identifier: MIT
 * test_energy_share.c - what regions get that overlap: known shares, and nothing lost or counted twice.
 *
 * The machine idles at 2 W; a core that works adds 3 W. Joules come from a counter read every 0.1 s, which is at all
 * edges.
 */
#include "profiler/method/analyse.h"
#include "tests/unit/profiler/synthetic.h"

static const double idle_w = 2, core_w = 3;

typedef struct job {
    const char *name;
    int parent; /* number of the job, -1: none */
    double t0_s, t1_s;
    int64_t thread;
    double cores; /* its thread's, as the region notes them; < 0: another thread ended it */
} job;

/* The record of jobs of which those of the first level draw power. */
static eprof__record *record_of(const job *jobs, int n)
{
    eprof__record *r = new_record(0, 60);
    const int32_t c = add_channel(r, "j", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-6, 0.1);
    add_meter(r, "j", 1, &c);
    double joules = 0;
    for (int i = 0; i <= 600; i++) {
        const double t = i * 0.1;
        put(r, c, t, joules);
        joules += idle_w * 0.1;
        for (int k = 0; k < n; k++)
            if (jobs[k].parent < 0 && t > jobs[k].t0_s - 1e-6 && t < jobs[k].t1_s - 1e-6)
                joules += core_w * fabs(jobs[k].cores) * 0.1;
    }
    for (int k = 0; k < n; k++) {
        const eprof_region parent = jobs[k].parent < 0 ? 0 : (eprof_region)jobs[k].parent + 1;
        const job *j = &jobs[k];
        const eprof_region id = put_region(r, parent, j->name, j->t0_s, j->t1_s, j->thread, j->cores);
        if (jobs[k].cores < 0) r->regions[id - 1].end_cpu_ns = -1;
    }
    return r;
}

static eprof_energy energy_of(const eprof__record *r, int i)
{
    const eprof__region_record *g = &r->regions[i];
    eprof_energy e;
    eprof__analyse_energy(r, &r->meters[0], g, g->end_ns, &e);
    return e;
}

static void assert_joules(const eprof__record *r, int i, double net_j, double idle_j, bool is_shared)
{
    const eprof_energy e = energy_of(r, i);
    assert_near(e.net_j, net_j, 1e-4);
    assert_near(e.idle_j, idle_j, 1e-4);
    assert_near(e.gross_j, net_j + idle_j, 1e-4);
    assert_int_equal((e.flags & EPROF_FLAG_SHARED) != 0, is_shared);
}

static void two_prompts_share_by_their_threads(void **state)
{
    (void)state;
    const job jobs[] = { { "a", -1, 20, 30, 1, 1 }, { "b", -1, 25, 35, 2, 0.5 } };
    eprof__record *r = record_of(jobs, 2);
    /* 20..25: a alone at 3 W; 25..30: 4.5 W, two thirds are a's; 30..35: b alone at 1.5 W */
    assert_joules(r, 0, 15 + 5 * 3, 5 * 2 + 5 * 2 / 2.0, true);
    assert_joules(r, 1, 5 * 1.5 + 5 * 1.5, 5 * 2 + 5 * 2 / 2.0, true);
    eprof_audit audit = EPROF_INIT(eprof_audit);
    assert_int_equal(eprof__audit(r, &audit, NULL), EPROF_OK);
    assert_int_equal(audit.n_regions, 2);
    assert_near(audit.total_j, 60 * 2 + 30 + 15, 1e-4);
    assert_near(audit.regions_j, 30 + 15 + 30, 1e-4);
    assert_near(audit.residual_j, 0, 1e-4);
    assert_true(audit.resolution_j < 1e-2);
    eprof__record_destroy(&r);
}

static void neighbours_do_not_share(void **state)
{
    (void)state;
    const job jobs[] = { { "a", -1, 20, 30, 1, 1 }, { "b", -1, 30, 35, 2, 1 } };
    eprof__record *r = record_of(jobs, 2);
    assert_joules(r, 0, 30, 20, false);
    assert_joules(r, 1, 15, 10, false);
    eprof__record_destroy(&r);
}

/* A parent has all of its time, and so has each child of its own: they do not share with one another. */
static void nested_regions_do_not_share(void **state)
{
    (void)state;
    const job jobs[] = { { "prompt", -1, 20, 30, 1, 1 }, { "prefill", 0, 20, 24, 1, 1 }, { "decode", 0, 24, 30, 1, 1 },
                         { "token", 2, 25, 26, 1, 1 } };
    eprof__record *r = record_of(jobs, 4);
    assert_joules(r, 0, 30, 20, false);
    assert_joules(r, 1, 12, 8, false);
    assert_joules(r, 2, 18, 12, false);
    assert_joules(r, 3, 3, 2, false);
    eprof__record_destroy(&r);
}

/* Against another prompt its children count once, with it; and a child shares with the other prompt. */
static void a_tree_counts_once(void **state)
{
    (void)state;
    const job jobs[] = { { "a", -1, 20, 30, 1, 1 }, { "b", -1, 20, 30, 2, 1 }, { "decode of b", 1, 20, 30, 2, 1 },
                         { "token of b", 2, 20, 25, 2, 1 } };
    eprof__record *r = record_of(jobs, 4);
    assert_joules(r, 0, 30, 10, true);
    assert_joules(r, 1, 30, 10, true);
    assert_joules(r, 2, 30, 10, true);
    assert_joules(r, 3, 15, 5, true);
    eprof__record_destroy(&r);
}

static void unknown_cpu_time_is_shared_by_heads(void **state)
{
    (void)state;
    const job jobs[] = { { "a", -1, 20, 30, 1, 1 }, { "b", -1, 20, 30, 2, -0.5 }, { "c", -1, 20, 30, 3, 0 } };
    eprof__record *r = record_of(jobs, 3);
    for (int i = 0; i < 3; i++) assert_joules(r, i, 45.0 / 3, 20.0 / 3, true);
    eprof__record_destroy(&r);
}

static void many_overlaps_add_up(void **state)
{
    (void)state;
    enum { N = 40 };
    dice d = { 99 };
    static const char *const names[] = { "a", "b", "c", "d" };
    for (int trial = 0; trial < 10; trial++) {
        job jobs[N];
        double begin = 5;
        for (int k = 0; k < N; k++) { /* edges on the counter's grid */
            begin += round(uniform(&d, 0, 1.5) * 10) / 10;
            const double end = begin + 0.1 + round(uniform(&d, 0, 6) * 10) / 10;
            jobs[k] = (job){ names[k % 4], -1, begin, end, k, uniform(&d, 0.1, 1) };
        }
        eprof__record *r = record_of(jobs, N);
        eprof_audit audit = EPROF_INIT(eprof_audit);
        assert_int_equal(eprof__audit(r, &audit, NULL), EPROF_OK);
        assert_near(audit.residual_j, 0, 1e-3);
        double net = 0;
        for (int k = 0; k < N; k++) net += energy_of(r, k).net_j;
        double expected = 0;
        for (int k = 0; k < N; k++) expected += core_w * jobs[k].cores * (jobs[k].t1_s - jobs[k].t0_s);
        assert_near(net, expected, 1e-3 * expected);
        eprof__record_destroy(&r);
    }
}

static void asked_idle_time_has_no_part_in_it(void **state)
{
    (void)state;
    const job jobs[] = { { "a", -1, 20, 30, 1, 1 }, { "(idle)", -1, 22, 28, 2, 0 } };
    eprof__record *r = record_of(jobs, 2);
    const eprof_energy e = energy_of(r, 0);
    assert_false(e.flags & EPROF_FLAG_SHARED);
    assert_near(e.gross_j, 50, 1e-4);
    eprof_audit audit = EPROF_INIT(eprof_audit);
    assert_int_equal(eprof__audit(r, &audit, NULL), EPROF_OK);
    assert_int_equal(audit.n_regions, 1);
    assert_near(audit.residual_j, 0, 1e-4);
    eprof__record_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_prompts_share_by_their_threads),
        cmocka_unit_test(neighbours_do_not_share),
        cmocka_unit_test(nested_regions_do_not_share),
        cmocka_unit_test(a_tree_counts_once),
        cmocka_unit_test(unknown_cpu_time_is_shared_by_heads),
        cmocka_unit_test(many_overlaps_add_up),
        cmocka_unit_test(asked_idle_time_has_no_part_in_it),
    };
    return cmocka_run_group_tests_name("energy_share", tests, NULL, NULL);
}
