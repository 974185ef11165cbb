/* SPDX-License-Identifier: MIT
 * disabled.h - <edgeprof/edgeprof.h> compiled with EPROF_DISABLE: every call does nothing and succeeds. Included by
 * that header alone; types, names and flags are as ever, so that a program compiles the same with and without.
 */
#ifndef EDGEPROF_DISABLED_H
#define EDGEPROF_DISABLED_H

#include <stddef.h>

#include <edgeprof/edgeprof.h>

#if defined(EPROF_DISABLE)

#ifdef __cplusplus
#define EPROF_CLEAR_(T, p) \
    do { \
        const uint32_t size_ = (p)->struct_size; \
        *(p) = T(); \
        (p)->struct_size = size_; \
    } while (0)
#else
#define EPROF_CLEAR_(T, p) \
    do { \
        const uint32_t size_ = (p)->struct_size; \
        *(p) = (T){ .struct_size = size_ }; \
    } while (0)
#endif

#define EPROF_CASE_(name, value, text) case value: return "EPROF_" #name;
#define EPROF_TEXT_(name, text) text,
static inline const char *eprof_status_name(eprof_status s)
{
    switch (s) {
        EPROF_STATUS_MAP(EPROF_CASE_)
    default: return "EPROF_E_?";
    }
}
static inline const char *eprof_name_(const char *const *names, int32_t n, int32_t i)
{
    return i >= 0 && i < n ? names[i] : "?";
}
static inline const char *eprof_class_name(int32_t c)
{
    static const char *const names[] = { EPROF_CLASS_MAP(EPROF_TEXT_) };
    return eprof_name_(names, EPROF_N_CLASSES, c);
}
static inline const char *eprof_scope_name(int32_t s)
{
    static const char *const names[] = { EPROF_SCOPE_MAP(EPROF_TEXT_) };
    return eprof_name_(names, EPROF_N_SCOPES, s);
}
static inline const char *eprof_term_name(int32_t term)
{
    static const char *const names[] = { EPROF_TERM_MAP(EPROF_TEXT_) };
    return eprof_name_(names, EPROF_N_TERMS, term);
}
static inline const char *eprof_flag_name(int32_t i)
{
    static const char *const names[] = { EPROF_FLAG_MAP(EPROF_TEXT_) };
    return eprof_name_(names, EPROF_N_FLAGS, i);
}
#undef EPROF_CASE_
#undef EPROF_TEXT_
static inline const char *eprof_version(void) { return EPROF_VERSION; }
static inline uint32_t eprof_abi_version(void) { return EPROF_ABI_VERSION; }

static inline eprof_status eprof_done_(eprof_error *err)
{
    if (err) EPROF_CLEAR_(eprof_error, err);
    return EPROF_OK;
}
static inline eprof_status eprof_none_(eprof_error *err)
{
    if (err) {
        EPROF_CLEAR_(eprof_error, err);
        err->code = EPROF_E_ARG;
    }
    return EPROF_E_ARG;
}

static inline void eprof_absent_energy_(eprof_energy *e)
{
    e->gross_j = e->idle_j = e->net_j = e->u_gross_j = e->u_net_j = EPROF_ABSENT;
    e->idle_w = e->idle_median_w = e->covered = EPROF_ABSENT;
    for (int i = 0; i < EPROF_N_TERMS; i++) e->budget_j[i] = EPROF_ABSENT;
}
static inline void eprof_absent_result_(eprof_result *r)
{
    EPROF_CLEAR_(eprof_result, r);
    r->elapsed_s = r->temp_begin_c = r->temp_end_c = r->freq_mean_mhz = r->profiler_core_s = EPROF_ABSENT;
    r->cpu.own_core_s = r->cpu.machine_core_s = r->cpu.auc_exact_pct_s = r->cpu.auc_sampled_pct_s = EPROF_ABSENT;
    r->cpu.auc_foreign_pct_s = r->cpu.auc_lag_pct_s = EPROF_ABSENT;
    r->cpu.auc_clipped_pct_s = r->cpu.baseline_pct = r->cpu.foreign_pct = EPROF_ABSENT;
    r->ram.anon_peak_mib = r->ram.file_peak_mib = r->ram.auc_anon_mib_s = r->ram.auc_file_mib_s = EPROF_ABSENT;
    r->ram.auc_system_mib_s = r->ram.auc_system_pct_s = r->ram.auc_system_before_mib_s = EPROF_ABSENT;
    r->ram.system_peak_mib = r->ram.pss_mib = EPROF_ABSENT;
    for (int i = 0; i < EPROF_MAX_ENERGIES; i++) eprof_absent_energy_(&r->energy[i]);
    for (int i = 0; i < EPROF_MAX_NOTES; i++) r->notes[i].value = EPROF_ABSENT;
}

