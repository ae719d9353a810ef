/* Whole files by their paths, and stages. */
#include <sys/prctl.h>

#include "check.h"

static int dir;

/* A directory of this test's own, with a file "src". */
static void place(void)
{
    int fd;

    dir = new_directory();
    fd = openat(dir, "src", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK(fd >= 0);
    put(fd, 0, 300000, 1);
    CHECK_INT(fchmod(fd, 0640), 0);
    CHECK_INT(fsync(fd), 0);
    close(fd);
    umask(022);
}

static int open_file(const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

static void same_as_src(const char *name)
{
    int a = open_file("src"), b = open_file(name);

    CHECK(fingerprint(a) == fingerprint(b));
    close(a);
    close(b);
}

static int exists(const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(const char *name)
{
    struct stat st;

    CHECK_INT(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static void copies_and_clones(void)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int src, result;

    place();
    CHECK_INT(xtent_copy_file(dir, "src", dir, "copy", NULL, &report), 0);
    CHECK_INT(report.bytes_copied, 300000);
    CHECK_INT(report.unkept, 0);
    same_as_src("copy");
    CHECK_INT(mode_of("copy"), 0640);
    CHECK_INT(xtent_copy_file(dir, "src", dir, "copy", &options, &report), -EEXIST);
    CHECK_INT(report.reason, XTENT_REASON_EXISTS);
    options.flags = XTENT_FILE_REPLACE | XTENT_FILE_DURABLE;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "copy", &options, &report), 0);

    result = xtent_clone_file(dir, "src", dir, "clone", NULL, &report);
    CHECK_INT(result, kernel_clones() ? 0 : -EOPNOTSUPP);
    CHECK_INT(exists("clone"), kernel_clones());
    CHECK_INT(report.bytes_cloned, kernel_clones() ? 300000 : 0);
    CHECK_INT(xtent_clone_or_copy_file(dir, "src", dir, "both", NULL, &report), 0);
    CHECK_INT(report.bytes, 300000);
    CHECK((report.fallback == XTENT_REASON_NONE) == kernel_clones());
    same_as_src("both");

    src = open_file("src");
    CHECK_INT(lseek(src, 5, SEEK_SET), 5);
    CHECK_INT(xtent_copy_file(src, "", dir, "by-descriptor", NULL, NULL), 0);
    CHECK_INT(lseek(src, 0, SEEK_CUR), 5);
    same_as_src("by-descriptor");
}

static void links_are_not_followed(void)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct stat st;

    place();
    CHECK_INT(symlinkat("src", dir, "link"), 0);
    CHECK_INT(xtent_copy_file(dir, "link", dir, "dst", NULL, &report), -ELOOP);
    CHECK_INT(report.reason, XTENT_REASON_TOO_MANY_LINKS);
    options.flags = XTENT_FILE_FOLLOW;
    CHECK_INT(xtent_copy_file(dir, "link", dir, "dst", &options, NULL), 0);
    options.flags = XTENT_FILE_REPLACE;
    CHECK_INT(xtent_copy_file(dir, "dst", dir, "link", &options, NULL), 0);
    CHECK_INT(fstatat(dir, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
    CHECK(S_ISREG(st.st_mode));
}

static int source;

/* Writes to the source when all of it is copied, and before the copy is published. */
static int write_late(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    if (done == total)
        CHECK_INT(pwrite(source, "?", 1, 0), 1);
    return 0;
}

static void verified(void)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_copy_options copy = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;

    place();
    options.flags = XTENT_FILE_VERIFY;
    options.copy = &copy;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "right", &options, NULL), 0);
    source = openat(dir, "src", O_WRONLY);
    copy.progress = write_late;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "wrong", &options, &report), -EIO);
    CHECK_INT(report.reason, XTENT_REASON_VERIFY_FAILED);
    CHECK_INT(faccessat(dir, "wrong", F_OK, 0), -1);
    close(source);
}

