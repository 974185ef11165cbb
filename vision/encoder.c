/* SPDX-License-Identifier: MIT
 * encoder.c - a vision transformer, step by step, in the order of the papers (arXiv 2010.11929; 2409.12191, 2.1).
 *
 *     x = patches * kernel 0 + patches * kernel 1
 *     for each layer:
 *         x += o(attention(rope(q(norm x)), rope(k(norm x)), v(norm x)))
 *         x += down(act(up(norm x)))
 *     rows = out(gelu(in(norm x, merge_size^2 patches side by side)))
 *
 * Norms are LayerNorms, every linear but the kernels has a bias, attention is full. As in forward.c, every step is a
 * verb of verbs.h. Patches go through in pieces, cut by their number alone: what a patch gets does not depend on the
 * number of threads.
 */
#include "vision/encoder.h"

#include <math.h>

/* Patches a piece, at most. A piece unpacks every weight once more, which more patches spread better, and holds
 * activations as wide as n_ff. */
enum { PIECE_PATCHES = 512 };

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

static int64_t patch_elems(const einf__vision_config *c) { return (int64_t)3 * c->patch_size * c->patch_size; }
static int64_t group_patches(const einf__vision_config *c) { return (int64_t)c->merge_size * c->merge_size; }

/* Pieces are of one size, so that the last is not too small to be worth unpacking weights for. */
static int64_t piece_cols_of(const einf__vision_config *c, int64_t n_patches)
{
    const int64_t n_pieces = div_up(n_patches, PIECE_PATCHES), group = group_patches(c);
    return div_up(div_up(n_patches, n_pieces), group) * group;
}

/* --------------------------------------------------------------------------------------------------- memory -- */

static void lay_out_columns(einf__arena *a, einf__encoder *e)
{
    const einf__vision_config *c = e->config;
    const uint64_t n = (uint64_t)e->n_patches, piece = (uint64_t)e->piece_cols;
    const int64_t widest = max_i64(c->n_embd, patch_elems(c));
    e->x = EINF__CARVE(a, float, n * c->n_embd);
    e->q = EINF__CARVE(a, float, n * c->n_embd);
    e->k = EINF__CARVE(a, float, piece * (uint64_t)widest);
    e->v = EINF__CARVE(a, float, piece * c->n_embd);
    e->pixels = e->k;
    e->kv = (einf__kv_view){ .k = EINF__CARVE(a, float, n * c->n_embd), .v = EINF__CARVE(a, float, n * c->n_embd),
                             .type = EINF__F32, .n_head_kv = (int32_t)c->n_head, .k_dim = (int32_t)c->head_dim,
                             .v_dim = (int32_t)c->head_dim, .n_ctx = e->n_patches };
    einf__rope2d_lay_out(a, e->n_patches, c->head_dim, &e->rope);
}

static void lay_out_acts(einf__arena *a, einf__encoder *e)
{
    const einf__vision_config *c = e->config;
    const einf__acts_room room = einf__acts_room_of(&e->compute, e->piece_cols);
    const einf__acts_room groups = einf__acts_room_of(&e->compute, e->piece_cols / group_patches(c));
    e->patches = einf__acts_carve(a, patch_elems(c), &room);
    e->normed = einf__acts_carve(a, c->n_embd, &room);
    e->hidden = einf__acts_carve(a, max_i64(c->n_ff, c->n_merged), &room);
    e->merged = einf__acts_carve(a, c->n_merged, &groups);
}

void einf__encoder_lay_out(einf__arena *a, const einf__kernels *kernels, const einf__vision_config *c,
                           const einf__encoder_params *p, uint32_t n_x, uint32_t n_y, einf__encoder *out)
{
    const int64_t n = (int64_t)n_x * n_y;
    *out = (einf__encoder){ .config = c, .n_threads = p->n_threads, .n_x = n_x, .n_y = n_y, .n_patches = n,
                            .piece_cols = piece_cols_of(c, n) };
    out->compute = (einf__compute){ .kernels = kernels, .path = p->path, .exact = p->exact,
                                    .float_sum = p->float_sum };
    lay_out_columns(a, out);
    lay_out_acts(a, out);
    const int64_t widest = max_i64(max_i64(c->n_embd, patch_elems(c)), max_i64(c->n_ff, c->n_merged));
    einf__compute_lay_out(a, &out->compute, p->n_threads, out->piece_cols, widest);
    einf__attention_lay_out(a, &out->compute, p->n_threads, c->n_head, c->head_dim, c->head_dim);
}

uint64_t einf__encoder_macs(const einf__vision_config *c, uint32_t n_x, uint32_t n_y)
{
    const uint64_t n = (uint64_t)n_x * n_y, d = c->n_embd;
    const uint64_t patches = n * 2 * (uint64_t)patch_elems(c) * d;
    const uint64_t linears = n * (4 * d * d + 2 * d * c->n_ff), attention = 2 * n * n * d;
    const uint64_t merger = n / (uint64_t)group_patches(c) * c->n_merged * (c->n_merged + (uint64_t)c->row_width);
    return patches + c->n_layer * (linears + attention) + merger;
}

