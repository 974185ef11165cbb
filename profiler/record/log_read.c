/* SPDX-License-Identifier: MIT
 * log_read.c - lines of text as a record: each is whole and in range, or the log is refused with line and column.
 *
 * A record that comes out of here is one that the profiler could have written: channels and regions are numbered
 * without holes, parents come before children, the times of a channel never fall, every number is one that sums and
 * differences can bear. Nothing is allocated by what a line claims: memory grows with the lines that are there.
 */
#include "profiler/record/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/record/log_text.h"
#include "profiler/run/profiler.h"

enum { FIRST_SAMPLES = 64, FIRST_BYTES = 1 << 16 };
#define MOST_BYTES (UINT64_C(1) << 38)

/* A line and how far it has been read. */
typedef struct reader {
    const char *line, *p, *end;
    int64_t number;
    eprof__record *r;
    int64_t n_samples, last_ns;
    bool ended;
    eprof_error *err;
} reader;

/* ------------------------------------------------------------------------------------------------- fields -- */

static bool expected(reader *in, const char *what)
{
    (void)eprof__fail(in->err, EPROF_E_FORMAT, "log", "the log was changed or damaged; what stands before can be read",
                      "line %lld, column %lld: expected %s", (long long)in->number, (long long)(in->p - in->line) + 1,
                      what);
    return false;
}

static bool space(reader *in)
{
    if (in->p == in->end || *in->p != ' ') return expected(in, "a blank");
    in->p++;
    return true;
}

static bool at_end(reader *in)
{
    return in->p == in->end ? true : expected(in, "the end of the line");
}

/* Decimal digits behind an optional minus: what stands there, in [least, most]. */
static bool integer(reader *in, int64_t least, int64_t most, const char *what, int64_t *out)
{
    const char *p = in->p;
    const bool negative = p < in->end && *p == '-';
    uint64_t value = 0;
    const uint64_t limit = (uint64_t)INT64_MAX + negative;
    int n = 0;
    for (p += negative; p < in->end && *p >= '0' && *p <= '9'; p++, n++) {
        const uint64_t digit = (uint64_t)(*p - '0');
        if (value > (limit - digit) / 10) return expected(in, what);
        value = value * 10 + digit;
    }
    const int64_t x = negative ? (int64_t)(0 - value) : (int64_t)value;
    if (n == 0 || x < least || x > most) return expected(in, what);
    in->p = p;
    *out = x;
    return true;
}

static bool unsigned_integer(reader *in, const char *what, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = in->p;
    for (; p < in->end && *p >= '0' && *p <= '9'; p++) {
        const uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10) return expected(in, what);
        value = value * 10 + digit;
    }
    if (p == in->p) return expected(in, what);
    in->p = p;
    *out = value;
    return true;
}

static bool time_ns(reader *in, int64_t *out)
{
    if (!integer(in, 0, EPROF__LOG_LAST_NS - 1, "a time in nanoseconds", out)) return false;
    if (*out > in->last_ns) in->last_ns = *out;
    return true;
}

static bool number(reader *in, bool finite, const char *what, double *out)
{
    double x;
    const char *p = eprof__hex_parse(in->p, in->end, &x);
    if (!p || (finite && !isfinite(x))) return expected(in, what);
    in->p = p;
    *out = x;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a text in quotes, behind its backslash if there is one; 0: none. */
static unsigned char character(reader *in)
{
    if (in->end - in->p < 1 || (unsigned char)*in->p < ' ') return 0;
    if (*in->p != '\\') return (unsigned char)*in->p++;
    if (in->end - in->p < 2) return 0;
    if (in->p[1] == '"' || in->p[1] == '\\') {
        in->p += 2;
        return (unsigned char)in->p[-1];
    }
    if (in->p[1] != 'x' || in->end - in->p < 4) return 0;
    const int high = hex_digit(in->p[2]), low = hex_digit(in->p[3]);
    if (high < 0 || low < 0) return 0;
    in->p += 4;
    return (unsigned char)(high << 4 | low);
}

/* "TEXT" that fits into `size` bytes with its NUL. */
static bool text(reader *in, char *out, size_t size)
{
    size_t n = 0;
    if (in->p == in->end || *in->p != '"') return expected(in, "a text in quotes");
    in->p++;
    while (in->p < in->end && *in->p != '"') {
        const unsigned char c = character(in);
        if (c == 0) return expected(in, "a character, or \\\\, \\\" or \\xHH");
        if (n == size - 1) return expected(in, "a shorter text");
        out[n++] = (char)c;
    }
    if (in->p == in->end) return expected(in, "the closing quote");
    in->p++;
    out[n] = '\0';
    return true;
}

typedef const char *(*name_fn)(int32_t i);

/* One of n words; its number. */
static bool one_of(reader *in, name_fn name, int32_t n, const char *what, int32_t *out)
{
    size_t length = 0;
    while (in->p + length < in->end && in->p[length] != ' ') length++;
    for (int32_t i = 0; i < n; i++) {
        if (strlen(name(i)) != length || memcmp(name(i), in->p, length) != 0) continue;
        in->p += length;
        *out = i;
        return true;
    }
    return expected(in, what);
}

/* Whether the line goes on with this word and a blank. */
static bool begins(reader *in, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(in->end - in->p) <= n || memcmp(in->p, word, n) != 0 || in->p[n] != ' ') return false;
    in->p += n + 1;
    return true;
}

