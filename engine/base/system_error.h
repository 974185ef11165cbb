/* SPDX-License-Identifier: MIT
 * system_error.h - what the system said when a file could not be opened, read or written, in words that do not depend
 * on the host's locale (strerror does, and not every thread may call it).
 */
#ifndef EINF_BASE_SYSTEM_ERROR_H
#define EINF_BASE_SYSTEM_ERROR_H

#include "engine/base/status.h"

/** EINF_E_IO: "cannot DOING: reason: path". code: an errno. offset, where: as for einf__fail. path: may be NULL. */
einf_status einf__fail_system(einf_error *err, uint64_t offset, const char *where, const char *doing, int code,
                              const char *path);

#endif
