/* SPDX-License-Identifier: MIT
 * acts.c - activations: carving their buffer, filling it from columns (normed or as they are), and knowing which forms
 * the coming linears will read.
 */
#include "engine/kernels/acts.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------- memory -- */

/* The most columns for which row dots may win over strips or panels; see einf__how_of. */
enum { MAX_ROW_COLS = 63 };

einf__acts_room einf__acts_room_of(const einf__compute *c, int64_t max_cols)
{
    einf__acts_room room = { .cols = max_cols };
    const bool rows = c->path == EINF__PATH_ROWS, strips = c->path >= EINF__PATH_PANELS && c->path != EINF__PATH_FLOATS;
    if (c->float_sum != EINF__SUM_F32 && !c->exact && !rows) room.narrow_cols = max_cols;
    if (c->exact || c->path == EINF__PATH_FLOATS) return room;
    if (!strips) room.row_cols = rows ? max_cols : einf__min_i64(max_cols, MAX_ROW_COLS);
    if (!rows) room.tile_cols = max_cols + EINF__PANEL_MAX_COLS; /* the last tile is rounded up */
    return room;
}

einf__acts *einf__acts_carve(einf__arena *a, int64_t max_width, const einf__acts_room *room)
{
    const uint64_t w = (uint64_t)max_width, n = (uint64_t)room->cols;
    const uint64_t n_row = (uint64_t)room->row_cols, n_tile = (uint64_t)room->tile_cols;
    const uint64_t n_narrow = (uint64_t)room->narrow_cols;
    if (w > UINT32_MAX) a->failed = true; /* below that the element sizes cannot overflow */
    einf__acts *acts = EINF__CARVE(a, einf__acts, 1);
    float *f32 = einf__arena_take(a, n, w * sizeof(float));
    int8_t *q = einf__arena_take(a, n_row, w);
    float *d = einf__arena_take(a, n_row, w / 32 * sizeof(float));
    int16_t *sum16 = einf__arena_take(a, n_row, w / 32 * 2 * sizeof(int16_t));
    int8_t *tile_q = einf__arena_take(a, n_tile, w);
    float *tile_d = einf__arena_take(a, n_tile, w / 32 * sizeof(float));
    int32_t *tile_start = einf__arena_take(a, n_tile, w / 32 * sizeof(int32_t));
    float *tile_dsum = einf__arena_take(a, n_tile, w / 32 * sizeof(float));
    const int64_t width = a->failed ? 0 : max_width;
    uint16_t *narrow = einf__arena_take(a, n_narrow, (uint64_t)einf__narrow_stride(width) * sizeof(uint16_t));
    float *narrow_scale = einf__arena_take(a, n_narrow, (uint64_t)einf__narrow_groups(width) * sizeof(float));
    if (!acts || a->failed) return NULL;
    *acts = (einf__acts){ .f32 = f32, .q = q, .d = d, .sum16 = sum16, .tile_q = tile_q, .tile_d = tile_d,
                          .tile_start = tile_start, .tile_dsum = tile_dsum, .narrow = narrow,
                          .narrow_scale = narrow_scale,
                          .room = *room };
    acts->room.width = max_width;
    return acts;
}

/* -------------------------------------------------------------------------------------------------- forms -- */

static int32_t strip_group(const einf__compute *c, const einf__matrix *w, int64_t n_cols)
{
    int32_t group = einf__panel_group(c->kernels->panel_form[w->type]);
    if (c->path == EINF__PATH_PANELS_32 || n_cols < c->kernels->panel_shape.min_cols_coarse) group = 32;
    if (c->path == EINF__PATH_PANELS_64) group = 64;
    if (c->path == EINF__PATH_PANELS_128) group = 128;
    return w->n_in % group == 0 ? group : 32;
}

unsigned einf__form_read(const einf__compute *c, const einf__matrix *w, int64_t n_cols)
{
    const einf__how how = einf__how_of(c, w->type, n_cols);
    if (c->exact || how == EINF__BY_FLOATS) return EINF__ACTS_F32;
    if (how == EINF__BY_NARROW) return c->float_sum == EINF__SUM_F16 ? EINF__ACTS_F16 : EINF__ACTS_I16;
    if (how == EINF__BY_DOTS) return einf__dtype_get(w->type)->acts;
    const int32_t group = strip_group(c, w, n_cols);
    return group == 128 ? EINF__ACTS_TILES_128 : group == 64 ? EINF__ACTS_TILES_64 : EINF__ACTS_TILES_32;
}

