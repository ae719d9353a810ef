/*
 * The C face of the table. The protocol, and what a driver is, stand in driver.rs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <xtent.h>

#define MANY 4096

static int slots[MANY];
/* Inherited numbers are not ours to close. */
static int ours[MANY];
static size_t n_slots;

struct call {
    const char *verb;
    size_t src, to[MANY], n_to;
    uint64_t src_off, len, to_off[MANY];
    uint32_t sparse, cache, server, measure, blocks;
    int cancelled_before, cancels_after;
    uint64_t cancel_after;
    int alarms;
    long uid;
    uint32_t undo, atomic;
    int scratch, keep;
};

static void fail(const char *what)
{
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

static void unescape(char *word)
{
    char *to = word;

    for (; *word; word++) {
        if (*word == '%') {
            char digits[3] = { word[1], word[2], 0 };

            *to++ = (char)strtol(digits, NULL, 16);
            word += 2;
        } else {
            *to++ = *word;
        }
    }
    *to = 0;
}

static void open_all(char *words)
{
    char *save, *word;

    for (size_t i = 0; i < n_slots; i++)
        if (ours[i] && slots[i] >= 0)
            close(slots[i]);
    n_slots = 0;
    for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (n_slots == MANY)
            fail("too many files");
        ours[n_slots] = *word != '=';
        if (ours[n_slots]) {
            char *path = strchr(word, ':') + 1;

            unescape(path);
            slots[n_slots] = open(path, atoi(word) | O_CLOEXEC);
            if (slots[n_slots] < 0)
                slots[n_slots] = -errno;
        } else {
            slots[n_slots] = atoi(word + 1);
        }
        n_slots++;
    }
    printf("opened");
    for (size_t i = 0; i < n_slots; i++)
        printf(" %d", slots[i]);
}

/* The place of a word in a list. */
static uint32_t choice(const char *word, const char *list)
{
    size_t len = strlen(word);

    for (uint32_t i = 0; list; i++) {
        if (!strncmp(list, word, len) && (list[len] == ' ' || list[len] == 0))
            return i;
        list = strchr(list, ' ');
        if (list)
            list++;
    }
    fail("unknown choice");
    return 0;
}

static void parse(struct call *call, char *words)
{
    char *save, *word;

    memset(call, 0, sizeof *call);
    call->uid = -1;
    for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');

        *value++ = 0;
        if (!strcmp(word, "verb"))
            call->verb = value;
        else if (!strcmp(word, "src"))
            call->src = strtoull(value, NULL, 10);
        else if (!strcmp(word, "src_off"))
            call->src_off = strtoull(value, NULL, 10);
        else if (!strcmp(word, "len"))
            call->len = strtoull(value, NULL, 10);
        else if (!strcmp(word, "to")) {
            if (call->n_to == MANY)
                fail("too many targets");
            call->to[call->n_to] = strtoull(value, &value, 10);
            call->to_off[call->n_to++] = strtoull(value + 1, NULL, 10);
        } else if (!strcmp(word, "sparse")) {
            call->sparse = choice(value, "keep fill detect");
        } else if (!strcmp(word, "cache")) {
            call->cache = choice(value, "keep neutral");
        } else if (!strcmp(word, "measure")) {
            call->measure = choice(value, "yes no");
        } else if (!strcmp(word, "blocks")) {
            call->blocks = choice(value, "no yes");
        } else if (!strcmp(word, "server")) {
            call->server = choice(value, "never allow");
        } else if (!strcmp(word, "cancel")) {
            call->cancelled_before = !strcmp(value, "before");
            call->cancels_after = !call->cancelled_before;
            if (call->cancels_after)
                call->cancel_after = strtoull(value + strlen("after,"), NULL, 10);
        } else if (!strcmp(word, "alarms"))
            call->alarms = 1;
        else if (!strcmp(word, "uid"))
            call->uid = atol(value);
        else if (!strcmp(word, "undo"))
            call->undo = !strcmp(value, "auto")   ? XTENT_UNDO_AUTO
                         : !strcmp(value, "best") ? XTENT_UNDO_BEST
                                                  : XTENT_UNDO_OFF;
        else if (!strcmp(word, "atomic"))
            call->atomic = !strcmp(value, "best") ? XTENT_ATOMIC_BEST : XTENT_ATOMIC_REQUIRED;
        else if (!strcmp(word, "scratch"))
            call->scratch = slots[atoi(value)];
        else if (!strcmp(word, "keep"))
            call->keep = 1;
        else
            fail("unknown key");
    }
}

