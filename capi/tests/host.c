/* The library as a guest in a program with locks, signals, threads and children of its own. */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/resource.h>

#include "check.h"

/* The functions that take paths, in a directory of their own; the source is one that is open. */
static void use_paths(int src)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_tree_report tree = XTENT_TREE_REPORT_INIT;
    struct xtent_file_options replacing = XTENT_FILE_OPTIONS_INIT;
    struct xtent_tree_options threads = XTENT_TREE_OPTIONS_INIT;
    struct xtent_stage *stage;
    int dir, fd;

    dir = new_directory();
    CHECK_INT(mkdirat(dir, "tree", 0700), 0);
    CHECK_INT(xtent_copy_file(src, "", dir, "tree/a", NULL, &report), 0);
    CHECK_INT(xtent_copy_file(dir, "tree/a", dir, "tree/a", NULL, &report), -EEXIST);
    replacing.flags = XTENT_FILE_REPLACE;
    CHECK_INT(xtent_clone_or_copy_file(dir, "tree/a", dir, "tree/a", &replacing, &report), 0);
    xtent_clone_file(src, "", dir, "tree/clone", NULL, &report);

    fd = xtent_stage_open(dir, "tree/staged", NULL, &stage, &report);
    CHECK(fd >= 0);
    CHECK_INT(xtent_clone_or_copy_range(src, 0, fd, 0, XTENT_TO_END, NULL, &report), 256 * KIB);
    CHECK_INT(xtent_stage_publish(stage, &report), 0);
    CHECK_INT(xtent_stage_open(dir, "tree/staged", NULL, &stage, &report), -EEXIST);
    CHECK(xtent_stage_open(dir, "discarded", NULL, &stage, &report) >= 0);
    xtent_stage_discard(stage);
    {
        struct xtent_dedupe_file targets[] = {XTENT_DEDUPE_FILE_INIT(dir, "tree/staged"), XTENT_DEDUPE_FILE_INIT(dir, "none")};

        xtent_dedupe_files(dir, "tree/a", targets, 2, NULL, &report);
    }
    threads.threads = 4;
    CHECK_INT(xtent_copy_tree(dir, "tree", dir, "copy", &threads, &tree), 0);
    CHECK_INT(xtent_copy_tree(dir, "tree", dir, "copy", &threads, &tree), -EEXIST);
    CHECK_INT(xtent_clone_or_copy_tree(dir, "tree", dir, "both", &threads, &tree), 0);
    xtent_clone_tree(dir, "tree", dir, "clone", &threads, &tree);
    close(dir);
}

/* Every function, with good and with bad input, on the same two descriptors. */
static void use_everything(int src, int dst)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_dedupe_target targets[] = {XTENT_DEDUPE_TARGET_INIT(dst, 0), XTENT_DEDUPE_TARGET_INIT(-1, 0)};
    struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;
    struct xtent_extent extents[8];

    CHECK_INT(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report), 256 * KIB);
    CHECK(xtent_copy_range(src, 1, dst, INT64_MAX, 100, NULL, &report) < 0);
    xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report);
    CHECK(xtent_clone_range(src, 1, dst, 0, 100, NULL, &report) < 0);
    CHECK_INT(xtent_clone_or_copy_range(src, 100, dst, 100, 100 * KIB, NULL, &report), 100 * KIB);
    CHECK_INT(xtent_clone_or_copy_range(src, 100, dst, 101, 100 * KIB, NULL, &report), 100 * KIB);
    xtent_dedupe_range(src, 0, XTENT_TO_END, targets, 2, NULL, &report);
    xtent_dedupe_range(src, 128 * KIB, 4096, targets, 2, NULL, &report);
    CHECK_INT(xtent_probe(src, dst, &found), 0);
    xtent_extents(src, 0, XTENT_TO_END, extents, 8);
    xtent_extents(dst, 0, XTENT_TO_END, extents, 8);
    xtent_shared_bytes(src, dst);
    use_paths(src);
}

static void lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    CHECK_INT(fcntl(fd, F_SETLK, &whole), 0);
}

/* Asked from a child: a process does not see locks of its own. */
static int is_locked(int fd)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

        _exit(fcntl(fd, F_GETLK, &whole) != 0 ? 2 : whole.l_type == F_WRLCK && whole.l_pid == getppid());
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status);
}

