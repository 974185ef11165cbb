/* SPDX-License-Identifier: MIT
 * fuzz_pmic.c - any text as the answer of a Raspberry Pi 5's power controller, and as a calibration file.
 *
 * Input: the text. Promised: a sum of at least eight rails that is finite and bounded, or one of two refusals; the same
 * every time; the same with lines behind it that mean nothing; and of the text cut at any line either the same sum or
 * one of fewer rails, which the source then refuses.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <math.h>

#include "profiler/sources/calibration.h"
#include "profiler/sources/pi_pmic.h"

const char fuzz_name[] = "pmic";

enum { MOST_RAILS = 48, MAX_TEXT = 1 << 14 };

static const char CAPTURE[] =
    " 3V7_WL_SW_A current(0)=0.09368929A\n   3V3_SYS_A current(1)=0.08783370A\n   1V8_SYS_A current(2)=0.18054710A\n"
    "  DDR_VDD2_A current(3)=0.22543980A\n  DDR_VDDQ_A current(4)=0.06666720A\n   1V1_SYS_A current(5)=0.17566740A\n"
    "    0V8_SW_A current(6)=0.37670900A\n  VDD_CORE_A current(7)=6.22421000A\n      HDMI_A current(22)=0.02417580A\n"
    " 3V7_WL_SW_V volt(8)=3.69977600V\n   3V3_SYS_V volt(9)=3.31003300V\n   1V8_SYS_V volt(10)=1.80512600V\n"
    "  DDR_VDD2_V volt(11)=1.10476100V\n  DDR_VDDQ_V volt(12)=0.60146460V\n   1V1_SYS_V volt(13)=1.11025500V\n"
    "    0V8_SW_V volt(14)=0.80146440V\n  VDD_CORE_V volt(15)=0.86173300V\n      HDMI_V volt(23)=5.08664000V\n"
    "     EXT5V_V volt(24)=5.09066000V\n      BATT_V volt(25)=0.00000000V\n";

static int parse(const void *text, size_t n_bytes, eprof__pmic *out)
{
    const int status = eprof__parse_pmic(text, n_bytes, out);
    assert_true(status == 0 || status == -EBADMSG || status == -ENOTSUP);
    if (status != 0) return status;
    assert_true(out->n_pairs >= EPROF__PMIC_LEAST_PAIRS && out->n_pairs <= MOST_RAILS);
    assert_true(fabs(out->total_w) < 1e4 * MOST_RAILS && fabs(out->core_w) < 1e4);
    assert_true(isnan(out->ddr_w) || fabs(out->ddr_w) < 1e4 * MOST_RAILS);
    assert_true(isnan(out->ext5v_v) || fabs(out->ext5v_v) < 100);
    return 0;
}

static void check_longer(const uint8_t *data, size_t n_bytes, const eprof__pmic *whole)
{
    static const char behind[] = "\nNEW_V level(40)=high\nNEW_X x=1A\n\n";
    static char text[MAX_TEXT + sizeof behind];
    eprof__pmic longer;
    if (memchr(data, '\0', n_bytes)) return; /* what is behind a NUL is not read */
    memcpy(text, data, n_bytes);
    memcpy(text + n_bytes, behind, sizeof behind - 1);
    assert_int_equal(parse(text, n_bytes + sizeof behind - 1, &longer), 0);
    assert_true(longer.n_pairs == whole->n_pairs && longer.total_w == whole->total_w);
}

static void check_calibration(const uint8_t *data, size_t n_bytes)
{
    eprof__calibration c;
    int32_t line;
    const int status = eprof__calibration_parse((const char *)data, n_bytes, "1", &c, &line);
    assert_true(status == 0 || status == 1 || status == -EBADMSG);
    assert_true(line >= 1);
    if (status != 1) return;
    assert_true(c.gain >= 0.2 && c.gain <= 5 && fabs(c.offset_w) <= 20 && c.u95 > 0 && c.u95 <= 1);
    assert_true(strlen(c.date) > 0 && strlen(c.meter) > 0 && strlen(c.meter) < sizeof c.meter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes > MAX_TEXT) return 0;
    eprof__pmic once, again;
    const int status = parse(data, n_bytes, &once);
    assert_int_equal(parse(data, n_bytes, &again), status);
    assert_int_equal(once.n_pairs, again.n_pairs);
    assert_memory_equal(&once.total_w, &again.total_w, sizeof once - offsetof(eprof__pmic, total_w));
    if (status == 0) check_longer(data, n_bytes, &once);
    for (size_t i = 0; i < n_bytes && status == 0; i++)
        if (data[i] == '\n' && parse(data, i, &again) == 0) assert_true(again.n_pairs <= once.n_pairs);
    check_calibration(data, n_bytes);
    return 0;
}

static const char *const PIECES[] = {
    "VDD_CORE_A current(7)=1.5A\n", "VDD_CORE_V volt(15)=0.9V\n", "DDR_X_A c=0A\n", "DDR_X_V v=1V\n", "EXT5V_V v=5V\n",
    "EXT5V_A a=1A\n", "BATT_V v=3V\n", "A_A a=1A\nA_V v=1V\n", "_A=1A\n", "_V", "=", "A", "V", "\n", "\r\n", "nan",
    "inf", "1e99", "-1e-3", "99.999999", "100", ",", "error=1 error_msg=\"x\"", "1 1.1 0.5 2.4 2026-05-02 FNB58\n",
    "# ", "\t", "VERY_LONG_NAME_OF_A_RAIL_THAT_NOBODY_HAS_A current(1)=1A\n",
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    const char *piece = PIECES[seed / 4 % TEST_COUNT(PIECES)];
    const size_t n = strlen(piece), at = n_bytes ? seed / 256 % (n_bytes + 1) : 0;
    if (seed % 4 == 0 || n_bytes + n > max_bytes) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    memmove(data + at + n, data + at, n_bytes - at);
    memcpy(data + at, piece, n);
    return n_bytes + n;
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    static const char error[] = "error=1 error_msg=\"Command not registered\"";
    static const char calibration[] = "# serial gain offset u95 date meter\n1 1.1451 0.5879 2.4 2026-05-02 FNB58\n";
    put(user, "capture", CAPTURE, sizeof CAPTURE - 1);
    put(user, "cut", CAPTURE, sizeof CAPTURE / 2);
    put(user, "error", error, sizeof error - 1);
    put(user, "calibration", calibration, sizeof calibration - 1);
    put(user, "nothing", "", 0);
}
