/* SPDX-License-Identifier: MIT
 * decode_threads.c - on how many threads a model's passes of one token run: as the host says, by the size of a small
 * model, or as measured, once a runtime, by the first session of a large one.
 */
#include "engine/api/api_internal.h"
#include "engine/decode/calibrate.h"

int32_t einf__decode_threads_known(const einf_model *m)
{
    const einf_runtime *rt = m->rt;
    const int32_t n_max = einf__pool_n_threads(rt->pool);
    if (!(m->loaded & EINF_LOAD_WEIGHTS)) return 0;
    if (rt->n_threads_decode_set) return rt->n_threads_decode_set;
    if (n_max == 1) return 1;
    if (m->weights.weight_bytes <= EINF__CALIBRATE_MIN_BYTES)
        return einf__threads_for_small(m->weights.weight_bytes, n_max);
    return atomic_load(&rt->n_threads_decode);
}

int32_t einf__decode_threads_measured(einf_model *m)
{
    einf_runtime *rt = m->rt;
    const int32_t known = einf__decode_threads_known(m);
    if (known || !(m->loaded & EINF_LOAD_WEIGHTS)) return known;
    /* Who works now would be kept waiting, and would spoil the measurement: the next session has another chance. */
    if (!einf__pool_try_acquire(rt->pool)) return 0;
    const einf__thread_choice choice =
        einf__calibrate_decode(&rt->memory, rt->pool, &rt->kernels, &m->config, &m->weights);
    einf__pool_release(rt->pool);
    if (choice.n_threads == 0) return 0;
    atomic_store(&rt->n_threads_decode, choice.n_threads);
    einf__log(rt, EINF_LOG_INFO, "decoding on %d of %d threads, which read weights at %llu MB/s", choice.n_threads,
              einf__pool_n_threads(rt->pool), (unsigned long long)(choice.bytes_per_s / 1000000));
    return choice.n_threads;
}
