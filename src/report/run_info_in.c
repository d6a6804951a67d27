/* SPDX-License-Identifier: Apache-2.0
 * run.json, read back. May use json.h. Must stay true: a file that is not ours, or half of one, is
 * refused and nothing is held; keys of later versions are skipped. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "report/json.h"
#include "report/report.h"
#include "report/run_info.h"

#define MAX_FILE_BYTES (16u << 20) /* a command line is at most a few MiB */

/* The whole small file, NUL-terminated. */
static int read_file(const char *dir, char **ret_text, size_t *ret_size) {
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -errno;
    }
    int fd = openat(dir_fd, "run.json", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int r = fd < 0 ? -errno : 0;
    close(dir_fd);
    if (r < 0) {
        return r;
    }
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        status.st_size > (off_t)MAX_FILE_BYTES) {
        close(fd);
        return -EBADMSG;
    }
    size_t size = (size_t)status.st_size, done = 0;
    char *text = malloc(size + 1);
    if (text == NULL) {
        close(fd);
        return -ENOMEM;
    }
    while (done < size) {
        ssize_t got = read(fd, text + done, size - done);
        if (got <= 0) {
            break;
        }
        done += (size_t)got;
    }
    close(fd);
    text[done] = '\0';
    *ret_text = text;
    *ret_size = done;
    return 0;
}

