/* SPDX-License-Identifier: Apache-2.0
 * Reading source lines. Each file is read once, from start to end, and the wanted lines are copied
 * out. May use pool.h, record/utf8.h, view.h. */
#include "report/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/utf8.h"

/* How the bytes of a file mean characters. Python knows a hundred encodings; two cover what is
 * still in use, and any other shows its ASCII characters. */
enum encoding {
    ENCODING_UTF8,
    ENCODING_LATIN1,
};

static bool is_one_of(const char *name, size_t length, const char *const *list) {
    for (; *list != NULL; list++) {
        if (strlen(*list) == length && strncasecmp(name, *list, length) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* The coding comment of PEP 263: `# ... coding[:=] name` in a line that is only a comment. */
static bool find_coding(const char *line, size_t length, enum encoding *ret_encoding) {
    static const char *const latin[] = {"latin-1",     "latin1", "iso-8859-1", "iso8859-1",
                                        "iso-8859-15", "cp1252", "l1",         NULL};
    size_t at = 0;
    while (at < length && (line[at] == ' ' || line[at] == '\t' || line[at] == '\f')) {
        at++;
    }
    if (at == length || line[at] != '#') {
        return false;
    }
    const char *end = line + length, *name = line + at;
    while (end - name > 7 &&
           (memcmp(name, "coding", 6) != 0 || (name[6] != ':' && name[6] != '='))) {
        name++;
    }
    if (end - name <= 7) {
        return false;
    }
    name += 6;
    name++;
    while (name < end && (*name == ' ' || *name == '\t')) {
        name++;
    }
    const char *after = name;
    while (after < end && is_name_character(*after)) {
        after++;
    }
    *ret_encoding =
        is_one_of(name, (size_t)(after - name), latin) ? ENCODING_LATIN1 : ENCODING_UTF8;
    return after > name;
}

/* One line as UTF-8, cut to a length a reader can use. */
static const char *convert_line(struct pk_pool *pool, const char *line, size_t length,
                                enum encoding encoding) {
    char text[4 * PK_SOURCE_MAX_CHARACTERS + 4];
    size_t used = 0, characters = 0;

    while (length > 0 &&
           (line[length - 1] == ' ' || line[length - 1] == '\t' || line[length - 1] == '\f')) {
        length--;
    }
    for (size_t at = 0; at < length; characters++) {
        if (characters == PK_SOURCE_MAX_CHARACTERS - 3) {
            memcpy(text + used, "...", 3);
            used += 3;
            break;
        }
        uint32_t point = (unsigned char)line[at];
        size_t taken = 1;
        if (encoding == ENCODING_UTF8) {
            taken = pk_utf8_decode(line + at, length - at, &point);
            taken = taken == 0 ? 1 : taken;
        }
        used += pk_utf8_encode(point == 0 ? PK_UTF8_REPLACEMENT : point, text + used);
        at += taken;
    }
    return pk_pool_text(pool, text, used);
}

/* The end of the line that begins at `at`: the index of its line end, and of the next line. Python
 * ends lines with \n, \r\n and \r. */
static size_t find_line_end(const char *text, size_t size, size_t at, size_t *ret_next) {
    while (at < size && text[at] != '\n' && text[at] != '\r') {
        at++;
    }
    *ret_next = at + 1;
    if (at + 1 < size && text[at] == '\r' && text[at + 1] == '\n') {
        *ret_next = at + 2;
    }
    return at;
}

int pk_source_read_text(struct pk_pool *pool, const char *text, size_t size, const uint32_t *lines,
                        size_t line_count, const char **ret_texts) {
    enum encoding encoding = ENCODING_UTF8;
    bool is_marked =
        size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0; // a byte order mark says UTF-8
    size_t at = is_marked ? 3 : 0, wanted = 0;

    for (size_t i = 0; i < line_count; i++) {
        ret_texts[i] = "";
    }
    // The coding comment is in one of the first two lines, which may be wanted themselves.
    for (size_t line = 0, start = at; line < 2 && start < size && !is_marked; line++) {
        size_t next, end = find_line_end(text, size, start, &next);
        if (find_coding(text + start, end - start, &encoding)) {
            break;
        }
        start = next;
    }
    while (wanted < line_count && lines[wanted] == 0) {
        wanted++;
    }
    for (uint32_t line = 1; at < size && wanted < line_count; line++) {
        size_t next, end = find_line_end(text, size, at, &next);
        if (line == lines[wanted]) {
            ret_texts[wanted] = convert_line(pool, text + at, end - at, encoding);
            if (ret_texts[wanted] == NULL) {
                return -ENOMEM;
            }
            wanted++;
        }
        at = next;
    }
    return 0;
}

/* Up to the limit of an ordinary file. NULL and 0 when it is missing or not ordinary. */
static int read_whole_file(const char *path, char **ret_text, size_t *ret_size,
                           int64_t *ret_modified_ns) {
    struct stat status;
    *ret_text = NULL;
    // O_NONBLOCK: no waiting for the other end of a FIFO; O_NOCTTY: no terminal becomes ours
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return 0;
    }
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return 0;
    }
    size_t room = status.st_size > (off_t)PK_SOURCE_MAX_FILE_BYTES ? PK_SOURCE_MAX_FILE_BYTES
                                                                   : (size_t)status.st_size;
    char *text = malloc(room + 1);
    if (text == NULL) {
        close(fd);
        return -ENOMEM;
    }
    size_t size = 0;
    while (size < room) {
        ssize_t got = read(fd, text + size, room - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        size += (size_t)got;
    }
    close(fd);
    *ret_text = text;
    *ret_size = size;
    *ret_modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return 0;
}

int pk_source_read_file(struct pk_pool *pool, const char *path, int64_t run_start_unix_ns,
                        const uint32_t *lines, size_t line_count, const char **ret_texts) {
    char *text = NULL;
    size_t size = 0;
    int64_t modified_ns = 0;

    for (size_t i = 0; i < line_count; i++) {
        ret_texts[i] = "";
    }
    int r = read_whole_file(path, &text, &size, &modified_ns);
    if (r < 0) {
        return r;
    }
    if (text == NULL) {
        return PK_SOURCE_MISSING;
    }
    r = pk_source_read_text(pool, text, size, lines, line_count, ret_texts);
    free(text);
    if (r < 0) {
        return r;
    }
    return run_start_unix_ns > 0 && modified_ns > run_start_unix_ns ? PK_SOURCE_CHANGED
                                                                    : PK_SOURCE_SAME;
}

/* A wanted line, and the frame that wants it. */
struct want {
    uint32_t file;
    uint32_t line;
    uint32_t frame;
};

static int compare_wants(const void *left, const void *right) {
    const struct want *a = left, *b = right;
    if (a->file != b->file) {
        return a->file < b->file ? -1 : 1;
    }
    if (a->line != b->line) {
        return a->line < b->line ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/* All wants of one file. */
static int fill_file(struct pk_view *view, const struct want *wants, size_t count,
                     int64_t run_start_unix_ns, const char *command_text, uint32_t *lines,
                     const char **texts) {
    struct pk_view_file *file = &view->files[wants[0].file];
    size_t line_count = 0;
    int r = PK_SOURCE_SAME;

    for (size_t i = 0; i < count; i++) {
        if (i == 0 || wants[i].line != wants[i - 1].line) {
            lines[line_count] = wants[i].line;
            texts[line_count++] = "";
        }
    }
    if (strcmp(file->path, "<string>") == 0 && command_text != NULL) {
        r = pk_source_read_text(&view->pool, command_text, strlen(command_text), lines, line_count,
                                texts);
    } else if (file->path[0] == '/') {
        r = pk_source_read_file(&view->pool, file->path, run_start_unix_ns, lines, line_count,
                                texts);
    } else if (file->path[0] != '\0' && file->path[0] != '<') {
        r = PK_SOURCE_MISSING; // relative, and nobody knows to what
    }
    if (r < 0) {
        return r;
    }
    file->status = (enum pk_file_status)r;
    for (size_t i = 0, line = 0; i < count; i++) {
        line += i > 0 && wants[i].line != wants[i - 1].line ? 1u : 0u;
        view->frames[wants[i].frame].source = texts[line];
    }
    return 0;
}

int pk_source_fill(struct pk_view *view, int64_t run_start_unix_ns, const char *command_text) {
    struct pk_pool scratch = {0};
    struct want *wants = pk_pool_array(&scratch, view->frame_count, sizeof(*wants));
    uint32_t *lines = pk_pool_array(&scratch, view->frame_count, sizeof(*lines));
    const char **texts = pk_pool_array(&scratch, view->frame_count, sizeof(*texts));
    int r = scratch.failed ? -ENOMEM : 0;

    for (uint32_t i = 0; r >= 0 && i < view->frame_count; i++) {
        const struct pk_view_frame *frame = &view->frames[i];
        wants[i] = (struct want){
            .file = view->functions[frame->function].file, .line = frame->line, .frame = i};
    }
    if (r >= 0) {
        qsort(wants, view->frame_count, sizeof(*wants), compare_wants);
    }
    for (size_t from = 0, to; r >= 0 && from < view->frame_count; from = to) {
        for (to = from + 1; to < view->frame_count && wants[to].file == wants[from].file; to++) {
        }
        r = fill_file(view, wants + from, to - from, run_start_unix_ns, command_text, lines, texts);
    }
    pk_pool_free(&scratch);
    return r < 0 ? r : 0;
}

/* Characters of the first `bytes` bytes; false when there are fewer, or the last one is cut. */
static bool count_characters(const char *text, size_t bytes, uint32_t *ret_count) {
    uint32_t count = 0, point;
    size_t length = strnlen(text, bytes + 1);
    for (size_t at = 0; at < bytes; count++) {
        size_t taken = at < length ? pk_utf8_decode(text + at, length - at, &point) : 0;
        if (taken == 0 || at + taken > bytes) {
            return false;
        }
        at += taken;
    }
    *ret_count = count;
    return true;
}

bool pk_source_part(const struct pk_view *view, uint32_t frame, uint32_t *ret_column,
                    uint32_t *ret_end) {
    const struct pk_view_frame *of = &view->frames[frame];
    size_t end = of->span >> 16, length = strlen(of->source);
    // columns count the bytes of the line as UTF-8, which the source is whatever its file was
    if (of->span == PK_SPAN_NONE ||
        view->files[view->functions[of->function].file].status != PK_SOURCE_SAME) {
        return false;
    }
    end = end == PK_SPAN_LINE_END ? length : end;
    return count_characters(of->source, of->span & 0xffffu, ret_column) &&
           count_characters(of->source, end, ret_end) && *ret_column < *ret_end;
}
