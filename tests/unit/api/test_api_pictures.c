/* SPDX-License-Identifier: MIT
 * test_api_pictures.c - pictures in prompts and conversations: where they stand, what is computed again and what is
 * not, what is refused, and how an answer about one is stopped.
 */
#include "tests/unit/api/eyes_fixture.h"

enum { SCENE_TOKENS = 88 };

typedef struct asked {
    eyes *e;
    said said;
    einf_result result;
} asked;

static einf_generate_config config_of(asked *a, const einf_image *const *images, uint32_t n_images)
{
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.vision = a->e->v;
    c.images = images;
    c.n_images = n_images;
    c.max_tokens = 80;
    c.on_text = hear;
    c.on_text_user = &a->said;
    a->said = (said){ .n = 0 };
    a->result = (einf_result)EINF_INIT(einf_result);
    a->e->f.err = test_error();
    return c;
}

static einf_status ask(asked *a, const einf_image *const *images, uint32_t n_images, const char *question)
{
    const einf_generate_config c = config_of(a, images, n_images);
    return einf_generate(a->e->f.s, question, strlen(question), &c, &a->result, &a->e->f.err);
}

/* ----------------------------------------------------------------------------------------------- one prompt -- */

/* A second question about a picture finds it on the timeline; another picture is encoded; the first is remembered. */
static void test_asked_again(void **state)
{
    eyes e;
    asked a = { .e = &e };
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 512);
    einf_image *one = eyes_scene(&e, "scene-00.png"), *two = eyes_scene(&e, "scene-03.png");
    const einf_image *const first[] = { one }, *const second[] = { two };

    assert_ok(ask(&a, first, 1, "How many vehicles are there?"), &e.f.err);
    assert_string_equal(a.said.text, "Three.");
    assert_int_equal(a.result.n_images, 1);
    assert_int_equal(a.result.n_images_encoded, 1);
    assert_int_equal(a.result.n_image_tokens, SCENE_TOKENS);
    assert_true(a.result.n_prompt > SCENE_TOKENS);
    assert_int_equal(a.result.n_cached, 0);
    assert_true(a.result.image_s > 0);

    assert_ok(ask(&a, first, 1, "Is it day or night?"), &e.f.err);
    assert_string_equal(a.said.text, "Day.");
    assert_int_equal(a.result.n_images_encoded, 0);
    assert_true(a.result.n_cached > SCENE_TOKENS);
    assert_true(a.result.image_s == 0);
    assert_int_equal(eyes_info(&e).n_cache_hits, 0); /* the timeline has it */

    assert_ok(ask(&a, second, 1, "Is it day or night?"), &e.f.err);
    assert_int_equal(a.result.n_images_encoded, 1);
    assert_true(a.result.n_cached < SCENE_TOKENS);

    assert_ok(ask(&a, first, 1, "Is it day or night?"), &e.f.err);
    assert_string_equal(a.said.text, "Day.");
    assert_int_equal(a.result.n_images_encoded, 0);
    assert_true(a.result.n_cached < SCENE_TOKENS);
    assert_int_equal(eyes_info(&e).n_cache_hits, 1);
    einf_image_close(&one);
    einf_image_close(&two);
    eyes_close(&e);
}

/* Rows of an image are one thing in a fresh session and behind a shared beginning: the same answer, bit for bit. */
static void test_reuse_changes_nothing(void **state)
{
    eyes e;
    asked a = { .e = &e };
    static float fresh[512];
    (void)state;
    eyes_open(&e);
    einf_session_config config = EINF_INIT(einf_session_config);
    config.n_ctx = 512;
    config.deterministic = 1; /* whatever shares a call */
    assert_ok(einf_session_create(e.f.m, &config, &e.f.s, &e.f.err), &e.f.err);
    einf_image *image = eyes_scene(&e, "scene-07.png");
    const einf_image *const images[] = { image, image };
    assert_ok(ask(&a, images, 2, "Describe the scene."), &e.f.err);
    assert_int_equal(a.result.n_image_tokens, 2 * SCENE_TOKENS);
    assert_int_equal(a.result.n_images_encoded, 1); /* the second was remembered */
    memcpy(fresh, einf_session_logits(e.f.s), sizeof fresh);
    char text[512];
    memcpy(text, a.said.text, sizeof text);

    assert_ok(ask(&a, images, 1, "Is it day or night?"), &e.f.err); /* shares the beginning and one picture */
    assert_true(a.result.n_cached > SCENE_TOKENS);
    assert_ok(ask(&a, images, 2, "Describe the scene."), &e.f.err);
    assert_true(a.result.n_cached > SCENE_TOKENS && a.result.n_cached < 2 * SCENE_TOKENS);
    assert_string_equal(a.said.text, text);
    assert_memory_equal(einf_session_logits(e.f.s), fresh, sizeof fresh);
    einf_image_close(&image);
    eyes_close(&e);
}

