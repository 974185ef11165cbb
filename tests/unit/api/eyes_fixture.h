/* SPDX-License-Identifier: MIT
 * eyes_fixture.h - the model with eyes that ships, behind a counting allocator, and pictures made here, for the tests
 * of this folder that look at something.
 */
#ifndef TESTS_EYES_FIXTURE_H
#define TESTS_EYES_FIXTURE_H

#include <edgeinfer/vision.h>

#include "tests/unit/api/api_fixture.h"

#define TRAFFIC "models/traffic-vl/"

typedef struct eyes {
    fixture f; /* f.m is the language model */
    einf_vision *v;
} eyes;

static inline void eyes_open_with(eyes *e, const einf_runtime_config *runtime, const einf_vision_config *vision)
{
    memset(e, 0, sizeof *e);
    test_heap_init(&e->f.heap, 0);
    e->f.err = test_error();
    fixture_runtime(&e->f, runtime);
    assert_ok(einf_model_open(e->f.rt, TRAFFIC "traffic-vl-Q4_K_M.gguf", NULL, &e->f.m, &e->f.err), &e->f.err);
    assert_ok(einf_vision_open(e->f.rt, TRAFFIC "mmproj-traffic-vl-F16.gguf", vision, &e->v, &e->f.err), &e->f.err);
}

static inline void eyes_open(eyes *e) { eyes_open_with(e, NULL, NULL); }

static inline void eyes_session(eyes *e, uint32_t n_ctx)
{
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = n_ctx;
    assert_ok(einf_session_create(e->f.m, &c, &e->f.s, &e->f.err), &e->f.err);
}

static inline void eyes_close(eyes *e)
{
    e->f.err = test_error();
    assert_ok(einf_session_destroy(&e->f.s, &e->f.err), &e->f.err);
    assert_ok(einf_vision_close(&e->v, &e->f.err), &e->f.err);
    assert_null(e->v);
    fixture_close(&e->f);
}

/* A picture with something in it, of another look for every seed. */
static inline einf_image *eyes_picture(eyes *e, uint32_t width, uint32_t height, uint32_t seed)
{
    uint8_t *rgb = malloc((size_t)width * height * 3);
    einf_image *image;
    for (uint32_t i = 0; i < width * height * 3; i++) {
        const uint32_t x = i / 3 % width, y = i / 3 / width;
        rgb[i] = (uint8_t)((x * (3 + seed % 5) + y * (1 + seed) + 40 * (i % 3)) ^ (x * y * seed >> 6));
    }
    assert_ok(einf_image_from_pixels(e->f.rt, rgb, (uint64_t)width * height * 3, EINF_PIXELS_RGB, width, height, 0,
                                     NULL, &image, &e->f.err), &e->f.err);
    free(rgb);
    return image;
}

static inline einf_image *eyes_scene(eyes *e, const char *name)
{
    char path[128];
    einf_image *image;
    (void)snprintf(path, sizeof path, TRAFFIC "heldout/%s", name);
    assert_ok(einf_image_open(e->f.rt, path, NULL, &image, &e->f.err), &e->f.err);
    return image;
}

static inline einf_vision_info eyes_info(const eyes *e)
{
    einf_error err = test_error();
    einf_vision_info info = EINF_INIT(einf_vision_info);
    assert_ok(einf_vision_get_info(e->v, &info, &err), &err);
    return info;
}

/* What an answer is collected in. */
typedef struct said {
    char text[512];
    size_t n;
} said;

static inline int32_t hear(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    said *t = user;
    (void)token_id;
    if (t->n + n_bytes >= sizeof t->text) return 1;
    memcpy(t->text + t->n, utf8, (size_t)n_bytes);
    t->text[t->n += (size_t)n_bytes] = '\0';
    return 0;
}

#endif
