/* SPDX-License-Identifier: MIT
 * test_gguf_get.c - the typed getters: every stored type against every getter, ranges, defaults, what a refusal says.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

/* One entry of each stored type, in the order of the type numbers. */
static const char *const keys[EINF__GGUF_N_TYPES] = {
    "t.u8", "t.i8", "t.u16", "t.i16", "t.u32", "t.i32", "t.f32", "t.bool", "t.string", "t.array", "t.u64", "t.i64",
    "t.f64",
};
static const char *const type_names[EINF__GGUF_N_TYPES] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array of i32", "u64", "i64", "f64",
};

static gguf_build *one_of_each(void)
{
    gguf_build *b = gguf_build_new();
    gguf_build_u8(b, keys[0], 7);
    gguf_build_i8(b, keys[1], 7);
    gguf_build_u16(b, keys[2], 7);
    gguf_build_i16(b, keys[3], 7);
    gguf_build_u32(b, keys[4], 7);
    gguf_build_i32(b, keys[5], 7);
    gguf_build_f32(b, keys[6], 7);
    gguf_build_bool(b, keys[7], true);
    gguf_build_str(b, keys[8], "7");
    gguf_build_array(b, keys[9], GGUF_I32, (int32_t[]){ 7, 7 }, 2);
    gguf_build_u64(b, keys[10], 7);
    gguf_build_i64(b, keys[11], 7);
    gguf_build_f64(b, keys[12], 7);
    return b;
}

/* The getters behind one signature. Each returns its result as a number, to compare with 7. */
typedef einf_status (*getter)(const einf__gguf *g, const char *key, double *out, einf_error *err);

static einf_status get_u32(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    uint32_t v = 0;
    const einf_status s = einf__gguf_get_u32(g, key, EINF__REQUIRED, 0, 0, UINT32_MAX, &v, err);
    *out = v;
    return s;
}

static einf_status get_f32(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    float v = 0;
    const einf_status s = einf__gguf_get_f32(g, key, EINF__REQUIRED, 0, -FLT_MAX, FLT_MAX, &v, err);
    *out = (double)v;
    return s;
}

static einf_status get_bool(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    bool v = false;
    const einf_status s = einf__gguf_get_bool(g, key, EINF__REQUIRED, false, &v, err);
    *out = v ? 7 : 0;
    return s;
}

static einf_status get_string(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    einf__bytes v = { NULL, 0 };
    const einf_status s = einf__gguf_get_string(g, key, EINF__REQUIRED, v, &v, err);
    *out = s == EINF_OK && bytes_are(v, "7") ? 7 : 0;
    return s;
}

static einf_status get_token_id(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    int32_t v = 0;
    const einf_status s = einf__gguf_get_token_id(g, key, 8, &v, err);
    *out = v;
    return s;
}

static einf_status get_layers(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    uint32_t v[2] = { 0, 0 };
    const einf_status s = einf__gguf_get_layers_u32(g, key, EINF__REQUIRED, 0, 0, 100, 2, v, err);
    *out = v[0] == v[1] ? v[0] : 0;
    return s;
}

static einf_status get_strings(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    const einf__gguf_kv *kv;
    *out = 0;
    return einf__gguf_get_strings(g, key, EINF__REQUIRED, &kv, err);
}

static einf_status get_ints(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    const einf__gguf_kv *kv = NULL;
    const einf_status s = einf__gguf_get_ints(g, key, EINF__REQUIRED, &kv, err);
    *out = kv ? (double)einf__gguf_int_item(kv, 1) : 0;
    return s;
}

static einf_status get_floats(const einf__gguf *g, const char *key, double *out, einf_error *err)
{
    const einf__gguf_kv *kv;
    *out = 0;
    return einf__gguf_get_floats(g, key, EINF__REQUIRED, &kv, err);
}

