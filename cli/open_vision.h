/* SPDX-License-Identifier: MIT
 * open_vision.h - a vision encoder, and the sizes that pictures get, as the options ask for them.
 */
#ifndef CLI_OPEN_VISION_H
#define CLI_OPEN_VISION_H

#include <edgeinfer/vision.h>

#include "cli/open_model.h"

/** EXIT_DONE, or EXIT_USAGE after a message that names both options that contradict each other. */
int cli_preprocess_check(const cli_options *o);
einf_preprocess cli_preprocess_of(const cli_options *o);

/** Open an encoder into e->v. No message: *err says it, also when the file is a language model. */
einf_status cli_vision_open(cli_engine *e, const char *path, bool check_tensors, einf_error *err);
/** Open --mmproj, if there is one, for the model that is open. EXIT_DONE, or another exit code after a message. */
int cli_vision_open_beside(cli_engine *e);
void cli_vision_close(cli_engine *e);

/** "pixels", "longest-edge", ... and "bicubic", ...: EINF_RESIZE_* and EINF_FILTER_*. */
const char *cli_rule_name(int32_t rule);
const char *cli_filter_name(int32_t filter);

/* What pictures add to the memory of a session. */
typedef struct cli_vision_bytes {
    uint64_t weights_mapped;  /* file pages, shared */
    uint64_t encoder;         /* tables; of --mode read and huge also the file */
    uint64_t encode;          /* while a picture is encoded, the largest of them */
    uint64_t pixels;          /* of the decoded pictures */
    uint64_t rows;            /* of all pictures */
    uint64_t sum;             /* but for the map */
    uint32_t n_tokens;        /* of all pictures */
} cli_vision_bytes;
/** Of the open encoder with no picture yet. */
einf_status cli_vision_bytes_begin(const cli_engine *e, cli_vision_bytes *out, einf_error *err);
/** And with one more. */
void cli_vision_bytes_add(const cli_engine *e, const einf_image_sizes *s, cli_vision_bytes *b);
/** The picture that takes most, of those that the options allow. EINF_E_ARG with --no-resize, which has no limit. */
einf_status cli_vision_largest(const cli_engine *e, einf_image_sizes *out, einf_error *err);

#endif
