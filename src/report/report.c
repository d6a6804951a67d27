/* SPDX-License-Identifier: Apache-2.0
 * The door: finds what a result directory holds, loads it, and hands it to the writers.
 * May use record and the room's own headers. */
#include "report/report.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "report/model.h"
#include "report/source.h"

#define MAX_LEDGERS 4096u

/* The names of the ledgers in a directory, sorted; freed with free_names. */
struct names {
    char **list;
    size_t count;
};

static void free_names(struct names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i]);
    }
    free(names->list);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int list_ledgers(const char *dir, struct names *ret_names) {
    DIR *stream = opendir(dir);
    int r = 0;
    *ret_names = (struct names){.list = calloc(MAX_LEDGERS, sizeof(char *))};
    if (stream == NULL || ret_names->list == NULL) {
        r = stream == NULL ? -errno : -ENOMEM;
    }
    while (r >= 0 && ret_names->count < MAX_LEDGERS) {
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            break;
        }
        if (strncmp(entry->d_name, "ledger-", strlen("ledger-")) == 0) {
            char *name = strdup(entry->d_name);
            if (name == NULL) {
                r = -ENOMEM;
                break;
            }
            ret_names->list[ret_names->count++] = name;
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
    if (r < 0) {
        free_names(ret_names);
        return r;
    }
    qsort(ret_names->list, ret_names->count, sizeof(char *), compare_names);
    return 0;
}

/* A process's line in the list of all, from its snapshot. */
static void describe_process(struct pk_report *report, const char *name,
                             const struct pk_snapshot *snapshot) {
    struct pk_report_process *process = &report->processes[report->process_count++];
    uint64_t recorded = snapshot->header.peak_bytes;

    process->ledger = pk_pool_text(&report->pool, name, strlen(name));
    process->pid = snapshot->header.pid;
    process->parent_pid = snapshot->header.parent_pid;
    process->peak_bytes = snapshot->share_bytes > recorded ? snapshot->share_bytes : recorded;
    process->is_tree_known = snapshot->header.tree_peak_bytes > 0;
    for (uint32_t node = PK_NODE_ROOT; process->is_tree_known && node < snapshot->node_count;
         node++) {
        uint64_t bytes, blocks;
        pk_snapshot_tree_share(snapshot, node, &bytes, &blocks);
        process->tree_bytes += bytes;
    }
}

/* Keep the snapshot if it is the largest so far, else let it go. */
static void keep_largest(struct pk_report *report, struct pk_snapshot *snapshot) {
    uint32_t index = report->process_count - 1;
    if (report->snapshot == NULL ||
        report->processes[index].peak_bytes > report->processes[report->main_process].peak_bytes) {
        pk_snapshot_free(report->snapshot);
        report->snapshot = snapshot;
        report->main_process = index;
    } else {
        pk_snapshot_free(snapshot);
    }
}

/* Load all ledgers; those that cannot be read become warnings while there is one that can. */
static int load_ledgers(struct pk_report *report, const char *dir, const struct names *names,
                        char **warnings, size_t warning_room, char *error, size_t error_size) {
    int first_failure = 0;
    size_t warning_count = 0;

    report->processes = pk_pool_array(&report->pool, names->count, sizeof(*report->processes));
    if (report->processes == NULL) {
        snprintf(error, error_size, "%s cannot be read: not enough memory", dir);
        return -ENOMEM;
    }
    for (size_t i = 0; i < names->count; i++) {
        char path[4096 + 256], why[512];
        struct pk_snapshot *snapshot;
        snprintf(path, sizeof(path), "%s/%s", dir, names->list[i]);
        int r = pk_snapshot_read(path, &snapshot, why, sizeof(why));
        if (r >= 0) {
            describe_process(report, names->list[i], snapshot);
            keep_largest(report, snapshot);
            continue;
        }
        if (warning_count + 1 < warning_room) {
            char sentence[sizeof(why) + 1];
            int length = snprintf(sentence, sizeof(sentence), "%s.", why);
            warnings[warning_count] = pk_pool_text(&report->pool, sentence, (size_t)length);
            warning_count += warnings[warning_count] != NULL ? 1u : 0u;
        }
        if (first_failure == 0) {
            first_failure = r;
            snprintf(error, error_size, "%s", why);
        }
    }
    if (report->snapshot != NULL) {
        return 0;
    }
    return first_failure;
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

static int build_report(struct pk_report *report, char *const *load_warnings) {
    report->rules.directory = report->run != NULL ? report->run->directory : NULL;
    report->command_text = find_command_text(report->run);
    report->rules.string_is_user = report->run == NULL || report->command_text != NULL;
    if (report->process_count == 1 && !report->processes[0].is_tree_known) {
        report->processes[0].tree_bytes = report->processes[0].peak_bytes;
        report->processes[0].is_tree_known = true;
    }
    int r = pk_view_build(report->snapshot, &report->rules, &report->view);
    if (r < 0) {
        return r;
    }
    int64_t start = report->run != NULL && report->run->start_unix_ns > 0
                        ? report->run->start_unix_ns
                        : (int64_t)report->snapshot->header.start_unix_ns;
    r = pk_source_fill(&report->view, start, report->command_text);
    return r < 0 ? r : pk_report_derive(report, load_warnings);
}

/* Where the ledgers are: the directory's own, or the one file that was named. */
static int find_ledgers(const char *path, char ret_dir[4096], struct names *ret_names,
                        bool *ret_is_dir, char *error, size_t error_size) {
    struct stat status;
    *ret_names = (struct names){0};
    if (strlen(path) >= 4096 || stat(path, &status) < 0) {
        int code = strlen(path) >= 4096 ? ENAMETOOLONG : errno;
        snprintf(error, error_size, "%s cannot be read: %s", path, strerror(code));
        return -code;
    }
    *ret_is_dir = S_ISDIR(status.st_mode);
    if (*ret_is_dir) {
        strcpy(ret_dir, path);
        int r = list_ledgers(path, ret_names);
        if (r < 0) {
            snprintf(error, error_size, "%s cannot be read: %s", path, strerror(-r));
        } else if (ret_names->count == 0) {
            snprintf(error, error_size,
                     "%s holds no ledger; name the result directory of a `peakline run`", path);
            free_names(ret_names);
            r = -ENOENT;
        }
        return r;
    }
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(ret_dir, slash == NULL ? "." : path, length);
    ret_dir[length] = '\0';
    ret_names->list = calloc(1, sizeof(char *));
    char *name = strdup(slash == NULL ? path : slash + 1);
    if (ret_names->list == NULL || name == NULL) {
        free(ret_names->list);
        free(name);
        snprintf(error, error_size, "%s cannot be read: not enough memory", path);
        return -ENOMEM;
    }
    ret_names->list[ret_names->count++] = name;
    return 0;
}

int pk_report_load(const char *result_dir, struct pk_report **ret_report, char *error,
                   size_t error_size) {
    static char damaged_run[] =
        "run.json is damaged: how the program was started and ended is not known.";
    char dir[4096];
    struct names names;
    bool is_dir = false;
    char *warnings[34] = {NULL};

    *ret_report = NULL;
    int r = find_ledgers(result_dir, dir, &names, &is_dir, error, error_size);
    if (r < 0) {
        return r;
    }
    struct pk_report *report = calloc(1, sizeof(*report));
    if (report == NULL) {
        free_names(&names);
        snprintf(error, error_size, "%s cannot be read: not enough memory", result_dir);
        return -ENOMEM;
    }
    r = load_ledgers(report, dir, &names, warnings, PK_LEN(warnings) - 1, error, error_size);
    free_names(&names);
    if (r >= 0) {
        r = pk_run_info_read(dir, &report->run);
        if (r < 0 && r != -ENOENT && r != -ENOMEM) {
            size_t last = 0;
            while (warnings[last] != NULL) {
                last++;
            }
            warnings[last] = damaged_run;
        }
        r = r == -ENOMEM ? r : build_report(report, warnings);
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
    }
    if (r < 0) {
        return r;
    }
    errno = 0;
    if (fflush(out) != 0 || ferror(out) != 0) {
        return errno != 0 ? -errno : -EIO;
    }
    return 0;
}

uint64_t pk_report_peak_bytes(const struct pk_report *report) {
    return report->view.peak_bytes;
}

void pk_report_free(struct pk_report *report) {
    if (report != NULL) {
        pk_view_free(&report->view);
        pk_snapshot_free(report->snapshot);
        pk_run_info_free(report->run);
        pk_pool_free(&report->pool);
        free(report);
    }
}
