/* SPDX-License-Identifier: Apache-2.0
 * The largest process and its largest thread. May use view.h, display.h. */
#include "report/holder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/node.h"
#include "report/display.h"

static bool is_kind(const struct pk_view *view, int32_t frame, uint32_t kind) {
    return frame >= 0 && view->functions[view->frames[frame].function].kind == kind;
}

/* The process with the most of the peak; -1 where there is one only. */
static int64_t find_process(const struct pk_view *view) {
    int64_t most = 0;
    for (uint32_t i = 1; i < view->process_count; i++) {
        if (view->processes[i].tree_bytes > view->processes[most].tree_bytes) {
            most = i;
        }
    }
    return view->process_count > 1 ? most : -1;
}

/* How many processes stand behind one frame below the root. */
static uint32_t count_sharing(const struct pk_view *view, int32_t frame) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->process_count; i++) {
        count += view->processes[i].frame == frame && view->processes[i].took_part ? 1u : 0u;
    }
    return count;
}

/* Bytes by the frame "[thread]" that is outermost in the process, in `sums` (one for each frame);
 * returns those of the main thread. */
static uint64_t add_threads(const struct pk_view *view, int32_t process, int32_t *threads,
                            uint64_t *sums) {
    const struct pk_tree *tree = &view->tree;
    uint64_t in_main = 0;
    threads[0] = process < 0 ? PK_FRAME_ROOT : PK_FRAME_FOLDED; // folded: of another process
    for (uint32_t i = 0; i < tree->count; i++) {
        int32_t frame = tree->frames[i];
        if (i > 0) {
            threads[i] = threads[i - tree->up[i]];
        }
        if (process >= 0 && frame == process) {
            threads[i] = PK_FRAME_ROOT;
        } else if (threads[i] == PK_FRAME_ROOT && is_kind(view, frame, PK_FUNCTION_THREAD)) {
            threads[i] = frame;
        }
        if (threads[i] >= 0) {
            sums[threads[i]] += tree->bytes[i];
        } else if (threads[i] == PK_FRAME_ROOT) {
            in_main += tree->bytes[i];
        }
    }
    return in_main;
}

int pk_holder_find(const struct pk_view *view, struct pk_holder *ret_holder) {
    int64_t process = find_process(view);
    *ret_holder = (struct pk_holder){.process = process,
                                     .bytes = process < 0 ? view->peak_bytes
                                                          : view->processes[process].tree_bytes,
                                     .thread_frame = PK_FRAME_ROOT};
    int32_t frame = process < 0 ? PK_FRAME_ROOT : view->processes[process].frame;
    if (view->tree.count == 0 || ret_holder->bytes == 0 ||
        (process >= 0 && (frame < 0 || count_sharing(view, frame) > 1))) {
        return 0; // of processes that are one in the tree, threads are not known apart
    }
    int32_t *threads = calloc(view->tree.count, sizeof(*threads));
    uint64_t *sums = calloc(view->frame_count + 1, sizeof(*sums));
    if (threads == NULL || sums == NULL) {
        free(threads);
        free(sums);
        return -ENOMEM;
    }
    uint64_t in_main = add_threads(view, frame, threads, sums), others = 0, most = in_main;
    for (uint32_t i = 0; i < view->frame_count; i++) {
        others += sums[i];
        if (sums[i] > most) {
            most = sums[i];
            ret_holder->thread_frame = (int32_t)i;
        }
    }
    if (others > 0) {
        ret_holder->thread = ret_holder->thread_frame >= 0 ? PK_HOLDER_STARTED : PK_HOLDER_MAIN;
        ret_holder->thread_bytes = most;
    }
    free(threads);
    free(sums);
    return 0;
}

/* The line that started the threads, or -1. */
static int32_t find_start(const struct pk_view *view, const struct pk_holder *holder) {
    return holder->thread_frame >= 0 ? view->frames[holder->thread_frame].started_by : -1;
}

static const char *name_thread(const struct pk_view *view, const struct pk_holder *holder) {
    return holder->thread == PK_HOLDER_MAIN ? "main thread"
           : find_start(view, holder) < 0   ? "other threads"
                                            : "threads started at ";
}

static void name_start(const struct pk_view *view, const struct pk_path_rules *rules,
                       const struct pk_holder *holder, char *ret_text, size_t size) {
    int32_t by = find_start(view, holder);
    ret_text[0] = '\0';
    if (by >= 0) {
        const struct pk_view_frame *frame = &view->frames[by];
        const char *path = view->files[view->functions[frame->function].file].path;
        snprintf(ret_text, size, "%.400s:%u", pk_path_spoken(rules, path), frame->line);
    }
}

void pk_holder_say(const struct pk_view *view, const struct pk_path_rules *rules,
                   const struct pk_holder *holder, struct pk_holder_words *ret_words) {
    char(*pieces)[sizeof(ret_words->pieces[0])] = ret_words->pieces;
    size_t size = sizeof(pieces[0]);
    char bytes[PK_NUMBER_ROOM], share[PK_NUMBER_ROOM], of_it[PK_NUMBER_ROOM];
    const char *thread = name_thread(view, holder);
    bool is_main = holder->thread == PK_HOLDER_MAIN;

    memset(ret_words, 0, sizeof(*ret_words));
    if (holder->bytes > 0 && holder->process >= 0) {
        const struct pk_view_process *process = &view->processes[holder->process];
        snprintf(pieces[0], size, "Process %u (", process->pid);
        snprintf(pieces[1], size, "%.120s", process->label);
        int used = snprintf(pieces[2], size, ") holds the most, %s (%s)",
                            pk_format_bytes(bytes, holder->bytes),
                            pk_format_share(share, holder->bytes, view->peak_bytes));
        if (holder->thread != PK_HOLDER_ONLY) {
            bool is_all = holder->thread_bytes == holder->bytes;
            snprintf(pieces[2] + used, size - (size_t)used, ", %s of it in %s%s",
                     is_all ? "all" : pk_format_bytes(of_it, holder->thread_bytes),
                     is_main ? "its " : "", thread);
            name_start(view, rules, holder, pieces[3], size);
        }
        snprintf(pieces[4], size, ".");
    } else if (holder->thread != PK_HOLDER_ONLY) {
        snprintf(pieces[0], size, "%s%c%s", is_main ? "The " : "",
                 is_main ? thread[0] : thread[0] - 'a' + 'A', thread + 1);
        name_start(view, rules, holder, pieces[1], size);
        snprintf(pieces[2], size, " hold%s the most, %s (%s).", is_main ? "s" : "",
                 pk_format_bytes(bytes, holder->thread_bytes),
                 pk_format_share(share, holder->thread_bytes, view->peak_bytes));
    }
}

void pk_holder_join(const struct pk_holder_words *words, char *ret_text, size_t size) {
    snprintf(ret_text, size, "%s%s%s%s%s", words->pieces[0], words->pieces[1], words->pieces[2],
             words->pieces[3], words->pieces[4]);
}
