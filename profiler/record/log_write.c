/* SPDX-License-Identifier: MIT
 * log_write.c - a growing record, written down line by line.
 *
 * One thread writes at a time. It takes the record's lock to copy a batch of samples or regions, and formats and writes
 * without it, so that a slow disk delays nobody. The first failure is kept, and given when the log is closed.
 *
 * Invariant: what has been counted as written is in the buffer or in the file, in the order of each channel. It holds
 * because samples come in order of time (run/sample_loop.c).
 */
#include "profiler/record/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/record/log_text.h"
#include "profiler/run/profiler.h"

enum { BUFFER_BYTES = 1 << 16, BATCH = 256, TEXT_BYTES = 512 };

struct eprof__log {
    int fd;
    int failure;               /* the first errno; 0: none */
    char path[64];             /* its end, for messages */
    int32_t n_channels, n_meters; /* written */
    int64_t n_samples[EPROF__MAX_CHANNELS]; /* of those that ever were */
    int64_t n_regions;
    eprof_region *open;        /* whose begin is written and whose end is not */
    int64_t n_open, open_capacity;
    size_t used;
    char buffer[BUFFER_BYTES];
};

/* ------------------------------------------------------------------------------------------------- lines -- */

static void flush(eprof__log *log)
{
    for (size_t at = 0; at < log->used && log->failure == 0;) {
        const ssize_t n = write(log->fd, log->buffer + at, log->used - at);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EINTR)
            log->failure = errno;
    }
    log->used = 0;
}

