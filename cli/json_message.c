/* SPDX-License-Identifier: MIT
 * json_message.c - messages from JSON and to JSON.
 */
#include "cli/json_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/picture_part.h"

einf_status cli_refuse(einf_error *err, const char *where, const char *hint, const char *message)
{
    err->code = EINF_E_ARG;
    err->offset = EINF_NO_OFFSET;
    snprintf(err->where, sizeof err->where, "%s", where);
    snprintf(err->hint, sizeof err->hint, "%s", hint);
    snprintf(err->message, sizeof err->message, "%s", message);
    return EINF_E_ARG;
}

bool cli_json_has_nul(const char *json)
{
    for (const char *at = json; (at = strchr(at, '\\')) != NULL; at += at[1] ? 2 : 1)
        if (strncmp(at + 1, "u0000", 5) == 0) return true;
    return false;
}

/* Content is text, or a list of parts, which is the template's matter; an assistant that calls tools may have none. */
static einf_status check_message(const cJSON *role, const cJSON *content, bool needs_role, einf_error *err)
{
    const char *name = role ? cJSON_GetStringValue(role) : needs_role ? NULL : "user";
    if (!name) return cli_refuse(err, "role", "", "a message needs a role, as \"user\"");
    if (cJSON_IsString(content) || cJSON_IsArray(content)) return EINF_OK;
    if (strcmp(name, "assistant") == 0 && (!content || cJSON_IsNull(content))) return EINF_OK;
    return cli_refuse(err, "content", "", "a message needs a text as its content");
}

static bool has_pictures(const cJSON *content)
{
    const cJSON *part;
    if (!cJSON_IsArray(content)) return false;
    cJSON_ArrayForEach(part, content)
        if (cli_is_picture_part(part)) return true;
    return false;
}

/* Texts point into the JSON, pictures are read. */
static einf_status read_part(cli_engine *e, const cJSON *part, cli_pictures *pictures, einf_part *out, einf_error *err)
{
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "type"));
    *out = (einf_part)EINF_INIT(einf_part);
    if (cli_is_picture_part(part)) {
        const einf_status status = cli_picture_part_add(e, pictures, part, err);
        if (status == EINF_OK) out->image = pictures->items[pictures->n - 1].image;
        return status;
    }
    out->text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "text"));
    if (type && strcmp(type, "text") == 0 && out->text) return EINF_OK;
    return cli_refuse(err, "content", "as {\"type\": \"text\", \"text\": \"...\"}",
                      "a part of a message is neither a text nor a picture");
}

/* The content of m from a list of parts. */
static einf_status add_parts(cli_engine *e, einf_chat *chat, const cJSON *content, einf_message *m,
                             cli_pictures *pictures, einf_error *err)
{
    const uint32_t n = (uint32_t)cJSON_GetArraySize(content), n_before = pictures->n;
    einf_part *parts = calloc(n, sizeof *parts);
    if (!parts) {
        (void)cli_refuse(err, "", "", "out of memory for a message");
        return err->code = EINF_E_NOMEM;
    }
    einf_status status = EINF_OK;
    for (uint32_t i = 0; i < n && status == EINF_OK; i++)
        status = read_part(e, cJSON_GetArrayItem(content, (int)i), pictures, &parts[i], err);
    m->parts = parts;
    m->n_parts = n;
    if (status == EINF_OK) status = einf_chat_add(chat, m, err);
    if (status != EINF_OK) cli_pictures_cut(pictures, n_before);
    free(parts);
    return status;
}

einf_status cli_json_add_message(cli_engine *e, einf_chat *chat, const cJSON *message, bool needs_role,
                                 cli_pictures *pictures, einf_error *err)
{
    if (!cJSON_IsObject(message))
        return cli_refuse(err, "messages", "as {\"role\": \"user\", \"content\": \"...\"}",
                          "a message is not an object");
    const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
    if (check_message(role, content, needs_role, err) != EINF_OK) return err->code;
    cJSON *extra = cJSON_Duplicate(message, 1);
    cJSON_DeleteItemFromObjectCaseSensitive(extra, "role");
    cJSON_DeleteItemFromObjectCaseSensitive(extra, "stop"); /* of the line, not of the message */
    const bool sees = has_pictures(content);
    if (sees || !cJSON_IsArray(content)) cJSON_DeleteItemFromObjectCaseSensitive(extra, "content");
    char *extra_json = cJSON_GetArraySize(extra) > 0 ? cJSON_PrintUnformatted(extra) : NULL;
    cJSON_Delete(extra);
    einf_message m = EINF_INIT(einf_message);
    m.role = role ? role->valuestring : "user";
    m.content = cJSON_GetStringValue(content);
    m.extra_json = extra_json;
    const einf_status status = sees ? add_parts(e, chat, content, &m, pictures, err) : einf_chat_add(chat, &m, err);
    cJSON_free(extra_json);
    return status;
}

/* The list that parts came from. NULL: out of memory, or a picture that nobody knows. */
static cJSON *json_parts(const einf_message *m, const cli_pictures *pictures)
{
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; list && i < m->n_parts; i++) {
        const cli_picture *picture = m->parts[i].text ? NULL : cli_pictures_find(pictures, m->parts[i].image);
        cJSON *part = m->parts[i].text ? cJSON_CreateObject()
                                       : cJSON_Parse(picture && picture->part_json ? picture->part_json : "");
        if (part && m->parts[i].text) {
            cJSON_AddStringToObject(part, "type", "text");
            cJSON_AddStringToObject(part, "text", m->parts[i].text);
        }
        if (cJSON_AddItemToArray(list, part)) continue;
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

cJSON *cli_json_messages(const einf_chat *chat, const cli_pictures *pictures)
{
    einf_message m = EINF_INIT(einf_message);
    cJSON *list = cJSON_CreateArray();
    for (uint64_t i = 0; list && einf_chat_get_message(chat, i, &m, NULL) == EINF_OK; i++) {
        cJSON *o = m.extra_json ? cJSON_Parse(m.extra_json) : cJSON_CreateObject();
        if (m.content) cJSON_AddStringToObject(o, "content", m.content);
        const bool lost = m.n_parts > 0 && !cJSON_AddItemToObject(o, "content", json_parts(&m, pictures));
        if (lost || !o || !cJSON_AddStringToObject(o, "role", m.role) || !cJSON_AddItemToArray(list, o)) {
            cJSON_Delete(o);
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}
