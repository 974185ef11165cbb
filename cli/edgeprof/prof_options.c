/* SPDX-License-Identifier: MIT
 * prof_options.c - the table of options, its parser, and the help made from it.
 *
 * Options end at the first word that is none: what follows run's is the command, whose options are its own.
 */
#include "cli/edgeprof/prof_options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/edgeprof/prof_output.h"
#include "cli/nearest.h"
#include "cli/numbers.h"

typedef enum option_kind { OPT_FLAG, OPT_TEXT, OPT_REAL, OPT_COUNT } option_kind;

typedef struct option_row {
    const char *name;
    char letter;              /* 0: none */
    const char *arg;          /* what the help calls the value */
    uint32_t verbs;
    option_kind kind;
    size_t at;                /* of the field in prof_options */
    double min, max;
    const char *help;
} option_row;

#define AT(field) offsetof(prof_options, field)
#define LIVE (PROF_RUN | PROF_WATCH | PROF_SOURCES)

static const option_row rows[] = {
    { "output", 'o', "FILE", PROF_RUN | PROF_REPORT, OPT_TEXT, AT(output), 0, 0,
      "run: the log, for replay and report; report: the page, - is stdout" },
    { "report", 0, "FILE", PROF_RUN, OPT_TEXT, AT(report), 0, 0, "write a page with plots, HTML" },
    { "baseline", 0, "SECONDS", PROF_RUN, OPT_REAL, AT(baseline_s), 3, 3600,
      "idle time before and after the command, for net energy" },
    { "hz", 0, "N", PROF_RUN, OPT_REAL, AT(hz), 1, 100, "samples a second; default: 5" },
    { "interval", 's', "SECONDS", PROF_WATCH, OPT_REAL, AT(interval_s), 0.2, 3600, "between looks; default: 1" },
    { "count", 'n', "N", PROF_WATCH, OPT_COUNT, AT(count), 1, 1e9, "end after N looks; default: when q is typed" },
    { "sources", 0, "LIST", LIVE, OPT_TEXT, AT(sources), 0, 0, "as auto,shelly:192.168.1.7 or none; default: auto" },
    { "sysroot", 0, "DIR", PROF_SOURCES, OPT_TEXT, AT(sysroot), 0, 0, "read /proc, /sys and /dev below this folder" },
    { "json", 0, NULL, PROF_RUN | PROF_SOURCES | PROF_REPLAY, OPT_FLAG, AT(json), 0, 0, "one JSON object on stdout" },
    { "csv", 0, NULL, PROF_REPLAY, OPT_FLAG, AT(csv), 0, 0, "one line a region and source on stdout" },
    { "quiet", 'q', NULL, PROF_RUN, OPT_FLAG, AT(quiet), 0, 0, "nothing on stderr but errors" },
    { "help", 'h', NULL, PROF_ALL, OPT_FLAG, AT(help), 0, 0, "this text" },
};
enum { N_ROWS = sizeof rows / sizeof rows[0], LEFT_COLS = 29 };

void prof_options_help(const prof_verb *verb)
{
    printf("usage: edgeprof %s %s\n%s\noptions:\n", verb->name, verb->usage, verb->about);
    for (int i = 0; i < N_ROWS; i++) {
        char left[96], letter[8] = "    ";
        if (!(rows[i].verbs & verb->bit)) continue;
        if (rows[i].letter) snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
        snprintf(left, sizeof left, "%s--%s %s", letter, rows[i].name, rows[i].arg ? rows[i].arg : "");
        printf("  %-*s %s\n", LEFT_COLS, left, rows[i].help);
    }
    printf("\nexamples:\n%s\nexit codes: %s\n", verb->examples, verb->exits);
}

static int unknown_option(const prof_verb *verb, const char *word)
{
    const char *names[N_ROWS];
    char typed[64], hint[128];
    int n = 0;
    snprintf(typed, sizeof typed, "%.*s", (int)strcspn(word, "="), word);
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].verbs & verb->bit) names[n++] = rows[i].name;
    const char *near = strncmp(typed, "--", 2) == 0 ? cli_nearest(typed + 2, names, n) : NULL;
    if (near) snprintf(hint, sizeof hint, "did you mean --%s?", near);
    else snprintf(hint, sizeof hint, "edgeprof %s --help lists the options", verb->name);
    return prof_fail(PROF_USAGE, hint, "%s has no option %s", verb->name, typed);
}

