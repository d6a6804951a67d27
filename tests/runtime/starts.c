/* SPDX-License-Identifier: Apache-2.0
 * Starts itself in the way that the first word names; the one started prints its words and its
 * whole environment, in order, and ends with status 9; or it starts the program that the second
 * word names. The starter prints what came back. The output must be the same with and without the
 * runtime. Another face (-DPLAIN) is no interpreter: a launcher that is not recorded. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PLAIN
#include "fake_interpreter.h"
#endif
#include "record/format.h"

extern char **environ;

static const char *self;   /* the path of this program */
static const char *name;   /* its last part: in $PATH */
static char command[8192]; /* for a shell */

static void show_environment(void) {
    for (char **entry = environ; *entry != NULL; entry++) {
        // "_" is the shell's, and names the program
        if (strncmp(*entry, "_=", 2) != 0) {
            printf("  %s\n", *entry);
        }
    }
    /* whoever looks behind the environment finds the auxiliary vector */
    const uintptr_t *pair = (const uintptr_t *)environ;
    while (*pair != 0) {
        pair++;
    }
    bool found = false;
    int pairs = 0;
    for (pair++; pair[0] != 0; pair += 2) {
        found |= pair[0] == 6 && pair[1] == 4096; /* AT_PAGESZ */
        pairs++;
    }
    printf("  page size %s\n", found ? "found" : "lost");
}

static int child(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        printf("%s ", i == 0 ? "started:" : argv[i]);
    }
    printf("\n");
    show_environment();
    fprintf(stderr, "pid %d\n", (int)getpid());
    fflush(stdout);
    return 9;
}

/* ---- the ledger of this process, as a reader would see it ------------------------------------ */

static const struct pk_ledger_header *header;

static void find_ledger(void) {
    char line[4600], path[4200];
    FILE *file = fopen("/proc/self/maps", "r");
    while (header == NULL && fgets(line, sizeof line, file) != NULL) {
        char *at = strstr(line, "/ledger-");
        char *start = strchr(line, '/');
        if (at != NULL && sscanf(start, "%4199s", path) == 1) {
            int fd = open(path, O_RDONLY);
            header = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
            close(fd);
        }
    }
    fclose(file);
}

static bool is_recording(void) {
    if (header == NULL) {
        return true; /* the plain run */
    }
    uint64_t before = header->account.total_bytes;
    void *block = malloc(5 << 20);
    bool counted = header->account.total_bytes >= before + (5 << 20);
    free(block);
    return counted && header->account.total_bytes == before;
}

static void show_state(const char *when) {
    bool running =
        header == NULL || (header->state == PK_STATE_RUNNING && header->end_mono_ns == 0);
    printf("%s: %s, %s\n", when, running ? "running" : "NOT RUNNING",
           is_recording() ? "recording" : "NOT RECORDING");
    fflush(stdout);
}

/* ---- ways that replace the process ----------------------------------------------------------- */

static char *own[] = {"FIRST=1", "LD_PRELOAD=", "SECOND=two words", NULL};
static char *empty[] = {NULL};

static void replace(const char *way) {
    char *words[] = {"child", "a", "b c", "", NULL};
    if (strcmp(way, "execve") == 0) {
        execve(self, words, own);
    } else if (strcmp(way, "execve-null") == 0) {
        execve(self, words, NULL);
    } else if (strcmp(way, "execv") == 0) {
        execv(self, words);
    } else if (strcmp(way, "execvp") == 0) {
        execvp(name, words);
    } else if (strcmp(way, "execvp-slash") == 0) {
        execvp(self, words);
    } else if (strcmp(way, "execvpe") == 0) {
        execvpe(name, words, empty);
    } else if (strcmp(way, "execl") == 0) {
        execl(self, "child", "a", "b c", "", NULL);
    } else if (strcmp(way, "execlp") == 0) {
        execlp(name, "child", NULL);
    } else if (strcmp(way, "execle") == 0) {
        execle(self, "child", "a", NULL, own);
    } else if (strcmp(way, "fexecve") == 0) {
        fexecve(open(self, O_RDONLY | O_CLOEXEC), words, own);
    } else if (strcmp(way, "execveat") == 0) {
        *strrchr(self, '/') = '\0';
        execveat(open(self, O_RDONLY | O_DIRECTORY | O_CLOEXEC), name, words, own, 0);
    } else if (strcmp(way, "execveat-empty") == 0) {
        execveat(open(self, O_RDONLY | O_CLOEXEC), "", words, own, AT_EMPTY_PATH);
    } else if (strcmp(way, "cleared") == 0) {
        clearenv();
        execv(self, words);
    } else if (strcmp(way, "many") == 0) { /* more than the stack is used for */
        static char *many[20001];
        for (int i = 0; i < 20000; i++) {
            many[i] = "A=";
        }
        many[0] = "FIRST=1";
        execve(self, words, many);
    }
    printf("%s failed: %s\n", way, strerror(errno));
}

