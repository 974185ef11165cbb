/* SPDX-License-Identifier: MIT
 * record.h - everything that was read, and when: channels of integer samples, meters made of channels, regions, flags.
 *
 * The record is the one thing that sampler and regions write and analysis reads. Live it is in memory, and a log is the
 * same thing line by line: analysis sees no difference, so a replay gives the same bits. Samples are the device's own
 * integers; scale, wrap and accuracy are the channel's.
 *
 * Threads: append and region calls of any threads at once, under one lock held for some stores; a reader takes the lock
 * for its whole analysis, or has a record that nobody writes any more. The samples of a channel are in order of time.
 */
#ifndef EPROF_RECORD_RECORD_H
#define EPROF_RECORD_RECORD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <edgeprof/edgeprof.h>

/* What a channel tells; raw * scale is in the unit given. X(enum, log name, unit) */
#define EPROF__KIND_MAP(X) \
    X(ENERGY,     "energy",     "J")   /* COUNTER: cumulative joules */ \
    X(POWER,      "power",      "W")   /* SAMPLE, WINDOW or MODEL */ \
    X(CPU_OWN,    "cpu_own",    "s")   /* COUNTER: CPU time of the profiled processes */ \
    X(CPU_BUSY,   "cpu_busy",   "s")   /* COUNTER: of the machine; total - idle - iowait of /proc/stat */ \
    X(CPU_TOTAL,  "cpu_total",  "s")   /* COUNTER: the machine's capacity, by the same clock */ \
    X(RAM_ANON,   "ram_anon",   "MiB") \
    X(RAM_FILE,   "ram_file",   "MiB") \
    X(RAM_SYSTEM, "ram_system", "MiB") /* MemTotal - MemAvailable */ \
    X(RAM_PSS,    "ram_pss",    "MiB") \
    X(TEMP,       "temp",       "C") \
    X(FREQ,       "freq",       "MHz") \
    X(THROTTLED,  "throttled",  "bits") /* bits that are set now: under-voltage, capped, throttled, soft limit */ \
    X(SELF,       "self",       "s")   /* COUNTER: CPU time of the profiler's own threads */ \
    X(REALTIME,   "realtime",   "s")   /* the other clocks beside the sample's time */ \
    X(BOOTTIME,   "boottime",   "s")
typedef enum eprof__kind {
#define EPROF__KIND_ENUM(name, text, unit) EPROF__##name,
    EPROF__KIND_MAP(EPROF__KIND_ENUM)
#undef EPROF__KIND_ENUM
    EPROF__N_KINDS
} eprof__kind;

typedef struct eprof__channel {
    char name[48];         /* unique: "powercap:package-0" */
    eprof__kind kind;
    eprof_class cls;
    eprof_scope scope;
    double scale;          /* raw * scale = unit of the kind */
    int64_t period_ns;     /* between readings; 0: at region edges alone */
    int64_t update_ns;     /* the device's own: a reading is this old at most. 0: none */
    int64_t window_ns;     /* WINDOW: each reading is the mean of this long before it */
    uint64_t wrap;         /* COUNTER: raw values are in [0, wrap); 0: 64 bits, which do not wrap */
    double least, most;    /* plausible: of values, or of watts for ENERGY; a reading outside is dropped and flagged */
    double accuracy;       /* limit of the gain error, 0.01 = 1 % */
    double offset_w;       /* limit of the zero error, W */
    double lsb;            /* smallest step, in the kind's unit */
    bool is_calibrated;
    bool has_own_clock;    /* a log of another machine: its times were laid beside ours (align.h), */
    double align_sigma_s;  /* with this standard uncertainty, */
    double align_quality;  /* the peak over its highest side lobe; 0: the clocks were not found to agree */
} eprof__channel;

typedef struct eprof__sample {
    int64_t t_ns;          /* the middle of the read */
    int64_t raw;
    int32_t half_ns;       /* half of the time that the read took */
    uint32_t flags;        /* EPROF_FLAG_* noticed with it: READ_ERROR, WENT_BACK... */
} eprof__sample;

