/* SPDX-License-Identifier: MIT
 * checkkern.c - every slot of the kernel table, in every rung this machine can run, proves itself.
 *
 * The checks sit in the headers beside this file, one for each kind of slot. A slot that is added to the table
 * without a check here does not compile.
 */
#include <edgeinfer/edgeinfer.h>

#include "engine/base/cpu.h"
#include "tests/checkkern/check_matrices.h"
#include "tests/checkkern/check_rows.h"
#include "tests/checkkern/check_weights.h"

typedef void (*check_fn)(const check *c);

static const check_fn checks[] = {
#define CHECK(field, type) [EINF__SLOT_##field] = check_##field,
    EINF__KERNEL_SLOTS(CHECK)
#undef CHECK
#define CHECK_TYPED(type, id, text, elems, bytes, acts) \
    [EINF__SLOT_to_f32 + EINF__##type] = check_to_f32, [EINF__SLOT_dot + EINF__##type] = check_dot,
    EINF__DTYPE_MAP(CHECK_TYPED)
#undef CHECK_TYPED
};
_Static_assert(sizeof checks / sizeof checks[0] == EINF__N_SLOTS, "a slot of the kernel table has no check");

/* A rung runs when the machine has its bit; slots it shares with the rung below were checked there. */
static void check_rung(uint32_t cpu, uint32_t below)
{
    einf__kernels k, lower, ref;
    einf__kernels_init(&ref, 0, NULL);
    einf__kernels_init(&lower, below, NULL);
    einf__kernels_init(&k, cpu, NULL);
    int n_checked = 0;
    for (int slot = 0; slot < EINF__N_SLOTS; slot++) {
        assert_non_null(checks[slot]);
        if (cpu != below && strcmp(k.impl[slot], lower.impl[slot]) == 0) continue;
        check_seed = (uint64_t)slot + 1;
        const check c = {&k, &ref, slot};
        checks[slot](&c);
        n_checked++;
    }
    assert_true(n_checked > 0);
}

static void reference(void **state)
{
    (void)state;
    check_rung(0, 0);
}

static void avx2(void **state)
{
    (void)state;
    if (einf__cpu_features() & EINF_CPU_AVX2) check_rung(EINF_CPU_AVX2, 0);
    else printf("this machine has no AVX2: nothing to check\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reference), cmocka_unit_test(avx2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
