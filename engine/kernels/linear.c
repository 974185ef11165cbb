/* SPDX-License-Identifier: MIT
 * linear.c - matrix times columns: which way, how rows are cut into chunks, what happens to a chunk's results.
 *
 * Few columns take row dots, many take strips of int8 or panels of floats (linear_chunk.c). A chunk is as many rows as
 * are unpacked together, and goes through all columns of the batch while it is in cache; its bias, its activation or
 * gate, and the conversion to what the next linear reads follow at once.
 *
 * Invariant: an element is summed in an order that follows from shapes and constants, never from the number of threads
 * or the size of a chunk, so it has the same bits on any machine with the same kernels.
 */
#include "engine/kernels/linear_chunk.h"

enum {
    /* AUTO takes panels of floats from this many columns: a panel costs the de-quantising of every weight, which row
     * dots save, and then multiplies at the speed of an f32 GEMM. Measured with AVX2 on Zen 4, 2048 x 2048, the two are
     * even at 10 to 20 columns of types with small or no blocks (30 of Q8_0). Where there are no strips, the dots of
     * 256-blocks with int8 are as fast as that GEMM can ever be: panels take 15 % longer at 64 columns. */
    PANEL_MIN_COLS = 16,
    PANEL_MIN_COLS_256 = 64,
    PANEL_MIN_COLS_PLAIN = 2, /* of types whose dots are plain C: what is fast wins as soon as it has two columns */
    GLU_COLS = 512,        /* columns whose `up` half is held at once */
    GLU_STRIP_COLS = 128,  /* the same where both halves are strips, which are packed once for all of them */
    MIN_DOT_ROWS = 8,
    /* Weights of a row-dot chunk: threads read memory faster in long runs (by a sixth in runs of 128 KiB instead of 32,
     * two threads on Zen 4), and a second group of columns finds them in L2. */
    DOT_CHUNK_BYTES = 128 * 1024,
    STRIP_ROWS = 128,      /* most rows of a chunk of strips: tiles, which come from farther away, serve them all */
    CHUNKS_A_THREAD = 4,   /* or more, so that nobody waits long for the last */
    MAX_MATRICES = 3
};
_Static_assert(GLU_COLS * EINF__SLICE_ROWS <= EINF__UP_FLOATS, "slices have their `up` in one place");
_Static_assert(GLU_STRIP_COLS * STRIP_ROWS <= EINF__UP_FLOATS, "strips have it there, too");

/* ---------------------------------------------------------------------------------------------------- which -- */

static bool reads_f32(const einf__compute *c, einf__dtype type)
{
    return c->exact || einf__dtype_get(type)->acts == EINF__ACTS_F32;
}

