/* SPDX-License-Identifier: MIT
 * options.c - the table of options, its parser, and the help made from it.
 *
 * getopt_long splits the words; abbreviations of long names are refused, because a later release may add an option
 * that makes them mean something else.
 */
#include "cli/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <edgeinfer/edgeinfer.h>

#include "cli/nearest.h"
#include "cli/numbers.h"
#include "cli/output.h"

typedef enum option_kind { OPT_FLAG, OPT_TEXT, OPT_U32, OPT_U64, OPT_REAL, OPT_SIZE, OPT_CHOICE, OPT_LIST,
               OPT_EXTENT } option_kind;

typedef struct option_row {
    const char *name;
    char letter;              /* 0: none */
    const char *arg;          /* what the help calls the value; of OPT_CHOICE the words, in the order of their values */
    uint32_t verbs;
    option_kind kind;
    size_t at;                /* of the field in cli_options */
    double min, max;          /* of numbers */
    const char *help;
} option_row;

#define AT(field) offsetof(cli_options, field)
#define MODELS (VERB_RUN | VERB_CHAT | VERB_PLAN | VERB_LOGITS | VERB_PERPLEXITY | VERB_ADVISE)
#define ANSWERS (VERB_RUN | VERB_CHAT)
#define EYES (VERB_PREPROCESS | VERB_ENCODE) /* verbs of a vision encoder alone */
#define PICTURES (ANSWERS | VERB_PLAN | EYES)
#define SELDOM (1u << 31) /* beside verbs: --help-all alone shows it */
#define ASIDE (1u << 30)  /* the same, save for EYES */
#define MAX_INT 2147483647.0
#define MAX_SEED 9007199254740992.0 /* 2^53: what JSON carries exactly */