static inline eprof_status eprof_create(const eprof_config *config, eprof **out, eprof_error *err)
{
    (void)config;
    if (out) *out = NULL;
    return eprof_done_(err);
}
static inline eprof_status eprof_start(eprof *p, eprof_error *err) { return (void)p, eprof_done_(err); }
static inline eprof_status eprof_stop(eprof *p, eprof_error *err) { return (void)p, eprof_done_(err); }
static inline void eprof_destroy(eprof **p)
{
    if (p) *p = NULL;
}
static inline eprof_status eprof_source(const eprof *p, int32_t i, eprof_source_info *out, eprof_error *err)
{
    return (void)p, (void)i, (void)out, eprof_none_(err);
}
static inline eprof_status eprof_baseline(eprof *p, double seconds, eprof_error *err)
{
    return (void)p, (void)seconds, eprof_done_(err);
}
static inline eprof_region eprof_begin(eprof *p, eprof_region parent, const char *name)
{
    return (void)p, (void)parent, (void)name, (eprof_region)0;
}
static inline void eprof_annotate(eprof *p, eprof_region r, const char *key, double value)
{
    (void)p, (void)r, (void)key, (void)value;
}
static inline eprof_status eprof_end(eprof *p, eprof_region r, eprof_result *out, eprof_error *err)
{
    (void)p, (void)r;
    if (out) eprof_absent_result_(out);
    return eprof_done_(err);
}
static inline eprof_status eprof_peek(eprof *p, eprof_region r, eprof_result *out, eprof_error *err)
{
    return eprof_end(p, r, out, err);
}
static inline eprof_status eprof_joules(eprof *p, eprof_region r, double *out, eprof_error *err)
{
    (void)p, (void)r;
    if (out) *out = EPROF_ABSENT;
    return eprof_done_(err);
}
static inline eprof_status eprof_result_of(const eprof *p, int32_t i, eprof_result *out, eprof_error *err)
{
    (void)p, (void)i;
    if (out) eprof_absent_result_(out);
    return eprof_none_(err);
}
static inline eprof_status eprof_audit_of(const eprof *p, eprof_audit *out, eprof_error *err)
{
    (void)p;
    if (out) {
        EPROF_CLEAR_(eprof_audit, out);
        out->total_j = out->regions_j = out->outside_j = out->residual_j = out->resolution_j = EPROF_ABSENT;
    }
    return eprof_done_(err);
}
static inline eprof_status eprof_overhead_of(const eprof *p, eprof_overhead *out, eprof_error *err)
{
    (void)p;
    if (out) {
        EPROF_CLEAR_(eprof_overhead, out);
        out->core_s = out->share_of_core = out->late_p50_us = out->late_p99_us = out->late_max_us = EPROF_ABSENT;
        out->sample_hz = EPROF_ABSENT;
    }
    return eprof_done_(err);
}
static inline eprof_status eprof_replay(const char *log_path, eprof **out, eprof_error *err)
{
    (void)log_path;
    if (out) *out = NULL;
    return eprof_done_(err);
}
static inline eprof_status eprof_write(const eprof *p, int32_t format, eprof_write_fn write, void *user,
                                       eprof_error *err)
{
    return (void)p, (void)format, (void)write, (void)user, eprof_done_(err);
}
static inline eprof_status eprof_write_result(const eprof_result *r, eprof_write_fn write, void *user, eprof_error *err)
{
    return (void)r, (void)write, (void)user, eprof_done_(err);
}

#endif
#endif
