/* SPDX-License-Identifier: MIT
 * source.h - what is read: one interface for /proc, energy counters, sensors, meters and plugs.
 *
 * A source has some channels that one reading fills. A probe looks at the machine through the io table alone, and adds
 * every source that is there or should be: one that does not measure says why, and which one command would change that.
 */
#ifndef EPROF_SOURCES_SOURCE_H
#define EPROF_SOURCES_SOURCE_H

#include "profiler/record/record.h"

enum { EPROF__MAX_SOURCE_CHANNELS = 16, EPROF__MAX_SOURCES = 48 };

typedef struct eprof__source eprof__source;

typedef struct eprof__source_ops {
    /** One reading: raw[i] of channel i; ok[i] false where that channel gave none. 0; -EAGAIN: nothing new yet; another
     *  -errno: the reading failed, and may work next time. *begin_ns and *end_ns are set by the caller around the call;
     *  a source whose device says when (a serial number, a clock) may narrow them. */
    int (*read)(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns);
    /** Leaves the device as it was found: keep-alives end, queues are drained. */
    void (*close)(eprof__source *s, const eprof_io *io);
} eprof__source_ops;

struct eprof__source {
    const eprof__source_ops *ops;
    eprof_source_info info;      /* name, what, scope, class, live, why_not, unlock */
    int32_t n_channels;
    eprof__channel channels[EPROF__MAX_SOURCE_CHANNELS];
    int32_t first_channel;       /* in the record, once it is added there */
    bool at_edges;               /* a reading takes microseconds: region begins and ends take one too */
    bool is_slow;                /* a reading may take milliseconds or block: a thread of its own */
    int64_t period_ns;
    void *state;                 /* the source's own, freed by close */
};

typedef struct eprof__sources {
    const eprof_io *io;
    int64_t pid;                 /* 0: this process */
    double sample_hz;
    double model_idle_w, model_max_w;
    const char *calibration_path; /* of the config; NULL: none */
    int32_t n;
    eprof__source list[EPROF__MAX_SOURCES];
} eprof__sources;

