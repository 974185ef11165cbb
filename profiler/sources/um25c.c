/* SPDX-License-Identifier: MIT
 * um25c.c - RDTech UM24C, UM25C and UM34C: USB meters over Bluetooth, as a serial device (rfcomm bind 0 MAC).
 *
 * Facts: profiling.md 2.5, after rfinnie/rdserialtool. The byte F0 asks for 130 bytes, big endian, which come in pieces
 * and without a checksum: they count as a reading when their temperatures in C and F agree and power is volts times
 * amperes. The display renews twice a second; what is seen again sooner is dropped. Energy in mWh counts in the group
 * that is selected: the channel stays with the group it began with. A terminal line would translate and echo bytes, so
 * it is set raw by ioctl, for which the io table has no better call; what is no terminal needs none.
 */
#include "profiler/sources/meters.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#if defined(__linux__)
#include <asm/ioctls.h>
#include <asm/termbits.h>
#endif

#define MS INT64_C(1000000)
#define REFRESH_NS (500 * MS)
#define POLL_NS (400 * MS)       /* no more than three a second */
#define ANSWER_NS (1000 * MS)

enum { REQUEST = 0xf0, WRITE_MS = 500, N_GROUPS = 10, DRAIN_READS = 8, PROBE_READS = 2 };

typedef struct um25c {
    eprof__port port;
    int32_t group;               /* whose energy is counted; -1: not known yet */
    eprof__fresh fresh;
} um25c;

/* ------------------------------------------------------------------------------------------------ decoder -- */

static bool is_near(int64_t a, int64_t b, int64_t tolerance) { return a - b <= tolerance && b - a <= tolerance; }

/* Volts times amperes in mW: of 1 mV and 0.1 mA on the UM25C, of 10 mV and 1 mA on the others. Which one it is makes no
 * difference to what is read, so any of the two may fit. */
static bool power_agrees(const eprof__um25c_reading *r)
{
    const int64_t product = (int64_t)r->volts_raw * r->amps_raw, fine = product / 10000, coarse = product / 100;
    return is_near(r->power_mw, fine, 100 + fine / 10) || is_near(r->power_mw, coarse, 100 + coarse / 10);
}

int eprof__decode_um25c(const uint8_t *bytes, size_t n_bytes, eprof__um25c_reading *out)
{
    if (n_bytes != EPROF__UM25C_BYTES) return -EBADMSG;
    const int32_t celsius = (int16_t)eprof__be16(bytes + 10), fahrenheit = (int16_t)eprof__be16(bytes + 12);
    const uint32_t group = eprof__be16(bytes + 14);
    if (group >= N_GROUPS || !is_near(fahrenheit * 5, celsius * 9 + 160, 15)) return -EBADMSG;
    const eprof__um25c_reading r = {
        .power_mw = eprof__be32(bytes + 6), .energy_mwh = eprof__be32(bytes + 20 + 8 * group), .group = (int32_t)group,
        .volts_raw = (uint16_t)eprof__be16(bytes + 2), .amps_raw = (uint16_t)eprof__be16(bytes + 4) };
    if (!power_agrees(&r)) return -EBADMSG;
    *out = r;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ readings -- */

/* Eight bits, nothing translated, nothing echoed. Bluetooth has no speed; a wired adapter's is 9600. */
static void make_raw(um25c *m, const eprof_io *io)
{
#if defined(__linux__)
    struct termios line;
    memset(&line, 0, sizeof line);
    line.c_cflag = CS8 | CREAD | CLOCAL | B9600;
    line.c_cc[VMIN] = 1;
    (void)io->ioctl(io->user, m->port.fd, TCSETS, &line); /* fails where it is no terminal */
#else
    (void)m, (void)io;
#endif
}

/* The whole answer, in as many pieces as it takes. One that stays short is followed by a new beginning: whatever else
 * comes of it is thrown away before the next request. */
static int receive(um25c *m, const eprof_io *io, uint8_t bytes[EPROF__UM25C_BYTES])
{
    const int64_t until_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC) + ANSWER_NS;
    uint64_t got = 0;
    while (got < EPROF__UM25C_BYTES) {
        const int64_t left_ns = until_ns - io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
        if (left_ns <= 0) return got ? -EBADMSG : -ETIMEDOUT;
        const int64_t n = eprof__port_read(&m->port, io, bytes + got, EPROF__UM25C_BYTES - got,
                                           (int32_t)(left_ns / MS) + 1);
        if (n < 0 && n != -ETIMEDOUT) return (int)n;
        if (n > 0) got += (uint64_t)n;
    }
    return 0;
}

