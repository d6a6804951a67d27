/* SPDX-License-Identifier: Apache-2.0
 * Everything of the runtime that threads share, without the hooks and without an interpreter:
 * threads that come and go call functions, let code objects die, allocate, resize, map, hand blocks
 * to one another and free them, with the tree's page told of it. What each function holds in the
 * end is known. Made for ThreadSanitizer, under which the lock keeps to its word and every access
 * is checked; a test like any other without it. May use: src/runtime but for its hooks. */
#include "check.h"
#include "fake_python.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/tree.h"
#include "runtime/process.h"
#include "runtime/runtime.h"
#include "runtime/small.h"
#include "runtime/track.h"

#define WORKERS 4
#define ROUNDS 4000
/* blocks of a worker, alive or not; who has the token may do with the block what it likes */
#define TOKENS 64
#define BOXES 16 /* where tokens are left for others */
#define DEPTH 12
#define LEAVES 3 /* functions that allocate, the same ones in every thread */
#define OWN 2    /* code objects of each thread that die and are made anew */
#define UNITS 64
#define CODE_BYTES 448

struct token {
    uintptr_t address;
    size_t size; // 0: no block
    int leaf;    // who allocated it; -1: none of them
    bool small;  // blocks of Python's: other sizes never share a page with them
};

struct worker {
    pthread_t thread;
    uint32_t number;
    uint32_t random;
    char *state; // of the interpreter's thread
    char *frames[DEPTH];
    struct token own[OWN];
    int depth;
    struct token *tokens[TOKENS];
    uintptr_t maps;
    bool is_short;
    uint32_t starter, session; // of a short one
};

static const struct pk_layout *layout;
static struct worker workers[WORKERS];
static struct worker short_ones[WORKERS]; // one at a time for each worker
static struct token all_tokens[WORKERS * TOKENS + BOXES];
static struct token *boxes[BOXES]; // atomic
static char *leaves[LEAVES], *callers[LEAVES];
static __thread struct worker *here;
static const uint8_t no_table[2];

// A thread's struct serves another when the kernel knows the first no more, which ThreadSanitizer
// cannot see.
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "race:clear_ended\n";
}

static void *running_state(void) {
    return here == NULL ? NULL : here->state;
}

static void *no_state(void) {
    return NULL;
}

static uint32_t next_random(struct worker *worker) {
    worker->random = worker->random * 1103515245u + 12345u;
    return worker->random >> 8;
}

// ---- what the interpreter does ------------------------------------------------------------------

static void be_at(struct worker *worker, int level, const char *code, unsigned unit) {
    char *frame = worker->frames[level];
    fake_word(frame, layout->frame_code, (uintptr_t)code);
    fake_pointer(frame, layout->frame_previous, level == 0 ? NULL : worker->frames[level - 1]);
    fake_word(frame, layout->frame_instr,
              (uintptr_t)code + layout->code_start + (uintptr_t)unit * 2);
    fake_pointer(worker->state, layout->thread_frame, frame);
    worker->depth = level + 1;
}

// Some calls and returns; the running function is a leaf in the end. Returns which.
static int move(struct worker *worker) {
    int to = (int)(next_random(worker) % (DEPTH - 1));
    for (int level = worker->depth < to ? worker->depth : to; level < to; level++) {
        bool own = next_random(worker) % 3 == 0;
        const char *code = own ? (char *)worker->own[next_random(worker) % OWN].address
                               : callers[next_random(worker) % LEAVES];
        be_at(worker, level, code, 2 + next_random(worker) % (UNITS - 2));
    }
    int leaf = (int)(next_random(worker) % LEAVES);
    be_at(worker, to, leaves[leaf], 2 + next_random(worker) % 8);
    return leaf;
}

// ---- what the hooks do --------------------------------------------------------------------------

static void allocate(struct pk_thread *self, struct token *token, size_t size, int leaf) {
    self->open = 0;
    if (token->small) {
        pk_small_alloc(PK_FAMILY_DIRECT, self, token->address, size);
    } else {
        pk_track_alloc(self, token->address, size, 0, false);
    }
    self->open = 1;
    token->size = size;
    token->leaf = leaf;
}

static void give_back(struct pk_thread *self, struct token *token) {
    self->open = 0;
    pk_track_free(self, token->address);
    self->open = 1;
    token->size = 0;
}

static void resize(struct pk_thread *self, struct token *token, size_t size, int leaf, bool fails) {
    self->open = 0;
    struct pk_block known = pk_track_resize_begin(self, token->address);
    if (fails) {
        pk_track_resize_abort(self, known, token->address);
        pk_track_failed(self, size);
    } else {
        pk_track_resize_commit(self, known, token->address, size, 0, token->small, false);
        token->size = size;
        token->leaf = leaf;
    }
    self->open = 1;
}

