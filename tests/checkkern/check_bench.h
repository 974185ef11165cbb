/* SPDX-License-Identifier: MIT
 * check_bench.h - a quick look at how fast each slot is: one thread, data in cache, single runs. A glance while writing
 * a kernel, not a benchmark: docs/MEASURING.md says what that takes.
 */
#ifndef TESTS_CHECK_BENCH_H
#define TESTS_CHECK_BENCH_H

#include <time.h>

#include "tests/checkkern/check_support.h"

enum { BENCH_N = 4096, BENCH_ROWS = 16, BENCH_KEYS = 256, BENCH_DIM = 128 };

/* Zeros, which every format knows: no kernel here looks at what it multiplies. */
typedef struct bench_data {
    _Alignas(64) uint8_t weights[BENCH_N * BENCH_ROWS * 4];
    float x[BENCH_N * 8], y[BENCH_N * 8];
    int8_t q[BENCH_N * EINF__MAX_DOT_COLS];
    int16_t sum16[BENCH_N * EINF__MAX_DOT_COLS];
    uint16_t half[BENCH_N];
} bench_data;
static bench_data bench;

/* What one call does: operations (a multiply and an add are two), or bytes where nothing is multiplied. */
typedef struct bench_work {
    double amount;
    const char *unit;
} bench_work;

static void bench_dot(const einf__kernels *k, einf__dtype type, int n_cols)
{
    const einf__cols cols = {bench.x, bench.q, bench.x, bench.sum16, BENCH_N, BENCH_N, BENCH_N / 32};
    k->dot[type](bench.y, BENCH_ROWS, bench.weights, (size_t)einf__dtype_row_bytes(type, BENCH_N), BENCH_ROWS, BENCH_N,
                 &cols, n_cols);
}

static void bench_attend(einf__attend_fn fn)
{
    const einf__attend a = {
        .out = bench.y, .q = bench.x, .k = bench.weights, .v = bench.weights, .q_stride = BENCH_DIM,
        .out_stride = BENCH_DIM, .k_stride = BENCH_DIM, .v_stride = BENCH_DIM, .key_begin = 0, .key_end = BENCH_KEYS,
        .n_q = 4, .k_dim = BENCH_DIM, .v_dim = BENCH_DIM, .scale = 1.0f, .softcap = 0.0f};
    fn(&a);
}

/* One call of the slot; its work. */
static bench_work bench_call(const einf__kernels *k, int slot)
{
    const double attend_ops = 4.0 * 4 * BENCH_KEYS * BENCH_DIM;
    if (slot >= EINF__SLOT_dot) {
        bench_dot(k, (einf__dtype)(slot - EINF__SLOT_dot), 1);
        return (bench_work){2.0 * BENCH_N * BENCH_ROWS, "G operations/s, 1 column"};
    }
    if (slot >= EINF__SLOT_to_f32) {
        k->to_f32[slot - EINF__SLOT_to_f32](bench.y, bench.weights, BENCH_N);
        return (bench_work){4.0 * BENCH_N, "GB/s written"};
    }
    switch (slot) {
    case EINF__SLOT_quantize_q8: k->quantize_q8(bench.q, bench.y, bench.sum16, bench.x, BENCH_N); break;
    case EINF__SLOT_gemm_f32:
        k->gemm_f32(k->gemm_user, 64, 32, 256, bench.x, 256, bench.x, 256, bench.y, 64);
        return (bench_work){2.0 * 64 * 32 * 256, "G operations/s"};
    case EINF__SLOT_rms_norm: k->rms_norm(bench.y, bench.x, bench.x, BENCH_N, 1e-6f); break;
    case EINF__SLOT_add: k->add(bench.y, bench.x, BENCH_N); break;
    case EINF__SLOT_swiglu: k->swiglu(bench.y, bench.x, bench.x, BENCH_N); break;
    case EINF__SLOT_geglu: k->geglu(bench.y, bench.x, bench.x, BENCH_N); break;
    case EINF__SLOT_rope_norm: k->rope_norm(bench.y, bench.x, bench.x, BENCH_N / 2); break;
    case EINF__SLOT_rope_neox: k->rope_neox(bench.y, bench.x, bench.x, BENCH_N / 2); break;
    case EINF__SLOT_to_f16: k->to_f16(bench.half, bench.x, BENCH_N); break;
    case EINF__SLOT_attend_f16: bench_attend(k->attend_f16); return (bench_work){attend_ops, "G operations/s"};
    case EINF__SLOT_attend_f32: bench_attend(k->attend_f32); return (bench_work){attend_ops, "G operations/s"};
    case EINF__SLOT_attend_q8_0: bench_attend(k->attend_q8_0); return (bench_work){attend_ops, "G operations/s"};
    default: return (bench_work){0.0, "not timed"};
    }
    return (bench_work){4.0 * BENCH_N, "GB/s of floats"};
}

static double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Calls for about 20 ms. */
static void bench_slot(const einf__kernels *k, int slot)
{
    bench_work work = bench_call(k, slot);
    double n_calls = 0.0, seconds = 0.0;
    for (const double start = seconds_now(); seconds < 0.02; seconds = seconds_now() - start)
        for (int i = 0; i < 8; i++, n_calls++) work = bench_call(k, slot);
    printf("%-16s %-24s %9.2f %s\n", einf__kernel_slot_name(slot), k->impl[slot],
           work.amount * n_calls / seconds * 1e-9, work.unit);
}

#endif
