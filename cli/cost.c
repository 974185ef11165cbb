/* SPDX-License-Identifier: MIT
 * cost.c - a profiler for the engine, and its figures as text and JSON.
 */
#include "cli/cost.h"

#include <stdio.h>
#include <string.h>

static bool is_wanted(const cli_options *o)
{
    return o->cost || o->baseline_s > 0 || o->max_joules > 0 || o->profile || o->power;
}

static int fail(const eprof_error *err)
{
    const int code = err->code == EPROF_E_ARG ? EXIT_USAGE : EXIT_FAILED;
    return cli_fail(code, err->hint[0] ? err->hint : NULL, "%s%s%s", err->where, err->where[0] ? ": " : "",
                    err->message);
}

int cli_profiler_open(const cli_options *o, eprof **out)
{
    *out = NULL;
    if (!is_wanted(o)) return EXIT_DONE;
    eprof_error err = EPROF_INIT(eprof_error);
    eprof_config c = EPROF_INIT(eprof_config);
    c.log_path = o->profile;
    c.sources = o->power;
    if (eprof_create(&c, out, &err) != EPROF_OK) return fail(&err);
    if (eprof_start(*out, &err) == EPROF_OK) return EXIT_DONE;
    eprof_destroy(out);
    return fail(&err);
}

int cli_profiler_close(const cli_options *o, eprof **p, int code)
{
    eprof_error err = EPROF_INIT(eprof_error);
    if (!*p) return code;
    eprof_status stopped = eprof_stop(*p, &err);
    if (stopped == EPROF_E_STATE) stopped = EPROF_OK; /* it was, to settle the cost */
    eprof_destroy(p);
    if (stopped != EPROF_OK && code == EXIT_DONE) return fail(&err);
    if (o->profile && !o->quiet)
        fprintf(stderr, "profile: %s (edgeprof report %s -o report.html)\n", o->profile, o->profile);
    return code;
}

double cli_watch_idle(const cli_options *o, eprof *p)
{
    const double start_s = cli_now_s();
    if (!p || o->baseline_s <= 0) return 0;
    if (!o->quiet) fprintf(stderr, "watching the idle machine for %.1f s\n", o->baseline_s);
    (void)eprof_baseline(p, o->baseline_s, NULL); /* without it net energy is absent, which says so itself */
    return cli_now_s() - start_s;
}

/* ------------------------------------------------------------------------------------------- last figures -- */

static double gross_of(const eprof_result *r)
{
    return r->n_energies > 0 ? r->energy[0].gross_j : EPROF_ABSENT;
}

static void take_energy(einf_cost *c, const eprof_energy *e)
{
    c->gross_j = e->gross_j;
    c->net_j = e->net_j;
    c->u95_j = 2 * (eprof_has(e->net_j) ? e->u_net_j : e->u_gross_j);
    c->grade = e->grade;
    c->scope = e->scope;
    c->flags |= e->flags;
    memcpy(c->source, e->source, sizeof c->source);
}

static void take_region(einf_cost *c, const eprof_result *g)
{
    c->cpu_auc_pct_s = g->cpu.auc_exact_pct_s;
    c->cpu_auc_sampled_pct_s = g->cpu.auc_sampled_pct_s;
    c->foreign_cpu_pct = g->cpu.foreign_pct;
    c->ram_auc_mib_s = g->ram.auc_anon_mib_s;
    c->ram_auc_file_mib_s = g->ram.auc_file_mib_s;
    c->flags = g->flags;
    if (g->n_energies > 0) take_energy(c, &g->energy[0]);
}

/* The last region of this name and its phases, which come behind it; every picture is a phase of its own. Returns the
 * CPU time. */
static double take_last(const eprof *p, const char *name, einf_cost *c)
{
    double cpu_core_s = EPROF_ABSENT;
    eprof_result r = EPROF_INIT(eprof_result);
    eprof_region last = 0;
    for (int32_t i = 1; eprof_result_of(p, i, &r, NULL) == EPROF_OK; i++) {
        if (strcmp(r.name, name) == 0) {
            last = r.id;
            c->image_j = EPROF_ABSENT;
            cpu_core_s = r.cpu.own_core_s;
            take_region(c, &r);
        } else if (last && r.parent == last && strcmp(r.name, "prefill") == 0) {
            c->prefill_j = gross_of(&r);
        } else if (last && r.parent == last && strcmp(r.name, "decode") == 0) {
            c->decode_j = gross_of(&r);
        } else if (last && r.parent == last && strcmp(r.name, "image") == 0) {
            c->image_j = gross_of(&r) + (eprof_has(c->image_j) ? c->image_j : 0);
        }
        r = (eprof_result)EPROF_INIT(eprof_result);
    }
    return cpu_core_s;
}

/* With the idle time behind it. False: close says it again, with the reason. */
static bool stop_after_rest(const cli_options *o, eprof *p)
{
    (void)eprof_baseline(p, o->baseline_s > 1 ? o->baseline_s / 2 : 0.5, NULL);
    return eprof_stop(p, NULL) == EPROF_OK;
}

void cli_cost_settle(const cli_options *o, eprof *p, einf_result *r)
{
    if (!p || !eprof_has(r->cost.cpu_auc_pct_s)) return;
    if (stop_after_rest(o, p)) (void)take_last(p, "generate", &r->cost);
}

