/* Every function does what the header says, on a filesystem that shares blocks and on one that does not. */
#include "check.h"

/* Refused because this filesystem does not share blocks. */
static int cannot(int reason)
{
    return reason == XTENT_REASON_FILESYSTEM_CANNOT || reason == XTENT_REASON_MOUNT_CANNOT;
}

static void copy_a_file(void)
{
    int src = file(5 * MIB + 123, 1), dst = empty_file();
    struct xtent_report report = XTENT_REPORT_INIT;

    memset((char *)&report + sizeof report.size, 0xEE, sizeof report - sizeof report.size);
    CHECK_INT(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report), 5 * MIB + 123);
    CHECK_INT(size_of_file(dst), 5 * MIB + 123);
    CHECK(equal(src, 0, dst, 0, 5 * MIB + 123));
    CHECK_INT(report.size, sizeof report);
    CHECK_INT(report.bytes, 5 * MIB + 123);
    CHECK_INT(report.bytes_copied, 5 * MIB + 123);
    CHECK_INT(report.bytes_cloned + report.bytes_hole, 0);
    CHECK_INT(report.reason, XTENT_REASON_NONE);
    CHECK_INT(report.fallback, XTENT_REASON_NONE);
    CHECK_INT(report.error, 0);
    CHECK_INT(report.alignment, 0);
    if (has_maps())
        CHECK_INT(xtent_shared_bytes(src, dst), 0);
}

static void copy_a_range(void)
{
    int src = file(300 * KIB, 1), dst = file(400 * KIB, 2), old = file(400 * KIB, 2);

    CHECK_INT(xtent_copy_range(src, 1001, dst, 70003, 100007, NULL, NULL), 100007);
    CHECK_INT(size_of_file(dst), 400 * KIB);
    CHECK(equal(dst, 0, old, 0, 70003));
    CHECK(equal(dst, 70003, src, 1001, 100007));
    CHECK(equal(dst, 70003 + 100007, old, 70003 + 100007, 400 * KIB - 70003 - 100007));

    /* Short at the end of the source, like read(2). */
    CHECK_INT(xtent_copy_range(src, 299 * KIB, dst, 0, 5000, NULL, NULL), 1024);
    CHECK_INT(xtent_copy_range(src, 300 * KIB, dst, 0, 5000, NULL, NULL), 0);
    CHECK_INT(xtent_copy_range(src, 900 * KIB, dst, 0, XTENT_TO_END, NULL, NULL), 0);
    CHECK_INT(xtent_copy_range(src, 0, dst, 0, 0, NULL, NULL), 0);
}

static void copy_keeps_holes(void)
{
    int src = empty_file(), dst = file(8 * MIB, 3);
    struct xtent_report report = XTENT_REPORT_INIT;
    uint64_t old = allocated(dst);

    put(src, 2 * MIB, 64 * KIB, 1);
    CHECK_INT(ftruncate(src, 6 * MIB), 0);
    if (allocated(src) > 1 * MIB)
        SKIP("this filesystem has no holes");
    CHECK_INT(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report), 6 * MIB);
    CHECK(equal(src, 0, dst, 0, 6 * MIB));
    CHECK_INT(report.bytes, 6 * MIB);
    CHECK_INT(report.bytes_copied + report.bytes_hole, 6 * MIB);
    CHECK(report.bytes_hole >= 5 * MIB);
    CHECK_INT(size_of_file(dst), 8 * MIB);
    CHECK(allocated(dst) + 5 * MIB <= old);
}

