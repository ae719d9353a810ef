/*
 * Arbitrary arguments, made of the fuzzer's input: descriptors, places, structs of any size, paths. And what holds
 * after each call, whatever it was.
 */
#ifndef ARBITRARY_H
#define ARBITRARY_H

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

    make_contents();
    make_sandbox();
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
    descriptors[n++] = open(absolute("/other"), O_RDONLY | O_DIRECTORY);
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

/* The lowest number that is free: what a call opens it closes. */
static int next_descriptor(void)
{
    int fd = dup(descriptors[0]);

    MUST(fd >= 0);
    close(fd);
    return fd;
}

static int next_before;

/* All is as it was, but for the contents of the one file that was written to; that is made anew. */
static void check_world(int written)
{
    for (int i = 0; i < WORKERS; i++) {
        if (i == written)
            fill(files[i]);
        MUST(is_filled(files[i], FILE_SIZE));
    }
    for (int i = 0; i < DESCRIPTORS; i++)
        MUST(lseek(descriptors[i], 0, SEEK_CUR) == positions[i]);
    MUST(next_descriptor() == next_before);
    must_be_like("", "");
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

/* A path, none of which leads out of the sandbox. */
static const char *any_path(void)
{
    static const char *const some[] = {"a", "b", "dir/c", "link", "fifo", "new", NULL, "", ".", "..", "a/", "missing/x", "a/x",
                                       "tree", "tree", "tree/in", "dir", "dir/new", "tree/in/new", "../new", "./link", "tree/."};
    enum { SOME = sizeof some / sizeof some[0] };
    static char text[4][400];
    static int turn;
    char *it = text[turn++ % 4];
    uint8_t kind = byte() % (SOME + 2);

    if (kind < SOME)
        return some[kind];
    if (kind == SOME) {
        memset(it, 'n', 300);
        it[300] = '\0';
        return it;
    }
    /* Any bytes that make one name. */
    bytes(it + 1, 12);
    it[0] = 'n';
    it[13] = '\0';
    for (char *c = it; *c != '\0'; c++)
        if (*c == '/')
            *c = '_';
    return it;
}

static int any_directory(void)
{
    uint8_t kind = byte();

    return kind < 200 ? (kind & 1 ? home : AT_FDCWD) : any_descriptor();
}

/* Members of 32 bits, arbitrary where the input says so, and else small numbers, most of which are choices. */
static void choose(char *it, uint32_t size, size_t from, size_t to)
{
    if (it == NULL)
        return;
    for (size_t at = from; at < to; at += 4) {
        uint32_t value = byte();

        value = value < 224 ? value & 0x3F : value < 240 ? (uint32_t)number() : 0;
        set(it, size, at, &value, sizeof value);
    }
}

/* Without one of the flags: mostly that for durable, for a sync of the disk for each call finds nothing more. */
static void without(char *it, uint32_t size, uint32_t bit)
{
    uint32_t flags;

    if (it == NULL || size < 8 || size > 4096)
        return;
    memcpy(&flags, it + 4, sizeof flags);
    flags &= ~bit;
    memcpy(it + 4, &flags, sizeof flags);
}

/* How a file's bytes are moved: a struct within the options. */
static const struct xtent_copy_options *any_copy_options(uint8_t kind)
{
    static struct xtent_copy_options inner;
    const struct xtent_copy_options nothing = XTENT_COPY_OPTIONS_INIT;

    inner = nothing;
    flag = (kind & 0x30) == 0x30;
    inner.cancel = &flag;
    if (kind & 0x40)
        inner.progress = progress;
    inner.user = (void *)(uintptr_t)&flag;
    inner.sparse = kind & 3;
    inner.cache = (kind & 0xC) == 0xC;
    inner.server = kind >> 7;
    if (kind == 0xFF)
        inner.size = byte();
    return &inner;
}

#endif
