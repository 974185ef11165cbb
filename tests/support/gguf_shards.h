/* SPDX-License-Identifier: MIT
 * gguf_shards.h - a whole GGUF file cut into parts, as llama.cpp's gguf-split cuts it: the first has all entries, and
 * each has its place, the count of all tensors and a share of these. Shares no code with the library's reader.
 */
#ifndef TESTS_GGUF_SHARDS_H
#define TESTS_GGUF_SHARDS_H

#include "tests/support/gguf_build.h"

/** Part `no`, from 0, of `count`, for a test to change. The file must be right, and its tensors in order of offset.
 *  tensors_in_first: the first part has its share of them; else only the others have. */
gguf_build *gguf_shard(const uint8_t *file, size_t n_bytes, uint32_t no, uint32_t count, bool tensors_in_first);
/** "DIR/STEM-00001-of-00003.gguf" for no 0 of 3, malloc'd. */
char *gguf_shard_path(const char *dir, const char *stem, uint32_t no, uint32_t count);
/** Write a part to gguf_shard_path, and free it. */
void gguf_shard_write(gguf_build *b, const char *dir, const char *stem, uint32_t no, uint32_t count);
/** Write all parts. */
void gguf_shards_write(const uint8_t *file, size_t n_bytes, const char *dir, const char *stem, uint32_t count,
                       bool tensors_in_first);

#endif
