/* SPDX-License-Identifier: MIT
 * proc_machine.c - the whole machine: CPU time, memory in use, temperature, clocks.
 *
 * CPU: of the first line of /proc/stat, busy is user, nice, system, irq, softirq and steal; all of it adds idle and
 * iowait. guest and guest_nice are inside of user and nice already. iowait may fall a little: the total then stands.
 * Temperature: the hottest of the processor's sensors. Clocks: the mean over the CPUs, where reading it is cheap.
 * Facts: proc(5); Documentation/admin-guide/pm/cpufreq.rst, driver-api/thermal, hwmon/sysfs-interface; profiling.md
 * 3.3, 3.4; busy and percent as psutil defines them.
 */
#include "profiler/sources/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FILES = 16, CPU_BUSY = 0, CPU_TOTAL = 1, MOST_CORES = 65536 };

/* A source's open files, and of cpu the last total. */
typedef struct files {
    int n;
    int fd[MOST_FILES];
    int64_t weight[MOST_FILES];   /* CPUs of a clock domain */
    int64_t total;
} files;

static void close_files(eprof__source *s, const eprof_io *io)
{
    files *f = s->state;
    for (int i = 0; f && i < f->n; i++) io->close(io->user, f->fd[i]);
    free(f);
    s->state = NULL;
}

static int add_file(files *f, const eprof_io *io, const char *path, int64_t weight)
{
    if (f->n == MOST_FILES) return -ENOSPC;
    const int fd = io->open(io->user, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fd;
    f->fd[f->n] = fd;
    f->weight[f->n++] = weight;
    return 0;
}

static void add_channel(eprof__source *s, const char *name, eprof__kind kind, double scale, double least, double most)
{
    eprof__channel *c = &s->channels[s->n_channels++];
    const bool is_time = kind == EPROF__CPU_BUSY || kind == EPROF__CPU_TOTAL;
    *c = (eprof__channel){ .kind = kind, .cls = is_time ? EPROF_CLASS_COUNTER : EPROF_CLASS_SAMPLE,
                           .scope = EPROF_SCOPE_OTHER, .scale = scale, .period_ns = s->period_ns, .least = least,
                           .most = most, .lsb = scale };
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    s->info.cls = (int32_t)c->cls;
}

static eprof__source *add_source(eprof__sources *all, const char *name, const char *what, double hz,
                                 const eprof__source_ops *ops)
{
    eprof__source *s = eprof__sources_add(all, name);
    if (!s) return NULL;
    s->ops = ops;
    s->period_ns = (int64_t)(1e9 / hz);
    s->info.period_s = (double)s->period_ns * 1e-9;
    s->info.scope = EPROF_SCOPE_OTHER;
    (void)snprintf(s->info.what, sizeof s->info.what, "%s", what);
    s->state = calloc(1, sizeof(files));
    s->info.live = s->state != NULL;
    if (!s->state) eprof__source_dead(s, NULL, "no memory");
    return s;
}

/* A number of an open file; the line must be whole: a cut number is a wild one. */
static int read_number(const eprof_io *io, int fd, int64_t *out)
{
    char text[64];
    const int64_t n = eprof__reread_text(io, fd, text, sizeof text);
    if (n < 0) return (int)n;
    return n > 0 && text[n - 1] == '\n' ? eprof__parse_i64(text, out) : -EINVAL;
}

/* ------------------------------------------------------------------------------------------------- CPU -- */

/* The line up to its end, of a file that may be long: one call, more only where reads come short. */
static int read_first_line(const eprof_io *io, int fd, char *text, uint64_t n_bytes)
{
    uint64_t got = 0;
    while (got < n_bytes - 1) {
        const int64_t n = io->pread(io->user, fd, text + got, n_bytes - 1 - got, got);
        if (n == -EINTR) continue;
        if (n < 0) return (int)n;
        got += (uint64_t)n;
        text[got] = '\0';
        char *end = strchr(text, '\n');
        if (end) {
            *end = '\0';
            return 0;
        }
        if (n == 0) return -EINVAL;
    }
    return -EMSGSIZE;
}

/* Next number of the line; false behind the last or where there is none. */
static bool next_number(char **rest, uint64_t *out)
{
    char *p = *rest + strspn(*rest, " ");
    const size_t size = strcspn(p, " ");
    const bool is_last = p[size] == '\0';
    p[size] = '\0';
    if (size == 0 || eprof__parse_u64(p, out) != 0) return false;
    *rest = p + size + !is_last;
    return true;
}

int eprof__read_cpu_times(const eprof_io *io, int fd, int64_t *busy, int64_t *total)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, N_STATES };
    char text[512], *rest = text;
    uint64_t sums[2] = { 0, 0 };
    int n = 0;
    const int status = read_first_line(io, fd, text, sizeof text);
    if (status != 0) return status;
    if (strncmp(text, "cpu ", 4) != 0) return -EINVAL;
    for (rest += 4; n < N_STATES; n++) {
        uint64_t ticks;
        const bool is_end = rest[strspn(rest, " ")] == '\0';
        if (is_end) break;
        if (!next_number(&rest, &ticks)) return -EINVAL;
        uint64_t *sum = &sums[n == IDLE || n == IOWAIT];
        if (ticks > INT64_MAX || *sum > INT64_MAX - ticks) return -ERANGE;
        *sum += ticks;
    }
    if (n <= IDLE) return -EINVAL; /* kernels before 2.6 had four */
    if (sums[1] > INT64_MAX - sums[0]) return -ERANGE;
    *busy = (int64_t)sums[0];
    *total = (int64_t)(sums[0] + sums[1]);
    return 0;
}

