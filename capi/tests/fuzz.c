/*
 * Arbitrary calls: any size, flag, descriptor, offset, length and NULL that C can hand over. For libFuzzer
 * (fuzz), and by itself as a test that replays what it found (REPLAY).
 *
 * Structs lie at the end of readable memory, so that a byte too many is a crash. After every call each file
 * but the destination is as it was, every descriptor is where it was, and what a call returned and reported
 * makes sense.
 */
#include <dirent.h>
#include <pthread.h>
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
            fprintf(stderr, "%s:%d: not so: %s (errno %d) %s\n", __FILE__, __LINE__, #condition, errno, replayed); \
            abort(); \
        } \
    } while (0)

#include "sandbox.h"
#include "arbitrary.h"

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

/* The files and bytes of callbacks that are called in the caller's thread, and how often a failure was told. */
static struct {
    pthread_t thread;
    uint64_t files, bytes, failures;
} told;

static int count_progress(void *user, uint64_t n_files, uint64_t n_bytes)
{
    MUST(user == (void *)&flag || user == NULL);
    MUST(pthread_equal(pthread_self(), told.thread) && n_files >= told.files && n_bytes >= told.bytes);
    told.files = n_files;
    told.bytes = n_bytes;
    return (byte() & 7) == 7;
}

static void count_failure(void *user, const char *path, int error, int reason)
{
    MUST(user == (void *)&flag || user == NULL);
    MUST(pthread_equal(pthread_self(), told.thread));
    MUST(path[0] != '/' && strlen(path) < 4096);
    MUST(error > 0 && error < 4096 && error != ENOTRECOVERABLE);
    MUST(reason != XTENT_REASON_NONE && strcmp(xtent_reason_text(reason), "no such reason") != 0);
    told.failures++;
}

static void call_usage(void)
{
    uint32_t size = 0, report_size = 0;
    char *options = sized(sizeof(struct xtent_usage_options), &size, options_end);
    char *report = sized(sizeof(struct xtent_usage_report), &report_size, answer_end);
    uint8_t kind = byte(), calls = byte();
    const volatile sig_atomic_t *cancel = calls & 1 ? &flag : NULL;
    int (*progressing)(void *, uint64_t, uint64_t) = calls & 2 ? count_progress : NULL;
    void (*failing)(void *, const char *, int, int) = calls & 4 ? count_failure : NULL;
    void *user = (void *)(uintptr_t)&flag;
    /* Little memory, so that the rest waits in a file of the sandbox's filesystem. */
    uint64_t memory = kind & 16 ? number() % 4096 : 0;
    struct xtent_usage_root roots[3];
    size_t n = (kind & 3) + (kind > 250);
    int scratch = any_directory(), result;

    if (kind & 8)
        choose(options, size, 4, 8);
    flag = (calls & 0x18) == 0x18;
    set(options, size, offsetof(struct xtent_usage_options, memory), &memory, sizeof memory);
    set(options, size, offsetof(struct xtent_usage_options, scratch_dir), &scratch, sizeof scratch);
    set(options, size, offsetof(struct xtent_usage_options, cancel), &cancel, sizeof cancel);
    set(options, size, offsetof(struct xtent_usage_options, progress), &progressing, sizeof progressing);
    set(options, size, offsetof(struct xtent_usage_options, failed), &failing, sizeof failing);
    set(options, size, offsetof(struct xtent_usage_options, user), &user, sizeof user);
    for (size_t i = 0; i < 3; i++) {
        struct xtent_usage_root root = XTENT_USAGE_ROOT_INIT(any_directory(), any_path());

        roots[i] = root;
        roots[i].files = UINT64_MAX;
        roots[i].reserved[1] = kind == 0xF3;
    }
    memset(&told, 0, sizeof told);
    told.thread = pthread_self();
    result = xtent_usage(n > 3 ? NULL : roots, n, (const void *)options, (void *)report);
    MUST(result > -4096 && result <= 0 && result != -ENOTRECOVERABLE);
    for (size_t i = 0; i < 3; i++)
        MUST(result == 0 && i < n ? roots[i].files <= THINGS && roots[i].exclusive <= roots[i].exclusive_most
                                  : roots[i].files == UINT64_MAX);
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
    } else if (kind & 4) {
        call_usage();
    } else {
        char *out = sized(sizeof(struct xtent_capabilities), &size, answer_end);
        int result = xtent_probe(a, b, (struct xtent_capabilities *)(void *)out);

        MUST(result > -4096 && result <= 0 && result != -ENOTRECOVERABLE);
    }
    MUST(xtent_reason_text((int)number()) != NULL && xtent_reason_name((int)number()) != NULL);
    check_world(-1);
}

