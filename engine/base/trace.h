/* SPDX-License-Identifier: MIT
 * trace.h - begin and end of the phases that a profiler wants to see. A predictable branch when nobody listens.
 */
#ifndef EINF_BASE_TRACE_H
#define EINF_BASE_TRACE_H

#include <stddef.h>

#include <edgeinfer/edgeinfer.h>

static inline void einf__trace_begin(const einf_trace_hooks *t, int32_t phase, uint64_t n_units)
{
    if (t && t->begin) t->begin(t->user, phase, n_units);
}

static inline void einf__trace_end(const einf_trace_hooks *t, int32_t phase, uint64_t n_units, einf_status status)
{
    if (t && t->end) t->end(t->user, phase, n_units, status);
}

#endif
