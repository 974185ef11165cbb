/* SPDX-License-Identifier: MIT
 * test_source_meters.c - which channels add up, which meter is the headline, what is left out: on machines of fixtures
 * whose counters draw known watts, from the probes to the record.
 */
#include "tests/unit/profiler/fake_counter.h"

#include <math.h>

/* A machine from its probes to its record. */
typedef struct chosen {
    probed p;
    eprof__record *r;
} chosen;

static void probe_all(chosen *c, const char *folder)
{
    probed_open(&c->p, folder);
    assert_int_equal(eprof__record_create(&c->r, NULL), EPROF_OK);
}

static void choose(chosen *c)
{
    eprof_error err = EPROF_INIT(eprof_error);
    eprof__probe_process(&c->p.all);
    eprof__probe_machine(&c->p.all);
    eprof__probe_perf_energy(&c->p.all);
    eprof__probe_powercap(&c->p.all);
    eprof__probe_model(&c->p.all);
    eprof__check_alive(&c->p.all);
    assert_int_equal(eprof__choose_meters(&c->p.all, c->r, 60, &err), EPROF_OK);
}

static void close_chosen(chosen *c)
{
    eprof__record_destroy(&c->r);
    probed_close(&c->p);
}

/* The i-th meter: its name, scope and, separated by blanks, its channels' names. */
static void assert_meter(const chosen *c, int i, const char *name, eprof_scope scope, const char *channels)
{
    char text[512] = "";
    assert_true(i < c->r->n_meters);
    const eprof__meter *m = &c->r->meters[i];
    assert_string_equal(m->name, name);
    assert_int_equal(m->scope, scope);
    for (int32_t k = 0; k < m->n_channels; k++) {
        (void)strcat(text, k ? " " : "");
        (void)strcat(text, c->r->channels[m->channels[k]].name);
    }
    assert_string_equal(text, channels);
}

static int n_headlines(const chosen *c)
{
    int n = 0;
    for (int32_t i = 0; i < c->p.all.n; i++) n += c->p.all.list[i].info.headline;
    return n;
}

typedef struct laptop {
    fake_counter pkg, cores, gpu, psys, zone, zone_core, zone_uncore, zone_psys, mmio;
} laptop;

/* A laptop whose events may be opened or not. */
static void open_laptop(chosen *c, laptop *l, double psys_w, bool has_perf)
{
    *l = (laptop){ .pkg = { .watts = 15 }, .cores = { .watts = 10 }, .gpu = { .watts = 1 }, .psys = { .watts = psys_w },
                   .zone = { .watts = 15 }, .zone_core = { .watts = 10 }, .zone_uncore = { .watts = 1 },
                   .zone_psys = { .watts = psys_w }, .mmio = { .watts = 15 } };
    probe_all(c, "tests/machines/intel-laptop");
    if (has_perf) {
        fake_event(c->p.m, 21, 1, 0, &l->cores);
        fake_event(c->p.m, 21, 2, 0, &l->pkg);
        fake_event(c->p.m, 21, 4, 0, &l->gpu);
        fake_event(c->p.m, 21, 5, 0, &l->psys);
    }
    fake_zone(c->p.m, "intel-rapl:0", &l->zone);
    fake_zone(c->p.m, "intel-rapl:0:0", &l->zone_core);
    fake_zone(c->p.m, "intel-rapl:0:1", &l->zone_uncore);
    fake_zone(c->p.m, "intel-rapl:1", &l->zone_psys);
    fake_zone(c->p.m, "intel-rapl-mmio:0", &l->mmio);
    choose(c);
}

static void test_a_laptop_with_psys(void **state)
{
    chosen c;
    laptop l;
    (void)state;
    open_laptop(&c, &l, 22, true);
    assert_int_equal(c.r->n_meters, 4);
    assert_meter(&c, 0, "perf:energy-psys", EPROF_SCOPE_SOC, "perf:energy-psys");
    assert_meter(&c, 1, "perf:energy-pkg", EPROF_SCOPE_PACKAGE, "perf:energy-pkg");
    assert_meter(&c, 2, "perf:energy-cores", EPROF_SCOPE_CORES, "perf:energy-cores");
    assert_meter(&c, 3, "perf:energy-gpu", EPROF_SCOPE_UNCORE, "perf:energy-gpu");
    assert_int_equal(probed_find(&c.p, "perf:energy-psys")->info.headline, 1);
    assert_int_equal(n_headlines(&c), 1);
    assert_true(fabs(probed_find(&c.p, "perf:energy-pkg")->info.power_w - 15) < 0.1);
    assert_demoted(probed_find(&c.p, "powercap:package-0"), "measures the same as perf:energy-pkg (1");
    assert_demoted(probed_find(&c.p, "powercap:package-0@intel-rapl-mmio:0"),
                   "the same counter as powercap:package-0 (1");
    assert_demoted(probed_find(&c.p, "powercap:psys"), "measures the same as perf:energy-psys");
    assert_demoted(probed_find(&c.p, "model"), "an estimate is not needed beside perf:energy-psys");
    close_chosen(&c);
}

