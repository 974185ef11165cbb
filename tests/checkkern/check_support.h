/* SPDX-License-Identifier: MIT
 * check_support.h - for the kernel checks: repeatable random numbers, buffers that end at a page no one may touch, and
 * how a check fails: it leaves by a jump, a touched page as well, so that the program goes on to the next slot.
 */
#ifndef TESTS_CHECK_SUPPORT_H
#define TESTS_CHECK_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/half.h"
#include "engine/kernels/kernels.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------------------------------------------- failing -- */

/* What a check is given: the table under test, the reference's, and the slot. */
typedef struct check {
    const einf__kernels *k, *ref;
    int slot;
} check;

static sigjmp_buf check_exit;
static char check_message[256]; /* why the last check failed */
static char check_shape[128];   /* what was computed then */

__attribute__((format(printf, 1, 2), noreturn)) static inline void check_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(check_message, sizeof check_message, format, args);
    va_end(args);
    siglongjmp(check_exit, 1);
}

/* Said of a failure: the shape that is about to be computed. */
__attribute__((format(printf, 1, 2))) static inline void note_shape(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(check_shape, sizeof check_shape, format, args);
    va_end(args);
}

static inline void expect_equal(int64_t got, int64_t want, const char *where, int64_t i)
{
    if (got == want) return;
    check_fail("%s at %lld: got %lld, want %lld", where, (long long)i, (long long)got, (long long)want);
}

/* |got - want| <= bound. */
static inline void expect_within(double got, double want, double bound, const char *where, int64_t i)
{
    if (fabs(got - want) <= bound) return; /* false for NaN */
    check_fail("%s at %lld: got %.9g, want %.9g, bound %.3g", where, (long long)i, got, want, bound);
}

/* The same floats, bit for bit. */
static inline void expect_same_floats(const float *got, const float *want, int64_t n, const char *where)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(got + i, want + i, sizeof *got) != 0)
            check_fail("%s at %lld: got %.9g, want %.9g to the last bit", where, (long long)i, (double)got[i],
                       (double)want[i]);
}

/* For what cannot be wrong in a kernel, as memory that is not there. */
static inline void expect_true(bool ok, const char *what)
{
    if (!ok) check_fail("%s", what);
}

/* ---------------------------------------------------------------------------------------------- randomness -- */

static uint64_t check_seed = 1;

/* splitmix64 */
static inline uint32_t random_u32(void)
{
    uint64_t z = check_seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

/* In [-1, 1). */
static inline float random_unit(void)
{
    return (float)((int32_t)random_u32()) * 0x1p-31f;
}

static inline void fill_random(float *x, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) x[i] = scale * random_unit();
}

/* ---------------------------------------------------------------------------------------------------- guards -- */

#define CANARY 0xa5

/* size_bytes bytes that end `slack` bytes before a page that faults; all bytes before and between hold CANARY. */
typedef struct guarded {
    uint8_t *map;
    size_t map_bytes, usable_bytes; /* usable: up to the faulting page */
    uint8_t *data;
    size_t size_bytes;
} guarded;

static inline guarded guard_alloc(size_t size_bytes, size_t slack)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded g = {.size_bytes = size_bytes};
    g.usable_bytes = (size_bytes + slack + 64 + page - 1) / page * page;
    g.map_bytes = g.usable_bytes + page;
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect_true(g.map != MAP_FAILED && mprotect(g.map + g.usable_bytes, page, PROT_NONE) == 0, "no memory");
    memset(g.map, CANARY, g.usable_bytes);
    g.data = g.map + g.usable_bytes - slack - size_bytes;
    return g;
}

/* Also checks that nothing was written outside the data. */
static inline void guard_free(guarded *g)
{
    for (uint8_t *p = g->map; p < g->map + g->usable_bytes; p++)
        if (p < g->data || p >= g->data + g->size_bytes) expect_equal(*p, CANARY, "byte outside a buffer", p - g->data);
    munmap(g->map, g->map_bytes);
}

static inline guarded guard_floats(int64_t n)
{
    return guard_alloc((size_t)n * sizeof(float), 0);
}

static inline float *floats(const guarded *g)
{
    return (float *)(void *)g->data;
}

/* Between rows of an output: x was not written; i: where in its row. */
static inline void expect_canary(const float *x, int64_t i)
{
    static const uint8_t canary[4] = {CANARY, CANARY, CANARY, CANARY};
    if (memcmp(x, canary, sizeof canary) != 0) check_fail("element %lld, behind a row, was written", (long long)i);
}

#endif
