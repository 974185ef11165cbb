/* SPDX-License-Identifier: MIT
 * doctor_files.c - opening, reading, listing; everything bounded.
 */
#include "cli/doctor_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/numbers.h"

enum { MAX_PATH_BYTES = 1024 };

static bool make_path(const doctor *d, char *path, const char *format, va_list args)
{
    const size_t n = strlen(d->root);
    if (n >= MAX_PATH_BYTES) return false;
    memcpy(path, d->root, n);
    const int rest = vsnprintf(path + n, MAX_PATH_BYTES - n, format, args);
    return rest >= 0 && (size_t)rest < MAX_PATH_BYTES - n;
}

static size_t read_regular(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    size_t n = 0;
    ssize_t got;
    if (fd < 0) return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        while (n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0) n += (size_t)got;
    close(fd);
    return n;
}

static bool read_text(const doctor *d, char *text, size_t size, const char *format, va_list args)
{
    char path[MAX_PATH_BYTES];
    size_t n = make_path(d, path, format, args) ? read_regular(path, text, size) : 0;
    while (n > 0 && strchr(" \t\r\n", text[n - 1])) n--; /* a NUL, as device trees end with, is found as well */
    text[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) text[i] = '?';
    }
    return n > 0;
}

bool doctor_read(const doctor *d, char *text, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const bool ok = read_text(d, text, size, format, args);
    va_end(args);
    return ok;
}

bool doctor_read_number(const doctor *d, int64_t *out, const char *format, ...)
{
    char text[32];
    va_list args;
    va_start(args, format);
    const bool ok = read_text(d, text, sizeof text, format, args);
    va_end(args);
    return ok && cli_parse_i64(text, out);
}

static bool can_access(const doctor *d, int mode, const char *format, va_list args)
{
    char path[MAX_PATH_BYTES];
    return make_path(d, path, format, args) && access(path, mode) == 0;
}

bool doctor_exists(const doctor *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const bool ok = can_access(d, F_OK, format, args);
    va_end(args);
    return ok;
}

bool doctor_may_read(const doctor *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const bool ok = can_access(d, R_OK, format, args);
    va_end(args);
    return ok;
}

static int compare_names(const void *a, const void *b) { return strcmp(a, b); }

void doctor_list(const doctor *d, const char *folder, const char *prefix, doctor_names *out)
{
    char path[MAX_PATH_BYTES];
    out->n = 0;
    if (snprintf(path, sizeof path, "%s%s", d->root, folder) >= (int)sizeof path) return;
    DIR *dir = opendir(path);
    if (!dir) return;
    const struct dirent *entry;
    while (out->n < DOCTOR_MAX_NAMES && (entry = readdir(dir))) {
        const size_t n = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        if (n < sizeof out->names[0]) memcpy(out->names[out->n++], entry->d_name, n + 1);
    }
    closedir(dir);
    qsort(out->names, (size_t)out->n, sizeof out->names[0], compare_names);
}

doctor_cpus doctor_parse_cpus(const char *list)
{
    doctor_cpus set = { .n = 0 };
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        unsigned first, last;
        const int n = sscanf(at, "%u-%u", &first, &last);
        if (n < 1) continue;
        if (n == 1) last = first;
        for (unsigned c = first; c <= last && c < DOCTOR_MAX_CPUS; c++) {
            set.n += !doctor_has_cpu(&set, c);
            set.bits[c / 8] |= (uint8_t)(1u << (c % 8));
        }
    }
    return set;
}

bool doctor_has_cpu(const doctor_cpus *set, uint32_t cpu)
{
    return cpu < DOCTOR_MAX_CPUS && (set->bits[cpu / 8] >> (cpu % 8) & 1) != 0;
}

bool doctor_find_line(const char *text, const char *key, char *value, size_t size)
{
    const size_t key_bytes = strlen(key);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, key, key_bytes) != 0) continue;
        const char *at = line + key_bytes + strspn(line + key_bytes, " \t:");
        snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
        return true;
    }
    return false;
}