static void posix_locks_survive(void)
{
    int src = file(256 * KIB, 1), dst = empty_file();

    lock(src);
    lock(dst);
    CHECK(is_locked(src) && is_locked(dst));
    use_everything(src, dst);
    CHECK(is_locked(src));
    CHECK(is_locked(dst));
    /* And this test would see it: closing any descriptor of the file drops the lock. */
    close(reopened(src, O_RDONLY));
    CHECK(!is_locked(src));
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static void descriptors_stay_as_they_were(void)
{
    int src = file(256 * KIB, 1), dst = empty_file(), before;

    CHECK_INT(lseek(src, 777, SEEK_SET), 777);
    CHECK_INT(lseek(dst, 4242, SEEK_SET), 4242);
    before = open_descriptors();
    use_everything(src, dst);
    CHECK_INT(lseek(src, 0, SEEK_CUR), 777);
    CHECK_INT(lseek(dst, 0, SEEK_CUR), 4242);
    CHECK_INT(open_descriptors(), before);
    CHECK_INT(fcntl(src, F_GETFL) & O_ACCMODE, O_RDWR);
}

static void signals_stay_as_they_were(void)
{
    int src = file(256 * KIB, 1), dst = empty_file();
    struct sigaction actions[32], action;
    sigset_t ours, after;

    for (int signal = 1; signal < 32; signal++)
        CHECK_INT(sigaction(signal, NULL, &actions[signal]), 0);
    sigemptyset(&ours);
    sigaddset(&ours, SIGUSR2);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, &ours, NULL), 0);
    use_everything(src, dst);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int signal = 1; signal < 32; signal++)
        CHECK_INT(sigismember(&after, signal), signal == SIGUSR2);
    for (int signal = 1; signal < 32; signal++) {
        CHECK_INT(sigaction(signal, NULL, &action), 0);
        CHECK(action.sa_handler == actions[signal].sa_handler);
        CHECK_INT(action.sa_flags, actions[signal].sa_flags);
    }
}

static int is_pending(int signal)
{
    sigset_t pending;

    CHECK_INT(sigpending(&pending), 0);
    return sigismember(&pending, signal);
}

/* The kernel sends SIGXFSZ at the limit, whose default is to end the process. */
static void file_size_limit(void)
{
    struct rlimit limit;
    struct xtent_report report = XTENT_REPORT_INIT;
    int src = file(4 * MIB, 1), dst = empty_file();
    sigset_t blocked;
    int64_t n;

    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 1 * MIB + 4096;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);

    n = xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report);
    CHECK_INT(n, 1 * MIB + 4096);
    CHECK_INT(report.reason, XTENT_REASON_FILE_SIZE_LIMIT);
    CHECK_INT(report.error, EFBIG);
    CHECK(equal(src, 0, dst, 0, (uint64_t)n));
    /* Going on returns the error. */
    CHECK_INT(xtent_copy_range(src, (uint64_t)n, dst, (uint64_t)n, XTENT_TO_END, NULL, &report), -EFBIG);
    CHECK_INT(report.reason, XTENT_REASON_FILE_SIZE_LIMIT);
    CHECK_INT(report.bytes, 0);
    CHECK_INT(xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report), -EFBIG);
    CHECK_INT(report.reason, XTENT_REASON_FILE_SIZE_LIMIT);
    CHECK(!is_pending(SIGXFSZ));

    /* Also where the program holds it blocked; and one that was waiting before stays. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGXFSZ);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    CHECK_INT(xtent_copy_range(src, 0, dst, 2 * MIB, 4096, NULL, NULL), -EFBIG);
    CHECK(!is_pending(SIGXFSZ));
    CHECK_INT(raise(SIGXFSZ), 0);
    CHECK_INT(xtent_copy_range(src, 0, dst, 2 * MIB, 4096, NULL, NULL), -EFBIG);
    CHECK(is_pending(SIGXFSZ));
}

/* So it does where the library writes files of its own. */
static void file_size_limit_of_own_files(void)
{
    enum { EXTENTS = 200 };
    struct rlimit limit;
    struct xtent_usage_options using = XTENT_USAGE_OPTIONS_INIT;
    struct xtent_dedupe_tree_options sharing = XTENT_DEDUPE_TREE_OPTIONS_INIT;
    struct xtent_usage_report usage = XTENT_USAGE_REPORT_INIT;
    struct xtent_dedupe_tree_report shared = XTENT_DEDUPE_TREE_REPORT_INIT;
    int clones = kernel_clones();
    int dir = new_directory(), fd = openat(dir, "file", O_RDWR | O_CREAT | O_EXCL, 0600);
    struct xtent_usage_root root = XTENT_USAGE_ROOT_INIT(dir, "file");
    struct xtent_dedupe_tree_root store = XTENT_DEDUPE_TREE_ROOT_INIT(dir, "file");

    if (strcmp(type, "xfs") != 0 && strcmp(type, "btrfs") != 0 && strcmp(type, "ext4") != 0)
        SKIP("%s does not say where each block lies", type);
    CHECK(fd >= 0);
    /* From the end on, and one after the other: none lies behind the one before it in the file. */
    for (uint64_t i = EXTENTS; i-- > 0;) {
        put(fd, i * 128 * KIB, 4 * KIB, (unsigned)i);
        CHECK_INT(fdatasync(fd), 0);
    }
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 512;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);

    using.memory = 1;
    using.scratch_dir = dir;
    CHECK_INT(xtent_usage(&root, 1, &using, &usage), -EFBIG);
    CHECK_INT(usage.reason, XTENT_REASON_FILE_SIZE_LIMIT);
    CHECK(!is_pending(SIGXFSZ));
    sharing.index = "index";
    sharing.index_dir = dir;
    if (clones) {
        CHECK_INT(xtent_dedupe_tree(&store, 1, &sharing, &shared), -EFBIG);
        CHECK_INT(shared.reason, XTENT_REASON_FILE_SIZE_LIMIT);
        CHECK(!is_pending(SIGXFSZ));
    }
}

