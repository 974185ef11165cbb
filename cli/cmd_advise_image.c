/* SPDX-License-Identifier: MIT
 * cmd_advise_image.c - how large a picture should be: what sizes cost here, and from which size on answers agree.
 *
 * The forecast is of the largest of the pictures; the comparison runs over all of them. Calibrating and comparing run
 * one after another, so that neither disturbs the other's times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/lowlevel.h>

#include "cli/advise_report.h"
#include "cli/commands.h"
#include "cli/numbers.h"
#include "cli/open_vision.h"

enum { DEFAULT_ANSWER = 64, PLACEHOLDERS = 2 }; /* what stands around the rows of a picture */
static const double default_budget_s = 10;

/* ------------------------------------------------------------------------------------------------- options -- */

static int check_options(const cli_options *o)
{
    if (!o->mmproj)
        return cli_fail(EXIT_USAGE, "name the model's vision encoder, with --mmproj FILE",
                        "advise-image needs a vision encoder");
    if (o->expect && (o->image.n || o->question.n))
        return cli_fail(EXIT_USAGE, NULL, "--expect names pictures and questions itself; %s is too many",
                        o->image.n ? "--image" : "--prompt");
    if (o->image_size.width && (o->image.n || o->expect))
        return cli_fail(EXIT_USAGE, NULL, "--image-size and %s exclude each other",
                        o->image.n ? "--image" : "--expect");
    if (o->compare && !o->expect && (o->image.n == 0 || o->question.n == 0))
        return cli_fail(EXIT_USAGE, "add --image FILE -p QUESTION, or a file of both with --expect",
                        "--compare needs %s", o->image.n == 0 ? "pictures" : "a question");
    for (uint32_t i = 0; i < o->image.n; i++)
        if (strcmp(o->image.items[i], "-") == 0)
            return cli_fail(EXIT_USAGE, "keep it in a file", "pictures are read more than once, which stdin cannot be");
    if (o->image.n || o->expect || o->image_size.width) return EXIT_DONE;
    return cli_fail(EXIT_USAGE, "name one with --image FILE, or its size with --image-size WxH",
                    "advise-image needs a picture");
}

static int descending(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x < y) - (x > y);
}

/* --ladder, largest first. */
static int read_limits(const cli_options *o, int32_t *limits, int *n)
{
    enum { MOST = ADVISE_MAX_SETTINGS / 2, MOST_TOKENS = 16384 };
    char word[16];
    *n = 0;
    for (const char *at = o->ladder; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        uint64_t limit;
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ",") < 15 ? (int)strcspn(at, ",") : 15, at);
        if (!cli_parse_u64(word, &limit) || limit < 1 || limit > MOST_TOKENS)
            return cli_fail(EXIT_USAGE, "as --ladder 1024,256,64", "--ladder has the step \"%s\", expected a whole "
                            "number of tokens from 1 to %d", word, MOST_TOKENS);
        if (*n == MOST) return cli_fail(EXIT_USAGE, NULL, "--ladder has more than %d steps", MOST);
        limits[(*n)++] = (int32_t)limit;
    }
    qsort(limits, (size_t)*n, sizeof *limits, descending);
    return EXIT_DONE;
}

/* ------------------------------------------------------------------------------------------------ pictures -- */

/* The picture of most pixels; all of them have a header that can be read. */
static int find_largest(cli_engine *e, const advise_cases *cases, const char **path, einf_image_info *out)
{
    einf_error err = EINF_INIT(einf_error);
    uint64_t most = 0;
    for (size_t i = 0; i < cases->n; i++) {
        const char *name = cases->items[i].picture;
        einf_image_info info = EINF_INIT(einf_image_info);
        if (i > 0 && strcmp(name, cases->items[i - 1].picture) == 0) continue;
        if (einf_image_probe(e->rt, name, NULL, &info, &err) != EINF_OK) return cli_print_error(&err, name);
        const uint64_t n_pixels = (uint64_t)info.width * info.height;
        if (n_pixels <= most) continue;
        most = n_pixels;
        *path = name;
        *out = info;
    }
    return EXIT_DONE;
}

