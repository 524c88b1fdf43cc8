//! A host whose wall clock somebody sets, seen by its daemon alone.

use std::process::Command;

use crate::support::Host;

/// Adds the seconds in the file `$TEST_CLOCK` to the wall clock, and to no other.
const SHIM: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    int result = (int) syscall(SYS_clock_gettime, id, at);
    const char *path = getenv("TEST_CLOCK");
    if (result == 0 && id == CLOCK_REALTIME && path) {
        char text[32] = {0};
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0) at->tv_sec += atoll(text);
            close(file);
        }
    }
    return result;
}
"#;

/// From the next start on the daemon's wall clock can be [`set`].
pub fn settable(host: &mut Host) {
    let (source, shim) = (host.path("clock.c"), host.path("clock.so"));
    std::fs::write(&source, SHIM).unwrap();
    // The linker of every build.
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).status().unwrap();
    assert!(made.success());
    set(host, 0);
    let clock = host.path("clock");
    host.set("LD_PRELOAD", shim.to_str().unwrap());
    host.set("TEST_CLOCK", clock.to_str().unwrap());
}

/// Sets it so many seconds forward, or back.
pub fn set(host: &Host, seconds: i64) {
    let beside = host.path("clock.new");
    std::fs::write(&beside, seconds.to_string()).unwrap();
    std::fs::rename(beside, host.path("clock")).unwrap();
}
