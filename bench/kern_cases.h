/* SPDX-License-Identifier: MIT
 * kern_cases.h - slots of the kernel table as cases: what one call multiplies or moves, from where, and which of the
 * machine's peaks it is to be held against.
 */
#ifndef BENCH_KERN_CASES_H
#define BENCH_KERN_CASES_H

#include <string.h>

#include "bench/peaks.h"
#include "bench/rungs.h"
#include "engine/kernels/kernels.h"

enum {
    KERN_N_IN = 2048,         /* elements of a row of weights */
    KERN_N_ROW = 2048,        /* elements of a row of activations */
    KERN_ROWS = 16,           /* to a call of a dot, as the driver hands them out */
    KERN_L2_BYTES = 256 << 10, /* of weights, gone through over and over */
    KERN_KEYS = 512,
    KERN_HEAD_DIM = 64,
    KERN_MAX_QUERIES = 4,
};

/* What a figure is a share of. */
typedef enum kern_roof {
    KERN_NO_ROOF, KERN_ROOF_INT8, KERN_ROOF_INT16, KERN_ROOF_F32, KERN_ROOF_F16, KERN_ROOF_L1, KERN_ROOF_MEMORY
} kern_roof;

typedef struct kern_case {
    const bench_rung *rung;
    const einf__kernels *k;
    int slot;
    char shape[48];           /* "1 column, L2": with slot and rung the name of the case from run to run */
    const char *unit;         /* "mac_per_cycle", "bytes_per_cycle", "weights_per_cycle" */
    kern_roof roof;
    int n_cols;               /* 0: the slot knows no columns */
    int variant;              /* of a pack the form, of a tile the group */
    einf__dtype type;         /* of the slots that have one */
    bench_stream *stream;     /* weights from memory; NULL: from L2 */
    const unsigned char *weights; /* KERN_L2_BYTES of them */
    size_t at;
    unsigned char *memory;    /* of this case alone, or NULL */
    size_t step_bytes;        /* from strip to strip in memory */
    einf__strip strip;
    einf__tile tile;
    float *out;               /* in memory */
    bench_case c;
} kern_case;

typedef struct kern_list {
    kern_case *items;
    int n, capacity;
    bool failed;              /* there was no memory for one */
} kern_list;

typedef struct kern_wish {
    const char *only;         /* part of a slot's name, or NULL */
    const bench_rung *rung;   /* NULL: all but ref */
    bool all_types;
    int n_threads;            /* of the cases that read memory, besides 1 */
    uint32_t cpu;             /* EINF_CPU_* of the machine */
} kern_wish;

/** Every wanted slot in every rung that fills it with something of its own. */
void kern_list_make(kern_list *list, const kern_wish *wish, bench_peaks *peaks);
void kern_list_free(kern_list *list);
/** A blank case at the end of the list, of the given slot; NULL when there is no memory. For the two files below. */
kern_case *kern_list_add(kern_list *list, const kern_case *like);

/** Cases of one slot; like has rung, k, slot and weights. */
void kern_add_matrix_cases(kern_list *list, const kern_case *like, const kern_wish *wish, bench_peaks *peaks);
void kern_add_row_cases(kern_list *list, const kern_case *like);

/* Activations that all cases read: random in (-1, 1), and the same as int8 in groups of 32. */
typedef struct kern_inputs {
    _Alignas(64) float x[EINF__PANEL_MAX_COLS * KERN_N_ROW];
    int8_t q[EINF__MAX_DOT_COLS * KERN_N_IN];
    float d[EINF__MAX_DOT_COLS * KERN_N_IN / 32];
    int16_t sum16[EINF__MAX_DOT_COLS * KERN_N_IN / 16];
    float cos[KERN_N_ROW / 2], sin[KERN_N_ROW / 2]; /* of angles: a rotation in place must not make values smaller */
} kern_inputs;
const kern_inputs *kern_inputs_get(void);

#endif
