/* SPDX-License-Identifier: MIT
 * preprocess.c - the rules of size, and pixels to numbers.
 *
 * Arithmetic is that of the programs whose sizes are to be met, to the last bit: double where transformers' is, float
 * and cut-off fractions where llama.cpp's was. Sides are bounded first, so that no product passes 64 bits, and the
 * grid of patches, so that no count passes 32.
 */
#include "vision/preprocess.h"

#include <math.h>

#include "engine/base/checked_math.h"
#include "vision/resize.h"

enum { MAX_SIDE = EINF__RESIZE_MAX_SIDE, MAX_ASPECT = 200, MAX_MERGE = 64, MAX_ALIGNMENT = 1 << 16,
       DEFAULT_LONGEST_EDGE = 1024, DEFAULT_MIN_TOKENS = 8, DEFAULT_MAX_TOKENS = 4096 };

/* Width and height, in either order of importance; beyond 32 bits until they are checked. */
typedef struct extent {
    uint64_t width, height;
} extent;

/* Pixels that PIXELS keeps within. */
typedef struct pixel_limits {
    uint64_t min, max;
} pixel_limits;

/* Of a token: patch size times merge size. */
static uint64_t alignment_of(const einf__preprocess_facts *facts)
{
    return (uint64_t)facts->patch_size * facts->merge_size;
}

static int32_t rule_of(const einf_preprocess *options)
{
    return options->rule == EINF_RESIZE_DEFAULT ? EINF_RESIZE_PIXELS : options->rule;
}

/* ------------------------------------------------------------------------------------------------- options -- */

static const char *rule_name(int32_t rule)
{
    switch (rule) {
    case EINF_RESIZE_PIXELS: return "pixels";
    case EINF_RESIZE_LONGEST_EDGE: return "longest-edge";
    case EINF_RESIZE_BOX: return "box";
    default: return "none";
    }
}

static einf_status refuse_option(const char *field, uint64_t value, int32_t rule, einf_error *err)
{
    return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, field, "leave it 0, or choose the rule that it belongs to",
                      "%s is %llu, but the rule is %s, which does not look at it", field, (unsigned long long)value,
                      rule_name(rule));
}

/* What another rule looks at must be 0: a limit that is silently ignored is a wrong measurement. */
static einf_status check_rule(const einf_preprocess *o, einf_error *err)
{
    if (o->rule < EINF_RESIZE_DEFAULT || o->rule > EINF_RESIZE_NONE)
        return einf__fail_arg(err, "rule", "%d is no rule: 0 to %d are", o->rule, EINF_RESIZE_NONE);
    if (o->filter < EINF_FILTER_BICUBIC || o->filter > EINF_FILTER_LEGACY_BICUBIC)
        return einf__fail_arg(err, "filter", "%d is no filter: 0 to %d are", o->filter, EINF_FILTER_LEGACY_BICUBIC);
    const struct {
        const char *name;
        uint64_t value;
        int32_t rule;
    } fields[] = {
        {"longest_edge", o->longest_edge, EINF_RESIZE_LONGEST_EDGE}, {"box_width", o->box_width, EINF_RESIZE_BOX},
        {"box_height", o->box_height, EINF_RESIZE_BOX},              {"min_tokens", o->min_tokens, EINF_RESIZE_PIXELS},
        {"max_tokens", o->max_tokens, EINF_RESIZE_PIXELS},           {"min_pixels", o->min_pixels, EINF_RESIZE_PIXELS},
        {"max_pixels", o->max_pixels, EINF_RESIZE_PIXELS},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].value != 0 && fields[i].rule != rule_of(o))
            return refuse_option(fields[i].name, fields[i].value, rule_of(o), err);
    return EINF_OK;
}

static einf_status check_side(uint32_t side, const char *field, einf_error *err)
{
    if (side >= 1 && side <= MAX_SIDE) return EINF_OK;
    return einf__fail_arg(err, field, "%u pixels: 1 to %d are possible", side, MAX_SIDE);
}

