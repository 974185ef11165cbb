/* SPDX-License-Identifier: MIT
 * vlm_run.h - one prompt with a picture, measured from an empty session, no picture remembered.
 */
#ifndef BENCH_VLM_RUN_H
#define BENCH_VLM_RUN_H

#include <stdbool.h>

#include <cjson/cJSON.h>
#include <edgeinfer/vision.h>
#include <edgeprof/edgeprof.h>

#include "bench/stats.h"

/* What is measured of a run: NAME, its key in JSON, what a person reads, its unit. */
#define VLM_MEASURE_MAP(X) \
    X(TOTAL_S,     "total_s",               "prompt",            "s") \
    X(PREPARE_S,   "prepare_s",             "preparing",         "s") \
    X(ENCODE_S,    "encode_s",              "encoding",          "s") \
    X(PREFILL_S,   "prefill_s",             "prefill",           "s") \
    X(DECODE_S,    "decode_s",              "decode",            "s") \
    X(CPU_S,       "cpu_core_s",            "CPU time",          "core s") \
    X(CPU_AUC,     "cpu_auc_pct_s",         "CPU area",          "% s") \
    X(CPU_SAMPLED, "cpu_auc_sampled_pct_s", "CPU area, sampled", "% s") \
    X(RAM_AUC,     "ram_auc_mib_s",         "RAM area",          "MiB s") \
    X(RAM_FILE,    "ram_auc_file_mib_s",    "mapped files' area", "MiB s") \
    X(FOREIGN,     "foreign_cpu_pct",       "load of others",    "%") \
    X(GROSS_J,     "gross_j",               "energy, gross",     "J") \
    X(NET_J,       "net_j",                 "energy, net",       "J") \
    X(U95_J,       "u95_j",                 "+- (95 %)",         "J") \
    X(PRIVATE,     "private_bytes",         "private memory",    "bytes")
typedef enum vlm_measure {
#define VLM_MEASURE_ENUM(name, key, text, unit) VLM_##name,
    VLM_MEASURE_MAP(VLM_MEASURE_ENUM)
#undef VLM_MEASURE_ENUM
    VLM_N_MEASURES
} vlm_measure;
const char *vlm_measure_key(int measure);
const char *vlm_measure_text(int measure);
const char *vlm_measure_unit(int measure);

/* One run. NAN: not measured. */
typedef struct vlm_sample {
    double of[VLM_N_MEASURES];
    uint32_t n_prompt, n_image_tokens, n_generated;
    char source[48];         /* of energy; "": nothing measures it */
    int32_t scope, grade;
    bool is_estimate;        /* energy by a model, not by a meter */
} vlm_sample;

/* The runs of one case. */
typedef struct vlm_runs {
    double of[VLM_N_MEASURES][BENCH_MAX_SAMPLES];
    int n[VLM_N_MEASURES];   /* that were measured */
    vlm_sample last;
} vlm_runs;
void vlm_runs_add(vlm_runs *r, const vlm_sample *s);
/** NAN when it was not measured. */
double vlm_median(const vlm_runs *r, int measure);
/** The last run's source of energy, "nothing measures energy here", with "an estimate" where it is one. */
const char *vlm_energy_text(const vlm_runs *r, char text[160]);
/** Estimates of all that was measured, under their keys; with samples or without. */
void vlm_runs_json(cJSON *o, const vlm_runs *r, bool with_samples);

typedef struct vlm_setup {
    const char *model;       /* NULL: encoding alone */
    const char *mmproj;
    uint32_t cpu_forbid;
    int n_threads, mode, float_sum;
    eprof *profiler;         /* NULL: no areas, no joules */
} vlm_setup;

/* What the library holds in a runtime, and held at most since it was last looked at. */
typedef struct vlm_memory {
    uint64_t now_bytes, most_bytes;
} vlm_memory;

typedef struct vlm {
    eprof *profiler;         /* borrowed */
    bool is_estimate;        /* its headline source */
    vlm_memory memory;
    einf_runtime *rt;
    einf_vision *vision;
    einf_model *model;
    einf_session *session;
    einf_vision_info eye;
    int n_threads;
    uint32_t cpu_used;
    double macs_per_token;   /* of the language model's layers; 0 without one */
    const char *prompt;
    float *rows;
    uint64_t n_row_floats;
} vlm;

/** Runtime, encoder and, where the setup names one, model. Closed by vlm_close also after a failure. */
einf_status vlm_open(vlm *b, const vlm_setup *setup, einf_error *err);
/** Make room for pictures of so many tokens with this prompt and an answer; or for rows alone. */
einf_status vlm_make_room(vlm *b, const char *prompt, uint32_t n_image_tokens, uint32_t n_decode, einf_error *err);
void vlm_close(vlm *b);

/** Encode a picture, nothing else. */
einf_status vlm_encode(vlm *b, const einf_image *image, const einf_preprocess *how, vlm_sample *out, einf_error *err);
/** The prompt with a picture from an empty session, and n_decode tokens of answer whatever they are. Preparing is
 *  timed by itself before, outside of what is charged; encoding is the rest of what the picture took. */
einf_status vlm_prompt(vlm *b, const einf_image *image, const einf_preprocess *how, uint32_t n_decode,
                       vlm_sample *out, einf_error *err);
/** Idle for a while, end the profiling, and look at the runs again: sources that are read now and then have samples on
 *  both sides of each by now. samples: of all runs since vlm_open but the first, in their order. */
void vlm_settle(vlm *b, double idle_s, vlm_sample *samples, int n);

#endif
