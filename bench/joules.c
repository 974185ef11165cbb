/* SPDX-License-Identifier: MIT
 * joules.c - the profiler beside a bench.
 */
#include "bench/joules.h"

#include <stdio.h>
#include <string.h>

#include "bench/results.h"

eprof *bench_profiler_open(double idle_s, einf_error *err)
{
    eprof_error why = EPROF_INIT(eprof_error);
    eprof *p = NULL;
    eprof_status status = eprof_create(NULL, &p, &why);
    if (status == EPROF_OK) status = eprof_start(p, &why);
    if (status == EPROF_OK && idle_s > 0) status = eprof_baseline(p, idle_s, &why);
    if (status == EPROF_OK) return p;
    err->code = EINF_E_STATE;
    snprintf(err->message, sizeof err->message, "%s", why.message);
    snprintf(err->hint, sizeof err->hint, "%s", why.hint);
    eprof_destroy(&p);
    return NULL;
}

void bench_joules_add(bench_joules *j, eprof *p, eprof_region r, int n_tokens)
{
    eprof_result result = EPROF_INIT(eprof_result);
    eprof_annotate(p, r, "tokens", n_tokens);
    if (eprof_end(p, r, &result, NULL) != EPROF_OK || j->n == BENCH_MAX_SAMPLES) return;
    const bool has_energy = result.n_energies > 0;
    j->core_s[j->n] = result.cpu.own_core_s / n_tokens;
    j->gross_j[j->n] = has_energy ? result.energy[0].gross_j / n_tokens : EPROF_ABSENT;
    j->net_j[j->n] = has_energy ? result.energy[0].net_j / n_tokens : EPROF_ABSENT;
    j->n++;
    if (!has_energy) return;
    memcpy(j->source, result.energy[0].source, sizeof j->source);
    j->scope = result.energy[0].scope;
    j->grade = result.energy[0].grade;
}

/* The samples that are there. */
static int present(const double *from, int n, double *to)
{
    int n_there = 0;
    for (int i = 0; i < n; i++)
        if (eprof_has(from[i])) to[n_there++] = from[i];
    return n_there;
}

static void add(cJSON *o, const char *key, const double *samples, int n)
{
    double there[BENCH_MAX_SAMPLES];
    const int n_there = present(samples, n, there);
    if (n_there) cJSON_AddItemToObject(o, key, bench_result_json(bench_estimate_of(there, n_there), there, n_there));
}

cJSON *bench_joules_json(const bench_joules *j)
{
    cJSON *o = cJSON_CreateObject();
    add(o, "cpu_core_s_per_token", j->core_s, j->n);
    add(o, "gross_j_per_token", j->gross_j, j->n);
    add(o, "net_j_per_token", j->net_j, j->n);
    if (!j->source[0]) return o;
    const char grade[2] = { (char)j->grade, '\0' };
    cJSON_AddStringToObject(o, "source", j->source);
    cJSON_AddStringToObject(o, "scope", eprof_scope_name(j->scope));
    if (j->grade) cJSON_AddStringToObject(o, "grade", grade);
    return o;
}

static void print_one(const char *what, const double *samples, int n)
{
    double there[BENCH_MAX_SAMPLES];
    const int n_there = present(samples, n, there);
    if (!n_there) return;
    const bench_estimate e = bench_estimate_of(there, n_there);
    printf("  %s %.4g (%.4g to %.4g)", what, e.median, e.low95, e.high95);
}

void bench_joules_print(const bench_joules *j)
{
    printf("    a token:");
    print_one("CPU core-s", j->core_s, j->n);
    print_one("gross J", j->gross_j, j->n);
    print_one("net J", j->net_j, j->n);
    if (!j->source[0]) printf("  (nothing measures energy here)\n");
    else if (j->grade) printf("  (%s, %s, grade %c)\n", j->source, eprof_scope_name(j->scope), (char)j->grade);
    else printf("  (%s, %s)\n", j->source, eprof_scope_name(j->scope));
}
