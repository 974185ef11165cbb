/* SPDX-License-Identifier: MIT
 * utf8.h - decoding text that may be anything.
 *
 * Two decoders. The strict one knows the bytes that UTF-8 allows. The lenient one reads what llama.cpp reads: overlong
 * forms and surrogates count as the numbers they spell, and each byte that begins nothing is U+FFFD by itself.
 */
#ifndef EINF_TEXT_UTF8_H
#define EINF_TEXT_UTF8_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EINF__REPLACEMENT 0xfffdu

/* Bytes a character of this first byte takes, by its first bits alone: 1 for continuations. */
static inline uint32_t einf__utf8_lead_bytes(char first)
{
    const uint8_t b = (uint8_t)first;
    return b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

/* Write one code point below 0x110000, surrogates included; its bytes, at most 4. */
static inline uint32_t einf__utf8_put(char *to, uint32_t cp)
{
    if (cp < 0x80) {
        to[0] = (char)cp;
        return 1;
    }
    const uint32_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (uint32_t i = n - 1; i > 0; i--, cp >>= 6) to[i] = (char)(0x80u | (cp & 0x3fu));
    to[0] = (char)(cp | (n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u));
    return n;
}

/* Lenient: the code point at p, n >= 1 bytes left; *used gets its bytes. Above U+10FFFF is no character. */
static inline uint32_t einf__utf8_get(const char *p, uint64_t n, uint32_t *used)
{
    const uint8_t b = (uint8_t)p[0];
    *used = 1;
    if (b < 0x80) return b;
    if (b < 0xc0 || b >= 0xf8) return EINF__REPLACEMENT;
    const uint32_t len = einf__utf8_lead_bytes(p[0]);
    uint32_t cp = b & (0xffu >> (len + 1));
    if (len > n) return EINF__REPLACEMENT;
    for (uint32_t i = 1; i < len; i++) {
        if (((uint8_t)p[i] & 0xc0u) != 0x80) return EINF__REPLACEMENT;
        cp = cp << 6 | ((uint8_t)p[i] & 0x3fu);
    }
    if (cp > 0x10ffff) return EINF__REPLACEMENT;
    *used = len;
    return cp;
}

/* Strict: what n >= 1 bytes begin with. > 0: a character of that many bytes. < 0: that many bytes which belong to no
 * character. 0: the beginning of a character whose rest is missing. */
static inline int32_t einf__utf8_step(const uint8_t *p, uint64_t n)
{
    const uint8_t b = p[0];
    if (b < 0x80) return 1;
    if (b < 0xc2 || b > 0xf4) return -1;
    const int32_t len = b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    /* The second byte carries the limits: no overlong forms, no surrogates, nothing above U+10FFFF. */
    const uint8_t low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    for (int32_t i = 1; i < len; i++) {
        if ((uint64_t)i >= n) return 0;
        if (i == 1 ? p[1] < low || p[1] > high : (p[i] & 0xc0u) != 0x80) return -i;
    }
    return len;
}

/* Strictly valid? */
static inline bool einf__utf8_is_valid(const char *text, uint64_t n)
{
    const uint8_t *p = (const uint8_t *)text;
    while (n > 0) {
        uint64_t word;
        if (n >= 8 && (memcpy(&word, p, 8), (word & UINT64_C(0x8080808080808080)) == 0)) {
            p += 8;
            n -= 8;
            continue;
        }
        const int32_t step = einf__utf8_step(p, n);
        if (step <= 0) return false;
        p += step;
        n -= (uint64_t)step;
    }
    return true;
}

#endif
