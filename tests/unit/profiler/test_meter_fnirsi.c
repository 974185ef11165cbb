/* SPDX-License-Identifier: MIT
 * test_meter_fnirsi.c - FNIRSI meters: frames, start sequences, keep-alives, and every way in which they fail.
 */
#include "tests/unit/profiler/meter_harness.h"

/* A meter that sends a frame every 40 ms once it was started, and keeps those that nobody fetched. */
typedef struct meter {
    int64_t next_ns, last_alive_ns, closest_alive_ns, mute_until_ns;
    int n_sent, n_garbage, n_commands, n_alive, bad_frame, error;
    uint8_t commands[64];
    bool is_started;
    uint32_t volts_raw, amps_raw; /* 10 uV, 10 uA */
    int64_t change_ns;           /* frames sent from then on say another current */
    uint32_t changed_amps_raw;
} meter;

static void make_frame(uint8_t f[64], uint32_t volts_raw, uint32_t amps_raw)
{
    memset(f, 0, 64);
    f[0] = 0xaa;
    f[1] = 0x04;
    for (int i = 0; i < 4; i++) {
        put_le32(f + 2 + 15 * i, volts_raw);
        put_le32(f + 6 + 15 * i, amps_raw + (uint32_t)i * 1000);
        f[14 + 15 * i] = 1;
    }
    f[63] = eprof__fnirsi_crc(f);
}

static int64_t read_meter(void *user, int64_t now_ns, void *out, size_t n)
{
    meter *d = user;
    assert_true(n >= 64);
    if (d->error) return -d->error;
    if (!d->is_started || now_ns < d->next_ns || now_ns < d->mute_until_ns) return -ETIMEDOUT;
    const int64_t sent_ns = d->next_ns;
    d->next_ns += 40 * MS;
    if (d->n_sent++ < d->n_garbage) make_frame(out, 18874000, 17000000);
    else make_frame(out, d->volts_raw, d->change_ns && sent_ns >= d->change_ns ? d->changed_amps_raw : d->amps_raw);
    if (d->n_sent == d->bad_frame) ((uint8_t *)out)[20] ^= 1;
    return 64;
}

static int64_t write_meter(void *user, int64_t now_ns, const void *bytes, size_t n)
{
    meter *d = user;
    const uint8_t *report = bytes;
    if (d->error) return -d->error;
    assert_int_equal(n, 65);
    assert_int_equal(report[0], 0);
    assert_int_equal(report[1], 0xaa);
    assert_int_equal(report[64], eprof__fnirsi_crc(report + 1));
    if (d->n_commands < 64) d->commands[d->n_commands++] = report[2];
    if (report[2] == 0x83 && d->is_started && d->n_commands > 3) {
        const int64_t since_ns = now_ns - d->last_alive_ns;
        d->n_alive++;
        if (since_ns < d->closest_alive_ns) d->closest_alive_ns = since_ns;
        d->last_alive_ns = now_ns;
    }
    if (report[2] == 0x82 && !d->is_started) {
        d->is_started = true;
        d->next_ns = now_ns + 40 * MS;
    }
    return (int64_t)n;
}

static meter plug_in(bench *b, const char *ids)
{
    char uevent[128];
    (void)snprintf(uevent, sizeof uevent, "DRIVER=hid-generic\nHID_ID=0003:%s\nHID_NAME=USB Meter\n", ids);
    fake_file(b->m, "/sys/class/hidraw/hidraw0/device/uevent", "DRIVER=x\nHID_ID=0003:0000046D:0000C31C\n");
    fake_file(b->m, "/sys/class/hidraw/hidraw3/device/uevent", uevent);
    return (meter){ .volts_raw = 500000, .amps_raw = 98500, .closest_alive_ns = INT64_MAX }; /* 5 V, 1 A on the mean */
}

static void attach(bench *b, meter *d)
{
    const fake_device device = { .user = d, .read = read_meter, .write = write_meter };
    fake_attach(b->m, "/dev/hidraw3", &device);
}

/* ------------------------------------------------------------------------------------------------- frames -- */

static void checksum_is_that_of_known_frames(void **state)
{
    (void)state;
    const struct { uint8_t command, crc; } known[] = { { 0x81, 0x8e }, { 0x82, 0x96 }, { 0x83, 0x9e } };
    for (size_t i = 0; i < COUNT(known); i++) {
        const uint8_t frame[64] = { 0xaa, known[i].command };
        assert_int_equal(eprof__fnirsi_crc(frame), known[i].crc);
    }
}

