/* SPDX-License-Identifier: MIT
 * numbers.c - parsing numbers strictly, and writing sizes for people.
 *
 * The command never calls setlocale, so the decimal point is a point everywhere.
 */
#include "cli/numbers.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool only(const char *text, const char *allowed) { return *text && text[strspn(text, allowed)] == '\0'; }

bool cli_parse_u64(const char *text, uint64_t *out)
{
    if (!only(text, "0123456789")) return false;
    errno = 0;
    const unsigned long long v = strtoull(text, NULL, 10);
    if (errno) return false;
    *out = v;
    return true;
}

bool cli_parse_i64(const char *text, int64_t *out)
{
    if (!only(text + (*text == '-'), "0123456789")) return false;
    errno = 0;
    const long long v = strtoll(text, NULL, 10);
    if (errno) return false;
    *out = v;
    return true;
}

bool cli_parse_real(const char *text, double *out)
{
    char *end;
    if (!only(text, "0123456789.eE+-")) return false;
    const double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v)) return false;
    *out = v;
    return true;
}

bool cli_parse_size(const char *text, uint64_t *out)
{
    static const char units[] = "KMGT";
    char number[32];
    double v;
    const size_t n = strspn(text, "0123456789.");
    if (n == 0 || n >= sizeof number) return false;
    memcpy(number, text, n);
    number[n] = '\0';
    if (!cli_parse_real(number, &v)) return false;
    const char *unit = text[n] ? strchr(units, text[n]) : NULL;
    if (text[n] && !unit) return false;
    if (unit) {
        const char *rest = text + n + 1;
        if (*rest && strcmp(rest, "B") != 0 && strcmp(rest, "iB") != 0) return false;
        v = ldexp(v, 10 * (int)(unit - units + 1));
    }
    if (!(v >= 1 && v < 9e18)) return false;
    *out = (uint64_t)v;
    return true;
}

bool cli_parse_extent(const char *text, uint64_t *width, uint64_t *height)
{
    char first[24];
    uint64_t w;
    const size_t n = strcspn(text, "x");
    if (n >= sizeof first || text[n] != 'x') return false;
    memcpy(first, text, n);
    first[n] = '\0';
    if (!cli_parse_u64(first, &w) || !cli_parse_u64(text + n + 1, height)) return false;
    *width = w;
    return true;
}

bool cli_parse_mask(const char *text, uint32_t *out)
{
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (strcmp(text, "all") == 0) {
        *out = UINT32_MAX;
        return true;
    }
    if (!only(text + (hex ? 2 : 0), hex ? "0123456789abcdefABCDEF" : "0123456789")) return false;
    errno = 0;
    const unsigned long long v = strtoull(text, NULL, hex ? 16 : 10);
    if (errno || v > UINT32_MAX) return false;
    *out = (uint32_t)v;
    return true;
}

const char *cli_size_text(uint64_t size_bytes, char *buf, size_t buf_bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    double v = (double)size_bytes / 1024;
    size_t unit = 0;
    if (size_bytes < 1024) {
        snprintf(buf, buf_bytes, "%u bytes", (unsigned)size_bytes);
        return buf;
    }
    while (v >= 1024 && unit < 3) v /= 1024, unit++;
    snprintf(buf, buf_bytes, v < 10 ? "%.2f %s" : v < 100 ? "%.1f %s" : "%.0f %s", v, units[unit]);
    return buf;
}
