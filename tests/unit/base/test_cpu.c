/* SPDX-License-Identifier: MIT
 * test_cpu.c - CPU detection on made-up machines (register values, files under /sys and /proc), and on this one
 * against what the compiler's run-time library and the kernel say.
 */
#include "engine/base/cpu.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/cpu_probe.h"
#include "tests/support/test_support.h"

/* ---------------------------------------------------------------------------------------- instruction sets -- */

#define BIT(n) (UINT32_C(1) << (n))
#define LEAF1_HASWELL (BIT(12) | BIT(27) | BIT(28) | BIT(29))
#define LEAF7_AVX512 (BIT(5) | BIT(16) | BIT(17) | BIT(30) | BIT(31))

static void x86_needs_cpu_and_kernel(void **state)
{
    (void)state;
    const struct {
        const char *machine;
        einf__x86_regs r;
        uint32_t expected;
    } cases[] = {
        { "nothing", { 0 }, 0 },
        { "Haswell", { LEAF1_HASWELL, BIT(5), 0, 0, 7 }, EINF_CPU_AVX2 },
        { "Haswell, kernel without XSAVE", { LEAF1_HASWELL & ~BIT(27), BIT(5), 0, 0, 0 }, 0 },
        { "Haswell, kernel without YMM state", { LEAF1_HASWELL, BIT(5), 0, 0, 3 }, 0 },
        { "AVX2 without FMA", { LEAF1_HASWELL & ~BIT(12), BIT(5), 0, 0, 7 }, 0 },
        { "AVX2 without F16C", { LEAF1_HASWELL & ~BIT(29), BIT(5), 0, 0, 7 }, 0 },
        { "Sandy Bridge", { BIT(27) | BIT(28), 0, 0, 0, 7 }, 0 },
        { "Alder Lake", { LEAF1_HASWELL, BIT(5), 0, BIT(4), 7 }, EINF_CPU_AVX2 | EINF_CPU_AVXVNNI },
        { "Skylake-X", { LEAF1_HASWELL, LEAF7_AVX512, 0, 0, 0xe7 }, EINF_CPU_AVX2 | EINF_CPU_AVX512 },
        { "Ice Lake", { LEAF1_HASWELL, LEAF7_AVX512, BIT(11), 0, 0xe7 },
          EINF_CPU_AVX2 | EINF_CPU_AVX512 | EINF_CPU_VNNI512 },
        { "Sapphire Rapids", { LEAF1_HASWELL, LEAF7_AVX512, BIT(11), BIT(4), 0x602e7 },
          EINF_CPU_AVX2 | EINF_CPU_AVX512 | EINF_CPU_VNNI512 | EINF_CPU_AVXVNNI },
        { "Ice Lake, kernel without ZMM state", { LEAF1_HASWELL, LEAF7_AVX512, BIT(11), 0, 7 }, EINF_CPU_AVX2 },
        { "Ice Lake, kernel without opmask state", { LEAF1_HASWELL, LEAF7_AVX512, BIT(11), 0, 0xc7 }, EINF_CPU_AVX2 },
        { "Knights Landing: F without BW, DQ, VL", { LEAF1_HASWELL, BIT(5) | BIT(16), 0, 0, 0xe7 }, EINF_CPU_AVX2 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const uint32_t found = einf__cpu_features_x86(&cases[i].r);
        if (found != cases[i].expected) fail_msg("%s: %#x, expected %#x", cases[i].machine, found, cases[i].expected);
    }
}

static void aarch64_reads_hwcap(void **state)
{
    (void)state;
    assert_int_equal(einf__cpu_features_aarch64(0, 0), 0);
    assert_int_equal(einf__cpu_features_aarch64(BIT(1), 0), EINF_CPU_NEON); /* Cortex-A72 */
    assert_int_equal(einf__cpu_features_aarch64(0x119fff, 0), /* Cortex-A76 as Linux reports it, Raspberry Pi 5 */
                     EINF_CPU_NEON | EINF_CPU_DOTPROD | EINF_CPU_FP16);
    assert_int_equal(einf__cpu_features_aarch64(BIT(1) | BIT(10) | BIT(20), BIT(13)),
                     EINF_CPU_NEON | EINF_CPU_DOTPROD | EINF_CPU_FP16 | EINF_CPU_I8MM);
    assert_int_equal(einf__cpu_features_aarch64(BIT(20), BIT(13)), 0);
}

static void this_machine_agrees_with_the_compiler(void **state)
{
    (void)state;
#if defined(__x86_64__)
    uint32_t expected = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) expected |= EINF_CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        expected |= EINF_CPU_AVX512;
    if ((expected & EINF_CPU_AVX512) && __builtin_cpu_supports("avx512vnni")) expected |= EINF_CPU_VNNI512;
    assert_int_equal(einf__cpu_features() & ~(uint32_t)EINF_CPU_AVXVNNI, expected);
#elif defined(__aarch64__)
    assert_true(einf__cpu_features() & EINF_CPU_NEON);
#endif
}

