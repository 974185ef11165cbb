/* SPDX-License-Identifier: MIT
 * test_source_alive.c - which sources measure: dead, wild and stuck ones are found in a quarter of a second, and what
 * cannot be judged in that time is left alone.
 */
#include "tests/unit/profiler/fake_counter.h"

#include <errno.h>
#include <math.h>

/* A source whose channels say what a test wants, by the clock. */
typedef struct scripted {
    int64_t (*raw)(int64_t now_ns);
    int status;
} scripted;

static int read_scripted(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                         int64_t *end_ns)
{
    const scripted *x = s->state;
    (void)end_ns, (void)io;
    if (x->status) return x->status;
    raw[0] = x->raw(*begin_ns - INT64_C(1000000000000));
    ok[0] = true;
    return 0;
}

static void close_scripted(eprof__source *s, const eprof_io *io) { (void)s, (void)io; }

static const eprof__source_ops scripted_ops = { read_scripted, close_scripted };

static eprof__source *add(probed *p, const char *name, scripted *x, eprof__channel c)
{
    eprof__source *s = eprof__sources_add(&p->all, name);
    s->ops = &scripted_ops;
    s->state = x;
    s->n_channels = 1;
    s->channels[0] = c;
    s->info.live = 1;
    s->info.scope = (int32_t)c.scope;
    s->info.cls = (int32_t)c.cls;
    return s;
}

/* Times count from where the machine began: idle till 50 ms, then work. */
static int64_t steady(int64_t t) { return 5000000 + t / 1000 * 15; }       /* 15 W in uJ */
static int64_t zero(int64_t t) { (void)t; return 0; }
static int64_t stuck(int64_t t) { (void)t; return 123456; }
static int64_t wild(int64_t t) { return t * 5000; }                         /* 5 MW in uJ */
static int64_t faint(int64_t t) { return 5000000 + t / 1000000 * 10; }      /* 10 mW */
static int64_t falls(int64_t t) { return t < 100000000 ? 9000000 + t / 1000 : 100 + t / 1000; }
static int64_t wraps(int64_t t) { return (990000000 + t / 1000 * 15 * 10) % 1000000000; } /* 150 W, wraps at 1000 J */
static int64_t jitters(int64_t t) { return 5000000 + t / 1000 * 15 - t / 50000000 % 2 * 61; }
static int64_t follows(int64_t t) { return t < 51000000 ? 2000000 : 7000000; } /* 2 W, 7 W at work, in uW */
static int64_t bogus(int64_t t) { (void)t; return INT64_C(4294967295000); }    /* 4.29 MW */
static int64_t negative(int64_t t) { (void)t; return -3000000; }

static const eprof__channel counter = { .kind = EPROF__ENERGY, .cls = EPROF_CLASS_COUNTER, .scope = EPROF_SCOPE_PACKAGE,
                                        .scale = 1e-6, .most = 1000, .lsb = 61e-6, .update_ns = 1000000 };
static const eprof__channel sensor = { .kind = EPROF__POWER, .cls = EPROF_CLASS_SAMPLE, .scope = EPROF_SCOPE_BOARD_DC,
                                       .scale = 1e-6, .most = 300, .lsb = 1e-3 };

