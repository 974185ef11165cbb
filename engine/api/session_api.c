/* SPDX-License-Identifier: MIT
 * session_api.c - planning and making sessions, and the token level of lowlevel.h: each function checks its caller,
 * enters the session, and hands over to engine/decode.
 */
#include <string.h>

#include "engine/api/bill.h"

/* ------------------------------------------------------------------------------------------------ planning -- */

static einf_status need_weights(const einf_model *m, einf_error *err)
{
    EINF__NEED(m, err);
    if (m->loaded & EINF_LOAD_WEIGHTS) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "m", "open it with EINF_LOAD_WEIGHTS",
                      "the model was opened without its weights");
}

static einf_status resolve(const einf_model *m, const einf_session_config *config, einf__session_params *p,
                           einf_error *err)
{
    if (config) EINF__NEED_STRUCT(config, einf_session_config, err);
    return einf__session_params_resolve(config, &m->config, einf__pool_n_threads(m->rt->pool), p, err);
}

/* The block of a session: the handle first, then what the timeline needs. s: NULL while counting. */
static einf_session *lay_out(einf__arena *a, const einf_model *m, const einf__session_params *p,
                             einf__session_bytes *bytes)
{
    einf__timeline counted; /* receives NULLs while counting */
    einf_session *s = EINF__CARVE(a, einf_session, 1);
    einf__session_lay_out(a, &m->rt->kernels, &m->config, p, s ? &s->timeline : &counted, bytes);
    return s;
}

static uint64_t session_bytes(const einf_model *m, const einf__session_params *p, uint32_t n_ctx)
{
    einf__session_params q = *p;
    q.n_ctx = n_ctx;
    if (q.n_batch > n_ctx) q.n_batch = n_ctx;
    einf__arena count = einf__arena_counting();
    einf__session_bytes bytes;
    (void)lay_out(&count, m, &q, &bytes);
    return count.failed ? UINT64_MAX : count.used_bytes;
}

/* The largest context whose session fits in free_bytes, at most p->n_ctx. */
static uint32_t largest_ctx(const einf_model *m, const einf__session_params *p, uint64_t free_bytes)
{
    uint32_t fits = 0, too_large = p->n_ctx + 1; /* n_ctx is at most 2^27 */
    while (too_large - fits > 1) {
        const uint32_t middle = fits + (too_large - fits) / 2;
        if (session_bytes(m, p, middle) <= free_bytes) fits = middle;
        else too_large = middle;
    }
    return fits;
}

einf_status einf_session_plan(const einf_model *m, const einf_session_config *config, einf_plan *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(need_weights(m, err));
    EINF__NEED_STRUCT(out, einf_plan, err);
    einf__session_params p;
    EINF_TRY(resolve(m, config, &p, err));

    einf__arena count = einf__arena_counting();
    einf__session_bytes bytes;
    (void)lay_out(&count, m, &p, &bytes);
    if (count.failed)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "n_ctx", "choose a smaller n_ctx or n_batch",
                          "a session with n_ctx %u and n_batch %u exceeds the address space", p.n_ctx, p.n_batch);

    const uint32_t struct_size = out->struct_size;
    *out = (einf_plan){ .struct_size = struct_size, .n_ctx = p.n_ctx };
    const bool mapped = !einf__source_is_copy(&m->source);
    out->weights_mapped_bytes = mapped ? einf__model_file_bytes(m) : 0;
    out->weights_private_bytes = mapped ? 0 : einf__model_file_bytes(m);
    out->vocab_bytes = m->vocab ? einf__vocab_bytes(m->vocab) : 0;
    out->model_bytes = sizeof *m + (m->split.n_parts - 1) * sizeof *m->split.others + m->gguf.block_bytes +
                       m->layers_bytes + m->weights_bytes + einf__template_bytes(m->compiled_template);
    out->kv_bytes = bytes.kv;
    out->scratch_bytes = count.used_bytes - bytes.kv;
    out->stack_bytes = (uint64_t)(p.n_threads - 1) * EINF__THREAD_STACK_BYTES;
    out->private_bytes = out->weights_private_bytes + out->vocab_bytes + out->model_bytes + out->kv_bytes +
                         out->scratch_bytes + out->stack_bytes;

    const uint64_t free_bytes = einf__memory_free_bytes(&m->rt->memory);
    out->n_ctx_fits = p.n_ctx;
    out->float_sum = (int32_t)einf__float_sum_of(&m->rt->kernels, p.float_sum);
    if (count.used_bytes <= free_bytes) return EINF_OK;
    out->n_ctx_fits = largest_ctx(m, &p, free_bytes);
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "ram_limit_bytes",
                      out->n_ctx_fits ? "choose the n_ctx that fits, or raise the limit" : "raise the limit",
                      "a session with n_ctx %u needs %llu bytes, %llu of the limit are free; n_ctx %llu would fit",
                      p.n_ctx, (unsigned long long)count.used_bytes, (unsigned long long)free_bytes,
                      (unsigned long long)out->n_ctx_fits);
}