static void clone_a_file(void)
{
    int src = file(1 * MIB + 123, 1), dst = empty_file();
    struct xtent_clone_options options = XTENT_CLONE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int result = xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, &options, &report);

    if (!kernel_clones()) {
        CHECK_INT(result, -EOPNOTSUPP);
        CHECK_INT(report.error, EOPNOTSUPP);
        CHECK(cannot(report.reason));
        CHECK_INT(report.bytes, 0);
        CHECK_INT(size_of_file(dst), 0);
        return;
    }
    CHECK_INT(result, 0);
    CHECK_INT(report.bytes_cloned, 1 * MIB + 123);
    CHECK_INT(report.bytes, 1 * MIB + 123);
    CHECK_INT(report.reason, XTENT_REASON_NONE);
    CHECK_INT(size_of_file(dst), 1 * MIB + 123);
    CHECK(equal(src, 0, dst, 0, 1 * MIB + 123));
    /* The last block is shared whole. */
    CHECK(xtent_shared_bytes(src, dst) >= (int64_t)(1 * MIB + 123));
}

static void clone_is_refused(int line, int src, uint64_t src_off, int dst, uint64_t dst_off, uint64_t len, int error,
                             int reason)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    uint64_t before = fingerprint(dst);

    CHECK_AT(line, xtent_clone_range(src, src_off, dst, dst_off, len, NULL, &report), -error);
    CHECK_AT(line, report.error, error);
    CHECK_AT(line, report.reason, reason);
    CHECK_AT(line, report.bytes, 0);
    if (reason == XTENT_REASON_MISALIGNED || reason == XTENT_REASON_PARTIAL_BLOCK)
        CHECK_AT(line, report.alignment, block_size());
    else
        CHECK_AT(line, report.alignment, 0);
    CHECK_AT(line, fingerprint(dst), before);
}

static void clone_explains_refusals(void)
{
    uint64_t block = block_size(), size = 16 * block + 100;
    int src = file(size, 1), dst = file(32 * block, 2);

    clone_is_refused(__LINE__, src, 0, dst, 0, 0, EINVAL, XTENT_REASON_ZERO_LENGTH);
    if (!kernel_clones())
        SKIP("%s does not share blocks", type);
    clone_is_refused(__LINE__, src, 1, dst, 0, block, EINVAL, XTENT_REASON_MISALIGNED);
    clone_is_refused(__LINE__, src, 0, dst, 512, block, EINVAL, XTENT_REASON_MISALIGNED);
    clone_is_refused(__LINE__, src, 0, dst, 0, block + 1, EINVAL, XTENT_REASON_MISALIGNED);
    clone_is_refused(__LINE__, src, 0, dst, 0, XTENT_TO_END, EINVAL, XTENT_REASON_PARTIAL_BLOCK);
    clone_is_refused(__LINE__, src, 0, dst, 0, 17 * block, EINVAL, XTENT_REASON_PAST_END_OF_FILE);
    clone_is_refused(__LINE__, src, 20 * block, dst, 0, XTENT_TO_END, EINVAL, XTENT_REASON_PAST_END_OF_FILE);
    clone_is_refused(__LINE__, src, 0, src, block, 2 * block, EINVAL, XTENT_REASON_OVERLAP);
}

static void clone_or_copy(void)
{
    uint64_t block = block_size(), len = 64 * block;
    int src = file(100 * block, 1), dst = empty_file();
    struct xtent_report report = XTENT_REPORT_INIT;

    /* Congruent and ragged: the whole blocks between are cloned. */
    CHECK_INT(xtent_clone_or_copy_range(src, 100, dst, block + 100, len, NULL, &report), len);
    CHECK(equal(src, 100, dst, block + 100, len));
    CHECK_INT(report.bytes, len);
    CHECK_INT(report.reason, XTENT_REASON_NONE);
    if (kernel_clones()) {
        CHECK_INT(report.bytes_cloned, 63 * block);
        CHECK_INT(report.bytes_copied, block);
        CHECK_INT(report.fallback, XTENT_REASON_MISALIGNED);
        CHECK_INT(report.alignment, block);
        CHECK_INT(xtent_shared_bytes(src, dst), 63 * block);
    } else {
        CHECK_INT(report.bytes_copied, len);
        CHECK(cannot(report.fallback));
    }

    /* Aligned: nothing was copied that could have been cloned. */
    CHECK_INT(xtent_clone_or_copy_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report), 100 * block);
    CHECK(equal(src, 0, dst, 0, 100 * block));
    if (kernel_clones()) {
        CHECK_INT(report.bytes_cloned, 100 * block);
        CHECK_INT(report.fallback, XTENT_REASON_NONE);
    }

    /* Not congruent: all is copied, and it says why. */
    CHECK_INT(xtent_clone_or_copy_range(src, 1, dst, 0, 10 * block, NULL, &report), 10 * block);
    CHECK(equal(src, 1, dst, 0, 10 * block));
    CHECK_INT(report.bytes_copied, 10 * block);
    CHECK(kernel_clones() ? report.fallback == XTENT_REASON_MISALIGNED : cannot(report.fallback));
}

