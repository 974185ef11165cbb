/* SPDX-License-Identifier: MIT
 * env.h - the environment variables of the command. The library reads none; nothing else in cli/ does.
 */
#ifndef CLI_ENV_H
#define CLI_ENV_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cli_env {
    uint32_t cpu_forbid; /* EINF_CPU_FORBID: EINF_CPU_* bits not to use, as a number or "all". 0: use everything */
    uint32_t n_threads;  /* EINF_THREADS: 1 to 256, where -t does not say. 0: not set */
} cli_env;

/** False, after a message on stderr, when a variable holds what it cannot mean. Empty is the same as unset. */
bool cli_env_read(cli_env *out);

#endif
