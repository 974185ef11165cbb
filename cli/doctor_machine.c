/* SPDX-License-Identifier: MIT
 * doctor_machine.c - what the machine is: board, processor, cores and who may use them, memory and its limits.
 *
 * Limits of a cgroup are the smallest between the process's own group and the root of what is mounted: a container
 * sees its own group as the root.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor.h"
#include "cli/doctor_files.h"
#include "cli/numbers.h"

enum { CPUINFO_BYTES = 1 << 20 };

/* ------------------------------------------------------------------------------------- board, processor -- */

static void look_at_board(doctor *d)
{
    char vendor[64] = "", product[128] = "", name[200];
    if (doctor_read(d, name, sizeof name, "/proc/device-tree/model") ||
        doctor_read(d, name, sizeof name, "/sys/firmware/devicetree/base/model")) {
        d->is_raspberry = strstr(name, "Raspberry Pi") != NULL;
        d->is_raspberry5 = strstr(name, "Raspberry Pi 5") || strstr(name, "Raspberry Pi 500") ||
                           strstr(name, "Compute Module 5");
    } else {
        doctor_read(d, vendor, sizeof vendor, "/sys/class/dmi/id/sys_vendor");
        doctor_read(d, product, sizeof product, "/sys/class/dmi/id/product_name");
        snprintf(name, sizeof name, "%s%s%s", vendor, vendor[0] && product[0] ? " " : "", product);
    }
    if (name[0]) {
        doctor_say(d, DOCTOR_OK, "board", NULL, "%s", name);
        doctor_fact_text(d, "board", name);
    } else {
        doctor_say(d, DOCTOR_OK, "board", NULL, "not told by the machine");
    }
}

/* The cores that small boards have, by "CPU part" of implementer 0x41 (Arm); Linux arch/arm64/include/asm/cputype.h. */
static const char *arm_part_name(unsigned part)
{
    static const struct { unsigned part; const char *name; } parts[] = {
        { 0xd03, "Cortex-A53" }, { 0xd04, "Cortex-A35" }, { 0xd05, "Cortex-A55" }, { 0xd07, "Cortex-A57" },
        { 0xd08, "Cortex-A72" }, { 0xd09, "Cortex-A73" }, { 0xd0a, "Cortex-A75" }, { 0xd0b, "Cortex-A76" },
        { 0xd0c, "Neoverse-N1" }, { 0xd0d, "Cortex-A77" }, { 0xd40, "Neoverse-V1" }, { 0xd41, "Cortex-A78" },
        { 0xd42, "Cortex-A78AE" }, { 0xd44, "Cortex-X1" }, { 0xd46, "Cortex-A510" }, { 0xd47, "Cortex-A710" },
        { 0xd48, "Cortex-X2" }, { 0xd49, "Neoverse-N2" }, { 0xd4d, "Cortex-A715" }, { 0xd4e, "Cortex-X3" },
        { 0xd4f, "Neoverse-V2" }, { 0xd80, "Cortex-A520" }, { 0xd81, "Cortex-A720" }, { 0xd82, "Cortex-X4" },
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].part == part) return parts[i].name;
    return NULL;
}

/* "4 x Cortex-A76 and 4 x Cortex-A55": a kind for each number behind "CPU part", in the order of appearance. */
static void name_arm_cores(const char *cpuinfo, char *name, size_t size)
{
    struct { unsigned part; int n; } kinds[8];
    int n_kinds = 0;
    unsigned part;
    for (const char *at = strstr(cpuinfo, "CPU part"); at; at = strstr(at + 1, "CPU part")) {
        int i = 0;
        if (sscanf(at, "CPU part%*[ \t]: %x", &part) != 1) continue;
        while (i < n_kinds && kinds[i].part != part) i++;
        if (i == 8) continue;
        if (i == n_kinds) kinds[n_kinds].part = part, kinds[n_kinds++].n = 0;
        kinds[i].n++;
    }
    const bool is_arm = strstr(cpuinfo, "CPU implementer\t: 0x41") != NULL;
    name[0] = '\0';
    for (int i = 0; i < n_kinds; i++) {
        const size_t used = strlen(name);
        const char *known = is_arm ? arm_part_name(kinds[i].part) : NULL;
        if (known) snprintf(name + used, size - used, "%s%d x %s", i ? " and " : "", kinds[i].n, known);
        else snprintf(name + used, size - used, "%s%d x part 0x%x", i ? " and " : "", kinds[i].n, kinds[i].part);
    }
}

