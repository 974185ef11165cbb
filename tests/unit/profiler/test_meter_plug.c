/* SPDX-License-Identifier: MIT
 * test_meter_plug.c - plugs over HTTP: the JSON reader, the client, the dialects, and servers that misbehave.
 */
#include "tests/unit/profiler/meter_harness.h"

#include "profiler/sources/http_get.h"
#include "profiler/sources/json_find.h"

/* --------------------------------------------------------------------------------------------------- JSON -- */

static const char shelly[] =
    "{\"id\":0, \"source\":\"init\", \"output\":true, \"apower\":8.9, \"voltage\":237.5, \"current\":0.057,"
    "\"note\":\"apower\\\":1\", \"aenergy\":{\"total\":6532.124,\"by_minute\":[45.199,47.141,88.397],"
    "\"minute_ts\":1626935779}, \"temperature\":{\"tC\":23.5, \"tF\":null}}";

static void numbers_are_found_by_their_path(void **state)
{
    (void)state;
    const struct { const char *path; double value; } there[] = {
        { "apower", 8.9 }, { "aenergy.total", 6532.124 }, { "aenergy.minute_ts", 1626935779 }, { "id", 0 },
        { "temperature.tC", 23.5 } };
    const char *const not_there[] = { "total", "aenergy", "aenergy.tot", "aenergy.total.x", "temperature.tF", "source",
                                      "output", "", "aenergy.by_minute", "aenergy.by_minute.0", "." };
    double x = -1;
    for (size_t i = 0; i < COUNT(there); i++) {
        assert_int_equal(eprof__json_number(shelly, strlen(shelly), there[i].path, &x), 0);
        assert_close(x, there[i].value, 1e-12 * there[i].value);
    }
    x = -1;
    for (size_t i = 0; i < COUNT(not_there); i++)
        assert_int_equal(eprof__json_number(shelly, strlen(shelly), not_there[i], &x), -ENOENT);
    for (size_t n = 0; n < strlen(shelly); n++) /* cut anywhere, it is no answer */
        assert_int_equal(eprof__json_number(shelly, n, "apower", &x), -EBADMSG);
    assert_close(x, -1, 0);
}

static void json_is_read_strictly(void **state)
{
    (void)state;
    const char *const bad[] = {
        "", " ", "{", "{\"a\":1,}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":1}x",
        "{a:1}",
        "{\"a\" 1}", "{\"a\":nul}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\n\"}", "[1,2", "[1 2]",
        "{\"a\":NaN}",
        "{\"a\":1,\"a\"}", "{\"a\":-}",
        "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
        "{\"a\":0.00000000000000000000000000000000000000000000000000000000000001}" };
    const struct { const char *text; double value; } good[] = {
        { "{\"a\":-1.5e+2}", -150 }, { " { \"b\" : [ ] , \"a\" : 0 } ", 0 }, { "{\"a\":1,\"a\":2}", 1 },
        { "{\"x\":{\"a\":9},\"a\":3}", 3 }, { "{\"\\u0041\\n\\/\":{},\"a\":4}", 4 } };
    double x = 7;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (eprof__json_number(bad[i], strlen(bad[i]), "a", &x) != -EBADMSG) fail_msg("accepted: %s", bad[i]);
    assert_int_equal(eprof__json_number("{\"a\":1e999}", 11, "a", &x), -ENOENT); /* no number that a double holds */
    assert_close(x, 7, 0);
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(eprof__json_number(good[i].text, strlen(good[i].text), "a", &x), 0);
        assert_close(x, good[i].value, 0);
    }
}

/* --------------------------------------------------------------------------------------------------- HTTP -- */

