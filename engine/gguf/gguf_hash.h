/* SPDX-License-Identifier: MIT
 * gguf_hash.h - a number that tells one model from another, for files that belong to a model.
 */
#ifndef EINF_GGUF_HASH_H
#define EINF_GGUF_HASH_H

#include "engine/gguf/gguf.h"

/** Covers every metadata entry except those of split.*, name, type and dims of every tensor, and 4 KiB spread over the
 *  data of each (all of it where there is no more). So a model hashes the same in one file and in parts, and another
 *  fine-tune or quantisation does not; weights edited between the samples go unseen. Touches four pages a tensor. */
uint64_t einf__gguf_hash(const einf__gguf *g);

#endif
