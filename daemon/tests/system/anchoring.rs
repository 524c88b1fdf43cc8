//! The ways on which checkpoints leave by themselves, the key that signs them, and the alarm where nothing comes back.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_shared::protocol::method::{AuditList, DaemonMetrics};
use countersign_shared::protocol::{AnchorVerdict, ListAuditParams, NoParams};

use crate::checkpoints::{anchor, checkpoint};
use crate::support::mail::MailServer;
use crate::support::{ALICE, CAROL, DAVE, Host, can_be_people, policy, until};

fn configure(host: &Host, text: &str) {
    std::fs::write(host.path("countersign.toml"), text).unwrap();
}

fn made_key(path: &Path, more: &[&str]) {
    let mut command = Command::new("openssl");
    assert!(
        command.args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(path).args(more).status().unwrap().success()
    );
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_key_that_cannot_be_trusted_stops_the_start_and_is_left_as_it_is() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let before = checkpoint(&host).verifier_key;
    host.stop();
    let key = host.state.join("checkpoint.key");
    let good = std::fs::read(&key).unwrap();
    let anew = |octets: &[u8]| {
        std::fs::remove_file(&key).ok();
        std::fs::write(&key, octets).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    };
    type Bend<'a> = Box<dyn Fn() + 'a>;
    let cases: [(&str, Bend<'_>); 8] = [
        ("mode 0640", Box::new(|| std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap())),
        ("belongs to uid", Box::new(|| chown(&key, Some(ALICE), None).unwrap())),
        ("Ed25519", Box::new(|| anew(b"garbage"))),
        ("Ed25519", Box::new(|| anew(b""))),
        ("longer than", Box::new(|| anew(&[b'x'; 100_000]))),
        ("encrypted", Box::new(|| made_key(&key, &["-aes256", "-pass", "pass:hunter2"]))),
        (
            "symlinks",
            Box::new(|| {
                std::fs::rename(&key, host.path("elsewhere")).unwrap();
                symlink(host.path("elsewhere"), &key).unwrap();
            }),
        ),
        ("is missing", Box::new(|| std::fs::remove_file(&key).unwrap())),
    ];
    let mut refused = Vec::new();
    for (word, bend) in &cases {
        anew(&good);
        bend();
        let found = std::fs::symlink_metadata(&key).ok().map(|found| (found.len(), found.permissions().mode()));
        refused.push((*word, found, std::fs::read(&key).ok()));
        let mut starting = Command::new(env!("CARGO_BIN_EXE_countersignd"));
        let said = starting.args(&host.flags).env_clear().output().unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
        assert!(!said.status.success() && text.contains(word) && text.contains("checkpoint"), "{word}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
        // Left as it was: neither mended nor replaced.
        let (_, found, octets) = refused.last().unwrap();
        let now = std::fs::symlink_metadata(&key).ok().map(|found| (found.len(), found.permissions().mode()));
        assert_eq!((&now, &std::fs::read(&key).ok()), (found, octets), "{word}");
    }
    drop(cases);
    anew(&good);
    host.start();
    assert_eq!(checkpoint(&host).verifier_key, before);
    host.stop();

    // The same key as a credential of the unit.
    let credentials = host.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::rename(&key, credentials.join("checkpoint")).unwrap();
    configure(&host, "[checkpoint]\nkey = \"credential:checkpoint\"\n");
    assert!(host.refusal().contains("credential"));
    host.set("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap());
    host.start();
    assert_eq!(checkpoint(&host).verifier_key, before);
    assert!(!key.exists());
}

#[test]
fn what_was_signed_last_is_told_from_what_is_there() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    host.user(ALICE).request(&["web1.corp.example"]);
    let signed = checkpoint(&host);
    let file = host.state.join("checkpoint.signed");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), signed.note);
    // Killed before it was written: it is caught up with.
    host.kill();
    std::fs::remove_file(&file).unwrap();
    host.start();
    assert!(host.log().contains("checkpoint.signed is missing"));
    until("it is there again", || file.exists());
    assert_eq!(host.oneself().status().damage, None);
    host.stop();
    for octets in ["", "else", &signed.note.replacen(&format!("\n{}\n", signed.size), "\n999\n", 1)] {
        let good = std::fs::read(&file).unwrap();
        std::fs::write(&file, octets).unwrap();
        host.start();
        let damage = host.oneself().status().damage.unwrap();
        assert_eq!(damage.rule, "checkpoint");
        assert!(damage.text.contains("checkpoint.signed"), "{damage:?}");
        host.stop();
        std::fs::write(&file, good).unwrap();
    }
    host.start();
    assert_eq!(host.oneself().status().damage, None);
}

