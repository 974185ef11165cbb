/* SPDX-License-Identifier: MIT
 * scpi.c - bench supplies, multimeters and analysers that speak SCPI: raw TCP (port 5025) or /dev/usbtmcN.
 *
 * Facts: profiling.md 2.7; SCPI-1999; IEEE 488.2 for *IDN? and the error queue; the kernel's usbtmc driver, whose poll
 * does not see an answer that was not asked for yet: there it is read by pread, which waits as long as the driver's own
 * time limit. Power is asked for as such; who does not know MEAS:POW? is asked for volts and amperes. Ranges are better
 * fixed at the instrument: each change of range spoils a reading.
 */
#include "profiler/sources/meters.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/usb/tmc.h>
#endif

#define MS INT64_C(1000000)
#define PERIOD_NS (200 * MS)

enum { TCP_PORT = 5025, ANSWER_MS = 1000, MOST_ANSWER = 255, MOST_ERRORS = 4, DRAIN_READS = 8, MOST_W = 100000 };

/* What is asked, in the order of preference; supplies of several channels want to know which. */
typedef struct form {
    const char *first, *second;  /* second: the product of both is the power */
} form;
static const form forms[] = {
    { "MEAS:POW?", NULL }, { "MEAS:VOLT?", "MEAS:CURR?" },
    { "MEAS:POW? (@1)", NULL }, { "MEAS:VOLT? (@1)", "MEAS:CURR? (@1)" } };
enum { N_FORMS = 4 };

typedef struct scpi {
    eprof__port port;
    const form *form;
    char error[48];              /* the last of the instrument's own errors */
} scpi;

/* ------------------------------------------------------------------------------------------------ decoder -- */

/* A prefix and a unit, "W", "mW", "KV"; 488.2 knows no case, and no bench instrument says megawatts. */
static bool parse_unit(const char *p, double *factor)
{
    static const struct { char letter; double factor; } prefixes[] = {
        { 'n', 1e-9 }, { 'u', 1e-6 }, { 'm', 1e-3 }, { 'k', 1e3 } };
    *factor = 1;
    while (*p == ' ') p++;
    for (int i = 0; i < 4; i++)
        if ((*p | 0x20) == prefixes[i].letter && p[1]) {
            *factor = prefixes[i].factor;
            p++;
            break;
        }
    if (*p && strchr("wva", *p | 0x20)) p++;
    return *p == '\0' || *p == ',' || *p == ';' || *p == ' ';
}

int eprof__decode_scpi(const char *text, size_t n_bytes, double *value)
{
    char line[MOST_ANSWER + 1];
    double number, factor;
    if (n_bytes > MOST_ANSWER) return -EBADMSG;
    memcpy(line, text, n_bytes);
    line[n_bytes] = '\0';
    while (n_bytes > 0 && strchr("\r\n ", line[n_bytes - 1])) line[--n_bytes] = '\0';
    const char *unit = eprof__parse_double(line, &number);
    if (!unit || !parse_unit(unit, &factor)) return -EBADMSG;
    if (!isfinite(number) || fabs(number) > 9e36) return -ERANGE;
    *value = number * factor;
    return 0;
}

/* ------------------------------------------------------------------------------------------------- talking -- */

/* A line; a message of usbtmc is one as it is. Its length, or -errno. */
static int64_t receive(scpi *m, const eprof_io *io, char answer[MOST_ANSWER])
{
    const int64_t until_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC) + ANSWER_MS * MS;
    int64_t got = 0;
    if (m->port.tcp_port == 0) {
        got = io->pread(io->user, m->port.fd, answer, MOST_ANSWER, 0);
        return got > 0 ? got : got == 0 ? -ETIMEDOUT : got;
    }
    while (got < MOST_ANSWER && !(got > 0 && answer[got - 1] == '\n')) {
        if (io->now_ns(io->user, EPROF_CLOCK_MONOTONIC) >= until_ns) return -ETIMEDOUT;
        const int64_t n = eprof__port_read(&m->port, io, answer + got, (uint64_t)(MOST_ANSWER - got), ANSWER_MS);
        if (n < 0 && n != -ETIMEDOUT) return n;
        if (n > 0) got += n;
    }
    return got;
}

/* Late answers to earlier questions go first. */
static int64_t query(scpi *m, const eprof_io *io, const char *question, char answer[MOST_ANSWER])
{
    char line[64];
    const int n = snprintf(line, sizeof line, "%s\n", question);
    int status = m->port.tcp_port ? eprof__port_drain(&m->port, io, 0, DRAIN_READS) : 0;
    if (status == 0) status = eprof__port_write(&m->port, io, line, (uint64_t)n, ANSWER_MS);
    return status != 0 ? status : receive(m, io, answer);
}

