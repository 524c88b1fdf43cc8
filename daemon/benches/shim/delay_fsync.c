/* A disk of known speed, for LD_PRELOAD: counts fsync and fdatasync, and takes a fixed time for each.
 *
 * COUNTERSIGN_FSYNC_COUNT=FILE  the count, a 64-bit number of this machine, in a file of 8 octets
 * COUNTERSIGN_FSYNC_MICROS=N    a sync takes N microseconds and does not reach the real disk; without it the
 *                               real one is called
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t *count;
static long micros = -1;

__attribute__((constructor)) static void begin(void) {
    const char *delay = getenv("COUNTERSIGN_FSYNC_MICROS");
    const char *file = getenv("COUNTERSIGN_FSYNC_COUNT");
    if (delay != NULL)
        micros = atol(delay);
    if (file == NULL)
        return;
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        _exit(70);
    void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        _exit(70);
    close(fd);
    count = page;
}

static int wait_or_sync(long number, int fd) {
    static _Thread_local int exact;
    if (count != NULL)
        atomic_fetch_add(count, 1);
    if (micros < 0)
        return (int)syscall(number, fd);
    if (!exact) {
        /* The kernel may be 50 us late by default, which is all of what a fast disk takes. */
        prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
        exact = 1;
    }
    struct timespec left = {.tv_sec = micros / 1000000, .tv_nsec = micros % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
    return 0;
}

int fsync(int fd) { return wait_or_sync(SYS_fsync, fd); }
int fdatasync(int fd) { return wait_or_sync(SYS_fdatasync, fd); }
