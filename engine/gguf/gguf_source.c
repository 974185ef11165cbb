/* SPDX-License-Identifier: MIT
 * gguf_source.c - where the bytes of a model come from: a mapping, a copy read piece by piece into a block or into huge
 * pages, or the caller's memory.
 *
 * Owns the mapping or the copy, and nothing else: no descriptor outlives a call. Refuses whatever is no regular file
 * before opening it, so that a FIFO cannot block us and a device is never disturbed. A mapping keeps following the
 * file: if someone truncates it later, touching the lost pages is fatal, which is why mode=read exists.
 */
#include "engine/gguf/gguf_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/checked_math.h"
#include "engine/base/cpu.h"
#include "engine/base/system_error.h"

/* ------------------------------------------------------------------------------------------------- failing -- */

static einf_status fail_cancelled(einf_error *err, uint64_t done, uint64_t total)
{
    return einf__fail(err, EINF_E_CANCELLED, done, NULL, NULL, "reading was cancelled after %llu of %llu bytes",
                      (unsigned long long)done, (unsigned long long)total);
}

static einf_status check_regular(const struct stat *st, const char *where, const char *path, einf_error *err)
{
    if (S_ISREG(st->st_mode)) return EINF_OK;
    const char *kind = S_ISDIR(st->st_mode)    ? "a directory"
                       : S_ISFIFO(st->st_mode) ? "a pipe"
                       : S_ISCHR(st->st_mode)  ? "a character device"
                       : S_ISBLK(st->st_mode)  ? "a block device"
                       : S_ISSOCK(st->st_mode) ? "a socket"
                                               : "no file";
    return einf__fail(err, EINF_E_FORMAT, EINF_NO_OFFSET, where,
                      S_ISDIR(st->st_mode) ? "give the path of a file in it" : "copy what it gives to a file first",
                      "not a regular file but %s%s%s", kind, path ? ": " : "", path ? path : "");
}

/* ----------------------------------------------------------------------------------------- mapping, reading -- */

static einf_status map_part(int fd, uint64_t offset_bytes, uint64_t size_bytes, einf__source *out, einf_error *err)
{
    /* A mapping starts at a page of the file; the part may start within one. */
    const uint64_t lead_bytes = offset_bytes % einf__page_bytes();
    uint64_t map_bytes;
    if (!einf__add_u64(size_bytes, lead_bytes, &map_bytes) || map_bytes > SIZE_MAX)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, NULL, "use a 64-bit system",
                          "the file's %llu bytes exceed the address space of this process",
                          (unsigned long long)size_bytes);
    void *p = mmap(NULL, (size_t)map_bytes, PROT_READ, MAP_PRIVATE, fd, (off_t)(offset_bytes - lead_bytes));
    if (p == MAP_FAILED) {
        const int code = errno;
        if (code == ENOMEM)
            return einf__fail(err, EINF_E_NOMEM, EINF_NO_OFFSET, NULL, "raise the limit on address space (ulimit -v)",
                              "no address space to map %llu bytes", (unsigned long long)map_bytes);
        return einf__fail_system(err, EINF_NO_OFFSET, NULL, "map the file", code, NULL);
    }
    out->map_base = p;
    out->map_bytes = map_bytes;
    out->data = (const uint8_t *)p + lead_bytes;
    out->size_bytes = size_bytes;
    return EINF_OK;
}

/* All of [offset, offset + n): a signal or a short read only means to ask again. */
static einf_status read_piece(int fd, uint64_t offset_bytes, uint8_t *to, uint64_t n_bytes, einf_error *err)
{
    uint64_t done = 0;
    while (done < n_bytes) {
        const ssize_t got = pread(fd, to + done, (size_t)(n_bytes - done), (off_t)(offset_bytes + done));
        if (got > 0) {
            done += (uint64_t)got;
        } else if (got == 0) {
            return einf__fail(err, EINF_E_IO, offset_bytes + done, NULL, "open it when nobody writes to it",
                              "the file shrank while it was read: it ends at %llu, %llu bytes were expected there",
                              (unsigned long long)(offset_bytes + done), (unsigned long long)(n_bytes - done));
        } else if (errno != EINTR) {
            return einf__fail_system(err, offset_bytes + done, NULL, "read the file", errno, NULL);
        }
    }
    return EINF_OK;
}

/* Small enough that a cancel is answered within 30 ms from a slow memory card (40 MB/s). */
enum { PIECE_BYTES = 1 << 20 };

