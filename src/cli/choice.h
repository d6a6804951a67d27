/* SPDX-License-Identifier: Apache-2.0
 * The options of `run` and `report` that say whose code is whose and what may be shown.
 * May use opts.h, report.h. */
#pragma once

#include "cli/opts.h"
#include "report/report.h"

/* Rows for a table of options. */
#define PK_CHOICE_OPTIONS \
    {.name = "project", \
     .value = "DIR", \
     .help = "your code is what is below DIR, nothing else", \
     .kind = PK_OPTION_PATH}, \
        {.name = "hide", .value = "REGEX", .help = "files that are not your code, by path"}, \
        {.name = "show", .value = "REGEX", .help = "files that are your code, by path"}, \
        {.name = "no-source", .help = "no source lines in the report"}, { \
        .name = "redact", .help = "no directories, arguments and command line in the report" \
    }

/* What was chosen; `ret_project` (PATH_MAX bytes) keeps the directory. Returns 0, or an error with
 * `failure` filled. */
int pk_choice_take(const struct pk_opts *opts, char *ret_project,
                   struct pk_report_choice *ret_choice, struct pk_failure *failure);
