/* SPDX-License-Identifier: MIT
 * linear.c - matrix times columns: which way, how rows are cut into chunks, what happens to a chunk's results.
 *
 * Few columns: row dots on the file's own blocks. Many: a chunk's rows are packed to int8 strips, which meet the
 * columns tile by tile (panel.h); or, of types without codes and in exact mode, de-quantised to panels of floats, or
 * to panels of halves (halves.h) where a session asks for sums in f16. In any case a weight is unpacked once a batch.
 *
 * Invariant: an element is summed in an order that follows from shapes and constants, never from the number of threads
 * or the size of a chunk, so it has the same bits on any machine with the same kernels.
 */
#include "engine/kernels/acts.h"

#include <string.h>

enum {
    /* AUTO takes panels of floats from this many columns: a panel costs the de-quantising of every weight, which row
     * dots save, and then multiplies at the speed of an f32 GEMM. Measured with AVX2 on Zen 4, 2048 x 2048, the two are
     * even at 10 to 20 columns of types with small or no blocks (30 of Q8_0). Where there are no strips, the dots of
     * 256-blocks with int8 are as fast as that GEMM can ever be: panels take 15 % longer at 64 columns. */
    PANEL_MIN_COLS = 16,
    PANEL_MIN_COLS_256 = 64,
    PANEL_MIN_COLS_PLAIN = 2, /* of types whose dots are plain C: what is fast wins as soon as it has two columns */
    /* A slice of floats, [SLICE_ROWS, SLICE_DEPTH] = 128 KiB: a quarter of the smallest L2 we care for (512 KiB,
     * Cortex-A76). The depth is a multiple of every block size. */
    SLICE_ROWS = 64,
    SLICE_DEPTH = 512,
    TILE_COLS = 128,       /* columns a GEMM call; what cannot go straight to y passes through a tile of them */
    GLU_COLS = 512,        /* columns whose `up` half is held at once */
    GLU_STRIP_COLS = 128,  /* the same where both halves are strips, which are packed once for all of them */
    MIN_DOT_ROWS = 8,
    MAX_DOT_ROWS = 256,
    /* Weights of a row-dot chunk: threads read memory faster in long runs (by a sixth in runs of 128 KiB instead of 32,
     * two threads on Zen 4), and a second group of columns finds them in L2. */
    DOT_CHUNK_BYTES = 128 * 1024,
    STRIP_ROWS = 128,      /* most rows of a chunk of strips: tiles, which come from farther away, serve them all */
    CHUNKS_A_THREAD = 4,   /* or more, so that nobody waits long for the last */
    MAX_MATRICES = 3
};

/* ---------------------------------------------------------------------------------------------------- which -- */

static bool reads_f32(const einf__compute *c, einf__dtype type)
{
    return c->exact || einf__dtype_get(type)->acts == EINF__ACTS_F32;
}

/* Panels of floats in f32, or as halves where the file has floats and the session asks for sums in f16. */
static einf__how float_panels(const einf__compute *c, einf__dtype type)
{
    const bool floats = einf__dtype_get(type)->acts == EINF__ACTS_F32;
    return c->f16_sums && floats && !c->exact ? EINF__BY_HALVES : EINF__BY_FLOATS;
}

einf__how einf__how_of(const einf__compute *c, einf__dtype type, int64_t n_cols)
{
    const einf__kernels *k = c->kernels;
    const einf__how panels = reads_f32(c, type) || c->path == EINF__PATH_FLOATS ? float_panels(c, type)
                                                                                  : EINF__BY_STRIPS;
    if (c->path != EINF__PATH_AUTO) return c->path == EINF__PATH_ROWS ? EINF__BY_DOTS : panels;
    if (k->plain_dot[type]) return n_cols < PANEL_MIN_COLS_PLAIN ? EINF__BY_DOTS : panels;
    const bool coded256 = !c->exact && einf__dtype_get(type)->block_elems == 256;
    if (panels == EINF__BY_STRIPS && k->fast_panels) {
        const bool rounded = coded256 && einf__strip_form(k, type, 32) == EINF__PANEL_32;
        const int32_t min_cols = rounded ? k->panel_shape.min_cols_rounded : k->panel_shape.min_cols;
        return n_cols < min_cols ? EINF__BY_DOTS : EINF__BY_STRIPS;
    }
    return n_cols < (coded256 ? PANEL_MIN_COLS_256 : PANEL_MIN_COLS) ? EINF__BY_DOTS : float_panels(c, type);
}

