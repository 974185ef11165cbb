/* SPDX-License-Identifier: MIT
 * vlm_study.c - runs the ladder.
 *
 * All sizes come from one picture, by averaging areas. They are made before the first run, so that what they take lies
 * in the baseline of memory and outside of every window.
 */
#include "bench/vlm_study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench_common.h"
#include "bench/picture.h"

const vlm_measure vlm_law_measures[VLM_N_LAWS] = { VLM_TOTAL_S, VLM_ENCODE_S, VLM_CPU_AUC, VLM_GROSS_J };

enum { LEAST_SIZES = 6 /* of a law */ };

typedef struct pictures {
    einf_image *of[VLM_MAX_SIZES];
    bench_picture scene;     /* the source, or */
    einf_image *file;
    const uint8_t *rgb;      /* a view of either */
} pictures;

/* --------------------------------------------------------------------------------------------- pictures -- */

static einf_status open_file(vlm_study *s, vlm *b, pictures *p, einf_error *err)
{
    einf_image_info info = EINF_INIT(einf_image_info);
    einf_status status = einf_image_open(b->rt, s->config->image, NULL, &p->file, err);
    if (status == EINF_OK) status = einf_image_get_info(p->file, &info, err);
    if (status != EINF_OK) return status;
    s->source_width = info.width;
    s->source_height = info.height;
    p->rgb = einf_image_pixels(p->file);
    return EINF_OK;
}

static uint32_t largest(const bench_counts *list, double scale)
{
    int most = 1;
    for (int i = 0; i < list->n; i++) most = list->items[i] > most ? list->items[i] : most;
    return (uint32_t)fmax(1, floor(most * scale + 0.5));
}

/* The source's size, and with it the ladder's aspect; the scene is drawn later, when it is needed. */
static einf_status choose_source(vlm_study *s, vlm *b, pictures *p, const bench_counts *widths, einf_error *err)
{
    s->source_width = largest(widths, s->config->scale);
    s->source_height = (uint32_t)fmax(1, floor(s->source_width / VLM_ASPECT + 0.5));
    if (!s->config->image) return EINF_OK;
    const uint32_t wanted = s->source_width;
    const einf_status status = open_file(s, b, p, err);
    if (status != EINF_OK || s->source_width >= wanted) return status;
    err->code = EINF_E_ARG;
    snprintf(err->message, sizeof err->message, "the picture is %u pixels wide, the ladder begins at %u",
             s->source_width, wanted);
    snprintf(err->hint, sizeof err->hint, "give a larger picture, --scale, or --widths");
    return EINF_E_ARG;
}

static einf_status make_pictures(vlm_study *s, vlm *b, pictures *p, einf_error *err)
{
    const vlm_ladder *l = &s->ladder;
    if (!p->rgb && !bench_picture_scene(&p->scene, s->source_width, s->source_height, s->config->seed))
        return EINF_E_NOMEM;
    if (!p->rgb) p->rgb = p->scene.rgb;
    einf_status status = EINF_OK;
    for (int i = 0; status == EINF_OK && i < l->n_sizes; i++) {
        bench_picture small;
        const uint32_t w = l->width[i], h = l->height[i];
        if (!bench_picture_shrink(&small, p->rgb, s->source_width, s->source_height, w, h)) return EINF_E_NOMEM;
        status = einf_image_from_pixels(b->rt, small.rgb, 3 * (uint64_t)w * h, EINF_PIXELS_RGB, w, h, 0, NULL,
                                        &p->of[i], err);
        bench_picture_free(&small);
    }
    bench_picture_free(&p->scene);
    return status;
}

static void close_pictures(pictures *p)
{
    for (int i = 0; i < VLM_MAX_SIZES; i++) einf_image_close(&p->of[i]);
    einf_image_close(&p->file);
    bench_picture_free(&p->scene);
}

/* ----------------------------------------------------------------------------------------------- running -- */

static einf_status run_cell(const vlm_study *s, vlm *b, const pictures *p, int cell, vlm_sample *out, einf_error *err)
{
    const int clamp = cell / s->ladder.n_sizes, size = cell % s->ladder.n_sizes;
    const einf_preprocess how = vlm_clamp(s->ladder.clamp[clamp]);
    return b->model ? vlm_prompt(b, p->of[size], &how, (uint32_t)s->config->n_decode, out, err)
                    : vlm_encode(b, p->of[size], &how, out, err);
}

