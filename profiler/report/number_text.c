/* SPDX-License-Identifier: MIT
 * number_text.c - digits by the C library, the decimal point by us.
 *
 * printf rounds correctly and writes the locale's radix character. Whatever stands between the digits that is none of
 * printf's other characters is that radix, and becomes a point: no look at the locale, which another thread may change.
 */
#include "profiler/report/number_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *with_point(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (strchr("0123456789+-einfa", *from)) *to++ = *from;
        else if (to > text && to[-1] != '.') *to++ = '.'; /* a radix may have several bytes */
    }
    *to = '\0';
    return text;
}

const char *eprof__format_double(eprof__number *out, double x, int digits)
{
    out->text[0] = '\0';
    if (isnan(x)) return out->text;
    (void)snprintf(out->text, sizeof out->text, "%.*g", digits, x == 0 ? 0.0 : x); /* no -0 */
    return with_point(out->text);
}

const char *eprof__format_fixed(eprof__number *out, double x, int decimals)
{
    if (!(fabs(x) < 1e15)) return eprof__format_double(out, x, 6);
    const double half = 0.5 * pow(10, -decimals);
    (void)snprintf(out->text, sizeof out->text, "%.*f", decimals, fabs(x) < half ? 0.0 : x);
    return with_point(out->text);
}

static int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

/* Decimal exponent of x as it stands after rounding to three digits; 0 for 0. */
static int exponent_of(double x)
{
    if (x == 0 || !isfinite(x)) return 0;
    const int e = (int)floor(log10(fabs(x)));
    return fabs(x) >= 9.995 * pow(10, e) ? e + 1 : e;
}

const char *eprof__format_plain(eprof__number *out, double x)
{
    if (isnan(x)) return eprof__format_double(out, x, 3);
    return eprof__format_fixed(out, x, clamp(2 - exponent_of(x), 0, 9));
}

typedef struct prefix {
    const char *text;
    double factor;
} prefix;

/* Of a number with this decimal exponent: from nano to tera. */
static prefix prefix_for(int exponent)
{
    static const prefix all[] = { { "n", 1e-9 }, { "µ", 1e-6 }, { "m", 1e-3 }, { "", 1 }, { "k", 1e3 }, { "M", 1e6 },
                                  { "G", 1e9 }, { "T", 1e12 } };
    return all[clamp((exponent + 9 < 0 ? 0 : exponent + 9) / 3, 0, 7)];
}

static void add_unit(eprof__number *out, const char *prefix_text, const char *unit)
{
    const size_t n = strlen(out->text);
    (void)snprintf(out->text + n, sizeof out->text - n, " %s%s", prefix_text, unit);
}

const char *eprof__format_si(eprof__number *out, double x, const char *unit)
{
    if (isnan(x)) return eprof__format_double(out, x, 3);
    if (fabs(x) < 5e-13) x = 0; /* what is left of a difference of doubles */
    const prefix p = prefix_for(exponent_of(x));
    if (x == 0) eprof__format_fixed(out, 0, 0);
    else eprof__format_plain(out, x / p.factor);
    add_unit(out, p.text, unit);
    return out->text;
}

const char *eprof__format_pm(eprof__number *out, double x, double u95, const char *unit)
{
    if (isnan(x) || !isfinite(u95) || u95 <= 0) return eprof__format_si(out, x, unit);
    const prefix p = prefix_for(exponent_of(fabs(x) > u95 ? x : u95));
    const double u = u95 / p.factor;
    const int decimals = clamp(1 - (int)floor(log10(u)), 0, 4);
    eprof__number half;
    eprof__format_fixed(out, x / p.factor, decimals);
    const size_t n = strlen(out->text);
    (void)snprintf(out->text + n, sizeof out->text - n, " ± %.20s", eprof__format_fixed(&half, u, decimals));
    add_unit(out, p.text, unit);
    return out->text;
}

const char *eprof__format_seconds(eprof__number *out, double s)
{
    if (isnan(s)) return eprof__format_double(out, s, 3);
    if (fabs(s) < 99.95 || !(fabs(s) < 1e9)) return eprof__format_si(out, s, "s");
    const int64_t whole = llround(fabs(s)), minutes = whole / 60;
    const char *sign = s < 0 ? "-" : "";
    if (minutes < 60)
        (void)snprintf(out->text, sizeof out->text, "%s%d min %02d s", sign, (int)minutes, (int)(whole % 60));
    else
        (void)snprintf(out->text, sizeof out->text, "%s%lld h %02d min", sign, (long long)(minutes / 60),
                       (int)(minutes % 60));
    return out->text;
}

const char *eprof__format_mib(eprof__number *out, double mib)
{
    if (isnan(mib)) return eprof__format_double(out, mib, 3);
    const int is_gib = fabs(mib) >= 1024;
    eprof__format_plain(out, is_gib ? mib / 1024 : mib);
    add_unit(out, "", is_gib ? "GiB" : "MiB");
    return out->text;
}
