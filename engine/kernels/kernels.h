/* SPDX-License-Identifier: MIT
 * kernels.h - THE table: every inner loop of the engine is a slot here, with a scalar reference in ref/.
 *
 * A runtime fills one table and never changes it: reference in every slot, then the host's GEMM provider in the GEMM
 * slots, then the ISA ladder, each rung replacing what it improves (kernels.c). SIMD files replace slots; they never
 * add behaviour. Callers contain no #ifdef. Integer arithmetic is exact in every implementation; float sums may be
 * reordered, which the tests bound by EINF__TOL_REORDER.
 *
 * Contracts common to all slots: pointers need no alignment beyond their element type (weights: none at all); nothing
 * is read past the last element or block; outputs alias no input unless said; n >= 1; no slot allocates or fails.
 */
#ifndef EINF_KERNELS_H
#define EINF_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include <edgeinfer/provider.h>

#include "engine/base/dtype.h"
#include "engine/kernels/fixed16.h"
#include "engine/kernels/halves.h"
#include "engine/kernels/narrow.h"
#include "engine/kernels/panel.h"

struct einf__kernels;

/* |kernel - reference| <= EINF__TOL_REORDER(n) * sum of |products|: n float additions in another order. Of a weight
 * scale * (code - bias) + offset each of the three parts counts as a product: kernels may sum them apart. */
#define EINF__TOL_REORDER(n) (1.2e-7f * (float)(n))

/* Up to 4 columns of activations, column-major views into an einf__acts buffer. A row dot reads f32, or the int8
 * form: q = round(x / d), d = max|x| / 127 over each group of 32, sum16 = sum of q over each half group of 16. */
typedef struct einf__cols {
    const float *f32;       /* [n_cols, n_in], f32_stride floats apart; NULL for types with EINF__ACTS_Q8 */
    const int8_t *q;        /* [n_cols, n_in], q_stride bytes apart */
    const float *d;         /* [n_cols, n_in / 32], d_stride floats apart */
    const int16_t *sum16;   /* [n_cols, n_in / 16], 2 * d_stride elements apart; |sum16| <= 16 * 127 */
    int64_t f32_stride, q_stride, d_stride;
} einf__cols;

#define EINF__MAX_DOT_COLS 4

/** y[c * y_stride + r] = dot(W[r, :], x[c, :]) for r in [0, n_rows), c in [0, n_cols), n_cols in 1..4.
 *  W: rows of the slot's type, row_bytes apart. n_in: a multiple of the block size. One order of summation an
 *  implementation: an element of y has the same bits whatever rows and columns share its call. */
typedef void (*einf__dot_fn)(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, int64_t n_in,
                             const einf__cols *x, int n_cols);
/** De-quantise n elements (whole blocks) of a row. */
typedef void (*einf__to_f32_fn)(float *y, const void *w, int64_t n);
/** One column to int8: n a multiple of 32; NaN becomes 0, infinities are clamped to the largest float. */
typedef void (*einf__quantize_q8_fn)(int8_t *q, float *d, int16_t *sum16, const float *x, int64_t n);
/** As sgemm_nt of einf_gemm_provider, whose user pointer comes first. */
typedef void (*einf__gemm_fn)(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda,
                              const float *b, int64_t ldb, float *c, int64_t ldc);
/** y = x / sqrt(mean(x^2) + eps) * w. y may be x. Root-mean-square norm, arXiv 1910.07467. */
typedef void (*einf__rms_norm_fn)(float *y, const float *x, const float *w, int64_t n, float eps);
/** y = (x - mean(x)) / sqrt(var(x) + eps) * w + b. y may be x. Layer norm, arXiv 1607.06450. */
typedef void (*einf__layer_norm_fn)(float *y, const float *x, const float *w, const float *b, int64_t n, float eps);
/** y += x. */
typedef void (*einf__add_fn)(float *y, const float *x, int64_t n);
/** y = act(gate) * up; act is SiLU or tanh-GELU by slot. y may be gate or up. */
typedef void (*einf__glu_fn)(float *y, const float *gate, const float *up, int64_t n);
/** y = act(y), in place, by slot: quick-GELU y sigmoid(1.702 y), GELU y (1 + erf(y / sqrt(2))) / 2 (both arXiv
 *  1606.08415), SiLU y sigmoid(y). */
typedef void (*einf__act_fn)(float *y, int64_t n);
/** Rotate n_pairs pairs: (x[i], x[j]) -> (x[i] cos - x[j] sin, x[i] sin + x[j] cos), in place. Slot "norm" pairs
 *  (2p, 2p + 1); slot "neox" pairs (p, p + n_pairs). Rotary embedding, arXiv 2104.09864. */