static void look_at_processor(doctor *d, const char *cpuinfo)
{
    char name[256];
    if (!doctor_find_line(cpuinfo, "model name", name, sizeof name)) name_arm_cores(cpuinfo, name, sizeof name);
    if (name[0]) {
        doctor_say(d, DOCTOR_OK, "processor", NULL, "%s", name);
        doctor_fact_text(d, "processor", name);
    }
    char flags[8192] = "";
    doctor_find_line(cpuinfo, "flags", flags, sizeof flags);
    d->is_virtual = strstr(flags, "hypervisor") != NULL;
    const bool contained = doctor_exists(d, "/.dockerenv") || doctor_exists(d, "/run/.containerenv");
    if (d->is_virtual)
        doctor_say(d, DOCTOR_NOTE, "host", NULL, "a virtual machine: its neighbours may slow it down, and clocks, heat "
                   "and energy are seldom told");
    if (contained) doctor_say(d, DOCTOR_NOTE, "host", NULL, "a container: processor and memory may be limited");
    if (d->facts) {
        cJSON_AddBoolToObject(d->facts, "virtual_machine", d->is_virtual);
        cJSON_AddBoolToObject(d->facts, "container", contained);
    }
}

/* ------------------------------------------------------------------------------------------------ cgroups -- */

/* Calls take with the folder of the group, then with those above it, as far as the mount. */
static void climb(doctor *d, const char *mount, const char *group, void (*take)(doctor *, const char *folder, void *),
                  void *user)
{
    char folder[512];
    const size_t mount_bytes = strlen(mount);
    if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder) return;
    for (;;) {
        size_t n = strlen(folder);
        while (n > mount_bytes && folder[n - 1] == '/') folder[--n] = '\0';
        take(d, folder, user);
        if (n <= mount_bytes) return;
        while (n > mount_bytes && folder[n - 1] != '/') n--;
        folder[n] = '\0';
    }
}

/* Whether the list "cpu,cpuacct" of n_bytes has the item. */
static bool has_item(const char *list, size_t n_bytes, const char *item)
{
    const size_t item_bytes = strlen(item);
    for (size_t i = 0; i < n_bytes;) {
        size_t j = i;
        while (j < n_bytes && list[j] != ',') j++;
        if (j - i == item_bytes && memcmp(list + i, item, item_bytes) == 0) return true;
        i = j + 1;
    }
    return false;
}

/* take sees every group that governs the controller, of cgroup v2 and of v1. */
static void for_each_group(doctor *d, const char *controller, void (*take)(doctor *, const char *folder, void *),
                           void *user)
{
    char text[4096], mount[128];
    if (!doctor_read(d, text, sizeof text, "/proc/self/cgroup")) return;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) { /* "ID:CONTROLLERS:GROUP", "0::GROUP" */
        const char *controllers = strchr(line, ':');
        const char *group = controllers ? strchr(++controllers, ':') : NULL;
        if (!group) continue;
        const size_t n_bytes = (size_t)(group - controllers);
        if (n_bytes == 0) {
            climb(d, "/sys/fs/cgroup", group + 1, take, user);
        } else if (has_item(controllers, n_bytes, controller)) {
            snprintf(mount, sizeof mount, "/sys/fs/cgroup/%.*s", (int)n_bytes, controllers);
            if (!doctor_exists(d, "%s", mount)) snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
            climb(d, mount, group + 1, take, user);
        }
    }
}

