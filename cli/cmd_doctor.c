/* SPDX-License-Identifier: MIT
 * cmd_doctor.c - what this machine can do, and why it is slow.
 *
 * The machine is what /proc, /sys and /dev say, also below --sysroot. What the library finds (instruction sets,
 * kernels, threads, page size), executable memory and the bandwidth are always those of the machine it runs on.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/open_vision.h"

/* ------------------------------------------------------------------------------------------------ library -- */

/* "AVX2, AVX-512": EINF_CPU_* by their names. */
static void name_features(uint32_t mask, char *text, size_t size)
{
    static const struct { uint32_t bit; const char *name; } names[] = {
        { EINF_CPU_AVX2, "AVX2" }, { EINF_CPU_AVX512, "AVX-512" }, { EINF_CPU_VNNI512, "AVX-512 VNNI" },
        { EINF_CPU_AVXVNNI, "AVX-VNNI" }, { EINF_CPU_NEON, "NEON" }, { EINF_CPU_DOTPROD, "dot product" },
        { EINF_CPU_FP16, "FP16" }, { EINF_CPU_I8MM, "I8MM" },
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0] && used < size; i++)
        if (mask & names[i].bit)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", names[i].name);
}

typedef struct kernel_count {
    const char *rung;         /* static */
    int n;
} kernel_count;

/* "rms_norm_avx2" belongs to the rung avx2; a provider has a name without that. */
static const char *rung_of(const char *impl)
{
    const char *last = strrchr(impl, '_');
    return last ? last + 1 : impl;
}

/* How many slots of the kernel table each rung fills; some are nobody's. */
static int count_kernels(const einf_runtime *rt, kernel_count *counts, int max, int *n_slots)
{
    const char *slot, *impl;
    int n = 0;
    *n_slots = 0;
    for (int32_t i_slot = 0; einf_runtime_kernel(rt, i_slot, &slot, &impl, NULL) == EINF_OK; i_slot++) {
        int i = 0;
        const char *rung = rung_of(impl);
        if (strcmp(impl, "none") == 0) continue;
        (*n_slots)++;
        while (i < n && strcmp(counts[i].rung, rung) != 0) i++;
        if (i == max) continue;
        if (i == n) counts[n++] = (kernel_count){ rung, 0 };
        counts[i].n++;
    }
    return n;
}

static void look_at_kernels(doctor *d)
{
    kernel_count counts[8];
    int n_slots;
    const int n = count_kernels(d->engine->rt, counts, 8, &n_slots);
    const bool all_plain = n == 1 && strcmp(counts[0].rung, "ref") == 0;
    char text[256] = "";
    cJSON *list = d->facts ? cJSON_CreateObject() : NULL;
    for (int i = 0; i < n; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%d %s", i ? ", " : "", counts[i].n, counts[i].rung);
        if (list) cJSON_AddNumberToObject(list, counts[i].rung, counts[i].n);
    }
    doctor_say(d, all_plain ? DOCTOR_WARNING : DOCTOR_OK, "kernels",
               all_plain ? "expect a fraction of the speed; AVX2 or NEON is what the vector kernels need" : NULL,
               "of %d: %s%s", n_slots, text, all_plain ? ", which is plain C" : "");
    doctor_fact_item(d, "n_kernels_by_rung", list);
}

/* PCRE2 compiles its patterns to machine code where the system lets it. */
static bool may_execute_memory(void)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return false;
    munmap(page, size);
    return true;
}

void doctor_look_at_library(doctor *d)
{
    char found[160], forbidden[160];
    einf_runtime_info rt = EINF_INIT(einf_runtime_info);
    if (einf_runtime_get_info(d->engine->rt, &rt, NULL) != EINF_OK) return;
    name_features(rt.cpu_found, found, sizeof found);
    name_features(rt.cpu_found & ~rt.cpu_used, forbidden, sizeof forbidden);
    doctor_say(d, DOCTOR_OK, "library", NULL, "edgeinfer %s, %d threads by default, pages of %llu KiB", einf_version(),
               (int)rt.n_threads, (unsigned long long)rt.page_bytes / 1024);
    doctor_say(d, DOCTOR_OK, "SIMD", NULL, "%s", found[0] ? found : "none that the library knows");
    if (forbidden[0])
        doctor_say(d, DOCTOR_WARNING, "SIMD", "unset EINF_CPU_FORBID", "EINF_CPU_FORBID keeps from use: %s", forbidden);
    look_at_kernels(d);
    const bool jit = may_execute_memory();
    doctor_say(d, jit ? DOCTOR_OK : DOCTOR_NOTE, "PCRE2",
               jit ? NULL : "allow it executable memory (MemoryDenyWriteExecute=, SELinux execmem)",
               jit ? "executable memory is allowed, which its JIT needs"
                   : "executable memory is refused: without its JIT texts are tokenised several times slower");
    doctor_fact_text(d, "version", einf_version());
    doctor_fact_number(d, "n_threads", rt.n_threads);
    doctor_fact_number(d, "page_bytes", (double)rt.page_bytes);
    doctor_fact_text(d, "simd_found", found);
    if (!d->facts) return;
    cJSON_AddBoolToObject(d->facts, "executable_memory", jit);
}

/* ----------------------------------------------------------------------------------------------- the verb -- */

static int print_json(doctor *d)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "facts", d->facts);
    cJSON_AddItemToObject(o, "findings", d->findings);
    d->facts = d->findings = NULL;
    return cli_print_json(o);
}

static int examine(doctor *d)
{
    const cli_options *o = d->engine->options;
    einf_error err = EINF_INIT(einf_error);
    if (o->model && cli_engine_open(d->engine, o->model, 0, false, &err) != EINF_OK)
        return cli_print_error(&err, o->model);
    const int opened = cli_vision_open_beside(d->engine);
    if (opened) return opened;
    doctor_look_at_machine(d);
    doctor_look_at_library(d);
    doctor_look_at_clocks(d);
    doctor_look_at_energy(d);
    const int code = o->model ? doctor_look_at_model(d) : EXIT_DONE;
    return code == EXIT_DONE && o->json ? print_json(d) : code;
}

static int check_sysroot(const char *path)
{
    struct stat st;
    if (!path || (stat(path, &st) == 0 && S_ISDIR(st.st_mode))) return EXIT_DONE;
    return cli_fail(EXIT_USAGE, "name a folder that holds proc and sys", "--sysroot is \"%s\", which is no folder",
                    path);
}

int cli_doctor(const cli_options *o)
{
    cli_engine engine;
    doctor d = { .engine = &engine, .root = o->sysroot ? o->sysroot : "" };
    int code = check_sysroot(o->sysroot);
    if (code) return code;
    if (o->mmproj && !o->model)
        return cli_fail(EXIT_USAGE, "name it with -m", "--mmproj goes with the model that it belongs to");
    code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE && o->json) {
        d.findings = cJSON_CreateArray();
        d.facts = cJSON_CreateObject();
        if (!d.findings || !d.facts) code = cli_fail_nomem();
    }
    if (code == EXIT_DONE) code = examine(&d);
    cJSON_Delete(d.findings);
    cJSON_Delete(d.facts);
    return cli_engine_stop(&engine, code);
}
