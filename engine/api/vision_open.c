/* SPDX-License-Identifier: MIT
 * vision_open.c - a vision encoder as a handle: its file opened and checked whole, what it tells about itself, closed.
 *
 * close_parts accepts one at any stage of opening, as that of a model does.
 */
#include <string.h>

#include "engine/api/vision_internal.h"
#include "engine/gguf/gguf_hash.h"

#define DEFAULT_CACHE_BYTES (UINT64_C(64) << 20)

/* -------------------------------------------------------------------------------------------------- opening -- */

static void close_parts(einf_vision *v)
{
    einf__memory *mem = &v->rt->memory;
    einf__image_cache_deinit(&v->cache);
    einf__free(mem, v->weights_block, (size_t)v->weights_bytes);
    einf__gguf_deinit(&v->gguf);
    einf__source_close(&v->source);
    einf__free(mem, v, sizeof *v);
}

static einf_status load_weights(einf_vision *v, const einf_vision_config *c, einf_error *err)
{
    const einf__kernels *kernels = &v->rt->kernels;
    uint64_t n_unused;
    EINF_TRY(einf__vision_config_read(&v->gguf, &v->config, err));
    einf__arena count = einf__arena_counting();
    EINF_TRY(einf__vision_weights_bind(&v->gguf, &v->config, &count, kernels, &v->weights, &n_unused, err));
    EINF_TRY(einf__alloc_or_fail(&v->rt->memory, count.used_bytes, "the table of weights", &v->weights_block, err));
    v->weights_bytes = count.used_bytes;
    einf__arena arena = einf__arena_over(v->weights_block, v->weights_bytes);
    EINF_TRY(einf__vision_weights_bind(&v->gguf, &v->config, &arena, kernels, &v->weights, &n_unused, err));
    if (n_unused)
        einf__log(v->rt, EINF_LOG_WARNING, "%llu tensors of the vision encoder's file are not used",
                  (unsigned long long)n_unused);
    return c->check_tensors ? einf__weights_check_values(&v->gguf, kernels, c->cancel, err) : EINF_OK;
}

static einf_status open_all(einf_vision *v, const einf__origin *o, const einf_vision_config *c, einf_error *err)
{
    const einf__source_options options = { .mode = c->mode, .cancel = c->cancel, .progress = c->progress,
                                           .progress_user = c->progress_user };
    if (einf__is_cancelled(c->cancel))
        return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL, "cancelled while opening the encoder");
    EINF_TRY(einf__origin_open(&v->rt->memory, o, &options, &v->source, err));
    if (v->source.huge_refused)
        einf__log(v->rt, EINF_LOG_WARNING, "the system gives no huge pages; the encoder is read into small ones");
    EINF_TRY(einf__gguf_parse(&v->rt->memory, &v->source, &v->gguf, err));
    EINF_TRY(load_weights(v, c, err));
    v->hash = einf__gguf_hash(&v->gguf);
    einf__pixel_values_init(&v->values, v->config.facts.mean, v->config.facts.std);
    const uint64_t n_bytes = v->source.size_bytes;
    if (c->progress && c->progress(c->progress_user, EINF_PHASE_LOAD, n_bytes, n_bytes) != 0)
        return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL, "cancelled by the progress callback");
    return EINF_OK;
}

static einf_status check_flag(const char *name, int32_t value, int32_t max, einf_error *err)
{
    if (value >= 0 && value <= max) return EINF_OK;
    return einf__fail_arg(err, name, "%s is %d, expected 0 to %d", name, value, max);
}