/* What one energy of a result is of: channels that add up. The first meter is the headline. */
typedef struct eprof__meter {
    char name[48];
    eprof_scope scope;
    int32_t n_channels;
    int16_t channels[16];
} eprof__meter;

typedef struct eprof__region_record {
    eprof_region id, parent;
    char name[32];
    int64_t begin_ns, end_ns;    /* end_ns is INT64_MAX while it is open */
    int64_t thread;              /* number of the thread that began it */
    int64_t end_thread;          /* and of the one that ended it */
    int64_t begin_cpu_ns, end_cpu_ns; /* CPU time of that thread: how overlapping regions share. end by another: -1 */
    bool noted_late;             /* has notes that came behind its end */
    int32_t n_notes;
    eprof_note notes[EPROF_MAX_NOTES];
} eprof__region_record;

/* Facts of the machine and the run, for the log's head and the report. */
typedef struct eprof__facts {
    char host[64], machine[96], kernel[96], cpu[96], version[16];
    int32_t n_cpus;
    double ram_total_mib;
    double sample_hz;
    int64_t start_ns, stop_ns;   /* 0: not yet */
    int64_t pid;
} eprof__facts;

enum { EPROF__MAX_CHANNELS = 96, EPROF__MAX_METERS = EPROF_MAX_ENERGIES, EPROF__MAX_REGION_RECORDS = 1 << 24 };

#define EPROF__MOST_SAMPLES (INT64_C(1) << 31) /* of a ring, and of a log */

/* The samples of a channel: a ring of `capacity`; the latest n are there, of n_ever. */
typedef struct eprof__samples {
    eprof__sample *ring;
    int64_t capacity, first, n, n_ever;
} eprof__samples;

typedef struct eprof__record {
    pthread_mutex_t lock;
    eprof__facts facts;
    int32_t n_channels, n_meters;
    eprof__channel channels[EPROF__MAX_CHANNELS];
    eprof__samples samples[EPROF__MAX_CHANNELS];
    eprof__meter meters[EPROF__MAX_METERS];
    eprof__region_record *regions; /* in order of begin */
    int64_t n_regions, regions_capacity;
} eprof__record;

eprof_status eprof__record_create(eprof__record **out, eprof_error *err);
void eprof__record_destroy(eprof__record **r);

/** Add a channel with room for `capacity` samples, of which the latest are kept. Its number, or a status. Before any
 *  thread samples. */
int32_t eprof__record_add_channel(eprof__record *r, const eprof__channel *c, int64_t capacity, eprof_error *err);
eprof_status eprof__record_add_meter(eprof__record *r, const eprof__meter *m, eprof_error *err);

/** A reading that took from begin_ns to end_ns. One that comes late is put where its time belongs. */
void eprof__record_append(eprof__record *r, int32_t channel, int64_t begin_ns, int64_t end_ns, int64_t raw,
                          uint32_t flags);

/** Regions. begin grows the table (amortised); id 0: no memory, or EPROF__MAX_REGION_RECORDS are there. */
eprof_region eprof__record_begin(eprof__record *r, eprof_region parent, const char *name, int64_t t_ns, int64_t thread,
                                 int64_t cpu_ns);
eprof_status eprof__record_end(eprof__record *r, eprof_region id, int64_t t_ns, int64_t thread, int64_t cpu_ns,
                               eprof_error *err);
void eprof__record_annotate(eprof__record *r, eprof_region id, const char *key, double value);
/* The region of an id; NULL: there is none. Under the lock. */
const eprof__region_record *eprof__record_region(const eprof__record *r, eprof_region id);

static inline const eprof__sample *eprof__sample_at(const eprof__samples *s, int64_t i)
{
    const int64_t at = s->first + i;
    return &s->ring[at < s->capacity ? at : at - s->capacity];
}
/* How many of the samples were taken before t: 0..n. By bisection. */
int64_t eprof__samples_before(const eprof__samples *s, int64_t t_ns);

#endif
