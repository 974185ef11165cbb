/* SPDX-License-Identifier: MIT
 * out_file.c - NAME.part and the rename.
 */
#include "cli/out_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/output.h"

int cli_out_open(cli_out_file *o, const char *path)
{
    struct stat st;
    *o = (cli_out_file){ .path = path };
    if (strcmp(path, "-") == 0) {
        o->f = stdout;
        return EXIT_DONE;
    }
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode)) {
        const size_t n = strlen(path) + sizeof ".part";
        o->part = malloc(n);
        if (!o->part) return cli_fail_nomem();
        snprintf(o->part, n, "%s.part", path);
    }
    o->f = fopen(o->part ? o->part : path, "wbe");
    if (o->f) return EXIT_DONE;
    const int code = cli_fail(EXIT_FAILED, NULL, "cannot write %s: %s", o->part ? o->part : path, strerror(errno));
    free(o->part);
    o->part = NULL;
    return code;
}

bool cli_out_write(cli_out_file *o, const void *bytes, size_t n)
{
    o->n_bytes += n;
    return fwrite(bytes, 1, n, o->f) == n;
}

int cli_out_close(cli_out_file *o, int code)
{
    if (!o->f || o->f == stdout) return code; /* stdout is finished in main */
    const bool lost = ferror(o->f) != 0;
    if ((fclose(o->f) != 0 || lost) && code == EXIT_DONE)
        code = cli_fail(EXIT_FAILED, NULL, "cannot write %s: %s", o->path, errno ? strerror(errno) : "no room");
    if (o->part && code == EXIT_DONE && rename(o->part, o->path) != 0)
        code = cli_fail(EXIT_FAILED, NULL, "cannot rename %s to %s: %s", o->part, o->path, strerror(errno));
    if (o->part && code != EXIT_DONE) unlink(o->part);
    free(o->part);
    *o = (cli_out_file){ NULL, NULL, NULL, 0 };
    return code;
}
