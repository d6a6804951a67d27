/* SPDX-License-Identifier: Apache-2.0
 * See settings.h. */
#include "cli/settings.h"

#include "cli/nearest.h"
#include "cli/toml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLE "tool.peakline"
#define MOST_FILE_BYTES (16 << 20) /* a pyproject.toml of more is not one */
#define MOST_KEYS (8 * PK_OPTS_MAX)

/* ---- one value, wherever it was found -------------------------------------------------------- */

static bool is_one_of(const char *word, const char *words) {
    size_t length = strlen(word);

    for (const char *at = words; *at != '\0'; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        if (size == length && strncmp(at, word, size) == 0) {
            return true;
        }
        at += size;
    }
    return false;
}

/* Set a row that is still open. `text` NULL: a switch that is off. `source` is what to call it. */
static int set_row(struct pk_opts *opts, size_t row, const char *text, const char *source,
                   struct pk_failure *failure) {
    const char *words = opts->table[row].words;

    if (text != NULL && words != NULL && !is_one_of(text, words)) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "%s is %s; it takes one of these words: %s", source, text, words);
    }
    char *value = text != NULL ? strdup(text) : NULL;
    opts->sources[row] = strdup(source);
    if (opts->sources[row] == NULL || (text != NULL && value == NULL)) {
        free(value);
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "not enough memory");
    }
    opts->values[row] = value;
    opts->is_off[row] = text == NULL;
    return 0;
}

static bool is_open(const struct pk_opts *opts, size_t row) {
    return opts->values[row] == NULL && !opts->is_off[row] &&
           pk_option_key(&opts->table[row]) != NULL;
}

/* ---- the environment ------------------------------------------------------------------------- */

static int apply_variable(struct pk_opts *opts, size_t row, struct pk_failure *failure) {
    static const char yes[] = "1 true yes on", no[] = "0 false no off";
    const struct pk_option *option = &opts->table[row];
    char name[PK_OPTS_NAME_ROOM];
    const char *value = getenv(pk_option_variable(option, name));

    if (value == NULL || value[0] == '\0') {
        return 0; // empty is not set: the way to take a variable back for one command
    }
    if (option->value != NULL) {
        return set_row(opts, row, value, name, failure);
    }
    char word[8];
    (void)snprintf(word, sizeof(word), "%s", value);
    for (char *at = word; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    if (strlen(value) >= sizeof(word) || (!is_one_of(word, yes) && !is_one_of(word, no))) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "%s switches --%s on or off; it takes 1 or 0, not %s", name,
                              option->name, value);
    }
    return set_row(opts, row, is_one_of(word, yes) ? "" : NULL, name, failure);
}

/* ---- the file -------------------------------------------------------------------------------- */

struct reading {
    struct pk_opts *opts;
    const struct pk_option *const *tables;
    const char *path;
    struct pk_failure *failure;
    struct {
        const struct pk_option *option;
        int line;
    } seen[MOST_KEYS];
    size_t seen_count;
};

static const struct pk_option *find_key(const struct pk_option *table, const char *key) {
    for (const struct pk_option *row = table; row->name != NULL; row++) {
        const char *own = pk_option_key(row);
        if (own != NULL && strcmp(own, key) == 0) {
            return row;
        }
    }
    return NULL;
}

