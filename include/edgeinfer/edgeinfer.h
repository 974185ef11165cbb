/* SPDX-License-Identifier: MIT
 * edgeinfer.h - run GGUF language models on the CPU from a C or C++ program.
 *
 * Three lifetimes, each outliving the next:
 *
 *   runtime   allocator, threads, kernels, log. Nothing is global: two runtimes live in one process.
 *   model     one GGUF file, immutable after open, shared freely by threads and sessions.
 *   session   one mutable timeline (KV cache, scratch, logits). One thread at a time.
 *
 * What holds for every function, unless its comment says otherwise:
 *
 *   Errors     a negative status is returned and *err (may be NULL) says what was wrong, where, both values, and
 *              what to do. Nothing half-made is left behind: the out-pointer of a create or open is NULL
 *              after a failure.
 *              The library never exits, aborts, prints, reads the environment or installs a signal handler.
 *   Ownership  the library owns what it hands out. Arguments are borrowed for the call. Every destroy and close
 *              accepts NULL and clears the pointer it is given the address of.
 *   Threads    create, open, plan and destroy may run on any thread. A runtime must outlive its models, a model its
 *              sessions. A session used by two threads at once answers the second with EINF_E_STATE.
 *              After fork() the child may only exec or _exit: calls that need the threads return EINF_E_STATE.
 *   Strings    UTF-8 with an explicit length in bytes where the text may hold a NUL, NUL-terminated otherwise.
 *   Structs    begin with struct_size. Write `einf_x c = EINF_INIT(einf_x);` and set what differs from the default;
 *              a zero field means the default that its comment names.
 *   Versions   fields and functions are added, never changed, within one SONAME.
 *
 * The token level (ids or embedding rows in, logits out) is in <edgeinfer/lowlevel.h>, pictures are in
 * <edgeinfer/vision.h>.
 */
#ifndef EDGEINFER_EDGEINFER_H
#define EDGEINFER_EDGEINFER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EINF_API __attribute__((visibility("default")))
#else
#define EINF_API
#endif

#define EINF_VERSION "0.1.0"
#define EINF_ABI_VERSION 0 /* the number in libedgeinfer.so.N */

/** Initialise a struct of this header: sizes it, and zeroes the rest, which means "default". C11 and C++. */
#ifdef __cplusplus
#define EINF_INIT(T) einf_init_cxx<T>()
#else
#define EINF_INIT(T) { .struct_size = (uint32_t)sizeof(T) }
#endif

/* ------------------------------------------------------------------------------------------------ status -- */

/* One list makes the enum, the names and the texts. Zero: done. Negative: refused, and the object is as it was
 * unless the function says otherwise. */
#define EINF_STATUS_MAP(X) \
    X(OK,             0, "success") \
    X(E_ARG,         -1, "invalid argument") \
    X(E_NOMEM,       -2, "out of memory") \
    X(E_IO,          -3, "input/output error") \
    X(E_FORMAT,      -4, "malformed or truncated file") \
    X(E_UNSUPPORTED, -5, "well-formed, but not supported by this build") \
    X(E_LIMIT,       -6, "a limit would be exceeded") \
    X(E_CTX_FULL,    -7, "the context is full") \
    X(E_STATE,       -8, "not possible in this state") \
    X(E_TEMPLATE,    -9, "chat template not usable") \
    X(E_CANCELLED,  -10, "cancelled") \
    X(E_INTERNAL,   -99, "internal error, please report it")

typedef int32_t einf_status;
enum {
#define EINF_STATUS_ENUM(name, value, text) EINF_##name = value,
    EINF_STATUS_MAP(EINF_STATUS_ENUM)
#undef EINF_STATUS_ENUM
    EINF_STATUS_END_ = 1
};

#define EINF_NO_OFFSET UINT64_MAX

/** Detail of a failure. Caller-owned; filling it never allocates. The first failure wins. */
typedef struct einf_error {
    uint32_t struct_size;
    einf_status code;
    uint64_t offset;   /* byte offset in the file, or EINF_NO_OFFSET */
    char where[64];    /* metadata key, tensor name or argument; may be empty */
    char message[256]; /* one sentence for a person, with both values */
    char hint[160];    /* what to do next; may be empty */
} einf_error;

/** Name of a status, as "EINF_E_FORMAT"; "EINF_E_?" for a number that is none. Static string. */
EINF_API const char *einf_status_name(einf_status s);
/** Short text of a status, as "malformed or truncated file". Static string. */
EINF_API const char *einf_status_text(einf_status s);

