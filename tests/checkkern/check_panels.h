/* SPDX-License-Identifier: MIT
 * check_panels.h - checks of the int8 GEMM's parts: packing, tiles, products; and of the f32 GEMM's inside.
 *
 * Strips and tiles are read and written here through the table's panel_shape alone, an element at a time. Arrays that a
 * form does not have are empty and end at a page no one may touch.
 */
#ifndef TESTS_CHECK_PANELS_H
#define TESTS_CHECK_PANELS_H

#include <float.h>

#include "tests/checkkern/check_rows.h"
#include "tests/checkkern/check_support.h"
#include "tests/checkkern/check_weights.h"

/* Memory that begins at a multiple of EINF__PANEL_ALIGN and ends as near to a guard page as that allows. */
static guarded guard_aligned(int64_t size_bytes)
{
    const size_t size = (size_t)size_bytes, over = size % EINF__PANEL_ALIGN;
    return guard_alloc(size, over == 0 ? 0 : EINF__PANEL_ALIGN - over);
}

/* ----------------------------------------------------------------------------------------------------- strips -- */

typedef struct guarded_strip {
    guarded codes, scale, min, factor;
    einf__strip s;
    const einf__panel_shape *shape;
    einf__panel_form form;
    int64_t n_in;
} guarded_strip;

static guarded_strip make_strip(const einf__panel_shape *shape, einf__panel_form form, int64_t n_in)
{
    const int64_t n_scales = n_in / einf__panel_group(form) * shape->mr;
    guarded_strip p = {.shape = shape, .form = form, .n_in = n_in};
    p.codes = guard_aligned(n_in * shape->mr);
    p.scale = guard_aligned(n_scales * (int64_t)sizeof(float));
    p.min = guard_floats(einf__panel_has_minima(form) ? n_scales : 0);
    p.factor = guard_alloc(form == EINF__PANEL_16 ? (size_t)n_scales * 2 * sizeof(int16_t) : 0, 0);
    p.s = (einf__strip){p.codes.data, floats(&p.scale), floats(&p.min), (int16_t *)(void *)p.factor.data};
    return p;
}

static void free_strip(guarded_strip *p)
{
    guard_free(&p->codes);
    guard_free(&p->scale);
    guard_free(&p->min);
    guard_free(&p->factor);
}

static uint8_t *strip_byte(const guarded_strip *p, int row, int64_t e)
{
    const int64_t unit = p->shape->k_unit;
    return p->s.codes + (e / unit * p->shape->mr + row) * unit + e % unit;
}

static int strip_code(const guarded_strip *p, int row, int64_t e)
{
    const int bias = einf__code_bias(p->shape, p->form), stored = *strip_byte(p, row, e);
    return bias != 0 || einf__panel_has_minima(p->form) ? stored - bias : stored < 128 ? stored : stored - 256;
}

static int16_t *strip_factor(const guarded_strip *p, int row, int64_t e)
{
    return p->s.factor + 2 * (e / 32 * p->shape->mr + row) + e / 16 % 2;
}

/* What the strip's scale is multiplied with. */
static int strip_multiple(const guarded_strip *p, int row, int64_t e)
{
    return p->form == EINF__PANEL_16 ? *strip_factor(p, row, e) * strip_code(p, row, e) : strip_code(p, row, e);
}

static double strip_scale(const guarded_strip *p, int row, int64_t group)
{
    return (double)p->s.scale[group * p->shape->mr + row];
}

static double strip_min(const guarded_strip *p, int row, int64_t group)
{
    return einf__panel_has_minima(p->form) ? (double)p->s.min[group * p->shape->mr + row] : 0.0;
}

/* ---------------------------------------------------------------------------------------------------- packing -- */

/* Rows of blocks, and what the file says of them: every element by the oracle; codes, scales and offsets as the
 * library takes blocks apart, which the checks of to_f32 hold to the same oracle. */
