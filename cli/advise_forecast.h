/* SPDX-License-Identifier: MIT
 * advise_forecast.h - what a picture will cost on this machine with this model, from a calibration of seconds.
 *
 * Forecasts hold for a machine as busy as it was during the calibration. What was not measured is EPROF_ABSENT.
 */
#ifndef CLI_ADVISE_FORECAST_H
#define CLI_ADVISE_FORECAST_H

#include <edgeinfer/vision.h>
#include <edgeprof/edgeprof.h>

#include "cli/advise_ladder.h"
#include "cli/advise_law.h"
#include "cli/open_model.h"

/* Per second of a phase. */
typedef struct advise_power {
    double watts, u95_watts;  /* gross */
    double cores;             /* CPU seconds of this process */
} advise_power;

/* What the calibration found. */
typedef struct advise_machine {
    advise_law preprocess;    /* by pixels that come out */
    advise_law encode, prefill; /* by multiply-adds */
    advise_law decode;        /* by bytes read: one point, of one token */
    advise_power image_power, prefill_power, decode_power;
    char source[48];          /* of energy; "" when nothing measures, or nobody asked */
    int32_t scope, cls;
    double elapsed_s, budget_s;
    double noise, residual;   /* of the laws, by their share of the seconds at the model's own limit */
    double weight_bytes, kv_row_bytes; /* that a decoded token reads, and more for each row before it */
    double n_params;          /* that a token of a prompt meets */
    double attention_per_pair; /* multiply-adds of the language model for each pair of rows */
    double image_attention_per_pair; /* of the encoder, for each pair of patches */
} advise_machine;

/* What is forecast of. */
typedef struct advise_request {
    uint32_t n_text;          /* tokens of the prompt that are not the picture's */
    uint32_t n_answer;        /* tokens generated */
} advise_request;

typedef struct advise_forecast {
    advise_interval preprocess_s, encode_s, prefill_s, decode_s, total_s;
    advise_interval cpu_core_s, gross_j; /* absent where no profiler was asked for, or nothing measures */
} advise_forecast;

/** Measure within about budget_s: encodes of small versions of the picture (vision must remember none), short prefills
 *  and some decoded tokens. No message: *err says it; EINF_E_NOMEM too. */
einf_status advise_calibrate(cli_engine *e, einf_vision *v, einf_session *s, const einf_image *image,
                             const advise_ladder *ladder, const advise_request *request, double budget_s,
                             advise_machine *out, einf_error *err);

void advise_forecast_of(const advise_machine *m, const einf_image_sizes *sizes, const advise_request *request,
                        advise_forecast *out);

/** The repeats or the laws are off by more than 15 %. */
bool advise_is_noisy(const advise_machine *m);

#endif
