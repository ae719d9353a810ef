/*
 * Programs of another age than the library: compiled with a header whose structs end earlier (behind so many MEMBERS), or
 * that has members which this library does not know (LONGER). made-up.awk makes these headers.
 */
#include "check.h"

/* Every struct of the header that begins with its size, by the name that it has here. */
#define STRUCTS(each) \
    each(report, xtent_report, XTENT_REPORT_INIT) \
    each(copying, xtent_copy_options, XTENT_COPY_OPTIONS_INIT) \
    each(cloning, xtent_clone_options, XTENT_CLONE_OPTIONS_INIT) \
    each(deduping, xtent_dedupe_options, XTENT_DEDUPE_OPTIONS_INIT) \
    each(filing, xtent_file_options, XTENT_FILE_OPTIONS_INIT) \
    each(staging, xtent_stage_options, XTENT_STAGE_OPTIONS_INIT) \
    each(walking, xtent_tree_options, XTENT_TREE_OPTIONS_INIT) \
    each(tree, xtent_tree_report, XTENT_TREE_REPORT_INIT) \
    each(using, xtent_usage_options, XTENT_USAGE_OPTIONS_INIT) \
    each(usage, xtent_usage_report, XTENT_USAGE_REPORT_INIT) \
    each(sharing, xtent_dedupe_tree_options, XTENT_DEDUPE_TREE_OPTIONS_INIT) \
    each(shared, xtent_dedupe_tree_report, XTENT_DEDUPE_TREE_REPORT_INIT) \
    each(found, xtent_capabilities, XTENT_CAPABILITIES_INIT)

/* What stands around a struct of the caller's is not the library's to touch. */
#define GUARDED(name, type, init) static struct { uint64_t before[8]; struct type it; uint64_t after[8]; } name;
STRUCTS(GUARDED)

#define GUARD UINT64_C(0xA5A5A5A5A5A5A5A5)
#define BEGIN(name, type, init) \
    { \
        const struct type new_one = init; \
        name.it = new_one; \
        memset(name.before, 0xA5, sizeof name.before); \
        memset(name.after, 0xA5, sizeof name.after); \
    }
#define CHECK_GUARD(name, type, init) \
    CHECK_INT(name.it.size, sizeof name.it); \
    for (int i_ = 0; i_ < 8; i_++) \
        CHECK(name.before[i_] == GUARD && name.after[i_] == GUARD);

static int src, dst, dir;

static void close_new(const char *name, uint64_t len)
{
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    put(fd, 0, len, 1);
    close(fd);
}

static void begin(void)
{
    STRUCTS(BEGIN)
    src = file(64 * KIB, 1);
    dst = file(64 * KIB, 1);
    dir = new_directory();
    CHECK_INT(mkdirat(dir, "tree", 0700), 0);
    close_new("tree/inner", 1000);
    close_new("file", 64 * KIB);
#ifdef LONGER
    /* What was in memory by chance is no answer. */
    report.it.made_up[0] = tree.it.made_up[1] = found.it.made_up[2] = usage.it.made_up[0] = shared.it.made_up[2] = 7;
#endif
}

static void end(int line, int64_t result, int64_t want, int reason, int told_error, int told_reason)
{
    CHECK_AT(line, result, want);
    CHECK_AT(line, told_error, want < 0 ? -want : 0);
    CHECK_AT(line, told_reason, reason);
    STRUCTS(CHECK_GUARD)
}

#ifdef LONGER
#define ZEROED(name, at) \
    CHECK_INT(name.it.made_up[at], 0); \
    name.it.made_up[at] = 7
