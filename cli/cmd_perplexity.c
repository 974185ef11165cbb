/* SPDX-License-Identifier: MIT
 * cmd_perplexity.c - the perplexity of a text as llama-perplexity measures it, and the distance from a base model.
 *
 * Disjoint chunks of n_ctx ids, the first of each replaced by BOS where the model wants one; the first half is
 * context, and rows [n_ctx / 2, n_ctx - 1) are scored by the id that follows. Two models run in lock-step, so that
 * the logits of some rows are all that is ever held.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/lowlevel.h>

#include "cli/id_list.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/perplexity_score.h"
#include "cli/read_input.h"
#include "cli/commands.h"

/* Logits are taken for 64 to 127 rows at a time: fewer would be computed as decode computes them, not as prefill. */
enum { DEFAULT_CHUNK = 512, LEAST_CHUNK = 4, LEAST_PIECE = 64 };

typedef struct contestant {
    einf_model *model;
    einf_session *session;
    int32_t bos;              /* what every chunk begins with, -1: its own id */
    float *logits;            /* [max_rows, n_vocab] */
} contestant;

typedef struct job {
    cli_engine *engine;
    contestant tested, base;  /* base.model is NULL without --base and --base-exact; the tested one with the latter
                                 alone */
    cli_id_list ids;          /* of the whole text */
    uint64_t n_text_bytes;
    uint32_t n_vocab, n_ctx, n_chunks;
    uint32_t max_rows;        /* of a piece */
    int32_t *chunk;           /* [n_ctx] */
    int32_t *rows;            /* [max_rows], 0, 1, 2, ... */
    double *running;          /* [n_chunks] perplexity behind each chunk */
    cli_nll nll;
    cli_divergence divergence;
    double tokenize_s, compute_s;
} job;

/* ----------------------------------------------------------------------------------------------- opening -- */

/* Into c, with the ids of the text. The engine's model stays the one that it closes itself. */
static int open_contestant(job *j, const char *path, const cli_bytes *text, contestant *c, cli_id_list *ids)
{
    cli_engine *e = j->engine;
    einf_error err = EINF_INIT(einf_error);
    einf_special_tokens special = EINF_INIT(einf_special_tokens);
    if (cli_engine_open(e, path, 0, false, &err) != EINF_OK) return cli_print_error(&err, path);
    c->model = e->m;
    e->m = NULL;
    const double start_s = cli_now_s();
    if (einf_model_special_tokens(c->model, &special, &err) != EINF_OK ||
        cli_ids_of_text(c->model, text, EINF_TOK_BOS, ids, &err) != EINF_OK)
        return cli_print_error(&err, path);
    j->tokenize_s += cli_now_s() - start_s;
    c->bos = special.add_bos ? special.bos : -1;
    return EXIT_DONE;
}

static uint32_t n_vocab_of(const einf_model *m)
{
    einf_model_info info = EINF_INIT(einf_model_info);
    return einf_model_get_info(m, &info, NULL) == EINF_OK ? info.n_vocab : 0;
}

/* Probabilities can be compared only where the same numbers mean the same tokens. */
static int check_same_ids(const job *j, const cli_id_list *base_ids)
{
    static const char hint[] = "--base takes a model with the same vocabulary, such as the one before quantisation";
    const uint32_t n_base = n_vocab_of(j->base.model);
    if (n_base != j->n_vocab)
        return cli_fail(EXIT_USAGE, hint, "the model has %u tokens, the base model %u", (unsigned)j->n_vocab,
                        (unsigned)n_base);
    const size_t n = j->ids.n < base_ids->n ? j->ids.n : base_ids->n;
    for (size_t i = 0; i < n; i++)
        if (j->ids.items[i] != base_ids->items[i])
            return cli_fail(EXIT_USAGE, hint, "token %zu of the text is %d to the model and %d to the base model", i,
                            (int)j->ids.items[i], (int)base_ids->items[i]);
    if (j->ids.n == base_ids->n && j->tested.bos == j->base.bos) return EXIT_DONE;
    return cli_fail(EXIT_USAGE, hint, "the model and the base model begin or end a text differently");
}

