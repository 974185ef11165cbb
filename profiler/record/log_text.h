/* SPDX-License-Identifier: MIT
 * log_text.h - what the two sides of a log share: words, limits, and doubles that come back as they were.
 */
#ifndef EPROF_RECORD_LOG_TEXT_H
#define EPROF_RECORD_LOG_TEXT_H

#include "profiler/record/record.h"

#define EPROF__LOG_HEAD "edgeprof-log 1"
#define EPROF__LOG_LAST_NS (INT64_C(1) << 62) /* times lie in [0, this): their differences fit */
enum {
    EPROF__LOG_LINE = 4096,
    EPROF__LOG_CALIBRATED = 1 << 0, /* FLAGS of a channel */
    EPROF__LOG_OWN_CLOCK = 1 << 1,
    EPROF__HEX_BYTES = 32
};

/** "0x1.8p+3", "-0x0p+0", "inf", "nan": C99's form, with as many digits as there are, in every locale. */
void eprof__hex_format(char out[EPROF__HEX_BYTES], double x);
/** The same read, from [text, end): where it ends, or NULL. Exact for what the writer wrote: at most 16 digits in all.
 *  */
const char *eprof__hex_parse(const char *text, const char *end, double *out);

/** The i-th kind's name in a log. */
const char *eprof__kind_name(int32_t kind);

#endif
