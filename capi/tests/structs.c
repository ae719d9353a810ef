/* Structs by their size: programs compiled for an earlier and for a later library. */
#include <stddef.h>

#include "check.h"

static int src, dst;

static int64_t copy(const void *options, void *report)
{
    return xtent_copy_range(src, 0, dst, 0, 1000, options, report);
}

static int clone(const void *options)
{
    return xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, options, NULL);
}

static int dedupe(const void *options)
{
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(dst, 0);

    return xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, options, NULL);
}

static void files(void)
{
    src = file(64 * KIB, 1);
    dst = file(64 * KIB, 1);
}

/* As of a later version, which has two members more. */
struct later_options {
    struct xtent_copy_options known;
    uint64_t newer[2];
};

static int stop_at_once(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    ++*(int *)user;
    return 1;
}

static void options_of_a_later_program(void)
{
    int calls = 0;
    struct later_options options = {XTENT_COPY_OPTIONS_INIT, {0, 0}};
    struct xtent_report report = XTENT_REPORT_INIT;

    files();
    options.known.size = sizeof options;
    options.known.progress = stop_at_once;
    options.known.user = &calls;
    CHECK_INT(copy(&options, NULL), 1000);
    CHECK_INT(calls, 1);
    /* It asks for something that this library does not know. */
    options.newer[1] = UINT64_C(1) << 63;
    CHECK_INT(copy(&options, &report), -E2BIG);
    CHECK_INT(report.reason, XTENT_REASON_INVALID_ARGUMENT);
    CHECK_INT(report.error, E2BIG);
    CHECK_INT(clone(&options), -E2BIG);
    CHECK_INT(dedupe(&options), -E2BIG);
    CHECK_INT(calls, 1);
}

static void options_of_an_earlier_program(void)
{
    int calls = 0;
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;

    files();
    options.progress = stop_at_once;
    options.user = &calls;
    /* An earlier version that ended before `progress`: what lies behind it is not looked at. */
    options.size = offsetof(struct xtent_copy_options, progress);
    CHECK_INT(copy(&options, NULL), 1000);
    CHECK_INT(calls, 0);
    /* Half of a pointer is none. */
    for (unsigned half = 1; half < sizeof(void *); half++) {
        options.size = (uint32_t)offsetof(struct xtent_copy_options, progress) + half;
        CHECK_INT(copy(&options, NULL), 1000);
    }
    CHECK_INT(calls, 0);
    options.size = sizeof(uint32_t);
    CHECK_INT(copy(&options, NULL), 1000);
}

static void sizes_and_flags_that_are_wrong(void)
{
    const uint32_t wrong[] = {0, 1, 3};
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;
    uint64_t before;

    files();
    before = fingerprint(dst);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options.size = wrong[i];
        CHECK_INT(copy(&options, &report), -EINVAL);
        CHECK_INT(report.reason, XTENT_REASON_INVALID_ARGUMENT);
        CHECK_INT(clone(&options), -EINVAL);
        CHECK_INT(dedupe(&options), -EINVAL);
        report.size = wrong[i];
        CHECK_INT(copy(NULL, &report), -EINVAL);
        report.size = sizeof report;
        found.size = wrong[i];
        CHECK_INT(xtent_probe(src, dst, &found), -EINVAL);
    }
    /* A size that was never set. */
    options.size = report.size = found.size = 0xEEEEEEEE;
    CHECK_INT(copy(&options, NULL), -E2BIG);
    CHECK_INT(copy(NULL, &report), -E2BIG);
    CHECK_INT(xtent_probe(src, dst, &found), -E2BIG);

    options.size = sizeof options;
    for (int bit = 0; bit < 32; bit++) {
        options.flags = UINT32_C(1) << bit;
        CHECK_INT(copy(&options, NULL), -EINVAL);
        CHECK_INT(clone(&options), -EINVAL);
        CHECK_INT(dedupe(&options), -EINVAL);
    }
    CHECK_INT(fingerprint(dst), before);
}

static void values_of_clone_options(void)
{
    const struct xtent_clone_options defaults = XTENT_CLONE_OPTIONS_INIT;
    struct xtent_clone_options options = defaults;
    struct xtent_report report = XTENT_REPORT_INIT;
    uint64_t before;

    files();
    before = fingerprint(dst);
    options.undo = XTENT_UNDO_OFF + 1;
    CHECK_INT(clone(&options), -EINVAL);
    options = defaults;
    options.atomic = XTENT_ATOMIC_REQUIRED + 1;
    CHECK_INT(clone(&options), -EINVAL);
    /* A file that would be handed over to nobody. */
    options = defaults;
    options.keep_undo = 1;
    CHECK_INT(clone(&options), -EINVAL);
    report.size = offsetof(struct xtent_report, undo_fd);
    CHECK_INT(xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, &options, &report), -EINVAL);
    CHECK_INT(report.reason, XTENT_REASON_INVALID_ARGUMENT);
    CHECK_INT(fingerprint(dst), before);
}

static void a_report_of_any_size(void)
{
    unsigned char room[sizeof(struct xtent_report) + 64];
    struct xtent_report whole = XTENT_REPORT_INIT;

    files();
    CHECK_INT(copy(NULL, &whole), 1000);
    for (uint32_t size = sizeof size; size <= sizeof room - 8; size++) {
        memset(room, 0xEE, sizeof room);
        memcpy(room, &size, sizeof size);
        CHECK_INT(copy(NULL, room), 1000);
        CHECK(memcmp(room, &size, sizeof size) == 0);
        for (size_t i = sizeof size; i < sizeof room; i++)
            CHECK_INT(room[i], i >= size ? 0xEE : i < sizeof whole ? ((unsigned char *)&whole)[i] : 0);
    }
}

