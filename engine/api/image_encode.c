/* SPDX-License-Identifier: MIT
 * image_encode.c - a picture to rows: planned, resized, encoded or remembered, and appended to a session.
 *
 * Memory is taken for the time of a call, as much as the plan says: the resized pixels, and beside them first what
 * resizing needs and then what encoding needs.
 */
#include <string.h>
#include <time.h>

#include <xxhash.h>

#include "engine/api/vision_internal.h"
#include "engine/base/checked_math.h"
#include "vision/resize.h"

static double now_s(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* -------------------------------------------------------------------------------------------------- planning -- */

static uint64_t pixel_bytes(const einf_image_sizes *s) { return (uint64_t)s->width * s->height * 3; }

static uint64_t encoder_bytes(const einf_vision *v, const einf_image_sizes *s)
{
    einf__arena count = einf__arena_counting();
    einf__encoder counted;
    einf__encoder_lay_out(&count, &v->rt->kernels, &v->config, &v->params, s->n_patches_x, s->n_patches_y, &counted);
    return count.failed ? UINT64_MAX : count.used_bytes;
}

/* From width x height: of the picture as it is, which may have been decoded smaller than its nominal size. */
static uint64_t resize_bytes(const einf_image_sizes *s, uint32_t width, uint32_t height)
{
    return einf__resize_bytes(width, height, s->width, s->height, s->filter);
}

einf_status einf__vision_sizes(const einf_vision *v, uint32_t width, uint32_t height, const einf_preprocess *preprocess,
                               einf_image_sizes *out, einf_error *err)
{
    if (preprocess) EINF__NEED_STRUCT(preprocess, einf_preprocess, err);
    EINF_TRY(einf__preprocess_sizes(preprocess, &v->config.facts, width, height, out, err));
    out->n_macs = einf__encoder_macs(&v->config, out->n_patches_x, out->n_patches_y);
    const uint64_t beside = max_u64(encoder_bytes(v, out), resize_bytes(out, width, height));
    if (!einf__add_u64(pixel_bytes(out), beside, &out->encode_bytes)) out->encode_bytes = UINT64_MAX;
    return EINF_OK;
}

einf_status einf_vision_plan(const einf_vision *v, uint32_t width, uint32_t height, const einf_preprocess *preprocess,
                             einf_image_sizes *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(v, err);
    EINF__NEED_STRUCT(out, einf_image_sizes, err);
    return einf__vision_sizes(v, width, height, preprocess, out, err);
}

/* What else than the pixels decides about the rows. */
static einf__image_key key_of(const einf_vision *v, const einf_image *image, const einf_image_sizes *s)
{
    const uint64_t facts[] = { image->key.low, image->key.high, v->hash, s->width, s->height, (uint64_t)s->filter,
                               (uint64_t)v->params.path, v->params.exact, (uint64_t)v->params.float_sum };
    const XXH128_hash_t hash = XXH3_128bits(facts, sizeof facts);
    return (einf__image_key){ hash.low64, hash.high64 };
}

einf_status einf__picture_plan(const einf_vision *v, const einf_image *image, const einf_preprocess *preprocess,
                               einf__picture *out, einf_error *err)
{
    const einf__image *px = &image->pixels;
    if (image->rt != v->rt)
        return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "image", "open both on one runtime",
                          "the picture and the encoder belong to different runtimes");
    out->sizes = (einf_image_sizes)EINF_INIT(einf_image_sizes);
    EINF_TRY(einf__vision_sizes(v, px->full_width, px->full_height, preprocess, &out->sizes, err));
    out->image = image;
    out->key = key_of(v, image, &out->sizes);
    return EINF_OK;
}

/* -------------------------------------------------------------------------------------------------- encoding -- */

/* Is there room under the ceiling for all that an encoding will ask for? Better to know before it begins. */
static einf_status check_memory(einf_vision *v, uint64_t n_bytes, einf_error *err)
{
    EINF_TRY(einf__memory_reserve(&v->rt->memory, n_bytes, "encoding a picture", err));
    einf__memory_unreserve(&v->rt->memory, n_bytes);
    return EINF_OK;
}

