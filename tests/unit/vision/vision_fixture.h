/* SPDX-License-Identifier: MIT
 * vision_fixture.h - an encoder bound from a file in memory, put together as engine/api does it, with every allocation
 * counted and nothing left over.
 */
#ifndef TESTS_VISION_FIXTURE_H
#define TESTS_VISION_FIXTURE_H

#include "tests/support/test_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cpu.h"
#include "tests/support/vision_build.h"
#include "vision/encoder.h"

typedef struct fixture {
    test_heap heap;
    einf__memory mem;
    uint8_t *file; /* malloc'd, exactly as large as the file */
    size_t n_bytes;
    einf__source source;
    einf__gguf g;
    einf__kernels kernels;
    einf__vision_config config;
    einf__vision_weights weights;
    void *block;
    uint64_t block_bytes, n_unused;
    einf_error err;
} fixture;

/* Parse a file, which is taken over, and read its configuration alone. cpu: EINF_CPU_* that may be used. */
static inline einf_status fixture_read(fixture *f, uint8_t *file, size_t n_bytes, uint32_t cpu)
{
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    einf__memory_init(&f->mem, &f->heap.allocator, 0);
    einf__kernels_init(&f->kernels, einf__cpu_features() & cpu, NULL);
    f->err = test_error();
    f->file = file;
    f->n_bytes = n_bytes;
    EINF_TRY(einf__source_open_memory(f->file, f->n_bytes, &f->source, &f->err));
    EINF_TRY(einf__gguf_parse(&f->mem, &f->source, &f->g, &f->err));
    return einf__vision_config_read(&f->g, &f->config, &f->err);
}

static inline einf_status fixture_bind(fixture *f)
{
    einf__arena a = einf__arena_counting();
    EINF_TRY(einf__vision_weights_bind(&f->g, &f->config, &a, &f->kernels, &f->weights, &f->n_unused, &f->err));
    assert_null(f->weights.layers);
    f->block_bytes = a.used_bytes;
    EINF_TRY(einf__alloc_or_fail(&f->mem, f->block_bytes, "weights", &f->block, &f->err));
    a = einf__arena_over(f->block, f->block_bytes);
    const einf_status status = einf__vision_weights_bind(&f->g, &f->config, &a, &f->kernels, &f->weights,
                                                         &f->n_unused, &f->err);
    assert_false(a.failed);
    assert_int_equal(a.used_bytes, f->block_bytes);
    return status;
}

/* What b builds; frees b. */
static inline einf_status fixture_read_build(fixture *f, gguf_build *b)
{
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    return fixture_read(f, file, n_bytes, 0);
}

static inline einf_status fixture_load_build(fixture *f, gguf_build *b)
{
    EINF_TRY(fixture_read_build(f, b));
    return fixture_bind(f);
}

static inline void fixture_close(fixture *f)
{
    einf__free(&f->mem, f->block, f->block_bytes);
    einf__gguf_deinit(&f->g);
    einf__source_close(&f->source);
    free(f->file);
    f->file = NULL;
    assert_int_equal(f->heap.n_live, 0);
    assert_int_equal(f->mem.used_bytes, 0);
}

#endif
