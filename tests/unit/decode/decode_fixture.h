/* SPDX-License-Identifier: MIT
 * decode_fixture.h - a tiny model with a pool and timelines, put together as engine/api does it, for the tests of this
 * folder. The layers above decode are not linked here.
 */
#ifndef TESTS_DECODE_FIXTURE_H
#define TESTS_DECODE_FIXTURE_H

#include "tests/support/test_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cpu.h"
#include "engine/decode/session.h"
#include "tests/support/model_build.h"
#include "tests/support/naive_model.h"

typedef struct fixture {
    test_heap heap;
    einf__memory mem;
    model_spec spec;
    uint8_t *file;
    einf__source source;
    einf__gguf g;
    einf__kernels kernels;
    einf__config config;
    einf__weights weights;
    void *layers_block, *weights_block;
    uint64_t layers_bytes, weights_bytes;
    einf__pool *pool;
    naive_model *naive;
    einf_error err;
} fixture;

/* cpu: EINF_CPU_* that may be used, ~0u for all that the machine has. */
static inline void fixture_open(fixture *f, const model_spec *spec, int32_t n_threads, uint32_t cpu)
{
    size_t n_bytes;
    uint64_t n_unused;
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    einf__memory_init(&f->mem, &f->heap.allocator, 0);
    einf__kernels_init(&f->kernels, einf__cpu_features() & cpu, NULL);
    f->err = test_error();
    f->spec = *spec;
    f->file = model_file(spec, &n_bytes);
    f->naive = naive_open(spec, f->file);
    assert_ok(einf__source_open_memory(f->file, n_bytes, &f->source, &f->err), &f->err);
    assert_ok(einf__gguf_parse(&f->mem, &f->source, &f->g, &f->err), &f->err);

    einf__arena a = einf__arena_counting();
    assert_ok(einf__config_read(&f->g, &a, &f->config, &f->err), &f->err);
    f->layers_bytes = a.used_bytes;
    f->layers_block = einf__alloc(&f->mem, f->layers_bytes);
    a = einf__arena_over(f->layers_block, f->layers_bytes);
    assert_ok(einf__config_read(&f->g, &a, &f->config, &f->err), &f->err);
    a = einf__arena_counting();
    assert_ok(einf__weights_bind(&f->g, &f->config, &a, &f->kernels, &f->weights, &n_unused, &f->err), &f->err);
    f->weights_bytes = a.used_bytes;
    f->weights_block = einf__alloc(&f->mem, f->weights_bytes);
    a = einf__arena_over(f->weights_block, f->weights_bytes);
    assert_ok(einf__weights_bind(&f->g, &f->config, &a, &f->kernels, &f->weights, &n_unused, &f->err), &f->err);
    assert_ok(einf__pool_create(&f->mem, n_threads, &f->pool, &f->err), &f->err);
}

static inline void fixture_close(fixture *f)
{
    einf__pool_destroy(&f->pool);
    einf__free(&f->mem, f->weights_block, f->weights_bytes);
    einf__free(&f->mem, f->layers_block, f->layers_bytes);
    einf__gguf_deinit(&f->g);
    einf__source_close(&f->source);
    naive_close(&f->naive);
    free(f->file);
    assert_int_equal(f->heap.n_live, 0);
}

typedef struct timeline {
    einf__timeline t;
    fixture *f;
    void *block;
    uint64_t block_bytes;
} timeline;

/* config NULL: exact, whatever path, n_ctx as trained. */
static inline void timeline_open(timeline *t, fixture *f, const einf_session_config *config)
{
    einf_session_config exact = EINF_INIT(einf_session_config);
    exact.exact = 1;
    if (!config) config = &exact;
    einf__session_params p;
    einf__session_bytes bytes;
    memset(t, 0, sizeof *t);
    t->f = f;
    assert_ok(einf__session_params_resolve(config, &f->config, einf__pool_n_threads(f->pool), &p, &f->err), &f->err);
    einf__arena a = einf__arena_counting();
    einf__session_lay_out(&a, &f->kernels, &f->config, &p, &t->t, &bytes);
    assert_false(a.failed);
    t->block_bytes = a.used_bytes;
    t->block = einf__alloc(&f->mem, t->block_bytes);
    a = einf__arena_over(t->block, t->block_bytes);
    einf__session_lay_out(&a, &f->kernels, &f->config, &p, &t->t, &bytes);
    assert_false(a.failed);
    assert_int_equal(a.used_bytes, t->block_bytes);
    einf__session_init(&t->t, &f->config, &f->weights, &p, f->pool, config->cancel);
}

static inline void timeline_close(timeline *t) { einf__free(&t->f->mem, t->block, t->block_bytes); }

/* Append ids [0, n), all logits into out [n, n_vocab] (NULL: none). */
static inline void append_ids(timeline *t, const int32_t *ids, uint32_t n, float *out)
{
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = ids;
    b.n = n;
    b.logits = out;
    b.n_logit_rows = out ? n : 0;
    t->f->err = test_error();
    assert_ok(einf__session_append(&t->t, &b, &t->f->err), &t->f->err);
}

/* n ids in [0, n_vocab), the same for the same seed. malloc'd. */
static inline int32_t *random_ids(const fixture *f, uint32_t n, uint64_t seed)
{
    int32_t *ids = malloc(n * sizeof *ids);
    assert_non_null(ids);
    for (uint32_t i = 0; i < n; i++) ids[i] = (int32_t)(model_random(&seed) % f->spec.n_vocab);
    return ids;
}

/* Room for the logits of n rows. malloc'd. */
static inline float *logits_room(const fixture *f, uint32_t n)
{
    float *p = malloc((size_t)n * f->spec.n_vocab * sizeof *p);
    assert_non_null(p);
    return p;
}

/* |a - b| / |b| over n values; infinite when a is not finite. */
static inline double relative_error(const float *a, const double *b, size_t n)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += b[i] * b[i];
    }
    const double e = sqrt(difference / norm);
    return isnan(e) ? 1e300 : e;
}

static inline double relative_error_f32(const float *a, const float *b, size_t n)
{
    double *wide = malloc(n * sizeof *wide);
    assert_non_null(wide);
    for (size_t i = 0; i < n; i++) wide[i] = (double)b[i];
    const double e = relative_error(a, wide, n);
    free(wide);
    return e;
}

/* Logits of the naive model for plain ids, [n, n_vocab]. malloc'd. */
static inline double *naive_of_ids(const fixture *f, const int32_t *ids, uint32_t n)
{
    naive_row *rows = calloc(n, sizeof *rows);
    assert_non_null(rows);
    for (uint32_t i = 0; i < n; i++) {
        rows[i].id = ids[i];
        for (int j = 0; j < 4; j++) rows[i].position[j] = (int32_t)i;
    }
    double *logits = naive_logits(f->naive, rows, n);
    free(rows);
    return logits;
}

#endif
