/* SPDX-License-Identifier: MIT
 * pictures.c - files to pictures, plans to text and JSON.
 */
#include "cli/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/read_input.h"

/* ------------------------------------------------------------------------------------------------- reading -- */

static einf_status fail_nomem(einf_error *err)
{
    err->offset = EINF_NO_OFFSET;
    return err->code = EINF_E_NOMEM;
}

/* A new item at the end, which counts once its picture is there. NULL: no memory. */
static cli_picture *new_picture(cli_pictures *p, const char *name, einf_error *err)
{
    if (p->n == p->cap) {
        const uint32_t cap = p->cap ? p->cap * 2 : 4;
        cli_picture *items = realloc(p->items, cap * sizeof *items);
        if (items) p->items = items, p->cap = cap;
    }
    char *copy = p->n < p->cap ? strdup(name) : NULL;
    if (!copy) {
        (void)fail_nomem(err);
        return NULL;
    }
    p->items[p->n] = (cli_picture){ .name = copy, .info = EINF_INIT(einf_image_info),
                                    .sizes = EINF_INIT(einf_image_sizes) };
    return &p->items[p->n];
}

static void drop(cli_picture *x)
{
    einf_image_close(&x->image);
    free(x->name);
    free(x->part_json);
}

static einf_status plan(const cli_engine *e, cli_picture *x, einf_error *err)
{
    const einf_preprocess pre = cli_preprocess_of(e->options);
    return einf_vision_plan(e->v, x->info.full_width, x->info.full_height, &pre, &x->sizes, err);
}

/* With --reduce: no larger than what the encoder will see. */
static einf_status limit_decoding(const cli_engine *e, const char *path, einf_image_config *c, einf_error *err)
{
    cli_picture x = { .info = EINF_INIT(einf_image_info), .sizes = EINF_INIT(einf_image_sizes) };
    if (!e->options->reduce) return EINF_OK;
    einf_status status = einf_image_probe(e->rt, path, c, &x.info, err);
    if (status == EINF_OK) status = plan(e, &x, err);
    c->reduce_width = x.sizes.width;
    c->reduce_height = x.sizes.height;
    return status;
}

static einf_status keep(const cli_engine *e, cli_pictures *p, cli_picture *x, einf_status status, double start_s,
                        einf_error *err)
{
    x->read_s = cli_now_s() - start_s;
    x->is_read = x->image != NULL;
    if (status == EINF_OK && x->image) status = einf_image_get_info(x->image, &x->info, err);
    if (status == EINF_OK) status = plan(e, x, err);
    if (status == EINF_OK) p->n++;
    else drop(x);
    return status;
}

einf_status cli_pictures_add_bytes(cli_engine *e, cli_pictures *p, const char *name, const void *bytes, uint64_t n,
                                   einf_error *err)
{
    const double start_s = cli_now_s();
    einf_image_config c = EINF_INIT(einf_image_config);
    c.cancel = e->cancel;
    cli_picture *x = new_picture(p, name, err);
    if (!x) return err->code;
    return keep(e, p, x, einf_image_open_memory(e->rt, bytes, n, &c, &x->image, err), start_s, err);
}

static einf_status add_stdin(cli_engine *e, cli_pictures *p, einf_error *err)
{
    cli_bytes bytes = { NULL, 0, 0 };
    const int code = cli_read_input(NULL, &bytes);
    einf_status status = code == EXIT_CANCELLED ? EINF_E_CANCELLED : EINF_E_IO;
    if (code == EXIT_DONE) {
        status = cli_pictures_add_bytes(e, p, "stdin", bytes.p, bytes.n, err);
    } else {
        err->code = status;
        err->offset = EINF_NO_OFFSET;
        snprintf(err->message, sizeof err->message, "the picture could not be read");
    }
    cli_bytes_free(&bytes);
    return status;
}

einf_status cli_pictures_add(cli_engine *e, cli_pictures *p, const char *path, einf_error *err)
{
    const double start_s = cli_now_s();
    einf_image_config c = EINF_INIT(einf_image_config);
    c.cancel = e->cancel;
    if (strcmp(path, "-") == 0) return add_stdin(e, p, err);
    cli_picture *x = new_picture(p, path, err);
    if (!x) return err->code;
    einf_status status = limit_decoding(e, path, &c, err);
    if (status == EINF_OK) status = einf_image_open(e->rt, path, &c, &x->image, err);
    return keep(e, p, x, status, start_s, err);
}