/** "0.1.0". Static string. */
EINF_API const char *einf_version(void);
/** EINF_ABI_VERSION of the library at run time; compare it with the header's. */
EINF_API uint32_t einf_abi_version(void);

/* ---------------------------------------------------------------------------------- callbacks and cancel -- */

/** Memory for everything the library allocates itself; file mappings, the pages of EINF_MODE_HUGE and thread stacks
 *  come from the system.
 *  May be called from any thread that calls the library, never concurrently for one runtime from its workers. */
typedef struct einf_allocator {
    void *(*alloc)(void *user, uint64_t size_bytes, uint64_t align); /* NULL on failure; align is a power of two */
    void (*free)(void *user, void *p, uint64_t size_bytes);          /* size_bytes as given to alloc */
    void *user;
} einf_allocator;

enum { EINF_LOG_INFO = 1, EINF_LOG_WARNING = 2 };
/** A line for a log, without newline. Control characters from files are escaped. */
typedef void (*einf_log_fn)(void *user, int32_t level, const char *line);

enum { EINF_PHASE_LOAD = 0, EINF_PHASE_PREFILL = 1, EINF_PHASE_DECODE = 2, EINF_PHASE_IMAGE = 3 };
/** Progress of a phase, done of total in the phase's own unit (load: bytes; prefill, decode: tokens; image: layers), on
 *  the calling thread. Return non-zero to cancel. */
typedef int32_t (*einf_progress_fn)(void *user, int32_t phase, uint64_t done, uint64_t total);

/** Whole UTF-8 characters of the answer, not NUL-terminated, on the calling thread. Return non-zero to stop.
 *  Called once for each token sampled, in order, the one that ends the answer included: n_bytes is 0 when the token
 *  completes no character, or text that may yet become a stop string. A last call with token_id -1 brings what is left,
 *  if anything: text that was held back, U+FFFD for an unfinished character. */
typedef int32_t (*einf_text_fn)(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id);

/** Begin and end of a phase, for a profiler; NULL fields are skipped. On the calling thread, properly nested. */
typedef struct einf_trace_hooks {
    uint32_t struct_size;
    void (*begin)(void *user, int32_t phase, uint64_t n_units);
    void (*end)(void *user, int32_t phase, uint64_t n_units, einf_status status);
    void *user;
} einf_trace_hooks;

/** A flag that stops work in progress. Made before what it cancels and destroyed after it. */
typedef struct einf_cancel einf_cancel;
/** Create a cleared flag. */
EINF_API einf_status einf_cancel_create(einf_cancel **out, einf_error *err);
/** Ask to stop: one atomic store. Any thread, any signal handler. Honoured within one layer of a pass and within a
 *  megabyte of a file read. Making a vocabulary and tokenising a prompt go on to their end: milliseconds. */
EINF_API void einf_cancel_set(einf_cancel *c);
/** Make the flag usable again. */
EINF_API void einf_cancel_clear(einf_cancel *c);
EINF_API void einf_cancel_destroy(einf_cancel **c);

/* ----------------------------------------------------------------------------------------------- runtime -- */

typedef struct einf_runtime einf_runtime;

/* Instruction sets; a mask of these limits what a runtime may use. */
enum {
    EINF_CPU_AVX2 = 1 << 0,    /* AVX2 with FMA and F16C: Intel Haswell (2013), AMD Zen (2017) and later */
    EINF_CPU_AVX512 = 1 << 1,  /* F, BW, DQ, VL */
    EINF_CPU_VNNI512 = 1 << 2, /* AVX-512 VNNI: Ice Lake (2019), Zen 4 (2022) */
    EINF_CPU_AVXVNNI = 1 << 3, /* 256-bit VNNI: Alder Lake (2021) */
    EINF_CPU_NEON = 1 << 8,    /* every aarch64 */
    EINF_CPU_DOTPROD = 1 << 9, /* Cortex-A76 (Raspberry Pi 5) and later */
    EINF_CPU_FP16 = 1 << 10,   /* half-precision arithmetic, Cortex-A76 and later */
    EINF_CPU_I8MM = 1 << 11    /* Cortex-X2, Apple M2 and later */
};

struct einf_gemm_provider; /* <edgeinfer/provider.h> */
struct eprof;              /* <edgeprof/edgeprof.h> */

