/* SPDX-License-Identifier: MIT
 * test_encoder.c - the encoder against naive_vision in double precision and against rows that llama.cpp computed;
 * the same bits from any number of threads; cancelling; memory; what it costs.
 */
#include "tests/unit/vision/vision_fixture.h"

#include "tests/support/naive_vision.h"
#include "vision/image.h"

/* |a - b| / |b| over all of two matrices. */
static double relative_error(const float *a, const double *b, size_t n)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i])) return HUGE_VAL;
        off += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        all += b[i] * b[i];
    }
    return sqrt(off / all);
}

/* Random pixels of n_x by n_y patches, malloc'd. */
static uint8_t *random_pixels(const vision_spec *s, uint32_t n_x, uint32_t n_y)
{
    const size_t n = (size_t)n_x * n_y * s->patch_size * s->patch_size * 3;
    uint64_t random = 7 + n_x;
    uint8_t *rgb = malloc(n);
    assert_non_null(rgb);
    for (size_t i = 0; i < n; i++) rgb[i] = (uint8_t)(model_random(&random) >> 33);
    return rgb;
}

static einf__pixel_values values_of(const einf__preprocess_facts *facts)
{
    einf__pixel_values v;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) v.of[c][i] = ((float)i / 255.0f - facts->mean[c]) / facts->std[c];
    return v;
}

static void load(fixture *f, const vision_spec *s, uint32_t cpu)
{
    size_t n_bytes;
    uint8_t *file = vision_file(s, &n_bytes);
    assert_ok(fixture_read(f, file, n_bytes, cpu), &f->err);
    assert_ok(fixture_bind(f), &f->err);
}

/* ------------------------------------------------------------------------------------------------- one encoding -- */

typedef struct job {
    einf__encoder_params params;
    int32_t pool_threads;
    uint32_t n_x, n_y;
    const uint8_t *rgb;
    einf__encode_hooks hooks;
} job;

static job job_of(uint32_t n_x, uint32_t n_y, const uint8_t *rgb)
{
    return (job){ .params = { .exact = true, .n_threads = 2 }, .pool_threads = 2, .n_x = n_x, .n_y = n_y,
                  .rgb = rgb };
}

static size_t n_floats(const fixture *f, const job *j)
{
    return (size_t)j->n_x * j->n_y / (f->config.merge_size * f->config.merge_size) * f->config.row_width;
}

/* Lay out, carve exactly what was counted, encode, and give all back. rows: malloc'd, exactly as many as there are. */
static einf_status encode(fixture *f, const job *j, float **rows)
{
    einf__encoder e;
    einf__pool *pool;
    const einf__pixel_values values = values_of(&f->config.facts);
    einf__arena a = einf__arena_counting();
    einf__encoder_lay_out(&a, &f->kernels, &f->config, &j->params, j->n_x, j->n_y, &e);
    assert_false(a.failed);
    const uint64_t n_bytes = a.used_bytes;
    uint8_t *block = einf__alloc(&f->mem, n_bytes);
    assert_non_null(block);
    a = einf__arena_over(block, n_bytes);
    einf__encoder_lay_out(&a, &f->kernels, &f->config, &j->params, j->n_x, j->n_y, &e);
    assert_false(a.failed);
    assert_int_equal(a.used_bytes, n_bytes);
    e.weights = &f->weights;
    *rows = malloc(n_floats(f, j) * sizeof **rows);
    assert_non_null(*rows);
    assert_ok(einf__pool_create(&f->mem, j->pool_threads, &pool, &f->err), &f->err);
    f->err = test_error();
    const uint64_t n_calls = f->heap.n_calls;
    const einf_status status = einf__encode(&e, pool, j->rgb, &values, &j->hooks, *rows, &f->err);
    assert_int_equal(f->heap.n_calls, n_calls); /* nothing is allocated on the way */
    assert_true(einf__pool_try_acquire(pool));
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
    einf__free(&f->mem, block, n_bytes);
    return status;
}

/* Encode and compare with what the oracle says; how far off. */
static double error_of(fixture *f, const job *j, const double *expected)
{
    float *rows;
    assert_ok(encode(f, j, &rows), &f->err);
    const double error = relative_error(rows, expected, n_floats(f, j));
    free(rows);
    return error;
}

#define BOUND_F32 2e-6 /* three times what was measured */

static void expect_within(double error, double bound, const char *what)
{
    if (error <= bound) return;
    print_message("%s: relative error %.3g, allowed %.3g\n", what, error, bound);
    fail();
}

