/* SPDX-License-Identifier: MIT
 * cmd_run.c - answer a prompt: text to stdout as it is made, or one JSON object at the end.
 *
 * Nothing but the answer goes to stdout. It ends its line: a newline is added where the answer has none of its own, so
 * that a terminal's prompt and a shell's `read` find what they expect. --json has the answer's bytes and no more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/read_input.h"
#include "cli/commands.h"

enum { MAX_IMAGES = sizeof ((cli_list *)0)->items / sizeof(char *) };

typedef struct answer {
    const cli_options *options;
    cli_engine *engine;
    cli_layout layout;
    cli_pictures pictures;
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

static bool names_stdin(const cli_list *files)
{
    for (uint32_t i = 0; i < files->n; i++)
        if (strcmp(files->items[i], "-") == 0) return true;
    return false;
}

static int get_prompt(const cli_options *o, cli_bytes *out)
{
    if (o->prompt && o->file) return cli_fail(EXIT_USAGE, NULL, "-p and -f exclude each other");
    if (!o->prompt && (!o->file || strcmp(o->file, "-") == 0) && names_stdin(&o->image))
        return cli_fail(EXIT_USAGE, "give the text with -p", "stdin cannot be the picture and the text");
    if (o->prompt) {
        if (!cli_bytes_add(out, o->prompt, strlen(o->prompt))) return cli_fail_nomem();
    } else {
        const int code = cli_read_input(o->file, out);
        if (code) return code;
        if (!o->raw) drop_line_end(out);
    }
    if (!o->raw && memchr(out->p ? out->p : "", '\0', out->n))
        return cli_fail(EXIT_USAGE, NULL, "a message may not hold a NUL byte");
    if (out->n > 0 || o->raw || o->image.n > 0) return EXIT_DONE;
    return cli_fail(EXIT_USAGE, "give some text, or --raw to let the model begin by itself", "the message is empty");
}

/* ------------------------------------------------------------------------------------------------ results -- */

static int print_json(const answer *a, const einf_result *r, einf_status status, double total_s)
{
    cJSON *o = cJSON_CreateObject();
    if (!o) return cli_fail_nomem();
    cli_json_text(o, "text", a->text.p, a->text.n);
    cli_json_ids(o, "token_ids", (const int32_t *)(const void *)a->ids.p, a->ids.n / sizeof(int32_t));
    cli_json_pictures(o, &a->pictures);
    const cli_threads threads = cli_engine_threads(a->engine);
    cli_json_result(o, r, status, a->engine->load_s, total_s);
    cli_json_threads(o, &threads);
    return cli_print_json(o);
}

static void print_statistics(const answer *a, const einf_result *r, double total_s)
{
    if (a->options->quiet) return;
    cli_pictures_print(&a->pictures);
    cli_print_images(r);
    fprintf(stderr, "%u tokens", (unsigned)r->n_generated);
    if (r->n_generated > 1) fprintf(stderr, " at %.1f tok/s", cli_decode_rate(r));
    fprintf(stderr, ", prompt %u tokens", (unsigned)r->n_prompt);
    if (r->n_generated > 0) fprintf(stderr, " at %.1f tok/s", cli_prefill_rate(r)); /* else it was not computed whole */
    fprintf(stderr, ", %.2f s", total_s);
    if (r->has_rss) fprintf(stderr, ", peak memory %.0f MiB", (double)r->rss_peak_bytes / 1048576);
    fputc('\n', stderr);
    cli_print_cost(r);
}

/* ----------------------------------------------------------------------------------------------- the verb -- */

/* After the engine stopped: what there is of an answer is shown, and then why there is no more. */
static int conclude(answer *a, einf_result *r, einf_status status, const einf_error *err, double start_s)
{
    const double total_s = cli_now_s() - start_s;
    const bool failed = status != EINF_OK && status != EINF_E_CANCELLED;
    cli_progress_clear(&a->engine->progress);
    if (!a->options->json && r->n_generated > 0 && !a->ends_line) cli_write("\n", 1);
    cli_cost_settle(a->options, a->engine->profiler, r);
    if (a->options->json && !failed) {
        const int code = print_json(a, r, status, total_s);
        if (code) return code;
    } else if (!failed) {
        print_statistics(a, r, total_s);
    }
    if (status != EINF_OK) return cli_print_error(err, NULL);
    if (!cli_budget_reached(r)) return EXIT_DONE;
    if (!a->options->quiet) fprintf(stderr, "stopped: %s\n", cli_budget_name(r));
    return EXIT_BUDGET;
}

