/* SPDX-License-Identifier: Apache-2.0
 * A program with Python inside: started, used from a thread of the program's own, ended, started
 * and ended again. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

void Py_InitializeEx(int signals);
int Py_FinalizeEx(void);
int PyRun_SimpleStringFlags(const char *code, void *flags);
int PyGILState_Ensure(void);
void PyGILState_Release(int state);
void *PyEval_SaveThread(void);
void PyEval_RestoreThread(void *state);

static const char held[] = "block = bytearray(48 << 20)\n"
                           "def hold():\n"
                           "    return bytearray(16 << 20)\n"
                           "other = hold()\n";

static void *from_a_thread(void *context) {
    int state = PyGILState_Ensure();
    *(int *)context = PyRun_SimpleStringFlags(held, NULL);
    PyGILState_Release(state);
    free(malloc(1000)); // no Python on this thread any more
    return NULL;
}

int main(void) {
    int failed = 0;
    free(malloc(1000));
    for (int i = 0; i < 2; i++) {
        Py_InitializeEx(0);
        failed |= PyRun_SimpleStringFlags("import threading, sys", NULL);
        void *state = PyEval_SaveThread();
        pthread_t thread;
        int result = 1;
        pthread_create(&thread, NULL, from_a_thread, &result);
        pthread_join(thread, NULL);
        failed |= result;
        PyEval_RestoreThread(state);
        failed |= Py_FinalizeEx();
    }
    free(malloc(1000));
    printf("%s\n", failed ? "failed" : "fine");
    return failed != 0;
}
