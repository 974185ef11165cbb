/* SPDX-License-Identifier: MIT
 * acts.c - activations: carving their buffer, filling it from columns (normed or as they are), and knowing which forms
 * the coming linears will read.
 */
#include "engine/kernels/acts.h"

#include <string.h>

einf__acts *einf__acts_carve(einf__arena *a, int64_t max_width, int64_t max_cols, int64_t max_int8_cols)
{
    const uint64_t w = (uint64_t)max_width, n = (uint64_t)max_cols, n_int8 = (uint64_t)max_int8_cols;
    if (w > UINT32_MAX) a->failed = true; /* below that the element sizes cannot overflow */
    einf__acts *acts = EINF__CARVE(a, einf__acts, 1);
    float *f32 = einf__arena_take(a, n, w * sizeof(float));
    int8_t *q = einf__arena_take(a, n_int8, w);
    float *d = einf__arena_take(a, n_int8, w / 32 * sizeof(float));
    int16_t *sum16 = einf__arena_take(a, n_int8, w / 32 * 2 * sizeof(int16_t));
    if (!acts || a->failed) return NULL;
    *acts = (einf__acts){ .f32 = f32, .q = q, .d = d, .sum16 = sum16, .max_width = max_width,
                          .max_cols = max_cols, .max_int8_cols = max_int8_cols };
    return acts;
}

unsigned einf__acts_forms(const einf__compute *c, const einf__matrix *const *w, int n, int64_t n_cols)
{
    unsigned forms = 0;
    for (int i = 0; i < n; i++)
        if (w[i] && w[i]->data) forms |= einf__form_read(c, w[i]->type, n_cols);
    return forms;
}

typedef struct norm_job {
    const einf__kernels *k;
    einf__acts *acts;
    const float *x, *weight;
    float eps;
} norm_job;

static void norm_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const norm_job *job = arg;
    einf__acts *acts = job->acts;
    const int64_t width = acts->width;
    (void)i_thread;
    for (int64_t j = begin; j < end; j++) {
        const float *x = job->x + j * width;
        float *y = acts->f32 + j * width;
        if (job->weight) job->k->rms_norm(y, x, job->weight, width, job->eps);
        else if (acts->forms & EINF__ACTS_F32) memcpy(y, x, (size_t)width * sizeof(float));
        if (acts->forms & EINF__ACTS_Q8) einf__acts_quantize(job->k, acts, j, 0, job->weight ? y : x, width);
    }
}

void einf__norm(const einf__compute *c, einf__acts *acts, const float *x, int64_t n_cols, int64_t width,
                const float *weight, float eps, unsigned forms)
{
    einf__acts_begin(acts, width, n_cols, forms);
    norm_job job = { c->kernels, acts, x, weight, eps };
    einf__pool_run(c->pool, n_cols, einf__column_grain(width), norm_columns, &job);
}
