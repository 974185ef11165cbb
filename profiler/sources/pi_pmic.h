/* SPDX-License-Identifier: MIT
 * pi_pmic.h - the text of a Raspberry Pi 5's power controller, and what it says.
 */
#ifndef EPROF_SOURCES_PI_PMIC_H
#define EPROF_SOURCES_PI_PMIC_H

#include "profiler/sources/source.h"

enum { EPROF__PMIC_LEAST_PAIRS = 8 };

typedef struct eprof__pmic {
    int32_t n_pairs;   /* rails with a current and a voltage */
    double total_w;    /* of them all */
    double core_w;     /* VDD_CORE */
    double ddr_w;      /* DDR_*; NAN: no such rail */
    double ext5v_v;    /* the board's input; NAN: not said */
} eprof__pmic;

/** Read the answer to pmic_read_adc, lines like "VDD_CORE_A current(7)=10.87674000A"; others are left out. 0, or:
 *  -ENOTSUP   the firmware's error text
 *  -EBADMSG   a current that cannot be read or has no voltage (the text is cut short), no pair of VDD_CORE, fewer than
 *             EPROF__PMIC_LEAST_PAIRS pairs: a sum of what is left would look like a good, smaller one
 *  Finite, and each number within +-100, on success. */
int eprof__parse_pmic(const char *text, uint64_t n_bytes, eprof__pmic *out);

#endif
