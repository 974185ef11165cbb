/* SPDX-License-Identifier: MIT
 * image_jpeg.c - JPEG through libjpeg: baseline, progressive and arithmetic-coded; grey, YCbCr, RGB, CMYK, YCCK.
 *
 * Transform and upsampling are libjpeg's defaults, so that pixels are those of Pillow, on which models were trained;
 * CMYK counts as inverted, as Adobe writes it and Pillow takes it.
 * What libjpeg only warns of is damage and refused: data that end early, bad codes, lost restart markers, a component
 * that no scan fills. Tolerated is what spoils no pixel and every viewer takes: up to 64 stray bytes before a marker
 * other than a restart (cameras pad so), any of them in the header; an unknown revision of JFIF; an unknown transform
 * in Adobe's marker; odd spectral numbers in a sequential scan. There must be an end marker; what follows it is not
 * looked at.
 * libjpeg's memory is the C library's. Its size follows from the header: it is counted in before anything is decoded,
 * and libjpeg is held to it. setjmp stays in this file.
 */
#include "vision/image_private.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "vision/image_exif.h"

enum {
    MAX_SCANS = 100,       /* encoders make a dozen; each costs a pass over the picture, however few bytes it has */
    MAX_STRAY_BYTES = 64,
    BAND_ROWS = 16,        /* rows read before they are turned: what a cache line of a turned picture takes of them */
    COEFFICIENT_BYTES = 2 * DCTSIZE2, /* of a block */
    FIXED_BYTES = 1 << 20  /* tables, and what does not grow with the picture */
};

typedef struct jpeg {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    einf__image_job *job;
    einf_status status;
    uint32_t seen_components; /* bit i: a scan had component i */
    bool in_data;             /* a scan has begun */
    uint64_t counted_bytes;   /* of libjpeg's memory, in einf__memory */
    uint8_t *band;            /* BAND_ROWS rows as libjpeg gives them */
    uint64_t band_bytes;
} jpeg;

/* ------------------------------------------------------------------------------------- what libjpeg calls -- */

/* Does not return. */
static void give_up(jpeg *j, einf_status status)
{
    j->status = status;
    longjmp(j->jump, 1);
}

static uint64_t bytes_read(const jpeg *j)
{
    return j->cinfo.src ? j->job->size_bytes - j->cinfo.src->bytes_in_buffer : 0;
}

static einf_status status_of(int code)
{
    switch (code) {
    case JERR_SOF_UNSUPPORTED: case JERR_ARITH_NOTIMPL: case JERR_BAD_PRECISION: case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL: case JERR_CCIR601_NOTIMPL: case JERR_FRACT_SAMPLE_NOTIMPL: case JERR_NOT_COMPILED:
        return EINF_E_UNSUPPORTED;
    case JERR_IMAGE_TOO_BIG: case JERR_WIDTH_OVERFLOW: case JERR_NO_BACKING_STORE:
        return EINF_E_LIMIT;
    case JERR_OUT_OF_MEMORY:
        return EINF_E_NOMEM;
    default:
        return EINF_E_FORMAT;
    }
}

/* libjpeg has looked at the size before us. */
static void give_up_on_size(jpeg *j)
{
    const uint32_t width = j->cinfo.image_width, height = j->cinfo.image_height;
    einf_status status = einf__image_check_size(j->job->options, width, height, bytes_read(j), "JPEG", j->job->err);
    if (status == EINF_OK)
        status = einf__fail(j->job->err, EINF_E_LIMIT, bytes_read(j), "JPEG", "make it smaller",
                            "a JPEG of %u x %u pixels: sides of up to %ld are read", width, height,
                            (long)JPEG_MAX_DIMENSION);
    give_up(j, status);
}

