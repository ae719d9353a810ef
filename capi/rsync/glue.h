/* What rsync asks of libxtent: a whole file from another, and ranges that a file has kept. */
#ifndef XTENT_GLUE_H
#define XTENT_GLUE_H

#include <stdint.h>

/*
 * Makes the empty file `dst` share all of `src`, and puts both descriptors' positions to the end of what is
 * done. Returns that number of bytes; 0 where nothing can be shared: whoever called goes on as before.
 */
int64_t glue_whole(int src, int dst);

/*
 * Begins a file `dst` that is put together from ranges of `src` and from new data. Returns whether ranges can be
 * shared at all; then glue_range may be called.
 */
int glue_begin(int src, int dst);

/* `len` bytes of `src` at `src_off` belong to `dst` at `dst_off`. Returns 0, or -1 with errno. */
int glue_range(int64_t src_off, int64_t dst_off, int64_t len);

/* The last ranges are done. Returns 0, or -1 with errno. */
int glue_end(void);

#endif
