/* SPDX-License-Identifier: Apache-2.0
 * What a GitHub workflow shows of a run: the step's summary and annotations.
 * May use report.h. Must stay true: outside of a workflow nothing happens; a summary that cannot be
 * written is said and changes nothing. */
#pragma once

#include "report/report.h"
#include "supervise/failure.h"

/* The environment says that we are in one. */
bool pk_github_is_workflow(void);

/* Add the report as Markdown to the file named by GITHUB_STEP_SUMMARY, and write annotations on
 * standard error, where the workflow reads them (standard output is the program's). Returns 0, or
 * a negative errno with `failure` filled. */
int pk_github_show(const struct pk_report *report, struct pk_failure *failure);
