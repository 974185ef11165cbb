/* SPDX-License-Identifier: MIT
 * float_text.h - floating-point numbers as decimal text, with "." as the point whatever the locale of the host.
 */
#ifndef EINF_BASE_FLOAT_TEXT_H
#define EINF_BASE_FLOAT_TEXT_H

/** The shortest decimal text that names this f32; "nan", "inf", "-inf". */
void einf__f32_text(float v, char out[32]);
/** 17 digits, or "nan", "inf", "-inf". */
void einf__f64_text(double v, char out[32]);

#endif
