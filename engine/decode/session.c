/* SPDX-License-Identifier: MIT
 * session.c - the timeline: checking what is appended, cutting it into batches, and forgetting.
 */
#include "engine/decode/session.h"

#include <math.h>
#include <string.h>

enum {
    DEFAULT_CTX = 4096,
    DEFAULT_BATCH = 512,      /* beyond it the weights' cost is already spread thin (performance.md 4) */
    MAX_CTX = 1 << 27,
    MAX_BATCH = 1 << 16,
    DEFAULT_CHECKPOINTS = 8,
    MAX_CHECKPOINTS = 1024,
};
#define NO_MARK UINT32_MAX

static uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* ---------------------------------------------------------------------------------------------- planning -- */

/* exact decides for F32 whatever the config says, which must be sound all the same. */
static einf_status resolve_kv_type(const einf_session_config *c, const einf__config *model, einf__dtype *out,
                                   einf_error *err)
{
    static const einf__dtype types[] = { [EINF_KV_F16] = EINF__F16, [EINF_KV_F32] = EINF__F32,
                                         [EINF_KV_Q8_0] = EINF__Q8_0 };
    if (c->kv_type < 0 || c->kv_type > EINF_KV_Q8_0)
        return einf__fail_arg(err, "kv_type", "kv_type is %d, expected EINF_KV_F16, EINF_KV_F32 or EINF_KV_Q8_0",
                              c->kv_type);
    *out = c->exact ? EINF__F32 : types[c->kv_type];
    if (*out != EINF__Q8_0 || (model->k_dim % 32 == 0 && model->v_dim % 32 == 0)) return EINF_OK;
    return einf__fail(err, EINF_E_UNSUPPORTED, EINF_NO_OFFSET, "kv_type", "take the KV cache in F16",
                      "a KV cache in Q8_0 needs keys and values in blocks of 32; a head's keys have %u elements, its "
                      "values %u", model->k_dim, model->v_dim);
}

einf_status einf__session_params_resolve(const einf_session_config *config, const einf__config *model,
                                         int32_t n_threads, einf__session_params *out, einf_error *err)
{
    const einf_session_config c = config ? *config : (einf_session_config){ 0 };
    if (c.n_ctx > MAX_CTX)
        return einf__fail_arg(err, "n_ctx", "n_ctx is %u, at most %d is possible", c.n_ctx, (int)MAX_CTX);
    if (c.n_batch > MAX_BATCH)
        return einf__fail_arg(err, "n_batch", "n_batch is %u, at most %d is possible", c.n_batch, (int)MAX_BATCH);
    if (c.exact < 0 || c.exact > 1) return einf__fail_arg(err, "exact", "exact is %d, expected 0 or 1", c.exact);
    if (c.force_path < 0 || c.force_path >= EINF__N_PATHS)
        return einf__fail_arg(err, "force_path", "force_path is %d, expected 0 to %d", c.force_path,
                              EINF__N_PATHS - 1);
    if (c.deterministic < 0 || c.deterministic > 1)
        return einf__fail_arg(err, "deterministic", "deterministic is %d, expected 0 or 1", c.deterministic);
    if (c.deterministic && c.force_path >= EINF__PATH_PANELS)
        return einf__fail_arg(err, "force_path", "force_path %d and deterministic exclude each other", c.force_path);
    if (c.float_sum < EINF_FLOAT_SUM_F32 || c.float_sum > EINF_FLOAT_SUM_I16)
        return einf__fail_arg(err, "float_sum", "float_sum is %d, expected EINF_FLOAT_SUM_F32, _F16 or _I16",
                              c.float_sum);
    if (c.n_checkpoints > MAX_CHECKPOINTS)
        return einf__fail_arg(err, "n_checkpoints", "n_checkpoints is %u, at most %d is possible", c.n_checkpoints,
                              (int)MAX_CHECKPOINTS);

    einf__dtype kv_type = EINF__F16;
    EINF_TRY(resolve_kv_type(&c, model, &kv_type, err));
    const bool plain = !c.exact && !c.deterministic && c.force_path != EINF__PATH_ROWS;
    const uint32_t n_ctx = c.n_ctx ? c.n_ctx : min_u32(DEFAULT_CTX, model->n_ctx_train);
    *out = (einf__session_params){
        .n_ctx = n_ctx,
        .n_batch = min_u32(c.n_batch ? c.n_batch : DEFAULT_BATCH, n_ctx),
        .n_checkpoints = c.n_checkpoints ? c.n_checkpoints : DEFAULT_CHECKPOINTS,
        .kv_type = kv_type,
        .exact = c.exact != 0,
        .deterministic = c.deterministic != 0,
        .float_sum = plain ? (einf__float_sum)c.float_sum : EINF__SUM_F32,
        /* panels sum in another order than rows, and AUTO goes by the number of columns */
        .path = c.deterministic ? EINF__PATH_ROWS : (einf__path)c.force_path,
        .n_threads = n_threads,
    };
    return EINF_OK;
}