static einf_status read_params(const einf_vision_config *c, const einf_runtime *rt, einf__encoder_params *out,
                               einf_error *err)
{
    EINF_TRY(einf__check_mode(c->mode, err));
    EINF_TRY(check_flag("exact", c->exact, 1, err));
    EINF_TRY(check_flag("float_sum", c->float_sum, EINF_FLOAT_SUM_I16, err));
    EINF_TRY(check_flag("force_path", c->force_path, EINF__N_PATHS - 1, err));
    const bool plain = !c->exact && c->force_path != EINF__PATH_ROWS;
    const einf__float_sum asked = plain ? (einf__float_sum)c->float_sum : EINF__SUM_F32;
    *out = (einf__encoder_params){ .path = (einf__path)c->force_path, .exact = c->exact != 0,
                                   .float_sum = einf__float_sum_of(&rt->kernels, asked),
                                   .n_threads = einf__pool_n_threads(rt->pool) };
    return EINF_OK;
}

static einf_status open_vision(einf_runtime *rt, const einf__origin *o, const einf_vision_config *config,
                               einf_vision **out, einf_error *err)
{
    const einf_vision_config defaults = EINF_INIT(einf_vision_config);
    einf__encoder_params params;
    void *block;
    EINF__NEED(out, err);
    *out = NULL;
    EINF__NEED(rt, err);
    if (!config) config = &defaults;
    EINF__NEED_STRUCT(config, einf_vision_config, err);
    EINF_TRY(read_params(config, rt, &params, err));
    EINF_TRY(einf__check_process(rt, err));
    EINF_TRY(einf__alloc_or_fail(&rt->memory, sizeof(einf_vision), "the vision encoder", &block, err));
    einf_vision *v = block;
    memset(v, 0, sizeof *v);
    v->rt = rt;
    v->params = params;
    atomic_init(&v->n_users, 0);
    const uint64_t cache_bytes = config->cache_bytes ? config->cache_bytes : DEFAULT_CACHE_BYTES;
    einf__image_cache_init(&v->cache, &rt->memory, cache_bytes == EINF_CACHE_NONE ? 0 : cache_bytes);
    atomic_fetch_add(&rt->n_handles, 1); /* from here on, so that no callback can destroy the runtime */

    const einf__phase phase = einf__phase_begin(rt, EINF_PHASE_LOAD, 0, 0);
    const einf_status status = open_all(v, o, config, err);
    einf__phase_end(&phase, v->source.size_bytes, status, NULL);
    if (status != EINF_OK) {
        close_parts(v);
        atomic_fetch_sub(&rt->n_handles, 1);
        return status;
    }
    if (config->float_sum != (int32_t)params.float_sum)
        einf__log(rt, EINF_LOG_WARNING, "float_sum %s: the encoder's sums are F32 all the same",
                  einf__float_sum_name(config->float_sum));
    *out = v;
    return EINF_OK;
}

einf_status einf_vision_open(einf_runtime *rt, const char *path, const einf_vision_config *config, einf_vision **out,
                             einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(path, err);
    return open_vision(rt, &(einf__origin){ .path = path }, config, out, err);
}

einf_status einf_vision_open_fd(einf_runtime *rt, int32_t fd, uint64_t offset_bytes, uint64_t length_bytes,
                                const einf_vision_config *config, einf_vision **out, einf_error *err)
{
    EINF__BEGIN(err);
    if (fd < 0) return einf__fail_arg(err, "fd", "fd is %d", fd);
    const einf__origin o = { .fd = fd, .offset_bytes = offset_bytes, .length_bytes = length_bytes };
    return open_vision(rt, &o, config, out, err);
}

einf_status einf_vision_open_memory(einf_runtime *rt, const void *data, uint64_t size_bytes,
                                    const einf_vision_config *config, einf_vision **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(data, err);
    return open_vision(rt, &(einf__origin){ .data = data, .size_bytes = size_bytes }, config, out, err);
}

/* -------------------------------------------------------------------------------------------------- closing -- */

void einf__vision_retain(einf_vision *v) { atomic_fetch_add(&v->n_users, 1); }

void einf__vision_release(einf_vision *v) { atomic_fetch_sub(&v->n_users, 1); }

