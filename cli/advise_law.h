/* SPDX-License-Identifier: MIT
 * advise_law.h - seconds as a function of multiply-adds, from a few measurements.
 *
 *   seconds = linear * a + attention * b + c,   none of a, b, c below 0
 *
 * Small calibrations hardly show attention, whose work grows with the square of the tokens; where they say nothing, a
 * multiply-add of attention is held to cost 1.5 +- 1 of a linear one, and the interval of a forecast says how much
 * rests on that.
 */
#ifndef CLI_ADVISE_LAW_H
#define CLI_ADVISE_LAW_H

enum { ADVISE_MAX_POINTS = 16, ADVISE_MAX_REPEATS = 15 };

/* One size, measured some times. */
typedef struct advise_point {
    double n_tokens, linear, attention;
    double repeats_s[ADVISE_MAX_REPEATS];
    int n_repeats;
    double seconds;           /* their median */
} advise_point;

typedef struct advise_law {
    advise_point points[ADVISE_MAX_POINTS];
    int n_points;
    double parameters[3];     /* a, b, c */
    double covariance[3][3];  /* of the parameters */
    double residual;          /* root mean square of (measured - law) / measured */
    double noise;             /* spread of a repeat about its median, relative: median over the points; 10 % is assumed
                                 where none has three repeats */
    double sigma;             /* what one run is off by, relative: the larger of the two, and 3 % at least */
} advise_law;

/* 95 %. */
typedef struct advise_interval {
    double value, low, high;
} advise_interval;

/** A repeat of a point; more than there is room for are not kept. */
void advise_point_add(advise_point *p, double seconds);
/** From the points, each with one repeat or more; at least one point. */
void advise_law_fit(advise_law *law);
advise_interval advise_law_at(const advise_law *law, double linear, double attention);

/** Of independent parts. */
advise_interval advise_sum(const advise_interval *parts, int n);
/** x * y, where y is known to +- u95. */
advise_interval advise_times(advise_interval x, double y, double u95);

#endif