static void frames_are_whole_sane_and_of_data(void **state)
{
    (void)state;
    uint8_t f[64];
    int64_t sum = 7;
    make_frame(f, 500000, 98500);
    assert_int_equal(eprof__decode_fnirsi(f, 64, &sum), 0);
    assert_int_equal(sum, INT64_C(500000) * (4 * 98500 + 6000));
    for (size_t n = 0; n < 64; n++) assert_int_equal(eprof__decode_fnirsi(f, n, &sum), -EBADMSG);
    f[30] ^= 4;
    assert_int_equal(eprof__decode_fnirsi(f, 64, &sum), -EBADMSG);
    make_frame(f, 18874000, 1000);
    assert_int_equal(eprof__decode_fnirsi(f, 64, &sum), -ERANGE);
    make_frame(f, 500000, 17000000);
    assert_int_equal(eprof__decode_fnirsi(f, 64, &sum), -ERANGE);
    make_frame(f, 500000, 1000);
    f[1] = 0x03;
    f[63] = eprof__fnirsi_crc(f);
    assert_int_equal(eprof__decode_fnirsi(f, 64, &sum), -ENOMSG);
    assert_int_equal(sum, INT64_C(500000) * (4 * 98500 + 6000));
}

/* -------------------------------------------------------------------------------------------------- probe -- */

static void each_model_is_started_in_its_way(void **state)
{
    (void)state;
    const struct { const char *ids, *name; uint8_t third; } models[] = {
        { "00002E3C:00005558", "FNB58", 0x82 }, { "00002E3C:00000049", "FNB48S", 0x82 },
        { "00000483:0000003A", "FNB48", 0x83 }, { "00000483:0000003B", "C1", 0x83 } };
    for (size_t i = 0; i < COUNT(models); i++) {
        bench *b = bench_open();
        meter d = plug_in(b, models[i].ids);
        attach(b, &d);
        eprof__probe_fnirsi(&b->all, NULL);
        const eprof__source *s = live_one(b);
        assert_string_equal(s->info.name, "fnirsi:/dev/hidraw3");
        assert_says(s->info.what, models[i].name);
        assert_close(s->info.power_w, 5, 1e-6);
        assert_int_equal(d.commands[0], 0x81);
        assert_int_equal(d.commands[1], 0x82);
        assert_int_equal(d.commands[2], models[i].third);
        bench_close(b);
    }
}

static void what_is_not_there_or_not_allowed_says_so(void **state)
{
    (void)state;
    bench *b = bench_open();
    eprof__probe_fnirsi(&b->all, NULL);
    assert_int_equal(b->all.n, 0);
    eprof__probe_fnirsi(&b->all, "/dev/hidraw9");
    assert_says(dead_one(b)->why_not, "not there");
    bench_close(b);

    b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    attach(b, &d);
    fake_error(b->m, "/dev/hidraw3", 'o', EACCES, -1);
    eprof__probe_fnirsi(&b->all, NULL);
    assert_says(dead_one(b)->why_not, "permission denied");
    assert_string_equal(dead_one(b)->unlock, "sudo chmod a+rw /dev/hidraw3");
    bench_close(b);

    b = bench_open();
    d = plug_in(b, "00002E3C:00005558");
    eprof__probe_fnirsi(&b->all, "/dev/hidraw0");
    assert_says(dead_one(b)->why_not, "its USB id is another");
    bench_close(b);
}

static void a_mute_meter_is_not_live(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    d.mute_until_ns = INT64_MAX;
    attach(b, &d);
    const int64_t begin_ns = fake_now(b->m);
    eprof__probe_fnirsi(&b->all, NULL);
    assert_says(dead_one(b)->why_not, "no answer; connect its PC port");
    assert_true(fake_now(b->m) - begin_ns < 3 * SECOND);
    assert_null(b->all.list[0].state);
    bench_close(b);
}

/* ----------------------------------------------------------------------------------------------- readings -- */

static void frames_become_points_of_25_hz(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    attach(b, &d);
    eprof__probe_fnirsi(&b->all, NULL);
    eprof__source *s = live_one(b);
    const int64_t until_ns = fake_now(b->m) + 10 * SECOND, n_alive = d.n_alive, n_sent = d.n_sent;
    int n = 0;
    while (fake_now(b->m) < until_ns) {
        const reading r = take(b, s);
        if (r.status == -EAGAIN) continue;
        assert_int_equal(r.status, 0);
        assert_true(r.ok[0]);
        assert_close(value_of(&r, s, 0), 5, 1e-6);
        const int64_t true_ns = d.next_ns - 40 * MS - 15 * MS, late_ns = (r.begin_ns + r.end_ns) / 2 - true_ns;
        if (n++ > 50) assert_true(late_ns >= -1 * MS && late_ns <= 6 * MS);
    }
    assert_in_range(n, 248, 251);
    assert_int_equal(d.n_alive - n_alive, d.n_sent - n_sent);
    assert_true(d.closest_alive_ns >= 3 * MS);
    bench_close(b);
}

static void garbage_at_first_is_never_seen(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    d.n_garbage = 2;
    attach(b, &d);
    eprof__probe_fnirsi(&b->all, NULL);
    assert_close(live_one(b)->info.power_w, 5, 1e-6);
    assert_int_equal(d.n_sent, 5); /* two of garbage, two that might be, one that counts */
    d.n_garbage = d.n_sent + 1;    /* and one in the middle: two more before it is believed again */
    int n_range = 0, n_again = 0;
    while (d.n_sent < 9) {
        const reading r = take(b, &b->all.list[0]);
        n_range += r.status == -ERANGE;
        if (r.status == 0) assert_close(value_of(&r, &b->all.list[0], 0), 5, 1e-6);
        n_again += r.status == 0;
    }
    assert_int_equal(n_range, 1);
    assert_int_equal(n_again, 1);
    bench_close(b);
}

