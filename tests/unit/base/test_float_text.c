/* SPDX-License-Identifier: MIT
 * test_float_text.c - numbers as text that names them and no other, in any locale.
 */
#include "tests/support/test_support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A host may have set a locale whose decimal point is a comma, or two bytes long. None such need be installed here, so
 * the file under test is compiled a second time with an snprintf that behaves as if. */
static const char *decimal_point = ".";

static int snprintf_as_if(char *out, size_t n_bytes, const char *format, ...)
{
    char plain[512];
    size_t n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(plain, sizeof plain, format, args);
    va_end(args);
    for (const char *p = plain; *p && n + 3 < n_bytes; p++) {
        const char *piece = *p == '.' && strchr(format, 'g') ? decimal_point : (const char[]){ *p, '\0' };
        memcpy(out + n, piece, strlen(piece) + 1);
        n += strlen(piece);
    }
    if (n == 0 && n_bytes) out[0] = '\0';
    return (int)n;
}

#define snprintf snprintf_as_if
#include "engine/base/float_text.c"
#undef snprintf

static void test_f32(void **state)
{
    static const struct { float v; const char *text; } cases[] = {
        { 0, "0" }, { -0.0f, "-0" }, { 1, "1" }, { -1.5f, "-1.5" }, { 0.1f, "0.1" }, { 1e-5f, "1e-05" },
        { 1e-6f, "1e-06" }, { 10000, "10000" }, { 500000, "500000" }, { 1000000, "1e+06" }, { 0.3333333f, "0.3333333" },
        { 16777216, "16777216" }, { FLT_MAX, "3.4028235e+38" }, { FLT_MIN, "1.1754944e-38" },
        { 1e-45f, "1.4013e-45" }, { INFINITY, "inf" }, { -INFINITY, "-inf" }, { NAN, "nan" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[32];
        einf__f32_text(cases[i].v, text);
        assert_string_equal(text, cases[i].text);
    }
    /* The text names that number and no other. */
    uint32_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        char text[32];
        float v;
        bits = bits * 1664525u + 1013904223u;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) continue;
        einf__f32_text(v, text);
        if (strtof(text, NULL) != v) fail_msg("%s is not %.9g", text, (double)v);
    }
}

static void test_f64(void **state)
{
    char text[32];
    (void)state;
    einf__f64_text(0.5, text);
    assert_string_equal(text, "0.5");
    einf__f64_text(-DBL_MAX, text);
    assert_string_equal(text, "-1.7976931348623157e+308");
    einf__f64_text((double)-INFINITY, text);
    assert_string_equal(text, "-inf");
}

static void test_locale(void **state)
{
    static const char *const points[] = { ".", ",", "\xd9\xab" };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(points); i++) {
        char text[32];
        decimal_point = points[i];
        einf__f32_text(-0.1f, text);
        assert_string_equal(text, "-0.1");
        einf__f64_text(-1.5, text);
        assert_string_equal(text, "-1.5");
    }
    decimal_point = ".";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f64),
        cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests_name("float_text", tests, NULL, NULL);
}
