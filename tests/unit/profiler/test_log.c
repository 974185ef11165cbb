/* SPDX-License-Identifier: MIT
 * test_log.c - a record written down and read again is the same record; a log that was cut gives what it has; anything
 * else is refused with line and column.
 */
#include "profiler/record/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profiler/record/log_text.h"

/* ------------------------------------------------------------------------------------------------- support -- */

static int file;
static char path[64];

static int open_file(void **state)
{
    (void)state;
    file = memfd_create("log", MFD_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file < 0;
}

static int close_file(void **state)
{
    (void)state;
    return close(file);
}

/* What the file holds, NUL-terminated. */
static char *contents(size_t *n)
{
    const off_t size = lseek(file, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(file, text, (size_t)size, 0), size);
    *n = (size_t)size;
    return text;
}

static void same_double(double a, double b)
{
    if (isnan(a) || isnan(b))
        assert_true(isnan(a) && isnan(b));
    else
        assert_memory_equal(&a, &b, sizeof a);
}

static void same_channel(const eprof__channel *a, const eprof__channel *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->cls, b->cls);
    assert_int_equal(a->scope, b->scope);
    assert_int_equal(a->period_ns, b->period_ns);
    assert_int_equal(a->update_ns, b->update_ns);
    assert_int_equal(a->window_ns, b->window_ns);
    assert_true(a->wrap == b->wrap);
    same_double(a->scale, b->scale);
    same_double(a->least, b->least);
    same_double(a->most, b->most);
    same_double(a->accuracy, b->accuracy);
    same_double(a->offset_w, b->offset_w);
    same_double(a->lsb, b->lsb);
    assert_int_equal(a->is_calibrated, b->is_calibrated);
    assert_int_equal(a->has_own_clock, b->has_own_clock);
}

static void same_regions(const eprof__record *a, const eprof__record *b)
{
    assert_int_equal(a->n_regions, b->n_regions);
    for (int64_t i = 0; i < a->n_regions; i++) {
        const eprof__region_record *x = &a->regions[i], *y = &b->regions[i];
        assert_int_equal(x->id, y->id);
        assert_int_equal(x->parent, y->parent);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->begin_ns, y->begin_ns);
        assert_int_equal(x->end_ns, y->end_ns);
        assert_int_equal(x->thread, y->thread);
        assert_int_equal(x->end_thread, y->end_thread);
        assert_int_equal(x->begin_cpu_ns, y->begin_cpu_ns);
        assert_int_equal(x->end_cpu_ns, y->end_cpu_ns);
        assert_int_equal(x->n_notes, y->n_notes);
        for (int32_t k = 0; k < x->n_notes; k++) {
            assert_string_equal(x->notes[k].key, y->notes[k].key);
            same_double(x->notes[k].value, y->notes[k].value);
        }
    }
}

static void same_record(const eprof__record *a, const eprof__record *b)
{
    const eprof__facts *f = &a->facts, *g = &b->facts;
    assert_string_equal(f->host, g->host);
    assert_string_equal(f->machine, g->machine);
    assert_string_equal(f->kernel, g->kernel);
    assert_string_equal(f->cpu, g->cpu);
    assert_string_equal(f->version, g->version);
    assert_int_equal(f->n_cpus, g->n_cpus);
    same_double(f->ram_total_mib, g->ram_total_mib);
    same_double(f->sample_hz, g->sample_hz);
    assert_int_equal(f->start_ns, g->start_ns);
    assert_int_equal(f->stop_ns, g->stop_ns);
    assert_int_equal(f->pid, g->pid);
    assert_int_equal(a->n_channels, b->n_channels);
    for (int32_t c = 0; c < a->n_channels; c++) {
        same_channel(&a->channels[c], &b->channels[c]);
        assert_int_equal(a->samples[c].n, b->samples[c].n);
        for (int64_t i = 0; i < a->samples[c].n; i++)
            assert_memory_equal(eprof__sample_at(&a->samples[c], i), eprof__sample_at(&b->samples[c], i),
                                sizeof(eprof__sample));
    }
    assert_int_equal(a->n_meters, b->n_meters);
    for (int32_t m = 0; m < a->n_meters; m++) {
        assert_string_equal(a->meters[m].name, b->meters[m].name);
        assert_int_equal(a->meters[m].scope, b->meters[m].scope);
        assert_int_equal(a->meters[m].n_channels, b->meters[m].n_channels);
        assert_memory_equal(a->meters[m].channels, b->meters[m].channels, sizeof a->meters[m].channels);
    }
    same_regions(a, b);
}

