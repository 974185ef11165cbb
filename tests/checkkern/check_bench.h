/* SPDX-License-Identifier: MIT
 * check_bench.h - a quick look at how fast each slot is: one thread, data in cache, the best of a few short runs. A
 * glance while writing a kernel, not a benchmark: docs/MEASURING.md says what that takes. Cycles are those of a core,
 * counted by a chain of multiplications whose latency is known.
 */
#ifndef TESTS_CHECK_BENCH_H
#define TESTS_CHECK_BENCH_H

#include <time.h>

#include "tests/checkkern/check_support.h"

enum { BENCH_N = 4096, BENCH_ROWS = 16, BENCH_KEYS = 256, BENCH_DIM = 128, BENCH_DEPTH = 256, BENCH_PANEL_N = 2048 };

/* Zeros, which every format knows: no kernel here looks at what it multiplies. */
typedef struct bench_data {
    _Alignas(64) uint8_t weights[BENCH_N * BENCH_ROWS * 4];
    float x[BENCH_N * 8], y[BENCH_N * 8];
    int8_t q[BENCH_N * EINF__MAX_DOT_COLS];
    int16_t sum16[BENCH_N * EINF__MAX_DOT_COLS];
    uint16_t half[BENCH_N];
    _Alignas(EINF__PANEL_ALIGN) uint8_t strip[EINF__PANEL_MAX_ROWS * BENCH_PANEL_N * 5 / 4];
    _Alignas(EINF__PANEL_ALIGN) float out[EINF__PANEL_MAX_ROWS * 4 * EINF__PANEL_MAX_COLS];
    int8_t tile_q[EINF__PANEL_MAX_COLS * BENCH_PANEL_N];
    float tile_d[EINF__PANEL_MAX_COLS * BENCH_PANEL_N / 32], tile_dsum[EINF__PANEL_MAX_COLS * BENCH_PANEL_N / 32];
    int32_t tile_start[EINF__PANEL_MAX_COLS * BENCH_PANEL_N / 32];
} bench_data;
static bench_data bench;

/* What one call does: operations (a multiply and an add are two), or bytes where nothing is multiplied. Of panels the
 * multiply-adds, or the weights, beside cycles. */
typedef struct bench_work {
    double amount;
    const char *unit;
    enum { PER_NANOSECOND, PER_CYCLE, CYCLES_PER } of;
} bench_work;

static void bench_dot(const einf__kernels *k, einf__dtype type, int n_cols)
{
    const einf__cols cols = {bench.x, bench.q, bench.x, bench.sum16, BENCH_N, BENCH_N, BENCH_N / 32};
    k->dot[type](bench.y, BENCH_ROWS, bench.weights, (size_t)einf__dtype_row_bytes(type, BENCH_N), BENCH_ROWS, BENCH_N,
                 &cols, n_cols);
}

static bench_work bench_attend(einf__attend_fn fn)
{
    einf__softmax state[EINF__ATTEND_MAX_Q];
    const einf__attend a = {
        .out = bench.y, .state = state, .q = bench.x, .k = bench.weights, .v = bench.weights, .q_stride = BENCH_DIM,
        .out_stride = BENCH_DIM, .k_stride = BENCH_DIM, .v_stride = BENCH_DIM, .key_begin = 0, .key_end = BENCH_KEYS,
        .n_q = 4, .k_dim = BENCH_DIM, .v_dim = BENCH_DIM, .scale = 1.0f, .softcap = 0.0f};
    fn(&a);
    return (bench_work){4.0 * 4 * BENCH_KEYS * BENCH_DIM, "G operations/s", PER_NANOSECOND};
}

static einf__tile bench_tile(const einf__kernels *k)
{
    return (einf__tile){bench.tile_q, bench.tile_d, bench.tile_start, bench.tile_dsum, k->panel_shape.nr};
}

