/* SPDX-License-Identifier: MIT
 * init_i8mm.c - the rung of the int8 matrix products.
 */
#include "engine/kernels/kernels.h"

void einf__kernels_init_i8mm(einf__kernels *k)
{
    (void)k;
}
