/* SPDX-License-Identifier: MIT
 * model_open.c - opening a model: files, header, vocabulary, weights, in this order, and closing it again.
 *
 * close_parts accepts a model at any stage of opening, so every failure has one way out.
 */
#include <string.h>

#include "engine/api/bill.h"

static void close_parts(einf_model *m)
{
    einf__memory *mem = &m->rt->memory;
    einf__template_free(&m->compiled_template);
    einf__vocab_destroy(&m->vocab);
    einf__free(mem, m->weights_block, m->weights_bytes);
    einf__free(mem, m->layers_block, m->layers_bytes);
    einf__gguf_deinit(&m->gguf);
    einf__split_close(&m->split);
    einf__source_close(&m->source);
    einf__free(mem, m, sizeof *m);
}

einf_status einf__origin_open(einf__memory *mem, const einf__origin *o, const einf__source_options *options,
                              einf__source *out, einf_error *err)
{
    if (o->path) return einf__source_open_path(mem, o->path, options, out, err);
    if (o->data) return einf__source_open_memory(o->data, o->size_bytes, out, err);
    return einf__source_open_fd(mem, o->fd, o->offset_bytes, o->length_bytes, options, out, err);
}

uint64_t einf__model_file_bytes(const einf_model *m) { return m->source.size_bytes + m->split.others_bytes; }

/* A template that does not compile is noted, not refused: who brings a prompt of his own needs none. */
static einf_status load_template(einf_model *m, einf_error *err)
{
    EINF_TRY(einf__gguf_get_string(&m->gguf, "tokenizer.chat_template", EINF__OPTIONAL, (einf__bytes){ NULL, 0 },
                                   &m->chat_template, err));
    if (!m->chat_template.p) return EINF_OK;
    einf_error *why = &m->template_error;
    *why = (einf_error)EINF_INIT(einf_error);
    why->offset = EINF_NO_OFFSET;
    const einf_status status =
        einf__template_compile(&m->rt->memory, m->chat_template, &m->compiled_template, why);
    if (status == EINF_E_NOMEM || strcmp(why->where, "ram_limit_bytes") == 0)
        return einf__fail(err, status, why->offset, why->where, why->hint, "%s", why->message);
    if (status != EINF_OK) einf__log(m->rt, EINF_LOG_WARNING, "the chat template cannot be used: %s", why->message);
    return EINF_OK;
}

static einf_status load_vocab(einf_model *m, const einf_model_config *c, einf_error *err)
{
    const einf__vocab_options options = { .any_pretokenizer = c->any_pretokenizer != 0 };
    const char *warning = NULL;
    EINF_TRY(einf__vocab_create(&m->rt->memory, &m->gguf, &options, &m->vocab, &warning, err));
    if (warning) einf__log(m->rt, EINF_LOG_WARNING, "%s", warning);
    return load_template(m, err);
}

static einf_status load_config(einf_model *m, einf_error *err)
{
    einf__arena count = einf__arena_counting();
    EINF_TRY(einf__config_read(&m->gguf, &count, &m->config, err));
    EINF_TRY(einf__alloc_or_fail(&m->rt->memory, count.used_bytes, "the table of layers", &m->layers_block, err));
    m->layers_bytes = count.used_bytes;
    einf__arena arena = einf__arena_over(m->layers_block, m->layers_bytes);
    return einf__config_read(&m->gguf, &arena, &m->config, err);
}

static einf_status check_vocab_size(const einf_model *m, einf_error *err)
{
    const einf__gguf_kv *tokens;
    EINF_TRY(einf__gguf_get_strings(&m->gguf, "tokenizer.ggml.tokens", EINF__OPTIONAL, &tokens, err));
    if (!tokens || tokens->n_items == m->config.n_vocab) return EINF_OK;
    return einf__fail(err, EINF_E_FORMAT, (uint64_t)(tokens->value - m->source.data), "tokenizer.ggml.tokens",
                      "vocabulary and weights are of different models; convert the model again",
                      "the vocabulary has %llu tokens, the embedding %u rows", (unsigned long long)tokens->n_items,
                      m->config.n_vocab);
}

