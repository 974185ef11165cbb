/* SPDX-License-Identifier: MIT
 * naive_vision.c - a vision transformer to be read, not to be run fast. arXiv 2010.11929, 2104.09864, 1607.06450,
 * 1606.08415, 2409.12191.
 */
#include "tests/support/naive_vision.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/naive_file.h"

/* A picture at work: patch (row, column) is number row * n_x + column. */
typedef struct picture {
    const vision_spec *s;
    const naive_file *file;
    uint32_t n_x, n_y;
    size_t n;  /* patches */
    double *x; /* [n, n_embd] */
} picture;

static void die(const char *what, const char *name)
{
    fprintf(stderr, "naive_vision: %s %s\n", what, name);
    exit(99);
}

static double *zeros(size_t n)
{
    double *p = calloc(n, sizeof *p);
    if (!p) die("out of memory", "");
    return p;
}

/* All elements of the tensor "v.blk.LAYER.NAME.SUFFIX", or "NAME.SUFFIX" with layer -1. */
static double *load(const picture *p, int layer, const char *name, const char *suffix)
{
    char full[96];
    if (layer < 0) snprintf(full, sizeof full, "%s.%s", name, suffix);
    else snprintf(full, sizeof full, "v.blk.%d.%s.%s", layer, name, suffix);
    const naive_tensor *t = naive_find(p->file, full);
    if (!t) die("no tensor", full);
    const uint64_t n = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    double *values = zeros((size_t)n);
    for (uint64_t i = 0; i < n; i++) values[i] = naive_element(t, i);
    return values;
}

/* y[j, o] = bias[first + o] + sum over i of W[first + o, i] x[j, i], for n columns. */
static double *linear(const picture *p, int layer, const char *name, size_t first, const double *x, size_t n,
                      size_t n_in, size_t n_out)
{
    double *w = load(p, layer, name, "weight"), *bias = load(p, layer, name, "bias"), *y = zeros(n * n_out);
    for (size_t j = 0; j < n; j++)
        for (size_t o = 0; o < n_out; o++) {
            y[j * n_out + o] = bias[first + o];
            for (size_t i = 0; i < n_in; i++) y[j * n_out + o] += w[(first + o) * n_in + i] * x[j * n_in + i];
        }
    free(w);
    free(bias);
    return y;
}

/* (x - mean) / sqrt(variance + eps) * weight + bias of each patch. */
static double *layer_norm(const picture *p, int layer, const char *name)
{
    const size_t d = p->s->n_embd;
    double *w = load(p, layer, name, "weight"), *bias = load(p, layer, name, "bias"), *y = zeros(p->n * d);
    for (size_t j = 0; j < p->n; j++) {
        const double *x = p->x + j * d;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < d; i++) mean += x[i] / (double)d;
        for (size_t i = 0; i < d; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)d;
        for (size_t i = 0; i < d; i++)
            y[j * d + i] = (x[i] - mean) / sqrt(variance + (double)p->s->eps) * w[i] + bias[i];
    }
    free(w);
    free(bias);
    return y;
}

static double gelu(double x) { return 0.5 * x * (1 + erf(x / sqrt(2))); }

static double activation(vision_act act, double x)
{
    if (act == VISION_GELU) return gelu(x);
    return x / (1 + exp(-(act == VISION_SILU ? 1.0 : 1.702) * x));
}

/* A still picture is repeated: both moments of the three-dimensional convolution see it. */
static void embed(picture *p, const uint8_t *rgb)
{
    const vision_spec *s = p->s;
    const size_t size = s->patch_size, elems = 3 * size * size;
    double *first = load(p, -1, "v.patch_embd", "weight"), *second = load(p, -1, "v.patch_embd", "weight.1");
    for (size_t j = 0; j < p->n; j++)
        for (size_t e = 0; e < elems; e++) {
            const size_t channel = e / (size * size);
            const size_t y = j / p->n_x * size + e / size % size, x = j % p->n_x * size + e % size;
            const double byte = rgb[(y * p->n_x * size + x) * 3 + channel];
            const double value = (byte / 255 - (double)s->mean[channel]) / (double)s->std[channel];
            for (size_t o = 0; o < s->n_embd; o++)
                p->x[j * s->n_embd + o] += (first[o * elems + e] + second[o * elems + e]) * value;
        }
    free(first);
    free(second);
}

/* The first half of the pairs turns by the row, the second by the column, each with the frequencies of a rotation in
 * half the dimensions. */
static void rotate(const picture *p, size_t j, double *head)
{
    const size_t dim = p->s->n_embd / p->s->n_head, n_pairs = dim / 2;
    for (size_t i = 0; i < n_pairs; i++) {
        const size_t place = i < n_pairs / 2 ? j / p->n_x : j % p->n_x, within = i % (n_pairs / 2);
        const double angle = (double)place * pow(10000, -2 * (double)within / (double)n_pairs);
        const double a = head[i], b = head[i + n_pairs];
        head[i] = a * cos(angle) - b * sin(angle);
        head[i + n_pairs] = a * sin(angle) + b * cos(angle);
    }
}