static void on_error(j_common_ptr c)
{
    jpeg *j = c->client_data;
    char text[JMSG_LENGTH_MAX];
    const einf_status status = status_of(c->err->msg_code);
    const char *verdict = "damaged JPEG", *hint = "was it copied or downloaded whole?";
    if (status != EINF_E_FORMAT) {
        verdict = status == EINF_E_UNSUPPORTED ? "a kind of JPEG that is not read" : "JPEG";
        hint = status == EINF_E_NOMEM ? "free memory" : "save it as a baseline JPEG of 8 bits, or as PNG";
    }
    if (c->err->msg_code == JERR_IMAGE_TOO_BIG) give_up_on_size(j);
    (*c->err->format_message)(c, text);
    give_up(j, einf__fail(j->job->err, status, bytes_read(j), "JPEG", hint, "%s: %s", verdict, text));
}

static bool is_harmless(const jpeg *j)
{
    const struct jpeg_error_mgr *e = j->cinfo.err;
    const int n_stray = e->msg_parm.i[0], marker = e->msg_parm.i[1];
    switch (e->msg_code) {
    case JWRN_JFIF_MAJOR: case JWRN_ADOBE_XFORM: case JWRN_NOT_SEQUENTIAL:
        return true;
    case JWRN_EXTRANEOUS_DATA:
        return !j->in_data || (n_stray <= MAX_STRAY_BYTES && (marker < JPEG_RST0 || marker > JPEG_RST0 + 7));
    default:
        return false;
    }
}

static void on_message(j_common_ptr c, int level)
{
    if (level < 0 && !is_harmless(c->client_data)) on_error(c);
}

/* Between rows of blocks and between scans. */
static void on_progress(j_common_ptr c)
{
    jpeg *j = c->client_data;
    const einf_status status = einf__image_go_on(j->job, bytes_read(j));
    if (status != EINF_OK) give_up(j, status);
    if (j->cinfo.input_scan_number > MAX_SCANS)
        give_up(j, einf__fail(j->job->err, EINF_E_LIMIT, bytes_read(j), "JPEG", "save it again, as a baseline JPEG",
                              "a JPEG of more than %d scans", MAX_SCANS));
    for (int i = 0; i < j->cinfo.comps_in_scan; i++)
        j->seen_components |= UINT32_C(1) << j->cinfo.cur_comp_info[i]->component_index;
}

/* -------------------------------------------------------------------------------------------- the header -- */

/* The orientation that the first Exif segment gives: 1 without. Segments are walked as libjpeg walks them. */
static int32_t find_orientation(const einf__image_job *job)
{
    static const uint8_t exif[6] = { 'E', 'x', 'i', 'f', 0, 0 };
    const uint8_t *d = job->data;
    uint64_t at = 2;
    while (job->size_bytes - at >= 4) {
        const uint8_t marker = d[at + 1];
        if (d[at] != 0xff || marker == 0xff || marker == 0) {
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9) return 1; /* the data begin, or the picture ends */
        const uint64_t n = (uint64_t)d[at + 2] << 8 | d[at + 3]; /* with its own two bytes */
        if (n < 2 || n > job->size_bytes - at - 2) return 1;
        if (marker == 0xe1 && n >= 2 + sizeof exif && memcmp(d + at + 4, exif, sizeof exif) == 0)
            return einf__exif_orientation(d + at + 4 + sizeof exif, n - 2 - sizeof exif);
        at += 2 + n;
    }
    return 1;
}

/* The largest reduction that leaves both sides, as they are looked at, at least as long as wanted. */
static void choose_reduction(jpeg *j, bool turned)
{
    const einf__decode_options *o = j->job->options;
    const uint32_t least_width = turned ? o->reduce_height : o->reduce_width;
    const uint32_t least_height = turned ? o->reduce_width : o->reduce_height;
    struct jpeg_decompress_struct *c = &j->cinfo;
    c->scale_denom = 8;
    c->scale_num = o->reduce_width || o->reduce_height ? 1 : 8;
    for (;; c->scale_num *= 2) {
        jpeg_calc_output_dimensions(c);
        if (c->scale_num == 8 || (c->output_width >= least_width && c->output_height >= least_height)) return;
    }
}

