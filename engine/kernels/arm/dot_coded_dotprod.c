/* SPDX-License-Identifier: MIT
 * dot_coded_dotprod.c - row dots of the coded formats with ARMv8.2's dot product instructions.
 */
#include "engine/kernels/arm/kernels_neon.h"

INLINE int32x4_t dot16(int32x4_t sum, int8x16_t w, int8x16_t x)
{
    return vdotq_s32(sum, w, x);
}

#include "engine/kernels/arm/dot_blocks_neon.h"

CODED_TYPES(DOT, dotprod)

void einf__install_dot_coded_dotprod(einf__kernels *k)
{
    CODED_TYPES(INSTALL_DOT, dotprod)
}
