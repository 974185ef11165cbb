/* SPDX-License-Identifier: MIT
 * sensor_files.c - reading small integer files of sysfs over and over, each whole, or not at all.
 *
 * A channel whose file fails gives no value in this reading; the others do. Only where all fail the reading does.
 */
#include "profiler/sources/sensor_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 64, MAX_WORD = 512 };

/* The sensors of a source, as many as it has channels. */
typedef struct sensor_set {
    int32_t n;
    eprof__sensor list[EPROF__MAX_SOURCE_CHANNELS];
} sensor_set;

/* --------------------------------------------------------------------------------------------- one sensor -- */

int eprof__sensor_open(const eprof_io *io, const char *first, const char *second, eprof__sensor *out)
{
    *out = (eprof__sensor){ .fd = { -1, -1 } };
    out->fd[0] = io->open(io->user, first, O_RDONLY | O_CLOEXEC);
    if (out->fd[0] < 0) return out->fd[0];
    if (!second) return 0;
    out->fd[1] = io->open(io->user, second, O_RDONLY | O_CLOEXEC);
    if (out->fd[1] >= 0) return 0;
    const int status = out->fd[1];
    eprof__sensor_close(io, out);
    return status;
}

void eprof__sensor_close(const eprof_io *io, eprof__sensor *s)
{
    for (int i = 0; i < 2; i++) {
        if (s->fd[i] >= 0) io->close(io->user, s->fd[i]);
        s->fd[i] = -1;
    }
}

static int read_number(const eprof_io *io, int fd, int64_t *out)
{
    char text[MAX_NUMBER];
    int64_t n = eprof__reread_text(io, fd, text, sizeof text);
    if (n == -EIO) n = eprof__reread_text(io, fd, text, sizeof text);
    if (n < 0) return (int)n;
    const int status = eprof__parse_i64(text, out);
    return status == -EINVAL ? -EBADMSG : status; /* EINVAL is a driver's word */
}

static bool product_fits(int64_t a, int64_t b)
{
    const int64_t most = INT64_MAX, least = -INT64_MAX; /* so that the magnitude fits, too */
    if (a < least || b < least) return false;
    const int64_t x = a < 0 ? -a : a, y = b < 0 ? -b : b;
    return x == 0 || y <= most / x;
}

int eprof__sensor_read(const eprof_io *io, const eprof__sensor *s, int64_t *out)
{
    int64_t first, second = 1;
    int status = read_number(io, s->fd[0], &first);
    if (status == 0 && s->fd[1] >= 0) status = read_number(io, s->fd[1], &second);
    if (status != 0) return status;
    if (!product_fits(first, second)) return -ERANGE;
    *out = first * second;
    if (s->is_magnitude && *out < 0) *out = -*out;
    return 0;
}

/* ----------------------------------------------------------------------------------------- a source of them -- */

int eprof__sensor_add(eprof__source *s, const eprof__channel *c, const eprof__sensor *sensor)
{
    if (s->n_channels == EPROF__MAX_SOURCE_CHANNELS) return -ENOSPC;
    sensor_set *set = s->state ? s->state : calloc(1, sizeof *set);
    if (!set) return -ENOMEM;
    s->state = set;
    s->ops = &eprof__sensor_ops;
    s->channels[s->n_channels++] = *c;
    set->list[set->n++] = *sensor;
    return 0;
}

/* A value that can be. */
static int check(const eprof__channel *c, int64_t raw, double value)
{
    if (c->kind != EPROF__POWER) return raw >= 0 ? 0 : -ERANGE;
    if (value < c->least || value > c->most) return -ERANGE;
    return c->scope == EPROF_SCOPE_BOARD_DC && raw == 0 ? -ENOTCONN : 0;
}

int eprof__sensor_try(eprof__source *s, const eprof_io *io, const eprof__channel *c, const char *folder,
                      const char *first, const char *second, bool is_magnitude, double *value)
{
    char paths[2][EPROF__MAX_PATH];
    eprof__sensor sensor;
    int64_t raw;
    eprof__path(paths[0], folder, "%s", first);
    if (second) eprof__path(paths[1], folder, "%s", second);
    int status = eprof__sensor_open(io, paths[0], second ? paths[1] : NULL, &sensor);
    if (status != 0) return status;
    sensor.is_magnitude = is_magnitude;
    status = eprof__sensor_read(io, &sensor, &raw);
    if (status == 0) {
        *value = (double)raw * c->scale;
        status = check(c, raw, *value);
    }
    if (status == 0) status = eprof__sensor_add(s, c, &sensor);
    if (status != 0) eprof__sensor_close(io, &sensor);
    return status;
}

static int read_all(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    const sensor_set *set = s->state;
    int32_t n_read = 0;
    int first_error = -ENODATA;
    (void)begin_ns;
    (void)end_ns;
    for (int32_t i = 0; i < set->n; i++) {
        const int status = eprof__sensor_read(io, &set->list[i], &raw[i]);
        ok[i] = status == 0;
        if (status == 0) n_read++;
        else if (first_error == -ENODATA) first_error = status;
    }
    return n_read > 0 ? 0 : first_error;
}

static void close_all(eprof__source *s, const eprof_io *io)
{
    sensor_set *set = s->state;
    for (int32_t i = 0; set && i < set->n; i++) eprof__sensor_close(io, &set->list[i]);
    free(set);
    s->state = NULL;
}

const eprof__source_ops eprof__sensor_ops = { read_all, close_all };

/* ---------------------------------------------------------------------------------------------- small files -- */

int eprof__read_integer(const eprof_io *io, const char *path, int64_t *out)
{
    char text[MAX_NUMBER];
    const int64_t n = eprof__read_text(io, path, text, sizeof text);
    return n < 0 ? (int)n : eprof__parse_i64(text, out);
}

static bool is_odd(char c) { return (c > 0 && c < ' ') || c == 0x7f || c == '"' || c == '\\'; }

int eprof__read_word(const eprof_io *io, const char *path, char *out, uint64_t n_bytes)
{
    char text[MAX_WORD];
    const int64_t status = eprof__read_text(io, path, text, sizeof text);
    if (status < 0) return (int)status;
    size_t n = strcspn(text, "\n");
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r')) n--;
    if (n >= n_bytes) n = (size_t)n_bytes - 1;
    for (size_t i = 0; i < n; i++) out[i] = is_odd(text[i]) ? '_' : text[i];
    out[n] = '\0';
    return 0;
}

void eprof__path(char out[EPROF__MAX_PATH], const char *folder, const char *format, ...)
{
    char name[EPROF__MAX_PATH];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const int n = snprintf(out, EPROF__MAX_PATH, "%s/%s", folder, name);
    if (n < 0 || n >= EPROF__MAX_PATH) out[0] = '\0';
}

int eprof__numbered(const char *name, const char *prefix, const char *suffix)
{
    const size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0) return -1;
    const char *p = name + n;
    int value = 0, n_digits = 0;
    for (; *p >= '0' && *p <= '9' && n_digits < 3; p++, n_digits++) value = value * 10 + (*p - '0');
    return n_digits > 0 && strcmp(p, suffix) == 0 ? value : -1;
}

int32_t eprof__count_named(const eprof_io *io, const char *folder, const char *names, const char *until,
                           const char *wanted)
{
    int32_t n = 0;
    for (const char *p = names; p < until; p += strlen(p) + 1) {
        char path[EPROF__MAX_PATH], name[64];
        eprof__path(path, folder, "%s/name", p);
        if (eprof__read_word(io, path, name, sizeof name) == 0 && strcmp(name, wanted) == 0) n++;
    }
    return n;
}
