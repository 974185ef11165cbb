/* SPDX-License-Identifier: MIT
 * knee.c - cost against size: constant, line, hinge or step, and where the knee is.
 *
 * All four depend on sums over levels (different x) alone, so a fit takes one pass over prefix sums. For a given k the
 * rest is linear. Hinge: in each gap the best k is where the line of what is left meets the mean of what is right, and
 * when that is outside of the gap one of its ends (Hudson, JASA 61(316), 1966): exact, where a search would come close.
 * Step: k is the middle of a gap, all of which fits equally well. The knee's test is a parametric bootstrap whose draws
 * choose their models anew, since k means nothing when there is none (Davies' problem; Muggeo 2003).
 *
 * Within this file x is in [0, 1] and y in [-1, 1].
 */
#include "profiler/run/profiler.h"
#include "profiler/stats/statistics.h"

#include <stdlib.h>
#include <string.h>

enum { N_MODELS = 4, PROFILE_STEPS = 16 };
static const int32_t n_parameters[N_MODELS] = { 1, 2, 3, 4 };
static const double bic_margin = 6, significant_p = 0.05;

typedef struct sums {
    double w, x, xx, y, xy, yy;
} sums;

/* y = base + slope x up to k, level above; a hinge meets itself at k. */
typedef struct model_fit {
    double sse, k, base, slope, level;
} model_fit;

typedef struct points {
    int32_t n, n_levels;
    double *y;          /* n, by rising x */
    int32_t *level_of;  /* n */
    double *levels;     /* n_levels different x */
    sums *before;       /* n_levels + 1: sums over the levels before this one */
    int32_t *counts;    /* n, of a resample */
    double x_least, x_span, y_mean, y_span;
} points;

/* ------------------------------------------------------------------------------------------------- sums -- */

static sums sums_minus(sums a, sums b)
{
    return (sums){ a.w - b.w, a.x - b.x, a.xx - b.xx, a.y - b.y, a.xy - b.xy, a.yy - b.yy };
}

/* Prefix sums of y with counts (NULL: each once). */
static void accumulate(const points *p, const double *y, const int32_t *counts)
{
    int32_t i = 0;
    sums s = { 0 };
    for (int32_t level = 0; level < p->n_levels; level++) {
        const double x = p->levels[level];
        p->before[level] = s;
        for (; i < p->n && p->level_of[i] == level; i++) {
            const double w = counts ? counts[i] : 1;
            s.w += w;
            s.x += w * x;
            s.xx += w * x * x;
            s.y += w * y[i];
            s.xy += w * x * y[i];
            s.yy += w * y[i] * y[i];
        }
    }
    p->before[p->n_levels] = s;
}

static double sse_about_mean(sums s)
{
    return s.w > 0 ? fmax(s.yy - s.y * s.y / s.w, 0) : 0;
}

/* The line through what s sums; false: fewer than two different x. */
static bool line_through(sums s, model_fit *out)
{
    const double spread = s.w * s.xx - s.x * s.x, joint = s.w * s.xy - s.x * s.y;
    if (!(spread > 1e-12 * s.w * s.w)) return false;
    out->slope = joint / spread;
    out->base = (s.y - out->slope * s.x) / s.w;
    out->sse = fmax(sse_about_mean(s) - joint * joint / (s.w * spread), 0);
    return true;
}

/* ----------------------------------------------------------------------------------------------- models -- */

/* Hinge at k: y = c - m max(0, k - x), n_left levels lie below k. */
static model_fit hinge_at(const points *p, double k, int32_t n_left)
{
    const sums all = p->before[p->n_levels], left = p->before[n_left];
    const double d = k * left.w - left.x, dd = k * k * left.w - 2 * k * left.x + left.xx, dy = k * left.y - left.xy;
    const double spread = all.w * dd - d * d, joint = all.w * dy - d * all.y;
    model_fit f = { .sse = HUGE_VAL, .k = k };
    if (!(spread > 1e-12 * all.w * all.w)) return f;
    f.slope = -joint / spread;
    f.level = (all.y + f.slope * d) / all.w;
    f.base = f.level - f.slope * k;
    f.sse = fmax(sse_about_mean(all) - joint * joint / (all.w * spread), 0);
    return f;
}

