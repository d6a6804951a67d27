/* SPDX-License-Identifier: Apache-2.0
 * See output.h. */
#include "cli/output.h"

#include "cli/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const format_names[] = {
    [PK_FORMAT_HTML] = "html",
    [PK_FORMAT_TEXT] = "text",
    [PK_FORMAT_JSON] = "json",
    [PK_FORMAT_FOLDED] = "folded",
    [PK_FORMAT_PPROF] = "pprof",
    [PK_FORMAT_SPEEDSCOPE] = "speedscope",
    [PK_FORMAT_DHAT] = "dhat",
    [PK_FORMAT_MARKDOWN] = "markdown",
    [PK_FORMAT_CSV] = "csv",
    [PK_FORMAT_GITHUB] = "github",
    NULL,
};

int pk_output_find_name(const char *name, const char *const *names, const char *all,
                        struct pk_failure *failure) {
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    const char *nearest = pk_nearest(name, names);
    return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "unknown format %s; %s%s%s", name,
                          nearest != NULL ? "did you mean " : "it is one of ",
                          nearest != NULL ? nearest : all, nearest != NULL ? "?" : "");
}

int pk_output_find_format(const char *name, enum pk_report_format *ret_format,
                          struct pk_failure *failure) {
    int found = pk_output_find_name(
        name, format_names,
        "html, text, json, markdown, csv, folded, pprof, speedscope, dhat, github", failure);
    if (found >= 0) {
        *ret_format = (enum pk_report_format)found;
    }
    return found < 0 ? found : 0;
}

void pk_output_partial(const char *path, char *ret_partial) {
    const char *slash = strrchr(path, '/');
    int directory = slash != NULL ? (int)(slash + 1 - path) : 0;

    // Not made of the name, which may be as long as names can be; of our own, as another process
    // may be writing the same report.
    (void)snprintf(ret_partial, PK_OUTPUT_PARTIAL_ROOM, "%.*s.peakline-%d.part", directory, path,
                   (int)getpid());
}

/* Nobody else's file, and none that somebody has made for us to find: what is there already was
 * left by a process of our number that was killed. */
static int create_partial(const char *partial) {
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = open(partial, flags, 0600);
    if (fd < 0 && errno == EEXIST && unlink(partial) == 0) {
        fd = open(partial, flags, 0600);
    }
    return fd;
}

static int fail_write(const char *path, int error, struct pk_failure *failure) {
    return pk_failure_set(
        failure, error, PK_EXIT_REPORT,
        "cannot write %s: %s; the measurement is kept, write the report elsewhere with -o FILE",
        path, strerror(-error));
}

/* Where a report goes. A stream forgets why a write failed: this remembers. */
struct sink {
    int fd;
    int error; /* the first; a negative errno, or 0 */
};

static ssize_t write_sink(void *cookie, const char *bytes, size_t size) {
    struct sink *sink = cookie;
    size_t done = 0;

    while (done < size && sink->error == 0) {
        ssize_t written = write(sink->fd, bytes + done, size - done);
        if (written > 0) {
            done += (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            sink->error = written == 0 ? -EIO : -errno;
        }
    }
    return done == size ? (ssize_t)size : 0; // 0 is how a cookie says that it failed
}

/* Write to `fd`, which stays open. */
static int write_sunk(pk_output_writer writer, void *context, int fd) {
    struct sink sink = {.fd = fd};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    FILE *out = fopencookie(&sink, "w", (cookie_io_functions_t){.write = write_sink});

    if (out == NULL) {
        return -ENOMEM;
    }
    // Beyond `ulimit -f` a write raises SIGXFSZ, which would end us without a word.
    (void)sigaction(SIGXFSZ, &ignore, &before);
    int error = writer(context, out);
    if (fclose(out) != 0 && error == 0) {
        error = -EIO;
    }
    (void)sigaction(SIGXFSZ, &before, NULL);
    return sink.error != 0 ? sink.error : error;
}

int pk_output_write_with(pk_output_writer writer, void *context, const char *path,
                         struct pk_failure *failure) {
    char partial[PK_OUTPUT_PARTIAL_ROOM];
    struct stat status;
    int error = 0;

    if (strcmp(path, "-") == 0) {
        (void)fflush(stdout);
        error = write_sunk(writer, context, STDOUT_FILENO);
        return error == 0 ? 0 : fail_write("standard output", error, failure);
    }
    if (strlen(path) >= PATH_MAX) {
        return fail_write(path, -ENAMETOOLONG, failure);
    }
    pk_output_partial(path, partial);
    bool direct = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    int fd = direct ? open(path, O_WRONLY | O_CLOEXEC) : create_partial(partial);
    if (fd < 0) {
        return fail_write(path, -errno, failure);
    }
    error = write_sunk(writer, context, fd);
    if (close(fd) != 0 && error == 0) { // a quota on a network disk shows here
        error = -errno;
    }
    if (!direct && error == 0 && rename(partial, path) != 0) {
        error = -errno;
    }
    if (error != 0) {
        if (!direct) {
            (void)unlink(partial);
        }
        return fail_write(path, error, failure);
    }
    return 0;
}

struct report_work {
    const struct pk_report *report;
    enum pk_report_format format;
    const struct pk_report_options *options;
};

static int write_report(void *context, FILE *out) {
    const struct report_work *work = context;
    return pk_report_write(work->report, work->format, out, work->options);
}

int pk_output_write(const struct pk_report *report, enum pk_report_format format, const char *path,
                    const struct pk_report_options *options, struct pk_failure *failure) {
    struct report_work work = {.report = report, .format = format, .options = options};
    return pk_output_write_with(write_report, &work, path, failure);
}
