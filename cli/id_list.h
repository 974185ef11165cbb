/* SPDX-License-Identifier: MIT
 * id_list.h - lists of whole numbers on the command line: token ids, and rows counted from either end.
 */
#ifndef CLI_ID_LIST_H
#define CLI_ID_LIST_H

#include <stddef.h>
#include <stdint.h>

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
void cli_id_list_free(cli_id_list *list);

#endif
