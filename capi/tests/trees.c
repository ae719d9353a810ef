/* Whole directories. */
#include "check.h"

static int dir;

/* A directory of this test's own, with a tree "src": two files, one of them with two names, and a link. */
static void place(void)
{
    int fd;

    dir = new_directory();
    CHECK_INT(mkdirat(dir, "src", 0750), 0);
    CHECK_INT(mkdirat(dir, "src/inner", 0700), 0);
    fd = openat(dir, "src/inner/large", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK(fd >= 0);
    put(fd, 0, 300000, 1);
    close(fd);
    fd = openat(dir, "src/small", O_RDWR | O_CREAT | O_EXCL, 0604);
    CHECK(fd >= 0);
    put(fd, 0, 1000, 2);
    close(fd);
    CHECK_INT(linkat(dir, "src/small", dir, "src/inner/again", 0), 0);
    CHECK_INT(symlinkat("nowhere", dir, "src/link"), 0);
}

static void same(const char *a, const char *b)
{
    int one = openat(dir, a, O_RDONLY | O_CLOEXEC), other = openat(dir, b, O_RDONLY | O_CLOEXEC);
    struct stat st;

    CHECK(one >= 0 && other >= 0);
    CHECK(fingerprint(one) == fingerprint(other));
    CHECK_INT(fstat(other, &st), 0);
    CHECK(strstr(b, "small") == NULL || st.st_nlink == 2);
    close(one);
    close(other);
}

static void whole(const struct xtent_tree_report *report, const char *name)
{
    char path[256];
    struct stat st;

    CHECK_INT(report->error, 0);
    CHECK_INT(report->files, 2);
    CHECK_INT(report->directories, 2);
    CHECK_INT(report->links, 1);
    CHECK_INT(report->specials, 1);
    CHECK_INT(report->vanished + report->failures, 0);
    CHECK_INT(report->bytes, 301000);
    snprintf(path, sizeof path, "%s/inner/large", name);
    same("src/inner/large", path);
    snprintf(path, sizeof path, "%s/small", name);
    same("src/small", path);
    CHECK_INT(fstatat(dir, name, &st, 0), 0);
    CHECK_INT(st.st_mode & 07777, 0750);
}

static void verbs(void)
{
    struct xtent_tree_options options = XTENT_TREE_OPTIONS_INIT;
    struct xtent_tree_report report = XTENT_TREE_REPORT_INIT;
    int fd, result;

    place();
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", NULL, &report), 0);
    whole(&report, "copy");
    CHECK_INT(report.bytes_copied, 301000);

    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", NULL, &report), -EEXIST);
    CHECK_INT(report.reason, XTENT_REASON_EXISTS);
    CHECK_INT(report.files, 0);
    options.flags = XTENT_TREE_REPLACE | XTENT_TREE_DURABLE;
    options.threads = 1;
    CHECK_INT(xtent_clone_or_copy_tree(dir, "src", dir, "copy", &options, &report), 0);
    whole(&report, "copy");

    /* A directory that is open already is a source. */
    fd = openat(dir, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    result = xtent_clone_tree(fd, "", dir, "clone", NULL, &report);
    if (kernel_clones()) {
        CHECK_INT(result, 0);
        whole(&report, "clone");
        CHECK_INT(report.bytes_cloned, 301000);
    } else {
        CHECK_INT(result, -EOPNOTSUPP);
        CHECK(faccessat(dir, "clone", F_OK, 0) != 0);
    }
}

struct told {
    int calls;
    char path[256];
    int error, reason;
};

static void failed(void *user, const char *path, int error, int reason)
{
    struct told *told = user;

    told->calls++;
    snprintf(told->path, sizeof told->path, "%s", path);
    told->error = error;
    told->reason = reason;
}

static int after_one(void *user, uint64_t files, uint64_t bytes)
{
    (void)user;
    CHECK(files <= 2 && bytes <= 301000);
    return files >= 1;
}

static void failures(void)
{
    struct xtent_tree_options options = XTENT_TREE_OPTIONS_INIT;
    struct xtent_tree_report report = XTENT_TREE_REPORT_INIT;
    struct told told = {0, "", 0, 0};
    volatile sig_atomic_t cancelled = 1;

    place();
    options.failed = failed;
    options.user = &told;
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "src/inner/copy", &options, &report), -EINVAL);
    CHECK_INT(report.reason, XTENT_REASON_INSIDE_SOURCE);
    CHECK_INT(told.calls, 1);
    CHECK_INT(told.error, EINVAL);
    CHECK_INT(told.reason, XTENT_REASON_INSIDE_SOURCE);
    if (!kernel_clones()) {
        options.flags = XTENT_TREE_KEEP_GOING;
        CHECK_INT(xtent_clone_tree(dir, "src", dir, "clone", &options, &report), 0);
        CHECK_INT(report.failures, 3); /* Both files, and the second name of one. */
        CHECK_INT(told.calls, 4);
        CHECK_INT(report.directories, 2);
        options.flags = 0;
    }
    options.progress = after_one;
    options.threads = 1;
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", &options, &report), -ECANCELED);
    CHECK_INT(report.reason, XTENT_REASON_CANCELLED);
    options.progress = NULL;
    options.cancel = &cancelled;
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", &options, &report), -ECANCELED);
    CHECK(faccessat(dir, "copy", F_OK, 0) != 0);
}

