/* SPDX-License-Identifier: MIT
 * picture_job.h - what preprocess and encode share: an encoder, one picture, floats into a file.
 */
#ifndef CLI_PICTURE_JOB_H
#define CLI_PICTURE_JOB_H

#include "cli/pictures.h"

typedef struct cli_picture_job {
    cli_engine *engine;
    cli_pictures pictures;    /* one */
    uint64_t n_bytes;         /* written */
} cli_picture_job;

/** Check the options, start the engine, work, and stop it. The exit code. */
int cli_picture_job_run(const cli_options *o, int (*work)(cli_picture_job *j));
/** Open the encoder and the picture, or its header alone. EXIT_DONE, or another exit code after a message. */
int cli_picture_job_open(cli_picture_job *j, bool header_alone);
/** Little-endian floats to -o. The same. */
int cli_picture_job_write(cli_picture_job *j, const float *values, uint64_t n);

#endif
