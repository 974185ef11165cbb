/* SPDX-License-Identifier: MIT
 * json_report.c - results as JSON: units in the keys, absent numbers left out, flags by name.
 *
 * Times are seconds since the start of the run. A key is written together with its value or not at all, so that a
 * reader tests for presence and never for NaN or null.
 */
#include "profiler/report/report.h"

#include <stdlib.h>

#include "profiler/run/profiler.h"

typedef struct json {
    eprof__out *o;
    bool follows;            /* a member stands before, in the object or array that is open */
} json;

static void key(json *j, const char *name)
{
    if (j->follows) eprof__out_text(j->o, ",");
    j->follows = true;
    if (!name) return;       /* in an array */
    eprof__out_json(j->o, name);
    eprof__out_text(j->o, ":");
}

static void open_with(json *j, const char *name, const char *bracket)
{
    key(j, name);
    eprof__out_text(j->o, bracket);
    j->follows = false;
}

static void close_with(json *j, const char *bracket)
{
    eprof__out_text(j->o, bracket);
    j->follows = true;
}

static void number(json *j, const char *name, double x)
{
    if (!isfinite(x)) return;
    key(j, name);
    eprof__out_double(j->o, x);
}

static void integer(json *j, const char *name, int64_t x)
{
    key(j, name);
    eprof__out_format(j->o, "%lld", (long long)x);
}

static void text(json *j, const char *name, const char *value)
{
    if (!*value) return;
    key(j, name);
    eprof__out_json(j->o, value);
}

static void boolean(json *j, const char *name, int32_t value)
{
    key(j, name);
    eprof__out_text(j->o, value ? "true" : "false");
}

static void flag_names(json *j, uint32_t flags)
{
    open_with(j, "flags", "[");
    for (int32_t i = 0; i < EPROF_N_FLAGS; i++)
        if (flags >> i & 1) text(j, NULL, eprof_flag_name(i));
    close_with(j, "]");
}

static void cpu_of(json *j, const eprof_cpu *c)
{
    open_with(j, "cpu", "{");
    number(j, "own_core_s", c->own_core_s);
    number(j, "machine_core_s", c->machine_core_s);
    number(j, "auc_exact_pct_s", c->auc_exact_pct_s);
    number(j, "auc_sampled_pct_s", c->auc_sampled_pct_s);
    number(j, "auc_clipped_pct_s", c->auc_clipped_pct_s);
    number(j, "auc_foreign_pct_s", c->auc_foreign_pct_s);
    number(j, "auc_lag_pct_s", c->auc_lag_pct_s);
    number(j, "baseline_pct", c->baseline_pct);
    number(j, "foreign_pct", c->foreign_pct);
    if (c->n_cpus > 0) integer(j, "n_cpus", c->n_cpus);
    close_with(j, "}");
}

static void ram_of(json *j, const eprof_ram *r)
{
    open_with(j, "ram", "{");
    number(j, "anon_peak_mib", r->anon_peak_mib);
    number(j, "file_peak_mib", r->file_peak_mib);
    number(j, "system_peak_mib", r->system_peak_mib);
    number(j, "auc_anon_mib_s", r->auc_anon_mib_s);
    number(j, "auc_file_mib_s", r->auc_file_mib_s);
    number(j, "auc_system_mib_s", r->auc_system_mib_s);
    number(j, "auc_system_pct_s", r->auc_system_pct_s);
    number(j, "auc_system_before_mib_s", r->auc_system_before_mib_s);
    number(j, "pss_mib", r->pss_mib);
    close_with(j, "}");
}

static void energy_of(json *j, const eprof_energy *e)
{
    const char grade[2] = { (char)e->grade, '\0' };
    open_with(j, NULL, "{");
    text(j, "source", e->source);
    text(j, "scope", eprof_scope_name(e->scope));
    text(j, "class", eprof_class_name(e->cls));
    text(j, "grade", grade);
    flag_names(j, e->flags);
    number(j, "gross_j", e->gross_j);
    number(j, "gross_mwh", e->gross_j / 3.6);
    number(j, "u95_gross_j", 2 * e->u_gross_j);
    number(j, "idle_j", e->idle_j);
    number(j, "net_j", e->net_j);
    number(j, "net_mwh", e->net_j / 3.6);
    number(j, "u95_net_j", 2 * e->u_net_j);
    number(j, "u95_net_mwh", 2 * e->u_net_j / 3.6);
    number(j, "idle_w", e->idle_w);
    number(j, "idle_median_w", e->idle_median_w);
    number(j, "covered", e->covered);
    integer(j, "n_samples", e->n_samples);
    open_with(j, "budget_j", "{");
    for (int32_t i = 0; i < EPROF_N_TERMS; i++) number(j, eprof_term_name(i), e->budget_j[i]);
    close_with(j, "}");
    close_with(j, "}");
}

