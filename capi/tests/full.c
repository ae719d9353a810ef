/*
 * A disk that is full while a range is cloned: what the destination is said to be then, and the file with its old bytes.
 * The disk is an image, mounted where nobody else sees it; it goes with the test's process.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "check.h"

enum { EXTENTS = 3000, BLOCK = 4096 };
#define SIZE ((uint64_t)EXTENTS * 2 * BLOCK)

static int src, dst, old, filler;
static uint64_t filled;
/* Where it is mounted. */
static char place[3000];

/* A file in the mounted image. */
static int there(const char *name)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/%s", place, name);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
}

/* Holes make the source's many extents; the destination is one, whose blocks another file has too. */
static void files(void)
{
    src = there("src");
    for (uint64_t i = 0; i < EXTENTS; i++)
        put(src, i * 2 * BLOCK, BLOCK, 1);
    CHECK_INT(ftruncate(src, (off_t)SIZE), 0);
    dst = there("dst");
    put(dst, 0, SIZE, 2);
    old = there("old");
    CHECK_INT(fsync(src) | fsync(dst), 0);
    CHECK_INT(ioctl(old, FICLONE, dst), 0);
    filler = there("filler");
}

static void mounted(void)
{
    static const char make[] = "PATH=$PATH:/usr/sbin:/sbin; exec 2>&1; truncate -s 320M '%s.img' && "
                               "mkfs.xfs -q -m reflink=1 '%s.img' && mount -n -o loop '%s.img' '%s' && rm '%s.img'";
    char command[5 * sizeof place + sizeof make], said[200] = "";
    FILE *output;

    if (geteuid() != 0)
        SKIP("mounting needs root");
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
        SKIP("no mount namespace: %s", strerror(errno));
    snprintf(place, sizeof place, "%s/full-XXXXXX", directory);
    CHECK(mkdtemp(place) != NULL);
    snprintf(command, sizeof command, make, place, place, place, place, place);
    output = popen(command, "r");
    CHECK(output != NULL);
    if (fgets(said, sizeof said, output) != NULL)
        said[strcspn(said, "\n")] = 0;
    while (fgetc(output) != EOF)
        ;
    if (pclose(output) != 0)
        SKIP("no image of XFS: %s", said);
}

/* Takes all space but so many blocks. */
static void leave(uint64_t blocks)
{
    static const uint64_t steps[] = {16 * MIB, MIB, 64 * KIB, BLOCK};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        while (fallocate(filler, 0, (off_t)filled, (off_t)steps[i]) == 0)
            filled += steps[i];
    }
    CHECK_INT(syncfs(filler), 0);
    filled -= blocks * BLOCK;
    CHECK_INT(ftruncate(filler, (off_t)filled), 0);
    CHECK_INT(syncfs(filler), 0);
}

static int cloned(struct xtent_report *report)
{
    struct xtent_clone_options options = XTENT_CLONE_OPTIONS_INIT;

    options.keep_undo = 1;
    return xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, &options, report);
}

/* The first clone that begins, and finds no room for its end. */
static void come_half_way(void)
{
    for (uint64_t blocks = 0;; blocks++) {
        struct xtent_report report = XTENT_REPORT_INIT;

        leave(blocks);
        CHECK_INT(cloned(&report), -ENOSPC);
        CHECK_INT(report.reason, XTENT_REASON_NO_SPACE);
        CHECK(equal(dst, 0, old, 0, SIZE) && size_of_file(dst) == SIZE);
        CHECK_INT(report.undo_fd, 0);
        if (report.destination == XTENT_DESTINATION_RESTORED) {
            CHECK_INT(report.protection, XTENT_PROTECTION_UNDO);
            CHECK(report.undo_reserve > 0);
            return;
        }
        CHECK_INT(report.destination, XTENT_DESTINATION_UNTOUCHED);
    }
}

static void restored(void)
{
    struct xtent_report report = XTENT_REPORT_INIT;

    mounted();
    files();
    come_half_way();
    /* With room the same call succeeds. */
    CHECK_INT(ftruncate(filler, 0), 0);
    CHECK_INT(cloned(&report), 0);
    CHECK_INT(report.destination, XTENT_DESTINATION_NONE);
    CHECK(equal(dst, 0, src, 0, SIZE));
}

/* Once the clone has begun, the way back is barred: by a limit, which the kernel has looked at for the clone. */
static void *bar(void *unused)
{
    const struct rlimit *limits = unused;
    struct stat st;

    do
        fstat(dst, &st);
    while (st.st_mtime == 1);
    setrlimit(RLIMIT_FSIZE, limits);
    return NULL;
}

static void changed(void)
{
    struct xtent_clone_options bare = XTENT_CLONE_OPTIONS_INIT;
    struct xtent_report report;
    struct rlimit before, low;

    mounted();
    files();
    come_half_way();
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = BLOCK;
    /* Until the limit comes in time. */
    do {
        const struct timespec times[2] = {{1, 0}, {1, 0}};
        const struct xtent_report empty = XTENT_REPORT_INIT;
        pthread_t thread;

        report = empty;
        CHECK_INT(futimens(dst, times), 0);
        CHECK_INT(pthread_create(&thread, NULL, bar, &low), 0);
        CHECK_INT(cloned(&report), -ENOSPC);
        /* A clone that did not begin left the time as it was. */
        CHECK_INT(futimens(dst, NULL), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (report.destination != XTENT_DESTINATION_CHANGED)
            CHECK(equal(dst, 0, old, 0, SIZE) && report.undo_fd == 0);
    } while (report.destination != XTENT_DESTINATION_CHANGED);

    CHECK_INT(report.reason, XTENT_REASON_NO_SPACE);
    CHECK(report.changed_from < report.changed_to && report.changed_to <= SIZE);
    CHECK(equal(dst, 0, old, 0, report.changed_from));
    CHECK(!equal(dst, report.changed_from, old, report.changed_from, 1));
    CHECK(equal(dst, report.changed_to, old, report.changed_to, SIZE - report.changed_to));
    /* The old bytes, which with room can be put back. */
    CHECK(report.undo_fd > 0);
    CHECK(equal(report.undo_fd, 0, old, 0, SIZE) && size_of_file(report.undo_fd) == SIZE);
    CHECK_INT(ftruncate(filler, 0), 0);
    bare.undo = XTENT_UNDO_OFF;
    CHECK_INT(xtent_clone_range(report.undo_fd, 0, dst, 0, XTENT_TO_END, &bare, NULL), 0);
    CHECK(equal(dst, 0, old, 0, SIZE));
}

static const struct test tests[] = {
    {"restored", restored},
    {"changed, and the old bytes handed over", changed},
};

MAIN(tests)