/* ------------------------------------------------------------------------------------------------------ shapes -- */

static void check_shape(const vision_spec *s, uint32_t n_x, uint32_t n_y)
{
    char what[96];
    fixture f;
    load(&f, s, ~0u);
    uint8_t *rgb = random_pixels(s, n_x, n_y);
    double *expected = naive_vision_rows(s, f.file, rgb, n_x, n_y);
    job j = job_of(n_x, n_y, rgb);
    snprintf(what, sizeof what, "%u x %u patches, merge %u, exact", n_x, n_y, s->merge_size);
    expect_within(error_of(&f, &j, expected), BOUND_F32, what);
    j.params.exact = false;
    expect_within(error_of(&f, &j, expected), BOUND_F32, what);
    free(expected);
    free(rgb);
    fixture_close(&f);
}

static void test_sizes(void **state)
{
    static const struct { uint32_t x, y; } sizes[] = { { 2, 2 }, { 4, 2 }, { 2, 4 }, { 6, 10 }, { 10, 6 }, { 8, 8 },
                                                       { 2, 18 } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        const vision_spec s = vision_preset();
        check_shape(&s, sizes[i].x, sizes[i].y);
    }
}

static void test_merges_and_patches(void **state)
{
    static const struct { uint32_t merge, patch, x, y; } cases[] = { { 1, 14, 1, 1 }, { 1, 16, 3, 5 }, { 3, 2, 6, 9 },
                                                                     { 4, 7, 8, 4 }, { 8, 4, 16, 8 } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        vision_spec s = vision_preset();
        s.merge_size = cases[i].merge;
        s.patch_size = cases[i].patch;
        s.n_head = 4;
        check_shape(&s, cases[i].x, cases[i].y);
    }
}

/* More patches than go through at once. */
static void test_pieces(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.patch_size = 2;
    s.n_embd = 16;
    check_shape(&s, 26, 24);
    s.merge_size = 3;
    check_shape(&s, 27, 24);
    s.merge_size = 7;
    check_shape(&s, 35, 42);
}

static void test_activations(void **state)
{
    (void)state;
    for (int act = 0; act < VISION_N_ACTS; act++) {
        vision_spec s = vision_preset();
        s.act = (vision_act)act;
        check_shape(&s, 6, 4);
    }
}

/* Files of other converters: the same rows. */
static void test_other_files(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.fused_qkv = true;
    check_shape(&s, 6, 4);
    s.first_converter = true;
    check_shape(&s, 4, 6);
    s.vector_type = MODEL_BF16;
    check_shape(&s, 4, 4);
}

/* ------------------------------------------------------------------------------------------- types and paths -- */

/* Measured: 2.1e-3 with sums in f16, 3.4e-4 in i16; 0.5 % to 1.4 % where activations are int8, the more the larger
 * their groups. */
enum { N_TYPES = 5 };
static const struct { uint32_t type, patch_type; const char *name; bool codes; } TYPES[N_TYPES] = {
    { MODEL_F32, MODEL_F32, "F32", false },   { MODEL_F16, MODEL_F16, "F16", false },
    { MODEL_BF16, MODEL_BF16, "BF16", false }, { MODEL_Q8_0, MODEL_F16, "Q8_0", true },
    { MODEL_Q4_K, MODEL_F16, "Q4_K", true },
};

static double bound_of(size_t type, einf__path path, einf__float_sum sum)
{
    static const double floats[] = { [EINF__SUM_F32] = BOUND_F32, [EINF__SUM_F16] = 5e-3, [EINF__SUM_I16] = 1e-3 };
    if (TYPES[type].codes && path != EINF__PATH_FLOATS) return 3e-2;
    return path == EINF__PATH_ROWS ? BOUND_F32 : floats[sum];
}

static vision_spec wide_spec(size_t type)
{
    vision_spec s = vision_preset();
    s.n_embd = 256;
    s.n_head = 4;
    s.n_ff = 256;
    s.n_layer = 1;
    s.row_width = 96;
    s.type = TYPES[type].type;
    s.patch_type = TYPES[type].patch_type;
    return s;
}