/* H-032: a letter a stored type, in the order of keys: y when the getter takes it. */
static void test_every_type_against_every_getter(void **state)
{
    static const struct { const char *name; getter get; const char *takes; } getters[] = {
        /*                        u8 i8 u16 i16 u32 i32 f32 bool string array u64 i64 f64 */
        { "u32", get_u32,           "yyyyyy----yy-" },
        { "f32", get_f32,           "------y-----y" },
        { "bool", get_bool,         "-------y-----" },
        { "string", get_string,     "--------y----" },
        { "token_id", get_token_id, "yyyyyy----yy-" },
        { "layers", get_layers,     "yyyyyy---yyy-" },
        { "strings", get_strings,   "-------------" },
        { "ints", get_ints,         "---------y---" },
        { "floats", get_floats,     "-------------" },
    };
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, one_of_each()), &f.err);
    for (size_t i = 0; i < TEST_COUNT(getters); i++) {
        for (size_t t = 0; t < EINF__GGUF_N_TYPES; t++) {
            double v;
            char has_type[64];
            f.err = test_error();
            const einf_status s = getters[i].get(&f.g, keys[t], &v, &f.err);
            if (getters[i].takes[t] == 'y') {
                assert_ok(s, &f.err);
                assert_true(v == 7);
                continue;
            }
            assert_status(s, &f.err, EINF_E_FORMAT);
            snprintf(has_type, sizeof has_type, "'%s' has type %s, expected ", keys[t], type_names[t]);
            assert_error_says(&f.err, has_type);
            assert_string_equal(f.err.where, keys[t]);
            assert_int_equal(f.err.offset, f.g.kv[t].value - f.file);
        }
        /* H-031 */
        double v;
        f.err = test_error();
        if (getters[i].get == get_token_id) continue;
        assert_status(getters[i].get(&f.g, "missing", &v, &f.err), &f.err, EINF_E_FORMAT);
        assert_error_says(&f.err, "lacks 'missing'");
        assert_string_equal(f.err.where, "missing");
        assert_int_equal(f.err.offset, EINF_NO_OFFSET);
    }
    fixture_close(&f);
}

static void test_defaults(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, one_of_each()), &f.err);
    const char *k = "missing";
    uint32_t u = 0, layers[3] = { 0, 0, 0 };
    float x = 0;
    bool flag = false;
    int32_t id = 0;
    einf__bytes text = { NULL, 0 };
    const einf__gguf_kv *kv = &f.g.kv[0];
    /* A default may lie outside the range: it is the caller's. */
    assert_ok(einf__gguf_get_u32(&f.g, k, EINF__OPTIONAL, 99, 1, 10, &u, &f.err), &f.err);
    assert_int_equal(u, 99);
    assert_ok(einf__gguf_get_f32(&f.g, k, EINF__OPTIONAL, 2.5f, 0, 1, &x, &f.err), &f.err);
    assert_true(x == 2.5f);
    assert_ok(einf__gguf_get_bool(&f.g, k, EINF__OPTIONAL, true, &flag, &f.err), &f.err);
    assert_true(flag);
    assert_ok(einf__gguf_get_string(&f.g, k, EINF__OPTIONAL, (einf__bytes){ "abc", 3 }, &text, &f.err), &f.err);
    assert_true(bytes_are(text, "abc"));
    assert_ok(einf__gguf_get_string(&f.g, k, EINF__OPTIONAL, (einf__bytes){ NULL, 0 }, &text, &f.err), &f.err);
    assert_null(text.p);
    assert_ok(einf__gguf_get_token_id(&f.g, k, 10, &id, &f.err), &f.err);
    assert_int_equal(id, -1);
    assert_ok(einf__gguf_get_layers_u32(&f.g, k, EINF__OPTIONAL, 5, 1, 10, 3, layers, &f.err), &f.err);
    assert_int_equal(layers[0], 5);
    assert_int_equal(layers[2], 5);
    assert_ok(einf__gguf_get_strings(&f.g, k, EINF__OPTIONAL, &kv, &f.err), &f.err);
    assert_null(kv);
    kv = &f.g.kv[0];
    assert_ok(einf__gguf_get_ints(&f.g, k, EINF__OPTIONAL, &kv, &f.err), &f.err);
    assert_null(kv);
    kv = &f.g.kv[0];
    assert_ok(einf__gguf_get_floats(&f.g, k, EINF__OPTIONAL, &kv, &f.err), &f.err);
    assert_null(kv);
    /* Optional is no excuse for a wrong type. */
    assert_status(einf__gguf_get_u32(&f.g, "t.string", EINF__OPTIONAL, 1, 0, 9, &u, &f.err), &f.err, EINF_E_FORMAT);
    fixture_close(&f);
}