einf__panel_form einf__strip_form(const einf__kernels *k, einf__dtype type, int32_t group)
{
    if (group != 32) return group == 128 ? EINF__PANEL_128 : EINF__PANEL_64;
    return einf__panel_group(k->panel_form[type]) == 32 ? k->panel_form[type] : einf__panel_finest(type);
}

/* -------------------------------------------------------------------------------------------------- scratch -- */

/* A thread's scratch, cut up for floats or for strips. */
typedef struct scratch {
    float *slice;    /* [SLICE_ROWS, SLICE_DEPTH] */
    float *tile;     /* [TILE_COLS, SLICE_ROWS] */
    float *up;       /* [GLU_COLS, SLICE_ROWS], or [GLU_STRIP_COLS, STRIP_ROWS] */
    uint16_t *halves; /* [SLICE_DEPTH, SLICE_ROWS] in panels of half_mr rows; where the session sums in f16 */
    float *row_scale; /* [SLICE_ROWS] of them */
    uint8_t *strips; /* strip_bytes */
    int64_t strip_bytes;
} scratch;

enum {
    UP_FLOATS = GLU_COLS * SLICE_ROWS,
    FLOATS = SLICE_ROWS * SLICE_DEPTH + TILE_COLS * SLICE_ROWS + UP_FLOATS,
    HALVES_BYTES = SLICE_ROWS * SLICE_DEPTH * 2 + SLICE_ROWS * 4
};
_Static_assert(GLU_STRIP_COLS * STRIP_ROWS <= UP_FLOATS, "strips have their `up` in the same place");
_Static_assert(SLICE_DEPTH % EINF__F16_GROUP == 0, "a group of halves lies in one slice");

/* What lies before the strips. */
static int64_t fixed_bytes(const einf__compute *c)
{
    return FLOATS * (int64_t)sizeof(float) + (c->f16_sums ? HALVES_BYTES : 0);
}

void einf__compute_lay_out(einf__arena *a, einf__compute *c, int32_t n_threads, int64_t max_cols, int64_t max_width)
{
    const einf__panel_shape *s = &c->kernels->panel_shape;
    const bool strips = !c->exact && c->path != EINF__PATH_ROWS && c->path != EINF__PATH_FLOATS && max_cols > 1;
    const int64_t pair = 2 * einf__strip_bytes(s, (max_width + 31) / 32 * 32); /* of gate and of up */
    c->scratch_bytes = fixed_bytes(c) + (strips ? einf__max_i64(s->l2_bytes, pair) : 0);
    c->scratch = einf__arena_take(a, (uint64_t)n_threads, (uint64_t)c->scratch_bytes);
}

static scratch scratch_of(const einf__compute *c, int32_t i_thread)
{
    uint8_t *base = c->scratch + i_thread * c->scratch_bytes;
    float *floats = (float *)(void *)base, *tile = floats + SLICE_ROWS * SLICE_DEPTH, *halves = floats + FLOATS;
    return (scratch){ .slice = floats, .tile = tile, .up = tile + TILE_COLS * SLICE_ROWS,
                      .halves = (uint16_t *)(void *)halves, .row_scale = halves + SLICE_ROWS * SLICE_DEPTH / 2,
                      .strips = base + fixed_bytes(c), .strip_bytes = c->scratch_bytes - fixed_bytes(c) };
}

/* ---------------------------------------------------------------------------------------------------- chunks -- */

