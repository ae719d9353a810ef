/*
 * Copies a file that other programs are writing to, as it was at one moment: a database in one file, a
 * virtual machine's disk. SIGINT ends it, and leaves no part of a copy behind.
 *
 *     live-copy SOURCE DESTINATION
 *
 * The copy is what the source would be after a power cut at that moment. What a database keeps in further
 * files is not in it; those belong to the same moment only in a snapshot of the filesystem.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xtent.h>

/* Where nothing better than looking whether the source changed can be had, a busy one needs luck. */
enum { ATTEMPTS = 5 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    stop = number;
}

static int show(void *terminal, uint64_t done, uint64_t total)
{
    if (*(const int *)terminal && total > 0)
        fprintf(stderr, "\r%3d%%", (int)(100.0 * (double)done / (double)total));
    return 0;
}

static const char *how(uint32_t stable)
{
    switch (stable) {
    case XTENT_STABLE_SNAPSHOT:
        return "of one moment, from a clone";
    case XTENT_STABLE_LEASE:
        return "nobody could write meanwhile";
    case XTENT_STABLE_DETECT:
        return "nobody wrote meanwhile";
    default:
        return "not protected";
    }
}

int main(int argc, char **argv)
{
    struct xtent_copy_options moving = XTENT_COPY_OPTIONS_INIT;
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct sigaction action;
    int terminal = isatty(STDERR_FILENO), error;

    if (argc != 3) {
        fprintf(stderr, "usage: live-copy SOURCE DESTINATION\n");
        return 2;
    }
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    moving.cancel = &stop;
    moving.progress = show;
    moving.user = &terminal;
    options.flags = XTENT_FILE_DURABLE;
    options.preserve = XTENT_PRESERVE_MODE | XTENT_PRESERVE_TIMES;
    options.stable = XTENT_STABLE_BEST;
    options.copy = &moving;
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        error = xtent_copy_file(AT_FDCWD, argv[1], AT_FDCWD, argv[2], &options, &report);
        if (error != -ESTALE || stop)
            break;
    }
    if (terminal)
        fputs("\r    \r", stderr);
    if (error != 0) {
        fprintf(stderr, "live-copy: %s: %s\n", argv[2], xtent_reason_text(report.reason));
        return stop ? 130 : 1;
    }
    printf("%llu bytes, %s\n", (unsigned long long)report.bytes, how(report.stable));
    return 0;
}