static uint64_t widest(const einf__config *c)
{
    uint64_t width = c->n_embd;
    for (uint32_t i = 0; i < c->n_layer; i++) {
        const uint64_t attended = (uint64_t)c->layers[i].n_head * c->v_dim;
        if (width < attended) width = attended;
        if (width < c->layers[i].n_ff) width = c->layers[i].n_ff;
    }
    return width;
}

static uint32_t most_heads(const einf__config *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_layer; i++)
        if (n < c->layers[i].n_head) n = c->layers[i].n_head;
    return n;
}

void einf__session_lay_out(einf__arena *a, const einf__kernels *kernels, const einf__config *c,
                           const einf__session_params *p, einf__timeline *out, einf__session_bytes *bytes)
{
    const uint64_t start = a->used_bytes;
    einf__kv_lay_out(a, c, p->n_ctx, p->kv_type, &out->kv);
    bytes->kv = a->used_bytes - start;

    out->compute = (einf__compute){ .kernels = kernels, .path = p->path, .exact = p->exact,
                                    .float_sum = einf__float_sum_of(kernels, p->float_sum) };
    einf__compute_lay_out(a, &out->compute, p->n_threads, p->n_batch, (int64_t)widest(c));
    einf__attention_lay_out(a, &out->compute, p->n_threads, most_heads(c), c->k_dim, c->v_dim);
    const einf__acts_room room = einf__acts_room_of(&out->compute, p->n_batch);
    einf__buffers_lay_out(a, c, &room, &out->buffers);
    einf__sampler_lay_out(a, c->n_vocab, &out->sampler);
    out->ids = EINF__CARVE(a, int32_t, p->n_ctx);
    out->positions = einf__arena_take(a, p->n_ctx, sizeof *out->positions);
    out->logits = EINF__CARVE(a, float, c->n_vocab);
    out->which = EINF__CARVE(a, int32_t, p->n_batch);
    out->marks = EINF__CARVE(a, uint32_t, p->n_checkpoints);
    bytes->scratch = a->used_bytes - start - bytes->kv;
}

void einf__session_init(einf__timeline *t, const einf__config *c, const einf__weights *w,
                        const einf__session_params *p, einf__pool *pool, const einf_cancel *cancel)
{
    t->config = c;
    t->weights = w;
    t->params = *p;
    t->cancel = cancel;
    t->compute.pool = pool;
    einf__session_replaced(t, 0, false);
    einf__buffers_init(&t->buffers, c, w, p->n_ctx);
    (void)einf__sampler_set(&t->sampler, NULL, NULL); /* the default is valid */
}

/* ---------------------------------------------------------------------------------------------- appending -- */

static einf_status check_ids(const einf__timeline *t, const einf_batch *b, einf_error *err)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (b->ids[i] < 0 || (uint32_t)b->ids[i] >= t->config->n_vocab)
            return einf__fail_arg(err, "ids", "token id %d at index %u is not in [0, %u)", b->ids[i], i,
                                  t->config->n_vocab);
    return EINF_OK;
}

