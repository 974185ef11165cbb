/* SPDX-License-Identifier: MIT
 * golden_support.c - see the header.
 */
#include "tests/golden/golden_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

golden golden_open(const char *path, int32_t n_threads)
{
    golden g = { .info = EINF_INIT(einf_model_info) };
    einf_error err = test_error();
    einf_runtime_config config = EINF_INIT(einf_runtime_config);
    config.n_threads = n_threads;
    const char *forbid = getenv("EINF_CPU_FORBID"); /* tests run the whole suite on plain C with it */
    if (forbid) config.cpu_forbid = strcmp(forbid, "all") == 0 ? ~0u : (uint32_t)strtoul(forbid, NULL, 0);
    assert_ok(einf_runtime_create(&config, &g.rt, &err), &err);
    assert_ok(einf_model_open(g.rt, path, NULL, &g.model, &err), &err);
    assert_ok(einf_model_get_info(g.model, &g.info, &err), &err);
    return g;
}

void golden_close(golden *g)
{
    einf_error err = test_error();
    assert_ok(einf_model_close(&g->model, &err), &err);
    assert_ok(einf_runtime_destroy(&g->rt, &err), &err);
}

char *golden_path(const char *name)
{
    char inside[256];
    (void)snprintf(inside, sizeof inside, "tests/golden/data/%s", name);
    if (access(inside, R_OK) == 0) return strdup(inside);
    (void)snprintf(inside, sizeof inside, "golden/%s", name);
    return test_data_path(inside);
}

float *golden_floats(const char *name, size_t n)
{
    char *path = golden_path(name);
    if (!path) return NULL;
    size_t n_bytes;
    uint8_t *bytes = test_read_file(path, &n_bytes);
    free(path);
    assert_non_null(bytes);
    assert_int_equal(n_bytes, n * sizeof(float));
    return (float *)(void *)bytes;
}

float *golden_logits(const golden *g, const einf_session_config *config, const int32_t *ids, uint32_t n,
                     const int32_t *rows, uint32_t n_rows)
{
    einf_error err = test_error();
    einf_session *s = NULL;
    assert_ok(einf_session_create(g->model, config, &s, &err), &err);
    float *logits = malloc((size_t)n_rows * g->info.n_vocab * sizeof *logits);
    assert_non_null(logits);
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = ids;
    batch.n = n;
    batch.logits = logits;
    batch.logit_rows = rows;
    batch.n_logit_rows = n_rows;
    assert_ok(einf_session_append(s, &batch, &err), &err);
    einf_session_destroy(&s, NULL);
    return logits;
}

double golden_relative_error(const float *a, const float *b, size_t n)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / norm);
}

void golden_log_softmax(const float *logits, size_t n, double *out)
{
    double max = -HUGE_VAL, sum = 0;
    for (size_t i = 0; i < n; i++) max = fmax(max, (double)logits[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)logits[i] - max);
    for (size_t i = 0; i < n; i++) out[i] = (double)logits[i] - max - log(sum);
}

double golden_kl(const float *a, const float *b, size_t n_rows, size_t n_vocab)
{
    double *la = malloc(2 * n_vocab * sizeof *la), *lb = la + n_vocab, sum = 0;
    assert_non_null(la);
    for (size_t r = 0; r < n_rows; r++) {
        golden_log_softmax(a + r * n_vocab, n_vocab, la);
        golden_log_softmax(b + r * n_vocab, n_vocab, lb);
        for (size_t i = 0; i < n_vocab; i++) sum += exp(lb[i]) * (lb[i] - la[i]);
    }
    free(la);
    return sum / (double)n_rows;
}