static void take_quota(doctor *d, const char *folder, void *user)
{
    double *least = user;
    int64_t quota, period;
    char text[64];
    long long q, p;
    if (doctor_read(d, text, sizeof text, "%s/cpu.max", folder) && sscanf(text, "%lld %lld", &q, &p) == 2)
        quota = q, period = p;
    else if (!doctor_read_number(d, &quota, "%s/cpu.cfs_quota_us", folder) ||
             !doctor_read_number(d, &period, "%s/cpu.cfs_period_us", folder))
        return;
    if (quota > 0 && period > 0 && (double)quota / (double)period < *least) *least = (double)quota / (double)period;
}

typedef struct memory_limit {
    uint64_t limit_bytes, room_bytes; /* UINT64_MAX: none */
} memory_limit;

/* What a group uses includes file pages that it gives back at need. */
static void take_memory(doctor *d, const char *folder, void *user)
{
    memory_limit *m = user;
    int64_t limit, used = 0;
    uint64_t given_back = 0;
    char text[4096], value[32];
    if (doctor_read_number(d, &limit, "%s/memory.max", folder)) {
        doctor_read_number(d, &used, "%s/memory.current", folder);
    } else {
        if (!doctor_read_number(d, &limit, "%s/memory.limit_in_bytes", folder)) return;
        doctor_read_number(d, &used, "%s/memory.usage_in_bytes", folder);
    }
    if (limit <= 0 || limit >= INT64_C(1) << 60) return; /* v1 writes a huge number for "none" */
    if (doctor_read(d, text, sizeof text, "%s/memory.stat", folder) &&
        doctor_find_line(text, "inactive_file ", value, sizeof value))
        cli_parse_u64(value, &given_back);
    const uint64_t held = (uint64_t)used > given_back ? (uint64_t)used - given_back : 0;
    const uint64_t room = (uint64_t)limit > held ? (uint64_t)limit - held : 0;
    if ((uint64_t)limit < m->limit_bytes) m->limit_bytes = (uint64_t)limit;
    if (room < m->room_bytes) m->room_bytes = room;
}

/* -------------------------------------------------------------------------------------------------- cores -- */

typedef struct core_count {
    uint32_t n_cores, n_fast; /* of online CPUs, siblings of one core counted once; n_fast: of the fastest kind */
} core_count;

static bool sibling_is_counted(const doctor *d, const doctor_cpus *online, uint32_t cpu)
{
    char list[256];
    if (!doctor_read(d, list, sizeof list, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu))
        return false;
    const doctor_cpus siblings = doctor_parse_cpus(list);
    for (uint32_t c = 0; c < cpu; c++)
        if (doctor_has_cpu(&siblings, c) && doctor_has_cpu(online, c)) return true;
    return false;
}

/* Fast is what has three quarters of the capacity of the best, or is among Intel's P-cores. */
static core_count count_cores(const doctor *d, const doctor_cpus *online)
{
    char list[256];
    const bool is_hybrid = doctor_read(d, list, sizeof list, "/sys/devices/cpu_core/cpus");
    const doctor_cpus p_cores = doctor_parse_cpus(is_hybrid ? list : "");
    int64_t capacity[DOCTOR_MAX_CPUS] = { 0 }, best = 0;
    core_count count = { 0, 0 };
    for (uint32_t c = 0; c < DOCTOR_MAX_CPUS; c++) {
        if (!doctor_has_cpu(online, c)) continue;
        doctor_read_number(d, &capacity[c], "/sys/devices/system/cpu/cpu%u/cpu_capacity", c);
        if (capacity[c] > best) best = capacity[c];
    }
    for (uint32_t c = 0; c < DOCTOR_MAX_CPUS; c++) {
        if (!doctor_has_cpu(online, c) || sibling_is_counted(d, online, c)) continue;
        count.n_cores++;
        count.n_fast += capacity[c] * 4 >= best * 3 && (!is_hybrid || doctor_has_cpu(&p_cores, c));
    }
    return count;
}

