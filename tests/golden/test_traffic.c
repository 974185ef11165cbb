/* SPDX-License-Identifier: MIT
 * test_traffic.c - the vision-language model that ships, asked what it was never shown: 24 street scenes, 8 questions
 * each, as files of three weight types and with float weights as integers, greedy, exact match of the whole answer
 * (models/README.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/vision.h>

#include "tests/golden/golden_support.h"

#define FOLDER "models/traffic-vl/"

/* What looks at the scenes. */
typedef struct eyes {
    golden g;
    einf_vision *v;
    einf_session *s;
    einf_error err;
} eyes;

/* A model, and how products with its float weights and the encoder's are added up: EINF_FLOAT_SUM_*. */
typedef struct looker {
    const char *path, *name;
    int32_t float_sum;
} looker;

static eyes eyes_open(const looker *l)
{
    eyes e = { .g = golden_open(l->path, 2), .err = test_error() };
    einf_session_config config = EINF_INIT(einf_session_config);
    einf_vision_config vision = EINF_INIT(einf_vision_config);
    config.n_ctx = 512;
    config.float_sum = vision.float_sum = l->float_sum;
    assert_ok(einf_vision_open(e.g.rt, FOLDER "mmproj-traffic-vl-F16.gguf", &vision, &e.v, &e.err), &e.err);
    assert_ok(einf_session_create(e.g.model, &config, &e.s, &e.err), &e.err);
    return e;
}

static void eyes_close(eyes *e)
{
    assert_ok(einf_session_destroy(&e->s, &e->err), &e->err);
    assert_ok(einf_vision_close(&e->v, &e->err), &e->err);
    golden_close(&e->g);
}

typedef struct text {
    char p[512];
    size_t n;
} text;

static int32_t take_text(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    text *t = user;
    (void)token_id;
    if (t->n + n_bytes >= sizeof t->p) return 1;
    memcpy(t->p + t->n, utf8, (size_t)n_bytes);
    t->p[t->n += (size_t)n_bytes] = '\0';
    return 0;
}

/* Is the answer about this picture right to the letter? */
static bool asks_right(eyes *e, const einf_image *image, const char *question, const char *answer)
{
    text t = { .n = 0 };
    const einf_image *const images[] = { image };
    einf_generate_config config = EINF_INIT(einf_generate_config);
    config.max_tokens = 96;
    config.vision = e->v;
    config.images = images;
    config.n_images = 1;
    config.on_text = take_text;
    config.on_text_user = &t;
    einf_result result = EINF_INIT(einf_result);
    assert_ok(einf_generate(e->s, question, strlen(question), &config, &result, &e->err), &e->err);
    assert_int_equal(result.n_image_tokens, 88); /* 308 x 224: what the file's limits leave of 1024 x 712 */
    return strcmp(t.p, answer) == 0;
}

enum { N_KINDS = 8, N_SCENES = 24 };

typedef struct score {
    int right[N_KINDS], n_asked;
} score;

/* The eight questions of the scene that `line` speaks of; returns what is behind them. */
static char *ask_scene(eyes *e, char *line, score *s)
{
    char path[128];
    einf_image *image;
    (void)snprintf(path, sizeof path, FOLDER "heldout/%.*s", (int)strcspn(line, "\t"), line);
    assert_ok(einf_image_open(e->g.rt, path, NULL, &image, &e->err), &e->err);
    for (int kind = 0; kind < N_KINDS; kind++) {
        char *question = strchr(line, '\t') + 1, *answer = strchr(question, '\t') + 1, *end = strchr(answer, '\n');
        answer[-1] = *end = '\0';
        s->right[kind] += asks_right(e, image, question, answer);
        s->n_asked++;
        line = end + 1;
    }
    einf_image_close(&image);
    return line;
}

/* models/README.md: by llama.cpp 181 of 192, with the picture resized by Pillow's filter: 20, 24, 23, 24, 24, 23, 21
 * and 22 of the kinds. Single answers differ with the order of sums. */
static void test_heldout(void **state)
{
    const looker *l = *state;
    if (test_has_asan() && !strstr(l->path, "Q4_K_M")) return; /* slow there, and the code is the same */
    const int n_scenes = test_is_emulated() ? 1 : N_SCENES;
    char *questions = (char *)test_read_file(FOLDER "heldout/questions.tsv", NULL), *line = questions;
    assert_non_null(questions);
    eyes e = eyes_open(l);
    score s = { .n_asked = 0 };
    for (int i = 0; i < n_scenes; i++) line = ask_scene(&e, line, &s);
    int n_right = 0;
    for (int i = 0; i < N_KINDS; i++) n_right += s.right[i];
    printf("%s: %d of %d answers right:", l->name, n_right, s.n_asked);
    for (int i = 0; i < N_KINDS; i++) printf(" %d", s.right[i]);
    printf("\n");
    einf_vision_info info = EINF_INIT(einf_vision_info);
    assert_ok(einf_vision_get_info(e.v, &info, &e.err), &e.err);
    assert_int_equal(info.n_cached, n_scenes); /* each scene was encoded once */
    assert_true(n_right >= (n_scenes == N_SCENES ? 179 : 6)); /* of the first scene's eight, six are right anywhere */
    eyes_close(&e);
    free(questions);
}

int main(void)
{
#define LOOKER(type, sum) \
    { FOLDER "traffic-vl-" type ".gguf", "traffic-vl " type ", sums in " #sum, EINF_FLOAT_SUM_##sum }
    static looker lookers[] = { LOOKER("F16", F32), LOOKER("F16", I16), LOOKER("Q8_0", F32), LOOKER("Q4_K_M", F32) };
    struct CMUnitTest tests[sizeof lookers / sizeof *lookers];
    for (size_t i = 0; i < sizeof lookers / sizeof *lookers; i++)
        tests[i] = (struct CMUnitTest){ lookers[i].name, test_heldout, NULL, NULL, &lookers[i] };
    return cmocka_run_group_tests_name("a trained model that sees", tests, NULL, NULL);
}
