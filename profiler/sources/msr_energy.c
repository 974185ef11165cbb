/* SPDX-License-Identifier: MIT
 * msr_energy.c - energy counters straight from the processor's registers, through /dev/cpu/N/msr: only when asked for
 * by name, where neither perf nor powercap knows the processor.
 *
 * One source for each package and domain, read on the package's first CPU. Only the low 32 bits count, in units that
 * register 0x606 (AMD: 0xC0010299) gives, but for those that are fixed. AMD's per-core register is left out: cores are
 * part of the package. A register that is not there answers EIO, one that is not wired stands at 0 and is found dead.
 * Facts: Intel SDM vol. 3B 16.10 and vol. 4; AMD PPR "RAPL"; arch/x86/events/rapl.c, drivers/powercap/intel_rapl_msr.c
 * for the units that are fixed; profiling.md 2.1 (3).
 */
#include "profiler/sources/source_rapl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PACKAGES = 16, MOST_CPUS = 4096 };

/* A domain's register; only_first: it is of the whole machine. */
typedef struct domain {
    const char *name;
    uint64_t address;
    bool only_first;
} domain;

typedef struct msr {
    int fd;
    uint64_t address;
} msr;

static int read_register(const eprof_io *io, int fd, uint64_t address, uint64_t *out)
{
    const int64_t n = io->pread(io->user, fd, out, sizeof *out, address);
    if (n < 0) return (int)n;
    return n == sizeof *out ? 0 : -EIO;
}

static int read_msr(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    const msr *m = s->state;
    uint64_t value;
    (void)begin_ns, (void)end_ns;
    ok[0] = false;
    const int status = read_register(io, m->fd, m->address, &value);
    if (status != 0) return status;
    raw[0] = (int64_t)(value & UINT32_MAX);
    ok[0] = true;
    return 0;
}

static void close_msr(eprof__source *s, const eprof_io *io)
{
    msr *m = s->state;
    if (m) io->close(io->user, m->fd);
    free(m);
    s->state = NULL;
}

/* ------------------------------------------------------------------------------------------------- units -- */

static bool is_among(int64_t model, const uint8_t *models, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (models[i] == model) return true;
    return false;
}

/* Joules per count of a domain of an Intel processor of family 6. unit: register 0x606. */
static double intel_unit(int64_t model, const char *name, uint64_t unit)
{
    static const uint8_t atoms[] = { 0x37, 0x4A, 0x4C, 0x5A };                                 /* 2^ESU uJ */
    static const uint8_t servers[] = { 0x3F, 0x4F, 0x55, 0x56, 0x57, 0x6A, 0x6C, 0x85, 0x8F, 0xCF }; /* DRAM 2^-16 J */
    static const uint8_t new_servers[] = { 0x8F, 0xCF };                                       /* psys 1 J */
    const uint64_t esu = unit >> 8 & 0x1f;
    if (is_among(model, atoms, sizeof atoms)) return (double)(UINT64_C(1) << esu) * 1e-6;
    if (strcmp(name, "dram") == 0 && is_among(model, servers, sizeof servers)) return 1.0 / 65536;
    if (strcmp(name, "psys") == 0 && is_among(model, new_servers, sizeof new_servers)) return 1;
    return 1.0 / (double)(UINT64_C(1) << esu);
}

