/* SPDX-License-Identifier: MIT
 * test_meter_um25c.c - RDTech meters: 130 bytes in pieces, short answers, repeated values, a lost pairing.
 */
#include "tests/unit/profiler/meter_harness.h"

/* A UM25C: answers F0, in pieces, with a value that it renews twice a second. */
typedef struct meter {
    uint8_t answer[130];
    size_t n_left;               /* of the answer, that were not fetched */
    size_t most_piece;
    int n_requests, n_short, error, n_raw;
    uint32_t power_mw;           /* what it measures now */
    bool is_steady;
    uint32_t group, energy_mwh[10];
} meter;

static void make_answer(const meter *d, uint8_t a[130], uint32_t power_mw)
{
    memset(a, 0, 130);
    put_be16(a, 0x09c9);
    put_be16(a + 2, 5000);             /* 1 mV */
    put_be16(a + 4, power_mw * 2);     /* 0.1 mA at 5 V */
    put_be32(a + 6, power_mw);
    put_be16(a + 10, 31);
    put_be16(a + 12, 88);
    put_be16(a + 14, d->group);
    for (int i = 0; i < 10; i++) put_be32(a + 20 + 8 * i, d->energy_mwh[i]);
    put_be16(a + 128, 0xfff1);
}

static int64_t read_meter(void *user, int64_t now_ns, void *out, size_t n)
{
    meter *d = user;
    (void)now_ns;
    if (d->error) return -d->error;
    if (d->n_left == 0) return -ETIMEDOUT;
    size_t piece = n < d->n_left ? n : d->n_left;
    if (piece > d->most_piece) piece = d->most_piece;
    memcpy(out, d->answer + 130 - d->n_left, piece);
    d->n_left -= piece;
    return (int64_t)piece;
}

static int64_t write_meter(void *user, int64_t now_ns, const void *bytes, size_t n)
{
    meter *d = user;
    if (d->error) return -d->error;
    assert_int_equal(n, 1);
    assert_int_equal(*(const uint8_t *)bytes, 0xf0);
    d->n_requests++;
    const uint32_t step = d->is_steady ? 0 : (uint32_t)(now_ns / (500 * MS) % 50);
    make_answer(d, d->answer, d->power_mw + step);
    d->n_left = 130;
    if (d->n_short > 0) {
        memmove(d->answer + 1, d->answer, 129); /* the first byte is lost, so only 129 come */
        d->n_left = 129;
        d->n_short--;
    }
    return 1;
}

static int set_line(void *user, int64_t now_ns, unsigned long request, void *arg)
{
    meter *d = user;
    (void)now_ns, (void)request;
    assert_non_null(arg);
    d->n_raw++;
    return 0;
}

static void attach(bench *b, meter *d)
{
    const fake_device device = { d, read_meter, write_meter, set_line };
    *d = (meter){ .power_mw = 4000, .most_piece = 20, .energy_mwh = { 7, 100 }, .group = 1 };
    fake_attach(b->m, "/dev/rfcomm0", &device);
}

static void answers_are_130_bytes_that_agree(void **state)
{
    (void)state;
    const meter d = { .group = 3, .energy_mwh = { 1, 2, 3, 4294967295u } };
    uint8_t a[130];
    eprof__um25c_reading r;
    make_answer(&d, a, 12345);
    assert_int_equal(eprof__decode_um25c(a, 130, &r), 0);
    assert_int_equal(r.power_mw, 12345);
    assert_int_equal(r.energy_mwh, 4294967295);
    assert_int_equal(r.group, 3);
    for (size_t n = 0; n < 130; n++) assert_int_equal(eprof__decode_um25c(a, n, &r), -EBADMSG);
    put_be16(a + 14, 10);
    assert_int_equal(eprof__decode_um25c(a, 130, &r), -EBADMSG); /* no such group */
    make_answer(&d, a, 12345);
    put_be16(a + 12, 31);
    assert_int_equal(eprof__decode_um25c(a, 130, &r), -EBADMSG); /* 31 C are not 31 F */
    make_answer(&d, a, 12345);
    put_be32(a + 6, 123456789);
    assert_int_equal(eprof__decode_um25c(a, 130, &r), -EBADMSG); /* volts times amperes are not that */
    make_answer(&d, a, 12345);
    put_be16(a + 2, 500);
    put_be16(a + 4, 2469);
    assert_int_equal(eprof__decode_um25c(a, 130, &r), 0);        /* a UM24C: 10 mV, 1 mA */
}

