/* SPDX-License-Identifier: MIT
 * model_work.c - counts the tensors of a file by their names and shapes.
 */
#include "bench/model_work.h"

#include <string.h>

static bool is_float_type(const char *type)
{
    return strcmp(type, "F32") == 0 || strcmp(type, "F16") == 0 || strcmp(type, "BF16") == 0;
}

bench_model_work bench_model_work_of(const einf_model *m)
{
    bench_model_work w = { 0 };
    double embedding_bytes = 0, embedding_macs = 0, float_bytes = 0;
    bool tied = true;
    einf_tensor t = EINF_INIT(einf_tensor);
    for (uint64_t i = 0; einf_model_get_tensor(m, i, &t, NULL) == EINF_OK; i++) {
        const double macs = t.n_dims == 2 ? (double)t.dims[0] * (double)t.dims[1] : 0;
        if (strcmp(t.name, "token_embd.weight") == 0) {
            embedding_bytes = (double)t.size_bytes;
            embedding_macs = macs;
            continue;
        }
        w.read_bytes += (double)t.size_bytes;
        if (is_float_type(t.type)) float_bytes += (double)t.size_bytes;
        if (strcmp(t.name, "output.weight") == 0) {
            tied = false;
            w.output_macs = macs;
        } else {
            w.layer_macs += macs;
        }
    }
    w.is_float = float_bytes > 0.5 * w.read_bytes;
    if (tied) w.read_bytes += embedding_bytes, w.output_macs = embedding_macs;
    return w;
}
