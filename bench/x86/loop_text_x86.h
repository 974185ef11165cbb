/* SPDX-License-Identifier: MIT
 * loop_text_x86.h - how the loops of this folder are written: as assembly, because a peak is that of instructions and
 * not of what a compiler makes of intrinsics.
 *
 * Twelve accumulators, registers 0 to 11, hide a latency of 5 cycles at two instructions a cycle. Operands lie in
 * registers 14 and 15. A turn is 24 steps.
 */
#ifndef BENCH_LOOP_TEXT_X86_H
#define BENCH_LOOP_TEXT_X86_H

#include "bench/peak_loops.h"

#define TWELVE(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)

#define CLEAR(i) "vpxor %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n"

/* A function of that name which runs the steps; load: an instruction that fills a register of the given size. */
#define PEAK_LOOP(function, load, reg, step) \
    static void function(int64_t n_turns, const void *operands) \
    { \
        __asm__ volatile(load " (%1), %%" reg "14\n" load " 64(%1), %%" reg "15\n" TWELVE(CLEAR) \
                         ".p2align 5\n1:\n" TWELVE(step) TWELVE(step) "sub $1, %0\njnz 1b\nvzeroupper\n" \
                         : "+r"(n_turns) \
                         : "r"(operands) \
                         : "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                           "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"); \
    }
enum { STEPS_PER_TURN = 24 };

/* A function of that name which loads 1024 bytes a turn into registers that nobody reads, and goes on by `step`. */
#define READ_TURNS(function, loads, step) \
    void function(const void *from, size_t n_bytes) \
    { \
        const char *p = from; \
        __asm__ volatile(".p2align 5\n1:\n" loads "add $" step ", %0\nsub $1024, %1\njnz 1b\n" \
                         : "+r"(p), "+r"(n_bytes) \
                         : \
                         : "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3"); \
    }
/* load_128: 128 bytes at an offset. */
#define READ_LOOP(function, load_128) \
    READ_TURNS(function, load_128(0) load_128(128) load_128(256) load_128(384) load_128(512) load_128(640) \
               load_128(768) load_128(896), "1024")
/* 128 bytes of each of 8 parts of 8 KiB. */
#define READ_PARTS_LOOP(function, load_128) \
    READ_TURNS(function, load_128(0) load_128(8192) load_128(16384) load_128(24576) load_128(32768) load_128(40960) \
               load_128(49152) load_128(57344), "128")

#endif