/* A picture of that size, of which nothing is known: how long it takes does not depend on what is on it. */
static einf_status make_picture(einf_runtime *rt, cli_extent size, einf_image **out, einf_error *err)
{
    const uint64_t n = (uint64_t)size.width * size.height;
    uint8_t *pixels = n <= SIZE_MAX ? malloc((size_t)n) : NULL;
    if (!pixels) {
        err->code = EINF_E_NOMEM;
        return EINF_E_NOMEM;
    }
    for (uint64_t i = 0; i < n; i++) pixels[i] = (uint8_t)((i * 2654435761u) >> 13);
    const einf_status status = einf_image_from_pixels(rt, pixels, n, EINF_PIXELS_GRAY, size.width, size.height, 0, NULL,
                                                      out, err);
    free(pixels);
    return status;
}

static int open_picture(cli_engine *e, advise_findings *f, einf_image **out)
{
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    einf_image_info info = EINF_INIT(einf_image_info);
    einf_image_config config = EINF_INIT(einf_image_config);
    config.cancel = e->cancel;
    const int code = find_largest(e, f->cases, &f->picture, &info);
    if (code) return code;
    const einf_status status = f->picture ? einf_image_open(e->rt, f->picture, &config, out, &err)
                                          : make_picture(e->rt, o->image_size, out, &err);
    return status == EINF_OK ? EXIT_DONE : cli_print_error(&err, f->picture);
}

/* ------------------------------------------------------------------------------------------------ questions -- */

/* Tokens of a question as the model's template lays it out, or of the plain text. */
static einf_status count_question(const einf_model *m, const char *question, uint32_t *out, einf_error *err)
{
    einf_message message = EINF_INIT(einf_message);
    uint64_t n = 0;
    message.role = "user";
    message.content = question;
    einf_status status = einf_chat_tokenize(m, &message, 1, NULL, NULL, 0, &n, NULL);
    if (status != EINF_OK && status != EINF_E_LIMIT)
        status = einf_tokenize(m, question, strlen(question), EINF_TOK_BOS, NULL, 0, &n, err);
    *out = (uint32_t)n + PLACEHOLDERS;
    return status == EINF_E_LIMIT ? EINF_OK : status;
}

