/* SPDX-License-Identifier: MIT
 * cmd_run.c - answer a prompt: text to stdout as it is made, or one JSON object at the end.
 *
 * Nothing but the answer goes to stdout. It ends its line: a newline is added where the answer has none of its own, so
 * that a terminal's prompt and a shell's `read` find what they expect. --json has the answer's bytes and no more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/read_input.h"
#include "cli/commands.h"

typedef struct answer {
    const cli_options *options;
    cli_engine *engine;
    cli_bytes text;           /* with --json */
    cli_bytes ids;            /* int32_t each */
    bool lost;                /* stdout or memory gave out */
    bool ends_line;
} answer;

static int32_t on_text(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    answer *a = user;
    cli_progress_clear(&a->engine->progress);
    if (token_id >= 0 && !cli_bytes_add(&a->ids, &token_id, sizeof token_id)) a->lost = true;
    if (n_bytes == 0) return a->lost;
    a->ends_line = utf8[n_bytes - 1] == '\n';
    if (!(a->options->json ? cli_bytes_add(&a->text, utf8, n_bytes) : cli_write(utf8, n_bytes))) a->lost = true;
    return a->lost;
}

/* ------------------------------------------------------------------------------------------------- prompt -- */

/* A message that comes from a file or a pipe ends with a line end that nobody typed as part of it. */
static void drop_line_end(cli_bytes *b)
{
    if (b->n > 0 && b->p[b->n - 1] == '\n') b->n--;
    if (b->n > 0 && b->p[b->n - 1] == '\r') b->n--;
}

static int get_prompt(const cli_options *o, cli_bytes *out)
{
    if (o->prompt && o->file) return cli_fail(EXIT_USAGE, NULL, "-p and -f exclude each other");
    if (o->prompt) {
        if (!cli_bytes_add(out, o->prompt, strlen(o->prompt))) return cli_fail_nomem();
    } else {
        const int code = cli_read_input(o->file, out);
        if (code) return code;
        if (!o->raw) drop_line_end(out);
    }
    if (out->n > 0 || o->raw) return EXIT_DONE;
    return cli_fail(EXIT_USAGE, "give some text, or --raw to let the model begin by itself", "the message is empty");
}

/* ------------------------------------------------------------------------------------------------ results -- */

static const char *stop_name(const einf_result *r, einf_status status)
{
    if (status == EINF_E_CANCELLED) return "cancelled";
    switch (r->stop_reason) {
    case EINF_STOP_EOS: return "eos";
    case EINF_STOP_LENGTH: return "length";
    case EINF_STOP_CONTEXT: return "context";
    case EINF_STOP_CALLBACK: return "callback";
    case EINF_STOP_CANCELLED: return "cancelled";
    default: return "none";
    }
}

static double rate(double n, double seconds) { return seconds > 0 ? n / seconds : 0; }

/* The first token comes out of the prefill: decoding makes the others. */
static double decode_rate(const einf_result *r)
{
    return r->n_generated > 1 ? rate(r->n_generated - 1, r->decode_s) : 0;
}

static int print_json(const answer *a, const einf_result *r, einf_status status, double total_s)
{
    cJSON *o = cJSON_CreateObject();
    if (!o) return cli_fail_nomem();
    cli_json_text(o, "text", a->text.p, a->text.n);
    cli_json_ids(o, "token_ids", (const int32_t *)(const void *)a->ids.p, a->ids.n / sizeof(int32_t));
    cli_json_count(o, "n_prompt", r->n_prompt);
    cli_json_count(o, "n_generated", r->n_generated);
    cJSON_AddStringToObject(o, "stop_reason", stop_name(r, status));

    cJSON *elapsed = cJSON_AddObjectToObject(o, "elapsed_s");
    cli_json_seconds(elapsed, "load", a->engine->load_s);
    cli_json_seconds(elapsed, "tokenize", r->tokenize_s);
    cli_json_seconds(elapsed, "prefill", r->prefill_s);
    cli_json_seconds(elapsed, "decode", r->decode_s);
    cli_json_seconds(elapsed, "total", total_s);

    cJSON *cost = cJSON_AddObjectToObject(o, "cost"); /* what was not measured is not there */
    if (r->has_cpu) cli_json_seconds(cost, "cpu_core_s", r->cpu_core_s);
    if (r->has_rss) cli_json_mib(cost, "rss_peak_mib", r->rss_peak_bytes);
    cli_json_mib(cost, "session_mib", r->session_bytes);
    if (r->has_energy) cJSON_AddNumberToObject(cost, "energy_j", r->energy_j);
    return cli_print_json(o);
}

