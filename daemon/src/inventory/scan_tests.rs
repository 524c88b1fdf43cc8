use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::listener::Target;
use super::testing::{Pki, now, place};
use super::*;

fn look(plan: &Plan) -> Scan {
    scan(plan, now(), &AtomicBool::new(false))
}

fn below(pki: &Pki, name: &str) -> Plan {
    Plan { roots: vec![pki.path(name)], ..Plan::default() }
}

fn kinds(scan: &Scan) -> BTreeSet<(String, &'static str)> {
    scan.findings.iter().map(|finding| (finding.place.to_string(), finding.problem.kind())).collect()
}

#[test]
fn files_links_and_what_is_in_the_way() {
    let pki = Pki::new();
    for directory in ["root", "root/live", "root/archive", "root/deep", "root/deep/er", "outside"] {
        std::fs::create_dir(pki.path(directory)).unwrap();
    }
    pki.write("root/archive/cert1.pem", pki.text("bundle.pem"));
    symlink("../archive/cert1.pem", pki.path("root/live/cert.pem")).unwrap();
    symlink(pki.path("root/archive/cert1.pem"), pki.path("root/live/absolute.pem")).unwrap();
    pki.write("outside/secret.pem", pki.text("leaf.pem"));
    symlink("../../outside/secret.pem", pki.path("root/live/out.pem")).unwrap();
    symlink(pki.path("outside/secret.pem"), pki.path("root/live/out-absolute.pem")).unwrap();
    symlink("../archive", pki.path("root/live/directory")).unwrap();
    symlink("nowhere", pki.path("root/live/dead")).unwrap();
    symlink("circle", pki.path("root/live/circle")).unwrap();
    nix::unistd::mkfifo(&pki.path("root/pipe.pem"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(pki.path("root/socket")).unwrap();
    pki.write("root/privkey.pem", pki.text("leaf.key"));
    pki.write("root/empty.crt", "");
    pki.write("root/notes.txt", "nothing");
    pki.write("root/large.pem", vec![b'x'; 5 << 20]);
    pki.write("root/deep/er/x.pem", pki.text("leaf.pem"));

    let limits = Limits { depth: 1, ..Limits::default() };
    let scan = look(&Plan { limits, ..below(&pki, "root") });
    let root = pki.path("root");
    let at: Vec<String> = scan.sightings.iter().map(|sighting| sighting.place.to_string()).collect();
    assert_eq!(at, ["archive/cert1.pem", "live/absolute.pem", "live/cert.pem"].map(|name| place(&root, name)));
    assert_eq!(
        kinds(&scan),
        [
            ("deep/er", "limit"),
            ("empty.crt", "no_certificate"),
            ("large.pem", "too_large"),
            ("live/circle", "dead_link"),
            ("live/dead", "dead_link"),
            ("live/out-absolute.pem", "leads_out"),
            ("live/out.pem", "leads_out"),
            ("pipe.pem", "special"),
            ("socket", "special"),
        ]
        .map(|(name, kind)| (place(&root, name), kind))
        .into()
    );
    assert!(scan.unseen.contains(&Place::File(root.join("deep/er"))));
    assert_eq!(duplicates(&scan.seen())[0].places.len(), 3);
    let leaf = &scan.sightings[0];
    assert_eq!((leaf.role, leaf.chain.len()), (Role::Leaf, 2));
    assert_eq!(leaf.owner_uid, Some(nix::unistd::geteuid().as_raw()));
    assert_eq!(scan.certificates.len(), 3);
    assert_eq!(leaf.usable_until, scan.certificates[&leaf.sha256].not_after);
}

#[test]
fn roots_that_are_named() {
    let pki = Pki::new();
    let plan = Plan {
        roots: ["leaf.pem", "leaf.key", "missing.pem", "link.pem"].map(|name| pki.path(name)).to_vec(),
        ..Plan::default()
    };
    symlink("ca.pem", pki.path("link.pem")).unwrap();
    let scan = look(&Plan { roots: [plan.roots.clone(), vec!["relative".into()]].concat(), ..plan });
    let root = pki.directory.path();
    let found: Vec<_> = scan.sightings.iter().map(|sighting| (sighting.place.to_string(), sighting.role)).collect();
    assert_eq!(found, [(place(root, "leaf.pem"), Role::Leaf), (place(root, "link.pem"), Role::Authority)]);
    assert_eq!(
        kinds(&scan),
        BTreeSet::from([
            (place(root, "leaf.key"), "no_certificate"),
            (place(root, "missing.pem"), "missing"),
            ("file:relative".to_owned(), "failed"),
        ])
    );
}

#[test]
fn what_may_not_be_read_is_said() {
    let pki = Pki::new();
    std::fs::create_dir(pki.path("shut")).unwrap();
    pki.write("shut/x.pem", pki.text("leaf.pem"));
    let mode = |name, mode| std::fs::set_permissions(pki.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("leaf.pem", 0o000);
    mode("shut", 0o000);
    let plan = below(&pki, "");
    // Root may read everything; as far as files go, this thread is nobody. It ends with the test.
    let scan = std::thread::spawn(move || {
        if nix::unistd::geteuid().is_root() {
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
        }
        look(&plan)
    });
    let scan = scan.join().unwrap();
    mode("shut", 0o700);
    let found: BTreeSet<_> = scan
        .findings
        .iter()
        .filter(|finding| finding.problem == Problem::PermissionDenied)
        .map(|it| &it.place)
        .collect();
    for name in ["leaf.pem", "shut"] {
        let place = Place::File(pki.path(name));
        assert!(found.contains(&place) && scan.unseen.contains(&place), "{name}: {:?}", scan.findings);
    }
    assert!(scan.sightings.iter().any(|sighting| sighting.place == Place::File(pki.path("ca.pem"))));
}

#[test]
fn bounds_end_a_scan_and_hide_nothing_silently() {
    let pki = Pki::new();
    std::fs::create_dir(pki.path("many")).unwrap();
    for i in 0..20 {
        pki.write(&format!("many/{i:02}.pem"), pki.text("leaf.pem"));
    }
    let root = pki.path("many");
    let directory = Place::File(root.clone());
    for (limits, place, kind, sightings) in [
        (Limits { entries: 5, ..Limits::default() }, directory.clone(), "limit", 5),
        (Limits { time: Duration::ZERO, ..Limits::default() }, directory.clone(), "out_of_time", 0),
        (Limits { sightings: 3, ..Limits::default() }, Place::File(root.join("03.pem")), "limit", 3),
    ] {
        let scan = look(&Plan { limits, ..below(&pki, "many") });
        assert_eq!(scan.sightings.len(), sightings);
        assert_eq!(kinds(&scan), BTreeSet::from([(place.to_string(), kind)]));
        assert!(scan.unseen.contains(&directory), "{kind}");
    }
    let octets = Limits { total_size: 3000, findings: 2, ..Limits::default() };
    let scan = look(&Plan { limits: octets, ..below(&pki, "many") });
    assert_eq!(scan.findings.len(), 2);
    assert_eq!(scan.sightings.len() as u64 + 2 + scan.findings_left_out, 20);
    assert_eq!(scan.sightings.len() + scan.unseen.len(), 20);
    let stopped = super::scan(&below(&pki, "many"), now(), &AtomicBool::new(true));
    assert_eq!((stopped.sightings.len(), stopped.findings[0].problem.clone()), (0, Problem::OutOfTime));
}

#[test]
fn whoever_fills_one_directory_hides_nothing_in_another() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("files are given to somebody else by root alone: shares are not tested");
        return;
    }
    let pki = Pki::new();
    let mallory = Some(nix::unistd::Uid::from_raw(4000));
    std::fs::create_dir_all(pki.path("all/a")).unwrap();
    std::fs::create_dir_all(pki.path("all/b")).unwrap();
    pki.write("all/b/web.pem", pki.text("leaf.pem"));
    pki.openssl("pkcs12 -export -in leaf.pem -inkey leaf.key -out slow.p12 -iter 20000 -passout pass:x");
    for i in 0..40 {
        let name = format!("all/a/{i:02}.pem");
        pki.write(&name, pki.text("bundle.pem"));
        nix::unistd::chown(&pki.path(&name), mallory, None).unwrap();
    }
    for i in 0..10 {
        // Root's file, and the link is somebody's: the place is theirs.
        let name = format!("all/a/link{i}.pem");
        symlink("../b/web.pem", pki.path(&name)).unwrap();
        std::os::unix::fs::lchown(pki.path(&name), Some(4000), None).unwrap();
    }
    let b = Place::File(pki.path("all/b/web.pem"));
    let web =
        |scan: &Scan| scan.sightings.iter().find(|sighting| sighting.place == b).map(|sighting| sighting.owner_uid);
    for (limits, of, sightings) in [
        (Limits { entries: 60, ..Limits::default() }, "directory entries of one account", 16),
        (Limits { sightings: 60, ..Limits::default() }, "certificates of one account", 16),
        (Limits { total_size: 40_000, ..Limits::default() }, "octets of one account", 0),
    ] {
        let scan = look(&Plan { limits, ..below(&pki, "all") });
        assert_eq!(web(&scan), Some(Some(0)), "{of}");
        assert!(scan.findings.iter().any(|found| found.problem.to_string().contains(of)), "{of}: {:?}", scan.findings);
        assert!(scan.sightings.iter().all(|seen| seen.place == b || seen.owner_uid == Some(4000)));
        assert!(sightings == 0 || scan.sightings.len() == sightings, "{of}: {}", scan.sightings.len());
    }
    for i in 0..9 {
        let name = format!("all/a/{i}.p12");
        pki.write(&name, pki.bytes("slow.p12"));
        nix::unistd::chown(&pki.path(&name), mallory, None).unwrap();
    }
    let limits = Limits { iterations: 320_000, ..Limits::default() };
    let scan = look(&Plan { limits, ..below(&pki, "all/a") });
    let kinds: Vec<&str> = (0..9)
        .filter_map(|i| {
            let place = Place::File(pki.path(&format!("all/a/{i}.p12")));
            scan.findings.iter().find(|found| found.place == place).map(|found| found.problem.kind())
        })
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "needs_password").count(), 2, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "unreadable").count(), 7, "{kinds:?}");
}

