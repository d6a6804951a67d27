/* SPDX-License-Identifier: Apache-2.0
 * From a directory to a view, in two passes: all headers, which say who the processes are and which
 * moment was the highest; then one ledger after the other, folded into the view and let go.
 * May use record/reader.h, record/tree_read.h, model.h, label.h, mapped.h. */
#include "report/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/label.h"
#include "report/mapped.h"

/* With more stacks than this in all ledgers, only the largest processes have a frame of their own;
 * others that run the same code are one. About 150 MiB while the report is built. */
#define MAX_SPLIT_NODES (1u << 20)
#define PATH_ROOM (4096u + 256u)

/* A process while it is gathered. */
struct entry {
    struct pk_view_process process;
    uint32_t tree_slot;
    uint64_t start_mono_ns, start_unix_ns;
    uint64_t node_count;
    const char *frame_name;
    bool is_lost; /* its ledger could not be read the second time */
};

struct gathering {
    struct pk_report *report;
    const char *dir;
    struct pk_load_warnings *warnings;
    struct entry *entries;
    uint32_t count;
    bool is_tree_peak; /* else the largest own peak */
    uint32_t highest;  /* the entry with the largest own peak */
    int first_failure;
    char *error;
    size_t error_size;
};

void pk_load_warn(struct pk_report *report, struct pk_load_warnings *warnings, const char *text) {
    if (warnings->count < PK_LOAD_WARNINGS) {
        const char *copy = pk_pool_text(&report->pool, text, strlen(text));
        warnings->list[warnings->count] = copy;
        warnings->count += copy != NULL ? 1u : 0u;
    }
}

/* A sentence that begins with a file of the directory, from the file's name on: who reads the
 * report need not know where it lies. */
static const char *skip_directory(const struct gathering *g, const char *sentence) {
    size_t length = strlen(g->dir);
    bool is_inside = strncmp(sentence, g->dir, length) == 0 && sentence[length] == '/';
    return is_inside && !g->report->is_one_ledger ? sentence + length + 1 : sentence;
}

static void note_unread(struct gathering *g, int code, const char *why) {
    if (g->first_failure == 0) {
        g->first_failure = code;
        snprintf(g->error, g->error_size, "%s", why);
    }
    if (g->warnings->count >= PK_LOAD_WARNINGS - 8) {
        g->warnings->unread++; // room is left for what else there is to say
        return;
    }
    char sentence[600];
    snprintf(sentence, sizeof(sentence), "%.590s.", skip_directory(g, why));
    pk_load_warn(g->report, g->warnings, sentence);
}

static const char *keep_text(struct gathering *g, const char *text) {
    const char *kept = pk_pool_text(&g->report->pool, text, strlen(text));
    return kept == NULL ? "" : kept; // the pool's failure is asked for at the end
}

static const char *name_python(struct gathering *g, const struct pk_ledger_header *header) {
    char text[64] = "";
    size_t length = strcspn(header->python_version, " ");
    if (length > 0) {
        snprintf(text, sizeof(text), "%.*s%s", (int)(length > 32 ? 32 : length),
                 header->python_version,
                 (header->flags & PK_FLAG_FREE_THREADED) != 0 ? " free-threaded" : "");
    } else if (header->python_hex != 0) {
        snprintf(text, sizeof(text), "%u.%u.%u", header->python_hex >> 24,
                 header->python_hex >> 16 & 0xffu, header->python_hex >> 8 & 0xffu);
    }
    return text[0] == '\0' ? "" : keep_text(g, text);
}

