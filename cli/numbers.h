/* SPDX-License-Identifier: MIT
 * numbers.h - numbers written by people, taken whole or not at all.
 *
 * Every function wants the whole text: no blanks, no rest, no sign that is not said here. False leaves *out alone.
 */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Decimal digits. */
bool cli_parse_u64(const char *text, uint64_t *out);
/** Decimal digits, with '-' before them or not. */
bool cli_parse_i64(const char *text, int64_t *out);
/** "0.7", "1e-3", "-2": decimal and finite. */
bool cli_parse_real(const char *text, double *out);
/** A size in bytes: "3G", "1.5GiB", "512M", "4096"; K, M, G and T are powers of 1024. At least 1. */
bool cli_parse_size(const char *text, uint64_t *out);
/** A width and a height: "1024x768". */
bool cli_parse_extent(const char *text, uint64_t *width, uint64_t *height);
/** A mask: "0x1f", "31", or "all" for every bit. */
bool cli_parse_mask(const char *text, uint32_t *out);

/** "1.93 MiB", "772 bytes": into buf, which is returned. */
const char *cli_size_text(uint64_t size_bytes, char *buf, size_t buf_bytes);

#endif
