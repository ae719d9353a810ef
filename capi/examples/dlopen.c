/*
 * A program that uses the library where it is installed, and works without: nothing is linked with it.
 *
 *     dlopen SOURCE DESTINATION
 *
 * Makes a file that shares the source's blocks if that can be had, else one with blocks of its own, and says
 * which. Only types and constants come from the header; the functions are looked up by name.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xtent.h>

static struct {
    int64_t (*clone_or_copy_range)(int, uint64_t, int, uint64_t, uint64_t, const struct xtent_copy_options *,
                                   struct xtent_report *);
    const char *(*reason_text)(int);
} xtent;

/* ISO C knows no way from an object's address to a function's; POSIX promises that this one works. */
static int find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);

    memcpy(function, &found, sizeof found);
    return found != NULL;
}

/* By its SONAME, which is another where a program built for this header would not run. */
static int load(void)
{
    void *library = dlopen("libxtent.so.0", RTLD_NOW | RTLD_LOCAL);

    return library != NULL && find(library, "xtent_clone_or_copy_range", &xtent.clone_or_copy_range) &&
           find(library, "xtent_reason_text", &xtent.reason_text);
}

/* What the program did before there was a library. */
static int by_hand(int src, int dst)
{
    static char buffer[1 << 16];
    ssize_t n, written, done;

    while ((n = read(src, buffer, sizeof buffer)) > 0)
        for (done = 0; done < n; done += written)
            if ((written = write(dst, buffer + done, (size_t)(n - done))) < 0)
                return -errno;
    return n < 0 ? -errno : 0;
}

/* A call may come back short: what is left is asked for again, until nothing is or an error is met. */
static int by_library(int src, int dst, uint64_t *cloned)
{
    uint64_t done = 0;
    int64_t n;

    do {
        struct xtent_report report = XTENT_REPORT_INIT;

        n = xtent.clone_or_copy_range(src, done, dst, done, XTENT_TO_END, NULL, &report);
        if (n < 0)
            fprintf(stderr, "dlopen: %s\n", xtent.reason_text(report.reason));
        *cloned += report.bytes_cloned;
        done += n > 0 ? (uint64_t)n : 0;
    } while (n > 0);
    return (int)n;
}

int main(int argc, char **argv)
{
    uint64_t cloned = 0;
    int src, dst, loaded, error;

    if (argc != 3) {
        fprintf(stderr, "usage: dlopen SOURCE DESTINATION\n");
        return 2;
    }
    if ((src = open(argv[1], O_RDONLY)) < 0) {
        perror(argv[1]);
        return 1;
    }
    if ((dst = open(argv[2], O_WRONLY | O_CREAT | O_EXCL, 0666)) < 0) {
        perror(argv[2]);
        return 1;
    }
    loaded = load();
    error = loaded ? by_library(src, dst, &cloned) : by_hand(src, dst);
    if (error == 0 && close(dst) != 0)
        error = -errno;
    if (error != 0) {
        fprintf(stderr, "dlopen: %s: %s\n", argv[2], strerror(-error));
        unlink(argv[2]);
        return 1;
    }
    printf("%s, %llu bytes shared\n", loaded ? "by libxtent" : "by hand", (unsigned long long)cloned);
    return 0;
}
