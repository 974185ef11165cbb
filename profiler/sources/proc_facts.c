/* SPDX-License-Identifier: MIT
 * proc_facts.c - what machine this is: names, CPUs, memory, and what kind of processor.
 *
 * Nothing here is needed to measure; what cannot be read stays empty.
 * Facts: proc(5), sysfs-devices-system-cpu, device-tree/model ends in NUL, DMI names of smbios.
 */
#include "profiler/sources/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a file, printable and without blanks at its ends. */
static void read_name(const eprof_io *io, const char *path, char *out, size_t n)
{
    char text[256];
    if (eprof__read_text(io, path, text, sizeof text) < 0) text[0] = '\0';
    size_t size = strcspn(text, "\n");
    while (size && text[size - 1] == ' ') size--;
    (void)snprintf(out, n, "%.*s", (int)size, text + strspn(text, " "));
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) *p = '?';
}

/* The start of /proc/cpuinfo: what the first CPU says, long enough for its flags. */
static bool read_cpuinfo(const eprof_io *io, char *text, size_t n)
{
    const int fd = io->open(io->user, "/proc/cpuinfo", 0);
    if (fd < 0) return false;
    size_t got = 0;
    while (got + 1 < n) {
        const int64_t piece = io->pread(io->user, fd, text + got, n - 1 - got, got);
        if (piece <= 0) break;
        got += (size_t)piece;
    }
    io->close(io->user, fd);
    text[got] = '\0';
    return got > 0;
}

/* What stands behind "KEY\t: " at the start of a line. */
static bool field(const char *text, const char *key, char *out, size_t n)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *p = line + strlen(key);
        p += strspn(p, " \t");
        if (*p != ':') continue;
        p += 1 + strspn(p + 1, " \t");
        (void)snprintf(out, n, "%.*s", (int)strcspn(p, "\n"), p);
        return true;
    }
    return false;
}

bool eprof__is_x86(const eprof_io *io, bool *is_intel, bool *is_virtual)
{
    char text[8192], vendor[32] = "", flags[4096] = "";
    *is_intel = *is_virtual = false;
    if (!read_cpuinfo(io, text, sizeof text) || !field(text, "vendor_id", vendor, sizeof vendor)) return false;
    *is_intel = strcmp(vendor, "GenuineIntel") == 0;
    *is_virtual = field(text, "flags", flags, sizeof flags) && strstr(flags, " hypervisor") != NULL;
    return *is_intel || strcmp(vendor, "AuthenticAMD") == 0 || strcmp(vendor, "HygonGenuine") == 0;
}

static int32_t read_n_cpus(const eprof_io *io)
{
    char text[4096];
    if (eprof__read_text(io, "/sys/devices/system/cpu/online", text, sizeof text) > 0) {
        const int32_t n = eprof__parse_cpu_list(text, NULL, 0);
        if (n > 0) return n;
    }
    char *stat = malloc(1 << 18);
    int32_t n = 0;
    if (stat && eprof__read_text(io, "/proc/stat", stat, 1 << 18) > 0)
        for (const char *p = stat; (p = strstr(p, "\ncpu")) != NULL; p += 4) n += p[4] >= '0' && p[4] <= '9';
    free(stat);
    return n;
}

static double read_ram_total(const eprof_io *io)
{
    char text[8192], value[64], *unit;
    int64_t kib;
    if (eprof__read_text(io, "/proc/meminfo", text, sizeof text) < 0 || !field(text, "MemTotal", value, sizeof value))
        return EPROF_ABSENT;
    if ((unit = strstr(value, " kB")) != NULL) *unit = '\0';
    return eprof__parse_i64(value, &kib) == 0 && kib > 0 ? (double)kib / 1024 : EPROF_ABSENT;
}

static void read_machine(const eprof_io *io, char *out, size_t n)
{
    char vendor[48], product[48];
    read_name(io, "/proc/device-tree/model", out, n);
    if (*out) return;
    read_name(io, "/sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
    read_name(io, "/sys/class/dmi/id/product_name", product, sizeof product);
    (void)snprintf(out, n, "%s%s%s", vendor, *vendor && *product ? " " : "", product);
}

void eprof__read_facts(const eprof_io *io, eprof__facts *out)
{
    char text[8192] = "", release[64], type[16];
    read_name(io, "/proc/sys/kernel/hostname", out->host, sizeof out->host);
    read_name(io, "/proc/sys/kernel/ostype", type, sizeof type);
    read_name(io, "/proc/sys/kernel/osrelease", release, sizeof release);
    (void)snprintf(out->kernel, sizeof out->kernel, "%s%s%s", type, *type && *release ? " " : "", release);
    out->cpu[0] = '\0';
    if (read_cpuinfo(io, text, sizeof text) && !field(text, "model name", out->cpu, sizeof out->cpu))
        (void)field(text, "Hardware", out->cpu, sizeof out->cpu);
    read_machine(io, out->machine, sizeof out->machine);
    (void)snprintf(out->version, sizeof out->version, "%s", EPROF_VERSION);
    out->n_cpus = read_n_cpus(io);
    out->ram_total_mib = read_ram_total(io);
}
