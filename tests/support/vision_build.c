/* SPDX-License-Identifier: MIT
 * vision_build.c - names, shapes and entries of tiny vision encoders. Knows nothing of the library: the lists here and
 * the tables of vision/ can disagree, and then a test fails.
 */
#include "tests/support/vision_build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *name)
{
    fprintf(stderr, "vision_build: %s %s\n", what, name);
    exit(99);
}

vision_spec vision_preset(void)
{
    return (vision_spec){ .n_layer = 2, .n_embd = 32, .n_head = 2, .n_ff = 48, .patch_size = 14, .merge_size = 2,
                          .row_width = 24, .eps = 1e-6f, .mean = { 0.48145466f, 0.4578275f, 0.40821073f },
                          .std = { 0.26862954f, 0.26130258f, 0.27577711f }, .type = MODEL_F32,
                          .patch_type = MODEL_F32, .vector_type = MODEL_F32, .seed = 1 };
}

/* ------------------------------------------------------------------------------------------------- tensors -- */

typedef struct lister {
    const vision_spec *s;
    vision_tensor *list;
    size_t n;
    int layer; /* -1: of the whole encoder */
} lister;

static vision_tensor *list_tensor(lister *l, const char *name, const char *suffix)
{
    vision_tensor *t = &l->list[l->n++];
    *t = (vision_tensor){ .dims = { 1, 1, 1, 1 } };
    if (l->layer < 0) snprintf(t->name, sizeof t->name, "%s%s", name, suffix);
    else snprintf(t->name, sizeof t->name, "v.blk.%d.%s%s", l->layer, name, suffix);
    return t;
}

static void list_vector(lister *l, const char *name, const char *suffix, uint64_t n, float mean, float std)
{
    vision_tensor *t = list_tensor(l, name, suffix);
    t->type = l->s->vector_type;
    t->n_dims = 1;
    t->dims[0] = n;
    t->mean = mean;
    t->std = std;
}

static void list_norm(lister *l, const char *name)
{
    list_vector(l, name, ".weight", l->s->n_embd, 1, 0.1f);
    list_vector(l, name, ".bias", l->s->n_embd, 0, 0.2f);
}

/* A matrix and its bias. */
static void list_linear(lister *l, const char *name, uint64_t n_in, uint64_t n_out)
{
    vision_tensor *t = list_tensor(l, name, ".weight");
    size_t n_bytes;
    uint8_t *row = model_weights(l->s->type, n_in, 0, 1, 1, &n_bytes); /* does the type divide a row? */
    t->type = row ? l->s->type : MODEL_F32;
    free(row);
    t->n_dims = 2;
    t->dims[0] = n_in;
    t->dims[1] = n_out;
    t->std = 1.0f / sqrtf((float)n_in);
    list_vector(l, name, ".bias", n_out, 0, 0.3f);
}

static void list_patches(lister *l, const char *name)
{
    vision_tensor *t = list_tensor(l, name, "");
    t->type = l->s->patch_type;
    t->n_dims = 4;
    t->dims[0] = t->dims[1] = l->s->patch_size;
    t->dims[2] = 3;
    t->dims[3] = l->s->n_embd;
    t->std = 1.0f / sqrtf(6.0f * (float)(l->s->patch_size * l->s->patch_size));
}

static void list_layer(lister *l)
{
    const vision_spec *s = l->s;
    list_norm(l, "ln1");
    if (s->fused_qkv) {
        list_linear(l, "attn_qkv", s->n_embd, 3 * (uint64_t)s->n_embd);
    } else {
        list_linear(l, "attn_q", s->n_embd, s->n_embd);
        list_linear(l, "attn_k", s->n_embd, s->n_embd);
        list_linear(l, "attn_v", s->n_embd, s->n_embd);
    }
    list_linear(l, "attn_out", s->n_embd, s->n_embd);
    list_norm(l, "ln2");
    list_linear(l, s->first_converter ? "ffn_down" : "ffn_up", s->n_embd, s->n_ff);
    list_linear(l, s->first_converter ? "ffn_up" : "ffn_down", s->n_ff, s->n_embd);
}

