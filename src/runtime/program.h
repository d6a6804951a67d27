/* SPDX-License-Identifier: Apache-2.0
 * What kind of program is about to be started, as far as the measurement is concerned: will the
 * loader take the runtime into it, and pass the variables on? Raw system calls on the file alone: a
 * stat, an open and a read of 1 KiB for each program (or `#!` interpreter). No allocation, no
 * errno, nothing kept: a vfork child may ask. */
#pragma once

#include <stdbool.h>

enum pk_program {
    PK_PROGRAM_NONE,    /* no file that could be executed: the start will fail */
    PK_PROGRAM_CARRIES, /* takes the runtime, or nothing is known to the contrary */
    /* static: cannot be measured, but its environment goes on to what it starts */
    PK_PROGRAM_HANDS_ON,
    PK_PROGRAM_FOREIGN,    /* 32-bit, musl or another machine: its loader would complain, or fail */
    PK_PROGRAM_PRIVILEGED, /* setuid, setgid or with capabilities: its loader takes no libraries */
};

/* The program at `path`, seen from the directory `at` (AT_FDCWD, or a descriptor). */
enum pk_program pk_program_inspect(int at, const char *path);
/* The same for an open file. */
enum pk_program pk_program_inspect_file(int fd);
/* The same for a name that is looked for in $PATH, if there is no slash in it. */
enum pk_program pk_program_inspect_name(const char *name);
/* May the program that this process becomes read the file at `path`? */
bool pk_program_can_read(const char *path);
/* False: its user may not make files in the directory at `path`. Whether it is there is not
 * asked. */
bool pk_program_can_write(const char *path);
