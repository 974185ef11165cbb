/* SPDX-License-Identifier: MIT
 * vlm_study.h - the ladder of picture sizes, run and reckoned: every size under every clamp, in an order drawn anew for
 * each round, and the law of cost under each clamp.
 */
#ifndef BENCH_VLM_STUDY_H
#define BENCH_VLM_STUDY_H

#include "bench/machine.h"
#include "bench/vlm_knee.h"
#include "bench/vlm_run.h"

typedef struct vlm_study_config {
    const char *model, *mmproj, *image, *prompt; /* image NULL: a scene drawn from the seed */
    int n_runs, n_decode;
    uint64_t seed;
    double scale, idle_s, pause_s; /* idle time at the end; between two runs */
    bool dry;                /* sizes and multiply-adds alone */
} vlm_study_config;

/* What laws are fitted to, as far as it was measured. */
enum { VLM_N_LAWS = 4 };
extern const vlm_measure vlm_law_measures[VLM_N_LAWS];

typedef struct vlm_law {
    bool fitted;             /* measured at every size, of which there are enough */
    vlm_knee over_work, over_megapixels; /* vlm_knee.h has the difference */
} vlm_law;

typedef struct vlm_study {
    const vlm_study_config *config;
    bench_machine machine;
    vlm_ladder ladder;
    int n_threads;
    uint32_t source_width, source_height; /* of the picture that all sizes are made from */
    vlm_runs (*runs)[VLM_MAX_SIZES];      /* [n_clamps]; NULL: dry */
    vlm_law law[VLM_MAX_CLAMPS][VLM_N_LAWS];
} vlm_study;

/** Make the pictures, forecast, run, fit. The ladder's sizes are made here, from the picture's aspect. b is open. */
einf_status vlm_study_run(vlm_study *s, vlm *b, const bench_counts *widths, const bench_counts *clamps,
                          einf_error *err);
void vlm_study_deinit(vlm_study *s);

/* vlm_report.c */
cJSON *vlm_study_json(const vlm_study *s);
void vlm_study_print(const vlm_study *s);
/** As a picture of 900 by 600. False: errno says why it could not be written. */
bool vlm_study_draw(const vlm_study *s, const char *path);

#endif
