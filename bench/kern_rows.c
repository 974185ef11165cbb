/* SPDX-License-Identifier: MIT
 * kern_rows.c - cases of what walks along rows: norms, gates, rotation, conversions, quantising, attention, pictures.
 *
 * Rows of 2048 floats, which lie in L1: figures of the slots that multiply nothing are bytes of floats read by the
 * cycle, beside what L1 gives to a reader. Only to_f32[], which reads codes, counts what it writes.
 */
#include "bench/kern_cases.h"

#include <math.h>
#include <stdio.h>

/* What these cases write to; every case overwrites it. */
typedef struct outputs {
    _Alignas(64) float y[KERN_N_ROW];
    int8_t q[EINF__PANEL_MAX_COLS * KERN_N_ROW];
    float d[EINF__PANEL_MAX_COLS * KERN_N_ROW / 32], dsum[EINF__PANEL_MAX_COLS * KERN_N_ROW / 32];
    int32_t start[EINF__PANEL_MAX_COLS * KERN_N_ROW / 32];
    int16_t sum16[KERN_N_ROW / 16];
    uint16_t narrow[KERN_N_ROW];
    float attended[KERN_MAX_QUERIES * KERN_HEAD_DIM];
    einf__softmax state[KERN_MAX_QUERIES];
} outputs;
static outputs to;

static void call_attend(const kern_case *k, einf__attend_fn fn)
{
    const kern_inputs *in = kern_inputs_get();
    const einf__attend a = {
        .out = to.attended, .state = to.state, .q = in->x, .k = k->weights, .v = k->weights + KERN_L2_BYTES,
        .q_stride = KERN_HEAD_DIM, .out_stride = KERN_HEAD_DIM, .k_stride = KERN_HEAD_DIM, .v_stride = KERN_HEAD_DIM,
        .key_begin = 0, .key_end = KERN_KEYS, .n_q = k->n_cols, .k_dim = KERN_HEAD_DIM, .v_dim = KERN_HEAD_DIM,
        .scale = 0.125f,
    };
    fn(&a);
}

static void call_softmax(const kern_case *k, const float *x)
{
    einf__softmax state = { -INFINITY, 0.0f };
    memcpy(to.y, x, sizeof to.y); /* scores are replaced by their weights: a copy, that each call finds the same */
    (void)k->k->softmax(&state, to.y, KERN_N_ROW, 0.125f, 0.0f);
}

static void call_act(einf__act_fn fn, const float *x)
{
    memcpy(to.y, x, sizeof to.y); /* in place: a copy, or each call would work on what the last one left */
    fn(to.y, KERN_N_ROW);
}

/* A picture to a quarter of its size, as a photograph of 12 megapixels is for an encoder: 16 taps a pixel, four rows of
 * 1024 pixels at once, or 16 rows of 256 to one. */
enum { PIXELS = 256, TAPS = 16 };

static void call_resample(const kern_case *c)
{
    static int32_t first[PIXELS], count[PIXELS], weights[PIXELS * TAPS];
    const einf__taps taps = { first, count, weights, PIXELS, TAPS };
    for (int i = 0; count[PIXELS - 1] == 0 && i < PIXELS; i++) {
        first[i] = i < PIXELS - 4 ? 4 * i : 4 * PIXELS - TAPS;
        for (int t = 0; t < TAPS; t++) weights[i * TAPS + t] = (1 << EINF__RESAMPLE_BITS) / TAPS;
        count[i] = TAPS;
    }
    uint8_t *out = (uint8_t *)to.y;
    if (c->slot == EINF__SLOT_resample_cols)
        c->k->resample_cols(out, c->weights, 3 * PIXELS + 64, weights, TAPS, 3 * PIXELS);
    else c->k->resample_rows(out, 3 * PIXELS, c->weights, 12 * PIXELS, EINF__RESAMPLE_MAX_ROWS, 4 * PIXELS, &taps);
}