/* H-033, H-034: what is stored, and what a range makes of it. */
static void test_integer_ranges(void **state)
{
    static const struct { const char *key; uint32_t min, max; const char *text; uint32_t value; } cases[] = {
        { "u8", 0, 255, NULL, 255 },
        { "u8", 0, 254, "'u8' is 255, allowed are 0..254", 0 },
        { "u8", 255, 255, NULL, 255 },
        { "i8", 0, UINT32_MAX, "'i8' is -1, allowed are 0..4294967295", 0 },
        { "u16", 0, 65535, NULL, 65535 },
        { "i16", 0, UINT32_MAX, "'i16' is -32768", 0 },
        { "u32", 0, UINT32_MAX, NULL, UINT32_MAX },
        { "u32", 0, INT32_MAX, "'u32' is 4294967295, allowed are 0..2147483647", 0 },
        { "i32", 0, UINT32_MAX, "'i32' is -1", 0 },
        { "five", 5, 6, NULL, 5 },
        { "five", 6, 7, "'five' is 5, allowed are 6..7", 0 },
        { "five", 4, 4, "'five' is 5, allowed are 4..4", 0 },
        { "u64", 0, UINT32_MAX, "'u64' is 18446744073709551615", 0 },
        { "u64.small", 0, UINT32_MAX, NULL, 4294967295u },
        { "u64.over", 0, UINT32_MAX, "'u64.over' is 4294967296", 0 },
        { "i64", 0, UINT32_MAX, "'i64' is -9223372036854775808", 0 },
    };
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_u8(b, "u8", 255);
    gguf_build_i8(b, "i8", -1);
    gguf_build_u16(b, "u16", 65535);
    gguf_build_i16(b, "i16", INT16_MIN);
    gguf_build_u32(b, "u32", UINT32_MAX);
    gguf_build_i32(b, "i32", -1);
    gguf_build_i32(b, "five", 5);
    gguf_build_u64(b, "u64", UINT64_MAX);
    gguf_build_u64(b, "u64.small", UINT32_MAX);
    gguf_build_u64(b, "u64.over", (uint64_t)UINT32_MAX + 1);
    gguf_build_i64(b, "i64", INT64_MIN);
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint32_t v = 12345;
        f.err = test_error();
        const einf_status s = einf__gguf_get_u32(&f.g, cases[i].key, EINF__REQUIRED, 0, cases[i].min, cases[i].max, &v,
                                                 &f.err);
        if (!cases[i].text) {
            assert_ok(s, &f.err);
            assert_int_equal(v, cases[i].value);
        } else {
            assert_status(s, &f.err, EINF_E_FORMAT);
            assert_error_says(&f.err, cases[i].text);
            assert_int_equal(f.err.offset, einf__gguf_find(&f.g, cases[i].key)->value - f.file);
            assert_int_equal(v, 12345); /* untouched */
        }
    }
    fixture_close(&f);
}

