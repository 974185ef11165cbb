/* SPDX-License-Identifier: MIT
 * prompt_rows.c - ids with placeholders to rows: planned, encoded, appended in runs of tokens and of image rows.
 */
#include "engine/api/prompt_rows.h"

#include <string.h>

/* What stands for a picture in the ids of the models that our encoders see for. */
static const char PLACEHOLDER[] = "<|image_pad|>";

/* ------------------------------------------------------------------------------------------------- planning -- */

static einf_status check_sights(const einf_model *m, const einf__ids *ids, const einf__sights *s, int32_t *placeholder,
                                einf_error *err)
{
    if (!s->vision)
        return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "vision", "open the model's mmproj file: einf_vision_open",
                          "the prompt has %llu picture%s, and no vision encoder to look at it",
                          (unsigned long long)s->n_images, s->n_images == 1 ? "" : "s");
    EINF_TRY(einf_vision_check_model(s->vision, m, err));
    *placeholder = einf__vocab_find(m->vocab, PLACEHOLDER, strlen(PLACEHOLDER));
    if (*placeholder < 0)
        return einf__fail(err, EINF_E_UNSUPPORTED, EINF_NO_OFFSET, "tokenizer.ggml.tokens",
                          "append rows with einf_session_append_image",
                          "the vocabulary has no token %s, so a prompt cannot say where a picture stands", PLACEHOLDER);
    uint64_t n_places = 0;
    for (uint64_t i = 0; i < ids->n; i++) n_places += ids->ids[i] == *placeholder;
    if (n_places == s->n_images) return EINF_OK;
    return einf__fail(err, EINF_E_TEMPLATE, EINF_NO_OFFSET, "images",
                      "a raw prompt needs <|vision_start|><|image_pad|><|vision_end|> for each picture",
                      "the prompt has %llu picture%s and, as it is laid out, %llu place%s for pictures",
                      (unsigned long long)s->n_images, s->n_images == 1 ? "" : "s", (unsigned long long)n_places,
                      n_places == 1 ? "" : "s");
}

static einf_status check_images(const einf__sights *s, einf_error *err)
{
    for (uint64_t i = 0; i < s->n_images; i++)
        if (!s->images[i]) return einf__fail_arg(err, "images", "image %llu is NULL", (unsigned long long)i);
    return EINF_OK;
}

/* The arrays, once counting and once over their block. */
static void lay_out(einf__arena *a, uint64_t n, int32_t **ids, int32_t (**positions)[4])
{
    *ids = EINF__CARVE(a, int32_t, n);
    *positions = einf__arena_take(a, n, sizeof **positions);
}

static void put_picture(einf__sight *s, uint64_t at, int32_t *ids, int32_t (*positions)[4], int32_t *next)
{
    s->first = at;
    einf__picture_row_keys(&s->picture, ids + at);
    *next = einf__picture_positions(&s->picture, *next, positions + at);
}

/* Tokens and rows in their order, with positions (arXiv 2409.12191, 2.1). */
static void expand(einf__prompt_rows *r, const einf__ids *from, int32_t placeholder, int32_t *ids,
                   int32_t (*positions)[4])
{
    uint64_t at = 0, i_sight = 0;
    int32_t next = 0;
    for (uint64_t i = 0; i < from->n; i++) {
        if (from->ids[i] == placeholder) {
            put_picture(&r->sights[i_sight], at, ids, positions, &next);
            at += r->sights[i_sight++].picture.sizes.n_tokens;
            continue;
        }
        ids[at] = from->ids[i];
        for (int j = 0; j < 4; j++) positions[at][j] = next;
        at++;
        next++;
    }
}

static einf_status plan_pictures(einf__prompt_rows *r, const einf__sights *s, einf_error *err)
{
    void *block;
    EINF_TRY(einf__alloc_or_fail(&r->m->rt->memory, s->n_images * sizeof *r->sights, "the pictures of a prompt", &block,
                                 err));
    r->sights = memset(block, 0, (size_t)(s->n_images * sizeof *r->sights));
    r->n_sights = s->n_images;
    for (uint64_t i = 0; i < s->n_images; i++) {
        EINF_TRY(einf__picture_plan(s->vision, s->images[i], s->preprocess, &r->sights[i].picture, err));
        r->n_image_tokens += r->sights[i].picture.sizes.n_tokens; /* at most 2^32 pictures of 2^14 each */
    }
    return EINF_OK;
}

einf_status einf__prompt_rows_init(const einf_model *m, const einf__ids *ids, const einf__sights *s,
                                   einf__prompt_rows *out, einf_error *err)
{
    *out = (einf__prompt_rows){ .m = m, .ids = ids->ids, .n = ids->n };
    if (s->n_images == 0) return EINF_OK;
    int32_t placeholder = -1;
    EINF_TRY(check_images(s, err));
    EINF_TRY(check_sights(m, ids, s, &placeholder, err));
    EINF_TRY(plan_pictures(out, s, err));
    out->vision = s->vision;
    out->n = ids->n - s->n_images + out->n_image_tokens;

    int32_t *all_ids, (*positions)[4];
    einf__arena count = einf__arena_counting();
    lay_out(&count, out->n, &all_ids, &positions);
    EINF_TRY(einf__alloc_or_fail(&m->rt->memory, count.used_bytes, "the rows of a prompt", &out->block, err));
    out->block_bytes = count.used_bytes;
    einf__arena arena = einf__arena_over(out->block, out->block_bytes);
    lay_out(&arena, out->n, &all_ids, &positions);
    expand(out, ids, placeholder, all_ids, positions);
    out->ids = all_ids;
    out->positions = (const int32_t (*)[4])positions;
    return EINF_OK;
}