static void answers_are_parsed(void **state)
{
    (void)state;
    static eprof__http_answer a;
    const struct { const char *text; bool is_end; int code; const char *body; bool keeps_open; } good[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}", true },
        { "HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", false, 404, "", true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x\r\n\":1}\r\n0\r\nT: 1\r\n\r\n", false,
          200,
          "{\"a\":1}", true },
        { "HTTP/1.1 200 OK\r\n\r\n{}", true, 200, "{}", false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}", false },
        { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}", true },
        { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}", false },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}", true } };
    for (size_t i = 0; i < COUNT(good); i++) {
        const size_t n = strlen(good[i].text);
        assert_int_equal(eprof__http_parse(good[i].text, n, good[i].is_end, &a), 0);
        assert_int_equal(a.code, good[i].code);
        assert_int_equal(a.keeps_open, good[i].keeps_open);
        assert_int_equal(a.n_used, n);
        assert_int_equal(a.n_body, strlen(good[i].body));
        assert_memory_equal(a.body, good[i].body, a.n_body);
        for (size_t cut = 0; cut < n && !good[i].is_end; cut++) {
            assert_int_equal(eprof__http_parse(good[i].text, cut, false, &a), -EAGAIN);
            assert_int_equal(eprof__http_parse(good[i].text, cut, true, &a), -EBADMSG);
        }
    }
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static eprof__http_answer a;
    const char *const bad[] = {
        "SSH-2.0-x\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20x OK\r\n\r\n", "HTTP/1.1 999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}xx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n" };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (eprof__http_parse(bad[i], strlen(bad[i]), false, &a) != -EBADMSG) fail_msg("accepted: %s", bad[i]);
}

/* ------------------------------------------------------------------------------------------------- servers -- */

enum { SHELLY2, SHELLY1, TASMOTA };

typedef struct server {
    int kind, code, n_requests, error;
    char answer[1024];
    size_t n, at;
    int64_t ready_ns, slow_ns;   /* the answer comes so much later */
    bool hangs_up, closes, is_null;
    double power, energy, clock_s;
} server;

static int write_body(const server *d, char *out, size_t room, const char *request)
{
    if (d->kind == SHELLY2 && strstr(request, "GET /rpc/Switch.GetStatus?id=0 HTTP/1.1\r\n")) {
        if (d->is_null) return snprintf(out, room, "{\"apower\":null,\"aenergy\":{\"total\":%.3f}}", d->energy);
        return snprintf(out, room, "{\"id\":0,\"apower\":%.1f,\"aenergy\":{\"total\":%.3f,\"minute_ts\":%.0f}}",
                        d->power, d->energy, d->clock_s);
    }
    if (d->kind == SHELLY1 && strstr(request, "GET /meter/0 "))
        return snprintf(out, room, "{\"power\":%.2f,\"valid\":true,\"timestamp\":%.0f,\"counters\":[],\"total\":%.0f}",
                        d->power, d->clock_s, d->energy);
    if (d->kind == TASMOTA && strstr(request, "GET /cm?cmnd=Status%208 "))
        return snprintf(out, room, "{\"StatusSNS\":{\"Time\":\"17:16\",\"ENERGY\":{\"Total\":%.3f,\"Power\":%.0f}}}",
                        d->energy, d->power);
    return -1;
}

static int64_t write_server(void *user, int64_t now_ns, const void *bytes, size_t n)
{
    server *d = user;
    char request[600], body[512] = "no such page";
    if (d->error) return -d->error;
    if (d->hangs_up) { /* the server had closed: the kernel takes the bytes, and the answer is the end */
        d->hangs_up = false;
        d->n = d->at = 0;
        d->closes = true;
        return (int64_t)n;
    }
    assert_true(n < sizeof request);
    memcpy(request, bytes, n);
    request[n] = '\0';
    assert_says(request, "\r\nHost: plug:80\r\n");
    assert_string_equal(request + n - 4, "\r\n\r\n");
    d->n_requests++;
    d->closes = false;
    int code = write_body(d, body, sizeof body, request) < 0 ? 404 : 200;
    if (d->code) code = d->code;
    const int size = snprintf(d->answer, sizeof d->answer, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", code,
                              strlen(body), body);
    d->n = (size_t)size;
    d->at = 0;
    d->ready_ns = now_ns + d->slow_ns;
    return (int64_t)n;
}

static int64_t read_server(void *user, int64_t now_ns, void *out, size_t n)
{
    server *d = user;
    if (d->closes) return 0;
    if (d->at == d->n || now_ns < d->ready_ns) return -ETIMEDOUT;
    size_t piece = d->n - d->at < 50 ? d->n - d->at : 50;
    if (piece > n) piece = n;
    memcpy(out, d->answer + d->at, piece);
    d->at += piece;
    return (int64_t)piece;
}

