/*
 * Arbitrary calls: any size, flag, descriptor, offset, length and NULL that C can hand over. For libFuzzer
 * (fuzz), and by itself as a test that replays what it found (REPLAY).
 *
 * Structs lie at the end of readable memory, so that a byte too many is a crash. After every call each file
 * but the destination is as it was, every descriptor is where it was, and what a call returned and reported
 * makes sense.
 */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifdef REPLAY
#include "check.h"
#else
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xtent.h>

static const char *directory;
#endif

/* The file that is replayed. */
static const char *replayed = "";

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "fuzz.c:%d: not so: %s (errno %d) %s\n", __LINE__, #condition, errno, replayed); \
            abort(); \
        } \
    } while (0)

/* The input: bytes that are used up; behind its end there are zeros. */
static const uint8_t *input, *input_end;

static void bytes(void *to, size_t n)
{
    size_t there = (size_t)(input_end - input) < n ? (size_t)(input_end - input) : n;

    memset(to, 0, n);
    if (there > 0)
        memcpy(to, input, there);
    input += there;
}

static uint8_t byte(void)
{
    uint8_t it;

    bytes(&it, 1);
    return it;
}

static uint64_t number(void)
{
    uint64_t it;

    bytes(&it, sizeof it);
    return it;
}

enum { FILE_SIZE = 40 * 4096 + 100 };

/* An offset or a length: mostly of the kind that does something. */
static uint64_t place(void)
{
    uint8_t kind = byte();

    switch (kind >> 5) {
    case 0:
    case 1:
        return (uint64_t)(kind & 0x3F) * 4096;
    case 2:
        return kind & 0x1F;
    case 3:
        return (uint64_t)FILE_SIZE - 16 + (kind & 0x1F);
    case 4:
        return (uint64_t)INT64_MAX - 16 + (kind & 0x1F);
    case 5:
        return UINT64_MAX - (kind & 0x1F);
    case 6:
        return (uint64_t)byte() * 512 + (kind & 0x1F);
    default:
        return number();
    }
}

/* The files that calls are made with. What is no regular file, or not open for that, is there too. */
enum { WORKERS = 3, DESCRIPTORS = 16 };

static int files[WORKERS], descriptors[DESCRIPTORS];
static off_t positions[DESCRIPTORS];
static unsigned char contents[FILE_SIZE];
/* Where the page for options and the page for answers end. */
static char *options_end, *answer_end;

static int new_file(void)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/xtent-fuzz-XXXXXX", directory);
    fd = mkstemp(path);
    MUST(fd >= 0);
    return fd;
}

static int again(int fd, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    fd = open(path, flags | O_CLOEXEC);
    MUST(fd >= 0);
    return fd;
}

/* The same everywhere: data, a hole, and a piece that repeats, so that dedupes find something. */
static void fill(int fd)
{
    MUST(ftruncate(fd, 0) == 0);
    MUST(pwrite(fd, contents, 16 * 4096, 0) == 16 * 4096);
    MUST(pwrite(fd, contents + 24 * 4096, FILE_SIZE - 24 * 4096, 24 * 4096) == FILE_SIZE - 24 * 4096);
}