static uint64_t rows_bytes(const einf__prompt_rows *r, const einf__sight *s)
{
    return einf__picture_floats(r->vision, &s->picture) * sizeof *s->rows;
}

void einf__prompt_rows_deinit(einf__prompt_rows *r)
{
    if (!r->m) return;
    einf__memory *mem = &r->m->rt->memory;
    for (uint64_t i = 0; i < r->n_sights; i++)
        if (r->sights[i].rows) einf__free(mem, r->sights[i].rows, (size_t)rows_bytes(r, &r->sights[i]));
    einf__free(mem, r->sights, (size_t)(r->n_sights * sizeof *r->sights));
    einf__free(mem, r->block, (size_t)r->block_bytes);
    *r = (einf__prompt_rows){ 0 };
}

/* ------------------------------------------------------------------------------------------------- encoding -- */

static bool is_needed(const einf__sight *s, uint64_t n_cached)
{
    return s->first + s->picture.sizes.n_tokens > n_cached;
}

static einf_status take_rows(einf__prompt_rows *r, einf__sight *s, einf_error *err)
{
    void *rows;
    EINF_TRY(einf__alloc_or_fail(&r->m->rt->memory, rows_bytes(r, s), "the rows of a picture", &rows, err));
    s->rows = rows;
    return EINF_OK;
}

static einf_status encode(einf__prompt_rows *r, einf__sight *s, const einf__encode_watch *watch,
                          einf__sights_cost *cost, einf_error *err)
{
    double gross_j;
    einf__encode_watch w = *watch;
    einf_encode_result result = EINF_INIT(einf_encode_result);
    w.gross_j = &gross_j;
    const einf_status status = einf__picture_rows(r->vision, &s->picture, &w, s->rows, &result, err);
    cost->n_encoded += status == EINF_OK && !result.cached;
    cost->seconds += result.preprocess_s + result.encode_s;
    cost->gross_j += gross_j;
    return status;
}

/* Room for all of them first: what does not fit is refused before anything is computed. */
einf_status einf__prompt_rows_encode(einf__prompt_rows *r, uint64_t n_cached, const einf__encode_watch *watch,
                                     einf__sights_cost *cost, einf_error *err)
{
    *cost = (einf__sights_cost){ 0 };
    for (uint64_t i = 0; i < r->n_sights; i++)
        if (is_needed(&r->sights[i], n_cached)) EINF_TRY(take_rows(r, &r->sights[i], err));
    for (uint64_t i = 0; i < r->n_sights; i++)
        if (is_needed(&r->sights[i], n_cached)) EINF_TRY(encode(r, &r->sights[i], watch, cost, err));
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------ appending -- */

/* Progress over runs: each counts its own rows. */
typedef struct runs_progress {
    const einf_batch *batch; /* the caller's */
    uint64_t done, total;    /* of all runs */
} runs_progress;

static int32_t in_all(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    const runs_progress *p = user;
    (void)total;
    return p->batch->progress ? p->batch->progress(p->batch->progress_user, phase, p->done + done, p->total) : 0;
}

/* The run that begins at a row: tokens up to the next picture, or what is left of one. sight: of which, or NULL. */
static uint64_t run_end(const einf__prompt_rows *r, uint64_t begin, const einf__sight **sight)
{
    *sight = NULL;
    for (uint64_t i = 0; i < r->n_sights; i++) {
        const einf__sight *s = &r->sights[i];
        if (begin < s->first) return s->first;
        if (begin >= s->first + s->picture.sizes.n_tokens) continue;
        *sight = s;
        return s->first + s->picture.sizes.n_tokens;
    }
    return r->n;
}

static einf_status append_run(const einf__prompt_rows *r, einf__timeline *t, uint64_t begin, uint64_t end,
                              const einf__sight *s, runs_progress *progress, einf_error *err)
{
    einf_batch batch = EINF_INIT(einf_batch);
    batch.n = (uint32_t)(end - begin);
    batch.positions = r->positions ? r->positions + begin : NULL;
    batch.cancel = progress->batch->cancel;
    batch.progress = in_all;
    batch.progress_user = progress;
    if (s) {
        batch.row_width = r->vision->config.row_width;
        batch.rows = s->rows + (begin - s->first) * batch.row_width;
        batch.row_keys = r->ids + begin;
    } else {
        batch.ids = r->ids + begin;
    }
    return einf__session_append(t, &batch, err);
}

einf_status einf__prompt_rows_append(const einf__prompt_rows *r, einf__timeline *t, uint32_t n_cached,
                                     const einf_batch *batch, einf_error *err)
{
    runs_progress progress = { .batch = batch, .total = r->n - n_cached };
    einf_status status = EINF_OK;
    for (uint64_t begin = n_cached, end; begin < r->n && status == EINF_OK; begin = end) {
        const einf__sight *sight;
        end = run_end(r, begin, &sight);
        status = append_run(r, t, begin, end, sight, &progress, err);
        progress.done += end - begin;
    }
    if (status != EINF_OK) (void)einf__session_rewind(t, n_cached, NULL);
    return status;
}
