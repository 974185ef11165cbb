/* SPDX-License-Identifier: MIT
 * verbs.h - the four verbs in which a forward pass speaks: norm, linear, attention, and logits (a linear whose rows
 * are chosen). No verb names a weight type, an instruction set or a thread.
 *
 * Between norm and linear travel activations: an opaque buffer that holds, for the same columns, whatever forms the
 * weights ask for: f32, and int8 in groups of 32 with their sums. Fast kernels add forms and replace drivers here
 * without a change to forward.c.
 *
 * Shapes: a column is a token. x: [n_cols, width], row-major, width contiguous. All verbs run in the pool, which the
 * caller has acquired, and none fails or allocates. Results do not depend on the number of threads.
 */
#ifndef EINF_KERNELS_VERBS_H
#define EINF_KERNELS_VERBS_H

#include <stdbool.h>

#include "engine/base/arena.h"
#include "engine/base/threads.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/kv_view.h"

/* How a linear multiplies. AUTO: row dots for few columns, panels for many. PANELS: int8 strips and tiles (panel.h), in
 * the types' own groups or in those of a size; FLOATS: de-quantised panels. Types without codes, and all types in exact
 * mode, have panels of floats alone. */
typedef enum einf__path {
    EINF__PATH_AUTO,
    EINF__PATH_ROWS,
    EINF__PATH_PANELS,
    EINF__PATH_PANELS_32,
    EINF__PATH_PANELS_64,
    EINF__PATH_PANELS_128,
    EINF__PATH_FLOATS,
    EINF__N_PATHS
} einf__path;

/* Attention's scratch: private to attention.c and attention_tiles.c. */
typedef struct einf__attention_scratch {
    float *tiles;            /* [n_threads, tile_floats] */
    int64_t tile_floats;
    float *part_out;         /* [EINF__MAX_KEY_PARTS, n_head, v_dim]: one column's */
    einf__softmax *part_state; /* [EINF__MAX_KEY_PARTS, n_head] */
} einf__attention_scratch;
#define EINF__MAX_KEY_PARTS 16

/* What the verbs work with: kernels, threads and the threads' panel buffers. Carved with the session. */
typedef struct einf__compute {
    const einf__kernels *kernels;
    einf__pool *pool;
    einf__path path;
    bool exact;            /* f32 activations against de-quantised weights, whatever the type */
    einf__float_sum float_sum; /* panels are in 16 bits where the weights are floats in the file; not if exact */
    uint8_t *scratch;      /* [n_threads, scratch_bytes]; private to linear_chunk.c */
    int64_t scratch_bytes;
    einf__attention_scratch attention;
} einf__compute;

/** Carve what n_threads need to multiply batches of at most max_cols columns, of at most max_width elements. kernels,
 *  path and exact are set. */
void einf__compute_lay_out(einf__arena *a, einf__compute *c, int32_t n_threads, int64_t max_cols, int64_t max_width);

/* The most columns that a buffer of activations will hold: in all, and in each of the smaller forms. */
typedef struct einf__acts_room {
    int64_t cols, row_cols, tile_cols, narrow_cols;
    int64_t width; /* set by einf__acts_carve */
} einf__acts_room;
/** What batches of max_cols columns can ask for under these settings; kernels are not looked at. */
einf__acts_room einf__acts_room_of(const einf__compute *c, int64_t max_cols);

typedef struct einf__acts einf__acts;
/** Carve a buffer for columns of at most max_width: layers may differ in width, and the verb that fills the buffer says
 *  which it is this time. NULL while counting. */
einf__acts *einf__acts_carve(einf__arena *a, int64_t max_width, const einf__acts_room *room);

/* A weight matrix in the file: n_out rows of n_in. */
typedef struct einf__matrix {
    const void *data;      /* NULL: no such matrix */
    einf__dtype type;
    int64_t n_in, n_out;
    size_t row_bytes;
    const float *bias;     /* [n_out] or NULL; f32 and aligned, copied at load where the file's is not */
} einf__matrix;

/** Activations of RMS-normed columns: acts = rms_norm(x) * weight, x: [n_cols, width]. weight NULL: the columns as
 *  they are.
 *  forms: EINF__ACTS_* that the coming linears ask for (einf__acts_forms). */
void einf__norm(const einf__compute *c, einf__acts *acts, const float *x, int64_t n_cols, int64_t width,
                const float *weight, float eps, unsigned forms);
/** The same by LayerNorm, whose weight and bias are [width]. */
void einf__layer_norm(const einf__compute *c, einf__acts *acts, const float *x, int64_t n_cols, int64_t width,
                      const float *weight, const float *bias, float eps, unsigned forms);