typedef struct packed_rows {
    guarded w, memory[4]; /* left behind by a check that fails, as all that is mapped */
    size_t row_bytes;
    element *element; /* [n_rows, n_in] */
    int8_t *code;     /* [n_rows, n_in] */
    float *scale, *offset; /* [n_rows, n_in / 16] */
    int32_t n_rows;
    int64_t n_in;
} packed_rows;

static void unpack_block(einf__codes *c, einf__dtype type, const uint8_t *block)
{
#define UNPACK(id, name) if (type == EINF__##id) einf__unpack_##name(c, block);
    EINF__CODED_TYPES(UNPACK)
#undef UNPACK
}

static void read_row(packed_rows *p, einf__dtype type, int32_t row)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    const int elems = info->block_elems;
    for (int64_t b = 0; b < p->n_in / elems; b++) {
        const uint8_t *block = p->w.data + (size_t)row * p->row_bytes + (size_t)b * info->block_bytes;
        const int64_t at = row * p->n_in + b * elems;
        einf__codes codes;
        unpack_block(&codes, type, block);
        for (int e = 0; e < elems; e++) p->element[at + e] = oracle_element(type, block, e);
        memcpy(p->code + at, codes.q, (size_t)elems);
        memcpy(p->scale + at / 16, codes.scale, (size_t)elems / 16 * sizeof(float));
        memcpy(p->offset + at / 16, codes.offset, (size_t)elems / 16 * sizeof(float));
    }
}

/* Rows at odd distances; the last one ends `slack` bytes before a guard page. */
static packed_rows make_packed_rows(einf__dtype type, int32_t n_rows, int64_t n_in, int pattern, size_t slack)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    const size_t packed = (size_t)(n_in / info->block_elems) * info->block_bytes, n = (size_t)n_rows * (size_t)n_in;
    packed_rows p = {.row_bytes = packed + 1 + packed % 2, .n_rows = n_rows, .n_in = n_in};
    p.w = guard_alloc((size_t)(n_rows - 1) * p.row_bytes + packed, slack);
    const size_t sizes[] = {n * sizeof *p.element, n, n / 16 * sizeof(float), n / 16 * sizeof(float)};
    for (size_t i = 0; i < COUNT(sizes); i++) p.memory[i] = guard_alloc(sizes[i], 0);
    p.element = (element *)(void *)p.memory[0].data;
    p.code = (int8_t *)p.memory[1].data;
    p.scale = floats(&p.memory[2]);
    p.offset = floats(&p.memory[3]);
    for (int32_t r = 0; r < n_rows; r++) {
        fill_blocks(p.w.data + (size_t)r * p.row_bytes, type, n_in / info->block_elems, pattern, 16);
        read_row(&p, type, r);
    }
    return p;
}

static void free_packed_rows(packed_rows *p)
{
    guard_free(&p->w);
    for (size_t i = 0; i < COUNT(p->memory); i++) guard_free(&p->memory[i]);
}

/* Whether every group of 32 of the format has one scale and no minimum. */
static bool has_one_scale(einf__dtype type)
{
    switch ((int)type) {
    case EINF__Q2_K: case EINF__Q3_K: case EINF__Q6_K: case EINF__IQ1_S: case EINF__IQ1_M: case EINF__IQ2_XS:
    case EINF__IQ2_S: return false;
    default: return einf__panel_finest(type) == EINF__PANEL_32;
    }
}

/* The file's own codes and scales? */
static bool are_halves_kept(const guarded_strip *p, const packed_rows *from, int row, int64_t g)
{
    const int64_t at = row * from->n_in + 32 * g;
    for (int e = 0; e < 32; e++) {
        const int factor = *strip_factor(p, row, 32 * g + e), code = from->code[at + e];
        if (strip_code(p, row, 32 * g + e) != code || code < -32 || code > 31) return false;
        if (factor < -128 || factor > 127) return false;
        if (strip_scale(p, row, g) * factor != (double)from->scale[(at + e) / 16]) return false;
        if (from->offset[(at + e) / 16] != 0.0f) return false;
    }
    return true;
}

