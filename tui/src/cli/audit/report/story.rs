//! What happened, told from the parts of a bundle: who asked, who decided, what they saw, what was issued, and how it is proved.

use std::collections::BTreeMap;

use countersign_shared::content::San;
use countersign_shared::protocol::{EvidencePart, EvidenceText, EvidenceVersion};
use countersign_shared::text::Untrusted;
use countersign_verify::evidence::votes::{Human, Terms, tally, votes};
use countersign_verify::evidence::{Bundle, Record, signatures_of_voices};
use countersign_verify::offline::Report;

use super::page::{Block, Page, Verdict};

pub(super) fn tell(bundle: &Bundle, report: &Report, key_from_outside: bool) -> Page {
    let head = bundle.head.as_ref();
    let subject = head.map_or_else(
        || "nothing".to_owned(),
        |head| match (&head.request, &head.certificate, head.from.zip(head.to)) {
            (Some(id), ..) | (None, Some(id), _) => safe(id),
            (None, None, Some((from, to))) => format!("{from} to {to}"),
            (None, None, None) => "nothing".to_owned(),
        },
    );
    let mut blocks = Vec::new();
    for id in subjects(bundle) {
        of_object(bundle, &id, &mut blocks);
    }
    voices(bundle, &mut blocks);
    records(bundle, &mut blocks);
    proof(bundle, &mut blocks);
    Page {
        title: format!("Evidence: {subject}"),
        verdict: match (report.intact, key_from_outside) {
            (true, true) => Verdict::Verified,
            (true, false) => Verdict::Alone,
            (false, _) => Verdict::Wrong,
        },
        because: because(report, key_from_outside),
        blocks,
    }
}

fn safe(text: &str) -> String {
    Untrusted::from(text).safe().to_string()
}

fn because(report: &Report, key_from_outside: bool) -> Vec<String> {
    let mut lines: Vec<String> = report
        .findings
        .iter()
        .map(|found| {
            let place = found.seq.map(|seq| format!(" at record {seq}")).unwrap_or_default();
            format!("{}{place}: {}", safe(&found.rule), safe(&found.text))
        })
        .collect();
    if report.findings.is_empty() {
        lines.push(format!(
            "Nothing is wrong: {} records are in the ledger of the checkpoint, every digest is that of what stands here, and \
             each approval has its quorum.",
            report.records
        ));
    }
    lines.push(match key_from_outside {
        true => "The checkpoint was held against a key that was given from outside.".to_owned(),
        false => "No key was given from outside: the bundle agrees with itself, and that is all.".to_owned(),
    });
    for anchored in &report.anchors {
        lines.push(format!("Anchor {}: {}: {}", safe(&anchored.anchor), anchored.verdict, safe(&anchored.text)));
    }
    lines.extend(report.notes.iter().map(|note| format!("Note: {}", safe(note))));
    lines
}

/// Every request, and every job that needed none, in the order of the ledger.
fn subjects(bundle: &Bundle) -> Vec<String> {
    let mut ids: BTreeMap<u64, String> = BTreeMap::new();
    for (seq, record) in &bundle.records {
        let asks = matches!(
            record.action(),
            "approval_requested" | "policy_proposed" | "issuance_requested" | "revocation_requested"
        );
        if asks {
            ids.insert(*seq, record.member("resource_id").to_owned());
        }
    }
    ids.into_values().collect()
}

