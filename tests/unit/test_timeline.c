/* SPDX-License-Identifier: Apache-2.0
 * src/record/timeline: what is added reads back, the true maximum survives any number of merges and
 * a writer that dies in the middle of one, and nothing foreign is believed. */
#include "record/timeline.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];

static void start_directory(void) {
    strcpy(directory, "/tmp/test_timeline.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        abort();
    }
}

static void end_directory(void) {
    char path[128];
    snprintf(path, sizeof(path), "%s/timeline", directory);
    unlink(path);
    rmdir(directory);
}

static struct pk_timeline_point at(uint64_t ns, uint64_t rss) {
    return (struct pk_timeline_point){.first_ns = ns,
                                      .last_ns = ns,
                                      .rss_bytes = rss,
                                      .file_bytes = rss / 2,
                                      .tracked_bytes = rss / 4,
                                      .processes = 1,
                                      .samples = 1};
}

/* As another process sees it. */
static bool is_watched(void) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(pk_timeline_is_watched(directory) ? 1 : 0);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status) == 1;
}

static void samples_read_back(void) {
    struct pk_timeline timeline;
    struct pk_timeline_page *page;
    start_directory();
    CHECK_OK(pk_timeline_create(directory, 1000, 50, &timeline));
    for (uint64_t i = 1; i <= 3; i++) {
        struct pk_timeline_point point = at(i * 10, i == 2 ? 900 : 100 * i);
        pk_timeline_add(&timeline, &point);
    }
    CHECK_OK(pk_timeline_read(directory, &page)); // while it is being written
    CHECK_EQ(page->header.point_count, 3);
    CHECK_EQ(page->header.start_unix_ns, 1000);
    CHECK_EQ(page->point[1].rss_bytes, 900);
    CHECK_EQ(page->header.rss_peak_bytes, 900);
    CHECK_EQ(page->header.rss_peak_ns, 20);
    CHECK_EQ(page->header.rss_peak_file_bytes, 450);
    CHECK_EQ(page->header.tracked_peak_bytes, 225);
    CHECK_EQ(page->header.end_ns, 30);
    free(page);
    pk_timeline_close(&timeline);
    CHECK(!is_watched());
    CHECK_OK(pk_timeline_create(directory, 1000, 50, &timeline));
    CHECK(is_watched());
    pk_timeline_close(&timeline);
    CHECK(!is_watched());
    end_directory();
}

/* 100,000 samples in 1,024 points; the one spike is in the right stretch of time. */
static void the_maximum_survives_all_merges(void) {
    const uint64_t count = 100000, spike_at = 54321;
    struct pk_timeline timeline;
    struct pk_timeline_page *page;
    struct stat status;
    char path[128];
    start_directory();
    CHECK_OK(pk_timeline_create(directory, 0, 0, &timeline));
    for (uint64_t i = 1; i <= count; i++) {
        struct pk_timeline_point point = at(i, i == spike_at ? 1u << 30 : 100 + i % 7);
        pk_timeline_add(&timeline, &point);
    }
    CHECK_OK(pk_timeline_read(directory, &page));
    uint64_t samples = 0, end = 0, spikes = 0;
    CHECK(page->header.point_count <= PK_TIMELINE_POINTS);
    CHECK(page->header.point_count >= PK_TIMELINE_POINTS / 2);
    for (uint32_t i = 0; i < page->header.point_count; i++) {
        const struct pk_timeline_point *point = &page->point[i];
        CHECK(point->first_ns > end);
        end = point->last_ns;
        samples += point->samples;
        if (point->rss_bytes == 1u << 30) {
            spikes++;
            CHECK(point->first_ns <= spike_at && spike_at <= point->last_ns);
        }
    }
    CHECK_EQ(samples, count);
    CHECK_EQ(spikes, 1);
    CHECK_EQ(end, count);
    CHECK_EQ(page->header.rss_peak_bytes, 1u << 30);
    CHECK_EQ(page->header.rss_peak_ns, spike_at);
    free(page);
    snprintf(path, sizeof(path), "%s/timeline", directory);
    CHECK_EQ(stat(path, &status), 0);
    CHECK_EQ(status.st_size, sizeof(struct pk_timeline_page));
    CHECK_EQ(status.st_mode & 0777, 0600);
    pk_timeline_close(&timeline);
    end_directory();
}

/* The writer dies with `done` pairs merged, at every possible `done`: nothing is lost or twice. */
static void death_in_the_middle_of_a_merge(void) {
    struct pk_timeline timeline;
    start_directory();
    CHECK_OK(pk_timeline_create(directory, 0, 0, &timeline));
    for (uint64_t i = 1; i <= PK_TIMELINE_POINTS; i++) {
        struct pk_timeline_point point = at(i * 10, 1000 + i);
        pk_timeline_add(&timeline, &point);
    }
    struct pk_timeline_page *full = aligned_alloc(4096, sizeof(*full));
    memcpy(full, timeline.page, sizeof(*full));
    for (uint32_t done = 0; done <= PK_TIMELINE_POINTS / 2; done++) {
        struct pk_timeline_page *torn = aligned_alloc(4096, sizeof(*torn)), *page = NULL;
        memcpy(torn, full, sizeof(*torn));
        for (uint32_t i = 0; i < done; i++) {
            torn->point[i] = full->point[2 * i + 1];
            torn->point[i].first_ns = full->point[2 * i].first_ns;
            torn->point[i].samples = 2;
        }
        CHECK_OK(pk_timeline_read_memory(torn, sizeof(*torn), &page));
        uint64_t samples = 0, most = 0;
        for (uint32_t i = 0; i < page->header.point_count; i++) {
            samples += page->point[i].samples;
            most = page->point[i].rss_bytes > most ? page->point[i].rss_bytes : most;
        }
        CHECK_EQ(samples, PK_TIMELINE_POINTS);
        CHECK_EQ(most, 1000 + PK_TIMELINE_POINTS);
        free(page);
        free(torn);
    }
    free(full);
    pk_timeline_close(&timeline);
    end_directory();
}

