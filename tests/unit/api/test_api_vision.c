/* SPDX-License-Identifier: MIT
 * test_api_vision.c - encoders and pictures through the public functions: who belongs to whom, what is planned and
 * taken, what is remembered, and how an encoding is stopped.
 */
#include "tests/unit/api/eyes_fixture.h"

#include <math.h>

enum { WIDTH = 256, MAX_ROWS = 96 };

static einf_image_sizes plan_of(eyes *e, uint32_t width, uint32_t height, const einf_preprocess *p)
{
    einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
    assert_ok(einf_vision_plan(e->v, width, height, p, &sizes, &e->f.err), &e->f.err);
    return sizes;
}

/* ----------------------------------------------------------------------------------------------- ownership -- */

static void test_facts(void **state)
{
    eyes e;
    (void)state;
    eyes_open(&e);
    const einf_vision_info info = eyes_info(&e);
    assert_string_equal(info.projector, "qwen2vl_merger");
    assert_string_equal(info.activation, "quick_gelu");
    assert_string_equal(info.name, "traffic-vl");
    assert_string_equal(info.file_type, "F16");
    assert_int_equal(info.n_layer, 4);
    assert_int_equal(info.n_embd, 256);
    assert_int_equal(info.row_width, 256);
    assert_int_equal(info.patch_size * info.merge_size, 28);
    assert_int_equal(info.has_limits, 1);
    assert_int_equal(info.min_pixels, 6272);
    assert_int_equal(info.max_pixels, 75264);
    assert_near(info.mean[0], 0.48145467, 1e-6, 0);
    eyes_close(&e);
}

static void test_lifetimes(void **state)
{
    eyes e;
    (void)state;
    eyes_open(&e);
    einf_image *image = eyes_picture(&e, 64, 48, 1);
    einf_chat *chat;
    einf_chat_config config = EINF_INIT(einf_chat_config);
    config.vision = e.v;
    eyes_session(&e, 256);
    assert_ok(einf_chat_create(e.f.s, &config, &chat, &e.f.err), &e.f.err);

    einf_vision *still = e.v;
    assert_status(einf_vision_close(&still, &e.f.err), &e.f.err, EINF_E_STATE);
    assert_ptr_equal(still, e.v);
    einf_chat_destroy(&chat);
    assert_ok(einf_session_destroy(&e.f.s, &e.f.err), &e.f.err);
    assert_ok(einf_model_close(&e.f.m, &e.f.err), &e.f.err);
    e.f.err = test_error();
    assert_status(einf_runtime_destroy(&e.f.rt, &e.f.err), &e.f.err, EINF_E_STATE); /* encoder and picture */
    assert_error_says(&e.f.err, "2 open");
    assert_ok(einf_vision_close(&e.v, &e.f.err), &e.f.err);
    assert_status(einf_runtime_destroy(&e.f.rt, &e.f.err), &e.f.err, EINF_E_STATE); /* the picture */
    einf_image_close(&image);
    assert_null(image);
    einf_image_close(&image);
    einf_image_close(NULL);
    eyes_close(&e);
}

/* Files that are something else say so; so do encoders of other models. */
static void test_mistaken_files(void **state)
{
    eyes e;
    einf_vision *v;
    einf_model *m;
    (void)state;
    eyes_open(&e);
    assert_status(einf_vision_open(e.f.rt, TRAFFIC "traffic-vl-Q4_K_M.gguf", NULL, &v, &e.f.err), &e.f.err,
                  EINF_E_UNSUPPORTED);
    assert_null(v);
    assert_error_says(&e.f.err, "qwen2vl");
    assert_status(einf_model_open(e.f.rt, TRAFFIC "mmproj-traffic-vl-F16.gguf", NULL, &m, &e.f.err), &e.f.err,
                  EINF_E_UNSUPPORTED);
    assert_error_says(&e.f.err, "clip");
    assert_status(einf_vision_open(e.f.rt, TRAFFIC "heldout/scene-00.png", NULL, &v, &e.f.err), &e.f.err,
                  EINF_E_FORMAT);
    assert_error_says(&e.f.err, "PNG");
    assert_status(einf_vision_open(e.f.rt, TRAFFIC "nothing-here", NULL, &v, &e.f.err), &e.f.err, EINF_E_IO);

    const model_spec other = model_preset(MODEL_LLAMA), narrow = model_preset(MODEL_QWEN2VL);
    size_t n_bytes;
    uint8_t *file = model_file(&other, &n_bytes);
    assert_ok(einf_model_open_memory(e.f.rt, file, n_bytes, NULL, &m, &e.f.err), &e.f.err);
    assert_status(einf_vision_check_model(e.v, m, &e.f.err), &e.f.err, EINF_E_UNSUPPORTED);
    assert_error_says(&e.f.err, "this one is llama");
    assert_ok(einf_model_close(&m, &e.f.err), &e.f.err);
    free(file);
    file = model_file(&narrow, &n_bytes);
    assert_ok(einf_model_open_memory(e.f.rt, file, n_bytes, NULL, &m, &e.f.err), &e.f.err);
    assert_status(einf_vision_check_model(e.v, m, &e.f.err), &e.f.err, EINF_E_FORMAT);
    assert_error_says(&e.f.err, "256 wide, the model's embedding is 64");
    assert_ok(einf_model_close(&m, &e.f.err), &e.f.err);
    free(file);
    assert_ok(einf_vision_check_model(e.v, e.f.m, &e.f.err), &e.f.err);
    eyes_close(&e);
}

