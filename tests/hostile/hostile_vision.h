/* SPDX-License-Identifier: MIT
 * hostile_vision.h - a vision encoder's file that nobody vouches for: opened, and what came of it is let look at a
 * small picture, under a ceiling of memory.
 *
 * What a picture will take is the file's affair: a plan of more than MOST_MACS is not carried out, for it is no
 * mistake. What is carried out ends soon, and within its plan.
 */
#ifndef TESTS_HOSTILE_VISION_H
#define TESTS_HOSTILE_VISION_H

#include <edgeinfer/vision.h>

#include "tests/hostile/hostile_support.h"

#define MOST_MACS (UINT64_C(1) << 27)
enum { MOST_ROWS_BYTES = 16 << 20 };

static inline void vision_host_open(host *h) { host_open_within(h, MOST_MEMORY); }

static inline einf_image *vision_host_image(host *h, uint32_t width, uint32_t height)
{
    einf_error err = test_error();
    einf_image *image;
    uint8_t *rgb = malloc((size_t)width * height * 3);
    assert_non_null(rgb);
    for (uint32_t i = 0; i < width * height * 3; i++) rgb[i] = (uint8_t)(i * 7 ^ i >> 5);
    assert_ok(einf_image_from_pixels(h->rt, rgb, (uint64_t)width * height * 3, EINF_PIXELS_RGB, width, height, 0, NULL,
                                     &image, &err), &err);
    free(rgb);
    return image;
}

/* As planned: the same tokens, no more memory, and rows that end where they should. True when it was encoded. */
static inline bool carry_out(host *h, einf_vision *v, const einf_image *image, const einf_image_sizes *plan)
{
    einf_error err = test_error();
    einf_vision_info info = EINF_INIT(einf_vision_info);
    einf_encode_result result = EINF_INIT(einf_encode_result);
    assert_ok(einf_vision_get_info(v, &info, &err), &err);
    const uint64_t n_floats = (uint64_t)plan->n_tokens * info.row_width, before = h->heap.live_bytes;
    if (plan->n_macs > MOST_MACS || n_floats > MOST_ROWS_BYTES / sizeof(float)) return false;
    float *rows = malloc((size_t)n_floats * sizeof *rows);
    assert_non_null(rows);
    h->heap.peak_bytes = before;
    const einf_status status = einf_vision_encode(v, image, NULL, rows, n_floats, &result, &err);
    free(rows);
    if (status != EINF_OK) {
        assert_good_refusal(status, &err);
        assert_int_equal(status, EINF_E_LIMIT); /* memory alone can be in the way */
        return false;
    }
    assert_int_equal(result.sizes.n_tokens, plan->n_tokens);
    assert_int_equal(h->heap.peak_bytes - before, plan->encode_bytes);
    assert_int_equal(h->heap.live_bytes, before);
    return true;
}

/* Plan and encode a picture of this size. */
static inline void look(host *h, einf_vision *v, uint32_t width, uint32_t height)
{
    einf_error err = test_error();
    einf_image_sizes plan = EINF_INIT(einf_image_sizes);
    const einf_status status = einf_vision_plan(v, width, height, NULL, &plan, &err);
    if (status != EINF_OK) {
        assert_good_refusal(status, &err);
        return;
    }
    einf_image *image = vision_host_image(h, width, height);
    h->n_answered += carry_out(h, v, image, &plan);
    einf_image_close(&image);
}

/* Open what is in memory, and if it opens let it look; true when it opened. err says why not. */
static inline bool survive_vision(host *h, const uint8_t *file, size_t n_bytes, const uint32_t size[2],
                                  einf_error *err)
{
    einf_vision *v = NULL;
    einf_vision_config c = EINF_INIT(einf_vision_config);
    const double start_s = seconds();
    c.cache_bytes = EINF_CACHE_NONE;
    *err = test_error();
    h->heap.peak_bytes = h->heap.live_bytes;
    const einf_status status = einf_vision_open_memory(h->rt, file, n_bytes, &c, &v, err);
    if (status != EINF_OK) {
        assert_good_refusal(status, err);
        assert_null(v);
        assert_true(err->offset == EINF_NO_OFFSET || err->offset <= n_bytes);
        h->n_refused++;
    } else {
        h->n_opened++;
        look(h, v, size[0], size[1]);
        assert_int_equal(einf_vision_close(&v, NULL), EINF_OK);
    }
    assert_int_equal(h->heap.live_bytes, h->empty_bytes);
    assert_true(h->heap.peak_bytes <= MOST_MEMORY);
    assert_true(seconds() - start_s < test_patience_s());
    return status == EINF_OK;
}

#endif
