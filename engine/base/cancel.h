/* SPDX-License-Identifier: MIT
 * cancel.h - the flag behind einf_cancel: one relaxed atomic, so a signal handler may set it.
 */
#ifndef EINF_BASE_CANCEL_H
#define EINF_BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include <edgeinfer/edgeinfer.h>

struct einf_cancel { atomic_int set; };

/* c may be NULL: never cancelled. */
static inline bool einf__is_cancelled(const einf_cancel *c)
{
    return c && atomic_load_explicit(&c->set, memory_order_relaxed) != 0;
}

#endif
