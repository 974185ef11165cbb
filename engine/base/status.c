/* SPDX-License-Identifier: MIT
 * status.c - names and texts of the status values, and the filling of the caller's error struct.
 *
 * Nothing here allocates, so that running out of memory can be reported.
 */
#include "engine/base/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

const char *einf_status_name(einf_status s)
{
    switch (s) {
#define CASE(name, value, text) case value: return "EINF_" #name;
        EINF_STATUS_MAP(CASE)
#undef CASE
    default: return "EINF_E_?";
    }
}

const char *einf_status_text(einf_status s)
{
    switch (s) {
#define CASE(name, value, text) case value: return text;
        EINF_STATUS_MAP(CASE)
#undef CASE
    default: return "unknown status";
    }
}

const char *einf_version(void) { return EINF_VERSION; }

uint32_t einf_abi_version(void) { return EINF_ABI_VERSION; }

einf_status einf__error_begin(einf_error *err)
{
    if (!err) return EINF_OK;
    if (!EINF__STRUCT_OK(err, einf_error)) return EINF_E_ARG; /* cannot be written to, so it cannot be told why */
    err->code = EINF_OK;
    err->offset = EINF_NO_OFFSET;
    err->where[0] = err->message[0] = err->hint[0] = '\0';
    return EINF_OK;
}

/* True when the bytes at p are the beginning of a character that the end of the text cut off. */
static bool is_cut(const unsigned char *p, size_t n)
{
    if (n >= 4 || p[0] < 0xc2 || p[0] > 0xf4) return false;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return false;
    return true;
}

void einf__make_printable(char *text)
{
    unsigned char *p = (unsigned char *)text;
    size_t n = strlen(text);
    while (n > 0) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t length = utf8proc_iterate(p, (utf8proc_ssize_t)n, &c);
        size_t step = length > 0 ? (size_t)length : 0;
        if (step == 0 && is_cut(p, n)) {
            *p = '\0';
            return;
        }
        /* C0, DEL, and C1 (U+0080..U+009F), which terminals may obey */
        if (step == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            if (step == 0) step = 1;
            memset(p, '?', step);
        }
        p += step;
        n -= step;
    }
}

static void copy_printable(char *to, size_t size, const char *from)
{
    if (!from) from = "";
    const size_t n = strlen(from);
    const size_t keep = n < size ? n : size - 1;
    memcpy(to, from, keep);
    to[keep] = '\0';
    einf__make_printable(to);
}

static void fill(einf_error *err, einf_status code, uint64_t offset, const char *where, const char *hint,
                 const char *format, va_list args) EINF__PRINTF(6, 0);

static void fill(einf_error *err, einf_status code, uint64_t offset, const char *where, const char *hint,
                 const char *format, va_list args)
{
    if (!err || err->code != EINF_OK) return;
    err->code = code;
    err->offset = offset;
    copy_printable(err->where, sizeof err->where, where);
    copy_printable(err->hint, sizeof err->hint, hint);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    einf__make_printable(err->message);
}

einf_status einf__fail(einf_error *err, einf_status code, uint64_t offset, const char *where, const char *hint,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, offset, where, hint, format, args);
    va_end(args);
    return code;
}

einf_status einf__fail_arg(einf_error *err, const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, EINF_E_ARG, EINF_NO_OFFSET, where, NULL, format, args);
    va_end(args);
    return EINF_E_ARG;
}

einf_status einf__fail_nomem(einf_error *err, uint64_t size_bytes, const char *what)
{
    return einf__fail(err, EINF_E_NOMEM, EINF_NO_OFFSET, NULL, "free memory, or choose a smaller context or model",
                      "no memory for %s: %llu bytes", what, (unsigned long long)size_bytes);
}