/* 2048 deep, as many rows and columns as the shape has. */
static bench_work bench_panel(const einf__kernels *k, int slot)
{
    const einf__panel_shape *shape = &k->panel_shape;
    const einf__strip strip = einf__strip_over(shape, bench.strip, BENCH_PANEL_N);
    const einf__tile tile = bench_tile(k);
    if (slot < EINF__SLOT_panel_mul) {
        const einf__dtype type = (einf__dtype)(slot - EINF__SLOT_pack);
        if (!k->pack[type]) return (bench_work){0.0, "not timed", PER_NANOSECOND};
        k->pack[type](k, &strip, k->panel_form[type], bench.weights,
                      (size_t)einf__dtype_row_bytes(type, BENCH_PANEL_N), shape->mr, BENCH_PANEL_N);
        return (bench_work){(double)BENCH_PANEL_N * shape->mr, "cycles a weight", CYCLES_PER};
    }
    const einf__panel_mul_fn mul = k->panel_mul[slot - EINF__SLOT_panel_mul];
    if (!mul) return (bench_work){0.0, "not timed", PER_NANOSECOND};
    mul(bench.out, &strip, &tile, BENCH_PANEL_N);
    return (bench_work){(double)BENCH_PANEL_N * shape->mr * shape->nr, "multiply-adds a cycle", PER_CYCLE};
}

/* In place, on a copy: or each run would work on what the last one left. */
static void bench_act(einf__act_fn fn)
{
    memcpy(bench.y, bench.x, sizeof(float) * BENCH_N);
    fn(bench.y, BENCH_N);
}

enum { BENCH_TAPS = 16, BENCH_PIXELS = 256 };

/* Pictures: a reduction to a quarter, as of a photograph of 12 megapixels to one. */
static bench_work bench_resample(const einf__kernels *k, int slot)
{
    static const int32_t first[BENCH_PIXELS];
    int32_t count[BENCH_PIXELS];
    for (int i = 0; i < BENCH_PIXELS; i++) count[i] = BENCH_TAPS;
    const int32_t *weights = (const int32_t *)(const void *)bench.strip;
    const einf__taps taps = {first, count, weights, BENCH_PIXELS, BENCH_TAPS};
    if (slot == EINF__SLOT_resample_cols) {
        const int64_t stride = BENCH_N + 64; /* rows a page apart would share a few lines of the cache */
        k->resample_cols((uint8_t *)bench.half, bench.weights, stride, weights, BENCH_TAPS, BENCH_N);
        return (bench_work){(double)BENCH_N * BENCH_TAPS, "multiply-adds a cycle", PER_CYCLE};
    }
    k->resample_rows((uint8_t *)bench.half, 3 * BENCH_PIXELS, bench.weights, BENCH_N, EINF__RESAMPLE_MAX_ROWS,
                     BENCH_N / 3, &taps);
    return (bench_work){3.0 * EINF__RESAMPLE_MAX_ROWS * BENCH_PIXELS * BENCH_TAPS, "multiply-adds a cycle", PER_CYCLE};
}