/* As einf_generate, with what --tools, --template and --var say. */
static einf_status answer_laid_out(const answer *a, einf_session *s, const cli_bytes *prompt,
                                   const einf_generate_config *gc, einf_result *result, einf_error *err)
{
    einf_chat *chat = NULL;
    einf_message system = EINF_INIT(einf_message);
    einf_generate_config c = *gc;
    system.role = "system", system.content = gc->system;
    einf_status status = einf_chat_create(s, &a->layout.config, &chat, err);
    if (status == EINF_OK && gc->system) status = einf_chat_add(chat, &system, err);
    if (status == EINF_OK) status = cli_pictures_ask(chat, &a->pictures, 0, prompt->p, err);
    c.vision = NULL, c.images = NULL, c.n_images = 0; /* the conversation has them */
    if (status == EINF_OK) status = einf_chat_answer(chat, &c, result, err);
    einf_chat_destroy(&chat);
    return status;
}

/* A session that holds what --load-state says. */
static einf_status open_session(cli_engine *e, einf_session **s, einf_error *err)
{
    const double start_s = cli_now_s();
    const einf_session_config c = cli_session_config(e);
    einf_status status = einf_session_create(e->m, &c, s, err);
    if (status == EINF_OK && e->options->load_state) status = einf_session_load(*s, e->options->load_state, err);
    e->load_s += cli_now_s() - start_s;
    return status;
}

/* What an answer that was stopped left is a session like any other. */
static int save_session(einf_session *s, const char *path, int code)
{
    einf_error err = EINF_INIT(einf_error);
    if (!path || (code != EXIT_DONE && code != EXIT_CANCELLED && code != EXIT_BUDGET)) return code;
    return einf_session_save(s, path, &err) == EINF_OK ? code : cli_print_error(&err, path);
}

/* Model, encoder and pictures. */
static int open_all(answer *a)
{
    cli_engine *e = a->engine;
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, a->options->model, 0, false, &err) != EINF_OK)
        return cli_print_error(&err, a->options->model);
    const int code = cli_vision_open_beside(e);
    if (code) return code;
    cli_layout_see(&a->layout, e);
    return cli_pictures_open(e, &a->pictures, false);
}

static int generate(answer *a, const cli_bytes *prompt, double start_s)
{
    cli_engine *e = a->engine;
    einf_error err = EINF_INIT(einf_error);
    const einf_image *images[MAX_IMAGES];
    int code = open_all(a);
    if (code) return code;
    einf_session *s = NULL;
    if (open_session(e, &s, &err) != EINF_OK) {
        const char *file = s ? a->options->load_state : a->options->model;
        einf_session_destroy(&s, NULL);
        return cli_print_error(&err, file);
    }
    einf_generate_config gc = cli_generate_config(e);
    gc.on_text = on_text;
    gc.on_text_user = a;
    for (uint32_t i = 0; i < a->pictures.n; i++) images[i] = a->pictures.items[i].image;
    gc.vision = e->v;
    gc.preprocess = a->layout.config.preprocess;
    gc.images = a->pictures.n > 0 ? images : NULL;
    gc.n_images = a->pictures.n;
    start_s += cli_watch_idle(a->options, e->profiler); /* is not the answer's time */
    einf_result result = EINF_INIT(einf_result);
    const einf_status status = a->layout.is_default || e->options->raw
                                   ? einf_generate(s, prompt->p, prompt->n, &gc, &result, &err)
                                   : answer_laid_out(a, s, prompt, &gc, &result, &err);
    if (status == EINF_E_CTX_FULL && gc.n_images > 0)
        snprintf(err.hint, sizeof err.hint, "%s",
                 "make pictures smaller (--longest-edge, --image-max-tokens) or -c larger");
    code = save_session(s, a->options->save_state, conclude(a, &result, status, &err, start_s));
    einf_session_destroy(&s, NULL);
    return code;
}

static int check_options(const cli_options *o)
{
    int code = cli_preprocess_check(o);
    if (code == EXIT_DONE) code = cli_pictures_check(o);
    if (code == EXIT_DONE && o->mmproj && o->image.n == 0)
        code = cli_fail(EXIT_USAGE, "name a picture, or leave --mmproj out", "--mmproj goes with --image");
    return code;
}

int cli_run(const cli_options *o)
{
    const double start_s = cli_now_s();
    cli_engine engine;
    cli_bytes prompt = { NULL, 0, 0 };
    answer a = { .options = o, .engine = &engine };
    int code = check_options(o);
    if (code) return code;
    code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = get_prompt(o, &prompt);
    if (code == EXIT_DONE) code = cli_layout_read(o, &a.layout);
    if (code == EXIT_DONE) code = generate(&a, &prompt, start_s);
    cli_pictures_free(&a.pictures); /* before the runtime that they belong to */
    code = cli_engine_stop(&engine, code);
    cli_layout_free(&a.layout);
    cli_bytes_free(&prompt);
    cli_bytes_free(&a.text);
    cli_bytes_free(&a.ids);
    return code;
}
