/* SPDX-License-Identifier: MIT
 * stop_strings.h - texts that end an answer, found in a stream of pieces and never given away.
 *
 * What may yet become a stop string is held back, and comes out as soon as it cannot. A match is looked for in the
 * text, so it may begin and end inside of tokens. The match that ends first wins, of those that end together the
 * longest. Stop strings are UTF-8, and so is the text: what comes out is cut between characters.
 */
#ifndef EINF_API_STOP_STRINGS_H
#define EINF_API_STOP_STRINGS_H

#include <stdbool.h>

#include "engine/base/memory.h"

enum { EINF__MAX_STOPS = 64, EINF__MAX_STOP_BYTES = 4096 };

typedef struct einf__stop_string {
    const char *text;     /* borrowed */
    uint16_t n_bytes;
    uint16_t n_matched;   /* bytes of it that the stream now ends with */
    uint16_t *fallback;   /* [n_bytes] of its first i + 1 bytes, how many of the last are also its first, not all */
} einf__stop_string;

typedef struct einf__stops {
    einf__memory *mem;
    void *block;
    uint64_t block_bytes;
    einf__stop_string *list; /* [n] */
    uint32_t n;
    char *text;              /* [longest + max piece] what is held back begins at n_given */
    uint64_t n_text, n_given;
    bool found;
} einf__stops;

/* Some text that may be given away, valid until the next call on its einf__stops. */
typedef struct einf__stops_text {
    const char *p;
    uint64_t n;
} einf__stops_text;

/** Check and prepare; takes one block, or none for n = 0. texts: [n] NUL-terminated, borrowed until deinit. Pieces will
 *  have at most max_piece_bytes. EINF_E_ARG names the string; *out needs no deinit after a failure. */
einf_status einf__stops_init(einf__memory *mem, const char *const *texts, uint32_t n, uint64_t max_piece_bytes,
                             einf__stops *out, einf_error *err);
void einf__stops_deinit(einf__stops *s);

/** Add a piece; what may be given away now. When s->found becomes true that is the last of the text. */
einf__stops_text einf__stops_add(einf__stops *s, const char *piece, uint64_t n_bytes);
/** The stream has ended with this piece (n_bytes may be 0): what may be given away, with all that was held back. */
einf__stops_text einf__stops_end(einf__stops *s, const char *piece, uint64_t n_bytes);

#endif
