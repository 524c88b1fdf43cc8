//! When the daemon does not start, and what it says then; and that it leaves what is not its own untouched.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{DaemonWhoami, DemoActAs};
use countersign_shared::protocol::{ActAsParams, NoParams};

use crate::support::{ALICE, Host, can_be_people, policy, policy_with, skipped};

/// A socket that already listens when its mode is set turns away for a moment who may connect. Here that moment is long.
#[test]
fn whoever_may_connect_is_let_in_as_soon_as_anybody_is() {
    if !can_be_people() {
        return;
    }
    match std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).output() {
        Err(_) => return skipped("strace is not installed"),
        Ok(traced) if !traced.status.success() => return skipped("no process can be traced"),
        Ok(_) => {}
    }
    let mut host = Host::prepared(&policy());
    let slow = "strace -D -f -qq -o /dev/null -e trace=fchmodat -e inject=fchmodat:delay_enter=500ms";
    host.run_by = slow.split(' ').map(str::to_owned).collect();
    host.start();
    assert_eq!(host.user(ALICE).call::<DaemonWhoami>(&NoParams {}).uid, ALICE);
    host.stop();
}

#[test]
fn a_state_directory_that_is_not_ours() {
    for (what, prepare, said) in [
        (
            "others may write",
            (|host| {
                std::fs::create_dir(&host.state).unwrap();
                std::fs::set_permissions(&host.state, Permissions::from_mode(0o777)).unwrap();
            }) as fn(&mut Host),
            "chmod 0700",
        ),
        ("a file", |host| std::fs::write(&host.state, "x").unwrap(), "not a directory"),
        (
            "a symbolic link",
            |host| {
                std::fs::create_dir(host.path("elsewhere")).unwrap();
                symlink(host.path("elsewhere"), &host.state).unwrap();
            },
            "not a directory",
        ),
        (
            "a lock that is a symbolic link",
            |host| {
                std::fs::create_dir(&host.state).unwrap();
                std::fs::set_permissions(&host.state, Permissions::from_mode(0o700)).unwrap();
                symlink(host.path("victim"), host.state.join("lock")).unwrap();
            },
            "lock",
        ),
        (
            "a database that is a symbolic link",
            |host| {
                std::fs::create_dir(&host.state).unwrap();
                std::fs::set_permissions(&host.state, Permissions::from_mode(0o700)).unwrap();
                symlink(host.path("victim"), host.database()).unwrap();
            },
            "database",
        ),
        (
            "a database of somebody else",
            |host| {
                std::fs::create_dir(&host.state).unwrap();
                std::fs::set_permissions(&host.state, Permissions::from_mode(0o700)).unwrap();
                let theirs = rusqlite::Connection::open(host.database()).unwrap();
                theirs.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").unwrap();
            },
            "belongs to another program",
        ),
        (
            "a directory that is not there",
            |host| host.flag("--state-dir", "/nonexistent/a/b".as_ref()),
            "cannot be made",
        ),
    ] {
        let mut host = Host::prepared(&policy());
        prepare(&mut host);
        let refusal = host.refusal();
        assert!(refusal.contains(said), "{what}: {refusal}");
        assert!(!refusal.contains("panicked"), "{what}: {refusal}");
        assert!(!host.path("victim").exists(), "{what}");
        assert!(!host.socket.exists(), "{what}");
    }
}

#[test]
fn a_state_directory_of_somebody_else() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("needs root");
    }
    let mut host = Host::prepared(&policy());
    std::fs::create_dir(&host.state).unwrap();
    std::fs::set_permissions(&host.state, Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&host.state, Some(62_001), None).unwrap();
    let refusal = host.refusal();
    assert!(refusal.contains("belongs to uid 62001"), "{refusal}");
    assert_eq!(std::fs::read_dir(&host.state).unwrap().count(), 0);
}

#[test]
fn a_state_directory_that_cannot_be_written() {
    let mut host = Host::prepared(&policy());
    if nix::unistd::geteuid().is_root() {
        // Root writes through any mode; a file system that is mounted read-only stops it too.
        std::fs::create_dir(&host.state).unwrap();
        let mounted = crate::full_disk::mount(&host.state, "ro,size=64k,mode=0700");
        let Some(_mounted) = mounted else { return skipped("a tmpfs cannot be mounted") };
        let refusal = host.refusal();
        assert!(refusal.contains("Read-only file system"), "{refusal}");
        return;
    }
    std::fs::create_dir(&host.state).unwrap();
    std::fs::set_permissions(&host.state, Permissions::from_mode(0o500)).unwrap();
    assert!(host.refusal().contains("Permission denied"));
}

#[test]
fn a_socket_path_that_is_taken() {
    let mut host = Host::prepared(&policy());
    std::fs::write(host.path("victim"), "untouched").unwrap();
    for target in ["victim", "nowhere"] {
        symlink(host.path(target), &host.socket).unwrap();
        let refusal = host.refusal();
        assert!(refusal.contains("a symlink is in the way"), "{refusal}");
        assert!(host.socket.is_symlink());
        std::fs::remove_file(&host.socket).unwrap();
    }
    assert!(!host.path("nowhere").exists());

    std::fs::write(&host.socket, "untouched").unwrap();
    let refusal = host.refusal();
    assert!(refusal.contains("no socket is in the way"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&host.socket).unwrap(), "untouched");
    assert_eq!(std::fs::read_to_string(host.path("victim")).unwrap(), "untouched");
    std::fs::remove_file(&host.socket).unwrap();

    // One that nobody serves any more is taken over; one that is served is not.
    drop(UnixListener::bind(&host.socket).unwrap());
    host.start();
    let mut second = Host::prepared(&policy());
    second.flag("--socket", &host.socket);
    let refusal = second.refusal();
    assert!(refusal.contains("socket"), "{refusal}");
    assert!(host.oneself().status().ledger_size > 0);
}

