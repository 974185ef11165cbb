/* SPDX-License-Identifier: MIT
 * golden_support.h - what the suites that run whole models share: open one, compute logits, compare them.
 */
#ifndef TESTS_GOLDEN_SUPPORT_H
#define TESTS_GOLDEN_SUPPORT_H

#include <edgeinfer/edgeinfer.h>
#include <edgeinfer/lowlevel.h>

#include "tests/support/test_support.h"

/* A runtime with one model. */
typedef struct golden {
    einf_runtime *rt;
    einf_model *model;
    einf_model_info info;
} golden;

/** Open; fails the test on any error. n_threads 0: automatic. */
golden golden_open(const char *path, int32_t n_threads);
void golden_close(golden *g);

/** Path of a golden file: in tests/golden/data, else in EINF_TEST_DATA/golden; malloc'd. NULL after a SKIP line. */
char *golden_path(const char *name);
/** A whole f32 file, n floats expected; malloc'd. NULL after a SKIP line. */
float *golden_floats(const char *name, size_t n);

/** Logits of chosen rows (NULL: all n) of ids in a fresh session with this config, [n_rows, n_vocab], malloc'd. */
float *golden_logits(const golden *g, const einf_session_config *config, const int32_t *ids, uint32_t n,
                     const int32_t *rows, uint32_t n_rows);

/** |a - b| / |b| over all n. */
double golden_relative_error(const float *a, const float *b, size_t n);
/** Mean over rows of KL(softmax b || softmax a). */
double golden_kl(const float *a, const float *b, size_t n_rows, size_t n_vocab);
/** log-softmax of one row, f64 inside. */
void golden_log_softmax(const float *logits, size_t n, double *out);

#endif
