//! The four ways in which a ledger is verified, and what each finds.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{AuditAnchor, AuditExport, AuditVerify};
use countersign_shared::protocol::{AnchorParams, AnchorVerdict, Damage, ExportManifest, ExportParams, NoParams};
use countersign_shared::time::Timestamp;
use countersign_verify::offline::{Against, Report, verify};
use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::cases::{Case, Done};
use super::stage::Stage;
use crate::support::{DAVE, Host, PATIENCE};

/// One finding, of whatever way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub rule: String,
    pub seq: Option<u64>,
    pub text: String,
}

impl Found {
    fn of_anchor(verdict: &str, text: &str) -> Self {
        Self { rule: format!("anchor {verdict}"), seq: None, text: text.to_owned() }
    }
}

impl From<Damage> for Found {
    fn from(damage: Damage) -> Self {
        Self { rule: damage.rule, seq: damage.seq, text: damage.text }
    }
}

/// What one way finds with nothing from outside, and with the checkpoint that was kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub without: Vec<Found>,
    pub with: Vec<Found>,
}

/// Looks at what was done in a case.
type Way = fn(&Stage, &Case) -> Outcome;

/// The ways, in the order of a case's expectations.
pub const WAYS: [(&str, Way); 4] = [
    ("the next start", at_start),
    ("`audit verify` while the daemon runs", while_it_runs),
    ("`audit verify FILE`, a copied database", of_a_copy),
    ("`audit verify FILE`, an export", of_an_export),
];

/// A stopped host to which it was done.
fn touched(stage: &Stage, case: &Case) -> Host {
    match case.done {
        Done::InPlace(act) => {
            let host = stage.host();
            act(&open(&host), &host);
            host
        }
        Done::Replaced(other) | Done::Lived(other) => other(stage),
    }
}

fn open(host: &Host) -> Connection {
    let db = Connection::open(host.database()).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db
}

fn at_start(stage: &Stage, case: &Case) -> Outcome {
    let mut host = touched(stage, case);
    host.start();
    let damage = host.oneself().status().damage;
    let verified = host.user(DAVE).call::<AuditVerify>(&NoParams {});
    assert_eq!((verified.intact, &verified.damage), (damage.is_none(), &damage), "{}", case.name);
    let without: Vec<Found> = damage.into_iter().map(Found::from).collect();
    let with = beside_anchor(stage, &host, &without);
    if with != without && with[0].rule != "anchor equal" {
        // It is not forgotten, as long as this database is there.
        host.stop();
        host.start();
        assert_eq!(host.oneself().status().damage.unwrap().rule, "anchor", "{}", case.name);
    }
    Outcome { without, with }
}

fn while_it_runs(stage: &Stage, case: &Case) -> Outcome {
    let mut host = match case.done {
        Done::InPlace(_) | Done::Replaced(_) => stage.host(),
        Done::Lived(lived) => lived(stage),
    };
    host.start();
    assert_eq!(host.oneself().status().damage, None, "{}", case.name);
    match case.done {
        Done::InPlace(act) => act(&open(&host), &host),
        Done::Replaced(other) => {
            let (other, mut db) = (other(stage), open(&host));
            Backup::new(&open(&other), &mut db).unwrap().run_to_completion(1000, Duration::ZERO, None).unwrap();
        }
        Done::Lived(_) => {}
    }
    let verified = host.user(DAVE).call::<AuditVerify>(&NoParams {});
    let status = host.oneself().status();
    assert_eq!((status.read_only, &status.damage), (!verified.intact, &verified.damage), "{}", case.name);
    let without: Vec<Found> = verified.damage.into_iter().map(Found::from).collect();
    let with = beside_anchor(stage, &host, &without);
    Outcome { without, with }
}

/// Brings the anchor. A daemon that found damage takes none: it is shown already.
fn beside_anchor(stage: &Stage, host: &Host, without: &[Found]) -> Vec<Found> {
    let params = AnchorParams { octets: stage.kept.note.clone() };
    match host.user(DAVE).attempt::<AuditAnchor>(&params).unwrap() {
        Ok(taken) => {
            assert!(without.is_empty(), "{without:?}");
            let damage = host.oneself().status().damage;
            assert_eq!(damage.is_some(), taken.verdict != AnchorVerdict::Equal, "{damage:?}");
            vec![Found::of_anchor(&taken.verdict.to_string(), &taken.text)]
        }
        Err(error) => {
            assert_eq!((error.data.kind, without.is_empty()), (ErrorKind::ReadOnly, false), "{error:?}");
            without.to_vec()
        }
    }
}

fn of_a_copy(stage: &Stage, case: &Case) -> Outcome {
    let host = touched(stage, case);
    let look = |anchored| of_report(verify(&host.database(), &stage.against(anchored), &mut |_, _| {}).unwrap());
    Outcome { without: look(false), with: look(true) }
}

fn of_report(report: Report) -> Vec<Found> {
    let mut found: Vec<Found> = report.findings.into_iter().map(Found::from).collect();
    if report.gaps > 0 {
        let text = "records between the first and the last are not in the file".to_owned();
        found.push(Found { rule: format!("gaps {}", report.gaps), seq: None, text });
    }
    found.extend(report.anchors.iter().map(|anchored| Found::of_anchor(anchored.verdict, &anchored.text)));
    found
}

/// Of whatever a daemon hands out that has not found it yet: where a start finds it, it is done while the daemon runs.
fn of_an_export(stage: &Stage, case: &Case) -> Outcome {
    let mut host = touched(stage, case);
    host.start();
    if let (Some(_), Done::InPlace(act)) = (host.oneself().status().damage, &case.done) {
        host = stage.host();
        host.start();
        act(&open(&host), &host);
    }
    match export(&host) {
        Err(found) => Outcome { without: vec![found.clone()], with: vec![found] },
        Ok((file, manifest)) => {
            let look = |anchored| {
                let against = Against { manifest: Some(manifest.clone()), ..stage.against(anchored) };
                of_report(verify(&file, &against, &mut |_, _| {}).unwrap())
            };
            Outcome { without: look(false), with: look(true) }
        }
    }
}

/// Everything that was recorded in the forty days before and after now.
fn export(host: &Host) -> Result<(PathBuf, ExportManifest), Found> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let day = |days: i64| Timestamp::from_unix_millis(now + days * 86_400_000).unwrap();
    let mut params: ExportParams =
        serde_json::from_value(serde_json::json!({ "from": day(-40), "to": day(40) })).unwrap();
    let (mut dave, mut text, mut manifest) = (host.user(DAVE), String::new(), None);
    loop {
        let page = dave.attempt::<AuditExport>(&params).unwrap().map_err(|error| Found {
            rule: "refused".to_owned(),
            seq: None,
            text: error.message,
        })?;
        manifest = manifest.or(page.manifest);
        page.lines.iter().for_each(|line| text.push_str(&format!("{}\n", line.get())));
        match page.next_cursor {
            Some(next) => params.cursor = Some(next),
            None => break,
        }
    }
    let file = host.path("export.ndjson");
    std::fs::write(&file, text).unwrap();
    Ok((file, manifest.unwrap()))
}
