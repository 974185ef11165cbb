/* SPDX-License-Identifier: MIT
 * fuzz_meters.c - what external meters, plugs and their logs may say: any bytes.
 *
 * Input: a byte that chooses the decoder, then what it is given. Promised: a reading within the meter's range, or a
 * refusal that leaves the caller's numbers as they were; the same answer for a copy; nothing read behind the end.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <math.h>

#include "profiler/method/align.h"
#include "profiler/sources/http_get.h"
#include "profiler/sources/ioreport_names.h"
#include "profiler/sources/json_find.h"
#include "profiler/sources/meters.h"

const char fuzz_name[] = "meters";

enum { FNIRSI, UM25C, KM003C, SCPI, HTTP, JSON, PLUG, CSV, IOREPORT, N_DECODERS };

#define UNTOUCHED 4711

static bool is_refusal(int status) { return status == -EBADMSG || status == -ERANGE || status == -ENOMSG; }

static void run_binary(int which, const uint8_t *data, size_t n_bytes)
{
    int64_t power = UNTOUCHED;
    int32_t current = UNTOUCHED;
    eprof__um25c_reading r = { .power_mw = UNTOUCHED };
    int status;
    if (which == FNIRSI) status = eprof__decode_fnirsi(data, n_bytes, &power);
    else if (which == UM25C) status = eprof__decode_um25c(data, n_bytes, &r);
    else status = eprof__decode_km003c(data, n_bytes, n_bytes > 1 ? data[1] : 0, &power, &current);
    if (status != 0) {
        assert_true(is_refusal(status));
        assert_true(power == UNTOUCHED && current == UNTOUCHED && r.power_mw == UNTOUCHED);
    } else if (which == UM25C) {
        assert_true(r.group >= 0 && r.group < 10 && r.power_mw >= 0 && r.power_mw <= 50000000);
    } else {
        const double watts = (double)power * (which == FNIRSI ? 0.25e-10 : 1e-12);
        assert_true(fabs(watts) <= 1024.1);
    }
}

static void run_scpi(const char *text, size_t n_bytes)
{
    double value = UNTOUCHED;
    const int status = eprof__decode_scpi(text, n_bytes, &value);
    if (status == 0) assert_true(isfinite(value));
    else assert_true(is_refusal(status) && value == UNTOUCHED);
}

/* An answer that is whole is whole with more behind it, and what lacks its end is never whole. */
static void run_http(const char *text, size_t n_bytes)
{
    static eprof__http_answer a, again;
    const int status = eprof__http_parse(text, n_bytes, false, &a);
    assert_true(status == 0 || status == -EAGAIN || status == -EBADMSG);
    if (status == 0) {
        assert_true(a.code >= 200 && a.code < 600);
        assert_true(a.n_used <= n_bytes && a.n_body <= a.n_used);
        assert_int_equal(eprof__http_parse(text, a.n_used, false, &again), 0);
        assert_int_equal(again.n_body, a.n_body);
        if (a.n_used > 0) assert_int_equal(eprof__http_parse(text, a.n_used - 1, false, &again), -EAGAIN);
    }
    const int at_end = eprof__http_parse(text, n_bytes, true, &again);
    assert_true(at_end == 0 || at_end == -EBADMSG);
}

static void run_json(const char *text, size_t n_bytes)
{
    static const char *const paths[] = { "apower", "aenergy.total", "StatusSNS.ENERGY.Power", "a.b.c.d", "" };
    int first = 0;
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        double value = UNTOUCHED;
        const int status = eprof__json_number(text, n_bytes, paths[i], &value);
        assert_true(status == 0 || status == -ENOENT || status == -EBADMSG);
        if (status == 0) assert_true(isfinite(value));
        else assert_true(value == UNTOUCHED);
        if (i == 0) first = status;
        assert_int_equal(status == -EBADMSG, first == -EBADMSG); /* whether it is JSON does not depend on the path */
    }
}

static void run_plug(const char *text, size_t n_bytes)
{
    for (int32_t dialect = 0; dialect < EPROF__PLUG_DIALECTS; dialect++) {
        double power, energy, clock;
        const int status = eprof__decode_plug(text, n_bytes, dialect, &power, &energy, &clock);
        assert_true(status == 0 || is_refusal(status));
        if (status != 0) continue;
        assert_true(!isnan(power) || !isnan(energy));
        assert_true(isnan(power) || fabs(power) <= 4000);
        assert_true(isnan(energy) || (energy >= 0 && energy <= 1e9));
    }
}

static void run_csv(const char *text, size_t n_bytes)
{
    eprof__channel c = { 0 };
    eprof__sample *samples = NULL;
    int64_t n = 0;
    eprof_error err = EPROF_INIT(eprof_error);
    const eprof_status status = eprof__read_meter_csv(text, n_bytes, &c, &samples, &n, &err);
    if (status != EPROF_OK) {
        assert_true(status == EPROF_E_FORMAT && err.code == status && strlen(err.message) > 10 && !samples);
        return;
    }
    assert_true(n > 0 && c.period_ns > 0 && c.has_own_clock);
    for (int64_t i = 0; i < n; i++) {
        assert_true(fabs((double)samples[i].raw * c.scale) <= c.most);
        assert_true(i == 0 || samples[i].t_ns > samples[i - 1].t_ns);
    }
    free(samples);
}