/* H-030 */
static void test_float_ranges(void **state)
{
    static const struct { const char *key; float min, max; const char *text; float value; } cases[] = {
        { "one", 0, 2, NULL, 1 },
        { "one", 1, 1, NULL, 1 },
        { "one", 1.5f, 2, "'one' is 1, allowed are 1.5..2", 0 },
        { "one", 0, 0.25f, "'one' is 1, allowed are 0..0.25", 0 },
        { "nan", -FLT_MAX, FLT_MAX, "'nan' is nan", 0 },
        { "inf", -FLT_MAX, FLT_MAX, "'inf' is inf", 0 },
        { "minus.inf", -FLT_MAX, FLT_MAX, "'minus.inf' is -inf", 0 },
        { "negative", 0, 1, "'negative' is -1e-05, allowed are 0..1", 0 },
        { "denormal", 0, 1, NULL, 1e-45f },
        { "denormal", FLT_MIN, 1, "'denormal' is 1.4", 0 },
        { "f64", 0, 1, NULL, 0.1f },
        { "f64.huge", -FLT_MAX, FLT_MAX, "'f64.huge' is 1.0000000000000001e+300", 0 },
        { "f64.nan", -FLT_MAX, FLT_MAX, "'f64.nan' is nan", 0 },
    };
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_f32(b, "one", 1);
    gguf_build_f32(b, "nan", NAN);
    gguf_build_f32(b, "inf", INFINITY);
    gguf_build_f32(b, "minus.inf", -INFINITY);
    gguf_build_f32(b, "negative", -1e-5f);
    gguf_build_f32(b, "denormal", 1e-45f);
    gguf_build_f64(b, "f64", 0.1);
    gguf_build_f64(b, "f64.huge", 1e300);
    gguf_build_f64(b, "f64.nan", (double)NAN);
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        float v = 12345;
        f.err = test_error();
        const einf_status s = einf__gguf_get_f32(&f.g, cases[i].key, EINF__REQUIRED, 0, cases[i].min, cases[i].max, &v,
                                                 &f.err);
        assert_status(s, &f.err, cases[i].text ? EINF_E_FORMAT : EINF_OK);
        if (cases[i].text) assert_error_says(&f.err, cases[i].text);
        assert_true(v == (cases[i].text ? 12345.0f : cases[i].value));
    }
    fixture_close(&f);
}

static void test_bool_and_string(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_bool(b, "yes", true);
    gguf_build_bool(b, "no", false);
    gguf_build_str_n(b, "odd", "a\0b\xff", 4); /* a value may be any bytes */
    gguf_build_str(b, "empty", "");
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    bool v = false;
    assert_ok(einf__gguf_get_bool(&f.g, "yes", EINF__REQUIRED, false, &v, &f.err), &f.err);
    assert_true(v);
    assert_ok(einf__gguf_get_bool(&f.g, "no", EINF__REQUIRED, true, &v, &f.err), &f.err);
    assert_false(v);
    einf__bytes s = { NULL, 0 };
    assert_ok(einf__gguf_get_string(&f.g, "odd", EINF__REQUIRED, s, &s, &f.err), &f.err);
    assert_int_equal(s.n, 4);
    assert_memory_equal(s.p, "a\0b\xff", 4);
    assert_ok(einf__gguf_get_string(&f.g, "empty", EINF__REQUIRED, s, &s, &f.err), &f.err);
    assert_int_equal(s.n, 0);
    fixture_close(&f);
}

static void test_token_ids(void **state)
{
    static const struct { const char *key; uint32_t n_vocab; int32_t id; const char *text; } cases[] = {
        { "u32", 1000, 999, NULL },
        { "u32", 999, 0, "'u32' is 999, no token of a vocabulary of 999" },
        { "i32.minus", 1000, -1, NULL },
        { "u32.minus", 1000, -1, NULL },
        { "u64.minus", 1000, -1, NULL },
        { "i64.minus", 1000, -1, NULL },
        { "i8.minus", 1000, -1, NULL },
        { "u8.255", 1000, 255, NULL }, /* a token of that number exists */
        { "u8.255", 255, -1, NULL },
        { "i32.minus2", 1000, 0, "'i32.minus2' is -2, no token" },
        { "u32.big", 1000, 0, "'u32.big' is 2147483648, no token" },
        { "u32.big", UINT32_MAX, 0, "'u32.big' is 2147483648, no token" },
        { "missing", 1000, -1, NULL },
    };
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_u32(b, "u32", 999);
    gguf_build_i32(b, "i32.minus", -1);
    gguf_build_u32(b, "u32.minus", UINT32_MAX);
    gguf_build_u64(b, "u64.minus", UINT64_MAX);
    gguf_build_i64(b, "i64.minus", -1);
    gguf_build_i8(b, "i8.minus", -1);
    gguf_build_u8(b, "u8.255", 255);
    gguf_build_i32(b, "i32.minus2", -2);
    gguf_build_u32(b, "u32.big", 0x80000000u);
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int32_t id = 12345;
        f.err = test_error();
        const einf_status s = einf__gguf_get_token_id(&f.g, cases[i].key, cases[i].n_vocab, &id, &f.err);
        assert_status(s, &f.err, cases[i].text ? EINF_E_FORMAT : EINF_OK);
        if (cases[i].text) assert_error_says(&f.err, cases[i].text);
        else assert_int_equal(id, cases[i].id);
    }
    fixture_close(&f);
}

