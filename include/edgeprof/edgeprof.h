/* SPDX-License-Identifier: MIT
 * edgeprof.h - what a piece of a program costs: CPU and RAM areas under the curve, and joules with an error bar.
 *
 *   eprof *p;
 *   eprof_create(NULL, &p, NULL);           finds what can be measured here
 *   eprof_start(p, NULL);                   samples from now on
 *   eprof_baseline(p, 10.0, NULL);          optional: what the idle machine draws
 *   eprof_region r = eprof_begin(p, 0, "prompt");
 *   ...                                     the work
 *   eprof_result cost = EPROF_INIT(eprof_result);
 *   eprof_end(p, r, &cost, NULL);
 *   eprof_destroy(&p);
 *
 * Everything the profiler reads becomes an integer sample of a channel in one record, together with the begins and
 * ends of regions. Every result is a function of that record alone, and a log is the record written down: reading
 * the log anywhere gives the same numbers, bit for bit (eprof_replay).
 *
 * What holds for every function, unless its comment says otherwise:
 *
 *   Absent     a double that was not measured is EPROF_ABSENT, which is NAN, never 0. eprof_has(x) asks.
 *   Errors     a negative status is returned and *err (may be NULL) says what was wrong, where, both values and what to
 *              do. The library never exits, aborts, prints, reads the environment or installs a signal handler.
 *   Threads    begin, end and annotate may run on any thread at once; create, start, stop and destroy on one.
 *              After fork() the child has no sampler: its calls return EPROF_E_STATE, and regions cost nothing.
 *   Ownership  arguments are borrowed for the call. Results are plain structs, yours.
 *   Time       int64 nanoseconds of CLOCK_MONOTONIC.
 *   Structs    begin with struct_size: `eprof_config c = EPROF_INIT(eprof_config);`. A zero field means its default.
 *
 * Compiled with EPROF_DISABLE, every call of this header is an empty inline function that succeeds and needs no
 * library: results are absent, begin gives 0, and there are no sources and no regions to ask for (E_ARG, as behind the
 * last).
 */
#ifndef EDGEPROF_EDGEPROF_H
#define EDGEPROF_EDGEPROF_H

#include <math.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(EPROF_DISABLE)
#define EPROF_API static inline
#elif defined(__GNUC__)
#define EPROF_API __attribute__((visibility("default")))
#else
#define EPROF_API
#endif

#define EPROF_VERSION "0.1.0"
#define EPROF_ABI_VERSION 0 /* the number in libedgeprof.so.N */

#ifdef __cplusplus
#define EPROF_INIT(T) eprof_init_cxx<T>()
#else
#define EPROF_INIT(T) { .struct_size = (uint32_t)sizeof(T) }
#endif

/* ------------------------------------------------------------------------------------------------ status -- */

#define EPROF_STATUS_MAP(X) \
    X(OK,             0, "success") \
    X(E_ARG,         -1, "invalid argument") \
    X(E_NOMEM,       -2, "out of memory") \
    X(E_IO,          -3, "input/output error") \
    X(E_FORMAT,      -4, "malformed log or reading") \
    X(E_UNSUPPORTED, -5, "not supported on this machine") \
    X(E_LIMIT,       -6, "a limit would be exceeded") \
    X(E_STATE,       -7, "not possible in this state") \
    X(E_PERMISSION,  -8, "permission denied") \
    X(E_INTERNAL,   -99, "internal error, please report it")

typedef int32_t eprof_status;
enum {
#define EPROF_STATUS_ENUM(name, value, text) EPROF_##name = value,
    EPROF_STATUS_MAP(EPROF_STATUS_ENUM)
#undef EPROF_STATUS_ENUM
    EPROF_STATUS_END_ = 1
};

/** Detail of a failure. Caller-owned; filling it never allocates. The first failure wins. */
typedef struct eprof_error {
    uint32_t struct_size;
    eprof_status code;
    char where[64];    /* path, source, region or argument; may be empty */
    char message[256]; /* one sentence for a person, with both values */
    char hint[160];    /* what to do next, a command where there is one; may be empty */
} eprof_error;

/* ----------------------------------------------------------------------------------------- words for things -- */

/** How a channel counts. */
#define EPROF_CLASS_MAP(X) \
    X(COUNTER, "counter")   /* cumulative: joules, CPU nanoseconds. The difference of two readings is exact */ \
    X(SAMPLE,  "sample")    /* an instant's value: watts, MiB */ \
    X(WINDOW,  "window")    /* the mean of the time before the reading (window_ns of the channel) */ \
    X(MODEL,   "model")     /* estimated, not measured */
