/* SPDX-License-Identifier: MIT
 * arguments.h - the options of a bench: one table makes the parser and the help.
 *
 * Numbers are taken whole or not at all; an abbreviated or unknown name is refused.
 */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include <stdbool.h>

typedef enum bench_arg_kind {
    BENCH_FLAG, BENCH_TEXT, BENCH_COUNT, BENCH_COUNTS, BENCH_SECONDS, BENCH_NUMBER, BENCH_CHOICE
} bench_arg_kind;

enum { BENCH_MAX_COUNTS = 32 };
typedef struct bench_counts {
    int items[BENCH_MAX_COUNTS];
    int n;
} bench_counts;

typedef struct bench_arg {
    const char *name;  /* "--json" */
    const char *letter; /* "-t", or NULL */
    const char *value; /* what the help calls it; of a choice the words, as "map|read"; NULL: a flag */
    bench_arg_kind kind;
    void *out;         /* bool, const char *, int (count, choice), bench_counts, or double */
    double min, max;
    const char *help;
} bench_arg;

typedef struct bench_program {
    const char *name;
    const char *about; /* below the usage line */
    const char *notes; /* below the options */
    const bench_arg *args;
    int n_args;
} bench_program;

enum { BENCH_GO_ON = -1, BENCH_EXIT_DONE = 0, BENCH_EXIT_FAILED = 1, BENCH_EXIT_USAGE = 2, BENCH_EXIT_BAD_FILE = 3,
       BENCH_EXIT_NO_FIT = 4 };

/** BENCH_GO_ON, or the exit code: the help or an error was printed. Operands are refused. */
int bench_parse(const bench_program *p, int argc, char **argv);
/** Say what is wrong with the usage; BENCH_EXIT_USAGE. */
int bench_usage(const bench_program *p, const char *what, const char *value);

#endif
