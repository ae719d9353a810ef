/*
 * What the C tests share: checks, a runner that gives each test a process of its own, and files.
 *
 * A test program is called with a name, a type and a directory of the filesystem to run on. It prints
 * "PASS name", "FAIL name: why" or "SKIP name: why" for each test.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xtent.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)

struct test {
    const char *name;
    void (*run)(void);
};

static const char *program, *filesystem, *type, *directory, *test_name;

static void say(const char *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const char *verdict, const char *format, ...)
{
    va_list args;

    printf("%s %s/%s/%s%s", verdict, filesystem, program, test_name, *format ? ": " : "");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

/* Checks leave the test's process, so that the rest of a test may rely on them. */
#define FAIL(...) (say("FAIL", __VA_ARGS__), exit(FAILED))
#define SKIP(...) (say("SKIP", __VA_ARGS__), exit(SKIPPED))
#define CHECK(condition) \
    do { \
        if (!(condition)) \
            FAIL("line %d: %s", __LINE__, #condition); \
    } while (0)
#define CHECK_INT(got, want) \
    do { \
        intmax_t got_ = (intmax_t)(got), want_ = (intmax_t)(want); \
        if (got_ != want_) \
            FAIL("line %d: %s is %" PRIdMAX ", not %" PRIdMAX, __LINE__, #got, got_, want_); \
    } while (0)
/* The same inside a function that many tests call: says which call it was. */
#define CHECK_AT(line, got, want) \
    do { \
        intmax_t got_ = (intmax_t)(got), want_ = (intmax_t)(want); \
        if (got_ != want_) \
            FAIL("line %d: %s is %" PRIdMAX ", not %" PRIdMAX, line, #got, got_, want_); \
    } while (0)

/* Runs each test in a child: a crash or a hang is that test's failure only. */
static int run_tests(int argc, char **argv, const struct test *tests, size_t n)
{
    int failed = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: %s FILESYSTEM TYPE DIRECTORY\n", argv[0]);
        return 2;
    }
    program = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    filesystem = argv[1];
    type = argv[2];
    directory = argv[3];
    for (size_t i = 0; i < n; i++) {
        int status;
        pid_t child;

        test_name = tests[i].name;
        fflush(stdout);
        child = fork();
        if (child == 0) {
            /* What hangs ends. Nothing takes as long, on a busy machine either. */
            alarm(600);
            tests[i].run();
            exit(PASSED);
        }
        if (child < 0 || waitpid(child, &status, 0) != child) {
            perror("fork");
            return 2;
        }
        if (WIFSIGNALED(status))
            say("FAIL", "killed by signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": a hang" : "");
        else if (WEXITSTATUS(status) == PASSED)
            say("PASS", "%s", "");
        else if (WEXITSTATUS(status) != FAILED && WEXITSTATUS(status) != SKIPPED)
            say("FAIL", "exit status %d", WEXITSTATUS(status));
        failed |= status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED);
    }
    return failed;
}

#define MAIN(tests) \
    int main(int argc, char **argv) \
    { \
        return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests)[0]); \
    }

/* A new empty file without a name: nothing stays behind. */
static inline int empty_file(void)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/xtent-test-XXXXXX", directory);
    fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0)
        FAIL("%s: %s", path, strerror(errno));
    return fd;
}

/* A new directory of the test's own. */
static inline int new_directory(void)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/xtent-test-XXXXXX", directory);
    fd = mkdtemp(path) == NULL ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        FAIL("%s: %s", path, strerror(errno));
    return fd;
}

/* Writes `len` bytes at `off` that no other seed, and no other place, has. */
static inline void put(int fd, uint64_t off, uint64_t len, unsigned seed)
{
    unsigned char block[4096];
    uint64_t state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ off;

    while (len > 0) {
        size_t n = len < sizeof block ? (size_t)len : sizeof block;

        for (size_t i = 0; i < n; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            block[i] = (unsigned char)((state >> 56) | 1);
        }
        CHECK_INT(pwrite(fd, block, n, (off_t)off), n);
        off += n;
        len -= n;
    }
}

/* A new file with `len` such bytes. */
static inline int file(uint64_t len, unsigned seed)
{
    int fd = empty_file();

    put(fd, 0, len, seed);
    return fd;
}

/* The same file opened again, so that flags and modes of its own are possible. */
static inline int reopened(int fd, int flags)
{
    char path[64];
    int again;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    again = open(path, flags | O_CLOEXEC);
    CHECK(again >= 0);
    return again;
}

static inline uint64_t size_of_file(int fd)
{
    struct stat st;

    CHECK_INT(fstat(fd, &st), 0);
    return (uint64_t)st.st_size;
}

static inline uint64_t allocated(int fd)
{
    struct stat st;

    CHECK_INT(fsync(fd), 0);
    CHECK_INT(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* A number for a file's size and all its bytes. */
static inline uint64_t fingerprint(int fd)
{
    unsigned char block[65536];
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ size_of_file(fd);
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, block, sizeof block, at)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            hash = (hash ^ block[i]) * UINT64_C(0x100000001B3);
        at += n;
    }
    CHECK_INT(n, 0);
    return hash;
}

static inline int equal(int a, uint64_t a_off, int b, uint64_t b_off, uint64_t len)
{
    unsigned char x[4096], y[4096];

    while (len > 0) {
        size_t n = len < sizeof x ? (size_t)len : sizeof x;

        if (pread(a, x, n, (off_t)a_off) != (ssize_t)n || pread(b, y, n, (off_t)b_off) != (ssize_t)n ||
            memcmp(x, y, n) != 0)
            return 0;
        a_off += n;
        b_off += n;
        len -= n;
    }
    return 1;
}

/* Whether the kernel clones here, asked without the library. */
static inline int kernel_clones(void)
{
    static int known = -1;

    if (known < 0) {
        int src = file(64 * KIB, 99), dst = empty_file();
        struct file_clone_range range = {src, 0, 0, 0};

        known = ioctl(dst, FICLONERANGE, &range) == 0;
        close(src);
        close(dst);
    }
    return known;
}

/* Whether the kernel dedupes here; an overlay does not with files of its lower filesystem only. */
static inline int kernel_dedupes(void)
{
    uint64_t memory[8] = {0};
    struct file_dedupe_range *request = (struct file_dedupe_range *)memory;
    int a = file(64 * KIB, 99), b = file(64 * KIB, 99), same;

    request->src_length = 64 * KIB;
    request->dest_count = 1;
    request->info[0].dest_fd = b;
    request->info[0].status = -1;
    same = ioctl(a, FIDEDUPERANGE, request) == 0 && request->info[0].status == FILE_DEDUPE_RANGE_SAME;
    close(a);
    close(b);
    return same;
}

/* Whether the filesystem tells where its files lie. */
static inline int has_maps(void)
{
    struct xtent_extent extent;
    int fd = file(4 * KIB, 1);
    int64_t n = xtent_extents(fd, 0, XTENT_TO_END, &extent, 1);

    close(fd);
    CHECK(n == 1 || n == -EOPNOTSUPP);
    return n == 1;
}

/* What clones and dedupes must be multiples of. */
static inline uint64_t block_size(void)
{
    int fd = file(64 * KIB, 1);
    struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;

    CHECK_INT(xtent_probe(fd, fd, &found), 0);
    close(fd);
    return found.alignment ? found.alignment : 4 * KIB;
}

#endif
