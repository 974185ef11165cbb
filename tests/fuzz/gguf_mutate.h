/* SPDX-License-Identifier: MIT
 * gguf_mutate.h - changing GGUF files so that most of them are still GGUF files.
 */
#ifndef TESTS_GGUF_MUTATE_H
#define TESTS_GGUF_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/** Change a file in place: entries and tensors are added, dropped, doubled, swapped, renamed, given other types,
 *  values, dimensions, offsets and counts, then written again consistently; sometimes one number is then made to lie,
 *  and sometimes bytes are changed blindly. A file that cannot be walked is changed blindly. The new size. */
size_t gguf_mutate(uint8_t *data, size_t n_bytes, size_t max_bytes, uint64_t seed);
/** Put some entries and tensors of b into a, the result into out; its size, 0 when either cannot be walked. */
size_t gguf_cross(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out, size_t max_bytes,
                  uint64_t seed);

#endif
