/* SPDX-License-Identifier: Apache-2.0
 * Rules for file names. The first that fits decides:
 *
 *   <frozen importlib...>, <frozen zipimport>, importlib/_bootstrap*.py   import machinery
 *   <frozen ...>                                                          standard library
 *   <stdin>, <console>, <ipython-input-...>, <doctest ...> and the like   user
 *   <string>                                                              user with -c; library
 *   <...>: attrs, numpy, sympy make code                                  library
 *   .../site-packages/..., .../dist-packages/..., wherever they are       library
 *   .../lib/pythonX.Y/..., .../pythonXY.zip/..., the rules' stdlib        standard library
 *   everything else: also editable installs, notebooks                    user
 *
 * May use pool.h. */
#include "report/paths.h"

#include <string.h>

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && memcmp(text + length - end_length, end, end_length) == 0;
}

static const char *skip_digits(const char *text) {
    while (*text >= '0' && *text <= '9') {
        text++;
    }
    return text;
}

const char *pk_path_resolve(struct pk_pool *pool, const struct pk_path_rules *rules,
                            const char *path) {
    if (path[0] == '\0' || path[0] == '<') {
        return path;
    }
    bool is_relative = path[0] != '/' && rules->directory != NULL;
    size_t prefix = is_relative ? strlen(rules->directory) : 0;
    char *joined = pk_pool_array(pool, prefix + strlen(path) + 2, 1);
    if (joined == NULL) {
        return NULL;
    }
    if (is_relative) {
        memcpy(joined, rules->directory, prefix);
        joined[prefix] = '/';
        strcpy(joined + prefix + 1, path);
    } else {
        strcpy(joined, path);
    }
    char *to = joined;
    for (const char *from = joined; *from != '\0';) {
        if (from[0] == '/' && from[1] == '/') {
            from++;
        } else if (from[0] == '/' && from[1] == '.' && from[2] == '/') {
            from += 2;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return joined;
}

static enum pk_file_kind classify_pseudo_file(const struct pk_path_rules *rules, const char *path) {
    static const char *const typed[] = {"<stdin>",        "<console>",     "<input>",
                                        "<ipython-input", "<python-input", "<doctest"};
    if (starts_with(path, "<frozen importlib") || starts_with(path, "<frozen zipimport")) {
        return PK_FILE_IMPORT;
    }
    if (starts_with(path, "<frozen ")) {
        return PK_FILE_STDLIB;
    }
    if (strcmp(path, "<string>") == 0) {
        return rules->string_is_user ? PK_FILE_USER : PK_FILE_LIBRARY;
    }
    for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
        if (starts_with(path, typed[i])) {
            return PK_FILE_USER;
        }
    }
    return PK_FILE_LIBRARY;
}

/* What is behind the last `lib/python3.11/`, `lib64/python3.13t/` or `python311.zip/` of the path;
 * NULL without any. */
static const char *skip_stdlib(const char *path) {
    const char *found = NULL;
    for (const char *at = strstr(path, "/python"); at != NULL; at = strstr(at + 1, "/python")) {
        const char *major = at + strlen("/python");
        const char *after = skip_digits(major);
        if (after > major && starts_with(after, ".zip/")) {
            found = after + strlen(".zip/");
            continue;
        }
        if (after == major || *after != '.') {
            continue;
        }
        const char *minor = after + 1;
        after = skip_digits(minor);
        if (after > minor && *after == 't') {
            after++; // free-threaded
        }
        size_t before = (size_t)(at - path);
        bool is_lib = (before >= 4 && memcmp(at - 4, "/lib", 4) == 0) ||
                      (before >= 6 && memcmp(at - 6, "/lib64", 6) == 0) ||
                      (before >= 6 && memcmp(at - 6, "/lib32", 6) == 0);
        if (after > minor && *after == '/' && is_lib) {
            found = after + 1;
        }
    }
    return found;
}

/* The same of the rules' own standard library. */
static const char *skip_own_stdlib(const struct pk_path_rules *rules, const char *path) {
    size_t length = rules->stdlib == NULL ? 0 : strlen(rules->stdlib);
    bool is_below = length > 0 && strncmp(path, rules->stdlib, length) == 0 && path[length] == '/';
    return is_below ? path + length + 1 : NULL;
}

/* What is behind the last `site-packages/` or `dist-packages/`; NULL without any. */
static const char *skip_packages(const char *path) {
    static const char *const names[] = {"/site-packages/", "/dist-packages/"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (const char *at = strstr(path, names[i]); at != NULL; at = strstr(at + 1, names[i])) {
            const char *rest = at + strlen(names[i]);
            found = found == NULL || rest > found ? rest : found;
        }
    }
    return found;
}

static bool is_below(const char *directory, const char *path) {
    size_t length = strlen(directory);
    while (length > 0 && directory[length - 1] == '/') {
        length--;
    }
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static enum pk_file_kind classify_file(const struct pk_path_rules *rules, const char *path);

enum pk_file_kind pk_path_kind(const struct pk_path_rules *rules, const char *path) {
    if (path[0] == '\0') {
        return PK_FILE_NONE;
    }
    if (rules->show != NULL && regexec(rules->show, path, 0, NULL, 0) == 0) {
        return PK_FILE_USER;
    }
    bool is_hidden = rules->hide != NULL && regexec(rules->hide, path, 0, NULL, 0) == 0;
    enum pk_file_kind kind = classify_file(rules, path);
    if (rules->project != NULL && skip_packages(path) == NULL) {
        bool is_mine = is_below(rules->project, path);
        bool is_foreign = kind == PK_FILE_USER && path[0] == '/';
        kind = is_mine ? PK_FILE_USER : is_foreign ? PK_FILE_LIBRARY : kind;
    }
    return is_hidden && kind == PK_FILE_USER ? PK_FILE_LIBRARY : kind;
}

static enum pk_file_kind classify_file(const struct pk_path_rules *rules, const char *path) {
    if (path[0] == '<') {
        return classify_pseudo_file(rules, path);
    }
    if (skip_packages(path) != NULL) {
        return PK_FILE_LIBRARY;
    }
    if (skip_stdlib(path) == NULL && skip_own_stdlib(rules, path) == NULL) {
        return PK_FILE_USER;
    }
    return ends_with(path, "/importlib/_bootstrap.py") ||
                   ends_with(path, "/importlib/_bootstrap_external.py")
               ? PK_FILE_IMPORT
               : PK_FILE_STDLIB;
}

const char *pk_path_short(const struct pk_path_rules *rules, const char *path) {
    size_t length = rules->directory == NULL ? 0 : strlen(rules->directory);
    while (length > 0 && rules->directory[length - 1] == '/') {
        length--;
    }
    if (length > 0 && strncmp(path, rules->directory, length) == 0 && path[length] == '/' &&
        path[length + 1] != '\0') {
        return path + length + 1;
    }
    return path;
}

const char *pk_path_spoken(const struct pk_path_rules *rules, const char *path) {
    const char *rest = path[0] == '/' ? skip_packages(path) : NULL;
    if (rest == NULL && path[0] == '/') {
        rest = skip_own_stdlib(rules, path);
        rest = rest != NULL ? rest : skip_stdlib(path);
    }
    return rest != NULL && rest[0] != '\0' ? rest : pk_path_short(rules, path);
}

size_t pk_path_stdlib_length(const char *path) {
    static const char end[] = "/encodings/__init__.py";
    if (path[0] != '/' || skip_packages(path) != NULL || !ends_with(path, end)) {
        return 0;
    }
    return strlen(path) - strlen(end);
}
