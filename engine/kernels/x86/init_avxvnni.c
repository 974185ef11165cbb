/* SPDX-License-Identifier: MIT
 * init_avxvnni.c - the AVX-VNNI rung: byte products in 256-bit registers.
 */
#include "engine/kernels/kernels.h"

void einf__kernels_init_avxvnni(einf__kernels *k)
{
    (void)k;
}
