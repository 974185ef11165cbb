/* SPDX-License-Identifier: MIT
 * fnirsi.c - FNIRSI FNB58, FNB48, FNB48S and C1: USB meters as HID devices, four samples a frame, 25 frames a second.
 *
 * Facts: profiling.md 2.4, after baryluk/fnirsi-usb-power-data-logger and its issues 4, 7, 19, 21. The meter sends as
 * long as it is kept alive, has no clock, and begins with garbage at times; a frame counts once three in a row were
 * sane. Old firmware freezes when the host is gone before its queue is: close drains it. A frame is one point: on some
 * models three of its four samples are interpolated.
 */
#include "profiler/sources/meters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_SAMPLES = 4, SAMPLE_BYTES = 15, SANE_BEFORE_USE = 3, READ_MS = 15, WRITE_MS = 100, DRAIN_MS = 1000,
       DRAIN_READS = 256, FRAMES_PER_FIT = 25, PROBE_READS = 40 };

#define MS INT64_C(1000000)
#define FRAME_NS (40 * MS)
#define SAMPLE_NS (10 * MS)
#define KEEP_ALIVE_NS (3 * MS)   /* never more often: firmware from 0.68 on wants it after each frame */
#define SILENCE_NS (1000 * MS)
#define MOST_LATE_NS (500 * MS)  /* later frames begin a new grid, and what waited so long is thrown away */

/* 60 V and 12 A are beyond every model; garbage was seen as 188.74 V, 170 A. In 10 uV and 10 uA. */
#define MOST_VOLTS_RAW 6000000u
#define MOST_AMPS_RAW 1200000u

static const eprof__hid_id models[] = {
    { 0x2e3c, 0x5558, "FNB58" }, { 0x2e3c, 0x0049, "FNB48S" }, { 0x0483, 0x003a, "FNB48" }, { 0x0483, 0x003b, "C1" } };
enum { N_MODELS = 4, FNB48 = 2, C1 = 3 };

/* When frames were sent, by when they came: late at times, never early. */
typedef struct frame_clock {
    bool is_set;
    int n;
    int64_t next_ns, least_late_ns;
} frame_clock;

typedef struct fnirsi {
    eprof__port port;
    int model, n_sane;
    int64_t asked_ns, written_ns, heard_ns;
    frame_clock clock;
} fnirsi;

/* ------------------------------------------------------------------------------------------------- frames -- */

