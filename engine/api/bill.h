/* SPDX-License-Identifier: MIT
 * bill.h - the host's profiler beside the engine: a region for each phase and generation, what they cost, and budgets.
 *
 * The one place that knows <edgeprof/edgeprof.h>. Without a profiler the trace hooks are all that is called.
 */
#ifndef EINF_API_BILL_H
#define EINF_API_BILL_H

#include <edgeprof/edgeprof.h>

#include "engine/api/api_internal.h"

/* A phase under way. */
typedef struct einf__phase {
    einf_runtime *rt;
    int32_t phase;       /* EINF_PHASE_* */
    eprof_region region; /* 0: none */
} einf__phase;

/** The host's hooks and profiler hear of a phase; parent: the generation's region, or 0. */
einf__phase einf__phase_begin(einf_runtime *rt, int32_t phase, uint64_t n_units, eprof_region parent);
/** And of its end. gross_j (may be NULL): its energy, NAN when nothing measures. */
void einf__phase_end(const einf__phase *p, uint64_t n_units, einf_status status, double *gross_j);

/* A generation under way, and how much of it is allowed. */
typedef struct einf__bill {
    einf_runtime *rt;
    eprof_region region;
    double start_s, max_seconds, max_joules;
    double prefill_j, decode_j, image_j;
} einf__bill;

/** EINF_E_ARG for limits that are none, EINF_E_STATE for a limit of energy that nobody counts: *out then has no
 *  region. */
einf_status einf__bill_open(einf_runtime *rt, const einf_generate_config *config, einf__bill *out, einf_error *err);
/** EINF_STOP_SECONDS, EINF_STOP_JOULES, or EINF_STOP_NONE. */
int32_t einf__bill_exceeded(const einf__bill *b);
/** Ends the region, if there is one, and fills the result's cost. */
void einf__bill_close(const einf__bill *b, einf_result *result);

#endif
