/* SPDX-License-Identifier: MIT
 * test_report.c - numbers and names as text, JSON that parses, CSV with its columns, a page whose tags close, curves
 * that keep their extremes.
 *
 * The profiler here is a record made by hand: a counter of 2 W idle and 5 W in a region of 5 s, whose name is hostile.
 */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "profiler/report/curves.h"
#include "profiler/report/number_text.h"
#include "profiler/report/report.h"
#include "profiler/report/svg_plot.h"
#include "profiler/run/profiler.h"

#define HOSTILE "</td><script>\"x\xff&',\n"
#define assert_near(x, expected, tolerance) assert_true(fabs((x) - (expected)) <= (tolerance))
enum { START_S = 100, RUN_S = 20, HZ = 5 };

/* -------------------------------------------------------------------------------------------------- numbers -- */

static void numbers_for_machines(void **state)
{
    (void)state;
    eprof__number n;
    assert_string_equal(eprof__format_double(&n, 0.25, 12), "0.25");
    assert_string_equal(eprof__format_double(&n, 1234567.0, 6), "1.23457e+06");
    assert_string_equal(eprof__format_double(&n, -0.0, 6), "0");
    assert_string_equal(eprof__format_double(&n, EPROF_ABSENT, 6), "");
    assert_string_equal(eprof__format_fixed(&n, 2.5, 3), "2.500");
    assert_string_equal(eprof__format_fixed(&n, -0.0001, 2), "0.00");
    assert_string_equal(eprof__format_plain(&n, 1234.4), "1234");
    assert_string_equal(eprof__format_plain(&n, 0.0123), "0.0123");
}

static void numbers_for_people(void **state)
{
    (void)state;
    eprof__number n;
    assert_string_equal(eprof__format_si(&n, 12.34, "J"), "12.3 J");
    assert_string_equal(eprof__format_si(&n, 0.0034, "Wh"), "3.40 mWh");
    assert_string_equal(eprof__format_si(&n, 0.9996, "W"), "1.00 W");
    assert_string_equal(eprof__format_si(&n, 999.6, "J"), "1.00 kJ");
    assert_string_equal(eprof__format_si(&n, 0, "J"), "0 J");
    assert_string_equal(eprof__format_si(&n, -1e-15, "J"), "0 J");
    assert_string_equal(eprof__format_si(&n, -2.5, "J"), "-2.50 J");
    assert_string_equal(eprof__format_pm(&n, 12.345, 0.152, "J"), "12.35 ± 0.15 J");
    assert_string_equal(eprof__format_pm(&n, 0.0123, 0.004, "J"), "12.3 ± 4.0 mJ");
    assert_string_equal(eprof__format_pm(&n, 3, EPROF_ABSENT, "J"), "3.00 J");
    assert_string_equal(eprof__format_pm(&n, EPROF_ABSENT, 1, "J"), "");
    assert_string_equal(eprof__format_seconds(&n, 0.35), "350 ms");
    assert_string_equal(eprof__format_seconds(&n, 245), "4 min 05 s");
    assert_string_equal(eprof__format_seconds(&n, 3720), "1 h 02 min");
    assert_string_equal(eprof__format_mib(&n, 812.4), "812 MiB");
    assert_string_equal(eprof__format_mib(&n, 1260), "1.23 GiB");
}

static void a_point_in_every_locale(void **state)
{
    (void)state;
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8" };
    eprof__number n;
    int tried = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!setlocale(LC_NUMERIC, names[i])) continue;
        tried++;
        assert_string_equal(eprof__format_double(&n, -1.5e-7, 6), "-1.5e-07");
        assert_string_equal(eprof__format_fixed(&n, 1234.5, 2), "1234.50");
    }
    setlocale(LC_NUMERIC, "C");
    if (!tried) print_message("SKIP: no locale with a decimal comma is installed\n");
}

/* ---------------------------------------------------------------------------------------------------- texts -- */

typedef struct sink {
    char *text;
    size_t n;
    uint64_t largest;
    int pieces, refuse_at; /* the piece that is refused, 0: none */
} sink;

