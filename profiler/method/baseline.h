/* SPDX-License-Identifier: MIT
 * baseline.h - what the idle machine draws around a region: windows of idle time, their gates, the drift between them.
 * profiling.md 3.5.
 */
#ifndef EPROF_METHOD_BASELINE_H
#define EPROF_METHOD_BASELINE_H

#include "profiler/record/record.h"

/* One idle window of one quantity (watts of a meter, MiB, % of the machine). */
typedef struct eprof__idle {
    int64_t t0_ns, t1_ns;
    double mean;          /* 20 % trimmed, 10 % at each end: energy adds like a mean */
    double median;
    double se;            /* standard error of the mean, by batches longer than the correlation time, times Student's
                           * factor for the few of them that there are: 2 se is 95 % */
    double rough;         /* deviation of one reading from the next, as white noise */
    double slope;         /* per second, Theil-Sen */
    int64_t n;            /* equal parts that it was cut into, each of a period of the channel or longer */
    bool is_quiet;        /* others below 2 % of the machine and, where nobody asked for idle time, the process as well
                           *  */
    bool is_stable;       /* every gate passed: quiet, at least 50 parts or 10 s, slope times length below
                           * max(2 %, 2 MAD), no throttling, 0.2 C/s, no gap, no suspend */
} eprof__idle;

/* The baseline of a region: a line between the idle windows before and after it. Where one of the two is quiet and the
 * other is not, the quiet one alone; `drift` still tells how far they are apart. */
typedef struct eprof__baseline {
    bool has_before, has_after;
    eprof__idle before, after;
    double at_middle;     /* in the middle of the region; NAN: no idle time at all */
    double median_at_middle;
    double se, drift;     /* of at_middle; |after - before|, 0 with one side */
    double rough;
    double wander;        /* idle power's own noise: its mean over T seconds scatters by wander / sqrt(T) */
    uint32_t flags;       /* BASELINE_UNSTABLE */
} eprof__baseline;

/* The spans of the record in which no region was open, as pairs in order of begin; at most n_most. Number of spans.
 * Shortened by a settling time of 0.5 s behind a region. What eprof_baseline asked for is a region named "(idle)": a
 * span of its own, also within another region. */
int64_t eprof__idle_spans(const eprof__record *r, int64_t *t0_ns, int64_t *t1_ns, int64_t n_most);
bool eprof__is_idle_region(const eprof__region_record *g);

/** Watts of a meter around [t0, t1]: from the nearest spans before and after it that pass the gates (of the four
 *  nearest; if none does, from the nearest), each cut to its 60 s nearest to the region and to where there
 *  are readings. Shorter than 2 s does not count. With no
 *  idle time on either side (the run as a whole): the first and the last span within. */
eprof__baseline eprof__baseline_of_meter(const eprof__record *r, const eprof__meter *m, int64_t t0_ns, int64_t t1_ns);

enum { EPROF__MACHINE_BUSY = -1, EPROF__OWN_BUSY = -2 };
/** The same of a sampled channel, or of the busy share of the machine or the process, in % of all CPUs. */
eprof__baseline eprof__baseline_of_channel(const eprof__record *r, int32_t channel, int64_t t0_ns, int64_t t1_ns);

#endif
