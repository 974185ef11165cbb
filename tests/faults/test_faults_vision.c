/* SPDX-License-Identifier: MIT
 * test_faults_vision.c - pictures and encoders when memory or the system gives out: every allocation and every system
 * call of opening, preparing, encoding and answering about a picture fails in turn; and limits, of memory and of
 * address space, that are named before anything is computed.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/faults/fault_calls.h"
#include "tests/faults/faults_support.h"
#include "tests/support/picture_build.h"
#include "tests/support/vision_build.h"
#include "tests/unit/api/eyes_fixture.h"

enum { WIDTH = 24, MAX_ROWS = 16 }; /* of the tiny encoder's rows */

/* ---------------------------------------------------------------------------------------------- the worlds -- */

static void world_begin(world *w, const einf_runtime_config *runtime)
{
    memset(w, 0, sizeof *w);
    test_heap_init(&w->f.heap, 0);
    w->f.err = test_error();
    fixture_runtime(&w->f, runtime);
    w->dir = test_temp_dir();
    w->model_path = test_path(w->dir, "file");
}

/* With a tiny encoder's file, in memory and on disk. */
static void world_of_encoder(world *w, const einf_runtime_config *runtime)
{
    const vision_spec spec = vision_preset();
    world_begin(w, runtime);
    w->f.file = vision_file(&spec, &w->f.n_bytes);
    test_write_file(w->model_path, w->f.file, w->f.n_bytes);
}

/* What the calls of a test share; a call has no other arguments. */
static struct {
    einf_vision *v;
    einf_image *image;
    picture file;       /* of a picture */
    einf_vision_config open_how;
    bool from_memory;
    int n_layers;       /* that an answer's pictures took */
} given;

/* With this file of a picture, in given.file and on disk. */
static void world_of_picture(world *w, const einf_runtime_config *runtime)
{
    world_begin(w, runtime);
    test_write_file(w->model_path, given.file.data, given.file.n);
}

/* ------------------------------------------------------------------------------------------------- opening -- */

static void tell_encoder(const einf_vision *v, digest *d)
{
    einf_vision_info info = EINF_INIT(einf_vision_info);
    einf_error err = test_error();
    assert_ok(einf_vision_get_info(v, &info, &err), &err);
    digest_add(d, &info, sizeof info);
}

static einf_status open_encoder(world *w, digest *d)
{
    einf_vision *v = NULL;
    const einf_status status =
        given.from_memory ? einf_vision_open_memory(w->f.rt, w->f.file, w->f.n_bytes, &given.open_how, &v, &w->f.err)
                          : einf_vision_open(w->f.rt, w->model_path, &given.open_how, &v, &w->f.err);
    (void)fault_end(); /* what follows is for the result alone */
    if (status == EINF_OK) tell_encoder(v, d);
    else assert_null(v);
    assert_int_equal(einf_vision_close(&v, NULL), EINF_OK);
    return status;
}

static void test_open(void **state)
{
    static const char *const names[] = { "open, mapped", "open, read", "open, huge", "open from memory" };
    world w;
    (void)state;
    world_of_encoder(&w, NULL);
    for (int i = 0; i < 4; i++) {
        given.open_how = (einf_vision_config)EINF_INIT(einf_vision_config);
        given.open_how.check_tensors = 1;
        given.open_how.mode = i < 3 ? i : EINF_MODE_MAP;
        given.from_memory = i == 3;
        sweep(&w, names[i], open_encoder, 3);
    }
    world_close(&w);
}

/* ------------------------------------------------------------------------------------------------ pictures -- */

static void tell_image(const einf_image *image, digest *d)
{
    einf_image_info info = EINF_INIT(einf_image_info);
    einf_error err = test_error();
    assert_ok(einf_image_get_info(image, &info, &err), &err);
    digest_add(d, &info, sizeof info);
    digest_add(d, einf_image_pixels(image), (size_t)info.width * info.height * 3);
}

static einf_status close_image(einf_status status, einf_image *image, digest *d)
{
    (void)fault_end();
    if (status == EINF_OK) tell_image(image, d);
    else assert_null(image);
    einf_image_close(&image);
    return status;
}

