/* SPDX-License-Identifier: MIT
 * out_file.h - a file that appears whole or not at all.
 *
 * Bytes go to NAME.part, which becomes NAME when it is complete and is removed when it is not. What is no regular
 * file (a device, a pipe) and "-", stdout, are written to directly.
 */
#ifndef CLI_OUT_FILE_H
#define CLI_OUT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct cli_out_file {
    FILE *f;
    const char *path;
    char *part;               /* NULL: written directly */
    uint64_t n_bytes;
} cli_out_file;

/** An exit code; a message if it is not 0. */
int cli_out_open(cli_out_file *o, const char *path);
bool cli_out_write(cli_out_file *o, const void *bytes, size_t n);
/** Finish when code is EXIT_DONE, otherwise throw away; returns code, or the code of what went wrong at the end. */
int cli_out_close(cli_out_file *o, int code);

#endif
