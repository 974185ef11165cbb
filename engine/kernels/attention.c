/* SPDX-License-Identifier: MIT
 * attention.c - causal attention: which way a job takes, and the way of few columns: calls of the attend slot, for some
 * query heads of a group and a range of keys.
 *
 * Causality and window are the loop bounds of each call; there is no mask. Query heads of one KV head share a call, so
 * that each key is loaded once for all of them. A column's keys are cut in parts whose softmaxes are joined in the
 * order of the keys. Parts follow from the column's place on the timeline and the model's shape alone: this way, a
 * column is computed alike whatever call it comes in, by any number of threads.
 */
#include "engine/kernels/attention.h"

#include <math.h>

enum {
    PART_KEYS = 256,     /* keys a part, at least; more where there would be more than EINF__MAX_KEY_PARTS, */
    PART_KEYS_FEW = 64,  /* and fewer where few KV heads leave threads without work */
    FEW_HEADS = 4,
    /* Queries, columns times heads of a group, from which tiles are as fast as the slot: measured on Zen 4 with AVX-512
     * and AVX2, groups of 1 and 4, 512 keys. At four times as many they are 1.2 to 1.5 times faster. */
    TILES_MIN_QUERIES = 32
};

void einf__attention_lay_out(einf__arena *a, einf__compute *c, int32_t n_threads, int64_t n_head, int64_t k_dim,
                             int64_t v_dim)
{
    einf__attention_scratch *s = &c->attention;
    s->tile_floats = einf__attention_tile_floats(k_dim, v_dim);
    s->tiles = einf__arena_take(a, (uint64_t)n_threads, (uint64_t)s->tile_floats * sizeof(float));
    s->part_out = einf__arena_take(a, (uint64_t)n_head * EINF__MAX_KEY_PARTS, (uint64_t)v_dim * sizeof(float));
    s->part_state = EINF__CARVE(a, einf__softmax, n_head * EINF__MAX_KEY_PARTS);
}

/* ---------------------------------------------------------------------------------------------------- parts -- */

typedef struct attend_job {
    const einf__attention_job *job;
    const einf__attention_scratch *scratch;
    einf__attend_fn attend;
    int32_t group;    /* query heads a KV head, */
    int32_t n_sets;   /* cut in so many sets */
    int32_t set_size; /* of that many heads, the last one of fewer */
    int64_t n_parts;  /* of the last column */
} attend_job;

/* Query heads [head, head + n) of KV head i_kv. */
typedef struct head_set {
    int64_t i_kv, head;
    int32_t n;
} head_set;

static head_set set_of(const attend_job *a, int64_t i)
{
    const int64_t i_kv = i / a->n_sets, first = i % a->n_sets * a->set_size;
    return (head_set){ i_kv, i_kv * a->group + first, (int32_t)einf__min_i64(a->group - first, a->set_size) };
}

static int64_t part_keys_of(const einf__attention_job *job, einf__keys seen)
{
    int64_t n = job->kv->n_head_kv < FEW_HEADS ? PART_KEYS_FEW : PART_KEYS;
    while (seen.end - seen.begin > n * EINF__MAX_KEY_PARTS) n *= 2;
    return n;
}

static int64_t n_parts_of(einf__keys seen, int64_t part_keys)
{
    return einf__div_up_i64(seen.end - seen.begin, part_keys);
}

/* Where the parts of a column go: part i of query head r of a set is row i * pitch + r. */
typedef struct parts {
    float *out;           /* [n_parts * pitch, v_dim] */
    einf__softmax *state; /* [n_parts * pitch] */
    int64_t pitch;
} parts;

/* Part i of what column j sees, for the heads of a set. */
static void attend_part(const attend_job *a, int64_t j, const head_set *h, int64_t i, const parts *p)
{
    const einf__attention_job *job = a->job;
    const einf__kv_view *kv = job->kv;
    const einf__keys seen = einf__keys_seen(job, j);
    const int64_t part_keys = part_keys_of(job, seen), begin = seen.begin + i * part_keys;
    const einf__attend call = {
        .out = p->out + i * p->pitch * kv->v_dim,
        .state = p->state + i * p->pitch,
        .q = job->q + (j * job->n_head + h->head) * kv->k_dim,
        .k = einf__kv_key(kv, h->i_kv, 0),
        .v = einf__kv_value(kv, h->i_kv, 0),
        .q_stride = kv->k_dim,
        .out_stride = kv->v_dim,
        .k_stride = kv->k_dim,
        .v_stride = kv->v_dim,
        .key_begin = begin,
        .key_end = einf__min_i64(seen.end, begin + part_keys),
        .n_q = h->n,
        .k_dim = kv->k_dim,
        .v_dim = kv->v_dim,
        .scale = job->scale,
        .softcap = job->softcap,
    };
    a->attend(&call);
}

/* out and *s, weighted sums of earlier keys, take those of a later part: both now belong to the larger maximum. */
static void join(float *out, einf__softmax *s, const float *part, const einf__softmax *p, int64_t v_dim)
{
    const float max = s->max > p->max ? s->max : p->max;
    const float shrink = expf(s->max - max), factor = expf(p->max - max);
    for (int64_t e = 0; e < v_dim; e++) out[e] = out[e] * shrink + part[e] * factor;
    *s = (einf__softmax){ max, s->sum * shrink + p->sum * factor };
}

