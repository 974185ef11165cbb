/* SPDX-License-Identifier: MIT
 * dot_coded_neon.c - row dots of the coded formats with what every aarch64 has: bytes multiplied to 16 bits, widened.
 */
#include "engine/kernels/arm/kernels_neon.h"

/* Two products to a lane before they widen: at most 2 * 128 * 127 = 32512, no overflow. */
INLINE int32x4_t dot16(int32x4_t sum, int8x16_t w, int8x16_t x)
{
    const int16x8_t pairs = vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(x)), w, x);
    return vpadalq_s16(sum, pairs);
}

#include "engine/kernels/arm/dot_blocks_neon.h"

CODED_TYPES(DOT, neon)

void einf__install_dot_coded_neon(einf__kernels *k)
{
    CODED_TYPES(INSTALL_DOT, neon)
}
