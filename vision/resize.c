/* SPDX-License-Identifier: MIT
 * resize.c - the two passes, in bands: rows of the result, the rows of the picture that they need, and no more, so that
 * what lies between the passes stays in cache and small.
 *
 * Rows that two bands share are moved, not made twice. Memory is one block, laid out by the function that counts it.
 */
#include "vision/resize.h"

#include <edgeinfer/vision.h>
#include <string.h>

#include "engine/base/arena.h"
#include "vision/resize_legacy.h"
#include "vision/resize_weights.h"

enum { BAND_ROWS = 32 }; /* of the result; a quarter of 4032 x 3024 then keeps 0.4 MB between the passes */

/* ---------------------------------------------------------------------------------------------------- plan -- */

/* A pass whose size stays is left out, as Pillow does. */
typedef struct plan {
    einf__resize_axis x, y;
    bool has_x, has_y;
    int64_t kept_rows; /* most source rows that a band needs; 0 unless there are two passes */
} plan;

typedef struct axis_tables {
    int32_t *first, *count, *weights; /* as in einf__taps */
    double *scratch;                  /* [stride] */
} axis_tables;

typedef struct buffers {
    axis_tables x, y;
    uint8_t *rows; /* [kept_rows, dst_width, 3] */
} buffers;

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Source rows of the band of result rows [y, y + BAND_ROWS). */
static einf__resize_window rows_of_band(const einf__resize_axis *axis, int64_t y)
{
    const int64_t last = min_i64(y + BAND_ROWS, axis->n_out) - 1;
    return (einf__resize_window){einf__resize_window_of(axis, y).begin, einf__resize_window_of(axis, last).end};
}

static plan plan_of(uint32_t src_width, uint32_t src_height, uint32_t dst_width, uint32_t dst_height, int32_t filter)
{
    plan p = {.has_x = src_width != dst_width, .has_y = src_height != dst_height};
    p.x = einf__resize_axis_of(src_width, dst_width, filter);
    p.y = einf__resize_axis_of(src_height, dst_height, filter);
    for (int64_t y = 0; p.has_x && p.has_y && y < p.y.n_out; y += BAND_ROWS) {
        const einf__resize_window rows = rows_of_band(&p.y, y);
        if (rows.end - rows.begin > p.kept_rows) p.kept_rows = rows.end - rows.begin;
    }
    return p;
}

static void lay_out_axis(einf__arena *a, const einf__resize_axis *axis, axis_tables *out)
{
    out->first = EINF__CARVE(a, int32_t, axis->n_out);
    out->count = EINF__CARVE(a, int32_t, axis->n_out);
    out->weights = EINF__CARVE(a, int32_t, axis->n_out * axis->stride); /* at most 2^20 * 8 + 2^20 * 6 elements */
    out->scratch = EINF__CARVE(a, double, axis->stride);
}

static void lay_out(einf__arena *a, const plan *p, buffers *out)
{
    if (p->has_x) lay_out_axis(a, &p->x, &out->x);
    if (p->has_y) lay_out_axis(a, &p->y, &out->y);
    out->rows = EINF__CARVE(a, uint8_t, p->kept_rows * p->x.n_out * 3);
}

static bool sides_fit(uint32_t src_width, uint32_t src_height, uint32_t dst_width, uint32_t dst_height)
{
    const uint32_t most = EINF__RESIZE_MAX_SIDE;
    return src_width <= most && src_height <= most && dst_width <= most && dst_height <= most;
}

static uint64_t bytes_of(const plan *p)
{
    einf__arena counting = einf__arena_counting();
    buffers b = {0};
    lay_out(&counting, p, &b);
    return counting.failed ? UINT64_MAX : counting.used_bytes;
}

uint64_t einf__resize_bytes(uint32_t src_width, uint32_t src_height, uint32_t dst_width, uint32_t dst_height,
                            int32_t filter)
{
    if (!sides_fit(src_width, src_height, dst_width, dst_height)) return UINT64_MAX;
    const bool is_copy = src_width == dst_width && src_height == dst_height;
    if (is_copy || filter == EINF_FILTER_LEGACY_BICUBIC) return 0;
    const plan p = plan_of(src_width, src_height, dst_width, dst_height, filter);
    return bytes_of(&p);
}