#[test]
fn keystores_and_their_password_files() {
    let pki = Pki::new();
    pki.openssl("pkcs12 -export -in bundle.pem -inkey leaf.key -name web -out x.p12 -passout pass:s3cret");
    pki.write("password", "s3cret\n");
    let keystore = pki.path("x.p12");
    let with = |file: &str| Plan {
        roots: vec![keystore.clone()],
        passwords: PasswordFiles([(keystore.clone(), pki.path(file))].into()),
        ..Plan::default()
    };
    let mode = |mode| std::fs::set_permissions(pki.path("password"), std::fs::Permissions::from_mode(mode)).unwrap();
    let problems = |scan: Scan| scan.findings.iter().map(|finding| finding.problem.kind()).collect::<Vec<_>>();

    mode(0o600);
    let opened = look(&with("password"));
    assert!(opened.findings.is_empty(), "{:?}", opened.findings);
    assert_eq!(opened.sightings[0].alias.as_ref().map(|alias| alias.raw().to_owned()).as_deref(), Some("web"));
    mode(0o644);
    assert_eq!(problems(look(&with("password"))), ["password_file", "needs_password"]);
    assert_eq!(problems(look(&with("none"))), ["password_file", "needs_password"]);
    assert_eq!(problems(look(&Plan { roots: vec![keystore.clone()], ..Plan::default() })), ["needs_password"]);
    let import = scan_octets(&keystore, pki.bytes("x.p12"), Some("wrong"), 0, Limits::default(), now());
    assert_eq!(import.findings[0].problem, Problem::WrongPassword);
    assert!(import.unseen.contains(&Place::File(keystore.clone())));
    let import = scan_octets(&keystore, pki.bytes("x.p12"), Some("s3cret"), 1000, Limits::default(), now());
    assert_eq!(import.sightings.len(), 1);
}