/* Sets the position, and takes a lock on one byte: which kind, or '-'. */
static char prepare(int fd, size_t byte)
{
    struct flock lock = { .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };
    int writes = (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;

    lseek(fd, 3, SEEK_SET);
    lock.l_type = writes ? F_WRLCK : F_RDLCK;
    if (fcntl(fd, F_SETLK, &lock) != 0)
        return '-';
    return writes ? 'w' : 'r';
}

static void become_user(uid_t uid)
{
    if (seteuid(uid) != 0)
        fail("seteuid");
}

static void caught(int signal)
{
    (void)signal;
}

/* A signal every millisecond, to a handler that does nothing; system calls that it interrupts are not restarted. */
static void set_alarms(int on)
{
    struct sigaction action = { .sa_handler = caught };
    struct itimerval timer = { { 0, on ? 1000 : 0 }, { 0, on ? 1000 : 0 } };

    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0)
        fail("setitimer");
}

static int tell(void *user, uint64_t done, uint64_t total)
{
    const struct call *call = user;

    (void)total;
    return call->cancels_after && done >= call->cancel_after;
}

static void say_copied(int64_t result, const struct xtent_report *report)
{
    printf(" errno=%d reason=%d", result < 0 ? (int)-result : 0, result < 0 ? report->reason : 0);
    if (result < 0)
        printf(" value=-");
    else
        printf(" value=%lld", (long long)result);
    printf(" bytes=%llu copied=%llu cloned=%llu hole=%llu server=%llu fallback=%d alignment=%llu end=%d,%d",
           (unsigned long long)report->bytes, (unsigned long long)report->bytes_copied,
           (unsigned long long)report->bytes_cloned, (unsigned long long)report->bytes_hole,
           (unsigned long long)report->bytes_server, report->fallback,
           (unsigned long long)report->alignment, report->error, report->reason);
    printf(" dest=%u,%llu,%llu prot=%u", report->destination, (unsigned long long)report->changed_from,
           (unsigned long long)report->changed_to, report->protection);
}

static void clone(const struct call *call, int src, int dst)
{
    struct xtent_clone_options options = XTENT_CLONE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;

    options.undo = call->undo;
    options.atomic = call->atomic;
    options.scratch_dir = call->scratch;
    options.keep_undo = call->keep;
    say_copied(xtent_clone_range(src, call->src_off, dst, call->to_off[0], call->len, &options, &report), &report);
    if (report.undo_fd) {
        printf(" kept=%lld", (long long)lseek(report.undo_fd, 0, SEEK_END));
        close(report.undo_fd);
    } else {
        printf(" kept=-");
    }
}

static void say_known(uint64_t number)
{
    if (number == XTENT_UNKNOWN)
        printf(",-");
    else
        printf(",%llu", (unsigned long long)number);
}

static void dedupe(struct call *call)
{
    static const struct xtent_dedupe_options defaults = XTENT_DEDUPE_OPTIONS_INIT;
    static struct xtent_dedupe_target targets[MANY];
    struct xtent_dedupe_options options = defaults;
    struct xtent_report report = XTENT_REPORT_INIT;
    const volatile sig_atomic_t cancelled = call->cancelled_before;
    int result;

    options.cancel = &cancelled;
    options.progress = tell;
    options.user = call;
    options.measure = call->measure;
    options.blocks = call->blocks;
    options.cache = call->cache;
    for (size_t i = 0; i < call->n_to; i++) {
        struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(slots[call->to[i]], call->to_off[i]);

        targets[i] = target;
    }
    result = xtent_dedupe_range(slots[call->src], call->src_off, call->len, targets, call->n_to, &options, &report);
    printf(" errno=%d reason=%d", -result, result ? report.reason : 0);
    for (size_t i = 0; result == 0 && i < call->n_to; i++) {
        printf(" t=%d,%d,%d,%llu", targets[i].status, targets[i].error, targets[i].reason,
               (unsigned long long)targets[i].compared);
        say_known(targets[i].shared);
        say_known(targets[i].already_shared);
        say_known(targets[i].differs_at);
    }
}

/* The functions that look have no report, and so no reason. */
static void extents(const struct call *call)
{
    static struct xtent_extent found[MANY];
    int64_t n = xtent_extents(slots[call->src], call->src_off, call->len, found, MANY);

    printf(" errno=%d", n < 0 ? (int)-n : 0);
    for (int64_t i = 0; i < n && i < MANY; i++)
        printf(" x=%llu,%llu,%llu,%u", (unsigned long long)found[i].logical, (unsigned long long)found[i].physical,
               (unsigned long long)found[i].length, found[i].flags);
}

static void say_ability(const char *name, const struct xtent_ability *ability)
{
    printf(" %s=%d,%d,%d", name, ability->answer, ability->error, ability->reason);
}