#else
#define ZEROED(name, at) (void)0
#endif
#define END_OF(name, at, call, want, why) \
    do { \
        int64_t result_ = call; \
        end(__LINE__, result_, want, XTENT_REASON_##why, name.it.error, name.it.reason); \
        ZEROED(name, at); \
    } while (0)
#define END(call, want, why) END_OF(report, 0, call, want, why)
#define END_TREE(call, want, why) END_OF(tree, 1, call, want, why)
#define END_USAGE(call, want, why) END_OF(usage, 0, call, want, why)
#define END_SHARED(call, want, why) END_OF(shared, 2, call, want, why)

static int64_t copy(void)
{
    return xtent_copy_range(src, 0, dst, 0, 1000, &copying.it, &report.it);
}

static int copy_file(const char *name)
{
    return xtent_copy_file(dir, "file", dir, name, &filing.it, &report.it);
}

static int copy_tree(const char *name)
{
    return xtent_copy_tree(dir, "tree", dir, name, &walking.it, &tree.it);
}

static void every_verb(void)
{
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(-1, 0);
    struct xtent_dedupe_file other = XTENT_DEDUPE_FILE_INIT(-1, "copy");
    struct xtent_usage_root root = XTENT_USAGE_ROOT_INIT(-1, "tree");
    struct xtent_dedupe_tree_root store = XTENT_DEDUPE_TREE_ROOT_INIT(-1, "tree");
    struct xtent_stage *stage;

    begin();
    END(copy(), 1000, NONE);
    END(xtent_copy_range(-1, 0, dst, 0, 1, &copying.it, &report.it), -EBADF, BAD_DESCRIPTOR);
    END(xtent_clone_or_copy_range(src, 0, dst, 0, 1000, &copying.it, &report.it), 1000, NONE);
    END(xtent_clone_range(src, 0, dst, 0, 0, &cloning.it, &report.it), -EINVAL, ZERO_LENGTH);
    if (kernel_clones())
        END(xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, &cloning.it, &report.it), 0, NONE);

    END(copy_file("copy"), 0, NONE);
    END(copy_file("copy"), -EEXIST, EXISTS);
    END(xtent_clone_or_copy_file(dir, "file", dir, "both", &filing.it, &report.it), 0, NONE);
    if (kernel_clones())
        END(xtent_clone_file(dir, "file", dir, "clone", &filing.it, &report.it), 0, NONE);

    CHECK(xtent_stage_open(dir, "staged", &staging.it, &stage, &report.it) >= 0);
    END(0, 0, NONE);
    END(xtent_stage_publish(stage, &report.it), 0, NONE);
    END(xtent_stage_open(dir, "staged", &staging.it, &stage, &report.it), -EEXIST, EXISTS);

    END_TREE(copy_tree("trees"), 0, NONE);
    END_TREE(copy_tree("trees"), -EEXIST, EXISTS);
    END_TREE(xtent_clone_or_copy_tree(dir, "tree", dir, "trees-both", &walking.it, &tree.it), 0, NONE);
    if (kernel_clones())
        END_TREE(xtent_clone_tree(dir, "tree", dir, "trees-clone", &walking.it, &tree.it), 0, NONE);

    if (kernel_dedupes()) {
        target.fd = dst;
        END(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &deduping.it, &report.it), 0, NONE);
        CHECK_INT(target.status, XTENT_SAME);
        other.dir = dir;
        END(xtent_dedupe_files(dir, "file", &other, 1, &deduping.it, &report.it), 0, NONE);
        CHECK_INT(other.status, XTENT_SAME);
        store.dir = dir;
        END_SHARED(xtent_dedupe_tree(&store, 1, &sharing.it, &shared.it), 0, NONE);
    }

    root.dir = dir;
    END_USAGE(xtent_usage(&root, 1, &using.it, &usage.it), 0, NONE);
    CHECK_INT(root.files, 1);
    root.path = "nothing";
    END_USAGE(xtent_usage(&root, 1, &using.it, &usage.it), -ENOENT, NOT_FOUND);

    CHECK_INT(xtent_probe(src, dst, &found.it), 0);
    STRUCTS(CHECK_GUARD)
    CHECK(found.it.copy.answer == XTENT_ANSWER_YES);
#ifdef LONGER
    CHECK_INT(found.it.made_up[2], 0);
#endif
}