static einf_status open_image(world *w, digest *d)
{
    einf_image *image = NULL;
    const einf_status status =
        given.from_memory ? einf_image_open_memory(w->f.rt, given.file.data, given.file.n, NULL, &image, &w->f.err)
                          : einf_image_open(w->f.rt, w->model_path, NULL, &image, &w->f.err);
    return close_image(status, image, d);
}

static einf_status probe_image(world *w, digest *d)
{
    einf_image_info info = EINF_INIT(einf_image_info);
    const einf_status status = einf_image_probe(w->f.rt, w->model_path, NULL, &info, &w->f.err);
    (void)fault_end();
    if (status == EINF_OK) digest_add(d, &info, sizeof info);
    return status;
}

static einf_status take_pixels(world *w, digest *d)
{
    enum { W = 30, H = 20 };
    uint8_t rgba[W * H * 4];
    einf_image *image = NULL;
    for (size_t i = 0; i < sizeof rgba; i++) rgba[i] = (uint8_t)(i * 7);
    const einf_status status = einf_image_from_pixels(w->f.rt, rgba, sizeof rgba, EINF_PIXELS_RGBA, W, H, 0, NULL,
                                                      &image, &w->f.err);
    return close_image(status, image, d);
}

static void put_ppm(picture *p, const char *header, size_t n_pixels)
{
    picture_put(p, header, strlen(header));
    for (size_t i = 0; i < 3 * n_pixels; i++) picture_put_u8(p, (uint32_t)(i * 5 % 251));
}

enum { N_PICTURES = 6 };
static const char *const PICTURES[N_PICTURES] = { "JPEG", "progressive JPEG, turned", "CMYK JPEG", "PNG",
                                                  "PNG with a palette, interlaced", "PPM" };

/* The i-th of them, 40 x 30, into given.file. */
static void make_picture(int i)
{
    const jpeg_options jpeg = { .width = 40, .height = 30, .progressive = i == 1,
                                .colours = i == 2 ? JPEG_CMYK : JPEG_YCC };
    if (i < 3) jpeg_make(&given.file, &jpeg);
    if (i == 1) jpeg_insert_orientation(&given.file, 6, true);
    if (i == 3) png_make(&given.file, 40, 30, 16, PNG_RGBA, 0);
    if (i == 4) png_make(&given.file, 40, 30, 4, PNG_PALETTE, 1);
    if (i == 5) put_ppm(&given.file, "P6 40 30 255\n", 40 * 30);
}

static void test_pictures(void **state)
{
    (void)state;
    for (int i = 0; i < N_PICTURES; i++) {
        world w;
        char name[64];
        make_picture(i);
        world_of_picture(&w, NULL);
        for (int from_memory = 0; from_memory < 2; from_memory++) {
            given.from_memory = from_memory != 0;
            (void)snprintf(name, sizeof name, "%s%s", PICTURES[i], from_memory ? " in memory" : "");
            sweep(&w, name, open_image, from_memory ? 2 : 3);
        }
        sweep(&w, "probe", probe_image, 1);
        if (i == 0) sweep(&w, "pixels", take_pixels, 2);
        world_close(&w);
        picture_free(&given.file);
    }
}

/* ------------------------------------------------------------------------------------------------ encoding -- */

static einf_image *small_picture(world *w, uint32_t width, uint32_t height)
{
    einf_image *image = NULL;
    uint8_t *rgb = malloc((size_t)width * height * 3);
    assert_non_null(rgb);
    for (uint32_t i = 0; i < width * height * 3; i++) rgb[i] = (uint8_t)(i * 7 ^ i >> 5);
    assert_ok(einf_image_from_pixels(w->f.rt, rgb, (uint64_t)width * height * 3, EINF_PIXELS_RGB, width, height, 0,
                                     NULL, &image, &w->f.err), &w->f.err);
    free(rgb);
    return image;
}

static einf_vision *open_without_cache(world *w, const char *path)
{
    einf_vision *v = NULL;
    einf_vision_config c = EINF_INIT(einf_vision_config);
    c.cache_bytes = EINF_CACHE_NONE;
    assert_ok(einf_vision_open(w->f.rt, path, &c, &v, &w->f.err), &w->f.err);
    return v;
}