static void test_other_runtime(void **state)
{
    eyes a, b;
    static float rows[MAX_ROWS * WIDTH];
    (void)state;
    eyes_open(&a);
    eyes_open(&b);
    einf_image *image = eyes_picture(&b, 64, 64, 1);
    assert_status(einf_vision_encode(a.v, image, NULL, rows, MAX_ROWS * WIDTH, NULL, &a.f.err), &a.f.err, EINF_E_ARG);
    assert_error_says(&a.f.err, "different runtimes");
    assert_status(einf_vision_check_model(a.v, b.f.m, &a.f.err), &a.f.err, EINF_E_ARG);
    einf_image_close(&image);
    eyes_close(&a);
    eyes_close(&b);
}

/* ------------------------------------------------------------------------------------------------ encoding -- */

/* What one encoding takes is what was planned, and nothing stays but what is remembered. */
static void test_planned_memory(void **state)
{
    eyes e;
    static float rows[MAX_ROWS * WIDTH];
    einf_vision_config config = EINF_INIT(einf_vision_config);
    (void)state;
    config.cache_bytes = EINF_CACHE_NONE;
    eyes_open_with(&e, NULL, &config);
    const uint32_t sizes[][2] = { { 28, 28 }, { 640, 480 }, { 1024, 712 }, { 90, 700 } };
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        einf_image *image = eyes_picture(&e, sizes[i][0], sizes[i][1], 3);
        const einf_image_sizes plan = plan_of(&e, sizes[i][0], sizes[i][1], NULL);
        const uint64_t before = e.f.heap.live_bytes;
        e.f.heap.peak_bytes = before;
        assert_ok(einf_vision_encode(e.v, image, NULL, rows, MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err);
        assert_int_equal(e.f.heap.live_bytes, before);
        assert_int_equal(e.f.heap.peak_bytes - before, plan.encode_bytes);
        einf_image_close(&image);
    }
    eyes_close(&e);
}