static void call_verb(struct call *call)
{
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    const volatile sig_atomic_t cancelled = call->cancelled_before;
    int src = slots[call->src], dst = call->n_to ? slots[call->to[0]] : -1;

    options.cancel = &cancelled;
    options.progress = tell;
    options.user = call;
    options.sparse = call->sparse;
    options.cache = call->cache;
    options.server = call->server;
    if (!strcmp(call->verb, "copy_range")) {
        say_copied(xtent_copy_range(src, call->src_off, dst, call->to_off[0], call->len, &options, &report), &report);
    } else if (!strcmp(call->verb, "clone_range")) {
        clone(call, src, dst);
    } else if (!strcmp(call->verb, "clone_or_copy_range")) {
        say_copied(xtent_clone_or_copy_range(src, call->src_off, dst, call->to_off[0], call->len, &options, &report),
                   &report);
    } else if (!strcmp(call->verb, "dedupe_range")) {
        dedupe(call);
    } else if (!strcmp(call->verb, "extents")) {
        extents(call);
    } else if (!strcmp(call->verb, "shared_bytes")) {
        int64_t shared = xtent_shared_bytes(src, dst);

        if (shared < 0)
            printf(" errno=%d", (int)-shared);
        else
            printf(" errno=0 value=%lld", (long long)shared);
    } else if (!strcmp(call->verb, "probe")) {
        struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;
        int result = xtent_probe(src, dst, &found);

        printf(" errno=%d", -result);
        if (result == 0) {
            say_ability("copy", &found.copy);
            say_ability("clone", &found.clone);
            say_ability("dedupe", &found.dedupe);
            printf(" alignment=%llu", (unsigned long long)found.alignment);
        }
    } else {
        fail("unknown verb");
    }
}

/* Where the tree's failure was: the path beneath the source. */
static void tell_failure(void *user, const char *path, int error, int reason)
{
    (void)user;
    (void)error;
    (void)reason;
    printf(" at=%s", path);
}

static void tree(const char *verb, int dirs[2], const char *src, const char *dst, const struct xtent_tree_options *options)
{
    struct xtent_tree_report report = XTENT_TREE_REPORT_INIT;
    int result;

    if (!strcmp(verb, "copy_tree"))
        result = xtent_copy_tree(dirs[0], src, dirs[1], dst, options, &report);
    else if (!strcmp(verb, "clone_tree"))
        result = xtent_clone_tree(dirs[0], src, dirs[1], dst, options, &report);
    else
        result = xtent_clone_or_copy_tree(dirs[0], src, dirs[1], dst, options, &report);
    printf(" errno=%d reason=%d", -result, result ? report.reason : 0);
    printf(" files=%llu directories=%llu links=%llu specials=%llu", (unsigned long long)report.files,
           (unsigned long long)report.directories, (unsigned long long)report.links,
           (unsigned long long)report.specials);
    printf(" bytes=%llu copied=%llu cloned=%llu hole=%llu", (unsigned long long)report.bytes,
           (unsigned long long)report.bytes_copied, (unsigned long long)report.bytes_cloned,
           (unsigned long long)report.bytes_hole);
    printf(" fallback=%d vanished=%llu failures=%llu lost=%u", report.fallback, (unsigned long long)report.vanished,
           (unsigned long long)report.failures, report.unkept);
}

static int opened(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        fail("a file that is given open");
    return fd;
}

/* Opens the directory of a path, and leaves its last name. */
static int directory_of(char **path)
{
    char *slash = strrchr(*path, '/');
    int fd;

    *slash = 0;
    fd = opened(*path);
    *path = slash + 1;
    return fd;
}