/* cells, samples: [rounds * n], of each run. */
static einf_status run_rounds(const vlm_study *s, vlm *b, const pictures *p, int *cells, vlm_sample *samples,
                              einf_error *err)
{
    uint64_t state = s->config->seed;
    const int n = s->ladder.n_clamps * s->ladder.n_sizes, n_all = n * s->config->n_runs;
    einf_status status = run_cell(s, b, p, n - 1, samples, err); /* the smallest warms up: it reads all weights */
    for (int i = 0; status == EINF_OK && i < n_all; i++) {
        if (i % n == 0) vlm_shuffle(cells + i, n, &state);
        if (s->config->pause_s > 0) (void)eprof_baseline(b->profiler, s->config->pause_s, NULL);
        status = run_cell(s, b, p, cells[i], &samples[i], err);
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\rbench-vlm: run %d of %d%s", i + 1, n_all, i + 1 < n_all ? "" : "\n");
    }
    return status;
}

static einf_status run_all(vlm_study *s, vlm *b, const pictures *p, einf_error *err)
{
    const int n = s->ladder.n_clamps * s->ladder.n_sizes * s->config->n_runs;
    int *cells = calloc((size_t)n, sizeof *cells);
    vlm_sample *samples = calloc((size_t)n, sizeof *samples);
    einf_status status = cells && samples ? run_rounds(s, b, p, cells, samples, err) : EINF_E_NOMEM;
    if (status == EINF_OK) {
        vlm_settle(b, s->config->idle_s, samples, n);
        for (int i = 0; i < n; i++)
            vlm_runs_add(&s->runs[cells[i] / s->ladder.n_sizes][cells[i] % s->ladder.n_sizes], &samples[i]);
    }
    free(cells);
    free(samples);
    return status;
}

static uint32_t most_tokens(const vlm_ladder *l)
{
    uint32_t most = 0;
    for (int c = 0; c < l->n_clamps; c++)
        for (int i = 0; i < l->n_sizes; i++) most = l->plan[c][i].n_tokens > most ? l->plan[c][i].n_tokens : most;
    return most;
}

/* -------------------------------------------------------------------------------------------------- laws -- */

static void fit(vlm_study *s, int clamp, int law)
{
    const vlm_ladder *l = &s->ladder;
    vlm_law *out = &s->law[clamp][law];
    double cost[VLM_MAX_SIZES];
    for (int i = 0; i < l->n_sizes; i++) {
        cost[i] = vlm_median(&s->runs[clamp][i], (int)vlm_law_measures[law]);
        if (!isfinite(cost[i])) return;
    }
    out->fitted = l->n_sizes >= LEAST_SIZES &&
                  vlm_knee_find(l, l->clamp[clamp], l->free_gmac, cost, &out->over_work, NULL) == EPROF_OK &&
                  vlm_knee_find(l, l->clamp[clamp], l->megapixels, cost, &out->over_megapixels, NULL) == EPROF_OK;
}

/* ------------------------------------------------------------------------------------------------- study -- */

einf_status vlm_study_run(vlm_study *s, vlm *b, const bench_counts *widths, const bench_counts *clamps,
                          einf_error *err)
{
    pictures p = { 0 };
    const vlm_study_config *c = s->config;
    s->n_threads = b->n_threads;
    einf_status status = choose_source(s, b, &p, widths, err);
    if (status == EINF_OK) {
        const double aspect = c->image ? (double)s->source_width / s->source_height : VLM_ASPECT;
        vlm_ladder_make(&s->ladder, widths, clamps, aspect, c->scale);
        status = vlm_ladder_plan(&s->ladder, b->vision, b->macs_per_token, err);
    }
    if (status == EINF_OK && !c->dry) {
        s->runs = calloc((size_t)s->ladder.n_clamps, sizeof *s->runs);
        status = s->runs ? make_pictures(s, b, &p, err) : EINF_E_NOMEM;
        if (status == EINF_OK)
            status = vlm_make_room(b, c->prompt, most_tokens(&s->ladder), (uint32_t)c->n_decode, err);
        if (status == EINF_OK) status = run_all(s, b, &p, err);
        for (int i = 0; status == EINF_OK && i < s->ladder.n_clamps * VLM_N_LAWS; i++)
            fit(s, i / VLM_N_LAWS, i % VLM_N_LAWS);
    }
    close_pictures(&p);
    return status;
}

void vlm_study_deinit(vlm_study *s)
{
    free(s->runs);
    s->runs = NULL;
}