/* The best k between the second level and the last but one: with fewer on a side it is a line, or anything. */
static model_fit best_hinge(const points *p)
{
    model_fit best = { .sse = HUGE_VAL, .k = EPROF_ABSENT };
    for (int32_t j = 1; j + 1 < p->n_levels; j++) {
        model_fit f = hinge_at(p, p->levels[j], j), left;
        if (f.sse < best.sse) best = f;
        const sums right = sums_minus(p->before[p->n_levels], p->before[j]);
        if (j < 2 || !(right.w > 0) || !line_through(p->before[j], &left) || left.slope == 0) continue;
        const double k = (right.y / right.w - left.base) / left.slope;
        if (!(k > p->levels[j - 1] && k < p->levels[j])) continue;
        f = hinge_at(p, k, j);
        if (f.sse < best.sse) best = f;
    }
    return best;
}

/* Step in the gap below level j. */
static model_fit step_at(const points *p, int32_t j)
{
    const sums right = sums_minus(p->before[p->n_levels], p->before[j]);
    model_fit f = { .sse = HUGE_VAL };
    if (!(right.w > 0) || !line_through(p->before[j], &f)) return (model_fit){ .sse = HUGE_VAL, .k = EPROF_ABSENT };
    f.k = 0.5 * (p->levels[j - 1] + p->levels[j]);
    f.level = right.y / right.w;
    f.sse += sse_about_mean(right);
    return f;
}

/* Of gaps that fit equally, since a resample left out the level between them, the one nearest to `near`. */
static model_fit best_step(const points *p, double near)
{
    model_fit best = { .sse = HUGE_VAL, .k = EPROF_ABSENT };
    for (int32_t j = 2; j < p->n_levels; j++) {
        const model_fit f = step_at(p, j);
        if (f.sse < best.sse || (f.sse == best.sse && fabs(f.k - near) < fabs(best.k - near))) best = f;
    }
    return best;
}

static double floor_of(const points *p)
{
    return 1e-20 * p->n; /* rounding: y is in [-1, 1] */
}

static void fit_models(const points *p, model_fit fits[N_MODELS], double bic[N_MODELS])
{
    const sums all = p->before[p->n_levels];
    fits[EPROF_KNEE_CONSTANT] = (model_fit){ .sse = sse_about_mean(all), .base = all.y / all.w };
    fits[EPROF_KNEE_LINE] = fits[EPROF_KNEE_CONSTANT];
    (void)line_through(all, &fits[EPROF_KNEE_LINE]);
    fits[EPROF_KNEE_HINGE] = best_hinge(p);
    fits[EPROF_KNEE_STEP] = best_step(p, 0);
    for (int m = 0; m < N_MODELS; m++)
        bic[m] = p->n * log((fits[m].sse + floor_of(p)) / p->n) + n_parameters[m] * log(p->n);
}

static int without_knee(const double bic[N_MODELS])
{
    return bic[EPROF_KNEE_LINE] < bic[EPROF_KNEE_CONSTANT] ? EPROF_KNEE_LINE : EPROF_KNEE_CONSTANT;
}

static int with_knee(const double bic[N_MODELS])
{
    return bic[EPROF_KNEE_STEP] < bic[EPROF_KNEE_HINGE] ? EPROF_KNEE_STEP : EPROF_KNEE_HINGE;
}

/* F of the better model with a knee against the better one without. */
static double knee_f(const points *p, const model_fit fits[N_MODELS], const double bic[N_MODELS])
{
    const int simple = without_knee(bic), knee = with_knee(bic), n_left = p->n - n_parameters[knee];
    const double rest = fits[knee].sse + floor_of(p), gain = fits[simple].sse + floor_of(p) - rest;
    return gain / (n_parameters[knee] - n_parameters[simple]) / (rest / n_left);
}

