/* SPDX-License-Identifier: MIT
 * perf_energy.c - energy counters as perf events: the PMUs power (package, cores, DRAM, graphics, psys) and power_core.
 *
 * Each event is one source: the sum over the CPUs of the PMU's cpumask, one per package or die. The kernel keeps 64
 * bits, so nothing wraps here. A CPU that cannot be read spoils the reading: a sum that lacks one would be a fall.
 * Facts: arch/x86/events/rapl.c; perf_event_open(2); profiling.md 2.1 (1). Descriptors of perf know no pread.
 */
#include "profiler/sources/source_rapl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CPUS = 512, MOST_AT_EDGES = 8 };

typedef struct event {
    bool by_read;          /* the descriptor has no offset */
    int n;
    int fd[];
} event;

/* What a PMU's folder says. */
typedef struct pmu {
    char folder[96];
    uint32_t type;
    int32_t n_cpus, cpus[MOST_CPUS];
} pmu;

static int read_count(const eprof_io *io, int fd, bool by_read, int64_t *out)
{
    uint64_t count = 0;
    const int64_t n = by_read ? io->read(io->user, fd, &count, sizeof count, 0)
                              : io->pread(io->user, fd, &count, sizeof count, 0);
    if (n < 0) return (int)n;
    if (n == 0) return -ENODEV; /* the event has ended: its CPU is gone */
    if (n != sizeof count) return -EIO;
    if (count > INT64_MAX) return -ERANGE;
    *out = (int64_t)count;
    return 0;
}

static int read_event(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                      int64_t *end_ns)
{
    const event *e = s->state;
    int64_t sum = 0;
    (void)begin_ns, (void)end_ns;
    ok[0] = false;
    for (int i = 0; i < e->n; i++) {
        int64_t one = 0;
        const int status = read_count(io, e->fd[i], e->by_read, &one);
        if (status != 0) return status;
        if (one > INT64_MAX - sum) return -ERANGE;
        sum += one;
    }
    raw[0] = sum;
    ok[0] = true;
    return 0;
}

static void close_event(eprof__source *s, const eprof_io *io)
{
    event *e = s->state;
    for (int i = 0; e && i < e->n; i++) io->close(io->user, e->fd[i]);
    free(e);
    s->state = NULL;
}

/* ----------------------------------------------------------------------------------------------- probing -- */

static int64_t read_of(const eprof_io *io, const pmu *p, const char *file, const char *ending, char *text, size_t n)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%.64s%s", p->folder, file, ending);
    const int64_t size = eprof__read_text(io, path, text, n);
    if (size > 0 && text[size - 1] == '\n') text[size - 1] = '\0';
    return size;
}

/* "event=0x02": the whole of config. */
static int parse_config(const char *text, uint64_t *config)
{
    if (strncmp(text, "event=0x", 8) != 0 || !text[8]) return -EINVAL;
    *config = 0;
    for (const char *p = text + 8; *p; p++) {
        const char *digit = strchr("0123456789abcdef", *p);
        if (!digit || *config >> 32) return -EINVAL;
        *config = *config * 16 + (uint64_t)(digit - "0123456789abcdef");
    }
    return 0;
}

/* The event's number and joules per count; false: it is dead, and says why. */
static bool read_description(eprof__source *s, const eprof_io *io, const pmu *p, const char *name, uint64_t *config,
                             double *scale)
{
    char file[96], text[128];
    (void)snprintf(file, sizeof file, "events/%.48s", name);
    if (read_of(io, p, file, "", text, sizeof text) < 0 || parse_config(text, config) != 0) {
        eprof__source_dead(s, NULL, "%s/%s does not say event=0xN", p->folder, file);
        return false;
    }
    if (read_of(io, p, file, ".unit", text, sizeof text) < 0 || strcmp(text, "Joules") != 0) {
        eprof__source_dead(s, NULL, "%s/%s.unit is not Joules", p->folder, file);
        return false;
    }
    const char *end = read_of(io, p, file, ".scale", text, sizeof text) < 0 ? NULL : eprof__parse_double(text, scale);
    if (!end || *end || !(*scale > 1e-15 && *scale < 1e3)) {
        eprof__source_dead(s, NULL, "%s/%s.scale is no number of joules", p->folder, file);
        return false;
    }
    return true;
}