/* ------------------------------------------------------------------------------------------------- weights -- */

static einf__taps fill_tables(const einf__resize_axis *axis, const axis_tables *t)
{
    for (int64_t i = 0; i < axis->n_out; i++) {
        const einf__resize_window window = einf__resize_window_of(axis, i);
        t->first[i] = (int32_t)window.begin;
        t->count[i] = (int32_t)(window.end - window.begin);
        einf__resize_weights(axis, i, t->scratch, t->weights + i * axis->stride);
    }
    return (einf__taps){t->first, t->count, t->weights, axis->n_out, axis->stride};
}

/* -------------------------------------------------------------------------------------------------- passes -- */

/* Rows of one pass: from [.., from_width, 3] to [.., dst_width, 3]. */
typedef struct pass {
    const einf__kernels *kernels;
    const einf__taps *taps;
    const uint8_t *from;
    uint8_t *to;
    int64_t from_width, to_width;
    int64_t first_row, i_out; /* vertically: the row that `from` begins with, and the output that `to` does */
} pass;

static void pass_along_rows(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    (void)i_thread;
    const pass *p = arg;
    const int64_t from_stride = 3 * p->from_width, to_stride = 3 * p->to_width;
    for (int64_t y = begin; y < end; y += EINF__RESAMPLE_MAX_ROWS) {
        const int32_t n = (int32_t)min_i64(end - y, EINF__RESAMPLE_MAX_ROWS);
        p->kernels->resample_rows(p->to + y * to_stride, to_stride, p->from + y * from_stride, from_stride, n,
                                  p->from_width, p->taps);
    }
}

static void pass_over_rows(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    (void)i_thread;
    const pass *p = arg;
    const int64_t row_bytes = 3 * p->to_width;
    for (int64_t y = begin; y < end; y++) {
        const int64_t i = p->i_out + y;
        p->kernels->resample_cols(p->to + y * row_bytes, p->from + (p->taps->first[i] - p->first_row) * row_bytes,
                                  row_bytes, p->taps->weights + i * p->taps->stride, p->taps->count[i], row_bytes);
    }
}

static einf_status check_cancel(const einf__resize *r, einf_error *err)
{
    if (!einf__is_cancelled(r->cancel_a) && !einf__is_cancelled(r->cancel_b)) return EINF_OK;
    return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL, "cancelled while the picture was resized");
}

/* Two passes: a band's source rows to b->rows, and from there to the result. */
static einf_status run_both(const einf__resize *r, const plan *p, const buffers *b, const einf__taps *across,
                            const einf__taps *down, einf_error *err)
{
    const int64_t src_bytes = 3 * (int64_t)r->src_width, row_bytes = 3 * (int64_t)r->dst_width;
    einf__resize_window kept = {0, 0}; /* rows that are in b->rows */
    for (int64_t y = 0; y < p->y.n_out; y += BAND_ROWS) {
        EINF_TRY(check_cancel(r, err));
        const einf__resize_window rows = rows_of_band(&p->y, y);
        if (kept.end < rows.begin) kept.end = rows.begin; /* the last band needed none of these */
        if (kept.end > rows.begin && rows.begin > kept.begin)
            memmove(b->rows, b->rows + (rows.begin - kept.begin) * row_bytes,
                    (size_t)((kept.end - rows.begin) * row_bytes));
        pass horizontal = {r->kernels, across, r->src + kept.end * src_bytes,
                           b->rows + (kept.end - rows.begin) * row_bytes, r->src_width, r->dst_width, 0, 0};
        if (rows.end > kept.end)
            einf__pool_run(r->pool, rows.end - kept.end, EINF__RESAMPLE_MAX_ROWS, pass_along_rows, &horizontal);
        kept = rows;
        pass vertical = {r->kernels, down, b->rows, r->dst + y * row_bytes, 0, r->dst_width, rows.begin, y};
        einf__pool_run(r->pool, min_i64(BAND_ROWS, p->y.n_out - y), 2, pass_over_rows, &vertical);
    }
    return EINF_OK;
}