/* --------------------------------------------------------------------------------------------------- cores -- */

typedef struct fake_file {
    const char *path, *text;
} fake_file;

typedef struct fake_machine {
    const fake_file *files;
    size_t n_files;
} fake_machine;

static bool read_fake(void *user, const char *path, char *text, size_t size)
{
    const fake_machine *m = user;
    for (size_t i = 0; i < m->n_files; i++) {
        if (strcmp(m->files[i].path, path) != 0) continue;
        const size_t n = strlen(m->files[i].text);
        const size_t keep = n < size ? n : size - 1;
        memcpy(text, m->files[i].text, keep);
        text[keep] = '\0';
        return true;
    }
    return false;
}

/* Cores of a machine with CPUs [0, n_cpus) allowed. */
static int32_t cores_of(const fake_file *files, size_t n_files, int n_cpus)
{
    fake_machine m = { files, n_files };
    einf__cpu_source s = { .read_text = read_fake, .user = &m };
    for (int c = 0; c < n_cpus; c++) s.allowed[c / 8] |= (uint8_t)(1u << (c % 8));
    return einf__cpu_count_cores(&s);
}
#define CORES(files, n_cpus) cores_of((files), TEST_COUNT(files), (n_cpus))

#define CAPACITY(cpu, value) { "/sys/devices/system/cpu/cpu" #cpu "/cpu_capacity", #value "\n" }
#define SIBLINGS(cpu, list) { "/sys/devices/system/cpu/cpu" #cpu "/topology/thread_siblings_list", list "\n" }

static void without_files_every_cpu_counts(void **state)
{
    (void)state;
    assert_int_equal(cores_of(NULL, 0, 6), 6);
    assert_int_equal(cores_of(NULL, 0, 0), 1);
    assert_int_equal(cores_of(NULL, 0, EINF__MAX_CPUS), EINF__MAX_CPUS);
}

static void smt_siblings_count_once(void **state)
{
    (void)state;
    const fake_file near[] = { SIBLINGS(0, "0-1"), SIBLINGS(1, "0-1"), SIBLINGS(2, "2-3"), SIBLINGS(3, "2-3") };
    assert_int_equal(CORES(near, 4), 2);
    const fake_file far[] = { SIBLINGS(0, "0,2"), SIBLINGS(1, "1,3"), SIBLINGS(2, "0,2"), SIBLINGS(3, "1,3") };
    assert_int_equal(CORES(far, 4), 2);
    /* Sibling 0 is not ours: 1 stands for its core. */
    fake_machine m = { near, TEST_COUNT(near) };
    einf__cpu_source s = { .read_text = read_fake, .user = &m, .allowed = { 0x0e } };
    assert_int_equal(einf__cpu_count_cores(&s), 2);
}

static void little_cores_do_not_count(void **state)
{
    (void)state;
    const fake_file rk3588[] = { CAPACITY(0, 530), CAPACITY(1, 530), CAPACITY(2, 530), CAPACITY(3, 530),
                                 CAPACITY(4, 1024), CAPACITY(5, 1024), CAPACITY(6, 1024), CAPACITY(7, 1024) };
    assert_int_equal(CORES(rk3588, 8), 4);
    assert_int_equal(CORES(rk3588, 4), 4); /* confined to the little ones: these, then */
    /* Favoured cores of a desktop differ by a little: still all performance cores. */
    const fake_file favoured[] = { CAPACITY(0, 1024), CAPACITY(1, 1009), CAPACITY(2, 993), CAPACITY(3, 768) };
    assert_int_equal(CORES(favoured, 4), 4);
    const fake_file hybrid[] = { { "/sys/devices/cpu_core/cpus", "0-3\n" }, SIBLINGS(0, "0-1"), SIBLINGS(1, "0-1"),
                                 SIBLINGS(2, "2-3"), SIBLINGS(3, "2-3"), SIBLINGS(4, "4"), SIBLINGS(5, "5") };
    assert_int_equal(CORES(hybrid, 6), 2);
}

