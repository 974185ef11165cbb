/* SPDX-License-Identifier: MIT
 * csv_report.c - one line a region and source; a region without sources has one line. Absent numbers are empty fields.
 */
#include "profiler/report/report.h"

#include <stdlib.h>

static void field(eprof__out *o, double x)
{
    eprof__out_text(o, ",");
    if (isfinite(x)) eprof__out_double(o, x);
}

static void text_field(eprof__out *o, const char *text)
{
    eprof__out_text(o, ",");
    eprof__out_csv(o, text);
}

/* "gap+late", by name. */
static void flags_field(eprof__out *o, uint32_t flags)
{
    const char *between = ",";
    if (flags == 0) eprof__out_text(o, ",");
    for (int32_t i = 0; i < EPROF_N_FLAGS; i++) {
        if (!(flags >> i & 1)) continue;
        eprof__out_text(o, between);
        eprof__out_text(o, eprof_flag_name(i));
        between = "+";
    }
}

static void head_line(eprof__out *o)
{
    eprof__out_text(
        o, "id,parent,name,begin_s,elapsed_s,own_core_s,machine_core_s,cpu_auc_exact_pct_s,cpu_auc_sampled_pct_s,"
           "cpu_auc_foreign_pct_s,cpu_auc_lag_pct_s,foreign_pct,anon_peak_mib,file_peak_mib,auc_anon_mib_s,"
           "auc_file_mib_s,auc_system_mib_s,region_flags");
    for (int i = 1; i <= EPROF_MAX_NOTES; i++) eprof__out_format(o, ",note%d_key,note%d_value", i, i);
    eprof__out_text(o, ",source,scope,class,grade,flags,gross_j,idle_j,net_j,u95_gross_j,u95_net_j,gross_mwh,net_mwh,"
                       "u95_net_mwh,idle_w,covered,n_samples");
    for (int32_t i = 0; i < EPROF_N_TERMS; i++) eprof__out_format(o, ",u_%s_j", eprof_term_name(i));
    eprof__out_text(o, "\r\n");
}

static void region_fields(eprof__out *o, const eprof_result *r, int64_t start_ns)
{
    eprof__out_format(o, "%llu,%llu", (unsigned long long)r->id, (unsigned long long)r->parent);
    text_field(o, r->name);
    field(o, (double)(r->begin_ns - start_ns) / 1e9);
    field(o, r->elapsed_s);
    field(o, r->cpu.own_core_s);
    field(o, r->cpu.machine_core_s);
    field(o, r->cpu.auc_exact_pct_s);
    field(o, r->cpu.auc_sampled_pct_s);
    field(o, r->cpu.auc_foreign_pct_s);
    field(o, r->cpu.auc_lag_pct_s);
    field(o, r->cpu.foreign_pct);
    field(o, r->ram.anon_peak_mib);
    field(o, r->ram.file_peak_mib);
    field(o, r->ram.auc_anon_mib_s);
    field(o, r->ram.auc_file_mib_s);
    field(o, r->ram.auc_system_mib_s);
    flags_field(o, r->flags);
    for (int32_t i = 0; i < EPROF_MAX_NOTES; i++) {
        text_field(o, i < r->n_notes ? r->notes[i].key : "");
        field(o, i < r->n_notes ? r->notes[i].value : EPROF_ABSENT);
    }
}

/* Empty fields for a region that has no source: as many as energy_fields writes. */
static void no_energy_fields(eprof__out *o)
{
    for (int32_t i = 0; i < 16 + EPROF_N_TERMS; i++) eprof__out_text(o, ",");
}

static void energy_fields(eprof__out *o, const eprof_energy *e)
{
    const char grade[2] = { (char)e->grade, '\0' };
    text_field(o, e->source);
    text_field(o, eprof_scope_name(e->scope));
    text_field(o, eprof_class_name(e->cls));
    text_field(o, grade);
    flags_field(o, e->flags);
    field(o, e->gross_j);
    field(o, e->idle_j);
    field(o, e->net_j);
    field(o, 2 * e->u_gross_j);
    field(o, 2 * e->u_net_j);
    field(o, e->gross_j / 3.6);
    field(o, e->net_j / 3.6);
    field(o, 2 * e->u_net_j / 3.6);
    field(o, e->idle_w);
    field(o, e->covered);
    eprof__out_format(o, ",%lld", (long long)e->n_samples);
    for (int32_t i = 0; i < EPROF_N_TERMS; i++) field(o, e->budget_j[i]);
}

eprof_status eprof__write_csv(const eprof *p, eprof__out *o, eprof_error *err)
{
    const int64_t start_ns = eprof__record_of(p)->facts.start_ns;
    eprof_result *regions;
    int32_t n;
    const eprof_status status = eprof__results_of(p, &regions, &n, err);
    if (status != EPROF_OK) return status;
    head_line(o);
    for (int32_t i = 0; i < n; i++) {
        const int32_t n_lines = regions[i].n_energies > 0 ? regions[i].n_energies : 1;
        for (int32_t k = 0; k < n_lines; k++) {
            region_fields(o, &regions[i], start_ns);
            if (k < regions[i].n_energies) energy_fields(o, &regions[i].energy[k]);
            else no_energy_fields(o);
            eprof__out_text(o, "\r\n");
        }
    }
    free(regions);
    return EPROF_OK;
}
