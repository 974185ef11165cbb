/* SPDX-License-Identifier: MIT
 * state_io.c - bytes of a saved session to and from a file.
 *
 * Invariant of writing: the name given never holds half a file. What is written has a name of its own in the same
 * folder, and takes the other's place by a rename once it is on the disk.
 */
#include "engine/decode/state_io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "engine/base/system_error.h"

uint64_t einf__state_hash(const void *p, size_t n_bytes) { return XXH3_64bits_withSeed(p, n_bytes, 0); }

static einf_status fail_kind(mode_t mode, einf_status code, const char *path, einf_error *err)
{
    const char *kind = S_ISDIR(mode) ? "a directory" : S_ISLNK(mode) ? "a symbolic link" : "a device, pipe or socket";
    return einf__fail(err, code, EINF_NO_OFFSET, "path", "give the path of a file", "not a regular file but %s: %s",
                      kind, path);
}

static einf_status check_cancel(const einf_cancel *cancel, const char *doing, uint64_t at, einf_error *err)
{
    if (!einf__is_cancelled(cancel)) return EINF_OK;
    return einf__fail(err, EINF_E_CANCELLED, at, NULL, NULL, "%s the state was cancelled after %llu bytes", doing,
                      (unsigned long long)at);
}

/* ------------------------------------------------------------------------------------------------- writing -- */

/* A name beside the path that nobody else has. Others may be saving to the same path. */
static einf_status create_part(einf__state_out *o, einf_error *err)
{
    enum { MAX_TRIES = 1000 };
    int code = EEXIST;
    for (int i = 0; i < MAX_TRIES && (code == EEXIST || code == EINTR); i++) {
        const int n = snprintf(o->part, sizeof o->part, "%s.part-%ld-%d", o->path, (long)getpid(), i);
        if (n < 0 || (size_t)n >= sizeof o->part) {
            code = ENAMETOOLONG;
            break;
        }
        /* for the owner alone: it is somebody's conversation */
        o->fd = open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (o->fd >= 0) return EINF_OK;
        code = errno;
    }
    o->part[0] = '\0';
    return einf__fail_system(err, EINF_NO_OFFSET, "path", "create a file beside", code, o->path);
}

einf_status einf__state_out_open(einf__state_out *o, const char *path, const einf_cancel *cancel, einf_error *err)
{
    struct stat st;
    o->path = path;
    o->part[0] = '\0';
    o->fd = -1;
    o->cancel = cancel;
    o->hash = o->n_written = o->n_staged = 0;
    /* The rename would put a file in the place of whatever has that name. */
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) return fail_kind(st.st_mode, EINF_E_IO, path, err);
    return create_part(o, err);
}

static einf_status write_all(einf__state_out *o, const uint8_t *p, size_t n_bytes, einf_error *err)
{
    while (n_bytes > 0) {
        const ssize_t n = write(o->fd, p, n_bytes);
        if (n > 0) {
            p += n;
            n_bytes -= (size_t)n;
            o->n_written += (uint64_t)n;
        } else if (n == 0 || errno != EINTR) {
            return einf__fail_system(err, o->n_written, "path", "write the file", n == 0 ? ENOSPC : errno, o->path);
        }
    }
    return EINF_OK;
}

static einf_status flush_piece(einf__state_out *o, einf_error *err)
{
    EINF_TRY(check_cancel(o->cancel, "saving", o->n_written, err));
    if (o->n_staged) o->hash = XXH3_64bits_withSeed(o->piece, o->n_staged, o->hash);
    const size_t n = o->n_staged;
    o->n_staged = 0;
    return write_all(o, o->piece, n, err);
}

einf_status einf__state_out_put(einf__state_out *o, const void *p, uint64_t n_bytes, einf_error *err)
{
    const uint8_t *from = p;
    while (n_bytes > 0) {
        const size_t room = sizeof o->piece - o->n_staged, n = n_bytes < room ? (size_t)n_bytes : room;
        memcpy(o->piece + o->n_staged, from, n);
        o->n_staged += n;
        from += n;
        n_bytes -= n;
        if (o->n_staged == sizeof o->piece) EINF_TRY(flush_piece(o, err));
    }
    return EINF_OK;
}

/* Bring the rename itself to the disk. Where a folder cannot be opened or synced, that is how it is there. */
static einf_status sync_folder(const einf__state_out *o, char *folder, einf_error *err)
{
    char *slash = strrchr(folder, '/');
    if (!slash) (void)snprintf(folder, sizeof o->part, ".");
    else slash[slash == folder ? 1 : 0] = '\0';
    const int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) return EINF_OK;
    const int code = fsync(fd) != 0 ? errno : 0;
    (void)close(fd);
    if (code == 0 || code == EINVAL || code == ENOTSUP || code == EROFS) return EINF_OK;
    return einf__fail_system(err, EINF_NO_OFFSET, "path", "bring the finished file's name to the disk", code, o->path);
}

