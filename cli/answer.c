/* SPDX-License-Identifier: MIT
 * answer.c - options to configs, results to JSON.
 */
#include "cli/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

einf_generate_config cli_generate_config(cli_engine *e)
{
    const cli_options *o = e->options;
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.max_tokens = o->max_tokens;
    c.sampling = (einf_sampling){ .struct_size = (uint32_t)sizeof c.sampling, .top_k = o->top_k, .seed = o->seed,
                                  .temperature = (float)o->temp, .top_p = (float)o->top_p, .min_p = (float)o->min_p,
                                  .repeat_penalty = (float)o->repeat_penalty };
    c.raw = o->raw;
    c.ignore_eos = o->ignore_eos;
    c.system = o->system;
    c.stop = o->stop.items;
    c.n_stop = o->stop.n;
    c.cancel = e->cancel;
    c.progress = cli_progress_step;
    c.progress_user = &e->progress;
    c.max_seconds = o->max_seconds;
    c.max_joules = o->max_joules;
    return c;
}

/* ------------------------------------------------------------------------------------------------- layout -- */

static int read_tools(const char *path, cli_bytes *out)
{
    const int code = cli_read_input(path, out);
    if (code) return code;
    cJSON *tools = out->p && strlen(out->p) == out->n ? cJSON_Parse(out->p) : NULL;
    const bool is_list = cJSON_IsArray(tools);
    cJSON_Delete(tools);
    if (is_list) return EXIT_DONE;
    return cli_fail(EXIT_USAGE, "it looks like [{\"type\": \"function\", \"function\": {\"name\": ...}}]",
                    "%s is not a JSON array of tools", path);
}

/* NAME=JSON, appended to the inside of an object. */
static int add_var(const char *word, cli_bytes *out)
{
    const size_t n_name = strcspn(word, "=");
    if (n_name == 0 || word[n_name] == '\0')
        return cli_fail(EXIT_USAGE, "as --var enable_thinking=false", "--var is \"%s\", expected NAME=JSON", word);
    const char *value = word + n_name + 1;
    cJSON *parsed = cJSON_ParseWithOpts(value, NULL, 1);
    if (!parsed)
        return cli_fail(EXIT_USAGE, "text goes into quotes of its own: --var 'name=\"text\"'",
                        "--var %.*s has the value \"%s\", which is not JSON", (int)n_name, word, value);
    cJSON_Delete(parsed);
    const bool added = cli_bytes_add(out, out->n > 1 ? ",\"" : "\"", out->n > 1 ? 2 : 1) &&
                       cli_bytes_add(out, word, n_name) && cli_bytes_add(out, "\":", 2) &&
                       cli_bytes_add(out, value, strlen(value));
    return added ? EXIT_DONE : cli_fail_nomem();
}

static int read_vars(const cli_list *words, cli_bytes *out)
{
    if (!cli_bytes_add(out, "{", 1)) return cli_fail_nomem();
    for (uint32_t i = 0; i < words->n; i++) {
        const int code = add_var(words->items[i], out);
        if (code) return code;
    }
    return cli_bytes_add(out, "}", 1) ? EXIT_DONE : cli_fail_nomem();
}

int cli_layout_read(const cli_options *o, cli_layout *out)
{
    int code = EXIT_DONE;
    *out = (cli_layout){ .config = EINF_INIT(einf_chat_config),
                         .is_default = !o->tools && !o->template_file && o->var.n == 0 };
    if (o->tools) code = read_tools(o->tools, &out->tools);
    if (code == EXIT_DONE && o->template_file) code = cli_read_input(o->template_file, &out->template_text);
    if (code == EXIT_DONE && o->var.n) code = read_vars(&o->var, &out->vars);
    out->config.tools_json = out->tools.p;
    out->config.template_text = out->template_text.p;
    out->config.vars_json = out->vars.p;
    return code;
}

void cli_layout_free(cli_layout *l)
{
    cli_bytes_free(&l->tools);
    cli_bytes_free(&l->template_text);
    cli_bytes_free(&l->vars);
}

void cli_layout_see(cli_layout *l, const cli_engine *e)
{
    l->preprocess = cli_preprocess_of(e->options);
    l->config.vision = e->v;
    l->config.preprocess = &l->preprocess;
}

/* ------------------------------------------------------------------------------------------------ results -- */

const char *cli_stop_name(const einf_result *r, einf_status status)
{
    if (status == EINF_E_CANCELLED) return "cancelled";
    switch (r->stop_reason) {
    case EINF_STOP_EOS: return "eos";
    case EINF_STOP_LENGTH: return "length";
    case EINF_STOP_CONTEXT: return "context";
    case EINF_STOP_CALLBACK: return "callback";
    case EINF_STOP_CANCELLED: return "cancelled";
    case EINF_STOP_STRING: return "string";
    case EINF_STOP_SECONDS: return "max_seconds";
    case EINF_STOP_JOULES: return "max_joules";
    default: return "none";
    }
}

bool cli_budget_reached(const einf_result *r)
{
    return r->stop_reason == EINF_STOP_SECONDS || r->stop_reason == EINF_STOP_JOULES;
}

const char *cli_budget_name(const einf_result *r)
{
    return r->stop_reason == EINF_STOP_SECONDS ? "--max-seconds is reached" : "--max-joules is reached";
}

static double rate(double n, double seconds) { return seconds > 0 ? n / seconds : 0; }

/* The first token comes out of the prefill: decoding makes the others. */
double cli_decode_rate(const einf_result *r)
{
    return r->n_generated > 1 ? rate(r->n_generated - 1, r->decode_s) : 0;
}

double cli_prefill_rate(const einf_result *r) { return rate(r->n_prompt - r->n_cached, r->prefill_s); }

void cli_print_images(const einf_result *r)
{
    if (r->n_images == 0) return;
    fprintf(stderr, "pictures: %u (%u encoded now), %u tokens, %.2f s\n", (unsigned)r->n_images,
            (unsigned)r->n_images_encoded, (unsigned)r->n_image_tokens, r->image_s);
}

void cli_json_result(cJSON *o, const einf_result *r, einf_status status, double load_s, double total_s)
{
    cli_json_count(o, "n_prompt", r->n_prompt);
    cli_json_count(o, "n_cached", r->n_cached);
    cli_json_count(o, "n_generated", r->n_generated);
    if (r->n_images > 0) {
        cli_json_count(o, "n_images", r->n_images);
        cli_json_count(o, "n_images_encoded", r->n_images_encoded);
        cli_json_count(o, "n_image_tokens", r->n_image_tokens);
    }
    cJSON_AddStringToObject(o, "stop_reason", cli_stop_name(r, status));

    cJSON *elapsed = cJSON_AddObjectToObject(o, "elapsed_s");
    if (load_s >= 0) cli_json_seconds(elapsed, "load", load_s);
    cli_json_seconds(elapsed, "tokenize", r->tokenize_s);
    if (r->n_images > 0) cli_json_seconds(elapsed, "image", r->image_s);
    cli_json_seconds(elapsed, "prefill", r->prefill_s);
    cli_json_seconds(elapsed, "decode", r->decode_s);
    cli_json_seconds(elapsed, "total", total_s);

    cJSON *cost = cJSON_AddObjectToObject(o, "cost"); /* what was not measured is not there */
    if (r->has_cpu) cli_json_seconds(cost, "cpu_core_s", r->cpu_core_s);
    if (r->has_rss) cli_json_mib(cost, "rss_peak_mib", r->rss_peak_bytes);
    cli_json_mib(cost, "session_mib", r->session_bytes);
    cli_json_cost(cost, r);
}
