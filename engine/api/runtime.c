/* SPDX-License-Identifier: MIT
 * runtime.c - the runtime handle, the cancel flag, and the small checks of the public surface.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/api/api_internal.h"
#include "engine/base/cpu.h"

enum { MAX_THREADS = 256 };

/* ------------------------------------------------------------------------------------------------- cancel -- */

/* A cancel flag is older than any runtime, so it comes from the C library's allocator. */
einf_status einf_cancel_create(einf_cancel **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(out, err);
    *out = NULL;
    einf__memory memory;
    einf__memory_init(&memory, NULL, 0);
    einf_cancel *c = einf__alloc(&memory, sizeof *c);
    if (!c) return einf__fail_nomem(err, sizeof *c, "a cancel flag");
    atomic_init(&c->set, 0);
    *out = c;
    return EINF_OK;
}

void einf_cancel_set(einf_cancel *c)
{
    if (c) atomic_store_explicit(&c->set, 1, memory_order_relaxed);
}

void einf_cancel_clear(einf_cancel *c)
{
    if (c) atomic_store_explicit(&c->set, 0, memory_order_relaxed);
}

void einf_cancel_destroy(einf_cancel **c)
{
    if (!c) return;
    einf__memory memory;
    einf__memory_init(&memory, NULL, 0);
    einf__free(&memory, *c, sizeof **c);
    *c = NULL;
}

/* ------------------------------------------------------------------------------------------------- checks -- */

void einf__log(const einf_runtime *rt, int32_t level, const char *format, ...)
{
    if (!rt->log) return;
    char line[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    einf__make_printable(line);
    rt->log(rt->log_user, level, line);
}

einf_status einf__check_process(const einf_runtime *rt, einf_error *err)
{
    if (rt->pid == getpid()) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, NULL,
                      "use the runtime in the process that made it; after fork, exec",
                      "this runtime belongs to process %ld; its threads do not exist in the forked process %ld",
                      (long)rt->pid, (long)getpid());
}

/* ------------------------------------------------------------------------------------------------ runtime -- */

static einf_status check_config(const einf_runtime_config *c, einf_error *err)
{
    if (c->n_threads < 0 || c->n_threads > MAX_THREADS)
        return einf__fail_arg(err, "n_threads", "n_threads is %d, allowed are 0 (automatic) to %d", c->n_threads,
                              (int)MAX_THREADS);
    if (c->n_threads_decode < 0 || c->n_threads_decode > MAX_THREADS)
        return einf__fail_arg(err, "n_threads_decode", "n_threads_decode is %d, allowed are 0 (automatic) to %d",
                              c->n_threads_decode, (int)MAX_THREADS);
    if (c->allocator && (!c->allocator->alloc || !c->allocator->free))
        return einf__fail_arg(err, "allocator", "an allocator needs both alloc and free");
    const einf_trace_hooks *trace = c->trace;
    const einf_gemm_provider *gemm = c->gemm;
    if (trace) EINF__NEED_STRUCT(trace, einf_trace_hooks, err);
    if (gemm) EINF__NEED_STRUCT(gemm, einf_gemm_provider, err);
    if (gemm && (!gemm->sgemm_nt || !gemm->name))
        return einf__fail_arg(err, "gemm", "a GEMM provider needs both name and sgemm_nt");
    return EINF_OK;
}

einf_status einf_runtime_create(const einf_runtime_config *config, einf_runtime **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(out, err);
    *out = NULL;
    const einf_runtime_config defaults = EINF_INIT(einf_runtime_config);
    if (!config) config = &defaults;
    EINF__NEED_STRUCT(config, einf_runtime_config, err);
    EINF_TRY(check_config(config, err));

    einf__memory memory;
    einf__memory_init(&memory, config->allocator, config->ram_limit_bytes);
    void *block;
    EINF_TRY(einf__alloc_or_fail(&memory, sizeof(einf_runtime), "the runtime", &block, err));
    einf_runtime *rt = block;
    memset(rt, 0, sizeof *rt);
    einf__memory_init(&rt->memory, config->allocator, config->ram_limit_bytes);
    atomic_store(&rt->memory.used_bytes, sizeof *rt);
    rt->cpu_found = einf__cpu_features();
    rt->cpu_used = rt->cpu_found & ~config->cpu_forbid;
    rt->log = config->log;
    rt->log_user = config->log_user;
    if (config->trace) rt->trace = *config->trace;
    rt->profiler = config->profiler;
    rt->pid = getpid();
    atomic_init(&rt->n_handles, 0);
    atomic_init(&rt->n_threads_decode, 0);
    einf__kernels_init(&rt->kernels, rt->cpu_used, config->gemm);

    const int32_t n_threads = config->n_threads ? config->n_threads : einf__cpu_performance_cores();
    const einf_status status = einf__pool_create(&rt->memory, n_threads < MAX_THREADS ? n_threads : MAX_THREADS,
                                                 &rt->pool, err);
    if (status != EINF_OK) {
        memory.allocator.free(memory.allocator.user, rt, sizeof *rt);
        return status;
    }
    const int32_t n_started = einf__pool_n_threads(rt->pool);
    rt->n_threads_decode_set = config->n_threads_decode < n_started ? config->n_threads_decode : n_started;
    *out = rt;
    return EINF_OK;
}

einf_status einf_runtime_destroy(einf_runtime **rt, einf_error *err)
{
    EINF__BEGIN(err);
    if (!rt || !*rt) return EINF_OK;
    einf_runtime *r = *rt;
    EINF_TRY(einf__check_process(r, err));
    const int n_handles = atomic_load(&r->n_handles);
    if (n_handles > 0)
        return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "rt", "close them first",
                          "the runtime still has %d open models, encoders or pictures", n_handles);
    einf__pool_destroy(&r->pool);
    const einf_allocator allocator = r->memory.allocator;
    allocator.free(allocator.user, r, sizeof *r);
    *rt = NULL;
    return EINF_OK;
}

einf_status einf_runtime_get_info(const einf_runtime *rt, einf_runtime_info *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(rt, err);
    EINF__NEED_STRUCT(out, einf_runtime_info, err);
    out->n_threads = einf__pool_n_threads(rt->pool);
    out->cpu_found = rt->cpu_found;
    out->cpu_used = rt->cpu_used;
    out->page_bytes = einf__page_bytes();
    out->allocated_bytes = atomic_load(&rt->memory.used_bytes);
    out->allocated_peak_bytes = atomic_load(&rt->memory.peak_bytes);
    out->n_threads_decode = rt->n_threads_decode_set ? rt->n_threads_decode_set : atomic_load(&rt->n_threads_decode);
    return EINF_OK;
}

einf_status einf_runtime_kernel(const einf_runtime *rt, int32_t i, const char **slot, const char **impl,
                                einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(rt, err);
    EINF__NEED(slot, err);
    EINF__NEED(impl, err);
    if (i < 0 || i >= EINF__N_SLOTS)
        return einf__fail_arg(err, "i", "slot %d is not in [0, %d)", i, (int)EINF__N_SLOTS);
    *slot = einf__kernel_slot_name(i);
    *impl = rt->kernels.impl[i];
    return EINF_OK;
}