void cli_cost_of_region(const cli_options *o, eprof *p, const char *name, einf_result *out)
{
    einf_cost *c = &out->cost;
    *out = (einf_result)EINF_INIT(einf_result);
    c->cpu_auc_pct_s = c->cpu_auc_sampled_pct_s = c->foreign_cpu_pct = c->ram_auc_mib_s = c->ram_auc_file_mib_s =
        EPROF_ABSENT;
    c->gross_j = c->net_j = c->u95_j = c->prefill_j = c->decode_j = c->image_j = EPROF_ABSENT;
    if (p && stop_after_rest(o, p)) out->cpu_core_s = take_last(p, name, c);
    out->has_cpu = p && eprof_has(out->cpu_core_s);
}

/* --------------------------------------------------------------------------------------------------- JSON -- */

static void add(cJSON *o, const char *key, double x)
{
    if (eprof_has(x)) cJSON_AddNumberToObject(o, key, x);
}

static void add_energy(cJSON *cost, const einf_result *r)
{
    const einf_cost *c = &r->cost;
    if (!c->source[0]) return;
    cJSON *e = cJSON_AddObjectToObject(cost, "energy");
    const char grade[2] = { (char)c->grade, '\0' };
    cJSON_AddStringToObject(e, "source", c->source);
    cJSON_AddStringToObject(e, "scope", eprof_scope_name(c->scope));
    if (c->grade) cJSON_AddStringToObject(e, "grade", grade);
    add(e, "gross_j", c->gross_j);
    add(e, "gross_wh", c->gross_j / 3600);
    add(e, "net_j", c->net_j);
    add(e, "net_wh", c->net_j / 3600);
    add(e, "u95_j", c->u95_j);
    if (r->n_images > 0) add(e, "image_j", c->image_j);
    add(e, "prefill_j", c->prefill_j);
    add(e, "decode_j", c->decode_j);
}

void cli_json_cost(cJSON *cost, const einf_result *r)
{
    const einf_cost *c = &r->cost;
    add(cost, "cpu_auc_pct_s", c->cpu_auc_pct_s);
    add(cost, "cpu_auc_sampled_pct_s", c->cpu_auc_sampled_pct_s);
    add(cost, "foreign_cpu_pct", c->foreign_cpu_pct);
    add(cost, "ram_auc_mib_s", c->ram_auc_mib_s);
    add(cost, "ram_auc_file_mib_s", c->ram_auc_file_mib_s);
    add_energy(cost, r);
    if (!eprof_has(c->cpu_auc_pct_s)) return;
    cJSON *flags = cJSON_AddArrayToObject(cost, "flags");
    for (int32_t i = 0; i < EPROF_N_FLAGS; i++)
        if (c->flags >> i & 1) cJSON_AddItemToArray(flags, cJSON_CreateString(eprof_flag_name(i)));
}

/* --------------------------------------------------------------------------------------------- for people -- */

static void print_energy(const einf_result *r)
{
    const einf_cost *c = &r->cost;
    if (!c->source[0]) {
        fprintf(stderr, "cost: energy: nothing measures it here; `edgeprof sources` says what could\n");
        return;
    }
    if (!eprof_has(c->gross_j)) {
        fprintf(stderr, "cost: energy: %s has no samples of this answer\n", c->source);
        return;
    }
    fprintf(stderr, "cost: energy %.4g J = %.3g mWh gross (%s, %s)", c->gross_j, c->gross_j / 3.6, c->source,
            eprof_scope_name(c->scope));
    if (eprof_has(c->net_j)) fprintf(stderr, ", net %.4g J", c->net_j);
    if (eprof_has(c->u95_j)) fprintf(stderr, " +- %.2g J (95 %%)", c->u95_j);
    if (c->grade) fprintf(stderr, ", grade %c", (char)c->grade);
    fputc('\n', stderr);
    if (r->n_images > 0 && eprof_has(c->image_j)) fprintf(stderr, "cost: pictures %.4g J\n", c->image_j);
    if (eprof_has(c->prefill_j) && eprof_has(c->decode_j))
        fprintf(stderr, "cost: prefill %.4g J, decode %.4g J, %.3g J a generated token\n", c->prefill_j, c->decode_j,
                r->n_generated ? c->gross_j / r->n_generated : 0.0);
}

static void print_flags(uint32_t flags)
{
    if (!flags) return;
    fprintf(stderr, "cost: noticed");
    for (int32_t i = 0; i < EPROF_N_FLAGS; i++)
        if (flags >> i & 1) fprintf(stderr, " %s", eprof_flag_name(i));
    fputc('\n', stderr);
}

void cli_print_cost(const einf_result *r)
{
    const einf_cost *c = &r->cost;
    if (!eprof_has(c->cpu_auc_pct_s)) return;
    fprintf(stderr, "cost: CPU %.3f core-s, area %.1f %% s", r->cpu_core_s, c->cpu_auc_pct_s);
    if (eprof_has(c->cpu_auc_sampled_pct_s)) fprintf(stderr, " (sampled %.1f)", c->cpu_auc_sampled_pct_s);
    if (eprof_has(c->ram_auc_mib_s)) fprintf(stderr, "; memory %.4g MiB s", c->ram_auc_mib_s);
    if (eprof_has(c->ram_auc_file_mib_s)) fprintf(stderr, ", mapped files %.4g MiB s", c->ram_auc_file_mib_s);
    fputc('\n', stderr);
    print_energy(r);
    print_flags(c->flags);
}
