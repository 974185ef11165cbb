/* SPDX-License-Identifier: MIT
 * profiler.h - one profiler: its sources, its record, its threads.
 *
 * The sampler reads everything fast at sample_hz, on absolute deadlines; each slow source has a thread of its own, and
 * the log, where there is one, another that writes once a second. Region edges read the fast counters on the caller's
 * thread. One source is read by one thread at a time, so what it keeps needs no lock of its own.
 */
#ifndef EPROF_RUN_PROFILER_H
#define EPROF_RUN_PROFILER_H

#include <stdatomic.h>

#include "profiler/record/log.h"
#include "profiler/sources/source.h"

enum { EPROF__MAX_THREADS = 16, EPROF__LATE_BINS = 32 };

/* How late the sampler was: bin i counts ticks in [2^i, 2^(i+1)) us late, bin 0 those below 2 us. */
typedef struct eprof__lateness {
    _Atomic int64_t bins[EPROF__LATE_BINS];
    _Atomic int64_t n_ticks, n_missed, max_ns;
} eprof__lateness;

/* How far the readings of a source have come. */
typedef struct eprof__reading {
    pthread_mutex_t lock;        /* one reading at a time */
    int64_t last_ns;             /* the end of the latest: what is read later has a later time */
    bool is_late;                /* the grid was left: the next samples say so */
} eprof__reading;

/* A thread of the profiler and what it reads: the sources whose numbers are in `reads`. */
typedef struct eprof__thread {
    struct eprof *p;
    pthread_t thread;
    _Atomic int64_t period_ns;   /* doubled once, by the thread itself */
    int64_t asked_ns;            /* the period it began with */
    int32_t n_reads;
    int16_t reads[EPROF__MAX_SOURCES];
    int64_t due_ns[EPROF__MAX_SOURCES]; /* when each is to be read next */
    bool is_log, is_sampler, is_started;
    uint64_t random;             /* of the dither */
    _Atomic int64_t cpu_ns;      /* of the thread so far */
} eprof__thread;

enum { EPROF__CREATED, EPROF__STARTED, EPROF__STOPPED, EPROF__REPLAYED };

struct eprof {
    eprof_io io;
    bool owns_io;                /* the system's table, made for this profiler */
    uint32_t flags;
    int64_t pid_at_create;       /* another in a forked child */
    char *log_path;
    eprof__sources sources;
    eprof__reading readings[EPROF__MAX_SOURCES];
    eprof__record *record;
    eprof__log *log;
    eprof__lateness lateness;
    _Atomic int32_t state;       /* EPROF__CREATED... */
    _Atomic int32_t n_open;      /* regions */
    _Atomic bool stop;
    _Atomic int32_t n_running;   /* threads that have not ended */
    int32_t n_threads;
    eprof__thread threads[EPROF__MAX_THREADS];
};

/** The system's io table, with a sysroot put before paths; free with eprof__system_io_free. system_io.c */
eprof_status eprof__system_io(const char *sysroot, eprof_io *out, eprof_error *err);
void eprof__system_io_free(eprof_io *io, bool is_fork);
/** A number of the calling thread and of this process, as the system counts them. */
int64_t eprof__thread_number(void);
int64_t eprof__process_number(void);
/** A moment of real time, for those who wait for another thread. */
void eprof__pause(void);

/** Read one source once into the record. sample_loop.c */
void eprof__read_source(struct eprof *p, eprof__source *s);
/** All sources that are read at region edges; all fast ones. */
void eprof__read_edges(struct eprof *p);
void eprof__read_fast(struct eprof *p);
eprof_status eprof__sampler_start(struct eprof *p, eprof_error *err);
void eprof__sampler_stop(struct eprof *p);

/** Parse `sources` of the config ("auto,shelly:ADDR,-msr") and probe what it names. source_list.c */
eprof_status eprof__probe_sources(eprof__sources *all, const char *list, eprof_error *err);
/** The clocks, the CPU time of the profiler's own threads, and PSS where it was asked for. own_sources.c */
eprof_status eprof__add_own_sources(struct eprof *p, eprof_error *err);
/** Of those, the one that is read at region ends alone; NULL: not asked for. */
eprof__source *eprof__pss_source(struct eprof *p);
/** CPU time of the profiler's threads so far. */
int64_t eprof__own_cpu_ns(const struct eprof *p);

/* ------------------------------------------------------------------------------------------------ failing -- */

/** Fill an error, if there is one and it is empty; returns the status. error.c */
eprof_status eprof__fail(eprof_error *err, eprof_status status, const char *where, const char *hint,
                         const char *message, ...) __attribute__((format(printf, 5, 6)));
/** What the system said (an errno) of `doing` something to `where`; EPROF_E_PERMISSION where that was it, else E_IO. */
eprof_status eprof__fail_system(eprof_error *err, const char *where, const char *doing, int code);
/** Clear *err at the start of a public call. E_ARG when its struct_size is not one that can be filled. */
eprof_status eprof__error_begin(eprof_error *err);
/** E_STATE in a forked child, and where the profiler is not in one of the states whose bits are set. */
eprof_status eprof__need_state(const struct eprof *p, uint32_t states, eprof_error *err);

#define EPROF__TRY(call) \
    do { \
        const eprof_status try_status_ = (call); \
        if (try_status_ != EPROF_OK) return try_status_; \
    } while (0)

/* The first lines of every public function. A struct may be larger than the one known here: its rest is left alone. */
#define EPROF__BEGIN(err) EPROF__TRY(eprof__error_begin(err))
#define EPROF__NEED(ptr, err) \
    do { \
        if (!(ptr)) return eprof__fail((err), EPROF_E_ARG, #ptr, "", "%s is NULL", #ptr); \
    } while (0)
#define EPROF__STRUCT_OK(p, T) ((p)->struct_size >= (uint32_t)sizeof(T) && (p)->struct_size <= 65536u)
#define EPROF__NEED_STRUCT(ptr, T, err) \
    do { \
        EPROF__NEED(ptr, err); \
        if (!EPROF__STRUCT_OK(ptr, T)) \
            return eprof__fail((err), EPROF_E_ARG, #ptr, "initialise it with EPROF_INIT(" #T ")", \
                               "%s->struct_size is %u, expected at least %u", #ptr, (ptr)->struct_size, \
                               (unsigned)sizeof(T)); \
    } while (0)

#endif
