/* SPDX-License-Identifier: MIT
 * resize_weights.c - see the header. The filters: Keys' cubic with a = -0.5 (IEEE ASSP 29, 1981), the triangle, Lanczos
 * with three lobes, the box.
 */
#include "vision/resize_weights.h"

#include <assert.h>
#include <edgeinfer/vision.h>
#include <math.h>

#include "engine/kernels/kernels.h"

/* ------------------------------------------------------------------------------------------------- filters -- */

/* The order of operations is Pillow's: another one would differ in the last bit, and now and then in a weight. */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double sinc(double x)
{
    const double pi = 3.14159265358979323846;
    return x == 0.0 ? 1.0 : sin(x * pi) / (x * pi);
}

static double lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

/* A pixel that lies half in counts once, on the right. */
static double box(double x)
{
    return -0.5 < x && x <= 0.5 ? 1.0 : 0.0;
}

static double filter_at(int32_t filter, double x)
{
    switch (filter) {
    case EINF_FILTER_BILINEAR: return bilinear(x);
    case EINF_FILTER_LANCZOS: return lanczos(x);
    case EINF_FILTER_BOX: return box(x);
    default: return bicubic(x);
    }
}

static double support_of(int32_t filter)
{
    switch (filter) {
    case EINF_FILTER_BILINEAR: return 1.0;
    case EINF_FILTER_LANCZOS: return 3.0;
    case EINF_FILTER_BOX: return 0.5;
    default: return 2.0;
    }
}

/* ---------------------------------------------------------------------------------------------------- axis -- */

einf__resize_axis einf__resize_axis_of(int64_t n_in, int64_t n_out, int32_t filter)
{
    einf__resize_axis axis = {.n_in = n_in, .n_out = n_out, .filter = filter};
    axis.scale = (double)n_in / (double)n_out;
    axis.stretch = axis.scale < 1.0 ? 1.0 : axis.scale;
    axis.support = support_of(filter) * axis.stretch;
    const int64_t longest = 2 * (int64_t)ceil(axis.support) + 1;
    axis.stride = ((longest < n_in ? longest : n_in) + 3) / 4 * 4;
    return axis;
}

static double centre_of(const einf__resize_axis *axis, int64_t i_out)
{
    return ((double)i_out + 0.5) * axis->scale;
}

einf__resize_window einf__resize_window_of(const einf__resize_axis *axis, int64_t i_out)
{
    const double centre = centre_of(axis, i_out);
    const int64_t begin = (int64_t)(centre - axis->support + 0.5), end = (int64_t)(centre + axis->support + 0.5);
    const einf__resize_window window = {begin < 0 ? 0 : begin, end > axis->n_in ? axis->n_in : end};
    assert(window.begin < window.end && window.end - window.begin <= axis->stride);
    return window;
}

void einf__resize_weights(const einf__resize_axis *axis, int64_t i_out, double *scratch, int32_t *weights)
{
    const einf__resize_window window = einf__resize_window_of(axis, i_out);
    const double centre = centre_of(axis, i_out), per_input = 1.0 / axis->stretch;
    const int64_t count = window.end - window.begin;
    double sum = 0.0;
    for (int64_t t = 0; t < count; t++) {
        scratch[t] = filter_at(axis->filter, ((double)(t + window.begin) - centre + 0.5) * per_input);
        sum += scratch[t];
    }
    for (int64_t t = 0; t < count; t++) {
        const double share = sum != 0.0 ? scratch[t] / sum : scratch[t];
        const double fixed = share * (double)(1 << EINF__RESAMPLE_BITS); /* exact; |fixed| < 2^23 */
        weights[t] = (int32_t)(fixed < 0.0 ? fixed - 0.5 : fixed + 0.5);
    }
    for (int64_t t = count; t < axis->stride; t++) weights[t] = 0;
}
