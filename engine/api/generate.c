/* SPDX-License-Identifier: MIT
 * generate.c - a prompt in, an answer out, and what it cost.
 *
 *     ids    = the prompt, laid out for the model
 *     reuse  = the part of ids that the session already holds
 *     append the rest; then sample, give the text away, append the token, until something says stop
 */
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/api/api_internal.h"


/* One call of einf_generate. */
typedef struct generation {
    einf_session *s;
    const einf_model *m;
    const einf_generate_config *config;
    einf_result *result;
    einf__ids ids;             /* of the prompt */
    einf__detok detok;
    char *piece;               /* [piece_bytes] text of one step */
    uint64_t piece_bytes;
    bool stopped;              /* a callback asked */
    einf_error *err;
} generation;

static double clock_s(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

static double now_s(void) { return clock_s(CLOCK_MONOTONIC); }

/* ------------------------------------------------------------------------------------------------- prompt -- */

static einf_status tokenize_prompt(generation *g, const char *prompt, uint64_t prompt_bytes)
{
    const einf_generate_config *c = g->config;
    if (c->raw || !g->m->chat_template.p)
        return einf__tokenize(g->m->vocab, prompt, prompt_bytes, EINF_TOK_BOS | (c->raw ? EINF_TOK_SPECIAL : 0),
                              &g->ids, g->err);
    if (memchr(prompt, '\0', prompt_bytes))
        return einf__fail_arg(g->err, "prompt", "a message may not hold a NUL byte");
    einf__memory *mem = &g->m->rt->memory;
    void *text; /* a message is NUL-terminated, the prompt need not be */
    EINF_TRY(einf__alloc_or_fail(mem, prompt_bytes + 1, "the prompt", &text, g->err));
    memcpy(text, prompt, prompt_bytes);
    ((char *)text)[prompt_bytes] = '\0';
    einf_message messages[2] = { EINF_INIT(einf_message), EINF_INIT(einf_message) };
    uint64_t n = 0;
    if (c->system) messages[n].role = "system", messages[n++].content = c->system;
    messages[n].role = "user", messages[n++].content = text;
    const einf_status status = einf__chat_ids(g->m, messages, n, &g->ids, g->err);
    einf__free(mem, text, prompt_bytes + 1);
    return status;
}

static einf_status check_prompt(const generation *g)
{
    const uint32_t n_ctx = g->s->timeline.params.n_ctx;
    if (g->ids.n == 0)
        return einf__fail_arg(g->err, "prompt", "the prompt is empty, and this model adds no token of its own");
    if (g->ids.n <= n_ctx) return EINF_OK;
    return einf__fail(g->err, EINF_E_CTX_FULL, EINF_NO_OFFSET, "n_ctx",
                      "create the session with a larger n_ctx, or shorten the prompt",
                      "the prompt has %llu tokens, the context %u", (unsigned long long)g->ids.n, n_ctx);
}

static einf_status prefill(generation *g)
{
    einf__timeline *t = &g->s->timeline;
    uint32_t n_cached;
    EINF_TRY(einf__session_reuse_prefix(t, g->ids.ids, (uint32_t)g->ids.n, &n_cached, g->err));
    g->result->n_cached = n_cached;
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = g->ids.ids + n_cached;
    batch.n = (uint32_t)g->ids.n - n_cached;
    batch.cancel = g->config->cancel;
    batch.progress = g->config->progress;
    batch.progress_user = g->config->progress_user;

    const einf_trace_hooks *trace = &g->m->rt->trace;
    const double start_s = now_s();
    einf__trace_begin(trace, EINF_PHASE_PREFILL, batch.n);
    const einf_status status = einf__session_append(t, &batch, g->err);
    einf__trace_end(trace, EINF_PHASE_PREFILL, batch.n, status);
    g->result->prefill_s = now_s() - start_s;
    return status;
}

/* ------------------------------------------------------------------------------------------------- answer -- */

static void give(generation *g, uint64_t n_bytes, int32_t id)
{
    const einf_generate_config *c = g->config;
    if (c->on_text && c->on_text(c->on_text_user, g->piece, n_bytes, id) != 0) g->stopped = true;
}

/* Append a sampled token. */
static einf_status append_token(generation *g, int32_t id)
{
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = &id;
    batch.n = 1;
    batch.cancel = g->config->cancel;
    return einf__session_append(&g->s->timeline, &batch, g->err);
}

/* Sample until something says stop; what it was is left in the result. */
static einf_status answer(generation *g)
{
    const einf_generate_config *c = g->config;
    einf_result *r = g->result;
    einf__timeline *t = &g->s->timeline;
    for (;;) {
        int32_t id;
        EINF_TRY(einf__session_sample(t, &id, g->err));
        r->n_generated++;
        const bool ends = einf__vocab_ends_answer(g->m->vocab, id) && !c->ignore_eos;
        give(g, ends ? 0 : einf__detok_next(&g->detok, id, g->piece, g->piece_bytes), id);

        if (ends) r->stop_reason = EINF_STOP_EOS;
        else if (g->stopped) r->stop_reason = EINF_STOP_CALLBACK;
        else if (c->max_tokens && r->n_generated >= c->max_tokens) r->stop_reason = EINF_STOP_LENGTH;
        else if (t->n_past >= t->params.n_ctx) r->stop_reason = EINF_STOP_CONTEXT;
        if (r->stop_reason != EINF_STOP_NONE) return EINF_OK;

        EINF_TRY(append_token(g, id));
        if (c->progress && c->progress(c->progress_user, EINF_PHASE_DECODE, r->n_generated, c->max_tokens) != 0)
            return einf__fail(g->err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL,
                              "cancelled by the progress callback after %u tokens", r->n_generated);
    }
}

static einf_status decode(generation *g)
{
    const einf_trace_hooks *trace = &g->m->rt->trace;
    const double start_s = now_s();
    einf__trace_begin(trace, EINF_PHASE_DECODE, 0);
    const einf_status status = answer(g);
    einf__trace_end(trace, EINF_PHASE_DECODE, g->result->n_generated, status);
    g->result->decode_s = now_s() - start_s;
    const uint64_t rest = einf__detok_flush(&g->detok, g->piece, g->piece_bytes);
    if (rest && !g->stopped) give(g, rest, -1);
    return status;
}

/* --------------------------------------------------------------------------------------------------- call -- */

static void measure_memory(generation *g)
{
    struct rusage usage;
    g->result->session_bytes = g->s->block_bytes;
    if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss <= 0) return;
    g->result->has_rss = 1;
    g->result->rss_peak_bytes = (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

static einf_status run(generation *g, const char *prompt, uint64_t prompt_bytes)
{
    const double start_s = now_s();
    const einf_status status = tokenize_prompt(g, prompt, prompt_bytes);
    g->result->n_prompt = (uint32_t)g->ids.n;
    g->result->tokenize_s = now_s() - start_s;
    EINF_TRY(status);
    EINF_TRY(check_prompt(g));
    const bool at_start = g->config->raw && prompt_bytes == 0;
    einf__detok_init(&g->detok, g->m->vocab, false, at_start);
    EINF_TRY(prefill(g));
    return decode(g);
}

static einf_status check_generate(const einf_session *s, const einf_generate_config *config, einf_error *err)
{
    if (config->raw < 0 || config->raw > 1)
        return einf__fail_arg(err, "raw", "raw is %d, expected 0 or 1", config->raw);
    if (s->model->vocab) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "s", "open the model with EINF_LOAD_VOCAB",
                      "the session's model was opened without its vocabulary");
}

static einf_status generate(einf_session *s, const char *prompt, uint64_t prompt_bytes,
                            const einf_generate_config *config, einf_result *result, einf_error *err)
{
    EINF_TRY(check_generate(s, config, err));
    EINF_TRY(einf__sampler_set(&s->timeline.sampler, &config->sampling, err));
    einf__memory *mem = &s->model->rt->memory;
    generation g = { .s = s, .m = s->model, .config = config, .result = result, .ids = { .mem = mem }, .err = err };
    void *piece;
    g.piece_bytes = einf__detok_max_bytes(s->model->vocab);
    EINF_TRY(einf__alloc_or_fail(mem, g.piece_bytes, "the text of a token", &piece, err));
    g.piece = piece;

    const double cpu_start_s = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    const einf_status status = run(&g, prompt, prompt_bytes);
    const double cpu_end_s = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    if (status == EINF_E_CANCELLED) result->stop_reason = EINF_STOP_CANCELLED;
    result->has_cpu = cpu_start_s > 0;
    result->cpu_core_s = cpu_end_s - cpu_start_s;
    measure_memory(&g);
    einf__free(mem, g.piece, g.piece_bytes);
    einf__ids_deinit(&g.ids);
    return status;
}

einf_status einf_generate(einf_session *s, const char *prompt, uint64_t prompt_bytes,
                          const einf_generate_config *config, einf_result *result, einf_error *err)
{
    EINF__BEGIN(err);
    const einf_generate_config defaults = EINF_INIT(einf_generate_config);
    if (!config) config = &defaults;
    EINF__NEED_STRUCT(config, einf_generate_config, err);
    if (prompt_bytes) EINF__NEED(prompt, err);
    einf_result unused = EINF_INIT(einf_result);
    if (!result) result = &unused;
    EINF__NEED_STRUCT(result, einf_result, err);
    *result = (einf_result){ .struct_size = result->struct_size };
    EINF_TRY(einf__session_enter(s, err));
    const einf_status status = generate(s, prompt_bytes ? prompt : "", prompt_bytes, config, result, err);
    einf__session_leave(s);
    return status;
}
