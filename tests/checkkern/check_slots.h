/* SPDX-License-Identifier: MIT
 * check_slots.h - the check of every slot, and how one is run: for checkkern.c, and for the test that checks fail.
 *
 * The checks sit in the headers beside this file, one for each kind of slot. A slot that is added to the table
 * without a check here does not compile.
 */
#ifndef TESTS_CHECK_SLOTS_H
#define TESTS_CHECK_SLOTS_H

#include "tests/checkkern/check_fixed16.h"
#include "tests/checkkern/check_halves.h"
#include "tests/checkkern/check_matrices.h"
#include "tests/checkkern/check_panels.h"
#include "tests/checkkern/check_resample.h"
#include "tests/checkkern/check_rows.h"
#include "tests/checkkern/check_weights.h"

typedef void (*check_fn)(const check *c);

static const check_fn checks[] = {
#define CHECK(field, type) [EINF__SLOT_##field] = check_##field,
    EINF__KERNEL_SLOTS(CHECK)
#undef CHECK
#define CHECK_TYPED(type, id, text, elems, bytes, acts) \
    [EINF__SLOT_to_f32 + EINF__##type] = check_to_f32, [EINF__SLOT_dot + EINF__##type] = check_dot, \
    [EINF__SLOT_pack + EINF__##type] = check_pack,
    EINF__DTYPE_MAP(CHECK_TYPED)
#undef CHECK_TYPED
#define CHECK_FORM(form) [EINF__SLOT_panel_mul + EINF__PANEL_##form] = check_panel_mul
    CHECK_FORM(NONE), CHECK_FORM(32), CHECK_FORM(32M), CHECK_FORM(64), CHECK_FORM(128), CHECK_FORM(32M4),
    CHECK_FORM(16),
#undef CHECK_FORM
};
_Static_assert(sizeof checks / sizeof checks[0] == EINF__N_SLOTS, "a slot of the kernel table has no check");

/* A guard page was touched: a failure like any other. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    (void)snprintf(check_message, sizeof check_message, "touched memory outside its buffers, at %p", info->si_addr);
    siglongjmp(check_exit, 1);
}

/* What a slot draws from: of its name, so that slots which come or go change nothing for the others. FNV-1a. */
static uint64_t name_hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    return hash;
}

/* True when the slot is right. Otherwise check_message and check_shape say what is wrong with what. The same seed draws
 * the same inputs. */
static bool check_slot(const check *c, uint64_t seed)
{
    struct sigaction act, old_segv, old_bus;
    memset(&act, 0, sizeof act);
    act.sa_sigaction = on_fault;
    act.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &act, &old_segv);
    sigaction(SIGBUS, &act, &old_bus);
    check_message[0] = check_shape[0] = '\0';
    check_seed = seed ^ name_hash(einf__kernel_slot_name(c->slot));
    if (sigsetjmp(check_exit, 1) == 0) checks[c->slot](c);
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    return check_message[0] == '\0';
}

#endif
