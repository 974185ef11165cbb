/* SPDX-License-Identifier: MIT
 * test_vision_config.c - every key of an encoder, in range and out of it: H-093 to H-100, and files that are something
 * else.
 */
#include "tests/unit/vision/vision_fixture.h"

static void test_everything_is_read(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.min_pixels = 4 * 784;
    s.max_pixels = 96 * 784;
    fixture f;
    assert_ok(fixture_read_build(&f, vision_build(&s)), &f.err);
    const einf__vision_config *c = &f.config;
    assert_string_equal(c->projector, "qwen2vl_merger");
    assert_int_equal(c->n_layer, 2);
    assert_int_equal(c->n_embd, 32);
    assert_int_equal(c->n_head, 2);
    assert_int_equal(c->head_dim, 16);
    assert_int_equal(c->n_ff, 48);
    assert_int_equal(c->patch_size, 14);
    assert_int_equal(c->merge_size, 2);
    assert_int_equal(c->row_width, 24);
    assert_int_equal(c->n_merged, 128);
    assert_int_equal(c->image_size, 560);
    assert_true(c->layer_norm_eps == 1e-6f);
    assert_true(c->rope_freq_base == 10000.0f);
    assert_int_equal(c->act, EINF__ACT_QUICK_GELU);
    assert_true(c->has_limits);
    assert_int_equal(c->facts.patch_size, 14);
    assert_int_equal(c->facts.merge_size, 2);
    assert_int_equal(c->facts.min_pixels, 4 * 784);
    assert_int_equal(c->facts.max_pixels, 96 * 784);
    for (int i = 0; i < 3; i++) {
        assert_true(c->facts.mean[i] == s.mean[i]);
        assert_true(c->facts.std[i] == s.std[i]);
    }
    fixture_close(&f);
}

