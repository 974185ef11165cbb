/* SPDX-License-Identifier: MIT
 * kern_matrix.c - cases of what multiplies: row dots, packing, panels of int8 and of floats.
 *
 * Shapes are those of a small model: rows of 2048. Weights from L2 are 256 KiB gone through in turn; weights from
 * memory are the stream that the bandwidth was measured on, so that a share of it means something.
 */
#include "bench/kern_cases.h"

#include <stdio.h>
#include <stdlib.h>

enum { FLOAT_DEPTH = 512, FLOAT_COLS = 48, GEMM_ROWS = 64 };

/* The next n_bytes of weights. */
static const unsigned char *take_weights(kern_case *k, size_t n_bytes)
{
    if (k->stream) return bench_stream_take(k->stream, n_bytes);
    if (k->at + n_bytes > KERN_L2_BYTES) k->at = 0;
    const unsigned char *w = k->weights + k->at;
    k->at += n_bytes;
    return w;
}

static size_t row_bytes_of(const kern_case *k)
{
    return (size_t)einf__dtype_row_bytes(k->type, KERN_N_IN);
}

static size_t aligned(size_t n_bytes)
{
    return (n_bytes + EINF__PANEL_ALIGN - 1) / EINF__PANEL_ALIGN * EINF__PANEL_ALIGN;
}

/* Memory of the case alone, aligned for panels. */
static bool give_memory(kern_list *list, kern_case *k, size_t n_bytes)
{
    k->memory = aligned_alloc(EINF__PANEL_ALIGN, aligned(n_bytes));
    if (k->memory) memset(k->memory, 0, n_bytes);
    else list->failed = true;
    return k->memory != NULL;
}

/* -------------------------------------------------------------------------------------------------- dots -- */

static void call_dot(void *user, int i_thread)
{
    kern_case *k = user;
    const kern_inputs *in = kern_inputs_get();
    const size_t row_bytes = row_bytes_of(k);
    const einf__cols cols = { in->x, in->q, in->d, in->sum16, KERN_N_IN, KERN_N_IN, KERN_N_IN / 32 };
    float *y = k->out + i_thread * EINF__MAX_DOT_COLS * KERN_ROWS;
    k->k->dot[k->type](y, KERN_ROWS, take_weights(k, KERN_ROWS * row_bytes), row_bytes, KERN_ROWS, KERN_N_IN, &cols,
                       k->n_cols);
}

static void add_dot(kern_list *list, const kern_case *like, int n_cols, bench_stream *stream, int n_threads)
{
    kern_case *k = kern_list_add(list, like);
    if (!k || !give_memory(list, k, (size_t)n_threads * EINF__MAX_DOT_COLS * KERN_ROWS * sizeof(float))) return;
    const bool is_float = einf__dtype_get(k->type)->acts == EINF__ACTS_F32;
    k->out = (float *)(void *)k->memory;
    k->n_cols = n_cols;
    k->stream = stream;
    k->c.call = call_dot;
    k->c.n_threads = n_threads;
    k->unit = stream ? "bytes_per_cycle" : "mac_per_cycle";
    k->roof = stream ? KERN_ROOF_MEMORY : is_float ? KERN_ROOF_F32 : KERN_ROOF_INT8;
    k->c.work = stream ? (double)KERN_ROWS * (double)row_bytes_of(k) : (double)KERN_ROWS * KERN_N_IN * n_cols;
    if (stream)
        snprintf(k->shape, sizeof k->shape, "%d column%s, memory, %d thread%s", n_cols, n_cols > 1 ? "s" : "",
                 n_threads, n_threads > 1 ? "s" : "");
    else snprintf(k->shape, sizeof k->shape, "%d column%s, L2", n_cols, n_cols > 1 ? "s" : "");
}

static void add_dots(kern_list *list, const kern_case *like, const kern_wish *wish, bench_peaks *peaks)
{
    for (int n_cols = 1; n_cols <= EINF__MAX_DOT_COLS; n_cols *= 2) {
        add_dot(list, like, n_cols, NULL, 1);
        add_dot(list, like, n_cols, &peaks->small_pages, 1);
    }
    if (wish->n_threads > 1) add_dot(list, like, 1, &peaks->small_pages, wish->n_threads);
}