uint8_t eprof__fnirsi_crc(const uint8_t frame[EPROF__FNIRSI_BYTES])
{
    unsigned crc = 0x42;
    for (int i = 1; i < EPROF__FNIRSI_BYTES - 1; i++) {
        crc ^= frame[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 0x80 ? (crc << 1 ^ 0x39) & 0xff : crc << 1;
    }
    return (uint8_t)crc;
}

int eprof__decode_fnirsi(const uint8_t *frame, size_t n_bytes, int64_t *power_sum)
{
    if (n_bytes != EPROF__FNIRSI_BYTES || frame[0] != 0xaa || frame[63] != eprof__fnirsi_crc(frame)) return -EBADMSG;
    if (frame[1] != 0x04) return -ENOMSG;
    int64_t sum = 0;
    for (int i = 0; i < N_SAMPLES; i++) {
        const uint8_t *sample = frame + 2 + SAMPLE_BYTES * i;
        const uint32_t volts = eprof__le32(sample), amps = eprof__le32(sample + 4);
        if (volts > MOST_VOLTS_RAW || amps > MOST_AMPS_RAW) return -ERANGE;
        sum += (int64_t)volts * amps;
    }
    *power_sum = sum;
    return 0;
}

/* A command is a report of 64 bytes behind the report id, 0. */
static int send(fnirsi *m, const eprof_io *io, uint8_t command)
{
    uint8_t report[1 + EPROF__FNIRSI_BYTES] = { 0, 0xaa, command };
    report[EPROF__FNIRSI_BYTES] = eprof__fnirsi_crc(report + 1);
    m->written_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    return eprof__port_write(&m->port, io, report, sizeof report, WRITE_MS);
}

/* The grid of 40 ms runs on; the least late frame of a second shows how far it is off. */
static int64_t frame_time(frame_clock *c, int64_t came_ns)
{
    int64_t late_ns = came_ns - c->next_ns;
    if (!c->is_set || late_ns < 0 || late_ns > MOST_LATE_NS) {
        *c = (frame_clock){ true, 0, came_ns, INT64_MAX };
        late_ns = 0;
    }
    const int64_t sent_ns = c->next_ns;
    if (late_ns < c->least_late_ns) c->least_late_ns = late_ns;
    c->next_ns += FRAME_NS;
    if (++c->n == FRAMES_PER_FIT) {
        c->next_ns += c->least_late_ns;
        c->least_late_ns = INT64_MAX;
        c->n = 0;
    }
    return sent_ns;
}

/* ------------------------------------------------------------------------------------------------ readings -- */

/* Say who we are, ask for data, and once more: by another command on the older models. */
static int start(fnirsi *m, const eprof_io *io)
{
    const bool is_old = m->model == FNB48 || m->model == C1;
    const uint8_t sequence[3] = { 0x81, 0x82, is_old ? 0x83 : 0x82 };
    m->n_sane = 0;
    m->clock.is_set = false;
    for (int i = 0; i < 3; i++) {
        const int status = send(m, io, sequence[i]);
        if (status != 0) return status;
    }
    m->heard_ns = m->written_ns;
    return 0;
}

/* Nothing came. After a second of it the meter is told to begin again; that is an error, so that it is seen. */
static int be_patient(fnirsi *m, const eprof_io *io, int64_t now_ns)
{
    if (now_ns - m->heard_ns < SILENCE_NS) return -EAGAIN;
    const int status = start(m, io);
    return status != 0 ? status : -ETIMEDOUT;
}

/* Have the meter open and sending. Where nobody has looked for a while, what waits is old, and it may have stopped. */
static int attend(fnirsi *m, const eprof_io *io)
{
    const bool was_open = m->port.is_open;
    int status = eprof__port_open(&m->port, io);
    const int64_t now_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    const bool was_away = now_ns - m->asked_ns > MOST_LATE_NS;
    m->asked_ns = now_ns;
    if (status == 0 && was_open && was_away) status = eprof__port_drain(&m->port, io, 0, DRAIN_READS);
    return status == 0 && (!was_open || was_away) ? start(m, io) : status;
}

static int read_fnirsi(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                       int64_t *end_ns)
{
    fnirsi *m = s->state;
    uint8_t frame[EPROF__FNIRSI_BYTES];
    int status = attend(m, io);
    if (status != 0) return status;
    const int64_t n = eprof__port_read(&m->port, io, frame, sizeof frame, READ_MS);
    const int64_t now_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    if (n == -ETIMEDOUT) return be_patient(m, io, now_ns);
    if (n < 0) return (int)n;
    m->heard_ns = now_ns;
    if (now_ns - m->written_ns >= KEEP_ALIVE_NS) status = send(m, io, 0x83);
    if (status != 0) return status;
    status = eprof__decode_fnirsi(frame, (size_t)n, &raw[0]);
    if (status == -ENOMSG) return -EAGAIN;
    const int64_t sent_ns = frame_time(&m->clock, now_ns);
    if (status == -ERANGE) m->n_sane = 0;
    if (status != 0) return status;
    if (m->n_sane < SANE_BEFORE_USE && ++m->n_sane < SANE_BEFORE_USE) return -EAGAIN;
    /* Four samples of 10 ms up to the frame: their middle, give or take half a sample. */
    const int64_t middle_ns = sent_ns - (N_SAMPLES - 1) * SAMPLE_NS / 2;
    *begin_ns = middle_ns - SAMPLE_NS / 2;
    *end_ns = middle_ns + SAMPLE_NS / 2;
    ok[0] = true;
    return 0;
}

static void close_fnirsi(eprof__source *s, const eprof_io *io)
{
    fnirsi *m = s->state;
    if (!m) return;
    (void)eprof__port_drain(&m->port, io, DRAIN_MS, DRAIN_READS);
    eprof__port_close(&m->port, io);
    free(m);
    s->state = NULL;
}

static const eprof__source_ops ops = { read_fnirsi, close_fnirsi };

/* --------------------------------------------------------------------------------------------------- probe -- */

static void describe(eprof__source *s, int model)
{
    s->ops = &ops;
    s->is_slow = true;
    s->period_ns = FRAME_NS / 2; /* looked at twice as often as frames come: a queue that has grown gets shorter */
    s->info.scope = EPROF_SCOPE_BOARD_DC;
    s->info.cls = EPROF_CLASS_SAMPLE;
    s->info.period_s = 0.04;
    s->info.accuracy_pct = 0.5; /* no specification is known; with 2 mA of offset at 5 V */
    (void)snprintf(s->info.what, sizeof s->info.what, "FNIRSI %s USB meter, through hidraw", models[model].name);
    eprof__channel *c = eprof__meter_channel(s, "", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-10 / N_SAMPLES);
    c->period_ns = FRAME_NS;
    c->most = 250;
    c->offset_w = 0.01;
    c->lsb = 5e-5; /* 10 uA at 5 V */
}

static void open_meter(eprof__sources *all, const char *path, int model)
{
    eprof__source *s = eprof__meter_add(all, "fnirsi", path);
    if (!s) return;
    describe(s, model);
    fnirsi *m = s->state = calloc(1, sizeof *m);
    int status = m ? eprof__port_init(&m->port, path, 0) : -ENOMEM;
    if (status == 0) {
        m->model = model;
        status = eprof__meter_first(s, all->io, PROBE_READS);
    }
    eprof__meter_verdict(s, all->io, path, status, status == -ETIMEDOUT ? "; connect its PC port" : "");
}

void eprof__probe_fnirsi(eprof__sources *all, const char *address)
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
    eprof__source *s = eprof__meter_add(all, "fnirsi", address);
    if (s) eprof__source_dead(s, NULL, "%s is no FNIRSI meter: its USB id is another", address);
}
