/* SPDX-License-Identifier: MIT
 * session.h - one mutable timeline over a shared model: rows appended, logits read, rows forgotten.
 *
 * Invariant: rows [0, n_past) are stored in the cache, with their ids (of an embedding row its key, below -1, or -1 for
 * none) and positions; whatever lies above n_past is garbage. So forgetting is setting n_past, and a failed append is
 * undone by it.
 * Everything lives in one block that the owner carved; no function here allocates.
 */
#ifndef EINF_DECODE_SESSION_H
#define EINF_DECODE_SESSION_H

#include <edgeinfer/lowlevel.h>

#include "engine/decode/forward.h"
#include "engine/decode/sampler.h"

enum { EINF__MAX_POSITION = 1 << 30 };

/* A config with the defaults filled in and checked. */
typedef struct einf__session_params {
    uint32_t n_ctx, n_batch, n_checkpoints;
    einf__dtype kv_type;
    bool exact, deterministic;
    einf__float_sum float_sum; /* asked for, and nothing else in the config excludes it; a CPU may */
    einf__path path;
    int32_t n_threads;
} einf__session_params;

typedef struct einf__timeline {
    const einf__config *config;
    const einf__weights *weights;
    einf__session_params params;
    const einf_cancel *cancel;     /* of the session; may be NULL */
    int32_t n_threads_decode;      /* threads of a pass of one row; 0: all */
    einf__compute compute;
    einf__kv_cache kv;
    einf__buffers buffers;
    einf__sampler sampler;
    uint32_t n_past;
    bool has_logits;
    int32_t *ids;                  /* [n_ctx] */
    int32_t (*positions)[4];       /* [n_ctx] */
    float *logits;                 /* [n_vocab] of the last row */
    int32_t *which;                /* [n_batch] rows whose logits are wanted */
    uint32_t *marks;               /* [n_checkpoints] n_past at the mark, or NO_MARK */
} einf__timeline;

/* Bytes of a layout, by purpose. */
typedef struct einf__session_bytes {
    uint64_t kv, scratch;
} einf__session_bytes;

/** Fill in the defaults and check. EINF_E_ARG names the field and both values. */
einf_status einf__session_params_resolve(const einf_session_config *config, const einf__config *model,
                                         int32_t n_threads, einf__session_params *out, einf_error *err);
/** Carve everything. Run once counting and once over the block; *bytes is what each purpose took. */
void einf__session_lay_out(einf__arena *a, const einf__kernels *kernels, const einf__config *c,
                           const einf__session_params *p, einf__timeline *out, einf__session_bytes *bytes);
/** Make a laid-out timeline ready: empty, greedy. */
void einf__session_init(einf__timeline *t, const einf__config *c, const einf__weights *w,
                        const einf__session_params *p, einf__pool *pool, const einf_cancel *cancel);

/* As the functions of lowlevel.h; arguments not yet checked, pool not acquired. */
einf_status einf__session_append(einf__timeline *t, const einf_batch *b, einf_error *err);
einf_status einf__session_rewind(einf__timeline *t, uint32_t n_past, einf_error *err);
einf_status einf__session_checkpoint(einf__timeline *t, int32_t *mark, einf_error *err);
einf_status einf__session_restore(einf__timeline *t, int32_t mark, einf_error *err);
einf_status einf__session_release(einf__timeline *t, int32_t mark, einf_error *err);
einf_status einf__session_reuse_prefix(einf__timeline *t, const int32_t *ids, uint32_t n, uint32_t *n_reused,
                                       einf_error *err);
einf_status einf__session_sample(einf__timeline *t, int32_t *id, einf_error *err);

/** Where text goes on behind `row` rows: at the largest position of the last of them + 1 (arXiv 2409.12191, 2.1). */
int32_t einf__session_next_position(const einf__timeline *t, uint32_t row);

/** Say that the cache now holds n_past rows, with their ids and positions, of another past: checkpoints are dropped. */
void einf__session_replaced(einf__timeline *t, uint32_t n_past, bool has_logits);

#endif
