/* SPDX-License-Identifier: MIT
 * picture_job.c - from options to one open picture, and from floats to a file.
 */
#include "cli/picture_job.h"

#include <string.h>

#include "cli/out_file.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file holds little-endian floats, and they are written as they lie in memory"
#endif

static int check_options(const cli_options *o)
{
    const int code = cli_preprocess_check(o);
    if (code) return code;
    if (o->image.n != 1)
        return cli_fail(EXIT_USAGE, "as --image photo.jpg", o->image.n ? "there is more than one --image"
                                                                       : "a picture is missing: --image");
    if (o->json && o->output && strcmp(o->output, "-") == 0)
        return cli_fail(EXIT_USAGE, "write to a file", "-o - and --json both want stdout");
    return cli_pictures_check(o);
}

int cli_picture_job_run(const cli_options *o, int (*work)(cli_picture_job *j))
{
    cli_engine engine;
    cli_picture_job j = { .engine = &engine };
    int code = check_options(o);
    if (code) return code;
    code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = work(&j);
    cli_pictures_free(&j.pictures);
    return cli_engine_stop(&engine, code);
}

int cli_picture_job_open(cli_picture_job *j, bool header_alone)
{
    const char *path = j->engine->options->mmproj;
    einf_error err = EINF_INIT(einf_error);
    if (cli_vision_open(j->engine, path, false, &err) != EINF_OK) return cli_print_error(&err, path);
    return cli_pictures_open(j->engine, &j->pictures, header_alone);
}

int cli_picture_job_write(cli_picture_job *j, const float *values, uint64_t n)
{
    cli_out_file out;
    int code = cli_out_open(&out, j->engine->options->output);
    if (code) return code;
    if (!cli_out_write(&out, values, (size_t)n * sizeof *values)) code = EXIT_FAILED; /* close says why */
    j->n_bytes = out.n_bytes;
    return cli_out_close(&out, code);
}