static einf_status resize(einf_vision *v, const einf__picture *p, const einf_cancel *cancel_a,
                          const einf_cancel *cancel_b, uint8_t *rgb, einf_error *err)
{
    const einf__image *from = &p->image->pixels;
    einf__pool *pool = v->rt->pool;
    const einf__resize job = { .src = from->rgb, .dst = rgb, .src_width = from->width, .src_height = from->height,
                               .dst_width = p->sizes.width, .dst_height = p->sizes.height, .filter = p->sizes.filter,
                               .kernels = &v->rt->kernels, .pool = pool, .cancel_a = cancel_a, .cancel_b = cancel_b };
    EINF_TRY(einf__pool_acquire(pool, cancel_a, cancel_b, err));
    const einf_status status = einf__resize_run(&job, &v->rt->memory, err);
    einf__pool_release(pool);
    return status;
}

/* The resized pixels, owned by the caller: pixel_bytes. */
static einf_status make_pixels(einf_vision *v, const einf__picture *p, const einf_cancel *cancel_a,
                               const einf_cancel *cancel_b, uint8_t **out, einf_error *err)
{
    void *rgb;
    *out = NULL;
    EINF_TRY(einf__alloc_or_fail(&v->rt->memory, pixel_bytes(&p->sizes), "the resized picture", &rgb, err));
    const einf_status status = resize(v, p, cancel_a, cancel_b, rgb, err);
    if (status != EINF_OK) einf__free(&v->rt->memory, rgb, (size_t)pixel_bytes(&p->sizes));
    else *out = rgb;
    return status;
}

static einf_status encode_pixels(einf_vision *v, const einf__picture *p, const uint8_t *rgb,
                                 const einf__encode_hooks *hooks, float *rows, einf_error *err)
{
    const uint64_t n_bytes = encoder_bytes(v, &p->sizes);
    void *block;
    EINF_TRY(einf__alloc_or_fail(&v->rt->memory, n_bytes, "encoding a picture", &block, err));
    einf__arena arena = einf__arena_over(block, n_bytes);
    einf__encoder e;
    einf__encoder_lay_out(&arena, &v->rt->kernels, &v->config, &v->params, p->sizes.n_patches_x, p->sizes.n_patches_y,
                          &e);
    e.weights = &v->weights;
    const einf_status status = einf__encode(&e, v->rt->pool, rgb, &v->values, hooks, rows, err);
    einf__free(&v->rt->memory, block, (size_t)n_bytes);
    return status;
}

static einf_status compute_rows(einf_vision *v, const einf__picture *p, const einf__encode_hooks *hooks, float *rows,
                                einf_encode_result *result, einf_error *err)
{
    uint8_t *rgb;
    const double start_s = now_s();
    EINF_TRY(check_memory(v, p->sizes.encode_bytes, err));
    EINF_TRY(make_pixels(v, p, hooks->cancel_a, hooks->cancel_b, &rgb, err));
    const double prepared_s = now_s();
    result->preprocess_s = prepared_s - start_s;
    const einf_status status = encode_pixels(v, p, rgb, hooks, rows, err);
    result->encode_s = now_s() - prepared_s;
    einf__free(&v->rt->memory, rgb, (size_t)pixel_bytes(&p->sizes));
    return status;
}

einf_status einf__picture_rows(einf_vision *v, const einf__picture *p, const einf__encode_watch *watch, float *rows,
                               einf_encode_result *result, einf_error *err)
{
    const uint64_t n_floats = einf__picture_floats(v, p);
    *result = (einf_encode_result){ .struct_size = result->struct_size, .sizes = p->sizes };
    if (watch->gross_j) *watch->gross_j = 0;
    result->cached = einf__image_cache_find(&v->cache, p->key, rows, n_floats);
    if (result->cached) return EINF_OK;
    const einf__phase phase = einf__phase_begin(v->rt, EINF_PHASE_IMAGE, p->sizes.n_tokens, watch->parent);
    const einf_status status = compute_rows(v, p, &watch->hooks, rows, result, err);
    einf__phase_end(&phase, p->sizes.n_tokens, status, watch->gross_j);
    if (status == EINF_OK) einf__image_cache_keep(&v->cache, p->key, rows, n_floats);
    return status;
}

