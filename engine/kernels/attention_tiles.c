/* SPDX-License-Identifier: MIT
 * attention_tiles.c - attention of many columns, as products of matrices: scores of a block of keys with a tile of
 * queries, their softmax, weights with the block's values; online over the blocks.
 *
 * A tile holds the queries of some neighbouring columns, for the heads of a group that shares one KV head: a block is
 * converted to floats and packed once for all of them. Causality and window are loop bounds; only in blocks that not
 * every column sees whole are weights set to zero. Tiles and blocks follow from shapes and constants: what a column
 * gets does not depend on the number of threads.
 */
#include <math.h>
#include <string.h>

#include "engine/kernels/attention.h"

enum {
    TILE_QUERIES = 256, /* queries a tile: columns times heads. What packing costs is spread over them: with 64 it takes
                         * a tenth of the time longer (heads of 80, one a group, 864 columns; Zen 4). */
    TILE_HEADS = 32,    /* query heads a tile, at most: larger groups are cut */
    MIN_TILES = 16,     /* that there be about so many, tiles get smaller, */
    MIN_TILE_COLS = 8,  /* down to this */
    BLOCK_KEYS = 128,   /* keys a block, at most: whole panels */
    RUN_QUERIES = 32    /* queries that a block ends for together, where it ends within the tile */
};

/* -------------------------------------------------------------------------------------------------- scratch -- */

/* A thread's scratch, cut up. mr: float_mr of the kernels. */
typedef struct scratch {
    float *keys;          /* panels of mr keys, [k_dim, mr] */
    float *values;        /* panels of mr dims, [block_keys, mr] */
    float *rows;          /* [block_keys, dim]: what is about to be packed, as floats */
    float *q;             /* [queries, k_dim] */
    float *scores;        /* [queries, BLOCK_KEYS]: products, then weights */
    float *out;           /* [queries, v_pitch]: weighted sums */
    einf__softmax *state; /* [queries] */
    int64_t key_panel, value_panel, v_pitch; /* floats */
    int32_t mr, block_keys;
} scratch;

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

enum { ALIGN_FLOATS = EINF__PANEL_ALIGN / sizeof(float) };

/* What a dim takes of a row, whatever float_mr is: keys fill panels to their alignment, values in whole panels. */
static int64_t padded_k(int64_t k_dim)
{
    return round_up(k_dim, ALIGN_FLOATS);
}

static int64_t padded_v(int64_t v_dim)
{
    return round_up(v_dim + EINF__PANEL_MAX_ROWS - 1, ALIGN_FLOATS);
}

int64_t einf__attention_tile_floats(int64_t k_dim, int64_t v_dim)
{
    const int64_t k = padded_k(k_dim), v = padded_v(v_dim);
    const int64_t states = TILE_QUERIES * (int64_t)(sizeof(einf__softmax) / sizeof(float));
    return BLOCK_KEYS * (k + v + einf__max_i64(k, v)) + TILE_QUERIES * (k + BLOCK_KEYS + v) + states;
}

/* The parts follow one another, each a multiple of ALIGN_FLOATS. */
static scratch scratch_of(const einf__compute *c, const einf__kv_view *kv, int32_t i_thread)
{
    const int64_t k = padded_k(kv->k_dim), v = padded_v(kv->v_dim);
    scratch s = { .mr = c->kernels->float_mr };
    s.block_keys = BLOCK_KEYS / s.mr * s.mr;
    s.key_panel = round_up((int64_t)kv->k_dim * s.mr, ALIGN_FLOATS);
    s.value_panel = round_up((int64_t)s.block_keys * s.mr, ALIGN_FLOATS);
    s.v_pitch = round_up(kv->v_dim, s.mr);
    s.keys = c->attention.tiles + i_thread * c->attention.tile_floats;
    s.values = s.keys + BLOCK_KEYS * k;
    s.rows = s.values + BLOCK_KEYS * v;
    s.q = s.rows + BLOCK_KEYS * einf__max_i64(k, v);
    s.scores = s.q + TILE_QUERIES * k;
    s.out = s.scores + TILE_QUERIES * BLOCK_KEYS;
    s.state = (einf__softmax *)(void *)(s.out + TILE_QUERIES * v);
    return s;
}

/* ------------------------------------------------------------------------------------------------- one tile -- */

/* Columns [col, col + n_cols) of the job, query heads [head, head + n_heads), which share KV head i_kv. */
typedef struct tile {
    const einf__kernels *k;
    const einf__attention_job *job;
    int64_t col, n_cols, i_kv, head, n_heads;
} tile;

/* Keys [key, key + n): seen, at least one of them, by columns [begin, end) of the tile. */
typedef struct block {
    int64_t key, n;
    int64_t begin, end;
} block;

