/* SPDX-License-Identifier: MIT
 * prof_sources.c - edgeprof sources: what measures energy here, and what would make the rest do so.
 */
#include <stdio.h>
#include <string.h>

#include "cli/edgeprof/prof_options.h"
#include "cli/edgeprof/prof_output.h"

static int widest(const eprof *p)
{
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    size_t width = 6;
    for (int32_t i = 0; eprof_source(p, i, &s, NULL) == EPROF_OK; i++)
        if (strlen(s.name) > width) width = strlen(s.name);
    return (int)width;
}

static const char *live_word(const eprof_source_info *s) { return !s->live ? "no" : s->headline ? "first" : "yes"; }

static void print_table(const eprof *p)
{
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    const int width = widest(p);
    char power[PROF_NUMBER];
    int n = 0, n_live = 0;
    for (; eprof_source(p, n, &s, NULL) == EPROF_OK; n++) {
        if (n == 0) printf("LIVE   %-*s  %-12s  %-7s  %-9s WHAT\n", width, "SOURCE", "SCOPE", "CLASS", "NOW");
        n_live += s.live != 0;
        printf("%-5s  %-*s  %-12s  %-7s  %-9s %s\n", live_word(&s), width, s.name, eprof_scope_name(s.scope),
               eprof_class_name(s.cls), s.live ? prof_si(s.power_w, "W", power) : "", s.what);
        if (!s.live && *s.why_not) printf("       why: %s\n", s.why_not);
        if (!s.live && *s.unlock) printf("       try: %s\n", s.unlock);
    }
    puts(n_live > 0 ? "\nThe first is what a result's first energy is of. Scopes contain one another: never add them."
                    : "\nNothing measures energy here. A meter can be plugged in: see edgeprof(1), SOURCES.");
}

static void add_number(cJSON *object, const char *key, double x)
{
    if (eprof_has(x)) cJSON_AddNumberToObject(object, key, x);
}

static void add_text(cJSON *object, const char *key, const char *text)
{
    if (*text) cJSON_AddStringToObject(object, key, text);
}

static int print_json(const eprof *p)
{
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    cJSON *object = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(object, "sources");
    for (int32_t i = 0; list && eprof_source(p, i, &s, NULL) == EPROF_OK; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddItemToArray(list, one);
        cJSON_AddStringToObject(one, "name", s.name);
        add_text(one, "what", s.what);
        cJSON_AddStringToObject(one, "scope", eprof_scope_name(s.scope));
        cJSON_AddStringToObject(one, "class", eprof_class_name(s.cls));
        cJSON_AddBoolToObject(one, "live", s.live != 0);
        cJSON_AddBoolToObject(one, "headline", s.headline != 0);
        if (s.period_s > 0) cJSON_AddNumberToObject(one, "period_s", s.period_s);
        if (s.accuracy_pct > 0) cJSON_AddNumberToObject(one, "accuracy_pct", s.accuracy_pct);
        add_number(one, "power_w", s.power_w);
        add_text(one, "why_not", s.why_not);
        add_text(one, "unlock", s.unlock);
    }
    return prof_print_json(list ? object : NULL, PROF_FAILED);
}

int prof_sources(const prof_options *o)
{
    eprof_error err = EPROF_INIT(eprof_error);
    eprof_config c = EPROF_INIT(eprof_config);
    eprof *p = NULL;
    c.sources = o->sources;
    c.sysroot = o->sysroot;
    if (eprof_create(&c, &p, &err) != EPROF_OK) return prof_print_error(PROF_FAILED, &err);
    int code = PROF_DONE;
    if (o->json) code = print_json(p);
    else print_table(p);
    eprof_destroy(&p);
    return code;
}