typedef enum eprof_class {
#define EPROF_CLASS_ENUM(name, text) EPROF_CLASS_##name,
    EPROF_CLASS_MAP(EPROF_CLASS_ENUM)
#undef EPROF_CLASS_ENUM
    EPROF_N_CLASSES
} eprof_class;

/** What part of the machine a joule is of. Never added across scopes. */
#define EPROF_SCOPE_MAP(X) \
    X(PROCESS,      "process") \
    X(CORES,        "cores")        /* a part of the package */ \
    X(UNCORE,       "uncore")       /* a part of the package; on clients the graphics */ \
    X(DRAM,         "dram") \
    X(PACKAGE,      "package") \
    X(PACKAGE_DRAM, "package+dram") \
    X(SOC,          "soc")          /* the rails behind a board's power controller */ \
    X(BOARD_DC,     "board_dc")     /* the board's or laptop's input */ \
    X(WALL_AC,      "wall_ac") \
    X(OTHER,        "other")        /* one rail, one sensor: never the headline */
typedef enum eprof_scope {
#define EPROF_SCOPE_ENUM(name, text) EPROF_SCOPE_##name,
    EPROF_SCOPE_MAP(EPROF_SCOPE_ENUM)
#undef EPROF_SCOPE_ENUM
    EPROF_N_SCOPES
} eprof_scope;

EPROF_API const char *eprof_status_name(eprof_status s);
EPROF_API const char *eprof_class_name(int32_t c);
EPROF_API const char *eprof_scope_name(int32_t s);
EPROF_API const char *eprof_version(void);
EPROF_API uint32_t eprof_abi_version(void);

#define EPROF_ABSENT ((double)NAN)
static inline int eprof_has(double x) { return !isnan(x); }

/* ------------------------------------------------------------------------------------------- the machine -- */

enum { EPROF_CLOCK_MONOTONIC, EPROF_CLOCK_REALTIME, EPROF_CLOCK_BOOTTIME, EPROF_CLOCK_PROCESS_CPU,
       EPROF_CLOCK_THREAD_CPU };

/** Everything the profiler does to the machine. A test gives its own table: a machine of fixtures, a virtual clock.
 *  Every call returns 0 or a count on success and -errno on failure; paths are those of the real machine, and the
 *  table applies the sysroot. Called from several threads at once. */
typedef struct eprof_io {
    uint32_t struct_size;
    void *user;
    int (*open)(void *user, const char *path, int flags); /* a descriptor of this table, >= 0 */
    void (*close)(void *user, int fd);
    int64_t (*pread)(void *user, int fd, void *buf, uint64_t n_bytes, uint64_t offset);
    int64_t (*read)(void *user, int fd, void *buf, uint64_t n_bytes, int32_t timeout_ms); /* 0: end; -ETIMEDOUT */
    int64_t (*write)(void *user, int fd, const void *buf, uint64_t n_bytes, int32_t timeout_ms);
    int (*ioctl)(void *user, int fd, unsigned long request, void *arg);
    /* Names in a folder, without . and .., in byte order, each ended by NUL. Bytes written, or -ENOSPC. */
    int64_t (*list)(void *user, const char *folder, char *names, uint64_t n_bytes);
    int (*perf_open)(void *user, uint32_t type, uint64_t config, int32_t cpu);     /* perf_event_open, all processes */
    int (*connect)(void *user, const char *host, uint16_t port, int32_t timeout_ms); /* TCP; an address in numbers */
    int64_t (*now_ns)(void *user, int32_t clock);
    int (*sleep_until)(void *user, int64_t t_ns); /* of CLOCK_MONOTONIC; 0, or -EINTR when eprof_stop woke it */
    void (*wake)(void *user);                     /* every sleeper, from any thread */
} eprof_io;

/* ---------------------------------------------------------------------------------------------- profiler -- */

typedef struct eprof eprof;

enum {
    EPROF_PSS = 1 << 0,       /* read smaps_rollup at region ends: exact shares of shared pages, 2 ms for 12 GB */
    EPROF_DITHER = 1 << 1,    /* instants are read up to a quarter period off the grid: no aliasing with token loops */
    EPROF_NO_SAMPLER = 1 << 2 /* read at region edges alone: no threads */
};