/* Share of draws from the model without a knee whose F is as large; leaves p->before to be made again. */
static double bootstrap_p(const points *p, const model_fit *null, int n_null, double f, eprof__random *random,
                          double *drawn)
{
    const double sigma = sqrt(null->sse / (p->n - n_null));
    int32_t n_above = 0;
    for (int32_t i = 0; i < EPROF__N_RESAMPLES - 1; i++) {
        for (int32_t k = 0; k < p->n; k++)
            drawn[k] = null->base + null->slope * p->levels[p->level_of[k]] + sigma * eprof__random_normal(random);
        accumulate(p, drawn, NULL);
        model_fit fits[N_MODELS];
        double bic[N_MODELS];
        fit_models(p, fits, bic);
        n_above += knee_f(p, fits, bic) >= f;
    }
    return (1.0 + n_above) / EPROF__N_RESAMPLES;
}

/* The lowest BIC among the models that are below every simpler one by the margin; a knee must pass its test too. */
static int choose(const double bic[N_MODELS], double p_value)
{
    int chosen = EPROF_KNEE_CONSTANT;
    double simpler = bic[EPROF_KNEE_CONSTANT];
    for (int m = EPROF_KNEE_LINE; m < N_MODELS; m++) {
        const bool is_proven = m < EPROF_KNEE_HINGE || p_value <= significant_p;
        if (is_proven && bic[m] <= simpler - bic_margin && bic[m] < bic[chosen]) chosen = m;
        simpler = fmin(simpler, bic[m]);
    }
    return chosen;
}

/* ------------------------------------------------------------------------------------------- intervals -- */

static double hinge_sse(const points *p, double k)
{
    int32_t n_left = 0;
    while (n_left < p->n_levels && p->levels[n_left] < k) n_left++;
    return hinge_at(p, k, n_left).sse;
}

/* Between a k within the limit and one beyond it. */
static double profile_edge(const points *p, double inside, double outside, double limit)
{
    for (int i = 0; i < 30; i++) {
        const double middle = 0.5 * (inside + outside);
        if (hinge_sse(p, middle) <= limit)
            inside = middle;
        else
            outside = middle;
    }
    return 0.5 * (inside + outside);
}

/* The hull of all k whose sum of squares is within the limit. */
static eprof_interval hinge_profile(const points *p, const model_fit *best, double limit)
{
    eprof_interval all = { best->k, best->k, best->k };
    double previous = p->levels[1];
    bool was_inside = hinge_sse(p, previous) <= limit;
    if (was_inside) all.low = previous;
    for (int32_t j = 1; j + 2 < p->n_levels; j++) {
        for (int i = 1; i <= PROFILE_STEPS; i++) {
            const double k = p->levels[j] + (p->levels[j + 1] - p->levels[j]) * i / PROFILE_STEPS;
            const bool is_inside = hinge_sse(p, k) <= limit;
            if (is_inside && !was_inside) all.low = fmin(all.low, profile_edge(p, k, previous, limit));
            if (is_inside) all.high = fmax(all.high, k);
            if (!is_inside && was_inside) all.high = fmax(all.high, profile_edge(p, previous, k, limit));
            previous = k;
            was_inside = is_inside;
        }
    }
    return all;
}

static eprof_interval step_profile(const points *p, const model_fit *best, double limit)
{
    eprof_interval all = { best->k, best->k, best->k };
    for (int32_t j = 2; j < p->n_levels; j++) {
        if (step_at(p, j).sse > limit) continue;
        all.low = fmin(all.low, p->levels[j - 1]);
        all.high = fmax(all.high, p->levels[j]);
    }
    return all;
}

enum { K, PLATEAU, BELOW, RATIO, N_NUMBERS };

/* What is reported of a fit; x_below: the largest measured size below the knee. In the caller's units. */
static void numbers_of(const points *p, const model_fit *f, double x_below, double out[N_NUMBERS])
{
    const double plateau = p->y_mean + p->y_span * f->level;
    const double at_below = f->k <= x_below ? f->level : f->base + f->slope * x_below;
    const double below = p->y_mean + p->y_span * at_below;
    out[K] = p->x_least + p->x_span * f->k;
    out[PLATEAU] = plateau;
    out[BELOW] = below;
    out[RATIO] = plateau / below;
}