typedef struct einf_runtime_config {
    uint32_t struct_size;
    int32_t n_threads;        /* 0: all performance cores this process may use. 1..256 */
    uint32_t cpu_forbid;      /* EINF_CPU_* bits not to use, ~0u for plain C. 0: use all that the machine has */
    uint32_t reserved;
    uint64_t ram_limit_bytes; /* ceiling on what the library allocates (maps of files excluded), 0: none */
    const einf_allocator *allocator; /* copied; NULL: malloc */
    einf_log_fn log;          /* NULL: silent */
    void *log_user;
    const einf_trace_hooks *trace;              /* copied; NULL: off */
    const struct einf_gemm_provider *gemm;      /* borrowed while the runtime lives; NULL: our own kernels alone */
    int32_t n_threads_decode; /* of passes of one token, at most n_threads. 0: as many as help: measured by the first
                                 session of a model with more than 64 MiB of weights, within 60 ms */
    uint32_t reserved2;
    struct eprof *profiler;   /* started, and borrowed while the runtime lives; NULL: none. Loads, prefills and decodes
                                 become its regions, and generations say what they cost */
} einf_runtime_config;

/** Create a runtime; config may be NULL for the defaults. Starts n_threads - 1 threads, which sleep until needed. */
EINF_API einf_status einf_runtime_create(const einf_runtime_config *config, einf_runtime **out, einf_error *err);
/** Stop the threads and free. Every model of the runtime must be closed before; if not, EINF_E_STATE and nothing
 *  happens. */
EINF_API einf_status einf_runtime_destroy(einf_runtime **rt, einf_error *err);

typedef struct einf_runtime_info {
    uint32_t struct_size;
    int32_t n_threads;
    uint32_t cpu_found;          /* EINF_CPU_* of the machine */
    uint32_t cpu_used;           /* after cpu_forbid */
    uint64_t page_bytes;
    uint64_t allocated_bytes;      /* by the library in this runtime, now */
    uint64_t allocated_peak_bytes;
    int32_t n_threads_decode;      /* of large models: as configured or as measured; 0: not measured yet */
    uint32_t reserved;
} einf_runtime_info;
EINF_API einf_status einf_runtime_get_info(const einf_runtime *rt, einf_runtime_info *out, einf_error *err);

/** Which implementation fills slot i of the kernel table, i from 0 until EINF_E_ARG; "none" where no type
 *  needs the slot. Static strings. */
EINF_API einf_status einf_runtime_kernel(const einf_runtime *rt, int32_t i, const char **slot, const char **impl,
                                         einf_error *err);

/* ------------------------------------------------------------------------------------------------- model -- */

typedef struct einf_model einf_model;

enum { EINF_LOAD_HEADER = 1, EINF_LOAD_VOCAB = 2, EINF_LOAD_WEIGHTS = 4 };
enum {
    EINF_MODE_MAP = 0, /* shares the page cache, opens at once. If someone truncates the file while it is mapped the
                          process receives SIGBUS: use EINF_MODE_READ for files that others may change */
    EINF_MODE_READ = 1, /* reads the whole file into memory; immune to what happens to it later */
    EINF_MODE_HUGE = 2  /* as READ, into huge pages, which are read faster (docs/MEASURING.md), and out of the page
                           cache. Where the system refuses huge pages, into small ones, which is logged. Counted under
                           ram_limit_bytes, but taken from the system, not from the allocator */
};

typedef struct einf_model_config {
    uint32_t struct_size;
    uint32_t load;          /* what to make of the file, EINF_LOAD_*; 0: all. HEADER alone: metadata and tensor list of
                               any well-formed GGUF. VOCAB: any architecture, also without tensors */
    int32_t mode;           /* EINF_MODE_* */
    int32_t check_tensors;  /* 1: refuse NaN and infinities in scales and float weights (reads every byte) */
    int32_t any_pretokenizer; /* 1: an unknown tokenizer.ggml.pre falls back to "default" with a warning */
    uint32_t reserved;
    const einf_cancel *cancel;
    einf_progress_fn progress;
    void *progress_user;
} einf_model_config;

/** Open a GGUF file. config may be NULL. The file is validated whole (structure, shapes, bounds) before use. The first
 *  part of a split model (NAME-00001-of-0000N.gguf) brings the others, which lie beside it. */
EINF_API einf_status einf_model_open(einf_runtime *rt, const char *path, const einf_model_config *config,
                                     einf_model **out, einf_error *err);
/** The same from length_bytes at offset_bytes of an open file; length 0: to the end. fd is neither moved nor closed,
 *  and may be closed after the call. */
EINF_API einf_status einf_model_open_fd(einf_runtime *rt, int32_t fd, uint64_t offset_bytes, uint64_t length_bytes,
                                        const einf_model_config *config, einf_model **out, einf_error *err);
