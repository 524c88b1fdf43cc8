//! Samples of what two-person integrity adds to requests.

use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{RequestKind, Verdict};
use countersign_shared::protocol::*;
use countersign_shared::time::Span;

use super::{at, person, summary};

/// A proposal for a fourth policy that is laxer in one place.
pub fn policy_change(number: u32) -> RequestSummary {
    let mut request = summary(number, "policy 4", &[Risk::PolicyLaxer]);
    request.kind = RequestKind::PolicyChange;
    (request.certificate_id, request.job_id) = (None, None);
    request.profile_id = "policy".into();
    (request.names, request.names_total) = (Vec::new(), 0);
    request.reason = "The web team grew, and two approvals for a test host are too many".into();
    request
}

fn proposal() -> PolicyChange {
    let difference = |effect, id: &str, key: &str, before: Option<&str>, after: Option<&str>| PolicyDifference {
        table: "profile".into(),
        id: id.into(),
        key: key.into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        effect,
    };
    let finding = |level, rule: &str, subject: &str, text: &str| Finding {
        level,
        rule: rule.into(),
        subject: subject.into(),
        text: text.into(),
    };
    PolicyChange {
        base_version: 3,
        base_sha256: Digest::of(&[b"policy 3"]),
        sha256: Digest::of(&[b"policy 4"]),
        differences: vec![
            difference(Effect::Neutral, "p-web", "name", Some("Web"), Some("Web servers")),
            difference(Effect::Stricter, "p-web", "max_valid_for", Some("90d"), Some("47d")),
            difference(Effect::Laxer, "p-test", "approvals", Some("2"), Some("1")),
            difference(Effect::Stricter, "p-old", "", Some("the whole profile"), None),
        ],
        findings: vec![
            finding(FindingLevel::Note, "replay", "", "12 of the 40 requests of the last 90 days need one person less"),
            finding(FindingLevel::Warning, "single_point_of_failure", "p-test", "without bob nobody can approve"),
        ],
        document: "version = 4\n\n[[profile]]\nid = \"p-test\"\napprovals = 1\n".into(),
    }
}

/// Requests with everything that two-person integrity adds to them.
pub fn two_person() -> Vec<RequestSummary> {
    let mut steps = summary(2, "pay.corp.example", &[]);
    steps.version = 2;
    steps.not_before = Some(at(3 * 86_400));
    let mut batch = summary(4, "node1.corp.example", &[]);
    batch.batch = Some("racks-2027".into());
    vec![policy_change(1), steps, summary(3, "*.corp.example", &[Risk::Wildcard]), batch]
}

/// What the samples of [`two_person`] add, by the request's number.
pub fn fill(mut detail: RequestDetail) -> RequestDetail {
    if detail.request.kind == RequestKind::PolicyChange {
        (detail.content, detail.csr, detail.job) = (None, None, None);
        (detail.changes, detail.checks) = (Vec::new(), Vec::new());
        detail.policy_change = Some(proposal());
        detail.profile_name = "Changes of the policy".into();
        detail.terms.carry_out_within = None;
        detail.terms.steps[0].need = 2;
        detail.votes.needed = 2;
    } else if detail.request.version == 2 {
        stepped(&mut detail);
    } else if detail.request.batch.is_some() {
        detail.you.delegated_by = Some("alice".into());
    }
    detail
}

/// Two steps in order, the first one filled by a say that was handed over, amended once and talked about.
fn stepped(detail: &mut RequestDetail) {
    let vote = Decision {
        by: person("bob"),
        verdict: Verdict::Approve,
        note: "as agreed".into(),
        version: 2,
        digest: detail.request.digest,
        at: at(-300),
        seq: 8,
        counts_for: vec!["platform".into()],
        delegated_by: Some("alice".into()),
        signed: None,
    };
    let cleared =
        Decision { version: 1, seq: 5, at: at(-900), delegated_by: None, by: person("carol"), ..vote.clone() };
    let step = |group: &str, need, filled_by: &[&str], open| Step {
        group: group.into(),
        need,
        filled_by: filled_by.iter().map(|name| (*name).to_owned()).collect(),
        open,
    };
    detail.votes = Votes { given: 1, needed: 3 };
    detail.decisions = vec![vote];
    detail.terms = Terms {
        steps: vec![step("platform", 1, &["alice"], true), step("security", 1, &[], true), step("*", 1, &[], false)],
        ordered: true,
        reject_threshold: 2,
        rejections: 1,
        tightened: true,
        escalations: vec![
            Escalation { at: at(-600), groups: vec!["leads".into()], done: true },
            Escalation { at: at(7200), groups: vec!["managers".into(), "owners".into()], done: false },
        ],
        auto_approve_at: Some(at(86_400)),
        carry_out_within: Some(Span::from_secs(3 * 86_400)),
    };
    detail.amendments = vec![Amendment {
        version: 1,
        digest: Digest::of(&[b"version 1"]),
        at: at(-700),
        seq: 6,
        differences: vec![Difference { field: "san".into(), before: None, after: Some("dns:pay.corp.example".into()) }],
        decisions: vec![cleared],
    }];
    let remark = |seq, version, who: &str, text: &str| Remark {
        kind: RemarkKind::Comment,
        by: person(who),
        text: text.into(),
        version,
        at: at(-1000 + 100 * i64::try_from(seq).unwrap()),
        seq,
    };
    detail.remarks = vec![remark(4, 1, "carol", "which load balancer?"), remark(7, 2, "alice", "the one in rack 4")];
    detail.you_may = vec![Verb::Withdraw, Verb::Amend, Verb::Void, Verb::Comment];
}
