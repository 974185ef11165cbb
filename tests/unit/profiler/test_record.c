/* SPDX-License-Identifier: MIT
 * test_record.c - rings that keep the latest, samples in order of time, regions by their numbers, and the limits of
 * each.
 */
#include "profiler/record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

static eprof__record *open_record(void)
{
    eprof__record *r = NULL;
    assert_int_equal(eprof__record_create(&r, NULL), EPROF_OK);
    return r;
}

static int32_t add(eprof__record *r, int64_t capacity, eprof_error *err)
{
    const eprof__channel c = { .name = "power", .kind = EPROF__POWER, .scale = 1 };
    return eprof__record_add_channel(r, &c, capacity, err);
}

/* ---------------------------------------------------------------------------------------------- samples -- */

static void ring_keeps_the_latest(void **state)
{
    (void)state;
    eprof__record *r = open_record();
    assert_int_equal(add(r, 4, NULL), 0);
    const eprof__samples *s = &r->samples[0];
    for (int64_t i = 0; i < 11; i++) {
        eprof__record_append(r, 0, 100 * i, 100 * i + 10, i, (uint32_t)i);
        assert_int_equal(s->n, i < 4 ? i + 1 : 4);
        assert_int_equal(s->n_ever, i + 1);
        for (int64_t k = 0; k < s->n; k++) {
            const eprof__sample *x = eprof__sample_at(s, k);
            const int64_t expected = i - s->n + 1 + k;
            assert_int_equal(x->raw, expected);
            assert_int_equal(x->t_ns, 100 * expected + 5);
            assert_int_equal(x->half_ns, 5);
            assert_int_equal(x->flags, expected);
        }
    }
    eprof__record_destroy(&r);
    assert_null(r);
    eprof__record_destroy(&r);
}

static void late_samples_find_their_place(void **state)
{
    (void)state;
    static const int64_t arrival[] = { 50, 10, 30, 60, 20, 40, 60, 5 }, order[] = { 20, 30, 40, 50, 60, 60 };
    eprof__record *r = open_record();
    add(r, 6, NULL);
    for (int64_t i = 0; i < 8; i++) eprof__record_append(r, 0, arrival[i], arrival[i], i, 0);
    const eprof__samples *s = &r->samples[0];
    assert_int_equal(s->n, 6);
    assert_int_equal(eprof__sample_at(s, 0)->t_ns, 5); /* the latest to come, though the oldest */
    for (int64_t i = 1; i < 6; i++) assert_int_equal(eprof__sample_at(s, i)->t_ns, order[i]);
    assert_int_equal(eprof__sample_at(s, 4)->raw, 3); /* equal times stay as they came */
    assert_int_equal(eprof__sample_at(s, 5)->raw, 6);
    eprof__record_destroy(&r);
}

static void bisection_counts_what_is_before(void **state)
{
    (void)state;
    eprof__record *r = open_record();
    add(r, 5, NULL);
    assert_int_equal(eprof__samples_before(&r->samples[0], 7), 0);
    for (int64_t i = 0; i < 9; i++) eprof__record_append(r, 0, 10 * i, 10 * i, i, 0); /* 40..80 are left */
    for (int64_t t = 0; t < 100; t++) {
        int64_t n = 0;
        for (int64_t i = 4; i < 9; i++) n += 10 * i < t;
        assert_int_equal(eprof__samples_before(&r->samples[0], t), n);
    }
    eprof__record_destroy(&r);
}

static void half_widths_saturate(void **state)
{
    (void)state;
    eprof__record *r = open_record();
    add(r, 1, NULL);
    eprof__record_append(r, 0, 0, INT64_C(10000000000), 1, 0);
    assert_int_equal(eprof__sample_at(&r->samples[0], 0)->half_ns, INT32_MAX);
    assert_int_equal(eprof__sample_at(&r->samples[0], 0)->t_ns, INT64_C(5000000000));
    eprof__record_destroy(&r);
}

static void limits_are_statuses(void **state)
{
    (void)state;
    eprof_error err = EPROF_INIT(eprof_error);
    eprof__record *r = open_record();
    assert_int_equal(add(r, INT64_C(1) << 55, &err), EPROF_E_LIMIT);
    assert_string_equal(err.message, "36028797018963968 samples were asked for, expected 1 to 2147483648");
    assert_int_equal(add(r, 0, NULL), EPROF_E_LIMIT);
    for (int i = 0; i < EPROF__MAX_CHANNELS; i++) assert_int_equal(add(r, 1, NULL), i);
    assert_int_equal(add(r, 1, NULL), EPROF_E_LIMIT);
    const eprof__meter m = { .name = "m" };
    for (int i = 0; i < EPROF__MAX_METERS; i++) assert_int_equal(eprof__record_add_meter(r, &m, NULL), EPROF_OK);
    assert_int_equal(eprof__record_add_meter(r, &m, NULL), EPROF_E_LIMIT);
    eprof__record_destroy(&r);
}

