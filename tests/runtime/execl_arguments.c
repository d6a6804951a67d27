/* SPDX-License-Identifier: Apache-2.0
 * What the hooks of execl, execlp and execle hand on, without running anything: arguments and
 * environment. By itself, so that it can be built for another machine, where lists of arguments are
 * laid out in another way. */
#include <stdio.h>

#include "runtime/hooks_exec.c"

struct pk_real pk_real;

void pk_real_resolve(void) {
}

void pk_runtime_leaving(enum pk_ledger_state state) {
    (void)state;
}

int pk_launch(const struct pk_launch *launch, char *const *envp) {
    printf("%s:", launch->file);
    for (size_t i = 0; launch->argv[i] != NULL; i++) {
        printf(" %s", launch->argv[i]);
    }
    printf(" | %s\n", envp[0]);
    return -1;
}

int main(void) {
    char *own[] = {"OWN=1", NULL}, *inherited[] = {"INHERITED=1", NULL};
    environ = inherited;
    execl("/bin/l", "l", NULL);
    execlp("p", "p", "a", NULL);
    execle("/bin/e", "e", NULL, own);
    execle("/bin/e", "e", "a", "b", NULL, own);
    // More than there are registers for arguments: 6 on x86-64, 8 on aarch64.
    execle("/bin/e", "e", "a", "b", "c", "d", "e", "f", "g", "h", "i", NULL, own);
    fflush(stdout);
    syscall(SYS_exit_group, 0);
}
