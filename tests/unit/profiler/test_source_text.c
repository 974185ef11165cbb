/* SPDX-License-Identifier: MIT
 * test_source_text.c - small files and numbers: whole or an error, at every boundary of integers.
 */
#include "tests/unit/profiler/probed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void test_integers(void **state)
{
    static const struct { const char *text; int status; int64_t value; } cases[] = {
        { "0", 0, 0 }, { " 42\n", 0, 42 }, { "-7\n", 0, -7 }, { "+5", 0, 5 },
        { "2147483647", 0, 2147483647 }, { "2147483648", 0, INT64_C(2147483648) },
        { "9223372036854775807", 0, INT64_MAX }, { "9223372036854775808", -ERANGE, 0 },
        { "-9223372036854775808", 0, INT64_MIN }, { "-9223372036854775809", -ERANGE, 0 },
        { "99999999999999999999999999", -ERANGE, 0 }, { "", -EINVAL, 0 }, { "\n", -EINVAL, 0 }, { "12,5", -EINVAL, 0 },
        { "12.5", -EINVAL, 0 }, { "1 2", -EINVAL, 0 }, { "0x10", -EINVAL, 0 }, { "--1", -EINVAL, 0 },
        { "<unknown>", -EINVAL, 0 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = -99;
        assert_int_equal(eprof__parse_i64(cases[i].text, &value), cases[i].status);
        assert_true(value == (cases[i].status ? -99 : cases[i].value));
    }
    uint64_t u = 0;
    assert_int_equal(eprof__parse_u64("18446744073709551615\n", &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(eprof__parse_u64("18446744073709551616", &u), -ERANGE);
    assert_int_equal(eprof__parse_u64("-1", &u), -EINVAL);
}

static void test_decimals(void **state)
{
    static const struct { const char *text; double value; const char *rest; } cases[] = {
        { "1.5", 1.5, "" }, { " -0.25x", -0.25, "x" }, { "2.3283064365386962890625e-10", 0x1p-32, "" },
        { "1e400", HUGE_VAL, "" }, { "1,5", 1, ",5" }, { ".5", 0.5, "" }, { "5.e2", 500, "" }, { "3e", 3, "e" } };
    double value;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *end = eprof__parse_double(cases[i].text, &value);
        assert_non_null(end);
        assert_string_equal(end, cases[i].rest);
        if (isinf(cases[i].value)) assert_true(isinf(value));
        else assert_true(fabs(value - cases[i].value) <= 1e-15 * fabs(cases[i].value));
    }
    assert_null(eprof__parse_double("nan", &value));
    assert_null(eprof__parse_double("", &value));
    assert_null(eprof__parse_double("-", &value));
}

static void test_cpu_lists(void **state)
{
    int32_t cpus[4];
    (void)state;
    assert_int_equal(eprof__parse_cpu_list("0\n", cpus, 4), 1);
    assert_int_equal(cpus[0], 0);
    assert_int_equal(eprof__parse_cpu_list("0-1,28,30-31\n", cpus, 4), 5);
    assert_int_equal(cpus[2], 28);
    assert_int_equal(cpus[3], 30);
    assert_int_equal(eprof__parse_cpu_list("0-255", NULL, 0), 256);
    static const char *const bad[] = { "", "\n", "a", "3-1", "0-", "0-99999999999", "1;2", "0,x" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(eprof__parse_cpu_list(bad[i], cpus, 4), -EINVAL);
}

static void test_reads_are_whole_or_fail(void **state)
{
    char text[8];
    (void)state;
    fake_machine *m = fake_machine_open(NULL);
    const eprof_io *io = fake_io(m);
    fake_file(m, "/a", "1234567");
    assert_int_equal(eprof__read_text(io, "/a", text, sizeof text), 7);
    assert_string_equal(text, "1234567");
    fake_error(m, "/a", 'r', EINTR, 20); /* a storm of signals */
    assert_int_equal(eprof__read_text(io, "/a", text, sizeof text), 7);
    fake_error(m, "/a", 'r', 0, 1); /* in two pieces */
    assert_int_equal(eprof__read_text(io, "/a", text, sizeof text), 7);
    fake_file(m, "/a", "12345678");
    assert_int_equal(eprof__read_text(io, "/a", text, sizeof text), -EMSGSIZE);
    fake_error(m, "/a", 'r', EIO, 1);
    assert_int_equal(eprof__read_text(io, "/a", text, sizeof text), -EIO);
    fake_file(m, "/a", "");
    assert_int_equal(eprof__read_text(io, "/a", text, sizeof text), 0);
    fake_file(m, "/a", NULL);
    assert_int_equal(eprof__read_text(io, "/a", text, sizeof text), -ENOENT);
    fake_machine_close(m);
}

static void test_names_of_a_large_folder(void **state)
{
    char path[64], *names;
    (void)state;
    fake_machine *m = fake_machine_open(NULL);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(path, sizeof path, "/d/a-name-of-more-than-thirty-bytes-%03d", i);
        fake_file(m, path, "x");
    }
    assert_int_equal(eprof__list_names(fake_io(m), "/d", &names), 200 * 37); /* 7200 bytes: the second try */
    int n = 0;
    for (const char *name = names; *name; name += strlen(name) + 1) n++;
    assert_int_equal(n, 200);
    assert_string_equal(names, "a-name-of-more-than-thirty-bytes-000");
    free(names);
    assert_int_equal(eprof__list_names(fake_io(m), "/e", &names), -ENOENT);
    assert_null(names);
    fake_machine_close(m);
}

static void test_the_list_of_sources_has_an_end(void **state)
{
    static eprof__sources all;
    (void)state;
    for (int i = 0; i < EPROF__MAX_SOURCES; i++) assert_non_null(eprof__sources_add(&all, "x"));
    assert_null(eprof__sources_add(&all, "y"));
    assert_true(isnan(all.list[3].info.power_w));
    eprof__source_dead(&all.list[3], "do this", "because of %d", 7);
    assert_string_equal(all.list[3].info.why_not, "because of 7");
    assert_string_equal(all.list[3].info.unlock, "do this");
    assert_string_equal(eprof__errno_text(-EACCES), "permission denied");
    assert_string_equal(eprof__errno_text(ENODEV), "the device is gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers), cmocka_unit_test(test_decimals), cmocka_unit_test(test_cpu_lists),
        cmocka_unit_test(test_reads_are_whole_or_fail), cmocka_unit_test(test_names_of_a_large_folder),
        cmocka_unit_test(test_the_list_of_sources_has_an_end) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
