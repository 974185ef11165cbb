/* SPDX-License-Identifier: MIT
 * gguf_get.c - metadata as numbers and strings that are what the caller expects, or a refusal that says why not.
 *
 * The range is an argument of every getter, so a hyper-parameter that nobody checked cannot exist. Lenient about how
 * a number is stored (any integer width, f32 or f64), strict about what it is.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "engine/base/float_text.h"
#include "engine/gguf/gguf_private.h"

/* -------------------------------------------------------------------------------------------------- common -- */

static uint64_t offset_of(const einf__gguf *g, const uint8_t *p) { return (uint64_t)(p - g->source->data); }

/* *kv is NULL when the key is missing and may be. */
static einf_status look_up(const einf__gguf *g, const char *key, einf__need need, const char *expected,
                           const einf__gguf_kv **kv, einf_error *err)
{
    *kv = einf__gguf_find(g, key);
    if (*kv || need == EINF__OPTIONAL) return EINF_OK;
    return einf__fail(err, EINF_E_FORMAT, EINF_NO_OFFSET, key, "convert the model again, or use another version of it",
                      "the metadata lacks '%s' (%s)", key, expected);
}

static einf_status fail_type(const einf__gguf *g, const einf__gguf_kv *kv, const char *key, const char *expected,
                             einf_error *err)
{
    return einf__fail(err, EINF_E_FORMAT, offset_of(g, kv->value), key, "convert the model again",
                      "'%s' has type %s, expected %s", key, einf__gguf_type_name(kv), expected);
}

/* Item i of an integer entry: the exact value is -magnitude or +magnitude. */
typedef struct integer { bool negative; uint64_t magnitude; } integer;

static integer int_at(const einf__gguf_kv *kv, uint64_t i)
{
    if (kv->item_type == EINF__GGUF_U64) {
        uint64_t v;
        memcpy(&v, kv->value + i * sizeof v, sizeof v);
        return (integer){ false, v };
    }
    const int64_t v = einf__gguf_int_item(kv, i);
    return v < 0 ? (integer){ true, 0 - (uint64_t)v } : (integer){ false, (uint64_t)v };
}

static einf_status fail_int_range(const einf__gguf *g, const einf__gguf_kv *kv, const char *key, uint64_t i, integer v,
                                  uint64_t min, uint64_t max, einf_error *err)
{
    char item[32] = "";
    if (kv->type == EINF__GGUF_ARRAY) snprintf(item, sizeof item, "[%llu]", (unsigned long long)i);
    return einf__fail(err, EINF_E_FORMAT, offset_of(g, kv->value) + i * einf__gguf_item_bytes(kv->item_type), key, NULL,
                      "'%s'%s is %s%llu, allowed are %llu..%llu", key, item, v.negative ? "-" : "",
                      (unsigned long long)v.magnitude, (unsigned long long)min, (unsigned long long)max);
}

/* -------------------------------------------------------------------------------------------------- scalars -- */

einf_status einf__gguf_get_u32(const einf__gguf *g, const char *key, einf__need need, uint32_t fallback, uint32_t min,
                               uint32_t max, uint32_t *out, einf_error *err)
{
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, "an integer", &kv, err));
    if (kv && !einf__gguf_is_int(kv->type)) return fail_type(g, kv, key, "an integer", err);
    const integer v = kv ? int_at(kv, 0) : (integer){ false, fallback };
    if (kv && (v.negative || v.magnitude < min || v.magnitude > max))
        return fail_int_range(g, kv, key, 0, v, min, max, err);
    *out = (uint32_t)v.magnitude;
    return EINF_OK;
}

static double float_at(const einf__gguf_kv *kv, uint64_t i)
{
    double d;
    float f;
    if (kv->item_type == EINF__GGUF_F64) {
        memcpy(&d, kv->value + i * sizeof d, sizeof d);
        return d;
    }
    memcpy(&f, kv->value + i * sizeof f, sizeof f);
    return (double)f;
}

einf_status einf__gguf_get_f32(const einf__gguf *g, const char *key, einf__need need, float fallback, float min,
                               float max, float *out, einf_error *err)
{
    static const char expected[] = "f32 or f64";
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, expected, &kv, err));
    if (!kv) {
        *out = fallback;
        return EINF_OK;
    }
    if (kv->type != EINF__GGUF_F32 && kv->type != EINF__GGUF_F64) return fail_type(g, kv, key, expected, err);
    const double v = float_at(kv, 0);
    if (!isfinite(v) || v < (double)min || v > (double)max) {
        char text[32], low[32], high[32];
        if (kv->type == EINF__GGUF_F32) einf__f32_text((float)v, text);
        else einf__f64_text(v, text);
        einf__f32_text(min, low);
        einf__f32_text(max, high);
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, kv->value), key, NULL, "'%s' is %s, allowed are %s..%s", key,
                          text, low, high);
    }
    *out = (float)v;
    return EINF_OK;
}

einf_status einf__gguf_get_bool(const einf__gguf *g, const char *key, einf__need need, bool fallback, bool *out,
                                einf_error *err)
{
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, "bool", &kv, err));
    if (kv && kv->type != EINF__GGUF_BOOL) return fail_type(g, kv, key, "bool", err);
    *out = kv ? kv->value[0] != 0 : fallback; /* 0 or 1, as parse made sure */
    return EINF_OK;
}

einf_status einf__gguf_get_string(const einf__gguf *g, const char *key, einf__need need, einf__bytes fallback,
                                  einf__bytes *out, einf_error *err)
{
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, "string", &kv, err));
    if (kv && kv->type != EINF__GGUF_STRING) return fail_type(g, kv, key, "string", err);
    if (!kv) {
        *out = fallback;
        return EINF_OK;
    }
    einf__cursor c = einf__gguf_strings_begin(kv);
    *out = einf__gguf_strings_next(&c);
    return EINF_OK;
}