/* Rows [row, row + n_rows) of w, which will meet columns of x. */
typedef struct chunk {
    const einf__compute *c;
    const einf__matrix *w;
    const einf__acts *x;
    einf__how how;
    int64_t row, n_rows;
    uint8_t *strips; /* packed by pack_chunk */
} chunk;

/* Where the product with columns [col, col + n_cols) goes: y[j * stride + i] for row i of the chunk and column col + j;
 * added to what is there, or not. */
typedef struct target {
    float *y;
    int64_t stride;
    bool add;
    int64_t col, n_cols;
} target;

static const uint8_t *rows_of(const chunk *b)
{
    return (const uint8_t *)b->w->data + (size_t)b->row * b->w->row_bytes;
}

static void add_tile(const einf__kernels *k, const target *t, int64_t j, int64_t n_cols, const float *tile,
                     int64_t n_rows)
{
    for (int64_t i = 0; i < n_cols; i++) k->add(t->y + (j + i) * t->stride, tile + i * n_rows, n_rows);
}

/* ------------------------------------------------------------------------------------------------------ dots -- */

/* Row dots on the weights as they lie in the file. */
static void multiply_by_dots(const chunk *b, const target *t)
{
    float tile[EINF__MAX_DOT_COLS * MAX_DOT_ROWS];
    const einf__matrix *w = b->w;
    const einf__kernels *k = b->c->kernels;
    for (int64_t j = 0; j < t->n_cols; j += EINF__MAX_DOT_COLS) {
        const int n = (int)einf__min_i64(t->n_cols - j, EINF__MAX_DOT_COLS);
        const einf__cols x = einf__acts_cols(b->x, einf__dtype_get(w->type)->acts, t->col + j);
        if (t->add) {
            k->dot[w->type](tile, b->n_rows, rows_of(b), w->row_bytes, b->n_rows, w->n_in, &x, n);
            add_tile(k, t, j, n, tile, b->n_rows);
        } else {
            k->dot[w->type](t->y + j * t->stride, t->stride, rows_of(b), w->row_bytes, b->n_rows, w->n_in, &x, n);
        }
    }
}

/* -------------------------------------------------------------------------------------------------- strips -- */

static einf__panel_form form_of(const chunk *b)
{
    return einf__strip_form(b->c->kernels, b->w->type, einf__tiles_group(b->x->forms));
}

/* Unpacks the chunk's weights, once for all columns: into strips side by side. */
static void pack_chunk(chunk *b, uint8_t *memory)
{
    if (b->how != EINF__BY_STRIPS) return;
    const einf__kernels *k = b->c->kernels;
    const int64_t mr = k->panel_shape.mr, n_in = b->w->n_in, bytes = einf__strip_bytes(&k->panel_shape, n_in);
    b->strips = memory;
    for (int64_t i = 0; i < b->n_rows; i += mr) {
        const einf__strip s = einf__strip_over(&k->panel_shape, memory + i / mr * bytes, n_in);
        k->pack[b->w->type](k, &s, form_of(b), rows_of(b) + (size_t)i * b->w->row_bytes, b->w->row_bytes,
                            (int32_t)einf__min_i64(b->n_rows - i, mr), n_in);
    }
}

/* A product of n_cols columns of mr rows each, of which n_rows count. */
static void store_product(const einf__kernels *k, const target *t, int64_t j, int64_t row, const float *product,
                          int64_t n_cols, int64_t n_rows)
{
    for (int64_t i = 0; i < n_cols; i++) {
        float *y = t->y + (j + i) * t->stride + row;
        const float *from = product + i * k->panel_shape.mr;
        if (t->add) k->add(y, from, n_rows);
        else memcpy(y, from, (size_t)n_rows * sizeof *y);
    }
}