static void pieces_are_put_together(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d;
    attach(b, &d);
    eprof__probe_um25c(&b->all, "/dev/rfcomm0");
    eprof__source *s = live_one(b);
    assert_close(s->info.power_w, 4, 0.05);
    assert_int_equal(d.n_raw, 1);
    fake_sleep(b->m, 10 * SECOND);
    const reading r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 4, 0.05);
    assert_true(r.ok[1]);
    assert_close(value_of(&r, s, 1), 360, 1e-9); /* 100 mWh */
    assert_int_equal(s->channels[1].cls, EPROF_CLASS_COUNTER);
    assert_close(s->channels[1].lsb, 3.6, 1e-12);
    bench_close(b);
}

static void repeated_values_are_one_reading(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d;
    attach(b, &d);
    eprof__probe_um25c(&b->all, "/dev/rfcomm0");
    eprof__source *s = live_one(b);
    int n_new = 0, n_asked = 0;
    for (const int64_t until_ns = fake_now(b->m) + 20 * SECOND; fake_now(b->m) < until_ns; n_asked++)
        n_new += take(b, s).status == 0;
    assert_in_range(n_asked, 49, 51);  /* 2.5 a second */
    assert_in_range(n_new, 39, 41);    /* 2 a second */
    d.is_steady = true;                /* a load without noise: a reading each second, so that there is no gap */
    n_new = 0;
    for (const int64_t until_ns = fake_now(b->m) + 20 * SECOND; fake_now(b->m) < until_ns;)
        n_new += take(b, s).status == 0;
    assert_in_range(n_new, 16, 20);
    bench_close(b);
}

static void short_answers_are_errors_and_do_not_shift_the_next(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d;
    attach(b, &d);
    eprof__probe_um25c(&b->all, "/dev/rfcomm0");
    eprof__source *s = live_one(b);
    fake_sleep(b->m, 3 * SECOND);
    d.n_short = 1;
    const int64_t begin_ns = fake_now(b->m);
    assert_int_equal(take(b, s).status, -EBADMSG);
    assert_true(fake_now(b->m) - begin_ns < 3 * SECOND);
    d.n_left = 60; /* the rest of it, and more, comes late */
    const reading r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 4, 0.05);
    bench_close(b);
}

static void a_lost_pairing_is_an_error_until_it_is_back(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d;
    attach(b, &d);
    eprof__probe_um25c(&b->all, "/dev/rfcomm0");
    eprof__source *s = live_one(b);
    d.error = EIO;
    assert_int_equal(take(b, s).status, -EIO);
    d.error = 0;
    assert_int_equal(take(b, s).status, -ENOTCONN);
    fake_error(b->m, "/dev/rfcomm0", 'o', EHOSTDOWN, 1);
    fake_sleep(b->m, 2 * SECOND);
    assert_int_equal(take(b, s).status, -EHOSTDOWN);
    fake_sleep(b->m, 2 * SECOND);
    assert_int_equal(take(b, s).status, 0);
    assert_int_equal(d.n_raw, 2); /* the line is set again */
    bench_close(b);
}

static void another_group_does_not_move_the_counter(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d;
    attach(b, &d);
    eprof__probe_um25c(&b->all, "/dev/rfcomm0");
    eprof__source *s = live_one(b);
    d.group = 2;
    d.energy_mwh[2] = 50000;
    fake_sleep(b->m, 2 * SECOND);
    reading r = take(b, s);
    assert_true(r.status == 0 && r.ok[0] && !r.ok[1]);
    d.group = 1;
    fake_sleep(b->m, 2 * SECOND);
    r = take(b, s);
    assert_true(r.status == 0 && r.ok[0] && r.ok[1]);
    assert_int_equal(r.raw[1], 100);
    bench_close(b);
}

static void who_does_not_answer_is_not_live(void **state)
{
    (void)state;
    bench *b = bench_open();
    eprof__probe_um25c(&b->all, NULL);
    assert_says(dead_one(b)->why_not, "um25c:/dev/rfcomm0");
    assert_says(dead_one(b)->unlock, "rfcomm bind");
    bench_close(b);
    b = bench_open();
    meter d;
    attach(b, &d);
    d.most_piece = 0;
    eprof__probe_um25c(&b->all, "/dev/rfcomm1");
    assert_says(dead_one(b)->why_not, "not there");
    bench_close(b);
    b = bench_open();
    const fake_device mute = { &d, NULL, write_meter, NULL };
    fake_attach(b->m, "/dev/rfcomm0", &mute);
    eprof__probe_um25c(&b->all, "/dev/rfcomm0");
    assert_says(dead_one(b)->why_not, "error");
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_130_bytes_that_agree),
        cmocka_unit_test(pieces_are_put_together),
        cmocka_unit_test(repeated_values_are_one_reading),
        cmocka_unit_test(short_answers_are_errors_and_do_not_shift_the_next),
        cmocka_unit_test(a_lost_pairing_is_an_error_until_it_is_back),
        cmocka_unit_test(another_group_does_not_move_the_counter),
        cmocka_unit_test(who_does_not_answer_is_not_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
