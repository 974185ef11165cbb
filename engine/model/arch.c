/* SPDX-License-Identifier: MIT
 * arch.c - the table of architectures.
 *
 * Sources: Llama arXiv 2302.13971 and 2407.21783; Qwen2 arXiv 2407.10671; Qwen2-VL arXiv 2409.12191; Qwen3
 * arXiv 2505.09388; Gemma 2 arXiv 2408.00118; Gemma 3 arXiv 2503.19786; Phi-3 arXiv 2404.14219; SmolLM3: its model
 * card. Norm weights of Gemma files already hold the +1 of the original formulation.
 */
#include "engine/model/arch.h"

#include <string.h>

static const einf__arch ARCHS[] = {
    /* Llama 1-3, Mistral, TinyLlama, SmolLM2: their GGUF files hold q and k permuted for adjacent pairs. */
    { .name = "llama", .features = 0, .rope_neox = false, .glu = EINF__SWIGLU },
    { .name = "qwen2", .features = EINF__QKV_BIAS, .rope_neox = true, .glu = EINF__SWIGLU },
    { .name = "qwen2vl", .features = EINF__QKV_BIAS | EINF__M_ROPE, .rope_neox = true, .glu = EINF__SWIGLU },
    { .name = "qwen3", .features = EINF__QK_NORM, .rope_neox = true, .glu = EINF__SWIGLU },
    { .name = "gemma2", .features = EINF__POST_NORMS | EINF__EMBED_SCALE, .rope_neox = true, .glu = EINF__GEGLU,
      .window_period = 2, .window = 4096, .attn_softcap = 50.0f, .final_softcap = 30.0f, .n_layer_wide = 46 },
    { .name = "gemma3", .features = EINF__QK_NORM | EINF__POST_NORMS | EINF__EMBED_SCALE, .rope_neox = true,
      .glu = EINF__GEGLU, .window_period = 6, .rope_freq_base_local = 10000.0f, .n_layer_wide = 62 },
    /* Phi-3, 3.5 and 4. Where there is a window, all layers have it. */
    { .name = "phi3", .features = EINF__FUSED | EINF__LONG_ROPE | EINF__WINDOW_OPTIONAL, .rope_neox = true,
      .glu = EINF__SWIGLU, .window_period = EINF__NO_FULL_LAYER },
    /* q and k permuted, as in llama's files. */
    { .name = "smollm3", .features = 0, .rope_neox = false, .glu = EINF__SWIGLU, .nope_period = 4 },
};

const einf__arch *einf__arch_find(einf__bytes name)
{
    for (size_t i = 0; i < sizeof ARCHS / sizeof ARCHS[0]; i++)
        if (strlen(ARCHS[i].name) == name.n && memcmp(ARCHS[i].name, name.p, name.n) == 0) return &ARCHS[i];
    return NULL;
}

const char *einf__arch_names(void)
{
    return "llama, qwen2, qwen2vl, qwen3, gemma2, gemma3, phi3, smollm3";
}
