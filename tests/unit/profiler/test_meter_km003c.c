/* SPDX-License-Identifier: MIT
 * test_meter_km003c.c - POWER-Z meters: the answer to this request and to no other, direction, loss.
 */
#include "tests/unit/profiler/meter_harness.h"

typedef struct meter {
    uint8_t queue[8][64];
    int n_queued, n_requests, n_swallow, error;
    bool holds_back;             /* keeps the answer until the next request */
    int32_t microvolts, microamps;
} meter;

static void make_answer(uint8_t a[64], uint8_t transaction, int32_t microvolts, int32_t microamps)
{
    memset(a, 0, 64);
    a[0] = 0x41;
    a[1] = transaction;
    put_le32(a + 4, 1u | 44u << 22);
    put_le32(a + 8, (uint32_t)microvolts);
    put_le32(a + 12, (uint32_t)microamps);
}

static int64_t read_meter(void *user, int64_t now_ns, void *out, size_t n)
{
    meter *d = user;
    (void)now_ns;
    assert_int_equal(n, 64);
    if (d->error) return -d->error;
    if (d->n_queued == 0 || d->holds_back) return -ETIMEDOUT;
    memcpy(out, d->queue[0], 64);
    memmove(d->queue[0], d->queue[1], sizeof d->queue - 64);
    d->n_queued--;
    return 64;
}

static int64_t write_meter(void *user, int64_t now_ns, const void *bytes, size_t n)
{
    meter *d = user;
    const uint8_t *report = bytes;
    (void)now_ns;
    if (d->error) return -d->error;
    assert_int_equal(n, 65);
    assert_memory_equal(report, "\0\x0c", 2);
    assert_memory_equal(report + 3, "\x02\0\0", 3);
    d->n_requests++;
    if (d->n_swallow > 0) d->n_swallow--;
    else if (d->n_queued < 8) make_answer(d->queue[d->n_queued++], report[2], d->microvolts, d->microamps);
    return 65;
}

static bench *plug_in(meter *d, int32_t microvolts, int32_t microamps)
{
    bench *b = bench_open();
    const fake_device device = { .user = d, .read = read_meter, .write = write_meter };
    *d = (meter){ .microvolts = microvolts, .microamps = microamps };
    fake_file(b->m, "/sys/class/hidraw/hidraw1/device/uevent", "HID_ID=0003:00005FC9:00000063\n");
    fake_attach(b->m, "/dev/hidraw1", &device);
    return b;
}

static void answers_are_decoded_or_refused(void **state)
{
    (void)state;
    uint8_t a[64];
    int64_t pw = 5;
    int32_t ua = 5;
    make_answer(a, 9, 20000000, -3250000);
    assert_int_equal(eprof__decode_km003c(a, 64, 9, &pw, &ua), 0);
    assert_int_equal(pw, INT64_C(-65000000000000));
    assert_int_equal(ua, -3250000);
    assert_int_equal(eprof__decode_km003c(a, 52, 9, &pw, &ua), 0);
    for (size_t n = 0; n < 52; n++) assert_int_equal(eprof__decode_km003c(a, n, 9, &pw, &ua), -EBADMSG);
    assert_int_equal(eprof__decode_km003c(a, 64, 10, &pw, &ua), -ENOMSG);
    put_le32(a + 4, 2u | 44u << 22);
    assert_int_equal(eprof__decode_km003c(a, 64, 9, &pw, &ua), -EBADMSG); /* AdcQueue */
    put_le32(a + 4, 1u | 20u << 22);
    assert_int_equal(eprof__decode_km003c(a, 64, 9, &pw, &ua), -EBADMSG); /* too short a block */
    make_answer(a, 9, INT32_MIN, INT32_MIN);
    assert_int_equal(eprof__decode_km003c(a, 64, 9, &pw, &ua), -ERANGE);
    a[0] = 0x05;
    assert_int_equal(eprof__decode_km003c(a, 64, 9, &pw, &ua), -EBADMSG);
    assert_int_equal(pw, INT64_C(-65000000000000));
}