static void test_psys_below_its_packages_is_not_believed(void **state)
{
    chosen c;
    laptop l;
    (void)state;
    open_laptop(&c, &l, 9, true);
    assert_meter(&c, 0, "perf:energy-pkg", EPROF_SCOPE_PACKAGE, "perf:energy-pkg");
    assert_int_equal(c.r->n_meters, 3);
    assert_demoted(probed_find(&c.p, "perf:energy-psys"), "less than the 1"); /* 14999 or 15000 mW */
    close_chosen(&c);
    open_laptop(&c, &l, 0, true); /* dead */
    assert_meter(&c, 0, "perf:energy-pkg", EPROF_SCOPE_PACKAGE, "perf:energy-pkg");
    assert_demoted(probed_find(&c.p, "perf:energy-psys"), "stood at 0");
    close_chosen(&c);
}

static void test_powercap_where_perf_is_refused(void **state)
{
    chosen c;
    laptop l;
    (void)state;
    open_laptop(&c, &l, 22, false);
    assert_meter(&c, 0, "powercap:psys", EPROF_SCOPE_SOC, "powercap:psys");
    assert_meter(&c, 1, "powercap:package-0", EPROF_SCOPE_PACKAGE, "powercap:package-0");
    assert_meter(&c, 2, "powercap:package-0/core", EPROF_SCOPE_CORES, "powercap:package-0/core");
    assert_demoted(probed_find(&c.p, "powercap:package-0@intel-rapl-mmio:0"), "the same counter as powercap:package-0");
    close_chosen(&c);
}

static void test_a_twin_stands_in(void **state)
{
    fake_counter dead = { .watts = 0 }, mmio = { .watts = 15 };
    chosen c;
    (void)state;
    probe_all(&c, "tests/machines/intel-laptop");
    fake_zone(c.p.m, "intel-rapl:0", &dead);
    fake_zone(c.p.m, "intel-rapl-mmio:0", &mmio);
    choose(&c);
    assert_meter(&c, 0, "powercap:package-0@intel-rapl-mmio:0", EPROF_SCOPE_PACKAGE,
                 "powercap:package-0@intel-rapl-mmio:0");
    assert_demoted(probed_find(&c.p, "powercap:package-0"), "stood at 0");
    close_chosen(&c);
}

static void test_packages_and_dram_add_up(void **state)
{
    static const char *const zones[] = { "intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1:0" };
    fake_counter w[4] = { { .watts = 60 }, { .watts = 5 }, { .watts = 50 }, { .watts = 4 } };
    chosen c;
    (void)state;
    probe_all(&c, "tests/machines/xeon-2-socket");
    for (int i = 0; i < 4; i++) fake_zone(c.p.m, zones[i], &w[i]);
    choose(&c);
    assert_int_equal(c.r->n_meters, 1);
    assert_meter(&c, 0, "powercap:package+dram", EPROF_SCOPE_PACKAGE_DRAM,
                 "powercap:package-1 powercap:package-0 powercap:package-1/dram powercap:package-0/dram");
    assert_int_equal(n_headlines(&c), 4);
    close_chosen(&c);
    probe_all(&c, "tests/machines/xeon-2-socket"); /* with perf, whose DRAM event is dead: DRAM by powercap */
    fake_counter pkg[2] = { { .watts = 60 }, { .watts = 50 } }, ram[2] = { { .watts = 0 }, { .watts = 0 } };
    for (int i = 0; i < 4; i++) fake_zone(c.p.m, zones[i], &w[i]);
    for (int i = 0; i < 2; i++) {
        fake_event(c.p.m, 18, 2, 4 * i, &pkg[i]);
        fake_event(c.p.m, 18, 3, 4 * i, &ram[i]);
    }
    choose(&c);
    assert_meter(&c, 0, "perf:package+dram", EPROF_SCOPE_PACKAGE_DRAM,
                 "perf:energy-pkg powercap:package-1/dram powercap:package-0/dram");
    close_chosen(&c);
}

