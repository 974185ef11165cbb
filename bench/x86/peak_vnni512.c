/* SPDX-License-Identifier: MIT
 * peak_vnni512.c - AVX-512 VNNI: four byte products a lane, or two of 16 bits, added to 32 bits, in one instruction.
 */
#include "bench/x86/loop_text_x86.h"

#include <edgeinfer/edgeinfer.h>

#define DPBUSD_Z(i) "vpdpbusd %%zmm15, %%zmm14, %%zmm" #i "\n"
#define DPBUSD_Y(i) "vpdpbusd %%ymm15, %%ymm14, %%ymm" #i "\n"
#define DPWSSD(i) "vpdpwssd %%zmm15, %%zmm14, %%zmm" #i "\n"
PEAK_LOOP(dpbusd_zmm, "vmovdqu64", "zmm", DPBUSD_Z)
PEAK_LOOP(dpbusd_ymm, "vmovdqu", "ymm", DPBUSD_Y)
PEAK_LOOP(dpwssd_zmm, "vmovdqu64", "zmm", DPWSSD)

const bench_peak_loop bench_loops_vnni512[] = {
    { "vpdpbusd zmm", EINF_CPU_VNNI512, NULL, BENCH_INT8, 64 * STEPS_PER_TURN, dpbusd_zmm },
    { "vpdpbusd ymm (evex)", EINF_CPU_VNNI512, NULL, BENCH_INT8, 32 * STEPS_PER_TURN, dpbusd_ymm },
    { "vpdpwssd zmm", EINF_CPU_VNNI512, NULL, BENCH_INT16, 32 * STEPS_PER_TURN, dpwssd_zmm },
    { 0 },
};
