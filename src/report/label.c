/* SPDX-License-Identifier: Apache-2.0
 * Names and groups of processes. May use view.h. */
#include "report/label.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next word of a command line, and the text behind it. Returns false at the end. */
static bool next_word(const char **text, char *ret_word, size_t size) {
    const char *start = *text + strspn(*text, " ");
    size_t length = strcspn(start, " ");
    size_t kept = length < size ? length : size - 1;
    memcpy(ret_word, start, kept);
    ret_word[kept] = '\0';
    *text = start + length;
    return length > 0;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* The program of `-c`: multiprocessing's own have a name of theirs. */
static const char *name_code(const char *code) {
    static const struct {
        const char *part, *name;
    } known[] = {
        {"multiprocessing.spawn", "multiprocessing spawn"},
        {"multiprocessing.forkserver", "multiprocessing forkserver"},
        {"multiprocessing.resource_tracker", "multiprocessing resource tracker"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strstr(code, known[i].part) != NULL) {
            return known[i].name;
        }
    }
    return "-c";
}

void pk_label_command(const char *command, char ret_label[PK_LABEL_ROOM]) {
    char word[PK_LABEL_ROOM];
    const char *rest = command;
    const char *label = "python";
    if (next_word(&rest, word, sizeof(word))) {
        label = base_name(word);
        if (strncmp(label, "python", strlen("python")) == 0 || strncmp(label, "pypy", 4) == 0) {
            label = "python";
            while (next_word(&rest, word, sizeof(word))) {
                char last = word[0] == '-' && word[1] != '-' ? word[strlen(word) - 1] : '\0';
                if (last == 'm') { // "-m", "-Im"
                    label = next_word(&rest, word, sizeof(word)) ? word : "-m";
                    break;
                }
                if (last == 'c') {
                    label = name_code(rest);
                    break;
                }
                if (word[0] != '-' || word[1] == '\0') {
                    label = base_name(word);
                    break;
                }
                if (strcmp(word, "-X") == 0 || strcmp(word, "-W") == 0) {
                    (void)next_word(&rest, word, sizeof(word));
                }
            }
        }
    }
    snprintf(ret_label, PK_LABEL_ROOM, "%s", label);
}

struct member {
    uint32_t parent;
    bool is_forked;
    const char *command;
    uint32_t index;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Like strcmp, with any number equal to any other. */
static int compare_commands(const char *a, const char *b) {
    for (;;) {
        if (is_digit(*a) && is_digit(*b)) {
            a += strspn(a, "0123456789");
            b += strspn(b, "0123456789");
            continue;
        }
        // a number sorts as its first digit would: as '0'
        int left = is_digit(*a) ? '0' : (unsigned char)*a;
        int right = is_digit(*b) ? '0' : (unsigned char)*b;
        if (left != right) {
            return left < right ? -1 : 1;
        }
        if (left == '\0') {
            return 0;
        }
        a++;
        b++;
    }
}

static int compare_code(const struct member *a, const struct member *b) {
    if (a->parent != b->parent) {
        return a->parent < b->parent ? -1 : 1;
    }
    if (a->is_forked != b->is_forked) {
        return a->is_forked ? 1 : -1;
    }
    return compare_commands(a->command, b->command);
}

static int compare_members(const void *left, const void *right) {
    const struct member *a = left, *b = right;
    int order = compare_code(a, b);
    return order != 0 ? order : a->index < b->index ? -1 : a->index > b->index;
}

int pk_label_groups(struct pk_view_process *processes, uint32_t count) {
    struct member *members = calloc((size_t)count + 1, sizeof(*members));
    uint32_t *numbers = calloc((size_t)count + 1, sizeof(*numbers));
    if (members == NULL || numbers == NULL) {
        free(members);
        free(numbers);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pk_view_process *process = &processes[i];
        bool is_forked = process->forked_from != 0;
        uint32_t parent = is_forked ? process->forked_from : process->parent_pid;
        members[i] = (struct member){
            .parent = parent, .is_forked = is_forked, .command = process->command, .index = i};
    }
    qsort(members, count, sizeof(*members), compare_members);
    // a group is known by its first member; its number is given in order of those
    uint32_t first = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || compare_code(&members[i - 1], &members[i]) != 0) {
            first = members[i].index;
        }
        processes[members[i].index].group = first;
    }
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (processes[i].group == i) {
            numbers[i] = next++;
        }
        processes[i].group = numbers[processes[i].group];
    }
    free(members);
    free(numbers);
    return 0;
}
