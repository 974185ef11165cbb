/* SPDX-License-Identifier: MIT
 * acts.h - what the drivers of this folder share: the activations buffer, which path a linear takes, and how work is
 * cut into pieces. Nobody outside engine/kernels includes it.
 */
#ifndef EINF_KERNELS_ACTS_H
#define EINF_KERNELS_ACTS_H

#include <assert.h>

#include "engine/kernels/verbs.h"

/* Columns of one width in up to four forms, packed by the width they have now: f32, int8 by columns (what row dots
 * read), int8 by tiles (what strips meet) and numbers in 16 bits (narrow.h). The f32 form has its memory whichever is
 * filled: columns are prepared as f32 before they become another, and a linear_glu accumulates there. The others have
 * room for as many columns as ever ask for them. */
struct einf__acts {
    float *f32;            /* [n_cols, width] */
    int8_t *q;             /* [n_cols, width] */
    float *d;              /* [n_cols, width / 32] */
    int16_t *sum16;        /* [n_cols, width / 16] */
    int8_t *tile_q;        /* tiles one behind the other: a tile begins where its first column would alone, */
    float *tile_d;         /* and so it does here, where a column is width / group long */
    int32_t *tile_start;
    float *tile_dsum;
    uint16_t *narrow;      /* [n_cols, einf__narrow_stride(width)]: halves, or int16_t */
    float *narrow_scale;   /* [n_cols, einf__narrow_groups(width)] */
    einf__acts_room room;
    int64_t width, n_cols; /* of what is in the buffer now */
    unsigned forms;        /* EINF__ACTS_*: which of them are filled */
};

/* The forms in tiles, by group size; a buffer holds at most one of them. */
enum {
    EINF__ACTS_TILES_32 = 4,
    EINF__ACTS_TILES_64 = 8,
    EINF__ACTS_TILES_128 = 16,
    EINF__ACTS_TILES = EINF__ACTS_TILES_32 | EINF__ACTS_TILES_64 | EINF__ACTS_TILES_128,
    EINF__ACTS_F16 = 32, /* numbers in 16 bits; a buffer holds at most one kind */
    EINF__ACTS_I16 = 64,
    EINF__ACTS_NARROW = EINF__ACTS_F16 | EINF__ACTS_I16
};

/** Group size of the tiles among the forms; 0: there are none. */
static inline int32_t einf__tiles_group(unsigned forms)
{
    if (forms & EINF__ACTS_TILES_128) return 128;
    if (forms & EINF__ACTS_TILES_64) return 64;
    return forms & EINF__ACTS_TILES_32 ? 32 : 0;
}

/** The elements that become int8 or numbers in 16 bits together: what is quantised begins at a multiple of them. */
static inline int64_t einf__forms_unit(unsigned forms)
{
    const int64_t tiles = einf__tiles_group(forms), unit = forms & EINF__ACTS_NARROW ? EINF__NARROW_GROUP : 32;
    return tiles > unit ? tiles : unit;
}

/** Columns in 16 bits are a cache line farther apart than they are long: eight are read side by side, and where their
 *  distance was a power of two they would share the few places that an L1 has for such addresses. */
static inline int64_t einf__narrow_stride(int64_t width) { return width + 32; }
static inline int64_t einf__narrow_groups(int64_t width)
{
    return (width + EINF__NARROW_GROUP - 1) / EINF__NARROW_GROUP;
}

/** Say what the buffer is about to be filled with. */
static inline void einf__acts_begin(einf__acts *a, int64_t width, int64_t n_cols, unsigned forms)
{
    assert(width <= a->room.width && n_cols <= a->room.cols);
    assert(!(forms & EINF__ACTS_Q8) || (width % 32 == 0 && n_cols <= a->room.row_cols));
    assert(!(forms & EINF__ACTS_TILES) || (width % einf__tiles_group(forms) == 0 && n_cols <= a->room.tile_cols));
    assert(!(forms & EINF__ACTS_NARROW) || n_cols <= a->room.narrow_cols);
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

/** Columns [col, ..) in 16 bits, from element `begin` on, a multiple of EINF__NARROW_GROUP. */
static inline einf__narrow_cols einf__acts_narrow(const einf__acts *a, int64_t col, int64_t begin)
{
    assert((a->forms & EINF__ACTS_NARROW) != 0);
    const int64_t stride = einf__narrow_stride(a->width), groups = einf__narrow_groups(a->width);
    return (einf__narrow_cols){ .x = a->narrow + col * stride + begin,
                           .scale = a->narrow_scale + col * groups + begin / EINF__NARROW_GROUP,
                           .stride = stride,
                           .scale_stride = groups };
}

/** The tile of columns [col, ..), from element `begin` on; col a multiple of nr, begin of the group. */
static inline einf__tile einf__acts_tile(const einf__acts *a, const einf__panel_shape *s, int64_t col, int64_t begin)
{
    const int64_t left = a->n_cols - col, group = einf__tiles_group(a->forms);
    const int64_t n_cols = left >= s->nr ? s->nr : (left + s->nr_unit - 1) / s->nr_unit * s->nr_unit;
    const int64_t at = col * (a->width / group) + begin / group * n_cols;
    return (einf__tile){ .q = a->tile_q + col * a->width + begin * n_cols,
                         .d = a->tile_d + at,
                         .start = a->tile_start + at,
                         .dsum = a->tile_dsum + at,
                         .n_cols = (int32_t)n_cols };
}

/** Elements [begin, begin + n) of columns [col, col_end) to the forms of 8 and 16 bits that are asked for. x: of the
 *  buffer's width and all its columns. begin: a multiple of einf__forms_unit; so is n, or it goes to the end. For
 *  tiles, col is a multiple of nr, and so is col_end or it is n_cols. */
void einf__acts_quantize(const einf__kernels *k, einf__acts *a, const float *x, int64_t col, int64_t col_end,
                         int64_t begin, int64_t n);

/* How a matrix meets its columns. */
typedef enum einf__how {
    EINF__BY_DOTS,   /* row dots on the file's blocks; in exact mode on de-quantised rows */
    EINF__BY_STRIPS, /* packed to int8 strips, against tiles */
    EINF__BY_FLOATS, /* de-quantised to panels, against f32 columns */
    EINF__BY_NARROW  /* floats packed to panels of 16-bit numbers, against columns of such */
} einf__how;
einf__how einf__how_of(const einf__compute *c, einf__dtype type, int64_t n_cols);
/** What a type is packed to when its columns are tiles of that group. */
einf__panel_form einf__strip_form(const einf__kernels *k, einf__dtype type, int32_t group);
/** The form of activations that a matrix reads of so many columns. */
unsigned einf__form_read(const einf__compute *c, const einf__matrix *w, int64_t n_cols);

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
