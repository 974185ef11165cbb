/* SPDX-License-Identifier: MIT
 * test_meter_scpi.c - bench instruments: numbers as they write them, what they understand, late and missing answers.
 */
#include "tests/unit/profiler/meter_harness.h"

typedef struct instrument {
    bool knows_power, wants_channel, is_mute;
    const char *volts, *amps, *watts;
    char answer[128];
    int64_t ready_ns, slow_ns;
    int n_errors, error;         /* in its queue */
    char last[64];
} instrument;

static bool asks(const instrument *d, const char *line, const char *query)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%s%s\n", query, d->wants_channel ? " (@1)" : "");
    return strcmp(line, wanted) == 0;
}

static const char *next_error(instrument *d)
{
    if (d->n_errors == 0) return "+0,\"No error\"";
    d->n_errors--;
    return "-113,\"Undefined header\"";
}

static int64_t write_instrument(void *user, int64_t now_ns, const void *bytes, size_t n)
{
    instrument *d = user;
    char line[64];
    assert_true(n < sizeof line);
    if (d->error) return -d->error;
    memcpy(line, bytes, n);
    line[n] = '\0';
    (void)snprintf(d->last, sizeof d->last, "%s", line);
    d->ready_ns = now_ns + d->slow_ns;
    d->answer[0] = '\0';
    const char *answer = NULL;
    if (d->is_mute) answer = NULL;
    else if (strcmp(line, "*IDN?\n") == 0) answer = "ACME,PSU-3,0042,1.0";
    else if (strcmp(line, "SYST:ERR?\n") == 0) answer = next_error(d);
    else if (d->knows_power && asks(d, line, "MEAS:POW?")) answer = d->watts;
    else if (asks(d, line, "MEAS:VOLT?")) answer = d->volts;
    else if (asks(d, line, "MEAS:CURR?")) answer = d->amps;
    if (answer) (void)snprintf(d->answer, sizeof d->answer, "%s\n", answer);
    else d->n_errors++;
    return (int64_t)n;
}

static int64_t read_instrument(void *user, int64_t now_ns, void *out, size_t n)
{
    instrument *d = user;
    if (d->error) return -d->error;
    const size_t size = strlen(d->answer);
    if (size == 0 || now_ns < d->ready_ns) return -ETIMEDOUT;
    assert_true(n >= size);
    memcpy(out, d->answer, size);
    d->answer[0] = '\0';
    return (int64_t)size;
}

static int ioctl_instrument(void *user, int64_t now_ns, unsigned long request, void *arg)
{
    (void)user, (void)now_ns, (void)request;
    assert_int_equal(*(const uint32_t *)arg, 1000);
    return 0;
}

static bench *connect_to(instrument *d, const char *place)
{
    bench *b = bench_open();
    const fake_device device = { d, read_instrument, write_instrument, ioctl_instrument };
    *d = (instrument){ .knows_power = true, .volts = "+5.000E+00", .amps = "1.2 A", .watts = "+4.98E+00" };
    fake_attach(b->m, place, &device);
    return b;
}

static void numbers_have_exponents_and_units(void **state)
{
    (void)state;
    const struct { const char *text; double value; } good[] = {
        { "+4.98E+00\n", 4.98 }, { "4.98 W", 4.98 }, { "12.5mW\r\n", 0.0125 }, { "1.5 kW", 1500 }, { "-0.25A", -0.25 },
        { " 5.01 V", 5.01 }, { "1200MA", 1.2 }, { "3", 3 }, { "4.5,1.2", 4.5 }, { "7uW", 7e-6 } };
    const struct { const char *text; int status; } bad[] = {
        { "", -EBADMSG }, { "\n", -EBADMSG }, { "ACME", -EBADMSG }, { "4.98 Hz", -EBADMSG }, { "4.98W2", -EBADMSG },
        { "9.9E37", -ERANGE }, { "+9.91E+37", -ERANGE }, { "-9.9E37", -ERANGE }, { "1e999", -ERANGE } };
    double x = 0;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (eprof__decode_scpi(good[i].text, strlen(good[i].text), &x) != 0) fail_msg("refused: %s", good[i].text);
        assert_close(x, good[i].value, 1e-9 * fabs(good[i].value));
    }
    x = 7;
    for (size_t i = 0; i < COUNT(bad); i++) {
        const int status = eprof__decode_scpi(bad[i].text, strlen(bad[i].text), &x);
        if (status != bad[i].status) fail_msg("accepted: %s", bad[i].text);
    }
    assert_close(x, 7, 0);
    char long_text[400];
    memset(long_text, '1', sizeof long_text);
    assert_int_equal(eprof__decode_scpi(long_text, sizeof long_text, &x), -EBADMSG);
}