static int open_models(job *j, const cli_bytes *text)
{
    const cli_options *o = j->engine->options;
    cli_id_list base_ids = { NULL, 0 };
    int code = open_contestant(j, o->model, text, &j->tested, &j->ids);
    if (code == EXIT_DONE) j->n_vocab = n_vocab_of(j->tested.model);
    if (code == EXIT_DONE && o->base) {
        code = open_contestant(j, o->base, text, &j->base, &base_ids);
        if (code == EXIT_DONE) code = check_same_ids(j, &base_ids);
        cli_id_list_free(&base_ids);
    } else if (o->base_exact) {
        j->base.model = j->tested.model;
        j->base.bos = j->tested.bos;
    }
    return code;
}

static int choose_chunks(job *j)
{
    const cli_options *o = j->engine->options;
    j->n_ctx = o->ctx ? o->ctx : DEFAULT_CHUNK;
    if (j->n_ctx < LEAST_CHUNK)
        return cli_fail(EXIT_USAGE, NULL, "--ctx is \"%u\", expected at least %d here", (unsigned)j->n_ctx,
                        LEAST_CHUNK);
    if (j->ids.n / 2 < j->n_ctx)
        return cli_fail(EXIT_USAGE, "take a longer text, or a smaller chunk with -c",
                        "the text has %zu tokens, two chunks of %u need %llu", j->ids.n, (unsigned)j->n_ctx,
                        2 * (unsigned long long)j->n_ctx);
    const size_t whole = j->ids.n / j->n_ctx;
    j->n_chunks = o->chunks && o->chunks < whole ? o->chunks : (uint32_t)whole;
    return EXIT_DONE;
}

static uint32_t n_scored(const job *j) { return j->n_ctx - 1 - j->n_ctx / 2; }

/* As many pieces as keep each at LEAST_PIECE rows or more, and these as equal as can be. */
static void choose_pieces(job *j)
{
    const uint32_t n_pieces = n_scored(j) / LEAST_PIECE ? n_scored(j) / LEAST_PIECE : 1;
    j->max_rows = (n_scored(j) + n_pieces - 1) / n_pieces;
}

static int open_session(job *j, contestant *c)
{
    einf_error err = EINF_INIT(einf_error);
    einf_session_config config = cli_session_config(j->engine);
    config.n_ctx = j->n_ctx;
    if (c == &j->base && j->engine->options->base_exact) {
        config.exact = 1;
        config.force_path = 0;
        config.float_sum = EINF_FLOAT_SUM_F32;
    }
    if (einf_session_create(c->model, &config, &c->session, &err) != EINF_OK) return cli_print_error(&err, NULL);
    c->logits = malloc((size_t)j->max_rows * j->n_vocab * sizeof *c->logits);
    return c->logits ? EXIT_DONE : cli_fail_nomem();
}

static int allocate(job *j)
{
    j->chunk = malloc(j->n_ctx * sizeof *j->chunk);
    j->rows = malloc(j->max_rows * sizeof *j->rows);
    j->running = malloc(j->n_chunks * sizeof *j->running);
    if (!j->chunk || !j->rows || !j->running) return cli_fail_nomem();
    for (uint32_t i = 0; i < j->max_rows; i++) j->rows[i] = (int32_t)i;
    if (j->base.model && !cli_divergence_alloc(&j->divergence, (uint64_t)j->n_chunks * n_scored(j)))
        return cli_fail_nomem();
    const int code = open_session(j, &j->tested);
    return code == EXIT_DONE && j->base.model ? open_session(j, &j->base) : code;
}

static void release(job *j)
{
    contestant *const both[] = { &j->tested, &j->base };
    for (int i = 0; i < 2; i++) {
        einf_session_destroy(&both[i]->session, NULL);
        free(both[i]->logits);
    }
    if (j->base.model != j->tested.model) einf_model_close(&j->base.model, NULL);
    einf_model_close(&j->tested.model, NULL);
    cli_divergence_free(&j->divergence);
    cli_id_list_free(&j->ids);
    free(j->chunk);
    free(j->rows);
    free(j->running);
}

