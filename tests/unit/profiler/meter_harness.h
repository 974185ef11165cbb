/* SPDX-License-Identifier: MIT
 * meter_harness.h - what the tests of external meters share: a machine, one source, and its thread's loop.
 */
#ifndef TESTS_UNIT_PROFILER_METER_HARNESS_H
#define TESTS_UNIT_PROFILER_METER_HARNESS_H

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profiler/sources/meters.h"
#include "tests/support/fake_machine.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

typedef struct bench {
    fake_machine *m;
    eprof__sources all;
} bench;

typedef struct reading {
    int status;
    bool ok[EPROF__MAX_SOURCE_CHANNELS];
    int64_t raw[EPROF__MAX_SOURCE_CHANNELS], begin_ns, end_ns;
} reading;

static inline bench *bench_open(void)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->m = fake_machine_open(NULL);
    b->all.io = fake_io(b->m);
    b->all.sample_hz = 5;
    return b;
}

static inline void bench_close(bench *b)
{
    for (int32_t i = 0; i < b->all.n; i++)
        if (b->all.list[i].ops) b->all.list[i].ops->close(&b->all.list[i], b->all.io);
    fake_machine_close(b->m);
    free(b);
}

/* One reading, as the sampler takes it, and the rest of the period. */
static inline reading take(bench *b, eprof__source *s)
{
    reading r = { 0 };
    const int64_t next_ns = fake_now(b->m) + s->period_ns;
    r.begin_ns = fake_now(b->m);
    r.status = s->ops->read(s, b->all.io, r.raw, r.ok, &r.begin_ns, &r.end_ns);
    if (r.end_ns == 0) r.end_ns = fake_now(b->m);
    if (fake_now(b->m) < next_ns) fake_sleep(b->m, next_ns - fake_now(b->m));
    return r;
}

static inline double value_of(const reading *r, const eprof__source *s, int i)
{
    return (double)r->raw[i] * s->channels[i].scale;
}

static inline void assert_close(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.9g is not %.9g +- %.3g", a, b, tolerance);
}

static inline void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* The one source, which does not measure: what it says about it. */
static inline const eprof_source_info *dead_one(const bench *b)
{
    assert_int_equal(b->all.n, 1);
    assert_int_equal(b->all.list[0].info.live, 0);
    return &b->all.list[0].info;
}

static inline eprof__source *live_one(bench *b)
{
    assert_int_equal(b->all.n, 1);
    if (!b->all.list[0].info.live) fail_msg("not live: %s", b->all.list[0].info.why_not);
    return &b->all.list[0];
}

static inline void put_le32(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(x >> 8 * i);
}

static inline void put_be32(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(x >> (24 - 8 * i));
}

static inline void put_be16(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 8);
    p[1] = (uint8_t)x;
}

#endif