/* t->col is a multiple of nr, for a tile is multiplied whole. */
static void multiply_by_strips(const chunk *b, const target *t)
{
    _Alignas(EINF__PANEL_ALIGN) float product[EINF__PANEL_MAX_COLS * EINF__PANEL_MAX_ROWS];
    const einf__kernels *k = b->c->kernels;
    const int64_t mr = k->panel_shape.mr, n_in = b->w->n_in, bytes = einf__strip_bytes(&k->panel_shape, n_in);
    for (int64_t j = 0; j < t->n_cols; j += k->panel_shape.nr) {
        const einf__tile tile = einf__acts_tile(b->x, &k->panel_shape, t->col + j, 0);
        for (int64_t i = 0; i < b->n_rows; i += mr) {
            const einf__strip s = einf__strip_over(&k->panel_shape, b->strips + i / mr * bytes, n_in);
            k->panel_mul[form_of(b)](product, &s, &tile, n_in);
            store_product(k, t, j, i, product, einf__min_i64(t->n_cols - j, tile.n_cols),
                          einf__min_i64(b->n_rows - i, mr));
        }
    }
}

/* -------------------------------------------------------------------------------------------------- floats -- */

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
static slice take_slice(const chunk *b, int64_t begin, float *memory)
{
    const einf__matrix *w = b->w;
    const int64_t depth = einf__min_i64(w->n_in - begin, SLICE_DEPTH);
    const uint8_t *rows = rows_of(b) + einf__dtype_row_bytes(w->type, (uint64_t)begin);
    if (is_aligned_f32(w))
        return (slice){ (const float *)(const void *)rows, (int64_t)(w->row_bytes / sizeof(float)), begin, depth };
    for (int64_t i = 0; i < b->n_rows; i++)
        b->c->kernels->to_f32[w->type](memory + i * depth, rows + (size_t)i * w->row_bytes, depth);
    return (slice){ memory, depth, begin, depth };
}

/* y[j * stride + i] = slice row i . column col + j, for up to TILE_COLS columns. */
static void multiply_slice(const chunk *b, const slice *s, int64_t col, int64_t n_cols, float *y, int64_t stride)
{
    const einf__kernels *k = b->c->kernels;
    const int64_t width = b->x->width;
    const float *x = b->x->f32 + col * width + s->begin;
    assert((b->x->forms & EINF__ACTS_F32) != 0);
    if (b->how == EINF__BY_FLOATS) {
        k->gemm_f32(k->gemm_user, (int32_t)b->n_rows, (int32_t)n_cols, (int32_t)s->depth, s->a, s->lda, x, width, y,
                    stride);
        return;
    }
    for (int64_t j = 0; j < n_cols; j += EINF__MAX_DOT_COLS) {
        const einf__cols cols = { .f32 = x + j * width, .f32_stride = width };
        k->dot[EINF__F32](y + j * stride, stride, s->a, (size_t)s->lda * sizeof(float), b->n_rows, s->depth, &cols,
                          (int)einf__min_i64(n_cols - j, EINF__MAX_DOT_COLS));
    }
}

/* De-quantised slices, each against all columns. The first slice is written where it belongs, unless that already
 * holds something; the others are added. */
static void multiply_by_slices(const chunk *b, const target *t, const scratch *s)
{
    for (int64_t begin = 0; begin < b->w->n_in; begin += SLICE_DEPTH) {
        const slice part = take_slice(b, begin, s->slice);
        for (int64_t j = 0; j < t->n_cols; j += TILE_COLS) {
            const int64_t n_cols = einf__min_i64(t->n_cols - j, TILE_COLS);
            if (begin == 0 && !t->add) {
                multiply_slice(b, &part, t->col + j, n_cols, t->y + j * t->stride, t->stride);
            } else {
                multiply_slice(b, &part, t->col + j, n_cols, s->tile, b->n_rows);
                add_tile(b->c->kernels, t, j, n_cols, s->tile, b->n_rows);
            }
        }
    }
}

/* -------------------------------------------------------------------------------------------------- halves -- */

/* A slice as panels of halves, one behind the other. */
static void pack_halves(const einf__kernels *k, const slice *part, int64_t n_rows, const scratch *s)
{
    for (int64_t i = 0; i < n_rows; i += k->half_mr)
        k->pack_f16(s->halves + i * part->depth, s->row_scale + i, part->a + i * part->lda, part->lda,
                    (int32_t)einf__min_i64(n_rows - i, k->half_mr), (int32_t)part->depth);
}

