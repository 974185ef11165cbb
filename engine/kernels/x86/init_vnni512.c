/* SPDX-License-Identifier: MIT
 * init_vnni512.c - the AVX-512 VNNI rung: byte products in 512-bit registers.
 */
#include "engine/kernels/kernels.h"

void einf__kernels_init_vnni512(einf__kernels *k)
{
    (void)k;
}
