/* SPDX-License-Identifier: MIT
 * meters.c - what the sources of external meters share: finding HID devices, ports that come back, repeated values.
 *
 * Invariant: a port that failed is closed before the failure is reported, so no descriptor outlives its device.
 */
#include "profiler/sources/meters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS INT64_C(2000000000)
enum { MOST_INTERRUPTIONS = 16, CONNECT_MS = 1000 };

/* ---------------------------------------------------------------------------------------------------- HID -- */

/* Eight hexadecimal digits; -1: there are none. */
static int64_t hex8(const char *p)
{
    int64_t value = 0;
    for (int i = 0; i < 8; i++) {
        const char *digits = "0123456789ABCDEF", *at = p[i] ? strchr(digits, p[i]) : NULL;
        if (!at && p[i] >= 'a' && p[i] <= 'f') at = digits + 10 + (p[i] - 'a');
        if (!at) return -1;
        value = value * 16 + (at - digits);
    }
    return value;
}

/* The line HID_ID=0003:00002E3C:00005558 of a device's uevent: bus, vendor, product. */
static bool parse_hid_id(const char *uevent, int64_t *vendor, int64_t *product)
{
    const char *line = strstr(uevent, "HID_ID=");
    if (!line || strlen(line) < 29 || line[11] != ':' || line[20] != ':') return false;
    *vendor = hex8(line + 12);
    *product = hex8(line + 21);
    return *vendor >= 0 && *product >= 0;
}

int eprof__hid_which(const eprof_io *io, const char *path, const eprof__hid_id *known, int n_known)
{
    char uevent_path[160], uevent[1024];
    int64_t vendor, product;
    const char *name = strrchr(path, '/');
    (void)snprintf(uevent_path, sizeof uevent_path, "/sys/class/hidraw/%.32s/device/uevent", name ? name + 1 : path);
    if (eprof__read_text(io, uevent_path, uevent, sizeof uevent) < 0) return -ENOENT;
    if (!parse_hid_id(uevent, &vendor, &product)) return -ENOENT;
    for (int i = 0; i < n_known; i++)
        if (known[i].vendor == vendor && known[i].product == product) return i;
    return -ENODEV;
}

int eprof__hid_find(const eprof_io *io, const eprof__hid_id *known, int n_known, int nth, char path[64])
{
    char *names;
    int found = -ENODEV;
    const int64_t n_bytes = eprof__list_names(io, "/sys/class/hidraw", &names);
    for (int64_t at = 0; at < n_bytes && found < 0; at += (int64_t)strlen(names + at) + 1) {
        if (strlen(names + at) > 32) continue;
        (void)snprintf(path, 64, "/dev/%.32s", names + at);
        const int which = eprof__hid_which(io, path, known, n_known);
        if (which >= 0 && nth-- == 0) found = which;
    }
    free(names);
    return found;
}

/* -------------------------------------------------------------------------------------------------- ports -- */

static int parse_tcp_port(const char *text, uint16_t *out)
{
    uint64_t value;
    if (eprof__parse_u64(text, &value) != 0 || value == 0 || value > 65535) return -EINVAL;
    *out = (uint16_t)value;
    return 0;
}

int eprof__port_init(eprof__port *p, const char *address, uint16_t default_port)
{
    *p = (eprof__port){ .tcp_port = address[0] == '/' ? 0 : default_port };
    const bool bracketed = address[0] == '[';
    const char *host = address + bracketed;
    const char *colon = strrchr(host, ':'), *end = host + strlen(host);
    if (bracketed) {
        end = strchr(host, ']');
        if (!end || (end[1] && end[1] != ':')) return -EINVAL;
        colon = end[1] ? end + 1 : NULL;
    } else if (address[0] == '/' || colon != strchr(host, ':')) {
        colon = NULL; /* a path, or a bare IPv6 address */
    } else if (colon) {
        end = colon;
    }
    const size_t n = (size_t)(end - host);
    if (n == 0 || n >= sizeof p->address) return -EINVAL;
    memcpy(p->address, host, n);
    if (address[0] != '/' && !colon && default_port == 0) return -EINVAL;
    return colon ? parse_tcp_port(colon + 1, &p->tcp_port) : 0;
}

static int64_t monotonic(const eprof_io *io) { return io->now_ns(io->user, EPROF_CLOCK_MONOTONIC); }

int eprof__port_open(eprof__port *p, const eprof_io *io)
{
    if (p->is_open) return 0;
    if (p->retry_ns && monotonic(io) < p->retry_ns) return -ENOTCONN;
    /* Without O_NONBLOCK the open of a serial line waits for a carrier. */
    const int fd = p->tcp_port ? io->connect(io->user, p->address, p->tcp_port, CONNECT_MS)
                               : io->open(io->user, p->address, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        p->retry_ns = monotonic(io) + RETRY_NS;
        return fd;
    }
    p->fd = fd;
    p->is_open = true;
    p->retry_ns = 0;
    return 0;
}

void eprof__port_close(eprof__port *p, const eprof_io *io)
{
    if (p->is_open) io->close(io->user, p->fd);
    p->is_open = false;
}