einf_status einf_vision_close(einf_vision **v, einf_error *err)
{
    EINF__BEGIN(err);
    if (!v || !*v) return EINF_OK;
    const int n_users = atomic_load(&(*v)->n_users);
    if (n_users > 0)
        return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "v", "destroy the conversations first",
                          "the encoder is in use by %d calls or conversations", n_users);
    einf_runtime *rt = (*v)->rt;
    close_parts(*v);
    atomic_fetch_sub(&rt->n_handles, 1);
    *v = NULL;
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------------- facts -- */

static void fill_limits(const einf_vision *v, einf_vision_info *out)
{
    einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
    const uint32_t side = v->config.patch_size * v->config.merge_size;
    out->has_limits = v->config.has_limits;
    if (einf__preprocess_sizes(NULL, &v->config.facts, side, side, &sizes, NULL) != EINF_OK) return;
    out->min_pixels = sizes.min_pixels;
    out->max_pixels = sizes.max_pixels;
}

static void fill_config(const einf__vision_config *c, einf_vision_info *out)
{
    out->n_layer = c->n_layer;
    out->n_embd = c->n_embd;
    out->n_head = c->n_head;
    out->n_ff = c->n_ff;
    out->patch_size = c->patch_size;
    out->merge_size = c->merge_size;
    out->row_width = c->row_width;
    const char *act = einf__act_name(c->act);
    memcpy(out->projector, c->projector, sizeof out->projector);
    memcpy(out->activation, act, strlen(act) + 1);
    memcpy(out->mean, c->facts.mean, sizeof out->mean);
    memcpy(out->std, c->facts.std, sizeof out->std);
}

einf_status einf_vision_get_info(const einf_vision *v, einf_vision_info *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(v, err);
    EINF__NEED_STRUCT(out, einf_vision_info, err);
    einf__file_facts facts;
    einf__file_facts_read(&v->gguf, &facts);
    *out = (einf_vision_info){ .struct_size = out->struct_size };
    fill_config(&v->config, out);
    fill_limits(v, out);
    memcpy(out->name, facts.name, sizeof out->name);
    memcpy(out->file_type, facts.file_type, sizeof out->file_type);
    out->float_sum = (int32_t)v->params.float_sum;
    out->file_bytes = v->source.size_bytes;
    out->weight_bytes = facts.weight_bytes;
    out->n_params = facts.n_params;
    out->n_tensors = v->gguf.n_tensors;
    out->private_bytes = sizeof *v + v->gguf.block_bytes + v->weights_bytes +
                         (einf__source_is_copy(&v->source) ? v->source.size_bytes : 0);
    out->cache_used_bytes = atomic_load(&v->cache.used_bytes);
    out->n_cached = atomic_load(&v->cache.n_kept);
    out->n_cache_hits = atomic_load(&v->cache.n_hits);
    return EINF_OK;
}

einf_status einf_vision_check_model(const einf_vision *v, const einf_model *m, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(v, err);
    EINF__NEED(m, err);
    if (!(m->loaded & EINF_LOAD_WEIGHTS))
        return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "m", "open it with EINF_LOAD_WEIGHTS",
                          "the model was opened without its weights");
    if (v->rt != m->rt)
        return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "v", "open both on one runtime",
                          "the encoder and the model belong to different runtimes");
    if (!(m->config.arch->features & EINF__M_ROPE))
        return einf__fail(err, EINF_E_UNSUPPORTED, EINF_NO_OFFSET, "clip.projector_type",
                          "take the mmproj file that was published with the model",
                          "an encoder with projector %s sees for qwen2vl models; this one is %s", v->config.projector,
                          m->config.arch->name);
    if (v->config.row_width == m->config.n_embd) return EINF_OK;
    return einf__fail(err, EINF_E_FORMAT, EINF_NO_OFFSET, "clip.vision.projection_dim",
                      "take the mmproj file that was published with the model",
                      "the encoder's rows are %u wide, the model's embedding is %u: they are of different models",
                      v->config.row_width, m->config.n_embd);
}