static void test_layers(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_u16(b, "scalar", 8);
    gguf_build_array(b, "u64s", GGUF_U64, (uint64_t[]){ 1, 2, 3 }, 3);
    gguf_build_array(b, "i8s", GGUF_I8, (int8_t[]){ 1, -2, 3 }, 3);
    gguf_build_array(b, "floats", GGUF_F32, (float[]){ 1, 2, 3 }, 3);
    gguf_build_array(b, "none", GGUF_U32, NULL, 0);
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    uint32_t v[3] = { 0, 0, 0 };
    assert_ok(einf__gguf_get_layers_u32(&f.g, "scalar", EINF__REQUIRED, 0, 1, 9, 3, v, &f.err), &f.err);
    assert_true(v[0] == 8 && v[1] == 8 && v[2] == 8);
    assert_ok(einf__gguf_get_layers_u32(&f.g, "u64s", EINF__REQUIRED, 0, 1, 9, 3, v, &f.err), &f.err);
    assert_true(v[0] == 1 && v[1] == 2 && v[2] == 3);

    static const struct { const char *key; uint32_t max, n; const char *text; uint64_t delta; } wrong[] = {
        { "u64s", 9, 2, "'u64s' has 3 values, expected one for each of 2 layers", 0 },
        { "u64s", 9, 4, "'u64s' has 3 values, expected one for each of 4 layers", 0 },
        { "u64s", 2, 3, "'u64s'[2] is 3, allowed are 1..2", 16 },
        { "i8s", 9, 3, "'i8s'[1] is -2, allowed are 1..9", 1 },
        { "scalar", 7, 3, "'scalar' is 8, allowed are 1..7", 0 },
        { "floats", 9, 3, "'floats' has type array of f32, expected an integer or an array of integers", 0 },
        { "none", 9, 3, "'none' has 0 values", 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        uint32_t out[4] = { 77, 77, 77, 77 };
        f.err = test_error();
        const einf_status s = einf__gguf_get_layers_u32(&f.g, wrong[i].key, EINF__REQUIRED, 0, 1, wrong[i].max,
                                                        wrong[i].n, out, &f.err);
        assert_status(s, &f.err, EINF_E_FORMAT);
        assert_error_says(&f.err, wrong[i].text);
        assert_int_equal(f.err.offset, einf__gguf_find(&f.g, wrong[i].key)->value - f.file + (ptrdiff_t)wrong[i].delta);
        assert_int_equal(out[0], 77); /* all or nothing */
    }
    fixture_close(&f);
}

static void test_arrays(void **state)
{
    (void)state;
    static const char *const words[] = { "a", "", "c\xff" };
    gguf_build *b = gguf_build_new();
    gguf_build_strings(b, "strings", words, NULL, 3);
    gguf_build_array(b, "u8s", GGUF_U8, (uint8_t[]){ 0, 128, 255 }, 3);
    gguf_build_array(b, "i8s", GGUF_I8, (int8_t[]){ -128, 127 }, 2);
    gguf_build_array(b, "u16s", GGUF_U16, (uint16_t[]){ 65535 }, 1);
    gguf_build_array(b, "i16s", GGUF_I16, (int16_t[]){ -32768 }, 1);
    gguf_build_array(b, "u32s", GGUF_U32, (uint32_t[]){ UINT32_MAX }, 1);
    gguf_build_array(b, "i32s", GGUF_I32, (int32_t[]){ INT32_MIN }, 1);
    gguf_build_array(b, "u64s", GGUF_U64, (uint64_t[]){ 5, UINT64_MAX }, 2);
    gguf_build_array(b, "i64s", GGUF_I64, (int64_t[]){ INT64_MIN }, 1);
    gguf_build_array(b, "f32s", GGUF_F32, (float[]){ 0.5f, -1 }, 2);
    gguf_build_array(b, "f64s", GGUF_F64, (double[]){ 0.1 }, 1);
    gguf_build_array(b, "bools", GGUF_BOOL, (uint8_t[]){ 1, 0 }, 2);
    gguf_build_array(b, "f32s.nan", GGUF_F32, (float[]){ 0, NAN }, 2);
    gguf_build_array(b, "f64s.huge", GGUF_F64, (double[]){ 1e300 }, 1);
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);

    static const struct { const char *key; uint64_t i; int64_t value; } ints[] = {
        { "u8s", 1, 128 }, { "u8s", 2, 255 }, { "i8s", 0, -128 }, { "i8s", 1, 127 }, { "u16s", 0, 65535 },
        { "i16s", 0, -32768 }, { "u32s", 0, UINT32_MAX }, { "i32s", 0, INT32_MIN }, { "u64s", 0, 5 },
        { "u64s", 1, INT64_MAX }, { "i64s", 0, INT64_MIN },
    };
    const einf__gguf_kv *kv;
    for (size_t i = 0; i < TEST_COUNT(ints); i++) {
        assert_ok(einf__gguf_get_ints(&f.g, ints[i].key, EINF__REQUIRED, &kv, &f.err), &f.err);
        assert_true(einf__gguf_int_item(kv, ints[i].i) == ints[i].value);
    }
    assert_ok(einf__gguf_get_floats(&f.g, "f32s", EINF__REQUIRED, &kv, &f.err), &f.err);
    assert_true(einf__gguf_float_item(kv, 0) == 0.5f && einf__gguf_float_item(kv, 1) == -1);
    assert_ok(einf__gguf_get_floats(&f.g, "f64s", EINF__REQUIRED, &kv, &f.err), &f.err);
    assert_true(einf__gguf_float_item(kv, 0) == 0.1f);
    assert_ok(einf__gguf_get_strings(&f.g, "strings", EINF__REQUIRED, &kv, &f.err), &f.err);
    einf__cursor c = einf__gguf_strings_begin(kv);
    for (size_t i = 0; i < 3; i++) assert_true(bytes_are(einf__gguf_strings_next(&c), words[i]));

    assert_status(einf__gguf_get_ints(&f.g, "bools", EINF__REQUIRED, &kv, &f.err), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "'bools' has type array of bool, expected an array of integers");
    f.err = test_error();
    assert_status(einf__gguf_get_strings(&f.g, "u8s", EINF__OPTIONAL, &kv, &f.err), &f.err, EINF_E_FORMAT);
    f.err = test_error();
    assert_status(einf__gguf_get_floats(&f.g, "f32s.nan", EINF__OPTIONAL, &kv, &f.err), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "'f32s.nan'[1] is nan, expected a finite number");
    assert_int_equal(f.err.offset, einf__gguf_find(&f.g, "f32s.nan")->value - f.file + 4);
    f.err = test_error();
    assert_status(einf__gguf_get_floats(&f.g, "f64s.huge", EINF__OPTIONAL, &kv, &f.err), &f.err, EINF_E_FORMAT);
    fixture_close(&f);
}

/* A getter works without an error struct. */
static void test_null_error(void **state)
{
    (void)state;
    fixture f;
    uint32_t v;
    assert_ok(fixture_build(&f, one_of_each()), &f.err);
    assert_int_equal(einf__gguf_get_u32(&f.g, "missing", EINF__REQUIRED, 0, 0, 1, &v, NULL), EINF_E_FORMAT);
    assert_int_equal(einf__gguf_get_u32(&f.g, "t.u8", EINF__REQUIRED, 0, 0, 1, &v, NULL), EINF_E_FORMAT);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_against_every_getter),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_integer_ranges),
        cmocka_unit_test(test_float_ranges),
        cmocka_unit_test(test_bool_and_string),
        cmocka_unit_test(test_token_ids),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_null_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