static void test_raw_places(void **state)
{
    eyes e;
    asked a = { .e = &e };
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 512);
    einf_image *image = eyes_scene(&e, "scene-00.png");
    const einf_image *const images[] = { image, image };
    const char *const prompt = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>How many vehicles are "
                               "there?<|im_end|>\n<|im_start|>assistant\n";
    einf_generate_config c = config_of(&a, images, 1);
    c.raw = 1;
    assert_ok(einf_generate(e.f.s, prompt, strlen(prompt), &c, &a.result, &e.f.err), &e.f.err);
    assert_string_equal(a.said.text, "Three.");

    c = config_of(&a, images, 2);
    c.raw = 1;
    assert_status(einf_generate(e.f.s, prompt, strlen(prompt), &c, &a.result, &e.f.err), &e.f.err, EINF_E_TEMPLATE);
    assert_error_says(&e.f.err, "2 pictures");
    assert_error_says(&e.f.err, "1 place for");
    /* What a user writes is text, whatever it spells. */
    assert_ok(ask(&a, images, 1, "<|image_pad|> How many vehicles are there?"), &e.f.err);
    assert_int_equal(a.result.n_image_tokens, SCENE_TOKENS);
    einf_image_close(&image);
    eyes_close(&e);
}

static void test_refused(void **state)
{
    eyes e;
    asked a = { .e = &e };
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 64);
    einf_image *image = eyes_scene(&e, "scene-00.png");
    const einf_image *const images[] = { image, NULL };
    einf_generate_config c = config_of(&a, images, 1);
    c.vision = NULL;
    assert_status(einf_generate(e.f.s, "x", 1, &c, &a.result, &e.f.err), &e.f.err, EINF_E_STATE);
    assert_error_says(&e.f.err, "no vision encoder");
    assert_status(ask(&a, images, 2, "x"), &e.f.err, EINF_E_ARG);
    assert_status(ask(&a, NULL, 1, "x"), &e.f.err, EINF_E_ARG);
    assert_status(ask(&a, images, 5000, "x"), &e.f.err, EINF_E_ARG);

    /* Too long: said before anything is encoded, with what the picture takes. */
    assert_status(ask(&a, images, 1, "Describe the scene."), &e.f.err, EINF_E_CTX_FULL);
    assert_error_says(&e.f.err, "88 of them for 1 picture, the context 64");
    assert_int_equal(eyes_info(&e).n_cached, 0);

    /* Smaller pictures help. */
    einf_preprocess smaller = EINF_INIT(einf_preprocess);
    smaller.max_tokens = 20;
    c = config_of(&a, images, 1);
    c.preprocess = &smaller;
    c.max_tokens = 1;
    assert_ok(einf_generate(e.f.s, "Is it day or night?", 19, &c, &a.result, &e.f.err), &e.f.err);
    assert_true(a.result.n_image_tokens <= 20);
    smaller.rule = 77;
    e.f.err = test_error();
    assert_status(einf_generate(e.f.s, "x", 1, &c, &a.result, &e.f.err), &e.f.err, EINF_E_ARG);
    einf_image_close(&image);
    eyes_close(&e);
}

/* A limit of time ends an encoding between two layers: no error, nothing said, the timeline as it was. */
static void test_budget(void **state)
{
    eyes e;
    asked a = { .e = &e };
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 512);
    einf_image *image = eyes_scene(&e, "scene-00.png");
    const einf_image *const images[] = { image };
    einf_generate_config c = config_of(&a, images, 1);
    c.max_seconds = 1e-6;
    assert_ok(einf_generate(e.f.s, "x", 1, &c, &a.result, &e.f.err), &e.f.err);
    assert_int_equal(a.result.stop_reason, EINF_STOP_SECONDS);
    assert_int_equal(a.result.n_generated, 0);
    assert_int_equal(einf_session_n_past(e.f.s), 0);
    assert_int_equal(eyes_info(&e).n_cached, 0);
    einf_image_close(&image);
    eyes_close(&e);
}