static einf_status prepare(world *w, digest *d)
{
    static float pixels[3 * 112 * 140];
    einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
    const einf_status status = einf_vision_preprocess(given.v, given.image, NULL, pixels, TEST_COUNT(pixels), &sizes,
                                                      &w->f.err);
    digest_add(d, &sizes, sizeof sizes);
    if (status == EINF_OK) digest_add(d, pixels, 2048 * sizeof *pixels);
    return status;
}

static einf_status encode_with(world *w, einf_vision *v, int32_t expect_cached, digest *d)
{
    float rows[MAX_ROWS * WIDTH];
    einf_encode_result result = EINF_INIT(einf_encode_result);
    const einf_status status = einf_vision_encode(v, given.image, NULL, rows, TEST_COUNT(rows), &result, &w->f.err);
    if (status != EINF_OK) return status;
    if (w->f.heap.fail_at == 0) assert_int_equal(result.cached, expect_cached);
    assert_true(result.sizes.n_tokens >= 8);
    digest_add(d, rows, (size_t)result.sizes.n_tokens * WIDTH * sizeof *rows);
    return status;
}

static einf_status encode(world *w, digest *d) { return encode_with(w, given.v, 0, d); }

/* Encoded, and remembered: an encoder that could not keep the rows encodes them again. */
static einf_status encode_twice(world *w, digest *d)
{
    einf_vision *v = NULL;
    einf_status status = einf_vision_open(w->f.rt, w->model_path, NULL, &v, &w->f.err);
    for (int i = 0; i < 2 && status == EINF_OK; i++) status = encode_with(w, v, i, d);
    assert_int_equal(einf_vision_close(&v, NULL), EINF_OK);
    return status;
}

static void test_encode(void **state)
{
    world w;
    (void)state;
    world_of_encoder(&w, NULL);
    given.v = open_without_cache(&w, w.model_path);
    given.image = small_picture(&w, 60, 40);
    sweep(&w, "preprocess", prepare, 2);
    sweep(&w, "encode", encode, 3);
    sweep(&w, "encode twice", encode_twice, 7);
    einf_image_close(&given.image);
    assert_ok(einf_vision_close(&given.v, &w.f.err), &w.f.err);
    world_close(&w);
}

/* --------------------------------------------------------------------------------------------- in a session -- */

static void tell_logits(world *w, digest *d)
{
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(w->f.m, &info, &w->f.err), &w->f.err);
    assert_non_null(einf_session_logits(w->f.s));
    digest_add(d, einf_session_logits(w->f.s), (size_t)info.n_vocab * sizeof(float));
}

static einf_status append(world *w, digest *d)
{
    const int32_t ids[] = { 20, 21, 22 };
    assert_int_equal(einf_session_rewind(w->f.s, 0, NULL), EINF_OK);
    einf_status status = einf_session_append_tokens(w->f.s, ids, 3, &w->f.err);
    if (status == EINF_OK) {
        status = einf_session_append_image(w->f.s, given.v, given.image, NULL, NULL, &w->f.err);
        if (status != EINF_OK) assert_int_equal(einf_session_n_past(w->f.s), 3);
    }
    if (status == EINF_OK) tell_logits(w, d);
    return status;
}

static int32_t count_layers(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    *(int *)user += phase == EINF_PHASE_IMAGE;
    return 0;
}

static einf_status generate(world *w, digest *d)
{
    const einf_image *const images[] = { given.image, given.image };
    einf_generate_config c = EINF_INIT(einf_generate_config);
    einf_result r = EINF_INIT(einf_result);
    c.vision = given.v;
    c.images = images;
    c.n_images = 2;
    c.max_tokens = 4;
    c.on_text = digest_text;
    c.on_text_user = d;
    c.progress = count_layers;
    c.progress_user = &given.n_layers;
    assert_int_equal(einf_session_rewind(w->f.s, 0, NULL), EINF_OK);
    const einf_status status = einf_generate(w->f.s, "Is it day or night?", 19, &c, &r, &w->f.err);
    if (status == EINF_OK) {
        assert_int_equal(r.n_images_encoded, 2);
        digest_add(d, &r.n_prompt, sizeof r.n_prompt);
        tell_logits(w, d);
    } else {
        assert_int_equal(einf_session_n_past(w->f.s), 0);
    }
    return status;
}