static void say_cores(doctor *d, const core_count *count)
{
    char kinds[96] = "";
    if (count->n_fast < count->n_cores)
        snprintf(kinds, sizeof kinds, ": %u performance and %u efficiency cores", (unsigned)count->n_fast,
                 (unsigned)(count->n_cores - count->n_fast));
    if (count->n_cores < d->n_cpus)
        doctor_say(d, DOCTOR_OK, "cores", NULL, "%u, with %u hardware threads%s", (unsigned)count->n_cores,
                   (unsigned)d->n_cpus, kinds);
    else doctor_say(d, DOCTOR_OK, "cores", NULL, "%u%s", (unsigned)count->n_cores, kinds);
    doctor_fact_number(d, "n_cpus", d->n_cpus);
    doctor_fact_number(d, "n_cores", count->n_cores);
    doctor_fact_number(d, "n_performance_cores", count->n_fast);
}

static void look_at_affinity(doctor *d, const doctor_cpus *online)
{
    char list[1024], status[8192];
    if (!doctor_read(d, status, sizeof status, "/proc/self/status") ||
        !doctor_find_line(status, "Cpus_allowed_list", list, sizeof list))
        return;
    uint32_t n_allowed = 0;
    const doctor_cpus allowed = doctor_parse_cpus(list);
    for (uint32_t c = 0; c < DOCTOR_MAX_CPUS; c++)
        n_allowed += doctor_has_cpu(&allowed, c) && doctor_has_cpu(online, c);
    doctor_fact_number(d, "n_cpus_allowed", n_allowed);
    if (n_allowed < online->n)
        doctor_say(d, DOCTOR_NOTE, "affinity", "start it without taskset, or with more of the container's CPUs",
                   "this process may run on %u of %u CPUs (%s)", (unsigned)n_allowed, (unsigned)online->n, list);
}

static void look_at_quota(doctor *d, uint32_t n_cores)
{
    const double none = 1e9;
    double quota = none;
    for_each_group(d, "cpu", take_quota, &quota);
    if (quota >= none) return;
    doctor_fact_number(d, "cpu_quota_cores", quota);
    if (quota < n_cores)
        doctor_say(d, DOCTOR_WARNING, "quota", "give the container or the unit more CPU (docker --cpus, CPUQuota=)",
                   "the cgroup grants the time of %.2f of %u cores; more threads than that only wait", quota,
                   (unsigned)n_cores);
    else doctor_say(d, DOCTOR_OK, "quota", NULL, "the cgroup grants the time of %.2f cores", quota);
}

static void look_at_cores(doctor *d, const char *cpuinfo)
{
    char list[1024];
    doctor_read(d, list, sizeof list, "/sys/devices/system/cpu/online");
    doctor_cpus online = doctor_parse_cpus(list);
    if (online.n == 0) /* no sysfs: as many as cpuinfo has */
        for (const char *at = strstr(cpuinfo, "processor"); at; at = strstr(at + 1, "\nprocessor")) {
            snprintf(list, sizeof list, "0-%u", (unsigned)online.n);
            online = doctor_parse_cpus(list);
        }
    d->n_cpus = online.n;
    if (online.n == 0) return;
    const core_count count = count_cores(d, &online);
    say_cores(d, &count);
    look_at_affinity(d, &online);
    look_at_quota(d, count.n_cores);
}

/* ------------------------------------------------------------------------------------------------- memory -- */

static uint64_t meminfo_bytes(const char *meminfo, const char *key)
{
    char value[64];
    unsigned long long kib;
    if (!doctor_find_line(meminfo, key, value, sizeof value) || sscanf(value, "%llu", &kib) != 1) return 0;
    return (uint64_t)kib << 10;
}

