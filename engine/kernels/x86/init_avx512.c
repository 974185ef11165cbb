/* SPDX-License-Identifier: MIT
 * init_avx512.c - the AVX-512 rung: F, BW, DQ and VL, without VNNI, replace what 512 bits make faster than AVX2.
 */
#include "engine/kernels/x86/kernels_avx512.h"

void einf__kernels_init_avx512(einf__kernels *k)
{
    einf__install_dot_float_avx512(k);
    einf__install_gemm_avx512(k);
    k->fast_sum[EINF__SUM_I16] = false; /* that of AVX2, beside an f32 GEMM with twice the lanes */
    einf__install_rows_avx512(k);
    einf__install_attend_avx512(k);
}
