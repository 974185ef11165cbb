/* SPDX-License-Identifier: MIT
 * picture_part.c - where the bytes of a picture in a message come from.
 *
 * The part is kept as JSON beside the picture, so that a conversation can be saved and the picture found again.
 */
#include "cli/picture_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_message.h"

static const char hint[] = "as {\"type\": \"image\", \"path\": \"photo.jpg\"}";

bool cli_is_picture_part(const cJSON *part)
{
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "type"));
    return type && (strcmp(type, "image") == 0 || strcmp(type, "image_url") == 0);
}

/* -------------------------------------------------------------------------------------------------- base64 -- */

/* 0..63, or -1. */
static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Into out, which has room for 3 bytes of every 4 characters. False: not base64. */
static bool decode_base64(const char *text, unsigned char *out, size_t *n_bytes)
{
    size_t n = strlen(text), n_out = 0;
    uint32_t bits = 0;
    int n_bits = 0;
    for (int i = 0; i < 2 && n > 0 && text[n - 1] == '='; i++) n--;
    for (size_t i = 0; i < n; i++) {
        const int v = base64_value(text[i]);
        if (v < 0) return false;
        bits = bits << 6 | (uint32_t)v;
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        out[n_out++] = (unsigned char)(bits >> n_bits & 0xff);
    }
    *n_bytes = n_out;
    return n % 4 != 1;
}

/* ---------------------------------------------------------------------------------------------------- URLs -- */

/* data:image/png;base64,... */
static einf_status add_data(cli_engine *e, cli_pictures *p, const char *url, einf_error *err)
{
    static const char mark[] = ";base64,";
    char name[48];
    size_t n = 0;
    const char *comma = strchr(url, ','), *text = strstr(url, mark);
    if (!comma || !text || text + sizeof mark - 2 != comma)
        return cli_refuse(err, "url", "as data:image/png;base64,...", "a data: URL has to be base64");
    snprintf(name, sizeof name, "%.*s", (int)(text - url), url);
    unsigned char *bytes = malloc(strlen(comma + 1) / 4 * 3 + 3);
    if (!bytes) {
        (void)cli_refuse(err, "url", "", "out of memory for the picture");
        return err->code = EINF_E_NOMEM;
    }
    const einf_status status = decode_base64(comma + 1, bytes, &n)
                                   ? cli_pictures_add_bytes(e, p, name, bytes, n, err)
                                   : cli_refuse(err, "url", "", "the data: URL is not base64");
    free(bytes);
    return status;
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

/* file:///a%20b: its path, in place. False: a NUL, or no hexadecimal digits behind a percent sign. */
static bool decode_percent(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++, to++) {
        *to = *from;
        if (*from != '%') continue;
        const int high = hex_value(from[1]), low = high < 0 ? -1 : hex_value(from[2]);
        if (low < 0 || high + low == 0) return false;
        *to = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static einf_status add_url(cli_engine *e, cli_pictures *p, const char *url, einf_error *err)
{
    static const char file[] = "file://";
    if (strncmp(url, "data:", 5) == 0) return add_data(e, p, url, err);
    if (strncmp(url, file, sizeof file - 1) != 0 || url[sizeof file - 1] != '/')
        return cli_refuse(err, "url", hint, "only file:/// and data: URLs are read; nothing is fetched from a network");
    char *path = strdup(url + sizeof file - 1);
    const einf_status status = path && decode_percent(path)
                                   ? cli_pictures_add(e, p, path, err)
                                   : cli_refuse(err, "url", "", "the file: URL is not well-formed");
    free(path);
    return status;
}

/* --------------------------------------------------------------------------------------------------- parts -- */

static einf_status add(cli_engine *e, cli_pictures *p, const cJSON *part, einf_error *err)
{
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "path"));
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(part, "image_url");
    const char *url = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "url"));
    if (!e->v)
        return cli_refuse(err, "content", "start with --mmproj FILE", "a picture needs a vision encoder");
    if (path && strcmp(path, "-") != 0) return cli_pictures_add(e, p, path, err);
    return url ? add_url(e, p, url, err) : cli_refuse(err, "content", hint, "a picture without a path or a URL");
}

/* A failure says which picture it is about. */
static void name_file(const cJSON *part, einf_error *err)
{
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "path"));
    char message[2 * sizeof err->message];
    if (!path || err->code == EINF_E_ARG || strstr(err->message, path)) return;
    snprintf(message, sizeof message, "%.100s: %s", path, err->message);
    message[sizeof err->message - 1] = '\0';
    memcpy(err->message, message, sizeof err->message);
}

einf_status cli_picture_part_add(cli_engine *e, cli_pictures *p, const cJSON *part, einf_error *err)
{
    const einf_status status = add(e, p, part, err);
    if (status != EINF_OK) {
        name_file(part, err);
        return status;
    }
    p->items[p->n - 1].part_json = cJSON_PrintUnformatted(part);
    return EINF_OK;
}

einf_status cli_picture_file_add(cli_engine *e, cli_pictures *p, const char *path, einf_error *err)
{
    char *absolute = realpath(path, NULL);
    cJSON *part = cJSON_CreateObject();
    cJSON_AddStringToObject(part, "type", "image");
    cJSON_AddStringToObject(part, "path", absolute ? absolute : path);
    const einf_status status = cli_picture_part_add(e, p, part, err);
    cJSON_Delete(part);
    free(absolute);
    return status;
}