/* ----------------------------------------------------------------------------------------------- scoring -- */

/* Append ids [at, at + n) of the chunk, with the logits of all of them, or of none. */
static int append(const job *j, const contestant *c, uint32_t at, uint32_t n, bool wants_logits)
{
    einf_error err = EINF_INIT(einf_error);
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = j->chunk + at;
    b.n = n;
    if (wants_logits) {
        b.logit_rows = j->rows;
        b.n_logit_rows = n;
        b.logits = c->logits;
    }
    b.cancel = j->engine->cancel;
    const einf_status status = einf_session_append(c->session, &b, &err);
    if (status == EINF_OK) return EXIT_DONE;
    return status == EINF_E_CANCELLED ? EXIT_CANCELLED : cli_print_error(&err, NULL);
}

static int score(job *j, uint32_t at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const size_t row = (size_t)i * j->n_vocab;
        const int32_t next_id = j->chunk[at + i + 1];
        cli_row_score s, base;
        if (cli_interrupted()) return EXIT_CANCELLED;
        if (!cli_score_row(j->tested.logits + row, j->n_vocab, next_id, &s) ||
            (j->base.model && !cli_score_row(j->base.logits + row, j->n_vocab, next_id, &base)))
            return cli_fail(EXIT_FAILED, "edgeinfer validate --tensors looks for the cause in the file",
                            "logits are not finite");
        cli_nll_add(&j->nll, s.nll);
        if (j->base.model)
            cli_divergence_add(&j->divergence, j->tested.logits + row, &s, j->base.logits + row, &base, j->n_vocab);
    }
    return EXIT_DONE;
}

/* Both models over ids [at, at + n) of the chunk. */
static int advance(job *j, uint32_t at, uint32_t n, bool scored)
{
    int code = append(j, &j->tested, at, n, scored);
    if (code == EXIT_DONE && j->base.model) code = append(j, &j->base, at, n, scored);
    return code == EXIT_DONE && scored ? score(j, at, n) : code;
}

/* The last id of a chunk is only predicted; nothing is computed from it. */
static int compute_chunk(job *j, uint32_t i)
{
    const uint32_t first = j->n_ctx / 2;
    memcpy(j->chunk, j->ids.items + (size_t)i * j->n_ctx, j->n_ctx * sizeof *j->chunk);
    if (j->tested.bos >= 0) j->chunk[0] = j->tested.bos;
    einf_session_rewind(j->tested.session, 0, NULL);
    if (j->base.model) einf_session_rewind(j->base.session, 0, NULL);
    int code = advance(j, 0, first, false);
    for (uint32_t at = first; at + 1 < j->n_ctx && code == EXIT_DONE; at += j->max_rows) {
        const uint32_t left = j->n_ctx - 1 - at;
        code = advance(j, at, left < j->max_rows ? left : j->max_rows, true);
    }
    return code;
}

static void show_chunk(const job *j, uint32_t n_done)
{
    cli_progress *p = &j->engine->progress;
    const bool verbose = j->engine->options->verbose;
    if (!p->on && !verbose) return;
    fprintf(stderr, verbose ? "chunk %u of %u: perplexity %.4f\n" : "\rchunk %u of %u: perplexity %.4f\033[K",
            (unsigned)n_done, (unsigned)j->n_chunks, j->running[n_done - 1]);
    p->shown = !verbose;
    fflush(stderr);
}

static int compute(job *j)
{
    const double start_s = cli_now_s();
    int code = EXIT_DONE;
    uint32_t n_done = 0;
    while (n_done < j->n_chunks && code == EXIT_DONE) {
        code = compute_chunk(j, n_done);
        if (code != EXIT_DONE) break;
        j->running[n_done++] = cli_nll_perplexity(&j->nll);
        show_chunk(j, n_done);
    }
    j->compute_s = cli_now_s() - start_s;
    cli_progress_clear(&j->engine->progress);
    if (code != EXIT_CANCELLED) return code;
    if (n_done == 0) return cli_fail(code, NULL, "cancelled in the first of %u chunks", (unsigned)j->n_chunks);
    return cli_fail(code, NULL, "cancelled after %u of %u chunks; the perplexity of these is %.4f", (unsigned)n_done,
                    (unsigned)j->n_chunks, j->running[n_done - 1]);
}