/* -------------------------------------------------------------------------------------------------- patches -- */

/* Patches [first, first + n) of the picture, that go through a step together. */
typedef struct piece {
    int64_t first, n;
} piece;

static piece piece_at(const einf__encoder *e, int64_t first)
{
    return (piece){ first, min_i64(e->n_patches - first, e->piece_cols) };
}

/* Forms of activations that linears over these matrices read. */
static unsigned forms(const einf__encoder *e, const einf__matrix *a, const einf__matrix *b, const einf__matrix *c,
                      int64_t n)
{
    const einf__matrix *const w[3] = { a, b, c };
    return einf__acts_forms(&e->compute, w, 3, n);
}

typedef struct patch_job {
    const einf__encoder *e;
    const uint8_t *rgb;
    const einf__pixel_values *values;
    int64_t first;
} patch_job;

/* A patch as the kernels see it: [3, patch_size, patch_size] normalised pixels. */
static void cut_patch(const patch_job *job, int64_t i, float *out)
{
    const uint32_t size = job->e->config->patch_size;
    const einf__patch_at at = einf__patch_of(i, job->e->n_x, job->e->config->merge_size);
    const size_t row_bytes = (size_t)job->e->n_x * size * 3;
    const uint8_t *corner = job->rgb + (size_t)at.y * size * row_bytes + (size_t)at.x * size * 3;
    for (int channel = 0; channel < 3; channel++)
        for (uint32_t y = 0; y < size; y++)
            for (uint32_t x = 0; x < size; x++)
                *out++ = job->values->of[channel][corner[y * row_bytes + 3 * x + (size_t)channel]];
}

static void cut_patches(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const patch_job *job = arg;
    const int64_t width = patch_elems(job->e->config);
    (void)i_thread;
    for (int64_t j = begin; j < end; j++) cut_patch(job, job->first + j, job->e->pixels + j * width);
}

/* A still picture stands for two moments, of which each has its kernel. */
static void embed_patches(const einf__encoder *e, piece p, const uint8_t *rgb, const einf__pixel_values *values)
{
    enum { GRAIN = 16 }; /* patches: some 10,000 pixels looked up in a table */
    const einf__matrix *kernel = e->weights->patch;
    patch_job job = { e, rgb, values, p.first };
    einf__pool_run(e->compute.pool, p.n, GRAIN, cut_patches, &job);
    einf__norm(&e->compute, e->patches, e->pixels, p.n, patch_elems(e->config), NULL, 0,
               forms(e, &kernel[0], &kernel[1], NULL, p.n));
    float *x = e->x + p.first * e->config->n_embd;
    const einf__linear_out moments[2] = { { .w = &kernel[0], .y = x }, { .w = &kernel[1], .y = x, .add = true } };
    einf__linear(&e->compute, &moments[0], 1, e->patches);
    einf__linear(&e->compute, &moments[1], 1, e->patches);
}

/* ---------------------------------------------------------------------------------------------------- layers -- */

/* Queries of a piece, and its keys and values where the other patches find them. */
static void project(const einf__encoder *e, const einf__vision_layer *w, piece p)
{
    const einf__vision_config *c = e->config;
    const einf__compute *compute = &e->compute;
    const int64_t at = p.first * c->n_embd, n_pairs = c->head_dim / 2;
    const float *cosines = e->rope.cos + p.first * n_pairs, *sines = e->rope.sin + p.first * n_pairs;

    einf__layer_norm(compute, e->normed, e->x + at, p.n, c->n_embd, w->ln1.weight, w->ln1.bias, c->layer_norm_eps,
                     forms(e, &w->q, &w->k, &w->v, p.n));
    const einf__linear_out qkv[3] = { { .w = &w->q, .y = e->q + at }, { .w = &w->k, .y = e->k },
                                      { .w = &w->v, .y = e->v } };
    einf__linear(compute, qkv, 3, e->normed);
    einf__rope(compute, true, e->q + at, p.n, c->n_head, c->head_dim, cosines, sines, n_pairs);
    einf__rope(compute, true, e->k, p.n, c->n_head, c->head_dim, cosines, sines, n_pairs);
    einf__kv_store(compute, &e->kv, p.first, p.n, e->k, e->v);
}

/* x += W acts. */
static void add_block(const einf__encoder *e, const einf__matrix *w, const einf__acts *acts, piece p)
{
    const einf__linear_out out = { .w = w, .y = e->x + p.first * e->config->n_embd, .add = true };
    einf__linear(&e->compute, &out, 1, acts);
}

/* A piece looks at the whole picture. What it attended to takes the place of its queries. */
static void attend(const einf__encoder *e, const einf__vision_layer *w, piece p)
{
    const einf__vision_config *c = e->config;
    float *q = e->q + p.first * c->n_embd;
    const einf__attention_job job = { .out = q, .q = q, .kv = &e->kv, .n_cols = p.n, .n_keys = e->n_patches,
                                      .n_head = (int32_t)c->n_head, .scale = 1.0f / sqrtf((float)c->head_dim) };
    einf__attention(&e->compute, &job);
    einf__norm(&e->compute, e->normed, q, p.n, c->n_embd, NULL, 0, forms(e, &w->o, NULL, NULL, p.n));
    add_block(e, &w->o, e->normed, p);
}

