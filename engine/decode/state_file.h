/* SPDX-License-Identifier: MIT
 * state_file.h - a timeline as a file.
 *
 * Little-endian. The header, then for the n_past rows of the timeline:
 *
 *   ids        i32 [n_past], negative for a row that came from an embedding: its key, or -1
 *   positions  i32 [n_past, 4]
 *   cache      for each layer, for each KV head: keys [n_past, row], then values [n_past, row], rows as in the cache
 *   logits     f32 [n_vocab] of the last row, when has_logits
 *   hash       u64 of everything before it (state_io.h says how)
 *
 * A file fits a session of the same model (by its hash), KV type and arithmetic, whose context has room for the rows.
 * Instruction sets and threads may differ: then the continuation is as right as before, but not bit for bit the same.
 */
#ifndef EINF_DECODE_STATE_FILE_H
#define EINF_DECODE_STATE_FILE_H

#include "engine/decode/session.h"

#define EINF__STATE_MAGIC "EINFSTAT"
enum { EINF__STATE_VERSION = 1 };
/* Bits of `arithmetic`. LONG_ROPE: LongRoPE's factors for long contexts turned the keys (einf__rope_is_long). */
enum { EINF__STATE_EXACT = 1, EINF__STATE_DETERMINISTIC = 2, EINF__STATE_LONG_ROPE = 4 };

/* As it lies in the file: no padding, every field on a multiple of its size. */
typedef struct einf__state_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;  /* of this struct */
    uint64_t file_bytes;    /* of the whole file */
    uint64_t model_hash;    /* einf__gguf_hash */
    uint32_t kv_type;       /* EINF_KV_* */
    uint32_t arithmetic;    /* EINF__STATE_* */
    uint32_t n_layer, k_dim, v_dim, n_vocab;
    uint64_t kv_row_bytes;  /* of one row in all layers and heads, keys and values */
    uint32_t n_past;
    uint32_t has_logits;    /* 0 or 1 */
    uint32_t top_k;         /* the sampler, as in einf_sampling with the defaults filled in */
    float temperature, top_p, min_p, repeat_penalty;
    uint32_t repeat_last_n;
    uint64_t seed;
    uint64_t random[4];     /* where its random numbers stand; not all 0 */
    uint64_t header_hash;   /* XXH3-64 of all fields before it */
} einf__state_header;

/** Write the timeline to a file that appears whole or not at all. */
einf_status einf__state_save(const einf__timeline *t, uint64_t model_hash, const char *path, einf_error *err);

/** Replace the timeline by that of a file, in two passes: the first reads and checks all of it, the second copies.
 *  Until the second begins a failure changes nothing. If the file changes or cannot be read between the two, which the
 *  hash of the second shows, the timeline is empty. Only the first pass looks at the cancel flag. */
einf_status einf__state_load(einf__timeline *t, uint64_t model_hash, const char *path, einf_error *err);

#endif