static void print_statistics(const answer *a, const einf_result *r, double total_s)
{
    if (a->options->quiet) return;
    fprintf(stderr, "%u tokens", (unsigned)r->n_generated);
    if (r->n_generated > 1) fprintf(stderr, " at %.1f tok/s", decode_rate(r));
    fprintf(stderr, ", prompt %u tokens at %.1f tok/s, %.2f s", (unsigned)r->n_prompt,
            rate(r->n_prompt - r->n_cached, r->prefill_s), total_s);
    if (r->has_rss) fprintf(stderr, ", peak memory %.0f MiB", (double)r->rss_peak_bytes / 1048576);
    fputc('\n', stderr);
}

/* ----------------------------------------------------------------------------------------------- the verb -- */

static einf_generate_config generate_config(answer *a)
{
    const cli_options *o = a->options;
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.max_tokens = o->max_tokens;
    c.sampling = (einf_sampling){ .struct_size = (uint32_t)sizeof c.sampling, .top_k = o->top_k, .seed = o->seed,
                                  .temperature = (float)o->temp, .top_p = (float)o->top_p, .min_p = (float)o->min_p,
                                  .repeat_penalty = (float)o->repeat_penalty };
    c.raw = o->raw;
    c.ignore_eos = o->ignore_eos;
    c.system = o->system;
    c.cancel = a->engine->cancel;
    c.on_text = on_text;
    c.on_text_user = a;
    c.progress = cli_progress_step;
    c.progress_user = &a->engine->progress;
    return c;
}

/* After the engine stopped: what there is of an answer is shown, and then why there is no more. */
static int conclude(answer *a, const einf_result *r, einf_status status, const einf_error *err, double start_s)
{
    const double total_s = cli_now_s() - start_s;
    const bool failed = status != EINF_OK && status != EINF_E_CANCELLED;
    cli_progress_clear(&a->engine->progress);
    if (a->options->json && !failed) {
        const int code = print_json(a, r, status, total_s);
        if (code) return code;
    } else if (!a->options->json) {
        if (r->n_generated > 0 && !a->ends_line) cli_write("\n", 1);
        if (!failed) print_statistics(a, r, total_s);
    }
    return status == EINF_OK ? EXIT_DONE : cli_print_error(err, NULL);
}

static int generate(answer *a, const cli_bytes *prompt, double start_s)
{
    cli_engine *e = a->engine;
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, a->options->model, 0, false, &err) != EINF_OK)
        return cli_print_error(&err, a->options->model);
    const double session_s = cli_now_s();
    const einf_session_config sc = cli_session_config(e);
    einf_session *s = NULL;
    if (einf_session_create(e->m, &sc, &s, &err) != EINF_OK) return cli_print_error(&err, a->options->model);
    e->load_s += cli_now_s() - session_s;

    const einf_generate_config gc = generate_config(a);
    einf_result result = EINF_INIT(einf_result);
    const einf_status status = einf_generate(s, prompt->p, prompt->n, &gc, &result, &err);
    const int code = conclude(a, &result, status, &err, start_s);
    einf_session_destroy(&s, NULL);
    return code;
}

int cli_run(const cli_options *o)
{
    const double start_s = cli_now_s();
    cli_engine engine;
    cli_bytes prompt = { NULL, 0, 0 };
    answer a = { .options = o, .engine = &engine };
    int code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = get_prompt(o, &prompt);
    if (code == EXIT_DONE) code = generate(&a, &prompt, start_s);
    cli_engine_stop(&engine);
    cli_bytes_free(&prompt);
    cli_bytes_free(&a.text);
    cli_bytes_free(&a.ids);
    return code;
}
