/* SPDX-License-Identifier: MIT
 * log_text.c - hexadecimal floats, by their bits: exact, and the same in every locale, which %a and strtod are not.
 *
 * A double is sign, 11 bits of exponent (bias 1023), 52 bits of fraction; 0x1.FFFp+E are the fraction's digits after an
 * implied one, 0x0.FFFp-1022 those of a subnormal.
 */
#include "profiler/record/log_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_BITS 52
#define FRACTION_MASK ((UINT64_C(1) << FRACTION_BITS) - 1)

#define KIND_NAME(name, text, unit) text,
static const char *const kind_names[] = { EPROF__KIND_MAP(KIND_NAME) };
#undef KIND_NAME

const char *eprof__kind_name(int32_t kind) { return kind >= 0 && kind < EPROF__N_KINDS ? kind_names[kind] : "?"; }

void eprof__hex_format(char out[EPROF__HEX_BYTES], double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const char *sign = bits >> 63 && !isnan(x) ? "-" : "";
    if (!isfinite(x)) {
        (void)snprintf(out, EPROF__HEX_BYTES, "%s%s", sign, isnan(x) ? "nan" : "inf");
        return;
    }
    const int raw = (int)(bits >> FRACTION_BITS & 0x7ff);
    uint64_t fraction = bits & FRACTION_MASK;
    const int exponent = raw ? raw - 1023 : fraction ? -1022 : 0;
    char digits[16] = "";
    for (int n = 0; fraction; fraction = fraction << 4 & FRACTION_MASK, n++)
        digits[n] = "0123456789abcdef"[fraction >> (FRACTION_BITS - 4)];
    (void)snprintf(out, EPROF__HEX_BYTES, "%s0x%d%s%sp%+d", sign, raw != 0, digits[0] ? "." : "", digits, exponent);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static const char *word(const char *p, const char *end, const char *text)
{
    const size_t n = strlen(text);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0 ? p + n : NULL;
}

/* "p+12": where it ends, or NULL. */
static const char *parse_exponent(const char *p, const char *end, int *out)
{
    int value = 0, n = 0;
    if (p == end || *p != 'p' || ++p == end || (*p != '+' && *p != '-')) return NULL;
    const bool negative = *p++ == '-';
    for (; p < end && *p >= '0' && *p <= '9' && n < 5; p++, n++) value = value * 10 + (*p - '0');
    *out = negative ? -value : value;
    return n ? p : NULL;
}

const char *eprof__hex_parse(const char *text, const char *end, double *out)
{
    const char *p = text;
    const bool negative = p < end && *p == '-';
    p += negative;
    const char *special = word(p, end, "nan");
    if (special && !negative) {
        *out = (double)NAN;
        return special;
    }
    special = word(p, end, "inf");
    if (special) {
        *out = negative ? -(double)INFINITY : (double)INFINITY;
        return special;
    }
    uint64_t mantissa = 0;
    int n_digits = 0, n_after = 0, exponent;
    bool after = false;
    if (!(p = word(p, end, "0x"))) return NULL;
    for (; p < end && n_digits <= 16; p++) {
        const int digit = digit_of(*p);
        if (digit < 0 && (*p != '.' || after)) break;
        if (digit < 0) {
            after = true;
            continue;
        }
        mantissa = mantissa << 4 | (uint64_t)digit;
        n_digits++;
        n_after += after;
    }
    if (n_digits == 0 || n_digits > 16 || !(p = parse_exponent(p, end, &exponent))) return NULL;
    const double value = ldexp((double)mantissa, exponent - 4 * n_after);
    *out = negative ? -value : value;
    return p;
}
