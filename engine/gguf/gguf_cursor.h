/* SPDX-License-Identifier: MIT
 * gguf_cursor.h - reading forward in bytes nobody vouches for.
 *
 * One comparison guards every read: `n > end - at`, which cannot wrap. Values are copied out with memcpy: nothing in a
 * file is aligned. After the first failure the cursor stays where it was, so its position is the place to report.
 */
#ifndef EINF_GGUF_CURSOR_H
#define EINF_GGUF_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct einf__cursor {
    const uint8_t *begin, *at, *end;
} einf__cursor;

/* Bytes that are not NUL-terminated; may hold anything. */
typedef struct einf__bytes { const char *p; uint64_t n; } einf__bytes;

static inline einf__cursor einf__cursor_over(const void *data, uint64_t size_bytes)
{
    const uint8_t *p = data;
    return (einf__cursor){ p, p, p + size_bytes };
}
static inline uint64_t einf__cursor_left(const einf__cursor *c) { return (uint64_t)(c->end - c->at); }
static inline uint64_t einf__cursor_offset(const einf__cursor *c) { return (uint64_t)(c->at - c->begin); }

/* A view of the next n bytes, or NULL when fewer are left. */
static inline const uint8_t *einf__cursor_take(einf__cursor *c, uint64_t n)
{
    if (n > einf__cursor_left(c)) return NULL;
    const uint8_t *p = c->at;
    c->at += n;
    return p;
}

static inline bool einf__cursor_u32(einf__cursor *c, uint32_t *out)
{
    const uint8_t *p = einf__cursor_take(c, sizeof *out);
    if (p) memcpy(out, p, sizeof *out);
    return p != NULL;
}

static inline bool einf__cursor_u64(einf__cursor *c, uint64_t *out)
{
    const uint8_t *p = einf__cursor_take(c, sizeof *out);
    if (p) memcpy(out, p, sizeof *out);
    return p != NULL;
}

/* A GGUF string: u64 length, then that many bytes. The cursor does not move when it does not fit. */
static inline bool einf__cursor_string(einf__cursor *c, einf__bytes *out)
{
    einf__cursor t = *c;
    if (!einf__cursor_u64(&t, &out->n)) return false;
    const uint8_t *p = einf__cursor_take(&t, out->n);
    if (!p) return false;
    out->p = (const char *)p;
    *c = t;
    return true;
}

#endif
