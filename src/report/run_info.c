/* SPDX-License-Identifier: Apache-2.0
 * run.json: how the program was started and how it ended. Ours alone: read it with `peakline
 * report`. May use json.h. Must stay true: what is written reads back byte for byte, file names
 * that are not UTF-8 included. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/json.h"
#include "report/report.h"

#define RUN_FORMAT 1
#define MAX_FILE_BYTES (16u << 20) /* a command line is at most a few MiB */

static const char *const outcome_names[] = {"unknown", "exit", "signal", "running"};

static void write_texts(struct pk_json *json, const char *key, char *const *texts) {
    pk_json_array(json, key);
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        pk_json_bytes(json, NULL, texts[i]);
    }
    pk_json_end_array(json);
}

static void write_info(FILE *file, const struct pk_run_info *info) {
    struct pk_json json;
    pk_json_start(&json, file, PK_JSON_LINES);
    pk_json_object(&json, NULL);
    pk_json_unsigned(&json, "format", RUN_FORMAT);
    pk_json_text(&json, "tool", info->tool);
    write_texts(&json, "command", info->argv);
    pk_json_bytes(&json, "directory", info->directory);
    pk_json_bytes(&json, "report", info->report_path);
    pk_json_signed(&json, "start_unix_ns", info->start_unix_ns);
    pk_json_signed(&json, "end_unix_ns", info->end_unix_ns);
    pk_json_object(&json, "outcome");
    pk_json_text(&json, "kind", outcome_names[info->outcome]);
    pk_json_signed(&json, "code", info->code);
    pk_json_signed(&json, "signal", info->signal);
    pk_json_end_object(&json);
    pk_json_unsigned(&json, "rss_peak_bytes", info->rss_peak_bytes);
    write_texts(&json, "warnings", info->warnings);
    pk_json_end_object(&json);
}

int pk_run_info_write(const char *dir, const struct pk_run_info *info) {
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -errno;
    }
    int r = 0;
    int fd =
        openat(dir_fd, "run.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        r = -errno;
        if (fd >= 0) {
            close(fd);
        }
    } else {
        write_info(file, info);
        bool failed = ferror(file) != 0;
        errno = 0;
        if (fclose(file) != 0 || failed) {
            r = errno != 0 ? -errno : -EIO;
        }
    }
    if (r >= 0 && renameat(dir_fd, "run.json.new", dir_fd, "run.json") < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlinkat(dir_fd, "run.json.new", 0);
    }
    close(dir_fd);
    return r;
}

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
            for (unsigned i = 0; is_good && i < sizeof(outcome_names) / sizeof(outcome_names[0]);
                 i++) {
                if (strcmp(reader->string, outcome_names[i]) == 0) {
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

static void free_texts(char *const *texts) {
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        free(texts[i]);
    }
    free((void *)(uintptr_t)texts);
}

static bool read_member(struct pk_json_reader *reader, struct pk_run_info *info,
                        int64_t *ret_format) {
    const char *key = reader->string;
    int64_t number = 0;
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
    if (strcmp(key, "report") == 0) {
        return read_text(reader, &info->report_path);
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
    if (strcmp(key, "rss_peak_bytes") == 0) {
        bool is_good = read_number(reader, &number);
        info->rss_peak_bytes = number > 0 ? (uint64_t)number : 0;
        return is_good;
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
    return is_good && format == RUN_FORMAT;
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
        free((char *)(uintptr_t)info->report_path);
        free_texts(info->argv);
        free_texts(info->warnings);
        free(info);
    }
}
