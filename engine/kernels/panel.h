/* SPDX-License-Identifier: MIT
 * panel.h - what an int8 GEMM multiplies: strips of weights and tiles of activations, and how both lie in memory.
 *
 * The shape is BLIS's (arXiv 1404.1345, Van Zee and van de Geijn): a strip holds mr rows, a tile nr columns, both over
 * the whole depth and in the order in which one multiplier of an instruction set reads them. Strips are packed from the
 * file's blocks when they are needed, once a batch; nothing is repacked at load, so the file stays mapped and shared.
 *
 * A form says what a code of a strip means; a scale serves one row and one group of elements:
 *   PANEL_32          w = scale * code, |code| <= 128; groups of 32
 *   PANEL_32M         w = scale * code - min, code in 0..31; groups of 32 (formats with stored minima, as they are)
 *   PANEL_64, _128    as PANEL_32, in groups of 64 and 128: rounded to int8 once more, and cheaper to multiply
 *   PANEL_32M4        as PANEL_32M, code in 0..15: more of their products fit in 16 bits
 *   PANEL_16          w = scale * factor * code, code in -32..31, factor in -128..127 for each 16 elements; groups of
 *                     32 (formats with such codes, as they are)
 * The last two are for instruction sets that gain from them, which name them in einf__kernels.panel_form; the slots
 * that multiply the others' strips in these forms are of no use.
 * A tile has the group size of the strips that it meets: x = d * q, d = max|x| / 127 over the group.
 */
#ifndef EINF_KERNELS_PANEL_H
#define EINF_KERNELS_PANEL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum einf__panel_form {
    EINF__PANEL_NONE, /* floats have no codes */
    EINF__PANEL_32,
    EINF__PANEL_32M,
    EINF__PANEL_64,
    EINF__PANEL_128,
    EINF__PANEL_32M4,
    EINF__PANEL_16,
    EINF__N_PANEL_FORMS
} einf__panel_form;

static inline int32_t einf__panel_group(einf__panel_form form)
{
    return form == EINF__PANEL_128 ? 128 : form == EINF__PANEL_64 ? 64 : 32;
}

/* How one instruction set wants both sides. Every row count is a multiple of 8, so that each array below begins
 * where the next one may. */
typedef struct einf__panel_shape {
    int32_t mr;        /* rows of a strip: a multiple of 8, at most EINF__PANEL_MAX_ROWS */
    int32_t nr;        /* columns of a tile; only the last tile of a batch has fewer, */
    int32_t nr_unit;   /* rounded up to this: its last columns are zeros. Divides nr. */
    int32_t k_unit;    /* elements of a row or column that lie side by side: 4 or 8 */
    int32_t code_bias; /* what is added to a signed code: 128 where strips are unsigned, or 0; see einf__code_bias */
    bool tile_sums16;  /* `start` of a tile is made for PANEL_16; then code_bias is 0 */
    int32_t min_cols;  /* from this many columns a strip is worth packing; fewer take row dots, */
    int32_t min_cols_rounded; /* and of 256-blocks in PANEL_32, which most are rounded to, from this many */
    int32_t min_cols_coarse;  /* from this many, rounding to groups of 64 or 128 is worth it; fewer keep those of 32 */
    int64_t l2_bytes;  /* of strips that one thread keeps at once: about half of the L2 of such CPUs */
} einf__panel_shape;

#define EINF__PANEL_MAX_ROWS 64
#define EINF__PANEL_MAX_COLS 16
#define EINF__PANEL_ALIGN 64
#define EINF__PANEL_16_BIAS 32 /* its codes are unsigned in every strip */

/* mr rows over n_in elements. */
typedef struct einf__strip {
    uint8_t *codes;  /* [n_in / k_unit, mr, k_unit] */
    float *scale;    /* [n_in / group, mr] */
    float *min;      /* [n_in / group, mr]; forms with minima alone */
    int16_t *factor; /* [n_in / 32, mr, 2], where `min` is; PANEL_16 alone */
} einf__strip;

/* n_cols columns over `width` elements; n_cols a multiple of nr_unit. sum is that of the codes of a group. */
typedef struct einf__tile {
    int8_t *q;       /* [width / k_unit, n_cols, k_unit] */
    float *d;        /* [width / group, n_cols] */
    int32_t *start;  /* [width / group, n_cols]: -128 * sum, what codes with a bias count too much; with tile_sums16 */
                     /* einf__sums16 of the first halves of its 32s and of the second ones */
    float *dsum;     /* [width / group, n_cols]: d * sum, what a minimum meets */
    int32_t n_cols;
} einf__tile;

/** Two sums of up to 64 codes as 16 bits each, those of the first one low. */
static inline int32_t einf__sums16(int32_t first, int32_t second)
{
    return (int32_t)((uint32_t)second << 16 | ((uint32_t)first & 0xffff));
}

static inline bool einf__panel_has_minima(einf__panel_form form)
{
    return form == EINF__PANEL_32M || form == EINF__PANEL_32M4;
}

/** What a strip adds to a code of the form. */
static inline int32_t einf__code_bias(const einf__panel_shape *s, einf__panel_form form)
{
    return einf__panel_has_minima(form) ? 0 : form == EINF__PANEL_16 ? EINF__PANEL_16_BIAS : s->code_bias;
}

/** Bytes of a strip, a multiple of EINF__PANEL_ALIGN. n_in: a multiple of 32. */
static inline int64_t einf__strip_bytes(const einf__panel_shape *s, int64_t n_in)
{
    const int64_t bytes = s->mr * n_in + 2 * s->mr * (n_in / 32) * (int64_t)sizeof(float);
    return (bytes + EINF__PANEL_ALIGN - 1) / EINF__PANEL_ALIGN * EINF__PANEL_ALIGN;
}

/** A strip in memory of einf__strip_bytes, aligned to EINF__PANEL_ALIGN. */
static inline einf__strip einf__strip_over(const einf__panel_shape *s, void *memory, int64_t n_in)
{
    uint8_t *codes = memory;
    float *scale = (float *)(void *)(codes + s->mr * n_in);
    float *min = scale + s->mr * (n_in / 32);
    return (einf__strip){ codes, scale, min, (int16_t *)(void *)min };
}

#endif
