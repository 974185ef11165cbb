/* SPDX-License-Identifier: MIT
 * cmd_plan.c - the bytes of a session by purpose, counted by the code that would take them.
 */
#include <stdio.h>

#include "cli/numbers.h"
#include "cli/open_model.h"
#include "cli/commands.h"

static void print_row(const char *what, uint64_t size_bytes, const char *note)
{
    char size[32];
    printf("  %-10s %10s  %s\n", what, cli_size_text(size_bytes, size, sizeof size), note);
}

/* As they will be on this CPU, whatever was asked for. */
static const char *float_sum_name(const einf_plan *p) { return p->float_sum == EINF_FLOAT_SUM_F16 ? "f16" : "f32"; }

static void print_table(const cli_options *o, const einf_plan *p, const cli_threads *t, bool fits)
{
    char limit[32], decode[64] = "as many as help, measured when it begins";
    if (t->n_decode) snprintf(decode, sizeof decode, "%d", (int)t->n_decode);
    printf("%s, context %u, KV %s, float sums %s\n", o->model, (unsigned)p->n_ctx, cli_kv_name(o), float_sum_name(p));
    printf("threads %d, for decoding %s\n", (int)t->n, decode);
    if (p->weights_mapped_bytes)
        print_row("weights", p->weights_mapped_bytes, "file pages, shared with other processes, given back at need");
    if (p->weights_private_bytes) print_row("weights", p->weights_private_bytes, "read into memory");
    print_row("model", p->model_bytes, "tables of the file");
    print_row("vocabulary", p->vocab_bytes, "indexes of the tokens");
    print_row("kv", p->kv_bytes, "keys and values of the context");
    print_row("scratch", p->scratch_bytes, "activations and logits");
    print_row("stacks", p->stack_bytes, "of the threads");
    print_row("private", p->private_bytes, "the sum of all but shared file pages");
    if (!o->ram_limit_bytes) return;
    cli_size_text(o->ram_limit_bytes, limit, sizeof limit);
    if (fits) printf("fits into %s\n", limit);
    else if (p->n_ctx_fits) printf("does not fit into %s; -c %llu does\n", limit, (unsigned long long)p->n_ctx_fits);
    else printf("does not fit into %s, whatever the context\n", limit);
}

static int print_json(const cli_options *o, const einf_plan *p, const cli_threads *t, bool fits)
{
    cJSON *object = cJSON_CreateObject();
    if (!object) return cli_fail_nomem();
    cli_json_count(object, "n_ctx", p->n_ctx);
    cJSON_AddStringToObject(object, "kv", cli_kv_name(o));
    cJSON_AddStringToObject(object, "float_sum", float_sum_name(p));
    cli_json_threads(object, t);
    cli_json_count(object, "weights_mapped_bytes", p->weights_mapped_bytes);
    cli_json_count(object, "weights_private_bytes", p->weights_private_bytes);
    cli_json_count(object, "model_bytes", p->model_bytes);
    cli_json_count(object, "vocab_bytes", p->vocab_bytes);
    cli_json_count(object, "kv_bytes", p->kv_bytes);
    cli_json_count(object, "scratch_bytes", p->scratch_bytes);
    cli_json_count(object, "stack_bytes", p->stack_bytes);
    cli_json_count(object, "private_bytes", p->private_bytes);
    if (o->ram_limit_bytes) cli_json_count(object, "ram_limit_bytes", o->ram_limit_bytes);
    cJSON_AddBoolToObject(object, "fits", fits);
    cli_json_count(object, "n_ctx_fits", p->n_ctx_fits);
    return cli_print_json(object);
}

static int plan(cli_engine *e)
{
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, o->model, 0, false, &err) != EINF_OK) return cli_print_error(&err, o->model);
    const einf_session_config c = cli_session_config(e);
    einf_plan p = EINF_INIT(einf_plan);
    const einf_status status = einf_session_plan(e->m, &c, &p, &err);
    const bool over = status == EINF_E_LIMIT && p.private_bytes > 0; /* filled all the same: the answer is "no" */
    if (status != EINF_OK && !over) return cli_print_error(&err, o->model);

    int code = EXIT_DONE;
    const cli_threads t = cli_engine_threads(e);
    if (o->json) code = print_json(o, &p, &t, !over);
    else print_table(o, &p, &t, !over);
    if (code == EXIT_DONE && over) code = cli_print_error(&err, NULL);
    return code;
}

int cli_plan(const cli_options *o)
{
    cli_engine engine;
    int code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = plan(&engine);
    return cli_engine_stop(&engine, code);
}