static int take_value(const option_row *row, const char *value, prof_options *o)
{
    void *field = (char *)o + row->at;
    uint64_t whole;
    double real;
    switch (row->kind) {
    case OPT_FLAG: *(bool *)field = true; return -1;
    case OPT_TEXT:
        if (!*value) return prof_fail(PROF_USAGE, NULL, "--%s is empty", row->name);
        *(const char **)field = value;
        return -1;
    case OPT_REAL:
        if (cli_parse_real(value, &real) && real >= row->min && real <= row->max) {
            *(double *)field = real;
            return -1;
        }
        return prof_fail(PROF_USAGE, NULL, "--%s is \"%s\", expected a number from %g to %g", row->name, value,
                         row->min, row->max);
    case OPT_COUNT:
        if (cli_parse_u64(value, &whole) && (double)whole >= row->min && (double)whole <= row->max) {
            *(uint64_t *)field = whole;
            return -1;
        }
        return prof_fail(PROF_USAGE, NULL, "--%s is \"%s\", expected a whole number from %.0f to %.0f", row->name,
                         value, row->min, row->max);
    }
    return -1;
}

/* The verb's rows as getopt wants them, behind "+:" (stop at operands, report what lacks a value). */
static void fill_getopt(const prof_verb *verb, struct option *longs, char *letters)
{
    int n = 0;
    letters += sprintf(letters, "+:");
    for (int i = 0; i < N_ROWS; i++) {
        if (!(rows[i].verbs & verb->bit)) continue;
        longs[n++] = (struct option){ rows[i].name, rows[i].arg ? required_argument : no_argument, NULL, 256 + i };
        if (rows[i].letter) letters += sprintf(letters, rows[i].arg ? "%c:" : "%c", rows[i].letter);
    }
    longs[n] = (struct option){ NULL, 0, NULL, 0 };
}

/* The row that getopt's answer means. A long option must have been written out. NULL: not one of ours. */
static const option_row *find_row(const prof_verb *verb, int answer, const char *word)
{
    if (answer >= 256) {
        const option_row *row = &rows[answer - 256];
        return strcspn(word + 2, "=") == strlen(row->name) ? row : NULL;
    }
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].letter && rows[i].letter == answer && (rows[i].verbs & verb->bit)) return &rows[i];
    return NULL;
}

static int take_option(const prof_verb *verb, int answer, const char *word, prof_options *o)
{
    char letter[3] = { '-', (char)optopt, '\0' };
    const bool is_long = strncmp(word, "--", 2) == 0;
    if (answer == ':') return prof_fail(PROF_USAGE, NULL, "%s needs a value", is_long ? word : letter);
    const option_row *row = answer == '?' ? NULL : find_row(verb, answer, word);
    if (!row) return unknown_option(verb, is_long ? word : letter);
    return take_value(row, optarg, o);
}

static int take_operands(const prof_verb *verb, int argc, char **argv, prof_options *o)
{
    const int n = argc - optind;
    if (verb->bit == PROF_RUN) {
        if (n == 0)
            return prof_fail(PROF_USAGE, "name it behind --, as in edgeprof run -- ls -l", "run needs a command");
        o->command = argv + optind;
        return -1;
    }
    const bool wants_log = verb->bit == PROF_REPLAY || verb->bit == PROF_REPORT;
    if (!wants_log)
        return n == 0 ? -1 : prof_fail(PROF_USAGE, NULL, "%s takes no operand, as %s", verb->name, argv[optind]);
    if (n == 0)
        return prof_fail(PROF_USAGE, "edgeprof run -o LOG writes one", "%s needs a log", verb->name);
    if (n > 1)
        return prof_fail(PROF_USAGE, NULL, "%s takes one log; \"%s\" is one too many", verb->name, argv[optind + 1]);
    o->log = argv[optind];
    return -1;
}

/* Options may also follow the one operand of replay and report. */
static int take_options(const prof_verb *verb, int argc, char **argv, prof_options *out)
{
    struct option longs[N_ROWS + 1];
    char letters[2 * N_ROWS + 3];
    const bool keeps_order = verb->bit == PROF_RUN;
    fill_getopt(verb, longs, letters);
    opterr = 0;
    optind = 1;
    while (optind < argc) {
        const int at = optind;
        const int answer = getopt_long(argc, argv, letters, longs, NULL);
        if (answer == -1) {
            if (keeps_order || optind > at) return -1;
            int i = optind; /* the operand goes to the end, where options no longer are */
            char *operand = argv[i];
            bool options_follow = false;
            for (int k = i + 1; k < argc; k++) options_follow |= argv[k][0] == '-' && argv[k][1] != '\0';
            if (!options_follow) return -1;
            for (; i + 1 < argc; i++) argv[i] = argv[i + 1];
            argv[argc - 1] = operand;
            continue;
        }
        const int code = take_option(verb, answer, argv[at], out);
        if (code >= 0) return code;
        if (out->help) return -1;
    }
    return -1;
}

int prof_options_parse(const prof_verb *verb, int argc, char **argv, prof_options *out)
{
    *out = (prof_options){ 0 };
    const int code = take_options(verb, argc, argv, out);
    if (code >= 0) return code;
    if (out->help) {
        prof_options_help(verb);
        return PROF_DONE;
    }
    return take_operands(verb, argc, argv, out);
}
