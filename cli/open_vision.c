/* SPDX-License-Identifier: MIT
 * open_vision.c - from options to an encoder, a preprocessor, and the bytes that both take.
 */
#include "cli/open_vision.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------- preprocessor -- */

static int contradict(const char *a, const char *b)
{
    return cli_fail(EXIT_USAGE, "each says by itself what size pictures get", "%s and %s exclude each other", a, b);
}

int cli_preprocess_check(const cli_options *o)
{
    const struct { const char *name; bool given; int rule; } sizes[] = {
        { "--longest-edge", o->longest_edge > 0, EINF_RESIZE_LONGEST_EDGE },
        { "--box", o->box.width > 0, EINF_RESIZE_BOX },
        { "--no-resize", o->no_resize, EINF_RESIZE_NONE },
        { "--image-min-tokens", o->image_min_tokens > 0, EINF_RESIZE_PIXELS },
        { "--image-max-tokens", o->image_max_tokens > 0, EINF_RESIZE_PIXELS },
        { "--image-min-pixels", o->image_min_pixels > 0, EINF_RESIZE_PIXELS },
        { "--image-max-pixels", o->image_max_pixels > 0, EINF_RESIZE_PIXELS },
    };
    int first = -1;
    for (int i = 0; i < (int)(sizeof sizes / sizeof sizes[0]); i++) {
        if (!sizes[i].given) continue;
        if (first >= 0 && sizes[i].rule != sizes[first].rule) return contradict(sizes[first].name, sizes[i].name);
        first = i;
    }
    if (o->image_min_tokens && o->image_min_pixels) return contradict("--image-min-tokens", "--image-min-pixels");
    if (o->image_max_tokens && o->image_max_pixels) return contradict("--image-max-tokens", "--image-max-pixels");
    return EXIT_DONE;
}

einf_preprocess cli_preprocess_of(const cli_options *o)
{
    einf_preprocess p = EINF_INIT(einf_preprocess);
    const bool has_limits = o->image_min_tokens || o->image_max_tokens || o->image_min_pixels || o->image_max_pixels;
    p.rule = o->longest_edge ? EINF_RESIZE_LONGEST_EDGE : o->box.width ? EINF_RESIZE_BOX
             : o->no_resize  ? EINF_RESIZE_NONE : has_limits ? EINF_RESIZE_PIXELS : EINF_RESIZE_DEFAULT;
    p.filter = (int32_t)o->filter;
    p.longest_edge = o->longest_edge;
    p.box_width = o->box.width;
    p.box_height = o->box.height;
    p.min_tokens = o->image_min_tokens;
    p.max_tokens = o->image_max_tokens;
    p.min_pixels = o->image_min_pixels;
    p.max_pixels = o->image_max_pixels;
    return p;
}

const char *cli_rule_name(int32_t rule)
{
    static const char *const names[] = { "default", "pixels", "longest-edge", "box", "none" };
    return rule >= 0 && rule < (int32_t)(sizeof names / sizeof names[0]) ? names[rule] : "?";
}

const char *cli_filter_name(int32_t filter)
{
    static const char *const names[] = { "bicubic", "bilinear", "lanczos", "box", "legacy-bicubic" };
    return filter >= 0 && filter < (int32_t)(sizeof names / sizeof names[0]) ? names[filter] : "?";
}

/* ------------------------------------------------------------------------------------------------- opening -- */

einf_status cli_vision_open(cli_engine *e, const char *path, bool check_tensors, einf_error *err)
{
    const double start_s = cli_now_s();
    const cli_options *o = e->options;
    einf_vision_config c = EINF_INIT(einf_vision_config);
    c.mode = (int32_t)o->mode;
    c.check_tensors = check_tensors;
    c.float_sum = (int32_t)o->float_sum;
    c.exact = o->exact;
    c.force_path = (int32_t)o->path;
    c.cache_bytes = e->image_cache_bytes;
    c.cancel = e->cancel;
    c.progress = cli_progress_step;
    c.progress_user = &e->progress;
    const einf_status status = einf_vision_open(e->rt, path, &c, &e->v, err);
    cli_progress_clear(&e->progress);
    if (status == EINF_E_FORMAT || status == EINF_E_UNSUPPORTED) {
        char architecture[32];
        if (cli_file_architecture(e, path, architecture) && strcmp(architecture, "clip") != 0) {
            snprintf(err->message, sizeof err->message, "this is a language model ('%s'), not a vision encoder",
                     architecture);
            snprintf(err->hint, sizeof err->hint,
                     "--mmproj takes the mmproj file that was made with the model; the model itself goes behind -m");
            err->where[0] = '\0';
            err->offset = EINF_NO_OFFSET;
        }
    }
    e->load_s += cli_now_s() - start_s;
    return status;
}