/* One panel, of which n_rows count, against columns [j, j + n_cols) of the target; added to what is there, or not. */
static void multiply_panel(const einf__kernels *k, const target *t, int64_t j, int32_t n_cols, int64_t row,
                           int64_t n_rows, const einf__halves *x, int32_t depth, bool add, const scratch *s)
{
    const uint16_t *panel = s->halves + row * depth;
    const float *scale = s->row_scale + row;
    float *y = t->y + j * t->stride + row;
    if (n_rows == k->half_mr) {
        k->mul_f16(y, t->stride, panel, scale, depth, x, n_cols, add);
        return;
    }
    k->mul_f16(s->tile, k->half_mr, panel, scale, depth, x, n_cols, false);
    for (int64_t i = 0; i < n_cols; i++) {
        const float *from = s->tile + i * k->half_mr;
        if (add) k->add(y + i * t->stride, from, n_rows);
        else memcpy(y + i * t->stride, from, (size_t)n_rows * sizeof *y);
    }
}

/* Slices as halves, each against all columns; all but the first are added. */
static void multiply_by_halves(const chunk *b, const target *t, const scratch *s)
{
    const einf__kernels *k = b->c->kernels;
    for (int64_t begin = 0; begin < b->w->n_in; begin += SLICE_DEPTH) {
        const slice part = take_slice(b, begin, s->slice);
        pack_halves(k, &part, b->n_rows, s);
        for (int64_t j = 0; j < t->n_cols; j += TILE_COLS) {
            const int32_t n_cols = (int32_t)einf__min_i64(t->n_cols - j, TILE_COLS);
            const einf__halves x = einf__acts_halves(b->x, t->col + j, begin);
            for (int64_t i = 0; i < b->n_rows; i += k->half_mr)
                multiply_panel(k, t, j, n_cols, i, einf__min_i64(b->n_rows - i, k->half_mr), &x, (int32_t)part.depth,
                               t->add || begin > 0, s);
        }
    }
}

/* The product of a packed chunk with some columns, and the bias. */
static void multiply_chunk(const chunk *b, const target *t, const scratch *s)
{
    if (b->how == EINF__BY_STRIPS) multiply_by_strips(b, t);
    else if (b->how == EINF__BY_HALVES) multiply_by_halves(b, t, s);
    else if (b->how == EINF__BY_FLOATS || b->c->exact) multiply_by_slices(b, t, s);
    else multiply_by_dots(b, t);
    if (!b->w->bias) return;
    for (int64_t j = 0; j < t->n_cols; j++)
        b->c->kernels->add(t->y + j * t->stride, b->w->bias + b->row, b->n_rows);
}

/* -------------------------------------------------------------------------------------------------- linear -- */

static int64_t round_up(int64_t n, int64_t unit) { return einf__div_up_i64(n, unit) * unit; }

/* Of n_rows, what a thread takes at most at once. */
static int64_t fair_rows(const einf__compute *c, int64_t n_rows, int64_t unit)
{
    return round_up(einf__div_up_i64(n_rows, CHUNKS_A_THREAD * einf__pool_n_threads(c->pool)), unit);
}

/* Rows of strips that fit in `bytes`. */
static int64_t strip_rows(const einf__compute *c, const einf__matrix *w, int64_t bytes, int64_t n_rows)
{
    const int64_t mr = c->kernels->panel_shape.mr, fair = fair_rows(c, n_rows, mr);
    const int64_t fit = bytes / einf__strip_bytes(&c->kernels->panel_shape, w->n_in) * mr;
    return einf__max_i64(mr, einf__min_i64(einf__min_i64(fit, fair), STRIP_ROWS / mr * mr));
}