static void test_activations(void **state)
{
    static const struct { vision_act act; einf__act is; const char *name; } cases[] = {
        { VISION_QUICK_GELU, EINF__ACT_QUICK_GELU, "quick_gelu" },
        { VISION_GELU, EINF__ACT_GELU, "gelu" },
        { VISION_SILU, EINF__ACT_SILU, "silu" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        vision_spec s = vision_preset();
        s.act = cases[i].act;
        fixture f;
        assert_ok(fixture_read_build(&f, vision_build(&s)), &f.err);
        assert_int_equal(f.config.act, cases[i].is);
        assert_string_equal(einf__act_name(f.config.act), cases[i].name);
        fixture_close(&f);
    }
    vision_spec s = vision_preset();
    gguf_build *b = vision_build(&s);
    gguf_build_drop_kv(b, "clip.use_gelu");
    gguf_build_drop_kv(b, "clip.use_silu");
    fixture f;
    assert_ok(fixture_read_build(&f, b), &f.err);
    assert_int_equal(f.config.act, EINF__ACT_QUICK_GELU);
    fixture_close(&f);
}

/* Limits that a file has: both, one, none; the one that is not there never contradicts the other. */
static void test_limits(void **state)
{
    static const struct { uint32_t min, max; uint64_t is_min, is_max; } cases[] = {
        { 0, 0, 0, 0 },
        { 3136, 12845056, 3136, 12845056 }, /* Qwen2-VL's own */
        { 3136, 0, 3136, 4096 * 784 },
        { 0, 75264, 8 * 784, 75264 },
        { 0, 1000, 1000, 1000 },
        { 5000 * 784, 0, 5000 * 784, 5000 * 784 },
        { 1, UINT32_MAX, 1, UINT32_MAX },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        vision_spec s = vision_preset();
        s.min_pixels = cases[i].min;
        s.max_pixels = cases[i].max;
        fixture f;
        assert_ok(fixture_read_build(&f, vision_build(&s)), &f.err);
        assert_int_equal(f.config.has_limits, i > 0);
        assert_int_equal(f.config.facts.min_pixels, cases[i].is_min);
        assert_int_equal(f.config.facts.max_pixels, cases[i].is_max);
        fixture_close(&f);
    }
}

/* --------------------------------------------------------------------------------------------------- numbers -- */

/* A key in another integer type, out of range or not. */
typedef struct number {
    const char *key;
    int64_t value;
    const char *says; /* NULL: fine */
} number;

static void check_number(const number *n)
{
    const vision_spec s = vision_preset();
    gguf_build *b = vision_build(&s);
    gguf_build_drop_kv(b, n->key);
    gguf_build_i64(b, n->key, n->value);
    fixture f;
    const einf_status status = fixture_read_build(&f, b);
    if (!n->says) {
        assert_ok(status, &f.err);
    } else {
        assert_status(status, &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, n->key);
        assert_error_says(&f.err, n->says);
        assert_int_equal(f.err.offset, einf__gguf_find(&f.g, n->key)->value - f.file);
    }
    fixture_close(&f);
}

static void test_numbers(void **state)
{
    static const number cases[] = {
        { "clip.vision.image_size", 0, "0" },  /* H-093 */
        { "clip.vision.image_size", -1, "-1" },
        { "clip.vision.image_size", 65536, "65536" },
        { "clip.vision.image_size", INT64_C(1) << 31, "2147483648" },
        { "clip.vision.image_size", 14, NULL },
        { "clip.vision.patch_size", 0, "0" },  /* H-094 */
        { "clip.vision.patch_size", 1, "1" },
        { "clip.vision.patch_size", -1, "-1" },
        { "clip.vision.patch_size", 65536, "65536" },
        { "clip.vision.patch_size", 65, "64" },
        { "clip.vision.patch_size", 16, NULL },
        { "clip.vision.spatial_merge_size", 0, "0" }, /* H-095 */
        { "clip.vision.spatial_merge_size", 9, "8" },
        { "clip.vision.spatial_merge_size", 65536, "65536" },
        { "clip.vision.spatial_merge_size", INT64_C(1) << 32, "4294967296" },
        { "clip.vision.spatial_merge_size", 2, NULL },
        { "clip.vision.image_min_pixels", 0, "0" }, /* H-096 */
        { "clip.vision.image_min_pixels", INT64_C(46340) * 46340, "2147395600" },
        { "clip.vision.image_min_pixels", INT64_MAX, "9223372036854775807" },
        { "clip.vision.image_max_pixels", 0, "0" },
        { "clip.vision.image_max_pixels", INT64_MAX, "9223372036854775807" },
        { "clip.vision.image_max_pixels", -5, "-5" },
        { "clip.vision.attention.head_count", 0, "0" }, /* H-098 */
        { "clip.vision.attention.head_count", 3, "32 cannot be split over 3 heads" },
        { "clip.vision.attention.head_count", 16, "heads of 2" },
        { "clip.vision.attention.head_count", 32, "heads of 1" },
        { "clip.vision.attention.head_count", -2, "-2" },
        { "clip.vision.attention.head_count", 8, NULL },
        { "clip.vision.embedding_length", 0, "0" },
        { "clip.vision.embedding_length", 8193, "8192" },
        { "clip.vision.projection_dim", 0, "0" },
        { "clip.vision.projection_dim", 1 << 18, "262144" },
        { "clip.vision.block_count", 0, "0" },
        { "clip.vision.block_count", 513, "512" },
        { "clip.vision.feed_forward_length", (1 << 17) + 1, "131072" },
        { "clip.vision.feed_forward_length", -48, "-48" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) check_number(&cases[i]);
}

/* 2^63, and both limits at 46340^2: the smallest picture would be blown up to two billion pixels. */
static void test_large_limits(void **state)
{
    (void)state;
    const vision_spec s = vision_preset();
    static const uint64_t both[] = { UINT64_C(46340) * 46340, UINT64_C(1) << 63 };
    for (size_t i = 0; i < TEST_COUNT(both); i++) {
        gguf_build *b = vision_build(&s);
        gguf_build_u64(b, "clip.vision.image_min_pixels", both[i]);
        gguf_build_u64(b, "clip.vision.image_max_pixels", both[i]);
        fixture f;
        assert_status(fixture_read_build(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, "clip.vision.image_min_pixels");
        fixture_close(&f);
    }
    vision_spec crossed = s;
    crossed.min_pixels = 100001;
    crossed.max_pixels = 100000;
    fixture f;
    assert_status(fixture_read_build(&f, vision_build(&crossed)), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "clip.vision.image_min_pixels");
    assert_error_says(&f.err, "at least 100001");
    assert_error_says(&f.err, "at most 100000");
    fixture_close(&f);
}

/* H-097 */
static void test_channels(void **state)
{
    static const struct { const char *key; float v[4]; size_t n; const char *says; } cases[] = {
        { "clip.vision.image_mean", { 0.5f, 0.5f }, 2, "2 numbers, expected 3" },
        { "clip.vision.image_mean", { 0.5f, 0.5f, 0.5f, 0.5f }, 4, "4 numbers, expected 3" },
        { "clip.vision.image_mean", { 0 }, 0, "0 numbers, expected 3" },
        { "clip.vision.image_mean", { 0.5f, NAN, 0.5f }, 3, "expected a finite number" },
        { "clip.vision.image_mean", { 0.5f, 0.5f, 1e30f }, 3, "[2] is out of range" },
        { "clip.vision.image_std", { 0.5f }, 1, "1 numbers, expected 3" },
        { "clip.vision.image_std", { 0.5f, 0.0f, 0.5f }, 3, "[1] is no positive number" },
        { "clip.vision.image_std", { -0.5f, 0.5f, 0.5f }, 3, "[0] is no positive number" },
        { "clip.vision.image_std", { 0.5f, 0.5f, 1e-30f }, 3, "[2] is no positive number" },
        { "clip.vision.image_std", { 0.5f, 0.5f, INFINITY }, 3, "expected a finite number" },
        { "clip.vision.image_std", { NAN, 0.5f, 0.5f }, 3, "expected a finite number" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const vision_spec s = vision_preset();
        gguf_build *b = vision_build(&s);
        gguf_build_drop_kv(b, cases[i].key);
        gguf_build_array(b, cases[i].key, GGUF_F32, cases[i].v, cases[i].n);
        fixture f;
        assert_status(fixture_read_build(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, cases[i].key);
        assert_error_says(&f.err, cases[i].says);
        fixture_close(&f);
    }
}

static void test_epsilon(void **state)
{
    static const char KEY[] = "clip.vision.attention.layer_norm_epsilon";
    static const float bad[] = { 0, -1e-6f, 2, NAN, INFINITY };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        const vision_spec s = vision_preset();
        gguf_build *b = vision_build(&s);
        gguf_build_drop_kv(b, KEY);
        gguf_build_f32(b, KEY, bad[i]);
        fixture f;
        assert_status(fixture_read_build(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, KEY);
        fixture_close(&f);
    }
}

static void test_missing_keys(void **state)
{
    static const char *const keys[] = {
        "general.architecture", "clip.vision.patch_size", "clip.vision.projection_dim", "clip.vision.embedding_length",
        "clip.vision.feed_forward_length", "clip.vision.attention.head_count", "clip.vision.block_count",
        "clip.vision.attention.layer_norm_epsilon", "clip.vision.image_mean", "clip.vision.image_std",
    };
    (void)state;
    const vision_spec s = vision_preset();
    for (size_t i = 0; i < TEST_COUNT(keys); i++) {
        gguf_build *b = vision_build(&s);
        assert_int_equal(gguf_build_drop_kv(b, keys[i]), 1);
        fixture f;
        assert_status(fixture_read_build(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, keys[i]);
        fixture_close(&f);
    }
    gguf_build *b = vision_build(&s);
    assert_int_equal(gguf_build_drop_kv(b, "clip.vision.image_size"), 1);
    fixture f;
    assert_ok(fixture_read_build(&f, b), &f.err);
    fixture_close(&f);
}

/* The first converters left the width of the feed-forward blocks to the tensors. */
static void test_width_from_tensors(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.first_converter = true;
    fixture f;
    assert_ok(fixture_read_build(&f, vision_build(&s)), &f.err);
    assert_int_equal(f.config.n_ff, 48);
    fixture_close(&f);

    gguf_build *b = vision_build(&s);
    gguf_build_drop_tensor(b, "v.blk.0.ffn_up.weight");
    assert_status(fixture_read_build(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "clip.vision.feed_forward_length");
    fixture_close(&f);
}

/* ---------------------------------------------------------------------------------------------- other files -- */

static void expect_unsupported(gguf_build *b, const char *where, const char *says)
{
    fixture f;
    assert_status(fixture_read_build(&f, b), &f.err, EINF_E_UNSUPPORTED);
    assert_string_equal(f.err.where, where);
    assert_error_says(&f.err, says);
    fixture_close(&f);
}

static void test_language_model(void **state) /* H-100 */
{
    (void)state;
    const model_spec s = model_preset(MODEL_QWEN2VL);
    expect_unsupported(model_build(&s), "general.architecture", "a language model of architecture 'qwen2vl'");
}

static void test_encoders_of_other_things(void **state)
{
    (void)state;
    const vision_spec s = vision_preset();
    gguf_build *b = vision_build(&s);
    gguf_build_drop_kv(b, "clip.has_vision_encoder");
    gguf_build_bool(b, "clip.has_audio_encoder", true);
    expect_unsupported(b, "clip.has_vision_encoder", "an encoder of sound");
    b = vision_build(&s);
    gguf_build_drop_kv(b, "clip.has_vision_encoder");
    gguf_build_bool(b, "clip.has_vision_encoder", false);
    expect_unsupported(b, "clip.has_vision_encoder", "no vision encoder");
}

/* Projectors by either key; files of both kinds are read. */
static void test_projectors(void **state)
{
    static const char *const others[] = { "qwen2.5vl_merger", "qwen3vl_merger", "mlp", "gemma3", "ultravox" };
    static const char *const keys[] = { "clip.projector_type", "clip.vision.projector_type" };
    (void)state;
    const vision_spec s = vision_preset();
    for (size_t i = 0; i < TEST_COUNT(others) * 2; i++) {
        gguf_build *b = vision_build(&s);
        gguf_build_drop_kv(b, "clip.projector_type");
        gguf_build_str(b, keys[i % 2], others[i / 2]);
        expect_unsupported(b, keys[i % 2], others[i / 2]);
    }
    gguf_build *b = vision_build(&s);
    gguf_build_drop_kv(b, "clip.projector_type");
    expect_unsupported(b, "clip.vision.projector_type", "does not name its projector");
    b = vision_build(&s);
    gguf_build_drop_kv(b, "clip.projector_type");
    gguf_build_str(b, "clip.vision.projector_type", "qwen2vl_merger");
    fixture f;
    assert_ok(fixture_read_build(&f, b), &f.err);
    fixture_close(&f);
}

/* H-099, and other things that an encoder may do besides: refused by name. */
static void test_other_arithmetic(void **state)
{
    static const struct { const char *key, *says; } cases[] = {
        { "clip.vision.n_wa_pattern", "window attention" },
        { "clip.vision.window_size", "window attention" },
        { "clip.vision.fullatt_block_indexes", "window attention" },
        { "clip.vision.wa_layer_indexes", "window attention" },
        { "clip.vision.is_deepstack_layers", "deepstack" },
        { "clip.vision.feature_layer", "features of inner layers" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const vision_spec s = vision_preset();
        gguf_build *b = vision_build(&s);
        gguf_build_u32(b, cases[i].key, i == 1 ? 0 : 8);
        expect_unsupported(b, cases[i].key, cases[i].says);
    }
}

static void test_two_activations(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.act = VISION_GELU;
    gguf_build *b = vision_build(&s);
    gguf_build_drop_kv(b, "clip.use_silu");
    gguf_build_bool(b, "clip.use_silu", true);
    fixture f;
    assert_status(fixture_read_build(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "clip.use_silu");
    assert_error_says(&f.err, "clip.use_gelu");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_read),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_large_limits),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_epsilon),
        cmocka_unit_test(test_missing_keys),
        cmocka_unit_test(test_width_from_tensors),
        cmocka_unit_test(test_language_model),
        cmocka_unit_test(test_encoders_of_other_things),
        cmocka_unit_test(test_projectors),
        cmocka_unit_test(test_other_arithmetic),
        cmocka_unit_test(test_two_activations),
    };
    return cmocka_run_group_tests_name("vision_config", tests, NULL, NULL);
}
