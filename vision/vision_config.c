/* SPDX-License-Identifier: MIT
 * vision_config.c - from "clip.*" metadata to einf__vision_config.
 *
 * Reads the file in the order of the struct. Every number has been through a range, so products of them cannot
 * overflow: n_embd <= 2^13, merge_size <= 2^3, hence n_merged <= 2^19; n_ff <= 2^17; n_layer <= 2^9; and with the
 * 2^20 patches that the preprocessor allows, multiply-adds stay below 2^64.
 */
#include "vision/vision_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_LAYERS = 512,
    MAX_EMBD = 8192,
    MAX_HEAD_DIM = 1024,
    MAX_FF = 1 << 17,
    MIN_PATCH = 2,
    MAX_PATCH = 64,
    MAX_MERGE = 8,
    MAX_ROW_WIDTH = 1 << 17,
    MAX_IMAGE_SIZE = 32768,
    DEFAULT_MIN_TOKENS = 8, /* where a file has one limit alone, the other is that of EINF_RESIZE_PIXELS */
    DEFAULT_MAX_TOKENS = 4096
};

static const char PROJECTOR[] = "qwen2vl_merger";

static bool is_text(einf__bytes b, const char *text) { return b.n == strlen(text) && memcmp(b.p, text, b.n) == 0; }
static int shown(einf__bytes b) { return (int)(b.n < 64 ? b.n : 64); }

/* Byte offset of a key's value, for messages about combinations of keys. */
static uint64_t offset_of(const einf__gguf *g, const char *key)
{
    const einf__gguf_kv *kv = einf__gguf_find(g, key);
    return kv ? (uint64_t)(kv->value - g->source->data) : EINF_NO_OFFSET;
}

/* -------------------------------------------------------------------------------------------- what file it is -- */

static einf_status check_architecture(const einf__gguf *g, einf_error *err)
{
    einf__bytes arch;
    EINF_TRY(einf__gguf_get_string(g, "general.architecture", EINF__REQUIRED, (einf__bytes){ NULL, 0 }, &arch, err));
    if (is_text(arch, "clip")) return EINF_OK;
    return einf__fail(err, EINF_E_UNSUPPORTED, offset_of(g, "general.architecture"), "general.architecture",
                      "the vision encoder is a file of its own, mostly named mmproj-*.gguf",
                      "this is no vision encoder, but %s of architecture '%.*s'",
                      einf__gguf_find_tensor(g, "token_embd.weight") ? "a language model" : "a file", shown(arch),
                      arch.p);
}

static einf_status check_has_eye(const einf__gguf *g, einf_error *err)
{
    bool vision, audio;
    EINF_TRY(einf__gguf_get_bool(g, "clip.has_vision_encoder", EINF__OPTIONAL, false, &vision, err));
    EINF_TRY(einf__gguf_get_bool(g, "clip.has_audio_encoder", EINF__OPTIONAL, false, &audio, err));
    if (vision) return EINF_OK;
    return einf__fail(err, EINF_E_UNSUPPORTED, offset_of(g, "clip.has_vision_encoder"), "clip.has_vision_encoder", NULL,
                      audio ? "this is an encoder of sound, which is not supported"
                            : "the file says that it has no vision encoder");
}

static einf_status check_projector_key(const einf__gguf *g, const char *key, bool *found, einf_error *err)
{
    einf__bytes name;
    EINF_TRY(einf__gguf_get_string(g, key, EINF__OPTIONAL, (einf__bytes){ NULL, 0 }, &name, err));
    if (name.n == 0) return EINF_OK;
    *found = true;
    if (is_text(name, PROJECTOR)) return EINF_OK;
    return einf__fail(err, EINF_E_UNSUPPORTED, offset_of(g, key), key,
                      "supported projectors: qwen2vl_merger (the encoder of Qwen2-VL)",
                      "projector '%.*s' is not supported", shown(name), name.p);
}

/* Older files name the projector once for all, newer ones for each encoder. */
static einf_status check_projector(const einf__gguf *g, einf_error *err)
{
    bool found = false;
    EINF_TRY(check_projector_key(g, "clip.vision.projector_type", &found, err));
    EINF_TRY(check_projector_key(g, "clip.projector_type", &found, err));
    if (found) return EINF_OK;
    return einf__fail(err, EINF_E_UNSUPPORTED, EINF_NO_OFFSET, "clip.vision.projector_type",
                      "supported projectors: qwen2vl_merger (the encoder of Qwen2-VL)",
                      "the file does not name its projector");
}