/** A cleared place at the end of the list, named; NULL when the list is full. */
eprof__source *eprof__sources_add(eprof__sources *all, const char *name);
/** What was found does not measure. `why` and `unlock` are formatted texts; unlock may be NULL. */
void eprof__source_dead(eprof__source *s, const char *unlock, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* Probes. address: behind the colon of `sources` in eprof_config; NULL: look everywhere. */
void eprof__probe_process(eprof__sources *all);                   /* CPU and memory of the process: proc_process.c */
void eprof__probe_machine(eprof__sources *all);                   /* CPU, memory, temperature, clocks: proc_machine.c */
void eprof__probe_perf_energy(eprof__sources *all);               /* perf_energy.c */
void eprof__probe_powercap(eprof__sources *all);                  /* powercap.c */
void eprof__probe_msr(eprof__sources *all);                       /* msr_energy.c */
void eprof__probe_pmic(eprof__sources *all);                      /* pi_pmic.c */
void eprof__probe_hwmon(eprof__sources *all);                     /* hwmon_power.c */
void eprof__probe_iio(eprof__sources *all);                       /* iio_power.c */
void eprof__probe_battery(eprof__sources *all);                   /* battery.c */
void eprof__probe_fnirsi(eprof__sources *all, const char *address);   /* fnirsi.c: /dev/hidrawN */
void eprof__probe_um25c(eprof__sources *all, const char *address);    /* um25c.c: /dev/rfcomm0 */
void eprof__probe_km003c(eprof__sources *all, const char *address);   /* km003c.c: /dev/hidrawN; hwmon has it too */
void eprof__probe_plug(eprof__sources *all, const char *kind, const char *address); /* plug.c: "shelly", "tasmota" */
void eprof__probe_scpi(eprof__sources *all, const char *address);     /* scpi.c: host:port or /dev/usbtmc0 */
void eprof__probe_ioreport(eprof__sources *all);                  /* ioreport.c: macOS */
void eprof__probe_meter_csv(eprof__sources *all, const char *path);   /* csv_source.c: another meter's log */
void eprof__probe_model(eprof__sources *all);                     /* power_model.c: by utilisation, always last */

/** Whether sources live (profiling.md 2.11): read twice while idle for 50 ms, then across 200 ms of work on one core.
 *  A counter must advance at a plausible rate, a sensor must be finite, in bounds and not constant over the work. */
void eprof__check_alive(eprof__sources *all);

/** Which channels make which meter, the headline first; twins and parts are left out of sums (profiling.md 2.1). Adds
 *  channels and meters of all live sources to the record. Of a source's channels, those of its own scope and of one
 *  kind add up: ENERGY where its smallest step is at most 0.1 J, else POWER, else ENERGY. A source that was not needed
 *  (a twin, the model beside a meter) is left with live 0 and its reason. */
eprof_status eprof__choose_meters(eprof__sources *all, eprof__record *r, double history_s, eprof_error *err);

/** Host, machine, CPU, kernel, number of CPUs (0: not known), memory (NAN: not known); the rest is left as it is. */
void eprof__read_facts(const eprof_io *io, eprof__facts *out);    /* proc_facts.c */
/** Whether /proc/cpuinfo is of an Intel or AMD processor, and of a virtual machine. */
bool eprof__is_x86(const eprof_io *io, bool *is_intel, bool *is_virtual);
/** CPU time of the machine in ticks, from an open /proc/stat: busy and all of it. 0, or -errno. */
int eprof__read_cpu_times(const eprof_io *io, int fd, int64_t *busy, int64_t *total); /* proc_machine.c */
/** Proportional memory of a process and its descendants in KiB, at once (pid 0: this process alone). 0, or -errno. */
int eprof__read_pss(const eprof_io *io, int64_t pid, int64_t *kib); /* proc_process.c */

/** What a "csv:FILE" source is for: when sampling has ended, read the file and put its samples into the source's
 *  channel. Times since 1970 become those of CLOCK_MONOTONIC by now's difference; others begin with the run. Either is
 *  as good as the meter's clock: analysis aligns (align.h). Samples farther than a minute from the run are left out.
 *  E_FORMAT, E_IO; E_STATE: the run never began. */
eprof_status eprof__import_meter_csv(const eprof__source *s, const eprof_io *io, eprof__record *r, eprof_error *err);

/* ---------------------------------------------------------------------------------------------- helpers -- */

/** A whole small file as text, NUL-terminated: bytes read, or -errno; -EMSGSIZE when it does not fit. */
int64_t eprof__read_text(const eprof_io *io, const char *path, char *text, uint64_t n_bytes);
/** The same of an open descriptor, from its beginning. */
int64_t eprof__reread_text(const eprof_io *io, int fd, char *text, uint64_t n_bytes);
/** Names in a folder, each ended by NUL and the last by another, in memory of their own (*names, to be freed; NULL on
 *  failure): bytes, or -errno. */
int64_t eprof__list_names(const eprof_io *io, const char *folder, char **names);
/** What an errno means, for a person: "permission denied". error may be negative. */
const char *eprof__errno_text(int64_t error);
/** An integer with blanks around it: 0, -EINVAL, -ERANGE. No locale. */
int eprof__parse_i64(const char *text, int64_t *out);
int eprof__parse_u64(const char *text, uint64_t *out);
/** "0-3,6": how many CPUs that are, of which the first n_most are filled in; or -EINVAL. */
int32_t eprof__parse_cpu_list(const char *text, int32_t *cpus, int32_t n_most);
/** A decimal number with a point, a sign, an exponent, at the start of text: where it ends, or NULL. No locale. */
const char *eprof__parse_double(const char *text, double *out);

#endif