einf_status cli_pictures_probe(cli_engine *e, cli_pictures *p, const char *path, einf_error *err)
{
    const double start_s = cli_now_s();
    if (strcmp(path, "-") == 0) return add_stdin(e, p, err);
    cli_picture *x = new_picture(p, path, err);
    if (!x) return err->code;
    return keep(e, p, x, einf_image_probe(e->rt, path, NULL, &x->info, err), start_s, err);
}

int cli_pictures_open(cli_engine *e, cli_pictures *p, bool probe)
{
    const cli_list *list = &e->options->image;
    for (uint32_t i = 0; i < list->n; i++) {
        einf_error err = EINF_INIT(einf_error);
        const einf_status status = probe ? cli_pictures_probe(e, p, list->items[i], &err)
                                         : cli_pictures_add(e, p, list->items[i], &err);
        if (status != EINF_OK)
            return cli_print_error(&err, strcmp(list->items[i], "-") == 0 ? "stdin" : list->items[i]);
    }
    return EXIT_DONE;
}

einf_status cli_pictures_ask(einf_chat *chat, const cli_pictures *p, uint32_t first, const char *text,
                             einf_error *err)
{
    const uint32_t n = p->n - first;
    einf_message m = EINF_INIT(einf_message);
    m.role = "user";
    if (n == 0) {
        m.content = text;
        return einf_chat_add(chat, &m, err);
    }
    einf_part *parts = calloc((size_t)n + 1, sizeof *parts);
    if (!parts) return fail_nomem(err);
    for (uint32_t i = 0; i <= n; i++) {
        parts[i] = (einf_part)EINF_INIT(einf_part);
        if (i < n) parts[i].image = p->items[first + i].image;
        else parts[i].text = text;
    }
    m.parts = parts;
    m.n_parts = text && *text ? n + 1 : n;
    const einf_status status = einf_chat_add(chat, &m, err);
    free(parts);
    return status;
}

void cli_pictures_give(cli_pictures *p, uint32_t n)
{
    for (uint32_t i = n; i < p->n; i++) {
        p->items[i].given = p->items[i].image;
        einf_image_close(&p->items[i].image);
    }
}

/* The last one: an address may have been another's, whom no conversation holds any more. */
const cli_picture *cli_pictures_find(const cli_pictures *p, const einf_image *given)
{
    for (uint32_t i = p->n; i > 0; i--)
        if (p->items[i - 1].given == given) return &p->items[i - 1];
    return NULL;
}

void cli_pictures_cut(cli_pictures *p, uint32_t n)
{
    while (p->n > n) drop(&p->items[--p->n]);
}

void cli_pictures_free(cli_pictures *p)
{
    cli_pictures_cut(p, 0);
    free(p->items);
    *p = (cli_pictures){ NULL, 0, 0 };
}

int cli_pictures_check(const cli_options *o)
{
    bool is_taken = false;
    for (uint32_t i = 0; i < o->image.n; i++) {
        if (strcmp(o->image.items[i], "-") != 0) continue;
        if (is_taken) return cli_fail(EXIT_USAGE, NULL, "stdin can be one picture, and --image names it twice");
        if (isatty(STDIN_FILENO))
            return cli_fail(EXIT_USAGE, "pipe the picture in, or name its file", "stdin is a terminal, not a picture");
        if (o->reduce)
            return cli_fail(EXIT_USAGE, "name a file",
                            "--reduce needs a picture's size first, which stdin does not tell");
        is_taken = true;
    }
    if (o->image.n > 0 && !o->mmproj)
        return cli_fail(EXIT_USAGE, "give the mmproj file that belongs to the model",
                        "--image needs a vision encoder, with --mmproj");
    return EXIT_DONE;
}

/* ------------------------------------------------------------------------------------------------- telling -- */

