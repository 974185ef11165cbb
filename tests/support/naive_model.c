/* SPDX-License-Identifier: MIT
 * naive_model.c - a transformer to be read, not to be run fast. arXiv 1706.03762, 2104.09864, 2302.13971, 2407.10671,
 * 2408.00118, 2409.12191, 2402.13753, 2503.19786, 2505.09388.
 */
#include "tests/support/naive_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/naive_file.h"

struct naive_model {
    model_spec s;
    uint32_t n_ctx;
    naive_file *file;
};

static void die(const char *what, const char *name)
{
    fprintf(stderr, "naive_model: %s %s\n", what, name);
    exit(99);
}

static void *zeros(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p) die("out of memory", "");
    return p;
}

naive_model *naive_open(const model_spec *s, const uint8_t *file)
{
    naive_model *m = zeros(1, sizeof *m);
    m->s = *s;
    m->n_ctx = s->n_ctx_train;
    m->file = naive_file_open(file);
    return m;
}

void naive_close(naive_model **m)
{
    if (!*m) return;
    naive_file_close(&(*m)->file);
    free(*m);
    *m = NULL;
}

void naive_set_ctx(naive_model *m, uint32_t n_ctx) { m->n_ctx = n_ctx; }

/* --------------------------------------------------------------------------------------------------- tensors -- */

static const naive_tensor *find(const naive_model *m, int layer, const char *name)
{
    char full[96];
    if (layer < 0) snprintf(full, sizeof full, "%s", name);
    else snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    return naive_find(m->file, full);
}

static const naive_tensor *need(const naive_model *m, int layer, const char *name)
{
    const naive_tensor *t = find(m, layer, name);
    if (!t) die("no tensor", name);
    return t;
}

/* y[o] = sum over i of W[first + o, i] x[i] for n rows of a weight. */
static void multiply_rows(const naive_tensor *w, uint64_t first, uint64_t n, const double *x, double *y)
{
    for (uint64_t o = 0; o < n; o++) {
        y[o] = 0;
        for (uint64_t i = 0; i < w->dims[0]; i++) y[o] += naive_element(w, (first + o) * w->dims[0] + i) * x[i];
    }
}

/* All of a weight's rows, plus the bias of that name, if there is one. */
static void multiply(const naive_model *m, int layer, const char *name, const double *x, double *y)
{
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    const naive_tensor *w = need(m, layer, weight), *b = find(m, layer, bias);
    multiply_rows(w, 0, w->dims[1], x, y);
    for (uint64_t o = 0; b && o < w->dims[1]; o++) y[o] += naive_element(b, o);
}

static void rms_norm(const naive_model *m, int layer, const char *name, const double *x, uint32_t n, double *y)
{
    const naive_tensor *w = need(m, layer, name);
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i] * x[i];
    const double scale = 1 / sqrt(sum / n + (double)m->s.rms_norm_eps);
    for (uint32_t i = 0; i < n; i++) y[i] = x[i] * scale * naive_element(w, i);
}

/* ------------------------------------------------------------------------------------------------ rotation -- */

static bool is_gemma(const model_spec *s) { return s->family == MODEL_GEMMA2 || s->family == MODEL_GEMMA3; }

/* How many rows a row of a layer may see, itself included; 0: all. */
static uint32_t window_of(const model_spec *s, uint32_t layer)
{
    switch (s->family) {
    case MODEL_GEMMA2: return (layer + 1) % 2 != 0 ? s->window : 0;
    case MODEL_GEMMA3: return (layer + 1) % 6 != 0 ? s->window : 0;
    case MODEL_PHI3: return s->window;
    default: return 0;
    }
}

/* Which coordinate of a position pair p turns by: time, height, width in sections. */
static int coordinate(const model_spec *s, uint32_t p)
{
    if (s->family != MODEL_QWEN2VL) return 0;
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) {
        n += (uint32_t)s->sections[i];
        if (p < n) return i;
    }
    return 0;
}

static const naive_tensor *rope_factors(const naive_model *m)
{
    if (m->s.family != MODEL_PHI3) return find(m, -1, "rope_freqs.weight");
    return find(m, -1, m->n_ctx > m->s.original_ctx ? "rope_factors_long.weight" : "rope_factors_short.weight");
}

/* What phi3's cosines and sines are multiplied by: LongRoPE, arXiv 2402.13753. */
static double rope_magnitude(const model_spec *s)
{
    if (s->family != MODEL_PHI3) return 1;
    if (s->rope_attn_factor > 0) return (double)s->rope_attn_factor;
    if (s->original_ctx == 0 || s->original_ctx >= s->n_ctx_train) return 1;
    return sqrt(1 + log((double)s->n_ctx_train / s->original_ctx) / log(s->original_ctx));
}