/* A member that both have means the same to both. */
static void what_both_know(void)
{
    volatile sig_atomic_t flag = 1;
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(-1, 0);
    struct xtent_usage_root root = XTENT_USAGE_ROOT_INIT(-1, "tree");
    struct xtent_dedupe_tree_root store = XTENT_DEDUPE_TREE_ROOT_INIT(-1, "tree");
    struct xtent_stage *stage;

    begin();
    copying.it.cancel = &flag;
    END(copy(), -ECANCELED, CANCELLED);
    flag = 0;
    END(copy(), 1000, NONE);

    filing.it.preserve = UINT32_C(1) << 31;
    END(copy_file("file"), -EINVAL, INVALID_ARGUMENT);
    filing.it.preserve = XTENT_PRESERVE_TIMES;
    filing.it.flags = XTENT_FILE_REPLACE;
    END(copy_file("file"), 0, NONE);

    staging.it.mode = 0100000;
    END(xtent_stage_open(dir, "file", &staging.it, &stage, &report.it), -EINVAL, INVALID_ARGUMENT);
    staging.it.mode = 0600;
    staging.it.flags = XTENT_STAGE_REPLACE;
    CHECK(xtent_stage_open(dir, "file", &staging.it, &stage, &report.it) >= 0);
    END(xtent_stage_publish(stage, &report.it), 0, NONE);

    using.it.flags = UINT32_C(1) << 31;
    END_USAGE(xtent_usage(&root, 1, &using.it, &usage.it), -EINVAL, INVALID_ARGUMENT);
    using.it.flags = XTENT_USAGE_CROSS_MOUNTS;
    root.dir = dir;
    END_USAGE(xtent_usage(&root, 1, &using.it, &usage.it), 0, NONE);

    sharing.it.flags = UINT32_C(1) << 31;
    END_SHARED(xtent_dedupe_tree(&store, 1, &sharing.it, &shared.it), -EINVAL, INVALID_ARGUMENT);

    walking.it.threads = 1;
    walking.it.flags = XTENT_TREE_KEEP_GOING;
    END_TREE(copy_tree("trees"), 0, NONE);

    if (kernel_dedupes()) {
        target.fd = dst;
        flag = 1;
        deduping.it.cancel = &flag;
        END(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &deduping.it, &report.it), 0, NONE);
        CHECK_INT(target.status, XTENT_NOT_REACHED);
        flag = 0;
        END(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &deduping.it, &report.it), 0, NONE);
        CHECK_INT(target.status, XTENT_SAME);
    }
}

#if !defined MEMBERS || MEMBERS >= 7
static int calls;

static int count_calls(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    calls++;
    return 0;
}

/* The members behind the fourth. */
static void what_came_later(void)
{
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(-1, 0);
    struct xtent_usage_root root = XTENT_USAGE_ROOT_INIT(-1, "tree");
    const uint64_t block = block_size();

    begin();
    /* Options within options are of the same age. */
    copying.it.progress = count_calls;
    filing.it.copy = &copying.it;
    filing.it.stable = XTENT_STABLE_LOCK;
    END(copy_file("copy"), 0, NONE);
    CHECK(calls > 0);
    CHECK_INT(report.it.bytes_copied, 64 * KIB);
    copying.it.sparse = XTENT_SPARSE_DETECT + 1;
    END(copy_file("copy-2"), -EINVAL, INVALID_ARGUMENT);

    walking.it.progress = count_calls;
    calls = 0;
    END_TREE(copy_tree("trees"), 0, NONE);
    CHECK(calls > 0);
    CHECK_INT(tree.it.bytes_copied, 1000);

    using.it.progress = count_calls;
    calls = 0;
    root.dir = dir;
    END_USAGE(xtent_usage(&root, 1, &using.it, &usage.it), 0, NONE);
    CHECK(calls > 0);
    CHECK_INT(usage.it.apparent, 1000);

    if (kernel_dedupes()) {
        target.fd = dst;
        put(dst, 0, block, 2);
        deduping.it.blocks = XTENT_BLOCKS_YES;
        END(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &deduping.it, &report.it), 0, NONE);
        CHECK_INT(target.status, XTENT_DIFFERS);
        CHECK_INT(target.differs_at, 0);
        CHECK(target.shared == 64 * KIB - block || (target.shared == XTENT_UNKNOWN && !has_maps()));
    }
}
#endif

