/* SPDX-License-Identifier: MIT
 * test_meter_ioreport.c - which of IOReport's channels are added up, on lists as different machines give them.
 */
#include "tests/unit/profiler/meter_harness.h"

#include "profiler/sources/ioreport_names.h"

typedef struct listed {
    const char *name, *unit;
    int64_t counts;
} listed;

/* Joules of each part. */
static void add_up(const listed *list, int32_t n, double joules[EPROF__N_APPLE_PARTS])
{
    eprof__apple_channel channels[64];
    assert_true(n <= 64);
    for (int32_t i = 0; i < n; i++) channels[i] = (eprof__apple_channel){ .name = list[i].name, .unit = list[i].unit };
    eprof__apple_choose(channels, n);
    for (int i = 0; i < EPROF__N_APPLE_PARTS; i++) joules[i] = 0;
    for (int32_t i = 0; i < n; i++) {
        if (channels[i].part == EPROF__APPLE_NONE) assert_int_equal(channels[i].nanojoules, 0);
        else joules[channels[i].part] += (double)eprof__apple_nanojoules(&channels[i], list[i].counts) * 1e-9;
    }
}

static void parts_of_an_m1_are_its_totals(void **state)
{
    (void)state;
    const listed list[] = {
        { "ECPU0", "mJ", 100 }, { "ECPU1", "mJ", 100 }, { "PCPU0", "mJ", 700 }, { "PCPU0_SRAM", "mJ", 9 },
        { "ECPM", "mJ", 5 },
        { "PCPM", "mJ", 5 }, { "CPU Energy", "mJ", 1000 }, { "GPU Energy", "nJ", 2500000000 }, { "GPU0", "mJ", 2500 },
        { "GPU SRAM0", "mJ", 30 }, { "ANE0", "mJ ", 40 }, { "DRAM0", "uJ  ", 600000 }, { "DCS0", "mJ", 70 },
        { "AMCC0", "mJ", 80 }, { "ISP0", "mJ", 1 }, { "AVE0", "mJ", 1 } };
    double joules[EPROF__N_APPLE_PARTS];
    add_up(list, COUNT(list), joules);
    assert_close(joules[EPROF__APPLE_CPU], 1, 1e-9);
    assert_close(joules[EPROF__APPLE_GPU], 2.5, 1e-9); /* not once more as GPU0 */
    assert_close(joules[EPROF__APPLE_ANE], 0.04, 1e-9);
    assert_close(joules[EPROF__APPLE_DRAM], 0.6, 1e-9);
    assert_close(joules[EPROF__APPLE_GPU_SRAM], 0.03, 1e-9);
}

static void an_ultra_is_the_sum_of_its_dies(void **state)
{
    (void)state;
    const listed list[] = {
        { "DIE_0_CPU Energy", "mJ", 1000 }, { "DIE_1_CPU Energy", "mJ", 500 }, { "DIE_0_ECPU0", "mJ", 50 },
        { "DIE_0_DRAM0", "mJ", 10 }, { "DIE_1_DRAM0", "mJ", 20 }, { "DIE_1_ANE", "mJ", 3 }, { "GPU0", "mJ", 7 },
        { "GPU1", "mJ", 8 }, { "DIE_x_CPU Energy", "mJ", 9999 }, { "DIE_0", "mJ", 9999 },
        { "DIE_12_GPU SRAM1", "mJ", 4 } };
    double joules[EPROF__N_APPLE_PARTS];
    add_up(list, COUNT(list), joules);
    assert_close(joules[EPROF__APPLE_CPU], 1.5, 1e-9);
    assert_close(joules[EPROF__APPLE_GPU], 0.015, 1e-9); /* there is no GPU Energy, so GPU<n> counts */
    assert_close(joules[EPROF__APPLE_ANE], 0.003, 1e-9);
    assert_close(joules[EPROF__APPLE_DRAM], 0.03, 1e-9);
    assert_close(joules[EPROF__APPLE_GPU_SRAM], 0.004, 1e-9);
}

static void names_that_only_contain_a_word_do_not_count(void **state)
{
    (void)state;
    const listed list[] = {
        { "CPU Energy Estimate", "mJ", 1 }, { "xCPU Energy", "mJ", 1 }, { "GPU Energy CS", "mJ", 1 },
        { "GPU", "mJ", 1 },
        { "GPU0 SRAM", "mJ", 1 }, { "ANE0_CTL", "mJ", 1 }, { "LANE0", "mJ", 1 }, { "DRAM BW", "mJ", 1 },
        { "GPU SRAM0x", "mJ", 1 }, { "", "mJ", 1 }, { "CPU Energy", "J", 1 }, { "CPU Energy", "", 1 },
        { "CPU Energy", "mJx", 1 }, { "GPU Energy", "events", 1 }, { "MCPU0_1", "mJ", 1 }, { "PACC_0", "mJ", 1 } };
    double joules[EPROF__N_APPLE_PARTS];
    add_up(list, COUNT(list), joules);
    for (int i = 0; i < EPROF__N_APPLE_PARTS; i++) assert_close(joules[i], 0, 0);
    const listed suffix[] = { { "Total CPU Energy", "mJ   ", 2000 } };
    add_up(suffix, 1, joules);
    assert_close(joules[EPROF__APPLE_CPU], 2, 1e-9);
}

static void counts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const eprof__apple_channel c = { .name = "CPU Energy", .unit = "mJ", .nanojoules = 1000000 };
    assert_int_equal(eprof__apple_nanojoules(&c, 5), 5000000);
    assert_int_equal(eprof__apple_nanojoules(&c, INT64_MAX / 1000000), INT64_MAX / 1000000 * 1000000);
    assert_int_equal(eprof__apple_nanojoules(&c, INT64_MAX / 1000000 + 1), -1);
    assert_int_equal(eprof__apple_nanojoules(&c, -1), -1);
}

static void elsewhere_there_is_nothing(void **state)
{
    (void)state;
#if defined(__APPLE__)
    print_message("SKIP: this is macOS\n");
#else
    bench *b = bench_open();
    eprof__probe_ioreport(&b->all);
    assert_int_equal(b->all.n, 0);
    bench_close(b);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_an_m1_are_its_totals),
        cmocka_unit_test(an_ultra_is_the_sum_of_its_dies),
        cmocka_unit_test(names_that_only_contain_a_word_do_not_count),
        cmocka_unit_test(counts_that_do_not_fit_are_refused),
        cmocka_unit_test(elsewhere_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
