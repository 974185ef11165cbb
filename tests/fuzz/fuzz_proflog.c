/* SPDX-License-Identifier: MIT
 * fuzz_proflog.c - a profiler's log, from any bytes.
 *
 * Promised: refused with a line and a column; or a record that keeps its invariants, which writes itself down as a log
 * that reads back as the same, and whose every region has a result.
 */
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "profiler/method/analyse.h"
#include "profiler/record/log.h"
#include "profiler/record/log_text.h"

const char fuzz_name[] = "proflog";

enum { MOST_ANALYSED = 16 };

static const char whole_log[] =
    "edgeprof-log 1\n"
    "fact host \"h\\\"os\\\\t\\x09\"\nfact n_cpus 4\nfact ram_total_mib 0x1.fp+12\nfact sample_hz 0x1.4p+2\n"
    "fact start_ns 1000000000\nfact pid 42\n"
    "channel 0 \"rapl\" energy counter package 0x1p-14 200000000 1000000 0 4294967296 0x0p+0 0x1p+10 0x1p-6 0x0p+0 "
    "0x1p-14 0\n"
    "channel 1 \"own\" cpu_own counter process 0x1.12e0be826d695p-30 200000000 0 0 0 0x0p+0 inf 0x0p+0 0x0p+0 "
    "0x0p+0 0\n"
    "channel 2 \"busy\" cpu_busy counter other 0x1.47ae147ae147bp-7 200000000 0 0 0 0x0p+0 inf 0x0p+0 0x0p+0 0x0p+0 0\n"
    "channel 3 \"total\" cpu_total counter other 0x1.47ae147ae147bp-7 200000000 0 0 0 0x0p+0 inf 0x0p+0 0x0p+0 "
    "0x0p+0 0\n"
    "channel 4 \"ram\" ram_system sample other 0x1p-10 200000000 0 0 0 0x0p+0 inf 0x0p+0 0x0p+0 0x0p+0 0\n"
    "channel 5 \"plug\" power window wall_ac 0x1p-3 1000000000 0 1000000000 0 0x0p+0 0x1p+12 0x1p-6 0x1p-2 0x1p-3 3\n"
    "meter \"rapl\" package 0\nmeter \"plug\" wall_ac 5\n";

static void put_samples(char *text, size_t size, int n)
{
    static const int64_t step[] = { 65536, 100000000, 40, 80, 12, -1 };
    size_t at = strlen(text);
    for (int i = 0; i < n && at < size - 512; i++)
        for (int c = 0; c < 6; c++)
            at += (size_t)snprintf(text + at, size - at, "s %d %lld %d %lld %d\n", c, 1000000000 + 200000000LL * i,
                                   1000 + c, (long long)(50 + step[c] * i), i == 7 ? EPROF_FLAG_LATE : 0);
}

/* ------------------------------------------------------------------------------------------------- one run -- */

static void check_record(const eprof__record *r)
{
    assert_true(r->facts.stop_ns >= 0 && r->facts.stop_ns < EPROF__LOG_LAST_NS);
    assert_true(r->n_channels >= 0 && r->n_channels <= EPROF__MAX_CHANNELS);
    for (int32_t c = 0; c < r->n_channels; c++) {
        const eprof__samples *s = &r->samples[c];
        assert_true(s->n >= 0 && s->n <= s->capacity && s->n == s->n_ever && s->first == 0);
        for (int64_t i = 1; i < s->n; i++) assert_true(s->ring[i - 1].t_ns <= s->ring[i].t_ns);
    }
    for (int32_t m = 0; m < r->n_meters; m++)
        for (int32_t i = 0; i < r->meters[m].n_channels; i++)
            assert_true(r->meters[m].channels[i] >= 0 && r->meters[m].channels[i] < r->n_channels);
    for (int64_t i = 0; i < r->n_regions; i++) {
        const eprof__region_record *g = &r->regions[i];
        assert_true(g->id == (uint64_t)i + 1 && g->parent < g->id && g->end_ns >= g->begin_ns);
        assert_true(g->n_notes >= 0 && g->n_notes <= EPROF_MAX_NOTES && memchr(g->name, 0, sizeof g->name));
    }
}

/* Written down; the bytes, which the caller frees. */
static char *write_down(eprof__record *r, size_t *n_bytes)
{
    char path[64];
    eprof__log *log = NULL;
    const int fd = memfd_create("proflog", MFD_CLOEXEC);
    assert_true(fd >= 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(eprof__log_create(path, r, &log, NULL), EPROF_OK);
    assert_int_equal(eprof__log_close(&log, r, NULL), EPROF_OK);
    *n_bytes = (size_t)lseek(fd, 0, SEEK_END);
    char *text = malloc(*n_bytes);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, *n_bytes, 0), *n_bytes);
    assert_int_equal(close(fd), 0);
    return text;
}

