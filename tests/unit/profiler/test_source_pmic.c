/* SPDX-License-Identifier: MIT
 * test_source_pmic.c - the Raspberry Pi 5's rails: captured answers, answers that are cut or wrong, a mailbox that
 * fails in every way of profiling.md 2.2, throttling, calibration.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "profiler/sources/calibration.h"
#include "profiler/sources/pi_mailbox.h"
#include "profiler/sources/pi_pmic.h"

#define PI5 "tests/machines/pi5"
#define SERIAL "100000001234abcd"

enum { ROOM = EPROF__MAILBOX_ROOM };

static char heavy[ROOM], four_cores[ROOM];

static void read_capture(const char *path, char text[ROOM])
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, ROOM - 1, in)] = '\0';
    (void)fclose(in);
}

static int read_captures(void **state)
{
    (void)state;
    read_capture(PI5 "/captures/heavy.txt", heavy);
    read_capture(PI5 "/captures/four-cores.txt", four_cores);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- the text -- */

static int parse(const char *text, eprof__pmic *out) { return eprof__parse_pmic(text, strlen(text), out); }

static void test_captured_answers(void **state)
{
    (void)state;
    eprof__pmic p;
    assert_int_equal(parse(heavy, &p), 0);
    assert_int_equal(p.n_pairs, 12);
    assert_true(fabs(p.total_w - 10.799894446988574) < 1e-12);
    assert_true(fabs(p.core_w - 9.761432554356) < 1e-12);
    assert_true(fabs(p.ddr_w - 0.00861105199176) < 1e-12);
    assert_true(p.ext5v_v == 5.06788);
    assert_int_equal(parse(four_cores, &p), 0);
    assert_int_equal(p.n_pairs, 12);
    assert_true(fabs(p.total_w - 7.239818798015811) < 1e-12);
    assert_true(fabs(p.core_w - 5.36360715593) < 1e-12);
    assert_true(fabs(p.ddr_w - 0.28915505966892) < 1e-12);
}

/* Cut anywhere, a text gives its true sum or nothing: never a smaller one. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    eprof__pmic whole, part;
    assert_int_equal(parse(four_cores, &whole), 0);
    const size_t n = strlen(four_cores), last_pair = (size_t)(strstr(four_cores, "EXT5V") - four_cores);
    int n_whole = 0;
    for (size_t i = 0; i < n; i++) {
        const int status = eprof__parse_pmic(four_cores, i, &part);
        if (status == 0) {
            assert_true(part.total_w == whole.total_w && i + 8 > last_pair);
            n_whole++;
        } else {
            assert_int_equal(status, -EBADMSG);
        }
    }
    assert_true(n_whole > 0);
}

/* A change of one piece of the heavy capture. */
static int parse_changed(const char *from, const char *to, eprof__pmic *out)
{
    char text[2 * ROOM];
    const char *at = strstr(heavy, from);
    assert_non_null(at);
    const int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - heavy), heavy, to, at + strlen(from));
    return eprof__parse_pmic(text, (uint64_t)n, out);
}