static volatile sig_atomic_t cancelled;

static void on_signal(int signal)
{
    cancelled = signal;
}

struct steps {
    int until_signal;
    uint64_t at_signal, last;
};

static int signal_after_some(void *user, uint64_t done, uint64_t total)
{
    struct steps *steps = user;

    (void)total;
    steps->last = done;
    if (--steps->until_signal == 0) {
        steps->at_signal = done;
        raise(SIGUSR1);
    }
    return 0;
}

static void cancel_from_a_signal_handler(void)
{
    struct sigaction action;
    struct steps steps = {3, 0, 0};
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int src = file(48 * MIB, 1), dst = empty_file();
    int64_t n;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    options.cancel = &cancelled;
    options.progress = signal_after_some;
    options.user = &steps;

    n = xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &options, &report);
    CHECK_INT(report.reason, XTENT_REASON_CANCELLED);
    CHECK(steps.at_signal > 0);
    CHECK(n >= (int64_t)steps.at_signal && n <= (int64_t)(steps.at_signal + 4 * MIB));
    CHECK(equal(src, 0, dst, 0, (uint64_t)n));

    /* Still set: nothing is done, and that is an error. */
    CHECK_INT(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &options, &report), -ECANCELED);
    CHECK_INT(report.error, ECANCELED);
    CHECK_INT(report.reason, XTENT_REASON_CANCELLED);
    if (kernel_dedupes()) {
        struct xtent_dedupe_options watched = XTENT_DEDUPE_OPTIONS_INIT;
        struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(dst, 0);

        watched.cancel = &cancelled;
        CHECK_INT(xtent_dedupe_range(src, 0, 4096, &target, 1, &watched, NULL), 0);
        CHECK_INT(target.status, XTENT_NOT_REACHED);
        CHECK_INT(target.compared, 0);
    }
    /* A signal alone does not stop a copy. */
    cancelled = 0;
    options.cancel = NULL;
    steps.until_signal = 3;
    CHECK_INT(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &options, &report), 48 * MIB);
    CHECK(cancelled);
}

static void *set_flag(void *flag)
{
    usleep(2000);
    *(volatile sig_atomic_t *)flag = 1;
    return NULL;
}

/* When is not known, but whatever came back short says why, and is right. */
static void cancel_from_another_thread(void)
{
    static volatile sig_atomic_t flag;
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int src = file(64 * MIB, 1), dst = empty_file();
    pthread_t thread;
    int64_t n;

    options.cancel = &flag;
    CHECK_INT(pthread_create(&thread, NULL, set_flag, (void *)&flag), 0);
    n = xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &options, &report);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(n == (int64_t)(64 * MIB) || report.reason == XTENT_REASON_CANCELLED);
    CHECK_INT(report.error, n == (int64_t)(64 * MIB) ? 0 : ECANCELED);
    if (n > 0)
        CHECK(equal(src, 0, dst, 0, (uint64_t)n));
}

static int finished;