static int32_t stop_in_image(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    einf_cancel *cancel = user;
    (void)total;
    if (phase == EINF_PHASE_IMAGE && done == 2) einf_cancel_set(cancel);
    return 0;
}

static void test_cancelled(void **state)
{
    eyes e;
    asked a = { .e = &e };
    einf_cancel *cancel;
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 512);
    assert_ok(einf_cancel_create(&cancel, &e.f.err), &e.f.err);
    einf_image *image = eyes_scene(&e, "scene-00.png");
    const einf_image *const images[] = { image };
    einf_generate_config c = config_of(&a, images, 1);
    c.cancel = cancel;
    c.progress = stop_in_image;
    c.progress_user = cancel;
    assert_status(einf_generate(e.f.s, "How many?", 9, &c, &a.result, &e.f.err), &e.f.err, EINF_E_CANCELLED);
    assert_int_equal(a.result.stop_reason, EINF_STOP_CANCELLED);
    assert_int_equal(einf_session_n_past(e.f.s), 0);
    assert_ok(ask(&a, images, 1, "How many vehicles are there?"), &e.f.err);
    assert_string_equal(a.said.text, "Three.");
    einf_cancel_destroy(&cancel);
    einf_image_close(&image);
    eyes_close(&e);
}

/* ------------------------------------------------------------------------------------------- conversations -- */

static void add_parts(eyes *e, einf_chat *chat, const einf_part *parts, uint32_t n)
{
    einf_message m = EINF_INIT(einf_message);
    m.role = "user";
    m.parts = parts;
    m.n_parts = n;
    assert_ok(einf_chat_add(chat, &m, &e->f.err), &e->f.err);
}

static einf_part image_part(const einf_image *image)
{
    einf_part p = EINF_INIT(einf_part);
    p.image = image;
    return p;
}

static einf_part text_part(const char *text)
{
    einf_part p = EINF_INIT(einf_part);
    p.text = text;
    return p;
}

static einf_status answer(asked *a, einf_chat *chat)
{
    const einf_generate_config c = config_of(a, NULL, 0);
    return einf_chat_answer(chat, &c, &a->result, &a->e->f.err);
}

/* Pictures in several messages; the host closes its handles at once. */
static void test_conversation(void **state)
{
    eyes e;
    asked a = { .e = &e };
    einf_chat *chat;
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 1024);
    einf_chat_config config = EINF_INIT(einf_chat_config);
    config.vision = e.v;
    assert_ok(einf_chat_create(e.f.s, &config, &chat, &e.f.err), &e.f.err);
    einf_image *one = eyes_scene(&e, "scene-00.png"), *two = eyes_scene(&e, "scene-03.png");
    add_parts(&e, chat, (einf_part[]){ image_part(one), text_part("How many vehicles are there?") }, 2);
    assert_ok(answer(&a, chat), &e.f.err);
    assert_string_equal(a.said.text, "Three.");
    add_parts(&e, chat, (einf_part[]){ image_part(two), text_part("Is it "), text_part("day or night?") }, 3);
    einf_image_close(&one);
    einf_image_close(&two);
    assert_ok(answer(&a, chat), &e.f.err);
    assert_int_equal(a.result.n_images, 2);
    assert_int_equal(a.result.n_images_encoded, 1);
    assert_int_equal(a.result.n_image_tokens, 2 * SCENE_TOKENS);
    assert_true(a.result.n_cached > SCENE_TOKENS);

    einf_message m = EINF_INIT(einf_message);
    assert_ok(einf_chat_get_message(chat, 2, &m, &e.f.err), &e.f.err);
    assert_int_equal(m.n_parts, 3);
    assert_null(m.content);
    assert_null(m.parts[0].text);
    assert_string_equal(m.parts[2].text, "day or night?");
    einf_image_info info = EINF_INIT(einf_image_info);
    assert_ok(einf_image_get_info(m.parts[0].image, &info, &e.f.err), &e.f.err);
    assert_int_equal(info.width, 1024);

    const uint64_t live = e.f.heap.live_bytes;
    assert_ok(einf_chat_truncate(chat, 2, &e.f.err), &e.f.err);
    assert_true(live - e.f.heap.live_bytes > 1024 * 712 * 3); /* the second picture is gone */
    einf_chat_destroy(&chat);
    eyes_close(&e);
}

