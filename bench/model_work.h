/* SPDX-License-Identifier: MIT
 * model_work.h - what a token of a model costs: bytes of weights that are read, multiply-adds that they take.
 */
#ifndef BENCH_MODEL_WORK_H
#define BENCH_MODEL_WORK_H

#include <stdbool.h>

#include <edgeinfer/edgeinfer.h>

/* Of the matrices alone: norms are small, and attention grows with the context. */
typedef struct bench_model_work {
    double read_bytes;  /* by a token that is decoded: every matrix, the embedding only where it is the output too */
    double layer_macs;  /* of a token in all layers */
    double output_macs; /* of a row of logits */
    bool is_float;      /* most weights are floats: f32 arithmetic is their peak */
} bench_model_work;

bench_model_work bench_model_work_of(const einf_model *m);

#endif
