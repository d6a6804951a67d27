/* SPDX-License-Identifier: Apache-2.0
 * See browser.h. */
#include "cli/browser.h"

#include "cli/errors.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_set(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

static bool is_robot(void) {
    static const char *const robots[] = {"CI",
                                         "GITHUB_ACTIONS",
                                         "GITLAB_CI",
                                         "BUILD_NUMBER",
                                         "TEAMCITY_VERSION",
                                         "PYTEST_CURRENT_TEST",
                                         "PYTEST_XDIST_WORKER"};

    for (size_t i = 0; i < sizeof(robots) / sizeof(robots[0]); i++) {
        if (is_set(robots[i])) {
            return true;
        }
    }
    return false;
}

static bool is_remote(void) {
    return is_set("SSH_CONNECTION") || is_set("SSH_CLIENT");
}

bool pk_browser_is_welcome(bool tty) {
    if (!tty || is_robot()) {
        return false;
    }
    if (is_set("BROWSER")) {
        return true;
    }
    if (is_remote()) {
        return false;
    }
    return is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") || is_set("WSL_DISTRO_NAME");
}

void pk_browser_say_how(bool tty, const char *path) {
    char host[256] = "";

    if (tty && is_remote() && !is_robot() && !is_set("BROWSER") &&
        gethostname(host, sizeof(host) - 1) == 0) {
        (void)pk_error_say(0, "no browser is opened over SSH; on your machine: scp %s:%s .", host,
                           path);
    }
}

/* In a process of its own, away from our terminal. Returns whether `opener` could be executed. */
static bool start(const char *opener, const char *path) {
    int ends[2];
    char byte = 0;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        int nowhere = open("/dev/null", O_RDWR);
        // Twice, so that init and not the user's shell is its parent.
        if (setsid() < 0 || fork() != 0) {
            _exit(0);
        }
        (void)dup2(nowhere, STDIN_FILENO);
        (void)dup2(nowhere, STDOUT_FILENO);
        (void)dup2(nowhere, STDERR_FILENO);
        (void)execlp(opener, opener, path, (char *)NULL);
        (void)!write(ends[1], "x", 1);
        _exit(127);
    }
    (void)close(ends[1]);
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
    // The pipe closes without a word when exec succeeds.
    bool started = pid > 0 && read(ends[0], &byte, 1) == 0;
    (void)close(ends[0]);
    return started;
}

/* file://PATH, with what has a meaning in a URL written as %XX. Cut when it does not fit. */
static void make_url(const char *path, size_t size, char *ret_url) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._~";
    size_t length = (size_t)snprintf(ret_url, size, "file://");

    for (; *path != '\0' && length + 4 < size; path++) {
        if (strchr(plain, *path) != NULL) {
            ret_url[length++] = *path;
        } else {
            length +=
                (size_t)snprintf(ret_url + length, size - length, "%%%02X", (unsigned char)*path);
        }
    }
    ret_url[length] = '\0';
}

bool pk_browser_open(const char *path) {
    static const char *const openers[] = {"wslview", "xdg-open", "x-www-browser"};
    const char *wanted = getenv("BROWSER");
    char url[3 * PATH_MAX + 16];

    make_url(path, sizeof(url), url);
    if (wanted != NULL && wanted[0] != '\0') {
        char first[PATH_MAX];
        // A list separated by colons; entries with arguments are for a shell, which we are not.
        (void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(wanted, ":"), wanted);
        return strpbrk(first, " %") == NULL && start(first, url);
    }
    for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]); i++) {
        if (strcmp(openers[i], "wslview") == 0 && !is_set("WSL_DISTRO_NAME")) {
            continue;
        }
        if (start(openers[i], path)) {
            return true;
        }
    }
    return false;
}
