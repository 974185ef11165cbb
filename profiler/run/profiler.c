/* SPDX-License-Identifier: MIT
 * profiler.c - the life of a profiler: create (look what can be measured), start, stop, destroy; and replay.
 *
 *   created -> started -> stopped            replayed
 *
 * Invariant: threads run between start and stop alone. A forked child has none of them, may find locks held by threads
 * that are not there, and therefore touches neither locks nor devices: it gets EPROF_E_STATE, and destroy gives back
 * memory alone.
 */
#include "profiler/run/profiler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define STATE_BIT(state) (1u << (state))
#define DEFAULT_HZ 5.0
#define DEFAULT_HISTORY_S 3600.0
#define MOST_HISTORY_S 1e7

eprof_status eprof__need_state(const struct eprof *p, uint32_t states, eprof_error *err)
{
    static const char *const names[] = { "not started", "started", "stopped", "a replay" };
    if (p->pid_at_create != eprof__process_number())
        return eprof__fail(err, EPROF_E_STATE, "eprof", "create a profiler in the child",
                           "process %lld is a fork of the profiler's, %lld, and has none of its threads",
                           (long long)eprof__process_number(), (long long)p->pid_at_create);
    const int32_t state = atomic_load(&p->state);
    if (states & STATE_BIT(state)) return EPROF_OK;
    return eprof__fail(err, EPROF_E_STATE, "eprof", "", "the profiler is %s", names[state]);
}

/* ------------------------------------------------------------------------------------------------ config -- */

static eprof_status check_io(const eprof_io *io, eprof_error *err)
{
    EPROF__NEED_STRUCT(io, eprof_io, err);
    if (io->open && io->close && io->pread && io->read && io->write && io->ioctl && io->list && io->perf_open &&
        io->connect && io->now_ns && io->sleep_until && io->wake)
        return EPROF_OK;
    return eprof__fail(err, EPROF_E_ARG, "io", "a call that a machine lacks returns -ENOSYS",
                       "a function of the io table is NULL");
}

/* The caller's config with its defaults in place. */
static eprof_status resolve(const eprof_config *config, eprof_config *out, eprof_error *err)
{
    *out = (eprof_config)EPROF_INIT(eprof_config);
    if (config) {
        EPROF__NEED_STRUCT(config, eprof_config, err);
        *out = *config;
    }
    if (out->sample_hz == 0) out->sample_hz = DEFAULT_HZ;
    if (out->history_s == 0) out->history_s = DEFAULT_HISTORY_S;
    if (!(out->sample_hz >= 1 && out->sample_hz <= 100))
        return eprof__fail(err, EPROF_E_ARG, "sample_hz", "", "sample_hz is %d thousandths, expected 1..100 Hz",
                           (int)(out->sample_hz > -1e6 && out->sample_hz < 1e6 ? out->sample_hz * 1000 : -1));
    if (!(out->history_s >= 1 && out->history_s <= MOST_HISTORY_S))
        return eprof__fail(err, EPROF_E_ARG, "history_s", "", "history_s is outside of 1..%d s", (int)MOST_HISTORY_S);
    if (!(out->model_idle_w >= 0 && out->model_max_w >= 0 && out->model_idle_w < 1e6 && out->model_max_w < 1e6))
        return eprof__fail(err, EPROF_E_ARG, "model_idle_w", "", "the model's watts are negative or not numbers");
    if (out->flags & ~(uint32_t)(EPROF_PSS | EPROF_DITHER | EPROF_NO_SAMPLER))
        return eprof__fail(err, EPROF_E_ARG, "flags", "", "flags 0x%x has bits that mean nothing", out->flags);
    if (out->pid < 0) return eprof__fail(err, EPROF_E_ARG, "pid", "", "pid %lld is negative", (long long)out->pid);
    if (!out->io) return EPROF_OK;
    EPROF__TRY(check_io(out->io, err));
    if (out->sysroot && out->sysroot[0])
        return eprof__fail(err, EPROF_E_ARG, "sysroot", "apply it in the table",
                           "an io table and a sysroot were given");
    return EPROF_OK;
}

/* ------------------------------------------------------------------------------------------------ create -- */

static eprof_status allocate(struct eprof **out, eprof_error *err)
{
    struct eprof *p = calloc(1, sizeof *p);
    if (!p) return eprof__fail(err, EPROF_E_NOMEM, "eprof", "", "no memory for %zu bytes", sizeof *p);
    p->pid_at_create = eprof__process_number();
    for (int i = 0; i < EPROF__MAX_SOURCES; i++) {
        if (pthread_mutex_init(&p->readings[i].lock, NULL) == 0) continue;
        while (i-- > 0) (void)pthread_mutex_destroy(&p->readings[i].lock);
        free(p);
        return eprof__fail(err, EPROF_E_NOMEM, "eprof", "", "a mutex could not be made");
    }
    *out = p;
    return EPROF_OK;
}

static eprof_status set_up_io(struct eprof *p, const eprof_config *c, eprof_error *err)
{
    if (c->io) {
        p->io = *c->io;
        return EPROF_OK;
    }
    EPROF__TRY(eprof__system_io(c->sysroot, &p->io, err));
    p->owns_io = true;
    return EPROF_OK;
}

static eprof_status find_sources(struct eprof *p, const eprof_config *c, eprof_error *err)
{
    p->sources.io = &p->io;
    p->sources.pid = c->pid;
    p->sources.sample_hz = c->sample_hz;
    p->sources.model_idle_w = c->model_idle_w;
    p->sources.model_max_w = c->model_max_w;
    p->sources.calibration_path = c->calibration_path;
    EPROF__TRY(eprof__probe_sources(&p->sources, c->sources, err));
    p->sources.calibration_path = NULL; /* borrowed for the call */
    eprof__check_alive(&p->sources);
    EPROF__TRY(eprof__add_own_sources(p, err));
    return eprof__choose_meters(&p->sources, p->record, c->history_s, err);
}

