/* SPDX-License-Identifier: MIT
 * km003c.c - ChargerLAB POWER-Z KM003C and KM002C: one ADC request after the other over its HID interface, 50 a second.
 *
 * Facts: profiling.md 2.6, after okhsunrog/km003c-protocol-research (docs/protocol_reference.md) and chaseleif/km003c.
 * Each request has a number that its answer repeats; an answer to an earlier one is thrown away, so that a lost one
 * costs one reading and never shifts the others. Current has a sign: the direction of the first that is more than noise
 * counts as forward, whichever way round the meter is plugged in, and what flows back later is negative.
 */
#include "profiler/sources/meters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PUT_DATA = 0x41, ATTRIBUTE_ADC = 1, ADC_BYTES = 44, ADC_AT = 8, READ_MS = 15, WRITE_MS = 15, MOST_STRAYS = 4,
       PROBE_READS = 8, NOISE_UA = 5000, MOST_UV = 64000000, MOST_UA = 16000000 };

#define PERIOD_NS INT64_C(20000000)

static const eprof__hid_id models[] = { { 0x5fc9, 0x0063, "KM003C" }, { 0x5fc9, 0x0061, "KM002C" } };
enum { N_MODELS = 2 };

typedef struct km003c {
    eprof__port port;
    uint8_t transaction;
    int forward;                 /* 1 or -1; 0: no current has flowed yet */
} km003c;

int eprof__decode_km003c(const uint8_t *bytes, size_t n_bytes, uint8_t transaction, int64_t *power_pw,
                         int32_t *current_ua)
{
    if (n_bytes < ADC_AT + ADC_BYTES || (bytes[0] & 0x7f) != PUT_DATA) return -EBADMSG;
    const uint32_t extended = eprof__le32(bytes + 4); /* attribute:15 next:1 chunk:6 size:10 */
    if ((extended & 0x7fff) != ATTRIBUTE_ADC || extended >> 22 != ADC_BYTES) return -EBADMSG;
    if (bytes[1] != transaction) return -ENOMSG;
    const int32_t microvolts = (int32_t)eprof__le32(bytes + ADC_AT);
    const int32_t microamps = (int32_t)eprof__le32(bytes + ADC_AT + 4);
    if (microvolts < -MOST_UV || microvolts > MOST_UV || microamps < -MOST_UA || microamps > MOST_UA) return -ERANGE;
    *power_pw = (int64_t)microvolts * microamps;
    *current_ua = microamps;
    return 0;
}

static int ask(km003c *m, const eprof_io *io)
{
    const uint8_t report[1 + EPROF__HID_REPORT_BYTES] = { 0, 0x0c, ++m->transaction, ATTRIBUTE_ADC << 1 };
    return eprof__port_write(&m->port, io, report, sizeof report, WRITE_MS);
}

/* The answer to the last request; strays before it are passed over. */
static int listen_for(km003c *m, const eprof_io *io, int64_t *power_pw, int32_t *current_ua)
{
    uint8_t bytes[EPROF__HID_REPORT_BYTES];
    int status = -ENOMSG;
    for (int i = 0; i < MOST_STRAYS && status == -ENOMSG; i++) {
        const int64_t n = eprof__port_read(&m->port, io, bytes, sizeof bytes, READ_MS);
        if (n < 0) return (int)n;
        status = eprof__decode_km003c(bytes, (size_t)n, m->transaction, power_pw, current_ua);
    }
    return status == -ENOMSG ? -EBADMSG : status;
}

static int read_km003c(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                       int64_t *end_ns)
{
    km003c *m = s->state;
    int64_t power_pw;
    int32_t current_ua;
    int status = eprof__port_open(&m->port, io);
    const int64_t asked_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    if (status == 0) status = ask(m, io);
    if (status == 0) status = listen_for(m, io, &power_pw, &current_ua);
    if (status != 0) return status;
    if (m->forward == 0 && (current_ua > NOISE_UA || current_ua < -NOISE_UA)) m->forward = power_pw < 0 ? -1 : 1;
    raw[0] = m->forward < 0 ? -power_pw : power_pw;
    ok[0] = true;
    *begin_ns = asked_ns;
    *end_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    return 0;
}

static void close_km003c(eprof__source *s, const eprof_io *io)
{
    km003c *m = s->state;
    if (!m) return;
    eprof__port_close(&m->port, io);
    free(m);
    s->state = NULL;
}

static const eprof__source_ops ops = { read_km003c, close_km003c };

static void describe(eprof__source *s, int model)
{
    s->ops = &ops;
    s->is_slow = true;
    s->period_ns = PERIOD_NS;
    s->info.scope = EPROF_SCOPE_BOARD_DC;
    s->info.cls = EPROF_CLASS_SAMPLE;
    s->info.period_s = 0.02;
    s->info.accuracy_pct = 0.5; /* until it is calibrated: display digits are no specification */
    (void)snprintf(s->info.what, sizeof s->info.what, "ChargerLAB POWER-Z %s USB-C meter, through hidraw",
                   models[model].name);
    eprof__channel *c = eprof__meter_channel(s, "", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-12);
    c->least = -250;
    c->most = 250;
    c->offset_w = 0.01;
    c->lsb = 5e-5; /* 10 uA at 5 V */
}

static void open_meter(eprof__sources *all, const char *path, int model)
{
    eprof__source *s = eprof__meter_add(all, "km003c", path);
    if (!s) return;
    describe(s, model);
    km003c *m = s->state = calloc(1, sizeof *m);
    int status = m ? eprof__port_init(&m->port, path, 0) : -ENOMEM;
    if (status == 0) status = eprof__meter_first(s, all->io, PROBE_READS);
    eprof__meter_verdict(s, all->io, path, status, "");
}

void eprof__probe_km003c(eprof__sources *all, const char *address)
{
    char path[64];
    if (!address) {
        for (int i = 0, model; (model = eprof__hid_find(all->io, models, N_MODELS, i, path)) >= 0; i++)
            open_meter(all, path, model);
        return;
    }
    const int which = eprof__hid_which(all->io, address, models, N_MODELS);
    if (which != -ENODEV) {
        open_meter(all, address, which >= 0 ? which : 0);
        return;
    }
    eprof__source *s = eprof__meter_add(all, "km003c", address);
    if (s) eprof__source_dead(s, NULL, "%s is no POWER-Z meter: its USB id is another", address);
}