static void a_clock_that_stands_still(void) {
    struct pk_timeline timeline;
    start_directory();
    CHECK_OK(pk_timeline_create(directory, 0, 0, &timeline));
    for (uint64_t i = 1; i <= 5; i++) {
        struct pk_timeline_point point = at(7, i);
        pk_timeline_add(&timeline, &point);
    }
    CHECK_EQ(timeline.page->header.point_count, 1);
    CHECK_EQ(timeline.page->point[0].samples, 5);
    CHECK_EQ(timeline.page->point[0].rss_bytes, 5);
    pk_timeline_close(&timeline);
    end_directory();
}

/* 3,000 processes one after another, the 100th the largest; then as many alive as there is room. */
static void more_processes_than_room(void) {
    struct pk_timeline timeline;
    bool found = false;
    start_directory();
    CHECK_OK(pk_timeline_create(directory, 0, 0, &timeline));
    for (uint32_t i = 1; i <= 3000; i++) {
        struct pk_timeline_process process = {
            .first_ns = i, .last_ns = i, .rss_peak_bytes = i == 100 ? 9999 : i % 10, .pid = i};
        struct pk_timeline_point point = at(i, 5);
        pk_timeline_see(&timeline, &process);
        pk_timeline_see(&timeline, &process);
        pk_timeline_add(&timeline, &point);
    }
    CHECK_EQ(timeline.page->header.process_count, PK_TIMELINE_PROCESSES);
    CHECK_EQ(timeline.page->header.lost_processes, 3000 - PK_TIMELINE_PROCESSES);
    for (uint32_t i = 0; i < PK_TIMELINE_PROCESSES; i++) {
        found |= timeline.page->process[i].pid == 100;
    }
    CHECK(found);
    pk_timeline_close(&timeline);
    end_directory();
}

static void without_a_directory_it_is_kept_in_memory(void) {
    struct pk_timeline timeline;
    struct pk_timeline_point point = at(1, 77);
    CHECK_EQ(pk_timeline_create("/no/such/place", 0, 0, &timeline), -ENOENT);
    pk_timeline_add(&timeline, &point);
    CHECK_EQ(timeline.page->header.rss_peak_bytes, 77);
    pk_timeline_close(&timeline);
    pk_timeline_add(&timeline, &point); // closed: nothing happens
}

static void nothing_foreign_is_believed(void) {
    struct pk_timeline timeline;
    struct pk_timeline_page *page = NULL, *copy = aligned_alloc(4096, sizeof(*copy));
    struct pk_timeline_point point = at(1, 77);
    start_directory();
    CHECK_EQ(pk_timeline_read(directory, &page), -ENOENT);
    CHECK(!pk_timeline_is_watched(directory));
    CHECK_OK(pk_timeline_create(directory, 0, 0, &timeline));
    pk_timeline_add(&timeline, &point);
    const struct pk_timeline_page *good = timeline.page;
    const size_t size = sizeof(*good);

    CHECK_EQ(pk_timeline_read_memory(good, 10, &page), -EINVAL);
    CHECK_EQ(pk_timeline_read_memory(good, size - 1, &page), -EBADMSG);
#define REFUSED(change, error) \
    memcpy(copy, good, size); \
    change; \
    CHECK_EQ(pk_timeline_read_memory(copy, size, &page), error)
    REFUSED(copy->header.magic[0] = 'x', -EINVAL);
    REFUSED(copy->header.byte_order = 0x04030201, -EINVAL);
    REFUSED(copy->header.version = 2, -EPROTONOSUPPORT);
    REFUSED(copy->header.version = 0, -EBADMSG);
    REFUSED(copy->header.points = 1, -EBADMSG);
    REFUSED(copy->header.point_count = PK_TIMELINE_POINTS + 1, -EBADMSG);
    REFUSED(copy->header.process_count = UINT32_MAX, -EBADMSG);
    REFUSED(copy->header.rss_peak_bytes = UINT64_MAX, -EBADMSG);
    REFUSED(copy->point[0].rss_bytes = UINT64_C(1) << 51, -EBADMSG);
    REFUSED(copy->point[0].samples = 0, -EBADMSG);
    REFUSED(copy->point[0].first_ns = 2, -EBADMSG);
    REFUSED(copy->header.process_count = 1; copy->process[0].first_ns = 1, -EBADMSG);
#undef REFUSED
    CHECK(page == NULL);
    free(copy);
    pk_timeline_close(&timeline);
    end_directory();
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(samples_read_back),
        TEST(the_maximum_survives_all_merges),
        TEST(death_in_the_middle_of_a_merge),
        TEST(a_clock_that_stands_still),
        TEST(more_processes_than_room),
        TEST(without_a_directory_it_is_kept_in_memory),
        TEST(nothing_foreign_is_believed),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
