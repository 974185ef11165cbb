/* SPDX-License-Identifier: MIT
 * test_golden_vision.c - a picture through the whole path against what llama.cpp computed at its defaults: the image
 * rows, and the logits after a prompt around them.
 *
 * The picture is 224 x 168, which no rule resizes: what is compared is the encoder, M-RoPE, and the model behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/vision.h>

#include "tests/golden/golden_support.h"

enum { N_TOKENS = 48, WIDTH = 256, N_VOCAB = 1024 };
#define TOLERANCE 3e-3

static const char BEFORE[] = "<|im_start|>user\n<|vision_start|>", AFTER[] = "<|vision_end|>abc<|im_end|>\n";

typedef struct scene {
    golden g;
    einf_vision *v;
    einf_image *image;
    bool found;
} scene;

static int open_scene(void **state)
{
    static scene s;
    char *model = golden_path("tiny-qwen2vl-F16.gguf"), *mmproj = golden_path("tiny-mmproj-F16.gguf");
    char *picture = golden_path("scene-224x168.png");
    einf_error err = test_error();
    memset(&s, 0, sizeof s);
    s.found = model && mmproj && picture;
    if (s.found) {
        s.g = golden_open(model, 2);
        assert_ok(einf_vision_open(s.g.rt, mmproj, NULL, &s.v, &err), &err);
        assert_ok(einf_image_open(s.g.rt, picture, NULL, &s.image, &err), &err);
    }
    free(model);
    free(mmproj);
    free(picture);
    *state = &s;
    return 0;
}

static int close_scene(void **state)
{
    scene *s = *state;
    einf_error err = test_error();
    if (!s->found) return 0;
    einf_image_close(&s->image);
    assert_ok(einf_vision_close(&s->v, &err), &err);
    golden_close(&s->g);
    return 0;
}

static void compare(const char *what, const float *got, const float *expected, size_t n)
{
    const double error = golden_relative_error(got, expected, n);
    printf("%-28s error %.2e (allowed %.2e)\n", what, error, TOLERANCE);
    assert_true(error <= TOLERANCE);
}

/* By the encoder that is given. */
static void check_rows(const scene *s, einf_vision *v, const char *what)
{
    einf_error err = test_error();
    float *expected = golden_floats("tiny-mmproj-F16.scene.embd.f32", (size_t)N_TOKENS * WIDTH);
    if (!s->found || !expected) return;
    static float rows[N_TOKENS * WIDTH];
    einf_encode_result result = EINF_INIT(einf_encode_result);
    assert_ok(einf_vision_encode(v, s->image, NULL, rows, N_TOKENS * WIDTH, &result, &err), &err);
    assert_int_equal(result.sizes.n_tokens, N_TOKENS);
    assert_int_equal(result.sizes.width, 224);
    assert_int_equal(result.sizes.height, 168);
    compare(what, rows, expected, (size_t)N_TOKENS * WIDTH);
    free(expected);
}

static void test_rows(void **state)
{
    const scene *s = *state;
    check_rows(s, s->v, "image rows");
}

/* Sums in 16 bits, where the CPU has them. */
static void test_narrow_rows(void **state)
{
    static const struct { int32_t sum; const char *what; } kinds[] = {
        { EINF_FLOAT_SUM_F16, "image rows, sums in f16" }, { EINF_FLOAT_SUM_I16, "image rows, sums in i16" },
    };
    scene *s = *state;
    for (size_t i = 0; s->found && i < sizeof kinds / sizeof *kinds; i++) {
        einf_error err = test_error();
        einf_vision_config config = EINF_INIT(einf_vision_config);
        einf_vision_info info = EINF_INIT(einf_vision_info);
        einf_vision *v;
        char *mmproj = golden_path("tiny-mmproj-F16.gguf");
        config.float_sum = kinds[i].sum;
        assert_ok(einf_vision_open(s->g.rt, mmproj, &config, &v, &err), &err);
        assert_ok(einf_vision_get_info(v, &info, &err), &err);
        if (info.float_sum == kinds[i].sum) check_rows(s, v, kinds[i].what);
        else assert_int_equal(info.float_sum, EINF_FLOAT_SUM_F32);
        assert_ok(einf_vision_close(&v, &err), &err);
        free(mmproj);
    }
}

static void append_text(einf_session *s, const einf_model *m, const char *text, einf_error *err)
{
    int32_t ids[64];
    uint64_t n;
    assert_ok(einf_tokenize(m, text, strlen(text), EINF_TOK_SPECIAL, ids, 64, &n, err), err);
    assert_ok(einf_session_append_tokens(s, ids, (uint32_t)n, err), err);
}

/* Piece by piece, as the recording was made. */
static void test_logits(void **state)
{
    scene *s = *state;
    einf_error err = test_error();
    einf_session *session;
    float *expected = golden_floats("tiny-qwen2vl-F16.scene.logits.f32", N_VOCAB);
    if (!s->found || !expected) return;
    assert_ok(einf_session_create(s->g.model, NULL, &session, &err), &err);
    append_text(session, s->g.model, BEFORE, &err);
    assert_ok(einf_session_append_image(session, s->v, s->image, NULL, NULL, &err), &err);
    append_text(session, s->g.model, AFTER, &err);
    compare("logits, piece by piece", einf_session_logits(session), expected, N_VOCAB);
    assert_ok(einf_session_destroy(&session, &err), &err);
    free(expected);
}

/* As one raw prompt, whose placeholder is the picture's place: the model's choice is the recording's. */
static void test_prompt(void **state)
{
    scene *s = *state;
    einf_error err = test_error();
    einf_session *session;
    float *expected = golden_floats("tiny-qwen2vl-F16.scene.logits.f32", N_VOCAB);
    if (!s->found || !expected) return;
    char prompt[128];
    (void)snprintf(prompt, sizeof prompt, "%s<|image_pad|>%s", BEFORE, AFTER);
    const einf_image *const images[] = { s->image };
    einf_generate_config config = EINF_INIT(einf_generate_config);
    config.raw = 1;
    config.max_tokens = 1;
    config.vision = s->v;
    config.images = images;
    config.n_images = 1;
    einf_result result = EINF_INIT(einf_result);
    assert_ok(einf_session_create(s->g.model, NULL, &session, &err), &err);
    assert_ok(einf_generate(session, prompt, strlen(prompt), &config, &result, &err), &err);
    compare("logits, as one prompt", einf_session_logits(session), expected, N_VOCAB);
    assert_int_equal(result.n_images, 1);
    assert_int_equal(result.n_image_tokens, N_TOKENS);
    assert_int_equal(result.n_generated, 1);
    assert_ok(einf_session_destroy(&session, &err), &err);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows), cmocka_unit_test(test_narrow_rows), cmocka_unit_test(test_logits),
        cmocka_unit_test(test_prompt),
    };
    return cmocka_run_group_tests_name("a picture against llama.cpp", tests, open_scene, close_scene);
}