/* The file's own codes, scale and minimum? */
static bool is_group_kept(const guarded_strip *p, const packed_rows *from, int row, int64_t g)
{
    const int64_t at = row * from->n_in + 32 * g;
    if (p->form == EINF__PANEL_16) return are_halves_kept(p, from, row, g);
    if (einf__panel_group(p->form) != 32 || strip_scale(p, row, g) != (double)from->scale[at / 16]) return false;
    if (strip_min(p, row, g) != -(double)from->offset[at / 16]) return false;
    for (int e = 0; e < 32; e++)
        if (strip_code(p, row, 32 * g + e) != from->code[at + e]) return false;
    return from->scale[at / 16] == from->scale[at / 16 + 1] && from->offset[at / 16] == from->offset[at / 16 + 1];
}

static void check_rounded_group(const guarded_strip *p, const packed_rows *from, int row, int64_t g)
{
    const int n = einf__panel_group(p->form);
    const element *want = from->element + row * from->n_in + n * g;
    double max = 0.0;
    for (int e = 0; e < n; e++) max = fmax(max, fabs(want[e].value));
    const double scale = strip_scale(p, row, g), right = max / 127.0 < (double)FLT_MIN ? 0.0 : max / 127.0;
    expect_within(scale, right, 3e-7 * right, "scale of group", g);
    for (int e = 0; e < n; e++)
        expect_within(scale * strip_code(p, row, n * g + e), want[e].value, 0.51 * scale + 127.0 * (double)FLT_MIN,
                      "weight", n * g + e);
}

static void check_packed_group(const guarded_strip *p, const packed_rows *from, einf__dtype type, int row, int64_t g)
{
    const bool kept = is_group_kept(p, from, row, g);
    const bool must_keep = einf__panel_has_minima(p->form) || p->form == EINF__PANEL_16 ||
                           (p->form == EINF__PANEL_32 && has_one_scale(type));
    if (must_keep && !kept) check_fail("row %d, group %lld has not the file's codes", row, (long long)g);
    if (!kept) check_rounded_group(p, from, row, g);
    for (int e = 0; kept && e < 32; e++) {
        const element *want = from->element + row * from->n_in + 32 * g + e;
        const double value = strip_scale(p, row, g) * strip_multiple(p, row, 32 * g + e) - strip_min(p, row, g);
        expect_within(value, want->value, 2e-7 * want->magnitude, "weight", 32 * g + e);
    }
}

/* A row behind the last one is zeros, whatever the scale. */
static void check_absent_row(const guarded_strip *p, int row)
{
    for (int64_t e = 0; e < p->n_in; e++) {
        const int64_t g = e / einf__panel_group(p->form);
        expect_within(strip_scale(p, row, g) * strip_multiple(p, row, e) - strip_min(p, row, g), 0.0, 0.0,
                      "weight of a row that is not there", e);
    }
}

static void check_pack_shape(const check *c, einf__dtype type, einf__panel_form form, const packed_rows *from,
                             int32_t n_rows)
{
    note_shape("form %s, rows %d, n_in %lld", einf__kernel_slot_name(EINF__SLOT_panel_mul + (int)form), n_rows,
               (long long)from->n_in);
    guarded_strip p = make_strip(&c->k->panel_shape, form, from->n_in);
    /* The last rows of the weights: what lies behind them may not be read. */
    packed_rows last = *from;
    const int32_t first = from->n_rows - n_rows;
    last.element += first * from->n_in;
    last.code += first * from->n_in;
    last.scale += first * from->n_in / 16;
    last.offset += first * from->n_in / 16;
    c->k->pack[type](c->k, &p.s, form, from->w.data + (size_t)first * from->row_bytes, from->row_bytes, n_rows,
                     from->n_in);
    for (int i = 0; i < c->k->panel_shape.mr; i++) {
        if (i >= n_rows) check_absent_row(&p, i);
        for (int64_t g = 0; i < n_rows && g < from->n_in / einf__panel_group(form); g++)
            check_packed_group(&p, &last, type, i, g);
    }
    free_strip(&p);
}