/* into_huge: what was read leaves the page cache, where a second copy of it would take memory for nothing. */
static einf_status read_pieces(int fd, uint64_t offset_bytes, uint64_t size_bytes, const einf__source_options *o,
                               bool into_huge, uint8_t *to, einf_error *err)
{
    for (uint64_t done = 0; done < size_bytes;) {
        if (einf__is_cancelled(o->cancel)) return fail_cancelled(err, done, size_bytes);
        const uint64_t left = size_bytes - done, n = left < PIECE_BYTES ? left : PIECE_BYTES;
        EINF_TRY(read_piece(fd, offset_bytes + done, to + done, n, err));
        if (into_huge) (void)posix_fadvise(fd, (off_t)(offset_bytes + done), (off_t)n, POSIX_FADV_DONTNEED);
        done += n;
        const uint64_t all_done = o->before_bytes + done, total = o->before_bytes + size_bytes;
        if (o->progress && o->progress(o->progress_user, EINF_PHASE_LOAD, all_done,
                                       o->total_bytes > total ? o->total_bytes : total) != 0)
            return fail_cancelled(err, done, size_bytes);
    }
    return EINF_OK;
}

static einf_status read_part(einf__memory *mem, int fd, uint64_t offset_bytes, uint64_t size_bytes,
                             const einf__source_options *o, einf__source *out, einf_error *err)
{
    EINF_TRY(einf__alloc_or_fail(mem, size_bytes, "the file's contents (mode=read)", &out->block, err));
    out->block_bytes = size_bytes;
    out->mem = mem;
    out->data = out->block;
    out->size_bytes = size_bytes;
    return read_pieces(fd, offset_bytes, size_bytes, o, false, out->block, err);
}

/* ---------------------------------------------------------------------------------------------- huge pages -- */

/* One entry in the last but one table of an address: as many pages as a table of 8-byte entries has. 2 MiB for pages
 * of 4 KiB, 32 MiB for 16, 512 MiB for 64. */
static uint64_t huge_page_bytes(void) { return einf__page_bytes() * (einf__page_bytes() / 8); }

/* madvise promises nothing: where an administrator has switched huge pages off it succeeds all the same. */
static bool huge_pages_are_off(void)
{
    char text[64]; /* "always madvise [never]" */
    const int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    (void)close(fd);
    if (n <= 0) return false;
    text[n] = '\0';
    return strstr(text, "[never]") != NULL;
}

/* Whole huge pages are asked for, and small ones behind the last: no page is larger than what it is counted for. */
static bool ask_for_huge_pages(uint8_t *base, uint64_t size_bytes)
{
    const uint64_t whole_bytes = size_bytes / huge_page_bytes() * huge_page_bytes();
    if (whole_bytes == 0) return true;
    return madvise(base, (size_t)whole_bytes, MADV_HUGEPAGE) == 0 && !huge_pages_are_off();
}

static einf_status read_part_huge(einf__memory *mem, int fd, uint64_t offset_bytes, uint64_t size_bytes,
                                  const einf__source_options *o, einf__source *out, einf_error *err)
{
    uint64_t map_bytes; /* with room to begin at a huge page */
    EINF_TRY(einf__memory_reserve(mem, size_bytes, "the file's contents (mode=huge)", err));
    out->reserved_bytes = size_bytes;
    out->mem = mem;
    const bool fits = einf__add_u64(size_bytes, huge_page_bytes(), &map_bytes) && map_bytes <= SIZE_MAX;
    void *p = fits ? mmap(NULL, (size_t)map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                   : MAP_FAILED;
    if (p == MAP_FAILED) return einf__fail_nomem(err, size_bytes, "the file's contents (mode=huge)");
    out->map_base = p;
    out->map_bytes = map_bytes;
    uint8_t *to = (uint8_t *)p + (huge_page_bytes() - (uintptr_t)p % huge_page_bytes()) % huge_page_bytes();
    out->data = to;
    out->size_bytes = size_bytes;
    out->huge_refused = !ask_for_huge_pages(to, size_bytes);
    return read_pieces(fd, offset_bytes, size_bytes, o, true, to, err);
}

/* ------------------------------------------------------------------------------------------------- opening -- */

/* The part of the file that the caller means; length 0 is "to the end". */
static einf_status find_part(const struct stat *st, uint64_t offset_bytes, uint64_t length_bytes, uint64_t *size_bytes,
                             einf_error *err)
{
    const uint64_t file_bytes = st->st_size > 0 ? (uint64_t)st->st_size : 0;
    if (file_bytes == 0)
        return einf__fail(err, EINF_E_FORMAT, 0, NULL, "download it again", "the file is empty");
    if (offset_bytes >= file_bytes)
        return einf__fail_arg(err, "offset_bytes", "offset %llu is not inside the file of %llu bytes",
                              (unsigned long long)offset_bytes, (unsigned long long)file_bytes);
    if (length_bytes > file_bytes - offset_bytes)
        return einf__fail_arg(err, "length_bytes", "%llu bytes from offset %llu go beyond the file of %llu bytes",
                              (unsigned long long)length_bytes, (unsigned long long)offset_bytes,
                              (unsigned long long)file_bytes);
    *size_bytes = length_bytes ? length_bytes : file_bytes - offset_bytes;
    return EINF_OK;
}

static einf_status check_mode(const einf__source_options *o, einf_error *err)
{
    if (o->mode == EINF_MODE_MAP || o->mode == EINF_MODE_READ || o->mode == EINF_MODE_HUGE) return EINF_OK;
    return einf__fail_arg(err, "mode", "mode is %d, known are 0 (map), 1 (read) and 2 (huge)", (int)o->mode);
}

static einf_status check_size(uint64_t size_bytes, const einf__source_options *o, einf_error *err)
{
    if (o->max_bytes == 0 || size_bytes <= o->max_bytes) return EINF_OK;
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "max_file_bytes", "raise the limit if the file is trusted",
                      "the file has %llu bytes, allowed are %llu", (unsigned long long)size_bytes,
                      (unsigned long long)o->max_bytes);
}

