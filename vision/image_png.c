/* SPDX-License-Identifier: MIT
 * image_png.c - PNG through libpng: every colour type and depth, interlaced or not.
 *
 * Pixels are what the samples say: gamma, colour profiles and backgrounds (gAMA, iCCP, sRGB, bKGD) are not applied, as
 * in Pillow, on which models were trained. 16 bits become 8 by rounding (Pillow cuts). Alpha lies on white. Of an APNG
 * the picture that stands without animation. Orientation is that of an eXIf chunk.
 * Refused: a wrong CRC or checksum anywhere, a palette index without an entry, a file that ends early, and whatever
 * else libpng warns of; but not bytes behind the end of the compressed data, which touch no pixel.
 * setjmp stays in this file; libpng's memory is einf__memory's where the caller has one. An interlaced picture is put
 * in place pass by pass, so that here too a row is all that is held beside the picture.
 */
#include "vision/image_private.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "engine/base/checked_math.h"
#include "vision/image_exif.h"

enum {
    SIGNATURE_BYTES = 8,
    CHUNK_FRAME_BYTES = 12,   /* length, type, CRC */
    BLOCK_HEADER_BYTES = 64,  /* before each block of libpng's: its size, alignment kept */
    SPARE_BYTES = 1 << 14,    /* compressed bytes that may follow what the last row took */
    MAX_DEFLATION = 1032      /* 258 bytes in a code of one bit and a distance of one bit */
};

typedef struct png {
    einf__image_job *job;
    png_structp png;
    png_infop info;
    jmp_buf jump;
    einf_status status;
    uint64_t at;                 /* of the file, read so far */
    uint64_t stop_at;            /* data beyond are more than the picture's; UINT64_MAX until all rows are inflated */
    bool is_last_row;
    char warning[96];            /* libpng's last */
    einf_status memory_status;   /* of the last allocation that failed, with its error; EINF_OK: none */
    uint8_t palette[256][3];     /* over white already */
    uint32_t n_palette;          /* 0: no palette */
    uint32_t n_channels;         /* of a row: 1..4, or 1 for palette indexes */
    uint8_t *row, *rgb;          /* as libpng gives it, and as RGB; both in one block */
    uint64_t row_bytes;
} png;

/* ------------------------------------------------------------------------------------- what libpng calls -- */

/* Does not return. */
static void give_up(png *p, einf_status status)
{
    p->status = status;
    longjmp(p->jump, 1);
}

static void on_error(png_structp s, png_const_charp message)
{
    png *p = png_get_error_ptr(s);
    if (p->memory_status != EINF_OK) give_up(p, p->memory_status);
    const bool more = p->warning[0] && strcmp(p->warning, message) != 0;
    give_up(p, einf__fail(p->job->err, EINF_E_FORMAT, p->at, "PNG", "was it copied or downloaded whole?",
                          "damaged PNG: %s%s%s%s", message, more ? " (" : "", more ? p->warning : "", more ? ")" : ""));
}

/* Warnings about a size or type are followed by an error that says less: they are kept for it. */
static void on_warning(png_structp s, png_const_charp message)
{
    png *p = png_get_error_ptr(s);
    if (strcmp(message, "IDAT: Extra compressed data") == 0) return;
    const size_t n = strlen(message) < sizeof p->warning ? strlen(message) : sizeof p->warning - 1;
    memcpy(p->warning, message, n);
    p->warning[n] = '\0';
    if (strstr(message, "IHDR") == NULL) on_error(s, message);
}

static void on_read(png_structp s, png_bytep to, size_t n)
{
    png *p = png_get_io_ptr(s);
    p->status = einf__image_go_on(p->job, p->at);
    if (p->status != EINF_OK) give_up(p, p->status);
    if (n > p->job->size_bytes - p->at)
        give_up(p, einf__fail(p->job->err, EINF_E_FORMAT, p->job->size_bytes, "PNG",
                              "was it copied or downloaded whole?",
                              "damaged PNG: the file ends after %llu bytes, inside a chunk",
                              (unsigned long long)p->job->size_bytes));
    if (p->at > p->stop_at)
        give_up(p, einf__fail(p->job->err, EINF_E_FORMAT, p->at, "PNG", NULL,
                              "damaged PNG: IDAT goes on after the last pixel"));
    memcpy(to, p->job->data + p->at, n);
    p->at += n;
}

/* Between the inflating of a row and the end of the compressed data, of which a hostile file may have any amount more:
 * libpng would inflate it all. */
static void on_inflated(png_structp s, png_row_infop info, png_bytep row)
{
    png *p = png_get_io_ptr(s);
    (void)info;
    (void)row;
    if (p->is_last_row) p->stop_at = p->at + SPARE_BYTES;
}

static png_voidp on_alloc(png_structp s, png_alloc_size_t size_bytes)
{
    png *p = png_get_mem_ptr(s);
    uint64_t total;
    void *block;
    if (!einf__add_u64(size_bytes, BLOCK_HEADER_BYTES, &total)) total = UINT64_MAX; /* which nobody has */
    const einf_status status = einf__alloc_or_fail(p->job->image->mem, total, "decoding a PNG", &block, p->job->err);
    if (status != EINF_OK) {
        p->memory_status = status;
        return NULL;
    }
    memcpy(block, &total, sizeof total);
    return (uint8_t *)block + BLOCK_HEADER_BYTES;
}

