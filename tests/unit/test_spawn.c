/* SPDX-License-Identifier: Apache-2.0
 * src/supervise/spawn and src/supervise/locate: what the program is given, and where the library is
 * found. */
#include "supervise/spawn.h"

#include "check.h"
#include "supervise/locate.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The environment after ours was added, as one line. */
static const char *join(char *const *environment) {
    static char line[1024];
    char **made = pk_spawn_environment(environment, "/lib/r.so", "/out");
    int length = 0;

    line[0] = '\0';
    for (char **entry = made; *entry != NULL; entry++) {
        length += snprintf(line + length, sizeof(line) - (size_t)length, "%s ", *entry);
    }
    free(made);
    return line;
}

static void two_variables_are_added_and_no_more(void) {
    char *empty[] = {NULL};
    char *some[] = {(char *)"A=1", (char *)"B=", NULL};

    CHECK_STR(join(empty), "LD_PRELOAD=/lib/r.so PEAKLINE_RUN=/out ");
    CHECK_STR(join(some), "A=1 B= LD_PRELOAD=/lib/r.so PEAKLINE_RUN=/out ");
}

static void other_preloads_stay_behind_ours(void) {
    char *one[] = {(char *)"LD_PRELOAD=x.so:y.so", (char *)"B=2", NULL};
    char *none[] = {(char *)"A=1", (char *)"LD_PRELOAD=", (char *)"LD_PRELOADED=no", NULL};

    CHECK_STR(join(one), "LD_PRELOAD=/lib/r.so:x.so:y.so B=2 PEAKLINE_RUN=/out ");
    CHECK_STR(join(none), "A=1 LD_PRELOAD=/lib/r.so LD_PRELOADED=no PEAKLINE_RUN=/out ");
}

static void an_outer_run_is_replaced(void) {
    char *nested[] = {(char *)"PEAKLINE_RUN=/outer", (char *)"A=1", (char *)"PEAKLINE_RUN=/twice",
                      NULL};

    CHECK_STR(join(nested), "PEAKLINE_RUN=/out A=1 LD_PRELOAD=/lib/r.so ");
}

static void separators_cannot_be_preloaded(void) {
    CHECK(pk_spawn_can_preload("/opt/peakline-1.0/lib_x86+64/libpeakline.so"));
    CHECK(!pk_spawn_can_preload("/home/me/my files/libpeakline.so"));
    CHECK(!pk_spawn_can_preload("/home/a:b/libpeakline.so"));
    CHECK(!pk_spawn_can_preload("/home/$ORIGIN/libpeakline.so"));
}

static char root[64];

/* Make root/PATH, an empty file, with its directories. */
static void make_file(const char *path) {
    char full[512];

    snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    close(open(full, O_CREAT | O_WRONLY, 0600));
}

static void remove_root(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    CHECK_EQ(system(command), 0);
}

/* Where the library is found from root/bin if only `place` has it; relative to root. */
static const char *locate(const char *place) {
    static char found[PATH_MAX];
    struct pk_failure failure;
    char directory[128];

    // A name with all that a pattern could stumble over.
    snprintf(root, sizeof(root), "/tmp/pk[a]*?\\-XXXXXX");
    if (mkdtemp(root) == NULL) {
        return "no temporary directory";
    }
    make_file("bin/peakline");
    make_file(place);
    snprintf(directory, sizeof(directory), "%s/bin", root);
    int error = pk_locate_runtime(directory, NULL, found, &failure);
    remove_root();
    if (error != 0) {
        return failure.status == 125 ? "nowhere" : "wrong status";
    }
    return strncmp(found, root, strlen(root)) == 0 ? found + strlen(root) + 1 : found;
}

static void the_library_is_found_where_it_can_be_installed(void) {
    static const char *const places[] = {
        "runtime/libpeakline.so",
        "lib/peakline/libpeakline.so",
        "lib64/peakline/libpeakline.so",
        "lib/x86_64-linux-gnu/peakline/libpeakline.so",
        "lib/python3.12/site-packages/peakline/libpeakline.so",
        "lib/python3.8/site-packages/.peakline.mesonpy.libs/libpeakline.so",
        "lib64/python3.13/site-packages/peakline.libs/libpeakline.so",
        "lib/python3/dist-packages/peakline/libpeakline.so",
        ".peakline.mesonpy.libs/libpeakline.so",
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        CHECK_STR(locate(places[i]), places[i]);
    }
}

static void it_is_not_taken_from_anywhere_else(void) {
    CHECK_STR(locate("lib/libpeakline.so"), "nowhere");
    CHECK_STR(locate("lib/python3.12/site-packages/other/libpeakline.so"), "nowhere");
    CHECK_STR(locate("bin/libpeakline.so"), "nowhere");
}

static void the_override_wins_or_is_named(void) {
    char found[PATH_MAX];
    struct pk_failure failure;

    CHECK_OK(pk_locate_runtime("/nowhere", "/proc/self/exe", found, &failure));
    CHECK_EQ(pk_locate_runtime("/nowhere", "/no/such.so", found, &failure), -ENOENT);
    CHECK_EQ(failure.status, 125);
    CHECK(strstr(failure.text, "/no/such.so") != NULL);
    CHECK_EQ(pk_locate_runtime("/nowhere", "", found, &failure), -ENOENT);
    CHECK(strstr(failure.text, "not found") != NULL);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(two_variables_are_added_and_no_more),
        TEST(other_preloads_stay_behind_ours),
        TEST(an_outer_run_is_replaced),
        TEST(separators_cannot_be_preloaded),
        TEST(the_library_is_found_where_it_can_be_installed),
        TEST(it_is_not_taken_from_anywhere_else),
        TEST(the_override_wins_or_is_named),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