static void map_and_unmap(struct pk_thread *self, struct worker *worker) {
    uintptr_t at = worker->maps + next_random(worker) % 8 * 0x100000;
    self->open = 0;
    pk_track_map(self, at, 5 * 4096, PK_MAP_MEMORY, true, "", 0);
    uint32_t node = pk_track_hold(self);
    pk_track_remap(node, at, 5 * 4096, at, 9 * 4096);
    pk_track_protect(at, 4096, false);
    pk_track_let_go(self);
    (void)pk_track_hold(self);
    pk_track_unmap(at, 9 * 4096);
    pk_track_let_go(self);
    self->open = 1;
}

// A code object dies and another function is made at its address. Only this thread ran it, and it
// has returned.
static void renew_code(struct pk_thread *self, struct worker *worker) {
    struct token *code = &worker->own[next_random(worker) % OWN];
    be_at(worker, 0, leaves[1], 2);
    give_back(self, code);
    fake_int((void *)code->address, layout->code_firstlineno, (int)(next_random(worker) % 50));
    allocate(self, code, CODE_BYTES, 1);
}

static void one_event(struct pk_thread *self, struct worker *worker) {
    uint32_t which = next_random(worker) % TOKENS;
    struct token *token = worker->tokens[which];
    int leaf = move(worker);
    size_t size = 1 + next_random(worker) % (token->small ? 512 : 40000);
    switch (next_random(worker) % 16) {
    case 0:
        map_and_unmap(self, worker);
        break;
    case 1:
        renew_code(self, worker);
        break;
    case 2: { // left for whoever comes next, and taken what was there
        struct token *other =
            __atomic_exchange_n(&boxes[next_random(worker) % BOXES], token, __ATOMIC_ACQ_REL);
        worker->tokens[which] = other;
        break;
    }
    case 4:
        if (token->size != 0) {
            resize(self, token, size, leaf, next_random(worker) % 4 == 0);
        }
        break;
    default:
        if (token->size != 0) {
            give_back(self, token);
        } else {
            allocate(self, token, size, leaf);
        }
    }
}

static void *live(void *context);

// Another thread goes on with this one's blocks and ends, while this one looks at the tree's peak.
static void have_a_guest(struct pk_thread *self, struct worker *worker) {
    struct worker *guest = &short_ones[worker->number];
    memcpy(guest->tokens, worker->tokens, sizeof guest->tokens);
    pk_threads_expect(self);
    self->open = 0;
    guest->starter = pk_track_here(self);
    guest->session = self->session;
    self->open = 1;
    if (pthread_create(&guest->thread, NULL, live, guest) != 0) {
        return;
    }
    int mark = pk_process_mark();
    map_and_unmap(self, worker);
    (void)pthread_join(guest->thread, NULL);
    uint64_t bytes;
    (void)(mark >= 0 && pk_process_unmark(mark, &bytes));
    memcpy(worker->tokens, guest->tokens, sizeof guest->tokens);
}

static void *live(void *context) {
    struct worker *worker = context;
    struct pk_thread *self = pk_thread_current();
    if (self == NULL) {
        abort();
    }
    if (worker->is_short) {
        self->open = 0;
        pk_track_thread_start(self, worker->starter, worker->session);
        self->open = 1;
    }
    here = worker;
    worker->depth = 0;
    for (int i = 0; i < (worker->is_short ? ROUNDS / 100 : ROUNDS); i++) {
        one_event(self, worker);
        if (!worker->is_short && i % 100 == 0) {
            have_a_guest(self, worker);
        }
    }
    here = NULL;
    return NULL;
}

// ---- the test -----------------------------------------------------------------------------------

static void furnish(struct worker *worker, uint32_t number, struct pk_thread *self) {
    worker->number = number % WORKERS;
    worker->is_short = number >= WORKERS;
    worker->random = (uint32_t)check_seed() + number * 77;
    worker->state = fake_thread(layout, NULL);
    worker->maps = 0x700000000000u + (uintptr_t)number * 0x10000000;
    for (int i = 0; i < DEPTH; i++) {
        worker->frames[i] = fake_frame(layout, leaves[0], 2, 0, NULL);
    }
    for (int i = 0; i < OWN; i++) {
        worker->own[i].address = (uintptr_t)fake_code(layout, "own", "own.py", no_table, 2, UNITS);
        allocate(self, &worker->own[i], CODE_BYTES, -1);
    }
    for (uint32_t i = 0; i < TOKENS && !worker->is_short; i++) {
        worker->tokens[i] = &all_tokens[number * TOKENS + i];
    }
}

