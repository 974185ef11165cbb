/* SPDX-License-Identifier: MIT
 * picture_part.h - a part of a message that is a picture, as JSON: {"type": "image", "path": FILE}, or
 * {"type": "image_url", "image_url": {"url": URL}} with a file: or a base64 data: URL. Nothing is fetched.
 */
#ifndef CLI_PICTURE_PART_H
#define CLI_PICTURE_PART_H

#include "cli/pictures.h"

/** Does the part call itself a picture? */
bool cli_is_picture_part(const cJSON *part);
/** Read the picture that it names, at the end of p. EINF_E_ARG: it names none; no encoder is open. */
einf_status cli_picture_part_add(cli_engine *e, cli_pictures *p, const cJSON *part, einf_error *err);
/** Read a file as the part {"type": "image", "path": FILE} would, the path made absolute in what is saved of it. */
einf_status cli_picture_file_add(cli_engine *e, cli_pictures *p, const char *path, einf_error *err);

#endif
