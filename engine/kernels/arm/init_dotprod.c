/* SPDX-License-Identifier: MIT
 * init_dotprod.c - the rung of ARMv8.2's dot products: row dots of the coded formats, and the int8 GEMM.
 */
#include "engine/kernels/arm/kernels_neon.h"

void einf__kernels_init_dotprod(einf__kernels *k)
{
    einf__install_dot_coded_dotprod(k);
    einf__install_panel_dotprod(k);
}