/* Limits that the options state, 0 where they do not. */
static einf_status stated_limits(const einf_preprocess *o, uint64_t token_pixels, pixel_limits *out, einf_error *err)
{
    if (o->min_tokens != 0 && o->min_pixels != 0)
        return einf__fail_arg(err, "min_tokens", "min_tokens %u and min_pixels %llu: one of them, please",
                              o->min_tokens, (unsigned long long)o->min_pixels);
    if (o->max_tokens != 0 && o->max_pixels != 0)
        return einf__fail_arg(err, "max_tokens", "max_tokens %u and max_pixels %llu: one of them, please",
                              o->max_tokens, (unsigned long long)o->max_pixels);
    /* at most 2^32 * 2^32, which just does not fit: such a limit is none */
    uint64_t min_pixels, max_pixels;
    if (!einf__mul_u64(o->min_tokens, token_pixels, &min_pixels)) min_pixels = UINT64_MAX;
    if (!einf__mul_u64(o->max_tokens, token_pixels, &max_pixels)) max_pixels = UINT64_MAX;
    out->min = o->min_tokens != 0 ? min_pixels : o->min_pixels;
    out->max = o->max_tokens != 0 ? max_pixels : o->max_pixels;
    return EINF_OK;
}

/* As resolved. A default gives way to the other limit where that was stated. */
static einf_status limits_of(const einf_preprocess *o, const einf__preprocess_facts *facts, pixel_limits *out,
                             einf_error *err)
{
    const uint64_t alignment = alignment_of(facts), token_pixels = alignment * alignment;
    pixel_limits stated = {0};
    EINF_TRY(stated_limits(o, token_pixels, &stated, err));
    out->min = stated.min ? stated.min : facts->min_pixels ? facts->min_pixels : DEFAULT_MIN_TOKENS * token_pixels;
    out->max = stated.max ? stated.max : facts->max_pixels ? facts->max_pixels : DEFAULT_MAX_TOKENS * token_pixels;
    if (stated.max && !stated.min && out->min > out->max) out->min = out->max;
    if (stated.min && !stated.max && out->max < out->min) out->max = out->min;
    if (out->min > out->max)
        return einf__fail_arg(err, o->min_tokens ? "min_tokens" : "min_pixels",
                              "at least %llu pixels and at most %llu contradict each other",
                              (unsigned long long)out->min, (unsigned long long)out->max);
    if (out->max < token_pixels)
        return einf__fail_arg(err, "max_pixels", "%llu pixels are less than one token, which takes %llu",
                              (unsigned long long)out->max, (unsigned long long)token_pixels);
    if (out->min > EINF__MAX_IMAGE_TOKENS * token_pixels)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, o->min_tokens ? "min_tokens" : "min_pixels", NULL,
                          "at least %llu pixels are asked for, but %d tokens, the most, have %llu",
                          (unsigned long long)out->min, EINF__MAX_IMAGE_TOKENS,
                          (unsigned long long)(EINF__MAX_IMAGE_TOKENS * token_pixels));
    return EINF_OK;
}