/* "model\t\t: 142" of /proc/cpuinfo; "model name" begins likewise. -1: not there. */
static int64_t model_of(const eprof_io *io)
{
    char text[4096];
    const int fd = io->open(io->user, "/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    const int64_t n = io->pread(io->user, fd, text, sizeof text - 1, 0);
    io->close(io->user, fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "\nmodel\t");
    const char *p = line ? strchr(line, ':') : NULL;
    int64_t model = 0;
    if (!p) return -1;
    for (p += 1 + strspn(p + 1, " "); *p >= '0' && *p <= '9' && model < 1000; p++) model = model * 10 + (*p - '0');
    return model;
}

/* ----------------------------------------------------------------------------------------------- probing -- */

/* The package of a CPU; 0 where the system does not say. */
static int64_t package_of(const eprof_io *io, int32_t cpu)
{
    char path[96], text[32];
    int64_t id;
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", (int)cpu);
    return eprof__read_text(io, path, text, sizeof text) > 0 && eprof__parse_i64(text, &id) == 0 ? id : 0;
}

/* CPUs that are online; CPU 0 where the system does not say. */
static int32_t read_online(const eprof_io *io, int32_t *cpus)
{
    char text[4096];
    int32_t n = -1;
    if (eprof__read_text(io, "/sys/devices/system/cpu/online", text, sizeof text) > 0)
        n = eprof__parse_cpu_list(text, cpus, MOST_CPUS);
    if (n <= 0) cpus[0] = 0;
    return n <= 0 ? 1 : n < MOST_CPUS ? n : MOST_CPUS;
}

/* The first CPU of each package: cpus[i] of package ids[i]. */
static int find_packages(const eprof_io *io, int32_t *cpus, int64_t *ids)
{
    int n = 0;
    int32_t *online = malloc(MOST_CPUS * sizeof *online);
    const int32_t n_online = online ? read_online(io, online) : 0;
    for (int32_t i = 0; i < n_online && n < MOST_PACKAGES; i++) {
        const int64_t id = package_of(io, online[i]);
        bool is_known = false;
        for (int k = 0; k < n; k++) is_known = is_known || ids[k] == id;
        if (is_known) continue;
        cpus[n] = online[i];
        ids[n++] = id;
    }
    free(online);
    return n;
}

static void dead_device(eprof__sources *all, const char *path, int64_t error)
{
    eprof__source *s = eprof__sources_add(all, "msr");
    if (!s) return;
    s->info.scope = EPROF_SCOPE_PACKAGE;
    (void)snprintf(s->info.what, sizeof s->info.what, "RAPL, through model-specific registers");
    const char *unlock = error == -ENOENT || error == -ENXIO ? "sudo modprobe msr"
                         : error == -EACCES || error == -EPERM
                             ? "sudo setcap cap_sys_rawio,cap_dac_read_search+ep PROGRAM"
                             : NULL;
    eprof__source_dead(s, unlock, "%s: %s", path, eprof__errno_text(error));
}

static void probe_domain(eprof__sources *all, const domain *d, int fd, int64_t id, double unit_j)
{
    static const eprof__source_ops ops = { read_msr, close_msr };
    const bool is_package = eprof__rapl_scope(d->name) == EPROF_SCOPE_PACKAGE;
    char name[48];
    (void)snprintf(name, sizeof name, "msr:package-%lld%s%s", (long long)id, is_package ? "" : "/",
                   is_package ? "" : d->name);
    msr *m = malloc(sizeof *m);
    eprof__source *s = m ? eprof__sources_add(all, d->only_first ? "msr:psys" : name) : NULL;
    if (!s) {
        all->io->close(all->io->user, fd);
        free(m);
        return;
    }
    *m = (msr){ fd, d->address };
    s->ops = &ops;
    s->state = m;
    (void)snprintf(s->info.what, sizeof s->info.what, "RAPL, %s of package %lld, register 0x%llX", d->name,
                   (long long)id, (unsigned long long)d->address);
    eprof__rapl_describe(s, all, eprof__rapl_scope(d->name), unit_j, UINT64_C(1) << 32, unit_j, 1);
}

static void probe_package(eprof__sources *all, bool is_intel, int32_t cpu, int64_t id, bool is_first)
{
    static const domain intel[] = { { "package", 0x611, false }, { "core", 0x639, false }, { "uncore", 0x641, false },
                                    { "dram", 0x619, false }, { "psys", 0x64D, true } };
    static const domain amd[] = { { "package", 0xC001029B, false } };
    const eprof_io *io = all->io;
    const domain *list = is_intel ? intel : amd;
    const int n = is_intel ? (int)(sizeof intel / sizeof *intel) : 1;
    const int64_t model = is_intel ? model_of(io) : -1;
    char path[32];
    (void)snprintf(path, sizeof path, "/dev/cpu/%d/msr", (int)cpu);
    for (int i = 0; i < n; i++) {
        uint64_t unit, value;
        if (list[i].only_first && !is_first) continue;
        const int fd = io->open(io->user, path, O_RDONLY | O_CLOEXEC);
        const int status = fd < 0 ? fd : read_register(io, fd, is_intel ? 0x606 : 0xC0010299, &unit);
        if (status != 0) {
            if (fd >= 0) io->close(io->user, fd);
            dead_device(all, path, status);
            return;
        }
        if (read_register(io, fd, list[i].address, &value) != 0) { /* this processor lacks it */
            io->close(io->user, fd);
            continue;
        }
        const double unit_j = is_intel ? intel_unit(model, list[i].name, unit)
                                       : 1.0 / (double)(UINT64_C(1) << (unit >> 8 & 0x1f));
        probe_domain(all, &list[i], fd, id, unit_j);
    }
}

void eprof__probe_msr(eprof__sources *all)
{
    int32_t cpus[MOST_PACKAGES];
    int64_t ids[MOST_PACKAGES];
    bool is_intel, is_virtual;
    if (!eprof__is_x86(all->io, &is_intel, &is_virtual)) {
        eprof__source *s = eprof__sources_add(all, "msr");
        if (s) eprof__source_dead(s, NULL, "this is no Intel or AMD processor");
        return;
    }
    const int n = find_packages(all->io, cpus, ids);
    for (int i = 0; i < n; i++) probe_package(all, is_intel, cpus[i], ids[i], i == 0);
}
