/* SPDX-License-Identifier: MIT
 * cpu.c - what the machine is. Instruction sets from CPUID and XCR0 or from the auxiliary vector; cores from the
 * affinity mask, sysfs and the cgroup.
 *
 * An instruction set counts only when the kernel saves the registers it uses: a CPU with AVX-512 under a kernel or a
 * hypervisor that does not switch ZMM state must run AVX2. Files under /sys and /proc are hints: one that is missing
 * or odd means "no limit, all cores alike", never an error.
 */
#include "engine/base/cpu.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <edgeinfer/edgeinfer.h>

#include "engine/base/cpu_probe.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* ---------------------------------------------------------------------------------------- instruction sets -- */

/* Intel SDM vol. 2A, CPUID; vol. 1 chapter 13, XCR0. */
enum {
    LEAF1_FMA = 1 << 12, LEAF1_OSXSAVE = 1 << 27, LEAF1_AVX = 1 << 28, LEAF1_F16C = 1 << 29,
    LEAF7_AVX2 = 1 << 5, LEAF7_AVX512F = 1 << 16, LEAF7_AVX512DQ = 1 << 17, LEAF7_AVX512BW = 1 << 30,
    LEAF7_ECX_VNNI = 1 << 11,
    LEAF7_1_AVXVNNI = 1 << 4,
    XCR0_YMM = 0x06, /* SSE and AVX state */
    XCR0_ZMM = 0xe6  /* besides: opmask, upper halves of ZMM0-15, ZMM16-31 */
};
#define LEAF7_AVX512VL (UINT32_C(1) << 31)

static bool has_all(uint64_t value, uint64_t bits) { return (value & bits) == bits; }

uint32_t einf__cpu_features_x86(const einf__x86_regs *r)
{
    uint32_t found = 0;
    if (!has_all(r->leaf1_ecx, LEAF1_OSXSAVE | LEAF1_AVX) || !has_all(r->xcr0, XCR0_YMM)) return 0;
    if (has_all(r->leaf1_ecx, LEAF1_FMA | LEAF1_F16C) && has_all(r->leaf7_ebx, LEAF7_AVX2)) found |= EINF_CPU_AVX2;
    if (!found) return 0; /* every rung above stands on this one */
    if (has_all(r->leaf7_1_eax, LEAF7_1_AVXVNNI)) found |= EINF_CPU_AVXVNNI;
    if (!has_all(r->xcr0, XCR0_ZMM) ||
        !has_all(r->leaf7_ebx, LEAF7_AVX512F | LEAF7_AVX512DQ | LEAF7_AVX512BW | LEAF7_AVX512VL))
        return found;
    found |= EINF_CPU_AVX512;
    if (has_all(r->leaf7_ecx, LEAF7_ECX_VNNI)) found |= EINF_CPU_VNNI512;
    return found;
}

/* Bits of AT_HWCAP and AT_HWCAP2, Linux Documentation/arch/arm64/elf_hwcaps.rst. Here, not from <asm/hwcap.h>, so that
 * the decoding is tested on every machine. */
enum { HWCAP_ASIMD_BIT = 1 << 1, HWCAP_ASIMDHP_BIT = 1 << 10, HWCAP_ASIMDDP_BIT = 1 << 20, HWCAP2_I8MM_BIT = 1 << 13 };

uint32_t einf__cpu_features_aarch64(uint64_t hwcap, uint64_t hwcap2)
{
    if (!has_all(hwcap, HWCAP_ASIMD_BIT)) return 0;
    uint32_t found = EINF_CPU_NEON;
    if (has_all(hwcap, HWCAP_ASIMDDP_BIT)) found |= EINF_CPU_DOTPROD;
    if (has_all(hwcap, HWCAP_ASIMDHP_BIT)) found |= EINF_CPU_FP16;
    if (has_all(hwcap2, HWCAP2_I8MM_BIT)) found |= EINF_CPU_I8MM;
    return found;
}

#if defined(__x86_64__) || defined(__i386__)

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

uint32_t einf__cpu_features(void)
{
    einf__x86_regs r = { 0 };
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    r.leaf1_ecx = c;
    if (c & LEAF1_OSXSAVE) r.xcr0 = read_xcr0();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return einf__cpu_features_x86(&r);
    r.leaf7_ebx = b;
    r.leaf7_ecx = c;
    const uint32_t last_subleaf = a;
    if (last_subleaf >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) r.leaf7_1_eax = a;
    return einf__cpu_features_x86(&r);
}

#elif defined(__aarch64__)

