/* SPDX-License-Identifier: MIT
 * forward.c - a decoder-only transformer, step by step, in the order of the papers (arXiv 1706.03762, 2302.13971).
 *
 *     x = embed(ids)
 *     for each layer:
 *         x += o(attention(rope(q(norm x)), cache of rope(k(norm x)) and v(norm x)))
 *         x += down(act(gate(norm x)) * up(norm x))
 *     logits = output(norm x)
 *
 * n rows are computed at once; each sees the rows before it through the cache. Every step is a verb of verbs.h, so
 * nothing here knows weight types, instruction sets or threads. Optional parts of an architecture (biases, q/k norms,
 * post-norms, windows, soft caps) are present when their weights or numbers are.
 */
#include "engine/decode/forward.h"

#include <string.h>

static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

void einf__buffers_lay_out(einf__arena *a, const einf__config *c, const einf__acts_room *room, einf__buffers *out)
{
    uint64_t q = 0, k = 0, v = 0, attended = 0, ff = 0;
    for (uint32_t i = 0; i < c->n_layer; i++) {
        const einf__layer_config *l = &c->layers[i];
        q = max_u64(q, (uint64_t)l->n_head * c->k_dim);
        k = max_u64(k, (uint64_t)l->n_head_kv * c->k_dim);
        v = max_u64(v, (uint64_t)l->n_head_kv * c->v_dim);
        attended = max_u64(attended, (uint64_t)l->n_head * c->v_dim);
        ff = max_u64(ff, l->n_ff);
    }
    const int64_t n_batch = room->cols;
    const uint64_t n = (uint64_t)n_batch;
    out->x = EINF__CARVE(a, float, n * c->n_embd);
    out->y = c->arch->features & EINF__POST_NORMS ? EINF__CARVE(a, float, n * c->n_embd) : NULL;
    out->q = EINF__CARVE(a, float, n * q);
    out->k = EINF__CARVE(a, float, n * k);
    out->v = EINF__CARVE(a, float, n * v);
    out->attended = EINF__CARVE(a, float, n * attended);
    out->normed = einf__acts_carve(a, c->n_embd, room);
    out->attended_acts = einf__acts_carve(a, (int64_t)attended, room);
    out->hidden = einf__acts_carve(a, (int64_t)ff, room);
    einf__rope_lay_out(a, c, n_batch, &out->rope);
    einf__rope_lay_out(a, c, c->rope_freq_base_local > 0 ? n_batch : 0, &out->rope_local);
}

void einf__buffers_init(einf__buffers *b, const einf__config *c, const einf__weights *w, uint32_t n_ctx)
{
    const float *factors = einf__rope_is_long(c, w, n_ctx) ? w->rope_factors_long : w->rope_factors_short;
    if (w->rope_factors) factors = w->rope_factors;
    einf__rope_init(&b->rope, c, c->rope_freq_base, c->rope_freq_scale, factors);
    if (c->rope_freq_base_local > 0) einf__rope_init(&b->rope_local, c, c->rope_freq_base_local, 1.0f, NULL);
}

/* Forms of activations that linears over these matrices read. */
static unsigned forms(const einf__forward *f, const einf__matrix *a, const einf__matrix *b, const einf__matrix *c,
                      int64_t n)
{
    const einf__matrix *const w[3] = { a, b, c };
    return einf__acts_forms(f->compute, w, c ? 3 : b ? 2 : 1, n);
}

/* x += W acts, with a norm in between where the architecture has one. */
static void add_block(const einf__forward *f, const einf__matrix *w, const einf__acts *acts, const float *post_norm,
                      int64_t n)
{
    const einf__buffers *b = f->buffers;
    const einf__linear_out out = { .w = w, .y = post_norm ? b->y : b->x, .add = post_norm == NULL };
    einf__linear(f->compute, &out, 1, acts);
    if (post_norm) einf__norm_add(f->compute, b->x, b->y, n, f->config->n_embd, post_norm, f->config->rms_norm_eps);
}