static int refuse_key(const struct reading *reading, const struct pk_toml_entry *entry) {
    const char *keys[MOST_KEYS + 1] = {NULL};
    size_t count = 0;

    for (size_t i = 0; reading->tables[i] != NULL; i++) {
        for (const struct pk_option *row = reading->tables[i]; row->name != NULL; row++) {
            if (pk_option_key(row) != NULL && count < MOST_KEYS) {
                keys[count++] = pk_option_key(row);
            }
        }
    }
    if (entry->key[0] == '\0') { // `peakline = 3` below [tool]
        return pk_failure_set(reading->failure, -EINVAL, PK_EXIT_USAGE,
                              "%s:%d: " TABLE " is a table; write [" TABLE "] and keys below it",
                              reading->path, entry->line);
    }
    const char *nearest = pk_nearest(entry->key, keys);
    return pk_failure_set(
        reading->failure, -EINVAL, PK_EXIT_USAGE, "%s:%d: [" TABLE "] has no key %s; %s%s%s",
        reading->path, entry->line, entry->key,
        nearest != NULL ? "did you mean " : "`peakline run --help` lists the options",
        nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

static const char *name_kind(enum pk_toml_kind kind) {
    static const char *const names[] = {
        [PK_TOML_STRING] = "a string", [PK_TOML_INTEGER] = "a number",
        [PK_TOML_FLOAT] = "a number",  [PK_TOML_BOOLEAN] = "true or false",
        [PK_TOML_ARRAY] = "an array",
    };
    return names[kind];
}

/* "SRC" in /p/pyproject.toml is /p/SRC. */
static const char *place_path(const struct reading *reading, const struct pk_option *option,
                              const char *text, char *ret_path) {
    const char *slash = strrchr(reading->path, '/');
    bool is_path = option->kind == PK_OPTION_PATH ||
                   (option->kind == PK_OPTION_PROGRAM && strchr(text, '/') != NULL);

    if (!is_path || text[0] == '/' || text[0] == '\0' || strcmp(text, "-") == 0 ||
        snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)(slash - reading->path), reading->path,
                 text) >= PATH_MAX) {
        return text;
    }
    return ret_path;
}

static int take_entry(void *context, const struct pk_toml_entry *entry) {
    struct reading *reading = context;
    struct pk_opts *opts = reading->opts;
    const struct pk_option *option = NULL;
    char source[PATH_MAX + PK_OPTS_NAME_ROOM + 32], path[PATH_MAX];

    for (size_t i = 0; option == NULL && reading->tables[i] != NULL; i++) {
        option = find_key(reading->tables[i], entry->key);
    }
    if (option == NULL) {
        return refuse_key(reading, entry);
    }
    for (size_t i = 0; i < reading->seen_count; i++) {
        if (strcmp(pk_option_key(reading->seen[i].option), entry->key) == 0) {
            return pk_failure_set(reading->failure, -EINVAL, PK_EXIT_USAGE,
                                  "%s:%d: %s is there twice, first in line %d", reading->path,
                                  entry->line, entry->key, reading->seen[i].line);
        }
    }
    reading->seen[reading->seen_count].option = option;
    reading->seen[reading->seen_count++].line = entry->line;
    bool is_switch = option->value == NULL;
    if (entry->kind == PK_TOML_ARRAY || is_switch != (entry->kind == PK_TOML_BOOLEAN)) {
        return pk_failure_set(reading->failure, -EINVAL, PK_EXIT_USAGE,
                              "%s:%d: %s needs %s, not %s", reading->path, entry->line, entry->key,
                              is_switch ? "true or false" : "a string or a number",
                              name_kind(entry->kind));
    }
    option = find_key(opts->table, entry->key); // this command's own row
    if (option == NULL || !is_open(opts, (size_t)(option - opts->table))) {
        return 0;
    }
    (void)snprintf(source, sizeof(source), "%s (%s:%d)", entry->key, reading->path, entry->line);
    const char *text = is_switch ? "" : place_path(reading, option, entry->text, path);
    return set_row(opts, (size_t)(option - opts->table),
                   is_switch && strcmp(entry->text, "true") != 0 ? NULL : text, source,
                   reading->failure);
}

