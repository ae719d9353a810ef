/*
 * rsync and libxtent, without rsync's code: see glue.h for what is asked, apply for where.
 *
 * rsync tells of a kept range block by block, a few hundred bytes each. Neighbours are put together here, so
 * that one call shares a long range: its whole blocks are cloned, and its ragged ends copied.
 */
#include "glue.h"

#include <errno.h>
#include <unistd.h>
#include <xtent.h>

static struct {
    int src, dst;
    uint64_t src_off, dst_off, len;
} run;

/* A call may come back short; what is left is asked for again, until nothing is. */
static int64_t share(int src, uint64_t src_off, int dst, uint64_t dst_off, uint64_t len)
{
    uint64_t done = 0;
    int64_t n;

    do {
        uint64_t left = len == XTENT_TO_END ? len : len - done;

        n = xtent_clone_or_copy_range(src, src_off + done, dst, dst_off + done, left, NULL, NULL);
        if (n < 0) {
            errno = (int)-n;
            return -1;
        }
        done += (uint64_t)n;
    } while (n > 0 && done < len);
    return (int64_t)done;
}

static int clones(int src, int dst)
{
    struct xtent_capabilities found = XTENT_CAPABILITIES_INIT;

    return xtent_probe(src, dst, &found) == 0 && found.clone.answer == XTENT_ANSWER_YES;
}

int64_t glue_whole(int src, int dst)
{
    struct xtent_report report = XTENT_REPORT_INIT;

    /* What cannot be cloned is rsync's to copy: it knows how. */
    if (xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report) != 0)
        return 0;
    if (lseek(src, (off_t)report.bytes, SEEK_SET) < 0 || lseek(dst, (off_t)report.bytes, SEEK_SET) < 0)
        return 0;
    return (int64_t)report.bytes;
}

int glue_begin(int src, int dst)
{
    run.src = src;
    run.dst = dst;
    run.len = 0;
    return src >= 0 && dst >= 0 && clones(src, dst);
}

int glue_range(int64_t src_off, int64_t dst_off, int64_t len)
{
    if (run.len > 0 && run.src_off + run.len == (uint64_t)src_off && run.dst_off + run.len == (uint64_t)dst_off) {
        run.len += (uint64_t)len;
        return 0;
    }
    if (glue_end() != 0)
        return -1;
    run.src_off = (uint64_t)src_off;
    run.dst_off = (uint64_t)dst_off;
    run.len = (uint64_t)len;
    return 0;
}

int glue_end(void)
{
    uint64_t len = run.len;

    run.len = 0;
    if (len == 0)
        return 0;
    if (share(run.src, run.src_off, run.dst, run.dst_off, len) == (int64_t)len)
        return 0;
    /* The source became shorter meanwhile: rsync's checksum will tell, this is to make sure. */
    if (errno == 0)
        errno = EIO;
    return -1;
}