static void on_free(png_structp s, png_voidp block)
{
    png *p = png_get_mem_ptr(s);
    uint64_t total;
    if (!block) return;
    uint8_t *begin = (uint8_t *)block - BLOCK_HEADER_BYTES;
    memcpy(&total, begin, sizeof total);
    einf__free(p->job->image->mem, begin, (size_t)total);
}

/* -------------------------------------------------------------------------------------------- the header -- */

/* The orientation that an eXIf chunk gives, wherever it stands: 1 without. */
static int32_t find_orientation(const einf__image_job *job)
{
    uint64_t at = SIGNATURE_BYTES;
    while (job->size_bytes - at >= CHUNK_FRAME_BYTES) {
        const uint8_t *chunk = job->data + at;
        const uint64_t n = (uint64_t)chunk[0] << 24 | (uint64_t)chunk[1] << 16 | (uint64_t)chunk[2] << 8 | chunk[3];
        if (n > job->size_bytes - at - CHUNK_FRAME_BYTES) return 1;
        if (memcmp(chunk + 4, "eXIf", 4) == 0) return einf__exif_orientation(chunk + 8, n);
        at += n + CHUNK_FRAME_BYTES;
    }
    return 1;
}

/* Chunks that touch no pixel are passed over, but for their CRC; so libpng needs no bound on what it keeps of them, and
 * its own of 8 MB would refuse pictures with long comments. */
