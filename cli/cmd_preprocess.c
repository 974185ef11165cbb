/* SPDX-License-Identifier: MIT
 * cmd_preprocess.c - what a picture becomes before it is encoded: its sizes, and with -o its pixels.
 *
 * Sizes come from the header of the file; only -o decodes it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/picture_job.h"

static void print_sizes(const cli_picture *p)
{
    const einf_image_sizes *s = &p->sizes;
    char text[160];
    printf("%s\n  sizes     %s\n", p->name, cli_sizes_text(s, text, sizeof text));
    if (p->info.orientation > 1) printf("  turned    as its EXIF orientation %d says\n", (int)p->info.orientation);
    if (p->info.reduced_by > 1) printf("  reduced   decoded at 1/%d of its size\n", (int)p->info.reduced_by);
    printf("  clamped   %ux%u, then to whole tokens\n", (unsigned)s->clamped_width, (unsigned)s->clamped_height);
    printf("  patches   %u x %u = %u\n", (unsigned)s->n_patches_x, (unsigned)s->n_patches_y, (unsigned)s->n_patches);
    printf("  tokens    %u x %u = %u\n", (unsigned)s->n_tokens_x, (unsigned)s->n_tokens_y, (unsigned)s->n_tokens);
    printf("  scale     %.6g, %.6g: times these, coordinates that the model names are the picture's\n", s->scale_x,
           s->scale_y);
}

static int report(const cli_picture_job *j, const cli_picture *p, double preprocess_s)
{
    const cli_options *o = j->engine->options;
    if (!o->json) {
        if (!o->output) print_sizes(p);
        else if (!o->quiet) cli_pictures_print(&j->pictures);
        return EXIT_DONE;
    }
    cJSON *object = cJSON_CreateObject();
    if (!object) return cli_fail_nomem();
    if (o->output) {
        cJSON_AddStringToObject(object, "output", o->output);
        cli_json_count(object, "output_bytes", j->n_bytes);
    }
    cli_json_picture(object, p);
    cJSON *elapsed = cJSON_AddObjectToObject(object, "elapsed_s");
    cli_json_seconds(elapsed, "load", j->engine->load_s);
    if (p->is_read) cli_json_seconds(elapsed, "read", p->read_s);
    if (o->output) cli_json_seconds(elapsed, "preprocess", preprocess_s);
    return cli_print_json(object);
}

static int write_pixels(cli_picture_job *j, const cli_picture *p, double *preprocess_s)
{
    const einf_preprocess pre = cli_preprocess_of(j->engine->options);
    const uint64_t n_floats = 3 * (uint64_t)p->sizes.width * p->sizes.height;
    einf_error err = EINF_INIT(einf_error);
    float *pixels = malloc((size_t)n_floats * sizeof *pixels);
    if (!pixels) return cli_fail_nomem();
    const double start_s = cli_now_s();
    const einf_status status = einf_vision_preprocess(j->engine->v, p->image, &pre, pixels, n_floats, NULL, &err);
    *preprocess_s = cli_now_s() - start_s;
    const int code = status == EINF_OK ? cli_picture_job_write(j, pixels, n_floats) : cli_print_error(&err, p->name);
    free(pixels);
    return code;
}

static int preprocess(cli_picture_job *j)
{
    const bool writes = j->engine->options->output != NULL;
    double preprocess_s = 0;
    int code = cli_picture_job_open(j, !writes);
    if (code) return code;
    const cli_picture *p = &j->pictures.items[0];
    if (writes) code = write_pixels(j, p, &preprocess_s);
    return code == EXIT_DONE ? report(j, p, preprocess_s) : code;
}

int cli_preprocess(const cli_options *o) { return cli_picture_job_run(o, preprocess); }
