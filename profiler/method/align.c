/* SPDX-License-Identifier: MIT
 * align.c - the lag between a meter's clock and ours, by correlation, and the begin of a known pattern of load.
 *
 * Both signals are brought to a grid of 20 ms by interpolation. For each lag the correlation is Pearson's over what
 * overlaps, at least half. Long records are cut into pieces of 5 minutes, at most 16, spread evenly: each gives a lag,
 * and a weighted line through the good ones the clock's rate. The bootstrap draws blocks of time within a piece: a lag
 * hangs on a few edges, and blocks hold them together.
 *
 * Of the C library's mathematics only sqrt is used: a replay gives the same bits everywhere.
 */
#include "profiler/method/align.h"

#include <inttypes.h>
#include <stdlib.h>

#include "profiler/run/profiler.h"
#include "profiler/stats/statistics.h"

static const double grid_s = 0.02, most_range_s = 600, most_whole_s = 900, piece_s = 300, block_s = 4, near_s = 1;
static const double good_quality = 1.5, least_peak = 0.3;
enum { LEAST_SAMPLES = 8, MOST_PIECES = 16, N_DRAWS = 200, CHIPS = 13, CHIPS_AT_WORK = 9, CHIP_STEPS = 25 };

/* ------------------------------------------------------------------------------------------- arguments -- */

static eprof_status check_sample(const char *what, const eprof__signal *s, int64_t i, eprof_error *err)
{
    const char *wrong = NULL;
    if (!(fabs(s->t_s[i]) <= 1e15)) wrong = "a time that is not finite";
    if (!(fabs(s->value[i]) <= 1e100)) wrong = "a value that is not finite";
    if (i > 0 && s->t_s[i] <= s->t_s[i - 1]) wrong = "a time that is not above the one before";
    if (!wrong) return EPROF_OK;
    return eprof__fail(err, EPROF_E_ARG, what, "sort by time and leave out what was not measured",
                       "sample %" PRId64 " of %" PRId64 " has %s", i, s->n, wrong);
}

/* Something can be correlated: enough samples, rising finite times, and values that differ. */
static eprof_status check_signal(const char *what, const eprof__signal *s, eprof_error *err)
{
    if (!s || s->n < 0 || (s->n > 0 && (!s->t_s || !s->value)))
        return eprof__fail(err, EPROF_E_ARG, what, "pass times and values", "%s has no samples to look at", what);
    if (s->n < LEAST_SAMPLES)
        return eprof__fail(err, EPROF_E_UNSUPPORTED, what, "record longer, or integrate over guard bands instead",
                           "%" PRId64 " samples, at least %d are needed", s->n, LEAST_SAMPLES);
    double least = s->value[0], most = s->value[0];
    for (int64_t i = 0; i < s->n; i++) {
        const eprof_status status = check_sample(what, s, i, err);
        if (status) return status;
        least = fmin(least, s->value[i]);
        most = fmax(most, s->value[i]);
    }
    if (most - least > 1e-9 * fmax(fabs(least), fabs(most))) return EPROF_OK;
    return eprof__fail(err, EPROF_E_UNSUPPORTED, what, "let work and pauses alternate, or send the preamble",
                       "all %" PRId64 " values are the same: nothing to align by", s->n);
}

/* ------------------------------------------------------------------------------------------------- grid -- */

/* out[i]: the signal at t0 + i * step, n of them, in order of time within the signal's span. */
static void interpolate(const eprof__signal *s, double t0, double step, int64_t n, double *out)
{
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const double t = t0 + (double)i * step;
        while (at + 2 < s->n && s->t_s[at + 1] <= t) at++;
        double share = (t - s->t_s[at]) / (s->t_s[at + 1] - s->t_s[at]);
        share = fmin(fmax(share, 0), 1);
        out[i] = s->value[at] + share * (s->value[at + 1] - s->value[at]);
    }
}