static bench *plug_in(server *d, int kind)
{
    bench *b = bench_open();
    const fake_device device = { .user = d, .read = read_server, .write = write_server };
    *d = (server){ .kind = kind, .power = 60, .energy = 1000, .clock_s = 1700000000 };
    fake_attach(b->m, "plug:80", &device);
    return b;
}

static void each_kind_has_its_page_and_units(void **state)
{
    (void)state;
    const struct { int kind; const char *name, *what; double joules; } kinds[] = {
        { SHELLY2, "shelly", "Gen2+", 1000 * 3600.0 }, { SHELLY1, "shelly", "Gen1", 1000 * 60.0 },
        { TASMOTA, "tasmota", "Tasmota", 1000 * 3.6e6 } };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        server d;
        bench *b = plug_in(&d, kinds[i].kind);
        eprof__probe_plug(&b->all, kinds[i].name, "plug");
        eprof__source *s = live_one(b);
        assert_says(s->info.what, kinds[i].what);
        assert_close(s->info.power_w, 60, 1e-9);
        assert_int_equal(s->info.scope, EPROF_SCOPE_WALL_AC);
        assert_int_equal(s->n_channels, 2);
        fake_sleep(b->m, 3 * SECOND);
        const reading r = take(b, s);
        assert_int_equal(r.status, 0);
        assert_true(r.ok[0] && r.ok[1]);
        assert_close(value_of(&r, s, 0), 60, 1e-9);
        assert_close(value_of(&r, s, 1), kinds[i].joules, 1e-6 * kinds[i].joules);
        bench_close(b);
    }
}

static void duplicates_are_one_reading(void **state)
{
    (void)state;
    server d;
    bench *b = plug_in(&d, SHELLY2);
    eprof__probe_plug(&b->all, "shelly", "plug:80");
    eprof__source *s = live_one(b);
    assert_int_equal(take(b, s).status, -EAGAIN); /* what the probe has seen */
    d.power = 61;                                 /* power is new, the counter stands: it has been read as well */
    reading r = take(b, s);
    assert_true(r.status == 0 && r.ok[0] && r.ok[1]);
    assert_int_equal(r.raw[1], 1000000);
    d.energy += 0.017;
    r = take(b, s);
    assert_true(r.status == 0 && r.ok[0] && r.ok[1]);
    assert_int_equal(r.raw[1], 1000017);
    int n = 0;
    for (int i = 0; i < 20; i++) n += take(b, s).status == 0;
    assert_in_range(n, 9, 11); /* nothing changes: every other second the plug has looked again */
    bench_close(b);
}

static void a_clock_that_goes_back_spares_the_counter(void **state)
{
    (void)state;
    server d;
    bench *b = plug_in(&d, SHELLY2);
    eprof__probe_plug(&b->all, "shelly", "plug");
    eprof__source *s = live_one(b);
    d.clock_s = 60;
    d.energy = 3;
    d.power = 70;
    reading r = take(b, s);
    assert_true(r.status == 0 && r.ok[0] && !r.ok[1]);
    d.clock_s = 120;
    d.energy = 4;
    r = take(b, s);
    assert_true(r.status == 0 && r.ok[1]);
    bench_close(b);
}

static void server_errors_are_errors(void **state)
{
    (void)state;
    server d;
    bench *b = plug_in(&d, SHELLY2);
    eprof__probe_plug(&b->all, "shelly", "plug");
    eprof__source *s = live_one(b);
    d.code = 500;
    assert_int_equal(take(b, s).status, -EIO);
    d.code = 401;
    assert_int_equal(take(b, s).status, -EACCES);
    d.code = 0;
    d.power = 1e9;
    assert_int_equal(take(b, s).status, -ERANGE);
    d.power = 62;
    const reading r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 62, 1e-9);
    d.is_null = true; /* a plug that has just booted knows no power */
    d.energy = 1001;
    const reading null = take(b, s);
    assert_true(null.status == 0 && !null.ok[0] && null.ok[1]);
    bench_close(b);
}