/* Panels of floats in f32, or in 16 bits where the file has floats and the session asks for such sums. */
static einf__how float_panels(const einf__compute *c, einf__dtype type)
{
    const bool floats = einf__dtype_get(type)->acts == EINF__ACTS_F32;
    return c->float_sum != EINF__SUM_F32 && floats && !c->exact ? EINF__BY_NARROW : EINF__BY_FLOATS;
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
    if (how == EINF__BY_FLOATS || how == EINF__BY_NARROW || c->exact)
        return fair_rows(c, n_rows, 1) < EINF__SLICE_ROWS ? EINF__SLICE_ROWS / 2 : EINF__SLICE_ROWS;
    const int64_t fit = DOT_CHUNK_BYTES / (int64_t)w->row_bytes / MIN_DOT_ROWS * MIN_DOT_ROWS;
    const int64_t fair = fair_rows(c, n_rows, MIN_DOT_ROWS);
    return einf__max_i64(MIN_DOT_ROWS, einf__min_i64(einf__min_i64(fit, fair), EINF__MAX_DOT_ROWS));
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
    const einf__chunk_scratch s = einf__chunk_scratch_of(job->c, i_thread);
    int m = 0;
    for (int64_t i = begin; i < end; i++) {
        while (i >= job->first_chunk[m + 1]) m++;
        const einf__linear_out *o = &job->out[m];
        const int64_t row = (i - job->first_chunk[m]) * job->chunk_rows[m];
        einf__chunk b = { .c = job->c, .w = o->w, .x = job->x, .how = job->how[m], .row = row,
                    .n_rows = einf__min_i64(o->w->n_out - row, job->chunk_rows[m]) };
        einf__chunk_pack(&b, s.strips);
        einf__chunk_multiply(&b, &(einf__chunk_target){ o->y + row, o->w->n_out, o->add, 0, job->x->n_cols }, &s);
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
static void glu_rows(const glu_job *job, int64_t row, int64_t n_rows, const einf__chunk_scratch *s)
{
    einf__acts *hidden = job->hidden;
    einf__chunk gate = { .c = job->c, .w = job->gate, .x = job->x, .how = job->gate_how, .row = row, .n_rows = n_rows };
    einf__chunk up = gate;
    up.w = job->up;
    up.how = job->up_how;
    einf__chunk_pack(&gate, s->strips);
    einf__chunk_pack(&up, s->strips + s->strip_bytes / 2 / EINF__PANEL_ALIGN * EINF__PANEL_ALIGN);
    for (int64_t col = 0; col < job->x->n_cols; col += job->cols) {
        const int64_t n_cols = einf__min_i64(job->x->n_cols - col, job->cols);
        float *y = hidden->f32 + col * hidden->width + row;
        einf__chunk_multiply(&gate, &(einf__chunk_target){ y, hidden->width, false, col, n_cols }, s);
        einf__chunk_multiply(&up, &(einf__chunk_target){ s->up, n_rows, false, col, n_cols }, s);
        for (int64_t j = 0; j < n_cols; j++)
            job->act(y + j * hidden->width, y + j * hidden->width, s->up + j * n_rows, n_rows);
    }
}

static void glu_chunks(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const glu_job *job = arg;
    const einf__chunk_scratch s = einf__chunk_scratch_of(job->c, i_thread);
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
    const int64_t room = einf__chunk_scratch_of(job->c, 0).strip_bytes;
    const int64_t bytes = einf__min_i64(room, job->c->kernels->panel_shape.l2_bytes) / 2;
    return how == EINF__BY_STRIPS ? strip_rows(job->c, w, bytes, w->n_out) : chunk_rows_of(job->c, w, how, w->n_out);
}

/* How rows and columns are cut. Chunks end on groups of the hidden form, as the last row does. */
static void cut_glu(glu_job *job, unsigned forms)
{
    const int64_t nr = job->c->kernels->panel_shape.nr;
    const int n_strips = (job->gate_how == EINF__BY_STRIPS) + (job->up_how == EINF__BY_STRIPS);
    job->pair_rows = einf__min_i64(half_rows(job, job->gate, job->gate_how), half_rows(job, job->up, job->up_how));
    job->chunk_rows = round_up(job->pair_rows, einf__forms_unit(forms));
    job->cols = einf__min_i64(EINF__UP_FLOATS / job->pair_rows, n_strips == 2 ? GLU_STRIP_COLS : GLU_COLS);
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

/* ---------------------------------------------------------------------------------------------- activated -- */

typedef struct act_job {
    const einf__compute *c;
    einf__acts *hidden;
    const einf__matrix *w;
    einf__act_fn act;
    const einf__acts *x;
    einf__how how;
    int64_t chunk_rows; /* what becomes int8 together: a multiple of the hidden form's group */
    int64_t part_rows;  /* what is unpacked at once, at most chunk_rows */
} act_job;

/* Rows [row, row + n_rows) of the hidden columns, as f32. */
static void act_rows(const act_job *job, int64_t row, int64_t n_rows, const einf__chunk_scratch *s)
{
    const einf__acts *hidden = job->hidden;
    einf__chunk b = { .c = job->c, .w = job->w, .x = job->x, .how = job->how, .row = row, .n_rows = n_rows };
    float *y = hidden->f32 + row;
    einf__chunk_pack(&b, s->strips);
    einf__chunk_multiply(&b, &(einf__chunk_target){ y, hidden->width, false, 0, job->x->n_cols }, s);
    for (int64_t j = 0; j < job->x->n_cols; j++) job->act(y + j * hidden->width, n_rows);
}

static void act_chunks(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const act_job *job = arg;
    const einf__chunk_scratch s = einf__chunk_scratch_of(job->c, i_thread);
    for (int64_t i = begin; i < end; i++) {
        const int64_t first = i * job->chunk_rows, row_end = einf__min_i64(job->w->n_out, first + job->chunk_rows);
        for (int64_t row = first; row < row_end; row += job->part_rows)
            act_rows(job, row, einf__min_i64(row_end - row, job->part_rows), &s);
        einf__acts_quantize(job->c->kernels, job->hidden, job->hidden->f32, 0, job->x->n_cols, first, row_end - first);
    }
}

void einf__linear_act(const einf__compute *c, einf__acts *hidden, const einf__matrix *w, einf__act act, unsigned forms,
                      const einf__acts *x)
{
    const einf__act_fn fn[EINF__N_ACTS] = { [EINF__ACT_QUICK_GELU] = c->kernels->quick_gelu,
                                            [EINF__ACT_GELU] = c->kernels->gelu, [EINF__ACT_SILU] = c->kernels->silu };
    assert(w->n_in == x->width);
    einf__acts_begin(hidden, w->n_out, x->n_cols, forms);
    act_job job = { .c = c, .hidden = hidden, .w = w, .act = fn[act], .x = x,
                    .how = einf__how_of(c, w->type, x->n_cols) };
    job.part_rows = chunk_rows_of(c, w, job.how, w->n_out);
    job.chunk_rows = round_up(job.part_rows, einf__forms_unit(forms));
    const int64_t n_chunks = einf__div_up_i64(w->n_out, job.chunk_rows);
    einf__pool_run(c->pool, n_chunks, einf__grain(job.chunk_rows * w->n_in * x->n_cols), act_chunks, &job);
}
