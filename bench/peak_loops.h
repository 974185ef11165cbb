/* SPDX-License-Identifier: MIT
 * peak_loops.h - the loops that an instruction set cannot beat: multiply-adds on registers, and loads.
 *
 * Each file of x86/ and arm/ is compiled with the flags of its suffix and lends one table. Nothing here asks the CPU;
 * peaks.c calls a loop only where the machine has what the row names.
 */
#ifndef BENCH_PEAK_LOOPS_H
#define BENCH_PEAK_LOOPS_H

#include <stddef.h>
#include <stdint.h>

typedef enum bench_arith { BENCH_INT8, BENCH_INT16, BENCH_F32, BENCH_F16, BENCH_N_ARITH } bench_arith;

typedef struct bench_peak_loop {
    const char *name;          /* the instructions: "vpdpbusd zmm"; NULL ends a table */
    uint32_t cpu;              /* EINF_CPU_* that it needs */
    const char *flag;          /* a word of /proc/cpuinfo that it needs besides, or NULL */
    bench_arith arith;
    int mac_per_turn;
    void (*turn)(int64_t n_turns, const void *operands); /* operands: 128 bytes, in any of these types */
} bench_peak_loop;

/* Reads n_bytes, a multiple of 1024, from an address aligned to 64, and keeps nothing. Those in parts read 64 KiB: 128
 * bytes of each of eight parts in turn. */
typedef void (*bench_read_fn)(const void *from, size_t n_bytes);

/** n_steps multiplications or additions, each waiting for the one before. */
void bench_clock_chain(int64_t n_steps);
/** Cycles of such a step on every CPU that this program knows of. */
extern const double bench_clock_cycles_per_step;

/* x86/ */
extern const bench_peak_loop bench_loops_avx2[], bench_loops_avxvnni[], bench_loops_avx512[], bench_loops_vnni512[],
    bench_loops_avx512fp16[];
void bench_read_sse2(const void *from, size_t n_bytes);
void bench_read_avx2(const void *from, size_t n_bytes);
void bench_read_avx512(const void *from, size_t n_bytes);
void bench_read_parts_sse2(const void *from, size_t n_bytes);
void bench_read_parts_avx2(const void *from, size_t n_bytes);
void bench_read_parts_avx512(const void *from, size_t n_bytes);
/* arm/ */
extern const bench_peak_loop bench_loops_neon[], bench_loops_dotprod[], bench_loops_i8mm[], bench_loops_fp16[];
void bench_read_neon(const void *from, size_t n_bytes);
void bench_read_parts_neon(const void *from, size_t n_bytes);

#endif
