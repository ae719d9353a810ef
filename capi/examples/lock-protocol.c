/*
 * lock-protocol write FILE CHANGES: moves money between the two ends of a file, in two writes for each change.
 * lock-protocol copy FILE COPY TIMES: copies it meanwhile, and checks that no money is lost or found.
 *
 * Both keep to docs/lock-protocol.md, the copier by XTENT_STABLE_LOCK.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xtent.h>

#define LENGTH INT64_C(8388608)
#define TOTAL INT64_C(1000)

static int lock(int fd, int command, short type, off_t start, off_t length)
{
    struct flock lock;

    memset(&lock, 0, sizeof lock);
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = start;
    lock.l_len = length;
    return fcntl(fd, command, &lock);
}

/* Every byte that the file has or can have; and the last offset that a lock can name. */
#define CONTENTS 0, INT64_MAX
#define GATE INT64_MAX, 1

static int begin_change(int fd)
{
    int result = lock(fd, F_OFD_SETLKW, F_WRLCK, GATE);

    if (result == 0) {
        result = lock(fd, F_OFD_SETLKW, F_WRLCK, CONTENTS);
        lock(fd, F_OFD_SETLK, F_UNLCK, GATE);
    }
    return result;
}

static int end_change(int fd)
{
    return lock(fd, F_OFD_SETLK, F_UNLCK, CONTENTS);
}

/* What lies at the two ends. */
static int get(int fd, int64_t money[2])
{
    return pread(fd, &money[0], 8, 0) == 8 && pread(fd, &money[1], 8, LENGTH - 8) == 8 ? 0 : -1;
}

static int put(int fd, const int64_t money[2])
{
    return pwrite(fd, &money[0], 8, 0) == 8 && pwrite(fd, &money[1], 8, LENGTH - 8) == 8 ? 0 : -1;
}

static int write_changes(const char *path, long changes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int64_t money[2] = { TOTAL, 0 };
    int result = fd;

    for (long i = 0; result >= 0 && i <= changes; i++) {
        result = begin_change(fd);
        if (result == 0 && i > 0)
            result = get(fd, money);
        if (result == 0) {
            money[0] -= i % 7;
            money[1] += i % 7;
            result = put(fd, money);
        }
        end_change(fd);
    }
    return result;
}

static int copy_and_check(const char *path, const char *copy, long times)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int64_t money[2];
    int fd, result;

    options.flags = XTENT_FILE_REPLACE;
    options.stable = XTENT_STABLE_LOCK;
    for (long i = 0; i < times; i++) {
        result = xtent_copy_file(AT_FDCWD, path, AT_FDCWD, copy, &options, &report);
        if (result < 0) {
            fprintf(stderr, "%s: %s: %s\n", path, strerror(-result), xtent_reason_text(report.reason));
            return -1;
        }
        fd = open(copy, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || get(fd, money) < 0)
            return -1;
        close(fd);
        if (money[0] + money[1] != TOTAL) {
            fprintf(stderr, "copy %ld has %" PRId64 "\n", i, money[0] + money[1]);
            return -1;
        }
    }
    printf("%ld copies, each with all the money\n", times);
    return 0;
}

int main(int argc, char **argv)
{
    int result = -2;

    if (argc == 4 && strcmp(argv[1], "write") == 0)
        result = write_changes(argv[2], atol(argv[3]));
    else if (argc == 5 && strcmp(argv[1], "copy") == 0)
        result = copy_and_check(argv[2], argv[3], atol(argv[4]));
    if (result == -2)
        fprintf(stderr, "usage: %s write FILE CHANGES\n       %s copy FILE COPY TIMES\n", argv[0], argv[0]);
    return result < 0;
}
