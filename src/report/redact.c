/* SPDX-License-Identifier: Apache-2.0
 * Taking out what others need not know. Files keep the part of their path that a person would say:
 * below the run's directory, from the package on, or their name. May use redact.h, pool.h. */
#include "report/redact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

void pk_redact_sources(struct pk_report *report) {
    for (uint32_t i = 0; i < report->view.frame_count; i++) {
        report->view.frames[i].source = "";
    }
    report->has_no_sources = true;
}

/* Does it lead out of the directory that it is said from, or begin at the root? */
static bool leads_outside(const char *path) {
    const char *dots = path;
    while ((dots = strstr(dots, "..")) != NULL) {
        if ((dots == path || dots[-1] == '/') && dots[2] == '/') {
            return true;
        }
        dots += 2;
    }
    return path[0] == '/';
}

/* In place: of each word that is a path, only the name. */
static void redact_sentence(char *text) {
    static const char between[] = " \"'`=:,;()";
    char *to = text;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, between);
        length = length == 0 ? 1 : length;
        const char *from = at;
        for (size_t i = 0; i + 1 < length; i++) {
            from = at[i] == '/' ? at + i + 1 : from;
        }
        size_t kept = (size_t)(at + length - from);
        at += length;
        memmove(to, from, kept);
        to += kept;
    }
    *to = '\0';
}

/* In place: the name instead of a path that is known, and may have spaces in it. */
static void redact_known(char *text, const char *path) {
    const char *name = base_name(path);
    size_t length = strlen(path), name_length = strlen(name);
    char *found = length > name_length ? strstr(text, path) : NULL;
    if (found != NULL) {
        memmove(found, name, name_length);
        memmove(found + name_length, found + length, strlen(found + length) + 1);
    }
}

static char *writable(const char *owned) {
    return (char *)(uintptr_t)owned;
}

/* Of the command the name of the script stays. The texts are the run's own (pk_run_info_read). */
static void redact_run(struct pk_run_info *run) {
    char **list = (char **)(uintptr_t)run->argv;
    size_t kept = 0;
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        size_t length = strlen(list[i]);
        bool is_script = length > 3 && strcmp(list[i] + length - 3, ".py") == 0;
        if (kept == 0 && is_script) {
            const char *name = base_name(list[i]);
            memmove(list[i], name, strlen(name) + 1);
            list[kept++] = list[i];
        } else {
            free(list[i]);
        }
    }
    if (list != NULL) {
        list[kept] = NULL;
    }
    free(writable(run->directory));
    run->directory = NULL;
    if (run->headline != NULL) {
        redact_sentence(writable(run->headline));
    }
    if (run->oom.path != NULL) {
        free(writable(run->oom.path));
        run->oom.path = NULL;
    }
}

int pk_redact_names(struct pk_report *report) {
    struct pk_view *view = &report->view;
    struct pk_pool *pool = &report->pool;

    for (uint32_t i = 0; i < view->file_count; i++) {
        const char *spoken = pk_path_spoken(&report->rules, view->files[i].path);
        view->files[i].location = view->files[i].path; // lines around others are read later
        view->files[i].path = leads_outside(spoken) ? base_name(spoken) : spoken;
    }
    // the lines of a `-c` program are the command line
    for (uint32_t i = 0; i < view->frame_count; i++) {
        const char *path = view->files[view->functions[view->frames[i].function].file].path;
        if (report->command_text != NULL && strcmp(path, "<string>") == 0) {
            view->frames[i].source = "";
        }
    }
    report->command_text = NULL;
    for (uint32_t i = 0; i < view->map_count; i++) {
        view->maps[i].path = base_name(view->maps[i].path);
    }
    for (uint32_t i = 0; i < view->process_count; i++) {
        view->processes[i].command = "";
    }
    for (uint32_t i = 0; i < report->warning_count; i++) {
        char *copy = pk_pool_text(pool, report->warnings[i], strlen(report->warnings[i]));
        if (copy == NULL) {
            return -ENOMEM;
        }
        for (size_t j = 0; report->tree != NULL && j < PK_TREE_NOTES; j++) {
            redact_known(copy, report->tree->notes[j].text);
        }
        redact_sentence(copy);
        report->warnings[i] = copy;
    }
    report->rules.directory = NULL; // it was the run's
    if (report->run != NULL) {
        redact_run(report->run);
    }
    return 0;
}