static int32_t take(void *user, const char *text, uint64_t n_bytes)
{
    sink *s = user;
    s->pieces++;
    if (s->pieces == s->refuse_at) return 1;
    s->text = realloc(s->text, s->n + n_bytes + 1);
    assert_non_null(s->text);
    memcpy(s->text + s->n, text, n_bytes);
    s->n += n_bytes;
    s->text[s->n] = '\0';
    if (n_bytes > s->largest) s->largest = n_bytes;
    return 0;
}

static void assert_escaped(void (*escape)(eprof__out *, const char *), const char *text, const char *expected)
{
    sink s = { 0 };
    eprof__out o;
    eprof__out_init(&o, take, &s);
    escape(&o, text);
    assert_int_equal(eprof__out_finish(&o, NULL), EPROF_OK);
    assert_string_equal(s.text, expected);
    free(s.text);
}

static void escapes(void **state)
{
    (void)state;
    assert_escaped(eprof__out_json, "a\"b\\c\nd", "\"a\\\"b\\\\c\\nd\"");
    assert_escaped(eprof__out_json, "\x01\x7f", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_escaped(eprof__out_json, "größe €😀", "\"größe €😀\"");
    assert_escaped(eprof__out_json, "cut \xe2\x82", "\"cut \xef\xbf\xbd\xef\xbf\xbd\"");
    assert_escaped(eprof__out_json, "\xc0\xaf\xed\xa0\x80", /* an overlong / and a surrogate */
                   "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_escaped(eprof__out_html, "<a href='x'>\"&", "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    assert_escaped(eprof__out_csv, "plain", "plain");
    assert_escaped(eprof__out_csv, "a,\"b\"", "\"a,\"\"b\"\"\"");
}

static void pieces_are_bounded_and_refusals_kept(void **state)
{
    (void)state;
    sink s = { .refuse_at = 3 };
    eprof_error err = EPROF_INIT(eprof_error);
    eprof__out o;
    eprof__out_init(&o, take, &s);
    for (int i = 0; i < 10000; i++) eprof__out_text(&o, "ten bytes.");
    assert_int_equal(eprof__out_finish(&o, &err), EPROF_E_IO);
    assert_int_equal(s.pieces, 3);
    assert_int_equal(s.n, 2 * 4096);
    assert_int_equal(s.largest, 4096);
    assert_string_equal(err.message, "the caller's function refused a piece of the text");
    free(s.text);
}

/* ------------------------------------------------------------------------------------- a record made by hand -- */

static int32_t channel(eprof__record *r, const char *name, eprof__kind kind, eprof_class cls, eprof_scope scope,
                       double scale)
{
    eprof__channel c = {
        .kind = kind, .cls = cls, .scope = scope, .scale = scale, .period_ns = 1000000000 / HZ, .most = 1e9
    };
    snprintf(c.name, sizeof c.name, "%s", name);
    const int32_t i = eprof__record_add_channel(r, &c, 1000, NULL);
    assert_true(i >= 0);
    return i;
}

static int64_t ns(double s) { return (int64_t)llround(s * 1e9); }

static void read_channels(eprof__record *r, double t, double energy_j, double own_s)
{
    const int64_t at = ns(START_S + t);
    const int64_t raws[] = { llround(energy_j * 1e6), llround(own_s * 1e9), llround((own_s + 0.01 * t) * 1e9),
                             llround(2 * t * 1e9), llround((100 + 10 * t) * 1024) };
    for (int32_t i = 0; i < 5; i++) eprof__record_append(r, i, at, at + 2000, raws[i], 0);
}

static eprof *make(bool with_meter)
{
    eprof *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_int_equal(eprof__record_create(&p->record, NULL), EPROF_OK);
    eprof__record *r = p->record;
    atomic_store(&p->state, EPROF__STOPPED);
    p->pid_at_create = eprof__process_number();
    r->facts.n_cpus = 2;
    r->facts.sample_hz = HZ;
    r->facts.start_ns = ns(START_S);
    r->facts.stop_ns = ns(START_S + RUN_S);
    snprintf(r->facts.host, sizeof r->facts.host, "a <host>");
    const int32_t energy = channel(r, "rapl:package-0", EPROF__ENERGY, EPROF_CLASS_COUNTER, EPROF_SCOPE_PACKAGE, 1e-6);
    channel(r, "own", EPROF__CPU_OWN, EPROF_CLASS_COUNTER, EPROF_SCOPE_PROCESS, 1e-9);
    channel(r, "busy", EPROF__CPU_BUSY, EPROF_CLASS_COUNTER, EPROF_SCOPE_OTHER, 1e-9);
    channel(r, "total", EPROF__CPU_TOTAL, EPROF_CLASS_COUNTER, EPROF_SCOPE_OTHER, 1e-9);
    channel(r, "anon", EPROF__RAM_ANON, EPROF_CLASS_SAMPLE, EPROF_SCOPE_PROCESS, 1.0 / 1024);
    const eprof__meter m = { .name = "rapl:package-0", .scope = EPROF_SCOPE_PACKAGE, .n_channels = 1,
                             .channels = { (int16_t)energy } };
    if (with_meter) assert_int_equal(eprof__record_add_meter(r, &m, NULL), EPROF_OK);
    for (int i = 0; i <= RUN_S * HZ; i++) {
        const double t = (double)i / HZ, inside = fmin(fmax(t - 8, 0), 5);
        read_channels(r, t, 2 * t + 3 * inside, inside);
    }
    const eprof_region id = eprof__record_begin(r, 0, HOSTILE, ns(START_S + 8), 1, 0);
    assert_int_equal(id, 1);
    eprof__record_annotate(r, id, "tokens", 50);
    assert_int_equal(eprof__record_end(r, id, ns(START_S + 13), 1, ns(5), NULL), EPROF_OK);
    return p;
}

static void drop(eprof *p)
{
    eprof__record_destroy(&p->record);
    free(p);
}

static char *written(const eprof *p, int32_t format)
{
    sink s = { 0 };
    eprof_error err = EPROF_INIT(eprof_error);
    const eprof_status status = eprof_write(p, format, take, &s, &err);
    if (status != EPROF_OK) fail_msg("eprof_write: %s", err.message);
    return s.text;
}

static const cJSON *at(const cJSON *o, const char *key)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!x) fail_msg("there is no %s", key);
    return x;
}

