/* SPDX-License-Identifier: Apache-2.0
 * The page that processes share, with real processes: the sum of the living, the peak that was
 * there at one time, and deaths that nobody announces. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/tree.h"

#define MIB (UINT64_C(1) << 20)

static char directory[64];

static struct pk_tree_page *new_page(void) {
    (void)snprintf(directory, sizeof directory, "/tmp/pk-tree-XXXXXX");
    if (mkdtemp(directory) == NULL || pk_tree_create(directory, 1, 2) != 0) {
        return NULL;
    }
    return pk_tree_map(directory, true);
}

static void drop_page(struct pk_tree_page *page) {
    char path[128];
    pk_tree_unmap(page);
    (void)snprintf(path, sizeof path, "%s/" PK_TREE_NAME, directory);
    (void)unlink(path);
    (void)rmdir(directory);
}

/* A child that takes a slot, publishes `bytes` and waits to be killed, or ends when told so. */
struct child {
    pid_t pid;
    int to, from;
};

static struct child start_child(struct pk_tree_page *page, uint64_t bytes) {
    int to[2], from[2];
    struct child child = {.pid = -1};
    if (pipe(to) != 0 || pipe(from) != 0) {
        return child;
    }
    child = (struct child){.pid = fork(), .to = to[1], .from = from[0]};
    if (child.pid == 0) {
        char word = 'r';
        uint32_t slot = pk_tree_enter(page, (uint32_t)getpid());
        pk_tree_publish(page, slot, bytes, 7);
        (void)close(to[1]);
        (void)(write(from[1], &word, 1) == 1 && read(to[0], &word, 1) == 1);
        _exit(0);
    }
    char word;
    (void)close(to[0]);
    (void)close(from[1]);
    (void)!read(child.from, &word, 1);
    return child;
}

static void end_child(struct child *child) {
    (void)!write(child->to, "x", 1);
    (void)waitpid(child->pid, NULL, 0);
    (void)close(child->to);
    (void)close(child->from);
}

static void kill_child(struct child *child) {
    (void)kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, NULL, 0);
    (void)close(child->to);
    (void)close(child->from);
}

static void the_peak_is_what_was_there_at_one_time(void) {
    struct pk_tree_page *page = new_page();
    CHECK(page != NULL);
    uint32_t own = pk_tree_enter(page, (uint32_t)getpid());
    CHECK_EQ(own, 0);
    pk_tree_publish(page, own, 10 * MIB, 1);
    struct child child = start_child(page, 30 * MIB);
    CHECK_EQ(pk_tree_sum(page), 40 * MIB);
    CHECK_EQ(page->peak, 40 * MIB);
    CHECK_EQ(page->peak_mono_ns, 7);
    end_child(&child);
    CHECK_EQ(pk_tree_sum(page), 10 * MIB);
    CHECK_EQ(page->slot[1].end_epoch, pk_tree_epoch(40 * MIB)); // it was there at the peak
    drop_page(page);
}

static void children_that_never_meet_are_not_added_up(void) {
    struct pk_tree_page *page = new_page();
    for (int i = 0; i < 3; i++) {
        struct child child = start_child(page, 50 * MIB);
        if (i == 1) {
            end_child(&child);
        } else {
            kill_child(&child); // says nothing to anybody
        }
    }
    CHECK_EQ(page->peak, 50 * MIB);
    CHECK_EQ(pk_tree_sum(page), 0);
    drop_page(page);
}

static void who_died_before_a_peak_took_no_part_in_it(void) {
    struct pk_tree_page *page = new_page();
    struct child first = start_child(page, 50 * MIB);
    kill_child(&first);
    struct child second = start_child(page, 60 * MIB);
    CHECK_EQ(page->peak, 60 * MIB);
    CHECK_EQ(page->slot[0].end_epoch, pk_tree_epoch(50 * MIB));
    CHECK_EQ(page->slot[1].end_epoch, 0);
    kill_child(&second);
    drop_page(page);
}

static void a_stopped_process_still_holds_its_memory(void) {
    struct pk_tree_page *page = new_page();
    struct child child = start_child(page, 5 * MIB);
    int status;
    (void)kill(child.pid, SIGSTOP);
    CHECK_EQ(waitpid(child.pid, &status, WUNTRACED), child.pid);
    CHECK_EQ(pk_tree_sum(page), 5 * MIB);
    kill_child(&child);
    CHECK_EQ(pk_tree_sum(page), 0);
    drop_page(page);
}