static void test_counters(void **state)
{
    static const struct { int64_t (*raw)(int64_t); uint64_t wrap; const char *why; double watts; } cases[] = {
        { steady, 0, NULL, 15 }, { jitters, 0, NULL, 15 }, { wraps, 1000000000, NULL, 150 },
        { zero, 0, "stood at 0 through 200 ms of work on one core", 0 }, { stuck, 0, "stood at 123456 through", 0 },
        { wild, 0, "rose by what would be 5000000 W; more than 1000 W it cannot be", 0 },
        { faint, 0, "rose by what would be 10 mW, less than a core at work draws", 0 },
        { falls, 0, "fell from 9050", 0 }, { falls, UINT64_C(1) << 40, "W it cannot be", 0 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scripted x = { cases[i].raw, 0 };
        probed p;
        probed_open(&p, NULL);
        eprof__source *s = add(&p, "x", &x, counter);
        s->channels[0].wrap = cases[i].wrap;
        eprof__check_alive(&p.all);
        if (cases[i].why) {
            assert_demoted(s, cases[i].why);
        } else {
            if (!s->info.live) fail_msg("case %zu: %s", i, s->info.why_not);
            assert_true(fabs(s->info.power_w / cases[i].watts - 1) < 0.01);
        }
        probed_close(&p);
    }
}

static void test_what_250_ms_cannot_judge(void **state)
{
    (void)state;
    probed p;
    scripted x = { stuck, 0 }, none = { zero, 0 }, later = { steady, -EAGAIN };
    probed_open(&p, NULL);
    eprof__source *coarse = add(&p, "coarse", &x, counter), *graphics = add(&p, "graphics", &none, counter),
                  *slow = add(&p, "slow", &x, counter), *waits = add(&p, "waits", &later, sensor),
                  *off = add(&p, "off", &none, counter);
    coarse->channels[0].lsb = 3.6;             /* a meter that counts mWh */
    off->channels[0].lsb = 1;                  /* psys of servers: 1 J steps; one that never counted is dead */
    graphics->channels[0].scope = EPROF_SCOPE_UNCORE;
    graphics->info.scope = EPROF_SCOPE_UNCORE; /* asleep */
    slow->channels[0].update_ns = 1000000000;
    waits->is_slow = true;
    eprof__check_alive(&p.all);
    assert_true(coarse->info.live && graphics->info.live && slow->info.live && waits->info.live);
    assert_true(isnan(waits->info.power_w));
    assert_demoted(off, "stood at 0 through");
    probed_close(&p);
}

static void test_sensors(void **state)
{
    static const struct { int64_t (*raw)(int64_t); const char *why; } cases[] = {
        { follows, NULL }, { stuck, "stood at 123 mW through 200 ms of work" }, { zero, "stood at 0 mW through" },
        { bogus, "says 4294967 W; 0 to 300 W it can be" }, { negative, "says -3 W; 0 to 300 W it can be" } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scripted x = { cases[i].raw, 0 };
        probed p;
        probed_open(&p, NULL);
        eprof__source *s = add(&p, "x", &x, sensor);
        eprof__check_alive(&p.all);
        if (cases[i].why) {
            assert_demoted(s, cases[i].why);
        } else {
            assert_int_equal(s->info.live, 1);
            assert_true(s->info.power_w == 7);
        }
        probed_close(&p);
    }
    probed p; /* a slow meter's value stands by right, and a model is none of ours */
    scripted x = { stuck, 0 };
    probed_open(&p, NULL);
    eprof__source *slow = add(&p, "slow", &x, sensor), *lazy = add(&p, "lazy", &x, sensor),
                  *model = add(&p, "model", &x, sensor), *rail = add(&p, "rail", &x, sensor);
    slow->is_slow = true;
    lazy->channels[0].update_ns = 500000000;
    model->channels[0].cls = EPROF_CLASS_MODEL;
    rail->channels[0].scope = EPROF_SCOPE_OTHER;
    rail->info.scope = EPROF_SCOPE_OTHER;
    eprof__check_alive(&p.all);
    assert_true(slow->info.live && lazy->info.live && model->info.live && rail->info.live);
    probed_close(&p);
}

static void test_readings_that_fail(void **state)
{
    static const struct { int status; const char *why; } cases[] = {
        { -EIO, "no reading in 250 ms: input/output error" }, { -ENODEV, "the device is gone" },
        { -EACCES, "permission denied" }, { -EAGAIN, "nothing yet" }, { -ERANGE, "a number out of range" } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scripted x = { steady, cases[i].status };
        probed p;
        probed_open(&p, NULL);
        eprof__source *s = add(&p, "x", &x, counter), *t = add(&p, "y", &x, sensor);
        eprof__check_alive(&p.all);
        assert_demoted(s, cases[i].why);
        assert_demoted(t, cases[i].why);
        probed_close(&p);
    }
}

static void test_the_dead_psys_of_a_virtual_machine(void **state)
{
    fake_counter psys = { .watts = 0 };
    probed p;
    (void)state;
    probed_open(&p, "tests/machines/this-vm");
    fake_event(p.m, 9, 5, 0, &psys);
    eprof__probe_perf_energy(&p.all);
    eprof__source *s = probed_find(&p, "perf:energy-psys");
    assert_int_equal(s->info.live, 1); /* it opens, and reads */
    eprof__check_alive(&p.all);
    assert_demoted(s, "stood at 0 through 200 ms of work on one core");
    assert_string_equal(s->info.unlock, "");
    probed_close(&p);
}

static void test_time(void **state)
{
    scripted x = { steady, 0 };
    probed p;
    (void)state;
    probed_open(&p, NULL);
    eprof__probe_model(&p.all);
    int64_t before = fake_now(p.m);
    eprof__check_alive(&p.all);
    assert_true(fake_now(p.m) == before); /* nothing to check: no work */
    (void)add(&p, "x", &x, counter);
    eprof__check_alive(&p.all);
    assert_true(fake_now(p.m) - before >= 250000000 && fake_now(p.m) - before < 252000000);
    fake_step(p.m, 0); /* a clock that stands */
    before = fake_now(p.m);
    eprof__check_alive(&p.all);
    assert_true(fake_now(p.m) - before == 250000000);
    probed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters), cmocka_unit_test(test_what_250_ms_cannot_judge),
        cmocka_unit_test(test_sensors), cmocka_unit_test(test_readings_that_fail),
        cmocka_unit_test(test_the_dead_psys_of_a_virtual_machine), cmocka_unit_test(test_time) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