static void test_tolerated(void **state)
{
    (void)state;
    eprof__pmic p;
    const double total = 10.799894446988574;
    assert_int_equal(parse_changed("     EXT5V_V volt(24)=5.06788000V\n", "", &p), 0);
    assert_true(isnan(p.ext5v_v) && fabs(p.total_w - total) < 1e-12);
    assert_int_equal(parse_changed("BATT_V volt(25)=3.01110800V\n", "BATT_V volt(25)=nanV", &p), 0);
    assert_int_equal(parse_changed("     EXT5V_V", "firmware of tomorrow\r\nNEW_V level=3V\n=\n_A\n\tEXT5V_V", &p), 0);
    assert_true(fabs(p.total_w - total) < 1e-12);
    /* the supply's current, should it ever be told, is no rail */
    assert_int_equal(parse_changed("     EXT5V_V", "EXT5V_A current(30)=2.0A\n EXT5V_V", &p), 0);
    assert_int_equal(p.n_pairs, 12);
    assert_true(fabs(p.total_w - total) < 1e-12);
    assert_int_equal(parse_changed("10.87674000A\n", "1.087674e1A \r\n", &p), 0);
    assert_true(fabs(p.total_w - total) < 1e-9);
    assert_int_equal(parse_changed("0.00042735A", "-0.5A", &p), 0);
    assert_true(fabs(p.total_w - (total - 3.302194 * 0.50042735)) < 1e-9);
    assert_int_equal(parse_changed("current(7)", "current(31)", &p), 0); /* names pair, numbers do not */
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *from, *to; } changes[] = {
        { "10.87674000A", "10.8767" },   { "10.87674000A", "10,87674000A" }, { "10.87674000A", "nanA" },
        { "10.87674000A", "1e300A" },    { "10.87674000A", "A" },            { "10.87674000A", "10.87674000V" },
        { "0.89745940V", "0.8974" },     { "0.89745940V", "-1e9V" },         { "VDD_CORE_V", "VDD_CARE_V" },
        { "VDD_CORE_A", "VDD_CORE_B" },  { "3V3_DAC_V volt(20)=3.30494200V", "" },
    };
    eprof__pmic p;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        assert_int_equal(parse_changed(changes[i].from, changes[i].to, &p), -EBADMSG);
    assert_int_equal(parse("", &p), -EBADMSG);
    assert_int_equal(parse("error=1 error_msg=\"Command not registered\"", &p), -ENOTSUP);
    /* VDD_CORE and six more */
    assert_int_equal(parse("VDD_CORE_A a=1A\nVDD_CORE_V v=1V\nA_A a=1A\nA_V v=1V\nB_A a=1A\nB_V v=1V\nC_A a=1A\n"
                           "C_V v=1V\nD_A a=1A\nD_V v=1V\nE_A a=1A\nE_V v=1V\nF_A a=1A\nF_V v=1V\n", &p), -EBADMSG);
    assert_int_equal(p.n_pairs, 7);
}

/* ------------------------------------------------------------------------------------------------ the mailbox -- */

typedef struct mailbox {
    const char *adc, *throttled;
    uint32_t status, gencmd_error;
    int error;              /* of the ioctl */
    bool is_endless;        /* no NUL in the answer */
    int n_asked;
} mailbox;

static int answer(void *user, int64_t now_ns, unsigned long request, void *arg)
{
    mailbox *b = user;
    uint32_t *w = arg;
    (void)now_ns;
    b->n_asked++;
    assert_int_equal(request, sizeof(char *) == 8 ? 0xc0086400ul : 0xc0046400ul);
    assert_int_equal(w[0], 7 * 4 + ROOM);
    assert_int_equal(w[1], 0);
    assert_int_equal(w[2], 0x00030080);
    assert_int_equal(w[3], ROOM);
    assert_int_equal(w[6 + ROOM / 4], 0);
    if (b->error) return -b->error;
    const bool is_adc = strcmp((char *)&w[6], "pmic_read_adc") == 0;
    if (!is_adc) assert_string_equal((char *)&w[6], "get_throttled");
    const char *text = is_adc ? b->adc : b->throttled;
    memset(&w[6], b->is_endless ? ' ' : 0, ROOM);
    memcpy(&w[6], text, strlen(text) + !b->is_endless);
    w[1] = b->status;
    w[4] = 0x80000000u | (uint32_t)(strlen(text) + 1);
    w[5] = b->gencmd_error;
    return 0;
}

static mailbox working(void) { return (mailbox){ .adc = heavy, .throttled = "throttled=0x0", .status = 0x80000000u }; }

static void probe(probed *p, const char *folder, mailbox *b, const char *device)
{
    probed_open(p, folder);
    const fake_device d = { .user = b, .ioctl = answer };
    if (b) fake_attach(p->m, device, &d);
    eprof__probe_pmic(&p->all);
}

