/* SPDX-License-Identifier: Apache-2.0
 * See sample.h. */
#include "runtime/sample.h"

#include <stdbool.h>

#include "base/clock.h"
#include "base/sys.h"
#include "runtime/process.h"
#include "runtime/runtime.h"

#define PAGE 4096u
#define AT_ONCE 4096u /* pages asked for in one call: 16 MiB */
#define REST 20u      /* times as long as the sampling took */

static bool sampling; // charging what was found moves the total, which asks again
static uint64_t next_ns;

static uint64_t resident_bytes(uint64_t start, uint64_t end) {
    static uint8_t pages[AT_ONCE]; // too large for a stranger's stack; the lock guards it
    uint64_t resident = 0;
    for (uint64_t at = start; at < end;) {
        uint64_t count = (end - at) / PAGE < AT_ONCE ? (end - at) / PAGE : AT_ONCE;
        if (count == 0 ||
            pk_sys6(SYS_mincore, (long)at, (long)(count * PAGE), (long)pages, 0, 0, 0) != 0) {
            break; // gone in the meantime
        }
        for (uint64_t i = 0; i < count; i++) {
            resident += pages[i] & 1u;
        }
        at += count * PAGE;
    }
    return resident * PAGE;
}

void pk_sample_now(void) {
    if (sampling) {
        return;
    }
    sampling = true;
    uint64_t start = pk_clock_ns(CLOCK_MONOTONIC);
    pk_ledger_sample(&pk_runtime.ledger, resident_bytes, pk_runtime.function_sampled);
    pk_writer_publish(&pk_runtime.writer);
    uint64_t end = pk_clock_ns(CLOCK_MONOTONIC);
    next_ns = end + (end - start) * REST;
    sampling = false;
}

void pk_sample_due(uint64_t mono_ns) {
    if (pk_runtime.ledger.noreserve_bytes != 0 && mono_ns >= next_ns && !pk_runtime.maps_change) {
        pk_sample_now();
    }
}
