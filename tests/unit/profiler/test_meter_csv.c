/* SPDX-License-Identifier: MIT
 * test_meter_csv.c - logs of other meters: columns, units, times, bad lines; and their way into a record.
 */
#include "tests/unit/profiler/meter_harness.h"

#include "profiler/method/align.h"

typedef struct parsed {
    eprof_status status;
    eprof__channel c;
    eprof__sample *list;
    int64_t n;
    eprof_error err;
} parsed;

static parsed parse(const char *text)
{
    parsed p = { .err = EPROF_INIT(eprof_error) };
    p.status = eprof__read_meter_csv(text, strlen(text), &p.c, &p.list, &p.n, &p.err);
    return p;
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t room, const char *format, ...)
{
    va_list args;
    const size_t n = strlen(text);
    va_start(args, format);
    (void)vsnprintf(text + n, room - n, format, args);
    va_end(args);
}

static void heads_name_columns_and_units(void **state)
{
    (void)state;
    const struct { const char *text; int64_t t0_ns, t1_ns; double w0, w1; } cases[] = {
        { "t,W\n0,4\n0.5,5.25\n", 0, 500 * MS, 4, 5.25 },
        { "time,power\n0,4\n1,5", 0, SECOND, 4, 5 },
        { "power,time\n4,0\n5,1\n", 0, SECOND, 4, 5 },
        { "t,V,A\n0,5,1\n1,5.1,-2\n", 0, SECOND, 5, -10.2 },
        { "Current (mA);Voltage (V);Time (ms)\r\n800;5;250\r\n900;5;350\r\n", 250 * MS, 350 * MS, 4, 4.5 },
        { "timestamp\tvolts\tamps\tpower_mW\n10\t1\t1\t4000\n11\t1\t1\t5000\n", 10 * SECOND, 11 * SECOND, 4, 5 },
        { "\xef\xbb\xbf\"Time\",\"Power\"\n\"0\",\"4\"\n\"1\",\"5\"\n", 0, SECOND, 4, 5 },
        { "# of a bench\n\n ms , mW \n100,4000\n# break\n200,5000\n", 100 * MS, 200 * MS, 4, 5 },
        { "time_us,p\n1000000,4\n1500000,5\n", SECOND, 1500 * MS, 4, 5 },
        { "0,4\n1,5\n", 0, SECOND, 4, 5 },                       /* no head: time and power */
        { "0;5;0.8\n1;5;1\n", 0, SECOND, 4, 5 },                 /* time, voltage, current */
        { "time,temp,W\n0,hot,4\n1,,5\n", 0, SECOND, 4, 5 },
        { "time,W\n1700000000.5,4\n1700000001.5,5\n", 1700000000500 * MS, 1700000001500 * MS, 4, 5 },
        { "time,W\n1700000000500,4\n1700000001500,5\n", 1700000000500 * MS, 1700000001500 * MS, 4, 5 },
        { "date,W\n2025-11-21T17:16:05.25Z,4\n2025-11-21 18:16:06.5+01:00,5\n",
          1763745365250 * MS, 1763745366500 * MS, 4, 5 },
        { "date,W\n2024-02-29T23:59:59,4\n2024-03-01T00:00:00-0030,5\n",
          1709251199 * SECOND, 1709253000 * SECOND, 4, 5 },
        { "date,W\n2000-01-01T00:00:00Z,4e0\n2000-03-01T00:00:00Z,.5E1\n",
          946684800 * SECOND, 951868800 * SECOND, 4, 5 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        parsed p = parse(cases[i].text);
        if (p.status != EPROF_OK) fail_msg("%s: %s", cases[i].text, p.err.message);
        assert_int_equal(p.n, 2);
        assert_true(llabs(p.list[0].t_ns - cases[i].t0_ns) < 1000 && llabs(p.list[1].t_ns - cases[i].t1_ns) < 1000);
        assert_close((double)p.list[0].raw * p.c.scale, cases[i].w0, 1e-9);
        assert_close((double)p.list[1].raw * p.c.scale, cases[i].w1, 1e-9);
        assert_true(p.c.has_own_clock);
        assert_int_equal(p.c.kind, EPROF__POWER);
        assert_true(llabs(p.c.period_ns - (cases[i].t1_ns - cases[i].t0_ns)) < 1000);
        free(p.list);
    }
}

static void bad_lines_are_skipped_up_to_one_in_ten(void **state)
{
    (void)state;
    char text[512] = "t,W\n";
    for (int i = 0; i < 18; i++) add(text, sizeof text, "%d,%d\n", i, i);
    add(text, sizeof text, "18,overload\n5,4\n"); /* no number; a time that falls */
    parsed p = parse(text);
    assert_int_equal(p.status, EPROF_OK);
    assert_int_equal(p.n, 18);
    free(p.list);
    add(text, sizeof text, "19,1e300\n");
    p = parse(text);
    assert_int_equal(p.status, EPROF_E_FORMAT);
    assert_string_equal(p.err.message, "3 of 21 lines are no readings, the first is line 20");
    assert_null(p.list);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    const struct { const char *text, *says; } cases[] = {
        { "", "there are no lines" }, { "\n \n# only this\n", "there are no lines" },
        { "t,W\n", "there are no readings" },
        { "hello\nworld\n", "line 1 does not say which columns" }, { "\n0,1,2,3\n", "line 2 does not say" },
        { "V,A\n5,1\n", "does not say" },
        { "t;W\n0;1,5\n1;2,5\n", "2 of 2 lines are no readings, the first is line 2" },
        { "t,W\n0,0x10\n", "1 of 1" }, { "t,W\n2025-13-01T00:00:00,1\n", "1 of 1" }, { "t,W\n1e300,1\n", "1 of 1" },
        { "t,W\n0,nan\n", "1 of 1" }, { "t,W\n0,1,", NULL } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        parsed p = parse(cases[i].text);
        if (!cases[i].says) {
            assert_int_equal(p.status, EPROF_OK);
            free(p.list);
            continue;
        }
        assert_int_equal(p.status, EPROF_E_FORMAT);
        assert_says(p.err.message, cases[i].says);
    }
}

/* ------------------------------------------------------------------------------------------------- source -- */

static eprof__record *record_of(bench *b, eprof__source *s)
{
    eprof__record *r = NULL;
    assert_int_equal(eprof__record_create(&r, NULL), EPROF_OK);
    s->first_channel = eprof__record_add_channel(r, &s->channels[0], 1000, NULL);
    assert_int_equal(s->first_channel, 0);
    r->facts.start_ns = fake_now(b->m);
    fake_sleep(b->m, 10 * SECOND);
    r->facts.stop_ns = fake_now(b->m);
    return r;
}

static void a_log_of_absolute_times_is_brought_in(void **state)
{
    (void)state;
    bench *b = bench_open();
    char text[2000] = "time,W\n";
    eprof__probe_meter_csv(&b->all, "/logs/meter.csv"); /* it is not there yet */
    eprof__source *s = live_one(b);
    assert_string_equal(s->info.name, "csv:meter.csv");
    assert_int_equal(take(b, s).status, -EAGAIN);
    eprof__record *r = record_of(b, s);
    const int64_t real_s = (r->facts.start_ns + (INT64_C(1700000000) * SECOND)) / SECOND;
    for (int i = -100; i < 11; i++) add(text, sizeof text, "%lld,%d\n", (long long)real_s + i, i + 200);
    fake_file(b->m, "/logs/meter.csv", text);
    eprof_error err = EPROF_INIT(eprof_error);
    assert_int_equal(eprof__import_meter_csv(s, b->all.io, r, &err), EPROF_OK);
    assert_int_equal(r->samples[0].n, 60 + 11); /* not what was more than a minute before */
    for (int64_t i = 0; i < 71; i++) {
        const eprof__sample *sample = eprof__sample_at(&r->samples[0], i);
        assert_int_equal(sample->raw, (i - 60 + 200) * 1000000);
        const int64_t expected_ns = r->facts.start_ns + (i - 60) * SECOND;
        assert_true(llabs(sample->t_ns - expected_ns) < SECOND); /* the start is no whole second */
    }
    assert_true(r->channels[0].has_own_clock);
    eprof__record_destroy(&r);
    bench_close(b);
}

static void a_log_of_relative_times_begins_with_the_run(void **state)
{
    (void)state;
    bench *b = bench_open();
    fake_file(b->m, "/logs/meter.csv", "t,W\n7.5,4\n8.0,5\n8.5,6\n");
    eprof__probe_meter_csv(&b->all, "/logs/meter.csv");
    eprof__source *s = live_one(b);
    assert_int_equal(s->channels[0].period_ns, 500 * MS);
    eprof__record *r = record_of(b, s);
    assert_int_equal(eprof__import_meter_csv(s, b->all.io, r, NULL), EPROF_OK);
    assert_int_equal(r->samples[0].n, 3);
    assert_int_equal(eprof__sample_at(&r->samples[0], 0)->t_ns, r->facts.start_ns);
    assert_int_equal(eprof__sample_at(&r->samples[0], 2)->t_ns, r->facts.start_ns + SECOND);
    eprof__record_destroy(&r);
    bench_close(b);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    bench *b = bench_open();
    eprof__probe_meter_csv(&b->all, NULL);
    assert_says(dead_one(b)->why_not, "csv:meter.csv");
    bench_close(b);

    b = bench_open();
    char text[1000] = "a letter, not a log\n";
    for (int i = 0; i < 40; i++) add(text, sizeof text, "and so on, %d\n", i);
    fake_file(b->m, "/letter", text);
    eprof__probe_meter_csv(&b->all, "/letter");
    assert_says(dead_one(b)->why_not, "does not say which columns");
    bench_close(b);

    b = bench_open();
    eprof__probe_meter_csv(&b->all, "meter.csv");
    eprof__source *s = live_one(b);
    eprof__record *r = NULL;
    eprof_error err = EPROF_INIT(eprof_error);
    assert_int_equal(eprof__record_create(&r, NULL), EPROF_OK);
    assert_int_equal(eprof__import_meter_csv(s, b->all.io, r, &err), EPROF_E_STATE); /* never started */
    r->facts.start_ns = fake_now(b->m);
    err = (eprof_error)EPROF_INIT(eprof_error);
    assert_int_equal(eprof__import_meter_csv(s, b->all.io, r, &err), EPROF_E_IO);
    assert_string_equal(err.where, "meter.csv");
    assert_says(err.message, "not there");
    eprof__record_destroy(&r);
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_name_columns_and_units),
        cmocka_unit_test(bad_lines_are_skipped_up_to_one_in_ten),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(a_log_of_absolute_times_is_brought_in),
        cmocka_unit_test(a_log_of_relative_times_begins_with_the_run),
        cmocka_unit_test(what_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