static void refused(eprof__source *s, const eprof_io *io, int error, int32_t cpu)
{
    char text[32];
    int64_t paranoid = 2;
    if (error != -EACCES && error != -EPERM) {
        eprof__source_dead(s, NULL, "the event does not open on CPU %d: %s", (int)cpu, eprof__errno_text(error));
        return;
    }
    if (eprof__read_text(io, "/proc/sys/kernel/perf_event_paranoid", text, sizeof text) < 0 ||
        eprof__parse_i64(text, &paranoid) != 0)
        paranoid = 2;
    if (paranoid > 0)
        eprof__source_dead(s, "sudo sysctl kernel.perf_event_paranoid=0",
                           "permission denied: kernel.perf_event_paranoid is %lld, and must be 0 or less",
                           (long long)paranoid);
    else
        eprof__source_dead(s, "sudo setcap cap_perfmon+ep PROGRAM",
                           "permission denied, though kernel.perf_event_paranoid is %lld", (long long)paranoid);
}

static bool open_event(eprof__source *s, const eprof_io *io, const pmu *p, uint64_t config)
{
    event *e = calloc(1, sizeof *e + (size_t)p->n_cpus * sizeof e->fd[0]);
    if (!e) {
        eprof__source_dead(s, NULL, "no memory");
        return false;
    }
    s->state = e;
    for (int32_t i = 0; i < p->n_cpus; i++) {
        const int fd = io->perf_open(io->user, p->type, config, p->cpus[i]);
        if (fd < 0) {
            refused(s, io, fd, p->cpus[i]);
            return false;
        }
        e->fd[e->n++] = fd;
    }
    uint64_t count;
    e->by_read = io->pread(io->user, e->fd[0], &count, sizeof count, 0) == -ESPIPE;
    return true;
}

static void probe_event(eprof__sources *all, const pmu *p, const char *name)
{
    static const eprof__source_ops ops = { read_event, close_event };
    enum { STEP_UJ = 61 }; /* 2^-14 J, of most processors; the event counts finer than its device */
    char full[64];
    uint64_t config;
    double scale = 1;
    (void)snprintf(full, sizeof full, "perf:%.40s", name);
    eprof__source *s = eprof__sources_add(all, full);
    if (!s) return;
    const eprof_scope scope = eprof__rapl_scope(name);
    s->ops = &ops;
    s->info.scope = (int32_t)scope;
    s->info.cls = EPROF_CLASS_COUNTER;
    (void)snprintf(s->info.what, sizeof s->info.what, "RAPL, %s of %d package%s or die%s, through perf", name,
                   (int)p->n_cpus, p->n_cpus == 1 ? "" : "s", p->n_cpus == 1 ? "" : "s");
    if (!read_description(s, all->io, p, name, &config, &scale) || !open_event(s, all->io, p, config)) return;
    eprof__rapl_describe(s, all, scope, scale, 0, STEP_UJ * 1e-6, p->n_cpus);
    s->at_edges = p->n_cpus <= MOST_AT_EDGES && scope != EPROF_SCOPE_CORES && scope != EPROF_SCOPE_UNCORE;
}

static bool read_pmu(const eprof_io *io, const char *name, pmu *p)
{
    char text[4096];
    uint64_t type;
    (void)snprintf(p->folder, sizeof p->folder, "/sys/bus/event_source/devices/%s", name);
    if (read_of(io, p, "type", "", text, sizeof text) < 0 || eprof__parse_u64(text, &type) != 0 || type > UINT32_MAX)
        return false;
    p->type = (uint32_t)type;
    if (read_of(io, p, "cpumask", "", text, sizeof text) < 0) return false;
    p->n_cpus = eprof__parse_cpu_list(text, p->cpus, MOST_CPUS);
    return p->n_cpus > 0 && p->n_cpus <= MOST_CPUS;
}

void eprof__probe_perf_energy(eprof__sources *all)
{
    static const char *const pmus[] = { "power", "power_core" };
    const int32_t n_before = all->n;
    for (size_t i = 0; i < sizeof pmus / sizeof *pmus; i++) {
        pmu p;
        char folder[128], *names;
        if (!read_pmu(all->io, pmus[i], &p)) continue;
        (void)snprintf(folder, sizeof folder, "%s/events", p.folder);
        (void)eprof__list_names(all->io, folder, &names);
        for (const char *name = names; name && *name; name += strlen(name) + 1)
            if (strncmp(name, "energy-", 7) == 0 && !strchr(name, '.')) probe_event(all, &p, name);
        free(names);
    }
    bool is_intel, is_virtual;
    if (all->n > n_before || !eprof__is_x86(all->io, &is_intel, &is_virtual)) return;
    eprof__source *s = eprof__sources_add(all, "perf");
    if (!s) return;
    s->info.scope = EPROF_SCOPE_PACKAGE;
    (void)snprintf(s->info.what, sizeof s->info.what, "RAPL, through perf");
    eprof__source_dead(s, is_virtual ? NULL : "sudo modprobe rapl", "the kernel has no energy events%s",
                       is_virtual ? ": this is a virtual machine" : "");
}