/** Forms that linears over these matrices read, for this many columns. */
unsigned einf__acts_forms(const einf__compute *c, const einf__matrix *const *w, int n, int64_t n_cols);

/** x += rms_norm(y) * weight, column by column: the norm after a block (Gemma). y is overwritten. */
void einf__norm_add(const einf__compute *c, float *x, float *y, int64_t n_cols, int64_t width, const float *weight,
                    float eps);
/** RMS-norm each head of each column in place (q/k norms): heads of head_dim, x: [n_cols, n_head, head_dim]. */
void einf__norm_heads(const einf__compute *c, float *x, int64_t n_cols, int64_t n_head, int64_t head_dim,
                      const float *weight, float eps);

/** x = layer_norm(x), column by column: where what follows takes several columns as one. */
void einf__layer_norm_columns(const einf__compute *c, float *x, int64_t n_cols, int64_t width, const float *weight,
                              const float *bias, float eps);

typedef struct einf__linear_out {
    const einf__matrix *w;
    float *y;              /* [n_cols, n_out] */
    bool add;              /* y += instead of y = : the residual */
} einf__linear_out;
/** y_i = W_i x + bias_i for up to 3 matrices with the same input, as one region. */
void einf__linear(const einf__compute *c, const einf__linear_out *out, int n_out, const einf__acts *x);

typedef enum einf__glu { EINF__SWIGLU, EINF__GEGLU } einf__glu;
/** hidden = act(gate x) * (up x), written as activations of the given forms. gate->n_out == up->n_out. */
void einf__linear_glu(const einf__compute *c, einf__acts *hidden, const einf__matrix *gate, const einf__matrix *up,
                      einf__glu kind, unsigned forms, const einf__acts *x);

typedef enum einf__act { EINF__ACT_QUICK_GELU, EINF__ACT_GELU, EINF__ACT_SILU, EINF__N_ACTS } einf__act;
/** hidden = act(W x + bias), written as activations of the given forms. Many columns are best given 512 at a time, all
 *  verbs of a layer but attention for each: with 256 or 1024 they take 2 to 6 % longer, with 3700 at once a sixth
 *  (widths of 1280 and 5120, F16, Zen 4). What they read and write then stays in cache, and its pages in the TLB. */
void einf__linear_act(const einf__compute *c, einf__acts *hidden, const einf__matrix *w, einf__act act, unsigned forms,
                      const einf__acts *x);

/* Rotation of every head of every column by its position: cos, sin [n_cols, n_pairs]. */
void einf__rope(const einf__compute *c, bool neox, float *x, int64_t n_cols, int64_t n_head, int64_t head_dim,
                const float *cos, const float *sin, int64_t n_pairs);

/** Store n_cols columns as rows [first, first + n_cols) of a layer's keys and values, rounding to their type.
 *  k: [n_cols, n_head_kv * k_dim], v: [n_cols, n_head_kv * v_dim]. */
void einf__kv_store(const einf__compute *c, const einf__kv_view *kv, int64_t first, int64_t n_cols, const float *k,
                    const float *v);

/** Carve attention's scratch for n_threads and for layers of at most n_head query heads of these sizes. */
void einf__attention_lay_out(einf__arena *a, einf__compute *c, int32_t n_threads, int64_t n_head, int64_t k_dim,
                             int64_t v_dim);
/* Attention of n_cols columns: causal, where they are the last rows of the cache view; or of all rows, as a picture's
 * patches look at one another. */
typedef struct einf__attention_job {
    float *out;            /* [n_cols, n_head * v_dim]; may be q where v_dim is k_dim */
    const float *q;        /* [n_cols, n_head * k_dim] */
    const einf__kv_view *kv;
    int64_t n_cols;
    int64_t first;         /* timeline index of column 0; j sees keys [max(0, first + j - window + 1), first + j] */
    int64_t window;        /* 0: all */
    int64_t n_keys;        /* 0: causal. Else every column sees keys [0, n_keys), and first and window are 0 */
    int32_t n_head;
    float scale;
    float softcap;         /* 0: none; see einf__attend */
} einf__attention_job;
void einf__attention(const einf__compute *c, const einf__attention_job *job);

/** x = cap * tanh(x / cap), element by element: the cap on logits (Gemma 2, arXiv 2408.00118). cap > 0. */
void einf__softcap(const einf__compute *c, float *x, int64_t n, float cap);

/** Embedding rows: y[j, :] = scale * de-quantised row ids[j] of the table. ids are in range. */
void einf__embed(const einf__compute *c, float *y, const einf__matrix *table, const int32_t *ids, int64_t n_cols,
                 float scale);

#endif
