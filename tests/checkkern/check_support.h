/* SPDX-License-Identifier: MIT
 * check_support.h - for the kernel checks: repeatable random numbers, and buffers that end at a page no one may touch.
 */
#ifndef TESTS_CHECK_SUPPORT_H
#define TESTS_CHECK_SUPPORT_H

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/half.h"
#include "engine/kernels/kernels.h"
#include "tests/support/test_support.h"

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
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + g.usable_bytes, page, PROT_NONE), 0);
    memset(g.map, CANARY, g.usable_bytes);
    g.data = g.map + g.usable_bytes - slack - size_bytes;
    return g;
}

/* Also checks that nothing was written outside the data. */
static inline void guard_free(guarded *g)
{
    for (uint8_t *p = g->map; p < g->map + g->usable_bytes; p++)
        if (p < g->data || p >= g->data + g->size_bytes) assert_int_equal(*p, CANARY);
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

static inline bool is_canary(const float *x)
{
    static const uint8_t canary[4] = {CANARY, CANARY, CANARY, CANARY};
    return memcmp(x, canary, sizeof canary) == 0;
}

/* --------------------------------------------------------------------------------------------------- context -- */

/* What a check is given: the table under test, the reference's, and the slot. */
typedef struct check {
    const einf__kernels *k, *ref;
    int slot;
} check;

/* |got - want| <= bound; says where when not. */
static inline void assert_within(const check *c, double got, double want, double bound, const char *where, int64_t i)
{
    if (fabs(got - want) <= bound) return; /* false for NaN */
    printf("%s (%s): %s at %lld: got %.9g, want %.9g, bound %.3g\n", einf__kernel_slot_name(c->slot),
           c->k->impl[c->slot], where, (long long)i, got, want, bound);
    fail();
}

#endif