static int lose(eprof__port *p, const eprof_io *io, int64_t status)
{
    eprof__port_close(p, io);
    p->retry_ns = monotonic(io) + RETRY_NS;
    return (int)status;
}

int eprof__port_write(eprof__port *p, const eprof_io *io, const void *bytes, uint64_t n_bytes, int32_t timeout_ms)
{
    uint64_t done = 0;
    if (!p->is_open) return -ENOTCONN;
    for (int interrupted = 0; done < n_bytes;) {
        const int64_t n = io->write(io->user, p->fd, (const char *)bytes + done, n_bytes - done, timeout_ms);
        if (n == -EINTR && interrupted++ < MOST_INTERRUPTIONS) continue;
        if (n <= 0) return lose(p, io, n < 0 ? n : -EPIPE);
        done += (uint64_t)n;
    }
    return 0;
}

int64_t eprof__port_read(eprof__port *p, const eprof_io *io, void *buf, uint64_t n_bytes, int32_t timeout_ms)
{
    int64_t n = -EINTR;
    if (!p->is_open) return -ENOTCONN;
    for (int i = 0; i < MOST_INTERRUPTIONS && n == -EINTR; i++)
        n = io->read(io->user, p->fd, buf, n_bytes, timeout_ms);
    if (n > 0) return n;
    if (n == -ETIMEDOUT || n == -EAGAIN || n == -EINTR) return -ETIMEDOUT;
    return lose(p, io, n < 0 ? n : -EPIPE);
}

int eprof__port_drain(eprof__port *p, const eprof_io *io, int32_t quiet_ms, int most)
{
    char unwanted[256];
    int64_t n = 1;
    while (most-- > 0 && n > 0) n = eprof__port_read(p, io, unwanted, sizeof unwanted, quiet_ms);
    return n < 0 && n != -ETIMEDOUT ? (int)n : 0;
}

/* ------------------------------------------------------------------------------------------------ sources -- */

bool eprof__fresh_take(eprof__fresh *f, int64_t value, int64_t now_ns, int64_t refresh_ns)
{
    if (f->is_known && f->value == value && now_ns - f->since_ns < 2 * refresh_ns) return false;
    *f = (eprof__fresh){ true, value, now_ns };
    return true;
}

/* Of a meter: a number out of range is one of its readings, and a wrong argument its address. */
static const char *error_text(int64_t status)
{
    switch (-status) {
    case EACCES: case EPERM: return "permission denied";
    case ENOENT: case ENODEV: case ENXIO: return "not there";
    case ETIMEDOUT: return "no answer";
    case ECONNREFUSED: return "connection refused";
    case EADDRNOTAVAIL: return "no address in numbers, as 192.168.1.7 (getent hosts NAME tells a name's)";
    case EHOSTUNREACH: case ENETUNREACH: case EHOSTDOWN: return "host not reached";
    case ENOTCONN: case EPIPE: case ECONNRESET: return "connection lost";
    case EBUSY: return "in use by another program";
    case EBADMSG: return "what it says is no reading";
    case ERANGE: return "its readings are out of any range";
    case ENOMEM: return "out of memory";
    case EINVAL: return "not an address";
    default: return "input/output error";
    }
}

eprof__source *eprof__meter_add(eprof__sources *all, const char *kind, const char *address)
{
    char name[48];
    (void)snprintf(name, sizeof name, address ? "%s:%s" : "%s", kind, address);
    return eprof__sources_add(all, name);
}

eprof__channel *eprof__meter_channel(eprof__source *s, const char *part, eprof__kind kind, eprof_class cls,
                                     double scale)
{
    eprof__channel *c = &s->channels[s->n_channels++];
    *c = (eprof__channel){ .kind = kind, .cls = cls, .scope = (eprof_scope)s->info.scope, .scale = scale,
                           .period_ns = s->period_ns, .lsb = scale, .accuracy = s->info.accuracy_pct / 100 };
    (void)snprintf(c->name, sizeof c->name, "%.*s%s", (int)(sizeof c->name - 1 - strlen(part)), s->info.name, part);
    return c;
}

int eprof__meter_first(eprof__source *s, const eprof_io *io, int most)
{
    int64_t raw[EPROF__MAX_SOURCE_CHANNELS] = { 0 }, begin_ns, end_ns;
    bool ok[EPROF__MAX_SOURCE_CHANNELS] = { false };
    int status = -EAGAIN;
    for (int i = 0; i < most && !ok[0] && (status == -EAGAIN || status == -EBADMSG || status == -ERANGE); i++)
        status = s->ops->read(s, io, raw, ok, &begin_ns, &end_ns);
    if (!ok[0]) return status == -EAGAIN || status == 0 ? -ETIMEDOUT : status;
    s->info.power_w = (double)raw[0] * s->channels[0].scale;
    return 0;
}

void eprof__meter_verdict(eprof__source *s, const eprof_io *io, const char *address, int status, const char *more)
{
    char unlock[160] = "";
    s->info.live = status == 0;
    if (status == 0) return;
    if (address[0] == '/' && (status == -EACCES || status == -EPERM))
        (void)snprintf(unlock, sizeof unlock, "sudo chmod a+rw %s", address);
    eprof__source_dead(s, unlock, "%s: %s%s", address, error_text(status), more);
    s->ops->close(s, io);
}