/* ------------------------------------------------------------------------------------------ on a timeline -- */

/* splitmix64's finaliser: neighbouring rows get keys that have nothing in common. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void einf__picture_row_keys(const einf__picture *p, int32_t *out)
{
    for (uint32_t i = 0; i < p->sizes.n_tokens; i++)
        out[i] = -2 - (int32_t)(mix(p->key.low + mix(p->key.high + i)) & 0x3fffffff);
}

int32_t einf__picture_positions(const einf__picture *p, int32_t start, int32_t (*out)[4])
{
    const uint32_t n_x = p->sizes.n_tokens_x, n_y = p->sizes.n_tokens_y;
    for (uint32_t i = 0; i < p->sizes.n_tokens; i++) {
        out[i][0] = out[i][3] = start;
        out[i][1] = start + (int32_t)(i / n_x);
        out[i][2] = start + (int32_t)(i % n_x);
    }
    return start + (int32_t)(n_x > n_y ? n_x : n_y);
}

/* ------------------------------------------------------------------------------------------ public functions -- */

static einf_status check_room(uint64_t n_floats, uint64_t max_floats, einf_error *err)
{
    if (n_floats <= max_floats) return EINF_OK;
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "max_floats", "einf_vision_plan tells sizes before",
                      "the result has %llu numbers, there is room for %llu", (unsigned long long)n_floats,
                      (unsigned long long)max_floats);
}

einf_status einf_vision_preprocess(einf_vision *v, const einf_image *image, const einf_preprocess *preprocess,
                                   float *pixels, uint64_t max_floats, einf_image_sizes *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(v, err);
    EINF__NEED(image, err);
    if (max_floats) EINF__NEED(pixels, err);
    if (out) EINF__NEED_STRUCT(out, einf_image_sizes, err);
    EINF_TRY(einf__check_process(v->rt, err));
    einf__picture p;
    uint8_t *rgb;
    EINF_TRY(einf__picture_plan(v, image, preprocess, &p, err));
    if (out) {
        const uint32_t struct_size = out->struct_size;
        *out = p.sizes;
        out->struct_size = struct_size;
    }
    EINF_TRY(check_room(pixel_bytes(&p.sizes), max_floats, err));
    einf__vision_retain(v);
    const einf_status status = make_pixels(v, &p, NULL, NULL, &rgb, err);
    if (status == EINF_OK) einf__normalize(&v->values, rgb, p.sizes.width, p.sizes.height, pixels);
    einf__free(&v->rt->memory, rgb, (size_t)pixel_bytes(&p.sizes));
    einf__vision_release(v);
    return status;
}

static einf_status check_encode(const einf_vision *v, const einf_image *image, const einf_encode_config **config,
                                einf_encode_result **result, einf_encode_result *unused, einf_error *err)
{
    static const einf_encode_config defaults = EINF_INIT(einf_encode_config);
    EINF__NEED(v, err);
    EINF__NEED(image, err);
    if (!*config) *config = &defaults;
    if (!*result) *result = unused;
    EINF__NEED_STRUCT(*config, einf_encode_config, err);
    EINF__NEED_STRUCT(*result, einf_encode_result, err);
    return einf__check_process(v->rt, err);
}

static einf__encode_watch watch_of(const einf_encode_config *c)
{
    return (einf__encode_watch){ .hooks = { .cancel_a = c->cancel, .progress = c->progress,
                                            .progress_user = c->progress_user } };
}

