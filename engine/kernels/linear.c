/* SPDX-License-Identifier: MIT
 * linear.c - matrix times columns: which path, how rows are cut into chunks, what happens to a chunk's results.
 *
 * Few columns: row dots on the file's own blocks. Many columns: a chunk's rows are de-quantised slice by slice into
 * the thread's panel, which then meets all columns. Exact mode de-quantises on both paths and differs only in what
 * multiplies the panel: f32 row dots or the GEMM slot.
 *
 * Invariant: chunks, slices and tiles follow from shapes and constants, never from the number of threads, so every
 * element is summed in the same order on any machine with the same kernels.
 */
#include "engine/kernels/acts.h"

enum {
    /* AUTO takes panels from this many columns: a panel costs the de-quantising of every weight, which row dots save,
     * and then multiplies at the speed of an f32 GEMM. Measured with AVX2 on Zen 4, 2048 x 2048, the two are even at
     * 10 to 20 columns of types with small or no blocks (30 of Q8_0). The dots of 256-blocks with int8 are as fast as
     * that GEMM can ever be: panels take 15 % longer at 64 columns and 5 % at 512, for which activations stay exact. */
    PANEL_MIN_COLS = 16,
    PANEL_MIN_COLS_256 = 64,
    PANEL_MIN_COLS_PLAIN = 2, /* of types whose dots are plain C: a fast GEMM wins as soon as it has two columns */
    /* A panel slice, [PANEL_ROWS, PANEL_DEPTH] f32 = 128 KiB: a quarter of the smallest L2 we care for (512 KiB,
     * Cortex-A76). The depth is a multiple of every block size. */
    PANEL_ROWS = 64,
    PANEL_DEPTH = 512,
    PANEL_FEW_ROWS = 1024, /* matrices with fewer rows are cut in half chunks, so that all threads get some */
    TILE_COLS = 128,       /* columns a GEMM call; what cannot go straight to y passes through a tile of them */
    GLU_COLS = 512,        /* columns whose `up` half is held at once */
    GLU_DOT_ROWS = 32,     /* rows of gate and of up a chunk on the row-dot path; chunks end on int8 groups */
    MAX_CHUNK_ROWS = 64,   /* PANEL_ROWS, and the most that a row-dot chunk takes */
    MIN_CHUNK_ROWS = 8,
    DOT_CHUNK_BYTES = 32 * 1024, /* of weights a row-dot chunk: stays in L1 for a second group of columns */
    MAX_MATRICES = 3
};

static bool reads_f32(const einf__compute *c, einf__dtype type)
{
    return c->exact || einf__dtype_get(type)->acts == EINF__ACTS_F32;
}

bool einf__takes_panels(const einf__compute *c, einf__dtype type, int64_t n_cols)
{
    if (c->path != EINF__PATH_AUTO) return c->path == EINF__PATH_PANELS;
    if (c->kernels->plain_dot[type]) return n_cols >= PANEL_MIN_COLS_PLAIN;
    return n_cols >= (!c->exact && einf__dtype_get(type)->block_elems == 256 ? PANEL_MIN_COLS_256 : PANEL_MIN_COLS);
}

unsigned einf__form_read(const einf__compute *c, einf__dtype type, int64_t n_cols)
{
    return reads_f32(c, type) || einf__takes_panels(c, type, n_cols) ? EINF__ACTS_F32 : EINF__ACTS_Q8;
}

int64_t einf__max_int8_cols(einf__path path, bool exact, int64_t max_cols)
{
    if (exact || path == EINF__PATH_PANELS) return 0;
    return path == EINF__PATH_ROWS ? max_cols : einf__min_i64(max_cols, PANEL_MIN_COLS_256 - 1);
}

void einf__compute_lay_out(einf__arena *a, einf__compute *c, int32_t n_threads, int64_t max_cols)
{
    const int64_t glu_cols = einf__min_i64(einf__max_i64(max_cols, 1), GLU_COLS);
    c->panel_floats = PANEL_ROWS * (PANEL_DEPTH + TILE_COLS + glu_cols);
    c->panels = einf__arena_take(a, (uint64_t)n_threads, (uint64_t)c->panel_floats * sizeof(float));
}

/* A thread's panel buffer, cut up. */
typedef struct scratch {
    float *panel; /* [PANEL_ROWS, PANEL_DEPTH] */
    float *tile;  /* [TILE_COLS, PANEL_ROWS] */
    float *up;    /* [glu_cols, PANEL_ROWS] */
    int64_t glu_cols;
} scratch;

static scratch scratch_of(const einf__compute *c, int32_t i_thread)
{
    float *base = c->panels + i_thread * c->panel_floats;
    float *tile = base + PANEL_ROWS * PANEL_DEPTH;
    float *up = tile + TILE_COLS * PANEL_ROWS;
    return (scratch){ base, tile, up, c->panel_floats / PANEL_ROWS - PANEL_DEPTH - TILE_COLS };
}

