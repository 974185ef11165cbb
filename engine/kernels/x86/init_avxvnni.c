/* SPDX-License-Identifier: MIT
 * init_avxvnni.c - the AVX-VNNI rung: byte products in 256-bit registers, for the int8 GEMM.
 */
#include "engine/kernels/x86/panel_avx2.h"

void einf__kernels_init_avxvnni(einf__kernels *k)
{
    einf__install_panel_avxvnni(k);
}