static void metadata(void)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct timespec times[2] = {{1000000000, 0}, {1000000000, 500000000}};
    struct stat st;

    place();
    CHECK_INT(fchmodat(dir, "src", 06750, 0), 0);
    CHECK_INT(utimensat(dir, "src", times, 0), 0);
    CHECK_INT(xtent_copy_file(dir, "src", dir, "plain", &options, NULL), 0);
    CHECK_INT(mode_of("plain"), 0750);
    options.preserve = XTENT_PRESERVE_MODE | XTENT_PRESERVE_TIMES | XTENT_PRESERVE_OWNER;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "same", &options, &report), 0);
    CHECK_INT(report.unkept, 0);
    CHECK_INT(mode_of("same"), 06750);
    CHECK_INT(fstatat(dir, "same", &st, 0), 0);
    CHECK_INT(st.st_mtim.tv_sec, 1000000000);

    if (geteuid() != 0)
        SKIP("the rest needs root: chown(2)");
    /* Somebody who may not give files away. */
    CHECK_INT(fchownat(dir, "src", 12345, 12345, 0), 0);
    CHECK_INT(fchmodat(dir, "src", 04755, 0), 0);
    CHECK_INT(fchmod(dir, 0777), 0);
    CHECK_INT(seteuid(65534), 0);
    CHECK_INT(xtent_copy_file(dir, "src", dir, "unkept", &options, &report), 0);
    CHECK_INT(report.unkept, XTENT_PRESERVE_OWNER | XTENT_PRESERVE_MODE);
    CHECK_INT(mode_of("unkept"), 0755);
}

static int stop(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    ++*(int *)user;
    return 1;
}

static void cancelled(void)
{
    int calls = 0;
    struct xtent_copy_options copy = XTENT_COPY_OPTIONS_INIT;
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;

    place();
    copy.progress = stop;
    copy.user = &calls;
    options.copy = &copy;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "dst", &options, NULL), -ECANCELED);
    CHECK_INT(calls, 1);
    CHECK(!exists("dst"));
}

static void bad_arguments(void)
{
    struct xtent_copy_options copy = XTENT_COPY_OPTIONS_INIT;
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_stage_options stage_options = XTENT_STAGE_OPTIONS_INIT;
    struct xtent_dedupe_file target = XTENT_DEDUPE_FILE_INIT(AT_FDCWD, NULL);
    struct xtent_stage *stage = (struct xtent_stage *)&stage_options;
    struct xtent_report report = XTENT_REPORT_INIT;

    place();
    CHECK_INT(xtent_copy_file(dir, NULL, dir, "dst", NULL, &report), -EINVAL);
    CHECK_INT(report.reason, XTENT_REASON_INVALID_ARGUMENT);
    CHECK_INT(xtent_copy_file(dir, "src", dir, NULL, NULL, NULL), -EINVAL);
    CHECK_INT(xtent_copy_file(-1, "src", dir, "dst", NULL, NULL), -EBADF);
    CHECK_INT(xtent_copy_file(dir, "src", 12345, "dst", NULL, NULL), -EBADF);
    CHECK_INT(xtent_copy_file(dir, "src", dir, "", NULL, NULL), -ENOENT);
    CHECK_INT(xtent_copy_file(dir, "src", dir, "src/", NULL, &report), -EISDIR);
    CHECK_INT(report.reason, XTENT_REASON_INVALID_NAME);
    options.flags = 0x10;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "dst", &options, NULL), -EINVAL);
    options.flags = 0;
    options.preserve = 0x40;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "dst", &options, NULL), -EINVAL);
    options.preserve = 0;
    options.reserved = 1;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "dst", &options, NULL), -EINVAL);
    options.reserved = 0;
    options.copy = &copy;
    copy.size = 0;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "dst", &options, NULL), -EINVAL);
    CHECK(!exists("dst"));

    CHECK_INT(xtent_dedupe_files(dir, "src", &target, 1, NULL, NULL), -EINVAL);
    CHECK_INT(target.status, XTENT_NOT_REACHED);
    target.path = "src";
    target.reserved[1] = 1;
    CHECK_INT(xtent_dedupe_files(dir, "src", &target, 1, NULL, NULL), -EINVAL);
    CHECK_INT(xtent_dedupe_files(dir, "missing", NULL, 0, NULL, &report), -ENOENT);
    CHECK_INT(report.reason, XTENT_REASON_NOT_FOUND);

    CHECK_INT(xtent_stage_open(dir, "dst", NULL, NULL, NULL), -EINVAL);
    CHECK_INT(xtent_stage_open(dir, NULL, NULL, &stage, NULL), -EINVAL);
    CHECK(stage == NULL);
    stage_options.mode = 010000;
    CHECK_INT(xtent_stage_open(dir, "dst", &stage_options, &stage, NULL), -EINVAL);
    stage_options.mode = 0644;
    stage_options.flags = XTENT_STAGE_KEEP_MODE;
    CHECK_INT(xtent_stage_open(dir, "dst", &stage_options, &stage, NULL), -EINVAL);
    CHECK_INT(xtent_stage_publish(NULL, &report), -EINVAL);
    xtent_stage_discard(NULL);
}

