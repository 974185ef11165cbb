/* SPDX-License-Identifier: MIT
 * naive_model.h - the forward pass of a model_spec again, in double precision, as the papers have it: every row against
 * all rows, no cache, no batches, no threads. The oracle of the engine's forward pass.
 *
 * Shares no code with the library: it reads the builder's file by a walk of its own (naive_file.h), and takes the
 * hyper-parameters from the specification.
 */
#ifndef TESTS_NAIVE_MODEL_H
#define TESTS_NAIVE_MODEL_H

#include "tests/support/model_build.h"

typedef struct naive_model naive_model;

/** The file must be one of model_file, and outlive *; anything odd ends the program. */
naive_model *naive_open(const model_spec *s, const uint8_t *file);
void naive_close(naive_model **m);
/** Answer as a session of n_ctx rows; n_ctx_train of them when not called. */
void naive_set_ctx(naive_model *m, uint32_t n_ctx);

/* A row of the timeline: a token, or an embedding row with id -1. */
typedef struct naive_row {
    int32_t id;
    const float *embedding; /* [n_embd] */
    int32_t position[4];
} naive_row;

/** Logits of all rows, [n, n_vocab], malloc'd. */
double *naive_logits(const naive_model *m, const naive_row *rows, size_t n);
/** The embedding of a token as a row that the library takes: de-quantised, scaled where the family does. [n_embd] */
void naive_embedding(const naive_model *m, int32_t id, float *out);

#endif