static void copy_line(char *out, size_t room, const char *text, int64_t n)
{
    size_t used = 0;
    for (int64_t i = 0; i < n && used + 1 < room && text[i] != '\n' && text[i] != '\r'; i++)
        out[used++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[used] = '\0';
}

/* What the instrument did not like, until its queue is empty: "0,..." or "+0,...". */
static void take_errors(scpi *m, const eprof_io *io)
{
    char answer[MOST_ANSWER];
    for (int i = 0; i < MOST_ERRORS; i++) {
        const int64_t n = query(m, io, "SYST:ERR?", answer);
        if (n <= 0 || answer[0] == '0' || (n > 1 && answer[0] == '+' && answer[1] == '0')) return;
        copy_line(m->error, sizeof m->error, answer, n);
    }
}

static int measure(scpi *m, const eprof_io *io, const char *question, double *value)
{
    char answer[MOST_ANSWER];
    const int64_t n = query(m, io, question, answer);
    return n < 0 ? (int)n : eprof__decode_scpi(answer, (size_t)n, value);
}

static int measure_power(scpi *m, const eprof_io *io, double *watts)
{
    double first = 0, second = 1;
    int status = measure(m, io, m->form->first, &first);
    if (status == 0 && m->form->second) status = measure(m, io, m->form->second, &second);
    if (status != 0) return status;
    if (!(fabs(first * second) <= MOST_W)) return -ERANGE;
    *watts = first * second;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ readings -- */

static void limit_wait(scpi *m, const eprof_io *io)
{
#if defined(USBTMC_IOCTL_SET_TIMEOUT)
    uint32_t timeout_ms = ANSWER_MS;
    if (m->port.tcp_port == 0) (void)io->ioctl(io->user, m->port.fd, USBTMC_IOCTL_SET_TIMEOUT, &timeout_ms);
#else
    (void)m, (void)io;
#endif
}

static int open_port(scpi *m, const eprof_io *io)
{
    const bool was_open = m->port.is_open;
    const int status = eprof__port_open(&m->port, io);
    if (status == 0 && !was_open) limit_wait(m, io);
    return status;
}

static int read_scpi(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    scpi *m = s->state;
    double watts;
    int status = open_port(m, io);
    if (status != 0) return status;
    const int64_t asked_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    status = measure_power(m, io, &watts);
    if (status == -ENODEV) eprof__port_close(&m->port, io); /* a pread does not do it */
    if (status != 0) return status;
    *begin_ns = asked_ns;
    *end_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    raw[0] = llround(watts * 1e6);
    ok[0] = true;
    return 0;
}

static void close_scpi(eprof__source *s, const eprof_io *io)
{
    scpi *m = s->state;
    if (!m) return;
    eprof__port_close(&m->port, io);
    free(m);
    s->state = NULL;
}

static const eprof__source_ops ops = { read_scpi, close_scpi };

/* --------------------------------------------------------------------------------------------------- probe -- */

static void describe(eprof__source *s)
{
    s->ops = &ops;
    s->is_slow = true;
    s->period_ns = PERIOD_NS;
    s->info.scope = EPROF_SCOPE_BOARD_DC;
    s->info.cls = EPROF_CLASS_SAMPLE;
    s->info.period_s = 0.2;
    s->info.accuracy_pct = 0.5; /* the instrument's data sheet may say less; it does not tell by itself */
    eprof__channel *c = eprof__meter_channel(s, "", EPROF__POWER, EPROF_CLASS_SAMPLE, 1e-6);
    c->least = -MOST_W;
    c->most = MOST_W;
    c->offset_w = 0.01;
    c->lsb = 1e-4;
}

/* Who it is, and the first form that it understands. */
static int introduce(eprof__source *s, const eprof_io *io)
{
    scpi *m = s->state;
    char answer[MOST_ANSWER], name[64];
    int status = open_port(m, io);
    if (status != 0) return status;
    const int64_t n = query(m, io, "*IDN?", answer);
    if (n < 0) return (int)n;
    copy_line(name, sizeof name, answer, n);
    (void)snprintf(s->info.what, sizeof s->info.what, "SCPI instrument %s", name);
    for (int i = 0; i < N_FORMS; i++) {
        double watts;
        m->form = &forms[i];
        status = measure_power(m, io, &watts);
        if (status == 0) {
            s->info.power_w = watts;
            return 0;
        }
        take_errors(m, io);
        if (!m->port.is_open) return status;
    }
    return status;
}

void eprof__probe_scpi(eprof__sources *all, const char *address)
{
    char more[64] = "";
    eprof__source *s = eprof__meter_add(all, "scpi", address);
    if (!s) return;
    describe(s);
    if (!address) {
        eprof__source_dead(s, NULL, "needs an address: scpi:HOST:5025 or scpi:/dev/usbtmc0");
        return;
    }
    scpi *m = s->state = calloc(1, sizeof *m);
    int status = m ? eprof__port_init(&m->port, address, TCP_PORT) : -ENOMEM;
    if (status == 0) status = introduce(s, all->io);
    if (m && m->error[0]) (void)snprintf(more, sizeof more, "; it says %s", m->error);
    eprof__meter_verdict(s, all->io, address, status, more);
}
