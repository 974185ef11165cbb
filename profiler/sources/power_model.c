/* SPDX-License-Identifier: MIT
 * power_model.c - watts guessed from how busy the machine is, where nothing measures: an estimate, and labelled as one.
 *
 *   P(u) = idle + (max - idle) (2u - u^1.4)        u: busy share of all CPUs since the reading before
 *
 * Rising and concave, since the first busy core wakes what the others share. The two constants are the caller's, or of
 * a table by the machine's name with limits of 30 %. It is never added to what was measured.
 * Facts: the curve: Fan, Weber, Barroso, ISCA 2007, section 3.2; boards at their input: profiling.md 2.2 (7 W and 11 W
 * of rails under load) and what is commonly measured idle and with all cores busy; limits: profiling.md 2.10.
 */
#include "profiler/sources/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct model {
    int fd;
    double idle_w, max_w;
    bool has_last;
    int64_t busy, total;   /* at the last reading */
} model;

static double curve(double u)
{
    return 2 * u - pow(u, 1.4);
}

/* The mean since the reading before; nothing new while /proc/stat's clock has not ticked. */
static int read_model(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                      int64_t *end_ns)
{
    model *m = s->state;
    int64_t busy, total;
    (void)begin_ns, (void)end_ns;
    ok[0] = false;
    const int status = eprof__read_cpu_times(io, m->fd, &busy, &total);
    if (status != 0) return status;
    if (m->has_last && total == m->total) return -EAGAIN;
    const bool has_rise = m->has_last && total > m->total && busy >= m->busy;
    const double rise = has_rise ? (double)(busy - m->busy) / (double)(total - m->total) : 0;
    m->has_last = true;
    m->busy = busy;
    m->total = total;
    if (!has_rise) return -EAGAIN; /* the first, or the counters began anew */
    raw[0] = (int64_t)(1e6 * (m->idle_w + (m->max_w - m->idle_w) * curve(rise < 1 ? rise : 1)) + 0.5);
    ok[0] = true;
    return 0;
}

static void close_model(eprof__source *s, const eprof_io *io)
{
    model *m = s->state;
    if (m && m->fd >= 0) io->close(io->user, m->fd);
    free(m);
    s->state = NULL;
}

/* -------------------------------------------------------------------------------------------- constants -- */

typedef struct machine {
    const char *name;      /* in the machine's name; of chassis: what it is */
    double idle_w, max_w;  /* at the input */
} machine;

static const machine boards[] = {
    { "Raspberry Pi 5", 3.0, 9.0 },      { "Raspberry Pi Compute Module 5", 2.6, 9.0 },
    { "Raspberry Pi 4", 2.7, 6.4 },      { "Raspberry Pi Compute Module 4", 2.2, 6.0 },
    { "Raspberry Pi 400", 2.7, 6.4 },    { "Raspberry Pi 3", 1.6, 5.0 },
    { "Raspberry Pi Zero 2", 0.6, 2.6 }, { "Jetson Orin Nano", 4.5, 12.0 } };

/* By the kind of chassis of SMBIOS, table 17 of DSP0134. */
static const machine *chassis_of(int64_t type)
{
    static const machine laptop = { "a laptop", 6, 40 }, desktop = { "a desktop", 35, 140 },
                         server = { "a server", 120, 450 }, small = { "a small PC", 7, 35 };
    switch (type) {
    case 8: case 9: case 10: case 14: case 30: case 31: case 32: return &laptop;
    case 3: case 4: case 6: case 7: case 13: case 24: return &desktop;
    case 17: case 23: case 25: case 28: case 29: return &server;
    case 33: case 34: case 35: case 36: return &small;
    default: return NULL;
    }
}

/* Constants and where they are from. */
static void choose_constants(const eprof__sources *all, model *m, char *from, size_t n)
{
    enum { IDLE_MW = 1000, MAX_MW = 5000 }; /* of a CPU of an unknown machine */
    eprof__facts facts = { 0 };
    char text[32];
    int64_t type = 0;
    const machine *found = NULL;
    eprof__read_facts(all->io, &facts);
    for (size_t i = 0; i < sizeof boards / sizeof *boards && !found; i++)
        if (strstr(facts.machine, boards[i].name)) found = &boards[i];
    if (!found && eprof__read_text(all->io, "/sys/class/dmi/id/chassis_type", text, sizeof text) > 0 &&
        eprof__parse_i64(text, &type) == 0)
        found = chassis_of(type);
    const int32_t n_cpus = facts.n_cpus > 0 ? facts.n_cpus : 1;
    m->idle_w = found ? found->idle_w : IDLE_MW * 1e-3 * n_cpus;
    m->max_w = found ? found->max_w : MAX_MW * 1e-3 * n_cpus;
    (void)snprintf(from, n, found ? "as of %s" : "of an unknown machine", found ? found->name : "");
    if (all->model_idle_w > 0) m->idle_w = all->model_idle_w;
    if (all->model_max_w > 0) m->max_w = all->model_max_w;
    if (all->model_idle_w > 0 && all->model_max_w > 0) (void)snprintf(from, n, "as configured");
}

/* For texts; what a caller asks for may be anything. */
static int milliwatts(double w)
{
    return w > 0 && w < 1e6 ? (int)(w * 1e3) : w >= 1e6 ? 1000000000 : 0;
}

static void describe(eprof__source *s, const eprof__sources *all, const model *m, const char *from)
{
    eprof__channel *c = &s->channels[0];
    s->period_ns = (int64_t)(1e9 / all->sample_hz);
    s->n_channels = 1;
    *c = (eprof__channel){ .name = "model", .kind = EPROF__POWER, .cls = EPROF_CLASS_MODEL,
                           .scope = EPROF_SCOPE_BOARD_DC, .scale = 1e-6, .period_ns = s->period_ns,
                           .window_ns = s->period_ns, .most = m->max_w * 1.001, .accuracy = 0.3, .lsb = 1e-6 };
    s->info.scope = EPROF_SCOPE_BOARD_DC;
    s->info.cls = EPROF_CLASS_MODEL;
    s->info.period_s = (double)s->period_ns * 1e-9;
    s->info.accuracy_pct = 30;
    (void)snprintf(s->info.what, sizeof s->info.what, "an estimate by CPU use, %d to %d mW, %.36s",
                   milliwatts(m->idle_w), milliwatts(m->max_w), from);
}

void eprof__probe_model(eprof__sources *all)
{
    static const eprof__source_ops ops = { read_model, close_model };
    char from[64] = "";
    int64_t busy, total;
    eprof__source *s = eprof__sources_add(all, "model");
    if (!s) return;
    model *m = calloc(1, sizeof *m);
    s->ops = &ops;
    s->state = m;
    if (!m) {
        eprof__source_dead(s, NULL, "no memory");
        return;
    }
    choose_constants(all, m, from, sizeof from);
    describe(s, all, m, from);
    m->fd = all->io->open(all->io->user, "/proc/stat", O_RDONLY | O_CLOEXEC);
    const int status = m->fd < 0 ? m->fd : eprof__read_cpu_times(all->io, m->fd, &busy, &total);
    s->info.live = 1;
    if (status != 0)
        eprof__source_dead(s, NULL, "/proc/stat: %s", eprof__errno_text(status));
    else if (!(m->idle_w >= 0 && m->max_w > m->idle_w && m->max_w < 1e5))
        eprof__source_dead(s, NULL, "model_idle_w (%d mW) must be below model_max_w (%d mW)", milliwatts(m->idle_w),
                           milliwatts(m->max_w));
}
