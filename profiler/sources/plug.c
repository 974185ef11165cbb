/* SPDX-License-Identifier: MIT
 * plug.c - wall plugs on the local network: Shelly Gen2+ and Gen1, Tasmota, by HTTP, once a second.
 *
 * Facts: profiling.md 2.7; Shelly's API documents (Switch.GetStatus, PM1.GetStatus, /meter/0), Tasmota's Commands
 * (Status 8). Power is an instant's of 0.1 W or 1 W; energy is the plug's own counter, in Wh, watt-minutes or kWh,
 * which some renew once a minute. What is seen again is no new reading. When the plug's clock goes back it has begun
 * anew, and that reading's counter is left out.
 */
#include "profiler/sources/http_get.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sources/json_find.h"

#define PERIOD_NS INT64_C(1000000000)
#define MINUTE_NS INT64_C(60000000000)

enum { TIMEOUT_MS = 2000, MOST_W = 4000 /* 16 A at 250 V */ };

/* How a kind of plug is asked, where its numbers are, and what its counter counts. */
typedef struct dialect {
    const char *kind, *model, *target, *power, *energy, *clock;
    double per_unit;             /* raw counts of the channel per unit of the answer */
    double joules;               /* of a raw count */
    double energy_lsb_j, power_lsb_w;
} dialect;

static const dialect dialects[EPROF__PLUG_DIALECTS] = {
    { "shelly", "Shelly (Gen2+) plug", "/rpc/Switch.GetStatus?id=0", "apower", "aenergy.total", "aenergy.minute_ts",
      1000, 3.6, 3.6, 0.1 },                                                             /* Wh, three decimals */
    { "shelly", "Shelly (Gen2+) meter", "/rpc/PM1.GetStatus?id=0", "apower", "aenergy.total", "aenergy.minute_ts",
      1000, 3.6, 3.6, 0.1 },
    { "shelly", "Shelly (Gen1) plug", "/meter/0", "power", "total", "timestamp", 1, 60, 60, 0.01 }, /* watt-minutes */
    { "tasmota", "Tasmota plug", "/cm?cmnd=Status%208", "StatusSNS.ENERGY.Power", "StatusSNS.ENERGY.Total", NULL,
      100000, 36, 3600, 1 },                                     /* kWh, three decimals unless set to five */
};

typedef struct plug {
    eprof__http http;
    const dialect *d;
    eprof__fresh fresh;
    double clock_s;              /* the plug's, at the last reading; NAN: it has none */
} plug;

int eprof__decode_plug(const char *json, size_t n_bytes, int32_t which, double *power_w, double *energy,
                       double *clock_s)
{
    const dialect *d = &dialects[which];
    *power_w = *energy = *clock_s = EPROF_ABSENT;
    const int status = eprof__json_number(json, n_bytes, d->power, power_w);
    if (status == -EBADMSG) return status;
    (void)eprof__json_number(json, n_bytes, d->energy, energy);
    if (d->clock) (void)eprof__json_number(json, n_bytes, d->clock, clock_s);
    if (isnan(*power_w) && isnan(*energy)) return -EBADMSG; /* some other JSON */
    if (fabs(*power_w) > MOST_W || *energy < 0 || *energy > 1e9) return -ERANGE;
    return 0;
}

/* 0, or why the answer is none. */
static int ask(plug *m, const eprof_io *io, double *power_w, double *energy, double *clock_s, int64_t *begin_ns,
               int64_t *end_ns)
{
    const int status = eprof__http_get(&m->http, io, m->d->target, TIMEOUT_MS, begin_ns, end_ns);
    const eprof__http_answer *a = &m->http.answer;
    if (status != 0) return status;
    if (a->code == 401 || a->code == 403) return -EACCES;
    if (a->code == 404) return -ENOENT;
    if (a->code != 200) return -EIO;
    return eprof__decode_plug(a->body, a->n_body, (int32_t)(m->d - dialects), power_w, energy, clock_s);
}