/* Two questions, each behind a picture. */
static einf_status converse(world *w, digest *d)
{
    einf_chat *chat = NULL;
    einf_chat_config how = EINF_INIT(einf_chat_config);
    einf_generate_config g = EINF_INIT(einf_generate_config);
    einf_part parts[2] = { EINF_INIT(einf_part), EINF_INIT(einf_part) };
    einf_message m = EINF_INIT(einf_message);
    how.vision = given.v;
    parts[0].image = given.image;
    parts[1].text = "How many vehicles are there?";
    m.role = "user";
    m.parts = parts;
    m.n_parts = 2;
    g.max_tokens = 3;
    g.on_text = digest_text;
    g.on_text_user = d;
    assert_int_equal(einf_session_rewind(w->f.s, 0, NULL), EINF_OK);
    einf_status status = einf_chat_create(w->f.s, &how, &chat, &w->f.err);
    if (status != EINF_OK) assert_null(chat);
    for (uint64_t i = 0; i < 2 && status == EINF_OK; i++) {
        status = einf_chat_add(chat, &m, &w->f.err);
        if (status == EINF_OK) status = einf_chat_answer(chat, &g, NULL, &w->f.err);
        if (status == EINF_OK) assert_int_equal(einf_chat_n_messages(chat), 2 * i + 2);
    }
    if (status == EINF_OK) tell_logits(w, d);
    einf_chat_destroy(&chat);
    return status;
}

static void world_of_session(world *w, const einf_runtime_config *runtime)
{
    einf_session_config c = EINF_INIT(einf_session_config);
    world_begin(w, runtime);
    assert_ok(einf_model_open(w->f.rt, TRAFFIC "traffic-vl-Q4_K_M.gguf", NULL, &w->f.m, &w->f.err), &w->f.err);
    given.v = open_without_cache(w, TRAFFIC "mmproj-traffic-vl-F16.gguf");
    given.image = small_picture(w, 60, 60);
    c.n_ctx = 128;
    c.force_path = 1; /* the same logits however a prompt is split into calls */
    assert_ok(einf_session_create(w->f.m, &c, &w->f.s, &w->f.err), &w->f.err);
}

static void session_close(world *w)
{
    einf_image_close(&given.image);
    assert_ok(einf_session_destroy(&w->f.s, &w->f.err), &w->f.err);
    assert_ok(einf_vision_close(&given.v, &w->f.err), &w->f.err);
    world_close(w);
}

static void test_session(void **state)
{
    world w;
    (void)state;
    world_of_session(&w, NULL);
    sweep(&w, "append_image", append, 4);
    sweep(&w, "generate with pictures", generate, 8);
    sweep(&w, "converse with pictures", converse, 16);
    session_close(&w);
}

/* -------------------------------------------------------------------------------------------- system calls -- */

static int n_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* One call that fails by an errno: a refusal that says so, and nothing is left open. True when it was refused. */
static bool fail_call(world *w, call_fn call, const digest *expected, fault_call which, uint64_t n, int code)
{
    static digest got;
    const uint64_t live = w->f.heap.live_bytes;
    const int n_fds = n_descriptors();
    got.n = 0;
    w->f.err = test_error();
    fault_plan(which, n, code, 1);
    const einf_status status = call(w, &got);
    if (status == EINF_OK) {
        if (code != EINTR && which != FAULT_close) fail_msg("%s, call %d: errno %d went unnoticed",
                                                            fault_name(which), (int)n, code);
        assert_int_equal(got.n, expected->n);
        assert_memory_equal(got.bytes, expected->bytes, got.n);
    } else {
        if (status != EINF_E_IO && status != EINF_E_NOMEM)
            fail_msg("%s, call %d: %s", fault_name(which), (int)n, einf_status_name(status));
        assert_int_equal(w->f.err.code, status);
        if (code == EACCES && which == FAULT_open) assert_error_says(&w->f.err, "permission denied");
        assert_true(strlen(w->f.err.message) > 10);
    }
    assert_int_equal(w->f.heap.live_bytes, live);
    assert_int_equal(n_descriptors(), n_fds);
    return status != EINF_OK;
}