static void test_blind_conversation(void **state)
{
    eyes e;
    asked a = { .e = &e };
    einf_chat *chat;
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 512);
    assert_ok(einf_chat_create(e.f.s, NULL, &chat, &e.f.err), &e.f.err);
    einf_image *image = eyes_picture(&e, 64, 64, 1);
    add_parts(&e, chat, (einf_part[]){ image_part(image), text_part("What is it?") }, 2);
    assert_status(answer(&a, chat), &e.f.err, EINF_E_STATE);
    assert_error_says(&e.f.err, "no vision encoder");
    assert_int_equal(einf_chat_n_messages(chat), 1);

    einf_message m = EINF_INIT(einf_message);
    einf_part both = text_part("x"), old = text_part("x");
    both.image = image;
    old.struct_size = 8;
    m.role = "user";
    m.n_parts = 1;
    e.f.err = test_error();
    assert_status(einf_chat_add(chat, &m, &e.f.err), &e.f.err, EINF_E_ARG);
    m.parts = &both;
    e.f.err = test_error();
    assert_status(einf_chat_add(chat, &m, &e.f.err), &e.f.err, EINF_E_ARG);
    assert_error_says(&e.f.err, "either a text or an image");
    m.parts = &old;
    e.f.err = test_error();
    assert_status(einf_chat_add(chat, &m, &e.f.err), &e.f.err, EINF_E_ARG);
    assert_error_says(&e.f.err, "struct_size 8");
    m.content = "and a text";
    e.f.err = test_error();
    assert_status(einf_chat_add(chat, &m, &e.f.err), &e.f.err, EINF_E_ARG);
    assert_error_says(&e.f.err, "both content and parts");
    einf_image_close(&image);
    einf_chat_destroy(&chat);
    eyes_close(&e);
}

/* Saved with its rows: loaded elsewhere the picture needs no second encoding, for its keys are the same. */
static void test_saved(void **state)
{
    eyes e, other;
    asked a = { .e = &e };
    (void)state;
    eyes_open(&e);
    eyes_session(&e, 512);
    einf_image *image = eyes_scene(&e, "scene-00.png");
    const einf_image *const images[] = { image };
    char *dir = test_temp_dir(), *path = test_path(dir, "saved");
    assert_ok(ask(&a, images, 1, "Is it day or night?"), &e.f.err);
    assert_ok(einf_session_save(e.f.s, path, &e.f.err), &e.f.err);

    eyes_open(&other);
    eyes_session(&other, 512);
    einf_image *same = eyes_scene(&other, "scene-00.png");
    const einf_image *const again[] = { same };
    a.e = &other;
    assert_ok(einf_session_load(other.f.s, path, &other.f.err), &other.f.err);
    assert_ok(ask(&a, again, 1, "How many vehicles are there?"), &other.f.err);
    assert_string_equal(a.said.text, "Three.");
    assert_int_equal(a.result.n_images_encoded, 0);
    assert_true(a.result.n_cached > SCENE_TOKENS);
    einf_image_close(&image);
    einf_image_close(&same);
    eyes_close(&e);
    eyes_close(&other);
    free(path);
    test_temp_remove(&dir);
}

/* As text: one placeholder a picture, without an encoder. */
static void test_rendered(void **state)
{
    eyes e;
    char text[512];
    uint64_t n;
    (void)state;
    eyes_open(&e);
    einf_image *image = eyes_picture(&e, 64, 64, 1);
    const einf_part parts[] = { text_part("Before."), image_part(image), text_part("Behind.") };
    einf_message m = EINF_INIT(einf_message);
    m.role = "user";
    m.parts = parts;
    m.n_parts = 3;
    assert_ok(einf_chat_render(e.f.m, &m, 1, NULL, text, sizeof text, &n, &e.f.err), &e.f.err);
    text[n] = '\0';
    assert_non_null(strstr(text, "Before.<|vision_start|><|image_pad|><|vision_end|>Behind.<|im_end|>"));
    einf_image_close(&image);
    eyes_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_again), cmocka_unit_test(test_reuse_changes_nothing),
        cmocka_unit_test(test_raw_places), cmocka_unit_test(test_refused), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_cancelled), cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_blind_conversation), cmocka_unit_test(test_saved), cmocka_unit_test(test_rendered),
    };
    return cmocka_run_group_tests_name("pictures in prompts", tests, NULL, NULL);
}
