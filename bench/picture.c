/* SPDX-License-Identifier: MIT
 * picture.c - draws with rectangles and discs in coordinates of 0..1, and averages areas.
 */
#include "bench/picture.h"

#include <math.h>
#include <stdlib.h>

#include "bench/stats.h"

typedef struct colour {
    int r, g, b;
} colour;

static const colour paints[] = { { 205, 35, 40 }, { 40, 80, 205 }, { 40, 150, 60 }, { 235, 205, 40 },
                                 { 240, 240, 240 }, { 25, 25, 28 } };
enum { N_PAINTS = sizeof paints / sizeof paints[0], NOISE = 12 };

/* ----------------------------------------------------------------------------------------------- drawing -- */

static uint32_t pixel_of(double share, uint32_t n)
{
    const double x = floor(share * n + 0.5);
    return x < 0 ? 0 : x > n ? n : (uint32_t)x;
}

static void put(bench_picture *p, uint32_t x, uint32_t y, colour c)
{
    uint8_t *pixel = p->rgb + 3 * ((size_t)y * p->width + x);
    pixel[0] = (uint8_t)c.r, pixel[1] = (uint8_t)c.g, pixel[2] = (uint8_t)c.b;
}

static void box(bench_picture *p, double x0, double y0, double x1, double y1, colour c)
{
    const uint32_t to_x = pixel_of(x1, p->width), to_y = pixel_of(y1, p->height);
    for (uint32_t y = pixel_of(y0, p->height); y < to_y; y++)
        for (uint32_t x = pixel_of(x0, p->width); x < to_x; x++) put(p, x, y, c);
}

/* radius: of the picture's height. */
static void disc(bench_picture *p, double x0, double y0, double radius, colour c)
{
    const double wide = radius * p->height / p->width;
    const uint32_t to_x = pixel_of(x0 + wide, p->width), to_y = pixel_of(y0 + radius, p->height);
    for (uint32_t y = pixel_of(y0 - radius, p->height); y < to_y; y++) {
        for (uint32_t x = pixel_of(x0 - wide, p->width); x < to_x; x++) {
            const double dx = (x + 0.5) / p->width - x0, dy = (y + 0.5) / p->height - y0;
            if (dx * dx / (wide * wide) + dy * dy / (radius * radius) <= 1) put(p, x, y, c);
        }
    }
}

/* In from..to. */
static double between(uint64_t *seed, double from, double to)
{
    return from + (to - from) * (double)(bench_next_random(seed) >> 11) * 0x1p-53;
}

static void sky_and_houses(bench_picture *p, uint64_t *seed)
{
    for (int i = 0; i < 24; i++) box(p, 0, i / 48.0, 1, (i + 1) / 48.0, (colour){ 130 + 3 * i, 180 + 2 * i, 250 });
    for (int i = 0; i < 9; i++) {
        const double x = i / 9.0 + between(seed, -0.02, 0.02), top = between(seed, 0.1, 0.3);
        const int g = (int)between(seed, 70, 150);
        box(p, x, top, x + 0.1, 0.5, (colour){ g + 10, g, g - 10 });
        for (int w = 0; w < 12; w++)
            box(p, x + 0.012 + 0.03 * (w % 3), top + 0.02 + 0.05 * (w / 3), x + 0.028 + 0.03 * (w % 3),
                top + 0.05 + 0.05 * (w / 3), bench_next_random(seed) % 3 ? (colour){ 60, 70, 90 }
                                                                        : (colour){ 250, 230, 150 });
    }
    box(p, 0, 0.5, 1, 0.56, (colour){ 165, 160, 150 });
    box(p, 0, 0.56, 1, 1, (colour){ 72, 72, 76 });
    for (int i = 0; i < 12; i++) box(p, i / 12.0 + 0.02, 0.76, i / 12.0 + 0.06, 0.775, (colour){ 230, 230, 205 });
}

static void vehicle(bench_picture *p, uint64_t *seed, double x, double y)
{
    const double s = between(seed, 0.8, 1.2), tall = between(seed, 0.06, 0.13) * s, wide = 0.075 * s;
    const colour c = paints[bench_next_random(seed) % N_PAINTS];
    box(p, x - wide, y - tall, x + wide, y, c);
    box(p, x - 0.6 * wide, y - 1.5 * tall, x + 0.6 * wide, y - tall, c);
    box(p, x - 0.5 * wide, y - 1.4 * tall, x + 0.5 * wide, y - 1.02 * tall, (colour){ 170, 210, 235 });
    for (int side = -1; side <= 1; side += 2) {
        disc(p, x + side * 0.6 * wide, y, 0.03 * s, (colour){ 15, 15, 15 });
        disc(p, x + side * 0.6 * wide, y, 0.013 * s, (colour){ 150, 150, 150 });
    }
}

