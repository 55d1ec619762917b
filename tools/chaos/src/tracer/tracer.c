/* Preloaded into a DC: writes down what it does to its data file, in the order in which the system has done it.
 *
 * MESH_TRACE names the file to append to. Each record is a header and, for a write, what was written. Only fds that
 * open() gave for a path that ends in /data.mdb are looked at. A write to an fd that was opened with O_DSYNC is on disk
 * when it returns; any other is there after the next sync. tools/chaos/platter.py makes images of a lost power from it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FDS 4096
enum { OTHER = 0, DATA = 1, DATA_SYNCED = 2 };

struct header {
    uint64_t kind; /* 'W' a write, 'D' a write that is on disk, 'S' a sync */
    double at;     /* seconds of the monotonic clock, before it was done */
    uint64_t offset, length;
};

static char fds[FDS];
static int trace = -1;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static char kind_of(int fd) { return fd >= 0 && fd < FDS ? fds[fd] : OTHER; }

static void note(uint64_t kind, double at, uint64_t offset, const void *data, uint64_t length) {
    struct header head = {kind, at, offset, length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, data ? length : 0}};
    if (trace >= 0 && syscall(SYS_writev, trace, parts, 2) != (long)(sizeof head + parts[1].iov_len)) abort();
}

static void opened(const char *path, int flags, int fd) {
    size_t length = strlen(path);
    if (fd < 0 || fd >= FDS) return;
    fds[fd] = OTHER;
    if (length < 9 || strcmp(path + length - 9, "/data.mdb") != 0) return;
    fds[fd] = (flags & O_DSYNC) ? DATA_SYNCED : DATA;
    if (trace < 0 && getenv("MESH_TRACE"))
        trace = (int)syscall(SYS_openat, AT_FDCWD, getenv("MESH_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, int) : 0;
    va_end(rest);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    opened(path, flags, fd);
    return fd;
}

int close(int fd) {
    if (fd >= 0 && fd < FDS) fds[fd] = OTHER;
    return (int)syscall(SYS_close, fd);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    double at = now();
    ssize_t done = syscall(SYS_pwrite64, fd, data, length, offset);
    if (done > 0 && kind_of(fd)) note(kind_of(fd) == DATA ? 'W' : 'D', at, (uint64_t)offset, data, (uint64_t)done);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    double at = now();
    off_t offset = kind_of(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = syscall(SYS_writev, fd, parts, count), left = done;
    for (int i = 0; i < count && left > 0 && kind_of(fd); i++) {
        size_t some = (ssize_t)parts[i].iov_len < left ? parts[i].iov_len : (size_t)left;
        note(kind_of(fd) == DATA ? 'W' : 'D', at, (uint64_t)offset, parts[i].iov_base, some);
        offset += (off_t)some;
        left -= (ssize_t)some;
    }
    return done;
}

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec part = {(void *)data, length};
    if (kind_of(fd)) return writev(fd, &part, 1);
    return syscall(SYS_write, fd, data, length);
}

int fdatasync(int fd) {
    double at = now();
    int done = (int)syscall(SYS_fdatasync, fd);
    if (done == 0 && kind_of(fd)) note('S', at, 0, NULL, 0);
    return done;
}

int fsync(int fd) {
    double at = now();
    int done = (int)syscall(SYS_fsync, fd);
    if (done == 0 && kind_of(fd)) note('S', at, 0, NULL, 0);
    return done;
}
