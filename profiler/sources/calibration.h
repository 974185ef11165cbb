/* SPDX-License-Identifier: MIT
 * calibration.h - what an earlier run measured against a meter: one line of a text file a board and day.
 *
 *   # board-serial     gain    offset_w  u95_pct  date        meter
 *   100000001234abcd   1.1451  0.5879    2.4      2026-05-02  FNB58 #123
 *
 * The board's input is gain * P + offset_w, where P is what its own sensor says; u95_pct is the 95 % limit of what is
 * left, in percent. Fields are parted by blanks, the meter's name goes on to the end of the line, a line that begins
 * with # is a remark, and the last line of a serial number holds.
 */
#ifndef EPROF_SOURCES_CALIBRATION_H
#define EPROF_SOURCES_CALIBRATION_H

#include "profiler/sources/source.h"

typedef struct eprof__calibration {
    double gain, offset_w; /* gain in [0.2, 5], offset in [-20, 20] W */
    double u95;            /* 0.024 = 2.4 %; in (0, 1] */
    char date[16], meter[48];
} eprof__calibration;

/** The line of a serial number: 1, 0 where there is none, -EBADMSG where line *line is malformed. */
int eprof__calibration_parse(const char *text, uint64_t n_bytes, const char *serial, eprof__calibration *out,
                             int32_t *line);
/** The same of a file; another -errno where it cannot be read. */
int eprof__calibration_find(const eprof_io *io, const char *path, const char *serial, eprof__calibration *out,
                            int32_t *line);

/** The gain limit a that the budget reckons with, u = a / sqrt(3), where u95 = 2 u. */
double eprof__calibration_accuracy(const eprof__calibration *c);

#endif
