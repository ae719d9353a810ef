/*
 * What a call costs beyond its system calls: overhead DIRECTORY. Prints rows of Markdown.
 *
 * The library's system calls come here first: they are counted, and while `pretend` is set they are answered at
 * once. A program that makes the same calls by itself, answered in the same way, is taken off: what is left is the
 * library's own time. Beside it the same call in full and the bare ioctl, batch by batch in turn.
 *
 * Preloaded into Python as a shared library, it does the same to the module's system calls, and has the time of the
 * same call in C (own_time).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xtent.h>

enum { BATCHES = 101, CALLS = 50 };

int pretend;
static struct stat regular;
static int src, dst;
static struct { int ioctl, fstat, fcntl, getrlimit, sigmask; } calls, made;

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *argument;

    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    calls.ioctl++;
    return pretend ? 0 : (int)syscall(SYS_ioctl, fd, request, argument);
}

int fstat64(int fd, struct stat64 *st)
{
    calls.fstat++;
    if (pretend) {
        memcpy(st, &regular, sizeof *st);
        /* The destination is empty each time. */
        if (fd == dst)
            st->st_size = 0;
        return 0;
    }
    return (int)syscall(SYS_fstat, fd, st);
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    long argument;

    va_start(args, command);
    argument = va_arg(args, long);
    va_end(args);
    calls.fcntl++;
    return pretend ? O_RDWR : (int)syscall(SYS_fcntl, fd, command, argument);
}

int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit)
{
    calls.getrlimit++;
    if (pretend) {
        limit->rlim_cur = limit->rlim_max = RLIM64_INFINITY;
        return 0;
    }
    return (int)syscall(SYS_prlimit64, 0, resource, NULL, limit);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    calls.sigmask++;
    if (pretend) {
        if (old)
            sigemptyset(old);
        return 0;
    }
    return syscall(SYS_rt_sigprocmask, how, set, old, 8) == 0 ? 0 : errno;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void library(void)
{
    struct xtent_report report = XTENT_REPORT_INIT;

    if (xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report) != 0)
        abort();
}

static void bare(void)
{
    struct file_clone_range range = {src, 0, 0, 0};

    if (syscall(SYS_ioctl, dst, FICLONERANGE, &range) != 0)
        abort();
}

/* What the library asks of the system, asked by a program. */
static void by_hand(void)
{
    struct file_clone_range range = {src, 0, 0, 0};
    struct stat64 st;
    struct rlimit64 limit;
    sigset_t set;

    for (int i = 0; i < made.fstat; i++)
        fstat64(dst, &st);
    for (int i = 0; i < made.fcntl; i++)
        fcntl(dst, F_GETFL);
    for (int i = 0; i < made.getrlimit; i++)
        getrlimit64(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < made.sigmask; i++)
        pthread_sigmask(SIG_BLOCK, NULL, &set);
    for (int i = 0; i < made.ioctl; i++)
        ioctl(dst, FICLONERANGE, &range);
}

/* The time of one call, of a batch. Each clone is into an empty file, as a program makes it. */
static double batch(void (*call)(void), int pretending)
{
    double begin, sum = 0;

    for (int i = 0; i < CALLS; i++) {
        if (!pretending && ftruncate(dst, 0) != 0)
            abort();
        pretend = pretending;
        begin = now();
        if (pretending)
            for (int k = 0; k < 100; k++)
                call();
        else
            call();
        sum += now() - begin;
        pretend = 0;
    }
    return sum / CALLS / (pretending ? 100 : 1);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void sort(double *times)
{
    qsort(times, BATCHES, sizeof *times, ascending);
}

/* The source and the destination; 0, or -1. */
int open_files(const char *place)
{
    src = open(place, O_RDWR | O_TMPFILE, 0600);
    dst = open(place, O_RDWR | O_TMPFILE, 0600);
    return src < 0 || dst < 0 || ftruncate(src, 65536) != 0 || pwrite(src, "x", 1, 0) != 1 ? -1 : (int)syscall(SYS_fstat, src, &regular);
}

int source(void)
{
    return src;
}

int destination(void)
{
    return dst;
}

double own_time(void)
{
    return batch(library, 1);
}

int main(int argc, char **argv)
{
    enum { QUARTILE = BATCHES / 4, MEDIAN = BATCHES / 2 };
    static double whole[BATCHES], bare_ioctl[BATCHES], answered[BATCHES], alone[BATCHES];
    double own;

    if (argc != 2) {
        fprintf(stderr, "usage: overhead DIRECTORY\n");
        return 2;
    }
    if (open_files(argv[1]) != 0) {
        perror(argv[1]);
        return 1;
    }
    bare();
    if (ftruncate(dst, 0) != 0)
        return 1;
    memset(&calls, 0, sizeof calls);
    library();
    made = calls;
    printf("| xtent_clone_range into an empty file | %d ioctl, %d fstat, %d fcntl, %d getrlimit, %d sigprocmask |", made.ioctl, made.fstat,
           made.fcntl, made.getrlimit, made.sigmask);
    for (int i = 0; i < BATCHES; i++) {
        whole[i] = batch(library, 0);
        bare_ioctl[i] = batch(bare, 0);
        answered[i] = own_time();
        alone[i] = batch(by_hand, 1);
    }
    sort(whole);
    sort(bare_ioctl);
    sort(answered);
    sort(alone);
    own = answered[QUARTILE] - alone[QUARTILE];
    printf(" %.0f | %.0f | %.0f | %.0f | %.0f (%.0f) | ≤ 50 | %s |\n", whole[QUARTILE], bare_ioctl[QUARTILE], answered[QUARTILE],
           alone[QUARTILE], own, answered[MEDIAN] - alone[MEDIAN], own <= 50 ? "met" : "**missed**");
    return 0;
}