/* A record with every kind of oddity in it. */
static eprof__record *make_record(void)
{
    eprof__record *r = NULL;
    assert_int_equal(eprof__record_create(&r, NULL), EPROF_OK);
    r->facts = (eprof__facts){ .host = "a \"host\" \\ with\na line", .machine = "K\xc3\xbc" "che", .kernel = "\x01\x7f",
                               .cpu = "", .version = "0.1.0", .n_cpus = 4, .ram_total_mib = 3.7e9 / 1048576,
                               .sample_hz = 5, .start_ns = 1000, .pid = 4711 };
    for (int i = 0; i < EPROF__N_KINDS; i++) {
        eprof__channel c = { .kind = (eprof__kind)i, .cls = (eprof_class)(i % EPROF_N_CLASSES),
                             .scope = (eprof_scope)(i % EPROF_N_SCOPES), .scale = 1.0 / (3 + i),
                             .period_ns = INT64_C(200000000) * i, .update_ns = i, .window_ns = 7 * i,
                             .wrap = UINT64_MAX - (uint64_t)i, .least = -1e-300,
                             .most = i % 2 ? (double)INFINITY : DBL_MAX, .accuracy = 0.01 * i, .offset_w = -0.0,
                             .lsb = DBL_TRUE_MIN * i, .is_calibrated = i % 3 == 0, .has_own_clock = i % 4 == 0 };
        (void)snprintf(c.name, sizeof c.name, "channel:\"%d\"", i);
        assert_int_equal(eprof__record_add_channel(r, &c, 1000, NULL), i);
    }
    eprof__meter m = { .name = "both", .scope = EPROF_SCOPE_PACKAGE_DRAM, .n_channels = 2, .channels = { 0, 3 } };
    assert_int_equal(eprof__record_add_meter(r, &m, NULL), EPROF_OK);
    return r;
}

static void add_samples(eprof__record *r, int64_t from, int64_t n)
{
    for (int64_t i = from; i < from + n; i++)
        for (int32_t c = 0; c < 3; c++)
            eprof__record_append(r, c, 1000 + 10 * i, 1000 + 10 * i + c,
                                 i % 7 == 0 ? INT64_MIN : i % 7 == 1 ? INT64_MAX : -i,
                                 i % 5 == 0 ? EPROF_FLAG_LATE | EPROF_FLAG_READ_ERROR : 0);
}

static void add_regions(eprof__record *r, int64_t t_ns)
{
    const eprof_region a = eprof__record_begin(r, 0, "out\"er", t_ns, 1, 5);
    const eprof_region b = eprof__record_begin(r, a, "", t_ns + 1, 2, 6);
    eprof__record_annotate(r, b, "to\\kens", 1.0 / 3);
    eprof__record_annotate(r, b, "absent", EPROF_ABSENT);
    eprof__record_annotate(r, b, "much", -(double)INFINITY);
    assert_int_equal(eprof__record_end(r, b, t_ns + 5, 3, 7, NULL), EPROF_OK);
    assert_int_equal(eprof__record_end(r, a, t_ns + 9, 1, 8, NULL), EPROF_OK);
}

/* Written at once; the text, which the caller frees. */
static char *write_down(eprof__record *r, size_t *n)
{
    eprof__log *log = NULL;
    assert_int_equal(eprof__log_create(path, r, &log, NULL), EPROF_OK);
    assert_int_equal(eprof__log_close(&log, r, NULL), EPROF_OK);
    assert_null(log);
    return contents(n);
}

/* ---------------------------------------------------------------------------------------------- round trip -- */

static void hex_floats_come_back(void **state)
{
    (void)state;
    static const struct { double x; const char *text; } known[] = {
        { 0, "0x0p+0" }, { -0.0, "-0x0p+0" }, { 1, "0x1p+0" }, { 0.1, "0x1.999999999999ap-4" }, { -12, "-0x1.8p+3" },
        { DBL_MAX, "0x1.fffffffffffffp+1023" }, { DBL_MIN, "0x1p-1022" }, { DBL_TRUE_MIN, "0x0.0000000000001p-1022" },
    };
    char text[EPROF__HEX_BYTES];
    double back;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        eprof__hex_format(text, known[i].x);
        assert_string_equal(text, known[i].text);
    }
    uint64_t bits = 1;
    for (int i = 0; i < 200000; i++) {
        bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407u;
        double x;
        memcpy(&x, &bits, sizeof x);
        eprof__hex_format(text, x);
        const char *end = eprof__hex_parse(text, text + strlen(text), &back);
        assert_ptr_equal(end, text + strlen(text));
        same_double(x, back);
    }
    static const char *const bad[] = { "", "-", "1", "0x", "0xp+0", "0x1", "0x1p", "0x1p+", "0x1.2.3p+0", "0xgp+0",
                                       "-nan", "0x12345678123456781p+0", "infx+", "0x1P+0" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *end = eprof__hex_parse(bad[i], bad[i] + strlen(bad[i]), &back);
        assert_true(end == NULL || *end != '\0');
    }
}

