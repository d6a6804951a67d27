/* SPDX-License-Identifier: Apache-2.0
 * The command that was run, as one text for people and for the formats that want one.
 * May use model.h. Must stay true: valid UTF-8 comes out, whatever the words are. */
#pragma once

#include "report/model.h"

/* The words as one would type them in a shell: those with anything special in single quotes. From
 * malloc; "" when the command is not known; NULL when memory is out. */
char *pk_report_command(const struct pk_report *report);

/* What recorded the run: "peakline 0.1.0". Borrowed. */
const char *pk_report_tool(const struct pk_report *report);
