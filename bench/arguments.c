/* SPDX-License-Identifier: MIT
 * arguments.c - walks argv against a table of options.
 */
#include "bench/arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const bench_program *p)
{
    printf("usage: %s [OPTION]...\n%s\noptions:\n", p->name, p->about);
    for (int i = 0; i < p->n_args; i++) {
        char left[96];
        const bench_arg *a = &p->args[i];
        snprintf(left, sizeof left, "%s%s%s%s%s", a->letter ? a->letter : "", a->letter ? ", " : "", a->name,
                 a->value ? " " : "", a->value ? a->value : "");
        if (strlen(left) > 30) printf("  %s\n  %30s %s\n", left, "", a->help);
        else printf("  %-30s %s\n", left, a->help);
    }
    printf("  %-30s this text\n%s", "--help", p->notes);
}

int bench_usage(const bench_program *p, const char *what, const char *value)
{
    fprintf(stderr, "%s: %s%s%s\n  hint: %s --help lists the options\n", p->name, what, value ? ": " : "",
            value ? value : "", p->name);
    return BENCH_EXIT_USAGE;
}

/* ------------------------------------------------------------------------------------------------ values -- */

/* A number at the beginning of text; *end: behind it. */
static bool parse_number(const char *text, double min, double max, bool whole, double *out, const char **end)
{
    const size_t n = strspn(text, whole ? "0123456789" : "0123456789.");
    char number[24], *stop;
    if (n == 0 || n >= sizeof number) return false;
    memcpy(number, text, n);
    number[n] = '\0';
    *out = strtod(number, &stop); /* the benches never call setlocale */
    *end = text + n;
    return *stop == '\0' && *out >= min && *out <= max;
}

static bool parse_counts(const bench_arg *a, const char *text)
{
    bench_counts *list = a->out;
    double v;
    list->n = 0;
    for (;;) {
        if (list->n == BENCH_MAX_COUNTS || !parse_number(text, a->min, a->max, true, &v, &text)) return false;
        list->items[list->n++] = (int)v;
        if (*text == '\0') return true;
        if (*text++ != ',') return false;
    }
}

/* The place of the word among "a|b|c". */
static bool parse_choice(const bench_arg *a, const char *text)
{
    const size_t length = strlen(text);
    const char *word = a->value;
    for (int i = 0; word; i++) {
        const size_t n = strcspn(word, "|");
        if (n == length && memcmp(word, text, n) == 0) {
            *(int *)a->out = i;
            return true;
        }
        word = word[n] ? word + n + 1 : NULL;
    }
    return false;
}

static bool take_value(const bench_arg *a, const char *text)
{
    const char *end;
    double v;
    switch (a->kind) {
    case BENCH_FLAG: *(bool *)a->out = true; return true;
    case BENCH_TEXT: *(const char **)a->out = text; return true;
    case BENCH_COUNTS: return parse_counts(a, text);
    case BENCH_CHOICE: return parse_choice(a, text);
    case BENCH_COUNT:
        if (!parse_number(text, a->min, a->max, true, &v, &end) || *end) return false;
        *(int *)a->out = (int)v;
        return true;
    case BENCH_SECONDS:
    case BENCH_NUMBER:
        if (!parse_number(text, a->min, a->max, false, &v, &end) || *end) return false;
        *(double *)a->out = v;
        return true;
    }
    return false;
}

static int refuse_value(const bench_program *p, const bench_arg *a, const char *text)
{
    char what[160];
    if (a->kind == BENCH_CHOICE && a->value) {
        snprintf(what, sizeof what, "%s takes %s, not", a->name, a->value);
    } else {
        snprintf(what, sizeof what, "%s takes %s from %.9g to %.9g, not", a->name,
                 a->kind == BENCH_COUNTS ? "whole numbers, as 16,128," : a->kind == BENCH_COUNT ? "a whole number" :
                 a->kind == BENCH_NUMBER ? "a number" : "seconds", a->min, a->max);
    }
    return bench_usage(p, what, text);
}

/* ----------------------------------------------------------------------------------------------- parsing -- */

static const bench_arg *arg_named(const bench_program *p, const char *name)
{
    for (int i = 0; i < p->n_args; i++)
        if (strcmp(p->args[i].name, name) == 0 || (p->args[i].letter && strcmp(p->args[i].letter, name) == 0))
            return &p->args[i];
    return NULL;
}

int bench_parse(const bench_program *p, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(p);
            return BENCH_EXIT_DONE;
        }
        const bench_arg *a = arg_named(p, argv[i]);
        if (!a) return bench_usage(p, argv[i][0] == '-' ? "unknown option" : "takes no operand", argv[i]);
        if (a->value && ++i == argc) return bench_usage(p, "needs a value", a->name);
        if (!take_value(a, argv[i])) return refuse_value(p, a, argv[i]);
    }
    return BENCH_GO_ON;
}
