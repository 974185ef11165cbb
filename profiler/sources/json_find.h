/* SPDX-License-Identifier: MIT
 * json_find.h - one number out of a JSON text: "aenergy.total".
 */
#ifndef EPROF_SOURCES_JSON_FIND_H
#define EPROF_SOURCES_JSON_FIND_H

#include "profiler/sources/source.h"

/** The number at a path of keys with points between them, from the outermost object on. 0; -ENOENT: there is none;
 *  -EBADMSG: the text is not one whole JSON value. Of a key that comes twice the first counts. Arrays are checked and
 *  passed over. At most 16 levels; n_bytes 0 is not JSON. */
int eprof__json_number(const char *text, size_t n_bytes, const char *path, double *out);

#endif