static void attention_block(const einf__forward *f, uint32_t i_layer, const einf__rows *rows)
{
    const einf__config *c = f->config;
    const einf__layer_config *l = &c->layers[i_layer];
    const einf__layer_weights *w = &f->weights->layers[i_layer];
    const einf__kv_view *kv = &f->kv->layers[i_layer];
    const einf__buffers *b = f->buffers;
    const einf__rope_table *rope = l->rope == EINF__ROPE_LOCAL ? &b->rope_local : &b->rope;
    const int64_t n = rows->n;

    /* queries, keys and values of the new rows */
    einf__norm(f->compute, b->normed, b->x, n, c->n_embd, w->attn_norm, c->rms_norm_eps,
               forms(f, &w->q, &w->k, &w->v, n));
    const einf__linear_out qkv[3] = { { .w = &w->q, .y = b->q }, { .w = &w->k, .y = b->k }, { .w = &w->v, .y = b->v } };
    einf__linear(f->compute, qkv, 3, b->normed);
    if (w->q_norm) einf__norm_heads(f->compute, b->q, n, l->n_head, c->k_dim, w->q_norm, c->rms_norm_eps);
    if (w->k_norm) einf__norm_heads(f->compute, b->k, n, l->n_head_kv, c->k_dim, w->k_norm, c->rms_norm_eps);

    /* turn queries and keys by their positions, in all layers or in most */
    const bool neox = c->arch->rope_neox;
    const int64_t n_pairs = l->rope == EINF__ROPE_NONE ? 0 : c->n_rot / 2;
    einf__rope(f->compute, neox, b->q, n, l->n_head, c->k_dim, rope->cos, rope->sin, n_pairs);
    einf__rope(f->compute, neox, b->k, n, l->n_head_kv, c->k_dim, rope->cos, rope->sin, n_pairs);

    /* each row looks at the rows before it and at itself */
    einf__kv_store(f->compute, kv, rows->first, n, b->k, b->v);
    const einf__attention_job job = { .out = b->attended, .q = b->q, .kv = kv, .n_cols = n, .first = rows->first,
                                      .window = l->window, .n_head = (int32_t)l->n_head, .scale = c->attn_scale,
                                      .softcap = c->attn_softcap };
    einf__attention(f->compute, &job);

    einf__norm(f->compute, b->attended_acts, b->attended, n, w->o.n_in, NULL, 0,
               forms(f, &w->o, NULL, NULL, n));
    add_block(f, &w->o, b->attended_acts, w->attn_post_norm, n);
}

static void feed_forward_block(const einf__forward *f, uint32_t i_layer, int64_t n)
{
    const einf__config *c = f->config;
    const einf__layer_weights *w = &f->weights->layers[i_layer];
    const einf__buffers *b = f->buffers;

    einf__norm(f->compute, b->normed, b->x, n, c->n_embd, w->ffn_norm, c->rms_norm_eps,
               forms(f, &w->gate, &w->up, NULL, n));
    einf__linear_glu(f->compute, b->hidden, &w->gate, &w->up, c->arch->glu, forms(f, &w->down, NULL, NULL, n),
                     b->normed);
    add_block(f, &w->down, b->hidden, w->ffn_post_norm, n);
}

einf_status einf__forward_rows(const einf__forward *f, const einf__rows *rows, const einf_cancel *cancel_a,
                               const einf_cancel *cancel_b, einf_error *err)
{
    const einf__config *c = f->config;
    einf__buffers b = *f->buffers;

    if (rows->ids)
        einf__embed(f->compute, b.x, &f->weights->token_embd, rows->ids, rows->n, c->embed_scale);
    else
        memcpy(b.x, rows->embeddings, (size_t)rows->n * c->n_embd * sizeof *b.x);
    einf__rope_fill(&b.rope, c, rows->positions, rows->n);
    if (c->rope_freq_base_local > 0) einf__rope_fill(&b.rope_local, c, rows->positions, rows->n);

    for (uint32_t i = 0; i < c->n_layer; i++) {
        if (einf__is_cancelled(cancel_a) || einf__is_cancelled(cancel_b))
            return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL, "cancelled before layer %u of %u", i,
                              c->n_layer);
        attention_block(f, i, rows);
        feed_forward_block(f, i, rows->n);
    }
    return EINF_OK;
}

void einf__forward_logits(const einf__forward *f, const int32_t *which, int64_t n, float *out)
{
    const einf__config *c = f->config;
    const einf__buffers *b = f->buffers;
    for (int64_t i = 0; i < n; i++) /* ascending: which[i] >= i, and a row still to be moved is never written over */
        if (which[i] != i) memcpy(b->x + i * c->n_embd, b->x + (int64_t)which[i] * c->n_embd, c->n_embd * sizeof *b->x);

    einf__norm(f->compute, b->normed, b->x, n, c->n_embd, f->weights->output_norm, c->rms_norm_eps,
               forms(f, &f->weights->output, NULL, NULL, n));
    const einf__linear_out logits = { .w = &f->weights->output, .y = out };
    einf__linear(f->compute, &logits, 1, b->normed);
    if (c->final_softcap > 0) einf__softcap(f->compute, out, n * c->n_vocab, c->final_softcap);
}
