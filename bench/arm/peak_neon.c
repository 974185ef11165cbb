/* SPDX-License-Identifier: MIT
 * peak_neon.c - what every aarch64 has: the chain that gives the clock, byte products in 16 bits, fp32 multiply-adds,
 * loads.
 *
 * The chain is one of additions between registers, one cycle each on every core that this project aims at. Products
 * would not do here: a dependent madd takes 2 cycles on some cores and up to 5 on others.
 */
#include "bench/arm/loop_text_arm.h"

#include <edgeinfer/edgeinfer.h>

const double bench_clock_cycles_per_step = 1.0;

void bench_clock_chain(int64_t n_steps)
{
    uint64_t x = 3;
    int64_t n_turns = n_steps / 8;
    if (n_turns < 1) return;
    __asm__ volatile("1:\n"
                     "add %1, %1, %1\nadd %1, %1, %1\nadd %1, %1, %1\nadd %1, %1, %1\n"
                     "add %1, %1, %1\nadd %1, %1, %1\nadd %1, %1, %1\nadd %1, %1, %1\n"
                     "subs %0, %0, #1\nb.ne 1b\n"
                     : "+r"(n_turns), "+r"(x)
                     :
                     : "cc");
}

#define SMLAL(i) "smlal v" #i ".8h, v30.8b, v31.8b\n"
#define FMLA(i) "fmla v" #i ".4s, v30.4s, v31.4s\n"
PEAK_LOOP(smlal, SMLAL)
PEAK_LOOP(fmla, FMLA)

const bench_peak_loop bench_loops_neon[] = {
    { "smlal 8h", EINF_CPU_NEON, NULL, BENCH_INT8, 8 * STEPS_PER_TURN, smlal },
    { "fmla 4s", EINF_CPU_NEON, NULL, BENCH_F32, 4 * STEPS_PER_TURN, fmla },
    { 0 },
};

#define LOAD_16(reg, at) "ldr q" #reg ", [%0, #" #at "]\n"
#define LOAD_128(at) \
    LOAD_16(0, at) LOAD_16(1, at + 16) LOAD_16(2, at + 32) LOAD_16(3, at + 48) LOAD_16(4, at + 64) \
    LOAD_16(5, at + 80) LOAD_16(6, at + 96) LOAD_16(7, at + 112)
/* A function of that name which loads 1024 bytes a turn into registers that nobody reads, and goes on by `step`. */
#define READ_TURNS(function, loads, step) \
    void function(const void *from, size_t n_bytes) \
    { \
        const char *p = from; \
        __asm__ volatile(".p2align 5\n1:\n" loads "add %0, %0, #" step "\nsubs %1, %1, #1024\nb.ne 1b\n" \
                         : "+r"(p), "+r"(n_bytes) \
                         : \
                         : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"); \
    }
READ_TURNS(bench_read_neon, LOAD_128(0) LOAD_128(128) LOAD_128(256) LOAD_128(384) LOAD_128(512) LOAD_128(640)
           LOAD_128(768) LOAD_128(896), "1024")
READ_TURNS(bench_read_parts_neon, LOAD_128(0) LOAD_128(8192) LOAD_128(16384) LOAD_128(24576) LOAD_128(32768)
           LOAD_128(40960) LOAD_128(49152) LOAD_128(57344), "128")
