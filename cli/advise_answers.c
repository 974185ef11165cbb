/* SPDX-License-Identifier: MIT
 * advise_answers.c - answers at each step, beside one another.
 *
 * A picture is read once, and encoded once for each size that steps make of it: two steps with one size have one
 * answer. The encoder remembers rows, so further questions cost no further encoding.
 */
#include "cli/advise_answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/lowlevel.h>

#include "cli/answer.h"

/* ------------------------------------------------------------------------------------------------ one answer -- */

typedef struct one_answer {
    cli_bytes text, ids;      /* ids: int32_t each */
    uint32_t width, height;   /* of the picture as it was seen; 0: not answered yet */
    uint32_t n_image_tokens;
    double seconds;
    bool lost;                /* memory gave out */
} one_answer;

static void free_answer(one_answer *a)
{
    cli_bytes_free(&a->text);
    cli_bytes_free(&a->ids);
    *a = (one_answer){ .width = 0 };
}

static bool copy_answer(const one_answer *from, one_answer *to)
{
    *to = (one_answer){ .width = from->width, .height = from->height, .n_image_tokens = from->n_image_tokens,
                        .seconds = from->seconds };
    return cli_bytes_add(&to->text, from->text.p, from->text.n) && cli_bytes_add(&to->ids, from->ids.p, from->ids.n);
}

static int32_t on_text(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    one_answer *a = user;
    if (token_id >= 0 && !cli_bytes_add(&a->ids, &token_id, sizeof token_id)) a->lost = true;
    if (!cli_bytes_add(&a->text, utf8, n_bytes)) a->lost = true;
    return a->lost;
}

static int answer(cli_engine *e, einf_session *s, const advise_case *c, const einf_image *image,
                  const advise_setting *setting, uint32_t max_tokens, one_answer *out)
{
    einf_error err = EINF_INIT(einf_error);
    einf_result r = EINF_INIT(einf_result);
    einf_generate_config g = cli_generate_config(e);
    g.max_tokens = max_tokens;
    g.on_text = on_text;
    g.on_text_user = out;
    g.vision = e->v;
    g.preprocess = &setting->preprocess;
    g.images = &image;
    g.n_images = 1;
    einf_status status = einf_session_rewind(s, 0, &err);
    if (status == EINF_OK) status = einf_generate(s, c->question, strlen(c->question), &g, &r, &err);
    cli_progress_clear(&e->progress);
    if (out->lost) return cli_fail_nomem();
    if (status != EINF_OK) return cli_print_error(&err, c->picture);
    out->n_image_tokens = r.n_image_tokens;
    out->seconds = r.image_s + r.prefill_s + r.decode_s;
    return EXIT_DONE;
}

/* --------------------------------------------------------------------------------------------- comparing -- */

/* The next word of a text from *at on; its length, 0 at the end. */
static size_t next_word(const char **at)
{
    *at += strspn(*at, " \t\r\n");
    return strcspn(*at, " \t\r\n");
}

static size_t count_words(const char *text)
{
    size_t n = 0, length;
    for (; (length = next_word(&text)) > 0; text += length) n++;
    return n;
}

