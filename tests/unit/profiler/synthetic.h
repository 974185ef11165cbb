/* SPDX-License-Identifier: MIT
 * synthetic.h - records made in a test: channels, readings of a waveform, regions; a seeded generator of numbers.
 *
 * Times are given in seconds from T0. Everything is in the header, since a unit test of the profiler is one file.
 */
#ifndef TESTS_UNIT_PROFILER_SYNTHETIC_H
#define TESTS_UNIT_PROFILER_SYNTHETIC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/record/record.h"

static const int64_t T0 = 1000000000000; /* 1000 s after boot */

static inline int64_t at(double t_s) { return T0 + (int64_t)llround(t_s * 1e9); }

/* splitmix64 */
typedef struct dice {
    uint64_t state;
} dice;

static inline uint64_t next_bits(dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline double uniform(dice *d, double low, double high)
{
    return low + (high - low) * ((double)(next_bits(d) >> 11) * 0x1p-53);
}

/* Twelve uniform numbers: near enough to a normal one, and quick. */
static inline double normal(dice *d)
{
    double sum = -6;
    for (int i = 0; i < 3; i++) {
        const uint64_t bits = next_bits(d);
        for (int k = 0; k < 64; k += 16) sum += (double)((bits >> k) & 0xffff) / 65535;
    }
    return sum;
}

static inline eprof__record *new_record(double start_s, double stop_s)
{
    eprof__record *r = NULL;
    assert_int_equal(eprof__record_create(&r, NULL), EPROF_OK);
    r->facts.n_cpus = 4;
    r->facts.start_ns = at(start_s);
    r->facts.stop_ns = stop_s > start_s ? at(stop_s) : 0;
    return r;
}

/* A channel without limits: bounds, accuracy and the rest are set by the test in the record. */
static inline int32_t add_channel(eprof__record *r, const char *name, eprof__kind kind, eprof_class cls, double scale,
                                  double period_s)
{
    eprof__channel c = { .kind = kind, .cls = cls, .scope = EPROF_SCOPE_BOARD_DC, .scale = scale, .lsb = scale,
                         .period_ns = (int64_t)llround(period_s * 1e9), .is_calibrated = true };
    (void)snprintf(c.name, sizeof c.name, "%s", name);
    return eprof__record_add_channel(r, &c, 20000, NULL);
}

static inline void add_meter(eprof__record *r, const char *name, int32_t n, const int32_t *channels)
{
    eprof__meter m = { .scope = r->channels[channels[0]].scope, .n_channels = n };
    (void)snprintf(m.name, sizeof m.name, "%s", name);
    for (int32_t i = 0; i < n; i++) m.channels[i] = (int16_t)channels[i];
    assert_int_equal(eprof__record_add_meter(r, &m, NULL), EPROF_OK);
}

static inline void put_raw(eprof__record *r, int32_t channel, double t_s, int64_t raw, uint32_t flags)
{
    eprof__record_append(r, channel, at(t_s), at(t_s), raw, flags);
}

static inline void put(eprof__record *r, int32_t channel, double t_s, double value)
{
    put_raw(r, channel, t_s, (int64_t)llround(value / r->channels[channel].scale), 0);
}

typedef double (*wave)(double t_s);

/* Readings of a waveform every period from first to last. */
static inline void put_wave(eprof__record *r, int32_t channel, double first_s, double last_s, double period_s, wave f)
{
    for (int64_t i = 0; first_s + (double)i * period_s <= last_s + 1e-9; i++) {
        const double t = first_s + (double)i * period_s;
        put(r, channel, t, f(t));
    }
}

static inline eprof_region put_region(eprof__record *r, eprof_region parent, const char *name, double t0_s, double t1_s,
                                      int64_t thread, double cores)
{
    const eprof_region id = eprof__record_begin(r, parent, name, at(t0_s), thread, 0);
    (void)eprof__record_end(r, id, at(t1_s), thread, (int64_t)llround(cores * (t1_s - t0_s) * 1e9), NULL);
    return id;
}

static inline void assert_near(double x, double expected, double tolerance)
{
    if (fabs(x - expected) <= tolerance) return;
    fail_msg("%.17g is not within %g of %.17g", x, tolerance, expected);
}

#endif