/* Percentiles of the numbers over resamples of the points; without ends when most draws determined no knee. */
static void case_intervals(const points *p, int model, const model_fit *best, double x_below, eprof__random *random,
                           double *drawn, eprof_interval out[N_NUMBERS])
{
    double values[N_NUMBERS];
    int32_t n_made = 0;
    numbers_of(p, best, x_below, values);
    for (int32_t i = 0; i < 2 * EPROF__N_RESAMPLES && n_made < EPROF__N_RESAMPLES; i++) {
        double numbers[N_NUMBERS];
        eprof__random_counts(random, p->counts, p->n);
        accumulate(p, p->y, p->counts);
        const model_fit f = model == EPROF_KNEE_HINGE ? best_hinge(p) : best_step(p, best->k);
        if (isnan(f.k)) continue;
        numbers_of(p, &f, x_below, numbers);
        for (int j = 0; j < N_NUMBERS; j++) drawn[j * EPROF__N_RESAMPLES + n_made] = numbers[j];
        n_made++;
    }
    for (int j = 0; j < N_NUMBERS; j++) {
        double *of = drawn + (ptrdiff_t)j * EPROF__N_RESAMPLES;
        eprof__sort(of, n_made);
        out[j] = (eprof_interval){ values[j], EPROF_ABSENT, EPROF_ABSENT };
        if (n_made < EPROF__N_RESAMPLES) continue;
        out[j].low = eprof__quantile(of, n_made, 0.025);
        out[j].high = eprof__quantile(of, n_made, 0.975);
    }
}

static double quadratic_form(double c[][EPROF__MAX_COLUMNS], const double *g, const double *h)
{
    double sum = 0;
    for (int i = 0; i < EPROF__MAX_COLUMNS; i++)
        for (int j = 0; j < EPROF__MAX_COLUMNS; j++) sum += g[i] * c[i][j] * h[j];
    return sum;
}

/* The model's columns at its k. Hinge: 1, max(0, k - x), and what k moves (Muggeo); step: 1 and x to the left, 1 to the
 * right. The gradients of plateau and below in their coefficients. */
static void linearise(const points *p, int model, const model_fit *f, double x_below, double *columns[],
                      double plateau[], double below[])
{
    for (int32_t i = 0; i < p->n; i++) {
        const double x = p->levels[p->level_of[i]], is_left = x < f->k;
        columns[0][i] = model == EPROF_KNEE_HINGE ? 1 : is_left;
        columns[1][i] = model == EPROF_KNEE_HINGE ? is_left * (f->k - x) : is_left * x;
        columns[2][i] = model == EPROF_KNEE_HINGE ? is_left : 1 - is_left;
    }
    plateau[0] = below[0] = 1;
    plateau[1] = plateau[2] = below[2] = 0;
    below[1] = x_below;
    if (model == EPROF_KNEE_HINGE)
        below[1] = f->k - x_below, below[2] = 1;
    else
        plateau[0] = 0, plateau[2] = 1;
}

/* What both span; fmin and fmax pass over absent ends. */
static eprof_interval hull(eprof_interval a, eprof_interval b)
{
    return (eprof_interval){ a.value, fmin(a.low, b.low), fmax(a.high, b.high) };
}

/* Intervals of plateau, below and ratio by the linearised model and equal errors: drawn ones are too narrow where few
 * points stand on a side. scratch: 7 n. */