/* Levenshtein's, a row at a time: row[j] is the distance of a's words so far from b's first j. */
static size_t edit_distance(const char *a, const char *b, size_t n_b, size_t *row)
{
    size_t length_a, length_b, i = 0;
    for (size_t j = 0; j <= n_b; j++) row[j] = j;
    for (; (length_a = next_word(&a)) > 0; a += length_a) {
        size_t diagonal = row[0], j = 1;
        row[0] = ++i;
        for (const char *w = b; (length_b = next_word(&w)) > 0; w += length_b, j++) {
            const size_t change = diagonal + (length_a != length_b || memcmp(a, w, length_a) != 0);
            diagonal = row[j];
            size_t least = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[n_b];
}

double advise_word_distance(const char *a, const char *b)
{
    const size_t n_a = count_words(a), n_b = count_words(b), longer = n_a > n_b ? n_a : n_b;
    if (longer == 0) return 0;
    size_t *row = malloc((n_b + 1) * sizeof *row);
    if (!row) return -1;
    const double distance = (double)edit_distance(a, b, n_b, row) / (double)longer;
    free(row);
    return distance;
}

/* Equal tokens from the beginning, over those of the longer answer. */
static double leading_share(const one_answer *a, const one_answer *b)
{
    const size_t n_a = a->ids.n / sizeof(int32_t), n_b = b->ids.n / sizeof(int32_t);
    const size_t longer = n_a > n_b ? n_a : n_b, shorter = n_a > n_b ? n_b : n_a;
    size_t n = 0;
    while (n < shorter && memcmp(a->ids.p + n * sizeof(int32_t), b->ids.p + n * sizeof(int32_t), sizeof(int32_t)) == 0)
        n++;
    return longer ? (double)n / (double)longer : 1;
}

static const char *text_of(const one_answer *a) { return a->text.p ? a->text.p : ""; }

/* Blanks around an answer are nobody's opinion. */
static bool is_same_text(const char *a, const char *b)
{
    a += strspn(a, " \t\r\n");
    b += strspn(b, " \t\r\n");
    size_t n_a = strlen(a), n_b = strlen(b);
    while (n_a > 0 && strchr(" \t\r\n", a[n_a - 1])) n_a--;
    while (n_b > 0 && strchr(" \t\r\n", b[n_b - 1])) n_b--;
    return n_a == n_b && memcmp(a, b, n_a) == 0;
}

/* ---------------------------------------------------------------------------------------- all of a picture -- */

typedef struct comparison {
    cli_engine *e;
    einf_session *s;
    const advise_cases *cases;
    uint32_t max_tokens;
    advise_agreement *out;    /* [n] */
    int n;
} comparison;

static void add_score(advise_agreement *a, const char *expected, const char *text, const char *reference)
{
    if (!expected) return;
    const bool right = is_same_text(text, expected), was_right = is_same_text(reference, expected);
    a->n_expected++;
    a->n_right += right;
    a->n_lost += was_right && !right;
    a->n_won += right && !was_right;
}

/* The answers of the steps to one case, largest step first, added to what is known of each step. */
static bool add_case(comparison *c, const advise_case *item, const one_answer *answers, bool *picture_is_stable)
{
    bool stable = true;
    for (int i = 0; i < c->n; i++) {
        advise_agreement *a = &c->out[i];
        const bool equal = is_same_text(text_of(&answers[i]), text_of(&answers[0]));
        const double distance = advise_word_distance(text_of(&answers[i]), text_of(&answers[0]));
        if (distance < 0) return false;
        stable = stable && equal;
        picture_is_stable[i] = picture_is_stable[i] && stable;
        a->n_cases++;
        a->n_equal += equal;
        a->n_stable += stable;
        add_score(a, item->expected, text_of(&answers[i]), text_of(&answers[0]));
        a->leading_share += leading_share(&answers[i], &answers[0]);
        a->word_distance += distance;
        a->mean_tokens += (double)(answers[i].ids.n / sizeof(int32_t));
        a->mean_image_tokens += answers[i].n_image_tokens;
        a->mean_seconds += answers[i].seconds;
    }
    return true;
}

/* One case at all steps; a step that makes of the picture what the one before made has its answer. */
static int answer_case(comparison *c, const advise_case *item, const einf_image *image, const einf_image_info *info,
                       one_answer *answers)
{
    int code = EXIT_DONE;
    for (int i = 0; i < c->n && code == EXIT_DONE; i++) {
        const advise_setting *setting = c->out[i].setting;
        einf_error err = EINF_INIT(einf_error);
        einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
        if (einf_vision_plan(c->e->v, info->width, info->height, &setting->preprocess, &sizes, &err) != EINF_OK)
            return cli_print_error(&err, item->picture);
        const one_answer *before = i > 0 ? &answers[i - 1] : NULL;
        if (before && before->width == sizes.width && before->height == sizes.height) {
            if (!copy_answer(before, &answers[i])) code = cli_fail_nomem();
        } else {
            answers[i].width = sizes.width;
            answers[i].height = sizes.height;
            code = answer(c->e, c->s, item, image, setting, c->max_tokens, &answers[i]);
        }
    }
    return code;
}

/* Cases [first, last), which are of one picture. */
static int compare_picture(comparison *c, size_t first, size_t last)
{
    const char *path = c->cases->items[first].picture;
    einf_error err = EINF_INIT(einf_error);
    einf_image_config config = EINF_INIT(einf_image_config);
    einf_image_info info = EINF_INIT(einf_image_info);
    einf_image *image = NULL;
    bool is_stable[ADVISE_MAX_SETTINGS];
    one_answer answers[ADVISE_MAX_SETTINGS] = { { .width = 0 } };
    config.cancel = c->e->cancel;
    if (einf_image_open(c->e->rt, path, &config, &image, &err) != EINF_OK ||
        einf_image_get_info(image, &info, &err) != EINF_OK)
        return cli_print_error(&err, path);
    int code = EXIT_DONE;
    for (int i = 0; i < c->n; i++) is_stable[i] = true;
    for (size_t k = first; k < last && code == EXIT_DONE; k++) {
        code = answer_case(c, &c->cases->items[k], image, &info, answers);
        if (code == EXIT_DONE && !add_case(c, &c->cases->items[k], answers, is_stable)) code = cli_fail_nomem();
        for (int i = 0; i < c->n; i++) free_answer(&answers[i]);
    }
    for (int i = 0; i < c->n; i++) {
        c->out[i].n_pictures++;
        c->out[i].n_stable_pictures += is_stable[i];
    }
    einf_image_close(&image);
    return code;
}

int advise_compare(cli_engine *e, einf_session *s, const advise_cases *cases, const advise_ladder *ladder, int first,
                   int last, uint32_t max_tokens, advise_agreement *out, int *n)
{
    comparison c = { .e = e, .s = s, .cases = cases, .max_tokens = max_tokens, .out = out };
    int code = EXIT_DONE;
    for (int i = first; i < last; i++)
        if (ladder->items[i].fits_context) out[c.n++] = (advise_agreement){ .setting = &ladder->items[i] };
    *n = c.n;
    if (c.n == 0)
        return cli_fail(EXIT_NO_FIT, "raise it with -c, or try smaller steps with --ladder",
                        "no step leaves room for question and answer in a context of %u tokens",
                        (unsigned)einf_session_n_ctx(s));
    for (size_t at = 0, end; at < cases->n && code == EXIT_DONE; at = end) {
        for (end = at + 1; end < cases->n && strcmp(cases->items[end].picture, cases->items[at].picture) == 0;) end++;
        code = compare_picture(&c, at, end);
    }
    for (int i = 0; i < c.n && code == EXIT_DONE; i++) {
        const double n_cases = (double)out[i].n_cases;
        out[i].leading_share /= n_cases;
        out[i].word_distance /= n_cases;
        out[i].mean_tokens /= n_cases;
        out[i].mean_image_tokens /= n_cases;
        out[i].mean_seconds /= n_cases;
    }
    return code;
}

/* That of n fair coins k or more fall on one side is less likely than 5 %. */
static bool is_beyond_chance(size_t k, size_t n)
{
    double tail = 0;
    for (size_t i = k; i <= n; i++)
        tail += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) - (double)n * log(2));
    return tail < 0.05;
}

int advise_smallest(const advise_agreement *a, int n, double tolerance)
{
    int smallest = 0;
    for (int i = 1; i < n; i++) {
        const bool by_answers = a[0].n_expected > 0;
        const double allowed = tolerance * (double)(by_answers ? a[0].n_expected : a[0].n_cases) + 1e-9;
        const double lost = by_answers ? (double)a[i].n_lost - (double)a[i].n_won
                                       : (double)(a[0].n_cases - a[i].n_stable);
        if (by_answers ? lost > allowed && is_beyond_chance(a[i].n_lost, a[i].n_lost + a[i].n_won) : lost > allowed)
            break;
        if (lost <= allowed) smallest = i;
    }
    return smallest;
}
