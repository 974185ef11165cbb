/* SPDX-License-Identifier: MIT
 * doctor_model.c - whether a model fits into the memory that is left, and what bounds its decoding.
 *
 * Decoding reads every weight once a token, so it is no faster than memory is read. That is an estimate from above:
 * attention, and arithmetic on a slow processor, take time besides.
 */
#include <stdio.h>
#include <string.h>

#include "cli/doctor.h"
#include "cli/doctor_bandwidth.h"
#include "cli/doctor_files.h"
#include "cli/interrupt.h"
#include "cli/numbers.h"
#include "cli/open_vision.h"

/* ------------------------------------------------------------------------------------------------ fitting -- */

typedef struct context_plan {
    uint32_t n_ctx;
    uint64_t private_bytes, mapped_bytes;
} context_plan;

static bool plan(const doctor *d, uint32_t n_ctx, context_plan *out)
{
    einf_plan p = EINF_INIT(einf_plan);
    einf_session_config c = cli_session_config(d->engine);
    c.n_ctx = n_ctx;
    if (einf_session_plan(d->engine->m, &c, &p, NULL) != EINF_OK) return false;
    *out = (context_plan){ p.n_ctx, p.private_bytes, p.weights_mapped_bytes };
    return true;
}

static bool fits(const doctor *d, const context_plan *p)
{
    return p->mapped_bytes <= d->room_bytes && p->private_bytes <= d->room_bytes - p->mapped_bytes;
}

static void add_context(cJSON *list, const doctor *d, const context_plan *p)
{
    if (!list) return;
    cJSON *o = cJSON_CreateObject();
    cli_json_count(o, "n_ctx", p->n_ctx);
    cli_json_count(o, "private_bytes", p->private_bytes);
    cli_json_count(o, "weights_mapped_bytes", p->mapped_bytes);
    cJSON_AddBoolToObject(o, "fits", fits(d, p));
    cJSON_AddItemToArray(list, o);
}

/* Powers of two from 512, and the context of training. *least: the first; *most: the longest that fits, n_ctx 0 when
 * none does. */
static void try_contexts(doctor *d, uint32_t n_ctx_train, context_plan *least, context_plan *most)
{
    cJSON *list = d->facts ? cJSON_CreateArray() : NULL;
    uint32_t n_ctx = n_ctx_train < 512 ? n_ctx_train : 512;
    *least = *most = (context_plan){ 0, 0, 0 };
    for (;;) {
        context_plan p;
        if (plan(d, n_ctx, &p)) {
            add_context(list, d, &p);
            if (least->n_ctx == 0) *least = p;
            if (fits(d, &p)) *most = p;
        }
        if (n_ctx >= n_ctx_train) break;
        n_ctx = n_ctx > n_ctx_train / 2 ? n_ctx_train : n_ctx * 2;
    }
    doctor_fact_item(d, "contexts", list);
}

static void look_at_fit(doctor *d, const einf_model_info *info)
{
    context_plan least, most;
    char need[32], room[32], weights[32];
    try_contexts(d, info->n_ctx_train, &least, &most);
    const context_plan *shown = most.n_ctx ? &most : &least;
    cli_size_text(shown->private_bytes + shown->mapped_bytes, need, sizeof need);
    cli_size_text(shown->mapped_bytes, weights, sizeof weights);
    cli_size_text(d->room_bytes, room, sizeof room);
    if (d->room_bytes == UINT64_MAX)
        doctor_say(d, DOCTOR_NOTE, "fit", NULL, "%s with context %u; how much memory is left is not told", need,
                   (unsigned)shown->n_ctx);
    else if (most.n_ctx)
        doctor_say(d, DOCTOR_OK, "fit", NULL, "context %u of %u takes %s of %s", (unsigned)most.n_ctx,
                   (unsigned)info->n_ctx_train, need, room);
    else if (least.private_bytes <= d->room_bytes)
        doctor_say(d, DOCTOR_WARNING, "fit", "take a smaller model or quantisation, or free memory",
                   "the weights (%s) do not stay in the %s that are left: they are read from the disk again and again",
                   weights, room);
    else doctor_say(d, DOCTOR_WARNING, "fit", "take a smaller model or quantisation, or free memory",
                    "context %u needs %s, and %s are left", (unsigned)least.n_ctx, need, room);
}

/* What the largest picture takes besides; a session is counted above. */
static int look_at_vision(doctor *d)
{
    einf_image_sizes s = EINF_INIT(einf_image_sizes);
    cli_vision_bytes b;
    char need[32];
    einf_error err = EINF_INIT(einf_error);
    if (!d->engine->v) return EXIT_DONE;
    if (cli_vision_bytes_begin(d->engine, &b, &err) != EINF_OK || cli_vision_largest(d->engine, &s, &err) != EINF_OK)
        return cli_print_error(&err, d->engine->options->mmproj);
    cli_vision_bytes_add(d->engine, &s, &b);
    const uint64_t bytes = b.sum + b.weights_mapped;
    cli_size_text(bytes, need, sizeof need);
    doctor_fact_text(d, "mmproj", d->engine->options->mmproj);
    doctor_fact_number(d, "picture_bytes", (double)bytes);
    doctor_fact_number(d, "n_picture_tokens", s.n_tokens);
    if (bytes <= d->room_bytes)
        doctor_say(d, DOCTOR_OK, "pictures", NULL, "the largest has %u tokens and takes %s more, its encoder included",
                   (unsigned)s.n_tokens, need);
    else doctor_say(d, DOCTOR_WARNING, "pictures", "make them smaller: --longest-edge, --image-max-tokens",
                    "the largest has %u tokens and needs %s, its encoder included", (unsigned)s.n_tokens, need);
    return EXIT_DONE;
}