/* The whole file. Returns 0, or a negative errno. */
static int load(const char *path, char **ret_text, size_t *ret_size) {
    struct stat status;
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = fd < 0 || fstat(fd, &status) != 0 ? -errno : 0;

    if (error == 0 && !S_ISREG(status.st_mode)) {
        error = -EINVAL;
    }
    if (error == 0 && status.st_size > MOST_FILE_BYTES) {
        error = -EFBIG;
    }
    char *text = error == 0 ? malloc((size_t)status.st_size + 1) : NULL;
    if (error == 0 && text == NULL) {
        error = -ENOMEM;
    }
    while (error == 0 && used < (size_t)status.st_size) {
        ssize_t got = read(fd, text + used, (size_t)status.st_size - used);
        if (got <= 0) {
            error = got < 0 ? -errno : 0;
            break;
        }
        used += (size_t)got;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (error != 0) {
        free(text);
        return error;
    }
    *ret_text = text;
    *ret_size = used;
    return 0;
}

static int apply_file(struct reading *reading) {
    struct pk_toml_error wrong = {0};
    char *text = NULL;
    size_t size = 0;
    int error = load(reading->path, &text, &size);

    if (error != 0) {
        return pk_failure_set(reading->failure, -EINVAL, PK_EXIT_USAGE,
                              "cannot read %s: %s; options may be set in it", reading->path,
                              strerror(-error));
    }
    error = pk_toml_read(text, size, TABLE, take_entry, reading, &wrong);
    free(text);
    if (error == -EBADMSG) {
        return pk_failure_set(reading->failure, -EINVAL, PK_EXIT_USAGE, "%s:%d: %s", reading->path,
                              wrong.line, wrong.text);
    }
    return error == -ENOMEM
               ? pk_failure_set(reading->failure, -EINVAL, PK_EXIT_USAGE, "not enough memory")
               : error;
}

int pk_settings_find(const char *directory, char *ret_path) {
    char place[PATH_MAX];

    if (directory[0] != '/' || snprintf(place, sizeof(place), "%s", directory) >= PATH_MAX) {
        return -ENOENT;
    }
    for (;;) {
        size_t length = strlen(place);
        while (length > 0 && place[length - 1] == '/') {
            place[--length] = '\0';
        }
        if (snprintf(ret_path, PATH_MAX, "%s/pyproject.toml", place) < PATH_MAX &&
            access(ret_path, F_OK) == 0) {
            return 0;
        }
        char *slash = strrchr(place, '/');
        if (slash == NULL) {
            ret_path[0] = '\0';
            return -ENOENT;
        }
        *slash = '\0';
    }
}

int pk_settings_apply(struct pk_opts *opts, const struct pk_option *const *tables,
                      struct pk_settings *ret_settings, struct pk_failure *failure) {
    struct reading reading = {
        .opts = opts, .tables = tables, .path = ret_settings->path, .failure = failure};
    char directory[PATH_MAX];
    int error = 0;

    ret_settings->path[0] = '\0';
    for (size_t i = 0; error == 0 && opts->table[i].name != NULL; i++) {
        if (is_open(opts, i)) {
            error = apply_variable(opts, i, failure);
        }
    }
    if (error == 0 && getcwd(directory, sizeof(directory)) != NULL &&
        pk_settings_find(directory, ret_settings->path) == 0) {
        error = apply_file(&reading);
    }
    return error;
}

void pk_settings_print(const struct pk_settings *settings, const struct pk_opts *opts, FILE *out) {
    char call[PATH_MAX + 128];

    (void)fprintf(out, "peakline: settings from %s\n",
                  settings->path[0] != '\0' ? settings->path
                                            : "the environment (there is no pyproject.toml here "
                                              "or above)");
    for (size_t i = 0; opts->table[i].name != NULL; i++) {
        const struct pk_option *option = &opts->table[i];
        if (opts->values[i] == NULL && !opts->is_off[i]) {
            continue;
        }
        const char *shown = option->value != NULL ? opts->values[i]
                            : opts->is_off[i]     ? "no"
                                                  : "yes";
        (void)fprintf(out, "peakline:   %s = %s, from %s\n", option->name, shown,
                      opts->sources[i] != NULL
                          ? pk_opts_call(opts, option->name, call, sizeof(call))
                          : "the command line");
    }
}
