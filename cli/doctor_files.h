/* SPDX-License-Identifier: MIT
 * doctor_files.h - small files under /proc and /sys, or under a folder that stands in for them.
 *
 * Regular files alone are opened, for reading, and without waiting: nothing here can hang on a device or change one.
 * Paths are given as on the machine itself, "/sys/...".
 */
#ifndef CLI_DOCTOR_FILES_H
#define CLI_DOCTOR_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/doctor.h"

/** The first size - 1 bytes of a file, blanks and NULs at the end removed, unprintable bytes but line ends as '?'.
 *  False, and an empty text, when there is nothing to read. */
bool doctor_read(const doctor *d, char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** A file that holds a whole number, in decimal. */
bool doctor_read_number(const doctor *d, int64_t *out, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool doctor_exists(const doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** This process may read it. */
bool doctor_may_read(const doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The names in a folder, sorted. */
enum { DOCTOR_MAX_NAMES = 128 };
typedef struct doctor_names {
    int n;
    char names[DOCTOR_MAX_NAMES][64];
} doctor_names;

/** Those that begin with prefix; none when there is no such folder. */
void doctor_list(const doctor *d, const char *folder, const char *prefix, doctor_names *out);

/* A set of CPUs, as "0-3,8". */
enum { DOCTOR_MAX_CPUS = 1024 };
typedef struct doctor_cpus {
    uint8_t bits[DOCTOR_MAX_CPUS / 8];
    uint32_t n;
} doctor_cpus;

doctor_cpus doctor_parse_cpus(const char *list);
bool doctor_has_cpu(const doctor_cpus *set, uint32_t cpu);
/** The value behind "KEY" and blanks at the beginning of a line of text; false when there is no such line. */
bool doctor_find_line(const char *text, const char *key, char *value, size_t size);

#endif