/* ------------------------------------------------------------------------------------------------ one chunk -- */

/* Rows [row, row + n_rows) of w times columns [col, col + n_cols) of x. */
typedef struct chunk {
    const einf__compute *c;
    const einf__matrix *w;
    const einf__acts *x;
    int64_t row, n_rows; /* n_rows in 1..MAX_CHUNK_ROWS */
    int64_t col, n_cols;
    bool panels;
} chunk;

/* Where the product goes: y[j * stride + i] for row i and column j of the chunk; added to what is there, or not. */
typedef struct target {
    float *y;
    int64_t stride;
    bool add;
} target;

static void add_tile(const einf__kernels *k, const target *t, int64_t col, int64_t n_cols, const float *tile,
                     int64_t n_rows)
{
    for (int64_t j = 0; j < n_cols; j++) k->add(t->y + (col + j) * t->stride, tile + j * n_rows, n_rows);
}

/* Row dots on the weights as they lie in the file. */
static void multiply_by_dots(const chunk *b, const target *t)
{
    float tile[EINF__MAX_DOT_COLS * MAX_CHUNK_ROWS];
    const einf__matrix *w = b->w;
    const einf__kernels *k = b->c->kernels;
    const unsigned form = einf__dtype_get(w->type)->acts;
    const uint8_t *rows = (const uint8_t *)w->data + (size_t)b->row * w->row_bytes;
    for (int64_t j = 0; j < b->n_cols; j += EINF__MAX_DOT_COLS) {
        const int n = (int)einf__min_i64(b->n_cols - j, EINF__MAX_DOT_COLS);
        const einf__cols x = einf__acts_cols(b->x, form, b->col + j);
        if (t->add) {
            k->dot[w->type](tile, b->n_rows, rows, w->row_bytes, b->n_rows, w->n_in, &x, n);
            add_tile(k, t, j, n, tile, b->n_rows);
        } else {
            k->dot[w->type](t->y + j * t->stride, t->stride, rows, w->row_bytes, b->n_rows, w->n_in, &x, n);
        }
    }
}

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
static slice take_slice(const chunk *b, int64_t begin, float *panel)
{
    const einf__matrix *w = b->w;
    const int64_t depth = einf__min_i64(w->n_in - begin, PANEL_DEPTH);
    const uint8_t *rows = (const uint8_t *)w->data + (size_t)b->row * w->row_bytes +
                          einf__dtype_row_bytes(w->type, (uint64_t)begin);
    if (is_aligned_f32(w))
        return (slice){ (const float *)(const void *)rows, (int64_t)(w->row_bytes / sizeof(float)), begin, depth };
    for (int64_t i = 0; i < b->n_rows; i++)
        b->c->kernels->to_f32[w->type](panel + i * depth, rows + (size_t)i * w->row_bytes, depth);
    return (slice){ panel, depth, begin, depth };
}

/* y[j * stride + i] = slice row i . column col + j, for up to TILE_COLS columns. */
static void multiply_slice(const chunk *b, const slice *s, int64_t col, int64_t n_cols, float *y, int64_t stride)
{
    const einf__kernels *k = b->c->kernels;
    const int64_t width = b->x->width;
    const float *x = b->x->f32 + (b->col + col) * width + s->begin;
    assert((b->x->forms & EINF__ACTS_F32) != 0);
    if (b->panels) {
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
    for (int64_t begin = 0; begin < b->w->n_in; begin += PANEL_DEPTH) {
        const slice part = take_slice(b, begin, s->panel);
        for (int64_t j = 0; j < b->n_cols; j += TILE_COLS) {
            const int64_t n_cols = einf__min_i64(b->n_cols - j, TILE_COLS);
            if (begin == 0 && !t->add) {
                multiply_slice(b, &part, j, n_cols, t->y + j * t->stride, t->stride);
            } else {
                multiply_slice(b, &part, j, n_cols, s->tile, b->n_rows);
                add_tile(b->c->kernels, t, j, n_cols, s->tile, b->n_rows);
            }
        }
    }
}

/* The whole of a chunk: product and bias. */
static void multiply_chunk(const chunk *b, const target *t, const scratch *s)
{
    if (b->panels || b->c->exact) multiply_by_slices(b, t, s);
    else multiply_by_dots(b, t);
    if (!b->w->bias) return;
    for (int64_t j = 0; j < b->n_cols; j++)
        b->c->kernels->add(t->y + j * t->stride, b->w->bias + b->row, b->n_rows);
}

/* -------------------------------------------------------------------------------------------------- linear -- */

static int64_t chunk_rows_of(const einf__matrix *w, bool panels)
{
    if (panels) return w->n_out < PANEL_FEW_ROWS ? PANEL_ROWS / 2 : PANEL_ROWS;
    const int64_t n = DOT_CHUNK_BYTES / (int64_t)w->row_bytes / MIN_CHUNK_ROWS * MIN_CHUNK_ROWS;
    return einf__max_i64(MIN_CHUNK_ROWS, einf__min_i64(n, MAX_CHUNK_ROWS));
}

/* The chunks of all matrices in one row of items: matrix i has items [first_chunk[i], first_chunk[i + 1]). */
typedef struct linear_job {
    const einf__compute *c;
    const einf__linear_out *out;
    const einf__acts *x;
    bool panels[MAX_MATRICES];
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
        const chunk b = { .c = job->c, .w = o->w, .x = job->x, .panels = job->panels[m], .row = row,
                          .n_rows = einf__min_i64(o->w->n_out - row, job->chunk_rows[m]),
                          .col = 0, .n_cols = job->x->n_cols };
        multiply_chunk(&b, &(target){ o->y + row, o->w->n_out, o->add }, &s);
    }
}

