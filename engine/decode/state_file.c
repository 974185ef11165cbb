/* SPDX-License-Identifier: MIT
 * state_file.c - saving and loading a timeline: what the header says, what a file must fulfil to be believed, and the
 * walk over ids, positions, cache and logits that both directions share.
 *
 * Why two passes: the cache may be as large as memory allows, so there is no room for a second one to load into, and a
 * hash is known only when all has been read. Nobody but the owner of a file that changes within the moment between the
 * passes meets the one failure that is not without trace.
 */
#include "engine/decode/state_file.h"

#include <stddef.h>
#include <string.h>

#include "engine/decode/state_io.h"

_Static_assert(sizeof(einf__state_header) == 144, "the header has no padding");

static const char damaged[] = "the file is damaged or incomplete: save the session again";

static unsigned long long llu(uint64_t v) { return v; }

/* -------------------------------------------------------------------------------------------------- header -- */

static uint32_t kv_type_of(einf__dtype type)
{
    return type == EINF__F32 ? EINF_KV_F32 : type == EINF__Q8_0 ? EINF_KV_Q8_0 : EINF_KV_F16;
}

static const char *kv_type_name(uint32_t type)
{
    static const char *const names[] = { [EINF_KV_F16] = "f16", [EINF_KV_F32] = "f32", [EINF_KV_Q8_0] = "q8_0" };
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

static const char *arithmetic_name(uint32_t bits)
{
    static const char *const names[] = { "the default arithmetic", "exact", "deterministic",
                                         "exact and deterministic" };
    bits &= ~(uint32_t)EINF__STATE_LONG_ROPE;
    return bits < sizeof names / sizeof names[0] ? names[bits] : "an unknown arithmetic";
}

/* Call f on each run of the cache, in the order of the file. */
typedef einf_status (*run_fn)(void *arg, const einf__kv_run *run, einf_error *err);

static einf_status each_run(const einf__timeline *t, run_fn f, void *arg, einf_error *err)
{
    for (uint32_t i = 0; i < t->config->n_layer; i++) {
        const einf__kv_view *kv = &t->kv.layers[i];
        for (int32_t head = 0; head < kv->n_head_kv; head++) {
            const einf__kv_run keys = einf__kv_run_of(kv, head, false), values = einf__kv_run_of(kv, head, true);
            EINF_TRY(f(arg, &keys, err));
            EINF_TRY(f(arg, &values, err));
        }
    }
    return EINF_OK;
}

static einf_status add_row_bytes(void *arg, const einf__kv_run *run, einf_error *err)
{
    (void)err;
    *(uint64_t *)arg += run->row_bytes; /* a session has room for n_ctx times the sum */
    return EINF_OK;
}

/* Fields that depend on the session alone, with n_past rows. */
static einf__state_header header_of(const einf__timeline *t, uint64_t model_hash, uint32_t n_past, bool has_logits)
{
    einf__state_header h = {
        .version = EINF__STATE_VERSION,
        .header_bytes = sizeof h,
        .model_hash = model_hash,
        .kv_type = kv_type_of(t->params.kv_type),
        .arithmetic = (t->params.exact ? EINF__STATE_EXACT : 0u) |
                      (t->params.deterministic ? EINF__STATE_DETERMINISTIC : 0u) |
                      (einf__rope_is_long(t->config, t->weights, t->params.n_ctx) ? EINF__STATE_LONG_ROPE : 0u),
        .n_layer = t->config->n_layer,
        .k_dim = t->config->k_dim,
        .v_dim = t->config->v_dim,
        .n_vocab = t->config->n_vocab,
        .n_past = n_past,
        .has_logits = has_logits,
    };
    memcpy(h.magic, EINF__STATE_MAGIC, sizeof h.magic);
    (void)each_run(t, add_row_bytes, &h.kv_row_bytes, NULL);
    const uint64_t row_bytes = sizeof *t->ids + sizeof *t->positions + h.kv_row_bytes;
    h.file_bytes = sizeof h + n_past * row_bytes + (has_logits ? h.n_vocab * sizeof *t->logits : 0) +
                   EINF__STATE_HASH_BYTES; /* what is in memory fits 64 bits */
    return h;
}

static uint64_t hash_of(const einf__state_header *h)
{
    return einf__state_hash(h, offsetof(einf__state_header, header_hash));
}

static void put_sampler(einf__state_header *h, const einf__sampler *s)
{
    h->top_k = s->config.top_k;
    h->temperature = s->config.temperature;
    h->top_p = s->config.top_p;
    h->min_p = s->config.min_p;
    h->repeat_penalty = s->config.repeat_penalty;
    h->repeat_last_n = s->config.repeat_last_n;
    h->seed = s->config.seed;
    memcpy(h->random, s->random, sizeof h->random);
}

/* -------------------------------------------------------------------------------------------------- saving -- */

typedef struct saver { einf__state_out out; uint32_t n_past; } saver;

static einf_status save_run(void *arg, const einf__kv_run *run, einf_error *err)
{
    saver *s = arg;
    return einf__state_out_put(&s->out, run->rows, run->row_bytes * s->n_past, err);
}

static einf_status save_all(saver *s, const einf__timeline *t, const einf__state_header *h, einf_error *err)
{
    einf__state_out *o = &s->out;
    EINF_TRY(einf__state_out_put(o, h, sizeof *h, err));
    EINF_TRY(einf__state_out_put(o, t->ids, (uint64_t)t->n_past * sizeof *t->ids, err));
    EINF_TRY(einf__state_out_put(o, t->positions, (uint64_t)t->n_past * sizeof *t->positions, err));
    EINF_TRY(each_run(t, save_run, s, err));
    if (t->has_logits) EINF_TRY(einf__state_out_put(o, t->logits, (uint64_t)h->n_vocab * sizeof *t->logits, err));
    return einf__state_out_commit(o, err);
}

einf_status einf__state_save(const einf__timeline *t, uint64_t model_hash, const char *path, einf_error *err)
{
    saver s = { .n_past = t->n_past };
    einf__state_header h = header_of(t, model_hash, t->n_past, t->has_logits);
    put_sampler(&h, &t->sampler);
    h.header_hash = hash_of(&h);
    EINF_TRY(einf__state_out_open(&s.out, path, t->cancel, err));
    const einf_status status = save_all(&s, t, &h, err);
    einf__state_out_abandon(&s.out);
    return status;
}

/* ------------------------------------------------------------------------------------------------- judging -- */

static einf_status read_header(einf__state_in *in, einf__state_header *h, einf_error *err)
{
    if (in->size_bytes < sizeof *h + EINF__STATE_HASH_BYTES)
        return einf__fail(err, EINF_E_FORMAT, 0, "path", damaged,
                          "not a state file: %llu bytes are fewer than the smallest has, %llu", llu(in->size_bytes),
                          llu(sizeof *h + EINF__STATE_HASH_BYTES));
    EINF_TRY(einf__state_in_get(in, h, sizeof *h, err));
    if (memcmp(h->magic, EINF__STATE_MAGIC, sizeof h->magic) != 0)
        return einf__fail(err, EINF_E_FORMAT, 0, "magic", "give a file that einf_session_save wrote",
                          "not a state file: it does not begin with \"" EINF__STATE_MAGIC "\"");
    if (h->version != EINF__STATE_VERSION)
        return einf__fail(err, EINF_E_UNSUPPORTED, offsetof(einf__state_header, version), "version",
                          "load it with the version of the library that saved it, or save the session again",
                          "the state file has version %u, this library reads %d", h->version, EINF__STATE_VERSION);
    if (h->header_bytes != sizeof *h || h->header_hash != hash_of(h))
        return einf__fail(err, EINF_E_FORMAT, offsetof(einf__state_header, header_hash), "header_hash", damaged,
                          "the header's hash is %016llx, expected %016llx", llu(h->header_hash), llu(hash_of(h)));
    if (h->file_bytes != in->size_bytes)
        return einf__fail(err, EINF_E_FORMAT, offsetof(einf__state_header, file_bytes), "file_bytes", damaged,
                          "the file has %llu bytes, %llu were saved", llu(in->size_bytes), llu(h->file_bytes));
    return EINF_OK;
}

static einf_status fail_differs(einf_error *err, const char *what, uint64_t saved, uint64_t here)
{
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, what, "open the model that the state was saved with",
                      "the state was saved with %s %llu, this session has %llu", what, llu(saved), llu(here));
}

