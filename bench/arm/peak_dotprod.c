/* SPDX-License-Identifier: MIT
 * peak_dotprod.c - the dot product instructions: four byte products a lane in one instruction.
 */
#include "bench/arm/loop_text_arm.h"

#include <edgeinfer/edgeinfer.h>

#define SDOT(i) "sdot v" #i ".4s, v30.16b, v31.16b\n"
PEAK_LOOP(sdot, SDOT)

const bench_peak_loop bench_loops_dotprod[] = {
    { "sdot 4s", EINF_CPU_DOTPROD, NULL, BENCH_INT8, 16 * STEPS_PER_TURN, sdot },
    { 0 },
};