static void feed_forward(const einf__encoder *e, const einf__vision_layer *w, piece p)
{
    const einf__vision_config *c = e->config;
    einf__layer_norm(&e->compute, e->normed, e->x + p.first * c->n_embd, p.n, c->n_embd, w->ln2.weight, w->ln2.bias,
                     c->layer_norm_eps, forms(e, &w->up, NULL, NULL, p.n));
    einf__linear_act(&e->compute, e->hidden, &w->up, c->act, forms(e, &w->down, NULL, NULL, p.n), e->normed);
    add_block(e, &w->down, e->hidden, p);
}

/* Patches of a group follow each other: normed each by itself, they are one column of the merger. */
static void merge(const einf__encoder *e, piece p, float *rows)
{
    const einf__vision_config *c = e->config;
    const einf__vision_weights *w = e->weights;
    const int64_t group = group_patches(c), n = p.n / group;
    float *x = e->x + p.first * c->n_embd;
    einf__layer_norm_columns(&e->compute, x, p.n, c->n_embd, w->post_ln.weight, w->post_ln.bias, c->layer_norm_eps);
    einf__norm(&e->compute, e->merged, x, n, c->n_merged, NULL, 0, forms(e, &w->merge[0], NULL, NULL, n));
    einf__linear_act(&e->compute, e->hidden, &w->merge[0], EINF__ACT_GELU, forms(e, &w->merge[1], NULL, NULL, n),
                     e->merged);
    const einf__linear_out out = { .w = &w->merge[1], .y = rows + p.first / group * c->row_width };
    einf__linear(&e->compute, &out, 1, e->hidden);
}

/* ------------------------------------------------------------------------------------------------ the encoding -- */

/* What an encoding is made of. */
typedef struct encoding {
    const einf__encoder *e;
    const uint8_t *rgb;
    const einf__pixel_values *values;
    const einf__encode_hooks *hooks;
    float *rows;
    einf_error *err;
} encoding;

static bool is_stopped(const einf__encode_hooks *h)
{
    return einf__is_cancelled(h->cancel_a) || einf__is_cancelled(h->cancel_b) || (h->stop && h->stop(h->stop_user));
}

static einf_status check_cancel(const encoding *g, uint32_t n_done)
{
    if (!is_stopped(g->hooks)) return EINF_OK;
    return einf__fail(g->err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL,
                      "cancelled while a picture was encoded, after %u of %u layers", n_done, g->e->config->n_layer);
}

/* All keys are there before anything looks at them, hence two passes. The first layer takes the patches in. */
static einf_status run_layer(const encoding *g, uint32_t i_layer)
{
    const einf__encoder *e = g->e;
    const einf__vision_layer *w = &e->weights->layers[i_layer];
    for (int64_t i = 0; i < e->n_patches; i += e->piece_cols) {
        EINF_TRY(check_cancel(g, i_layer));
        if (i_layer == 0) embed_patches(e, piece_at(e, i), g->rgb, g->values);
        project(e, w, piece_at(e, i));
    }
    for (int64_t i = 0; i < e->n_patches; i += e->piece_cols) {
        EINF_TRY(check_cancel(g, i_layer));
        attend(e, w, piece_at(e, i));
        EINF_TRY(check_cancel(g, i_layer));
        feed_forward(e, w, piece_at(e, i));
    }
    return EINF_OK;
}

static einf_status run_merger(const encoding *g)
{
    const einf__encoder *e = g->e;
    for (int64_t i = 0; i < e->n_patches; i += e->piece_cols) {
        EINF_TRY(check_cancel(g, e->config->n_layer));
        merge(e, piece_at(e, i), g->rows);
    }
    return EINF_OK;
}

einf_status einf__encode(einf__encoder *e, einf__pool *pool, const uint8_t *rgb, const einf__pixel_values *values,
                         const einf__encode_hooks *hooks, float *rows, einf_error *err)
{
    const einf__vision_config *c = e->config;
    const encoding g = { e, rgb, values, hooks, rows, err };
    const uint32_t n_steps = c->n_layer + 1;
    e->compute.pool = pool;
    einf__rope2d_init(&e->rope, e->n_x, e->n_y, c->merge_size, c->head_dim, c->rope_freq_base);
    for (uint32_t i = 0; i < n_steps; i++) {
        /* the pool is given back between layers: sessions take turns, and a callback may use one */
        EINF_TRY(einf__pool_acquire(pool, hooks->cancel_a, hooks->cancel_b, err));
        einf__pool_limit(pool, e->n_threads);
        const einf_status status = i < c->n_layer ? run_layer(&g, i) : run_merger(&g);
        einf__pool_release(pool);
        if (status != EINF_OK) return status;
        if (hooks->progress && hooks->progress(hooks->progress_user, EINF_PHASE_IMAGE, i + 1, n_steps) != 0 &&
            i + 1 < n_steps)
            return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL,
                              "cancelled by the progress callback after %u of %u layers", i + 1, c->n_layer);
    }
    return EINF_OK;
}
