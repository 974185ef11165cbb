/* SPDX-License-Identifier: MIT
 * loop_text_arm.h - how the loops of this folder are written: as assembly, because a peak is that of instructions.
 *
 * Sixteen accumulators, registers 0 to 15, hide a latency of 4 cycles at four instructions a cycle. Operands lie in
 * registers 30 and 31. A turn is 16 steps.
 */
#ifndef BENCH_LOOP_TEXT_ARM_H
#define BENCH_LOOP_TEXT_ARM_H

#include "bench/peak_loops.h"

#define SIXTEEN(step) \
    step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11) step(12) \
    step(13) step(14) step(15)

#define CLEAR(i) "movi v" #i ".16b, #0\n"

/* A function of that name which runs the steps. */
#define PEAK_LOOP(function, step) \
    static void function(int64_t n_turns, const void *operands) \
    { \
        __asm__ volatile("ldr q30, [%1]\nldr q31, [%1, #64]\n" SIXTEEN(CLEAR) \
                         ".p2align 5\n1:\n" SIXTEEN(step) "subs %0, %0, #1\nb.ne 1b\n" \
                         : "+r"(n_turns) \
                         : "r"(operands) \
                         : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", \
                           "v12", "v13", "v14", "v15", "v30", "v31"); \
    }
enum { STEPS_PER_TURN = 16 };

#endif
