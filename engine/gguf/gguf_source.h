/* SPDX-License-Identifier: MIT
 * gguf_source.h - the bytes of a model: a file mapped, read or read into huge pages, a part of an open file, or the
 * caller's memory.
 *
 * Whatever it came from, a source is one range [data, data + size_bytes) that stays put until it is closed.
 * Opening never blocks on a FIFO or a device: only regular files are accepted.
 */
#ifndef EINF_GGUF_SOURCE_H
#define EINF_GGUF_SOURCE_H

#include <stdbool.h>

#include "engine/base/cancel.h"
#include "engine/base/memory.h"

typedef struct einf__source {
    const uint8_t *data;
    uint64_t size_bytes;
    /* private to gguf_source.c */
    void *map_base;         /* start of the mapping, of the file or of mode=huge; NULL when there is none */
    uint64_t map_bytes;
    uint64_t reserved_bytes; /* of the mapping of mode=huge, counted in mem; 0 otherwise */
    bool huge_refused;       /* mode=huge, and the system gives no huge pages: it is in small ones */
    void *block;            /* the copy of mode=read, NULL otherwise */
    uint64_t block_bytes;
    einf__memory *mem;
} einf__source;

typedef struct einf__source_options {
    int32_t mode;           /* EINF_MODE_* */
    const einf_cancel *cancel;
    einf_progress_fn progress; /* called during mode=read, in bytes, phase EINF_PHASE_LOAD */
    void *progress_user;
    uint64_t before_bytes;  /* of the parts read before this one, */
    uint64_t total_bytes;   /* and of all: what progress is told. 0: of this file alone */
    uint64_t max_bytes;     /* larger files are refused before a byte is read; 0: none */
} einf__source_options;

/** Map or read a whole file. EINF_E_IO: cannot be opened or read, with the system's reason; EINF_E_FORMAT: no regular
 *  file or empty; EINF_E_LIMIT: mode=read or huge and larger than the ceiling, or any and larger than max_bytes
 *  (refused before a byte is read); EINF_E_NOMEM: also when there is no address space to map it; EINF_E_CANCELLED. */
einf_status einf__source_open_path(einf__memory *mem, const char *path, const einf__source_options *o,
                                   einf__source *out, einf_error *err);
/** length_bytes 0: to the end of the file. Uses pread and mmap alone; fd keeps its position and may be closed after.
 *  EINF_E_ARG also: the part is not inside the file. */
einf_status einf__source_open_fd(einf__memory *mem, int fd, uint64_t offset_bytes, uint64_t length_bytes,
                                 const einf__source_options *o, einf__source *out, einf_error *err);
/** Borrow. */
einf_status einf__source_open_memory(const void *data, uint64_t size_bytes, einf__source *out, einf_error *err);
/** The bytes are a copy of this process, not the file's pages or the caller's memory. */
static inline bool einf__source_is_copy(const einf__source *s) { return s->block || s->reserved_bytes; }
/** Unmap or free; leaves a zeroed source. Accepts a zeroed one. */
void einf__source_close(einf__source *s);

#endif