typedef void (*einf__rope_fn)(float *x, const float *cos, const float *sin, int64_t n_pairs);
/** Round to binary16, ties to even; too large becomes infinity. */
typedef void (*einf__to_f16_fn)(uint16_t *y, const float *x, int64_t n);

/* Running softmax of one query, online over blocks of keys (arXiv 1805.02867): the largest score so far, and the sum of
 * the weights exp(score - max). Before the first key: -INFINITY, 0. */
typedef struct einf__softmax {
    float max, sum;
} einf__softmax;

/** Take n more keys: scores[i] = exp(cap(scale * scores[i]) - max), cap as in einf__attend, and *s goes on. Returns by
 *  what sums of weighted values so far are to be multiplied: exp(old max - new max), 1 while max stays. scale > 0. */
typedef float (*einf__softmax_fn)(einf__softmax *s, float *scores, int64_t n, float scale, float softcap);

/* Attention of n_q query heads that share one KV head, over keys [key_begin, key_end):
 *   s[p] = cap(scale * q[i, :] . k[p, :]),  out[i, :] = sum_p exp(s[p] - max s) v[p, :],  state[i] as after all keys
 * so that parts of a range can be joined; what is looked for is out divided by state.sum.
 * cap(s) = softcap * tanh(s / softcap), or s where softcap is 0 (Gemma 2, arXiv 2408.00118).
 * q, out: [n_q, head_dim], q_stride and out_stride floats apart. k: [.., k_dim] and v: [.., v_dim] elements of the
 * slot's type (f16, f32 or q8_0), k_stride and v_stride elements apart; of q8_0 both dims and strides are multiples of
 * 32, and an element is its code times the f16 scale of its block. key_begin < key_end. Sums are f32, softmax online.
 * A row of out has the same bits whatever queries share its call. */
typedef struct einf__attend {
    float *out;
    einf__softmax *state; /* [n_q] */
    const float *q;
    const void *k, *v;
    int64_t q_stride, out_stride, k_stride, v_stride;
    int64_t key_begin, key_end;
    int32_t n_q, k_dim, v_dim;
    float scale, softcap;
} einf__attend;
#define EINF__ATTEND_MAX_Q 8 /* n_q in 1..8; drivers split larger groups */
typedef void (*einf__attend_fn)(const einf__attend *a);

/* The int8 GEMM (panel.h): what packs, what quantises and what multiplies agree on the table's panel_shape, and are
 * therefore replaced together. */

/** Pack n_rows rows of the slot's type, in 1..mr, row_bytes apart, into a strip of the given form; the rows behind them
 *  are zeros. n_in: a multiple of the block size and of the form's group. form: einf__panel_finest or panel_form of the
 *  type, or PANEL_32, _64, _128. Codes of types without minima are the file's own in PANEL_32 where a group of 32 has
 *  one scale, and always in PANEL_16; otherwise a code is w / scale rounded, scale = max|w| / 127 over the group.
 *  k: the table, for parts it shares. */
typedef void (*einf__pack_fn)(const struct einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                              size_t row_bytes, int32_t n_rows, int64_t n_in);
/** Columns to a tile: x [n_cols, n], x_stride floats apart, n_cols in 1..t->n_cols (the columns behind are zeros), n a
 *  multiple of the group. t points to where these elements begin. Values as those of quantize_q8, for groups of
 *  32, 64 or 128. */
typedef void (*einf__quantize_tile_fn)(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                                       int32_t group);
/** c[j * mr + i] = strip row i . tile column j, for all mr rows and all t->n_cols columns; c aligned to
 *  EINF__PANEL_ALIGN. The slot's form is that of the strip. Groups are summed in order, each exactly in integers: an
 *  element of c has the same bits whatever columns share its call. */
typedef void (*einf__panel_mul_fn)(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in);

/* The f32 GEMM's inside, for callers that pack by themselves: panels of float_mr rows, [depth, float_mr]. */

/** panel[k * float_mr + i] = a[i * lda + k]; zeros for i in [n_rows, float_mr). n_rows in 1..float_mr. */
typedef void (*einf__pack_f32_fn)(float *panel, const float *a, int64_t lda, int32_t n_rows, int32_t depth);
/** c[j * ldc + i] = (add: +=) sum over k of panel[k * float_mr + i] * b[j * ldb + k], for i in [0, float_mr), j in
 *  [0, n_cols). panel aligned to EINF__PANEL_ALIGN. An element has the same bits whatever columns share its call. */
typedef void (*einf__mul_f32_fn)(float *c, int64_t ldc, const float *panel, int32_t depth, const float *b, int64_t ldb,
                                 int32_t n_cols, bool add);

/* The GEMMs of numbers in 16 bits (narrow.h), for sessions that ask for such sums. mr: narrow_mr of the kind. Every
 * implementation of a kind has the same bits. */

