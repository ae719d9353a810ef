/*
 * The names that the fuzzer's calls can reach, and what must be there after each call: all of it as it was, and
 * nothing else, but for the destination of a call that succeeded.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <ftw.h>

enum { FILE_SIZE = 40 * 4096 + 100, SMALL_SIZE = 5000 };

static unsigned char contents[FILE_SIZE];

/* The same everywhere: data, a hole, and a piece that repeats, so that dedupes find something. */
static void make_contents(void)
{
    for (size_t i = 0; i < sizeof contents; i++)
        contents[i] = (unsigned char)(i < 16 * 4096 || i >= 24 * 4096 ? (i % 8192) * 31 / 7 + 1 : 0);
}

static void fill(int fd)
{
    MUST(ftruncate(fd, 0) == 0);
    MUST(pwrite(fd, contents, 16 * 4096, 0) == 16 * 4096);
    MUST(pwrite(fd, contents + 24 * 4096, FILE_SIZE - 24 * 4096, 24 * 4096) == FILE_SIZE - 24 * 4096);
}

/* Whether an open file has what `fill` wrote, or as much of it. */
static int is_filled(int fd, size_t size)
{
    static unsigned char now[FILE_SIZE + 1];

    return pread(fd, now, sizeof now, 0) == (ssize_t)size && memcmp(now, contents, size) == 0;
}

/* Calls are made in "home", and some in "other". Parents come before what is in them. */
static const struct thing {
    const char *path;
    mode_t mode;
    /* The target of a symbolic link, or the other name of a file with two. */
    const char *other;
    size_t size;
} things[] = {
    {"", S_IFDIR | 0700, NULL, 0},
    {"/beside", S_IFREG | 0600, NULL, SMALL_SIZE},
    {"/other", S_IFDIR | 0700, NULL, 0},
    {"/home", S_IFDIR | 0700, NULL, 0},
    {"/home/a", S_IFREG | 0600, NULL, FILE_SIZE},
    {"/home/b", S_IFREG | 0640, NULL, FILE_SIZE},
    {"/home/dir", S_IFDIR | 0750, NULL, 0},
    {"/home/dir/c", S_IFREG | 0604, NULL, FILE_SIZE},
    {"/home/link", S_IFLNK | 0777, "a", 0},
    {"/home/fifo", S_IFIFO | 0600, NULL, 0},
    {"/home/tree", S_IFDIR | 0755, NULL, 0},
    {"/home/tree/file", S_IFREG | 0640, NULL, SMALL_SIZE},
    {"/home/tree/in", S_IFDIR | 0700, NULL, 0},
    {"/home/tree/in/again", S_IFREG | 0640, "/home/tree/file", SMALL_SIZE},
    {"/home/tree/in/empty", S_IFDIR | 0711, NULL, 0},
    {"/home/tree/in/nothing", S_IFREG | 0444, NULL, 0},
    {"/home/tree/out", S_IFLNK | 0777, "../../beside", 0},
    {"/home/tree/fifo", S_IFIFO | 0622, NULL, 0},
};
enum { THINGS = sizeof things / sizeof things[0] };

static char outside[4096];
static int home;

static const char *absolute(const char *path)
{
    static char text[2][4600];
    static int turn;

    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s%s", outside, path);
    return text[turn];
}

static int is_beneath(const char *path, const char *top)
{
    size_t n = strlen(top);

    return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static void make(const struct thing *thing)
{
    const char *path = absolute(thing->path);
    int fd;

    if (S_ISDIR(thing->mode)) {
        MUST(mkdir(path, 0700) == 0);
    } else if (S_ISLNK(thing->mode)) {
        MUST(symlink(thing->other, path) == 0);
        return;
    } else if (S_ISFIFO(thing->mode)) {
        MUST(mkfifo(path, 0600) == 0);
    } else if (thing->other != NULL) {
        MUST(link(absolute(thing->other), path) == 0);
    } else {
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        MUST(fd >= 0);
        if (thing->size == FILE_SIZE)
            fill(fd);
        else
            MUST(write(fd, contents, thing->size) == (ssize_t)thing->size);
        close(fd);
    }
    MUST(chmod(path, thing->mode & 07777) == 0);
}

static void make_sandbox(void)
{
    snprintf(outside, sizeof outside, "%s/xtent-fuzz-XXXXXX", directory);
    MUST(mkdtemp(outside) != NULL && rmdir(outside) == 0);
    for (int i = 0; i < THINGS; i++)
        make(&things[i]);
    MUST(chdir(absolute("/home")) == 0);
    home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(home >= 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

/* A walk of `walked`, which must be as the things beneath `model` are. */
static const char *walked, *model;
static int seen;

static int look(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    const char *rest = path + strlen(outside) + strlen(walked);
    const struct thing *thing = NULL;
    nlink_t names = 1;
    char target[64];
    int fd;

    (void)kind;
    (void)at;
    for (int i = 0; i < THINGS && thing == NULL; i++)
        if (is_beneath(things[i].path, model) && strcmp(things[i].path + strlen(model), rest) == 0)
            thing = &things[i];
    if (thing == NULL) {
        fprintf(stderr, "nobody asked for %s\n", path);
        MUST(thing != NULL);
    }
    seen++;
    MUST(st->st_mode == thing->mode);
    if (S_ISLNK(thing->mode)) {
        MUST(readlink(path, target, sizeof target) == (ssize_t)strlen(thing->other));
        MUST(memcmp(target, thing->other, strlen(thing->other)) == 0);
    }
    if (S_ISREG(thing->mode)) {
        /* Its other name counts where that is beneath the top, too. */
        for (int i = 0; i < THINGS; i++) {
            const char *other = things[i].other;

            if (other != NULL && S_ISREG(things[i].mode) && is_beneath(other, model) && is_beneath(things[i].path, model) &&
                (&things[i] == thing || strcmp(other, thing->path) == 0))
                names = 2;
        }
        MUST(st->st_nlink == names && st->st_size == (off_t)thing->size);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        MUST(fd >= 0 && is_filled(fd, thing->size));
        close(fd);
    }
    return 0;
}

/* What is at `path` is what is expected at `like`: the same names with the same contents. */
static void must_be_like(const char *path, const char *like)
{
    int all = 0;

    for (int i = 0; i < THINGS; i++)
        all += is_beneath(things[i].path, like);
    walked = path;
    model = like;
    seen = 0;
    MUST(nftw(absolute(path), look, 16, FTW_PHYS) == 0);
    MUST(seen == all);
}

/* The path of a name as a call had it, beneath `outside`. Of directories only these two are open. */
static const char *beneath(int dir, const char *name)
{
    static char text[2][600];
    static int turn;
    const char *at = dir == AT_FDCWD || dir == home ? "/home" : "/other";
    size_t n;

    turn = !turn;
    for (; strncmp(name, "./", 2) == 0; name += 2)
        continue;
    for (; strncmp(name, "../", 3) == 0; name += 3)
        at = "";
    snprintf(text[turn], sizeof text[turn], "%s%s%s", at, *name ? "/" : "", name);
    n = strlen(text[turn]);
    if (n >= 2 && strcmp(text[turn] + n - 2, "/.") == 0)
        text[turn][n - 2] = '\0';
    return text[turn];
}

/* What a call published is taken away, and what was there before is put back. */
static void take_away(const char *published)
{
    MUST(nftw(absolute(published), remove_one, 16, FTW_PHYS | FTW_DEPTH) == 0);
    for (int i = 0; i < THINGS; i++)
        if (is_beneath(things[i].path, published))
            make(&things[i]);
}

#endif
