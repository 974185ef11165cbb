/* SPDX-License-Identifier: MIT
 * json_message.c - messages from JSON and to JSON.
 */
#include "cli/json_message.h"

#include <stdio.h>
#include <string.h>

#include "cli/conversation.h"

einf_status cli_refuse(einf_error *err, const char *where, const char *hint, const char *message)
{
    err->code = EINF_E_ARG;
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

einf_status cli_json_add_message(einf_chat *chat, const cJSON *message, bool needs_role, einf_error *err)
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
    if (!cJSON_IsArray(content)) cJSON_DeleteItemFromObjectCaseSensitive(extra, "content");
    char *extra_json = cJSON_GetArraySize(extra) > 0 ? cJSON_PrintUnformatted(extra) : NULL;
    cJSON_Delete(extra);
    const einf_status status =
        cli_chat_add(chat, role ? role->valuestring : "user", cJSON_GetStringValue(content), extra_json, err);
    cJSON_free(extra_json);
    return status;
}

cJSON *cli_json_messages(const einf_chat *chat)
{
    einf_message m = EINF_INIT(einf_message);
    cJSON *list = cJSON_CreateArray();
    for (uint64_t i = 0; list && einf_chat_get_message(chat, i, &m, NULL) == EINF_OK; i++) {
        cJSON *o = m.extra_json ? cJSON_Parse(m.extra_json) : cJSON_CreateObject();
        if (m.content) cJSON_AddStringToObject(o, "content", m.content);
        if (!o || !cJSON_AddStringToObject(o, "role", m.role) || !cJSON_AddItemToArray(list, o)) {
            cJSON_Delete(o);
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}
