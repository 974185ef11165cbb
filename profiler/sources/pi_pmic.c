/* SPDX-License-Identifier: MIT
 * pi_pmic.c - the rails behind a Raspberry Pi 5's power controller (DA9091), as a text of currents and voltages.
 *
 * The sum covers what these rails feed and nothing of the 5 V side: USB, NVMe, fan, the regulators' own losses. Against
 * a meter at the input one board was found to draw 1.1451 P + 0.5879 W; that fit is named, never applied. A calibration
 * of this very board (calibration.h) is applied to the total, whose scope then is the board's input.
 * Invariant: a reading has as many rails as the first one, or it is none.
 * Facts: profiling.md 2.2 (samples, pitfalls, cost); counts of 8.93 mA on VDD_CORE: common divisor of samples there.
 */
#include "profiler/sources/pi_pmic.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sources/calibration.h"
#include "profiler/sources/pi_mailbox.h"
#include "profiler/sources/sensor_files.h"

/* --------------------------------------------------------------------------------------------------- the text -- */

enum { MAX_RAILS = 48, MAX_LINE = 128, RAIL_BYTES = 24 };

typedef struct rail {
    char name[RAIL_BYTES];
    double amps, volts;
    bool has_amps, has_volts;
} rail;

typedef struct rails {
    int32_t n;
    rail list[MAX_RAILS];
} rails;

/* The rail of a name, new where there is none; NULL: too many. */
static rail *find_rail(rails *all, const char *name, size_t n)
{
    for (int32_t i = 0; i < all->n; i++)
        if (strlen(all->list[i].name) == n && memcmp(all->list[i].name, name, n) == 0) return &all->list[i];
    if (all->n == MAX_RAILS) return NULL;
    rail *r = &all->list[all->n++];
    *r = (rail){ .amps = 0 };
    memcpy(r->name, name, n);
    return r;
}

/* A number with its unit, and nothing behind: a number that was cut off has lost its unit. */
static bool read_quantity(const char *p, char unit, double *out)
{
    double value;
    const char *end = eprof__parse_double(p, &value);
    if (!end || *end != unit || end[1 + strspn(end + 1, " \t\r")]) return false;
    if (!(value > -100 && value < 100)) return false;
    *out = value;
    return true;
}

/* One line. False where a current cannot be read; voltages that nobody needs may be anything. */
static bool parse_line(const char *line, rails *all)
{
    const char *name = line + strspn(line, " \t");
    const size_t n = strcspn(name, " \t=");
    const char *equals = strchr(name + n, '=');
    if (n < 3 || n - 2 >= RAIL_BYTES || name[n - 2] != '_' || !equals) return true;
    const char unit = name[n - 1];
    if (unit != 'A' && unit != 'V') return true;
    rail *r = find_rail(all, name, n - 2);
    if (!r) return false;
    if (unit == 'V') {
        r->has_volts = read_quantity(equals + 1, unit, &r->volts);
        return true;
    }
    r->has_amps = read_quantity(equals + 1, unit, &r->amps);
    return r->has_amps;
}

static int parse_lines(const char *text, uint64_t n_bytes, rails *all)
{
    const char *end = memchr(text, '\0', (size_t)n_bytes);
    if (!end) end = text + n_bytes;
    for (const char *p = text; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((newline ? newline : end) - p);
        char line[MAX_LINE];
        if (n < sizeof line) {
            memcpy(line, p, n);
            line[n] = '\0';
            if (!parse_line(line, all)) return -EBADMSG;
        }
        p += n + (newline != NULL);
    }
    return 0;
}

static bool is_named(const rail *r, const char *prefix) { return strncmp(r->name, prefix, strlen(prefix)) == 0; }

static void add_pair(const rail *r, eprof__pmic *out)
{
    const double watts = r->amps * r->volts;
    out->n_pairs++;
    out->total_w += watts;
    if (strcmp(r->name, "VDD_CORE") == 0) out->core_w = watts;
    if (is_named(r, "DDR_")) out->ddr_w = (isnan(out->ddr_w) ? 0 : out->ddr_w) + watts;
}

