/* SPDX-License-Identifier: MIT
 * results.h - figures on their way to JSON and back: an object keeps the samples, so that a later run can be compared
 * with it.
 */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "bench/stats.h"

/** {"median": , "low95": , "high95": }, with "samples" unless v is NULL. */
cJSON *bench_result_json(bench_estimate e, const double *v, int n);
/** The samples of such an object. 0: there are none, or not numbers above 0. */
int bench_result_samples(const cJSON *result, double v[BENCH_MAX_SAMPLES]);

/** Read a file that a bench wrote, of the given schema. NULL after saying why, and *exit_code. */
cJSON *bench_results_load(const char *program, const char *path, const char *schema, int *exit_code);
/** Print in one line; false when stdout is full or closed. Frees j. */
bool bench_print_json(const char *program, cJSON *j);

/* The end of a table of ratios: how many there were, and how many differ. */
typedef struct bench_comparison {
    int n_same, n_faster, n_slower, n_missing;
} bench_comparison;
/** Print one line of it: new over old, above 1 is faster. Counts. */
void bench_compare_line(bench_comparison *c, const char *name, const double *new_v, int n_new, const double *old_v,
                        int n_old, const char *unit);
void bench_compare_end(const bench_comparison *c);

#endif
