/* SPDX-License-Identifier: Apache-2.0
 * The door: finds what a result directory holds, loads it, and hands it to the writers.
 * May use record and the room's own headers. */
#include "report/report.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "record/live.h"
#include "record/reader.h"
#include "record/tree.h"
#include "report/gather.h"
#include "report/model.h"
#include "report/old_lines.h"
#include "report/redact.h"
#include "report/source.h"
#include "report/stream.h"

#define MAX_LEDGERS (4u * PK_TREE_SLOTS) /* four for each process of the tree file */

static void free_names(struct pk_ledger_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i]);
    }
    free(names->list);
    *names = (struct pk_ledger_names){0};
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int add_name(struct pk_ledger_names *names, const char *text) {
    if (names->count == names->room) {
        size_t room = names->room == 0 ? 64 : names->room * 2;
        char **grown = realloc(names->list, room * sizeof(char *));
        if (grown == NULL) {
            return -ENOMEM;
        }
        names->list = grown;
        names->room = room;
    }
    char *name = strdup(text);
    if (name == NULL) {
        return -ENOMEM;
    }
    names->list[names->count++] = name;
    return 0;
}

static int list_ledgers(const char *dir, struct pk_ledger_names *ret_names) {
    DIR *stream = opendir(dir);
    int r = stream == NULL ? -errno : 0;
    while (r >= 0 && ret_names->count < MAX_LEDGERS) {
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            break;
        }
        if (pk_snapshot_is_name(entry->d_name)) {
            r = add_name(ret_names, entry->d_name);
        }
    }
    if (r >= 0 && ret_names->count == MAX_LEDGERS) {
        ret_names->is_cut = readdir(stream) != NULL;
    }
    if (stream != NULL) {
        closedir(stream);
    }
    if (r < 0) {
        free_names(ret_names);
        return r;
    }
    if (ret_names->count > 0) {
        qsort(ret_names->list, ret_names->count, sizeof(char *), compare_names);
    }
    return 0;
}

/* The program's text when the command was `python -c TEXT`, or `-c TEXT`. */
static const char *find_command_text(const struct pk_run_info *run) {
    size_t i = 0;
    if (run == NULL || run->argv == NULL || run->argv[0] == NULL) {
        return NULL;
    }
    const char *slash = strrchr(run->argv[0], '/');
    if (strncmp(slash != NULL ? slash + 1 : run->argv[0], "python", strlen("python")) == 0) {
        i = 1;
    }
    for (; run->argv[i] != NULL && run->argv[i][0] == '-'; i++) {
        if (strcmp(run->argv[i], "-c") == 0) {
            return run->argv[i + 1];
        }
        if (strcmp(run->argv[i], "-m") == 0) {
            return NULL;
        }
        if ((strcmp(run->argv[i], "-X") == 0 || strcmp(run->argv[i], "-W") == 0) &&
            run->argv[i + 1] != NULL) {
            i++;
        }
    }
    return NULL;
}

static int build_report(struct pk_report *report, const char *dir,
                        const struct pk_report_choice *choice,
                        const struct pk_load_warnings *warnings) {
    int r = pk_source_fill(&report->view, report->start_unix_ns, report->command_text);
    if (r >= 0) {
        r = pk_old_lines_take(report, dir);
    }
    if (r >= 0) {
        r = pk_report_derive(report, warnings);
    }
    if (r >= 0 && choice->no_source) {
        pk_redact_sources(report);
    }
    return r >= 0 && choice->redact ? pk_redact_names(report) : r;
}

/* What the user says of whose code is whose. */
static int take_choice(struct pk_report *report, const struct pk_report_choice *choice, char *error,
                       size_t error_size) {
    const char *const patterns[] = {choice->hide, choice->show};
    regex_t *const expressions[] = {&report->hide, &report->show};
    const regex_t **const places[] = {&report->rules.hide, &report->rules.show};

    report->rules.project = choice->project;
    for (size_t i = 0; i < 2; i++) {
        if (patterns[i] == NULL) {
            continue;
        }
        if (regcomp(expressions[i], patterns[i], REG_EXTENDED | REG_NOSUB) != 0) {
            snprintf(error, error_size, "%s is not an extended regular expression", patterns[i]);
            return -EINVAL;
        }
        *places[i] = expressions[i];
    }
    return 0;
}

/* Where the ledgers are, `ret_records`: the directory's own, or the one file that was named. */
static int find_ledgers(const char *path, char ret_dir[4096], char ret_records[PATH_MAX],
                        struct pk_ledger_names *ret_names, bool *ret_is_dir, char *error,
                        size_t error_size) {
    struct stat status;
    *ret_names = (struct pk_ledger_names){0};
    if (strlen(path) >= 4096 || stat(path, &status) < 0) {
        int code = strlen(path) >= 4096 ? ENAMETOOLONG : errno;
        snprintf(error, error_size, "%s cannot be read: %s", path, strerror(code));
        return -code;
    }
    *ret_is_dir = S_ISDIR(status.st_mode);
    if (*ret_is_dir) {
        strcpy(ret_dir, path);
        int r = list_ledgers(pk_live_find(path, ret_records), ret_names);
        if (r < 0) {
            snprintf(error, error_size, "%s cannot be read: %s", path, strerror(-r));
        } else if (ret_names->count == 0) {
            snprintf(
                error, error_size, "%s holds no ledger; %s", path,
                pk_live_read(path, ret_records)
                    ? "its records were in memory when the machine was started again, and are gone"
                    : "name the result directory of a `peakline run`");
            free_names(ret_names);
            r = -ENOENT;
        }
        return r;
    }
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(ret_dir, slash == NULL ? "." : path, length);
    ret_dir[length] = '\0';
    strcpy(ret_records, ret_dir);
    int r = add_name(ret_names, slash == NULL ? path : slash + 1);
    if (r < 0) {
        free_names(ret_names);
        snprintf(error, error_size, "%s cannot be read: not enough memory", path);
    }
    return r;
}

