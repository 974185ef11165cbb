/* SPDX-License-Identifier: MIT
 * linear_chunk.h - some rows of a matrix, the scratch they are unpacked in, and where their product goes. Private to
 * linear.c, which cuts matrices into chunks, and linear_chunk.c, which multiplies them.
 */
#ifndef EINF_KERNELS_LINEAR_CHUNK_H
#define EINF_KERNELS_LINEAR_CHUNK_H

#include "engine/kernels/acts.h"

enum {
    /* A slice of floats, [EINF__SLICE_ROWS, EINF__SLICE_DEPTH] = 128 KiB: a quarter of the smallest L2 we care for
     * (512 KiB, Cortex-A76), as are the panels that it becomes. The depth is a multiple of every block size. */
    EINF__SLICE_ROWS = 64,
    EINF__SLICE_DEPTH = 512,
    EINF__MAX_DOT_ROWS = 256, /* of a chunk for row dots */
    EINF__UP_FLOATS = 512 * EINF__SLICE_ROWS
};

/* A thread's scratch. */
typedef struct einf__chunk_scratch {
    float *slice;     /* [SLICE_ROWS, SLICE_DEPTH] */
    float *panels;    /* the same, packed: panels of floats, or of 16-bit numbers in the first half of it */
    float *row_scale; /* [SLICE_ROWS] of 16-bit numbers */
    float *tile;      /* what cannot go straight to where it belongs */
    float *up;        /* [EINF__UP_FLOATS]: one half of what a gated linear multiplies */
    uint8_t *strips;  /* strip_bytes */
    int64_t strip_bytes;
} einf__chunk_scratch;
einf__chunk_scratch einf__chunk_scratch_of(const einf__compute *c, int32_t i_thread);

/* Rows [row, row + n_rows) of w, which will meet columns of x. n_rows: at most EINF__SLICE_ROWS in panels,
 * and in exact mode; EINF__MAX_DOT_ROWS of row dots; of strips what their memory holds. */
typedef struct einf__chunk {
    const einf__compute *c;
    const einf__matrix *w;
    const einf__acts *x;
    einf__how how;
    int64_t row, n_rows;
    uint8_t *strips; /* set by einf__chunk_pack */
} einf__chunk;

/* Where the product with columns [col, col + n_cols) goes: y[j * stride + i] for row i of the chunk and column col + j;
 * added to what is there, or not. */
typedef struct einf__chunk_target {
    float *y;
    int64_t stride;
    bool add;
    int64_t col, n_cols;
} einf__chunk_target;

/** Unpack what is unpacked once for all columns: strips, side by side in `strips`. Of other chunks nothing. */
void einf__chunk_pack(einf__chunk *b, uint8_t *strips);
/** The product of a packed chunk with some columns, and the bias. Of strips, t->col is a multiple of nr. */
void einf__chunk_multiply(const einf__chunk *b, const einf__chunk_target *t, const einf__chunk_scratch *s);

#endif