/* n_rows: of all matrices that are multiplied together. */
static int64_t chunk_rows_of(const einf__compute *c, const einf__matrix *w, einf__how how, int64_t n_rows)
{
    if (how == EINF__BY_STRIPS) return strip_rows(c, w, c->kernels->panel_shape.l2_bytes, n_rows);
    if (how == EINF__BY_FLOATS || how == EINF__BY_HALVES || c->exact)
        return n_rows < CHUNKS_A_THREAD * SLICE_ROWS * einf__pool_n_threads(c->pool) ? SLICE_ROWS / 2 : SLICE_ROWS;
    const int64_t fit = DOT_CHUNK_BYTES / (int64_t)w->row_bytes / MIN_DOT_ROWS * MIN_DOT_ROWS;
    const int64_t fair = fair_rows(c, n_rows, MIN_DOT_ROWS);
    return einf__max_i64(MIN_DOT_ROWS, einf__min_i64(einf__min_i64(fit, fair), MAX_DOT_ROWS));
}

/* The chunks of all matrices in one row of items: matrix i has items [first_chunk[i], first_chunk[i + 1]). */
typedef struct linear_job {
    const einf__compute *c;
    const einf__linear_out *out;
    const einf__acts *x;
    einf__how how[MAX_MATRICES];
    int64_t chunk_rows[MAX_MATRICES];
    int64_t first_chunk[MAX_MATRICES + 1];
} linear_job;

static void multiply_chunks(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const linear_job *job = arg;
    const scratch s = scratch_of(job->c, i_thread);
    int m = 0;
    for (int64_t i = begin; i < end; i++) {
        while (i >= job->first_chunk[m + 1]) m++;
        const einf__linear_out *o = &job->out[m];
        const int64_t row = (i - job->first_chunk[m]) * job->chunk_rows[m];
        chunk b = { .c = job->c, .w = o->w, .x = job->x, .how = job->how[m], .row = row,
                    .n_rows = einf__min_i64(o->w->n_out - row, job->chunk_rows[m]) };
        pack_chunk(&b, s.strips);
        multiply_chunk(&b, &(target){ o->y + row, o->w->n_out, o->add, 0, job->x->n_cols }, &s);
    }
}

void einf__linear(const einf__compute *c, const einf__linear_out *out, int n_out, const einf__acts *x)
{
    linear_job job = { .c = c, .out = out, .x = x };
    int64_t n_chunks = 0, work = 0, n_rows = 0;
    assert(n_out <= MAX_MATRICES);
    for (int i = 0; i < n_out; i++)
        if (out[i].w && out[i].w->data) n_rows += out[i].w->n_out;
    for (int i = 0; i < n_out; i++) {
        const einf__matrix *w = out[i].w;
        job.first_chunk[i] = n_chunks;
        job.first_chunk[i + 1] = n_chunks;
        if (!w || !w->data) continue;
        assert(w->n_in == x->width);
        job.how[i] = einf__how_of(c, w->type, x->n_cols);
        job.chunk_rows[i] = chunk_rows_of(c, w, job.how[i], n_rows);
        n_chunks += einf__div_up_i64(w->n_out, job.chunk_rows[i]);
        job.first_chunk[i + 1] = n_chunks;
        work += w->n_out * w->n_in * x->n_cols;
    }
    if (n_chunks > 0) einf__pool_run(c->pool, n_chunks, einf__grain(work / n_chunks), multiply_chunks, &job);
}

/* --------------------------------------------------------------------------------------------------- gated -- */

typedef struct glu_job {
    const einf__compute *c;
    einf__acts *hidden;
    const einf__matrix *gate, *up;
    einf__glu_fn act;
    const einf__acts *x;
    einf__how gate_how, up_how;
    int64_t chunk_rows; /* what becomes int8 together: a multiple of the hidden form's group */
    int64_t pair_rows;  /* of gate and of up that are held at once, at most chunk_rows */
    int64_t cols;       /* columns whose `up` is held at once */
} glu_job;

