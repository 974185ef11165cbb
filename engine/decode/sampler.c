/* SPDX-License-Identifier: MIT
 * sampler.c - filters over a heap of candidates. Only as many candidates are ordered as the filters let through, so a
 * vocabulary of 262,144 is never sorted for the sake of forty.
 */
#include "engine/decode/sampler.h"

#include <math.h>
#include <stdbool.h>

#include "engine/base/float_text.h"

enum { DEFAULT_REPEAT_LAST_N = 64 };

void einf__sampler_lay_out(einf__arena *a, uint32_t n_vocab, einf__sampler *out)
{
    out->candidates = EINF__CARVE(a, einf__candidate, n_vocab);
    out->probabilities = EINF__CARVE(a, float, n_vocab);
}

/* ------------------------------------------------------------------------------------------ random numbers -- */

/* splitmix64 spreads a seed over the state; xoshiro256** draws (Blackman and Vigna, 2018). */
static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t rotl(uint64_t x, int n) { return x << n | x >> (64 - n); }

/* Uniform in [0, 1). */
static double next_random(uint64_t s[4])
{
    const uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

/* ------------------------------------------------------------------------------------------------ settings -- */

static einf_status check_range(float v, float min, float max, const char *field, einf_error *err)
{
    if (v >= min && v <= max) return EINF_OK; /* false for NaN */
    char text[32], low[32], high[32];
    einf__f32_text(v, text);
    einf__f32_text(min, low);
    einf__f32_text(max, high);
    return einf__fail_arg(err, field, "%s is %s, allowed are %s to %s", field, text, low, high);
}

einf_status einf__sampler_set(einf__sampler *s, const einf_sampling *config, einf_error *err)
{
    einf_sampling c = config ? *config : (einf_sampling){ 0 };
    EINF_TRY(check_range(c.temperature, 0.0f, 100.0f, "temperature", err));
    EINF_TRY(check_range(c.top_p, 0.0f, 1.0f, "top_p", err));
    EINF_TRY(check_range(c.min_p, 0.0f, 1.0f, "min_p", err));
    EINF_TRY(check_range(c.repeat_penalty, 0.0f, 100.0f, "repeat_penalty", err));
    if (c.top_p == 0.0f) c.top_p = 1.0f;
    if (c.repeat_penalty == 0.0f) c.repeat_penalty = 1.0f;
    if (c.repeat_last_n == 0) c.repeat_last_n = DEFAULT_REPEAT_LAST_N;
    s->config = c;
    uint64_t seed = c.seed;
    for (int i = 0; i < 4; i++) s->random[i] = splitmix64(&seed);
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------- candidates -- */

static bool better(einf__candidate a, einf__candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static void sift_down(einf__candidate *heap, uint32_t n, uint32_t i)
{
    const einf__candidate moving = heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && better(heap[child + 1], heap[child])) child++;
        if (!better(heap[child], moving)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moving;
}

/* Take the best off the heap of n and put it at the end, so the ordered ones grow downwards from n_all. */
static einf__candidate pop_best(einf__candidate *heap, uint32_t n)
{
    const einf__candidate best = heap[0];
    heap[0] = heap[n - 1];
    if (n > 1) sift_down(heap, n - 1, 0);
    heap[n - 1] = best;
    return best;
}

/* Copy the logits that can be drawn, no NaN and no -infinity, with the penalty on recent ids: positive ones are divided
 * by it, negative ones multiplied. Each id once, however often it occurred. */
static uint32_t gather(einf__sampler *s, const float *logits, uint32_t n_vocab, const int32_t *recent,
                       uint32_t n_recent)
{
    const float penalty = s->config.repeat_penalty;
    float *penalised = s->probabilities; /* as scratch: 1 where recent */
    uint32_t n = 0;
    if (penalty != 1.0f) {
        for (uint32_t i = 0; i < n_vocab; i++) penalised[i] = 0.0f;
        for (uint32_t i = 0; i < n_recent; i++)
            if (recent[i] >= 0 && (uint32_t)recent[i] < n_vocab) penalised[recent[i]] = 1.0f;
    }
    for (uint32_t i = 0; i < n_vocab; i++) {
        float l = logits[i];
        if (!(l > -INFINITY)) continue;
        if (penalty != 1.0f && penalised[i] != 0.0f) l = l > 0.0f ? l / penalty : l * penalty;
        s->candidates[n++] = (einf__candidate){ l, (int32_t)i };
    }
    return n;
}

static einf__candidate best_of(const einf__candidate *c, uint32_t n)
{
    einf__candidate best = c[0];
    for (uint32_t i = 1; i < n; i++)
        if (better(c[i], best)) best = c[i];
    return best;
}

/* Sum of exp(logit - max) over the candidates that top-k leaves: all of them, or the k best. */
static double partition_sum(const einf__candidate *c, uint32_t n, float max)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += exp((double)c[i].logit - (double)max);
    return sum;
}

/* Order candidates, best first from the end of the array, until the filters are satisfied. Returns how many passed;
 * they lie at [n - kept, n), the best last. */
static uint32_t filter(einf__sampler *s, uint32_t n)
{
    const einf_sampling *c = &s->config;
    const uint32_t k = c->top_k && c->top_k < n ? c->top_k : n;
    einf__candidate *heap = s->candidates;
    for (uint32_t i = n / 2; i-- > 0;) sift_down(heap, n, i);
    const float max = heap[0].logit;
    if (c->top_p >= 1.0f && c->min_p <= 0.0f && k == n) return n; /* order does not matter: nothing is cut */

    double sum = k == n ? partition_sum(heap, n, max) : 0;
    if (k < n) {
        for (uint32_t i = 0; i < k; i++) pop_best(heap, n - i);
        sum = partition_sum(heap + (n - k), k, max);
    }
    double seen = 0;
    for (uint32_t kept = 0; kept < k; kept++) {
        const einf__candidate best = k < n ? heap[n - 1 - kept] : pop_best(heap, n - kept);
        const double p = exp((double)best.logit - (double)max); /* relative to the best, whose p is 1 */
        if (kept > 0 && (seen >= (double)c->top_p * sum || p < (double)c->min_p)) return kept;
        seen += p;
    }
    return k;
}

/* Draw from the n candidates with their logits divided by the temperature. */
static int32_t draw(einf__sampler *s, const einf__candidate *c, uint32_t n)
{
    const float max = best_of(c, n).logit;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double p = exp(((double)c[i].logit - (double)max) / (double)s->config.temperature);
        s->probabilities[i] = (float)p;
        sum += (double)s->probabilities[i];
    }
    double target = next_random(s->random) * sum;
    for (uint32_t i = 0; i < n; i++) {
        target -= (double)s->probabilities[i];
        if (target < 0) return c[i].id;
    }
    return best_of(c, n).id; /* rounding left nothing: the likeliest */
}

einf_status einf__sampler_choose(einf__sampler *s, const float *logits, uint32_t n_vocab, const int32_t *recent,
                                 uint32_t n_recent, int32_t *out, einf_error *err)
{
    const uint32_t n = gather(s, logits, n_vocab, recent, n_recent);
    if (n == 0)
        return einf__fail(err, EINF_E_INTERNAL, EINF_NO_OFFSET, "logits",
                          "check the file's weights with check_tensors (edgeinfer validate --tensors)",
                          "none of the %u logits is a number above -infinity", n_vocab);
    const einf__candidate best = best_of(s->candidates, n);
    if (s->config.temperature <= 0.0f || isinf(best.logit)) { /* greedy; with an infinite logit nothing else is left */
        *out = best.id;
        return EINF_OK;
    }
    const uint32_t kept = filter(s, n);
    *out = draw(s, s->candidates + (n - kept), kept);
    return EINF_OK;
}
