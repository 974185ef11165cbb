/* SPDX-License-Identifier: MIT
 * init_avx2.c - the AVX2 rung: AVX2, FMA and F16C replace every slot but to_f32[F32], which is a copy.
 */
#include "engine/kernels/x86/kernels_avx2.h"

void einf__kernels_init_avx2(einf__kernels *k)
{
    einf__install_dequant_avx2(k);
    einf__install_dot_small_avx2(k);
    einf__install_dot_super_avx2(k);
    einf__install_dot_float_avx2(k);
    einf__install_rows_avx2(k);
    einf__install_gemm_avx2(k);
    einf__install_fixed16_avx2(k);
    einf__install_pack_avx2(k);
    einf__install_panel_avx2(k);
    einf__install_attend_avx2(k);
    einf__install_resample_avx2(k);
}