static double sum_of(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

/* To mean 0 and deviation 1, so that prefix sums of squares lose nothing. false: constant. */
static bool standardise(double *x, int64_t n)
{
    const double mean = sum_of(x, n) / (double)n;
    double most = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] -= mean;
        most = fmax(most, fabs(x[i]));
    }
    if (!(most > 1e-9 * fabs(mean))) return false;
    for (int64_t i = 0; i < n; i++) {
        x[i] /= most;
        squares += x[i] * x[i];
    }
    const double deviation = sqrt(squares / (double)n);
    for (int64_t i = 0; i < n; i++) x[i] /= deviation;
    return true;
}

/* A piece of our time and the meter around it, on one grid: ours[i] meets meters[i + n_lags - lag]. */
typedef struct piece {
    double *ours, *meters;          /* n; n + 2 n_lags, of which [first, end) are within the meter's span */
    double *sum, *square_sum;       /* of meters, prefix */
    double *ours_sum, *ours_square; /* of ours, prefix */
    double *r;                      /* 2 n_lags + 1 correlations */
    int64_t n, n_lags, first, end;
    double t0;                      /* of ours[0] */
} piece;

static void piece_free(piece *p)
{
    free(p->ours);
    free(p->r);
}

static void prefix_sums(const double *x, int64_t n, double *sum, double *squares)
{
    sum[0] = squares[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        sum[i + 1] = sum[i] + x[i];
        squares[i + 1] = squares[i] + x[i] * x[i];
    }
}

static bool piece_allocate(piece *p)
{
    const size_t n = (size_t)p->n, m = (size_t)(p->n + 2 * p->n_lags);
    p->ours = calloc(3 * (n + 1 + m + 1), sizeof(double));
    p->r = calloc(2 * (size_t)p->n_lags + 1, sizeof(double));
    if (!p->ours || !p->r) return false;
    p->ours_sum = p->ours + n + 1;
    p->ours_square = p->ours_sum + n + 1;
    p->meters = p->ours_square + n + 1;
    p->sum = p->meters + m + 1;
    p->square_sum = p->sum + m + 1;
    return true;
}

/* Our time [t0, t1] against the meter. false without memory; a piece in which either is constant has end = first. */
static bool piece_make(piece *p, const eprof__signal *ours, const eprof__signal *meters, double t0, double t1,
                       double range_s)
{
    *p = (piece){ .n = (int64_t)((t1 - t0) / grid_s) + 1, .n_lags = (int64_t)(range_s / grid_s), .t0 = t0 };
    if (!piece_allocate(p)) return false;
    const int64_t m = p->n + 2 * p->n_lags;
    const double m0 = t0 - (double)p->n_lags * grid_s;
    const double first = (meters->t_s[0] - m0) / grid_s, end = (meters->t_s[meters->n - 1] - m0) / grid_s;
    if (!(first < (double)m) || !(end > 0)) return true;
    p->first = first > 0 ? (int64_t)first + 1 : 0;
    p->end = end < (double)(m - 1) ? (int64_t)end + 1 : m;
    interpolate(ours, t0, grid_s, p->n, p->ours);
    if (p->end > p->first)
        interpolate(meters, m0 + (double)p->first * grid_s, grid_s, p->end - p->first, p->meters + p->first);
    if (p->end <= p->first || !standardise(p->ours, p->n) || !standardise(p->meters + p->first, p->end - p->first)) {
        p->end = p->first;
        return true;
    }
    prefix_sums(p->ours, p->n, p->ours_sum, p->ours_square);
    prefix_sums(p->meters, m, p->sum, p->square_sum);
    return true;
}

/* ------------------------------------------------------------------------------------------ correlation -- */

/* Sums over pairs of values: what Pearson's correlation is made of. */
typedef struct pair_sums {
    double n, a, b, aa, bb, ab;
} pair_sums;

static double pearson(pair_sums s)
{
    const double va = s.aa - s.a * s.a / s.n, vb = s.bb - s.b * s.b / s.n;
    return s.n > 0 && va > 1e-9 * s.n && vb > 1e-9 * s.n ? (s.ab - s.a * s.b / s.n) / sqrt(va * vb) : 0;
}