/* --------------------------------------------------------------------------------------------------- formats -- */

static void json(void **state)
{
    (void)state;
    eprof *p = make(true);
    char *text = written(p, EPROF_JSON);
    cJSON *o = cJSON_Parse(text);
    assert_non_null(o);
    const cJSON *region = cJSON_GetArrayItem(at(o, "regions"), 1);
    assert_non_null(region);
    assert_string_equal(at(region, "name")->valuestring, "</td><script>\"x\xef\xbf\xbd&',\n");
    assert_near(at(region, "begin_s")->valuedouble, 8, 1e-9);
    assert_near(at(region, "elapsed_s")->valuedouble, 5, 1e-9);
    assert_near(at(at(region, "cpu"), "own_core_s")->valuedouble, 5, 1e-3);
    assert_near(at(at(region, "notes"), "tokens")->valuedouble, 50, 0);
    const cJSON *energy = cJSON_GetArrayItem(at(region, "energy"), 0);
    assert_non_null(energy);
    assert_string_equal(at(energy, "source")->valuestring, "rapl:package-0");
    assert_string_equal(at(energy, "scope")->valuestring, "package");
    assert_string_equal(at(energy, "class")->valuestring, "counter");
    assert_near(at(energy, "gross_j")->valuedouble, 25, 0.01);
    assert_near(at(energy, "gross_mwh")->valuedouble, 25 / 3.6, 0.01);
    assert_near(at(energy, "net_j")->valuedouble, 15, 0.05);
    assert_true(cJSON_IsObject(at(energy, "budget_j")));
    assert_null(cJSON_GetObjectItemCaseSensitive(at(region, "ram"), "file_peak_mib")); /* no such channel */
    assert_null(cJSON_GetObjectItemCaseSensitive(region, "temp_begin_c"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "null"));
    cJSON_Delete(o);
    free(text);
    drop(p);
}

