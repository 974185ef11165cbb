/* SPDX-License-Identifier: MIT
 * verbs_rig.h - what the tests of the verbs share: a compute with kernels, pool and panels; random weights of any
 * type with their dense values; guarded output buffers.
 */
#ifndef TESTS_VERBS_RIG_H
#define TESTS_VERBS_RIG_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/blocks.h"
#include "engine/base/cpu.h"
#include "engine/base/half.h"
#include "engine/kernels/acts.h"
#include "tests/support/test_support.h"

/* ------------------------------------------------------------------------------------------------- numbers -- */

typedef struct rng {
    uint64_t s;
} rng;

static inline uint32_t rng_u32(rng *r)
{
    r->s = r->s * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->s >> 32);
}

/* Uniform in [-1, 1). */
static inline float rng_f32(rng *r) { return (float)(int32_t)rng_u32(r) * 0x1p-31f; }

static inline void fill_random(rng *r, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = rng_f32(r);
}

static inline void *get_bytes(size_t n)
{
    void *p = malloc(n ? n : 1);
    assert_non_null(p);
    return p;
}

static inline float *get_floats(int64_t n) { return get_bytes((size_t)n * sizeof(float)); }

/* ---------------------------------------------------------------------------------------- guarded outputs -- */

enum { N_GUARD = 16 };
#define GUARD_VALUE 12345.678f

/* n floats with guards on both sides. */
static inline float *get_guarded(int64_t n)
{
    float *base = get_floats(n + 2 * N_GUARD);
    for (int64_t i = 0; i < n + 2 * N_GUARD; i++) base[i] = GUARD_VALUE;
    return base + N_GUARD;
}

/* Check the guards and free. */
static inline void put_guarded(float *p, int64_t n)
{
    for (int i = 0; i < N_GUARD; i++) {
        assert_true(p[-1 - i] == GUARD_VALUE);
        assert_true(p[n + i] == GUARD_VALUE);
    }
    free(p - N_GUARD);
}

/* --------------------------------------------------------------------------------------------------- compute -- */

typedef struct rig {
    einf__memory mem;
    einf__kernels k;
    einf__pool *pool;
    einf__compute c;
    void *scratch_block;
    size_t scratch_bytes;
} rig;

enum {
    RIG_MAX_WIDTH = 2048, /* of the columns that a rig multiplies */
    RIG_MAX_HEADS = 64,   /* and the heads of its attention, */
    RIG_MAX_HEAD_DIM = 256
};

static inline void rig_lay_out(einf__arena *a, rig *r, int32_t n_threads, int64_t max_cols)
{
    einf__compute_lay_out(a, &r->c, n_threads, max_cols, RIG_MAX_WIDTH);
    einf__attention_lay_out(a, &r->c, n_threads, RIG_MAX_HEADS, RIG_MAX_HEAD_DIM, RIG_MAX_HEAD_DIM);
    assert_false(a->failed);
}

/* In place, because the parts point at each other. cpu: EINF_CPU_* to use. */
static inline void rig_init(rig *r, int32_t n_threads, uint32_t cpu, int64_t max_cols)
{
    einf_error err = test_error();
    memset(r, 0, sizeof *r);
    einf__memory_init(&r->mem, NULL, 0);
    einf__kernels_init(&r->k, cpu, NULL);
    assert_ok(einf__pool_create(&r->mem, n_threads, &r->pool, &err), &err);
    assert_ok(einf__pool_acquire(r->pool, NULL, NULL, &err), &err);
    r->c = (einf__compute){ .kernels = &r->k, .pool = r->pool, .float_sum = EINF__SUM_F16 };
    einf__arena plan = einf__arena_counting();
    rig_lay_out(&plan, r, n_threads, max_cols);
    r->scratch_bytes = plan.used_bytes;
    r->scratch_block = einf__alloc(&r->mem, r->scratch_bytes);
    assert_non_null(r->scratch_block);
    einf__arena carve = einf__arena_over(r->scratch_block, r->scratch_bytes);
    rig_lay_out(&carve, r, n_threads, max_cols);
    assert_int_equal(carve.used_bytes, plan.used_bytes);
    r->c.float_sum = EINF__SUM_F32; /* laid out for tests that set it */
    memset(r->c.scratch, 0xff, (size_t)n_threads * (size_t)r->c.scratch_bytes); /* as floats, NaN */
}