#[test]
fn checkpoints_go_to_a_directory_a_syslog_and_the_journal_and_where_they_do_not_it_shows() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    let (worm, log, journal) = (host.path("worm"), host.path("devlog"), host.path("journal"));
    let (log_socket, journal_socket) = (UnixDatagram::bind(&log).unwrap(), UnixDatagram::bind(&journal).unwrap());
    let settings = format!(
        "[checkpoint]\ndirectory = \"{}\"\nsyslog = \"{}\"\njournal = \"{}\"\n",
        worm.display(),
        log.display(),
        journal.display()
    );
    configure(&host, &settings);
    host.start();
    // The directory is not made: where nothing is mounted, nothing is kept, and that is said.
    until("it is said", || !host.oneself().status().checkpoint_failing.is_empty());
    let failing = host.oneself().status().checkpoint_failing;
    assert_eq!((failing.len(), failing[0].place.as_str()), (1, "directory"));
    assert!(failing[0].error.contains("worm") && !worm.exists(), "{failing:?}");
    let metrics = host.user(DAVE).call::<DaemonMetrics>(&NoParams {}).text;
    for line in [
        "countersign_audit_checkpoint_failing{place=\"directory\"} 1\n",
        "countersign_audit_checkpoint_failing{place=\"syslog\"} 0\n",
        "countersign_audit_anchors{verdict=\"equal\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let first = host.oneself().status().last_checkpoint.unwrap();
    let mut buffer = [0; 8192];
    let length = log_socket.recv(&mut buffer).unwrap();
    let line = String::from_utf8(buffer[..length].to_vec()).unwrap();
    assert!(line.starts_with("<29>1 ") && line.contains(&format!(": {} records, root=", first.size)), "{line}");
    let short = line.rsplit("short=").next().unwrap();
    // What a log host kept is an anchor.
    let taken = anchor(&host, short);
    assert_eq!((taken.verdict, taken.size), (AnchorVerdict::Equal, first.size));
    let length = journal_socket.recv(&mut buffer).unwrap();
    let entry = &buffer[..length];
    let at = entry.windows(17).position(|window| window == b"COUNTERSIGN_NOTE\n").unwrap() + 17;
    let note_length = u64::from_le_bytes(entry[at..at + 8].try_into().unwrap()) as usize;
    let note = std::str::from_utf8(&entry[at + 8..at + 8 + note_length]).unwrap().to_owned();
    assert!(!anchor(&host, &note).added, "it is the same checkpoint");
    let mark = host.oneself().status().last_anchor.unwrap();
    assert_eq!((mark.size, mark.verdict), (first.size, AnchorVerdict::Equal));

    // A start takes what is missing there.
    std::fs::create_dir(&worm).unwrap();
    host.stop();
    host.start();
    until("a file", || std::fs::read_dir(&worm).unwrap().count() > 0);
    until("nothing fails", || host.oneself().status().checkpoint_failing.is_empty());
    let file = std::fs::read_dir(&worm).unwrap().next().unwrap().unwrap();
    let kept = SignedCheckpoint::parse(&std::fs::read(file.path()).unwrap()).unwrap();
    let name = format!("checkpoint-{:012}.txt", kept.checkpoint().size());
    assert_eq!(file.file_name().to_str().unwrap(), name);
    let log = Log::of_key(checkpoint(&host).verifier_key.parse().unwrap());
    assert_eq!(log.verify(&kept).unwrap().len(), 1);
    assert_eq!(anchor(&host, &kept.to_string()).verdict, AnchorVerdict::Equal);
}

/// The text of a mail without its transfer encoding.
fn text(mail: &str) -> String {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    let body = body.replace("\r\n", "\n");
    if head.to_lowercase().contains("quoted-printable") {
        let joined = body.replace("=\n", "");
        let (mut octets, mut rest) = (Vec::new(), joined.as_bytes());
        while let [first, tail @ ..] = rest {
            match (first, tail) {
                (b'=', [a, b, tail @ ..]) => {
                    octets.push(u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap());
                    rest = tail;
                }
                _ => {
                    octets.push(*first);
                    rest = tail;
                }
            }
        }
        return String::from_utf8(octets).unwrap();
    }
    let packed: String = body.split_whitespace().collect();
    String::from_utf8(data_encoding::BASE64.decode(packed.as_bytes()).unwrap()).unwrap().replace("\r\n", "\n")
}