/* Take the busy flag: one call at a time is in a session. */
static einf_status enter(einf_session *s, einf_error *err)
{
    if (!atomic_flag_test_and_set(&s->busy)) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "s",
                      "use one session a thread, and none from its own callbacks",
                      "the session is in use by another call");
}

einf_status einf__session_enter(einf_session *s, einf_error *err)
{
    EINF__NEED(s, err);
    EINF_TRY(einf__check_process(s->model->rt, err));
    return enter(s, err);
}

void einf__session_leave(einf_session *s) { atomic_flag_clear(&s->busy); }

einf_status einf_session_create(einf_model *m, const einf_session_config *config, einf_session **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(out, err);
    *out = NULL;
    einf_plan plan = EINF_INIT(einf_plan);
    EINF_TRY(einf_session_plan(m, config, &plan, err));
    EINF_TRY(einf__check_process(m->rt, err));
    einf__session_params p;
    EINF_TRY(resolve(m, config, &p, err));

    void *block;
    const uint64_t block_bytes = plan.kv_bytes + plan.scratch_bytes;
    EINF_TRY(einf__alloc_or_fail(&m->rt->memory, block_bytes, "a session", &block, err));
    einf__arena arena = einf__arena_over(block, block_bytes);
    einf__session_bytes bytes;
    einf_session *s = lay_out(&arena, m, &p, &bytes);
    s->model = m;
    s->block_bytes = block_bytes;
    atomic_flag_clear(&s->busy);
    einf__session_init(&s->timeline, &m->config, &m->weights, &p, m->rt->pool,
                       config ? config->cancel : NULL);
    s->timeline.n_threads_decode = p.exact ? 0 : einf__decode_threads_measured(m); /* exact is bound by arithmetic */
    atomic_fetch_add(&m->n_sessions, 1);
    if (p.n_ctx > m->config.n_ctx_train)
        einf__log(m->rt, EINF_LOG_WARNING,
                  "n_ctx %u is more than the %u the model was trained with; answers may degrade", p.n_ctx,
                  m->config.n_ctx_train);
    if (config && config->float_sum != plan.float_sum)
        einf__log(m->rt, EINF_LOG_WARNING, "float_sum %s: sums are F32 all the same, %s",
                  einf__float_sum_name(config->float_sum),
                  p.float_sum == EINF__SUM_F32   ? "as the rest of the config wants"
                  : p.float_sum == EINF__SUM_F16 ? "this CPU has no arithmetic on halves that is used"
                                                 : "this CPU has no products of 16-bit integers that are used");
    *out = s;
    return EINF_OK;
}

einf_status einf_session_destroy(einf_session **s, einf_error *err)
{
    EINF__BEGIN(err);
    if (!s || !*s) return EINF_OK;
    EINF_TRY(enter(*s, err)); /* never left: nobody comes after */
    einf_model *m = (*s)->model;
    einf__free(&m->rt->memory, *s, (*s)->block_bytes);
    atomic_fetch_sub(&m->n_sessions, 1);
    *s = NULL;
    return EINF_OK;
}