uint32_t einf__cpu_features(void)
{
    return einf__cpu_features_aarch64(getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
}

#else

uint32_t einf__cpu_features(void) { return 0; }

#endif

/* --------------------------------------------------------------------------------------------------- cores -- */

static bool is_allowed(const einf__cpu_source *s, uint64_t cpu)
{
    return cpu < EINF__MAX_CPUS && (s->allowed[cpu / 8] >> (cpu % 8) & 1) != 0;
}

/* Decimal digits at *p into *out, *p behind them. False when there are none or too many. */
static bool parse_u64(const char **p, uint64_t *out)
{
    uint64_t v = 0;
    const char *start = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        if (*p - start == 18) return false; /* 18 digits always fit */
        v = v * 10 + (uint64_t)(**p - '0');
    }
    *out = v;
    return *p != start;
}

/* The next range of a list such as "0-3,8,10-11". */
static bool next_range(const char **p, uint64_t *first, uint64_t *last)
{
    if (**p == ',') (*p)++;
    if (!parse_u64(p, first)) return false;
    *last = *first;
    if (**p != '-') return true;
    (*p)++;
    return parse_u64(p, last);
}

static bool list_contains(const char *list, uint64_t cpu)
{
    uint64_t first, last;
    while (next_range(&list, &first, &last))
        if (cpu >= first && cpu <= last) return true;
    return false;
}

/* Whether an allowed CPU below `cpu` shares its core: then that one has been counted. */
static bool core_is_counted(const einf__cpu_source *s, int cpu)
{
    char path[96], list[1024];
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    if (!s->read_text(s->user, path, list, sizeof list)) return false;
    const char *p = list;
    uint64_t first, last;
    while (next_range(&p, &first, &last))
        for (uint64_t c = first; c <= last && c < (uint64_t)cpu; c++)
            if (is_allowed(s, c)) return true;
    return false;
}

/* 1024 is the fastest core of the machine; 0 where the kernel does not say. */
static uint64_t capacity_of(const einf__cpu_source *s, int cpu)
{
    char path[96], text[32];
    uint64_t capacity;
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpu_capacity", cpu);
    if (!s->read_text(s->user, path, text, sizeof text)) return 0;
    const char *p = text;
    return parse_u64(&p, &capacity) ? capacity : 0;
}

static int32_t count_allowed_cores(const einf__cpu_source *s)
{
    /* Intel hybrids under kernels before 6.12 have no cpu_capacity, but a list of the P-cores. */
    char p_cores[1024] = "";
    const bool hybrid = s->read_text(s->user, "/sys/devices/cpu_core/cpus", p_cores, sizeof p_cores);
    uint64_t best = 0;
    for (int c = 0; c < EINF__MAX_CPUS; c++) {
        const uint64_t capacity = is_allowed(s, (uint64_t)c) ? capacity_of(s, c) : 0;
        if (capacity > best) best = capacity;
    }
    int32_t n_all = 0, n_fast = 0;
    for (int c = 0; c < EINF__MAX_CPUS; c++) {
        if (!is_allowed(s, (uint64_t)c) || core_is_counted(s, c)) continue;
        n_all++;
        if (capacity_of(s, c) * 4 >= best * 3 && (!hybrid || list_contains(p_cores, (uint64_t)c))) n_fast++;
    }
    return n_fast > 0 ? n_fast : n_all; /* confined to E-cores: those, then */
}

/* -------------------------------------------------------------------------------------------------- quotas -- */

static int32_t cpus_of_quota(uint64_t quota, uint64_t period)
{
    if (quota == 0 || period == 0) return INT32_MAX;
    const uint64_t n = (quota - 1) / period + 1;
    return n < INT32_MAX ? (int32_t)n : INT32_MAX;
}

/* cgroup v2, cpu.max: "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static int32_t quota_v2(const einf__cpu_source *s, const char *dir)
{
    char path[1200], text[64];
    uint64_t quota, period;
    (void)snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (!s->read_text(s->user, path, text, sizeof text)) return INT32_MAX;
    const char *p = text;
    if (!parse_u64(&p, &quota) || *p++ != ' ' || !parse_u64(&p, &period)) return INT32_MAX;
    return cpus_of_quota(quota, period);
}

/* cgroup v1: two files; a quota of -1 is none. */
static int32_t quota_v1(const einf__cpu_source *s, const char *dir)
{
    char path[1200], quota_text[32], period_text[32];
    uint64_t quota, period;
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    if (!s->read_text(s->user, path, quota_text, sizeof quota_text)) return INT32_MAX;
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    if (!s->read_text(s->user, path, period_text, sizeof period_text)) return INT32_MAX;
    const char *q = quota_text, *p = period_text;
    if (!parse_u64(&q, &quota) || !parse_u64(&p, &period)) return INT32_MAX;
    return cpus_of_quota(quota, period);
}

