/* SPDX-License-Identifier: MIT
 * report.h - what a stopped profiler is written as. eprof_write chooses; each format is a file.
 *
 * All of them walk over the same things: regions by eprof_result_of, audit, overhead, sources, and the record's facts.
 * The page alone looks at samples, for its curves.
 */
#ifndef EPROF_REPORT_REPORT_H
#define EPROF_REPORT_REPORT_H

#include "profiler/record/record.h"
#include "profiler/report/text_out.h"

eprof_status eprof__write_json(const eprof *p, eprof__out *o, eprof_error *err);
eprof_status eprof__write_csv(const eprof *p, eprof__out *o, eprof_error *err);
eprof_status eprof__write_html(const eprof *p, eprof__out *o, eprof_error *err);

/** The record of a profiler: the one place of this folder that knows how a profiler holds it. */
const eprof__record *eprof__record_of(const eprof *p);
/** All regions, the run being the first. *n of them, freed by the caller. */
eprof_status eprof__results_of(const eprof *p, eprof_result **out, int32_t *n, eprof_error *err);
/** Depth of a region below the run: 0 the run, 1 without parent... */
int32_t eprof__depth_of(const eprof__record *r, const eprof_result *region);

/** One sentence for a person; never NULL. flag: 0..EPROF_N_FLAGS-1. explain.c */
const char *eprof__explain_flag(int32_t flag);
const char *eprof__explain_class(int32_t cls);
const char *eprof__explain_scope(int32_t scope);
const char *eprof__explain_term(int32_t term);
const char *eprof__explain_grade(int32_t grade);

#endif
