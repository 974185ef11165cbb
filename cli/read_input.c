/* SPDX-License-Identifier: MIT
 * read_input.c - bytes in, exactly as they are.
 */
#include "cli/read_input.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/output.h"

static bool reserve(cli_bytes *b, size_t n)
{
    if (n >= SIZE_MAX / 2 - b->n) return false;
    const size_t need = b->n + n + 1;
    if (need <= b->cap) return true;
    size_t cap = b->cap ? b->cap : 4096;
    while (cap < need) cap *= 2;
    char *p = realloc(b->p, cap);
    if (!p) return false;
    b->p = p;
    b->cap = cap;
    return true;
}

bool cli_bytes_add(cli_bytes *b, const void *bytes, size_t n)
{
    if (!reserve(b, n)) return false;
    if (n) memcpy(b->p + b->n, bytes, n);
    b->n += n;
    b->p[b->n] = '\0';
    return true;
}

void cli_bytes_free(cli_bytes *b)
{
    free(b->p);
    *b = (cli_bytes){ NULL, 0, 0 };
}

static int read_fd(int fd, const char *name, cli_bytes *out)
{
    for (;;) {
        if (!reserve(out, 65536)) return cli_fail_nomem();
        const ssize_t n = read(fd, out->p + out->n, out->cap - out->n - 1);
        if (cli_interrupted()) return cli_fail(EXIT_CANCELLED, NULL, "cancelled while reading %s", name);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return cli_fail(EXIT_FAILED, NULL, "cannot read %s: %s", name, strerror(errno));
        out->n += (size_t)n;
        out->p[out->n] = '\0';
        if (n == 0) return EXIT_DONE;
        if (out->n > INT_MAX)
            return cli_fail(EXIT_NO_FIT, "cut it into parts", "%s holds more than %d bytes", name, INT_MAX);
    }
}

int cli_read_input(const char *path, cli_bytes *out)
{
    if (path && strcmp(path, "-") != 0) {
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return cli_fail(EXIT_FAILED, NULL, "cannot open %s: %s", path, strerror(errno));
        const int code = read_fd(fd, path, out);
        close(fd);
        return code;
    }
    if (isatty(STDIN_FILENO))
        return cli_fail(EXIT_USAGE, "pipe text in, or name a file with -f", "there is no input: stdin is a terminal");
    return read_fd(STDIN_FILENO, "stdin", out);
}