/* Four sums side by side: one would wait for its own last addition. */
static double sum_of_products(const double *a, const double *b, int64_t n)
{
    double sum[4] = { 0 };
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) sum[k] += a[i + k] * b[i + k];
    for (; i < n; i++) sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Pairs with ours in [from, to) at a lag. */
static pair_sums sums_at(const piece *p, int64_t lag, int64_t from, int64_t to)
{
    const int64_t shift = p->n_lags - lag;
    if (from < p->first - shift) from = p->first - shift;
    if (to > p->end - shift) to = p->end - shift;
    if (from >= to) return (pair_sums){ 0 };
    pair_sums s = { .n = (double)(to - from), .a = p->ours_sum[to] - p->ours_sum[from],
                    .b = p->sum[to + shift] - p->sum[from + shift],
                    .aa = p->ours_square[to] - p->ours_square[from],
                    .bb = p->square_sum[to + shift] - p->square_sum[from + shift] };
    s.ab = sum_of_products(p->ours + from, p->meters + from + shift, to - from);
    return s;
}

/* By how much the top lies beside the middle of three, in steps. */
static double parabola(double before, double at, double after)
{
    const double bend = before - 2 * at + after;
    const double shift = bend < 0 ? 0.5 * (before - after) / bend : 0;
    return fmin(fmax(shift, -0.5), 0.5);
}

/* Peak over the highest side lobe. The main lobe reaches down to half of the peak, and on to where it stops falling. */
static double lobe_quality(const double *r, int64_t n, int64_t peak)
{
    int64_t low = peak, high = peak;
    while (low > 0 && (r[low] > 0.5 * r[peak] || r[low - 1] < r[low])) low--;
    while (high + 1 < n && (r[high] > 0.5 * r[peak] || r[high + 1] < r[high])) high++;
    double lobe = 0.1 * r[peak]; /* without any, ten is as good as it gets */
    for (int64_t i = 0; i < n; i++)
        if (i < low || i > high) lobe = fmax(lobe, r[i]);
    return r[peak] / lobe;
}

typedef struct lag_found {
    double t_s;             /* the middle of the piece, ours */
    double beta_s, sigma_s, quality;
    bool is_good, is_there; /* is_there: both signals say something here */
} lag_found;

/* Sums of one block at each lag near the peak. */
typedef struct block_sums {
    pair_sums *of;          /* n_blocks * n_near */
    int64_t n_blocks, n_near, first_lag;
} block_sums;

/* The lag of one draw of blocks, in steps of the grid. at: n_near correlations. */
static double drawn_lag(const block_sums *b, const int32_t *counts, double *at)
{
    int64_t best = 0;
    for (int64_t k = 0; k < b->n_near; k++) {
        pair_sums sum = { 0 };
        for (int64_t i = 0; i < b->n_blocks; i++) {
            if (counts[i] == 0) continue;
            const pair_sums *s = &b->of[i * b->n_near + k];
            const double c = counts[i];
            sum.n += c * s->n, sum.a += c * s->a, sum.b += c * s->b;
            sum.aa += c * s->aa, sum.bb += c * s->bb, sum.ab += c * s->ab;
        }
        at[k] = sum.n > 0 ? pearson(sum) : 0;
        if (at[k] > at[best]) best = k;
    }
    const double shift = best > 0 && best + 1 < b->n_near ? parabola(at[best - 1], at[best], at[best + 1]) : 0;
    return (double)(b->first_lag + best) + shift;
}