static void a_record_comes_back(void **state)
{
    (void)state;
    size_t n;
    eprof__record *r = make_record(), *back = NULL;
    add_samples(r, 0, 700); /* more than a batch */
    for (int i = 0; i < 400; i++) add_regions(r, 2000 + 10 * i);
    (void)eprof__record_begin(r, 3, "left open", 7000, 9, 0);
    r->facts.stop_ns = 9000;
    char *text = write_down(r, &n);
    assert_int_equal(strncmp(text, "edgeprof-log 1\nfact host \"a \\\"host\\\" \\\\ with\\x0aa line\"\n", 50), 0);
    assert_non_null(strstr(text, "\nend 9000\n"));
    assert_int_equal(eprof__log_read(path, &back, NULL), EPROF_OK);
    same_record(r, back);
    eprof__record_destroy(&back);
    assert_int_equal(eprof__log_parse(text, n, &back, NULL), EPROF_OK);
    same_record(r, back);
    size_t n_again;
    char *again = write_down(back, &n_again);
    assert_int_equal(n, n_again);
    assert_memory_equal(text, again, n);
    free(text);
    free(again);
    eprof__record_destroy(&back);
    eprof__record_destroy(&r);
}

static void a_growing_record_comes_back(void **state)
{
    (void)state;
    eprof__record *r = make_record(), *back = NULL;
    eprof__log *log = NULL;
    assert_int_equal(eprof__log_create(path, r, &log, NULL), EPROF_OK);
    for (int i = 0; i < 30; i++) {
        add_samples(r, 10 * i, 10);
        const eprof_region a = eprof__record_begin(r, 0, "across writes", 5000 + i, 1, 1);
        eprof__log_write(log, r);
        eprof__record_annotate(r, a, "tokens", i);
        add_regions(r, 5000 + i);
        if (i % 3) assert_int_equal(eprof__record_end(r, a, 6000, 1, 1, NULL), EPROF_OK);
        if (i % 7 == 0) eprof__log_write(log, r);
        eprof__record_annotate(r, a, "late", 100 + i);
    }
    eprof__channel c = { .name = "meter's log", .kind = EPROF__POWER, .scale = 1, .has_own_clock = true };
    const int32_t added = eprof__record_add_channel(r, &c, 4, NULL);
    eprof__record_append(r, added, 5, 5, 5, 0);
    const eprof__meter m = { .name = "late", .n_channels = 1, .channels = { (int16_t)added } };
    assert_int_equal(eprof__record_add_meter(r, &m, NULL), EPROF_OK);
    r->facts.stop_ns = 9000;
    assert_int_equal(eprof__log_close(&log, r, NULL), EPROF_OK);
    assert_int_equal(eprof__log_read(path, &back, NULL), EPROF_OK);
    same_record(r, back);
    eprof__record_destroy(&back);
    eprof__record_destroy(&r);
}

/* What a full ring has dropped is in the log, when it was written in time. */
static void the_log_is_longer_than_the_ring(void **state)
{
    (void)state;
    eprof__record *r = NULL, *back = NULL;
    eprof__log *log = NULL;
    const eprof__channel c = { .name = "c", .scale = 1 };
    assert_int_equal(eprof__record_create(&r, NULL), EPROF_OK);
    (void)eprof__record_add_channel(r, &c, 8, NULL);
    assert_int_equal(eprof__log_create(path, r, &log, NULL), EPROF_OK);
    for (int64_t i = 0; i < 100; i++) {
        eprof__record_append(r, 0, i, i, i, 0);
        if (i % 5 == 0 || i > 80) eprof__log_write(log, r);
    }
    for (int64_t i = 100; i < 120; i++) eprof__record_append(r, 0, i, i, i, 0); /* 12 are gone */
    assert_int_equal(eprof__log_close(&log, r, NULL), EPROF_OK);
    assert_int_equal(eprof__log_read(path, &back, NULL), EPROF_OK);
    assert_int_equal(back->samples[0].n, 108);
    for (int64_t i = 0; i < 108; i++)
        assert_int_equal(eprof__sample_at(&back->samples[0], i)->raw, i < 100 ? i : i + 12);
    eprof__record_destroy(&back);
    eprof__record_destroy(&r);
}