static void configure(png *p)
{
    png_set_read_fn(p->png, p, on_read);
    png_set_user_limits(p->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours are checked before a row is read */
    png_set_chunk_malloc_max(p->png, 0);
    png_set_chunk_cache_max(p->png, 1);
    png_set_keep_unknown_chunks(p->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_crc_action(p->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
}

/* The colours of a palette, with their alpha. */
static void read_palette(png *p)
{
    png_colorp colours = NULL;
    png_bytep alpha = NULL;
    png_color_16p unused = NULL;
    int n_colours = 0, n_alpha = 0;
    (void)png_get_PLTE(p->png, p->info, &colours, &n_colours);
    (void)png_get_tRNS(p->png, p->info, &alpha, &n_alpha, &unused);
    for (int i = 0; i < n_colours; i++) {
        const uint8_t a = alpha && i < n_alpha ? alpha[i] : 255;
        p->palette[i][0] = einf__over_white(colours[i].red, a);
        p->palette[i][1] = einf__over_white(colours[i].green, a);
        p->palette[i][2] = einf__over_white(colours[i].blue, a);
    }
    p->n_palette = (uint32_t)n_colours;
}

/* Samples of 8 bits, transparency as alpha; palette indexes stay indexes. */
static void ask_for_bytes(png *p)
{
    if (png_get_color_type(p->png, p->info) == PNG_COLOR_TYPE_PALETTE) {
        png_set_packing(p->png);
        read_palette(p);
    } else {
        png_set_expand_gray_1_2_4_to_8(p->png);
        if (png_get_valid(p->png, p->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(p->png);
        png_set_scale_16(p->png);
    }
    png_set_read_user_transform_fn(p->png, on_inflated);
    png_read_update_info(p->png, p->info);
    p->n_channels = png_get_channels(p->png, p->info);
}

static einf_status read_header(png *p)
{
    png_read_info(p->png, p->info);
    const uint32_t w = png_get_image_width(p->png, p->info), h = png_get_image_height(p->png, p->info);
    EINF_TRY(einf__image_check_size(p->job->options, w, h, SIGNATURE_BYTES + 8, "PNG", p->job->err));
    if (png_get_rowbytes(p->png, p->info) * (uint64_t)h / MAX_DEFLATION > p->job->size_bytes)
        return einf__fail(p->job->err, EINF_E_FORMAT, p->job->size_bytes, "PNG", "was it copied or downloaded whole?",
                          "damaged PNG: %u x %u pixels cannot be in a file of %llu bytes", w, h,
                          (unsigned long long)p->job->size_bytes);
    return einf__image_begin(p->job, &(einf__image_stored){ w, h, w, h, find_orientation(p->job), 1 });
}

/* ---------------------------------------------------------------------------------------------- the rows -- */

static einf_status look_up(png *p, uint32_t n, uint32_t y)
{
    uint8_t *to = p->rgb;
    for (uint32_t i = 0; i < n; i++, to += 3) {
        if (p->row[i] >= p->n_palette)
            return einf__fail(p->job->err, EINF_E_FORMAT, p->at, "PNG", NULL,
                              "damaged PNG: a pixel of row %u has palette index %u, but there are %u entries", y,
                              p->row[i], p->n_palette);
        memcpy(to, p->palette[p->row[i]], 3);
    }
    return EINF_OK;
}

/* What libpng gave, as RGB: the bytes themselves where they are that already. */
static einf_status convert_row(png *p, uint32_t n, uint32_t y, const uint8_t **out)
{
    *out = p->rgb;
    if (p->n_palette) return look_up(p, n, y);
    const uint8_t *from = p->row;
    uint8_t *to = p->rgb;
    switch (p->n_channels) {
    case 1:
        for (uint32_t i = 0; i < n; i++, from++, to += 3) to[0] = to[1] = to[2] = from[0];
        break;
    case 2:
        for (uint32_t i = 0; i < n; i++, from += 2, to += 3) to[0] = to[1] = to[2] = einf__over_white(from[0], from[1]);
        break;
    case 3:
        *out = p->row;
        break;
    default:
        for (uint32_t i = 0; i < n; i++, from += 4, to += 3)
            for (int k = 0; k < 3; k++) to[k] = einf__over_white(from[k], from[3]);
    }
    return EINF_OK;
}

/* One row of libpng's: n pixels at x, x + every, ... of row y. */
static einf_status read_row(png *p, uint32_t x, uint32_t every, uint32_t y, uint32_t n, bool last)
{
    const uint8_t *rgb;
    p->is_last_row = last;
    EINF_TRY(einf__image_go_on(p->job, p->at));
    png_read_row(p->png, p->row, NULL);
    p->stop_at = UINT64_MAX;
    EINF_TRY(convert_row(p, n, y, &rgb));
    einf__image_put_row(p->job, x, every, y, rgb, n);
    return EINF_OK;
}

/* The passes of Adam7: first column and row, and how far the next ones are. */
typedef struct pass { uint8_t x, y, every_x, every_y; } pass;
static const pass PASSES[7] = { { 0, 0, 8, 8 }, { 4, 0, 8, 8 }, { 0, 4, 4, 8 }, { 2, 0, 4, 4 },
                                { 0, 2, 2, 4 }, { 1, 0, 2, 2 }, { 0, 1, 1, 2 } };

static uint32_t count_every(uint32_t n, uint32_t first, uint32_t every)
{
    return n > first ? (n - first - 1) / every + 1 : 0;
}

/* Without libpng's help, which would need all rows in their own form. A pass without columns has no rows, and the last
 * that has some ends the compressed data. */
static einf_status read_passes(png *p, uint32_t width, uint32_t height)
{
    uint32_t n_rows_left = 0;
    for (int i = 0; i < 7; i++)
        if (width > PASSES[i].x) n_rows_left += count_every(height, PASSES[i].y, PASSES[i].every_y);
    for (int i = 0; i < 7; i++) {
        const pass *a = &PASSES[i];
        const uint32_t n = count_every(width, a->x, a->every_x);
        for (uint32_t y = a->y; n > 0 && y < height; y += a->every_y)
            EINF_TRY(read_row(p, a->x, a->every_x, y, n, --n_rows_left == 0));
    }
    return EINF_OK;
}

static einf_status read_rows(png *p)
{
    const uint32_t width = png_get_image_width(p->png, p->info), height = png_get_image_height(p->png, p->info);
    void *block;
    ask_for_bytes(p);
    p->row_bytes = png_get_rowbytes(p->png, p->info);
    EINF_TRY(einf__alloc_or_fail(p->job->image->mem, p->row_bytes + (uint64_t)width * 3, "rows of a PNG", &block,
                                 p->job->err));
    p->row = block;
    p->rgb = p->row + p->row_bytes;
    if (png_get_interlace_type(p->png, p->info) != PNG_INTERLACE_NONE) EINF_TRY(read_passes(p, width, height));
    else for (uint32_t y = 0; y < height; y++) EINF_TRY(read_row(p, 0, 1, y, width, y + 1 == height));
    png_read_end(p->png, NULL);
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------ the file -- */

/* Everything that libpng may leave by on_error: making its structs is among it, for it warns when memory is refused. */
static einf_status read_guarded(png *p)
{
    const bool ours = p->job->image->mem != NULL;
    if (setjmp(p->jump)) return p->status;
    p->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, p, on_error, on_warning, p, ours ? on_alloc : NULL,
                                      ours ? on_free : NULL);
    p->info = p->png ? png_create_info_struct(p->png) : NULL;
    if (!p->info && p->memory_status == EINF_OK) /* a probe's memory is libpng's own */
        return einf__fail(p->job->err, EINF_E_NOMEM, EINF_NO_OFFSET, "PNG", "free memory", "no memory to read a PNG");
    if (!p->info) return p->memory_status;
    configure(p);
    EINF_TRY(read_header(p));
    return p->job->only_facts ? EINF_OK : read_rows(p);
}

einf_status einf__image_read_png(einf__image_job *job)
{
    png p = { .job = job, .stop_at = UINT64_MAX };
    einf__memory *mem = job->image->mem;
    job->image->format = EINF__IMAGE_PNG;
    const einf_status status = read_guarded(&p);
    if (p.row) einf__free(mem, p.row, (size_t)(p.row_bytes + (uint64_t)png_get_image_width(p.png, p.info) * 3));
    png_destroy_read_struct(&p.png, &p.info, NULL);
    return status;
}