/* An array of strings behind its key. */
static bool read_texts(struct pk_json_reader *reader, char *const **ret_texts) {
    char **texts = calloc(1, sizeof(*texts));
    size_t count = 0, room = 1;
    *ret_texts = texts;
    if (texts == NULL || pk_json_next(reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    for (;;) {
        enum pk_json_token token = pk_json_next(reader);
        if (token == PK_JSON_END_ARRAY) {
            return true;
        }
        if (token != PK_JSON_STRING) {
            return false;
        }
        if (count + 2 > room) {
            room = room * 2 + 8;
            char **grown = realloc(texts, room * sizeof(*texts));
            if (grown == NULL) {
                return false;
            }
            texts = grown;
            *ret_texts = texts;
        }
        texts[count++] = pk_json_take_string(reader);
        texts[count] = NULL;
    }
}

/* A string or null behind its key. */
static bool read_text(struct pk_json_reader *reader, const char **ret_text) {
    enum pk_json_token token = pk_json_next(reader);
    free((char *)(uintptr_t)*ret_text); // a key given twice
    *ret_text = token == PK_JSON_STRING ? pk_json_take_string(reader) : NULL;
    return token == PK_JSON_STRING || token == PK_JSON_NULL;
}

static bool read_number(struct pk_json_reader *reader, int64_t *ret_number) {
    bool is_number = pk_json_next(reader) == PK_JSON_NUMBER;
    *ret_number = is_number ? reader->number : 0;
    return is_number;
}

/* A number that is none below zero, into the uint64_t at `place`. */
static bool read_amount(struct pk_json_reader *reader, void *place) {
    int64_t number = 0;
    bool is_good = read_number(reader, &number);
    *(uint64_t *)place = number > 0 ? (uint64_t)number : 0;
    return is_good;
}

static bool read_bool(struct pk_json_reader *reader, bool *ret_value) {
    enum pk_json_token token = pk_json_next(reader);
    *ret_value = token == PK_JSON_TRUE;
    return token == PK_JSON_TRUE || token == PK_JSON_FALSE;
}

static bool read_outcome(struct pk_json_reader *reader, struct pk_run_info *info) {
    if (pk_json_next(reader) != PK_JSON_BEGIN_OBJECT) {
        return false;
    }
    for (;;) {
        enum pk_json_token token = pk_json_next(reader);
        if (token != PK_JSON_KEY) {
            return token == PK_JSON_END_OBJECT;
        }
        int64_t number = 0;
        bool is_good;
        if (strcmp(reader->string, "kind") == 0) {
            is_good = pk_json_next(reader) == PK_JSON_STRING;
            for (unsigned i = 0; is_good && i < PK_LEN(pk_run_outcome_names); i++) {
                if (strcmp(reader->string, pk_run_outcome_names[i]) == 0) {
                    info->outcome = (enum pk_run_outcome)i;
                }
            }
        } else if (strcmp(reader->string, "code") == 0) {
            is_good = read_number(reader, &number);
            info->code = (int)(number & 0xffff);
        } else if (strcmp(reader->string, "signal") == 0) {
            is_good = read_number(reader, &number);
            info->signal = (int)(number & 0xff);
        } else {
            is_good = pk_json_skip(reader);
        }
        if (!is_good) {
            return false;
        }
    }
}

static bool read_oom_member(struct pk_json_reader *reader, struct pk_run_oom *oom) {
    const char *key = reader->string;
    if (strcmp(key, "kind") == 0) {
        bool is_text = pk_json_next(reader) == PK_JSON_STRING;
        for (unsigned i = 0; is_text && i < PK_RUN_OOM_KINDS; i++) {
            if (strcmp(reader->string, pk_run_oom_names[i]) == 0) {
                oom->kind = (enum pk_oom_kind)i;
            }
        }
        return is_text;
    }
    if (strcmp(key, "killed_pid") == 0) {
        return read_number(reader, &oom->killed_pid);
    }
    if (strcmp(key, "is_program") == 0) {
        return read_bool(reader, &oom->is_program);
    }
    if (strcmp(key, "is_certain") == 0) {
        return read_bool(reader, &oom->is_certain);
    }
    if (strcmp(key, "path") == 0) {
        return read_text(reader, &oom->path);
    }
    for (size_t i = 0; i < pk_run_oom_number_count; i++) {
        if (strcmp(key, pk_run_oom_numbers[i].key) == 0) {
            return read_amount(reader, (char *)oom + pk_run_oom_numbers[i].offset);
        }
    }
    return pk_json_skip(reader);
}

static bool read_oom(struct pk_json_reader *reader, struct pk_run_oom *oom) {
    bool is_good = pk_json_next(reader) == PK_JSON_BEGIN_OBJECT;
    while (is_good) {
        enum pk_json_token token = pk_json_next(reader);
        if (token != PK_JSON_KEY) {
            return token == PK_JSON_END_OBJECT;
        }
        is_good = read_oom_member(reader, oom);
    }
    return false;
}

/* One object, behind its start. */
static bool read_group(struct pk_json_reader *reader, struct pk_run_group *group) {
    for (;;) {
        enum pk_json_token token = pk_json_next(reader);
        if (token != PK_JSON_KEY) {
            return token == PK_JSON_END_OBJECT;
        }
        bool is_good = true, is_known = true;
        if (strcmp(reader->string, "directory") == 0) {
            is_good = read_text(reader, &group->directory);
        } else if (strcmp(reader->string, "path") == 0) {
            is_good = read_text(reader, &group->path);
        } else {
            is_known = false;
        }
        for (size_t i = 0; !is_known && i < pk_run_group_number_count; i++) {
            if (strcmp(reader->string, pk_run_group_numbers[i].key) == 0) {
                is_known = true;
                is_good = read_number(reader,
                                      (int64_t *)((char *)group + pk_run_group_numbers[i].offset));
            }
        }
        if (!is_known) {
            is_good = pk_json_skip(reader);
        }
        if (!is_good) {
            return false;
        }
    }
}

static void free_groups(struct pk_run_info *info) {
    for (uint64_t i = 0; i < info->group_count; i++) {
        free((char *)(uintptr_t)info->groups[i].directory);
        free((char *)(uintptr_t)info->groups[i].path);
    }
    free((void *)(uintptr_t)info->groups);
    info->groups = NULL;
    info->group_count = 0;
}

static bool read_groups(struct pk_json_reader *reader, struct pk_run_info *info) {
    free_groups(info); // a key given twice
    if (pk_json_next(reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    struct pk_run_group *groups = calloc(PK_RUN_MAX_GROUPS, sizeof(*groups));
    info->groups = groups;
    for (;;) {
        enum pk_json_token token = pk_json_next(reader);
        if (token != PK_JSON_BEGIN_OBJECT || groups == NULL ||
            info->group_count == PK_RUN_MAX_GROUPS) {
            return token == PK_JSON_END_ARRAY;
        }
        if (!read_group(reader, &groups[info->group_count++])) {
            return false;
        }
    }
}

static void free_texts(char *const *texts) {
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        free(texts[i]);
    }
    free((void *)(uintptr_t)texts);
}

static bool read_member(struct pk_json_reader *reader, struct pk_run_info *info,
                        int64_t *ret_format) {
    const char *key = reader->string;
    if (strcmp(key, "format") == 0) {
        return read_number(reader, ret_format);
    }
    if (strcmp(key, "tool") == 0) {
        return read_text(reader, &info->tool);
    }
    if (strcmp(key, "command") == 0) {
        free_texts(info->argv);
        return read_texts(reader, &info->argv);
    }
    if (strcmp(key, "directory") == 0) {
        return read_text(reader, &info->directory);
    }
    if (strcmp(key, "start_unix_ns") == 0) {
        return read_number(reader, &info->start_unix_ns);
    }
    if (strcmp(key, "end_unix_ns") == 0) {
        return read_number(reader, &info->end_unix_ns);
    }
    if (strcmp(key, "outcome") == 0) {
        return read_outcome(reader, info);
    }
    if (strcmp(key, "headline") == 0) {
        return read_text(reader, &info->headline);
    }
    if (strcmp(key, "boot_id") == 0) {
        return read_text(reader, &info->boot_id);
    }
    if (strcmp(key, "machine_oom_kills") == 0) {
        return read_number(reader, &info->machine_oom_kills);
    }
    if (strcmp(key, "oom") == 0) {
        return read_oom(reader, &info->oom);
    }
    if (strcmp(key, "groups") == 0) {
        return read_groups(reader, info);
    }
    for (size_t i = 0; i < pk_run_number_count; i++) {
        if (strcmp(key, pk_run_numbers[i].key) == 0) {
            return read_amount(reader, (char *)info + pk_run_numbers[i].offset);
        }
    }
    if (strcmp(key, "warnings") == 0) {
        free_texts(info->warnings);
        return read_texts(reader, &info->warnings);
    }
    return pk_json_skip(reader); // of a later version
}

static bool parse_info(const char *text, size_t size, struct pk_run_info *info) {
    struct pk_json_reader reader;
    int64_t format = 0;
    bool is_good = true;

    pk_json_reader_start(&reader, text, size);
    is_good = pk_json_next(&reader) == PK_JSON_BEGIN_OBJECT;
    while (is_good) {
        enum pk_json_token token = pk_json_next(&reader);
        if (token != PK_JSON_KEY) {
            is_good = token == PK_JSON_END_OBJECT && pk_json_next(&reader) == PK_JSON_END;
            break;
        }
        is_good = read_member(&reader, info, &format);
    }
    pk_json_reader_end(&reader);
    return is_good && format == PK_RUN_FORMAT;
}

int pk_run_info_read(const char *dir, struct pk_run_info **ret_info) {
    char *text = NULL;
    size_t size = 0;

    *ret_info = NULL;
    int r = read_file(dir, &text, &size);
    if (r < 0) {
        return r;
    }
    struct pk_run_info *info = calloc(1, sizeof(*info));
    if (info == NULL) {
        free(text);
        return -ENOMEM;
    }
    bool is_good = parse_info(text, size, info);
    free(text);
    if (!is_good) {
        pk_run_info_free(info);
        return -EBADMSG;
    }
    *ret_info = info;
    return 0;
}

void pk_run_info_free(struct pk_run_info *info) {
    if (info != NULL) {
        free((char *)(uintptr_t)info->tool);
        free((char *)(uintptr_t)info->directory);
        free((char *)(uintptr_t)info->headline);
        free((char *)(uintptr_t)info->boot_id);
        free((char *)(uintptr_t)info->oom.path);
        free_groups(info);
        free_texts(info->argv);
        free_texts(info->warnings);
        free(info);
    }
}