/** The same from memory, which stays the caller's and must outlive the model, unchanged. */
EINF_API einf_status einf_model_open_memory(einf_runtime *rt, const void *data, uint64_t size_bytes,
                                            const einf_model_config *config, einf_model **out, einf_error *err);
/** Close. Sessions of the model must be destroyed before; if not, EINF_E_STATE and nothing happens. */
EINF_API einf_status einf_model_close(einf_model **m, einf_error *err);

typedef struct einf_model_info {
    uint32_t struct_size;
    uint32_t loaded;             /* EINF_LOAD_* that this model has */
    char architecture[32];       /* general.architecture; unprintable characters escaped */
    char name[128];              /* general.name; may be empty */
    char file_type[16];          /* the commonest weight type, as "Q4_K" */
    char tokenizer[32];          /* "bpe qwen2", "spm", "wordpiece"; empty without a vocabulary */
    int32_t has_chat_template;   /* 1: the file has one and it compiles; -1: it does not; 0: there is none */
    uint32_t n_files;            /* 1, or the parts of a split model */
    uint32_t gguf_version;
    uint32_t n_vocab;            /* tokens of the vocabulary, or rows of the output */
    uint64_t file_bytes;
    uint64_t weight_bytes;
    uint64_t n_params;
    uint64_t n_tensors;
    uint64_t n_kv;               /* metadata entries */
    uint32_t n_ctx_train;        /* the rest is 0 unless the weights are loaded */
    uint32_t n_embd;
    uint32_t n_layer;
    uint32_t n_head;             /* of layer 0 */
    uint32_t n_head_kv;          /* of layer 0 */
    uint32_t head_dim;
    uint32_t n_ff;               /* of layer 0 */
    int32_t n_threads_decode;    /* of passes of one token; 0: not measured yet */
} einf_model_info;
EINF_API einf_status einf_model_get_info(const einf_model *m, einf_model_info *out, einf_error *err);

/** A metadata entry of the file. Strings are views into the model. */
typedef struct einf_kv {
    uint32_t struct_size;
    uint32_t key_bytes;
    const char *key;        /* not NUL-terminated */
    const char *type;       /* "u32", "string", "array of i32" */
    uint64_t n_items;       /* 1, or the length of the array */
    uint64_t offset;        /* of the value in the file */
} einf_kv;
EINF_API einf_status einf_model_get_kv(const einf_model *m, uint64_t i, einf_kv *out, einf_error *err);
/** Print item j of entry i as text into buf (at most buf_bytes with the NUL, cut to whole characters, control
 *  characters escaped). *n_bytes: the length it would have, without the NUL. */
EINF_API einf_status einf_model_kv_text(const einf_model *m, uint64_t i, uint64_t j, char *buf, uint64_t buf_bytes,
                                        uint64_t *n_bytes, einf_error *err);

/** A tensor of the file. */
typedef struct einf_tensor {
    uint32_t struct_size;
    int32_t n_dims;
    char name[64];
    const char *type;       /* "Q4_K" */
    uint64_t dims[4];       /* dims[0] is contiguous: the inputs of a linear layer */
    uint64_t offset;        /* in the file; of a split model, in the part that has the tensor */
    uint64_t size_bytes;
} einf_tensor;
EINF_API einf_status einf_model_get_tensor(const einf_model *m, uint64_t i, einf_tensor *out, einf_error *err);

/* ------------------------------------------------------------------------------------------------- text -- */

enum {
    EINF_TOK_SPECIAL = 1, /* spellings of special tokens in the text become those tokens. Never for text of users */
    EINF_TOK_BOS = 2      /* add what the model wants around a prompt: BOS, and for some EOS */
};

/** Tokenise. ids: room for max_ids, may be NULL with 0. *n_ids: how many there are; when that is more than max_ids the
 *  call returns EINF_E_LIMIT and ids holds the first max_ids. Any bytes are allowed: invalid UTF-8 becomes U+FFFD,
 *  as llama.cpp does. Threads: any number on one model. Needs EINF_LOAD_VOCAB. */
EINF_API einf_status einf_tokenize(const einf_model *m, const char *text, uint64_t n_bytes, uint32_t flags,
                                   int32_t *ids, uint64_t max_ids, uint64_t *n_ids, einf_error *err);

enum { EINF_DETOK_SPECIAL = 1 /* print special tokens by their names instead of nothing */ };
/** The text of ids, cut as by einf_tokenize: *n_bytes is the full length, EINF_E_LIMIT when it did not fit.
 *  No NUL is added. Bytes that are no character come out as they are. */