void einf__linear(const einf__compute *c, const einf__linear_out *out, int n_out, const einf__acts *x)
{
    linear_job job = { .c = c, .out = out, .x = x };
    int64_t n_chunks = 0, work = 0;
    assert(n_out <= MAX_MATRICES);
    for (int i = 0; i < n_out; i++) {
        const einf__matrix *w = out[i].w;
        job.first_chunk[i] = n_chunks;
        job.first_chunk[i + 1] = n_chunks;
        if (!w || !w->data) continue;
        assert(w->n_in == x->width);
        job.panels[i] = einf__takes_panels(c, w->type, x->n_cols);
        job.chunk_rows[i] = chunk_rows_of(w, job.panels[i]);
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
    bool gate_panels, up_panels;
    int64_t chunk_rows;
} glu_job;

/* Rows [row, row + n_rows) of the hidden columns: gate is accumulated in place, up beside it. */
static void glu_rows(const glu_job *job, int64_t row, int64_t n_rows, const scratch *s)
{
    const einf__kernels *k = job->c->kernels;
    einf__acts *hidden = job->hidden;
    for (int64_t col = 0; col < job->x->n_cols; col += s->glu_cols) {
        const int64_t n_cols = einf__min_i64(job->x->n_cols - col, s->glu_cols);
        float *y = hidden->f32 + col * hidden->width + row;
        chunk b = { .c = job->c, .w = job->gate, .x = job->x, .panels = job->gate_panels, .row = row,
                    .n_rows = n_rows, .col = col, .n_cols = n_cols };
        multiply_chunk(&b, &(target){ y, hidden->width, false }, s);
        b.w = job->up;
        b.panels = job->up_panels;
        multiply_chunk(&b, &(target){ s->up, n_rows, false }, s);
        for (int64_t j = 0; j < n_cols; j++) {
            float *h = y + j * hidden->width;
            job->act(h, h, s->up + j * n_rows, n_rows);
            if (hidden->forms & EINF__ACTS_Q8) einf__acts_quantize(k, hidden, col + j, row, h, n_rows);
        }
    }
}

static void glu_chunks(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const glu_job *job = arg;
    const scratch s = scratch_of(job->c, i_thread);
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = i * job->chunk_rows;
        glu_rows(job, row, einf__min_i64(job->gate->n_out - row, job->chunk_rows), &s);
    }
}

void einf__linear_glu(const einf__compute *c, einf__acts *hidden, const einf__matrix *gate, const einf__matrix *up,
                      einf__glu kind, unsigned forms, const einf__acts *x)
{
    assert(gate->n_out == up->n_out && gate->n_in == x->width && up->n_in == x->width);
    einf__acts_begin(hidden, gate->n_out, x->n_cols, forms);
    glu_job job = { .c = c, .hidden = hidden, .gate = gate, .up = up, .x = x,
                    .act = kind == EINF__SWIGLU ? c->kernels->swiglu : c->kernels->geglu };
    job.gate_panels = einf__takes_panels(c, gate->type, x->n_cols);
    job.up_panels = einf__takes_panels(c, up->type, x->n_cols);
    job.chunk_rows = job.gate_panels && job.up_panels ? chunk_rows_of(gate, true) : GLU_DOT_ROWS;
    const int64_t n_chunks = einf__div_up_i64(gate->n_out, job.chunk_rows);
    const int64_t work = 2 * job.chunk_rows * gate->n_in * x->n_cols;
    einf__pool_run(c->pool, n_chunks, einf__grain(work), glu_chunks, &job);
}
