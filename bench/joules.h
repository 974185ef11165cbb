/* SPDX-License-Identifier: MIT
 * joules.h - what a run of a bench cost, by the profiler: energy and CPU time a token.
 */
#ifndef BENCH_JOULES_H
#define BENCH_JOULES_H

#include <cjson/cJSON.h>

#include <edgeinfer/edgeinfer.h>
#include <edgeprof/edgeprof.h>

#include "bench/stats.h"

/* A point's runs. */
typedef struct bench_joules {
    double gross_j[BENCH_MAX_SAMPLES], net_j[BENCH_MAX_SAMPLES]; /* a token; NAN: not measured */
    double core_s[BENCH_MAX_SAMPLES];
    int n;
    char source[48];          /* "": nothing measures energy here */
    int32_t scope, grade;     /* of the last run */
} bench_joules;

/** A started profiler that has watched the idle machine for a while; NULL: *err says why there is none. */
eprof *bench_profiler_open(double idle_s, einf_error *err);
/** End a region of n_tokens, and keep what it cost. */
void bench_joules_add(bench_joules *j, eprof *p, eprof_region r, int n_tokens);
/** Medians; what was not measured is not there. */
cJSON *bench_joules_json(const bench_joules *j);
void bench_joules_print(const bench_joules *j);

#endif
