/* SPDX-License-Identifier: MIT
 * peak_avxvnni.c - 256-bit VNNI as client CPUs have it, in the short encoding.
 */
#include "bench/x86/loop_text_x86.h"

#include <edgeinfer/edgeinfer.h>

#define DPBUSD(i) "%{vex%} vpdpbusd %%ymm15, %%ymm14, %%ymm" #i "\n"
PEAK_LOOP(dpbusd_ymm, "vmovdqu", "ymm", DPBUSD)

const bench_peak_loop bench_loops_avxvnni[] = {
    { "vpdpbusd ymm", EINF_CPU_AVXVNNI, NULL, BENCH_INT8, 32 * STEPS_PER_TURN, dpbusd_ymm },
    { 0 },
};
