/* SPDX-License-Identifier: MIT
 * gguf_split.c - finding, checking and joining the parts of a split model.
 *
 * Owns the sources of the parts behind the first. A part is parsed like any file, then compared with the first; only
 * when all are there and fit is the one table of tensors made. Refuses what is missing, doubled, renamed, out of order
 * or of another model.
 */
#include "engine/gguf/gguf_split.h"

#include <stdio.h>
#include <sys/stat.h>

#include "engine/base/checked_math.h"
#include "engine/gguf/gguf_private.h"

static const char NO[] = "split.no", COUNT[] = "split.count", N_TENSORS[] = "split.tensors.count";
static const char mixed[] = "the files are of different models or versions: download all parts of one again";

static uint64_t value_at(const einf__gguf *g, const char *key)
{
    const einf__gguf_kv *kv = einf__gguf_find(g, key);
    return kv ? (uint64_t)(kv->value - g->source->data) : EINF_NO_OFFSET;
}

/* --------------------------------------------------------------------------------------------------- names -- */

enum { DIGITS = 5, SUFFIX_BYTES = sizeof "-00001-of-00001.gguf" - 1, NO_AT = 1, COUNT_AT = NO_AT + DIGITS + 4 };

/* What a file name says: part `number` (from 1) of `count`. */
typedef struct part_name { uint32_t number, count; } part_name;

static bool read_digits(const char *p, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        *out = *out * 10 + (uint32_t)(p[i] - '0');
    }
    return true;
}

static bool read_part_name(const char *path, part_name *out)
{
    const size_t n = strlen(path);
    if (n < SUFFIX_BYTES) return false;
    const char *s = path + n - SUFFIX_BYTES;
    return s[0] == '-' && read_digits(s + NO_AT, &out->number) && memcmp(s + NO_AT + DIGITS, "-of-", 4) == 0 &&
           read_digits(s + COUNT_AT, &out->count) && strcmp(s + COUNT_AT + DIGITS, ".gguf") == 0;
}

/* Turn the path of a part into that of part `number`, in place. */
static void set_number(char *path, uint32_t number)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%05u", number);
    memcpy(path + strlen(path) - SUFFIX_BYTES + NO_AT, digits, DIGITS);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

uint64_t einf__split_total_bytes(const char *path)
{
    char copy[4096];
    part_name name;
    uint64_t total = size_of(path);
    if (!read_part_name(path, &name) || name.number != 1 || name.count > EINF__SPLIT_MAX_PARTS) return total;
    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy) return total; /* nobody opens such a path */
    for (uint32_t i = 2; i <= name.count; i++) {
        set_number(copy, i);
        if (!einf__add_u64(total, size_of(copy), &total)) return UINT64_MAX;
    }
    return total;
}

/* ------------------------------------------------------------------------------------------ what a part says -- */

/* Where a file belongs, by its own metadata. */
typedef struct place { uint32_t no, count, n_tensors; bool has_n_tensors; } place;

/* A file that was merged again still has these keys, with a count of 0. */
static einf_status read_place(const einf__gguf *g, place *out, einf_error *err)
{
    *out = (place){ .count = 1 };
    EINF_TRY(einf__gguf_get_u32(g, COUNT, EINF__OPTIONAL, 0, 0, UINT32_MAX, &out->count, err));
    if (out->count <= 1) return EINF_OK;
    EINF_TRY(einf__gguf_get_u32(g, NO, EINF__REQUIRED, 0, 0, out->count - 1, &out->no, err));
    out->has_n_tensors = einf__gguf_find(g, N_TENSORS) != NULL;
    return einf__gguf_get_u32(g, N_TENSORS, EINF__OPTIONAL, 0, 0, UINT32_MAX, &out->n_tensors, err);
}

static einf_status check_first(const einf__gguf *g, const char *path, const place *p, einf_error *err)
{
    char hint[160];
    part_name name = { 0, 0 };
    const bool named = path && read_part_name(path, &name) && name.count == p->count;
    if (!path)
        return einf__fail(err, EINF_E_UNSUPPORTED, value_at(g, COUNT), COUNT,
                          "open the first part by its path: the others are found by their names",
                          "the file is part %u of %u of a split model", p->no + 1, p->count);
    if (p->no != 0) {
        const char *base = base_name(path);
        const int stem_bytes = named ? (int)(strlen(base) - SUFFIX_BYTES) : 0;
        (void)snprintf(hint, sizeof hint, "open the first part, %.*s%s-00001-of-%05u.gguf", stem_bytes, base,
                       named ? "" : "NAME", p->count);
        return einf__fail(err, EINF_E_UNSUPPORTED, value_at(g, NO), NO, hint,
                          "the file is part %u of %u of a split model", p->no + 1, p->count);
    }
    if (p->count > EINF__SPLIT_MAX_PARTS)
        return einf__fail(err, EINF_E_LIMIT, value_at(g, COUNT), COUNT, NULL, "split.count is %u, the limit is %u",
                          p->count, EINF__SPLIT_MAX_PARTS);
    if (named && name.number == 1) return EINF_OK;
    return einf__fail(err, EINF_E_FORMAT, value_at(g, COUNT), COUNT,
                      "give all parts the names that they were written with",
                      "the file is part 1 of %u, but its name does not end with -00001-of-%05u.gguf", p->count,
                      p->count);
}