/* Every number of rows at a length of one block or group; longer ones with a few. */
static void check_pack_form(const check *c, einf__dtype type, einf__panel_form form)
{
    static const int counts[] = {1, 2, 3, 4, 7, 9}; /* of blocks; 9 of 256 are more than 2048 */
    const int32_t mr = c->k->panel_shape.mr, group = einf__panel_group(form);
    const int64_t unit = group > einf__dtype_get(type)->block_elems ? group : einf__dtype_get(type)->block_elems;
    for (size_t i = 0; i < COUNT(byte_patterns); i++) {
        const int64_t n_in = unit * counts[i % COUNT(counts)];
        packed_rows rows = make_packed_rows(type, mr, n_in, byte_patterns[i], i % 2);
        for (int32_t n_rows = 1; n_rows <= mr; n_rows += i == 0 || n_rows == mr ? 1 : mr - 1)
            check_pack_shape(c, type, form, &rows, n_rows);
        free_packed_rows(&rows);
    }
    packed_rows rows = make_packed_rows(type, mr, 2048 + unit, BYTES_RANDOM, 1);
    check_pack_shape(c, type, form, &rows, mr - 1);
    free_packed_rows(&rows);
}

/* What tables name that gain from it. */
static bool is_special(einf__panel_form form)
{
    return form == EINF__PANEL_32M4 || form == EINF__PANEL_16;
}

static void check_pack(const check *c)
{
    static const einf__panel_form rounded[] = {EINF__PANEL_32, EINF__PANEL_64, EINF__PANEL_128};
    const einf__dtype type = (einf__dtype)(c->slot - EINF__SLOT_pack);
    const einf__panel_form finest = einf__panel_finest(type), chosen = c->k->panel_form[type];
    if (finest == EINF__PANEL_NONE) return; /* floats have no codes */
    expect_true(c->k->pack[type], "an empty slot");
    check_pack_form(c, type, finest);
    if (is_special(chosen)) check_pack_form(c, type, chosen);
    for (size_t i = 0; i < COUNT(rounded); i++)
        if (rounded[i] != finest) check_pack_form(c, type, rounded[i]);
}

/* ------------------------------------------------------------------------------------------------------ tiles -- */

typedef struct guarded_tile {
    guarded q, d, start, dsum;
    einf__tile t;
    int32_t k_unit, group;
    bool sums16;
    int64_t n;
} guarded_tile;

/* slack: bytes behind the codes, which may lie anywhere. */
static guarded_tile make_tile(const einf__panel_shape *shape, int32_t n_cols, int64_t n, int32_t group, size_t slack)
{
    const int64_t n_groups = n / group * n_cols;
    guarded_tile p = {.k_unit = shape->k_unit, .group = group, .sums16 = shape->tile_sums16, .n = n};
    p.q = guard_alloc((size_t)(n * n_cols), slack);
    p.d = guard_floats(n_groups);
    p.start = guard_alloc((size_t)n_groups * sizeof(int32_t), 0);
    p.dsum = guard_floats(n_groups);
    p.t = (einf__tile){(int8_t *)p.q.data, floats(&p.d), (int32_t *)(void *)p.start.data, floats(&p.dsum), n_cols};
    return p;
}

static void free_tile(guarded_tile *p)
{
    guard_free(&p->q);
    guard_free(&p->d);
    guard_free(&p->start);
    guard_free(&p->dsum);
}

static int8_t *tile_byte(const guarded_tile *p, int32_t col, int64_t e)
{
    return p->t.q + (e / p->k_unit * p->t.n_cols + col) * p->k_unit + e % p->k_unit;
}