size_t vision_list(const vision_spec *s, vision_tensor *list)
{
    lister l = { .s = s, .list = list, .layer = -1 };
    const uint64_t n_merged = (uint64_t)s->n_embd * s->merge_size * s->merge_size;
    list_patches(&l, "v.patch_embd.weight");
    list_patches(&l, "v.patch_embd.weight.1");
    list_norm(&l, "v.post_ln");
    for (uint32_t i = 0; i < s->n_layer; i++) {
        l.layer = (int)i;
        list_layer(&l);
    }
    l.layer = -1;
    list_linear(&l, "mm.0", n_merged, n_merged);
    list_linear(&l, "mm.2", n_merged, s->row_width);
    return l.n;
}

void vision_put_tensor(gguf_build *b, const vision_spec *s, const vision_tensor *t)
{
    const uint64_t n_elems = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    size_t n_bytes;
    uint8_t *data = model_weights(t->type, n_elems, t->mean, t->std, s->seed ^ model_name_seed(t->name), &n_bytes);
    if (!data) die("no whole number of blocks in", t->name);
    gguf_build_drop_tensor(b, t->name);
    gguf_build_tensor(b, t->name, t->type, t->n_dims, t->dims, data, n_bytes);
    free(data);
}

/* ------------------------------------------------------------------------------------------------ the file -- */

static void put_entries(gguf_build *b, const vision_spec *s)
{
    gguf_build_str(b, "general.architecture", "clip");
    gguf_build_str(b, "general.name", "a tiny eye for tests");
    gguf_build_bool(b, "clip.has_vision_encoder", true);
    gguf_build_str(b, "clip.projector_type", "qwen2vl_merger");
    gguf_build_bool(b, "clip.use_gelu", s->act == VISION_GELU);
    gguf_build_bool(b, "clip.use_silu", s->act == VISION_SILU);
    gguf_build_u32(b, "clip.vision.patch_size", s->patch_size);
    gguf_build_u32(b, "clip.vision.image_size", 560);
    gguf_build_u32(b, "clip.vision.projection_dim", s->row_width);
    gguf_build_u32(b, "clip.vision.embedding_length", s->n_embd);
    gguf_build_u32(b, "clip.vision.feed_forward_length", s->first_converter ? 0 : s->n_ff);
    gguf_build_u32(b, "clip.vision.attention.head_count", s->n_head);
    gguf_build_f32(b, "clip.vision.attention.layer_norm_epsilon", s->eps);
    gguf_build_u32(b, "clip.vision.block_count", s->n_layer);
    if (s->merge_size != 2) gguf_build_u32(b, "clip.vision.spatial_merge_size", s->merge_size);
    if (s->min_pixels) gguf_build_u32(b, "clip.vision.image_min_pixels", s->min_pixels);
    if (s->max_pixels) gguf_build_u32(b, "clip.vision.image_max_pixels", s->max_pixels);
    gguf_build_array(b, "clip.vision.image_mean", GGUF_F32, s->mean, 3);
    gguf_build_array(b, "clip.vision.image_std", GGUF_F32, s->std, 3);
}

gguf_build *vision_build(const vision_spec *s)
{
    gguf_build *b = gguf_build_new();
    put_entries(b, s);
    vision_tensor *list = malloc(VISION_MAX_TENSORS * sizeof *list);
    if (!list) die("out of memory", "");
    const size_t n = vision_list(s, list);
    for (size_t i = 0; i < n; i++) vision_put_tensor(b, s, &list[i]);
    free(list);
    return b;
}

uint8_t *vision_file(const vision_spec *s, size_t *n_bytes)
{
    gguf_build *b = vision_build(s);
    uint8_t *file = gguf_build_finish(b, n_bytes);
    gguf_build_free(&b);
    return file;
}
