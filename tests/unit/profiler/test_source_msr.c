/* SPDX-License-Identifier: MIT
 * test_source_msr.c - registers: addresses and units of Intel and AMD, packages, what is not there, 32 bits.
 */
#include "tests/unit/profiler/fake_counter.h"

#include <errno.h>
#include <math.h>

/* The registers of all CPUs; a value of 0 is not there. Addresses are offsets of the device, which no file of fixtures
 * is long enough for. */
typedef struct registers {
    const eprof_io *under;
    struct { uint64_t address, value; } list[8];
    int error;             /* of every read, 0: none */
    int64_t size;          /* bytes that a read gives */
} registers;

static int64_t pread_msr(void *user, int fd, void *buf, uint64_t n_bytes, uint64_t offset)
{
    const registers *r = user;
    char name[8] = "";
    if (r->under->pread(r->under->user, fd, name, 3, 0) != 3 || memcmp(name, "msr", 3) != 0)
        return r->under->pread(r->under->user, fd, buf, n_bytes, offset);
    if (r->error) return -r->error;
    for (size_t i = 0; i < sizeof r->list / sizeof *r->list; i++) {
        if (r->list[i].address != offset || !r->list[i].value) continue;
        memcpy(buf, &r->list[i].value, (size_t)r->size);
        return r->size;
    }
    return -EIO;
}

static int open_under(void *user, const char *path, int flags)
{
    const registers *r = user;
    return r->under->open(r->under->user, path, flags);
}

static void close_under(void *user, int fd)
{
    const registers *r = user;
    r->under->close(r->under->user, fd);
}

/* A machine with these registers and a device for each of the CPUs. */
static void open_msr(probed *p, registers *r, eprof_io *io, const char *folder, const char *const *devices)
{
    probed_open(p, folder);
    for (int i = 0; devices[i]; i++) fake_file(p->m, devices[i], "msr");
    r->under = fake_io(p->m);
    r->size = 8;
    *io = *r->under;
    io->user = r;
    io->pread = pread_msr;
    io->open = open_under;
    io->close = close_under;
    p->all.io = io;
    eprof__probe_msr(&p->all);
}

/* As probed_read, without the clock, which belongs to the machine below. */
static int read_source(probed *p, eprof__source *s)
{
    memset(p->ok, 0, sizeof p->ok);
    return s->ops->read(s, p->all.io, p->raw, p->ok, &p->begin_ns, &p->end_ns);
}

static void test_a_laptop_of_intel(void **state)
{
    static const char *const devices[] = { "/dev/cpu/0/msr", NULL };
    registers r = { .list = { { 0x606, 0xA0E03 }, { 0x611, UINT64_C(0xABCDEF0180000000) }, { 0x639, 5 }, { 0x641, 7 },
                              { 0x64D, 9 } } };
    eprof_io io;
    probed p;
    (void)state;
    open_msr(&p, &r, &io, "tests/machines/intel-laptop", devices);
    assert_int_equal(p.all.n, 4); /* no DRAM register */
    eprof__source *s = probed_find(&p, "msr:package-0");
    assert_true(s->channels[0].scale == 1.0 / 16384 && s->channels[0].wrap == UINT64_C(1) << 32);
    assert_int_equal(read_source(&p, s), 0);
    assert_true(p.raw[0] == INT64_C(0x80000000)); /* the low 32 bits, unsigned */
    assert_int_equal(probed_find(&p, "msr:package-0/core")->info.scope, EPROF_SCOPE_CORES);
    assert_int_equal(probed_find(&p, "msr:package-0/uncore")->info.scope, EPROF_SCOPE_UNCORE);
    assert_int_equal(probed_find(&p, "msr:psys")->info.scope, EPROF_SCOPE_SOC);
    assert_non_null(strstr(s->info.what, "register 0x611"));
    r.list[1].value = UINT64_MAX;
    assert_int_equal(read_source(&p, s), 0);
    assert_true(p.raw[0] == UINT32_MAX);
    r.error = EIO; /* its CPU was switched off */
    assert_int_equal(read_source(&p, s), -EIO);
    assert_false(p.ok[0]);
    r.error = 0;
    r.size = 4;
    assert_int_equal(read_source(&p, s), -EIO);
    probed_close(&p);
}