/* Standard deviation of the lag over draws of blocks, in seconds; -1 without memory. */
static double bootstrap_lag(const piece *p, int64_t peak, eprof__random *random)
{
    const int64_t near = (int64_t)(near_s / grid_s), n_blocks_full = (int64_t)((double)p->n * grid_s / block_s);
    const int64_t n_blocks = n_blocks_full < LEAST_SAMPLES ? LEAST_SAMPLES : n_blocks_full;
    block_sums b = { .n_blocks = n_blocks, .first_lag = peak - near > -p->n_lags ? peak - near : -p->n_lags };
    const int64_t last_lag = peak + near < p->n_lags ? peak + near : p->n_lags;
    b.n_near = last_lag - b.first_lag + 1;
    b.of = calloc((size_t)(n_blocks * b.n_near), sizeof *b.of);
    int32_t *counts = calloc((size_t)n_blocks, sizeof *counts);
    double *at = calloc((size_t)b.n_near, sizeof *at), deviation = -1;
    if (b.of && counts && at) {
        for (int64_t i = 0; i < n_blocks; i++)
            for (int64_t k = 0; k < b.n_near; k++)
                b.of[i * b.n_near + k] = sums_at(p, b.first_lag + k, p->n * i / n_blocks, p->n * (i + 1) / n_blocks);
        double mean = 0, squares = 0;
        for (int i = 0; i < N_DRAWS; i++) {
            eprof__random_counts(random, counts, (int32_t)n_blocks);
            const double lag = drawn_lag(&b, counts, at) - (double)peak;
            mean += lag / N_DRAWS;
            squares += lag * lag / N_DRAWS;
        }
        deviation = grid_s * sqrt(fmax(squares - mean * mean, 0));
    }
    free(b.of);
    free(counts);
    free(at);
    return deviation;
}

static double mean_step(const eprof__signal *s)
{
    return (s->t_s[s->n - 1] - s->t_s[0]) / (double)(s->n - 1);
}

/* Variance of a lag that no draw shows, in s^2. Edges of work may lie alike between two samples of the meter; and two
 * grids that beat slowly pull the peak to where most of their samples meet: at 5 Hz beside 5 Hz it shows. */
static double unseen_variance(const eprof__signal *ours, const eprof__signal *meters, double length_s)
{
    const double coarse = mean_step(meters), fine = fmin(coarse, mean_step(ours));
    return coarse * coarse / (12 * fmax(length_s / block_s, LEAST_SAMPLES)) + fine * fine / (12 * LEAST_SAMPLES);
}

/* The best lag of a piece. false: no memory. */
static bool find_lag(piece *p, double unseen_s2, eprof__random *random, lag_found *out)
{
    *out = (lag_found){ .t_s = p->t0 + 0.5 * (double)p->n * grid_s };
    const double least_overlap = 0.5 * (double)(p->n < p->end - p->first ? p->n : p->end - p->first);
    if (p->end - p->first < LEAST_SAMPLES) return true;
    const int64_t n = 2 * p->n_lags + 1;
    int64_t peak = 0;
    for (int64_t i = 0; i < n; i++) {
        const pair_sums s = sums_at(p, i - p->n_lags, 0, p->n);
        p->r[i] = s.n >= least_overlap && s.n > 0 ? pearson(s) : 0;
        if (p->r[i] > p->r[peak]) peak = i;
    }
    if (!(p->r[peak] > 0)) return true;
    const bool is_inside = peak > 0 && peak + 1 < n;
    const double shift = is_inside ? parabola(p->r[peak - 1], p->r[peak], p->r[peak + 1]) : 0;
    const double drawn = bootstrap_lag(p, peak - p->n_lags, random);
    if (drawn < 0) return false;
    out->sigma_s = sqrt(drawn * drawn + unseen_s2 + grid_s * grid_s / 12);
    out->beta_s = ((double)(peak - p->n_lags) + shift) * grid_s;
    out->quality = lobe_quality(p->r, n, peak);
    out->is_good = out->quality > good_quality && p->r[peak] > least_peak && is_inside;
    out->is_there = true;
    return true;
}

/* --------------------------------------------------------------------------------------------- alignment -- */

/* One anchor: the best. */
static void from_best(const lag_found *found, int n, eprof__alignment *out)
{
    const lag_found *best = &found[0];
    for (int i = 1; i < n; i++)
        if (found[i].is_there && (!best->is_there || found[i].quality > best->quality)) best = &found[i];
    *out = (eprof__alignment){ .alpha = 1, .beta_s = best->beta_s, .sigma_beta_s = best->sigma_s,
                               .quality = best->quality, .is_good = best->is_good };
}

