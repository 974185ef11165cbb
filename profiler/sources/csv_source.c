/* SPDX-License-Identifier: MIT
 * csv_source.c - "csv:FILE": the log that another program writes of another meter, brought in when the run is over.
 *
 * While sampling it gives nothing, so the file may grow, or not be there yet. Only then it is read as a whole, and its
 * times are put beside ours: roughly by what they count from, then by the power itself (meter_clock.c).
 */
#include "profiler/sources/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/method/align.h"
#include "profiler/run/profiler.h"

#define NS INT64_C(1000000000)
#define SINCE_1970_FROM (INT64_C(100000000) * NS) /* 1973: less is a time that began with the log */
#define BESIDE_NS (60 * NS)
#define MOST_FILE_BYTES (UINT64_C(256) << 20)
#define JUDGED_FROM_BYTES 256

typedef struct csv {
    char path[512];
} csv;

/* -------------------------------------------------------------------------------------------------- file -- */

/* The whole file, malloc'd; NULL with the reason in *status. */
static char *read_all(const eprof_io *io, const char *path, uint64_t *n_bytes, int *status)
{
    uint64_t room = 1 << 16, got = 0;
    const int fd = io->open(io->user, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *status = fd;
        return NULL;
    }
    char *text = malloc(room);
    int64_t n = text ? 1 : -ENOMEM;
    while (n > 0) {
        if (got == room) {
            char *more = room < MOST_FILE_BYTES ? realloc(text, room * 2) : NULL;
            n = more ? 1 : room < MOST_FILE_BYTES ? -ENOMEM : -EFBIG;
            if (!more) break;
            text = more;
            room *= 2;
        }
        n = io->pread(io->user, fd, text + got, room - got, got);
        if (n > 0) got += (uint64_t)n;
        if (n == -EINTR) n = 1;
    }
    io->close(io->user, fd);
    *n_bytes = got;
    *status = (int)n;
    if (n == 0) return text;
    free(text);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- import -- */

/* What has to be added to the meter's times. */
static int64_t shift_of(const eprof__sample *samples, const eprof_io *io, const eprof__record *r)
{
    if (samples[0].t_ns < SINCE_1970_FROM) return r->facts.start_ns - samples[0].t_ns;
    return io->now_ns(io->user, EPROF_CLOCK_MONOTONIC) - io->now_ns(io->user, EPROF_CLOCK_REALTIME);
}

/* Those near the run, moved, at the beginning. */
static int64_t keep_near(eprof__sample *samples, int64_t n, int64_t shift_ns, const eprof__record *r, int64_t until_ns)
{
    int64_t n_kept = 0;
    for (int64_t i = 0; i < n; i++) {
        samples[i].t_ns += shift_ns;
        if (samples[i].t_ns < r->facts.start_ns - BESIDE_NS || samples[i].t_ns > until_ns + BESIDE_NS) continue;
        samples[n_kept++] = samples[i];
    }
    return n_kept;
}

eprof_status eprof__import_meter_csv(const eprof__source *s, const eprof_io *io, eprof__record *r, eprof_error *err)
{
    const csv *m = s->state;
    eprof__channel ignored = { 0 };
    eprof__sample *samples = NULL;
    uint64_t n_bytes;
    int64_t n = 0;
    int status;
    if (!m) return eprof__fail(err, EPROF_E_STATE, s->info.name, NULL, "the source has been closed");
    if (r->facts.start_ns == 0) return eprof__fail(err, EPROF_E_STATE, m->path, "call eprof_start", "there was no run");
    char *text = read_all(io, m->path, &n_bytes, &status);
    if (!text)
        return eprof__fail(err, status == -ENOMEM ? EPROF_E_NOMEM : EPROF_E_IO, m->path,
                           "the meter's program must have written it when eprof_stop is called",
                           "the meter's log cannot be read: %s", eprof__errno_text(status));
    const eprof_status parsed = eprof__read_meter_csv(text, n_bytes, &ignored, &samples, &n, err);
    free(text);
    if (parsed != EPROF_OK) return parsed;
    const int64_t until_ns = r->facts.stop_ns ? r->facts.stop_ns : io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    n = keep_near(samples, n, shift_of(samples, io, r), r, until_ns);
    const eprof_status placed = eprof__set_meter_clock(r, s->first_channel, samples, n, err);
    for (int64_t i = 0; placed == EPROF_OK && i < n; i++)
        eprof__record_append(r, s->first_channel, samples[i].t_ns, samples[i].t_ns, samples[i].raw, 0);
    free(samples);
    return placed;
}

/* -------------------------------------------------------------------------------------------------- source -- */

static int read_csv(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    (void)s, (void)io, (void)raw, (void)ok, (void)begin_ns, (void)end_ns;
    return -EAGAIN; /* all of it comes at the end */
}

static void close_csv(eprof__source *s, const eprof_io *io)
{
    (void)io;
    free(s->state);
    s->state = NULL;
}

static const eprof__source_ops ops = { read_csv, close_csv };

/* How the log looks, as far as it has come: its period tells how many samples there will be. 1 s until it is known. */
static eprof_status look(const eprof__sources *all, const char *path, eprof__channel *c, eprof_error *err)
{
    eprof__sample *samples = NULL;
    uint64_t n_bytes = 0;
    int64_t n = 0;
    int status;
    char *text = read_all(all->io, path, &n_bytes, &status);
    if (status == -EACCES || status == -EPERM || status == -EISDIR || status == -EFBIG)
        return eprof__fail(err, EPROF_E_IO, path, NULL, "cannot be read: %s", eprof__errno_text(status));
    const eprof_status parsed = text ? eprof__read_meter_csv(text, n_bytes, c, &samples, &n, err) : EPROF_OK;
    free(text);
    free(samples);
    return n_bytes < JUDGED_FROM_BYTES ? EPROF_OK : parsed; /* a head line alone, half of a line, or nothing */
}

void eprof__probe_meter_csv(eprof__sources *all, const char *path)
{
    char name[48];
    eprof_error err = EPROF_INIT(eprof_error);
    const char *base = path ? strrchr(path, '/') : NULL;
    (void)snprintf(name, sizeof name, "csv:%s", base ? base + 1 : path ? path : "");
    eprof__source *s = eprof__sources_add(all, name);
    if (!s) return;
    s->ops = &ops;
    s->is_slow = true; /* with no period of its own, it is never asked */
    s->info.scope = EPROF_SCOPE_BOARD_DC;
    s->info.cls = EPROF_CLASS_SAMPLE;
    (void)snprintf(s->info.what, sizeof s->info.what, "another meter's log, read when the run ends");
    if (!path || !*path) {
        eprof__source_dead(s, NULL, "needs a file: csv:meter.csv");
        return;
    }
    eprof__channel *c = &s->channels[s->n_channels++];
    *c = (eprof__channel){ .kind = EPROF__POWER, .cls = EPROF_CLASS_SAMPLE, .scope = EPROF_SCOPE_BOARD_DC,
                           .scale = 1e-6, .period_ns = NS, .least = -1e6, .most = 1e6, .accuracy = 0.01, .lsb = 1e-3,
                           .has_own_clock = true };
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    csv *m = strlen(path) < sizeof m->path ? calloc(1, sizeof *m) : NULL;
    if (!m) {
        eprof__source_dead(s, NULL, "out of memory, or its path has more than %d bytes", (int)sizeof m->path - 1);
        return;
    }
    (void)snprintf(m->path, sizeof m->path, "%s", path);
    s->state = m;
    s->info.live = look(all, path, c, &err) == EPROF_OK;
    s->info.period_s = (double)c->period_ns * 1e-9;
    s->info.accuracy_pct = c->accuracy * 100;
    if (s->info.live) return;
    close_csv(s, all->io);
    eprof__source_dead(s, NULL, "%.120s", err.message);
}
