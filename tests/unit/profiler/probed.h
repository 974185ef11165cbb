/* SPDX-License-Identifier: MIT
 * probed.h - a machine of fixtures with what one probe found in it, for the tests of sources.
 */
#ifndef TESTS_UNIT_PROFILER_PROBED_H
#define TESTS_UNIT_PROFILER_PROBED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "profiler/sources/source.h"
#include "tests/support/fake_machine.h"

typedef struct probed {
    fake_machine *m;
    eprof__sources all;
    int64_t raw[EPROF__MAX_SOURCE_CHANNELS]; /* of the last reading */
    bool ok[EPROF__MAX_SOURCE_CHANNELS];
    int64_t begin_ns, end_ns;
} probed;

/* Open a machine; NULL: an empty one. */
static inline void probed_open(probed *p, const char *folder)
{
    *p = (probed){ .m = fake_machine_open(folder) };
    p->all.io = fake_io(p->m);
    p->all.sample_hz = 5;
}

static inline eprof__source *probed_find(probed *p, const char *name)
{
    for (int32_t i = 0; i < p->all.n; i++)
        if (strcmp(p->all.list[i].info.name, name) == 0) return &p->all.list[i];
    fail_msg("there is no source %s", name);
    return NULL;
}

/* One reading, as the sampler takes it. */
static inline int probed_read(probed *p, eprof__source *s)
{
    const eprof_io *io = p->all.io;
    memset(p->ok, 0, sizeof p->ok);
    p->begin_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    const int status = s->ops->read(s, io, p->raw, p->ok, &p->begin_ns, &p->end_ns);
    p->end_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    return status;
}

/* A channel's value in its unit, of the last reading. */
static inline double probed_value(const probed *p, const eprof__source *s, int32_t channel)
{
    assert_true(channel < s->n_channels && p->ok[channel]);
    return (double)p->raw[channel] * s->channels[channel].scale;
}

static inline void probed_close(probed *p)
{
    for (int32_t i = 0; i < p->all.n; i++)
        if (p->all.list[i].ops) p->all.list[i].ops->close(&p->all.list[i], p->all.io);
    fake_machine_close(p->m);
}

/* A text that has this part. */
static inline void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* A dead source that says why, and how to change that; unlock "": nobody can. */
static inline void assert_dead(const eprof__source *s, const char *why, const char *unlock)
{
    assert_int_equal(s->info.live, 0);
    assert_int_equal(s->n_channels, 0);
    assert_says(s->info.why_not, why);
    if (unlock[0]) assert_says(s->info.unlock, unlock);
    else assert_string_equal(s->info.unlock, "");
}

#endif
