/* For user-mode Linux 6.1 on processors with AMX. It reads and writes the registers of its processes as far as AVX-512
 * reaches, and since AMX a Linux host takes all of them or none (PTRACE_SETREGSET: EFAULT). Preloaded, this puts zeros
 * behind what it writes: no process in a guest has AMX. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long call(int request, pid_t process, void *address, void *data);

long ptrace(enum __ptrace_request request, ...)
{
    static call *real;
    static char registers[1 << 15];
    static size_t size;
    struct iovec *theirs, all = { registers, sizeof registers };
    va_list rest;
    pid_t process;
    void *address, *data;

    va_start(rest, request);
    process = va_arg(rest, pid_t);
    address = va_arg(rest, void *);
    data = va_arg(rest, void *);
    va_end(rest);
    if (real == NULL)
        real = (call *)dlsym(RTLD_NEXT, "ptrace");
    theirs = data;
    if (request != PTRACE_SETREGSET || address != (void *)NT_X86_XSTATE)
        return real(request, process, address, data);
    if (size == 0) {
        if (real(PTRACE_GETREGSET, process, address, &all) != 0)
            return -1;
        size = all.iov_len;
    }
    if (theirs->iov_len >= size)
        return real(request, process, address, data);
    memset(registers, 0, size);
    memcpy(registers, theirs->iov_base, theirs->iov_len);
    all.iov_len = size;
    return real(request, process, address, &all);
}
