/* SPDX-License-Identifier: MIT
 * text_out.h - text on its way to a caller's function: gathered into pieces, escaped for where it goes.
 *
 * The first refusal of the function is kept; what is written after it goes nowhere. Bytes that are no UTF-8 and control
 * characters never get through an escape: a name cut in the middle of a character, or a hostile one, is U+FFFD there.
 */
#ifndef EPROF_REPORT_TEXT_OUT_H
#define EPROF_REPORT_TEXT_OUT_H

#include <stdbool.h>

#include <edgeprof/edgeprof.h>

typedef struct eprof__out {
    eprof_write_fn write;
    void *user;
    bool failed;
    uint64_t n;              /* bytes gathered */
    char text[4096];
} eprof__out;

void eprof__out_init(eprof__out *o, eprof_write_fn write, void *user);
void eprof__out_bytes(eprof__out *o, const char *text, uint64_t n);
void eprof__out_text(eprof__out *o, const char *text);
/** printf of integers and short texts, 1 KiB at most; floating numbers go through number_text.h. */
void eprof__out_format(eprof__out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** x with 12 significant digits; nothing when absent. */
void eprof__out_double(eprof__out *o, double x);
/** In double quotes, as JSON wants it. */
void eprof__out_json(eprof__out *o, const char *text);
/** As HTML text or the value of an attribute in double quotes. */
void eprof__out_html(eprof__out *o, const char *text);
/** A CSV field, quoted where it must be (RFC 4180). */
void eprof__out_csv(eprof__out *o, const char *text);
/** Hand over the rest: EPROF_OK, or E_IO when a piece was refused. */
eprof_status eprof__out_finish(eprof__out *o, eprof_error *err);

#endif
