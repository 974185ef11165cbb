/* SPDX-License-Identifier: MIT
 * image_ppm.c - Netpbm's PPM and PGM: P2 and P3 (text), P5 and P6 (bytes), samples up to 65535.
 *
 * A comment, from "#" to the end of its line, may stand wherever white space may. The size is compared with what is
 * left of the file before anything is allocated. Samples become v * 255 / maxval, rounded to nearest; one above
 * maxval is damage. What follows the pixels is not looked at: the format allows more pictures there.
 */
#include "vision/image_private.h"

#include "engine/base/checked_math.h"

/* A PPM being read: what its header says, and where in the file we are. */
typedef struct netpbm {
    const einf__image_job *job;
    const char *what; /* "PPM", "PGM" */
    uint64_t at;
    uint64_t width, height, max_value;
    uint32_t n_channels;
    bool plain;       /* samples are text */
} netpbm;

static bool is_space(uint8_t ch) { return ch == ' ' || (ch >= '\t' && ch <= '\r'); }
static bool is_digit(uint8_t ch) { return ch >= '0' && ch <= '9'; }

static einf_status fail_at_end(const netpbm *p, const char *inside)
{
    return einf__fail(p->job->err, EINF_E_FORMAT, p->at, p->what, "was it written whole?",
                      "the file ends after %llu bytes, inside %s", (unsigned long long)p->job->size_bytes, inside);
}

/* Past a comment that begins here, its line end included. False: no line end follows. */
static bool skip_comment(netpbm *p)
{
    const uint8_t *d = p->job->data;
    while (p->at < p->job->size_bytes && d[p->at] != '\n' && d[p->at] != '\r') p->at++;
    return p->at < p->job->size_bytes;
}

/* The next number of the text. inside: what it belongs to. */
static einf_status read_number(netpbm *p, const char *inside, uint64_t *out)
{
    enum { MAX_DIGITS = 18 };
    const uint8_t *d = p->job->data;
    const uint64_t n = p->job->size_bytes;
    while (p->at < n && (is_space(d[p->at]) || d[p->at] == '#')) {
        if (d[p->at] == '#' && !skip_comment(p)) return fail_at_end(p, "a comment");
        p->at++;
    }
    if (p->at == n) return fail_at_end(p, inside);
    const uint64_t begin = p->at;
    uint64_t value = 0;
    for (; p->at < n && is_digit(d[p->at]); p->at++) {
        if (p->at - begin == MAX_DIGITS)
            return einf__fail(p->job->err, EINF_E_FORMAT, begin, p->what, NULL, "a number of more than %d digits in %s",
                              MAX_DIGITS, inside);
        value = value * 10 + (uint64_t)(d[p->at] - '0');
    }
    if (p->at == begin)
        return einf__fail(p->job->err, EINF_E_FORMAT, begin, p->what, NULL,
                          "byte 0x%02x where %s should have a number", d[begin], inside);
    *out = value;
    return EINF_OK;
}

static einf_status read_header(netpbm *p)
{
    const uint8_t *d = p->job->data;
    EINF_TRY(read_number(p, "the width", &p->width));
    EINF_TRY(read_number(p, "the height", &p->height));
    EINF_TRY(einf__image_check_size(p->job->options, p->width, p->height, 2, p->what, p->job->err));
    EINF_TRY(read_number(p, "the largest value", &p->max_value));
    if (p->max_value < 1 || p->max_value > 65535)
        return einf__fail(p->job->err, EINF_E_FORMAT, p->at, p->what, NULL,
                          "a largest value of %llu is not within 1..65535", (unsigned long long)p->max_value);
    if (p->at < p->job->size_bytes && d[p->at] == '#' && !skip_comment(p)) return fail_at_end(p, "a comment");
    if (p->at == p->job->size_bytes) return fail_at_end(p, "the header");
    if (!is_space(d[p->at]))
        return einf__fail(p->job->err, EINF_E_FORMAT, p->at, p->what, NULL,
                          "byte 0x%02x where white space should end the header", d[p->at]);
    p->at++;
    return EINF_OK;
}

/* The file is long enough for its samples: two characters each but for the last, or their bytes. The checked size keeps
 * the products small. */
static einf_status check_length(const netpbm *p)
{
    const uint64_t n_samples = p->width * p->height * p->n_channels;
    const uint64_t needed = p->plain ? n_samples * 2 - 1 : n_samples * (p->max_value > 255 ? 2 : 1);
    const uint64_t left = p->job->size_bytes - p->at;
    if (left >= needed) return EINF_OK;
    return einf__fail(p->job->err, EINF_E_FORMAT, p->job->size_bytes, p->what, "was it written whole?",
                      "%llu bytes of pixels, but %llu x %llu ask for %llu", (unsigned long long)left,
                      (unsigned long long)p->width, (unsigned long long)p->height, (unsigned long long)needed);
}

static einf_status read_sample(netpbm *p, uint8_t *out)
{
    const uint8_t *d = p->job->data;
    const uint64_t begin = p->at;
    uint64_t value;
    if (p->plain) {
        EINF_TRY(read_number(p, "the pixels", &value));
    } else {
        value = d[p->at++];
        if (p->max_value > 255) value = value << 8 | d[p->at++];
    }
    if (value > p->max_value)
        return einf__fail(p->job->err, EINF_E_FORMAT, begin, p->what, NULL,
                          "a sample of %llu is above the largest value, %llu", (unsigned long long)value,
                          (unsigned long long)p->max_value);
    *out = (uint8_t)((value * 255 + p->max_value / 2) / p->max_value);
    return EINF_OK;
}

static einf_status read_pixels(netpbm *p, uint8_t *rgb)
{
    for (uint64_t y = 0; y < p->height; y++) {
        EINF_TRY(einf__image_go_on(p->job, p->at));
        for (uint64_t x = 0; x < p->width; x++, rgb += 3) {
            for (uint32_t i = 0; i < p->n_channels; i++) EINF_TRY(read_sample(p, rgb + i));
            if (p->n_channels == 1) rgb[1] = rgb[2] = rgb[0];
        }
    }
    return EINF_OK;
}

einf_status einf__image_read_ppm(einf__image_job *job)
{
    const uint8_t kind = job->data[1];
    const bool gray = kind == '2' || kind == '5';
    netpbm p = { .job = job, .what = gray ? "PGM" : "PPM", .at = 2, .n_channels = gray ? 1 : 3,
                 .plain = kind == '2' || kind == '3' };
    job->image->format = gray ? EINF__IMAGE_PGM : EINF__IMAGE_PPM;
    EINF_TRY(read_header(&p));
    EINF_TRY(check_length(&p));
    const uint32_t width = (uint32_t)p.width, height = (uint32_t)p.height;
    EINF_TRY(einf__image_begin(job, &(einf__image_stored){ width, height, width, height, 1, 1 }));
    return job->only_facts ? EINF_OK : read_pixels(&p, job->image->rgb);
}
