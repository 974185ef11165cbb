/* SPDX-License-Identifier: MIT
 * source_text.c - small files and numbers as /proc, /sys and instruments write them: whole, or an error; no locale.
 */
#include "profiler/sources/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------------- files -- */

int64_t eprof__reread_text(const eprof_io *io, int fd, char *text, uint64_t n_bytes)
{
    uint64_t got = 0;
    while (got < n_bytes) {
        const int64_t n = io->pread(io->user, fd, text + got, n_bytes - got, got);
        if (n == -EINTR) continue;
        if (n < 0) return n;
        if (n == 0) {
            text[got] = '\0';
            return (int64_t)got;
        }
        got += (uint64_t)n;
    }
    return -EMSGSIZE; /* no room for the NUL: there may be more */
}

int64_t eprof__read_text(const eprof_io *io, const char *path, char *text, uint64_t n_bytes)
{
    const int fd = io->open(io->user, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fd;
    const int64_t n = eprof__reread_text(io, fd, text, n_bytes);
    io->close(io->user, fd);
    return n;
}

int64_t eprof__list_names(const eprof_io *io, const char *folder, char **names)
{
    int64_t n = -ENOSPC;
    *names = NULL;
    for (uint64_t size = 1 << 12; n == -ENOSPC && size <= 1 << 22; size *= 4) {
        free(*names);
        *names = malloc(size + 1);
        n = *names ? io->list(io->user, folder, *names, size) : -ENOMEM;
    }
    if (n >= 0) {
        (*names)[n] = '\0';
        return n;
    }
    free(*names);
    *names = NULL;
    return n;
}

const char *eprof__errno_text(int64_t error)
{
    switch (error < 0 ? -error : error) {
    case EACCES:
    case EPERM: return "permission denied";
    case ENOENT: return "not there";
    case ENODEV:
    case ENXIO: return "the device is gone";
    case ENODATA: return "no data";
    case EINVAL: return "the driver refuses";
    case EIO: return "input/output error";
    case EAGAIN: return "nothing yet";
    case EMSGSIZE: return "longer than it can be";
    case ERANGE: return "a number out of range";
    case ENOMEM: return "out of memory";
    case EBUSY: return "busy";
    case ENOSYS:
    case EOPNOTSUPP: return "not supported";
    case ETIMEDOUT: return "no answer in time";
    case ECONNREFUSED: return "connection refused";
    case EHOSTUNREACH:
    case ENETUNREACH: return "host not reached";
    case ENOTCONN:
    case EPIPE:
    case ECONNRESET: return "connection lost";
    case EBADMSG: return "no reading";
    case EMFILE: return "too many open files";
    default: return "an error";
    }
}

/* --------------------------------------------------------------------------------------------- numbers -- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *skip_blanks(const char *p)
{
    while (is_blank(*p)) p++;
    return p;
}

int eprof__parse_u64(const char *text, uint64_t *out)
{
    const char *p = skip_blanks(text);
    uint64_t value = 0;
    if (!is_digit(*p)) return -EINVAL;
    for (; is_digit(*p); p++) {
        const uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10) return -ERANGE;
        value = value * 10 + digit;
    }
    if (*skip_blanks(p)) return -EINVAL;
    *out = value;
    return 0;
}

int eprof__parse_i64(const char *text, int64_t *out)
{
    const char *p = skip_blanks(text);
    const bool negative = *p == '-';
    uint64_t value;
    const int status = eprof__parse_u64(p + (negative || *p == '+'), &value);
    if (status != 0) return status;
    if (value > (uint64_t)INT64_MAX + negative) return -ERANGE;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

/* Digits at *p, which are stepped over: below 2^16, or -1. */
static int32_t read_cpu_number(const char **p)
{
    int32_t value = is_digit(**p) ? 0 : -1;
    for (; is_digit(**p); (*p)++)
        if (value < 1 << 16) value = value * 10 + (**p - '0');
    return value < 1 << 16 ? value : -1;
}

int32_t eprof__parse_cpu_list(const char *text, int32_t *cpus, int32_t n_most)
{
    int32_t n = 0;
    for (const char *p = skip_blanks(text);; p++) {
        const int32_t first = read_cpu_number(&p);
        int32_t last = first;
        if (first >= 0 && *p == '-') {
            p++;
            last = read_cpu_number(&p);
        }
        if (first < 0 || last < first) return -EINVAL;
        for (int32_t cpu = first; cpu <= last; cpu++, n++)
            if (n < n_most) cpus[n] = cpu;
        if (*p != ',') return *skip_blanks(p) ? -EINVAL : n;
    }
}

static double power_of_ten(int exponent)
{
    double result = 1, square = 10;
    for (int e = exponent < 0 ? -exponent : exponent; e > 0; e >>= 1, square *= square)
        if (e & 1) result *= square;
    return exponent < 0 ? 1 / result : result;
}

/* An exponent behind e or E, if there is one; where it ends. */
static const char *read_exponent(const char *p, int *exponent)
{
    if (*p != 'e' && *p != 'E') return p;
    const bool negative = p[1] == '-';
    const char *digits = p + 1 + (p[1] == '-' || p[1] == '+');
    int value = 0;
    if (!is_digit(*digits)) return p;
    for (; is_digit(*digits); digits++)
        if (value < 1000) value = value * 10 + (*digits - '0');
    *exponent += negative ? -value : value;
    return digits;
}

const char *eprof__parse_double(const char *text, double *out)
{
    const char *p = skip_blanks(text);
    const bool negative = *p == '-';
    double value = 0;
    int exponent = 0, n_digits = 0;
    p += negative || *p == '+';
    for (; is_digit(*p); p++, n_digits++) value = value * 10 + (*p - '0');
    if (*p == '.')
        for (p++; is_digit(*p); p++, n_digits++, exponent--) value = value * 10 + (*p - '0');
    if (n_digits == 0) return NULL;
    p = read_exponent(p, &exponent);
    if (exponent < -400) exponent = -400;
    if (exponent > 400) exponent = 400;
    value = exponent < 0 && exponent >= -22 ? value / power_of_ten(-exponent) : value * power_of_ten(exponent);
    *out = negative ? -value : value;
    return p;
}

/* ------------------------------------------------------------------------------------------ the list -- */

eprof__source *eprof__sources_add(eprof__sources *all, const char *name)
{
    if (all->n == EPROF__MAX_SOURCES) return NULL;
    eprof__source *s = &all->list[all->n++];
    *s = (eprof__source){ .info = EPROF_INIT(eprof_source_info) };
    s->info.power_w = EPROF_ABSENT;
    (void)snprintf(s->info.name, sizeof s->info.name, "%s", name);
    return s;
}

void eprof__source_dead(eprof__source *s, const char *unlock, const char *why, ...)
{
    va_list args;
    va_start(args, why);
    (void)vsnprintf(s->info.why_not, sizeof s->info.why_not, why, args);
    va_end(args);
    (void)snprintf(s->info.unlock, sizeof s->info.unlock, "%s", unlock ? unlock : "");
    s->info.live = 0;
}
