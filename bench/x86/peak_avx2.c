/* SPDX-License-Identifier: MIT
 * peak_avx2.c - AVX2 and FMA: products of 8 and 16 bits in pairs with the addition they need, fp32 multiply-adds,
 * 32-byte loads.
 */
#include "bench/x86/loop_text_x86.h"

#include <edgeinfer/edgeinfer.h>

/* Products of pairs in 16 bits, which is as far as one instruction goes; the sum is another. */
#define MADDUBS(i) "vpmaddubsw %%ymm15, %%ymm14, %%ymm13\nvpaddw %%ymm13, %%ymm" #i ", %%ymm" #i "\n"
#define MADD(i) "vpmaddwd %%ymm15, %%ymm14, %%ymm13\nvpaddd %%ymm13, %%ymm" #i ", %%ymm" #i "\n"
#define FMA(i) "vfmadd231ps %%ymm15, %%ymm14, %%ymm" #i "\n"
PEAK_LOOP(maddubs_ymm, "vmovdqu", "ymm", MADDUBS)
PEAK_LOOP(madd_ymm, "vmovdqu", "ymm", MADD)
PEAK_LOOP(fma_ymm, "vmovdqu", "ymm", FMA)

const bench_peak_loop bench_loops_avx2[] = {
    { "vpmaddubsw+vpaddw ymm", EINF_CPU_AVX2, NULL, BENCH_INT8, 32 * STEPS_PER_TURN, maddubs_ymm },
    { "vpmaddwd+vpaddd ymm", EINF_CPU_AVX2, NULL, BENCH_INT16, 16 * STEPS_PER_TURN, madd_ymm },
    { "vfmadd231ps ymm", EINF_CPU_AVX2, NULL, BENCH_F32, 8 * STEPS_PER_TURN, fma_ymm },
    { 0 },
};

#define LOAD_128(at) \
    "vmovdqa " #at "(%0), %%ymm0\nvmovdqa " #at "+32(%0), %%ymm1\n" \
    "vmovdqa " #at "+64(%0), %%ymm2\nvmovdqa " #at "+96(%0), %%ymm3\n"
static READ_LOOP(read_ymm, LOAD_128)
static READ_PARTS_LOOP(read_parts_ymm, LOAD_128)

void bench_read_avx2(const void *from, size_t n_bytes)
{
    read_ymm(from, n_bytes);
    __asm__ volatile("vzeroupper"); /* else SSE code that follows waits for the upper halves */
}

void bench_read_parts_avx2(const void *from, size_t n_bytes)
{
    read_parts_ymm(from, n_bytes);
    __asm__ volatile("vzeroupper");
}