static void cgroup_quotas_cap(void **state)
{
    (void)state;
    const fake_file whole[] = { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "200000 100000\n" } };
    assert_int_equal(CORES(whole, 8), 2);
    const fake_file part[] = { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "150000 100000\n" } };
    assert_int_equal(CORES(part, 8), 2); /* rounded up */
    const fake_file tiny[] = { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "1000 100000\n" } };
    assert_int_equal(CORES(tiny, 8), 1);
    const fake_file none[] = { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "max 100000\n" } };
    assert_int_equal(CORES(none, 8), 8);
    const fake_file parent[] = { { "/proc/self/cgroup", "0::/user.slice/job.scope\n" },
                                 { "/sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n" },
                                 { "/sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n" } };
    assert_int_equal(CORES(parent, 8), 3);
    const fake_file elsewhere[] = { { "/proc/self/cgroup", "0::/a\n" }, { "/sys/fs/cgroup/b/cpu.max", "1000 1000\n" } };
    assert_int_equal(CORES(elsewhere, 8), 8);
}

static void cgroup_v1_quotas_cap(void **state)
{
    (void)state;
    const fake_file limited[] = { { "/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/docker/abc\n0::/\n" },
                                  { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n" },
                                  { "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" } };
    assert_int_equal(CORES(limited, 8), 3);
    const fake_file joint[] = { { "/proc/self/cgroup", "4:cpuacct,cpu:/g" },
                                { "/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "400000\n" },
                                { "/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us", "100000\n" } };
    assert_int_equal(CORES(joint, 8), 4);
    const fake_file unlimited[] = { { "/proc/self/cgroup", "1:cpu:/\n" },
                                    { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n" },
                                    { "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" } };
    assert_int_equal(CORES(unlimited, 8), 8);
    /* The quota of a group for other controllers is not ours. */
    const fake_file other[] = { { "/proc/self/cgroup", "1:cpuset:/g\n" },
                                { "/sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "100000\n" },
                                { "/sys/fs/cgroup/cpu/g/cpu.cfs_period_us", "100000\n" } };
    assert_int_equal(CORES(other, 8), 8);
}

static void odd_files_mean_no_limit(void **state)
{
    (void)state;
    const char *const texts[] = { "", "\n", "1", "x 1", "0 100000", "100000 0", "99999999999999999999 1", "-1 100000" };
    for (size_t i = 0; i < TEST_COUNT(texts); i++) {
        const fake_file files[] = { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", texts[i] } };
        assert_int_equal(CORES(files, 8), 8);
    }
    const char *const groups[] = { "", ":", "::", "0::", "0:", "no colon\n\n", ":::::\n", "0::/../..\n" };
    for (size_t i = 0; i < TEST_COUNT(groups); i++) {
        const fake_file files[] = { { "/proc/self/cgroup", groups[i] }, { "/sys/fs/cgroup/x/cpu.max", "1 1" } };
        assert_int_equal(CORES(files, 8), 8);
    }
    const fake_file lists[] = { SIBLINGS(1, "garbage"), SIBLINGS(2, "5-"), SIBLINGS(3, "9999999999999999999999"),
                                CAPACITY(0, fast) };
    assert_int_equal(CORES(lists, 4), 4);
}

static void this_machine_is_plausible(void **state)
{
    (void)state;
    cpu_set_t set;
    CPU_ZERO(&set);
    const int32_t n = einf__cpu_performance_cores();
    assert_true(n >= 1);
    if (sched_getaffinity(0, sizeof set, &set) == 0) assert_true(n <= CPU_COUNT(&set));
    /* Confined to one CPU there is one core. */
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t c = 0; c < CPU_SETSIZE && CPU_COUNT(&one) == 0; c++)
        if (CPU_ISSET(c, &set)) CPU_SET(c, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) return;
    assert_int_equal(einf__cpu_performance_cores(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof set, &set), 0);
}

static void page_is_the_kernels(void **state)
{
    (void)state;
    assert_int_equal(einf__page_bytes(), (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x86_needs_cpu_and_kernel),
        cmocka_unit_test(aarch64_reads_hwcap),
        cmocka_unit_test(this_machine_agrees_with_the_compiler),
        cmocka_unit_test(without_files_every_cpu_counts),
        cmocka_unit_test(smt_siblings_count_once),
        cmocka_unit_test(little_cores_do_not_count),
        cmocka_unit_test(cgroup_quotas_cap),
        cmocka_unit_test(cgroup_v1_quotas_cap),
        cmocka_unit_test(odd_files_mean_no_limit),
        cmocka_unit_test(this_machine_is_plausible),
        cmocka_unit_test(page_is_the_kernels),
    };
    return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