/* ---------------------------------------------------------------------------------------------- reporting -- */

#define U95 1.959964 /* half of an interval that holds 95 % of a normal distribution, in standard errors */

/* What could not be measured is absent. */
static void add_number(cJSON *o, const char *key, double value)
{
    if (isfinite(value)) cJSON_AddNumberToObject(o, key, value);
}

static void add_percentiles(cJSON *o, const cli_spread *s)
{
    cJSON *p = cJSON_AddObjectToObject(o, "percentiles");
    add_number(p, "p1", s->p1);
    add_number(p, "p5", s->p5);
    add_number(p, "p50", s->median);
    add_number(p, "p90", s->p90);
    add_number(p, "p95", s->p95);
    add_number(p, "p99", s->p99);
    add_number(p, "p99_9", s->p99_9);
    add_number(o, "min", s->min);
    add_number(o, "max", s->max);
}

typedef struct comparison {
    double base_perplexity, log_ratio, log_ratio_u95, correlation, same_best, same_best_u95;
    cli_spread kld, delta_p;
} comparison;

static comparison compare_models(job *j)
{
    cli_divergence *d = &j->divergence;
    const double n = (double)d->n, same = (double)d->n_same_best / n;
    return (comparison){
        .base_perplexity = cli_nll_perplexity(&d->base),
        .log_ratio = (j->nll.sum - d->base.sum) / n,
        .log_ratio_u95 = U95 * cli_divergence_log_ratio_error(d, &j->nll),
        .correlation = cli_divergence_correlation(d, &j->nll),
        .same_best = same, .same_best_u95 = U95 * sqrt(same * (1 - same) / (n - 1)),
        .kld = cli_spread_of(d->kld, d->n), .delta_p = cli_spread_of(d->delta_p, d->n),
    };
}

static void json_comparison(cJSON *o, const cli_options *options, const comparison *c)
{
    cJSON_AddStringToObject(o, "base", options->base ? options->base : options->model);
    cJSON_AddBoolToObject(o, "base_exact", options->base_exact || options->exact);
    add_number(o, "base_perplexity", c->base_perplexity);
    add_number(o, "log_ratio", c->log_ratio);
    add_number(o, "log_ratio_u95", c->log_ratio_u95);
    add_number(o, "correlation", c->correlation);
    cJSON *kld = cJSON_AddObjectToObject(o, "kld_nats");
    add_number(kld, "mean", c->kld.mean);
    add_number(kld, "u95", U95 * c->kld.mean_error);
    add_percentiles(kld, &c->kld);
    add_number(o, "same_best_share", c->same_best);
    add_number(o, "same_best_u95", c->same_best_u95);
    cJSON *delta = cJSON_AddObjectToObject(o, "delta_p");
    add_number(delta, "mean", c->delta_p.mean);
    add_number(delta, "u95", U95 * c->delta_p.mean_error);
    add_number(delta, "rms", c->delta_p.rms);
    add_percentiles(delta, &c->delta_p);
}