static einf_status check_rows(const einf__timeline *t, const einf_batch *b, einf_error *err)
{
    if (b->row_width != t->config->n_embd)
        return einf__fail_arg(err, "row_width", "rows are %u wide, the model's embedding is %u", b->row_width,
                              t->config->n_embd);
    const uint64_t n = (uint64_t)b->n * b->row_width;
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(b->rows[i]))
            return einf__fail_arg(err, "rows", "element %llu of row %llu is not a finite number",
                                  (unsigned long long)(i % b->row_width), (unsigned long long)(i / b->row_width));
    for (uint32_t i = 0; b->row_keys && i < b->n; i++)
        if (b->row_keys[i] >= -1)
            return einf__fail_arg(err, "row_keys", "the key of row %u is %d, expected less than -1", i, b->row_keys[i]);
    return EINF_OK;
}

static einf_status check_positions(const einf_batch *b, einf_error *err)
{
    for (uint32_t i = 0; b->positions && i < b->n; i++)
        for (int j = 0; j < 4; j++)
            if (b->positions[i][j] < 0 || b->positions[i][j] > EINF__MAX_POSITION)
                return einf__fail_arg(err, "positions", "position %d of row %u is %d, allowed are 0 to %d", j, i,
                                      b->positions[i][j], (int)EINF__MAX_POSITION);
    return EINF_OK;
}

static einf_status check_logit_rows(const einf_batch *b, einf_error *err)
{
    if (b->n_logit_rows && !b->logits)
        return einf__fail_arg(err, "logits", "logits is NULL for %u rows", b->n_logit_rows);
    if (!b->logit_rows && b->n_logit_rows && b->n_logit_rows != b->n)
        return einf__fail_arg(err, "logit_rows", "logit_rows is NULL, so n_logit_rows must be 0 or %u, not %u", b->n,
                              b->n_logit_rows);
    for (uint32_t i = 0; b->logit_rows && i < b->n_logit_rows; i++) {
        const int32_t row = b->logit_rows[i];
        if (row < 0 || (uint32_t)row >= b->n || (i > 0 && row <= b->logit_rows[i - 1]))
            return einf__fail_arg(err, "logit_rows", "row %d at index %u: rows must be ascending and in [0, %u)", row,
                                  i, b->n);
    }
    return EINF_OK;
}

static einf_status check_batch(const einf__timeline *t, const einf_batch *b, einf_error *err)
{
    if (b->n == 0) return einf__fail_arg(err, "n", "nothing to append");
    if (!b->ids == !b->rows) return einf__fail_arg(err, "ids", "exactly one of ids and rows must be given");
    if (b->ids && b->row_keys) return einf__fail_arg(err, "row_keys", "row_keys are given for ids, which need none");
    const uint32_t n_free = t->params.n_ctx - t->n_past;
    if (b->n > n_free)
        return einf__fail(err, EINF_E_CTX_FULL, EINF_NO_OFFSET, "n_ctx",
                          "create the session with a larger n_ctx, or rewind",
                          "%u rows do not fit: %u of %u are in use, %u free", b->n, t->n_past, t->params.n_ctx, n_free);
    EINF_TRY(b->ids ? check_ids(t, b, err) : check_rows(t, b, err));
    EINF_TRY(check_positions(b, err));
    return check_logit_rows(b, err);
}

int32_t einf__session_next_position(const einf__timeline *t, uint32_t row)
{
    int32_t next = 0;
    for (int j = 0; row > 0 && j < 4; j++)
        if (t->positions[row - 1][j] >= next) next = t->positions[row - 1][j] + 1;
    return next;
}