/* A verb that takes paths. */
static void call_by_paths(char *words)
{
    struct xtent_tree_options trees = XTENT_TREE_OPTIONS_INIT;
    int dirs[2] = { AT_FDCWD, AT_FDCWD };
    const char *by = "";
    static const char *const ways[] = { "none", "detect", "lock", "lease", "snapshot", "best" };
    static char *to[MANY];
    static struct xtent_dedupe_file targets[MANY];
    struct call call = { .uid = -1 };
    struct xtent_copy_options copy = XTENT_COPY_OPTIONS_INIT;
    struct xtent_dedupe_options dedupe = XTENT_DEDUPE_OPTIONS_INIT;
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    char *src = NULL, *save, *word;
    volatile sig_atomic_t cancelled = 0;
    int result;

    for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');

        *value++ = 0;
        if (!strcmp(word, "verb"))
            call.verb = value;
        else if (!strcmp(word, "src"))
            unescape(src = value);
        else if (!strcmp(word, "to")) {
            if (call.n_to == MANY)
                fail("too many targets");
            unescape(to[call.n_to++] = value);
        } else if (!strcmp(word, "replace"))
            options.flags |= XTENT_FILE_REPLACE;
        else if (!strcmp(word, "durable"))
            options.flags |= XTENT_FILE_DURABLE;
        else if (!strcmp(word, "follow"))
            options.flags |= XTENT_FILE_FOLLOW;
        else if (!strcmp(word, "stable"))
            options.stable = choice(value, "none detect lock lease snapshot best");
        else if (!strcmp(word, "scratch")) {
            unescape(value);
            options.scratch_dir = opened(value);
        } else if (!strcmp(word, "by"))
            by = value;
        else if (!strcmp(word, "preserve"))
            options.preserve = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(word, "cancel")) {
            cancelled = !strcmp(value, "before");
            call.cancels_after = !cancelled;
            if (call.cancels_after)
                call.cancel_after = strtoull(value + strlen("after,"), NULL, 10);
        } else
            fail("unknown key");
    }
    copy.cancel = dedupe.cancel = &cancelled;
    copy.progress = dedupe.progress = tell;
    copy.user = dedupe.user = &call;
    options.copy = &copy;
    if (!strcmp(by, "directory")) {
        dirs[0] = directory_of(&src);
        dirs[1] = directory_of(&to[0]);
    } else if (!strcmp(by, "open")) {
        dirs[0] = opened(src);
        src = "";
    }
    printf("done");
    if (!strcmp(call.verb, "dedupe_files")) {
        for (size_t i = 0; i < call.n_to; i++) {
            struct xtent_dedupe_file target = XTENT_DEDUPE_FILE_INIT(AT_FDCWD, to[i]);

            targets[i] = target;
        }
        result = xtent_dedupe_files(AT_FDCWD, src, targets, call.n_to, &dedupe, &report);
        printf(" errno=%d reason=%d", -result, result ? report.reason : 0);
        for (size_t i = 0; result == 0 && i < call.n_to; i++) {
            printf(" t=%d,%d,%d,%llu", targets[i].status, targets[i].error, targets[i].reason,
                   (unsigned long long)targets[i].compared);
            say_known(targets[i].shared);
            say_known(targets[i].already_shared);
            say_known(targets[i].differs_at);
        }
        return;
    }
    if (strstr(call.verb, "_tree")) {
        if (options.flags & XTENT_FILE_REPLACE)
            trees.flags |= XTENT_TREE_REPLACE;
        if (options.flags & XTENT_FILE_DURABLE)
            trees.flags |= XTENT_TREE_DURABLE;
        trees.cancel = &cancelled;
        trees.progress = tell;
        trees.failed = tell_failure;
        trees.user = &call;
        tree(call.verb, dirs, src, to[0], &trees);
    } else {
        if (!strcmp(call.verb, "copy_file"))
            result = xtent_copy_file(dirs[0], src, dirs[1], to[0], &options, &report);
        else if (!strcmp(call.verb, "clone_file"))
            result = xtent_clone_file(dirs[0], src, dirs[1], to[0], &options, &report);
        else
            result = xtent_clone_or_copy_file(dirs[0], src, dirs[1], to[0], &options, &report);
        say_copied(result, &report);
        printf(" unkept=%u stable=%s", report.unkept, ways[report.stable]);
    }
    for (size_t i = 0; i < 2; i++)
        if (dirs[i] != AT_FDCWD)
            close(dirs[i]);
    if (options.scratch_dir)
        close(options.scratch_dir);
}

static void call_one(char *words)
{
    static struct call call;
    static char locks[MANY];

    parse(&call, words);
    for (size_t i = 0; i < n_slots; i++)
        locks[i] = prepare(slots[i], i);
    printf("done");
    if (call.uid >= 0)
        become_user((uid_t)call.uid);
    set_alarms(call.alarms);
    call_verb(&call);
    set_alarms(0);
    if (call.uid >= 0)
        become_user(0);
    printf(" pos=");
    for (size_t i = 0; i < n_slots; i++)
        printf("%s%lld", i ? "," : "", (long long)lseek(slots[i], 0, SEEK_CUR));
    printf(" locks=");
    for (size_t i = 0; i < n_slots; i++)
        printf("%s%c", i ? "," : "", locks[i]);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    while ((len = getline(&line, &room, stdin)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        if (!strncmp(line, "open", 4))
            open_all(line + 4);
        else if (!strncmp(line, "file ", 5))
            call_by_paths(line + 5);
        else if (!strncmp(line, "call ", 5))
            call_one(line + 5);
        else
            fail("not a line of the protocol");
        printf("\n");
        fflush(stdout);
    }
    free(line);
    return 0;
}