static void dedupe(void)
{
    uint64_t block = block_size(), len = 32 * block;
    int src = file(len, 1), same = file(len, 1), differs = file(len, 1), shorter = file(block, 1);
    struct xtent_dedupe_options options = XTENT_DEDUPE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_dedupe_target targets[] = {
        XTENT_DEDUPE_TARGET_INIT(same, 0),
        XTENT_DEDUPE_TARGET_INIT(differs, 0),
        XTENT_DEDUPE_TARGET_INIT(-5, 0),
        XTENT_DEDUPE_TARGET_INIT(shorter, 0),
    };
    const size_t n = sizeof targets / sizeof *targets;
    uint64_t before;
    int result;

    CHECK_INT(pwrite(differs, "?", 1, (off_t)(20 * block + 7)), 1);
    before = fingerprint(differs);
    /* What is in the array by chance must not read as "same". */
    for (size_t i = 0; i < n; i++) {
        targets[i].status = XTENT_SAME;
        targets[i].error = targets[i].reason = 42;
        targets[i].shared = targets[i].already_shared = targets[i].compared = targets[i].differs_at = 4711;
    }

    result = xtent_dedupe_range(src, 0, XTENT_TO_END, targets, n, &options, &report);
    if (result != 0) {
        CHECK(!kernel_dedupes());
        CHECK_INT(result, -EOPNOTSUPP);
        CHECK(cannot(report.reason));
        CHECK_INT(report.error, EOPNOTSUPP);
        for (size_t i = 0; i < n; i++) {
            CHECK_INT(targets[i].status, XTENT_NOT_REACHED);
            CHECK_INT(targets[i].error, 0);
            CHECK_INT(targets[i].reason, XTENT_REASON_NONE);
            CHECK_INT(targets[i].compared, 0);
            CHECK(targets[i].shared == XTENT_UNKNOWN && targets[i].differs_at == XTENT_UNKNOWN);
        }
        CHECK_INT(fingerprint(differs), before);
        return;
    }
    if (!kernel_dedupes()) {
        /* XFS made without reflink refuses each target, not the call. */
        CHECK_INT(targets[0].status, XTENT_FAILED);
        CHECK_INT(targets[0].error, EOPNOTSUPP);
        CHECK(cannot(targets[0].reason));
        return;
    }
    CHECK_INT(report.error, 0);
    CHECK_INT(report.reason, XTENT_REASON_NONE);

    CHECK_INT(targets[0].status, XTENT_SAME);
    CHECK_INT(targets[0].fd, same);
    CHECK_INT(targets[0].error, 0);
    CHECK_INT(targets[0].compared, len);
    CHECK_INT(targets[0].shared, len);
    CHECK_INT(targets[0].already_shared, 0);
    CHECK(targets[0].differs_at == XTENT_UNKNOWN);
    CHECK_INT(xtent_shared_bytes(src, same), len);

    CHECK_INT(targets[1].status, XTENT_DIFFERS);
    CHECK_INT(targets[1].differs_at, 20 * block + 7);
    CHECK_INT(targets[1].compared, 20 * block + 7);
    CHECK_INT(targets[1].shared, 20 * block);
    CHECK_INT(fingerprint(differs), before);

    CHECK_INT(targets[2].status, XTENT_FAILED);
    CHECK_INT(targets[2].fd, -5);
    CHECK_INT(targets[2].error, EBADF);
    CHECK_INT(targets[2].reason, XTENT_REASON_BAD_DESCRIPTOR);

    CHECK_INT(targets[3].status, XTENT_FAILED);
    CHECK_INT(targets[3].error, EINVAL);
    CHECK_INT(targets[3].reason, XTENT_REASON_PAST_END_OF_FILE);

    /* Once more: it was shared already. */
    CHECK_INT(xtent_dedupe_range(src, 0, len, targets, 1, NULL, NULL), 0);
    CHECK_INT(targets[0].status, XTENT_SAME);
    CHECK_INT(targets[0].shared, 0);
    CHECK_INT(targets[0].already_shared, len);
    /* No targets at all is no error. */
    CHECK_INT(xtent_dedupe_range(src, 0, len, NULL, 0, NULL, NULL), 0);
}

