/* SPDX-License-Identifier: MIT
 * env.c - the one place that calls getenv.
 */
#include "cli/env.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/numbers.h"

static const char *value_of(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

bool cli_env_read(cli_env *out)
{
    *out = (cli_env){ 0 };
    const char *forbid = value_of("EINF_CPU_FORBID");
    if (forbid && !cli_parse_mask(forbid, &out->cpu_forbid)) {
        fprintf(stderr, "edgeinfer: EINF_CPU_FORBID is \"%s\", expected a mask as 0x1, or all\n", forbid);
        return false;
    }
    const char *threads = value_of("EINF_THREADS");
    uint64_t n = 0;
    if (threads && (!cli_parse_u64(threads, &n) || n < 1 || n > 256)) {
        fprintf(stderr, "edgeinfer: EINF_THREADS is \"%s\", expected a whole number from 1 to 256\n", threads);
        return false;
    }
    out->n_threads = (uint32_t)n;
    return true;
}
