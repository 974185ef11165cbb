/* SPDX-License-Identifier: MIT
 * machine.c - reads what the kernel and the library tell. What they do not tell stays empty or 0.
 */
#include "bench/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

/* The value of the first line of a file whose name is one of two, without blanks around it. */
static bool read_value(const char *path, const char *name, const char *other_name, char *out, size_t out_bytes)
{
    char line[4096];
    FILE *f = fopen(path, "r");
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon) continue;
        const size_t n = strcspn(line, "\t :");
        if (strncmp(line, name, strlen(name)) != 0 && (n != strlen(other_name) || strncmp(line, other_name, n) != 0))
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, out_bytes, "%s", colon + 1 + strspn(colon + 1, " \t"));
        found = true;
    }
    if (f) fclose(f);
    return found;
}

/* A number with K or M behind it, as sysfs writes sizes of caches; of the largest index there is. */
static uint64_t read_last_cache(void)
{
    uint64_t largest = 0;
    for (int i = 0; i < 8; i++) {
        char path[96];
        unsigned long long n = 0;
        char unit = ' ';
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        FILE *f = fopen(path, "r");
        if (!f) break;
        if (fscanf(f, "%llu%c", &n, &unit) >= 1) n *= unit == 'K' ? 1024 : unit == 'M' ? 1 << 20 : 1;
        fclose(f);
        if (n > largest) largest = n;
    }
    return largest;
}

static void read_cpu_name(bench_machine *m)
{
    if (read_value("/proc/cpuinfo", "model name", "Model", m->cpu, sizeof m->cpu)) return;
    char part[32] = "unknown";
    (void)read_value("/proc/cpuinfo", "CPU part", "CPU", part, sizeof part);
    snprintf(m->cpu, sizeof m->cpu, "CPU part %s", part);
}

bool bench_machine_look(bench_machine *m, einf_error *err)
{
    char text[4096];
    struct utsname name;
    einf_runtime *rt = NULL;
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    memset(m, 0, sizeof *m);
    if (einf_runtime_create(NULL, &rt, err) != EINF_OK) return false;
    (void)einf_runtime_get_info(rt, &info, NULL);
    (void)einf_runtime_destroy(&rt, NULL);
    m->cpu_found = info.cpu_found;
    m->n_cores = info.n_threads;
    read_cpu_name(m);
    if (read_value("/proc/cpuinfo", "flags", "Features", text, sizeof text))
        snprintf(m->flags, sizeof m->flags, " %.*s ", (int)sizeof m->flags - 3, text);
    if (read_value("/proc/meminfo", "MemAvailable", "MemAvailable", text, sizeof text))
        m->available_bytes = strtoull(text, NULL, 10) * 1024;
    if (uname(&name) == 0) snprintf(m->kernel, sizeof m->kernel, "%.20s %.50s", name.machine, name.release);
    snprintf(m->compiler, sizeof m->compiler, "%s", COMPILER);
    m->last_cache_bytes = read_last_cache();
    if (getloadavg(&m->load, 1) != 1) m->load = 0;
    return true;
}

bool bench_machine_has_flag(const bench_machine *m, const char *flag)
{
    char word[40];
    snprintf(word, sizeof word, " %s ", flag);
    return strstr(m->flags, word) != NULL;
}

uint64_t bench_status_bytes(const char *field)
{
    char text[4096];
    return read_value("/proc/self/status", field, field, text, sizeof text) ? strtoull(text, NULL, 10) * 1024 : 0;
}

cJSON *bench_machine_json(const bench_machine *m)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "cpu", m->cpu);
    cJSON_AddStringToObject(j, "kernel", m->kernel);
    cJSON_AddStringToObject(j, "compiler", m->compiler);
    cJSON_AddNumberToObject(j, "cpu_found", m->cpu_found);
    cJSON_AddNumberToObject(j, "n_cores", m->n_cores);
    if (m->last_cache_bytes) cJSON_AddNumberToObject(j, "last_cache_bytes", (double)m->last_cache_bytes);
    cJSON_AddNumberToObject(j, "load_before", m->load);
    return j;
}

void bench_machine_print(const bench_machine *m)
{
    printf("%s, %d cores, %s; edgeinfer %s built with %s\n", m->cpu, m->n_cores, m->kernel, einf_version(),
           m->compiler);
    if (m->load > 0.5) printf("load %.1f: others are working here, and take part in every figure\n", m->load);
}
