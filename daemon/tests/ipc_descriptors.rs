//! The socket while the process has no descriptor left. Alone in its file: the shortage is the whole process's.

#[path = "ipc/host.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking; several tests share this file")]
mod host;

use std::fs::File;
use std::time::Duration;

use countersignd::ipc::Limits;
use host::Host;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;

fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process knows its own usage");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros(time.num_microseconds().unsigned_abs()))
        .sum()
}

#[test]
fn a_shortage_of_descriptors_is_waited_out_without_spinning() {
    let host = Host::new(Limits::default());
    host.assert_serves("start");
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 128, hard).unwrap();
    let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(held.len() > 10);
    // The client takes the last descriptor; the server finds none to accept with.
    held.pop();
    let mut client = host.connect();
    assert!(File::open("/dev/null").is_err());
    client.call(1, "echo", "{}");
    let before = processor_time();
    std::thread::sleep(Duration::from_millis(500));
    let spent = processor_time() - before;
    assert!(spent < Duration::from_millis(150), "{spent:?} of processor time while waiting");
    drop(held);
    assert_eq!(client.next().unwrap()["id"], 1);
    host.assert_serves("the shortage");
}
