/* SPDX-License-Identifier: MIT
 * vlm_ladder.c - sizes, clamps, and their forecast by the library's own plan.
 */
#include "bench/vlm_ladder.h"

#include <stdlib.h>
#include <string.h>

#include "bench/stats.h"

const bench_counts vlm_study_widths = {
    { 2048, 1818, 1614, 1432, 1271, 1128, 1024, 939, 854, 784, 714, 658, 602, 546, 490, 434, 378, 322, 266, 210 }, 20
};
const bench_counts vlm_study_clamps = { { 1024, 854, 714 }, 3 };

static int falling(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

static uint32_t rounded(double x) { return x < 1 ? 1 : (uint32_t)(x + 0.5); }

/* Scaled, the largest first, each once; how many. At most most. */
static int take(uint32_t *out, const bench_counts *list, double scale, int most)
{
    int n = 0, kept = 0;
    for (; n < list->n && n < most; n++) out[n] = rounded(list->items[n] * scale);
    qsort(out, (size_t)n, sizeof *out, falling);
    for (int i = 0; i < n; i++)
        if (kept == 0 || out[kept - 1] != out[i]) out[kept++] = out[i];
    return kept;
}

void vlm_ladder_make(vlm_ladder *l, const bench_counts *widths, const bench_counts *clamps, double aspect,
                     double scale)
{
    memset(l, 0, sizeof *l);
    l->aspect = aspect;
    l->n_sizes = take(l->width, widths, scale, VLM_MAX_SIZES);
    l->n_clamps = take(l->clamp, clamps, scale, VLM_MAX_CLAMPS);
    for (int i = 0; i < l->n_sizes; i++) {
        l->height[i] = rounded(l->width[i] / aspect);
        l->megapixels[i] = 1e-6 * l->width[i] * l->height[i];
    }
}

einf_preprocess vlm_clamp(uint32_t longest_edge)
{
    einf_preprocess p = EINF_INIT(einf_preprocess);
    p.rule = EINF_RESIZE_LONGEST_EDGE;
    p.longest_edge = longest_edge;
    return p;
}

static double gmac_of(const einf_image_sizes *s, double macs_per_token)
{
    return 1e-9 * ((double)s->n_macs + s->n_tokens * macs_per_token);
}

einf_status vlm_ladder_plan(vlm_ladder *l, const einf_vision *v, double macs_per_token, einf_error *err)
{
    einf_preprocess whole = EINF_INIT(einf_preprocess);
    whole.rule = EINF_RESIZE_NONE;
    einf_status status = EINF_OK;
    for (int i = 0; status == EINF_OK && i < l->n_sizes; i++) {
        einf_image_sizes s = EINF_INIT(einf_image_sizes);
        status = einf_vision_plan(v, l->width[i], l->height[i], &whole, &s, err);
        l->free_gmac[i] = gmac_of(&s, macs_per_token);
        for (int c = 0; status == EINF_OK && c < l->n_clamps; c++) {
            const einf_preprocess clamp = vlm_clamp(l->clamp[c]);
            l->plan[c][i] = (einf_image_sizes)EINF_INIT(einf_image_sizes);
            status = einf_vision_plan(v, l->width[i], l->height[i], &clamp, &l->plan[c][i], err);
            l->gmac[c][i] = gmac_of(&l->plan[c][i], macs_per_token);
        }
    }
    return status;
}

void vlm_shuffle(int *order, int n, uint64_t *state)
{
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)(bench_next_random(state) % (uint64_t)(i + 1)), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}