static void widen(const points *p, int model, const model_fit *f, double x_below, double *scratch,
                  eprof_interval out[N_NUMBERS])
{
    double *columns[] = { scratch, scratch + p->n, scratch + 2 * (size_t)p->n };
    double g[EPROF__MAX_COLUMNS], h[EPROF__MAX_COLUMNS];
    linearise(p, model, f, x_below, columns, g, h);
    const eprof__design d = { .columns = { columns[0], columns[1], columns[2] }, .y = p->y, .n_columns = 3, .n = p->n };
    eprof__fit fit;
    if (!eprof__least_squares(&d, scratch + 3 * (size_t)p->n, &fit)) return;
    const int32_t n_left = p->n - n_parameters[model];
    const double t = p->y_span * eprof__t_two_sided(0.95, n_left) * sqrt(f->sse / n_left);
    const double pp = quadratic_form(fit.unscaled, g, g), bb = quadratic_form(fit.unscaled, h, h);
    const double pb = quadratic_form(fit.unscaled, g, h), ratio = out[RATIO].value;
    const double of_ratio = sqrt(fmax(pp + ratio * ratio * bb - 2 * ratio * pb, 0)) / fabs(out[BELOW].value);
    const double half[N_NUMBERS] = { [PLATEAU] = t * sqrt(pp), [BELOW] = t * sqrt(bb), [RATIO] = t * of_ratio };
    for (int j = PLATEAU; j < N_NUMBERS; j++) {
        const double value = out[j].value;
        out[j] = hull(out[j], (eprof_interval){ value, value - half[j], value + half[j] });
    }
}

/* Slope of a line through the points above k. */
static eprof_interval slope_above(const points *p, double k, double *scratch)
{
    const eprof_interval absent = { EPROF_ABSENT, EPROF_ABSENT, EPROF_ABSENT };
    double *ones = scratch, *x = scratch + p->n, *rest = scratch + 2 * (size_t)p->n; /* rest: 3 n */
    int32_t first = 0;
    while (first < p->n && p->levels[p->level_of[first]] < k) first++;
    const int32_t n = p->n - first;
    for (int32_t i = 0; i < n; i++) {
        ones[i] = 1;
        x[i] = p->levels[p->level_of[first + i]];
    }
    const eprof__design d = { .columns = { ones, x }, .y = p->y + first, .n_columns = 2, .n = n };
    eprof__fit fit;
    if (n < 3 || !eprof__least_squares(&d, rest, &fit)) return absent;
    const double unit = p->y_span / p->x_span, half = eprof__t_two_sided(0.95, n - 2) * sqrt(fit.cov[1][1]);
    return (eprof_interval){ unit * fit.beta[1], unit * (fit.beta[1] - half), unit * (fit.beta[1] + half) };
}

static void describe_knee(const points *p, int model, const model_fit *f, eprof__random *random, double *drawn,
                          eprof_knee *out)
{
    int32_t last_below = 0;
    while (last_below + 1 < p->n_levels && p->levels[last_below + 1] < f->k) last_below++;
    const int n_left = p->n - n_parameters[model];
    const double limit = (f->sse + floor_of(p)) * (1 + eprof__f_quantile(0.05, 1, n_left) / n_left);
    eprof_interval profile = model == EPROF_KNEE_HINGE ? hinge_profile(p, f, limit) : step_profile(p, f, limit);
    profile = (eprof_interval){ p->x_least + p->x_span * profile.value, p->x_least + p->x_span * profile.low,
                                p->x_least + p->x_span * profile.high };
    const double x_below = p->levels[last_below];
    eprof_interval numbers[N_NUMBERS];
    case_intervals(p, model, f, x_below, random, drawn, numbers);
    widen(p, model, f, x_below, drawn, numbers);
    out->k = hull(profile, numbers[K]);
    out->plateau = numbers[PLATEAU];
    out->below = numbers[BELOW];
    out->ratio = numbers[RATIO];
    out->slope_above = slope_above(p, f->k, drawn);
    const int32_t last = p->n_levels - (model == EPROF_KNEE_HINGE ? 2 : 1);
    out->is_identified = out->k.low > p->x_least + p->x_span * p->levels[1] &&
                         out->k.high < p->x_least + p->x_span * p->levels[last];
}

/* ------------------------------------------------------------------------------------------------ points -- */

typedef struct point {
    double x, y;
} point;

static int compare_points(const void *a, const void *b)
{
    const point *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y); /* the order of the caller's points changes nothing */
}

static void points_free(points *p)
{
    free(p->y);
    free(p->level_of);
    free(p->levels);
    free(p->before);
    free(p->counts);
}