/* ------------------------------------------------------------------------------------------------- strips -- */

static void call_pack(void *user, int i_thread)
{
    kern_case *k = user;
    const size_t row_bytes = row_bytes_of(k);
    const int32_t mr = k->k->panel_shape.mr;
    (void)i_thread;
    k->k->pack[k->type](k->k, &k->strip, (einf__panel_form)k->variant,
                        take_weights(k, (size_t)mr * row_bytes), row_bytes, mr, KERN_N_IN);
}

static void add_pack(kern_list *list, const kern_case *like, einf__panel_form form)
{
    const einf__panel_shape *shape = &like->k->panel_shape;
    kern_case *k = kern_list_add(list, like);
    if (!k || !give_memory(list, k, (size_t)einf__strip_bytes(shape, KERN_N_IN))) return;
    const char *form_name = einf__kernel_slot_name(EINF__SLOT_panel_mul + (int)form) + strlen("panel_mul");
    k->strip = einf__strip_over(shape, k->memory, KERN_N_IN);
    k->variant = (int)form;
    k->unit = "weights_per_cycle";
    k->c.call = call_pack;
    k->c.work = (double)shape->mr * KERN_N_IN;
    snprintf(k->shape, sizeof k->shape, "to %s, L2", form_name);
}

static void add_packs(kern_list *list, const kern_case *like)
{
    const einf__panel_form finest = einf__panel_finest(like->type), chosen = like->k->panel_form[like->type];
    if (finest == EINF__PANEL_NONE || !like->k->pack[like->type]) return;
    add_pack(list, like, finest);
    if (chosen != finest) add_pack(list, like, chosen);
    if (chosen != EINF__PANEL_128) add_pack(list, like, EINF__PANEL_128);
}

/* ------------------------------------------------------------------------------------------------- panels -- */

static void call_panel_mul(void *user, int i_thread)
{
    kern_case *k = user;
    (void)i_thread;
    if (k->at + k->step_bytes > KERN_L2_BYTES && k->at > 0) k->at = 0;
    const einf__strip strip = einf__strip_over(&k->k->panel_shape, k->memory + k->at, KERN_N_IN);
    k->at += k->step_bytes;
    k->k->panel_mul[k->slot - EINF__SLOT_panel_mul](k->out, &strip, &k->tile, KERN_N_IN);
}

/* A type that can be packed to a form without more loss than it has. */
static einf__dtype type_for(einf__panel_form form)
{
    return form == EINF__PANEL_32 ? EINF__Q8_0 : form == EINF__PANEL_16 ? EINF__Q6_K : EINF__Q4_K;
}

/* Memory: as many strips as lie in L2, the tile, the product. */
static void add_panel_mul(kern_list *list, const kern_case *like, int n_cols, const char *what)
{
    const einf__panel_shape *shape = &like->k->panel_shape;
    const einf__panel_form form = (einf__panel_form)(like->slot - EINF__SLOT_panel_mul);
    const size_t strip_bytes = (size_t)einf__strip_bytes(shape, KERN_N_IN);
    const size_t n_strips = strip_bytes < KERN_L2_BYTES ? KERN_L2_BYTES / strip_bytes : 1;
    const size_t code_bytes = aligned((size_t)n_cols * KERN_N_IN);
    const size_t group_bytes = aligned((size_t)n_cols * (KERN_N_IN / 32) * sizeof(float));
    const size_t row_bytes = (size_t)einf__dtype_row_bytes(type_for(form), KERN_N_IN);
    kern_case *k = kern_list_add(list, like);
    if (!k || !give_memory(list, k, n_strips * strip_bytes + code_bytes + 3 * group_bytes +
                                        (size_t)(n_cols * shape->mr) * sizeof(float)))
        return;
    unsigned char *m = k->memory + n_strips * strip_bytes;
    k->tile = (einf__tile){ (int8_t *)m, (float *)(void *)(m + code_bytes),
                            (int32_t *)(void *)(m + code_bytes + group_bytes),
                            (float *)(void *)(m + code_bytes + 2 * group_bytes), n_cols };
    k->out = (float *)(void *)(m + code_bytes + 3 * group_bytes);
    k->step_bytes = strip_bytes;
    k->n_cols = n_cols;
    k->unit = "mac_per_cycle";
    k->roof = KERN_ROOF_INT8;
    k->c.call = call_panel_mul;
    k->c.work = (double)shape->mr * n_cols * KERN_N_IN;
    snprintf(k->shape, sizeof k->shape, "%s, L2", what);
    k->k->quantize_tile(&k->tile, kern_inputs_get()->x, KERN_N_IN, n_cols, KERN_N_IN, einf__panel_group(form));
    for (size_t i = 0; i < n_strips; i++) {
        const einf__strip strip = einf__strip_over(shape, k->memory + i * strip_bytes, KERN_N_IN);
        k->k->pack[type_for(form)](k->k, &strip, form, k->weights, row_bytes, shape->mr, KERN_N_IN);
    }
}