/** One column to numbers in 16 bits: x = y * scale of its group. Of halves |y| <= 16, and infinities and NaN stay. Of
 *  integers |y| <= EINF__I16_MAX, and behind an odd n y[n] is set, to 0. */
typedef void (*einf__quantize_narrow_fn)(uint16_t *y, float *scale, const float *x, int64_t n);
/** element (k, i) of the panel * scale[i] = a[i * lda + k], a row scaled as one; zeros for i in [n_rows, mr). n_rows in
 *  1..mr. In a panel of halves it lies at k * mr + i; in one of integers, pairs of a row being neighbours, at
 *  (k / 2 * mr + i) * 2 + k % 2, and behind an odd depth stand zeros. */
typedef void (*einf__pack_narrow_fn)(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows,
                                     int32_t depth);
/** c[j * ldc + i] = (add: +=) scale[i] * the sum over groups of b's group scale * the narrow sum over k of the panel's
 *  (k, i) * b[j, k], for i in [0, mr), j in [0, n_cols). In f16 a product is added unrounded (FMA), in order from 0;
 *  groups are added in order, in f32. Of integers the sum is exact and then rounded to f32; groups are added in order,
 *  in f32, by FMA. */
typedef void (*einf__mul_narrow_fn)(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                                    const einf__narrow_cols *b, int32_t n_cols, bool add);

/* Resampling of 8-bit RGB (vision/resize.h): sums of pixels times weights with 22 bits behind the point. A byte of the
 * result is (sum + half) >> 22, cut to 0..255. The sizes of an output's weights add up to less than 2^23: no sum passes
 * 32 bits. Every implementation has the same bits. */
#define EINF__RESAMPLE_BITS 22
#define EINF__RESAMPLE_HALF (1 << (EINF__RESAMPLE_BITS - 1))
#define EINF__RESAMPLE_MAX_ROWS 4

/* Output i is made of the count[i] >= 1 inputs from first[i] on. */
typedef struct einf__taps {
    const int32_t *first, *count; /* [n_out] */
    const int32_t *weights;       /* [n_out, stride], zeros behind count */
    int64_t n_out, stride;        /* stride: a multiple of 4 */
} einf__taps;

/** Along rows: src [n_rows, n_in, 3] to dst [n_rows, n_out, 3], rows src_stride and dst_stride bytes apart, n_rows in
 *  1..EINF__RESAMPLE_MAX_ROWS. */
typedef void (*einf__resample_rows_fn)(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride,
                                       int32_t n_rows, int64_t n_in, const einf__taps *taps);
/** Of rows: dst [n] from src [n_taps, n], rows src_stride bytes apart, each times its weight. */
typedef void (*einf__resample_cols_fn)(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                                       int64_t n_taps, int64_t n);

/* Single slots: X(field, type, reference). Slots of a type, to_f32[], dot[] and pack[], and those of
 * a form, panel_mul[], come besides. */
#define EINF__KERNEL_SLOTS(X) \
    X(quantize_q8, einf__quantize_q8_fn) \
    X(quantize_tile, einf__quantize_tile_fn) \
    X(gemm_f32,    einf__gemm_fn) \
    X(pack_f32,    einf__pack_f32_fn) \
    X(mul_f32,     einf__mul_f32_fn) \
    X(quantize_f16, einf__quantize_narrow_fn) \
    X(pack_f16,    einf__pack_narrow_fn) \
    X(mul_f16,     einf__mul_narrow_fn) \
    X(quantize_i16, einf__quantize_narrow_fn) \
    X(pack_i16,    einf__pack_narrow_fn) \
    X(mul_i16,     einf__mul_narrow_fn) \
    X(rms_norm,    einf__rms_norm_fn) \
    X(layer_norm,  einf__layer_norm_fn) \
    X(add,         einf__add_fn) \
    X(quick_gelu,  einf__act_fn) \
    X(gelu,        einf__act_fn) \
    X(silu,        einf__act_fn) \
    X(swiglu,      einf__glu_fn) \
    X(geglu,       einf__glu_fn) \
    X(rope_norm,   einf__rope_fn) \
    X(rope_neox,   einf__rope_fn) \
    X(to_f16,      einf__to_f16_fn) \
    X(softmax,     einf__softmax_fn) \
    X(attend_f16,  einf__attend_fn) \
    X(attend_f32,  einf__attend_fn) \
    X(attend_q8_0, einf__attend_fn) \
    X(resample_rows, einf__resample_rows_fn) \
    X(resample_cols, einf__resample_cols_fn)