static einf_status choose_colours(jpeg *j)
{
    struct jpeg_decompress_struct *c = &j->cinfo;
    if (c->num_components != 1 && c->num_components != 3 && c->num_components != 4)
        return einf__fail(j->job->err, EINF_E_UNSUPPORTED, bytes_read(j), "JPEG", "save it as RGB",
                          "a JPEG of %d colour components; 1, 3 and 4 are read", c->num_components);
    c->out_color_space = c->num_components == 4 ? JCS_CMYK : JCS_RGB;
    return EINF_OK;
}

/* What libjpeg will ask the C library for, from above: coefficients when there are several scans, else rows of blocks
 * and their context. */
static uint64_t working_bytes(jpeg *j)
{
    const struct jpeg_decompress_struct *c = &j->cinfo;
    const bool several = jpeg_has_multiple_scans(&j->cinfo) != FALSE;
    uint64_t total = FIXED_BYTES;
    for (int i = 0; i < c->num_components; i++) {
        const jpeg_component_info *info = &c->comp_info[i];
        const uint64_t h = (uint64_t)info->h_samp_factor, v = (uint64_t)info->v_samp_factor;
        const uint64_t n_x = (info->width_in_blocks + h - 1) / h * h, n_y = (info->height_in_blocks + v - 1) / v * v;
        total += n_x * DCTSIZE2 * v * 2 + (uint64_t)c->image_width * (uint64_t)c->max_v_samp_factor * 2;
        if (several) total += n_x * n_y * COEFFICIENT_BYTES + n_y * sizeof(void *);
    }
    return total;
}

/* A Huffman code has at least a bit, and each block of a component at least one code. */
static einf_status check_length(const jpeg *j)
{
    const struct jpeg_decompress_struct *c = &j->cinfo;
    const uint64_t size_bytes = j->job->size_bytes;
    uint64_t n_blocks = 0;
    for (int i = 0; i < c->num_components; i++)
        n_blocks += (uint64_t)c->comp_info[i].width_in_blocks * c->comp_info[i].height_in_blocks;
    if (c->arith_code || n_blocks / 8 <= size_bytes) return EINF_OK;
    return einf__fail(j->job->err, EINF_E_FORMAT, size_bytes, "JPEG", "was it copied or downloaded whole?",
                      "damaged JPEG: %u x %u pixels cannot be in a file of %llu bytes", c->image_width, c->image_height,
                      (unsigned long long)size_bytes);
}

static einf_status read_header(jpeg *j)
{
    struct jpeg_decompress_struct *c = &j->cinfo;
    (void)jpeg_read_header(c, TRUE);
    j->in_data = true;
    EINF_TRY(einf__image_check_size(j->job->options, c->image_width, c->image_height, bytes_read(j), "JPEG",
                                    j->job->err));
    EINF_TRY(check_length(j));
    EINF_TRY(choose_colours(j));
    const int32_t orientation = find_orientation(j->job);
    choose_reduction(j, orientation >= 5);
    return einf__image_begin(j->job, &(einf__image_stored){ c->output_width, c->output_height, c->image_width,
                                                            c->image_height, orientation, 8 / (int32_t)c->scale_num });
}

/* ---------------------------------------------------------------------------------------------- the rows -- */

/* Count libjpeg's memory in, and hold it to that. */
static einf_status reserve(jpeg *j)
{
    const uint64_t bytes = working_bytes(j);
    EINF_TRY(einf__memory_reserve(j->job->image->mem, bytes, "decoding a JPEG", j->job->err));
    j->counted_bytes = bytes;
    j->cinfo.mem->max_memory_to_use = bytes < LONG_MAX ? (long)bytes : LONG_MAX;
    return EINF_OK;
}

/* a * b / 255, rounded. */
static uint8_t times(uint32_t a, uint32_t b)
{
    const uint32_t t = a * b + 128;
    return (uint8_t)((t + (t >> 8)) >> 8);
}

/* In place: a row becomes shorter. c, m, y, k inverted: 255 is no ink. Pillow rounds the ink that black leaves over
 * first, and takes that from the light. */
static void from_cmyk(uint8_t *row, uint32_t n)
{
    const uint8_t *from = row;
    for (uint32_t i = 0; i < n; i++, from += 4, row += 3) {
        const uint8_t light = from[3];
        for (int c = 0; c < 3; c++) row[c] = (uint8_t)(light - times(255u - from[c], light));
    }
}