/* Is it a state of this model and configuration? want: of this session. */
static einf_status check_origin(const einf__state_header *h, const einf__state_header *want, einf_error *err)
{
    if (h->model_hash != want->model_hash)
        return einf__fail(err, EINF_E_STATE, offsetof(einf__state_header, model_hash), "model_hash",
                          "open the model that the state was saved with",
                          "the state was saved with another model: its hash is %016llx, this one's %016llx",
                          llu(h->model_hash), llu(want->model_hash));
    if (h->kv_type != want->kv_type)
        return einf__fail(err, EINF_E_STATE, offsetof(einf__state_header, kv_type), "kv_type",
                          "create the session with the KV type of the state",
                          "the state was saved with KV type %s, this session has %s", kv_type_name(h->kv_type),
                          kv_type_name(want->kv_type));
    if ((h->arithmetic ^ want->arithmetic) == EINF__STATE_LONG_ROPE)
        return einf__fail(err, EINF_E_STATE, offsetof(einf__state_header, arithmetic), "n_ctx",
                          "create the session with an n_ctx like that of the one that was saved",
                          "the state was saved with rotary factors of %s contexts, this session has those of %s ones",
                          h->arithmetic & EINF__STATE_LONG_ROPE ? "long" : "short",
                          want->arithmetic & EINF__STATE_LONG_ROPE ? "long" : "short");
    if (h->arithmetic != want->arithmetic)
        return einf__fail(err, EINF_E_STATE, offsetof(einf__state_header, arithmetic), "arithmetic",
                          "create the session with the same exact and deterministic",
                          "the state was saved with %s, this session computes with %s", arithmetic_name(h->arithmetic),
                          arithmetic_name(want->arithmetic));
    if (h->n_layer != want->n_layer) return fail_differs(err, "n_layer", h->n_layer, want->n_layer);
    if (h->k_dim != want->k_dim) return fail_differs(err, "k_dim", h->k_dim, want->k_dim);
    if (h->v_dim != want->v_dim) return fail_differs(err, "v_dim", h->v_dim, want->v_dim);
    if (h->n_vocab != want->n_vocab) return fail_differs(err, "n_vocab", h->n_vocab, want->n_vocab);
    if (h->kv_row_bytes != want->kv_row_bytes)
        return fail_differs(err, "kv_row_bytes", h->kv_row_bytes, want->kv_row_bytes);
    return EINF_OK;
}