/* Whose end was asked for already. */
static void *called_when_cancelled(void *unused)
{
    struct xtent_report report = XTENT_REPORT_INIT;
    int src = file(1 * MIB, 1), dst = file(1 * MIB, 2), dir = new_directory();
    struct xtent_stage *stage;

    (void)unused;
    CHECK_INT(pthread_cancel(pthread_self()), 0);
    CHECK_INT(xtent_copy_range(src, 0, dst, 0, 64 * KIB, NULL, &report), 64 * KIB);
    xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report);
    CHECK_INT(xtent_copy_file(src, "", dir, "file", NULL, &report), 0);
    CHECK(xtent_stage_open(dir, "staged", NULL, &stage, &report) >= 0);
    CHECK_INT(xtent_stage_publish(stage, &report), 0);
    CHECK(xtent_stage_open(dir, "discarded", NULL, &stage, &report) >= 0);
    xtent_stage_discard(stage);
    finished = 1;
    pthread_testcancel();
    return NULL;
}

static void a_thread_that_is_cancelled(void)
{
    pthread_t thread;
    void *end;

    CHECK_INT(pthread_create(&thread, NULL, called_when_cancelled, NULL), 0);
    CHECK_INT(pthread_join(thread, &end), 0);
    CHECK(finished && end == PTHREAD_CANCELED);
}

enum { THREADS = 8, ROUNDS = 20 };

static int shared_src;

static void *work(void *number)
{
    uint64_t block = 64 * KIB;
    int dst = empty_file();

    for (int i = 0; i < ROUNDS; i++) {
        struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(dst, 0);
        struct xtent_report report = XTENT_REPORT_INIT;
        int reason = (int)(((size_t)number + (size_t)i) % (XTENT_REASON_INTERRUPTED + 1));

        CHECK_INT(xtent_copy_range(shared_src, 0, dst, 0, XTENT_TO_END, NULL, &report), 1 * MIB);
        CHECK_INT(xtent_clone_or_copy_range(shared_src, block, dst, 2 * block, 4 * block, NULL, &report), 4 * block);
        CHECK(equal(shared_src, block, dst, 2 * block, 4 * block));
        CHECK_INT(xtent_clone_range(shared_src, 0, dst, 0, 0, NULL, &report), -EINVAL);
        CHECK_INT(report.reason, XTENT_REASON_ZERO_LENGTH);
        xtent_dedupe_range(shared_src, 0, 2 * block, &target, 1, NULL, NULL);
        CHECK(equal(shared_src, 0, dst, 0, 2 * block));
        CHECK(strlen(xtent_reason_text(reason)) > 10);
        CHECK(strlen(xtent_reason_name(reason)) > 1);
    }
    close(dst);
    return NULL;
}

static void threads(void)
{
    pthread_t all[THREADS];

    shared_src = file(1 * MIB, 1);
    kernel_clones();
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&all[i], NULL, work, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(all[i], NULL), 0);
}

