/* SPDX-License-Identifier: MIT
 * options.h - verbs, the options they share, and the text of --help.
 *
 * An option means the same in every verb that has it. One table makes the parser, the help and (through a test) the
 * man page.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    VERB_RUN = 1, VERB_INSPECT = 2, VERB_VALIDATE = 4, VERB_PLAN = 8, VERB_TOKENIZE = 16, VERB_LOGITS = 32,
    VERB_CHAT = 64, VERB_PERPLEXITY = 128, VERB_DOCTOR = 256, VERB_PREPROCESS = 512, VERB_ENCODE = 1024,
    VERB_ADVISE = 2048,
    VERB_ALL = 0xffff
};

/* The values of an option that may be given many times. */
typedef struct cli_list {
    const char *items[64];
    uint32_t n;
} cli_list;

typedef struct cli_extent {
    uint32_t width, height;
} cli_extent;

/* What the command line said. Numbers left out are 0, texts NULL; 0 is what the library takes for "default". */
typedef struct cli_options {
    const char *model;        /* -m or the first operand */
    char **operands;          /* validate: all files, -m's among them is not */
    int n_operands;
    const char *prompt, *file, *system, *tools, *template_file;
    cli_list stop, var;
    const char *load_state, *save_state;
    const char *tokens, *rows, *output;
    const char *base, *sysroot;
    const char *mmproj;       /* of preprocess and encode also the first operand */
    cli_list image;
    cli_extent image_size, box;
    uint32_t longest_edge, image_min_tokens, image_max_tokens, filter; /* EINF_FILTER_* */
    uint64_t image_min_pixels, image_max_pixels;
    uint32_t max_tokens, ctx, threads, threads_decode, top_k, chunks;
    uint64_t seed, ram_limit_bytes;
    double temp, top_p, min_p, repeat_penalty;
    double baseline_s, max_seconds, max_joules;
    const char *profile, *power; /* the profiler's log and sources */
    uint32_t kv, mode, path, float_sum; /* EINF_KV_*, EINF_MODE_*, force_path, EINF_FLOAT_SUM_* */
    bool json, quiet, verbose, help, help_all, cost;
    bool raw, ignore_eos, special, bos, exact, base_exact, deterministic, tensors, all, any_pretokenizer;
    bool no_resize, reduce;
    cli_list question;        /* -p of advise-image */
    const char *expect, *ladder;
    double seconds, tolerance_pct;
    bool compare;
} cli_options;

typedef struct cli_verb {
    const char *name;
    uint32_t bit;             /* VERB_* */
    const char *summary;      /* one line for the list of verbs */
    const char *usage;        /* what follows the name */
    const char *about;        /* one or two lines */
    const char *examples;     /* lines, each without "edgeinfer" */
    const char *exits;        /* exit codes beside 0, 1, 2 */
    int (*run)(const cli_options *o);
} cli_verb;

/** The verb's text of --help, 40 lines at most, or of --help-all. */
void cli_options_help(const cli_verb *verb, bool all);
/** What --path calls a force_path of the session config. */
const char *cli_path_name(uint32_t path);

/** Read argv[1..argc), argv[0] being the verb. -1: go on; otherwise the exit code, help or a message having been
 *  printed. */
int cli_options_parse(const cli_verb *verb, int argc, char **argv, cli_options *out);

#endif