static void put(eprof__log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(eprof__log *log, const char *format, ...)
{
    if (BUFFER_BYTES - log->used < EPROF__LOG_LINE) flush(log);
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(log->buffer + log->used, BUFFER_BYTES - log->used, format, args);
    va_end(args);
    if (n > 0) log->used += (size_t)n;
}

/* In double quotes; what could end the quotes or the line is escaped. */
static const char *quoted(char out[TEXT_BYTES], const char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    out[n++] = '"';
    for (const unsigned char *p = (const unsigned char *)text; *p && n < TEXT_BYTES - 6; p++) {
        if (*p == '"' || *p == '\\') {
            out[n++] = '\\';
            out[n++] = (char)*p;
        } else if (*p < ' ' || *p == 127) {
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = digits[*p >> 4];
            out[n++] = digits[*p & 15];
        } else {
            out[n++] = (char)*p;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

typedef struct hex {
    char text[EPROF__HEX_BYTES];
} hex;

static const char *hexed(hex *h, double x)
{
    eprof__hex_format(h->text, x);
    return h->text;
}

/* --------------------------------------------------------------------------------------------- the parts -- */

static void put_facts(eprof__log *log, const eprof__facts *f)
{
    char text[TEXT_BYTES];
    hex h;
    put(log, "fact host %s\n", quoted(text, f->host));
    put(log, "fact machine %s\n", quoted(text, f->machine));
    put(log, "fact kernel %s\n", quoted(text, f->kernel));
    put(log, "fact cpu %s\n", quoted(text, f->cpu));
    put(log, "fact version %s\n", quoted(text, f->version));
    put(log, "fact n_cpus %d\n", (int)f->n_cpus);
    put(log, "fact ram_total_mib %s\n", hexed(&h, f->ram_total_mib));
    put(log, "fact sample_hz %s\n", hexed(&h, f->sample_hz));
    put(log, "fact start_ns %lld\n", (long long)f->start_ns);
    put(log, "fact pid %lld\n", (long long)f->pid);
}

static void put_channel(eprof__log *log, int32_t i, const eprof__channel *c)
{
    char text[TEXT_BYTES];
    hex scale, least, most, accuracy, offset, lsb;
    const int flags = (c->is_calibrated ? EPROF__LOG_CALIBRATED : 0) | (c->has_own_clock ? EPROF__LOG_OWN_CLOCK : 0);
    put(log, "channel %d %s %s %s %s %s %lld %lld %lld %llu %s %s %s %s %s %d\n", (int)i, quoted(text, c->name),
        eprof__kind_name((int32_t)c->kind), eprof_class_name((int32_t)c->cls), eprof_scope_name((int32_t)c->scope),
        hexed(&scale, c->scale), (long long)c->period_ns, (long long)c->update_ns, (long long)c->window_ns,
        (unsigned long long)c->wrap, hexed(&least, c->least), hexed(&most, c->most), hexed(&accuracy, c->accuracy),
        hexed(&offset, c->offset_w), hexed(&lsb, c->lsb), flags);
}

/* Known when the run is over. */
static void put_alignments(eprof__log *log, const eprof__record *r)
{
    hex sigma, quality;
    for (int32_t i = 0; i < r->n_channels; i++)
        if (r->channels[i].align_sigma_s > 0)
            put(log, "a %d %s %s\n", (int)i, hexed(&sigma, r->channels[i].align_sigma_s),
                hexed(&quality, r->channels[i].align_quality));
}

static void put_meter(eprof__log *log, const eprof__meter *m)
{
    char text[TEXT_BYTES];
    put(log, "meter %s %s ", quoted(text, m->name), eprof_scope_name((int32_t)m->scope));
    for (int32_t i = 0; i < m->n_channels; i++) put(log, "%s%d", i ? "," : "", m->channels[i]);
    put(log, "\n");
}

static void put_notes(eprof__log *log, const eprof__region_record *g)
{
    char text[TEXT_BYTES];
    hex h;
    for (int32_t i = 0; i < g->n_notes; i++)
        put(log, "n %llu %s %s\n", (unsigned long long)g->id, hexed(&h, g->notes[i].value),
            quoted(text, g->notes[i].key));
}

/* Channels and meters are added before the threads run, and when they have ended. */
static void put_new_channels(eprof__log *log, const eprof__record *r)
{
    for (; log->n_channels < r->n_channels; log->n_channels++)
        put_channel(log, log->n_channels, &r->channels[log->n_channels]);
    for (; log->n_meters < r->n_meters; log->n_meters++) put_meter(log, &r->meters[log->n_meters]);
}

/* The next samples of a channel, copied under the lock; those that the ring has dropped are gone. */
static int copy_samples(eprof__log *log, eprof__record *r, int32_t channel, eprof__sample out[BATCH])
{
    int n = 0;
    (void)pthread_mutex_lock(&r->lock);
    const eprof__samples *s = &r->samples[channel];
    const int64_t n_gone = s->n_ever - s->n;
    if (log->n_samples[channel] < n_gone) log->n_samples[channel] = n_gone;
    for (; n < BATCH && log->n_samples[channel] < s->n_ever; n++, log->n_samples[channel]++)
        out[n] = *eprof__sample_at(s, log->n_samples[channel] - n_gone);
    (void)pthread_mutex_unlock(&r->lock);
    return n;
}

static void put_samples(eprof__log *log, eprof__record *r)
{
    eprof__sample batch[BATCH];
    for (int32_t c = 0; c < log->n_channels; c++) {
        int n;
        do {
            n = copy_samples(log, r, c, batch);
            for (int i = 0; i < n; i++)
                put(log, "s %d %lld %d %lld %u\n", (int)c, (long long)batch[i].t_ns, (int)batch[i].half_ns,
                    (long long)batch[i].raw, batch[i].flags);
        } while (n == BATCH);
    }
}

/* ------------------------------------------------------------------------------------------------ regions -- */

/* A copy of a region as it is now; false: there is none of this id. */
static bool copy_region(eprof__record *r, eprof_region id, eprof__region_record *out)
{
    (void)pthread_mutex_lock(&r->lock);
    const eprof__region_record *g = eprof__record_region(r, id);
    if (g) *out = *g;
    (void)pthread_mutex_unlock(&r->lock);
    return g != NULL;
}

static void put_end(eprof__log *log, const eprof__region_record *g)
{
    put_notes(log, g);
    put(log, "e %llu %lld %lld %lld\n", (unsigned long long)g->id, (long long)g->end_ns, (long long)g->end_thread,
        (long long)g->end_cpu_ns);
}

static bool remember_open(eprof__log *log, eprof_region id)
{
    if (log->n_open == log->open_capacity) {
        const int64_t capacity = log->open_capacity ? 2 * log->open_capacity : EPROF_MAX_REGIONS;
        eprof_region *open = realloc(log->open, (size_t)capacity * sizeof *open);
        if (!open) return false;
        log->open = open;
        log->open_capacity = capacity;
    }
    log->open[log->n_open++] = id;
    return true;
}

static void put_regions(eprof__log *log, eprof__record *r)
{
    eprof__region_record g;
    char text[TEXT_BYTES];
    int64_t n_open = 0;
    for (int64_t i = 0; i < log->n_open; i++) {
        if (!copy_region(r, log->open[i], &g)) continue;
        if (g.end_ns != INT64_MAX)
            put_end(log, &g);
        else
            log->open[n_open++] = g.id;
    }
    log->n_open = n_open;
    for (; copy_region(r, (eprof_region)log->n_regions + 1, &g); log->n_regions++) {
        if (g.end_ns == INT64_MAX && !remember_open(log, g.id)) break; /* no memory: perhaps the next time */
        put(log, "b %llu %llu %lld %lld %lld %s\n", (unsigned long long)g.id, (unsigned long long)g.parent,
            (long long)g.begin_ns, (long long)g.thread, (long long)g.begin_cpu_ns, quoted(text, g.name));
        if (g.end_ns != INT64_MAX) put_end(log, &g);
    }
}

/* What no end has brought with it: notes of regions that are open, or that came behind the end. */
static void put_late_notes(eprof__log *log, const eprof__record *r)
{
    for (int64_t i = 0; i < log->n_regions; i++)
        if (r->regions[i].noted_late || r->regions[i].end_ns == INT64_MAX) put_notes(log, &r->regions[i]);
}

/* ------------------------------------------------------------------------------------------------ the log -- */

eprof_status eprof__log_create(const char *path, eprof__record *r, eprof__log **out, eprof_error *err)
{
    *out = NULL;
    eprof__log *log = calloc(1, sizeof *log);
    if (!log) return eprof__fail(err, EPROF_E_NOMEM, path, "", "no memory for %zu bytes", sizeof *log);
    log->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (log->fd < 0) {
        const int failure = errno;
        free(log);
        return eprof__fail_system(err, path, "create the log", failure);
    }
    const size_t n = strlen(path), most = sizeof log->path - 1;
    (void)snprintf(log->path, sizeof log->path, "%s", path + (n > most ? n - most : 0));
    put(log, EPROF__LOG_HEAD "\n");
    put_facts(log, &r->facts);
    eprof__log_write(log, r);
    *out = log;
    return EPROF_OK;
}

void eprof__log_write(eprof__log *log, eprof__record *r)
{
    put_new_channels(log, r);
    put_samples(log, r);
    put_regions(log, r);
    flush(log);
}

eprof_status eprof__log_close(eprof__log **it, eprof__record *r, eprof_error *err)
{
    if (!it || !*it) return EPROF_OK;
    eprof__log *log = *it;
    eprof__log_write(log, r);
    const bool whole = log->n_regions == r->n_regions;
    put_late_notes(log, r);
    put_alignments(log, r);
    if (whole) put(log, "end %lld\n", (long long)r->facts.stop_ns);
    flush(log);
    if (log->failure == 0 && fsync(log->fd) != 0 && errno != EINVAL && errno != EROFS) log->failure = errno;
    if (close(log->fd) != 0 && log->failure == 0) log->failure = errno;
    eprof_status status = EPROF_OK;
    if (log->failure)
        status = eprof__fail_system(err, log->path, "write the log", log->failure);
    else if (!whole)
        status = eprof__fail(err, EPROF_E_NOMEM, log->path, "", "no memory to write all regions down");
    free(log->open);
    free(log);
    *it = NULL;
    return status;
}

void eprof__log_abandon(eprof__log **log)
{
    if (!log || !*log) return;
    (void)close((*log)->fd);
    free((*log)->open);
    free(*log);
    *log = NULL;
}