einf_status einf__preprocess_check(const einf_preprocess *options, const einf__preprocess_facts *facts,
                                   einf_error *err)
{
    const uint64_t alignment = alignment_of(facts);
    if (alignment < 1 || alignment > MAX_ALIGNMENT || facts->merge_size > MAX_MERGE)
        return einf__fail_arg(err, "patch_size",
                              "patches of %u pixels, %u to a side of a token: at most %d, and %d pixels in all, are "
                              "possible", facts->patch_size, facts->merge_size, MAX_MERGE, MAX_ALIGNMENT);
    static const einf_preprocess defaults = {.struct_size = sizeof defaults};
    const einf_preprocess *o = options ? options : &defaults;
    EINF_TRY(check_rule(o, err));
    if (rule_of(o) == EINF_RESIZE_LONGEST_EDGE && o->longest_edge != 0)
        return check_side(o->longest_edge, "longest_edge", err);
    if (rule_of(o) == EINF_RESIZE_BOX) {
        EINF_TRY(check_side(o->box_width, "box_width", err));
        return check_side(o->box_height, "box_height", err);
    }
    pixel_limits limits = {0};
    return rule_of(o) == EINF_RESIZE_PIXELS ? limits_of(o, facts, &limits, err) : EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- rules -- */

static uint64_t aligned_up(uint64_t side, uint64_t alignment)
{
    return (side + alignment - 1) / alignment * alignment;
}

/* To the nearest multiple; half-way, to the even one, as Python's round does. */
static uint64_t aligned_nearest(uint64_t side, uint64_t alignment)
{
    const uint64_t whole = side / alignment, twice_rest = 2 * (side % alignment);
    const bool up = twice_rest > alignment || (twice_rest == alignment && whole % 2 == 1);
    return (whole + up) * alignment;
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value < least ? least : value;
}

/* smart_resize of Hugging Face transformers (5.23; older versions had no lower bound of one multiple where they reduce,
 * so that a very flat picture got a side of 0). */
static void size_by_pixels(extent picture, uint64_t alignment, const pixel_limits *limits, extent *clamped, extent *out)
{
    const double width = (double)picture.width, height = (double)picture.height, unit = (double)alignment;
    *clamped = picture;
    *out = (extent){aligned_nearest(picture.width, alignment), aligned_nearest(picture.height, alignment)};
    const uint64_t pixels = out->width * out->height;
    if (pixels > limits->max) {
        const double beta = sqrt(height * width / (double)limits->max);
        out->width = at_least((uint64_t)floor(width / beta / unit) * alignment, alignment);
        out->height = at_least((uint64_t)floor(height / beta / unit) * alignment, alignment);
        *clamped = (extent){at_least((uint64_t)(width / beta), 1), at_least((uint64_t)(height / beta), 1)};
    } else if (pixels < limits->min) {
        const double beta = sqrt((double)limits->min / (height * width));
        out->width = (uint64_t)ceil(width * beta / unit) * alignment;
        out->height = (uint64_t)ceil(height * beta / unit) * alignment;
        *clamped = (extent){(uint64_t)ceil(width * beta), (uint64_t)ceil(height * beta)};
    }
}

/* llama.cpp of May to November 2025: its factor is a float, and fractions are cut off. A side that vanished there, and
 * with it the picture, has one pixel here. */
static extent clamped_to(extent picture, uint32_t limit_width, uint32_t limit_height)
{
    const float width = (float)picture.width, height = (float)picture.height;
    const float scale = fminf(1.0f, fminf((float)limit_width / width, (float)limit_height / height));
    return (extent){at_least((uint64_t)(width * scale), 1), at_least((uint64_t)(height * scale), 1)};
}

static einf_status check_picture(int32_t rule, uint32_t width, uint32_t height, einf_error *err)
{
    if (width == 0 || height == 0)
        return einf__fail_arg(err, width == 0 ? "width" : "height", "a picture of %u x %u pixels is empty", width,
                              height);
    if (width > MAX_SIDE || height > MAX_SIDE)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, width > MAX_SIDE ? "width" : "height",
                          "cut the picture into parts", "a picture of %u x %u pixels: no side may be longer than %d",
                          width, height, MAX_SIDE);
    const uint32_t longer = width > height ? width : height, shorter = width > height ? height : width;
    if (rule == EINF_RESIZE_PIXELS && longer > MAX_ASPECT * (uint64_t)shorter)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "aspect",
                          "cut the picture into parts, or choose another rule of size",
                          "a picture of %u x %u pixels: one side is more than %d times the other", width, height,
                          MAX_ASPECT);
    return EINF_OK;
}