static inline void rig_deinit(rig *r)
{
    einf__pool_release(r->pool);
    einf__pool_destroy(&r->pool);
    einf__free(&r->mem, r->scratch_block, r->scratch_bytes);
    assert_int_equal(atomic_load(&r->mem.used_bytes), 0);
}

/* Activations with a block of their own; free with free(block). */
static inline einf__acts *rig_acts(int64_t max_width, int64_t max_cols, void **block)
{
    const einf__acts_room room = { max_cols, max_cols, max_cols + EINF__PANEL_MAX_COLS, max_cols, 0 };
    einf__arena plan = einf__arena_counting();
    assert_null(einf__acts_carve(&plan, max_width, &room));
    assert_int_equal(posix_memalign(block, EINF__ARENA_ALIGN, plan.used_bytes), 0);
    einf__arena carve = einf__arena_over(*block, plan.used_bytes);
    einf__acts *acts = einf__acts_carve(&carve, max_width, &room);
    assert_non_null(acts);
    assert_int_equal(carve.used_bytes, plan.used_bytes);
    return acts;
}

/* --------------------------------------------------------------------------------------------------- weights -- */

/* A matrix with random blocks, and the values that the reference de-quantiser reads from them. */
typedef struct weights {
    einf__matrix m;
    uint8_t *bytes;
    float *dense; /* [n_out, n_in] */
    float *bias;
} weights;

/* Scales such that weights are about 1 / 16. */
static inline void fill_block(rng *r, einf__dtype type, uint8_t *block, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) block[i] = (uint8_t)rng_u32(r);
    const uint16_t small = einf__f32_to_f16(0.0005f + 0.0002f * rng_f32(r));
    const uint16_t tiny = einf__f32_to_f16(0.00005f + 0.00002f * rng_f32(r));
    switch ((int)type) {
    case EINF__F32: {
        const float w = rng_f32(r) / 16;
        memcpy(block, &w, sizeof w);
        break;
    }
    case EINF__F16: {
        const uint16_t w = einf__f32_to_f16(rng_f32(r) / 16);
        memcpy(block, &w, sizeof w);
        break;
    }
    case EINF__Q8_0: memcpy(block, &small, 2); break;
    case EINF__Q4_K:
        memcpy(block, &tiny, 2);
        memcpy(block + 2, &small, 2);
        break;
    case EINF__Q6_K: memcpy(block + offsetof(einf__block_q6_k, d), &tiny, 2); break;
    default: fail_msg("no recipe for blocks of type %d", (int)type);
    }
}

/* shift_bytes: distance of the data from an aligned address. */
static inline weights make_weights(rng *r, einf__dtype type, int64_t n_out, int64_t n_in, bool bias, size_t shift_bytes)
{
    static einf__kernels ref;
    if (!ref.to_f32[0]) einf__kernels_init(&ref, 0, NULL);
    const einf__dtype_info *info = einf__dtype_get(type);
    weights w;
    memset(&w, 0, sizeof w);
    w.m = (einf__matrix){ .type = type, .n_in = n_in, .n_out = n_out };
    w.m.row_bytes = (size_t)einf__dtype_row_bytes(type, (uint64_t)n_in);
    assert_true(w.m.row_bytes > 0);
    const size_t n_bytes = w.m.row_bytes * (size_t)n_out;
    w.bytes = get_bytes(n_bytes + shift_bytes); /* its end is the end of the block: a read behind it is seen */
    uint8_t *data = w.bytes + shift_bytes;
    for (size_t i = 0; i < n_bytes; i += info->block_bytes) fill_block(r, type, data + i, info->block_bytes);
    w.m.data = data;
    w.dense = get_floats(n_out * n_in);
    for (int64_t i = 0; i < n_out; i++) ref.to_f32[type](w.dense + i * n_in, data + (size_t)i * w.m.row_bytes, n_in);
    if (bias) {
        w.bias = get_floats(n_out);
        fill_random(r, w.bias, n_out);
        w.m.bias = w.bias;
    }
    return w;
}

static inline void free_weights(weights *w)
{
    free(w->bytes);
    free(w->dense);
    free(w->bias);
}

/* sum_k W[row, k] x[k] and the sum of the absolute products, in double. */
static inline double dot_naive(const weights *w, int64_t row, const float *x, double *sum_abs)
{
    double sum = 0, abs_sum = 0;
    for (int64_t i = 0; i < w->m.n_in; i++) {
        const double p = (double)w->dense[row * w->m.n_in + i] * (double)x[i];
        sum += p;
        abs_sum += fabs(p);
    }
    *sum_abs = abs_sum;
    return sum;
}

#endif