static void look_at_swap(doctor *d, const char *meminfo)
{
    char a[32], b[32];
    const uint64_t total = meminfo_bytes(meminfo, "SwapTotal:"), free_bytes = meminfo_bytes(meminfo, "SwapFree:");
    doctor_fact_number(d, "swap_total_bytes", (double)total);
    doctor_fact_number(d, "swap_free_bytes", (double)free_bytes);
    if (total == 0) {
        doctor_say(d, DOCTOR_OK, "swap", NULL, "none");
        return;
    }
    const bool half_used = free_bytes < total / 2;
    doctor_say(d, half_used ? DOCTOR_NOTE : DOCTOR_OK, "swap",
               half_used ? "memory is or was short: close what is not needed" : NULL, "%s free of %s",
               cli_size_text(free_bytes, a, sizeof a), cli_size_text(total, b, sizeof b));
}

static void look_at_huge_pages(doctor *d)
{
    char text[64];
    if (!doctor_read(d, text, sizeof text, "/sys/kernel/mm/transparent_hugepage/enabled")) return;
    const char *open = strchr(text, '[');
    const size_t n = open ? strcspn(open + 1, "]") : 0;
    char chosen[32];
    snprintf(chosen, sizeof chosen, "%.*s", (int)n, open ? open + 1 : "");
    doctor_say(d, DOCTOR_OK, "huge pages", NULL, "%s", chosen);
    doctor_fact_text(d, "transparent_huge_pages", chosen);
}

static void look_at_memory(doctor *d)
{
    char meminfo[8192], a[32], b[32];
    d->room_bytes = UINT64_MAX;
    if (doctor_read(d, meminfo, sizeof meminfo, "/proc/meminfo")) {
        const uint64_t total = meminfo_bytes(meminfo, "MemTotal:"), available = meminfo_bytes(meminfo, "MemAvailable:");
        const bool is_short = available < total / 4;
        d->room_bytes = available;
        doctor_say(d, is_short ? DOCTOR_WARNING : DOCTOR_OK, "memory",
                   is_short ? "close what is not needed: other programs hold most of it" : NULL, "%s available of %s",
                   cli_size_text(available, a, sizeof a), cli_size_text(total, b, sizeof b));
        doctor_fact_number(d, "mem_total_bytes", (double)total);
        doctor_fact_number(d, "mem_available_bytes", (double)available);
    }
    memory_limit m = { UINT64_MAX, UINT64_MAX };
    for_each_group(d, "memory", take_memory, &m);
    if (m.limit_bytes != UINT64_MAX) {
        doctor_say(d, DOCTOR_NOTE, "limit", "more than that ends the process (docker --memory, MemoryMax=)",
                   "the cgroup grants %s of memory, of which %s are left", cli_size_text(m.limit_bytes, a, sizeof a),
                   cli_size_text(m.room_bytes, b, sizeof b));
        doctor_fact_number(d, "cgroup_memory_limit_bytes", (double)m.limit_bytes);
        if (m.room_bytes < d->room_bytes) d->room_bytes = m.room_bytes;
    }
    if (d->room_bytes != UINT64_MAX) doctor_fact_number(d, "memory_room_bytes", (double)d->room_bytes);
    if (meminfo[0]) look_at_swap(d, meminfo);
    look_at_huge_pages(d);
}

void doctor_look_at_machine(doctor *d)
{
    char *cpuinfo = malloc(CPUINFO_BYTES);
    look_at_board(d);
    if (cpuinfo) {
        doctor_read(d, cpuinfo, CPUINFO_BYTES, "/proc/cpuinfo"); /* empty when there is none */
        look_at_processor(d, cpuinfo);
        look_at_cores(d, cpuinfo);
    }
    free(cpuinfo);
    look_at_memory(d);
}