/* Facts that a part may repeat must be those of the first. */
static einf_status check_same_model(const einf__gguf *first, const einf__gguf *g, einf_error *err)
{
    static const char *const keys[] = { "general.architecture", "general.uuid", "general.name" };
    const einf__bytes none = { NULL, 0 };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        einf__bytes a, b;
        EINF_TRY(einf__gguf_get_string(first, keys[i], EINF__OPTIONAL, none, &a, err));
        EINF_TRY(einf__gguf_get_string(g, keys[i], EINF__OPTIONAL, none, &b, err));
        if (!a.p || !b.p || (a.n == b.n && memcmp(a.p, b.p, (size_t)a.n) == 0)) continue;
        return einf__fail(err, EINF_E_FORMAT, value_at(g, keys[i]), keys[i], mixed,
                          "%s is '%.*s', that of the first part is '%.*s'", keys[i], (int)(b.n < 48 ? b.n : 48), b.p,
                          (int)(a.n < 48 ? a.n : 48), a.p);
    }
    return EINF_OK;
}

/* Part `no` against what the first one says. */
static einf_status check_part(const einf__gguf *first, const place *p, const einf__gguf *g, uint32_t no,
                              einf_error *err)
{
    place q;
    EINF_TRY(read_place(g, &q, err));
    if (q.count != p->count)
        return einf__fail(err, EINF_E_FORMAT, value_at(g, COUNT), COUNT, mixed,
                          "split.count is %u, that of the first part is %u", q.count, p->count);
    if (q.no != no)
        return einf__fail(err, EINF_E_FORMAT, value_at(g, NO), NO, "give the parts the names they were written with",
                          "split.no is %u, by its name the file should have %u", q.no, no);
    if (p->has_n_tensors && q.has_n_tensors && q.n_tensors != p->n_tensors)
        return einf__fail(err, EINF_E_FORMAT, value_at(g, N_TENSORS), N_TENSORS, mixed,
                          "split.tensors.count is %u, that of the first part is %u", q.n_tensors, p->n_tensors);
    return check_same_model(first, g, err);
}

/* ------------------------------------------------------------------------------------------------- opening -- */

/* What the work on the other parts needs for as long as it lasts. */
typedef struct joiner {
    einf__memory *mem;
    const einf__source_options *options;
    einf__gguf *first;
    einf__split *split;
    place place;
    char *path;        /* copy, with the number of the part at hand */
    einf__gguf *parts; /* [n_parts - 1] */
    einf_error *err;
} joiner;

/* The caller's error says which part it was. */
static einf_status fail_part(const joiner *j, uint32_t no, const einf_error *cause)
{
    return einf__fail(j->err, cause->code, cause->offset, cause->where,
                      cause->code == EINF_E_IO ? "all parts belong into one folder: get the one that is missing"
                                               : cause->hint,
                      "part %u of %u: %s", no + 1, j->place.count, cause->message);
}

static einf_status open_part(const joiner *j, uint32_t no, uint64_t *before_bytes, einf_error *err)
{
    einf__source *source = &j->split->others[no - 1];
    einf__source_options options = *j->options;
    options.before_bytes = *before_bytes;
    set_number(j->path, no + 1);
    EINF_TRY(einf__source_open_path(j->mem, j->path, &options, source, err));
    if (!einf__add_u64(*before_bytes, source->size_bytes, before_bytes))
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, NULL, NULL, "the parts exceed 2^64 bytes");
    EINF_TRY(einf__gguf_parse(j->mem, source, &j->parts[no - 1], err));
    return check_part(j->first, &j->place, &j->parts[no - 1], no, err);
}