/* start_ns: what times count from; 0 leaves them out. */
static void result_of(json *j, const eprof_result *r, int64_t start_ns)
{
    open_with(j, NULL, "{");
    integer(j, "id", (int64_t)r->id);
    integer(j, "parent", (int64_t)r->parent);
    text(j, "name", r->name);
    if (start_ns != 0) {
        number(j, "begin_s", (double)(r->begin_ns - start_ns) / 1e9);
        number(j, "end_s", (double)(r->end_ns - start_ns) / 1e9);
    }
    number(j, "elapsed_s", r->elapsed_s);
    flag_names(j, r->flags);
    cpu_of(j, &r->cpu);
    ram_of(j, &r->ram);
    number(j, "temp_begin_c", r->temp_begin_c);
    number(j, "temp_end_c", r->temp_end_c);
    number(j, "freq_mean_mhz", r->freq_mean_mhz);
    number(j, "profiler_core_s", r->profiler_core_s);
    open_with(j, "energy", "[");
    for (int32_t i = 0; i < r->n_energies && i < EPROF_MAX_ENERGIES; i++) energy_of(j, &r->energy[i]);
    close_with(j, "]");
    open_with(j, "notes", "{");
    for (int32_t i = 0; i < r->n_notes && i < EPROF_MAX_NOTES; i++) number(j, r->notes[i].key, r->notes[i].value);
    close_with(j, "}");
    close_with(j, "}");
}

eprof_status eprof_write_result(const eprof_result *r, eprof_write_fn write, void *user, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED_STRUCT(r, eprof_result, err);
    EPROF__NEED(write, err);
    eprof__out o;
    eprof__out_init(&o, write, user);
    json j = { &o, false };
    result_of(&j, r, 0);
    return eprof__out_finish(&o, err);
}

static void facts_of(json *j, const eprof__facts *f)
{
    open_with(j, "machine", "{");
    text(j, "host", f->host);
    text(j, "machine", f->machine);
    text(j, "cpu", f->cpu);
    text(j, "kernel", f->kernel);
    if (f->n_cpus > 0) integer(j, "n_cpus", f->n_cpus);
    number(j, "ram_total_mib", f->ram_total_mib);
    number(j, "sample_hz", f->sample_hz);
    if (f->pid > 0) integer(j, "pid", f->pid);
    close_with(j, "}");
}

static void audit_of(json *j, const eprof *p)
{
    eprof_audit a = EPROF_INIT(eprof_audit);
    if (eprof_audit_of(p, &a, NULL) != EPROF_OK) return;
    open_with(j, "audit", "{");
    integer(j, "n_regions", a.n_regions);
    number(j, "total_j", a.total_j);
    number(j, "regions_j", a.regions_j);
    number(j, "outside_j", a.outside_j);
    number(j, "residual_j", a.residual_j);
    number(j, "resolution_j", a.resolution_j);
    close_with(j, "}");
}

static void overhead_of(json *j, const eprof *p)
{
    eprof_overhead v = EPROF_INIT(eprof_overhead);
    if (eprof_overhead_of(p, &v, NULL) != EPROF_OK) return;
    open_with(j, "overhead", "{");
    integer(j, "n_threads", v.n_threads);
    number(j, "core_s", v.core_s);
    number(j, "share_of_core", v.share_of_core);
    number(j, "late_p50_us", v.late_p50_us);
    number(j, "late_p99_us", v.late_p99_us);
    number(j, "late_max_us", v.late_max_us);
    integer(j, "n_ticks", v.n_ticks);
    integer(j, "n_missed", v.n_missed);
    close_with(j, "}");
}

static void sources_of(json *j, const eprof *p)
{
    open_with(j, "sources", "[");
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    for (int32_t i = 0; eprof_source(p, i, &s, NULL) == EPROF_OK; i++) {
        open_with(j, NULL, "{");
        text(j, "name", s.name);
        text(j, "what", s.what);
        text(j, "scope", eprof_scope_name(s.scope));
        text(j, "class", eprof_class_name(s.cls));
        boolean(j, "live", s.live);
        boolean(j, "headline", s.headline);
        if (s.period_s > 0) number(j, "period_s", s.period_s);
        number(j, "accuracy_pct", s.accuracy_pct);
        text(j, "why_not", s.why_not);
        text(j, "unlock", s.unlock);
        close_with(j, "}");
    }
    close_with(j, "]");
}

eprof_status eprof__write_json(const eprof *p, eprof__out *o, eprof_error *err)
{
    const eprof__record *r = eprof__record_of(p);
    eprof_result *regions;
    int32_t n;
    const eprof_status status = eprof__results_of(p, &regions, &n, err);
    if (status != EPROF_OK) return status;
    json j = { o, false };
    open_with(&j, NULL, "{");
    text(&j, "edgeprof", r->facts.version);
    facts_of(&j, &r->facts);
    open_with(&j, "regions", "[");
    for (int32_t i = 0; i < n; i++) result_of(&j, &regions[i], r->facts.start_ns);
    close_with(&j, "]");
    audit_of(&j, p);
    overhead_of(&j, p);
    sources_of(&j, p);
    close_with(&j, "}");
    eprof__out_text(o, "\n");
    free(regions);
    return EPROF_OK;
}