static void capabilities_of_any_size(void)
{
    unsigned char room[sizeof(struct xtent_capabilities) + 64];
    struct xtent_capabilities whole = XTENT_CAPABILITIES_INIT;

    files();
    CHECK_INT(xtent_probe(src, dst, &whole), 0);
    for (uint32_t size = sizeof size; size <= sizeof room - 8; size += 4) {
        memset(room, 0xEE, sizeof room);
        memcpy(room, &size, sizeof size);
        CHECK_INT(xtent_probe(src, dst, (struct xtent_capabilities *)(void *)room), 0);
        for (size_t i = sizeof size; i < sizeof room; i++)
            CHECK_INT(room[i], i >= size ? 0xEE : i < sizeof whole ? ((unsigned char *)&whole)[i] : 0);
    }
}

/* Whatever lies at an odd address is read and written all the same. */
static void odd_addresses(void)
{
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(-1, 0);
    struct xtent_extent extent;
    char a[sizeof options + 1], b[sizeof report + 1], c[sizeof target + 1], d[sizeof extent + 1];
    volatile sig_atomic_t flags[2] = {0, 0};

    files();
    target.fd = dst;
    memcpy(a + 1, &options, sizeof options);
    memcpy(b + 1, &report, sizeof report);
    memcpy(c + 1, &target, sizeof target);
    CHECK_INT(copy(a + 1, b + 1), 1000);
    memcpy(&report, b + 1, sizeof report);
    CHECK_INT(report.bytes, 1000);
    if (kernel_dedupes()) {
        CHECK_INT(xtent_dedupe_range(src, 0, 4096, (struct xtent_dedupe_target *)(void *)(c + 1), 1, NULL, NULL), 0);
        memcpy(&target, c + 1, sizeof target);
        CHECK_INT(target.status, XTENT_SAME);
    }
    if (has_maps())
        CHECK_INT(xtent_extents(src, 0, XTENT_TO_END, (struct xtent_extent *)(void *)(d + 1), 1), 1);
    /* But for a flag: it could not be read in one piece. */
    options.cancel = (const volatile sig_atomic_t *)(const volatile void *)((const volatile char *)flags + 1);
    CHECK_INT(copy(&options, NULL), -EINVAL);
}

/* Choices by number: those that there are, and none else. */
static void choices(void)
{
    struct xtent_copy_options options = XTENT_COPY_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    const struct {
        uint32_t *member, last;
    } all[] = {
        { &options.sparse, XTENT_SPARSE_DETECT },
        { &options.cache, XTENT_CACHE_NEUTRAL },
        { &options.server, XTENT_SERVER_ALLOW },
        { &options.reserved, 0 },
    };

    files();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (*all[i].member = 0; *all[i].member <= all[i].last; ++*all[i].member)
            CHECK_INT(copy(&options, NULL), 1000);
        CHECK_INT(copy(&options, &report), -EINVAL);
        CHECK_INT(report.reason, XTENT_REASON_INVALID_ARGUMENT);
        *all[i].member = UINT32_MAX;
        CHECK_INT(copy(&options, NULL), -EINVAL);
        *all[i].member = 0;
    }
}

/* What is reserved is kept for later: it must be zero today. */
static void reserved_members(void)
{
    struct xtent_dedupe_target targets[2] = {XTENT_DEDUPE_TARGET_INIT(-1, 0), XTENT_DEDUPE_TARGET_INIT(-1, 0)};
    struct xtent_report report = XTENT_REPORT_INIT;

    files();
    for (int i = 0; i < 2; i++) {
        targets[0].fd = targets[1].fd = dst;
        targets[0].status = targets[1].status = XTENT_SAME;
        targets[1].reserved[i] = 1;
        CHECK_INT(xtent_dedupe_range(src, 0, 4096, targets, 2, NULL, &report), -EINVAL);
        CHECK_INT(report.reason, XTENT_REASON_INVALID_ARGUMENT);
        CHECK_INT(targets[0].status, XTENT_NOT_REACHED);
        CHECK_INT(targets[1].status, XTENT_NOT_REACHED);
        targets[1].reserved[i] = 0;
    }
    /* Unreached also when the report is what is wrong. */
    targets[0].status = XTENT_SAME;
    report.size = 0;
    CHECK_INT(xtent_dedupe_range(src, 0, 4096, targets, 2, NULL, &report), -EINVAL);
    CHECK_INT(targets[0].status, XTENT_NOT_REACHED);
}

static const struct test tests[] = {
    {"options-of-a-later-program", options_of_a_later_program},
    {"options-of-an-earlier-program", options_of_an_earlier_program},
    {"sizes-and-flags-that-are-wrong", sizes_and_flags_that_are_wrong},
    {"values-of-clone-options", values_of_clone_options},
    {"a-report-of-any-size", a_report_of_any_size},
    {"capabilities-of-any-size", capabilities_of_any_size},
    {"odd-addresses", odd_addresses},
    {"choices", choices},
    {"reserved-members", reserved_members},
};

MAIN(tests)
