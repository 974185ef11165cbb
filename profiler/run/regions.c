/* SPDX-License-Identifier: MIT
 * regions.c - begin, annotate, end: marks in the record, and the counters read at each.
 *
 * A region is [begin, end]: the counters are read just before it and just after it, so that what reading costs is
 * outside. A region whose counters could not be read is still a region. What a region costs is worked out by
 * method/analyse.h; here it is decided what is asked, and up to when.
 */
#include "profiler/run/profiler.h"

#include <math.h>
#include <string.h>

#include "profiler/method/analyse.h"
#include "profiler/method/integrate.h"

#define STATE_BIT(state) (1u << (state))
enum { NAME_BYTES = 32 };

static int64_t now_ns(const struct eprof *p) { return p->io.now_ns(p->io.user, EPROF_CLOCK_MONOTONIC); }
static int64_t thread_cpu_ns(const struct eprof *p) { return p->io.now_ns(p->io.user, EPROF_CLOCK_THREAD_CPU); }

static bool is_started(const struct eprof *p)
{
    return p && atomic_load_explicit(&p->state, memory_order_acquire) == EPROF__STARTED &&
           p->pid_at_create == eprof__process_number();
}

/* ------------------------------------------------------------------------------------------- begin, notes -- */

/* As many whole UTF-8 characters of the text as fit. */
static void copy_name(char out[NAME_BYTES], const char *text)
{
    size_t n = text ? strnlen(text, NAME_BYTES) : 0;
    if (n == NAME_BYTES)
        for (n--; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;) n--;
    if (n) memcpy(out, text, n);
    out[n] = '\0';
}

eprof_region eprof_begin(eprof *p, eprof_region parent, const char *name)
{
    char kept[NAME_BYTES];
    if (!is_started(p)) return 0;
    if (atomic_fetch_add(&p->n_open, 1) >= EPROF_MAX_REGIONS) {
        atomic_fetch_sub(&p->n_open, 1);
        return 0;
    }
    copy_name(kept, name);
    eprof__read_edges(p);
    const int64_t thread = eprof__thread_number(), cpu_ns = thread_cpu_ns(p);
    const eprof_region id = eprof__record_begin(p->record, parent, kept, now_ns(p), thread, cpu_ns);
    if (id == 0) atomic_fetch_sub(&p->n_open, 1);
    return id;
}

void eprof_annotate(eprof *p, eprof_region r, const char *key, double value)
{
    if (r == 0 || !key || !is_started(p)) return;
    eprof__record_annotate(p->record, r, key, value);
}

/* ------------------------------------------------------------------------------------------------ results -- */

/* What the record says of a region up to t1, into the caller's struct, which may be a longer one. */
static eprof_status analyse(const struct eprof *p, eprof_region id, int64_t t1_ns, eprof_result *out, eprof_error *err)
{
    eprof_result result = EPROF_INIT(eprof_result);
    const uint32_t struct_size = out->struct_size;
    (void)pthread_mutex_lock(&p->record->lock);
    const eprof__region_record *g = eprof__record_region(p->record, id);
    if (g) {
        const bool was_left_open = g->end_ns == INT64_MAX && atomic_load(&p->state) != EPROF__STARTED;
        eprof__analyse_region(p->record, g, g->end_ns < t1_ns ? g->end_ns : t1_ns, &result);
        if (was_left_open) result.flags |= EPROF_FLAG_INCOMPLETE;
    }
    (void)pthread_mutex_unlock(&p->record->lock);
    if (!g)
        return eprof__fail(err, EPROF_E_ARG, "region", "", "there is no region %llu", (unsigned long long)id);
    result.struct_size = struct_size;
    memcpy(out, &result, sizeof result);
    return EPROF_OK;
}

/* Up to when the record goes. */
static int64_t last_ns(const struct eprof *p)
{
    return atomic_load(&p->state) == EPROF__STARTED ? now_ns(p) : p->record->facts.stop_ns;
}

eprof_status eprof_end(eprof *p, eprof_region r, eprof_result *out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    if (out) EPROF__NEED_STRUCT(out, eprof_result, err);
    EPROF__TRY(eprof__need_state(p, STATE_BIT(EPROF__STARTED), err));
    if (r == 0) {
        const uint32_t struct_size = out ? out->struct_size : 0;
        if (out) *out = (eprof_result){ .struct_size = struct_size };
        return EPROF_OK;
    }
    const int64_t end_ns = now_ns(p), cpu_ns = thread_cpu_ns(p);
    eprof__read_edges(p);
    EPROF__TRY(eprof__record_end(p->record, r, end_ns, eprof__thread_number(), cpu_ns, err));
    atomic_fetch_sub(&p->n_open, 1);
    eprof__source *pss = p->flags & EPROF_PSS ? eprof__pss_source(p) : NULL;
    if (pss) eprof__read_source(p, pss);
    return out ? analyse(p, r, end_ns, out, err) : EPROF_OK;
}