/* In the order of the help. */
static const option_row rows[] = {
    { "model", 'm', "FILE", VERB_ALL, OPT_TEXT, AT(model), 0, 0, "the GGUF file; or the first operand" },
    { "mode", 0, "map|read|huge", VERB_ALL | SELDOM, OPT_CHOICE, AT(mode), 0, 0,
      "map the file (default), or read it into memory, or into huge pages" },
    { "any-pretokenizer", 0, NULL, VERB_ALL | SELDOM, OPT_FLAG, AT(any_pretokenizer), 0, 0,
      "take the default for a pre-tokenizer that is unknown" },
    { "prompt", 'p', "TEXT", VERB_RUN | VERB_TOKENIZE, OPT_TEXT, AT(prompt), 0, 0, "the text; default: stdin" },
    { "prompt", 'p', "TEXT", VERB_ADVISE, OPT_LIST, AT(question), 0, 0, "the question; many are possible" },
    { "file", 'f', "FILE", VERB_RUN | VERB_TOKENIZE | VERB_PERPLEXITY, OPT_TEXT, AT(file), 0, 0,
      "the text from a file, - is stdin" },
    { "mmproj", 0, "FILE", PICTURES | VERB_DOCTOR | VERB_ADVISE, OPT_TEXT, AT(mmproj), 0, 0,
      "the vision encoder, which reads pictures" },
    { "image", 0, "FILE", VERB_RUN | VERB_PLAN | EYES | VERB_ADVISE, OPT_LIST, AT(image), 0, 0,
      "a picture (JPEG, PNG, PPM), - is stdin; many are possible" },
    { "image-size", 0, "WxH", VERB_PLAN | VERB_ADVISE, OPT_EXTENT, AT(image_size), 1, 65535,
      "or a picture of this size" },
    { "longest-edge", 0, "N", PICTURES, OPT_U32, AT(longest_edge), 1, 65535,
      "make pictures at most so long: less to encode" },
    { "box", 0, "WxH", PICTURES | ASIDE, OPT_EXTENT, AT(box), 1, 65535, "make pictures fit into this box" },
    { "image-min-tokens", 0, "N", PICTURES | VERB_ADVISE | ASIDE, OPT_U32, AT(image_min_tokens), 1, 16384,
      "enlarge pictures to so many tokens" },
    { "image-max-tokens", 0, "N", PICTURES | VERB_ADVISE | ASIDE, OPT_U32, AT(image_max_tokens), 1, 16384,
      "shrink them to so many" },
    { "image-min-pixels", 0, "N", PICTURES | ASIDE, OPT_U64, AT(image_min_pixels), 1, MAX_INT,
      "the same in pixels; default: as the file says" },
    { "image-max-pixels", 0, "N", PICTURES | ASIDE, OPT_U64, AT(image_max_pixels), 1, MAX_INT,
      "default: as the file says, else 4096 tokens" },
    { "no-resize", 0, NULL, PICTURES | ASIDE, OPT_FLAG, AT(no_resize), 0, 0,
      "round sizes up to whole tokens, and no more" },
    { "filter", 0, "bicubic|bilinear|lanczos|box|legacy-bicubic", PICTURES | VERB_ADVISE | ASIDE,
      OPT_CHOICE, AT(filter), 0, 0,
      "how pixels are resized; default: bicubic" },
    { "reduce", 0, NULL, PICTURES | ASIDE, OPT_FLAG, AT(reduce), 0, 0,
      "decode a JPEG no larger than needed: faster, other pixels" },
    { "system", 's', "TEXT", ANSWERS, OPT_TEXT, AT(system), 0, 0, "system message, which goes before all others" },
    { "tools", 0, "FILE", ANSWERS, OPT_TEXT, AT(tools), 0, 0, "tools the model may call, a JSON array" },
    { "var", 0, "NAME=JSON", ANSWERS | SELDOM, OPT_LIST, AT(var), 0, 0,
      "a variable of the chat template; many are possible" },
    { "template", 0, "FILE", ANSWERS | SELDOM, OPT_TEXT, AT(template_file), 0, 0,
      "a chat template instead of the model's" },
    { "raw", 0, NULL, VERB_RUN, OPT_FLAG, AT(raw), 0, 0, "continue the text; no chat template" },
    { "special", 0, NULL, VERB_TOKENIZE, OPT_FLAG, AT(special), 0, 0, "special tokens spelled in the text count" },
    { "bos", 0, NULL, VERB_TOKENIZE, OPT_FLAG, AT(bos), 0, 0, "add BOS (for some models EOS) as the model says" },
    { "tokens", 0, "IDS", VERB_LOGITS, OPT_TEXT, AT(tokens), 0, 0, "token ids as 1,2,3, or @FILE; nothing is added" },
    { "output", 'o', "FILE", VERB_LOGITS | EYES, OPT_TEXT, AT(output), 0, 0, "where the numbers go, - is stdout" },
    { "rows", 0, "LIST", VERB_LOGITS, OPT_TEXT, AT(rows), 0, 0, "rows to write as 0,10,-1, ascending; default: all" },
    { "base", 0, "FILE", VERB_PERPLEXITY, OPT_TEXT, AT(base), 0, 0, "compare with this model, token by token" },
    { "base-exact", 0, NULL, VERB_PERPLEXITY, OPT_FLAG, AT(base_exact), 0, 0,
      "compare with --exact, of --base or of the model itself" },
    { "chunks", 0, "N", VERB_PERPLEXITY, OPT_U32, AT(chunks), 1, MAX_INT, "the first N chunks; default: all" },
    { "exact", 0, NULL, VERB_LOGITS | VERB_PERPLEXITY | VERB_ENCODE, OPT_FLAG, AT(exact), 0, 0,
      "f32 throughout, weights de-quantised; slow" },
    { "path", 0, "auto|rows|panels|panels-32|panels-64|panels-128|floats", VERB_LOGITS | VERB_PERPLEXITY | SELDOM,
      OPT_CHOICE, AT(path), 0, 0, "for tests: force row dots or panels" },
    { "max-tokens", 'n', "N", ANSWERS | VERB_ADVISE, OPT_U32, AT(max_tokens), 1, MAX_INT,
      "stop after N tokens; default: the end" },
    { "ctx", 'c', "N", MODELS, OPT_U32, AT(ctx), 1, MAX_INT, "context; default: 4096, or less if trained so" },
    { "kv", 0, "f16|f32|q8_0", MODELS | VERB_DOCTOR, OPT_CHOICE, AT(kv), 0, 0, "type of the KV cache; default: f16" },
    { "float-sum", 0, "f32|f16|i16", MODELS | VERB_ENCODE | SELDOM, OPT_CHOICE, AT(float_sum), 0, 0,
      "of float weights in prefill; faster: i16 on x86, f16 on ARM" },
    { "deterministic", 0, NULL, MODELS | SELDOM, OPT_FLAG, AT(deterministic), 0, 0,
      "the same bits for any number of threads, batches and calls" },
    { "cost", 0, NULL, ANSWERS | VERB_ENCODE | VERB_ADVISE, OPT_FLAG, AT(cost), 0, 0,
      "say what the answer cost: CPU, memory, energy" },
    { "baseline", 0, "SECONDS", ANSWERS | VERB_ENCODE | VERB_ADVISE, OPT_REAL, AT(baseline_s), 0, 3600,
      "first watch the idle machine: net energy, its error" },
    { "max-seconds", 0, "S", ANSWERS, OPT_REAL, AT(max_seconds), 0, 1e9, "end the answer after this time" },
    { "max-joules", 0, "J", ANSWERS | SELDOM, OPT_REAL, AT(max_joules), 0, 1e12,
      "or this energy; needs a counter that lives" },
    { "profile", 0, "LOG", ANSWERS | VERB_ENCODE | VERB_ADVISE | SELDOM, OPT_TEXT, AT(profile), 0, 0,
      "keep all samples, for edgeprof report and replay" },
    { "power", 0, "LIST", ANSWERS | VERB_ENCODE | VERB_ADVISE | SELDOM, OPT_TEXT, AT(power), 0, 0,
      "energy sources, as edgeprof sources names them; default: auto" },
    { "load-state", 0, "FILE", VERB_RUN, OPT_TEXT, AT(load_state), 0, 0,
      "begin with a saved session: what the prompt shares with it" },
    { "save-state", 0, "FILE", VERB_RUN, OPT_TEXT, AT(save_state), 0, 0, "save the session behind the answer" },
    { "threads", 't', "N", MODELS | VERB_DOCTOR | EYES, OPT_U32, AT(threads), 1, 256,
      "threads; default: all performance cores" },
    { "threads-decode", 0, "N", MODELS | VERB_DOCTOR | SELDOM, OPT_U32, AT(threads_decode), 1, 256,
      "of them for decoding; default: as measured" },
    { "ram-limit", 0, "SIZE", MODELS | EYES, OPT_SIZE, AT(ram_limit_bytes), 0, 0,
      "take no more memory than this, as 3G" },
    { "temp", 0, "X", ANSWERS, OPT_REAL, AT(temp), 0, 1000, "temperature; default: 0, the likeliest token" },
    { "top-k", 0, "N", ANSWERS, OPT_U32, AT(top_k), 0, MAX_INT, "choose from the N likeliest; 0, default: all" },
    { "top-p", 0, "X", ANSWERS, OPT_REAL, AT(top_p), 0, 1, "choose from those that sum up to X; default: 1" },
    { "min-p", 0, "X", ANSWERS | SELDOM, OPT_REAL, AT(min_p), 0, 1, "drop those below X times the best; default: 0" },
    { "repeat-penalty", 0, "X", ANSWERS, OPT_REAL, AT(repeat_penalty), 0, 100, "above 1: repeat less; default: 1" },
    { "seed", 0, "N", ANSWERS, OPT_U64, AT(seed), 0, MAX_SEED, "of the random numbers; default: 0" },
    { "stop", 0, "TEXT", ANSWERS, OPT_LIST, AT(stop), 0, 0, "end the answer before this text; many are possible" },
    { "ignore-eos", 0, NULL, ANSWERS | SELDOM, OPT_FLAG, AT(ignore_eos), 0, 0, "go on after the end of the answer" },
    { "compare", 0, NULL, VERB_ADVISE, OPT_FLAG, AT(compare), 0, 0, "answer at each setting, and compare the answers" },
    { "expect", 0, "FILE", VERB_ADVISE, OPT_TEXT, AT(expect), 0, 0,
      "with answers known: lines of picture, question, answer, with tabs" },
    { "tolerance", 0, "PERCENT", VERB_ADVISE, OPT_REAL, AT(tolerance_pct), 0, 100,
      "of the answers may differ, or be lost; default: 0" },
    { "ladder", 0, "LIST", VERB_ADVISE, OPT_TEXT, AT(ladder), 0, 0,
      "limits to try, as 512,128,64; default: by thirds" },
    { "seconds", 0, "S", VERB_ADVISE, OPT_REAL, AT(seconds), 1, 3600, "of calibration; default: 10" },
    { "sysroot", 0, "DIR", VERB_DOCTOR, OPT_TEXT, AT(sysroot), 0, 0, "read /proc, /sys and /dev below this folder" },
    { "tensors", 0, NULL, VERB_VALIDATE, OPT_FLAG, AT(tensors), 0, 0, "look for NaN and infinity; reads every byte" },
    { "all", 0, NULL, VERB_INSPECT, OPT_FLAG, AT(all), 0, 0, "print arrays and long texts whole" },
    { "json", 0, NULL, VERB_ALL, OPT_FLAG, AT(json), 0, 0, "one JSON object on stdout" },
    { "quiet", 'q', NULL, VERB_ALL, OPT_FLAG, AT(quiet), 0, 0, "nothing on stderr but errors" },
    { "verbose", 'v', NULL, VERB_ALL, OPT_FLAG, AT(verbose), 0, 0, "the library's log and kernels on stderr" },
    { "help", 'h', NULL, VERB_ALL, OPT_FLAG, AT(help), 0, 0, "the options that are used most" },
    { "help-all", 0, NULL, VERB_ALL, OPT_FLAG, AT(help_all), 0, 0, "and all others" },
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

/* Known to people who read ahead. */
static const char *const later[] = { "lora", "grammar" };

/* -------------------------------------------------------------------------------------------------- help -- */

const char *cli_path_name(uint32_t path)
{
    static const char *const names[] = { "auto", "rows", "panels", "panels-32", "panels-64", "panels-128", "floats" };
    return names[path];
}

enum { LEFT_COLS = 29 }; /* of options; one that is longer has a line to itself */

static bool is_seldom(const option_row *row, const cli_verb *verb)
{
    return row->verbs & SELDOM || (row->verbs & ASIDE && !(verb->bit & EYES));
}

void cli_options_help(const cli_verb *verb, bool all)
{
    printf("usage: edgeinfer %s %s\n%s\n\noptions:\n", verb->name, verb->usage, verb->about);
    for (int i = 0; i < N_ROWS; i++) {
        char left[96], letter[8] = "    ";
        if (!(rows[i].verbs & verb->bit) || (!all && is_seldom(&rows[i], verb))) continue;
        if (rows[i].letter) snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
        snprintf(left, sizeof left, "%s--%s %s", letter, rows[i].name, rows[i].arg ? rows[i].arg : "");
        if (strlen(left) > LEFT_COLS) printf("  %s\n  %*s %s\n", left, LEFT_COLS, "", rows[i].help);
        else printf("  %-*s %s\n", LEFT_COLS, left, rows[i].help);
    }
    printf("\nexamples:\n%s\nexit codes: 0 done, 1 failed, 2 usage%s\n", verb->examples, verb->exits);
}

/* ------------------------------------------------------------------------------------------------ parsing -- */

static int unknown_option(const cli_verb *verb, const char *word)
{
    const char *names[N_ROWS];
    char typed[64], hint[128];
    int n = 0;
    snprintf(typed, sizeof typed, "%.*s", (int)strcspn(word, "="), word);
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (strncmp(typed, "--", 2) == 0 && strcmp(typed + 2, later[i]) == 0)
            return cli_fail(EXIT_USAGE, "this release has no adapters and no grammars",
                            "%s belongs to a later release; this is %s", typed, einf_version());
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].verbs & verb->bit) names[n++] = rows[i].name;
    const char *near = strncmp(typed, "--", 2) == 0 ? cli_nearest(typed + 2, names, n) : NULL;
    if (near) snprintf(hint, sizeof hint, "did you mean --%s?", near);
    else snprintf(hint, sizeof hint, "edgeinfer %s --help-all lists the options", verb->name);
    return cli_fail(EXIT_USAGE, hint, "%s has no option %s", verb->name, typed);
}

