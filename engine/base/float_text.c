/* SPDX-License-Identifier: MIT
 * float_text.c - floating-point numbers as decimal text, the same in every locale.
 */
#include "engine/base/float_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

/* printf writes the locale's decimal point, which may be several bytes; everything else it writes is ASCII. */
static void point_out(const char *from, char out[32])
{
    size_t n = 0;
    for (; *from && n < 31; from++) {
        const bool known = (*from >= '0' && *from <= '9') || *from == '-' || *from == '+' || *from == 'e';
        if (known) out[n++] = *from;
        else if (n == 0 || out[n - 1] != '.') out[n++] = '.';
    }
    out[n] = '\0';
}

static bool special_text(double v, char out[32])
{
    if (isfinite(v)) return false;
    snprintf(out, 32, "%s", isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
    return true;
}

void einf__f64_text(double v, char out[32])
{
    char text[64];
    if (special_text(v, out)) return;
    snprintf(text, sizeof text, "%.17g", v);
    point_out(text, out);
}

/* The value of a text of at most 9 digits as printed by "%.9g" and below, to well within the spacing of f32. */
static float read_back(const char *text)
{
    double v = 0;
    int exponent = 0, n_behind = 0;
    bool behind = false;
    const char *p = text + (*text == '-');
    for (; *p && *p != 'e'; p++) {
        if (*p == '.') {
            behind = true;
        } else {
            v = v * 10 + (*p - '0');
            n_behind += behind;
        }
    }
    if (*p == 'e') {
        for (const char *q = p + 2; *q; q++) exponent = exponent * 10 + (*q - '0');
        if (p[1] == '-') exponent = -exponent;
    }
    v *= pow(10, exponent - n_behind);
    return (float)(*text == '-' ? -v : v);
}

void einf__f32_text(float v, char out[32])
{
    char text[64];
    if (special_text((double)v, out)) return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        point_out(text, out);
        if (read_back(out) == v) return;
    }
}
