/*
 * cp --reflink=always, with the reason when it cannot.
 *
 *     cp-clone SOURCE DESTINATION
 *
 * The destination must not exist. It gets the source's permission bits, through the umask; when the
 * clone fails there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xtent.h>

static int failed(const char *path)
{
    fprintf(stderr, "cp-clone: %s: %s\n", path, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    struct stat st;
    int src, dst, error;

    if (argc != 3) {
        fprintf(stderr, "usage: cp-clone SOURCE DESTINATION\n");
        return 2;
    }
    src = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (src < 0 || fstat(src, &st) != 0)
        return failed(argv[1]);
    dst = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
    if (dst < 0)
        return failed(argv[2]);

    error = xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report);
    if (error != 0) {
        fprintf(stderr, "cp-clone: cannot clone %s to %s: %s: %s\n", argv[1], argv[2], strerror(-error),
                xtent_reason_text(report.reason));
        unlink(argv[2]);
        return 1;
    }
    /* Some filesystems tell of a failed write only now (close(2)). */
    return close(dst) == 0 ? 0 : failed(argv[2]);
}