static einf_status open_part(einf__memory *mem, int fd, uint64_t offset_bytes, uint64_t length_bytes, const char *where,
                             const char *path, const einf__source_options *o, einf__source *out, einf_error *err)
{
    struct stat st;
    uint64_t size_bytes = 0;
    if (fstat(fd, &st) != 0) return einf__fail_system(err, EINF_NO_OFFSET, where, "examine the file", errno, path);
    EINF_TRY(check_regular(&st, where, path, err));
    EINF_TRY(find_part(&st, offset_bytes, length_bytes, &size_bytes, err));
    EINF_TRY(check_size(size_bytes, o, err));
    if (einf__is_cancelled(o->cancel)) return fail_cancelled(err, 0, size_bytes);
    if (o->mode == EINF_MODE_READ) return read_part(mem, fd, offset_bytes, size_bytes, o, out, err);
    if (o->mode == EINF_MODE_HUGE) return read_part_huge(mem, fd, offset_bytes, size_bytes, o, out, err);

    EINF_TRY(map_part(fd, offset_bytes, size_bytes, out, err));
    /* Pages beyond a file that shrank since are deadly to touch: look again now that the mapping holds it. */
    const off_t expected = st.st_size;
    if (fstat(fd, &st) != 0 || st.st_size < expected)
        return einf__fail(err, EINF_E_IO, EINF_NO_OFFSET, where, "open it when nobody writes to it",
                          "the file shrank from %lld to %lld bytes while it was opened", (long long)expected,
                          (long long)st.st_size);
    return EINF_OK;
}

einf_status einf__source_open_fd(einf__memory *mem, int fd, uint64_t offset_bytes, uint64_t length_bytes,
                                 const einf__source_options *o, einf__source *out, einf_error *err)
{
    memset(out, 0, sizeof *out);
    EINF_TRY(check_mode(o, err));
    const einf_status status = open_part(mem, fd, offset_bytes, length_bytes, "fd", NULL, o, out, err);
    if (status != EINF_OK) einf__source_close(out);
    return status;
}

/* Also opening has effects on a device, so ask first. The answer may be outdated a moment later, hence O_NONBLOCK and
 * the second look in open_part. */
static einf_status open_descriptor(const char *path, int *fd, einf_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        const int code = errno;
        if (code == ENOENT && lstat(path, &st) == 0)
            return einf__fail(err, EINF_E_IO, EINF_NO_OFFSET, "path", "mend the link, or give the file itself",
                              "cannot open a symbolic link that leads nowhere: %s", path);
        return einf__fail_system(err, EINF_NO_OFFSET, "path", "open the file", code, path);
    }
    EINF_TRY(check_regular(&st, "path", path, err));
    do {
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (*fd < 0 && errno == EINTR);
    return *fd >= 0 ? EINF_OK : einf__fail_system(err, EINF_NO_OFFSET, "path", "open the file", errno, path);
}

einf_status einf__source_open_path(einf__memory *mem, const char *path, const einf__source_options *o,
                                   einf__source *out, einf_error *err)
{
    int fd = -1;
    memset(out, 0, sizeof *out);
    if (!path) return einf__fail_arg(err, "path", "path is NULL");
    EINF_TRY(check_mode(o, err));
    EINF_TRY(open_descriptor(path, &fd, err));
    const einf_status status = open_part(mem, fd, 0, 0, "path", path, o, out, err);
    (void)close(fd);
    if (status != EINF_OK) einf__source_close(out);
    return status;
}

einf_status einf__source_open_memory(const void *data, uint64_t size_bytes, einf__source *out, einf_error *err)
{
    memset(out, 0, sizeof *out);
    if (!data) return einf__fail_arg(err, "data", "data is NULL");
    if (size_bytes == 0) return einf__fail(err, EINF_E_FORMAT, 0, NULL, NULL, "the memory given is empty: 0 bytes");
    if (size_bytes > SIZE_MAX)
        return einf__fail_arg(err, "size_bytes", "%llu bytes exceed the address space", (unsigned long long)size_bytes);
    out->data = data;
    out->size_bytes = size_bytes;
    return EINF_OK;
}

void einf__source_close(einf__source *s)
{
    if (s->map_base) (void)munmap(s->map_base, (size_t)s->map_bytes);
    if (s->reserved_bytes) einf__memory_unreserve(s->mem, s->reserved_bytes);
    if (s->block) einf__free(s->mem, s->block, (size_t)s->block_bytes);
    memset(s, 0, sizeof *s);
}