static void test_pi5(void **state)
{
    (void)state;
    mailbox b = working();
    probed p;
    probe(&p, PI5, &b, "/dev/vcio_gencmd");
    assert_int_equal(p.all.n, 1);
    eprof__source *s = probed_find(&p, "pmic");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->info.scope, EPROF_SCOPE_SOC);
    assert_int_equal(s->info.cls, EPROF_CLASS_SAMPLE);
    assert_true(fabs(s->info.power_w - 10.799894) < 1e-6 && fabs(s->info.accuracy_pct - 15) < 1e-9);
    assert_says(s->info.what, "not applied: board = 1.1451 P + 0.5879 W");
    assert_true(s->is_slow && !s->at_edges && s->period_ns == 100000000);
    static const char *const names[] = { "pmic", "pmic:VDD_CORE", "pmic:DDR", "pmic:throttled" };
    assert_int_equal(s->n_channels, 4);
    for (int i = 0; i < 4; i++) assert_string_equal(s->channels[i].name, names[i]);
    assert_int_equal(s->channels[0].scope, EPROF_SCOPE_SOC);
    assert_int_equal(s->channels[1].scope, EPROF_SCOPE_OTHER);
    assert_int_equal(s->channels[3].kind, EPROF__THROTTLED);
    assert_true(!s->channels[0].is_calibrated && s->channels[0].accuracy == 0.15);
    fake_delay(p.m, "/dev/vcio*", 11300000); /* two questions: 22.6 ms */
    b.adc = four_cores;
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 7239819);
    assert_int_equal(p.raw[1], 5363607);
    assert_int_equal(p.raw[2], 289155);
    assert_true(p.ok[0] && p.ok[1] && p.ok[2] && p.ok[3]);
    assert_true(p.end_ns - p.begin_ns >= 22600000);
    probed_close(&p);
}

static void test_throttling(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t bits; } steps[] = {
        { "throttled=0x50000", 0 },   /* what happened before is known */
        { "throttled=0x50005", 5 },   { "throttled=0x50000", 0 },
        { "throttled=0xd0000", 8 },   /* between two readings, and over again */
        { "throttled=0xD0002\n", 2 }, { "throttled=0xf0002", 2 },
    };
    mailbox b = working();
    b.throttled = steps[0].text;
    probed p;
    probe(&p, PI5, &b, "/dev/vcio_gencmd");
    eprof__source *s = probed_find(&p, "pmic");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        b.throttled = steps[i].text;
        assert_int_equal(probed_read(&p, s), 0);
        assert_true(p.ok[3]);
        assert_int_equal(p.raw[3], steps[i].bits);
    }
    static const char *const wrong[] = { "", "throttled=", "throttled=0x", "throttled=0x1g", "throttled=0x123456789" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        b.throttled = wrong[i];
        assert_int_equal(probed_read(&p, s), 0); /* the power is good */
        assert_true(p.ok[0] && !p.ok[3]);
    }
    probed_close(&p);
}

static void test_pi4(void **state)
{
    (void)state;
    mailbox b = working();
    b.adc = "error=1 error_msg=\"Command not registered\"";
    b.throttled = "throttled=0x4";
    probed p;
    probe(&p, "tests/machines/pi4", &b, "/dev/vcio");
    assert_int_equal(p.all.n, 2);
    assert_dead(probed_find(&p, "pmic"), "Raspberry Pi 4 and older have no current sensors", "");
    eprof__source *s = probed_find(&p, "pmic:throttled");
    assert_int_equal(s->info.live, 1);
    assert_int_equal(s->n_channels, 1);
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(p.ok[0] && p.raw[0] == 4);
    b.error = ETIMEDOUT;
    assert_int_equal(probed_read(&p, s), -ETIMEDOUT);
    assert_false(p.ok[0]);
    probed_close(&p);
}

static void test_other_machines(void **state)
{
    (void)state;
    probed p;
    probe(&p, "tests/machines/ina228-hat", NULL, NULL);
    assert_int_equal(p.all.n, 0);
    probed_close(&p);
    probe(&p, PI5, NULL, NULL);
    assert_dead(probed_find(&p, "pmic"), "neither /dev/vcio_gencmd nor /dev/vcio", "");
    probed_close(&p);
}

static void test_locked(void **state)
{
    (void)state;
    mailbox b = working();
    probed p;
    probed_open(&p, PI5);
    const fake_device d = { .user = &b, .ioctl = answer };
    fake_attach(p.m, "/dev/vcio_gencmd", &d);
    fake_attach(p.m, "/dev/vcio", &d);
    fake_error(p.m, "/dev/vcio*", 'o', EACCES, -1);
    eprof__probe_pmic(&p.all);
    assert_dead(probed_find(&p, "pmic"), "permission denied", "sudo usermod -aG video");
    assert_int_equal(b.n_asked, 0);
    probed_close(&p);
}

