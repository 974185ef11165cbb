/* SPDX-License-Identifier: MIT
 * cmd_logits.c - logits of given ids into a file, in pieces, so that a large vocabulary needs little memory.
 *
 * The ids go in as few calls as the buffer for the rows that were asked for allows: MAX_BUFFER_BYTES of them at a time.
 */
#include <stdio.h>
#include <stdlib.h>

#include <edgeinfer/lowlevel.h>

#include "cli/id_list.h"
#include "cli/open_model.h"
#include "cli/out_file.h"
#include "cli/commands.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file holds little-endian floats, and they are written as they lie in memory"
#endif

enum { MAX_BUFFER_BYTES = 32 << 20 };

typedef struct job {
    cli_engine *engine;
    einf_session *session;
    cli_id_list ids, rows;    /* rows: ascending, maybe repeated */
    uint32_t n_vocab;
    cli_out_file out;
    double compute_s;
} job;

/* The rows of one call: [first, first + n) of job.rows without the repetitions, relative to its first id. */
typedef struct piece {
    uint32_t first_id, n_ids;
    size_t first_row, n_rows; /* in job.rows, repetitions included */
    int32_t *rows;            /* [n_unique] */
    uint32_t n_unique;
    float *logits;            /* [n_unique, n_vocab] */
} piece;

static uint32_t max_unique_rows(const job *j)
{
    const size_t fit = (size_t)MAX_BUFFER_BYTES / ((size_t)j->n_vocab * sizeof(float));
    const size_t at_least_one = fit ? fit : 1;
    return (uint32_t)(at_least_one < j->rows.n ? at_least_one : j->rows.n);
}

/* Take as many rows as the buffer holds, and the ids up to the last of them; with the last row all ids that are left,
 * for they are part of the call that was asked for. */
static void choose_piece(const job *j, piece *p, uint32_t max_unique)
{
    p->n_rows = 0;
    p->n_unique = 0;
    const size_t left = j->rows.n - p->first_row;
    while (p->n_rows < left) {
        const int32_t row = j->rows.items[p->first_row + p->n_rows] - (int32_t)p->first_id;
        const bool repeats = p->n_unique > 0 && p->rows[p->n_unique - 1] == row;
        if (!repeats && p->n_unique == max_unique) break;
        if (!repeats) p->rows[p->n_unique++] = row;
        p->n_rows++;
    }
    p->n_ids = p->n_rows == left ? (uint32_t)j->ids.n - p->first_id : (uint32_t)p->rows[p->n_unique - 1] + 1;
}

static int write_piece(job *j, const piece *p)
{
    size_t unique = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        const int32_t row = j->rows.items[p->first_row + i] - (int32_t)p->first_id;
        while (p->rows[unique] != row) unique++;
        if (!cli_out_write(&j->out, p->logits + unique * j->n_vocab, j->n_vocab * sizeof(float)))
            return EXIT_FAILED; /* close, or the end of stdout, says why */
    }
    return EXIT_DONE;
}

static int compute_piece(job *j, const piece *p)
{
    einf_error err = EINF_INIT(einf_error);
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = j->ids.items + p->first_id;
    b.n = p->n_ids;
    b.logit_rows = p->rows;
    b.n_logit_rows = p->n_unique;
    b.logits = p->logits;
    b.cancel = j->engine->cancel;
    b.progress = cli_progress_step;
    b.progress_user = &j->engine->progress;
    const double start_s = cli_now_s();
    const einf_status status = einf_session_append(j->session, &b, &err);
    j->compute_s += cli_now_s() - start_s;
    cli_progress_clear(&j->engine->progress);
    return status == EINF_OK ? EXIT_DONE : cli_print_error(&err, NULL);
}

