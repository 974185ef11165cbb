/* SPDX-License-Identifier: MIT
 * rungs.h - the ladders of instruction sets by name, as people write them, and the EINF_CPU_* bits of each.
 */
#ifndef BENCH_RUNGS_H
#define BENCH_RUNGS_H

#include <stdint.h>

typedef struct bench_rung {
    const char *name;
    uint32_t cpu;   /* all bits that the rung stands on */
    uint32_t below; /* of the rung beneath */
} bench_rung;

enum { BENCH_N_RUNGS = 9 };
extern const bench_rung bench_rungs[BENCH_N_RUNGS];
#define BENCH_RUNG_NAMES "ref, avx2, avxvnni, avx512, vnni512, neon, fp16, dotprod, i8mm"

/** NULL: there is none of that name. */
const bench_rung *bench_rung_named(const char *name);

#endif
