/* Bad input: errno and reason, never a crash, a hang or a changed file. */
#include "check.h"

static int src, dst;

/* A verb of the two-descriptor shape, by a common name. */
typedef int64_t verb(int src_fd, uint64_t src_off, int dst_fd, uint64_t dst_off, uint64_t len,
                     struct xtent_report *report);

static int64_t copy(int s, uint64_t s_off, int d, uint64_t d_off, uint64_t len, struct xtent_report *report)
{
    return xtent_copy_range(s, s_off, d, d_off, len, NULL, report);
}

static int64_t clone(int s, uint64_t s_off, int d, uint64_t d_off, uint64_t len, struct xtent_report *report)
{
    return xtent_clone_range(s, s_off, d, d_off, len, NULL, report);
}

static int64_t both(int s, uint64_t s_off, int d, uint64_t d_off, uint64_t len, struct xtent_report *report)
{
    return xtent_clone_or_copy_range(s, s_off, d, d_off, len, NULL, report);
}

/* The errno of the one target, or of the call. */
static int64_t dedupe(int s, uint64_t s_off, int d, uint64_t d_off, uint64_t len, struct xtent_report *report)
{
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(d, d_off);
    int result = xtent_dedupe_range(s, s_off, len, &target, 1, NULL, report);

    if (result != 0 || target.status != XTENT_FAILED)
        return result;
    report->error = target.error;
    report->reason = target.reason;
    return -target.error;
}

/* Fails with one of two errnos and a reason, and changes nothing. */
static void refused(int line, verb *ask, int s, uint64_t s_off, int d, uint64_t d_off, uint64_t len, int error,
                    int or_error, int reason)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    uint64_t src_before = fingerprint(src), dst_before = fingerprint(dst);
    int64_t result = ask(s, s_off, d, d_off, len, &report);

    if (result != -or_error)
        CHECK_AT(line, result, -error);
    CHECK_AT(line, report.error, -result);
    if (reason >= 0)
        CHECK_AT(line, report.reason, reason);
    CHECK_AT(line, report.bytes, 0);
    CHECK_AT(line, fingerprint(src), src_before);
    CHECK_AT(line, fingerprint(dst), dst_before);
}

#define REFUSED(ask, s, s_off, d, d_off, len, error, or_error, reason) \
    refused(__LINE__, ask, s, s_off, d, d_off, len, error, or_error, reason)

static void files(void)
{
    src = file(128 * KIB, 1);
    dst = file(128 * KIB, 2);
}

/* What the kernel says first where it cannot clone at all. */
static int or_unsupported(int error)
{
    return kernel_clones() ? error : EOPNOTSUPP;
}

