/* SPDX-License-Identifier: MIT
 * kern_list.c - which slots are measured in which rungs, and what all cases share.
 *
 * A rung is asked only for slots that it fills with something of its own; the rest were measured a rung below. The
 * reference is measured when it is asked for by name: it is there to be right.
 */
#include "bench/kern_cases.h"

#include <math.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------------------------------ inputs -- */

static void make_inputs(kern_inputs *in)
{
    einf__kernels ref;
    uint32_t x = 1;
    einf__kernels_init(&ref, 0, NULL);
    for (size_t i = 0; i < sizeof in->x / sizeof in->x[0]; i++) {
        x = x * 1664525u + 1013904223u;
        in->x[i] = (float)(int32_t)x * 0x1p-31f;
    }
    for (int i = 0; i < KERN_N_ROW / 2; i++) in->cos[i] = cosf((float)i), in->sin[i] = sinf((float)i);
    for (int j = 0; j < EINF__MAX_DOT_COLS; j++)
        ref.quantize_q8(in->q + j * KERN_N_IN, in->d + j * KERN_N_IN / 32, in->sum16 + j * KERN_N_IN / 16,
                        in->x + j * KERN_N_IN, KERN_N_IN);
}

const kern_inputs *kern_inputs_get(void)
{
    static kern_inputs inputs;
    static bool made;
    if (!made) make_inputs(&inputs);
    made = true;
    return &inputs;
}

/* ------------------------------------------------------------------------------------------------- slots -- */

/* Types that people's models are made of; --all measures the rest. */
static bool is_common(einf__dtype t)
{
    return t == EINF__F16 || t == EINF__BF16 || t == EINF__Q4_0 || t == EINF__Q8_0 || t == EINF__Q4_K ||
           t == EINF__Q5_K || t == EINF__Q6_K;
}

/* The type of a slot, or EINF__N_DTYPES. */
static einf__dtype type_of(int slot)
{
    if (slot >= EINF__SLOT_panel_mul || slot < EINF__SLOT_to_f32) return EINF__N_DTYPES;
    return (einf__dtype)((slot - EINF__SLOT_to_f32) % EINF__N_DTYPES);
}

static bool is_wanted(const kern_wish *wish, const bench_rung *r, int slot, const einf__kernels *k)
{
    einf__kernels below;
    const einf__dtype type = type_of(slot);
    if ((r->cpu & ~wish->cpu) != 0 || (wish->rung ? wish->rung != r : r->cpu == 0)) return false;
    if (wish->only && !strstr(einf__kernel_slot_name(slot), wish->only)) return false;
    if (type < EINF__N_DTYPES && !wish->all_types && !is_common(type)) return false;
    einf__kernels_init(&below, r->below, NULL);
    return r->cpu == 0 || strcmp(k->impl[slot], below.impl[slot]) != 0;
}

void kern_list_make(kern_list *list, const kern_wish *wish, bench_peaks *peaks)
{
    static einf__kernels tables[BENCH_N_RUNGS];
    *list = (kern_list){ 0 };
    for (int r = 0; r < BENCH_N_RUNGS; r++) {
        einf__kernels_init(&tables[r], bench_rungs[r].cpu, NULL);
        for (int slot = 0; slot < EINF__N_SLOTS; slot++) {
            if (!is_wanted(wish, &bench_rungs[r], slot, &tables[r])) continue;
            const kern_case like = { .rung = &bench_rungs[r], .k = &tables[r], .slot = slot, .type = type_of(slot),
                                     .weights = peaks->small_pages.bytes };
            kern_add_matrix_cases(list, &like, wish, peaks);
            kern_add_row_cases(list, &like);
        }
    }
    for (int i = 0; i < list->n; i++) list->items[i].c.user = &list->items[i]; /* they lie still from now on */
}

kern_case *kern_list_add(kern_list *list, const kern_case *like)
{
    if (list->n == list->capacity) {
        const int capacity = list->capacity ? 2 * list->capacity : 64;
        kern_case *items = realloc(list->items, (size_t)capacity * sizeof *items);
        if (!items) {
            list->failed = true;
            return NULL;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n] = *like;
    return &list->items[list->n++];
}

void kern_list_free(kern_list *list)
{
    for (int i = 0; i < list->n; i++) free(list->items[i].memory);
    free(list->items);
    *list = (kern_list){ 0 };
}