/* What the header knows; read again when the whole ledger is, for a process that runs on. */
static void take_numbers(struct pk_view_process *process, const struct pk_ledger_header *header) {
    process->state = header->state;
    process->flags = header->flags;
    process->python_status = header->python_status;
    process->peak_bytes = header->peak_bytes;
    process->peak_blocks = header->peak_blocks;
    process->inherited_bytes = header->inherited_bytes;
    process->inherited_blocks = header->inherited_blocks;
    process->inherited_freed_bytes = header->inherited_freed_bytes;
    process->inherited_freed_blocks = header->inherited_freed_blocks;
    process->arena_bytes = header->arena_bytes;
    process->arena_peak_bytes = header->arena_peak_bytes;
    process->sampled_bytes = header->sampled_bytes;
    process->file_map_bytes = header->file_map_bytes;
    process->noreserve_bytes = header->noreserve_bytes;
    process->own_bytes = header->own_bytes;
    process->dropped_events = header->dropped_events;
    process->merged_stacks = header->merged_stacks;
    process->unknown_frees = header->unknown_frees;
    process->missed_frees = header->missed_frees;
    process->failed_allocs = header->failed_allocs;
    process->largest_failed_bytes = header->largest_failed_bytes;
}

static void describe(struct gathering *g, const char *name, const struct pk_ledger_header *header) {
    struct entry *entry = &g->entries[g->count++];
    *entry = (struct entry){.process = {.pid = header->pid,
                                        .parent_pid = header->parent_pid,
                                        .forked_from = header->forked_from,
                                        .parent = -1,
                                        .frame = PK_FRAME_ROOT,
                                        .failed_frame = PK_FRAME_ROOT,
                                        .command = keep_text(g, header->command),
                                        .ledger = keep_text(g, name),
                                        .python = name_python(g, header),
                                        .python_note = keep_text(g, header->python_note)},
                            .tree_slot = header->tree_slot,
                            .start_mono_ns = header->start_mono_ns,
                            .start_unix_ns = header->start_unix_ns,
                            .node_count = header->counts[PK_TABLE_IDENTS]};
    take_numbers(&entry->process, header);
}

static void read_headers(struct gathering *g, const struct pk_ledger_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        char path[PATH_ROOM], why[512];
        struct pk_ledger_header header;
        snprintf(path, sizeof(path), "%s/%s", g->dir, names->list[i]);
        int r = pk_snapshot_read_header(path, &header, why, sizeof(why));
        if (r < 0) {
            note_unread(g, r, why);
        } else {
            describe(g, names->list[i], &header);
        }
    }
}

static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->start_mono_ns != b->start_mono_ns) {
        return a->start_mono_ns < b->start_mono_ns ? -1 : 1;
    }
    return strcmp(a->process.ledger, b->process.ledger);
}

/* DIR/tree, if there is one. Results of one process may have none. */
static int read_tree(struct gathering *g) {
    char path[PATH_ROOM], why[512], sentence[700];
    if (g->report->is_one_ledger) {
        return 0;
    }
    snprintf(path, sizeof(path), "%s/%s", g->dir, PK_TREE_NAME);
    int r = pk_tree_snapshot_read(path, &g->report->tree, why, sizeof(why));
    if (r == -ENOMEM) {
        return r;
    }
    if (r < 0 && r != -ENOENT) {
        snprintf(sentence, sizeof(sentence), "%s: what was held together is not known.",
                 skip_directory(g, why));
        pk_load_warn(g->report, g->warnings, sentence);
    }
    return 0;
}

/* Which moment is the highest: that of the tree, or one process's own (record/tree.h). */
static void choose_peak(struct gathering *g) {
    const struct pk_tree_snapshot *tree = g->report->tree;
    for (uint32_t i = 1; i < g->count; i++) {
        if (g->entries[i].process.peak_bytes > g->entries[g->highest].process.peak_bytes) {
            g->highest = i;
        }
    }
    g->is_tree_peak =
        tree != NULL && tree->peak > 0 && tree->peak >= g->entries[g->highest].process.peak_bytes;
}

struct pid_entry {
    uint32_t pid;
    uint32_t index;
};

