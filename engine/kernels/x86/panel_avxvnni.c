/* SPDX-License-Identifier: MIT
 * panel_avxvnni.c - the int8 GEMM with byte products in 256-bit registers, as client CPUs have had since Alder Lake.
 */
/* Of the intrinsic gcc 12 makes copies of every sum. */
#define DPBUSD(sum, u, s) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(u), "x"(s))

#include "engine/kernels/x86/panel_dpbusd_avxvnni.h"

void einf__install_panel_avxvnni(einf__kernels *k)
{
    install_dpbusd(k);
}