/* Rows [row, row + n_rows) of the hidden columns, as f32: gate is accumulated in place, up beside it. */
static void glu_rows(const glu_job *job, int64_t row, int64_t n_rows, const scratch *s)
{
    einf__acts *hidden = job->hidden;
    chunk gate = { .c = job->c, .w = job->gate, .x = job->x, .how = job->gate_how, .row = row, .n_rows = n_rows };
    chunk up = gate;
    up.w = job->up;
    up.how = job->up_how;
    pack_chunk(&gate, s->strips);
    pack_chunk(&up, s->strips + s->strip_bytes / 2 / EINF__PANEL_ALIGN * EINF__PANEL_ALIGN);
    for (int64_t col = 0; col < job->x->n_cols; col += job->cols) {
        const int64_t n_cols = einf__min_i64(job->x->n_cols - col, job->cols);
        float *y = hidden->f32 + col * hidden->width + row;
        multiply_chunk(&gate, &(target){ y, hidden->width, false, col, n_cols }, s);
        multiply_chunk(&up, &(target){ s->up, n_rows, false, col, n_cols }, s);
        for (int64_t j = 0; j < n_cols; j++)
            job->act(y + j * hidden->width, y + j * hidden->width, s->up + j * n_rows, n_rows);
    }
}

static void glu_chunks(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const glu_job *job = arg;
    const scratch s = scratch_of(job->c, i_thread);
    for (int64_t i = begin; i < end; i++) {
        const int64_t first = i * job->chunk_rows;
        const int64_t row_end = einf__min_i64(job->gate->n_out, first + job->chunk_rows);
        for (int64_t row = first; row < row_end; row += job->pair_rows)
            glu_rows(job, row, einf__min_i64(row_end - row, job->pair_rows), &s);
        einf__acts_quantize(job->c->kernels, job->hidden, job->hidden->f32, 0, job->x->n_cols, first, row_end - first);
    }
}

/* Rows of one half that are held at once. */
static int64_t half_rows(const glu_job *job, const einf__matrix *w, einf__how how)
{
    const int64_t bytes = einf__min_i64(scratch_of(job->c, 0).strip_bytes, job->c->kernels->panel_shape.l2_bytes) / 2;
    return how == EINF__BY_STRIPS ? strip_rows(job->c, w, bytes, w->n_out) : chunk_rows_of(job->c, w, how, w->n_out);
}

/* How rows and columns are cut. Chunks end on groups of the hidden form, as the last row does. */
static void cut_glu(glu_job *job, unsigned forms)
{
    const int64_t nr = job->c->kernels->panel_shape.nr;
    const int n_strips = (job->gate_how == EINF__BY_STRIPS) + (job->up_how == EINF__BY_STRIPS);
    job->pair_rows = einf__min_i64(half_rows(job, job->gate, job->gate_how), half_rows(job, job->up, job->up_how));
    job->chunk_rows = round_up(job->pair_rows, einf__forms_unit(forms));
    job->cols = einf__min_i64(UP_FLOATS / job->pair_rows, n_strips == 2 ? GLU_STRIP_COLS : GLU_COLS);
    if (n_strips > 0) job->cols = job->cols / nr * nr;
}

void einf__linear_glu(const einf__compute *c, einf__acts *hidden, const einf__matrix *gate, const einf__matrix *up,
                      einf__glu kind, unsigned forms, const einf__acts *x)
{
    assert(gate->n_out == up->n_out && gate->n_in == x->width && up->n_in == x->width);
    einf__acts_begin(hidden, gate->n_out, x->n_cols, forms);
    glu_job job = { .c = c, .hidden = hidden, .gate = gate, .up = up, .x = x,
                    .gate_how = einf__how_of(c, gate->type, x->n_cols), .up_how = einf__how_of(c, up->type, x->n_cols),
                    .act = kind == EINF__SWIGLU ? c->kernels->swiglu : c->kernels->geglu };
    cut_glu(&job, forms);
    const int64_t n_chunks = einf__div_up_i64(gate->n_out, job.chunk_rows);
    const int64_t work = 2 * job.chunk_rows * gate->n_in * x->n_cols;
    einf__pool_run(c->pool, n_chunks, einf__grain(work), glu_chunks, &job);
}