/* The end of a page behind which nothing can be touched. */
static char *guarded_page(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    MUST(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
    return pages + page;
}

static void begin(void)
{
    int pipes[2], pair[2], n = 0;

    for (size_t i = 0; i < sizeof contents; i++)
        contents[i] = (unsigned char)(i < 16 * 4096 || i >= 24 * 4096 ? (i % 8192) * 31 / 7 + 1 : 0);
    for (int i = 0; i < WORKERS; i++) {
        char path[64], name[4096];
        ssize_t length;

        files[i] = new_file();
        fill(files[i]);
        descriptors[n++] = files[i];
        descriptors[n++] = again(files[i], O_RDONLY);
        if (i == 0) {
            descriptors[n++] = again(files[i], O_WRONLY);
            descriptors[n++] = again(files[i], O_RDWR | O_APPEND);
            descriptors[n++] = again(files[i], O_PATH);
        }
        snprintf(path, sizeof path, "/proc/self/fd/%d", files[i]);
        length = readlink(path, name, sizeof name - 1);
        MUST(length > 0);
        name[length] = '\0';
        MUST(unlink(name) == 0);
    }
    MUST(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    descriptors[n++] = pipes[0];
    descriptors[n++] = pair[0];
    descriptors[n++] = open(directory, O_RDONLY | O_DIRECTORY);
    descriptors[n++] = open("/dev/null", O_RDWR);
    descriptors[n++] = open("/dev/zero", O_RDWR);
    descriptors[n++] = -1;
    descriptors[n++] = INT32_MAX;
    MUST(n == DESCRIPTORS);
    for (int i = 0; i < DESCRIPTORS; i++)
        positions[i] = lseek(descriptors[i], i < 9 ? 100 + i : 0, SEEK_SET);

    options_end = guarded_page();
    answer_end = guarded_page();
}

static int any_descriptor(void)
{
    return descriptors[byte() % DESCRIPTORS];
}

/* Which of the files a descriptor is of; or none. */
static int worker_of(int fd)
{
    struct stat one, other;

    for (int i = 0; i < WORKERS && fd >= 0 && fstat(fd, &one) == 0; i++)
        if (fstat(files[i], &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev)
            return i;
    return -1;
}

/* All is as it was, but for the contents of the one file that was written to; that is made anew. */
static void check_world(int written)
{
    static unsigned char now[FILE_SIZE + 1];

    for (int i = 0; i < WORKERS; i++) {
        if (i == written)
            fill(files[i]);
        MUST(pread(files[i], now, sizeof now, 0) == FILE_SIZE);
        MUST(memcmp(now, contents, FILE_SIZE) == 0);
    }
    for (int i = 0; i < DESCRIPTORS; i++)
        MUST(lseek(descriptors[i], 0, SEEK_CUR) == positions[i]);
}

/*
 * A struct that begins with its size, or NULL: `real` is what this header says of it, and the caller may
 * claim anything. As many bytes are there as it claims; with a claim that no library takes, only the size.
 */
static char *sized(size_t real, uint32_t *size, char *end)
{
    uint8_t kind = byte();
    char *it;

    switch (kind >> 5) {
    case 0:
        return NULL;
    case 1:
        *size = kind & 0x1F;
        break;
    case 2:
        *size = (uint32_t)real + (kind & 0x1F);
        break;
    case 3:
        *size = 4090 + (kind & 0xF);
        break;
    case 4:
        *size = (uint32_t)number();
        break;
    default:
        *size = (uint32_t)real;
    }
    it = end - (*size < 4 || *size > 4096 ? 4 : *size);
    if (*size >= 4 && *size <= 4096)
        memset(it, 0, *size);
    memcpy(it, size, sizeof *size);
    return it;
}

static void set(char *it, uint32_t size, size_t at, const void *value, size_t n)
{
    if (it != NULL && size <= 4096 && at + n <= size)
        memcpy(it + at, value, n);
}

static volatile sig_atomic_t flag;

static int progress(void *user, uint64_t done, uint64_t total)
{
    /* NULL where the options end before it. */
    MUST(user == (void *)&flag || user == NULL);
    MUST(done <= total);
    return byte() & 1;
}

/* Options with arbitrary values in all members that are no pointers; those must be what the header asks for. */
static const void *any_options(size_t real, size_t cancel, size_t called, size_t user)
{
    uint32_t size = 0;
    char *it = sized(real, &size, options_end);
    uint8_t kind = byte();
    const volatile sig_atomic_t *flags[2] = {&flag, NULL};
    int (*function[2])(void *, uint64_t, uint64_t) = {progress, NULL};
    const void *null = NULL, *users[2] = {(const void *)&flag, NULL};

    if (it == NULL)
        return NULL;
    /* Few of the bytes, so that not every call is refused for what it does not know. */
    for (int changes = kind & 3; changes > 0 && size >= 4 && size <= 4096; changes--) {
        size_t at = 4 + (size_t)byte() % (size < 4 + 1 ? 1 : size - 4 + 1);

        if (at < size)
            it[at] = (char)byte();
    }
    if (cancel > 0) {
        flag = (kind >> 2) & (kind >> 3) & 1;
        set(it, size, cancel, &flags[(kind >> 4) & 1], sizeof null);
        set(it, size, called, &function[(kind >> 5) & 1], sizeof null);
        set(it, size, user, &users[0], sizeof null);
        if ((kind >> 6) == 3) {
            const char *odd = (const char *)&flag + 1;

            set(it, size, cancel, &odd, sizeof null);
        }
    }
    return it;
}

#define OPTIONS(name) \
    any_options(sizeof(struct name), offsetof(struct name, cancel), offsetof(struct name, progress), \
                offsetof(struct name, user))

static struct xtent_report *any_report(void)
{
    uint32_t size = 0;
    char *it = sized(sizeof(struct xtent_report), &size, answer_end);

    return (struct xtent_report *)(void *)it;
}

/* What was returned, and what a whole report says of it. `most` is the length that was asked for. */
static void check_result(int64_t result, const struct xtent_report *report, int counts, uint64_t most)
{
    uint32_t size;

    MUST(result > -4096 && result != -ENOTRECOVERABLE);
    MUST(result <= 0 || (counts && (uint64_t)result <= most));
    if (report == NULL)
        return;
    memcpy(&size, report, sizeof size);
    if (size != sizeof *report)
        return;
    MUST(report->error >= 0 && report->error < 4096);
    MUST(strcmp(xtent_reason_text(report->reason), "no such reason") != 0);
    MUST((report->error == 0) == (report->reason == XTENT_REASON_NONE));
    if (result < 0)
        MUST(report->error == -result);
    if (counts && result >= 0)
        MUST(report->bytes == (uint64_t)result);
}

static void call_two(int which)
{
    struct xtent_report *report;
    const void *options = which == 1 ? any_options(sizeof(struct xtent_clone_options), 0, 0, 0) : OPTIONS(xtent_copy_options);
    int src = any_descriptor(), dst = any_descriptor();
    uint64_t src_off = place(), dst_off = place(), len = place();
    int64_t result;

    report = any_report();
    if (which == 0)
        result = xtent_copy_range(src, src_off, dst, dst_off, len, options, report);
    else if (which == 1)
        result = xtent_clone_range(src, src_off, dst, dst_off, len, options, report);
    else
        result = xtent_clone_or_copy_range(src, src_off, dst, dst_off, len, options, report);
    check_result(result, report, which != 1, len);
    check_world(worker_of(dst));
}

static void call_dedupe(void)
{
    const void *options = OPTIONS(xtent_dedupe_options);
    struct xtent_report *report = any_report();
    struct xtent_dedupe_target targets[6];
    uint8_t kind = byte();
    size_t n = kind % 7;
    int src = any_descriptor(), result;
    uint64_t src_off = place(), len = place();

    memset(targets, 0xEE, sizeof targets);
    for (size_t i = 0; i < n; i++) {
        struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(any_descriptor(), place());

        targets[i] = target;
        targets[i].status = byte();
        targets[i].reserved[1] = byte() == 0xFF;
    }
    if ((kind >> 4) == 15)
        result = xtent_dedupe_range(src, src_off, len, targets, SIZE_MAX / (1 + n), options, report);
    else
        result = xtent_dedupe_range(src, src_off, len, (kind >> 4) == 14 ? NULL : targets, n, options, report);
    check_result(result, report, 0, len);
    if ((kind >> 4) < 14)
        for (size_t i = 0; i < n; i++) {
            MUST(targets[i].status >= XTENT_NOT_REACHED && targets[i].status <= XTENT_FAILED);
            MUST((targets[i].status == XTENT_FAILED) == (targets[i].error != 0));
            if (result != 0)
                MUST(targets[i].status == XTENT_NOT_REACHED);
        }
    /* Contents never change. */
    check_world(-1);
}

static void call_looking(void)
{
    uint8_t kind = byte();
    int a = any_descriptor(), b = any_descriptor();
    uint32_t size = 0;

    if (kind & 1) {
        struct xtent_extent extents[8];
        size_t n = (kind >> 1) & 15;
        int64_t result = xtent_extents(a, place(), place(), n > 8 ? NULL : extents, n > 8 ? SIZE_MAX >> (n - 9) : n);

        MUST(result >= -4096 && result <= 8 && result != -ENOTRECOVERABLE);
        for (int64_t i = 1; i < result; i++)
            MUST(extents[i].logical == extents[i - 1].logical + extents[i - 1].length);
    } else if (kind & 2) {
        int64_t result = xtent_shared_bytes(a, b);

        MUST(result > -4096 && result <= FILE_SIZE + 65536 && result != -ENOTRECOVERABLE);
    } else {
        char *out = sized(sizeof(struct xtent_capabilities), &size, answer_end);
        int result = xtent_probe(a, b, (struct xtent_capabilities *)(void *)out);

        MUST(result > -4096 && result <= 0 && result != -ENOTRECOVERABLE);
    }
    MUST(xtent_reason_text((int)number()) != NULL && xtent_reason_name((int)number()) != NULL);
    check_world(-1);
}

/* The files that have names, in a directory of their own; the last is never there at first. */
static const char *const named[] = {"a", "b", "dir/c", "link", "fifo", "new"};
enum { CONTENTS = 3, NAMES = 6 };
static int home;

static void name_files(void)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/xtent-fuzz-XXXXXX", directory);
    MUST(mkdtemp(path) != NULL && chdir(path) == 0);
    home = open(".", O_RDONLY | O_DIRECTORY);
    MUST(home >= 0 && mkdir("dir", 0700) == 0 && symlink("a", "link") == 0 && mkfifo("fifo", 0600) == 0);
    for (int i = 0; i < CONTENTS; i++) {
        int fd = open(named[i], O_RDWR | O_CREAT, 0600);

        MUST(fd >= 0);
        fill(fd);
        close(fd);
    }
}

/* What nobody made is gone again, and what has a name is what it was; `changed` is the one that may differ. */
static void check_names(const char *changed, int may_be_new)
{
    static unsigned char now[FILE_SIZE + 1];
    const char *const places[] = {".", "dir"};
    struct stat st;

    if (changed != NULL && may_be_new && strcmp(changed, "link") == 0) {
        MUST(unlink("link") == 0 && symlink("a", "link") == 0);
    }
    if (changed != NULL && may_be_new && strcmp(changed, "fifo") == 0) {
        MUST(unlink("fifo") == 0 && mkfifo("fifo", 0600) == 0);
    }
    MUST(lstat("link", &st) == 0 && S_ISLNK(st.st_mode) && lstat("fifo", &st) == 0 && S_ISFIFO(st.st_mode));
    for (int i = 0; i < CONTENTS; i++) {
        int fd = open(named[i], O_RDWR | O_NOFOLLOW);

        if (fd < 0 || (may_be_new && changed != NULL && strcmp(changed, named[i]) == 0)) {
            MUST(fd >= 0 || errno == EACCES);
            close(fd);
            MUST(unlink(named[i]) == 0);
            fd = open(named[i], O_RDWR | O_CREAT | O_EXCL, 0600);
            MUST(fd >= 0);
            fill(fd);
        }
        MUST(pread(fd, now, sizeof now, 0) == FILE_SIZE && memcmp(now, contents, FILE_SIZE) == 0);
        close(fd);
    }
    for (int i = 0; i < 2; i++) {
        DIR *dir = opendir(places[i]);
        struct dirent *entry;

        MUST(dir != NULL);
        while ((entry = readdir(dir)) != NULL) {
            const char *name = entry->d_name;

            if (name[0] == '.' && (name[1] == '\0' || name[1] == '.'))
                continue;
            if (i == 0 ? strchr("abdlf", name[0]) != NULL : strcmp(name, "c") == 0)
                continue;
            /* The one name that a call may have made; never a hidden one of the library's. */
            MUST(may_be_new && name[0] == 'n');
            MUST(unlinkat(dirfd(dir), name, 0) == 0);
        }
        closedir(dir);
    }
}

/* A path, none of which leads out of the directory. */
static const char *any_path(void)
{
    static char text[4][400];
    static int turn;
    char *it = text[turn++ % 4];
    uint8_t kind = byte();

    switch (kind % 16) {
    case 6:
        return NULL;
    case 7:
        return "";
    case 8:
        return ".";
    case 9:
        return "..";
    case 10:
        return "a/";
    case 11:
        return "missing/x";
    case 12:
        return "a/x";
    case 13:
        memset(it, 'n', 300);
        it[300] = '\0';
        return it;
    case 14:
        /* Any bytes that make one name. */
        bytes(it + 1, 12);
        it[0] = 'n';
        it[13] = '\0';
        for (char *c = it; *c != '\0'; c++)
            if (*c == '/')
                *c = '_';
        return it;
    case 15:
        return "./link";
    default:
        return named[kind % 16];
    }
}

static int any_directory(void)
{
    uint8_t kind = byte();

    return kind < 200 ? (kind & 1 ? home : AT_FDCWD) : any_descriptor();
}

static void call_file(void)
{
    uint32_t size = 0;
    static char inner[sizeof(struct xtent_copy_options)];
    const void *null = NULL, *copy = inner;
    struct xtent_copy_options nothing = XTENT_COPY_OPTIONS_INIT;
    char *options = sized(sizeof(struct xtent_file_options), &size, options_end);
    struct xtent_report *report = any_report();
    uint8_t kind = byte();
    int src_dir = any_directory(), dst_dir = any_directory(), result;
    const char *src = any_path(), *dst = any_path();

    memcpy(inner, &nothing, sizeof nothing);
    if (options != NULL && size > 4 && size <= 4096) {
        /* Never durable: a sync of the disk for each call finds nothing more. */
        for (size_t at = 4; at < 16 && at < size; at += 4)
            options[at] = (char)byte();
        options[4] = (char)(options[4] & ~XTENT_FILE_DURABLE);
        set(options, size, offsetof(struct xtent_file_options, copy), kind & 8 ? &copy : &null, sizeof copy);
    }
    if ((kind & 7) < 2)
        result = xtent_copy_file(src_dir, src, dst_dir, dst, (const void *)options, report);
    else if ((kind & 7) < 4)
        result = xtent_clone_file(src_dir, src, dst_dir, dst, (const void *)options, report);
    else
        result = xtent_clone_or_copy_file(src_dir, src, dst_dir, dst, (const void *)options, report);
    check_result(result, report, 0, 0);
    check_names(dst != NULL && strncmp(dst, "./", 2) == 0 ? dst + 2 : dst, result == 0);
    check_world(-1);
}

static void call_dedupe_files(void)
{
    const void *options = OPTIONS(xtent_dedupe_options);
    struct xtent_report *report = any_report();
    struct xtent_dedupe_file targets[4];
    size_t n = byte() % 5;
    int src_dir = any_directory(), result;
    const char *src = any_path();

    for (size_t i = 0; i < n; i++) {
        struct xtent_dedupe_file target = XTENT_DEDUPE_FILE_INIT(any_directory(), named[byte() % NAMES]);

        targets[i] = target;
        targets[i].status = byte();
    }
    result = xtent_dedupe_files(src_dir, src, targets, n, options, report);
    check_result(result, report, 0, 0);
    for (size_t i = 0; i < n; i++) {
        MUST(targets[i].status >= XTENT_NOT_REACHED && targets[i].status <= XTENT_FAILED);
        MUST(result == 0 || targets[i].status == XTENT_NOT_REACHED);
    }
    check_names(NULL, 0);
    check_world(-1);
}

static void call_stage(void)
{
    uint32_t size = 0;
    struct xtent_stage *stage = (struct xtent_stage *)(void *)&size, **where = &stage;
    char *options = sized(sizeof(struct xtent_stage_options), &size, options_end);
    struct xtent_report *report = any_report();
    uint8_t kind = byte();
    int dir = any_directory(), fd, result = -1;
    const char *dst = any_path();

    if (options != NULL && size > 4 && size <= 4096)
        options[4] = (char)(byte() & ~XTENT_STAGE_DURABLE);
    fd = xtent_stage_open(dir, dst, (const void *)options, kind & 1 ? where : kind & 2 ? NULL : where, report);
    MUST(fd != -ENOTRECOVERABLE && fd < 4096);
    if (fd >= 0) {
        MUST(stage != NULL);
        check_result(xtent_clone_or_copy_range(descriptors[1], 0, fd, place() % (1 << 20), place(), NULL, NULL), NULL, 1, UINT64_MAX);
        if (kind & 4)
            result = xtent_stage_publish(stage, any_report());
        if (result != 0)
            xtent_stage_discard(stage);
    } else if (!(kind & 2) || (kind & 1)) {
        MUST(stage == NULL);
    }
    if (kind & 8)
        xtent_stage_discard(NULL);
    check_names(dst != NULL && strncmp(dst, "./", 2) == 0 ? dst + 2 : dst, result == 0);
    check_world(-1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    for (int calls = 0; calls < 8 && input < input_end; calls++) {
        uint8_t which = byte() % 12;

        if (which < 5)
            call_two(which % 3);
        else if (which < 7)
            call_dedupe();
        else if (which < 8)
            call_looking();
        else if (which < 10)
            call_file();
        else if (which < 11)
            call_dedupe_files();
        else
            call_stage();
    }
    return 0;
}

#ifdef REPLAY
static void replay(void)
{
    static uint8_t data[65536];
    DIR *corpus = opendir(getenv("XTENT_CORPUS"));
    struct dirent *entry;
    int n = 0;

    CHECK(corpus != NULL);
    begin();
    name_files();
    while ((entry = readdir(corpus)) != NULL) {
        int fd = openat(dirfd(corpus), entry->d_name, O_RDONLY);
        ssize_t size = fd < 0 ? -1 : read(fd, data, sizeof data);

        if (size >= 0) {
            replayed = entry->d_name;
            LLVMFuzzerTestOneInput(data, (size_t)size);
            n++;
        }
        close(fd);
    }
    CHECK(n > 0);
}

static const struct test tests[] = {{"corpus", replay}};

MAIN(tests)
#else
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    directory = getenv("XTENT_FUZZ_DIRECTORY");
    MUST(directory != NULL);
    begin();
    name_files();
    return 0;
}
#endif