static int read_cpu(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    enum { SMALL_FALL = 1 << 14 }; /* ticks, 164 s of one CPU: a correction of idle, not a machine begun anew */
    files *f = s->state;
    (void)begin_ns, (void)end_ns;
    ok[CPU_BUSY] = ok[CPU_TOTAL] = false;
    const int status = eprof__read_cpu_times(io, f->fd[0], &raw[CPU_BUSY], &raw[CPU_TOTAL]);
    if (status != 0) return status;
    if (raw[CPU_TOTAL] < f->total && f->total - raw[CPU_TOTAL] < SMALL_FALL) raw[CPU_TOTAL] = f->total;
    f->total = raw[CPU_TOTAL];
    ok[CPU_BUSY] = ok[CPU_TOTAL] = true;
    return 0;
}

static void probe_cpu(eprof__sources *all)
{
    static const eprof__source_ops ops = { read_cpu, close_files };
    eprof__source *s = add_source(all, "cpu", "CPU time of the machine, from /proc/stat", all->sample_hz, &ops);
    if (!s) return;
    const double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    int64_t busy, total;
    add_channel(s, "cpu_busy", EPROF__CPU_BUSY, tick_s, 0, MOST_CORES);
    add_channel(s, "cpu_total", EPROF__CPU_TOTAL, tick_s, 0, MOST_CORES);
    if (!s->state) return;
    files *f = s->state;
    int status = add_file(f, all->io, "/proc/stat", 1);
    if (status == 0) status = eprof__read_cpu_times(all->io, f->fd[0], &busy, &total);
    if (status != 0) eprof__source_dead(s, NULL, "/proc/stat: %s", eprof__errno_text(status));
}

/* ---------------------------------------------------------------------------------------------- memory -- */

/* "KEY:   123 kB" at the start of a line of meminfo; -1: not there. */
static int64_t kib_of(const char *text, const char *key)
{
    const size_t size = strlen(key);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, key, size) != 0 || line[size] != ':') continue;
        char word[32];
        int64_t kib;
        const char *p = line + size + 1 + strspn(line + size + 1, " ");
        const size_t n = strcspn(p, " \n");
        if (n >= sizeof word || strncmp(p + n, " kB\n", 4) != 0) return -1;
        memcpy(word, p, n);
        word[n] = '\0';
        return eprof__parse_i64(word, &kib) == 0 && kib >= 0 && kib < INT64_MAX / 4 ? kib : -1;
    }
    return -1;
}