/* What other encoders do, and this one would silently leave out. */
static einf_status refuse_unknown_arithmetic(const einf__gguf *g, einf_error *err)
{
    static const struct { const char *key, *what; } REFUSED[] = {
        { "clip.vision.n_wa_pattern", "window attention" },
        { "clip.vision.wa_layer_indexes", "window attention" },
        { "clip.vision.fullatt_block_indexes", "window attention" },
        { "clip.vision.window_size", "window attention" },
        { "clip.vision.is_deepstack_layers", "deepstack" },
        { "clip.vision.feature_layer", "taking features of inner layers" },
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        if (einf__gguf_find(g, REFUSED[i].key))
            return einf__fail(err, EINF_E_UNSUPPORTED, offset_of(g, REFUSED[i].key), REFUSED[i].key,
                              "supported are the encoders of Qwen2-VL, which attend to the whole picture",
                              "%s is not supported: the file has '%s'", REFUSED[i].what, REFUSED[i].key);
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------------- shapes -- */

static einf_status get_u32(const einf__gguf *g, const char *key, uint32_t min, uint32_t max, uint32_t *out,
                           einf_error *err)
{
    return einf__gguf_get_u32(g, key, EINF__REQUIRED, 0, min, max, out, err);
}

/* The first converters wrote 0 and left the width to the tensors, whose two names they had exchanged besides: it is
 * the dimension that is not n_embd. */
static einf_status read_ff(const einf__gguf *g, einf__vision_config *c, einf_error *err)
{
    EINF_TRY(get_u32(g, "clip.vision.feed_forward_length", 0, MAX_FF, &c->n_ff, err));
    if (c->n_ff > 0) return EINF_OK;
    const einf__gguf_tensor *up = einf__gguf_find_tensor(g, "v.blk.0.ffn_up.weight");
    const uint64_t n_ff = !up ? 0 : up->dims[0] == c->n_embd ? up->dims[1] : up->dims[0];
    if (n_ff < 1 || n_ff > MAX_FF)
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, "clip.vision.feed_forward_length"),
                          "clip.vision.feed_forward_length", NULL,
                          "the width is 0, and tensor v.blk.0.ffn_up.weight gives %llu; allowed are 1 to %d",
                          (unsigned long long)n_ff, (int)MAX_FF);
    c->n_ff = (uint32_t)n_ff;
    return EINF_OK;
}

static einf_status read_heads(const einf__gguf *g, einf__vision_config *c, einf_error *err)
{
    static const char KEY[] = "clip.vision.attention.head_count";
    EINF_TRY(get_u32(g, KEY, 1, MAX_EMBD, &c->n_head, err));
    c->head_dim = c->n_embd / c->n_head;
    if (c->n_embd % c->n_head != 0)
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, KEY), KEY, NULL,
                          "embedding_length %u cannot be split over %u heads", c->n_embd, c->n_head);
    if (c->head_dim % 4 != 0 || c->head_dim > MAX_HEAD_DIM)
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, KEY), KEY, NULL,
                          "heads of %u (%u over %u): rows and columns turn half of the pairs each, so it must be a "
                          "multiple of 4, and at most %d", c->head_dim, c->n_embd, c->n_head, (int)MAX_HEAD_DIM);
    return EINF_OK;
}

static einf_status read_shapes(const einf__gguf *g, einf__vision_config *c, einf_error *err)
{
    EINF_TRY(get_u32(g, "clip.vision.block_count", 1, MAX_LAYERS, &c->n_layer, err));
    EINF_TRY(get_u32(g, "clip.vision.embedding_length", 4, MAX_EMBD, &c->n_embd, err));
    EINF_TRY(read_heads(g, c, err));
    EINF_TRY(read_ff(g, c, err));
    EINF_TRY(get_u32(g, "clip.vision.patch_size", MIN_PATCH, MAX_PATCH, &c->patch_size, err));
    EINF_TRY(einf__gguf_get_u32(g, "clip.vision.spatial_merge_size", EINF__OPTIONAL, 2, 1, MAX_MERGE, &c->merge_size,
                                err));
    EINF_TRY(get_u32(g, "clip.vision.projection_dim", 1, MAX_ROW_WIDTH, &c->row_width, err));
    EINF_TRY(einf__gguf_get_u32(g, "clip.vision.image_size", EINF__OPTIONAL, 0, 1, MAX_IMAGE_SIZE, &c->image_size,
                                err));
    c->n_merged = c->n_embd * c->merge_size * c->merge_size;
    return EINF_OK;
}

static einf_status read_activation(const einf__gguf *g, einf__act *out, einf_error *err)
{
    bool gelu, silu;
    EINF_TRY(einf__gguf_get_bool(g, "clip.use_gelu", EINF__OPTIONAL, false, &gelu, err));
    EINF_TRY(einf__gguf_get_bool(g, "clip.use_silu", EINF__OPTIONAL, false, &silu, err));
    if (gelu && silu)
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, "clip.use_silu"), "clip.use_silu", NULL,
                          "the file asks for two activations, clip.use_gelu and clip.use_silu");
    *out = gelu ? EINF__ACT_GELU : silu ? EINF__ACT_SILU : EINF__ACT_QUICK_GELU;
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------- preprocessor -- */

