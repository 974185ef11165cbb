/* SPDX-License-Identifier: MIT
 * state_io.h - the file under a saved session: written beside its name and renamed when it is whole, read in pieces,
 * with a running hash in both directions. Knows nothing of what it carries.
 *
 * The last 8 bytes of a file are the hash of all before them. It is XXH3-64 over pieces of EINF__STATE_PIECE bytes from
 * the start of the file, each seeded with the hash of the piece before; the first seed is 0.
 */
#ifndef EINF_DECODE_STATE_IO_H
#define EINF_DECODE_STATE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/cancel.h"
#include "engine/base/status.h"

enum { EINF__STATE_PIECE = 16384, EINF__STATE_PATH_BYTES = 4096, EINF__STATE_HASH_BYTES = 8 };

/** XXH3-64 of some bytes, for what wants a hash of its own. */
uint64_t einf__state_hash(const void *p, size_t n_bytes);

/* Both structs are about 20 KB, and live on the stack of the call: saving and loading allocate nothing. */

typedef struct einf__state_out {
    const char *path;
    char part[EINF__STATE_PATH_BYTES]; /* the file while it is written; empty when there is none */
    int fd;
    const einf_cancel *cancel;
    uint64_t hash, n_written;
    size_t n_staged;
    uint8_t piece[EINF__STATE_PIECE];
} einf__state_out;

/** Begin. EINF_E_IO: nothing can be written there, or what is there is no regular file. */
einf_status einf__state_out_open(einf__state_out *o, const char *path, const einf_cancel *cancel, einf_error *err);
einf_status einf__state_out_put(einf__state_out *o, const void *p, uint64_t n_bytes, einf_error *err);
/** Add the hash, bring everything to the disk, and put the file in its place. */
einf_status einf__state_out_commit(einf__state_out *o, einf_error *err);
/** After any failure: nothing of the new file stays, and an older one is as it was. Harmless after a commit. */
void einf__state_out_abandon(einf__state_out *o);

typedef struct einf__state_in {
    const char *path;
    int fd;
    const einf_cancel *cancel;
    uint64_t size_bytes;  /* of the file as it was opened */
    uint64_t read_bytes;  /* of the file so far; the next piece begins there */
    uint64_t hash;        /* of the pieces read */
    size_t at, n_piece;   /* what is left of the piece at hand: [at, n_piece) */
    uint8_t piece[EINF__STATE_PIECE];
} einf__state_in;

/** EINF_E_IO: it cannot be opened; EINF_E_FORMAT: it is no regular file, or empty. */
einf_status einf__state_in_open(einf__state_in *in, const char *path, const einf_cancel *cancel, einf_error *err);
/** Back to the start; from here on the cancel flag may be another. */
void einf__state_in_rewind(einf__state_in *in, const einf_cancel *cancel);
/** The next bytes, p NULL: only past them. The caller never asks for more than there is before the hash. */
einf_status einf__state_in_get(einf__state_in *in, void *p, uint64_t n_bytes, einf_error *err);
/** At the end of everything but the hash: does it agree? */
einf_status einf__state_in_check(einf__state_in *in, bool *agrees, einf_error *err);
void einf__state_in_close(einf__state_in *in);

#endif