/* Do its numbers make sense, and does it fit? */
static einf_status check_shape(const einf__timeline *t, const einf__state_header *h, einf_error *err)
{
    if (h->n_past > t->params.n_ctx)
        return einf__fail(err, EINF_E_CTX_FULL, offsetof(einf__state_header, n_past), "n_ctx",
                          "create the session with a larger n_ctx", "the state has %u rows, the context %u", h->n_past,
                          t->params.n_ctx);
    if (h->has_logits > 1 || (h->has_logits && h->n_past == 0))
        return einf__fail(err, EINF_E_FORMAT, offsetof(einf__state_header, has_logits), "has_logits", damaged,
                          "has_logits is %u with %u rows", h->has_logits, h->n_past);
    const einf__state_header want = header_of(t, h->model_hash, h->n_past, h->has_logits != 0);
    if (h->file_bytes != want.file_bytes)
        return einf__fail(err, EINF_E_FORMAT, offsetof(einf__state_header, file_bytes), "file_bytes", damaged,
                          "%u rows need a file of %llu bytes, this one has %llu", h->n_past, llu(want.file_bytes),
                          llu(h->file_bytes));
    return EINF_OK;
}

/* The sampler that the header describes, with the scratch memory of *s. */
static einf_status take_sampler(const einf__state_header *h, einf__sampler *s, einf_error *err)
{
    const einf_sampling c = { .top_k = h->top_k, .temperature = h->temperature, .top_p = h->top_p, .min_p = h->min_p,
                              .repeat_penalty = h->repeat_penalty, .repeat_last_n = h->repeat_last_n,
                              .seed = h->seed };
    einf_error cause = EINF_INIT(einf_error);
    const bool stuck = (h->random[0] | h->random[1] | h->random[2] | h->random[3]) == 0;
    if (einf__sampler_set(s, &c, &cause) != EINF_OK || stuck)
        return einf__fail(err, EINF_E_FORMAT, offsetof(einf__state_header, top_k), "sampler", damaged,
                          "the sampler: %s",
                          stuck ? "its random numbers stand at 0, where they stay" : cause.message);
    memcpy(s->random, h->random, sizeof s->random);
    return EINF_OK;
}