#[test]
fn two_daemons_on_one_state_directory() {
    let mut host = Host::serving(&policy());
    let mut second = Host::prepared(&policy());
    second.flag("--state-dir", &host.state);
    let refusal = second.refusal();
    assert!(refusal.contains("another countersignd holds"), "{refusal}");
    assert!(!host.oneself().status().read_only);
    host.kill();
    second.start();
    assert!(!second.oneself().status().read_only);
}

#[test]
fn a_bad_policy_is_refused_with_every_mistake_in_it() {
    let bad = policy()
        .replace("issuer = \"local-ca\"\nkeys = [\"ecdsa-p256\"", "issuer = \"nobody\"\nkeys = [\"ecdsa-p256\"")
        .replace("max_validity = \"90d\"", "max_validity = \"90 days\"")
        .replace("role = \"auditor\"", "role = \"king\"")
        .replace("need = 1", "need = 9");
    let mut host = Host::prepared(&bad);
    // 2, which the unit has in RestartPreventExitStatus=: no start is of use before somebody has edited it.
    let (refusal, status) = host.refusal_and_status();
    assert_eq!(status, 2, "{refusal}");
    for mistake in ["`nobody`", "p-web: max_validity", "`king`"] {
        assert!(refusal.contains(mistake), "{mistake}: {refusal}");
    }
    let mut host = Host::prepared(&policy().replace("requires_approval = true", "requires_aproval = true"));
    assert!(host.refusal().contains("requires_aproval"));
    let mut host = Host::prepared(&policy());
    std::fs::remove_file(host.path("policy.toml")).unwrap();
    let (refusal, status) = host.refusal_and_status();
    assert!(refusal.contains("policy.toml") && status == 2, "{status}: {refusal}");
}

#[test]
fn a_policy_file_that_changed_after_its_adoption_has_no_force() {
    let mut host = Host::serving(&policy());
    let adopted = host.oneself().status().policy_sha256;
    host.stop();
    for document in ["not toml at all [", &policy().replace("requires_approval = true", "requires_approval = false")] {
        std::fs::write(host.path("policy.toml"), document).unwrap();
        host.start();
        let status = host.oneself().status();
        assert!(status.policy_file_differs && !status.read_only);
        assert_eq!(status.policy_sha256, adopted);
        host.stop();
    }
}

#[test]
fn settings_that_are_not_understood() {
    for (config, variable, said) in [
        ("sockett = \"/x\"", None, "sockett"),
        ("socket_mode = \"0888\"", None, "socket_mode"),
        ("state_dir = 7", None, "state_dir"),
        ("[", None, "countersign.toml"),
        ("", Some(("COUNTERSIGN_JOB_AWAITING_APPROVAL_TIMEOUT", "soon")), "COUNTERSIGN_JOB_AWAITING_APPROVAL_TIMEOUT"),
        ("", Some(("COUNTERSIGN_JOB_AWAITING_APPROVAL_TIMEOUT", "0s")), "COUNTERSIGN_JOB_AWAITING_APPROVAL_TIMEOUT"),
    ] {
        let mut host = Host::prepared(&policy());
        std::fs::write(host.path("countersign.toml"), config).unwrap();
        if let Some((name, value)) = variable {
            host.set(name, value);
        }
        let refusal = host.refusal();
        assert!(refusal.contains(said), "{said}: {refusal}");
        assert!(!host.state.exists(), "{said}");
    }
}

#[test]
fn a_demo_and_a_real_installation_stay_apart() {
    let mut host = Host::serving(&policy());
    host.stop();
    let real = host.flags.clone();
    let demo = ["--demo", "--state-dir", host.state.to_str().unwrap(), "--socket", host.socket.to_str().unwrap()];
    let demo: Vec<String> = demo.iter().map(|flag| (*flag).to_owned()).collect();
    host.flags.clone_from(&demo);
    let refusal = host.refusal();
    assert!(refusal.contains("real installation"), "{refusal}");

    std::fs::remove_dir_all(&host.state).unwrap();
    host.start();
    assert!(host.oneself().status().demo);
    let mut one = host.oneself();
    for (person, role) in [("bob", "operator"), ("carol", "admin"), ("dave", "auditor")] {
        let chosen = one.call::<DemoActAs>(&ActAsParams { person: person.into() });
        assert_eq!((&chosen.account, &chosen.roles), (&format!("{person} (DEMO)"), &vec![role.to_owned()]));
        let asked = one.call::<DaemonWhoami>(&NoParams {});
        assert_eq!((asked.account, asked.roles), (chosen.account, chosen.roles));
    }
    one.refused::<DemoActAs>(&ActAsParams { person: "mallory".into() }, ErrorKind::NotFound);
    host.stop();
    host.flags = real;
    let refusal = host.refusal();
    assert!(refusal.contains("made by a demo"), "{refusal}");
    host.flags = demo;
    host.start();
    assert!(host.oneself().status().demo);
}

#[test]
fn what_the_policy_allows_an_issuing_program_is_what_the_daemon_gives_it() {
    let with = |timeout: &str| {
        let issuer = format!(
            "[[issuer]]\nid = \"script\"\ntype = \"exec\"\ncommand = [\"/bin/false\"]\ntimeout = \"{timeout}\""
        );
        Host::prepared(&policy_with(1, "", &issuer))
    };
    for timeout in ["1s", "10m"] {
        with(timeout).start();
    }
    for timeout in ["999ms", "11m"] {
        assert!(with(timeout).refusal().contains("is not within 1s to 10m"));
    }
}
