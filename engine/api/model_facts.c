/* SPDX-License-Identifier: MIT
 * model_facts.c - what a model can tell about itself: facts, metadata entries, tensors.
 */
#include <stdio.h>
#include <string.h>

#include "engine/api/api_internal.h"

static void copy_text(char *to, size_t size, const char *p, uint64_t n)
{
    (void)snprintf(to, size, "%.*s", (int)(n < size ? n : size - 1), n ? p : "");
    einf__make_printable(to);
}

/* A string of the metadata, or nothing: facts do not fail for want of a name. */
static void copy_meta(const einf__gguf *g, const char *key, char *to, size_t size)
{
    const einf__gguf_kv *kv = einf__gguf_find(g, key);
    einf__bytes s = { NULL, 0 };
    if (kv && kv->type == EINF__GGUF_STRING) {
        einf__cursor c = einf__gguf_strings_begin(kv);
        s = einf__gguf_strings_next(&c);
    }
    copy_text(to, size, s.p, s.n);
}

/* The type that holds most bytes. */
static const char *commonest_type(const einf__gguf *g)
{
    enum { N_FILE_TYPES = 256 };
    uint64_t bytes[N_FILE_TYPES] = { 0 };
    uint32_t best = 0;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        const uint32_t type = g->tensors[i].file_type % N_FILE_TYPES;
        bytes[type] += g->tensors[i].size_bytes;
        if (bytes[type] > bytes[best]) best = type;
    }
    return g->n_tensors ? einf__dtype_file_name(best) : "";
}

void einf__file_facts_read(const einf__gguf *g, einf__file_facts *out)
{
    memset(out, 0, sizeof *out);
    copy_meta(g, "general.architecture", out->architecture, sizeof out->architecture);
    copy_meta(g, "general.name", out->name, sizeof out->name);
    copy_text(out->file_type, sizeof out->file_type, commonest_type(g), 15);
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        const einf__gguf_tensor *t = &g->tensors[i];
        out->weight_bytes += t->size_bytes;
        out->n_params += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    }
}

einf_status einf_model_get_info(const einf_model *m, einf_model_info *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(m, err);
    EINF__NEED_STRUCT(out, einf_model_info, err);
    const uint32_t struct_size = out->struct_size;
    memset(out, 0, sizeof *out);
    out->struct_size = struct_size;
    out->loaded = m->loaded;
    einf__file_facts facts;
    einf__file_facts_read(&m->gguf, &facts);
    memcpy(out->architecture, facts.architecture, sizeof out->architecture);
    memcpy(out->name, facts.name, sizeof out->name);
    memcpy(out->file_type, facts.file_type, sizeof out->file_type);
    out->weight_bytes = facts.weight_bytes;
    out->n_params = facts.n_params;
    if (m->vocab) copy_text(out->tokenizer, sizeof out->tokenizer, einf__vocab_describe(m->vocab), 31);
    out->has_chat_template = m->compiled_template ? 1 : m->chat_template.p ? -1 : 0;
    out->n_files = m->split.n_parts;
    out->gguf_version = m->gguf.version;
    out->file_bytes = einf__model_file_bytes(m);
    out->n_tensors = m->gguf.n_tensors;
    out->n_kv = m->gguf.n_kv;
    if (m->vocab) out->n_vocab = einf__vocab_n_tokens(m->vocab);
    if (!(m->loaded & EINF_LOAD_WEIGHTS)) return EINF_OK;

    const einf__config *c = &m->config;
    out->n_vocab = c->n_vocab;
    out->n_ctx_train = c->n_ctx_train;
    out->n_embd = c->n_embd;
    out->n_layer = c->n_layer;
    out->n_head = c->layers[0].n_head;
    out->n_head_kv = c->layers[0].n_head_kv;
    out->head_dim = c->k_dim;
    out->n_ff = c->layers[0].n_ff;
    out->n_threads_decode = einf__decode_threads_known(m);
    return EINF_OK;
}

einf_status einf_model_get_kv(const einf_model *m, uint64_t i, einf_kv *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(m, err);
    EINF__NEED_STRUCT(out, einf_kv, err);
    if (i >= m->gguf.n_kv)
        return einf__fail_arg(err, "i", "entry %llu is not in [0, %llu)", (unsigned long long)i,
                              (unsigned long long)m->gguf.n_kv);
    const einf__gguf_kv *kv = &m->gguf.kv[i];
    out->key = kv->key.p;
    out->key_bytes = (uint32_t)kv->key.n; /* at most EINF__GGUF_MAX_KEY_BYTES */
    out->type = einf__gguf_type_name(kv);
    out->n_items = kv->n_items;
    out->offset = (uint64_t)(kv->value - m->source.data);
    return EINF_OK;
}

einf_status einf_model_kv_text(const einf_model *m, uint64_t i, uint64_t j, char *buf, uint64_t buf_bytes,
                               uint64_t *n_bytes, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(m, err);
    EINF__NEED(n_bytes, err);
    if (buf_bytes) EINF__NEED(buf, err);
    if (i >= m->gguf.n_kv)
        return einf__fail_arg(err, "i", "entry %llu is not in [0, %llu)", (unsigned long long)i,
                              (unsigned long long)m->gguf.n_kv);
    const einf__gguf_kv *kv = &m->gguf.kv[i];
    if (j >= kv->n_items)
        return einf__fail_arg(err, "j", "item %llu is not in [0, %llu)", (unsigned long long)j,
                              (unsigned long long)kv->n_items);
    /* The place is a memory, not a state: who finds it taken by another thread walks from the first item. */
    struct kv_walk *walk = m->kv_walk;
    const bool mine = !atomic_flag_test_and_set(&walk->busy);
    *n_bytes = einf__gguf_item_text(kv, j, mine ? &walk->place : NULL, buf, buf_bytes);
    if (mine) atomic_flag_clear(&walk->busy);
    return EINF_OK;
}

einf_status einf_model_get_tensor(const einf_model *m, uint64_t i, einf_tensor *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(m, err);
    EINF__NEED_STRUCT(out, einf_tensor, err);
    if (i >= m->gguf.n_tensors)
        return einf__fail_arg(err, "i", "tensor %llu is not in [0, %llu)", (unsigned long long)i,
                              (unsigned long long)m->gguf.n_tensors);
    const einf__gguf_tensor *t = &m->gguf.tensors[i];
    memcpy(out->name, t->name, sizeof out->name);
    einf__make_printable(out->name);
    out->n_dims = t->n_dims;
    out->type = einf__dtype_file_name(t->file_type);
    memcpy(out->dims, t->dims, sizeof out->dims);
    out->offset = t->offset;
    out->size_bytes = t->size_bytes;
    return EINF_OK;
}
