/* SPDX-License-Identifier: MIT
 * system_error.c - the table of reasons that files give, each with what to do about it.
 */
#include "engine/base/system_error.h"

#include <errno.h>
#include <stdio.h>

typedef struct reason { int code; const char *text, *hint; } reason;

static const reason reasons[] = {
    { ENOENT, "no such file or directory", "check the path" },
    { ENOTDIR, "a part of the path is no directory", "check the path" },
    { EACCES, "permission denied", "check the permissions of the file and of the folders above it" },
    { EPERM, "operation not permitted", NULL },
    { EISDIR, "it is a directory", "give the path of a file" },
    { ELOOP, "too many symbolic links", "check the path" },
    { ENAMETOOLONG, "the path is too long", NULL },
    { EMFILE, "too many open files in this process", "close files, or raise the limit (ulimit -n)" },
    { ENFILE, "too many open files in the system", NULL },
    { EBADF, "not a descriptor open for reading", NULL },
    { ENXIO, "no such device", NULL },
    { ENODEV, "this file system cannot map files", "open it with mode=read" },
    { EIO, "the device reports an input/output error", "check the disk or card, and the system's log" },
    { ESTALE, "the network file system lost the file", "mount it again" },
    { ETIMEDOUT, "the file system did not answer in time", NULL },
    { EOVERFLOW, "the file is too large for this system", NULL },
    { EINVAL, "the file system refuses", NULL },
    { ENOMEM, "out of memory", NULL },
    { EAGAIN, "the file is locked", NULL },
    { ETXTBSY, "the file is being written to", NULL },
    { ENOSPC, "the disk is full", "make room, or choose another disk" },
    { EDQUOT, "the quota of this user is used up", "make room, or choose another disk" },
    { EFBIG, "the file would be larger than this process may write", "raise the limit (ulimit -f)" },
    { EROFS, "the file system is read-only", "choose another folder" },
};

einf_status einf__fail_system(einf_error *err, uint64_t offset, const char *where, const char *doing, int code,
                              const char *path)
{
    char number[32];
    const char *text = number, *hint = NULL;
    snprintf(number, sizeof number, "system error %d", code);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].code != code) continue;
        text = reasons[i].text;
        hint = reasons[i].hint;
    }
    return einf__fail(err, EINF_E_IO, offset, where, hint, "cannot %s: %s%s%s", doing, text, path ? ": " : "",
                      path ? path : "");
}
