/* SPDX-License-Identifier: MIT
 * lowlevel.h - the token level: ids or embedding rows in, logits out.
 *
 * A session is a timeline of rows. Each row came from a token id or from an embedding row (an image), has a position
 * of four numbers (time, height, width, spare: M-RoPE; text has them equal), and sees every row before it.
 * The rules of <edgeinfer/edgeinfer.h> hold; no function here allocates. Logits views last until the next call.
 */
#ifndef EDGEINFER_LOWLEVEL_H
#define EDGEINFER_LOWLEVEL_H

#include <edgeinfer/edgeinfer.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What to append, and which logits to return. Either ids or rows. */
typedef struct einf_batch {
    uint32_t struct_size;
    uint32_t n;                 /* tokens or rows, any number up to the free context; computed n_batch at a time */
    const int32_t *ids;         /* [n], each in [0, n_vocab) */
    const float *rows;          /* [n, row_width], row_width = n_embd; used as they are, without embedding scale */
    uint32_t row_width;         /* floats; must equal n_embd */
    uint32_t n_logit_rows;      /* rows of `logits` */
    const int32_t (*positions)[4]; /* [n]; NULL: all four equal, one more than the largest of the row before */
    const int32_t *logit_rows;  /* [n_logit_rows], ascending indices in [0, n); NULL with n_logit_rows = n: all */
    float *logits;              /* [n_logit_rows, n_vocab], caller's; NULL with n_logit_rows = 0 */
    const einf_cancel *cancel;  /* besides the session's */
    einf_progress_fn progress;
    void *progress_user;
    const int32_t *row_keys;    /* [n], each below -1, for rows: by what einf_session_reuse_prefix knows them again (as
                                   a hash of picture and row); NULL: not at all */
} einf_batch;

/** Append and compute. Afterwards einf_session_logits() shows the last row.
 *  Any failure, EINF_E_CANCELLED included, leaves the timeline as it was before the call. */
EINF_API einf_status einf_session_append(einf_session *s, const einf_batch *batch, einf_error *err);
/** einf_session_append of plain ids. */
EINF_API einf_status einf_session_append_tokens(einf_session *s, const int32_t *ids, uint32_t n, einf_error *err);
/** einf_session_append of embedding rows, [n, row_width], with their positions. */
EINF_API einf_status einf_session_append_rows(einf_session *s, const float *rows, uint32_t n,
                                              const int32_t (*positions)[4], uint32_t row_width, einf_error *err);

/** [n_vocab] logits of the last row appended; NULL before the first and after a rewind. */
EINF_API const float *einf_session_logits(const einf_session *s);
/** Rows on the timeline. */
EINF_API uint32_t einf_session_n_past(const einf_session *s);
EINF_API uint32_t einf_session_n_ctx(const einf_session *s);
/** Private bytes of the session. */
EINF_API uint64_t einf_session_bytes(const einf_session *s);

/** Forget every row from n_past on; n_past at most einf_session_n_past. Checkpoints above it are dropped. */
EINF_API einf_status einf_session_rewind(einf_session *s, uint32_t n_past, einf_error *err);
/** Mark the present end of the timeline (and, for recurrent models, copy their state). EINF_E_LIMIT: no slot left. */
EINF_API einf_status einf_session_checkpoint(einf_session *s, int32_t *mark, einf_error *err);
/** Go back to a mark, which stays valid. EINF_E_ARG: dropped by an earlier rewind. */
EINF_API einf_status einf_session_restore(einf_session *s, int32_t mark, einf_error *err);
/** Free the slot of a mark. */
EINF_API einf_status einf_session_release(einf_session *s, int32_t mark, einf_error *err);
/** How many of ids the timeline already begins with; rewinds to there (at most n - 1, so that logits can be computed
 *  for the last). Rows from images match their row_keys, those without match nothing. */
EINF_API einf_status einf_session_reuse_prefix(einf_session *s, const int32_t *ids, uint32_t n, uint32_t *n_reused,
                                               einf_error *err);

/** Set how einf_session_sample chooses, and restart its random numbers from the seed. NULL: greedy. */
EINF_API einf_status einf_session_set_sampling(einf_session *s, const einf_sampling *sampling, einf_error *err);
/** Choose a token from the last logits; does not append it. The repetition penalty sees the session's last ids.
 *  Order: penalty, top-k, top-p, min-p, temperature, draw; the filters see probabilities at temperature 1. */
EINF_API einf_status einf_session_sample(einf_session *s, int32_t *token_id, einf_error *err);

#ifdef __cplusplus
}
#endif
#endif