static void a_bad_checksum_costs_one_point(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    d.bad_frame = 10;
    attach(b, &d);
    eprof__probe_fnirsi(&b->all, NULL);
    int n_bad = 0, n_good = 0;
    while (d.n_sent < 13) {
        const reading r = take(b, live_one(b));
        n_bad += r.status == -EBADMSG;
        n_good += r.status == 0;
    }
    assert_int_equal(n_bad, 1);
    assert_int_equal(n_good, 13 - 3 - 1);
    bench_close(b);
}

static void two_seconds_of_silence_are_an_error_and_pass(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    attach(b, &d);
    eprof__probe_fnirsi(&b->all, NULL);
    eprof__source *s = live_one(b);
    d.mute_until_ns = fake_now(b->m) + 2100 * MS;
    d.next_ns = d.mute_until_ns;
    d.n_commands = 0;
    int n_error = 0;
    while (fake_now(b->m) < d.mute_until_ns) n_error += take(b, s).status == -ETIMEDOUT;
    assert_int_equal(n_error, 2); /* once a second */
    assert_int_equal(d.n_commands, 6);
    assert_memory_equal(d.commands, "\x81\x82\x82\x81\x82\x82", 6);
    int n_good = 0;
    while (d.n_sent < 3 + 5) n_good += take(b, s).status == 0;
    assert_int_equal(n_good, 3); /* of five frames the first two are not trusted */
    bench_close(b);
}

static void an_unplugged_meter_comes_back(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    attach(b, &d);
    eprof__probe_fnirsi(&b->all, NULL);
    eprof__source *s = live_one(b);
    d.error = ENODEV;
    fake_error(b->m, "/dev/hidraw3", 'o', ENOENT, 1);
    assert_int_equal(take(b, s).status, -ENODEV);
    assert_int_equal(take(b, s).status, -ENOTCONN); /* for two seconds nobody asks */
    fake_sleep(b->m, 2 * SECOND);
    assert_int_equal(take(b, s).status, -ENOENT);
    d = (meter){ .volts_raw = 500000, .amps_raw = 198500, .closest_alive_ns = INT64_MAX };
    fake_sleep(b->m, 2 * SECOND);
    reading r = { .status = -EAGAIN };
    while (r.status == -EAGAIN) r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 10, 1e-6);
    assert_memory_equal(d.commands, "\x81\x82\x82", 3);
    bench_close(b);
}

static void what_waited_too_long_is_thrown_away(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    attach(b, &d);
    eprof__probe_fnirsi(&b->all, NULL);
    eprof__source *s = live_one(b);
    fake_sleep(b->m, 2 * SECOND);   /* nobody starts the profiler: 50 frames of 5 W wait */
    d.change_ns = fake_now(b->m);
    d.changed_amps_raw = 398500;
    d.n_commands = 0;
    reading r = { .status = -EAGAIN };
    const int64_t begin_ns = fake_now(b->m);
    while (r.status == -EAGAIN) r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 20, 1e-6);
    assert_true(r.begin_ns > begin_ns && r.begin_ns < begin_ns + SECOND);
    assert_memory_equal(d.commands, "\x81\x82\x82", 3);
    bench_close(b);
}

static void closing_stops_the_keep_alives_and_drains(void **state)
{
    (void)state;
    bench *b = bench_open();
    meter d = plug_in(b, "00002E3C:00005558");
    attach(b, &d);
    eprof__probe_fnirsi(&b->all, NULL);
    eprof__source *s = live_one(b);
    fake_sleep(b->m, SECOND);       /* 25 frames wait */
    const int64_t begin_ns = fake_now(b->m);
    const int n_alive = d.n_alive, n_sent = d.n_sent;
    s->ops->close(s, b->all.io);
    assert_int_equal(d.n_alive, n_alive);
    assert_true(d.n_sent - n_sent >= 25);
    assert_true(fake_now(b->m) - begin_ns >= SECOND);
    assert_null(s->state);
    s->ops->close(s, b->all.io);    /* again: nothing */
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_is_that_of_known_frames),
        cmocka_unit_test(frames_are_whole_sane_and_of_data),
        cmocka_unit_test(each_model_is_started_in_its_way),
        cmocka_unit_test(what_is_not_there_or_not_allowed_says_so),
        cmocka_unit_test(a_mute_meter_is_not_live),
        cmocka_unit_test(frames_become_points_of_25_hz),
        cmocka_unit_test(garbage_at_first_is_never_seen),
        cmocka_unit_test(a_bad_checksum_costs_one_point),
        cmocka_unit_test(two_seconds_of_silence_are_an_error_and_pass),
        cmocka_unit_test(an_unplugged_meter_comes_back),
        cmocka_unit_test(what_waited_too_long_is_thrown_away),
        cmocka_unit_test(closing_stops_the_keep_alives_and_drains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
