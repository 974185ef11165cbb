/* SPDX-License-Identifier: MIT
 * powercap.c - energy counters as zones of /sys/class/powercap: intel-rapl (AMD's too), its TPMI form, and
 * intel-rapl-mmio, which shows the same package a second time.
 *
 * A zone is what its `name` says; its number says nothing. Zones of a package are named with it, PACKAGE/dram; a second
 * zone of the same name is a twin and is named with its folder, so that eprof__choose_meters can leave it out.
 * energy_uj counts to max_energy_range_uj and one unit of the device, 2^32 units in all. Where the range cannot be
 * read, a fall is taken for a fault and not for a wrap.
 * Facts: Documentation/power/powercap/powercap.rst, drivers/powercap/intel_rapl_common.c; profiling.md 2.1 (2).
 */
#include "profiler/sources/source_rapl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/sys/class/powercap"
#define UNLOCK "sudo chmod a+r " ROOT "/*/energy_uj"

typedef struct zone {
    int fd;
    uint64_t wrap;         /* of the channel; 0: not known */
} zone;

static int read_zone(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    const zone *z = s->state;
    char text[64];
    uint64_t uj;
    (void)begin_ns, (void)end_ns;
    ok[0] = false;
    const int64_t n = eprof__reread_text(io, z->fd, text, sizeof text);
    if (n < 0) return (int)n;
    if (n == 0 || text[n - 1] != '\n') return -EINVAL; /* a number that was cut is a wild one */
    const int status = eprof__parse_u64(text, &uj);
    if (status != 0) return status;
    if (uj > INT64_MAX || (z->wrap && uj >= z->wrap)) return -ERANGE;
    raw[0] = (int64_t)uj;
    ok[0] = true;
    return 0;
}

static void close_zone(eprof__source *s, const eprof_io *io)
{
    zone *z = s->state;
    if (z && z->fd >= 0) io->close(io->user, z->fd);
    free(z);
    s->state = NULL;
}

/* ----------------------------------------------------------------------------------------------- probing -- */

static int64_t read_of(const eprof_io *io, const char *folder, const char *file, char *text, size_t n)
{
    char path[160];
    (void)snprintf(path, sizeof path, ROOT "/%.64s/%s", folder, file);
    return eprof__read_text(io, path, text, n);
}

static bool read_name(const eprof_io *io, const char *folder, char *name, size_t n)
{
    char text[64];
    if (read_of(io, folder, "name", text, sizeof text) <= 0) return false;
    (void)snprintf(name, n, "%.*s", (int)strcspn(text, "\n"), text);
    return *name != '\0';
}

/* "package-1/dram": the name of the zone, below that of its package. */
static bool label_of(const eprof_io *io, const char *folder, char *label, size_t n)
{
    char own[32], above[32], parent[64];
    if (!read_name(io, folder, own, sizeof own)) return false;
    (void)snprintf(parent, sizeof parent, "%s", folder);
    char *last = strrchr(parent, ':');
    const bool is_part = last && strchr(parent, ':') != last;
    if (is_part) *last = '\0';
    if (is_part && read_name(io, parent, above, sizeof above))
        (void)snprintf(label, n, "%s/%s", above, own);
    else
        (void)snprintf(label, n, "%s", own);
    return true;
}

static bool has_source(const eprof__sources *all, const char *name)
{
    for (int32_t i = 0; i < all->n; i++)
        if (strcmp(all->list[i].info.name, name) == 0) return true;
    return false;
}

/* 2^32 units of the device from the range, which is 2^32 - 1 of them; 0: not known. */
static uint64_t wrap_of(const eprof_io *io, const char *folder)
{
    char text[64];
    uint64_t range;
    if (read_of(io, folder, "max_energy_range_uj", text, sizeof text) <= 0) return 0;
    if (eprof__parse_u64(text, &range) != 0) return 0;
    if (range == 0 || range > INT64_MAX / 2) return 0;
    return range + (range + UINT32_MAX - 1) / UINT32_MAX;
}

static void open_zone(eprof__source *s, eprof__sources *all, const char *folder, eprof_scope scope)
{
    char path[160];
    const eprof_io *io = all->io;
    zone *z = calloc(1, sizeof *z);
    if (!z) {
        eprof__source_dead(s, NULL, "no memory");
        return;
    }
    s->state = z;
    (void)snprintf(path, sizeof path, ROOT "/%.64s/energy_uj", folder);
    z->fd = io->open(io->user, path, O_RDONLY | O_CLOEXEC);
    if (z->fd < 0) {
        const bool is_locked = z->fd == -EACCES || z->fd == -EPERM;
        eprof__source_dead(s, is_locked ? UNLOCK : NULL, "%s: %s", path, eprof__errno_text(z->fd));
        return;
    }
    z->wrap = wrap_of(io, folder);
    const double unit_j = z->wrap ? (double)z->wrap / 4294967296.0 * 1e-6 : 61e-6;
    eprof__rapl_describe(s, all, scope, 1e-6, z->wrap, unit_j, 1);
    s->at_edges = scope == EPROF_SCOPE_PACKAGE || scope == EPROF_SCOPE_DRAM || scope == EPROF_SCOPE_SOC;
}

static void probe_zone(eprof__sources *all, const char *folder)
{
    static const eprof__source_ops ops = { read_zone, close_zone };
    char label[72], name[160];
    if (!label_of(all->io, folder, label, sizeof label)) return;
    (void)snprintf(name, sizeof name, "powercap:%s", label);
    if (has_source(all, name)) (void)snprintf(name, sizeof name, "powercap:%s@%.64s", label, folder);
    eprof__source *s = eprof__sources_add(all, name);
    if (!s) return;
    const char *part = strrchr(label, '/');
    const eprof_scope scope = eprof__rapl_scope(part ? part + 1 : label);
    s->ops = &ops;
    s->info.scope = (int32_t)scope;
    s->info.cls = EPROF_CLASS_COUNTER;
    (void)snprintf(s->info.what, sizeof s->info.what, "RAPL, %.40s, through powercap (%.26s)", label, folder);
    open_zone(s, all, folder, scope);
}

static bool is_zone(const char *folder, bool is_mmio)
{
    return strstr(folder, "rapl") && strchr(folder, ':') && (strstr(folder, "mmio") != NULL) == is_mmio;
}

static void none_there(eprof__sources *all)
{
    bool is_intel, is_virtual;
    if (!eprof__is_x86(all->io, &is_intel, &is_virtual)) return;
    eprof__source *s = eprof__sources_add(all, "powercap");
    if (!s) return;
    s->info.scope = EPROF_SCOPE_PACKAGE;
    (void)snprintf(s->info.what, sizeof s->info.what, "RAPL, through powercap");
    eprof__source_dead(s, is_virtual ? NULL : "sudo modprobe intel_rapl_msr", "no RAPL zones in " ROOT "%s",
                       is_virtual ? ": this is a virtual machine" : "");
}

/* The MSR's zones first, so that of twins the mmio one is the twin. */
void eprof__probe_powercap(eprof__sources *all)
{
    const int32_t n_before = all->n;
    char *names;
    (void)eprof__list_names(all->io, ROOT, &names);
    for (int is_mmio = 0; is_mmio < 2; is_mmio++)
        for (const char *name = names; name && *name; name += strlen(name) + 1)
            if (is_zone(name, is_mmio)) probe_zone(all, name);
    free(names);
    if (all->n == n_before) none_there(all);
}
