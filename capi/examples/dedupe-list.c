/*
 * Shares the blocks of files that are equal, of which a list tells.
 *
 *     jdupes -r DIRECTORY | dedupe-list
 *     dedupe-list LIST
 *
 * The list is as jdupes(1) and fdupes(1) print it: a path on each line, an empty line after each group of
 * equal files. Whether they are equal is not taken on trust: the kernel compares them again, and shares
 * only what is. SIGINT ends the run cleanly; what was shared by then stays shared.
 *
 * The status is 0, or 1 if some file could not be shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xtent.h>

/* One call takes any number of targets; descriptors are what a process has few of. */
enum { AT_ONCE = 200 };

static volatile sig_atomic_t stop;
static uint64_t shared_now, shared_before;
static int failures;

static void on_signal(int number)
{
    stop = number;
}

static void failed(const char *path, const char *why)
{
    fprintf(stderr, "dedupe-list: %s: %s\n", path, why);
    failures = 1;
}

/* Files that may be written, and those that only their owner may dedupe: a program that runs, say. */
static int open_target(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 && (errno == EACCES || errno == ETXTBSY || errno == EROFS))
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return fd;
}

static void tell(const char *path, const struct xtent_dedupe_target *target)
{
    if (target->status == XTENT_SAME)
        printf("%s: shared\n", path);
    else if (target->status == XTENT_DIFFERS)
        failed(path, "differs from the first of its group");
    else
        failed(path, target->status == XTENT_FAILED ? xtent_reason_text(target->reason) : "not reached");
    /* Where the filesystem does not say, nothing is counted. */
    if (target->shared != XTENT_UNKNOWN)
        shared_now += target->shared;
    if (target->already_shared != XTENT_UNKNOWN)
        shared_before += target->already_shared;
}

/* The files of a group that are open, and their names. The first is what the others come to share. */
static struct xtent_dedupe_target targets[AT_ONCE];
static char *names[AT_ONCE];
static char *source;
static size_t n;

static void share(void)
{
    struct xtent_dedupe_options options = XTENT_DEDUPE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int src;

    if (n == 0)
        return;
    options.cancel = &stop;
    src = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (src < 0)
        failed(source, strerror(errno));
    else if (xtent_dedupe_range(src, 0, XTENT_TO_END, targets, n, &options, &report) != 0)
        failed(source, xtent_reason_text(report.reason));
    else
        for (size_t i = 0; i < n; i++)
            tell(names[i], &targets[i]);
    if (src >= 0)
        close(src);
    for (size_t i = 0; i < n; i++) {
        close(targets[i].fd);
        free(names[i]);
    }
    n = 0;
}

static void add(const char *path)
{
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(open_target(path), 0);

    if (target.fd < 0) {
        failed(path, strerror(errno));
        return;
    }
    names[n] = strdup(path);
    if (names[n] == NULL)
        abort();
    targets[n++] = target;
    if (n == AT_ONCE)
        share();
}

int main(int argc, char **argv)
{
    FILE *list = argc < 2 ? stdin : fopen(argv[1], "r");
    struct sigaction action;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    if (list == NULL) {
        perror(argv[1]);
        return 2;
    }
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);

    while (!stop && (length = getline(&line, &room, list)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (*line == '\0') {
            share();
            free(source);
            source = NULL;
        } else if (source == NULL) {
            source = strdup(line);
        } else {
            add(line);
        }
    }
    share();
    free(source);
    free(line);
    printf("%" PRIu64 " bytes shared, %" PRIu64 " were before\n", shared_now, shared_before);
    return failures || stop ? 1 : 0;
}
