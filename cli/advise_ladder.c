/* SPDX-License-Identifier: MIT
 * advise_ladder.c - limits from large to small, their sizes, and the knee.
 *
 * Sizes come from einf_vision_plan alone: what is printed is what the encoder would get. Tokens never fall when the
 * limit grows, so that the knee is found by halving.
 */
#include "cli/advise_ladder.h"

#include <stdio.h>

enum { MOST_TOKENS = 16384, DEFAULT_MIN_TOKENS = 8, DEFAULT_MAX_TOKENS = 4096 }; /* as in vision.h */

uint32_t advise_tokens_of(const einf_vision_info *v, uint64_t pixels)
{
    const uint64_t side = (uint64_t)v->patch_size * v->merge_size;
    const uint64_t n = side ? pixels / (side * side) : 0;
    return n > MOST_TOKENS ? MOST_TOKENS : (uint32_t)n;
}

static einf_status plan_limit(const einf_vision *v, const einf_preprocess *base, const advise_ladder *l,
                              uint32_t max_tokens, advise_setting *out, einf_error *err)
{
    *out = (advise_setting){ .preprocess = *base, .max_tokens = max_tokens, .sizes = EINF_INIT(einf_image_sizes) };
    out->preprocess.rule = EINF_RESIZE_PIXELS;
    out->preprocess.max_tokens = max_tokens;
    out->preprocess.max_pixels = 0;
    snprintf(out->option, sizeof out->option, "--image-max-tokens %u", (unsigned)max_tokens);
    const einf_status status = einf_vision_plan(v, l->width, l->height, &out->preprocess, &out->sizes, err);
    out->is_beyond = max_tokens > l->limit_tokens && out->sizes.n_tokens > l->limit_tokens;
    return status;
}

/* The least limit in [low, high] that makes of the picture what high makes of it. */
static einf_status find_knee(const einf_vision *v, const einf_preprocess *base, const advise_ladder *l, uint32_t low,
                             uint32_t high, uint32_t *out, einf_error *err)
{
    advise_setting best, s;
    einf_status status = plan_limit(v, base, l, high, &best, err);
    while (status == EINF_OK && low < high) {
        const uint32_t middle = low + (high - low) / 2;
        status = plan_limit(v, base, l, middle, &s, err);
        if (s.sizes.width == best.sizes.width && s.sizes.height == best.sizes.height) high = middle;
        else low = middle + 1;
    }
    *out = high;
    return status;
}

static einf_status add_step(const einf_vision *v, const einf_preprocess *base, uint32_t max_tokens, advise_ladder *l,
                            einf_error *err)
{
    if (l->n == ADVISE_MAX_SETTINGS || (l->n > 0 && l->items[l->n - 1].max_tokens == max_tokens)) return EINF_OK;
    const einf_status status = plan_limit(v, base, l, max_tokens, &l->items[l->n], err);
    if (status == EINF_OK) l->n_steps = ++l->n;
    return status;
}

/* 4096, 3072, 2048, 1536, ... below a number: halves and three quarters of powers of two, which people remember. */
static uint32_t next_step(uint32_t below)
{
    for (uint32_t power = 1u << 14; power >= 2; power /= 2) {
        if (power < below) return power;
        if (power / 4 * 3 < below) return power / 4 * 3;
    }
    return 1;
}

static einf_status add_own_steps(const einf_vision *v, const einf_preprocess *base, advise_ladder *l, einf_error *err)
{
    uint32_t whole, knee;
    einf_status status = find_knee(v, base, l, l->min_tokens, MOST_TOKENS, &whole, err);
    if (status == EINF_OK) status = find_knee(v, base, l, l->min_tokens, l->limit_tokens, &knee, err);
    if (status == EINF_OK && whole > l->limit_tokens) status = add_step(v, base, whole, l, err);
    if (status == EINF_OK) status = add_step(v, base, l->limit_tokens, l, err);
    if (status == EINF_OK) status = add_step(v, base, knee, l, err);
    if (status != EINF_OK) return status;
    for (uint32_t step = next_step(knee); step > l->min_tokens && status == EINF_OK; step = next_step(step))
        status = add_step(v, base, step, l, err);
    if (status == EINF_OK && knee > l->min_tokens) status = add_step(v, base, l->min_tokens, l, err);
    return status;
}

/* A clamp that makes too much of the picture is told, and is no failure. */
static void add_clamps(const einf_vision *v, const einf_preprocess *base, advise_ladder *l)
{
    static const uint32_t edges[] = { 1024, 854, 714 };
    for (size_t i = 0; i < sizeof edges / sizeof edges[0] && l->n < ADVISE_MAX_SETTINGS; i++) {
        advise_setting *s = &l->items[l->n++];
        *s = (advise_setting){ .preprocess = *base, .sizes = EINF_INIT(einf_image_sizes) };
        s->preprocess.rule = EINF_RESIZE_LONGEST_EDGE;
        s->preprocess.longest_edge = edges[i];
        s->preprocess.min_tokens = s->preprocess.max_tokens = 0;
        s->preprocess.min_pixels = s->preprocess.max_pixels = 0;
        snprintf(s->option, sizeof s->option, "--longest-edge %u", (unsigned)edges[i]);
        s->is_refused = einf_vision_plan(v, l->width, l->height, &s->preprocess, &s->sizes, NULL) != EINF_OK;
        s->is_beyond = s->sizes.n_tokens > l->limit_tokens;
    }
}

static void find_limits(const einf_vision_info *v, const einf_preprocess *base, advise_ladder *l)
{
    const uint32_t least = advise_tokens_of(v, v->min_pixels), most = advise_tokens_of(v, v->max_pixels);
    l->limit_is_options = base->max_tokens > 0;
    l->limit_is_files = !l->limit_is_options && v->has_limits;
    l->min_tokens = base->min_tokens ? base->min_tokens : least ? least : DEFAULT_MIN_TOKENS;
    l->limit_tokens = base->max_tokens ? base->max_tokens : most ? most : DEFAULT_MAX_TOKENS;
    if (l->min_tokens > l->limit_tokens) l->min_tokens = l->limit_tokens;
}

/* top: the largest step within the limit; of a list that is all beyond, its last. */
static void find_top(advise_ladder *l)
{
    l->top = 0;
    while (l->top < l->n_steps - 1 && l->items[l->top].max_tokens > l->limit_tokens) l->top++;
    l->knee = l->top;
    while (l->knee < l->n_steps - 1 && l->items[l->knee + 1].sizes.n_tokens == l->items[l->top].sizes.n_tokens)
        l->knee++;
}

einf_status advise_ladder_make(const einf_vision *v, const einf_preprocess *base, uint32_t width, uint32_t height,
                               const int32_t *limits, int n_limits, advise_ladder *out, einf_error *err)
{
    einf_vision_info info = EINF_INIT(einf_vision_info);
    advise_setting whole;
    einf_status status = einf_vision_get_info(v, &info, err);
    *out = (advise_ladder){ .width = width, .height = height };
    find_limits(&info, base, out);
    if (status == EINF_OK) status = plan_limit(v, base, out, MOST_TOKENS, &whole, err);
    if (status == EINF_OK) out->own_tokens = whole.sizes.n_tokens;
    if (status == EINF_OK && n_limits == 0) status = add_own_steps(v, base, out, err);
    for (int i = 0; i < n_limits && status == EINF_OK; i++) status = add_step(v, base, (uint32_t)limits[i], out, err);
    if (status != EINF_OK) return status;
    find_top(out);
    add_clamps(v, base, out);
    return EINF_OK;
}
