/* SPDX-License-Identifier: MIT
 * naive_file.h - the tensors of a file that the builders made, and their elements in double precision. What the oracles
 * of the forward pass and of the vision encoder read weights with. Shares no code with the library.
 *
 * Types: F32, F16, BF16, Q8_0, Q4_K. Anything else, and anything odd, ends the program.
 */
#ifndef TESTS_NAIVE_FILE_H
#define TESTS_NAIVE_FILE_H

#include <stddef.h>
#include <stdint.h>

typedef struct naive_file naive_file;

typedef struct naive_tensor {
    char name[64];
    uint32_t type;
    uint64_t dims[4]; /* unused ones are 1 */
    const uint8_t *data;
} naive_tensor;

/** The file, whose alignment is 32, must outlive *. */
naive_file *naive_file_open(const uint8_t *file);
void naive_file_close(naive_file **f);
/** NULL: there is none of that name. */
const naive_tensor *naive_find(const naive_file *f, const char *name);
/** Element i, counted through all dims. */
double naive_element(const naive_tensor *t, uint64_t i);

#endif
