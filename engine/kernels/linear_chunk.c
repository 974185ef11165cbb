/* SPDX-License-Identifier: MIT
 * linear_chunk.c - a chunk of a matrix times columns, in each of the ways that there are.
 *
 * Row dots on the file's own blocks; int8 strips, which meet the columns tile by tile (panel.h); or, of types without
 * codes and in exact mode, slices de-quantised to floats, which are packed to panels of floats, or to panels of numbers
 * in 16 bits (narrow.h) where a session asks for such sums. In any case a weight is unpacked once for all columns.
 *
 * Invariant: an element is summed in an order that follows from shapes and constants, never from the size of a chunk,
 * so it has the same bits on any machine with the same kernels.
 */
#include "engine/kernels/linear_chunk.h"

#include <string.h>

enum {
    TILE_COLS = 128 /* columns that meet the panels of a slice in turn, for which they stay in L2 */
};

/* -------------------------------------------------------------------------------------------------- scratch -- */

enum {
    SLICE_FLOATS = EINF__SLICE_ROWS * EINF__SLICE_DEPTH,
    TILE_FLOATS = TILE_COLS * EINF__SLICE_ROWS,
    FLOATS = 2 * SLICE_FLOATS + EINF__SLICE_ROWS + TILE_FLOATS + EINF__UP_FLOATS /* before the strips */
};
_Static_assert(EINF__SLICE_DEPTH % EINF__NARROW_GROUP == 0, "a group of 16-bit numbers lies in one slice");
_Static_assert(EINF__SLICE_ROWS % EINF__PANEL_MAX_ROWS == 0, "a slice is packed to whole panels");
_Static_assert(FLOATS * sizeof(float) % EINF__PANEL_ALIGN == 0, "strips are aligned");

void einf__compute_lay_out(einf__arena *a, einf__compute *c, int32_t n_threads, int64_t max_cols, int64_t max_width)
{
    const einf__panel_shape *s = &c->kernels->panel_shape;
    const bool strips = !c->exact && c->path != EINF__PATH_ROWS && c->path != EINF__PATH_FLOATS && max_cols > 1;
    const int64_t pair = 2 * einf__strip_bytes(s, (max_width + 31) / 32 * 32); /* of gate and of up */
    c->scratch_bytes = FLOATS * (int64_t)sizeof(float) + (strips ? einf__max_i64(s->l2_bytes, pair) : 0);
    c->scratch = einf__arena_take(a, (uint64_t)n_threads, (uint64_t)c->scratch_bytes);
}

einf__chunk_scratch einf__chunk_scratch_of(const einf__compute *c, int32_t i_thread)
{
    einf__chunk_scratch s;
    uint8_t *base = c->scratch + i_thread * c->scratch_bytes;
    s.slice = (float *)(void *)base;
    s.panels = s.slice + SLICE_FLOATS;
    s.row_scale = s.panels + SLICE_FLOATS;
    s.tile = s.row_scale + EINF__SLICE_ROWS;
    s.up = s.tile + TILE_FLOATS;
    s.strips = base + FLOATS * sizeof(float);
    s.strip_bytes = c->scratch_bytes - FLOATS * (int64_t)sizeof(float);
    return s;
}

static const uint8_t *rows_of(const einf__chunk *b)
{
    return (const uint8_t *)b->w->data + (size_t)b->row * b->w->row_bytes;
}

/* Product [n_cols, n_rows], columns `pitch` apart, to columns [j, j + n_cols) of the target's rows from `row` on. */
static void store_product(const einf__kernels *k, const einf__chunk_target *t, bool add, int64_t j, int64_t row,
                          const float *product, int64_t pitch, int64_t n_cols, int64_t n_rows)
{
    for (int64_t i = 0; i < n_cols; i++) {
        float *y = t->y + (j + i) * t->stride + row;
        if (add) k->add(y, product + i * pitch, n_rows);
        else memcpy(y, product + i * pitch, (size_t)n_rows * sizeof *y);
    }
}

/* ------------------------------------------------------------------------------------------------------ dots -- */

/* Row dots on the weights as they lie in the file. */
static void multiply_by_dots(const einf__chunk *b, const einf__chunk_target *t)
{
    float tile[EINF__MAX_DOT_COLS * EINF__MAX_DOT_ROWS];
    const einf__matrix *w = b->w;
    const einf__kernels *k = b->c->kernels;
    for (int64_t j = 0; j < t->n_cols; j += EINF__MAX_DOT_COLS) {
        const int n = (int)einf__min_i64(t->n_cols - j, EINF__MAX_DOT_COLS);
        const einf__cols x = einf__acts_cols(b->x, einf__dtype_get(w->type)->acts, t->col + j);
        if (t->add) {
            k->dot[w->type](tile, b->n_rows, rows_of(b), w->row_bytes, b->n_rows, w->n_in, &x, n);
            store_product(k, t, true, j, 0, tile, b->n_rows, n, b->n_rows);
        } else {
            k->dot[w->type](t->y + j * t->stride, t->stride, rows_of(b), w->row_bytes, b->n_rows, w->n_in, &x, n);
        }
    }
}

