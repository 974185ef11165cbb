/* SPDX-License-Identifier: MIT
 * dot_coded_dotprod.c - the rung of ARMv8.2's dot product instructions, which replaces the row dots of coded formats.
 */
#include "engine/kernels/arm/kernels_neon.h"

INLINE int32x4_t dot16(int32x4_t sum, int8x16_t w, int8x16_t x)
{
    return vdotq_s32(sum, w, x);
}

#include "engine/kernels/arm/dot_blocks_neon.h"

CODED_TYPES(DOT, dotprod)

void einf__kernels_init_dotprod(einf__kernels *k)
{
    CODED_TYPES(INSTALL_DOT, dotprod)
}
