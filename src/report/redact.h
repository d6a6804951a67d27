/* SPDX-License-Identifier: Apache-2.0
 * What a report to be passed on does not say. May use model.h. Must stay true: docs/privacy.md
 * names every field; no number changes. */
#pragma once

#include "report/model.h"

/* No source line. */
void pk_redact_sources(struct pk_report *report);

/* No directory, no argument, no command line. Returns 0 or -ENOMEM. */
int pk_redact_names(struct pk_report *report);
