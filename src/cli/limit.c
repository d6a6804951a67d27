/* SPDX-License-Identifier: Apache-2.0
 * See limit.h. */
#include "cli/limit.h"

#include "cli/errors.h"
#include "report/amount.h"
#include "report/display.h"

#include <errno.h>
#include <limits.h>

#define LINES_NAMED 3

int pk_limit_take(const struct pk_opts *opts, struct pk_limit *ret_limit,
                  struct pk_failure *failure) {
    const char *text = pk_opts_get(opts, "fail-over");
    struct pk_amount amount;
    char call[PATH_MAX + 128];

    *ret_limit = (struct pk_limit){0};
    if (text == NULL) {
        return 0;
    }
    if (pk_amount_parse(text, &amount) != 0 || amount.is_share) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "%s takes a size, such as 500MiB or 1.5GB, not %s",
                              pk_opts_call(opts, "fail-over", call, sizeof(call)), text);
    }
    *ret_limit = (struct pk_limit){.text = text, .bytes = amount.bytes};
    return 0;
}

void pk_limit_judge(const struct pk_limit *limit, const struct pk_report *report,
                    struct pk_outcome *outcome) {
    char peak[PK_NUMBER_ROOM], most[PK_NUMBER_ROOM], over[PK_NUMBER_ROOM], lines[1024];
    int status = PK_EXIT_OVER;

    if (limit->text == NULL) {
        return;
    }
    if (report == NULL) {
        status = PK_EXIT_REPORT;
        (void)pk_error_say(status, "there is no peak to compare with the limit of %s (--fail-over)",
                           limit->text);
    } else if (pk_report_peak_bytes(report) <= limit->bytes) {
        return;
    } else {
        uint64_t bytes = pk_report_peak_bytes(report);
        size_t named = pk_report_name_lines(report, LINES_NAMED, lines, sizeof(lines));
        (void)pk_error_say(status,
                           "the peak of %s is over the limit of %s by %s (--fail-over %s)%s%s",
                           pk_format_bytes(peak, bytes), pk_format_bytes(most, limit->bytes),
                           pk_format_bytes(over, bytes - limit->bytes), limit->text,
                           named > 0 ? "; held by " : "", named > 0 ? lines : "");
    }
    if (!outcome->by_signal && outcome->code == 0) {
        outcome->code = status;
    }
}