typedef struct eprof_config {
    uint32_t struct_size;
    uint32_t flags;           /* EPROF_PSS, ... */
    const char *sysroot;      /* put before every path; NULL: none */
    const eprof_io *io;       /* copied; NULL: the system */
    double sample_hz;         /* CPU, memory and instantaneous power. 0: 5, as arXiv 2512.16531. 1..100 */
    /* Comma-separated: auto (all that need no address; the default), none, or names as eprof_source gives them, with an
     * address where one is needed, with a minus to leave one out: "auto,shelly:192.168.1.7,-msr",
     * "um25c:/dev/rfcomm0", "scpi:10.0.0.5:5025",
     * "csv:meter.csv", "msr". */
    const char *sources;
    const char *log_path;     /* the record, line by line, as it grows; NULL: none */
    double history_s;         /* samples kept in memory, and so the longest region with a result. 0: 3600 */
    int64_t pid;              /* whose CPU and memory count as own, with its descendants. 0: this process */
    const char *calibration_path; /* what an earlier run measured against a meter (docs/MEASURING.md); NULL: none */
    double model_idle_w, model_max_w; /* of the utilisation model, when nothing measures; 0: by the machine's name */
} eprof_config;

/** Find the sources and open them. Where there are energy sources that takes 0.25 s more, 0.2 s of it busy on one core,
 *  to see which ones live. config may be NULL. */
EPROF_API eprof_status eprof_create(const eprof_config *config, eprof **out, eprof_error *err);
/** Begin to sample, on threads of its own. */
EPROF_API eprof_status eprof_start(eprof *p, eprof_error *err);
/** Stop the threads, close open regions as incomplete, finish the log. */
EPROF_API eprof_status eprof_stop(eprof *p, eprof_error *err);
EPROF_API void eprof_destroy(eprof **p);

typedef struct eprof_source_info {
    uint32_t struct_size;
    int32_t scope, cls;       /* eprof_scope, eprof_class */
    int32_t live;             /* 1: measures. 0: `why_not` says why it does not */
    int32_t headline;         /* 1: this is what a result's first energy is of */
    double period_s;          /* between readings */
    double accuracy_pct;      /* limit of the gain error that the budget reckons with */
    double power_w;           /* at the last look; NAN: not known */
    char name[48];            /* "powercap:package-0", "pmic", "hwmon:ina228" */
    char what[96];            /* for a person: "Intel RAPL, package 0, through powercap" */
    char why_not[160];
    char unlock[160];         /* the one command that would make it live; may be empty */
} eprof_source_info;

/** The i-th source, live or not; EPROF_E_ARG behind the last. */
EPROF_API eprof_status eprof_source(const eprof *p, int32_t i, eprof_source_info *out, eprof_error *err);

/** Sleep `seconds` on the calling thread as idle time: what regions near it are charged less of (profiling.md 3.5).
 *  Any time between regions counts as well, where it passes the gates; this one is asked for. */
EPROF_API eprof_status eprof_baseline(eprof *p, double seconds, eprof_error *err);

/* ----------------------------------------------------------------------------------------------- regions -- */

/** A number above 0; 0 is none: what a failed begin returns, and what every call accepts and ignores. */
typedef uint64_t eprof_region;

/** Begin a region within `parent` (0: the whole run). name: up to 31 bytes are kept. Reads the counters, about 5 us;
 *  allocates seldom: the table of regions doubles when it is full. 0 when EPROF_MAX_REGIONS are open, the profiler is
 *  not started, or there is no memory. */
EPROF_API eprof_region eprof_begin(eprof *p, eprof_region parent, const char *name);
/** A number that belongs to a region: tokens, pixels, a configuration. Up to 8, the last of a key wins. */
EPROF_API void eprof_annotate(eprof *p, eprof_region r, const char *key, double value);

#define EPROF_MAX_REGIONS 256     /* open at once */
#define EPROF_MAX_NOTES 8
#define EPROF_MAX_ENERGIES 8

/** Terms of the uncertainty budget (profiling.md 3.9), standard uncertainties in joules. */
#define EPROF_TERM_MAP(X) \
    X(SAMPLING, "sampling")         X(TIMESTAMPS, "timestamps")  X(ALIGNMENT, "alignment")   X(GAIN, "gain") \
    X(OFFSET, "offset")             X(QUANTISATION, "quantisation") X(BASELINE, "baseline")  X(DRIFT, "drift") \
    X(MEAN_MEDIAN, "mean_median")   X(GAPS, "gaps")
typedef enum eprof_term {
#define EPROF_TERM_ENUM(name, text) EPROF_TERM_##name,
    EPROF_TERM_MAP(EPROF_TERM_ENUM)
#undef EPROF_TERM_ENUM
    EPROF_N_TERMS
} eprof_term;
EPROF_API const char *eprof_term_name(int32_t term);