static void the_peak_is_larger_by_a_page_at_least(void) {
    struct pk_tree_page *page = new_page();
    uint32_t own = pk_tree_enter(page, 77);
    pk_tree_publish(page, own, MIB, 1);
    pk_tree_publish(page, own, MIB + 4095, 2);
    CHECK_EQ(page->peak, MIB);
    pk_tree_publish(page, own, MIB + 4096, 3);
    CHECK_EQ(page->peak, MIB + 4096);
    drop_page(page);
}

static void a_mark_has_a_peak_of_its_own(void) {
    struct pk_tree_page *page = new_page();
    uint32_t first = pk_tree_enter(page, 77), second = pk_tree_enter(page, 78);
    pk_tree_publish(page, first, 50 * MIB, 1);
    pk_tree_publish(page, first, 10 * MIB, 2);
    int outer = pk_tree_mark(page, pk_tree_sum(page));
    pk_tree_publish(page, second, 20 * MIB, 3);
    pk_tree_publish(page, second, 5 * MIB, 4);
    int inner = pk_tree_mark(page, pk_tree_sum(page));
    pk_tree_publish(page, first, 11 * MIB, 5);
    CHECK_EQ(pk_tree_unmark(page, inner), 16 * MIB);
    CHECK_EQ(pk_tree_unmark(page, outer), 30 * MIB);
    CHECK_EQ(page->marks, 0);
    CHECK_EQ(page->peak, 50 * MIB); // the run's own is not touched
    for (uint32_t i = 0; i < PK_TREE_MARKS; i++) {
        CHECK_EQ(pk_tree_mark(page, 0), (int)i);
    }
    CHECK_EQ(pk_tree_mark(page, 0), -1);
    drop_page(page);
}

static void one_note_for_the_same_thing(void) {
    struct pk_tree_page *page = new_page();
    pk_tree_note(page, PK_NOTE_SET_ID, 5, "/usr/bin/sudo");
    pk_tree_note(page, PK_NOTE_SET_ID, 6, "/usr/bin/sudo");
    pk_tree_note(page, PK_NOTE_STATIC, 6, "/bin/busybox");
    CHECK_EQ(page->notes[0].count, 2);
    CHECK_EQ(page->notes[0].pid, 5);
    CHECK_STR(page->notes[1].text, "/bin/busybox");
    char name[8] = "/x";
    for (int i = 0; i < 40; i++) {
        name[1] = (char)('A' + i);
        pk_tree_note(page, PK_NOTE_STATIC, 7, name); // more than there is room for: forgotten
    }
    drop_page(page);
}

static void more_processes_than_slots(void) {
    struct pk_tree_page *page = new_page();
    page->count = PK_TREE_SLOTS - 1;
    CHECK_EQ(pk_tree_enter(page, 1), PK_TREE_SLOTS - 1);
    CHECK_EQ(pk_tree_enter(page, 2), PK_TREE_NO_SLOT);
    CHECK_EQ(page->refused, 1);
    CHECK_EQ(page->count, PK_TREE_SLOTS);
    drop_page(page);
}

/* The kernel had not marked its lock: somebody who saw it die says so. Stopped, it stands in for
 * one. */
static void the_buried_do_not_count(void) {
    struct pk_tree_page *page = new_page();
    struct child first = start_child(page, 5 * MIB), second = start_child(page, 3 * MIB);
    (void)kill(first.pid, SIGSTOP);
    CHECK_EQ(pk_tree_sum(page), 8 * MIB);
    pk_tree_bury(page, 0);
    CHECK(!pk_tree_is_alive(page, 0));
    CHECK(pk_tree_is_alive(page, 1));
    CHECK_EQ(pk_tree_sum(page), 3 * MIB);
    CHECK(page->slot[0].end_epoch == pk_tree_epoch(page->peak)); // it took part in the peak before
    kill_child(&first);
    end_child(&second);
    drop_page(page);
}

static void what_is_no_such_file_is_not_mapped(void) {
    struct pk_tree_page *page = new_page();
    CHECK(pk_tree_create(directory, 1, 2) == -EEXIST);
    page->version = 99;
    CHECK(pk_tree_map(directory, false) == NULL);
    drop_page(page);
    CHECK(pk_tree_map(directory, false) == NULL);
    CHECK(pk_tree_map("/nowhere", true) == NULL);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(the_peak_is_what_was_there_at_one_time),
        TEST(children_that_never_meet_are_not_added_up),
        TEST(who_died_before_a_peak_took_no_part_in_it),
        TEST(a_stopped_process_still_holds_its_memory),
        TEST(the_peak_is_larger_by_a_page_at_least),
        TEST(a_mark_has_a_peak_of_its_own),
        TEST(one_note_for_the_same_thing),
        TEST(more_processes_than_slots),
        TEST(the_buried_do_not_count),
        TEST(what_is_no_such_file_is_not_mapped),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