enum {
#define EINF__SLOT_ENUM(field, type) EINF__SLOT_##field,
    EINF__KERNEL_SLOTS(EINF__SLOT_ENUM)
#undef EINF__SLOT_ENUM
    EINF__SLOT_to_f32,                                    /* + einf__dtype */
    EINF__SLOT_dot = EINF__SLOT_to_f32 + EINF__N_DTYPES,  /* + einf__dtype */
    EINF__SLOT_pack = EINF__SLOT_dot + EINF__N_DTYPES,    /* + einf__dtype; empty for floats */
    EINF__SLOT_panel_mul = EINF__SLOT_pack + EINF__N_DTYPES, /* + einf__panel_form; empty for PANEL_NONE */
    EINF__N_SLOTS = EINF__SLOT_panel_mul + EINF__N_PANEL_FORMS
};

typedef struct einf__kernels {
#define EINF__SLOT_FIELD(field, type) type field;
    EINF__KERNEL_SLOTS(EINF__SLOT_FIELD)
#undef EINF__SLOT_FIELD
    einf__to_f32_fn to_f32[EINF__N_DTYPES];
    einf__dot_fn dot[EINF__N_DTYPES];
    einf__pack_fn pack[EINF__N_DTYPES];
    einf__panel_mul_fn panel_mul[EINF__N_PANEL_FORMS];
    einf__panel_shape panel_shape;
    einf__panel_form panel_form[EINF__N_DTYPES]; /* what a type is packed to by default */
    bool fast_panels;                   /* panel_mul is faster than gemm_f32: what batches take */
    bool fast_floats;                   /* mul_f32 is as fast as gemm_f32, which may be a host's */
    int32_t float_mr;                   /* of pack_f32 and mul_f32: 4, 8, 16, 32 or 64 */
    int32_t narrow_mr[EINF__N_SUMS];    /* of pack_f16 and mul_f16, pack_i16 and mul_i16: 8, 16, 32 or 64 */
    bool fast_sum[EINF__N_SUMS];        /* that mul is faster than gemm_f32: what a session's sums of the kind need */
    void *gemm_user;                    /* passed to gemm_f32 */
    bool plain_dot[EINF__N_DTYPES];     /* the dot is the reference, while gemm_f32 is something faster */
    const char *impl[EINF__N_SLOTS];    /* name of what fills each slot, as "dot_q4_k_avx2" */
} einf__kernels;

/* Install fn in a slot and note its name, which is the function's own. */
#define EINF__INSTALL(table, field, fn) \
    ((table)->field = (fn), (void)((table)->impl[EINF__SLOT_##field] = #fn))
#define EINF__INSTALL_TYPED(table, array, dtype, fn) \
    ((table)->array[dtype] = (fn), (void)((table)->impl[EINF__SLOT_##array + (dtype)] = #fn))

/* The slots of one kind of numbers in 16 bits. */
typedef struct einf__narrow_gemm {
    int32_t mr;
    einf__quantize_narrow_fn quantize;
    einf__pack_narrow_fn pack;
    einf__mul_narrow_fn mul;
} einf__narrow_gemm;

/** sum: EINF__SUM_F16 or EINF__SUM_I16. */
static inline einf__narrow_gemm einf__narrow_gemm_of(const einf__kernels *k, einf__float_sum sum)
{
    if (sum == EINF__SUM_F16)
        return (einf__narrow_gemm){ k->narrow_mr[sum], k->quantize_f16, k->pack_f16, k->mul_f16 };
    return (einf__narrow_gemm){ k->narrow_mr[sum], k->quantize_i16, k->pack_i16, k->mul_i16 };
}

/** What who asks for a kind of sums gets of these kernels: that kind where it is fast, or f32. */
static inline einf__float_sum einf__float_sum_of(const einf__kernels *k, einf__float_sum asked)
{
    return k->fast_sum[asked] ? asked : EINF__SUM_F32;
}

/** Fill the table. cpu: EINF_CPU_* that may be used. provider: may be NULL. */
void einf__kernels_init(einf__kernels *k, uint32_t cpu, const einf_gemm_provider *provider);
/** The form that keeps a type's groups of 32 as they are, PANEL_NONE for floats. */
einf__panel_form einf__panel_finest(einf__dtype type);
/** "dot[Q4_K]", "rms_norm", ...: static string; slot in [0, EINF__N_SLOTS). */
const char *einf__kernel_slot_name(int slot);

/* The rungs, for einf__kernels_init alone. Each assumes the instruction set it is named for. */
void einf__kernels_init_ref(einf__kernels *k);
void einf__kernels_init_avx2(einf__kernels *k);
void einf__kernels_init_avxvnni(einf__kernels *k); /* after avx2 */
void einf__kernels_init_avx512(einf__kernels *k);  /* after avx2 */
void einf__kernels_init_vnni512(einf__kernels *k); /* after avx512 */
void einf__kernels_init_neon(einf__kernels *k);
void einf__kernels_init_fp16(einf__kernels *k);    /* after neon */
void einf__kernels_init_dotprod(einf__kernels *k); /* after neon */
void einf__kernels_init_i8mm(einf__kernels *k);    /* after dotprod */

#endif