static void bad_arguments(void)
{
    struct xtent_tree_options options = XTENT_TREE_OPTIONS_INIT;
    struct xtent_tree_report report = XTENT_TREE_REPORT_INIT;

    place();
    CHECK_INT(xtent_copy_tree(dir, NULL, dir, "copy", NULL, &report), -EINVAL);
    CHECK_INT(xtent_copy_tree(-1, "src", dir, "copy", NULL, &report), -EBADF);
    CHECK_INT(xtent_copy_tree(dir, "src/small", dir, "copy", NULL, &report), -ENOTDIR);
    options.flags = 0x10;
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", &options, &report), -EINVAL);
    options.flags = 0;
    options.reserved = 1;
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", &options, &report), -EINVAL);
    options.reserved = 0;
    options.size = 0;
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", &options, &report), -EINVAL);
    report.size = 3;
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", NULL, &report), -EINVAL);
    CHECK(faccessat(dir, "copy", F_OK, 0) != 0);
}

static void usage(void)
{
    struct xtent_usage_root roots[2];
    struct xtent_usage_options options = XTENT_USAGE_OPTIONS_INIT;
    struct xtent_usage_report report = XTENT_USAGE_REPORT_INIT;
    struct told told = {0, "", 0, 0};
    volatile sig_atomic_t cancelled = 1;

    place();
    CHECK_INT(xtent_clone_or_copy_tree(dir, "src", dir, "copy", NULL, NULL), 0);
    roots[0] = (struct xtent_usage_root)XTENT_USAGE_ROOT_INIT(dir, "src");
    roots[1] = (struct xtent_usage_root)XTENT_USAGE_ROOT_INIT(dir, "copy");
    options.memory = 1;
    options.scratch_dir = dir;
    CHECK_INT(xtent_usage(roots, 2, &options, &report), 0);
    CHECK_INT(report.error, 0);
    CHECK_INT(report.files, 4);
    CHECK_INT(report.apparent, 602000);
    CHECK_INT(report.failures, 0);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(roots[i].files, 2);
        CHECK_INT(roots[i].apparent, 301000);
        CHECK(roots[i].allocated >= 301000 && roots[i].exclusive <= roots[i].exclusive_most);
        CHECK(roots[i].exclusive_most <= roots[i].allocated);
        CHECK(roots[i].path != NULL && roots[i].dir == dir);
        /* An overlay does not say where blocks lie. */
        if (kernel_clones() && strcmp(type, "overlay") != 0)
            CHECK(roots[i].shared_roots >= 300000 && roots[i].exclusive < 300000);
    }

    options.failed = failed;
    options.user = &told;
    roots[1].path = "src/inner";
    CHECK_INT(xtent_usage(roots, 2, &options, &report), -EINVAL);
    CHECK_INT(report.reason, XTENT_REASON_ROOT_IN_ROOT);
    CHECK_INT(told.calls, 1);
    CHECK(strcmp(told.path, "src/inner") == 0);
    CHECK_INT(told.reason, XTENT_REASON_ROOT_IN_ROOT);
    CHECK_INT(roots[0].files, 2);
    CHECK_INT(xtent_usage(roots, 0, NULL, NULL), -EINVAL);
    CHECK_INT(xtent_usage(NULL, 1, NULL, NULL), -EINVAL);
    roots[1].path = "nothing";
    CHECK_INT(xtent_usage(roots, 2, NULL, &report), -ENOENT);
    roots[1].path = NULL;
    CHECK_INT(xtent_usage(roots, 2, NULL, NULL), -EINVAL);
    roots[1].path = "copy";
    roots[1].reserved[1] = 1;
    CHECK_INT(xtent_usage(roots, 2, NULL, NULL), -EINVAL);
    roots[1].reserved[1] = 0;
    options.flags = 0x2;
    CHECK_INT(xtent_usage(roots, 2, &options, NULL), -EINVAL);
    options.flags = XTENT_USAGE_CROSS_MOUNTS;
    options.cancel = &cancelled;
    CHECK_INT(xtent_usage(roots, 2, &options, &report), -ECANCELED);
    CHECK_INT(report.reason, XTENT_REASON_CANCELLED);
}