static int compute(job *j)
{
    const uint32_t max_unique = max_unique_rows(j);
    piece p = { .rows = malloc(max_unique * sizeof *p.rows),
                .logits = malloc((size_t)max_unique * j->n_vocab * sizeof *p.logits) };
    int code = p.rows && p.logits ? EXIT_DONE : cli_fail_nomem();
    while (code == EXIT_DONE && p.first_row < j->rows.n) {
        choose_piece(j, &p, max_unique);
        code = compute_piece(j, &p);
        if (code == EXIT_DONE) code = write_piece(j, &p);
        p.first_id += p.n_ids;
        p.first_row += p.n_rows;
    }
    free(p.rows);
    free(p.logits);
    return code;
}

static int report(const job *j, uint64_t n_bytes)
{
    const cli_options *o = j->engine->options;
    if (!o->json) {
        if (!o->quiet)
            fprintf(stderr, "%zu rows of %u logits, %zu tokens, %.2f s\n", j->rows.n, (unsigned)j->n_vocab, j->ids.n,
                    j->compute_s);
        return EXIT_DONE;
    }
    cJSON *object = cJSON_CreateObject();
    if (!object) return cli_fail_nomem();
    cJSON_AddStringToObject(object, "output", o->output);
    cli_json_count(object, "output_bytes", n_bytes);
    cli_json_count(object, "n_tokens", j->ids.n);
    cli_json_count(object, "n_rows", j->rows.n);
    cli_json_count(object, "n_vocab", j->n_vocab);
    cJSON_AddBoolToObject(object, "exact", o->exact);
    cJSON_AddBoolToObject(object, "deterministic", o->deterministic);
    cJSON_AddStringToObject(object, "path", cli_path_name(o->path));
    cJSON *elapsed = cJSON_AddObjectToObject(object, "elapsed_s");
    cli_json_seconds(elapsed, "load", j->engine->load_s);
    cli_json_seconds(elapsed, "compute", j->compute_s);
    return cli_print_json(object);
}

static int open_session(job *j)
{
    cli_engine *e = j->engine;
    einf_error err = EINF_INIT(einf_error);
    einf_model_info info = EINF_INIT(einf_model_info);
    if (cli_engine_open(e, e->options->model, EINF_LOAD_HEADER | EINF_LOAD_WEIGHTS, false, &err) != EINF_OK ||
        einf_model_get_info(e->m, &info, &err) != EINF_OK)
        return cli_print_error(&err, e->options->model);
    j->n_vocab = info.n_vocab;
    einf_session_config c = cli_session_config(e);
    if (!c.n_ctx) c.n_ctx = (uint32_t)j->ids.n;
    if (einf_session_create(e->m, &c, &j->session, &err) != EINF_OK) return cli_print_error(&err, e->options->model);
    return EXIT_DONE;
}

static int logits(job *j)
{
    const cli_options *o = j->engine->options;
    int code = open_session(j);
    if (code == EXIT_DONE) code = cli_out_open(&j->out, o->output);
    if (code == EXIT_DONE) code = compute(j);
    const uint64_t n_bytes = j->out.n_bytes;
    code = cli_out_close(&j->out, code);
    einf_session_destroy(&j->session, NULL);
    return code == EXIT_DONE ? report(j, n_bytes) : code;
}

static int check_options(const cli_options *o)
{
    if (!o->tokens) return cli_fail(EXIT_USAGE, "as --tokens 1,2,3 or --tokens @FILE", "logits needs --tokens");
    if (!o->output) return cli_fail(EXIT_USAGE, "as -o FILE; - is stdout", "logits needs -o");
    if (o->json && o->output[0] == '-' && o->output[1] == '\0')
        return cli_fail(EXIT_USAGE, "write to a file", "-o - and --json both want stdout");
    return EXIT_DONE;
}

int cli_logits(const cli_options *o)
{
    cli_engine engine;
    job j = { .engine = &engine };
    int code = check_options(o);
    if (code) return code;
    code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = cli_read_ids(o->tokens, &j.ids);
    if (code == EXIT_DONE) code = cli_read_rows(o->rows, j.ids.n, &j.rows);
    if (code == EXIT_DONE) code = logits(&j);
    code = cli_engine_stop(&engine, code);
    cli_id_list_free(&j.ids);
    cli_id_list_free(&j.rows);
    return code;
}