static void rotate(const naive_model *m, uint32_t layer, const int32_t position[4], double *head)
{
    const model_spec *s = &m->s;
    if (s->family == MODEL_SMOLLM3 && (layer + 1) % 4 == 0) return;
    const naive_tensor *factors = rope_factors(m);
    const double magnitude = rope_magnitude(s);
    const bool local = s->family == MODEL_GEMMA3 && window_of(s, layer) > 0;
    const bool adjacent = s->family == MODEL_LLAMA || s->family == MODEL_SMOLLM3;
    const double base = local ? 10000.0 : (double)s->rope_freq_base;
    for (uint32_t p = 0; p < s->n_rot / 2; p++) {
        double frequency = pow(base, -2.0 * p / s->n_rot);
        if (s->rope_scale_factor > 0 && !local) frequency /= (double)s->rope_scale_factor;
        if (factors) frequency /= naive_element(factors, p);
        const double angle = position[coordinate(s, p)] * frequency;
        const uint32_t a = adjacent ? 2 * p : p;
        const uint32_t b = adjacent ? 2 * p + 1 : p + s->n_rot / 2;
        const double x = magnitude * head[a], y = magnitude * head[b];
        head[a] = x * cos(angle) - y * sin(angle);
        head[b] = x * sin(angle) + y * cos(angle);
    }
}

/* ------------------------------------------------------------------------------------------------- forward -- */

/* Rows of a layer's queries, keys and values. */
typedef struct projections { double *q, *k, *v; size_t q_width, k_width, v_width; } projections;

static void project(const naive_model *m, uint32_t layer, const naive_row *row, const double *x, size_t i,
                    projections *p)
{
    const model_spec *s = &m->s;
    const int l = (int)layer;
    const bool qk_norm = s->family == MODEL_GEMMA3 || s->family == MODEL_QWEN3;
    double *normed = zeros(s->n_embd, sizeof *normed);
    double *q = p->q + i * p->q_width, *k = p->k + i * p->k_width, *v = p->v + i * p->v_width;
    rms_norm(m, l, "attn_norm.weight", x, s->n_embd, normed);
    if (s->family == MODEL_PHI3) {
        const naive_tensor *qkv = need(m, l, "attn_qkv.weight");
        multiply_rows(qkv, 0, p->q_width, normed, q);
        multiply_rows(qkv, p->q_width, p->k_width, normed, k);
        multiply_rows(qkv, p->q_width + p->k_width, p->v_width, normed, v);
    } else {
        multiply(m, l, "attn_q", normed, q);
        multiply(m, l, "attn_k", normed, k);
        multiply(m, l, "attn_v", normed, v);
    }
    for (uint32_t h = 0; h < s->n_head[layer]; h++) {
        if (qk_norm) rms_norm(m, l, "attn_q_norm.weight", q + h * s->k_dim, s->k_dim, q + h * s->k_dim);
        rotate(m, layer, row->position, q + h * s->k_dim);
    }
    for (uint32_t h = 0; h < s->n_head_kv[layer]; h++) {
        if (qk_norm) rms_norm(m, l, "attn_k_norm.weight", k + h * s->k_dim, s->k_dim, k + h * s->k_dim);
        rotate(m, layer, row->position, k + h * s->k_dim);
    }
    free(normed);
}

static double capped(double x, double cap) { return cap > 0 ? cap * tanh(x / cap) : x; }

/* Head h of row i over the rows it may see. */
static void attend(const model_spec *s, uint32_t layer, const projections *p, size_t i, uint32_t h, double *out)
{
    const uint32_t kv = h / (s->n_head[layer] / s->n_head_kv[layer]);
    const double *q = p->q + i * p->q_width + h * s->k_dim;
    const uint32_t window = window_of(s, layer);
    const size_t first = window && i + 1 > window ? i + 1 - window : 0;
    double *score = zeros(i + 1, sizeof *score), max = -1e300, sum = 0;
    for (size_t j = first; j <= i; j++) {
        const double *k = p->k + j * p->k_width + kv * s->k_dim;
        for (uint32_t d = 0; d < s->k_dim; d++) score[j] += q[d] * k[d];
        score[j] = capped(score[j] / sqrt(s->k_dim), (double)s->attn_softcap);
        max = fmax(max, score[j]);
    }
    for (size_t j = first; j <= i; j++) sum += score[j] = exp(score[j] - max);
    memset(out, 0, s->v_dim * sizeof *out);
    for (size_t j = first; j <= i; j++)
        for (uint32_t d = 0; d < s->v_dim; d++)
            out[d] += score[j] / sum * p->v[j * p->v_width + kv * s->v_dim + d];
    free(score);
}