/* Several good anchors: a weighted line of the lag over the meter's time. sigma: at the ends of the record, where the
 * rate counts most. */
static void from_line(const lag_found *found, int n, eprof__alignment *out)
{
    double w = 0, t = 0, b = 0, tt = 0, tb = 0, quality = 0, spread = 0, reach = 0;
    int n_good = 0;
    for (int i = 0; i < n; i++) {
        if (!found[i].is_good) continue;
        const double weight = 1 / (found[i].sigma_s * found[i].sigma_s);
        w += weight, t += weight * (found[i].t_s - found[i].beta_s), b += weight * found[i].beta_s;
        quality += found[i].quality;
        n_good++;
    }
    t /= w, b /= w;
    for (int i = 0; i < n; i++) {
        const double from_mean = found[i].t_s - found[i].beta_s - t;
        if (found[i].is_there) reach = fmax(reach, fabs(from_mean));
        if (!found[i].is_good) continue;
        const double weight = 1 / (found[i].sigma_s * found[i].sigma_s);
        tt += weight * from_mean * from_mean, tb += weight * from_mean * (found[i].beta_s - b);
    }
    const double slope = tb / tt;
    for (int i = 0; i < n; i++) {
        const double rest = found[i].beta_s - b - slope * (found[i].t_s - found[i].beta_s - t);
        if (found[i].is_good) spread += rest * rest / (found[i].sigma_s * found[i].sigma_s);
    }
    const double excess = n_good > 2 ? fmax(spread / (n_good - 2), 1) : 1; /* lags further apart than they claim */
    *out = (eprof__alignment){ .alpha = 1 + slope, .beta_s = b - slope * t, .quality = quality / n_good,
                               .is_good = true,
                               .sigma_beta_s = sqrt(excess * (1 / w + reach * reach / tt)) };
}

static eprof_status nothing_in_common(eprof_error *err)
{
    return eprof__fail(err, EPROF_E_UNSUPPORTED, "align", "record both at the same time, or widen the range",
                       "the meter's record and ours have nothing in common within the range");
}

static eprof_status align_pieces(const eprof__signal *ours, const eprof__signal *meters, double t0, double t1,
                                 double range_s, uint64_t seed, eprof__alignment *out, eprof_error *err)
{
    const double whole_s = t1 - t0;
    int n = whole_s <= most_whole_s ? 1 : (int)fmin(whole_s / piece_s, MOST_PIECES);
    const double length = n == 1 ? whole_s : piece_s;
    lag_found found[MOST_PIECES];
    int n_good = 0, n_there = 0;
    eprof__random random;
    eprof__random_seed(&random, seed);
    for (int i = 0; i < n; i++) {
        const double from = n == 1 ? t0 : t0 + (whole_s - length) * i / (n - 1);
        piece p;
        const bool is_made = piece_make(&p, ours, meters, from, from + length, range_s) &&
                             find_lag(&p, unseen_variance(ours, meters, length), &random, &found[i]);
        piece_free(&p);
        if (!is_made) return eprof__no_memory("align", err);
        n_good += found[i].is_good;
        n_there += found[i].is_there;
    }
    if (n_there == 0) return nothing_in_common(err);
    if (n_good >= 2)
        from_line(found, n, out);
    else
        from_best(found, n, out);
    return EPROF_OK;
}

eprof_status eprof__align(const eprof__signal *ours, const eprof__signal *meters, double range_s, uint64_t seed,
                          eprof__alignment *out, eprof_error *err)
{
    eprof_status s = check_signal("ours", ours, err);
    if (!s) s = check_signal("meter", meters, err);
    if (s) return s;
    if (!(range_s >= 2 * grid_s && range_s <= most_range_s))
        return eprof__fail(err, EPROF_E_ARG, "range_s", "10 s does for clocks that were set",
                           "range_s is %s, expected 0.04 to 600",
                           range_s > most_range_s ? "above 600" : "below 0.04 or not a number");
    /* Our time that the meter may have seen. */
    const double t0 = fmax(ours->t_s[0], meters->t_s[0] - range_s);
    const double t1 = fmin(ours->t_s[ours->n - 1], meters->t_s[meters->n - 1] + range_s);
    if (!(t1 - t0 >= LEAST_SAMPLES * grid_s)) return nothing_in_common(err);
    return align_pieces(ours, meters, t0, t1, range_s, seed, out, err);
}

