/* SPDX-License-Identifier: MIT
 * generate.c - a prompt in, an answer out, and what it cost.
 *
 *     ids    = the prompt, laid out for the model
 *     rows   = ids, with the rows of pictures where their placeholders stand
 *     reuse  = the part of rows that the session already holds
 *     encode the pictures behind it, append the rest; then sample, give the text away, append the token, until
 *     something says stop
 */
#include "engine/api/generation.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/api/chat_layout.h"
#include "engine/api/bill.h"
#include "engine/api/stop_strings.h"

enum { MAX_IMAGES = 4096 }; /* of a prompt: more than any context has room for */

/* One call of einf__generate. */
typedef struct generation {
    einf_session *s;
    const einf_model *m;
    const einf__prompt *prompt;
    const einf_generate_config *config;
    einf_result *result;
    einf__answer *answer;
    einf__ids ids;             /* of the prompt, */
    einf__prompt_rows rows;    /* and its rows */
    einf__detok detok;
    einf__stops stops;
    char *piece;               /* [piece_bytes] text of one step */
    uint64_t piece_bytes;
    bool stopped;              /* a callback asked */
    einf__bill bill;
    einf_error *err;
} generation;

static double clock_s(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

static double now_s(void) { return clock_s(CLOCK_MONOTONIC); }

/* ------------------------------------------------------------------------------------------------ prefill -- */

static einf_status check_prompt(const generation *g)
{
    const uint32_t n_ctx = g->s->timeline.params.n_ctx;
    if (g->rows.n == 0)
        return einf__fail_arg(g->err, "prompt", "%s is empty, and this model adds no token of its own",
                              g->prompt->name);
    if (g->rows.n <= n_ctx) return EINF_OK;
    if (g->rows.n_sights == 0)
        return einf__fail(g->err, EINF_E_CTX_FULL, EINF_NO_OFFSET, "n_ctx", g->prompt->hint,
                          "%s has %llu tokens, the context %u", g->prompt->name, (unsigned long long)g->rows.n, n_ctx);
    return einf__fail(g->err, EINF_E_CTX_FULL, EINF_NO_OFFSET, "n_ctx",
                      "smaller pictures (max_tokens of the preprocessor), or a session of larger n_ctx",
                      "%s has %llu tokens, %llu of them for %llu picture%s, the context %u", g->prompt->name,
                      (unsigned long long)g->rows.n, (unsigned long long)g->rows.n_image_tokens,
                      (unsigned long long)g->rows.n_sights, g->rows.n_sights == 1 ? "" : "s", n_ctx);
}

/* Between the batches of a prefill and the layers of an image: the host's progress, and the budget. */
static int32_t prefill_goes_on(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    generation *g = user;
    const einf_generate_config *c = g->config;
    if (c->progress && c->progress(c->progress_user, phase, done, total) != 0) return 1;
    g->result->stop_reason = done < total ? einf__bill_exceeded(&g->bill) : EINF_STOP_NONE;
    return g->result->stop_reason != EINF_STOP_NONE;
}

/* The budget between the pieces of a layer, which for large pictures take seconds. */
static bool is_over_budget(void *user)
{
    generation *g = user;
    g->result->stop_reason = einf__bill_exceeded(&g->bill);
    return g->result->stop_reason != EINF_STOP_NONE;
}

/* Encode what the timeline does not hold. */
static einf_status encode_pictures(generation *g)
{
    const einf__encode_watch watch = { .hooks = { .cancel_a = g->s->timeline.cancel, .cancel_b = g->config->cancel,
                                                  .progress = prefill_goes_on, .progress_user = g,
                                                  .stop = is_over_budget, .stop_user = g },
                                       .parent = g->bill.region };
    einf__sights_cost cost;
    const einf_status status = einf__prompt_rows_encode(&g->rows, g->result->n_cached, &watch, &cost, g->err);
    g->result->n_images_encoded = cost.n_encoded;
    g->result->image_s = cost.seconds;
    g->bill.image_j = cost.gross_j;
    return status;
}

static einf_status append_rows(generation *g)
{
    const uint32_t n_cached = g->result->n_cached;
    einf_batch batch = EINF_INIT(einf_batch);
    batch.cancel = g->config->cancel;
    batch.progress = prefill_goes_on;
    batch.progress_user = g;
    const double start_s = now_s();
    const einf__phase phase = einf__phase_begin(g->m->rt, EINF_PHASE_PREFILL, g->rows.n - n_cached, g->bill.region);
    const einf_status status = einf__prompt_rows_append(&g->rows, &g->s->timeline, n_cached, &batch, g->err);
    einf__phase_end(&phase, g->rows.n - n_cached, status, &g->bill.prefill_j);
    g->result->prefill_s = now_s() - start_s;
    return status;
}

static einf_status prefill(generation *g)
{
    EINF_TRY(einf__session_reuse_prefix(&g->s->timeline, g->rows.ids, (uint32_t)g->rows.n, &g->result->n_cached,
                                        g->err));
    if (g->rows.n_sights) EINF_TRY(encode_pictures(g));
    return append_rows(g);
}

/* ------------------------------------------------------------------------------------------------- answer -- */

static void give(generation *g, einf__stops_text text, int32_t id)
{
    const einf_generate_config *c = g->config;
    if (c->on_text && c->on_text(c->on_text_user, text.p, text.n, id) != 0) g->stopped = true;
}

/* Append a sampled token. */
static einf_status append_token(generation *g, int32_t id)
{
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = &id;
    batch.n = 1;
    batch.cancel = g->config->cancel;
    EINF_TRY(einf__session_append(&g->s->timeline, &batch, g->err));
    g->answer->last_id = -1;
    return EINF_OK;
}

/* Sample until something says stop; what it was is left in the result. */
static einf_status sample_answer(generation *g)
{
    const einf_generate_config *c = g->config;
    einf_result *r = g->result;
    einf__timeline *t = &g->s->timeline;
    for (;;) {
        int32_t id;
        EINF_TRY(einf__session_sample(t, &id, g->err));
        r->n_generated++;
        const bool ends = einf__vocab_ends_answer(g->m->vocab, id) && !c->ignore_eos;
        g->answer->last_id = ends ? -1 : id;
        const uint64_t n_bytes = ends ? 0 : einf__detok_next(&g->detok, id, g->piece, g->piece_bytes);
        const einf__stops_text text = einf__stops_add(&g->stops, g->piece, n_bytes);
        g->answer->n_bytes += text.n;
        give(g, text, id);

        if (ends) r->stop_reason = EINF_STOP_EOS;
        else if (g->stops.found) r->stop_reason = EINF_STOP_STRING;
        else if (g->stopped) r->stop_reason = EINF_STOP_CALLBACK;
        else if (c->max_tokens && r->n_generated >= c->max_tokens) r->stop_reason = EINF_STOP_LENGTH;
        else if (t->n_past >= t->params.n_ctx) r->stop_reason = EINF_STOP_CONTEXT;
        else r->stop_reason = einf__bill_exceeded(&g->bill);
        if (r->stop_reason != EINF_STOP_NONE) return EINF_OK;

        EINF_TRY(append_token(g, id));
        if (c->progress && c->progress(c->progress_user, EINF_PHASE_DECODE, r->n_generated, c->max_tokens) != 0)
            return einf__fail(g->err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL,
                              "cancelled by the progress callback after %u tokens", r->n_generated);
    }
}

/* What was held back, and an unfinished character, which is not counted: the answer is what came before it. */
static void give_rest(generation *g)
{
    const uint64_t n_unfinished = einf__detok_flush(&g->detok, g->piece, g->piece_bytes);
    const einf__stops_text rest = einf__stops_end(&g->stops, g->piece, n_unfinished);
    g->answer->n_bytes += g->stops.found ? rest.n : rest.n - n_unfinished;
    if (rest.n) give(g, rest, -1);
}

static einf_status decode(generation *g)
{
    const double start_s = now_s();
    const einf__phase phase = einf__phase_begin(g->m->rt, EINF_PHASE_DECODE, 0, g->bill.region);
    const einf_status status = sample_answer(g);
    einf__phase_end(&phase, g->result->n_generated, status, &g->bill.decode_j);
    g->result->decode_s = now_s() - start_s;
    if (!g->stopped) give_rest(g);
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

static einf_status run(generation *g)
{
    const double start_s = now_s();
    einf_status status = g->prompt->make_ids(g->prompt->user, &g->ids, g->err);
    if (status == EINF_OK) status = einf__prompt_rows_init(g->m, &g->ids, &g->prompt->sights, &g->rows, g->err);
    g->result->n_prompt = g->answer->n_prompt = (uint32_t)g->rows.n;
    g->result->n_images = (uint32_t)g->rows.n_sights;
    g->result->n_image_tokens = (uint32_t)g->rows.n_image_tokens;
    g->result->tokenize_s = now_s() - start_s;
    EINF_TRY(status);
    EINF_TRY(check_prompt(g));
    einf__detok_init(&g->detok, g->m->vocab, false, g->prompt->at_start);
    const einf_status computed = prefill(g);
    if (computed == EINF_E_CANCELLED && g->result->stop_reason != EINF_STOP_NONE)
        return einf__error_begin(g->err); /* not an error: the budget is used up, and nothing was said */
    return computed == EINF_OK ? decode(g) : computed;
}

static einf_status check_generate(const einf_session *s, const einf_generate_config *config, einf_error *err)
{
    if (config->raw < 0 || config->raw > 1)
        return einf__fail_arg(err, "raw", "raw is %d, expected 0 or 1", config->raw);
    if (s->model->vocab) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "s", "open the model with EINF_LOAD_VOCAB",
                      "the session's model was opened without its vocabulary");
}

einf_status einf__generate(einf_session *s, const einf__prompt *prompt, const einf_generate_config *config,
                           einf_result *result, einf__answer *answer, einf_error *err)
{
    *answer = (einf__answer){ .last_id = -1 };
    EINF_TRY(check_generate(s, config, err));
    EINF_TRY(einf__sampler_set(&s->timeline.sampler, &config->sampling, err));
    einf__memory *mem = &s->model->rt->memory;
    generation g = { .s = s, .m = s->model, .prompt = prompt, .config = config, .result = result, .answer = answer,
                     .ids = { .mem = mem }, .piece_bytes = einf__detok_max_bytes(s->model->vocab), .err = err };
    void *piece;
    EINF_TRY(einf__stops_init(mem, config->stop, config->n_stop, g.piece_bytes, &g.stops, err));
    einf_status status = einf__alloc_or_fail(mem, g.piece_bytes, "the text of a token", &piece, err);
    g.piece = piece;

    const double cpu_start_s = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    if (prompt->sights.vision) einf__vision_retain(prompt->sights.vision);
    if (status == EINF_OK) status = einf__bill_open(s->model->rt, config, &g.bill, err);
    if (status == EINF_OK) status = run(&g);
    const double cpu_end_s = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    einf__bill_close(&g.bill, result);
    if (status == EINF_E_CANCELLED) result->stop_reason = EINF_STOP_CANCELLED;
    result->has_cpu = cpu_start_s > 0;
    result->cpu_core_s = cpu_end_s - cpu_start_s;
    measure_memory(&g);
    einf__free(mem, g.piece, g.piece_bytes);
    einf__stops_deinit(&g.stops);
    einf__prompt_rows_deinit(&g.rows);
    if (prompt->sights.vision) einf__vision_release(prompt->sights.vision);
    einf__ids_deinit(&g.ids);
    return status;
}

einf_status einf__answer_text(const einf_session *s, const einf__answer *answer, char **out, uint64_t *out_bytes,
                              einf_error *err)
{
    const einf__timeline *t = &s->timeline;
    const uint64_t step_bytes = einf__detok_max_bytes(s->model->vocab);
    void *text;
    *out = NULL;
    *out_bytes = answer->n_bytes ? answer->n_bytes + step_bytes : 0; /* a stop string may follow what was given */
    if (*out_bytes == 0) return EINF_OK;
    EINF_TRY(einf__alloc_or_fail(&s->model->rt->memory, *out_bytes, "the text of an answer", &text, err));
    *out = text;
    uint64_t n = 0;
    einf__detok detok;
    einf__detok_init(&detok, s->model->vocab, false, false);
    for (uint32_t i = answer->n_prompt; i < t->n_past && n < answer->n_bytes; i++)
        n += einf__detok_next(&detok, t->ids[i], *out + n, step_bytes);
    if (answer->last_id >= 0 && n < answer->n_bytes)
        (void)einf__detok_next(&detok, answer->last_id, *out + n, step_bytes);
    return EINF_OK;
}

/* -------------------------------------------------------------------------------------------- one prompt -- */

typedef struct single_prompt {
    const einf_model *m;
    const einf_generate_config *config;
    einf__bytes text;
} single_prompt;

static einf_status lay_out_message(const single_prompt *p, const einf__template_message *user, einf__ids *out,
                                   einf_error *err)
{
    const char *system = p->config->system;
    einf__template_message messages[2];
    uint64_t n = 0;
    if (system)
        messages[n++] = (einf__template_message){ .role = { "system", 6 }, .content = { system, strlen(system) } };
    messages[n++] = *user;
    einf__layout layout;
    EINF_TRY(einf__layout_init(p->m, NULL, &layout, err));
    return einf__layout_ids(&layout, messages, n, out, err); /* nothing to free: it is the file's template */
}

/* The pictures, and behind them the text, as parts of one message. */
static einf_status lay_out_pictures(const single_prompt *p, einf__ids *out, einf_error *err)
{
    const einf_generate_config *c = p->config;
    einf__memory *mem = &p->m->rt->memory;
    const uint64_t n_parts = (uint64_t)c->n_images + 1, n_bytes = n_parts * sizeof(einf_part) + p->text.n + 1;
    void *block;
    EINF_TRY(einf__alloc_or_fail(mem, n_bytes, "a message with pictures", &block, err));
    einf_part *parts = block;
    char *text = (char *)(parts + n_parts);
    memcpy(text, p->text.p, (size_t)p->text.n);
    text[p->text.n] = '\0';
    for (uint64_t i = 0; i < n_parts; i++) parts[i] = (einf_part)EINF_INIT(einf_part);
    for (uint64_t i = 0; i < c->n_images; i++) parts[i].image = c->images[i];
    parts[c->n_images].text = text;
    const einf__template_message user = { .role = { "user", 4 }, .parts = parts, .n_parts = (uint32_t)n_parts };
    const einf_status status = lay_out_message(p, &user, out, err);
    einf__free(mem, block, (size_t)n_bytes);
    return status;
}

static einf_status make_prompt_ids(void *user, einf__ids *out, einf_error *err)
{
    const single_prompt *p = user;
    const einf_generate_config *c = p->config;
    if (c->raw || !p->m->chat_template.p)
        return einf__tokenize(p->m->vocab, p->text.p, p->text.n, EINF_TOK_BOS | (c->raw ? EINF_TOK_SPECIAL : 0), out,
                              err);
    if (memchr(p->text.p, '\0', p->text.n)) return einf__fail_arg(err, "prompt", "a message may not hold a NUL byte");
    if (c->n_images) return lay_out_pictures(p, out, err);
    const einf__template_message message = { .role = { "user", 4 }, .content = p->text };
    return lay_out_message(p, &message, out, err);
}

static einf_status check_structs(const einf_generate_config *config, const einf_result *result, einf_error *err)
{
    EINF__NEED_STRUCT(config, einf_generate_config, err);
    EINF__NEED_STRUCT(result, einf_result, err);
    return EINF_OK;
}

einf_status einf__generate_begin(const einf_generate_config **config, einf_result **result, einf_result *unused,
                                 einf_error *err)
{
    static const einf_generate_config defaults = EINF_INIT(einf_generate_config);
    if (!*config) *config = &defaults;
    if (!*result) *result = unused;
    EINF_TRY(check_structs(*config, *result, err));
    **result = (einf_result){ .struct_size = (*result)->struct_size };
    return EINF_OK;
}

einf_status einf_generate(einf_session *s, const char *prompt, uint64_t prompt_bytes,
                          const einf_generate_config *config, einf_result *result, einf_error *err)
{
    EINF__BEGIN(err);
    einf_result unused = EINF_INIT(einf_result);
    EINF_TRY(einf__generate_begin(&config, &result, &unused, err));
    if (prompt_bytes) EINF__NEED(prompt, err);
    if (config->n_images) EINF__NEED(config->images, err);
    if (config->n_images > MAX_IMAGES)
        return einf__fail_arg(err, "n_images", "n_images is %u, allowed are 0 to %d", config->n_images,
                              (int)MAX_IMAGES);
    EINF_TRY(einf__session_enter(s, err));
    single_prompt p = { .m = s->model, .config = config, .text = { prompt_bytes ? prompt : "", prompt_bytes } };
    const einf__prompt made = { .make_ids = make_prompt_ids, .user = &p, .name = "the prompt",
                                .hint = "create the session with a larger n_ctx, or shorten the prompt",
                                .at_start = config->raw && prompt_bytes == 0,
                                .sights = { .vision = config->vision, .preprocess = config->preprocess,
                                            .images = config->images, .n_images = config->n_images } };
    einf__answer answer;
    const einf_status status = einf__generate(s, &made, config, result, &answer, err);
    einf__session_leave(s);
    return status;
}
