/*
 * Clone a file; where that is refused, say why and copy it. Then make a copy share the original's
 * blocks again.
 *
 *     three-verbs SOURCE CLONE COPY
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xtent.h>

/* A copy may come back short, like read(2): goes on until it is done. Returns 0 or a negative errno. */
static int copy(int src, int dst)
{
    uint64_t off = 0;
    int64_t n;

    while ((n = xtent_copy_range(src, off, dst, off, XTENT_TO_END, NULL, NULL)) > 0)
        off += (uint64_t)n;
    return (int)n;
}

int main(int argc, char **argv)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    int src, dst, other, error;

    if (argc != 4) {
        fprintf(stderr, "usage: %s SOURCE CLONE COPY\n", argv[0]);
        return 2;
    }
    src = open(argv[1], O_RDONLY);
    dst = open(argv[2], O_RDWR | O_CREAT | O_EXCL, 0666);
    other = open(argv[3], O_RDWR | O_CREAT | O_EXCL, 0666);

    /* Clone: the whole file, or a reason. */
    error = xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report);
    if (error == 0) {
        printf("cloned: %s shares %" PRIu64 " bytes\n", argv[2], report.bytes_cloned);
    } else {
        printf("not cloned: %s\n", xtent_reason_text(report.reason));
        error = copy(src, dst);
    }

    /* Copy: bytes of its own. */
    if (error == 0)
        error = copy(src, other);
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-error));
        return 1;
    }

    /* Dedupe: shares where the bytes are equal, and never changes them. */
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(other, 0);

    error = xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, NULL, &report);
    if (error == 0 && target.status == XTENT_SAME)
        printf("deduped: %s shares %" PRIu64 " bytes more\n", argv[3], target.shared);
    else
        printf("not deduped: %s\n", xtent_reason_text(error != 0 ? report.reason : target.reason));
    return 0;
}