static void readings_come_fifty_times_a_second(void **state)
{
    (void)state;
    meter d;
    bench *b = plug_in(&d, 5000000, 800000);
    eprof__probe_km003c(&b->all, NULL);
    eprof__source *s = live_one(b);
    assert_says(s->info.what, "KM003C");
    const int64_t until_ns = fake_now(b->m) + 10 * SECOND;
    int n = 0;
    for (; fake_now(b->m) < until_ns; n++) {
        const reading r = take(b, s);
        assert_int_equal(r.status, 0);
        assert_close(value_of(&r, s, 0), 4, 1e-9);
        assert_true(r.end_ns > r.begin_ns && r.end_ns - r.begin_ns < 20 * MS);
    }
    assert_in_range(n, 499, 501);
    bench_close(b);
}

static void a_meter_the_wrong_way_round_measures_as_well(void **state)
{
    (void)state;
    meter d;
    bench *b = plug_in(&d, 5000000, -800000);
    eprof__probe_km003c(&b->all, "/dev/hidraw1");
    eprof__source *s = live_one(b);
    assert_close(s->info.power_w, 4, 1e-9);
    reading r = take(b, s);
    assert_close(value_of(&r, s, 0), 4, 1e-9);
    d.microamps = 300000; /* now it feeds back */
    r = take(b, s);
    assert_close(value_of(&r, s, 0), -1.5, 1e-9);
    bench_close(b);
}

static void noise_decides_no_direction(void **state)
{
    (void)state;
    meter d;
    bench *b = plug_in(&d, 5000000, -200);
    eprof__probe_km003c(&b->all, NULL);
    eprof__source *s = live_one(b);
    d.microamps = 400000;
    const reading r = take(b, s);
    assert_close(value_of(&r, s, 0), 2, 1e-9);
    bench_close(b);
}

static void a_lost_answer_is_one_error(void **state)
{
    (void)state;
    meter d;
    bench *b = plug_in(&d, 5000000, 800000);
    eprof__probe_km003c(&b->all, NULL);
    eprof__source *s = live_one(b);
    d.n_swallow = 1;
    assert_int_equal(take(b, s).status, -ETIMEDOUT);
    assert_int_equal(take(b, s).status, 0);
    bench_close(b);
}

static void a_late_answer_is_not_taken_for_the_next(void **state)
{
    (void)state;
    meter d;
    bench *b = plug_in(&d, 5000000, 800000);
    eprof__probe_km003c(&b->all, NULL);
    eprof__source *s = live_one(b);
    d.holds_back = true;
    assert_int_equal(take(b, s).status, -ETIMEDOUT);
    d.holds_back = false;
    d.microamps = 1600000;
    const reading r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 8, 1e-9);
    assert_int_equal(d.n_queued, 0);
    for (uint8_t i = 0; i < 4; i++) make_answer(d.queue[d.n_queued++], (uint8_t)(100 + i), 1, 1); /* of nobody's */
    assert_int_equal(take(b, s).status, -EBADMSG);
    bench_close(b);
}

static void an_unplugged_meter_comes_back(void **state)
{
    (void)state;
    meter d;
    bench *b = plug_in(&d, 5000000, 800000);
    eprof__probe_km003c(&b->all, NULL);
    eprof__source *s = live_one(b);
    d.error = EPIPE;
    assert_int_equal(take(b, s).status, -EPIPE);
    d.error = 0;
    d.n_queued = 0;
    fake_sleep(b->m, 2 * SECOND);
    assert_int_equal(take(b, s).status, 0);
    bench_close(b);
}

static void other_devices_are_left_alone(void **state)
{
    (void)state;
    meter d;
    bench *b = plug_in(&d, 5000000, 800000);
    fake_file(b->m, "/sys/class/hidraw/hidraw1/device/uevent", "HID_ID=0003:00005FC9:00000099\n");
    eprof__probe_km003c(&b->all, NULL);
    assert_int_equal(b->all.n, 0);
    eprof__probe_km003c(&b->all, "/dev/hidraw1");
    assert_says(dead_one(b)->why_not, "USB id");
    assert_int_equal(d.n_requests, 0);
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_decoded_or_refused),
        cmocka_unit_test(readings_come_fifty_times_a_second),
        cmocka_unit_test(a_meter_the_wrong_way_round_measures_as_well),
        cmocka_unit_test(noise_decides_no_direction),
        cmocka_unit_test(a_lost_answer_is_one_error),
        cmocka_unit_test(a_late_answer_is_not_taken_for_the_next),
        cmocka_unit_test(an_unplugged_meter_comes_back),
        cmocka_unit_test(other_devices_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