/* --------------------------------------------------------------------------------------------- cut, broken -- */

static void a_cut_log_gives_what_it_has(void **state)
{
    (void)state;
    size_t n;
    eprof__record *r = make_record();
    add_samples(r, 0, 20);
    add_regions(r, 2000);
    r->facts.stop_ns = 9000;
    char *text = write_down(r, &n);
    const size_t head = strlen(EPROF__LOG_HEAD) + 1;
    int64_t n_samples = 0;
    for (size_t cut = 0; cut <= n; cut++) {
        eprof__record *back = NULL;
        char *piece = malloc(cut ? cut : 1); /* of its size: nothing behind may be read */
        assert_non_null(piece);
        memcpy(piece, text, cut);
        const eprof_status status = eprof__log_parse(piece, cut, &back, NULL);
        assert_int_equal(status, cut < head ? EPROF_E_FORMAT : EPROF_OK);
        if (status == EPROF_OK) {
            const int64_t now = back->n_channels ? back->samples[0].n : 0;
            assert_true(now == n_samples || now == n_samples + 1);
            n_samples = now;
            assert_int_equal(back->facts.stop_ns == 9000, cut == n);
        }
        eprof__record_destroy(&back);
        free(piece);
    }
    assert_int_equal(n_samples, 20);
    free(text);
    eprof__record_destroy(&r);
}

static void without_an_end_the_last_time_is_the_end(void **state)
{
    (void)state;
    static const char text[] = "edgeprof-log 1\nfact start_ns 100\n"
                               "channel 0 \"c\" power sample soc 0x1p+0 5 0 0 0 0x0p+0 inf 0x0p+0 0x0p+0 0x0p+0 0\n"
                               "b 1 0 150 1 0 \"a\"\ns 0 300 0 7 0\ns 0 260";
    eprof__record *r = NULL;
    eprof_error err = EPROF_INIT(eprof_error);
    assert_int_equal(eprof__log_parse(text, sizeof text - 1, &r, &err), EPROF_OK);
    assert_int_equal(r->facts.stop_ns, 300);
    assert_int_equal(r->regions[0].end_ns, INT64_MAX);
    assert_int_equal(r->samples[0].n, 1);
    eprof__record_destroy(&r);
}

typedef struct refusal {
    const char *lines, *message;
} refusal;

#define CHANNEL "channel 0 \"c\" power sample soc 0x1p+0 5 0 0 0 0x0p+0 inf 0x0p+0 0x0p+0 0x0p+0 0\n"

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const refusal cases[] = {
        { "hello 1\n", "line 2, column 1: expected fact, channel, meter, s, b, e, n, a or end" },
        { "\n", "line 2, column 1: expected fact, channel, meter, s, b, e, n, a or end" },
        { "fact colour 1\n", "line 2, column 6: expected the name of a fact" },
        { "fact n_cpus 4 \n", "line 2, column 14: expected the end of the line" },
        { "fact n_cpus 4,5\n", "line 2, column 14: expected the end of the line" },
        { "fact host host\n", "line 2, column 11: expected a text in quotes" },
        { "fact host \"a\n", "line 2, column 13: expected the closing quote" },
        { "fact host \"a\\n\"\n", "line 2, column 13: expected a character, or \\\\, \\\" or \\xHH" },
        { "fact host \"\\x00\"\n", "line 2, column 16: expected a character, or \\\\, \\\" or \\xHH" },
        { "fact version \"0123456789abcdef\"\n", "line 2, column 31: expected a shorter text" },
        { "fact sample_hz 5.0\n", "line 2, column 16: expected a finite hexadecimal number" },
        { "fact sample_hz nan\n", "line 2, column 16: expected a finite hexadecimal number" },
        { "fact start_ns 4611686018427387904\n", "line 2, column 15: expected a time in nanoseconds" },
        { "s 0 1 0 1 0\n", "line 2, column 3: expected a channel's number" },
        { "channel 1 \"c\" power\n", "line 2, column 9: expected the next channel's number" },
        { "channel 0 \"c\" powder sample\n", "line 2, column 15: expected a kind of channel" },
        { "channel 0 \"c\" power sample soc inf 5\n", "line 2, column 32: expected a finite scale" },
        { CHANNEL "s 0 5 0 1 0\ns 0 4 0 1 0\n",
          "line 4, column 6: expected a time that is not before the channel's last" },
        { CHANNEL "s 0 5 0 9223372036854775808 0\n", "line 3, column 9: expected a reading" },
        { CHANNEL "s 0 5 0 1 131072\n", "line 3, column 11: expected flags" },
        { CHANNEL "s 0 5 0 1\n", "line 3, column 10: expected a blank" },
        { CHANNEL "meter \"m\" soc 0,1\n", "line 3, column 17: expected a channel's number" },
        { CHANNEL "meter \"m\" soc 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n", "line 3, column 46: expected fewer channels" },
        { "b 2 0 1 1 0 \"a\"\n", "line 2, column 3: expected the next region's number" },
        { "b 1 1 1 1 0 \"a\"\n", "line 2, column 5: expected an earlier region's number" },
        { "e 1 1 1 0\n", "line 2, column 3: expected a region's number" },
        { "b 1 0 9 1 0 \"a\"\ne 1 8 1 0\n", "line 3, column 6: expected an end that is not before the begin" },
        { "b 1 0 9 1 0 \"a\"\ne 1 9 1 0\ne 1 9 1 0\n", "line 4, column 5: expected a region that has not ended" },
        { "end 5\nend 5\n", "line 3, column 1: expected nothing behind the end line" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        eprof_error err = EPROF_INIT(eprof_error);
        eprof__record *r = NULL;
        const int n = snprintf(text, sizeof text, "%s\n%s", EPROF__LOG_HEAD, cases[i].lines);
        assert_int_equal(eprof__log_parse(text, (uint64_t)n, &r, &err), EPROF_E_FORMAT);
        assert_string_equal(err.message, cases[i].message);
        assert_null(r);
    }
}