/* Every call that `call` makes, with every code; how many refusals. */
static int fail_every_call(world *w, call_fn call)
{
    static const fault_call calls[] = { FAULT_open, FAULT_stat, FAULT_fstat, FAULT_pread, FAULT_mmap, FAULT_close };
    static const int codes[] = { EIO, EMFILE, ENOMEM, EACCES, ESTALE, EINTR };
    static digest expected, again;
    int n_refused = 0;
    expected.n = again.n = 0;
    assert_ok(call(w, &expected), &w->f.err);
    for (size_t i = 0; i < TEST_COUNT(calls) * TEST_COUNT(codes); i++) {
        const fault_call which = calls[i / TEST_COUNT(codes)];
        again.n = 0;
        fault_plan(which, UINT64_MAX, EIO, 1); /* counts */
        assert_ok(call(w, &again), &w->f.err);
        const uint64_t n_calls = fault_end();
        for (uint64_t n = 1; n <= n_calls; n++)
            n_refused += fail_call(w, call, &expected, which, n, codes[i % TEST_COUNT(codes)]);
    }
    return n_refused;
}

static void test_every_call_fails(void **state)
{
    world w;
    int n;
    (void)state;
    given.from_memory = false;
    given.open_how = (einf_vision_config)EINF_INIT(einf_vision_config);
    world_of_encoder(&w, NULL);
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_READ; mode++) {
        given.open_how.mode = mode;
        n = fail_every_call(&w, open_encoder);
        print_message("encoder, mode %d: %d refusals\n", mode, n);
        assert_true(n > 15);
    }
    world_close(&w);
    make_picture(0);
    world_of_picture(&w, NULL);
    n = fail_every_call(&w, open_image);
    assert_true(n > 15);
    assert_true(fail_every_call(&w, probe_image) == n);
    print_message("picture: %d refusals\n", n);
    picture_free(&given.file);
    world_close(&w);
}

/* Reads that give less than was asked for change nothing. */
static void test_short_reads(void **state)
{
    static digest expected, got;
    world w;
    (void)state;
    given.from_memory = false;
    make_picture(3);
    world_of_picture(&w, NULL);
    expected.n = 0;
    assert_ok(open_image(&w, &expected), &w.f.err);
    for (uint64_t n_bytes = 1; n_bytes < 2000; n_bytes = 7 * n_bytes + 1) {
        got.n = 0;
        fault_plan_short(FAULT_pread, 1, n_bytes);
        assert_ok(open_image(&w, &got), &w.f.err);
        assert_int_equal(got.n, expected.n);
        assert_memory_equal(got.bytes, expected.bytes, got.n);
    }
    picture_free(&given.file);
    world_close(&w);
}

/* ------------------------------------------------------------------------------------------------- ceilings -- */

typedef void (*world_fn)(world *w, const einf_runtime_config *runtime);

/* What a call takes beyond what was there, at its most. */
static uint64_t most_bytes(world_fn begin, call_fn call)
{
    static digest d;
    world w;
    begin(&w, NULL);
    const uint64_t before = w.f.heap.live_bytes;
    d.n = 0;
    w.f.heap.peak_bytes = before;
    assert_ok(call(&w, &d), &w.f.err);
    const uint64_t most = w.f.heap.peak_bytes - before;
    world_close(&w);
    return most;
}

/* With so much for it: whether it was enough. The ceiling is never passed, and its error is the ceiling's. */
static bool call_within(world_fn begin, call_fn call, uint64_t n_bytes)
{
    static digest d;
    world w;
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = 2;
    begin(&w, &c);
    c.ram_limit_bytes = allocated_bytes(w.f.rt) + n_bytes;
    world_close(&w);
    begin(&w, &c);
    d.n = 0;
    const einf_status status = call(&w, &d);
    assert_true(w.f.heap.peak_bytes <= c.ram_limit_bytes);
    if (status != EINF_OK) {
        assert_status(status, &w.f.err, EINF_E_LIMIT);
        assert_string_equal(w.f.err.where, "ram_limit_bytes");
        assert_true(w.f.heap.live_bytes == allocated_bytes(w.f.rt));
    }
    world_close(&w);
    return status == EINF_OK;
}