/* A ceiling too low is named before anything is computed; rows that are only remembered make room first. */
static void test_limited_memory(void **state)
{
    eyes e;
    static float rows[MAX_ROWS * WIDTH];
    einf_runtime_config runtime = EINF_INIT(einf_runtime_config);
    (void)state;
    runtime.n_threads = 1;
    eyes_open_with(&e, &runtime, NULL);
    einf_image *image = eyes_picture(&e, 300, 200, 1), *other = eyes_picture(&e, 300, 200, 2);
    const uint64_t needed = plan_of(&e, 300, 200, NULL).encode_bytes, used = allocated_bytes(e.f.rt);
    einf_image_close(&image);
    einf_image_close(&other);
    eyes_close(&e);

    runtime.ram_limit_bytes = used + needed;
    eyes_open_with(&e, &runtime, NULL);
    image = eyes_picture(&e, 300, 200, 1);
    other = eyes_picture(&e, 300, 200, 2);
    assert_ok(einf_vision_encode(e.v, image, NULL, rows, MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err);
    assert_int_equal(eyes_info(&e).n_cached, 1);
    assert_ok(einf_vision_encode(e.v, other, NULL, rows, MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err);
    assert_int_equal(eyes_info(&e).n_cached, 1);
    einf_image_close(&image);
    einf_image_close(&other);
    eyes_close(&e);

    runtime.ram_limit_bytes = used + needed - 4096;
    eyes_open_with(&e, &runtime, NULL);
    image = eyes_picture(&e, 300, 200, 1);
    other = eyes_picture(&e, 300, 200, 2);
    assert_status(einf_vision_encode(e.v, image, NULL, rows, MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err,
                  EINF_E_LIMIT);
    assert_string_equal(e.f.err.where, "ram_limit_bytes");
    einf_image_close(&image);
    einf_image_close(&other);
    eyes_close(&e);
}

/* What a session needs may be what rows are remembered in: they are given up for it, and the plan knows. */
static void test_cache_makes_room(void **state)
{
    eyes e;
    static float rows[MAX_ROWS * WIDTH];
    einf_session_config config = EINF_INIT(einf_session_config);
    einf_runtime_config runtime = EINF_INIT(einf_runtime_config);
    einf_plan plan = EINF_INIT(einf_plan);
    (void)state;
    runtime.n_threads = 1;
    config.n_ctx = 4096;
    eyes_open_with(&e, &runtime, NULL);
    einf_image *image = eyes_picture(&e, 300, 200, 1);
    assert_ok(einf_session_plan(e.f.m, &config, &plan, &e.f.err), &e.f.err);
    const uint64_t used = allocated_bytes(e.f.rt), session_bytes = plan.kv_bytes + plan.scratch_bytes;
    const uint64_t encode_bytes = plan_of(&e, 300, 200, NULL).encode_bytes;
    einf_image_close(&image);
    eyes_close(&e);

    assert_true(session_bytes > encode_bytes + MAX_ROWS * WIDTH * sizeof(float)); /* else the test shows nothing */
    runtime.ram_limit_bytes = used + session_bytes + 4096;
    eyes_open_with(&e, &runtime, NULL);
    image = eyes_picture(&e, 300, 200, 1);
    assert_ok(einf_vision_encode(e.v, image, NULL, rows, MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err);
    assert_int_equal(eyes_info(&e).n_cached, 1);
    assert_ok(einf_session_plan(e.f.m, &config, &plan, &e.f.err), &e.f.err);
    assert_int_equal(eyes_info(&e).n_cached, 1);
    eyes_session(&e, config.n_ctx);
    assert_int_equal(eyes_info(&e).n_cached, 0);
    einf_image_close(&image);
    eyes_close(&e);
}

static void test_room(void **state)
{
    eyes e;
    static float rows[MAX_ROWS * WIDTH];
    (void)state;
    eyes_open(&e);
    einf_image *image = eyes_picture(&e, 112, 84, 1);
    einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
    assert_status(einf_vision_encode(e.v, image, NULL, rows, 12 * WIDTH - 1, NULL, &e.f.err), &e.f.err, EINF_E_LIMIT);
    assert_error_says(&e.f.err, "3072 numbers, there is room for 3071");
    assert_ok(einf_vision_encode(e.v, image, NULL, rows, 12 * WIDTH, NULL, &e.f.err), &e.f.err);
    assert_status(einf_vision_preprocess(e.v, image, NULL, NULL, 0, &sizes, &e.f.err), &e.f.err, EINF_E_LIMIT);
    assert_int_equal(sizes.width, 112);
    assert_int_equal(sizes.n_tokens, 12);
    einf_image_close(&image);
    eyes_close(&e);
}

/* The pixels that are encoded are those of the picture, normalised. */
static void test_preprocess(void **state)
{
    eyes e;
    static float pixels[3 * 84 * 112];
    (void)state;
    eyes_open(&e);
    einf_image *image = eyes_picture(&e, 112, 84, 5);
    const uint8_t *rgb = einf_image_pixels(image);
    assert_ok(einf_vision_preprocess(e.v, image, NULL, pixels, 3 * 84 * 112, NULL, &e.f.err), &e.f.err);
    const einf_vision_info info = eyes_info(&e);
    for (size_t i = 0; i < 84 * 112; i += 97)
        for (size_t c = 0; c < 3; c++)
            assert_near(pixels[c * 84 * 112 + i],
                        (rgb[3 * i + c] / 255.0 - (double)info.mean[c]) / (double)info.std[c], 0, 1e-6);
    einf_image_close(&image);
    eyes_close(&e);
}

/* The same bits for any number of threads. */
static void test_threads(void **state)
{
    static float rows[3][MAX_ROWS * WIDTH];
    (void)state;
    for (int i = 0; i < 3; i++) {
        eyes e;
        einf_runtime_config runtime = EINF_INIT(einf_runtime_config);
        runtime.n_threads = i + 1;
        eyes_open_with(&e, &runtime, NULL);
        einf_image *image = eyes_picture(&e, 301, 222, 1);
        assert_ok(einf_vision_encode(e.v, image, NULL, rows[i], MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err);
        einf_image_close(&image);
        eyes_close(&e);
    }
    assert_memory_equal(rows[0], rows[1], sizeof rows[0]);
    assert_memory_equal(rows[0], rows[2], sizeof rows[0]);
}

/* --------------------------------------------------------------------------------------------------- cache -- */

static int32_t encode_cached(eyes *e, const einf_image *image, const einf_preprocess *p, float *rows)
{
    einf_encode_config config = EINF_INIT(einf_encode_config);
    einf_encode_result result = EINF_INIT(einf_encode_result);
    config.preprocess = p;
    assert_ok(einf_vision_encode(e->v, image, &config, rows, MAX_ROWS * WIDTH, &result, &e->f.err), &e->f.err);
    assert_true(result.cached == (result.encode_s == 0));
    return result.cached;
}

/* Known by pixels and options, whatever handle they come in; the oldest go first. */
static void test_cache(void **state)
{
    eyes e;
    static float first[MAX_ROWS * WIDTH], again[MAX_ROWS * WIDTH];
    einf_vision_config config = EINF_INIT(einf_vision_config);
    einf_preprocess smaller = EINF_INIT(einf_preprocess), other_filter = EINF_INIT(einf_preprocess);
    (void)state;
    config.cache_bytes = 3 * (12 * WIDTH * 4 + 64); /* two pictures of 12 rows, and a small one */
    smaller.max_tokens = 9;
    other_filter.filter = EINF_FILTER_BOX;
    eyes_open_with(&e, NULL, &config);
    einf_image *a = eyes_picture(&e, 112, 84, 1), *same = eyes_picture(&e, 112, 84, 1);
    einf_image *b = eyes_picture(&e, 112, 84, 2), *c = eyes_picture(&e, 112, 84, 3);
    assert_false(encode_cached(&e, a, NULL, first));
    assert_true(encode_cached(&e, same, NULL, again));
    assert_memory_equal(first, again, sizeof(float) * 12 * WIDTH);
    assert_false(encode_cached(&e, a, &smaller, again));
    assert_true(encode_cached(&e, a, &smaller, again));
    assert_false(encode_cached(&e, a, &other_filter, again)); /* drops nothing: it is the third */
    assert_int_equal(eyes_info(&e).n_cached, 3);
    assert_true(encode_cached(&e, a, NULL, again));
    assert_false(encode_cached(&e, b, NULL, again)); /* the smaller one, then the other filter's must go */
    assert_false(encode_cached(&e, c, NULL, again));
    assert_true(encode_cached(&e, a, NULL, again));
    assert_false(encode_cached(&e, a, &smaller, again));
    const einf_vision_info info = eyes_info(&e);
    assert_int_equal(info.n_cache_hits, 4);
    assert_true(info.cache_used_bytes <= config.cache_bytes);
    einf_image_close(&a);
    einf_image_close(&same);
    einf_image_close(&b);
    einf_image_close(&c);
    eyes_close(&e);
}

static void test_no_cache(void **state)
{
    eyes e;
    static float rows[MAX_ROWS * WIDTH];
    einf_vision_config config = EINF_INIT(einf_vision_config);
    (void)state;
    config.cache_bytes = EINF_CACHE_NONE;
    eyes_open_with(&e, NULL, &config);
    einf_image *a = eyes_picture(&e, 112, 84, 1);
    assert_false(encode_cached(&e, a, NULL, rows));
    assert_false(encode_cached(&e, a, NULL, rows));
    assert_int_equal(eyes_info(&e).cache_used_bytes, 0);
    einf_image_close(&a);
    eyes_close(&e);
}

/* ------------------------------------------------------------------------------------------------- stopping -- */

typedef struct stopper {
    einf_cancel *cancel; /* set at that layer, or NULL: the callback itself stops */
    uint64_t at, calls, last_done, total;
} stopper;

static int32_t stop_at(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    stopper *s = user;
    assert_int_equal(phase, EINF_PHASE_IMAGE);
    assert_true(done > s->last_done || s->calls == 0);
    s->calls++;
    s->last_done = done;
    s->total = total;
    if (done < s->at) return 0;
    if (s->cancel) einf_cancel_set(s->cancel);
    return s->cancel == NULL;
}

static void test_cancel(void **state)
{
    eyes e;
    static float rows[MAX_ROWS * WIDTH];
    (void)state;
    eyes_open(&e);
    einf_image *image = eyes_picture(&e, 200, 150, 1);
    einf_cancel *cancel;
    assert_ok(einf_cancel_create(&cancel, &e.f.err), &e.f.err);
    for (uint64_t at = 1; at <= 4; at++) {
        for (int by_flag = 0; by_flag < 2; by_flag++) {
            stopper s = { .cancel = by_flag ? cancel : NULL, .at = at };
            einf_encode_config config = EINF_INIT(einf_encode_config);
            config.cancel = cancel;
            config.progress = stop_at;
            config.progress_user = &s;
            const uint64_t live = e.f.heap.live_bytes;
            assert_status(einf_vision_encode(e.v, image, &config, rows, MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err,
                          EINF_E_CANCELLED);
            assert_int_equal(e.f.heap.live_bytes, live);
            assert_int_equal(s.last_done, at);
            einf_cancel_clear(cancel);
        }
    }
    assert_int_equal(eyes_info(&e).n_cached, 0);
    stopper s = { .at = 100 };
    einf_encode_config config = EINF_INIT(einf_encode_config);
    config.progress = stop_at;
    config.progress_user = &s;
    assert_ok(einf_vision_encode(e.v, image, &config, rows, MAX_ROWS * WIDTH, NULL, &e.f.err), &e.f.err);
    assert_int_equal(s.last_done, s.total);
    assert_int_equal(s.total, 5); /* layers, and the merger */
    einf_cancel_destroy(&cancel);
    einf_image_close(&image);
    eyes_close(&e);
}

/* --------------------------------------------------------------------------------------------- on a timeline -- */

static void append_ids(eyes *e, einf_session *s, int32_t from, uint32_t n)
{
    int32_t ids[16];
    for (uint32_t i = 0; i < n; i++) ids[i] = from + (int32_t)i;
    assert_ok(einf_session_append_tokens(s, ids, n, &e->f.err), &e->f.err);
}

/* As rows with positions of one's own: all at one time, rows and columns from there, text at the largest + 1. */
static void test_positions(void **state)
{
    eyes e;
    static float rows[12 * WIDTH];
    int32_t positions[12][4], after[1][4], id = 40;
    einf_session *other;
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 64);
    einf_session_config config = EINF_INIT(einf_session_config);
    config.n_ctx = 64;
    assert_ok(einf_session_create(e.f.m, &config, &other, &e.f.err), &e.f.err);
    einf_image *image = eyes_picture(&e, 112, 84, 1); /* 4 x 3 tokens */
    append_ids(&e, e.f.s, 20, 5);
    assert_ok(einf_session_append_image(e.f.s, e.v, image, NULL, NULL, &e.f.err), &e.f.err);
    assert_int_equal(einf_session_n_past(e.f.s), 17);
    append_ids(&e, e.f.s, id, 1);

    append_ids(&e, other, 20, 5);
    assert_ok(einf_vision_encode(e.v, image, NULL, rows, 12 * WIDTH, NULL, &e.f.err), &e.f.err);
    for (int i = 0; i < 12; i++) {
        positions[i][0] = positions[i][3] = 5;
        positions[i][1] = 5 + i / 4;
        positions[i][2] = 5 + i % 4;
    }
    assert_ok(einf_session_append_rows(other, rows, 12, (const int32_t (*)[4])positions, WIDTH, &e.f.err), &e.f.err);
    for (int j = 0; j < 4; j++) after[0][j] = 9;
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = &id;
    batch.n = 1;
    batch.positions = (const int32_t (*)[4])after;
    assert_ok(einf_session_append(other, &batch, &e.f.err), &e.f.err);
    assert_memory_equal(einf_session_logits(e.f.s), einf_session_logits(other), 512 * sizeof(float));
    assert_ok(einf_session_destroy(&other, &e.f.err), &e.f.err);
    einf_image_close(&image);
    eyes_close(&e);
}

static void test_no_room_in_context(void **state)
{
    eyes e;
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 11);
    einf_image *image = eyes_picture(&e, 112, 84, 1);
    assert_status(einf_session_append_image(e.f.s, e.v, image, NULL, NULL, &e.f.err), &e.f.err, EINF_E_CTX_FULL);
    assert_int_equal(einf_session_n_past(e.f.s), 0);
    einf_image_close(&image);
    eyes_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts), cmocka_unit_test(test_lifetimes), cmocka_unit_test(test_mistaken_files),
        cmocka_unit_test(test_other_runtime), cmocka_unit_test(test_planned_memory),
        cmocka_unit_test(test_limited_memory), cmocka_unit_test(test_cache_makes_room), cmocka_unit_test(test_room),
        cmocka_unit_test(test_preprocess),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_cache), cmocka_unit_test(test_no_cache),
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_positions), cmocka_unit_test(test_no_room_in_context),
    };
    return cmocka_run_group_tests_name("encoders and pictures", tests, NULL, NULL);
}