/* -------------------------------------------------------------------------------------------------- strips -- */

static einf__panel_form form_of(const einf__chunk *b)
{
    return einf__strip_form(b->c->kernels, b->w->type, einf__tiles_group(b->x->forms));
}

void einf__chunk_pack(einf__chunk *b, uint8_t *strips)
{
    if (b->how != EINF__BY_STRIPS) return;
    const einf__kernels *k = b->c->kernels;
    const int64_t mr = k->panel_shape.mr, n_in = b->w->n_in, bytes = einf__strip_bytes(&k->panel_shape, n_in);
    b->strips = strips;
    for (int64_t i = 0; i < b->n_rows; i += mr) {
        const einf__strip s = einf__strip_over(&k->panel_shape, strips + i / mr * bytes, n_in);
        k->pack[b->w->type](k, &s, form_of(b), rows_of(b) + (size_t)i * b->w->row_bytes, b->w->row_bytes,
                            (int32_t)einf__min_i64(b->n_rows - i, mr), n_in);
    }
}

static void multiply_by_strips(const einf__chunk *b, const einf__chunk_target *t)
{
    _Alignas(EINF__PANEL_ALIGN) float product[EINF__PANEL_MAX_COLS * EINF__PANEL_MAX_ROWS];
    const einf__kernels *k = b->c->kernels;
    const int64_t mr = k->panel_shape.mr, n_in = b->w->n_in, bytes = einf__strip_bytes(&k->panel_shape, n_in);
    for (int64_t j = 0; j < t->n_cols; j += k->panel_shape.nr) {
        const einf__tile tile = einf__acts_tile(b->x, &k->panel_shape, t->col + j, 0);
        for (int64_t i = 0; i < b->n_rows; i += mr) {
            const einf__strip s = einf__strip_over(&k->panel_shape, b->strips + i / mr * bytes, n_in);
            k->panel_mul[form_of(b)](product, &s, &tile, n_in);
            store_product(k, t, t->add, j, i, product, mr, einf__min_i64(t->n_cols - j, tile.n_cols),
                          einf__min_i64(b->n_rows - i, mr));
        }
    }
}

/* -------------------------------------------------------------------------------------------------- slices -- */

/* A slice of the chunk as f32 rows. */
typedef struct slice {
    const float *a; /* [n_rows, depth], lda floats apart */
    int64_t lda;
    int64_t begin, depth; /* elements [begin, begin + depth) of each row */
} slice;

static bool is_aligned_f32(const einf__matrix *w)
{
    return w->type == EINF__F32 && (uintptr_t)w->data % sizeof(float) == 0 && w->row_bytes % sizeof(float) == 0;
}

/* Weights that are f32 already are used where they lie. */
static slice take_slice(const einf__chunk *b, int64_t begin, float *memory)
{
    const einf__matrix *w = b->w;
    const int64_t depth = einf__min_i64(w->n_in - begin, EINF__SLICE_DEPTH);
    const uint8_t *rows = rows_of(b) + einf__dtype_row_bytes(w->type, (uint64_t)begin);
    if (is_aligned_f32(w))
        return (slice){ (const float *)(const void *)rows, (int64_t)(w->row_bytes / sizeof(float)), begin, depth };
    for (int64_t i = 0; i < b->n_rows; i++)
        b->c->kernels->to_f32[w->type](memory + i * depth, rows + (size_t)i * w->row_bytes, depth);
    return (slice){ memory, depth, begin, depth };
}

/* The elements of column `col` that meet the slice. */
static const float *column_of(const einf__chunk *b, const slice *part, int64_t col)
{
    assert((b->x->forms & EINF__ACTS_F32) != 0);
    return b->x->f32 + col * b->x->width + part->begin;
}

/* ---------------------------------------------------------------------------------------------------- panels -- */

static int64_t panel_rows(const einf__chunk *b)
{
    const einf__compute *c = b->c;
    return b->how == EINF__BY_NARROW ? c->kernels->narrow_mr[c->float_sum] : c->kernels->float_mr;
}

/* Where the panel of rows [row, ..) lies. */
static float *float_panel(const einf__chunk_scratch *s, int64_t row) { return s->panels + row * EINF__SLICE_DEPTH; }

static uint16_t *narrow_panel(const einf__chunk_scratch *s, int64_t row)
{
    return (uint16_t *)(void *)s->panels + row * EINF__SLICE_DEPTH;
}

static void pack_panels(const einf__chunk *b, const slice *part, const einf__chunk_scratch *s)
{
    const einf__kernels *k = b->c->kernels;
    const int64_t mr = panel_rows(b);
    const int32_t depth = (int32_t)part->depth;
    for (int64_t i = 0; i < b->n_rows; i += mr) {
        const float *rows = part->a + i * part->lda;
        const int32_t n_rows = (int32_t)einf__min_i64(b->n_rows - i, mr);
        if (b->how == EINF__BY_NARROW)
            einf__narrow_gemm_of(k, b->c->float_sum).pack(narrow_panel(s, i), s->row_scale + i, rows, part->lda,
                                                          n_rows, depth);
        else k->pack_f32(float_panel(s, i), rows, part->lda, n_rows, depth);
    }
}