static int read_plug(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    plug *m = s->state;
    double power_w, energy, clock_s;
    const int status = ask(m, io, &power_w, &energy, &clock_s, begin_ns, end_ns);
    if (status != 0) return status;
    const bool began_anew = clock_s < m->clock_s;
    m->clock_s = clock_s;
    ok[0] = !isnan(power_w);
    ok[1] = !isnan(energy) && !began_anew;
    raw[0] = ok[0] ? llround(power_w * 1e3) : 0;
    raw[1] = ok[1] ? llround(energy * m->d->per_unit) : 0;
    /* One answer is one reading: a counter that stands while the power moves has been read as well. */
    const int64_t shown = (int64_t)((uint64_t)raw[1] << 24 ^ (uint64_t)raw[0]);
    return eprof__fresh_take(&m->fresh, shown, *end_ns, PERIOD_NS) ? 0 : -EAGAIN;
}

static void close_plug(eprof__source *s, const eprof_io *io)
{
    plug *m = s->state;
    if (!m) return;
    eprof__port_close(&m->http.port, io);
    free(m);
    s->state = NULL;
}

static const eprof__source_ops ops = { read_plug, close_plug };

/* --------------------------------------------------------------------------------------------------- probe -- */

static void describe(eprof__source *s, const dialect *d)
{
    s->n_channels = 0;
    s->is_slow = true;
    s->period_ns = PERIOD_NS;
    s->info.scope = EPROF_SCOPE_WALL_AC;
    s->info.cls = EPROF_CLASS_SAMPLE;
    s->info.period_s = 1;
    s->info.accuracy_pct = 2; /* no class is claimed; 1 % was seen above 10 W */
    (void)snprintf(s->info.what, sizeof s->info.what, "%s, over HTTP", d->model);
    eprof__channel *power = eprof__meter_channel(s, "", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-3);
    eprof__channel *energy = eprof__meter_channel(s, "/energy", EPROF__ENERGY, EPROF_CLASS_COUNTER, d->joules);
    power->update_ns = PERIOD_NS;
    power->lsb = d->power_lsb_w;
    energy->update_ns = MINUTE_NS;
    energy->lsb = d->energy_lsb_j;
    power->most = energy->most = MOST_W;
    power->offset_w = energy->offset_w = 0.5;
}

/* The dialect that answers, of those of this kind; the reason of the first that is not merely "no such page". */
static int find_dialect(eprof__source *s, const eprof_io *io, const char *kind)
{
    plug *m = s->state;
    int reason = -ENOENT;
    for (int i = 0; i < EPROF__PLUG_DIALECTS; i++) {
        if (strcmp(dialects[i].kind, kind) != 0) continue;
        m->d = &dialects[i];
        describe(s, m->d);
        const int status = eprof__meter_first(s, io, 1);
        if (status == 0) return 0;
        if (status == -EACCES || status == -ETIMEDOUT || !(status == -ENOENT || status == -EBADMSG || status == -EIO))
            return status;
        if (reason == -ENOENT) reason = status;
    }
    return reason;
}

void eprof__probe_plug(eprof__sources *all, const char *kind, const char *address)
{
    eprof__source *s = eprof__meter_add(all, kind, address);
    if (!s) return;
    s->ops = &ops;
    if (!address) {
        eprof__source_dead(s, NULL, "needs an address: %s:HOST", kind);
        return;
    }
    plug *m = s->state = calloc(1, sizeof *m);
    int status = m ? eprof__port_init(&m->http.port, address, 80) : -ENOMEM;
    if (status == 0 && m->http.port.tcp_port == 0) status = -EINVAL;
    if (status == 0) {
        m->clock_s = EPROF_ABSENT;
        status = find_dialect(s, all->io, kind);
    }
    const char *more = status == -EACCES   ? "; it asks for a password, which is not supported"
                       : status == -ENOENT ? "; no page of a plug that measures"
                                           : "";
    eprof__meter_verdict(s, all->io, address, status, more);
}
