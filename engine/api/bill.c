/* SPDX-License-Identifier: MIT
 * bill.c - phases and generations as regions of the host's profiler, and what it says of them.
 */
#include "engine/api/bill.h"

#include <math.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

static double gross_of(const eprof_result *r)
{
    return r->n_energies > 0 ? r->energy[0].gross_j : EPROF_ABSENT;
}

/* ------------------------------------------------------------------------------------------------ phases -- */

einf__phase einf__phase_begin(einf_runtime *rt, int32_t phase, uint64_t n_units, eprof_region parent)
{
    static const char *const names[] = { "load", "prefill", "decode", "image" };
    einf__phase p = { .rt = rt, .phase = phase };
    einf__trace_begin(&rt->trace, phase, n_units);
    if (rt->profiler) p.region = eprof_begin(rt->profiler, parent, names[phase]);
    return p;
}

void einf__phase_end(const einf__phase *p, uint64_t n_units, einf_status status, double *gross_j)
{
    if (p->region) {
        eprof_result r = EPROF_INIT(eprof_result);
        eprof_annotate(p->rt->profiler, p->region, p->phase == EINF_PHASE_LOAD ? "bytes" : "tokens", (double)n_units);
        const eprof_status ended = eprof_end(p->rt->profiler, p->region, gross_j ? &r : NULL, NULL);
        if (gross_j) *gross_j = ended == EPROF_OK ? gross_of(&r) : EPROF_ABSENT;
    } else if (gross_j) {
        *gross_j = EPROF_ABSENT;
    }
    einf__trace_end(&p->rt->trace, p->phase, n_units, status);
}

/* ----------------------------------------------------------------------------------------------- budgets -- */

static einf_status check_limit(const char *name, double limit, einf_error *err)
{
    if (isfinite(limit) && limit >= 0) return EINF_OK;
    return einf__fail_arg(err, name, "%s is %s, expected 0 (no limit) or a positive number", name,
                          isfinite(limit) ? "negative" : "not finite");
}

static einf_status check_counter(const einf__bill *b, einf_error *err)
{
    double joules;
    eprof_error why = EPROF_INIT(eprof_error);
    if (b->region && eprof_joules(b->rt->profiler, b->region, &joules, &why) == EPROF_OK) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "max_joules",
                      b->rt->profiler ? "edgeprof sources says what could count, and what keeps it from it"
                                      : "give the runtime a profiler",
                      b->rt->profiler ? "no energy counter lives here that a limit could go by"
                                      : "a limit of energy needs a profiler, and the runtime has none");
}

einf_status einf__bill_open(einf_runtime *rt, const einf_generate_config *config, einf__bill *out, einf_error *err)
{
    *out = (einf__bill){ .rt = rt, .start_s = now_s(), .max_seconds = config->max_seconds,
                         .max_joules = config->max_joules, .prefill_j = EPROF_ABSENT, .decode_j = EPROF_ABSENT,
                         .image_j = EPROF_ABSENT };
    EINF_TRY(check_limit("max_seconds", config->max_seconds, err));
    EINF_TRY(check_limit("max_joules", config->max_joules, err));
    if (rt->profiler) out->region = eprof_begin(rt->profiler, 0, "generate");
    if (config->max_joules <= 0) return EINF_OK;
    const einf_status status = check_counter(out, err);
    if (status == EINF_OK || !out->region) return status;
    (void)eprof_end(rt->profiler, out->region, NULL, NULL);
    out->region = 0;
    return status;
}

int32_t einf__bill_exceeded(const einf__bill *b)
{
    double joules;
    if (b->max_seconds > 0 && now_s() - b->start_s >= b->max_seconds) return EINF_STOP_SECONDS;
    if (b->max_joules > 0 && eprof_joules(b->rt->profiler, b->region, &joules, NULL) == EPROF_OK &&
        joules >= b->max_joules)
        return EINF_STOP_JOULES;
    return EINF_STOP_NONE;
}

/* ------------------------------------------------------------------------------------------------- costs -- */

static void clear(einf_cost *c)
{
    *c = (einf_cost){ .cpu_auc_pct_s = EPROF_ABSENT, .cpu_auc_sampled_pct_s = EPROF_ABSENT,
                      .foreign_cpu_pct = EPROF_ABSENT, .ram_auc_mib_s = EPROF_ABSENT,
                      .ram_auc_file_mib_s = EPROF_ABSENT, .gross_j = EPROF_ABSENT, .net_j = EPROF_ABSENT,
                      .u95_j = EPROF_ABSENT, .prefill_j = EPROF_ABSENT, .decode_j = EPROF_ABSENT,
                      .image_j = EPROF_ABSENT };
}

static void copy_energy(einf_cost *c, const eprof_result *r)
{
    if (r->n_energies < 1) return;
    const eprof_energy *e = &r->energy[0];
    c->gross_j = e->gross_j;
    c->net_j = e->net_j;
    c->u95_j = 2 * (eprof_has(e->net_j) ? e->u_net_j : e->u_gross_j);
    c->grade = e->grade;
    c->scope = e->scope;
    c->flags |= e->flags;
    memcpy(c->source, e->source, sizeof c->source);
}

void einf__bill_close(const einf__bill *b, einf_result *result)
{
    einf_cost *c = &result->cost;
    clear(c);
    if (!b->region) return;
    eprof_annotate(b->rt->profiler, b->region, "prompt", result->n_prompt);
    if (result->n_images) eprof_annotate(b->rt->profiler, b->region, "image", result->n_image_tokens);
    eprof_annotate(b->rt->profiler, b->region, "cached", result->n_cached);
    eprof_annotate(b->rt->profiler, b->region, "generated", result->n_generated);
    eprof_result r = EPROF_INIT(eprof_result);
    if (eprof_end(b->rt->profiler, b->region, &r, NULL) != EPROF_OK) return;
    c->flags = r.flags;
    c->cpu_auc_pct_s = r.cpu.auc_exact_pct_s;
    c->cpu_auc_sampled_pct_s = r.cpu.auc_sampled_pct_s;
    c->foreign_cpu_pct = r.cpu.foreign_pct;
    c->ram_auc_mib_s = r.ram.auc_anon_mib_s;
    c->ram_auc_file_mib_s = r.ram.auc_file_mib_s;
    copy_energy(c, &r);
    c->prefill_j = b->prefill_j;
    c->decode_j = b->decode_j;
    c->image_j = b->image_j;
    result->has_energy = eprof_has(c->gross_j);
    result->energy_j = result->has_energy ? c->gross_j : 0;
}
