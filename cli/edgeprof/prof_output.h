/* SPDX-License-Identifier: MIT
 * prof_output.h - what edgeprof says and where: the answer on stdout, everything else on stderr, and an exit code.
 */
#ifndef CLI_EDGEPROF_PROF_OUTPUT_H
#define CLI_EDGEPROF_PROF_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cjson/cJSON.h>
#include <edgeprof/edgeprof.h>

enum prof_exit { PROF_DONE = 0, PROF_FAILED = 1, PROF_USAGE = 2, PROF_BAD_LOG = 3, PROF_OWN_FAILURE = 125 };

/** "edgeprof: MESSAGE" and, when not NULL, "  hint: HINT". Returns code. */
int prof_fail(int code, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** The same of the library's error; where it was goes below. Returns code. */
int prof_print_error(int code, const eprof_error *err);

/* A text that grows as the library writes it. */
typedef struct prof_text {
    char *bytes;             /* NUL-terminated; NULL while empty */
    size_t n, capacity;
} prof_text;
/** An eprof_write_fn; user is a prof_text. */
int32_t prof_text_add(void *user, const char *text, uint64_t n_bytes);
void prof_text_free(prof_text *t);

/** An eprof_write_fn to a FILE. */
int32_t prof_write_file(void *user, const char *text, uint64_t n_bytes);
/** A report in a format of eprof_write at path, "-" being stdout; it appears when it is whole. PROF_DONE or code. */
int prof_write_report(const eprof *p, int32_t format, const char *path, int code);
/** Print an object on one line and delete it. NULL: no memory. PROF_DONE or code. */
int prof_print_json(cJSON *object, int code);
/** Flush stdout; the exit code of a command that so far ended with code. A reader that went away is no failure. */
int prof_finish_stdout(int code);

/* Numbers for people. Each gives buf; an absent number is "-". */
enum { PROF_NUMBER = 64 };
const char *prof_si(double x, const char *unit, char buf[PROF_NUMBER]);
/** Three digits and the unit as it is, for seconds and what has no prefixes. */
const char *prof_plain(double x, const char *unit, char buf[PROF_NUMBER]);
const char *prof_pm(double x, double u95, const char *unit, char buf[PROF_NUMBER]);
const char *prof_mib(double mib, char buf[PROF_NUMBER]);
/** What a region cost, in lines for a person, each behind two blanks. */
void prof_print_cost(FILE *f, const eprof_result *r);

#endif