/* -1 in the width it is stored in; all bits set when that is unsigned. */
static bool is_minus_one(const einf__gguf_kv *kv)
{
    for (uint64_t i = 0; i < kv->value_bytes; i++)
        if (kv->value[i] != 0xff) return false;
    return true;
}

einf_status einf__gguf_get_token_id(const einf__gguf *g, const char *key, uint32_t n_vocab, int32_t *out,
                                    einf_error *err)
{
    const einf__gguf_kv *kv = einf__gguf_find(g, key);
    if (!kv) {
        *out = -1;
        return EINF_OK;
    }
    if (!einf__gguf_is_int(kv->type)) return fail_type(g, kv, key, "an integer", err);
    const integer v = int_at(kv, 0);
    const bool in_range = !v.negative && v.magnitude < n_vocab && v.magnitude <= INT32_MAX;
    if (!in_range && !is_minus_one(kv))
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, kv->value), key, "convert the model again",
                          "'%s' is %s%llu, no token of a vocabulary of %u", key, v.negative ? "-" : "",
                          (unsigned long long)v.magnitude, n_vocab);
    *out = in_range ? (int32_t)v.magnitude : -1;
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- arrays -- */

einf_status einf__gguf_get_layers_u32(const einf__gguf *g, const char *key, einf__need need, uint32_t fallback,
                                      uint32_t min, uint32_t max, uint32_t n, uint32_t *out, einf_error *err)
{
    static const char expected[] = "an integer or an array of integers";
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, expected, &kv, err));
    if (!kv) {
        for (uint32_t i = 0; i < n; i++) out[i] = fallback;
        return EINF_OK;
    }
    if (!einf__gguf_is_int(kv->item_type)) return fail_type(g, kv, key, expected, err);
    const bool is_array = kv->type == EINF__GGUF_ARRAY;
    if (is_array && kv->n_items != n)
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, kv->value), key, NULL,
                          "'%s' has %llu values, expected one for each of %u layers", key,
                          (unsigned long long)kv->n_items, n);
    for (uint64_t i = 0; i < kv->n_items; i++) {
        const integer v = int_at(kv, i);
        if (v.negative || v.magnitude < min || v.magnitude > max)
            return fail_int_range(g, kv, key, i, v, min, max, err);
    }
    for (uint32_t i = 0; i < n; i++) out[i] = (uint32_t)int_at(kv, is_array ? i : 0).magnitude;
    return EINF_OK;
}

einf_status einf__gguf_get_strings(const einf__gguf *g, const char *key, einf__need need, const einf__gguf_kv **out,
                                   einf_error *err)
{
    static const char expected[] = "array of string";
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, expected, &kv, err));
    if (kv && (kv->type != EINF__GGUF_ARRAY || kv->item_type != EINF__GGUF_STRING))
        return fail_type(g, kv, key, expected, err);
    *out = kv;
    return EINF_OK;
}

einf_status einf__gguf_get_ints(const einf__gguf *g, const char *key, einf__need need, const einf__gguf_kv **out,
                                einf_error *err)
{
    static const char expected[] = "an array of integers";
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, expected, &kv, err));
    if (kv && (kv->type != EINF__GGUF_ARRAY || !einf__gguf_is_int(kv->item_type)))
        return fail_type(g, kv, key, expected, err);
    *out = kv;
    return EINF_OK;
}

einf_status einf__gguf_get_floats(const einf__gguf *g, const char *key, einf__need need, const einf__gguf_kv **out,
                                  einf_error *err)
{
    static const char expected[] = "an array of f32 or f64";
    const einf__gguf_kv *kv;
    EINF_TRY(look_up(g, key, need, expected, &kv, err));
    if (kv && (kv->type != EINF__GGUF_ARRAY ||
               (kv->item_type != EINF__GGUF_F32 && kv->item_type != EINF__GGUF_F64)))
        return fail_type(g, kv, key, expected, err);
    for (uint64_t i = 0; kv && i < kv->n_items; i++) {
        const float v = einf__gguf_float_item(kv, i);
        if (isfinite(v)) continue;
        char text[32];
        einf__f32_text(v, text);
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, kv->value) + i * einf__gguf_item_bytes(kv->item_type), key,
                          NULL, "'%s'[%llu] is %s, expected a finite number", key, (unsigned long long)i, text);
    }
    *out = kv;
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- items -- */

int64_t einf__gguf_int_item(const einf__gguf_kv *kv, uint64_t i)
{
    const uint8_t *p = kv->value + i * einf__gguf_item_bytes(kv->item_type);
    switch (kv->item_type) {
#define CASE(type, T) case EINF__GGUF_##type: { T v; memcpy(&v, p, sizeof v); return v; }
    CASE(U8, uint8_t)
    CASE(I8, int8_t)
    CASE(U16, uint16_t)
    CASE(I16, int16_t)
    CASE(U32, uint32_t)
    CASE(I32, int32_t)
    CASE(I64, int64_t)
#undef CASE
    case EINF__GGUF_U64: {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
    default: return 0; /* the getters hand out integer arrays only */
    }
}

float einf__gguf_float_item(const einf__gguf_kv *kv, uint64_t i)
{
    const double v = float_at(kv, i);
    /* What no f32 can hold becomes infinite, which the getter refuses; the conversion itself would be undefined. */
    if (v > (double)FLT_MAX) return INFINITY;
    if (v < -(double)FLT_MAX) return -INFINITY;
    return (float)v;
}
