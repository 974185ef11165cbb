/* SPDX-License-Identifier: MIT
 * peak_fp16.c - arithmetic on halves: Cortex-A76 and later.
 */
#include "bench/arm/loop_text_arm.h"

#include <edgeinfer/edgeinfer.h>

#define FMLA_HALF(i) "fmla v" #i ".8h, v30.8h, v31.8h\n"
PEAK_LOOP(fmla_half, FMLA_HALF)

const bench_peak_loop bench_loops_fp16[] = {
    { "fmla 8h", EINF_CPU_FP16, NULL, BENCH_F16, 8 * STEPS_PER_TURN, fmla_half },
    { 0 },
};