static void stages(void)
{
    struct xtent_stage_options options = XTENT_STAGE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_stage *stage;
    struct stat st;
    int src, fd;

    place();
    src = open_file("src");
    fd = xtent_stage_open(dir, "dst", NULL, &stage, &report);
    CHECK(fd >= 0);
    CHECK_INT(fstat(fd, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(xtent_clone_or_copy_range(src, 0, fd, 0, XTENT_TO_END, NULL, NULL), 300000);
    CHECK(!exists("dst"));
    CHECK_INT(mkdirat(dir, "dst", 0700), 0);
    CHECK_INT(xtent_stage_publish(stage, &report), -EEXIST);
    CHECK_INT(report.reason, XTENT_REASON_EXISTS);
    CHECK_INT(unlinkat(dir, "dst", AT_REMOVEDIR), 0);
    CHECK_INT(xtent_stage_publish(stage, &report), 0);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
    same_as_src("dst");
    CHECK_INT(mode_of("dst"), 0644);

    CHECK_INT(xtent_stage_open(dir, "dst", &options, &stage, &report), -EEXIST);
    CHECK(stage == NULL);
    options.flags = XTENT_STAGE_REPLACE | XTENT_STAGE_DURABLE;
    fd = xtent_stage_open(dir, "dst", &options, &stage, NULL);
    CHECK(fd >= 0);
    xtent_stage_discard(stage);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
    same_as_src("dst");
    options.flags |= XTENT_STAGE_KEEP_MODE;
    fd = xtent_stage_open(dir, "dst", &options, &stage, NULL);
    CHECK_INT(fchmod(fd, 0604), 0);
    CHECK_INT(xtent_stage_publish(stage, NULL), 0);
    CHECK_INT(mode_of("dst"), 0604);
}

static void dedupes(void)
{
    struct xtent_dedupe_file targets[4] = {
        XTENT_DEDUPE_FILE_INIT(dir, "same"),
        XTENT_DEDUPE_FILE_INIT(dir, "differs"),
        XTENT_DEDUPE_FILE_INIT(dir, "missing"),
        XTENT_DEDUPE_FILE_INIT(dir, "src"),
    };
    int fd, result;

    place();
    for (size_t i = 0; i < 4; i++)
        targets[i].dir = dir;
    CHECK_INT(xtent_copy_file(dir, "src", dir, "same", NULL, NULL), 0);
    CHECK_INT(xtent_copy_file(dir, "src", dir, "differs", NULL, NULL), 0);
    fd = openat(dir, "differs", O_RDWR);
    put(fd, 200000, 10, 7);
    CHECK_INT(fsync(fd), 0);
    result = xtent_dedupe_files(dir, "src", targets, 4, NULL, NULL);
    if (!kernel_dedupes()) {
        CHECK(result == -EOPNOTSUPP || targets[0].error == EOPNOTSUPP || targets[0].error == EPERM);
        return;
    }
    CHECK_INT(result, 0);
    CHECK_INT(targets[0].status, XTENT_SAME);
    CHECK_INT(targets[0].compared, 300000);
    CHECK_INT(targets[1].status, XTENT_DIFFERS);
    CHECK_INT(targets[1].differs_at, 200000);
    CHECK_INT(targets[2].status, XTENT_FAILED);
    CHECK_INT(targets[2].error, ENOENT);
    CHECK_INT(targets[2].reason, XTENT_REASON_NOT_FOUND);
    CHECK_INT(targets[3].status, XTENT_SAME);
    CHECK_INT(targets[3].already_shared, 300000);
}

/* The way that the report tells, or -errno. */
static int way(uint32_t stable, int scratch_dir, uint32_t *reason)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int result;

    options.flags = XTENT_FILE_REPLACE;
    options.stable = stable;
    options.scratch_dir = scratch_dir;
    result = xtent_copy_file(dir, "src", dir, "dst", &options, &report);
    *reason = report.reason;
    if (result == 0)
        same_as_src("dst");
    return result < 0 ? result : (int)report.stable;
}

static void stable_sources(void)
{
    uint32_t reason;
    int writer, best;

    place();
    CHECK_INT(way(XTENT_STABLE_NONE, 0, &reason), XTENT_STABLE_NONE);
    CHECK_INT(way(XTENT_STABLE_LOCK, 0, &reason), XTENT_STABLE_LOCK);
    CHECK_INT(way(XTENT_STABLE_BEST + 1, 0, &reason), -EINVAL);
    CHECK_INT(reason, XTENT_REASON_INVALID_ARGUMENT);
    if (kernel_clones()) {
        CHECK_INT(way(XTENT_STABLE_SNAPSHOT, 0, &reason), XTENT_STABLE_SNAPSHOT);
        CHECK_INT(way(XTENT_STABLE_SNAPSHOT, dir, &reason), XTENT_STABLE_SNAPSHOT);
        CHECK_INT(way(XTENT_STABLE_BEST, 0, &reason), XTENT_STABLE_SNAPSHOT);
    } else {
        CHECK_INT(way(XTENT_STABLE_SNAPSHOT, 0, &reason), -EOPNOTSUPP);
    }
    /* Somebody writes: no lease, and what best finds then is none. */
    writer = openat(dir, "src", O_RDWR | O_CLOEXEC);
    best = way(XTENT_STABLE_LEASE, 0, &reason);
    if (strcmp(type, "overlay") == 0) {
        CHECK_INT(best, -EOPNOTSUPP);
    } else {
        CHECK_INT(best, -EAGAIN);
        CHECK_INT(reason, XTENT_REASON_IN_USE);
        close(writer);
        CHECK_INT(way(XTENT_STABLE_LEASE, 0, &reason), XTENT_STABLE_LEASE);
    }
}

static int changes_src(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    CHECK_INT(pwrite(*(int *)user, "x", 1, 0), 1);
    return 0;
}

static void detects_a_change(void)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_copy_options copy = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    uint32_t reason;
    int writer, result;

    place();
    if (way(XTENT_STABLE_DETECT, 0, &reason) == -EOPNOTSUPP)
        return;
    writer = openat(dir, "src", O_RDWR | O_CLOEXEC);
    copy.progress = changes_src;
    copy.user = &writer;
    options.copy = &copy;
    options.stable = XTENT_STABLE_DETECT;
    result = xtent_copy_file(dir, "src", dir, "changed", &options, &report);
    CHECK_INT(result, -ESTALE);
    CHECK_INT(report.reason, XTENT_REASON_SOURCE_CHANGED);
    CHECK_INT(exists("changed"), 0);
}

