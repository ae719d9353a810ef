/*
 * What each verb did to real files, through libxtent: bytes, seconds, bytes shared, disk used.
 *
 *     demo DIRECTORY FILE...
 *
 * Copies the files into DIRECTORY and works on those copies. Every number is measured: what is shared comes
 * from the files' extent maps, what is used from the filesystem's free space.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <xtent.h>

#define MIB (1024.0 * 1024.0)

static int dir;
static size_t n_files;

/* What one verb did to all files. */
struct row {
    uint64_t bytes, shared;
    int refused_error, refused_reason;
    size_t refused;
};

static void die(const char *what)
{
    fprintf(stderr, "demo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int file(const char *set, size_t i, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "%s-%zu", set, i);
    int fd = openat(dir, path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path);
    return fd;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Blocks in use once everything is on disk, in MiB. */
static double used(void)
{
    struct statvfs fs;
    if (syncfs(dir) || fstatvfs(dir, &fs))
        die("syncfs");
    return (double)(fs.f_blocks - fs.f_bfree) * (double)fs.f_frsize / MIB;
}

static void refused(struct row *row, int error, int reason)
{
    row->refused++;
    row->refused_error = error;
    row->refused_reason = reason;
}

typedef void verb(int src, int dst, struct row *row);

/* Short copies go on from where they stopped. */
static void copy(int src, int dst, struct row *row)
{
    uint64_t done = 0;
    for (;;) {
        struct xtent_report report = XTENT_REPORT_INIT;
        int64_t n = xtent_copy_range(src, done, dst, done, XTENT_TO_END, NULL, &report);
        if (n < 0)
            refused(row, report.error, report.reason);
        if (n <= 0)
            break;
        done += (uint64_t)n;
    }
    row->bytes += done;
}

static void clone(int src, int dst, struct row *row)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    if (xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report))
        refused(row, report.error, report.reason);
    row->bytes += report.bytes;
}

/* From an odd offset, as a backup format would have it: the whole blocks are cloned, the edges copied. */
static void clone_or_copy(int src, int dst, struct row *row)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    int64_t n = xtent_clone_or_copy_range(src, 100, dst, 100, XTENT_TO_END, NULL, &report);
    if (n < 0)
        refused(row, report.error, report.reason);
    row->bytes += report.bytes;
}

static void dedupe(int src, int dst, struct row *row)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_dedupe_target target = {0};
    target.fd = dst;
    if (xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, NULL, &report))
        refused(row, report.error, report.reason);
    else if (target.status != XTENT_SAME)
        refused(row, target.error, target.reason);
    row->bytes += target.compared;
}

static void show(const char *name, verb *verb, const char *from, const char *to)
{
    struct row row = {0, 0, 0, 0, 0};
    double before = used(), start = now(), seconds;
    for (size_t i = 0; i < n_files; i++) {
        int src = file(from, i, O_RDONLY), dst = file(to, i, O_RDWR | O_CREAT);
        verb(src, dst, &row);
        close(src);
        close(dst);
    }
    seconds = now() - start;
    for (size_t i = 0; i < n_files; i++) {
        int src = file(from, i, O_RDONLY), dst = file(to, i, O_RDONLY);
        int64_t shared = xtent_shared_bytes(src, dst);
        row.shared += shared > 0 ? (uint64_t)shared : 0;
        close(src);
        close(dst);
    }
    printf("  %-20s %8.1f %9.3f %10.1f %9.1f %9.1f\n", name, (double)row.bytes / MIB, seconds,
           (double)row.shared / MIB, before, used());
    if (row.refused)
        printf("    %zu of %zu files refused: %s: %s\n", row.refused, n_files, strerror(row.refused_error),
               xtent_reason_text(row.refused_reason));
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: demo DIRECTORY FILE...\n");
        return 2;
    }
    dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        die(argv[1]);
    n_files = (size_t)(argc - 2);
    for (size_t i = 0; i < n_files; i++) {
        struct row row = {0, 0, 0, 0, 0};
        int src = open(argv[i + 2], O_RDONLY | O_CLOEXEC), dst = file("source", i, O_RDWR | O_CREAT);
        if (src < 0)
            die(argv[i + 2]);
        copy(src, dst, &row);
        if (row.refused)
            die(argv[i + 2]);
        close(src);
        close(dst);
    }
    printf("  %-20s %8s %9s %10s %9s %9s\n", "", "MiB", "seconds", "MiB shared", "MiB used", "MiB used");
    printf("  %-20s %8s %9s %10s %9s %9s\n", "verb", "done", "", "after", "before", "after");
    show("copy", copy, "source", "copy");
    show("clone", clone, "source", "clone");
    show("clone_or_copy", clone_or_copy, "source", "both");
    show("dedupe (the copies)", dedupe, "source", "copy");
    return 0;
}
