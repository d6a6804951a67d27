/* SPDX-License-Identifier: Apache-2.0
 * Tells a signal sent to the whole process group (Ctrl-C, kill -INT -GROUP, timeout) from one sent
 * to this process alone (kill PID, docker stop). The program is in our group: it has the first kind
 * already and must not get it twice, the second kind it has not and must get from us. Nothing in a
 * signal tells them apart, so a small process of ours sits in the same group with every signal
 * blocked, and is asked which ones it has been sent. May use libc. Must stay true: the witness dies
 * with this process and holds no file of the program's open. */
#pragma once

#include <signal.h>
#include <sys/types.h>

struct pk_witness {
    pid_t pid; /* -1: there is none */
    int socket;
};

/* Call with all signals blocked. Returns 0 or a negative errno; without a witness pk_witness_ask
 * sees nothing. */
int pk_witness_start(struct pk_witness *ret_witness);

/* Add the signals that the group was sent since the last call to `seen`. */
void pk_witness_ask(const struct pk_witness *witness, sigset_t *seen);

void pk_witness_stop(struct pk_witness *witness);