/* The first column of the tile that sees a key. */
static int64_t first_seer(const tile *t, int64_t key)
{
    return t->job->n_keys > 0 ? 0 : einf__max_i64(0, key - t->job->first - t->col);
}

static void load_queries(const tile *t, const scratch *s)
{
    const int64_t k_dim = t->job->kv->k_dim, width = t->n_heads * k_dim;
    for (int64_t j = 0; j < t->n_cols; j++)
        memcpy(s->q + j * width, t->job->q + ((t->col + j) * t->job->n_head + t->head) * k_dim,
               (size_t)width * sizeof(float));
    for (int64_t i = 0; i < t->n_cols * t->n_heads; i++) s->state[i] = (einf__softmax){ -INFINITY, 0.0f };
    memset(s->out, 0, (size_t)(t->n_cols * t->n_heads * s->v_pitch) * sizeof(float));
}

/* Rows of a cache as floats: where they lie, if that is what they are. */
static const float *rows_as_floats(const tile *t, const scratch *s, const void *rows, int64_t n)
{
    if (t->job->kv->type == EINF__F32) return rows;
    t->k->to_f32[t->job->kv->type](s->rows, rows, n);
    return s->rows;
}

static void pack_keys(const tile *t, const scratch *s, const block *b)
{
    const einf__kv_view *kv = t->job->kv;
    const float *rows = rows_as_floats(t, s, einf__kv_key(kv, t->i_kv, b->key), b->n * kv->k_dim);
    for (int64_t p = 0; p < b->n; p += s->mr)
        t->k->pack_f32(s->keys + p / s->mr * s->key_panel, rows + p * kv->k_dim, kv->k_dim,
                       (int32_t)einf__min_i64(b->n - p, s->mr), kv->k_dim);
}

/* Values are rows of a panel as they lie, cut in pieces of mr. What a panel holds behind the last dim is whatever was
 * in the scratch: it meets sums that nobody reads. */
static void pack_values(const tile *t, const scratch *s, const block *b)
{
    const einf__kv_view *kv = t->job->kv;
    const float *rows = rows_as_floats(t, s, einf__kv_value(kv, t->i_kv, b->key), b->n * kv->v_dim);
    for (int64_t e = 0; e < kv->v_dim; e += s->mr) {
        float *to = s->values + e / s->mr * s->value_panel;
        const int64_t n = einf__min_i64(s->mr, kv->v_dim - e), n_fours = n / 4 * 4;
        for (int64_t p = 0; p < b->n; p++, to += s->mr) {
            const float *from = rows + p * kv->v_dim + e;
            for (int64_t i = 0; i < n_fours; i += 4) memcpy(to + i, from + i, 4 * sizeof(float));
            for (int64_t i = n_fours; i < n; i++) to[i] = from[i];
        }
    }
}

/* Each panel of keys with the columns that see any of it. */
static void multiply_keys(const tile *t, const scratch *s, const block *b)
{
    const int32_t k_dim = t->job->kv->k_dim;
    for (int64_t p = 0; p < b->n; p += s->mr) {
        const int64_t begin = einf__max_i64(b->begin, first_seer(t, b->key + p)) * t->n_heads;
        const int64_t end = b->end * t->n_heads;
        if (begin < end)
            t->k->mul_f32(s->scores + begin * BLOCK_KEYS + p, BLOCK_KEYS, s->keys + p / s->mr * s->key_panel, k_dim,
                          s->q + begin * k_dim, k_dim, (int32_t)(end - begin), false);
    }
}

/* y = factor * x. The inner loop's length is known, so that it becomes vectors at -O2. y may be x. */
static void scale(float *y, const float *x, int64_t n, float factor)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        float part[8];
        for (int e = 0; e < 8; e++) part[e] = x[i + e] * factor;
        memcpy(y + i, part, sizeof part);
    }
    for (; i < n; i++) y[i] = x[i] * factor;
}

/* Products to weights, zero where a column sees no key; what was summed before follows the maxima. */
static void weigh(const tile *t, const scratch *s, const block *b)
{
    for (int64_t j = b->begin; j < b->end; j++) {
        const einf__keys seen = einf__keys_seen(t->job, t->col + j);
        const int64_t begin = einf__max_i64(seen.begin - b->key, 0), end = einf__min_i64(seen.end - b->key, b->n);
        for (int64_t i = j * t->n_heads; i < (j + 1) * t->n_heads; i++) {
            float *scores = s->scores + i * BLOCK_KEYS;
            const float shrink = t->k->softmax(&s->state[i], scores + begin, end - begin, t->job->scale,
                                               t->job->softcap);
            if (shrink != 1.0f) scale(s->out + i * s->v_pitch, s->out + i * s->v_pitch, s->v_pitch, shrink);
            for (int64_t p = 0; p < begin; p++) scores[p] = 0.0f;
            for (int64_t p = end; p < b->n; p++) scores[p] = 0.0f;
        }
    }
}