static void person(bench_picture *p, uint64_t *seed, double x)
{
    box(p, x - 0.011, 0.44, x + 0.011, 0.51, paints[bench_next_random(seed) % N_PAINTS]);
    box(p, x - 0.009, 0.51, x + 0.009, 0.555, (colour){ 40, 40, 70 });
    disc(p, x, 0.42, 0.02, (colour){ 225, 185, 150 });
}

static void lights(bench_picture *p, uint64_t *seed, double x)
{
    static const colour lamps[] = { { 255, 40, 40 }, { 255, 210, 30 }, { 40, 255, 80 } };
    const uint64_t lit = bench_next_random(seed) % 3;
    box(p, x - 0.004, 0.3, x + 0.004, 0.56, (colour){ 50, 50, 50 });
    box(p, x - 0.02, 0.16, x + 0.02, 0.33, (colour){ 20, 20, 20 });
    for (unsigned i = 0; i < 3; i++) {
        const colour c = lamps[i];
        disc(p, x, 0.19 + 0.053 * i, 0.022, i == lit ? c : (colour){ c.r / 6, c.g / 6, c.b / 6 });
    }
}

static void add_noise(bench_picture *p, uint64_t *seed)
{
    const size_t n_bytes = 3 * (size_t)p->width * p->height;
    for (size_t i = 0; i < n_bytes; i++) {
        const int v = p->rgb[i] + (int)(bench_next_random(seed) % (2 * NOISE + 1)) - NOISE;
        p->rgb[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

bool bench_picture_scene(bench_picture *out, uint32_t width, uint32_t height, uint64_t seed)
{
    *out = (bench_picture){ width, height, malloc(3 * (size_t)width * height) };
    if (!out->rgb) return false;
    sky_and_houses(out, &seed);
    for (int i = 0; i < 6; i++) person(out, &seed, between(&seed, 0.05, 0.95));
    for (int i = 0; i < 2; i++) lights(out, &seed, 0.3 + 0.45 * i);
    for (int i = 0; i < 4; i++) vehicle(out, &seed, 0.13 + 0.25 * i, between(&seed, 0.66, 0.7));
    for (int i = 0; i < 3; i++) vehicle(out, &seed, 0.2 + 0.3 * i, between(&seed, 0.88, 0.93));
    add_noise(out, &seed);
    return true;
}

/* --------------------------------------------------------------------------------------------- shrinking -- */

/* A line of n pixels, each `step` floats behind the one before, averaged to m pixels. */
static void average(const float *from, size_t step, uint32_t n, float *to, size_t to_step, uint32_t m)
{
    for (uint32_t i = 0; i < m; i++) {
        const double begin = (double)i * n / m, end = (i + 1.0) * n / m;
        double sum[3] = { 0 };
        for (uint32_t j = (uint32_t)begin; j < n && j < end; j++) {
            const double share = fmin(j + 1.0, end) - fmax(j, begin);
            for (int c = 0; c < 3; c++) sum[c] += share * (double)from[j * step + (size_t)c];
        }
        for (int c = 0; c < 3; c++) to[i * to_step + (size_t)c] = (float)(sum[c] / (end - begin));
    }
}

bool bench_picture_shrink(bench_picture *out, const uint8_t *rgb, uint32_t width, uint32_t height, uint32_t to_width,
                          uint32_t to_height)
{
    const size_t row = 3 * (size_t)to_width;
    float *line = malloc(3 * (size_t)width * sizeof *line), *column = malloc(3 * (size_t)to_height * sizeof *column);
    float *rows = malloc(row * height * sizeof *rows); /* [height, to_width, 3] */
    *out = (bench_picture){ to_width, to_height, malloc(row * to_height) };
    const bool ok = line && column && rows && out->rgb;
    for (uint32_t y = 0; ok && y < height; y++) {
        for (size_t i = 0; i < 3 * (size_t)width; i++) line[i] = rgb[3 * (size_t)width * y + i];
        average(line, 3, width, rows + row * y, 3, to_width);
    }
    for (uint32_t x = 0; ok && x < to_width; x++) {
        average(rows + 3 * (size_t)x, row, height, column, 3, to_height);
        for (size_t i = 0; i < 3 * (size_t)to_height; i++)
            out->rgb[row * (i / 3) + 3 * (size_t)x + i % 3] = (uint8_t)(column[i] + 0.5f);
    }
    free(line);
    free(column);
    free(rows);
    if (!ok) bench_picture_free(out);
    return ok;
}

void bench_picture_free(bench_picture *p)
{
    free(p->rgb);
    p->rgb = NULL;
}
