/* SPDX-License-Identifier: Apache-2.0
 * What the program tells the runtime, through one environment variable that the runtime removes again
 * before Python looks: PEAKLINE_RUN=<absolute path of the result directory>.
 * The runtime writes its ledger there as ledger-<pid> (a number is appended if that exists: ledger-<pid>.2).
 * LD_PRELOAD names the runtime; the runtime takes itself out of it, other entries stay. */
#pragma once

#define PK_ENV_RUN "PEAKLINE_RUN"
#define PK_LEDGER_PREFIX "ledger-"
#define PK_RUNTIME_NAME "libpeakline.so"
