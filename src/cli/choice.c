/* SPDX-License-Identifier: Apache-2.0
 * From options to a choice. May use choice.h, errors.h. */
#include "cli/choice.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "cli/errors.h"

static int check_pattern(const struct pk_opts *opts, const char *name, struct pk_failure *failure) {
    const char *pattern = pk_opts_get(opts, name);
    char why[200];
    regex_t expression;
    if (pattern == NULL) {
        return 0;
    }
    int r = regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB);
    if (r == 0) {
        regfree(&expression);
        return 0;
    }
    (void)regerror(r, &expression, why, sizeof(why));
    return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                          "--%s %s is not an extended regular expression: %s", name, pattern, why);
}

int pk_choice_take(const struct pk_opts *opts, char *ret_project,
                   struct pk_report_choice *ret_choice, struct pk_failure *failure) {
    const char *project = pk_opts_get(opts, "project");
    if (project != NULL && realpath(project, ret_project) == NULL) {
        return pk_failure_set(failure, -errno, PK_EXIT_USAGE,
                              "--project %s is not a directory that can be read: %s", project,
                              strerror(errno));
    }
    *ret_choice = (struct pk_report_choice){.project = project != NULL ? ret_project : NULL,
                                            .hide = pk_opts_get(opts, "hide"),
                                            .show = pk_opts_get(opts, "show"),
                                            .no_source = pk_opts_has(opts, "no-source"),
                                            .redact = pk_opts_has(opts, "redact")};
    int r = check_pattern(opts, "hide", failure);
    return r != 0 ? r : check_pattern(opts, "show", failure);
}