/* ---------------------------------------------------------------------------------------------- preamble -- */

int eprof__preamble_chip(int i)
{
    static const char barker[CHIPS + 1] = "1111100110101";
    return i >= 0 && i < CHIPS && barker[i] == '1';
}

/* Pearson's correlation of the pattern with the 13 chips that begin at i, by prefix sums. */
static double pattern_at(const double *sum, const double *squares, int64_t i)
{
    pair_sums s = { .n = CHIPS * CHIP_STEPS, .a = CHIPS_AT_WORK * CHIP_STEPS, .aa = CHIPS_AT_WORK * CHIP_STEPS,
                    .b = sum[i + CHIPS * CHIP_STEPS] - sum[i], .bb = squares[i + CHIPS * CHIP_STEPS] - squares[i] };
    for (int c = 0; c < CHIPS; c++)
        if (eprof__preamble_chip(c)) s.ab += sum[i + (c + 1) * CHIP_STEPS] - sum[i + c * CHIP_STEPS];
    return pearson(s);
}

static void find_pattern(const eprof__signal *meters, double step, int64_t n_begins, const double *r, double *t_s,
                         double *quality)
{
    int64_t peak = 0;
    for (int64_t i = 1; i < n_begins; i++)
        if (r[i] > r[peak]) peak = i;
    const bool is_inside = peak > 0 && peak + 1 < n_begins;
    const double shift = is_inside ? parabola(r[peak - 1], r[peak], r[peak + 1]) : 0;
    *t_s = meters->t_s[0] + ((double)peak + shift) * step;
    *quality = r[peak] > 0 ? lobe_quality(r, n_begins, peak) : 0;
}

eprof_status eprof__find_preamble(const eprof__signal *meters, double chip_s, double *t_s, double *quality,
                                  eprof_error *err)
{
    eprof_status s = check_signal("meter", meters, err);
    if (s) return s;
    if (!(chip_s >= 0.05 && chip_s <= 60))
        return eprof__fail(err, EPROF_E_ARG, "chip_s", "four readings of the meter, and at least 0.5 s",
                           "chip_s is %s, expected 0.05 to 60",
                           chip_s > 60 ? "above 60" : "below 0.05 or not a number");
    const double step = chip_s / CHIP_STEPS, span = meters->t_s[meters->n - 1] - meters->t_s[0];
    if (!(span / step < 1e8))
        return eprof__fail(err, EPROF_E_LIMIT, "meter", "pass the part where the pattern is looked for",
                           "the record is longer than 4 million chips");
    const int64_t n = (int64_t)(span / step) + 1, n_begins = n - CHIPS * CHIP_STEPS + 1;
    if (n_begins < 1)
        return eprof__fail(err, EPROF_E_UNSUPPORTED, "meter", "record longer",
                           "the record is shorter than the 13 chips");
    double *grid = calloc((size_t)n + 1, 4 * sizeof *grid);
    if (!grid) return eprof__no_memory("preamble", err);
    double *sum = grid + n + 1, *squares = sum + n + 1, *r = squares + n + 1;
    interpolate(meters, meters->t_s[0], step, n, grid);
    if (standardise(grid, n)) {
        prefix_sums(grid, n, sum, squares);
        for (int64_t i = 0; i < n_begins; i++) r[i] = pattern_at(sum, squares, i);
        find_pattern(meters, step, n_begins, r, t_s, quality);
    } else {
        s = eprof__fail(err, EPROF_E_UNSUPPORTED, "meter", "send the pattern with all cores", "the record is constant");
    }
    free(grid);
    return s;
}
