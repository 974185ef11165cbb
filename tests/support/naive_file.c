/* SPDX-License-Identifier: MIT
 * naive_file.c - a walk through a GGUF file that believes every count, and the weight types written out.
 */
#include "tests/support/naive_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/model_build.h"

struct naive_file {
    naive_tensor *tensors;
    size_t n;
};

static void die(const char *what, const char *name)
{
    fprintf(stderr, "naive_file: %s %s\n", what, name);
    exit(99);
}

static void *zeros(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p) die("out of memory", "");
    return p;
}

static uint64_t take(const uint8_t **at, size_t n_bytes)
{
    uint64_t v = 0;
    memcpy(&v, *at, n_bytes);
    *at += n_bytes;
    return v;
}

static void skip_value(const uint8_t **at, uint32_t type)
{
    static const uint8_t size[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    if (type == GGUF_STRING) {
        const uint64_t n = take(at, 8);
        *at += n;
    } else if (type == GGUF_ARRAY) {
        const uint32_t item = (uint32_t)take(at, 4);
        for (uint64_t n = take(at, 8); n > 0; n--) skip_value(at, item);
    } else {
        *at += size[type];
    }
}

/* Its data is still to be found: returns the offset that the entry gives. */
static uint64_t take_tensor(const uint8_t **at, naive_tensor *t)
{
    const size_t n = (size_t)take(at, 8);
    memcpy(t->name, *at, n < sizeof t->name ? n : sizeof t->name - 1);
    *at += n;
    const uint64_t n_dims = take(at, 4);
    for (uint64_t d = 0; d < 4; d++) t->dims[d] = d < n_dims ? take(at, 8) : 1;
    t->type = (uint32_t)take(at, 4);
    return take(at, 8);
}

naive_file *naive_file_open(const uint8_t *file)
{
    const uint8_t *at = file + 8;
    naive_file *f = zeros(1, sizeof *f);
    f->n = (size_t)take(&at, 8);
    f->tensors = zeros(f->n, sizeof *f->tensors);
    for (uint64_t n_kv = take(&at, 8); n_kv > 0; n_kv--) {
        skip_value(&at, GGUF_STRING);
        const uint32_t type = (uint32_t)take(&at, 4);
        skip_value(&at, type);
    }
    uint64_t *offsets = zeros(f->n, sizeof *offsets);
    for (size_t i = 0; i < f->n; i++) offsets[i] = take_tensor(&at, &f->tensors[i]);
    const size_t data_at = ((size_t)(at - file) + 31) / 32 * 32;
    for (size_t i = 0; i < f->n; i++) f->tensors[i].data = file + data_at + offsets[i];
    free(offsets);
    return f;
}

void naive_file_close(naive_file **f)
{
    if (!*f) return;
    free((*f)->tensors);
    free(*f);
    *f = NULL;
}

const naive_tensor *naive_find(const naive_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->tensors[i].name, name) == 0) return &f->tensors[i];
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ elements -- */

static double half(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -v : v;
}

static double f32(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return (double)f;
}

/* Eight groups of 32 codes in a block of 256: the 6-bit scale and minimum of a group lie in 12 bytes, those of the
 * first four in the low bits of bytes 0-3 and 4-7, of the others in nibbles of 8-11 and the top bits of these. */
static double q4_k(const uint8_t *block, uint64_t i)
{
    const uint8_t *s = block + 4;
    const uint64_t g = i / 32;
    const int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
    const int minimum = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | (s[g] >> 6) << 4;
    const uint8_t byte = block[16 + i / 64 * 32 + i % 32];
    return half(block) * scale * (i % 64 < 32 ? byte & 15 : byte >> 4) - half(block + 2) * minimum;
}

double naive_element(const naive_tensor *t, uint64_t i)
{
    const uint8_t *p = t->data;
    switch (t->type) {
    case MODEL_F32: p += 4 * i; return f32((uint32_t)take(&p, 4));
    case MODEL_F16: return half(p + 2 * i);
    case MODEL_BF16: p += 2 * i; return f32((uint32_t)take(&p, 2) << 16);
    case MODEL_Q8_0: p += i / 32 * 34; return half(p) * (double)(int8_t)p[2 + i % 32];
    case MODEL_Q4_K: return q4_k(p + i / 256 * 144, i % 256);
    default: die("unexpected type of", t->name); return 0;
    }
}