/* What belongs to the codes of a group. */
static int32_t start_of(const guarded_tile *p, int32_t col, int64_t g)
{
    int32_t sum[2] = {0, 0};
    for (int e = 0; e < p->group; e++) sum[e / 16 % 2] += *tile_byte(p, col, g * p->group + e);
    return p->sums16 ? einf__sums16(sum[0], sum[1]) : -128 * (sum[0] + sum[1]);
}

/* The rule of quantize_q8, to the last bit: x NULL is a column of zeros. */
static void check_tile_group(const guarded_tile *p, const float *x, int32_t col, int64_t g)
{
    float max = 0.0f;
    for (int e = 0; x && e < p->group; e++) max = fmaxf(max, fabsf(einf__clamp_finite(x[e])));
    const float d = max / 127.0f < FLT_MIN ? 0.0f : max / 127.0f, inverse = d > 0.0f ? 1.0f / d : 0.0f;
    const int64_t at = g * p->t.n_cols + col;
    int32_t sum = 0;
    for (int e = 0; e < p->group; e++) {
        const long want = x ? lrintf(einf__clamp_finite(x[e]) * inverse) : 0;
        expect_equal(*tile_byte(p, col, g * p->group + e), want, "code", g * p->group + e);
        sum += (int32_t)want;
    }
    const double dsum = (double)(d * (float)sum); /* infinite where x is among the largest floats */
    expect_within((double)p->t.d[at], (double)d, 0.0, "scale of group", g);
    expect_equal(p->t.start[at], start_of(p, col, g), "start of group", g);
    if ((double)p->t.dsum[at] != dsum) expect_within((double)p->t.dsum[at], dsum, 0.0, "dsum of group", g);
}

static void check_tile_shape(const check *c, int32_t group, int64_t n_groups, int32_t n_cols, int first_kind)
{
    const einf__panel_shape *shape = &c->k->panel_shape;
    const int32_t padded = (n_cols + shape->nr_unit - 1) / shape->nr_unit * shape->nr_unit;
    const int64_t n = n_groups * group, x_stride = n + 3;
    note_shape("groups of %d, %lld of them, columns %d, the first of kind %d", group, (long long)n_groups, n_cols,
               first_kind);
    guarded x = guard_floats((n_cols - 1) * x_stride + n);
    guarded_tile tile = make_tile(shape, padded, n, group, (size_t)(first_kind % 2));
    for (int32_t j = 0; j < n_cols; j++)
        for (int64_t e = 0; e < n; e += 32)
            fill_group(floats(&x) + j * x_stride + e, (first_kind + (int)(j + e / group)) % N_GROUP_KINDS);
    c->k->quantize_tile(&tile.t, floats(&x), x_stride, n_cols, n, group);
    for (int32_t j = 0; j < padded; j++)
        for (int64_t g = 0; g < n_groups; g++)
            check_tile_group(&tile, j < n_cols ? floats(&x) + j * x_stride + g * group : NULL, j, g);
    guard_free(&x);
    free_tile(&tile);
}

static void check_quantize_tile(const check *c)
{
    for (int32_t group = 32; group <= 128; group *= 2) {
        for (int32_t n_cols = 1; n_cols <= c->k->panel_shape.nr; n_cols++)
            for (int kind = 0; kind < N_GROUP_KINDS; kind++)
                check_tile_shape(c, group, 1 + (kind + n_cols) % 3, n_cols, kind);
        check_tile_shape(c, group, 17, c->k->panel_shape.nr, 0);
    }
}

/* --------------------------------------------------------------------------------------------------- products -- */

/* Codes of strips and tiles: at random, or at the ends of their ranges. WHOLE: scales of 1, so that sums are integers
 * and nothing is rounded. */
enum { MUL_RANDOM, MUL_WHOLE, MUL_HIGH_HIGH, MUL_HIGH_LOW, MUL_LOW_HIGH, MUL_LOW_LOW, MUL_MIXED, N_MUL_KINDS };

static int extreme_or_random(int low, int high, bool is_low, bool is_high)
{
    return is_low ? low : is_high ? high : low + (int)(random_u32() % (unsigned)(high - low + 1));
}