static void call_row(void *user, int i_thread)
{
    kern_case *c = user;
    const einf__kernels *k = c->k;
    const kern_inputs *in = kern_inputs_get();
    const float *x = in->x, *x2 = x + KERN_N_ROW;
    const einf__tile tile = { to.q, to.d, to.start, to.dsum, k->panel_shape.nr };
    (void)i_thread;
    switch (c->slot) {
    case EINF__SLOT_quantize_q8: k->quantize_q8(to.q, to.d, to.sum16, x, KERN_N_ROW); break;
    case EINF__SLOT_quantize_tile: k->quantize_tile(&tile, x, KERN_N_ROW, tile.n_cols, KERN_N_ROW, c->variant); break;
    case EINF__SLOT_quantize_f16: k->quantize_f16(to.narrow, to.d, x, KERN_N_ROW); break;
    case EINF__SLOT_quantize_i16: k->quantize_i16(to.narrow, to.d, x, KERN_N_ROW); break;
    case EINF__SLOT_rms_norm: k->rms_norm(to.y, x, x2, KERN_N_ROW, 1e-6f); break;
    case EINF__SLOT_layer_norm: k->layer_norm(to.y, x, x2, x, KERN_N_ROW, 1e-6f); break;
    case EINF__SLOT_quick_gelu: call_act(k->quick_gelu, x); break;
    case EINF__SLOT_gelu: call_act(k->gelu, x); break;
    case EINF__SLOT_silu: call_act(k->silu, x); break;
    case EINF__SLOT_add: k->add(to.y, x, KERN_N_ROW); break;
    case EINF__SLOT_swiglu: k->swiglu(to.y, x, x2, KERN_N_ROW); break;
    case EINF__SLOT_geglu: k->geglu(to.y, x, x2, KERN_N_ROW); break;
    case EINF__SLOT_rope_norm: k->rope_norm(to.y, in->cos, in->sin, KERN_N_ROW / 2); break;
    case EINF__SLOT_rope_neox: k->rope_neox(to.y, in->cos, in->sin, KERN_N_ROW / 2); break;
    case EINF__SLOT_to_f16: k->to_f16(to.narrow, x, KERN_N_ROW); break;
    case EINF__SLOT_softmax: call_softmax(c, x); break;
    case EINF__SLOT_attend_f16: call_attend(c, k->attend_f16); break;
    case EINF__SLOT_attend_f32: call_attend(c, k->attend_f32); break;
    case EINF__SLOT_attend_q8_0: call_attend(c, k->attend_q8_0); break;
    case EINF__SLOT_resample_rows:
    case EINF__SLOT_resample_cols: call_resample(c); break;
    default: k->to_f32[c->type](to.y, c->weights, KERN_N_ROW); break;
    }
}

/* Bytes of the floats that a call reads, or, where it reads codes, writes. */
static double bytes_of(const kern_case *c)
{
    const double row = 4.0 * KERN_N_ROW;
    switch (c->slot) {
    case EINF__SLOT_quantize_tile: return row * c->k->panel_shape.nr;
    case EINF__SLOT_layer_norm: return 3 * row;
    case EINF__SLOT_rms_norm:
    case EINF__SLOT_add:
    case EINF__SLOT_swiglu:
    case EINF__SLOT_geglu:
    case EINF__SLOT_rope_norm:
    case EINF__SLOT_rope_neox: return 2 * row; /* two vectors; a row and its cosines and sines */
    default: return row;
    }
}

static void add_attends(kern_list *list, const kern_case *like)
{
    for (int n_queries = 1; n_queries <= KERN_MAX_QUERIES; n_queries *= KERN_MAX_QUERIES) {
        kern_case *k = kern_list_add(list, like);
        if (!k) return;
        k->n_cols = n_queries;
        k->unit = "mac_per_cycle";
        k->roof = KERN_ROOF_F32;
        k->c.call = call_row;
        k->c.work = 2.0 * n_queries * KERN_KEYS * KERN_HEAD_DIM;
        snprintf(k->shape, sizeof k->shape, "%d quer%s, %d keys, L2", n_queries, n_queries > 1 ? "ies" : "y",
                 (int)KERN_KEYS);
    }
}

/* Multiply-adds of 22 by 8 bits: no peak is measured of those. */
static void add_resample(kern_list *list, const kern_case *like)
{
    const bool is_rows = like->slot == EINF__SLOT_resample_rows;
    kern_case *k = kern_list_add(list, like);
    if (!k) return;
    k->unit = "mac_per_cycle";
    k->roof = KERN_NO_ROOF;
    k->c.call = call_row;
    k->c.work = 3.0 * PIXELS * TAPS * (is_rows ? EINF__RESAMPLE_MAX_ROWS : 1);
    snprintf(k->shape, sizeof k->shape, "%d taps, L1", (int)TAPS);
}

static void add_row(kern_list *list, const kern_case *like, int group)
{
    kern_case *k = kern_list_add(list, like);
    if (!k) return;
    k->variant = group;
    k->unit = "bytes_per_cycle";
    k->roof = KERN_ROOF_L1;
    k->c.call = call_row;
    k->c.work = bytes_of(k);
    if (group) snprintf(k->shape, sizeof k->shape, "groups of %d, L1", group);
    else snprintf(k->shape, sizeof k->shape, "L1");
}

void kern_add_row_cases(kern_list *list, const kern_case *like)
{
    switch (like->slot) {
    case EINF__SLOT_gemm_f32:
    case EINF__SLOT_pack_f32:
    case EINF__SLOT_mul_f32:
    case EINF__SLOT_pack_f16:
    case EINF__SLOT_mul_f16:
    case EINF__SLOT_pack_i16:
    case EINF__SLOT_mul_i16: return;
    case EINF__SLOT_attend_f16:
    case EINF__SLOT_attend_f32:
    case EINF__SLOT_attend_q8_0: add_attends(list, like); return;
    case EINF__SLOT_resample_rows:
    case EINF__SLOT_resample_cols: add_resample(list, like); return;
    case EINF__SLOT_quantize_tile:
        add_row(list, like, 32);
        add_row(list, like, 128);
        return;
    default:
        if (like->slot < EINF__SLOT_dot) add_row(list, like, 0);
    }
}