/* A child may go on with what its parent used. */
static void after_fork(void)
{
    int src = file(256 * KIB, 1), dst = empty_file(), status;
    pid_t child;

    use_everything(src, dst);
    child = fork();
    if (child == 0) {
        use_everything(src, dst);
        _exit(strlen(xtent_reason_text(XTENT_REASON_QUOTA)) < 5);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    use_everything(src, dst);
}

/* Nothing is printed, and nobody else runs in the process. */
static int tasks(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int n = 0;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int count_tasks(void *most, uint64_t done, uint64_t total)
{
    int n = tasks();

    (void)done;
    (void)total;
    if (n > *(int *)most)
        *(int *)most = n;
    return 0;
}

static void no_threads_and_no_output(void)
{
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    int src = file(256 * KIB, 1), dst = empty_file(), said = empty_file(), most = 0;
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);

    CHECK(dup2(said, STDOUT_FILENO) >= 0 && dup2(said, STDERR_FILENO) >= 0);
    use_everything(src, dst);
    /* Of a thread that was joined the kernel may tell a little longer. */
    while (tasks() > 1)
        sched_yield();
    options.progress = count_tasks;
    options.user = &most;
    xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &options, NULL);
    CHECK(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    CHECK_INT(size_of_file(said), 0);
    CHECK_INT(most, 1);
}

static int joined, detached;

/* The library's calls come here: what is detached may run on when the call has returned. */
int pthread_join(pthread_t thread, void **result)
{
    int (*real)(pthread_t, void **);

    *(void **)&real = dlsym(RTLD_NEXT, "pthread_join");
    joined++;
    return real(thread, result);
}

int pthread_detach(pthread_t thread)
{
    int (*real)(pthread_t);

    *(void **)&real = dlsym(RTLD_NEXT, "pthread_detach");
    detached++;
    return real(thread);
}

static void threads_of_a_tree_are_joined(void)
{
    struct xtent_tree_options options = XTENT_TREE_OPTIONS_INIT;
    struct xtent_dedupe_tree_options sharing = XTENT_DEDUPE_TREE_OPTIONS_INIT;
    int clones = kernel_clones(), dir = new_directory();
    struct xtent_dedupe_tree_root store = XTENT_DEDUPE_TREE_ROOT_INIT(dir, "tree");
    char name[32];

    CHECK_INT(mkdirat(dir, "tree", 0700), 0);
    for (int i = 0; i < 200; i++) {
        int fd;

        snprintf(name, sizeof name, "tree/%d", i);
        fd = openat(dir, name, O_WRONLY | O_CREAT, 0600);
        put(fd, 0, 5000 + (uint64_t)i / 2, 1);
        close(fd);
    }
    options.threads = 8;
    CHECK_INT(xtent_copy_tree(dir, "tree", dir, "copy", &options, NULL), 0);
    CHECK_INT(joined, 7);
    if (clones && strcmp(type, "overlay") != 0) {
        sharing.threads = 8;
        CHECK_INT(xtent_dedupe_tree(&store, 1, &sharing, NULL), 0);
        CHECK_INT(joined, 14);
    }
    CHECK_INT(detached, 0);
}

/* A child that is made while other threads are in the middle of calls: no lock can be left held. */
static void fork_among_threads(void)
{
    pthread_t all[THREADS];
    int src = file(256 * KIB, 1);

#ifdef __SANITIZE_ADDRESS__
    SKIP("the locks of AddressSanitizer's own malloc stay held in the child");
#endif
    shared_src = file(1 * MIB, 1);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&all[i], NULL, work, (void *)i), 0);
    for (int i = 0; i < ROUNDS; i++) {
        int status, dst = empty_file();
        pid_t child = fork();

        if (child == 0) {
            use_everything(src, dst);
            if (strlen(xtent_reason_text(i)) < 5)
                _exit(1);
            /* What the other threads had is nobody's here; valgrind would call it a leak. */
            execlp("true", "true", (char *)NULL);
            _exit(2);
        }
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK_INT(status, 0);
        close(dst);
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(all[i], NULL), 0);
}

static volatile sig_atomic_t signals, enough;

static void count_signal(int signal)
{
    (void)signal;
    signals = signals + 1;
}

static void *send_signals(void *to)
{
    while (!enough) {
        pthread_kill(*(pthread_t *)to, SIGUSR1);
        usleep(100);
    }
    return NULL;
}

/* A program whose handlers run all the time, and restart nothing. */
static void a_storm_of_signals(void)
{
    struct sigaction action;
    pthread_t self = pthread_self(), sender;
    int src = file(256 * KIB, 1), dst = empty_file();

    kernel_clones();
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal;
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(pthread_create(&sender, NULL, send_signals, &self), 0);
    for (int round = 0; round < 10 || signals < 100; round++) {
        use_everything(src, dst);
        CHECK_INT(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, NULL, NULL), 256 * KIB);
        CHECK(equal(src, 0, dst, 0, 256 * KIB));
        if (kernel_clones())
            CHECK_INT(xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, NULL), 0);
    }
    enough = 1;
    CHECK_INT(pthread_join(sender, NULL), 0);
}

static const struct test tests[] = {
    {"posix-locks-survive", posix_locks_survive},
    {"descriptors-stay-as-they-were", descriptors_stay_as_they_were},
    {"signals-stay-as-they-were", signals_stay_as_they_were},
    {"file-size-limit", file_size_limit},
    {"file-size-limit-of-own-files", file_size_limit_of_own_files},
    {"cancel-from-a-signal-handler", cancel_from_a_signal_handler},
    {"cancel-from-another-thread", cancel_from_another_thread},
    {"a-thread-that-is-cancelled", a_thread_that_is_cancelled},
    {"threads", threads},
    {"after-fork", after_fork},
    {"fork-among-threads", fork_among_threads},
    {"no-threads-and-no-output", no_threads_and_no_output},
    {"threads-of-a-tree-are-joined", threads_of_a_tree_are_joined},
    {"a-storm-of-signals", a_storm_of_signals},
};

MAIN(tests)