/* Extreme where codes are. */
static int16_t factor_of(int kind)
{
    const bool is_low = kind == MUL_HIGH_LOW || kind == MUL_LOW_LOW;
    return (int16_t)extreme_or_random(-128, 127, is_low, kind != MUL_RANDOM && kind != MUL_WHOLE);
}

static void fill_strip(guarded_strip *p, int kind)
{
    const bool has_minima = einf__panel_has_minima(p->form), has_factors = p->form == EINF__PANEL_16;
    const int low = has_minima ? 0 : has_factors ? -32 : -128;
    const int high = p->form == EINF__PANEL_32M4 ? 15 : has_minima || has_factors ? 31 : 127;
    const int64_t n_groups = p->n_in / einf__panel_group(p->form);
    for (int i = 0; i < p->shape->mr; i++) {
        for (int64_t e = 0; e < p->n_in; e++) {
            const bool is_low = kind == MUL_LOW_HIGH || kind == MUL_LOW_LOW || (kind == MUL_MIXED && (e + i) % 2);
            const bool is_high = kind != MUL_RANDOM && kind != MUL_WHOLE;
            const int code = extreme_or_random(low, high, is_low, is_high);
            *strip_byte(p, i, e) = (uint8_t)(code + einf__code_bias(p->shape, p->form));
            if (has_factors) *strip_factor(p, i, e) = factor_of(kind);
        }
        for (int64_t g = 0; g < n_groups; g++) {
            p->s.scale[g * p->shape->mr + i] = kind == MUL_RANDOM ? random_unit() : 1.0f;
            if (has_minima) p->s.min[g * p->shape->mr + i] = kind == MUL_RANDOM ? 16.0f * random_unit() : 1.0f;
        }
    }
}

static void fill_tile(guarded_tile *p, int kind)
{
    for (int32_t j = 0; j < p->t.n_cols; j++) {
        for (int64_t g = 0; g < p->n / p->group; g++) {
            int32_t sum = 0;
            for (int64_t e = g * p->group; e < (g + 1) * p->group; e++) {
                const bool is_low = kind == MUL_HIGH_LOW || kind == MUL_LOW_LOW || (kind == MUL_MIXED && e / 2 % 2);
                const bool is_high = kind != MUL_RANDOM && kind != MUL_WHOLE;
                sum += *tile_byte(p, j, e) = (int8_t)extreme_or_random(-127, 127, is_low, is_high);
            }
            const float d = kind == MUL_RANDOM ? 0.01f * (1.5f + random_unit()) : 1.0f;
            const int64_t at = g * p->t.n_cols + j;
            p->t.d[at] = d;
            p->t.start[at] = start_of(p, j, g);
            p->t.dsum[at] = d * (float)sum;
        }
    }
}

/* Row i times column j in double, and the sum of magnitudes of what is added. */
static element exact_product(const guarded_strip *s, const guarded_tile *t, int i, int32_t j)
{
    element sum = {0.0, 0.0};
    for (int64_t g = 0; g < t->n / t->group; g++) {
        int64_t products = 0;
        for (int64_t e = g * t->group; e < (g + 1) * t->group; e++)
            products += strip_multiple(s, i, e) * *tile_byte(t, j, e);
        const double scaled = strip_scale(s, i, g) * (double)t->t.d[g * t->t.n_cols + j] * (double)products;
        const double less = strip_min(s, i, g) * (double)t->t.dsum[g * t->t.n_cols + j];
        sum.value += scaled - less;
        sum.magnitude += fabs(scaled) + fabs(less);
    }
    return sum;
}

