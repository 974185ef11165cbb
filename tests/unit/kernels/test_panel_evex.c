/* SPDX-License-Identifier: MIT
 * test_panel_evex.c - the AVX-VNNI int8 GEMM on machines that have AVX-512 VNNI instead: the kernel's template in the
 * other encoding of the same instruction, held to the reference by the checks of its slots.
 */
#include <edgeinfer/edgeinfer.h>

#include "engine/base/cpu.h"
#include "tests/checkkern/check_slots.h"
#include "tests/support/test_support.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni")
#endif
#define DPBUSD(sum, u, s) __asm__("vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(u), "x"(s))
#include "engine/kernels/x86/panel_dpbusd_avxvnni.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool fill_table(einf__kernels *k)
{
    const uint32_t needs = EINF_CPU_AVX2 | EINF_CPU_AVX512 | EINF_CPU_VNNI512;
    if ((einf__cpu_features() & needs) != needs) return false;
    einf__kernels_init(k, EINF_CPU_AVX2, NULL);
    install_dpbusd(k);
    return true;
}

#else

static bool fill_table(einf__kernels *k)
{
    (void)k;
    return false;
}

#endif

static void kernel_in_the_other_encoding(void **state)
{
    (void)state;
    einf__kernels k, ref;
    if (!fill_table(&k)) {
        printf("this machine has no AVX-512 VNNI: not checked\n");
        return;
    }
    einf__kernels_init(&ref, 0, NULL);
    for (int slot = EINF__SLOT_pack; slot < EINF__N_SLOTS; slot++) {
        const check c = {&k, &ref, slot};
        if (!check_slot(&c, 1)) fail_msg("%s: %s: %s", einf__kernel_slot_name(slot), check_shape, check_message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernel_in_the_other_encoding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