/* run.json, and what follows from it for all paths. */
static int load_run(struct pk_report *report, const char *dir, struct pk_load_warnings *warnings) {
    int r = pk_run_info_read(dir, &report->run);
    if (r == -ENOMEM) {
        return r;
    }
    if (r < 0 && r != -ENOENT) {
        pk_load_warn(report, warnings,
                     "run.json is damaged: how the program was started and ended is not known.");
    }
    report->rules.directory = report->run != NULL ? report->run->directory : NULL;
    report->command_text = find_command_text(report->run);
    report->rules.string_is_user = report->run == NULL || report->command_text != NULL;
    return 0;
}

int pk_report_load(const char *result_dir, struct pk_report **ret_report, char *error,
                   size_t error_size) {
    return pk_report_load_as(result_dir, &(struct pk_report_choice){0}, ret_report, error,
                             error_size);
}

int pk_report_load_as(const char *result_dir, const struct pk_report_choice *choice,
                      struct pk_report **ret_report, char *error, size_t error_size) {
    char dir[4096], records[PATH_MAX];
    struct pk_ledger_names names;
    struct pk_load_warnings warnings = {0};
    bool is_dir = false;

    *ret_report = NULL;
    int r = find_ledgers(result_dir, dir, records, &names, &is_dir, error, error_size);
    if (r < 0) {
        return r;
    }
    struct pk_report *report = calloc(1, sizeof(*report));
    if (report == NULL) {
        free_names(&names);
        snprintf(error, error_size, "%s cannot be read: not enough memory", result_dir);
        return -ENOMEM;
    }
    r = load_run(report, dir, &warnings);
    if (r >= 0) {
        r = take_choice(report, choice, error, error_size);
        if (r < 0) {
            free_names(&names);
            pk_report_free(report);
            return r;
        }
    }
    if (r >= 0) {
        report->is_one_ledger = !is_dir;
        if (is_dir && pk_timeline_read(records, &report->timeline) == -EBADMSG) {
            pk_load_warn(report, &warnings,
                         "The timeline is damaged: memory over time is not shown.");
        }
        if (names.is_cut) {
            pk_load_warn(report, &warnings,
                         "There are more ledgers than a report can take: some are not in it.");
        }
        r = pk_gather(report, records, &names, &warnings, error, error_size);
    } else {
        snprintf(error, error_size, "%s cannot be read: %s", result_dir, strerror(-r));
    }
    free_names(&names);
    if (r >= 0) {
        r = build_report(report, dir, choice, &warnings);
        if (r < 0) {
            snprintf(error, error_size, "%s cannot be rendered: %s", result_dir, strerror(-r));
        }
    }
    if (r < 0) {
        pk_report_free(report);
        return r;
    }
    *ret_report = report;
    return 0;
}

int pk_report_write(const struct pk_report *report, enum pk_report_format format, FILE *out,
                    const struct pk_report_options *options) {
    int r = -EINVAL;
    switch (format) {
    case PK_FORMAT_HTML:
        r = pk_write_html(report, out);
        break;
    case PK_FORMAT_TEXT:
        r = pk_write_text(report, out, options);
        break;
    case PK_FORMAT_JSON:
        r = pk_write_json(report, out);
        break;
    case PK_FORMAT_FOLDED:
        r = pk_write_folded(report, out);
        break;
    case PK_FORMAT_PPROF:
        r = pk_write_pprof(report, out);
        break;
    case PK_FORMAT_SPEEDSCOPE:
        r = pk_write_speedscope(report, out);
        break;
    case PK_FORMAT_DHAT:
        r = pk_write_dhat(report, out);
        break;
    case PK_FORMAT_MARKDOWN:
        r = pk_write_markdown(report, out);
        break;
    case PK_FORMAT_CSV:
        r = pk_write_csv(report, out);
        break;
    case PK_FORMAT_GITHUB:
        r = pk_write_github(report, out, options);
        break;
    }
    return r < 0 ? r : pk_stream_finish(out);
}

uint64_t pk_report_peak_bytes(const struct pk_report *report) {
    return report->view.peak_bytes;
}

void pk_report_free(struct pk_report *report) {
    if (report != NULL) {
        pk_view_free(&report->view);
        pk_tree_snapshot_free(report->tree);
        pk_run_info_free(report->run);
        free(report->timeline);
        if (report->rules.hide != NULL) {
            regfree(&report->hide);
        }
        if (report->rules.show != NULL) {
            regfree(&report->show);
        }
        pk_pool_free(&report->pool);
        free(report);
    }
}