einf_status einf_vision_encode(einf_vision *v, const einf_image *image, const einf_encode_config *config, float *rows,
                               uint64_t max_floats, einf_encode_result *result, einf_error *err)
{
    EINF__BEGIN(err);
    einf_encode_result unused = EINF_INIT(einf_encode_result);
    EINF_TRY(check_encode(v, image, &config, &result, &unused, err));
    if (max_floats) EINF__NEED(rows, err);
    einf__picture p;
    EINF_TRY(einf__picture_plan(v, image, config->preprocess, &p, err));
    result->sizes = p.sizes;
    EINF_TRY(check_room(einf__picture_floats(v, &p), max_floats, err));
    const einf__encode_watch watch = watch_of(config);
    einf__vision_retain(v);
    const einf_status status = einf__picture_rows(v, &p, &watch, rows, result, err);
    einf__vision_release(v);
    return status;
}

/* Rows, keys and positions of a picture in one block, on their way to a session. */
typedef struct appended {
    float *rows;            /* [n_tokens, row_width] */
    int32_t *keys;          /* [n_tokens] */
    int32_t (*positions)[4];
} appended;

static void lay_out(einf__arena *a, const einf_vision *v, const einf__picture *p, appended *out)
{
    out->rows = EINF__CARVE(a, float, einf__picture_floats(v, p));
    out->keys = EINF__CARVE(a, int32_t, p->sizes.n_tokens);
    out->positions = einf__arena_take(a, p->sizes.n_tokens, sizeof *out->positions);
}

static einf_status append_picture(einf_session *s, einf_vision *v, const einf__picture *p, const appended *a,
                                  const einf_cancel *cancel, einf_error *err)
{
    einf__timeline *t = &s->timeline;
    einf__picture_row_keys(p, a->keys);
    (void)einf__picture_positions(p, einf__session_next_position(t, t->n_past), a->positions);
    einf_batch batch = EINF_INIT(einf_batch);
    batch.rows = a->rows;
    batch.n = p->sizes.n_tokens;
    batch.row_width = v->config.row_width;
    batch.row_keys = a->keys;
    batch.positions = (const int32_t (*)[4])a->positions;
    batch.cancel = cancel;
    const einf__phase phase = einf__phase_begin(v->rt, EINF_PHASE_PREFILL, batch.n, 0);
    const einf_status status = einf__session_append(t, &batch, err);
    einf__phase_end(&phase, batch.n, status, NULL);
    return status;
}

/* The session has been entered. */
static einf_status encode_and_append(einf_session *s, einf_vision *v, const einf__picture *p,
                                     const einf_encode_config *config, einf_encode_result *result, einf_error *err)
{
    einf__arena count = einf__arena_counting();
    appended a;
    void *block;
    lay_out(&count, v, p, &a);
    EINF_TRY(einf__alloc_or_fail(&v->rt->memory, count.used_bytes, "the rows of a picture", &block, err));
    einf__arena arena = einf__arena_over(block, count.used_bytes);
    lay_out(&arena, v, p, &a);
    einf__encode_watch watch = watch_of(config);
    watch.hooks.cancel_b = s->timeline.cancel;
    einf_status status = einf__picture_rows(v, p, &watch, a.rows, result, err);
    if (status == EINF_OK) status = append_picture(s, v, p, &a, config->cancel, err);
    einf__free(&v->rt->memory, block, (size_t)count.used_bytes);
    return status;
}

einf_status einf_session_append_image(einf_session *s, einf_vision *v, const einf_image *image,
                                      const einf_encode_config *config, einf_encode_result *result, einf_error *err)
{
    EINF__BEGIN(err);
    einf_encode_result unused = EINF_INIT(einf_encode_result);
    EINF__NEED(s, err);
    EINF_TRY(check_encode(v, image, &config, &result, &unused, err));
    EINF_TRY(einf_vision_check_model(v, s->model, err));
    einf__picture p;
    EINF_TRY(einf__picture_plan(v, image, config->preprocess, &p, err));
    EINF_TRY(einf__session_enter(s, err));
    einf__vision_retain(v);
    const einf_status status = encode_and_append(s, v, &p, config, result, err);
    einf__vision_release(v);
    einf__session_leave(s);
    return status;
}