/* The rule alone: limits that it has, the clamped size, and the size on the encoder's grid. */
static einf_status apply_rule(const einf_preprocess *o, const einf__preprocess_facts *facts, extent picture,
                              einf_image_sizes *out, extent *clamped, extent *aligned, einf_error *err)
{
    const uint64_t alignment = alignment_of(facts);
    if (out->rule == EINF_RESIZE_PIXELS) {
        pixel_limits limits = {0};
        EINF_TRY(limits_of(o, facts, &limits, err));
        out->min_pixels = limits.min;
        out->max_pixels = limits.max;
        size_by_pixels(picture, alignment, &limits, clamped, aligned);
        return EINF_OK;
    }
    *clamped = picture;
    if (out->rule != EINF_RESIZE_NONE) {
        const uint32_t edge = o->longest_edge ? o->longest_edge : DEFAULT_LONGEST_EDGE;
        out->limit_width = out->rule == EINF_RESIZE_BOX ? o->box_width : edge;
        out->limit_height = out->rule == EINF_RESIZE_BOX ? o->box_height : edge;
        *clamped = clamped_to(picture, out->limit_width, out->limit_height);
    }
    *aligned = (extent){aligned_up(clamped->width, alignment), aligned_up(clamped->height, alignment)};
    return EINF_OK;
}

einf_status einf__preprocess_sizes(const einf_preprocess *options, const einf__preprocess_facts *facts, uint32_t width,
                                   uint32_t height, einf_image_sizes *out, einf_error *err)
{
    EINF_TRY(einf__preprocess_check(options, facts, err));
    static const einf_preprocess defaults = {.struct_size = sizeof defaults};
    const einf_preprocess *o = options ? options : &defaults;
    EINF_TRY(check_picture(rule_of(o), width, height, err));
    einf_image_sizes s = {.struct_size = sizeof s, .rule = rule_of(o), .filter = o->filter, .nominal_width = width,
                          .nominal_height = height};
    extent clamped = {0}, aligned = {0};
    EINF_TRY(apply_rule(o, facts, (extent){width, height}, &s, &clamped, &aligned, err));
    const uint64_t alignment = alignment_of(facts), n_x = aligned.width / alignment, n_y = aligned.height / alignment;
    if (n_x > EINF__MAX_IMAGE_TOKENS || n_y > EINF__MAX_IMAGE_TOKENS || n_x * n_y > EINF__MAX_IMAGE_TOKENS)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "tokens", "limit the size by the rule of the preprocessor",
                          "%u x %u pixels become %llu x %llu tokens, more than %d", width, height,
                          (unsigned long long)n_x, (unsigned long long)n_y, EINF__MAX_IMAGE_TOKENS);
    s.clamped_width = (uint32_t)clamped.width;
    s.clamped_height = (uint32_t)clamped.height;
    s.width = (uint32_t)aligned.width;
    s.height = (uint32_t)aligned.height;
    s.n_patches_x = s.width / facts->patch_size;
    s.n_patches_y = s.height / facts->patch_size;
    s.n_patches = s.n_patches_x * s.n_patches_y;
    s.n_tokens_x = (uint32_t)n_x;
    s.n_tokens_y = (uint32_t)n_y;
    s.n_tokens = (uint32_t)(n_x * n_y);
    s.scale_x = (double)width / (double)s.width;
    s.scale_y = (double)height / (double)s.height;
    *out = s;
    return EINF_OK;
}

/* -------------------------------------------------------------------------------------------------- pixels -- */

void einf__pixel_values_init(einf__pixel_values *v, const float mean[3], const float std[3])
{
    for (int c = 0; c < 3; c++)
        for (int byte = 0; byte < 256; byte++) v->of[c][byte] = ((float)byte / 255.0f - mean[c]) / std[c];
}

void einf__normalize(const einf__pixel_values *v, const uint8_t *rgb, uint32_t width, uint32_t height, float *out)
{
    const uint64_t n = (uint64_t)width * height;
    for (uint64_t c = 0; c < 3; c++)
        for (uint64_t i = 0; i < n; i++) out[c * n + i] = v->of[c][rgb[3 * i + c]];
}