static einf_status load_weights(einf_model *m, const einf_model_config *c, einf_error *err)
{
    const einf__kernels *kernels = &m->rt->kernels;
    uint64_t n_unused;
    EINF_TRY(load_config(m, err));
    EINF_TRY(check_vocab_size(m, err));

    einf__arena count = einf__arena_counting();
    EINF_TRY(einf__weights_bind(&m->gguf, &m->config, &count, kernels, &m->weights, &n_unused, err));
    EINF_TRY(einf__alloc_or_fail(&m->rt->memory, count.used_bytes, "the table of weights", &m->weights_block, err));
    m->weights_bytes = count.used_bytes;
    einf__arena arena = einf__arena_over(m->weights_block, m->weights_bytes);
    EINF_TRY(einf__weights_bind(&m->gguf, &m->config, &arena, kernels, &m->weights, &n_unused, err));

    if (n_unused) einf__log(m->rt, EINF_LOG_WARNING, "%llu tensors of the file are not used by architecture %s",
                            (unsigned long long)n_unused, m->config.arch->name);
    return c->check_tensors ? einf__weights_check_values(&m->gguf, kernels, c->cancel, err) : EINF_OK;
}

/* The other half of a model that sees is a common mistake. */
static einf_status check_kind(const einf_model *m, einf_error *err)
{
    const uint32_t needs_model = EINF_LOAD_VOCAB | EINF_LOAD_WEIGHTS;
    einf__file_facts facts;
    einf__file_facts_read(&m->gguf, &facts);
    if (!(m->loaded & needs_model) || strcmp(facts.architecture, "clip") != 0) return EINF_OK;
    return einf__fail(err, EINF_E_UNSUPPORTED, EINF_NO_OFFSET, "general.architecture",
                      "open it with einf_vision_open (--mmproj), beside the language model that it belongs to",
                      "the file is a vision encoder (architecture clip), not a language model");
}

static einf_status check_cancel(const einf_model_config *c, einf_error *err)
{
    if (!einf__is_cancelled(c->cancel)) return EINF_OK;
    return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL, "cancelled while opening the model");
}

static einf_status open_files(einf_model *m, const einf__origin *o, const einf_model_config *c, einf_error *err)
{
    const einf__source_options options = { .mode = c->mode, .cancel = c->cancel, .progress = c->progress,
                                           .progress_user = c->progress_user,
                                           .total_bytes = o->path ? einf__split_total_bytes(o->path) : 0 };
    EINF_TRY(einf__origin_open(&m->rt->memory, o, &options, &m->source, err));
    if (m->source.huge_refused)
        einf__log(m->rt, EINF_LOG_WARNING, "the system gives no huge pages; the model is read into small ones");
    EINF_TRY(check_cancel(c, err));
    EINF_TRY(einf__gguf_parse(&m->rt->memory, &m->source, &m->gguf, err));
    return einf__split_open(&m->rt->memory, o->path, &options, &m->gguf, &m->split, err);
}

static einf_status open_all(einf_model *m, const einf__origin *o, const einf_model_config *c, einf_error *err)
{
    EINF_TRY(check_cancel(c, err));
    EINF_TRY(open_files(m, o, c, err));
    EINF_TRY(check_cancel(c, err));
    EINF_TRY(check_kind(m, err));
    if (m->loaded & EINF_LOAD_VOCAB) EINF_TRY(load_vocab(m, c, err));
    EINF_TRY(check_cancel(c, err));
    if (m->loaded & EINF_LOAD_WEIGHTS) EINF_TRY(load_weights(m, c, err));
    const uint64_t n_bytes = einf__model_file_bytes(m);
    if (c->progress && c->progress(c->progress_user, EINF_PHASE_LOAD, n_bytes, n_bytes) != 0)
        return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL, "cancelled by the progress callback");
    return EINF_OK;
}

