/* SPDX-License-Identifier: Apache-2.0
 * Memory that is mapped without reservation (the arenas of mimalloc inside pyarrow and polars: 1
 * GiB at once) counts by what is resident of it. Nobody tells when a page is touched, so it is
 * asked for: at events, when the total has moved by 64 KiB, and whenever such a map comes or goes.
 * Asking costs about 1 ms a resident GiB, so it is not done more often than for 1/20 of the time. A
 * peak inside one long call that makes no event can be missed: the resident size that the
 * supervisor samples shows it then. */
#pragma once

#include <stdint.h>

/* Samples if it is time to. `mono_ns`: now, coarse. Under the ledger's lock. */
void pk_sample_due(uint64_t mono_ns);
/* A map without reservation came, went or changed: samples now. Under the ledger's lock. */
void pk_sample_now(void);
