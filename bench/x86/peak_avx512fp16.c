/* SPDX-License-Identifier: MIT
 * peak_avx512fp16.c - AVX512-FP16, arithmetic on halves: Sapphire Rapids (2023). The library does not know of it yet,
 * so the kernel's word for it is asked for.
 */
#include "bench/x86/loop_text_x86.h"

#include <edgeinfer/edgeinfer.h>

#define FMA_HALF(i) "vfmadd231ph %%zmm15, %%zmm14, %%zmm" #i "\n"
PEAK_LOOP(fma_half_zmm, "vmovdqu64", "zmm", FMA_HALF)

const bench_peak_loop bench_loops_avx512fp16[] = {
    { "vfmadd231ph zmm", EINF_CPU_AVX512, "avx512_fp16", BENCH_F16, 32 * STEPS_PER_TURN, fma_half_zmm },
    { 0 },
};