static void check_paths(fixture *f, job *j, size_t type, const double *expected)
{
    char what[96];
    for (int path = 0; path < EINF__N_PATHS; path++) {
        j->params = (einf__encoder_params){ .path = (einf__path)path, .n_threads = 2 };
        snprintf(what, sizeof what, "%s, path %d", TYPES[type].name, path);
        expect_within(error_of(f, j, expected), bound_of(type, j->params.path, EINF__SUM_F32), what);
    }
    for (int sum = EINF__SUM_F16; sum < EINF__N_SUMS; sum++) {
        j->params = (einf__encoder_params){ .float_sum = (einf__float_sum)sum, .n_threads = 2 };
        snprintf(what, sizeof what, "%s, sums %d", TYPES[type].name, sum);
        expect_within(error_of(f, j, expected), bound_of(type, EINF__PATH_AUTO, j->params.float_sum), what);
    }
    j->params = (einf__encoder_params){ .exact = true, .n_threads = 2 };
    snprintf(what, sizeof what, "%s, exact", TYPES[type].name);
    expect_within(error_of(f, j, expected), BOUND_F32, what);
}

static void test_types_and_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++) {
        const vision_spec s = wide_spec(i);
        uint8_t *rgb = random_pixels(&s, 10, 8);
        fixture f;
        load(&f, &s, ~0u);
        double *expected = naive_vision_rows(&s, f.file, rgb, 10, 8);
        job j = job_of(10, 8, rgb);
        check_paths(&f, &j, i, expected);
        fixture_close(&f);

        load(&f, &s, 0); /* the references */
        j.params = (einf__encoder_params){ .n_threads = 2 };
        expect_within(error_of(&f, &j, expected), bound_of(i, EINF__PATH_AUTO, EINF__SUM_F32), "references");
        fixture_close(&f);
        free(expected);
        free(rgb);
    }
}

/* -------------------------------------------------------------------------------------------------- golden -- */

/* The tiny encoder of the golden folder, whose rows are llama.cpp's at its defaults; they are 8.1e-4 away from those of
 * naive_vision. The picture needs no resizing. */
static void test_golden(void **state)
{
    (void)state;
    size_t n_file, n_png, n_rows;
    uint8_t *file = test_read_data("golden/tiny-mmproj-F16.gguf", &n_file);
    uint8_t *png = test_read_data("golden/scene-224x168.png", &n_png);
    uint8_t *golden = test_read_data("golden/tiny-mmproj-F16.scene.embd.f32", &n_rows);
    if (file && png && golden) {
        fixture f;
        einf__image image;
        double expected[48 * 256];
        assert_ok(fixture_read(&f, file, n_file, ~0u), &f.err);
        assert_ok(fixture_bind(&f), &f.err);
        assert_int_equal(f.n_unused, 0);
        const einf__decode_options options = { .max_pixels = EINF__IMAGE_MAX_PIXELS };
        assert_ok(einf__image_decode(&f.mem, png, n_png, &options, &image, &f.err), &f.err);
        assert_int_equal(n_rows, sizeof expected / sizeof *expected * sizeof(float));
        for (size_t i = 0; i < 48 * 256; i++) {
            float v;
            memcpy(&v, golden + 4 * i, 4);
            expected[i] = (double)v;
        }
        job j = job_of(16, 12, image.rgb);
        expect_within(error_of(&f, &j, expected), 1e-3, "golden, exact");
        j.params.exact = false;
        expect_within(error_of(&f, &j, expected), 1e-3, "golden");
        einf__image_deinit(&image);
        fixture_close(&f);
        file = NULL;
    }
    free(file);
    free(png);
    free(golden);
}

/* --------------------------------------------------------------------------------------------------- threads -- */

static void test_same_bits_from_any_threads(void **state)
{
    static const struct { int32_t pool, used; } threads[] = { { 3, 3 }, { 2, 2 }, { 3, 2 }, { 3, 1 } };
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++) {
        const vision_spec s = wide_spec(i);
        uint8_t *rgb = random_pixels(&s, 10, 8);
        fixture f;
        load(&f, &s, ~0u);
        for (int mode = 0; mode < 4; mode++) { /* as it comes, exact, in 16 bits: halves are slow without an FPU */
            static const einf__float_sum sums[] = { EINF__SUM_F32, EINF__SUM_F32, EINF__SUM_F16, EINF__SUM_I16 };
            const size_t n_threads = mode == 2 ? 1 : TEST_COUNT(threads);
            if (mode >= 2 && TYPES[i].type != MODEL_F16) continue;
            float *one, *more;
            job j = job_of(10, 8, rgb);
            j.params = (einf__encoder_params){ .exact = mode == 1, .float_sum = sums[mode], .n_threads = 1 };
            j.pool_threads = 1;
            assert_ok(encode(&f, &j, &one), &f.err);
            for (size_t t = 0; t < n_threads; t++) {
                j.pool_threads = threads[t].pool;
                j.params.n_threads = threads[t].used;
                assert_ok(encode(&f, &j, &more), &f.err);
                assert_memory_equal(one, more, n_floats(&f, &j) * sizeof *one);
                free(more);
            }
            free(one);
        }
        fixture_close(&f);
        free(rgb);
    }
}

