/* SPDX-License-Identifier: MIT
 * advise_answers.h - the same questions answered at each step of a ladder, and how far the answers agree.
 *
 * Answers are greedy and of an empty session, so that a step's answer is what `edgeinfer run` gives with that step's
 * option. The reference is the largest step that is compared. An answer is stable at a step when it is word for word
 * the same there and at all larger ones.
 */
#ifndef CLI_ADVISE_ANSWERS_H
#define CLI_ADVISE_ANSWERS_H

#include <edgeinfer/vision.h>

#include "cli/advise_ladder.h"
#include "cli/open_model.h"
#include "cli/read_input.h"

/* A question about a picture. */
typedef struct advise_case {
    const char *picture;      /* a path */
    const char *question;
    const char *expected;     /* NULL: nobody knows */
} advise_case;

/* Those of one picture follow one another. */
typedef struct advise_cases {
    advise_case *items;
    size_t n, n_pictures;
    cli_bytes text;           /* of --expect: what items point into */
    char *paths;              /* the same */
} advise_cases;

#define ADVISE_QUESTION "Describe the picture." /* where none is given */
/** Every question of every picture. EXIT_DONE, or another exit code after a message. Free them in any case. */
int advise_cases_of_options(const cli_options *o, advise_cases *out);
/** The lines of a file: picture, question, answer, with tabs between; pictures relative to the file. */
int advise_cases_of_file(const char *path, advise_cases *out);
void advise_cases_free(advise_cases *c);

/* What was found at a step; the first is the reference. */
typedef struct advise_agreement {
    const advise_setting *setting;
    size_t n_cases, n_pictures;
    size_t n_equal;           /* answers that are the reference's */
    size_t n_stable;          /* and those of all steps between */
    size_t n_stable_pictures; /* with all their answers */
    size_t n_expected, n_right; /* answers that are known, and those that are so */
    size_t n_lost, n_won;     /* right at the reference alone, and here alone */
    double leading_share;     /* of tokens before the first that differs, mean over answers */
    double word_distance;     /* changed, added and lost words over words of the longer answer, mean */
    double mean_tokens;       /* of answers */
    double mean_image_tokens; /* pictures differ in what a limit makes of them */
    double mean_seconds;      /* of a question: encode, prefill and decode */
} advise_agreement;

/** Answer every case at steps [first, last) of the ladder that fit the context, with at most max_tokens each. out: room
 *  for last - first; *n: how many there are. EXIT_DONE, or another exit code after a message. */
int advise_compare(cli_engine *e, einf_session *s, const advise_cases *cases, const advise_ladder *ladder, int first,
                   int last, uint32_t max_tokens, advise_agreement *out, int *n);

/** The smallest step whose answers are as good as the reference's; tolerance: the share of the answers that may differ.
 *  Without expectations: as many as that are not stable. With them: no larger step is worse beyond chance (sign test of
 *  the answers lost and won, 5 %), and the step itself has not so many fewer right. Index into a. */
int advise_smallest(const advise_agreement *a, int n, double tolerance);

/** Words changed, added or lost from a to b, over the words of the longer; 0 when both are empty. Negative: no
 *  memory. */
double advise_word_distance(const char *a, const char *b);

#endif
