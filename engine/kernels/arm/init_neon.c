/* SPDX-License-Identifier: MIT
 * init_neon.c - the NEON rung: what every aarch64 has replaces every slot but to_f32[F32], which is a copy.
 */
#include "engine/kernels/arm/kernels_neon.h"

void einf__kernels_init_neon(einf__kernels *k)
{
    einf__install_dequant_neon(k);
    einf__install_dot_coded_neon(k);
    einf__install_dot_float_neon(k);
    einf__install_rows_neon(k);
    einf__install_gemm_neon(k);
    einf__install_attend_neon(k);
    einf__install_resample_neon(k);
}
