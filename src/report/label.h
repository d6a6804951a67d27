/* SPDX-License-Identifier: Apache-2.0
 * What people call a process, from its command line; and which processes run the same code.
 * May use view.h. Must stay true: texts are only compared and cut, nothing is looked up. */
#pragma once

#include "report/view.h"

#define PK_LABEL_ROOM 96

/* "app.py", "pytest" (of -m), "-c", "multiprocessing spawn"; of "python app.py --year 2024" as a
 * ledger has it. "python" when nothing is known. */
void pk_label_command(const char *command, char ret_label[PK_LABEL_ROOM]);

/* Gives processes of the same command (numbers in it do not count: they are pids and descriptors)
 * with one parent, forked or not forked, the same `group`, numbered from 0 in order. Returns 0 or
 * -ENOMEM. */
int pk_label_groups(struct pk_view_process *processes, uint32_t count);
