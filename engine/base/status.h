/* SPDX-License-Identifier: MIT
 * status.h - how code inside the library fails: one call fills the caller's error, one macro forwards it.
 *
 * Invariant: the first failure wins, so the detail always names the cause and not a consequence.
 */
#ifndef EINF_BASE_STATUS_H
#define EINF_BASE_STATUS_H

#include <edgeinfer/edgeinfer.h>

#if defined(__GNUC__)
#define EINF__PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define EINF__PRINTF(fmt, args)
#endif

/** Clear *err at the start of a public call. EINF_E_ARG when its struct_size is not one this library can fill. */
einf_status einf__error_begin(einf_error *err);

/** Fill *err (may be NULL) unless it already holds a failure; returns code.
 *  where, hint: may be NULL. offset: EINF_NO_OFFSET when there is none.
 *  Control characters and broken UTF-8 in the result become '?': texts of a hostile file cannot reach a terminal. */
einf_status einf__fail(einf_error *err, einf_status code, uint64_t offset, const char *where, const char *hint,
                       const char *format, ...) EINF__PRINTF(6, 7);

/** einf__fail with EINF_E_ARG for argument `where`. */
einf_status einf__fail_arg(einf_error *err, const char *where, const char *format, ...) EINF__PRINTF(3, 4);

/** einf__fail with EINF_E_NOMEM: size_bytes were asked for, for `what`. */
einf_status einf__fail_nomem(einf_error *err, uint64_t size_bytes, const char *what);

/** Replace control characters and bytes that are no UTF-8 by '?', in place. A sequence that the NUL cuts off goes. */
void einf__make_printable(char *text);

#define EINF_TRY(call) \
    do { \
        const einf_status try_status_ = (call); \
        if (try_status_ != EINF_OK) return try_status_; \
    } while (0)

/* A struct of the caller that this version of the library can read or write as far as `T` goes. */
#define EINF__STRUCT_OK(p, T) ((p)->struct_size >= (uint32_t)sizeof(T) && (p)->struct_size <= 65536u)

#endif