static void call_file(void)
{
    uint32_t size = 0;
    char *options = sized(sizeof(struct xtent_file_options), &size, options_end);
    struct xtent_report *report = any_report();
    uint8_t kind = byte();
    int src_dir = any_directory(), dst_dir = any_directory(), result;
    const char *src = any_path(), *dst = any_path();
    const struct xtent_copy_options *copy = kind & 8 ? any_copy_options(byte()) : NULL;

    if (kind & 16)
        choose(options, size, 4, 16);
    without(options, size, XTENT_FILE_DURABLE);
    set(options, size, offsetof(struct xtent_file_options, copy), &copy, sizeof copy);
    if ((kind >> 5) >= 4) {
        uint32_t stable = byte() % 8;
        int32_t scratch = any_directory();

        /* Seldom what waits for a source that is quiet. */
        if ((stable == XTENT_STABLE_DETECT || stable == XTENT_STABLE_BEST) && byte() != 0xFF)
            stable = XTENT_STABLE_SNAPSHOT;
        set(options, size, offsetof(struct xtent_file_options, stable), &stable, sizeof stable);
        set(options, size, offsetof(struct xtent_file_options, scratch_dir), &scratch, sizeof scratch);
    }
    if ((kind & 7) < 2)
        result = xtent_copy_file(src_dir, src, dst_dir, dst, (const void *)options, report);
    else if ((kind & 7) < 4)
        result = xtent_clone_file(src_dir, src, dst_dir, dst, (const void *)options, report);
    else
        result = xtent_clone_or_copy_file(src_dir, src, dst_dir, dst, (const void *)options, report);
    check_result(result, report, 0, 0);
    if (result == 0)
        take_away(beneath(dst_dir, dst));
    check_world(-1);
}

static void call_dedupe_files(void)
{
    const void *options = OPTIONS(xtent_dedupe_options);
    struct xtent_report *report = any_report();
    struct xtent_dedupe_file targets[4];
    uint8_t kind = byte();
    size_t n = kind % 5;
    int src_dir = any_directory(), result;
    const char *src = any_path();

    for (size_t i = 0; i < n; i++) {
        struct xtent_dedupe_file target = XTENT_DEDUPE_FILE_INIT(any_directory(), NULL);

        targets[i] = target;
        do
            targets[i].path = any_path();
        while (targets[i].path == NULL && kind < 250);
        targets[i].status = byte();
        targets[i].reserved[0] = kind == 255;
    }
    result = xtent_dedupe_files(src_dir, src, targets, n, options, report);
    check_result(result, report, 0, 0);
    for (size_t i = 0; i < n; i++) {
        MUST(targets[i].status >= XTENT_NOT_REACHED && targets[i].status <= XTENT_FAILED);
        MUST((targets[i].status == XTENT_FAILED) == (targets[i].error != 0));
        MUST(result == 0 || targets[i].status == XTENT_NOT_REACHED);
    }
    check_world(-1);
}