static void test_two_packages_and_fixed_units(void **state)
{
    static const char *const devices[] = { "/dev/cpu/0/msr", "/dev/cpu/4/msr", NULL };
    static const struct { const char *model; double package, dram, psys; } models[] = {
        { "85", 1.0 / 16384, 1.0 / 65536, 1.0 / 16384 }, { "143", 1.0 / 16384, 1.0 / 65536, 1 },
        { "142", 1.0 / 16384, 1.0 / 16384, 1.0 / 16384 }, { "55", 16384e-6, 16384e-6, 16384e-6 } };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        registers r = { .list = { { 0x606, 14 << 8 }, { 0x611, 1 }, { 0x619, 1 }, { 0x64D, 1 } } };
        eprof_io io;
        probed p;
        char text[256];
        (void)snprintf(text, sizeof text, "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: %s\nmodel name\t: X\n",
                       models[i].model);
        open_msr(&p, &r, &io, "tests/machines/xeon-2-socket", devices);
        for (int32_t k = 0; k < p.all.n; k++) p.all.list[k].ops->close(&p.all.list[k], &io);
        fake_file(p.m, "/proc/cpuinfo", text);
        p.all.n = 0;
        eprof__probe_msr(&p.all);
        assert_int_equal(p.all.n, 5); /* psys once */
        assert_true(probed_find(&p, "msr:package-0")->channels[0].scale == models[i].package);
        assert_true(probed_find(&p, "msr:package-1/dram")->channels[0].scale == models[i].dram);
        assert_true(probed_find(&p, "msr:psys")->channels[0].scale == models[i].psys);
        probed_close(&p);
    }
}

static void test_amd(void **state)
{
    static const char *const devices[] = { "/dev/cpu/0/msr", NULL };
    registers r = { .list = { { 0xC0010299, 0xA1003 }, { 0xC001029A, 3 }, { 0xC001029B, 12345 } } };
    eprof_io io;
    probed p;
    (void)state;
    open_msr(&p, &r, &io, "tests/machines/amd-desktop", devices);
    assert_int_equal(p.all.n, 1);
    eprof__source *s = probed_find(&p, "msr:package-0");
    assert_true(s->channels[0].scale == 1.0 / 65536);
    assert_int_equal(read_source(&p, s), 0);
    assert_int_equal(p.raw[0], 12345);
    probed_close(&p);
}

static void test_what_would_unlock_it(void **state)
{
    static const char *const none[] = { NULL }, *const devices[] = { "/dev/cpu/0/msr", NULL };
    registers r = { 0 };
    eprof_io io;
    probed p;
    (void)state;
    open_msr(&p, &r, &io, "tests/machines/intel-laptop", none);
    assert_dead(probed_find(&p, "msr"), "/dev/cpu/0/msr: not there", "sudo modprobe msr");
    probed_close(&p);
    r.error = EPERM; /* the device opens, the capability is missing */
    open_msr(&p, &r, &io, "tests/machines/intel-laptop", devices);
    assert_dead(probed_find(&p, "msr"), "permission denied",
                "sudo setcap cap_sys_rawio,cap_dac_read_search+ep PROGRAM");
    probed_close(&p);
    r.error = EIO; /* a virtual machine */
    open_msr(&p, &r, &io, "tests/machines/this-vm", devices);
    assert_dead(probed_find(&p, "msr"), "input/output error", "");
    probed_close(&p);
    open_msr(&p, &r, &io, NULL, none);
    assert_dead(probed_find(&p, "msr"), "no Intel or AMD processor", "");
    probed_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_laptop_of_intel), cmocka_unit_test(test_two_packages_and_fixed_units),
        cmocka_unit_test(test_amd), cmocka_unit_test(test_what_would_unlock_it) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