static void dedupe_many_targets(void)
{
    enum { MANY = 300 };
    static struct xtent_dedupe_target targets[MANY];
    uint64_t block = block_size();
    int src = file(block, 1), dst = empty_file();

    if (!kernel_dedupes())
        SKIP("%s does not dedupe", type);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 2)
            put(dst, i * block, block, 2);
        else
            CHECK_INT(xtent_copy_range(src, 0, dst, i * block, block, NULL, NULL), block);
        targets[i].fd = dst;
        targets[i].offset = i * block;
    }
    CHECK_INT(xtent_dedupe_range(src, 0, block, targets, MANY, NULL, NULL), 0);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_INT(targets[i].status, i % 2 ? XTENT_DIFFERS : XTENT_SAME);
        CHECK_INT(targets[i].offset, i * block);
    }
}

static void extents(void)
{
    int fd = empty_file();
    struct xtent_extent all[64], one;
    uint64_t at = 0, hole = 0;
    int64_t n, i = 0;

    put(fd, 0, 64 * KIB, 1);
    put(fd, 1 * MIB, 64 * KIB, 2);
    put(fd, 3 * MIB, 100, 3);
    CHECK_INT(ftruncate(fd, 5 * MIB), 0);
    memset(all, 0xEE, sizeof all);
    n = xtent_extents(fd, 0, XTENT_TO_END, all, 64);
    if (n == -EOPNOTSUPP)
        SKIP("%s has no extent maps", type);
    CHECK(n >= 6 && n < 64);
    for (; i < n; i++) {
        CHECK_INT(all[i].logical, at);
        CHECK(all[i].length > 0);
        CHECK_INT(all[i].reserved, 0);
        if (all[i].flags & XTENT_EXTENT_HOLE) {
            CHECK_INT(all[i].physical, 0);
            hole += all[i].length;
        }
        at += all[i].length;
    }
    CHECK_INT(at, 5 * MIB);
    CHECK(hole >= 4 * MIB && hole <= 5 * MIB - 128 * KIB);

    /* One by one gives the same. */
    for (i = 0, at = 0; xtent_extents(fd, at, XTENT_TO_END, &one, 1) == 1; i++, at += one.length)
        CHECK(i < n && memcmp(&one, &all[i], sizeof one) == 0);
    CHECK_INT(i, n);
    CHECK_INT(at, 5 * MIB);

    /* Cut to the range, and no more elements touched than were said. */
    memset(all, 0xEE, sizeof all);
    CHECK_INT(xtent_extents(fd, 4 * KIB, 8 * KIB, all, 64), 1);
    CHECK_INT(all[0].logical, 4 * KIB);
    CHECK_INT(all[0].length, 8 * KIB);
    CHECK_INT(all[1].flags, 0xEEEEEEEE);
    CHECK_INT(xtent_extents(fd, 5 * MIB, XTENT_TO_END, all, 64), 0);
    CHECK_INT(xtent_extents(fd, UINT64_MAX, 1, all, 64), 0);
    CHECK_INT(xtent_extents(fd, 0, 0, all, 64), 0);
}

