/* SPDX-License-Identifier: MIT
 * doctor.c - one finding as a line for people, or as an object for programs.
 */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const level_names[] = { "ok", "note", "warning" };

void doctor_say(doctor *d, doctor_level level, const char *topic, const char *hint, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!d->findings) {
        printf("%-8s %-10s %s\n", level_names[level], topic, text);
        if (hint) printf("%-19s -> %s\n", "", hint);
        return;
    }
    cJSON *finding = cJSON_CreateObject();
    cJSON_AddStringToObject(finding, "level", level_names[level]);
    cJSON_AddStringToObject(finding, "topic", topic);
    cJSON_AddStringToObject(finding, "text", text);
    if (hint) cJSON_AddStringToObject(finding, "hint", hint);
    cJSON_AddItemToArray(d->findings, finding);
}

void doctor_fact_number(doctor *d, const char *key, double value)
{
    if (d->facts) cJSON_AddNumberToObject(d->facts, key, value);
}

void doctor_fact_text(doctor *d, const char *key, const char *value)
{
    if (d->facts) cJSON_AddStringToObject(d->facts, key, value);
}

void doctor_fact_item(doctor *d, const char *key, cJSON *item)
{
    if (d->facts) cJSON_AddItemToObject(d->facts, key, item);
    else cJSON_Delete(item);
}