/* Columns are taken together as far as they see the block to its end, and in short runs where they do not. */
static void add_values(const tile *t, const scratch *s, const block *b)
{
    const int64_t run_cols = einf__max_i64(1, RUN_QUERIES / t->n_heads);
    for (int64_t j = b->begin; j < b->end;) {
        const bool whole = einf__keys_seen(t->job, t->col + j).end >= b->key + b->n;
        const int64_t run_end = whole ? b->end : einf__min_i64(b->end, j + run_cols);
        const int64_t last_key = einf__keys_seen(t->job, t->col + run_end - 1).end - b->key;
        const int32_t depth = (int32_t)einf__min_i64(b->n, last_key);
        const int64_t begin = j * t->n_heads, n = (run_end - j) * t->n_heads;
        for (int64_t e = 0; e < s->v_pitch; e += s->mr)
            t->k->mul_f32(s->out + begin * s->v_pitch + e, s->v_pitch, s->values + e / s->mr * s->value_panel, depth,
                          s->scores + begin * BLOCK_KEYS, BLOCK_KEYS, (int32_t)n, true);
        j = run_end;
    }
}

static void store_out(const tile *t, const scratch *s)
{
    const int64_t v_dim = t->job->kv->v_dim;
    for (int64_t j = 0; j < t->n_cols; j++) {
        for (int64_t h = 0; h < t->n_heads; h++) {
            const int64_t i = j * t->n_heads + h;
            float *out = t->job->out + ((t->col + j) * t->job->n_head + t->head + h) * v_dim;
            scale(out, s->out + i * s->v_pitch, v_dim, 1.0f / s->state[i].sum);
        }
    }
}

/* Only rows that some column of the tile sees are read: before a window and behind the batch there may be anything. */
static void attend_tile(const tile *t, const scratch *s)
{
    const einf__attention_job *job = t->job;
    const int64_t first_key = einf__keys_seen(job, t->col).begin;
    const int64_t end_key = einf__keys_seen(job, t->col + t->n_cols - 1).end;
    load_queries(t, s);
    for (int64_t at = first_key / s->block_keys * s->block_keys; at < end_key; at += s->block_keys) {
        const int64_t key = einf__max_i64(at, first_key), end = einf__min_i64(at + s->block_keys, end_key);
        block b = { .key = key, .n = end - key, .begin = first_seer(t, key), .end = t->n_cols };
        if (job->window > 0) b.end = einf__min_i64(b.end, end - 1 + job->window - job->first - t->col);
        pack_keys(t, s, &b);
        pack_values(t, s, &b);
        multiply_keys(t, s, &b);
        weigh(t, s, &b);
        add_values(t, s, &b);
    }
    store_out(t, s);
}

/* --------------------------------------------------------------------------------------------------- the job -- */

typedef struct tiles_job {
    const einf__compute *c;
    const einf__attention_job *job;
    int64_t tile_cols, n_col_tiles;
    int64_t n_parts, part_heads; /* of a group */
} tiles_job;

/* Head after head, whose keys stay in cache. The last columns see most keys, and are begun first: what is left at the
 * end is short. */
static void attend_tiles(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const tiles_job *a = arg;
    const einf__attention_job *job = a->job;
    const int64_t group = einf__attention_group(job);
    const scratch s = scratch_of(a->c, job->kv, i_thread);
    for (int64_t i = begin; i < end; i++) {
        const int64_t i_set = i / a->n_col_tiles, col = (a->n_col_tiles - 1 - i % a->n_col_tiles) * a->tile_cols;
        const int64_t i_kv = i_set / a->n_parts, first = i_set % a->n_parts * a->part_heads;
        const tile t = { .k = a->c->kernels, .job = job, .col = col,
                         .n_cols = einf__min_i64(job->n_cols - col, a->tile_cols),
                         .i_kv = i_kv, .head = i_kv * group + first,
                         .n_heads = einf__min_i64(group - first, a->part_heads) };
        attend_tile(&t, &s);
    }
}

void einf__attention_by_tiles(const einf__compute *c, const einf__attention_job *job)
{
    const int64_t group = einf__attention_group(job);
    tiles_job a = { .c = c, .job = job, .n_parts = einf__div_up_i64(group, TILE_HEADS) };
    a.part_heads = einf__div_up_i64(group, a.n_parts);
    const int64_t n_sets = a.n_parts * job->kv->n_head_kv, sets_cols = job->n_cols * n_sets;
    a.tile_cols = einf__min_i64(TILE_QUERIES / a.part_heads,
                                einf__max_i64(MIN_TILE_COLS, einf__div_up_i64(sets_cols, MIN_TILES)));
    a.n_col_tiles = einf__div_up_i64(job->n_cols, a.tile_cols);
    einf__pool_run(c->pool, a.n_col_tiles * n_sets, 1, attend_tiles, &a);
}