static einf_status open_parts(const joiner *j)
{
    const uint64_t first_bytes = j->first->source->size_bytes;
    uint64_t before_bytes = first_bytes;
    for (uint32_t no = 1; no < j->place.count; no++) {
        einf_error cause = EINF_INIT(einf_error);
        if (open_part(j, no, &before_bytes, &cause) != EINF_OK) return fail_part(j, no, &cause);
    }
    j->split->others_bytes = before_bytes - first_bytes;
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- joining -- */

static uint32_t number_of(const joiner *j, const einf__gguf_tensor *t)
{
    return t->source == j->first->source ? 1 : (uint32_t)(t->source - j->split->others) + 2;
}

/* Put the tensors of a table behind those that *g already has. */
static einf_status add_tensors(const joiner *j, einf__gguf *g, uint64_t *n, const einf__gguf *from)
{
    for (uint64_t i = 0; i < from->n_tensors; i++) {
        const einf__gguf_tensor *t = &from->tensors[i];
        uint32_t *slot = einf__gguf_slot(g, EINF__GGUF_TENSORS, (einf__bytes){ t->name, strlen(t->name) });
        if (*slot != 0)
            return einf__fail(j->err, EINF_E_FORMAT, EINF_NO_OFFSET, t->name, mixed,
                              "part %u and part %u of %u both have the tensor", number_of(j, &g->tensors[*slot - 1]),
                              number_of(j, t), j->place.count);
        g->tensors[*n] = *t;
        *slot = (uint32_t)++*n;
    }
    return EINF_OK;
}

static einf_status fill_joined(const joiner *j, einf__gguf *g)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < g->n_kv; i++) {
        g->kv[i] = j->first->kv[i];
        *einf__gguf_slot(g, EINF__GGUF_KVS, g->kv[i].key) = (uint32_t)i + 1;
    }
    EINF_TRY(add_tensors(j, g, &n, j->first));
    for (uint32_t i = 0; i + 1 < j->place.count; i++) EINF_TRY(add_tensors(j, g, &n, &j->parts[i]));
    return EINF_OK;
}

/* Give the first part a table of all tensors. */
static einf_status join(const joiner *j)
{
    einf__gguf g = *j->first;
    for (uint32_t i = 0; i + 1 < j->place.count; i++) g.n_tensors += j->parts[i].n_tensors; /* each at most 2^16 */
    if (j->place.has_n_tensors && g.n_tensors != j->place.n_tensors)
        return einf__fail(j->err, EINF_E_FORMAT, value_at(j->first, N_TENSORS), N_TENSORS, mixed,
                          "split.tensors.count is %u, but the %u parts have %llu tensors", j->place.n_tensors,
                          j->place.count, (unsigned long long)g.n_tensors);
    if (g.n_tensors > EINF__GGUF_MAX_TENSORS)
        return einf__fail(j->err, EINF_E_LIMIT, EINF_NO_OFFSET, "n_tensors", NULL,
                          "the parts have %llu tensors, the limit is %u", (unsigned long long)g.n_tensors,
                          EINF__GGUF_MAX_TENSORS);
    EINF_TRY(einf__gguf_allocate(&g, j->err));
    const einf_status status = fill_joined(j, &g);
    einf__gguf *discarded = status == EINF_OK ? j->first : &g;
    const einf__gguf joined = g;
    einf__gguf_deinit(discarded);
    if (status == EINF_OK) *j->first = joined;
    return status;
}

static einf_status open_and_join(joiner *j, const char *path)
{
    const size_t n_others = j->place.count - 1, path_bytes = strlen(path) + 1;
    void *p;
    EINF_TRY(einf__alloc_or_fail(j->mem, n_others * sizeof(einf__source), "the parts", &p, j->err));
    j->split->others = memset(p, 0, n_others * sizeof(einf__source));
    EINF_TRY(einf__alloc_or_fail(j->mem, path_bytes, "the path", &p, j->err));
    j->path = memcpy(p, path, path_bytes);
    EINF_TRY(einf__alloc_or_fail(j->mem, n_others * sizeof(einf__gguf), "the parts", &p, j->err));
    j->parts = memset(p, 0, n_others * sizeof(einf__gguf));
    EINF_TRY(open_parts(j));
    return join(j);
}

einf_status einf__split_open(einf__memory *mem, const char *path, const einf__source_options *o, einf__gguf *g,
                             einf__split *out, einf_error *err)
{
    joiner j = { .mem = mem, .options = o, .first = g, .split = out, .err = err };
    *out = (einf__split){ .n_parts = 1, .mem = mem };
    EINF_TRY(read_place(g, &j.place, err));
    if (j.place.count <= 1) return EINF_OK;
    EINF_TRY(check_first(g, path, &j.place, err));
    out->n_parts = j.place.count;

    const size_t n_others = j.place.count - 1;
    const einf_status status = open_and_join(&j, path);
    for (size_t i = 0; j.parts && i < n_others; i++) einf__gguf_deinit(&j.parts[i]);
    einf__free(mem, j.parts, n_others * sizeof(einf__gguf));
    einf__free(mem, j.path, strlen(path) + 1);
    if (status != EINF_OK) einf__split_close(out);
    return status;
}

void einf__split_close(einf__split *s)
{
    const size_t n_others = s->others ? s->n_parts - 1 : 0;
    for (size_t i = 0; i < n_others; i++) einf__source_close(&s->others[i]);
    if (s->others) einf__free(s->mem, s->others, n_others * sizeof(einf__source));
    memset(s, 0, sizeof *s);
}
