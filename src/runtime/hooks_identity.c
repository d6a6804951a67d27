/* SPDX-License-Identifier: Apache-2.0
 * A process that gives up root, or its root directory, cannot open its ledger any more: what that
 * may have to hold is reserved before. Servers do so after the fork (gunicorn --user): else a
 * worker has room for some hundred stacks, and what comes later is charged to their callers.
 * Whether the call works is not our question. */
#include <sys/types.h>
#include <unistd.h>

#include "base/attr.h"
#include "record/writer.h"
#include "runtime/real.h"
#include "runtime/runtime.h"

static void prepare(void) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.chroot == NULL)) {
        pk_real_resolve();
    }
    if (self != NULL && pk_runtime.active && pk_runtime_is_own()) {
        pk_runtime_enter(self);
        pk_writer_stock_up(&pk_runtime.writer);
        pk_runtime_leave(self);
    }
}

PK_EXPORT int setuid(uid_t user) {
    prepare();
    return pk_real.setuid(user);
}

PK_EXPORT int seteuid(uid_t effective) {
    prepare();
    return pk_real.seteuid(effective);
}

PK_EXPORT int setreuid(uid_t user, uid_t effective) {
    prepare();
    return pk_real.setreuid(user, effective);
}

PK_EXPORT int setresuid(uid_t user, uid_t effective, uid_t saved) {
    prepare();
    return pk_real.setresuid(user, effective, saved);
}

PK_EXPORT int chroot(const char *path) {
    prepare();
    return pk_real.chroot(path);
}
