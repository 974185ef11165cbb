/* SPDX-License-Identifier: MIT
 * stats_arguments.c - what the laws refuse, in one voice: too few points, too many, not finite, not positive.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "profiler/run/profiler.h"
#include "profiler/stats/statistics.h"

/* As words: a decimal comma of some locale has no place in a message. */
static const char *what_is_wrong(double x)
{
    if (isnan(x)) return "not a number";
    if (isinf(x)) return x > 0 ? "infinite" : "minus infinity";
    return fabs(x) > 1 ? "beyond 1e100" : "below 1e-100";
}

static eprof_status fail_at(const char *name, int32_t i, const char *what, const char *expected, eprof_error *err)
{
    char where[64];
    (void)snprintf(where, sizeof where, "%s[%" PRId32 "]", name, i);
    return eprof__fail(err, EPROF_E_ARG, where, "leave out what was not measured", "%s[%" PRId32 "] is %s, expected %s",
                       name, i, what, expected);
}

eprof_status eprof__check_values(const char *name, const double *x, int32_t n, eprof_error *err)
{
    if (!x)
        return eprof__fail(err, EPROF_E_ARG, name, "pass an array of n numbers", "%s is NULL, n is %" PRId32, name, n);
    for (int32_t i = 0; i < n; i++)
        if (x[i] != 0 && !(fabs(x[i]) >= 1e-100 && fabs(x[i]) <= 1e100))
            return fail_at(name, i, what_is_wrong(x[i]), "a finite number", err);
    return EPROF_OK;
}

eprof_status eprof__check_positive(const char *name, const double *x, int32_t n, eprof_error *err)
{
    for (int32_t i = 0; i < n; i++)
        if (!(x[i] > 0)) return fail_at(name, i, x[i] < 0 ? "negative" : "0", "a number above 0", err);
    return EPROF_OK;
}

eprof_status eprof__check_count(int32_t n, int32_t least, int32_t most, eprof_error *err)
{
    if (n < least)
        return eprof__fail(err, EPROF_E_ARG, "n", "measure more often",
                           "n is %" PRId32 ", at least %" PRId32 " are needed", n, least);
    if (n > most)
        return eprof__fail(err, EPROF_E_LIMIT, "n", "pass the medians of configurations",
                           "n is %" PRId32 ", at most %" PRId32 " are possible", n, most);
    return EPROF_OK;
}

eprof_status eprof__check_out(const char *type, const void *out, size_t size, eprof_error *err)
{
    uint32_t struct_size = 0;
    if (!out) return eprof__fail(err, EPROF_E_ARG, "out", "pass a struct to fill", "out is NULL, expected an %s", type);
    memcpy(&struct_size, out, sizeof struct_size);
    if (struct_size == size) return EPROF_OK;
    return eprof__fail(err, EPROF_E_ARG, "out", "begin it with EPROF_INIT",
                       "struct_size of %s is %" PRIu32 ", expected %zu", type, struct_size, size);
}

int32_t eprof__n_different(const double *x, int32_t n, double *scratch)
{
    memcpy(scratch, x, (size_t)n * sizeof *x);
    eprof__sort(scratch, n);
    int32_t n_different = n > 0;
    for (int32_t i = 1; i < n; i++) n_different += scratch[i] != scratch[i - 1];
    return n_different;
}

eprof_status eprof__no_memory(const char *where, eprof_error *err)
{
    return eprof__fail(err, EPROF_E_NOMEM, where, "free memory, or pass fewer points", "no memory for the points");
}