/* --------------------------------------------------------------------------------------------- token level -- */

/* Run an expression on the timeline of a session that only this call is in. */
#define ON_TIMELINE(s, err, call) \
    do { \
        EINF_TRY(einf__session_enter(s, err)); \
        const einf_status status_ = (call); \
        einf__session_leave(s); \
        return status_; \
    } while (0)

static einf_status append_traced(einf_session *s, const einf_batch *batch, einf_error *err)
{
    const int32_t kind = batch->n > 1 ? EINF_PHASE_PREFILL : EINF_PHASE_DECODE;
    const einf__phase phase = einf__phase_begin(s->model->rt, kind, batch->n, 0);
    const einf_status status = einf__session_append(&s->timeline, batch, err);
    einf__phase_end(&phase, batch->n, status, NULL);
    return status;
}

einf_status einf_session_append(einf_session *s, const einf_batch *batch, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED_STRUCT(batch, einf_batch, err);
    ON_TIMELINE(s, err, append_traced(s, batch, err));
}

einf_status einf_session_append_tokens(einf_session *s, const int32_t *ids, uint32_t n, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(ids, err);
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = ids;
    batch.n = n;
    ON_TIMELINE(s, err, append_traced(s, &batch, err));
}

einf_status einf_session_append_rows(einf_session *s, const float *rows, uint32_t n, const int32_t (*positions)[4],
                                     uint32_t row_width, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(rows, err);
    einf_batch batch = EINF_INIT(einf_batch);
    batch.rows = rows;
    batch.n = n;
    batch.positions = positions;
    batch.row_width = row_width;
    ON_TIMELINE(s, err, append_traced(s, &batch, err));
}

const float *einf_session_logits(const einf_session *s)
{
    return s && s->timeline.has_logits ? s->timeline.logits : NULL;
}

uint32_t einf_session_n_past(const einf_session *s) { return s ? s->timeline.n_past : 0; }

uint32_t einf_session_n_ctx(const einf_session *s) { return s ? s->timeline.params.n_ctx : 0; }

uint64_t einf_session_bytes(const einf_session *s) { return s ? s->block_bytes : 0; }

einf_status einf_session_rewind(einf_session *s, uint32_t n_past, einf_error *err)
{
    EINF__BEGIN(err);
    ON_TIMELINE(s, err, einf__session_rewind(&s->timeline, n_past, err));
}

einf_status einf_session_checkpoint(einf_session *s, int32_t *mark, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(mark, err);
    ON_TIMELINE(s, err, einf__session_checkpoint(&s->timeline, mark, err));
}

einf_status einf_session_restore(einf_session *s, int32_t mark, einf_error *err)
{
    EINF__BEGIN(err);
    ON_TIMELINE(s, err, einf__session_restore(&s->timeline, mark, err));
}

einf_status einf_session_release(einf_session *s, int32_t mark, einf_error *err)
{
    EINF__BEGIN(err);
    ON_TIMELINE(s, err, einf__session_release(&s->timeline, mark, err));
}

einf_status einf_session_reuse_prefix(einf_session *s, const int32_t *ids, uint32_t n, uint32_t *n_reused,
                                      einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(ids, err);
    EINF__NEED(n_reused, err);
    ON_TIMELINE(s, err, einf__session_reuse_prefix(&s->timeline, ids, n, n_reused, err));
}

einf_status einf_session_set_sampling(einf_session *s, const einf_sampling *sampling, einf_error *err)
{
    EINF__BEGIN(err);
    if (sampling) EINF__NEED_STRUCT(sampling, einf_sampling, err);
    ON_TIMELINE(s, err, einf__sampler_set(&s->timeline.sampler, sampling, err));
}

einf_status einf_session_sample(einf_session *s, int32_t *token_id, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(token_id, err);
    ON_TIMELINE(s, err, einf__session_sample(&s->timeline, token_id, err));
}
