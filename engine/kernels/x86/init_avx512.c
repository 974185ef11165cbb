/* SPDX-License-Identifier: MIT
 * init_avx512.c - the AVX-512 rung: F, BW, DQ and VL, without VNNI.
 */
#include "engine/kernels/kernels.h"

void einf__kernels_init_avx512(einf__kernels *k)
{
    (void)k;
}