/** What was noticed: reasons for a grade, bits of `flags`. */
#define EPROF_FLAG_MAP(X) \
    X(GAP,               "gap")               /* samples are missing for more than 2.5 periods */ \
    X(INCOMPLETE,        "incomplete")        /* a gap of more than 2 s, or the record does not reach the edges */ \
    X(WRAP_AMBIGUOUS,    "wrap_ambiguous")    /* a counter may have wrapped more than once */ \
    X(WENT_BACK,         "went_back")         /* a counter fell without wrapping */ \
    X(STUCK,             "stuck")             /* a counter stood while the CPU worked */ \
    X(READ_ERROR,        "read_error") \
    X(IMPLAUSIBLE,       "implausible")       /* a value outside what the source can give was dropped */ \
    X(BASELINE_UNSTABLE, "baseline_unstable") /* no idle time passed the gates; the best there was is used */ \
    X(FOREIGN_LOAD,      "foreign_load")      /* others used more than 5 % of the machine */ \
    X(THROTTLED,         "throttled")         /* or under-voltage */ \
    X(SUSPENDED,         "suspended") \
    X(BELOW_RESOLUTION,  "below_resolution")  /* net energy below three times its uncertainty */ \
    X(SHARED,            "shared")            /* overlapped other regions; split by CPU time */ \
    X(UNCALIBRATED,      "uncalibrated") \
    X(PARTIAL_SCOPE,     "partial_scope")     /* the source does not see the whole machine */ \
    X(LATE,              "late")              /* the sampler could not keep its grid */ \
    X(HISTORY,           "history")           /* samples were dropped: the region is longer than history_s */
enum {
#define EPROF_FLAG_SHIFT(name, text) EPROF_FLAG_SHIFT_##name,
    EPROF_FLAG_MAP(EPROF_FLAG_SHIFT)
#undef EPROF_FLAG_SHIFT
    EPROF_N_FLAGS
};
enum {
#define EPROF_FLAG_ENUM(name, text) EPROF_FLAG_##name = 1 << EPROF_FLAG_SHIFT_##name,
    EPROF_FLAG_MAP(EPROF_FLAG_ENUM)
#undef EPROF_FLAG_ENUM
    EPROF_FLAGS_END_
};
/** Name of the i-th flag, i in 0..EPROF_N_FLAGS-1. */
EPROF_API const char *eprof_flag_name(int32_t i);

/** Energy of one source over a region. gross: all of it; idle: what the idle machine would have drawn;
 *  net: gross - idle, the cost of the computation. Wh = J / 3600. */
typedef struct eprof_energy {
    char source[48];
    int32_t scope, cls;
    int32_t grade;            /* 'A'..'E' (profiling.md 3.13), 0 while there is no net energy */
    uint32_t flags;           /* EPROF_FLAG_* */
    double gross_j, idle_j, net_j;
    double u_gross_j, u_net_j; /* standard uncertainties; twice them: the 95 % interval */
    double budget_j[EPROF_N_TERMS]; /* of net where there is one, else of gross */
    double idle_w, idle_median_w;   /* the baseline in the middle of the region; its 20 % trimmed mean and median */
    double covered;           /* share of the region that has samples, 0..1 */
    int64_t n_samples;
} eprof_energy;

typedef struct eprof_cpu {
    double own_core_s;        /* CPU time of the process, its threads and descendants */
    double machine_core_s;    /* of everybody */
    double auc_exact_pct_s;   /* own CPU time over the machine's capacity, above the baseline, in % s: no sampling */
    double auc_sampled_pct_s; /* as arXiv 2512.16531: trapezoid of the machine's busy share above baseline */
    double auc_clipped_pct_s; /* the same with what is below the baseline cut off: biased, for comparison */
    /* auc_sampled = auc_exact + auc_foreign + auc_lag (profiling.md 3.3): what others used above their idle; and what
     * the series misses, which is late by half an interval and counts in ticks. */
    double auc_foreign_pct_s, auc_lag_pct_s;
    double baseline_pct;
    double foreign_pct;       /* the machine's mean load that was not own */
    int32_t n_cpus;
    int32_t pad_;
} eprof_cpu;

typedef struct eprof_ram {
    double anon_peak_mib, file_peak_mib;  /* of the process: its own memory; mapped files, model weights among them */
    double auc_anon_mib_s, auc_file_mib_s; /* above the baseline before the first region */
    double auc_system_mib_s, auc_system_pct_s; /* MemTotal - MemAvailable, above its baseline, as the study's */
    double auc_system_before_mib_s;       /* above the baseline of before eprof_start: deployment, load included */
    double system_peak_mib;
    double pss_mib;                       /* at the end, with EPROF_PSS */
} eprof_ram;