static void add_panel_muls(kern_list *list, const kern_case *like)
{
    const einf__panel_shape *shape = &like->k->panel_shape;
    if (like->slot == EINF__SLOT_panel_mul + EINF__PANEL_NONE) return;
    add_panel_mul(list, like, shape->nr, "full tile");
    if (shape->nr_unit < shape->nr) add_panel_mul(list, like, shape->nr_unit, "smallest tile");
}

/* ------------------------------------------------------------------------------------------------- floats -- */

static void call_pack_f32(void *user, int i_thread)
{
    kern_case *k = user;
    (void)i_thread;
    k->k->pack_f32(k->out, kern_inputs_get()->x, FLOAT_DEPTH, k->k->float_mr, FLOAT_DEPTH);
}

static void call_mul_f32(void *user, int i_thread)
{
    kern_case *k = user;
    const int64_t panel = k->k->float_mr * FLOAT_DEPTH;
    (void)i_thread;
    k->k->mul_f32(k->out + panel, k->k->float_mr, k->out, FLOAT_DEPTH, kern_inputs_get()->x, FLOAT_DEPTH, k->n_cols,
                  false);
}

static void call_gemm_f32(void *user, int i_thread)
{
    kern_case *k = user;
    const float *x = kern_inputs_get()->x;
    (void)i_thread;
    k->k->gemm_f32(k->k->gemm_user, GEMM_ROWS, FLOAT_COLS, FLOAT_DEPTH, x, FLOAT_DEPTH, x, FLOAT_DEPTH, k->out,
                   GEMM_ROWS);
}

/* n_rows: 0 where nothing is multiplied. */
static void add_float(kern_list *list, const kern_case *like, bench_call_fn call, int n_rows, int n_cols)
{
    kern_case *k = kern_list_add(list, like);
    const size_t panel = (size_t)EINF__PANEL_MAX_ROWS * (FLOAT_DEPTH + FLOAT_COLS) * sizeof(float);
    if (!k || !give_memory(list, k, panel)) return;
    k->out = (float *)(void *)k->memory;
    k->n_cols = n_cols;
    k->c.call = call;
    k->unit = n_rows ? "mac_per_cycle" : "weights_per_cycle";
    k->roof = n_rows ? KERN_ROOF_F32 : KERN_NO_ROOF;
    k->c.work = n_rows ? (double)n_rows * n_cols * FLOAT_DEPTH : (double)k->k->float_mr * FLOAT_DEPTH;
    if (n_rows) snprintf(k->shape, sizeof k->shape, "%d column%s, L2", n_cols, n_cols > 1 ? "s" : "");
    else snprintf(k->shape, sizeof k->shape, "L2");
}

/* ------------------------------------------------------------------------------------------------ 16 bits -- */

/* Where a case has its panel, columns and sums. */
typedef struct narrow_memory {
    float *out, *row_scale, *col_scale;
    uint16_t *panel, *cols;
} narrow_memory;

enum {
    NARROW_GROUPS = FLOAT_DEPTH / EINF__NARROW_GROUP,
    NARROW_OUT = EINF__PANEL_MAX_ROWS * FLOAT_COLS,
    NARROW_FLOATS = NARROW_OUT + EINF__PANEL_MAX_ROWS + FLOAT_COLS * NARROW_GROUPS,
    NARROW_BYTES = NARROW_FLOATS * 4 + (EINF__PANEL_MAX_ROWS + FLOAT_COLS) * FLOAT_DEPTH * 2
};
_Static_assert(NARROW_FLOATS * sizeof(float) % EINF__PANEL_ALIGN == 0, "the panel is aligned");

