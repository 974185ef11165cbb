/* SPDX-License-Identifier: MIT
 * dequant_ref.c - reference of the to_f32 slots: a row of any weight type as floats.
 */
#include <string.h>

#include "engine/base/half.h"
#include "engine/kernels/ref/kernels_ref.h"

static void to_f32_f32_ref(float *y, const void *w, int64_t n)
{
    memcpy(y, w, (size_t)n * sizeof *y);
}

/* Weights have no alignment: halves are read byte by byte. */
static uint16_t load_u16(const void *w, int64_t i)
{
    uint16_t h;
    memcpy(&h, (const uint8_t *)w + 2 * i, sizeof h);
    return h;
}

static void to_f32_f16_ref(float *y, const void *w, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = einf__f16_to_f32(load_u16(w, i));
}

static void to_f32_bf16_ref(float *y, const void *w, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = einf__bf16_to_f32(load_u16(w, i));
}

typedef void (*unpack_fn)(einf__codes *c, const void *block);

static void codes_to_f32(float *y, const void *w, int64_t n, einf__dtype type, unpack_fn unpack)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    const uint8_t *block = w;
    einf__codes c;
    for (int64_t i = 0; i < n; i += info->block_elems, block += info->block_bytes) {
        unpack(&c, block);
        for (int e = 0; e < info->block_elems; e++)
            y[i + e] = c.scale[e / 16] * (float)c.q[e] + c.offset[e / 16];
    }
}

#define TO_F32(type, name) \
    static void to_f32_##name##_ref(float *y, const void *w, int64_t n) \
    { \
        codes_to_f32(y, w, n, EINF__##type, einf__unpack_##name); \
    }
EINF__CODED_TYPES(TO_F32)

void einf__install_dequant_ref(einf__kernels *k)
{
    EINF__INSTALL_TYPED(k, to_f32, EINF__F32, to_f32_f32_ref);
    EINF__INSTALL_TYPED(k, to_f32, EINF__F16, to_f32_f16_ref);
    EINF__INSTALL_TYPED(k, to_f32, EINF__BF16, to_f32_bf16_ref);
#define INSTALL(type, name) EINF__INSTALL_TYPED(k, to_f32, EINF__##type, to_f32_##name##_ref);
    EINF__CODED_TYPES(INSTALL)
#undef INSTALL
}
