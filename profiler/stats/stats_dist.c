/* SPDX-License-Identifier: MIT
 * stats_dist.c - the normal distribution and F, their tails and quantiles; t is the root of F.
 *
 * Normal quantile: algorithm AS 241 (PPND16), Wichura, Appl. Stat. 37(3), 1988: 16 digits. Incomplete beta function:
 * the continued fraction of DLMF 8.17.22 by Lentz's method. Log-gamma: Stirling's series, DLMF 5.11.1; not the C
 * library's, which writes a global sign.
 */
#include "profiler/stats/statistics.h"

#include <float.h>

double eprof__normal_cdf(double z)
{
    return 0.5 * erfc(-z * 0.70710678118654752440);
}

/* c[0] + c[1] r + ... + c[7] r^7 */
static double polynomial(const double c[8], double r)
{
    double sum = c[7];
    for (int i = 6; i >= 0; i--) sum = sum * r + c[i];
    return sum;
}

double eprof__normal_quantile(double p)
{
    static const double a[8] = { 3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
        1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4,
        2.5090809287301226727e+3 };
    static const double b[8] = { 1, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
        2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3 };
    static const double c[8] = { 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
        3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2,
        7.74545014278341407640e-4 };
    static const double d[8] = { 1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9 };
    static const double e[8] = { 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5,
        2.01033439929228813265e-7 };
    static const double f[8] = { 1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
        7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15 };
    const double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * polynomial(a, r) / polynomial(b, r);
    }
    const double r = sqrt(-log(q < 0 ? p : 1 - p));
    const double z = r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                            : polynomial(e, r - 5) / polynomial(f, r - 5);
    return q < 0 ? -z : z;
}

static double log_gamma(double x)
{
    double product = 1;
    for (; x < 15; x++) product *= x;
    const double y = 1 / (x * x);
    const double series = (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y / 1188)))) / x;
    return (x - 0.5) * log(x) - x + 0.91893853320467274178 + series - log(product); /* log(2 pi) / 2 */
}

/* I_x(a, b) where the fraction converges fast: x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x)) / a;
    double f = 1, c = 1, d = 0;
    for (int i = 0; i <= 10000; i++) {
        const double m = i / 2;
        const double numerator = i == 0 ? 1 : i % 2 == 0 ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                                                         : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + numerator * d;
        d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
        c = 1 + numerator / c;
        c = fabs(c) < 1e-300 ? 1e-300 : c;
        f *= c * d;
        if (fabs(1 - c * d) < 2 * DBL_EPSILON) break;
    }
    return front * (f - 1);
}

static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    return x < (a + 1) / (a + b + 2) ? beta_fraction(a, b, x) : 1 - beta_fraction(b, a, 1 - x);
}

double eprof__f_tail(double f, double d1, double d2)
{
    if (!(f > 0)) return 1;
    if (isinf(f)) return 0;
    return incomplete_beta(0.5 * d2, 0.5 * d1, d2 / (d2 + d1 * f));
}

double eprof__f_quantile(double tail, double d1, double d2)
{
    double low = 0, high = 1;
    while (eprof__f_tail(high, d1, d2) > tail && high < 1e300) high *= 4;
    for (int i = 0; i < 200 && high - low > 4 * DBL_EPSILON * high; i++) {
        const double middle = 0.5 * (low + high);
        if (eprof__f_tail(middle, d1, d2) > tail)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

double eprof__t_two_sided(double confidence, double d)
{
    return sqrt(eprof__f_quantile(1 - confidence, 1, d));
}