/* ---------------------------------------------------------------------------------------------- cancelling -- */

typedef struct watcher {
    uint64_t n_calls, stop_at; /* stop_at: the call that says no, or sets the flag; 0: none */
    uint64_t total;
    einf_cancel *cancel;       /* NULL: say no */
} watcher;

static int32_t watch(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    watcher *w = user;
    assert_int_equal(phase, EINF_PHASE_IMAGE);
    assert_int_equal(done, ++w->n_calls);
    assert_int_equal(total, w->total);
    if (done != w->stop_at) return 0;
    if (!w->cancel) return 1;
    w->cancel->set = 1;
    return 0;
}

/* After every layer, by the callback and by either flag. */
static void test_cancel_at_every_layer(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.n_layer = 3;
    uint8_t *rgb = random_pixels(&s, 4, 4);
    fixture f;
    load(&f, &s, ~0u);
    for (int way = 0; way < 3; way++)
        for (uint64_t stop = 0; stop <= 4; stop++) {
            einf_cancel cancel = { .set = 0 };
            watcher w = { .stop_at = stop, .total = 4, .cancel = way ? &cancel : NULL };
            job j = job_of(4, 4, rgb);
            j.hooks = (einf__encode_hooks){ .cancel_a = way == 1 ? &cancel : NULL,
                                            .cancel_b = way == 2 ? &cancel : NULL, .progress = watch,
                                            .progress_user = &w };
            float *rows;
            const einf_status status = encode(&f, &j, &rows);
            if (stop == 0 || stop == 4) { /* nothing is left to cancel */
                assert_ok(status, &f.err);
                assert_int_equal(w.n_calls, 4);
            } else {
                char says[64];
                assert_status(status, &f.err, EINF_E_CANCELLED);
                snprintf(says, sizeof says, "after %llu of 3 layers", (unsigned long long)stop);
                assert_error_says(&f.err, way ? "cancelled" : says);
                assert_int_equal(w.n_calls, stop);
            }
            free(rows);
        }
    fixture_close(&f);
    free(rgb);
}

static void test_cancelled_before(void **state)
{
    (void)state;
    const vision_spec s = vision_preset();
    uint8_t *rgb = random_pixels(&s, 4, 4);
    fixture f;
    load(&f, &s, ~0u);
    einf_cancel cancel = { .set = 1 };
    watcher w = { .total = 3 };
    job j = job_of(4, 4, rgb);
    j.hooks = (einf__encode_hooks){ .cancel_a = &cancel, .progress = watch, .progress_user = &w };
    float *rows;
    assert_status(encode(&f, &j, &rows), &f.err, EINF_E_CANCELLED);
    assert_int_equal(w.n_calls, 0);
    free(rows);
    fixture_close(&f);
    free(rgb);
}

/* A norm that counts, and raises the flag on the way. One thread runs it. */
static struct { uint64_t n_calls, stop_at; einf__layer_norm_fn real; einf_cancel cancel; } norms;

static void counting_norm(float *y, const float *x, const float *w, const float *b, int64_t n, float eps)
{
    if (++norms.n_calls == norms.stop_at) norms.cancel.set = 1;
    norms.real(y, x, w, b, n, eps);
}

/* The flag is seen before the next piece: of 624 patches in two pieces, 312 pass a norm together. */
static void test_cancel_between_pieces(void **state)
{
    static const struct { uint64_t stop_at, seen; const char *says; } cases[] = {
        { 5, 312, "after 0 of 2 layers" },          /* first norm of layer 0, first piece */
        { 313, 624, "after 0 of 2 layers" },        /* second piece */
        { 625, 936, "after 0 of 2 layers" },        /* second norm, first piece */
        { 4 * 312 + 1, 5 * 312, "after 1 of 2 layers" },
        { 8 * 312 + 1, 9 * 312, "after 2 of 2 layers" }, /* the merger */
    };
    (void)state;
    vision_spec s = vision_preset();
    s.patch_size = 2;
    s.n_embd = 16;
    uint8_t *rgb = random_pixels(&s, 26, 24);
    fixture f;
    load(&f, &s, ~0u);
    norms.real = f.kernels.layer_norm;
    f.kernels.layer_norm = counting_norm;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        norms.n_calls = 0;
        norms.stop_at = cases[i].stop_at;
        norms.cancel.set = 0;
        job j = job_of(26, 24, rgb);
        j.params.n_threads = j.pool_threads = 1;
        j.hooks.cancel_b = &norms.cancel;
        float *rows;
        assert_status(encode(&f, &j, &rows), &f.err, EINF_E_CANCELLED);
        assert_int_equal(norms.n_calls, cases[i].seen);
        assert_error_says(&f.err, cases[i].says);
        free(rows);
    }
    fixture_close(&f);
    free(rgb);
}