/* One pass, in pieces only for the sake of cancelling. */
static einf_status run_one(const einf__resize *r, const plan *p, const einf__taps *across, const einf__taps *down,
                           einf_error *err)
{
    const int64_t src_bytes = 3 * (int64_t)r->src_width, row_bytes = 3 * (int64_t)r->dst_width;
    for (int64_t y = 0; y < p->y.n_out; y += BAND_ROWS) {
        EINF_TRY(check_cancel(r, err));
        const int64_t n = min_i64(BAND_ROWS, p->y.n_out - y);
        uint8_t *to = r->dst + y * row_bytes;
        pass horizontal = {r->kernels, across, r->src + y * src_bytes, to, r->src_width, r->dst_width, 0, 0};
        pass vertical = {r->kernels, down, r->src, to, 0, r->dst_width, 0, y};
        if (p->has_x) einf__pool_run(r->pool, n, EINF__RESAMPLE_MAX_ROWS, pass_along_rows, &horizontal);
        else einf__pool_run(r->pool, n, 2, pass_over_rows, &vertical);
    }
    return EINF_OK;
}

static einf_status run_filter(const einf__resize *r, einf__memory *mem, einf_error *err)
{
    const plan p = plan_of(r->src_width, r->src_height, r->dst_width, r->dst_height, r->filter);
    const uint64_t size_bytes = bytes_of(&p);
    void *block;
    EINF_TRY(einf__alloc_or_fail(mem, size_bytes, "weights and rows of the resizer", &block, err));
    einf__arena arena = einf__arena_over(block, size_bytes);
    buffers b = {0};
    lay_out(&arena, &p, &b);
    einf__taps across = {0}, down = {0};
    if (p.has_x) across = fill_tables(&p.x, &b.x);
    if (p.has_y) down = fill_tables(&p.y, &b.y);
    const einf_status status = p.has_x && p.has_y ? run_both(r, &p, &b, &across, &down, err)
                                                  : run_one(r, &p, &across, &down, err);
    einf__free(mem, block, (size_t)size_bytes);
    return status;
}

/* --------------------------------------------------------------------------------------------------- legacy -- */

typedef struct legacy_band {
    const einf__resize *resize;
    int64_t y; /* its first row */
} legacy_band;

static void legacy_rows(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    (void)i_thread;
    const legacy_band *band = arg;
    for (int64_t y = begin; y < end; y++) einf__resize_legacy_row(band->resize, (uint32_t)(band->y + y));
}

static einf_status run_legacy(const einf__resize *r, einf_error *err)
{
    for (int64_t y = 0; y < r->dst_height; y += BAND_ROWS) {
        EINF_TRY(check_cancel(r, err));
        legacy_band band = {r, y};
        einf__pool_run(r->pool, min_i64(BAND_ROWS, r->dst_height - y), 1, legacy_rows, &band);
    }
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------------ run -- */

einf_status einf__resize_run(const einf__resize *r, einf__memory *mem, einf_error *err)
{
    if (!sides_fit(r->src_width, r->src_height, r->dst_width, r->dst_height))
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "picture", "cut the picture into parts",
                          "resizing %u x %u pixels to %u x %u: no side may be longer than %d", r->src_width,
                          r->src_height, r->dst_width, r->dst_height, EINF__RESIZE_MAX_SIDE);
    EINF_TRY(check_cancel(r, err));
    if (r->src_width == r->dst_width && r->src_height == r->dst_height) {
        memcpy(r->dst, r->src, (size_t)r->dst_width * r->dst_height * 3);
        return EINF_OK;
    }
    return r->filter == EINF_FILTER_LEGACY_BICUBIC ? run_legacy(r, err) : run_filter(r, mem, err);
}
