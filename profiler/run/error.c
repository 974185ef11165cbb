/* SPDX-License-Identifier: MIT
 * error.c - filling the caller's error, and the names of statuses, classes, scopes, terms and flags.
 *
 * Invariant: the first failure wins, so the detail names the cause and not a consequence.
 */
#include "profiler/run/profiler.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void copy(char *to, size_t n, const char *text)
{
    (void)snprintf(to, n, "%s", text ? text : "");
}

eprof_status eprof__fail(eprof_error *err, eprof_status status, const char *where, const char *hint,
                         const char *message, ...)
{
    if (!err || err->code != EPROF_OK) return status;
    va_list args;
    va_start(args, message);
    (void)vsnprintf(err->message, sizeof err->message, message, args);
    va_end(args);
    err->code = status;
    copy(err->where, sizeof err->where, where);
    copy(err->hint, sizeof err->hint, hint);
    return status;
}

eprof_status eprof__error_begin(eprof_error *err)
{
    if (!err) return EPROF_OK;
    if (!EPROF__STRUCT_OK(err, eprof_error)) return EPROF_E_ARG;
    const uint32_t struct_size = err->struct_size;
    *err = (eprof_error){ .struct_size = struct_size };
    return EPROF_OK;
}

/* ------------------------------------------------------------------------------------- what systems say -- */

static const char *hint_for(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR: return "check the path";
    case EACCES:
    case EPERM: return "check the permissions of the file and of the folders above it";
    case EISDIR: return "give the path of a file";
    case EMFILE: return "close files, or raise the limit (ulimit -n)";
    case ENOSPC: return "make room, or choose another disk";
    case EFBIG: return "raise the limit (ulimit -f)";
    case EROFS: return "choose another folder";
    default: return "";
    }
}

eprof_status eprof__fail_system(eprof_error *err, const char *where, const char *doing, int code)
{
    const eprof_status status = code == EACCES || code == EPERM ? EPROF_E_PERMISSION : EPROF_E_IO;
    return eprof__fail(err, status, where, hint_for(code), "cannot %s: %s (errno %d)", doing, eprof__errno_text(code),
                       code);
}

/* ----------------------------------------------------------------------------------------------- names -- */

const char *eprof_status_name(eprof_status s)
{
    switch (s) {
#define NAME(name, value, text) case value: return "EPROF_" #name;
        EPROF_STATUS_MAP(NAME)
#undef NAME
    default: return "EPROF_E_?";
    }
}

#define TEXT_NAME(name, text) text,
static const char *const class_names[] = { EPROF_CLASS_MAP(TEXT_NAME) };
static const char *const scope_names[] = { EPROF_SCOPE_MAP(TEXT_NAME) };
static const char *const term_names[] = { EPROF_TERM_MAP(TEXT_NAME) };
static const char *const flag_names[] = { EPROF_FLAG_MAP(TEXT_NAME) };
#undef TEXT_NAME

static const char *name_of(const char *const *names, int32_t n, int32_t i)
{
    return i >= 0 && i < n ? names[i] : "?";
}

const char *eprof_class_name(int32_t c) { return name_of(class_names, EPROF_N_CLASSES, c); }
const char *eprof_scope_name(int32_t s) { return name_of(scope_names, EPROF_N_SCOPES, s); }
const char *eprof_term_name(int32_t term) { return name_of(term_names, EPROF_N_TERMS, term); }
const char *eprof_flag_name(int32_t i) { return name_of(flag_names, EPROF_N_FLAGS, i); }
const char *eprof_version(void) { return EPROF_VERSION; }
uint32_t eprof_abi_version(void) { return EPROF_ABI_VERSION; }
