/* SPDX-License-Identifier: MIT
 * peak_sse2.c - what every x86-64 has: the chain that gives the clock, and loads of 16 bytes.
 *
 * A 64-bit imul takes 3 cycles on Intel since Nehalem (2008) and on AMD since Zen (2017). Additions would not do: from
 * Golden Cove on (2021) chains of them with constants are folded before they are executed.
 */
#include "bench/x86/loop_text_x86.h"

const double bench_clock_cycles_per_step = 3.0;

void bench_clock_chain(int64_t n_steps)
{
    uint64_t x = 3;
    int64_t n_turns = n_steps / 8;
    if (n_turns < 1) return;
    __asm__ volatile("1:\n"
                     "imul %1, %1\nimul %1, %1\nimul %1, %1\nimul %1, %1\n"
                     "imul %1, %1\nimul %1, %1\nimul %1, %1\nimul %1, %1\n"
                     "sub $1, %0\njnz 1b\n"
                     : "+r"(n_turns), "+r"(x)
                     :
                     : "cc");
}

#define LOAD_64(at) \
    "movdqa " #at "(%0), %%xmm0\nmovdqa " #at "+16(%0), %%xmm1\n" \
    "movdqa " #at "+32(%0), %%xmm2\nmovdqa " #at "+48(%0), %%xmm3\n"
#define LOAD_128(at) LOAD_64(at) LOAD_64(at + 64)
READ_LOOP(bench_read_sse2, LOAD_128)
READ_PARTS_LOOP(bench_read_parts_sse2, LOAD_128)