static int read_memory(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                       int64_t *end_ns)
{
    const files *f = s->state;
    char text[8192];
    (void)begin_ns, (void)end_ns;
    ok[0] = false;
    const int64_t n = eprof__reread_text(io, f->fd[0], text, sizeof text);
    if (n < 0) return (int)n;
    const int64_t total = kib_of(text, "MemTotal");
    int64_t available = kib_of(text, "MemAvailable");
    if (available < 0 && !strstr(text, "MemAvailable")) { /* kernels before 3.14: what psutil falls back on */
        const int64_t unused = kib_of(text, "MemFree"), buffers = kib_of(text, "Buffers");
        const int64_t cached = kib_of(text, "Cached");
        if (unused >= 0 && buffers >= 0 && cached >= 0) available = unused + buffers + cached;
    }
    if (total <= 0 || available < 0) return -EINVAL;
    raw[0] = available < total ? total - available : 0;
    ok[0] = true;
    return 0;
}

static void probe_memory(eprof__sources *all)
{
    static const eprof__source_ops ops = { read_memory, close_files };
    eprof__source *s = add_source(all, "memory", "memory in use: MemTotal - MemAvailable of /proc/meminfo",
                                  all->sample_hz, &ops);
    if (!s) return;
    add_channel(s, "ram_system", EPROF__RAM_SYSTEM, 1.0 / 1024, 0, 1e9);
    if (!s->state) return;
    int64_t raw, ignored = 0;
    bool ok;
    int status = add_file(s->state, all->io, "/proc/meminfo", 1);
    if (status == 0) status = read_memory(s, all->io, &raw, &ok, &ignored, &ignored);
    if (status != 0) eprof__source_dead(s, NULL, "/proc/meminfo: %s", eprof__errno_text(status));
}

/* ----------------------------------------------------------------------------------------- temperature -- */

enum { COLDEST_MC = -40000, HOTTEST_MC = 150000 };

static int read_hottest(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                        int64_t *end_ns)
{
    const files *f = s->state;
    int status = -ENODATA;
    (void)begin_ns, (void)end_ns;
    ok[0] = false;
    for (int i = 0; i < f->n; i++) {
        int64_t mc;
        const int one = read_number(io, f->fd[i], &mc);
        if (one != 0 || mc < COLDEST_MC || mc > HOTTEST_MC) { /* a sensor that sleeps or is not wired */
            status = one != 0 ? one : -ERANGE;
            continue;
        }
        raw[0] = ok[0] && raw[0] > mc ? raw[0] : mc;
        ok[0] = true;
    }
    return ok[0] ? 0 : status;
}

static bool is_one_of(const char *text, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(text, names[i])) return true;
    return false;
}

/* Adds file `leaf` of each device of the class whose name or type file holds one of the names (n_names 0: of all). */
static void add_sensors(files *f, const eprof_io *io, const char *folder, const char *prefix, const char *kind_file,
                        const char *leaf, const char *const *wanted, size_t n_wanted)
{
    char *names, path[256], text[64];
    (void)eprof__list_names(io, folder, &names);
    for (const char *name = names; name && *name; name += strlen(name) + 1) {
        if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%.64s/%s", folder, name, kind_file);
        const bool has_kind = eprof__read_text(io, path, text, sizeof text) > 0;
        if (n_wanted && !(has_kind && is_one_of(text, wanted, n_wanted))) continue;
        (void)snprintf(path, sizeof path, "%s/%.64s/%s", folder, name, leaf);
        (void)add_file(f, io, path, 1);
    }
    free(names);
}

static void probe_temperature(eprof__sources *all)
{
    static const eprof__source_ops ops = { read_hottest, close_files };
    static const char *const chips[] = { "coretemp", "k10temp", "zenpower", "cpu_thermal" };
    static const char *const zones[] = { "cpu", "x86_pkg_temp", "soc", "TCPU" };
    static const char hwmon[] = "/sys/class/hwmon", thermal[] = "/sys/class/thermal";
    const eprof_io *io = all->io;
    eprof__source *s = add_source(all, "temperature", "the processor's hottest sensor", 1, &ops);
    if (!s) return;
    add_channel(s, "temp", EPROF__TEMP, 1e-3, COLDEST_MC * 1e-3, HOTTEST_MC * 1e-3);
    if (!s->state) return;
    files *f = s->state;
    int64_t raw, ignored = 0;
    bool ok;
    add_sensors(f, io, hwmon, "hwmon", "name", "temp1_input", chips, sizeof chips / sizeof *chips);
    if (f->n == 0) add_sensors(f, io, thermal, "thermal_zone", "type", "temp", zones, sizeof zones / sizeof *zones);
    if (f->n == 0) add_sensors(f, io, thermal, "thermal_zone", "type", "temp", NULL, 0);
    const int status = f->n == 0 ? -ENOENT : read_hottest(s, io, &raw, &ok, &ignored, &ignored);
    if (f->n == 0)
        eprof__source_dead(s, NULL, "no processor sensor in %s, no zone in %s", hwmon, thermal);
    else if (status != 0)
        eprof__source_dead(s, NULL, "%d sensors, none readable: %s", f->n, eprof__errno_text(status));
}