#ifdef LONGER
/* What a program asks of a later library, this one refuses rather than leave it undone. */
static void what_is_not_known(void)
{
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(-1, 0);
    struct xtent_dedupe_file other = XTENT_DEDUPE_FILE_INIT(-1, "file");
    struct xtent_usage_root root = XTENT_USAGE_ROOT_INIT(-1, "tree");
    struct xtent_dedupe_tree_root store = XTENT_DEDUPE_TREE_ROOT_INIT(-1, "tree");
    struct xtent_stage *stage = (struct xtent_stage *)(void *)&target;
    const struct xtent_file_options known = XTENT_FILE_OPTIONS_INIT;
    uint64_t before;

    begin();
    before = fingerprint(dst);
    copying.it.made_up[1] = cloning.it.made_up[0] = deduping.it.made_up[2] = 1;
    filing.it.made_up[0] = staging.it.made_up[1] = walking.it.made_up[2] = UINT64_C(1) << 63;
    using.it.made_up[0] = sharing.it.made_up[1] = 1;
    END(copy(), -E2BIG, INVALID_ARGUMENT);
    END(xtent_clone_or_copy_range(src, 0, dst, 0, 1000, &copying.it, &report.it), -E2BIG, INVALID_ARGUMENT);
    END(xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, &cloning.it, &report.it), -E2BIG, INVALID_ARGUMENT);
    END(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &deduping.it, &report.it), -E2BIG, INVALID_ARGUMENT);
    CHECK_INT(target.status, XTENT_NOT_REACHED);
    END(xtent_dedupe_files(dir, "file", &other, 1, &deduping.it, &report.it), -E2BIG, INVALID_ARGUMENT);
    CHECK_INT(other.status, XTENT_NOT_REACHED);
    CHECK_INT(fingerprint(dst), before);

    END(copy_file("copy"), -E2BIG, INVALID_ARGUMENT);
    END(xtent_clone_file(dir, "file", dir, "copy", &filing.it, &report.it), -E2BIG, INVALID_ARGUMENT);
    END(xtent_clone_or_copy_file(dir, "file", dir, "copy", &filing.it, &report.it), -E2BIG, INVALID_ARGUMENT);
    filing.it = known;
    filing.it.copy = &copying.it;
    END(copy_file("copy"), -E2BIG, INVALID_ARGUMENT);
    END(xtent_stage_open(dir, "copy", &staging.it, &stage, &report.it), -E2BIG, INVALID_ARGUMENT);
    CHECK(stage == NULL);
    END_TREE(copy_tree("copy"), -E2BIG, INVALID_ARGUMENT);
    END_TREE(xtent_clone_tree(dir, "tree", dir, "copy", &walking.it, &tree.it), -E2BIG, INVALID_ARGUMENT);
    END_TREE(xtent_clone_or_copy_tree(dir, "tree", dir, "copy", &walking.it, &tree.it), -E2BIG, INVALID_ARGUMENT);
    CHECK(faccessat(dir, "copy", F_OK, AT_SYMLINK_NOFOLLOW) != 0);
    root.dir = store.dir = dir;
    END_USAGE(xtent_usage(&root, 1, &using.it, &usage.it), -E2BIG, INVALID_ARGUMENT);
    END_SHARED(xtent_dedupe_tree(&store, 1, &sharing.it, &shared.it), -E2BIG, INVALID_ARGUMENT);
}
#endif

static const struct test tests[] = {
    {"every-verb", every_verb},
    {"what-both-know", what_both_know},
#if !defined MEMBERS || MEMBERS >= 7
    {"what-came-later", what_came_later},
#endif
#ifdef LONGER
    {"what-is-not-known", what_is_not_known},
#endif
};

MAIN(tests)