static void json_of_a_result(void **state)
{
    (void)state;
    eprof_result r = EPROF_INIT(eprof_result);
    r.elapsed_s = 1.5;
    r.cpu.own_core_s = EPROF_ABSENT;
    r.flags = EPROF_FLAG_GAP | EPROF_FLAG_HISTORY;
    sink s = { 0 };
    eprof_error err = EPROF_INIT(eprof_error);
    assert_int_equal(eprof_write_result(&r, take, &s, &err), EPROF_OK);
    cJSON *o = cJSON_Parse(s.text);
    assert_non_null(o);
    assert_near(at(o, "elapsed_s")->valuedouble, 1.5, 0);
    assert_null(cJSON_GetObjectItemCaseSensitive(at(o, "cpu"), "own_core_s"));
    assert_int_equal(cJSON_GetArraySize(at(o, "flags")), 2);
    assert_string_equal(cJSON_GetArrayItem(at(o, "flags"), 0)->valuestring, "gap");
    assert_string_equal(cJSON_GetArrayItem(at(o, "flags"), 1)->valuestring, "history");
    cJSON_Delete(o);
    free(s.text);
    r.struct_size = 4;
    assert_int_equal(eprof_write_result(&r, take, &s, &err), EPROF_E_ARG);
}

/* The fields of the line at text, quotes minded; *end: behind its line end. */
static int fields(const char *text, const char **end)
{
    int n = 1;
    bool quoted = false;
    for (; *text && (quoted || *text != '\r'); text++) {
        if (*text == '"') quoted = !quoted;
        else if (*text == ',' && !quoted) n++;
    }
    assert_memory_equal(text, "\r\n", 2);
    *end = text + 2;
    return n;
}

static void csv(void **state)
{
    (void)state;
    for (int with_meter = 0; with_meter < 2; with_meter++) {
        eprof *p = make(with_meter != 0);
        char *text = written(p, EPROF_CSV);
        const char *line = text;
        const int n = fields(line, &line);
        int lines = 0;
        for (; *line; lines++) assert_int_equal(fields(line, &line), n);
        assert_int_equal(lines, 2); /* the run, the region */
        assert_non_null(strstr(text, "1,0,\"</td><script>\"\"x\xef\xbf\xbd&',\xef\xbf\xbd\",8,5,"));
        assert_non_null(strstr(text, ",tokens,50,"));
        assert_null(strstr(text, "nan"));
        free(text);
        drop(p);
    }
}

/* Tags open and close in turn; void elements and the doctype stand alone. */
static void assert_balanced(const char *text)
{
    static const char *const lone[] = { "meta", "br", "!DOCTYPE" };
    char open[64][16];
    int depth = 0;
    for (const char *tag = strchr(text, '<'); tag; tag = strchr(tag + 1, '<')) {
        const bool closes = tag[1] == '/';
        const char *name = tag + 1 + closes, *end = strchr(tag, '>');
        const size_t n = strcspn(name, " >/\n");
        assert_non_null(end);
        assert_in_range(n, 1, 15);
        bool alone = end[-1] == '/';
        for (size_t i = 0; i < sizeof lone / sizeof lone[0]; i++)
            alone |= strlen(lone[i]) == n && memcmp(lone[i], name, n) == 0;
        if (closes) {
            assert_true(depth > 0);
            depth--;
            if (strlen(open[depth]) != n || memcmp(open[depth], name, n) != 0)
                fail_msg("</%.*s> closes <%s>", (int)n, name, open[depth]);
        } else if (!alone) {
            assert_true(depth < 64);
            snprintf(open[depth++], 16, "%.*s", (int)n, name);
        }
    }
    assert_int_equal(depth, 0);
}

static void html(void **state)
{
    (void)state;
    for (int with_meter = 0; with_meter < 2; with_meter++) {
        eprof *p = make(with_meter != 0);
        char *text = written(p, EPROF_HTML);
        assert_balanced(text);
        assert_null(strstr(text, "<script"));
        assert_null(strstr(text, "src="));
        assert_null(strstr(text, "url("));
        assert_non_null(strstr(text, "&lt;/td&gt;&lt;script&gt;&quot;x\xef\xbf\xbd&amp;&#39;,"));
        assert_non_null(strstr(text, "a &lt;host&gt;"));
        assert_non_null(strstr(text, ">CPU, % of 2 cores<"));
        assert_non_null(strstr(text, "prefers-color-scheme:dark"));
        assert_null(strstr(text, "nan"));
        if (with_meter) {
            assert_non_null(strstr(text, ">Power, W<"));
            assert_non_null(strstr(text, "tokens 50 (300 mJ each)"));
        } else {
            assert_non_null(strstr(text, "Nothing here measured energy"));
        }
        free(text);
        drop(p);
    }
}