/* ---------------------------------------------------------------------------------------------- clocks -- */

static int read_clocks(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                       int64_t *end_ns)
{
    enum { MOST_KHZ = 20000000 };
    const files *f = s->state;
    int64_t sum = 0, weight = 0;
    int status = -ENODATA;
    (void)begin_ns, (void)end_ns;
    for (int i = 0; i < f->n; i++) {
        int64_t khz;
        const int one = read_number(io, f->fd[i], &khz); /* a CPU that is off has none */
        if (one == 0 && khz > 0 && khz <= MOST_KHZ) {
            sum += khz * f->weight[i];
            weight += f->weight[i];
        } else {
            status = one != 0 ? one : -ERANGE;
        }
    }
    ok[0] = weight > 0;
    raw[0] = weight > 0 ? sum / weight : 0;
    return weight > 0 ? 0 : status;
}

/* Clock domains, evenly spread where there are more than we keep files for. How many there are. */
static int open_clocks(files *f, const eprof_io *io)
{
    static const char folder[] = "/sys/devices/system/cpu/cpufreq";
    char *names, path[256], text[4096];
    int n = 0, i = 0;
    (void)eprof__list_names(io, folder, &names);
    for (const char *name = names; name && *name; name += strlen(name) + 1) n += strncmp(name, "policy", 6) == 0;
    const int step = (n + MOST_FILES - 1) / MOST_FILES;
    for (const char *name = names; name && *name; name += strlen(name) + 1) {
        if (strncmp(name, "policy", 6) != 0 || i++ % step != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%.64s/affected_cpus", folder, name);
        int64_t n_cpus = 0;
        if (eprof__read_text(io, path, text, sizeof text) > 0)
            for (const char *p = text; (p += strspn(p, " \n"), *p); p += strcspn(p, " \n")) n_cpus++;
        (void)snprintf(path, sizeof path, "%s/%.64s/scaling_cur_freq", folder, name);
        if (add_file(f, io, path, n_cpus ? n_cpus : 1) == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%.64s/cpuinfo_cur_freq", folder, name);
        (void)add_file(f, io, path, n_cpus ? n_cpus : 1);
    }
    free(names);
    return n;
}

/* Some kernels ask every CPU and wait for it: 20 ms a file, which would be load of our own making. */
static void probe_clocks(eprof__sources *all)
{
    enum { DEAR_NS = 1000000 };
    static const eprof__source_ops ops = { read_clocks, close_files };
    const eprof_io *io = all->io;
    eprof__source *s = add_source(all, "frequency", "clock of the CPUs, mean", 1, &ops);
    if (!s) return;
    add_channel(s, "freq", EPROF__FREQ, 1e-3, 0, 20000);
    if (!s->state) return;
    files *f = s->state;
    int64_t raw, ignored = 0;
    bool ok;
    const int n = open_clocks(f, io);
    if (f->n == 0) {
        eprof__source_dead(s, NULL, "no clock domain with a readable frequency in /sys/devices/system/cpu/cpufreq");
        return;
    }
    if (n > f->n)
        (void)snprintf(s->info.what, sizeof s->info.what, "clock of the CPUs, mean of %d of %d domains", f->n, n);
    const int64_t begin = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    const int status = read_clocks(s, io, &raw, &ok, &ignored, &ignored);
    const int64_t took = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC) - begin;
    if (status != 0)
        eprof__source_dead(s, NULL, "%d clock domains, none readable: %s", n, eprof__errno_text(status));
    else if (took > DEAR_NS)
        eprof__source_dead(s, NULL, "a reading takes %lld us, more than %d us", (long long)(took / 1000),
                           DEAR_NS / 1000);
}

void eprof__probe_machine(eprof__sources *all)
{
    probe_cpu(all);
    probe_memory(all);
    probe_temperature(all);
    probe_clocks(all);
}
