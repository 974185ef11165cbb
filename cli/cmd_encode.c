/* SPDX-License-Identifier: MIT
 * cmd_encode.c - a picture to its rows, the numbers that a language model takes in place of tokens.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/picture_job.h"

typedef struct encoding {
    uint64_t n_floats;
    float *rows;              /* [n_tokens, row_width] */
    einf_encode_result result;
    einf_result bill;         /* cost alone */
} encoding;

static void print_text(const cli_picture_job *j, const cli_picture *p, const encoding *x)
{
    if (j->engine->options->quiet) return;
    cli_pictures_print(&j->pictures);
    fprintf(stderr, "%u rows of %u, read in %.2f s, prepared in %.2f s, encoded in %.2f s\n",
            (unsigned)p->sizes.n_tokens, (unsigned)(x->n_floats / p->sizes.n_tokens), p->read_s,
            x->result.preprocess_s, x->result.encode_s);
    cli_print_cost(&x->bill);
}

static int report(const cli_picture_job *j, const cli_picture *p, const encoding *x)
{
    const cli_options *o = j->engine->options;
    if (!o->json) {
        print_text(j, p, x);
        return EXIT_DONE;
    }
    cJSON *object = cJSON_CreateObject();
    if (!object) return cli_fail_nomem();
    cJSON_AddStringToObject(object, "output", o->output);
    cli_json_count(object, "output_bytes", j->n_bytes);
    cli_json_count(object, "row_width", x->n_floats / p->sizes.n_tokens);
    cJSON_AddBoolToObject(object, "exact", o->exact);
    cli_json_picture(object, p);
    cJSON *elapsed = cJSON_AddObjectToObject(object, "elapsed_s");
    cli_json_seconds(elapsed, "load", j->engine->load_s);
    cli_json_seconds(elapsed, "read", p->read_s);
    cli_json_seconds(elapsed, "preprocess", x->result.preprocess_s);
    cli_json_seconds(elapsed, "encode", x->result.encode_s);
    if (x->bill.has_cpu) {
        cJSON *cost = cJSON_AddObjectToObject(object, "cost");
        cli_json_seconds(cost, "cpu_core_s", x->bill.cpu_core_s);
        cli_json_cost(cost, &x->bill);
    }
    return cli_print_json(object);
}

static int compute(cli_engine *e, const cli_picture *p, encoding *x)
{
    const einf_preprocess pre = cli_preprocess_of(e->options);
    einf_error err = EINF_INIT(einf_error);
    einf_encode_config c = EINF_INIT(einf_encode_config);
    c.preprocess = &pre;
    c.cancel = e->cancel;
    c.progress = cli_progress_step;
    c.progress_user = &e->progress;
    (void)cli_watch_idle(e->options, e->profiler);
    const eprof_region region = e->profiler ? eprof_begin(e->profiler, 0, "encode") : 0;
    const einf_status status = einf_vision_encode(e->v, p->image, &c, x->rows, x->n_floats, &x->result, &err);
    if (region) eprof_end(e->profiler, region, NULL, NULL);
    cli_progress_clear(&e->progress);
    if (status != EINF_OK) return cli_print_error(&err, p->name);
    cli_cost_of_region(e->options, e->profiler, "encode", &x->bill);
    return EXIT_DONE;
}

static int encode(cli_picture_job *j)
{
    einf_vision_info info = EINF_INIT(einf_vision_info);
    int code = cli_picture_job_open(j, false);
    if (code) return code;
    const cli_picture *p = &j->pictures.items[0];
    encoding x = { .result = EINF_INIT(einf_encode_result) };
    (void)einf_vision_get_info(j->engine->v, &info, NULL); /* the handle is good */
    x.n_floats = (uint64_t)p->sizes.n_tokens * info.row_width;
    x.rows = malloc((size_t)x.n_floats * sizeof *x.rows);
    code = x.rows ? compute(j->engine, p, &x) : cli_fail_nomem();
    if (code == EXIT_DONE) code = cli_picture_job_write(j, x.rows, x.n_floats);
    free(x.rows);
    return code == EXIT_DONE ? report(j, p, &x) : code;
}

int cli_encode(const cli_options *o)
{
    if (!o->output) return cli_fail(EXIT_USAGE, "as -o FILE; - is stdout", "encode needs -o");
    return cli_picture_job_run(o, encode);
}
