/* SPDX-License-Identifier: MIT
 * read_input.h - a growing run of bytes, and files or stdin read whole into one.
 */
#ifndef CLI_READ_INPUT_H
#define CLI_READ_INPUT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_bytes {
    char *p;    /* always followed by a NUL once something was added; NULL before */
    size_t n, cap;
} cli_bytes;

/** False when memory ran out; the bytes so far are kept. */
bool cli_bytes_add(cli_bytes *b, const void *bytes, size_t n);
void cli_bytes_free(cli_bytes *b);

/** The whole of a file, "-" or NULL for stdin, which must not be a terminal: nobody is ever waited for. Returns
 *  EXIT_DONE, or another exit code after a message. 2^31 - 1 bytes at most. */
int cli_read_input(const char *path, cli_bytes *out);

#endif