static einf_status check_rows(const einf__state_header *h, einf__state_in *in, einf_error *err)
{
    for (uint32_t i = 0; i < h->n_past; i++) {
        int32_t id;
        EINF_TRY(einf__state_in_get(in, &id, sizeof id, err));
        if (id >= 0 && (uint32_t)id >= h->n_vocab)
            return einf__fail(err, EINF_E_FORMAT, sizeof *h + (uint64_t)i * sizeof id, "ids", damaged,
                              "the id of row %u is %d, no token of a vocabulary of %u", i, id, h->n_vocab);
    }
    /* Not that they rise: those of an image's rows need not, and whoever appended them chose them. */
    for (uint32_t i = 0; i < h->n_past; i++) {
        int32_t p[4];
        EINF_TRY(einf__state_in_get(in, p, sizeof p, err));
        for (int j = 0; j < 4; j++)
            if (p[j] < 0 || p[j] > EINF__MAX_POSITION)
                return einf__fail(err, EINF_E_FORMAT, sizeof *h + (uint64_t)h->n_past * 4 + (uint64_t)i * sizeof p,
                                  "positions", damaged, "position %d of row %u is %d, allowed are 0 to %d", j, i, p[j],
                                  (int)EINF__MAX_POSITION);
    }
    return EINF_OK;
}

/* The first pass: nothing of the session is touched. *hash: of the file. */
static einf_status judge(const einf__timeline *t, const einf__state_header *h, einf__state_in *in, uint64_t *hash,
                         einf_error *err)
{
    const uint64_t content_bytes = in->size_bytes - EINF__STATE_HASH_BYTES;
    bool agrees;
    EINF_TRY(check_shape(t, h, err));
    einf__state_in_rewind(in, t->cancel);
    EINF_TRY(einf__state_in_get(in, NULL, content_bytes, err));
    *hash = in->hash;
    EINF_TRY(einf__state_in_check(in, &agrees, err));
    if (!agrees)
        return einf__fail(err, EINF_E_FORMAT, content_bytes, "hash", damaged,
                          "the file's hash is not that of its contents, %016llx", llu(*hash));
    einf__state_in_rewind(in, t->cancel);
    EINF_TRY(einf__state_in_get(in, NULL, sizeof *h, err));
    return check_rows(h, in, err);
}

/* ------------------------------------------------------------------------------------------------- loading -- */

typedef struct loader { einf__state_in in; uint32_t n_past; } loader;

static einf_status load_run(void *arg, const einf__kv_run *run, einf_error *err)
{
    loader *l = arg;
    return einf__state_in_get(&l->in, run->rows, run->row_bytes * l->n_past, err);
}

static einf_status copy_rows(einf__timeline *t, loader *l, bool has_logits, einf_error *err)
{
    EINF_TRY(einf__state_in_get(&l->in, NULL, sizeof(einf__state_header), err));
    EINF_TRY(einf__state_in_get(&l->in, t->ids, (uint64_t)l->n_past * sizeof *t->ids, err));
    EINF_TRY(einf__state_in_get(&l->in, t->positions, (uint64_t)l->n_past * sizeof *t->positions, err));
    EINF_TRY(each_run(t, load_run, l, err));
    if (!has_logits) return EINF_OK;
    return einf__state_in_get(&l->in, t->logits, (uint64_t)t->config->n_vocab * sizeof *t->logits, err);
}

/* The second pass. hash: what the first one found. */
static einf_status copy(einf__timeline *t, const einf__state_header *h, loader *l, uint64_t hash, einf_error *err)
{
    einf_error cause = EINF_INIT(einf_error);
    einf__session_replaced(t, 0, false); /* until all is there */
    einf__state_in_rewind(&l->in, NULL);
    const einf_status status = copy_rows(t, l, h->has_logits != 0, &cause);
    if (status != EINF_OK || l->in.hash != hash)
        return einf__fail(err, EINF_E_IO, cause.offset, "path", "load it again when nobody writes to it",
                          "%s; the session is empty now",
                          status != EINF_OK ? cause.message : "the file changed while it was loaded");
    einf__session_replaced(t, h->n_past, h->has_logits != 0);
    return EINF_OK;
}

static einf_status load(einf__timeline *t, uint64_t model_hash, loader *l, einf_error *err)
{
    const einf__state_header want = header_of(t, model_hash, 0, false);
    einf__sampler sampler = t->sampler;
    einf__state_header h;
    uint64_t hash;
    EINF_TRY(read_header(&l->in, &h, err));
    EINF_TRY(check_origin(&h, &want, err));
    EINF_TRY(take_sampler(&h, &sampler, err));
    EINF_TRY(judge(t, &h, &l->in, &hash, err));
    l->n_past = h.n_past;
    EINF_TRY(copy(t, &h, l, hash, err));
    t->sampler = sampler;
    return EINF_OK;
}

einf_status einf__state_load(einf__timeline *t, uint64_t model_hash, const char *path, einf_error *err)
{
    loader l;
    einf_status status = einf__state_in_open(&l.in, path, t->cancel, err);
    if (status == EINF_OK) status = load(t, model_hash, &l, err);
    einf__state_in_close(&l.in);
    return status;
}