static int bad_value(const option_row *row, const char *value, const char *expected)
{
    return cli_fail(EXIT_USAGE, NULL, "--%s is \"%s\", expected %s", row->name, value, expected);
}

static int bad_number(const option_row *row, const char *value, const char *kind)
{
    char expected[96];
    snprintf(expected, sizeof expected, "a %s from %.0f to %.0f", kind, row->min, row->max);
    return bad_value(row, value, expected);
}

static int add_value(const option_row *row, const char *value, cli_list *list)
{
    const uint32_t max = (uint32_t)(sizeof list->items / sizeof list->items[0]);
    if (list->n == max) return cli_fail(EXIT_USAGE, NULL, "--%s may be given %u times", row->name, (unsigned)max);
    list->items[list->n++] = value;
    return -1;
}

/* The index of value among "a|b|c". */
static int take_choice(const option_row *row, const char *value, uint32_t *out)
{
    const size_t length = strlen(value);
    uint32_t i = 0;
    for (const char *at = row->arg; ; at += strcspn(at, "|") + 1, i++) {
        const size_t n = strcspn(at, "|");
        if (n == length && strncmp(at, value, n) == 0) {
            *out = i;
            return -1;
        }
        if (at[n] == '\0') return bad_value(row, value, row->arg);
    }
}