static void slow_answers_are_bracketed_or_dropped(void **state)
{
    (void)state;
    server d;
    bench *b = plug_in(&d, SHELLY2);
    eprof__probe_plug(&b->all, "shelly", "plug");
    eprof__source *s = live_one(b);
    const int64_t before = fake_calls(b->m, 'o');
    d.slow_ns = 500 * MS;
    d.power = 63;
    reading r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_true(r.end_ns - r.begin_ns >= 500 * MS);
    assert_int_equal(fake_calls(b->m, 'o'), before); /* kept alive */
    d.slow_ns = 5 * SECOND;
    assert_int_equal(take(b, s).status, -ETIMEDOUT);
    d.slow_ns = 0;
    d.power = 64;
    r = take(b, s);
    assert_int_equal(r.status, 0);
    assert_close(value_of(&r, s, 0), 64, 1e-9); /* not the late one's */
    assert_int_equal(fake_calls(b->m, 'o'), before + 1);
    bench_close(b);
}

static void a_connection_that_idled_is_made_again(void **state)
{
    (void)state;
    server d;
    bench *b = plug_in(&d, SHELLY2);
    eprof__probe_plug(&b->all, "shelly", "plug");
    eprof__source *s = live_one(b);
    d.hangs_up = true;
    d.power = 65;
    assert_int_equal(take(b, s).status, 0);
    d.error = ECONNRESET;
    assert_int_equal(take(b, s).status, -ECONNRESET); /* twice in a row is a failure */
    d.error = 0;
    d.power = 66;
    fake_sleep(b->m, 2 * SECOND);
    assert_int_equal(take(b, s).status, 0);
    bench_close(b);
}

static void who_is_no_plug_is_told(void **state)
{
    (void)state;
    server d;
    const struct { const char *kind, *address, *why; int code; } cases[] = {
        { "shelly", "plug", "asks for a password", 401 }, { "tasmota", "plug", "no page of a plug", 0 },
        { "shelly", "other", "connection refused", 0 }, { "shelly", "plug:0", "not an address", 0 },
        { "shelly", "plug:65536", "not an address", 0 }, { "shelly", "/dev/x", "not an address", 0 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bench *b = plug_in(&d, SHELLY2);
        d.code = cases[i].code;
        eprof__probe_plug(&b->all, cases[i].kind, cases[i].address);
        assert_says(dead_one(b)->why_not, cases[i].why);
        bench_close(b);
    }
    bench *b = bench_open();
    eprof__probe_plug(&b->all, "tasmota", NULL);
    assert_says(dead_one(b)->why_not, "tasmota:HOST");
    bench_close(b);
}

static void addresses_are_hosts_ports_and_paths(void **state)
{
    (void)state;
    const struct { const char *text, *host; int port; } good[] = {
        { "10.0.0.5", "10.0.0.5", 80 }, { "10.0.0.5:8080", "10.0.0.5", 8080 }, { "[fe80::1]:81", "fe80::1", 81 },
        { "[fe80::1]", "fe80::1", 80 }, { "fe80::1", "fe80::1", 80 }, { "/dev/usbtmc0", "/dev/usbtmc0", 0 } };
    const char *const bad[] = { "", ":80", "host:", "host:x", "host:-1", "[fe80::1", "[fe80::1]x", "host:80 80" };
    eprof__port p;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(eprof__port_init(&p, good[i].text, 80), 0);
        assert_string_equal(p.address, good[i].host);
        assert_int_equal(p.tcp_port, good[i].port);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        if (eprof__port_init(&p, bad[i], 80) != -EINVAL) fail_msg("accepted: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_found_by_their_path),
        cmocka_unit_test(json_is_read_strictly),
        cmocka_unit_test(answers_are_parsed),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(each_kind_has_its_page_and_units),
        cmocka_unit_test(duplicates_are_one_reading),
        cmocka_unit_test(a_clock_that_goes_back_spares_the_counter),
        cmocka_unit_test(server_errors_are_errors),
        cmocka_unit_test(slow_answers_are_bracketed_or_dropped),
        cmocka_unit_test(a_connection_that_idled_is_made_again),
        cmocka_unit_test(who_is_no_plug_is_told),
        cmocka_unit_test(addresses_are_hosts_ports_and_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