/* All rows of the panel that begins with `row`, against n_cols columns. */
static void multiply_panel(const einf__chunk *b, const slice *part, const einf__chunk_scratch *s, int64_t row,
                           int64_t col, int32_t n_cols, float *y, int64_t stride, bool add)
{
    const einf__kernels *k = b->c->kernels;
    const int32_t depth = (int32_t)part->depth;
    if (b->how == EINF__BY_NARROW) {
        const einf__narrow_cols x = einf__acts_narrow(b->x, col, part->begin);
        einf__narrow_gemm_of(k, b->c->float_sum).mul(y, stride, narrow_panel(s, row), s->row_scale + row, depth, &x,
                                                     n_cols, add);
    } else {
        k->mul_f32(y, stride, float_panel(s, row), depth, column_of(b, part, col), b->x->width, n_cols, add);
    }
}

/* Slices, packed once, against all columns; all but the first are added. */
static void multiply_by_panels(const einf__chunk *b, const einf__chunk_target *t, const einf__chunk_scratch *s)
{
    const int64_t mr = panel_rows(b);
    for (int64_t begin = 0; begin < b->w->n_in; begin += EINF__SLICE_DEPTH) {
        const slice part = take_slice(b, begin, s->slice);
        const bool add = t->add || begin > 0;
        pack_panels(b, &part, s);
        for (int64_t j = 0; j < t->n_cols; j += TILE_COLS) {
            const int32_t n_cols = (int32_t)einf__min_i64(t->n_cols - j, TILE_COLS);
            for (int64_t i = 0; i < b->n_rows; i += mr) {
                const int64_t n_rows = einf__min_i64(b->n_rows - i, mr);
                if (n_rows == mr) {
                    multiply_panel(b, &part, s, i, t->col + j, n_cols, t->y + j * t->stride + i, t->stride, add);
                    continue;
                }
                multiply_panel(b, &part, s, i, t->col + j, n_cols, s->tile, mr, false);
                store_product(b->c->kernels, t, add, j, i, s->tile, mr, n_cols, n_rows);
            }
        }
    }
}

/* ------------------------------------------------------------------------------------------ slices as they are -- */

/* y[j * stride + i] = slice row i . column col + j, for up to TILE_COLS columns: by a host's GEMM, or, in exact mode,
 * by row dots. */
static void multiply_slice(const einf__chunk *b, const slice *part, int64_t col, int64_t n_cols, float *y,
                           int64_t stride)
{
    const einf__kernels *k = b->c->kernels;
    const int64_t width = b->x->width;
    const float *x = column_of(b, part, col);
    if (b->how == EINF__BY_FLOATS) {
        k->gemm_f32(k->gemm_user, (int32_t)b->n_rows, (int32_t)n_cols, (int32_t)part->depth, part->a, part->lda, x,
                    width, y, stride);
        return;
    }
    for (int64_t j = 0; j < n_cols; j += EINF__MAX_DOT_COLS) {
        const einf__cols cols = { .f32 = x + j * width, .f32_stride = width };
        k->dot[EINF__F32](y + j * stride, stride, part->a, (size_t)part->lda * sizeof(float), b->n_rows, part->depth,
                          &cols, (int)einf__min_i64(n_cols - j, EINF__MAX_DOT_COLS));
    }
}

/* The first slice is written where it belongs, unless that already holds something; the others are added. */
static void multiply_by_slices(const einf__chunk *b, const einf__chunk_target *t, const einf__chunk_scratch *s)
{
    for (int64_t begin = 0; begin < b->w->n_in; begin += EINF__SLICE_DEPTH) {
        const slice part = take_slice(b, begin, s->slice);
        for (int64_t j = 0; j < t->n_cols; j += TILE_COLS) {
            const int64_t n_cols = einf__min_i64(t->n_cols - j, TILE_COLS);
            if (begin == 0 && !t->add) {
                multiply_slice(b, &part, t->col + j, n_cols, t->y + j * t->stride, t->stride);
            } else {
                multiply_slice(b, &part, t->col + j, n_cols, s->tile, b->n_rows);
                store_product(b->c->kernels, t, true, j, 0, s->tile, b->n_rows, n_cols, b->n_rows);
            }
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- any way -- */

void einf__chunk_multiply(const einf__chunk *b, const einf__chunk_target *t, const einf__chunk_scratch *s)
{
    const einf__kernels *k = b->c->kernels;
    const bool panels = b->how == EINF__BY_NARROW || (b->how == EINF__BY_FLOATS && k->fast_floats);
    if (b->how == EINF__BY_STRIPS) multiply_by_strips(b, t);
    else if (panels) multiply_by_panels(b, t, s);
    else if (b->how == EINF__BY_FLOATS || b->c->exact) multiply_by_slices(b, t, s);
    else multiply_by_dots(b, t);
    if (!b->w->bias) return;
    for (int64_t j = 0; j < t->n_cols; j++) k->add(t->y + j * t->stride, b->w->bias + b->row, b->n_rows);
}
