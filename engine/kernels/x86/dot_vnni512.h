/* SPDX-License-Identifier: MIT
 * dot_vnni512.h - private to the VNNI rung: row dots of coded types.
 */
#ifndef EINF_DOT_VNNI512_H
#define EINF_DOT_VNNI512_H

#include "engine/kernels/kernels.h"

/** dot[] of Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL and IQ4_XS. */
void einf__install_dot_vnni512(einf__kernels *k);

#endif
