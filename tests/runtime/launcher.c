/* SPDX-License-Identifier: Apache-2.0
 * Becomes the program it was told, by a system call of its own. Linked statically, no library can
 * be loaded into it; with -DGO it says that the Go compiler made it, whose programs start others in
 * just this way. */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef GO
__asm__(".section .note.go.buildid, \"a\", @note\n"
        ".p2align 2\n"
        ".long 4, 8, 4\n"
        ".asciz \"Go\\0\"\n"
        ".ascii \"build/id\"\n"
        ".text\n");
#endif

int main(int argc, char **argv) {
    if (argc > 1) {
        (void)syscall(SYS_execve, argv[1], argv + 1, environ);
        perror(argv[1]);
    }
    return 127;
}