/* Columns [col, col + nr_unit) alone have the bits that they have among others. */
static void check_columns_alone(const check *c, const guarded_strip *s, const guarded_tile *all, const float *among,
                                int32_t col)
{
    const int32_t n_cols = c->k->panel_shape.nr_unit, mr = c->k->panel_shape.mr;
    guarded_tile few = make_tile(&c->k->panel_shape, n_cols, all->n, all->group, 1);
    guarded out = guard_aligned((int64_t)n_cols * mr * (int64_t)sizeof(float));
    for (int32_t j = 0; j < n_cols; j++) {
        for (int64_t e = 0; e < all->n; e++) *tile_byte(&few, j, e) = *tile_byte(all, col + j, e);
        for (int64_t g = 0; g < all->n / all->group; g++) {
            const int64_t to = g * n_cols + j, at = g * all->t.n_cols + col + j;
            few.t.d[to] = all->t.d[at];
            few.t.start[to] = all->t.start[at];
            few.t.dsum[to] = all->t.dsum[at];
        }
    }
    c->k->panel_mul[s->form](floats(&out), &s->s, &few.t, all->n);
    expect_same_floats(floats(&out), among + (int64_t)col * mr, (int64_t)n_cols * mr, "columns alone");
    free_tile(&few);
    guard_free(&out);
}

static void check_panel_mul_shape(const check *c, einf__panel_form form, int64_t n_groups, int32_t n_cols, int kind)
{
    const einf__panel_shape *shape = &c->k->panel_shape;
    const int32_t group = einf__panel_group(form), mr = shape->mr;
    note_shape("n_in %lld, columns %d, codes of kind %d", (long long)n_groups * group, n_cols, kind);
    guarded_strip s = make_strip(shape, form, n_groups * group);
    guarded_tile t = make_tile(shape, n_cols, n_groups * group, group, (size_t)(kind % 3));
    guarded out = guard_aligned((int64_t)n_cols * mr * (int64_t)sizeof(float));
    fill_strip(&s, kind);
    fill_tile(&t, kind);
    c->k->panel_mul[form](floats(&out), &s.s, &t.t, n_groups * group);
    for (int32_t j = 0; j < n_cols; j++) {
        for (int i = 0; i < mr; i++) {
            const element want = exact_product(&s, &t, i, j);
            const double bound = kind == MUL_RANDOM ? (double)EINF__TOL_REORDER(n_groups + 2) * want.magnitude : 0.0;
            expect_within((double)floats(&out)[j * mr + i], want.value, bound, "row", i);
        }
    }
    for (int32_t col = 0; col < n_cols; col += shape->nr_unit) check_columns_alone(c, &s, &t, floats(&out), col);
    free_strip(&s);
    free_tile(&t);
    guard_free(&out);
}

static bool is_named(const einf__kernels *k, einf__panel_form form)
{
    bool named = false;
    for (int t = 0; t < EINF__N_DTYPES; t++) named |= k->panel_form[t] == form;
    return named;
}

static void check_panel_mul(const check *c)
{
    const einf__panel_form form = (einf__panel_form)(c->slot - EINF__SLOT_panel_mul);
    const einf__panel_shape *shape = &c->k->panel_shape;
    if (form == EINF__PANEL_NONE || (is_special(form) && !is_named(c->k, form))) return;
    expect_true(c->k->panel_mul[form], "an empty slot");
    for (int32_t n_cols = shape->nr_unit; n_cols <= shape->nr; n_cols += shape->nr_unit)
        for (int kind = 0; kind < N_MUL_KINDS; kind++) /* sums of 1024 products are whole floats */
            check_panel_mul_shape(c, form, 1 + (n_cols + kind) % (form == EINF__PANEL_128 ? 7 : 9), n_cols, kind);
    check_panel_mul_shape(c, form, 2048 / einf__panel_group(form) + 1, shape->nr, MUL_RANDOM);
}

/* ----------------------------------------------------------------------------------------- the f32 GEMM's inside -- */