static void begin_interpreter(void) {
    static const char *const leaf_names[LEAVES] = {"leaf0", "leaf1", "leaf2"};
    layout = pk_layout_find(0x030d00f0u, false);
    fake_reset();
    for (int i = 0; i < LEAVES; i++) {
        leaves[i] = fake_code(layout, leaf_names[i], "leaf.py", no_table, 2, UNITS);
        callers[i] = fake_code(layout, "caller", "caller.py", no_table, 2, UNITS);
        // Methods of one class would have one name: the qualified one counts.
        fake_pointer(leaves[i], layout->code_qualname, fake_string(layout, leaf_names[i]));
    }
    pk_runtime.layout = layout;
    pk_runtime.detached_is_null = true;
    pk_runtime.thread_state = running_state;
    pk_runtime.attached_state = running_state;
    pk_runtime.own_thread_state = no_state;
    pk_runtime.header->python_status = PK_PYTHON_ATTACHED;
}

static uint64_t held_by(int leaf) {
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof all_tokens / sizeof all_tokens[0]; i++) {
        sum += all_tokens[i].leaf == leaf ? all_tokens[i].size : 0;
    }
    for (int i = 0; i < WORKERS * OWN; i++) {
        sum += workers[i / OWN].own[i % OWN].leaf == leaf ? CODE_BYTES : 0u;
        sum += short_ones[i / OWN].own[i % OWN].leaf == leaf ? CODE_BYTES : 0u;
    }
    return sum;
}

// Live bytes of all stacks that end in this function, as the ledger has them.
static uint64_t recorded_for(int leaf) {
    const struct pk_stacks *stacks = &pk_runtime.ledger.stacks;
    uint32_t function = pk_codes_function(&pk_runtime.codes, leaves[leaf]);
    uint64_t sum = 0;
    for (uint32_t node = 1; node < stacks->node_count; node++) {
        const struct pk_node_ident *ident = pk_stacks_ident(stacks, node);
        bool is_kind = ident->function == pk_runtime.function_heap ||
                       ident->function == pk_runtime.function_map;
        if (node > PK_NODE_ROOT && is_kind) { // part of its line
            ident = pk_stacks_ident(stacks, ident->parent);
        }
        if (ident->function == function) {
            sum += pk_node_live_bytes(pk_stacks_counters(stacks, node));
        }
    }
    return sum;
}

static char directory[] = "/tmp/peakline-tracker-XXXXXX";

static void remove_directory(void) {
    char path[128];
    snprintf(path, sizeof path, "%s/ledger-%d", directory, (int)getpid());
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/" PK_TREE_NAME, directory);
    (void)unlink(path);
    (void)rmdir(directory);
}

static void threads_that_come_and_go_share_one_account(void) {
    CHECK(mkdtemp(directory) != NULL);
    CHECK_OK(pk_tree_create(directory, 1, 1));
    CHECK_OK(pk_runtime_start(directory));
    begin_interpreter();
    pk_runtime.active = true;
    struct pk_thread *self = pk_thread_current();
    CHECK(self != NULL);
    pk_process_spawning(); // not alone: every step is told to the tree
    CHECK(pk_runtime.ledger.share != NULL);
    void *reserved = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(reserved != MAP_FAILED);
    memset(reserved, 1, 10 * 4096);
    self->open = 0;
    pk_track_map(self, (uintptr_t)reserved, 1 << 20, PK_MAP_NORESERVE, true, "", 0);
    self->open = 1;
    for (uint32_t i = 0; i < WORKERS * TOKENS + BOXES; i++) {
        all_tokens[i] = (struct token){
            .address = 0x600000000000u + i * 0x10000ul, .leaf = -1, .small = i % 4 == 0};
    }
    for (uint32_t i = 0; i < BOXES; i++) {
        boxes[i] = &all_tokens[WORKERS * TOKENS + i];
    }
    for (uint32_t i = 0; i < 2 * WORKERS; i++) {
        furnish(i < WORKERS ? &workers[i] : &short_ones[i - WORKERS], i, self);
    }
    pk_threads_expect(self);
    uint32_t started = 0;
    while (started < WORKERS &&
           pthread_create(&workers[started].thread, NULL, live, &workers[started]) == 0) {
        started++;
    }
    for (uint32_t i = 0; i < started; i++) {
        (void)pthread_join(workers[i].thread, NULL);
    }
    pk_runtime.active = false;
    remove_directory();
    SKIP_IF(started < WORKERS, "threads cannot be made here");

    CHECK_STR(pk_ledger_is_valid(&pk_runtime.ledger), NULL);
    for (int leaf = 0; leaf < LEAVES; leaf++) {
        CHECK_EQ(recorded_for(leaf), held_by(leaf));
        CHECK(held_by(leaf) > 0);
    }
    CHECK_EQ(pk_runtime.dropped, 0);
    CHECK_EQ(pk_runtime.ledger.unknown_frees, 0);
    CHECK_EQ(pk_runtime.header->merged_stacks, 0);
    CHECK_EQ(pk_runtime.header->sampled_bytes, 10 * 4096);
    // a struct for each thread that lives at a time, not for each ever
    CHECK(pk_runtime.header->own_bytes < 16u << 20);
    (void)munmap(reserved, 1 << 20);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {TEST(threads_that_come_and_go_share_one_account)};
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