/* -------------------------------------------------------------------------------------------------- lines -- */

static bool read_fact(reader *in)
{
    eprof__facts *f = &in->r->facts;
    int64_t n = 0;
    if (begins(in, "host")) return text(in, f->host, sizeof f->host);
    if (begins(in, "machine")) return text(in, f->machine, sizeof f->machine);
    if (begins(in, "kernel")) return text(in, f->kernel, sizeof f->kernel);
    if (begins(in, "cpu")) return text(in, f->cpu, sizeof f->cpu);
    if (begins(in, "version")) return text(in, f->version, sizeof f->version);
    if (begins(in, "ram_total_mib")) return number(in, false, "a hexadecimal number", &f->ram_total_mib);
    if (begins(in, "sample_hz")) return number(in, true, "a finite hexadecimal number", &f->sample_hz);
    if (begins(in, "start_ns")) return time_ns(in, &f->start_ns);
    if (begins(in, "pid")) return integer(in, 0, INT64_MAX, "a process number", &f->pid);
    if (!begins(in, "n_cpus")) return expected(in, "the name of a fact");
    if (!integer(in, 0, 1 << 20, "a number of CPUs", &n)) return false;
    f->n_cpus = (int32_t)n;
    return true;
}

static bool read_channel_times(reader *in, eprof__channel *c)
{
    const int64_t most = EPROF__LOG_LAST_NS - 1;
    return integer(in, 0, most, "a period in ns", &c->period_ns) && space(in) &&
           integer(in, 0, most, "an update time in ns", &c->update_ns) && space(in) &&
           integer(in, 0, most, "a window in ns", &c->window_ns) && space(in) &&
           unsigned_integer(in, "a wrap", &c->wrap) && space(in);
}

static bool read_channel_limits(reader *in, eprof__channel *c, int64_t *flags)
{
    const char *what = "a finite hexadecimal number";
    return number(in, false, "the least value", &c->least) && space(in) &&
           number(in, false, "the most", &c->most) && space(in) && number(in, true, what, &c->accuracy) && space(in) &&
           number(in, true, what, &c->offset_w) && space(in) && number(in, true, what, &c->lsb) && space(in) &&
           integer(in, 0, EPROF__LOG_CALIBRATED | EPROF__LOG_OWN_CLOCK, "flags", flags);
}

static bool read_channel(reader *in)
{
    eprof__channel c = { 0 };
    int64_t i, flags;
    int32_t kind, cls, scope;
    if (!integer(in, in->r->n_channels, in->r->n_channels, "the next channel's number", &i) || !space(in) ||
        !text(in, c.name, sizeof c.name) || !space(in) ||
        !one_of(in, eprof__kind_name, EPROF__N_KINDS, "a kind of channel", &kind) || !space(in) ||
        !one_of(in, eprof_class_name, EPROF_N_CLASSES, "a class", &cls) || !space(in) ||
        !one_of(in, eprof_scope_name, EPROF_N_SCOPES, "a scope", &scope) || !space(in) ||
        !number(in, true, "a finite scale", &c.scale) || !space(in) || !read_channel_times(in, &c) ||
        !read_channel_limits(in, &c, &flags))
        return false;
    c.kind = (eprof__kind)kind;
    c.cls = (eprof_class)cls;
    c.scope = (eprof_scope)scope;
    c.is_calibrated = (flags & EPROF__LOG_CALIBRATED) != 0;
    c.has_own_clock = (flags & EPROF__LOG_OWN_CLOCK) != 0;
    return eprof__record_add_channel(in->r, &c, FIRST_SAMPLES, in->err) >= 0;
}

