/* SPDX-License-Identifier: MIT
 * api_internal.h - what the three handles hold, and the checks every public function begins with.
 *
 * engine/api is the only folder that sees callers. It checks their arguments, counts who uses what (a runtime its
 * models, a model its sessions), and connects the layers below, which trust what they are given.
 */
#ifndef EINF_API_INTERNAL_H
#define EINF_API_INTERNAL_H

#include <stdatomic.h>
#include <sys/types.h>

#include <edgeinfer/edgeinfer.h>
#include <edgeinfer/lowlevel.h>
#include <edgeinfer/provider.h>

#include "engine/base/memory.h"
#include "engine/base/threads.h"
#include "engine/base/trace.h"
#include "engine/decode/session.h"
#include "engine/gguf/gguf.h"
#include "engine/gguf/gguf_split.h"
#include "engine/text/template.h"
#include "engine/text/vocab.h"

struct einf_runtime {
    einf__memory memory;
    einf__kernels kernels;
    einf__pool *pool;
    int32_t n_threads_decode_set; /* by the host; 0: to be measured, */
    atomic_int n_threads_decode;  /* with this result; 0: not yet */
    uint32_t cpu_found, cpu_used;
    einf_log_fn log;
    void *log_user;
    einf_trace_hooks trace;
    struct eprof *profiler;    /* the host's, or NULL: bill.h */
    pid_t pid;                 /* of the process that made the threads */
    atomic_int n_handles;      /* models, vision encoders and pictures */
};

/* Where the last einf_model_kv_text of a string array stood. */
struct kv_walk {
    atomic_flag busy;
    einf__gguf_place place;
};

struct einf_model {
    einf_runtime *rt;
    einf__source source;       /* the file, or the first part of a split model, */
    einf__split split;         /* and the other parts */
    einf__gguf gguf;           /* of all */
    uint32_t loaded;           /* EINF_LOAD_* */
    int32_t mode;
    einf__vocab *vocab;        /* or NULL */
    einf__bytes chat_template; /* {NULL, 0} without one */
    einf__template *compiled_template; /* of it; NULL when it does not compile: */
    einf_error template_error; /* and this is why */
    einf__config config;       /* with EINF_LOAD_WEIGHTS */
    einf__weights weights;
    void *layers_block;        /* of config */
    uint64_t layers_bytes;
    void *weights_block;       /* of weights: tables and vectors */
    uint64_t weights_bytes;
    atomic_int n_sessions;
    struct kv_walk walk;
    struct kv_walk *kv_walk;   /* &walk: the one thing that a reader of a model may change */
};

struct einf_session {
    einf_model *model;
    einf__timeline timeline;
    uint64_t block_bytes;      /* this struct included: it is the first thing in the block */
    atomic_flag busy;
};

/** Give a line to the host's log. */
void einf__log(const einf_runtime *rt, int32_t level, const char *format, ...) EINF__PRINTF(3, 4);
/* Of the sums that a CPU may not have. */
static inline const char *einf__float_sum_name(int32_t sum) { return sum == EINF_FLOAT_SUM_F16 ? "F16" : "I16"; }

/* Where the bytes of a file come from: exactly one of path, data, fd. */
typedef struct einf__origin {
    const char *path;
    const void *data;
    uint64_t size_bytes;
    int fd;
    uint64_t offset_bytes, length_bytes;
} einf__origin;
einf_status einf__origin_open(einf__memory *mem, const einf__origin *o, const einf__source_options *options,
                              einf__source *out, einf_error *err);
/** EINF_MODE_*? */
einf_status einf__check_mode(int32_t mode, einf_error *err);

/* What any model file says of itself. */
typedef struct einf__file_facts {
    char architecture[32], name[128], file_type[16];
    uint64_t weight_bytes, n_params;
} einf__file_facts;
void einf__file_facts_read(const einf__gguf *g, einf__file_facts *out);

/** Bytes of all files of a model. */
uint64_t einf__model_file_bytes(const einf_model *m);

/** Threads of this model's passes of one token: 0 while a large model's are not measured. */
int32_t einf__decode_threads_known(const einf_model *m);
/** The same, measured if need be; 0: it could not be, all threads are to work. */
int32_t einf__decode_threads_measured(einf_model *m);

/** EINF_E_STATE in a forked child, where the threads do not exist. */
einf_status einf__check_process(const einf_runtime *rt, einf_error *err);

/** Enter a session: EINF_E_STATE when another thread, or a callback of this one, is in it. */
einf_status einf__session_enter(einf_session *s, einf_error *err);
void einf__session_leave(einf_session *s);

/** EINF_E_STATE without a vocabulary, EINF_E_ARG for NULL. */
einf_status einf__need_vocab(const einf_model *m, einf_error *err);
/** Say that a result has n items, and EINF_E_LIMIT when there is less room. what: the argument that says how much. */
einf_status einf__report_count(uint64_t n, uint64_t room, uint64_t *n_out, const char *what, einf_error *err);

/* The first lines of every public function. */
#define EINF__BEGIN(err) EINF_TRY(einf__error_begin(err))
#define EINF__NEED(ptr, err) \
    do { \
        if (!(ptr)) return einf__fail_arg((err), #ptr, #ptr " is NULL"); \
    } while (0)
#define EINF__NEED_STRUCT(ptr, T, err) \
    do { \
        EINF__NEED(ptr, err); \
        if (!EINF__STRUCT_OK(ptr, T)) \
            return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, #ptr, "initialise it with EINF_INIT(" #T ")", \
                              #ptr "->struct_size is %u, expected at least %u", (ptr)->struct_size, \
                              (unsigned)sizeof(T)); \
    } while (0)

#endif