EINF_API einf_status einf_detokenize(const einf_model *m, const int32_t *ids, uint64_t n_ids, uint32_t flags,
                                     char *buf, uint64_t buf_bytes, uint64_t *n_bytes, einf_error *err);

typedef struct einf_special_tokens {
    uint32_t struct_size;
    int32_t bos, eos, eot, unk, pad; /* -1: the vocabulary has none */
    int32_t add_bos, add_eos;        /* what EINF_TOK_BOS does */
} einf_special_tokens;
EINF_API einf_status einf_model_special_tokens(const einf_model *m, einf_special_tokens *out, einf_error *err);
/** 1 when the token ends an answer (EOS, end of turn), else 0; also 0 for an id out of range. */
EINF_API int32_t einf_token_ends_answer(const einf_model *m, int32_t token_id);

struct einf_image;      /* <edgeinfer/vision.h>: pictures, */
struct einf_vision;     /* what encodes them, */
struct einf_preprocess; /* and at which size */

/** A piece of a message: a text or a picture. */
typedef struct einf_part {
    uint32_t struct_size;
    uint32_t reserved;
    const char *text;       /* NUL-terminated; NULL: a picture */
    const struct einf_image *image;
} einf_part;

/** A message of a conversation. */
typedef struct einf_message {
    uint32_t struct_size;
    uint32_t reserved;
    const char *role;       /* "system", "user", "assistant", "tool": what the template knows; NUL-terminated */
    const char *content;    /* NUL-terminated; NULL: none, where extra_json says what there is instead */
    const char *extra_json; /* a JSON object whose members the template sees beside role and content, as
                               {"tool_calls": [...]}, {"reasoning_content": "..."}; NULL: none */
    const einf_part *parts; /* [n_parts] instead of content: texts and pictures in their order */
    uint32_t n_parts;
    uint32_t reserved2;
} einf_message;

/** How conversations are laid out. A zero struct is what chat programs do. */
typedef struct einf_chat_config {
    uint32_t struct_size;
    int32_t continue_answer;   /* 1: do not open an assistant's turn behind the messages */
    const char *template_text; /* a Jinja template to use instead of the file's; NULL: the file's */
    const char *tools_json;    /* the tools a model may call, a JSON array as the template wants it; NULL: none */
    const char *vars_json;     /* further variables of the template, a JSON object as {"enable_thinking": false} */
    int64_t now_s;             /* Unix time for templates that write a date (in UTC); 0: the present */
    struct einf_vision *vision; /* of an einf_chat: what encodes the pictures of its messages; borrowed. NULL: none */
    const struct einf_preprocess *preprocess; /* and how large; copied. NULL: the defaults */
} einf_chat_config;

/** Lay messages out as the model was trained to see them, by the template of the file, and tokenise. Contents are text:
 *  special tokens spelled in them stay text. ids, max_ids, n_ids as in einf_tokenize; config may be NULL.
 *  EINF_E_TEMPLATE: the file has no template, it does not compile, or it refuses these messages (its own words are the
 *  message): give a template_text, or use einf_tokenize on a prompt of your own. */
EINF_API einf_status einf_chat_tokenize(const einf_model *m, const einf_message *messages, uint64_t n_messages,
                                        const einf_chat_config *config, int32_t *ids, uint64_t max_ids,
                                        uint64_t *n_ids, einf_error *err);
/** The same as text, before it is tokenised. buf, buf_bytes, n_bytes as in einf_detokenize. */
EINF_API einf_status einf_chat_render(const einf_model *m, const einf_message *messages, uint64_t n_messages,
                                      const einf_chat_config *config, char *buf, uint64_t buf_bytes, uint64_t *n_bytes,
                                      einf_error *err);

/* ---------------------------------------------------------------------------------------------- session -- */

typedef struct einf_session einf_session;

enum {
    EINF_KV_F16 = 0,
    EINF_KV_F32 = 1,
    EINF_KV_Q8_0 = 2 /* int8 with a scale for every 32: half the memory of F16 */
};

/* How prefill adds up products with F16, BF16 and F32 weights; those of other types are multiplied as int8 anyway. */
enum {
    EINF_FLOAT_SUM_F32 = 0,
    EINF_FLOAT_SUM_F16 = 1, /* 64 products at a time as halves, scaled so that none overflows; these sums in F32. For
                               CPUs with arithmetic on halves (EINF_CPU_FP16): up to 1.7 times as fast, by counting
                               (docs/MEASURING.md), with logits within 4e-3. On others, all of x86 among them, sums are
                               F32 all the same, which is logged */
    EINF_FLOAT_SUM_I16 = 2  /* numbers as integers of 13 bits with a scale for 64 (of weights, for 512), whose products
                               are summed exactly, 64 at a time; these sums in F32. Logits within 1e-3. For
                               EINF_CPU_VNNI512, where matrices take 1.9 times as long in F32, and for AVX2 without
                               AVX-512, 1.4 times; on others sums are F32 all the same, which is logged */
};

