/* SPDX-License-Identifier: MIT
 * id_list.h - lists of whole numbers: token ids and rows on the command line, the ids of a text.
 */
#ifndef CLI_ID_LIST_H
#define CLI_ID_LIST_H

#include <stddef.h>
#include <stdint.h>

#include <edgeinfer/edgeinfer.h>

#include "cli/read_input.h"

typedef struct cli_id_list {
    int32_t *items;           /* malloc'd */
    size_t n;
} cli_id_list;

/** "1,2,3", or "@FILE" ("@-" for stdin): ids not below 0, between commas, blanks and line ends. At least one. An exit
 *  code; messages name the word that is wrong. */
int cli_read_ids(const char *option, cli_id_list *out);
/** "0,10,-1" of n rows, in ascending order, negative ones counted from the end; the same row may stand twice. NULL:
 *  all n. */
int cli_read_rows(const char *option, size_t n, cli_id_list *out);
/** The ids of a text; flags: EINF_TOK_*. No message: *err says it. */
einf_status cli_ids_of_text(const einf_model *m, const cli_bytes *text, uint32_t flags, cli_id_list *out,
                            einf_error *err);
void cli_id_list_free(cli_id_list *list);

#endif
