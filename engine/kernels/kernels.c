/* SPDX-License-Identifier: MIT
 * kernels.c - fills the kernel table, once a runtime: reference, then the host's GEMM, then the instruction sets.
 *
 * A rung may only replace slots; whoever comes last wins, so a provider serves only where no SIMD kernel does. This
 * is the one file that knows for which architecture it is compiled.
 */
#include "engine/kernels/kernels.h"

#include <edgeinfer/edgeinfer.h>

#include "engine/kernels/ref/kernels_ref.h"

void einf__kernels_init_ref(einf__kernels *k)
{
    for (int i = 0; i < EINF__N_SLOTS; i++) k->impl[i] = "none";
    einf__install_dequant_ref(k);
    einf__install_dot_ref(k);
    einf__install_rows_ref(k);
    einf__install_gemm_ref(k);
    einf__install_halves_ref(k);
    einf__install_fixed16_ref(k);
    einf__install_panel_ref(k);
    einf__install_attend_ref(k);
    einf__install_resample_ref(k);
}

static void init_provider(einf__kernels *k, const einf_gemm_provider *provider)
{
    if (!provider || provider->struct_size < sizeof *provider || !provider->sgemm_nt) return;
    k->gemm_f32 = provider->sgemm_nt;
    k->gemm_user = provider->user;
    k->impl[EINF__SLOT_gemm_f32] = provider->name ? provider->name : "provider";
}

static void init_isa(einf__kernels *k, uint32_t cpu)
{
#if defined(__x86_64__)
    /* AVX2, FMA and F16C: Intel Haswell to Skylake and Comet Lake (2013-2020), N100 and its kind (2023), AMD Zen to
     * Zen 3 (2017-2021). */
    if (!(cpu & EINF_CPU_AVX2)) return;
    einf__kernels_init_avx2(k);
    /* 256-bit VNNI: Alder Lake and later client CPUs (2021). */
    if (cpu & EINF_CPU_AVXVNNI) einf__kernels_init_avxvnni(k);
    /* AVX-512: Skylake-X (2017); with VNNI: Ice Lake (2019), Zen 4 (2022). */
    if (!(cpu & EINF_CPU_AVX512)) return;
    einf__kernels_init_avx512(k);
    if (cpu & EINF_CPU_VNNI512) einf__kernels_init_vnni512(k);
#elif defined(__aarch64__)
    /* Every aarch64: Cortex-A53 and A72 (Raspberry Pi 3 and 4). Arithmetic on halves, and dot products: Cortex-A76
     * (Raspberry Pi 5, 2018 on). */
    if (!(cpu & EINF_CPU_NEON)) return;
    einf__kernels_init_neon(k);
    if (cpu & EINF_CPU_FP16) einf__kernels_init_fp16(k);
    if (!(cpu & EINF_CPU_DOTPROD)) return;
    einf__kernels_init_dotprod(k);
    /* int8 matrix products: Cortex-X2, Neoverse V1, Apple M2 (2021 on). */
    if (cpu & EINF_CPU_I8MM) einf__kernels_init_i8mm(k);
#else
    (void)k, (void)cpu;
#endif
}

void einf__kernels_init(einf__kernels *k, uint32_t cpu, const einf_gemm_provider *provider)
{
    einf__kernels ref = { 0 };
    einf__kernels_init_ref(&ref);
    *k = ref;
    init_provider(k, provider);
    init_isa(k, cpu);
    for (int t = 0; t < EINF__N_DTYPES; t++)
        k->plain_dot[t] = k->dot[t] == ref.dot[t] && k->gemm_f32 != ref.gemm_f32;
}

const char *einf__kernel_slot_name(int slot)
{
    static const char *const names[EINF__N_SLOTS] = {
#define NAME(field, type) [EINF__SLOT_##field] = #field,
        EINF__KERNEL_SLOTS(NAME)
#undef NAME
#define NAME_TYPED(type, id, text, elems, bytes, acts) \
        [EINF__SLOT_to_f32 + EINF__##type] = "to_f32[" text "]", [EINF__SLOT_dot + EINF__##type] = "dot[" text "]", \
        [EINF__SLOT_pack + EINF__##type] = "pack[" text "]",
        EINF__DTYPE_MAP(NAME_TYPED)
#undef NAME_TYPED
        [EINF__SLOT_panel_mul + EINF__PANEL_NONE] = "panel_mul[none]",
        [EINF__SLOT_panel_mul + EINF__PANEL_32] = "panel_mul[32]",
        [EINF__SLOT_panel_mul + EINF__PANEL_32M] = "panel_mul[32m]",
        [EINF__SLOT_panel_mul + EINF__PANEL_64] = "panel_mul[64]",
        [EINF__SLOT_panel_mul + EINF__PANEL_128] = "panel_mul[128]",
        [EINF__SLOT_panel_mul + EINF__PANEL_32M4] = "panel_mul[32m4]",
        [EINF__SLOT_panel_mul + EINF__PANEL_16] = "panel_mul[16]",
    };
    return names[slot];
}