/* Each failure at the probe says what it is; later it is a reading that is missing, and the next one is good. */
static void test_mailbox_faults(void **state)
{
    (void)state;
    static const struct { uint32_t status, gencmd_error; int error; bool is_endless; const char *why; int expected; }
    faults[] = {
        { 0, 0, 0, false, "mailbox status 0", -EIO },
        { 0x80000001u, 0, 0, false, "did not understand", -EPROTO },
        { 0x80000000u, 1, 0, false, "knows no pmic_read_adc", -ENOTSUP },
        { 0x80000000u, 0, 0, true, "cut off", -EMSGSIZE },
        { 0x80000000u, 0, ETIMEDOUT, false, "within a second", -ETIMEDOUT },
        { 0x80000000u, 0, EPERM, false, "tag", -EPERM },
        { 0x80000000u, 0, EINVAL, false, "the driver refuses", -EINVAL },
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        mailbox good = working(), bad = working();
        bad.status = faults[i].status;
        bad.gencmd_error = faults[i].gencmd_error;
        bad.error = faults[i].error;
        bad.is_endless = faults[i].is_endless;
        mailbox b = bad;
        probed p;
        probe(&p, PI5, &b, "/dev/vcio_gencmd");
        assert_int_equal(p.all.n, 1);
        assert_dead(probed_find(&p, "pmic"), faults[i].why, "");
        probed_close(&p);
        b = good;
        probe(&p, PI5, &b, "/dev/vcio_gencmd");
        eprof__source *s = probed_find(&p, "pmic");
        b = bad;
        assert_int_equal(probed_read(&p, s), faults[i].expected);
        for (int c = 0; c < 4; c++) assert_false(p.ok[c]);
        b = good;
        fake_sleep(p.m, INT64_C(10000000000));
        assert_int_equal(probed_read(&p, s), 0);
        assert_int_equal(p.raw[0], 10799894);
        probed_close(&p);
    }
}

/* A firmware that hangs is asked once in ten seconds: each question costs the kernel a second. */
static void test_rests_after_timeout(void **state)
{
    (void)state;
    mailbox b = working();
    probed p;
    probe(&p, PI5, &b, "/dev/vcio_gencmd");
    eprof__source *s = probed_find(&p, "pmic");
    b.error = ETIMEDOUT;
    b.n_asked = 0;
    for (int i = 0; i < 250; i++) {
        assert_int_equal(probed_read(&p, s), -ETIMEDOUT);
        fake_sleep(p.m, 100000000);
    }
    assert_int_equal(b.n_asked, 3);
    probed_close(&p);
}

static void test_rails_that_change(void **state)
{
    (void)state;
    char fewer[ROOM], zero[ROOM];
    mailbox b = working();
    probed p;
    probe(&p, PI5, &b, "/dev/vcio_gencmd");
    eprof__source *s = probed_find(&p, "pmic");
    /* one rail less is no reading, though eleven would do at the probe */
    (void)snprintf(fewer, sizeof fewer, "%s", heavy);
    memcpy(strstr(fewer, "HDMI_A"), "HDMI_X", 6);
    b.adc = fewer;
    assert_int_equal(probed_read(&p, s), -EBADMSG);
    /* a core without current */
    (void)snprintf(zero, sizeof zero, "%s", heavy);
    memcpy(strstr(zero, "10.87674000A"), "00.00000000A", 12);
    b.adc = zero;
    assert_int_equal(probed_read(&p, s), -ERANGE);
    b.adc = heavy;
    assert_int_equal(probed_read(&p, s), 0);
    probed_close(&p);
}

static void test_ddr_all_zero(void **state)
{
    (void)state;
    char text[ROOM];
    (void)snprintf(text, sizeof text, "%s", heavy);
    memcpy(strstr(text, "0.00780744A"), "0.00000000A", 11);
    mailbox b = working();
    b.adc = text;
    probed p;
    probe(&p, PI5, &b, "/dev/vcio_gencmd");
    eprof__source *s = probed_find(&p, "pmic");
    assert_int_equal(probed_read(&p, s), 0);
    assert_true(p.ok[2] && p.raw[2] == 0);
    assert_int_equal(p.raw[0], 10791283);
    probed_close(&p);
}

/* ------------------------------------------------------------------------------------------------ calibration -- */

