/* SPDX-License-Identifier: MIT
 * vision.h - pictures: decoded, resized and clamped as told, encoded to rows that a session takes as if they were
 * tokens.
 *
 * Two more handles beside the three of <edgeinfer/edgeinfer.h>, whose rules hold here too:
 *
 *   image     the pixels of one picture, immutable, shared freely by threads.
 *   vision    one vision encoder (an "mmproj" file), immutable but for the rows it remembers, shared by threads.
 *
 * Both belong to a runtime and are closed before it. What a picture costs follows from its size after the
 * preprocessor, which einf_vision_plan tells before a pixel is touched: cost is linear in patches, with a quadratic
 * term, up to the limit that the options set, and flat beyond it (arXiv 2512.16531).
 */
#ifndef EDGEINFER_VISION_H
#define EDGEINFER_VISION_H

#include <edgeinfer/edgeinfer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------ images -- */

/** How pictures are read. */
typedef struct einf_image_config {
    uint32_t struct_size;
    uint32_t reduce_width;    /* JPEG alone: decode at 1/2, 1/4 or 1/8 of its size (a smaller inverse DCT) as far as */
    uint32_t reduce_height;   /* the picture stays at least so wide and so high. Both 0: whole. Faster for large photos,
                                 but not the pixels that models were trained on */
    uint32_t reserved;
    uint64_t max_pixels;      /* refuse larger pictures before anything is allocated; 0: 67,108,864 */
    uint64_t max_file_bytes;  /* and larger files; 0: 268,435,456 */
    const einf_cancel *cancel;
} einf_image_config;

/** What a picture is. Sizes are as it is looked at: after its EXIF orientation. */
typedef struct einf_image_info {
    uint32_t struct_size;
    uint32_t width, height;   /* of the pixels that are there, */
    uint32_t full_width, full_height; /* and of the whole picture, where they were decoded smaller */
    int32_t orientation;      /* 1..8, EXIF; has been applied */
    int32_t reduced_by;       /* 1, 2, 4 or 8 */
    char format[8];           /* "jpeg", "png", "ppm", "pgm", "raw" */
    uint32_t reserved;
    uint64_t size_bytes;      /* that the image takes; of a probe: would take */
} einf_image_info;

typedef struct einf_image einf_image;

/** Read a JPEG (baseline or progressive, grey, CMYK and YCCK among them), PNG (every colour type and depth; what is
 *  transparent lies on white) or PPM/PGM file. config may be NULL. The pixels become 8-bit RGB, EXIF orientation
 *  applied.
 *  EINF_E_FORMAT: damaged, with what and at which byte; there is no partial picture. EINF_E_UNSUPPORTED: another
 *  format, named. EINF_E_LIMIT: larger than config allows, both sizes named. */
EINF_API einf_status einf_image_open(einf_runtime *rt, const char *path, const einf_image_config *config,
                                     einf_image **out, einf_error *err);
/** The same from memory, which is not used after the call. */
EINF_API einf_status einf_image_open_memory(einf_runtime *rt, const void *data, uint64_t size_bytes,
                                            const einf_image_config *config, einf_image **out, einf_error *err);
/** Size and format alone, from the header of a file: nothing is decoded. */
EINF_API einf_status einf_image_probe(einf_runtime *rt, const char *path, const einf_image_config *config,
                                      einf_image_info *out, einf_error *err);

enum { EINF_PIXELS_RGB = 0, EINF_PIXELS_RGBA = 1, EINF_PIXELS_GRAY = 2, EINF_PIXELS_BGR = 3, EINF_PIXELS_BGRA = 4 };
/** A picture from pixels, copied: a frame of a camera. 8 bits a channel; rows are stride_bytes apart (0: without gaps);
 *  alpha lies on white. EINF_E_ARG: stride below a row, or size_bytes below what the sizes ask for, both named. */
EINF_API einf_status einf_image_from_pixels(einf_runtime *rt, const void *pixels, uint64_t size_bytes, int32_t format,
                                            uint32_t width, uint32_t height, uint64_t stride_bytes,
                                            const einf_image_config *config, einf_image **out, einf_error *err);
EINF_API einf_status einf_image_get_info(const einf_image *image, einf_image_info *out, einf_error *err);
/** [height, width, 3], a view that lasts as long as the image. */
EINF_API const uint8_t *einf_image_pixels(const einf_image *image);
/** Conversations that hold the image keep it alive. */
EINF_API void einf_image_close(einf_image **image);

/* ------------------------------------------------------------------------------------------ preprocessor -- */

