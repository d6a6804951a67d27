/* SPDX-License-Identifier: Apache-2.0
 * For ctypes: uses up the stack. */
int overflow(int depth) {
    volatile char frame[4096];
    frame[depth & 4095] = 1;
    return overflow(depth + 1) + frame[0];
}