/* Coefficients are complete as far as can be told: every component was in a scan and has all bits of its mean. */
static einf_status check_scans(jpeg *j)
{
    const struct jpeg_decompress_struct *c = &j->cinfo;
    if (!jpeg_has_multiple_scans(&j->cinfo)) return EINF_OK;
    for (int i = 0; i < c->num_components; i++) {
        const bool seen = (j->seen_components >> i & 1) != 0;
        if (seen && !(c->progressive_mode && c->coef_bits[i][0] != 0)) continue;
        return einf__fail(j->job->err, EINF_E_FORMAT, bytes_read(j), "JPEG", "was it copied or downloaded whole?",
                          "damaged JPEG: after %d scans component %d of %d %s", c->input_scan_number, i + 1,
                          c->num_components, seen ? "lacks bits of its mean" : "is in none of them");
    }
    return EINF_OK;
}

/* n rows to first, first + row_bytes, ... The source is memory, and never makes libjpeg wait. */
static void read_band(jpeg *j, uint8_t *first, uint64_t row_bytes, uint32_t n)
{
    JSAMPROW rows[BAND_ROWS];
    for (uint32_t i = 0; i < n; i++) rows[i] = first + i * row_bytes;
    for (uint32_t done = 0; done < n;) done += jpeg_read_scanlines(&j->cinfo, rows + done, n - done);
    if (j->cinfo.out_color_space == JCS_CMYK)
        for (uint32_t i = 0; i < n; i++) from_cmyk(rows[i], j->cinfo.output_width);
}

static einf_status read_rows(jpeg *j)
{
    struct jpeg_decompress_struct *c = &j->cinfo;
    const einf__image_job *job = j->job;
    EINF_TRY(reserve(j));
    (void)jpeg_start_decompress(c);
    EINF_TRY(check_scans(j));
    const bool direct = job->image->orientation == 1 && c->out_color_space == JCS_RGB;
    const uint64_t row_bytes = (uint64_t)c->output_width * (uint64_t)c->output_components;
    if (!direct) {
        void *band;
        EINF_TRY(einf__alloc_or_fail(job->image->mem, row_bytes * BAND_ROWS, "rows of a JPEG", &band, job->err));
        j->band = band;
        j->band_bytes = row_bytes * BAND_ROWS;
    }
    while (c->output_scanline < c->output_height) {
        const uint32_t y = c->output_scanline, left = c->output_height - y, n = left < BAND_ROWS ? left : BAND_ROWS;
        read_band(j, direct ? job->image->rgb + y * row_bytes : j->band, row_bytes, n);
        if (!direct) einf__image_put_band(job, y, n, j->band, row_bytes, c->output_width);
    }
    (void)jpeg_finish_decompress(c); /* reads on to the end marker */
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------ the file -- */

/* Everything that libjpeg may leave by on_error. */
static einf_status read_guarded(jpeg *j)
{
    struct jpeg_decompress_struct *c = &j->cinfo;
    if (setjmp(j->jump)) return j->status;
    jpeg_create_decompress(c);
    c->progress = &j->progress;
    jpeg_mem_src(c, j->job->data, (unsigned long)j->job->size_bytes);
    EINF_TRY(read_header(j));
    return j->job->only_facts ? EINF_OK : read_rows(j);
}

einf_status einf__image_read_jpeg(einf__image_job *job)
{
    jpeg j = { .job = job };
    einf__memory *mem = job->image->mem;
    job->image->format = EINF__IMAGE_JPEG;
    j.cinfo.err = jpeg_std_error(&j.errors);
    j.cinfo.client_data = &j;
    j.errors.error_exit = on_error;
    j.errors.emit_message = on_message;
    j.progress.progress_monitor = on_progress;
    const einf_status status = read_guarded(&j);
    jpeg_destroy_decompress(&j.cinfo);
    if (j.band) einf__free(mem, j.band, (size_t)j.band_bytes);
    if (j.counted_bytes) einf__memory_unreserve(mem, j.counted_bytes);
    return status;
}
