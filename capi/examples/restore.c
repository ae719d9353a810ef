/*
 * restore PART... NAME: one file put together from several, as a restore program does from its chunks. Nobody
 * sees it before it is whole.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xtent.h>

static int failed(const char *what, int error, int reason)
{
    fprintf(stderr, "%s: %s: %s\n", what, strerror(error), xtent_reason_text(reason));
    return 1;
}

int main(int argc, char **argv)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_stage *stage;
    uint64_t at = 0;
    int fd;

    if (argc < 3) {
        fprintf(stderr, "usage: %s PART... NAME\n", argv[0]);
        return 2;
    }
    fd = xtent_stage_open(AT_FDCWD, argv[argc - 1], NULL, &stage, &report);
    if (fd < 0)
        return failed(argv[argc - 1], -fd, report.reason);
    for (int i = 1; i < argc - 1; i++) {
        int part = open(argv[i], O_RDONLY | O_CLOEXEC);
        int64_t bytes = xtent_clone_or_copy_range(part, 0, fd, at, XTENT_TO_END, NULL, &report);

        close(part);
        if (bytes < 0 || report.reason != XTENT_REASON_NONE) {
            xtent_stage_discard(stage);
            return failed(argv[i], report.error, report.reason);
        }
        at += (uint64_t)bytes;
    }
    if (xtent_stage_publish(stage, &report) < 0) {
        xtent_stage_discard(stage);
        return failed(argv[argc - 1], report.error, report.reason);
    }
    printf("%llu bytes\n", (unsigned long long)at);
    return 0;
}