static void check_round_trip(eprof__record *r)
{
    size_t n_once, n_twice;
    eprof__record *back = NULL;
    char *once = write_down(r, &n_once);
    assert_int_equal(eprof__log_parse(once, n_once, &back, NULL), EPROF_OK);
    char *twice = write_down(back, &n_twice);
    assert_int_equal(n_once, n_twice);
    assert_memory_equal(once, twice, n_once);
    eprof__record_destroy(&back);
    free(once);
    free(twice);
}

static void check_results(const eprof__record *r)
{
    eprof_result result = EPROF_INIT(eprof_result);
    eprof_audit audit = EPROF_INIT(eprof_audit);
    eprof__analyse_run(r, &result);
    (void)eprof__audit(r, &audit, NULL);
    for (int64_t i = 0; i < r->n_regions && i < MOST_ANALYSED; i++) {
        const eprof__region_record *g = &r->regions[i];
        result = (eprof_result)EPROF_INIT(eprof_result);
        eprof__analyse_region(r, g, g->end_ns < r->facts.stop_ns ? g->end_ns : r->facts.stop_ns, &result);
        assert_true(result.n_energies >= 0 && result.n_energies <= EPROF_MAX_ENERGIES);
        assert_true(result.n_notes >= 0 && result.n_notes <= EPROF_MAX_NOTES);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    eprof_error err = EPROF_INIT(eprof_error);
    eprof__record *r = NULL;
    const eprof_status status = eprof__log_parse((const char *)data, n_bytes, &r, &err);
    if (status == EPROF_OK) {
        check_record(r);
        check_round_trip(r);
        check_results(r);
    } else {
        assert_null(r);
        assert_int_equal(err.code, status);
        assert_true(status == EPROF_E_FORMAT || status == EPROF_E_LIMIT);
        if (status == EPROF_E_FORMAT) assert_non_null(strstr(err.message, "column"));
    }
    eprof__record_destroy(&r);
    return 0;
}

/* ------------------------------------------------------------------------------------- changing, and seeds -- */

/* A number becomes another one, a line goes, or comes twice: the log stays one that is mostly read. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    static const char *const odd[] = { "0", "1", "-1", "4611686018427387903", "9223372036854775807",
                                       "-9223372036854775808", "18446744073709551615", "nan", "inf", "-0x1p+1023",
                                       "0x0.1p-1022", "2147483647" };
    if (n_bytes < 32 || seed % 4 == 0) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    size_t at = (seed / 4 * 2654435761u) % n_bytes;
    const uint8_t *line = memchr(data + at, '\n', n_bytes - at);
    if (!line) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    at = (size_t)(line - data) + 1;
    const uint8_t *next = at < n_bytes ? memchr(data + at, '\n', n_bytes - at) : NULL;
    const size_t n = next ? (size_t)(next - data) + 1 - at : n_bytes - at;
    if (n > 0 && seed % 4 == 1 && n_bytes + n <= max_bytes) { /* twice */
        memmove(data + at + n, data + at, n_bytes - at);
        return n_bytes + n;
    }
    if (seed % 4 == 2) { /* gone */
        memmove(data + at, data + at + n, n_bytes - at - n);
        return n_bytes - n;
    }
    const char *number = odd[seed / 64 % TEST_COUNT(odd)]; /* the field behind one of the line's blanks */
    size_t field = at;
    for (unsigned int skip = seed / 16 % 16; field < at + n; field++)
        if (data[field] == ' ' && skip-- == 0) break;
    size_t end = field < at + n ? field + 1 : field;
    while (end < at + n && data[end] != ' ' && data[end] != '\n') end++;
    const size_t old = field < end ? end - field - 1 : 0, new = strlen(number);
    if (old == 0 || n_bytes - old + new > max_bytes) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    memmove(data + field + 1 + new, data + end, n_bytes - end);
    memcpy(data + field + 1, number, new);
    return n_bytes - old + new;
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    char text[16384];
    put(user, "head", EPROF__LOG_HEAD "\n", sizeof EPROF__LOG_HEAD);
    put(user, "facts", whole_log, sizeof whole_log - 1);
    (void)snprintf(text, sizeof text, "%s", whole_log);
    put_samples(text, sizeof text, 40);
    put(user, "cut", text, strlen(text) - 5);
    const size_t at = strlen(text);
    (void)snprintf(text + at, sizeof text - at,
                   "b 1 0 2000000000 1 100 \"prompt\"\nb 2 1 3000000000 2 0 \"prefill\"\nn 1 0x1p+3 \"tokens\"\n"
                   "e 2 4000000000 2 900000000\ne 1 7000000000 3 -1\nb 3 0 7500000000 1 5 \"open\"\nend 9000000000\n");
    put(user, "whole", text, strlen(text));
}