int eprof__parse_pmic(const char *text, uint64_t n_bytes, eprof__pmic *out)
{
    rails all = { .n = 0 };
    *out = (eprof__pmic){ .core_w = EPROF_ABSENT, .ddr_w = EPROF_ABSENT, .ext5v_v = EPROF_ABSENT };
    if (n_bytes == 0) return -EBADMSG;
    if (n_bytes >= 6 && memcmp(text, "error=", 6) == 0) return -ENOTSUP;
    const int status = parse_lines(text, n_bytes, &all);
    if (status != 0) return status;
    for (int32_t i = 0; i < all.n; i++) {
        const rail *r = &all.list[i];
        if (r->has_volts && is_named(r, "EXT5V")) out->ext5v_v = r->volts;
        /* The supply and the clock's battery feed the rails: they are not among them, whatever is said of them. */
        if (!r->has_amps || is_named(r, "EXT5V") || is_named(r, "BATT")) continue;
        if (!r->has_volts) return -EBADMSG;
        add_pair(r, out);
    }
    return out->n_pairs >= EPROF__PMIC_LEAST_PAIRS && !isnan(out->core_w) ? 0 : -EBADMSG;
}

/* ------------------------------------------------------------------------------------------------- the source -- */

enum { NOW_BITS = 0xf, EVER_SHIFT = 16 };  /* of get_throttled: under-voltage, capped, throttled, soft limit */

#define PERIOD_NS INT64_C(100000000)
/* The kernel waits a second for the firmware, and then fills its log: it is left alone for a while. */
#define REST_NS INT64_C(10000000000)
#define PRIOR_ACCURACY 0.15
#define CORE_LSB_W 0.008 /* one count of 8.93 mA at 0.9 V */
#define MOST_W 60        /* twice what the board's supply can give */

typedef struct pmic_state {
    int fd;
    bool has_adc;
    int32_t n_pairs;
    int32_t total, core, ddr, throttled; /* channels; -1: not there */
    double gain, offset_w;               /* 1 and 0 without a calibration */
    uint32_t ever;                       /* throttling that the last reading knew of */
    int64_t rest_until_ns;
} pmic_state;

