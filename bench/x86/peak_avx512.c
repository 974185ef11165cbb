/* SPDX-License-Identifier: MIT
 * peak_avx512.c - AVX-512 without VNNI: the loops of peak_avx2.c in registers of twice the size.
 */
#include "bench/x86/loop_text_x86.h"

#include <edgeinfer/edgeinfer.h>

#define MADDUBS(i) "vpmaddubsw %%zmm15, %%zmm14, %%zmm13\nvpaddw %%zmm13, %%zmm" #i ", %%zmm" #i "\n"
#define FMA(i) "vfmadd231ps %%zmm15, %%zmm14, %%zmm" #i "\n"
PEAK_LOOP(maddubs_zmm, "vmovdqu64", "zmm", MADDUBS)
PEAK_LOOP(fma_zmm, "vmovdqu64", "zmm", FMA)

const bench_peak_loop bench_loops_avx512[] = {
    { "vpmaddubsw+vpaddw zmm", EINF_CPU_AVX512, NULL, BENCH_INT8, 64 * STEPS_PER_TURN, maddubs_zmm },
    { "vfmadd231ps zmm", EINF_CPU_AVX512, NULL, BENCH_F32, 16 * STEPS_PER_TURN, fma_zmm },
    { 0 },
};

#define LOAD_128(at) "vmovdqa64 " #at "(%0), %%zmm0\nvmovdqa64 " #at "+64(%0), %%zmm1\n"
static READ_LOOP(read_zmm, LOAD_128)
static READ_PARTS_LOOP(read_parts_zmm, LOAD_128)

void bench_read_avx512(const void *from, size_t n_bytes)
{
    read_zmm(from, n_bytes);
    __asm__ volatile("vzeroupper");
}

void bench_read_parts_avx512(const void *from, size_t n_bytes)
{
    read_parts_zmm(from, n_bytes);
    __asm__ volatile("vzeroupper");
}