static void test_dies_add_up(void **state)
{
    static const char *const zones[] = { "intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1:0" };
    fake_counter w[4] = { { .watts = 60 }, { .watts = 5 }, { .watts = 50 }, { .watts = 4 } };
    chosen c;
    (void)state;
    probe_all(&c, "tests/machines/multi-die");
    for (int i = 0; i < 4; i++) fake_zone(c.p.m, zones[i], &w[i]);
    choose(&c);
    assert_meter(&c, 0, "powercap:package+dram", EPROF_SCOPE_PACKAGE_DRAM,
                 "powercap:package-0-die-0 powercap:package-0-die-1 powercap:package-0-die-0/dram "
                 "powercap:package-0-die-1/dram");
    close_chosen(&c);
}

static void test_the_way_that_has_all_packages(void **state)
{
    fake_counter one = { .watts = 60 }, pkg[2] = { { .watts = 60 }, { .watts = 50 } };
    chosen c;
    (void)state;
    probe_all(&c, "tests/machines/xeon-2-socket"); /* powercap shows one of two: perf, though less would do */
    fake_zone(c.p.m, "intel-rapl:0", &one);
    for (int i = 0; i < 2; i++) fake_event(c.p.m, 18, 2, 4 * i, &pkg[i]);
    choose(&c);
    assert_meter(&c, 0, "perf:energy-pkg", EPROF_SCOPE_PACKAGE, "perf:energy-pkg");
    close_chosen(&c);
    probe_all(&c, "tests/machines/xeon-2-socket"); /* only one of two there is: its name says so */
    fake_zone(c.p.m, "intel-rapl:0", &one);
    choose(&c);
    assert_meter(&c, 0, "powercap:package-1", EPROF_SCOPE_PACKAGE, "powercap:package-1");
    close_chosen(&c);
}

static void test_machines_where_nothing_measures(void **state)
{
    static const char *const machines[] = { "tests/machines/this-vm", "tests/machines/locked-laptop",
                                            "tests/machines/no-powercap" };
    (void)state;
    for (int i = 0; i < 3; i++) {
        fake_counter psys = { .watts = 0 };
        chosen c;
        probe_all(&c, machines[i]);
        fake_event(c.p.m, 9, 5, 0, &psys);
        choose(&c);
        assert_int_equal(c.r->n_meters, 1);
        assert_meter(&c, 0, "model", EPROF_SCOPE_BOARD_DC, "model");
        assert_int_equal(c.r->channels[c.r->meters[0].channels[0]].cls, EPROF_CLASS_MODEL);
        assert_int_equal(probed_find(&c.p, "model")->info.headline, 1);
        close_chosen(&c);
    }
}

static void test_amd(void **state)
{
    fake_counter pkg = { .watts = 30 }, core[4] = { { .watts = 3 }, { .watts = 3 }, { .watts = 3 }, { .watts = 3 } };
    fake_counter zone = { .watts = 30 }, zone_core = { .watts = 12 };
    chosen c;
    (void)state;
    probe_all(&c, "tests/machines/amd-desktop");
    fake_event(c.p.m, 14, 2, 0, &pkg);
    for (int i = 0; i < 4; i++) fake_event(c.p.m, 15, 1, i, &core[i]);
    fake_zone(c.p.m, "intel-rapl:0", &zone);
    fake_zone(c.p.m, "intel-rapl:0:0", &zone_core);
    choose(&c);
    assert_int_equal(c.r->n_meters, 2);
    assert_meter(&c, 0, "perf:energy-pkg", EPROF_SCOPE_PACKAGE, "perf:energy-pkg");
    assert_meter(&c, 1, "perf:energy-core", EPROF_SCOPE_CORES, "perf:energy-core");
    close_chosen(&c);
}

/* ---------------------------------------------------------------------------------- meters without fixtures -- */

static eprof__source *add(chosen *c, const char *name, eprof_scope scope, eprof__kind kind, int64_t period_ns)
{
    eprof__source *s = eprof__sources_add(&c->p.all, name);
    s->info.live = 1;
    s->info.scope = (int32_t)scope;
    s->info.cls = kind == EPROF__ENERGY ? EPROF_CLASS_COUNTER : EPROF_CLASS_SAMPLE;
    s->n_channels = 1;
    s->channels[0] = (eprof__channel){ .kind = kind, .cls = (eprof_class)s->info.cls, .scope = scope, .scale = 1e-3,
                                       .period_ns = period_ns, .lsb = 1e-3, .accuracy = 0.01 };
    (void)snprintf(s->channels[0].name, sizeof s->channels[0].name, "%s", name);
    return s;
}