static bool read_alignment(reader *in)
{
    int64_t i;
    double sigma_s, quality;
    if (!integer(in, 0, in->r->n_channels - 1, "a channel's number", &i) || !space(in) ||
        !number(in, true, "a finite uncertainty", &sigma_s) || !space(in) ||
        !number(in, true, "a finite quality", &quality))
        return false;
    in->r->channels[i].align_sigma_s = sigma_s;
    in->r->channels[i].align_quality = quality;
    return true;
}

static bool read_meter(reader *in)
{
    eprof__meter m = { 0 };
    int32_t scope;
    if (!text(in, m.name, sizeof m.name) || !space(in) ||
        !one_of(in, eprof_scope_name, EPROF_N_SCOPES, "a scope", &scope) || !space(in))
        return false;
    m.scope = (eprof_scope)scope;
    for (;;) {
        int64_t channel;
        if (!integer(in, 0, in->r->n_channels - 1, "a channel's number", &channel)) return false;
        m.channels[m.n_channels++] = (int16_t)channel;
        if (in->p == in->end || *in->p != ',') break;
        if (m.n_channels == (int32_t)(sizeof m.channels / sizeof m.channels[0])) return expected(in, "fewer channels");
        in->p++;
    }
    return eprof__record_add_meter(in->r, &m, in->err) == EPROF_OK;
}

/* Room for one more: the ring is a plain array here, and doubles. */
static bool grow(reader *in, eprof__samples *s)
{
    if (s->n < s->capacity) return true;
    eprof__sample *ring = realloc(s->ring, (size_t)s->capacity * 2 * sizeof *ring);
    if (!ring) {
        (void)eprof__fail(in->err, EPROF_E_NOMEM, "log", "", "no memory for %lld samples", (long long)s->capacity * 2);
        return false;
    }
    s->ring = ring;
    s->capacity *= 2;
    return true;
}

static bool read_sample(reader *in)
{
    eprof__sample x = { 0 };
    int64_t channel, half, flags;
    if (!integer(in, 0, in->r->n_channels - 1, "a channel's number", &channel) || !space(in) || !time_ns(in, &x.t_ns))
        return false;
    eprof__samples *s = &in->r->samples[channel];
    if (s->n > 0 && s->ring[s->n - 1].t_ns > x.t_ns)
        return expected(in, "a time that is not before the channel's last");
    if (!space(in) || !integer(in, 0, INT32_MAX, "half the reading's time", &half) || !space(in) ||
        !integer(in, INT64_MIN, INT64_MAX, "a reading", &x.raw) || !space(in) ||
        !integer(in, 0, (INT64_C(1) << EPROF_N_FLAGS) - 1, "flags", &flags))
        return false;
    if (in->n_samples++ == EPROF__MOST_SAMPLES) return expected(in, "at most 2^31 samples");
    if (!grow(in, s)) return false;
    x.half_ns = (int32_t)half;
    x.flags = (uint32_t)flags;
    s->ring[s->n++] = x;
    s->n_ever++;
    return true;
}

static bool read_begin(reader *in)
{
    int64_t id, parent, t_ns, thread, cpu_ns;
    char name[sizeof in->r->regions->name];
    const int64_t next = in->r->n_regions + 1;
    if (!integer(in, next, next, "the next region's number", &id) || !space(in) ||
        !integer(in, 0, next - 1, "an earlier region's number", &parent) || !space(in) || !time_ns(in, &t_ns) ||
        !space(in) || !integer(in, 0, INT64_MAX, "a thread's number", &thread) || !space(in) ||
        !integer(in, 0, EPROF__LOG_LAST_NS - 1, "CPU time in ns", &cpu_ns) || !space(in) ||
        !text(in, name, sizeof name))
        return false;
    if (next > EPROF__MAX_REGION_RECORDS) return expected(in, "at most 2^24 regions");
    if (eprof__record_begin(in->r, (eprof_region)parent, name, t_ns, thread, cpu_ns) != 0) return true;
    (void)eprof__fail(in->err, EPROF_E_NOMEM, "log", "", "no memory for region %lld", (long long)id);
    return false;
}

static eprof__region_record *region_at(reader *in)
{
    int64_t id;
    if (!integer(in, 1, in->r->n_regions, "a region's number", &id) || !space(in)) return NULL;
    return &in->r->regions[id - 1];
}

static bool read_end(reader *in)
{
    int64_t t_ns, thread, cpu_ns;
    eprof__region_record *g = region_at(in);
    if (!g) return false;
    if (g->end_ns != INT64_MAX) return expected(in, "a region that has not ended");
    if (!time_ns(in, &t_ns)) return false;
    if (t_ns < g->begin_ns) return expected(in, "an end that is not before the begin");
    if (!space(in) || !integer(in, 0, INT64_MAX, "a thread's number", &thread) || !space(in) ||
        !integer(in, -1, EPROF__LOG_LAST_NS - 1, "CPU time in ns, or -1", &cpu_ns))
        return false;
    g->end_ns = t_ns;
    g->end_thread = thread;
    g->end_cpu_ns = cpu_ns;
    return true;
}

