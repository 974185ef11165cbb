/* SPDX-License-Identifier: MIT
 * init_fp16.c - the rung of ARMv8.2's arithmetic on halves: the GEMM with sums in f16.
 */
#include "engine/kernels/arm/kernels_neon.h"

void einf__kernels_init_fp16(einf__kernels *k)
{
    einf__install_gemm_fp16(k);
}
