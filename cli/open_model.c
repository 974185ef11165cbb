/* SPDX-License-Identifier: MIT
 * open_model.c - from options to the three handles.
 */
#include "cli/open_model.h"

#include <stdio.h>
#include <string.h>

#include "cli/env.h"
#include "cli/interrupt.h"

/* Which implementation fills each slot of the kernel table. */
static void print_kernels(const einf_runtime *rt)
{
    const char *slot, *impl;
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    if (einf_runtime_get_info(rt, &info, NULL) != EINF_OK) return;
    fprintf(stderr, "threads %d, CPU features 0x%x of 0x%x, pages of %llu bytes\n", info.n_threads, info.cpu_used,
            info.cpu_found, (unsigned long long)info.page_bytes);
    for (int32_t i = 0; einf_runtime_kernel(rt, i, &slot, &impl, NULL) == EINF_OK; i++)
        fprintf(stderr, "kernel %s: %s\n", slot, impl);
}

int cli_engine_start(cli_engine *e, const cli_options *o)
{
    cli_env env;
    einf_error err = EINF_INIT(einf_error);
    *e = (cli_engine){ .options = o };
    if (!cli_env_read(&env)) return EXIT_USAGE;
    e->cancel = cli_interrupt_install();
    if (!e->cancel) return cli_fail_nomem();
    cli_progress_init(&e->progress, o->quiet);
    const int code = cli_profiler_open(o, &e->profiler);
    if (code != EXIT_DONE) return code;

    const double start_s = cli_now_s();
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = (int32_t)(o->threads ? o->threads : env.n_threads);
    c.n_threads_decode = (int32_t)o->threads_decode;
    c.cpu_forbid = env.cpu_forbid;
    c.ram_limit_bytes = o->ram_limit_bytes;
    c.profiler = e->profiler;
    c.log = o->quiet ? NULL : cli_log;
    c.log_user = (void *)(uintptr_t)&o->verbose; /* read alone */
    if (einf_runtime_create(&c, &e->rt, &err) != EINF_OK) return cli_print_error(&err, NULL);
    e->load_s = cli_now_s() - start_s;
    if (o->verbose) print_kernels(e->rt);
    return EXIT_DONE;
}

bool cli_file_architecture(const cli_engine *e, const char *path, char *out)
{
    einf_model *header = NULL;
    einf_model_config c = EINF_INIT(einf_model_config);
    einf_model_info info = EINF_INIT(einf_model_info);
    c.load = EINF_LOAD_HEADER;
    if (einf_model_open(e->rt, path, &c, &header, NULL) != EINF_OK) return false;
    const bool known = einf_model_get_info(header, &info, NULL) == EINF_OK;
    memcpy(out, info.architecture, sizeof info.architecture);
    einf_model_close(&header, NULL);
    return known;
}

/* What was asked of a vision encoder is not there; what the file is matters more than what it lacks first. */
static void explain_encoder(const cli_engine *e, const char *path, einf_error *err)
{
    char architecture[32];
    if (!cli_file_architecture(e, path, architecture) || strcmp(architecture, "clip") != 0) return;
    *err = (einf_error)EINF_INIT(einf_error);
    err->code = EINF_E_UNSUPPORTED;
    err->offset = EINF_NO_OFFSET;
    snprintf(err->message, sizeof err->message, "this is a vision encoder, not a language model");
    snprintf(err->hint, sizeof err->hint, "give it with --mmproj, and the model that it belongs to with -m");
}

einf_status cli_engine_open(cli_engine *e, const char *path, uint32_t load, bool check_tensors, einf_error *err)
{
    const double start_s = cli_now_s();
    einf_model_config c = EINF_INIT(einf_model_config);
    c.load = load;
    c.mode = (int32_t)e->options->mode;
    c.check_tensors = check_tensors;
    c.any_pretokenizer = e->options->any_pretokenizer;
    c.cancel = e->cancel;
    c.progress = cli_progress_step;
    c.progress_user = &e->progress;
    einf_status status = einf_model_open(e->rt, path, &c, &e->m, err);
    cli_progress_clear(&e->progress);
    if (status == EINF_E_FORMAT || status == EINF_E_UNSUPPORTED) {
        explain_encoder(e, path, err);
        status = err->code;
    }
    e->load_s += cli_now_s() - start_s;
    return status;
}

void cli_engine_close(cli_engine *e) { einf_model_close(&e->m, NULL); }

int cli_engine_stop(cli_engine *e, int code)
{
    cli_progress_clear(&e->progress);
    cli_engine_close(e);
    einf_vision_close(&e->v, NULL);
    einf_runtime_destroy(&e->rt, NULL);
    return cli_profiler_close(e->options, &e->profiler, code);
}

cli_threads cli_engine_threads(const cli_engine *e)
{
    einf_runtime_info rt = EINF_INIT(einf_runtime_info);
    einf_model_info m = EINF_INIT(einf_model_info);
    (void)einf_runtime_get_info(e->rt, &rt, NULL); /* both handles are good, so neither can fail */
    (void)einf_model_get_info(e->m, &m, NULL);
    return (cli_threads){ rt.n_threads, m.n_threads_decode };
}

void cli_json_threads(cJSON *o, const cli_threads *t)
{
    cli_json_count(o, "n_threads", (uint64_t)t->n);
    if (t->n_decode) cli_json_count(o, "n_threads_decode", (uint64_t)t->n_decode);
}

const char *cli_kv_name(const cli_options *o)
{
    return o->exact || o->kv == EINF_KV_F32 ? "f32" : o->kv == EINF_KV_Q8_0 ? "q8_0" : "f16";
}

einf_session_config cli_session_config(const cli_engine *e)
{
    const cli_options *o = e->options;
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = o->ctx;
    c.kv_type = (int32_t)o->kv;
    c.exact = o->exact;
    c.deterministic = o->deterministic;
    c.force_path = (int32_t)o->path;
    c.float_sum = (int32_t)o->float_sum;
    c.cancel = e->cancel;
    return c;
}