/* Lines of name and unit with a | between. */
static void run_ioreport(const char *text, size_t n_bytes)
{
    enum { MOST = 64 };
    eprof__apple_channel channels[MOST];
    int32_t n = 0;
    char *copy = malloc(n_bytes + 1);
    if (!copy) return;
    memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    for (char *line = copy, *next; line && n < MOST; line = next, n++) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        char *bar = strchr(line, '|');
        if (bar) *bar++ = '\0';
        channels[n] = (eprof__apple_channel){ .name = line, .unit = bar ? bar : "" };
    }
    eprof__apple_choose(channels, n);
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(channels[i].part == EPROF__APPLE_NONE, channels[i].nanojoules == 0);
        if (channels[i].part == EPROF__APPLE_CPU) assert_non_null(strstr(channels[i].name, "CPU Energy"));
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0) return 0;
    const int which = data[0] % N_DECODERS;
    uint8_t *exact = malloc(n_bytes); /* of its own size, so that the sanitizer sees a read behind its end */
    if (!exact) return 0;
    memcpy(exact, data + 1, n_bytes - 1);
    const char *text = (const char *)exact;
    n_bytes--;
    switch (which) {
    case SCPI: run_scpi(text, n_bytes); break;
    case HTTP: run_http(text, n_bytes); break;
    case JSON: run_json(text, n_bytes); break;
    case PLUG: run_plug(text, n_bytes); break;
    case CSV: run_csv(text, n_bytes); break;
    case IOREPORT: run_ioreport(text, n_bytes); break;
    default: run_binary(which, exact, n_bytes);
    }
    free(exact);
    return 0;
}

/* A frame's checksum is made right again, mostly: what is behind it must be reached. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    const uint8_t which = n_bytes ? data[0] : 0;
    n_bytes = LLVMFuzzerMutate(data, n_bytes, max_bytes);
    if (n_bytes && seed % 16) data[0] = which;
    if (which % N_DECODERS == FNIRSI && n_bytes == 1 + EPROF__FNIRSI_BYTES && seed % 8)
        data[n_bytes - 1] = eprof__fnirsi_crc(data + 1);
    return n_bytes;
}

/* -------------------------------------------------------------------------------------------------- seeds -- */

static void put_seed(fuzz_put_fn put, void *user, const char *name, int which, const void *bytes, size_t n_bytes)
{
    uint8_t seed[1024] = { (uint8_t)which };
    memcpy(seed + 1, bytes, n_bytes);
    put(user, name, seed, 1 + n_bytes);
}

static void put_binary(fuzz_put_fn put, void *user)
{
    uint8_t fnirsi[EPROF__FNIRSI_BYTES] = { 0xaa, 0x04, 0x20, 0xa1, 0x07, 0, 0xa0, 0x86, 0x01 };
    uint8_t um25c[EPROF__UM25C_BYTES] = { 0x09, 0xc9, 0x13, 0x88, 0x1f, 0x40, 0, 0, 0x0f, 0xa0, 0, 31, 0, 88 };
    const uint8_t km003c[EPROF__HID_REPORT_BYTES] = { 0x41, 7, 0, 0, 1, 0, 0, 0x0b, 0x40, 0x4b, 0x4c, 0,
                                                      0x40, 0x42, 0x0f };
    fnirsi[63] = eprof__fnirsi_crc(fnirsi);
    put_seed(put, user, "fnirsi", FNIRSI, fnirsi, sizeof fnirsi);
    put_seed(put, user, "um25c", UM25C, um25c, sizeof um25c);
    put_seed(put, user, "km003c", KM003C, km003c, sizeof km003c);
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    static const struct { const char *name; int which; const char *text; } texts[] = {
        { "scpi", SCPI, "+4.98E+00\n" }, { "scpi-unit", SCPI, "12.5 mW" }, { "scpi-overload", SCPI, "9.9E37" },
        { "http", HTTP, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" },
        { "http-chunks", HTTP,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x\r\n\":1}\r\n0\r\nT: 1\r\n\r\n" },
        { "http-100", HTTP,
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 No\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n" },
        { "json", JSON,
          "{\"a\":{\"b\":{\"c\":{\"d\":-1.5e+3}}},\"apower\":8.9,\"x\":[true,false,null,\"\\u00e9\\n\"]}" },
        { "shelly", PLUG,
          "{\"apower\":8.9,\"aenergy\":{\"total\":6532.124,\"by_minute\":[4,4,8],\"minute_ts\":1626935779}}" },
        { "shelly-1", PLUG, "{\"power\":8.9,\"is_valid\":true,\"timestamp\":1626935779,\"total\":6532}" },
        { "tasmota", PLUG, "{\"StatusSNS\":{\"ENERGY\":{\"Total\":1.234,\"Power\":60}}}" },
        { "csv", CSV, "t,W\n0,4\n0.5,5.25\n" },
        { "csv-units", CSV, "Current (mA);Voltage (V);Time (ms)\r\n800;5;250\r\n900;5;350\r\n" },
        { "csv-iso", CSV, "date\tW\n2025-11-21T17:16:05.25+01:00\t4\n2025-11-21 17:16:06Z\t5\n" },
        { "csv-plain", CSV, "# meter\n1700000000500,5,0.8\n1700000001000,5,0.9\n" },
        { "ioreport", IOREPORT, "DIE_0_CPU Energy|mJ \nGPU Energy|nJ\nGPU0|mJ\nANE0|uJ\nDRAM|mJ\nGPU SRAM1|mJ" } };
    put_binary(put, user);
    for (size_t i = 0; i < TEST_COUNT(texts); i++)
        put_seed(put, user, texts[i].name, texts[i].which, texts[i].text, strlen(texts[i].text));
}