typedef struct eprof_note {
    char key[24];
    double value;
} eprof_note;

typedef struct eprof_result {
    uint32_t struct_size;
    uint32_t flags;           /* of the region as a whole */
    char name[32];
    eprof_region id, parent;
    int64_t begin_ns, end_ns;
    double elapsed_s;
    eprof_cpu cpu;
    eprof_ram ram;
    double temp_begin_c, temp_end_c, freq_mean_mhz;
    int32_t n_energies;       /* the headline first */
    int32_t n_notes;
    eprof_energy energy[EPROF_MAX_ENERGIES];
    eprof_note notes[EPROF_MAX_NOTES];
    double profiler_core_s;   /* what the profiler's own threads used meanwhile */
} eprof_result;

/** End a region. out (may be NULL) gets what is known now: counters exactly; sampled sources up to their last sample,
 *  flagged INCOMPLETE where that is short of the end. net and u95 where idle time was seen before.
 *  The same region asked of eprof_result_of after eprof_stop, or of a replay, has every sample and both baselines. */
EPROF_API eprof_status eprof_end(eprof *p, eprof_region r, eprof_result *out, eprof_error *err);

/** What an open region has cost so far. */
EPROF_API eprof_status eprof_peek(eprof *p, eprof_region r, eprof_result *out, eprof_error *err);

/** Joules of a live counter so far in an open region; E_UNSUPPORTED without one. 5 us: for budgets. */
EPROF_API eprof_status eprof_joules(eprof *p, eprof_region r, double *out, eprof_error *err);

/** The i-th region of the record, in order of begin, the run as a whole being 0; EPROF_E_ARG behind the last. */
EPROF_API eprof_status eprof_result_of(const eprof *p, int32_t i, eprof_result *out, eprof_error *err);

/** The audit: regions without parent, what is outside of them, and what their sum lacks of the whole, in joules of the
 *  headline source. E_UNSUPPORTED without a source. */
typedef struct eprof_audit {
    uint32_t struct_size;
    int32_t n_regions;
    double total_j, regions_j, outside_j, residual_j, resolution_j;
} eprof_audit;
EPROF_API eprof_status eprof_audit_of(const eprof *p, eprof_audit *out, eprof_error *err);

/** What the profiler itself costs. */
typedef struct eprof_overhead {
    uint32_t struct_size;
    int32_t n_threads;
    double core_s, share_of_core;          /* of its threads since start */
    double late_p50_us, late_p99_us, late_max_us;
    int64_t n_ticks, n_missed;
    double sample_hz;         /* of now: half of what was asked for, once a thread used more than 0.1 % of a core */
} eprof_overhead;
EPROF_API eprof_status eprof_overhead_of(const eprof *p, eprof_overhead *out, eprof_error *err);

/* -------------------------------------------------------------------------------------- logs and reports -- */

/** A profiler that is stopped and holds what a log says: eprof_result_of and the writers below work on it. A log that
 *  was cut short gives what it has, and the last region is INCOMPLETE. */
EPROF_API eprof_status eprof_replay(const char *log_path, eprof **out, eprof_error *err);

/** Receives pieces of a text; non-zero ends the writing with EPROF_E_IO. */
typedef int32_t (*eprof_write_fn)(void *user, const char *text, uint64_t n_bytes);

enum { EPROF_JSON, EPROF_CSV, EPROF_HTML };
/** Every region: JSON with units in its keys and without what is absent; CSV, one line a region and source; HTML, one
 *  page that needs nothing else: plots of power, CPU and memory with the regions shaded, the table, and how each
 *  number came about. After eprof_stop, or of a replay. */
EPROF_API eprof_status eprof_write(const eprof *p, int32_t format, eprof_write_fn write, void *user, eprof_error *err);
/** One result as a JSON object. */
EPROF_API eprof_status eprof_write_result(const eprof_result *r, eprof_write_fn write, void *user, eprof_error *err);

#ifdef __cplusplus
}
template <typename T> static inline T eprof_init_cxx()
{
    T x = T();
    x.struct_size = (uint32_t)sizeof(T);
    return x;
}
#endif

#if defined(EPROF_DISABLE)
#include <edgeprof/disabled.h>
#undef EPROF_API
#if defined(__GNUC__)
#define EPROF_API __attribute__((visibility("default")))
#else
#define EPROF_API
#endif
#endif

#endif
