/*
 * Builds a file from a recipe: ranges of older files, which come to share their blocks, and new bytes.
 *
 *     restore NAME < RECIPE
 *
 * The recipe is a line for each piece, in the order of the file:
 *
 *     take OFFSET LENGTH FILE     this range of that older file
 *     write LENGTH                so many bytes, which follow the line
 *
 * All or nothing: NAME is replaced by the whole new file in one step, or it stays what it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xtent.h>

static uint64_t at, shared, copied, written;

static int failed(const char *what, int error)
{
    fprintf(stderr, "restore: %s: %s\n", what, strerror(error));
    return -1;
}

/* A call may come back short; what is left is asked for again, until all of it is there. */
static int take(int fd, const char *path, uint64_t offset, uint64_t length)
{
    int old = open(path, O_RDONLY | O_CLOEXEC), result = 0;

    if (old < 0)
        return failed(path, errno);
    while (length > 0 && result == 0) {
        struct xtent_report report = XTENT_REPORT_INIT;
        int64_t n = xtent_clone_or_copy_range(old, offset, fd, at, length, NULL, &report);

        if (n < 0) {
            fprintf(stderr, "restore: %s: %s\n", path, xtent_reason_text(report.reason));
            result = -1;
        } else if (n == 0) {
            fprintf(stderr, "restore: %s: shorter than the recipe says\n", path);
            result = -1;
        } else {
            at += (uint64_t)n;
            offset += (uint64_t)n;
            length -= (uint64_t)n;
            shared += report.bytes_cloned;
            copied += report.bytes_copied;
        }
    }
    close(old);
    return result;
}

static int put(int fd, uint64_t length)
{
    static char buffer[1 << 16];

    while (length > 0) {
        size_t n = fread(buffer, 1, length < sizeof buffer ? (size_t)length : sizeof buffer, stdin);

        if (n == 0)
            return failed("the recipe", ferror(stdin) ? errno : EPIPE);
        length -= n;
        for (size_t done = 0; done < n;) {
            ssize_t wrote = pwrite(fd, buffer + done, n - done, (off_t)at);

            if (wrote < 0 && errno != EINTR)
                return failed("the new file", errno);
            if (wrote > 0) {
                done += (size_t)wrote;
                at += (uint64_t)wrote;
                written += (uint64_t)wrote;
            }
        }
    }
    return 0;
}

static int build(int fd)
{
    char line[4200], path[4097];
    uint64_t offset, length;

    while (fgets(line, sizeof line, stdin) != NULL) {
        int result;

        if (sscanf(line, "take %" SCNu64 " %" SCNu64 " %4096[^\n]", &offset, &length, path) == 3)
            result = take(fd, path, offset, length);
        else if (sscanf(line, "write %" SCNu64, &length) == 1)
            result = put(fd, length);
        else
            result = failed("the recipe", EINVAL);
        if (result != 0)
            return -1;
    }
    return ferror(stdin) ? failed("the recipe", errno) : 0;
}

int main(int argc, char **argv)
{
    struct xtent_stage_options options = XTENT_STAGE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_stage *stage;
    int fd, error;

    if (argc != 2) {
        fprintf(stderr, "usage: restore NAME < RECIPE\n");
        return 2;
    }
    options.flags = XTENT_STAGE_REPLACE | XTENT_STAGE_DURABLE;
    fd = xtent_stage_open(AT_FDCWD, argv[1], &options, &stage, &report);
    if (fd < 0) {
        fprintf(stderr, "restore: %s: %s\n", argv[1], xtent_reason_text(report.reason));
        return 1;
    }
    if (build(fd) != 0) {
        xtent_stage_discard(stage);
        return 1;
    }
    error = xtent_stage_publish(stage, &report);
    if (error < 0) {
        fprintf(stderr, "restore: %s: %s\n", argv[1], xtent_reason_text(report.reason));
        xtent_stage_discard(stage);
        return 1;
    }
    printf("%" PRIu64 " bytes shared, %" PRIu64 " copied, %" PRIu64 " new\n", shared, copied, written);
    return 0;
}