static int print_json(const job *j, const comparison *c)
{
    const cli_options *options = j->engine->options;
    const double perplexity = cli_nll_perplexity(&j->nll), error = perplexity * cli_nll_error(&j->nll);
    cJSON *o = cJSON_CreateObject();
    if (!o) return cli_fail_nomem();
    add_number(o, "perplexity", perplexity);
    add_number(o, "u95", U95 * error);
    add_number(o, "std_error", error);
    cli_json_count(o, "n_tokens", j->nll.n);
    cli_json_count(o, "chunks", j->n_chunks);
    cli_json_count(o, "n_ctx", j->n_ctx);
    cJSON_AddItemToObject(o, "perplexity_by_chunk", cJSON_CreateDoubleArray(j->running, (int)j->n_chunks));
    cli_json_count(o, "n_text_tokens", j->ids.n);
    cli_json_count(o, "text_bytes", j->n_text_bytes);
    cJSON_AddBoolToObject(o, "chunks_begin_with_bos", j->tested.bos >= 0);
    cJSON_AddBoolToObject(o, "exact", options->exact);
    cJSON_AddStringToObject(o, "path", cli_path_name(options->path));
    cJSON_AddStringToObject(o, "kv", cli_kv_name(options));
    if (c) json_comparison(cJSON_AddObjectToObject(o, "comparison"), options, c);
    cJSON *elapsed = cJSON_AddObjectToObject(o, "elapsed_s");
    cli_json_seconds(elapsed, "load", j->engine->load_s);
    cli_json_seconds(elapsed, "tokenize", j->tokenize_s);
    cli_json_seconds(elapsed, "compute", j->compute_s);
    return cli_print_json(o);
}

/* The half-width of the interval, where there is one. */
static void print_u95(double u95)
{
    if (isfinite(u95)) printf(" +- %.5f", u95);
}

static void print_comparison(const comparison *c)
{
    printf("base model's       %.4f; log of the ratio %.5f", c->base_perplexity, c->log_ratio);
    print_u95(c->log_ratio_u95);
    if (isfinite(c->correlation)) printf(", correlation %.2f %%", 100 * c->correlation);
    printf("\nKL divergence      %.6f", c->kld.mean);
    print_u95(U95 * c->kld.mean_error);
    printf(" nats; median %.6f, 90 %% %.5f, 95 %% %.5f, 99 %% %.5f, 99.9 %% %.5f, max %.5f\n", c->kld.median,
           c->kld.p90, c->kld.p95, c->kld.p99, c->kld.p99_9, c->kld.max);
    printf("same best token    %.2f %%\n", 100 * c->same_best);
    printf("change of p        %.3f %%, rms %.3f %%; 1 %% %.2f %%, 5 %% %.2f %%, median %.3f %%, 95 %% %.2f %%, "
           "99 %% %.2f %%\n", 100 * c->delta_p.mean, 100 * c->delta_p.rms, 100 * c->delta_p.p1, 100 * c->delta_p.p5,
           100 * c->delta_p.median, 100 * c->delta_p.p95, 100 * c->delta_p.p99);
}

static int report(job *j)
{
    const bool compares = j->base.model != NULL;
    const comparison c = compares ? compare_models(j) : (comparison){ 0 };
    if (j->engine->options->json) return print_json(j, compares ? &c : NULL);
    const double perplexity = cli_nll_perplexity(&j->nll);
    printf("perplexity         %.4f", perplexity);
    print_u95(U95 * perplexity * cli_nll_error(&j->nll));
    printf(" (95 %%), %llu tokens scored in %u chunks of %u\n", (unsigned long long)j->nll.n, (unsigned)j->n_chunks,
           (unsigned)j->n_ctx);
    if (compares) print_comparison(&c);
    if (!j->engine->options->quiet)
        fprintf(stderr, "%.1f s, %.0f tok/s\n", j->compute_s,
                (double)j->n_chunks * (j->n_ctx - 1) * (compares ? 2 : 1) / fmax(j->compute_s, 1e-9));
    return EXIT_DONE;
}

int cli_perplexity(const cli_options *o)
{
    cli_engine engine;
    cli_bytes text = { NULL, 0, 0 };
    job j = { .engine = &engine };
    int code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = cli_read_input(o->file, &text);
    j.n_text_bytes = text.n;
    if (code == EXIT_DONE) code = open_models(&j, &text);
    cli_bytes_free(&text);
    if (code == EXIT_DONE) code = choose_chunks(&j);
    if (code == EXIT_DONE) choose_pieces(&j);
    if (code == EXIT_DONE) code = allocate(&j);
    if (code == EXIT_DONE) code = compute(&j);
    if (code == EXIT_DONE) code = report(&j);
    release(&j);
    return cli_engine_stop(&engine, code);
}