/* Write ids and positions of the whole batch onto the timeline, above n_past. */
static einf_status note_rows(einf__timeline *t, const einf_batch *b, einf_error *err)
{
    const int32_t next = einf__session_next_position(t, t->n_past);
    if (!b->positions && next > EINF__MAX_POSITION - (int32_t)b->n)
        return einf__fail_arg(err, "positions", "positions would pass %d", (int)EINF__MAX_POSITION);
    for (uint32_t i = 0; i < b->n; i++) {
        const uint32_t at = t->n_past + i;
        t->ids[at] = b->ids ? b->ids[i] : b->row_keys ? b->row_keys[i] : -1;
        for (int j = 0; j < 4; j++) t->positions[at][j] = b->positions ? b->positions[i][j] : next + (int32_t)i;
    }
    return EINF_OK;
}

/* Which rows of [begin, begin + n) of the batch have their logits wanted; indices relative to begin. */
static uint32_t select_rows(einf__timeline *t, const einf_batch *b, uint32_t begin, uint32_t n, uint32_t *i_next)
{
    uint32_t n_chosen = 0;
    while (*i_next < b->n_logit_rows) {
        const uint32_t row = b->logit_rows ? (uint32_t)b->logit_rows[*i_next] : *i_next;
        if (row >= begin + n) break;
        t->which[n_chosen++] = (int32_t)(row - begin);
        ++*i_next;
    }
    return n_chosen;
}

/* Compute rows [begin, begin + n) of the batch, and the logits wanted of them. */
static einf_status run_piece(einf__timeline *t, const einf_batch *b, uint32_t begin, uint32_t n, uint32_t *i_logits,
                             einf_error *err)
{
    const einf__forward f = { .config = t->config, .weights = t->weights, .compute = &t->compute, .kv = &t->kv,
                              .buffers = &t->buffers };
    const uint32_t at = t->n_past + begin;
    const einf__rows rows = {
        .ids = b->ids ? b->ids + begin : NULL,
        .embeddings = b->rows ? b->rows + (size_t)begin * b->row_width : NULL,
        .positions = (const int32_t (*)[4])(t->positions + at),
        .n = n,
        .first = at,
    };
    EINF_TRY(einf__forward_rows(&f, &rows, t->cancel, b->cancel, err));

    const uint32_t first_logits = *i_logits;
    const uint32_t n_chosen = select_rows(t, b, begin, n, i_logits);
    float *out = n_chosen ? b->logits + (size_t)first_logits * t->config->n_vocab : NULL;
    if (n_chosen) einf__forward_logits(&f, t->which, n_chosen, out);
    if (begin + n < b->n) return EINF_OK;

    /* the last row of all: its logits are kept for sampling */
    const size_t row_bytes = t->config->n_vocab * sizeof *t->logits;
    const int32_t last = (int32_t)n - 1;
    if (n_chosen && t->which[n_chosen - 1] == last)
        memcpy(t->logits, out + (size_t)(n_chosen - 1) * t->config->n_vocab, row_bytes);
    else
        einf__forward_logits(&f, &last, 1, t->logits);
    return EINF_OK;
}

static einf_status run_batch(einf__timeline *t, const einf_batch *b, einf_error *err)
{
    uint32_t i_logits = 0;
    for (uint32_t begin = 0; begin < b->n; begin += t->params.n_batch) {
        /* the pool is given back between pieces: other sessions take turns, and a callback may use one */
        const uint32_t n = min_u32(t->params.n_batch, b->n - begin);
        EINF_TRY(einf__pool_acquire(t->compute.pool, t->cancel, b->cancel, err));
        if (n == 1) einf__pool_limit(t->compute.pool, t->n_threads_decode);
        const einf_status status = run_piece(t, b, begin, n, &i_logits, err);
        einf__pool_release(t->compute.pool);
        if (status != EINF_OK) return status;
        const uint64_t done = min_u32(begin + t->params.n_batch, b->n);
        if (b->progress && b->progress(b->progress_user, EINF_PHASE_PREFILL, done, b->n) != 0 && done < b->n)
            return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL,
                              "cancelled by the progress callback after %llu of %u rows", (unsigned long long)done,
                              b->n);
    }
    return EINF_OK;
}