einf_status einf__check_mode(int32_t mode, einf_error *err)
{
    if (mode >= EINF_MODE_MAP && mode <= EINF_MODE_HUGE) return EINF_OK;
    return einf__fail_arg(err, "mode", "mode is %d, expected EINF_MODE_MAP, EINF_MODE_READ or EINF_MODE_HUGE", mode);
}

static einf_status check_model_config(const einf_model_config *config, einf_error *err)
{
    EINF__NEED_STRUCT(config, einf_model_config, err);
    const uint32_t all = EINF_LOAD_HEADER | EINF_LOAD_VOCAB | EINF_LOAD_WEIGHTS;
    if (config->load & ~all)
        return einf__fail_arg(err, "load", "load is 0x%x, known bits are 0x%x", config->load, all);
    return einf__check_mode(config->mode, err);
}

static einf_status open_model(einf_runtime *rt, const einf__origin *o, const einf_model_config *config,
                              einf_model **out, einf_error *err)
{
    EINF__NEED(rt, err);
    EINF__NEED(out, err);
    *out = NULL;
    const einf_model_config defaults = EINF_INIT(einf_model_config);
    if (!config) config = &defaults;
    EINF_TRY(check_model_config(config, err));
    EINF_TRY(einf__check_process(rt, err));

    void *block;
    EINF_TRY(einf__alloc_or_fail(&rt->memory, sizeof(einf_model), "the model", &block, err));
    einf_model *m = block;
    memset(m, 0, sizeof *m);
    m->rt = rt;
    m->kv_walk = &m->walk;
    atomic_flag_clear(&m->walk.busy);
    m->mode = config->mode;
    m->loaded = EINF_LOAD_HEADER | (config->load ? config->load : EINF_LOAD_VOCAB | EINF_LOAD_WEIGHTS);
    atomic_init(&m->n_sessions, 0);
    atomic_fetch_add(&rt->n_handles, 1); /* from here on, so that no callback can destroy the runtime */

    const einf__phase phase = einf__phase_begin(rt, EINF_PHASE_LOAD, 0, 0);
    const einf_status status = open_all(m, o, config, err);
    einf__phase_end(&phase, einf__model_file_bytes(m), status, NULL);
    if (status != EINF_OK) {
        close_parts(m);
        atomic_fetch_sub(&rt->n_handles, 1);
        return status;
    }
    *out = m;
    return EINF_OK;
}

einf_status einf_model_open(einf_runtime *rt, const char *path, const einf_model_config *config, einf_model **out,
                            einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(path, err);
    return open_model(rt, &(einf__origin){ .path = path }, config, out, err);
}

einf_status einf_model_open_fd(einf_runtime *rt, int32_t fd, uint64_t offset_bytes, uint64_t length_bytes,
                               const einf_model_config *config, einf_model **out, einf_error *err)
{
    EINF__BEGIN(err);
    if (fd < 0) return einf__fail_arg(err, "fd", "fd is %d", fd);
    const einf__origin o = { .fd = fd, .offset_bytes = offset_bytes, .length_bytes = length_bytes };
    return open_model(rt, &o, config, out, err);
}

einf_status einf_model_open_memory(einf_runtime *rt, const void *data, uint64_t size_bytes,
                                   const einf_model_config *config, einf_model **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(data, err);
    return open_model(rt, &(einf__origin){ .data = data, .size_bytes = size_bytes }, config, out, err);
}

einf_status einf_model_close(einf_model **m, einf_error *err)
{
    EINF__BEGIN(err);
    if (!m || !*m) return EINF_OK;
    const int n_sessions = atomic_load(&(*m)->n_sessions);
    if (n_sessions > 0)
        return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "m", "destroy the sessions first",
                          "the model still has %d sessions", n_sessions);
    einf_runtime *rt = (*m)->rt;
    close_parts(*m);
    atomic_fetch_sub(&rt->n_handles, 1);
    *m = NULL;
    return EINF_OK;
}