/* What size a picture gets. All rules end on multiples of the encoder's alignment (patch size times merge size: 28). */
enum {
    EINF_RESIZE_DEFAULT = 0,      /* EINF_RESIZE_PIXELS */
    EINF_RESIZE_PIXELS = 1,       /* the smart_resize of Qwen's own preprocessor: each side to the nearest multiple,
                                     then scaled into min_pixels..max_pixels, aspect kept. More than 200:1 is refused */
    EINF_RESIZE_LONGEST_EDGE = 2, /* llama.cpp's from 12 May to 1 November 2025: at most longest_edge on either side,
                                     never enlarged, fractions cut off, then each side up to a multiple */
    EINF_RESIZE_BOX = 3,          /* the same with a limit for each side */
    EINF_RESIZE_NONE = 4          /* each side up to a multiple */
};
enum {
    EINF_FILTER_BICUBIC = 0,       /* Pillow's (to version 12), bit for bit: what Qwen models were trained on */
    EINF_FILTER_BILINEAR = 1,      /* these three also as Pillow has them */
    EINF_FILTER_LANCZOS = 2,
    EINF_FILTER_BOX = 3,
    EINF_FILTER_LEGACY_BICUBIC = 4 /* llama.cpp's of 2025: 4 x 4 taps, no antialias, no shift by half a pixel */
};

/** How pictures are made ready. A zero struct is what the model's makers do. What belongs to another rule than the one
 *  that is chosen must be 0, and of a limit either tokens or pixels may be given: otherwise EINF_E_ARG. */
typedef struct einf_preprocess {
    uint32_t struct_size;
    int32_t rule;               /* EINF_RESIZE_* */
    int32_t filter;             /* EINF_FILTER_* */
    uint32_t longest_edge;      /* of LONGEST_EDGE, 0: 1024 */
    uint32_t box_width, box_height; /* of BOX; both must be given */
    uint32_t min_tokens, max_tokens; /* of PIXELS: limits in image tokens, 0: by pixels */
    uint64_t min_pixels, max_pixels; /* of PIXELS, 0: the file's; 8 and 4096 tokens where it has none. Such a default
                                        gives way where the other limit is given and lies beyond it */
} einf_preprocess;

/** Sizes of one picture on its way, and what they cost. */
typedef struct einf_image_sizes {
    uint32_t struct_size;
    int32_t rule, filter;       /* as resolved */
    uint32_t limit_width, limit_height; /* of LONGEST_EDGE and BOX, 0: other rules */
    uint32_t nominal_width, nominal_height; /* of the picture */
    uint32_t clamped_width, clamped_height; /* after the rule's limit, before alignment: whole pixels, cut off; of
                                               PIXELS where it enlarges, rounded up */
    uint32_t width, height;     /* that the encoder sees */
    uint32_t n_patches_x, n_patches_y, n_patches;
    uint32_t n_tokens_x, n_tokens_y, n_tokens;
    uint64_t min_pixels, max_pixels; /* of PIXELS, 0: other rules */
    double scale_x, scale_y;    /* nominal = scale * coordinate that the model speaks of: maps boxes back */
    uint64_t n_macs;            /* multiply-adds of encoding */
    uint64_t encode_bytes;      /* private memory of einf_vision_encode while it runs, resized pixels included */
} einf_image_sizes;

/* ------------------------------------------------------------------------------------------------ vision -- */

typedef struct einf_vision einf_vision;

typedef struct einf_vision_config {
    uint32_t struct_size;
    int32_t mode;            /* EINF_MODE_* */
    int32_t check_tensors;   /* as of a model */
    int32_t float_sum;       /* EINF_FLOAT_SUM_*, as of a session */
    int32_t exact;           /* 1: f32 throughout, weights de-quantised */
    int32_t force_path;      /* as of a session. For tests */
    uint64_t cache_bytes;    /* rows of pictures that were encoded before, found by pixels and options; the oldest go
                                first, and all before an allocation of the runtime fails. 0: 64 MiB; EINF_CACHE_NONE:
                                none */
    const einf_cancel *cancel;
    einf_progress_fn progress;
    void *progress_user;
} einf_vision_config;
#define EINF_CACHE_NONE UINT64_MAX

/** Open a vision encoder: a GGUF file of architecture "clip" with projector qwen2vl_merger. config may be NULL.
 *  The file is validated whole before use. */
EINF_API einf_status einf_vision_open(einf_runtime *rt, const char *path, const einf_vision_config *config,
                                      einf_vision **out, einf_error *err);
