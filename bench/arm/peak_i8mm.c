/* SPDX-License-Identifier: MIT
 * peak_i8mm.c - the int8 matrix products: 2 rows of 8 against 2 columns of 8.
 */
#include "bench/arm/loop_text_arm.h"

#include <edgeinfer/edgeinfer.h>

#define SMMLA(i) "smmla v" #i ".4s, v30.16b, v31.16b\n"
PEAK_LOOP(smmla, SMMLA)

const bench_peak_loop bench_loops_i8mm[] = {
    { "smmla 4s", EINF_CPU_I8MM, NULL, BENCH_INT8, 32 * STEPS_PER_TURN, smmla },
    { 0 },
};