static int read_um25c(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                      int64_t *end_ns)
{
    um25c *m = s->state;
    const uint8_t request = REQUEST;
    uint8_t bytes[EPROF__UM25C_BYTES];
    eprof__um25c_reading r;
    const bool was_open = m->port.is_open;
    int status = eprof__port_open(&m->port, io);
    if (status == 0 && !was_open) make_raw(m, io);
    if (status == 0) status = eprof__port_drain(&m->port, io, 0, DRAIN_READS);
    const int64_t asked_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    if (status == 0) status = eprof__port_write(&m->port, io, &request, 1, WRITE_MS);
    if (status == 0) status = receive(m, io, bytes);
    if (status == 0) status = eprof__decode_um25c(bytes, sizeof bytes, &r);
    if (status != 0) return status;
    const int64_t now_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    const int64_t shown = (int64_t)r.volts_raw << 47 ^ (int64_t)r.amps_raw << 31 ^ r.power_mw;
    if (!eprof__fresh_take(&m->fresh, shown, now_ns, REFRESH_NS)) return -EAGAIN;
    if (m->group < 0) m->group = r.group;
    raw[0] = r.power_mw;
    raw[1] = r.energy_mwh;
    ok[0] = true;
    ok[1] = r.group == m->group;
    *begin_ns = asked_ns;
    *end_ns = now_ns;
    return 0;
}

static void close_um25c(eprof__source *s, const eprof_io *io)
{
    um25c *m = s->state;
    if (!m) return;
    eprof__port_close(&m->port, io);
    free(m);
    s->state = NULL;
}

static const eprof__source_ops ops = { read_um25c, close_um25c };

/* --------------------------------------------------------------------------------------------------- probe -- */

static void describe(eprof__source *s)
{
    s->ops = &ops;
    s->is_slow = true;
    s->period_ns = POLL_NS;
    s->info.scope = EPROF_SCOPE_BOARD_DC;
    s->info.cls = EPROF_CLASS_SAMPLE;
    s->info.period_s = 0.5;
    s->info.accuracy_pct = 1; /* 0.5 permille of volts and 1 permille of amperes are claimed; seen with cheap leads */
    (void)snprintf(s->info.what, sizeof s->info.what, "RDTech UM24C/UM25C/UM34C USB meter, over a serial line");
    eprof__channel *power = eprof__meter_channel(s, "", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-3);
    eprof__channel *energy = eprof__meter_channel(s, "/energy", EPROF__ENERGY, EPROF_CLASS_COUNTER, 3.6);
    energy->wrap = UINT64_C(1) << 32;
    power->period_ns = energy->period_ns = power->update_ns = energy->update_ns = REFRESH_NS;
    power->most = energy->most = 200;
    power->offset_w = energy->offset_w = 0.01;
}

void eprof__probe_um25c(eprof__sources *all, const char *address)
{
    eprof__source *s = eprof__meter_add(all, "um25c", address);
    if (!s) return;
    describe(s);
    if (!address) {
        eprof__source_dead(s, "sudo rfcomm bind 0 MAC_OF_THE_METER", "needs an address: um25c:/dev/rfcomm0");
        return;
    }
    um25c *m = s->state = calloc(1, sizeof *m);
    int status = m ? eprof__port_init(&m->port, address, 0) : -ENOMEM;
    if (status == 0) {
        m->group = -1;
        status = eprof__meter_first(s, all->io, PROBE_READS);
    }
    eprof__meter_verdict(s, all->io, address, status, status == -ETIMEDOUT ? "; is it paired (PIN 1234) and on?" : "");
}