/* What throttles now, and what did since the last reading: the firmware's upper bits stay once they are set. */
static int read_throttled(const eprof_io *io, pmic_state *p, int64_t *bits)
{
    char text[EPROF__MAILBOX_ROOM + 1];
    static const char head[] = "throttled=0x";
    const int64_t n = eprof__mailbox_ask(io, p->fd, "get_throttled", text);
    if (n < 0) return (int)n;
    if (strncmp(text, head, sizeof head - 1) != 0) return -EBADMSG;
    const char *digits = text + sizeof head - 1;
    const size_t n_digits = strspn(digits, "0123456789abcdefABCDEF");
    if (n_digits < 1 || n_digits > 8 || digits[n_digits + strspn(digits + n_digits, " \r\n")]) return -EBADMSG;
    uint32_t word = 0;
    for (size_t i = 0; i < n_digits; i++) {
        const char c = digits[i];
        word = word << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    const uint32_t ever = word >> EVER_SHIFT & NOW_BITS;
    *bits = (word & NOW_BITS) | (ever & ~p->ever);
    p->ever = ever;
    return 0;
}

static int read_rails(const eprof_io *io, int fd, eprof__pmic *out)
{
    char text[EPROF__MAILBOX_ROOM + 1];
    const int64_t n = eprof__mailbox_ask(io, fd, "pmic_read_adc", text);
    if (n < 0) return (int)n;
    const int status = eprof__parse_pmic(text, (uint64_t)n, out);
    if (status != 0) return status;
    /* A core that draws nothing is a converter that does not convert. */
    return out->core_w > 0 && out->total_w < MOST_W ? 0 : -ERANGE;
}

static void put(int64_t raw[], bool ok[], int32_t channel, double watts)
{
    if (channel < 0 || isnan(watts)) return;
    raw[channel] = (int64_t)llround(watts * 1e6);
    ok[channel] = true;
}

static int read_adc(const eprof_io *io, const pmic_state *p, int64_t raw[], bool ok[])
{
    eprof__pmic now;
    const int status = read_rails(io, p->fd, &now);
    if (status != 0) return status;
    if (now.n_pairs != p->n_pairs) return -EBADMSG;
    put(raw, ok, p->total, p->gain * now.total_w + p->offset_w);
    put(raw, ok, p->core, now.core_w);
    put(raw, ok, p->ddr, now.ddr_w);
    return 0;
}

static int read_pmic(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    pmic_state *p = s->state;
    (void)end_ns;
    for (int32_t i = 0; i < s->n_channels; i++) ok[i] = false;
    if (*begin_ns < p->rest_until_ns) return -ETIMEDOUT;
    int status = p->has_adc ? read_adc(io, p, raw, ok) : 0;
    if (status == 0 && p->throttled >= 0) {
        const int asked = read_throttled(io, p, &raw[p->throttled]);
        ok[p->throttled] = asked == 0;
        if (!p->has_adc || asked == -ETIMEDOUT) status = asked;
    }
    if (status == -ETIMEDOUT) p->rest_until_ns = *begin_ns + REST_NS;
    return p->has_adc && ok[p->total] ? 0 : status;
}

static void close_pmic(eprof__source *s, const eprof_io *io)
{
    pmic_state *p = s->state;
    if (p) io->close(io->user, p->fd);
    free(p);
    s->state = NULL;
}

static const eprof__source_ops pmic_ops = { read_pmic, close_pmic };

/* -------------------------------------------------------------------------------------------------- the probe -- */

static bool is_raspberry_pi(const eprof_io *io)
{
    char model[96];
    return eprof__read_word(io, "/proc/device-tree/model", model, sizeof model) == 0 && strstr(model, "Raspberry Pi");
}

/* Why the rails cannot be read. */
static const char *why_no_rails(int error)
{
    switch (error) {
    case -ENOTSUP: return "the firmware knows no pmic_read_adc: a Raspberry Pi 4 and older have no current sensors";
    case -EIO: return "the firmware does not answer (mailbox status 0): restart, or update kernel and firmware";
    case -EPROTO: return "the firmware did not understand the message (mailbox status not 0x80000000)";
    case -EPERM: return "the mailbox does not let the command's tag pass (EPERM)";
    case -ETIMEDOUT: return "the firmware did not answer within a second";
    case -EMSGSIZE: return "the firmware's answer was cut off";
    case -EBADMSG: return "the firmware's answer lacks VDD_CORE, a voltage, or all but a few rails";
    case -ERANGE: return "the rails say what cannot be: no current in VDD_CORE, or more than 60 W";
    default: return eprof__errno_text(error);
    }
}

static eprof__channel *add_channel(eprof__source *s, const char *name, eprof__kind kind, eprof_scope scope)
{
    eprof__channel *c = &s->channels[s->n_channels++];
    *c = (eprof__channel){ .kind = kind, .cls = EPROF_CLASS_SAMPLE, .scope = scope, .scale = 1,
                           .period_ns = PERIOD_NS };
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    if (kind != EPROF__POWER) {
        c->most = NOW_BITS;
        c->lsb = 1;
        return c;
    }
    c->scale = 1e-6;
    c->least = -1; /* a rail's converter may sit a few counts below zero */
    c->most = MOST_W;
    c->accuracy = PRIOR_ACCURACY;
    c->lsb = CORE_LSB_W;
    return c;
}

/* The calibration of this board, if the file has one: it turns the sum of rails into watts at the input. */
static void calibrate(const eprof__sources *all, eprof__source *s, pmic_state *p)
{
    char serial[64];
    eprof__calibration c;
    int32_t line;
    eprof__channel *total = &s->channels[p->total];
    if (!all->calibration_path) return;
    if (eprof__read_word(all->io, "/proc/device-tree/serial-number", serial, sizeof serial) != 0) return;
    const int status = eprof__calibration_find(all->io, all->calibration_path, serial, &c, &line);
    if (status == -EBADMSG)
        (void)snprintf(s->info.what, sizeof s->info.what, "Raspberry Pi 5 PMIC; calibration file, line %d: malformed",
                       line);
    else if (status < 0)
        (void)snprintf(s->info.what, sizeof s->info.what, "Raspberry Pi 5 PMIC; calibration file: %s",
                       eprof__errno_text(status));
    if (status <= 0) return;
    p->gain = c.gain;
    p->offset_w = c.offset_w;
    s->info.scope = total->scope = EPROF_SCOPE_BOARD_DC;
    total->accuracy = eprof__calibration_accuracy(&c);
    total->is_calibrated = true;
    (void)snprintf(s->info.what, sizeof s->info.what, "Raspberry Pi 5 PMIC, calibrated on %s against %.36s", c.date,
                   c.meter);
}

static void make_power_channels(const eprof__sources *all, eprof__source *s, pmic_state *p, const eprof__pmic *first)
{
    p->total = s->n_channels;
    (void)add_channel(s, "pmic", EPROF__POWER, EPROF_SCOPE_SOC);
    p->core = s->n_channels;
    (void)add_channel(s, "pmic:VDD_CORE", EPROF__POWER, EPROF_SCOPE_OTHER);
    if (!isnan(first->ddr_w)) {
        p->ddr = s->n_channels;
        (void)add_channel(s, "pmic:DDR", EPROF__POWER, EPROF_SCOPE_OTHER);
    }
    (void)snprintf(s->info.what, sizeof s->info.what,
                   "Raspberry Pi 5 PMIC, %d rails; not applied: board = 1.1451 P + 0.5879 W", first->n_pairs);
    calibrate(all, s, p);
    s->info.accuracy_pct = s->channels[p->total].accuracy * 100;
    s->info.power_w = p->gain * first->total_w + p->offset_w;
}

/* A source of what the mailbox gives here: rails and throttling, or throttling alone. */
static void add_live(eprof__sources *all, int fd, const eprof__pmic *first)
{
    pmic_state *p = calloc(1, sizeof *p);
    eprof__source *s = p ? eprof__sources_add(all, first ? "pmic" : "pmic:throttled") : NULL;
    if (!s) {
        free(p);
        all->io->close(all->io->user, fd);
        return;
    }
    *p = (pmic_state){ .fd = fd, .has_adc = first != NULL, .n_pairs = first ? first->n_pairs : 0, .gain = 1,
                       .total = -1, .core = -1, .ddr = -1, .throttled = -1, .ever = NOW_BITS };
    s->ops = &pmic_ops;
    s->state = p;
    s->is_slow = true;
    s->period_ns = PERIOD_NS;
    s->info.period_s = (double)PERIOD_NS * 1e-9;
    s->info.cls = EPROF_CLASS_SAMPLE;
    s->info.scope = first ? EPROF_SCOPE_SOC : EPROF_SCOPE_OTHER;
    s->info.live = 1;
    if (first) make_power_channels(all, s, p, first);
    else (void)snprintf(s->info.what, sizeof s->info.what, "Raspberry Pi firmware: under-voltage and throttling");
    int64_t bits;
    if (read_throttled(all->io, p, &bits) != 0) return;
    p->throttled = s->n_channels;
    (void)add_channel(s, "pmic:throttled", EPROF__THROTTLED, EPROF_SCOPE_OTHER);
}

static void add_dead(eprof__sources *all, const char *unlock, const char *why)
{
    eprof__source *s = eprof__sources_add(all, "pmic");
    if (!s) return;
    s->ops = &pmic_ops;
    s->info.scope = EPROF_SCOPE_SOC;
    s->info.cls = EPROF_CLASS_SAMPLE;
    (void)snprintf(s->info.what, sizeof s->info.what, "Raspberry Pi power controller, through the firmware's mailbox");
    eprof__source_dead(s, unlock, "%s", why);
}

/* The firmware tells throttling on every Raspberry Pi, also where it has no rails to tell of. */
static bool tells_throttling(const eprof_io *io, int fd)
{
    pmic_state p = { .fd = fd };
    int64_t bits;
    return read_throttled(io, &p, &bits) == 0;
}

void eprof__probe_pmic(eprof__sources *all)
{
    const eprof_io *io = all->io;
    const int fd = eprof__mailbox_open(io);
    if (fd == -ENOENT && !is_raspberry_pi(io)) return;
    if (fd == -EACCES || fd == -EPERM) {
        add_dead(all, "sudo usermod -aG video \"$USER\"   (and log in again)",
                 "/dev/vcio_gencmd or /dev/vcio: permission denied; the group video may open it");
    } else if (fd < 0) {
        add_dead(all, NULL, fd == -ENOENT ? "this kernel has neither /dev/vcio_gencmd nor /dev/vcio"
                                          : eprof__errno_text(fd));
    }
    if (fd < 0) return;
    eprof__pmic first;
    const int status = read_rails(io, fd, &first);
    if (status == 0) {
        add_live(all, fd, &first);
        return;
    }
    add_dead(all, NULL, why_no_rails(status));
    if (status != -ETIMEDOUT && tells_throttling(io, fd)) add_live(all, fd, NULL);
    else io->close(io->user, fd);
}
