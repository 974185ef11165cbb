/* SPDX-License-Identifier: MIT
 * checkkern.c - every slot of the kernel table, in every rung this machine can run, proves itself.
 *
 * A program that people run, with options; `--help` lists them. Exit codes: 0 all right, 1 a kernel is wrong, 2 usage.
 */
#include <errno.h>
#include <stdlib.h>

#include <edgeinfer/edgeinfer.h>

#include "engine/base/cpu.h"
#include "tests/checkkern/check_bench.h"
#include "tests/checkkern/check_slots.h"

/* Every rung of every architecture: on another one, or where the machine lacks its bits, a rung installs nothing.
 * Slots that a rung shares with the one below were checked there. */
static const struct rung {
    const char *name;
    uint32_t cpu, below;
} rungs[] = {
    {"ref", 0, 0},
    {"avx2", EINF_CPU_AVX2, 0},
    {"avxvnni", EINF_CPU_AVX2 | EINF_CPU_AVXVNNI, EINF_CPU_AVX2},
    {"avx512", EINF_CPU_AVX2 | EINF_CPU_AVX512, EINF_CPU_AVX2},
    {"vnni512", EINF_CPU_AVX2 | EINF_CPU_AVX512 | EINF_CPU_VNNI512, EINF_CPU_AVX2 | EINF_CPU_AVX512},
    {"neon", EINF_CPU_NEON, 0},
    {"fp16", EINF_CPU_NEON | EINF_CPU_FP16, EINF_CPU_NEON},
    {"dotprod", EINF_CPU_NEON | EINF_CPU_DOTPROD, EINF_CPU_NEON},
    {"i8mm", EINF_CPU_NEON | EINF_CPU_DOTPROD | EINF_CPU_I8MM, EINF_CPU_NEON | EINF_CPU_DOTPROD},
};

typedef struct options {
    const char *only; /* part of a slot's name */
    const struct rung *rung;
    uint64_t seed;
    bool bench, list;
} options;

static void print_help(void)
{
    printf("usage: checkkern [OPTION]...\n"
           "Checks every kernel this machine can run against the reference and against formulas in double.\n"
           "  --only TEXT   slots whose name contains TEXT, as \"dot[Q4_K]\" or \"to_f32\"\n"
           "  --rung NAME   one rung: ref, avx2, avxvnni, avx512, vnni512, neon, fp16, dotprod, i8mm\n"
           "  --seed N      other random inputs (default 1)\n"
           "  --bench       how fast each is, instead: short runs, no benchmark\n"
           "  --list        the slots and what fills them\n"
           "exit code: 0 all right, 1 a kernel is wrong, 2 usage\n");
}

static int usage(const char *what, const char *argument)
{
    fprintf(stderr, "checkkern: %s%s%s (--help lists the options)\n", what, argument ? ": " : "",
            argument ? argument : "");
    return 2;
}

/* ----------------------------------------------------------------------------------------------------- rungs -- */

static bool machine_runs(const struct rung *r)
{
    return (einf__cpu_features() & r->cpu) == r->cpu;
}

/* Slots that work in the table's panel_shape: in another one, a function is another. */
static bool is_shaped(int slot)
{
    return slot == EINF__SLOT_quantize_tile || slot >= EINF__SLOT_pack;
}

/* Whether the rung is on this machine what fills the slot. */
static bool is_filled_by(const struct rung *r, int slot)
{
    einf__kernels k, lower;
    einf__kernels_init(&k, r->cpu, NULL);
    einf__kernels_init(&lower, r->below, NULL);
    if (is_shaped(slot) && memcmp(&k.panel_shape, &lower.panel_shape, sizeof k.panel_shape) != 0) return true;
    return r->cpu == r->below || strcmp(k.impl[slot], lower.impl[slot]) != 0;
}

static bool is_wanted(const options *o, const struct rung *r, int slot)
{
    if (o->rung && o->rung != r) return false;
    if (o->only && !strstr(einf__kernel_slot_name(slot), o->only)) return false;
    return is_filled_by(r, slot);
}

/* ------------------------------------------------------------------------------------------------------ work -- */

static bool check_one(const options *o, const struct rung *r, int slot)
{
    einf__kernels k, ref;
    einf__kernels_init(&ref, 0, NULL);
    einf__kernels_init(&k, r->cpu, NULL);
    const check c = {&k, &ref, slot};
    if (check_slot(&c, o->seed)) return true;
    printf("FAIL  %s, rung %s (%s), seed %llu: %s: %s\n", einf__kernel_slot_name(slot), r->name, k.impl[slot],
           (unsigned long long)o->seed, check_shape, check_message);
    return false;
}

static void do_quietly(const options *o, const struct rung *r, int slot)
{
    einf__kernels k;
    einf__kernels_init(&k, r->cpu, NULL);
    if (o->bench) bench_slot(&k, slot);
    else printf("%-16s %-8s %s\n", einf__kernel_slot_name(slot), r->name, k.impl[slot]);
}

static int run(const options *o)
{
    int n_done = 0, n_failed = 0;
    if (o->bench) printf("one thread, data in cache, the best of 200 runs of 0.1 ms: a glance, not a benchmark\n");
    for (size_t i = 0; i < COUNT(rungs); i++) {
        const struct rung *r = &rungs[i];
        if (!machine_runs(r)) continue;
        for (int slot = 0; slot < EINF__N_SLOTS; slot++) {
            if (!is_wanted(o, r, slot)) continue;
            n_done++;
            if (o->bench || o->list) do_quietly(o, r, slot);
            else if (!check_one(o, r, slot)) n_failed++;
        }
    }
    if (n_done == 0) return usage("no slot of that name in that rung", o->only ? o->only : o->rung->name);
    if (o->bench || o->list) return 0;
    printf("checkkern: %d kernels right, %d wrong; rungs of this machine:", n_done - n_failed, n_failed);
    for (size_t i = 0; i < COUNT(rungs); i++)
        if (machine_runs(&rungs[i])) printf(" %s", rungs[i].name);
    printf("\n");
    return n_failed ? 1 : 0;
}

/* --------------------------------------------------------------------------------------------------- options -- */

static const struct rung *rung_of(const char *name)
{
    for (size_t i = 0; i < COUNT(rungs); i++)
        if (strcmp(rungs[i].name, name) == 0) return &rungs[i];
    return NULL;
}

static bool parse_seed(uint64_t *seed, const char *text)
{
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

/* An option with a value. Returns 0, or 2 after saying why not. */
static int take_value(options *o, const char *name, const char *value)
{
    if (!value) return usage("needs a value", name);
    if (strcmp(name, "--only") == 0) {
        o->only = value;
        return 0;
    }
    if (strcmp(name, "--seed") == 0) return parse_seed(&o->seed, value) ? 0 : usage("no number", value);
    o->rung = rung_of(value);
    if (!o->rung) return usage("no such rung", value);
    return machine_runs(o->rung) ? 0 : usage("this machine cannot run the rung", value);
}

int main(int argc, char **argv)
{
    options o = {.seed = 1};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--help") == 0) {
            print_help();
            return 0;
        }
        if (strcmp(name, "--bench") == 0) o.bench = true;
        else if (strcmp(name, "--list") == 0) o.list = true;
        else if (strcmp(name, "--only") == 0 || strcmp(name, "--rung") == 0 || strcmp(name, "--seed") == 0) {
            const int status = take_value(&o, name, i + 1 < argc ? argv[i + 1] : NULL);
            if (status != 0) return status;
            i++;
        } else return usage("unknown option", name);
    }
    return run(&o);
}