/* -------------------------------------------------------------------------------------------------- speed -- */

/* Weights that a token reads: of an embedding that is not the output matrix too, a single row. */
static uint64_t bytes_per_token(const einf_model *m)
{
    uint64_t sum = 0, embedding = 0;
    bool has_output = false;
    einf_tensor t = EINF_INIT(einf_tensor);
    for (uint64_t i = 0; einf_model_get_tensor(m, i, &t, NULL) == EINF_OK; i++) {
        sum += t.size_bytes;
        if (strcmp(t.name, "token_embd.weight") == 0) embedding = t.size_bytes;
        if (strcmp(t.name, "output.weight") == 0) has_output = true;
    }
    return has_output ? sum - embedding : sum;
}

/* The largest cache of CPU 0. */
static uint64_t cache_bytes(const doctor *d)
{
    uint64_t largest = 0, size;
    char text[32];
    for (int i = 0; i < 8; i++)
        if (doctor_read(d, text, sizeof text, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i) &&
            cli_parse_size(text, &size) && size > largest)
            largest = size;
    return largest;
}

static int best_step(const doctor_bandwidth *b)
{
    int best = 0;
    for (int i = 1; i < b->n_steps; i++)
        if (b->bytes_per_s[i] > b->bytes_per_s[best]) best = i;
    return best;
}

static void add_bandwidth(doctor *d, const doctor_bandwidth *b, double tokens_per_s)
{
    if (!d->facts) return;
    cJSON *list = cJSON_AddArrayToObject(d->facts, "read_bandwidth");
    for (int i = 0; i < b->n_steps; i++) {
        cJSON *o = cJSON_CreateObject();
        cli_json_count(o, "threads", b->threads[i]);
        cJSON_AddNumberToObject(o, "gb_per_s", b->bytes_per_s[i] / 1e9);
        cJSON_AddItemToArray(list, o);
    }
    doctor_fact_number(d, "decode_bound_tok_per_s", tokens_per_s);
}

static int look_at_speed(doctor *d, const einf_runtime_info *rt)
{
    doctor_bandwidth b;
    char size[32];
    const uint64_t weight_bytes = bytes_per_token(d->engine->m);
    doctor_fact_number(d, "weight_bytes_per_token", (double)weight_bytes);
    if (!doctor_measure_bandwidth((uint32_t)rt->n_threads, d->room_bytes, &b)) {
        if (cli_interrupted()) return cli_fail(EXIT_CANCELLED, NULL, "cancelled");
        doctor_say(d, DOCTOR_NOTE, "speed", NULL, "not estimated: too little memory is left to measure how it is read");
        return EXIT_DONE;
    }
    const int best = best_step(&b);
    const double tokens_per_s = b.bytes_per_s[best] / (double)(weight_bytes ? weight_bytes : 1);
    cli_size_text(weight_bytes, size, sizeof size);
    add_bandwidth(d, &b, tokens_per_s);
    if (best == 0) doctor_say(d, DOCTOR_OK, "bandwidth", NULL, "memory is read at %.1f GB/s by 1 thread%s",
                              b.bytes_per_s[0] / 1e9, b.n_steps > 1 ? ", and no faster by more" : "");
    else doctor_say(d, DOCTOR_OK, "bandwidth", NULL, "memory is read at %.1f GB/s by 1 thread, at %.1f GB/s by %u",
                    b.bytes_per_s[0] / 1e9, b.bytes_per_s[best] / 1e9, (unsigned)b.threads[best]);
    if (weight_bytes < cache_bytes(d))
        doctor_say(d, DOCTOR_OK, "speed", NULL,
                   "a token reads %s of weights, which the cache holds: memory is no bound", size);
    else doctor_say(d, DOCTOR_OK, "speed", NULL, "a token reads %s of weights: at most about %.1f tokens a second "
                    "(an estimate)", size, tokens_per_s);
    return EXIT_DONE;
}

/* A session is made for it: the first one measures how many threads decoding is worth. */
static void look_at_threads(doctor *d)
{
    einf_session *s = NULL;
    einf_session_config c = cli_session_config(d->engine);
    c.n_ctx = 1;
    if (einf_session_create(d->engine->m, &c, &s, NULL) != EINF_OK) return;
    einf_session_destroy(&s, NULL);
    const cli_threads t = cli_engine_threads(d->engine);
    if (t.n_decode == 0)
        doctor_say(d, DOCTOR_NOTE, "threads", "ask again", "%d for a prompt; how many are worth it for decoding could "
                   "not be measured: the file was not in memory", (int)t.n);
    else doctor_say(d, DOCTOR_OK, "threads", NULL, "%d for a prompt, %d for decoding", (int)t.n, (int)t.n_decode);
    if (t.n_decode) doctor_fact_number(d, "n_threads_decode", t.n_decode);
}

int doctor_look_at_model(doctor *d)
{
    einf_error err = EINF_INIT(einf_error);
    einf_model_info info = EINF_INIT(einf_model_info);
    einf_runtime_info rt = EINF_INIT(einf_runtime_info);
    if (einf_model_get_info(d->engine->m, &info, &err) != EINF_OK ||
        einf_runtime_get_info(d->engine->rt, &rt, &err) != EINF_OK)
        return cli_print_error(&err, NULL);
    doctor_fact_text(d, "model", d->engine->options->model);
    look_at_fit(d, &info);
    const int code = look_at_vision(d);
    if (code) return code;
    look_at_threads(d);
    return look_at_speed(d, &rt);
}