/** The same from an open file and from memory, as einf_model_open_fd and einf_model_open_memory. */
EINF_API einf_status einf_vision_open_fd(einf_runtime *rt, int32_t fd, uint64_t offset_bytes, uint64_t length_bytes,
                                         const einf_vision_config *config, einf_vision **out, einf_error *err);
EINF_API einf_status einf_vision_open_memory(einf_runtime *rt, const void *data, uint64_t size_bytes,
                                             const einf_vision_config *config, einf_vision **out, einf_error *err);
/** EINF_E_STATE while a call or a conversation uses it, and nothing happens. */
EINF_API einf_status einf_vision_close(einf_vision **v, einf_error *err);

typedef struct einf_vision_info {
    uint32_t struct_size;
    uint32_t n_layer, n_embd, n_head, n_ff;
    uint32_t patch_size, merge_size; /* 14 and 2: a token is 28 x 28 pixels */
    uint32_t row_width;          /* floats of an image row: n_embd of the language model */
    char projector[32];          /* "qwen2vl_merger" */
    char name[128];              /* general.name; may be empty */
    char file_type[16];          /* the commonest weight type */
    char activation[16];         /* "quick_gelu", "gelu", "silu" */
    uint64_t min_pixels, max_pixels; /* limits that PIXELS uses by default */
    int32_t has_limits;          /* 1: the file has them */
    int32_t float_sum;           /* EINF_FLOAT_SUM_*, as it is on this CPU */
    float mean[3], std[3];       /* of the channels, for pixels in 0..1 */
    uint64_t file_bytes, weight_bytes, n_params, n_tensors;
    uint64_t private_bytes;      /* tables; of EINF_MODE_READ and HUGE also the file */
    uint64_t cache_used_bytes, n_cached, n_cache_hits; /* now, and since it was opened */
} einf_vision_info;
EINF_API einf_status einf_vision_get_info(const einf_vision *v, einf_vision_info *out, einf_error *err);

/** Can this encoder see for this model? EINF_E_UNSUPPORTED or EINF_E_FORMAT with both families or widths. */
EINF_API einf_status einf_vision_check_model(const einf_vision *v, const einf_model *m, einf_error *err);

/** The way of a picture of this size, before it is touched. preprocess may be NULL. EINF_E_ARG: options that contradict
 *  each other; EINF_E_LIMIT: an aspect beyond 200:1, more than 16384 tokens. */
EINF_API einf_status einf_vision_plan(const einf_vision *v, uint32_t width, uint32_t height,
                                      const einf_preprocess *preprocess, einf_image_sizes *out, einf_error *err);

/** The normalised pixels that the encoder sees: pixels [3, height, width] of the plan, (value / 255 - mean) / std;
 *  room for max_floats. EINF_E_LIMIT when there is less room than needed; *out (may be NULL) is filled all the same. */
EINF_API einf_status einf_vision_preprocess(einf_vision *v, const einf_image *image, const einf_preprocess *preprocess,
                                            float *pixels, uint64_t max_floats, einf_image_sizes *out,
                                            einf_error *err);

typedef struct einf_encode_config {
    uint32_t struct_size;
    uint32_t reserved;
    const einf_preprocess *preprocess; /* NULL: the defaults */
    const einf_cancel *cancel;         /* looked at before each layer, and between parts of a layer */
    einf_progress_fn progress;         /* EINF_PHASE_IMAGE, in layers */
    void *progress_user;
} einf_encode_config;

typedef struct einf_encode_result {
    uint32_t struct_size;
    int32_t cached;            /* 1: the rows were remembered */
    double preprocess_s, encode_s;
    einf_image_sizes sizes;
} einf_encode_result;

/** The image rows: [n_tokens, row_width], room for max_floats; row by row of the picture, from left to right. config
 *  and result may be NULL. Takes the runtime's pool for the time of a layer. EINF_E_LIMIT: too little room, or more
 *  memory than ram_limit_bytes leaves. EINF_E_CANCELLED. */
EINF_API einf_status einf_vision_encode(einf_vision *v, const einf_image *image, const einf_encode_config *config,
                                        float *rows, uint64_t max_floats, einf_encode_result *result, einf_error *err);

/** Encode (or remember) a picture and append its rows to a session, with M-RoPE positions as Qwen2-VL defines them
 *  (arXiv 2409.12191, 2.1): all rows at one time, height and width counted from there; text goes on at the largest + 1.
 *  The caller appends what stands around them, as <|vision_start|> and <|vision_end|>. */
EINF_API einf_status einf_session_append_image(einf_session *s, einf_vision *v, const einf_image *image,
                                               const einf_encode_config *config, einf_encode_result *result,
                                               einf_error *err);

#ifdef __cplusplus
}
#endif
#endif
