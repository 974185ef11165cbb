/* SPDX-License-Identifier: MIT
 * blas.h - OpenBLAS as GEMM provider. In libedgeinfer-blas, which a host links besides libedgeinfer.
 *
 * OpenBLAS owns process-wide threads and settings, so this is the host's choice: the call below sets OpenBLAS to one
 * thread for the whole process, because the engine's own pool does the splitting.
 */
#ifndef EDGEINFER_BLAS_H
#define EDGEINFER_BLAS_H

#include <edgeinfer/edgeinfer.h>
#include <edgeinfer/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The provider to put into einf_runtime_config.gemm. Static; not to be freed. Never NULL. */
EINF_API const einf_gemm_provider *einf_blas_provider(void);

#ifdef __cplusplus
}
#endif
#endif
