/* SPDX-License-Identifier: MIT
 * cmd_plan.c - the bytes of a session and its pictures by purpose, counted by the code that would take them.
 */
#include <stdio.h>

#include "cli/numbers.h"
#include "cli/pictures.h"
#include "cli/commands.h"

static void print_row(const char *what, uint64_t size_bytes, const char *note)
{
    char size[32];
    printf("  %-10s %10s  %s\n", what, cli_size_text(size_bytes, size, sizeof size), note);
}

/* As they will be on this CPU, whatever was asked for. */
static const char *float_sum_name(const einf_plan *p)
{
    return p->float_sum == EINF_FLOAT_SUM_F16 ? "f16" : p->float_sum == EINF_FLOAT_SUM_I16 ? "i16" : "f32";
}

/* With an encoder: what it and its pictures add. */
typedef struct eye_plan {
    cli_pictures pictures;    /* of --image, their headers */
    einf_image_sizes largest; /* of --image-size, or that the options allow; when no picture was named */
    cli_vision_bytes bytes;
} eye_plan;

typedef struct plan_report {
    const cli_options *options;
    einf_plan session;
    cli_threads threads;
    eye_plan *eye;            /* NULL: none */
    uint64_t private_bytes;   /* of both */
    uint64_t n_ctx_fits;
    bool fits;
} plan_report;

/* ------------------------------------------------------------------------------------------------- telling -- */

static void print_eye(const plan_report *r)
{
    const eye_plan *eye = r->eye;
    char text[160];
    if (eye->bytes.weights_mapped)
        print_row("encoder", eye->bytes.weights_mapped, "file pages of --mmproj, shared as well");
    print_row("encoder", eye->bytes.encoder, "its tables");
    for (uint32_t i = 0; i < eye->pictures.n; i++)
        printf("  picture    %s %s\n", eye->pictures.items[i].name,
               cli_sizes_text(&eye->pictures.items[i].sizes, text, sizeof text));
    if (eye->pictures.n == 0)
        printf("  picture    %s %s\n", r->options->image_size.width ? "of that size:" : "the largest:",
               cli_sizes_text(&eye->largest, text, sizeof text));
    print_row("pixels", eye->bytes.pixels, "of pictures as they are decoded");
    print_row("encode", eye->bytes.encode, "while a picture is encoded");
    print_row("rows", eye->bytes.rows, "of pictures, which the model reads");
    print_row("all", r->private_bytes, "private bytes of both");
    if (eye->bytes.n_tokens >= r->session.n_ctx)
        printf("the context of %u tokens does not hold the %u tokens of pictures\n", (unsigned)r->session.n_ctx,
               (unsigned)eye->bytes.n_tokens);
}

static void print_table(const plan_report *r)
{
    const cli_options *o = r->options;
    const einf_plan *p = &r->session;
    const cli_threads *t = &r->threads;
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
    if (r->eye) print_eye(r);
    if (!o->ram_limit_bytes) return;
    cli_size_text(o->ram_limit_bytes, limit, sizeof limit);
    if (r->fits) printf("fits into %s\n", limit);
    else if (r->n_ctx_fits) printf("does not fit into %s; -c %llu does\n", limit, (unsigned long long)r->n_ctx_fits);
    else printf("does not fit into %s, whatever the context\n", limit);
}

static void json_eye(cJSON *o, const plan_report *r)
{
    const eye_plan *eye = r->eye;
    cJSON *vision = cJSON_AddObjectToObject(o, "vision");
    cli_json_count(vision, "weights_mapped_bytes", eye->bytes.weights_mapped);
    cli_json_count(vision, "encoder_bytes", eye->bytes.encoder);
    cli_json_count(vision, "pixel_bytes", eye->bytes.pixels);
    cli_json_count(vision, "encode_bytes", eye->bytes.encode);
    cli_json_count(vision, "row_bytes", eye->bytes.rows);
    cli_json_count(vision, "private_bytes", eye->bytes.sum);
    cli_json_count(vision, "n_image_tokens", eye->bytes.n_tokens);
    cli_json_pictures(vision, &eye->pictures);
    if (eye->pictures.n == 0) {
        cJSON *largest = cJSON_AddObjectToObject(vision, r->options->image_size.width ? "image" : "largest_image");
        cli_json_sizes(largest, &eye->largest);
    }
    cli_json_count(o, "total_private_bytes", r->private_bytes);
}

static int print_json(const plan_report *r)
{
    const cli_options *o = r->options;
    const einf_plan *p = &r->session;
    cJSON *object = cJSON_CreateObject();
    if (!object) return cli_fail_nomem();
    cli_json_count(object, "n_ctx", p->n_ctx);
    cJSON_AddStringToObject(object, "kv", cli_kv_name(o));
    cJSON_AddStringToObject(object, "float_sum", float_sum_name(p));
    cli_json_threads(object, &r->threads);
    cli_json_count(object, "weights_mapped_bytes", p->weights_mapped_bytes);
    cli_json_count(object, "weights_private_bytes", p->weights_private_bytes);
    cli_json_count(object, "model_bytes", p->model_bytes);
    cli_json_count(object, "vocab_bytes", p->vocab_bytes);
    cli_json_count(object, "kv_bytes", p->kv_bytes);
    cli_json_count(object, "scratch_bytes", p->scratch_bytes);
    cli_json_count(object, "stack_bytes", p->stack_bytes);
    cli_json_count(object, "private_bytes", p->private_bytes);
    if (r->eye) json_eye(object, r);
    if (o->ram_limit_bytes) cli_json_count(object, "ram_limit_bytes", o->ram_limit_bytes);
    cJSON_AddBoolToObject(object, "fits", r->fits);
    cli_json_count(object, "n_ctx_fits", r->n_ctx_fits);
    return cli_print_json(object);
}