static void test_calibrated(void **state)
{
    (void)state;
    mailbox b = working();
    probed p;
    probed_open(&p, PI5);
    const fake_device d = { .user = &b, .ioctl = answer };
    fake_attach(p.m, "/dev/vcio_gencmd", &d);
    p.all.calibration_path = "/etc/edgeprof.cal";
    eprof__probe_pmic(&p.all);
    eprof__source *s = probed_find(&p, "pmic");
    assert_int_equal(s->info.scope, EPROF_SCOPE_BOARD_DC);
    assert_int_equal(s->channels[0].scope, EPROF_SCOPE_BOARD_DC);
    assert_true(s->channels[0].is_calibrated && !s->channels[1].is_calibrated);
    assert_true(fabs(s->channels[0].accuracy - 0.024 * sqrt(3) / 2) < 1e-15);
    assert_string_equal(s->info.what, "Raspberry Pi 5 PMIC, calibrated on 2026-05-02 against FNB58 #123");
    assert_int_equal(probed_read(&p, s), 0);
    assert_int_equal(p.raw[0], 12954859); /* 1.1451 * 10.799894 + 0.5879 */
    assert_int_equal(p.raw[1], 9761433);  /* a rail is what it is */
    assert_true(fabs(s->info.power_w - 12.954859) < 1e-6);
    probed_close(&p);
}

static void test_calibration_not_usable(void **state)
{
    (void)state;
    static const struct { const char *text, *what; } files[] = {
        { "# nothing\n0000 1.1 0.5 3 2026-01-01 meter\n", "not applied" }, /* another board */
        { "# line\n" SERIAL " 1.1 x 3 2026-01-01 meter\n", "line 2: malformed" },
        { NULL, "calibration file: not there" },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        mailbox b = working();
        probed p;
        probed_open(&p, PI5);
        const fake_device d = { .user = &b, .ioctl = answer };
        fake_attach(p.m, "/dev/vcio_gencmd", &d);
        fake_file(p.m, "/etc/edgeprof.cal", files[i].text);
        p.all.calibration_path = "/etc/edgeprof.cal";
        eprof__probe_pmic(&p.all);
        eprof__source *s = probed_find(&p, "pmic");
        assert_says(s->info.what, files[i].what);
        assert_int_equal(s->info.scope, EPROF_SCOPE_SOC);
        assert_false(s->channels[0].is_calibrated);
        assert_int_equal(probed_read(&p, s), 0);
        assert_int_equal(p.raw[0], 10799894);
        probed_close(&p);
    }
}

static void test_calibration_lines(void **state)
{
    (void)state;
    eprof__calibration c;
    int32_t line;
    const char *text = "\n  # remark\nB 1 0 1 d m\n\tA\t1.5  -0.25 4\t2026-05-02   FNB58 of the lab \r\nA2 1 0 1 d m";
    assert_int_equal(eprof__calibration_parse(text, strlen(text), "A", &c, &line), 1);
    assert_true(c.gain == 1.5 && c.offset_w == -0.25 && c.u95 == 0.04);
    assert_string_equal(c.date, "2026-05-02");
    assert_string_equal(c.meter, "FNB58 of the lab");
    assert_int_equal(eprof__calibration_parse(text, strlen(text), "C", &c, &line), 0);
    static const char *const wrong[] = {
        "A 1.1 0.5 3 2026-01-01\n", "A 1.1 0.5 3\n", "A\n", "A 9 0.5 3 d m\n", "A -1 0 3 d m\n", "A 1,1 0 3 d m\n",
        "A 1.1 25 3 d m\n", "A 1.1 0 0 d m\n", "A 1.1 0 101 d m\n", "A 1.1 0 3% d m\n", "B 1.1 nan 3 d m\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char file[128];
        const int n = snprintf(file, sizeof file, "A 1 0 1 d m\n%s", wrong[i]);
        assert_int_equal(eprof__calibration_parse(file, (uint64_t)n, "A", &c, &line), -EBADMSG);
        assert_int_equal(line, 2);
    }
    assert_int_equal(eprof__calibration_parse("A 1 0 1 d m\0", 12, "A", &c, &line), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captured_answers), cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_tolerated),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_pi5), cmocka_unit_test(test_throttling),
        cmocka_unit_test(test_pi4), cmocka_unit_test(test_other_machines), cmocka_unit_test(test_locked),
        cmocka_unit_test(test_mailbox_faults), cmocka_unit_test(test_rests_after_timeout),
        cmocka_unit_test(test_rails_that_change), cmocka_unit_test(test_ddr_all_zero),
        cmocka_unit_test(test_calibrated), cmocka_unit_test(test_calibration_not_usable),
        cmocka_unit_test(test_calibration_lines),
    };
    return cmocka_run_group_tests(tests, read_captures, NULL);
}