fn of_object(bundle: &Bundle, id: &str, blocks: &mut Vec<Block>) {
    let about: Vec<(u64, &Record)> = bundle
        .records
        .iter()
        .filter(|(_, record)| record.member("resource_id") == id)
        .map(|(seq, record)| (*seq, record))
        .collect();
    let Some((_, asked)) = about.first() else { return };
    blocks.push(Block::Heading(safe(id)));
    let mut fields = vec![
        ("asked by", person(asked)),
        ("asked at", safe(asked.member("at"))),
        ("kind", safe(asked.text("kind"))),
        ("certificate", safe(asked.text("certificate"))),
        ("profile", safe(asked.text("profile"))),
        ("outcome", outcome(bundle, id, &about)),
    ];
    fields.retain(|(_, value)| !value.is_empty());
    blocks.push(Block::Fields(fields));
    for (line, part) in &bundle.parts {
        match part {
            EvidencePart::Version(version) if version.object == id => of_version(bundle, version, blocks),
            EvidencePart::Proposal(proposal) if proposal.object == id => {
                blocks.push(Block::Subheading(format!("What was asked for (line {line})")));
                blocks.push(Block::Fields(vec![
                    ("digest", proposal.digest.to_string()),
                    ("policy before", proposal.base_sha256.to_string()),
                    ("policy asked for", proposal.sha256.to_string()),
                    (
                        "has to agree",
                        proposal.terms.as_ref().map(|terms| safe(&terms.quorum.join(", "))).unwrap_or_default(),
                    ),
                    ("reason", said(&proposal.said)),
                ]));
                blocks.push(Block::Text("The differences, as they were shown:".to_owned()));
                blocks.push(Block::Exact(vec![safe(&proposal.differences)]));
            }
            _ => {}
        }
    }
    decisions(bundle, id, blocks);
    remarks(bundle, id, blocks);
    certificates(bundle, id, blocks);
}

fn person(record: &Record) -> String {
    let (account, person) = (safe(record.member("actor")), safe(record.text("person")));
    let login = record.text("login_account");
    let login = match login.is_empty() || login == record.member("actor") {
        true => String::new(),
        false => format!(", logged in as {}", safe(login)),
    };
    match person.is_empty() || person == account {
        true => format!("{account}{login}"),
        false => format!("{person} ({account}){login}"),
    }
}

fn said(text: &EvidenceText) -> String {
    match &text.text {
        None => format!("erased; its salted digest is {}", text.sha256),
        Some(text) if text.raw().is_empty() => "none".to_owned(),
        Some(text) => text.safe().to_string(),
    }
}

fn outcome(bundle: &Bundle, id: &str, about: &[(u64, &Record)]) -> String {
    let ended = about.iter().rev().find_map(|(seq, record)| {
        let word = match record.action() {
            "approval_approved" if record.text("state") == "approved" || record.flag("auto_approved") => "approved",
            "approval_rejected" if record.text("state") == "rejected" => "rejected",
            "approval_bypassed" => "approved by nobody: the bypass was on",
            "approval_expired" => "expired",
            "approval_voided" => "voided",
            "approval_withdrawn" => "withdrawn",
            "issuance_requested" | "revocation_requested" => "allowed without approval",
            _ => return None,
        };
        Some(format!("{word}, {} (record {seq})", safe(record.member("at"))))
    });
    let carried_out = bundle.records.iter().filter(|(_, record)| of(record, id)).filter_map(|(seq, record)| {
        let word = match record.action() {
            "certificate_issued" => "issued",
            "certificate_revoked" => "revoked",
            "policy_changed" => "in force",
            "job_failed" => "failed",
            _ => return None,
        };
        Some(format!("{word}, {} (record {seq})", safe(record.member("at"))))
    });
    let ended = ended.unwrap_or_else(|| "pending when the evidence was taken out".to_owned());
    std::iter::once(ended).chain(carried_out).collect::<Vec<_>>().join("; ")
}

/// True for a record of what came of a request or a job.
fn of(record: &Record, id: &str) -> bool {
    record.text("request") == id || (record.text("request").is_empty() && record.text("job") == id)
}