typedef struct einf_session_config {
    uint32_t struct_size;
    uint32_t n_ctx;      /* capacity in tokens, 0: 4096 or the trained context if smaller. More than the trained
                            context is allowed and logged */
    uint32_t n_batch;    /* tokens computed at once in prefill, 0: 512. Clamped to n_ctx */
    int32_t kv_type;     /* EINF_KV_* */
    int32_t exact;       /* 1: f32 throughout, weights de-quantised, KV in F32. Slow; the oracle of the rest */
    int32_t force_path;  /* 0: by the number of columns; 1: always row dots; 2: always panels, of int8 where weights
                            have codes; 3, 4, 5: int8 in groups of 32, 64, 128; 6: panels of floats. For tests */
    uint32_t n_checkpoints; /* slots for einf_session_checkpoint, 0: 8. At most 1024 */
    int32_t deterministic; /* 1: identical logits for any number of threads and for any split of the same tokens into
                              calls and batches, on one machine. Prefill takes up to twice as long, by weight type
                              (docs/MEASURING.md). 0: identical for identical calls. Not with force_path 2 to 6 */
    const einf_cancel *cancel;
    int32_t float_sum;   /* EINF_FLOAT_SUM_*. einf_plan says which it is: exact, deterministic and row dots have F32 */
    uint32_t reserved;
} einf_session_config;

/** Bytes by purpose. What is planned is what is allocated: the same code counts and carves. */
typedef struct einf_plan {
    uint32_t struct_size;
    uint32_t n_ctx;              /* as resolved from the config */
    uint64_t weights_mapped_bytes; /* file pages, shared, evictable */
    uint64_t weights_private_bytes; /* EINF_MODE_READ, EINF_MODE_HUGE */
    uint64_t model_bytes;        /* metadata index, tensor tables */
    uint64_t vocab_bytes;
    uint64_t kv_bytes;
    uint64_t scratch_bytes;      /* activations, logits, panels */
    uint64_t stack_bytes;        /* of the runtime's threads */
    uint64_t private_bytes;      /* the sum of all but the map */
    uint64_t n_ctx_fits;         /* largest n_ctx within the runtime's limit; equals n_ctx when it fits */
    int32_t float_sum;           /* EINF_FLOAT_SUM_*, as the session will have it on this CPU */
    uint32_t reserved;
} einf_plan;
/** What a session with this config will take, on top of the open model. Allocates and touches nothing.
 *  EINF_E_LIMIT when it exceeds the runtime's ram_limit_bytes; *out is filled all the same. */
EINF_API einf_status einf_session_plan(const einf_model *m, const einf_session_config *config, einf_plan *out,
                                       einf_error *err);
/** Create in one block of the planned size; afterwards no call on the session allocates, einf_generate's tokenising
 *  of its prompt excepted. config may be NULL. Needs EINF_LOAD_WEIGHTS. */
EINF_API einf_status einf_session_create(einf_model *m, const einf_session_config *config, einf_session **out,
                                         einf_error *err);
/** Destroy. EINF_E_STATE and nothing happens while a call is using the session, as from one of its callbacks. */
EINF_API einf_status einf_session_destroy(einf_session **s, einf_error *err);

/** Write the timeline (rows, positions, keys and values, last logits, sampling with its random numbers) to a file,
 *  which appears whole or not at all: it is written beside its name, brought to the disk, and renamed; only its owner
 *  can read it. Images need no second encoding when they are loaded again. The session's cancel flag is honoured.
 *  EINF_E_IO: it cannot be written, or the name is that of no regular file; an older file is as it was, unless the
 *  message says that the new one is there and only its name is not yet safe from a power cut. */
