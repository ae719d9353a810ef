/*
 * cp-whole SOURCE DESTINATION: a file under the new name, whole or not at all, sharing blocks where that is
 * possible, and with the source's mode and times. What is at the destination is replaced in one step.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <xtent.h>

int main(int argc, char **argv)
{
    struct xtent_file_options options = XTENT_FILE_OPTIONS_INIT;
    struct xtent_report report = XTENT_REPORT_INIT;
    int result;

    if (argc != 3) {
        fprintf(stderr, "usage: %s SOURCE DESTINATION\n", argv[0]);
        return 2;
    }
    options.flags = XTENT_FILE_REPLACE | XTENT_FILE_DURABLE;
    options.preserve = XTENT_PRESERVE_MODE | XTENT_PRESERVE_TIMES;
    result = xtent_clone_or_copy_file(AT_FDCWD, argv[1], AT_FDCWD, argv[2], &options, &report);
    if (result < 0) {
        fprintf(stderr, "%s: %s: %s\n", argv[2], strerror(-result), xtent_reason_text(report.reason));
        return 1;
    }
    printf("%llu bytes shared, %llu copied, %llu in holes\n", (unsigned long long)report.bytes_cloned,
           (unsigned long long)report.bytes_copied, (unsigned long long)report.bytes_hole);
    if (report.unkept != 0)
        printf("metadata not kept: 0x%x\n", (unsigned)report.unkept);
    return 0;
}
