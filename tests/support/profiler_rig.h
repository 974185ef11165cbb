/* SPDX-License-Identifier: MIT
 * profiler_rig.h - a profiler on a machine of nothing but what a test puts there: sources that read one number of a
 * file.
 *
 * The source is added between create and start, where probes would have found it. Its file is the test's, by fake_file
 * or fake_content; fake_delay and fake_error make it slow or break it.
 */
#ifndef TESTS_SUPPORT_PROFILER_RIG_H
#define TESTS_SUPPORT_PROFILER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profiler/run/profiler.h"
#include "tests/support/fake_machine.h"

#define RIG_SECOND INT64_C(1000000000)

#define assert_ok(status, err) \
    do { \
        if ((status) != EPROF_OK) fail_msg("%s: %s", (err)->where, (err)->message); \
    } while (0)

typedef struct rig {
    fake_machine *m;
    eprof_config config;
    eprof *p;
    eprof_error err;
} rig;

static inline void rig_open(rig *r)
{
    *r = (rig){ .m = fake_machine_open(NULL), .config = EPROF_INIT(eprof_config), .err = EPROF_INIT(eprof_error) };
    r->config.io = fake_io(r->m);
    r->config.sources = "none";
}

static inline void rig_create(rig *r) { assert_ok(eprof_create(&r->config, &r->p, &r->err), &r->err); }

static inline void rig_start(rig *r)
{
    assert_ok(eprof_start(r->p, &r->err), &r->err);
    fake_await_sleepers(r->m, r->p->n_threads);
}

static inline void rig_close(rig *r)
{
    eprof_destroy(&r->p);
    fake_machine_close(r->m);
}

static inline int rig_read(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                           int64_t *end_ns)
{
    char text[64];
    (void)begin_ns, (void)end_ns;
    const int fd = io->open(io->user, s->info.what, 0);
    if (fd < 0) return fd;
    const int64_t n = io->pread(io->user, fd, text, sizeof text - 1, 0); /* one read: a delay passes once */
    io->close(io->user, fd);
    if (n < 0) return (int)n;
    text[n] = '\0';
    if (text[0] == '\n') return -EAGAIN; /* nothing new */
    ok[0] = eprof__parse_i64(text, &raw[0]) == 0;
    return 0;
}

static inline void rig_close_source(eprof__source *s, const eprof_io *io) { (void)s, (void)io; }

/* A source over the file `path`; a meter as well, where it is of energy. Its channel's number. */
static inline int32_t rig_add(rig *r, const char *path, eprof__kind kind, int64_t period_ns, int64_t capacity)
{
    static const eprof__source_ops ops = { rig_read, rig_close_source };
    const eprof_class cls = kind == EPROF__ENERGY ? EPROF_CLASS_COUNTER : EPROF_CLASS_SAMPLE;
    eprof__source *s = eprof__sources_add(&r->p->sources, path);
    assert_non_null(s);
    s->ops = &ops;
    s->info.live = 1;
    s->info.scope = EPROF_SCOPE_PACKAGE;
    s->period_ns = period_ns;
    s->n_channels = 1;
    (void)snprintf(s->info.what, sizeof s->info.what, "%s", path);
    s->channels[0] = (eprof__channel){ .kind = kind, .cls = cls, .scope = EPROF_SCOPE_PACKAGE, .scale = 1e-6,
                                       .period_ns = period_ns, .most = 100, .lsb = 1e-6 };
    (void)snprintf(s->channels[0].name, sizeof s->channels[0].name, "%s", path);
    s->first_channel = eprof__record_add_channel(r->p->record, &s->channels[0], capacity, &r->err);
    assert_true(s->first_channel >= 0);
    if (kind == EPROF__ENERGY || kind == EPROF__POWER) {
        eprof__meter m = { .scope = EPROF_SCOPE_PACKAGE, .n_channels = 1, .channels = { (int16_t)s->first_channel } };
        (void)snprintf(m.name, sizeof m.name, "%s", path);
        assert_ok(eprof__record_add_meter(r->p->record, &m, &r->err), &r->err);
    }
    return s->first_channel;
}

static inline eprof__source *rig_source(rig *r) { return &r->p->sources.list[r->p->sources.n - 1]; }
static inline const eprof__samples *rig_samples(const rig *r, int32_t channel)
{
    return &r->p->record->samples[channel];
}

#endif