EINF_API einf_status einf_session_save(einf_session *s, const char *path, einf_error *err);
/** Replace the timeline by one that was saved with the same model, KV type and arithmetic (exact, deterministic); the
 *  context may differ as long as the rows fit. The model is known by a hash of its metadata and of samples of each
 *  tensor. Checkpoints are dropped, and sampling is set as it was.
 *  EINF_E_FORMAT: damaged, or not a state file; EINF_E_UNSUPPORTED: of another version of the format; EINF_E_STATE: of
 *  another model or configuration, with both; EINF_E_CTX_FULL: more rows than n_ctx; EINF_E_IO; EINF_E_CANCELLED.
 *  The whole file is read and checked, and then read again into the session, so after a failure the session is as it
 *  was, with one exception: when the file cannot be read a second time or has changed in between, the session is empty,
 *  and the message says so. The second reading is not cancelled. */
EINF_API einf_status einf_session_load(einf_session *s, const char *path, einf_error *err);

/* --------------------------------------------------------------------------------------------- generate -- */

enum { EINF_STOP_NONE = 0, EINF_STOP_EOS = 1, EINF_STOP_LENGTH = 2, EINF_STOP_CONTEXT = 3, EINF_STOP_CALLBACK = 4,
       EINF_STOP_CANCELLED = 5, EINF_STOP_STRING = 6, EINF_STOP_SECONDS = 7, EINF_STOP_JOULES = 8 };

typedef struct einf_sampling {
    uint32_t struct_size;
    uint32_t top_k;        /* keep the k best, 0: all */
    float temperature;     /* 0: greedy. Otherwise logits are divided by it; finite and >= 0 */
    float top_p;           /* keep the smallest set with this probability, 0 or 1: all */
    float min_p;           /* drop what is less likely than min_p times the best, 0: off */
    float repeat_penalty;  /* > 1 makes recent tokens less likely, 0 or 1: off. Also applied when greedy */
    uint32_t repeat_last_n; /* how many recent tokens the penalty sees, 0: 64 */
    uint32_t reserved;
    uint64_t seed;
} einf_sampling;

typedef struct einf_generate_config {
    uint32_t struct_size;
    uint32_t max_tokens;    /* 0: until the answer or the context ends */
    einf_sampling sampling; /* its struct_size may stay 0 */
    int32_t raw;            /* 1: the prompt is the text to continue: BOS as the model says, special tokens spelled in
                               it become tokens. 0: it is a user's message, in which nothing is special, laid out by
                               the chat template of the file (a model without one is given the plain text) */
    int32_t ignore_eos;     /* 1: go on after the end of the answer */
    const char *system;     /* system message before the prompt, NULL: none. Not used when raw, nor by a chat */
    const char *const *stop; /* [n_stop] texts that end the answer and are not part of it; NUL-terminated, not empty.
                               Text that may yet become one is held back until that is known */
    uint32_t n_stop;        /* at most 64, of at most 4096 bytes each */
    uint32_t reserved;
    const einf_cancel *cancel; /* besides the session's */
    einf_text_fn on_text;   /* NULL: none */
    void *on_text_user;
    einf_progress_fn progress;
    void *progress_user;
    double max_seconds;     /* of the call; the answer ends with EINF_STOP_SECONDS. 0: no limit */
    double max_joules;      /* the same by energy, all that the headline source counts; EINF_E_STATE without a profiler
                               whose source is a counter that lives. 0: no limit.
                               Both are looked at between tokens, between the batches of a prefill and within the
                               layers of an image: one that ends there leaves n_generated 0, and the timeline as a
                               cancel does */
    struct einf_vision *vision; /* of einf_generate: what encodes its pictures; a chat has its own. NULL: none */
    const struct einf_preprocess *preprocess; /* and how large; NULL: the defaults */
    const struct einf_image *const *images; /* [n_images] that stand before the prompt in the user's message; of a raw
                               prompt: where it spells the model's placeholder (<|image_pad|>), in this order */
    uint32_t n_images;
    uint32_t reserved2;
} einf_generate_config;

/** What the profiler of the runtime says of a generation. What was not measured is NAN. Areas are above the baseline;
 *  net is gross without what the idle machine would have drawn, known once idle time was seen (eprof_baseline, or any
 *  pause); the profiler's own result, with the terms of the uncertainty, is that of the region "generate". */
typedef struct einf_cost {
    double cpu_auc_pct_s;     /* own CPU time over the machine's capacity: exact */
    double cpu_auc_sampled_pct_s; /* the machine's busy share sampled at 5 Hz, as arXiv 2512.16531 */
    double foreign_cpu_pct;   /* mean load that was not ours */
    double ram_auc_mib_s;     /* of the process: its own memory */
    double ram_auc_file_mib_s; /* of mapped files, the weights among them */
    double gross_j, net_j;    /* of `source` */
    double u95_j;             /* of net where there is one, else of gross: the 95 % interval is +- this */
    double prefill_j, decode_j; /* gross */
    double image_j;           /* gross, of preparing and encoding pictures */
    int32_t grade;            /* 'A'..'E', 0: none */
    int32_t scope;            /* EPROF_SCOPE_*: what part of the machine */
    uint32_t flags;           /* EPROF_FLAG_* */
    uint32_t reserved;
    char source[48];          /* "" when nothing measures */
} einf_cost;