/* ------------------------------------------------------------------------------------------------ counting -- */

/* Sizes of the pictures that were named; without any, of --image-size or the largest that is possible. */
static int plan_eye(cli_engine *e, eye_plan *eye)
{
    const cli_options *o = e->options;
    const einf_preprocess pre = cli_preprocess_of(o);
    einf_error err = EINF_INIT(einf_error);
    einf_status status = cli_vision_bytes_begin(e, &eye->bytes, &err);
    eye->largest = (einf_image_sizes)EINF_INIT(einf_image_sizes);
    const int code = cli_pictures_open(e, &eye->pictures, true);
    if (code) return code;
    for (uint32_t i = 0; i < eye->pictures.n; i++) cli_vision_bytes_add(e, &eye->pictures.items[i].sizes, &eye->bytes);
    if (eye->pictures.n > 0) return EXIT_DONE;
    if (status == EINF_OK)
        status = o->image_size.width ? einf_vision_plan(e->v, o->image_size.width, o->image_size.height, &pre,
                                                        &eye->largest, &err)
                                     : cli_vision_largest(e, &eye->largest, &err);
    if (status != EINF_OK) return cli_print_error(&err, NULL);
    cli_vision_bytes_add(e, &eye->largest, &eye->bytes);
    return EXIT_DONE;
}

/* What counts under --ram-limit: threads' stacks do not. */
static uint64_t limited_bytes(const einf_plan *p, uint64_t more_bytes)
{
    return p->private_bytes - p->stack_bytes + more_bytes;
}

/* The longest context up to n_ctx whose session leaves room for more_bytes; 0: none. */
static uint64_t longest_context(const cli_engine *e, uint64_t n_ctx, uint64_t more_bytes)
{
    uint64_t fits = 0, beyond = n_ctx + 1;
    while (beyond - fits > 1) {
        einf_plan p = EINF_INIT(einf_plan);
        einf_session_config c = cli_session_config(e);
        c.n_ctx = (uint32_t)(fits + (beyond - fits) / 2);
        const einf_status status = einf_session_plan(e->m, &c, &p, NULL);
        if (status == EINF_OK && limited_bytes(&p, more_bytes) <= e->options->ram_limit_bytes) fits = c.n_ctx;
        else beyond = c.n_ctx;
    }
    return fits;
}

static int plan_both(cli_engine *e, plan_report *r)
{
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    const einf_session_config c = cli_session_config(e);
    r->session = (einf_plan)EINF_INIT(einf_plan);
    const einf_status status = einf_session_plan(e->m, &c, &r->session, &err);
    const bool over = status == EINF_E_LIMIT && r->session.private_bytes > 0; /* filled all the same: it says no */
    if (status != EINF_OK && !over) return cli_print_error(&err, o->model);
    const uint64_t eye_bytes = r->eye ? r->eye->bytes.sum : 0, need = limited_bytes(&r->session, eye_bytes);
    r->private_bytes = r->session.private_bytes + eye_bytes;
    r->fits = !over && !(r->eye && o->ram_limit_bytes && need > o->ram_limit_bytes);
    r->n_ctx_fits = r->session.n_ctx_fits;
    if (o->ram_limit_bytes && r->eye) r->n_ctx_fits = longest_context(e, r->n_ctx_fits, eye_bytes);
    int code = EXIT_DONE;
    if (o->json) code = print_json(r);
    else print_table(r);
    if (code || r->fits) return code;
    if (over) return cli_print_error(&err, NULL);
    return cli_fail(EXIT_NO_FIT, "smaller pictures (--longest-edge, --image-max-tokens) or a smaller -c take less",
                    "a session and its pictures need %llu bytes, --ram-limit is %llu",
                    (unsigned long long)need, (unsigned long long)o->ram_limit_bytes);
}

static int plan(cli_engine *e)
{
    eye_plan eye = { .pictures = { NULL, 0, 0 } };
    plan_report r = { .options = e->options, .eye = e->options->mmproj ? &eye : NULL };
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, e->options->model, 0, false, &err) != EINF_OK)
        return cli_print_error(&err, e->options->model);
    r.threads = cli_engine_threads(e);
    int code = cli_vision_open_beside(e);
    if (code == EXIT_DONE && r.eye) code = plan_eye(e, r.eye);
    if (code == EXIT_DONE) code = plan_both(e, &r);
    cli_pictures_free(&eye.pictures);
    return code;
}

static int check_options(const cli_options *o)
{
    const int code = cli_preprocess_check(o);
    if (code) return code;
    if (o->image_size.width && o->image.n > 0)
        return cli_fail(EXIT_USAGE, NULL, "--image and --image-size exclude each other");
    if (o->image_size.width && !o->mmproj)
        return cli_fail(EXIT_USAGE, "give the mmproj file that belongs to the model",
                        "--image-size needs a vision encoder, with --mmproj");
    return cli_pictures_check(o);
}

int cli_plan(const cli_options *o)
{
    cli_engine engine;
    int code = check_options(o);
    if (code) return code;
    code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = plan(&engine);
    return cli_engine_stop(&engine, code);
}
