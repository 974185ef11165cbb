/* SPDX-License-Identifier: MIT
 * image_exif.c - the one entry of a TIFF directory that decides how a picture is turned.
 *
 * Either byte order. Only the first directory counts, as it describes the picture itself and not its thumbnail. Nothing
 * here can fail: cameras write broken EXIF, and a picture whose pixels are whole is not refused for it.
 */
#include "vision/image_exif.h"

#include <stdbool.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, HEADER_BYTES = 8, ENTRY_BYTES = 12 };

static uint32_t u16_at(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t u32_at(const uint8_t *p, bool big)
{
    return big ? u16_at(p, big) << 16 | u16_at(p + 2, big) : u16_at(p + 2, big) << 16 | u16_at(p, big);
}

static int32_t entry_orientation(const uint8_t *entry, bool big)
{
    const uint32_t type = u16_at(entry + 2, big);
    if (u32_at(entry + 4, big) != 1) return 1;
    const uint32_t value = type == TYPE_SHORT ? u16_at(entry + 8, big) : type == TYPE_LONG ? u32_at(entry + 8, big) : 1;
    return value >= 1 && value <= 8 ? (int32_t)value : 1;
}

int32_t einf__exif_orientation(const uint8_t *tiff, uint64_t size_bytes)
{
    if (size_bytes < HEADER_BYTES) return 1;
    const bool big = tiff[0] == 'M';
    if (tiff[0] != tiff[1] || (tiff[0] != 'M' && tiff[0] != 'I') || u16_at(tiff + 2, big) != 42) return 1;
    uint64_t at = u32_at(tiff + 4, big);
    if (at < HEADER_BYTES || at > size_bytes - 2) return 1;
    const uint32_t n_entries = u16_at(tiff + at, big);
    at += 2;
    for (uint32_t i = 0; i < n_entries && size_bytes - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES)
        if (u16_at(tiff + at, big) == TAG_ORIENTATION) return entry_orientation(tiff + at, big);
    return 1;
}