static void points_fill(points *p, const point *sorted)
{
    const int32_t n = p->n;
    double mean = 0, span = 0;
    for (int32_t i = 0; i < n; i++) mean += sorted[i].y / n;
    for (int32_t i = 0; i < n; i++) span = fmax(span, fabs(sorted[i].y - mean));
    p->x_least = sorted[0].x;
    p->x_span = sorted[n - 1].x > sorted[0].x ? sorted[n - 1].x - sorted[0].x : 1;
    p->y_mean = mean;
    p->y_span = span > 1e-14 * fabs(mean) ? span : 1;
    for (int32_t i = 0; i < n; i++) {
        if (i == 0 || sorted[i].x != sorted[i - 1].x) p->levels[p->n_levels++] = (sorted[i].x - p->x_least) / p->x_span;
        p->level_of[i] = p->n_levels - 1;
        p->y[i] = (sorted[i].y - mean) / p->y_span;
    }
}

static bool points_make(points *p, const double *x, const double *y, int32_t n)
{
    const size_t size = (size_t)n;
    *p = (points){ .n = n, .y = calloc(size, sizeof *p->y), .level_of = calloc(size, sizeof *p->level_of),
                   .levels = calloc(size, sizeof *p->levels), .before = calloc(size + 1, sizeof *p->before),
                   .counts = calloc(size, sizeof *p->counts) };
    point *sorted = calloc(size, sizeof *sorted);
    const bool is_made = p->y && p->level_of && p->levels && p->before && p->counts && sorted;
    if (is_made) {
        for (int32_t i = 0; i < n; i++) sorted[i] = (point){ x[i], y[i] };
        qsort(sorted, size, sizeof *sorted, compare_points);
        points_fill(p, sorted);
    } else {
        points_free(p);
    }
    free(sorted);
    return is_made;
}

/* ------------------------------------------------------------------------------------------------- knee -- */

/* drawn: N_NUMBERS * EPROF__N_RESAMPLES + 7 n. */
static void fit_knee(const points *p, uint64_t seed, double *drawn, eprof_knee *out)
{
    const eprof_interval absent = { EPROF_ABSENT, EPROF_ABSENT, EPROF_ABSENT };
    model_fit fits[N_MODELS];
    double bic[N_MODELS];
    eprof__random random;
    eprof__random_seed(&random, seed);
    accumulate(p, p->y, NULL);
    fit_models(p, fits, bic);
    const int simple = without_knee(bic);
    out->p_value = bootstrap_p(p, &fits[simple], n_parameters[simple], knee_f(p, fits, bic), &random, drawn);
    out->model = choose(bic, out->p_value);
    for (int m = 0; m < N_MODELS; m++) out->bic[m] = bic[m] + 2 * p->n * log(p->y_span);
    out->k = out->plateau = out->below = out->ratio = out->slope_above = absent;
    accumulate(p, p->y, NULL);
    if (out->model >= EPROF_KNEE_HINGE) describe_knee(p, out->model, &fits[out->model], &random, drawn, out);
}

eprof_status eprof_fit_knee(const double *x, const double *y, int32_t n, uint64_t seed, eprof_knee *out,
                            eprof_error *err)
{
    eprof_status s = eprof__check_out("eprof_knee", out, sizeof *out, err);
    if (!s) s = eprof__check_count(n, 6, EPROF__MAX_POINTS, err);
    if (!s) s = eprof__check_values("x", x, n, err);
    if (!s) s = eprof__check_values("y", y, n, err);
    if (s) return s;
    points p;
    if (!points_make(&p, x, y, n)) return eprof__no_memory("eprof_fit_knee", err);
    eprof_knee knee = { .struct_size = out->struct_size, .n = n };
    double *drawn = calloc((size_t)N_NUMBERS * EPROF__N_RESAMPLES + 7 * (size_t)n, sizeof *drawn);
    if (!drawn) {
        s = eprof__no_memory("eprof_fit_knee", err);
    } else if (p.n_levels < 4) {
        s = eprof__fail(err, EPROF_E_ARG, "x", "measure more sizes: four on each side of the knee",
                        "x has %d different values, a knee needs 4", p.n_levels);
    } else {
        fit_knee(&p, seed, drawn, &knee);
        *out = knee;
    }
    free(drawn);
    points_free(&p);
    return s;
}
