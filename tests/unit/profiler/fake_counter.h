/* SPDX-License-Identifier: MIT
 * fake_counter.h - energy counters that rise by the fake machine's clock: as text of a zone, as bytes of an event.
 */
#ifndef TESTS_UNIT_PROFILER_FAKE_COUNTER_H
#define TESTS_UNIT_PROFILER_FAKE_COUNTER_H

#include <stdio.h>

#include "tests/unit/profiler/probed.h"

/* Counts watts / joules_a_step from `base` on, modulo wrap (0: none). */
typedef struct fake_counter {
    double watts, step_j;
    uint64_t base, wrap;
} fake_counter;

static inline uint64_t fake_count(const fake_counter *c, int64_t now_ns)
{
    const double joules = c->watts * (double)(now_ns - INT64_C(1000000000000)) * 1e-9;
    const uint64_t raw = c->base + (uint64_t)(joules / c->step_j);
    return c->wrap ? raw % c->wrap : raw;
}

static inline int64_t fake_count_text(void *user, int64_t now_ns, char *out, size_t n)
{
    return snprintf(out, n, "%llu\n", (unsigned long long)fake_count(user, now_ns));
}

static inline int64_t fake_count_bytes(void *user, int64_t now_ns, char *out, size_t n)
{
    const uint64_t raw = fake_count(user, now_ns);
    assert_true(n >= sizeof raw);
    memcpy(out, &raw, sizeof raw);
    return sizeof raw;
}

/* Zone `folder` of powercap draws so many watts. */
static inline void fake_zone(fake_machine *m, const char *folder, fake_counter *c)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/sys/class/powercap/%s/energy_uj", folder);
    c->step_j = 1e-6;
    fake_content(m, path, fake_count_text, c);
}

/* An event of a PMU on one CPU. */
static inline void fake_event(fake_machine *m, uint32_t type, uint64_t config, int32_t cpu, fake_counter *c)
{
    c->step_j = 1.0 / 4294967296.0;
    fake_perf(m, type, config, cpu, fake_count_bytes, c);
}

/* A source that is dead for a reason; its channels may be there. */
static inline void assert_demoted(const eprof__source *s, const char *why)
{
    assert_int_equal(s->info.live, 0);
    if (!strstr(s->info.why_not, why)) fail_msg("%s: \"%s\" does not say \"%s\"", s->info.name, s->info.why_not, why);
}

#endif