eprof_status eprof_peek(eprof *p, eprof_region r, eprof_result *out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__NEED_STRUCT(out, eprof_result, err);
    EPROF__TRY(eprof__need_state(p, STATE_BIT(EPROF__STARTED), err));
    const int64_t t_ns = now_ns(p);
    eprof__read_edges(p);
    return analyse(p, r, t_ns, out, err);
}

/* The first meter whose channels all count energy, -1: none. */
static int32_t live_counter(const eprof__record *r)
{
    for (int32_t i = 0; i < r->n_meters; i++) {
        bool counts = r->meters[i].n_channels > 0;
        for (int32_t j = 0; j < r->meters[i].n_channels; j++) {
            const eprof__channel *c = &r->channels[r->meters[i].channels[j]];
            counts = counts && c->kind == EPROF__ENERGY && c->cls == EPROF_CLASS_COUNTER && !c->has_own_clock;
        }
        if (counts) return i;
    }
    return -1;
}

eprof_status eprof_joules(eprof *p, eprof_region r, double *out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__NEED(out, err);
    *out = EPROF_ABSENT;
    EPROF__TRY(eprof__need_state(p, STATE_BIT(EPROF__STARTED), err));
    const int32_t meter = live_counter(p->record);
    if (meter < 0)
        return eprof__fail(err, EPROF_E_UNSUPPORTED, "energy", "run `edgeprof sources`: it says what would unlock one",
                           "no live energy counter was found");
    eprof__read_edges(p);
    const int64_t t_ns = now_ns(p);
    double joules = 0;
    (void)pthread_mutex_lock(&p->record->lock);
    const eprof__record *record = p->record;
    const eprof__region_record *g = eprof__record_region(record, r);
    for (int32_t i = 0; g && i < record->meters[meter].n_channels; i++) {
        const int32_t c = record->meters[meter].channels[i];
        const int64_t t1_ns = g->end_ns < t_ns ? g->end_ns : t_ns;
        joules += eprof__integrate(&record->channels[c], &record->samples[c], g->begin_ns, t1_ns).value;
    }
    (void)pthread_mutex_unlock(&p->record->lock);
    if (!g) return eprof__fail(err, EPROF_E_ARG, "region", "", "there is no region %llu", (unsigned long long)r);
    *out = joules;
    return EPROF_OK;
}

eprof_status eprof_result_of(const eprof *p, int32_t i, eprof_result *out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__NEED_STRUCT(out, eprof_result, err);
    EPROF__TRY(eprof__need_state(p, ~STATE_BIT(EPROF__CREATED), err));
    if (i < 0) return eprof__fail(err, EPROF_E_ARG, "region", "", "region %d is negative", (int)i);
    if (i > 0) return analyse(p, (eprof_region)i, last_ns(p), out, err);
    eprof_result result = EPROF_INIT(eprof_result);
    const uint32_t struct_size = out->struct_size;
    (void)pthread_mutex_lock(&p->record->lock);
    eprof__analyse_run(p->record, &result);
    (void)pthread_mutex_unlock(&p->record->lock);
    result.struct_size = struct_size;
    memcpy(out, &result, sizeof result);
    return EPROF_OK;
}

eprof_status eprof_audit_of(const eprof *p, eprof_audit *out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__NEED_STRUCT(out, eprof_audit, err);
    EPROF__TRY(eprof__need_state(p, ~STATE_BIT(EPROF__CREATED), err));
    eprof_audit audit = EPROF_INIT(eprof_audit);
    const uint32_t struct_size = out->struct_size;
    (void)pthread_mutex_lock(&p->record->lock);
    const eprof_status status = eprof__audit(p->record, &audit, err);
    (void)pthread_mutex_unlock(&p->record->lock);
    audit.struct_size = struct_size;
    if (status == EPROF_OK) memcpy(out, &audit, sizeof audit);
    return status;
}

/* ----------------------------------------------------------------------------------------------- baseline -- */

eprof_status eprof_baseline(eprof *p, double seconds, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__TRY(eprof__need_state(p, STATE_BIT(EPROF__STARTED), err));
    if (!(seconds > 0 && seconds <= 86400))
        return eprof__fail(err, EPROF_E_ARG, "seconds", "", "idle time is between 0 and 86400 s");
    const eprof_region idle = eprof_begin(p, 0, "(idle)");
    if (idle == 0)
        return eprof__fail(err, EPROF_E_LIMIT, "regions", "", "%d regions are open", EPROF_MAX_REGIONS);
    const int64_t until_ns = now_ns(p) + (int64_t)(seconds * 1e9);
    while (now_ns(p) < until_ns && is_started(p))
        if (p->io.sleep_until(p->io.user, until_ns) == 0) break;
    return eprof_end(p, idle, NULL, err);
}