static void check_ceiling(const char *name, world_fn begin, call_fn call)
{
    const uint64_t most = most_bytes(begin, call);
    if (!call_within(begin, call, most)) fail_msg("%s: %d bytes are not enough", name, (int)most);
    for (uint64_t i = 0; i < 8; i++)
        if (call_within(begin, call, most * i / 8)) fail_msg("%s: %d of %d bytes were enough", name,
                                                              (int)(most * i / 8), (int)most);
    if (call_within(begin, call, most - 1)) fail_msg("%s: a byte less than %d was enough", name, (int)most);
}

static void test_ceilings(void **state)
{
    (void)state;
    given.from_memory = false;
    given.open_how = (einf_vision_config)EINF_INIT(einf_vision_config);
    given.open_how.mode = EINF_MODE_READ;
    check_ceiling("encoder", world_of_encoder, open_encoder);
    for (int i = 3; i < N_PICTURES; i++) { /* libjpeg's memory is counted, and not the heap's: see below */
        make_picture(i);
        check_ceiling(PICTURES[i], world_of_picture, open_image);
        picture_free(&given.file);
    }
}

/* What libjpeg will take is counted in before it is asked for anything. */
static void test_ceiling_of_jpeg(void **state)
{
    (void)state;
    given.from_memory = false;
    for (int i = 0; i < 3; i++) {
        make_picture(i);
        const uint64_t most = most_bytes(world_of_picture, open_image);
        assert_false(call_within(world_of_picture, open_image, most));
        assert_true(call_within(world_of_picture, open_image, most + (2 << 20)));
        picture_free(&given.file);
    }
}

/* Encoding asks for all it will need before it computes anything. */
static void test_ceiling_of_encoding(void **state)
{
    static float rows[MAX_ROWS * WIDTH];
    int n_layers = 0;
    einf_image_sizes plan = EINF_INIT(einf_image_sizes);
    einf_encode_config how = EINF_INIT(einf_encode_config);
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    (void)state;
    how.progress = count_layers;
    how.progress_user = &n_layers;
    c.n_threads = 2;
    for (int short_of = 1; short_of >= 0; short_of--) {
        world w;
        world_of_encoder(&w, &c);
        assert_ok(einf_vision_open(w.f.rt, w.model_path, NULL, &given.v, &w.f.err), &w.f.err);
        given.image = small_picture(&w, 60, 40);
        if (short_of) {
            assert_ok(einf_vision_plan(given.v, 60, 40, NULL, &plan, &w.f.err), &w.f.err);
            c.ram_limit_bytes = allocated_bytes(w.f.rt) + plan.encode_bytes - 1;
        } else {
            const uint64_t n_calls = w.f.heap.n_calls;
            assert_status(einf_vision_encode(given.v, given.image, &how, rows, TEST_COUNT(rows), NULL, &w.f.err),
                          &w.f.err, EINF_E_LIMIT);
            assert_string_equal(w.f.err.where, "ram_limit_bytes");
            assert_int_equal(w.f.heap.n_calls, n_calls);
            assert_int_equal(n_layers, 0);
        }
        einf_image_close(&given.image);
        assert_ok(einf_vision_close(&given.v, &w.f.err), &w.f.err);
        world_close(&w);
    }
}

/* So does a prompt of two pictures: with less than it took, no layer of the first one is computed. */
static void test_ceiling_of_prompts(void **state)
{
    enum { N_STEPS = 8 };
    static digest d;
    uint64_t least = 0, most = 0;
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    (void)state;
    c.n_threads = 2;
    for (uint64_t i = 0; i <= N_STEPS + 1; i++) { /* without a ceiling; then higher and higher ones; at last enough */
        world w;
        c.ram_limit_bytes = i ? least + (most - least) * (i - 1) / N_STEPS : 0;
        world_of_session(&w, &c);
        d.n = 0;
        given.n_layers = 0;
        least = w.f.heap.peak_bytes = w.f.heap.live_bytes;
        const einf_status status = generate(&w, &d);
        if (i == 0) most = w.f.heap.peak_bytes;
        if (i == 0 || i == N_STEPS + 1) {
            assert_ok(status, &w.f.err);
            assert_int_equal(given.n_layers, 2 * 5);
        } else {
            assert_status(status, &w.f.err, EINF_E_LIMIT);
            assert_string_equal(w.f.err.where, "ram_limit_bytes");
            assert_int_equal(given.n_layers, 0);
        }
        assert_int_equal(w.f.heap.live_bytes, least);
        session_close(&w);
    }
}