/* The smallest quota between a cgroup and the root of its hierarchy. Inside a container /proc may name a path that
 * the mount does not show; its parents end at the mount itself, which is the container's own group. */
static int32_t smallest_quota(const einf__cpu_source *s, const char *mount, const char *group, size_t group_bytes,
                              int32_t (*quota_of)(const einf__cpu_source *, const char *))
{
    char dir[1100];
    const size_t mount_bytes = strlen(mount);
    if (mount_bytes + group_bytes >= sizeof dir) return INT32_MAX;
    memcpy(dir, mount, mount_bytes);
    memcpy(dir + mount_bytes, group, group_bytes);
    size_t n = mount_bytes + group_bytes;
    int32_t least = INT32_MAX;
    for (;;) {
        while (n > mount_bytes && dir[n - 1] == '/') n--;
        dir[n] = '\0';
        const int32_t quota = quota_of(s, dir);
        if (quota < least) least = quota;
        if (n <= mount_bytes) return least;
        while (n > mount_bytes && dir[n - 1] != '/') n--;
    }
}

/* Whether a comma-separated list of n_bytes has the item "cpu". */
static bool names_cpu(const char *list, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes;) {
        size_t j = i;
        while (j < n_bytes && list[j] != ',') j++;
        if (j - i == 3 && memcmp(list + i, "cpu", 3) == 0) return true;
        i = j + 1;
    }
    return false;
}

/* One line of /proc/self/cgroup: "0::PATH" (v2) or "ID:CONTROLLERS:PATH" (v1). */
static int32_t quota_of_line(const einf__cpu_source *s, const char *line, size_t n_bytes)
{
    const char *end = line + n_bytes;
    const char *controllers = memchr(line, ':', n_bytes);
    if (!controllers) return INT32_MAX;
    controllers++;
    const char *colon = memchr(controllers, ':', (size_t)(end - controllers));
    if (!colon) return INT32_MAX;
    const char *group = colon + 1;
    const size_t group_bytes = (size_t)(end - group);
    if (colon == controllers) return smallest_quota(s, "/sys/fs/cgroup", group, group_bytes, quota_v2);
    if (!names_cpu(controllers, (size_t)(colon - controllers))) return INT32_MAX;
    const int32_t a = smallest_quota(s, "/sys/fs/cgroup/cpu", group, group_bytes, quota_v1);
    const int32_t b = smallest_quota(s, "/sys/fs/cgroup/cpu,cpuacct", group, group_bytes, quota_v1);
    return a < b ? a : b;
}

static int32_t cgroup_quota(const einf__cpu_source *s)
{
    char text[4096];
    int32_t least = INT32_MAX;
    if (!s->read_text(s->user, "/proc/self/cgroup", text, sizeof text)) return INT32_MAX;
    for (const char *line = text; *line;) {
        const size_t n_bytes = strcspn(line, "\n");
        const int32_t quota = quota_of_line(s, line, n_bytes);
        if (quota < least) least = quota;
        line += n_bytes + (line[n_bytes] == '\n');
    }
    return least;
}

int32_t einf__cpu_count_cores(const einf__cpu_source *s)
{
    const int32_t n_cores = count_allowed_cores(s);
    const int32_t quota = cgroup_quota(s);
    const int32_t n = n_cores < quota ? n_cores : quota;
    return n > 0 ? n : 1;
}

/* -------------------------------------------------------------------------------------------- this machine -- */

static bool read_file_text(void *user, const char *path, char *text, size_t size)
{
    (void)user;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t n = 0;
    ssize_t got;
    while (n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0) n += (size_t)got;
    (void)close(fd);
    text[n] = '\0';
    return n > 0;
}

int32_t einf__cpu_performance_cores(void)
{
    einf__cpu_source s = { .read_text = read_file_text };
    unsigned long mask[EINF__MAX_CPUS / (8 * sizeof(unsigned long))];
    enum { WORD_BITS = 8 * sizeof(unsigned long) };
    memset(mask, 0, sizeof mask);
    if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)(void *)mask) != 0) mask[0] = 1;
    for (size_t c = 0; c < EINF__MAX_CPUS; c++)
        if (mask[c / WORD_BITS] >> (c % WORD_BITS) & 1) s.allowed[c / 8] |= (uint8_t)(1u << (c % 8));
    return einf__cpu_count_cores(&s);
}

uint64_t einf__page_bytes(void)
{
    const long bytes = sysconf(_SC_PAGESIZE);
    return bytes > 0 ? (uint64_t)bytes : 4096;
}