fn of_version(bundle: &Bundle, version: &EvidenceVersion, blocks: &mut Vec<Block>) {
    blocks.push(Block::Subheading(format!("What was asked for, version {}", version.version)));
    let mut fields = vec![("digest", version.digest.to_string())];
    if let Some(content) = &version.content {
        let names: Vec<String> =
            content.sans.iter().map(|san: &San| format!("{}:{}", san.kind(), san.value().safe())).collect();
        fields.push(("names", names.join(" ")));
        if let Some(name) = &content.common_name {
            fields.push(("common name", name.safe().to_string()));
        }
        fields.push(("key", format!("{}, {}", content.key, content.spki_sha256)));
        fields.push(("authority", if content.ca { "yes" } else { "no" }.to_owned()));
        let usages = content.key_usage.iter().map(|usage| usage.as_str());
        let usages = usages.chain(content.extended_key_usage.iter().map(|usage| usage.as_str()));
        fields.push(("usages", usages.collect::<Vec<_>>().join(", ")));
        fields.push(("valid for", content.valid_for.to_string()));
        fields.push(("issuer", safe(&content.issuer)));
    }
    if let Some(revocation) = &version.revocation {
        fields
            .push(("ends", format!("version {} of {}", revocation.version, safe(revocation.certificate_id.as_str()))));
        fields.push(("serial", safe(&revocation.serial)));
        fields.push(("sha256", revocation.sha256.to_string()));
        fields.push(("why", revocation.reason.to_string()));
    }
    if let Some(record) = bundle.records.get(&version.seq) {
        fields.push(("policy", safe(record.text("policy_sha256"))));
        if let Some(risks) = record.list("risks").filter(|risks| !risks.is_empty()) {
            fields.push(("second look", safe(&risks.join(", "))));
        }
        if !record.text("not_before").is_empty() {
            fields.push(("not before", safe(record.text("not_before"))));
        }
    }
    if let Some(terms) = &version.terms {
        let order = if terms.ordered { ", one after the other" } else { "" };
        let text = format!("{}{order}; {} to reject", terms.quorum.join(", "), terms.reject_threshold);
        fields.push(("has to agree", safe(&text)));
    }
    if let Some(reason) = &version.said {
        fields.push(("reason", said(reason)));
    }
    if let Some(ticket) = &version.ticket {
        fields.push(("ticket", ticket.safe().to_string()));
    }
    blocks.push(Block::Fields(fields));
}

fn decisions(bundle: &Bundle, id: &str, blocks: &mut Vec<Block>) {
    let mut rows = Vec::new();
    for (_, part) in &bundle.parts {
        let EvidencePart::Decision(part) = part else { continue };
        let Some(record) = bundle.records.get(&part.seq).filter(|_| part.object == id) else { continue };
        let by = match Human::giver(record) {
            None => person(record),
            Some(giver) => format!("{}, by the say of {}", person(record), safe(giver.name())),
        };
        rows.push(vec![
            safe(record.member("at")),
            by,
            part.verdict.as_str().to_owned(),
            safe(&record.list("counts_for").unwrap_or_default().join(", ")),
            format!("version {}: {}", part.version, part.digest),
            said(&part.said),
            part.signature.as_ref().map_or("no".to_owned(), |_| safe(record.text("signed_key"))),
            part.seq.to_string(),
        ]);
    }
    blocks.push(Block::Subheading("Who decided".to_owned()));
    if rows.is_empty() {
        return blocks.push(Block::Text("Nobody.".to_owned()));
    }
    let head = vec!["when", "who", "verdict", "counts for", "saw", "note", "signed", "record"];
    blocks.push(Block::Table(head, rows));
    let approved = bundle.records.iter().rev().find(|(_, record)| {
        record.action() == "approval_approved"
            && record.member("resource_id") == id
            && record.text("state") == "approved"
    });
    if let Some((seq, record)) = approved
        && let Some(terms) = Terms::of(record)
    {
        let (given, _) = tally(&terms, &votes(bundle, record, *seq, &terms));
        let text = format!("{given} different people fill {} places, counted again from the records.", terms.places());
        blocks.push(Block::Text(text));
    }
}

fn remarks(bundle: &Bundle, id: &str, blocks: &mut Vec<Block>) {
    let mut rows = Vec::new();
    for (_, part) in &bundle.parts {
        let EvidencePart::Remark(part) = part else { continue };
        let Some(record) = bundle.records.get(&part.seq).filter(|_| part.object == id) else { continue };
        rows.push(vec![
            safe(record.member("at")),
            person(record),
            safe(record.action()),
            said(&part.said),
            part.seq.to_string(),
        ]);
    }
    if !rows.is_empty() {
        blocks.push(Block::Subheading("Remarks".to_owned()));
        blocks.push(Block::Table(vec!["when", "who", "with", "text", "record"], rows));
    }
}