/* ---------------------------------------------------------------------------------------------- regions -- */

static void regions_end_once(void **state)
{
    (void)state;
    eprof_error err = EPROF_INIT(eprof_error);
    eprof__record *r = open_record();
    const eprof_region a = eprof__record_begin(r, 0, "a", 100, 7, 1000);
    const eprof_region b = eprof__record_begin(r, a, "b", 110, 8, 2000);
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    assert_int_equal(eprof__record_end(r, a, 200, 7, 1500, NULL), EPROF_OK);
    assert_int_equal(eprof__record_end(r, b, 210, 7, 1600, NULL), EPROF_OK);
    const eprof__region_record *g = eprof__record_region(r, a);
    assert_int_equal(g->end_ns, 200);
    assert_int_equal(g->end_cpu_ns, 1500);
    g = eprof__record_region(r, b);
    assert_int_equal(g->parent, a);
    assert_int_equal(g->end_thread, 7);
    assert_int_equal(g->end_cpu_ns, -1); /* thread 8 began it */
    assert_int_equal(eprof__record_end(r, b, 220, 8, 2600, &err), EPROF_E_STATE);
    assert_string_equal(err.message, "region 2 has ended before");
    assert_int_equal(eprof__record_region(r, b)->end_ns, 210);
    err.code = EPROF_OK;
    assert_int_equal(eprof__record_end(r, 3, 220, 8, 2600, &err), EPROF_E_ARG);
    assert_string_equal(err.message, "there is no region 3");
    assert_null(eprof__record_region(r, 0));
    eprof__record_destroy(&r);
}

static void the_last_note_of_a_key_wins(void **state)
{
    (void)state;
    char key[32];
    eprof__record *r = open_record();
    const eprof_region a = eprof__record_begin(r, 0, "a", 1, 1, 1);
    for (int i = 0; i < 12; i++) {
        (void)snprintf(key, sizeof key, "key-%d", i);
        eprof__record_annotate(r, a, key, i);
    }
    eprof__record_annotate(r, a, "key-3", 33);
    eprof__record_annotate(r, 99, "key-3", 44);
    const eprof__region_record *g = eprof__record_region(r, a);
    assert_int_equal(g->n_notes, EPROF_MAX_NOTES);
    for (int i = 0; i < EPROF_MAX_NOTES; i++) assert_true(g->notes[i].value == (i == 3 ? 33 : i));
    assert_false(g->noted_late);
    eprof__record_end(r, a, 2, 1, 1, NULL);
    eprof__record_annotate(r, a, "key-3", 34);
    assert_true(eprof__record_region(r, a)->noted_late);
    /* A key is known by what was kept of it. */
    const eprof_region b = eprof__record_begin(r, 0, "b", 3, 1, 1);
    eprof__record_annotate(r, b, "a key of more than 23 bytes", 1);
    eprof__record_annotate(r, b, "a key of more than 23 bytes, and another", 2);
    assert_int_equal(eprof__record_region(r, b)->n_notes, 1);
    assert_string_equal(eprof__record_region(r, b)->notes[0].key, "a key of more than 23 b");
    assert_true(eprof__record_region(r, b)->notes[0].value == 2);
    eprof__record_destroy(&r);
}

static void a_hundred_thousand_regions(void **state)
{
    (void)state;
    enum { N = 100000 };
    eprof__record *r = open_record();
    for (int i = 0; i < N; i++) {
        const eprof_region id = eprof__record_begin(r, (eprof_region)i, "r", i, 1, i);
        assert_int_equal(id, i + 1);
        if (i % 2) assert_int_equal(eprof__record_end(r, id, i + 1, 1, i + 1, NULL), EPROF_OK);
    }
    assert_int_equal(r->n_regions, N);
    for (int i = 0; i < N; i += 997) {
        const eprof__region_record *g = eprof__record_region(r, (eprof_region)i + 1);
        assert_int_equal(g->begin_ns, i);
        assert_int_equal(g->end_ns, i % 2 ? i + 1 : INT64_MAX);
    }
    eprof__record_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_keeps_the_latest),      cmocka_unit_test(late_samples_find_their_place),
        cmocka_unit_test(bisection_counts_what_is_before), cmocka_unit_test(half_widths_saturate),
        cmocka_unit_test(limits_are_statuses),        cmocka_unit_test(regions_end_once),
        cmocka_unit_test(the_last_note_of_a_key_wins), cmocka_unit_test(a_hundred_thousand_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
