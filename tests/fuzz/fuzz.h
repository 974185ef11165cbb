/* SPDX-License-Identifier: MIT
 * fuzz.h - what a fuzz target is: a function that takes any bytes, and the bytes it begins with.
 *
 * fuzz_NAME.c is built twice. With libFuzzer it searches (`make fuzz`). With replay.c, by any compiler, it runs over
 * its seeds, over mutations of them that are the same every time, and over the inputs that once broke something
 * (regressions/NAME/): that is a test of `make check`.
 * A broken promise is a failed cmocka assert; outside a cmocka test that ends the program, which is a finding.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------- what a target must define -- */

/** "gguf": names its folder of regressions. */
extern const char fuzz_name[];
/** Run one input; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);
/** Give away the inputs to begin with. The bytes are the target's, for the call. */
typedef void (*fuzz_put_fn)(void *user, const char *name, const void *data, size_t n_bytes);
void fuzz_seeds(fuzz_put_fn put, void *user);
/** Change data in place, at most max_bytes of room; the new size. Depends on nothing but its arguments and what
 *  LLVMFuzzerMutate does. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed);

/* ------------------------------------------------------------------------------------------- what it is lent -- */

/** Change some bytes anyhow: libFuzzer's, or a plain one of replay.c. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t n_bytes, size_t max_bytes);

#endif