static void dedupe(void)
{
    struct xtent_dedupe_tree_root roots[2];
    struct xtent_dedupe_tree_options options = XTENT_DEDUPE_TREE_OPTIONS_INIT;
    struct xtent_dedupe_tree_report report = XTENT_DEDUPE_TREE_REPORT_INIT;
    struct told told = {0, "", 0, 0};
    const char *patterns[] = {"l*e", "nothing"};
    volatile sig_atomic_t cancelled = 1;
    int file;

    place();
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "copy", NULL, NULL), 0);
    roots[0] = (struct xtent_dedupe_tree_root)XTENT_DEDUPE_TREE_ROOT_INIT(dir, "src");
    roots[1] = (struct xtent_dedupe_tree_root)XTENT_DEDUPE_TREE_ROOT_INIT(dir, "copy");
    options.failed = failed;
    options.user = &told;
    if (!kernel_clones()) {
        int rc = xtent_dedupe_tree(roots, 2, &options, &report);

        /* An XFS without reflink says so of the first files. */
        CHECK(rc == -EOPNOTSUPP || (rc == 0 && report.failures > 0));
        CHECK(told.calls > 0 && told.error == EOPNOTSUPP);
        return;
    }
    options.flags = XTENT_DEDUPE_TREE_DRY_RUN;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, &report), 0);
    CHECK_INT(report.files, 4);
    CHECK_INT(report.links, 2);
    CHECK_INT(report.directories, 4);
    CHECK_INT(report.candidates, 4);
    CHECK(report.estimate >= 300000 && report.shared == 0);
    options.flags = 0;
    options.include = patterns;
    options.n_include = 2;
    options.min_size = 2;
    options.threads = 2;
    options.cache = XTENT_CACHE_NEUTRAL;
    options.index = "index";
    options.index_dir = dir;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, &report), 0);
    CHECK_INT(report.error + report.reason + report.failures, 0);
    CHECK_INT(report.candidates, 2);
    if (strcmp(type, "overlay") != 0) {
        CHECK_INT(report.deduped, 1);
        CHECK_INT(report.shared, 300000);
    }
    same("src/inner/large", "copy/inner/large");
    CHECK_INT(faccessat(dir, "index", R_OK | W_OK, 0), 0);

    /* In one of the four samples, and in one block. */
    CHECK_INT(xtent_copy_tree(dir, "src", dir, "other", NULL, NULL), 0);
    file = openat(dir, "other/inner/large", O_WRONLY | O_CLOEXEC);
    CHECK(file >= 0 && pwrite(file, "other", 5, 90000) == 5);
    close(file);
    roots[1].path = "other";
    options.flags = XTENT_DEDUPE_TREE_BLOCKS;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, &report), 0);
    CHECK_INT(report.deduped + report.failures, 0);
    if (strcmp(type, "overlay") != 0)
        CHECK_INT(report.shared, 300000 - 4096);
    options.flags = 0;
    roots[1].path = "copy";

    told.calls = 0;
    options.index = "src/small";
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, &report), -EINVAL);
    CHECK_INT(report.reason, XTENT_REASON_INDEX_FOREIGN);
    CHECK_INT(told.calls, 1);
    CHECK(strcmp(told.path, "src/small") == 0);
    file = openat(dir, "src/small", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    close(file);
    options.index = NULL;

    patterns[1] = "[";
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, NULL), -EINVAL);
    patterns[1] = "\377";
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, NULL), -EINVAL);
    patterns[1] = NULL;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, NULL), -EINVAL);
    options.n_include = 0;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, NULL), 0);
    CHECK_INT(xtent_dedupe_tree(NULL, 0, NULL, &report), 0);
    CHECK_INT(report.files, 0);
    CHECK_INT(xtent_dedupe_tree(NULL, 1, NULL, NULL), -EINVAL);
    roots[1].path = "nothing";
    CHECK_INT(xtent_dedupe_tree(roots, 2, NULL, &report), -ENOENT);
    roots[1].path = NULL;
    CHECK_INT(xtent_dedupe_tree(roots, 2, NULL, NULL), -EINVAL);
    roots[1].path = "copy";
    roots[1].reserved = 1;
    CHECK_INT(xtent_dedupe_tree(roots, 2, NULL, NULL), -EINVAL);
    roots[1].reserved = 0;
    options.flags = 0x10;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, NULL), -EINVAL);
    options.flags = XTENT_DEDUPE_TREE_REBUILD | XTENT_DEDUPE_TREE_CROSS_MOUNTS;
    options.cache = 2;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, NULL), -EINVAL);
    options.cache = 0;
    options.cancel = &cancelled;
    CHECK_INT(xtent_dedupe_tree(roots, 2, &options, &report), -ECANCELED);
    CHECK_INT(report.reason, XTENT_REASON_CANCELLED);
}

static const struct test tests[] = {
    {"verbs", verbs},
    {"failures", failures},
    {"bad-arguments", bad_arguments},
    {"usage", usage},
    {"dedupe", dedupe},
};

MAIN(tests)