static int take_extent(const option_row *row, const char *value, cli_extent *out)
{
    uint64_t width, height;
    if (!cli_parse_extent(value, &width, &height) || (double)width < row->min || (double)height < row->min ||
        (double)width > row->max || (double)height > row->max) {
        char expected[96];
        snprintf(expected, sizeof expected, "width and height as 1024x768, each from %.0f to %.0f", row->min, row->max);
        return bad_value(row, value, expected);
    }
    *out = (cli_extent){ (uint32_t)width, (uint32_t)height };
    return -1;
}

static int take_value(const option_row *row, const char *value, cli_options *o)
{
    void *field = (char *)o + row->at;
    uint64_t whole = 0;
    double real;
    switch (row->kind) {
    case OPT_FLAG: *(bool *)field = true; return -1;
    case OPT_TEXT: *(const char **)field = value; return -1;
    case OPT_CHOICE: return take_choice(row, value, field);
    case OPT_LIST: return add_value(row, value, field);
    case OPT_SIZE:
        if (!cli_parse_size(value, field)) return bad_value(row, value, "a size as 512M or 3G");
        return -1;
    case OPT_EXTENT: return take_extent(row, value, field);
    case OPT_REAL:
        if (!cli_parse_real(value, &real) || real < row->min || real > row->max)
            return bad_number(row, value, "number");
        *(double *)field = real;
        return -1;
    case OPT_U32:
    case OPT_U64:
        if (!cli_parse_u64(value, &whole) || (double)whole < row->min || (double)whole > row->max)
            return bad_number(row, value, "whole number");
        if (row->kind == OPT_U32) *(uint32_t *)field = (uint32_t)whole;
        else *(uint64_t *)field = whole;
        return -1;
    }
    return -1;
}

