/*
 * Programs of another age than the library: compiled with a header whose structs end earlier, or that has
 * members which this library does not know (made-up.awk; LONGER says which).
 */
#include "check.h"

/* What stands around a struct of the caller's is not the library's to touch. */
#define GUARDED(type) struct { uint64_t before[8]; struct type it; uint64_t after[8]; }
#define GUARD(guarded) \
    do { \
        memset((guarded).before, 0xA5, sizeof (guarded).before); \
        memset((guarded).after, 0xA5, sizeof (guarded).after); \
    } while (0)
#define CHECK_GUARD(guarded) \
    do { \
        for (int i_ = 0; i_ < 8; i_++) \
            CHECK((guarded).before[i_] == UINT64_C(0xA5A5A5A5A5A5A5A5) && \
                  (guarded).after[i_] == UINT64_C(0xA5A5A5A5A5A5A5A5)); \
    } while (0)

static GUARDED(xtent_report) report;
static GUARDED(xtent_copy_options) copying;
static GUARDED(xtent_clone_options) cloning;
static GUARDED(xtent_dedupe_options) deduping;
static GUARDED(xtent_capabilities) found;
static int src, dst;

static void begin(void)
{
    const struct xtent_report new_report = XTENT_REPORT_INIT;
    const struct xtent_copy_options new_copying = XTENT_COPY_OPTIONS_INIT;
    const struct xtent_clone_options new_cloning = XTENT_CLONE_OPTIONS_INIT;
    const struct xtent_dedupe_options new_deduping = XTENT_DEDUPE_OPTIONS_INIT;
    const struct xtent_capabilities new_found = XTENT_CAPABILITIES_INIT;

    report.it = new_report;
    copying.it = new_copying;
    cloning.it = new_cloning;
    deduping.it = new_deduping;
    found.it = new_found;
    GUARD(report);
    GUARD(copying);
    GUARD(cloning);
    GUARD(deduping);
    GUARD(found);
    src = file(64 * KIB, 1);
    dst = file(64 * KIB, 1);
#ifdef LONGER
    /* What was in memory by chance is no answer. */
    report.it.made_up[0] = found.it.made_up[2] = 7;
#endif
}

static void end(int64_t result, int64_t want, int error, int reason)
{
    CHECK_INT(result, want);
    CHECK_INT(report.it.error, error);
    CHECK_INT(report.it.reason, reason);
    CHECK_INT(report.it.size, sizeof report.it);
    CHECK_GUARD(report);
    CHECK_GUARD(copying);
    CHECK_GUARD(cloning);
    CHECK_GUARD(deduping);
#ifdef LONGER
    CHECK_INT(report.it.made_up[0], 0);
#endif
}

static int64_t copy(void)
{
    return xtent_copy_range(src, 0, dst, 0, 1000, &copying.it, &report.it);
}

static void every_verb(void)
{
    begin();
    end(copy(), 1000, 0, XTENT_REASON_NONE);
    end(xtent_copy_range(-1, 0, dst, 0, 1, &copying.it, &report.it), -EBADF, EBADF, XTENT_REASON_BAD_DESCRIPTOR);
    end(xtent_clone_or_copy_range(src, 0, dst, 0, 1000, &copying.it, &report.it), 1000, 0, XTENT_REASON_NONE);
    end(xtent_clone_range(src, 0, dst, 0, 0, &cloning.it, &report.it), -EINVAL, EINVAL, XTENT_REASON_ZERO_LENGTH);
    if (kernel_clones())
        end(xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, &cloning.it, &report.it), 0, 0, XTENT_REASON_NONE);
    if (kernel_dedupes()) {
        struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(dst, 0);

        end(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &deduping.it, &report.it), 0, 0, XTENT_REASON_NONE);
        CHECK_INT(target.status, XTENT_SAME);
    }
    CHECK_INT(xtent_probe(src, dst, &found.it), 0);
    CHECK_GUARD(found);
    CHECK(found.it.copy.answer == XTENT_ANSWER_YES);
#ifdef LONGER
    CHECK_INT(found.it.made_up[2], 0);
#endif
}

/* A member that both have means the same to both. */
static void the_flag(void)
{
    volatile sig_atomic_t flag = 1;

    begin();
    copying.it.cancel = &flag;
    end(copy(), -ECANCELED, ECANCELED, XTENT_REASON_CANCELLED);
    flag = 0;
    end(copy(), 1000, 0, XTENT_REASON_NONE);
}

#ifdef LONGER
/* What a program asks of a later library, this one refuses rather than leave it undone. */
static void what_is_not_known(void)
{
    struct xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(-1, 0);
    uint64_t before;

    begin();
    before = fingerprint(dst);
    copying.it.made_up[1] = cloning.it.made_up[0] = deduping.it.made_up[2] = 1;
    end(copy(), -E2BIG, E2BIG, XTENT_REASON_INVALID_ARGUMENT);
    end(xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, &cloning.it, &report.it), -E2BIG, E2BIG,
        XTENT_REASON_INVALID_ARGUMENT);
    end(xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &deduping.it, &report.it), -E2BIG, E2BIG,
        XTENT_REASON_INVALID_ARGUMENT);
    CHECK_INT(target.status, XTENT_NOT_REACHED);
    CHECK_INT(fingerprint(dst), before);
}
#endif

static const struct test tests[] = {
    {"every-verb", every_verb},
    {"the-flag", the_flag},
#ifdef LONGER
    {"what-is-not-known", what_is_not_known},
#endif
};

MAIN(tests)
