/* SPDX-License-Identifier: MIT
 * rungs.c - the rungs, in the order in which einf__kernels_init climbs them.
 */
#include "bench/rungs.h"

#include <string.h>

#include <edgeinfer/edgeinfer.h>

enum {
    BENCH_CPU_AVX512 = EINF_CPU_AVX2 | EINF_CPU_AVX512,
    BENCH_CPU_DOTPROD = EINF_CPU_NEON | EINF_CPU_DOTPROD,
};

const bench_rung bench_rungs[BENCH_N_RUNGS] = {
    { "ref", 0, 0 },
    { "avx2", EINF_CPU_AVX2, 0 },
    { "avxvnni", EINF_CPU_AVX2 | EINF_CPU_AVXVNNI, EINF_CPU_AVX2 },
    { "avx512", BENCH_CPU_AVX512, EINF_CPU_AVX2 },
    { "vnni512", BENCH_CPU_AVX512 | EINF_CPU_VNNI512, BENCH_CPU_AVX512 },
    { "neon", EINF_CPU_NEON, 0 },
    { "fp16", EINF_CPU_NEON | EINF_CPU_FP16, EINF_CPU_NEON },
    { "dotprod", BENCH_CPU_DOTPROD, EINF_CPU_NEON },
    { "i8mm", BENCH_CPU_DOTPROD | EINF_CPU_I8MM, BENCH_CPU_DOTPROD },
};

const bench_rung *bench_rung_named(const char *name)
{
    for (int i = 0; i < BENCH_N_RUNGS; i++)
        if (strcmp(bench_rungs[i].name, name) == 0) return &bench_rungs[i];
    return NULL;
}
