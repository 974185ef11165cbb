/* SPDX-License-Identifier: MIT
 * init_vnni512.c - the AVX-512 VNNI rung: row dots of coded types, the GEMM of 16-bit integers, and that of int8, for
 * which it sets the shape of strips and tiles.
 */
#include "engine/kernels/x86/dot_vnni512.h"
#include "engine/kernels/x86/kernels_avx512.h"
#include "engine/kernels/x86/panel_vnni512.h"

void einf__kernels_init_vnni512(einf__kernels *k)
{
    k->panel_shape = (einf__panel_shape){ .mr = MR, .nr = NR, .nr_unit = NR_UNIT, .k_unit = 4, .code_bias = BIAS,
                                          .min_cols = 5, .min_cols_rounded = 10, .min_cols_coarse = 33,
                                          .l2_bytes = 512 * 1024 };
    for (int t = 0; t < EINF__N_DTYPES; t++) {
        const bool super = einf__dtype_get((einf__dtype)t)->block_elems == 256;
        k->panel_form[t] = super ? EINF__PANEL_128 : einf__panel_finest((einf__dtype)t);
    }
    k->fast_panels = true;
    einf__install_dot_vnni512(k);
    einf__install_panel_mul_vnni512(k);
    einf__install_tile_vnni512(k);
    einf__install_pack_any_vnni512(k);
    einf__install_pack_small_vnni512(k);
    einf__install_pack_super_vnni512(k);
    einf__install_fixed16_vnni512(k);
}
