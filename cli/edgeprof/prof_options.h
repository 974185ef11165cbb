/* SPDX-License-Identifier: MIT
 * prof_options.h - verbs of edgeprof, their options, and the text of --help: one table makes all three.
 */
#ifndef CLI_EDGEPROF_PROF_OPTIONS_H
#define CLI_EDGEPROF_PROF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { PROF_RUN = 1, PROF_SOURCES = 2, PROF_WATCH = 4, PROF_REPLAY = 8, PROF_REPORT = 16, PROF_ALL = 31 };

/* What the command line said; left out: 0, NULL, false. */
typedef struct prof_options {
    const char *log;          /* of replay and report: the operand */
    char **command;           /* of run: what is behind the options, ended by NULL */
    const char *output, *report, *sources, *sysroot;
    double baseline_s, hz, interval_s;
    uint64_t count;
    bool json, csv, quiet, help;
} prof_options;

typedef struct prof_verb {
    const char *name;
    uint32_t bit;             /* PROF_RUN... */
    const char *summary, *usage, *about, *examples, *exits;
    int (*run)(const prof_options *o);
} prof_verb;

void prof_options_help(const prof_verb *verb);
/** Read argv[1..argc), argv[0] being the verb. -1: go on; otherwise the exit code, all having been said. */
int prof_options_parse(const prof_verb *verb, int argc, char **argv, prof_options *out);

/** The verbs. Each returns its exit code. */
int prof_run(const prof_options *o);
int prof_sources(const prof_options *o);
int prof_watch(const prof_options *o);
int prof_replay(const prof_options *o);
int prof_report(const prof_options *o);

#endif
