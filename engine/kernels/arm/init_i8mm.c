/* SPDX-License-Identifier: MIT
 * init_i8mm.c - the rung of ARMv8.6's int8 matrix products: the int8 GEMM, all of it.
 */
#include "engine/kernels/arm/kernels_neon.h"

void einf__kernels_init_i8mm(einf__kernels *k)
{
    einf__install_panel_i8mm(k);
}