/* The verb's rows as getopt wants them: long options, and letters behind "+:" (stop at operands, report what lacks
 * a value). */
static void fill_getopt(const cli_verb *verb, struct option *longs, char *letters)
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
static const option_row *find_row(const cli_verb *verb, int answer, const char *word)
{
    if (answer >= 256) {
        const option_row *row = &rows[answer - 256];
        return strcspn(word + 2, "=") == strlen(row->name) ? row : NULL;
    }
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].verbs & verb->bit && rows[i].letter && rows[i].letter == answer) return &rows[i];
    return NULL;
}

static int take_option(const cli_verb *verb, int answer, const char *word, cli_options *o)
{
    char letter[3] = { '-', (char)optopt, '\0' };
    const bool is_long = strncmp(word, "--", 2) == 0;
    if (answer == ':') return cli_fail(EXIT_USAGE, NULL, "%s needs a value", is_long ? word : letter);
    const option_row *row = answer == '?' ? NULL : find_row(verb, answer, word);
    if (!row) return unknown_option(verb, is_long ? word : letter);
    return take_value(row, optarg, o);
}

/* Verbs of an encoder: it is what --mmproj, -m or the operand names, once. */
static int take_encoder(const cli_verb *verb, cli_options *o)
{
    const char *names[3] = { o->mmproj, o->model, o->n_operands > 0 ? o->operands[0] : NULL };
    const char *extra = o->n_operands > 1 ? o->operands[1] : NULL;
    o->mmproj = NULL;
    for (int i = 0; i < 3; i++) {
        if (o->mmproj && names[i]) extra = names[i];
        else if (names[i]) o->mmproj = names[i];
    }
    if (extra)
        return cli_fail(EXIT_USAGE, "pictures go behind --image", "%s takes one vision encoder; \"%s\" is one too many",
                        verb->name, extra);
    if (o->mmproj) return -1;
    return cli_fail(EXIT_USAGE, "name an mmproj file, with --mmproj or as it is", "%s needs a vision encoder",
                    verb->name);
}