static void shared_bytes(void)
{
    int a = file(256 * KIB, 1), b = file(256 * KIB, 1);

    if (!has_maps()) {
        CHECK_INT(xtent_shared_bytes(a, b), -EOPNOTSUPP);
        SKIP("%s has no extent maps", type);
    }
    CHECK_INT(xtent_shared_bytes(a, b), 0);
    CHECK_INT(xtent_shared_bytes(a, a), 256 * KIB);
    if (kernel_clones()) {
        CHECK_INT(xtent_clone_range(a, 64 * KIB, b, 0, 128 * KIB, NULL, NULL), 0);
        CHECK_INT(xtent_shared_bytes(a, b), 128 * KIB);
    }
}

static void probe_says_what_works(void)
{
    int src = file(64 * KIB, 1), dst = file(64 * KIB, 1);
    struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;
    uint64_t before = fingerprint(dst);

    memset((char *)&found + sizeof found.size, 0xEE, sizeof found - sizeof found.size);
    CHECK_INT(xtent_probe(src, dst, &found), 0);
    CHECK_INT(found.size, sizeof found);
    CHECK_INT(found.copy.answer, XTENT_ANSWER_YES);
    CHECK_INT(found.copy.error, 0);
    CHECK_INT(found.clone.answer, kernel_clones() ? XTENT_ANSWER_YES : XTENT_ANSWER_NO);
    CHECK_INT(found.dedupe.answer, kernel_dedupes() ? XTENT_ANSWER_YES : XTENT_ANSWER_NO);
    if (!kernel_clones()) {
        CHECK_INT(found.clone.error, EOPNOTSUPP);
        CHECK(cannot(found.clone.reason));
    } else {
        CHECK(found.alignment >= 512 && found.alignment <= MIB);
    }
    CHECK_INT(found.reserved | found.copy.reserved | found.clone.reserved | found.dedupe.reserved, 0);
    CHECK_INT(fingerprint(dst), before);

    /* Opened as they are: what is read-only cannot be a destination. */
    CHECK_INT(xtent_probe(src, reopened(dst, O_RDONLY), &found), 0);
    CHECK_INT(found.copy.answer, XTENT_ANSWER_NO);
    CHECK_INT(found.copy.error, EBADF);
    CHECK_INT(found.copy.reason, XTENT_REASON_NOT_OPEN_FOR_THAT);
    /* And what appends can be deduped, but nothing can be placed in it. */
    CHECK_INT(xtent_probe(src, reopened(dst, O_RDWR | O_APPEND), &found), 0);
    CHECK_INT(found.copy.answer, XTENT_ANSWER_NO);
    CHECK_INT(found.clone.answer, XTENT_ANSWER_NO);
    CHECK_INT(found.dedupe.answer, kernel_dedupes() ? XTENT_ANSWER_YES : XTENT_ANSWER_NO);
    if (kernel_clones())
        CHECK_INT(found.clone.reason, XTENT_REASON_APPEND_ONLY);
}

static void names(void)
{
    const int garbage[] = {-1, 10000, INT32_MAX, INT32_MIN};

    for (int reason = XTENT_REASON_NONE; reason <= XTENT_REASON_INTERRUPTED; reason++) {
        const char *text = xtent_reason_text(reason), *name = xtent_reason_name(reason);

        CHECK(strlen(text) > 10 && text[strlen(text) - 1] != '.');
        CHECK(strlen(name) > 1 && strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name));
        /* The same string each time: nothing is made anew. */
        CHECK(xtent_reason_text(reason) == text && xtent_reason_name(reason) == name);
    }
    CHECK(strcmp(xtent_reason_name(XTENT_REASON_MISALIGNED), "misaligned") == 0);
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        CHECK(strcmp(xtent_reason_text(garbage[i]), "no such reason") == 0);
        CHECK(strcmp(xtent_reason_name(garbage[i]), "no such reason") == 0);
    }
}