static bool read_note(reader *in)
{
    double value;
    char key[sizeof((eprof_note *)0)->key];
    const eprof__region_record *g = region_at(in);
    if (!g || !number(in, false, "a hexadecimal number", &value) || !space(in) || !text(in, key, sizeof key))
        return false;
    eprof__record_annotate(in->r, g->id, key, value);
    return true;
}

static bool read_stop(reader *in)
{
    if (!time_ns(in, &in->r->facts.stop_ns)) return false;
    in->ended = true;
    return true;
}

static bool read_line(reader *in)
{
    static const struct {
        const char *word;
        bool (*read)(reader *in);
    } lines[] = {
        { "s", read_sample }, { "b", read_begin },        { "e", read_end },     { "n", read_note },
        { "fact", read_fact }, { "channel", read_channel }, { "meter", read_meter }, { "end", read_stop },
        { "a", read_alignment },
    };
    if (in->end - in->p > EPROF__LOG_LINE) return expected(in, "a line of at most 4096 bytes");
    if (in->ended) return expected(in, "nothing behind the end line");
    if (in->number == 1) {
        const size_t n = strlen(EPROF__LOG_HEAD);
        if ((size_t)(in->end - in->p) == n && memcmp(in->p, EPROF__LOG_HEAD, n) == 0) return true;
        return expected(in, "\"" EPROF__LOG_HEAD "\"");
    }
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (begins(in, lines[i].word)) return lines[i].read(in) && at_end(in);
    return expected(in, "fact, channel, meter, s, b, e, n, a or end");
}

/* ------------------------------------------------------------------------------------------------ the log -- */

/* Every whole line; what is behind the last line end was cut off while it was written. */
static bool read_lines(reader *in, const char *bytes, uint64_t n_bytes)
{
    const char *end = bytes + n_bytes;
    while (bytes < end) {
        const char *line_end = memchr(bytes, '\n', (size_t)(end - bytes));
        if (!line_end) break;
        in->line = in->p = bytes;
        in->end = line_end;
        in->number++;
        if (!read_line(in)) return false;
        bytes = line_end + 1;
    }
    in->line = in->p = bytes;
    in->number++;
    return in->number > 1 || expected(in, "\"" EPROF__LOG_HEAD "\"");
}

eprof_status eprof__log_parse(const char *bytes, uint64_t n_bytes, eprof__record **out, eprof_error *err)
{
    *out = NULL;
    eprof_error mine = EPROF_INIT(eprof_error);
    reader in = { .err = &mine };
    EPROF__TRY(eprof__record_create(&in.r, err));
    if (!read_lines(&in, bytes, n_bytes)) {
        eprof__record_destroy(&in.r);
        return eprof__fail(err, mine.code, mine.where, mine.hint, "%s", mine.message);
    }
    if (!in.ended) in.r->facts.stop_ns = in.last_ns;
    *out = in.r;
    return EPROF_OK;
}

static eprof_status read_file(int fd, const char *path, char **out, uint64_t *n_bytes, eprof_error *err)
{
    uint64_t capacity = 0, used = 0;
    char *bytes = NULL;
    for (;;) {
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : FIRST_BYTES;
            char *larger = capacity <= MOST_BYTES ? realloc(bytes, (size_t)capacity) : NULL;
            if (!larger) {
                free(bytes);
                return eprof__fail(err, EPROF_E_NOMEM, path, "", "no memory for a log of more than %llu bytes",
                                   (unsigned long long)used);
            }
            bytes = larger;
        }
        const ssize_t n = read(fd, bytes + used, (size_t)(capacity - used));
        if (n == 0) break;
        if (n > 0) used += (uint64_t)n;
        if (n < 0 && errno != EINTR) {
            const int failure = errno;
            free(bytes);
            return eprof__fail_system(err, path, "read the log", failure);
        }
    }
    *out = bytes;
    *n_bytes = used;
    return EPROF_OK;
}

eprof_status eprof__log_read(const char *path, eprof__record **out, eprof_error *err)
{
    *out = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return eprof__fail_system(err, path, "open the log", errno);
    char *bytes = NULL;
    uint64_t n_bytes = 0;
    eprof_status status = read_file(fd, path, &bytes, &n_bytes, err);
    (void)close(fd);
    if (status == EPROF_OK) status = eprof__log_parse(bytes, n_bytes, out, err);
    free(bytes);
    return status;
}