static void power_is_asked_for_where_it_is_known(void **state)
{
    (void)state;
    const char *const places[][2] = { { "10.0.0.5:5025", "10.0.0.5" }, { "/dev/usbtmc0", "/dev/usbtmc0" } };
    for (size_t i = 0; i < COUNT(places); i++) {
        instrument d;
        bench *b = connect_to(&d, places[i][0]);
        eprof__probe_scpi(&b->all, places[i][1]);
        eprof__source *s = live_one(b);
        assert_string_equal(s->info.what, "SCPI instrument ACME,PSU-3,0042,1.0");
        assert_close(s->info.power_w, 4.98, 1e-9);
        const reading r = take(b, s);
        assert_int_equal(r.status, 0);
        assert_close(value_of(&r, s, 0), 4.98, 1e-6);
        assert_string_equal(d.last, "MEAS:POW?\n");
        bench_close(b);
    }
}

static void volts_times_amperes_where_it_is_not(void **state)
{
    (void)state;
    for (int wants_channel = 0; wants_channel < 2; wants_channel++) {
        instrument d;
        bench *b = connect_to(&d, "psu:5555");
        d.knows_power = false;
        d.wants_channel = wants_channel;
        eprof__probe_scpi(&b->all, "psu:5555");
        eprof__source *s = live_one(b);
        assert_close(s->info.power_w, 6, 1e-9);
        assert_int_equal(d.n_errors, 0); /* its queue was emptied */
        const reading r = take(b, s);
        assert_int_equal(r.status, 0);
        assert_close(value_of(&r, s, 0), 6, 1e-6);
        assert_string_equal(d.last, wants_channel ? "MEAS:CURR? (@1)\n" : "MEAS:CURR?\n");
        bench_close(b);
    }
}

static void slow_answers_are_bracketed_and_late_ones_dropped(void **state)
{
    (void)state;
    instrument d;
    bench *b = connect_to(&d, "psu:5025");
    eprof__probe_scpi(&b->all, "psu");
    eprof__source *s = live_one(b);
    d.slow_ns = 300 * MS;
    reading r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_true(r.end_ns - r.begin_ns >= 300 * MS && r.end_ns - r.begin_ns < 320 * MS);
    d.slow_ns = 1200 * MS;
    d.watts = "99";
    assert_int_equal(take(b, s).status, -ETIMEDOUT);
    fake_sleep(b->m, SECOND); /* now it is there, and must not be taken */
    d.slow_ns = 0;
    d.watts = "3.5";
    r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 3.5, 1e-9);
    bench_close(b);
}

static void overload_and_loss_are_errors(void **state)
{
    (void)state;
    instrument d;
    bench *b = connect_to(&d, "psu:5025");
    eprof__probe_scpi(&b->all, "psu");
    eprof__source *s = live_one(b);
    d.watts = "9.9E37";
    assert_int_equal(take(b, s).status, -ERANGE);
    d.watts = "5e6";
    assert_int_equal(take(b, s).status, -ERANGE);
    d.error = ECONNRESET;
    assert_int_equal(take(b, s).status, -ECONNRESET);
    assert_int_equal(take(b, s).status, -ENOTCONN);
    d.error = 0;
    d.watts = "4";
    fake_sleep(b->m, 2 * SECOND);
    assert_int_equal(take(b, s).status, 0);
    bench_close(b);
}

static void an_instrument_that_measures_nothing_is_told(void **state)
{
    (void)state;
    instrument d;
    bench *b = connect_to(&d, "psu:5025");
    d.knows_power = false;
    d.volts = d.amps = NULL;
    eprof__probe_scpi(&b->all, "psu");
    assert_says(dead_one(b)->why_not, "psu: no answer; it says -113,\"Undefined header\"");
    bench_close(b);
    b = connect_to(&d, "psu:5025");
    d.is_mute = true;
    const int64_t begin_ns = fake_now(b->m);
    eprof__probe_scpi(&b->all, "psu");
    assert_says(dead_one(b)->why_not, "no answer");
    assert_true(fake_now(b->m) - begin_ns < 2 * SECOND);
    bench_close(b);
    b = connect_to(&d, "/dev/usbtmc0");
    fake_error(b->m, "/dev/usbtmc0", 'o', EACCES, -1);
    eprof__probe_scpi(&b->all, "/dev/usbtmc0");
    assert_string_equal(dead_one(b)->unlock, "sudo chmod a+rw /dev/usbtmc0");
    bench_close(b);
    b = bench_open();
    eprof__probe_scpi(&b->all, NULL);
    assert_says(dead_one(b)->why_not, "scpi:HOST:5025");
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_exponents_and_units),
        cmocka_unit_test(power_is_asked_for_where_it_is_known),
        cmocka_unit_test(volts_times_amperes_where_it_is_not),
        cmocka_unit_test(slow_answers_are_bracketed_and_late_ones_dropped),
        cmocka_unit_test(overload_and_loss_are_errors),
        cmocka_unit_test(an_instrument_that_measures_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