static void check_pack_f32(const check *c)
{
    static const int32_t depths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 257};
    const int32_t mr = c->k->float_mr;
    for (size_t d = 0; d < COUNT(depths); d++) {
        for (int32_t n_rows = 1; n_rows <= mr; n_rows++) {
            const int32_t depth = depths[d];
            const int64_t lda = depth + (int64_t)(d % 3);
            note_shape("rows %d, depth %d", n_rows, depth);
            guarded a = guard_floats((n_rows - 1) * lda + depth);
            guarded panel = guard_aligned((int64_t)mr * depth * (int64_t)sizeof(float));
            fill_random(floats(&a), (n_rows - 1) * lda + depth, 1.0f);
            c->k->pack_f32(floats(&panel), floats(&a), lda, n_rows, depth);
            for (int32_t k = 0; k < depth; k++) {
                for (int32_t i = 0; i < mr; i++) {
                    const float want = i < n_rows ? floats(&a)[i * lda + k] : 0.0f;
                    expect_within((double)floats(&panel)[k * mr + i], (double)want, 0.0, "depth", k);
                }
            }
            guard_free(&a);
            guard_free(&panel);
        }
    }
}

/* What a column of the product must be; alone it has the bits that it has among others. */
static void check_mul_column(const check *c, const float *panel, int32_t depth, const float *b, const float *before,
                             const float *got, bool add)
{
    const int32_t mr = c->k->float_mr;
    guarded alone = guard_floats(mr);
    memcpy(alone.data, before, (size_t)mr * sizeof(float));
    c->k->mul_f32(floats(&alone), mr, panel, depth, b, depth, 1, add);
    for (int32_t i = 0; i < mr; i++) {
        double sum = add ? (double)before[i] : 0.0, magnitude = fabs(sum);
        for (int32_t k = 0; k < depth; k++) {
            const double product = (double)panel[k * mr + i] * (double)b[k];
            sum += product;
            magnitude += fabs(product);
        }
        expect_within((double)got[i], sum, (double)EINF__TOL_REORDER(depth + 1) * magnitude, "row", i);
    }
    expect_same_floats(floats(&alone), got, mr, "column alone");
    guard_free(&alone);
}

static void check_mul_shape(const check *c, int32_t depth, int32_t n_cols, bool add, int gap)
{
    note_shape("depth %d, columns %d, %s", depth, n_cols, add ? "added" : "stored");
    const int32_t mr = c->k->float_mr;
    const int64_t ldb = depth + gap, ldc = mr + 3 * gap, n_out = (n_cols - 1) * ldc + mr;
    guarded panel = guard_aligned((int64_t)mr * depth * (int64_t)sizeof(float));
    guarded b = guard_floats((n_cols - 1) * ldb + depth), out = guard_floats(n_out), before = guard_floats(n_out);
    fill_random(floats(&panel), (int64_t)mr * depth, 1.0f);
    fill_random(floats(&b), (n_cols - 1) * ldb + depth, 3.0f);
    for (int32_t j = 0; j < n_cols && add; j++) fill_random(floats(&out) + j * ldc, mr, 2.0f);
    memcpy(before.data, out.data, out.size_bytes);
    c->k->mul_f32(floats(&out), ldc, floats(&panel), depth, floats(&b), ldb, n_cols, add);
    for (int32_t j = 0; j < n_cols; j++) {
        check_mul_column(c, floats(&panel), depth, floats(&b) + j * ldb, floats(&before) + j * ldc,
                         floats(&out) + j * ldc, add);
        for (int64_t i = mr; i < ldc && j + 1 < n_cols; i++) expect_canary(floats(&out) + j * ldc + i, i);
    }
    guard_free(&panel);
    guard_free(&b);
    guard_free(&out);
    guard_free(&before);
}

static void check_mul_f32(const check *c)
{
    static const int32_t depths[] = {1, 2, 3, 5, 8, 9, 16, 31, 64, 127, 256, 257, 600};
    for (size_t d = 0; d < COUNT(depths); d++)
        for (int32_t n_cols = 1; n_cols <= 40; n_cols += n_cols < 14 ? 1 : 13)
            check_mul_shape(c, depths[d], n_cols, (n_cols + (int32_t)d) % 2 != 0, (int)(d % 3));
}

#endif