static void add_block(const naive_model *m, int layer, const char *matrix, const char *post_norm, const double *in,
                      double *x)
{
    double *y = zeros(m->s.n_embd, sizeof *y);
    multiply(m, layer, matrix, in, y);
    if (is_gemma(&m->s)) rms_norm(m, layer, post_norm, y, m->s.n_embd, y);
    for (uint32_t d = 0; d < m->s.n_embd; d++) x[d] += y[d];
    free(y);
}

static double activation(const model_spec *s, double x)
{
    if (!is_gemma(s)) return x / (1 + exp(-x));
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

static void feed_forward(const naive_model *m, uint32_t layer, double *x)
{
    const uint32_t n_ff = m->s.n_ff[layer];
    double *normed = zeros(m->s.n_embd, sizeof *normed), *gate = zeros(n_ff, sizeof *gate),
           *up = zeros(n_ff, sizeof *up);
    rms_norm(m, (int)layer, "ffn_norm.weight", x, m->s.n_embd, normed);
    if (m->s.family == MODEL_PHI3) {
        multiply_rows(need(m, (int)layer, "ffn_up.weight"), 0, n_ff, normed, gate);
        multiply_rows(need(m, (int)layer, "ffn_up.weight"), n_ff, n_ff, normed, up);
    } else {
        multiply(m, (int)layer, "ffn_gate", normed, gate);
        multiply(m, (int)layer, "ffn_up", normed, up);
    }
    for (uint32_t i = 0; i < n_ff; i++) gate[i] = activation(&m->s, gate[i]) * up[i];
    add_block(m, (int)layer, "ffn_down", "post_ffw_norm.weight", gate, x);
    free(normed);
    free(gate);
    free(up);
}

static void run_layer(const naive_model *m, uint32_t layer, const naive_row *rows, size_t n, double *x)
{
    const model_spec *s = &m->s;
    projections p = { .q_width = s->n_head[layer] * s->k_dim, .k_width = s->n_head_kv[layer] * s->k_dim,
                      .v_width = s->n_head_kv[layer] * s->v_dim };
    p.q = zeros(n * p.q_width, sizeof *p.q);
    p.k = zeros(n * p.k_width, sizeof *p.k);
    p.v = zeros(n * p.v_width, sizeof *p.v);
    double *attended = zeros(s->n_head[layer] * s->v_dim, sizeof *attended);
    for (size_t i = 0; i < n; i++) project(m, layer, &rows[i], x + i * s->n_embd, i, &p);
    for (size_t i = 0; i < n; i++) {
        for (uint32_t h = 0; h < s->n_head[layer]; h++) attend(s, layer, &p, i, h, attended + h * s->v_dim);
        add_block(m, (int)layer, "attn_output", "post_attention_norm.weight", attended, x + i * s->n_embd);
        feed_forward(m, layer, x + i * s->n_embd);
    }
    free(p.q);
    free(p.k);
    free(p.v);
    free(attended);
}

static double embedded(const naive_model *m, int32_t id, uint32_t d)
{
    const double scale = is_gemma(&m->s) ? sqrt(m->s.n_embd) : 1;
    return scale * naive_element(need(m, -1, "token_embd.weight"), (uint64_t)id * m->s.n_embd + d);
}

void naive_embedding(const naive_model *m, int32_t id, float *out)
{
    for (uint32_t d = 0; d < m->s.n_embd; d++) out[d] = (float)embedded(m, id, d);
}

double *naive_logits(const naive_model *m, const naive_row *rows, size_t n)
{
    const uint32_t n_embd = m->s.n_embd;
    double *x = zeros(n * n_embd, sizeof *x), *logits = zeros(n * m->s.n_vocab, sizeof *logits);
    double *normed = zeros(n_embd, sizeof *normed);
    for (size_t i = 0; i < n; i++)
        for (uint32_t d = 0; d < n_embd; d++)
            x[i * n_embd + d] = rows[i].id < 0 ? (double)rows[i].embedding[d] : embedded(m, rows[i].id, d);
    for (uint32_t layer = 0; layer < m->s.n_layer; layer++) run_layer(m, layer, rows, n, x);
    for (size_t i = 0; i < n; i++) {
        rms_norm(m, -1, "output_norm.weight", x + i * n_embd, n_embd, normed);
        multiply(m, -1, m->s.tied ? "token_embd" : "output", normed, logits + i * m->s.n_vocab);
    }
    for (size_t i = 0; i < n * m->s.n_vocab; i++) logits[i] = capped(logits[i], (double)m->s.final_softcap);
    free(x);
    free(normed);
    return logits;
}