static void version(void)
{
    char string[32];

    CHECK_INT(xtent_version(), XTENT_VERSION);
    snprintf(string, sizeof string, "%d.%d.%d", XTENT_VERSION_MAJOR, XTENT_VERSION_MINOR, XTENT_VERSION_PATCH);
    CHECK(strcmp(xtent_version_string(), string) == 0);
}

struct seen {
    uint64_t done, total;
    int calls, last;
};

static int watch(void *user, uint64_t done, uint64_t total)
{
    struct seen *seen = user;

    CHECK(done > seen->done && done <= total);
    seen->done = done;
    seen->total = total;
    return ++seen->calls == seen->last;
}

static void progress(void)
{
    struct seen seen = {0, 0, 0, 0};
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int src = file(20 * MIB, 1), dst = empty_file();
    int64_t n;

    options.progress = watch;
    options.user = &seen;
    CHECK_INT(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &options, NULL), 20 * MIB);
    CHECK_INT(seen.done, 20 * MIB);
    CHECK_INT(seen.total, 20 * MIB);
    CHECK(seen.calls >= 5);

    /* The third call wants no more: short, with the reason, and what is left can be had. */
    memset(&seen, 0, sizeof seen);
    seen.last = 3;
    CHECK_INT(ftruncate(dst, 0), 0);
    n = xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &options, &report);
    CHECK_INT(seen.calls, 3);
    CHECK_INT(n, seen.done);
    CHECK(n > 0 && n < (int64_t)(20 * MIB));
    CHECK_INT(report.reason, XTENT_REASON_CANCELLED);
    CHECK_INT(report.error, ECANCELED);
    CHECK_INT(report.bytes, n);
    CHECK(equal(src, 0, dst, 0, (uint64_t)n));
    CHECK_INT(xtent_copy_range(src, (uint64_t)n, dst, (uint64_t)n, XTENT_TO_END, NULL, &report), (int64_t)(20 * MIB) - n);
    CHECK(equal(src, 0, dst, 0, 20 * MIB));
}

static void dedupe_progress(void)
{
    struct seen seen = {0, 0, 0, 1};
    struct xtent_dedupe_options options = XTENT_DEDUPE_OPTIONS_INIT;
    int src = file(40 * MIB, 1), dst = file(40 * MIB, 1);
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(dst, 0);

    if (!kernel_dedupes())
        SKIP("%s does not dedupe", type);
    options.progress = watch;
    options.user = &seen;
    CHECK_INT(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &options, NULL), 0);
    CHECK_INT(seen.calls, 1);
    CHECK_INT(seen.total, 40 * MIB);
    CHECK_INT(target.status, XTENT_NOT_REACHED);
    CHECK_INT(target.compared, seen.done);
    CHECK(target.compared < 40 * MIB);
    /* What was shared stays shared. */
    CHECK_INT(target.shared, seen.done);
}

static const struct test tests[] = {
    {"copy-a-file", copy_a_file},
    {"copy-a-range", copy_a_range},
    {"copy-keeps-holes", copy_keeps_holes},
    {"clone-a-file", clone_a_file},
    {"clone-explains-refusals", clone_explains_refusals},
    {"clone-or-copy", clone_or_copy},
    {"dedupe", dedupe},
    {"dedupe-many-targets", dedupe_many_targets},
    {"extents", extents},
    {"shared-bytes", shared_bytes},
    {"probe-says-what-works", probe_says_what_works},
    {"names", names},
    {"version", version},
    {"progress", progress},
    {"dedupe-progress", dedupe_progress},
};

MAIN(tests)