/* Matrices that want tiles of several groups share those of the smallest, for which every type has strips. */
static unsigned one_group(unsigned forms)
{
    const unsigned tiles = forms & EINF__ACTS_TILES, lowest = tiles & (~tiles + 1);
    return (forms & ~(unsigned)EINF__ACTS_TILES) | lowest;
}

unsigned einf__acts_forms(const einf__compute *c, const einf__matrix *const *w, int n, int64_t n_cols)
{
    unsigned forms = 0;
    for (int i = 0; i < n; i++)
        if (w[i] && w[i]->data) forms |= einf__form_read(c, w[i], n_cols);
    return one_group(forms);
}

/* ------------------------------------------------------------------------------------------------ filling -- */

void einf__acts_quantize(const einf__kernels *k, einf__acts *a, const float *x, int64_t col, int64_t col_end,
                         int64_t begin, int64_t n)
{
    if (a->forms & EINF__ACTS_Q8) {
        for (int64_t j = col; j < col_end; j++) {
            const int64_t at = j * a->width + begin;
            k->quantize_q8(a->q + at, a->d + at / 32, a->sum16 + at / 16, x + at, n);
        }
    }
    const einf__quantize_narrow_fn narrow = a->forms & EINF__ACTS_F16 ? k->quantize_f16 : k->quantize_i16;
    for (int64_t j = col; (a->forms & EINF__ACTS_NARROW) && j < col_end; j++) {
        const int64_t at = j * einf__narrow_stride(a->width) + begin;
        const int64_t group = j * einf__narrow_groups(a->width) + begin / EINF__NARROW_GROUP;
        narrow(a->narrow + at, a->narrow_scale + group, x + j * a->width + begin, n);
    }
    if (!(a->forms & EINF__ACTS_TILES)) return;
    for (int64_t j = col; j < col_end; j += k->panel_shape.nr) {
        const einf__tile tile = einf__acts_tile(a, &k->panel_shape, j, begin);
        k->quantize_tile(&tile, x + j * a->width + begin, a->width, (int32_t)einf__min_i64(col_end - j, tile.n_cols), n,
                         einf__tiles_group(a->forms));
    }
}

typedef struct norm_job {
    const einf__kernels *k;
    einf__acts *acts;
    const float *x, *weight, *bias; /* weight NULL: no norm; bias NULL: by root mean square */
    float eps;
    int64_t cols_an_item; /* of a tile, or 1 */
} norm_job;

static void norm_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const norm_job *job = arg;
    einf__acts *acts = job->acts;
    const int64_t width = acts->width;
    const float *normed = job->weight ? acts->f32 : job->x;
    (void)i_thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t col = i * job->cols_an_item;
        const int64_t col_end = einf__min_i64(acts->n_cols, col + job->cols_an_item);
        for (int64_t j = col; j < col_end; j++) {
            float *y = acts->f32 + j * width;
            if (job->bias) job->k->layer_norm(y, job->x + j * width, job->weight, job->bias, width, job->eps);
            else if (job->weight) job->k->rms_norm(y, job->x + j * width, job->weight, width, job->eps);
            else if (acts->forms & EINF__ACTS_F32) memcpy(y, job->x + j * width, (size_t)width * sizeof(float));
        }
        einf__acts_quantize(job->k, acts, normed, col, col_end, 0, width);
    }
}

static void run_norm(const einf__compute *c, norm_job *job, int64_t n_cols, int64_t width, unsigned forms)
{
    einf__acts_begin(job->acts, width, n_cols, forms);
    job->k = c->kernels;
    job->cols_an_item = forms & EINF__ACTS_TILES ? c->kernels->panel_shape.nr : 1;
    const int64_t n_items = einf__div_up_i64(n_cols, job->cols_an_item);
    const int64_t grain = einf__column_grain(width) / job->cols_an_item;
    einf__pool_run(c->pool, n_items, einf__max_i64(grain, 1), norm_columns, job);
}

void einf__norm(const einf__compute *c, einf__acts *acts, const float *x, int64_t n_cols, int64_t width,
                const float *weight, float eps, unsigned forms)
{
    norm_job job = { .acts = acts, .x = x, .weight = weight, .eps = eps };
    run_norm(c, &job, n_cols, width, forms);
}

void einf__layer_norm(const einf__compute *c, einf__acts *acts, const float *x, int64_t n_cols, int64_t width,
                      const float *weight, const float *bias, float eps, unsigned forms)
{
    norm_job job = { .acts = acts, .x = x, .weight = weight, .bias = bias, .eps = eps };
    run_norm(c, &job, n_cols, width, forms);
}