fn certificates(bundle: &Bundle, id: &str, blocks: &mut Vec<Block>) {
    for (_, part) in &bundle.parts {
        let EvidencePart::Certificate(part) = part else { continue };
        let Some(record) = bundle.records.get(&part.seq).filter(|record| of(record, id)) else { continue };
        let word = if record.action() == "job_failed" { "Put in quarantine" } else { "What was issued" };
        blocks.push(Block::Subheading(word.to_owned()));
        let allowed = record.seq("allowed_by_seq").map(|seq| format!("record {seq}")).unwrap_or_default();
        let mut fields = vec![
            ("certificate", safe(&part.object)),
            ("serial", safe(record.text("serial"))),
            ("sha256", part.sha256.to_string()),
            ("not before", safe(record.text("not_before"))),
            ("not after", safe(record.text("not_after"))),
            ("allowed by", allowed),
            ("recorded as", part.seq.to_string()),
        ];
        fields.retain(|(_, value)| !value.is_empty());
        blocks.push(Block::Fields(fields));
        blocks.push(Block::Exact(part.chain.lines().map(safe).collect()));
    }
}

/// What people had done to the ledger itself, and with which keys they signed that.
fn voices(bundle: &Bundle, blocks: &mut Vec<Block>) {
    let mut rows = Vec::new();
    for (seq, record) in &bundle.records {
        let (what, count) = match record.action() {
            "erasure_asked" => (format!("erase {}", safe(record.member("resource_id"))), 1),
            "damage_acknowledged" => {
                let pieces = record.list("damage").unwrap_or_default().len();
                (format!("acknowledge {pieces} pieces of damage"), record.list("voices").unwrap_or_default().len())
            }
            _ => continue,
        };
        for index in 0..count {
            let who = match record.list("voices").unwrap_or_default().get(index) {
                Some(voice) if record.action() == "damage_acknowledged" => safe(voice),
                _ => person(record),
            };
            let signed = signatures_of_voices(record).into_iter().find(|told| usize::try_from(told.index) == Ok(index));
            let key = signed.map_or_else(|| "no".to_owned(), |told| safe(&told.key));
            rows.push(vec![safe(record.member("at")), who, what.clone(), key, seq.to_string()]);
        }
    }
    if !rows.is_empty() {
        blocks.push(Block::Heading("What was done to what is kept".to_owned()));
        blocks.push(Block::Table(vec!["when", "who", "agreed to", "signed", "record"], rows));
    }
}

fn records(bundle: &Bundle, blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading("Records".to_owned()));
    let rows = bundle.records.iter().map(|(seq, record)| {
        vec![
            seq.to_string(),
            safe(record.member("at")),
            safe(record.member("actor")),
            safe(record.action()),
            safe(record.member("resource_id")),
            record.hash.to_string(),
        ]
    });
    blocks.push(Block::Table(vec!["number", "when", "who", "what", "about", "hash"], rows.collect()));
}

fn proof(bundle: &Bundle, blocks: &mut Vec<Block>) {
    let Some(head) = &bundle.head else { return };
    blocks.push(Block::Heading("How it is proved".to_owned()));
    let made = bundle.records.get(&head.made_seq);
    let made = made.map(|record| format!("{}, {}", person(record), safe(record.member("at")))).unwrap_or_default();
    let mut fields = vec![
        ("ledger", safe(&head.origin)),
        ("taken out by", format!("{made} (record {})", head.made_seq)),
        ("records", format!("{} in the ledger then", head.size)),
        ("root", head.root_sha256.to_string()),
    ];
    for (_, part) in &bundle.parts {
        match part {
            EvidencePart::Key(key) => fields.push(("key", format!("{} (record {})", safe(&key.verifier_key), key.seq))),
            EvidencePart::Witness(key) => {
                fields.push(("witness", format!("{} (as the host has it set)", safe(&key.verifier_key))))
            }
            EvidencePart::Policy(policy) => {
                fields.push(("policy", format!("{} (record {})", policy.sha256, policy.seq)))
            }
            _ => {}
        }
    }
    blocks.push(Block::Fields(fields));
    for (_, part) in &bundle.parts {
        if let EvidencePart::Checkpoint(part) = part {
            blocks.push(Block::Exact(part.note.lines().map(safe).collect()));
        }
    }
    let text = "To check it again: countersign audit verify FILE --key KEY, with the bundle and the verifier key that was handed \
                out with the first checkpoint; or with other tools, as docs/evidence.md describes.";
    blocks.push(Block::Text(text.to_owned()));
}
