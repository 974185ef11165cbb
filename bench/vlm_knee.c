/* SPDX-License-Identifier: MIT
 * vlm_knee.c - fits, and reads the knee back in pixels.
 */
#include "bench/vlm_knee.h"

#include <math.h>

enum { SEED = 1 };

/* x on the ladder's axis `over` as nominal megapixels: by a line between the two sizes around it. over falls. */
static double megapixels_at(const vlm_ladder *l, const double *over, double x)
{
    for (int i = 0; i + 1 < l->n_sizes; i++) {
        if (x > over[i] || x < over[i + 1]) continue;
        const double share = over[i] > over[i + 1] ? (x - over[i + 1]) / (over[i] - over[i + 1]) : 0.5;
        return l->megapixels[i + 1] + share * (l->megapixels[i] - l->megapixels[i + 1]);
    }
    return isnan(x) ? x : x > over[0] ? l->megapixels[0] : l->megapixels[l->n_sizes - 1];
}

/* Of the longer side to the shorter. */
static double elongation(const vlm_ladder *l) { return fmax(l->aspect, 1 / l->aspect); }
static double edge_of(const vlm_ladder *l, double megapixels) { return sqrt(1e6 * megapixels * elongation(l)); }

double vlm_clamp_megapixels(const vlm_ladder *l, uint32_t clamp)
{
    return 1e-6 * clamp * (double)clamp / elongation(l);
}

eprof_status vlm_knee_find(const vlm_ladder *l, uint32_t clamp, const double *over, const double *cost, vlm_knee *out,
                           eprof_error *err)
{
    *out = (vlm_knee){ .fit = EPROF_INIT(eprof_knee) };
    const eprof_status status = eprof_fit_knee(over, cost, l->n_sizes, SEED, &out->fit, err);
    if (status != EPROF_OK) return status;
    const eprof_interval *k = &out->fit.k;
    out->found = out->fit.model == EPROF_KNEE_HINGE || out->fit.model == EPROF_KNEE_STEP;
    const eprof_interval m = { megapixels_at(l, over, k->value), megapixels_at(l, over, k->low),
                               megapixels_at(l, over, k->high) };
    out->megapixels = out->found ? m : (eprof_interval){ EPROF_ABSENT, EPROF_ABSENT, EPROF_ABSENT };
    out->edge = (eprof_interval){ edge_of(l, out->megapixels.value), edge_of(l, out->megapixels.low),
                                  edge_of(l, out->megapixels.high) };
    out->at_clamp = out->found && out->fit.is_identified && out->edge.low - VLM_ALIGNMENT <= clamp &&
                    clamp <= out->edge.high + VLM_ALIGNMENT;
    return EPROF_OK;
}

const char *vlm_knee_model(const vlm_knee *k)
{
    static const char *const names[] = { "constant", "line", "hinge", "step" };
    return names[k->fit.model];
}