static void what_cannot_be_written(void **state)
{
    (void)state;
    eprof *p = make(true);
    sink s = { .refuse_at = 1 };
    eprof_error err = EPROF_INIT(eprof_error);
    assert_int_equal(eprof_write(p, 7, take, &s, &err), EPROF_E_ARG);
    assert_string_equal(err.message, "there is no format 7");
    err = (eprof_error)EPROF_INIT(eprof_error);
    assert_int_equal(eprof_write(p, EPROF_HTML, take, &s, &err), EPROF_E_IO);
    atomic_store(&p->state, EPROF__STARTED);
    err = (eprof_error)EPROF_INIT(eprof_error);
    assert_int_equal(eprof_write(p, EPROF_JSON, take, &s, &err), EPROF_E_STATE);
    drop(p);
}

/* --------------------------------------------------------------------------------------------------- curves -- */

static void thinning_keeps_extremes(void **state)
{
    (void)state;
    enum { N = 20000, MOST = 2000 };
    double *t = calloc(2 * (size_t)N, sizeof *t);
    assert_non_null(t);
    eprof__curve c = { t, t + N, N };
    for (int i = 0; i < N; i++) {
        t[i] = i * 0.2;
        c.value[i] = 5 + sin(i * 0.01);
    }
    c.value[12345] = 99;
    c.value[6789] = -3;
    c.value[15000] = EPROF_ABSENT;
    eprof__curve_thin(&c, MOST);
    assert_in_range(c.n, MOST / 2, MOST);
    bool peak = false, dip = false, gap = false;
    for (int64_t i = 0; i < c.n; i++) {
        if (i > 0) assert_true(c.t_s[i] > c.t_s[i - 1]);
        peak |= c.value[i] == 99 && c.t_s[i] == 12345 * 0.2;
        dip |= c.value[i] == -3 && c.t_s[i] == 6789 * 0.2;
        gap |= isnan(c.value[i]) != 0;
    }
    assert_true(peak && dip && gap);
    assert_near(c.t_s[0], 0, 0);
    assert_near(c.t_s[c.n - 1], (N - 1) * 0.2, 1e-9);
    eprof__curve_free(&c);
}

static void curves_of_counters(void **state)
{
    (void)state;
    eprof *p = make(true);
    eprof__curve c;
    assert_int_equal(eprof__curve_of_meter(p->record, &p->record->meters[0], &c, NULL), EPROF_OK);
    assert_near(eprof__curve_at(&c, 4), 2, 1e-3);
    assert_near(eprof__curve_at(&c, 10), 5, 1e-3);
    assert_true(isnan(eprof__curve_at(&c, 30)));
    eprof__curve_free(&c);
    assert_int_equal(eprof__curve_of_own(p->record, &c, NULL), EPROF_OK);
    assert_near(eprof__curve_at(&c, 10), 50, 1e-3); /* one of two cores */
    eprof__curve_free(&c);
    assert_int_equal(eprof__curve_of_busy(p->record, &c, NULL), EPROF_OK);
    assert_near(eprof__curve_at(&c, 4), 0.5, 1e-2);
    eprof__curve_free(&c);
    assert_int_equal(eprof__curve_of_kind(p->record, EPROF__TEMP, &c, NULL), EPROF_OK);
    assert_int_equal(c.n, 0);
    drop(p);
}

static void ticks_are_round(void **state)
{
    (void)state;
    assert_near(eprof__nice_step(10, 5), 2, 1e-12);
    assert_near(eprof__nice_step(62, 12), 10, 1e-12);
    assert_near(eprof__nice_step(0.03, 5), 0.01, 1e-12);
    assert_near(eprof__nice_step(100, 5), 20, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_for_machines),
        cmocka_unit_test(numbers_for_people),
        cmocka_unit_test(a_point_in_every_locale),
        cmocka_unit_test(escapes),
        cmocka_unit_test(pieces_are_bounded_and_refusals_kept),
        cmocka_unit_test(json),
        cmocka_unit_test(json_of_a_result),
        cmocka_unit_test(csv),
        cmocka_unit_test(html),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(thinning_keeps_extremes),
        cmocka_unit_test(curves_of_counters),
        cmocka_unit_test(ticks_are_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