/* ------------------------------------------------------------------------------------------------------ costs -- */

static einf__vision_config qwen2vl_2b(void)
{
    return (einf__vision_config){ .n_layer = 32, .n_embd = 1280, .n_head = 16, .head_dim = 80, .n_ff = 5120,
                                  .patch_size = 14, .merge_size = 2, .row_width = 1536, .n_merged = 5120 };
}

/* Counted by hand for Qwen2-VL 2B: a token of 4 patches costs 4 * 2 * 588 * 1280 for patches, 32 * 4 * 12 * 1280^2 for
 * linears and 5120 * (5120 + 1536) for the merger; pairs of patches 2 * 1280 a layer. */
static void test_macs(void **state)
{
    (void)state;
    const einf__vision_config c = qwen2vl_2b();
    const uint64_t token = 6021120 + UINT64_C(2516582400) + 34078720;
    assert_int_equal(einf__encoder_macs(&c, 2, 2), token + 32 * 2560 * 16);
    assert_int_equal(einf__encoder_macs(&c, 36, 24), 216 * token + UINT64_C(32) * 2560 * 864 * 864);
    assert_int_equal(einf__encoder_macs(&c, 74, 50), 925 * token + UINT64_C(32) * 2560 * 3700 * 3700);
}

static uint64_t bytes_of(const einf__vision_config *c, uint32_t n_x, uint32_t n_y)
{
    einf__kernels k;
    einf__encoder e;
    einf__arena a = einf__arena_counting();
    const einf__encoder_params p = { .n_threads = 2 };
    einf__kernels_init(&k, einf__cpu_features(), NULL);
    einf__encoder_lay_out(&a, &k, c, &p, n_x, n_y, &e);
    assert_false(a.failed);
    return a.used_bytes;
}

/* A patch costs four columns of n_embd, its angles, and no more once there is more than a piece of them: 3,700 patches
 * of Qwen2-VL 2B take 77 MiB beside what a piece needs, which stays below 48. */
static void test_memory_grows_by_the_patch(void **state)
{
    (void)state;
    const einf__vision_config c = qwen2vl_2b();
    const uint64_t a_patch = (4 * 1280 + 80) * sizeof(float);
    const uint64_t one = bytes_of(&c, 32, 16), eight = bytes_of(&c, 64, 64); /* pieces of 512 */
    assert_int_equal(eight - one, (4096 - 512) * a_patch);
    assert_true(one - 512 * a_patch < UINT64_C(48) << 20);
}

/* The largest shapes that the configuration lets through are counted rightly, which is what a limit is held against. */
static void test_largest_shapes(void **state)
{
    (void)state;
    einf__kernels k;
    einf__encoder e;
    einf__vision_config c = qwen2vl_2b();
    c.n_embd = 8192;
    c.merge_size = 8;
    c.n_merged = 8192 * 64;
    c.n_ff = 1 << 17;
    const einf__encoder_params p = { .n_threads = 64 };
    einf__kernels_init(&k, 0, NULL);
    einf__arena a = einf__arena_counting();
    einf__encoder_lay_out(&a, &k, &c, &p, 1024, 1024, &e); /* the most tokens there may be */
    assert_false(a.failed);
    assert_true(a.used_bytes > UINT64_C(4) * 8192 * 4 << 20);
    assert_true(einf__encoder_macs(&c, 1024, 1024) > UINT64_C(32) * 2 * 8192 << 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_merges_and_patches),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_types_and_paths),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_same_bits_from_any_threads),
        cmocka_unit_test(test_cancel_at_every_layer),
        cmocka_unit_test(test_cancelled_before),
        cmocka_unit_test(test_cancel_between_pieces),
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_memory_grows_by_the_patch),
        cmocka_unit_test(test_largest_shapes),
    };
    return cmocka_run_group_tests_name("encoder", tests, NULL, NULL);
}
