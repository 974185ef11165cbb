/* SPDX-License-Identifier: MIT
 * ioreport_names.h - which of IOReport's energy channels count as what, and in which unit.
 */
#ifndef EPROF_SOURCES_IOREPORT_NAMES_H
#define EPROF_SOURCES_IOREPORT_NAMES_H

#include "profiler/sources/source.h"

typedef enum eprof__apple_part {
    EPROF__APPLE_CPU, EPROF__APPLE_GPU, EPROF__APPLE_ANE, EPROF__APPLE_DRAM, EPROF__APPLE_GPU_SRAM,
    EPROF__N_APPLE_PARTS,
    EPROF__APPLE_NONE = EPROF__N_APPLE_PARTS
} eprof__apple_part;

typedef struct eprof__apple_channel {
    const char *name, *unit;     /* as IOReport gives them; unit may have blanks behind it */
    eprof__apple_part part;      /* set by the choice */
    int64_t nanojoules;          /* of one count; set by the choice. 0: NONE, or an unknown unit */
} eprof__apple_channel;

/** Choose the channels that add up to each part, each joule once: totals, never the cores and clusters within them.
 *  GPU<n> only where there is no "GPU Energy". */
void eprof__apple_choose(eprof__apple_channel *channels, int32_t n);

/** Counts of a channel as nanojoules; -1: negative, or more than fits. */
int64_t eprof__apple_nanojoules(const eprof__apple_channel *c, int64_t counts);

#endif
