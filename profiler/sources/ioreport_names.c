/* SPDX-License-Identifier: MIT
 * ioreport_names.c - the names of IOReport's "Energy Model" channels: whole names and suffixes only.
 *
 * Facts: profiling.md 2.9. There are hundreds, and each core's energy is also in its cluster's and in the total: a
 * search for "CPU" anywhere in a name once added 334 of them up to 106.7 W where 36.2 W were drawn (lablup/all-smi
 * pull 412). Portable, so that it is tested where there is no IOReport.
 */
#include "profiler/sources/ioreport_names.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits, as many as there are, also none. */
static const char *skip_digits(const char *p)
{
    while (is_digit(*p)) p++;
    return p;
}

/* "DIE_<n>_" before a name, which the parts of an Ultra have. */
static const char *skip_die(const char *name)
{
    if (strncmp(name, "DIE_", 4) != 0 || !is_digit(name[4])) return name;
    const char *p = skip_digits(name + 4);
    return *p == '_' ? p + 1 : name;
}

static bool ends_with(const char *name, const char *suffix)
{
    const size_t n = strlen(name), n_suffix = strlen(suffix);
    return n >= n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

/* A word and perhaps a number: "ANE", "ANE0". */
static bool is_numbered(const char *name, const char *word)
{
    const size_t n = strlen(word);
    return strncmp(name, word, n) == 0 && *skip_digits(name + n) == '\0';
}

static eprof__apple_part part_of(const char *name)
{
    const char *p = skip_die(name);
    if (strcmp(p, "CPU Energy") == 0 || ends_with(p, " CPU Energy")) return EPROF__APPLE_CPU;
    if (strcmp(p, "GPU Energy") == 0) return EPROF__APPLE_GPU;
    if (is_numbered(p, "ANE")) return EPROF__APPLE_ANE;
    if (is_numbered(p, "DRAM")) return EPROF__APPLE_DRAM;
    if (is_numbered(p, "GPU SRAM")) return EPROF__APPLE_GPU_SRAM;
    return EPROF__APPLE_NONE;
}

static int64_t unit_nanojoules(const char *unit)
{
    static const struct { const char *name; int64_t nanojoules; } known[] = { { "mJ", 1000000 }, { "uJ", 1000 },
                                                                              { "nJ", 1 } };
    size_t n = strlen(unit);
    while (n > 0 && unit[n - 1] == ' ') n--;
    for (int i = 0; i < 3; i++)
        if (n == 2 && memcmp(unit, known[i].name, 2) == 0) return known[i].nanojoules;
    return 0;
}

void eprof__apple_choose(eprof__apple_channel *channels, int32_t n)
{
    bool has_gpu_total = false;
    for (int32_t i = 0; i < n; i++) {
        channels[i].nanojoules = unit_nanojoules(channels[i].unit);
        channels[i].part = channels[i].nanojoules ? part_of(channels[i].name) : EPROF__APPLE_NONE;
        if (channels[i].part == EPROF__APPLE_GPU) has_gpu_total = true;
    }
    for (int32_t i = 0; i < n; i++) {
        const char *p = skip_die(channels[i].name);
        const bool is_numbered_gpu = is_numbered(p, "GPU") && p[3];
        if (!has_gpu_total && is_numbered_gpu && channels[i].nanojoules) channels[i].part = EPROF__APPLE_GPU;
        if (channels[i].part == EPROF__APPLE_NONE) channels[i].nanojoules = 0;
    }
}

int64_t eprof__apple_nanojoules(const eprof__apple_channel *c, int64_t counts)
{
    if (counts < 0 || (c->nanojoules && counts > INT64_MAX / c->nanojoules)) return -1;
    return counts * c->nanojoules;
}