/* The first operand is the model unless -m named it. validate takes any number of files. */
static int take_operands(const cli_verb *verb, cli_options *o)
{
    if (verb->bit & EYES) return take_encoder(verb, o);
    const char *extra = o->n_operands > (o->model ? 0 : 1) ? o->operands[o->model ? 0 : 1] : NULL;
    if (verb->bit == VERB_VALIDATE) {
        if (o->model || o->n_operands > 0) return -1;
    } else if (extra) {
        return cli_fail(EXIT_USAGE, "text goes behind -p, in quotes", "%s takes one model; \"%s\" is one too many",
                        verb->name, extra);
    }
    if (!o->model && o->n_operands > 0) o->model = o->operands[0];
    if (o->model || verb->bit == VERB_DOCTOR) return -1;
    return cli_fail(EXIT_USAGE, "name a GGUF file, with -m or as it is", "%s needs a model", verb->name);
}

int cli_options_parse(const cli_verb *verb, int argc, char **argv, cli_options *out)
{
    struct option longs[N_ROWS + 1];
    char letters[2 * N_ROWS + 3];
    int n_operands = 0;
    fill_getopt(verb, longs, letters);
    *out = (cli_options){ 0 };
    opterr = 0;
    optind = 1;
    /* Operands between options are moved to argv[0..n_operands), where the words already read leave room. */
    while (optind < argc) {
        const int at = optind;
        const int answer = getopt_long(argc, argv, letters, longs, NULL);
        if (answer == -1) {
            if (optind > at) break; /* "--": the rest are operands */
            argv[n_operands++] = argv[optind++];
            continue;
        }
        const int code = take_option(verb, answer, argv[at], out);
        if (code >= 0) return code;
        if (out->help || out->help_all) break;
    }
    if (out->help || out->help_all) {
        cli_options_help(verb, out->help_all);
        return EXIT_DONE;
    }
    while (optind < argc) argv[n_operands++] = argv[optind++];
    out->operands = argv;
    out->n_operands = n_operands;
    return take_operands(verb, out);
}