einf_status einf__session_append(einf__timeline *t, const einf_batch *b, einf_error *err)
{
    EINF_TRY(check_batch(t, b, err));
    EINF_TRY(note_rows(t, b, err));
    EINF_TRY(run_batch(t, b, err)); /* on failure n_past has not moved */
    t->n_past += b->n;
    t->has_logits = true;
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------- forgetting -- */

einf_status einf__session_rewind(einf__timeline *t, uint32_t n_past, einf_error *err)
{
    if (n_past > t->n_past)
        return einf__fail_arg(err, "n_past", "cannot rewind to %u: the timeline has %u rows", n_past, t->n_past);
    if (n_past == t->n_past) return EINF_OK;
    t->n_past = n_past;
    t->has_logits = false;
    for (uint32_t i = 0; i < t->params.n_checkpoints; i++)
        if (t->marks[i] != NO_MARK && t->marks[i] > n_past) t->marks[i] = NO_MARK;
    return EINF_OK;
}

void einf__session_replaced(einf__timeline *t, uint32_t n_past, bool has_logits)
{
    t->n_past = n_past;
    t->has_logits = has_logits;
    for (uint32_t i = 0; i < t->params.n_checkpoints; i++) t->marks[i] = NO_MARK;
}

einf_status einf__session_checkpoint(einf__timeline *t, int32_t *mark, einf_error *err)
{
    for (uint32_t i = 0; i < t->params.n_checkpoints; i++) {
        if (t->marks[i] != NO_MARK) continue;
        t->marks[i] = t->n_past;
        *mark = (int32_t)i;
        return EINF_OK;
    }
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "n_checkpoints", "release a mark, or plan for more",
                      "all %u checkpoints are in use", t->params.n_checkpoints);
}

static einf_status check_mark(const einf__timeline *t, int32_t mark, einf_error *err)
{
    if (mark >= 0 && (uint32_t)mark < t->params.n_checkpoints && t->marks[mark] != NO_MARK) return EINF_OK;
    return einf__fail_arg(err, "mark", "%d is no checkpoint of this session, or an earlier rewind dropped it", mark);
}

einf_status einf__session_restore(einf__timeline *t, int32_t mark, einf_error *err)
{
    EINF_TRY(check_mark(t, mark, err));
    return einf__session_rewind(t, t->marks[mark], err);
}

einf_status einf__session_release(einf__timeline *t, int32_t mark, einf_error *err)
{
    EINF_TRY(check_mark(t, mark, err));
    t->marks[mark] = NO_MARK;
    return EINF_OK;
}

/* Does a row match? A key stands for a row and where it lies in its picture. The position of text is the next one: a
 * row whose position was given otherwise is no match for a plain id. */
static bool matches(const einf__timeline *t, uint32_t row, int32_t id)
{
    if (id == -1 || t->ids[row] != id) return false;
    const int32_t next = einf__session_next_position(t, row);
    for (int j = 0; id >= 0 && j < 4; j++)
        if (t->positions[row][j] != next) return false;
    return true;
}

einf_status einf__session_reuse_prefix(einf__timeline *t, const int32_t *ids, uint32_t n, uint32_t *n_reused,
                                       einf_error *err)
{
    uint32_t same = 0;
    while (same + 1 < n && same < t->n_past && matches(t, same, ids[same])) same++;
    *n_reused = same;
    return einf__session_rewind(t, same, err);
}

einf_status einf__session_sample(einf__timeline *t, int32_t *id, einf_error *err)
{
    if (!t->has_logits)
        return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, NULL, "append at least one row first",
                          "there are no logits to sample from");
    const uint32_t n_recent = min_u32(t->n_past, t->sampler.config.repeat_last_n);
    return einf__sampler_choose(&t->sampler, t->logits, t->config->n_vocab, t->ids + (t->n_past - n_recent), n_recent,
                                id, err);
}