/* Three numbers, one a channel, each in [min, max]. */
static einf_status read_channels(const einf__gguf *g, const char *key, float min, float max, float out[3],
                                 einf_error *err)
{
    const einf__gguf_kv *kv;
    EINF_TRY(einf__gguf_get_floats(g, key, EINF__REQUIRED, &kv, err));
    if (kv->n_items != 3)
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, key), key, NULL,
                          "'%s' has %llu numbers, expected 3: one for each of red, green and blue", key,
                          (unsigned long long)kv->n_items);
    for (uint64_t i = 0; i < 3; i++) {
        out[i] = einf__gguf_float_item(kv, i);
        if (out[i] >= min && out[i] <= max) continue;
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, key), key, NULL,
                          min > 0 ? "'%s'[%d] is no positive number that pixels can be divided by"
                                  : "'%s'[%d] is out of range", key, (int)i);
    }
    return EINF_OK;
}

/* Limits on the area of a picture. A minimum that no picture may reach would have every picture refused, and so would a
 * maximum below one token; a maximum beyond the most tokens is harmless, as large pictures are refused one by one. */
static einf_status read_limits(const einf__gguf *g, einf__vision_config *c, einf_error *err)
{
    static const char MIN[] = "clip.vision.image_min_pixels", MAX[] = "clip.vision.image_max_pixels";
    const uint32_t side = c->patch_size * c->merge_size, token = side * side; /* <= 2^18 */
    const uint64_t most = (uint64_t)token * EINF__MAX_IMAGE_TOKENS;
    uint32_t min_pixels, max_pixels;
    EINF_TRY(einf__gguf_get_u32(g, MIN, EINF__OPTIONAL, DEFAULT_MIN_TOKENS * token, 1,
                                most < UINT32_MAX ? (uint32_t)most : UINT32_MAX, &min_pixels, err));
    EINF_TRY(einf__gguf_get_u32(g, MAX, EINF__OPTIONAL, DEFAULT_MAX_TOKENS * token, token, UINT32_MAX, &max_pixels,
                                err));
    const bool has_min = einf__gguf_find(g, MIN), has_max = einf__gguf_find(g, MAX);
    if (has_min && has_max && min_pixels > max_pixels)
        return einf__fail(err, EINF_E_FORMAT, offset_of(g, MIN), MIN, NULL,
                          "pictures are to have at least %u pixels, and at most %u", min_pixels, max_pixels);
    if (min_pixels > max_pixels) { /* the one that is a default gives way */
        if (has_min) max_pixels = min_pixels;
        else min_pixels = max_pixels;
    }
    c->has_limits = has_min || has_max;
    c->facts.min_pixels = c->has_limits ? min_pixels : 0;
    c->facts.max_pixels = c->has_limits ? max_pixels : 0;
    return EINF_OK;
}

static einf_status read_facts(const einf__gguf *g, einf__vision_config *c, einf_error *err)
{
    c->facts.patch_size = c->patch_size;
    c->facts.merge_size = c->merge_size;
    EINF_TRY(read_channels(g, "clip.vision.image_mean", -256.0f, 256.0f, c->facts.mean, err));
    EINF_TRY(read_channels(g, "clip.vision.image_std", 0x1p-16f, 0x1p16f, c->facts.std, err));
    return read_limits(g, c, err);
}

/* ------------------------------------------------------------------------------------------------------- all -- */

einf_status einf__vision_config_read(const einf__gguf *g, einf__vision_config *out, einf_error *err)
{
    einf__vision_config c = { .rope_freq_base = 10000.0f }; /* no key has it: VisionRotaryEmbedding's theta */
    EINF_TRY(check_architecture(g, err));
    EINF_TRY(check_has_eye(g, err));
    EINF_TRY(check_projector(g, err));
    EINF_TRY(refuse_unknown_arithmetic(g, err));
    memcpy(c.projector, PROJECTOR, sizeof PROJECTOR);

    EINF_TRY(read_shapes(g, &c, err));
    /* above 0: a column whose elements are all alike has a variance of 0 */
    EINF_TRY(einf__gguf_get_f32(g, "clip.vision.attention.layer_norm_epsilon", EINF__REQUIRED, 0, 1e-12f, 1.0f,
                                &c.layer_norm_eps, err));
    EINF_TRY(read_activation(g, &c.act, err));
    EINF_TRY(read_facts(g, &c, err));
    *out = c;
    return EINF_OK;
}

const char *einf__act_name(einf__act act)
{
    static const char *const NAMES[EINF__N_ACTS] = { [EINF__ACT_QUICK_GELU] = "quick_gelu", [EINF__ACT_GELU] = "gelu",
                                                     [EINF__ACT_SILU] = "silu" };
    return NAMES[act];
}
