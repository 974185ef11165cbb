/* SPDX-License-Identifier: MIT
 * perplexity_score.h - what rows of logits say about the tokens that follow: log-likelihoods and their sums, and how
 * far the probabilities of two models lie apart.
 *
 * The definitions are those of llama-perplexity, so that numbers can be compared. Natural logarithms throughout.
 */
#ifndef CLI_PERPLEXITY_SCORE_H
#define CLI_PERPLEXITY_SCORE_H

#include <stdbool.h>
#include <stdint.h>

/* A row of logits as a distribution: log p(v) = logits[v] - log_sum. */
typedef struct cli_row_score {
    double log_sum;
    double nll;               /* -log p of the token that follows */
    uint32_t best;            /* the likeliest token, the first of several */
} cli_row_score;

/** False when the row holds NaN or infinity. */
bool cli_score_row(const float *logits, uint32_t n_vocab, int32_t next_id, cli_row_score *out);

/* Sums over the tokens scored so far. */
typedef struct cli_nll {
    uint64_t n;
    double sum, sum_of_squares;
} cli_nll;

void cli_nll_add(cli_nll *s, double nll);
double cli_nll_perplexity(const cli_nll *s);
/** Standard error of the mean of nll. NaN for fewer than two tokens. That of the perplexity is perplexity times this.
 *  Neighbouring tokens are taken as independent, as llama-perplexity does. */
double cli_nll_error(const cli_nll *s);

/* Two models on the same tokens. */
typedef struct cli_divergence {
    cli_nll base;             /* of the base model */
    double *kld;              /* [n_max] sum over v of p_base(v) * log(p_base(v) / p(v)), where p_base(v) > e^-16 */
    double *delta_p;          /* [n_max] p - p_base of the token that follows */
    uint64_t n, n_max, n_same_best;
    double sum_of_products;   /* of the two models' nll */
} cli_divergence;

bool cli_divergence_alloc(cli_divergence *d, uint64_t n_max);
void cli_divergence_free(cli_divergence *d);
/** Add a token; at most n_max of them. */
void cli_divergence_add(cli_divergence *d, const float *logits, const cli_row_score *score, const float *base_logits,
                        const cli_row_score *base_score, uint32_t n_vocab);

/* A quantity over all tokens. */
typedef struct cli_spread {
    double mean, mean_error, rms; /* mean_error: NaN for fewer than two tokens */
    double min, p1, p5, median, p90, p95, p99, p99_9, max;
} cli_spread;

/** Sorts values; n at least 1. */
cli_spread cli_spread_of(double *values, uint64_t n);
/** Error of log(perplexity / base perplexity), the tokens of both taken in pairs. */
double cli_divergence_log_ratio_error(const cli_divergence *d, const cli_nll *model);
/** Correlation of the two models' nll; NaN when one of them does not vary. */
double cli_divergence_correlation(const cli_divergence *d, const cli_nll *model);

#endif
