/* SPDX-License-Identifier: MIT
 * record.c - samples in rings, regions in a table, one lock.
 *
 * Invariant: under the lock, the samples of a channel are in order of time, and the latest `n` of them are in its ring.
 */
#include "profiler/record/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/run/profiler.h"

eprof_status eprof__record_create(eprof__record **out, eprof_error *err)
{
    *out = NULL;
    eprof__record *r = calloc(1, sizeof *r);
    if (!r) return eprof__fail(err, EPROF_E_NOMEM, "record", "", "no memory for %zu bytes", sizeof *r);
    if (pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return eprof__fail(err, EPROF_E_NOMEM, "record", "", "a mutex could not be made");
    }
    r->facts.ram_total_mib = EPROF_ABSENT;
    *out = r;
    return EPROF_OK;
}

void eprof__record_destroy(eprof__record **r)
{
    if (!r || !*r) return;
    for (int32_t i = 0; i < (*r)->n_channels; i++) free((*r)->samples[i].ring);
    free((*r)->regions);
    (void)pthread_mutex_destroy(&(*r)->lock);
    free(*r);
    *r = NULL;
}

/* ---------------------------------------------------------------------------------------------- channels -- */

int32_t eprof__record_add_channel(eprof__record *r, const eprof__channel *c, int64_t capacity, eprof_error *err)
{
    if (r->n_channels == EPROF__MAX_CHANNELS)
        return eprof__fail(err, EPROF_E_LIMIT, c->name, "name fewer sources", "a record has %d channels at most",
                           EPROF__MAX_CHANNELS);
    if (capacity < 1 || capacity > EPROF__MOST_SAMPLES)
        return eprof__fail(err, EPROF_E_LIMIT, c->name, "ask for a shorter history_s",
                           "%lld samples were asked for, expected 1 to %lld", (long long)capacity,
                           (long long)EPROF__MOST_SAMPLES);
    eprof__sample *ring = calloc((size_t)capacity, sizeof *ring); /* pages come as samples do */
    if (!ring)
        return eprof__fail(err, EPROF_E_NOMEM, c->name, "ask for a shorter history_s", "no memory for %lld samples",
                           (long long)capacity);
    r->channels[r->n_channels] = *c;
    r->samples[r->n_channels] = (eprof__samples){ .ring = ring, .capacity = capacity };
    return r->n_channels++;
}

eprof_status eprof__record_add_meter(eprof__record *r, const eprof__meter *m, eprof_error *err)
{
    if (r->n_meters == EPROF__MAX_METERS)
        return eprof__fail(err, EPROF_E_LIMIT, m->name, "name fewer sources", "a record has %d meters at most",
                           EPROF__MAX_METERS);
    r->meters[r->n_meters++] = *m;
    return EPROF_OK;
}

/* ----------------------------------------------------------------------------------------------- samples -- */

int64_t eprof__samples_before(const eprof__samples *s, int64_t t_ns)
{
    int64_t low = 0, high = s->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (eprof__sample_at(s, middle)->t_ns < t_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static eprof__sample *place(eprof__samples *s, int64_t i)
{
    const int64_t at = s->first + i;
    return &s->ring[at < s->capacity ? at : at - s->capacity];
}

/* Room at the end; the oldest goes when the ring is full. */
static void make_room(eprof__samples *s)
{
    if (s->n < s->capacity) {
        s->n++;
        return;
    }
    s->first = s->first + 1 < s->capacity ? s->first + 1 : 0;
}

void eprof__record_append(eprof__record *r, int32_t channel, int64_t begin_ns, int64_t end_ns, int64_t raw,
                          uint32_t flags)
{
    const int64_t half = (end_ns - begin_ns) / 2;
    const eprof__sample new = { begin_ns + half, raw, half > INT32_MAX ? INT32_MAX : (int32_t)half, flags };
    eprof__samples *s = &r->samples[channel];
    (void)pthread_mutex_lock(&r->lock);
    make_room(s);
    int64_t i = s->n - 1;
    for (; i > 0 && place(s, i - 1)->t_ns > new.t_ns; i--) *place(s, i) = *place(s, i - 1);
    *place(s, i) = new;
    s->n_ever++;
    (void)pthread_mutex_unlock(&r->lock);
}

/* ----------------------------------------------------------------------------------------------- regions -- */

/* Ids are places in the table, from 1 on. */
const eprof__region_record *eprof__record_region(const eprof__record *r, eprof_region id)
{
    return id >= 1 && id <= (uint64_t)r->n_regions ? &r->regions[id - 1] : NULL;
}

static bool grow(eprof__record *r)
{
    if (r->n_regions < r->regions_capacity) return true;
    if (r->n_regions == EPROF__MAX_REGION_RECORDS) return false;
    const int64_t capacity = r->regions_capacity ? 2 * r->regions_capacity : 256;
    eprof__region_record *regions = realloc(r->regions, (size_t)capacity * sizeof *regions);
    if (!regions) return false;
    r->regions = regions;
    r->regions_capacity = capacity;
    return true;
}

eprof_region eprof__record_begin(eprof__record *r, eprof_region parent, const char *name, int64_t t_ns, int64_t thread,
                                 int64_t cpu_ns)
{
    eprof_region id = 0;
    (void)pthread_mutex_lock(&r->lock);
    if (grow(r)) {
        eprof__region_record *g = &r->regions[r->n_regions++];
        id = (eprof_region)r->n_regions;
        *g = (eprof__region_record){ .id = id, .parent = parent, .begin_ns = t_ns, .end_ns = INT64_MAX,
                                     .thread = thread, .begin_cpu_ns = cpu_ns, .end_cpu_ns = -1 };
        (void)snprintf(g->name, sizeof g->name, "%s", name);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return id;
}

eprof_status eprof__record_end(eprof__record *r, eprof_region id, int64_t t_ns, int64_t thread, int64_t cpu_ns,
                               eprof_error *err)
{
    (void)pthread_mutex_lock(&r->lock);
    const bool known = id >= 1 && id <= (uint64_t)r->n_regions;
    eprof__region_record *g = known ? &r->regions[id - 1] : NULL;
    const bool is_open = g && g->end_ns == INT64_MAX;
    if (is_open) {
        g->end_ns = t_ns;
        g->end_thread = thread;
        if (thread == g->thread) g->end_cpu_ns = cpu_ns;
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (is_open) return EPROF_OK;
    return eprof__fail(err, known ? EPROF_E_STATE : EPROF_E_ARG, "region", "",
                       known ? "region %llu has ended before" : "there is no region %llu", (unsigned long long)id);
}

void eprof__record_annotate(eprof__record *r, eprof_region id, const char *key, double value)
{
    (void)pthread_mutex_lock(&r->lock);
    eprof__region_record *g = id >= 1 && id <= (uint64_t)r->n_regions ? &r->regions[id - 1] : NULL;
    int32_t i = 0;
    while (g && i < g->n_notes && strncmp(g->notes[i].key, key, sizeof g->notes[i].key - 1) != 0) i++;
    if (g && i < EPROF_MAX_NOTES) {
        (void)snprintf(g->notes[i].key, sizeof g->notes[i].key, "%s", key);
        g->notes[i].value = value;
        g->noted_late = g->noted_late || g->end_ns != INT64_MAX;
        if (i == g->n_notes) g->n_notes++;
    }
    (void)pthread_mutex_unlock(&r->lock);
}
