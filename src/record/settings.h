/* SPDX-License-Identifier: Apache-2.0
 * What the program tells the runtime, through one environment variable: PEAKLINE_RUN=<absolute path
 * of the result directory>. The runtime takes it out before the program looks, and hands it to
 * whatever the program starts. The runtime writes its ledger there as ledger-<pid> (a number is
 * appended if that exists: ledger-<pid>.2). LD_PRELOAD names the runtime; the runtime takes itself
 * out of it, other entries stay. */
#pragma once

#define PK_ENV_RUN "PEAKLINE_RUN"
#define PK_LEDGER_PREFIX "ledger-"
#define PK_RUNTIME_NAME "libpeakline.so"
