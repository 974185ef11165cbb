/* SPDX-License-Identifier: MIT
 * gguf_split.h - a model in several files, as llama.cpp's gguf-split writes them: NAME-00001-of-00003.gguf and so on.
 *
 * Each part is a GGUF file of its own, and says in split.no (from 0), split.count and split.tensors.count where it
 * belongs. The first has the metadata; every part has some of the tensors. The others are looked for beside the first,
 * under its own name with another number: no name is ever taken from a file.
 */
#ifndef EINF_GGUF_SPLIT_H
#define EINF_GGUF_SPLIT_H

#include "engine/gguf/gguf.h"

typedef struct einf__split {
    uint32_t n_parts;       /* 1: not split */
    einf__source *others;   /* [n_parts - 1], the parts behind the first; NULL for one */
    uint64_t others_bytes;  /* the sum of their sizes */
    einf__memory *mem;
} einf__split;

#define EINF__SPLIT_MAX_PARTS 1024u

/** Size of the file, and of those beside it when its name is that of the first of several parts. For progress alone:
 *  what cannot be found counts nothing. */
uint64_t einf__split_total_bytes(const char *path);

/** g: the parsed header of the file at path (NULL: it came from a descriptor or from memory). When it is the first part
 *  of a split model, open and check the others and join their tensors to its table, which is then made anew. *out must
 *  live as long as g.
 *  EINF_E_UNSUPPORTED: a later part, or no path to find the others by; EINF_E_LIMIT: too many parts or tensors;
 *  EINF_E_FORMAT: parts that do not belong together; else what opening or parsing a part gave, which the message
 *  names. After a failure *out is closed, and g holds the first part alone. */
einf_status einf__split_open(einf__memory *mem, const char *path, const einf__source_options *o, einf__gguf *g,
                             einf__split *out, einf_error *err);
/** Close the other parts. Accepts a zeroed one. */
void einf__split_close(einf__split *s);

#endif
