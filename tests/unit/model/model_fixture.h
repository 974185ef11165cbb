/* SPDX-License-Identifier: MIT
 * model_fixture.h - a model bound from a file in memory, for the tests of this folder: as engine/api does it, with
 * every allocation counted and nothing left over.
 */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H

#include "tests/support/test_support.h"

#include <stdlib.h>
#include <string.h>

#include "engine/model/model_weights.h"
#include "tests/support/model_build.h"

typedef struct fixture {
    test_heap heap;
    einf__memory mem;
    uint8_t *file; /* malloc'd, exactly as large as the file */
    size_t n_bytes;
    einf__source source;
    einf__gguf g;
    einf__kernels kernels;
    einf__config config;
    einf__weights weights;
    void *layers_block, *weights_block;
    uint64_t layers_bytes, weights_bytes;
    uint64_t n_unused;
    einf_error err;
} fixture;

static inline einf_status fixture_config(fixture *f)
{
    einf__arena count = einf__arena_counting();
    EINF_TRY(einf__config_read(&f->g, &count, &f->config, &f->err));
    EINF_TRY(einf__alloc_or_fail(&f->mem, count.used_bytes, "layers", &f->layers_block, &f->err));
    f->layers_bytes = count.used_bytes;
    einf__arena arena = einf__arena_over(f->layers_block, f->layers_bytes);
    const einf_status status = einf__config_read(&f->g, &arena, &f->config, &f->err);
    assert_false(arena.failed);
    if (status == EINF_OK) assert_int_equal(arena.used_bytes, f->layers_bytes);
    return status;
}

static inline einf_status fixture_weights(fixture *f)
{
    einf__arena count = einf__arena_counting();
    EINF_TRY(einf__weights_bind(&f->g, &f->config, &count, &f->kernels, &f->weights, &f->n_unused, &f->err));
    EINF_TRY(einf__alloc_or_fail(&f->mem, count.used_bytes, "weights", &f->weights_block, &f->err));
    f->weights_bytes = count.used_bytes;
    einf__arena arena = einf__arena_over(f->weights_block, f->weights_bytes);
    const einf_status status = einf__weights_bind(&f->g, &f->config, &arena, &f->kernels, &f->weights, &f->n_unused,
                                                  &f->err);
    assert_false(arena.failed);
    if (status == EINF_OK) assert_int_equal(arena.used_bytes, f->weights_bytes);
    return status;
}

/* Parse what b builds and read its configuration alone; frees b. */
static inline einf_status fixture_load_config(fixture *f, gguf_build *b)
{
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    einf__memory_init(&f->mem, &f->heap.allocator, 0);
    einf__kernels_init(&f->kernels, 0, NULL);
    f->err = test_error();
    f->file = gguf_build_finish(b, &f->n_bytes);
    gguf_build_free(&b);
    EINF_TRY(einf__source_open_memory(f->file, f->n_bytes, &f->source, &f->err));
    EINF_TRY(einf__gguf_parse(&f->mem, &f->source, &f->g, &f->err));
    return fixture_config(f);
}

/* All of a model; frees b. */
static inline einf_status fixture_load(fixture *f, gguf_build *b)
{
    EINF_TRY(fixture_load_config(f, b));
    return fixture_weights(f);
}

static inline void fixture_close(fixture *f)
{
    einf__free(&f->mem, f->weights_block, f->weights_bytes);
    einf__free(&f->mem, f->layers_block, f->layers_bytes);
    einf__gguf_deinit(&f->g);
    einf__source_close(&f->source);
    free(f->file);
    f->file = NULL;
    assert_int_equal(f->heap.n_live, 0);
    assert_int_equal(f->mem.used_bytes, 0);
}

/* Bytes of the message, hint and place that a terminal would obey, or that are no UTF-8 lead: there must be none. */
static inline void assert_printable(const char *text)
{
    for (; *text; text++) assert_true((unsigned char)*text >= 0x20 && *text != 0x7f);
}

/* A key of the model's architecture: "llama" "block_count". One buffer: use it before the next call. */
static inline const char *arch_key(const model_spec *s, const char *suffix)
{
    static char text[96];
    if (strncmp(suffix, "general.", 8) == 0) return suffix;
    (void)snprintf(text, sizeof text, "%s.%s", model_arch(s), suffix);
    return text;
}

#endif
