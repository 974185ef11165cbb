/* SPDX-License-Identifier: MIT
 * source_rapl.h - what perf events, powercap zones and MSRs of Intel's and AMD's energy counters have in common.
 */
#ifndef EPROF_SOURCES_SOURCE_RAPL_H
#define EPROF_SOURCES_SOURCE_RAPL_H

#include "profiler/sources/source.h"

/** Scope of a domain as the kernel names it: "package-0-die-1", "energy-ram", "psys"... OTHER: unknown. psys, the
 *  platform, is SOC: what it covers beyond the package is the maker's choice. */
eprof_scope eprof__rapl_scope(const char *domain);

/** Make `s` a source of one energy channel that is live so far: its name is the source's. scale: J per raw; wrap as in
 *  the channel; lsb_j: step of the device; n_parts: how many such domains it sums. Period, bounds and accuracy follow
 *  from scope and maker. */
void eprof__rapl_describe(eprof__source *s, const eprof__sources *all, eprof_scope scope, double scale, uint64_t wrap,
                          double lsb_j, int n_parts);

#endif
