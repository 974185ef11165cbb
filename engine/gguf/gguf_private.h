/* SPDX-License-Identifier: MIT
 * gguf_private.h - what the files of this folder tell each other and nobody else.
 */
#ifndef EINF_GGUF_PRIVATE_H
#define EINF_GGUF_PRIVATE_H

#include "engine/gguf/gguf.h"

/* ----------------------------------------------------------------------------------------------- gguf_read.c -- */

/** Take g->block with room for g->n_kv entries and g->n_tensors tensors, and empty indexes over both. */
einf_status einf__gguf_allocate(einf__gguf *g, einf_error *err);

/* ---------------------------------------------------------------------------------------------- gguf_index.c -- */

typedef enum einf__gguf_list { EINF__GGUF_KVS, EINF__GGUF_TENSORS } einf__gguf_list;

/** Slots of an index over n names: a power of two, at least twice as many; 0 for none. */
uint64_t einf__gguf_index_slots(uint64_t n_names);
/** The slot of the list's index where that name is, or where it belongs. The index must not be empty. */
uint32_t *einf__gguf_slot(const einf__gguf *g, einf__gguf_list list, einf__bytes name);

/* ---------------------------------------------------------------------------------------------- gguf_sniff.c -- */

/** What the beginning of a file that is no GGUF looks like ("an HTML page"), and what to do then; both static strings.
 *  NULL when it looks like nothing we know. */
const char *einf__gguf_looks_like(const uint8_t *p, uint64_t n_bytes, const char **hint);

/* ----------------------------------------------------------------------------------------------- gguf_text.c -- */

/** Plain names of the value types: "u32", "string". */
const char *einf__gguf_plain_type_name(einf__gguf_type type);
/** Bytes of an item, 0 for strings and arrays. */
uint32_t einf__gguf_item_bytes(einf__gguf_type type);
bool einf__gguf_is_int(einf__gguf_type type);

#endif