static narrow_memory narrow_memory_of(const kern_case *k)
{
    uint16_t *panel = (uint16_t *)(void *)(k->out + NARROW_FLOATS);
    return (narrow_memory){ k->out, k->out + NARROW_OUT, k->out + NARROW_OUT + EINF__PANEL_MAX_ROWS, panel,
                            panel + EINF__PANEL_MAX_ROWS * FLOAT_DEPTH };
}

static einf__narrow_gemm narrow_gemm_of(const kern_case *k)
{
    const bool halves = k->slot == EINF__SLOT_pack_f16 || k->slot == EINF__SLOT_mul_f16;
    return einf__narrow_gemm_of(k->k, halves ? EINF__SUM_F16 : EINF__SUM_I16);
}

static void call_pack_narrow(void *user, int i_thread)
{
    const kern_case *k = user;
    const narrow_memory m = narrow_memory_of(k);
    const einf__narrow_gemm g = narrow_gemm_of(k);
    (void)i_thread;
    g.pack(m.panel, m.row_scale, kern_inputs_get()->x, FLOAT_DEPTH, g.mr, FLOAT_DEPTH);
}

static void call_mul_narrow(void *user, int i_thread)
{
    const kern_case *k = user;
    const narrow_memory m = narrow_memory_of(k);
    const einf__narrow_gemm g = narrow_gemm_of(k);
    const einf__narrow_cols cols = { m.cols, m.col_scale, FLOAT_DEPTH, NARROW_GROUPS };
    (void)i_thread;
    g.mul(m.out, g.mr, m.panel, m.row_scale, FLOAT_DEPTH, &cols, k->n_cols, false);
}

static void add_narrow(kern_list *list, const kern_case *like, bench_call_fn call, kern_roof roof)
{
    kern_case *k = kern_list_add(list, like);
    const bool packs = call == call_pack_narrow;
    if (!k || !give_memory(list, k, NARROW_BYTES)) return;
    const einf__narrow_gemm g = narrow_gemm_of(k);
    k->out = (float *)(void *)k->memory;
    k->n_cols = packs ? 0 : FLOAT_COLS;
    k->c.call = call;
    k->unit = packs ? "weights_per_cycle" : "mac_per_cycle";
    k->roof = roof;
    k->c.work = (double)g.mr * FLOAT_DEPTH * (packs ? 1 : FLOAT_COLS);
    if (packs) snprintf(k->shape, sizeof k->shape, "L2");
    else snprintf(k->shape, sizeof k->shape, "%d columns, L2", (int)FLOAT_COLS);
    const narrow_memory m = narrow_memory_of(k);
    call_pack_narrow(k, 0);
    g.quantize(m.cols, m.col_scale, kern_inputs_get()->x, FLOAT_COLS * FLOAT_DEPTH);
}

void kern_add_matrix_cases(kern_list *list, const kern_case *like, const kern_wish *wish, bench_peaks *peaks)
{
    const int slot = like->slot;
    if (slot >= EINF__SLOT_panel_mul) add_panel_muls(list, like);
    else if (slot >= EINF__SLOT_pack) add_packs(list, like);
    else if (slot >= EINF__SLOT_dot) add_dots(list, like, wish, peaks);
    else if (slot == EINF__SLOT_pack_f32) add_float(list, like, call_pack_f32, 0, 0);
    else if (slot == EINF__SLOT_gemm_f32) add_float(list, like, call_gemm_f32, GEMM_ROWS, FLOAT_COLS);
    else if (slot == EINF__SLOT_pack_f16 || slot == EINF__SLOT_pack_i16)
        add_narrow(list, like, call_pack_narrow, KERN_NO_ROOF);
    else if (slot == EINF__SLOT_mul_f16) add_narrow(list, like, call_mul_narrow, KERN_ROOF_F16);
    else if (slot == EINF__SLOT_mul_i16) add_narrow(list, like, call_mul_narrow, KERN_ROOF_INT16);
    else if (slot == EINF__SLOT_mul_f32) {
        add_float(list, like, call_mul_f32, like->k->float_mr, FLOAT_COLS);
        add_float(list, like, call_mul_f32, like->k->float_mr, 4);
    }
}
