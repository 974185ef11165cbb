/* SPDX-License-Identifier: MIT
 * narrow.h - how products of float weights are added up, and what the GEMMs of numbers in 16 bits multiply: halves
 * (halves.h) and integers (fixed16.h), which share their memory, their grouping and the shape of their slots.
 */
#ifndef EINF_KERNELS_NARROW_H
#define EINF_KERNELS_NARROW_H

#include <stdint.h>

/* As EINF_FLOAT_SUM_*. */
typedef enum einf__float_sum {
    EINF__SUM_F32,
    EINF__SUM_F16, /* as halves, 64 products at a time in f16 */
    EINF__SUM_I16, /* as integers of 13 bits, 64 products at a time exactly in int32 */
    EINF__N_SUMS
} einf__float_sum;

/* Elements of a column that share a scale, and whose products are summed narrowly. Errors of halves grow with the root
 * of their number, and the share of time that goes into f32 falls with it (docs/MEASURING.md); 128 take golden logits
 * 4.5e-3 to 4.7e-3 from f32. Of integers no more products are exact. */
#define EINF__NARROW_GROUP 64

/* Columns in 16 bits, as halves or as int16_t: element k is x[k] * scale[k / EINF__NARROW_GROUP]; the last group may be
 * shorter. Behind an odd number of integers stands a 0. */
typedef struct einf__narrow_cols {
    const uint16_t *x;   /* [n_cols, depth], stride apart */
    const float *scale;  /* [n_cols, groups], scale_stride apart */
    int64_t stride, scale_stride;
} einf__narrow_cols;

#endif
