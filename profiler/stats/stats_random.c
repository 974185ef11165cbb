/* SPDX-License-Identifier: MIT
 * stats_random.c - the generator of every bootstrap: xoshiro256**, seeded by splitmix64.
 *
 * Sources: prng.di.unimi.it (xoshiro256starstar.c, splitmix64.c, public domain: facts and constants taken from there).
 * Integers and uniform numbers are the same bits on every machine.
 */
#include "profiler/stats/statistics.h"

#include <string.h>

uint64_t eprof__splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void eprof__random_seed(eprof__random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) r->s[i] = eprof__splitmix64(&seed);
}

uint64_t eprof__random_next(eprof__random *r)
{
    uint64_t *s = r->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double eprof__random_unit(eprof__random *r)
{
    return (double)(eprof__random_next(r) >> 11) * 0x1p-53;
}

int32_t eprof__random_below(eprof__random *r, int32_t n)
{
    /* 32 bits times n < 2^31 fit in 64. */
    return (int32_t)(((eprof__random_next(r) >> 32) * (uint64_t)n) >> 32);
}

double eprof__random_normal(eprof__random *r)
{
    return eprof__normal_quantile(eprof__random_unit(r) + 0x1p-54); /* the middle of a step: never 0 */
}

void eprof__random_counts(eprof__random *r, int32_t *counts, int32_t n)
{
    memset(counts, 0, (size_t)n * sizeof *counts);
    for (int32_t i = 0; i < n; i++) counts[eprof__random_below(r, n)]++;
}