/* One call of the slot; its work. */
static bench_work bench_call(const einf__kernels *k, int slot)
{
    const einf__tile tile = bench_tile(k);
    if (slot >= EINF__SLOT_pack) return bench_panel(k, slot);
    if (slot >= EINF__SLOT_dot) {
        bench_dot(k, (einf__dtype)(slot - EINF__SLOT_dot), 1);
        return (bench_work){2.0 * BENCH_N * BENCH_ROWS, "G operations/s, 1 column", PER_NANOSECOND};
    }
    if (slot >= EINF__SLOT_to_f32) {
        k->to_f32[slot - EINF__SLOT_to_f32](bench.y, bench.weights, BENCH_N);
        return (bench_work){4.0 * BENCH_N, "GB/s written", PER_NANOSECOND};
    }
    switch (slot) {
    case EINF__SLOT_quantize_q8: k->quantize_q8(bench.q, bench.y, bench.sum16, bench.x, BENCH_N); break;
    case EINF__SLOT_quantize_tile:
        k->quantize_tile(&tile, bench.x, BENCH_PANEL_N, k->panel_shape.nr, BENCH_PANEL_N, 32);
        return (bench_work){(double)BENCH_PANEL_N * k->panel_shape.nr, "cycles an element", CYCLES_PER};
    case EINF__SLOT_gemm_f32:
        k->gemm_f32(k->gemm_user, 64, 32, 256, bench.x, 256, bench.x, 256, bench.y, 64);
        return (bench_work){64 * 32 * 256, "multiply-adds a cycle, packing included", PER_CYCLE};
    case EINF__SLOT_pack_f32:
        k->pack_f32((float *)(void *)bench.strip, bench.x, BENCH_DEPTH, k->float_mr, BENCH_DEPTH);
        return (bench_work){(double)k->float_mr * BENCH_DEPTH, "cycles a weight", CYCLES_PER};
    case EINF__SLOT_mul_f32:
        k->mul_f32(bench.out, k->float_mr, (const float *)(const void *)bench.strip, BENCH_DEPTH, bench.x, BENCH_DEPTH,
                   48, false);
        return (bench_work){48.0 * k->float_mr * BENCH_DEPTH, "multiply-adds a cycle", PER_CYCLE};
    case EINF__SLOT_rms_norm: k->rms_norm(bench.y, bench.x, bench.x, BENCH_N, 1e-6f); break;
    case EINF__SLOT_layer_norm: k->layer_norm(bench.y, bench.x, bench.x, bench.x, BENCH_N, 1e-6f); break;
    case EINF__SLOT_quick_gelu: bench_act(k->quick_gelu); break;
    case EINF__SLOT_gelu: bench_act(k->gelu); break;
    case EINF__SLOT_silu: bench_act(k->silu); break;
    case EINF__SLOT_add: k->add(bench.y, bench.x, BENCH_N); break;
    case EINF__SLOT_swiglu: k->swiglu(bench.y, bench.x, bench.x, BENCH_N); break;
    case EINF__SLOT_geglu: k->geglu(bench.y, bench.x, bench.x, BENCH_N); break;
    case EINF__SLOT_rope_norm: k->rope_norm(bench.y, bench.x, bench.x, BENCH_N / 2); break;
    case EINF__SLOT_rope_neox: k->rope_neox(bench.y, bench.x, bench.x, BENCH_N / 2); break;
    case EINF__SLOT_to_f16: k->to_f16(bench.half, bench.x, BENCH_N); break;
    case EINF__SLOT_softmax: {
        einf__softmax state = {-INFINITY, 0.0f};
        (void)k->softmax(&state, bench.y, BENCH_N, 0.125f, 0.0f);
        break;
    }
    case EINF__SLOT_attend_f16: return bench_attend(k->attend_f16);
    case EINF__SLOT_attend_f32: return bench_attend(k->attend_f32);
    case EINF__SLOT_attend_q8_0: return bench_attend(k->attend_q8_0);
    case EINF__SLOT_resample_rows:
    case EINF__SLOT_resample_cols: return bench_resample(k, slot);
    default: return (bench_work){0.0, "not timed", PER_NANOSECOND};
    }
    return (bench_work){4.0 * BENCH_N, "GB/s of floats", PER_NANOSECOND};
}

static double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Clock of this core. A 32-bit multiplication waits for the one before it: 3 cycles on x86 since 2008, 2 on ARM's
 * out-of-order cores (and 3 on the Cortex-A53 and A72). */
static double cycles_per_second(void)
{
#if defined(__aarch64__)
    const double latency = 2.0;
#else
    const double latency = 3.0;
#endif
    double best = 0.0;
    volatile uint32_t odd = 3;
    for (int run = 0; run < 200; run++) {
        uint32_t x = odd;
        const double start = seconds_now();
        for (int i = 0; i < 20000; i++) x *= x;
        const double seconds = seconds_now() - start;
        odd = x | 1;
        best = fmax(best, latency * 20000.0 / seconds);
    }
    return best;
}

static double seconds_of(const einf__kernels *k, int slot, int n_calls)
{
    const double start = seconds_now();
    for (int i = 0; i < n_calls; i++) (void)bench_call(k, slot);
    return seconds_now() - start;
}

/* The best of 200 runs of about 0.1 ms: some of them are not interrupted. */
static void bench_slot(const einf__kernels *k, int slot)
{
    static double clock_hz;
    if (clock_hz <= 0.0) {
        clock_hz = cycles_per_second();
        memset(&bench, 0, sizeof bench); /* pages of its own: untouched ones are all one page, which caches dislike */
    }
    const bench_work work = bench_call(k, slot);
    int n_calls = 1;
    while (n_calls < 1 << 20 && seconds_of(k, slot, n_calls) < 1e-4) n_calls *= 2;
    double best = HUGE_VAL; /* seconds a call */
    for (int run = 0; run < 200; run++) best = fmin(best, seconds_of(k, slot, n_calls) / n_calls);
    const double amount = work.of == PER_NANOSECOND ? work.amount / best * 1e-9
                          : work.of == PER_CYCLE    ? work.amount / (best * clock_hz)
                          : work.amount > 0.0       ? best * clock_hz / work.amount
                                                    : 0.0;
    printf("%-16s %-24s %9.3f %s\n", einf__kernel_slot_name(slot), k->impl[slot], amount, work.unit);
}

#endif
