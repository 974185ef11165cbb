/* SPDX-License-Identifier: MIT
 * acts.h - what the drivers of this folder share: the activations buffer, which path a linear takes, and how work is
 * cut into pieces. Nobody outside engine/kernels includes it.
 */
#ifndef EINF_KERNELS_ACTS_H
#define EINF_KERNELS_ACTS_H

#include <assert.h>

#include "engine/kernels/verbs.h"

/* Columns of one width in up to two forms, packed by the width they have now. The f32 form has its memory whichever is
 * filled: columns are prepared as f32 before they become int8, and a linear_glu accumulates there. The int8 form has
 * room for as many columns as ever ask for it. */
struct einf__acts {
    float *f32;      /* [n_cols, width] */
    int8_t *q;       /* [n_cols, width]; int8 form: n_cols <= max_int8_cols */
    float *d;        /* [n_cols, width / 32] */
    int16_t *sum16;  /* [n_cols, width / 16] */
    int64_t max_width, max_cols, max_int8_cols;
    int64_t width, n_cols; /* of what is in the buffer now */
    unsigned forms;        /* EINF__ACTS_*: which of them are filled */
};

/** Say what the buffer is about to be filled with. */
static inline void einf__acts_begin(einf__acts *a, int64_t width, int64_t n_cols, unsigned forms)
{
    assert(width <= a->max_width && n_cols <= a->max_cols);
    assert(!(forms & EINF__ACTS_Q8) || (width % 32 == 0 && n_cols <= a->max_int8_cols));
    a->width = width;
    a->n_cols = n_cols;
    a->forms = forms;
}

/** View of columns [col, ..) in the one form that a dot reads. */
static inline einf__cols einf__acts_cols(const einf__acts *a, unsigned form, int64_t col)
{
    assert((a->forms & form) != 0);
    if (form == EINF__ACTS_F32)
        return (einf__cols){ .f32 = a->f32 + col * a->width, .f32_stride = a->width };
    return (einf__cols){ .q = a->q + col * a->width,
                         .d = a->d + col * (a->width / 32),
                         .sum16 = a->sum16 + col * (a->width / 16),
                         .q_stride = a->width,
                         .d_stride = a->width / 32 };
}

/** Quantise elements [begin, begin + n) of a column from x; begin and n multiples of 32. */
static inline void einf__acts_quantize(const einf__kernels *k, einf__acts *a, int64_t col, int64_t begin,
                                       const float *x, int64_t n)
{
    const int64_t at = col * a->width + begin;
    k->quantize_q8(a->q + at, a->d + at / 32, a->sum16 + at / 16, x, n);
}

/** Whether weights of a type meet n_cols columns as de-quantised panels, or row by row. */
bool einf__takes_panels(const einf__compute *c, einf__dtype type, int64_t n_cols);
/** The form of activations that this reads. */
unsigned einf__form_read(const einf__compute *c, einf__dtype type, int64_t n_cols);

/* Work of a piece below which handing it to another thread costs more than it saves, in multiply-adds: about 2 us of
 * an AVX2 dot. A region costs its caller 0.05 us while workers spin and 2 to 10 us when it has to wake one. */
#define EINF__PIECE_WORK ((int64_t)64 * 1024)
/* What an element of a norm, a rotation or a conversion counts in that unit. */
#define EINF__ELEMENT_WORK 8

/** Items a piece when an item is that much work. */
static inline int64_t einf__grain(int64_t item_work)
{
    return item_work >= EINF__PIECE_WORK ? 1 : EINF__PIECE_WORK / (item_work > 0 ? item_work : 1);
}

static inline int64_t einf__min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t einf__max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t einf__div_up_i64(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** Columns a piece for verbs that treat each column by itself: a few columns stay on the caller. */
static inline int64_t einf__column_grain(int64_t width)
{
    return einf__max_i64(4, einf__grain(width * EINF__ELEMENT_WORK));
}

#endif