/* ------------------------------------------------------------------------------------------- address space -- */

enum { SIDE = 65535 };

/* Headers that speak of SIDE x SIDE pixels, into given.file: JPEG, PNG, PPM. */
static void make_bomb(int i)
{
    const jpeg_options jpeg = { .width = 16, .height = 16 };
    const uint8_t sides[4] = { SIDE >> 8, SIDE & 255, SIDE >> 8, SIDE & 255 };
    if (i == 0) {
        jpeg_make(&given.file, &jpeg);
        memcpy(given.file.data + jpeg_find(&given.file, 0xc0, 0) + 5, sides, sizeof sides);
    } else if (i == 1) {
        png_begin(&given.file, SIDE, SIDE, 1, PNG_GRAY, 0);
        png_data(&given.file, sides, sizeof sides);
        png_end(&given.file);
    } else {
        put_ppm(&given.file, "P6 65535 65535 255\n", 100);
    }
}

static double now_s(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

/* By the limit on pixels; without one by what libjpeg can do, or by what the file can hold. */
static void refuse_bomb(world *w, int i)
{
    einf_image *image = NULL;
    einf_image_config any = EINF_INIT(einf_image_config);
    any.max_pixels = UINT64_MAX;
    w->f.err = test_error();
    assert_status(einf_image_open(w->f.rt, w->model_path, NULL, &image, &w->f.err), &w->f.err, EINF_E_LIMIT);
    assert_null(image);
    assert_error_says(&w->f.err, "65535 x 65535 pixels are more than the limit of 67108864");
    w->f.err = test_error();
    assert_status(einf_image_open(w->f.rt, w->model_path, &any, &image, &w->f.err), &w->f.err,
                  i == 0 ? EINF_E_LIMIT : EINF_E_FORMAT);
    assert_null(image);
    assert_error_says(&w->f.err, "65535 x 65535");
}

/* A PNG that could be as large as it says, for its file is long enough: then memory decides. */
static void refuse_large_png(world *w)
{
    einf_image *image = NULL;
    einf_image_config any = EINF_INIT(einf_image_config);
    for (int i = 0; i < 1 << 18; i++) picture_put_u32(&given.file, 0, true);
    any.max_pixels = UINT64_MAX;
    w->f.err = test_error();
    assert_status(einf_image_open_memory(w->f.rt, given.file.data, given.file.n, &any, &image, &w->f.err), &w->f.err,
                  EINF_E_NOMEM);
    assert_error_says(&w->f.err, "12884508675 bytes");
    assert_null(image);
}

/* Three headers, in a process of 256 MiB where that can be had. */
static void test_bombs(void **state)
{
    struct rlimit before, tight;
    const bool is_tight = !test_has_asan() && !test_has_tsan() && !test_is_emulated();
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)256 << 20;
    for (int i = 0; i < 3; i++) {
        world w;
        make_bomb(i);
        world_of_picture(&w, NULL);
        const double start_s = now_s();
        if (is_tight) assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
        refuse_bomb(&w, i);
        if (i == 1 && is_tight) refuse_large_png(&w);
        if (is_tight) assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
        assert_true(now_s() - start_s < test_patience_s());
        assert_true(w.f.heap.peak_bytes < 8 << 20);
        picture_free(&given.file);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_every_call_fails),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_ceiling_of_jpeg),
        cmocka_unit_test(test_ceiling_of_encoding),
        cmocka_unit_test(test_ceiling_of_prompts),
        cmocka_unit_test(test_bombs),
    };
    if (test_is_emulated()) { /* what fails here fails alike on every CPU */
        printf("SKIP: an emulator encodes pictures for ten minutes until every allocation has failed\n");
        return 0;
    }
    return cmocka_run_group_tests_name("faults_vision", tests, NULL, NULL);
}
