// The header in C++17: every macro as an initializer, every function called.
#include <xtent.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::printf("FAIL %s/header-cc/uses-everything: line %d: %s\n", argv[1], __LINE__, #condition); \
            return 1; \
        } \
    } while (0)

static int count(void *user, std::uint64_t, std::uint64_t) { return ++*static_cast<int *>(user), 0; }

static int file(const std::string &directory)
{
    std::string path = directory + "/xtent-test-XXXXXX";
    int fd = mkstemp(path.data());
    unlink(path.c_str());
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int src = file(argv[3]), dst = file(argv[3]), calls = 0;
    volatile sig_atomic_t flag = 0;
    xtent_copy_options copy = XTENT_COPY_OPTIONS_INIT;
    xtent_clone_options clone = XTENT_CLONE_OPTIONS_INIT;
    xtent_dedupe_options dedupe = XTENT_DEDUPE_OPTIONS_INIT;
    xtent_report report = XTENT_REPORT_INIT;
    xtent_capabilities found = XTENT_CAPABILITIES_INIT;
    xtent_dedupe_target target = XTENT_DEDUPE_TARGET_INIT(dst, 0);
    xtent_extent extent = {};
    const std::string text(100000, 'x');

    CHECK(write(src, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    copy.cancel = dedupe.cancel = &flag;
    copy.progress = dedupe.progress = count;
    copy.user = dedupe.user = &calls;
    CHECK(xtent_copy_range(src, 0, dst, 0, XTENT_TO_END, &copy, &report) == 100000);
    CHECK(calls > 0 && report.bytes_copied == 100000 && report.reason == XTENT_REASON_NONE);
    CHECK(xtent_clone_range(src, 0, dst, 0, 0, &clone, &report) == -EINVAL);
    CHECK(xtent_clone_or_copy_range(src, 0, dst, 0, XTENT_TO_END, &copy, nullptr) == 100000);
    int result = xtent_dedupe_range(src, 0, XTENT_TO_END, &target, 1, &dedupe, nullptr);
    CHECK(result == 0 || result == -EOPNOTSUPP);
    CHECK(target.status != XTENT_DIFFERS);
    CHECK(xtent_probe(src, dst, &found) == 0 && found.copy.answer == XTENT_ANSWER_YES);
    CHECK(xtent_extents(src, 0, XTENT_TO_END, &extent, 1) != 0);
    CHECK(xtent_shared_bytes(src, dst) != -EBADF);
    CHECK(std::strcmp(xtent_reason_name(XTENT_REASON_OVERLAP), "overlap") == 0);
    CHECK(*xtent_reason_text(XTENT_REASON_OVERLAP) != '\0');
    CHECK(xtent_version() == XTENT_VERSION && *xtent_version_string() != '\0');
    std::printf("PASS %s/header-cc/uses-everything\n", argv[1]);
}