int cli_vision_open_beside(cli_engine *e)
{
    const char *path = e->options->mmproj;
    einf_error err = EINF_INIT(einf_error);
    if (!path) return EXIT_DONE;
    if (cli_vision_open(e, path, false, &err) != EINF_OK || einf_vision_check_model(e->v, e->m, &err) != EINF_OK)
        return cli_print_error(&err, path);
    return EXIT_DONE;
}

void cli_vision_close(cli_engine *e) { einf_vision_close(&e->v, NULL); }

/* -------------------------------------------------------------------------------------------------- memory -- */

einf_status cli_vision_bytes_begin(const cli_engine *e, cli_vision_bytes *out, einf_error *err)
{
    einf_vision_info info = EINF_INIT(einf_vision_info);
    const einf_status status = einf_vision_get_info(e->v, &info, err);
    *out = (cli_vision_bytes){ .encoder = info.private_bytes, .sum = info.private_bytes,
                               .weights_mapped = e->options->mode == EINF_MODE_MAP ? info.file_bytes : 0 };
    return status;
}

void cli_vision_bytes_add(const cli_engine *e, const einf_image_sizes *s, cli_vision_bytes *b)
{
    einf_vision_info info = EINF_INIT(einf_vision_info);
    (void)einf_vision_get_info(e->v, &info, NULL); /* the handle is good */
    if (s->encode_bytes > b->encode) b->encode = s->encode_bytes;
    b->pixels += (uint64_t)s->nominal_width * s->nominal_height * 3;
    b->rows += (uint64_t)s->n_tokens * info.row_width * sizeof(float);
    b->n_tokens += s->n_tokens;
    b->sum = b->encoder + b->encode + b->pixels + b->rows;
}

/* Of the pictures that have just max_tokens the one that takes most: every shape, for none has all its tokens when
 * max_tokens is no product. */
static einf_status largest_of_pixels(const cli_engine *e, uint32_t side, uint64_t max_pixels, einf_image_sizes *out,
                                     einf_error *err)
{
    const einf_preprocess p = cli_preprocess_of(e->options);
    const uint64_t max_tokens = max_pixels / side / side;
    for (uint64_t x = 1; x * x <= max_tokens; x++) {
        einf_image_sizes s = EINF_INIT(einf_image_sizes);
        const uint64_t y = max_tokens / x;
        if (y > x * 200) continue; /* longer than any rule takes */
        const einf_status status =
            einf_vision_plan(e->v, (uint32_t)(x * side), (uint32_t)(y * side), &p, &s, err);
        if (status != EINF_OK) return status;
        if (s.n_tokens >= out->n_tokens) *out = s; /* of equals the one most like a square */
    }
    return EINF_OK;
}

einf_status cli_vision_largest(const cli_engine *e, einf_image_sizes *out, einf_error *err)
{
    const cli_options *o = e->options;
    const einf_preprocess p = cli_preprocess_of(o);
    einf_vision_info info = EINF_INIT(einf_vision_info);
    einf_status status = einf_vision_get_info(e->v, &info, err);
    *out = (einf_image_sizes)EINF_INIT(einf_image_sizes);
    if (status != EINF_OK) return status;
    if (o->longest_edge) return einf_vision_plan(e->v, o->longest_edge, o->longest_edge, &p, out, err);
    if (o->box.width) return einf_vision_plan(e->v, o->box.width, o->box.height, &p, out, err);
    if (o->no_resize) {
        err->code = EINF_E_ARG;
        err->offset = EINF_NO_OFFSET;
        snprintf(err->message, sizeof err->message, "with --no-resize there is no largest picture");
        snprintf(err->hint, sizeof err->hint, "name one with --image, or its size with --image-size");
        return EINF_E_ARG;
    }
    const uint32_t side = info.patch_size * info.merge_size;
    status = einf_vision_plan(e->v, side * 16, side * 16, &p, out, err); /* for max_pixels, as the options have it */
    if (status == EINF_OK) status = largest_of_pixels(e, side, out->max_pixels, out, err);
    return status;
}