static void not_open(void)
{
    const int numbers[] = {-1, -5, AT_FDCWD, INT32_MIN, 1000, INT32_MAX};

    files();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const int bad = numbers[i];
        verb *const verbs[] = {copy, clone, both};
        struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;
        struct xtent_extent extent;

        for (size_t v = 0; v < 3; v++) {
            REFUSED(verbs[v], bad, 0, dst, 0, 4096, EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
            REFUSED(verbs[v], src, 0, bad, 0, 4096, EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
            REFUSED(verbs[v], bad, 0, bad, 0, XTENT_TO_END, EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
        }
        REFUSED(dedupe, bad, 0, dst, 0, 4096, EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
        if (kernel_dedupes())
            REFUSED(dedupe, src, 0, bad, 0, 4096, EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
        CHECK_INT(xtent_probe(bad, dst, &found), -EBADF);
        CHECK_INT(xtent_probe(src, bad, &found), -EBADF);
        CHECK_INT(found.copy.answer, XTENT_ANSWER_UNKNOWN);
        CHECK_INT(xtent_extents(bad, 0, XTENT_TO_END, &extent, 1), -EBADF);
        CHECK_INT(xtent_shared_bytes(bad, bad), -EBADF);
        if (has_maps())
            CHECK_INT(xtent_shared_bytes(src, bad), -EBADF);
    }
}

static void closed(void)
{
    int was_open;

    files();
    was_open = reopened(src, O_RDWR);
    close(was_open);
    REFUSED(copy, was_open, 0, dst, 0, 4096, EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
    REFUSED(clone, src, 0, was_open, 0, 4096, EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
}

static void wrong_modes(void)
{
    int src_only, dst_only, appends, path;

    files();
    src_only = reopened(dst, O_RDONLY);
    dst_only = reopened(src, O_WRONLY);
    appends = reopened(dst, O_RDWR | O_APPEND);
    path = reopened(src, O_PATH);
    for (int i = 0; i < 3; i++) {
        verb *ask = i == 0 ? copy : i == 1 ? clone : both;

        /* The kernel finds out whether it can clone before it looks at some of these. */
        int or_error = i == 0 ? EBADF : or_unsupported(EBADF);

        REFUSED(ask, src, 0, src_only, 0, 4096, EBADF, EBADF, XTENT_REASON_NOT_OPEN_FOR_THAT);
        REFUSED(ask, dst_only, 0, dst, 0, 4096, EBADF, EBADF, XTENT_REASON_NOT_OPEN_FOR_THAT);
        REFUSED(ask, path, 0, dst, 0, 4096, EBADF, or_error, -1);
        REFUSED(ask, src, 0, path, 0, 4096, EBADF, or_error, -1);
        REFUSED(ask, src, 0, appends, 0, 4096, EBADF, or_error, -1);
    }
    REFUSED(copy, path, 0, dst, 0, 4096, EBADF, EBADF, XTENT_REASON_NOT_OPEN_FOR_THAT);
    REFUSED(copy, src, 0, path, 0, 4096, EBADF, EBADF, XTENT_REASON_NOT_OPEN_FOR_THAT);
    REFUSED(copy, src, 0, appends, 0, 4096, EBADF, EBADF, XTENT_REASON_APPEND_ONLY);
    if (kernel_clones()) {
        REFUSED(clone, src, 0, path, 0, 4096, EBADF, EBADF, XTENT_REASON_NOT_OPEN_FOR_THAT);
        REFUSED(clone, src, 0, appends, 0, 4096, EBADF, EBADF, XTENT_REASON_APPEND_ONLY);
    }
    if (kernel_dedupes())
        REFUSED(dedupe, dst_only, 0, dst, 0, 4096, EINVAL, EINVAL, XTENT_REASON_NOT_OPEN_FOR_THAT);
}

/* A descriptor that is no regular file, as source and as destination. */
static void no_file(int line, int fd, int copy_error)
{
    struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;
    struct xtent_extent extent;
    int64_t result;

    for (int as_source = 0; as_source <= 1; as_source++) {
        int s = as_source ? fd : src, d = as_source ? dst : fd;
        struct xtent_report report = XTENT_REPORT_INIT;
        uint64_t before = fingerprint(dst);

        refused(line, copy, s, 0, d, 0, 4096, copy_error, copy_error, XTENT_REASON_NOT_A_REGULAR_FILE);
        refused(line, both, s, 0, d, 0, 4096, copy_error, copy_error, XTENT_REASON_NOT_A_REGULAR_FILE);
        /* Which of them the kernel names depends on where the file lies. */
        result = clone(s, 0, d, 0, 4096, &report);
        CHECK(result == -EISDIR || result == -EINVAL || result == -EXDEV || result == -EOPNOTSUPP ||
              result == -EBADF || result == -ENOTTY);
        result = dedupe(s, 0, d, 0, 4096, &report);
        CHECK(result == -EISDIR || result == -EINVAL || result == -EXDEV || result == -EOPNOTSUPP ||
              result == -EBADF);
        CHECK_AT(line, xtent_probe(s, d, &found), 0);
        CHECK_AT(line, found.copy.answer, XTENT_ANSWER_NO);
        CHECK_AT(line, found.copy.error, copy_error);
        CHECK_AT(line, found.clone.answer, XTENT_ANSWER_NO);
        CHECK_AT(line, fingerprint(dst), before);
    }
    result = xtent_extents(fd, 0, XTENT_TO_END, &extent, 1);
    CHECK(result == -EISDIR || result == -EINVAL);
    result = xtent_shared_bytes(fd, fd);
    CHECK(result == -EISDIR || result == -EINVAL);
}

static void a_directory(void)
{
    files();
    no_file(__LINE__, open(directory, O_RDONLY | O_DIRECTORY), EISDIR);
}

static void a_fifo(void)
{
    char path[4096];
    int fd;

    files();
    snprintf(path, sizeof path, "%s/xtent-fifo-%d", directory, (int)getpid());
    CHECK_INT(mkfifo(path, 0600), 0);
    /* Both ends open and nothing in it: a read would wait for ever. */
    fd = open(path, O_RDWR);
    unlink(path);
    CHECK(fd >= 0);
    no_file(__LINE__, fd, ESPIPE);
}

static void a_pipe(void)
{
    int ends[2];

    files();
    CHECK_INT(pipe(ends), 0);
    no_file(__LINE__, ends[0], ESPIPE);
}

static void a_device(void)
{
    files();
    no_file(__LINE__, open("/dev/zero", O_RDWR), EINVAL);
}

/* procfs: a regular file of size 0 that has bytes, on a filesystem that shares with nobody. */
static void a_procfs_file(void)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    char line[64] = "";
    int fd = open("/proc/self/status", O_RDONLY);
    int64_t n;

    files();
    CHECK(fd >= 0);
    REFUSED(clone, fd, 0, dst, 0, 4096, EXDEV, or_unsupported(EXDEV), -1);
    REFUSED(copy, src, 0, fd, 0, 4096, EBADF, EBADF, XTENT_REASON_NOT_OPEN_FOR_THAT);
    n = copy(fd, 0, dst, 0, XTENT_TO_END, &report);
    CHECK(n > 100);
    CHECK_INT(report.bytes_copied, n);
    CHECK_INT(pread(dst, line, 5, 0), 5);
    CHECK(strcmp(line, "Name:") == 0);
}

static void ends_that_overflow(void)
{
    const uint64_t past = UINT64_C(1) << 63;
    verb *const verbs[] = {copy, clone, both, dedupe};

    files();
    for (size_t i = 0; i < 4; i++) {
        if (verbs[i] == dedupe && !kernel_dedupes())
            continue;
        REFUSED(verbs[i], src, past, dst, 0, 1, EOVERFLOW, EOVERFLOW, XTENT_REASON_OVERFLOW);
        REFUSED(verbs[i], src, 0, dst, past, 1, EOVERFLOW, EOVERFLOW, XTENT_REASON_OVERFLOW);
        REFUSED(verbs[i], src, past, dst, past, XTENT_TO_END, EOVERFLOW, EOVERFLOW, XTENT_REASON_OVERFLOW);
        REFUSED(verbs[i], src, UINT64_MAX, dst, 0, 4096, EOVERFLOW, EOVERFLOW, XTENT_REASON_OVERFLOW);
        REFUSED(verbs[i], src, 0, dst, UINT64_MAX, 4096, EOVERFLOW, EOVERFLOW, XTENT_REASON_OVERFLOW);
        REFUSED(verbs[i], src, 4096, dst, 4096, past - 1, EOVERFLOW, EOVERFLOW, XTENT_REASON_OVERFLOW);
        REFUSED(verbs[i], src, 1, dst, 1, UINT64_MAX - 1, EOVERFLOW, EOVERFLOW, XTENT_REASON_OVERFLOW);
    }
}

static void one_file_over_itself(void)
{
    files();
    REFUSED(copy, dst, 0, dst, 4096, 8192, EINVAL, EINVAL, XTENT_REASON_OVERLAP);
    REFUSED(copy, dst, 4096, dst, 0, 8192, EINVAL, EINVAL, XTENT_REASON_OVERLAP);
    REFUSED(copy, dst, 0, dst, 0, XTENT_TO_END, EINVAL, EINVAL, XTENT_REASON_OVERLAP);
    REFUSED(both, dst, 0, dst, 4096, 8192, EINVAL, EINVAL, XTENT_REASON_OVERLAP);
    /* The same file behind two descriptors. */
    REFUSED(copy, reopened(dst, O_RDONLY), 0, dst, 100, 8192, EINVAL, EINVAL, XTENT_REASON_OVERLAP);
    if (kernel_dedupes())
        REFUSED(dedupe, dst, 0, dst, 0, 8192, EINVAL, EINVAL, XTENT_REASON_OVERLAP);
}

static void null_pointers(void)
{
    struct xtent_extent extent;
    struct xtent_report report = XTENT_REPORT_INIT;

    files();
    CHECK_INT(xtent_probe(src, dst, NULL), -EINVAL);
    CHECK_INT(xtent_extents(src, 0, XTENT_TO_END, NULL, 0), -EINVAL);
    CHECK_INT(xtent_extents(src, 0, XTENT_TO_END, NULL, 10), -EINVAL);
    CHECK_INT(xtent_extents(src, 0, XTENT_TO_END, &extent, 0), -EINVAL);
    CHECK_INT(xtent_extents(src, 0, XTENT_TO_END, &extent, SIZE_MAX), -EINVAL);
    CHECK_INT(xtent_dedupe_range(src, 0, 4096, NULL, 3, NULL, &report), -EINVAL);
    CHECK_INT(report.error, EINVAL);
    CHECK_INT(report.reason, XTENT_REASON_INVALID_ARGUMENT);
    CHECK_INT(xtent_dedupe_range(src, 0, 4096, NULL, SIZE_MAX, NULL, NULL), -EINVAL);
    CHECK_INT(xtent_dedupe_range(src, 0, 0, NULL, 0, NULL, NULL), -EINVAL);
}

/* Descriptors of every kind against each other, with lengths and offsets of every kind: only that it
 * comes back, and leaves the source alone. */
static void everything_with_everything(void)
{
    const uint64_t numbers[] = {0, 1, 511, 4096, 128 * KIB, INT64_MAX - 4095, UINT64_MAX - 1, UINT64_MAX};
    const size_t n_numbers = sizeof numbers / sizeof *numbers;
    int fds[12], ends[2];
    size_t n = 0;
    uint64_t before;

    files();
    CHECK_INT(pipe2(ends, O_NONBLOCK), 0);
    fds[n++] = reopened(src, O_RDONLY);
    fds[n++] = dst;
    fds[n++] = reopened(dst, O_WRONLY | O_APPEND);
    fds[n++] = reopened(src, O_PATH);
    fds[n++] = -1;
    fds[n++] = 5000;
    fds[n++] = ends[0];
    fds[n++] = ends[1];
    fds[n++] = open(directory, O_RDONLY);
    fds[n++] = open("/dev/null", O_RDWR);
    fds[n++] = open("/proc/self/maps", O_RDONLY);
    before = fingerprint(src);
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < n_numbers * n_numbers; i++) {
                uint64_t off = numbers[i / n_numbers], len = numbers[i % n_numbers];
                struct xtent_report report = XTENT_REPORT_INIT;

                copy(fds[a], off, fds[b], 0, len, &report);
                clone(fds[a], off, fds[b], off, len, &report);
                both(fds[a], 0, fds[b], off & 0xFFFF, len, &report);
                dedupe(fds[a], off, fds[b], 0, len, &report);
                if (size_of_file(dst) > MIB)
                    CHECK_INT(ftruncate(dst, 128 * KIB), 0);
            }
    CHECK_INT(fingerprint(src), before);
}

static const struct test tests[] = {
    {"not-open", not_open},
    {"closed", closed},
    {"wrong-modes", wrong_modes},
    {"a-directory", a_directory},
    {"a-fifo", a_fifo},
    {"a-pipe", a_pipe},
    {"a-device", a_device},
    {"a-procfs-file", a_procfs_file},
    {"ends-that-overflow", ends_that_overflow},
    {"one-file-over-itself", one_file_over_itself},
    {"null-pointers", null_pointers},
    {"everything-with-everything", everything_with_everything},
};

MAIN(tests)