static void join_parts(const attend_job *a, int64_t j, const head_set *h, int64_t n_parts, const parts *p)
{
    const int64_t v_dim = a->job->kv->v_dim;
    for (int64_t r = 0; r < h->n; r++) {
        float *out = a->job->out + (j * a->job->n_head + h->head + r) * v_dim;
        einf__softmax state = p->state[r];
        for (int64_t e = 0; e < v_dim; e++) out[e] = p->out[r * v_dim + e];
        for (int64_t i = 1; i < n_parts; i++)
            join(out, &state, p->out + (i * p->pitch + r) * v_dim, &p->state[i * p->pitch + r], v_dim);
        for (int64_t e = 0; e < v_dim; e++) out[e] /= state.sum;
    }
}

/* ------------------------------------------------------------------------------------------- columns as items -- */

/* Neighbours share the keys that are in the cache; the last columns, which see most, are begun first. */
static void attend_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const attend_job *a = arg;
    einf__softmax state[EINF__MAX_KEY_PARTS * EINF__ATTEND_MAX_Q];
    const parts p = { a->scratch->tiles + i_thread * a->scratch->tile_floats, state, EINF__ATTEND_MAX_Q };
    for (int64_t item = begin; item < end; item++) {
        const head_set h = set_of(a, item / a->job->n_cols);
        const int64_t j = a->job->n_cols - 1 - item % a->job->n_cols;
        const einf__keys seen = einf__keys_seen(a->job, j);
        const int64_t n_parts = n_parts_of(seen, part_keys_of(a->job, seen));
        for (int64_t i = 0; i < n_parts; i++) attend_part(a, j, &h, i, &p);
        join_parts(a, j, &h, n_parts, &p);
    }
}

/* --------------------------------------------------------------------------------- parts of one column as items -- */

static parts shared_parts(const attend_job *a, const head_set *h)
{
    return (parts){ a->scratch->part_out + h->head * a->job->kv->v_dim, a->scratch->part_state + h->head,
                    a->job->n_head };
}

static void attend_parts(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const attend_job *a = arg;
    (void)i_thread;
    for (int64_t item = begin; item < end; item++) {
        const head_set h = set_of(a, item / a->n_parts);
        const parts p = shared_parts(a, &h);
        attend_part(a, 0, &h, item % a->n_parts, &p);
    }
}

static void join_sets(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const attend_job *a = arg;
    (void)i_thread;
    for (int64_t item = begin; item < end; item++) {
        const head_set h = set_of(a, item);
        const parts p = shared_parts(a, &h);
        join_parts(a, 0, &h, a->n_parts, &p);
    }
}

/* --------------------------------------------------------------------------------------------------- the verb -- */

/* The calls of the slot for one column's set of heads over n keys, in multiply-adds. */
static int64_t work_of(const attend_job *a, int64_t n_keys)
{
    return n_keys * a->set_size * (a->job->kv->k_dim + a->job->kv->v_dim);
}

static void attention_by_rows(const einf__compute *c, const einf__attention_job *job)
{
    const einf__kv_view *kv = job->kv;
    const einf__keys seen = einf__keys_seen(job, job->n_cols - 1);
    const int64_t part_keys = part_keys_of(job, seen);
    attend_job a = { .job = job, .scratch = &c->attention, .group = einf__attention_group(job),
                     .n_parts = n_parts_of(seen, part_keys) };
    a.attend = kv->type == EINF__F16   ? c->kernels->attend_f16
               : kv->type == EINF__F32 ? c->kernels->attend_f32
                                       : c->kernels->attend_q8_0;
    a.n_sets = (int32_t)einf__div_up_i64(a.group, EINF__ATTEND_MAX_Q);
    a.set_size = (int32_t)einf__div_up_i64(a.group, a.n_sets);
    const int64_t n_sets = (int64_t)a.n_sets * kv->n_head_kv;
    if (job->n_cols > 1) {
        einf__pool_run(c->pool, n_sets * job->n_cols, einf__grain(work_of(&a, seen.end - seen.begin)), attend_columns,
                       &a);
        return;
    }
    einf__pool_run(c->pool, n_sets * a.n_parts, einf__grain(work_of(&a, part_keys)), attend_parts, &a);
    einf__pool_run(c->pool, n_sets, einf__grain(work_of(&a, a.n_parts)), join_sets, &a);
}

/* Where few KV heads leave few tiles, there are to be more of them. */
static bool takes_tiles(const einf__compute *c, const einf__attention_job *job)
{
    if (c->path != EINF__PATH_AUTO) return c->path != EINF__PATH_ROWS;
    const int64_t n_queries = job->n_cols * einf__attention_group(job);
    return n_queries * einf__min_i64(job->kv->n_head_kv, FEW_HEADS) >= TILES_MIN_QUERIES * FEW_HEADS;
}

void einf__attention(const einf__compute *c, const einf__attention_job *job)
{
    assert(job->n_head % job->kv->n_head_kv == 0 && job->first + job->n_cols <= job->kv->n_ctx);
    assert(job->n_keys == 0 || (job->n_keys <= job->kv->n_ctx && job->first == 0 && job->window == 0));
    if (takes_tiles(c, job)) einf__attention_by_tiles(c, job);
    else attention_by_rows(c, job);
}