/* Of the longest question. */
static einf_status make_request(const cli_engine *e, const advise_cases *cases, advise_request *out, einf_error *err)
{
    *out = (advise_request){ .n_answer = e->options->max_tokens ? e->options->max_tokens : DEFAULT_ANSWER };
    einf_status status = count_question(e->m, ADVISE_QUESTION, &out->n_text, err);
    if (cases->n > 0) out->n_text = 0;
    for (size_t i = 0; i < cases->n && status == EINF_OK; i++) {
        uint32_t n;
        status = count_question(e->m, cases->items[i].question, &n, err);
        if (n > out->n_text) out->n_text = n;
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------ the advice -- */

static int make_ladder(const cli_engine *e, const einf_image *image, advise_findings *f)
{
    einf_error err = EINF_INIT(einf_error);
    einf_image_info info = EINF_INIT(einf_image_info);
    const einf_preprocess base = cli_preprocess_of(e->options);
    int32_t limits[ADVISE_MAX_SETTINGS / 2];
    int n_limits;
    const int code = read_limits(e->options, limits, &n_limits);
    if (code) return code;
    if (einf_image_get_info(image, &info, &err) != EINF_OK ||
        advise_ladder_make(e->v, &base, info.width, info.height, limits, n_limits, &f->ladder, &err) != EINF_OK ||
        make_request(e, f->cases, &f->request, &err) != EINF_OK)
        return cli_print_error(&err, f->picture);
    return EXIT_DONE;
}

static void warn_of_noise(const cli_options *o, const advise_machine *m)
{
    if (o->quiet) return;
    if (advise_is_noisy(m))
        fprintf(stderr, "warning: the machine is too noisy for a good forecast: repeats differ by %.0f %%, the laws "
                "are off by %.0f %%; let it rest, or give it more --seconds\n", 100 * m->noise, 100 * m->residual);
    if (m->elapsed_s > 1.5 * m->budget_s + 1)
        fprintf(stderr, "the calibration took %.1f s of %.1f: the smallest runs take that long\n", m->elapsed_s,
                m->budget_s);
}

static int forecast(cli_engine *e, einf_session *s, const einf_image *image, advise_findings *f)
{
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    const double budget_s = o->seconds > 0 ? o->seconds : default_budget_s;
    f->n_ctx = einf_session_n_ctx(s);
    cli_watch_idle(o, e->profiler);
    if (advise_calibrate(e, e->v, s, image, &f->ladder, &f->request, budget_s, &f->machine, &err) != EINF_OK)
        return cli_print_error(&err, NULL);
    for (int i = 0; i < f->ladder.n; i++) {
        advise_setting *setting = &f->ladder.items[i];
        setting->fits_context = (uint64_t)setting->sizes.n_tokens + f->request.n_text + f->request.n_answer <= f->n_ctx;
        advise_forecast_of(&f->machine, &setting->sizes, &f->request, &f->forecasts[i]);
    }
    warn_of_noise(o, &f->machine);
    return EXIT_DONE;
}

/* What the comparison will take, if every picture is the largest. */
static void announce(const advise_findings *f)
{
    double seconds = 0;
    int n = 0;
    for (int i = f->ladder.top; i < f->ladder.n_steps; i++) {
        const advise_forecast *p = &f->forecasts[i];
        if (!f->ladder.items[i].fits_context) continue;
        seconds += (double)f->cases->n_pictures * (p->preprocess_s.value + p->encode_s.value) +
                   (double)f->cases->n * (p->prefill_s.value + p->decode_s.value);
        n++;
    }
    fprintf(stderr, "comparing at %d settings: pictures %zu, answers %zu; %.0f s at most\n", n, f->cases->n_pictures,
            f->cases->n, seconds);
}

static int compare(cli_engine *e, einf_session *s, advise_findings *f)
{
    const cli_options *o = e->options;
    /* Of a list that somebody made all steps count, those beyond the model's limit too. */
    const int first = o->ladder ? 0 : f->ladder.top;
    if (!o->quiet) announce(f);
    e->image_cache_bytes = 0; /* the questions of one picture share its rows */
    cli_vision_close(e);
    int code = cli_vision_open_beside(e);
    if (code == EXIT_DONE)
        code = advise_compare(e, s, f->cases, &f->ladder, first, f->ladder.n_steps, f->request.n_answer, f->agreements,
                              &f->n_agreements);
    f->tolerance = o->tolerance_pct / 100;
    if (code == EXIT_DONE) f->smallest = advise_smallest(f->agreements, f->n_agreements, f->tolerance);
    return code;
}

static int advise(cli_engine *e, advise_findings *f, einf_image **image, einf_session **s)
{
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, o->model, 0, false, &err) != EINF_OK) return cli_print_error(&err, o->model);
    e->image_cache_bytes = EINF_CACHE_NONE; /* what is measured is not to be remembered */
    int code = cli_vision_open_beside(e);
    if (code == EXIT_DONE) code = open_picture(e, f, image);
    if (code == EXIT_DONE) code = make_ladder(e, *image, f);
    if (code != EXIT_DONE) return code;
    const einf_session_config config = cli_session_config(e);
    if (einf_session_create(e->m, &config, s, &err) != EINF_OK) return cli_print_error(&err, o->model);
    code = forecast(e, *s, *image, f);
    if (code == EXIT_DONE && (o->compare || o->expect)) code = compare(e, *s, f);
    if (code != EXIT_DONE) return code;
    if (o->json) return advise_print_json(f);
    advise_print(f);
    return EXIT_DONE;
}

int cli_advise_image(const cli_options *o)
{
    cli_engine engine;
    advise_cases cases = { .n = 0 };
    einf_image *image = NULL;
    einf_session *session = NULL;
    int code = check_options(o);
    if (code) return code;
    advise_findings *f = calloc(1, sizeof *f);
    if (!f) return cli_fail_nomem();
    code = cli_engine_start(&engine, o);
    f->engine = &engine;
    f->cases = &cases;
    if (code == EXIT_DONE)
        code = o->expect ? advise_cases_of_file(o->expect, &cases) : advise_cases_of_options(o, &cases);
    if (code == EXIT_DONE) code = advise(&engine, f, &image, &session);
    einf_session_destroy(&session, NULL);
    einf_image_close(&image);
    code = cli_engine_stop(&engine, code);
    advise_cases_free(&cases);
    free(f);
    return code;
}