/* What a program does with the stage's descriptor: the bytes are known afterwards. */
static void fill_stage(int fd, uint8_t kind)
{
    static unsigned char now[3 * 4096];
    int64_t n = xtent_clone_or_copy_range(descriptors[1], 0, fd, place() % (1 << 20), place(), NULL, NULL);

    check_result(n, NULL, 1, UINT64_MAX);
    MUST(pwrite(fd, contents, sizeof now, 4096) == (ssize_t)sizeof now);
    if (kind & 16)
        MUST(fchmod(fd, byte() | 0400) == 0);
    MUST(pread(fd, now, sizeof now, 4096) == (ssize_t)sizeof now && memcmp(now, contents, sizeof now) == 0);
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

    if (kind & 32)
        choose(options, size, 4, 16);
    else
        choose(options, size, 4, 8);
    without(options, size, XTENT_STAGE_DURABLE);
    fd = xtent_stage_open(dir, dst, (const void *)options, (kind & 3) == 2 ? NULL : where, report);
    MUST(fd > -4096 && fd != -ENOTRECOVERABLE && fd < 4096);
    if (fd >= 0) {
        MUST(stage != NULL);
        fill_stage(fd, kind);
        /* After an error a stage is as before. */
        for (int tries = kind & 4 ? 2 : 0; tries > 0 && result != 0; tries--) {
            report = any_report();
            result = xtent_stage_publish(stage, report);
            check_result(result, report, 0, 0);
        }
        if (result == 0) {
            struct stat st;

            MUST(lstat(absolute(beneath(dir, dst)), &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size >= 4 * 4096);
            take_away(beneath(dir, dst));
        } else {
            xtent_stage_discard(stage);
        }
    } else if ((kind & 3) != 2) {
        MUST(stage == NULL);
    }
    if (kind & 8) {
        xtent_stage_discard(NULL);
        result = xtent_stage_publish(NULL, any_report());
        MUST(result == -EINVAL || result == -E2BIG);
    }
    check_world(-1);
}

/* A report of a tree that this header knows whole; or NULL. */
static const struct xtent_tree_report *check_tree_report(int result, const char *report)
{
    static struct xtent_tree_report whole;
    uint32_t size = 0;

    MUST(result > -4096 && result <= 0 && result != -ENOTRECOVERABLE);
    if (report != NULL)
        memcpy(&size, report, sizeof size);
    if (size != sizeof whole)
        return NULL;
    memcpy(&whole, report, sizeof whole);
    MUST(whole.error == -result && (whole.error == 0) == (whole.reason == XTENT_REASON_NONE));
    MUST(strcmp(xtent_reason_text(whole.reason), "no such reason") != 0);
    MUST(whole.bytes == whole.bytes_copied + whole.bytes_cloned + whole.bytes_hole);
    MUST(whole.vanished == 0 && whole.unused == 0);
    return &whole;
}

static void call_tree(void)
{
    uint32_t size = 0, report_size = 0, flags = 0;
    char *options = sized(sizeof(struct xtent_tree_options), &size, options_end);
    char *report = sized(sizeof(struct xtent_tree_report), &report_size, answer_end);
    uint8_t kind = byte(), calls = byte();
    int src_dir = any_directory(), dst_dir = any_directory(), result;
    const char *src = any_path(), *dst = any_path();
    const volatile sig_atomic_t *cancel = calls & 1 ? &flag : NULL;
    int (*progressing)(void *, uint64_t, uint64_t) = calls & 2 ? count_progress : NULL;
    void (*failing)(void *, const char *, int, int) = calls & 4 ? count_failure : NULL;
    void *user = (void *)(uintptr_t)&flag;
    const struct xtent_tree_report *done;

    if (kind & 8)
        choose(options, size, 4, 16);
    else
        choose(options, size, 4, 8);
    without(options, size, XTENT_TREE_DURABLE);
    if (options != NULL && size >= 8 && size <= 4096)
        memcpy(&flags, options + 4, sizeof flags);
    flag = (calls & 0x18) == 0x18;
    set(options, size, offsetof(struct xtent_tree_options, cancel), &cancel, sizeof cancel);
    set(options, size, offsetof(struct xtent_tree_options, progress), &progressing, sizeof progressing);
    set(options, size, offsetof(struct xtent_tree_options, failed), &failing, sizeof failing);
    set(options, size, offsetof(struct xtent_tree_options, user), &user, sizeof user);
    memset(&told, 0, sizeof told);
    told.thread = pthread_self();
    if ((kind & 3) == 0)
        result = xtent_copy_tree(src_dir, src, dst_dir, dst, (const void *)options, (void *)report);
    else if ((kind & 3) == 1)
        result = xtent_clone_tree(src_dir, src, dst_dir, dst, (const void *)options, (void *)report);
    else
        result = xtent_clone_or_copy_tree(src_dir, src, dst_dir, dst, (const void *)options, (void *)report);
    done = check_tree_report(result, report);
    if (result == 0) {
        const char *to = beneath(dst_dir, dst);

        /* What cannot be cloned, and nothing else, is left out. */
        if (done != NULL ? done->failures == 0 : (flags & XTENT_TREE_KEEP_GOING) == 0) {
            must_be_like(to, beneath(src_dir, src));
            MUST(done == NULL || done->files + done->directories + done->links + done->specials == (uint64_t)seen);
        }
        MUST(done == NULL || failing == NULL || size < sizeof(struct xtent_tree_options) || done->failures == told.failures);
        take_away(to);
    }
    check_world(-1);
}

/* Where an index may be: a file of its own beside the sandbox, with any bytes in any place; or what is no index. */
static const char *any_index(int32_t *dir, int *rebuild)
{
    static const char own[] = "../../xtent-fuzz-index";
    const char *path = any_path();

    *dir = any_directory();
    /* What is not there would be made, and what is there would be made anew. */
    if (path != NULL && faccessat(*dir == 0 ? AT_FDCWD : *dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        *rebuild = 0;
        return path;
    }
    *dir = byte() & 1 ? home : AT_FDCWD;
    for (int changes = byte() % 4; changes > 0; changes--) {
        int fd = open(own, O_WRONLY | O_CLOEXEC);
        uint8_t other = byte();

        if (fd >= 0) {
            MUST(pwrite(fd, &other, 1, (off_t)(number() % (1 << 15))) == 1);
            close(fd);
        }
    }
    return own;
}

static void call_dedupe_tree(void)
{
    static const char *const patterns[] = {"*", "a", "tree/**", "[", "", "\377", NULL, "/home", "b"};
    struct xtent_dedupe_tree_report whole;
    struct xtent_dedupe_tree_root roots[3];
    uint32_t size = 0, report_size = 0, flags = 0;
    char *options = sized(sizeof(struct xtent_dedupe_tree_options), &size, options_end);
    char *report = sized(sizeof whole, &report_size, answer_end);
    uint8_t kind = byte(), calls = byte();
    const volatile sig_atomic_t *cancel = calls & 1 ? &flag : NULL;
    int (*progressing)(void *, uint64_t, uint64_t) = calls & 2 ? count_progress : NULL;
    void (*failing)(void *, const char *, int, int) = calls & 4 ? count_failure : NULL;
    void *user = (void *)(uintptr_t)&flag;
    const char *const *some = patterns + byte() % 7;
    size_t n = (kind & 3) + (kind > 250), n_include = byte() % 3, n_exclude = n_include & 1;
    int result, rebuild = 1;

    choose(options, size, 4, kind & 4 ? 8 : 16);
    flag = (calls & 0x18) == 0x18;
    if (kind & 8) {
        set(options, size, offsetof(struct xtent_dedupe_tree_options, include), &some, sizeof some);
        set(options, size, offsetof(struct xtent_dedupe_tree_options, n_include), &n_include, sizeof n_include);
        set(options, size, offsetof(struct xtent_dedupe_tree_options, exclude), &some, sizeof some);
        set(options, size, offsetof(struct xtent_dedupe_tree_options, n_exclude), &n_exclude, sizeof n_exclude);
    }
    /* Seldom: what is written is synced. */
    if ((kind & 0x30) == 0x30) {
        int32_t dir;
        const char *index = any_index(&dir, &rebuild);

        set(options, size, offsetof(struct xtent_dedupe_tree_options, index), &index, sizeof index);
        set(options, size, offsetof(struct xtent_dedupe_tree_options, index_dir), &dir, sizeof dir);
        if (!rebuild)
            without(options, size, XTENT_DEDUPE_TREE_REBUILD);
    }
    if (options != NULL && size >= 8 && size <= 4096)
        memcpy(&flags, options + 4, sizeof flags);
    set(options, size, offsetof(struct xtent_dedupe_tree_options, cancel), &cancel, sizeof cancel);
    set(options, size, offsetof(struct xtent_dedupe_tree_options, progress), &progressing, sizeof progressing);
    set(options, size, offsetof(struct xtent_dedupe_tree_options, failed), &failing, sizeof failing);
    set(options, size, offsetof(struct xtent_dedupe_tree_options, user), &user, sizeof user);
    for (size_t i = 0; i < 3; i++) {
        struct xtent_dedupe_tree_root root = XTENT_DEDUPE_TREE_ROOT_INIT(any_directory(), any_path());

        roots[i] = root;
        roots[i].reserved = kind == 0xF3;
    }
    memset(&told, 0, sizeof told);
    told.thread = pthread_self();
    result = xtent_dedupe_tree(n > 3 ? NULL : roots, n, (const void *)options, (void *)report);
    MUST(result > -4096 && result <= 0 && result != -ENOTRECOVERABLE);
    if (report != NULL)
        memcpy(&report_size, report, sizeof report_size);
    if (report != NULL && report_size == sizeof whole) {
        memcpy(&whole, report, sizeof whole);
        MUST(whole.error == -result && (whole.error == 0) == (whole.reason == XTENT_REASON_NONE));
        MUST(whole.files <= THINGS + WORKERS && whole.candidates <= whole.files && whole.deduped <= whole.candidates);
        MUST(whole.vanished == 0 && (whole.shared == 0 || (flags & XTENT_DEDUPE_TREE_DRY_RUN) == 0));
        if (result == 0 && failing != NULL && size >= sizeof(struct xtent_dedupe_tree_options))
            MUST(whole.failures == told.failures);
    }
    /* Contents never change. */
    check_world(-1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    for (int calls = 0; calls < 8 && input < input_end; calls++) {
        uint8_t which = byte() % 16;

        next_before = next_descriptor();
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
        else if (which < 13)
            call_stage();
        else if (which < 15)
            call_tree();
        else
            call_dedupe_tree();
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
    return 0;
}
#endif