einf_status einf__state_out_commit(einf__state_out *o, einf_error *err)
{
    uint8_t hash[EINF__STATE_HASH_BYTES];
    EINF_TRY(flush_piece(o, err));
    memcpy(hash, &o->hash, sizeof hash);
    EINF_TRY(write_all(o, hash, sizeof hash, err));
    if (fsync(o->fd) != 0)
        return einf__fail_system(err, o->n_written, "path", "bring the file to the disk", errno, o->path);
    const int closed = close(o->fd); /* a network file system may report here that it has no room */
    o->fd = -1;
    if (closed != 0) return einf__fail_system(err, o->n_written, "path", "close the file", errno, o->path);
    EINF_TRY(check_cancel(o->cancel, "saving", o->n_written, err));
    if (rename(o->part, o->path) != 0)
        return einf__fail_system(err, EINF_NO_OFFSET, "path", "put the file in its place", errno, o->path);
    const einf_status status = sync_folder(o, o->part, err);
    o->part[0] = '\0';
    return status;
}

void einf__state_out_abandon(einf__state_out *o)
{
    if (o->fd >= 0) (void)close(o->fd);
    if (o->part[0]) (void)unlink(o->part);
    o->fd = -1;
    o->part[0] = '\0';
}

/* ------------------------------------------------------------------------------------------------- reading -- */

einf_status einf__state_in_open(einf__state_in *in, const char *path, const einf_cancel *cancel, einf_error *err)
{
    struct stat st;
    in->path = path;
    in->fd = -1;
    einf__state_in_rewind(in, cancel);
    /* Look before opening, which may block or disturb a device; and again, since the answer may be outdated. */
    if (stat(path, &st) != 0) return einf__fail_system(err, EINF_NO_OFFSET, "path", "open the file", errno, path);
    if (!S_ISREG(st.st_mode)) return fail_kind(st.st_mode, EINF_E_FORMAT, path, err);
    do {
        in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (in->fd < 0 && errno == EINTR);
    if (in->fd < 0) return einf__fail_system(err, EINF_NO_OFFSET, "path", "open the file", errno, path);
    if (fstat(in->fd, &st) != 0)
        return einf__fail_system(err, EINF_NO_OFFSET, "path", "examine the file", errno, path);
    if (!S_ISREG(st.st_mode)) return fail_kind(st.st_mode, EINF_E_FORMAT, path, err);
    in->size_bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    if (in->size_bytes > 0) return EINF_OK;
    return einf__fail(err, EINF_E_FORMAT, 0, "path", "save the session again", "the file is empty: %s", path);
}

void einf__state_in_rewind(einf__state_in *in, const einf_cancel *cancel)
{
    in->cancel = cancel;
    in->read_bytes = in->hash = in->at = in->n_piece = 0;
}

static einf_status read_all(einf__state_in *in, uint8_t *to, size_t n_bytes, einf_error *err)
{
    while (n_bytes > 0) {
        const ssize_t n = pread(in->fd, to, n_bytes, (off_t)in->read_bytes);
        if (n > 0) {
            to += n;
            n_bytes -= (size_t)n;
            in->read_bytes += (uint64_t)n;
        } else if (n == 0) {
            return einf__fail(err, EINF_E_IO, in->read_bytes, "path", "load it when nobody writes to it",
                              "the file shrank while it was read: it ends at %llu of %llu bytes",
                              (unsigned long long)in->read_bytes, (unsigned long long)in->size_bytes);
        } else if (errno != EINTR) {
            return einf__fail_system(err, in->read_bytes, "path", "read the file", errno, in->path);
        }
    }
    return EINF_OK;
}

static einf_status next_piece(einf__state_in *in, einf_error *err)
{
    const uint64_t left = in->size_bytes - EINF__STATE_HASH_BYTES - in->read_bytes;
    assert(left > 0);
    in->n_piece = left < sizeof in->piece ? (size_t)left : sizeof in->piece;
    in->at = 0;
    EINF_TRY(check_cancel(in->cancel, "loading", in->read_bytes, err));
    EINF_TRY(read_all(in, in->piece, in->n_piece, err));
    in->hash = XXH3_64bits_withSeed(in->piece, in->n_piece, in->hash);
    return EINF_OK;
}

einf_status einf__state_in_get(einf__state_in *in, void *p, uint64_t n_bytes, einf_error *err)
{
    uint8_t *to = p;
    while (n_bytes > 0) {
        if (in->at == in->n_piece) EINF_TRY(next_piece(in, err));
        const size_t left = in->n_piece - in->at, n = n_bytes < left ? (size_t)n_bytes : left;
        if (to) {
            memcpy(to, in->piece + in->at, n);
            to += n;
        }
        in->at += n;
        n_bytes -= n;
    }
    return EINF_OK;
}

einf_status einf__state_in_check(einf__state_in *in, bool *agrees, einf_error *err)
{
    uint8_t hash[EINF__STATE_HASH_BYTES];
    EINF_TRY(read_all(in, hash, sizeof hash, err));
    *agrees = memcmp(hash, &in->hash, sizeof hash) == 0;
    return EINF_OK;
}

void einf__state_in_close(einf__state_in *in)
{
    if (in->fd >= 0) (void)close(in->fd);
    in->fd = -1;
}
