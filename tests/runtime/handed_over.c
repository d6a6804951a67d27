/* SPDX-License-Identifier: Apache-2.0
 * A program with Python inside that makes a thread state in one thread and runs it in another, as
 * the C API allows, while the thread that made it allocates without the GIL. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

void Py_InitializeEx(int signals);
int PyRun_SimpleStringFlags(const char *code, void *flags);
void *PyInterpreterState_Main(void);
void *PyThreadState_New(void *interpreter);
void PyEval_AcquireThread(void *state);
void PyEval_ReleaseThread(void *state);
void *PyEval_SaveThread(void);
void PyEval_RestoreThread(void *state);

static const char calls[] = "def call(n):\n"
                            "    return [n] if n == 0 else call(n - 1) + [n]\n"
                            "for i in range(3000):\n"
                            "    call(i % 200)\n";

static int done; /* atomic */

static void *run_python(void *state) {
    PyEval_AcquireThread(state);
    if (PyRun_SimpleStringFlags(calls, NULL) != 0) {
        abort();
    }
    PyEval_ReleaseThread(state);
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    return NULL;
}

int main(void) {
    Py_InitializeEx(0);
    void *theirs = PyThreadState_New(PyInterpreterState_Main());
    void *mine = PyEval_SaveThread();
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_python, theirs) != 0) {
        return 1;
    }
    for (size_t i = 0; !__atomic_load_n(&done, __ATOMIC_ACQUIRE); i++) {
        free(malloc(100 + i % 100));
    }
    pthread_join(thread, NULL);
    PyEval_RestoreThread(mine);
    printf("fine\n");
    return 0;
}
