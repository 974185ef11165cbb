/* SPDX-License-Identifier: MIT
 * law_asserts.h - what the tests of statistics share: numbers within a tolerance, errors that say something, and shares
 * over a thousand synthetic truths, printed as a table and held within bounds. Includes cmocka.
 *
 * Reference numbers in these tests were computed once with Python 3.11, numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0;
 * the call is named beside each.
 */
#ifndef TESTS_UNIT_PROFILER_LAW_ASSERTS_H
#define TESTS_UNIT_PROFILER_LAW_ASSERTS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "profiler/stats/statistics.h"

/* Sanitizers are slow, and look for other things: fewer truths, wider bounds. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifdef IS_SANITIZED
enum { N_TRUTHS = 100 };
static const double slack = 0.12;
#else
enum { N_TRUTHS = 1000 };
static const double slack = 0;
#endif

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* |value - expected| <= tolerance (1 + |expected|); NaN fails. */
#define assert_near(value, expected, tolerance) law_near((value), (expected), (tolerance), #value, __FILE__, __LINE__)
static inline void law_near(double value, double expected, double tolerance, const char *what, const char *file,
                            int line)
{
    if (fabs(value - expected) <= tolerance * (1 + fabs(expected))) return;
    printf("%s:%d: %s is %.17g, expected %.17g\n", file, line, what, value, expected);
    fail();
}

/* The call refused: status, place, and a part of its message; there is a hint. */
#define assert_refused(status, err, code_, where_, part) \
    law_refused((status), (err), (code_), (where_), (part), __FILE__, __LINE__)
static inline void law_refused(eprof_status status, eprof_error *err, eprof_status code, const char *where,
                               const char *part, const char *file, int line)
{
    if (status != code || err->code != code || strcmp(err->where, where) != 0 || !strstr(err->message, part) ||
        !err->hint[0]) {
        printf("%s:%d: status %d, where '%s', message '%s', hint '%s'; expected %d, '%s', '%s'\n", file, line, status,
               err->where, err->message, err->hint, code, where, part);
        fail();
    }
    *err = (eprof_error)EPROF_INIT(eprof_error);
}

static inline int holds(eprof_interval x, double truth)
{
    return x.low <= truth && x.high >= truth;
}

/* A row of the table; the share must lie in [least, most]. */
static inline void check_share(const char *what, int n, int n_hits, int n_truths, double least, double most)
{
    const double share = (double)n_hits / n_truths;
    printf("%-44s n %3d   %5.1f %%   of %d, expected %.1f..%.1f %%\n", what, n, 100 * share, n_truths, 100 * least,
           100 * most);
    if (!(share >= least - slack && share <= most + slack)) fail_msg("%s: %.1f %% at n %d", what, 100 * share, n);
}

#endif