/* One head of patch j over all patches. */
static void attend(const picture *p, size_t j, size_t at, const double *q, const double *k, const double *v,
                   double *out)
{
    const size_t d = p->s->n_embd, dim = d / p->s->n_head;
    double *score = zeros(p->n), max = -1e300, sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        for (size_t e = 0; e < dim; e++) score[i] += q[j * d + at + e] * k[i * d + at + e];
        score[i] /= sqrt((double)dim);
        max = fmax(max, score[i]);
    }
    for (size_t i = 0; i < p->n; i++) sum += score[i] = exp(score[i] - max);
    for (size_t i = 0; i < p->n; i++)
        for (size_t e = 0; e < dim; e++) out[j * d + at + e] += score[i] / sum * v[i * d + at + e];
    free(score);
}

static void add(const picture *p, double *y)
{
    for (size_t i = 0; i < p->n * p->s->n_embd; i++) p->x[i] += y[i];
    free(y);
}

static void attention_block(const picture *p, int layer)
{
    const size_t d = p->s->n_embd, dim = d / p->s->n_head;
    const bool fused = p->s->fused_qkv;
    double *normed = layer_norm(p, layer, "ln1"), *attended = zeros(p->n * d);
    double *q = linear(p, layer, fused ? "attn_qkv" : "attn_q", 0, normed, p->n, d, d);
    double *k = linear(p, layer, fused ? "attn_qkv" : "attn_k", fused ? d : 0, normed, p->n, d, d);
    double *v = linear(p, layer, fused ? "attn_qkv" : "attn_v", fused ? 2 * d : 0, normed, p->n, d, d);
    for (size_t j = 0; j < p->n; j++)
        for (size_t at = 0; at < d; at += dim) {
            rotate(p, j, q + j * d + at);
            rotate(p, j, k + j * d + at);
        }
    for (size_t j = 0; j < p->n; j++)
        for (size_t at = 0; at < d; at += dim) attend(p, j, at, q, k, v, attended);
    add(p, linear(p, layer, "attn_out", 0, attended, p->n, d, d));
    free(normed);
    free(attended);
    free(q);
    free(k);
    free(v);
}

static void feed_forward_block(const picture *p, int layer)
{
    const size_t d = p->s->n_embd, n_ff = p->s->n_ff;
    const bool exchanged = p->s->first_converter;
    double *normed = layer_norm(p, layer, "ln2");
    double *hidden = linear(p, layer, exchanged ? "ffn_down" : "ffn_up", 0, normed, p->n, d, n_ff);
    for (size_t i = 0; i < p->n * n_ff; i++) hidden[i] = activation(p->s->act, hidden[i]);
    add(p, linear(p, layer, exchanged ? "ffn_up" : "ffn_down", 0, hidden, p->n, n_ff, d));
    free(normed);
    free(hidden);
}

/* Squares of neighbours, row by row, become one column each. */
static double *merge(const picture *p)
{
    const size_t d = p->s->n_embd, m = p->s->merge_size, groups_x = p->n_x / m, n = p->n / (m * m);
    const size_t n_merged = d * m * m;
    double *normed = layer_norm(p, -1, "v.post_ln"), *joined = zeros(n * n_merged);
    for (size_t g = 0; g < n; g++)
        for (size_t i = 0; i < m * m; i++) {
            const size_t y = g / groups_x * m + i / m, x = g % groups_x * m + i % m;
            memcpy(joined + g * n_merged + i * d, normed + (y * p->n_x + x) * d, d * sizeof *joined);
        }
    double *hidden = linear(p, -1, "mm.0", 0, joined, n, n_merged, n_merged);
    for (size_t i = 0; i < n * n_merged; i++) hidden[i] = gelu(hidden[i]);
    double *rows = linear(p, -1, "mm.2", 0, hidden, n, n_merged, p->s->row_width);
    free(normed);
    free(joined);
    free(hidden);
    return rows;
}

double *naive_vision_rows(const vision_spec *s, const uint8_t *file, const uint8_t *rgb, uint32_t n_x, uint32_t n_y)
{
    naive_file *f = naive_file_open(file);
    picture p = { .s = s, .file = f, .n_x = n_x, .n_y = n_y, .n = (size_t)n_x * n_y };
    p.x = zeros(p.n * s->n_embd);
    embed(&p, rgb);
    for (uint32_t i = 0; i < s->n_layer; i++) {
        attention_block(&p, (int)i);
        feed_forward_block(&p, (int)i);
    }
    double *rows = merge(&p);
    free(p.x);
    naive_file_close(&f);
    return rows;
}