static void add_model(chosen *c)
{
    add(c, "model", EPROF_SCOPE_BOARD_DC, EPROF__POWER, 200000000)->info.cls = EPROF_CLASS_MODEL;
}

static void test_half_of_the_packages_is_no_way(void **state)
{
    chosen c;
    (void)state;
    probe_all(&c, NULL);
    eprof__source *dead = add(&c, "powercap:package-0", EPROF_SCOPE_PACKAGE, EPROF__ENERGY, 200000000);
    eprof__source *half = add(&c, "powercap:package-1", EPROF_SCOPE_PACKAGE, EPROF__ENERGY, 200000000);
    (void)add(&c, "msr:package-0", EPROF_SCOPE_PACKAGE, EPROF__ENERGY, 200000000);
    (void)add(&c, "msr:package-1", EPROF_SCOPE_PACKAGE, EPROF__ENERGY, 200000000);
    eprof__source_dead(dead, NULL, "permission denied");
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 60, NULL), EPROF_OK);
    assert_meter(&c, 0, "msr:package", EPROF_SCOPE_PACKAGE, "msr:package-0 msr:package-1");
    assert_demoted(half, "measures the same as msr:package-0");
    assert_demoted(dead, "permission denied");
    close_chosen(&c);
}

static void test_order_of_scopes(void **state)
{
    enum { FIFTH = 200000000, SECOND = 1000000000 };
    chosen c;
    (void)state;
    probe_all(&c, NULL);
    (void)add(&c, "hwmon:gpu", EPROF_SCOPE_OTHER, EPROF__POWER, FIFTH);
    (void)add(&c, "battery", EPROF_SCOPE_BOARD_DC, EPROF__POWER, 2 * (int64_t)SECOND);
    (void)add(&c, "perf:energy-pkg", EPROF_SCOPE_PACKAGE, EPROF__ENERGY, FIFTH);
    (void)add(&c, "pmic", EPROF_SCOPE_SOC, EPROF__POWER, FIFTH);
    (void)add(&c, "shelly:a", EPROF_SCOPE_WALL_AC, EPROF__POWER, SECOND);
    (void)add(&c, "fnb58", EPROF_SCOPE_BOARD_DC, EPROF__POWER, FIFTH);
    add_model(&c);
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 60, NULL), EPROF_OK);
    static const char *const order[] = { "fnb58", "shelly:a", "pmic", "perf:energy-pkg", "battery", "hwmon:gpu" };
    assert_int_equal(c.r->n_meters, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(c.r->meters[i].name, order[i]);
    assert_int_equal(probed_find(&c.p, "fnb58")->info.headline, 1);
    assert_int_equal(n_headlines(&c), 1);
    close_chosen(&c);
}

static void test_one_rail_is_no_headline(void **state)
{
    chosen c;
    (void)state;
    probe_all(&c, NULL);
    (void)add(&c, "hwmon:gpu", EPROF_SCOPE_OTHER, EPROF__POWER, 200000000);
    add_model(&c);
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 60, NULL), EPROF_OK);
    assert_string_equal(c.r->meters[0].name, "model");
    assert_string_equal(c.r->meters[1].name, "hwmon:gpu");
    close_chosen(&c);
    probe_all(&c, NULL);
    (void)add(&c, "hwmon:gpu", EPROF_SCOPE_OTHER, EPROF__POWER, 200000000);
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 60, NULL), EPROF_OK);
    assert_int_equal(c.r->n_meters, 0);
    assert_int_equal(c.r->n_channels, 1); /* recorded all the same */
    close_chosen(&c);
}

