/* SPDX-License-Identifier: MIT
 * open_model.h - a runtime and a model, as the options and the environment ask for them.
 */
#ifndef CLI_OPEN_MODEL_H
#define CLI_OPEN_MODEL_H

#include <edgeinfer/vision.h>

#include "cli/cost.h"
#include "cli/options.h"
#include "cli/output.h"

typedef struct cli_engine {
    const cli_options *options;
    einf_cancel *cancel;
    eprof *profiler;          /* NULL: nobody asked for one */
    einf_runtime *rt;
    einf_model *m;
    einf_vision *v;           /* open_vision.h; NULL: none */
    cli_progress progress;
    uint64_t image_cache_bytes; /* of the encoder, as in einf_vision_config; 0: its default */
    double load_s;            /* runtime, model and encoder */
} cli_engine;

/** Signals, environment, profiler, runtime. EXIT_DONE, or another exit code after a message. Stop it in any case. */
int cli_engine_start(cli_engine *e, const cli_options *o);
/** Open a model; load: EINF_LOAD_*, 0: all. check_tensors as in einf_model_config. No message: *err says it. */
einf_status cli_engine_open(cli_engine *e, const char *path, uint32_t load, bool check_tensors, einf_error *err);
/** general.architecture of a file that has a sound header, into [32] characters. */
bool cli_file_architecture(const cli_engine *e, const char *path, char *out);
/** Close the model alone. */
void cli_engine_close(cli_engine *e);
/** Returns code, or the code of what went wrong at the end. */
int cli_engine_stop(cli_engine *e, int code);

/* Threads of prefill, and of decoding: 0 while the first session of a large model has not measured them. */
typedef struct cli_threads {
    int32_t n, n_decode;
} cli_threads;
/** Of the open model. */
cli_threads cli_engine_threads(const cli_engine *e);
/** n_threads and, where it is known, n_threads_decode. */
void cli_json_threads(cJSON *o, const cli_threads *t);

/** The type of that session's KV cache, as --kv takes it. */
const char *cli_kv_name(const cli_options *o);
/** The session that the options ask for. */
einf_session_config cli_session_config(const cli_engine *e);

#endif
