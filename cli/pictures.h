/* SPDX-License-Identifier: MIT
 * pictures.h - the pictures that a user named: read, planned, and what there is to tell of each.
 */
#ifndef CLI_PICTURES_H
#define CLI_PICTURES_H

#include "cli/open_vision.h"

typedef struct cli_picture {
    char *name;               /* a path as it was given, "stdin", or the beginning of a data: URL */
    char *part_json;          /* NULL, or the part of a message that names it */
    einf_image *image;        /* NULL: only its header was looked at, or a conversation has it */
    const einf_image *given;  /* what that conversation calls it */
    einf_image_info info;
    einf_image_sizes sizes;
    double read_s;
    bool is_read;             /* and not only its header */
} cli_picture;

typedef struct cli_pictures {
    cli_picture *items;
    uint32_t n, cap;
} cli_pictures;

/** Read a picture, "-" being stdin, and plan it for the open encoder. No message: *err says it. */
einf_status cli_pictures_add(cli_engine *e, cli_pictures *p, const char *path, einf_error *err);
/** The same from bytes; name: what messages call them. */
einf_status cli_pictures_add_bytes(cli_engine *e, cli_pictures *p, const char *name, const void *bytes, uint64_t n,
                                   einf_error *err);
/** The header alone: sizes without decoding. */
einf_status cli_pictures_probe(cli_engine *e, cli_pictures *p, const char *path, einf_error *err);
/** Those of --image; probe: their headers. EXIT_DONE, or another exit code after a message that names the file. */
int cli_pictures_open(cli_engine *e, cli_pictures *p, bool probe);
/** Add a user's message to a conversation: the pictures from first on, and the text behind them; NULL or "": none. */
einf_status cli_pictures_ask(einf_chat *chat, const cli_pictures *p, uint32_t first, const char *text,
                             einf_error *err);
/** From n on they belong to a conversation, which holds them now. */
void cli_pictures_give(cli_pictures *p, uint32_t n);
/** That which the conversation calls so; NULL: none. */
const cli_picture *cli_pictures_find(const cli_pictures *p, const einf_image *given);
/** Forget those behind the first n. */
void cli_pictures_cut(cli_pictures *p, uint32_t n);
void cli_pictures_free(cli_pictures *p);

/** EXIT_USAGE after a message when --image wants stdin twice, or stdin besides the prompt. */
int cli_pictures_check(const cli_options *o);

/** "1920x1080 -> 1036x588, 777 tokens (pixels 6272..602112, bicubic)" into buf, which is returned. */
const char *cli_sizes_text(const einf_image_sizes *s, char *buf, size_t buf_bytes);
/** A line for each on stderr. */
void cli_pictures_print(const cli_pictures *p);
/** The members of a plan; what the rule does not have is not there. */
void cli_json_sizes(cJSON *o, const einf_image_sizes *s);
/** And of the file before them. */
void cli_json_picture(cJSON *o, const cli_picture *p);
/** "images", if there are any. */
void cli_json_pictures(cJSON *o, const cli_pictures *p);

#endif