static void rule_text(const einf_image_sizes *s, char *buf, size_t buf_bytes)
{
    if (s->rule == EINF_RESIZE_PIXELS)
        snprintf(buf, buf_bytes, "pixels %llu..%llu", (unsigned long long)s->min_pixels,
                 (unsigned long long)s->max_pixels);
    else if (s->rule == EINF_RESIZE_LONGEST_EDGE)
        snprintf(buf, buf_bytes, "longest edge %u", (unsigned)s->limit_width);
    else if (s->rule == EINF_RESIZE_BOX)
        snprintf(buf, buf_bytes, "box %ux%u", (unsigned)s->limit_width, (unsigned)s->limit_height);
    else snprintf(buf, buf_bytes, "no limit");
}

const char *cli_sizes_text(const einf_image_sizes *s, char *buf, size_t buf_bytes)
{
    char rule[64];
    rule_text(s, rule, sizeof rule);
    snprintf(buf, buf_bytes, "%ux%u -> %ux%u, %u tokens (%s, %s)", (unsigned)s->nominal_width,
             (unsigned)s->nominal_height, (unsigned)s->width, (unsigned)s->height, (unsigned)s->n_tokens, rule,
             cli_filter_name(s->filter));
    return buf;
}

void cli_pictures_print(const cli_pictures *p)
{
    char text[160];
    for (uint32_t i = 0; i < p->n; i++)
        fprintf(stderr, "image: %s %s\n", p->items[i].name,
                cli_sizes_text(&p->items[i].sizes, text, sizeof text));
}

void cli_json_sizes(cJSON *o, const einf_image_sizes *s)
{
    cJSON_AddStringToObject(o, "rule", cli_rule_name(s->rule));
    cJSON_AddStringToObject(o, "filter", cli_filter_name(s->filter));
    if (s->rule == EINF_RESIZE_PIXELS) {
        cli_json_count(o, "min_pixels", s->min_pixels);
        cli_json_count(o, "max_pixels", s->max_pixels);
    }
    if (s->limit_width) cli_json_count(o, "limit_width", s->limit_width);
    if (s->limit_height) cli_json_count(o, "limit_height", s->limit_height);
    cli_json_count(o, "nominal_width", s->nominal_width);
    cli_json_count(o, "nominal_height", s->nominal_height);
    cli_json_count(o, "clamped_width", s->clamped_width);
    cli_json_count(o, "clamped_height", s->clamped_height);
    cli_json_count(o, "width", s->width);
    cli_json_count(o, "height", s->height);
    cli_json_count(o, "n_patches_x", s->n_patches_x);
    cli_json_count(o, "n_patches_y", s->n_patches_y);
    cli_json_count(o, "n_patches", s->n_patches);
    cli_json_count(o, "n_tokens_x", s->n_tokens_x);
    cli_json_count(o, "n_tokens_y", s->n_tokens_y);
    cli_json_count(o, "n_tokens", s->n_tokens);
    cJSON_AddNumberToObject(o, "scale_x", s->scale_x);
    cJSON_AddNumberToObject(o, "scale_y", s->scale_y);
    cli_json_count(o, "n_macs", s->n_macs);
    cli_json_count(o, "encode_bytes", s->encode_bytes);
}

void cli_json_picture(cJSON *o, const cli_picture *p)
{
    char format[sizeof p->info.format + 1];
    snprintf(format, sizeof format, "%.*s", (int)sizeof p->info.format, p->info.format);
    cJSON_AddStringToObject(o, "file", p->name);
    cJSON_AddStringToObject(o, "format", format);
    cJSON_AddNumberToObject(o, "orientation", p->info.orientation);
    if (p->info.reduced_by > 1) cJSON_AddNumberToObject(o, "reduced_by", p->info.reduced_by);
    cli_json_sizes(o, &p->sizes);
}

void cli_json_pictures(cJSON *o, const cli_pictures *p)
{
    if (p->n == 0) return;
    cJSON *list = cJSON_AddArrayToObject(o, "images");
    for (uint32_t i = 0; i < p->n; i++) {
        cJSON *item = cJSON_CreateObject();
        cli_json_picture(item, &p->items[i]);
        if (p->items[i].is_read) cli_json_seconds(item, "read_s", p->items[i].read_s);
        cJSON_AddItemToArray(list, item);
    }
}
