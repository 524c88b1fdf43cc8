//! Deliveries that arrive, and the ways to a file that are refused.

use super::*;
use nix::unistd::{Uid, User, geteuid};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

struct Bench {
    place: tempfile::TempDir,
    certificate: CertificateId,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("ssl")).unwrap();
        fs::set_permissions(place.path().join("ssl"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { place, certificate: CertificateId::fresh(1, 2) }
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.place.path().canonicalize().unwrap().join(rest)
    }

    fn rule(&self, rest: &str) -> DeliverRule {
        DeliverRule { path: self.path(rest).to_str().unwrap().to_owned(), owner: None, mode: None }
    }

    fn deliver(&self, rule: &DeliverRule) -> Result<PathBuf, DeliverError> {
        deliver(rule, &self.certificate, "CHAIN\n")
    }

    fn refused(&self, rule: &DeliverRule) -> String {
        match self.deliver(rule) {
            Err(DeliverError::Refused(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("ssl")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn a_chain_arrives_whole_and_replaces_the_one_before() {
    let bench = Bench::new();
    let rule = bench.rule("ssl/{certificate}.pem");
    let path = bench.deliver(&rule).unwrap();
    assert_eq!(path, bench.path(&format!("ssl/{}.pem", bench.certificate)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "CHAIN\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    fs::write(&path, "an older and much longer chain").unwrap();
    let me = User::from_uid(geteuid()).unwrap().unwrap().name;
    let rule = DeliverRule { owner: Some(me), mode: Some(0o440), ..rule };
    bench.deliver(&rule).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "CHAIN\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o440);
    assert_eq!(bench.entries().len(), 1);
}

#[test]
fn another_owner_is_set_or_refused() {
    let bench = Bench::new();
    let Some(nobody) = User::from_name("nobody").unwrap() else {
        eprintln!("SKIPPED: this system has no account nobody");
        return;
    };
    let rule = DeliverRule { owner: Some("nobody".into()), ..bench.rule("ssl/web.pem") };
    match bench.deliver(&rule) {
        Ok(path) => assert_eq!(fs::metadata(path).unwrap().uid(), nobody.uid.as_raw()),
        Err(error) => {
            assert!(!geteuid().is_root() && error.to_string().contains("cannot give it to uid"), "{error}");
            assert!(bench.entries().is_empty());
        }
    }
    for owner in ["no-such-account", "root:no-such-group", ""] {
        let rule = DeliverRule { owner: Some(owner.into()), ..bench.rule("ssl/other.pem") };
        assert!(bench.refused(&rule).contains("of this system"));
    }
    assert!(!bench.path("ssl/other.pem").exists());
}

#[test]
fn symlinks_on_the_way_and_at_the_end_are_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.path("real")).unwrap();
    symlink(bench.path("real"), bench.path("ssl/link")).unwrap();
    assert!(bench.refused(&bench.rule("ssl/link/web.pem")).contains("is a symlink or not a directory"));
    fs::create_dir(bench.path("real/deep")).unwrap();
    assert!(bench.refused(&bench.rule("ssl/link/deep/web.pem")).contains("is a symlink or not a directory"));
    fs::write(bench.path("victim"), "untouched").unwrap();
    symlink(bench.path("victim"), bench.path("ssl/web.pem")).unwrap();
    assert!(bench.refused(&bench.rule("ssl/web.pem")).contains("not a regular file"));
    symlink("nowhere", bench.path("ssl/dangling.pem")).unwrap();
    assert!(bench.refused(&bench.rule("ssl/dangling.pem")).contains("not a regular file"));
    fs::create_dir(bench.path("ssl/dir.pem")).unwrap();
    assert!(bench.refused(&bench.rule("ssl/dir.pem")).contains("not a regular file"));
    assert_eq!(fs::read_to_string(bench.path("victim")).unwrap(), "untouched");
    assert!(fs::read_dir(bench.path("real/deep")).unwrap().next().is_none());
    assert!(bench.entries().iter().all(|name| !name.ends_with(".tmp")));
}

#[test]
fn missing_and_shared_directories_are_refused() {
    let bench = Bench::new();
    assert!(bench.refused(&bench.rule("ssl/none/web.pem")).contains("does not exist"));
    fs::write(bench.path("ssl/file"), "").unwrap();
    assert!(bench.refused(&bench.rule("ssl/file/web.pem")).contains("not a directory"));
    for (mode, fits) in [(0o775, false), (0o757, false), (0o1777, true), (0o755, true), (0o700, true)] {
        fs::set_permissions(bench.path("ssl"), fs::Permissions::from_mode(mode)).unwrap();
        let result = bench.deliver(&bench.rule("ssl/web.pem"));
        assert_eq!(result.is_ok(), fits, "{mode:o} {result:?}");
    }
}

#[test]
fn a_directory_of_a_stranger_is_refused() {
    let bench = Bench::new();
    let found = nix::sys::stat::stat(bench.place.path()).unwrap();
    let me = Uid::from_raw(found.st_uid);
    let (other, third) = (Uid::from_raw(me.as_raw() + 1), Uid::from_raw(me.as_raw() + 2));
    let mut of_other = found;
    of_other.st_uid = other.as_raw();
    assert_eq!(directory::judge(&found, me, None), Ok(()));
    assert!(directory::judge(&of_other, me, None).unwrap_err().contains("belongs to uid"));
    assert!(directory::judge(&of_other, me, Some(third)).is_err());
    assert_eq!(directory::judge(&of_other, me, Some(other)), Ok(()));
}

#[test]
fn a_failure_half_way_leaves_nothing_behind() {
    let bench = Bench::new();
    fs::write(bench.path("ssl/web.pem"), "old").unwrap();
    fs::create_dir(bench.path("ssl/dir")).unwrap();
    let names: Vec<String> = bench.path("ssl").iter().skip(1).map(|name| name.to_str().unwrap().to_owned()).collect();
    let (directory, _) = directory::walk(&names, None).unwrap();
    let error = place::place(&directory, "web.pem", Path::new("/x"), |file| {
        use std::io::Write as _;
        file.write_all(b"ha").unwrap();
        Err("the disk is full".to_owned())
    });
    assert_eq!(error, Err(DeliverError::Failed("cannot write /x: the disk is full".into())));
    let error = place::place(&directory, "dir", Path::new("/x"), |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("cannot replace /x"), "{error}");
    assert_eq!(fs::read_to_string(bench.path("ssl/web.pem")).unwrap(), "old");
    let mut entries = bench.entries();
    entries.sort();
    assert_eq!(entries, ["dir", "web.pem"]);
}

#[test]
fn what_a_crash_left_in_a_directory_of_the_daemon_is_removed() {
    let bench = Bench::new();
    assert_eq!(remove_left_behind(&bench.path("none")), Ok(()));
    let own = bench.path("ssl");
    for name in [".countersign-17.tmp", "web.crl", ".countersign-17", "countersign-17.tmp", ".other.tmp"] {
        fs::write(own.join(name), "x").unwrap();
    }
    fs::create_dir(own.join(".countersign-directory.tmp")).unwrap();
    std::os::unix::fs::symlink("web.crl", own.join(".countersign-link.tmp")).unwrap();
    assert_eq!(remove_left_behind(&own), Ok(()));
    let mut entries = bench.entries();
    entries.sort();
    let kept = [".countersign-17", ".countersign-directory.tmp", ".countersign-link.tmp", ".other.tmp"];
    assert_eq!(entries, [&kept[..], &["countersign-17.tmp", "web.crl"]].concat());
    std::os::unix::fs::symlink("ssl", bench.path("link")).unwrap();
    fs::write(own.join(".countersign-18.tmp"), "x").unwrap();
    assert!(remove_left_behind(&bench.path("link")).is_err());
    assert!(own.join(".countersign-18.tmp").exists());
}

#[test]
fn wrong_rules_are_told_by_the_policy_check() {
    for (path, mode, word) in [
        ("web.pem", None, "not absolute"),
        ("", None, "not absolute"),
        ("/", None, "empty component"),
        ("/etc//web.pem", None, "empty component"),
        ("/etc/ssl/", None, "empty component"),
        ("/etc/../web.pem", None, "empty component"),
        ("/etc/./web.pem", None, "empty component"),
        ("/etc/{name}.pem", None, "placeholder"),
        ("/etc/{certificate", None, "placeholder"),
        ("/etc/a\u{1b}[2J", None, "<U+001B>"),
        ("/etc/web.pem", Some(0o4755), "4755"),
        ("/etc/web.pem", Some(0o666), "0666"),
        ("/etc/web.pem", Some(0), "0000"),
    ] {
        let rule = DeliverRule { path: path.into(), owner: None, mode };
        let error = rule.check().unwrap_err();
        assert!(matches!(&error, DeliverError::Rule(sentence) if sentence.contains(word)), "{error}");
        assert_eq!(deliver(&rule, &CertificateId::fresh(1, 2), "x"), Err(error));
    }
    let rule = DeliverRule { path: "/etc/ssl/{certificate}/{certificate}.pem".into(), owner: None, mode: Some(0o600) };
    assert_eq!(rule.check(), Ok(()));
    let long = DeliverRule { path: format!("/{}", "a".repeat(256)), owner: None, mode: None };
    assert!(long.check().is_err());
}

impl Bench {
    /// Delivers a chain with its key.
    fn deliver_pair(&self, chain_pem: &str, key_pem: &str) -> Result<PathBuf, DeliverError> {
        let (chain, key) = (self.rule("ssl/{certificate}.pem"), self.rule("ssl/{certificate}.key"));
        deliver_pair(&Pair { chain: &chain, chain_pem, key: &key, key_pem }, &self.certificate)
    }

    fn read(&self, extension: &str) -> String {
        fs::read_to_string(self.path(&format!("ssl/{}.{extension}", self.certificate))).unwrap()
    }
}

#[test]
fn a_key_arrives_with_its_chain_for_its_owner_alone() {
    let bench = Bench::new();
    for (chain, key) in [("CHAIN 1", "KEY 1"), ("CHAIN 2", "KEY 2")] {
        bench.deliver_pair(chain, key).unwrap();
        assert_eq!((bench.read("pem").as_str(), bench.read("key").as_str()), (chain, key));
        let mode = |extension| {
            let path = bench.path(&format!("ssl/{}.{extension}", bench.certificate));
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!((mode("pem"), mode("key")), (0o644, 0o600));
    }
    assert_eq!(bench.entries().len(), 2);
    // A daemon that was killed between two steps left them.
    for left in [".countersign-key-1.tmp", ".countersign-key-2.tmp"] {
        fs::write(bench.path(&format!("ssl/{left}")), "KEY 0").unwrap();
    }
    bench.deliver_pair("CHAIN 3", "KEY 3").unwrap();
    assert_eq!((bench.read("key").as_str(), bench.entries().len()), ("KEY 3", 2));
}

#[test]
fn where_one_of_a_pair_cannot_be_placed_neither_is() {
    let bench = Bench::new();
    bench.deliver_pair("CHAIN", "KEY").unwrap();
    let chain = bench.path(&format!("ssl/{}.pem", bench.certificate));
    fs::remove_file(&chain).unwrap();
    fs::create_dir(&chain).unwrap();
    assert!(matches!(bench.deliver_pair("NEW CHAIN", "NEW KEY"), Err(DeliverError::Refused(_))));
    assert_eq!((bench.read("key").as_str(), bench.entries().len()), ("KEY", 2));
}

#[test]
fn a_key_is_taken_back_where_its_chain_is_refused() {
    for earlier in [true, false] {
        let bench = Bench::new();
        if earlier {
            bench.deliver_pair("CHAIN", "KEY").unwrap();
        }
        let (chain, key) = (bench.rule("ssl/{certificate}.pem"), bench.rule("ssl/{certificate}.key"));
        let (key, chain) =
            (Target::of(&key, &bench.certificate).unwrap(), Target::of(&chain, &bench.certificate).unwrap());
        let fill = |text: &'static str| move |file: &mut fs::File| place::fill(file, text.as_bytes(), None, 0o600);
        let mut chain = place::Beside::made(chain.place(false), fill("NEW CHAIN")).unwrap();
        // Somebody clears the directory up between the two system calls.
        let temporary = bench.entries().into_iter().find(|name| name.starts_with(".countersign-")).unwrap();
        fs::remove_file(bench.path(&format!("ssl/{temporary}"))).unwrap();
        let mut key = place::Beside::made(key.place(true), fill("NEW KEY")).unwrap();
        assert!(matches!(place::place_both(&mut key, &mut chain), Err(DeliverError::Failed(_))));
        drop((key, chain));
        if earlier {
            assert_eq!((bench.read("pem").as_str(), bench.read("key").as_str()), ("CHAIN", "KEY"));
        }
        assert_eq!(bench.entries().len(), if earlier { 2 } else { 0 });
    }
}
