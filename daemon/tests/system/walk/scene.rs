//! A host whose issuer writes down what it is asked, and a request that waits on it.

use countersign_shared::protocol::RequestSummary;
use countersign_shared::protocol::method::{RequestApprove, RequestReject, RequestSubmit};
use countersign_shared::protocol::{DecideParams, Outcome, SubmitParams};
use serde_json::Value;

use crate::exec::{SIGN, issuing_under};
use crate::policy_change::BY_THE_GROUP;
use crate::support::{ALICE, BOB, Host, ask, can_be_people, on, skipped};

/// See the module.
pub struct Scene {
    pub host: Host,
    pub pending: RequestSummary,
    /// Certificates that people agreed to.
    pub issued: usize,
    names: u32,
}

/// Writes the order down, then signs it for the name that it is for.
fn signing() -> String {
    let first_name = r#"s/.*"sans":\[{"type":"dns","value":"\([^"]*\)".*/\1/"#;
    format!(
        "tee -a \"$PLACE/orders\" > \"$PLACE/order\"\nNAME=$(sed '{first_name}' \"$PLACE/order\")\n\
         cat \"$PLACE/order\" | {{\n{SIGN}\n}}"
    )
}

/// Whether the tests of this theme can run here.
pub fn possible() -> bool {
    let openssl = std::process::Command::new("openssl").arg("version").output().is_ok();
    if !openssl {
        skipped("openssl is not installed");
    }
    openssl && can_be_people()
}

impl Scene {
    /// One approver other than the requester; with everything that time can do.
    pub fn new() -> Self {
        let host = issuing_under(&signing(), "30s", |policy| {
            let timed = policy.replacen(
                "justification = \"required\"",
                "justification = \"required\"\napproval_timeout = \"8h\"\nrenewal_policy = \"rp-walk\"\nauto_approve_after = \"1h\"\n\
                 escalate = [{ after = \"1h\", groups = [\"pki\"] }]",
                1,
            );
            timed
                + "[[renewal_policy]]\nid = \"rp-walk\"\nalert_severity_map = { \"0\" = \"critical\" }\n"
                + BY_THE_GROUP
        });
        let pending = host.user(ALICE).request(&["web0.corp.example"]);
        Self { host, pending, issued: 0, names: 0 }
    }

    /// Another request that waits, for another name.
    pub fn wait_anew(&mut self) {
        self.names += 1;
        self.pending = self.host.user(ALICE).request(&[&format!("web{}.corp.example", self.names)]);
    }

    /// The request that a caller looks at still waits.
    pub fn still_waits(&self) -> bool {
        let sql =
            format!("SELECT count(*) FROM approval_requests WHERE id = '{}' AND state = 'pending'", self.pending.id);
        self.host.value::<i64>(&sql) == 1
    }

    /// What the issuer was asked, in order.
    pub fn orders(&self) -> Vec<Value> {
        let orders = std::fs::read_to_string(self.host.path("orders")).unwrap_or_default();
        orders.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// No issuer was asked and no certificate exists beyond `count`, and no job is on its way to one: by the state
    /// that the call committed, before anything could be carried out.
    pub fn only(&self, count: usize, what: &str) {
        let jobs = "SELECT count(*) FROM jobs WHERE state NOT IN ('awaiting_approval', 'cancelled')";
        assert_eq!(self.host.value::<i64>(jobs), i64::try_from(count).unwrap(), "{what}: a job was freed");
        let versions = self.host.value::<i64>("SELECT count(*) FROM certificate_versions");
        assert!(versions <= i64::try_from(count).unwrap(), "{what}: {versions} certificates");
        assert!(self.orders().len() <= count, "{what}: {:#?}", self.orders());
    }

    /// The issuer was asked for exactly this, as the last of so many orders.
    pub fn was_ordered(&self, request: &RequestSummary, count: usize) {
        assert_eq!(self.host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
        let orders = self.orders();
        assert_eq!(orders.len(), count);
        let order = orders.last().unwrap();
        let job = request.job_id.as_ref().unwrap();
        assert_eq!(order["job"], job.as_str());
        let (serial, content): (String, String) = self
            .host
            .db()
            .query_row(
                "SELECT j.serial, s.content FROM jobs j JOIN submissions s ON s.id = j.submission_id
                 WHERE j.id = ?1 AND s.digest = ?2",
                [job.as_str(), &request.digest.to_string()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        let content: Value = serde_json::from_str(&content).unwrap();
        assert_eq!((&order["serial"], &order["content"]), (&Value::String(serial), &content));
        assert_eq!(order["content"]["sans"], serde_json::to_value(&request.names).unwrap());
    }

    /// Requests that have ended in every way that frees nothing, besides the one that waits.
    pub fn end_some(&mut self) {
        let mut alice = self.host.user(ALICE);
        let rejected = alice.request(&["rejected.corp.example"]);
        self.host.user(BOB).call::<RequestReject>(&on(&rejected));
        let (voided, withdrawn) = (alice.request(&["voided.corp.example"]), alice.request(&["withdrawn.corp.example"]));
        super::methods::end(&self.host, &voided, &withdrawn);
        // What people agreed to, and what is not to be signed yet.
        let start = super::methods::in_an_hour();
        let scheduled = SubmitParams { not_before: Some(start), ..ask(&["later.corp.example"]) };
        let scheduled = alice.call::<RequestSubmit>(&scheduled).request.unwrap();
        let wrong = DecideParams { digest: rejected.digest, ..on(&scheduled) };
        assert!(self.host.user(BOB).attempt::<RequestApprove>(&wrong).unwrap().is_err());
    }
}