/* ---- ways that start another one ------------------------------------------------------------- */

static void show_status(const char *what, int status) {
    printf("%s: status %#x\n", what, status);
    fflush(stdout);
}

static int wait_for(pid_t pid) {
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static void spawn(bool search) {
    char *words[] = {"child", "spawned", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    errno = 77;
    int error = search ? posix_spawnp(&pid, name, &actions, NULL, words, own)
                       : posix_spawn(&pid, self, &actions, NULL, words, environ);
    printf("error %d, errno %d\n", error, errno);
    show_status("spawned", wait_for(pid));
    error = search ? posix_spawnp(&pid, "no-such-program", NULL, NULL, words, own)
                   : posix_spawn(&pid, "/no/such/program", NULL, NULL, words, own);
    printf("nothing there: error %d\n", error);
}

static int signals;

static void count(int number) {
    (void)number;
    signals++;
}

static void *cancelled(void *context) {
    (void)context;
    system("exec sleep 1000");
    return NULL;
}

static void *both(void *context) {
    show_status(context, system("exit 4"));
    return NULL;
}

static void shell(void) {
    struct sigaction handler = {.sa_handler = count}, now;
    sigset_t mask;
    sigaction(SIGCHLD, &handler, NULL);
    sigaction(SIGINT, &handler, NULL);
    errno = 77;
    show_status("system", system(command));
    printf("errno %d\n", errno);
    show_status("is there a shell", system(NULL));
    show_status("exit", system("exit 3"));
    show_status("killed", system("kill -TERM $$"));
    /* the signals of the terminal are for the command alone, the ends of other children wait */
    show_status("interrupt", system("kill -INT $PPID; kill -QUIT $PPID; exit 5"));
    show_status("the command's own", system("kill -INT $$"));
    sigaction(SIGINT, NULL, &now);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    printf("handler %s, mask %s, signals %d\n", now.sa_handler == count ? "kept" : "lost",
           sigismember(&mask, SIGCHLD) ? "blocked" : "as before", signals > 0 ? 1 : 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, both, "thread");
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    void *result;
    pthread_create(&threads[0], NULL, cancelled, NULL);
    pthread_cancel(threads[0]); /* before or while it waits: both end it and the command */
    pthread_join(threads[0], &result);
    sigaction(SIGINT, NULL, &now);
    errno = 0;
    pid_t left = waitpid(-1, NULL, WNOHANG);
    printf("%s, handler %s, %s\n", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled",
           now.sa_handler == count ? "kept" : "lost",
           left < 0 && errno == ECHILD ? "no child left" : "a child left");
    signal(SIGINT, SIG_IGN);
    show_status("ignored stays ignored", system("kill -INT $$; exit 6"));
}

static void pipes(void) {
    char line[300];
    int lines = 0;
    FILE *reader = popen(command, "r");
    while (fgets(line, sizeof line, reader) != NULL) {
        fputs(line, stdout);
        lines++;
    }
    printf("close-on-exec %d\n", fcntl(fileno(reader), F_GETFD));
    errno = 0;
    long position = ftell(reader);
    printf("seek %ld, errno %d\n", position, errno);
    show_status("pclose", pclose(reader));

    reader = popen("cat; exit 2", "we");
    printf("close-on-exec %d\n", fcntl(fileno(reader), F_GETFD));
    for (int i = 0; i < 3; i++) {
        fprintf(reader, "line %d\n", i);
    }
    /* the first one's pipe is not among them */
    FILE *second = popen("ls /proc/self/fd | wc -l", "r");
    fgets(line, sizeof line, second);
    printf("descriptors in the shell: %s", line);
    show_status("second", pclose(second));
    show_status("fclose", fclose(reader));

    reader = popen("exec cat >/dev/null", "w");
    for (int i = 0; i < 100000; i++) {
        fprintf(reader, "%d\n", i);
    }
    printf("flush %d, error %d\n", fflush(reader), ferror(reader));
    show_status("long", pclose(reader));

    signal(SIGPIPE, SIG_IGN);
    reader = popen("exec true", "w");
    errno = 0;
    while (fprintf(reader, "%0100d\n", 1) >= 0 && fflush(reader) == 0) {
    }
    printf("nobody reads: errno %d, error %d\n", errno, ferror(reader) != 0);
    show_status("unread", pclose(reader));

    errno = 0;
    printf("bad mode %d", popen("true", "x") == NULL);
    printf(", errno %d\n", errno);
    errno = 0;
    printf("both %d", popen("true", "rw") == NULL);
    printf(", errno %d\n", errno);
    reader = popen("exit 5", "r");
    int byte = fgetc(reader);
    printf("nothing: %d, eof %d\n", byte, feof(reader) != 0);
    show_status("nothing", pclose(reader));
    close(0);
    close(1); /* the pipe's ends fall on the very descriptors that the shell wants them at */
    reader = popen("echo through", "r");
    fgets(line, sizeof line, reader);
    int status = pclose(reader);
    fprintf(stderr, "%s%#x\n", line, status);
}

/* ---- starts that fail ------------------------------------------------------------------------ */

/* executable, an ELF header and nothing else: found fit, and refused by the kernel */
static char broken[4200];

static void make_files(void) {
    int fd;
    snprintf(broken, sizeof broken, "%s.broken", self);
    fd = open(broken, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(fd, "\177ELF\2\1\1\0", 8);
    ftruncate(fd, 500);
    close(fd);
}

static void show_failure(const char *who, const char *what, int result) {
    int error = errno;
    printf("%s, %s: %d, errno %d\n", who, what[0] == '/' ? strrchr(what, '/') : what, result,
           error);
}

static void try_all(const char *who) {
    char *words[] = {"child", NULL};
    static char *too_many[300000];
    const char *paths[] = {"/no/such/program", "/", "/etc/passwd", broken, ""};
    for (int i = 0; i < 5; i++) {
        show_failure(who, paths[i], execve(paths[i], words, own));
        // glibc hands `broken` to a shell
        show_failure(who, "searched", execvp(i == 3 ? "/no/such/program" : paths[i], words));
    }
    show_failure(who, "no path", execve(NULL, words, own));
    show_failure(who, "bad descriptor", fexecve(12345, words, own));
    show_failure(who, "bad flags", execveat(AT_FDCWD, self, words, own, 0x40000000));
    for (int i = 0; i + 1 < 300000; i++) {
        too_many[i] = "SOME_VARIABLE=that takes some room";
    }
    show_failure(who, "too large", execve(self, words, too_many));
    fflush(stdout);
}

static void fail(void) {
    show_state("before");
    pid_t pid = vfork();
    if (pid == 0) {
        try_all("vfork child");
        _exit(7);
    }
    show_status("vfork child", wait_for(pid));
    show_state("after vfork");
    pid = fork();
    if (pid == 0) {
        try_all("fork child");
        _exit(8);
    }
    show_status("fork child", wait_for(pid));
    show_state("after fork");
    try_all("parent");
    show_state("after exec");
    pid = vfork();
    if (pid == 0) {
        execl(self, "child", NULL);
        _exit(7);
    }
    show_status("vfork child that starts", wait_for(pid));
    show_state("after its start");
}

/* The parent is as it was, and so are its descriptors and maps. */
static void count_things(int *ret_descriptors, int *ret_maps) {
    *ret_descriptors = 0;
    *ret_maps = 0;
    for (int fd = 0; fd < 200; fd++) {
        *ret_descriptors += fcntl(fd, F_GETFD) >= 0;
    }
    FILE *file = fopen("/proc/self/maps", "r");
    for (int byte = 0; (byte = fgetc(file)) != EOF;) {
        *ret_maps += byte == '\n';
    }
    fclose(file);
}

static void leave_nothing(void) {
    char *words[] = {"child", NULL};
    int descriptors[2], maps[2];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50; i++) {
            pid_t pid = vfork();
            if (pid == 0) {
                execve(broken, words, own);
                execve("/bin/true", words, own);
                _exit(7);
            }
            wait_for(pid);
            execve(broken, words, own);
        }
        count_things(&descriptors[round], &maps[round]);
    }
    printf("descriptors %+d, maps %+d\n", descriptors[1] - descriptors[0], maps[1] - maps[0]);
}

/* How many bytes of variables fit? A few less leave no room for ours, and the program must start
 * all the same. */
static void brim(void) {
    enum {
        LENGTH = 2000,
        COUNT = 4000
    };
    static char *many[COUNT + 2];
    static char room[COUNT + 1][LENGTH];
    char *words[] = {"true", NULL};
    int low = 0, high = LENGTH * COUNT; // between what fits and what does not
    while (high - low > 1) {
        int middle = (low + high) / 2;
        int count = middle / LENGTH;
        for (int i = 0; i <= count; i++) {
            memset(room[i], 'A', LENGTH - 1);
            room[i][1] = '=';
            many[i] = room[i];
        }
        room[count][2 + middle % (LENGTH - 3)] = '\0';
        many[count + 1] = NULL;
        pid_t pid = vfork();
        if (pid == 0) {
            execve("/bin/true", words, many);
            _exit(errno == E2BIG ? 100 : 101);
        }
        int status = wait_for(pid);
        if (status == 0) {
            low = middle;
        } else if (status == 100 << 8) {
            high = middle;
        } else {
            printf("status %#x\n", status);
            return;
        }
    }
    printf("some %s, most %d\n", low > 0 ? "fit" : "do not", low);
}

/* A handler that starts a program, at any instant of malloc. */
static int handled;

static void start_in_handler(int number) {
    char *words[] = {"child", NULL};
    (void)number;
    handled++;
    execve(broken, words, own);
    if (handled % 8 == 0) {
        pid_t pid = vfork();
        if (pid == 0) {
            execve("/bin/true", words, own);
            _exit(7);
        }
        wait_for(pid);
    }
}

static void handlers(void) {
    struct itimerval often = {{0, 500}, {0, 500}}, never = {0};
    struct sigaction handler = {.sa_handler = start_in_handler};
    sigaction(SIGALRM, &handler, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < 400) {
        void *block = malloc(1000);
        block = realloc(block, 3000);
        free(block);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    show_state("after 400 handlers");
}

int main(int argc, char **argv) {
    if (strcmp(argv[0], "child") == 0) {
        return child(argc, argv);
    }
    const char *way = argv[1];
    static char path[4200];
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    path[bytes] = '\0';
    self = argc > 2 ? argv[2] : path;
    name = strrchr(self, '/') + 1;
    snprintf(command, sizeof command, "echo in the shell; env -i A=1 env; exec '%s' exit", self);
    make_files();
#ifndef PLAIN
    find_ledger();
    fprintf(stderr, "pid %d\n", (int)getpid());
#endif
    if (strcmp(way, "exit") == 0) { /* from a shell, which sets argv[0] */
        char *words[] = {"child", "from the shell", NULL};
        return child(2, words);
    }
    if (strcmp(way, "spawn") == 0 || strcmp(way, "spawnp") == 0) {
        spawn(strcmp(way, "spawnp") == 0);
    } else if (strcmp(way, "system") == 0) {
        shell();
    } else if (strcmp(way, "popen") == 0) {
        pipes();
    } else if (strcmp(way, "failures") == 0) {
        fail();
    } else if (strcmp(way, "nothing-left") == 0) {
        leave_nothing();
    } else if (strcmp(way, "brim") == 0) {
        brim();
    } else if (strcmp(way, "handlers") == 0) {
        handlers();
    } else if (strcmp(way, "_exit") == 0) {
        _exit(5);
    } else if (strcmp(way, "_Exit") == 0) {
        _Exit(5);
    } else if (strcmp(way, "quick_exit") == 0) {
        quick_exit(5);
    } else {
        replace(way);
    }
    return 3;
}