/** What a generation did and cost. A figure that was not measured has its has_ flag 0, and means nothing. */
typedef struct einf_result {
    uint32_t struct_size;
    int32_t stop_reason;     /* EINF_STOP_* */
    uint32_t n_prompt;       /* tokens of the prompt */
    uint32_t n_cached;       /* of these, found in the session from before and not computed again */
    uint32_t n_generated;    /* tokens sampled, an end-of-answer token included */
    int32_t has_cpu;
    double tokenize_s;
    double prefill_s;        /* until the first logits */
    double decode_s;
    double cpu_core_s;       /* CPU time of this process, all threads, during the call */
    uint64_t session_bytes;  /* private memory of the session */
    int32_t has_rss;
    int32_t has_energy;      /* 0: no energy source connected */
    uint64_t rss_peak_bytes; /* of the process so far */
    double energy_j;         /* cost.gross_j */
    uint32_t n_images;       /* of the prompt, */
    uint32_t n_images_encoded; /* and how many of them were encoded now: others were on the timeline, or remembered */
    uint32_t n_image_tokens; /* of n_prompt */
    uint32_t reserved;
    double image_s;          /* preparing and encoding; not in prefill_s */
    einf_cost cost;          /* NAN throughout without a profiler */
} einf_result;

/** Answer a prompt. The session keeps the part of its timeline that the new prompt shares and computes the rest.
 *  *result is filled even when the call fails half-way. EINF_E_CTX_FULL: the prompt needs more than n_ctx; nothing is
 *  ever cut silently. EINF_E_CANCELLED: the session stays usable; its timeline ends where the prompt parted from it
 *  when the prompt was not yet computed, else behind the tokens generated so far. */
EINF_API einf_status einf_generate(einf_session *s, const char *prompt, uint64_t prompt_bytes,
                                   const einf_generate_config *config, einf_result *result, einf_error *err);

/* ------------------------------------------------------------------------------------------ conversation -- */

/** A conversation over a session: it keeps the messages, lays them out for each answer, and computes only what the
 *  session has not seen. One thread at a time, as the session; destroy it before the session. The session may be used
 *  directly in between: the next answer finds out what is still there. */
typedef struct einf_chat einf_chat;

/** config may be NULL; its strings are copied. Compiles a template_text now. A conversation keeps the date of its
 *  creation, so that what it has computed stays true over midnight. EINF_E_TEMPLATE: there is no template that
 *  compiles. */
EINF_API einf_status einf_chat_create(einf_session *s, const einf_chat_config *config, einf_chat **out,
                                      einf_error *err);
/** From a callback of its own answer: nothing happens. The other functions then return EINF_E_STATE, save for
 *  einf_chat_n_messages and einf_chat_get_message. */
EINF_API void einf_chat_destroy(einf_chat **c);
/** Add a message, copied. Nothing is computed yet. */
EINF_API einf_status einf_chat_add(einf_chat *c, const einf_message *message, einf_error *err);
/** Answer, and add the answer as an assistant's message. Also added: what there is of an answer that was stopped by a
 *  callback, a limit or a cancel after its first character; NUL characters become U+FFFD. Any other failure leaves
 *  the messages as they were.
 *  EINF_E_CTX_FULL: the conversation needs more than n_ctx; nothing is cut silently, einf_chat_truncate or a larger
 *  session helps. config and result as in einf_generate; raw must be 0. */
EINF_API einf_status einf_chat_answer(einf_chat *c, const einf_generate_config *config, einf_result *result,
                                      einf_error *err);
EINF_API uint64_t einf_chat_n_messages(const einf_chat *c);
/** A view of message i, valid until the conversation changes. */
EINF_API einf_status einf_chat_get_message(const einf_chat *c, uint64_t i, einf_message *out, einf_error *err);
/** Forget message n and those behind it: to ask again, or to take back a question. */
EINF_API einf_status einf_chat_truncate(einf_chat *c, uint64_t n, einf_error *err);

#ifdef __cplusplus
}
template <class T> static inline T einf_init_cxx() { T t = T(); t.struct_size = (uint32_t)sizeof(T); return t; }
#endif
#endif