/// Keystores with one password file, and what is walked besides.
fn with_keystores(pki: &Pki, roots: &[&str], keystores: &[&str]) -> Plan {
    let passwords = keystores.iter().map(|name| (pki.path(name), pki.path("password"))).collect();
    let roots = roots.iter().map(|name| pki.path(name)).collect();
    Plan { roots, passwords: PasswordFiles(passwords), ..Plan::default() }
}

fn pki_with_keystore() -> Pki {
    let pki = Pki::new();
    pki.openssl("pkcs12 -export -in bundle.pem -inkey leaf.key -name web -out x.p12 -passout pass:s3cret");
    pki.write("password", "s3cret\n");
    std::fs::set_permissions(pki.path("password"), std::fs::Permissions::from_mode(0o600)).unwrap();
    pki
}

fn places(scan: &Scan) -> Vec<String> {
    scan.sightings.iter().map(|sighting| sighting.place.to_string()).collect()
}

#[test]
fn a_keystore_is_a_regular_file_or_a_finding() {
    let pki = pki_with_keystore();
    std::fs::create_dir(pki.path("tree")).unwrap();
    pki.write("tree/leaf.pem", pki.text("leaf.pem"));
    symlink("tree", pki.path("to-directory.p12")).unwrap();
    symlink("x.p12", pki.path("to-file.p12")).unwrap();
    symlink("nowhere", pki.path("to-nothing.p12")).unwrap();
    nix::unistd::mkfifo(&pki.path("pipe.p12"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(pki.path("socket.p12")).unwrap();
    let others = ["to-directory.p12", "to-file.p12", "to-nothing.p12", "tree", "pipe.p12", "socket.p12", "missing.p12"];
    let plan = with_keystores(&pki, &[], &[&others[..], &["x.p12"]].concat());
    let scan = look(&plan);
    let root = pki.directory.path();
    assert_eq!(places(&scan), [place(root, "x.p12")]);
    assert_eq!(
        kinds(&scan),
        [
            ("to-directory.p12", "failed"),
            ("to-file.p12", "failed"),
            ("to-nothing.p12", "failed"),
            ("tree", "special"),
            ("pipe.p12", "special"),
            ("socket.p12", "special"),
            ("missing.p12", "missing"),
        ]
        .map(|(name, kind)| (place(root, name), kind))
        .into()
    );
    let said = |name: &str| {
        let place = Place::File(pki.path(name));
        scan.findings.iter().find(|finding| finding.place == place).unwrap().problem.to_string()
    };
    assert!(said("to-directory.p12").contains("name the real path"), "{}", said("to-directory.p12"));
    assert_eq!(said("tree"), "it is a directory; it was not opened");
    // What stood there before the link came is unknown, and not gone; each is covered all the same.
    assert!(scan.unseen.contains(&Place::File(pki.path("to-file.p12"))));
    assert_eq!(scan.covered, plan.passwords.0.keys().cloned().map(Place::File).collect());
}

#[test]
fn a_keystore_is_looked_at_once_wherever_it_is() {
    let pki = pki_with_keystore();
    for directory in ["root", "root/deep", "root/deep/er", "outside"] {
        std::fs::create_dir(pki.path(directory)).unwrap();
    }
    for name in ["root/here.p12", "root/deep/er/down.p12", "outside/away.p12", "root/bad.p12"] {
        pki.write(name, pki.bytes("x.p12"));
    }
    pki.write("root/bad.p12", "nothing");
    symlink("../outside", pki.path("root/out")).unwrap();
    symlink("here.p12", pki.path("root/inside.p12")).unwrap();
    let keystores = ["root/here.p12", "root/inside.p12", "root/deep/er/down.p12", "root/out/away.p12", "root/bad.p12"];
    let limits = Limits { depth: 1, ..Limits::default() };
    let scan = look(&Plan { limits, ..with_keystores(&pki, &["root"], &keystores) });
    let root = pki.path("root");
    // By the walk, and then those it does not come to.
    let expected = ["here.p12", "inside.p12", "deep/er/down.p12", "out/away.p12"].map(|name| place(&root, name));
    assert_eq!(places(&scan), expected);
    let found: Vec<_> =
        scan.findings.iter().map(|finding| (finding.place.to_string(), finding.problem.kind())).collect();
    let expected = [("bad.p12", "no_certificate"), ("deep/er", "limit"), ("out", "leads_out")];
    assert_eq!(found, expected.map(|(name, kind)| (place(&root, name), kind)));
    assert_eq!(scan.covered, BTreeSet::from([Place::File(root)]));

    // Where the time is over, what was not looked at is said of each.
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    let late = look(&Plan { limits, ..with_keystores(&pki, &["root"], &["x.p12"]) });
    assert_eq!(kinds(&late).len(), 2);
    assert!(late.findings.iter().all(|finding| finding.problem == Problem::OutOfTime), "{:?}", late.findings);
}

#[test]
fn a_certificate_replaced_on_disk() {
    let pki = Pki::new();
    let plan = Plan { roots: vec![pki.path("leaf.pem"), pki.path("bundle.pem")], ..Plan::default() };
    let before = look(&plan);
    pki.leaf("leaf", "www.corp.example", 180);
    let after = look(&plan);
    let later = Later { seen: &after.seen(), covered: &after.covered, unseen: &after.unseen };
    let changes = compare(&before.seen(), later);
    let [succession] = &changes.succeeded[..] else { panic!("{changes:?}") };
    assert_eq!((succession.by, succession.goes_back), (Lineage::Names, false));
    assert_eq!(succession.still_at, [Place::File(pki.path("bundle.pem"))]);
    assert!(changes.gone.is_empty() && changes.appeared.is_empty());
}

/// `openssl s_server`, stopped when it is dropped.
struct Server(Child, SocketAddr);

impl Server {
    fn start(pki: &Pki, options: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("openssl")
            .args(format!("s_server -accept {address} -quiet {options}").split_ascii_whitespace())
            .current_dir(pki.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self(child, address);
        let until = Instant::now() + Duration::from_secs(20);
        while !listener::listening_now().unwrap().iter().any(|socket| socket.address.port() == address.port()) {
            assert!(Instant::now() < until, "openssl s_server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn probe(&self, name: Option<&str>) -> Scan {
        let target = Target { address: self.1, server_name: name.map(str::to_owned) };
        look(&Plan { listeners: vec![target], ..Plan::default() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn listeners_of_tls() {
    let pki = Pki::new();
    pki.openssl("req -x509 -newkey rsa:1024 -nodes -days 1 -subj /CN=weak -keyout rsa.key -out rsa.pem");
    pki.leaf("sni", "sni.corp.example", 30);
    let chain = "-cert leaf.pem -key leaf.key -cert_chain bundle.pem";
    for options in [
        format!("-tls1_3 {chain}"),
        format!("-tls1_2 {chain}"),
        format!("-tls1_3 {chain} -Verify 2"),
        format!("-tls1_2 {chain} -Verify 2"),
    ] {
        let server = Server::start(&pki, &options);
        // Twice: what was aborted does not stop the server.
        for _ in 0..2 {
            let scan = server.probe(None);
            assert!(scan.findings.is_empty(), "{options}: {:?}", scan.findings);
            assert_eq!(scan.sightings[0].place, Place::Listener(server.1, None));
            assert_eq!(scan.certificates[&scan.sightings[0].sha256].primary_name().raw(), "www.corp.example");
            assert!(!scan.sightings[0].chain.is_empty(), "{options}");
        }
    }
    let weak = Server::start(&pki, "-cert rsa.pem -key rsa.key -cipher ALL:@SECLEVEL=0");
    let scan = weak.probe(None);
    assert_eq!(scan.sightings.len(), 1, "{:?}", scan.findings);
    assert_eq!(scan.certificates[&scan.sightings[0].sha256].key, "rsa-1024");

    let names = Server::start(&pki, &format!("{chain} -servername sni.corp.example -cert2 sni.pem -key2 sni.key"));
    let named = names.probe(Some("sni.corp.example"));
    assert_eq!(named.certificates[&named.sightings[0].sha256].primary_name().raw(), "sni.corp.example");
    assert_eq!(named.sightings[0].place.to_string(), format!("tls:{} sni.corp.example", names.1));
}

#[test]
fn listeners_that_are_none() {
    let pki = Pki::new();
    let old = Server::start(&pki, "-cert leaf.pem -key leaf.key -tls1_1 -cipher ALL:@SECLEVEL=0");
    assert_eq!(kinds(&old.probe(None)), BTreeSet::from([(Place::Listener(old.1, None).to_string(), "not_tls")]));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let trickle = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [closed, silent.local_addr().unwrap(), plain.local_addr().unwrap(), trickle.local_addr().unwrap()];
    std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = plain.accept().unwrap();
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        let (mut stream, _) = trickle.accept().unwrap();
        // A record that never ends, octet by octet.
        let head: &[u8] = &[22, 3, 3, 0x40, 0];
        for octet in head.iter().copied().chain(std::iter::repeat(2)) {
            if stream.write_all(&[octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let limits = Limits { listener_time: Duration::from_millis(700), ..Limits::default() };
    let listeners = addresses.map(|address| Target { address, server_name: None }).to_vec();
    let started = Instant::now();
    let scan = look(&Plan { listeners, limits, ..Plan::default() });
    assert!(started.elapsed() < Duration::from_secs(10));
    let found: Vec<&str> = scan.findings.iter().map(|finding| finding.problem.kind()).collect();
    assert_eq!(found, ["refused", "no_answer", "not_tls", "no_answer"], "{:?}", scan.findings);
    let hidden: Vec<bool> =
        addresses.iter().map(|address| scan.unseen.contains(&Place::Listener(*address, None))).collect();
    assert_eq!(hidden, [false, true, true, true]);
}

#[test]
fn what_is_discovered() {
    let socket = |address: &str| listener::Listening { address: address.parse().unwrap(), uid: 7 };
    let sockets = [
        "127.0.0.1:1",
        "0.0.0.0:2",
        "[::]:2",
        "[::1]:3",
        "192.0.2.7:4",
        "127.0.0.1:9",
        "127.0.0.1:1",
        "[::ffff:127.0.0.1]:5",
    ];
    let (near, not_listed) = listener::discovered(&sockets.map(socket), &[9]);
    let near: Vec<String> = near.iter().map(|target| target.place().to_string()).collect();
    assert_eq!(near, ["tls:127.0.0.1:1", "tls:127.0.0.1:2", "tls:127.0.0.1:5", "tls:[::1]:2", "tls:[::1]:3"]);
    assert_eq!(not_listed, ["192.0.2.7:4".parse().unwrap()]);
}

#[test]
fn what_openssl_makes_for_a_server_is_no_authority() {
    let pki = Pki::new();
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key";
    let ca = "-addext basicConstraints=critical,CA:TRUE";
    std::fs::create_dir(pki.path("root")).unwrap();
    pki.openssl(&format!("{new} -subj /CN=self -addext subjectAltName=DNS:self.corp.example {ca} -out root/a.pem"));
    pki.openssl(&format!("{new} -subj /CN=self -addext subjectAltName=IP:192.0.2.7 {ca} -out root/b.pem"));
    pki.openssl(&format!("{new} -subj /CN=Root {ca} -out root/c.pem"));
    pki.openssl(&format!("{new} -subj /CN=Root -addext subjectAltName=email:pki@corp.example {ca} -out root/d.pem"));
    pki.openssl(&format!("{new} -subj /CN=Up -addext subjectAltName=DNS:ca.corp.example {ca} -out up.pem"));
    let under =
        "-CA up.pem -CAkey self.key -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:x.example";
    pki.openssl(&format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout x.key -subj /CN=x {under} -out x.pem"
    ));
    // One that has issued what stands beside it is an authority, whatever it is called.
    pki.write("root/e.pem", pki.text("up.pem") + &pki.text("x.pem"));
    let scan = look(&below(&pki, "root"));
    let seen: Vec<(String, Role)> = scan.sightings.iter().map(|one| (one.place.to_string(), one.role)).collect();
    let root = pki.path("root");
    let expected = [
        ("a.pem", Role::Leaf),
        ("b.pem", Role::Leaf),
        ("c.pem", Role::Authority),
        ("d.pem", Role::Authority),
        ("e.pem", Role::Leaf),
    ];
    assert_eq!(seen, expected.map(|(name, role)| (place(&root, name), role)));
}
