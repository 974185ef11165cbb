/* SPDX-License-Identifier: MIT
 * number_text.h - numbers as text, for machines and for people, with a decimal point in every locale.
 *
 * An absent number (NAN) is the empty text: who writes a table shows a dash, who writes JSON leaves the key out.
 */
#ifndef EPROF_REPORT_NUMBER_TEXT_H
#define EPROF_REPORT_NUMBER_TEXT_H

#include <stdint.h>

enum { EPROF__NUMBER_BYTES = 48 };
typedef struct eprof__number {
    char text[EPROF__NUMBER_BYTES];
} eprof__number;

/** x with `digits` significant digits at most (1..17), as %g: "0.25", "1e-07". Returns out->text, as all do. */
const char *eprof__format_double(eprof__number *out, double x, int digits);
/** x with exactly so many decimals, 0..9; beyond 1e15 as format_double. */
const char *eprof__format_fixed(eprof__number *out, double x, int decimals);
/** Three significant digits and a prefix: "12.3 J", "3.40 mWh", "0 J". unit: up to 8 bytes. */
const char *eprof__format_si(eprof__number *out, double x, const char *unit);
/** x and its interval's half, to two digits of that: "12.34 ± 0.15 J". u95 absent: as format_si. */
const char *eprof__format_pm(eprof__number *out, double x, double u95, const char *unit);
/** Three significant digits, never an exponent below 1e15: "1234", "12.3", "0.012". */
const char *eprof__format_plain(eprof__number *out, double x);
/** "350 ms", "12.3 s", "4 min 05 s", "1 h 02 min". */
const char *eprof__format_seconds(eprof__number *out, double s);
/** "812 MiB", "1.23 GiB". */
const char *eprof__format_mib(eprof__number *out, double mib);

#endif
