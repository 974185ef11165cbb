/* SPDX-License-Identifier: MIT
 * perplexity_score.c - log-softmax, Kullback-Leibler divergence, errors and percentiles.
 *
 * Exponentials are single, sums double: an expf is right to 1 in 10^7, and a vocabulary has 262,144 of them in a row.
 */
#include "cli/perplexity_score.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_LOG_P (-16.0) /* below it a probability of the base model counts as none; llama-perplexity's */

bool cli_score_row(const float *logits, uint32_t n_vocab, int32_t next_id, cli_row_score *out)
{
    uint32_t best = 0;
    for (uint32_t v = 1; v < n_vocab; v++)
        if (logits[v] > logits[best]) best = v;
    const float max = logits[best];
    double sum = 0;
    for (uint32_t v = 0; v < n_vocab; v++) sum += (double)expf(logits[v] - max);
    out->log_sum = log(sum) + (double)max;
    out->nll = out->log_sum - (double)logits[next_id];
    out->best = best;
    return isfinite(out->log_sum) && isfinite(out->nll);
}

void cli_nll_add(cli_nll *s, double nll)
{
    s->n++;
    s->sum += nll;
    s->sum_of_squares += nll * nll;
}

static double mean(const cli_nll *s) { return s->sum / (double)s->n; }

double cli_nll_perplexity(const cli_nll *s) { return exp(mean(s)); }

/* Of rounding alone a variance can come out below 0. */
static double variance(const cli_nll *s) { return fmax(s->sum_of_squares / (double)s->n - mean(s) * mean(s), 0); }

double cli_nll_error(const cli_nll *s) { return s->n < 2 ? (double)NAN : sqrt(variance(s) / (double)(s->n - 1)); }

/* -------------------------------------------------------------------------------------------- two models -- */

bool cli_divergence_alloc(cli_divergence *d, uint64_t n_max)
{
    *d = (cli_divergence){ .n_max = n_max };
    if (n_max > SIZE_MAX / sizeof(double)) return false;
    d->kld = malloc((size_t)n_max * sizeof *d->kld);
    d->delta_p = malloc((size_t)n_max * sizeof *d->delta_p);
    return d->kld && d->delta_p;
}

void cli_divergence_free(cli_divergence *d)
{
    free(d->kld);
    free(d->delta_p);
    *d = (cli_divergence){ .n_max = 0 };
}

void cli_divergence_add(cli_divergence *d, const float *logits, const cli_row_score *score, const float *base_logits,
                        const cli_row_score *base_score, uint32_t n_vocab)
{
    double kld = 0;
    for (uint32_t v = 0; v < n_vocab; v++) {
        const double base_log_p = (double)base_logits[v] - base_score->log_sum;
        if (base_log_p <= LEAST_LOG_P) continue;
        const double log_p = (double)logits[v] - score->log_sum;
        kld += (double)expf((float)base_log_p) * (base_log_p - log_p);
    }
    d->kld[d->n] = kld;
    d->delta_p[d->n] = exp(-score->nll) - exp(-base_score->nll);
    d->n++;
    d->n_same_best += score->best == base_score->best;
    d->sum_of_products += score->nll * base_score->nll;
    cli_nll_add(&d->base, base_score->nll);
}

static double covariance(const cli_divergence *d, const cli_nll *model)
{
    return d->sum_of_products / (double)d->n - mean(model) * mean(&d->base);
}

double cli_divergence_log_ratio_error(const cli_divergence *d, const cli_nll *model)
{
    if (d->n < 2) return (double)NAN;
    const double of_difference = variance(model) + variance(&d->base) - 2 * covariance(d, model);
    return sqrt(fmax(of_difference, 0) / (double)(d->n - 1));
}

double cli_divergence_correlation(const cli_divergence *d, const cli_nll *model)
{
    return covariance(d, model) / sqrt(variance(model) * variance(&d->base));
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two nearest ranks, linearly. */
static double percentile(const double *sorted, uint64_t n, double share)
{
    const double at = share * (double)(n - 1);
    const uint64_t below = (uint64_t)at;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

cli_spread cli_spread_of(double *values, uint64_t n)
{
    cli_nll s = { 0 };
    for (uint64_t i = 0; i < n; i++) cli_nll_add(&s, values[i]);
    qsort(values, (size_t)n, sizeof *values, compare);
    return (cli_spread){
        .mean = mean(&s), .mean_error = cli_nll_error(&s), .rms = sqrt(s.sum_of_squares / (double)n),
        .min = values[0], .p1 = percentile(values, n, 0.01), .p5 = percentile(values, n, 0.05),
        .median = percentile(values, n, 0.5), .p90 = percentile(values, n, 0.9), .p95 = percentile(values, n, 0.95),
        .p99 = percentile(values, n, 0.99), .p99_9 = percentile(values, n, 0.999), .max = values[n - 1],
    };
}