static pid_t child;

/* A child has the descriptors of its parent, as one that another thread forks meanwhile would. */
static int forks(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    if (child == 0) {
        child = fork();
        if (child == 0) {
            /* Also where the test fails. */
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
        CHECK(child > 0);
    }
    return 0;
}

static void nothing_is_held_afterwards(void)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_copy_options copy = XTENT_COPY_OPTIONS_INIT;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int writer, status;

    place();
    copy.progress = forks;
    options.copy = &copy;
    options.flags = XTENT_FILE_REPLACE;
    for (options.stable = XTENT_STABLE_LOCK; options.stable <= XTENT_STABLE_LEASE; options.stable++) {
        if (options.stable == XTENT_STABLE_LEASE && strcmp(type, "overlay") == 0)
            continue;
        child = 0;
        CHECK_INT(xtent_copy_file(dir, "src", dir, "dst", &options, NULL), 0);
        writer = openat(dir, "src", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        CHECK(writer >= 0);
        CHECK_INT(fcntl(writer, F_OFD_SETLK, &lock), 0);
        close(writer);
        CHECK_INT(kill(child, SIGKILL), 0);
        CHECK_INT(waitpid(child, &status, 0), child);
    }
}

static const struct test tests[] = {
    {"copies-and-clones", copies_and_clones},
    {"links-are-not-followed", links_are_not_followed},
    {"verified", verified},
    {"metadata", metadata},
    {"cancelled", cancelled},
    {"bad-arguments", bad_arguments},
    {"stages", stages},
    {"dedupes", dedupes},
    {"stable-sources", stable_sources},
    {"detects-a-change", detects_a_change},
    {"nothing-is-held-afterwards", nothing_is_held_afterwards},
};

MAIN(tests)