#[test]
fn checkpoints_go_by_mail_at_once_and_alone_however_the_channel_is_paced() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let mut host = Host::prepared(&policy());
    let paced =
        "quiet_hours = { from = \"00:00\", to = \"23:59\", zone = \"UTC\" }\ndigest = \"1h\"\nrate = \"1/24h\"\n";
    let settings =
        format!("[checkpoint]\nchannels = [\"Email\"]\nto = [\"auditor@bank.example\"]\n{}{paced}", mail.table());
    configure(&host, &settings);
    host.start();
    let came = mail.wait_for("Checkpoint of the ledger: ");
    assert_eq!(came.to, ["auditor@bank.example"]);
    let body = text(&came.text);
    let note = body.split_once("\n\n").unwrap().1.split_once("\n\n").unwrap().1;
    let signed = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    let taken = anchor(&host, note);
    assert_eq!((taken.verdict, taken.size), (AnchorVerdict::Equal, signed.checkpoint().size()));
    let short = body.lines().find_map(|line| line.strip_prefix("Short form: ")).unwrap();
    assert!(!anchor(&host, short).added);
    let state = "SELECT group_concat(state) FROM notification_events WHERE kind = 'checkpoint'";
    until("it is sent", || host.value::<String>(state) == "sent");
    // The next one is due a day later, whatever is signed meanwhile, and a restart changes nothing of that.
    host.user(ALICE).request(&["web1.corp.example"]);
    host.stop();
    host.start();
    checkpoint(&host);
    assert_eq!(host.value::<String>(state), "sent");
    assert_eq!(mail.about("Checkpoint of the ledger: ").len(), 1);
}

#[test]
fn a_ledger_that_nobody_anchors_is_an_alarm_once_and_an_anchor_ends_it() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let limits = format!("{}\n[ledger]\nmax_unanchored_records = 1\n", policy());
    let written = format!("accounts = [\"uid:{CAROL}\"]\n");
    let mut host = Host::prepared(&limits.replacen(&written, &format!("{written}email = \"carol@corp.example\"\n"), 1));
    configure(&host, &mail.table());
    host.start();
    let alarm = mail.wait_for("");
    assert_eq!(alarm.to, ["carol@corp.example"]);
    let body = text_or_plain(&alarm.text);
    assert!(body.contains("anchored nowhere else") && body.contains("the policy allows 1 records"), "{body}");
    let raised = |host: &Host| {
        let params = ListAuditParams { action: Some("ledger_unanchored".parse().unwrap()), ..Default::default() };
        host.user(DAVE).call::<AuditList>(&params).events.len()
    };
    assert_eq!(raised(&host), 1);
    host.stop();
    host.start();
    until("it is looked at", || host.oneself().status().anchor_overdue);
    // Once for a crossing: a restart says nothing again.
    let now = checkpoint(&host);
    assert_eq!(raised(&host), 1);
    assert_eq!(anchor(&host, &now.note).verdict, AnchorVerdict::Equal);
    let clear = "SELECT count(*) FROM notification_events WHERE kind = 'ledger_anchored' AND channel = 'Email'";
    assert_eq!(host.value::<i64>(clear), 1, "in the transaction of the anchor");
    mail.wait_for("The ledger is anchored again");
    assert!(!host.oneself().status().anchor_overdue);
    // Somebody asks for something, and it begins again.
    host.user(ALICE).request(&["web1.corp.example"]);
    host.user(ALICE).request(&["web2.corp.example"]);
    assert!(host.oneself().status().anchor_overdue);
    host.stop();
    host.start();
    until("another alarm", || raised(&host) == 2);
    host.stop();
    host.start();
    assert_eq!(host.oneself().status().damage, None);
}

/// A mail may need no transfer encoding.
fn text_or_plain(mail: &str) -> String {
    let head = mail.split("\r\n\r\n").next().unwrap().to_lowercase();
    if head.contains("quoted-printable") || head.contains("base64") { text(mail) } else { mail.to_owned() }
}