static int compare_pids(const void *left, const void *right) {
    const struct pid_entry *a = left, *b = right;
    if (a->pid != b->pid) {
        return a->pid < b->pid ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The last ledger of the parent's pid that began before the child did. */
static void find_parents(struct gathering *g, struct pid_entry *sorted) {
    for (uint32_t i = 0; i < g->count; i++) {
        sorted[i] = (struct pid_entry){.pid = g->entries[i].process.pid, .index = i};
    }
    qsort(sorted, g->count, sizeof(*sorted), compare_pids);
    for (uint32_t i = 0; i < g->count; i++) {
        struct pk_view_process *process = &g->entries[i].process;
        uint32_t wanted = process->forked_from != 0 ? process->forked_from : process->parent_pid;
        uint32_t low = 0, high = g->count; // the first that is not before (wanted, i)
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            const struct pid_entry key = {.pid = wanted, .index = i};
            if (compare_pids(&sorted[middle], &key) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        bool is_found = low > 0 && sorted[low - 1].pid == wanted && sorted[low - 1].index < i;
        process->parent = is_found ? (int32_t)sorted[low - 1].index : -1;
    }
}

static void derive_times(struct gathering *g, struct entry *entry,
                         const struct pk_ledger_header *header) {
    struct pk_view_process *process = &entry->process;
    uint64_t start = g->report->start_mono_ns;
    process->start_ns =
        header->start_mono_ns >= start ? (int64_t)(header->start_mono_ns - start) : -1;
    process->end_ns = header->end_mono_ns >= start && header->end_mono_ns != 0
                          ? (int64_t)(header->end_mono_ns - start)
                          : -1;
    process->peak_ns = header->peak_mono_ns >= start && header->peak_mono_ns != 0
                           ? (int64_t)(header->peak_mono_ns - start)
                           : -1;
    if (header->peak_mono_ns == 0) {
        process->peak_ns = process->end_ns; // it was highest at the end
    }
}

static int compare_peaks(const void *left, const void *right) {
    const struct entry *a = *(const struct entry *const *)left;
    const struct entry *b = *(const struct entry *const *)right;
    if (a->process.peak_bytes != b->process.peak_bytes) {
        return a->process.peak_bytes > b->process.peak_bytes ? -1 : 1;
    }
    return a < b ? -1 : a > b;
}

/* The frame of each process below the root: its own for the largest, while the stacks of all of
 * them are not too many; shared with those of its group for the others. */
static void name_frames(struct gathering *g, struct entry **by_peak, uint32_t *merged) {
    uint64_t nodes = 0;
    char text[PK_LABEL_ROOM + 64];
    for (uint32_t i = 0; i < g->count; i++) {
        by_peak[i] = &g->entries[i];
    }
    qsort(by_peak, g->count, sizeof(struct entry *), compare_peaks);
    for (uint32_t i = 0; i < g->count; i++) {
        struct entry *entry = by_peak[i];
        nodes += entry->node_count;
        if (i == 0 || nodes <= MAX_SPLIT_NODES) {
            snprintf(text, sizeof(text), "process %u %s", entry->process.pid, entry->process.label);
            entry->frame_name = keep_text(g, text);
        } else {
            merged[entry->process.group]++;
        }
    }
    for (uint32_t i = 0; i < g->count; i++) {
        struct entry *entry = &g->entries[i];
        if (entry->frame_name != NULL) {
            continue;
        }
        uint32_t count = merged[entry->process.group];
        g->report->merged_count += count > 1 ? 1 : 0;
        if (count > 1) {
            snprintf(text, sizeof(text), "process x%u %s", count, entry->process.label);
        } else {
            snprintf(text, sizeof(text), "process %u %s", entry->process.pid, entry->process.label);
        }
        entry->frame_name = keep_text(g, text);
    }
}

static int describe_all(struct gathering *g) {
    struct pk_pool scratch = {0};
    struct pid_entry *pids = pk_pool_array(&scratch, g->count, sizeof(*pids));
    struct entry **by_peak = pk_pool_array(&scratch, g->count, sizeof(struct entry *));
    uint32_t *merged = pk_pool_array(&scratch, g->count, sizeof(*merged));
    struct pk_view_process *copies = pk_pool_array(&scratch, g->count, sizeof(*copies));
    int r = scratch.failed ? -ENOMEM : 0;
    if (r >= 0) {
        find_parents(g, pids);
        for (uint32_t i = 0; i < g->count; i++) {
            copies[i] = g->entries[i].process;
        }
        r = pk_label_groups(copies, g->count);
    }
    for (uint32_t i = 0; r >= 0 && i < g->count; i++) {
        struct pk_view_process *process = &g->entries[i].process;
        const struct pk_tree_snapshot *tree = g->report->tree;
        uint32_t slot = g->entries[i].tree_slot;
        char label[PK_LABEL_ROOM], text[PK_LABEL_ROOM + 16];
        pk_label_command(process->command, label);
        snprintf(text, sizeof(text), "%s%s", label, process->forked_from != 0 ? ", forked" : "");
        process->label = keep_text(g, text);
        process->group = copies[i].group;
        process->is_alive = process->state == PK_STATE_RUNNING && tree != NULL &&
                            slot < tree->slot_count && tree->slots[slot].pid == process->pid &&
                            tree->slots[slot].is_alive;
        process->took_part =
            g->is_tree_peak ? pk_tree_took_part(tree, slot, process->pid) : i == g->highest;
    }
    if (r >= 0 && g->count > 1) {
        name_frames(g, by_peak, merged);
    }
    pk_pool_free(&scratch);
    return r;
}

/* The first program of the run, or a fork of it, which runs the same text. */
static bool is_program(const struct gathering *g, uint32_t index) {
    const struct pk_view_process *process = &g->entries[index].process;
    while (process->forked_from != 0 && process->parent >= 0 && (uint32_t)process->parent < index) {
        index = (uint32_t)process->parent;
        process = &g->entries[index].process;
    }
    return index == 0;
}

/* One ledger into the view. */
static int add_ledger(struct gathering *g, struct pk_view_builder *builder,
                      struct pk_mapped *mapped, uint32_t index) {
    struct entry *entry = &g->entries[index];
    struct pk_view_process *process = &entry->process;
    struct pk_snapshot *snapshot;
    struct pk_view_added added;
    char path[PATH_ROOM], why[512];

    snprintf(path, sizeof(path), "%s/%s", g->dir, process->ledger);
    int r = pk_snapshot_read(path, &snapshot, why, sizeof(why));
    if (r < 0) {
        entry->is_lost = true;
        note_unread(g, r, why);
        return r == -ENOMEM ? r : 0;
    }
    const struct pk_view_source source = {
        .share = !process->took_part ? PK_SHARE_NONE
                 : g->is_tree_peak   ? PK_SHARE_TREE
                                     : PK_SHARE_OWN,
        .tree_epoch = g->report->tree == NULL ? 0 : pk_tree_epoch(g->report->tree->peak),
        .process = g->count > 1 ? entry->frame_name : NULL,
        .is_program = is_program(g, index)};
    r = pk_view_add(builder, snapshot, &source, &added);
    if (r == -ERANGE) {
        snprintf(why, sizeof(why), "%.400s holds more, with the others, than any machine has",
                 path);
        entry->is_lost = true;
        note_unread(g, -EBADMSG, why);
        pk_snapshot_free(snapshot);
        return 0;
    }
    if (r >= 0) {
        r = pk_mapped_add(mapped, snapshot);
    }
    const struct pk_ledger_header *header = &snapshot->header;
    take_numbers(process, header);
    derive_times(g, entry, header);
    process->node_count = snapshot->node_count;
    process->function_count = snapshot->function_count;
    process->frame = added.frame;
    process->failed_frame = added.failed_frame;
    process->tree_bytes = added.columns[PK_PEAK_BYTES];
    process->tree_blocks = added.columns[PK_PEAK_BLOCKS];
    process->end_bytes = added.columns[PK_END_BYTES];
    process->end_blocks = added.columns[PK_END_BLOCKS];
    process->alloc_bytes = added.columns[PK_ALLOC_BYTES];
    process->alloc_blocks = added.columns[PK_ALLOC_BLOCKS];
    if (snapshot->share_bytes > process->peak_bytes) {
        process->peak_bytes = snapshot->share_bytes; // as its own report would say
    }
    if (snapshot->share_blocks > process->peak_blocks) {
        process->peak_blocks = snapshot->share_blocks;
    }
    pk_snapshot_free(snapshot);
    return r;
}

static int fold_all(struct gathering *g) {
    struct pk_report *report = g->report;
    struct pk_mapped mapped = {.view = &report->view};
    struct pk_view_builder *builder = pk_view_begin(&report->rules, &report->view);
    int r = builder == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; r >= 0 && i < g->count; i++) {
        r = add_ledger(g, builder, &mapped, i);
    }
    int end = pk_mapped_end(&mapped);
    r = r < 0 ? r : end;
    end = builder == NULL ? -ENOMEM : pk_view_end(builder);
    return r < 0 ? r : end;
}

/* The entries that could be read become the view's processes. */
static int list_processes(struct gathering *g) {
    struct pk_view *view = &g->report->view;
    struct pk_pool scratch = {0};
    int32_t *places = pk_pool_array(&scratch, g->count, sizeof(*places));
    view->processes = pk_pool_array(&view->pool, g->count, sizeof(*view->processes));
    if (places == NULL || view->processes == NULL) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < g->count; i++) {
        places[i] = g->entries[i].is_lost ? -1 : (int32_t)view->process_count;
        if (!g->entries[i].is_lost) {
            view->processes[view->process_count++] = g->entries[i].process;
        }
    }
    for (uint32_t i = 0; i < view->process_count; i++) {
        int32_t *parent = &view->processes[i].parent;
        *parent = *parent < 0 ? -1 : places[*parent];
    }
    pk_pool_free(&scratch);
    return view->process_count == 0 ? g->first_failure : 0;
}

static uint64_t largest_own_peak(const struct pk_view *view) {
    uint64_t largest = 0;
    for (uint32_t i = 0; i < view->process_count; i++) {
        uint64_t peak = view->processes[i].peak_bytes;
        largest = peak > largest ? peak : largest;
    }
    return largest;
}

static int build_view(struct gathering *g) {
    int r = describe_all(g);
    if (r >= 0) {
        r = fold_all(g);
    }
    return r < 0 ? r : list_processes(g);
}

static int gather(struct gathering *g, const struct pk_ledger_names *names) {
    struct pk_report *report = g->report;
    read_headers(g, names);
    if (g->count == 0) {
        return g->first_failure;
    }
    qsort(g->entries, g->count, sizeof(*g->entries), compare_entries);
    int r = read_tree(g);
    if (r < 0) {
        return r;
    }
    bool has_start = report->run != NULL && report->run->start_unix_ns > 0;
    report->start_unix_ns =
        has_start ? report->run->start_unix_ns : (int64_t)g->entries[0].start_unix_ns;
    report->start_unix_ns = report->start_unix_ns < 0 ? 0 : report->start_unix_ns;
    report->start_mono_ns = report->tree != NULL && report->tree->start_mono_ns != 0 &&
                                    report->tree->start_mono_ns <= g->entries[0].start_mono_ns
                                ? report->tree->start_mono_ns
                                : g->entries[0].start_mono_ns;
    choose_peak(g);
    r = build_view(g);
    if (r >= 0 && g->is_tree_peak && report->view.peak_bytes < largest_own_peak(&report->view)) {
        // the published sums were a step above what the processes kept: the own peak is the larger
        uint32_t count = g->warnings->count, unread = g->warnings->unread;
        pk_view_free(&report->view);
        for (uint32_t i = 0; i < g->count; i++) {
            g->entries[i].is_lost = false;
            g->entries[i].frame_name = NULL;
        }
        report->merged_count = 0;
        g->is_tree_peak = false;
        r = build_view(g);
        g->warnings->count = count; // said already
        g->warnings->unread = unread;
    }
    report->is_tree_peak = g->is_tree_peak;
    return r < 0 ? r : report->pool.failed ? -ENOMEM : 0;
}

int pk_gather(struct pk_report *report, const char *dir, const struct pk_ledger_names *names,
              struct pk_load_warnings *warnings, char *error, size_t error_size) {
    struct gathering g = {.report = report,
                          .dir = dir,
                          .warnings = warnings,
                          .entries = calloc(names->count + 1, sizeof(*g.entries)),
                          .error = error,
                          .error_size = error_size};
    error[0] = '\0';
    int r = g.entries == NULL ? -ENOMEM : gather(&g, names);
    if (r < 0 && error[0] == '\0') {
        snprintf(error, error_size, "%s cannot be read: %s", dir, strerror(-r));
    }
    free(g.entries);
    return r;
}