static void long_lines_and_other_files(void **state)
{
    (void)state;
    eprof_error err = EPROF_INIT(eprof_error);
    eprof__record *r = NULL;
    char *text = malloc(6000);
    assert_non_null(text);
    memset(text, 'x', 6000);
    memcpy(text, "edgeprof-log 1\n", 15);
    text[5999] = '\n';
    assert_int_equal(eprof__log_parse(text, 6000, &r, &err), EPROF_E_FORMAT);
    assert_string_equal(err.message, "line 2, column 1: expected a line of at most 4096 bytes");
    free(text);
    err = (eprof_error)EPROF_INIT(eprof_error);
    assert_int_equal(eprof__log_parse("GGUF\n", 5, &r, &err), EPROF_E_FORMAT);
    assert_string_equal(err.message, "line 1, column 1: expected \"edgeprof-log 1\"");
    err = (eprof_error)EPROF_INIT(eprof_error);
    assert_int_equal(eprof__log_read("/proc/self/no such log", &r, &err), EPROF_E_IO);
    assert_non_null(strstr(err.message, "cannot open the log: "));
    assert_non_null(strstr(err.message, "(errno 2)"));
    assert_string_equal(err.where, "/proc/self/no such log");
    assert_string_equal(err.hint, "check the path");
}

static void a_full_disk_is_an_error_of_close(void **state)
{
    (void)state;
    eprof_error err = EPROF_INIT(eprof_error);
    eprof__log *log = NULL;
    eprof__record *r = make_record();
    assert_int_equal(eprof__log_create("/dev/full", r, &log, &err), EPROF_OK);
    add_samples(r, 0, 100);
    eprof__log_write(log, r);
    assert_int_equal(eprof__log_close(&log, r, &err), EPROF_E_IO);
    assert_non_null(strstr(err.message, "cannot write the log"));
    assert_string_equal(err.where, "/dev/full");
    assert_string_equal(err.hint, "make room, or choose another disk");
    assert_null(log);
    err = (eprof_error)EPROF_INIT(eprof_error);
    assert_int_equal(eprof__log_create("/proc/self/nowhere/log", r, &log, &err), EPROF_E_IO);
    assert_null(log);
    eprof__record_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_floats_come_back),
        cmocka_unit_test_setup_teardown(a_record_comes_back, open_file, close_file),
        cmocka_unit_test_setup_teardown(a_growing_record_comes_back, open_file, close_file),
        cmocka_unit_test_setup_teardown(the_log_is_longer_than_the_ring, open_file, close_file),
        cmocka_unit_test_setup_teardown(a_cut_log_gives_what_it_has, open_file, close_file),
        cmocka_unit_test(without_an_end_the_last_time_is_the_end),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(long_lines_and_other_files),
        cmocka_unit_test(a_full_disk_is_an_error_of_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