static eprof_status keep_log_path(struct eprof *p, const char *path, eprof_error *err)
{
    if (!path) return EPROF_OK;
    const size_t n = strlen(path) + 1;
    p->log_path = malloc(n);
    if (!p->log_path) return eprof__fail(err, EPROF_E_NOMEM, "log_path", "", "no memory for %zu bytes", n);
    memcpy(p->log_path, path, n);
    return EPROF_OK;
}

static void fill_facts(struct eprof *p, const eprof_config *c)
{
    eprof__facts *f = &p->record->facts;
    eprof__read_facts(&p->io, f);
    (void)snprintf(f->version, sizeof f->version, "%s", EPROF_VERSION);
    f->sample_hz = c->sample_hz;
    f->pid = c->pid ? c->pid : eprof__process_number();
}

static eprof_status build(struct eprof *p, const eprof_config *c, eprof_error *err)
{
    p->flags = c->flags;
    EPROF__TRY(set_up_io(p, c, err));
    EPROF__TRY(keep_log_path(p, c->log_path, err));
    EPROF__TRY(eprof__record_create(&p->record, err));
    EPROF__TRY(find_sources(p, c, err));
    fill_facts(p, c);
    eprof__read_fast(p); /* memory before whatever the host loads until it starts */
    return EPROF_OK;
}

eprof_status eprof_create(const eprof_config *config, eprof **out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(out, err);
    *out = NULL;
    eprof_config c;
    struct eprof *p;
    EPROF__TRY(resolve(config, &c, err));
    EPROF__TRY(allocate(&p, err));
    const eprof_status status = build(p, &c, err);
    if (status == EPROF_OK)
        *out = p;
    else
        eprof_destroy(&p);
    return status;
}

/* ---------------------------------------------------------------------------------------- start and stop -- */

eprof_status eprof_start(eprof *p, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__TRY(eprof__need_state(p, STATE_BIT(EPROF__CREATED), err));
    p->record->facts.start_ns = p->io.now_ns(p->io.user, EPROF_CLOCK_MONOTONIC);
    if (p->log_path) EPROF__TRY(eprof__log_create(p->log_path, p->record, &p->log, err));
    eprof__read_fast(p);
    const eprof_status status = eprof__sampler_start(p, err);
    if (status == EPROF_OK)
        atomic_store(&p->state, EPROF__STARTED);
    else if (p->log)
        (void)eprof__log_close(&p->log, p->record, NULL);
    return status;
}

/* Logs of external meters, "csv:PATH": they are whole now. One that fails says why, and the others are read. */
static eprof_status import_meter_logs(struct eprof *p, eprof_error *err)
{
    eprof_status status = EPROF_OK;
    for (int32_t i = 0; i < p->sources.n; i++) {
        eprof__source *s = &p->sources.list[i];
        if (!s->info.live || strncmp(s->info.name, "csv:", 4) != 0) continue;
        eprof_error why = EPROF_INIT(eprof_error);
        const eprof_status one = eprof__import_meter_csv(s, &p->io, p->record, &why);
        if (one == EPROF_OK) continue;
        eprof__source_dead(s, why.hint, "%.150s", why.message);
        if (status == EPROF_OK) status = eprof__fail(err, one, why.where, why.hint, "%s", why.message);
    }
    return status;
}

eprof_status eprof_stop(eprof *p, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__TRY(eprof__need_state(p, STATE_BIT(EPROF__STARTED), err));
    atomic_store(&p->state, EPROF__STOPPED); /* no region begins any more */
    eprof__sampler_stop(p);
    p->record->facts.stop_ns = p->io.now_ns(p->io.user, EPROF_CLOCK_MONOTONIC);
    eprof__read_fast(p);
    eprof_status status = import_meter_logs(p, err);
    if (p->log) {
        const eprof_status logged = eprof__log_close(&p->log, p->record, err);
        if (status == EPROF_OK) status = logged;
    }
    return status;
}

static void close_devices(struct eprof *p)
{
    for (int32_t i = 0; i < p->sources.n; i++) {
        eprof__source *s = &p->sources.list[i];
        if (s->ops && s->ops->close) s->ops->close(s, &p->io);
    }
}

void eprof_destroy(eprof **p)
{
    if (!p || !*p) return;
    struct eprof *it = *p;
    *p = NULL;
    const bool is_fork = it->pid_at_create != eprof__process_number();
    if (!is_fork) {
        if (atomic_load(&it->state) == EPROF__STARTED) (void)eprof_stop(it, NULL);
        close_devices(it);
        for (int i = 0; i < EPROF__MAX_SOURCES; i++) (void)pthread_mutex_destroy(&it->readings[i].lock);
    } else {
        eprof__log_abandon(&it->log);
    }
    eprof__record_destroy(&it->record);
    if (it->owns_io) eprof__system_io_free(&it->io, is_fork);
    free(it->log_path);
    free(it);
}

eprof_status eprof_replay(const char *log_path, eprof **out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(log_path, err);
    EPROF__NEED(out, err);
    *out = NULL;
    struct eprof *p;
    EPROF__TRY(allocate(&p, err));
    atomic_store(&p->state, EPROF__REPLAYED);
    const eprof_status status = eprof__log_read(log_path, &p->record, err);
    if (status == EPROF_OK)
        *out = p;
    else
        eprof_destroy(&p);
    return status;
}