static void test_channels_of_a_source(void **state)
{
    chosen c;
    (void)state;
    probe_all(&c, NULL);
    eprof__source *usb = add(&c, "um25c", EPROF_SCOPE_BOARD_DC, EPROF__POWER, 500000000);
    usb->n_channels = 2; /* its counter has steps of 3.6 J */
    usb->channels[1] = usb->channels[0];
    usb->channels[1].kind = EPROF__ENERGY;
    usb->channels[1].lsb = 3.6;
    eprof__source *ina = add(&c, "ina228", EPROF_SCOPE_BOARD_DC, EPROF__POWER, 400000000);
    ina->n_channels = 2;
    ina->channels[1] = ina->channels[0];
    ina->channels[1].kind = EPROF__ENERGY;
    ina->channels[1].lsb = 1e-6;
    eprof__source *pmic = add(&c, "pmic", EPROF_SCOPE_SOC, EPROF__POWER, 300000000);
    pmic->n_channels = 4;
    for (int i = 1; i < 4; i++) pmic->channels[i] = pmic->channels[0];
    pmic->channels[1].scope = EPROF_SCOPE_OTHER; /* one rail of the sum */
    pmic->channels[3].kind = EPROF__THROTTLED;
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 60, NULL), EPROF_OK);
    assert_int_equal(c.r->n_meters, 3);
    assert_string_equal(c.r->meters[0].name, "ina228");
    assert_int_equal(c.r->meters[0].n_channels, 1);
    assert_int_equal(c.r->meters[0].channels[0], ina->first_channel + 1);
    assert_int_equal(c.r->meters[1].channels[0], usb->first_channel);
    assert_int_equal(c.r->meters[2].n_channels, 2);
    assert_int_equal(c.r->meters[2].channels[1], pmic->first_channel + 2);
    close_chosen(&c);
}

static void test_room(void **state)
{
    chosen c;
    (void)state;
    probe_all(&c, NULL);
    for (int i = 0; i < 20; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "hwmon:rails%d", i);
        eprof__source *s = add(&c, name, EPROF_SCOPE_OTHER, EPROF__POWER, 200000000);
        s->n_channels = 8;
        for (int k = 1; k < 8; k++) s->channels[k] = s->channels[0];
    }
    (void)add(&c, "cpu", EPROF_SCOPE_OTHER, EPROF__CPU_BUSY, 200000000); /* last, and has its place */
    (void)add(&c, "fnb58", EPROF_SCOPE_BOARD_DC, EPROF__POWER, 200000000);
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 60, NULL), EPROF_OK);
    assert_int_equal(probed_find(&c.p, "cpu")->info.live, 1);
    assert_string_equal(c.r->meters[0].name, "fnb58");
    assert_int_equal(c.r->n_meters, EPROF__MAX_METERS);
    assert_int_equal(c.r->n_channels, 2 + 11 * 8);
    assert_demoted(probed_find(&c.p, "hwmon:rails19"), "a record has room for 96 channels");
    close_chosen(&c);
    probe_all(&c, NULL); /* more zones than one meter has channels */
    for (int i = 0; i < 17; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "powercap:package-%d", i);
        (void)add(&c, name, EPROF_SCOPE_PACKAGE, EPROF__ENERGY, 200000000);
    }
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 60, NULL), EPROF_OK);
    assert_int_equal(c.r->meters[0].n_channels, 16);
    assert_demoted(probed_find(&c.p, "powercap:package-16"), "more zones than a meter can have");
    close_chosen(&c);
}

static void test_rings(void **state)
{
    chosen c;
    (void)state;
    probe_all(&c, NULL);
    eprof__source *edges = add(&c, "perf:energy-pkg", EPROF_SCOPE_PACKAGE, EPROF__ENERGY, 200000000);
    eprof__source *only = add(&c, "pss", EPROF_SCOPE_OTHER, EPROF__RAM_PSS, 0);
    eprof__source *fast = add(&c, "fnb58", EPROF_SCOPE_BOARD_DC, EPROF__POWER, 10000000);
    edges->at_edges = true;
    assert_int_equal(eprof__choose_meters(&c.p.all, c.r, 3600, NULL), EPROF_OK);
    assert_int_equal(c.r->samples[fast->first_channel].capacity, 450064);
    assert_int_equal(c.r->samples[edges->first_channel].capacity, 22564 + 65536);
    assert_int_equal(c.r->samples[only->first_channel].capacity, 65536);
    close_chosen(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_laptop_with_psys), cmocka_unit_test(test_psys_below_its_packages_is_not_believed),
        cmocka_unit_test(test_powercap_where_perf_is_refused), cmocka_unit_test(test_a_twin_stands_in),
        cmocka_unit_test(test_packages_and_dram_add_up), cmocka_unit_test(test_dies_add_up),
        cmocka_unit_test(test_the_way_that_has_all_packages), cmocka_unit_test(test_machines_where_nothing_measures),
        cmocka_unit_test(test_amd), cmocka_unit_test(test_half_of_the_packages_is_no_way),
        cmocka_unit_test(test_order_of_scopes),
        cmocka_unit_test(test_one_rail_is_no_headline), cmocka_unit_test(test_channels_of_a_source),
        cmocka_unit_test(test_room), cmocka_unit_test(test_rings) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
